"""An assignment is handed out, answered, and graded by nbgrader."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from tools import assignment
from tools.environment import ROOT
from tools.page import LANGUAGES, chapters

# nbgrader runs three whole assignments, one by one, for the first test.
pytestmark = pytest.mark.timeout(1200)
NAME = "03_custom_layers"
# Two of the exercises: one right, and one wrong.
ANSWERS = {
    "quadratic-layer-answer": """
class QuadraticLayer(nn.Module):
    def __init__(self, d, m):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(d, d, m))

    def forward(self, X):
        return torch.einsum("...i,...j,ijk->...k", X, X, self.W)
""",
    "dropout-answer": """
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, X):
        return X * (torch.rand_like(X) > self.p)
""",
}


def nbgrader(course, *arguments):
    """Run a command of nbgrader in the folder of a course."""
    # It calls other programs of its environment by their names.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# By language, what the feedback says of the wrong answer.
TOLD = {
    "en": ("3.6 Dropout: not right yet", "divided by 1 - p"),
    "zh": ("3.6 暂退法：还不对", "除以1 - p"),
}


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture(scope="module")
def course(tmp_path_factory, language):
    """A course: its assignment is released, and three have handed it in."""
    course = tmp_path_factory.mktemp("course")
    (chapter,) = chapters("03", language=language)
    assignment.make_assignment(chapter, course)
    nbgrader(course, "generate_assignment", NAME)
    released = course / "release" / NAME / f"{NAME}.ipynb"
    for student in ("teacher", "half", "blank"):
        target = course / "submitted" / student / NAME / released.name
        target.parent.mkdir(parents=True)
        version = "source" if student == "teacher" else "release"
        shutil.copy(course / version / NAME / released.name, target)
        if student == "half":
            notebook = nbformat.read(target, 4)
            for cell in notebook.cells:
                cell.source = ANSWERS.get(cell.id, cell.source)
            nbformat.write(notebook, target)
    nbgrader(course, "autograde", NAME)
    nbgrader(course, "generate_feedback", NAME)
    return course


def test_release_has_no_solution(course):
    file = course / "release" / NAME / f"{NAME}.ipynb"
    text = file.read_text("utf-8")
    assert "class QuadraticLayer" in text
    assert "SOLUTION" not in text
    assert "einsum(" not in text.replace("torch.einsum` helps", "")


def test_scores_are_those_of_the_checks(course):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        submissions = gradebook.assignment_submissions(NAME)
        scores = {s.student.id: (s.score, s.max_score) for s in submissions}
    most = scores["teacher"][1]
    assert most > 15
    assert scores == {
        "teacher": (most, most),
        "half": (4, most),  # of 20 minutes, a point for each five
        "blank": (0, most),
    }


def test_feedback_shows_the_hint(course, language):
    file = course / "feedback" / "half" / NAME / f"{NAME}.html"
    text = file.read_text("utf-8")
    for words in TOLD[language]:
        assert words in text
    for other in LANGUAGES:
        assert other == language or TOLD[other][0] not in text
