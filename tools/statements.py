"""The statements of exercises: from a chapter to the page of its solutions."""

from __future__ import annotations

from tools import files, pairs
from tools.exercise import BLANK_STATEMENT, number_of, parsed
from tools.folders import write_whole
from tools.page import Page
from tools.variants import made
from tools.variants.solutions import with_statements


def copy_statements(chapter: Page, force: bool = False) -> bool:
    """Write the statements of a chapter into the page of its solutions.

    Args:
        chapter (Page): the chapter.
        force (bool): whether to overwrite statements that were edited there.

    Returns:
        Whether there was something to write.

    Raises:
        UnreadableError: if the chapter or its page of solutions can't be read.
        ValueError: if an exercise isn't in the form of the others.
        EditedError: if a statement was edited on the page of solutions, since
            that was run.
    """
    page = chapter.solutions
    old = files.read_source(page)
    tasks = list(parsed(files.read_source(chapter), chapter))
    new = made(page, old, [with_statements(tasks)])
    before, after = files.script(old), files.script(new)
    known = _known(page)
    edited = [
        number_of(cell)
        for cell, wanted in zip(old.cells, new.cells, strict=True)
        if cell.source not in (wanted.source, *known) and not _is_bare(cell)
    ]
    if edited and not force:
        names = (page.source.name, "what its chapter says")
        raise files.EditedError(
            f"{page.shown()} has statements of its own, in "
            f"{', '.join(edited)}\n"
            f"{pairs.difference(before, after, names)}\n"
            "Write them in the chapter. To discard them here, add --force."
        )
    if before == after:
        return False
    write_whole(page.source, after)
    return True


def _is_bare(cell) -> bool:
    """Whether a cell waits for the statement that is to come."""
    text = cell.source.strip()
    return "\n" not in text or text.endswith(BLANK_STATEMENT)


def _known(page: Page) -> list[str]:
    """The statements of a page of solutions as they were when it was run."""
    try:
        stored = files.read_stored(page)
    except files.UnreadableError:
        return []
    made_from = pairs.origin(stored) or []
    return [
        cell.source
        for cell in pairs.cells(stored)
        if pairs.digest(cell) in made_from
    ]
