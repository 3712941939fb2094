"""Tests and runs leave no file and no process behind, also after Ctrl-C."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools.environment import ROOT

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="there is no process group here"
)

TESTS = ["-m", "pytest", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
RUN = """
import pathlib
from tools import book, page
page.CHAPTERS = pathlib.Path("{folder}", "page")
raise SystemExit(book.main(["run"]))
"""
COMMANDS = {
    "tests": [*TESTS, "{page}.ipynb"],
    "tests on two workers": [*TESTS, "-n", "2", "{page}.ipynb"],
    "run": ["-c", RUN],
}


@pytest.fixture
def folder():
    # Not tmp_path: a socket's path can't be as long.
    folder = Path(tempfile.mkdtemp())
    for name in ("tmp", "runtime", "page"):
        (folder / name).mkdir()
    yield folder
    shutil.rmtree(folder)


def started(command, folder, code):
    """The process of a command, on a page with one cell."""
    page = folder / "page" / "01_page"
    page.with_suffix(".py").write_text(f"# %%\n{code}\n")
    output = new_output("stream", name="stdout", text="1\n")
    cell = new_code_cell(code, execution_count=1, outputs=[output])
    notebook = new_notebook(cells=[cell])
    nbformat.write(notebook, page.with_suffix(".ipynb"))
    environment = {k: v for k, v in os.environ.items() if "PYTEST" not in k}
    return subprocess.Popen(
        [
            sys.executable,
            *(part.format(folder=folder, page=page) for part in command),
        ],
        cwd=ROOT,
        env={
            **environment,
            "TMPDIR": str(folder / "tmp"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def files(folder):
    """What lies in the folders for temporary files."""
    found = [
        p for name in ("tmp", "runtime") for p in folder.glob(f"{name}/*")
    ]
    # Torch and pytest make one for each user, and keep it.
    kept = ("torchinductor_", "pytest-of-")
    return [
        p for p in found if not p.name.startswith(kept) or any(p.iterdir())
    ]


def processes(folder):
    """The command lines of the processes that use them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                f"TMPDIR={folder}".encode()
                in (process / "environ").read_bytes()
            ):
                found.append((process / "cmdline").read_text())
        except OSError:  # it has ended, or is another user's
            continue
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_left(name, folder):
    process = started(COMMANDS[name], folder, "print(1)")
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert files(folder) == []
    assert processes(folder) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_left_after_ctrl_c(name, folder):
    runs = str(folder / "page" / "runs")
    code = f"open({runs!r}, 'w').close(); import time; time.sleep(60)"
    process = started(COMMANDS[name], folder, code)
    while not (folder / "page" / "runs").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate()
    assert process.returncode, said
    # Pytest keeps those of the last runs that didn't pass.
    for kept in folder.glob("tmp/pytest-of-*"):
        shutil.rmtree(kept)
    assert files(folder) == []
    assert processes(folder) == []
