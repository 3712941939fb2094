"""The exercises in the chapters, and the pages of solutions."""

import ast
import re
import shutil
from itertools import pairwise

import nbformat
import pytest

from d2l_helpers import check
from tools import book, exercises

CHAPTERS = pytest.mark.parametrize(
    "chapter", book.sources(), ids=lambda path: path.stem
)


def markdown(source):
    cells = book.read_stored(source).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


@CHAPTERS
def test_exercises_are_numbered_in_order(chapter):
    numbers = [task.number for task in exercises.exercises(chapter)]
    chapter_number = book.number(chapter)
    expected = [f"{chapter_number}.{i + 1}" for i in range(len(numbers))]
    assert numbers == expected
    assert len(numbers) >= 4


def test_there_are_enough_exercises_of_each_kind():
    tasks = [t for c in book.sources() for t in exercises.exercises(c)]
    assert len(tasks) >= 35
    assert {task.kind for task in tasks} == set(exercises.KINDS)
    assert all(5 <= task.minutes <= 60 for task in tasks)


@CHAPTERS
def test_exercise_waits_for_an_answer(chapter):
    for task in exercises.exercises(chapter):
        assert task.state == "not solved yet", task.number


@CHAPTERS
def test_starter_says_what_it_wants(chapter):
    for task in exercises.exercises(chapter):
        for node in ast.parse(task.answer).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                assert ast.get_docstring(node), (task.number, node.name)


@CHAPTERS
def test_solution_is_right(chapter):
    for task in exercises.exercises(book.solutions(chapter)):
        assert task.state == "solved", task.number


def opening(solutions):
    """What a page of solutions begins with, where the chapter lacks it.

    A chapter has its own `MyLinear`, for example, and a reader uses that.
    """
    lines = []
    for cell in book.read_source(solutions).cells:
        if exercises.HEADING.match(cell.source):
            break
        for node in ast.parse(cell.source * (cell.cell_type == "code")).body:
            names = [alias.name for alias in getattr(node, "names", [])]
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names = [node.name]
            elif getattr(node, "module", None) != "d2l_helpers":
                names = []
            if names or isinstance(node, (ast.Import, ast.ImportFrom)):
                lines += [
                    f"if not {names} or {set(names)} - globals().keys():",
                    *(f"    {line}" for line in ast.unparse(node).split("\n")),
                ]
    return "\n".join(lines)


@CHAPTERS
def test_solution_is_right_in_its_chapter_too(chapter, tmp_path):
    solved = {
        t.number: t for t in exercises.exercises(book.solutions(chapter))
    }
    notebook = book.read_source(chapter)
    number = None
    for cell in notebook.cells:
        if heading := exercises.HEADING.match(cell.source):
            number = heading[1]
        elif number and cell.cell_type == "code":
            cell.source = (
                solved[number].call
                if cell.source.startswith("check.")
                else f"{opening(book.solutions(chapter))}\n"
                f"{solved[number].answer}"
            )
    book.client(notebook, tmp_path).execute()
    states = {
        cell.source: cell.outputs[0].data["text/plain"].splitlines()[0]
        for cell in notebook.cells
        if cell.source.startswith("check.")
    }
    assert len(states) == len(solved)
    wrong = [said for said in states.values() if not said.startswith("✓")]
    assert wrong == []


@CHAPTERS
def test_check_is_the_one_of_its_exercise(chapter):
    for page in (chapter, book.solutions(chapter)):
        for task in exercises.exercises(page):
            function = getattr(check, task.check)
            assert function.title == f"{task.number} {task.title}"


def test_each_check_has_its_exercise():
    used = [t.check for c in book.sources() for t in exercises.exercises(c)]
    assert sorted(used) == sorted({*check.__all__} - {"Report", "State"})


@CHAPTERS
def test_statement_is_the_same_on_both_pages(chapter):
    tasks = exercises.exercises(chapter)
    headings = [
        cell
        for cell in markdown(book.solutions(chapter))
        if exercises.HEADING.match(cell)
    ]
    expected = [exercises.heading_of_solution(t, chapter) for t in tasks]
    assert headings == expected, "run: python -m tools.exercises copy"


@CHAPTERS
def test_exercise_links_to_its_solution(chapter):
    for task in exercises.exercises(chapter):
        target = f"{book.SOLUTIONS}/{chapter.stem}.ipynb#{task.anchor}"
        (cell,) = [
            c for c in markdown(chapter) if c.startswith(f"### {task.number} ")
        ]
        assert f"\n[Solution]({target})\n" in cell


@CHAPTERS
def test_pages_link_to_each_other(chapter):
    here = f"{book.SOLUTIONS}/{chapter.name}".replace(".py", ".ipynb)")
    assert any(f"]({here}" in cell for cell in markdown(chapter))
    opening = markdown(book.solutions(chapter))[0]
    title = markdown(chapter)[0].splitlines()[0].removeprefix("# ")
    assert f"[{title}](../{chapter.stem}.ipynb)" in opening
    assert opening.startswith(f"# Solutions to chapter {chapter.stem[:2]}\n")


@CHAPTERS
def test_solution_says_its_idea(chapter):
    cells = markdown(book.solutions(chapter))
    for cell, following in pairwise(cells):
        if exercises.HEADING.match(cell):
            assert following.startswith("**Idea.** ")


@CHAPTERS
def test_anchor_is_the_id_of_the_cell(chapter):
    for page in (chapter, book.solutions(chapter)):
        ids = [cell.id for cell in book.read_stored(page).cells]
        for task in exercises.exercises(page):
            assert ids.count(task.anchor.removeprefix("cell-id=")) == 1


# A reader's copy


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Chapter 03 and its solutions in a folder of their own."""
    (chapter,) = book.sources("03")
    monkeypatch.setattr(book, "CHAPTERS", tmp_path)
    for page in (chapter, book.solutions(chapter)):
        target = tmp_path / page.relative_to(chapter.parent)
        target.parent.mkdir(exist_ok=True)
        for suffix in (".py", ".ipynb"):
            shutil.copy(page.with_suffix(suffix), target.parent)
    monkeypatch.setattr(
        book, "sources", lambda which="": [tmp_path / chapter.name]
    )
    return tmp_path / chapter.name


def say(notebook_file, number, text):
    """Make a stored check say something else."""
    notebook = nbformat.read(notebook_file, 4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            plain = output.get("data", {}).get("text/plain", "")
            if plain.startswith(f"○ {number} "):
                output.data["text/plain"] = text + plain[1:]
                if not text:
                    cell.outputs = []
    nbformat.write(notebook, notebook_file)


def test_progress_counts_what_the_checks_have_said(copy, capsys):
    file = copy.with_suffix(".ipynb")
    for number, mark in (("3.1", "✓"), ("3.2", "✗"), ("3.4", "✓")):
        say(file, number, mark)
    say(file, "3.7", "")
    assert exercises.main(["progress"]) == 0
    first, total, *_ = capsys.readouterr().out.splitlines()
    assert re.sub(" +", " ", first) == (
        "03_custom_layers ✓✗○✓○○· 2 of 7; not right yet: 3.2"
    )
    assert re.sub(" +", " ", total) == "all 2 of 7 solved"


def test_progress_survives_what_a_reader_does(copy, capsys):
    file = copy.with_suffix(".ipynb")
    notebook = nbformat.read(file, 4)
    cells = notebook.cells
    at = [i for i, cell in enumerate(cells) if "check." in cell.source]
    cells.insert(at[0], nbformat.v4.new_code_cell("1 + 1"))
    del cells[at[-1] + 1]
    nbformat.write(notebook, file)
    assert exercises.main(["progress"]) == 0
    assert "○○○○○○·" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> b\n", "a merge conflict"),
        ("{", "isn't a notebook"),
        ("", "isn't a notebook"),
        (None, "is missing"),
        ("\xff", "can't be read"),
    ],
)
def test_progress_lists_the_others_too(copy, monkeypatch, capsys, text, told):
    mine = copy.with_name("09_my_notes.py")
    mine.write_text("# %%\n1\n")
    if text is not None:
        mine.with_suffix(".ipynb").write_text(text, "latin-1")
    monkeypatch.setattr(book, "sources", lambda: [mine, copy])
    assert exercises.main(["progress"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("09_my_notes ")
    assert told in first
    assert re.sub(" +", " ", second) == "03_custom_layers ○○○○○○○ 0 of 7"


@pytest.mark.parametrize("command", ["copy", "table"])
def test_page_that_cannot_be_read_costs_a_line(copy, capsys, command):
    for file in (copy, copy.with_suffix(".ipynb")):
        file.write_text("<<<<<<< HEAD\n")
    assert exercises.main([command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "has the marks of a merge conflict" in line


def test_copy_keeps_what_was_edited_on_the_page_of_solutions(copy, capsys):
    page = book.solutions(copy)
    text = page.read_text("utf-8")
    mine = text.replace("# Write a layer with a weight", "# My own words")
    assert mine != text
    page.write_text(mine, "utf-8")
    assert exercises.main(["copy", "03"]) == 1
    told = capsys.readouterr().err
    assert "statements of its own, in 3.1" in told
    assert "\n-# My own words" in told
    assert page.read_text("utf-8") == mine
    assert exercises.main(["copy", "03", "--force"]) == 0
    assert page.read_text("utf-8") == text


def test_copy_of_what_is_there_writes_nothing(copy):
    page = book.solutions(copy)
    before = page.stat().st_mtime_ns
    assert exercises.main(["copy"]) == 0
    assert page.stat().st_mtime_ns == before


def test_copy_fills_a_bare_heading(copy):
    page = book.solutions(copy)
    text = page.read_text("utf-8")
    start = text.index("# ## 3.1 ")
    heading, _, rest = text[start:].partition("\n")
    rest = rest[rest.index("\n\n# %%") :]
    page.write_text(f"{text[:start]}{heading}\n\n{rest.lstrip()}", "utf-8")
    assert exercises.main(["copy"]) == 0
    assert page.read_text("utf-8") == text


def test_comment_stays_one_when_statements_are_copied(copy):
    page = book.solutions(copy)
    text = page.read_text("utf-8") + "\n# %%\n# copy the weights\n# Why?\n1\n"
    page.write_text(text, "utf-8")
    chapter = copy.read_text("utf-8").replace("20 minutes", "25 minutes")
    copy.write_text(chapter, "utf-8")
    exercises.copy_statements(copy)
    assert page.read_text("utf-8") == text.replace("20 minutes", "25 minutes")


def test_statement_is_copied_to_the_solutions(copy):
    text = copy.read_text("utf-8")
    changed = text.replace("Write a layer with a weight", "Make a layer with")
    copy.write_text(changed.replace("20 minutes", "25 minutes"), "utf-8")
    exercises.copy_statements(copy)
    solution = book.solutions(copy).read_text("utf-8")
    assert "# Make a layer with $W$" in solution
    assert "*Code, 25 minutes.*" in solution
    assert "[chapter 02](../02_parameters.ipynb#" in solution
    assert "**Idea.** The formula" in solution


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("*Code, 20 minutes.*", "*Hard, 20 minutes.*"),
        ("check.quadratic_layer(QuadraticLayer)", "QuadraticLayer"),
        ("# Write a layer with a weight", "#"),
    ],
)
def test_exercise_in_another_form_is_named(copy, old, new):
    text = copy.read_text("utf-8")
    assert old in text
    if new == "#":
        start = text.index(old)
        text = text[:start] + text[text.index("\n\n", start) :]
    else:
        text = text.replace(old, new, 1)
    copy.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"3\.1 needs a mark"):
        list(exercises._parsed(book.read_source(copy), copy.stem))


def test_unknown_command_is_answered(capsys):
    assert exercises.main(["solve"]) == 2
    assert "python -m tools.exercises progress" in capsys.readouterr().err
