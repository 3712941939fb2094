"""How far a reader is, as a notebook and a terminal show it."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

import d2l_reader
from d2l_reader import _progress
from tests.table_of_merges import code, edit, find, make
from tools import exercise
from tools.environment import ROOT
from tools.page import LANGUAGES, chapters
from tools.words import words_of

SAVED = "This is what the checks said when you saved the notebooks last."


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The first chapter of a little workbook, in which the tests run."""
    file = make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return file


def say(file, check, text):
    """Let a stored check say something, in any language."""
    outputs = code("", text)["outputs"]
    edit(
        file,
        lambda cells: find(cells, f"check.{check}").update(outputs=outputs),
    )


def lines(**options):
    return [
        re.sub(" +", " ", line)
        for line in str(d2l_reader.progress(**options)).splitlines()
    ]


def test_it_counts_what_the_checks_have_said(page):
    say(page, "twice", "✓ 3.1 Twice: solved")
    say(page, "half", "✗ 3.2 Half: not right yet")
    assert lines() == [
        "03_layers ✓✗ 1 of 2; not right yet: 3.2; 10 min left",
        "05_halves ○ 0 of 1; 10 min left",
        "1 of 3 solved, 1 not right yet, 1 open. 20 min left.",
        "Next: 3.2 Half, in workbook/03_layers.ipynb",
        SAVED,
    ]


def test_report_is_read_where_a_check_stored_one(page):
    """Its texts may be in any language, or have another mark."""
    report = {"state": "solved", "exercise": "3.1 Twice"}
    output = code("", "?")["outputs"][0]
    output["data"]["application/vnd.d2l.report+json"] = report
    edit(
        page,
        lambda cells: find(cells, "check.twice").update(outputs=[output]),
    )
    assert lines()[0].startswith("03_layers ✓○ 1 of 2; ")


def test_all_that_is_solved_leaves_nothing(page):
    for check in ("twice", "half"):
        say(page, check, "✓ ")
    say(page.with_name("05_halves.ipynb"), "third", "✓ ")
    assert lines()[-2:] == [
        "3 of 3 solved, 0 not right yet, 0 open.",
        SAVED,
    ]


def test_it_is_a_table_with_links_from_where_it_is_shown(page, monkeypatch):
    say(page, "twice", "✗ 3.1 Twice")
    for folder, way in ((page.parent, ""), (page.parents[1], "workbook/")):
        monkeypatch.chdir(folder)
        html = d2l_reader.progress()._repr_html_()
        assert f'<a href="{way}03_layers.ipynb">03 Layers</a>' in html
        place = f"{way}03_layers.ipynb#cell-id=exercise-3-1"
        assert f'><a href="{place}">3.1</a></td>' in html
        assert f'><a href="{place}">3.1 Twice</a></td>' in html
        assert html.count("<tr>") == 3


def test_what_stands_on_a_page_is_no_html(page):
    edit(
        page.parents[1] / "chapters/03_layers.ipynb",
        lambda cells: find(cells, "# Layers").update(source="# <b>a</b>"),
    )
    assert "<b>" not in d2l_reader.progress()._repr_html_()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> b\n", "a merge conflict"),
        ("{", "Expecting property name"),
        ("", "Expecting value"),
        ("[]", "no cells"),
        ('{"cells": [1]}', "no cells"),
        ('{"cells": [{"source": 1}]}', "no cells"),
        ("\xff", "invalid start byte"),
        ("[" * 100_000, "no cells"),
        ("folder", "a folder"),
        (None, "the workbook doesn't have it"),
    ],
)
def test_odd_file_costs_a_line(page, text, told):
    page.unlink()
    if text == "folder":
        page.mkdir()
    elif text is not None:
        page.write_bytes(text.encode("latin-1"))
    first, second, total, *_ = lines()
    assert first.startswith("03_layers ")
    assert told in first
    assert second.startswith("05_halves ○ 0 of 1")
    assert total.startswith("0 of 3 solved")
    assert told.partition("'")[0] in d2l_reader.progress()._repr_html_()


@pytest.mark.parametrize("odd", ["notebook", "script", "folder", "broken"])
def test_file_of_the_readers_own_is_none_of_the_book(page, odd):
    before = lines()
    name = "09_my_notes.py" if odd == "script" else "09_my_notes.ipynb"
    file = page.with_name(name)
    if odd == "folder":
        file.mkdir()
    else:
        broken = odd in ("script", "broken")
        file.write_bytes(b"x = 1" if broken else page.read_bytes())
    assert lines() == before
    assert d2l_reader.update().lines == ()


def test_exercise_that_was_taken_out_is_open(page):
    def change(cells):
        cells.remove(find(cells, "check.twice"))
        cells.remove(find(cells, "### 3.2"))

    edit(page, change)
    assert lines()[0].startswith("03_layers ○○ 0 of 2")


def test_own_cells_are_no_exercises(page):
    own = {**code("check.mine(1)", "✓ "), "id": "own"}
    edit(page, lambda cells: cells.insert(1, own))
    assert lines()[0].startswith("03_layers ○○ 0 of 2")


def test_check_that_was_copied_must_say_the_same(page):
    say(page, "twice", "✓ ")
    own = {**code("check.twice(1)", "✗ "), "id": "own"}
    edit(
        page,
        lambda cells: cells.insert(
            cells.index(find(cells, "check.twice")), own
        ),
    )
    assert lines()[0].startswith("03_layers ✗○ 0 of 2; not right yet: 3.1")


def test_it_works_in_any_folder_of_the_book(page, monkeypatch):
    (page.parents[1] / "deep/down").mkdir(parents=True)
    for folder in (page.parent, page.parents[1] / "deep/down"):
        monkeypatch.chdir(folder)
        assert lines()[0].startswith("03_layers ○○ 0 of 2")


def test_page_alone_is_told_that_it_is_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for shown in (d2l_reader.progress(), d2l_reader.start()):
        assert str(shown).startswith("There is no book around this folder")
        assert "alone here, as in Colab" in shown._repr_html_()
    assert not list(tmp_path.iterdir())


def test_language_that_is_not_there_is_refused(page):
    with pytest.raises(LookupError, match="no chapters in 'xx', but in en"):
        d2l_reader.progress(language="xx")


def test_notebooks_of_another_folder_are_counted_for_an_author(page):
    chapters = page.parents[1] / "chapters"
    say(chapters / "03_layers.ipynb", "twice", "✓ ")
    assert lines(folder="chapters")[0].startswith("03_layers ✓○ 1 of 2")
    assert lines()[0].startswith("03_layers ○○ 0 of 2")


@pytest.mark.parametrize("language", LANGUAGES)
def test_exercises_are_those_of_the_chapters(language):
    """With their minutes, by the forms that the pages have."""
    for chapter in chapters(language=language):
        file = chapter.notebook
        found = _progress._chapter(file, file, language, ROOT)
        assert [
            (e.number, e.title, e.minutes, e.place) for e in found.exercises
        ] == [
            (e.number, e.title, e.minutes, e.anchor.partition("=")[2])
            for e in exercise.exercises(chapter)
        ]


# In the languages


@pytest.mark.parametrize("way", ["folder", "variable", "argument"])
def test_it_is_told_in_the_language_of_the_pages(tmp_path, monkeypatch, way):
    (chapter,) = chapters("03", language="zh")
    home = tmp_path / "chapters/zh"
    home.mkdir(parents=True)
    copy = home / chapter.notebook.name
    copy.write_bytes(chapter.notebook.read_bytes())
    (home / "index.md").write_text("# 书\n", "utf-8")
    d2l_reader.update(root=tmp_path)  # the only language there is
    monkeypatch.chdir(tmp_path / ("workbook/zh" if way == "folder" else "."))
    if way == "variable":
        monkeypatch.setenv("D2L_LANGUAGE", "zh_CN.UTF-8")
    language = "zh" if way == "argument" else ""
    first, total, next_, saved = lines(language=language)
    assert re.fullmatch(
        r"03_custom_layers ○+ \d题，通过0题；剩下的要\d小时", first
    )
    assert re.fullmatch(
        r"一共\d题：通过0题，还不对0题，没做\d题。剩下的大约要\d小时。", total
    )
    assert next_.startswith("下一题：3.1")
    assert saved == "以上是你上次保存笔记本时的检查结果。"
    assert words_of(chapter).name == "中文"


# From a terminal


def run(folder, *arguments, **settings):
    code = "import sys; sys.modules['torch'] = sys.modules['nbformat'] = None"
    code += "; from d2l_reader import __main__ as m; sys.exit(m.main("
    return subprocess.run(
        [sys.executable, "-c", f"{code}{list(arguments)}))"],
        cwd=folder,
        capture_output=True,
        text=True,
        **settings,
    )


def test_command_needs_neither_torch_nor_jupyter(page):
    for command in ("progress", "start", "update"):
        done = run(page.parent, command)
        assert (done.returncode, done.stderr) == (0, "")
    assert "03_layers  ○○" in run(page.parent, "progress").stdout


def test_command_says_what_is_wrong(page, tmp_path_factory):
    assert "no chapters in 'xx'" in run(page.parent, "progress", "xx").stderr
    done = run(page.parent, "restore", "44")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == ("There is no page 44; name one of 03, 05")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = run(elsewhere, "update")
    assert done.returncode == 2
    assert "There is no book around this folder: go to" in done.stderr
    assert "restore 03" in run(page.parent, "solve").stderr


def test_make_progress_installs_nothing(tmp_path):
    """It is told also where there is no environment yet."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "make.py"), "progress", "EDITION=xx"],
        cwd=tmp_path,
        env={"VENV": str(tmp_path / "none"), "PATH": "", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stderr.strip() == (
        "There are no chapters in 'xx', but in en, zh"
    )
    assert not list(tmp_path.iterdir())


def test_progress_can_be_stored_and_shown_again(page):
    shown = d2l_reader.progress()
    noted = replace(shown, notes=("News.",))
    assert str(noted).startswith("News.\n\n03_layers")
    assert noted._repr_html_().startswith("<p>News.</p>")
    assert json.dumps(repr(noted))
