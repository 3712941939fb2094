"""A page as `make run` stores it, and as `make pull` writes its source."""

from __future__ import annotations

from nbformat import NotebookNode

from nbval_strict.outputs import without_colors
from tools import pairs
from tools.anchors import cell_name
from tools.page import Page
from tools.variants import Transform


def variant(settings: dict) -> list[Transform]:
    """What a run leaves, without what depends on its time or its machine.

    Args:
        settings (dict): those of jupytext.
    """
    return [with_settings(settings), named, without_frames]


def with_settings(settings: dict) -> Transform:
    """The notebook says how it is paired, and no version of Python."""

    def transform(_: Page, notebook: NotebookNode) -> NotebookNode:
        # JupyterLab compares the pair by these, whichever is the newer one.
        notebook.metadata.jupytext = settings
        notebook.metadata.language_info.pop("version")
        return notebook

    return transform


def with_outputs_of(ran: NotebookNode) -> Transform:
    """The cells have the outputs of a run of the same code."""

    def transform(_: Page, notebook: NotebookNode) -> NotebookNode:
        notebook.metadata = ran.metadata
        ours, theirs = (
            [cell for cell in n.cells if cell.cell_type == "code"]
            for n in (notebook, ran)
        )
        for cell, other in zip(ours, theirs, strict=True):
            cell.outputs = other.outputs
            cell.execution_count = other.execution_count
        return notebook

    return transform


def named(_: Page, notebook: NotebookNode) -> NotebookNode:
    """Each cell has an id that follows from its source."""
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        name = cell_name(cell.source)
        seen[name] = seen.get(name, 0) + 1
        cell.id = name + (f"-{seen[name]}" if seen[name] > 1 else "")
    return notebook


def without_frames(_: Page, notebook: NotebookNode) -> NotebookNode:
    """Tracebacks show no frames of files, whose paths are a machine's."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                output.traceback = own_frames(output.traceback)
    return notebook


def own_frames(traceback: list[str]) -> list[str]:
    """The traceback without frames from files, whose paths are a machine's."""
    return [f for f in traceback if not without_colors(f).startswith("File ")]


def remembering(_: Page, notebook: NotebookNode) -> NotebookNode:
    """The notebook notes what it is made from: its cells as they are."""
    pairs.remember(notebook)
    return notebook


def for_script(_: Page, notebook: NotebookNode) -> NotebookNode:
    """Each cell has what a ``.py`` file can hold of it."""
    keys = (*pairs.KEPT, *pairs.SPACING)
    notebook.cells = pairs.cells(notebook)
    for cell in notebook.cells:
        cell.source = pairs.text(cell)
        kept = {k: v for k, v in cell.metadata.items() if k in keys}
        cell.metadata = NotebookNode(kept)
    return notebook
