"""What the checks say, in another language."""

import json

import pytest

from d2l_helpers.check import _language
from d2l_helpers.check._language import say
from d2l_helpers.check._phrase import Phrase
from d2l_helpers.check._report import Report, State

READS = []
EO = {
    "{exercise}: {words}": "{exercise} - {words}",
    "1.1 A": "1.1 Unu",
    "not right yet": "ankoraŭ ne ĝuste",
    "solved": "solvita",
    "It was verified that": "Pruvite",
    "one is two": "unu estas du",
    "**{label}:** {text}": "**{label}**: {text}",
    "got": "venis",
    "hint": "konsilo",
    "{value}, of type {kind}": "{kind}: {value}",
    "a tensor of shape {shape}, {kind}": "tensoro {shape} ({kind})",
    "Count again.": "Kalkulu denove.",
}


@pytest.fixture
def eo(monkeypatch):
    """Another language, whose catalog lacks a hint."""
    catalogs = {"eo": lambda text: EO.get(text, text)}
    monkeypatch.setattr(_language, "_catalog", catalogs.get)


def stored(*parts):
    """A report after it was written to a file, and read."""
    return Report.from_json(json.loads(json.dumps(Report(*parts).to_json())))


def test_stored_report_is_said_in_another_language(eo):
    tensor = Phrase("a tensor of shape {shape}, {kind}", shape=(2,), kind="f")
    got = Phrase("{value}, of type {kind}", value=tensor, kind="T")
    details = {"got": got, "hint": "Count again.", "hint 2": "Not in it."}
    report = stored("1.1 A", State.WRONG, (), details)
    assert report.as_text("eo").splitlines() == [
        "✗ 1.1 Unu - ankoraŭ ne ĝuste",
        "  venis     T: tensoro (2,) (f)",
        "  konsilo   Kalkulu denove.",
        "  konsilo 2 Not in it.",
    ]
    assert "- **Venis**: `T: tensoro (2,) (f)`" in report.as_markdown("eo")


def test_points_of_a_report_are_said_in_another_language(eo):
    report = stored("1.1 A", State.SOLVED, ("one is two",))
    assert report.as_text("eo").splitlines() == [
        "✓ 1.1 Unu - solvita",
        "  Pruvite",
        "  - unu estas du",
    ]
    assert report.as_markdown("eo").splitlines()[1:] == [
        "",
        "Pruvite",
        "",
        "- unu estas du",
    ]


def test_language_without_a_catalog_is_english():
    report = Report("1.1 A", State.SOLVED, ("one is two",))
    assert report.as_text("xx") == repr(report)
    assert say("", "xx") == ""  # of which gettext would give the header
