"""The checks of the exercises: what they accept, refuse and leave alone."""

import pytest

from d2l_helpers import check
from tests.answers import RIGHT, WRONG

NAMES = [name for name in check.__all__ if name != "Report"]
CHECKS = pytest.mark.parametrize("name", NAMES)


def cases(answers):
    return [
        pytest.param(name, *rest, id=f"{name}-{i}-{answer[:40]}")
        for name, tried in answers.items()
        for i, (answer, *rest) in enumerate(tried)
    ]


@pytest.mark.parametrize(("name", "answers"), cases(RIGHT))
def test_right_answer_is_accepted(name, answers):
    report = getattr(check, name)(*answers)
    assert report.state == "solved", report


@pytest.mark.parametrize(("name", "hint", "answers"), cases(WRONG))
def test_wrong_answer_gets_the_hint_meant_for_it(name, hint, answers):
    report = getattr(check, name)(*answers)
    assert report.state == "not right yet"
    assert hint in report.details["hint"], report
    assert report.details["expected"]
    assert report.details["got"]


@CHECKS
def test_answers_of_each_kind_are_tried(name):
    assert len(RIGHT[name]) >= 1
    assert len(WRONG[name]) >= 4


def test_all_answers_are_for_a_check():
    assert set(RIGHT) == set(WRONG) == set(NAMES)
