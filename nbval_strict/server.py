"""A process that has imported torch already, and the forks of it.

The forkserver of ``multiprocessing`` imports the libraries of ``PRELOAD``
once; a :class:`Fork` becomes what ``python -m module`` or ``python -c code``
would have started, within a few milliseconds. A process that has started a
server can share it with all that it starts, such as the workers of a run of
tests, and the runs in its tests. The server ends with the process that started
it.

Forks are right only on Linux, and only where they have the server's
environment: most variables act when Python starts or a library is imported.
The server only imports. It starts no thread pool of torch and never asks about
CUDA, which its forks couldn't use afterwards.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import hashlib
import json
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from multiprocessing import reduction
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager

# What nearly every page imports, and every kernel; the last two are what
# torch itself imports when it first needs them.
PRELOAD = [
    "IPython.core.debugger",
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "matplotlib.pyplot",
    "numpy.random",
    "psutil",
    "tornado.platform.asyncio",
    "torch",
    "torch.distributed.tensor",
    "torch._dynamo",
]
# In the environment: the address of a server that this process may use.
SHARED = "NBVAL_STRICT_SERVER"
# Variables that act when a fork runs, so that it may have its own.
LATE = (
    "COLUMNS",
    "CUDA_VISIBLE_DEVICES",
    "JPY_",
    "LINES",
    "MPLBACKEND",
    "PYTEST_",
    "PYTHONPATH",  # which a fork follows by itself
    SHARED,
)
# A socket's path has 107 bytes: /pymp-xxxxxxxx/listener-xxxxxxxx is the rest.
LONGEST_FOLDER = 107 - 32
FROZEN_OFF = "-Xfrozen_modules=off"

# Windows has none. The default stands in for it there, and starts nothing.
_method = {"forkserver"}.intersection(multiprocessing.get_all_start_methods())
_context = multiprocessing.get_context(*_method)


def why_not() -> str | None:
    """The reason for which this process can't have forks of a server."""
    if os.environ.get("WARM") == "0":
        return "WARM=0"
    if sys.platform != "linux" or not _method:
        return f"a fork isn't safe on {sys.platform}"
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        return f"a socket in {folder} would have too long a path"
    # The server gets the options that its client was started with.
    option = "".join(sys.orig_argv[1:2])
    harmless = ("-P", "-c", "-m", "-u")
    if option.startswith("-") and not option.startswith(harmless):
        return f"Python runs with {option}"
    return None


class Server:
    """The process that others are forked from, as its client knows it."""

    environment: str | None = None  # a digest of the one it was started in

    def start(self, more: Iterable[str] = ()) -> None:
        """Let it run, if it doesn't; it imports in the background.

        Args:
            more (iterable of str): what it imports before ``PRELOAD``.
        """
        if self.environment is None and not self._join():
            _context.set_forkserver_preload([*more, *PRELOAD])
            self.environment = _digest(os.environ)
            # As the kernelspec has it, since its debugger warns otherwise.
            spec = KernelSpecManager().get_kernel_spec("python3")
            if FROZEN_OFF in spec.argv:
                sys._xoptions.setdefault("frozen_modules", "off")
        with _ignoring_interrupts():
            _client().ensure_running()

    def share(self) -> None:
        """Let what this process starts from now on use the same server."""
        client = _client()
        key = getattr(client, "_forkserver_authkey", None)  # from Python 3.14
        os.environ[SHARED] = json.dumps(
            [client._forkserver_address, key and key.hex(), self.environment]
        )

    def _join(self) -> bool:
        """Use a server that is shared with this process, if it fits."""
        if not (shared := os.environ.get(SHARED)):
            return False
        address, key, environment = json.loads(shared)
        if environment != _digest(os.environ) or not os.path.exists(address):
            return False
        client = _client()
        client._forkserver_address = address
        client._forkserver_authkey = key and bytes.fromhex(key)
        # Forks get it in place of the pipe that keeps the server alive.
        client._forkserver_alive_fd = os.open(os.devnull, os.O_WRONLY)
        client.ensure_running = lambda: None
        self.environment = environment
        return True

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Whether a process may have an environment, and be a fork."""
        return _digest(environment) == self.environment

    def path(self, environment: Mapping[str, str], cwd: str) -> list[str]:
        """What Python puts on ``sys.path``, but for its first entry.

        Args:
            environment (mapping): its environment.
            cwd (str): the folder that it runs in.
        """
        entries = environment.get("PYTHONPATH", "").split(os.pathsep)
        added = [os.path.join(cwd, entry) for entry in filter(None, entries)]
        return [*added, *(e for e in self._path if e not in added)]

    @cached_property
    def _path(self) -> list[str]:
        """``sys.path`` as Python makes it without ``PYTHONPATH``."""
        code = "import sys; print(*sys.path, sep='\\0', end='')"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            capture_output=True,
            text=True,
            check=True,
        )
        return list(filter(None, done.stdout.split("\0")))


def _client():
    """The standard library's own idea of the server."""
    from multiprocessing import forkserver  # never on Windows

    return forkserver._forkserver


def _digest(environment: Mapping[str, str]) -> str:
    """What tells environments apart in which a library may act otherwise."""
    early = {k: v for k, v in environment.items() if not k.startswith(LATE)}
    text = json.dumps(sorted(early.items()))
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Let a process that is started now live on after Ctrl-C.

    The server ends with its client. Interrupted while it imports, it would
    end before, with a traceback.
    """
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


SERVER = Server()


def be_two() -> None:
    """Fork this process: a server of its own, for what it starts later.

    So a fork of a server can have a server without importing anything again.
    It belongs to the account of this process. Call this while there is one
    thread.
    """
    from multiprocessing import connection, forkserver, process

    # Not the folder of the server which this process is a fork of.
    process.current_process()._config.pop("tempdir", None)
    gc.freeze()
    client = _client()
    if client._forkserver_alive_fd is not None:
        os.close(client._forkserver_alive_fd)
        client._forkserver_alive_fd = None
    listener = socket.socket(socket.AF_UNIX)
    address = connection.arbitrary_address("AF_UNIX")
    listener.bind(address)
    os.chmod(address, 0o600)
    listener.listen()
    # It ends when all processes have closed the end for writing.
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(writing)
            os.setsid()
            forkserver.main(listener.detach(), reading, [])
        finally:
            os._exit(0)
    listener.close()
    os.close(reading)
    client._forkserver_address = address
    client._forkserver_alive_fd = writing
    client._forkserver_pid = pid
    client._forkserver_authkey = None  # from Python 3.14; only we reach it


class Fork(_context.Process):
    """A fork of the server that becomes what a command would start.

    Args:
        cmd (list of str): ``python -m module ...`` or ``python -c code ...``.
        env (mapping): its environment.
        cwd (str): the folder that it runs in.
        streams (list): numbers or files, for what it prints and for errors.
        path (list of str): its ``sys.path``, but for the first entry.
    """

    stdin = stdout = stderr = None

    def __init__(
        self,
        cmd: list[str],
        env: Mapping[str, str],
        cwd: str,
        streams: list,
        path: list[str],
    ) -> None:
        # A daemon: a client that ends doesn't wait for it, but ends it.
        super().__init__(name="MainProcess", daemon=True)
        self.cmd = cmd
        self.env = env
        self.cwd = cwd
        self.streams = streams
        self.path = path

    def start(self) -> None:
        # The fork would run the client's main module again, if it knew it.
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main

    def __getstate__(self) -> dict[str, Any]:
        fds = [getattr(s, "fileno", lambda s=s: s)() for s in self.streams]
        streams = [reduction.DupFd(fd) for fd in fds]
        return {**self.__dict__, "streams": streams}

    # The methods of ``subprocess.Popen`` that a provisioner of kernels calls

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signum)

    def run(self) -> None:
        """In the fork: be what the command would have started."""
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        gc.freeze()  # a collection would copy the pages that are shared
        for fd, stream in enumerate(self.streams, start=1):
            os.dup2(stream.detach(), fd)
        threading.Thread(
            target=_end_with_client, name="client watch", daemon=True
        ).start()
        os.chdir(self.cwd)
        os.environ.clear()
        os.environ.update(self.env)
        sys.orig_argv[:] = self.cmd
        _undo_multiprocessing()
        self.mend_imported()
        for module in [m for m in sys.modules if m.startswith(__package__)]:
            del sys.modules[module]
        option = next(i for i, o in enumerate(self.cmd) if o in ("-m", "-c"))
        sys.path[:] = self.path
        try:
            if self.cmd[option] == "-m":
                self._run_module(self.cmd[option + 1 :])
            else:
                self._run_code(*self.cmd[option + 1 :])
        finally:
            # Here a page's temporary folders go, and a fork leaves it out.
            atexit._run_exitfuncs()

    def _run_module(self, arguments: list[str]) -> None:
        # As `python -m` has it; the launcher of kernels takes the first entry
        # of the path away.
        if "-P" not in self.cmd:
            sys.path.insert(0, os.getcwd())
        sys.argv[:] = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)

    def _run_code(self, code: str, *arguments: str) -> None:
        sys.path.insert(0, "")
        sys.argv[:] = ["-c", *arguments]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            exec(compile(code, "<string>", "exec"), vars(main))
        except Exception as error:
            trace = error.__traceback__.tb_next  # without this frame
            sys.excepthook(type(error), error.with_traceback(trace), trace)
            sys.exit(1)

    def mend_imported(self) -> None:
        """Do over what the libraries did when the server imported them."""
        # Each process draws its own numbers; Python's random sees to itself.
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed()
        if torch := sys.modules.get("torch"):
            torch.default_generator.seed()
        matplotlib = sys.modules.get("matplotlib")
        if matplotlib and "MPLBACKEND" in os.environ:
            matplotlib.rcParams["backend"] = os.environ["MPLBACKEND"]


def _end_with_client() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _undo_multiprocessing() -> None:
    """Let the code start processes as it could in an ordinary one."""
    multiprocessing.current_process().daemon = False
    multiprocessing.set_start_method(None, force=True)
