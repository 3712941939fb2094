"""The glossary of a language: one term for one English term, on each page.

They stand in terms.toml in the language's folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.page import Page


@dataclass(frozen=True)
class Term:
    """A term, and how a language says it.

    Args:
        english (str): the term.
        said (str): what it is in the other language.
        taught (str): the link, from a chapter, to where it is taught; "" if
            no place is.
        also (tuple of str): other words for it there, in English.
        means (str): what it is, in a line; "" if no place teaches it.
        explained (str): the same in the other language.
        never (tuple of str): what isn't said for it, though others do.

    Raises:
        ValueError: if it is taught and not explained, or the other way.
    """

    english: str
    said: str
    taught: str = ""
    also: tuple[str, ...] = ()
    means: str = ""
    explained: str = ""
    never: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (
            len({bool(self.taught), bool(self.means), bool(self.explained)})
            > 1
        ):
            raise ValueError(
                f"{self.english} needs taught, means and explained, or none"
            )

    def found_instead(self, text: str, terms: Iterable[Term]) -> Iterator[str]:
        """The words in a text that aren't said for this term.

        Args:
            text (str): prose.
            terms (iterable of Term): the glossary. What is part of one of its
                terms is no such word.
        """
        for word in self.never:
            rest = text
            for term in terms:
                if word in term.said:
                    rest = rest.replace(term.said, " ")
            if word in rest:
                yield word


def terms_of(page: Page) -> tuple[Term, ...]:
    """The glossary of a page's language; empty if it has none."""
    return _read(page.home / "terms.toml")


@cache
def _read(file: Path) -> tuple[Term, ...]:
    if not file.is_file():
        return ()
    try:
        values = tomllib.loads(file.read_text("utf-8"))
        return tuple(
            Term(
                **{
                    key: tuple(value) if isinstance(value, list) else value
                    for key, value in term.items()
                }
            )
            for term in values["terms"]
        )
    except (ValueError, KeyError, TypeError) as error:
        name = f"{file.parent.name}/{file.name}"
        raise ValueError(f"{name} can't be read: {error}") from None
