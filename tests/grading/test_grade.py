"""A class hands in, also what means harm, and all of it is graded."""

import csv
import os
import shutil
import socket

import nbformat
import pytest
from nbgrader.api import Gradebook

from tests.grading.hostile import (
    HOSTILE,
    LAST,
    MIDDLE,
    NAME,
    RIGHT,
    hand_in,
    make_course,
)
from tools import grade
from tools.grading.course import Course
from tools.grading.sandbox import Limits
from tools.page import LANGUAGES

# What nbgrader is made of warns, as of what its next version will do.
pytestmark = pytest.mark.filterwarnings("default")
sandboxed = pytest.mark.skipif(
    not shutil.which("bwrap"), reason="needs bubblewrap"
)
SEEN = "NOT FOR OTHERS"


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A course in which all that is hostile was graded, at once."""
    folder = tmp_path_factory.mktemp("course")
    with socket.create_server(("127.0.0.1", 0)) as server:
        make_course(folder, server.getsockname()[1])
        source = folder / "source" / NAME / f"{NAME}.ipynb"
        notebook = nbformat.read(source, 4)
        notebook.cells.append(nbformat.v4.new_markdown_cell(SEEN))
        hand_in(folder, "other", notebook)
        broken = folder / "submitted/broken" / NAME / f"{NAME}.ipynb"
        broken.parent.mkdir(parents=True)
        broken.write_text("no notebook")
        course = Course(folder, NAME)
        course.limits.cell_seconds = 30
        grade.grade(course, workers=2)
        server.settimeout(0.5)
        try:
            server.accept()
        except TimeoutError:
            reached = False
        else:
            reached = True
    return course, reached


def marks(course):
    """By student, the points, and how many of them are the teacher's."""
    with course.gradebook() as gradebook:
        return {
            s.student.id: (
                s.score,
                sum(
                    g.needs_manual_grade for n in s.notebooks for g in n.grades
                ),
            )
            for s in gradebook.assignment_submissions(NAME)
        }


@sandboxed
@pytest.mark.timeout(1200)
def test_each_keeps_its_right_answers_and_no_more(graded):
    course, _ = graded
    found = marks(course)
    assert found.pop("right") == (RIGHT + MIDDLE, 0)
    assert found.pop("other") == (RIGHT + MIDDLE, 0)
    assert found.pop("wrong") == (RIGHT, 0)
    assert found.pop("broken") == (0, 3)
    wanted = {
        name: (
            (RIGHT - LAST, 1)
            if look == "later"
            else (RIGHT, found[name][1] if look is None else int(look))
        )
        for name, (_, look) in HOSTILE.items()
    }
    assert found == wanted


@sandboxed
def test_nobody_was_reached_read_or_deleted(graded):
    course, reached = graded
    assert not reached
    assert (course.folder / "gradebook.db").is_file()
    file = course.path("autograded", "reads") / f"{NAME}.ipynb"
    assert SEEN not in file.read_text("utf-8")
    for name in (*HOSTILE, "right"):
        assert (course.path("submitted", name) / f"{NAME}.ipynb").is_file()


@sandboxed
def test_tables_say_who_and_what(graded):
    course, _ = graded
    file = course.folder / "grades" / f"{NAME}.csv"
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = {row[0]: row[2:] for row in csv.reader(opened)}
    assert rows["right"] == ["8", "4", "3", "1"]
    assert rows["wrong"] == ["5", "4", "0", "1"]
    assert rows["exit"] == ["5", "4", "to be looked at", "1"]
    assert rows["broken"] == ["0", *["to be looked at"] * 3]
    file = course.folder / "grades" / f"{NAME}-hints.csv"
    with file.open(encoding="utf-8-sig", newline="") as opened:
        hints = list(csv.reader(opened))
    assert hints[0] == ["Exercise", "Hint", "Students"]
    most = next(row for row in hints if row[0] == "3.6 Dropout")
    assert int(most[2]) >= 5  # the same wrong answer, of each cheat


@sandboxed
def test_what_was_graded_is_not_graded_again(graded, monkeypatch):
    course, _ = graded
    new = [s for s in course.submissions() if not course.is_graded(s)]
    assert [submission.student for submission in new] == ["broken"]
    file = course.path("submitted", "wrong") / f"{NAME}.ipynb"
    text = file.read_text("utf-8")
    file.write_text(text.replace("return X", "return 2 * X"))
    new = [s.student for s in course.submissions() if not course.is_graded(s)]
    assert new == ["broken", "wrong"]


@sandboxed
@pytest.mark.parametrize("language", LANGUAGES)
def test_feedback_is_in_the_language_of_the_student(tmp_path, language):
    (tmp_path / "course").mkdir()
    folder = tmp_path / "course"
    make_course(folder, language=language)
    for name in HOSTILE:
        if name != "exit":
            shutil.rmtree(folder / "submitted" / name)
    course = Course(folder, NAME)
    assert course.language == language
    file = course.path("submitted", "wrong") / f"{NAME}.ipynb"
    notebook = nbformat.read(file, 4)
    notebook.cells.append(
        nbformat.v4.new_markdown_cell("<script>alert(1)</script>")
    )
    nbformat.write(notebook, file)
    grade.grade(course, workers=2)
    pages = {
        name: (course.path("feedback", name) / f"{NAME}.html").read_text(
            "utf-8"
        )
        for name in ("right", "wrong", "exit")
    }
    said = {
        "en": ("8 of 8 points", "not right yet", "Your teacher will look at"),
        "zh": ("8分（满分8分）", "还不对", "这道题由老师来看"),
    }
    for other in LANGUAGES:
        for name, words in zip(pages, said[other], strict=True):
            assert (words in pages[name]) == (other == language)
    assert "AssertionError" not in pages["wrong"]  # beneath its report
    assert "<script" not in pages["wrong"]
    assert "default-src 'none'" in pages["wrong"]


def test_course_that_was_not_handed_out_says_what_to_do(tmp_path):
    (tmp_path / "source" / NAME).mkdir(parents=True)
    with pytest.raises(LookupError, match="`make course CH=03` makes"):
        Course(tmp_path, NAME)


def test_release_that_is_there_stays(tmp_path, capsys):
    release = tmp_path / "release" / NAME / "mine.ipynb"
    release.parent.mkdir(parents=True)
    release.write_text("mine")
    grade.hand_out(tmp_path, NAME)
    assert "stays" in capsys.readouterr().out
    assert release.read_text() == "mine"


def test_points_that_a_teacher_gave_stay(tmp_path):
    """Graded again, a point by hand is still there."""
    # Without a sandbox, and without a kernel: nothing is run.
    folder = tmp_path / "course"
    folder.mkdir()
    make_course(folder)
    course = Course(folder, NAME)
    course.keep({"right": "couldn't be read"})
    with course.gradebook() as gradebook:
        found = gradebook.find_grade("dropout-check", NAME, NAME, "right")
        found.manual_score = 2
        gradebook.db.commit()
    course.keep({"right": "couldn't be read"})
    assert marks(course)["right"] == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name a chapter, as in: make grade CH=03"),
        (["grade", ""], "name a chapter, as in: make grade CH=03"),
        (["other", "03"], "name a chapter, as in: make grade CH=03"),
        (["grade", "03"], "has no assignment '03', but none: `make course"),
    ],
)
def test_command_says_what_it_needs(
    arguments, complaint, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(grade, "COURSE", tmp_path)
    assert grade.main(arguments) == 2
    assert complaint in capsys.readouterr().err


def test_without_a_sandbox_only_where_it_is_said(
    monkeypatch, tmp_path, capsys
):
    make_course(tmp_path)
    for name in (*HOSTILE, "right"):
        shutil.rmtree(tmp_path / "submitted" / name)
    monkeypatch.setattr(grade, "COURSE", tmp_path)
    path = [
        folder
        for folder in os.environ["PATH"].split(os.pathsep)
        if not os.path.exists(os.path.join(folder, "bwrap"))
    ]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    assert grade.main(["grade", "03"]) == 2
    assert "apt install bubblewrap" in capsys.readouterr().err
    monkeypatch.setenv("SANDBOX", "0")
    before = set(os.listdir("/tmp"))
    assert grade.main(["grade", "03"]) == 0
    left = {"ipython", "matplotlib", "torchinductor_student"}
    assert not left & (set(os.listdir("/tmp")) - before)
    assert "delete all that you can" in capsys.readouterr().err
    assert marks(Course(tmp_path, NAME)) == {"wrong": (RIGHT, 0)}


def test_limits_are_those_of_the_course(tmp_path):
    make_course(tmp_path)
    config = tmp_path / "nbgrader_config.py"
    config.write_text(config.read_text("utf-8") + "\nc.Limits.memory = 4096\n")
    assert Course(tmp_path, NAME).limits.memory == 4096
    assert Limits().memory == 2048


def test_gradebook_is_nbgraders_own(tmp_path):
    make_course(tmp_path)
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as gradebook:
        assert gradebook.find_assignment(NAME).max_score == RIGHT + MIDDLE
