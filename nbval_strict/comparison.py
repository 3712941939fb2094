"""What makes an output the same as the stored one, on any device and torch.

The stored outputs are the CPU's. Words, names, integers, shapes, dtypes and
brackets have to be the same. Three things may differ:

- Where the new output names the accelerator that the page runs on, with
  no index or with 0, the stored one may name the CPU, or no device.
- A float may differ by ``RTOL`` of the stored one. One with ``ROUNDED`` or
  more decimals, and as many significant digits, may also be rounded to the
  other side: it stands for numbers up to half a unit of its last place away.
- White space inside brackets, which follows from the width of the rest, and
  the number of empty lines between two paragraphs of a message.

``RTOL`` is enough for a float32 sum of 1,000 products, in whichever order.
Torch prints four decimals: of a number near 1, a difference of ``RTOL`` turns
the last one in a case out of ten. Of one below 0.1 it does so in less than one
of a hundred; and fewer decimals are those of a number like 0.25, or of one
that an author rounded, where this is rare, too.

There is no absolute tolerance, since 1e-9 may be a learning rate, and 0.0001
as well: two floats that agree differ by about a thousandth at most. A cell
that claims 0 up to rounding asserts it, or rounds before it prints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import groupby, takewhile, zip_longest
from operator import eq
from typing import NamedTuple

RTOL = Decimal("1e-5")
ROUNDED = 4  # decimals and significant digits
SHOWN = 80  # characters of a long line, on each side of a difference
FIGURES = ("image/png", "image/jpeg", "image/svg+xml")

TOKEN = re.compile(
    r"""
    (?P<keyword> ,\s*device='[\w:]+' )
  | (?P<device>
        device\(type='\w+'(?:,\s*index=\d+)?\)
      | torch\.(?:\w+\.)?\w*Tensor\b
      | (?<![\w.]) (?:cpu|cuda|mps|xpu)(?::\d+)? (?!\.?\w) )
  | (?P<name> '\d+\.\d{1,3}' )  # of a module, such as '0.10'
  | (?P<float>
        [-+]? (?<![\w.])
        (?: \d+\.\d+
          | \d+\. (?=[])},+-]|j\b|e[-+])  # not the end of a sentence
          | \d+ (?=e[-+]) )
        (?: e[-+]\d+ )?
        (?= j? (?!\.?\w) ) )  # not a version, nor a dotted name
  | (?P<space> \s+ )
  | (?P<other> \w+ | . )
    """,
    re.VERBOSE,
)


def rule(rtol: Decimal = RTOL) -> str:
    """What is said of floats to a reader whose outputs differ."""
    return (
        f"a float may differ by {rtol:f} of the stored one, and with "
        f"{ROUNDED} or more decimals and significant digits also by a unit "
        "of the last place"
    )


def outputs_difference(
    stored: Iterable[Mapping],
    now: Iterable[Mapping],
    device: str = "cpu",
    rtol: Decimal = RTOL,
) -> str | None:
    """The first difference between the outputs of a cell.

    Figures are the same if they are of one kind and none is empty, since two
    renders of one figure differ.

    Args:
        stored (iterable of nbformat outputs): what the notebook holds.
        now (iterable of nbformat outputs): what the cell gave.
        device (str): the type of the device that the cell ran on.
        rtol (Decimal): the part of a stored float by which it may differ.

    Returns:
        Lines that show it, or None if the outputs are the same.
    """
    olds, news = list(_parts(stored)), list(_parts(now))
    missing = ("no output", "")
    for old, new in zip_longest(olds, news, fillvalue=missing):
        if old[0] != new[0]:
            return "\n".join(
                f"{sign}{kind}: {_short(text)}"
                for sign, (kind, text) in (("-", old), ("+", new))
            )
        if difference := text_difference(old[1], new[1], device, rtol):
            return f"{old[0]}, {difference}"
    return None


def text_difference(
    stored: str, now: str, device: str = "cpu", rtol: Decimal = RTOL
) -> str | None:
    """The first difference between two texts.

    Args:
        stored (str): a text that the CPU gave.
        now (str): the text to compare with it.
        device (str): the type of the device that gave it, as ``"cuda"``.
        rtol (Decimal): the part of a stored float by which it may differ.

    Returns:
        The two lines and what differs in them, or None if the texts agree.
    """
    if stored == now:
        return None
    olds, news = _tokens(stored), _tokens(now)
    while True:
        old, new = next(olds), next(news)
        if old.kind != "keyword" and new.text == f",device='{device}:0'":
            new = next(news)  # a tensor of the CPU names no device
        if not _agree(old, new, device, rtol):
            return _show(stored, now, old, new, rtol)
        if old.kind == "end":
            return None


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def _tokens(text: str) -> Iterator[_Token]:
    """The tokens of a text, without white space inside brackets."""
    depth = 0
    for match in TOKEN.finditer(text):
        kind, found = match.lastgroup, match[0]
        if found in tuple("([{"):
            depth += 1
        elif found in tuple(")]}"):
            depth = max(0, depth - 1)
        if kind in ("keyword", "device"):
            found = "".join(found.split())
        elif kind == "space":
            found = re.sub(r"\n\n+", "\n", found)
        if kind != "space" or depth == 0:
            yield _Token(kind, found, match.start())
    yield _Token("end", "", len(text))


def _agree(old: _Token, new: _Token, device: str, rtol: Decimal) -> bool:
    if old.kind != new.kind:
        return False
    if old.kind == "float":
        return _distance(old, new) <= _allowed(old, new, rtol)
    return old.text == new.text or (
        old.kind == "device" and old.text == _on_cpu(new.text, device)
    )


def _on_cpu(text: str, device: str) -> str:
    """The text that the CPU gives where a device names itself."""
    if text in (device, f"{device}:0"):
        return "cpu"
    if text in (
        f"device(type='{device}')",
        f"device(type='{device}',index=0)",
    ):
        return "device(type='cpu')"
    return text.replace(f"torch.{device}.", "torch.")


def _distance(old: _Token, new: _Token) -> Decimal:
    return abs(Decimal(old.text) - Decimal(new.text))


def _allowed(old: _Token, new: _Token, rtol: Decimal) -> Decimal:
    """How far apart two floats may be."""
    rounding = Decimal(0)
    if max(significant_digits(t.text) for t in (old, new)) >= ROUNDED:
        rounding = _half_unit(old.text) + _half_unit(new.text)
    return rtol * abs(Decimal(old.text)) + rounding


def significant_digits(number: str) -> int:
    """How many digits of a number's text stand after its leading zeros."""
    mantissa, _, _ = number.partition("e")
    return len(re.sub(r"\D", "", mantissa).lstrip("0"))


def _half_unit(number: str) -> Decimal:
    """Half a unit of the last place, if it comes from rounding."""
    mantissa, _, _ = number.partition("e")
    _, _, decimals = mantissa.partition(".")
    if len(decimals) < ROUNDED:
        return Decimal(0)
    return Decimal(5).scaleb(Decimal(number).as_tuple().exponent - 1)


def _show(
    stored: str, now: str, old: _Token, new: _Token, rtol: Decimal
) -> str:
    """The lines of a difference, and what differs in them."""
    found = [_short(repr(t.text)) if t.text else "the end" for t in (old, new)]
    what = "stored {}, now {}".format(*found)
    if old.kind == new.kind == "float":
        what += (
            f", which differ by {_distance(old, new):.2g}; allowed is "
            f"{_allowed(old, new, rtol):.2g}"
        )
    # Two long words may have the same beginning.
    letters = zip(old.text, new.text, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: eq(*pair), letters))
    return "\n".join(
        [
            f"line {stored.count(chr(10), 0, old.start) + 1}:",
            f"-{_line(stored, old.start, same)}",
            f"+{_line(now, new.start, same)}",
            what,
        ]
    )


def _line(text: str, position: int, same: int) -> str:
    """The line of a text in which a position is, or the part around it."""
    start = text.rfind("\n", 0, position) + 1
    line = text[start:].partition("\n")[0]
    return _short(line, position - start + same)


def _short(text: str, position: int = 0) -> str:
    """A text, or of a long one the part around a position."""
    first, last = max(0, position - SHOWN), position + SHOWN
    if len(text) <= 2 * SHOWN:
        return text
    return "…" * (first > 0) + text[first:last] + "…" * (last < len(text))


def _parts(outputs: Iterable[Mapping]) -> Iterator[tuple[str, str]]:
    """The texts of outputs, each with its kind."""
    for stream, group in groupby(outputs, lambda output: output.get("name")):
        if stream:  # it may be stored in several parts
            yield stream, "".join(output["text"] for output in group)
            continue
        for output in group:
            if output["output_type"] == "error":
                yield "error", f"{output['ename']}: {output['evalue']}"
                continue
            for form, value in sorted(output["data"].items()):
                kind = f"{output['output_type']} {form}"
                yield kind, text_of(form, value)


def text_of(form: str, value: object) -> str:
    """What is compared of a value that an output shows.

    Args:
        form (str): its MIME type.
        value: a text, or what JSON can say, in which keys have no order.
    """
    if form in FIGURES:
        return "a figure" if value else "an empty figure"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
