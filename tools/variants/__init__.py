"""What becomes of a page elsewhere: on the site, in Colab, in a handout.

A variant is a list of transforms: small functions that take a page and its
notebook, and return a notebook. Each module here has one variant, or the
transforms that several share; no other module edits cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy

from nbformat import NotebookNode

from tools.page import Page

Transform = Callable[[Page, NotebookNode], NotebookNode]
Words = Callable[[str], str]


def made(
    page: Page, notebook: NotebookNode, variant: Iterable[Transform]
) -> NotebookNode:
    """A variant of a notebook, which itself stays as it is.

    Args:
        page (Page): the page whose notebook it is.
        notebook (NotebookNode): what the first transform gets a copy of.
        variant (iterable of transforms): each gets what the one before it
            gave, and may change that.
    """
    notebook = deepcopy(notebook)
    for transform in variant:
        notebook = transform(page, notebook)
    return notebook


def reads(text: str, words: Iterable[Words]) -> str:
    """A Markdown text after some functions of texts, one after another."""
    for function in words:
        text = function(text)
    return text


def in_markdown(*words: Words) -> Transform:
    """The transform that changes the text of each Markdown cell."""

    def transform(_: Page, notebook: NotebookNode) -> NotebookNode:
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = reads(cell.source, words)
        return notebook

    return transform
