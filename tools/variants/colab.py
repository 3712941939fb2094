"""A page for Colab, which has no ``d2l_helpers``, and opens no text."""

from __future__ import annotations

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tools.course import Course
from tools.page import Page, texts
from tools.variants import Transform, download, in_markdown, links
from tools.words import words_of

# Of the cell that the chapters themselves don't have; no test runs it, since
# pyproject.toml has the plugin leave it out.
COLAB_TAG = "colab"


def variant(course: Course, revision: str) -> list[Transform]:
    """A page that a course's site offers to Colab.

    Args:
        course (Course): its repository is what gets installed.
        revision (str): the commit or branch of it.
    """
    return [
        *download.variant(course),
        in_markdown(links.without([file.stem for file in texts()])),
        installing(course.source.requirement(revision)),
    ]


def installing(requirement: str) -> Transform:
    """The first cell installs what Colab lacks."""

    def transform(page: Page, notebook: NotebookNode) -> NotebookNode:
        cell = new_code_cell(
            f"# {words_of(page).colab}\n"
            f"%pip install --quiet {requirement}\n"
            "!python -m d2l_helpers.d2l_package",
            metadata={"tags": [COLAB_TAG]},
            id=COLAB_TAG,
        )
        notebook.cells.insert(0, cell)
        return notebook

    return transform
