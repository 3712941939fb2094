"""Answers that students write, for each check: right ones, and wrong ones.

A right one is another than the worked solution. A wrong one comes with some
words of the hint that is meant for it, of whichever of its steps.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Callable
from typing import Any

# By the name of the check: pairs of a name and the arguments, and for the
# wrong ones the words in between.
RIGHT: dict[str, list[tuple[str, tuple]]] = defaultdict(list)
WRONG: dict[str, list[tuple[str, str, tuple]]] = defaultdict(list)


def right(check: str, *more: Any) -> Callable[[Any], Any]:
    """Note what follows as right, with more arguments if there are any."""

    def note(answer: Any) -> Any:
        RIGHT[check].append((_name(answer), (answer, *more)))
        return answer

    return note


def wrong(check: str, hint: str, *more: Any) -> Callable[[Any], Any]:
    """Note what follows as wrong; a step of its hint has these words."""

    def note(answer: Any) -> Any:
        WRONG[check].append((_name(answer), hint, (answer, *more)))
        return answer

    return note


def _name(answer: Any) -> str:
    return getattr(answer, "__name__", type(answer).__name__)


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
