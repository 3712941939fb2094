"""What `make test CH=03` runs: what belongs to that chapter, and no more."""

import subprocess
import sys

import pytest

import make
from tools.environment import ROOT

STEM = "03_custom_layers"
# Some test of each kind, by what its id begins with.
KINDS = [
    "tests/test_chapters.py::test_page_keeps_the_form",
    "tests/test_chapters.py::test_chapter_keeps_the_form",
    "tests/test_exercises.py::",
    "tests/check/test_answers.py::test_right_answer_is_accepted",
    "tests/check/test_answers.py::test_wrong_answer_gets_the_hint",
    "tests/check/test_answers.py::test_each_hint_is_for_some_wrong_answer",
    "tests/check/test_answers.py::test_junk_is_answered",
    f"chapters/{STEM}.ipynb::",
    f"chapters/solutions/{STEM}.ipynb::",
]


@pytest.fixture
def started(monkeypatch):
    """The commands that `make test` hands over to, and doesn't start."""
    commands = []
    monkeypatch.setattr(make, "hand_over", lambda *c: commands.append(c) or 0)
    monkeypatch.setattr(make, "lint", lambda _: 0)
    monkeypatch.setenv("FRESH", "1")
    monkeypatch.delenv("DEVICE", raising=False)
    return commands


def test_tests_of_a_chapter_are_those_with_its_name(started):
    assert make.test(sys.executable, "03") == 0
    ((python, *command),) = started
    done = subprocess.run(
        [python, *command, "--collect-only", "-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    assert [test for test in tests if STEM not in test] == []
    for kind in KINDS:
        assert any(test.startswith(kind) for test in tests), kind


def test_missing_notebook_keeps_no_test_from_running(
    started, monkeypatch, tmp_path
):
    page = tmp_path / "chapters/08_new.py"
    page.parent.mkdir()
    page.touch()
    listed = subprocess.CompletedProcess([], 0, b"chapters/08_new.ipynb\n")
    monkeypatch.setattr(make.subprocess, "run", lambda *_, **__: listed)
    make.test(sys.executable, "08")
    ((_, *command),) = started
    assert "chapters/08_new.ipynb" not in command
    assert command[-2:] == ["-k", "08_new"]


def test_style_is_told_beside_what_else_is_wrong(started, monkeypatch):
    monkeypatch.setattr(make, "lint", lambda _: 1)
    monkeypatch.setattr(make.subprocess, "call", lambda _: 0)
    assert make.test(sys.executable, "03") == 1
    assert make.test(sys.executable, "") == 1
    assert started == []
