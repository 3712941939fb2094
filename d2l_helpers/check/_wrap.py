"""Lines that fit a terminal, in which a Chinese letter is two columns wide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from unicodedata import combining, east_asian_width

WIDTH = 79
# No line ends with the first, or begins with the second.
OPENING, CLOSING = "（“《「【", "，。：；！？、）”》」】…"


def wrapped(label: str, text: str) -> str:
    """A text behind a label, in lines of at most ``WIDTH`` columns.

    A line may end where a space is, or beside a wide letter.
    """
    lines, empty = [label], True
    for piece in _pieces(re.sub(r"\s", " ", text)):
        if not empty and columns(lines[-1] + piece.rstrip()) > WIDTH:
            lines.append(" " * columns(label))
        lines[-1] += piece
        empty = False
    return "\n".join(line.rstrip() for line in lines)


def padded(text: str, width: int) -> str:
    """A text with spaces behind it, to a width in columns."""
    return text + " " * (width - columns(text))


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(1 + _is_wide(c) for c in text if not combining(c))


def _is_wide(letter: str) -> bool:
    return east_asian_width(letter) in "WF"


def _pieces(text: str) -> Iterator[str]:
    """Words, and wide letters, each with the marks that stay beside it."""
    start = 0
    for i in range(1, len(text)):
        before, after = text[i - 1 : i + 1]
        beside_wide = _is_wide(before) or _is_wide(after)
        if before == " " or (
            beside_wide
            and before not in OPENING
            and after not in f"{CLOSING} "
        ):
            yield text[start:i]
            start = i
    yield text[start:]
