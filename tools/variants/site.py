"""A page as Sphinx gets it: its links lead somewhere on the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from nbformat import NotebookNode

from tools import files
from tools.anchors import section, with_anchors
from tools.course import Edition
from tools.page import Page
from tools.predictions import predicted
from tools.translation import BEHIND, UNTRANSLATED, state, synced_by
from tools.variants import Transform, Words, download, in_markdown, links
from tools.variants.outputs import for_people, overwritten, unstyled
from tools.variants.translated import marked
from tools.words import ways_to_say

# The scheme of links that leave an edition for another one.
ACROSS = "across"
# The tag of a cell whose output waits for a reader's prediction.
FOLDED = "folded"


def variant(edition: Edition, anchors: links.Anchors) -> list[Transform]:
    """A page of the site.

    Args:
        edition (Edition): says which pages there are, and where else.
        anchors (links.Anchors): those of the headings of all pages.
    """
    return [
        inviting(edition),
        marking(edition),
        folding,
        in_markdown(*words(edition, anchors)),
        overwritten,
        unstyled,
        for_people,
    ]


def words(edition: Edition, anchors: links.Anchors) -> list[Words]:
    """What is done to all Markdown of the site, also of a page of text."""
    return [
        *download.words(edition.course),
        links.without(edition.lacking),
        links.to_headings(anchors),
    ]


def marking(edition: Edition) -> Transform:
    """A translation has the anchors of its original, and says what is stale.

    What is behind the original has a link to it, if it is on the site.
    """

    def transform(page: Page, notebook: NotebookNode) -> NotebookNode:
        if page.is_original:
            return notebook
        originals = originals_of(page, notebook)
        pairs = list(zip(originals, notebook.cells, strict=True))
        behind = [
            number
            for number, pair in enumerate(pairs, 1)
            if pair[0].cell_type == "markdown"
            and state(page, *pair) in (BEHIND, UNTRANSLATED)
        ]
        marked(behind)(page, notebook)
        leave = crossing(edition, page, {c.id: c.source for c in originals})
        taken: set[str] = set()
        for original, cell in pairs:
            if cell.cell_type == "markdown":
                text = leave(cell.source)
                cell.source = with_anchors(text, original.source, taken)
        return notebook

    return transform


def originals_of(page: Page, notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that those of a translation translate, in their order.

    Raises:
        ValueError: if there are others; the message says what to run.
    """
    originals = files.read_stored(page.original).cells
    if len(originals) != len(notebook.cells):
        raise ValueError(
            f"{page.shown('.ipynb')} has {len(notebook.cells)} cells, and "
            f"its original {len(originals)}: {synced_by(page)}"
        )
    return originals


def crossing(
    edition: Edition, page: Page, sources: Mapping[str, str]
) -> Words:
    """Links to the original of a page lead to its edition on the site.

    Args:
        edition (Edition): that of the page.
        page (Page): a translation.
        sources (Mapping[str, str]): the cells of the original, by their ids.
    """
    folders = {e.language: e.folder for e in edition.course.editions}
    folder = folders.get(page.original.language)
    there = re.escape(page.link_to(page.original))
    link = re.compile(rf"{links.NAME}\({there}(?:#cell-id=([^)]+))?\)")
    here = posixpath.dirname(f"{edition.folder}{page.name}") or "."
    target = posixpath.relpath(f"{folder}{page.name}.html", here)

    def across(found: re.Match) -> str:
        if folder is None:
            return found[1]
        heading = sources.get(found[2], "").partition("\n")[0]
        name = section(heading.lstrip("# "))
        return f"[{found[1]}]({ACROSS}:{target}{'#' * bool(name)}{name})"

    return lambda markdown: link.sub(across, markdown)


def folding(page: Page, notebook: NotebookNode) -> NotebookNode:
    """What a chapter asks a reader to predict isn't seen at once.

    A translation folds what its original folds.
    """
    if page.is_solutions:
        return notebook
    cells = notebook.cells
    originals = cells if page.is_original else originals_of(page, notebook)
    asked = {id(cell) for cell in predicted(originals)}
    for original, cell in zip(originals, cells, strict=True):
        if id(original) in asked and cell.outputs:
            tags = cell.metadata.get("tags", [])
            cell.metadata.tags = [*tags, FOLDED]
    return notebook


def inviting(edition: Edition) -> Transform:
    """The exercises say where they can be solved, since no page runs."""
    words = edition.words

    def transform(page: Page, notebook: NotebookNode) -> NotebookNode:
        places = edition.course.places(page).items()
        found = [f"[{name}]({address})" for name, address in places]
        found.append(f"[{words.lab}](index.md#how-to-run-it)")
        said = words.runs.format(places=words.either.join(found))
        for cell in notebook.cells:
            heading = cell.source.partition("\n")[0]
            markdown = cell.cell_type == "markdown"
            if markdown and heading in ways_to_say(page, "exercises"):
                cell.source += f"\n\n{said}"
        return notebook

    return transform
