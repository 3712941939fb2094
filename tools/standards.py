"""Measure the chapters against the standards that the project sets itself.

python -m tools.standards   a table, a line each; exit status 1 if one misses
"""

from __future__ import annotations

import ast
import re
import statistics
import sys

from nbformat import NotebookNode

from tools import files
from tools.page import Page, chapters, pages

# By column, the least or the most that a chapter may have.
LEAST = {"prose before (%)": 90}
MOST = {
    "median lines": 5,
    "longest cell": 20,
    "widest line": 79,
    "bare prints": 0,
}
MOST_IGNORED = 0.05  # of all code cells, those whose output isn't compared


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


def modules() -> list[str]:
    """The names of the reference modules."""
    import d2l_helpers  # and so torch, which no other standard needs

    names = d2l_helpers.__all__
    return [n for n in names if isinstance(getattr(d2l_helpers, n), type)]


def used_in(module: str) -> list[str]:
    """The chapters that take a reference module from ``d2l_helpers``."""
    uses = re.compile(
        rf"d2l_helpers\.{module}\b"
        rf"|from d2l_helpers import[^\n]*\b{module}\b"
        rf"|from d2l_helpers import \([^)]*\b{module}\b"
    )
    return [
        chapter.stem
        for chapter in chapters()
        if uses.search(chapter.source.read_text("utf-8"))
    ]


def missed(rows: dict[str, dict[str, float]]) -> list[str]:
    """The standards that are missed, a line each.

    Args:
        rows (dict): the figures of each chapter, by its name.
    """
    lines = []
    for name, row in rows.items():
        lines += [
            f"{name}: {column} is {row[column]:.0f}, at least {bar} is needed"
            for column, bar in LEAST.items()
            if row[column] < bar
        ]
        lines += [
            f"{name}: {column} is {row[column]:.0f}, at most {bar} is allowed"
            for column, bar in MOST.items()
            if row[column] > bar
        ]
    cells = sum(row["cells"] for row in rows.values())
    ignored = sum(row["not compared"] for row in rows.values())
    if ignored >= MOST_IGNORED * cells:
        lines.append(f"{ignored} of {cells} code cells aren't compared")
    lines += [
        f"{module} is used in fewer than two chapters: {used_in(module)}"
        for module in modules()
        if len(used_in(module)) < 2
    ]
    return lines


def main() -> int:
    """Print the table; return 1 if a standard is missed."""
    try:
        rows = {page.path: measure(page) for page in pages()}
    except files.UnreadableError as error:
        print(error, file=sys.stderr)
        return 1
    columns = list(next(iter(rows.values())))
    print("| chapter |", " | ".join(columns), "|")
    print("|---" * (len(columns) + 1) + "|")
    for name, row in rows.items():
        figures = " | ".join(f"{figure:.0f}" for figure in row.values())
        print(f"| {name} | {figures} |")
    for module in modules():
        print(f"{module}: {', '.join(used_in(module))}")
    lines = missed(rows)
    if lines:
        print("\n".join(lines), file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
