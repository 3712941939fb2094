"""What a page's kernel shows when all its cells have run.

A plugin of pytest, whose checks nbval_strict adds to the tests of each page:
the modules that the page has made move whole, and the solutions are right
where a reader types them, below a chapter's cells.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nbval_strict.hooks import Check
from tools import exercise, files
from tools.page import Page, pages

# The tensors that copies of the modules leave behind on the way to another
# device, as "module.path.to.attribute".
PROBE = """
def stay():
    import copy, json, torch, warnings
    warnings.simplefilter("ignore")  # torch's own, about what is exported
    stay = set()
    for name, value in list(globals().items()):
        if isinstance(value, torch.nn.Module):
            value = copy.deepcopy(value).to("meta")
            for path, module in value.named_modules():
                for attribute, tensor in vars(module).items():
                    if isinstance(tensor, torch.Tensor) and not tensor.is_meta:
                        parts = filter(None, (name, path, attribute))
                        stay.add(".".join(parts))
            stay |= {
                f"{name}.{key}"
                for key, tensor in value.state_dict().items()
                if not tensor.is_meta
            }
    print(json.dumps(sorted(stay)))
stay()
del stay
"""
# The pitfalls that are about this.
LEFT_BEHIND = {
    "01_blocks": ["plain.rand_weight", "plain_copy.rand_weight"],
    "03_custom_layers": ["kinds.attribute"],
}


def pytest_nbval_strict_checks(page: Path) -> dict[str, Check]:
    """The checks of a page of this book."""
    (ours,) = pages(str(page))
    checks = {"modules move": partial(modules_move, ours.name)}
    if not ours.is_solutions and ours.solutions.is_there:
        beginning = opening_of(ours.solutions)
        for task in exercise.exercises(ours.solutions):
            checks[f"solution {task.number}"] = partial(
                solution_is_right, task, beginning
            )
    return checks


def modules_move(name: str, show: Callable[[str], str]) -> None:
    """Modules move to another device whole, but for the pitfalls."""
    assert json.loads(show(PROBE)) == LEFT_BEHIND.get(name, [])


def solution_is_right(
    task: exercise.Exercise, beginning: str, show: Callable[[str], str]
) -> None:
    """A solution, typed below the chapter's cells, is accepted."""
    show(f"{beginning}\n{task.answer}")
    said = show(task.call)
    assert said.startswith("✓"), said


def opening_of(solutions: Page) -> str:
    """What a page of solutions begins with, where the chapter lacks it.

    A chapter has its own `MyLinear`, for example, and a reader uses that.
    """
    lines = []
    for source in exercise.opening(files.read_source(solutions)):
        for node in ast.parse(source).body:
            names = [alias.name for alias in getattr(node, "names", [])]
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names = [node.name]
            elif not str(getattr(node, "module", "")).startswith(
                "d2l_helpers"
            ):
                names = []
            if names or isinstance(node, (ast.Import, ast.ImportFrom)):
                lines += [
                    f"if not {names} or {set(names)} - globals().keys():",
                    *(f"    {line}" for line in ast.unparse(node).split("\n")),
                ]
    return "\n".join(lines)
