"""Answers that students write, for each check: right ones, and wrong ones.

A wrong one is an edit of the worked solution where it can be:

    edited(
        "quadratic_layer",
        ("squares", {"...i,ijk,...j->...k": "...i,iik->...k"}),
    )

What is no edit stands as a class or a function below ``@right`` or ``@wrong``.
A wrong answer comes with some words of the hint that is meant for it, of
whichever of its steps. A right one is another than the worked solution.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from tests.worked import worked

Edit = Mapping[str, str] | str


class Answer:
    """An answer that is tried.

    Args:
        check (str): the name of its check.
        name (str): what to call it in a test.
        make (callable): returns the arguments of the check.
        hint (str): words of the hint that is meant for it, if it is wrong.
    """

    def __init__(
        self,
        check: str,
        name: str,
        make: Callable[[], tuple],
        hint: str = "",
    ) -> None:
        self.check, self.name, self.hint = check, name, hint
        self._make = make

    @cached_property
    def arguments(self) -> tuple:
        return self._make()


# By the name of the check.
RIGHT: dict[str, list[Answer]] = defaultdict(list)
WRONG: dict[str, list[Answer]] = defaultdict(list)


def edited(check: str, *answers: tuple) -> None:
    """Note edits of the worked solution as wrong answers.

    Args:
        check (str): the name of the check.
        answers (tuples): words of the hint, and then edits, as
            :func:`tests.worked.worked` takes them.
    """
    for hint, *edits in answers:
        WRONG[check].append(Answer(check, hint, _worked(check, *edits), hint))


def also_right(check: str, *answers: tuple | Edit) -> None:
    """Note edits of the worked solution as right answers."""
    for edits in answers:
        edits = edits if isinstance(edits, tuple) else (edits,)
        RIGHT[check].append(
            Answer(check, _first_line(edits), _worked(check, *edits))
        )


def right(
    check: str, *more: Any, instead_of: str = ""
) -> Callable[[Any], Any]:
    """Note what follows as right.

    Args:
        check (str): the name of the check.
        more: the arguments after it. Without them, they are those of the
            worked solution.
        instead_of (str): the argument in whose place it stands, as the
            worked solution calls it, if that isn't the first.
    """

    def note(answer: Any) -> Any:
        make = _with_others(check, answer, more, instead_of)
        RIGHT[check].append(Answer(check, _name(answer), make))
        return answer

    return note


def wrong(
    check: str, hint: str, *more: Any, instead_of: str = ""
) -> Callable[[Any], Any]:
    """Note what follows as wrong; a step of its hint has these words.

    The other arguments are those of :func:`right`.
    """

    def note(answer: Any) -> Any:
        make = _with_others(check, answer, more, instead_of)
        WRONG[check].append(Answer(check, _name(answer), make, hint))
        return answer

    return note


def _worked(check: str, *edits: Edit) -> Callable[[], tuple]:
    return lambda: tuple(worked(check, *edits).values())


def _with_others(
    check: str, answer: Any, more: tuple, instead_of: str
) -> Callable[[], tuple]:
    if more:
        return lambda: (answer, *more)

    def make() -> tuple:
        arguments = worked(check)
        arguments[instead_of or next(iter(arguments))] = answer
        return tuple(arguments.values())

    return make


def _name(answer: Any) -> str:
    return getattr(answer, "__name__", type(answer).__name__)


def _first_line(edits: tuple) -> str:
    (edit, *_) = edits
    text = edit if isinstance(edit, str) else next(iter(edit.values()))
    return text.strip().partition("\n")[0]


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
