"""A page in a folder that doesn't tell the checks its language."""

from __future__ import annotations

from nbformat import NotebookNode

from tools.page import Page

SETTING = """\
import os

os.environ["D2L_LANGUAGE"] = "{language}"

"""


def speaking(page: Page, notebook: NotebookNode) -> NotebookNode:
    """The first code cell of a translation names its language.

    What the checks say is English without, but in a folder of the name of the
    language.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code[: not page.is_original]:
        cell.source = SETTING.format(language=page.language) + cell.source
    return notebook
