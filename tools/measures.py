"""What is measured of the cells of a page, and how much of it there may be."""

from __future__ import annotations

import ast
import re
import statistics

from nbformat import NotebookNode

from tools import files
from tools.page import Page

# By column, the least or the most that a chapter may have.
LEAST = {"prose before (%)": 90}
MOST = {
    "median lines": 5,
    "longest cell": 20,
    "widest line": 79,
    "bare prints": 0,
}


def measure(page: Page) -> dict[str, float]:
    """The figures of a chapter, by column."""
    notebook = files.read_stored(page)
    cells = without_exercises(notebook.cells)
    code = [i for i, cell in enumerate(cells) if cell.cell_type == "code"]
    lines = [cells[i].source.splitlines() for i in code]
    prose = [cells[i - 1].cell_type == "markdown" for i in code]
    return {
        "cells": len(code),
        "prose before (%)": 100 * sum(prose) / len(code) if code else 100,
        "median lines": median_lines(cells),
        "longest cell": max(map(len, lines), default=0),
        "widest line": max(
            (len(line) for cell in lines for line in cell), default=0
        ),
        "bare prints": sum(is_bare_print(cells, i) for i in code),
        "not compared": sum(
            "nbval-ignore-output" in cells[i].metadata.get("tags", [])
            for i in code
        ),
    }


def median_lines(cells: list[NotebookNode]) -> float:
    """How many lines that aren't empty half of the code cells have."""
    lines = [
        sum(bool(line.strip()) for line in cell.source.splitlines())
        for cell in cells
        if cell.cell_type == "code"
    ]
    return statistics.median(lines or [0])


def without_exercises(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells without the checks, and without the blank answers."""
    return [
        cell
        for cell, following in zip(cells, [*cells[1:], cells[0]], strict=True)
        if not cell.source.startswith("check.")
        and not (following.source.startswith("check.") and _is_blank(cell))
    ]


def _is_blank(cell: NotebookNode) -> bool:
    dots = re.search(r"(^\s*|[=:{(] ?)\.{3}", cell.source, re.MULTILINE)
    return cell.cell_type == "code" and dots is not None


def is_bare_print(cells: list[NotebookNode], i: int) -> bool:
    """Whether a cell only prints, without prose both before and after it."""
    try:
        statements = ast.parse(cells[i].source).body
    except SyntaxError:
        return False
    calls = [
        getattr(getattr(s, "value", None), "func", None) for s in statements
    ]
    if not all(getattr(call, "id", None) == "print" for call in calls):
        return False
    around = [cells[i - 1], *cells[i + 1 : i + 2]]
    return [cell.cell_type for cell in around] != ["markdown", "markdown"]
