"""Prose is stored without a run: outputs, and times in them, stay."""

import shutil
from dataclasses import replace

import pytest

from tests import tiny_book
from tests.tiny_book import edit
from tools import book, files, gate


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    return tiny_book.begin(tmp_path_factory.mktemp("tiny") / "chapters")


@pytest.fixture
def zh(begun, tmp_path, monkeypatch):
    """The Chinese chapter of a book that nothing can run."""
    root = shutil.copytree(begun.root, tmp_path / "chapters")
    monkeypatch.setattr("tools.page.CHAPTERS", root)
    monkeypatch.setattr(book, "client", None)
    return replace(begun, root=root)


def outputs(page):
    return [
        (cell.outputs, cell.execution_count)
        for cell in files.read_stored(page).cells
        if cell.cell_type == "code"
    ]


def test_prose_is_stored_and_outputs_stay(zh):
    english = zh.original
    before = outputs(english)
    edit(english, "What is the sum of the two?", "What do the two give?")
    edit(english, "A line that rises.", "A line that goes up.")
    edit(english, "# # Add numbers", "# # Add two numbers")
    assert book.main(["prose", "08"]) == 0
    stored = files.read_stored(english)
    assert "What do the two give?" in stored.cells[1].source
    assert stored.cells[0].id == "add-two-numbers"
    assert outputs(english) == before
    assert list(gate.problems(english)) == []
    assert list(gate.problems(zh)) == []


def test_what_a_run_has_stored_is_stored_again(zh):
    for page in (zh.original, zh):
        before = page.notebook.read_bytes()
        assert book.main(["prose", str(page.source)]) == 0
        assert page.notebook.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x + 1", "x + 2"),
        ("# %%\nx = 1", "# %%\nx\n\n# %%\nx = 1"),
        ('tags=["x"]', 'tags=["y"]'),
    ],
)
def test_other_code_is_to_be_run(zh, capsys, old, new):
    page = zh.original
    before = page.notebook.read_bytes()
    edit(page, old, new)
    assert book.main(["prose", str(page.source)]) == 1
    said = capsys.readouterr().out
    assert "08_sums.py has other code than was run" in said
    assert "`make run CH=08`" in said
    assert page.notebook.read_bytes() == before


def test_what_only_the_notebook_has_is_kept(zh, capsys):
    page = zh.original
    text = page.notebook.read_text("utf-8")
    page.notebook.write_text(text.replace("## A sum", "## My sum"), "utf-8")
    before = page.notebook.read_bytes()
    assert book.main(["prose", str(page.source)]) == 1
    assert "has changes that its .py lacks" in capsys.readouterr().out
    assert page.notebook.read_bytes() == before


def test_prose_has_no_force(zh, capsys):
    assert book.main(["prose", "08", "--force"]) == 2
    assert "prose has no --force" in capsys.readouterr().err
