"""A page in another language, made from the original and its translation.

No cell is executed: the outputs are those of the original. What a check says
there is said in the other language.
"""

from __future__ import annotations

from collections.abc import Collection

from nbformat import NotebookNode

from tools.page import Page
from tools.variants import Transform
from tools.variants.stored import remembering
from tools.words import words_of


def variant(translation: NotebookNode, language: str) -> list[Transform]:
    """The notebook of a translation, from that of the original.

    Args:
        translation (NotebookNode): what its ``.py`` file says, cell by cell.
        language (str): the language of its reports.
    """
    return [with_cells_of(translation), with_reports(language), remembering]


def with_cells_of(translation: NotebookNode) -> Transform:
    """The cells say what those of a translation say.

    Their ids stay, to which links lead, and so do their outputs.
    """

    def transform(_: Page, notebook: NotebookNode) -> NotebookNode:
        for cell, said in zip(notebook.cells, translation.cells, strict=True):
            cell.source, cell.metadata = said.source, said.metadata
        return notebook

    return transform


def with_reports(language: str) -> Transform:
    """What a check has said is said in a language."""
    from d2l_helpers.check._report import MIME, Report  # and so torch

    def transform(_: Page, notebook: NotebookNode) -> NotebookNode:
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                if parts := output.get("data", {}).get(MIME):
                    report = Report.from_json(parts)
                    output.data["text/plain"] = report.as_text(language)
                    output.data["text/markdown"] = report.as_markdown(language)
        return notebook

    return transform


def marked(behind: Collection[int]) -> Transform:
    """A note stands above each cell of prose that is behind the original.

    Args:
        behind (collection of int): the places of such cells, from 1.
    """

    def transform(page: Page, notebook: NotebookNode) -> NotebookNode:
        link = page.link_to(page.original)
        place = ""
        for number, cell in enumerate(notebook.cells, 1):
            if cell.cell_type != "markdown":
                continue
            if cell.source.startswith("#"):
                place = f"#cell-id={cell.id}"
            if number in behind:
                note = words_of(page).behind.format(link=f"{link}{place}")
                heading, rest = _split(cell.source)
                cell.source = f"{heading}> {note}\n\n{rest}"
        return notebook

    return transform


def _split(source: str) -> tuple[str, str]:
    """A heading at the beginning of a text, and the rest of it."""
    if not source.startswith("#"):
        return "", source
    heading, _, rest = source.partition("\n")
    return f"{heading}\n\n", rest.lstrip("\n")
