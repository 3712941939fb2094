"""The checks of the exercises, as their files have them.

They are read and not imported: that takes seconds, and fails as a whole where
a file is being written.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.environment import ROOT
from tools.page import Page

FOLDER, ANSWERS = "d2l_helpers/check", "tests/answers"


class Check(NamedTuple):
    """A check that is written.

    Args:
        name (str): of its function.
        title (str): number and title of its exercise.
        file (str): where it stands, from the root of the repository.
        line (int): where its function begins.
    """

    name: str
    title: str
    file: str
    line: int


def module_of(page: Page) -> Path:
    """The file with the checks of a chapter's exercises."""
    return page.root.parent / FOLDER / f"{page.topic}.py"


def answers_of(page: Page) -> Path:
    """The file with the answers that are tried in the tests."""
    return page.root.parent / ANSWERS / f"{page.topic}.py"


def written(root: Path = ROOT) -> list[Check]:
    """All checks.

    Args:
        root (Path): the folder of the project.

    Raises:
        SyntaxError: if a file isn't Python.
    """
    return [
        Check(node.name, title, file.relative_to(root).as_posix(), node.lineno)
        for file, node in _nodes(root)
        if isinstance(node, ast.FunctionDef) and (title := _title(node))
    ]


def taken(root: Path = ROOT) -> set[str]:
    """What no further check may be called: it would hide something."""
    files = [*(root / FOLDER).glob("*.py")]
    return {file.stem for file in files}.union(
        dir(builtins), *(names(file.read_text("utf-8")) for file in files)
    )


def names(code: str) -> set[str]:
    """What a module imports and defines.

    Raises:
        SyntaxError: if it isn't Python.
    """
    found = set()
    for node in ast.parse(code).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {alias.asname or alias.name for alias in names}
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.add(name)
    return found


def _nodes(root: Path) -> Iterator[tuple[Path, ast.stmt]]:
    for file in sorted((root / FOLDER).glob("*.py")):
        for node in ast.parse(file.read_text("utf-8"), file).body:
            yield file, node


def _title(node: ast.FunctionDef) -> str:
    """That of the exercise; "" if the function isn't a check."""
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(
                func=ast.Name(id="exercise"),
                args=[ast.Constant(value=str(title)), *_],
            ):
                return title
    return ""
