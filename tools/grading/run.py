"""Run a submission: each cell within its limits, and what is right counts.

A cell that ends its kernel, or is ended with it, doesn't take the others
along: a new kernel runs what came before it, without that cell and without
the checks whose points stand already, and goes on behind it. Where a limit or
the end of a kernel may be the reason for which a check failed, its points are
left to the teacher. So are those of a check that passes behind code by which
it may have been deceived: see reach.py.
"""

from __future__ import annotations

from collections.abc import Callable, Set

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.utils import has_failed, is_grade, is_solution

from tools.grading.kernel import REPORT, Kernel, Ran
from tools.grading.reach import reaches
from tools.grading.sandbox import Limits, SandboxError
from tools.grading.words import Words

MADE = "d2l_companion"  # the key, in metadata
KERNELS = 4  # for a submission, until what is left is for the teacher
CHECK = "report = check."  # in the cell of a check of this book
MOST_NAMES, MOST_LETTERS = 5, 100  # of what a check may be deceived by


def execute(
    notebook: NotebookNode,
    start: Callable[[], Kernel],
    limits: Limits,
    words: Words,
    usual: Set[str] = frozenset(),
) -> None:
    """Run all cells, and keep in each what it has shown.

    A graded cell that a teacher must look at says so in its metadata: see
    :func:`look_of`.

    Args:
        notebook (NotebookNode): without outputs; it gets them.
        start (callable): starts a kernel.
        limits (Limits): for a cell, and for all.
        words (Words): to say why a cell was stopped.
        usual (set of str): names as of :func:`reaches` that were handed out.

    Raises:
        SandboxError: if no kernel can be started.
    """
    run = _Run(notebook, limits, words, usual)
    for _ in range(KERNELS):
        kernel = start()
        try:
            if run.go_on(kernel):
                return
        finally:
            kernel.end()
    run.leave("again")


def look_of(cell: NotebookNode) -> str:
    """Why a teacher must look at a graded cell; "" if that isn't so."""
    return cell.metadata.get(MADE, {}).get("look", "")


def names_of(cell: NotebookNode) -> str:
    """By what a check that a teacher must look at may be deceived."""
    return cell.metadata.get(MADE, {}).get("names", "")


def report_of(cell: NotebookNode) -> dict:
    """The last report that a cell shows; empty if it shows none."""
    reports = [
        output.data[REPORT]
        for output in cell.get("outputs", [])
        if REPORT in output.get("data", {})
    ]
    return reports[-1] if reports else {}


class _Run:
    def __init__(
        self,
        notebook: NotebookNode,
        limits: Limits,
        words: Words,
        usual: Set[str],
    ) -> None:
        cells = [c for c in notebook.cells if c.cell_type == "code"]
        self.cells = [cell for cell in cells if cell.source.strip()]
        self.limits, self.words, self.usual = limits, words, usual
        self.left = limits.seconds
        self.ran: set[int] = set()
        self.without: set[int] = set()  # cells that ended a kernel
        self.reason = ""  # why the next check may fail
        self.lasting = ""  # why all that are left may
        # By what the next check may be deceived, unseen, or the rest.
        self.reaches: set[str] = set()
        self.always: set[str] = set()

    def go_on(self, kernel: Kernel) -> bool:
        """Run what is left; return whether that was all."""
        for index, cell in enumerate(self.cells):
            first = index not in self.ran
            if index in self.without or (is_grade(cell) and not first):
                continue
            if self.left <= 0:
                self.leave("time")
                return True
            seconds = min(self.limits.cell_seconds, self.left)
            ran = kernel.run(cell.source, seconds)
            self.left -= ran.spent
            if first:
                self.ran.add(index)
                cell.execution_count = index + 1
                self._keep(cell, ran)
            if not ran.alive:
                self.without.add(index)
                return len(self.ran) == len(self.cells)
        return True

    def leave(self, reason: str) -> None:
        """Leave what hasn't run to the teacher."""
        for index, cell in enumerate(self.cells):
            if index not in self.ran:
                self._say(cell, reason)
                if is_grade(cell):
                    _look(cell, reason)

    def _keep(self, cell: NotebookNode, ran: Ran) -> None:
        cell.outputs = ran.outputs
        if ran.stopped:
            self._say(cell, ran.stopped)
            if is_grade(cell) or is_solution(cell):
                self.reason = ran.stopped
            else:  # others may need what it defines
                self.lasting = ran.stopped
        if not ran.ok and not has_failed(cell):
            self._say(cell, "error")
        if not is_grade(cell):
            names = reaches(cell.source) - self.usual
            self.reaches |= names
            if not is_solution(cell):
                self.always |= names
            return
        if has_failed(cell) or CHECK in cell.source:
            # For nbgrader the value of a cell is its points, also where an
            # error follows.
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.output_type = "display_data"
                    del output["execution_count"]
        solved = report_of(cell).get("state") == "solved"
        if has_failed(cell):
            if reason := self.reason or self.lasting:
                _look(cell, reason)
        elif CHECK in cell.source and not solved:
            self._say(cell, "report")
            _look(cell, "report")
        elif self.reaches or self.always:
            _look(cell, "reach", self.reaches | self.always)
        if look_of(cell):
            self.reaches = set()
        self.reason = ""

    def _say(self, cell: NotebookNode, reason: str) -> None:
        text = self.words.reason(reason, self.limits)
        cell.outputs.append(
            new_output(
                "error",
                ename=self.words.stopped,
                evalue=text,
                traceback=[
                    self.words.labeled.format(
                        label=self.words.stopped, text=text
                    )
                ],
            )
        )


def _look(
    cell: NotebookNode, reason: str, names: Set[str] = frozenset()
) -> None:
    shown = ", ".join(sorted(names)[:MOST_NAMES])
    cell.metadata[MADE] = {"look": reason, "names": shown[:MOST_LETTERS]}


__all__ = [
    "MADE",
    "SandboxError",
    "execute",
    "look_of",
    "names_of",
    "report_of",
]
