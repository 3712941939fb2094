"""The package serves another course, without anything of this one."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from nbformat import read as read_notebook
from nbformat.v4 import new_code_cell, new_notebook

from nbval_strict.server import SHARED
from tests.nbval_strict.specimen import ROOT, environment, run_pytest, write

OURS = ("tools", "tests", "d2l_helpers", "make")
# Every Python there begins with it, each kernel as well.
GUARD = f"""
import sys

class Guard:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {OURS}:
            raise ModuleNotFoundError(f"guarded: {{name}}", name=name)

sys.meta_path.insert(0, Guard())
"""
COURSE = {
    "noise": [
        "import numpy as np, torch",
        # Another one in each run, and far below what floats may differ by.
        "x = 1.25 + 1e-7 * np.random.default_rng().random()\n"
        "print(f'{x:.12f}')",
        "torch.arange(4.0).reshape(2, 2) * x",
    ],
    "error": ["import torch", "torch.zeros(2) @ torch.zeros(3)"],
    "figure": [
        "import matplotlib.pyplot as plt",
        "plt.plot([1, 2])\nplt.show()",
    ],
}


def stored_text(notebook, old, new):
    """Change a text in the stored outputs of a notebook's second cell."""
    (output,) = notebook.cells[1].outputs
    key = "text" if "text" in output else "evalue"
    assert old in output[key]
    output[key] = output[key].replace(old, new)
    if key == "evalue":
        output.traceback = [f"{output.ename}: {output.evalue}"]


ALTER = {
    "noise": lambda notebook: stored_text(notebook, "1.25", "1.26"),
    "error": lambda notebook: stored_text(notebook, "[2]", "[4]"),
    "figure": lambda notebook: notebook.cells[1].outputs.clear(),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A folder with the package, three notebooks and an altered copy each."""
    folder = tmp_path_factory.mktemp("course")
    ignored = shutil.ignore_patterns("__pycache__")
    package = folder / "nbval_strict"
    shutil.copytree(ROOT / "nbval_strict", package, ignore=ignored)
    (folder / "sitecustomize.py").write_text(GUARD)
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = -p nbval_strict --nbval\n"
    )
    files = []
    for name, cells in COURSE.items():
        notebook = new_notebook(cells=[new_code_cell(c) for c in cells])
        if name == "error":
            notebook.cells[1].metadata.tags = ["raises-exception"]
        files.append(write(notebook, folder / f"{name}.ipynb").name)
    done = python(folder, "-m", "nbval_strict", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    for name, alter in ALTER.items():
        notebook = read_notebook(folder / f"{name}.ipynb", 4)
        alter(notebook)
        write(notebook, folder / f"{name}_altered.ipynb")
    return folder


def there(folder):
    """Variables: the folder's modules, and no process of this run."""
    return {"PYTHONPATH": str(folder), SHARED: ""}


def python(folder, *arguments):
    """Run Python there, with that folder's modules."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(**there(folder)),
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def said(course):
    """What pytest says of all of them, and of the alterations it tries."""
    options = ["-v", "-p", "nbval_strict.sabotage"]
    done = run_pytest(*options, folder=course, **there(course))
    return done.stdout


def outcomes(said, name):
    found = re.findall(rf"^{name}::ipynb::In \[\d\] (\w+)", said, re.M)
    return [outcome.lower() for outcome in found]


def test_nothing_of_this_course_can_be_imported_there(course):
    code = (
        "import sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(__import__(name).__file__)\n"
        "    except ModuleNotFoundError as error: print(error)\n"
    )
    done = python(course, "-c", code, *OURS, "nbval_strict")
    *refused, file = done.stdout.splitlines()
    assert refused == [f"guarded: {name}" for name in OURS]
    assert file == str(course / "nbval_strict" / "__init__.py")


@pytest.mark.parametrize("name", COURSE)
def test_notebook_passes(said, name):
    assert outcomes(said, name) == ["passed"] * len(COURSE[name]), said


@pytest.mark.parametrize("name", COURSE)
def test_altered_notebook_fails_where_it_was_altered(said, name):
    rest = ["skipped"] * (len(COURSE[name]) - 2)
    expected = ["passed", "failed", *rest]
    assert outcomes(said, f"{name}_altered") == expected, said
    remedy = rf"run `python -m nbval_strict {name}_altered\.ipynb`"
    assert re.search(rf"outputs differ .*{remedy}", said), said


def test_no_alteration_goes_unnoticed(said):
    assert re.search(r"^unnoticed: 0 of \d{2,}", said, re.MULTILINE), said


def projects():
    for folder in (ROOT, ROOT / "nbval_strict"):
        yield tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


def test_it_needs_the_same_releases_as_the_course_beside_it():
    ours, its = projects()
    extras = ours["project"]["optional-dependencies"]
    assert {*its["project"]["dependencies"]} <= {
        *extras["dev"],
        *extras["lab"],
    }
