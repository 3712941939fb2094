"""The pairing gate, and what each chapter owes its readers."""

import shutil
from dataclasses import replace
from functools import cache

import nbformat
import pytest

from tests.problems import each_rule, require_none
from tools import book, gate, standards
from tools.form import Draft
from tools.form import chapters as form_of_chapters
from tools.form import pages as form_of_pages
from tools.measures import measure
from tools.page import (
    CHAPTERS,
    LANGUAGES,
    chapters,
    pages,
    texts,
    with_translations,
)


def stored(page):
    return nbformat.read(page.notebook, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


draft = cache(Draft)


@each_rule(form_of_pages, with_translations(pages()))
def test_page_keeps_the_form(page, rule):
    require_none(rule(draft(page)))


@each_rule(form_of_chapters, with_translations(chapters()))
def test_chapter_keeps_the_form(page, rule):
    require_none(rule(draft(page)))


def test_every_notebook_has_its_script():
    listed = [p for language in LANGUAGES for p in pages(language=language)]
    found = {
        file
        for file in CHAPTERS.rglob("*.ipynb")
        if ".ipynb_checkpoints" not in file.parts
    }
    others = sorted(found - {page.notebook for page in listed})
    require_none(
        f"{file} has no .py file of its name: run `jupytext --to py:percent`, "
        "or remove it"
        for file in others
    )


def test_chapters_meet_the_standards():
    rows = {page.path: measure(page) for page in pages()}
    require_none(standards.missed(rows))


def test_missed_standards_are_named():
    fine = measure(chapters("03")[0])
    poor = {"prose before (%)": 80, "median lines": 6, "not compared": 9}
    lines = standards.missed({"03": {**fine, **poor}})
    assert lines == [
        "03: prose before (%) is 80, at least 90 is needed",
        "03: median lines is 6, at most 5 is allowed",
        f"9 of {fine['cells']} code cells aren't compared",
    ]


@pytest.mark.parametrize("file", texts(), ids=lambda file: file.stem)
def test_links_of_pages_of_text_lead_somewhere(file):
    text = file.read_text("utf-8")
    found = form_of_pages.broken_links(text, file.parent)
    require_none(f"{file.name}:{line}: {what}" for line, what in found)


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """A copy of a chapter's pair, to be spoiled."""
    (chapter,) = chapters("03")
    copy = replace(chapter, root=tmp_path / CHAPTERS.name)
    copy.folder.mkdir()
    for file in (chapter.source, chapter.notebook):
        shutil.copy(file, copy.folder)
    monkeypatch.setattr("tools.page.CHAPTERS", copy.root)
    return copy


def edit(pair, old, new):
    text = pair.source.read_text("utf-8")
    assert old in text
    pair.source.write_text(text.replace(old, new, 1), "utf-8")


def edit_notebook(pair, change):
    notebook = stored(pair)
    change(notebook)
    nbformat.write(notebook, pair.notebook)


def test_gate_passes_an_untouched_pair(pair):
    assert list(gate.problems(pair)) == []


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("X - X.mean()", "X - X.median()", "X.median()"),
        ("The simplest layer", "The easiest layer", "easiest"),
        ('["raises-exception"]', '["nbval-skip"]', "nbval-skip"),
        ("A histogram", "A picture", "A picture"),
    ],
)
def test_gate_names_the_first_difference(pair, old, new, named):
    edit(pair, old, new)
    (problem,) = gate.problems(pair)
    assert named in problem
    assert "make run CH=03" in problem


def test_gate_refuses_a_script_without_a_notebook(pair):
    pair.notebook.unlink()
    (problem,) = gate.problems(pair)
    assert problem == (
        "chapters/03_custom_layers.ipynb is missing: run `make run CH=03`"
    )


def test_gate_refuses_a_cell_that_only_one_has(pair):
    edit_notebook(pair, lambda notebook: notebook.cells.pop())
    (problem,) = gate.problems(pair)
    assert "cells" in problem


def test_gate_refuses_outputs_of_a_partial_run(pair):
    def rerun_one(notebook):
        code_cells(notebook)[0].execution_count = 40

    edit_notebook(pair, rerun_one)
    (problem,) = gate.problems(pair)
    assert "in one go" in problem


def test_gate_refuses_paths_of_a_machine(pair):
    def save_as_jupyterlab_does(notebook):
        outputs = [o for cell in code_cells(notebook) for o in cell.outputs]
        error = next(o for o in outputs if o.output_type == "error")
        frame = "\x1b[36mFile \x1b[39m~/torch/module.py:17"
        error.traceback.insert(2, frame)

    edit_notebook(pair, save_as_jupyterlab_does)
    (problem,) = gate.problems(pair)
    assert "paths of this machine in its traceback" in problem


def test_gate_refuses_a_tag_that_is_wrong(pair):
    def drop_error(notebook):
        cell = next(
            cell
            for cell in code_cells(notebook)
            if "raises-exception" in cell.metadata.get("tags", [])
        )
        cell.outputs = []

    edit_notebook(pair, drop_error)
    (problem,) = gate.problems(pair)
    assert "doesn't raise, and it is tagged raises-exception" in problem


def test_chapters_are_found_by_number_name_or_file():
    for which in (
        "3",
        "03",
        "03_custom_layers",
        "chapters/03_custom_layers.py",
    ):
        assert [p.stem for p in chapters(which)] == ["03_custom_layers"]


@pytest.mark.parametrize("which", ["99", "01 03", "zh/03_custom_layers.py"])
def test_unknown_chapter_is_answered_with_those_there_are(which, capsys):
    assert book.main(["run", which]) == 2
    error = capsys.readouterr().err
    assert f"there is no chapter {which!r}; name one of 01_blocks, " in error


@pytest.mark.parametrize("text", ["{", '{"cells": 1}', ""])
def test_gate_refuses_what_is_no_notebook(pair, text):
    pair.notebook.write_text(text)
    (problem,) = gate.problems(pair)
    assert "03_custom_layers.ipynb isn't a notebook" in problem


def test_gate_refuses_what_a_script_cannot_hold(pair):
    def attach(notebook):
        notebook.cells[0].attachments = {"a.png": {"image/png": "aaaa"}}

    edit_notebook(pair, attach)
    (problem,) = gate.problems(pair)
    assert "attachments ['a.png']" in problem


def test_gate_refuses_a_notebook_without_the_settings(pair):
    edit_notebook(pair, lambda notebook: notebook.metadata.pop("jupytext"))
    (problem,) = gate.problems(pair)
    assert "lacks the settings of jupytext.toml" in problem


def test_cell_that_takes_too_long_fails_the_run(pair, capsys, monkeypatch):
    monkeypatch.setattr(book, "TIMEOUT", 1)
    edit(pair, "import copy", "import copy, time; time.sleep(60)")
    assert book.main(["run"]) == 1
    assert (
        "timed out while it was being executed, after 1 second"
        in capsys.readouterr().out
    )


def test_failing_run_leaves_the_stored_notebook(pair, capsys):
    before = pair.notebook.read_bytes()
    edit(pair, "import copy", "import copy_")
    assert book.main(["run"]) == 1
    assert "No module named 'copy_'" in capsys.readouterr().out
    assert pair.notebook.read_bytes() == before
    assert sorted(p.suffix for p in pair.folder.iterdir()) == [".ipynb", ".py"]


def test_run_twice_gives_the_same_file(pair):
    book.run(pair)
    first = pair.notebook.read_bytes()
    book.run(pair)
    assert pair.notebook.read_bytes() == first
