"""What has passed is left out, until something changes that matters."""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests import passed

pytest_plugins = ["pytester"]

READER = """
from pathlib import Path
READS = ["data/*"]
def test_reads():
    assert Path("data/one.txt").read_text()
"""
FILES = {
    "tests/test_all.py": "def test_all():\n    pass\n",
    "tests/test_reader.py": READER,
    "helpers/tool.py": "",
    "data/one.txt": "1",
    "notes.txt": "",
    "pyproject.toml": "[tool.pytest.ini_options]\n",
    "constraints.txt": "",
    ".gitignore": ".pytest_cache\n__pycache__\nrunpytest-*\nstd*\n",
}
# Stands for nbval, which takes seconds: a notebook is a test that passes.
NOTEBOOKS = """
import pytest
class Notebook(pytest.File):
    def collect(self):
        yield Cell.from_parent(self, name="cell")
class Cell(pytest.Item):
    def runtest(self):
        pass
def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".ipynb":
        return Notebook.from_parent(parent, path=file_path)
"""


class Project:
    """A small project, and what a run of its tests gives."""

    def __init__(self, pytester, monkeypatch):
        self.path, self.pytester = pytester.path, pytester
        # Mostly in this process, since a new one takes a second.
        self.start = pytester.runpytest_inprocess
        self._monkeypatch = monkeypatch

    def run(self, *options, **variables):
        with self._monkeypatch.context() as patch:
            for name, value in {"FRESH": "0", **variables}.items():
                patch.setenv(name, value)
            return self.start("-v", "-p", "tests.passed", *options)

    def ran(self, *options, **variables):
        """The files that are run, without the beginnings of their names."""
        result = self.run(*options, **variables)
        assert result.ret == 0, result.stdout
        lines = [line for line in result.outlines if "::" in line]
        stems = {Path(line.partition("::")[0]).stem for line in lines}
        return {stem.removeprefix("test_") for stem in stems}


@pytest.fixture
def project(pytester, monkeypatch):
    """A project whose files have all passed."""
    files = {**FILES, "conftest.py": NOTEBOOKS}
    for page in ("01_a", "02_b"):
        files[f"chapters/{page}.ipynb"] = files[f"chapters/{page}.py"] = ""
    for name, text in files.items():
        (pytester.path / name).parent.mkdir(exist_ok=True)
        (pytester.path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=pytester.path, check=True)
    # These take most of the time.
    monkeypatch.setattr(passed, "distributions", lambda: [])
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    project = Project(pytester, monkeypatch)
    assert project.ran() == ALL
    assert project.ran() == set()
    return project


ALL = {"all", "reader", "01_a", "02_b"}
TESTS = {"all", "reader"}


def test_file_that_is_named_is_left_out_too(project):
    named = ["tests/test_all.py", "chapters/01_a.ipynb"]
    assert project.ran(*named) == set()
    (project.path / "data/one.txt").write_text("2")
    assert project.ran(*named) == {"all"}


MISSED = {
    "chapters/01_a.ipynb": {"all", "01_a"},
    "chapters/01_a.py": {"all", "01_a"},
    "chapters/solutions/01_a.py": {"all", "01_a"},
    "tests/after_cells.py": ALL,
    "data/one.txt": {"all", "reader"},
    "notes.txt": {"all"},
    "new.txt": {"all"},
    "helpers/tool.py": ALL,
    "conftest.py": ALL,
    "pyproject.toml": ALL,
    "constraints.txt": ALL,
    "tests/test_all.py": TESTS,
    "tests/new_helper.py": TESTS,
}


def test_change_misses_what_depends_on_it(project):
    for file, missed in MISSED.items():
        (project.path / file).parent.mkdir(exist_ok=True)
        with (project.path / file).open("a") as changed:
            changed.write("\n")
        assert project.ran() == missed, file
    assert project.ran() == set()


def test_file_that_is_gone_is_a_change(project):
    (project.path / "helpers/tool.py").unlink()
    assert project.ran() == ALL


@pytest.mark.parametrize("name", ["DEVICE", "WARM", "MPLBACKEND"])
def test_variable_is_a_change(project, name):
    assert project.ran(**{name: "other"}) == ALL
    assert project.ran(**{name: "other"}) == set()
    assert project.ran() == set()


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (sys, "version", f"{sys.version} "),
        (passed.platform, "platform", lambda: "another"),
        (passed, "distributions", lambda: [distribution("pytest")]),
    ],
)
def test_other_python_system_or_package_is_a_change(
    project, where, name, value, monkeypatch
):
    monkeypatch.setattr(where, name, value)
    assert project.ran() == ALL


def test_choice_of_tests_is_a_change(project):
    assert project.ran("-k", "test_all or cell") == {"all", "01_a", "02_b"}


def test_setting_that_is_changed_for_a_run_is_a_change(project):
    assert project.ran("-o", "tmp_path_retention_count=2") == ALL
    assert project.ran() == set()


def test_fresh_runs_all(project):
    assert project.ran(FRESH="1") == ALL
    assert project.ran(FRESH="") == ALL


def test_without_git_all_is_run(project):
    (project.path / ".git").rename(project.path / "git")
    assert project.ran() == ALL
    assert project.ran() == ALL


@pytest.mark.parametrize("outcome", ["assert False", "1 / 0"])
def test_what_failed_is_run_again(project, outcome):
    file = project.path / "tests/test_all.py"
    file.write_text(f"def test_all(): {outcome}\ndef test_other(): pass\n")
    assert project.run().ret == 1
    done = project.run()
    assert done.ret == 1
    assert "1 failed, 1 passed" in str(done.stdout)
    assert "files have passed before" in str(done.stdout)


def test_what_warned_is_run_again(project):
    # In a process of its own: in this one, warnings are errors.
    project.start = project.pytester.runpytest_subprocess
    file = project.path / "tests/test_all.py"
    file.write_text(
        "import warnings\ndef test_all(): warnings.warn('a thing is old')\n"
    )
    assert project.ran() >= {"all"}
    done = project.run()
    assert "a thing is old" in str(done.stdout)
    file.write_text("def test_all(): pass\n")
    assert "all" in project.ran()
    assert project.ran() == set()


def test_part_of_a_file_is_not_the_file(project):
    (project.path / "tests/test_all.py").write_text(
        "def test_all(): pass\ndef test_other(): pass\n"
    )
    done = project.run("-x", "--maxfail=1", "--deselect=nothing")
    assert done.ret == 0
    assert "all" in project.ran()


def test_change_during_the_run_is_a_change(project):
    (project.path / "tests/test_all.py").write_text(
        "def test_all():\n  with open('notes.txt', 'a') as f: f.write('more')"
    )
    assert "all" in project.ran()
    assert project.ran() == {"all"}


def test_undeclared_file_is_refused(project):
    (project.path / "tests/test_reader.py").write_text(
        READER.replace('READS = ["data/*"]', 'READS = ["other/*"]')
    )
    done = project.run()
    assert done.ret == 1
    assert "add 'data/one.txt' to READS in tests/test_reader.py" in str(
        done.stdout
    )


def test_workers_leave_out_the_same(project):
    # In a process of its own: workers know nothing of what is patched here.
    project.start = project.pytester.runpytest_subprocess
    workers = ["-p", "xdist", "-n", "2"]
    assert project.run(*workers).ret == 0
    (project.path / "notes.txt").write_text("changed")
    result = project.run(*workers)
    assert result.parseoutcomes() == {"passed": 1}
    assert "3 files have passed before" in str(result.stdout)
    result = project.run(*workers)
    assert result.ret == 0
    assert "4 files have passed before" in str(result.stdout)
