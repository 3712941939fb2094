"""What Sphinx reads: the pages of a course, each as the site has it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import nbformat

from tools import files
from tools.anchors import anchor
from tools.course import SITE, Course
from tools.page import Page, front_page, pages, texts
from tools.pictures import first_picture, picture_of
from tools.variants import front_page as front
from tools.variants import made, reads, site


def stage(course: Course, folder: Path) -> None:
    """Write what Sphinx reads; leave alone what is there already."""
    words = site.words(course, anchors())
    wanted: dict[str, str] = {}
    for page in course.pages:
        stored = files.read_stored(page)
        notebook = made(page, stored, site.variant(course, anchors()))
        wanted[f"{page.name}.ipynb"] = nbformat.v4.writes(notebook)
    for chapter in course.chapters:
        wanted[picture_of(chapter)] = first_picture(chapter).svg
    for file in own_pages():
        wanted[file.name] = file.read_text("utf-8")
    for file in texts():
        wanted[file.name] = reads(file.read_text("utf-8"), words)
    wanted[front_page().name] = contents(course)
    for file in folder.rglob("*.*"):
        if file.relative_to(folder).as_posix() not in wanted:
            file.unlink()
    for name, text in wanted.items():
        target = folder / name
        if not target.is_file() or target.read_text("utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


@cache
def anchors() -> dict[str, str]:
    """On the site, the anchors of headings, by the ids of their cells."""
    return {
        cell.id: anchor(heading[1])
        for page in pages()
        for cell in files.read_stored(page).cells
        if (heading := re.match(r"#+ (.+)", cell.source))
    }


def own_pages() -> list[Path]:
    """The files of the pages that only the site has."""
    return sorted((SITE / "pages").glob("*.md"))


def contents(course: Course) -> str:
    """The front page with cards, and what puts pages into the navigation.

    Raises:
        LookupError: if a chapter has no row there, or no picture.
    """
    text = front_page().read_text("utf-8")
    names = {c: front.row(text, c).name for c in course.chapters}
    entries = [f"{name} <{chapter.name}>" for chapter, name in names.items()]
    others = [file for file in texts() if file != front_page()]
    entries += [file.stem for file in [*others, *own_pages()]]
    listed = toctree("", entries)
    solutions = [
        f"{name} <{chapter.solutions.name}>"
        for chapter, name in names.items()
        if chapter.solutions in course.pages
    ]
    if solutions:
        listed += toctree("Solutions", solutions)
    text = reads(text, front.on_site(course, anchors(), cards(course)))
    return f"{text}\n{listed}"


def cards(course: Course) -> dict[Page, tuple[str, str]]:
    """For each chapter, where its picture is, and what there is to see."""
    return {
        chapter: (picture_of(chapter), first_picture(chapter).alt)
        for chapter in course.chapters
    }


def toctree(caption: str, entries: list[str]) -> str:
    """The Markdown that puts pages into the navigation."""
    head = [":hidden:", *[f":caption: {caption}"] * bool(caption)]
    listed = "\n".join([*head, "", *entries])
    return f"```{{toctree}}\n{listed}\n```\n"
