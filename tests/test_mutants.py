"""The verdict over mutants that survive the tests."""

import pytest

from tools import mutants

ONE = mutants.Mutant("layers.MyLinear.forward", "X + 1", "X - 1")
OTHER = mutants.Mutant("layers.MyLinear.forward", "X + 1", "X + 2")


def test_survivors_that_are_listed_are_no_complaint():
    assert list(mutants.complaints({ONE, OTHER}, {OTHER, ONE})) == []


def test_survivor_that_is_not_listed_is_named():
    (complaint,) = mutants.complaints({ONE, OTHER}, {OTHER})
    assert complaint == (
        "survived in layers.MyLinear.forward:\n-   X + 1\n+   X - 1"
    )


def test_listed_mutant_that_does_not_survive_is_named():
    (complaint,) = mutants.complaints({ONE}, {ONE, OTHER})
    assert complaint.startswith(
        "listed in equivalent_mutants.toml, and killed"
    )
    assert complaint.endswith("\n-   X + 1\n+   X + 2")


@pytest.mark.parametrize(
    ("code", "status", "found"),
    [
        (1, "killed", "killed"),
        (2, "check was interrupted by user", "killed"),  # no import
        (36, "timeout", "timeout"),
        (0, "survived", "survived"),
        (5, "no tests", "survived"),
        (None, "not checked", "survived"),
        (-11, "segfault", "survived"),
    ],
)
def test_mutant_is_killed_if_its_tests_cannot_be_imported(code, status, found):
    assert mutants.verdict(code, status) == found


def test_each_equivalent_mutant_has_its_reason():
    listed = mutants.equivalent()
    assert listed
    assert all(listed.values())
