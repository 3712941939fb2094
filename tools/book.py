"""The chapters: which files they are, how they run, what their pairs owe.

This is the one place that knows which files are chapters. Run it as

    python -m tools.book list [CHAPTER]     the notebooks, a line each
    python -m tools.book run [CHAPTER]      execute, and store the outputs
    python -m tools.book check [CHAPTER]    compare each .py with its .ipynb

where CHAPTER is a number such as 03, which stands for the chapter and for its
solutions, or one file.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat import NotebookNode

from tools import warm_kernels

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
SOLUTIONS = "solutions"  # the folder beside the chapters
TIMEOUT = 120  # seconds for one cell
# Of a cell that only a chapter's copy for Colab has; no test runs it.
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


def read_source(source: Path) -> NotebookNode:
    """The notebook that a ``.py`` file says, without outputs."""
    import jupytext  # it takes a while, and the site's build goes without

    # Read as text: jupytext.read(path) would look for settings around it.
    return jupytext.reads(source.read_text("utf-8"), fmt="py:percent")


def read_stored(source: Path) -> NotebookNode:
    """The notebook beside a ``.py`` file, as it is stored; unvalidated."""
    return nbformat.v4.reads(source.with_suffix(".ipynb").read_text("utf-8"))


def client(notebook: NotebookNode, folder: Path) -> NotebookClient:
    """What executes a chapter's cells, as JupyterLab would."""
    return NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        coalesce_streams=True,
        record_timing=False,
        # Not the notice about unencrypted loopback that each kernel prints.
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )


def run(source: Path) -> NotebookNode:
    """Execute a chapter from top to bottom and store it beside its source.

    The same chapter run twice gives the same file, up to what its cells
    compute: cell ids follow from the sources, and nothing about the time or
    the machine is kept.

    Returns:
        The notebook, as stored.

    Raises:
        CellExecutionError: if a cell fails that isn't tagged
            ``raises-exception``; the stored notebook stays as it was.
        CellTimeoutError, DeadKernelError: likewise.
    """
    notebook = read_source(source)
    # The stored outputs are those of the CPU, on every machine.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    client(notebook, source.parent).execute(env=environment)
    # JupyterLab compares the pair by these, whichever file is the newer one.
    notebook.metadata.jupytext = _jupytext_filters()
    notebook.metadata.language_info.pop("version")
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = cell_name(cell.source)
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest + (f"-{seen[digest]}" if seen[digest] > 1 else "")
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                output.traceback = own_frames(output.traceback)
    # Complete or not at all, also if two runs meet.
    target = source.with_suffix(".ipynb")
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        nbformat.write(notebook, Path(folder) / target.name)
        os.replace(Path(folder) / target.name, target)
    return notebook


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


def _jupytext_filters() -> dict[str, str]:
    settings = tomllib.loads((ROOT / "jupytext.toml").read_text("utf-8"))
    return {k: v for k, v in settings.items() if k.endswith("_filter")}


def own_frames(traceback: list[str]) -> list[str]:
    """The traceback without frames from files, whose paths are a machine's."""
    return [f for f in traceback if not without_colors(f).startswith("File ")]


def without_colors(text: str) -> str:
    """The text without the escape sequences that color it in a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def problems(source: Path) -> Iterator[str]:
    """What keeps a chapter's pair from being published, a line each."""
    target = source.with_suffix(".ipynb")
    remedy = f"run `make run CH={number(source):02}`"
    if not target.is_file():
        yield f"{target.name} is missing: {remedy}"
        return
    try:
        notebook = read_stored(source)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises errors of many kinds
        yield f"{target.name} isn't a notebook ({error}): {remedy}"
        return
    ours = read_source(source).cells
    theirs = notebook.cells
    if len(ours) != len(theirs):
        yield (
            f"{source.name} has {len(ours)} cells, {target.name} has "
            f"{len(theirs)}: {remedy}"
        )
    for i, (mine, stored) in enumerate(zip(ours, theirs, strict=False)):
        if _content(mine) != _content(stored):
            yield (
                f"cell {i + 1} of {source.name} and of {target.name} "
                f"differ: {remedy}, or copy the edit to the .py first\n"
                f"  .py:    {_first_difference(mine, stored)}\n"
                f"  .ipynb: {_first_difference(stored, mine)}"
            )
            return  # all that follow may differ by being shifted
    if notebook.metadata.get("jupytext") != _jupytext_filters():
        yield f"{target.name} lacks the settings of jupytext.toml: {remedy}"
    code = [cell for cell in theirs if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield (
            f"{target.name} wasn't run in one go from its first cell to its "
            f"last (cells ran as {counts}): {remedy}"
        )
    for cell in code:
        for output in cell.outputs:
            frames = output.get("traceback", [])
            if own_frames(frames) != frames:
                yield (
                    f"In [{cell.execution_count}] of {target.name} shows "
                    f"paths of this machine in its traceback: {remedy}"
                )
        tagged = "raises-exception" in cell.metadata.get("tags", [])
        kinds = {output.output_type for output in cell.outputs}
        if tagged != ("error" in kinds):
            yield (
                f"In [{cell.execution_count}] of {target.name} "
                + ("doesn't raise" if tagged else "raises")
                + ", and it is "
                + ("" if tagged else "not ")
                + "tagged raises-exception"
            )


def _content(cell: NotebookNode) -> tuple:
    """What the two files must share; a .py file has no room for more."""
    attachments = cell.get("attachments", {})
    return cell.cell_type, cell.source, cell.metadata, attachments


def _first_difference(cell: NotebookNode, other: NotebookNode) -> str:
    """The first line of a cell that another lacks; its metadata if none."""
    if cell.cell_type != other.cell_type:
        return f"a {cell.cell_type} cell"
    lines = [*cell.source.splitlines(), ""]
    others = [*other.source.splitlines(), ""]
    for line, another in zip(lines, others, strict=False):
        if line != another:
            return repr(line)
    if cell.source != other.source:
        return f"{len(lines) - 1} lines"
    attachments = list(cell.get("attachments", {}))
    return f"metadata {dict(cell.metadata)}, attachments {attachments}"


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    commands = {"list", "run", "check"}
    if not arguments or arguments[0] not in commands or len(arguments) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    command, which = arguments[0], "".join(arguments[1:])
    try:
        chosen = pages(which)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    if command == "run":
        print(warm_kernels.use())
        warm_kernels.preload()
    done = [_do(command, source) for source in chosen]
    return 0 if all(done) else 1


def _do(command: str, source: Path) -> bool:
    """Carry out a command on a chapter; tell whether all is well."""
    if command == "list":
        print(source.with_suffix(".ipynb").relative_to(ROOT))
        return True
    if command == "run":
        return _run_and_report(source)
    found = list(problems(source))
    for problem in found:
        print(problem, file=sys.stderr)
    return not found


def _run_and_report(source: Path) -> bool:
    """Run a chapter with a line of progress; tell whether it ran through."""
    print(f"{name(source)} ... ", end="", flush=True)
    start = time.perf_counter()
    try:
        notebook = run(source)
    except (CellControlSignal, DeadKernelError) as error:
        print(f"failed; the stored notebook is as it was\n{error}")
        return False
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    print(f"{cells} cells in {time.perf_counter() - start:.1f} s")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
