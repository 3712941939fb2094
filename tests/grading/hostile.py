"""Submissions that mean harm, and what each loses: not its right answers.

    python -m tests.grading.hostile FOLDER

makes a course there in which each is handed in, to see what becomes of the
points with `nbgrader autograde` alone, and with `python -m tools.grade`.

An assignment of three exercises; each submission has the right answers to the
first and the last, and in the middle what stands here. What could harm this
machine is bounded by itself: it forks 200 processes, and takes 2 GB.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tests.test_assignment import CHEATS, WRONG_DROPOUT
from tools import assignment
from tools.grade import hand_out
from tools.page import chapters

KEPT = ("half-spectrum", "dropout", "where-to-center")
NAME = "03_custom_layers"
LAST = 1
RIGHT = 4 + LAST  # points of the first and the last
MIDDLE = 3
OPENING = """\
import torch
from torch import nn

from d2l_helpers import CenteredLayer, check
"""
CALL = re.compile(r"^report = (check\..*)$", re.M)
WRONG = f"{WRONG_DROPOUT}    def __init__(self, p): super().__init__()\n"

# By name: the code, and whether the teacher is asked to look; "later" if at
# the next answer, which may be deceived as well.
HOSTILE = {
    "loop": ("while True: pass", True),
    "loop-in-c": ("import itertools; sum(itertools.count())", True),
    "exit": ("import os; os._exit(0)", True),
    "killed": ("import os; os.kill(os.getpid(), 9)", True),
    "cheat-name": (CHEATS["name"] + WRONG, "later"),
    "cheat-functions": (CHEATS["functions"] + WRONG, "later"),
    "cheat-truth": (CHEATS["truth"] + WRONG, "later"),
    "forged-report": (
        WRONG
        + """
display({"application/vnd.d2l.report+json": {"state": "solved"}}, raw=True)
print("✓ 3.6 Dropout: solved", 3)
open("03_custom_layers.ipynb", "w").write("{}")
3
""",
        "later",
    ),
    "forged-points": (
        WRONG
        + """
def display(report, show=display):
    if report.exercise != "3.6 Dropout":
        return show(report)
    kernel = get_ipython().kernel
    content = {"data": {"text/plain": "3"}, "metadata": {},
               "execution_count": 1}
    kernel.session.send(kernel.iopub_socket, "execute_result", content,
                        parent=kernel.get_parent())
""",
        "later",
    ),
    "imports": (
        WRONG
        + """
import builtins
def changed(name, *rest, imported=builtins.__import__):
    module = imported(name, *rest)
    if name == "d2l_helpers.check":
        check = module.check
        check.dropout = lambda answer: check.Report("3.6 Dropout", "solved")
    return module
builtins.__import__ = changed
""",
        True,
    ),
    "skips-the-check": (
        WRONG
        + """
get_ipython().input_transformers_cleanup.append(
    lambda lines: ["pass"] if "check.dropout" in "".join(lines) else lines)
""",
        True,
    ),
    "shadow": (
        WRONG
        + """
import os, sys
os.makedirs("d2l_helpers/check", exist_ok=True)
open("d2l_helpers/__init__.py", "w")
open("d2l_helpers/check/__init__.py", "w").write(
    "class Report: state = 'solved'\\ndef dropout(x): return Report()")
""",
        False,
    ),
    "output": ("for i in range(1000): print('x' * 10**5)\n" + WRONG, None),
    "memory": ("x = torch.ones(2 * 10**9, dtype=torch.uint8)\n", False),
    "forks": (
        """
import os, time
for i in range(200):
    if not os.fork():
        time.sleep(20)
        os._exit(0)
""",
        None,
    ),
    "network": (
        """
import socket
socket.create_connection(("127.0.0.1", {port}), 2).sendall(b"answers")
""",
        False,
    ),
    "deletes": (
        """
import os, shutil
os.remove({gradebook!r})
shutil.rmtree({submitted!r})
""",
        False,
    ),
    "reads": (
        """
import glob
for file in glob.glob({submitted!r} + "/*/*/*.ipynb"):
    print(open(file).read())
""",
        False,
    ),
}


def make_course(
    folder: Path, port: int = 9, language: str = "en", plain: bool = False
) -> None:
    """Make a course in which all is handed in.

    Args:
        folder (Path): an empty folder, for the course.
        port (int): where something listens that isn't to be reached.
        language (str): of the assignment.
        plain (bool): whether a check is `assert check.name(...)`, and no more.
    """
    (chapter,) = chapters("03", language=language)
    source = assignment.make_assignment(chapter, folder)
    notebook = nbformat.read(source, 4)
    notebook.cells = [
        cell
        for cell in notebook.cells
        if cell.id.startswith(("title", "imports-", *KEPT))
    ]
    for cell in notebook.cells:
        if cell.id == "imports-0":
            cell.source = OPENING
        if plain and (call := CALL.search(cell.source)):
            cell.source = f"assert {call[1]}"
    nbformat.write(notebook, source)
    hand_out(folder, NAME)
    places = {
        "port": port,
        "gradebook": str(folder / "gradebook.db"),
        "submitted": str(folder / "submitted"),
    }
    for name, (code, _) in HOSTILE.items():
        if name in ("network", "deletes", "reads"):
            code = code.format(**places)
        hand_in(folder, name, notebook, code)
    hand_in(folder, "right", notebook)
    hand_in(folder, "wrong", notebook, WRONG)


def hand_in(
    folder: Path, student: str, notebook: NotebookNode, code: str = ""
) -> Path:
    """Hand in right answers, but for a code in the middle."""
    notebook = nbformat.reads(nbformat.writes(notebook), 4)
    for cell in notebook.cells:
        if code and cell.id == "dropout-answer":
            cell.source = code
    file = folder / "submitted" / student / NAME / f"{NAME}.ipynb"
    file.parent.mkdir(parents=True)
    nbformat.write(notebook, file)
    return file


if __name__ == "__main__":
    make_course(Path(sys.argv[1]).resolve())
