"""What a check answers, as text and as Markdown."""

from pathlib import Path

import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from torch import nn

from d2l_helpers.check._report import MIME, Report, State, show
from tests.check.probes import RaisesWhenShown


def test_report_says_what_is_needed():
    solved = Report("1.1 A", State.SOLVED, ("one is two",))
    blank = Report("1.1 A", State.BLANK, ("one is two",))
    wrong = Report("1.1 A", State.WRONG, (), {"got": "x" * 3})
    assert (bool(solved), bool(blank), bool(wrong)) == (True, False, False)
    assert repr(solved).splitlines() == [
        "✓ 1.1 A: solved",
        "  It was verified that",
        "  - one is two",
    ]
    assert repr(blank).splitlines()[1] == "  The check will look whether"
    assert repr(wrong) == "✗ 1.1 A: not right yet\n  got       xxx"


def test_markdown_shows_code_as_it_is():
    details = {"got": "a `b` c", "expected": "<b> *x*", "hint": "use `x`"}
    text = Report("1.1 A", State.WRONG, (), details)._repr_markdown_()
    assert "- **Got:** `` a `b` c ``" in text
    assert "- **Expected:** `<b> *x*`" in text
    assert "- **Hint:** use `x`" in text


def test_notebook_shows_markdown_and_a_terminal_text():
    report = Report("1.1 A", State.SOLVED, ("b",))
    data, _ = DisplayFormatter().format(report)
    assert data == {
        "text/plain": repr(report),
        "text/markdown": report._repr_markdown_(),
        MIME: report.to_json(),
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.tensor([1.0, 2]), "tensor([1., 2.])"),
        (torch.zeros(3, 5), "a tensor of shape (3, 5), float32"),
        (torch.ones(2, requires_grad=True), "tensor([1., 1.])"),
        (torch.Size([2, 3]), "(2, 3)"),
        (nn.ReLU(), "ReLU()"),
        (nn.ReLU, "ReLU"),
        (ValueError("no\nway"), "ValueError: no way"),
        ({"a": torch.zeros(1)}, "{'a': tensor([0.])}"),
        (
            {"{": [torch.zeros(3, 5)]},
            "{'{': [a tensor of shape (3, 5), float32]}",
        ),
        ([torch.zeros(1)], "[tensor([0.])]"),
        ((1,), "(1,)"),
        (((2, 3), "a"), "((2, 3), 'a')"),
        ({2, 1}, "{1, 2}"),
        (set(), "set()"),
        (RaisesWhenShown(), "a RaisesWhenShown"),
        (ValueError("\x1b[1mbold\x1b[0m"), "ValueError: bold"),
        (ValueError(f"no {Path.cwd()}/a.pt"), "ValueError: no a.pt"),
    ],
)
def test_value_is_shown_in_a_line(value, text):
    assert show(value) == text
