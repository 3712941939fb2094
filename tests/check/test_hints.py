"""Hints in steps, and the link to the worked solution after them."""

from collections.abc import Callable

import pytest

from d2l_helpers import check
from d2l_helpers.check import _hints
from d2l_helpers.check._compare import case, equal
from d2l_helpers.check._exercise import exercise
from d2l_helpers.check._report import Report, State
from tools.environment import ROOT
from tools.exercise import exercises
from tools.page import CHAPTERS, chapters

STEPS = ("It isn't 1.", "Add 1.", "Return 0 + 1.")


@exercise("3.9 Steps", "it is 1")
def stepwise(answer: object, other: object = None):
    with case("the answer"):
        equal(answer, 1, STEPS, known=[(2, "It is one too many.")])
    with case("the other", ("Let it be.", "Give None.")):
        assert other is None


def helps(report):
    return {
        name: text
        for name, text in report.details.items()
        if name not in ("given", "expected", "got")
    }


AGAIN = "Run the check again for another hint."
LINK = "Run the check again for a link to the solution."
PAGE = "solutions/03_custom_layers.ipynb"


@pytest.fixture
def beside_solutions(tmp_path, monkeypatch):
    (tmp_path / "solutions").mkdir()
    (tmp_path / PAGE).touch()
    monkeypatch.chdir(tmp_path)


def test_same_wrong_answer_gets_the_next_step(beside_solutions):
    seen = {"hint": STEPS[0]}
    assert helps(stepwise(0)) == seen | {"next": AGAIN}
    seen["hint 2"] = STEPS[1]
    assert helps(stepwise(0)) == seen | {"next": AGAIN}
    seen["hint 3"] = STEPS[2]
    assert helps(stepwise(0)) == seen | {"next": LINK}
    link = f"[3.9 in {PAGE}]({PAGE}#cell-id=exercise-3-9)"
    for _ in range(3):
        assert helps(stepwise(0)) == seen | {"solution": link}


def test_hint_of_one_step_gets_the_link(beside_solutions):
    assert helps(stepwise(2)) == {"hint": "It is one too many.", "next": LINK}
    assert set(helps(stepwise(2))) == {"hint", "solution"}


def test_there_is_no_link_where_there_are_no_solutions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert helps(stepwise(2)) == {"hint": "It is one too many."}
    assert helps(stepwise(2)) == {"hint": "It is one too many."}
    # Nor to the page of another chapter.
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions/04_file_io.ipynb").touch()
    assert set(helps(stepwise(2))) == {"hint"}


def test_another_mistake_begins_at_its_first_step():
    stepwise(0)
    for answers in ((3,), (1, 0), (1, 2)):
        assert "hint 2" not in stepwise(*answers).details
    assert "hint 2" in stepwise(0).details


def test_right_answer_forgets_the_mistakes_and_a_blank_one_does_not():
    stepwise(0)
    assert stepwise(...).state is State.BLANK
    assert "hint 2" in stepwise(0).details
    assert stepwise(1)
    assert "hint 2" not in stepwise(0).details


def test_error_gets_the_steps_of_its_case():
    @exercise("3.8 Error")
    def fails(function: Callable):
        with case("the inputs", STEPS):
            function(None)

    def answer(_):
        raise ValueError

    first = fails(answer).details["hint"]
    assert first.startswith(STEPS[0])
    assert "`raise ValueError`" in first
    assert fails(answer).details["hint 2"] == STEPS[1]


def test_link_is_a_path_in_a_terminal_and_leads_there(monkeypatch):
    monkeypatch.chdir(CHAPTERS)
    tasks = [(c, task) for c in chapters() for task in exercises(c)]
    for chapter, task in tasks:
        title = getattr(check, task.check).title
        found = _hints.solution(title)
        path = chapter.link_to(chapter.solutions)
        shown = f"{task.number} in {path}"
        assert found == f"[{shown}]({path}#{task.anchor})"
        details = {"hint": "Think.", "solution": found}
        report = Report(title, State.WRONG, (), details)
        assert repr(report).endswith(f"solution  {shown}")
        assert f"- **Solution:** {found}" in report._repr_markdown_()
    monkeypatch.chdir(ROOT)
    assert f"chapters/{path}#" in _hints.solution(title)
