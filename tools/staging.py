"""What Sphinx reads: the pages of an edition, each as the site has it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import nbformat

from tools import files
from tools.anchors import anchor, with_anchors
from tools.course import SITE, Edition
from tools.page import front_page, pages, texts
from tools.pictures import first_picture, picture_of
from tools.variants import front_page as front
from tools.variants import links, made, reads, site

WORDS = SITE / "locale"  # what templates and extensions say


def stage(edition: Edition, folder: Path) -> None:
    """Write what Sphinx reads; leave alone what is there already."""
    variant = site.variant(edition, anchors(edition.language))
    wanted: dict[str, str] = {}
    for page in edition.pages:
        notebook = made(page, files.read_stored(page), variant)
        wanted[f"{page.name}.ipynb"] = nbformat.v4.writes(notebook)
    for chapter in edition.chapters:
        wanted[picture_of(chapter)] = first_picture(chapter).svg
    for file in (*edition.own_pages, *texts(edition.language)):
        wanted[file.name] = written(edition, file)
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
def anchors(language: str) -> links.Anchors:
    """On the site, the anchors of headings.

    Chapters may have the same id; a chapter and its solutions have it for the
    same heading.
    """
    return {
        (page.notebook.name, cell.id): anchor(heading[1])
        for page in pages(language=language)
        for cell in files.read_stored(page).cells
        if (heading := re.match(r"#+ (.+)", cell.source))
    }


def written(edition: Edition, file: Path) -> str:
    """A page without code.

    Args:
        edition (Edition): whose page it is.
        file (Path): with its text.
    """
    words, said = [], file.read_text("utf-8")
    first = file == front_page(edition.language)
    if first:
        cards = {
            chapter: (picture_of(chapter), first_picture(chapter).alt)
            for chapter in edition.chapters
        }
        words = front.on_site(edition, anchors(edition.language), cards)
    elif file not in edition.own_pages:
        words = site.words(edition, anchors(edition.language))
    said = reads(said, words)
    original = edition.original_of(file)
    if original != file:
        old = original.read_text("utf-8")
        if first:
            old = front.titled(edition.course.title)(old)
        said = with_anchors(said, old, set())
    return f"{said}\n{contents(edition)}" if first else said


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
