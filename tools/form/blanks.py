"""What a command has left for an author to fill in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools import checks
from tools.folders import shown
from tools.form.draft import Draft
from tools.page import Page, texts

# It stands in each blank, before what belongs there. Search for it.
BLANK = "TODO"
END = re.compile(r' \||"|$')  # of what belongs there, in a table or a string


def blanks(draft: Draft) -> Iterator[str]:
    """No blank is left: on its pages, in its checks, in lines about it.

    The statements on the page of solutions are those of the chapter.
    """
    page = draft.page
    solutions = page.solutions.source
    own = (
        page.source,
        solutions,
        checks.module_of(page),
        checks.answers_of(page),
    )
    copied = _statements(page.solutions)
    for file in (*own, *texts()):
        if not file.is_file():
            continue
        for number, line in enumerate(file.read_text("utf-8").split("\n"), 1):
            if file == solutions and number in copied:
                continue
            if file in own or f"{page.number:02}" in line:
                for what in line.split(BLANK)[1:]:
                    said = what[: END.search(what).start()].strip(" :")
                    yield f"{shown(file)}:{number}: {said}"


def _statements(page: Page) -> set[int]:
    """The lines of a page of solutions that stand in the chapter, too."""
    if not page.is_there:
        return set()
    firsts = [cells[0] for cells in Draft(page).sections.values()]
    return {
        cell.line + i
        for cell in firsts
        for i in range(1, len(cell.source.splitlines()) + 1)
    }
