"""Sentences with values in them, which another language can say anew."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce


class Phrase(str):
    """A sentence that remembers its template and what was filled in.

    It is the English sentence. Where it is shown in another language, the
    template is looked up there and filled in again, so that a report that is
    stored can be shown in each language.

    Args:
        template (str): the sentence, with names in braces.
        values (str or int): what stands for the names.
    """

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, /, **values: object) -> Phrase:
        phrase = super().__new__(cls, template.format(**values))
        phrase.template, phrase.values = template, values
        return phrase

    def __getnewargs_ex__(self) -> tuple:  # to copy it, and to send it
        return (self.template,), self.values


def either(names: Iterable[str]) -> str:
    """One of some names: ``"a or b"``."""
    return reduce(lambda a, b: Phrase("{a} or {b}", a=a, b=b), names)


def to_json(text: object) -> object:
    """A sentence, or a value in one, as JSON: a phrase as its parts."""
    if isinstance(text, Phrase):
        values = {name: to_json(value) for name, value in text.values.items()}
        return {"template": text.template, "values": values}
    return text if isinstance(text, (str, int, float)) else str(text)


def from_json(data: object) -> object:
    """What :func:`to_json` was given."""
    if isinstance(data, dict):
        values = data["values"].items()
        return Phrase(
            data["template"], **{name: from_json(v) for name, v in values}
        )
    return data
