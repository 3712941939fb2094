"""Stored outputs: what the cells of a page gave when it was written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from ._book import Book, NoBookError, find_book, here
from ._language import language_of, say
from ._notebook import REPORT, UnreadableError, joined, read

ALIKE = 0.5  # of two sources, from where one may be the other, edited
CALL = "show_stored"
# Of each cell that ran, its id and its source; since the first call.
_ran: list[tuple[str, str]] = []


class Stored:
    """The stored outputs of a cell, as a notebook shows them.

    Args:
        told (str): what to say of them, in a line.
        outputs (list of dict): as a notebook has them.
    """

    def __init__(self, told: str, outputs: list[dict] = ()) -> None:
        self.told, self.outputs = told, list(outputs)

    def __repr__(self) -> str:
        texts = [_plain(output) for output in self.outputs]
        return "\n".join([self.told, *(text.rstrip("\n") for text in texts)])

    def _ipython_display_(self) -> None:
        from IPython.display import Markdown, display

        display(Markdown(self.told))
        for output in self.outputs:
            if "data" in output:
                data = {
                    kind: joined(content) if type(content) is list else content
                    for kind, content in output["data"].items()
                    if kind != REPORT
                }
                display(data, raw=True, metadata=output.get("metadata", {}))
            else:
                print(_plain(output))


def show_stored() -> Stored:
    """The stored output of a cell: what it gave when the page was written.

    As the last line of a cell, it shows that of this cell; in a cell of its
    own, that of the cell that ran last before it.

    Returns:
        What a notebook shows, below what the reader's cell gave.
    """
    language = language_of(here())
    shell = _shell()
    if shell is None:
        return Stored(
            say("show_stored() is for the cells of a page.", language)
        )
    try:
        book = find_book(language)
    except NoBookError:
        return Stored(say("There is no book around this folder.", language))
    cells = list(_cells(book))
    sources = list(shell.user_ns.get("In", ()))
    ran = _ran if len(_ran) > 1 else [("", source) for source in sources[:-1]]
    this = cell_id(shell), sources[-1] if sources else ""
    if not _ran:
        shell.events.register("pre_run_cell", lambda info: _note(shell, info))
    _ran.append(this)
    for name, source in (this, *reversed(ran)):
        cell = _found(cells, name, source)
        if cell is not None:
            return _shown(cell, book.language)
    return Stored(
        say("No cell that ran before is one of this page.", book.language)
    )


def _shown(cell: dict, language: str) -> Stored:
    lines = (line.strip() for line in cell["source"].splitlines())
    first = next(filter(None, lines), "")
    if not cell["outputs"]:
        told = say("`{first}` gave no output.", language, first=first)
    else:
        told = say("Stored for the cell `{first}`:", language, first=first)
    return Stored(told, cell["outputs"])


def _shell() -> Any:
    """The IPython of the kernel in which this runs; None without one."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def cell_id(shell: Any) -> str:
    """The id of the cell that runs; "" if the program doesn't say it.

    JupyterLab and Notebook send it along with the code.
    """
    try:
        parent = shell.kernel.get_parent("shell")
        return str(parent["metadata"].get("cellId", ""))
    except (AttributeError, KeyError, TypeError):
        return ""


def _note(shell: Any, info: Any) -> None:
    if CALL not in (info.raw_cell or ""):
        _ran.append((cell_id(shell), info.raw_cell or ""))


def _cells(book: Book) -> Iterator[dict]:
    """The code cells of the page that is open; of all, if none is known."""
    names = [name for name in book.pages() if name.endswith(".ipynb")]
    # Jupyter's servers say which notebook a kernel was started for.
    path = Path(os.environ.get("JPY_SESSION_NAME", "")).as_posix()
    open_ = [name for name in names if path.endswith(f"/{name}")]
    for name in sorted(open_, key=len)[-1:] or names:
        try:
            page = read(book.pristine / name)
        except UnreadableError:
            continue
        yield from (c for c in page["cells"] if c["cell_type"] == "code")


def _found(cells: list[dict], name: str, source: str) -> dict | None:
    """The cell that ran, by its id, or else by what it says."""
    for cell in cells:
        if name and cell["id"] == name:
            return cell
    lines = [line for line in source.splitlines() if CALL not in line]
    said = "\n".join(lines).strip()
    if not said:
        return None
    best, most = None, ALIKE
    matcher = SequenceMatcher(None, b=said, autojunk=False)
    for cell in cells:
        if cell["source"].strip() == said:
            return cell
        matcher.set_seq1(cell["source"].strip())
        if matcher.quick_ratio() > most and matcher.ratio() > most:
            best, most = cell, matcher.ratio()
    return best


def _plain(output: dict) -> str:
    """An output as text."""
    if "data" in output:
        return joined(output["data"].get("text/plain", ""))
    if "traceback" in output:
        return "\n".join(output["traceback"])
    return joined(output.get("text", ""))
