"""What a new exercise and a new chapter begin with, and the files they are in.

The texts beside this file are in parts, each below a line such as
``=== answers``. In each, a blank that an author is to fill in has the word
TODO, before what belongs there.
"""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
# In a heading, a link, a table and a string of Python, this is itself.
TITLE = re.compile(r'[^\s\[\]|\\"`*_<>$][^\[\]|\\"`*_<>$\n]*')
LONGEST = 60  # letters of a title: with its number, a line of code has it


def part(file: str, name: str, /, **values: str) -> str:
    """A part of a text, filled in.

    Args:
        file (str): the text, such as ``"chapter"``.
        name (str): the part.
        values (str): what stands for ``$name``, by name.
    """
    text = (HERE / f"{file}.txt").read_text("utf-8")
    _, *found = re.split(r"^=== (\w+)\n", text, flags=re.MULTILINE)
    parts = dict(zip(found[::2], found[1::2], strict=True))
    return Template(parts[name]).substitute(values)


def require_title(title: str) -> None:
    """Refuse a title that would be something else on a page, or in code.

    Raises:
        ValueError: with what is wrong.
    """
    if not TITLE.fullmatch(title) or title != title.strip():
        raise ValueError(
            f"{title!r} can't be a title: write words, on one line, without "
            r'Markdown and without any of " \ |'
        )
    if len(title) > LONGEST:
        raise ValueError(
            f"{title!r} has {len(title)} letters: a title may have {LONGEST}"
        )


def name_of(title: str) -> str:
    """What a title is called in Python; "" if no letter can stay."""
    words = re.findall("[a-z0-9]+", title.lower().replace("'", ""))
    if words[1:] and words[0] in ("a", "an", "the"):
        words = words[1:]
    return re.sub("^[0-9_]+", "", "_".join(words))
