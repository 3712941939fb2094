"""Forked kernels must be, to their user, what ordinary kernels are."""

import contextlib
import json
import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import start_new_kernel
from jupyter_client.provisioning import KernelProvisionerFactory

from nbval_strict import outputs, server, warm_kernels
from tests.nbval_strict.specimen import ROOT

pytestmark = pytest.mark.skipif(
    warm_kernels.use().startswith("kernels: ordinary"),
    reason="kernels aren't forked here",
)


# Not what this process has, which forks may have too.
OTHER_THREADS = "2" if os.environ.get("OMP_NUM_THREADS") == "1" else "1"
IMPORTS = "import torch; import matplotlib.pyplot; import numpy.random"


class Kernel:
    """A kernel, and what it says when it runs some code."""

    def __init__(self, **arguments):
        environment = outputs.kernel_environment(os.environ)
        environment |= arguments.pop("env", {})
        # ipykernel hides what subprocesses print, if it finds this.
        environment.pop("PYTEST_CURRENT_TEST", None)
        self.manager, self.client = start_new_kernel(
            startup_timeout=120,
            kernel_name="python3",
            env=environment,
            extra_arguments=["--log-level=ERROR"],
            **arguments,
        )

    def run(self, code):
        """All that a cell says: its streams, and the error if it raises."""
        said = {}

        def keep(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                name = content["name"]
                said[name] = said.get(name, "") + content["text"]
            elif message["msg_type"] == "error":
                said["error"] = content["ename"]
            elif message["msg_type"] == "display_data":
                said["display"] = sorted(content["data"])

        self.client.execute_interactive(code, output_hook=keep, timeout=120)
        return said

    def value(self, code):
        """What a JSON expression in the kernel is."""
        said = self.run(f"import json; print(json.dumps({code}))")
        assert set(said) == {"stdout"}, said
        return json.loads(said["stdout"])

    @property
    def pid(self):
        return self.manager.provisioner.pid

    @property
    def forked(self):
        process = self.manager.provisioner.process
        return isinstance(process, warm_kernels.KernelProcess)

    def close(self):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel()


@contextlib.contextmanager
def started(**arguments):
    kernel = Kernel(**arguments)
    try:
        yield kernel
    finally:
        kernel.close()


@pytest.fixture(scope="module", autouse=True)
def forking():
    warm_kernels.use()


@pytest.fixture(scope="module")
def warm():
    with pytest.MonkeyPatch.context() as patch:
        # What only the client has in its path, no kernel may find.
        patch.setattr(sys, "path", ["/client", *sys.path])
        kernel = Kernel()
    assert kernel.forked
    kernel.run(IMPORTS)
    yield kernel
    kernel.close()


@pytest.fixture
def own():
    """A forked kernel that a test may spoil."""
    with started() as kernel:
        assert kernel.forked
        yield kernel


@pytest.fixture(scope="module")
def ordinary():
    factory = KernelProvisionerFactory.instance()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factory, "default_provisioner_name", "local-provisioner")
        kernel = Kernel()
    assert not kernel.forked
    kernel.run(IMPORTS)
    yield kernel
    kernel.close()


def is_gone(pid, seconds=20):
    """Whether a process ends in time, and leaves no zombie."""
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


FACTS = {
    "path": "__import__('sys').path",
    "arguments": "__import__('sys').argv[:2]",
    "original arguments": "__import__('sys').orig_argv[:4]",
    "options": "__import__('sys')._xoptions",
    "flags": "list(__import__('sys').flags)",
    "main": "[__name__, sorted(globals())[:9], 'In' in globals()]",
    "folder": "__import__('os').getcwd()",
    "environment": "dict(__import__('os').environ)",
    "umask": "__import__('os').umask(__import__('os').umask(0o22))",
    "streams": "[str(type(getattr(__import__('sys'), s))) for s in "
    "('stdin', 'stdout', 'stderr')]",
    "input of subprocesses": "__import__('subprocess').run("
    "['cat'], capture_output=True, text=True).stdout",
    "signals": "{s.name: str(__import__('signal').getsignal(s)).split(' at')"
    "[0] for s in __import__('signal').valid_signals() "
    "if hasattr(s, 'name') and s.name != 'SIGINT'}",
    "start method": "__import__('multiprocessing').get_start_method()",
    "process": "[__import__('multiprocessing').current_process().name, "
    "__import__('multiprocessing').current_process().daemon]",
    "leader": "__import__('os').getsid(0) == __import__('os').getpid()",
    # As after an optimizer, with which torch imports _dynamo.
    "warnings": "[__import__('torch._dynamo'), "
    "sorted(map(str, __import__('warnings').filters))][1]",
    "log": "str(__import__('logging').getLogger().handlers)",
    "backend": "__import__('matplotlib.pyplot').rcParams._get('backend')",
    "style": "str(dict(__import__('matplotlib').rcParams))",
    "threads": "[__import__('torch').get_num_threads(), "
    "__import__('torch').get_num_interop_threads()]",
    "modules of torch": "[__import__('torch._dynamo'), sorted("
    "m for m in __import__('sys').modules if m.startswith('torch'))][1]",
    "our modules": "[m for m in __import__('sys').modules "
    "if m.startswith(('tools', 'tests', '_pytest', 'nbval'))]",
    "cuda": "[__import__('torch').cuda.is_initialized(), "
    "__import__('torch').cuda._is_in_bad_fork()]",
}


@pytest.mark.parametrize("fact", FACTS)
def test_cell_finds_what_it_finds_in_an_ordinary_kernel(warm, ordinary, fact):
    assert warm.value(FACTS[fact]) == ordinary.value(FACTS[fact])


def test_source_of_a_function_is_found(warm):
    warm.run("def width():\n    return 7")
    source = warm.value("__import__('inspect').getsource(width)")
    assert source == "def width():\n    return 7\n"


def test_object_of_a_class_from_a_cell_can_be_pickled(warm):
    warm.run("class Net:\n    width = 7")
    code = "(p := __import__('pickle')).loads(p.dumps(Net())).width"
    assert warm.value(code) == 7


def test_subprocess_writes_to_the_cell(warm):
    said = warm.run("import os; os.system('echo out; echo err >&2');")
    assert said == {"stdout": "out\n", "stderr": "err\n"}


def test_streams_are_those_that_were_asked_for(tmp_path):
    with open(tmp_path / "log", "w") as log, started(stderr=log) as kernel:
        assert kernel.forked
        kernel.run(
            "import os, sys\n"
            "os.write(sys.stderr._original_stdstream_copy, b'crash');"
        )
    assert "crash" in (tmp_path / "log").read_text()


def test_figure_comes_in_the_form_that_was_asked_for(warm):
    code = """
        import matplotlib_inline, matplotlib.pyplot as plt
        matplotlib_inline.backend_inline.set_matplotlib_formats("svg")
        plt.plot([1, 2])
        plt.show()
    """
    assert warm.run(code)["display"] == ["image/svg+xml", "text/plain"]


def test_fork_computes_with_several_threads(warm):
    code = """
        import numpy, torch
        torch.set_num_threads(2)
        X = torch.randn(2000, 2000, requires_grad=True)
        (X @ X).sum().backward()
        Y = numpy.ones((500, 500)) @ numpy.ones((500, 500))
        print(X.grad.isfinite().all().item(), Y[0, 0], torch.get_num_threads())
    """
    assert warm.run(code) == {"stdout": "True 500.0 2\n"}


def test_cell_can_start_workers(warm):
    code = """
        import torch
        class Squares(torch.utils.data.Dataset):
            def __len__(self): return 4
            def __getitem__(self, i): return i * i
        print(list(torch.utils.data.DataLoader(Squares(), num_workers=2)))
    """
    said = warm.run(code)
    assert said == {
        "stdout": "[tensor([0]), tensor([1]), tensor([4]), tensor([9])]\n"
    }


def test_cell_can_fork(warm):
    code = """
        import os, torch
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.write(writing, str(int(torch.ones(9).sum())).encode())
            os._exit(7)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(os.read(reading, 9), status)
    """
    # From Python 3.12 on, it warns: a kernel has threads.
    assert warm.run(code)["stdout"] == "b'9' 7\n"


class Debugger:
    """What JupyterLab's debugger asks of a kernel."""

    def __init__(self, kernel):
        self.client, self.number = kernel.client, 0
        self.ask("initialize", clientID="test", adapterID="python")
        self.ask("attach")

    def ask(self, command, **arguments):
        self.number += 1
        content = {"type": "request", "seq": self.number, "command": command}
        message = self.client.session.msg(
            "debug_request", content | {"arguments": arguments}
        )
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=60)
            if reply["parent_header"]["msg_id"] == message["msg_id"]:
                assert reply["content"]["success"], reply["content"]
                return reply["content"].get("body")

    def thread_that_stops(self):
        while True:
            event = self.client.get_iopub_msg(timeout=60)["content"]
            if event.get("event") == "stopped":
                return event["body"]["threadId"]


def test_debugger_stops_at_a_line(own, request):
    code = "y = 1\ny = y + 1\ny = y * 10"
    debugger = Debugger(own)
    path = debugger.ask("dumpCell", code=code)["sourcePath"]
    request.addfinalizer(lambda: shutil.rmtree(os.path.dirname(path)))
    debugger.ask(
        "setBreakpoints",
        source={"path": path},
        breakpoints=[{"line": 3}],
        sourceModified=False,
    )
    debugger.ask("configurationDone")
    own.client.execute(code)
    thread = debugger.thread_that_stops()
    variables = debugger.ask("inspectVariables")["variables"]
    assert {v["name"]: v["value"] for v in variables}["y"] == "2"
    debugger.ask("continue", threadId=thread)
    assert own.value("y") == 20


def test_kernel_shares_most_of_its_memory_with_the_server(own, ordinary):
    own.run(IMPORTS)
    alone, shared = (
        psutil.Process(kernel.pid).memory_full_info().uss
        for kernel in (ordinary, own)
    )
    assert shared < alone / 3


def test_two_kernels_draw_different_numbers(warm, own):
    draws = [
        "__import__('torch').rand(1).item()",
        "__import__('numpy').random.rand()",
        "__import__('random').random()",
    ]
    for draw in draws:
        assert warm.value(draw) != own.value(draw)


def test_collection_spares_the_shared_pages(warm):
    assert warm.value("__import__('gc').get_freeze_count()") > 100_000


def test_interrupt_reaches_the_cell_and_the_next_one_runs(own):
    code = "import time; print(1); time.sleep(60)"
    message = own.client.execute(code, stop_on_error=False)
    while own.client.get_iopub_msg(timeout=60)["msg_type"] != "stream":
        pass
    own.manager.interrupt_kernel()
    while True:
        reply = own.client.get_shell_msg(timeout=60)
        if reply["parent_header"]["msg_id"] == message:
            break
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert own.value("1 + 1") == 2


def test_restart_gives_a_new_kernel(own):
    own.run("x = 1")
    before = own.pid
    own.manager.restart_kernel()
    own.client.wait_for_ready(timeout=120)
    assert own.forked
    assert own.pid != before
    assert is_gone(before)
    assert own.run("x") == {"error": "NameError"}


def test_kill_ends_the_kernel_and_its_subprocesses(own):
    command = "__import__('subprocess').Popen(['sleep', '600']).pid"
    child = own.value(command)
    pid = own.pid
    own.manager.shutdown_kernel(now=True)
    assert not own.manager.is_alive()
    assert is_gone(pid)
    assert is_gone(child)


def test_death_is_noticed(own):
    pid = own.pid
    own.client.execute("import os; os._exit(3)")
    assert is_gone(pid)
    assert not own.manager.is_alive()


def test_polite_end_removes_a_temporary_folder(own):
    code = "(keep := __import__('tempfile').TemporaryDirectory()).name"
    folder = Path(own.value(code))
    assert folder.is_dir()
    own.manager.shutdown_kernel()
    assert not folder.exists()


def test_folder_and_late_variables_are_the_kernels_own(tmp_path):
    environment = {"CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "svg"}
    with started(cwd=tmp_path, env=environment) as kernel:
        assert kernel.forked
        code = "__import__('matplotlib').get_backend()"
        assert kernel.value(code) == "svg"
        assert kernel.value("__import__('os').getcwd()") == str(tmp_path)
        code = "__import__('os').environ['CUDA_VISIBLE_DEVICES']"
        assert kernel.value(code) == ""


@pytest.mark.parametrize(
    ("name", "value", "code", "effect"),
    [
        (
            "OMP_NUM_THREADS",
            OTHER_THREADS,
            "__import__('torch').get_num_threads()",
            int(OTHER_THREADS),
        ),
        (
            "PYTHONHASHSEED",
            "0",
            "__import__('sys').flags.hash_randomization",
            0,
        ),
    ],
)
def test_variable_that_acts_on_import_acts(name, value, code, effect):
    with started(env={name: value}) as kernel:
        assert not kernel.forked
        assert kernel.value(code) == effect


CLIENT = """
import os, signal, sys, time
from multiprocessing import forkserver
from jupyter_client.manager import start_new_kernel
from nbval_strict import warm_kernels

print(warm_kernels.use())
manager, client = start_new_kernel(kernel_name="python3")
process = manager.provisioner.process
server = forkserver._forkserver._forkserver_pid
print(type(process).__name__, process.pid, server)
sys.stdout.flush()
{end}
"""


def client_that(end, **environment):
    """What a script said that started a kernel, and how it ended."""
    # Of its own: one that is killed leaves files. The path of a socket there
    # can't be as long as that of tmp_path.
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "client.py")
        script.write_text(CLIENT.format(end=end))
        done = subprocess.run(
            [sys.executable, script],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TMPDIR": folder,
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
    # A fork that ran the script as well would say all this again.
    first, second = done.stdout.splitlines()
    return done.returncode, first, second.split()


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os._exit(5)", 5),
        ("sys.exit(6)", 6),
    ],
)
def test_nothing_outlives_the_client(end, status):
    code, _, (kind, *pids) = client_that(end)
    assert code == status
    assert kind == "KernelProcess"
    for pid in pids:
        assert is_gone(pid)


def test_warm_kernels_can_be_switched_off():
    end = "manager.shutdown_kernel(now=True)"
    _, line, (kind, *_) = client_that(end, WARM="0")
    assert line == "kernels: ordinary, because WARM=0"
    assert kind == "Popen"


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_kernels_are_ordinary_where_a_fork_is_not_safe(system, monkeypatch):
    monkeypatch.setattr(sys, "platform", system)
    assert warm_kernels.use() == (
        f"kernels: ordinary, because a fork isn't safe on {system}"
    )


@pytest.mark.parametrize("length", [75, 76])
def test_temporary_folder_may_have_a_long_path(length):
    with tempfile.TemporaryDirectory() as short:
        folder = Path(short, (length - len(short) - 1) * "x")
        folder.mkdir()
        end = "manager.shutdown_kernel(now=True)"
        _, line, (kind, *_) = client_that(end, TMPDIR=str(folder))
    if length > 75:
        reason = f"a socket in {folder} would have too long a path"
        assert line == f"kernels: ordinary, because {reason}"
        assert kind == "Popen"
    else:
        assert kind == "KernelProcess"


def test_module_can_be_imported_where_processes_are_only_spawned(monkeypatch):
    def get_context(method=None):
        if method in ("fork", "forkserver"):
            raise ValueError(f"cannot find context for {method!r}")
        return spawning

    spawning = multiprocessing.get_context("spawn")
    monkeypatch.setattr(
        multiprocessing, "get_all_start_methods", lambda: ["spawn"]
    )
    monkeypatch.setattr(multiprocessing, "get_context", get_context)
    monkeypatch.setitem(sys.modules, "multiprocessing.forkserver", None)
    factory = KernelProvisionerFactory.instance()
    monkeypatch.setattr(factory, "default_provisioner_name", "before")
    there = runpy.run_path(server.__file__)
    assert there["why_not"]().startswith("a fork isn't safe")
    monkeypatch.setattr(warm_kernels, "why_not", there["why_not"])
    assert warm_kernels.use().startswith("kernels: ordinary, because a fork ")
    warm_kernels.preload()
    assert factory.default_provisioner_name == "before"


def test_options_of_python_do_not_reach_the_kernels(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-Werror", "-m", "a"])
    assert warm_kernels.use() == (
        "kernels: ordinary, because Python runs with -Werror"
    )
