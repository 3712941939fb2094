"""The worked solutions, as they stand and with edits."""

from __future__ import annotations

import ast
import functools
import itertools
import linecache
import sys
import types
from collections.abc import Mapping

import torch

from tools import files
from tools.exercise import Exercise, opening
from tools.form import Draft
from tools.page import Page, chapters

_numbers = itertools.count()


@functools.cache
def solutions() -> dict[str, tuple[Page, Exercise]]:
    """By check: the page of its worked solution, and the solution.

    They are those of the ``.py`` files, also where these haven't run yet.
    """
    return {
        task.check: (chapter.solutions, task)
        for chapter in chapters()
        for task in Draft(chapter.solutions).exercises
    }


@functools.cache
def _opening(page: Page) -> dict[str, object]:
    """What a page of solutions has imported and defined at its beginning."""
    lines = opening(files.read_source(page))
    return vars(_run("\n\n".join(lines), {}))


def worked(check: str, *edits: Mapping[str, str] | str) -> dict[str, object]:
    """The arguments of a check, from the worked solution with edits.

    Args:
        check (str): its name.
        edits (dict or str): a dict replaces each key by its value, wherever
            it stands in the solution; a string is code that follows it, such
            as another definition of a name.

    Raises:
        LookupError: if there is no solution, or nothing to replace.
    """
    if check not in solutions():
        raise LookupError(f"no page of solutions calls check.{check}")
    page, task = solutions()[check]
    code = task.answer
    for edit in edits:
        if isinstance(edit, str):
            code += f"\n\n\n{edit}\n"
            continue
        for old, new in edit.items():
            if old not in code:
                raise LookupError(
                    f"{task.number}: the worked solution has no {old!r}"
                )
            code = code.replace(old, new)
    names = vars(_run(code, _opening(page)))
    call = ast.parse(task.call.strip(), mode="eval").body
    values = [
        eval(compile(ast.Expression(a), "<call>", "eval"), names)
        for a in call.args
    ]
    parameters = [ast.unparse(a) for a in call.args]
    return dict(zip(parameters, values, strict=True))


def _run(code: str, names: Mapping[str, object]) -> types.ModuleType:
    """A module that a cell has filled, after others.

    Its lines are known, as those of a cell are: checks and errors show them.
    """
    module = types.ModuleType(f"answer_{next(_numbers)}")
    file = f"<{module.__name__}>"
    vars(module).update(
        {k: v for k, v in names.items() if not k.startswith("__")}
    )
    linecache.cache[file] = (len(code), None, code.splitlines(True), file)
    sys.modules[module.__name__] = module  # as pickle wants it
    torch.manual_seed(0)
    exec(compile(code, file, "exec"), vars(module))
    return module
