"""One pass over a page: each cell twice, then what the page leaves.

One pytest runs small notebooks, of which each has one fault, or none.
"""

import re

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.nbval_strict.specimen import run_pytest, write

COUNT = "n = globals().get('n', 0) + 1"
# From the second run on, where the kernel is between two cells.
LATE = f"""{COUNT}
def late(result):
    import os
    get_ipython().events.unregister("post_run_cell", late)
    os.write(1, b"late")
if n == 2:
    get_ipython().events.register("post_run_cell", late)
"""
# By name: the source of the page's second cell, what it stores, the test that
# fails, and what that says.
PAGES = {
    "same": (f"{COUNT};", [], None, ""),
    "numbers": (  # those of the page: the second run isn't counted
        "print(len(In))",
        [new_output("stream", name="stdout", text="3\n")],
        None,
        "",
    ),
    "counts": (
        f"{COUNT}\nprint(n)",
        [new_output("stream", name="stdout", text="1\n")],
        "In [2]",
        r"Run a second time in a row: The outputs differ .*: let the cell "
        r"seed, and make anew what it changes\.\n\n(.*\n)*\+2\n",
    ),
    "raises": (
        "del x",
        [],
        "In [2]",
        "Run a second time in a row: The cell caused an exception: let the",
    ),
    "warns": (
        f"{COUNT}\nif n > 1: import sys; print('old', file=sys.stderr)",
        [],
        "In [2]",
        "Run a second time in a row: The cell wrote to stderr",
    ),
    "raises_once": (
        f"{COUNT}\nif n == 1: 1 / 0",
        [
            new_output(
                "error",
                ename="ZeroDivisionError",
                evalue="division by zero",
                traceback=["ZeroDivisionError: division by zero"],
            )
        ],
        "In [2]",
        "Run a second time in a row: The cell raises no error",
    ),
    "keeps_file": (
        "open('left.txt', 'w').close()",
        [],
        "end",
        r"The page leaves files behind \(left\.txt\): let it write to a temp",
    ),
    "removes_file": (
        "import os\nassert not os.listdir()\n"
        "open('left.txt', 'w').close()\nos.remove('left.txt')",
        [],
        None,
        "",
    ),
    "late": (LATE, [], "end", "A cell wrote after it had ended: 'late'"),
    "other": ("x = 2", [], "x is one", "AssertionError: 2"),
    "nothing": ("del x; x = None", [], "x is one", "AssertionError: None"),
    "broken": ("x = type('X', (), {'__repr__': 0})()", [], "x is one", "Type"),
}
# Two checks of each page: the first can fail, the second sees what it did.
CONFTEST = """
def pytest_nbval_strict_checks(page):
    return {"x is one": x_is_one, "y is there": y_is_there}

def x_is_one(show):
    said = show("y = x\\nprint(x)")
    assert said == "1\\n", said

def y_is_there(show):
    show("y = y")
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What pytest says of all the pages."""
    folder = tmp_path_factory.mktemp("once")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = -p nbval_strict --nbval -v\n"
        "nbval_strict_twice = true\nnbval_strict_own_folder = true\n"
    )
    for name, (source, outputs, _, _) in PAGES.items():
        cells = [
            new_code_cell("x = 1", execution_count=1),
            new_code_cell(source, execution_count=2, outputs=outputs),
        ]
        if name == "raises_once":
            cells[1].metadata.tags = ["raises-exception"]
        write(new_notebook(cells=cells), folder / f"{name}.ipynb")
    return run_pytest(folder=folder).stdout


def outcomes(said, name):
    """The outcome of each test of a page, by its name."""
    found = re.findall(
        rf"^{name}::ipynb::(.+) (PASSED|FAILED|SKIPPED)", said, re.MULTILINE
    )
    return {test: outcome.lower() for test, outcome in found}


@pytest.mark.parametrize("name", PAGES)
def test_page_passes_up_to_the_test_that_its_fault_is_for(said, name):
    _, _, failing, _ = PAGES[name]
    expected = dict.fromkeys(
        ["In [1]", "In [2]", "end", "x is one", "y is there"], "passed"
    )
    if failing:
        expected[failing] = "failed"
    if failing == "In [2]":
        skipped = dict.fromkeys(["end", "x is one", "y is there"], "skipped")
        expected |= skipped
    assert outcomes(said, name) == expected, said


@pytest.mark.parametrize("name", [n for n in PAGES if PAGES[n][2]])
def test_failure_says_what_is_wrong(said, name):
    _, _, failing, words = PAGES[name]
    heading = rf"^_+ {name}\.ipynb::{re.escape(failing)} _+$"
    _, _, report = re.split(f"({heading})", said, flags=re.MULTILINE)
    report = re.split(r"^_{3,} ", report, flags=re.MULTILINE)[0]
    assert re.search(words, report), report
