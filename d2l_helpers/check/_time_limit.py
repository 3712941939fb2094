"""Stop what takes too long, as far as it runs Python.

A tick of the clock raises :class:`TimeUp` in the answer. Since that may be
caught, each line of the answer, and of what it calls, raises another from then
on, until the answer has ended. Nothing imports torch here.

In the main thread of a system that has alarms, the ticks are alarms, which
also interrupt a call such as ``time.sleep(60)``. A thread of its own watches
everywhere: in the place of alarms, or over them, since an answer may take them
away, or be so deep in a recursion that they can't be handled.

What can't be stopped: C that doesn't come back to Python, such as
``sum(itertools.count())``; the import of a library; what an answer starts in
threads and processes of its own; and, in Python 3.11, an answer that catches
all and stays at the limit of recursion.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# By name: a check may replace those of `time`.
from time import monotonic, process_time

TICK = 0.05  # seconds from one look at the time to the next
# What a second counts in which nothing is computed: an answer that waits is
# stopped, and one that gets little of a busy machine isn't stopped too early.
WAITING = 1 / 4
GRACE = 1  # seconds for a check to end by itself, or an alarm to come
PACKAGE = str(Path(__file__).resolve().parent.parent)
NOT_OF_READER = (PACKAGE, sys.prefix, sys.base_prefix, "<frozen")

_limited: set[int] = set()  # threads in which a limit holds already


class TimeUp(BaseException):
    """The answer takes too long; no ``except Exception`` may catch it."""

    given = ""


def is_of_reader(filename: str) -> bool:
    """Whether a file, or a cell, is the reader's own."""
    return not filename.startswith(NOT_OF_READER)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`TimeUp` inside, when ``seconds`` are over.

    They are seconds in which the process computes; others count ``WAITING``
    each. The import of a library isn't counted, nor is it cut half way: the
    first optimizer imports much of torch. A limit inside another isn't set.
    """
    thread = threading.get_ident()
    if thread in _limited:
        yield
        return
    limit = _Limit(seconds)
    limit.begin()
    _limited.add(thread)
    try:
        yield
    finally:
        while thread in _limited:
            try:
                limit.end()
            except TimeUp:  # sent by the watcher: end what is left
                continue
            _limited.discard(thread)


class _Limit:
    """A limit of time for a thread, and what stops it."""

    def __init__(self, seconds: float) -> None:
        self.thread = threading.get_ident()
        self.over = self.sent = self.coming = False
        main = threading.current_thread() is threading.main_thread()
        self.alarms = main and hasattr(signal, "setitimer")
        self.tracing, self.tool = sys.gettrace(), None
        self.error = (
            TimeUp if hasattr(sys, "monitoring") else self._error_that_traces()
        )
        self.outside = set()
        frame = sys._getframe()
        while frame:
            self.outside.add(frame)
            frame = frame.f_back
        self.clock = _Clock(self, seconds)
        self.clock_of_watcher = _Clock(self, seconds)
        self.done = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)

    def begin(self) -> None:
        """Start the clocks."""
        self.watcher.start()
        if self.alarms:
            self.start = monotonic()
            self.handler = signal.signal(signal.SIGALRM, self._alarm)
            self.before = signal.setitimer(signal.ITIMER_REAL, TICK, TICK)

    def end(self) -> None:
        """Stop the clocks, and all that was begun to stop the answer."""
        self.over = True
        self.done.set()
        self.watcher.join()
        if self.sent:  # in the place of one that may be on its way
            self.sent = False
            _raise_in(self.thread, TimeUp)
        if self.alarms:
            left, interval = self.before
            if left:  # of an alarm of others
                left = max(left - (monotonic() - self.start), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self.handler)
            signal.setitimer(signal.ITIMER_REAL, left, interval)
        if self.tool is not None:
            monitoring = sys.monitoring
            monitoring.set_events(self.tool, 0)
            for event in (monitoring.events.LINE, monitoring.events.JUMP):
                monitoring.register_callback(self.tool, event, None)
            monitoring.free_tool_id(self.tool)
        sys.settrace(self.tracing)
        self.outside.clear()  # it would keep what is in these frames

    def state(self, frame: types.FrameType | None) -> str:
        """What runs in a frame.

        Returns:
            "answer", also for what the reader's code calls; "import", of a
            library; "check", which will come back to the answer; or "end",
            when no more is to be stopped, as in what stands here.
        """
        if frame and frame.f_code.co_filename == __file__:
            return "end"
        of_reader = own_file = of_check = False
        while frame and frame not in self.outside:
            name = frame.f_code.co_filename
            if name.startswith("<frozen importlib") and not own_file:
                return "import"
            if is_of_reader(name):
                of_reader = True
                own_file |= not name.startswith("<")
            of_check |= name.startswith(PACKAGE) and name != __file__
            frame = frame.f_back
        if not frame or self.over:  # of another thread, or after the end
            return "end"
        return "answer" if of_reader else "check" if of_check else "end"

    def _alarm(self, _: int, frame: types.FrameType | None) -> None:
        up = self.clock.is_up(frame)
        if self.coming:  # two errors: one would strike behind the answer
            self.coming = False
        elif up:
            self._press(frame)
            raise self.error

    def _watch(self) -> None:
        while not self.done.wait(TICK):
            self._look()

    def _look(self) -> None:
        """Stop the answer if it is time to, and keep nothing of its frames."""
        frame = sys._current_frames().get(self.thread)
        up = self.clock_of_watcher.is_up(frame)
        alive = self.alarms and monotonic() - self.clock.last < GRACE
        if alive or not up:
            return
        if hasattr(sys, "monitoring"):
            self._press(frame)
        if self.tool is None:  # Python 3.11 can't trace another thread
            self.sent = self.coming = True
            _raise_in(self.thread, self.error)
            # It may have left the answer meanwhile: `end` must come whole.
            frame = sys._current_frames().get(self.thread)
            if self.state(frame) == "end":
                _raise_in(self.thread, None)

    def _press(self, frame: types.FrameType | None) -> None:
        """Let each line of the answer raise from now on."""
        if not hasattr(sys, "monitoring"):  # Python 3.11
            sys.settrace(self._trace)
            while frame and frame not in self.outside:
                frame.f_trace = self._trace
                frame = frame.f_back
            return
        monitoring = sys.monitoring
        free = (i for i in (4, 3, 5, 2, 1, 0) if not monitoring.get_tool(i))
        if self.tool is None and (tool := next(free, None)) is not None:
            self.tool = tool
            monitoring.use_tool_id(tool, "time limit")
            # A loop that is one line may have no event but its jump.
            events = monitoring.events.LINE, monitoring.events.JUMP
            for event in events:
                monitoring.register_callback(tool, event, self._line)
            monitoring.set_events(tool, sum(events))

    def _line(self, code: types.CodeType, *_: int) -> None:
        """Raise before a line. A callback that raises stays in place."""
        mine = threading.get_ident() == self.thread
        if mine and self.state(sys._getframe(1)) == "answer":
            raise self.error

    def _trace(self, frame: types.FrameType, *_: object) -> Callable:
        """Raise in a line. A trace function that raises is taken away."""
        if self.state(frame) == "answer":
            raise self.error
        return self._trace

    def _error_that_traces(self) -> type[TimeUp]:
        """An error for Python 3.11: if it is caught, its end traces anew."""

        def trace_again(_: TimeUp) -> None:
            if threading.get_ident() == self.thread and not self.over:
                self._press(sys._getframe(1))

        return type("TimeUp", (TimeUp,), {"__del__": trace_again})


class _Clock:
    """The time that is left, by the ticks of one kind."""

    def __init__(self, limit: _Limit, seconds: float) -> None:
        self.limit, self.left = limit, seconds
        self.last, self.computed = monotonic(), process_time()

    def is_up(self, frame: types.FrameType | None) -> bool:
        """Whether to stop what runs in a frame, at a tick."""
        state = self.limit.state(frame)
        now, computed = monotonic(), process_time()
        if state != "import":
            passed = now - self.last
            busy = min(computed - self.computed, passed)
            self.left -= busy + WAITING * (passed - busy)
        self.last, self.computed = now, computed
        # A check may be about to undo a patch, and comes to its end itself.
        late = state == "check" and self.left < -GRACE
        return self.left <= 0 and (state == "answer" or late)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise an error in a thread when it runs Python next; None forgets it."""
    target = ctypes.py_object(error) if error else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), target)
