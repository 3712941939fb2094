"""Run the notebook tests again and again, under changing conditions.

    python -m nbval_strict.flakes RUNS NOTEBOOK...

from the root of a checkout, which has git and pytest-xdist. Each run takes
the notebooks in a random order, with a random hash seed. The conditions below
are combined in turn: the number of torch's threads, a path with spaces and
with letters beyond ASCII, folders of notebooks that can't be written to, each
cell twice in a row, and a second run at the same time. Everything happens in
copies of what git tracks. Exit status 1 if a run failed; what it printed is
kept.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import cycle, product
from pathlib import Path

CONDITIONS = {
    "threads": (1, 2),
    "path": ("plain", "Ein Ort für 书"),
    "notebooks": ("writable", "read-only"),
    "each cell": ("once", "twice"),
    "runs at once": (1, 2),
}
TIMEOUT = 900  # seconds for one run


def copy_of_checkout(place: Path, root: Path | None = None) -> None:
    """Copy what git tracks into a new folder.

    Args:
        place (Path): the new folder.
        root (Path): what to copy; the current folder, if it isn't given.
    """
    root = root or Path.cwd()
    command = ["git", "ls-files", "-z"]
    listed = subprocess.check_output(command, cwd=root, text=True)
    for file in listed.rstrip("\0").split("\0"):
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / file, place / file)


def set_writable(folder: Path, writable: bool) -> None:
    """Let the owner write to a folder and what is in it, or nobody."""
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o200 if writable else mode & ~0o222)


def start(
    checkout: Path, notebooks: list[str], threads: int, twice: bool, log: Path
) -> subprocess.Popen:
    """Start the notebook tests of a copy of the checkout.

    Args:
        checkout (Path): the copy.
        notebooks (list of str): their paths there.
        threads (int): how many torch is to use.
        twice (bool): whether each cell is run twice.
        log (Path): the file that gets all that is printed. The run has its
            temporary files beside it.
    """
    log.with_suffix("").mkdir()
    notebooks = random.sample(notebooks, len(notebooks))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command += ["-n", "2", "-o", f"nbval_strict_twice={twice}"]
    if os.geteuid() == 0:  # root may write anywhere, unless it gives this up
        rights = "--bounding-set=-dac_override,-dac_read_search"
        command = ["setpriv", rights, *command]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": str(random.randrange(2**32)),
        "PYTHONPATH": str(checkout),  # its modules, not installed ones
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(log.with_suffix("")),  # one that is killed leaves some
    }
    with open(log, "w") as output:
        return subprocess.Popen(
            [*command, *notebooks],
            cwd=checkout,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def ends_well(process: subprocess.Popen) -> bool:
    """Wait for a run, and tell whether it passed in time."""
    try:
        return process.wait(TIMEOUT) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


def flakes(
    runs: int, notebooks: list[str], folder: Path
) -> tuple[Counter, Counter]:
    """Do the runs.

    Args:
        runs (int): how many.
        notebooks (list of str): their paths, from the current folder.
        folder (Path): gets the copies of the checkout, while it runs, and
            the output of each run that fails.

    Returns:
        By condition, such as ``("threads", 1)``, the number of runs, and of
        those that failed.
    """
    places = {name: folder / name for name in CONDITIONS["path"]}
    try:
        for place in places.values():
            copy_of_checkout(place)
        return _run_all(runs, notebooks, folder, places)
    finally:  # also after Ctrl-C
        for place in filter(Path.exists, places.values()):
            set_writable(place, True)
            shutil.rmtree(place)


def _run_all(
    runs: int,
    notebooks: list[str],
    folder: Path,
    places: dict[str, Path],
) -> tuple[Counter, Counter]:
    done, failed = Counter(), Counter()
    for values in cycle(product(*CONDITIONS.values())):
        threads, path, rights, times, together = values
        checkout = places[path]
        for home in {Path(notebook).parent for notebook in notebooks}:
            set_writable(checkout / home, rights == "writable")
        logs = [
            folder / f"run-{done.total() // len(CONDITIONS) + i + 1:03}.txt"
            for i in range(min(together, runs))
        ]
        started = [
            (start(checkout, notebooks, threads, times == "twice", log), log)
            for log in logs
        ]
        for process, log in started:
            try:
                well = ends_well(process)
            except KeyboardInterrupt:  # which they get as well
                for other, _ in started:
                    other.wait()
                raise
            shutil.rmtree(log.with_suffix(""), ignore_errors=True)
            lines = log.read_text("utf-8").splitlines()
            print(log.stem, *values, *lines[-1:], sep=" | ", flush=True)
            done.update(zip(CONDITIONS, values, strict=True))
            if well:
                log.unlink()
            else:
                failed.update(zip(CONDITIONS, values, strict=True))
        runs -= len(logs)
        if runs <= 0:
            return done, failed


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    runs, *notebooks = arguments or [""]
    missing = [name for name in notebooks if not Path(name).is_file()]
    if missing or not runs.isdecimal() or not notebooks:
        for name in missing:
            print(f"there is no file {name}", file=sys.stderr)
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="flakes-"))
    try:
        done, failed = flakes(int(runs), notebooks, folder)
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        print("interrupted", file=sys.stderr)
        return 130
    print("| condition | runs | failed |\n|---|---|---|")
    for name, values in CONDITIONS.items():
        for value in values:
            key = (name, value)
            print(f"| {name}: {value} | {done[key]} | {failed[key]} |")
    if failed:
        print(f"What the failed runs printed is in {folder}")
        return 1
    folder.rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
