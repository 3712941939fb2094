"""Pages without code can't drift: each section says what its original says."""

import shutil

import pytest

from tests import tiny_book
from tools import edition, files, page, texts
from tools.form.pages import broken_links
from tools.page import CHAPTERS, LANGUAGES
from tools.translation import BEHIND, UNMARKED, UNTRANSLATED

READS = ["*.md", "chapters/*", "site/*", "tools/*"]
ENGLISH = """\
# Add numbers

Two of them; see [chapter 08](08_sums.ipynb).

## How

You run `make lab`:

```sh
make lab   # it opens
# not a heading
```

## Why

So that it is $2$.
"""
CHINESE = """\
# 把数相加

两个数，见[第08章](08_sums.ipynb)。

## 怎样做

运行`make lab EDITION=zh`：

```sh
make lab   # 会打开
# 不是标题
```

## 为什么

这样才是$2$。
"""


@pytest.mark.parametrize("text", texts.texts(), ids=lambda t: t.shown())
def test_text_is_in_step(text):
    assert text.is_there
    assert list(text.problems()) == []


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_links_of_pages_of_text_lead_somewhere(language):
    for file in page.texts(language):
        found = broken_links(file.read_text("utf-8"), file.parent)
        assert list(found) == [], file


@pytest.mark.parametrize("language", LANGUAGES)
def test_front_page_lists_each_chapter_by_its_title(language):
    text = page.front_page(language).read_text("utf-8")
    for chapter in page.chapters(language=language):
        title = files.title_of(files.read_stored(chapter))
        link = f"| {chapter.number:02} | [{title}]({chapter.stem}.ipynb) |"
        assert text.count(f"\n{link}") == 1, link


def test_each_text_of_the_book_is_translated():
    shown = {text.shown() for text in texts.texts()}
    assert shown >= {
        f"{place}.md"
        for language in LANGUAGES[1:]
        for place in (
            f"README.{language}",
            f"chapters/{language}/index",
            f"chapters/{language}/from_the_book",
            f"site/pages/{language}/deploy",
            f"site/pages/{language}/teach",
            f"tools/handout.{language}",
        )
    }


def test_nothing_is_noted_of_a_text_that_is_gone():
    there = [text.shown() for text in texts.texts()]
    for language in LANGUAGES[1:]:
        noted = texts._read(CHAPTERS / language / texts.NOTED)
        assert noted.keys() <= {*there}
    for text in texts.texts():
        headings = [texts.heading(section.said) for section in text.sections]
        assert [*text.noted] == headings


# In a small book


@pytest.fixture
def zh(tmp_path, monkeypatch):
    """A page without code, which is up to date, and in git."""
    root = tmp_path / "chapters"
    (root / "zh").mkdir(parents=True)
    monkeypatch.setattr("tools.page.CHAPTERS", root)
    for name in ("words.toml", "terms.toml"):
        shutil.copy(CHAPTERS / "zh" / name, root / "zh")
    (root / "index.md").write_text(ENGLISH, "utf-8")
    (root / "zh/index.md").write_text(CHINESE, "utf-8")
    (zh,) = texts.texts()
    zh.accept([1, 2, 3])
    tiny_book.git(tmp_path, "init", "-q")
    tiny_book.commit(tmp_path)
    return zh


def edit(file, old, new):
    text = file.read_text("utf-8")
    assert old in text, old
    file.write_text(text.replace(old, new, 1), "utf-8")


def states(text):
    return [(section.number, section.state) for section in text.behind]


def test_text_that_is_up_to_date_passes(zh, capsys):
    assert (list(zh.problems()), states(zh)) == ([], [])
    for command in ("sync", "stale", "accept"):
        for which in (zh.file, zh.original):
            assert edition.main([command, str(which)]) == 0
    assert capsys.readouterr().out.count("zh/index.md is up to date") == 6


def test_nothing_of_it_is_on_the_page(zh):
    assert zh.file.read_text("utf-8") == CHINESE


def test_sentence_that_changed_is_shown_beside_what_is_said(zh, capsys):
    edit(zh.original, "So that", "Else")
    assert states(zh) == [(3, BEHIND)]
    assert list(zh.problems()) == []
    assert list(texts.to_do()) == [
        "chapters/zh/index.md is to be translated in sections 3"
    ]
    assert edition.main(["stale"]) == 1
    said = capsys.readouterr().out
    assert "chapters/zh/index.md, section 3 (为什么) is behind" in said
    assert "[-So that-]{+Else+} it is $2$." in said
    assert "    这样才是$2$。" in said
    assert "run `make accept CH=chapters/zh/index.md CELL=3`" in said
    assert edition.main(["accept", str(zh.file), "3"]) == 0
    assert edition.main(["stale"]) == 0


def test_section_that_changed_is_accepted_alone(zh):
    edit(zh.original, "Two of them", "Three of them")
    edit(zh.original, "So that it is", "Else it isn't")
    assert states(zh) == [(1, BEHIND), (3, BEHIND)]
    assert edition.main(["accept", str(zh.file), "3"]) == 0
    assert states(zh) == [(1, BEHIND)]


def test_new_section_is_named_and_then_kept_track_of(zh, capsys):
    edit(zh.original, "## Why", "## When\n\nNow.\n\n## Why")
    for command in ("sync", "stale", "accept"):
        assert edition.main([command, str(zh.file)]) == 1
        said = capsys.readouterr().out
        assert "has other sections than" in said
        assert "new or changed there: When)" in said
    edit(zh.file, "## 为什么", "## 什么时候\n\n现在。\n\n## 为什么")
    (problem,) = zh.problems()
    assert "section 3 (什么时候)" in problem
    assert UNMARKED in problem
    assert edition.main(["accept", str(zh.file), "3"]) == 0
    assert (list(zh.problems()), states(zh)) == ([], [])


def test_section_that_went_is_named(zh, capsys):
    edit(zh.original, "## Why\n\nSo that it is $2$.\n", "")
    assert edition.main(["sync", str(zh.file)]) == 1
    assert "not of it as it is: 为什么" in capsys.readouterr().out


def test_section_that_moved_is_out_of_step(zh):
    _, first, _ = texts.sections(ENGLISH)
    moved = ENGLISH.replace(first, "").rstrip() + f"\n\n{first}\n"
    zh.original.write_text(moved, "utf-8")
    (problem,) = zh.problems()
    assert "in another order (moved)" in problem


def test_section_whose_heading_changed_is_to_be_accepted(zh):
    edit(zh.file, "## 为什么", "## 原因")
    (problem,) = zh.problems()
    assert "section 3 (原因): doesn't say what it translates" in problem
    assert edition.main(["accept", str(zh.file)]) == 0
    assert list(zh.problems()) == []


def test_page_that_is_missing_is_begun(zh, capsys):
    zh.file.unlink()
    assert list(texts.to_do()) == ["chapters/zh/index.md is missing"]
    assert edition.main(["stale"]) == 0
    assert (
        "run `make sync CH=chapters/zh/index.md` to begin"
        in capsys.readouterr().out
    )
    assert edition.main(["sync", str(zh.file)]) == 0
    assert "To translate: 3 of its sections" in capsys.readouterr().out
    assert zh.file.read_text("utf-8") == ENGLISH
    assert [state for _, state in states(zh)] == [UNTRANSLATED] * 3
    assert edition.main(["accept", str(zh.file), "1"]) == 1
    assert "is not translated yet: translate it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("(08_sums.ipynb)", "(07_sums.ipynb)", "other links: lacks 08_sums"),
        ("`make lab ", "`make progress ", "other inline code: lacks `make l"),
        ("make lab   #", "make test   #", "other code, but for comments"),
        ("$2$", "$3$", "other formulas: lacks 2 and adds 3"),
        ("两个数，", "两个数,", "half-width punctuation"),
        ("第08章", "第 08 章", "a space beside a Chinese letter"),
        ("这样才是", "This is why it is so, as you see", "English prose"),
        ("两个数", "两个结点", "for which the glossary has '节点'"),
        ("## 怎样做", "## 为什么", "two sections that are called 为什么"),
    ],
)
def test_fault_of_a_translation_is_named(zh, old, new, told):
    edit(zh.file, old, new)
    found = list(zh.problems())
    assert any(told in line for line in found), found
    assert all("chapters/zh/index.md" in line for line in found)


@pytest.mark.parametrize(
    ("old", "new"),
    [("  # 会打开", "  # 打开首页"), ("08_sums.ipynb", "08_sums.ipynb")],
)
def test_comment_in_code_may_be_translated(zh, old, new):
    edit(zh.file, old, new)
    assert list(zh.problems()) == []


def test_place_that_is_not_there_is_refused(zh, capsys):
    assert edition.main(["accept", str(zh.file), "4"]) == 1
    assert "has sections 1 to 3" in capsys.readouterr().out


def test_notes_that_cannot_be_read_are_named(zh, capsys):
    (zh.file.with_name(texts.NOTED)).write_text("[a", "utf-8")
    assert edition.main(["stale", str(zh.file)]) == 1
    assert "zh/texts.toml can't be read" in capsys.readouterr().out


def test_text_before_code_is_not_taken_for_code():
    section = (
        "```text\na folder\n```\n\nProse.\n\n```sh\nmake lab  # it\n```\n"
    )
    assert texts.code(section) == ["make lab\n"]
