"""What the cells of a notebook show, made from their kernel's messages.

JupyterLab decides what a reader sees: ``clear_output`` clears, an update of a
display changes it wherever it stands, ``\\r`` overwrites. What is stored and
what is compared with it follow the same rules, and come from here.

What comes in no fixed order, or after its cell has ended, is refused: it would
be stored one time in this way, and another time in that.
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from nbformat import NotebookNode
from nbformat.v4 import output_from_msg

from nbval_strict.server import SHARED

SUBPROCESS = "subprocess"  # in the metadata of a message: who wrote it
WIDGET = "application/vnd.jupyter.widget-view+json"
# Not in the user's files, which a kernel with a history would write to.
KERNEL_ARGUMENTS = [
    "--log-level=ERROR",  # not the notice about unencrypted loopback
    "--HistoryManager.hist_file=:memory:",
]


def kernel_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a page's kernel runs.

    Args:
        environment (mapping): that of the process which starts it. With its
            ``MPLBACKEND``, figures could be missing.
    """
    dropped = ("MPLBACKEND", SHARED)
    return {k: v for k, v in environment.items() if k not in dropped}


def _collect_from_subprocesses(shell) -> None:
    """In a kernel: show what subprocesses write when the cell ends.

    ipykernel passes it on from a thread: a little later, at any place between
    what the cell itself shows, or when the cell has ended.
    """
    import atexit
    import os
    import tempfile

    def collect(*_) -> None:
        for name, file in files.items():
            # Not read(), whose position is also the subprocesses'.
            size = os.fstat(file.fileno()).st_size
            if text := os.pread(file.fileno(), size, 0):
                os.ftruncate(file.fileno(), 0)
                shell.kernel.send_response(
                    shell.kernel.iopub_socket,
                    "stream",
                    {"name": name, "text": text.decode(errors="replace")},
                    metadata={"subprocess": True},
                )

    files = {}
    if os.name == "posix":
        import fcntl

        for fd, name in ((1, "stdout"), (2, "stderr")):
            files[name] = file = tempfile.TemporaryFile()  # noqa: SIM115
            fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
            # Its streams wait for an answer when they are closed.
            atexit.register(os.dup2, os.dup(fd), fd)
            os.dup2(file.fileno(), fd)
        shell.events.register("post_run_cell", collect)


# To be run in a kernel, silently, before any cell.
PREPARE_KERNEL = (
    f"exec({inspect.getsource(_collect_from_subprocesses)!r}"
    "'_collect_from_subprocesses(get_ipython())', "
    "{'get_ipython': get_ipython})"
)
# Gets what subprocesses wrote after the last cell.
LAST_LOOK = "pass"


class Problem(NamedTuple):
    """Why a page can't show what a cell shows."""

    what: str
    remedy: str


class _Cell:
    """A cell that runs or has run, as its kernel tells it."""

    def __init__(self, name: str, outputs: list[NotebookNode]) -> None:
        self.name = name
        self.outputs = outputs
        self.clears = False  # when the next output comes
        self.idle = False
        self.late = False
        self.origin = None  # the process of its kernel
        self.kinds = set()  # who wrote: "cell", "subprocess", "fork"
        self.updatable = False


class Outputs:
    """The outputs of a notebook's cells, which grow with each message."""

    def __init__(self) -> None:
        self._cells: dict[str, _Cell] = {}
        self._displays: defaultdict[str, list[NotebookNode]]
        self._displays = defaultdict(list)
        self.late: list[tuple[str, NotebookNode]] = []

    def begin(
        self, request: str, name: str, outputs: list[NotebookNode]
    ) -> None:
        """Expect the outputs of a cell.

        Args:
            request (str): the id of the message that asks for its execution.
            name (str): what to call it.
            outputs (list): an empty list, which gets them.
        """
        self._cells[request] = _Cell(name, outputs)

    def begin_last_look(self, request: str) -> None:
        """Expect what comes late, when the last cell has ended.

        Args:
            request (str): the id of the message that executes ``LAST_LOOK``.
        """
        self.begin(request, "A cell", [])
        self._cells[request].late = True

    def idle(self, request: str) -> bool:
        """Whether the kernel is done with a request."""
        return self._cells[request].idle

    def may_change(self, request: str) -> bool:
        """Whether another cell can still change what this one shows."""
        return self._cells[request].updatable

    def take(self, message: Mapping) -> None:
        """Let a message of the kernel act, whichever cell it is about."""
        cell = self._cells.get(message["parent_header"].get("msg_id"))
        if cell is None:
            return
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            cell.origin = cell.origin or _origin(message)
            if content["execution_state"] == "idle":
                self._end(cell)
        elif kind == "clear_output":
            cell.clears = content["wait"]
            if not cell.clears:
                cell.outputs.clear()
        elif kind == "update_display_data":
            self._update(content)
        elif kind in ("stream", "display_data", "execute_result", "error"):
            self._add(cell, message)

    def problem(self, request: str) -> Problem | None:
        """Why a page can't show what a cell shows, if it can't."""
        cell = self._cells[request]
        if "fork" in cell.kinds:
            return Problem(
                "A forked process writes, which may come after the cell has "
                "ended",
                "let it return its results, and print them in the cell",
            )
        if {"cell", SUBPROCESS} <= cell.kinds:
            return Problem(
                "What the cell shows and what its subprocess writes come in "
                "no fixed order",
                "capture the latter, as with subprocess.run(..., "
                "capture_output=True, text=True).stdout, and print it",
            )
        if any(WIDGET in o.get("data", {}) for o in cell.outputs):
            return Problem(
                "The cell shows a widget, which a page without a kernel can't",
                "show text or a figure",
            )
        if self.late:
            name, output = self.late[0]
            return Problem(
                f"{name} wrote after it had ended: "
                f"{output.get('text', output.output_type)!r}",
                "let it wait for its threads and processes",
            )
        return None

    def _add(self, cell: _Cell, message: Mapping) -> None:
        output = output_from_msg(message)
        if cell.idle or cell.late:
            self.late.append((cell.name, output))
            return
        if cell.clears:
            cell.outputs.clear()
            cell.clears = False
        if message["metadata"].get(SUBPROCESS):
            cell.kinds.add(SUBPROCESS)
        else:
            own = _origin(message) == cell.origin
            cell.kinds.add("cell" if own else "fork")
        last = cell.outputs[-1] if cell.outputs else {}
        if output.output_type == "stream" == last.get("output_type") and (
            output.name == last.name
        ):
            last.text += output.text
            return
        cell.outputs.append(output)
        transient = message["content"].get("transient") or {}
        if display := transient.get("display_id"):
            cell.updatable = True
            self._update(message["content"])
            self._displays[display].append(output)

    def _update(self, content: Mapping) -> None:
        for output in self._displays[content["transient"]["display_id"]]:
            output.data = content["data"]
            output.metadata = content["metadata"]

    def _end(self, cell: _Cell) -> None:
        cell.idle = True
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = rendered(output.text)


def _origin(message: Mapping) -> str:
    """The process that sent a message: its id is session_pid_number."""
    return message["header"]["msg_id"].rpartition("_")[0]


def without_colors(text: str) -> str:
    """The text without the escape sequences that color it in a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def rendered(text: str) -> str:
    r"""The text as it looks after ``\r``, which overwrites, and ``\b``."""
    if not re.search(r"[\r\b]", text):
        return text
    return "\n".join(map(_rendered_line, text.split("\n")))


def _rendered_line(line: str) -> str:
    shown: list[str] = []
    cursor = 0
    for part in re.split(r"([\r\b])", line):
        if part == "\r":
            cursor = 0
        elif part == "\b":
            del shown[max(0, cursor - 1) : cursor]
            cursor = max(0, cursor - 1)
        else:
            shown[cursor : cursor + len(part)] = part
            cursor += len(part)
    return "".join(shown)
