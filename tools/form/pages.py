"""What each page owes its readers, whether a chapter or solutions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import nbformat

from tools import files, gate, measures, pairs
from tools.form.draft import Cell, Draft
from tools.page import is_to_come
from tools.words import words_of

ALT = 'mystnb={"image": {"alt": "..."}}'
GPU = re.compile(r"""\.cuda\(|cuda:[1-9]\b|["']cuda["'], *[1-9]\b""")
LINK = re.compile(r"\]\(([^):]+)\)")


def pair(draft: Draft) -> Iterator[str]:
    """The two files agree, and could be published."""
    yield from gate.problems(draft.page)


def spacing(draft: Draft) -> Iterator[str]:
    """The ``.py`` file is as JupyterLab would save it."""
    saved = files.script(files.read_source(draft.page))
    if draft.text != saved:
        name = draft.page.shown()
        lines = pairs.difference(
            draft.text, saved, (name, f"{name} as JupyterLab would save it")
        )
        yield f"{name}: change these lines, as JupyterLab would\n{lines}"


def prose(draft: Draft) -> Iterator[str]:
    """Prose stands before each code cell, but for the checks."""
    for cell, following in pairwise(draft.cells):
        checks = following.source.startswith("check.")
        if cell.is_code and following.is_code and not checks:
            yield (
                f"{following.where()}: no prose stands before this code; put "
                "a Markdown cell between, which says what to look for"
            )


def code(draft: Draft) -> Iterator[str]:
    """Code cells are short, and end in an expression."""
    cells = measures.without_exercises(draft.cells)
    for i, cell in enumerate(cells):
        if not cell.is_code:
            continue
        lines, most = cell.source.splitlines(), measures.MOST
        if len(lines) > most["longest cell"]:
            yield (
                f"{cell.where()}: {len(lines)} lines, at most "
                f"{most['longest cell']} are allowed; make two cells of it"
            )
        for number, line in enumerate(lines, 1):
            if len(line) > most["widest line"]:
                yield (
                    f"{cell.where(number)}: {len(line)} columns, at most "
                    f"{most['widest line']} are allowed; break the line"
                )
        if measures.is_bare_print(cells, i):
            yield (
                f"{cell.where()}: a bare print isn't needed; end the cell in "
                "the value, or put prose after it, too"
            )
    lines = measures.median_lines(cells)
    if lines > measures.MOST["median lines"]:
        yield (
            f"{draft.page.shown()}: half of its code cells have {lines:.0f} "
            "lines or more, where half should have at most "
            f"{measures.MOST['median lines']}; divide the longest ones"
        )


def any_device(draft: Draft) -> Iterator[str]:
    """No cell needs a GPU that may be missing."""
    for cell in draft.code:
        if found := GPU.search(cell.source):
            line = cell.source.count("\n", 0, found.start()) + 1
            yield (
                f"{cell.where(line)}: {found[0]!r} fails without this GPU; "
                "move with .to(device), or take d2l.try_all_gpus()"
            )


def alt_text(draft: Draft) -> Iterator[str]:
    """Each figure has a text that says what there is to see."""
    shortest = words_of(draft.page).alt
    for cell in draft.code:
        if not cell.is_figure:
            continue
        alt = alt_of(cell)
        if not alt:
            yield (
                f"{cell.where()}: its figure has no alt text; say what there "
                f"is to see, behind the mark of the cell: # %% {ALT}"
            )
        elif len(alt) <= shortest or re.search(r"\.(svg|png)\b", alt):
            yield (
                f"{cell.where()}: the alt text {alt!r} isn't a description; "
                "say what there is to see, in more than "
                f"{shortest} letters"
            )


def alt_of(cell: Cell) -> str:
    """What a cell says of its figure; "" if nothing, or not in this form."""
    match cell.content.metadata.get("mystnb"):
        case {"image": {"alt": str(alt)}}:
            return alt
    return ""


def one_figure(draft: Draft) -> Iterator[str]:
    """A section has at most one figure."""
    heading, figures = "", 0
    for cell in draft.cells:
        found = re.findall(r"^##+ .+", cell.source, re.MULTILINE)
        if not cell.is_code and found:
            heading, figures = found[-1], 0
        figures += cell.is_figure
        if cell.is_figure and figures > 1:
            yield (
                f"{cell.where()}: figure {figures} in the section "
                f"{heading!r}; draw them side by side in one, or begin "
                "another section"
            )


def links(draft: Draft) -> Iterator[str]:
    """Links lead to files and, in notebooks, to cells that begin a section."""
    for cell in draft.prose:
        for line, what in broken_links(cell.source, draft.page.folder):
            yield f"{cell.where(line)}: {what}"


def broken_links(text: str, folder: Path) -> Iterator[tuple[int, str]]:
    """The links in a text that lead nowhere.

    Args:
        text (str): Markdown.
        folder (Path): where it stands.

    Returns:
        The line of each, from 1, and what is wrong with it.
    """
    for found in LINK.finditer(text):
        path, _, fragment = found[1].partition("#")
        line, file = text.count("\n", 0, found.start()) + 1, folder / path
        if is_to_come(file):
            continue
        if not file.is_file():
            yield line, f"the link to {found[1]!r} leads to no file"
        elif fragment:
            names = _headings(file, file.stat().st_mtime_ns)
            if names.count(fragment.removeprefix("cell-id=")) != 1:
                yield (
                    line,
                    f"the link to {found[1]!r} leads to no heading; name one "
                    "as `cell-id=` and its words, in small letters, with "
                    "hyphens, such as cell-id=save-a-model",
                )


@cache
def _headings(notebook: Path, _: int) -> list[str]:
    """The ids of the cells that begin with a heading."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell.id for cell in cells if cell.source[:1] == "#"]


# A translation has the code and the outputs of its original.
IN_EACH_LANGUAGE = (pair, spacing, alt_text, links)
RULES = (*IN_EACH_LANGUAGE, prose, code, any_device, one_figure)
