"""What a submission can't do: each is tried, in a kernel in a sandbox."""

import os
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

from tools.environment import ROOT
from tools.grading import sandbox
from tools.grading.kernel import Kernel
from tools.grading.sandbox import Limits, Sandbox, SandboxError

pytestmark = pytest.mark.skipif(
    not shutil.which("bwrap"), reason="needs bubblewrap"
)
SECONDS = 60  # for what takes none, on a busy machine
SMALL = Limits(memory=400, processes=40, files=4)


@pytest.fixture
def start(tmp_path):
    """Start kernels in a folder with a file; they are ended afterwards."""
    handed_in = tmp_path / "submitted/ann"
    handed_in.mkdir(parents=True)
    (handed_in / "mine.txt").write_text("mine")
    kernels = []

    def start(limits=SMALL):
        kernels.append(Kernel(Sandbox(handed_in, limits, "en")))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.end()


def said(ran):
    """What a cell has printed, or the error in which it ended."""
    return "".join(
        output.get("text", "") or output.get("ename", "")
        for output in ran.outputs
    )


def test_cell_runs_in_a_copy_of_what_was_handed_in(start, tmp_path):
    kernel = start()
    code = """
print(open("mine.txt").read())
with open("mine.txt", "a") as file: file.write(", changed")
print(open("mine.txt").read())
"""
    ran = kernel.run(code, SECONDS)
    assert ran.ok
    assert said(ran) == "mine\nmine, changed\n"
    assert (tmp_path / "submitted/ann/mine.txt").read_text() == "mine"


def test_nothing_outside_is_seen_or_deleted(start, tmp_path):
    gradebook = tmp_path / "gradebook.db"
    other = tmp_path / "submitted/ben/secret.txt"
    other.parent.mkdir()
    for file in (gradebook, other):
        file.write_text("precious")
    code = f"""
import os, shutil
for path in {[str(gradebook), str(other), str(other.parent)]}:
    print(os.path.exists(path), end=" ")
    try: os.remove(path)
    except OSError as error: print(type(error).__name__)
for folder in {[str(tmp_path), str(ROOT / "chapters"), str(ROOT / "tests")]}:
    print(os.path.exists(folder))
shutil.rmtree("/handed-in", ignore_errors=True)
"""
    ran = start().run(code, SECONDS)
    assert said(ran) == "False FileNotFoundError\n" * 3 + "False\n" * 3
    assert gradebook.read_text() == other.read_text() == "precious"
    assert (tmp_path / "submitted/ann/mine.txt").read_text() == "mine"


def test_system_can_only_be_read(start):
    code = f"""
for path in ("/usr/x", {sys.prefix + "/x"!r}, {str(ROOT / "d2l_helpers/x")!r},
             "/handed-in/x", "/x", "/dev/x", "/etc/x", "/root/x", "/proc/x"):
    try: open(path, "w")
    except OSError as error: print(error.errno in (2, 13, 30))
    else: print(path)
"""
    assert said(start().run(code, SECONDS)) == "True\n" * 9


def test_no_network(start):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        code = f"""
import socket
socket.create_connection({server.getsockname()}, 2).sendall(b"answers")
"""
        assert said(start().run(code, SECONDS)) == "ConnectionRefusedError"
        with pytest.raises(TimeoutError):
            server.accept()
    code = "socket.create_connection(('192.0.2.1', 80), 2)"
    assert said(start().run(f"import socket; {code}", SECONDS)) == "OSError"


def test_variables_of_the_user_are_unknown(start, monkeypatch):
    monkeypatch.setenv("TOKEN", "secret")
    ran = start().run("import os; print(os.environ.get('TOKEN'))", SECONDS)
    assert said(ran) == "None\n"


def test_memory_of_a_process_is_limited(start):
    kernel = start()
    ran = kernel.run("x = bytearray(500 * 2**20)", SECONDS)
    assert said(ran) == "MemoryError"
    assert kernel.run("print('on')", SECONDS).ok


def test_memory_of_all_together_is_limited(start):
    code = """
import mmap
held = mmap.mmap(-1, 600 * 2**20)  # shared: no limit of a process counts it
for i in range(0, len(held), 4096): held[i] = 1
import time; time.sleep(30)
"""
    ran = start().run(code, SECONDS)
    assert (ran.stopped, ran.alive) == ("memory", False)


def test_folders_in_memory_are_limited(start):
    code = """
import errno
for folder in (".", "/tmp", "/run", "/dev/shm"):
    try:
        for i in range(9):
            with open(f"{folder}/big{i}", "wb") as file:
                file.write(bytes(2**20))
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    assert said(start().run(code, SECONDS)) == "ENOSPC\n" * 4


def test_processes_are_limited(start):
    """A fork bomb of 100, each of which sleeps."""
    code = """
import os, time
made = 0
for _ in range(100):
    try:
        if not os.fork():
            time.sleep(20)
            os._exit(0)
        made += 1
    except BlockingIOError:
        break
print(made < 40)
"""
    # Each holds, as far as can be counted, what the first one holds.
    ran = start(Limits(processes=40)).run(code, SECONDS)
    assert said(ran) == "True\n" or ran.stopped == "processes"


def test_no_namespace_is_made_inside(start):
    """In one of its own, a mount could be as large as it likes."""
    code = """
import ctypes
print(ctypes.CDLL(None).unshare(0x10000000))
"""
    assert said(start().run(code, SECONDS)) == "-1\n"


def test_nothing_outlives_its_kernel(start):
    mark = f"{os.getpid()}.{time.time_ns()}"
    code = f"""
import subprocess
subprocess.Popen(["sleep", "1000", "--", "{mark}"], start_new_session=True)
subprocess.Popen(["sh", "-c", ": {mark}; sleep 1000"], start_new_session=True)
"""
    kernel = start()
    assert kernel.run(code, SECONDS).ok
    assert _running(mark)
    kernel.end()
    deadline = time.monotonic() + 10
    while _running(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _running(mark)


def _running(mark):
    """Processes with some words in their command."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [file] * (mark.encode() in file.read_bytes())
        except OSError:
            continue
    return found


def test_loop_in_python_is_interrupted(start):
    kernel = start()
    ran = kernel.run("while True: pass", 1)
    assert (ran.ok, ran.stopped, ran.alive) == (False, "time", True)
    assert kernel.run("1", SECONDS).ok


def test_loop_in_c_is_ended(start):
    """It never comes back to Python, and so can't be interrupted."""
    code = "import itertools; sum(itertools.count())"
    ran = start().run(code, 1)
    assert (ran.ok, ran.stopped, ran.alive) == (False, "time", False)


def test_end_of_a_kernel_is_noticed(start):
    ran = start().run("import os; os._exit(0)", SECONDS)
    assert (ran.ok, ran.stopped, ran.alive) == (False, "ended", False)


def test_output_is_cut(start):
    code = "for i in range(1000): print('x' * 10**5)"
    ran = start().run(code, SECONDS)
    assert sum(len(o.get("text", "")) for o in ran.outputs) < 1.1 * 2**20
    assert ran.ok or ran.stopped == "output"


def test_message_that_is_too_large_is_not_read(start):
    ran = start(Limits()).run("print('x' * 10**8)", SECONDS)
    assert (ran.ok, ran.stopped) == (False, "output")
    assert not ran.outputs


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ({"text/html": "<script>1</script>", "text/plain": "x"}, "text/plain"),
        ({"application/javascript": "1", "text/plain": "x"}, "text/plain"),
        ({"image/svg+xml": "<svg/>", "text/plain": "x"}, "text/plain"),
        ({"text/plain": {"no": "text"}, "image/png": "eA=="}, "image/png"),
    ],
)
def test_what_could_run_in_a_browser_is_not_kept(start, data, kept):
    ran = start().run(f"display({data}, raw=True)", SECONDS)
    assert [list(output.data) for output in ran.outputs] == [[kept]]


def test_forged_messages_are_no_end(start):
    """The cell's own kernel says that it has ended, or nonsense."""
    code = """
kernel = get_ipython().kernel
parent = kernel.get_parent()
send = kernel.session.send
for content in ({"execution_state": ["idle"]}, {}, {"no": "state"}):
    send(kernel.iopub_socket, "status", content, parent=parent)
kernel.iopub_socket.send_multipart([b"x", b"<IDS|MSG>", b"forged"])
send(kernel.iopub_socket, "error", {"traceback": 7}, parent=parent)
send(kernel.iopub_socket, "display_data", {"data": 7}, parent=parent)
"""
    kernel = start()
    kernel.run(code, SECONDS)
    assert said(kernel.run("print('on')", SECONDS)) == "on\n"


def test_without_bubblewrap_its_package_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxError, match="apt install bubblewrap") as told:
        sandbox.require(SMALL)
    assert "SANDBOX=0" in str(told.value)


def test_where_no_sandbox_can_be_made_it_is_said(monkeypatch, tmp_path):
    """As in a container, where bubblewrap is there and may not."""
    program = tmp_path / "bwrap"
    program.write_text(
        "#!/bin/sh\n"
        'test "$1" = --help && echo "--disable-userns --size" && exit\n'
        'echo "bwrap: No permissions to create new namespace" >&2; exit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match="No permissions to create") as told:
        sandbox.require(SMALL)
    assert "SANDBOX=0" in str(told.value)


def test_sandbox_can_be_made_here():
    sandbox.require(SMALL)
