"""A book beside its reader: the pages as they come, and the workbook.

A clone, a handout and a student's folder on a hub look the same: the folder
`chapters` has the pages with their outputs, and `workbook` the reader's. Each
language but the first has a folder of its name in both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ._language import FIRST, language_of

PRISTINE, WORKBOOK = "chapters", "workbook"
BASES = ".base"  # in the workbook: the versions that pages came from
SOLUTIONS = "solutions"
FRONT = "index"  # the page without code that becomes a notebook
STEM = r"\d\d_\w+"
PAGE = re.compile(rf"{STEM}\.ipynb")
TEXT = re.compile(r"[a-z]\w*\.md")  # not STYLE.md, which is for authors


class NoBookError(LookupError):
    """There is no book around a folder, or none in a language."""


@dataclass(frozen=True)
class Book:
    """A book in one language, and what its reader has of it.

    Args:
        root (Path): the folder that has both.
        language (str): such as ``"en"``.
    """

    root: Path
    language: str

    @property
    def home(self) -> str:
        """The folder of the language, below that of all pages, or ""."""
        return "" if self.language == FIRST else f"{self.language}/"

    @property
    def pristine(self) -> Path:
        """Where the pages are as they come."""
        return self.root / PRISTINE / self.home

    @property
    def workbook(self) -> Path:
        """Where those of the reader are."""
        return self.root / WORKBOOK / self.home

    @property
    def bases(self) -> Path:
        """Where the versions are that those of the reader came from."""
        return self.root / WORKBOOK / BASES / self.home

    @property
    def front(self) -> Path:
        """The reader's front page."""
        return self.workbook / f"{FRONT}.ipynb"

    def chapters(self) -> list[str]:
        """The names of the chapters, in their order."""
        return _names(self.pristine, PAGE)

    def pages(self) -> list[str]:
        """The names of all that the workbook has of the book."""
        solutions = _names(self.pristine / SOLUTIONS, PAGE)
        texts = _names(self.pristine, TEXT)
        return [
            *self.chapters(),
            *(f"{SOLUTIONS}/{name}" for name in solutions),
            *(self.front.name if t == f"{FRONT}.md" else t for t in texts),
        ]


def _names(folder: Path, pattern: re.Pattern) -> list[str]:
    names = (path.name for path in folder.glob("*"))
    return sorted(name for name in names if pattern.fullmatch(name))


def find_book(language: str = "", start: Path | None = None) -> Book:
    """The book around a folder.

    Args:
        language (str): that of its pages; without it, that of the folder, or
            else the first that has pages.
        start (Path): the folder, if not the one in which this runs.

    Raises:
        NoBookError: if there is none.
    """
    start = (start or here()).resolve()
    for root in (start, *start.parents):
        there = _languages(root)
        if there:
            break
    else:
        raise NoBookError
    if language and language not in there:
        raise NoBookError(language, there)
    wanted = language or language_of(start)
    return Book(root, wanted if wanted in there else there[0])


def require_book(language: str, root: str | Path | None = None) -> Book:
    """The book around a folder, as :func:`find_book`; an error says more.

    Raises:
        LookupError: if there is none; the message says what to do.
    """
    try:
        return find_book(language, Path(root) if root else None)
    except NoBookError as error:
        if error.args:
            raise no_such_language(error) from None
        raise LookupError(
            "There is no book around this folder: go to the one that has "
            "chapters/ in it"
        ) from None


def no_such_language(error: NoBookError) -> LookupError:
    """The error that says which languages there are."""
    wanted, there = error.args
    return LookupError(
        f"There are no chapters in {wanted!r}, but in {', '.join(there)}"
    )


def _languages(root: Path) -> list[str]:
    """The languages in which a folder has a book, the first one first."""
    folder = root / PRISTINE
    if not folder.is_dir():
        return []
    homes = sorted(p for p in folder.glob("[a-z][a-z]") if p.is_dir())
    first = [FIRST] * bool(_names(folder, PAGE))
    return [*first, *(home.name for home in homes if _names(home, PAGE))]


def here() -> Path:
    """The folder in which this runs; the root, if it was deleted."""
    try:
        return Path.cwd()
    except OSError:
        return Path("/")
