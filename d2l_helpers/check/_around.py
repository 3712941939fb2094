"""What a function of a reader reaches around itself: tables, and memories."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from copy import deepcopy

from ._time_limit import is_of_reader

CACHED = type(functools.cache(lambda: None))
CONTAINERS = (dict, list, set)


def reached(function: Callable) -> Iterator[object]:
    """The values that a function finds, and those that it calls find.

    They are what its names mean outside of it, its defaults, and what it
    keeps from the function in which it was made.
    """
    seen, left = set(), [function]
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, CACHED):
            left.append(value.__wrapped__)
        elif _is_own(value):
            around = value.__globals__
            left += [around[n] for n in _names(value) if n in around]
            left += [*(value.__defaults__ or ()), *_kept(value)]
            left += (value.__kwdefaults__ or {}).values()


def elsewhere(function: Callable) -> Callable:
    """A function as another process has it, where it hasn't been called.

    What it has written into dictionaries, lists and sets goes to copies, and
    what functools has cached isn't there. All else is what it is.
    """
    return _Copies().of(function)


class _Copies:
    """Copies of functions, in a world of their own, and of containers."""

    def __init__(self) -> None:
        self.made: dict[int, object] = {}
        self.worlds: dict[int, dict] = {}
        self.memo: dict = {}  # that of deepcopy

    def of(self, value: object) -> object:
        """The copy of a value; the value, if it is another thing."""
        if id(value) in self.made:
            return self.made[id(value)]
        if isinstance(value, CACHED):
            again = functools.lru_cache(**value.cache_parameters())
            self.made[id(value)] = copy = again(self.of(value.__wrapped__))
            return copy
        if _is_own(value):
            return self._function(value)
        if isinstance(value, CONTAINERS):
            try:
                return deepcopy(value, self.memo)
            except Exception:  # of many kinds, as for a lock
                return value
        return value

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        around = function.__globals__
        world = self.worlds.setdefault(id(around), dict(around))
        cells = function.__closure__ or ()
        kept = tuple(types.CellType() for _ in cells)
        copy = types.FunctionType(
            function.__code__, world, function.__name__, closure=kept or None
        )
        self.made[id(function)] = copy
        for name in _names(function):
            if name in around:
                world[name] = self.of(around[name])
        for cell, new in zip(cells, kept, strict=True):
            try:
                new.cell_contents = self.of(cell.cell_contents)
            except ValueError:  # it is empty
                continue
        if function.__defaults__:
            copy.__defaults__ = tuple(map(self.of, function.__defaults__))
        named = function.__kwdefaults__ or {}
        copy.__kwdefaults__ = {k: self.of(v) for k, v in named.items()} or None
        for name, value in vars(function).items():
            vars(copy)[name] = self.of(value)
        return copy


def _is_own(value: object) -> bool:
    """Whether a value is a function that the reader has written."""
    return isinstance(value, types.FunctionType) and is_of_reader(
        value.__code__.co_filename
    )


def _names(function: types.FunctionType) -> set[str]:
    """The names that a function, or one inside of it, may look up."""
    found, left = set(), [function.__code__]
    while left:
        code = left.pop()
        found.update(code.co_names)
        left += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return found


def _kept(function: types.FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is empty
            continue
