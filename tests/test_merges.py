"""A new version of a page, and what its reader did: nothing is lost."""

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest

import d2l_reader
from d2l_reader import _notebook, _plans
from tests import table_of_merges as table
from tests.table_of_merges import (
    ANSWER,
    MINE,
    NAME,
    OTHER,
    STATES,
    VERSIONS,
    bring,
    edit,
    everything,
    find,
    make,
)


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch):
    """Nobody pulls the plug of a test: it needn't wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def cells_of(root, name=NAME):
    return _notebook.read(root / "workbook" / name)["cells"]


def sources(root, name=NAME):
    return [cell["source"] for cell in cells_of(root, name)]


def written(contents):
    """What a reader has written, line by line, without JSON's signs."""
    text = b"\n".join(contents.values()).decode().replace("\\n", "\n")
    return set(re.findall(rf"[^\"\n]*{MINE}[^\"\n\\]*", text))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("state", STATES)
def test_nothing_is_lost(tmp_path, state, version):
    STATES[state](make(tmp_path))
    before = everything(tmp_path)
    done = bring(tmp_path, version)
    after = everything(tmp_path)
    assert written(before) <= written(after)
    assert not [name for name in before if name not in after]
    # It is a notebook, and is what the next update begins with.
    for file in (tmp_path / "workbook").glob("*.ipynb"):
        if file.is_file() and state not in ("broken", "in a merge conflict"):
            page = nbformat.read(file, 4)
            nbformat.validate(page)
            ids = [cell.get("id") for cell in page.cells]
            assert len(set(ids)) == len(ids) or state == "ids lost"
    again = d2l_reader.update(root=tmp_path)
    assert everything(tmp_path) == after
    if state not in ("broken", "in a merge conflict", "a folder in its place"):
        assert again.lines == ()
    else:
        assert "03_layers.ipynb stays as it is" in str(done)
        assert 'd2l_reader.restore("03")' in str(again)


# Where only the reader's own cells differ from the new version.
OWN = {
    "untouched",
    "run",
    "answered",
    "answered and run",
    "answered wrongly, and run",
    "a cell added",
    "answered with a cell more",
    "ids lost",
    "copied",
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("state", sorted(OWN))
def test_all_else_is_the_new_version(tmp_path, state, version):
    STATES[state](make(tmp_path))
    bring(tmp_path, version)
    for name in (NAME, OTHER):
        file = tmp_path / "chapters" / name
        new = [c["source"] for c in _notebook.read(file)["cells"]]
        mine = sources(tmp_path, name)
        for source in new:
            if not (source == table.HALF and ANSWER in mine):
                assert source in mine or source == table.HALF
        assert [s for s in mine if s in new] == [s for s in new if s in mine]
        assert all(MINE in s for s in mine if s not in new)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "state",
    [s for s in STATES if s.startswith("answered") and "lines" not in s]
    + ["ids lost", "copied"],
)
def test_answer_stands_where_its_exercise_went(tmp_path, state, version):
    STATES[state](make(tmp_path))
    bring(tmp_path, version)
    name = OTHER if version == "exercise elsewhere" else NAME
    cells = cells_of(tmp_path, name)
    place = next(
        i
        for i, c in enumerate(cells)
        if c["source"].startswith("def half") and MINE in c["source"]
    )
    if version in ("exercise replaced", "exercise out"):
        return  # it is kept, and that is all
    assert "half(half)" in cells[place + 1]["source"]
    heading = [c for c in cells[:place] if c["source"].startswith("### ")]
    assert re.match(r"### \d\.\d (A h|H)alf", heading[-1]["source"])
    assert sources(tmp_path, name).count(table.HALF) == 0


def test_answer_to_another_exercise_is_not_given_to_the_new_one(tmp_path):
    STATES["answered and run"](make(tmp_path))
    done = bring(tmp_path, "exercise replaced")
    cells = cells_of(tmp_path)
    assert find(cells, "def third")["source"] == table.THIRD
    assert find(cells, "check.third")["outputs"] == []
    assert "doesn't have exercise 3.2; your answer stays" in str(done)


@pytest.mark.parametrize(
    ("state", "mark"),
    [("answered and run", "✓"), ("answered wrongly, and run", "✗")],
)
@pytest.mark.parametrize(
    "version",
    ["text", "code", "starter", "exercise before", "exercises swapped"],
)
def test_what_a_check_said_of_the_answer_stays(tmp_path, state, mark, version):
    STATES[state](make(tmp_path))
    bring(tmp_path, version)
    outputs = find(cells_of(tmp_path), "check.half")["outputs"]
    assert outputs[0]["data"]["text/plain"].startswith(mark)


def test_what_a_check_said_of_another_answer_goes(tmp_path):
    file = make(tmp_path)
    STATES["answered in other lines"](file)
    edit(
        file,
        lambda cells: find(cells, "check.twice").update(
            outputs=table.code("", "✓ 3.1")["outputs"]
        ),
    )
    bring(tmp_path, "starter")
    cells = cells_of(tmp_path)
    assert "NEW" in find(cells, "def twice")["source"]
    assert MINE in find(cells, "def twice")["source"]
    assert find(cells, "check.twice")["outputs"] == []


def test_output_of_changed_code_goes_and_that_of_other_code_stays(tmp_path):
    STATES["run"](make(tmp_path))
    bring(tmp_path, "text")
    assert find(cells_of(tmp_path), "y =")["outputs"]
    bring(tmp_path, "code")
    assert not find(cells_of(tmp_path), "y =")["outputs"]


def test_what_clashes_lies_beside_and_is_said(tmp_path):
    STATES["answered in the same lines"](make(tmp_path))
    done = bring(tmp_path, "starter")
    assert (
        "03_layers.ipynb: you and the new version changed the same lines "
        "(3.1). Yours stay; the new cells are in 03_layers-new-1.ipynb"
    ) in done.lines
    (new,) = sources(tmp_path, "03_layers-new-1.ipynb")
    assert new == table.TWICE.replace("a number", "a NEW number")
    assert MINE in find(cells_of(tmp_path), "def twice")["source"]


def test_without_nbdime_yours_stays_and_the_new_cells_lie_beside(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "nbdime.merging", None)
    STATES["answered in other lines"](make(tmp_path))
    bring(tmp_path, "starter")
    assert "NEW" in "".join(sources(tmp_path, "03_layers-new-1.ipynb"))
    assert MINE in find(cells_of(tmp_path), "def twice")["source"]


def test_cell_that_was_taken_out_stays_out(tmp_path):
    STATES["a cell deleted"](make(tmp_path))
    bring(tmp_path, "exercise before")
    assert "What is the sum?" not in sources(tmp_path)


def test_cell_that_was_moved_stays_where_it_is(tmp_path):
    STATES["a cell moved"](make(tmp_path))
    bring(tmp_path, "cell in")
    found = sources(tmp_path)
    assert found.index("x = 1") == found.index("y = x + 1\ny") + 1
    assert "new = 0" in found


def test_own_cell_stays_behind_the_one_that_it_stood_behind(tmp_path):
    STATES["a cell added"](make(tmp_path))
    bring(tmp_path, "cell in")
    found = sources(tmp_path)
    place = found.index(f"z = 3  # {MINE}")
    assert found[place - 1] == "y = x + 1\ny"
    assert found[place + 1] == "NEW text."


def test_pictures_that_a_reader_put_into_the_text_stay(tmp_path):
    file = make(tmp_path)
    picture = {"a.png": {"image/png": "AAAA"}}
    edit(
        file,
        lambda cells: find(cells, "# Layers").update(attachments=picture),
    )
    bring(tmp_path, "text")
    cell = find(cells_of(tmp_path), "# Layers")
    assert cell["attachments"] == picture
    assert "NEW" in cell["source"]


def test_kernel_that_a_reader_chose_stays(tmp_path):
    file = make(tmp_path)
    page = json.loads(file.read_text("utf-8"))
    page["metadata"]["kernelspec"]["name"] = "mine"
    file.write_text(json.dumps(page), "utf-8")
    bring(tmp_path, "text")
    page = _notebook.read(file)
    assert page["metadata"]["kernelspec"]["name"] == "mine"
    assert "NEW" in page["cells"][0]["source"]


def test_several_versions_may_come_one_after_another(tmp_path):
    STATES["answered and run"](make(tmp_path))
    for version in [*VERSIONS, *reversed(VERSIONS)]:
        bring(tmp_path, version)
        both = everything(tmp_path)
        assert ANSWER.encode()[-20:] in both[NAME] + both[OTHER]
    assert "NEW" not in both[NAME].decode()


def test_page_that_jupyterlab_saves_as_it_was_is_merged_anew(tmp_path):
    """It was open there while the update came, and `Overwrite` was chosen."""
    file = make(tmp_path)
    STATES["answered"](file)
    old = file.read_bytes()
    bring(tmp_path, "exercise before")
    new = file.read_bytes()
    file.write_bytes(old)
    d2l_reader.update(root=tmp_path)
    assert file.read_bytes() == new


def test_answers_follow_a_page_to_another_name(tmp_path):
    file = make(tmp_path)
    STATES["answered"](file)
    table.write_book(tmp_path, _03_new_name=table.original())
    d2l_reader.update(root=tmp_path)
    assert ANSWER in sources(tmp_path, "03_new_name.ipynb")
    assert ANSWER in sources(tmp_path)


def test_answers_to_exercises_that_change_places_are_kept(tmp_path):
    """Each of two pages gets the exercise of the other."""
    file = make(tmp_path)
    STATES["answered"](file)
    mine = f"third = 3  # {MINE}"
    edit(
        file.with_name(OTHER),
        lambda cells: find(cells, "third").update(source=mine),
    )
    one, two = table.original(), table.other()
    one[8:11], two[2:5] = (
        table.exercise("3.2", "Third", "third = ..."),
        table.exercise("5.1", "Half", table.HALF),
    )
    table.write_book(tmp_path, _03_layers=one, _05_halves=two)
    d2l_reader.update(root=tmp_path)
    cells = cells_of(tmp_path)
    assert cells[cells.index(find(cells, "check.third")) - 1]["source"] == mine
    cells = cells_of(tmp_path, OTHER)
    assert (
        cells[cells.index(find(cells, "check.half")) - 1]["source"] == ANSWER
    )


# Pages that leave the book


@pytest.fixture(params=["en", "zh"])
def leaving(request, tmp_path):
    """A book that a page leaves, with its solutions and a text."""
    home = "chapters" if request.param == "en" else "chapters/zh"
    make(tmp_path)
    folder = tmp_path / home
    (folder / "solutions").mkdir(parents=True, exist_ok=True)
    files = [folder / NAME, folder / "solutions" / NAME, folder / "terms.md"]
    for name in ("index.md", NAME, OTHER):
        (folder / name).write_bytes(
            (tmp_path / "chapters" / name).read_bytes()
        )
    files[1].write_bytes(files[0].read_bytes())
    files[2].write_text("# Terms\n", "utf-8")
    d2l_reader.update(request.param, root=tmp_path)
    return tmp_path, request.param, files


LEFT = {
    "en": "{page} is no longer a page of the book. Yours stays",
    "zh": "{page}：新版教程里没有这一页了，你的这一份还留着",
}


def test_page_that_leaves_the_book_stays_and_is_said_once(leaving):
    root, language, files = leaving
    before = everything(root)
    contents = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    done = d2l_reader.update(language, root=root)
    names = [NAME, f"solutions/{NAME}", "terms.md"]
    assert sorted(done.lines) == sorted(
        LEFT[language].format(page=name) for name in names
    )
    assert everything(root) == before
    assert d2l_reader.update(language, root=root).lines == ()
    # It comes back, and leaves again.
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    assert d2l_reader.update(language, root=root).lines == ()
    files[0].unlink()
    done = d2l_reader.update(language, root=root)
    assert done.lines == (LEFT[language].format(page=NAME),)
    assert everything(root) == before


def test_page_of_the_readers_own_is_no_page_that_left(tmp_path):
    file = make(tmp_path)
    for name in ("09_my_notes.ipynb", "notes.md"):
        file.with_name(name).write_bytes(file.read_bytes())
    assert d2l_reader.update(root=tmp_path).lines == ()
    file.unlink()  # nor is one that its reader has taken away
    (tmp_path / "chapters" / NAME).unlink()
    assert d2l_reader.update(root=tmp_path).lines == ()


# Pages that are open


RELOAD = {
    "en": (
        "If one of these notebooks is open in JupyterLab, it shows the old "
        "version: choose File, Reload Notebook from Disk."
    ),
    "zh": (
        "如果其中有笔记本正在JupyterLab里打开，显示的还是旧版本：在菜单"
        "“File”里点“Reload Notebook from Disk”（中文界面是“文件”里的“从磁盘"
        "重新加载Notebook”）。"
    ),
}


@pytest.mark.parametrize("state", ["untouched", "answered"])
def test_page_that_may_be_open_is_to_be_reloaded(leaving, state):
    root, language, (chapter, *_) = leaving
    home = "" if language == "en" else language
    STATES[state](root / "workbook" / home / NAME)
    edit(chapter, lambda cells: cells[0].update(source="# NEW"))
    done = d2l_reader.update(language, root=root)
    assert len(done.lines) == 2
    assert done.lines[-1] == RELOAD[language]
    assert d2l_reader.update(language, root=root).lines == ()


def test_page_that_was_not_there_needs_no_reload(leaving):
    root, language, (chapter, _, text) = leaving
    chapter.with_name("07_new.ipynb").write_bytes(chapter.read_bytes())
    text.write_text("# More terms\n", "utf-8")  # its preview follows the file
    done = d2l_reader.update(language, root=root)
    assert not any("Reload" in line for line in done.lines)


# Interrupted, and two at once


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("state", ["answered and run", "a cell added"])
@pytest.mark.parametrize("version", ["exercise before", "exercise elsewhere"])
def test_update_that_is_interrupted_can_be_done_again(
    tmp_path, monkeypatch, state, version
):
    """It stops at each file that it would put in its place, in turn."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for root in (whole, stopped):
        root.mkdir()
        STATES[state](make(root))
    bring(whole, version)
    replace = os.replace
    for number in range(100):
        left = number

        def stop(*paths):
            nonlocal left
            left -= 1
            if left < 0:
                raise StoppedError
            replace(*paths)

        monkeypatch.setattr(os, "replace", stop)
        try:
            bring(stopped, version)
        except StoppedError:
            pass
        else:
            break
        assert MINE in b"".join(everything(stopped).values()).decode()
    monkeypatch.undo()
    assert number > 1
    assert everything(stopped) == everything(whole)


def test_what_is_saved_while_a_page_is_merged_is_kept(tmp_path, monkeypatch):
    file = make(tmp_path)
    STATES["answered"](file)
    merge = _plans.merge

    def meanwhile(*arguments):
        STATES["a cell added"](file)
        monkeypatch.setattr(_plans, "merge", merge)
        return merge(*arguments)

    monkeypatch.setattr(_plans, "merge", meanwhile)
    bring(tmp_path, "exercise before")
    found = sources(tmp_path)
    assert f"z = 3  # {MINE}" in found
    assert ANSWER in found
    assert table.THIRD in found


def test_two_updates_at_once_do_what_one_does(tmp_path):
    one, both = tmp_path / "one", tmp_path / "both"
    for root in (one, both):
        root.mkdir()
        STATES["answered and run"](make(root))
    bring(one, "exercise elsewhere")
    pages = {"_03_layers": table.original(), "_05_halves": table.other()}
    pages |= VERSIONS["exercise elsewhere"]()
    table.write_book(both, **pages)
    code = "import d2l_reader; d2l_reader.update()"
    running = [
        subprocess.Popen([sys.executable, "-c", code], cwd=both)
        for _ in range(4)
    ]
    assert [process.wait() for process in running] == [0] * 4
    assert everything(both) == everything(one)


def test_table_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(table, "STATES", {"answered": STATES["answered"]})
    table.main()
    head, row = capsys.readouterr().out.splitlines()
    assert "exercise elsewhere" in head
    assert row.startswith("answered  as it was")
    assert row.endswith("goes along")
