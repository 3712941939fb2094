"""A chapter's exercises as an assignment that nbgrader grades.

    python -m tools.assignment CHAPTER [LANGUAGE]

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

from tools import files
from tools.exercise import exercises
from tools.folders import BUILD, COURSE, require_own, shown
from tools.page import TIMEOUT, Page, chapters, require_language
from tools.variants import assignment, made

EARLIER = BUILD / "nbgrader"  # where it was: a folder that may be deleted
MADE = "d2l_companion"  # the key for what a notebook was made as
# In the metadata of a cell, what running and looking at it leaves.
TRACES = {"collapsed", "execution", "jupyter", "scrolled"}
CONFIG = f"""\
c = get_config()
c.CourseDirectory.course_id = "deep-learning-computation"
# The starter stands above the solution, and is all that students need.
c.ClearSolutions.code_stub = {{"python": ""}}
# A check stops an answer by itself; this is for the cells around it.
c.ExecutePreprocessor.timeout = {TIMEOUT}
"""


def make_assignment(chapter: Page, folder: Path) -> Path:
    """Write an assignment into a course folder; all else in it stays.

    Args:
        chapter (Page): whose exercises they are.
        folder (Path): the course folder.

    Returns:
        The notebook.

    Raises:
        LookupError: if the chapter has no solutions, from which the
            teacher's version is made; if a teacher has changed the notebook,
            which then stays as it is; or if it is a link.
    """
    if not chapter.solutions.is_there:
        raise LookupError(f"{chapter.stem} has no page of solutions")
    target = folder / "source" / chapter.stem / f"{chapter.stem}.ipynb"
    notebook = notebook_of(chapter)
    notebook.metadata[MADE] = {
        "digest": digest(notebook),
        "language": chapter.language,  # in which it is graded
    }
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


def notebook_of(chapter: Page) -> NotebookNode:
    """The teacher's version of the assignment, not run."""
    variant = assignment.variant(
        exercises(chapter),
        exercises(chapter.solutions),
        files.read_stored(chapter.solutions),
    )
    return made(chapter, files.read_stored(chapter), variant)


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    which, *language = [part for part in arguments if part] or [""]
    if not arguments or not arguments[0] or len(language) > 1:
        print("name a chapter: make assignment CH=03", file=sys.stderr)
        return 2
    try:
        require_language("".join(language))
        if EARLIER.exists() and not COURSE.exists():
            raise LookupError(
                f"{EARLIER} holds a course, where a build may delete it: "
                f"move it first, as `mv {EARLIER} {COURSE}` does"
            )
        for chapter in chapters(which, language="".join(language)):
            target = make_assignment(chapter, COURSE)
            print(f"The assignment is {shown(target)}")
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
