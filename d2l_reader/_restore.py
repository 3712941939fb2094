"""The original of a page, or of an exercise, back in the workbook."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ._book import Book, require_book
from ._language import say
from ._merge import align
from ._notebook import (
    UnreadableError,
    heading_of,
    read,
    sections,
    text_of,
    write_whole,
)
from ._plans import places_beside, plan_of, put_beside


@dataclass(frozen=True)
class Restored:
    """What :func:`restore` did, in a sentence."""

    text: str

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def restore(
    which: str | int, language: str = "", *, root: str | Path | None = None
) -> Restored:
    """Bring the original of a page back, or of an exercise.

    What the reader had is put beside it, as a page of its own.

    Args:
        which (str or int): a chapter, as ``"03"``; its solutions, as
            ``"solutions/03"``; the front page, ``"index"``; or an exercise,
            as ``"3.2"``, of which the code comes back.
        language (str): as for :func:`start`.
        root (str or Path): as for :func:`update`.

    Returns:
        What was done, and where the reader's version is.

    Raises:
        LookupError: if there is no such page or exercise.
        UnreadableError: if the original can't be read.
    """
    book = require_book(language, root)
    text = f"{which:02}" if isinstance(which, int) else str(which).strip()
    exercise = re.fullmatch(r"(\d+)\.\d+", text)
    name = _named(book, f"{int(exercise[1]):02}" if exercise else text)
    plan = plan_of(book, name)
    new = plan.original()
    plan.remember(new)
    page = new
    if exercise:
        try:
            mine = read(plan.file)
        except UnreadableError:
            mine = new
        cells = _with_code_of(text, mine["cells"], new["cells"])
        if cells is None:
            raise LookupError(
                say(
                    "There is no exercise {number} in {page}",
                    book.language,
                    number=text,
                    page=name,
                )
            )
        page = {**mine, "cells": cells}
    if (
        plan.file.is_file()
        and plan.file.read_bytes() == text_of(page).encode()
    ):
        return Restored(
            say(
                "{what} is as it came already.",
                book.language,
                what=text if exercise else name,
            )
        )
    beside = _moved_away(plan.file)
    write_whole(plan.file, text_of(page))
    said = say(
        "{what} is as it came. If it is open in JupyterLab, choose File, "
        "Reload Notebook from Disk.",
        book.language,
        what=text if exercise else name,
    )
    if beside:
        said = say(
            "{said} What you had is {beside}.",
            book.language,
            said=said,
            beside=beside.name,
        )
    return Restored(said)


def _named(book: Book, which: str) -> str:
    """The page that is meant.

    Raises:
        LookupError: if there is none.
    """
    folder, _, short = which.removesuffix(".ipynb").rpartition("/")
    begin = f"{int(short):02}_" if short.isdecimal() else f"{short}.ipynb"
    for name in book.pages():
        page = Path(name)
        if page.parent == Path(folder) and page.name.startswith(begin):
            return name
    raise LookupError(
        say(
            "There is no page {which}; name one of {names}",
            book.language,
            which=which,
            names=", ".join(name[:2] for name in book.chapters()),
        )
    )


def _with_code_of(
    number: str, mine: list[dict], new: list[dict]
) -> list[dict] | None:
    """The reader's cells, with the code of an exercise as it came.

    Returns:
        None if there is no such exercise.
    """
    for section in sections(new):
        if heading_of(new[section[0]])[1] == number:
            break
    else:
        return None
    copies = {n: m for m, n in align(new, mine, True).items()}
    cells, after = [dict(cell) for cell in mine], -1
    inserted: list[tuple[int, dict]] = []
    for n in section:
        m = copies.get(n)
        if m is None:
            inserted.append((after, new[n]))
        else:
            after = m
            if new[n]["cell_type"] == "code":
                cells[m] = new[n]
    for place, cell in reversed(inserted):
        at = place + 1 if place >= 0 else len(cells)
        cells.insert(at, cell)
    return cells


def _moved_away(file: Path) -> Path | None:
    """Put what a reader has beside; return where, None if there was nothing.

    A file is copied, so that it is there until another takes its place.
    """
    if not (file.exists() or file.is_symlink()):
        return None
    if file.is_file():
        return put_beside(file, "yours", file.read_bytes())
    for beside in places_beside(file, "yours"):
        if not (beside.exists() or beside.is_symlink()):
            os.rename(file, beside)  # a folder, or a link to nothing
            return beside
