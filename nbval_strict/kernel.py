"""A kernel that says what its cells show, and whose death is noticed."""

from __future__ import annotations

import ast
import contextlib
import os
import time
from collections.abc import Sequence
from queue import Empty
from typing import ClassVar, NamedTuple

from jupyter_client import KernelManager
from nbformat import NotebookNode
from nbval.kernel import (
    CURRENT_ENV_KERNEL_NAME,
    NbvalKernelspecManager,
    RunningKernel,
)

from nbval_strict.outputs import (
    KERNEL_ARGUMENTS,
    LAST_LOOK,
    PREPARE_KERNEL,
    Outputs,
    Problem,
    kernel_environment,
)

DEAD_BEFORE = "The kernel died before this cell"
DEAD = "The kernel died while it ran this cell"
DEATH = "look for what ends it: memory, os._exit, a crash in native code"
STARTS = 3  # of a kernel that dies before it answers
# Seconds
HEARTBEAT = 0.5  # between two looks at whether the kernel lives
INTERRUPT = 5  # that a cell has to end when it is interrupted
ANSWER = 60  # that a kernel has to answer when no cell runs


class KernelDiedError(Exception):
    """The kernel is gone, and no answer will come."""


class Ran(NamedTuple):
    """What became of a cell that a kernel was to run."""

    request: str = ""
    outputs: list[NotebookNode] = []  # noqa: RUF012 - never changed
    failure: Problem | None = None


class WatchedKernel(RunningKernel):
    """A kernel that says what cells show, and whose death is noticed.

    Args:
        cwd (str): the folder that it runs in.
        startup_timeout (float): how many seconds it has to answer.
        prepare (sequence of str): code to run in it before any cell, which
            leaves no trace.

    Raises:
        KernelDiedError: if it ends before it answers.
        RuntimeError: if it doesn't answer in time.
    """

    ending: ClassVar[list[KernelManager]] = []

    def __init__(
        self, cwd: str, startup_timeout: float, prepare: Sequence[str] = ()
    ) -> None:
        self._prepare = [PREPARE_KERNEL, *prepare]
        for left in reversed(range(STARTS)):
            try:
                return self._start(cwd, startup_timeout)
            except KernelDiedError:
                # Jupyter chooses free ports, and another kernel can be faster.
                if not left:
                    raise

    def _start(self, cwd: str, startup_timeout: float) -> None:
        self.km = KernelManager(
            kernel_name=CURRENT_ENV_KERNEL_NAME,
            kernel_spec_manager=NbvalKernelspecManager(),
        )
        self.shown = Outputs()
        try:
            with open(os.devnull, "w") as nowhere:
                self.km.start_kernel(
                    cwd=cwd,
                    stderr=nowhere,
                    env=kernel_environment(os.environ),
                    extra_arguments=KERNEL_ARGUMENTS,
                )
            self.kc = self.km.client()
            self.kc.start_channels()
            self._await_ready(startup_timeout)
        except BaseException:  # Ctrl-C as well
            self.stop()
            raise

    def _await_ready(self, timeout: float) -> None:
        # kc.wait_for_ready would wait for nothing during the last 0.2 s.
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            message = self.kc.kernel_info()
            try:
                self.await_reply(message, left)
                self.await_idle(message, 0.1)
            except Empty:
                continue
            break
        else:
            raise RuntimeError(f"the kernel didn't answer in {timeout} s")
        for code in self._prepare:
            reply = self.ask(code)
            assert reply["status"] == "ok", reply

    def get_message(self, stream: str, timeout: float | None = None) -> dict:
        deadline = time.monotonic() + (timeout or float("inf"))
        while True:
            left = deadline - time.monotonic()
            try:
                wait = max(0, min(left, HEARTBEAT))
                return super().get_message(stream, timeout=wait)
            except Empty:
                if not self.is_alive():
                    raise KernelDiedError from None
                if left <= 0:
                    raise

    def run(
        self, code: str, name: str, timeout: float, numbered: bool = True
    ) -> Ran:
        """Run a cell, and take what it shows.

        Args:
            code (str): its source.
            name (str): what to call it.
            timeout (float): how many seconds it has.
            numbered (bool): whether the kernel counts it.
        """
        if not self.is_alive():
            return Ran(failure=Problem(DEAD_BEFORE, DEATH))
        request = self.kc.execute(
            code,
            allow_stdin=False,
            stop_on_error=False,
            store_history=numbered,
        )
        shown: list[NotebookNode] = []
        self.shown.begin(request, name, shown)
        try:
            self._take_all(request, timeout)
        except KernelDiedError:
            failure = Problem(DEAD, DEATH)
        except Empty:
            failure = Problem(
                f"Timeout of {timeout:g} seconds exceeded",
                "let it compute less",
            )
            self.interrupt()
            with contextlib.suppress(Empty, KernelDiedError):
                self._take_all(request, INTERRUPT)
        else:
            failure = None
        return Ran(request, shown, failure)

    def look_once_more(self) -> Problem | None:
        """What came after its cell had ended, if something did."""
        request = self.kc.execute(LAST_LOOK, store_history=False)
        self.shown.begin_last_look(request)
        try:
            self._take_all(request, ANSWER)
        except KernelDiedError:
            return Problem("The kernel died after its last cell", DEATH)
        return self.shown.problem(request)

    def ask(self, code: str = "", **expressions: str) -> dict:
        """What the kernel answers to code that leaves no trace."""
        request = self.kc.execute(
            code, silent=True, user_expressions=expressions
        )
        self.shown.begin(request, "", [])
        self._take_all(request, ANSWER)
        while True:
            reply = self.get_message("shell", ANSWER)
            if reply["parent_header"].get("msg_id") == request:
                return reply["content"]

    def _take_all(self, request: str, timeout: float) -> None:
        # The reply comes before the last output, and may wait. An output may
        # not: the kernel drops some if too many do.
        deadline = time.monotonic() + timeout
        while not self.shown.idle(request):
            left = max(0.001, deadline - time.monotonic())
            self.shown.take(self.get_message("iopub", left))

    def torch_and_device(self, device: str) -> tuple[str, str]:
        """The version of torch, and the type of the page's device.

        Args:
            device (str): an expression for the latter.
        """
        if not self.is_alive():
            return "unknown", "cpu"
        reply = self.ask(v="torch.__version__", d=device)
        answers = reply["user_expressions"]
        version, kind = (
            ast.literal_eval(answers[key]["data"]["text/plain"])
            if answers[key]["status"] == "ok"
            else default
            for key, default in (("v", "not imported"), ("d", "cpu"))
        )
        return version, kind

    def stop(self) -> None:
        # Not killed, as nbval does: a page's temporary folder goes with
        # its kernel, if that can end in its own way. The next one can start
        # meanwhile.
        if self.km.has_kernel:
            if hasattr(self, "kc"):
                self.kc.stop_channels()
            self.km.request_shutdown()
        self.ending.append(self.km)
        del self.km

    @classmethod
    def await_stopped(cls) -> None:
        """Wait until all kernels have ended, and kill those that don't."""
        while cls.ending:
            manager = cls.ending.pop()
            if manager.has_kernel:
                manager.finish_shutdown()
            manager.cleanup_resources()
