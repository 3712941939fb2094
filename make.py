"""Set up this project and use it, with Python alone; `make` calls this too.

    python make.py setup              install what the chapters and tests need
    python make.py lab [OPTION...]    read in JupyterLab, in your workbook
    python make.py edit [OPTION...]   edit the chapters themselves, for authors
    python make.py progress           which exercises are solved
    python make.py restore 03         the original of a page of your workbook
    python make.py test [CHAPTER]     test the code, the pairs and every cell
    python make.py lint               check the style of the code
    python make.py clean              remove what was built, and the caches
    python make.py -m MODULE ...      run a module, such as tools.site

A command sets up what it needs: once, and again when the dependencies have
changed. Settings come last, as in `python make.py setup TORCH=cpu`, or from
the environment:

    VENV=folder    another environment than .venv, or than conda's active one
    TORCH=cpu      PyTorch from its own index of builds for the CPU
    SETUP=0        take the environment as it is, and install nothing
    EDITION=zh     for lab, edit, progress, restore: pages in this language
    WARM=0         for lab, edit, test: no kernels that start fast (on Linux)
    DEVICE=pretend for test: the pages, on a GPU that isn't there
    FRESH=1        for test: also what has passed, and is as it was
    ROOM=files     for test: these alone, such as tests/nbval_strict
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tools.environment import (
    ROOT,
    check_version,
    environment,
    python_of,
    set_up,
)
from tools.handed_out import tidy

# The tests whose ids begin with a chapter's name; a handout has the first.
OF_A_CHAPTER = [
    "tests/test_chapters.py",
    "tests/test_exercises.py",
    "tests/check/test_answers.py",
]
# What `clean` removes, besides caches: all that the tools write.
BUILT = [
    "_build/benchmarks",
    "_build/handout",
    "_build/html",
    "_build/html-work",
    "_build/links",
    "_build/screenshots",
    "_build/single",
    "_build/vnu",
    "mutants",
    ".pytest_cache",
    ".ruff_cache",
]


def hand_over(python: Path, *command: str) -> int:
    """Run a command of the environment's Python in the place of this one."""
    sys.stdout.flush()
    command = [str(python), *command]
    if sys.platform != "win32":
        os.execv(command[0], command)
    # Ctrl-C is for the command, which may ask what to do.
    signal.signal(signal.SIGINT, lambda *_: None)
    return subprocess.call(command)


def lab(python: Path, options: list) -> int:
    """Open the front page of the workbook, with more options for JupyterLab.

    It is brought up to date before, and shows the progress.
    """
    command = [str(python), "-m", "d2l_reader", "open", edition()]
    done = subprocess.run(command, stdout=subprocess.PIPE)
    *said, page = done.stdout.decode().splitlines() or [""]
    for line in said:
        print(line)
    return done.returncode or jupyterlab(python, page, options)


def edit(python: Path, options: list) -> int:
    """Open the front page of the chapters, as :func:`lab`, for an author."""
    from tools.page import front_page, require_language

    try:
        require_language(edition())
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    page = front_page(edition()).relative_to(ROOT).as_posix()
    return jupyterlab(python, page, options)


def edition() -> str:
    """The language of the pages, as it was chosen; "" if none was."""
    return os.environ.get("EDITION", "")


def jupyterlab(python: Path, page: str, options: list) -> int:
    """Start JupyterLab at a page."""
    warm = ["--config=tools/lab/warm.py"]
    return hand_over(
        python,
        "-m",
        "jupyterlab",
        "--ServerApp.root_dir=.",
        "--LabApp.app_settings_dir=tools/lab",
        f"--LabApp.default_url=/lab/tree/{page}",
        *(warm if os.environ.get("WARM") != "0" else []),
        *options,
    )


def lint(python: Path) -> int:
    """Check the style of the code; return the exit status."""
    ruff = [str(python), "-m", "ruff"]
    return subprocess.call([*ruff, "check"]) or subprocess.call(
        [*ruff, "format", "--check"]
    )


def test(python: Path, chapter: str) -> int:
    """Test everything, or what belongs to one chapter.

    What has passed before isn't run again, but by CI and with ``FRESH=1``.
    """
    os.environ.setdefault("FRESH", "1" if os.environ.get("CI") else "0")
    status = lint(python)
    pytest = ["-m", "pytest"]
    workers = ["-n", "auto", "--maxprocesses=4"]
    pretend = os.environ.get("DEVICE") == "pretend"
    if status and not chapter:
        return status
    if pretend:  # each cell once, as a reader has it who runs them all
        pytest += ["-o", "nbval_strict_twice=false"]
    elif not chapter:
        rooms = os.environ.get("ROOM", "").split()
        files = [p for room in rooms for p in sorted(Path().glob(room))]
        if rooms and not files:
            print(f"No tests are called {' '.join(rooms)}", file=sys.stderr)
            return 2
        return hand_over(python, *pytest, *workers, *map(str, files))
    command = [str(python), "-m", "tools.book", "list", chapter]
    listed = subprocess.run(command, stdout=subprocess.PIPE)
    if listed.returncode:
        return listed.returncode
    notebooks = listed.stdout.decode().split()
    files = list(filter(os.path.exists, notebooks))
    if not pretend:
        files = [path for path in OF_A_CHAPTER if Path(path).exists()] + files
    chosen = ["-k", Path(notebooks[0]).stem] if chapter else workers
    if status:  # its style isn't all that is to be told
        subprocess.call([str(python), *pytest, *files, *chosen])
        return status
    return hand_over(python, *pytest, *files, *chosen)


def worked_in(built: Path) -> bool:
    """Whether somebody has changed what the tools made, or added to it."""
    if built.name not in ("handout", "html", "single") or not built.is_dir():
        return False
    from tools.folders import changed  # an old Python can't read it

    work = built.with_name("html-work")
    if built.name == "html":
        return bool(changed(built, work / "site.json"))
    for path in built.iterdir():
        record = work / f"{path.stem}.json"
        if built.name == "handout":
            record = built / f".{path.stem}.json"
        if path.suffix != ".json" and changed(path, record):
            return True
    return False


def clean() -> None:
    """Remove what the tools have built, and the caches, and nothing else.

    What lies behind a symbolic link stays, and so do environments, whatever
    they are called, and a folder in which somebody has worked.
    """
    worked = [path for path in map(Path, BUILT) if worked_in(path)]
    for path in map(Path, BUILT):
        if any(p.is_symlink() for p in (path, path.parent)):
            print(f"{path} is behind a symbolic link, and stays")
        elif path in worked:
            print(f"{path} isn't as it was made, and stays")
        elif path.name == "html-work" and worked:
            continue  # it says what was made
        elif path.is_dir():
            shutil.rmtree(path)
    for folder, names, files in os.walk("."):
        if "pyvenv.cfg" in files or "conda-meta" in names:
            names.clear()
        cache = Path(folder, "__pycache__")
        if cache.is_dir() and not cache.is_symlink():
            shutil.rmtree(cache)
        names[:] = [n for n in names if n[0] != "." and n != "__pycache__"]
        if folder == ".":  # a reader's, and those of the users of a hub
            names[:] = [n for n in names if n not in ("hub", "workbook")]
    build = Path("_build")
    if build.is_dir() and not build.is_symlink():
        for path in sorted(set(build.iterdir()) - set(map(Path, BUILT))):
            print(f"{path} isn't of the tools, and stays")
        if not any(build.iterdir()):
            build.rmdir()


def main(arguments: list) -> int:
    """Run the command line of this file; return its exit status."""
    while len(arguments) > 1 and re.match("[A-Z]+=", arguments[-1]):
        name, _, value = arguments.pop().partition("=")
        os.environ[name] = value
    if os.environ.get("VENV"):  # from the folder where the user is
        venv = os.path.expanduser(os.environ["VENV"])
        os.environ["VENV"] = os.path.abspath(venv)
    # As on Linux and macOS: a check mark goes into a pipe, and UTF-8 in files.
    os.environ.setdefault("PYTHONUTF8", "1")
    os.chdir(ROOT)
    command, rest = "".join(arguments[:1]), [a for a in arguments[1:] if a]
    for line in tidy(ROOT):
        print(line, file=sys.stderr)
    if command == "setup":
        set_up(rest)
    elif command == "lab":
        return lab(set_up(), rest)
    elif command == "edit":
        return edit(set_up(), rest)
    elif (command, len(rest)) in (("progress", 0), ("restore", 1)):
        python = python_of(environment())
        if python is None:  # it needs nothing but Python
            check_version(sys.version_info[:2], "Run `make setup` first.")
            python = Path(sys.executable)
        return hand_over(python, "-m", "d2l_reader", command, *rest, edition())
    elif command == "test" and len(rest) < 2:
        return test(set_up(), "".join(rest))
    elif command == "lint" and not rest:
        return lint(set_up())
    elif command == "clean" and not rest:
        clean()
    elif command == "-m" and rest:
        return hand_over(set_up(), *arguments)
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # In a pipe on Windows, some letters have no place.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("\nStopped. The same command goes on from here.")
    except OSError as error:  # no space, no right to write, ...
        sys.exit(f"{type(error).__name__}: {error}")
