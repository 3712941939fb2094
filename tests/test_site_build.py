"""The build of the site: all of it or nothing, and nobody's work is lost.

Sphinx works in this process, on a course of one chapter. Where it isn't what
is tested, it finds nothing to do.
"""

import errno
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

import nbformat
import pytest

from tests.sites import SMALL, build, contents, start_build
from tools import files, site
from tools.course import Edition
from tools.folders import remember
from tools.page import CHAPTERS


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A built site, and what the next build of it begins with."""
    folder = tmp_path_factory.mktemp("kept")
    assert build(folder / "built/html") == (0, "")
    shutil.copytree(folder / "built", folder / "as it was")
    return folder


@pytest.fixture
def copy(kept):
    """A site that a test may spoil, always at the same place."""
    shutil.rmtree(kept / "built")
    shutil.copytree(kept / "as it was", kept / "built")
    return kept / "built/html"


@pytest.fixture
def idle_sphinx(monkeypatch):
    """Sphinx with nothing to do: what it has written is all there."""
    monkeypatch.setattr("sphinx.cmd.build.main", lambda _: 0)


def test_site_of_one_language_has_no_switch(copy):
    pages = [*copy.glob("*.html"), *copy.glob("solutions/*.html")]
    assert len(pages) > 7
    assert not [p for p in pages if "hreflang" in p.read_text("utf-8")]


def fail(error):
    def failing(*_, **__):
        raise error

    return failing


@pytest.mark.parametrize(
    ("where", "name", "error", "complaint"),
    [
        (site, "stage", RuntimeError("no"), "RuntimeError"),
        (site, "add_files", LookupError("no file"), "no file"),
        (site, "add_files", KeyboardInterrupt, "Stopped"),
        (shutil, "copytree", OSError(errno.ENOSPC, "is full"), "is full"),
        (tempfile, "mkdtemp", PermissionError(13, "may not"), "may not"),
        (pathlib.Path, "rename", OSError(18, "other disk"), "other disk"),
    ],
)
@pytest.mark.usefixtures("idle_sphinx")
def test_build_that_fails_leaves_the_old_site(
    copy, monkeypatch, where, name, error, complaint
):
    before = contents(copy)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, fail(error))
        status, complaints = build(copy)
    assert status != 0
    assert complaint in complaints
    assert contents(copy) == before
    assert_nothing_beside(copy)


def assert_nothing_beside(copy):
    beside = sorted(path.name for path in copy.parent.iterdir())
    assert beside == ["html", "html-work"]


def test_extension_that_fails_leaves_the_old_site(copy, monkeypatch):
    before = contents(copy)
    extension = sys.modules["pages"]  # from site/extensions
    monkeypatch.setattr(extension, "UNUSED", ["/"])
    status, complaints = build(copy)
    assert status != 0
    assert "Extension error" in complaints
    assert contents(copy) == before
    assert_nothing_beside(copy)


# What may stand wrong on a page, and the warning about it.
WRONG = {
    "[x](nowhere.md)": "target not found: 'nowhere.md'",
    "[x](03_custom_layers.ipynb#here)": "not found in doc '03_custom_layers'",
    "$a^b^c$": "'a^b^c' isn't TeX that can become",
    r"$\unknown x$": r"'\\unknown x' isn't TeX that can become",
    "$$a & b$$": "'a & b' isn't TeX that can become",
    r"$\eqref{a}$": r"'\\eqref{a}' isn't TeX that can become",
}


def test_each_warning_fails_the_build_and_the_next_one_again(
    copy, tmp_path, monkeypatch
):
    before, own = contents(copy), SMALL.editions[0].own_pages
    wrong = tmp_path / "teach.md"
    text = (own[0].parent / wrong.name).read_text("utf-8")
    wrong.write_text("\n\n".join([text, *WRONG, ""]), "utf-8")
    pages = [wrong, *(file for file in own if file.name != wrong.name)]
    monkeypatch.setattr(Edition, "own_pages", pages)
    for _ in range(2):
        status, complaints = build(copy)
        assert status != 0
        warnings = re.findall("^.*WARNING: (.*)$", complaints, re.MULTILINE)
        assert len(warnings) == len(WRONG), complaints
        for complaint in WRONG.values():
            assert sum(complaint in w for w in warnings) == 1, warnings
        assert contents(copy) == before
        assert_nothing_beside(copy)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit can be set")
def test_build_on_a_full_disk_leaves_nothing_in_the_way(copy, monkeypatch):
    import resource

    before, kind = contents(copy), resource.RLIMIT_FSIZE
    limits = resource.getrlimit(kind)
    with monkeypatch.context() as patch:
        patch.setattr(site, "outline_of", lambda *_: "so that all is built")
        try:
            resource.setrlimit(kind, (60_000, limits[1]))
            status, complaints = build(copy)
        finally:
            resource.setrlimit(kind, limits)
    assert status != 0
    assert "File too large" in complaints
    assert contents(copy) == before
    assert build(copy) == (0, "")
    assert contents(copy).keys() == before.keys()


@pytest.mark.skipif(sys.platform == "win32", reason="no signal to a group")
def test_build_that_is_interrupted_leaves_the_old_site(copy):
    before = contents(copy)
    doctrees = copy.with_name("html-work") / "en/doctrees"
    shutil.rmtree(doctrees)
    process = start_build("", copy)
    while not (doctrees / "03_custom_layers.doctree").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, complaint = process.communicate()
    assert process.returncode != 0
    assert "Traceback" not in complaint
    assert "as it was" in complaint
    assert contents(copy) == before


@pytest.mark.parametrize("linked", ["html", "html-work"])
def test_build_writes_through_no_link(copy, linked):
    folder = copy.with_name(linked)
    foreign = copy.with_name("foreign")
    folder.rename(foreign)
    folder.symlink_to(foreign)
    before = contents(copy.parent)
    status, complaints = build(copy)
    assert status != 0
    assert f"{folder} is a link to " in complaints
    assert contents(copy.parent) == before


def test_link_inside_of_the_work_is_not_followed(copy, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "01_blocks.ipynb").write_text("mine")
    (foreign / "notes.txt").write_text("mine, too")
    before = contents(foreign)
    work = copy.with_name("html-work") / "en"
    shutil.rmtree(work / "source/solutions")
    (work / "source/solutions").symlink_to(foreign)
    (work / "source/teach.md").unlink()
    (work / "source/teach.md").symlink_to(foreign / "notes.txt")
    (work / "html/index.html").unlink()
    (work / "html/index.html").symlink_to(foreign / "notes.txt")
    assert build(copy) == (0, "")
    assert contents(foreign) == before
    assert not [path for path in copy.rglob("*") if path.is_symlink()]


@pytest.mark.usefixtures("idle_sphinx")
def test_site_may_be_built_on_another_disk(copy, tmp_path):
    link = tmp_path / "_build"
    link.symlink_to(copy.parent)
    (copy / "reference.html").unlink()
    assert build(link / "html") == (0, "")
    assert link.is_symlink()
    assert (copy / "reference.html").is_file()


@pytest.mark.usefixtures("idle_sphinx")
@pytest.mark.parametrize("name", ["notes.txt", "index.html", "_static/x.css"])
def test_what_no_build_wrote_is_not_deleted(copy, name):
    (copy / name).write_text("mine")
    before = contents(copy)
    status, complaints = build(copy)
    assert status != 0
    assert name in complaints
    assert contents(copy) == before
    # What the message says to do.
    (copy / name).rename(copy.parent / "away")
    assert build(copy) == (0, "")


@pytest.mark.parametrize("target", ["foreign", "nowhere"])
def test_link_that_no_build_wrote_is_not_deleted(copy, target):
    (copy.parent / "foreign").mkdir()
    (copy / "data").symlink_to(copy.parent / target)
    status, complaints = build(copy)
    assert status != 0
    assert "somebody has changed or added data" in complaints
    assert (copy / "data").is_symlink()


@pytest.mark.usefixtures("idle_sphinx")
def test_what_comes_during_a_build_is_not_deleted(copy, monkeypatch):
    real = site.add_files

    def add_files(course, html):
        real(course, html)
        (copy / "notes").touch()

    monkeypatch.setattr(site, "add_files", add_files)
    status, complaints = build(copy)
    assert status != 0
    assert "somebody has changed or added notes" in complaints
    assert (copy / "notes").is_file()


def test_folder_that_no_build_has_made_is_not_replaced(tmp_path):
    (tmp_path / "html").mkdir()
    (tmp_path / "html/thesis.tex").write_text("mine")
    status, complaints = build(tmp_path / "html")
    assert status != 0
    assert "thesis.tex" in complaints
    assert (tmp_path / "html/thesis.tex").read_text() == "mine"


BUSY = """
import sphinx.cmd.build
from tests.sites import Sound
site.ProcessPoolExecutor = Sound
def sphinx_main(_):
    html = site.BUILD / "html-work/en/html"
    half = html.rename(html.with_name("half"))
    print("at work", file=sys.stderr, flush=True)
    input()
    half.rename(html)
    return 0
sphinx.cmd.build.main = sphinx_main
"""


def test_two_builds_at_once_give_one_whole_site(copy):
    before = contents(copy)
    first = start_build(BUSY, copy)
    assert first.stderr.readline() == "at work\n"
    second = start_build(BUSY, copy)
    assert second.stderr.readline().startswith("Another build is at work")
    for process in (first, second):
        _, complaints = process.communicate("\n")
        assert process.returncode == 0, complaints
    assert contents(copy) == before


def test_edited_page_alone_is_written_anew(copy, monkeypatch):
    work, real = copy.with_name("html-work") / "en/html", files.read_stored
    before = {page: page.stat().st_mtime_ns for page in work.rglob("*.html")}

    def read_stored(page):
        notebook = real(page)
        if page.name == "03_custom_layers":
            notebook.cells[1].source += " Abracadabra."
        return notebook

    monkeypatch.setattr(files, "read_stored", read_stored)
    assert build(copy) == (0, "")
    after = {page: page.stat().st_mtime_ns for page in work.rglob("*.html")}
    changed = [p.stem for p in before if before[p] != after[p]]
    assert "03_custom_layers" in changed
    others = {"teach", "reference", "from_the_book", "glossary"}
    assert not others & {*changed}
    text = (copy / "03_custom_layers.html").read_text("utf-8")
    assert "Abracadabra" in text


def single(copy):
    """Make one file of a chapter, beside the site."""
    return build(copy, arguments=["single", "3"])


@pytest.mark.usefixtures("idle_sphinx")
def test_single_file_takes_the_place_of_its_like_alone(copy):
    page = copy.parent / "single/03_custom_layers.html"
    assert single(copy) == (0, "")
    before = page.read_bytes()
    assert single(copy) == (0, "")
    assert page.read_bytes() == before
    assert [path.name for path in page.parent.iterdir()] == [page.name]
    page.write_text("mine")
    status, complaints = single(copy)
    assert status != 0
    assert f"{page} isn't as it was made" in complaints
    assert page.read_text() == "mine"


@pytest.mark.parametrize("linked", ["single", "single/03_custom_layers.html"])
def test_single_file_is_written_through_no_link(copy, linked):
    link, foreign = copy.parent / linked, copy.parent / "foreign"
    link.parent.mkdir(exist_ok=True)
    if linked == "single":
        foreign.mkdir()
    else:
        foreign.write_text("mine")
    link.symlink_to(foreign)
    before = contents(copy.parent)
    status, complaints = single(copy)
    assert status != 0
    assert f"{link} is a link to " in complaints
    assert contents(copy.parent) == before


def test_page_that_was_not_run_is_not_published(tmp_path, monkeypatch):
    root = shutil.copytree(CHAPTERS, tmp_path / CHAPTERS.name)
    monkeypatch.setattr("tools.page.CHAPTERS", root)
    chapter, solutions = SMALL.pages
    for page, change in (
        (chapter, {"source": "1 + 1"}),
        (solutions, {"execution_count": None}),
    ):
        notebook = nbformat.read(page.notebook, 4)
        cell = next(c for c in notebook.cells if c.cell_type == "code")
        cell.update(change)
        nbformat.write(notebook, page.notebook)
    old = tmp_path / "html"
    old.mkdir()
    (old / "index.html").write_text("old")
    remember(old, tmp_path / "html-work/site.json")
    status, complaints = build(old, pool=ProcessPoolExecutor)
    assert status == 1
    assert re.search(r"cell \d+ of 03_custom_layers\.py .* differ", complaints)
    assert "03_custom_layers.ipynb wasn't run in one" in complaints
    assert contents(old) == {"index.html": b"old"}


def test_links_can_be_asked_without_building_pages(tmp_path, monkeypatch):
    ignored = [*site.LINKCHECK, "-D", "linkcheck_ignore=.*"]
    monkeypatch.setattr(site, "LINKCHECK", ignored)
    assert build(tmp_path / "html", arguments=["links"]) == (0, "")
    found = (tmp_path / "links/en/output.json").read_text("utf-8")
    assert "https://d2l.ai" in found
