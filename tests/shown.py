"""The strings in the code of the checks that a report shows.

They are found by where they stand, whatever they look like: a report may show
one to an answer that nobody tried.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

# By function, which of its arguments a report shows: places, and names.
SHOWN: dict[str, tuple[int | str, ...]] = {
    "Wrong": (0, 1, 2, 3, "expected", "got", "hint", "given"),
    "case": (0, 1, "given", "hint"),
    "asked": (0, "question"),
    "equal": (2, "hint", "what"),
    "holds": (1, 2, 3, "expected", "got", "hint"),
    "has_graph": (1, "hint"),
    "one_of": (2, 4, "question", "hint"),
    "predicted": (3, "of"),
    "raises": ("hint",),
}
Places = dict[str, tuple[int | str, ...]]
Function = ast.FunctionDef | ast.Module


def shown(module: ast.Module) -> set[str]:
    """The strings of a module that a report may show."""
    functions = [n for n in ast.walk(module) if isinstance(n, ast.FunctionDef)]
    places = dict(SHOWN)
    while True:
        own = {f.name: _places(f, places) for f in functions}
        found = {**SHOWN, **{k: v for k, v in own.items() if v}}
        if found == places:
            break
        places = found
    return {
        text
        for function in [module, *functions]
        for argument in _arguments(function, places)
        for text in _texts(argument, _values(function))
    }


def _places(function: ast.FunctionDef, places: Places) -> tuple:
    """Which parameters of a function end up where a report shows them."""
    given = function.args
    names = [a.arg for a in (*given.args, *given.kwonlyargs)]
    used = {
        node.id
        for argument in _arguments(function, places)
        for node in _leaves(argument)
        if isinstance(node, ast.Name)
    }
    at = [i for i, argument in enumerate(given.args) if argument.arg in used]
    return (*at, *(name for name in names if name in used))


def _arguments(function: Function, places: Places) -> Iterator[ast.expr]:
    """What is given, in a function, to what a report shows."""
    for node in _own(function):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "id", "")
        if called == "Phrase":
            yield from (k.value for k in node.keywords)
            continue
        for place in places.get(called, ()):
            if isinstance(place, int) and place < len(node.args):
                yield node.args[place]
            yield from (k.value for k in node.keywords if k.arg == place)


def _values(function: Function) -> dict[str, list[ast.expr]]:
    """What the names in a function may stand for, where that is written."""
    found: dict[str, list[ast.expr]] = {}
    for node in _own(function):
        pairs: Iterable[tuple] = ()
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.For):
            rows = getattr(node.iter, "elts", [])
            pairs = [(node.target, row) for row in rows]
        for target, value in pairs:
            names, values = [target], [value]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                names, values = target.elts, value.elts
            for name, one in zip(names, values, strict=False):
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).append(one)
    return found


def _own(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function, without those of functions in it."""
    todo = [*ast.iter_child_nodes(function)]
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef):
            todo += ast.iter_child_nodes(node)


def _leaves(node: ast.expr) -> Iterator[ast.expr]:
    """What an expression may be, of what it chooses from."""
    if isinstance(node, ast.IfExp):
        yield from _leaves(node.body)
        yield from _leaves(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _leaves(value)
    else:
        yield node


def _texts(
    node: ast.expr, values: dict[str, list[ast.expr]], depth: int = 3
) -> Iterator[str]:
    for leaf in _leaves(node):
        if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
            yield leaf.value
        elif isinstance(leaf, ast.Name) and depth:
            for value in values.get(leaf.id, ()):
                yield from _texts(value, values, depth - 1)
