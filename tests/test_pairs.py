"""What is done in one file of a pair isn't lost by what writes the other."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from tools import book, files
from tools.environment import ROOT
from tools.page import Page, chapters

HEAD = chapters("01")[0].source.read_text("utf-8")
HEAD = HEAD.partition("# %%")[0]
BODY = """\
# %% [markdown]
# # Add numbers

# %%
x = 1
x

# %%
# copy the weights
# cat the two
# Why?
# !important
# %timeit x
1 + 1
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A small chapter that has been run."""
    root = tmp_path_factory.mktemp("stored")
    page = Page("en", "chapter", "08_sums", root)
    page.source.write_text(HEAD + BODY, "utf-8")
    book.run(page)
    return page


@pytest.fixture
def page(stored, tmp_path, monkeypatch):
    """A copy of it, which is all that there is."""
    root = shutil.copytree(stored.root, tmp_path / "chapters")
    monkeypatch.setattr("tools.page.CHAPTERS", root)
    return replace(stored, root=root)


def script(page, old, new):
    text = page.source.read_text("utf-8")
    assert old in text
    page.source.write_text(text.replace(old, new, 1), "utf-8")


def notebook(page, change):
    stored = nbformat.read(page.notebook, 4)
    change(stored)
    nbformat.write(stored, page.notebook)


def cells(page):
    return [cell.source for cell in files.read_stored(page).cells]


def set_source(index, source):
    def change(stored):
        stored.cells[index].source = source

    return change


def insert(index, cell):
    return lambda stored: stored.cells.insert(index, cell)


def move(stored):
    stored.cells[:2] = stored.cells[1::-1]


def delete(stored):
    del stored.cells[1]


def tag(stored):
    stored.cells[1].metadata.tags = ["nbval-ignore-output"]


def attach(stored):
    stored.cells[0].attachments = {"a.png": {"image/png": "aaaa"}}


def end_lines_otherwise(stored):
    stored.cells[1].source += "\n"
    stored.cells[2].source += "\n  \n"
    stored.cells[0].source = stored.cells[0].source.replace("\n", "\r\n")


def rerun_a_cell(stored):
    stored.cells[1].execution_count = 40
    stored.cells[1].outputs = []


def leave_traces(stored):
    """What VS Code, Colab and JupyterLab write beside the cells."""
    stored.metadata.vscode = {"interpreter": "python3"}
    for cell in stored.cells:
        cell.metadata.update(id="Xy", executionInfo={"elapsed": 3})
        cell.metadata.execution = {"iopub.status.idle": "now"}
    stored.cells.append(new_code_cell(""))


EDITS = {
    "code": set_source(1, "x = 41"),
    "prose": set_source(0, "# Add two numbers"),
    "new cell": insert(1, new_markdown_cell("A new cell.")),
    "the same cell again": insert(1, new_code_cell("x = 1\nx")),
    "moved": move,
    "deleted": delete,
    "tag": tag,
    "attachment": attach,
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("both", [False, True], ids=["one", "both"])
def test_run_keeps_what_only_the_notebook_has(page, edit, both, capsys):
    notebook(page, edit)
    if both:
        script(page, "1 + 1", "1 + 2")
    before = page.notebook.read_bytes()
    capsys.readouterr()
    assert book.main(["run", "08"]) == 1
    assert page.notebook.read_bytes() == before
    told = capsys.readouterr().out
    assert "make pull CH=chapters/08_sums.py" in told
    assert "make run CH=chapters/08_sums.py FORCE=1" in told


def test_run_keeps_a_move_past_a_cell_that_the_script_has_edited(page):
    def swap_the_last(stored):
        stored.cells[1:] = stored.cells[:0:-1]

    notebook(page, swap_the_last)
    script(page, "1 + 1", "1 + 2")
    assert book.main(["run", "08"]) == 1
    assert cells(page)[2] == "x = 1\nx"


def test_refusal_shows_the_difference(page, capsys):
    notebook(page, set_source(1, "x = 41\nx"))
    assert book.main(["run", "08"]) == 1
    told = capsys.readouterr().out
    assert "\n-x = 1\n+x = 41\n x\n" in told


def test_run_with_force_overwrites(page):
    notebook(page, set_source(1, "x = 41"))
    assert book.main(["run", "08", "--force"]) == 0
    assert cells(page)[1] == "x = 1\nx"


def test_edit_of_the_script_runs_without_fuss(page):
    script(page, "x = 1", "x = 2")
    script(page, "# Add numbers", "# Subtract numbers")
    text = page.source.read_text("utf-8")
    page.source.write_text(f"{text}\n# %%\nx + 3\n", "utf-8")
    assert book.main(["run", "08"]) == 0
    assert cells(page)[1] == "x = 2\nx"
    assert len(cells(page)) == 4


@pytest.mark.parametrize(
    "change", [rerun_a_cell, leave_traces, end_lines_otherwise]
)
def test_outputs_and_traces_are_no_edit(page, change):
    notebook(page, change)
    script(page, "x = 1", "x = 2")
    assert book.main(["run", "08"]) == 0
    assert cells(page)[1] == "x = 2\nx"


def test_edit_that_was_copied_to_the_script_runs(page):
    # As JupyterLab saves the pair, or by hand; then the script is edited on.
    notebook(page, set_source(1, "x = 41\nx"))
    script(page, "x = 1", "x = 41")
    script(page, "1 + 1", "1 + 2")
    assert book.main(["run", "08"]) == 0
    assert cells(page)[1] == "x = 41\nx"


@pytest.mark.parametrize(
    "noted", [None, {}, [], {"made_from": "x"}, {"made_from": [{}, 1]}]
)
def test_notebook_of_unknown_origin_is_kept(page, noted):
    def forget(stored):
        stored.metadata["d2l"] = noted

    notebook(page, forget)
    assert book.main(["run", "08"]) == 0  # the two agree
    notebook(page, forget)
    script(page, "1 + 1", "1 + 2")
    assert book.main(["run", "08"]) == 1
    assert book.main(["run", "08", "--force"]) == 0


@pytest.mark.parametrize("text", ["{", "[1]", '{"cells": 1}'])
def test_run_keeps_a_notebook_that_cannot_be_read(page, text, capsys):
    page.notebook.write_text(text)
    assert book.main(["run", "08"]) == 1
    assert "FORCE=1" in capsys.readouterr().out
    assert page.notebook.read_text() == text
    assert book.main(["run", "08", "--force"]) == 0


def test_empty_notebook_is_nothing_to_keep(page):
    page.notebook.write_text("")
    assert book.main(["run", "08"]) == 0


def test_notebook_saved_during_a_run_is_kept(page, capsys):
    file = page.notebook
    script(page, "x = 1\n", f"x = 1; open({str(file)!r}, 'a').write(' ')\n")
    assert book.main(["run", "08"]) == 1
    assert "changed while" in capsys.readouterr().out
    assert file.read_text("utf-8").endswith(" ")


def test_empty_script_makes_no_empty_notebook(page, capsys):
    before = page.notebook.read_bytes()
    page.source.write_text("")
    assert book.main(["run", "08"]) == 1
    assert "08_sums.py has no cells" in capsys.readouterr().out
    assert page.notebook.read_bytes() == before


# The way back


@pytest.mark.parametrize(
    "edit", [v for k, v in EDITS.items() if k != "attachment"]
)
def test_pull_brings_the_edits_into_the_script(page, edit, capsys):
    notebook(page, edit)
    wanted = cells(page)
    assert book.main(["pull", "08"]) == 0
    assert [c.source for c in files.read_source(page).cells] == wanted
    assert page.source.read_text("utf-8").startswith(HEAD)
    assert book.main(["run", "08"]) == 0
    assert cells(page) == wanted


def test_pull_keeps_what_only_the_script_has(page, capsys):
    script(page, "x = 1", "x = 2")
    before = page.source.read_bytes()
    assert book.main(["pull", "08"]) == 1
    told = capsys.readouterr().out
    assert "make pull CH=chapters/08_sums.py FORCE=1" in told
    assert page.source.read_bytes() == before
    assert book.main(["pull", "08", "--force"]) == 0
    assert "x = 1\n" in page.source.read_text("utf-8")


def test_pull_of_what_agrees_writes_nothing(page):
    before = page.source.stat().st_mtime_ns
    assert book.main(["pull", "08"]) == 0
    assert page.source.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (attach, "a.png"),
        (set_source(1, "x = 41\n# %% x\nx"), "begins with 'x = 41'"),
        (set_source(1, "x = '\u2028'"), "a line oddly"),
    ],
)
def test_pull_refuses_what_a_script_cannot_hold(page, capsys, change, named):
    before = page.source.read_bytes()
    notebook(page, change)
    assert book.main(["pull", "08", "--force"]) == 1
    assert named in capsys.readouterr().out
    assert page.source.read_bytes() == before


def test_pull_takes_an_edit_beside_what_a_script_does_not_hold(page):
    notebook(page, end_lines_otherwise)
    notebook(page, insert(1, new_code_cell("x = 41\r\nx\n\n")))
    assert book.main(["pull", "08"]) == 0
    wanted = HEAD + BODY.replace("# %%\nx", "# %%\nx = 41\nx\n\n# %%\nx")
    assert page.source.read_text("utf-8") == wanted
    assert book.main(["run", "08"]) == 0


@pytest.mark.parametrize("command", ["run", "pull"])
@pytest.mark.parametrize("suffix", [".py", ".ipynb"])
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_folder_in_the_place_of_a_file_is_named(
    page, command, suffix, force, capsys
):
    file = page.folder / f"{page.stem}{suffix}"
    file.unlink()
    file.mkdir()
    (file / "mine").touch()
    assert book.main([command, "08", *force]) == 1
    told = capsys.readouterr().out
    assert f"{suffix} is a folder: move it away" in told
    assert (file / "mine").exists()


@pytest.mark.parametrize("command", ["run", "pull"])
def test_file_that_cannot_be_written_is_one_line(
    page, command, monkeypatch, capsys
):
    notebook(page, tag) if command == "pull" else script(page, "x = 1", "x =2")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    assert book.main([command, "08"]) == 1
    assert "Permission denied" in capsys.readouterr().out
    assert len(list(page.folder.iterdir())) == 2


def test_pull_takes_no_tool_traces(page):
    notebook(page, leave_traces)
    notebook(page, set_source(1, "x = 41"))
    assert book.main(["pull", "08"]) == 0
    assert page.source.read_text("utf-8") == HEAD + BODY.replace(
        "x = 1\nx", "x = 41"
    )


# What a .py may be


def test_comments_stay_comments(page):
    assert "# copy the weights\n# cat the two\n# Why?\n" in cells(page)[2]
    outputs = files.read_stored(page).cells[2].outputs
    assert [o.output_type for o in outputs] == ["execute_result"]


@pytest.mark.parametrize("kind", ["ipynb", "py"])
def test_comments_stay_comments_in_jupyterlab(page, kind):
    from jupyter_server.services.contents.largefilemanager import (
        LargeFileManager,
    )
    from jupytext.sync_contentsmanager import (
        build_sync_jupytext_contents_manager_class,
    )

    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)()
    manager.root_dir = str(page.folder)
    settings = (ROOT / "jupytext.toml").read_text("utf-8")
    (page.folder / "jupytext.toml").write_text(settings)
    os.utime(page.source, (time.time() + 5,) * 2)
    for _ in range(2):
        model = manager.get(f"08_sums.{kind}", type="notebook")
        comments = model["content"].cells[2].source
        assert comments.startswith("# copy the weights\n# cat the two\n# Why?")
        manager.save(model, model["path"])
    assert page.source.read_text("utf-8") == HEAD + BODY
    # And a magic that a reader types stays what it is.
    model["content"].cells[2].source = "%time x\n!ls\nx?"
    manager.save(model, model["path"])
    content = manager.get(f"08_sums.{kind}", type="notebook")["content"]
    assert content.cells[2].source == "%time x\n!ls\nx?"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
    ],
    ids=["byte order mark", "CRLF"],
)
def test_script_of_another_editor_runs(page, spoil):
    before = cells(page)
    for file in (page.source, page.notebook):
        file.write_bytes(spoil(file.read_bytes()))
    assert book.main(["check", "08"]) == 0
    page.source.write_bytes(
        page.source.read_bytes().replace(b"1 + 1", b"1 + 2")
    )
    assert book.main(["run", "08"]) == 0
    assert cells(page) == [c.replace("1 + 1", "1 + 2") for c in before]


def test_marks_of_a_conflict_are_named(page, capsys):
    script(page, "x = 1\n", "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> b\n")
    for command in ("run", "check", "pull"):
        assert book.main([command, "08"]) == 1
        told = "".join(capsys.readouterr())
        assert "08_sums.py has the marks of a merge conflict" in told


def test_a_page_that_fails_does_not_stop_the_next(page, capsys):
    broken = replace(page, stem="07_broken")
    broken.source.write_bytes(b"\xff\xfe")
    broken.notebook.write_bytes(b"\xff\xfe")
    for command in ("run", "check", "pull"):
        assert book.main([command]) == 1
        assert "07_broken." in "".join(capsys.readouterr())
    assert cells(page)[1] == "x = 1\nx"


# Ctrl-C


def processes(mark):
    """The processes that have inherited an environment variable."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
        except OSError:
            pass
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("warm", ["0", "1"])
@pytest.mark.parametrize("moment", ["a cell runs", "the kernel starts"])
def test_ctrl_c_ends_a_run_in_one_line(page, warm, moment):
    before = page.notebook.read_bytes()
    flag = page.folder / "flag"
    script(
        page,
        "x = 1\n",
        f"import time; open({str(flag)!r}, 'w').close(); time.sleep(60)\n",
    )
    code = (
        "import sys; from pathlib import Path; from tools import book, page; "
        f"page.CHAPTERS = Path({str(page.root)!r}); "
        "sys.exit(book.main(['run']))"
    )
    log = page.root.with_name("log")
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "WARM": warm, "MARK": str(page.root)},
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while "08_sums" not in log.read_text() or (
        moment == "a cell runs" and not flag.exists()
    ):
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(30) == 130, log.read_text()
    assert log.read_text().splitlines()[1:] == [
        "08_sums ... stopped; the stored notebook is as it was"
    ]
    assert page.notebook.read_bytes() == before
    assert sorted(p.name for p in page.folder.iterdir()) == sorted(
        ["08_sums.py", "08_sums.ipynb", *["flag"] * flag.exists()]
    )
    deadline = time.monotonic() + 60  # the server ends when it has imported
    while (
        left := processes(f"MARK={page.root}")
    ) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == set()
