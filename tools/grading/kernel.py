"""What talks to a kernel in a sandbox, and believes it nothing.

All that a kernel says comes from a process in which a student's code runs: it
may be wrong, malformed, endless, or missing. It is data, of a few kinds and
limited size.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from queue import Empty

import zmq
from jupyter_client import BlockingKernelClient
from nbformat import NotebookNode
from nbformat.v4 import new_output

from tools.grading.sandbox import MIB, START, SandboxError, Unsealed

REPORT = "application/vnd.d2l.report+json"
# What a page may show that runs no script, wherever it is opened.
TEXTS = ("text/plain", "text/markdown", "text/latex")
PICTURES = ("image/png", "image/jpeg")
LOOK = 0.25  # seconds between two looks at what a sandbox uses
INTERRUPT = 5  # seconds that a cell has to end when it is interrupted
LOST = 2  # seconds from a reply to its last output, until that is lost
WAITING = 1 / 4
LARGEST = 16 * MIB  # of a message
UNREAD = 16  # messages
LINES = 200  # of a traceback


@dataclass
class Ran:
    """What became of a cell.

    Args:
        outputs (list of NotebookNode): what it has shown, as far as kept.
        ok (bool): whether its end was reported, and without an error.
        stopped (str): the limit that it was stopped for: "time", "memory",
            "processes" or "output"; "ended" if its kernel ended by itself.
        alive (bool): whether the kernel can go on.
        spent (float): the seconds that it took: see :class:`Clock`.
    """

    outputs: list[NotebookNode] = field(default_factory=list)
    ok: bool = False
    stopped: str = ""
    alive: bool = True
    spent: float = 0


class Clock:
    """Seconds in which a sandbox computes; others count ``WAITING`` each.

    Those in which it would compute, and others do, don't count: so a cell
    isn't stopped too early where many run side by side.

    Args:
        sandbox (Unsealed): what computes.
        seconds (float): when it is over.
    """

    def __init__(self, sandbox: Unsealed, seconds: float) -> None:
        self.sandbox, self.seconds = sandbox, seconds
        self.began = self.looked = time.monotonic()
        self.computed, self.delayed = sandbox.computed(), sandbox.delayed()

    def looks(self) -> bool:
        """Whether it is time for another look at the sandbox."""
        now = time.monotonic()
        if now - self.looked < LOOK:
            return False
        self.looked = now
        return True

    def spent(self) -> float:
        """The seconds until now."""
        computed = self.sandbox.computed() - self.computed
        passed = time.monotonic() - self.began
        delayed = max(0, self.sandbox.delayed() - self.delayed)
        return max(computed, WAITING * (passed - delayed))

    def is_over(self) -> bool:
        """Whether it is over."""
        return self.spent() > self.seconds


class Kernel:
    """A kernel in a sandbox, as a client has it.

    Args:
        sandbox (Unsealed): where it runs. It is ended with the kernel.

    Raises:
        SandboxError: if it doesn't answer.
    """

    def __init__(self, sandbox: Unsealed) -> None:
        self.sandbox = sandbox
        self.limits = sandbox.limits
        # Nothing is run before this has connected, and it connects once: the
        # sockets can't be replaced by others.
        context = zmq.Context()
        context.setsockopt(zmq.RECONNECT_IVL, -1)
        context.setsockopt(zmq.MAXMSGSIZE, LARGEST)
        context.setsockopt(zmq.RCVHWM, UNREAD)
        context.setsockopt(zmq.LINGER, 0)
        self._context = context
        self.client = BlockingKernelClient(context=context)
        self.client.load_connection_info(sandbox.connection())
        try:
            self.client.start_channels(hb=False, stdin=False)
            self._await_answer()
        except BaseException:
            self.end()
            raise

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self.sandbox.is_alive():
            self.client.kernel_info()
            reply = self._message(self.client.shell_channel, 1)
            # What is subscribed to comes a little later.
            if reply and self._message(self.client.iopub_channel, 1):
                return
        raise SandboxError("the kernel doesn't answer")

    def run(self, code: str, seconds: float) -> Ran:
        """Run a cell, within the limits.

        Args:
            code (str): its source.
            seconds (float): how long it may take: see :class:`Clock`.
        """
        request = self.client.execute(code, allow_stdin=False)
        ran, shown = Ran(), Shown(self.limits.output * MIB)
        ran.outputs = shown.outputs
        begun = clock = Clock(self.sandbox, seconds)
        idle = replied = False
        lost: Clock | None = None
        while not (idle and replied):
            message = self._message(self.client.iopub_channel, LOOK)
            if message and _answers(message, request):
                idle |= shown.take(message)
            if not replied and (idle or not message):
                reply = self._message(self.client.shell_channel, 0)
                if reply and _answers(reply, request):
                    content = reply.get("content")
                    status = isinstance(content, dict) and content.get(
                        "status"
                    )
                    replied, ran.ok = True, status == "ok"
                    lost = Clock(self.sandbox, LOST)
            if not clock.looks():
                continue
            if not self.sandbox.is_alive():
                return self._stopped(ran, "ended", begun)
            if excess := self.sandbox.excess():
                return self._stopped(ran, excess, begun)
            if lost and not idle and lost.is_over():
                # A message was too large, and nothing comes after it.
                return self._stopped(ran, "output", begun)
            if clock.is_over() and ran.stopped:
                return self._stopped(ran, "time", begun)
            if clock.is_over():
                ran.stopped = "time"
                clock = Clock(self.sandbox, INTERRUPT)
                message = self.client.session.msg("interrupt_request", {})
                self.client.control_channel.send(message)
        ran.ok &= not ran.stopped
        ran.spent = begun.spent()
        return ran

    def _stopped(self, ran: Ran, reason: str, clock: Clock) -> Ran:
        ran.stopped, ran.ok, ran.alive = ran.stopped or reason, False, False
        ran.spent = clock.spent()
        return ran

    def _message(self, channel, timeout: float) -> dict | None:
        """The next message of a channel, if it is one."""
        try:
            return channel.get_msg(timeout=timeout)
        except Empty:
            return None
        except Exception:  # no signature, no JSON, nested too deep, ...
            return None

    def end(self) -> None:
        """End the kernel, and its sandbox."""
        with contextlib.suppress(Exception):
            self.client.stop_channels()
        self._context.destroy(linger=0)
        self.sandbox.end()


class Shown:
    """What a cell shows: of a few kinds, and not more than fits.

    Args:
        most (int): how many bytes of it are kept.
    """

    def __init__(self, most: int) -> None:
        self.left = most
        self.outputs: list[NotebookNode] = []
        self.cut = False

    def take(self, message: dict) -> bool:
        """Keep what a message shows.

        Returns:
            whether it says that the cell has ended.
        """
        kind, content = message.get("msg_type"), message.get("content")
        if not isinstance(content, dict):
            return False
        if kind == "status":
            return content.get("execution_state") == "idle"
        if kind == "clear_output":
            self.outputs.clear()
        elif kind == "stream":
            self._stream(content)
        elif kind in ("display_data", "execute_result"):
            self._data(kind, content)
        elif kind == "error":
            self._error(content)
        return False

    def _stream(self, content: dict) -> None:
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        text = self._fitting(content.get("text"))
        last = self.outputs[-1] if self.outputs else {}
        if text and last.get("name") == name:
            last["text"] += text
        elif text:
            self.outputs.append(new_output("stream", name=name, text=text))

    def _data(self, kind: str, content: dict) -> None:
        data = content.get("data")
        kept = {}
        for name, value in data.items() if isinstance(data, dict) else ():
            if name in TEXTS and (text := self._fitting(value)):
                kept[name] = text
            elif name in PICTURES and self._fits(value):
                kept[name] = value
            elif name == REPORT and isinstance(value, dict):
                kept[name] = self._fits(str(value)) and value
        kept = {name: value for name, value in kept.items() if value}
        if kept:
            # As what was displayed: the value of a cell would be its points.
            count = {"execution_count": None} if kind[0] == "e" else {}
            self.outputs.append(new_output(kind, data=kept, **count))

    def _error(self, content: dict) -> None:
        lines = content.get("traceback")
        lines = lines[:LINES] if isinstance(lines, list) else []
        self.outputs.append(
            new_output(
                "error",
                ename=str(content.get("ename"))[:200],
                evalue=str(content.get("evalue"))[:2000],
                traceback=[str(line)[:5000] for line in lines],
            )
        )

    def _fits(self, text: object) -> bool:
        fits = isinstance(text, str) and len(text) <= self.left
        self.left -= len(text) if fits else 0
        return fits

    def _fitting(self, text: object) -> str:
        """As much of a text as fits, with a mark where it is cut."""
        if not isinstance(text, str) or self.cut:
            return ""
        if self._fits(text):
            return text
        self.cut, kept, self.left = True, text[: self.left], 0
        return f"{kept}\n[...]\n"


def _answers(message: object, request: str) -> bool:
    """Whether a message is about what was asked."""
    if not isinstance(message, dict):
        return False
    parent = message.get("parent_header")
    return isinstance(parent, dict) and parent.get("msg_id") == request
