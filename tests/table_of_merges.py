"""What becomes of a reader's page when a new version of it comes.

    python -m tests.table_of_merges

prints a table: a row for each state in which a page may be, a column for each
kind of new version. tests/test_merges.py looks at each of its cells.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import d2l_reader
from d2l_reader._book import find_book
from d2l_reader._notebook import UnreadableError, read
from d2l_reader._plans import plan_of
from tools.anchors import cell_name

NAME, OTHER = "03_layers.ipynb", "05_halves.ipynb"
MINE = "MINE"  # what a reader writes has it
ANSWER = f"def half(x):\n    return x / 2  # {MINE}"
FRONT = "# A book\n\nText.\n\n## How to read it\n\nRun it.\n"


def text(source: str) -> dict:
    """A Markdown cell."""
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str, output: str = "") -> dict:
    """A code cell, with what it is said to give."""
    data = {"data": {"text/plain": output}, "execution_count": 1}
    result = {**data, "metadata": {}, "output_type": "execute_result"}
    return {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "outputs": [result] * bool(output),
        "source": source,
    }


def exercise(number: str, title: str, starter: str) -> list[dict]:
    """The cells of an exercise, whose check is called as its title."""
    check = title.lower()
    return [
        text(f"### {number} {title}\n\n*Code, 10 minutes.*\n\nWrite it."),
        code(starter),
        code(f"check.{check}({check})", f"○ {number} {title}: not solved yet"),
    ]


TWICE = "def twice(x):\n    # a number\n    # doubled\n    ..."
HALF = "def half(x):\n    ..."
THIRD = "def third(x, digits):\n    # rounded\n    return ..."


def original() -> list[dict]:
    """The cells of the first version."""
    return [
        text("# Layers\n\nThis is a chapter.\n\nIt has two exercises."),
        code("x = 1"),
        text("What is the sum?"),
        code("y = x + 1\ny", "2"),
        text("## Exercises"),
        *exercise("3.1", "Twice", TWICE),
        *exercise("3.2", "Half", HALF),
        text("## Where to go next\n\nTo [05](05_halves.ipynb)."),
    ]


def other() -> list[dict]:
    """The cells of another page."""
    return [
        text("# Halves"),
        text("## Exercises"),
        *exercise("5.1", "Third", "third = ..."),
        text("## Where to go next\n\nHome."),
    ]


def notebook(cells: list[dict]) -> dict:
    """A page as the book has it: with the ids that a run gives."""
    seen: dict[str, int] = {}
    for cell in cells:
        name = cell_name(cell["source"])
        seen[name] = seen.get(name, 0) + 1
        cell["id"] = name + (f"-{seen[name]}" if seen[name] > 1 else "")
    return {
        "cells": cells,
        "metadata": {
            "d2l": {"made_from": ["0"]},
            "jupytext": {"formats": "ipynb,py:percent"},
            "kernelspec": {"display_name": "P", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def write_book(root: Path, **pages: list[dict]) -> None:
    """Write the pages of a book, by their stems."""
    folder = root / "chapters"
    folder.mkdir(exist_ok=True)
    (folder / "index.md").write_text(FRONT, "utf-8")
    for file in folder.glob("*.ipynb"):
        file.unlink()
    for name, cells in pages.items():
        content = json.dumps(notebook(deepcopy(cells)))
        (folder / f"{name.strip('_')}.ipynb").write_text(content, "utf-8")


# What readers do with a page


def edit(file: Path, change: Callable[[list[dict]], None]) -> None:
    """Change the cells of a page as JupyterLab would store them."""
    page = json.loads(file.read_text("utf-8"))
    change(page["cells"])
    file.write_text(json.dumps(page, indent=1), "utf-8")


def find(cells: list[dict], begins: str) -> dict:
    """The cell that begins with some text."""
    return next(c for c in cells if c["source"].startswith(begins))


def _rewrite(begins: str, source: str) -> Callable[[Path], None]:
    def state(file: Path) -> None:
        edit(file, lambda cells: find(cells, begins).update(source=source))

    return state


def _ran(cells: list[dict], mark: str = "○") -> None:
    for cell in cells:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 7
            cell["metadata"]["execution"] = {"iopub.status.busy": "now"}
    check = find(cells, "check.half")
    check["outputs"] = code("", f"{mark} 3.2 Half: said")["outputs"]
    find(cells, "y =")["outputs"] = code("", "2")["outputs"]


def _run(file: Path) -> None:
    edit(file, _ran)


def _answered_and_run(file: Path) -> None:
    _rewrite("def half", ANSWER)(file)
    edit(file, lambda cells: _ran(cells, "✓"))


def _wrong_and_run(file: Path) -> None:
    _rewrite("def half", f"def half(x):\n    return x  # {MINE}")(file)
    edit(file, lambda cells: _ran(cells, "✗"))


def _own_cell(file: Path) -> None:
    def change(cells: list[dict]) -> None:
        place = cells.index(find(cells, "y ="))
        cells.insert(place + 1, {**code(f"z = 3  # {MINE}"), "id": "own"})

    edit(file, change)


def _helper_in_exercise(file: Path) -> None:
    def change(cells: list[dict]) -> None:
        place = cells.index(find(cells, "def half"))
        cells.insert(place, {**code(f"import math  # {MINE}"), "id": "own"})

    _rewrite("def half", ANSWER)(file)
    edit(file, change)


def _cell_deleted(file: Path) -> None:
    edit(file, lambda cells: cells.remove(find(cells, "What is")))


def _cell_moved(file: Path) -> None:
    def change(cells: list[dict]) -> None:
        cell = find(cells, "x = 1")
        cells.remove(cell)
        cells.insert(3, cell)

    edit(file, change)


def _ids_lost(file: Path) -> None:
    """As a program stores it that knows neither ids nor our metadata."""
    _rewrite("def half", ANSWER)(file)
    page = json.loads(file.read_text("utf-8"))
    for cell in page["cells"]:
        del cell["id"]
    page.update(metadata={}, nbformat_minor=4)
    file.write_text(json.dumps(page), "utf-8")


def _renamed(file: Path) -> None:
    _rewrite("def half", ANSWER)(file)
    file.rename(file.with_name("my layers.ipynb"))


def _copied(file: Path) -> None:
    _rewrite("def half", ANSWER)(file)
    copy = file.with_name(f"{file.stem}-Copy1.ipynb")
    copy.write_bytes(file.read_bytes())


def _broken(file: Path) -> None:
    file.write_text(f'{{"cells": [{{"source": "{MINE}', "utf-8")


def _in_conflict(file: Path) -> None:
    text = file.read_text("utf-8")
    file.write_text(f"<<<<<<< {MINE}\n{text}>>>>>>> other\n", "utf-8")


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "notes.txt").write_text(MINE, "utf-8")


STATES: dict[str, Callable[[Path], None]] = {
    "untouched": lambda file: None,
    "run": _run,
    "answered": _rewrite("def half", ANSWER),
    "answered and run": _answered_and_run,
    "answered wrongly, and run": _wrong_and_run,
    "answered in the same lines": _rewrite(
        "def twice", f"def twice(x):\n    return 2 * x  # {MINE}"
    ),
    "answered in other lines": _rewrite("def twice", f"{TWICE}  # {MINE}"),
    "a cell added": _own_cell,
    "answered with a cell more": _helper_in_exercise,
    "a cell deleted": _cell_deleted,
    "a cell moved": _cell_moved,
    "text edited": _rewrite(
        "# Layers",
        f"# Layers\n\nThis is a chapter.\n\nIt has two exercises.\n\n{MINE}",
    ),
    "code edited": _rewrite("y = ", f"y = x + 2  # {MINE}\ny"),
    "ids lost": _ids_lost,
    "renamed": _renamed,
    "copied": _copied,
    "broken": _broken,
    "in a merge conflict": _in_conflict,
    "a folder in its place": _folder,
    "deleted": lambda file: file.unlink(),
}


# What new versions do with it


def _changed(**sources: str) -> list[dict]:
    """The page, where some cells say something else."""
    begins = {"intro": "# Layers", "code": "y =", "starter": "def twice"}
    cells = original()
    for name, source in sources.items():
        find(cells, begins[name])["source"] = source
    return cells


def _inserted() -> dict[str, list[dict]]:
    cells = original()
    renumbered = [
        *exercise("3.1", "Third", THIRD),
        *exercise("3.2", "Twice", TWICE),
        *exercise("3.3", "Half", HALF),
    ]
    return {"_03_layers": [*cells[:5], *renumbered, cells[-1]]}


def _swapped() -> dict[str, list[dict]]:
    cells = original()
    swapped = [
        *exercise("3.1", "Half", HALF),
        *exercise("3.2", "Twice", TWICE),
    ]
    return {"_03_layers": [*cells[:5], *swapped, cells[-1]]}


def _replaced() -> dict[str, list[dict]]:
    cells = original()
    return {
        "_03_layers": [
            *cells[:8],
            *exercise("3.2", "Third", THIRD),
            cells[-1],
        ]
    }


def _removed() -> dict[str, list[dict]]:
    cells = original()
    return {"_03_layers": [*cells[:8], cells[-1]]}


def _elsewhere() -> dict[str, list[dict]]:
    cells = other()
    cells[-1:-1] = exercise("5.2", "Half", HALF)
    return {**_removed(), "_05_halves": cells}


def _retitled() -> dict[str, list[dict]]:
    cells = original()
    find(cells, "### 3.2")["source"] = (
        "### 3.2 A half\n\n*Code, 10 minutes.*\n\nWrite it."
    )
    find(cells, "check.half")["source"] = "check.a_half(half)"
    return {"_03_layers": cells}


def _cell_inserted() -> dict[str, list[dict]]:
    cells = original()
    cells[4:4] = [text("NEW text."), code("new = 0")]
    return {"_03_layers": cells}


def _cell_taken_out() -> dict[str, list[dict]]:
    cells = original()
    cells.remove(find(cells, "y ="))
    return {"_03_layers": cells}


VERSIONS: dict[str, Callable[[], dict[str, list[dict]]]] = {
    "the same": lambda: {},
    "text": lambda: {
        "_03_layers": _changed(
            intro="# Layers\n\nThis is a NEW chapter.\n\nIt has two exercises."
        )
    },
    "code": lambda: {"_03_layers": _changed(code="y = x + 1\nNEW = 0\ny")},
    "starter": lambda: {
        "_03_layers": _changed(
            starter=TWICE.replace("a number", "a NEW number")
        )
    },
    "cell in": _cell_inserted,
    "cell out": _cell_taken_out,
    "exercise before": _inserted,
    "exercises swapped": _swapped,
    "exercise retitled": _retitled,
    "exercise replaced": _replaced,
    "exercise out": _removed,
    "exercise elsewhere": _elsewhere,
}


def make(root: Path) -> Path:
    """Make a book and its workbook; return the reader's page."""
    write_book(root, _03_layers=original(), _05_halves=other())
    d2l_reader.update(root=root)
    return root / "workbook" / NAME


def bring(root: Path, version: str) -> d2l_reader.Update:
    """Let a new version come, and update the workbook."""
    pages = {"_03_layers": original(), "_05_halves": other()}
    write_book(root, **{**pages, **VERSIONS[version]()})
    return d2l_reader.update(root=root)


def everything(root: Path) -> dict[str, bytes]:
    """All that a reader sees in the workbook, by path."""
    folder = root / "workbook"
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".base" not in file.parts
    }


def outcome(root: Path, before: dict[str, bytes]) -> str:
    """What an update has done with the page, in a word or two."""
    after = everything(root)
    if any(name not in before and "-new-" in name for name in after):
        return "beside"
    if after.get(NAME) == before.get(NAME):
        return "as it was"
    if NAME not in before:
        return "made"
    said = after[NAME].decode()
    if MINE not in said and MINE in before[NAME].decode():
        other = after.get(OTHER, b"").decode()
        return "goes along" if MINE in other else "LOST"
    base = plan_of(find_book(start=root), NAME).original()
    with suppress(UnreadableError):
        page = read(root / "workbook" / NAME)
        same = [c["source"] for c in page["cells"]] == [
            c["source"] for c in base["cells"]
        ]
        return "new" if same else "merged"
    return "?"


def table() -> dict[tuple[str, str], str]:
    """What becomes of each state with each new version."""
    found = {}
    for state, do in STATES.items():
        for version in VERSIONS:
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder)
                do(make(root))
                before = everything(root)
                bring(root, version)
                found[state, version] = outcome(root, before)
    return found


def main() -> None:
    """Print the table."""
    found = table()
    first = max(map(len, STATES))
    widths = {v: max(len(v), 10) for v in VERSIONS}
    head = "  ".join(f"{v:<{widths[v]}}" for v in VERSIONS)
    print(f"{'':<{first}}  {head}")
    for state in STATES:
        row = "  ".join(f"{found[state, v]:<{widths[v]}}" for v in VERSIONS)
        print(f"{state:<{first}}  {row}".rstrip())


if __name__ == "__main__":
    main()
