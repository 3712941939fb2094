"""A translation with the cells of its original: what `make sync` writes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import deepcopy

from nbformat import NotebookNode

from tools.page import Page
from tools.remarks import remarks, tree, with_remarks
from tools.translation import (
    KEY,
    UNTRANSLATED,
    alt_of,
    digest,
    is_statement,
    says,
    state,
    to_say,
)
from tools.variants import Transform

Match = tuple[NotebookNode | None, NotebookNode | None]


def variant(
    original: NotebookNode, matches: Iterable[Match], force: bool
) -> list[Transform]:
    """The translation, brought into step; what it says stays.

    Args:
        original (NotebookNode): what the source of the original says.
        matches (iterable of pairs): each cell of the original with the one
            that translates it, as :func:`tools.alignment.aligned` gives them.
        force (bool): whether cells go that translate none any more.
    """

    def transform(page: Page, notebook: NotebookNode) -> NotebookNode:
        notebook.metadata = deepcopy(original.metadata)
        notebook.cells = [
            _cell(page, old, new)
            for old, new in matches
            if old is not None or not (force or _is_shared(page, new))
        ]
        return notebook

    return [transform]


def lost(page: Page, matches: Iterable[Match]) -> list[NotebookNode]:
    """The cells that say something, and translate none any more."""
    return [
        new
        for old, new in matches
        if old is None and not _is_shared(page, new)
    ]


def _is_shared(page: Page, cell: NotebookNode) -> bool:
    """Whether a cell says nothing that the original hasn't said."""
    text = alt_of(cell) or says(page, cell)
    return not _is_own(page, cell) or digest(text) == cell.metadata.get(KEY)


def _is_own(page: Page, cell: NotebookNode) -> bool:
    """Whether a cell says something in the language of its page."""
    if cell.cell_type != "code":
        return not is_statement(page, cell)
    letters = r"[^\W\d_a-zA-Z]"  # others than those of English
    texts = [alt_of(cell), *re.findall(letters, cell.source)]
    return KEY in cell.metadata or any(texts)


def _cell(
    page: Page, original: NotebookNode | None, cell: NotebookNode | None
) -> NotebookNode:
    if original is None:
        return cell
    if cell is not None and state(page, original, cell) == UNTRANSLATED:
        cell = None
    new = deepcopy(original)
    noted = digest(says(page, original, with_remarks=False))
    if cell is None:
        if is_statement(page, original):  # the heading waits for the chapter's
            new.source = original.source.partition("\n")[0]
    elif cell.cell_type != "code":
        new.source, noted = cell.source, cell.metadata.get(KEY, "")
    elif _is_own(page, cell):
        noted = cell.metadata.get(KEY, "")
        new.source = _code(original, cell)
        if alt_of(original) and alt_of(cell):
            new.metadata.mystnb = cell.metadata.mystnb
    new.metadata.pop(KEY, None)
    if noted and not is_statement(page, original):
        new.metadata[KEY] = noted
    return new


def _code(original: NotebookNode, cell: NotebookNode) -> str:
    """The code of the original, with the remarks of its translation.

    Where these aren't as many as those of the original any more, the cell
    stays, and the page is out of step.
    """
    if tree(original.source) == tree(cell.source):
        return cell.source
    texts = remarks(cell.source)
    if len(texts) != len(remarks(original.source)):
        return cell.source
    return with_remarks(original.source, texts)


def accepted(numbers: Iterable[int], original: NotebookNode) -> Transform:
    """Some cells translate those of the original as they are now.

    Args:
        numbers (iterable of int): the places of the cells, from 1.
        original (NotebookNode): with as many cells.
    """

    def transform(page: Page, notebook: NotebookNode) -> NotebookNode:
        notebook.metadata = deepcopy(original.metadata)
        for number in numbers:
            cell, old = notebook.cells[number - 1], original.cells[number - 1]
            cell.metadata.pop(KEY, None)
            if text := to_say(page, old, cell):
                cell.metadata[KEY] = digest(text)
        return notebook

    return transform
