"""Checks that answer a reader's solutions, one for each exercise.

Each takes what its starter cell in the chapter defines, and returns a
:class:`Report`: true if the answer is right, and readable in a notebook and
in a terminal. None raises, and none changes what it is given.
"""

import importlib
import pkgutil

from ._exercise import CHECKS
from ._report import Report, State
from ._update import missing as _missing

# A check is registered where it is defined: see :func:`_exercise.exercise`.
for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")
globals().update(CHECKS)

__all__ = ["Report", "State", *sorted(CHECKS)]


def __getattr__(name: str) -> None:
    raise _missing(__name__, name)
