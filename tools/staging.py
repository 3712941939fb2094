"""What Sphinx reads: the pages of an edition, each as the site has it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import nbformat

from tools import files
from tools.anchors import anchor, with_anchors
from tools.course import SITE, Edition
from tools.page import Page, front_page, pages, texts
from tools.pictures import first_picture, picture_of
from tools.variants import front_page as front
from tools.variants import made, reads, site

WORDS = SITE / "locale"  # what templates and extensions say


def stage(edition: Edition, folder: Path) -> None:
    """Write what Sphinx reads; leave alone what is there already."""
    of_cells = anchors(edition.language)
    words = site.words(edition, of_cells)
    variant = site.variant(edition, of_cells)
    wanted: dict[str, str] = {}
    for page in edition.pages:
        notebook = made(page, files.read_stored(page), variant)
        wanted[f"{page.name}.ipynb"] = nbformat.v4.writes(notebook)
    for chapter in edition.chapters:
        wanted[picture_of(chapter)] = first_picture(chapter).svg
    for file in edition.own_pages:
        wanted[file.name] = anchored(file, SITE / "pages")
    first = front_page(edition.language)
    for file in texts(edition.language):
        text = anchored(file, front_page().parent)
        variants = words if file != first else front_words(edition)
        wanted[file.name] = reads(text, variants)
    wanted[first.name] += f"\n{contents(edition)}"
    catalog = WORDS / f"{edition.language}.po"
    if catalog.is_file():  # Sphinx compiles it, and asks it first
        name = f"locale/{edition.words.locale}/LC_MESSAGES/sphinx.po"
        wanted[name] = catalog.read_text("utf-8")
    for file in folder.rglob("*.*"):
        if file.relative_to(folder).as_posix() not in wanted:
            file.unlink()
    for name, text in wanted.items():
        target = folder / name
        if not target.is_file() or target.read_text("utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


@cache
def anchors(language: str) -> dict[str, str]:
    """On the site, the anchors of headings, by the ids of their cells."""
    return {
        cell.id: anchor(heading[1])
        for page in pages(language=language)
        for cell in files.read_stored(page).cells
        if (heading := re.match(r"#+ (.+)", cell.source))
    }


def anchored(file: Path, originals: Path) -> str:
    """A text whose headings have the anchors of the original's.

    Args:
        file (Path): with the text.
        originals (Path): the folder of the text that it translates, which
            may be its own.
    """
    text, original = file.read_text("utf-8"), originals / file.name
    if file.samefile(original):
        return text
    return with_anchors(text, original.read_text("utf-8"), set())


def front_words(edition: Edition) -> list:
    """What is done to the front page, which gets cards."""
    cards = {
        chapter: (picture_of(chapter), first_picture(chapter).alt)
        for chapter in edition.chapters
    }
    return front.on_site(edition, anchors(edition.language), cards)


def contents(edition: Edition) -> str:
    """What puts pages into the navigation.

    Raises:
        LookupError: if a chapter has no row on the front page.
    """
    first = front_page(edition.language)
    text = first.read_text("utf-8")
    names = {c: front.row(text, c).name for c in edition.chapters}
    entries = [f"{name} <{chapter.name}>" for chapter, name in names.items()]
    others = [file for file in texts(edition.language) if file != first]
    entries += [file.stem for file in [*others, *edition.own_pages]]
    listed = toctree("", entries)
    solutions = [
        f"{name} <{chapter.solutions.name}>"
        for chapter, name in names.items()
        if chapter.solutions in edition.pages
    ]
    if solutions:
        listed += toctree(edition.words.answers, solutions)
    return listed


def toctree(caption: str, entries: list[str]) -> str:
    """The Markdown that puts pages into the navigation."""
    head = [":hidden:", *[f":caption: {caption}"] * bool(caption)]
    listed = "\n".join([*head, "", *entries])
    return f"```{{toctree}}\n{listed}\n```\n"
