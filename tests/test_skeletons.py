"""New exercises and chapters: written as a whole, and only where they fit."""

import os
import re
import subprocess
import sys
from dataclasses import replace

import nbformat
import pytest

from tests import copies
from tools import chapter, checks, edition, exercises, files, skeletons
from tools.exercise import BLANK_STATEMENT
from tools.form import Draft
from tools.form import chapters as form_of_chapters
from tools.form import exercises as form
from tools.form.blanks import BLANK, blanks
from tools.form.pages import spacing
from tools.page import chapters
from tools.skeletons import name_of
from tools.transaction import Transaction
from tools.translation import Translation

(CUSTOM_LAYERS,) = chapters("03")
TASKS = len(Draft(CUSTOM_LAYERS).exercises)
NEXT = f"3.{TASKS + 1}"
NEW = ["new", NEXT, "Scale each row"]
NUMBER = f"{chapters()[-1].number + 1:02}"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A copy of all that belongs to chapter 03, and of the chapters."""
    copy = copies.of_chapter(CUSTOM_LAYERS, tmp_path)
    monkeypatch.setattr("tools.page.CHAPTERS", copy.root)
    monkeypatch.setattr("tools.folders.ROOT", tmp_path)
    return copy


@pytest.fixture(autouse=True)
def started(monkeypatch):
    """What pages would be brought into step, or run, and aren't."""
    pages = []
    monkeypatch.setattr(
        skeletons.subprocess,
        "call",
        lambda c, **_: pages.append(c[-1]) or 0,
    )
    return pages


def contents(page):
    """What all files of a copy hold."""
    root = page.root.parent
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file()
    }


def changed(before, page):
    after = contents(page)
    assert before.keys() <= after.keys()
    return sorted(name for name in after if after[name] != before.get(name))


def refuses(main, arguments, words, page, capsys):
    """Whether a command says why not, and writes nothing."""
    before = contents(page)
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert contents(page) == before


# Exercises


def test_new_exercise_is_written_into_its_files(book, started, capsys):
    before = contents(book)
    assert exercises.main(NEW) == 0
    names = [
        "chapters/03_custom_layers.py",
        "chapters/solutions/03_custom_layers.py",
        "d2l_helpers/check/custom_layers.py",
        "tests/answers/custom_layers.py",
    ]
    assert changed(before, book) == names
    said = capsys.readouterr().out
    assert sorted(re.findall(r"^  (\S+)$", said, re.MULTILINE)) == names
    translations = [
        "chapters/zh/03_custom_layers.py",
        "chapters/zh/solutions/03_custom_layers.py",
    ]
    assert started == [*translations, "03"]


@pytest.mark.parametrize("kind", ["Code", "Think"])
def test_new_exercise_comes_to_the_translations(book, kind):
    assert exercises.main([*NEW, f"--kind={kind}"]) == 0
    translation = replace(book, language="zh")
    for page in (translation, translation.solutions):
        list(edition.sync(page))
        assert Translation(page).out_of_step == ""
    draft = Draft(translation)
    assert draft.exercises[-1].number == NEXT
    for rule in form.IN_EACH_LANGUAGE:
        assert list(rule(draft)) == [], rule


@pytest.mark.parametrize("kind", ["Code", "Think", "Explore"])
def test_new_exercise_keeps_the_form_but_for_its_blanks(book, kind):
    options = [f"--kind={kind}", "--minutes=15"]
    assert exercises.main([*NEW, *options]) == 0
    draft = Draft(book)
    for rule in form.RULES:
        assert list(rule(draft)) == [], rule
    for page in (book, book.solutions):
        assert list(spacing(Draft(page))) == []
    new = draft.exercises[-1]
    assert (new.number, new.title) == (NEXT, "Scale each row")
    assert (new.kind, new.minutes) == (kind, 15)
    assert new.check == "scale_each_row"
    files = {line.split(":")[0].split("/")[-2] for line in blanks(draft)}
    assert files == {"chapters", "solutions", "check", "answers"}


def test_new_exercise_changes_no_other_line(book):
    before = contents(book)
    exercises.main(NEW)
    for name in changed(before, book):
        old = before[name].decode().splitlines()
        new = contents(book)[name].decode().splitlines()
        rest = iter(new)
        lost = [line for line in old if line not in rest]
        assert [line for line in lost if "import" not in line] == [], name


def test_statement_of_a_new_exercise_is_copied_before_a_run(book):
    exercises.main(NEW)
    text = book.source.read_text("utf-8")
    text = text.replace(BLANK_STATEMENT, "Divide each row by its sum.")
    book.source.write_text(text, "utf-8")
    assert exercises.main(["copy", "03"]) == 0
    for rule in form.RULES:
        assert list(rule(Draft(book))) == [], rule


def test_new_exercise_stands_behind_the_others(book):
    exercises.main(NEW)
    headings = re.findall("^# ##+ (.*)", book.source.read_text("utf-8"), re.M)
    assert headings[-3].startswith(f"3.{TASKS} ")
    assert headings[-2:] == [f"{NEXT} Scale each row", "Where to go next"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["3.4", "A"], f"3.4 is taken: the next is {NEXT}"),
        (["3.99", "A"], f"3.99 would leave a gap: the next is {NEXT}"),
        (["99.1", "A"], "there is no chapter '99'; name one of 01_blocks, "),
        (["3", "A"], "'3' is no number such as 3.8"),
        (["3.x", "A"], "'3.x' is no number such as 3.8"),
        ([NEXT, "Repair"], "repair is the name of something else, there or"),
        ([NEXT, "Torch"], "torch is the name of something else"),
        ([NEXT, "Sum"], "sum is the name of something else, there or in Pyt"),
        ([NEXT, "Devices"], "devices is the name of something else"),
        ([NEXT, "A", "--check=State"], "State is the name of something else"),
        ([NEXT, "深度"], "can't be the name of a check: give one by --check"),
        ([NEXT, "Lambda"], "'lambda', which follows from the title, can't"),
        ([NEXT, "A", "--check=1 x"], "can't be the name of a check"),
        ([NEXT, "a [link](b)"], "can't be a title: write words"),
        ([NEXT, 'say "no"'], "can't be a title: write words"),
        ([NEXT, "one\ntwo"], "can't be a title: write words"),
        ([NEXT, " "], "can't be a title: write words"),
        ([NEXT, "long " * 13], "can't be a title"),
        ([NEXT, "long" * 16], "has 64 letters: a title may have 60"),
    ],
)
def test_exercise_that_does_not_fit_is_refused(book, capsys, arguments, words):
    refuses(exercises.main, ["new", *arguments], words, book, capsys)


def test_notebook_with_edits_of_its_own_is_not_left_behind(book, capsys):
    for page in (book, book.solutions):
        stored = page.notebook.read_text("utf-8")
        mine = stored.replace("Half of the spectrum", "My spectrum")
        page.notebook.write_text(mine, "utf-8")
        words = f"{page.shown('.ipynb')} has edits that its .py lacks: run "
        refuses(exercises.main, NEW, words, book, capsys)
        page.notebook.write_text(stored, "utf-8")


def test_script_that_has_not_run_gets_an_exercise_too(book):
    text = book.source.read_text("utf-8")
    book.source.write_text(text.replace("# The simplest", "# My"), "utf-8")
    assert exercises.main(NEW) == 0
    assert "# My layer owns" in book.source.read_text("utf-8")
    assert exercises.main(["new", f"3.{TASKS + 2}", "Another"]) == 0


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("chapters/solutions/03_custom_layers.py", None, "No such file"),
        ("d2l_helpers/check/custom_layers.py", None, "No such file"),
        ("d2l_helpers/check/custom_layers.py", "def (", "invalid syntax"),
        (
            "tests/answers/custom_layers.py",
            '"""A."""\ndef (',
            "(custom_layers.py, line 2",
        ),
        ("chapters/03_custom_layers.py", "<<<<<<< HEAD\n", "merge conflict"),
    ],
)
def test_file_that_is_not_fit_is_named(book, capsys, name, text, words):
    file = book.root.parent / name
    if text is None:
        file.unlink()
    else:
        file.write_text(text, "utf-8")
        if file == book.source:
            book.notebook.unlink()
    refuses(exercises.main, NEW, words, book, capsys)


def test_chapter_without_a_place_for_exercises_is_named(book, capsys):
    text = book.source.read_text("utf-8")
    book.source.write_text(text.replace("## Where to go next", "## On"))
    words = "chapters/03_custom_layers.py has no section '## Where to go next'"
    refuses(exercises.main, NEW, words, book, capsys)


def test_exercise_gets_another_title_wherever_it_has_it(book):
    before = contents(book)
    assert exercises.main(["rename", "3.6", "Drop some inputs"]) == 0
    assert len(changed(before, book)) == 4
    draft = Draft(book)
    assert draft.exercises[5].title == "Drop some inputs"
    assert draft.exercises[5].check == "drop_some_inputs"
    for rule in form.RULES:
        assert list(rule(draft)) == [], rule
    answers = checks.answers_of(book).read_text("utf-8")
    assert '"drop_some_inputs"' in answers
    assert '"dropout"' not in answers
    module = checks.module_of(book).read_text("utf-8")
    assert "def drop_some_inputs(Dropout" in module
    exercises.main(["rename", "3.6", "Dropout"])
    assert changed(before, book) == []


def test_code_that_is_no_python_is_named(book, capsys):
    text = book.source.read_text("utf-8")
    text = text.replace("check.dropout(Dropout)", "check.dropout(Dropout")
    book.source.write_text(text, "utf-8")
    arguments = ["rename", "3.6", "Drop some inputs"]
    words = "'check.dropout(Dropout' isn't Python: "
    refuses(exercises.main, arguments, words, book, capsys)


def test_exercise_that_is_not_there_gets_no_title(book, capsys):
    arguments = ["rename", NEXT, "Drop some inputs"]
    words = f"there is no exercise {NEXT}"
    refuses(exercises.main, arguments, words, book, capsys)
    arguments = ["rename", "3.6", "Repair"]
    refuses(exercises.main, arguments, "repair is the name", book, capsys)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A quadratic layer", "quadratic_layer"),
        ("A", "a"),
        ("Don't stop, the 2nd time", "dont_stop_the_2nd_time"),
        ("2 layers", "layers"),
        ("深度", ""),
    ],
)
def test_title_gives_a_name(title, name):
    assert name_of(title) == name


# Chapters

CHAPTER = ["new", NUMBER, "Plant a small forest"]


def test_new_chapter_is_written_and_run(book, started):
    before = contents(book)
    assert chapter.main([*CHAPTER, "--topic=forest"]) == 0
    assert changed(before, book) == [
        "chapters/01_blocks.py",
        f"chapters/{NUMBER}_forest.py",
        "chapters/from_the_book.md",
        "chapters/index.md",
        f"chapters/solutions/{NUMBER}_forest.py",
        "d2l_helpers/check/forest.py",
        "tests/answers/forest.py",
    ]
    assert started == [NUMBER, "chapters/01_blocks.py"]


def test_new_chapter_keeps_the_form_but_for_its_blanks(book):
    chapter.main([*CHAPTER, "--needs", "03", "5"])
    (page,) = chapters(NUMBER)
    assert page.topic == "small_forest"
    draft = Draft(page)
    for rule in (*form_of_chapters.RULES, *form.RULES):
        assert list(rule(draft)) == [], rule
    for each in (page, page.solutions, *chapters("03"), *chapters("05")):
        assert list(spacing(Draft(each))) == []
    names = {line.split(":")[0] for line in blanks(draft)}
    assert len(names) == 6
    assert list(blanks(Draft(book))) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["07", "Draw maps"],
            f"second one: the next chapter is {NUMBER}",
        ),
        (["99", "Draw maps"], f"leave a gap: the next chapter is {NUMBER}"),
        (
            [NUMBER, "Draw"],
            "'' can't be the name of a module: give a topic",
        ),
        ([NUMBER, "Use class"], "'class' can't be the name of a module: give"),
        (
            [NUMBER, "Draw", "--topic=a b"],
            "'a b' can't be the name of",
        ),
        (
            [NUMBER, "Repair layers", "--topic=repair"],
            "repair is the name of",
        ),
        (
            [NUMBER, "Draw custom layers"],
            "custom_layers is the name of so",
        ),
        ([NUMBER, "Draw [a](b)"], "can't be a title: write words"),
        ([NUMBER, "Draw maps", "--needs", "99"], "there is no chapter '99'"),
    ],
)
def test_chapter_that_does_not_fit_is_refused(
    book, started, capsys, arguments, words
):
    refuses(chapter.main, ["new", *arguments], words, book, capsys)
    assert started == []


def test_chapter_that_cannot_link_back_is_refused(book, capsys):
    mine = book.notebook.read_text("utf-8").replace("simplest", "easiest")
    book.notebook.write_text(mine, "utf-8")
    arguments = [*CHAPTER, "--needs=03"]
    words = "03_custom_layers.ipynb has edits that its .py lacks"
    refuses(chapter.main, arguments, words, book, capsys)


def test_file_of_another_is_not_overwritten(book, capsys):
    file = checks.answers_of(replace(book, stem=f"{NUMBER}_forest"))
    file.write_text("mine")
    words = "tests/answers/forest.py is there already: move it away"
    refuses(chapter.main, [*CHAPTER, "--topic=forest"], words, book, capsys)


def test_front_page_without_a_table_is_told_what_it_lacks(book, capsys):
    (book.root / "index.md").write_text("# Mine\n")
    words = "chapters/index.md has no place for a chapter: let it have the ta"
    refuses(chapter.main, CHAPTER, words, book, capsys)


def test_new_chapter_fails_for_its_blanks_alone(tmp_path):
    """But for what only a run of its pages shows."""
    copies.of_project(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "FRESH": "1"}
    code = (
        "from tools import chapter, skeletons\n"
        "skeletons.subprocess.call = lambda *_, **__: 0\n"
        f"raise SystemExit(chapter.main({CHAPTER}))"
    )

    def run(*command):
        return subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    (page,) = chapters(NUMBER, root=tmp_path / "chapters")
    for each in (page, page.solutions):
        notebook = files.read_source(each)
        nbformat.write(notebook, each.notebook)
    written = ["chapters", "d2l_helpers", "tests/answers"]
    for command in (["check"], ["format", "--check"]):
        done = run("-m", "ruff", *command, *written)
        assert done.returncode == 0, done.stdout
    done = run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/check"),
        *(
            "tests/test_exercises.py",
            "-k",
            f"{NUMBER}_ and not solved and not starters",
        ),
    )
    failed = re.findall(r"^FAILED (.*)", done.stdout, re.MULTILINE)
    assert [re.sub(r" - .*", "", line) for line in failed] == [
        "tests/test_exercises.py::test_exercises_keep_the_form"
        f"[{NUMBER}_small_forest-blanks]"
    ], done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 60


# Files that are written together


@pytest.fixture
def pair(tmp_path):
    """Two files, and what is to be written into them, and into a third."""
    old, other, new = (tmp_path / name for name in ("a", "b", "c"))
    old.write_text("old")
    other.write_text("other")
    transaction = Transaction()
    transaction.change(old, f"{transaction.text(old)}er")
    transaction.text(other)
    transaction.create(new, "new")
    return transaction, old, other, new


def test_edits_are_written_together(pair):
    transaction, old, other, new = pair
    assert transaction.write() == [old, new]
    assert [file.read_text() for file in (old, other, new)] == [
        "older",
        "other",
        "new",
    ]
    assert len(list(old.parent.iterdir())) == 3


@pytest.mark.parametrize("which", [1, 2, 3])
def test_file_that_was_changed_meanwhile_keeps_all_from_being_written(
    pair, which
):
    transaction, old, *_, new = pair
    pair[which].write_text("mine")
    with pytest.raises(files.EditedError, match="changed meanwhile"):
        transaction.write()
    assert pair[which].read_text() == "mine"
    assert old.read_text() in ("old", "mine")
    assert not new.exists() or which == 3


def test_failure_in_the_middle_leaves_all_as_it_was(pair, monkeypatch):
    transaction, old, _, new = pair
    replace_, calls = os.replace, []

    def fails_at_last(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError("no space")
        replace_(*arguments)

    monkeypatch.setattr(os, "replace", fails_at_last)
    with pytest.raises(OSError, match="no space"):
        transaction.write()
    assert old.read_text() == "old"
    assert not new.exists()
    assert len(list(old.parent.iterdir())) == 2


def test_link_is_not_written_through(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    transaction = Transaction()
    transaction.change(tmp_path / "link", "other")
    with pytest.raises(LookupError, match="remove the link first"):
        transaction.write()
    assert (tmp_path / "mine").read_text() == "mine"


def test_blank_has_the_word_that_is_searched_for():
    assert BLANK == "TODO"
