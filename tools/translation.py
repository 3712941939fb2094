"""A page in another language: what it says, and whether the original does.

A cell of a translation that says something in its own language has, in its
metadata, the digest of what it translates. From the digests follows which
cells are behind the original, and where a cell belongs that has moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import nbformat
from nbformat import NotebookNode

from tools import files, pairs, prose
from tools.exercise import number_of
from tools.folders import write_whole
from tools.own_edits import require_none_in_notebook
from tools.page import Page
from tools.remarks import remarks, tree
from tools.terms import terms_of
from tools.variants import made, translated
from tools.words import words_of

KEY = "translates"  # of a cell's metadata
# What a cell is, beside the original: up to date, or why not.
CURRENT, BEHIND, UNTRANSLATED, UNMARKED = STATES = (
    "up to date",
    "behind the original",
    "not translated yet",
    "doesn't say what it translates",
)


def synced_by(page: Page) -> str:
    """What brings a page into step with its original."""
    return f"run `make sync CH={page.number:02}`"


def says(page: Page, cell: NotebookNode, with_remarks: bool = True) -> str:
    """What there is to translate in a cell; "" if nothing is.

    Of prose, that is all of it. The statement of an exercise on a page of
    solutions is that of the chapter, and translated there. Of code, it is the
    text for the figure, and maybe comments and docstrings.
    """
    if cell.cell_type != "code":
        return "" if is_statement(page, cell) else pairs.text(cell)
    texts = remarks(cell.source) if with_remarks else []
    return "\n".join([*filter(None, [alt_of(cell)]), *texts])


def is_statement(page: Page, cell: NotebookNode) -> bool:
    """Whether a cell has what a page of solutions takes from its chapter."""
    return page.is_solutions and number_of(cell) != ""


def alt_of(cell: NotebookNode) -> str:
    """The text for the figure of a cell; "" if there is none."""
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def digest(text: str) -> str:
    """What stands for a text that is translated; "" for none."""
    return hashlib.sha256(text.encode()).hexdigest()[:8] if text else ""


def to_say(page: Page, original: NotebookNode, cell: NotebookNode) -> str:
    """What of a cell of the original a translation says in its own words.

    Comments and docstrings are the original's, unless one is translated.
    """
    own = cell.cell_type != "code" or cell.source != original.source
    return says(page, original, with_remarks=own)


def state(page: Page, original: NotebookNode, cell: NotebookNode) -> str:
    """What a cell is beside the one that it translates: one of ``STATES``."""
    noted = cell.metadata.get(KEY, "")
    new = digest(to_say(page, original, cell))
    text = alt_of(cell) or says(page, cell)
    old = alt_of(original) or says(page, original)
    is_copy = text == old or digest(text) == noted
    if new and is_copy and prose.has_words(text):
        return UNTRANSLATED
    if noted == new:
        return CURRENT
    return BEHIND if noted else UNMARKED


@dataclass(frozen=True)
class Cell:
    """A cell of a translation, and the one that it translates.

    Args:
        page (Page): the translation.
        number (int): the place of both, from 1.
        original (NotebookNode): the cell of the original.
        cell (NotebookNode): that of the translation.
    """

    page: Page
    number: int
    original: NotebookNode
    cell: NotebookNode

    def __str__(self) -> str:
        first = pairs.text(self.cell).partition("\n")[0]
        return f"{self.page.shown()}, cell {self.number} ({first[:30]})"

    @property
    def state(self) -> str:
        """One of ``STATES``."""
        return state(self.page, self.original, self.cell)


class OutOfStepError(ValueError):
    """A translation has other cells than its original; says what to run."""


class Translation:
    """A page in another language, beside its original.

    Args:
        page (Page): it must be there, and its original, too.

    Raises:
        UnreadableError: if a source can't be read.
        ValueError: if the language lacks words.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.words, self.terms = words_of(page), terms_of(page)
        self.notebook = files.read_source(page)
        self.original = files.read_source(page.original)

    @cached_property
    def out_of_step(self) -> str:
        """Where it has other cells than the original; "" if nowhere."""
        found = difference(self.page, self.original, self.notebook)
        return found and f"{found}: {synced_by(self.page)}"

    @cached_property
    def cells(self) -> list[Cell]:
        """Its cells with those that they translate.

        Raises:
            ValueError: if it is out of step.
        """
        if self.out_of_step:
            raise ValueError(self.out_of_step)
        both = zip(self.original.cells, self.notebook.cells, strict=True)
        return [Cell(self.page, i, *pair) for i, pair in enumerate(both, 1)]

    @property
    def behind(self) -> list[Cell]:
        """The cells that aren't translated yet, or not as they are now."""
        return [c for c in self.cells if c.state in (BEHIND, UNTRANSLATED)]

    def problems(self) -> Iterator[str]:
        """What is wrong with it; that it is behind is no fault."""
        if self.out_of_step:
            yield self.out_of_step
            return
        for cell in self.cells:
            yield from (f"{cell}: {fault}" for fault in self._faults(cell))
        yield from self._not_as_derived()

    def _faults(self, cell: Cell) -> Iterator[str]:
        said = cell.state
        if said == UNMARKED:
            yield f"{said}: {accepted_by(cell)}, if it says the same"
        text = says(self.page, cell.cell, with_remarks=False)
        if not text or said == UNTRANSLATED:
            return
        yield from prose.faults(text, self.words, self.terms)
        if said == CURRENT:
            original = says(self.page, cell.original, with_remarks=False)
            yield from prose.differences(original, text)

    def derived(self) -> str:
        """The text of its notebook: nothing is executed.

        Raises:
            UnreadableError: if the original isn't stored.
            OutOfStepError: if it is out of step with the original.
            ValueError: if that is, with its own notebook.
        """
        if self.out_of_step:
            raise OutOfStepError(self.out_of_step)
        original = files.read_stored(self.page.original)
        if found := difference(self.page, original, self.notebook):
            raise ValueError(f"{found}: {files.rerun(self.page.original)}")
        variant = translated.variant(self.notebook, self.page.language)
        return nbformat.writes(made(self.page, original, variant)) + "\n"

    def _not_as_derived(self) -> Iterator[str]:
        try:
            text = self.derived()
        except ValueError as error:
            yield str(error)
            return
        file = self.page.notebook
        # That it is missing, the gate of all pages says.
        if file.is_file() and file.read_bytes() != text.encode():
            yield (
                f"{self.page.shown('.ipynb')} isn't what its source and the "
                f"original give: {files.rerun(self.page)}"
            )


def to_do(pages: Iterable[Page]) -> Iterator[str]:
    """What isn't translated, or not as it is now, in lines.

    A page that is out of step isn't among it: that is a fault.

    Args:
        pages (iterable of Page): originals.
    """
    for page in [other for one in pages for other in one.translations]:
        if not page.is_there:
            yield f"{page.shown()} is missing"
            continue
        translation = Translation(page)
        if translation.out_of_step or not translation.behind:
            continue
        numbers = ", ".join(str(cell.number) for cell in translation.behind)
        yield f"{page.shown()} is to be translated in cells {numbers}"


def accepted_by(cell: Cell) -> str:
    """What says that a cell, or a section, is up to date."""
    return f"run `make accept CH={cell.page.shown()} CELL={cell.number}`"


def difference(
    page: Page, original: NotebookNode, translation: NotebookNode
) -> str:
    """Where a translation has other cells than its original; "" if nowhere.

    Args:
        page (Page): the translation.
        original (NotebookNode): the other page, with outputs or without.
        translation (NotebookNode): the page itself.
    """
    known = {digest(says(page, cell)) for cell in original.cells} - {""}
    both = zip_longest(original.cells, translation.cells)
    for number, (old, new) in enumerate(both, 1):
        if what := _other(page, old, new, known):
            return f"{page.shown()}, cell {number} {what}"
    return ""


def _other(
    page: Page,
    original: NotebookNode | None,
    cell: NotebookNode | None,
    known: set[str],
) -> str:
    """How a cell differs from the one in its place, but for the language."""
    if cell is None:
        return "is missing, which the original has"
    if original is None or original.cell_type != cell.cell_type:
        return "isn't one of the original, at this place"
    if _settings(original) != _settings(cell):
        return "has other tags, or an image, unlike the original"
    if cell.cell_type == "code":
        same = original.source == cell.source or (
            tree(original.source) == tree(cell.source)
        )
        return "" if same else "has other code than the original"
    if is_statement(page, original):
        same = number_of(original) == number_of(cell)
        return "" if same else "isn't the exercise that the original has"
    noted, new = cell.metadata.get(KEY, ""), digest(says(page, original))
    return "translates another one" if noted in known - {new} else ""


def _settings(cell: NotebookNode) -> tuple:
    return cell.metadata.get("tags", []), alt_of(cell) != ""


def store(page: Page, force: bool = False) -> None:
    """Write the notebook of a translation.

    Args:
        page (Page): which one.
        force (bool): whether to overwrite what only the notebook has.

    Raises:
        EditedError: if the notebook has edits that its source lacks.
        UnreadableError, OutOfStepError, ValueError: as
            :meth:`Translation.derived` says.
    """
    translation = Translation(page)
    there = page.notebook.is_file() and page.notebook.stat().st_size
    if there and not force:
        require_none_in_notebook(page, translation.notebook)
    write_whole(page.notebook, translation.derived())
