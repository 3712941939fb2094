"""The modules of this project, and which of them imports which."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

Imports = Mapping[str, set[str]]


def modules(root: Path, rooms: Iterable[str]) -> dict[str, Path]:
    """The files of some folders and of some modules, by their names."""
    found = {}
    for room in rooms:
        alone = root / f"{room}.py"
        for file in [alone] * alone.is_file() or (root / room).rglob("*.py"):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = file
    return found


def imports(files: Mapping[str, Path]) -> dict[str, set[str]]:
    """For each module, those of the others that it imports, anywhere in it.

    That a module needs the package in which it is isn't counted.
    """
    return {
        name: {
            found
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            for found in _named(node, name, file, files)
        }
        - {name}
        for name, file in files.items()
    }


def _named(
    node: ast.AST, name: str, file: Path, files: Mapping[str, Path]
) -> Iterable[str]:
    if isinstance(node, ast.Import):
        wanted = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        package = name.split(".")
        if node.level:
            up = node.level - (file.name == "__init__.py")
            package = package[: len(package) - up]
        start = ".".join([*package * bool(node.level), *[node.module or ""]])
        start = start.strip(".")
        wanted = [f"{start}.{alias.name}" for alias in node.names]
    else:
        return
    for module in wanted:
        while module and module not in files:
            module = module.rpartition(".")[0]
        if module:
            yield module


def circle(found: Imports) -> list[str]:
    """Modules of which each imports the next, and the last the first."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def between(found: Imports) -> dict[str, set[str]]:
    """For each room, those of the others that its modules import."""
    arrows: dict[str, set[str]] = {}
    for name, others in found.items():
        room = name.partition(".")[0]
        rooms = {other.partition(".")[0] for other in others}
        arrows.setdefault(room, set()).update(rooms - {room})
    return arrows
