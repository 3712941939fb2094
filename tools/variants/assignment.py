"""A chapter's exercises as nbgrader wants them: the teacher's version.

Each has a cell for the answer, with the starter and then the worked solution,
and a cell that runs the check and fails unless it is passed.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.exercise import Exercise, opening
from tools.files import title_of
from tools.page import Page, chapters
from tools.variants import Transform, in_markdown, links
from tools.variants.speaking import speaking
from tools.words import words_of

MINUTES = 5  # for a point
CHECK = """\
# {comment}
import sys

for module in list(sys.modules):
    if module.startswith("d2l_helpers.check") and module[-6:] != "._seen":
        del sys.modules[module]
import d2l_helpers.check as check

report = {call}
solved = report.__class__ is check.Report and report.state == "solved"
display(report)
assert solved"""


def variant(
    tasks: Iterable[Exercise],
    solved: Iterable[Exercise],
    solutions: NotebookNode,
) -> list[Transform]:
    """The assignment of a chapter, of whose notebook the title stays.

    Args:
        tasks (iterable of Exercise): those of the chapter.
        solved (iterable of Exercise): the same ones on the page of solutions.
        solutions (NotebookNode): that page.
    """
    pairs = list(zip(tasks, solved, strict=True))
    return [
        title_alone,
        opening_as(solutions),
        speaking,
        *(with_exercise(task, solution) for task, solution in pairs),
        in_markdown(links.without([chapter.stem for chapter in chapters()])),
    ]


def title_alone(page: Page, notebook: NotebookNode) -> NotebookNode:
    """Of the cells, there is one, which says what to do."""
    said = words_of(page).assignment.format(title=title_of(notebook))
    cell = new_markdown_cell(said, id="title")
    return new_notebook(metadata=notebook.metadata, cells=[cell])


def opening_as(solutions: NotebookNode) -> Transform:
    """Code cells follow as they are before the first solution."""

    def transform(_: Page, notebook: NotebookNode) -> NotebookNode:
        notebook.cells += [
            new_code_cell(source, id=f"imports-{i}")
            for i, source in enumerate(opening(solutions))
        ]
        return notebook

    return transform


def with_exercise(task: Exercise, solution: Exercise) -> Transform:
    """Statement, answer and check of an exercise follow."""
    points = max(1, round(task.minutes / MINUTES))
    name = task.check.replace("_", "-")
    answer = new_code_cell(
        f"{task.answer}\n### BEGIN SOLUTION\n{solution.answer}\n"
        "### END SOLUTION",
        id=f"{name}-answer",
        metadata=graded(f"{name}-answer", solution=True),
    )

    def transform(page: Page, notebook: NotebookNode) -> NotebookNode:
        words = words_of(page)
        said = words.point if points == 1 else words.points
        mark = said.format(
            kind=words.kinds[task.kind], minutes=task.minutes, points=points
        )
        check = new_code_cell(
            CHECK.format(comment=words.anew, call=task.call),
            id=f"{name}-check",
            metadata=graded(f"{name}-check", points=points),
        )
        statement = new_markdown_cell(
            f"## {task.number} {task.title}\n\n{mark}\n\n{task.statement}",
            id=f"{name}-statement",
        )
        notebook.cells += [statement, deepcopy(answer), check]
        return notebook

    return transform


def graded(
    name: str, *, points: int | None = None, solution: bool = False
) -> dict:
    """The metadata by which nbgrader knows a cell."""
    data = {
        "schema_version": 3,
        "grade_id": name,
        "grade": points is not None,
        "locked": points is not None,
        "solution": solution,
        "task": False,
    }
    return {"nbgrader": data | ({"points": points} if points else {})}
