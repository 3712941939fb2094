"""What stands in several files is the same in each of them.

Of versions, packages and licenses, tests/test_environment.py says so.
"""

import re
import tomllib

import pytest
import yaml

from d2l_helpers.check import _report, _safely
from d2l_reader import _notebook, _progress
from tools import exercise
from tools.environment import ROOT, python_range
from tools.page import TIMEOUT, front_page

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def text(name):
    return (ROOT / name).read_text("utf-8")


def test_companion_has_one_title():
    title = yaml.safe_load(text("CITATION.cff"))["title"]
    assert text("README.md").startswith(f"# {title}\n")
    assert front_page().read_text("utf-8").startswith(f"# {title}\n")
    assert f"    {title}\n" in text("LICENSE-text")


def test_cell_has_as_long_in_a_run_as_in_a_test():
    settings = tomllib.loads(text("pyproject.toml"))["tool"]["pytest"]
    option = f"--nbval-cell-timeout={TIMEOUT}"
    assert option in settings["ini_options"]["addopts"]


def test_teachers_are_told_when_a_check_stops_an_answer():
    words = {5: "five"}
    told = " ".join(text("site/pages/teach.md").split())
    assert f"after {words[_safely.SECONDS]} seconds of computing" in told


def test_marks_of_a_stored_check_are_those_of_the_checks():
    marks = {mark: state for state, (mark, *_) in _report.STATES.items()}
    assert marks == exercise.STATES
    assert _notebook.REPORT == _report.MIME
    assert {str(s): m for m, s in marks.items()} == _progress.STATES


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_of_one_python_run_with_the_oldest(workflow):
    oldest, _ = (f"{major}.{minor}" for major, minor in python_range())
    named = re.findall(r"python-version: (.+)", text(workflow))
    assert set(named) - {"${{ matrix.python }}"} == {f'"{oldest}"'}
