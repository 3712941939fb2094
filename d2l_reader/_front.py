"""The front page of a workbook: the text of the book's, as a notebook.

Its first cell shows the progress.
"""

from __future__ import annotations

import re

from ._language import say
from ._notebook import blank, digest

FIRST_CELL = "progress"  # its id
KERNEL = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def front_page(text: str, language: str) -> dict:
    """The notebook of a front page.

    Args:
        text (str): what the book's front page says, in Markdown.
        language (str): that of the page.
    """
    comment = say(
        "Shift+Enter runs this cell: your progress, and what is new.", language
    )
    source = f"# {comment}\nimport d2l_reader\n\nd2l_reader.start()"
    cells = [_cell("code", FIRST_CELL, source)]
    for part in re.split(r"\n(?=## )", text.strip()):
        heading = part.partition("\n")[0].lstrip("# ")
        cells.append(_cell("markdown", digest(heading), part.strip()))
    return blank(
        {
            "cells": cells,
            "metadata": dict(KERNEL),
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def _cell(kind: str, name: str, source: str) -> dict:
    cell = {"cell_type": kind, "id": name, "metadata": {}, "source": source}
    if kind == "code":
        cell.update(outputs=[], execution_count=None)
    return cell
