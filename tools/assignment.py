"""A chapter's exercises as an assignment that nbgrader grades.

    python -m tools.assignment CHAPTER

writes a course folder of nbgrader, _build/nbgrader: its configuration, and
the teacher's version of the assignment, source/NN_name/NN_name.ipynb. Each
exercise is a cell for the answer, which holds the starter and then the worked
solution, and a cell that runs the check and fails unless it is passed.
`nbgrader generate_assignment NN_name` takes the solutions out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from tools import book, exercises
from tools.exercises import Exercise
from tools.site import BUILD, unlinked

MINUTES = 5  # for a point
CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "deep-learning-computation"
# The starter stands above the solution, and is all that students need.
c.ClearSolutions.code_stub = {"python": ""}
# A check stops an answer by itself; this is for the cells around it.
c.ExecutePreprocessor.timeout = 120
"""


def make_assignment(chapter: Path, folder: Path) -> Path:
    """Write a course folder with one assignment; others in it stay.

    Args:
        chapter (Path): the ``.py`` file of the chapter.
        folder (Path): the course folder.

    Returns:
        The notebook.

    Raises:
        LookupError: if the chapter has no solutions, from which the
            teacher's version is made.
    """
    if not book.solutions(chapter).is_file():
        raise LookupError(f"{chapter.stem} has no page of solutions")
    target = folder / "source" / chapter.stem / f"{chapter.stem}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    config = folder / "nbgrader_config.py"
    if not config.is_file():  # a teacher may have changed it
        config.write_text(CONFIG, "utf-8")
    nbformat.write(assignment(chapter), target)
    return target


def assignment(chapter: Path) -> NotebookNode:
    """The teacher's version of the assignment, not run."""
    stored, solutions = map(
        book.read_stored, (chapter, book.solutions(chapter))
    )
    notebook = nbformat.v4.new_notebook(metadata=stored.metadata)
    title = stored.cells[0].source.splitlines()[0]
    notebook.cells = [
        new_markdown_cell(
            f"{title}: exercises\n\nWrite your answer in the place of each "
            "`...`, run the cell, and run the check below it. The assignment "
            "is graded by the same checks.",
            id="title",
        ),
        *[
            new_code_cell(cell.source, id=f"imports-{i}")
            for i, cell in enumerate(opening(solutions))
        ],
    ]
    solved = exercises.exercises(book.solutions(chapter))
    for task, solution in zip(
        exercises.exercises(chapter), solved, strict=True
    ):
        notebook.cells += cells_of(task, solution)
    return notebook


def opening(solutions: NotebookNode) -> list[NotebookNode]:
    """The code cells before the first solution: what the answers need."""
    cells = []
    for cell in solutions.cells:
        if cell.cell_type == "code":
            cells.append(cell)
        elif exercises.HEADING.match(cell.source):
            break
    return cells


def cells_of(task: Exercise, solution: Exercise) -> list[NotebookNode]:
    """Statement, answer and check of one exercise."""
    points = max(1, round(task.minutes / MINUTES))
    names = [source.stem for source in book.sources()]
    statement = unlinked(task.statement, names)
    name = task.check.replace("_", "-")
    return [
        new_markdown_cell(
            f"## {task.number} {task.title}\n\n"
            f"*{task.kind}, {task.minutes} minutes, {points} points.*\n\n"
            f"{statement}",
            id=f"{name}-statement",
        ),
        new_code_cell(
            f"{task.answer}\n### BEGIN SOLUTION\n{solution.answer}\n"
            "### END SOLUTION",
            id=f"{name}-answer",
            metadata=graded(f"{name}-answer", solution=True),
        ),
        new_code_cell(
            f"report = {task.call}\ndisplay(report)\nassert report",
            id=f"{name}-check",
            metadata=graded(f"{name}-check", points=points),
        ),
    ]


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


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    if len(arguments) != 1 or not arguments[0]:
        print("name a chapter: make assignment CH=03", file=sys.stderr)
        return 2
    try:
        for chapter in book.sources(arguments[0]):
            target = make_assignment(chapter, BUILD / "nbgrader")
            print(f"The assignment is {target.relative_to(book.ROOT)}")
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
