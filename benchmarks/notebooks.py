"""The notebook tests against other ways to run the same notebooks.

Run from the root of the checkout, with the extra `bench` installed:

    python -m benchmarks.notebooks times [ROUNDS]   the ways, in turn (5)
    python -m benchmarks.notebooks growth           7, 28 and 112 chapters
    python -m benchmarks.notebooks memory           a kernel after its chapter

With `WARM=0`, `memory` measures ordinary kernels, as readers have them.

`times` also draws a chart, `benchmarks/notebooks.svg`. The floor is
one Python process that has imported what the chapters import, and then runs
all their code cells and renders the figures, but compares nothing.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from nbval_strict import flakes, warm_kernels
from tools import book, files
from tools.environment import ROOT
from tools.page import CHAPTERS, chapters

MOST_MEMORY = 1.25  # of that of a bare import
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
ONCE = ["-o", "nbval_strict_twice=false", "-p", "no:tests.after_cells"]
OURS, FLOOR = "make test-notebooks", "floor"
GOALS = {  # at most so much of the time of another way
    "pytest --nbmake -n 2": 0.35,
    "pytest --nbval": 0.4,
    FLOOR: 1.5,
}
RUN_PAPERMILL = """
import sys, tempfile, textwrap
import nbformat, papermill
with tempfile.TemporaryDirectory() as folder:
    for path in sys.argv[1:]:
        notebook = nbformat.read(path, 4)
        for cell in notebook.cells:  # papermill would end at such an error
            if "raises-exception" in cell.metadata.get("tags", []):
                body = textwrap.indent(cell.source, "    ")
                cell.source = f"try:\\n{body}\\nexcept Exception: pass"
        nbformat.write(notebook, f"{folder}/in.ipynb")
        papermill.execute_notebook(
            f"{folder}/in.ipynb", f"{folder}/out.ipynb", cwd="chapters",
            kernel_name="python3", progress_bar=False,
        )
"""
RUN_FLOOR = """
import os, sys, time
import matplotlib, matplotlib.pyplot, networkx, nbformat, safetensors.torch
import scipy.optimize, sklearn.datasets, torch, torch.fx
from IPython.core.interactiveshell import InteractiveShell
from d2l_helpers import d2l
notebooks = [nbformat.read(path, 4) for path in sys.argv[1:]]
os.chdir("chapters")
shell = InteractiveShell.instance()
matplotlib.use("module://matplotlib_inline.backend_inline")
threads = torch.get_num_threads()
sys.stdout = sys.stderr = open(os.devnull, "w")
start = time.perf_counter()
for notebook in notebooks:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shell.run_cell(cell.source)
    shell.reset(new_session=False)
    torch.set_num_threads(threads)
print(time.perf_counter() - start, file=sys.__stdout__)
"""
BARE = "import torch, matplotlib.pyplot; print(flush=True); input()"


def ways(files: list[str]) -> dict[str, list[str]]:
    """The commands to compare, by what the table calls them.

    Args:
        files (list[str]): the notebooks.
    """
    plain = [*PYTEST, "-c", "plain.ini", "--noconftest"]
    return {
        OURS: [*PYTEST, *ONCE, "-n", "2", *files],
        "pytest --nbval": [*plain, "--nbval", *files],
        "pytest --nbval -n 2 --dist loadfile": [
            *[*plain, "--nbval", "-n", "2", "--dist", "loadfile"],
            *files,
        ],
        "pytest --nbmake -n 2": [*plain, "--nbmake", "-n", "2", *files],
        "papermill": [sys.executable, "-c", RUN_PAPERMILL, *files],
        FLOOR: [sys.executable, "-c", RUN_FLOOR, *files],
    }


def seconds(command: list[str], folder: Path) -> float:
    """How long a command takes, from its start to its end.

    The floor says itself how long its cells took.

    Raises:
        RuntimeError: if it fails, but for nbval by itself, which compares
            the text of each SVG.
    """
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    duration = time.perf_counter() - start
    if done.returncode > ("plain.ini" in command and "--nbval" in command):
        raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")
    return float(done.stdout) if RUN_FLOOR in command else duration


def chapters_in(folder: Path, copies: int = 1) -> list[str]:
    """Copy the notebooks, and what tests them, into a folder."""
    flakes.copy_of_checkout(folder)
    (folder / "plain.ini").write_text("[pytest]\n")
    copied = []
    for i in range(copies):
        for chapter in chapters():
            file = f"{CHAPTERS.name}/{chapter.stem}_{i}.ipynb"
            shutil.copy(chapter.notebook, folder / file)
            copied.append(file)
    return copied


def times(rounds: int) -> int:
    """Compare the ways, and say which goals are met; return 1 if one isn't."""
    results = {}
    with tempfile.TemporaryDirectory() as place:
        commands = ways(chapters_in(Path(place)))
        for i in range(rounds):
            for name, command in commands.items():
                took = seconds(command, Path(place))
                results.setdefault(name, []).append(took)
                print(f"{i + 1}: {name}: {took:.1f} s", file=sys.stderr)
    medians = {name: statistics.median(t) for name, t in results.items()}
    ours = medians[OURS]
    print("| way | median, s | from, to | our time to its time | at most |")
    print("|---|---|---|---|---|")
    for name, took in results.items():
        print(
            f"| {name} | {medians[name]:.1f} | {min(took):.1f}, "
            f"{max(took):.1f} | {ours / medians[name]:.2f} "
            f"| {GOALS.get(name, '')} |"
        )
    draw(medians)
    missed = [n for n, goal in GOALS.items() if ours > goal * medians[n]]
    return int(bool(missed))


def draw(medians: dict[str, float]) -> None:
    """Write a chart of the medians."""
    import matplotlib.pyplot as plt

    target = ROOT / "benchmarks" / "notebooks.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
    colors = ["C1" if name == OURS else "C0" for name in medians]
    bars = ax.barh(list(medians), list(medians.values()), color=colors)
    ax.bar_label(bars, fmt=" %.1f s")
    ax.invert_yaxis()
    ax.set_xlabel("seconds for all chapters, median")
    ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(target)
    print(f"The chart is {target.relative_to(ROOT)}.")


def growth() -> int:
    """Time our tests of more and more copies; return 1 off the line."""
    took = {}
    for copies in (1, 4, 16):
        with tempfile.TemporaryDirectory() as place:
            files = chapters_in(Path(place), copies)
            command = ways(files)[OURS]
            took[len(files)] = seconds(command, Path(place))
    # The straight line through the origin that is nearest, by least squares.
    slope = sum(n * t for n, t in took.items()) / sum(n * n for n in took)
    print("| chapters | seconds | on the line | ratio |\n|---|---|---|---|")
    for n, t in took.items():
        print(f"| {n} | {t:.1f} | {slope * n:.1f} | {t / (slope * n):.2f} |")
    return int(any(abs(t / (slope * n) - 1) > 0.1 for n, t in took.items()))


def memory_of(pid: int) -> dict[str, float]:
    """The MiB of a process: all it sees, and its share of what is shared."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = dict(line.split(":") for line in lines)
    return {k: int(sizes[k].split()[0]) / 1024 for k in ("Rss", "Pss")}


def memory() -> int:
    """Compare kernels after their chapters with a bare import."""
    command = [sys.executable, "-c", BARE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as bare:
        bare.stdout.readline()
        least = memory_of(bare.pid)
        bare.communicate(b"\n")
    print(warm_kernels.use())
    print("| process | RSS, MiB | PSS, MiB | RSS to bare | CPU, s |")
    print("|---|---|---|---|---|")
    print(f"| bare import | {least['Rss']:.0f} | {least['Pss']:.0f} | 1 | |")
    largest = 0
    for chapter in chapters():
        notebook = files.read_source(chapter)
        client = book.client(notebook, chapter.folder)
        with client.setup_kernel():
            for i, cell in enumerate(notebook.cells):
                client.execute_cell(cell, i)
            pid = client.km.provisioner.pid
            used = memory_of(pid)
            times = psutil.Process(pid).cpu_times()
        ratio = used["Rss"] / least["Rss"]
        largest = max(largest, ratio)
        print(
            f"| {chapter.stem} | {used['Rss']:.0f} | {used['Pss']:.0f} "
            f"| {ratio:.2f} | {times.user + times.system:.1f} |"
        )
    return int(largest > MOST_MEMORY)


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    match arguments:
        case ["times"]:
            return times(5)
        case ["times", rounds] if rounds.isdecimal() and int(rounds):
            return times(int(rounds))
        case ["growth"]:
            return growth()
        case ["memory"]:
            return memory()
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
