"""Tampered copies of a page must turn nbval red, with a message that helps.

One pytest runs all the copies, in a temporary folder, on two workers.
"""

import copy
import os
import re
import signal
from collections import defaultdict
from xml.etree import ElementTree

import nbformat
import pytest
import torch

from nbval_strict.comparison import rule
from nbval_strict.kernel import KernelDiedError, KernelManager, WatchedKernel
from tests.nbval_strict.specimen import CELLS, executed, run_pytest, write


def first_output(cells, fits):
    """The first stored output that fits, and its cell."""
    return next((c, o) for c in cells for o in c.outputs if fits(o))


def change_text(pattern, replacement):
    """A tampering with the first stored text in which a pattern occurs."""

    def plain(output):
        if output.output_type == "stream":
            return output, "text"
        return output.get("data", {}), "text/plain"

    def tamper(cells):
        def fits(output):
            holder, key = plain(output)
            return re.search(pattern, holder.get(key, ""))

        cell, output = first_output(cells, fits)
        holder, key = plain(output)
        holder[key] = re.sub(pattern, replacement, holder[key], count=1)
        return cell

    return tamper


def change_figure(change):
    def tamper(cells):
        cell, output = first_output(
            cells, lambda o: "image/svg+xml" in o.get("data", {})
        )
        change(cell.outputs, output)
        return cell

    return tamper


def change_error(change):
    def tamper(cells):
        cell, output = first_output(cells, lambda o: o.output_type == "error")
        change(cell, output)
        return cell

    return tamper


def change_cell(change):
    def tamper(cells):
        change(cells[1])
        return cells[1]

    return tamper


def add_code(code):
    return change_cell(
        lambda cell: cell.update(source=f"{cell.source}\n{code}")
    )


def other_kind(outputs, output):
    output.data["image/png"] = output.data.pop("image/svg+xml")


def rewrite(old, new):
    """A change of a stored error, and of its traceback."""

    def change(cell, output):
        output.ename = output.ename.replace(old, new)
        output.evalue = output.evalue.replace(old, new)
        output.traceback = [f"{output.ename}: {output.evalue}"]

    return change


def print_also(stored, code):
    """A cell that stores a text which its code is to print."""

    def change(cell):
        cell.source += f"\n{code}"
        cell.outputs = [
            nbformat.v4.new_output("stream", name="stdout", text=stored)
        ]

    return change_cell(change)


def add_tag(*tags):
    return change_cell(lambda cell: cell.metadata.update(tags=[*tags]))


def show_later(stored):
    """Two cells: what the first shows, the second changes to 2."""

    def tamper(cells):
        cells[1].source = "handle = display(1, display_id=True)"
        cells[1].outputs = [
            nbformat.v4.new_output("display_data", {"text/plain": stored})
        ]
        cells[2].source = "handle.update(2)"
        cells[2].outputs = []
        return cells[1]

    return tamper


def both_prints_first(cell):
    cell.source = "print(1); display(2); print(3)"
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="1\n3\n"),
        nbformat.v4.new_output("display_data", {"text/plain": "2"}),
    ]


def swap(cell):
    cell.source += "\nprint(1); display({'text/html': '2'}, raw=True)"
    cell.outputs = [
        nbformat.v4.new_output("display_data", {"text/html": "2"}),
        nbformat.v4.new_output("stream", name="stdout", text="1\n"),
    ]


def add_warning(cell):
    stream = nbformat.v4.new_output("stream", name="stderr", text="Careful!")
    cell.outputs.append(stream)


# What a page prints on a GPU, as far as it can be shown without one.
ON_CUDA = """device = torch.device("cuda")
print("tensor([1., 2.], device='cuda:0')")"""
HARMLESS = {
    "nothing": None,
    "float_within_tolerance": change_text(r"-49\.", "-49.0001"),
    "device": print_also("tensor([1., 2.])\n", ON_CUDA),
    "display_after_its_update": show_later("2"),
    "subprocess": print_also("1\n", "import os; os.system('echo 1');"),
}
DIFFER = r"outputs differ from the stored ones: .*`make page=03`"
TAMPERINGS = {
    "number": (change_text(r"-49\.", "-47."), DIFFER),
    "float": (change_text(r"-49\.", "-49.001"), DIFFER),
    "stored_device": (change_text(r"\]\)", "], device='cuda:0')"), DIFFER),
    "other_device": (
        print_also("tensor([1., 2.])\n", ON_CUDA.replace(":0", ":1")),
        DIFFER,
    ),
    "device_of_no_page": (
        print_also("tensor([1., 2.])\n", ON_CUDA.partition("\n")[2]),
        DIFFER,
    ),
    "sign": (change_text(r"-50\.", "50."), DIFFER),
    "shape": (change_text(r"Size\(\[2", "Size([5"), DIFFER),
    "name": (change_text("weight", "height"), DIFFER),
    "removed_line": (change_text(r"\A.*\n", ""), DIFFER),
    "removed_figure": (
        change_figure(lambda stored, o: stored.remove(o)),
        DIFFER,
    ),
    "empty_figure": (
        change_figure(lambda stored, o: o.data.update({"image/svg+xml": ""})),
        DIFFER,
    ),
    "figure_of_another_kind": (change_figure(other_kind), DIFFER),
    "never_run": (
        change_cell(lambda cell: cell.update(execution_count=None)),
        "was never run: run `make page=03`",
    ),
    "stored_warning": (
        change_cell(add_warning),
        "stored outputs hold a warning: .*`make page=03`",
    ),
    "warning": (
        add_code("import warnings; warnings.warn('old')"),
        "wrote to stderr, and a page may not warn: mend",
    ),
    "warning_of_a_subprocess": (
        add_code("import os; os.system('echo careful >&2')"),
        "wrote to stderr, and a page may not warn: mend",
    ),
    "order": (change_cell(swap), DIFFER),
    "order_of_prints": (change_cell(both_prints_first), DIFFER),
    "display_before_its_update": (show_later("1"), DIFFER),
    "address": (
        print_also("<object at 0x1>", "print(object())"),
        "shows an address in memory.*: end its last line with a semicolon",
    ),
    "subprocess_between_prints": (
        add_code("import os; print(1); os.system('echo 2'); print(3)"),
        "come in no fixed order: capture",
    ),
    "skip": (add_tag("nbval-skip"), "would never be checked: remove"),
    "tag_without_an_error": (
        add_tag("raises-exception", "nbval-ignore-output"),
        "raises no error: remove its tag",
    ),
    "traceback": (
        change_error(lambda cell, o: o.update(traceback=["KeyError: 7"])),
        "stored traceback is of no such error: run `make page=03`",
    ),
    "dead_kernel": (
        add_code("import os; os._exit(1)"),
        "kernel died while it ran this cell",
    ),
    "timeout": (
        add_code("import time; time.sleep(60)"),
        "Timeout of 15 seconds exceeded.*let it compute less",
    ),
    "swallowed_timeout": (
        add_code(
            "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: pass"
        ),
        "Timeout of 15 seconds exceeded.*let it compute less",
    ),
    "error": (add_code("1 / 0"), "caused an exception: .*raises-exception"),
    "other_error": (change_error(rewrite("RuntimeError", "IOError")), DIFFER),
    "other_message": (change_error(rewrite("element 0", "one")), DIFFER),
    "no_error": (
        change_error(lambda cell, o: cell.update(source="pass")),
        "raises no error: remove its tag",
    ),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """For each copy: the cell tampered with, and what became of the cells."""
    folder = tmp_path_factory.mktemp("tampered")
    page = executed(CELLS, folder)
    touched = {}
    tamperings = {name: tamper for name, (tamper, _) in TAMPERINGS.items()}
    for name, tamper in (HARMLESS | tamperings).items():
        notebook = copy.deepcopy(page)
        code = notebook.cells
        if tamper is not None:
            cell = tamper(code)
            number = code.index(cell) + 1
            touched[name] = f"In [{number}]"
            # One cell more shows what becomes of those that follow.
            notebook.cells = code[: number + 1]
        write(notebook, folder / f"03_{name}.ipynb")
    (folder / "pytest.ini").write_text(
        "[pytest]\nnbval_strict_rerun = run `make page={number}`\n"
    )
    (folder / "conftest.py").write_text("pytest_plugins = ['nbval_strict']\n")
    report = folder / "report.xml"
    options = ["--nbval", "--nbval-cell-timeout=15", "-n2"]
    done = run_pytest(*options, "--junit-xml", report, folder=folder)
    assert report.is_file(), done.stdout + done.stderr
    cells = defaultdict(dict)
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("classname").removeprefix("03_").split(".")[0]
        cells[name][case.get("name")] = case
    return touched, cells


def outcomes(cases):
    """The outcome of each cell of one copy, by the name of the cell."""
    return {
        name: next((child.tag for child in case), "passed")
        for name, case in cases.items()
    }


@pytest.mark.parametrize("name", HARMLESS)
def test_copy_without_a_difference_passes(runs, name):
    _, cells = runs
    assert set(outcomes(cells[name]).values()) == {"passed"}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_fails_at_its_cell_and_says_what_to_do(runs, name):
    touched, cells = runs
    *before, (where, outcome), after, end = outcomes(cells[name]).items()
    assert {outcome for _, outcome in before} <= {"passed"}
    assert (where, outcome) == (touched[name], "failure")
    assert after[1] == end[1] == "skipped"
    message = cells[name][where].find("failure").text
    assert message.startswith(f"03_{name}.ipynb, {where}: ")
    assert re.search(TAMPERINGS[name][1], message), message


def test_cells_after_a_failure_name_it_as_the_cause(runs):
    touched, cells = runs
    *_, last = cells["number"].values()
    assert last.find("skipped").get("message") == (
        f"not run, because {touched['number']} failed"
    )


def test_cell_chosen_alone_finds_what_the_cells_before_it_made(tmp_path):
    write(executed(CELLS, tmp_path), tmp_path / "page.ipynb")
    options = ["-p", "nbval_strict", "--nbval", "page.ipynb::In [3]"]
    done = run_pytest(*options, folder=tmp_path)
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize(("deaths", "starts"), [(2, 3), (3, 3)])
def test_kernel_that_dies_before_it_answers_is_started_again(
    deaths, starts, monkeypatch, tmp_path
):
    started, start = [], KernelManager.start_kernel

    def start_and_kill(manager, **options):
        start(manager, **options)
        started.append(manager)
        if len(started) <= deaths:
            manager.signal_kernel(signal.SIGKILL)

    monkeypatch.setattr(KernelManager, "start_kernel", start_and_kill)
    if deaths < starts:
        kernel = WatchedKernel(str(tmp_path), 60)
        assert kernel.is_alive()
        kernel.stop()
    else:
        with pytest.raises(KernelDiedError):
            WatchedKernel(str(tmp_path), 60)
    WatchedKernel.await_stopped()
    assert len(started) == starts


@pytest.mark.parametrize("asked", [None, "3"])
def test_workers_share_the_cores_unless_told_otherwise(
    asked, tmp_path, monkeypatch
):
    shares = str(max(1, os.cpu_count() // 2))
    (tmp_path / "test_threads.py").write_text(
        "import os\n"
        "def test_threads():\n"
        f"    assert os.environ['OMP_NUM_THREADS'] == {asked or shares!r}\n"
    )
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    else:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    done = run_pytest("-p", "nbval_strict", "-n2", folder=tmp_path)
    assert "1 passed" in done.stdout, done.stdout


def test_difference_shows_the_lines_the_rule_torch_and_the_device(runs):
    touched, cells = runs
    message = cells["number"][touched["number"]].find("failure").text
    assert '\n    print("in a batch:", centered(two)[0])' in message
    assert "\n-in a batch: tensor([-50., -47., -48.])" in message
    assert "\n+in a batch: tensor([-50., -49., -48.])" in message
    assert "stored '-47.', now '-49.', which differ by 2; " in message
    assert rule() in message
    assert f"torch {torch.__version__}, device cpu" in message


def test_failure_names_the_device_of_the_page(runs):
    touched, cells = runs
    where = touched["other_device"]
    message = cells["other_device"][where].find("failure").text
    assert "device cuda" in message
