"""The language of what a check says, and the lines that it is said in."""

import json

import pytest
from babel.messages import Catalog, mofile

from d2l_helpers.check import _language
from d2l_helpers.check._hints import solution
from d2l_helpers.check._language import language, say
from d2l_helpers.check._phrase import Phrase
from d2l_helpers.check._report import Report, State
from d2l_helpers.check._wrap import columns, wrapped
from d2l_reader._book import here
from d2l_reader._language import language_of

# Another language, whose catalog lacks a hint.
EO = {
    "{number} {title}: {state}": "{number} {title} - {state}",
    "A": "Unu",
    "not right yet": "ankoraŭ ne ĝuste",
    "It was verified that": "Pruvite",
    "solved": "solvita",
    "one is two": "unu estas du",
    "- **{label}:** {text}": "- **{label}**: {text}",
    "{label} {number}": "{number}-a {label}",
    "got": "venis",
    "hint": "konsilo",
    "{value}, of type {kind}": "{kind}: {value}",
    "a tensor of shape {shape}, {kind}": "tensoro {shape} ({kind})",
    "Count again.": "Kalkulu denove.",
}


@pytest.fixture
def eo(monkeypatch):
    catalogs = {"eo": lambda text: EO.get(text, text)}
    monkeypatch.setattr(_language, "_catalog", catalogs.get)


@pytest.fixture
def zh(tmp_path, monkeypatch):
    """An empty folder, in a house that has catalogs in Chinese."""
    monkeypatch.setattr(_language, "_languages", lambda: {"en", "zh"})
    monkeypatch.delenv("D2L_LANGUAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of_workbook():
    """What d2l_reader finds, which may not import the checks, nor torch."""
    named = language_of(here())
    return named if named in ("en", "zh") else "en"


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("chapters", "en"),
        ("chapters/zh", "zh"),
        ("chapters/zh/solutions", "zh"),
        ("workbook/zh", "zh"),
        ("chapters/solutions", "en"),
        ("chapters/xx", "en"),
        ("home/zh/chapters", "en"),  # of a person who is called so
    ],
)
def test_language_is_that_of_the_folder(zh, monkeypatch, folder, found):
    (zh / folder).mkdir(parents=True)
    monkeypatch.chdir(zh / folder)
    assert language() == of_workbook() == found


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("ZH_CN.UTF-8", "zh"),
        ("en", "en"),
        ("xx", "en"),
        ("../zh", "en"),
        ("", "zh"),
    ],
)
def test_language_that_is_named_comes_first(zh, monkeypatch, named, found):
    (zh / "zh").mkdir()
    monkeypatch.chdir(zh / "zh")
    monkeypatch.setenv("D2L_LANGUAGE", named)
    assert language() == of_workbook() == found


def test_folder_that_was_deleted_is_english(zh, monkeypatch):
    (zh / "zh").mkdir()
    monkeypatch.chdir(zh / "zh")
    (zh / "zh").rmdir()
    assert language() == of_workbook() == "en"


def test_solution_is_that_of_the_language(zh, monkeypatch):
    for folder in ("solutions", "zh/solutions"):
        (zh / "chapters" / folder).mkdir(parents=True)
        (zh / "chapters" / folder / "03_x.ipynb").touch()
    assert solution("3.1 A").startswith("[3.1 in chapters/solutions/03_x")
    monkeypatch.setenv("D2L_LANGUAGE", "zh")
    assert solution("3.1 A").startswith("[3.1 in chapters/zh/solutions/03_x")


# Sentences


def test_each_catalog_of_a_language_is_asked(tmp_path, monkeypatch):

    folder = tmp_path / "eo/LC_MESSAGES"
    folder.mkdir(parents=True)
    for name, message, said in (
        ("a", "layer", "tavolo"),
        ("b", "a {thing}", "{thing}, unu"),
    ):
        catalog = Catalog("eo")
        catalog.add(message, said)
        with (folder / f"{name}.mo").open("wb") as file:
            mofile.write_mo(file, catalog)
    monkeypatch.setattr(_language, "LOCALE", tmp_path)
    _language._catalog.cache_clear()
    assert say("layer", "eo") == "tavolo"
    assert say(Phrase("a {thing}", thing="layer"), "eo") == "tavolo, unu"
    assert say("another", "eo") == "another"
    assert say("", "eo") == ""  # of which gettext would give the header
    _language._catalog.cache_clear()


def test_language_without_catalogs_is_english():
    assert say(Phrase("a {thing}", thing="layer"), "xx") == "a layer"
    assert say("", "xx") == ""


def test_values_of_a_phrase_are_said_likewise(eo):
    tensor = Phrase("a tensor of shape {shape}, {kind}", shape=(2,), kind="f")
    got = Phrase("{value}, of type {kind}", value=tensor, kind="got")
    assert say(got, "eo") == "venis: tensoro (2,) (f)"
    assert got == "a tensor of shape (2,), f, of type got"


# Reports


def stored(*parts):
    """A report after it was written to a file, and read."""
    return Report.from_json(json.loads(json.dumps(Report(*parts).to_json())))


def test_code_in_a_phrase_is_left_as_it_is(eo):
    got = Phrase("`{name}` is a {thing}", name="hint", thing="hint")
    assert say(got, "eo") == "`hint` is a konsilo"


def test_wrong_answer_is_told_in_another_language(eo):
    got = Phrase("{value}, of type {kind}", value="7", kind="T")
    details = {"got": got, "hint": "Count again.", "hint 2": "Not in it."}
    report = stored("1.1 A", State.WRONG, (), details)
    assert report.as_text("eo").splitlines() == [
        "✗ 1.1 Unu - ankoraŭ ne ĝuste",
        "  venis     T: 7",
        "  konsilo   Kalkulu denove.",
        "  2-a konsilo Not in it.",
    ]
    assert report.as_markdown("eo").splitlines() == [
        "**✗ 1.1 Unu - ankoraŭ ne ĝuste**",
        "",
        "- **Venis**: `T: 7`",
        "- **Konsilo**: Kalkulu denove.",
        "- **2-a konsilo**: Not in it.",
    ]


def test_points_are_told_in_another_language(eo):
    report = stored("1.1 A", State.SOLVED, ("one is two",))
    assert report.as_text("eo").splitlines() == [
        "✓ 1.1 Unu - solvita",
        "  Pruvite",
        "  - unu estas du",
    ]
    assert report.as_markdown("eo").splitlines() == [
        "**✓ 1.1 Unu - solvita**",
        "",
        "Pruvite",
        "",
        "- unu estas du",
    ]


def test_report_is_in_the_language_that_holds_when_it_is_shown(
    eo, monkeypatch
):
    report = Report("1.1 A", State.SOLVED)
    monkeypatch.setattr(_language, "_languages", lambda: {"en", "eo"})
    monkeypatch.setenv("D2L_LANGUAGE", "eo")
    assert repr(report).startswith("✓ 1.1 Unu")
    assert report._repr_markdown_().startswith("**✓ 1.1 Unu")


# Lines


@pytest.mark.parametrize(
    ("text", "width"),
    [("ab", 2), ("中文", 4), ("中a", 3), ("，", 2), ("é", 1), ("e\u0301", 1)],
)
def test_columns(text, width):
    assert columns(text) == width


def test_english_words_are_wrapped_as_always():
    text = "word " * 30 + "x" * 90 + " end"
    lines = wrapped("  hint      ", text).splitlines()
    assert lines[0] == "  hint      " + "word " * 12 + "word"
    assert lines[1].startswith("            word")
    assert lines[-2:] == [" " * 12 + "x" * 90, " " * 12 + "end"]
    assert " ".join(" ".join(lines).split()) == f"hint {text}"


def test_chinese_letters_are_two_wide_and_may_end_a_line():
    text = "张量在GPU上，" * 20
    lines = wrapped("  提示      ", text).splitlines()
    assert all(74 < columns(line) <= 79 for line in lines[:-1])
    assert "".join(line.strip() for line in lines) == f"提示      {text}"


@pytest.mark.parametrize("shift", range(4))
def test_marks_stay_beside_their_letters(shift):
    text = "a" * shift + "（张量）“层”，`a`。" * 30
    for line in wrapped("", text).splitlines():
        assert line[0] not in "，。）”"
        assert line[-1] not in "（“"
        assert columns(line) <= 79
