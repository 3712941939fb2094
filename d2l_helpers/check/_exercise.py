"""What makes a function a check: it answers, whatever it is given."""

from __future__ import annotations

import dis
import functools
import inspect
import linecache
import sys
import traceback
import types
import typing
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import torch
from torch import nn

from . import _hints, _safely
from ._compare import Wrong, distinct
from ._phrase import Phrase, either
from ._report import Report, State, code, show
from ._safely import replaced, safely
from ._time_limit import TimeUp, is_of_reader
from ._update import update

# By name, the check of each exercise.
CHECKS: dict[str, Callable[..., Report]] = {}


def exercise(title: str, *points: str) -> Callable[[Callable], Callable]:
    """Turn a function that raises :class:`Wrong` into a check.

    The check returns a :class:`Report` and raises nothing. It works on copies
    of the answers and on a random state of its own, in an empty folder; what
    the answer prints, draws or warns isn't shown. After five seconds of
    computing, or twenty of waiting, the answer is stopped, as far as it runs
    Python. The same wrong answer again gets the next step of its hint.

    Args:
        title (str): number and title, as they stand in the chapter.
        points (str): what the check looks at, each the rest of a sentence
            that begins "It was verified that".
    """

    def decorate(function: Callable[..., None]) -> Callable[..., Report]:
        @functools.wraps(function)
        def check(*answers: object, **named: object) -> Report:
            try:
                report = _report(function, title, points, answers, named)
                if remedy := update():
                    details = {**report.details, "update": remedy}
                    report = replace(report, details=details)
                return report
            except BaseException as error:  # an error that can't be told
                got, hint = type(error).__name__, "Run the cell again."
                details = {"got": got, "hint": hint}
                return Report(title, State.WRONG, points, details)

        check.title, check.points = title, points
        _require_new(check, sys._getframe(1).f_code)
        CHECKS[function.__name__] = check
        return check

    return decorate


def _require_new(check: Callable, module: types.CodeType) -> None:
    """Require that no other check has the name of this one.

    A module that is loaded again gives its checks again: by other code.
    """
    name, check.made_by = check.__name__, module
    other = CHECKS.get(name)
    if other is None:
        return
    again = other.made_by is not module or module.co_name != "<module>"
    if other.__module__ != check.__module__ or not again:
        first, second = (
            f"{code.co_filename}, line {code.co_firstlineno}"
            for code in (
                other.__wrapped__.__code__,
                check.__wrapped__.__code__,
            )
        )
        raise ValueError(
            f"two checks are called {name}: {first}, and {second}. Give one "
            "of them another name"
        )


def _report(function, title, points, answers, named) -> Report:
    if names := replaced():
        hint = "Restart the kernel, and leave these names what they are."
        got = Phrase("something else named {names}", names=", ".join(names))
        return Report(title, State.WRONG, points, {"got": got, "hint": hint})
    try:
        bound = inspect.signature(function).bind(*answers, **named).arguments
    except TypeError as error:
        names = ", ".join(inspect.signature(function).parameters)
        call = f"`check.{function.__name__}({names})`"
        hint = Phrase("Call it as {call}.", call=call)
        details = {"got": show(error), "hint": hint}
        return Report(title, State.WRONG, points, details)
    blank = [name for name, answer in bound.items() if is_blank(answer)]
    if blank:
        details = {}
        if len(blank) < len(bound):
            names = ", ".join(f"`{name}`" for name in blank)
            details["blank"] = Phrase(
                "{names}; fill it in to have all checked", names=names
            )
        return Report(title, State.BLANK, points, details)
    with safely():
        try:
            kinds = typing.get_type_hints(function)
            for name, answer in bound.items():
                _require_kind(name, answer, kinds[name])
            function(**{k: _copied(answer) for k, answer in bound.items()})
        except BaseException as error:
            # Inside, since an answer's error may print as it likes.
            details, hint = _details(error)
        else:
            _hints.forget(title)
            return Report(title, State.SOLVED, points)
    before = _hints.times(title, (*details.values(), *hint))
    details |= _hints.told(hint, before, _hints.solution(title))
    return Report(title, State.WRONG, points, details)


def _details(error: BaseException) -> tuple[dict[str, str], tuple[str, ...]]:
    """What a report tells about a wrong answer, and the steps of its hint."""
    if isinstance(error, TimeUp):
        error = Wrong(
            Phrase("an answer within {seconds} s", seconds=_safely.SECONDS),
            "none",
            "A loop may never end. Print what its condition tests, round by "
            "round, in a cell of your own.",
            error.given,
        )
    elif not isinstance(error, Wrong):
        cause, error = error, Wrong("no error", "", "")
        error.__cause__ = cause
    got, (first, *others) = error.got, _hints.steps(error.hint)
    if error.__cause__ is not None:
        got = show(error.__cause__)
        line = _line_of_reader(error.__cause__)
        if line:
            first = first or "The error comes from your code."
            first = Phrase(
                "{hint} The error was raised in the line {line}.",
                hint=first,
                line=code(line),
            )
        first = first or (
            "What your answer gave isn't what the check can use. Compare it "
            "with what the statement asks for."
        )
    expected, got = distinct(error.expected, got)
    details = {"given": error.given, "expected": expected, "got": got}
    details = {name: text for name, text in details.items() if text}
    return details, (first, *others)


def _line_of_reader(error: BaseException) -> str:
    """The last line of the reader's own code that an error went through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_of_reader(frame.filename):
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
                Phrase(
                    "Give the class `{name}` itself: the check makes its own "
                    "instances.",
                    name=type(answer).__name__,
                ),
            )
        if not (isinstance(answer, type) and issubclass(answer, wanted)):
            base = "nn.Module" if wanted is nn.Module else wanted.__name__
            hint = Phrase(
                "`{name}` must be a class that inherits from `{base}`.",
                name=name,
                base=base,
            )
            expected = Phrase("a subclass of {base}", base=base)
            raise Wrong(expected, show(answer), hint)
    elif kind is Callable:
        if not callable(answer):
            hint = Phrase(
                "`{name}` must be the function itself, without a call.",
                name=name,
            )
            raise Wrong("a function", show(answer), hint)
    elif not isinstance(answer, kind):
        names = either(k.__name__ for k in typing.get_args(kind) or (kind,))
        hint = Phrase(
            "`{name}` must be a {kind}, as the starter cell has it.",
            name=name,
            kind=names,
        )
        raise Wrong(Phrase("a {kind}", kind=names), show(answer), hint)


def _copied(answer: object) -> object:
    """A copy, of what could be changed; classes and functions stay."""
    if isinstance(answer, (type, types.FunctionType, types.MethodType)):
        return answer
    if isinstance(answer, torch.Tensor) and not answer.is_leaf:
        return answer.detach().clone()
    try:
        return deepcopy(answer)
    except Exception:  # of many kinds; `dict.keys()` has none, for example
        return answer


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
        forward = getattr(answer, "forward", None)
        return forward is nn.Module.forward and "__init__" not in own
    return answer is ...


def _does_nothing(function: types.FunctionType) -> bool:
    """Whether a function has an empty body, but for its docstring."""
    function = inspect.unwrap(function)
    return (
        function.__name__ != "<lambda>"
        and not function.__code__.co_flags & GENERATOR
        and _instructions(function) == _instructions(_blank)
    )


def _instructions(function: types.FunctionType) -> list[tuple]:
    return [(i.opname, i.argval) for i in dis.get_instructions(function)]


def _blank() -> None: ...


GENERATOR = inspect.CO_GENERATOR | inspect.CO_COROUTINE
