"""Measure the chapters against the standards that the project sets itself.

python -m tools.standards   a table, a line each; exit status 1 if one misses
"""

from __future__ import annotations

import re
import sys

from tools import files
from tools.measures import LEAST, MOST, measure
from tools.page import chapters, pages

MOST_IGNORED = 0.05  # of all code cells, those whose output isn't compared


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
