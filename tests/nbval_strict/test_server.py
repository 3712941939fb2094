"""One process imports for all that a run of tests starts."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nbval_strict import fresh
from nbval_strict.fresh import fresh_python
from nbval_strict.server import SERVER, SHARED, Fork, be_two, why_not
from tests.nbval_strict.specimen import environment, run_pytest, write

FORKS = pytest.mark.skipif(
    why_not() is not None, reason="processes aren't forked here"
)
FACTS = """
import json, os, sys
print(json.dumps({
    "arguments": sys.argv,
    "folder": os.getcwd(),
    "path": sys.path,
    "name": __name__,
    "names": sorted(n for n in globals() if not n.startswith("__")),
    "file": "__file__" in globals(),
    "variables": dict(os.environ),
    "input": sys.stdin.read(),
    "start method": __import__("multiprocessing").get_start_method(),
    "ours": [m for m in sys.modules if m.startswith(("nbval", "_pytest"))],
    "backend": __import__("matplotlib").rcParams._get("backend"),
}))
print("to stderr", file=sys.stderr)
"""


@FORKS
def test_fresh_python_is_what_python_is(tmp_path, monkeypatch):
    variables = {"PYTHONPATH": str(tmp_path), "MPLBACKEND": "svg", "A": "b"}
    options = {"env": variables, "cwd": tmp_path}
    fork = fresh_python(FACTS, "one", **options)
    monkeypatch.setattr(fresh, "why_not", lambda: "a test")
    process = fresh_python(FACTS, "one", **options)
    assert fork.args == process.args
    assert fork.returncode == process.returncode == 0
    assert fork.stderr == process.stderr == "to stderr\n"
    assert json.loads(fork.stdout) == json.loads(process.stdout)


@FORKS
def test_fresh_python_has_torch_and_draws_its_own_numbers():
    code = "import sys; torch = sys.modules['torch']; print(torch.rand(1))"
    first, second = (fresh_python(code).stdout for _ in range(2))
    assert first.startswith("tensor(["), first
    assert first != second


@FORKS
@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("import os; os._exit(4)", 4, ""),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        (
            "1 / 0",
            1,
            "Traceback (most recent call last):\n"
            '  File "<string>", line 1, in <module>\n'
            "ZeroDivisionError: division by zero\n",
        ),
    ],
)
def test_fresh_python_ends_as_python_does(code, status, said):
    done = fresh_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", said)


@FORKS
def test_workers_and_their_kernels_share_one_server(tmp_path):
    """Two pages, each with a kernel, and two files of tests."""
    (tmp_path / "parents").mkdir()
    code = "import os; open(f'parents/{os.getpid()}-{os.getppid()}', 'w');"
    test = (
        "import os\nfrom nbval_strict.fresh import fresh_python\n"
        f"def test_fresh():\n    fresh_python({code!r})\n"
        "    worker = os.environ['PYTEST_XDIST_WORKER']\n"
        "    open(f'parents/{worker}', 'w')\n"
    )
    for name in "ab":
        cells = [new_code_cell(code, execution_count=i) for i in range(1, 9)]
        write(new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
        (tmp_path / f"test_{name}.py").write_text(test)
    options = ["-p", "nbval_strict", "--nbval", "-n2"]
    done = run_pytest(*options, ".", folder=tmp_path)
    assert "20 passed" in done.stdout, done.stdout
    names = [path.name for path in (tmp_path / "parents").iterdir()]
    workers = {name for name in names if name.startswith("gw")}
    parents = {name.split("-")[1] for name in names if name not in workers}
    assert len(names) == len(workers) + 4
    assert len(parents) == 1, names


@pytest.fixture
def short():
    """A temporary folder whose path leaves room for that of a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


@FORKS
def test_nothing_outlives_a_run_that_is_killed(tmp_path, short):
    """Neither the workers nor the server, nor what is forked from it."""
    code = "open('runs', 'w').close(); import time; time.sleep(600)"
    page = new_notebook(cells=[new_code_cell(code, execution_count=1)])
    write(page, tmp_path / "page.ipynb")
    options = ["-p", "no:cacheprovider", "-p", "nbval_strict", "--nbval"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, "-n2", "page.ipynb"],
        cwd=tmp_path,
        env=environment(MARK=str(tmp_path), TMPDIR=short),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (tmp_path / "runs").exists():
            assert process.poll() is None
            time.sleep(0.05)
        assert len(marked(tmp_path)) > 4  # workers, the server, a kernel
        process.kill()
        process.wait(60)
        deadline = time.monotonic() + 60
        while marked(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert marked(tmp_path) == []
    finally:
        for pid in marked(tmp_path):
            os.kill(pid, signal.SIGKILL)


def marked(folder):
    """The processes that have a mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARK={folder}".encode() in (
                (process / "environ").read_bytes()
            ):
                found.append(int(process.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found


def test_fresh_python_is_an_ordinary_process_where_forks_are_not_right(
    monkeypatch,
):
    monkeypatch.setenv("WARM", "0")
    monkeypatch.setattr(SERVER, "start", lambda: 1 / 0)
    code = "import sys; print('torch' in sys.modules)"
    assert fresh_python(code).stdout == "False\n"


class Twin(Fork):
    """A fork that has a server of its own."""

    def run(self):
        be_two()
        super().run()


TWIN = """
import multiprocessing, os, sys
from multiprocessing import forkserver
from nbval_strict.server import SERVER, Fork

def started(code):
    command = [sys.executable, "-c", code]
    fork = Fork(command, dict(os.environ), os.getcwd(), [1, 2], sys.path)
    fork.start()
    fork.join()

SERVER.start()
print(os.getpid(), forkserver._forkserver._forkserver_pid, flush=True)
code = "import os, sys; print(os.getppid(), 'torch' in sys.modules)"
started(code)
started(code)
"""


@FORKS
def test_fork_can_have_a_server_of_its_own_that_imports_nothing(tmp_path):
    SERVER.start()
    said = tmp_path / "said"
    with open(said, "w") as file:
        command = [sys.executable, "-c", TWIN]
        # Not the server that a run of tests shares.
        environment = {k: v for k, v in os.environ.items() if k != SHARED}
        twin = Twin(command, environment, os.getcwd(), [file, file], sys.path)
        twin.start()
        twin.join(60)
    assert twin.exitcode == 0, said.read_text()
    (pid, server), *kernels = map(str.split, said.read_text().splitlines())
    assert pid == str(twin.pid)
    assert kernels == [[server, "True"]] * 2
    # It ends with the fork.
    deadline = time.monotonic() + 10
    while Path("/proc", server).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@FORKS
@pytest.mark.parametrize(("option", "there"), [([], True), (["-P"], False)])
def test_folder_of_a_module_is_on_the_path_unless_python_is_told_not_to(
    option, there, tmp_path
):
    """A student's own random.py mustn't stop a server."""
    (tmp_path / "module.py").write_text("import sys; print(sys.path[0])")
    folder = tmp_path / "folder"
    folder.mkdir()
    said = tmp_path / "said"
    SERVER.start()
    with open(said, "w") as file:
        command = [sys.executable, *option, "-m", "module"]
        path = [str(tmp_path), *sys.path]
        environment = dict(os.environ)
        fork = Fork(command, environment, str(folder), [file, file], path)
        fork.start()
        fork.join(60)
    first = said.read_text().strip()
    assert first == str(folder if there else tmp_path)
