"""Mutate d2l_helpers, and see that its tests notice.

python -m tools.mutants    exit status 1 if a mutant survives unexplained

mutmut does it: pyproject.toml holds its settings, and this module is also
its pytest plugin. What survives and can't be told from the original is in
tests/equivalent_mutants.toml, with the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tools.environment import ROOT

EQUIVALENT = ROOT / "tests" / "equivalent_mutants.toml"
# Tests that call functions in fresh processes, where mutmut can't see it.
IN_FRESH_PROCESSES = {
    "tests/test_d2l_package.py::": (
        "d2l_helpers.x_",
        "d2l_helpers.d2l_package.",
    ),
    "tests/test_datasets.py::test_seeded": ("d2l_helpers.datasets.x_",),
    "tests/test_drawing.py::test_notebook": ("d2l_helpers.drawing.x_use_",),
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """While mutmut learns which tests call a function, say it for some."""
    called = [
        functions
        for tests, functions in IN_FRESH_PROCESSES.items()
        if item.nodeid.startswith(tests)
    ]
    if os.environ.get("MUTANT_UNDER_TEST") != "stats" or not called:
        return (yield)
    from mutmut.state import state

    for mutant in _exit_codes(Path()):
        if mutant.startswith(called[0]):
            state()._stats.add(mutant.rpartition("__mutmut_")[0])
    # The fresh process has nowhere to record its calls.
    os.environ["MUTANT_UNDER_TEST"] = ""
    try:
        return (yield)
    finally:
        os.environ["MUTANT_UNDER_TEST"] = "stats"


def pytest_configure() -> None:
    """Import what d2l_helpers imports late, before mutmut forks."""
    import networkx  # noqa: F401
    import scipy.optimize  # noqa: F401


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first: one that fails is enough."""
    stats = Path("mutmut-stats.json")
    if stats.is_file():
        seconds = json.loads(stats.read_text("utf-8"))["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0))


def verdict(code: int | None, status: str) -> str:
    """What a run of the tests says of a mutant.

    Args:
        code (int, optional): the exit status of pytest.
        status (str): what mutmut calls it.

    Returns:
        ``"killed"``, ``"timeout"`` or ``"survived"``.
    """
    # mutmut takes it for Ctrl-C; but then its own run ends, too.
    if code == pytest.ExitCode.INTERRUPTED:  # tests can't be imported
        return "killed"
    return status if status in ("killed", "timeout") else "survived"


def _exit_codes(folder: Path) -> dict[str, int | None]:
    """What became of each mutant: 1 if a test has failed, 0 if it survived."""
    codes = {}
    for meta in sorted(folder.glob("d2l_helpers/*.meta")):
        codes |= json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
    return codes


class Mutant(NamedTuple):
    """A function and a change of it, without white space at the ends."""

    function: str  # such as "layers.MyLinear.forward"
    before: str
    after: str


def equivalent() -> dict[Mutant, str]:
    """The mutants that can't be told from the original, and why."""
    listed = tomllib.loads(EQUIVALENT.read_text("utf-8")).get("mutant", [])
    return {
        Mutant(m["function"], m["before"], m["after"]): m["why"]
        for m in listed
    }


def complaints(survivors: set[Mutant], listed: set[Mutant]) -> Iterator[str]:
    """What is wrong with the survivors, or with their list; a line each."""
    for function, before, after in sorted(survivors - listed):
        yield f"survived in {function}:\n-   {before}\n+   {after}"
    for function, before, after in sorted(listed - survivors):
        yield (
            f"listed in {EQUIVALENT.name}, and killed or not made, in "
            f"{function}:\n-   {before}\n+   {after}"
        )


def _mutant(name: str) -> Mutant:
    """Read one of mutmut's mutants, known to it by its name."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.utils.format_utils import (
        orig_function_and_class_names_from_key,
    )

    function, cls = orig_function_and_class_names_from_key(name)
    module = name.removeprefix("d2l_helpers.").rpartition(".")[0]
    _, _, *lines = get_diff_for_mutant(name).splitlines()
    before, after = (
        " ".join(line[1:].strip() for line in lines if line[0] == sign)
        for sign in "-+"
    )
    path = filter(None, [module, cls, function])
    return Mutant(".".join(path), before, after)


def main() -> int:
    """Run mutmut anew, print a table; return 1 if something is wrong."""
    from mutmut.stats import status_by_exit_code

    os.chdir(ROOT)
    # What mutmut keeps there says nothing of tests that changed.
    shutil.rmtree("mutants", ignore_errors=True)
    mutmut = Path(sys.executable).with_name("mutmut")
    children = str(os.cpu_count())
    if subprocess.call([mutmut, "run", "--max-children", children]):
        return 1
    survivors, counts = set(), Counter()
    for name, code in _exit_codes(Path("mutants")).items():
        status = verdict(code, status_by_exit_code[code])
        if status == "survived":
            survivors.add(_mutant(name))
        module = name.removeprefix("d2l_helpers.").rpartition(".")[0]
        counts[module or "__init__", status] += 1
    modules = list(dict.fromkeys(module for module, _ in counts))
    print("| |", " | ".join(modules), "| all |")
    print("|---" * (len(modules) + 2) + "|")
    for status in ("killed", "timeout", "survived"):
        row = [counts[module, status] for module in modules]
        print(f"| {status} |", *(f"{n} |" for n in [*row, sum(row)]))
    listed = equivalent()
    print(f"{len(survivors & listed.keys())} of the survivors are equivalent:")
    for mutant, why in listed.items():
        print(f"  {mutant.function}: {mutant.before} -> {mutant.after}: {why}")
    wrong = list(complaints(survivors, set(listed)))
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
