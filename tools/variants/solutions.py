"""A page of solutions, with the statements of its chapter."""

from __future__ import annotations

from collections.abc import Iterable

from nbformat import NotebookNode

from tools.exercise import Exercise, mark_of, number_of
from tools.page import Page
from tools.variants import Transform, links
from tools.words import words_of


def with_statements(tasks: Iterable[Exercise]) -> Transform:
    """Each solution begins with the statement of its exercise.

    Args:
        tasks (iterable of Exercise): those of the chapter.
    """
    by_number = {task.number: task for task in tasks}

    def transform(page: Page, notebook: NotebookNode) -> NotebookNode:
        for cell in notebook.cells:
            if task := by_number.get(number_of(cell)):
                cell.source = statement(task, page)
        return notebook

    return transform


def statement(task: Exercise, page: Page) -> str:
    """The first cell of a solution: heading, mark and statement.

    Args:
        task (Exercise): as the chapter has it.
        page (Page): the solutions of the chapter.
    """
    words = words_of(page)
    return (
        f"## {task.number} {task.title}\n\n"
        f"{mark_of(task.kind, task.minutes, words)}\n"
        f"[{words.exercise}]({page.link_to(page.chapter)}#{task.anchor})\n\n"
        f"{links.a_level_down(task.statement)}"
    )
