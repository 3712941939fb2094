"""What students get: complete, and without a solution."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tools import files, gate, handout
from tools.course import Course
from tools.exercise import exercises
from tools.page import CHAPTERS, LANGUAGES, chapters
from tools.words import words_of


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory, language):
    target = tmp_path_factory.mktemp("handout") / "course"
    handout.make_handout(Course("A course"), target, language)
    return target


@pytest.fixture
def little(monkeypatch):
    """A handout that is soon written, for tests of what it replaces."""

    def write(course, folder, language):
        for chapter in course.chapters:
            (folder / chapter.source.name).write_text("x = 1")
        (folder / "README.md").write_text(f"# {course.title}")

    monkeypatch.setattr(handout, "write_handout", write)


def run(folder, *command, given=None):
    """Run a command there, with the folder's own packages."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
    )


def test_no_solution_is_in_it(folder, language):
    words = words_of(chapters(language=language)[0])
    pages = [p for p in (folder / "chapters").rglob("[0-9i]*") if p.is_file()]
    assert len(pages) > len(chapters())
    assert not list(folder.rglob("solutions"))
    assert not list(folder.rglob("answers"))
    for file in pages:
        text = file.read_text("utf-8")
        assert f"{words.solution[1:]}](" not in text
        assert "solutions/" not in text
        assert "worked solution" not in text
        assert "完整的解答" not in text


def test_it_has_one_language(folder, language):
    pages = {
        chapter.notebook.relative_to(CHAPTERS).as_posix()
        for chapter in chapters(language=language)
    }
    root = folder / "chapters"
    found = {p.relative_to(root).as_posix() for p in root.rglob("*.ipynb")}
    assert found == pages


def test_front_page_is_there_in_its_language(folder, language):
    home = chapters(language=language)[0].home.relative_to(CHAPTERS)
    text = (folder / "chapters" / home / "index.md").read_text("utf-8")
    original = (CHAPTERS / home / "index.md").read_text("utf-8")
    assert text.startswith(original[:200])
    readme = (folder / "README.md").read_text("utf-8")
    assert readme.startswith("# A course\n")
    assert readme[20:] in handout.readme_of(language).read_text("utf-8")


def test_exercises_are_as_they_were(folder, language, monkeypatch):
    monkeypatch.setattr(files, "in_handout", lambda: True)
    for chapter in chapters(language=language):
        copy = replace(chapter, root=folder / CHAPTERS.name)
        assert list(gate.problems(copy)) == []
        ours = files.read_source(chapter).cells
        theirs = files.read_source(copy).cells
        assert [c.source for c in theirs if c.cell_type == "code"] == [
            c.source for c in ours if c.cell_type == "code"
        ]
        assert len(theirs) == len(ours)


def test_it_says_what_may_be_done_with_it(folder):
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    for name in (*project["project"]["license-files"], "LICENSE-text"):
        assert (folder / name).is_file()  # without, it can't be installed


# Judges the chapter with each of some texts in the place of its notebook.
CHECK = """
import json, sys
from pathlib import Path
from tools import book
from tools.page import chapters
file = chapters("03")[0].notebook
for text in json.load(sys.stdin):
    file.unlink(missing_ok=True)
    if text is not None:
        file.write_text(text, "utf-8")
    print("status", book.main(["check", "03"]), file=sys.stderr)
"""


def test_remedies_are_those_that_it_has(folder, language, tmp_path):
    folder = shutil.copytree(folder, tmp_path / "course")
    makefile = (folder / "Makefile").read_text("utf-8")
    assert "tools.book run" not in makefile
    assert "FORCE" not in makefile
    (chapter,) = chapters("03", language=language)
    file = replace(chapter, root=folder / "chapters").notebook
    original = file.read_text("utf-8")
    texts = [
        original.replace('"execution_count": 1,', '"execution_count": 9,'),
        original.replace("# ", "# My ", 1),
        original[:100],
        "<<<<<<< mine\n",
        None,
    ]
    done = run(folder, sys.executable, "-c", CHECK, given=json.dumps(texts))
    *told, rest = done.stderr.split("status 1\n")
    assert (len(told), rest) == (len(texts), ""), done.stderr
    for said in told:
        assert "make run" not in said
        assert "make pull" not in said
        assert "03_custom_layers.ipynb from the zip again" in said


def test_page_that_cannot_be_read_is_told(tmp_path, monkeypatch, capsys):
    (chapter,) = chapters("03")
    chapter = replace(chapter, root=tmp_path)
    for file in (chapter.source, chapter.notebook):
        file.write_text("<<<<<<< HEAD\n")
    monkeypatch.setattr("tools.page.CHAPTERS", tmp_path)
    monkeypatch.setattr(handout, "BUILD", tmp_path)
    assert handout.main([]) == 2
    assert "the marks of a merge conflict" in capsys.readouterr().err


def test_zip_holds_the_same(folder):
    with zipfile.ZipFile(folder.with_suffix(".zip")) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/")]
    files = [f for f in folder.rglob("*") if f.is_file()]
    expected = {f.relative_to(folder.parent).as_posix() for f in files}
    assert set(names) >= {"course/Makefile", "course/README.md"}
    assert {n for n in names if "__pycache__" not in n} <= expected


def test_its_tests_are_those_of_its_files(folder, language):
    done = run(folder, sys.executable, "-m", "pytest", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout
    for chapter in chapters(language=language):
        assert f"{chapter.shown('.ipynb')}::" in done.stdout
    assert "tests/test_chapters.py::" in done.stdout


def test_a_chapter_passes_its_tests_there(folder, language):
    done = run(folder, sys.executable, "-m", "tools.book", "list", "03")
    (notebook,) = done.stdout.split()
    (chapter,) = chapters("03", language=language)
    assert notebook == chapter.shown(".ipynb")
    done = run(
        folder,
        *(sys.executable, "-m", "pytest", "-q", "-k", "03_custom_layers"),
        *("tests/test_chapters.py", notebook),
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_its_code_is_in_style(folder, command):
    done = run(folder, sys.executable, "-m", "ruff", *command)
    assert done.returncode == 0, done.stdout


def test_workbook_is_made_there_and_tells_the_progress(
    folder, language, tmp_path
):
    folder = shutil.copytree(folder, tmp_path / "course")
    chapter = replace(chapters(language=language)[0], root=folder / "workbook")
    start = json.loads((folder / "start.ipynb").read_text("utf-8"))
    code = "".join(start["cells"][0]["source"])
    run(folder, sys.executable, "-c", code)
    assert chapter.notebook.is_file()
    assert chapter.notebook.with_name("index.ipynb").is_file()
    assert not list(folder.glob("workbook/**/solutions"))
    done = run(folder, sys.executable, "make.py", "progress", "SETUP=0")
    total = sum(map(len, map(exercises, chapters(language=language))))
    assert re.search(rf"\b0\D.*{total}|{total}\D+0", done.stdout), done.stderr
    assert chapter.stem in done.stdout
    done = run(folder, sys.executable, "make.py", "restore", "01")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(
    sys.platform == "win32" or not shutil.which("make"),
    reason="`make` is for Linux and macOS",
)
def test_makefile_offers_what_works_there(folder):
    done = run(folder, "make")
    listed = re.findall(r"^  ([a-z-]+) ", done.stdout, re.MULTILINE)
    assert set(listed) == set(handout.TARGETS)
    for target in handout.TARGETS:
        done = run(folder, "make", "-n", target)
        assert done.returncode == 0, done.stderr


def test_python_does_there_what_make_does(folder):
    done = run(folder, sys.executable, "make.py", "clean")
    assert done.returncode == 0, done.stderr
    command = ["make.py", "progress", f"VENV={sys.prefix}", "SETUP=0"]
    done = run(folder, sys.executable, *command)
    assert "03_custom_layers" in done.stdout, done.stderr


def test_course_chooses_the_chapters_and_the_name(tmp_path):
    course = Course("深度 course", leave_out=["05"])
    handout.make_handout(course, tmp_path / "mine")
    folder = tmp_path / "mine"
    assert "# 深度 course" in (folder / "README.md").read_text("utf-8")
    for file in folder.rglob("*.*"):
        if file.is_file() and file.suffix in (".md", ".ipynb"):
            assert "05_autograd" not in file.read_text("utf-8"), file
    assert not (folder / "chapters/05_autograd.py").exists()


@pytest.mark.usefixtures("little")
def test_second_handout_keeps_nothing_of_the_first(tmp_path):
    folder = tmp_path / "mine"
    handout.make_handout(Course("A", leave_out=["05"]), folder)
    assert (folder / "07_training.py").exists()
    (folder / "__pycache__").mkdir()
    handout.make_handout(Course("A", leave_out=["07"]), folder)
    assert (folder / "05_autograd.py").exists()
    assert not (folder / "07_training.py").exists()
    assert not (folder / "__pycache__").exists()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {".mine.json", "mine", "mine.zip"}


def contents(folder):
    """What is below a folder, without following links."""
    return {
        path.relative_to(folder): path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
    }


def add_to_zip(folder):
    with zipfile.ZipFile(folder.with_suffix(".zip"), "a") as archive:
        archive.writestr("notes.md", "# Mine")


def zip_anew(folder):
    (folder / "notes.md").write_text("# Mine")
    shutil.make_archive(folder, "zip", folder.parent, folder.name)


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("change", [add_to_zip, zip_anew])
def test_zip_that_a_teacher_made_is_kept(tmp_path, change):
    folder = tmp_path / "mine"
    handout.make_handout(Course("A"), folder)
    change(folder)
    before = contents(tmp_path)
    with pytest.raises(LookupError, match="isn't as it was made"):
        handout.make_handout(Course("A"), folder)
    assert contents(tmp_path) == before


def test_folder_in_the_place_of_the_zip_is_named(tmp_path):
    (tmp_path / "mine.zip").mkdir()
    with pytest.raises(LookupError, match=r"mine\.zip is a folder: move it"):
        handout.make_handout(Course("A"), tmp_path / "mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine.zip"]


@pytest.mark.usefixtures("little")
def test_what_comes_while_it_is_made_is_kept(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    handout.make_handout(Course("A"), folder)
    write = handout.write_handout

    def meanwhile(*arguments):
        write(*arguments)
        (folder / "notes.md").write_text("# Mine")

    monkeypatch.setattr(handout, "write_handout", meanwhile)
    with pytest.raises(LookupError, match=r"notes\.md"):
        handout.make_handout(Course("A"), folder)
    assert (folder / "notes.md").read_text() == "# Mine"


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("change", ["a file more", "another README", "no zip"])
def test_what_a_teacher_did_there_is_kept(tmp_path, change):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("# Mine")
    if change != "no zip":
        (folder / "README.md").unlink()
        folder.rmdir()
        handout.make_handout(Course("A"), folder)
        changed = {"a file more": "notes.md", "another README": "README.md"}
        (folder / changed[change]).write_text("# Mine")
    before = contents(tmp_path)
    with pytest.raises(LookupError, match="move it away") as told:
        handout.make_handout(Course("A"), folder)
    assert re.search(r"(notes|README)\.md", str(told.value))
    assert contents(tmp_path) == before
    folder.rename(tmp_path / "kept")
    handout.make_handout(Course("A"), folder)  # the remedy works


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("name", ["mine", "mine.zip"])
def test_link_is_not_followed(tmp_path, name):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "diary.txt").write_text("private")
    place = tmp_path / "place"
    place.mkdir()
    target = foreign if name == "mine" else foreign / "diary.txt"
    (place / name).symlink_to(target)
    with pytest.raises(LookupError, match="is a link"):
        handout.make_handout(Course("A"), place / "mine")
    assert {path.name for path in place.iterdir()} == {name}
    assert contents(foreign) == {Path("diary.txt"): b"private"}


@pytest.mark.usefixtures("little")
def test_handout_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    handout.make_handout(Course("A"), folder)
    before = contents(tmp_path)

    def fail(_, folder, language):
        (folder / "README.md").write_text("# Half")
        raise KeyboardInterrupt

    monkeypatch.setattr(handout, "write_handout", fail)
    with pytest.raises(KeyboardInterrupt):
        handout.make_handout(Course("B"), folder)
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("little")
def test_command_writes_both_and_says_where(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(handout, "BUILD", tmp_path)
    monkeypatch.setattr(handout, "shown", lambda path: path.name)
    assert handout.main([]) == 0
    told = capsys.readouterr().out
    assert f"The zip is {handout.NAME}.zip" in told
    assert handout.main(["zh"]) == 0
    told = capsys.readouterr().out
    assert f"The zip is {handout.NAME}-zh.zip" in told
    assert handout.main(["zh", "what"]) == 2


@pytest.mark.usefixtures("little")
def test_handout_in_an_unknown_language_is_refused(capsys):
    assert handout.main(["xx"]) == 2
    told = capsys.readouterr().err
    assert told == "There are no chapters in 'xx', but in en, zh\n"


def test_course_that_makes_no_sense_is_told(monkeypatch, capsys):
    def read_course():
        raise ValueError("course.toml: why")

    monkeypatch.setattr(handout, "read_course", read_course)
    assert handout.main([]) == 2
    assert capsys.readouterr().err == "course.toml: why\n"
