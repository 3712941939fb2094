"""The picture that stands for a chapter: on its card, and in previews."""

from __future__ import annotations

import base64
from functools import cache
from typing import NamedTuple

from tools import files
from tools.page import Page


class Picture(NamedTuple):
    """A stored figure, in its two formats, and the text for it."""

    svg: str
    png: bytes
    alt: str


@cache
def first_picture(chapter: Page) -> Picture:
    """The first picture of a chapter.

    Raises:
        LookupError: if it has none.
    """
    for cell in files.read_stored(chapter).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
            if alt and {"image/svg+xml", "image/png"} <= data.keys():
                png = base64.b64decode(data["image/png"])
                return Picture(data["image/svg+xml"], png, alt)
    raise LookupError(
        f"{chapter.shown()} needs a picture for its card on the front page: a "
        "figure, drawn after `use_style()` of d2l_helpers, in a cell with an "
        "alt text; `make test CH=` names the place"
    )


def picture_of(chapter: Page) -> str:
    """Where the picture for its card is, below what Sphinx reads."""
    return f"pictures/{chapter.stem}.svg"


def preview_of(chapter: Page) -> str:
    """Where the picture for link previews is, below the site's address."""
    return f"previews/{chapter.stem}.png"
