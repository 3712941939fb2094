"""The reader's own copy: made, restored, and the stored outputs beside."""

import os
import re
import stat
import subprocess
import sys
from types import SimpleNamespace
from urllib.parse import urlsplit

import nbformat
import pytest
from jupytext import TextFileContentsManager
from nbclient import NotebookClient

import d2l_reader
from d2l_reader import _notebook, _stored
from tests import copies
from tests import table_of_merges as table
from tests.table_of_merges import MINE, NAME, STATES, edit, everything, find
from tools.environment import ROOT
from tools.page import CHAPTERS, LANGUAGES, chapters, front_page


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The first chapter of a little workbook, in which the tests run."""
    file = table.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return file


@pytest.fixture(scope="module", params=LANGUAGES)
def book(request, tmp_path_factory):
    """The workbook of this book, in each language."""
    root = tmp_path_factory.mktemp("book")
    (root / "chapters").symlink_to(CHAPTERS)
    d2l_reader.update(request.param, root=root)
    home = "" if request.param == LANGUAGES[0] else request.param
    return request.param, root / "workbook" / home


# As it is made


def test_each_page_is_there_without_outputs(book):
    language, workbook = book
    for chapter in chapters(language=language):
        for page in (chapter, chapter.solutions):
            mine = _notebook.read(workbook / f"{page.name}.ipynb")
            nbformat.validate(nbformat.from_dict(mine))
            original = _notebook.read(page.notebook)
            assert [c["id"] for c in mine["cells"]] == [
                c["id"] for c in original["cells"]
            ]
            for cell in mine["cells"]:
                assert cell.get("outputs", []) == []
                assert cell.get("execution_count") is None
                assert cell["metadata"].keys() <= {"tags"}
            # Nothing is paired, or says what the book's own files say.
            assert mine["metadata"].keys() == {
                "d2l",
                "kernelspec",
                "language_info",
            }


def test_links_lead_to_what_is_there(book):
    _, workbook = book
    texts = {
        file: "\n".join(
            cell["source"] for cell in _notebook.read(file)["cells"]
        )
        for file in workbook.rglob("*.ipynb")
        if "zh" not in file.relative_to(workbook).parts
        and ".base" not in file.parts
    }
    texts |= {file: file.read_text("utf-8") for file in workbook.glob("*.md")}
    assert len(texts) > 20
    for file, text in texts.items():
        for link in re.findall(r"\]\(([^)]+)\)", text):
            parts = urlsplit(link)
            if parts.scheme or not parts.path:
                continue
            if not parts.path.endswith((".ipynb", ".md")):
                continue
            target = file.parent / parts.path
            assert target.is_file(), f"{file}: {link}"
            if parts.fragment.startswith("cell-id="):
                ids = {c["id"] for c in _notebook.read(target)["cells"]}
                assert parts.fragment.partition("=")[2] in ids


def test_front_page_is_that_of_the_book(book):
    language, workbook = book
    first, *rest = _notebook.read(workbook / "index.ipynb")["cells"]
    assert first["source"].endswith("import d2l_reader\n\nd2l_reader.start()")
    text = "\n\n".join(cell["source"] for cell in rest)
    expected = front_page(language).read_text("utf-8")
    assert text.split() == expected.split()
    assert "index.md" not in expected
    assert all(c["cell_type"] == "markdown" for c in rest)
    assert len(rest) == expected.count("\n## ") + 1


def test_nothing_is_done_twice(book):
    language, workbook = book
    root = next(p for p in workbook.parents if (p / "chapters").is_dir())
    before = everything(root)
    assert d2l_reader.update(language, root=root).lines == ()
    assert everything(root) == before


def test_it_is_made_without_asking_whatever_is_odd(tmp_path, monkeypatch):
    """One page can't be read: it costs a line, and the others are there."""
    table.write_book(
        tmp_path, _03_layers=table.original(), _05_halves=table.other()
    )
    (tmp_path / "chapters" / NAME).write_text("<<<<<<< HEAD\n")
    done = d2l_reader.update(root=tmp_path)
    assert done.lines[:2] == (
        "Your workbook is made: workbook/",
        "chapters/03_layers.ipynb can't be read as a notebook: the marks of a "
        "merge conflict",
    )
    with pytest.raises(d2l_reader.UnreadableError, match="can't be read as"):
        d2l_reader.restore("03", root=tmp_path)
    assert (tmp_path / "workbook/05_halves.ipynb").is_file()


def test_disk_that_is_full_costs_a_line(page, monkeypatch):
    STATES["answered"](page)
    before = everything(page.parents[1])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    done = table.bring(page.parents[1], "text")
    assert "03_layers.ipynb stays as it is: No space left" in str(done)
    assert everything(page.parents[1]) == before


def test_text_of_the_readers_own_stays(page):
    root = page.parents[1]
    glossary, mine = root / "chapters/glossary.md", page.parent / "glossary.md"
    glossary.write_text("# Terms\n\n[Up](index.md)\n", "utf-8")
    d2l_reader.update()
    assert mine.read_text("utf-8") == "# Terms\n\n[Up](index.ipynb)\n"
    glossary.write_text("# More terms\n", "utf-8")
    assert d2l_reader.update().lines == ("glossary.md: the new version",)
    mine.write_text(f"# More terms\n\n{MINE}\n", "utf-8")
    glossary.write_text("# Terms\n\n[Up](index.md)\n", "utf-8")
    assert d2l_reader.update().lines == ()  # that one it had already
    glossary.write_text("# All terms\n", "utf-8")
    assert d2l_reader.update().lines == (
        "glossary.md: yours stays; the new version is glossary-new-1.md",
    )
    assert MINE in mine.read_text("utf-8")
    assert d2l_reader.update().lines == ()


@pytest.mark.skipif(sys.platform == "win32", reason="rights are Unix's")
def test_files_have_the_rights_that_other_files_have(page):
    other = page.parent / "other.txt"
    other.write_text("")
    assert stat.S_IMODE(page.stat().st_mode) == stat.S_IMODE(
        other.stat().st_mode
    )


def test_jupytext_pairs_nothing_there(tmp_path):
    """By the settings that JupyterLab finds around a notebook."""
    copies.of_book(tmp_path)
    settings = (ROOT / "jupytext.toml").read_bytes()
    (tmp_path / "jupytext.toml").write_bytes(settings)
    d2l_reader.update(root=tmp_path)
    manager = TextFileContentsManager(root_dir=str(tmp_path))
    pairs = {}
    for name in ("chapters", "workbook", "workbook/solutions"):
        file = f"{name}/09_my_notes.ipynb"
        pairs[name] = manager.get_config(file).default_formats(file)
    assert pairs == {
        "chapters": "ipynb,py:percent",
        "workbook": "ipynb",
        "workbook/solutions": "ipynb",
    }


# The original back


def test_original_of_a_page_comes_back_and_the_readers_lies_beside(page):
    before = page.read_bytes()
    STATES["answered and run"](page)
    mine = page.read_bytes()
    done = d2l_reader.restore("03")
    assert page.read_bytes() == before
    assert page.with_name("03_layers-yours-1.ipynb").read_bytes() == mine
    assert "What you had is 03_layers-yours-1.ipynb." in str(done)
    assert "Reload Notebook from Disk" in str(done)
    assert str(d2l_reader.restore(3)).endswith("is as it came already.")
    STATES["a cell added"](page)
    assert "03_layers-yours-2.ipynb" in str(d2l_reader.restore("03_layers"))


def test_code_of_an_exercise_comes_back_alone(page):
    STATES["answered with a cell more"](page)
    STATES["answered in the same lines"](page)
    mine = page.read_bytes()
    d2l_reader.restore("3.2")
    cells = _notebook.read(page)["cells"]
    assert find(cells, "def half")["source"] == table.HALF
    assert MINE in find(cells, "def twice")["source"]
    assert MINE in find(cells, "import math")["source"]
    assert page.with_name("03_layers-yours-1.ipynb").read_bytes() == mine


def test_exercise_that_was_deleted_comes_back_where_it_was(page):
    def change(cells):
        cells.remove(find(cells, "def half"))
        cells.remove(find(cells, "check.half"))

    edit(page, change)
    d2l_reader.restore("3.2")
    assert [c["source"] for c in _notebook.read(page)["cells"]] == [
        c["source"] for c in table.original()
    ]


@pytest.mark.parametrize(
    "state",
    ["broken", "in a merge conflict", "a folder in its place", "deleted"],
)
def test_page_that_cannot_be_read_comes_back(page, state):
    before = page.read_bytes()
    STATES[state](page)
    done = str(d2l_reader.restore("03"))
    assert page.read_bytes() == before
    assert MINE.encode() in b"".join(everything(page.parents[1]).values()) or (
        state == "deleted"
    )
    assert ("03_layers-yours-1.ipynb" in done) == (state != "deleted")


def test_what_is_restored_gets_the_next_version(page):
    STATES["answered"](page)
    d2l_reader.restore("03")
    table.bring(page.parents[1], "text")
    assert "NEW" in _notebook.read(page)["cells"][0]["source"]


@pytest.mark.parametrize(
    ("which", "named"),
    [
        ("44", "There is no page 44; name one of 03, 05"),
        ("3.9", "There is no exercise 3.9 in 03_layers.ipynb"),
        ("../x", r"There is no page \.\./x"),
        ("", "There is no page"),
    ],
)
def test_what_is_not_there_is_told(page, which, named):
    before = everything(page.parents[1])
    with pytest.raises(LookupError, match=named):
        d2l_reader.restore(which)
    assert everything(page.parents[1]) == before


def test_front_page_and_solutions_come_back(book):
    language, workbook = book
    root = next(p for p in workbook.parents if (p / "chapters").is_dir())
    for which, name in (
        ("index", "index.ipynb"),
        ("solutions/03", "solutions/03_custom_layers.ipynb"),
    ):
        file = workbook / name
        before = file.read_bytes()
        edit(file, lambda cells: cells[1].update(source=MINE))
        d2l_reader.restore(which, language, root=root)
        assert file.read_bytes() == before
        (beside,) = file.parent.glob(f"{file.stem}-yours-1.ipynb")
        beside.unlink()


@pytest.mark.parametrize("language", LANGUAGES)
def test_front_page_tells_a_way_back_that_works(tmp_path, language):
    """Both of its commands, where the book is and nothing else."""
    text = front_page(language).read_text("utf-8")
    cell, command = re.findall(r"`((?:make |d2l_reader\.)restore.*?)`", text)
    assert "git" not in command
    copies.of_book(tmp_path)
    (chapter,) = chapters("03", language=language)
    d2l_reader.update(language, root=tmp_path)
    file = tmp_path / "workbook" / f"{chapter.path}.ipynb"
    before = file.read_bytes()
    for way in (
        [sys.executable, "-c", f"import d2l_reader; print({cell})"],
        [sys.executable, "-m", "d2l_reader", *command.split()[1:2], "03"],
    ):
        edit(file, lambda cells: cells[1].update(source=MINE))
        done = subprocess.run(
            way, cwd=file.parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert file.read_bytes() == before
        assert f"{chapter.stem}-yours-1.ipynb" in done.stdout


# Where there is no terminal


@pytest.mark.parametrize(
    ("name", "language"), [("start.ipynb", ""), ("start.zh.ipynb", "zh")]
)
def test_start_makes_the_workbook_and_shows_links_into_it(
    tmp_path, name, language
):
    page = nbformat.read(ROOT / name, 4)
    nbformat.validate(page)
    first, *rest = page.cells
    assert (first.cell_type, first.outputs) == ("code", [])
    assert all(cell.cell_type == "markdown" for cell in rest)
    # jupytext, where it is installed, would make a script of it.
    assert page.metadata.jupytext.formats == "ipynb"
    copies.of_book(tmp_path)
    client = NotebookClient(page, resources={"metadata": {"path": tmp_path}})
    client.execute()
    html = first.outputs[0].data["text/html"]
    way = f"workbook/{language}/" if language else "workbook/"
    assert f'href="{way}03_custom_layers.ipynb#cell-id=exercise-3-1"' in html
    assert (tmp_path / way / "03_custom_layers.ipynb").is_file()
    assert f'href="{way}index.ipynb"' in html


# The stored output beside


SHOW = "from d2l_reader import show_stored\nshow_stored()"


def shown(folder, *sources):
    """What the last of some cells shows, in a kernel of their own."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    page = nbformat.v4.new_notebook(cells=cells)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(page, resources=resources).execute()
    outputs = page.cells[-1].outputs
    data = [output.get("data", {}) for output in outputs]
    return [d.get("text/markdown") or d.get("text/plain") for d in data]


@pytest.mark.parametrize(
    "sources",
    [
        ("x = 1", "y = x + 1\ny", SHOW),
        ("x = 1", "y = x + 1\ny", "from d2l_reader import show_stored", SHOW),
        ("x = 1", "y = x + 3  # a try\ny", SHOW),
        ("x = 1", f"y = x + 1\n{SHOW}"),
        ("x = 1", "y = x + 1\ny", f"{SHOW};", "show_stored()"),
        (SHOW, "x = 1", "y = x + 1\ny", "show_stored()"),
    ],
    ids=["above", "import above", "edited", "same", "twice", "before"],
)
def test_stored_output_is_that_of_the_last_cell(page, sources):
    told, output = shown(page.parent, *sources)
    assert told == "Stored for the cell `y = x + 1`:"
    assert output == "2"


def test_cell_without_a_stored_output_says_so(page):
    assert shown(page.parent, "x = 1", SHOW) == ["`x = 1` gave no output."]
    assert shown(page.parent, "print('hello')", SHOW) == [
        "No cell that ran before is one of this page."
    ]


class Shell:
    """A kernel in which cells ran that JupyterLab named."""

    def __init__(self, *cells):
        self.user_ns = {"In": ["", *(source for _, source in cells)]}
        self.cells, self.place = cells, len(cells) - 1
        self.kernel = self.events = self
        self.hooks = []

    def get_parent(self, channel):
        return {"metadata": {"cellId": self.cells[self.place][0]}}

    def register(self, event, hook):
        self.hooks.append(hook)


@pytest.fixture
def little(tmp_path, monkeypatch):
    """A workbook of one real chapter, in each language."""
    copies.of_book(tmp_path)
    for language in LANGUAGES:
        d2l_reader.update(language, root=tmp_path)
    monkeypatch.setattr(_stored, "_ran", [])
    return tmp_path / "workbook"


@pytest.mark.parametrize("language", LANGUAGES)
def test_stored_output_is_found_by_the_id_whatever_the_cell_says(
    little, language, monkeypatch
):
    (chapter,) = chapters("03", language=language)
    cells = _notebook.read(chapter.notebook)["cells"]
    (check,) = (c for c in cells if "check.quadratic_layer" in c["source"])
    monkeypatch.chdir((little / chapter.path).parent)
    shell = Shell((check["id"], f"1 + 1\n{SHOW}"))
    monkeypatch.setattr(_stored, "_shell", lambda: shell)
    assert "not solved yet" in str(d2l_reader.show_stored()) or (
        "二次层：还没做" in str(d2l_reader.show_stored())
    )
    # From now on it notes what runs, with its id.
    shell = Shell((check["id"], "2 + 2"), ("own", "show_stored()"))
    shell.place = 0
    _stored._note(shell, SimpleNamespace(raw_cell="2 + 2"))
    shell.place = 1
    said = str(d2l_reader.show_stored())
    assert check["source"].partition("\n")[0] in said
    assert said.count("3.1 ") == 1


def test_page_that_is_open_is_asked_first(little, monkeypatch):
    """Pages may have the same cell: the server says which one it is."""
    monkeypatch.chdir(little)
    solutions = little / "solutions/03_custom_layers.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(solutions))
    shell = Shell(
        ("", "check.quadratic_layer(QuadraticLayer)"), ("", "show_stored()")
    )
    monkeypatch.setattr(_stored, "_shell", lambda: shell)
    assert "✓ 3.1" in str(d2l_reader.show_stored())
    monkeypatch.setenv("JPY_SESSION_NAME", str(little / "my notes.ipynb"))
    assert "○ 3.1" in str(d2l_reader.show_stored())


def test_outside_of_a_notebook_it_says_so(page):
    said = str(d2l_reader.show_stored())
    assert said == "show_stored() is for the cells of a page."
