"""The pairing gate, and what each chapter owes its readers."""

import re
import shutil
from dataclasses import replace
from itertools import pairwise

import nbformat
import pytest

from nbval_strict.comparison import FIGURES
from tools import book, files, gate, standards
from tools.exercise import exercises
from tools.page import (
    CHAPTERS,
    LANGUAGES,
    NOTEBOOK,
    chapters,
    front_page,
    pages,
    texts,
    with_translations,
)
from tools.words import ways_to_say, words_of

EACH_CHAPTER = pytest.mark.parametrize("chapter", chapters(), ids=str)
# And the solutions.
EACH_PAGE = pytest.mark.parametrize("page", pages(), ids=str)
# In each language.
ALL = with_translations(pages())
ALL_CHAPTERS = pytest.mark.parametrize(
    "chapter", [page for page in ALL if not page.is_solutions], ids=str
)
ALL_PAGES = pytest.mark.parametrize("page", ALL, ids=str)


def stored(page):
    return nbformat.read(page.notebook, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@ALL_PAGES
def test_script_and_notebook_are_a_pair(page):
    assert list(gate.problems(page)) == []


@ALL_PAGES
def test_script_is_as_jupyterlab_would_save_it(page):
    saved = files.script(files.read_source(page))
    assert files.readable(page.source.read_text("utf-8")) == saved


def test_every_notebook_has_its_script():
    listed = [p for language in LANGUAGES for p in pages(language=language)]
    found = {
        file
        for file in CHAPTERS.rglob("*.ipynb")
        if ".ipynb_checkpoints" not in file.parts
    }
    assert found == {page.notebook for page in listed}


@EACH_PAGE
def test_prose_stands_before_each_code_cell(page):
    for cell, following in pairwise(stored(page).cells):
        if {cell.cell_type, following.cell_type} == {"code"}:
            assert following.source.startswith("check."), following.source


def test_chapters_meet_the_standards():
    rows = {page.path: standards.measure(page) for page in pages()}
    assert standards.missed(rows) == []


def test_missed_standards_are_named():
    fine = standards.measure(chapters("03")[0])
    poor = {"prose before (%)": 80, "median lines": 6, "not compared": 9}
    lines = standards.missed({"03": {**fine, **poor}})
    assert lines == [
        "03: prose before (%) is 80, at least 90 is needed",
        "03: median lines is 6, at most 5 is allowed",
        f"9 of {fine['cells']} code cells aren't compared",
    ]


@ALL_PAGES
def test_figures_have_alternative_text(page):
    for cell in code_cells(stored(page)):
        kinds = {k for output in cell.outputs for k in output.get("data", {})}
        if kinds & set(FIGURES):
            alt = cell.metadata.mystnb.image.alt
            assert len(alt) > words_of(page).alt
            assert re.search(r"\.(svg|png)\b", alt) is None


@ALL_CHAPTERS
def test_chapter_has_the_parts_of_a_chapter(chapter):
    text = "\n".join(
        cell.source
        for cell in stored(chapter).cells
        if cell.cell_type == "markdown"
    )
    headings = re.findall(r"^##? .+", text, re.MULTILINE)
    assert [h for h in headings if h.startswith("# ")] == headings[:1]
    for heading, name in zip(
        headings[-3:], ("summary", "exercises", "further"), strict=True
    ):
        assert heading in ways_to_say(chapter, name)
    for name in ("learn", "book", "need"):
        assert any(part in text for part in ways_to_say(chapter, name)), name
    for part in ("https://d2l.ai/", "https://zh.d2l.ai/"):
        assert part in text


def is_to_come(file):
    """Whether a page isn't translated yet, whose original is there."""
    path = file.resolve().relative_to(CHAPTERS)
    return path.parts[0] in LANGUAGES and (
        CHAPTERS.joinpath(*path.parts[1:]).is_file()
    )


def assert_links_lead_somewhere(text, folder):
    """Links to files and, in notebooks, to cells that begin a section."""
    for link in re.findall(r"\]\(([^):]+)\)", text):
        path, _, fragment = link.partition("#")
        file = folder / path
        if not file.is_file() and is_to_come(file):
            continue
        assert file.is_file(), link
        if fragment:
            cells = nbformat.read(file, as_version=4).cells
            names = [cell.id for cell in cells if cell.source.startswith("#")]
            assert names.count(fragment.removeprefix("cell-id=")) == 1, link


@ALL_PAGES
def test_links_to_chapters_lead_to_files(page):
    for cell in stored(page).cells:
        if cell.cell_type == "markdown":
            assert_links_lead_somewhere(cell.source, page.folder)


@pytest.mark.parametrize("file", texts(), ids=lambda file: file.stem)
def test_links_of_pages_of_text_lead_somewhere(file):
    assert_links_lead_somewhere(file.read_text("utf-8"), file.parent)


def links(text):
    """The chapters that a text links to, by number."""
    found = re.findall(rf"\]\(({NOTEBOOK})", text)
    return {chapter.number for c in found for chapter in chapters(c)}


@EACH_CHAPTER
def test_chapters_that_need_each_other_link_both_ways(chapter):
    # In the opening cell, what comes after "You need" ends it.
    opening = stored(chapter).cells[0].source
    needed = links(opening.partition("**You need**")[2])
    for other in chapters():
        if other.number in needed:
            text = other.source.read_text("utf-8")
            assert chapter.number in links(text)
    assert needed or chapter.number == 1


@EACH_PAGE
def test_section_has_at_most_one_figure(page):
    figures = {}
    heading = None
    for cell in stored(page).cells:
        if cell.cell_type == "markdown":
            for heading in re.findall(r"^##+ .+", cell.source, re.MULTILINE):
                figures[heading] = 0
        else:
            kinds = {k for o in cell.outputs for k in o.get("data", {})}
            figures[heading] = figures.get(heading, 0) + bool(
                kinds & set(FIGURES)
            )
    assert [h for h, number in figures.items() if number > 1] == []


@EACH_CHAPTER
def test_front_page_lists_the_chapter(chapter):
    title = files.title_of(stored(chapter))
    begins = f"| {chapter.number:02} | [{title}]({chapter.notebook.name}) |"
    assert begins in front_page().read_text("utf-8")


def said_in_front():
    """The text of the front page, on one line."""
    return " ".join(front_page().read_text("utf-8").split())


@EACH_CHAPTER
def test_front_page_says_how_long_the_exercises_take(chapter):
    tasks = exercises(chapter)
    hours = round(sum(task.minutes for task in tasks) / 60)
    assert "all of a chapter, two to four hours" in said_in_front()
    assert 2 <= hours <= 4


def test_front_page_names_the_exercises_that_need_other_chapters():
    needed = {}
    for chapter in chapters():
        opening = stored(chapter).cells[0].source
        direct = links(opening.partition("**You need**")[2])
        needed[chapter.number] = direct.union(
            {chapter.number}, *(needed[n] for n in direct)
        )
    others = {
        task.number: links(task.statement) - needed[chapter.number]
        for chapter in chapters()
        for task in exercises(chapter)
    }
    _, _, said = said_in_front().partition(
        "exercises point to another chapter: "
    )
    named = re.findall(r"\b\d\.\d\b", said.partition("##")[0])
    # A handout may lack chapters.
    named = [number for number in named if number in others]
    assert named == [number for number, missed in others.items() if missed]


@EACH_PAGE
def test_no_cell_needs_a_gpu_that_may_be_missing(page):
    needs = re.compile(r"""\.cuda\(|cuda:[1-9]\b|["']cuda["'], *[1-9]\b""")
    for cell in code_cells(stored(page)):
        found = needs.search(cell.source)
        assert found is None, (
            f"{found[0]!r} fails without this GPU: move with .to(device), or "
            f"take d2l.try_all_gpus(), in\n{cell.source}"
        )


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
        for cell in code_cells(notebook):
            for output in cell.outputs:
                if output.output_type == "error":
                    frame = "\x1b[36mFile \x1b[39m~/torch/module.py:17"
                    output.traceback.insert(2, frame)

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
