"""A page as it is being written: its cells, and where they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from nbformat import NotebookNode

from nbval_strict.comparison import FIGURES
from tools import files, pairs
from tools.exercise import (
    Exercise,
    exercise_of,
    missing,
    number_of,
    sections,
)
from tools.page import Page

MARK = re.compile(r"^# %%", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A cell of a page.

    Args:
        content (NotebookNode): with the stored outputs, if they are its own.
        file (str): the ``.py`` file in which it stands.
        number (int): which cell it is there, from 1.
        line (int): that of its ``# %%``; 0 if it has none.
    """

    content: NotebookNode
    file: str
    number: int
    line: int

    @property
    def source(self) -> str:
        """What it says."""
        return self.content.source

    @property
    def cell_type(self) -> str:
        """Of which kind it is, as in a notebook."""
        return self.content.cell_type

    @property
    def is_code(self) -> bool:
        """Whether it is run."""
        return self.cell_type == "code"

    @property
    def is_figure(self) -> bool:
        """Whether it has drawn one."""
        return any(kind in self.shown for kind in FIGURES)

    @property
    def shown(self) -> set[str]:
        """The kinds of what it has shown, such as ``"image/png"``."""
        outputs = self.content.get("outputs", [])
        return {kind for output in outputs for kind in output.get("data", {})}

    def where(self, line: int = 0) -> str:
        """How to find it, or one of the lines of its source, from 1."""
        if not self.line:
            return f"{self.file}, cell {self.number}"
        return f"{self.file}:{self.line + line}, cell {self.number}"


@dataclass(frozen=True)
class Draft:
    """A page as it is being written.

    Args:
        page (Page): which one; its ``.py`` file is there.
    """

    page: Page

    @cached_property
    def text(self) -> str:
        """What its ``.py`` file holds."""
        return files.readable(self.page.source.read_text("utf-8"))

    @cached_property
    def is_run(self) -> bool:
        """Whether the stored notebook has the same cells."""
        return self._stored is not None

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells of its ``.py`` file, with outputs if it is run."""
        source = files.read_source(self.page)
        starts = [
            self.text.count("\n", 0, mark.start()) + 1
            for mark in MARK.finditer(self.text)
        ]
        if len(starts) != len(source.cells):
            starts = [0] * len(source.cells)
        contents = (self._stored or source).cells
        return [
            Cell(content, self.page.shown(), number, line)
            for number, (content, line) in enumerate(
                zip(contents, starts, strict=True), 1
            )
        ]

    @property
    def code(self) -> list[Cell]:
        """Its cells that are run."""
        return [cell for cell in self.cells if cell.is_code]

    @property
    def prose(self) -> list[Cell]:
        """The others."""
        return [cell for cell in self.cells if not cell.is_code]

    @cached_property
    def sections(self) -> dict[str, list[Cell]]:
        """The cells of each exercise, by its number."""
        found: dict[str, list[Cell]] = {}
        for cells in sections(self):
            found.setdefault(number_of(cells[0]), cells)
        return found

    @cached_property
    def exercises(self) -> list[Exercise]:
        """Those of its exercises that lack nothing."""
        return [
            exercise_of([cell.content for cell in cells], self.page)
            for cells in self.sections.values()
            if not missing(cells, self.page)
        ]

    @cached_property
    def _stored(self) -> NotebookNode | None:
        try:
            stored = files.read_stored(self.page)
        except files.UnreadableError:
            return None
        mine = pairs.digests(files.read_source(self.page))
        return stored if mine == pairs.digests(stored) else None


# What a rule says of a page: a line or more for each place where it isn't
# kept, with what to do there.
Rule = Callable[[Draft], Iterator[str]]
