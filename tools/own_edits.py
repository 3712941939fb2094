"""Edits that one file of a pair has alone: shown, and not overwritten."""

from __future__ import annotations

import nbformat
from nbformat import NotebookNode

from tools import files, pairs
from tools.page import Page
from tools.variants import made, stored


def require_none_in_notebook(page: Page, source: NotebookNode) -> None:
    """Refuse to overwrite a notebook that has edits of its own.

    Args:
        page (Page): whose notebook it is.
        source (NotebookNode): what its ``.py`` file says.

    Raises:
        EditedError: if it has edits; the message shows them.
        UnreadableError: if it can't be read.
    """
    old = files.read_stored(page)
    mine, yours = pairs.digests(old), pairs.digests(source)
    if pairs.has_own_edits(mine, yours, pairs.origin(old)):
        raise files.EditedError(
            f"{page.path}.ipynb has changes that its .py lacks\n"
            f"{difference(page, source, old)}\n"
            f"To bring them into the .py, {files.bring(page)}.\n"
            f"To discard them, {files.rerun(page, force=True)}."
        )


def difference(page: Page, ours: NotebookNode, other: NotebookNode) -> str:
    """The lines that a ``.py`` file has (-), and its notebook has (+)."""
    texts = [script(page, ours, side) for side in (ours, other)]
    names = (f"{page.path}.py", f"{page.path}.ipynb")
    lines = pairs.difference(*texts, names)
    return lines or "(a picture that is pasted into a cell)"


def script(page: Page, ours: NotebookNode, other: NotebookNode) -> str:
    """The text of a ``.py`` file that has the cells of another notebook."""
    cells = made(page, other, [stored.for_script]).cells
    return files.script(nbformat.from_dict({**ours, "cells": cells}))
