"""The page with the glossary: each term leads to where it is taught."""

import re

import pytest

from tools import files, glossary
from tools.page import GLOSSARY, LANGUAGES, chapters, front_page
from tools.terms import Term, terms_of
from tools.variants.links import NAME

READS = ["chapters/*"]
EACH = pytest.mark.parametrize("language", LANGUAGES)
TERMS = terms_of(chapters()[0].translations[0])
TAUGHT = [term for term in TERMS if term.taught]
ROW = re.compile(rf"\| (.+) \| (.+) \| (.+) \| {NAME}\((.+)\) \|")


@EACH
def test_page_is_what_the_terms_give(language):
    text = glossary.file_of(language).read_text("utf-8")
    assert text == glossary.glossary(language), "python -m tools.glossary"


@EACH
def test_each_term_has_a_row_that_links(language):
    rows = ROW.findall(glossary.file_of(language).read_text("utf-8"))
    names = [{first, second} for first, second, *_ in rows]
    for term in TAUGHT:
        assert names.count({term.english, term.said}) == 1, term
    assert len(rows) == len(TAUGHT) > 80
    assert [row[4] for row in rows] == [
        term.taught
        for first, *_ in rows
        for term in TAUGHT
        if first in (term.english, term.said)
    ]


def said(term, language):
    """What the section says that teaches a term, in a line."""
    return " ".join(" ".join(glossary.sections(term, language)).split())


@pytest.mark.parametrize("term", TAUGHT, ids=lambda term: term.english)
def test_section_says_the_term_that_it_teaches(term):
    assert term.said in said(term, LANGUAGES[1])
    words = "|".join(map(re.escape, (term.english, *term.also)))
    assert re.search(rf"\b({words})", said(term, LANGUAGES[0]), re.IGNORECASE)


def test_term_that_a_page_introduces_is_taught():
    """The English word is in brackets behind it."""
    text = "\n".join(
        cell.source
        for chapter in chapters(language=LANGUAGES[1])
        for cell in files.read_stored(chapter).cells
        if cell.cell_type == "markdown"
    )
    introduced = [t.english for t in TERMS if f"{t.said}（{t.english}" in text]
    assert len(introduced) > 40
    assert {*introduced} <= {term.english for term in TAUGHT}


@EACH
def test_front_page_links_to_it(language):
    assert f"]({GLOSSARY})" in front_page(language).read_text("utf-8")


@EACH
def test_rows_are_in_the_order_in_which_one_looks(language):
    rows = ROW.findall(glossary.file_of(language).read_text("utf-8"))
    names = [first for first, *_ in rows]
    if language == LANGUAGES[0]:
        assert names == sorted(names, key=str.lower)
        return
    some = ["保存", "参数", "层", "多层感知机", "计算图", "块", "梯度"]
    some += ["延后初始化", "张量", "自动微分"]
    assert [name for name in names if name in some] == some
    for name in names:  # beyond these letters, the order is another one
        assert 0xB0 <= name.encode("gb2312")[0] < 0xD8, name


def test_command_writes_both(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        glossary, "file_of", lambda language: tmp_path / f"{language}.md"
    )
    assert glossary.main([]) == 0
    assert capsys.readouterr().out.count("written: ") == len(LANGUAGES)
    for language in LANGUAGES:
        text = (tmp_path / f"{language}.md").read_text("utf-8")
        assert text == glossary.glossary(language)
    assert glossary.main(["what"]) == 2


def test_place_that_is_not_there_is_told():
    term = Term("a", "b", "01_blocks.ipynb#cell-id=nowhere", (), "c", "d")
    with pytest.raises(LookupError, match="a: no section is 01_blocks"):
        glossary.place(term, "en")


def test_term_that_is_taught_is_explained():
    with pytest.raises(ValueError, match="a needs taught, means and explain"):
        Term("a", "b", taught="01_blocks.ipynb#cell-id=c")
