"""Each transform alone: what it does to a page, and what it leaves alone."""

import ast
import re
from dataclasses import replace

import nbformat
import pytest
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
    new_raw_cell,
)

from tools import files, pairs
from tools.course import Course, Edition
from tools.environment import ROOT, package_version
from tools.exercise import Exercise, exercises
from tools.page import chapters, front_page, pages, with_translations
from tools.staging import anchors
from tools.variants import (
    assignment,
    colab,
    download,
    handout,
    in_markdown,
    links,
    made,
    outputs,
    site,
    solutions,
    stored,
)
from tools.variants import (
    front_page as front,
)
from tools.words import words_of

(CHAPTER,) = chapters("03")
PUBLIC = Course("A", repository="https://github.com/owner/name")
LINKS = "See [the graph](05_autograd.ipynb#a-b) and [x](01_blocks.ipynb)."
TASK = Exercise(
    "3.1",
    "Squares",
    "Code",
    20,
    "As [chapter 01](01_blocks.ipynb#cell-id=x) and [map](index.md) say.",
    "squares = ...",
    "check.squares(squares)",
    "○ 3.1 Squares",
)


def notebook(*cells):
    return new_notebook(cells=[*cells])


def after(transform, *cells, page=CHAPTER):
    """The cells that a transform makes of some."""
    return transform(page, notebook(*cells)).cells


def sources(cells):
    return [cell.source for cell in cells]


# What all variants share


def test_variant_is_made_of_a_copy_in_order():
    before = notebook(new_markdown_cell("a"))
    double = in_markdown(lambda text: text * 2)
    ends = in_markdown(lambda text: f"{text}.")
    assert sources(made(CHAPTER, before, [double, ends]).cells) == ["aa."]
    assert sources(before.cells) == ["a"]


def test_transform_of_words_leaves_code_alone():
    cells = [new_markdown_cell("a"), new_code_cell("a"), new_raw_cell("a")]
    shout = in_markdown(str.upper, lambda text: f"{text}!")
    assert sources(after(shout, *cells)) == ["A!", "a", "a"]


@pytest.mark.parametrize("page", with_translations(pages()), ids=str)
@pytest.mark.parametrize("course", [PUBLIC, replace(PUBLIC, solutions=False)])
def test_every_variant_is_a_notebook(page, course):
    read = files.read_stored(page)
    for variant in (
        site.variant(Edition(course, page.language), anchors(page.language)),
        download.variant(course),
        colab.variant(course, "main"),
        handout.variant(course),
    ):
        nbformat.validate(made(page, read, variant))
    assert read == files.read_stored(page)


# Links


def test_link_to_a_chapter_that_is_left_out_becomes_text():
    without = links.without(["05_autograd"])
    assert without(LINKS) == "See the graph and [x](01_blocks.ipynb)."
    assert links.without([])(LINKS) == LINKS
    text = "[`x[0]`](./05_autograd.ipynb) [y](05_autograd.ipynb)"
    assert without(text) == "`x[0]` y"
    text = "[a](../05_autograd.ipynb) [b](solutions/05_autograd.ipynb#c)"
    assert without(text) == "a b"


def test_link_to_another_file_of_a_like_name_stays():
    for text in ("[a](105_autograd.ipynb)", "[a](05_autograd_2.ipynb)"):
        assert links.without(["05_autograd"])(text) == text


def test_link_to_a_solution_goes_with_its_line_or_sentence():
    text = (
        "*Code, 5 minutes.*\n[Solution](solutions/01_blocks.ipynb#cell-id=a)\n"
        "\nOne. Each has a [solution](solutions/01_blocks.ipynb). Two."
    )
    assert links.without_solutions(text) == "*Code, 5 minutes.*\n\nOne. Two."
    assert links.without_solutions(LINKS) == LINKS
    text = "One. They are [here](solutions/01_blocks.ipynb),\nwith `a.b`. Two."
    assert links.without_solutions(text) == "One. Two."
    for sentence in (
        "每道练习都有[完整的解答](solutions/01_blocks.ipynb)。",
        "完整的解答在[另外一页](solutions/01_blocks.ipynb)上。",
    ):
        assert links.without_solutions(f"一。{sentence}二。") == "一。二。"


def test_link_to_a_solution_goes_with_its_chinese_sentence():
    text = (
        "*编程，5分钟。*\n[解答](solutions/01_blocks.ipynb#cell-id=a)\n\n"
        "一。完整的解答，在[另外一页](solutions/01_blocks.ipynb)上。二。\n"
        "三。"
    )
    assert links.without_solutions(text) == "*编程，5分钟。*\n\n一。二。\n三。"
    assert links.without_solutions("一，[二](02_b.ipynb)。") == (
        "一，[二](02_b.ipynb)。"
    )


def test_link_to_a_cell_becomes_one_to_its_heading():
    text = "[a](01_blocks.ipynb#cell-id=exercise-1-1), [b](#cell-id=c)"
    to_headings = links.to_headings(
        {
            ("01_blocks.ipynb", "exercise-1-1"): "11-a-title",
            ("02_parameters.ipynb", "exercise-1-1"): "another",
        }
    )
    assert to_headings(text) == (
        "[a](01_blocks.ipynb#11-a-title), [b](#cell-id=c)"
    )


def test_link_of_a_chapter_leads_there_from_its_solutions():
    assert links.a_level_down(TASK.statement) == (
        "As [chapter 01](../01_blocks.ipynb#cell-id=x) and "
        "[map](../index.md) say."
    )


# Outputs


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("10%\r50%\r100%\ndone\n", "100%\ndone\n"),
        ("abc\rX\n", "Xbc\n"),
        ("abc\r", "abc"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("", ""),
    ],
)
def test_text_that_is_overwritten_is_shown_as_on_a_screen(printed, shown):
    cell = new_code_cell(outputs=[new_output("stream", text=printed)])
    (cell,) = after(outputs.overwritten, new_markdown_cell("a\rb"), cell)[1:]
    assert cell.outputs[0].text == shown


def test_outputs_for_programs_are_left_out():
    data = {"text/plain": "1", "application/vnd.d2l.report+json": {}}
    output = new_output("display_data", data)
    (cell,) = after(outputs.for_people, new_code_cell(outputs=[output]))
    assert cell.outputs[0].data == {"text/plain": "1"}


def test_styles_of_an_output_go():
    html = '<style>th {}</style><p style="color: red">a</p>'
    shown = new_output("display_data", {"text/html": html, "text/plain": "a"})
    printed = new_output("stream", text=html)
    cell = new_code_cell(outputs=[shown, printed])
    (cell,) = after(outputs.unstyled, cell)
    assert cell.outputs[0].data == {"text/html": "<p>a</p>", "text/plain": "a"}
    assert cell.outputs[1].text == html


# The site, and what it offers


def test_exercises_invite_to_where_they_can_be_solved():
    course = PUBLIC
    cells = [
        new_markdown_cell("## Exercises\n\nSolve them."),
        new_markdown_cell("## Summary\n\nNo Exercises."),
        new_code_cell("## Exercises\n"),
    ]
    inviting = site.inviting(Edition(course, "en"))
    first, *others = sources(after(inviting, *cells))
    assert first.startswith("## Exercises\n\nSolve them.\n\nNothing runs on")
    for name, address in course.places(CHAPTER).items():
        assert f"[{name}]({address})" in first
    assert first.endswith(
        "[JupyterLab on your computer](index.md#how-to-run-it)."
    )
    assert others == sources(cells[1:])


def question_and(*cells):
    return [new_markdown_cell("A layer.\n\nWhich shape?"), *cells]


def answer(*tags):
    printed = new_output("stream", text="(2, 3)")
    return new_code_cell("x", outputs=[printed], metadata={"tags": [*tags]})


@pytest.mark.parametrize(
    ("cells", "folded"),
    [
        (question_and(answer()), [True]),
        (question_and(answer("raises-exception")), [True]),
        (question_and(answer("look")), [False]),
        (question_and(new_code_cell("x")), [False]),  # has no output
        ([new_markdown_cell("Which?\n\nLook."), answer()], [False]),
        ([new_markdown_cell("The result, `a?b`."), answer()], [False]),
        ([new_markdown_cell("> **Pitfall.** Which?"), answer()], [True]),
        ([new_markdown_cell("## Which one?"), answer()], [False]),
        (question_and(new_code_cell("x"), answer("predict")), [False, True]),
        (question_and(answer(), answer()), [True, False]),
        (
            [new_markdown_cell("## Exercises"), *question_and(answer())],
            [False],
        ),
    ],
)
def test_outputs_to_predict_are_folded(cells, folded):
    after_it = after(site.folding, *cells)
    code = [cell for cell in after_it if cell.cell_type == "code"]
    assert [site.FOLDED in c.metadata.get("tags", []) for c in code] == folded
    page = CHAPTER.solutions
    assert after(site.folding, *cells, page=page) == cells


def test_translation_folds_what_its_original_folds(monkeypatch):
    (page,) = chapters("03", language="zh")
    monkeypatch.setattr(
        files, "read_stored", lambda _: notebook(*question_and(answer()))
    )
    cells = [new_markdown_cell("一层。\n\n形状是什么"), answer()]
    _, code = after(site.folding, *cells, page=page)
    assert site.FOLDED in code.metadata.tags


def test_download_leads_nowhere_that_a_course_lacks():
    text = f"{LINKS} Or see the [solution](solutions/01_blocks.ipynb)."
    course = Course("A", leave_out=["05"], solutions=False)
    for variant in (download.variant(course), handout.variant(course)):
        copy = made(CHAPTER, notebook(new_markdown_cell(text)), variant)
        assert sources(copy.cells) == [
            "See the graph and [x](01_blocks.ipynb)."
        ]
    whole = made(
        CHAPTER,
        notebook(new_markdown_cell(text)),
        download.variant(Course("A")),
    )
    assert sources(whole.cells) == [text]


def test_download_says_which_package_it_needs_and_from_where():
    plain = made(CHAPTER, notebook(), download.variant(Course("A")))
    assert plain.metadata.d2l == {"needs": package_version()}
    for variant in (download.variant(PUBLIC), colab.variant(PUBLIC, "a1")):
        about = made(CHAPTER, notebook(), variant).metadata.d2l
        assert about == {
            "needs": package_version(),
            "from": "git+https://github.com/owner/name@main",
        }


def test_handout_has_no_solutions_whatever_the_site_has():
    text = "One. Or see the [solution](solutions/01_blocks.ipynb)."
    copy = handout.variant(Course("A", solutions=True))
    cells = made(CHAPTER, notebook(new_markdown_cell(text)), copy).cells
    assert sources(cells) == ["One."]


def test_translation_names_its_language_where_no_folder_does():
    cells = [new_markdown_cell("# A"), new_code_cell("x"), new_code_cell("y")]
    for page in (CHAPTER, *CHAPTER.translations):
        for variant in (
            download.variant(Course("A")),
            [assignment.speaking],
        ):
            first, code, other = made(page, notebook(*cells), variant).cells
            assert (first.source, other.source) == ("# A", "y")
            tree = ast.parse(code.source)
            assert ast.unparse(tree.body[-1]) == "x"
            named = f"os.environ['D2L_LANGUAGE'] = '{page.language}'"
            assert (named in ast.unparse(tree)) == (not page.is_original)


def test_colab_says_in_the_language_of_the_page_what_it_does():
    (page,) = chapters("03", language="zh")
    first, code = after(colab.installing("a"), new_code_cell("x"), page=page)
    assert first.source.splitlines()[0] == f"# {words_of(page).colab}"
    assert "Colab lacks" not in first.source
    assert code.source == "x"


def test_colab_installs_first():
    cells = after(colab.installing("git+https://a.b/c@d"), new_code_cell("x"))
    assert cells[0].source == (
        "# Colab lacks what these chapters call: this cell installs it.\n"
        "%pip install --quiet git+https://a.b/c@d\n"
        "!python -m d2l_helpers.d2l_package"
    )
    assert cells[0].metadata.tags == [colab.COLAB_TAG]
    assert sources(cells[1:]) == ["x"]


def test_colab_has_no_link_to_a_page_of_text():
    text = "The [front page](index.md) and [a term](from_the_book.md#terms)."
    variant = colab.variant(PUBLIC, "main")
    _, cell = made(CHAPTER, notebook(new_markdown_cell(text)), variant).cells
    assert cell.source == "The front page and a term."


# What a run stores, and what a pull writes


def test_cells_are_named_by_what_they_are():
    cells = [
        new_markdown_cell("# A title, `x`"),
        new_markdown_cell("### 3.1 A name"),
        *(new_code_cell("x = 1") for _ in range(2)),
    ]
    ids = [cell.id for cell in after(stored.named, *cells)]
    assert ids[:2] == ["a-title-x", "exercise-3-1"]
    assert re.fullmatch("[0-9a-f]{8}", ids[2])
    assert ids[3] == f"{ids[2]}-2"


def test_traceback_has_no_paths_of_a_machine():
    frames = ["In [1]", "\x1b[36mFile \x1b[39m~/module.py:17", "Error"]
    failed = new_output("error", ename="E", evalue="", traceback=frames)
    cell = new_code_cell(outputs=[failed])
    (cell,) = after(stored.without_frames, cell)
    assert cell.outputs[0].traceback == ["In [1]", "Error"]


def test_notebook_says_how_it_is_paired_and_no_version():
    before = notebook()
    before.metadata.language_info = {"name": "python", "version": "3.11.7"}
    made_of = stored.with_settings({"a": True})(CHAPTER, before)
    assert made_of.metadata == {
        "language_info": {"name": "python"},
        "jupytext": {"a": True},
    }


def test_notebook_notes_what_it_is_made_from():
    copy = stored.remembering(CHAPTER, notebook(new_code_cell("x")))
    assert pairs.origin(copy) == pairs.digests(copy)


def test_script_gets_what_it_can_hold():
    cells = [
        new_code_cell("x\r\ny\n", metadata={"tags": ["a"], "collapsed": True}),
        new_code_cell(" \n"),
    ]
    (cell,) = after(stored.for_script, *cells)
    assert (cell.source, cell.metadata) == ("x\ny", {"tags": ["a"]})


# Solutions


def test_solution_begins_with_its_statement():
    cells = [
        new_markdown_cell("## 3.1 Another title\n\nAnother statement."),
        new_markdown_cell("## 3.2 Not asked"),
        new_code_cell("## 3.1 code"),
    ]
    transform = solutions.with_statements([TASK])
    first, *others = after(transform, *cells, page=CHAPTER.solutions)
    assert first.source == (
        "## 3.1 Squares\n\n*Code, 20 minutes.*\n"
        "[Exercise](../03_custom_layers.ipynb#cell-id=exercise-3-1)\n\n"
        f"{links.a_level_down(TASK.statement)}"
    )
    assert sources(others) == sources(cells[1:])


# An assignment


def test_assignment_keeps_the_title_alone():
    cells = [new_markdown_cell("# Layers\n\nText."), new_code_cell("x")]
    (cell,) = after(assignment.title_alone, *cells)
    assert cell.source.startswith("# Layers: exercises\n\nWrite your answer")


def test_assignment_opens_as_the_page_of_solutions():
    page = notebook(
        new_markdown_cell("# Solutions"),
        new_code_cell("import torch"),
        new_markdown_cell("## 3.1 Squares"),
        new_code_cell("squares = 1"),
    )
    cells = after(assignment.opening_as(page), new_markdown_cell("# A"))
    assert sources(cells) == ["# A", "import torch"]


def test_assignment_has_three_cells_for_an_exercise():
    cells = after(assignment.with_exercise(TASK, TASK))
    assert [cell.id for cell in cells] == [
        f"squares-{part}" for part in ("statement", "answer", "check")
    ]
    statement, answer, check = cells
    assert "*Code, 20 minutes, 4 points.*" in statement.source
    assert answer.source.startswith("squares = ...\n### BEGIN SOLUTION\n")
    assert answer.metadata.nbgrader.solution
    assert "report = check.squares(squares)\n" in check.source
    assert check.metadata.nbgrader.points == 4


def test_exercises_of_two_pages_must_match():
    task, *others = exercises(CHAPTER)
    with pytest.raises(ValueError, match="zip"):
        assignment.variant([task, *others], others, notebook())


# The front page


def front_text():
    return front_page().read_text("utf-8")


def test_row_of_a_chapter_is_read():
    row = front.row(front_text(), CHAPTER)
    assert row.number == "03"
    assert row.name == f"03 {files.title_of(files.read_stored(CHAPTER))}"
    assert "https://d2l.ai" in row.sections


@pytest.mark.parametrize("table", ["| a | b |\n", ""])
def test_chapter_without_a_row_is_named(table):
    with pytest.raises(LookupError, match="one row of four cells for 03_cust"):
        front.row(f"# Title\n\n{table}\n", CHAPTER)


def test_title_of_a_course_is_no_markdown():
    assert front.titled("A *b* [c] \\1")("# Old\n\n# Not this") == (
        "# A \\*b\\* \\[c\\] \\\\1\n\n# Not this"
    )


def test_cards_take_the_place_of_the_table():
    pictures = {CHAPTER: ("pictures/a.svg", "A tree. More of it.")}
    text = front.with_cards(pictures)(front_text())
    assert "- ![A tree.](pictures/a.svg)\n\n  03 [Write layers" in text
    assert "01_blocks.ipynb) |" not in text
    assert text.startswith(front_text()[:100])
    assert text[-100:] == front_text()[-100:]


def test_rows_of_chapters_that_are_left_out_go():
    text = front.without_rows(["03_custom_layers"])(front_text())
    assert set(front_text().splitlines()) - set(text.splitlines()) == {
        line for line in front_text().splitlines() if line.startswith("| 03 |")
    }


# Their room


EDITED = {"attachments", "cells", "execution_count", "outputs", "source"}


@pytest.mark.parametrize(
    "file",
    sorted((ROOT / "tools").glob("*.py")),
    ids=lambda file: file.name,
)
def test_no_other_module_edits_cells(file):
    written = {
        node.attr
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and not isinstance(node.ctx, ast.Load)
    }
    assert not written & EDITED
