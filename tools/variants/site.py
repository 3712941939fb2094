"""A page as Sphinx gets it: its links lead somewhere on the site."""

from __future__ import annotations

from collections.abc import Mapping

from nbformat import NotebookNode

from tools.course import Course
from tools.page import Page
from tools.variants import Transform, Words, download, in_markdown, links
from tools.variants.outputs import for_people, overwritten, unstyled


def variant(course: Course, anchors: Mapping[str, str]) -> list[Transform]:
    """A page of a course's site.

    Args:
        course (Course): says which pages there are, and where else.
        anchors (Mapping[str, str]): those of the headings of all pages, by
            the ids of their cells.
    """
    return [
        inviting(course),
        in_markdown(*words(course, anchors)),
        overwritten,
        unstyled,
        for_people,
    ]


def words(course: Course, anchors: Mapping[str, str]) -> list[Words]:
    """What is done to all Markdown of the site, also of a page of text."""
    return [*download.words(course), links.to_headings(anchors)]


def inviting(course: Course) -> Transform:
    """The exercises say where they can be solved, since no page runs."""

    def transform(page: Page, notebook: NotebookNode) -> NotebookNode:
        places = course.places(page).items()
        found = [f"[{name}]({address})" for name, address in places]
        found += ["[JupyterLab on your computer](index.md#how-to-run-it)"]
        for cell in notebook.cells:
            markdown = cell.cell_type == "markdown"
            if markdown and cell.source.startswith("## Exercises\n"):
                cell.source += (
                    "\n\nNothing runs on this page. Solve the exercises in "
                    f"the notebook of this chapter, in {' or '.join(found)}."
                )
        return notebook

    return transform
