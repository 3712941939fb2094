"""A translation can't drift: what it lacks is brought, shown or refused."""

import os
import re
import shutil
import time
from dataclasses import replace

import nbformat
import pytest

from d2l_helpers.check import _language
from tests import tiny_book
from tests.tiny_book import edit
from tools import book, edition, files, gate, statements
from tools.course import Course, Edition
from tools.environment import ROOT
from tools.exercise import exercises
from tools.translation import (
    BEHIND,
    UNMARKED,
    UNTRANSLATED,
    Translation,
    store,
    to_do,
)
from tools.variants import made, site, translated


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A book whose translation is up to date."""
    return tiny_book.begin(tmp_path_factory.mktemp("tiny") / "chapters")


@pytest.fixture
def zh(begun, tmp_path, monkeypatch):
    """The Chinese chapter in a copy of it, which is all that there is."""
    root = shutil.copytree(begun.root, tmp_path / "chapters")
    monkeypatch.setattr("tools.page.CHAPTERS", root)
    return replace(begun, root=root)


def problems(page):
    return list(gate.problems(page))


def behind(page):
    return [(c.number, c.state) for c in Translation(page).behind]


def prose(page):
    cells = files.read_source(page).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def test_translation_that_is_up_to_date_passes(zh):
    for page in (zh, zh.solutions):
        assert problems(page) == []
        assert behind(page) == []
    assert edition.main(["stale"]) == 0


def test_source_says_which_cell_each_one_translates(zh):
    heads = re.findall("^# %%.*", zh.source.read_text("utf-8"), re.MULTILINE)
    noted = [re.search(r' translates="[0-9a-f]{8}"', head) for head in heads]
    # Not the first code cell, nor the check: they are the original's.
    assert [bool(found) for found in noted] == [
        *(True, True, False, True, True, True, True, False)
    ]


# The notebook


def test_notebook_is_derived_from_the_original(zh, monkeypatch):
    said = {"not solved yet": "还没有解出"}
    catalogs = {"zh": lambda text: said.get(text, text)}
    monkeypatch.setattr(_language, "_catalog", catalogs.get)
    store(zh)
    old, new = files.read_stored(zh.original), files.read_stored(zh)
    assert [cell.id for cell in new.cells] == [cell.id for cell in old.cells]
    assert new.cells[0].source.startswith("# 把数相加\n")
    for cell, other in zip(old.cells[:-1], new.cells[:-1], strict=True):
        if cell.cell_type == "code":
            assert other.outputs == cell.outputs
            assert other.execution_count == cell.execution_count
    (output,) = new.cells[-1].outputs
    assert output.data["text/plain"].startswith("○ 8.1 Twice: 还没有解出\n")
    assert "**○ 8.1 Twice: 还没有解出**" in output.data["text/markdown"]


def test_notebook_that_is_not_what_is_derived_is_refused(zh):
    text = zh.notebook.read_text("utf-8")
    zh.notebook.write_text(text.replace('"2"', '"3"', 1), "utf-8")
    (problem,) = problems(zh)
    assert "08_sums.ipynb isn't what its source and the original" in problem
    assert "`make run CH=chapters/zh/08_sums.py`" in problem
    assert book.main(["run", str(zh.source)]) == 0
    assert problems(zh) == []


def test_notebook_keeps_what_only_it_has(zh, capsys):
    notebook = files.read_stored(zh)
    notebook.cells[0].source += "多一句。"
    nbformat.write(notebook, zh.notebook)
    before = zh.notebook.read_bytes()
    for command in (book.main, edition.main):
        name = "run" if command == book.main else "sync"
        assert command([name, str(zh.source)]) == 1
        assert "make pull CH=chapters/zh/08_sums.py" in capsys.readouterr().out
    assert zh.notebook.read_bytes() == before
    assert book.main(["pull", str(zh.source)]) == 0
    assert prose(zh)[0].endswith("多一句。")
    assert behind(zh) == []
    assert book.main(["run", str(zh.source)]) == 0
    assert problems(zh) == []


@pytest.mark.parametrize("kind", ["ipynb", "py"])
def test_marks_stay_in_jupyterlab(zh, kind):
    from jupyter_server.services.contents.largefilemanager import (
        LargeFileManager,
    )
    from jupytext.sync_contentsmanager import (
        build_sync_jupytext_contents_manager_class,
    )

    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)()
    manager.root_dir = str(zh.folder)
    shutil.copy(ROOT / "jupytext.toml", zh.folder)
    os.utime(zh.source, (time.time() + 5,) * 2)
    before = zh.source.read_text("utf-8")
    model = manager.get(f"08_sums.{kind}", type="notebook")
    manager.save(model, model["path"])
    assert files.readable(zh.source.read_text("utf-8")) == before
    model["content"].cells[3].source = "图中有一条直线：`[1, 2]`。"
    manager.save(model, model["path"])
    assert "# 图中有一条直线：" in zh.source.read_text("utf-8")
    assert book.main(["run", str(zh.source)]) == 0
    assert (problems(zh), behind(zh)) == ([], [])


def test_run_executes_the_original_and_derives_the_translation(zh, capsys):
    edit(zh.original, "plt.plot([x])", "[x]")
    edit(zh, "plt.plot([x])", "[x]")
    for page in (zh.original, zh):
        edit(page, "check.twice(twice)", "None")
    zh.solutions.source.unlink()
    zh.original.solutions.source.unlink()
    assert book.main(["run", "08"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("08_sums ... 4 cells in ")
    assert said[2] == "zh/08_sums ... made from the original"
    old, new = files.read_stored(zh.original), files.read_stored(zh)
    assert old.cells[4].outputs[0].data["text/plain"] == "[1]"
    assert new.cells[4].outputs == old.cells[4].outputs


def test_translation_out_of_step_waits_when_its_original_runs(
    zh, capsys, monkeypatch
):
    def run(page, force):
        tiny_book.run(page)
        return files.read_stored(page)

    monkeypatch.setattr(book, "run", run)
    monkeypatch.setattr(book.warm_kernels, "use", str)
    monkeypatch.setattr(book.warm_kernels, "preload", lambda: None)
    edit(zh.original, "# %%\nx = 1", "# %%\nnew = 0\n\n# %%\nx = 1")
    before = zh.notebook.read_bytes()
    assert book.main(["run", "08"]) == 0
    told = capsys.readouterr().out
    what = "chapters/zh/08_sums.py, cell 3 has other code than the original"
    assert f"zh/08_sums ... it waits: {what}: run `make sync CH=08`" in told
    assert zh.notebook.read_bytes() == before
    # Named alone, it can't be made.
    assert book.main(["run", str(zh.source)]) == 1
    assert f"not stored: {what}: run `make sync" in capsys.readouterr().out
    assert edition.main(["sync", "08"]) == 0
    assert book.main(["run", "08"]) == 0
    assert "zh/08_sums ... made from the original" in capsys.readouterr().out


def test_site_names_what_brings_a_translation_into_step(zh):
    """As `make links` asks for it, before a test has looked."""
    home = Edition(Course("A course"), "zh")
    edit(zh.original, "# %%\nx = 1", "# %%\nnew = 0\n\n# %%\nx = 1")
    tiny_book.run(zh.original)
    for transform in (site.marking(home), site.folding):
        with pytest.raises(
            ValueError, match="8 cells, and its original 9"
        ) as e:
            transform(zh, files.read_stored(zh))
        assert str(e.value).endswith("run `make sync CH=08`")
    assert edition.main(["sync", "08"]) == 0
    site.folding(zh, files.read_stored(zh))


def test_pages_that_run_are_the_originals(zh, capsys):
    for which in ("", "08", str(zh.source)):
        assert book.main(["list", which] if which else ["list"]) == 0
        first, *_ = capsys.readouterr().out.splitlines()
        assert first == "chapters/08_sums.ipynb"


# Behind the original


def test_what_is_to_be_translated_is_listed(zh):
    assert list(to_do([zh.original, zh.original.solutions])) == []
    edit(zh.original, "What is the sum", "How much is the sum")
    edit(zh.original, "line that rises", "line that falls")
    zh.solutions.source.unlink()
    assert list(to_do([zh.original, zh.original.solutions])) == [
        "chapters/zh/08_sums.py is to be translated in cells 2, 5",
        "chapters/zh/solutions/08_sums.py is missing",
    ]


def test_sentence_that_changed_is_shown_beside_what_is_said(zh, capsys):
    edit(zh.original, "What is the sum", "How much is the sum")
    tiny_book.run(zh.original)
    assert behind(zh) == [(2, BEHIND)]
    assert problems(zh) == []
    assert edition.main(["stale", "08"]) == 1
    said = capsys.readouterr().out
    assert "    [-What-]{+How much+} is the sum of the two?" in said
    assert "    两数之和是多少？" in said
    assert "make accept CH=chapters/zh/08_sums.py CELL=2" in said
    assert edition.main(["accept", str(zh.source), "2"]) == 0
    assert behind(zh) == []
    assert edition.main(["stale", "08"]) == 0
    assert problems(zh) == []


def test_text_for_a_figure_that_changed_is_shown(zh, capsys):
    edit(zh.original, "A line that rises", "A line that falls")
    assert behind(zh) == [(5, BEHIND)]
    assert edition.main(["stale", "08"]) == 1
    said = capsys.readouterr().out
    assert "    A line that [-rises.-]{+falls.+}" in said
    assert "    一条上升的线。" in said


def test_docstring_that_changed_is_shown_where_it_is_translated(zh):
    edit(zh.original, "Double a number", "Double the number")
    assert behind(zh) == [(7, BEHIND)]
    edit(zh.original, "# the first number", "# the only number")
    assert UNMARKED in problems(zh)[0]  # and nobody has translated it
    assert edition.main(["sync", "08"]) == 0
    assert "# the only number" in zh.source.read_text("utf-8")
    assert behind(zh) == [(7, BEHIND)]


def test_what_no_commit_has_is_shown_as_it_is_now(zh, capsys):
    shutil.rmtree(zh.root / ".git")
    edit(zh.original, "What is the sum", "How much is the sum")
    assert edition.main(["stale", "08"]) == 1
    said = capsys.readouterr().out
    assert "(no commit has what it was)\n" in said
    assert "    How much is the sum of the two?" in said


def test_cell_of_one_page_alone_can_be_accepted(zh, capsys):
    assert edition.main(["accept", "08", "2"]) == 2
    assert "CH=chapters/zh/08_sums.py or CH=" in capsys.readouterr().err
    assert edition.main(["accept", str(zh.source), "99"]) == 1
    assert "has cells 1 to 8" in capsys.readouterr().out


def test_what_is_not_translated_is_not_accepted(zh, capsys):
    edit(
        zh,
        "# 图中有一条线：`[1, 2]`。",
        "# The picture shows a line: `[1,\n# 2]`.",
    )
    assert edition.main(["accept", str(zh.source), "4"]) == 1
    assert "is not translated yet: translate it" in capsys.readouterr().out
    assert edition.main(["accept", str(zh.source)]) == 0
    assert behind(zh) == [(4, UNTRANSLATED)]


def test_part_that_is_behind_is_marked_with_a_link(zh):
    notebook = files.read_stored(zh)
    marked = made(zh, notebook, [translated.marked({2, 4})])
    assert marked.cells[1].source.startswith(
        "## 和\n\n> 这一段还没有跟上[英文版](../08_sums.ipynb#cell-id=a-sum)"
        "的改动。\n\n两数"
    )
    assert marked.cells[3].source.startswith("> 这一段还没有跟上")
    assert marked.cells[0] == notebook.cells[0]


# Out of step


def test_new_cell_comes_in_its_place_untranslated(zh, capsys):
    new = "# %% [markdown]\n# A new line of words.\n\n# %% [markdown]\n"
    edit(zh.original, "# %% [markdown]\n# The picture", f"{new}# The picture")
    (problem,) = problems(zh)
    assert "cell 4 " in problem
    assert "make sync CH=08" in problem
    tiny_book.run(zh.original)
    assert edition.main(["sync", "08"]) == 0
    assert "To translate: 1 of its cells" in capsys.readouterr().out
    assert prose(zh)[2:4] == [
        "A new line of words.",
        "图中有一条线：`[1, 2]`。",
    ]
    assert behind(zh) == [(4, UNTRANSLATED)]
    assert problems(zh) == []
    assert edition.main(["stale"]) == 1
    assert "Translate it, and store the page" in capsys.readouterr().out
    edit(zh.original, "A new line", "A new row")
    assert edition.main(["sync", "08"]) == 0
    assert prose(zh)[2] == "A new row of words."
    edit(zh, "A new row of words.", "新的一行。")
    assert behind(zh) == []


def test_code_comes_with_its_remarks_in_chinese(zh):
    edit(zh.original, "x + 1", "x + 2")
    edit(zh.original, "    ...\n", "    x = ...\n")
    assert "cell 3 has other code than the original" in problems(zh)[0]
    tiny_book.run(zh.original)
    assert edition.main(["sync", "08"]) == 0
    source = zh.source.read_text("utf-8")
    assert "x = 1  # the first number\nx + 2\n" in source
    assert '    """把一个数变成两倍。"""\n    x = ...\n' in source
    assert (problems(zh), behind(zh)) == ([], [])


def test_code_whose_remarks_do_not_fit_stays(zh, capsys):
    edit(zh.original, "    ...\n", "    x = ...  # new\n")
    before = zh.source.read_bytes()
    assert edition.main(["sync", "08"]) == 1
    said = capsys.readouterr().out
    assert "cell 7 has other code than the original: mend it by hand" in said
    assert zh.source.read_bytes() == before


def test_cells_that_moved_move_along(zh):
    text = zh.original.source.read_text("utf-8")
    head, first, second, *rest = text.split("# %%")
    moved = "# %%".join([head, second, first, *rest])
    zh.original.source.write_text(moved, "utf-8")
    assert "cell 1 translates another one" in problems(zh)[0]
    tiny_book.run(zh.original)
    assert edition.main(["sync", "08"]) == 0
    assert [text[:5] for text in prose(zh)[:2]] == ["## 和\n", "# 把数相"]
    assert (problems(zh), behind(zh)) == ([], [])


def test_cell_that_moved_and_changed_is_found_by_what_it_was(zh):
    text = zh.original.source.read_text("utf-8")
    head, first, second, *rest = text.split("# %%")
    second = second.replace("What is the sum", "How much is the sum")
    more = " [markdown]\n# Other words, quite new.\n\n"
    moved = "# %%".join([head, first, *rest, more, second])
    zh.original.source.write_text(moved, "utf-8")
    tiny_book.run(zh.original)
    assert edition.main(["sync", "08"]) == 0
    assert prose(zh)[-2:] == [
        "Other words, quite new.",
        "## 和\n\n两数之和是多少？见[上文](#cell-id=add-numbers)。",
    ]


def test_exercise_that_changed_is_found_by_its_number(zh):
    shutil.rmtree(zh.root / ".git")
    new = "# %% [markdown]\n# A new line of words.\n\n# %% [markdown]\n"
    edit(zh.original, "# %% [markdown]\n# ### 8.1", f"{new}# ### 8.1")
    edit(zh.original, "Write a function", "Write one")
    tiny_book.run(zh.original)
    assert edition.main(["sync", "08"]) == 0
    assert behind(zh) == [(6, UNTRANSLATED), (7, BEHIND)]
    assert prose(zh)[-1].endswith("写一个函数，返回两倍。")


@pytest.mark.parametrize("force", [False, True])
def test_cell_that_went_stays_until_it_is_taken_out(zh, force, capsys):
    edit(
        zh.original,
        "# %% [markdown]\n# The picture shows a line: `[1,\n# 2]`.\n\n",
        "",
    )
    assert "cell 4 isn't one of the original" in problems(zh)[0]
    arguments = ["sync", "08", *["--force"] * force]
    tiny_book.run(zh.original)
    assert edition.main(arguments) == (0 if force else 1)
    assert ("图中有一条线：`[1, 2]`。" in prose(zh)) != force
    assert ("    图中有一条线：`[1, 2]`。" in capsys.readouterr().out) != force
    assert (problems(zh) == []) == force


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("x + 1", "x + 2", False),
        ("x = 1  #", "y = 1  #", False),
        ("    ...\n", "    ...\n    return x\n", False),
        ("# the first number", "# 第一个数", True),
        ("把一个数变成两倍", "返回两倍", True),
    ],
)
def test_code_of_a_translation_is_that_of_the_original(zh, old, new, same):
    edit(zh, old, new)
    found = Translation(zh).out_of_step
    assert ("has other code than the original" in found) != same
    if not same:
        assert edition.main(["sync", "08"]) == 0
        assert (problems(zh), behind(zh)) == ([], [])


def test_tags_are_those_of_the_original(zh):
    edit(zh.original, 'tags=["x"] ', "")
    assert "cell 5 has other tags" in problems(zh)[0]
    tiny_book.run(zh.original)
    assert edition.main(["sync", "08"]) == 0
    assert (problems(zh), behind(zh)) == ([], [])
    assert "一条上升的线" in zh.source.read_text("utf-8")


def test_page_is_begun_with_what_is_to_be_translated(zh, capsys):
    before = {page: prose(page) for page in (zh, zh.solutions)}
    for page in before:
        page.source.unlink()
        page.notebook.unlink()
    assert edition.main(["sync"]) == 0
    assert "08_sums.py is missing" in capsys.readouterr().out
    assert edition.main(["sync", "08"]) == 0
    assert behind(zh) == [(n, UNTRANSLATED) for n in (1, 2, 4, 5, 6)]
    assert behind(zh.solutions) == [(1, UNTRANSLATED), (3, UNTRANSLATED)]
    for page in before:
        assert problems(page) == []
    assert prose(zh) == prose(zh.original)


def test_text_for_a_figure_can_be_read_in_the_source(zh):
    text = zh.source.read_text("utf-8")
    assert '"alt": "一条上升的线。"' in text
    escaped = text.replace('升的线。"', r'升的\u7ebf\u3002"')
    assert escaped != text
    assert files.readable(escaped) == text
    assert files.readable(r"# \u7ebf") == r"# \u7ebf"
    for alt in ("a\\u0007", "a\\n", "a\\\\u7ebf"):
        line = f'# %% mystnb={{"image": {{"alt": "{alt}"}}}}'
        assert files.readable(line) == line


def test_sync_of_what_is_in_step_writes_nothing(zh):
    before = zh.source.stat().st_mtime_ns
    assert edition.main(["sync", "08"]) == 0
    assert zh.source.stat().st_mtime_ns == before


def test_cell_without_a_mark_is_refused_until_it_is_accepted(zh):
    text = zh.source.read_text("utf-8")
    text = re.sub(r' translates="\w+"', "", text)
    zh.source.write_text(text, "utf-8")
    assert all(UNMARKED in line for line in problems(zh)[1:-1])
    assert edition.main(["sync", str(zh.source), "--force"]) == 1
    assert prose(zh)[0].startswith("# 把数相加")
    assert edition.main(["accept", str(zh.source)]) == 0
    assert (problems(zh), behind(zh)) == ([], [])


# What a translation must share, and what it must not have


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("#cell-id=add-numbers", "#cell-id=把数相加", "other links: lacks"),
        ("`a`", "`A`", "other inline code: lacks `a` and adds `A`"),
        ("$b$", "$c$", "other formulas: lacks b and adds c"),
        ("## 和", "### 和", "other headings: lacks ## and adds ###"),
        ("两数之和", "The sum of two, 两数之和", "half-width punctuation"),
        ("两数之和", "这里, 两数之和", "half-width punctuation, in '"),
        ("两数之和", "两数(x的)之和", "half-width brackets"),
        ("两数之和", "两数 x之和", "a space beside a Chinese letter"),
        ("两数之和", "两数，\n# 之和", "a line that ends within a sentence"),
        ("图中有一条线：`[1, 2]`。", "There is one line.", "English prose"),
        ("图中", "图中a line is drawn that rises and falls有", "English pr"),
        ("图中", "自动求导图中", "for which the glossary has '自动微分'"),
        ("图中有", "**图中：**有", "stars that are shown"),
        ("图中有", "**Idea.** 图中有", "the English words '**Idea.**'"),
        ("编程，20分钟。", "Code, 20 minutes.", "the English words '*Code"),
        ("一条上升的线。", "一条上升的线, 一条", "half-width punctuation"),
    ],
)
def test_fault_of_a_translation_is_named(zh, old, new, told):
    edit(zh, old, new)
    assert book.main(["run", str(zh.source)]) == 0
    found = problems(zh)
    assert any(told in line for line in found), found
    assert all("chapters/zh/08_sums.py, cell " in line for line in found)


def test_link_of_the_book_may_be_that_of_the_language(zh):
    edit(zh, "https://zh.d2l.ai/sum.html", "https://zh.d2l.ai/other.html")
    assert book.main(["run", str(zh.source)]) == 0
    assert problems(zh) == []


# Exercises


def test_exercises_are_read_in_each_language(zh):
    (task,), (solved,) = exercises(zh), exercises(zh.solutions)
    assert (task.title, task.kind, task.minutes) == ("两倍", "Code", 20)
    assert (task.statement, task.state) == ("写一个函数，返回两倍。", "blank")
    assert solved.state == "solved"


def test_statement_comes_from_the_chapter_of_its_language(zh):
    edit(zh, "写一个函数", "写个函数")
    statements.copy_statements(zh)
    assert "写个函数" in prose(zh.solutions)[1]
    assert (
        "[练习](../08_sums.ipynb#cell-id=exercise-8-1)"
        in prose(zh.solutions)[1]
    )
    store(zh.solutions)
    assert (problems(zh.solutions), behind(zh.solutions)) == ([], [])


def test_new_exercise_comes_to_both_pages(zh):
    for page in (zh.original, zh.original.solutions):
        text = page.source.read_text("utf-8")
        start = re.search(r"# %% \[markdown\]\n# #+ 8\.1", text).start()
        second = text[start:].replace("8.1", "8.2").replace("8-1", "8-2")
        second = second.replace("doubles", "triples")
        page.source.write_text(f"{text}\n{second}", "utf-8")
        tiny_book.run(page)
    assert edition.main(["sync", "08"]) == 0
    assert "\n# Write a function that triples." in zh.source.read_text("utf-8")
    assert "Write a function that triples." in prose(zh.solutions)[3]
    assert "*编程，20分钟。*" in prose(zh.solutions)[3]
    assert [number for number, _ in behind(zh.solutions)] == [7]
    assert problems(zh.solutions) == []


# Another language


def test_third_language_is_a_folder_and_a_word(zh, monkeypatch, capsys):
    monkeypatch.setattr("tools.page.LANGUAGES", ("en", "zh", "eo"))
    eo = replace(zh, language="eo")
    assert edition.main(["sync", "08"]) == 1
    assert "eo/words.toml is missing" in capsys.readouterr().out
    eo.source.unlink(missing_ok=True)
    words = (zh.home / "words.toml").read_text("utf-8")
    words = re.sub('script = ".*"', 'script = ""', words)
    words = words.replace("编程，20分钟", "Kodo, 20")
    eo.home.mkdir(exist_ok=True)
    (eo.home / "words.toml").write_text(words, "utf-8")
    assert edition.main(["sync", "08"]) == 0
    edit(eo, "# Add numbers", "# Sumigu")
    assert edition.main(["stale", str(eo.source)]) == 1
    assert book.main(["run", str(eo.source)]) == 0
    assert problems(eo) == []
    assert files.read_stored(eo).cells[0].source.startswith("# Sumigu")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("learn = ", "lern = ", "look at learn, lern"),
        ("learn = ", "learn ", "can't be read"),
    ],
)
def test_words_that_are_missing_are_named(zh, old, new, told):
    file = zh.home / "words.toml"
    file.write_text(file.read_text("utf-8").replace(old, new, 1), "utf-8")
    page = replace(zh, root=zh.root)
    with pytest.raises(ValueError, match=told):
        Translation(page)
