"""The strings that a report may show are found by where they stand."""

import ast

import pytest

from tests.shown import shown

READS: list[str] = []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('raise Wrong("a", show(b), "c", d["e"])', {"a", "c"}),
        ('holds(x == "a", "b", got="c", hint=D["e"])', {"b", "c"}),
        ('equal(a, ["b"], "c", what="d")', {"c", "d"}),
        ('with case("a" if b == "c" else "d", e or "f"): g("h")', {*"adf"}),
        ('Phrase("a {b}", b="c")', {"c"}),
        ('b = "c"\nPhrase("a {b}", b=b)', {"c"}),
        ('for b, c in (("d", "e"), ("f", "g")):\n    case(c)', {"e", "g"}),
        ('def f(a, b):\n    case(b)\nf("c", "d")', {"d"}),
        ('def f(a, *, b=""):\n    case(b)\nf("c", b="d")', {"d"}),
        (
            "def f(a):\n    g(a)\ndef g(b):\n    with case(b):\n"
            '        pass\nf("c")',
            {"c"},
        ),
        ('def f():\n    a = "b"\ndef g(a):\n    case(a)', set()),
        ('a = {"b": "c"}\nprint("d")', set()),
    ],
)
def test_string_that_is_shown_is_found(code, found):
    assert shown(ast.parse(code)) == found
