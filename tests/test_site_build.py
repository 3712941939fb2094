"""The build of the site: all of it or nothing, and nobody's work is lost."""

import os
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from tests.sites import PUBLISHED, build_after, built, contents, start_build
from tools import site
from tools.course import Course
from tools.environment import ROOT
from tools.folders import remember
from tools.page import CHAPTERS


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A built site, and what the next build of it begins with."""
    folder = tmp_path_factory.mktemp("kept")
    done = built(folder / "built", title="A course")
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "built", folder / "as it was")
    return folder


@pytest.fixture
def copy(kept):
    """A site that a test may spoil, always at the same place."""
    shutil.rmtree(kept / "built")
    shutil.copytree(kept / "as it was", kept / "built")
    return kept / "built/html"


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("site.stage = fail(RuntimeError('no'))", "RuntimeError"),
        ("site.add_files = fail(LookupError('no file'))", "no file"),
        ("site.add_files = fail(KeyboardInterrupt)", "Stopped"),
        (
            "sys.path.append('site/extensions')\n"
            "import pages\n"
            "pages.UNUSED.append('/')",
            "Extension error",
        ),
        (
            "shutil.copytree = fail(OSError(errno.ENOSPC, 'disk is full'))",
            "disk is full",
        ),
        (
            "tempfile.mkdtemp = fail(PermissionError(13, 'may not write'))",
            "may not write",
        ),
        ("pathlib.Path.rename = fail(OSError(18, 'another disk'))", "disk"),
        (
            "real = site.stage\n"
            "def stage(course, folder):\n"
            "    real(course, folder)\n"
            "    with open(folder / 'teach.md', 'a') as page:\n"
            "        page.write('[x](nowhere.md)')\n"
            "site.stage = stage",
            "nowhere",
        ),
    ],
)
def test_build_that_fails_leaves_the_old_site(copy, how, complaint):
    before = contents(copy)
    status, complaints = build_after(how, copy)
    assert status != 0
    assert complaint in complaints
    assert contents(copy) == before
    beside = sorted(path.name for path in copy.parent.iterdir())
    assert beside == ["html", "html-work"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit can be set")
def test_build_on_a_full_disk_leaves_nothing_in_the_way(copy):
    before = contents(copy)
    how = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "site.outline_of = lambda *_: 'another, so that all is built'"
    )
    status, complaints = build_after(how, copy)
    assert status != 0
    assert "File too large" in complaints
    assert contents(copy) == before
    assert build_after("", copy) == (0, "")
    assert contents(copy).keys() == before.keys()


@pytest.mark.skipif(sys.platform == "win32", reason="no signal to a group")
def test_build_that_is_interrupted_leaves_the_old_site(copy):
    before = contents(copy)
    doctrees = copy.with_name("html-work") / "doctrees"
    shutil.rmtree(doctrees)
    build = start_build("", copy)
    while not (doctrees / "01_blocks.doctree").exists():
        assert build.poll() is None, build.communicate()
        time.sleep(0.01)
    os.killpg(build.pid, signal.SIGINT)
    _, complaint = build.communicate()
    assert build.returncode != 0
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
    status, complaints = build_after("", copy)
    assert status != 0
    assert f"{folder} is a link to " in complaints
    assert contents(copy.parent) == before


def test_link_inside_of_the_work_is_not_followed(copy, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "01_blocks.ipynb").write_text("mine")
    (foreign / "notes.txt").write_text("mine, too")
    before = contents(foreign)
    work = copy.with_name("html-work")
    shutil.rmtree(work / "source/solutions")
    (work / "source/solutions").symlink_to(foreign)
    (work / "source/teach.md").unlink()
    (work / "source/teach.md").symlink_to(foreign / "notes.txt")
    (work / "html/index.html").unlink()
    (work / "html/index.html").symlink_to(foreign / "notes.txt")
    assert build_after("", copy) == (0, "")
    assert contents(foreign) == before
    assert not [path for path in copy.rglob("*") if path.is_symlink()]


def test_site_may_be_built_on_another_disk(copy, tmp_path):
    link = tmp_path / "_build"
    link.symlink_to(copy.parent)
    (copy / "reference.html").unlink()
    assert build_after("", link / "html") == (0, "")
    assert link.is_symlink()
    assert (copy / "reference.html").is_file()


@pytest.mark.parametrize("name", ["notes.txt", "index.html", "_static/x.css"])
def test_what_no_build_wrote_is_not_deleted(copy, name):
    (copy / name).write_text("mine")
    before = contents(copy)
    status, complaints = build_after("", copy)
    assert status != 0
    assert name in complaints
    assert contents(copy) == before
    # What the message says to do.
    (copy / name).rename(copy.parent / "away")
    assert build_after("", copy) == (0, "")


@pytest.mark.parametrize("target", ["foreign", "nowhere"])
def test_link_that_no_build_wrote_is_not_deleted(copy, target):
    (copy.parent / "foreign").mkdir()
    (copy / "data").symlink_to(copy.parent / target)
    status, complaints = build_after("", copy)
    assert status != 0
    assert "somebody has changed or added data" in complaints
    assert (copy / "data").is_symlink()


def test_what_comes_during_a_build_is_not_deleted(copy):
    status, complaints = build_after(
        "real = site.add_files\n"
        "def add_files(course, html):\n"
        "    real(course, html)\n"
        "    pathlib.Path(html.parent.parent, 'html/notes').touch()\n"
        "site.add_files = add_files",
        copy,
    )
    assert status != 0
    assert "somebody has changed or added notes" in complaints
    assert (copy / "notes").is_file()


def test_folder_that_no_build_has_made_is_not_replaced(tmp_path):
    (tmp_path / "html").mkdir()
    (tmp_path / "html/thesis.tex").write_text("mine")
    status, complaints = build_after("", tmp_path / "html")
    assert status != 0
    assert "thesis.tex" in complaints
    assert (tmp_path / "html/thesis.tex").read_text() == "mine"


def test_two_builds_at_once_give_one_whole_site(copy):
    before = contents(copy).keys()
    how = "site.outline_of = lambda *_: 'another, so that all is built'"
    builds = [start_build(how, copy) for _ in range(2)]
    complaints = [build.communicate()[1] for build in builds]
    assert [build.returncode for build in builds] == [0, 0], complaints
    assert contents(copy).keys() == before
    assert "Another build" in "".join(complaints)


def test_edited_page_alone_is_written_anew(copy):
    work = copy.with_name("html-work") / "html"
    before = {page: page.stat().st_mtime_ns for page in work.glob("0*.html")}
    how = (
        "real = files.read_stored\n"
        "def read_stored(page):\n"
        "    notebook = real(page)\n"
        "    if page.name == '03_custom_layers':\n"
        "        notebook.cells[1].source += ' Abracadabra.'\n"
        "    return notebook\n"
        "files.read_stored = read_stored"
    )
    assert build_after(how, copy) == (0, "")
    after = {page: page.stat().st_mtime_ns for page in work.glob("0*.html")}
    changed = [p.stem for p in before if before[p] != after[p]]
    assert "03_custom_layers" in changed
    assert "06_devices" not in changed
    text = (copy / "03_custom_layers.html").read_text("utf-8")
    assert "Abracadabra" in text


def test_second_build_keeps_nothing_of_the_first(copy):
    folder = copy.parent
    assert list(folder.rglob("05_autograd*"))
    done = built(folder, **PUBLISHED)
    assert done.returncode == 0, done.stderr
    assert not list(folder.rglob("05_autograd*"))
    for page in copy.rglob("*.html"):
        assert "05_autograd" not in page.read_text("utf-8"), page.name


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("\n[there](01_blocks.ipynb#nowhere)\n", "nowhere"),
        ("\n$a^b^c$ and $\\unknown x$\n", "isn't TeX that can become"),
        ("\n$$a & b$$\n", "isn't TeX that can become"),
        ("\n$\\eqref{a}$\n", "isn't TeX that can become"),
    ],
)
def test_build_that_fails_fails_again(tmp_path, wrong, complaint):
    code = (
        "import pathlib, sys\n"
        "from tools import site\n"
        "real = site.stage\n"
        "def stage(course, folder):\n"
        "    real(course, folder)\n"
        "    page = folder / 'teach.md'\n"
        "    text = page.read_text('utf-8') + sys.argv[2]\n"
        "    page.write_text(text, encoding='utf-8')\n"
        "site.stage = stage\n"
        "sys.exit(site.build(site.Course('A'), pathlib.Path(sys.argv[1])))\n"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "html", wrong],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode != 0
        assert complaint in done.stderr


def single(copy):
    """Make one file of a chapter, beside the site."""
    return build_after(
        "site.main = lambda _, m=site.main: m(['single', '3'])", copy
    )


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


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda cell: cell.update(source="1 + 1"), "differ"),
        (lambda cell: cell.update(execution_count=None), "wasn't run in one"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # Sphinx's own, in this process
def test_chapter_that_was_not_run_is_not_published(
    tmp_path, monkeypatch, capsys, change, complaint
):
    root = shutil.copytree(CHAPTERS, tmp_path / CHAPTERS.name)
    monkeypatch.setattr("tools.page.CHAPTERS", root)
    target = root / "03_custom_layers.ipynb"
    notebook = nbformat.read(target, 4)
    change(next(c for c in notebook.cells if c.cell_type == "code"))
    nbformat.write(notebook, target)
    old = tmp_path / "html"
    old.mkdir()
    (old / "index.html").write_text("old")
    remember(old, tmp_path / "html-work/site.json")
    assert site.build(Course("A course"), old) == 1
    assert complaint in capsys.readouterr().err
    assert contents(old) == {"index.html": b"old"}


def test_links_can_be_asked_without_building_pages(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tools import site\n"
        "site.LINKCHECK += ['-D', 'linkcheck_ignore=.*']\n"
        "out, work = map(Path, sys.argv[1:])\n"
        "sys.exit(site.ask_links(site.Course('A course'), out, work))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "links", tmp_path / "work"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = (tmp_path / "links/output.json").read_text("utf-8")
    assert "https://d2l.ai" in found
