"""The translations: bring them into step, see what is behind, accept it.

    python -m tools.edition sync [CHAPTER]            code and new cells
    python -m tools.edition stale [CHAPTER]           what isn't translated
    python -m tools.edition accept CHAPTER [CELL]     this says it now

where CHAPTER is a number such as 03, which stands for the translations of the
chapter and of its solutions, or a file of one, also of a page without code;
CELL is the number of a cell, or of a section, as `stale` gives it. `sync`
keeps what is translated: a cell that the original lacks stays, until it is
taken out by hand, or by --force at the end. Of a page without code, it says
which sections are to be brought by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from functools import partial, singledispatch

from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from tools import files
from tools.alignment import aligned
from tools.folders import write_whole
from tools.history import old_sections, old_texts
from tools.own_edits import require_none_in_notebook
from tools.page import Page, pages
from tools.statements import copy_statements
from tools.texts import Section, Text, texts
from tools.translation import (
    BEHIND,
    KEY,
    UNMARKED,
    UNTRANSLATED,
    Cell,
    Translation,
    accepted_by,
    alt_of,
    difference,
    store,
    synced_by,
    to_say,
)
from tools.variants import made, synced


@singledispatch
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


@singledispatch
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
    before = old_texts(page.original, noted)
    for cell in cells:
        now = to_say(page, cell.original, cell.cell)
        if cell.state == UNTRANSLATED:
            yield _untranslated(cell, now, "store the page", files.rerun(page))
        else:
            noted_text = before.get(cell.cell.metadata[KEY])
            said = alt_of(cell.cell) or cell.cell.source
            yield _behind(cell, noted_text, now, said, accepted_by(cell))


@singledispatch
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
    numbers = _to_accept(page, translation.cells, "cells", number)
    noting = synced.accepted(numbers, translation.original)
    new = made(page, translation.notebook, [noting])
    _write(page, new)
    yield from _finished(page)


@sync.register
def _(text: Text, force: bool = False) -> Iterator[str]:
    if not text.is_there:
        write_whole(text.file, text.original.read_text("utf-8"))
    yield from text.problems()


@stale.register
def _(text: Text) -> Iterator[str]:
    behind = text.behind
    before = old_sections(text.original, {s.noted for s in behind})
    for section in behind:
        now, remedy = section.original, accepted_by(section)
        if section.state == UNTRANSLATED:
            yield _untranslated(section, now, "say so", remedy)
        else:
            old = before.get(section.noted)
            yield _behind(section, old, now, section.said, remedy)


@accept.register
def _(text: Text, number: int | None = None) -> Iterator[str]:
    text.accept(_to_accept(text, text.sections, "sections", number))
    yield from text.problems()


def _to_accept(
    page: Page | Text,
    parts: list[Cell] | list[Section],
    called: str,
    number: int | None,
) -> list[int]:
    """The places of what is to be accepted.

    Raises:
        ValueError: if it isn't there, or isn't translated.
    """
    if number is not None:
        if not 0 < number <= len(parts):
            raise ValueError(f"{page.shown()} has {called} 1 to {len(parts)}")
        parts = [parts[number - 1]]
        if parts[0].state == UNTRANSLATED:
            raise ValueError(f"{parts[0]} is {UNTRANSLATED}: translate it")
    return [p.number for p in parts if p.state in (BEHIND, UNMARKED)]


def _untranslated(
    part: Cell | Section, now: str, then: str, remedy: str
) -> str:
    lines = [f"{part} is {part.state}", _indented(now)]
    return "\n".join([*lines, f"Translate it, and {then}:", f"{remedy}."])


def _behind(
    part: Cell | Section, before: str | None, now: str, said: str, remedy: str
) -> str:
    changed = (
        f"(no commit has what it was)\n{now}"
        if before is None
        else word_difference(before, now)
    )
    return "\n".join(
        [
            f"{part} is {part.state}",
            _indented(changed),
            "is said as",
            _indented(said),
            "When it says the same again,",
            f"{remedy}.",
        ]
    )


def _finished(page: Page) -> Iterator[str]:
    """Make the notebook of a translation; say what is left to do."""
    translation = Translation(page)
    try:
        store(page)
    except ValueError as error:  # the original is to be run first
        yield str(error)
    else:
        yield from translation.problems()


def _state(page: Page | Text) -> str:
    """In a line, whether a translation that is in step is up to date."""
    is_text = isinstance(page, Text)
    found = (page if is_text else Translation(page)).behind
    if not found:
        return f"{page.shown()} is up to date"
    parts = "sections" if is_text else "cells"
    return (
        f"{page.shown()} is in step. To translate: {len(found)} of its "
        f"{parts}; `make stale CH={page.shown()}` lists them"
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


def _translations(which: str) -> list[Page | Text]:
    """The translations that are meant; not all need be there.

    Raises:
        LookupError: if there is no such page.
    """
    found = texts(which)
    if which and found:
        return found
    return [
        page
        for one in pages(which)
        for page in (one.translations if one.is_original else [one])
    ] + found


def _only(found: list[Page | Text]) -> Page | Text:
    if len(found) != 1:
        names = " or ".join(f"CH={page.shown()}" for page in found)
        raise LookupError(f"which page has this cell: {names}?")
    return found[0]


def _missing(page: Page | Text) -> bool:
    begun = (
        f"run `make sync CH={page.shown()}`"
        if isinstance(page, Text)
        else synced_by(page)
    )
    print(f"{page.shown()} is missing: {begun} to begin it")
    return True


def _told(
    page: Page | Text, command: Callable[[Page | Text], Iterable[str]]
) -> bool:
    """Run a command for a page; say what is left, and tell whether nothing."""
    try:
        left = list(command(page))
    except (ValueError, OSError) as error:
        left = [str(error)]
    print("\n\n".join(left) or _state(page))
    return not left


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
