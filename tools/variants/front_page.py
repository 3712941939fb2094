"""The front page, whose table has a row for each chapter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tools.course import Course, Edition
from tools.page import Page
from tools.variants import Words, handout, links, site
from tools.words import words_of

FIRST_SENTENCE = re.compile(r".*?(?:\.(?= |$)|。|$)")


@dataclass(frozen=True)
class Row:
    """What the front page says of a chapter; each text is Markdown.

    Args:
        number (str): with two digits.
        link (str): to the chapter, and with its title.
        after (str): what a reader can do afterwards.
        sections (str): links to the book.
    """

    number: str
    link: str
    after: str
    sections: str

    @property
    def name(self) -> str:
        """Number and title."""
        return f"{self.number} {self.link[1:].partition(']')[0]}"


def on_site(
    edition: Edition,
    anchors: links.Anchors,
    pictures: Mapping[Page, tuple[str, str]],
) -> list[Words]:
    """The front page of an edition of a course.

    Args:
        edition (Edition): says which pages there are.
        anchors (links.Anchors): as for the other pages.
        pictures (mapping): as :func:`with_cards` takes them.
    """
    return [
        *site.words(edition, anchors),
        titled(edition.title),
        with_cards(pictures),
    ]


def in_handout(course: Course) -> list[Words]:
    """The front page of a handout."""
    return [without_rows(course.left_out), *handout.words(course)]


def row(text: str, chapter: Page) -> Row:
    """The row of a chapter.

    Raises:
        LookupError: if there isn't one, or it has another number of cells.
    """
    found = [
        line.strip("| \n").split(" | ")
        for line in text.splitlines(keepends=True)
        if line.startswith("| ") and f"({chapter.stem}.ipynb)" in line
    ]
    if len(found) != 1 or len(found[0]) != 4:
        raise LookupError(
            f"the table of the front page {chapter.home.name}/index.md needs "
            f"one row of four cells for {chapter.stem}"
        )
    return Row(*found[0])


def titled(title: str) -> Words:
    """The title is that of a course, in which nothing is Markdown."""
    title = re.sub(r"([\\`*_<>&$\[\]])", r"\\\1", title)
    return lambda text: re.sub("^# .*", lambda _: f"# {title}", text, count=1)


def with_cards(pictures: Mapping[Page, tuple[str, str]]) -> Words:
    """Cards take the place of the table.

    Args:
        pictures (mapping): for each chapter that gets a card, where its
            picture is and what there is to see in it.
    """

    def words(text: str) -> str:
        cards = ["{.chapters}\n"]
        for chapter, (picture, alt) in pictures.items():
            said, words = row(text, chapter), words_of(chapter)
            cards.append(
                f"- ![{FIRST_SENTENCE.match(alt)[0]}]({picture})\n\n"
                f"  {said.number} {said.link}\n\n"
                f"  {words.afterwards.format(after=said.after)}\n\n"
                f"  {words.in_book.format(sections=said.sections)}\n"
            )
        table = re.compile(r"^\| .*?\n\n", re.DOTALL | re.MULTILINE)
        return table.sub(lambda _: "\n".join([*cards, ""]), text, count=1)

    return words


def without_rows(stems: Iterable[str]) -> Words:
    """The rows of some chapters go."""

    def words(text: str) -> str:
        for stem in stems:
            text = re.sub(rf"^\|.*\({stem}\.ipynb\).*\n", "", text, flags=re.M)
        return text

    return words
