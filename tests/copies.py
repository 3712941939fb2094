"""Copies of parts of this project, to be spoiled."""

import shutil
from dataclasses import replace
from pathlib import Path

from tools import checks
from tools.environment import ROOT
from tools.page import CHAPTERS, Page, chapters, pages, with_translations

# What the sources of the pages, and the tests of their checks, need.
PROJECT = [
    "chapters",
    "conftest.py",
    "constraints.txt",
    "d2l_helpers",
    "d2l_reader",
    "jupytext.toml",
    "make.py",
    "nbval_strict",
    "pyproject.toml",
    "tests",
    "tools",
]


def of_chapter(chapter: Page, folder: Path) -> Page:
    """Copy all that belongs to a chapter, and what the others are made of.

    Of translations, what belongs to the chapter.

    Args:
        chapter (Page): of this book.
        folder (Path): becomes the root of the copy.

    Returns:
        The chapter's page there.
    """
    files = [page.source for page in pages()]
    for page in with_translations([chapter, chapter.solutions]):
        files += [page.source, page.notebook]
    for name in (checks.FOLDER, checks.ANSWERS):
        files += (ROOT / name).glob("*.py")
    texts = [*CHAPTERS.rglob("*.md"), *CHAPTERS.glob("*/*.toml")]
    for file in [*files, *texts]:
        target = folder / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return replace(chapter, root=folder / CHAPTERS.name)


def of_project(folder: Path) -> None:
    """Copy what it takes to write a chapter, and to test it."""
    ignored = shutil.ignore_patterns("__pycache__", ".*", "browser", "grading")
    for name in PROJECT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)


def of_book(folder: Path) -> None:
    """Copy chapter 03 as a book of its own, in each language."""
    (chapter,) = chapters("03")
    for page in with_translations([chapter, chapter.solutions]):
        for file in (page.notebook, page.home / "index.md"):
            target = folder / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
