"""What is to be done with each page of a workbook.

Nothing that a reader made is overwritten unread or lost. A page says which
version it came from, and that version is kept: to write the page is to finish
its update, so that one that is interrupted can be done again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from ._book import FRONT, PAGE, PRISTINE, SOLUTIONS, Book
from ._front import front_page
from ._language import say
from ._merge import Answers, Merged, answers_to_bring, is_touched, merge
from ._notebook import FRONT as LINK_TO_FRONT
from ._notebook import (
    UnreadableError,
    blank,
    checks,
    digest,
    origin,
    parsed,
    read,
    text_of,
    without_outputs,
    write_whole,
)
from ._progress import said_problem

LEFT = "left"  # by the versions: which pages have left, as was said
TRIES = 5  # to write a page that somebody else writes, too


class NoOriginalError(UnreadableError):
    """A page as it comes that can't be read; the message says which."""


class Plan:
    """What is to be done with a page that is a notebook.

    Args:
        book (Book): whose page it is.
        name (str): that of the page.
    """

    def __init__(self, book: Book, name: str) -> None:
        self.book, self.name = book, name
        self.file = book.workbook / name
        self.answers: Answers = {}  # which come from other pages
        self.away: set[str] = set()  # checks whose answers went to others
        self.renewed = False  # a notebook that was there says more now

    def original(self) -> dict:
        """The page as it comes, without outputs.

        Raises:
            NoOriginalError: if it can't be read.
        """
        file = self.book.pristine / self.name
        try:
            return blank(read(file))
        except UnreadableError as error:
            raise NoOriginalError(
                said_problem(
                    f"{PRISTINE}/{self.book.home}{self.name}",
                    error,
                    self.book.language,
                )
            ) from None

    def read(self) -> tuple[dict | None, dict, dict, bytes] | None:
        """The base, the reader's page, the new one, and what the file has.

        The base is None if it isn't known. If the reader has the new one
        already, there is nothing to do, and nothing is returned.

        Raises:
            UnreadableError: if one can't be read.
        """
        new = self.original()
        if not (self.file.exists() or self.file.is_symlink()):
            nothing = {**new, "cells": []}
            return nothing, nothing, new, b""
        if self.file.is_dir():
            raise UnreadableError("a folder")
        content = self.file.read_bytes()
        mine = parsed(content)
        if origin(mine) == origin(new):
            return None
        return self._base(mine), mine, new, content

    def version(self, name: str) -> Path:
        """Where a version of the page is kept."""
        page = Path(self.name)
        folder = self.book.bases / page.parent / page.stem
        return folder / f"{name}{page.suffix}"

    def remember(self, page: dict) -> None:
        """Keep a version of the page, for the updates to come."""
        write_new(self.version(origin(page)), text_of(page))

    def _base(self, mine: dict) -> dict | None:
        """The version that a reader's page came from.

        Of one that doesn't say it, as other programs store it, the version
        that has the most cells in common with it.
        """
        if re.fullmatch("[0-9a-f]{16}", origin(mine)):
            with suppress(UnreadableError):
                return read(self.version(origin(mine)))
        said = {cell["source"] for cell in mine["cells"]}
        best, most = None, 0
        for file in sorted(self.version("x").parent.glob("*.ipynb")):
            with suppress(UnreadableError):
                page = read(file)
                common = sum(c["source"] in said for c in page["cells"])
                if common > most:
                    best, most = page, common
        return best

    def has(self, cells: list[dict]) -> bool:
        """Whether the reader's page has what some cells say."""
        said = [cell["source"] for cell in read(self.file)["cells"]]
        return all(cell["source"] in said for cell in cells)

    def carry_out(self) -> list[str]:
        """Write the page, if need be; return what there is to say.

        Raises:
            UnreadableError: if a part can't be read.
            OSError: if something can't be written.
        """
        for _ in range(TRIES):
            found = self.read()
            if found is None:
                return []
            base, mine, new, content = found
            self.remember(new)
            if base is None:
                lines = [self._told_beside(text_of(new))]
                cells = mine["cells"]
            else:
                merged = merge(
                    base["cells"],
                    mine["cells"],
                    new["cells"],
                    self.answers,
                    self.away,
                )
                cells = merged.cells
                touched = is_touched(mine["cells"], base["cells"])
                lines = self._told(merged, new, touched) if content else []
            # What a reader chose for the page stays, such as a kernel.
            about = {**new["metadata"], **mine["metadata"]}
            about["d2l"] = new["metadata"]["d2l"]
            about.pop("jupytext", None)
            # Somebody may have saved it meanwhile: then it is read anew.
            now = self.file.read_bytes() if self.file.exists() else b""
            if now == content:
                page = {**new, "cells": cells, "metadata": about}
                write_whole(self.file, text_of(page))
                self.renewed = bool(content) and base is not None
                return lines
        raise UnreadableError("something else writes it, too")

    def _told(self, merged: Merged, new: dict, touched: bool) -> list[str]:
        tell = self._say
        if not touched and not self.answers:
            return [tell("{page}: the new version")]
        lines = [tell("{page}: the new version, with what is yours in it")]
        if merged.conflicts:
            cells = [conflict.new for conflict in merged.conflicts]
            beside = self._beside_cells(new, cells)
            where = sorted({c.where for c in merged.conflicts if c.where})
            lines.append(
                tell(
                    "{page}: you and the new version changed the same lines "
                    "({where}). Yours stay; the new cells are in {beside}",
                    where=", ".join(where) or tell("in the text"),
                    beside=beside,
                )
            )
        gone = sorted({number for number in merged.orphans if number})
        if gone:
            lines.append(
                tell(
                    "{page}: the new version doesn't have exercise {gone}; "
                    "your answer stays",
                    gone=", ".join(gone),
                )
            )
        return lines

    def _say(self, text: str, **values: object) -> str:
        language = self.book.language
        return say(text, language, page=self.name, **values)

    def _told_beside(self, text: str) -> str:
        """Put a whole new version beside a page; return what to say."""
        beside = put_beside(self.file, "new", text)
        return self._say(
            "{page}: it isn't known which version yours came from. Yours "
            "stays; the new one is {beside}",
            beside=beside.name,
        )

    def told_problem(self, error: Exception) -> list[str]:
        """What to say of a page that stays as it is."""
        if isinstance(error, NoOriginalError):
            return [str(error)]
        if isinstance(error, OSError):
            what = error.strerror or str(error)
            return [self._say("{page} stays as it is: {what}", what=what)]
        what = say(str(error), self.book.language)
        page = Path(self.name)
        short = page.stem[:2] if PAGE.fullmatch(page.name) else page.stem
        return [
            self._say("{page} stays as it is: {what}", what=what),
            self._say(
                "For the original, and yours beside it: "
                'd2l_reader.restore("{which}")',
                which=(page.parent / short).as_posix(),
            ),
        ]

    def _beside_cells(self, new: dict, cells: list[dict]) -> str:
        """Put some cells of a new version beside a page; return the name."""
        page = {**new, "cells": [without_outputs(cell) for cell in cells]}
        return put_beside(self.file, "new", text_of(page)).name


def bring_answers(plans: list[Plan]) -> list[Plan]:
    """Let an answer go where its exercise went, also to another page.

    Returns:
        The plans, those first that get an answer: until it is written there,
        it is where it was.
    """
    chapters = [plan for plan in plans if PAGE.fullmatch(plan.name)]
    found: dict[str, tuple[Plan, Any]] = {}
    behind = set()
    for plan in chapters:
        with suppress(UnreadableError, OSError):
            parts = plan.read()
            if parts is None or parts[0] is None:
                continue
            base, mine, new = (part["cells"] for part in parts[:3])
            behind |= {(plan, check) for check in checks(new) - checks(base)}
            for check, answer in answers_to_bring(base, mine, new).items():
                found[check] = plan, answer
    for plan in chapters if found else ():
        with suppress(UnreadableError, OSError):
            for check in found.keys() & checks(plan.original()["cells"]):
                source, (was, answer) = found[check]
                if (plan, check) in behind:
                    plan.answers[check] = was, answer
                    source.away.add(check)
                elif plan.has(answer):  # an update was interrupted
                    source.away.add(check)
    for plan in plans:
        if plan.answers:  # one that gives some, too, keeps them
            plan.away.clear()
    return sorted(plans, key=lambda plan: not plan.answers)


def write_new(file: Path, text: str) -> None:
    """Write a file that isn't there yet."""
    if not file.exists():
        write_whole(file, text)


def put_beside(file: Path, what: str, content: str | bytes) -> Path:
    """Write a file beside another: the first free number, nothing replaced.

    Args:
        file (Path): beside which.
        what (str): ``"new"`` or ``"yours"``, which its name says.
        content (str or bytes): of the file.

    Returns:
        The file; an earlier one, if it has this content.
    """
    content = content.encode() if isinstance(content, str) else content
    for beside in places_beside(file, what):
        with suppress(FileExistsError), beside.open("xb") as opened:
            opened.write(content)
            return beside
        if beside.is_file() and beside.read_bytes() == content:
            return beside


def places_beside(file: Path, what: str) -> Iterator[Path]:
    """The names that a file beside another may have, as put_beside has it."""
    for number in count(1):
        yield file.with_name(f"{file.stem}-{what}-{number}{file.suffix}")


class FrontPlan(Plan):
    """What is to be done with the front page."""

    def original(self) -> dict:
        file = self.book.pristine / f"{FRONT}.md"
        return front_page(file.read_text("utf-8"), self.book.language)


class TextPlan(Plan):
    """What is to be done with a page without code."""

    def carry_out(self) -> list[str]:
        text = (self.book.pristine / self.name).read_text("utf-8")
        new = LINK_TO_FRONT.sub(r"\1.ipynb", text)
        version = self.version(digest(new))
        if self.file.is_dir():
            raise UnreadableError("a folder")
        lines = []
        if self.file.exists():
            mine = self.file.read_text("utf-8", errors="replace")
            if mine == new:
                write_new(version, new)
                return []
            lines = [self._say("{page}: the new version")]
            if not self.version(digest(mine)).exists():
                if version.exists():  # it was said when it came
                    return []
                beside = put_beside(self.file, "new", new)
                write_new(version, new)
                return [
                    self._say(
                        "{page}: yours stays; the new version is {beside}",
                        beside=beside.name,
                    )
                ]
        write_new(version, new)
        write_whole(self.file, new)
        return lines


class GonePlan(Plan):
    """What is done with a page that the book no longer has: it stays."""

    def original(self) -> dict:
        return {"cells": [], "metadata": {}}

    def carry_out(self) -> list[str]:
        return []


def gone(book: Book) -> list[Plan]:
    """The reader's pages that are under another name now, or nowhere."""
    there, left = set(book.pages()), set()
    for folder in (book.bases, book.bases / SOLUTIONS):
        for file in folder.glob("*/*.*"):
            page = file.parent.relative_to(book.bases)
            left.add(page.with_name(page.name + file.suffix).as_posix())
    plans = [GonePlan(book, name) for name in sorted(left - there)]
    return [plan for plan in plans if plan.file.is_file()]


def told_gone(book: Book, plans: list[Plan]) -> list[str]:
    """What to say of pages that have left since the last update: once."""
    note, names = book.bases / LEFT, [plan.name for plan in plans]
    known = note.read_text("utf-8").splitlines() if note.is_file() else []
    if names != known:
        with suppress(OSError):  # then it is said again
            write_whole(note, "".join(f"{name}\n" for name in names))
    return [
        say(
            "{page} is no longer a page of the book. Yours stays",
            book.language,
            page=name,
        )
        for name in names
        if name not in known
    ]


def plan_of(book: Book, name: str) -> Plan:
    """What is to be done with a page, by its name."""
    if name == book.front.name:
        return FrontPlan(book, name)
    return (Plan if name.endswith(".ipynb") else TextPlan)(book, name)
