"""What the teacher's tables say, and what they can't be made to do."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest

from tools.grading.table import (
    FORMULA,
    Result,
    Student,
    Table,
    as_csv,
    as_html,
    hint_rows,
    rows_of,
)
from tools.grading.words import words_of
from tools.page import LANGUAGES

EVIL = '=HYPERLINK("http://x.example","<script>alert(1)</script>")'
TABLE = Table(
    "03_custom_layers",
    {"03/a": ("3.1 A <layer>", 4), "03/b": ("3.2 B", 3)},
    [
        Student("ann", "", 7, {
            "03/a": Result("solved", 4), "03/b": Result("solved", 3),
        }),
        Student("ben", "Ben B", 0, {
            "03/a": Result("wrong", 0, "Add the bias."),
            "03/b": Result("blank", 0),
        }),
        Student("cho", "", 1.5, {
            "03/a": Result("wrong", 1.5, "Add the bias."),
            "03/b": Result("wrong", 0, EVIL),
        }),
        Student("dan", "", 4, {
            "03/a": Result("solved", 4), "03/b": Result("unclear", 0),
        }),
        Student(EVIL, "@cmd", None),
    ],
)  # fmt: skip


def read(text):
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_rows_are_students_and_columns_are_exercises():
    words = words_of("en")
    rows = read(as_csv(rows_of(TABLE, words)))
    assert rows[0] == ["Student", "Name", "Total", "3.1 A <layer>", "3.2 B"]
    assert rows[1] == ["Most", "", "7", "4", "3"]
    assert rows[2] == ["ann", "", "7", "4", "3"]
    assert rows[4] == ["cho", "", "1.5", "1.5", "0"]
    assert rows[5] == ["dan", "", "4", "4", "to be looked at"]
    assert rows[6][2:] == ["not handed in", "", ""]


def test_hints_are_counted_by_exercise_the_most_frequent_first():
    assert TABLE.hints() == [
        ("3.1 A <layer>", "Add the bias.", 2),
        ("3.2 B", EVIL, 1),
    ]


def test_no_text_is_a_formula():
    words = words_of("en")
    for rows in (rows_of(TABLE, words), hint_rows(TABLE, words)):
        cells = [cell for row in read(as_csv(rows)) for cell in row]
        assert not [c for c in cells if c.lstrip().startswith(FORMULA)]
        assert f"'{EVIL}" in cells


@pytest.mark.parametrize(
    "text", ["=1", " =1", "+1", "-1", "@a", "\t=1", "＝1"]
)
def test_beginnings_of_formulas_are_quoted(text):
    ((cell,),) = read(as_csv([[text]]))
    assert cell == f"'{text}"


def test_numbers_stay_numbers():
    assert read(as_csv([[-1, 2.5]])) == [["-1", "2.5"]]


class Page(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_runs_nothing_and_can_be_read_aloud(language):
    words = words_of(language)
    text = as_html(TABLE, words)
    page = Page(text)
    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags
    assert "&lt;script&gt;" in text
    policy = {"http-equiv": "Content-Security-Policy"}
    assert any(policy.items() <= attrs.items() for _, attrs in page.tags)
    assert ("html", {"lang": words.tag}) in page.tags
    assert tags.count("caption") == tags.count("table") == 2
    heads = [attrs for tag, attrs in page.tags if tag == "th"]
    assert all(attrs.get("scope") in ("col", "row") for attrs in heads)
    # A mark is never alone: a word says what it means.
    for name in ("solved", "wrong", "blank", "unclear"):
        assert f'title="{getattr(words, name)}"' in text
    letters = re.sub(r"<style>.*?</style>|<[^>]*>", "", text, flags=re.S)
    assert ("Student" in letters) == (language == "en")
