"""The fixed words of a language: labels, headings and marks on the pages.

Those of the first language stand here. Those of another one stand in its
folder, in words.toml, under the same names.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from tools.page import Page


@dataclass(frozen=True)
class Words:
    """What a page says in its language, as Markdown.

    Args:
        learn, book, need (str): labels in the first cell of a chapter.
        summary, exercises, further (str): the last headings of a chapter.
        pitfall, idea (str): how a pitfall begins, and a solution.
        solutions (str): the title of a page of solutions, with ``{number}``.
        think, code, explore (str): the kinds of exercises.
        mark (str): the line below the heading of an exercise, with ``{kind}``
            and ``{minutes}``.
        solution, exercise (str): what the link from an exercise to its
            solution is called, and the link back.
        behind (str): what the site says above a part that doesn't say yet
            what the original says, with ``{link}``.
        assignment (str): how an assignment begins, with ``{title}``.
        points (str): as ``mark``, in an assignment, with ``{points}``.
        point (str): the same for one point.
        anew (str): what the cell of a check does first, in an assignment.
        colab (str): what the first cell does in Colab, in a line.
        glossary (str): what stands above the rows of the glossary.
        tag, name (str): what the language is called, for browsers, and in
            the language itself.
        answers (str): what the pages of solutions are called in the
            navigation.
        afterwards, in_book (str): what the card of a chapter says, with
            ``{after}`` and ``{sections}``.
        runs (str): where the exercises on the site can be solved, with
            ``{places}``, between which ``either`` stands.
        either (str): see ``runs``.
        lab (str): one of these places.
        alt (int): how many letters the text for a figure has at least.
        script (str): the letters that are checked: "Han", or "" for none.
    """

    learn: str = "**You will learn**"
    book: str = "**In the book:**"
    need: str = "**You need**"
    summary: str = "## Summary"
    exercises: str = "## Exercises"
    further: str = "## Where to go next"
    pitfall: str = "> **Pitfall.**"
    idea: str = "**Idea.**"
    solutions: str = "# Solutions to chapter {number}"
    think: str = "Think"
    code: str = "Code"
    explore: str = "Explore"
    mark: str = "*{kind}, {minutes} minutes.*"
    solution: str = "Solution"
    exercise: str = "Exercise"
    behind: str = "This part is behind the [original]({link})."
    assignment: str = (
        "# {title}: exercises\n\n"
        "Write your answer in the place of each `...`, run the cell, and run "
        "the check below it. The assignment is graded by the same checks."
    )
    points: str = "*{kind}, {minutes} minutes, {points} points.*"
    point: str = "*{kind}, {minutes} minutes, 1 point.*"
    anew: str = "The check is imported anew, as it is installed."
    colab: str = "Colab lacks what these chapters call: this cell installs it."
    glossary: str = (
        "# Glossary\n\n"
        "The terms of this companion, in English and in Chinese, and where "
        "each is\ntaught. Where the book has a term, it is the book's, in "
        "both of its editions.\n\n"
        "| term | 中文 | what it is | taught in |\n|---|---|---|---|"
    )
    tag: str = "en"
    name: str = "English"
    answers: str = "Solutions"
    afterwards: str = "Afterwards you can {after}."
    in_book: str = "In the book: {sections}"
    runs: str = (
        "Nothing runs on this page. Solve the exercises in the notebook of "
        "this chapter, in {places}."
    )
    either: str = " or "
    lab: str = "JupyterLab on your computer"
    alt: int = 40
    script: str = ""

    @property
    def locale(self) -> str:
        """What Sphinx calls the language."""
        return self.tag.replace("-", "_")

    @property
    def kinds(self) -> dict[str, str]:
        """How each kind of exercise is called, by its English name."""
        return {kind: getattr(self, kind.lower()) for kind in KINDS}

    @property
    def fixed(self) -> list[str]:
        """Those that stand on a page as they are."""
        links = [f"[{self.solution}](", f"[{self.exercise}]("]
        names = ("learn", "book", "need", "summary", "exercises", "further")
        labels = [getattr(self, name) for name in (*names, "pitfall", "idea")]
        return [*labels, *links]


KINDS = ("Think", "Code", "Explore")
ENGLISH = Words()


def words_of(page: Page) -> Words:
    """The words of a page's language.

    Raises:
        ValueError: if its words.toml is missing, or lacks some.
    """
    return ENGLISH if page.is_original else _read(page.home / "words.toml")


def ways_to_say(page: Page, name: str) -> tuple[str, ...]:
    """How a page may say some words: in English, too, if it isn't translated.

    Args:
        page (Page): whose language it is.
        name (str): that of the words, such as ``"summary"``.
    """
    return tuple(getattr(words, name) for words in (words_of(page), ENGLISH))


@cache
def _read(file: Path) -> Words:
    name = f"{file.parent.name}/{file.name}"
    if not file.is_file():
        raise ValueError(
            f"{name} is missing, with the words of this language: write it "
            "as that of another language, such as chapters/zh/words.toml"
        )
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{name} can't be read: {error}") from None
    known = {field.name for field in fields(Words)}
    if wrong := known ^ values.keys():
        raise ValueError(
            f"{name} must have {', '.join(sorted(known))}, each once; "
            f"look at {', '.join(sorted(wrong))}"
        )
    return Words(**values)
