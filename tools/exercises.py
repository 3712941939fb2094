"""The exercises: what the chapters ask, and what a reader has solved.

    python -m tools.exercises progress      what is solved in the notebooks
    python -m tools.exercises copy [CH]     statements, to the solutions' .py
    python -m tools.exercises table         kinds, answers tried, check times

A statement is written once, in its chapter. `copy` brings it to the page of
solutions, and a test refuses a page that lacks it. A statement that was edited
there, since that page was run, is kept, unless --force stands at the end.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from nbformat import NotebookNode

from tools import book, pairs

KINDS = ("Think", "Code", "Explore")
HEADING = re.compile(r"##+ (\d+\.\d+) (.+)")
MARK = re.compile(
    rf"\*({'|'.join(KINDS)}), (\d+) minutes\.\*(\n\[.*\]\(.*\))?"
)
STATES = {"✓": "solved", "✗": "not right yet", "○": "not solved yet"}


@dataclass(frozen=True)
class Exercise:
    """An exercise, as a chapter has it, or its solution, as its page has it.

    Args:
        number (str): chapter and place, such as ``"3.1"``.
        title (str): what stands behind the number.
        kind (str): one of ``KINDS``.
        minutes (int): about how long it takes.
        statement (str): Markdown, without heading and mark.
        answer (str): the code before the check: blank in a chapter.
        call (str): the cell that calls the check.
        output (str): what the stored check says.
    """

    number: str
    title: str
    kind: str
    minutes: int
    statement: str
    answer: str
    call: str
    output: str

    @property
    def check(self) -> str:
        """The name of its function in ``d2l_helpers.check``."""
        return re.match(r"check\.(\w+)", self.call)[1]

    @property
    def anchor(self) -> str:
        """Where its heading is, for JupyterLab.

        A heading's own anchor isn't found there before it was in view.
        """
        return f"cell-id={book.cell_name(f'## {self.number} ')}"

    @property
    def state(self) -> str:
        """What the stored check says, in a word or three."""
        return STATES.get(self.output[:1], "not run")


def exercises(source: Path) -> list[Exercise]:
    """The exercises of a chapter, or the solutions on a page of them.

    Args:
        source (Path): the ``.py`` file; what is read is the ``.ipynb``.

    Raises:
        ValueError: if one isn't in the form of the others.
    """
    return list(_parsed(book.read_stored(source), source.stem))


def _sections(notebook: NotebookNode) -> Iterator[list[NotebookNode]]:
    """The cells of each exercise, from its heading to the next one's."""
    cells = notebook.cells
    starts = [
        i
        for i, cell in enumerate(cells)
        if cell.cell_type == "markdown" and HEADING.match(cell.source)
    ]
    for start, end in pairwise([*starts, len(cells)]):
        yield cells[start:end]


def _parsed(notebook: NotebookNode, name: str) -> Iterator[Exercise]:
    for first, *rest in _sections(notebook):
        number, title = HEADING.match(first.source).groups()
        _, mark, statement = [*first.source.split("\n\n", 2), "", ""][:3]
        marked = MARK.fullmatch(mark)
        code = [cell for cell in rest if cell.cell_type == "code"]
        checks = [i for i, cell in enumerate(code) if _is_check(cell)]
        if not marked or not statement.strip() or checks[:1] != [1]:
            raise ValueError(
                f"{name}: {number} needs a mark such as '*Code, 20 minutes.*' "
                "with a link in the line after it, a statement, a code cell "
                "for the answer, and a cell that begins with 'check.'"
            )
        yield Exercise(
            number,
            title,
            marked[1],
            int(marked[2]),
            statement.strip(),
            code[0].source,
            code[1].source,
            _said(code[1]),
        )


def _is_check(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and cell.source.startswith("check.")


def _said(cell: NotebookNode) -> str:
    """What a check has said, as it is stored."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return "".join(d.get("text/plain", "") for d in data)


def in_folder_of_solutions(markdown: str) -> str:
    """The Markdown of a chapter, with the links that it needs a level down."""
    return re.sub(r"\]\((?=\d\d_\w+\.|index\.md)", "](../", markdown)


def without_solutions(markdown: str) -> str:
    """The Markdown of a chapter, without the links to solutions."""
    link = rf"\[[^\]]*\]\({book.SOLUTIONS}/[^)]*\)"
    markdown = re.sub(rf"\n{link}$", "", markdown, flags=re.MULTILINE)
    return re.sub(rf"\s+[^.]*{link}\.", "", markdown)


def heading_of_solution(task: Exercise, chapter: Path) -> str:
    """The first cell of a solution: heading, mark and statement."""
    return (
        f"## {task.number} {task.title}\n\n"
        f"*{task.kind}, {task.minutes} minutes.*\n"
        f"[Exercise](../{chapter.stem}.ipynb#{task.anchor})\n\n"
        f"{in_folder_of_solutions(task.statement)}"
    )


def copy_statements(chapter: Path, force: bool = False) -> bool:
    """Write the statements of a chapter into the page of its solutions.

    Args:
        chapter (Path): the ``.py`` file of the chapter.
        force (bool): whether to overwrite statements that were edited there.

    Returns:
        Whether there was something to write.

    Raises:
        UnreadableError: if the chapter or its page of solutions can't be read.
        ValueError: if an exercise isn't in the form of the others.
        EditedError: if a statement was edited on the page of solutions, since
            that was run.
    """
    page = book.solutions(chapter)
    notebook = book.read_source(page)
    before = book.script(notebook)
    known = _known(page)
    tasks = {
        t.number: t
        for t in _parsed(book.read_source(chapter), book.file_of(chapter))
    }
    edited = []
    for cell in notebook.cells:
        found = HEADING.match(cell.source)
        if cell.cell_type == "markdown" and found and found[1] in tasks:
            wanted = heading_of_solution(tasks[found[1]], chapter)
            bare = found[0] == cell.source.strip()  # a new one
            if not bare and cell.source not in (wanted, *known):
                edited.append(found[1])
            cell.source = wanted
    after = book.script(notebook)
    if edited and not force:
        names = (page.name, "what its chapter says")
        raise book.EditedError(
            f"{book.file_of(page)} has statements of its own, in "
            f"{', '.join(edited)}\n"
            f"{pairs.difference(before, after, names)}\n"
            "Write them in the chapter. To discard them here, add --force."
        )
    if before == after:
        return False
    book.write(page, after)
    return True


def _known(page: Path) -> list[str]:
    """The statements of a page of solutions as they were when it was run."""
    try:
        stored = book.read_stored(page)
    except book.UnreadableError:
        return []
    made_from = pairs.origin(stored) or []
    return [
        cell.source
        for cell in pairs.cells(stored)
        if pairs.digest(cell) in made_from
    ]


def progress() -> str:
    """What is solved in each chapter, by the outputs that are stored."""
    lines, solved, total = [], 0, 0
    for chapter in book.sources():
        try:
            stored = book.read_stored(chapter)
        except book.UnreadableError as error:
            lines.append(f"{chapter.stem:<20} {error}")
            continue
        # A reader may have added cells, or taken some away.
        said = {
            HEADING.match(first.source)[1]: "".join(
                _said(cell)[:1] for cell in rest if _is_check(cell)
            )
            for first, *rest in _sections(stored)
        }
        done = sum(marks == "✓" for marks in said.values())
        wrong = [number for number, marks in said.items() if "✗" in marks]
        bar = "".join(marks[-1:] or "·" for marks in said.values())
        line = f"{chapter.stem:<20} {bar:<10} {done} of {len(said)}"
        if wrong:
            line += f"; not right yet: {', '.join(wrong)}"
        lines.append(line)
        solved, total = solved + done, total + len(said)
    lines.append(f"{'all':<31} {solved} of {total} solved")
    lines.append(
        "This is what the checks said when you saved the notebooks last."
    )
    return "\n".join(lines)


def table() -> Iterator[str]:
    """Exercise, kind, solution lines, answers tried, time of the check."""
    from d2l_helpers import check
    from tests.answers import RIGHT, WRONG

    yield (
        "| exercise | kind | minutes | lines of the solution "
        "| accepted variants | rejected answers | check, s |"
    )
    yield "|---|---|---|---|---|---|---|"
    counts = [0, 0]
    for chapter in book.sources():
        solutions = {t.number: t for t in exercises(book.solutions(chapter))}
        for task in exercises(chapter):
            answer = solutions[task.number].answer.splitlines()
            function = getattr(check, task.check)
            times = []
            for right in RIGHT[task.check]:
                arguments = right.arguments
                start = time.perf_counter()
                assert function(*arguments)
                times.append(time.perf_counter() - start)
            counts[0] += len(times)
            counts[1] += len(WRONG[task.check])
            yield (
                f"| {task.number} {task.title} | {task.kind.lower()} "
                f"| {task.minutes} | {sum(map(bool, map(str.strip, answer)))} "
                f"| {len(times)} | {len(WRONG[task.check])} "
                f"| {max(times):.2f} |"
            )
    yield f"| all | | | | {counts[0]} | {counts[1]} | |"


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    force = arguments[-1:] == ["--force"]
    try:
        match arguments[: len(arguments) - force]:
            case ["progress"] if not force:
                print(progress())
            case ["copy", *which] if len(which) < 2:
                done = [_copy(c, force) for c in book.sources("".join(which))]
                return 0 if all(done) else 1
            case ["table"] if not force:
                for line in table():
                    print(line)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _copy(chapter: Path, force: bool) -> bool:
    """Copy a chapter's statements, and say so; tell whether that worked."""
    page = book.file_of(book.solutions(chapter))
    try:
        changed = copy_statements(chapter, force)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return False
    print(f"{page} " + ("has new statements" if changed else "is up to date"))
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
