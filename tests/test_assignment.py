"""A chapter's exercises as an assignment; grading it is in tests/grading."""

import contextlib
import re
from tempfile import TemporaryDirectory

import nbformat
import pytest

from tools import assignment, book, exercises

CHAPTERS = pytest.mark.parametrize(
    "chapter", book.sources(), ids=lambda path: path.stem
)
SOLUTION = re.compile("### BEGIN SOLUTION.*?### END SOLUTION", re.DOTALL)


def run(notebook, folder, monkeypatch):
    """Run all cells in one process; what the checks have answered."""
    monkeypatch.chdir(folder)
    reports = []
    names = {"__name__": "__main__", "display": reports.append}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with contextlib.suppress(AssertionError):
                exec(compile(cell.source, "<cell>", "exec"), names)
    for value in names.values():
        if isinstance(value, TemporaryDirectory):
            value.cleanup()  # which it would say loudly at the end
    return [report.state for report in reports]


def test_teacher_gets_all_points(tmp_path, monkeypatch):
    (chapter,) = book.sources("03")
    states = run(assignment.assignment(chapter), tmp_path, monkeypatch)
    assert set(states) == {"solved"}
    assert len(states) == len(exercises.exercises(chapter))


@CHAPTERS
def test_student_begins_with_blanks_that_run(chapter, tmp_path, monkeypatch):
    notebook = assignment.assignment(chapter)
    for cell in notebook.cells:
        cell.source = SOLUTION.sub("", cell.source)
    states = run(notebook, tmp_path, monkeypatch)
    assert set(states) == {"not solved yet"}
    assert len(states) == len(exercises.exercises(chapter))


@CHAPTERS
def test_assignment_says_what_the_chapter_says(chapter):
    notebook = assignment.assignment(chapter)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    for task in exercises.exercises(chapter):
        assert f"## {task.number} {task.title}\n" in text
        assert task.answer in text
        assert f"report = {task.call}" in text
    assert ".ipynb" not in text


def test_cells_are_marked_for_nbgrader():
    (chapter,) = book.sources("03")
    answer, check = (
        cell.metadata.nbgrader
        for cell in assignment.assignment(chapter).cells
        if cell.id in ("dropout-answer", "dropout-check")
    )
    assert (answer.solution, answer.grade, answer.locked) == (1, 0, 0)
    assert (check.solution, check.grade, check.locked) == (0, 1, 1)
    assert check.points == 3  # 15 minutes
    assert "points" not in answer


def test_configuration_that_is_there_stays(tmp_path):
    (chapter,) = book.sources("03")
    (tmp_path / "nbgrader_config.py").write_text("# mine")
    target = assignment.make_assignment(chapter, tmp_path)
    assert target.is_file()
    assert (tmp_path / "nbgrader_config.py").read_text() == "# mine"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name a chapter: make assignment CH=03"),
        ([""], "name a chapter: make assignment CH=03"),
        (["99"], "there is no chapter '99'"),
    ],
)
def test_command_needs_a_chapter(arguments, complaint, capsys):
    assert assignment.main(arguments) == 2
    assert complaint in capsys.readouterr().err


def test_chapter_without_solutions_is_named(tmp_path):
    with pytest.raises(LookupError, match="08_new has no page of solutions"):
        assignment.make_assignment(tmp_path / "08_new.py", tmp_path)
