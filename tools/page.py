"""The pages of the book: which there are, and where their files stand.

This is the one place that knows. A page is a value: a language, a kind and a
stem. The pages of the first language, the originals, stand in chapters/. Those
of another language are translations; they stand in a folder of its name there.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass, replace
from pathlib import Path

from tools.environment import ROOT

CHAPTERS = ROOT / "chapters"
LANGUAGES = ("en", "zh")  # the first is the one that is translated
TIMEOUT = 120  # seconds for a cell
START_PAGE = "start.ipynb"  # at the root: its first cell makes a workbook
GLOSSARY = "glossary.md"  # a page without code that a command makes
CHAPTER, SOLUTIONS = KINDS = ("chapter", "solutions")
STEM = re.compile(r"\d\d_[^/\\]+")
# In a link on a page: the notebook of another one, and the way there.
NOTEBOOK = r"\d\d_\w+\.ipynb"
WAY = rf"(?:\.\.?/)?(?:{SOLUTIONS}/)?"


def start_name(language: str) -> str:
    """The notebook at the root that makes a workbook in a language."""
    if language == LANGUAGES[0]:
        return START_PAGE
    return START_PAGE.replace(".", f".{language}.")


@dataclass(frozen=True)
class Page:
    """A page of the book; its files needn't be there.

    Args:
        language (str): one of ``LANGUAGES``.
        kind (str): ``"chapter"``, or ``"solutions"`` for the page with the
            solutions to a chapter's exercises.
        stem (str): number and topic, such as ``"03_custom_layers"``: the same
            for a chapter and its solutions, in each language.
        root (Path): the folder of all pages.

    Raises:
        ValueError: if there is no such language or kind, or if the stem is in
            another form.
    """

    language: str
    kind: str
    stem: str
    root: Path

    def __post_init__(self) -> None:
        for key, known in (("language", LANGUAGES), ("kind", KINDS)):
            if getattr(self, key) not in known:
                raise ValueError(
                    f"{key} is {getattr(self, key)!r}, not one of "
                    f"{', '.join(known)}"
                )
        if not STEM.fullmatch(self.stem):
            raise ValueError(
                f"stem is {self.stem!r}, not in the form of 03_custom_layers"
            )

    def __str__(self) -> str:
        return self.path

    @property
    def number(self) -> int:
        """The number of the chapter."""
        return int(self.stem[:2])

    @property
    def topic(self) -> str:
        """What the chapter is about.

        The module with the checks of its exercises is called so, and that
        with answers to them.
        """
        return self.stem[3:]

    @property
    def name(self) -> str:
        """What it is called on the site of its language."""
        return f"{SOLUTIONS}/{self.stem}" if self.is_solutions else self.stem

    @property
    def path(self) -> str:
        """Where it is below the folder of all pages, without a suffix."""
        return f"{_home(self.language)}{self.name}"

    @property
    def source(self) -> Path:
        """The ``.py`` file."""
        return self.root / f"{self.path}.py"

    @property
    def notebook(self) -> Path:
        """The ``.ipynb`` file, with the outputs."""
        return self.root / f"{self.path}.ipynb"

    @property
    def folder(self) -> Path:
        """Where both files are, and its cells run."""
        return self.source.parent

    @property
    def is_solutions(self) -> bool:
        """Whether it has the solutions of a chapter, and isn't one."""
        return self.kind == SOLUTIONS

    @property
    def is_original(self) -> bool:
        """Whether its cells are executed: those of a translation aren't."""
        return self.language == LANGUAGES[0]

    @property
    def is_there(self) -> bool:
        """Whether something is in the place of its source."""
        return self.source.exists()

    @property
    def chapter(self) -> Page:
        """The chapter that it is, or to which it has the solutions."""
        return replace(self, kind=CHAPTER)

    @property
    def solutions(self) -> Page:
        """The solutions that it is, or that belong to it."""
        return replace(self, kind=SOLUTIONS)

    @property
    def original(self) -> Page:
        """The page that it is, or that it translates."""
        return replace(self, language=LANGUAGES[0])

    @property
    def translations(self) -> list[Page]:
        """The same page in each other language; not all need be there."""
        return [replace(self, language=other) for other in LANGUAGES[1:]]

    @property
    def home(self) -> Path:
        """The folder of all that is in its language."""
        return self.root / _home(self.language)

    def shown(self, suffix: str = ".py") -> str:
        """One of its two files, as `make run CH=` takes it."""
        return f"{self.root.name}/{self.path}{suffix}"

    def link_to(self, other: Page) -> str:
        """What stands in a link on this page to the notebook of another."""
        here = posixpath.dirname(self.path)
        return posixpath.relpath(f"{other.path}.ipynb", here or ".")

    def is_meant_by(self, which: str) -> bool:
        """Whether a number, a name or a file stands for this page.

        Args:
            which (str): ``3``, ``03`` or ``03_custom_layers``, which stand
                for a chapter and for its solutions; or one of the two files.
        """
        if which.isdecimal():
            return self.number == int(which)
        files = [self.source, self.notebook]
        if which in [file.name for file in files]:
            return not self.is_solutions
        return which == self.stem or Path(which).resolve() in [
            file.resolve() for file in files
        ]


def pages(
    which: str = "", *, language: str = "", root: Path | None = None
) -> list[Page]:
    """The pages that there are, each chapter with its solutions behind it.

    Args:
        which (str): a number, a name or a file (:meth:`Page.is_meant_by`);
            all pages if empty.
        language (str): that of the pages; a file may be of any. Without it,
            the first that has pages: a handout may lack the originals.
        root (Path, optional): the folder of all pages, if not that of this
            book.

    Raises:
        LookupError: if there is no such page.
    """
    first = language or _first(root or CHAPTERS)
    found = _written(first, root or CHAPTERS)
    if not which:
        return found
    others = [other for other in LANGUAGES if other != first]
    candidates = [*found]
    for other in others:
        candidates += _written(other, root or CHAPTERS)
    chosen = [page for page in candidates if page.is_meant_by(which)]
    if not chosen:
        raise _unknown(which, found)
    return [page for page in chosen if page.language == chosen[0].language]


def chapters(
    which: str = "", *, language: str = "", root: Path | None = None
) -> list[Page]:
    """The chapters alone, in the order of the book; as :func:`pages`.

    Raises:
        LookupError: if there is no such chapter.
    """
    found = pages(which, language=language, root=root)
    chosen = [page for page in found if not page.is_solutions]
    if which and not chosen:
        raise _unknown(which, pages(language=language, root=root))
    return chosen


def require_language(language: str) -> None:
    """Refuse a language without pages; an empty text is none.

    Raises:
        LookupError: if it is refused; the message names those there are.
    """
    there = [name for name in LANGUAGES if _written(name, CHAPTERS)]
    if language and language not in there:
        raise LookupError(
            f"There are no chapters in {language!r}, but in {', '.join(there)}"
        )


def with_translations(found: list[Page]) -> list[Page]:
    """Some pages, each original with its translations behind it."""
    return [
        page
        for one in found
        for page in (one, *(one.translations if one.is_original else ()))
        if page == one or page.is_there
    ]


def is_to_come(file: Path) -> bool:
    """Whether a file of a translation isn't there yet, but its original."""
    path = Path(os.path.relpath(file, CHAPTERS))
    language, *rest = path.parts
    return (
        language in LANGUAGES
        and not file.exists()
        and CHAPTERS.joinpath(*rest).is_file()
    )


def front_page(language: str = "") -> Path:
    """The file with the front page of a language, or of the first there."""
    return CHAPTERS / f"{_home(language or _first(CHAPTERS))}index.md"


def texts(language: str = "") -> list[Path]:
    """The files of the pages without code, the front page among them.

    A name in capitals, such as STYLE.md, is that of a file for authors.
    """
    found = sorted(front_page(language).parent.glob("*.md"))
    return [file for file in found if file.stem.islower()]


def _first(root: Path) -> str:
    """The first language that has pages."""
    there = (name for name in LANGUAGES if _written(name, root))
    return next(there, LANGUAGES[0])


def _home(language: str) -> str:
    """The folder of a language, below that of all pages."""
    return "" if language == LANGUAGES[0] else f"{language}/"


def _written(language: str, root: Path) -> list[Page]:
    found = [
        Page(language, CHAPTER, file.stem, root)
        for file in sorted((root / _home(language)).glob("*.py"))
        if STEM.fullmatch(file.stem)
    ]
    both = [page for chapter in found for page in (chapter, chapter.solutions)]
    return [page for page in both if page.is_there]


def _unknown(which: str, found: list[Page]) -> LookupError:
    names = ", ".join(page.stem for page in found if not page.is_solutions)
    return LookupError(
        f"there is no chapter {which!r}; name one of {names}, or its number"
    )
