"""What cells show is stored, and compared, as JupyterLab shows it.

One notebook has the cells of all cases. It is executed, and what is stored
is tested.
"""

import os

import nbformat
import pytest

from nbval_strict.client import UnfitOutputError
from nbval_strict.kernel import WatchedKernel
from tests.nbval_strict.specimen import executed, run_pytest, write

LONG = 200_000
# By name: cells, and what each shows in the end.
SHOWN = {
    "order": {
        "print('before'); display('it'); print('after')": [
            "before\n",
            "'it'",
            "after\n",
        ]
    },
    "cleared in a loop": {
        "from IPython.display import clear_output\n"
        "for i in range(3):\n"
        "    clear_output(wait=True)\n"
        "    print(i)": ["2\n"],
        "for i in range(3):\n    display(i)\n    clear_output(wait=True)": [
            "2"
        ],
        "print(1); clear_output(); print(2)": ["2\n"],
        "print(1); clear_output()": [],
    },
    "display that is updated": {
        "handle = display('a', display_id=True); handle.update('b')": ["'d'"],
        "print(1); handle.update('c'); print(2)": ["1\n2\n"],
        "print('before'); handle.display('d'); print('after')": [
            "before\n",
            "'d'",
            "after\n",
        ],
    },
    "display of a cleared cell": {
        "gone = display('a', display_id=True); clear_output(); print(1)": [
            "1\n"
        ],
        "gone.update('b')": [],
    },
    "display in two cells": {
        "display('a', display_id='two');": ["'b'"],
        "display('b', display_id='two');": ["'b'"],
    },
    "history": {
        "6 * 7": ["42"],
        "_ + 1, In[-2], Out[len(In) - 2]": ["(43, '6 * 7', 42)"],
        "%history -l 2": ["6 * 7\n_ + 1, In[-2], Out[len(In) - 2]\n"],
        "plus_one = lambda x: x + 1;": [],
        "8;": [],
    },
    "plot without its result": {
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);": ["figure"]
    },
    "animation": {
        "fig = plt.figure()\n"
        "for x in range(3):\n"
        "    plt.plot([x, x * x])\n"
        "    display(fig)\n"
        "    clear_output(wait=True)": ["figure"],
    },
    "control characters": {
        "print(' 50%\\r100%')\nprint('one\\b\\bil')\nprint('long\\rs')": [
            "100%\noil\nsong\n"
        ],
        "for i in range(3):\n    print(f'\\r{i}', end='', flush=True)": ["2"],
    },
    "many outputs": {
        "for i in range(1500): display(i)": [str(i) for i in range(1500)]
    },
    "one long line": {f"print('a' * {LONG})": ["a" * LONG + "\n"]},
    "subprocess": {
        "import os, subprocess, sys\nos.system('echo one; echo two');": [
            "one\ntwo\n"
        ],
        "code = 'print(3)'\n"
        "subprocess.run([sys.executable, '-c', code]).returncode;": ["3\n"],
    },
    "shell": {"print('a')\n!echo b\nprint('c')": ["a\nb\nc\n"]},
    "output of a coroutine": {
        "import asyncio\nawait asyncio.sleep(0.01)\nprint(1)": ["1\n"]
    },
}
if os.name != "posix":  # a subprocess doesn't reach the cell there
    del SHOWN["subprocess"], SHOWN["shell"]
CELLS = [
    (name, code, shown)
    for name, cells in SHOWN.items()
    for code, shown in cells.items()
]


def summary(output):
    if output.output_type == "stream":
        return output.text
    if "image/svg+xml" in output.data or "image/png" in output.data:
        return "figure"
    return output.data["text/plain"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The notebook with all the cells, executed and stored."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "Agg")
        notebook = executed([code for _, code, _ in CELLS], folder)
    return write(notebook, folder / "01_outputs.ipynb")


def run_tests(folder, page):
    options = ["-p", "nbval_strict", "--nbval", page]
    return run_pytest(*options, folder=folder, MPLBACKEND="Agg")


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_stored_is_what_jupyterlab_shows(page, name):
    stored = nbformat.read(page, as_version=4).cells
    for (case, code, shown), cell in zip(CELLS, stored, strict=True):
        if case == name:
            assert [summary(o) for o in cell.outputs] == shown, code


def test_numbers_of_cells_are_those_of_the_kernel(page):
    counts = [c.execution_count for c in nbformat.read(page, 4).cells]
    assert counts == list(range(1, len(CELLS) + 1))


def test_stored_outputs_pass_the_tests(page):
    done = run_tests(page.parent, page)
    # One test more sees what the page leaves.
    assert f"{len(CELLS) + 1} passed" in done.stdout, done.stdout


def test_cell_passes_alone_though_a_later_one_changes_what_it_shows(page):
    (number,) = [
        i for i, (_, code, _) in enumerate(CELLS, 1) if "handle = " in code
    ]
    done = run_tests(page.parent, f"{page}::In [{number}]")
    assert "1 passed" in done.stdout, done.stdout


REFUSED = {
    "print(1)\nos.system('echo 2')\nprint(3)": "no fixed order: capture",
    "display(1); os.system('echo 2');": "no fixed order: capture",
    "os.system('echo 2')": "no fixed order: capture",
    "os.system('echo 2'); 1 / 0": "no fixed order: capture",
    "p = fork.Process(target=print, args=[1]); p.start(); p.join()": (
        "forked process writes"
    ),
    "display({'application/vnd.jupyter.widget-view+json': {}}, raw=True)": (
        "shows a widget"
    ),
}
PREPARE = "import multiprocessing, os, subprocess, time\n"
PREPARE += "fork = multiprocessing.get_context('fork')"
LATE_PRINT = "fork.Process(target=lambda: [time.sleep(0.3), print(1)]).start()"
# It waits until the cell has ended: until the kernel reads its next request.
LATE_AT_EXIT = """
def complain(result):
    get_ipython().events.unregister("post_run_cell", complain)
    os.system("echo careful >&2")
get_ipython().events.register("post_run_cell", complain)
"""


POSIX = pytest.mark.skipif(
    os.name != "posix", reason="a subprocess doesn't reach the cell here"
)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    kernel = WatchedKernel(str(tmp_path_factory.mktemp("kernel")), 60)
    kernel.run(PREPARE, "", 60)
    yield kernel
    kernel.stop()
    kernel.await_stopped()


@POSIX
@pytest.mark.parametrize("code", REFUSED)
def test_what_comes_in_no_fixed_order_is_refused(kernel, code):
    ran = kernel.run(code, "In [2]", 60)
    problem = kernel.shown.problem(ran.request)
    assert REFUSED[code] in ": ".join(problem)


@POSIX
def test_what_a_subprocess_writes_belongs_to_its_cell_each_time(kernel):
    for i in range(100):
        ran = kernel.run(f"os.system('echo {i} >&2');", "In [2]", 60)
        assert [(o.name, o.text) for o in ran.outputs] == [
            ("stderr", f"{i}\n")
        ]


@POSIX
def test_what_comes_after_the_last_cell_is_found(tmp_path):
    kernel = WatchedKernel(str(tmp_path), 60)
    try:
        kernel.run(PREPARE, "In [1]", 60)
        assert kernel.look_once_more() is None
        kernel.run(LATE_AT_EXIT, "In [2]", 60)
        problem = kernel.look_once_more()
        assert problem.what == (
            "A cell wrote after it had ended: 'careful\\n'"
        )
    finally:
        kernel.stop()
        kernel.await_stopped()


@POSIX
@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (["print(1)\nos.system('echo 2');"], r"In \[2\]: What .*: capture"),
        (
            [LATE_PRINT, "time.sleep(1)"],
            r"In \[3\]: In \[2\] wrote after it had ended: '1.*: let it wait",
        ),
        ([LATE_AT_EXIT], "wrote after it had ended: 'careful"),
    ],
)
def test_run_refuses_it_too(codes, message, tmp_path):
    with pytest.raises(UnfitOutputError, match=message):
        executed([PREPARE, *codes], tmp_path)
