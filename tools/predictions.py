"""Which outputs a reader is asked to predict: on the site they are folded.

Prose asks in its last paragraph, right above the cell that answers. Two tags
say otherwise: ``predict`` is for the cell that answers a question further up,
``look`` for an output that has to be seen before the question can be answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from tools.prose import bare
from tools.words import ENGLISH

PREDICT, LOOK = TAGS = ("predict", "look")
MARK = re.compile(r"[?？]")


class Cell(Protocol):
    """As of a notebook, or of a draft."""

    cell_type: str
    source: str
    metadata: dict


def asks(markdown: str) -> bool:
    """Whether the last paragraph of a text has a question."""
    *_, last = re.split(r"\n\s*\n", bare(markdown).strip())
    return MARK.search(last) is not None and not last.startswith("#")


def predicted(cells: Sequence[Cell]) -> list[Cell]:
    """The code cells of a chapter whose outputs a reader predicts.

    Args:
        cells (sequence of cells): those of an English chapter.
    """
    cells = before_exercises(cells)
    return [
        cell
        for above, cell in pairwise(cells)
        if cell.cell_type == "code"
        and (
            PREDICT in tags(cell)
            or (asked_by(above) and LOOK not in tags(cell))
        )
    ]


def asked_by(cell: Cell) -> bool:
    """Whether a cell is prose that asks."""
    return cell.cell_type == "markdown" and asks(cell.source)


def before_exercises(cells: Iterable[Cell]) -> list[Cell]:
    """The cells of a chapter in which nothing is checked."""
    found = []
    for cell in cells:
        if cell.source.startswith(ENGLISH.exercises):
            break
        found.append(cell)
    return found


def tags(cell: Cell) -> list[str]:
    """Those of a cell; none if it has none."""
    return cell.metadata.get("tags", [])
