"""A chapter as students get it: no solutions, and no links to any."""

from __future__ import annotations

from tools.course import Course
from tools.variants import Transform, Words, in_markdown, links


def variant(course: Course) -> list[Transform]:
    """A chapter in the handout of a course."""
    return [in_markdown(*words(course))]


def words(course: Course) -> list[Words]:
    """What is done to all Markdown of a handout, also of a page of text."""
    return [links.without_solutions, links.without(course.left_out)]
