"""A pytest plugin that makes nbval strict, and its failures readable.

nbval runs each stored notebook and compares every output. By itself it also
passes a cell that was never run, a figure that is gone, and waits half an
hour for a kernel that died. Here these fail, and each failure names the
chapter, the cell as JupyterLab numbers it, and what to do. What counts as the
same output is said in tests/comparison.py.
"""

from __future__ import annotations

import ast
import os
import textwrap
import time
from collections.abc import Iterator
from queue import Empty
from typing import ClassVar

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

DEATH = "look for what ends it: memory, os._exit, a crash in native code"
STARTS = 3  # of a kernel that dies before it answers
HEARTBEAT = 0.5  # seconds between two looks at whether the kernel lives


class KernelDiedError(Exception):
    """The kernel is gone, and no answer will come."""


class WatchedKernel(RunningKernel):
    """A kernel whose death is noticed while waiting for its messages.

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
        with open(os.devnull, "w") as nowhere:
            self.km.start_kernel(cwd=cwd, stderr=nowhere)
        self.kc = self.km.client()
        self.kc.start_channels()
        try:
            self._await_ready(startup_timeout)
        except Exception:
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
            return
        raise RuntimeError(f"the kernel didn't answer in {timeout} s")

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

    def torch_and_device(self) -> tuple[str, str]:
        """The version of torch, and the type of the chapter's device."""
        reply = self.kc.execute_interactive(
            "",
            silent=True,
            allow_stdin=False,
            user_expressions={"v": "torch.__version__", "d": "device.type"},
            timeout=10,
        )
        answers = reply["content"]["user_expressions"]
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
        self.kc.stop_channels()
        self.km.request_shutdown()
        self.ending.append(self.km)
        del self.km

    @classmethod
    def await_stopped(cls) -> None:
        """Wait until all kernels have ended, and kill those that don't."""
        while cls.ending:
            manager = cls.ending.pop()
            manager.finish_shutdown()
            manager.cleanup_resources()


class StrictFile(IPyNbFile):
    """A notebook whose cells are compared strictly, until one fails."""

    failed: str | None = None
    ran = 0  # how many code cells the kernel has run

    def setup(self) -> None:
        # ipykernel hides what C++ and subprocesses print, if it finds this.
        current = os.environ.pop("PYTEST_CURRENT_TEST", None)
        try:
            self.kernel = WatchedKernel(
                str(self.path.parent),
                self.config.option.nbval_kernel_startup_timeout,
            )
        finally:
            if current is not None:
                os.environ["PYTEST_CURRENT_TEST"] = current
        self.setup_sanitize_files()

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
            self._run_cells_left_out()
            self._run_and_compare()
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

    def _run_cells_left_out(self) -> None:
        """Run the cells before this one that pytest was told not to test."""
        cells = [c for c in self.parent.nb.cells if c.cell_type == "code"]
        kernel = self.parent.kernel
        for cell in cells[self.parent.ran : self.cell_num]:
            if _for_colab(cell):
                continue
            message = kernel.execute_cell_input(cell.source, allow_stdin=False)
            kernel.await_reply(message, self.config.option.nbval_cell_timeout)
            kernel.await_idle(message, self.output_timeout)
        self.parent.ran = self.cell_num + 1

    def _run_and_compare(self) -> None:
        if not self.parent.kernel.is_alive():
            self._fail("The kernel died before this cell", DEATH)
        failure = None
        try:
            super().runtest()
        except KernelDiedError:
            self._fail("The kernel died while it ran this cell", DEATH)
        except NbCellError as error:
            failure = error
        if self.parent.timed_out:
            self._fail(
                str(failure or "The cell ran out of time"),
                "let it compute less",
            )
        if failure is not None and str(failure) != "Cell outputs differ":
            self._fail(
                str(failure),
                "mend the code, or tag the cell raises-exception if the "
                "error is intended",
                failure.inner_traceback,
            )
        if warning := _stderr(self.test_outputs):
            self._fail(
                "The cell wrote to stderr, and a chapter may not warn",
                "mend what it complains of",
                warning,
            )
        raised = any(o.output_type == "error" for o in self.test_outputs)
        if self.options["check_exception"] and not raised:
            self._fail(
                "The cell raises no error",
                "remove its tag raises-exception, or let it raise",
            )
        if failure is not None:
            self._fail(
                "The outputs differ from the stored ones",
                f"if the new ones are right, {self._rerun} and read the "
                "diff; if not, mend the code",
                failure.inner_traceback,
            )

    def compare_outputs(
        self,
        test: list[NotebookNode],
        ref: list[NotebookNode],
        skip_compare: tuple[str, ...] | None = None,
    ) -> bool:
        self.comparison_traceback = []
        if outputs_difference(ref, test) is None:
            return True
        torch, device = self.parent.kernel.torch_and_device()
        difference = outputs_difference(ref, test, device)
        if difference is not None:
            self.comparison_traceback = [
                difference,
                f"(stored: -, now: +; {RULE})",
                f"torch {torch}, device {device}",
            ]
        return difference is None

    @property
    def _rerun(self) -> str:
        return f"run `make run CH={self.path.stem.split('_')[0]}`"

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


def _stderr(outputs: list[NotebookNode] | None) -> str:
    return "".join(
        output.text
        for output in outputs or ()
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


def pytest_sessionfinish() -> None:
    """Leave no kernel behind."""
    WatchedKernel.await_stopped()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Keep the cells of a notebook together under `pytest -n`."""
    option = config.option
    if getattr(option, "numprocesses", None) and option.dist == "no":
        option.dist = "loadfile"
