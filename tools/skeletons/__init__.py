"""What a new exercise and a new chapter begin with, and the files they are in.

The texts beside this file are in parts, each below a line such as
``=== answers``. In each, a blank that an author is to fill in has the word
TODO, before what belongs there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from string import Template

from tools.folders import shown
from tools.page import Page
from tools.transaction import Transaction

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


def carry_out(
    transaction: Transaction, chapter: Page, others: Iterable[Page] = ()
) -> int:
    """Write what begins an exercise or a chapter, and run its pages.

    Args:
        transaction (Transaction): the texts.
        chapter (Page): it is run with its solutions.
        others (iterable of Page): what else is run.

    Returns:
        The exit status.

    Raises:
        EditedError, LookupError, OSError: if nothing could be written.
    """
    written = transaction.write()
    print("written:", *map(shown, written), sep="\n  ", flush=True)
    bring_along(chapter)
    number = f"{chapter.number:02}"
    run = [sys.executable, "-m", "tools.book", "run"]
    which = [number, *(page.shown() for page in others)]
    statuses = [subprocess.call([*run, each]) for each in which]
    print(
        f"Now fill in what is marked TODO: `make test CH={number}` lists it."
    )
    return max(statuses)


def bring_along(chapter: Page) -> None:
    """Let what is translated of a chapter have its new cells.

    What keeps a page from that is told when it is run: then it is out of step.
    """
    sync = [sys.executable, "-m", "tools.edition", "sync"]
    for original in (chapter, chapter.solutions):
        for page in original.translations:
            if page.is_there:
                subprocess.call(
                    [*sync, page.shown()], stdout=subprocess.DEVNULL
                )
                print(f"  {page.shown()}, to be translated", flush=True)
