"""A chapter's exercises as an assignment that nbgrader grades.

    python -m tools.assignment CHAPTER

writes into a course folder of nbgrader, course: its configuration, and the
teacher's version of the assignment, source/NN_name/NN_name.ipynb. What is
there stays: submissions, grades, and what a teacher has changed. Each
exercise is a cell for the answer, which holds the starter and then the worked
solution, and a cell that runs the check and fails unless it is passed.
`nbgrader generate_assignment NN_name` takes the solutions out.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from difflib import unified_diff
from itertools import islice
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from tools import book, exercises
from tools.exercises import Exercise
from tools.folders import require_own
from tools.site import BUILD, unlinked

COURSE = book.ROOT / "course"
EARLIER = BUILD / "nbgrader"  # where it was: a folder that may be deleted
MINUTES = 5  # for a point
MADE = "d2l_companion"  # the key for what a notebook was made as
# In the metadata of a cell, what running and looking at it leaves.
TRACES = {"collapsed", "execution", "jupyter", "scrolled"}
CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "deep-learning-computation"
# The starter stands above the solution, and is all that students need.
c.ClearSolutions.code_stub = {"python": ""}
# A check stops an answer by itself; this is for the cells around it.
c.ExecutePreprocessor.timeout = 120
"""

# What an answer has done to the package isn't there any more.
CHECK = """\
import sys

for module in list(sys.modules):
    if module.startswith("d2l_helpers.check") and module[-7:] != "._hints":
        del sys.modules[module]
import d2l_helpers.check as check  # anew, as it is installed

report = {call}
solved = report.__class__ is check.Report and report.state == "solved"
display(report)
assert solved"""


def make_assignment(chapter: Path, folder: Path) -> Path:
    """Write an assignment into a course folder; all else in it stays.

    Args:
        chapter (Path): the ``.py`` file of the chapter.
        folder (Path): the course folder.

    Returns:
        The notebook.

    Raises:
        LookupError: if the chapter has no solutions, from which the
            teacher's version is made; if a teacher has changed the notebook,
            which then stays as it is; or if it is a link.
    """
    if not book.solutions(chapter).is_file():
        raise LookupError(f"{chapter.stem} has no page of solutions")
    target = folder / "source" / chapter.stem / f"{chapter.stem}.ipynb"
    notebook = assignment(chapter)
    notebook.metadata[MADE] = {"digest": digest(notebook)}
    config = folder / "nbgrader_config.py"
    require_own(target)
    require_own(config)
    if target.exists():
        _require_untouched(target, notebook)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not config.is_file():  # a teacher may have changed it
        config.write_text(CONFIG, "utf-8")
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        nbformat.write(notebook, Path(beside, target.name))
        os.replace(Path(beside, target.name), target)
    return target


def digest(notebook: NotebookNode) -> str:
    """What a teacher would change in a notebook, as one hash."""
    cells = [
        (
            cell.cell_type,
            cell.source,
            cell.get("attachments"),
            {k: v for k, v in cell.metadata.items() if k not in TRACES},
        )
        for cell in notebook.cells
    ]
    text = json.dumps(cells, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _require_untouched(file: Path, new: NotebookNode) -> None:
    """Refuse to lose what a teacher has changed in a notebook."""
    try:
        old = nbformat.read(file, 4)
    except Exception as error:  # nbformat raises errors of many kinds
        raise LookupError(
            f"{file} can't be read ({error}): rename it, to have it made anew"
        ) from None
    if digest(old) in (digest(new), old.metadata.get(MADE, {}).get("digest")):
        return
    texts = [
        "\n\n".join(c.source for c in n.cells).splitlines() for n in (old, new)
    ]
    lines = unified_diff(*texts, "yours", "made anew", lineterm="", n=1)
    raise LookupError(
        f"{file} was changed since it was made, and stays so. To have it made "
        "anew, rename it. What differs begins with:\n"
        + "\n".join(islice(lines, 40))
    )


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
            CHECK.format(call=task.call),
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
        if EARLIER.exists() and not COURSE.exists():
            raise LookupError(
                f"{EARLIER} holds a course, where a build may delete it: "
                f"move it first, as `mv {EARLIER} {COURSE}` does"
            )
        for chapter in book.sources(arguments[0]):
            target = make_assignment(chapter, COURSE)
            print(f"The assignment is {target.relative_to(book.ROOT)}")
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    except ValueError as error:  # a page that can't be read, or an exercise
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
