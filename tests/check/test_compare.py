"""How a check compares values, and shows two that differ."""

import numpy as np
import pytest
import torch
from torch import nn

from d2l_helpers.check._compare import (
    Wrong,
    call,
    case,
    equal,
    holds,
    one_of,
    predicted,
    raises,
    show_both,
)
from d2l_helpers.check._exercise import exercise


@pytest.mark.parametrize(
    ("expected", "got", "shown"),
    [
        (1 / 3, 0.5, ("0.3333", "0.5")),
        (1 / 3, 1 / 3 + 1e-7, ("0.33333333", "0.33333343")),
        (12345.678, 2e-7 / 3, ("12345.7", "6.667e-08")),
        (1.0, 1, ("1.0", "1")),
        (
            torch.zeros(3, 5),
            torch.eye(3, 5),
            (
                "a tensor of shape (3, 5), float32, at [0, 0] 0.0",
                "a tensor of shape (3, 5), float32, at [0, 0] 1.0",
            ),
        ),
        (
            torch.zeros(20),
            torch.tensor([*[0.0] * 18, torch.nan, 9]),
            (
                "a tensor of shape (20,), float32, at [18] 0.0",
                "a tensor of shape (20,), float32, at [18] nan",
            ),
        ),
        (
            torch.ones(2),
            torch.ones(2, dtype=torch.float64) + 1e-5,
            ("tensor([1.0, 1.0])", "tensor([1.00001, 1.00001])"),
        ),
        (
            torch.ones(2),
            torch.ones(2, dtype=torch.float64),
            ("tensor([1., 1.])", "tensor([1., 1.], dtype=torch.float64)"),
        ),
        ([0.5], torch.tensor([0.500001]), ("[0.5]", "[0.500001]")),
        (
            {"a": torch.zeros(99), "b": torch.zeros(99)},
            {"a": torch.zeros(99), "b": torch.ones(99)},
            (
                "{'a': a tensor of shape (99,), float32, 'b': a tensor of "
                "shape (99,), float32}, at ['b'] a tensor of shape (99,), "
                "float32, at [0] 0.0",
                "{'a': a tensor of shape (99,), float32, 'b': a tensor of "
                "shape (99,), float32}, at ['b'] a tensor of shape (99,), "
                "float32, at [0] 1.0",
            ),
        ),
        (
            torch.zeros(20),
            torch.zeros(20, device="meta"),
            (
                "a tensor of shape (20,), float32, "
                "of type torch.Tensor on cpu",
                "a tensor of shape (20,), float32, "
                "of type torch.Tensor on meta",
            ),
        ),
        (
            nn.Identity(),
            nn.Identity(),
            (
                "Identity(), of type torch.nn.modules.linear.Identity",
                "another, also shown as Identity(), of type "
                "torch.nn.modules.linear.Identity",
            ),
        ),
    ],
)
def test_values_that_differ_are_shown_so(expected, got, shown):
    assert show_both(expected, got) == shown


def test_lists_are_told_apart_where_they_differ():
    expected, got = show_both([*range(99)], [*range(98), 0])
    assert expected.endswith("…, at [98] 98")
    assert got.endswith("…, at [98] 0")


def test_report_names_what_is_compared():
    @exercise("9.4 Named")
    def named(answer: object):
        equal(answer, 3, "Count.", what="number of blocks")

    details = named(1).details
    assert details["expected"] == "number of blocks: 3"
    assert details["got"] == "number of blocks: 1"


def test_what_a_check_shows_alike_is_told_apart():
    @exercise("9.3 Alike")
    def alike(answer: object):
        holds(answer, "a tensor", "a tensor", "Think.")

    assert alike(0).details["got"] == "another, also shown as a tensor"


# Comparisons


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (torch.tensor([1.0]), torch.tensor([1.0 + 1e-6])),
        (torch.tensor([1.0], dtype=torch.float64), torch.tensor([1.0])),
        (torch.tensor([1]), torch.tensor([1.0])),
        ([2, 3], torch.Size([2, 3])),
        (torch.tensor([2, 3]), [2, 3]),
        (torch.tensor(2.0), 2.0),
        (np.float32(2), 2.0),
        (np.True_, True),
        (2.0, 2),
        ("RuntimeError", "runtimeerror "),
        (RuntimeError, "RuntimeError"),
        ([3, 1, 3], {1, 3}),
        (range(5, 8), {5, 6, 7}),
        (frozenset({1}), {1}),
        (np.array([5, 6]), {5, 6}),
        ({5: 0}.keys(), {5}),
        ("more and more.", "more and more"),
        ({"a": (1,)}, {"a": [1.0]}),
        (None, None),
        (torch.float32, torch.float32),
    ],
)
def test_values_are_equal(got, expected):
    equal(got, expected, "")


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (torch.tensor([1.0]), torch.tensor([1.01])),
        (torch.tensor([1.0]), torch.tensor(1.0)),
        (torch.tensor([1.0 + 0j]), torch.tensor([1.0])),
        (torch.empty(1, device="meta"), torch.tensor([1.0])),
        ([1.0], torch.tensor([1.0])),
        (True, 1),
        (1, True),
        ("1", 1),
        (None, 0),
        ("ValueError", "RuntimeError"),
        (int, "str"),
        ("ab", {"a", "b"}),
        ([[1]], {1}),
        (5, {5}),
        ([1], [1, 2]),
        ("ab", ["a", "b"]),
        ({"a": 1}, {"a": 1, "b": 2}),
        (float("nan"), 1.0),
        (torch.float64, torch.float32),
    ],
)
def test_values_differ(got, expected):
    with pytest.raises(Wrong):
        equal(got, expected, "")


def test_answer_of_another_kind_than_true_or_false_is_told_so():
    for got, kind in (
        ("True", "without quotes"),
        (1, "not a number"),
        (0.0, "not a number"),
    ):
        with pytest.raises(Wrong, match=f"True or False, {kind}"):
            equal(got, True, "another")


def test_error_with_known_words_has_its_hint():
    known = [("no key", "It isn't there."), ("key", "Another.")]
    for error, hint in (
        (KeyError("no key"), "It isn't there."),
        (KeyError("this key"), "Another."),
        (KeyError("x"), "As a rule."),
        (NameError("no key"), ""),
    ):
        with pytest.raises(Wrong) as raised, case("x", "As a rule.", known):
            raise error
        assert raised.value.hint == hint


@pytest.mark.parametrize("output", [None, ...])
def test_forward_that_returns_nothing_is_told_so(output):
    with pytest.raises(Wrong, match="must return") as raised:
        call(lambda X: output, torch.ones(1))
    assert raised.value.got == str(output)


def test_prediction_names_what_its_key_is():
    with pytest.raises(Wrong) as raised:
        predicted({8: 1}, {8: 2}, {8: "Think."}, of="epoch {key}")
    assert raised.value.given == "your prediction for epoch 8"
    assert raised.value.expected == "another answer: run it and see"


@pytest.mark.parametrize(
    ("got", "hint"),
    [
        ("2", "The answer is a number, without quotes."),
        (None, "The answer is a number."),
        (True, "The answer is a number."),
        (3, "Think."),
    ],
)
def test_prediction_of_a_number_is_told_to_be_one(got, hint):
    with pytest.raises(Wrong) as raised:
        predicted({"a": got}, {"a": 2}, {"a": "Think."})
    assert raised.value.hint == hint


@pytest.mark.parametrize("answer", ["n + m", "n+m", " N ", "n"])
def test_answer_is_one_of_those_listed(answer):
    one_of(answer, ("n", "n + m"), "your answer")


@pytest.mark.parametrize("answer", ["m", 1, None, ["n"], "n m"])
def test_answer_that_is_none_of_those_listed_is_told_which_are(answer):
    with pytest.raises(Wrong, match="Choose one of") as raised:
        one_of(answer, ("n", "n + m"), "your answer")
    assert raised.value.expected == "one of 'n', 'n + m'"
    assert raised.value.given == "your answer"


def test_answer_that_is_listed_and_not_true_is_not_told_which_is():
    one_of("n+m", ("n", "n + m"), "your answer", "n + m", "Count.")
    with pytest.raises(Wrong, match="Count") as raised:
        one_of("n", ("n", "n + m"), "your answer", "n + m", "Count.")
    assert raised.value.expected == "another answer: run it and see"
    assert raised.value.got == "'n'"


def test_known_mistake_has_its_hint():
    with pytest.raises(Wrong, match="three"):
        equal(3, 1, "another", known=[(2, "two"), (3, "three")])


def test_raises_wants_the_error_and_its_words():
    def fails(word):
        raise ValueError(f"there is {word}")

    raises(ValueError, fails, "relu", hint="", says=["relu"])
    for kind, says in (
        (KeyError, ()),
        ((KeyError, ValueError), ["tanh"]),
    ):
        with pytest.raises(Wrong, match="why"):
            raises(kind, fails, "x", hint="why", says=says)
    with pytest.raises(Wrong, match="why"):
        raises(ValueError, str, hint="why")


def test_holds():
    holds(True, "", "", "")
    with pytest.raises(Wrong, match="why"):
        holds([], "a", "b", "why")
