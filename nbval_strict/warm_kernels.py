"""Kernels that are forked from a process which has imported torch already.

An ordinary kernel spends most of its start on importing IPython, torch and
matplotlib. Here a server imports them once, and each kernel is a fork of it:
the forkserver of ``multiprocessing``, behind a provisioner of jupyter_client.
After ``use()``, the kernels that this process starts are such forks.

A cell sees what an ordinary kernel shows it, but for this: what torch imports
when it first needs it is there already; an environment variable that a cell
sets before it imports torch or matplotlib comes too late for them; and kernels
of one server share the seed of ``hash``, and so the order of a set of strings.

Forks are right only on Linux, and only for a kernel that runs this Python in
the server's environment: most variables act when Python starts or a library
is imported. Any other kernel is started in the ordinary way. The server only
imports. It starts no thread pool of torch and never asks about CUDA, which
its forks couldn't use afterwards.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint
from multiprocessing import reduction
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.provisioning import (
    KernelProvisionerFactory,
    LocalProvisioner,
)

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
# Variables that act when a kernel runs, so that it may have its own.
LATE = ("CUDA_VISIBLE_DEVICES", "JPY_", "MPLBACKEND", "PYTEST_")
NAME = "warm-provisioner"
# A socket's path has 107 bytes: /pymp-xxxxxxxx/listener-xxxxxxxx is the rest.
LONGEST_FOLDER = 107 - 32
FROZEN_OFF = "-Xfrozen_modules=off"

# Windows has none. The default stands in for it there, and starts nothing.
_method = {"forkserver"}.intersection(multiprocessing.get_all_start_methods())
_context = multiprocessing.get_context(*_method)


def use() -> str:
    """Fork the kernels that this process starts, where that is right.

    ``WARM=0`` in the environment keeps them ordinary.

    Returns:
        A line for the user that says which kernels there will be, and why.
    """
    if reason := _why_not():
        return f"kernels: ordinary, because {reason}"
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(
        NAME, f"{__name__}:WarmProvisioner", factory.GROUP_NAME
    )
    factory.default_provisioner_name = NAME
    return "kernels: forked from a process that has imported torch"


def preload() -> None:
    """Let the server import already, in the background, if it is used.

    Without this it begins when the first kernel is started.
    """
    factory = KernelProvisionerFactory.instance()
    if factory.default_provisioner_name == NAME:
        _server.start()


def _why_not() -> str | None:
    """The reason for which this process can't have its kernels forked."""
    if os.environ.get("WARM") == "0":
        return "WARM=0"
    if sys.platform != "linux" or not _method:
        return f"a fork isn't safe on {sys.platform}"
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        return f"a socket in {folder} would have too long a path"
    # The server gets the options that its client was started with.
    option = "".join(sys.orig_argv[1:2])
    if option.startswith("-") and not option.startswith(("-c", "-m", "-u")):
        return f"Python runs with {option}"
    return None


class _Server:
    """The process that kernels are forked from, as its client knows it."""

    environment: Mapping[str, str] | None = None

    def start(self) -> None:
        if self.environment is None:
            _context.set_forkserver_preload(PRELOAD)
            self.environment = dict(os.environ)
            # As the kernelspec has it, since its debugger warns otherwise.
            spec = KernelSpecManager().get_kernel_spec("python3")
            if FROZEN_OFF in spec.argv:
                sys._xoptions.setdefault("frozen_modules", "off")
        from multiprocessing import forkserver  # never on Windows

        with _ignoring_interrupts():
            forkserver.ensure_running()

    @cached_property
    def path(self) -> list[str]:
        """``sys.path`` as Python makes it, without the client's additions."""
        code = "import sys; print(*sys.path, sep='\\0', end='')"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return list(filter(None, done.stdout.split("\0")))

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Whether a kernel may have an environment, and be a fork."""
        return _early(environment) == _early(self.environment)


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


_server = _Server()


def _early(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if not k.startswith(LATE)}


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel as a fork, or else as its base class does."""

    async def launch_kernel(
        self, cmd: list[str], **kwargs: Any
    ) -> KernelConnectionInfo:
        _server.start()
        process = _process(cmd, **self._scrub_kwargs(kwargs))
        if process is None:
            self.log.info("This kernel can't be forked: %s", cmd)
            return await super().launch_kernel(cmd, **kwargs)
        process.start()
        self.process = process
        # It begins by making itself the leader of its process group.
        self.pid = self.pgid = self.process.pid
        self.cwd = self.process.cwd
        return self.connection_info


def _process(
    cmd: list[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    stdout: Any = None,
    stderr: Any = None,
    **others: Any,
) -> KernelProcess | None:
    """The fork that a command of a kernelspec asks for, if it can be one."""
    python, *arguments = (a for a in cmd if a != FROZEN_OFF)
    if (
        python != sys.executable
        or arguments[:2] != ["-m", "ipykernel_launcher"]
        or not _server.fits(env)
        or others
    ):
        return None
    return KernelProcess(
        cmd, env, os.fspath(cwd or os.getcwd()), [stdout or 1, stderr or 2]
    )


class KernelProcess(_context.Process):
    """A fork of the server that becomes a kernel.

    It has the methods of ``subprocess.Popen`` that a provisioner calls.
    """

    stdin = stdout = stderr = None

    def __init__(
        self, cmd: list[str], env: Mapping[str, str], cwd: str, streams: list
    ) -> None:
        # A daemon: a client that ends doesn't wait for it, but ends it.
        super().__init__(name="MainProcess", daemon=True)
        self.cmd = cmd
        self.env = {**env, "JPY_PARENT_PID": str(os.getpid())}
        self.cwd = cwd
        self.streams = streams
        self.path = _server.path

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
        _mend_imported()
        for module in (__name__, __package__):
            del sys.modules[module]
        launch = self.cmd.index("-m")
        # As `python -m` has it; the launcher takes the first entry away.
        sys.path[:] = [os.getcwd(), *self.path]
        sys.argv[:] = self.cmd[launch + 1 :]
        try:
            runpy.run_module(
                self.cmd[launch + 1], run_name="__main__", alter_sys=True
            )
        finally:
            # Here a page's temporary folders go, and a fork leaves it out.
            atexit._run_exitfuncs()


def _end_with_client() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _undo_multiprocessing() -> None:
    """Let a cell start processes as it could in an ordinary kernel."""
    multiprocessing.current_process().daemon = False
    multiprocessing.set_start_method(None, force=True)


def _mend_imported() -> None:
    """Do over what the libraries did when the server imported them."""
    from ipykernel.kernelapp import IPKernelApp

    # Each kernel draws its own numbers; Python's random sees to itself.
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()
    # debugpy sets it on import.
    os.environ.setdefault("PYDEVD_USE_FRAME_EVAL", "NO")
    # These read variables that ipykernel and jupyter_client set later.
    if matplotlib := sys.modules.get("matplotlib"):
        matplotlib.rcParams["backend"] = os.environ.get(
            "MPLBACKEND", "module://matplotlib_inline.backend_inline"
        )
    IPKernelApp.instance(parent_handle=os.getppid())
