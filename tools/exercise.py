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
    languages = [words_of(page), ENGLISH]
    for first, *rest in sections(notebook):
        number, title = HEADING.match(first.source).groups()
        _, mark, statement = [*first.source.split("\n\n", 2), "", ""][:3]
        marked = [_marked(mark, words) for words in languages]
        marked = [found for found in marked if found]
        code = [cell for cell in rest if cell.cell_type == "code"]
        checks = [i for i, cell in enumerate(code) if is_check(cell)]
        if not marked or not statement.strip() or checks[:1] != [1]:
            raise ValueError(
                f"{page.shown()}: {number} needs a mark such as "
                f"'{mark_of('Code', 20, languages[0])}' with a link in the "
                "line after it, a statement, a code cell for the answer, and "
                "a cell that begins with 'check.'"
            )
        yield Exercise(
            number,
            title,
            *marked[0],
            statement.strip(),
            code[0].source,
            code[1].source,
            said(code[1]),
        )


def mark_of(kind: str, minutes: int, words: Words) -> str:
    """What stands below the heading of an exercise."""
    return words.mark.format(kind=words.kinds[kind], minutes=minutes)


def _marked(text: str, words: Words) -> tuple[str, int] | None:
    """The kind of an exercise and its minutes, by its mark."""
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
