"""A page for download, into whatever folder."""

from __future__ import annotations

from tools.course import Course
from tools.variants import Transform, Words, in_markdown, links
from tools.variants.speaking import speaking


def variant(course: Course) -> list[Transform]:
    """A page that the site of a course offers."""
    return [in_markdown(*words(course)), speaking]


def words(course: Course) -> list[Words]:
    """What takes links away that lead to what a course doesn't have."""
    return [
        *[links.without_solutions] * (not course.solutions),
        links.without(course.left_out),
    ]
