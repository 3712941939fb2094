"""A handout is unpacked over an older one: nothing of a reader's goes."""

import json
import shutil
import subprocess
import sys
import zipfile

import pytest

from tools import handed_out
from tools.course import Course
from tools.environment import ROOT
from tools.handout import make_handout

OLD = {
    "README.md": "Old.",
    "chapters/03_layers.ipynb": "layers",
    "chapters/05_autograd.ipynb": "autograd",
    "chapters/05_autograd.py": "x = 1",
    "d2l_helpers/check/gone.py": "GONE = 1",
    "d2l_helpers/check/stays.py": "STAYS = 1",
    "tests/gone/test_gone.py": "def test(): pass",
    "tools/handed_out.py": (ROOT / "tools/handed_out.py").read_text("utf-8"),
}
NEW = {
    **{name: OLD[name] for name in OLD if "gone" not in name},
    "README.md": "New.",
    "chapters/03_layers.ipynb": "layers, better",
    "chapters/06_devices.ipynb": "devices",
}
del NEW["chapters/05_autograd.ipynb"], NEW["chapters/05_autograd.py"]


def notebook(source, output="", count=None):
    cell = {
        "cell_type": "code",
        "source": [source],
        "outputs": [output] * bool(output),
        "execution_count": count,
    }
    return json.dumps({"cells": [cell], "metadata": {}})


def write(folder, name, text):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def packed(folder, files):
    """The zip of a handout."""
    for name, text in files.items():
        text = notebook(text) if name.endswith(".ipynb") else text
        write(folder, name, text)
    handed_out.note(folder)
    return shutil.make_archive(folder, "zip", folder.parent, folder.name)


@pytest.fixture
def zips(tmp_path):
    """An old and a new one, which unpack into the same folder."""
    return [
        packed(tmp_path / place / "course", files)
        for place, files in (("a", OLD), ("b", NEW))
    ]


@pytest.fixture
def course(zips, tmp_path):
    """The folder of a student, with the old one in it."""
    return unpacked(zips[0], tmp_path)


def unpacked(archive, folder):
    """As `unzip -o` does: files are replaced, and none is removed."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder / "student")
    return folder / "student/course"


def contents(folder):
    """What a student sees."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8", "replace")
        for path in folder.rglob("*")
        if path.is_file() and handed_out.NOTES not in path.parts
    }


def test_new_one_leaves_what_is_the_readers(zips, course, tmp_path):
    mine = {
        "workbook/03_layers.ipynb": notebook("my answer"),
        "chapters/09_my_notes.ipynb": notebook("notes"),
        ".venv/pyvenv.cfg": "home = /usr/bin",
        ".venv/.setup.json": "{}",
        "mlp.pt": "weights",
    }
    for name, text in mine.items():
        write(course, name, text)
    assert handed_out.tidy(course) == []
    unpacked(zips[1], tmp_path)
    assert handed_out.tidy(course) == []
    found = contents(course)
    assert {name: found.pop(name) for name in mine} == mine
    assert found.keys() == NEW.keys()
    assert found["README.md"] == "New."
    assert not (course / "tests").exists()


def test_page_that_a_reader_has_changed_is_copied(zips, course, tmp_path):
    page = course / "chapters/03_layers.ipynb"
    page.write_text(notebook("my answer"))
    (said,) = handed_out.tidy(course)
    assert said.startswith("You have changed chapters/03_layers.ipynb: a copy")
    assert handed_out.tidy(course) == []  # once
    unpacked(zips[1], tmp_path)
    assert handed_out.tidy(course) == []
    assert "better" in page.read_text()
    page.write_text(notebook("another answer"))
    (said,) = handed_out.tidy(course)
    assert "kept/03_layers-2.ipynb" in said
    kept = [course / f"kept/03_layers{n}.ipynb" for n in ("", "-2")]
    assert "my answer" in kept[0].read_text()
    assert "another answer" in kept[1].read_text()


def test_page_that_was_only_run_is_not_copied(course):
    page = course / "chapters/03_layers.ipynb"
    page.write_text(notebook("layers", output="3", count=7))
    assert handed_out.tidy(course) == []
    assert not (course / "kept").exists()


@pytest.mark.parametrize(
    "name", ["chapters/05_autograd.ipynb", "d2l_helpers/check/gone.py"]
)
def test_changed_file_stays_though_the_new_one_lacks_it(
    zips, course, tmp_path, name
):
    mine = notebook("mine") if name.endswith(".ipynb") else "GONE = 2"
    write(course, name, mine)
    unpacked(zips[1], tmp_path)
    said = handed_out.tidy(course)
    assert said == [
        f"{name} isn't in the new handout; you have changed it, so it stays"
    ]
    assert (course / name).read_text() == mine


def test_older_one_over_a_newer_one_brings_back_what_it_had(
    zips, course, tmp_path
):
    for archive in (zips[1], zips[0]):
        unpacked(archive, tmp_path)
        assert handed_out.tidy(course) == []
    assert contents(course).keys() == OLD.keys()


def test_half_unpacked_zip_removes_nothing(zips, course, tmp_path):
    with zipfile.ZipFile(zips[1]) as archive:
        names = [n for n in archive.namelist() if handed_out.NOTES not in n]
        archive.extractall(tmp_path / "student", names)
    handed_out.tidy(course)  # which copies what it doesn't know
    assert contents(course).keys() >= OLD.keys() | NEW.keys()
    newest = course / handed_out.NOTES / handed_out.NEWEST
    newest.write_text("no such note")
    assert handed_out.tidy(course) == []
    assert contents(course).keys() >= OLD.keys() | NEW.keys()


@pytest.mark.skipif(sys.platform == "win32", reason="links take rights there")
def test_no_link_is_followed(zips, course, tmp_path):
    away = tmp_path / "away"
    (course / "d2l_helpers/check").rename(away)
    (course / "d2l_helpers/check").symlink_to(away)
    unpacked(zips[1], tmp_path)
    handed_out.tidy(course)
    assert (away / "gone.py").is_file()


def test_clone_is_left_alone(tmp_path):
    write(tmp_path, "chapters/03_layers.ipynb", notebook("x"))
    assert handed_out.tidy(tmp_path) == []
    assert contents(tmp_path).keys() == {"chapters/03_layers.ipynb"}


def test_real_handout_is_unpacked_over_another(tmp_path):
    archives = [
        make_handout(Course("A", leave_out=out), tmp_path / place / "course")
        for place, out in (("a", ["07"]), ("b", ["05", "06"]))
    ]
    for archive in archives:
        course = unpacked(archive, tmp_path)
        for folder in (course / "workbook", course / ".venv"):
            write(folder, "mine.txt", "mine")
    # The first command finishes it.
    command = [sys.executable, "make.py", "clean"]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = contents(course)
    assert found.pop("workbook/mine.txt") == "mine"
    assert found.pop(".venv/mine.txt") == "mine"
    wanted = contents(archives[1].with_suffix(""))
    assert found == wanted
    assert not any("05_autograd" in name for name in found)
