"""How a check compares what it got with what it expects."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Number

import torch
from torch import Tensor, nn

from ._hints import Hint, steps
from ._phrase import Phrase, either
from ._report import DIGITS, show
from ._time_limit import TimeUp

RTOL, ATOL = 1e-4, 1e-6
# Mistakes that have a hint of their own: a dict of hints, or pairs where the
# mistake is no key of a dict, such as a list.
Known = Mapping[object, Hint] | Iterable[tuple[object, Hint]]


class Wrong(Exception):  # noqa: N818  it isn't an error of ours
    """The smallest case in which an answer is wrong.

    Args:
        expected (str): what should have come.
        got (str): what came.
        hint (str or tuple of str): what teaches the difference, maybe in
            steps: the first names what is wrong, and doesn't contain the
            solution; the same wrong answer again gets the next.
        given (str): what the answer was given; :func:`case` fills it in.
    """

    def __init__(
        self, expected: str, got: str, hint: Hint, given: str = ""
    ) -> None:
        super().__init__(*steps(hint))
        self.expected, self.got = expected, got
        self.hint, self.given = hint, given


@contextmanager
def case(given: str, hint: Hint = "", known: Known = ()) -> Iterator[None]:
    """Say in which case the answer is tried.

    Args:
        given (str): the input, as a reader would describe it.
        hint (str or tuple of str): what to say if the answer raises an
            error there.
        known (dict or pairs): by words of an error's class and message, the
            hint for such an error.

    Raises:
        Wrong: in place of any error.
    """
    try:
        yield
    except (Wrong, TimeUp) as stop:
        stop.given = stop.given or given
        raise
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
        hints = (why for words, why in _pairs(known) if words in said)
        hint = "" if _is_slip(error) else next(hints, hint)
        raise Wrong("no error", "", hint, given) from error


def _pairs(known: Known) -> Iterable[tuple[object, Hint]]:
    return known.items() if isinstance(known, Mapping) else known


def _is_slip(error: BaseException) -> bool:
    """Whether an error is of the pen, about which no hint has to teach."""
    return isinstance(error, (NameError, ImportError, SyntaxError)) or (
        isinstance(error, AttributeError)
        and isinstance(error.obj, types.ModuleType)
    )


@contextmanager
def asked(question: str) -> Iterator[None]:
    """Say what a reader was asked; the report doesn't tell the answer.

    Args:
        question (str): what it was about, such as "your answer for d = 8".
    """
    with case(question):
        try:
            yield
        except Wrong as wrong:
            wrong.expected = "another answer: run it and see"
            raise


def equal(
    got: object,
    expected: object,
    hint: Hint,
    known: Known = (),
    rtol: float = RTOL,
    atol: float = ATOL,
    what: str = "",
) -> None:
    """Require that two values are the same.

    Args:
        got: what the answer gave.
        expected: what is right.
        hint (str or tuple of str): what to say if they differ.
        known (dict or pairs): by wrong value, the hint for it.
        rtol, atol (float): the tolerances, relative and absolute.
        what (str): what is compared, where the case doesn't tell: with
            "number of blocks" a report says "number of blocks: 3".

    Raises:
        Wrong: if they differ.
    """
    try:
        if same(got, expected, rtol, atol):
            return
    except TypeError:  # of a set of what has no hash, for example
        pass
    if isinstance(expected, bool) and type(got) in (str, int, float):
        kind = "without quotes" if isinstance(got, str) else "not a number"
        hint = Phrase("The answer is True or False, {kind}.", kind=kind)
    for value, why in _pairs(known):
        if same(got, value, rtol, atol):
            hint = why
            break
    shown = show_both(expected, got)
    if what:
        shown = (
            Phrase("{what}: {value}", what=what, value=value)
            for value in shown
        )
    raise Wrong(*shown, hint)


def holds(condition: object, expected: str, got: str, hint: Hint) -> None:
    """Require a condition.

    Raises:
        Wrong: if it isn't true.
    """
    if not condition:
        raise Wrong(expected, got, hint)


def has_graph(output: Tensor, hint: Hint) -> None:
    """Require an output through which a gradient can pass.

    Raises:
        Wrong: if it is cut off the graph.
    """
    holds(output.requires_grad, "an output with a graph", "none", hint)


def raises(
    kind: type[Exception] | tuple[type[Exception], ...],
    function: Callable,
    *arguments: object,
    hint: Hint,
    says: Iterable[str] = (),
) -> None:
    """Require that a call raises an error, whose message has some words.

    Raises:
        Wrong: if it doesn't.
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    expected = either(k.__name__ for k in kinds)
    if kind is Exception:
        expected = "an error"
    if says:
        expected = Phrase(
            "{error} that names {words}", error=expected, words=", ".join(says)
        )
    try:
        value = function(*arguments)
    except kinds as error:
        if all(word in str(error) for word in says):
            return
        raise Wrong(expected, show(error), hint) from None
    except Exception as error:
        raise Wrong(expected, show(error), hint) from None
    got = Phrase("no error, and {value}", value=show(value))
    raise Wrong(expected, got, hint)


def predicted(
    prediction: Mapping,
    truth: Mapping,
    hints: Mapping[object, Hint],
    of: str = "",
) -> None:
    """Require that each entry of a prediction comes true.

    Args:
        prediction (dict): what the reader typed.
        truth (dict): what happened when the check ran it.
        hints (dict): by entry, what explains it.
        of (str): what a key stands for, such as "epoch {key}".

    Raises:
        Wrong: with the first entry that differs.
    """
    for key, value in truth.items():
        shown = show(key)
        name = Phrase(of, key=shown) if of else shown
        with asked(Phrase("your prediction for {name}", name=name)):
            if key not in prediction:
                raise Wrong("", "none", Phrase("Add {key}.", key=shown))
            hint, got = hints[key], prediction[key]
            if isinstance(value, Number) and not isinstance(value, bool):
                if isinstance(got, str):
                    hint = "The answer is a number, without quotes."
                elif got is None or isinstance(got, bool):
                    hint = "The answer is a number."
            equal(got, value, hint)


def one_of(
    answer: object,
    choices: Iterable[str],
    question: str,
    truth: str | None = None,
    hint: Hint = "",
) -> None:
    """Require one of the answers that a starter cell lists.

    Args:
        answer: what the reader typed; spaces don't matter.
        choices (iterable of str): what may be typed.
        question (str): what it was about.
        truth (str): the one that is right, if just one is.
        hint (str or tuple of str): what to say if another was chosen.

    Raises:
        Wrong: if it is none of them, or not the right one.
    """
    choices = [*choices]

    def among(listed: Iterable[str]) -> bool:
        typed = _without_spaces(answer)
        return any(same(typed, _without_spaces(c), 0, 0) for c in listed)

    if not among(choices):
        with case(question):
            raise Wrong(
                Phrase(
                    "one of {choices}", choices=", ".join(map(show, choices))
                ),
                show(answer),
                "Choose one of the answers in the starter cell's comment, "
                "and leave its quotes.",
            )
    if truth is not None:
        with asked(question):
            holds(among([truth]), truth, show(answer), hint)


def _without_spaces(answer: object) -> object:
    return answer.replace(" ", "") if isinstance(answer, str) else answer


def same(
    got: object, expected: object, rtol: float = RTOL, atol: float = ATOL
) -> bool:
    """Whether two values are the same, on any device, in any container."""
    if isinstance(expected, Tensor):
        return (
            isinstance(got, Tensor)
            and not got.is_meta
            and got.shape == expected.shape
            and got.is_complex() == expected.is_complex()
            and torch.allclose(
                got.detach().cpu().to(expected.dtype),
                expected.detach().cpu(),
                rtol,
                atol,
                equal_nan=True,
            )
        )
    if isinstance(got, Tensor) and not isinstance(expected, type):
        got = got.tolist()
    if hasattr(got, "item") and isinstance(expected, Number):
        got = got.item()  # a number of numpy's
    if isinstance(expected, bool) or isinstance(got, bool):
        return got is expected
    if isinstance(expected, Number):
        return isinstance(got, Number) and (
            got == expected
            or (
                isinstance(expected, float)
                and math.isclose(got, expected, rel_tol=rtol, abs_tol=atol)
            )
        )
    if isinstance(expected, str):
        # A reader may give an error by its class.
        name = got.__name__ if isinstance(got, type) else got
        return isinstance(name, str) and _plain(name) == _plain(expected)
    if isinstance(expected, (set, frozenset)):
        return not isinstance(got, str) and set(got) == expected
    if isinstance(expected, (list, tuple)):
        return (
            isinstance(got, (list, tuple))
            and len(got) == len(expected)
            and all(
                same(g, e, rtol, atol)
                for g, e in zip(got, expected, strict=True)
            )
        )
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and got.keys() == expected.keys()
            and all(same(got[k], expected[k], rtol, atol) for k in expected)
        )
    return got is expected or bool(got == expected)


def show_both(expected: object, got: object) -> tuple[str, str]:
    """Two values that differ, each in a line; the lines differ too."""
    if isinstance(got, Tensor) and not isinstance(expected, (Tensor, type)):
        got = got.tolist()  # as they are compared
    for digits in (DIGITS, 6, 8, 12, 17):
        lines = show(expected, digits), show(got, digits)
        if _digits(lines[0]) != _digits(lines[1]):
            return lines
    lines = show(expected), show(got)
    if members := _difference(expected, got):
        where, *inner = members
        return tuple(
            Phrase(
                "{value}, at {place} {member}",
                value=line,
                place=where,
                member=member,
            )
            for line, member in zip(lines, show_both(*inner), strict=True)
        )
    if lines[0] == lines[1]:
        lines = _with_kind(expected, lines[0]), _with_kind(got, lines[1])
    return distinct(*lines)


def distinct(expected: str, got: str) -> tuple[str, str]:
    """What was expected, and what came instead, which isn't the same."""
    if got == expected:
        got = Phrase("another, also shown as {value}", value=got)
    return expected, got


def _digits(line: str) -> str:
    """A line without what tells kinds, not values, from each other."""
    line = re.sub(r"tensor\(|\)|, dtype=torch\.\w+|\s", "", line)
    return re.sub(r"(\.\d*?)0+\b", r"\1", line)


def _difference(expected: object, got: object) -> tuple | None:
    """Where two containers differ most or first, and their members there."""
    if isinstance(expected, Tensor):
        if not isinstance(got, Tensor) or got.shape != expected.shape:
            return None
        if not expected.dim() or expected.is_meta or got.is_meta:
            return None
        pair = [t.detach().cpu() for t in (expected, got)]
        a, b = (t.to(torch.complex128) for t in pair)
        apart = (a - b).abs().nan_to_num(torch.inf)
        apart[(a == b) | (a.isnan() & b.isnan())] = 0
        if not apart.any():
            return None
        place = torch.unravel_index(apart.argmax(), apart.shape)
        members = (t[place].item() for t in pair)
        return str([int(i) for i in place]), *members
    if isinstance(expected, dict) and isinstance(got, dict):
        keys = [key for key in expected if key in got]
    elif isinstance(expected, (list, tuple)) and isinstance(
        got, (list, tuple)
    ):
        keys = range(min(len(expected), len(got)))
    else:
        return None
    for key in keys:
        if not same(got[key], expected[key]):
            return f"[{show(key)}]", expected[key], got[key]
    return None


def _with_kind(value: object, shown: str) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    kind = kind.removeprefix("builtins.")
    if not isinstance(value, Tensor):
        return Phrase("{value}, of type {kind}", value=shown, kind=kind)
    return Phrase(
        "{value}, of type {kind} on {device}",
        value=shown,
        kind=kind,
        device=value.device,
    )


def _plain(text: str) -> str:
    return text.strip().rstrip(".").lower()


def call(net: Callable, *inputs: Tensor) -> object:
    """Give a module copies of some inputs, where its own tensors are.

    Raises:
        Wrong: if nothing comes back.
    """
    device = torch.device("cpu")
    if isinstance(net, nn.Module):
        for tensor in [*net.parameters(), *net.buffers()]:
            device = tensor.device
            break
    output = net(*(X.clone().to(device) for X in inputs))
    if output is None or output is ...:
        hint = "`forward` must return what it has computed."
        raise Wrong("an output", show(output), hint)
    return output
