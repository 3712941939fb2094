"""A small course's page, and pytest on such pages, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

import nbval_strict
from nbval_strict.client import client_of

ROOT = Path(nbval_strict.__file__).resolve().parents[1]
CELLS = [
    "import matplotlib.pyplot as plt\n"
    "import matplotlib_inline\n"
    "import torch\n"
    'matplotlib_inline.backend_inline.set_matplotlib_formats("svg")\n'
    'device = torch.device("cpu")',
    "def centered(X):\n    return X - X.mean()",
    "two = torch.tensor([[0.0, 1, 2], [99, 99, 99]])\n"
    'print("alone:", centered(two[0]))\n'
    'print("in a batch:", centered(two)[0])',
    "{k: v.shape for k, v in torch.nn.Linear(3, 2).named_parameters()}",
    "plt.plot(two[0])\nplt.show()",
    "two.sum().backward()",
    "1 + 1",
]


def executed(cells, folder):
    """A notebook with the outputs of its cells.

    Args:
        cells (list of str): their sources; one with `backward` has to raise.
        folder (Path): where the kernel runs.
    """
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    for cell in notebook.cells:
        if "backward" in cell.source:
            cell.metadata.tags = ["raises-exception"]
    client_of(notebook, folder, 60).execute()
    return notebook


def write(notebook, file):
    """Store a notebook; return its file."""
    nbformat.write(notebook, file)
    return file


def environment(**changes):
    """This process's, without what pytest added, and with our package."""
    ours = {k: v for k, v in os.environ.items() if "PYTEST" not in k}
    return {**ours, "PYTHONPATH": str(ROOT), **changes}


def run_pytest(*arguments, folder, **changes):
    """Run pytest in a folder, and return the finished process.

    Args:
        arguments (str or Path): its arguments.
        folder (Path): where to run it; it gets an empty pytest.ini, if it
            has none.
        changes (str): variables of the environment.
    """
    settings = folder / "pytest.ini"
    if not settings.exists():
        settings.write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment(**changes),
        capture_output=True,
        text=True,
    )
