"""The translations: bring them into step, see what is behind, accept it.

    python -m tools.edition sync [CHAPTER]            code and new cells
    python -m tools.edition stale [CHAPTER]           what isn't translated
    python -m tools.edition accept CHAPTER [CELL]     this says it now

where CHAPTER is a number such as 03, which stands for the translations of the
chapter and of its solutions, or a file of one; CELL is the number of a cell,
as `stale` gives it. `sync` keeps what is translated: a cell that the original
lacks stays, until it is taken out by hand, or by --force at the end.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from functools import partial

from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from tools import files
from tools.alignment import aligned
from tools.folders import write_whole
from tools.history import old_texts
from tools.own_edits import require_none_in_notebook
from tools.page import Page, pages
from tools.statements import copy_statements
from tools.translation import (
    BEHIND,
    KEY,
    UNMARKED,
    UNTRANSLATED,
    Translation,
    accepted_by,
    alt_of,
    difference,
    store,
    synced_by,
    to_say,
)
from tools.variants import made, synced


def sync(page: Page, force: bool = False) -> Iterator[str]:
    """Give a translation the cells of its original; what it says stays.

    A page that isn't there is written, with all that is to be translated.

    Args:
        page (Page): the translation.
        force (bool): whether cells go that translate none any more.

    Yields:
        What is left to do by hand, a line or more each.

    Raises:
        EditedError: if its notebook has edits that the source lacks.
        UnreadableError: if a source can't be read.
        ValueError: if a chapter's exercise isn't in the form of the others.
    """
    original = files.read_source(page.original)
    old = files.read_source(page) if page.is_there else new_notebook()
    if page.is_there and page.notebook.is_file():
        require_none_in_notebook(page, old)
    texts = partial(old_texts, page.original)
    matches = aligned(page, original.cells, old.cells, texts)
    new = made(page, old, synced.variant(original, matches, force))
    _write(page, new)
    if page.is_solutions and page.chapter.is_there:
        copy_statements(page.chapter)
    if not force:
        for cell in synced.lost(page, matches):
            yield (
                f"{page.shown()} has a cell that the original lacks. Move "
                "what it says to where it belongs, and delete it; or run "
                f"`make sync CH={page.shown()} FORCE=1`, which deletes it:\n"
                f"{_indented(alt_of(cell) or cell.source)}"
            )
    if found := difference(page, original, new):
        yield f"{found}: mend it by hand"
    else:
        yield from _finished(page)


def stale(page: Page) -> Iterator[str]:
    """The cells of a translation that don't say what the original says.

    Args:
        page (Page): the translation.

    Yields:
        For each, what has changed in the original, what the translation says,
        and how to accept it.

    Raises:
        UnreadableError: if a source can't be read.
        ValueError: if it is out of step with the original.
    """
    cells = Translation(page).behind
    noted = {c.cell.metadata.get(KEY, "") for c in cells if c.state == BEHIND}
    texts = old_texts(page.original, noted)
    for cell in cells:
        lines = [f"{cell} is {cell.state}"]
        now = to_say(page, cell.original, cell.cell)
        if cell.state == UNTRANSLATED:
            lines += [_indented(now), "Translate it, and store the page:"]
            remedy = files.rerun(page)
        else:
            before = texts.get(cell.cell.metadata[KEY])
            changed = (
                f"(no commit has what it was)\n{now}"
                if before is None
                else word_difference(before, now)
            )
            lines += [
                _indented(changed),
                "is said as",
                _indented(alt_of(cell.cell) or cell.cell.source),
                "When it says the same again,",
            ]
            remedy = accepted_by(cell)
        yield "\n".join([*lines, f"{remedy}."])


def accept(page: Page, number: int | None = None) -> Iterator[str]:
    """Note that cells of a translation say what the original says now.

    Args:
        page (Page): the translation.
        number (int, optional): the place of the cell, from 1; all that are
            behind, and all that don't say what they translate, if None.

    Yields:
        What is left to do, a line or more each.

    Raises:
        EditedError: if its notebook has edits that the source lacks.
        UnreadableError: if a source can't be read.
        ValueError: if it is out of step with the original, if there is no
            such cell, or if that cell isn't translated.
    """
    translation = Translation(page)
    if page.notebook.is_file():
        require_none_in_notebook(page, translation.notebook)
    cells = translation.cells
    if number is not None:
        if not 0 < number <= len(cells):
            raise ValueError(f"{page.shown()} has cells 1 to {len(cells)}")
        cells = [cells[number - 1]]
        if cells[0].state == UNTRANSLATED:
            raise ValueError(f"{cells[0]} is {UNTRANSLATED}: translate it")
    numbers = [c.number for c in cells if c.state in (BEHIND, UNMARKED)]
    noting = synced.accepted(numbers, translation.original)
    new = made(page, translation.notebook, [noting])
    _write(page, new)
    yield from _finished(page)


def _finished(page: Page) -> Iterator[str]:
    """Make the notebook of a translation; say what is left to do."""
    translation = Translation(page)
    try:
        store(page)
    except ValueError as error:  # the original is to be run first
        yield str(error)
    else:
        yield from translation.problems()


def _state(page: Page) -> str:
    """In a line, whether a translation that is in step is up to date."""
    if not (number := len(Translation(page).behind)):
        return f"{page.shown()} is up to date"
    return (
        f"{page.shown()} is in step. To translate: {number} of its cells; "
        f"`make stale CH={page.shown()}` lists them"
    )


def word_difference(old: str, new: str) -> str:
    """A text in which [-words that went-] and {+words that came+} stand."""
    olds, news = (re.findall(r"\s+|[^\s]+", text) for text in (old, new))
    matcher = SequenceMatcher(None, olds, news, autojunk=False)
    parts = []
    for kind, a, b, c, d in matcher.get_opcodes():
        gone, come = "".join(olds[a:b]), "".join(news[c:d])
        if kind == "equal":
            parts.append(gone)
        else:
            parts += [f"[-{gone}-]"] * bool(gone)
            parts += [f"{{+{come}+}}"] * bool(come)
    return "".join(parts)


def _write(page: Page, new: NotebookNode) -> None:
    """Write a source, unless it says that already."""
    text = files.script(new)
    if not page.is_there or page.source.read_text("utf-8") != text:
        write_whole(page.source, text)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    force = arguments[-1:] == ["--force"]
    given = [part for part in arguments[: len(arguments) - force] if part]
    try:
        match given:
            case ["sync", *which] if len(which) < 2:
                found = _translations("".join(which))
                command = partial(sync, force=force)
            case ["stale", *which] if len(which) < 2 and not force:
                found, command = _translations("".join(which)), stale
            case ["accept", which] if not force:
                found, command = _translations(which), accept
            case ["accept", which, number] if number.isdecimal() and not force:
                found = [_only(_translations(which))]
                command = partial(accept, number=int(number))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    begins = given[0] == "sync" and len(given) > 1  # a page that is named
    done = [
        _told(page, command) if page.is_there or begins else _missing(page)
        for page in found
    ]
    return 0 if all(done) else 1


def _translations(which: str) -> list[Page]:
    """The translations that are meant; not all need be there.

    Raises:
        LookupError: if there is no such page.
    """
    return [
        page
        for found in pages(which)
        for page in (found.translations if found.is_original else [found])
    ]


def _only(found: list[Page]) -> Page:
    if len(found) != 1:
        names = " or ".join(f"CH={page.shown()}" for page in found)
        raise LookupError(f"which page has this cell: {names}?")
    return found[0]


def _missing(page: Page) -> bool:
    print(f"{page.shown()} is missing: {synced_by(page)} to begin it")
    return True


def _told(page: Page, command: Callable[[Page], Iterable[str]]) -> bool:
    """Run a command for a page; say what is left, and tell whether nothing."""
    try:
        left = list(command(page))
    except (ValueError, OSError) as error:
        left = [str(error)]
    print("\n\n".join(left) or _state(page))
    return not left


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
