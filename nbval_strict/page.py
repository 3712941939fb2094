"""The tests of a page: one for each cell, and one of what it leaves."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from nbval_strict.comparison import outputs_difference, rule
from nbval_strict.hooks import Check
from nbval_strict.kernel import KernelDiedError, Ran, WatchedKernel
from nbval_strict.outputs import Problem, without_colors
from nbval_strict.settings import Settings

SETTINGS = pytest.StashKey[Settings]()
INTENDED = "mend the code, or tag the cell raises-exception if it is intended"
ANEW = "let the cell seed, and make anew what it changes"
_folders: list[TemporaryDirectory] = []


class StrictFile(IPyNbFile):
    """A notebook whose cells are compared strictly, until one fails."""

    failed: str | None = None

    @property
    def settings(self) -> Settings:
        """What the course has set."""
        return self.config.stash[SETTINGS]

    def require_unbroken(self) -> None:
        """Skip a test if one before it has failed."""
        if self.failed:
            pytest.skip(f"not run, because {self.failed} failed")

    def leaves_out(self, cell: NotebookNode) -> set[str]:
        """The tags for which a cell isn't run."""
        tags = cell.metadata.get("tags", [])
        return self.settings.leave_out.intersection(tags)

    def setup(self) -> None:
        self.ran: list[list[Ran]] = []
        folder = self.path.parent
        if self.settings.own_folder:
            folder = _new_folder(folder.name)
        self.folder = folder
        self.kernel = WatchedKernel(
            str(folder),
            self.config.option.nbval_kernel_startup_timeout,
            self.config.hook.pytest_nbval_strict_prepare(config=self.config),
        )

    def run_to(self, number: int) -> list[Ran]:
        """Run the cells up to one, those that haven't run.

        Returns:
            What became of that one: of its first run, and of its second, if
            each cell is run twice.
        """
        for i in range(len(self.ran), number + 1):
            runs = [self._run(i)]
            if self.settings.twice and runs[0].failure is None:
                runs.append(self._run(i, again=True))
            self.ran.append(runs)
        return self.ran[number]

    def _run(self, i: int, again: bool = False) -> Ran:
        before = (ran.failure for runs in self.ran for ran in runs)
        if broken := next(filter(None, before), None):
            what = f"A cell before this one failed ({broken.what})"
            return Ran(failure=broken._replace(what=what))
        cell = self.code[i]
        # What stands in for it keeps the numbers of those that follow.
        source = "pass" if self.leaves_out(cell) else cell.source
        name = f"In [{i + 1}]" + again * ", run a second time,"
        timeout = self.config.option.nbval_cell_timeout
        return self.kernel.run(source, name, timeout, numbered=not again)

    def result(self, number: int) -> list[Ran]:
        """What became of a cell, when no other can change it any more."""
        runs = self.run_to(number)
        may_change = self.kernel.shown.may_change
        if any(ran.request and may_change(ran.request) for ran in runs):
            self.run_to(len(self.code) - 1)
        return runs

    def show(self, code: str) -> str:
        """What code shows that is run when all cells have run.

        Raises:
            AssertionError: if it raises an error, or takes too long.
        """
        self.run_to(len(self.code) - 1)
        timeout = self.config.option.nbval_cell_timeout
        ran = self.kernel.run(code, "A check", timeout, numbered=False)
        errors = [o for o in ran.outputs if o.output_type == "error"]
        if errors:
            raised = without_colors("\n".join(errors[0].traceback))
            raise AssertionError(f"{code}\n\n{raised}")
        if ran.failure:
            raise AssertionError(f"{code}\n\n{ran.failure.what}")
        return "".join(
            output.text
            if output.output_type == "stream"
            else output.data.get("text/plain", "")
            for output in ran.outputs
        )

    def teardown(self) -> None:
        if self.kernel is None or not hasattr(self.kernel, "km"):
            return
        died = not self.kernel.is_alive()
        # Also a dead one, whose channels nbval would leave open.
        self.kernel.stop()
        if died and not self.failed:
            raise KernelDiedError(f"{self.path.name}, after its last cell")

    def collect(self) -> Iterator[pytest.Item]:
        cells = list(super().collect())
        self.code = [cell.cell for cell in cells]
        for cell in cells:
            yield StrictCell.from_parent(
                self,
                name=f"In [{cell.cell_num + 1}]",
                cell_num=cell.cell_num,
                cell=cell.cell,
                options=cell.options,
            )
        if self.code:
            yield PageEnd.from_parent(self, name="end")
            added = self.config.hook.pytest_nbval_strict_checks(page=self.path)
            for name, check in (pair for d in added for pair in d.items()):
                yield PageCheck.from_parent(self, name=name, check=check)


class StrictCell(IPyNbCell):
    """A cell that must have been run, and must say again what is stored."""

    _again = False

    def setup(self) -> None:
        self.parent.require_unbroken()
        if tags := self.parent.leaves_out(self.cell):
            pytest.skip(f"it is tagged {', '.join(sorted(tags))}")

    def runtest(self) -> None:
        self._again = False
        try:
            self._refuse_stored()
            for ran in self.parent.result(self.cell_num):
                self._judge(ran)
                self._again = True
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
                ANEW if self._again else INTENDED,
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
            anew = f"if the new ones are right, {self._rerun} and read the "
            self._fail(
                "The outputs differ from the stored ones",
                ANEW if self._again else anew + "diff; if not, mend the code",
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
        if self._again:
            what = f"Run a second time in a row: {what}"
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


class PageEnd(pytest.Item):
    """What is left when the last cell has run: no output, and no file."""

    parent: StrictFile

    def setup(self) -> None:
        self.parent.require_unbroken()

    def runtest(self) -> None:
        self.parent.run_to(len(self.parent.code) - 1)
        if problem := self.parent.kernel.look_once_more():
            raise PageError(f"{problem.what}: {problem.remedy}.")
        if not self.parent.settings.own_folder:
            return
        if left := sorted(path.name for path in self.parent.folder.iterdir()):
            raise PageError(
                f"The page leaves files behind ({', '.join(left)}): let it "
                "write to a temporary folder, or remove them."
            )

    def repr_failure(self, excinfo: pytest.ExceptionInfo) -> str:
        if isinstance(excinfo.value, PageError):
            return f"{self.path.name}: {excinfo.value}"
        return str(excinfo.getrepr(style="short"))

    def reportinfo(self) -> tuple:
        return self.path, 0, f"{self.path.name}::{self.name}"


class PageCheck(PageEnd):
    """What another plugin wants of a page, when its last cell has run."""

    def __init__(self, *, check: Check, **options) -> None:
        super().__init__(**options)
        self.check = check

    def runtest(self) -> None:
        self.check(self.parent.show)


class PageError(Exception):
    """A page isn't as it has to be; the message says what to do."""


def _new_folder(name: str) -> Path:
    """An empty folder, called as that of the page: it may ask."""
    around = TemporaryDirectory(ignore_cleanup_errors=True)
    _folders.append(around)
    folder = Path(around.name, name)
    folder.mkdir()
    return folder


def remove_folders() -> None:
    """Remove the folders that pages ran in; their kernels have ended."""
    while _folders:
        _folders.pop().cleanup()


def _stderr(outputs: list[NotebookNode]) -> str:
    return "".join(
        output.text
        for output in outputs
        if output.output_type == "stream" and output.name == "stderr"
    )
