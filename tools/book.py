"""The chapters: which files they are, how they are read, how they run.

This is the one place that knows which files are chapters. Run it as

    python -m tools.book list [CHAPTER]     the notebooks, a line each
    python -m tools.book run [CHAPTER]      execute, and store the outputs
    python -m tools.book pull [CHAPTER]     bring a notebook's edits to its .py
    python -m tools.book check [CHAPTER]    say what keeps it from publication

where CHAPTER is a number such as 03, which stands for the chapter and for its
solutions, or one file. `run` and `pull` keep a file that has edits which the
other lacks; with --force at the end, they overwrite it.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import time
import tomllib
from itertools import takewhile
from operator import eq
from pathlib import Path

import nbformat
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat import NotebookNode

from nbval_strict import warm_kernels
from nbval_strict.client import Client, client_of
from nbval_strict.outputs import without_colors
from tools import pairs

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
SOLUTIONS = "solutions"  # the folder beside the chapters
TIMEOUT = 120  # seconds for one cell
# Of a cell that only a chapter's copy for Colab has; no test runs it, since
# pyproject.toml has the plugin leave it out.
COLAB_TAG = "colab"


def sources(which: str = "", folder: Path = CHAPTERS) -> list[Path]:
    """The chapters' ``.py`` files, in the order of the book.

    Args:
        which (str): a number (``3``, ``03``), a name, or a file of either
            kind; all chapters if empty.
        folder (Path): where the chapters are.

    Raises:
        LookupError: if there is no such chapter.
    """
    found = sorted(folder.glob("[0-9][0-9]_*.py"))
    if not which:
        return found
    wanted = Path(which)
    if which.isdecimal():
        chosen = [p for p in found if number(p) == int(which)]
    elif wanted.parent == Path():
        chosen = [p for p in found if p.stem == wanted.stem]
    else:
        same = wanted.with_suffix(".py").resolve()
        chosen = [p for p in found if p.resolve() == same]
    if not chosen:
        names = ", ".join(p.stem for p in found)
        raise LookupError(
            f"there is no chapter {which!r}; name one of {names}, or its "
            "number"
        )
    return chosen


def solutions(chapter: Path) -> Path:
    """The ``.py`` file with the solutions to a chapter's exercises."""
    return chapter.parent / SOLUTIONS / chapter.name


def pages(which: str = "", folder: Path = CHAPTERS) -> list[Path]:
    """The ``.py`` files of chapters, and of their solutions where they are.

    Args:
        which (str): as in :func:`sources`; a file stands for itself alone.
        folder (Path): where the chapters are.

    Raises:
        LookupError: if there is no such chapter.
    """
    wanted = Path(which)
    if wanted.parent.name == SOLUTIONS:
        return sources(which, wanted.parent.resolve())
    chapters = sources(which, folder)
    if wanted.suffix:
        return chapters
    found = [[chapter, solutions(chapter)] for chapter in chapters]
    return [page for pair in found for page in pair if page.is_file()]


def name(page: Path) -> str:
    """What a page is called, below the folder of chapters."""
    folder = f"{SOLUTIONS}/" if page.parent.name == SOLUTIONS else ""
    return folder + page.stem


def number(chapter: Path) -> int:
    """The number of a chapter, from the name of either of its files."""
    return int(chapter.stem.split("_")[0])


class UnreadableError(ValueError):
    """A file that is no page; the message says which, and what to do."""


class EditedError(ValueError):
    """A file that isn't overwritten, since it has edits of its own."""


def in_handout() -> bool:
    """Whether this is what students get, where nothing is stored anew."""
    return not (ROOT / "tools" / "handout.py").is_file()


def file_of(source: Path, suffix: str = ".py") -> str:
    """One of the two files of a page, as `make run CH=` takes it."""
    return f"{CHAPTERS.name}/{name(source)}{suffix}"


def rerun(source: Path, force: bool = False) -> str:
    """What mends a stored notebook that isn't what its source gives.

    Args:
        source (Path): the ``.py`` file.
        force (bool): whether the notebook is to be overwritten unread.
    """
    if in_handout():
        return (
            f"keep yours under another name, and take {source.name} and "
            f"{source.stem}.ipynb from the zip again"
        )
    if force:
        return f"run `make run CH={file_of(source)} FORCE=1`"
    return f"run `make run CH={number(source):02}`"


def read_source(source: Path) -> NotebookNode:
    """The notebook that a ``.py`` file says, without outputs.

    Raises:
        UnreadableError: if it says none.
    """
    text = _text(source, file_of(source), "mend it by hand")
    try:
        notebook = _parsed(text)
    except Exception as error:  # of YAML, for example
        what = str(error).splitlines()[0]
        raise UnreadableError(
            f"{file_of(source)} isn't a page ({what})"
        ) from None
    if not notebook.cells:
        raise UnreadableError(
            f"{file_of(source)} has no cells: begin one with `# %%`"
        )
    return notebook


def _parsed(text: str) -> NotebookNode:
    import jupytext  # it takes a while, and the site's build goes without

    # Read as text: jupytext.read(path) would look for settings around it.
    return jupytext.reads(text, fmt=_format())


def script(notebook: NotebookNode) -> str:
    """The text of the ``.py`` file that says a notebook."""
    import jupytext

    return jupytext.writes(notebook, fmt=_format())


def read_stored(source: Path) -> NotebookNode:
    """The notebook beside a ``.py`` file, as it is stored.

    Raises:
        UnreadableError: if there is none.
    """
    file = source.with_suffix(".ipynb")
    shown = file_of(source, ".ipynb")
    if not file.exists():
        raise UnreadableError(f"{shown} is missing: {rerun(source)}")
    remedy = rerun(source, force=True)
    text = _text(file, shown, remedy)
    try:
        notebook = nbformat.v4.reads(text)
        if notebook.nbformat != 4:
            raise ValueError(f"its format is {notebook.nbformat}, not 4")
        # Not validate(), which warns where it could mend something.
        for error in nbformat.validator.iter_validate(notebook):
            raise error
    except Exception as error:  # of JSON, of the schema, or no dictionary
        what = (str(error) or repr(error)).splitlines()[0][:100]
        raise UnreadableError(
            f"{shown} isn't a notebook ({what}): {remedy}"
        ) from None
    return notebook


def _text(file: Path, shown: str, remedy: str) -> str:
    """The text of a file, without a byte order mark."""
    if file.is_dir():
        raise UnreadableError(f"{shown} is a folder: move it away first")
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(
            f"{shown} can't be read ({error}): {remedy}"
        ) from None
    if re.search("^(<{7}|>{7}) ", text, re.MULTILINE):
        raise UnreadableError(
            f"{shown} has the marks of a merge conflict: {remedy}"
        )
    return text


def settings() -> dict[str, str | bool]:
    """What jupytext.toml says about the cells, not about which files pair."""
    values = tomllib.loads((ROOT / "jupytext.toml").read_text("utf-8"))
    return {k: v for k, v in values.items() if k != "formats"}


def _format() -> dict[str, str | bool]:
    return {
        "extension": ".py",
        "format_name": "percent",
        "comment_magics": settings()["comment_magics"],
    }


def client(notebook: NotebookNode, folder: Path) -> Client:
    """What executes a chapter's cells, as JupyterLab would."""
    return client_of(notebook, folder, TIMEOUT)


def run(source: Path, force: bool = False) -> NotebookNode:
    """Execute a chapter from top to bottom and store it beside its source.

    The same chapter run twice gives the same file, up to what its cells
    compute: cell ids follow from the sources, and nothing about the time or
    the machine is kept.

    Args:
        source (Path): the ``.py`` file.
        force (bool): whether to overwrite what only the notebook has.

    Returns:
        The notebook, as stored.

    Raises:
        UnreadableError: if one of the files can't be read.
        EditedError: if the stored notebook has edits that its source lacks, or
            is saved meanwhile.
        CellExecutionError: if a cell fails that isn't tagged
            ``raises-exception``; the stored notebook stays as it was.
        CellTimeoutError, DeadKernelError, KeyboardInterrupt: likewise.
    """
    notebook = read_source(source)
    target = source.with_suffix(".ipynb")
    if target.is_dir():
        read_stored(source)  # which says so
    before = target.read_bytes() if target.is_file() else b""
    if before.strip() and not force:
        _refuse_to_lose_notebook(source, notebook)
    pairs.remember(notebook)
    # The stored outputs are those of the CPU, on every machine.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    client(notebook, source.parent).execute(env=environment)
    # JupyterLab compares the pair by these, whichever file is the newer one.
    notebook.metadata.jupytext = settings()
    notebook.metadata.language_info.pop("version")
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = cell_name(cell.source)
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest + (f"-{seen[digest]}" if seen[digest] > 1 else "")
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                output.traceback = own_frames(output.traceback)
    if before != (target.read_bytes() if target.is_file() else b""):
        raise EditedError(
            f"{target.name} was changed while it ran: run it again"
        )
    write(target, nbformat.writes(notebook) + "\n")
    return notebook


def pull(source: Path, force: bool = False) -> bool:
    """Write the cells of a stored notebook into its source.

    Args:
        source (Path): the ``.py`` file.
        force (bool): whether to overwrite what only the source has.

    Returns:
        Whether there was something to write.

    Raises:
        UnreadableError: if one of the files can't be read.
        EditedError: if the source has edits that the notebook lacks.
        ValueError: if a ``.py`` file can't hold the notebook's cells.
    """
    stored, old = read_stored(source), read_source(source)
    mine, yours = pairs.digests(old), pairs.digests(stored)
    if mine == yours:
        return False
    if not force and pairs.has_own_edits(mine, yours, pairs.origin(stored)):
        raise EditedError(
            f"{name(source)}.py has changes that its notebook lacks\n"
            f"{_difference(source, old, stored)}\n"
            "To keep both, copy the notebook's to the .py by hand, then "
            f"{rerun(source)}.\nTo discard those of the .py, run "
            f"`make pull CH={file_of(source)} FORCE=1`."
        )
    for cell in pairs.cells(stored):
        if attached := ", ".join(cell.get("attachments", {})):
            raise ValueError(
                f"{name(source)}.py has no place for what is pasted into a "
                f"cell ({attached}): delete it from the notebook"
            )
    new = nbformat.from_dict({**old, "cells": _for_script(stored)})
    text = script(new)
    said = pairs.digests(_parsed(text))
    if said != yours:
        stays = zip(said, yours, strict=False)
        first = sum(1 for _ in takewhile(lambda pair: eq(*pair), stays))
        cell = pairs.cells(stored)[min(first, len(yours) - 1)]
        raise ValueError(
            f"{name(source)}.py can't say the cell that begins with "
            f"{cell.source.partition(chr(10))[0]!r}: it holds a line that "
            "begins with `# %%`, or a character that ends a line oddly; "
            "change it in the notebook"
        )
    write(source, text)
    return True


def _for_script(stored: NotebookNode) -> list[NotebookNode]:
    """The cells of a notebook, with what a ``.py`` file says of each."""
    keys = (*pairs.KEPT, *pairs.SPACING)
    return [
        {
            **cell,
            "source": pairs.text(cell),
            "metadata": {k: v for k, v in cell.metadata.items() if k in keys},
        }
        for cell in pairs.cells(stored)
    ]


def _refuse_to_lose_notebook(source: Path, notebook: NotebookNode) -> None:
    stored = read_stored(source)
    mine, yours = pairs.digests(stored), pairs.digests(notebook)
    if pairs.has_own_edits(mine, yours, pairs.origin(stored)):
        raise EditedError(
            f"{name(source)}.ipynb has changes that its .py lacks\n"
            f"{_difference(source, notebook, stored)}\n"
            f"To bring them into the .py, {bring(source)}.\n"
            f"To discard them, {rerun(source, force=True)}."
        )


def bring(source: Path) -> str:
    """What to do about edits that only the notebook has."""
    return f"run `make pull CH={file_of(source)}`"


def _difference(source: Path, ours: NotebookNode, stored: NotebookNode) -> str:
    """The lines that a ``.py`` file has (-), and its notebook has (+)."""
    texts = [
        script(nbformat.from_dict({**ours, "cells": _for_script(side)}))
        for side in (ours, stored)
    ]
    names = (f"{name(source)}.py", f"{name(source)}.ipynb")
    lines = pairs.difference(*texts, names)
    return lines or "(a picture that is pasted into a cell)"


def write(file: Path, text: str) -> None:
    """Write a file completely or not at all, also if two runs meet."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        new = Path(folder) / file.name
        new.write_text(text, "utf-8", newline="\n")
        os.replace(new, file)


def cell_name(source: str) -> str:
    """The id of a cell: that of its exercise or heading, or a digest.

    Links lead to ids, and stay right when the text below a heading changes.
    """
    if exercise := re.match(r"##+ (\d+)\.(\d+) ", source):
        return f"exercise-{exercise[1]}-{exercise[2]}"
    if heading := re.match(r"#+ (.+)", source):
        return anchor(heading[1])[:64]  # as long as an id may be
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def anchor(heading: str) -> str:
    """What the site calls the place of a heading: small letters, hyphens."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def texts() -> list[Path]:
    """The pages without code beside the chapters, but for the front page."""
    return sorted(set(CHAPTERS.glob("*.md")) - {CHAPTERS / "index.md"})


def own_frames(traceback: list[str]) -> list[str]:
    """The traceback without frames from files, whose paths are a machine's."""
    return [f for f in traceback if not without_colors(f).startswith("File ")]


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    commands = {"list": _list, "run": _run, "pull": _pull, "check": _check}
    force = arguments[-1:] == ["--force"]
    command, *which = arguments[: len(arguments) - force] or [""]
    if command not in commands or len(which) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    if force and command not in ("run", "pull"):
        print(f"{command} has no --force", file=sys.stderr)
        return 2
    try:
        chosen = pages("".join(which))
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    if command == "run":
        print(warm_kernels.use(), flush=True)
        warm_kernels.preload()
    try:
        done = [commands[command](page, force) for page in chosen]
    except KeyboardInterrupt:
        print("stopped; the stored notebook is as it was")
        return 130
    return 0 if all(done) else 1


def _list(source: Path, _: bool) -> bool:
    print(source.with_suffix(".ipynb").relative_to(ROOT))
    return True


def _check(source: Path, _: bool) -> bool:
    """Say what keeps a page from being published; tell whether nothing."""
    from tools import gate

    found = list(gate.problems(source))
    for problem in found:
        print(problem, file=sys.stderr)
    return not found


def _pull(source: Path, force: bool) -> bool:
    """Pull a page, and say so; tell whether that went well."""
    try:
        changed = pull(source, force)
    except (ValueError, OSError) as error:
        print(error)
        return False
    if changed:
        print(f"{file_of(source)} has the notebook's cells; {rerun(source)}")
    else:
        print(f"{file_of(source)} and its notebook have the same cells")
    return True


def _run(source: Path, force: bool) -> bool:
    """Run a page with a line of progress; tell whether it ran through."""
    print(f"{name(source)} ... ", end="", flush=True)
    start = time.perf_counter()
    try:
        notebook = run(source, force)
    except (EditedError, UnreadableError) as error:
        print(f"not stored: {error}")
        return False
    except (CellControlSignal, DeadKernelError) as error:
        print(f"failed; the stored notebook is as it was\n{error}")
        return False
    except OSError as error:  # no right to write, no space, ...
        print(f"not stored: {error}")
        return False
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    print(f"{cells} cells in {time.perf_counter() - start:.1f} s")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
