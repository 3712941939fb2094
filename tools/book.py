"""The commands for the pages: execute them, bring edits back, check, list.

    python -m tools.book list [CHAPTER]     the notebooks, a line each
    python -m tools.book run [CHAPTER]      execute, and store the outputs
    python -m tools.book prose [CHAPTER]    store prose; the outputs stay
    python -m tools.book pull [CHAPTER]     bring a notebook's edits to its .py
    python -m tools.book check [CHAPTER]    say what keeps it from publication

where CHAPTER is a number such as 03, which stands for the chapter and for its
solutions, or one file. A number stands for their translations, too: `run`
executes the original and makes the notebooks of its translations from that.
`prose` does likewise without executing anything, for a page whose code is as
it was run. `run`, `prose` and `pull` keep a file that has edits which the
other lacks; with --force at the end, `run` and `pull` overwrite it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from operator import eq
from pathlib import Path

import nbformat
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat import NotebookNode

from nbval_strict import warm_kernels
from nbval_strict.client import Client, client_of
from tools import files, gate, pairs, translation
from tools.folders import write_whole
from tools.own_edits import difference, require_none_in_notebook, script
from tools.page import TIMEOUT, Page, pages, with_translations
from tools.predictions import TAGS
from tools.variants import made, stored


def client(notebook: NotebookNode, folder: Path) -> Client:
    """What executes a chapter's cells, as JupyterLab would."""
    return client_of(notebook, folder, TIMEOUT)


def run(page: Page, force: bool = False) -> NotebookNode:
    """Execute a chapter from top to bottom and store it beside its source.

    The same chapter run twice gives the same file, up to what its cells
    compute: cell ids follow from the sources, and nothing about the time or
    the machine is kept.

    Args:
        page (Page): which one.
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
    notebook = files.read_source(page)
    target = page.notebook
    if target.is_dir():
        files.read_stored(page)  # which says so
    before = target.read_bytes() if target.is_file() else b""
    if before.strip() and not force:
        require_none_in_notebook(page, notebook)
    pairs.remember(notebook)
    # The stored outputs are those of the CPU, on every machine.
    environment = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "D2L_LANGUAGE": page.language,
    }
    client(notebook, page.folder).execute(env=environment)
    notebook = made(page, notebook, stored.variant(files.settings()))
    if before != (target.read_bytes() if target.is_file() else b""):
        raise files.EditedError(
            f"{target.name} was changed while it ran: run it again"
        )
    write_whole(target, nbformat.writes(notebook) + "\n")
    return notebook


def store_prose(page: Page) -> None:
    """Store the prose of a page whose code hasn't changed since it was run.

    The outputs stay, and so do times that a run would measure anew.

    Args:
        page (Page): an original.

    Raises:
        UnreadableError: if one of the files can't be read.
        EditedError: if the stored notebook has edits that its source lacks.
        ValueError: if there is other code.
    """
    new, old = files.read_source(page), files.read_stored(page)
    require_none_in_notebook(page, new)
    if _code(new) != _code(old):
        raise ValueError(
            f"{page.shown()} has other code than was run: {files.rerun(page)}"
        )
    variant = [stored.with_outputs_of(old), stored.named, stored.remembering]
    text = nbformat.writes(made(page, new, variant)) + "\n"
    write_whole(page.notebook, text)


def _code(notebook: NotebookNode) -> list[tuple]:
    """What of a notebook decides what its cells give."""
    return [
        (pairs.text(cell), {*cell.metadata.get("tags", [])} - {*TAGS})
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def pull(page: Page, force: bool = False) -> bool:
    """Write the cells of a stored notebook into its source.

    Args:
        page (Page): which one.
        force (bool): whether to overwrite what only the source has.

    Returns:
        Whether there was something to write.

    Raises:
        UnreadableError: if one of the files can't be read.
        EditedError: if the source has edits that the notebook lacks.
        ValueError: if a ``.py`` file can't hold the notebook's cells.
    """
    new, old = files.read_stored(page), files.read_source(page)
    mine, yours = pairs.digests(old), pairs.digests(new)
    if mine == yours:
        return False
    if not force and pairs.has_own_edits(mine, yours, pairs.origin(new)):
        raise files.EditedError(
            f"{page.path}.py has changes that its notebook lacks\n"
            f"{difference(page, old, new)}\n"
            "To keep both, copy the notebook's to the .py by hand, then "
            f"{files.rerun(page)}.\nTo discard those of the .py, run "
            f"`make pull CH={page.shown()} FORCE=1`."
        )
    for cell in pairs.cells(new):
        if attached := ", ".join(cell.get("attachments", {})):
            raise ValueError(
                f"{page.path}.py has no place for what is pasted into a "
                f"cell ({attached}): delete it from the notebook"
            )
    text = script(page, old, new)
    said = pairs.digests(files.parsed(text))
    if said != yours:
        stays = zip(said, yours, strict=False)
        first = sum(1 for _ in takewhile(lambda pair: eq(*pair), stays))
        cell = pairs.cells(new)[min(first, len(yours) - 1)]
        raise ValueError(
            f"{page.path}.py can't say the cell that begins with "
            f"{cell.source.partition(chr(10))[0]!r}: it holds a line that "
            "begins with `# %%`, or a character that ends a line oddly; "
            "change it in the notebook"
        )
    write_whole(page.source, text)
    return True


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    commands = {
        "list": _list,
        "run": _run,
        "prose": _prose,
        "pull": _pull,
        "check": _check,
    }
    force = arguments[-1:] == ["--force"]
    command, *which = arguments[: len(arguments) - force] or [""]
    if command not in commands or len(which) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    if force and command not in ("run", "pull"):
        print(f"{command} has no --force", file=sys.stderr)
        return 2
    try:
        chosen = _chosen(command, "".join(which))
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    commands["run"] = partial(_run, chosen=chosen)
    if command == "run" and any(page.is_original for page in chosen):
        print(warm_kernels.use(), flush=True)
        warm_kernels.preload()
    try:
        done = [commands[command](page, force) for page in chosen]
    except KeyboardInterrupt:
        print("stopped; the stored notebook is as it was")
        return 130
    return 0 if all(done) else 1


def _chosen(command: str, which: str) -> list[Page]:
    """The pages that are meant, each with its translations behind it.

    What is listed are the pages that are tested: the originals. A handout may
    have translations alone.
    """
    found = pages(which)
    if command != "list":
        return with_translations(found)
    originals = [page.original for page in found if page.original.is_there]
    return list(dict.fromkeys(originals)) or found


def _list(page: Page, _: bool) -> bool:
    print(page.shown(".ipynb"))
    return True


def _check(page: Page, _: bool) -> bool:
    """Say what keeps a page from being published; tell whether nothing."""
    found = list(gate.problems(page))
    for problem in found:
        print(problem, file=sys.stderr)
    return not found


def _pull(page: Page, force: bool) -> bool:
    """Pull a page, and say so; tell whether that went well."""
    try:
        changed = pull(page, force)
    except (ValueError, OSError) as error:
        print(error)
        return False
    if changed:
        print(f"{page.shown()} has the notebook's cells; {files.rerun(page)}")
    else:
        print(f"{page.shown()} and its notebook have the same cells")
    return True


def _prose(page: Page, _: bool) -> bool:
    """Store the prose of a page, and say so; tell whether that went well."""
    try:
        if page.is_original:
            store_prose(page)
        else:
            translation.store(page)
    except (ValueError, OSError) as error:
        print(f"not stored: {error}")
        return False
    print(f"{page.shown('.ipynb')} has the prose of its source")
    return True


def _run(page: Page, force: bool, chosen: Sequence[Page] = ()) -> bool:
    """Run a page with a line of progress; tell whether it ran through.

    A translation that comes along with its original waits for `make sync`,
    where it is out of step: that is no fault of the run.
    """
    print(f"{page.path} ... ", end="", flush=True)
    start = time.perf_counter()
    try:
        if not page.is_original:
            translation.store(page, force)
            print("made from the original")
            return True
        notebook = run(page, force)
    except translation.OutOfStepError as error:
        waits = page.original in chosen
        print(f"{'it waits' if waits else 'not stored'}: {error}")
        return waits
    except ValueError as error:  # edited, or unreadable
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
