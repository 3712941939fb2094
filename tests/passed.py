"""A pytest plugin: what has passed isn't run again until something changes.

A file of tests, or a notebook, is left out if all its tests have passed
before, without a warning, and with the same contents of all that they may
depend on:

- the code of this project, and its settings;
- what the file reads: the patterns in its ``READS``, a list that is found
  without an import; a notebook reads itself, its ``.py`` file, its chapter or
  solutions, and what follows its cells; a file without ``READS`` reads all
  files of the project;
- Python, the installed packages and their versions, the system, the GPU, and
  variables such as ``DEVICE``;
- which of its tests are chosen, as by ``-k``, and settings changed by ``-o``.

It needs git, and ``FRESH=0`` in the environment. ``FRESH=1`` runs everything,
and remembers what has passed. A test that opens what its ``READS`` doesn't
name fails, as far as it opens it in this process.
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from functools import cache, cached_property
from importlib.metadata import distributions
from pathlib import Path

import pytest

# What all tests depend on. A notebook depends on those that aren't of tests.
CODE = ("*.py", "*.toml", "*.cfg", "constraints.txt")
NOT_FOR_NOTEBOOKS = (
    "benchmarks/*",
    "d2l_reader/*",
    "site/*",
    "tests/*",
    "tools/*",
)
# What follows its cells, and what that asks of the book.
AFTER_CELLS = (
    "tests/after_cells.py",
    "tools/anchors.py",
    "tools/exercise.py",
    "tools/files.py",
    "tools/page.py",
    "tools/words.py",
)
NOT_CODE = ("chapters/*",)
NAME = "passed"
PLACE = "passed/files"  # in pytest's cache: the keys with which a file passed
KEPT = 9  # keys of a file, as of two devices, or of chosen tests
VARIABLES = ("DEVICE", "WARM", "MPLBACKEND", "CUDA_VISIBLE_DEVICES")


class LeftOut(pytest.File):
    """A file that has passed: there is no test in it to run."""

    def collect(self) -> list[pytest.Item]:
        """Nothing, where the tests would be."""
        return []


class Passed:
    """What has passed, and what is left out for it.

    Args:
        config (pytest.Config): of the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.root = config, config.rootpath
        self.fresh = os.environ["FRESH"] != "0"
        self.known: dict[str, list[str]] = config.cache.get(PLACE, {})
        self.left_out: set[str] = set()
        self.expected: dict[str, int] = {}
        self.outcomes: dict[str, dict[str, str]] = {}
        self.warned: set[str] = set()
        self.undeclared: dict[str, str] = {}
        sys.addaudithook(self._refuse_undeclared)

    @cached_property
    def files(self) -> dict[str, str]:
        """The digests of the project's files, by name; empty without git."""
        command = ["git", "ls-files", "-coz", "--exclude-standard"]
        try:
            done = subprocess.run(
                command, cwd=self.root, capture_output=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return {}
        names = sorted(set(os.fsdecode(done.stdout).split("\0")) - {""})
        return {
            name: hashlib.sha256((self.root / name).read_bytes()).hexdigest()
            for name in names
            if (self.root / name).is_file()
        }

    @cached_property
    def around(self) -> list[str]:
        """What isn't in a file of the project, and may change a result."""
        option = self.config.option
        driver = Path("/proc/driver/nvidia/version")
        return [
            sys.version,
            platform.platform(),
            driver.read_text() if driver.is_file() else "no GPU",
            *sorted(f"{d.name} {d.version}" for d in distributions()),
            *(f"{name}={os.environ.get(name)}" for name in VARIABLES),
            f"{option.keyword} {option.markexpr} {option.deselect}",
            f"{option.override_ini}",
        ]

    def key(self, name: str) -> str:
        """A digest of all that the tests in a file may depend on."""
        said = list(self.around)
        said += [f"{file} {self.files[file]}" for file in self._matter(name)]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()

    def _matter(self, name: str) -> list[str]:
        """The files that the tests in a file may depend on."""
        read = reads(self.root / name)
        not_code = [*NOT_CODE]
        if name.endswith(".ipynb"):
            not_code += NOT_FOR_NOTEBOOKS
        return [
            file
            for file in self.files
            if _is_any(file, read)
            or (_is_any(file, CODE) and not _is_any(file, not_code))
        ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out a file that has passed, before it is imported."""
        return self._leaves_out(collection_path) or None

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> list[pytest.Collector]:
        """Likewise, one that is named: pytest asks of no such file above."""
        found = yield
        if found and self._leaves_out(file_path):
            return [LeftOut.from_parent(parent, path=file_path)]
        return found

    def _leaves_out(self, file: Path) -> bool:
        if self.fresh or not file.is_relative_to(self.root):
            return False
        name = file.relative_to(self.root).as_posix()
        if name in self.left_out:
            return True
        if name in self.known and self.key(name) in self.known[name]:
            self.left_out.add(name)
        return name in self.left_out

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the tests of each file that are to run."""
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(
        self, node: object, ids: list[str]
    ) -> None:
        """Likewise, in the process that gives the tests to workers."""
        self._expect(ids)

    def _expect(self, ids: Iterable[str]) -> None:
        self.expected = {}
        for nodeid in ids:
            file = nodeid.partition("::")[0]
            self.expected[file] = self.expected.get(file, 0) + 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what becomes of a test."""
        file = report.nodeid.partition("::")[0]
        outcomes = self.outcomes.setdefault(file, {})
        if report.when == "call" or report.outcome != "passed":
            outcomes[report.nodeid] = report.outcome

    def pytest_warning_recorded(self, nodeid: str) -> None:
        """Note a file that warns: it does so each time, and runs for that."""
        self.warned.add(nodeid.partition("::")[0])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> object:
        """Know whose test it is that opens a file."""
        self.undeclared = self._undeclared(
            item.path.relative_to(self.root).as_posix()
        )
        try:
            return (yield)
        finally:
            self.undeclared = {}

    @cache  # noqa: B019  there is one of these
    def _undeclared(self, name: str) -> dict[str, str]:
        """By file that a test doesn't depend on, what is to be done."""
        if name.endswith(".ipynb"):
            return {}  # a kernel opens its files
        return {
            str(self.root / file): f"add {file!r} to READS in {name}"
            for file in self.files.keys() - set(self._matter(name))
        }

    def _refuse_undeclared(self, event: str, arguments: tuple) -> None:
        if event == "open" and self.undeclared:
            path = arguments[0]
            if isinstance(path, (str, bytes)):
                path = os.path.abspath(os.fsdecode(path))
                if path in self.undeclared:
                    raise RuntimeError(self.undeclared[path])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        """Take what a worker has left out."""
        self.left_out.update(getattr(node, "workeroutput", {}).get(NAME, ()))

    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> None:
        """Remember which files have passed as a whole."""
        if hasattr(self.config, "workerinput"):
            self.config.workeroutput[NAME] = sorted(self.left_out)
            return
        if not self.files:
            return
        before = {file: self.key(file) for file in self.expected}
        del self.files  # a test may have written one, or an author
        for file, number in self.expected.items():
            outcomes = list(self.outcomes.get(file, {}).values())
            whole = len(outcomes) == number and "failed" not in outcomes
            keys = [k for k in self.known.get(file, []) if k != before[file]]
            whole = whole and file not in self.warned
            if whole and before[file] == self.key(file):
                keys.append(before[file])
            self.known[file] = keys[-KEPT:]
        self.config.cache.set(PLACE, self.known)
        nothing = pytest.ExitCode.NO_TESTS_COLLECTED
        if exitstatus == nothing and self.left_out:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: object) -> None:
        """Say what was left out, and how to run it."""
        if self.left_out:
            number = len(self.left_out)
            files = "file has" if number == 1 else "files have"
            terminalreporter.write_line(
                f"{number} {files} passed before, as they are now; FRESH=1 "
                "runs them again."
            )


def reads(file: Path) -> list[str]:
    """The patterns of what the tests in a file read, beside code."""
    if file.suffix == ".ipynb":
        return [f"*/{file.stem}.*", *AFTER_CELLS]  # a chapter: its solutions
    for node in ast.parse(file.read_text("utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="READS")], value=value):
                return ast.literal_eval(value)
    return ["*"]


def _is_any(file: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(file, pattern) for pattern in patterns)


@pytest.hookimpl(trylast=True)  # when the cache is there
def pytest_configure(config: pytest.Config) -> None:
    """Watch what passes, if that is asked for."""
    if os.environ.get("FRESH") and hasattr(config, "cache"):
        config.pluginmanager.register(Passed(config), NAME)
