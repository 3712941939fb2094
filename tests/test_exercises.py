"""The exercises in the chapters, and the pages of solutions."""

import shutil
from dataclasses import replace
from functools import cache

import pytest

from tests.problems import each_rule, require_none
from tools import checks, exercise, exercises, files, statements
from tools.form import Draft
from tools.form import exercises as form
from tools.form.blanks import blanks
from tools.page import chapters, pages, with_translations
from tools.words import KINDS

# In each language, as far as both pages are there.
ALL = [
    chapter
    for chapter in with_translations(chapters())
    if chapter.is_original or chapter.solutions.is_there
]
draft = cache(Draft)
TASKS = len(draft(chapters("03")[0]).exercises)


@each_rule(form, ALL, blanks)
def test_exercises_keep_the_form(page, rule):
    require_none(rule(draft(page)))


def test_there_are_enough_exercises_of_each_kind():
    tasks = [t for c in chapters() for t in exercise.exercises(c)]
    assert len(tasks) >= 35
    assert {task.kind for task in tasks} == set(KINDS)


def test_each_check_has_its_exercise():
    used = {t.check for c in chapters() for t in draft(c).exercises}
    require_none(
        f"{check.file}:{check.line}: {check.name} is called in no chapter"
        for check in checks.written()
        if check.name not in used
    )


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Chapter 03 and its solutions in a folder of their own."""
    for page in pages("03"):
        copied = replace(page, root=tmp_path)
        copied.folder.mkdir(exist_ok=True)
        for file in (page.source, page.notebook):
            shutil.copy(file, copied.folder)
    monkeypatch.setattr("tools.page.CHAPTERS", tmp_path)
    return copied.chapter


def test_page_that_cannot_be_read_costs_a_line(copy, capsys):
    for file in (copy.source, copy.notebook):
        file.write_text("<<<<<<< HEAD\n")
    assert exercises.main(["copy"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "has the marks of a merge conflict" in line


def test_copy_keeps_what_was_edited_on_the_page_of_solutions(copy, capsys):
    page = copy.solutions.source
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
    page = copy.solutions.source
    before = page.stat().st_mtime_ns
    assert exercises.main(["copy"]) == 0
    assert page.stat().st_mtime_ns == before


def test_copy_fills_a_bare_heading(copy):
    page = copy.solutions.source
    text = page.read_text("utf-8")
    start = text.index("# ## 3.1 ")
    heading, _, rest = text[start:].partition("\n")
    rest = rest[rest.index("\n\n# %%") :]
    page.write_text(f"{text[:start]}{heading}\n\n{rest.lstrip()}", "utf-8")
    assert exercises.main(["copy"]) == 0
    assert page.read_text("utf-8") == text


def test_comment_stays_one_when_statements_are_copied(copy):
    page = copy.solutions.source
    text = page.read_text("utf-8") + "\n# %%\n# copy the weights\n# Why?\n1\n"
    page.write_text(text, "utf-8")
    chapter = copy.source.read_text("utf-8")
    chapter = chapter.replace("20 minutes", "25 minutes")
    copy.source.write_text(chapter, "utf-8")
    statements.copy_statements(copy)
    assert page.read_text("utf-8") == text.replace("20 minutes", "25 minutes")


def test_statement_is_copied_to_the_solutions(copy):
    text = copy.source.read_text("utf-8")
    text = text.replace("Write a layer with a weight", "Make a layer with")
    text = text.replace("20 minutes", "25 minutes")
    copy.source.write_text(text, "utf-8")
    statements.copy_statements(copy)
    solution = copy.solutions.source.read_text("utf-8")
    assert "# Make a layer with $W$" in solution
    assert "*Code, 25 minutes.*" in solution
    assert "[chapter 02](../02_parameters.ipynb#" in solution
    assert "**Idea.** The formula" in solution


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("*Code, 20 minutes.*", "*Hard, 20 minutes.*", "a mark such as"),
        (
            "check.quadratic_layer(QuadraticLayer)",
            "QuadraticLayer",
            "one code",
        ),
        ("# Write a layer with a weight", "#", "below the mark"),
    ],
)
def test_exercise_in_another_form_is_named(copy, old, new, named):
    text = copy.source.read_text("utf-8")
    assert old in text
    if new == "#":
        start = text.index(old)
        text = text[:start] + text[text.index("\n\n", start) :]
    else:
        text = text.replace(old, new, 1)
    copy.source.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=rf"3\.1 needs .*{named}"):
        list(exercise.parsed(files.read_source(copy), copy))


def test_unknown_command_is_answered(capsys):
    assert exercises.main(["solve"]) == 2
    assert "python -m tools.exercises copy" in capsys.readouterr().err
