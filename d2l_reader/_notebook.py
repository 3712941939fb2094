"""Notebooks as files: read with what may be wrong, written whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from secrets import token_hex

REPORT = "application/vnd.d2l.report+json"  # what a check says, in its parts
HEADING = re.compile(r"##+ (\d+\.\d+) (.+)")  # of an exercise
MINUTES = re.compile(r"^\*[^*\n]*?(\d+)[^*\n]*\*", re.MULTILINE)
CHECK = re.compile(r"check\.(\w+)\(")
FRONT = re.compile(r"(\]\((?:\.\./)?index)\.md\b")


class UnreadableError(ValueError):
    """A file that is no notebook; the message says what it is."""


def read(file: Path) -> dict:
    """A notebook, with the source of each cell as one text.

    Raises:
        UnreadableError: if it isn't one.
    """
    if file.is_dir():
        raise UnreadableError("a folder")
    try:
        return parsed(file.read_bytes())
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None


def parsed(content: bytes) -> dict:
    """The notebook that the content of a file is, as :func:`read` says it."""
    try:
        text = content.decode("utf-8-sig")
        if re.search("^(<{7}|>{7}) ", text, re.MULTILINE):
            raise UnreadableError("the marks of a merge conflict")
        notebook = json.loads(text)
    except UnicodeDecodeError as error:
        raise UnreadableError(error.reason) from None
    except json.JSONDecodeError as error:
        raise UnreadableError(error.msg) from None
    except RecursionError:
        raise UnreadableError("no cells") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(map(_complete, cells)):
        raise UnreadableError("no cells")
    if not isinstance(notebook.setdefault("metadata", {}), dict):
        notebook["metadata"] = {}
    return notebook


def _complete(cell: object) -> bool:
    """Give a cell what later programs add; tell whether it is one at all."""
    if not isinstance(cell, dict):
        return False
    source, metadata = cell.get("source"), cell.setdefault("metadata", {})
    is_one = (
        isinstance(cell.get("cell_type"), str)
        and isinstance(source, (str, list))
        and isinstance(metadata, dict)
        and isinstance(cell.get("outputs", []), list)
    )
    if not is_one:
        return False
    cell["source"] = joined(source)
    # Some programs store the id in the metadata.
    cell.setdefault("id", str(metadata.get("id", "")))
    if cell["cell_type"] == "code":
        cell.setdefault("outputs", [])
        cell.setdefault("execution_count", None)
    return True


def joined(text: object) -> str:
    """A text that may be stored as a list of its lines."""
    return text if isinstance(text, str) else "".join(map(str, text))


def text_of(notebook: dict) -> str:
    """What a file says that has a notebook, as Jupyter writes it."""
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)
    return f"{text}\n"


def write_whole(file: Path, text: str | bytes) -> None:
    """Write a file: all of it, or it stays as it was.

    The old content is there until the new one is, all of it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode() if isinstance(text, str) else text
    beside = file.with_name(f".{file.name}.{token_hex(4)}")
    try:
        with beside.open("xb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(beside, file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def blank(notebook: dict) -> dict:
    """A page as a reader gets it: without outputs, and paired with nothing.

    Links to the front page lead to the notebook that it is there. The
    metadata says which version this is, by which it is found again.
    """
    cells = []
    for cell in notebook["cells"]:
        source = cell["source"]
        if cell["cell_type"] == "markdown":
            source = FRONT.sub(r"\1.ipynb", source)
        kept = {k: v for k, v in cell["metadata"].items() if k == "tags"}
        new = {**cell, "source": source, "metadata": kept}
        cells.append(without_outputs(new))
    kept = ("kernelspec", "language_info")
    about = {k: v for k, v in notebook["metadata"].items() if k in kept}
    page = {**notebook, "cells": cells, "metadata": about}
    about["d2l"] = {"from": digest(text_of(page))}
    return page


def without_outputs(cell: dict) -> dict:
    """A cell that wasn't run."""
    if cell["cell_type"] != "code":
        return cell
    return {**cell, "outputs": [], "execution_count": None}


def origin(notebook: dict) -> str:
    """The name of the version that a page came from; "" if it says none."""
    about = notebook["metadata"].get("d2l")
    return str(about.get("from", "")) if isinstance(about, dict) else ""


def sections(cells: list[dict]) -> Iterator[list[int]]:
    """The places of the cells of each exercise, up to the next heading.

    What follows the last exercise, below a heading of its own, is none of it.
    """
    starts = [i for i, cell in enumerate(cells) if heading_of(cell)]
    for start, end in zip_longest(starts, starts[1:], fillvalue=len(cells)):
        own = [start]
        for i in range(start + 1, end):
            if is_heading(cells[i]):
                break
            own.append(i)
        yield own


def heading_of(cell: dict) -> re.Match | None:
    """Number and title of the exercise that begins with a cell, if any."""
    if cell["cell_type"] != "markdown":
        return None
    return HEADING.match(cell["source"])


def is_heading(cell: dict) -> bool:
    """Whether a section begins with a cell."""
    return cell["cell_type"] == "markdown" and cell["source"].startswith("#")


def check_of(cell: dict) -> str:
    """The name of the check that a cell calls; "" if it calls none."""
    found = cell["cell_type"] == "code" and CHECK.match(cell["source"])
    return found[1] if found else ""


def check_in(cells: list[dict], section: list[int]) -> str:
    """The name of the check of an exercise, whatever its number is."""
    return next(filter(None, (check_of(cells[i]) for i in section)), "")


def checks(cells: list[dict]) -> set[str]:
    """The names of all checks that some cells call."""
    return {name for cell in cells if (name := check_of(cell))}
