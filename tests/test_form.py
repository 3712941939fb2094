"""Where a page doesn't keep its form, it is told so in words: all at once."""

import re
from dataclasses import replace

import nbformat
import pytest
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)

from tests import copies
from tools import checks, files, pairs
from tools.form import Draft, blanks, chapters, exercises, pages
from tools.page import Page
from tools.page import chapters as written

(CUSTOM_LAYERS,) = written("03")
SVG, PNG = {"image/svg+xml": "<svg/>"}, {"image/png": "aaaa"}
ALT = {"image": {"alt": "A curve that falls from 2 to 0 in ten epochs."}}


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A copy of all that belongs to chapter 03, and of the chapters."""
    copy = copies.of_chapter(CUSTOM_LAYERS, tmp_path)
    monkeypatch.setattr("tools.page.CHAPTERS", copy.root)
    return copy


def edit(file, old, new):
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def told(rule, page):
    return "\n".join(rule(Draft(page)))


def line_of(file, text):
    return file.read_text("utf-8").partition(text)[0].count("\n") + 1


# In the chapter: what is replaced by what, whose rule it is, what is told.
CHAPTER = [
    (
        "# # Write layers",
        "# Write layers",
        chapters.parts,
        ":17, cell 1: the first cell lacks a title: `# Verb ...`",
    ),
    ("**You will learn**", "You learn", chapters.parts, "lacks **You will"),
    ("**In the book:**", "See", chapters.parts, "lacks **In the book:**"),
    ("(https://d2l.ai/", "(https://x.y/", chapters.parts, "of https://d2l.ai"),
    ("https://zh.d2l.ai", "https://d2l", chapters.parts, "of https://zh.d2l"),
    ("**You need**", "Need", chapters.parts, "lacks **You need**, and links"),
    ("## Summary", "## What", chapters.parts, "section ## Summary is missing"),
    (
        "## Check a layer",
        "# Check",
        chapters.parts,
        "is a second title; beg",
    ),
    ("(01_blocks.ipynb)", "", chapters.needs, "behind **You need**, link to"),
    (
        "# # Write layers",
        "# # Make layers",
        chapters.row,
        "the row of 03_custom_layers is to begin with | 03 | [Make layers",
    ),
    (
        "*Code, 20 minutes.*",
        "*Code, 200 minutes.*",
        chapters.hours,
        " minutes together, and the front page says two to four hours",
    ),
    (
        "A loop would be slow:",
        "[So](05_autograd.ipynb) a loop:",
        chapters.other_chapters,
        "chapters/index.md: 3.1 links to 05, which 03_custom_layers doesn't",
    ),
    (
        "[chapter 02](02_parameters.ipynb#cell-id=write-values-safely) does",
        "chapter 02 does",
        chapters.other_chapters,
        "3.3 points to no other chapter, and is named among those that do",
    ),
    (
        '# %% tags=["predict"]',
        '# %% tags=["look"]',
        chapters.predictions,
        "the tag look is for an output below a question, and the paragraph",
    ),
    (
        "# Exactly 0. Is it bad luck?",
        "# ## Luck\n#\n# Exactly 0.",
        chapters.predictions,
        "the tag predict needs a question above, at the end of a cell of",
    ),
    (
        "# This is the share of the values that become 0.",
        "# Which share of the values becomes 0?",
        chapters.predictions,
        "the tag predict isn't needed below a question; take it out",
    ),
    (
        '# %% tags=["predict"]',
        '# %% tags=["hide-output"]',
        chapters.predictions,
        "nothing is done for the tag 'hide-output'; there are look, nbval-ig",
    ),
    (
        "*Code, 20 minutes.*",
        "*Hard, 20 minutes.*",
        exercises.in_form,
        "3.1 needs below its heading, and an empty line, a mark such as",
    ),
    (
        "### 3.2 ",
        "### 3.9 ",
        exercises.numbers,
        "3.9 stands where 3.2 should",
    ),
    (
        "*Think, 5 minutes.*",
        "*Think, 4 minutes.*",
        exercises.numbers,
        "3.7 takes 4 minutes; from 5 to 60 are allowed",
    ),
    (
        '    """y_k, the sum over i and j of W_ijk x_i x_j."""\n\n',
        "",
        exercises.starters,
        "`QuadraticLayer` has no docstring; say what it is to do",
    ),
    (
        "### 3.1 A quadratic layer",
        "### 3.1 Squares",
        exercises.checked,
        "quadratic_layer is of '3.1 A quadratic layer', and called in "
        "'3.1 Squares'; let both be the same",
    ),
    (
        "check.dropout(",
        "check.drop(",
        exercises.checked,
        "there is no check drop; write one in "
        "d2l_helpers/check/custom_layers.py, under @exercise('3.6 Dropout'",
    ),
    (
        "check.dropout(",
        "check.drop(",
        exercises.checked,
        ": dropout is called in no exercise of chapters/03_custom_layers.py",
    ),
    (
        "[Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3-1)",
        "[Solution](solutions/03_custom_layers.ipynb)",
        exercises.links_to_solutions,
        "write [Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3",
    ),
    (
        "[a page of their own](solutions/03_custom_layers.ipynb)",
        "a page",
        exercises.links_to_solutions,
        "under ## Exercises, link to the page of solutions, solutions/03_cus",
    ),
    (
        "# Write a layer with a weight",
        "# Write one with a weight",
        exercises.solved,
        "3.1 isn't as its chapter has it; run `python -m tools.exercises copy",
    ),
    (
        "# The first cell imports",
        "#  ```{note}\n# The first cell imports",
        pages.pair,
        "make run CH=03",
    ),
    (
        "# %%\nimport copy\n",
        "# %% \nimport copy\n",
        pages.spacing,
        "change these lines, as JupyterLab would\n--- chapters/03_custom_",
    ),
    (
        "# %% [markdown]\n# The mean of 1, 2, 3, 4, 5 is 3. What should come "
        "out?\n\n",
        "",
        pages.prose,
        "no prose stands before this code; put a Markdown cell between",
    ),
    (
        "    return X - X.mean()\n",
        "    return X - X.mean()\n" + "        1\n" * 20,
        pages.code,
        "23 lines, at most 20 are allowed; make two cells of it",
    ),
    (
        "import copy\n",
        f"import copy  # {'x' * 70}\n",
        pages.code,
        "85 columns, at most 79 are allowed; break the line",
    ),
    (
        "centered = C",
        'print("cuda:1", 1); C',
        pages.any_device,
        "'cuda:1' fails",
    ),
    (
        "(04_file_io.ipynb) keeps",
        "(04_files.ipynb) keeps",
        pages.links,
        "the link to '04_files.ipynb' leads to no file",
    ),
]


@pytest.mark.parametrize(("old", "new", "rule", "words"), CHAPTER)
def test_fault_of_a_chapter_is_named(book, old, new, rule, words):
    edit(book.source, old, new)
    assert words in told(rule, book)


# Likewise, in the solutions.
SOLUTIONS = [
    ("# **Idea.** The formula", "# The formula", "cell with\n**Idea.**"),
    ("# ## 3.7 Where to center", "# ## 3.8 Where", "no solution of 3.7; wri"),
    ("check.dropout(Dropout)", "Dropout", "3.6 needs one code cell for the"),
    ("check.dropout(", "check.repair(", "repair is called, and in the exerc"),
    ("*Think, 5 minutes.*", "*Think, 9 minutes.*", "3.7 isn't as its chapter"),
]


@pytest.mark.parametrize(("old", "new", "words"), SOLUTIONS)
def test_fault_of_solutions_is_named(book, old, new, words):
    edit(book.solutions.source, old, new)
    assert words.replace("\n", " ") in told(exercises.solved, book)


# Likewise, on the Chinese pages.
TRANSLATED = [
    ("# # 编写", "# 编写", chapters.parts, "the first cell lacks a title: `#"),
    ("**你将学会**", "学会", chapters.parts, "lacks **你将学会**, and a list"),
    ("## 小结", "## 大结", chapters.parts, "the section ## 小结 is missing"),
    (
        "# # 编写自定义层",
        "# # 写层",
        chapters.row,
        ": the row of 03_custom_layers is to begin "
        "with | 03 | [写层](03_custom_layers.ipynb) |",
    ),
    ("输出应该是什么？", "输出是0。", chapters.questions, "asks nothing, wh"),
    ("## 接下来", "## 往下", chapters.parts, "section ## 接下来读什么 is mis"),
    (
        "*编程，20分钟。*",
        "*难，20分钟。*",
        exercises.in_form,
        "a mark such as '*编程，20分钟。*', with a link in the line after it",
    ),
    (
        "[解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-1)",
        "[解](solutions/03_custom_layers.ipynb#cell-id=exercise-3-1)",
        exercises.links_to_solutions,
        "write [解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-1)",
    ),
    (
        "### 3.1 二次层",
        "### 3.1 层",
        exercises.solved,
        "3.1 isn't as its chap",
    ),
    (
        "# # 编写自定义层",
        "# # 自定义",
        exercises.opening,
        "lacks '[自定义](..",
    ),
    ("(02_par", "(02_x_par", pages.links, "to '02_x_parameters.ipynb#cell"),
]


@pytest.mark.parametrize(("old", "new", "rule", "words"), TRANSLATED)
def test_fault_of_a_translation_is_named(book, old, new, rule, words):
    page = replace(book, language="zh")
    edit(page.source, old, new)
    assert words in told(rule, page)


def test_fault_of_translated_solutions_is_named(book):
    page = replace(book, language="zh")
    edit(page.solutions.source, "**思路**。", "")
    assert "Markdown cell with **思路**。" in told(exercises.solved, page)
    edit(page.solutions.source, "# # 第03章 解答", "# # 解答")
    words = "is to begin '# 第03章 解答'"
    assert words in told(exercises.opening, page)


def test_untouched_translation_keeps_all_rules(book):
    translation = replace(book, language="zh")
    for page in (translation, translation.solutions):
        for rule in pages.IN_EACH_LANGUAGE:
            if rule != pages.links:  # the other chapters aren't there
                assert list(rule(Draft(page))) == [], (page, rule)
    for rule in (*chapters.IN_EACH_LANGUAGE, *exercises.IN_EACH_LANGUAGE):
        assert list(rule(Draft(translation))) == [], rule
    assert Draft(translation).is_run


def test_text_for_a_figure_is_as_long_as_its_language_needs(book):
    page = replace(book, language="zh")
    (alt,) = filter(None, map(pages.alt_of, Draft(page).code))
    for text, fits in ((alt[:16], True), (alt[:15], False)):
        for file in (page.source, page.notebook):
            edit(file, alt, text)
        alt = text
        assert (told(pages.alt_text, page) == "") == fits


def test_page_that_is_to_come_may_be_linked_to(book):
    page = replace(book, language="zh")
    other = page.folder / "05_autograd.ipynb"
    assert not other.exists()
    assert "(05_autograd.ipynb" in page.source.read_text("utf-8")
    original = book.root / other.name
    original.touch()
    assert other.name not in told(pages.links, page)
    original.unlink()
    assert "'05_autograd.ipynb' leads to no file" in told(pages.links, page)


def test_page_of_solutions_that_is_missing_is_named(book):
    book.solutions.source.unlink()
    said = told(exercises.solved, book)
    assert said.startswith("chapters/solutions/03_custom_layers.py is missing")


def test_page_of_solutions_that_is_of_another_is_told(book):
    edit(book.solutions.source, "# Solutions to chapter 03", "# Answers")
    edit(book.solutions.source, "[Write layers of your own]", "[Layers]")
    first, second = exercises.opening(Draft(book))
    assert "is to begin '# Solutions to chapter 03'" in first
    assert "lacks '[Write layers of your own](../03_custom_" in second


def test_chapter_that_does_not_link_back_is_named(book):
    other = book.root / "01_blocks.py"
    text = other.read_text("utf-8")
    other.write_text(text.replace(book.notebook.name, "x.ipynb"), "utf-8")
    assert told(chapters.needs, book) == (
        "chapters/01_blocks.py: 03_custom_layers needs it, and it doesn't "
        "link back; in its last section, link to 03_custom_layers.ipynb, then "
        "run `make run CH=01`"
    )


def test_row_that_is_missing_is_told_with_what_it_says(book):
    front = book.root / "index.md"
    text = front.read_text("utf-8")
    row = next(x for x in text.splitlines() if x.startswith("| 03 |"))
    front.write_text(text.replace(f"{row}\n", ""), "utf-8")
    said = told(chapters.row, book)
    assert said.startswith("chapters/index.md: the table lacks the row | 03 |")
    front.write_text(text.replace(row, row.rpartition(" | ")[0]), "utf-8")
    assert "is to have four cells" in told(chapters.row, book)


def test_check_of_another_chapter_is_told_where_it_belongs(book):
    module = checks.module_of(book)
    module.rename(module.with_name("other.py"))
    said = told(exercises.checked, book).splitlines()
    assert len(said) == len(Draft(book).exercises)
    for line in said:
        assert line.startswith("d2l_helpers/check/other.py:")
        assert line.endswith("move it to d2l_helpers/check/custom_layers.py")


def test_all_faults_are_named_at_once(book):
    for old in ("**You will learn**", "**You need**", "## Summary"):
        edit(book.source, old, "x")
    assert len(told(chapters.parts, book).splitlines()) == 3


def test_place_of_a_fault_is_its_line(book):
    edit(book.source, "(04_file_io.ipynb) keeps", "(04_f.ipynb) keeps")
    line = line_of(book.source, "(04_f.ipynb)")
    said = told(pages.links, book)
    place = re.escape(f"{book.shown()}:{line}, cell ")
    assert re.search(place + r"\d+: the link to '04_f\.ipynb' leads", said)


def test_untouched_copy_keeps_all_rules(book):
    draft = Draft(book)
    for rule in (*chapters.RULES, *exercises.RULES, blanks.blanks):
        assert list(rule(draft)) == [], rule
    assert draft.is_run


# What is seen once a page has run


def page_of(folder, *cells):
    """A page that has run, with these cells."""
    page = Page("en", "chapter", "03_small", folder)
    notebook = new_notebook(cells=[new_markdown_cell("# Draw"), *cells])
    page.source.write_text(files.script(notebook), "utf-8")
    pairs.remember(notebook)
    nbformat.write(notebook, page.notebook)
    return page


def figure(alt=None, data=None):
    """A cell that has drawn one."""
    output = new_output("display_data", data={**SVG, **PNG, **(data or {})})
    cell = new_code_cell("plot()", execution_count=1, outputs=[output])
    if alt:
        cell.metadata.mystnb = alt
    return cell


@pytest.mark.parametrize(
    ("alt", "words"),
    [
        (None, 'no alt text; say what there is to see, behind the mark of the '
         'cell: # %% mystnb={"image": {"alt": "..."}}'),
        ({"alt": "A curve"}, "no alt text"),
        ({"image": {"alt": "A curve"}}, "'A curve' isn't a description"),
        ({"image": {"alt": f"{'x' * 60}.png"}}, "isn't a description"),
    ],
)  # fmt: skip
def test_figure_without_a_description_is_named(tmp_path, alt, words):
    page = page_of(tmp_path, figure(ALT), figure(alt))
    said = told(pages.alt_text, page)
    assert re.search(r"03_small\.py:\d+, cell 3: ", said)
    assert words in said


def test_second_figure_of_a_section_is_named(tmp_path):
    section = new_markdown_cell("## A section")
    page = page_of(tmp_path, figure(ALT), section, figure(ALT), figure(ALT))
    (said,) = pages.one_figure(Draft(page))
    assert "cell 5: figure 2 in the section '## A section'" in said


def test_chapter_without_a_picture_is_told_how_to_get_one(tmp_path):
    page = page_of(tmp_path, new_code_cell("1", execution_count=1))
    assert "it needs a picture, for its card" in told(chapters.picture, page)
    page = page_of(tmp_path, figure(ALT))
    assert told(chapters.picture, page) == ""


def test_picture_in_one_format_is_told_what_is_missing(tmp_path):
    cell = figure(ALT)
    del cell.outputs[0].data["image/svg+xml"]
    said = told(chapters.picture, page_of(tmp_path, cell))
    assert "call `use_style()` of d2l_helpers in the first code cell" in said


def test_page_that_has_not_run_is_not_judged_by_its_outputs(tmp_path):
    page = page_of(tmp_path, figure())
    page.notebook.unlink()
    for rule in (pages.alt_text, pages.one_figure, chapters.picture):
        assert told(rule, page) == ""


@pytest.mark.parametrize(
    ("kind", "rule", "words"),
    [
        ("chapter", exercises.starters, "says 'solved', and should say 'bla"),
        ("solutions", exercises.solved, "says 'wrong', and should say 'solv"),
    ],
)
def test_check_that_says_something_else_is_named(book, kind, rule, words):
    page = replace(book, kind=kind)
    text = page.notebook.read_text("utf-8")
    for old, new in (("○ 3.1", "✓ 3.1"), ("✓ 3.2", "✗ 3.2")):
        text = text.replace(f'"{old}', f'"{new}')
    page.notebook.write_text(text, "utf-8")
    assert words in told(rule, book)


# Blanks


def test_blanks_are_named_with_their_places(book):
    edit(book.source, "# The simplest layer", "# TODO: why this one\n# The")
    module = checks.module_of(book)
    edit(module, '    "cut"', '    # TODO the hint\n    "cut"')
    front = book.root / "index.md"
    edit(front, "| 03 | [Write", "| 03 | TODO [Write")
    edit(front, "| 04 | [Save", "| 04 | TODO [Save")
    said = list(blanks.blanks(Draft(book)))
    assert len(said) == 3
    assert said[0].endswith(
        f"03_custom_layers.py:{line_of(book.source, 'TODO')}: why this one"
    )
    assert said[1].endswith(f":{line_of(module, 'TODO')}: the hint")
    assert f"index.md:{line_of(front, 'TODO')}: " in said[2]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("# TODO: the shapes, (n, d) -> (n,)", "the shapes, (n, d) -> (n,)"),
        (
            '    with case("TODO: the case, as X = [1]"):',
            "the case, as X = [1]",
        ),
        ('    "TODO the hint",', "the hint"),
        ("| 03 | TODO: what | TODO: links |", "what links"),
    ],
)
def test_blank_is_told_without_the_line_around_it(book, line, words):
    edit(book.source, "import copy", f"import copy\n{line}")
    said = [told.partition(": ")[2] for told in blanks.blanks(Draft(book))]
    assert " ".join(said) == words
