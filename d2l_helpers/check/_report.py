"""What a check answers, as text and as Markdown."""

from __future__ import annotations

import math
import os
import re
import reprlib
import textwrap
from dataclasses import dataclass, field
from enum import StrEnum

import torch
from torch import Tensor

from ._language import say
from ._phrase import Phrase, from_json, to_json
from ._wrap import padded, wrapped

MIME = "application/vnd.d2l.report+json"  # a report in any language
SHOWN = 12  # elements of a tensor; of a larger one, its shape
DIGITS = 4  # of a float, those that are significant


class State(StrEnum):
    """What an answer is."""

    SOLVED = "solved"
    BLANK = "blank"
    WRONG = "wrong"


# By state: a mark, the words for it, and what opens the list of points.
STATES = {
    State.SOLVED: ("✓", "solved", "It was verified that"),
    State.BLANK: ("○", "not solved yet", "The check will look whether"),
    State.WRONG: ("✗", "not right yet", ""),
}
# The words for the details.
LABELS = {
    "blank": "blank",
    "given": "given",
    "expected": "expected",
    "got": "got",
    "hint": "hint",
    "next": "next",
    "solution": "solution",
    "update": "update",
}


@dataclass(frozen=True)
class Report:
    """What a check says about an answer.

    It is true if the answer is right, so that ``assert check.parallel(...)``
    grades it.

    Args:
        exercise (str): number and title.
        state (State): whether it is solved, blank or wrong.
        points (tuple of str): what the check looks at.
        details (dict of str): for a wrong answer, the smallest case that
            fails: ``given``, ``expected``, ``got`` and ``hint``, with the
            steps ``hint 2`` and so on, then what comes ``next``, or where
            the ``solution`` is, as a Markdown link; for a blank one, what is
            ``blank``. Where the page needs a newer package, how to
            ``update`` it.
    """

    exercise: str
    state: State
    points: tuple[str, ...] = ()
    details: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.state is State.SOLVED

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_markdown_(self) -> str:
        return self.as_markdown()

    def _repr_mimebundle_(self, **_: object) -> dict[str, dict]:
        # Beside the two texts: what is stored can be said again.
        return {MIME: self.to_json()}

    def as_text(self, language: str | None = None) -> str:
        """What a terminal shows, in lines that fit it.

        Args:
            language (str): such as ``"zh"``; without it, that of the reader.
        """
        mark, words, opening = STATES[self.state]
        lines = [f"{mark} {self._heading(words, language)}"]
        for name, text in self.details.items():
            text = say(text, language)
            if name == "solution":
                text = re.sub(r"\[(.*)\]\(.*\)", r"\1", text)
            label = say(_label(name), language)
            lines.append(wrapped(padded(f"  {label} ", 12), text))
        if opening:
            lines.append(f"  {say(opening, language)}")
            lines += [wrapped("  - ", say(p, language)) for p in self.points]
        return "\n".join(lines)

    def as_markdown(self, language: str | None = None) -> str:
        """What a notebook shows, in a language as for :meth:`as_text`."""
        mark, words, opening = STATES[self.state]
        lines = [f"**{mark} {self._heading(words, language)}**", ""]
        for name, text in self.details.items():
            text = say(text, language)
            shown = code(text) if name in ("expected", "got") else text
            label = say(_label(name), language).capitalize()
            line = Phrase("- **{label}:** {text}", label=label, text=shown)
            lines.append(say(line, language))
        if self.details and opening:
            lines.append("")
        if opening:
            points = [f"- {say(point, language)}" for point in self.points]
            lines += [say(opening, language), "", *points]
        return "\n".join(lines)

    def _heading(self, state: str, language: str | None) -> str:
        number, _, title = self.exercise.partition(" ")
        heading = Phrase(
            "{number} {title}: {state}",
            number=number,
            title=title,
            state=state,
        )
        return say(heading, language)

    def to_json(self) -> dict[str, object]:
        """All that it says, as JSON: sentences with values as their parts."""
        return {
            "exercise": to_json(self.exercise),
            "state": str(self.state),
            "points": [to_json(point) for point in self.points],
            "details": {k: to_json(text) for k, text in self.details.items()},
        }

    @classmethod
    def from_json(cls, data: dict) -> Report:
        """The report of which :meth:`to_json` was stored."""
        return cls(
            from_json(data["exercise"]),
            State(data["state"]),
            tuple(from_json(point) for point in data["points"]),
            {k: from_json(text) for k, text in data["details"].items()},
        )


def _label(detail: str) -> str:
    """The word for a detail, with its number: ``hint 2``."""
    name, *number = detail.split()
    label = LABELS[name]
    if not number:
        return label
    return Phrase("{label} {number}", label=label, number=number[0])


def code(text: str) -> str:
    """The text as Markdown code, whatever backticks are in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


def show(value: object, digits: int = DIGITS) -> str:
    """A value in a line, its floats rounded to some significant digits."""
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {_line(value)}"
    if isinstance(value, torch.Size):
        return str(tuple(value))
    if isinstance(value, Tensor):
        value = value.detach()
        if value.numel() > SHOWN or value.is_meta:
            kind = str(value.dtype).removeprefix("torch.")
            return Phrase(
                "a tensor of shape {shape}, {kind}",
                shape=tuple(value.shape),
                kind=kind,
            )
        if digits > DIGITS:
            return f"tensor({show(value.tolist(), digits)})"
        return _line(value)
    if isinstance(value, complex):
        real, imag = (_rounded(x, digits) for x in (value.real, value.imag))
        return repr(complex(real, imag))
    if isinstance(value, float):
        return repr(_rounded(value, digits))
    if isinstance(value, Phrase):
        return value
    if isinstance(value, (str, int)):
        return repr(value) if len(repr(value)) < 200 else reprlib.repr(value)
    if isinstance(value, dict) and len(value) <= SHOWN:
        items = [
            _joined(f"{show(k, digits)}: ", [show(v, digits)])
            for k, v in value.items()
        ]
        return _joined("{", items, "}")
    if type(value) in (list, tuple, set) and 0 < len(value) <= SHOWN:
        members = sorted(value, key=repr) if type(value) is set else value
        shown = [show(member, digits) for member in members]
        if type(value) is tuple:
            return _joined("(", shown, ",)" if len(value) == 1 else ")")
        brackets = "[]" if type(value) is list else "{}"
        return _joined(brackets[0], shown, brackets[1])
    return _line(value)


def _joined(opening: str, members: list[str], closing: str = "") -> str:
    """Members between brackets, of which some may be phrases."""
    if not any(isinstance(member, Phrase) for member in members):
        return f"{opening}{', '.join(members)}{closing}"
    opening, closing = (
        text.replace("{", "{{").replace("}", "}}")
        for text in (opening, closing)
    )
    names = [f"member_{i}" for i in range(len(members))]
    places = ", ".join(f"{{{name}}}" for name in names)
    return Phrase(
        f"{opening}{places}{closing}", **dict(zip(names, members, strict=True))
    )


def _rounded(value: float, digits: int) -> float:
    """A float of some significant digits, and all that are before a tenth."""
    value = float(value)
    if not value or not math.isfinite(value):
        return value
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return round(value, max(1, places))


def _line(value: object) -> str:
    """What a value prints, in one line, also if its ``repr`` fails."""
    try:
        text = str(value) if isinstance(value, BaseException) else repr(value)
    except (Exception, SystemExit, KeyboardInterrupt):
        return Phrase("a {kind}", kind=type(value).__name__)
    # Colors, and places in memory or in a folder that is gone afterwards.
    text = re.sub(r"\x1b\[[0-9;]*m| at 0x[0-9a-f]+", "", text)
    text = text.replace(f"{os.getcwd()}{os.sep}", "")
    return textwrap.shorten(" ".join(text.split()), 300, placeholder=" …")
