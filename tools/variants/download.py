"""A page for download, into whatever folder."""

from __future__ import annotations

from nbformat import NotebookNode

from tools.course import Course
from tools.environment import package_version
from tools.page import Page
from tools.variants import Transform, Words, in_markdown, links
from tools.variants.speaking import speaking


def variant(course: Course) -> list[Transform]:
    """A page that the site of a course offers."""
    return [in_markdown(*words(course)), speaking, needing(course)]


def needing(course: Course) -> Transform:
    """A page says which version of the package it needs, and from where.

    An older package that finds this says what to run. In the metadata no
    reader sees it.
    """

    def transform(_: Page, notebook: NotebookNode) -> NotebookNode:
        about = notebook.metadata.setdefault("d2l", NotebookNode())
        about["needs"] = package_version()
        if course.source:
            about["from"] = course.source.requirement(course.branch)
        return notebook

    return transform


def words(course: Course) -> list[Words]:
    """What takes links away that lead to what a course doesn't have."""
    return [
        *[links.without_solutions] * (not course.solutions),
        links.without(course.left_out),
    ]
