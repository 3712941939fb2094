"""What makes a function a check: it answers, whatever it is given."""

from __future__ import annotations

import dis
import functools
import importlib
import inspect
import linecache
import random
import signal
import sys
import tempfile
import threading
import traceback
import types
import typing
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ._compare import TimeUp, Wrong
from ._report import Report, show

SECONDS = 5  # for an answer
PACKAGE = str(Path(__file__).resolve().parent.parent)


def exercise(title: str, *points: str) -> Callable[[Callable], Callable]:
    """Turn a function that raises :class:`Wrong` into a check.

    The check returns a :class:`Report` and raises nothing. It works on copies
    of the answers and on a random state of its own, in an empty folder; what
    the answer prints, draws or warns isn't shown; after ``SECONDS`` the
    answer is stopped. The time limit needs the main thread, and a system with
    alarms, which Windows isn't.

    Args:
        title (str): number and title, as they stand in the chapter.
        points (str): what the check looks at, each the rest of a sentence
            that begins "It was verified that".
    """

    def decorate(function: Callable[..., None]) -> Callable[..., Report]:
        @functools.wraps(function)
        def check(*answers: object, **named: object) -> Report:
            try:
                return _report(function, title, points, answers, named)
            except BaseException as error:  # of ours, or the stop button
                details = {"got": show(error), "hint": "Run the cell again."}
                return Report(title, "not right yet", points, details)

        check.title, check.points = title, points
        return check

    return decorate


def _report(function, title, points, answers, named) -> Report:
    try:
        bound = inspect.signature(function).bind(*answers, **named).arguments
    except TypeError as error:
        names = ", ".join(inspect.signature(function).parameters)
        hint = f"Call it as `check.{function.__name__}({names})`."
        details = {"got": show(error), "hint": hint}
        return Report(title, "not right yet", points, details)
    blank = [name for name, answer in bound.items() if is_blank(answer)]
    if blank:
        details = {}
        if len(bound) > 1:
            details = {"blank": ", ".join(f"`{name}`" for name in blank)}
        return Report(title, "not solved yet", points, details)
    # Torch does it at some first calls, and takes seconds of the answer's.
    importlib.import_module("torch._dynamo")
    try:
        with safely():
            kinds = typing.get_type_hints(function)
            for name, answer in bound.items():
                _require_kind(name, answer, kinds[name])
            function(**{k: _copied(answer) for k, answer in bound.items()})
    except Wrong as wrong:
        return Report(title, "not right yet", points, _details(wrong))
    except TimeUp as stop:
        wrong = Wrong(
            f"an answer within {SECONDS} s",
            "none",
            "A loop may never end. Print what its condition tests, round by "
            "round, in a cell of your own.",
            stop.given,
        )
        return Report(title, "not right yet", points, _details(wrong))
    except BaseException as error:
        wrong = Wrong("no error", "", "")
        wrong.__cause__ = error
        return Report(title, "not right yet", points, _details(wrong))
    return Report(title, "solved", points)


def _details(wrong: Wrong) -> dict[str, str]:
    """The lines of a report about a wrong answer."""
    hint = wrong.hint
    if wrong.__cause__ is not None:
        wrong.got = show(wrong.__cause__)
        line = _line_of_reader(wrong.__cause__)
        hint = hint or "The error comes from your code."
        if line:
            hint += f" The error was raised in the line `{line}`."
    details = {
        "given": wrong.given,
        "expected": wrong.expected,
        "got": wrong.got,
        "hint": hint,
    }
    return {name: text for name, text in details.items() if text}


def _line_of_reader(error: BaseException) -> str:
    """The last line of the reader's own code that an error went through."""
    places = (PACKAGE, sys.prefix, sys.base_prefix, "<frozen")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(places):
            return (frame.line or linecache.getline(*frame[:2])).strip()
    return ""


def _require_kind(name: str, answer: object, kind: object) -> None:
    """Require that an answer is of the kind that the check's hints name."""
    if typing.get_origin(kind) is type:
        (wanted,) = typing.get_args(kind)
        if isinstance(answer, wanted):
            raise Wrong(
                "the class",
                "an instance of it",
                f"Give the class `{type(answer).__name__}` itself: the check "
                "makes its own instances.",
            )
        if not (isinstance(answer, type) and issubclass(answer, wanted)):
            base = "nn.Module" if wanted is nn.Module else wanted.__name__
            hint = f"`{name}` must be a class that inherits from `{base}`."
            raise Wrong("a class", show(answer), hint)
    elif kind is Callable:
        if not callable(answer):
            hint = f"`{name}` must be the function itself, without a call."
            raise Wrong("a function", show(answer), hint)
    elif not isinstance(answer, kind):
        names = " or ".join(
            k.__name__ for k in typing.get_args(kind) or (kind,)
        )
        hint = f"`{name}` must be a {names}, as the starter cell has it."
        raise Wrong(f"a {names}", show(answer), hint)


def _copied(answer: object) -> object:
    """A copy, of what could be changed; classes and functions stay."""
    if isinstance(answer, (type, types.FunctionType, types.MethodType)):
        return answer
    return deepcopy(answer)


def is_blank(answer: object) -> bool:
    """Whether an answer is still what its starter cell says."""
    if isinstance(answer, dict):
        return any(map(is_blank, answer.values()))
    if isinstance(answer, (list, tuple, set)):
        return any(map(is_blank, answer))
    if isinstance(answer, types.FunctionType):
        return _does_nothing(answer)
    if isinstance(answer, type) and answer.__module__ != "builtins":
        own = vars(answer)
        functions = [getattr(f, "__func__", f) for f in own.values()]
        functions = [
            f
            for f in functions
            if isinstance(f, types.FunctionType) and f.__name__ != "__init__"
        ]
        if functions:
            return all(map(_does_nothing, functions))
        return issubclass(answer, nn.Module) and "__init__" not in own
    return answer is ...


def _does_nothing(function: types.FunctionType) -> bool:
    """Whether a function has an empty body, but for its docstring."""
    code = function.__code__
    names = [i.opname for i in dis.get_instructions(code)]
    return names == BLANK and code.co_flags == code.co_flags & ~GENERATOR


def _blank() -> None: ...


BLANK = [i.opname for i in dis.get_instructions(_blank)]
GENERATOR = inspect.CO_GENERATOR | inspect.CO_COROUTINE


@contextmanager
def safely() -> Iterator[None]:
    """Run an answer so that nothing but its result is left of it.

    Raises:
        TimeUp: if it takes more than ``SECONDS``.
    """
    from IPython.utils.capture import capture_output

    with ExitStack() as stack:
        stack.enter_context(_state_kept())
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        stack.enter_context(chdir(stack.enter_context(folder)))
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        stack.enter_context(capture_output())
        stack.enter_context(_figures_closed())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(_time_limit())
        yield


@contextmanager
def _state_kept() -> Iterator[None]:
    """Seed, and give back the random states and settings as they were."""
    cuda = torch.cuda.is_initialized()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    places = torch.cuda.get_rng_state_all() if cuda else []
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    threads = torch.get_num_threads()
    random.seed(0)
    np.random.seed(0)
    # Not torch.manual_seed: it would seed a GPU that nobody uses yet.
    torch.default_generator.manual_seed(0)
    if cuda:
        torch.cuda.manual_seed_all(0)
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda:
            torch.cuda.set_rng_state_all(places)
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


@contextmanager
def _figures_closed() -> Iterator[None]:
    """Close the figures that are drawn inside."""
    plt = sys.modules.get("matplotlib.pyplot")
    before = plt.get_fignums() if plt else []
    try:
        yield
    finally:
        if plt := sys.modules.get("matplotlib.pyplot"):
            for number in set(plt.get_fignums()) - set(before):
                plt.close(number)


@contextmanager
def _time_limit() -> Iterator[None]:
    """Raise :class:`TimeUp` when ``SECONDS`` are over."""
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise TimeUp

    handler = signal.signal(signal.SIGALRM, stop)
    # Again and again: a bare `except:` may catch the first.
    before = signal.setitimer(signal.ITIMER_REAL, SECONDS, 0.05)

    def disarm() -> None:
        signal.setitimer(signal.ITIMER_REAL, *before)
        signal.signal(signal.SIGALRM, handler)

    try:
        try:
            yield
        finally:
            disarm()
    finally:
        disarm()  # the alarm may have struck just before the first did it
