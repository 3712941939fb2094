"""A new chapter: its pages, its check module, and its place in the book."""

from __future__ import annotations

import keyword
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tools import checks, files
from tools.folders import shown
from tools.form.draft import MARK
from tools.page import (
    CHAPTER,
    LANGUAGES,
    SOLUTIONS,
    Page,
    chapters,
    front_page,
    texts,
)
from tools.skeletons import exercise, name_of, part, require_title
from tools.transaction import Transaction

# The kinds of its first exercises, and how many minutes each takes.
EXERCISES = (("Code", 25), ("Think", 20), ("Code", 30), ("Explore", 25))
BLANK_TITLE = "TODO: a title, by tools.exercises rename"
FUTURE = "from __future__ import annotations"
WIDTH = 77  # of prose, behind "# "


@dataclass(frozen=True)
class Skeleton:
    """What a new chapter is called, and what it builds on.

    Args:
        number (int): behind that of the last one.
        title (str): begins with a verb.
        needs (tuple of Page): the chapters that it builds on.
        topic (str): the rest of its files' names; if empty, it follows from
            the title.
    """

    number: int
    title: str
    needs: tuple[Page, ...]
    topic: str = ""

    @property
    def name(self) -> str:
        """Its topic, as its files and modules are called."""
        return self.topic or name_of(self.title.partition(" ")[2])

    @property
    def page(self) -> Page:
        """The chapter."""
        stem = f"{self.number:02}_{self.name}"
        return Page(LANGUAGES[0], CHAPTER, stem, self.needs[0].root)


def add(transaction: Transaction, new: Skeleton) -> None:
    """Write a chapter, and what other files say of it.

    Args:
        transaction (Transaction): gets the texts; nothing is written yet.
        new (Skeleton): the chapter.

    Raises:
        ValueError: if its number, its title or its topic can't be.
        UnreadableError, EditedError, OSError: if a file isn't fit for it.
    """
    require_title(new.title)
    _require_number(new)
    _require_topic(new)
    page = new.page
    header, *_ = MARK.split(transaction.text(new.needs[0].source), 1)
    values = {
        "header": header.strip("\n") + "\n",
        "number": f"{page.number:02}",
        "title": new.title,
        "needs": _needs(transaction, new),
        SOLUTIONS: page.link_to(page.solutions),
        CHAPTER: page.solutions.link_to(page),
    }
    for each in (page, page.solutions):
        transaction.create(each.source, part(CHAPTER, each.kind, **values))
    number = f"chapter {page.number:02}"
    docstring = f'"""The checks of {number}, {new.title}."""'
    transaction.create(checks.module_of(page), f"{docstring}\n\n{FUTURE}\n")
    docstring = f'"""Answers to the exercises of {number}."""'
    transaction.create(checks.answers_of(page), f"{docstring}\n")
    for place, (kind, minutes) in enumerate(EXERCISES, 1):
        name = f"todo_{page.number}_{place}"
        task = exercise.Skeleton(page, place, BLANK_TITLE, kind, minutes, name)
        exercise.add(transaction, task)
    for other in new.needs:
        _link_back(transaction, other, new)
    _list(transaction, new)


def _require_number(new: Skeleton) -> None:
    following = chapters()[-1].number + 1
    if new.number != following:
        what = "leave a gap" if new.number > following else "be the second one"
        raise ValueError(
            f"{new.number:02} would {what}: the next chapter is {following:02}"
        )


def _require_topic(new: Skeleton) -> None:
    topic, taken = new.name, checks.taken(new.needs[0].root.parent)
    if not topic.isidentifier() or keyword.iskeyword(topic) or topic[0] == "_":
        raise ValueError(
            f"{topic!r} can't be the name of a module: give a topic by "
            "--topic, such as --topic=custom_layers"
        )
    if topic in taken | {chapter.topic for chapter in chapters()}:
        raise ValueError(
            f"{topic} is the name of something else, there or in Python: "
            "give another topic by --topic, such as --topic=custom_layers"
        )


def _needs(transaction: Transaction, new: Skeleton) -> str:
    """The paragraph with what it builds on."""
    links = []
    for other in new.needs:
        title = files.title_of(exercise.read(transaction, other))
        link = f"[{title}]({new.page.link_to(other)})"
        links.append(f"chapter {other.number:02}, {link}")
    text = (
        f"**You need** {', and '.join(links)}. The cells take about five "
        "seconds on a CPU, and use a GPU where there is one."
    )
    lines = textwrap.wrap(text, WIDTH, break_on_hyphens=False)
    return "\n".join(f"# {line}" for line in lines)


def _link_back(transaction: Transaction, other: Page, new: Skeleton) -> None:
    """Let a chapter that is needed say so, in its last section."""
    notebook = exercise.read(transaction, other)
    cell = exercise.section(notebook, other)
    link = f"[{new.title}]({other.link_to(new.page)})"
    cell.source += f"\n\n{link} builds on this chapter."
    exercise.store(transaction, other, notebook)


def _list(transaction: Transaction, new: Skeleton) -> None:
    """Let the pages of text list it, where the others are listed."""
    front, book = front_page(), front_page().with_name("from_the_book.md")
    number = f"{new.number:02}"
    name = f"{number} [{new.title}]({new.page.notebook.name})"
    row = (
        f"| {name.replace(' ', ' | ', 1)} | TODO: what a reader can do "
        "afterwards | TODO: links to the sections of the book |"
    )
    topic = new.name.replace("_", " ").capitalize()
    drawn = f"TODO: {number} {topic}, to the right of what it builds on"
    listed = (
        f"| TODO: a section of the book that {number} goes with, or delete "
        f"this row | | [{number} {new.title}]({new.page.notebook.name}) |"
    )
    text = _behind(transaction.text(front), front, r"^\| \d\d \| \[.*\n", row)
    drawing = r"(?<=^## What builds on what\n)(?:.*\n)*?(?=```$)"
    transaction.change(front, _behind(text, front, drawing, drawn))
    if book in texts():
        table = r"(?<=^## Sections\n)(?:(?!#).*\n)*?(?=\n##)"
        transaction.change(
            book, _behind(transaction.text(book), book, table, listed)
        )


def _behind(text: str, file: Path, pattern: str, line: str) -> str:
    """A text with one more line, behind the last place that a pattern fits."""
    found = list(re.finditer(pattern, text, re.MULTILINE))
    if not found:
        raise ValueError(
            f"{shown(file)} has no place for a chapter: let it have the table "
            "of the chapters, and the drawing of what builds on what"
        )
    at = found[-1].end()
    return f"{text[:at]}{line}\n{text[at:]}"
