"""The glossary of each language, and its fixed words."""

import re

import pytest

from tools import files
from tools.page import CHAPTERS, LANGUAGES, NOTEBOOK, Page, chapters
from tools.terms import Term, terms_of
from tools.words import words_of

READS = ["chapters/*"]
EACH = pytest.mark.parametrize("language", LANGUAGES[1:])


def first_page(language):
    return Page(language, "chapter", chapters()[0].stem, CHAPTERS)


@EACH
def test_each_term_stands_once(language):
    terms = terms_of(first_page(language))
    assert len(terms) > 50
    for names in ([t.english for t in terms], [t.said for t in terms]):
        assert sorted(names) == sorted(set(names))


@EACH
def test_no_term_is_what_is_never_said(language):
    terms = terms_of(first_page(language))
    for term in terms:
        assert list(term.found_instead(term.said, terms)) == []
    never = {word for term in terms for word in term.never}
    assert never & {term.said for term in terms} == set()


@EACH
def test_each_term_is_taught_where_it_says(language):
    ids = {
        chapter.notebook.name: [c.id for c in files.read_stored(chapter).cells]
        for chapter in chapters()
    }
    for term in terms_of(first_page(language)):
        if term.taught:
            assert re.match(NOTEBOOK, term.taught), term
            file, _, cell = term.taught.partition("#cell-id=")
            assert ids[file].count(cell) == 1, term


@EACH
def test_words_of_a_language_have_their_places(language):
    words = words_of(first_page(language))
    assert words.mark.format(kind="a", minutes=20).count("20") == 1
    assert "03" in words.solutions.format(number="03")
    assert "(a)" in words.behind.format(link="a")
    assert len(set(words.kinds.values())) == 3


TERMS = [
    Term("layer", "层"),
    Term("fully connected layer", "全连接层"),
    Term("concatenate", "连结", never=("连接", "拼接")),
    Term("hyperparameter", "超参数", never=("超参",)),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("全连接层的超参数连结起来", []),
        ("连接两个全连接层", ["连接"]),
        ("拼接超参", ["拼接", "超参"]),
    ],
)
def test_what_is_said_for_a_term_is_found(text, found):
    assert [w for t in TERMS for w in t.found_instead(text, TERMS)] == found


@pytest.mark.parametrize(
    "text",
    [
        "terms = [{ english = 'a' }]",
        "terms = [{ english = 'a', said = 'b', taut = 'c' }]",
        "term = []",
        "terms = [",
    ],
)
def test_glossary_in_another_form_is_refused(tmp_path, text):
    page = Page("zh", "chapter", "01_a", tmp_path)
    page.home.mkdir()
    (page.home / "terms.toml").write_text(text)
    with pytest.raises(ValueError, match=r"zh/terms\.toml can't be read"):
        terms_of(page)
