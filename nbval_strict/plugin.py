"""A pytest plugin that makes nbval strict, and its failures readable.

nbval runs each stored notebook and compares every output. By itself it also
passes a cell that was never run, a figure that is gone, and waits half an
hour for a kernel that died. Here these fail, and each failure names the
page, the cell as JupyterLab numbers it, and what to do. What counts as the
same output is said in comparison.py.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterator

import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from nbval_strict import hooks, warm_kernels
from nbval_strict.comparison import outputs_difference, rule
from nbval_strict.kernel import KernelDiedError, Ran, WatchedKernel
from nbval_strict.outputs import Problem, without_colors
from nbval_strict.settings import Settings, add_settings, read_settings

SETTINGS = pytest.StashKey[Settings]()


class StrictFile(IPyNbFile):
    """A notebook whose cells are compared strictly, until one fails."""

    failed: str | None = None

    @property
    def settings(self) -> Settings:
        """What the course has set."""
        return self.config.stash[SETTINGS]

    def leaves_out(self, cell: NotebookNode) -> set[str]:
        """The tags for which a cell isn't run."""
        tags = cell.metadata.get("tags", [])
        return self.settings.leave_out.intersection(tags)

    def setup(self) -> None:
        self.ran: list[Ran] = []
        self.code = [c for c in self.nb.cells if c.cell_type == "code"]
        self.kernel = WatchedKernel(
            str(self.path.parent),
            self.config.option.nbval_kernel_startup_timeout,
            self.config.hook.pytest_nbval_strict_prepare(config=self.config),
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
            source = "pass" if self.leaves_out(cell) else cell.source
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
        if tags := self.parent.leaves_out(self.cell):
            pytest.skip(f"it is tagged {', '.join(sorted(tags))}")

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
                "The cell wrote to stderr, and a page may not warn",
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
        rtol = self.parent.settings.rtol
        if outputs_difference(stored, now, rtol=rtol) is None:
            return
        torch, device = self.parent.kernel.torch_and_device(
            self.parent.settings.device
        )
        difference = outputs_difference(stored, now, device, rtol)
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
                f"{difference}\n(stored: -, now: +; {rule(rtol)})\n"
                f"torch {torch}, device {device}",
            )

    @property
    def _rerun(self) -> str:
        return self.parent.settings.rerun_of(self.path)

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


def _stderr(outputs: list[NotebookNode]) -> str:
    return "".join(
        output.text
        for output in outputs
        if output.output_type == "stream" and output.name == "stderr"
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a course have its own words, tags, device and tolerance."""
    add_settings(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let other plugins prepare the kernels."""
    pluginmanager.add_hookspecs(hooks)


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
    config.stash[SETTINGS] = read_settings(config)
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
