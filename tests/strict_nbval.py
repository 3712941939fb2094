"""A pytest plugin that makes nbval strict, and its failures readable.

nbval runs each stored notebook and compares every output. By itself it also
passes a cell that was never run, a figure that is gone, and waits half an
hour for a kernel that died. Here these fail, and each failure names the
chapter, the cell as JupyterLab numbers it, and what to do. What counts as the
same output is said in tests/comparison.py.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import ClassVar, NamedTuple

import pytest
from jupyter_client import KernelManager
from nbformat import NotebookNode
from nbval.kernel import (
    CURRENT_ENV_KERNEL_NAME,
    NbvalKernelspecManager,
    RunningKernel,
)
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from tests.comparison import RULE, outputs_difference
from tools import warm_kernels
from tools.book import COLAB_TAG, without_colors
from tools.outputs import (
    KERNEL_ARGUMENTS,
    LAST_LOOK,
    PREPARE_KERNEL,
    Outputs,
    Problem,
    kernel_environment,
)

# Gives a kernel a GPU that isn't there. By its path, since the kernel starts
# in the folder of its page.
_GIVE_GPU = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("pretend_cuda", {!r})
module = sys.modules["pretend_cuda"] = module_from_spec(spec)
spec.loader.exec_module(module)
module.install()
""".format(str(Path(__file__).with_name("pretend_cuda.py")))
PRETEND = f"exec({_GIVE_GPU!r}, {{}})"
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

    Raises:
        KernelDiedError: if it ends before it answers.
        RuntimeError: if it doesn't answer in time.
    """

    ending: ClassVar[list[KernelManager]] = []

    def __init__(self, cwd: str, startup_timeout: float) -> None:
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
        pretend = PRETEND if os.environ.get("DEVICE") == "pretend" else ""
        for code in (PREPARE_KERNEL, pretend):
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

    def run(self, code: str, name: str, timeout: float) -> Ran:
        """Run a cell, and take what it shows.

        Args:
            code (str): its source.
            name (str): what to call it.
            timeout (float): how many seconds it has.
        """
        if not self.is_alive():
            return Ran(failure=Problem(DEAD_BEFORE, DEATH))
        request = self.kc.execute(code, allow_stdin=False, stop_on_error=False)
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

    def torch_and_device(self) -> tuple[str, str]:
        """The version of torch, and the type of the chapter's device."""
        if not self.is_alive():
            return "unknown", "cpu"
        reply = self.ask(v="torch.__version__", d="device.type")
        answers = reply["user_expressions"]
        version, device = (
            ast.literal_eval(answers[key]["data"]["text/plain"])
            if answers[key]["status"] == "ok"
            else default
            for key, default in (("v", "not imported"), ("d", "cpu"))
        )
        return version, device

    def stop(self) -> None:
        # Not killed, as nbval does: a chapter's temporary folder goes with
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


class StrictFile(IPyNbFile):
    """A notebook whose cells are compared strictly, until one fails."""

    failed: str | None = None

    def setup(self) -> None:
        self.ran: list[Ran] = []
        self.code = [c for c in self.nb.cells if c.cell_type == "code"]
        self.kernel = WatchedKernel(
            str(self.path.parent),
            self.config.option.nbval_kernel_startup_timeout,
        )

    def run_to(self, number: int) -> Ran:
        """Run the cells up to one, those that haven't run, and return it."""
        for i in range(len(self.ran), number + 1):
            cell = self.code[i]
            if broken := next(
                (r.failure for r in self.ran if r.failure), None
            ):
                what = f"A cell before this one failed ({broken.what})"
                self.ran.append(Ran(failure=broken._replace(what=what)))
                continue
            # What stands in for it keeps the numbers of those that follow.
            source = "pass" if _for_colab(cell) else cell.source
            timeout = self.config.option.nbval_cell_timeout
            self.ran.append(self.kernel.run(source, f"In [{i + 1}]", timeout))
        return self.ran[number]

    def result(self, number: int) -> Ran:
        """What became of a cell, when no other can change it any more."""
        ran = self.run_to(number)
        if ran.request and self.kernel.shown.may_change(ran.request):
            self.run_to(len(self.code) - 1)
        return ran

    def teardown(self) -> None:
        if self.kernel is None or not hasattr(self.kernel, "km"):
            return
        died = not self.kernel.is_alive()
        # Also a dead one, whose channels nbval would leave open.
        self.kernel.stop()
        if died and not self.failed:
            raise KernelDiedError(f"{self.path.name}, after its last cell")

    def collect(self) -> Iterator[StrictCell]:
        for cell in super().collect():
            yield StrictCell.from_parent(
                self,
                name=f"In [{cell.cell_num + 1}]",
                cell_num=cell.cell_num,
                cell=cell.cell,
                options=cell.options,
            )


class StrictCell(IPyNbCell):
    """A cell that must have been run, and must say again what is stored."""

    def setup(self) -> None:
        if self.parent.failed:
            pytest.skip(f"not run, because {self.parent.failed} failed")
        if _for_colab(self.cell):
            pytest.skip("it installs what Colab lacks")

    def runtest(self) -> None:
        try:
            self._refuse_stored()
            self._judge(self.parent.result(self.cell_num))
            if self.cell_num == len(self.parent.code) - 1:
                self._refuse(self.parent.kernel.look_once_more())
        except Exception:
            self.parent.failed = self.name
            raise

    def _refuse_stored(self) -> None:
        """Fail for what can be seen without running the cell."""
        stored = self.cell
        if self.options["skip"]:
            self._fail("The cell would never be checked", "remove nbval-skip")
        if stored.execution_count is None and stored.source.strip():
            self._fail("The cell was never run", self._rerun)
        if _stderr(stored.outputs):
            self._fail(
                "The stored outputs hold a warning",
                f"mend what it complains of, then {self._rerun}",
                _stderr(stored.outputs),
            )
        for output in stored.outputs:
            if output.output_type == "error" and not without_colors(
                "\n".join(output.traceback)
            ).endswith(f"{output.ename}: {output.evalue}"):
                self._fail(
                    "The stored traceback is of no such error", self._rerun
                )

    def _judge(self, ran: Ran) -> None:
        """Fail for what is seen when the cell has run."""
        self._refuse(ran.failure)
        errors = [o for o in ran.outputs if o.output_type == "error"]
        expected = self.options["check_exception"]
        if errors and not expected:
            self._fail(
                "The cell caused an exception",
                "mend the code, or tag the cell raises-exception if the "
                "error is intended",
                "\n".join(errors[0].traceback),
            )
        if warning := _stderr(ran.outputs):
            self._fail(
                "The cell wrote to stderr, and a chapter may not warn",
                "mend what it complains of",
                warning,
            )
        self._refuse(self.parent.kernel.shown.problem(ran.request))
        if expected and not errors:
            self._fail(
                "The cell raises no error",
                "remove its tag raises-exception, or let it raise",
            )
        if self.options["check"]:
            self._compare(ran.outputs)

    def _compare(self, now: list[NotebookNode]) -> None:
        stored = self.cell.outputs
        if outputs_difference(stored, now) is None:
            return
        torch, device = self.parent.kernel.torch_and_device()
        difference = outputs_difference(stored, now, device)
        if difference and re.search(r" at 0x[0-9a-f]+", difference):
            self._fail(
                "The cell shows an address in memory, which is another in "
                "each run",
                "end its last line with a semicolon, or show something else",
                difference,
            )
        if difference:
            self._fail(
                "The outputs differ from the stored ones",
                f"if the new ones are right, {self._rerun} and read the "
                "diff; if not, mend the code",
                f"{difference}\n(stored: -, now: +; {RULE})\n"
                f"torch {torch}, device {device}",
            )

    @property
    def _rerun(self) -> str:
        return f"run `make run CH={self.path.stem.split('_')[0]}`"

    def _refuse(self, problem: Problem | None) -> None:
        if problem:
            self._fail(*problem)

    def _fail(self, what: str, remedy: str, details: str = "") -> None:
        raise NbCellError(
            self.cell_num, f"{what}: {remedy}.", self.cell.source, details
        )

    def repr_failure(self, excinfo: pytest.ExceptionInfo) -> str:
        error = excinfo.value
        if not isinstance(error, NbCellError):
            return str(excinfo.getrepr(style="short"))
        parts = [
            f"{self.path.name}, {self.name}: {error}",
            textwrap.indent(error.source, "    "),
            without_colors(error.inner_traceback or ""),
        ]
        return "\n\n".join(filter(None, parts))

    def reportinfo(self) -> tuple:
        path, line, _ = super().reportinfo()
        return path, line, f"{self.path.name}::{self.name}"


def _for_colab(cell: NotebookNode) -> bool:
    return COLAB_TAG in cell.metadata.get("tags", [])


def _stderr(outputs: list[NotebookNode]) -> str:
    return "".join(
        output.text
        for output in outputs
        if output.output_type == "stream" and output.name == "stderr"
    )


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Replace nbval's notebooks by strict ones."""
    return [
        StrictFile.from_parent(parent, path=file_path)
        if type(collector) is IPyNbFile
        else collector
        for collector in (yield)
    ]


def pytest_configure(config: pytest.Config) -> None:
    """Let each kernel be forked, also those of other tests."""
    warm_kernels.use()
    workers = len(getattr(config.option, "tx", None) or ())
    if workers:
        # Workers that compute on all cores would wait for each other.
        threads = max(1, (os.cpu_count() or 1) // workers)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    # Under `pytest -n`, not this process but its workers start kernels.
    alone = not getattr(config.option, "numprocesses", None)
    if alone and any(".ipynb" in argument for argument in config.args):
        warm_kernels.preload()


def pytest_report_header() -> str:
    """Say whether the kernels are forked."""
    return warm_kernels.use()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Leave no kernel behind, nor those that Ctrl-C has left to end now."""
    WatchedKernel.await_stopped()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Keep the cells of a notebook together under `pytest -n`."""
    option = config.option
    if getattr(option, "numprocesses", None) and option.dist == "no":
        option.dist = "loadfile"
