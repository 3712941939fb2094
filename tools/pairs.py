"""What one file of a pair has that the other lacks.

A notebook that `make run` has stored keeps, in its metadata, the digests of
the cells that it was made from. By these, an edit that was made in only one of
the two files is told from one that was made in the other, and from one that
JupyterLab, which writes both, has brought to both.

An edit is what a `.py` file can hold: the kind of a cell, its source, its tags
and the text for its figure, and where it stands; and a picture pasted into a
cell, which it can't. Outputs are none, since a run gives them anew, and so
aren't empty cells, nor what editors note beside a cell for themselves.
"""

from __future__ import annotations

import difflib
import hashlib
import json

from nbformat import NotebookNode

# Of a cell's metadata, by jupytext.toml.
KEPT = ("tags", "mystnb", "translates")
# By which jupytext spaces the cells of a .py file.
SPACING = ("lines_to_next_cell", "lines_to_end_of_cell_marker")
MOST_LINES = 60  # of a difference that is shown


def cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Its cells, without the empty ones."""
    return [
        cell
        for cell in notebook.cells
        if cell.source.strip() or cell.get("attachments")
    ]


def text(cell: NotebookNode) -> str:
    """Its source, as far as a `.py` file can hold how its lines end."""
    source = cell.source.replace("\r\n", "\n").replace("\r", "\n")
    lines = source.rstrip()
    return lines + source[len(lines) :].partition("\n")[0]


def digests(notebook: NotebookNode) -> list[str]:
    """What stands for each of its cells."""
    return [digest(cell) for cell in cells(notebook)]


def digest(cell: NotebookNode) -> str:
    """What stands for a cell: the same for the same source and settings."""
    metadata = {k: v for k, v in cell.metadata.items() if k in KEPT and v}
    attachments = cell.get("attachments", {})
    parts = [cell.cell_type, text(cell), metadata, attachments]
    joined = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(joined.encode()).hexdigest()[:8]


def remember(notebook: NotebookNode) -> None:
    """Note in a notebook what it is made from: its cells as they are."""
    notebook.metadata.d2l = {"made_from": digests(notebook)}


def origin(notebook: NotebookNode) -> list[str] | None:
    """What a stored notebook was made from; None if it doesn't say."""
    noted = notebook.metadata.get("d2l")
    made_from = noted.get("made_from") if isinstance(noted, dict) else None
    if not isinstance(made_from, list):
        return None
    return [str(digest) for digest in made_from]


def has_own_edits(
    mine: list[str], yours: list[str], base: list[str] | None
) -> bool:
    """Whether edits would be lost if one file were made from the other.

    Args:
        mine (list of str): the digests of the file that would be overwritten.
        yours (list of str): those of the other file.
        base (list of str, optional): those from which the two began; any
            difference is an edit if this is None.
    """
    if base is None:
        return mine != yours
    old = {*mine} & {*base}
    order, others, before = (
        [cell for cell in side if cell in old] for side in (mine, yours, base)
    )
    return (
        any(cell not in {*yours, *base} for cell in mine)  # written
        or any(cell in yours and cell not in mine for cell in base)  # deleted
        or order not in (others, before)  # moved, or copied
    )


def difference(old: str, new: str, names: tuple[str, str]) -> str:
    """The lines by which two scripts differ, or the first of these."""
    lines = list(
        difflib.unified_diff(
            old.splitlines(), new.splitlines(), *names, n=1, lineterm=""
        )
    )
    if len(lines) > MOST_LINES:
        more = len(lines) - MOST_LINES
        lines[MOST_LINES:] = [f"... and {more} more lines"]
    return "\n".join(lines)
