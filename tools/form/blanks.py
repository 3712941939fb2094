"""What a command has left for an author to fill in."""

from __future__ import annotations

from collections.abc import Iterator

from tools import checks
from tools.folders import shown
from tools.form.draft import Draft
from tools.page import texts

# It stands in each blank, before what belongs there. Search for it.
BLANK = "TODO"


def blanks(draft: Draft) -> Iterator[str]:
    """No blank is left: on its pages, in its checks, in lines about it."""
    page = draft.page
    own = (
        page.source,
        page.solutions.source,
        checks.module_of(page),
        checks.answers_of(page),
    )
    for file in (*own, *texts()):
        if not file.is_file():
            continue
        for number, line in enumerate(file.read_text("utf-8").split("\n"), 1):
            _, found, what = line.partition(BLANK)
            if found and (file in own or f"{page.number:02}" in line):
                what = what.strip(" :|\"'`,()[]{}*")
                yield f"{shown(file)}:{number}: {what}"
