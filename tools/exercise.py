"""The exercises of a page, as values, and how they are found in its cells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from nbformat import NotebookNode

from tools import files
from tools.anchors import cell_name
from tools.page import Page
from tools.words import ENGLISH, Words, words_of

HEADING = re.compile(r"##+ (\d+\.\d+) (.+)")
# What a new exercise has, until it is written.
BLANK_STATEMENT = "TODO: the statement: what to do, given what, and an example"
# By the mark with which a check's answer begins.
STATES = {"✓": "solved", "○": "blank", "✗": "wrong"}


@dataclass(frozen=True)
class Exercise:
    """An exercise, as a chapter has it, or its solution, as its page has it.

    Args:
        number (str): chapter and place, such as ``"3.1"``.
        title (str): what stands behind the number.
        kind (str): one of ``tools.words.KINDS``.
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
        return f"cell-id={cell_name(f'## {self.number} ')}"

    @property
    def state(self) -> str:
        """What the stored check says: one of ``STATES``, or "not run"."""
        return STATES.get(self.output[:1], "not run")


def exercises(page: Page) -> list[Exercise]:
    """The exercises of a chapter, or the solutions on a page of them.

    Args:
        page (Page): what is read is its stored notebook.

    Raises:
        UnreadableError: if there is none.
        ValueError: if an exercise isn't in the form of the others.
    """
    return list(parsed(files.read_stored(page), page))


def parsed(notebook: NotebookNode, page: Page) -> Iterator[Exercise]:
    """The exercises in a notebook.

    Args:
        notebook (NotebookNode): with outputs or without.
        page (Page): whose notebook it is. A mark may be in its language; in
            English, too, which is one that isn't translated yet.

    Raises:
        ValueError: if one isn't in the form of the others.
    """
    for cells in sections(notebook):
        if lacks := missing(cells, page):
            raise ValueError(
                f"{page.shown()}: {number_of(cells[0])} needs "
                f"{'; '.join(lacks)}"
            )
        yield exercise_of(cells, page)


def exercise_of(cells: list[NotebookNode], page: Page) -> Exercise:
    """The exercise that some cells are, which lack nothing."""
    number, title = HEADING.match(cells[0].source).groups()
    mark, statement = _below_heading(cells[0])
    answer, check, *_ = _code(cells)
    return Exercise(
        number,
        title,
        *_marked(mark, page),
        statement.strip(),
        answer.source,
        check.source,
        said(check),
    )


def missing(cells: list[NotebookNode], page: Page) -> list[str]:
    """What the cells of an exercise lack, from its heading on."""
    mark, statement = _below_heading(cells[0])
    checks = [i for i, cell in enumerate(_code(cells)) if is_check(cell)]
    lacks = []
    if not _marked(mark, page):
        lacks.append(
            "below its heading, and an empty line, a mark such as "
            f"{mark_of('Code', 20, words_of(page))!r}, with a link in the "
            "line after it"
        )
    if not statement.strip():
        lacks.append("below the mark, and an empty line, a statement")
    if checks[:1] != [1]:
        lacks.append(
            "one code cell for the answer, and after it one that begins "
            "with 'check.'"
        )
    return lacks


def _below_heading(cell: NotebookNode) -> list[str]:
    """The mark and the statement; "" for what isn't there."""
    return [*cell.source.split("\n\n", 2), "", ""][1:3]


def _code(cells: list[NotebookNode]) -> list[NotebookNode]:
    return [cell for cell in cells if cell.cell_type == "code"]


def mark_of(kind: str, minutes: int, words: Words) -> str:
    """What stands below the heading of an exercise."""
    return words.mark.format(kind=words.kinds[kind], minutes=minutes)


def _marked(text: str, page: Page) -> tuple[str, int] | None:
    """The kind of an exercise and its minutes, by its mark."""
    for words in (words_of(page), ENGLISH):
        pattern = re.escape(words.mark)
        for name, part in (("kind", r"(\w+)"), ("minutes", r"(\d+)")):
            pattern = pattern.replace(re.escape(f"{{{name}}}"), part)
        found = re.fullmatch(rf"{pattern}(?:\n\[.*\]\(.*\))?", text)
        for kind, called in words.kinds.items():
            if found and found[1] == called:
                return kind, int(found[2])
    return None


def sections(notebook: NotebookNode) -> Iterator[list[NotebookNode]]:
    """The cells of each exercise, from its heading to the next one's."""
    cells = notebook.cells
    starts = [i for i, cell in enumerate(cells) if number_of(cell)]
    for start, end in pairwise([*starts, len(cells)]):
        yield cells[start:end]


def opening(notebook: NotebookNode) -> list[str]:
    """The code before the first exercise: what the answers need."""
    sources = []
    for cell in notebook.cells:
        if number_of(cell):
            break
        sources += [cell.source] * (cell.cell_type == "code")
    return sources


def number_of(cell: NotebookNode) -> str:
    """The number of the exercise that begins with a cell; "" if none does."""
    found = cell.cell_type == "markdown" and HEADING.match(cell.source)
    return found[1] if found else ""


def is_check(cell: NotebookNode) -> bool:
    """Whether a cell calls a check."""
    return cell.cell_type == "code" and cell.source.startswith("check.")


def said(cell: NotebookNode) -> str:
    """What a check has said, as it is stored."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return "".join(d.get("text/plain", "") for d in data)
