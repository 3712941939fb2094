"""The checks of the exercises: what they accept, refuse and leave alone."""

import ast
import builtins
import contextlib
import gc
import importlib
import json
import logging
import math
import os
import pkgutil
import random
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib import pyplot as plt
from torch import nn

from d2l_helpers import check, graph_of
from d2l_helpers.check import _exercise, _hints, _safely
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
from d2l_helpers.check._exercise import exercise, is_blank
from d2l_helpers.check._language import say
from d2l_helpers.check._phrase import Phrase
from d2l_helpers.check._report import MIME, Report, State, show
from d2l_helpers.check._wrap import CLOSING, columns
from tests import messages
from tests.answers import RIGHT, WRONG
from tests.worked import worked
from tools import catalogs
from tools.environment import ROOT
from tools.exercise import exercises
from tools.page import CHAPTERS, chapters

NAMES = [n for n in check.__all__ if n not in ("Report", "State")]
CHECKS = pytest.mark.parametrize("name", NAMES)
ALARMS = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="checks have no time limit there"
)


def cases(answers):
    return [
        pytest.param(name, i, id=f"{name}-{i}-{answer.name[:40]}")
        for name, tried in answers.items()
        for i, answer in enumerate(tried)
    ]


@cache
def right_report(name, i):
    return getattr(check, name)(*RIGHT[name][i].arguments)


@cache
def wrong_report(name, i):
    """The report about a wrong answer, with all steps of its hint."""
    with patch.object(_hints, "times", lambda title, mistake: 99):
        return getattr(check, name)(*WRONG[name][i].arguments)


def hint_of(report):
    """All that a report helps with, the values aside."""
    return [text for k, text in report.details.items() if k[:4] == "hint"]


@pytest.fixture(autouse=True)
def _nothing_was_seen(monkeypatch):
    monkeypatch.setattr(_hints, "_seen", {})


def reports(name):
    """What a check has said to all answers that are tried."""
    return [
        *(right_report(name, i) for i in range(len(RIGHT[name]))),
        *(wrong_report(name, i) for i in range(len(WRONG[name]))),
    ]


@pytest.mark.parametrize(("name", "i"), cases(RIGHT))
def test_right_answer_is_accepted(name, i):
    assert right_report(name, i).state is State.SOLVED, right_report(name, i)


@pytest.mark.parametrize(("name", "i"), cases(WRONG))
def test_wrong_answer_gets_the_hint_meant_for_it(name, i):
    hint = WRONG[name][i].hint
    report = wrong_report(name, i)
    assert report.state is State.WRONG
    assert any(hint in step for step in hint_of(report)), report
    assert report.details["expected"]
    assert report.details["got"]


@CHECKS
def test_expected_and_got_differ(name):
    for i in range(len(WRONG[name])):
        details = wrong_report(name, i).details
        assert details["expected"] != details["got"]
        # `equal` tells them apart, where a check gives it the values.
        assert "another, also shown as" not in details["got"], details


@CHECKS
def test_floats_are_rounded(name):
    texts = "\n".join(
        text
        for i in range(len(WRONG[name]))
        for text in wrong_report(name, i).details.values()
    )
    many = [
        number
        for number in re.findall(r"\d+\.\d+", texts)
        if len(number.replace(".", "").lstrip("0")) > 8
    ]
    assert not many


@CHECKS
def test_answers_of_each_kind_are_tried(name):
    assert len(RIGHT[name]) >= 1
    assert len(WRONG[name]) >= 4


def test_all_answers_are_for_a_check():
    assert set(RIGHT) == set(WRONG) == set(NAMES)


def texts(module):
    """What a module of checks may say about a wrong answer."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    elsewhere = set()  # docstrings, and what the check looks at
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
            if ast.get_docstring(node) is not None:
                elsewhere.add(node.body[0].value)
            for decorator in getattr(node, "decorator_list", []):
                elsewhere.update(ast.walk(decorator))
    return {
        part.strip()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and len(node.value) > 25  # a sentence, not a name
        and node not in elsewhere
        for part in re.split(r"\{\w+\}", node.value)  # around its values
    }


MODULES = pytest.mark.parametrize(
    "name",
    [
        module.name
        for module in pkgutil.iter_modules(check.__path__)
        if not module.name.startswith("_")
    ],
)


@MODULES
def test_module_of_checks_holds_no_tensor(name):
    """It would be on the device that is the default when it is imported."""
    module = importlib.import_module(f"d2l_helpers.check.{name}")
    values = vars(module).items()
    assert [k for k, v in values if isinstance(v, torch.Tensor)] == []


@MODULES
def test_each_hint_is_for_some_wrong_answer(name):
    module = importlib.import_module(f"d2l_helpers.check.{name}")
    said = [
        text
        for function in WRONG
        if getattr(check, function).__module__ == module.__name__
        for report in reports(function)
        for text in report.details.values()
    ]
    assert {t for t in texts(module) if t not in "\n".join(said)} == set()


@cache
def literals():
    """All strings in the checks."""
    return {
        node.value
        for file in Path(check.__path__[0]).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def prose(text):
    """A text without code, and without what an error says."""
    code = r"`+[^`]*`+|'[^']*'|\b\w\.\w+ is .*"
    return re.sub(rf"{code}|\w+(Error|File|Interrupt): .*", "", text)


def unsayable(text):
    """Parts of a text that no catalog of sentences can have."""
    if isinstance(text, Phrase):
        for value in text.values.values():
            if isinstance(value, str):
                yield from unsayable(value)
        text = "" if text.template in literals() else text.template
    words = re.search("[a-z]+ [a-z]+ [a-z]+", prose(text))
    if text not in literals() and words:
        yield text


@CHECKS
def test_what_a_report_says_can_be_said_in_another_language(name):
    found = {
        part
        for report in reports(name)
        for detail, text in report.details.items()
        if detail != "solution"
        for part in unsayable(text)
    }
    assert found == set()


@CHECKS
@pytest.mark.parametrize("language", catalogs.languages())
def test_catalogs_have_all_that_a_report_says(name, language):
    found = {text for r in reports(name) for text, _ in messages.said(r)}
    assert found - {*catalogs.texts(language)} == set(), "make messages"


@CHECKS
@pytest.mark.parametrize("language", catalogs.languages())
def test_report_in_another_language_fits_and_has_no_english(name, language):
    """But for code, what an error says, and what a reader typed."""
    for file in catalogs.files(language):
        concerned = file.stem in (messages.topic_of(name), messages.SHARED)
        if concerned and catalogs.left(catalogs.read(file)):
            pytest.skip("isn't translated yet")
    for report in reports(name):
        for line in report.as_text(language).splitlines():
            assert columns(line) <= 79, report.as_text(language)
            assert line.strip()[0] not in CLOSING, report.as_text(language)
        for detail, text in report.details.items():
            text = prose(say(text, language))
            if detail != "solution":
                assert not re.search("[a-z]+ [a-z]+ [a-z]+", text), text


@pytest.mark.parametrize(
    "text",
    [
        "the nets are 3",
        Phrase("the nets are {number}", number=3),
        Phrase("{first}, {second}", first="the nets are 3", second=""),
    ],
)
def test_text_that_no_catalog_has_is_found(text):
    assert [*unsayable(text)] != []


@pytest.mark.parametrize(
    ("module", "name", "other"),
    [
        (builtins, "all", lambda *_: True),
        (builtins, "all", any),
        (builtins, "isinstance", lambda *_: True),
        (builtins, "type", lambda *_: int),
        (math, "isclose", lambda *_, **__: True),
        (torch, "allclose", lambda *_, **__: True),
    ],
)
def test_nothing_is_right_if_what_judges_is_replaced(module, name, other):
    own = getattr(module, name)
    setattr(module, name, other)  # as short as can be
    try:
        report = anything(lambda _: 1)
    finally:
        setattr(module, name, own)
    assert report.state is State.WRONG
    assert f"{module.__name__}.{name}" in report.details["got"]
    assert anything(lambda _: 1)


# Hints in steps

STEPS = ("It isn't 1.", "Add 1.", "Return 0 + 1.")


@exercise("3.9 Steps", "it is 1")
def stepwise(answer: object, other: object = None):
    with case("the answer"):
        equal(answer, 1, STEPS, known=[(2, "It is one too many.")])
    with case("the other", ("Let it be.", "Give None.")):
        assert other is None


def helps(report):
    return {
        name: text
        for name, text in report.details.items()
        if name not in ("given", "expected", "got")
    }


AGAIN = "Run the check again for another hint."
LINK = "Run the check again for a link to the solution."
PAGE = "solutions/03_custom_layers.ipynb"


@pytest.fixture
def beside_solutions(tmp_path, monkeypatch):
    (tmp_path / "solutions").mkdir()
    (tmp_path / PAGE).touch()
    monkeypatch.chdir(tmp_path)


def test_same_wrong_answer_gets_the_next_step(beside_solutions):
    seen = {"hint": STEPS[0]}
    assert helps(stepwise(0)) == seen | {"next": AGAIN}
    seen["hint 2"] = STEPS[1]
    assert helps(stepwise(0)) == seen | {"next": AGAIN}
    seen["hint 3"] = STEPS[2]
    assert helps(stepwise(0)) == seen | {"next": LINK}
    link = f"[3.9 in {PAGE}]({PAGE}#cell-id=exercise-3-9)"
    for _ in range(3):
        assert helps(stepwise(0)) == seen | {"solution": link}


def test_hint_of_one_step_gets_the_link(beside_solutions):
    assert helps(stepwise(2)) == {"hint": "It is one too many.", "next": LINK}
    assert set(helps(stepwise(2))) == {"hint", "solution"}


def test_there_is_no_link_where_there_are_no_solutions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert helps(stepwise(2)) == {"hint": "It is one too many."}
    assert helps(stepwise(2)) == {"hint": "It is one too many."}
    # Nor to the page of another chapter.
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions/04_file_io.ipynb").touch()
    assert set(helps(stepwise(2))) == {"hint"}


def test_another_mistake_begins_at_its_first_step():
    stepwise(0)
    for answers in ((3,), (1, 0), (1, 2)):
        assert "hint 2" not in stepwise(*answers).details
    assert "hint 2" in stepwise(0).details


def test_right_answer_forgets_the_mistakes_and_a_blank_one_does_not():
    stepwise(0)
    assert stepwise(...).state is State.BLANK
    assert "hint 2" in stepwise(0).details
    assert stepwise(1)
    assert "hint 2" not in stepwise(0).details


def test_error_gets_the_steps_of_its_case():
    @exercise("3.8 Error")
    def fails(function: Callable):
        with case("the inputs", STEPS):
            function(None)

    def answer(_):
        raise ValueError

    first = fails(answer).details["hint"]
    assert first.startswith(STEPS[0])
    assert "`raise ValueError`" in first
    assert fails(answer).details["hint 2"] == STEPS[1]


def test_link_is_a_path_in_a_terminal_and_leads_there(monkeypatch):
    monkeypatch.chdir(CHAPTERS)
    for name in NAMES:
        title = getattr(check, name).title
        found = _hints.solution(title)
        (chapter,) = chapters(title.split(".")[0])
        (task,) = (t for t in exercises(chapter) if t.check == name)
        path = chapter.link_to(chapter.solutions)
        shown = f"{task.number} in {path}"
        assert found == f"[{shown}]({path}#{task.anchor})"
        details = {"hint": "Think.", "solution": found}
        report = Report(title, State.WRONG, (), details)
        assert repr(report).endswith(f"solution  {shown}")
        assert f"- **Solution:** {found}" in report._repr_markdown_()
    monkeypatch.chdir(ROOT)
    assert f"chapters/{path}#" in _hints.solution(title)


def told_at_first(name):
    """Code of the worked solution in the first steps of a check's hints.

    A name isn't, nor is what the statement or the starter says.
    """
    (chapter,) = chapters(getattr(check, name).title.split(".")[0])
    task, solution = (
        next(t for t in exercises(page) if t.check == name)
        for page in (chapter, chapter.solutions)
    )

    def plain(text):
        return re.sub(r"\s", "", text)

    known = plain(task.statement + task.answer)
    found = set()
    for i in range(len(WRONG[name])):
        hint, *_ = (
            wrong_report(name, i).details["hint"].split(" The error was")
        )
        found.update(m[2] for m in re.finditer(r"(`+)(.+?)\1", hint))
    return {
        code
        for code in found
        if len(plain(code)) > 4
        and not re.fullmatch(r"[\w.]+(\(\))?", code)
        and plain(code) in plain(solution.answer)
        and plain(code) not in known
    }


@CHECKS
def test_first_step_has_no_code_of_the_solution(name):
    assert told_at_first(name) == set()


# Values, and the cases in which they came


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


@CHECKS
def test_number_has_a_name(name):
    bare = [
        (report.details["given"], report.details["expected"])
        for i in range(len(WRONG[name]))
        if re.fullmatch(
            r"-?[\d.]+(e-?\d+)?",
            (report := wrong_report(name, i)).details["expected"],
        )
    ]
    assert not bare


@CHECKS
def test_case_says_all_of_itself(name):
    others = {
        given
        for i in range(len(WRONG[name]))
        if (given := wrong_report(name, i).details.get("given"))
        and re.search(
            r"^the same|\b(after|of|with) th(at|is)\b|^that\b|, it ", given
        )
    }
    assert not others


# What no check may do, whatever it is given


class RaisesWhenBuilt(nn.Module):
    def __init__(self, *_, **__):
        raise ZeroDivisionError("built")


class RaisesWhenShown(nn.Module):
    def __init__(self, *_, **__):
        super().__init__()

    def __repr__(self):
        raise ZeroDivisionError("shown")

    def forward(self, *_):
        return self


class Leaves(nn.Module):
    def forward(self, *_):
        sys.exit("left")


JUNK = [
    None,
    0,
    -1.5,
    "text",
    b"bytes",
    [],
    {},
    {None: None},
    object(),
    float("nan"),
    torch.zeros(0),
    torch.empty(2, device="meta"),
    nn.Linear(1, 1),
    nn.Identity,
    RaisesWhenBuilt,
    RaisesWhenShown,
    Leaves,
    int,
    lambda *_, **__: None,
    lambda: 1 / 0,
    (i for i in range(3)),
]


@CHECKS
def test_junk_is_answered(name):
    function = getattr(check, name)
    number = len(RIGHT[name][0].arguments)
    for i, junk in enumerate(JUNK):
        answers = [junk, *[JUNK[i - 1]] * (number - 1)]
        report = function(*answers)
        assert not report
        assert report.state is State.WRONG, (junk, report)
        assert report.details["hint"], (junk, report)


@CHECKS
def test_each_argument_may_be_junk(name):
    function = getattr(check, name)
    answers = RIGHT[name][0].arguments
    for i in range(len(answers)):
        for junk in JUNK[i::3]:
            report = function(*answers[:i], junk, *answers[i + 1 :])
            assert report.state is State.WRONG, (junk, report)


@CHECKS
def test_missing_or_unknown_argument_is_answered(name):
    for arguments, named in ((), {}), ((0,) * 9, {}), ((), {"nothing": 0}):
        report = getattr(check, name)(*arguments, **named)
        assert f"Call it as `check.{name}(" in report.details["hint"]


@CHECKS
def test_report_is_the_same_each_time(name, monkeypatch):
    function = getattr(check, name)
    tried = [a.arguments for a in [*RIGHT[name], *WRONG[name]]]
    monkeypatch.setattr(_hints, "times", lambda title, mistake: 99)
    for i in (0, -2, -1):
        assert repr(function(*tried[i])) == repr(reports(name)[i])


def fingerprint(answers):
    """What a check could change in its arguments, and around them."""
    tensors = []
    for answer in answers:
        if isinstance(answer, nn.Module):
            state = answer.state_dict()
            tensors += [(name, v.tolist()) for name, v in state.items()]
        elif isinstance(answer, torch.Tensor):
            tensors.append(answer.tolist())
        else:
            tensors.append(repr(answer))
    return (
        *tensors,
        random.getstate(),
        repr(np.random.get_state()),
        torch.get_rng_state().tolist(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        plt.get_fignums(),
        signal.getsignal(getattr(signal, "SIGALRM", signal.SIGINT)),
        os.getcwd(),
    )


@CHECKS
def test_check_leaves_all_as_it_was(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for answer in [*RIGHT[name], *WRONG[name][:5]]:
        before = fingerprint(answer.arguments)
        with torch.no_grad():
            getattr(check, name)(*answer.arguments)
        assert fingerprint(answer.arguments) == before
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@exercise("9.9 Anything", "it answers")
def anything(function: Callable, inputs: object = None):
    with case("the inputs"):
        equal(function(inputs), 1, "It must be 1.")


@ALARMS
def test_answer_is_stopped(monkeypatch):
    monkeypatch.setattr(_safely, "SECONDS", 0.3)

    def stubborn(_):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.001)

    def very_stubborn(_):
        while True:
            try:  # noqa: SIM105
                sum(range(1000))
            except:  # noqa: E722
                pass

    def most_stubborn(_):
        while True:
            try:
                while True:
                    try:  # noqa: SIM105
                        time.sleep(0.01)
                    except:  # noqa: E722
                        pass
            except:  # noqa: E722
                pass

    def busy_in_the_package(_):
        while True:
            try:  # noqa: SIM105
                graph_of(torch.ones(1, requires_grad=True) * 2)
            except:  # noqa: E722
                pass

    for answer in (
        stubborn,
        very_stubborn,
        most_stubborn,
        busy_in_the_package,
        lambda _: time.sleep(60),
    ):
        start = time.monotonic()
        report = anything(answer)
        assert time.monotonic() - start < 5
        assert report.details["expected"] == "an answer within 0.3 s"
        assert report.details["given"] == "the inputs"
    assert anything(lambda _: 1)


@ALARMS
def test_clock_that_is_replaced_stops_no_answer(monkeypatch):
    monkeypatch.setattr(_safely, "SECONDS", 0.3)

    def under_another_clock(_):
        with patch("time.monotonic", lambda: 1e9):
            while True:
                pass

    report = anything(under_another_clock)
    assert report.details["expected"] == "an answer within 0.3 s"


@ALARMS
def test_alarm_of_others_goes_on():
    before = signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        assert anything(lambda _: 1)
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 0 < left <= 50
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_check_answers_in_another_thread():
    reports = []
    thread = threading.Thread(
        target=lambda: reports.append(anything(lambda _: 1))
    )
    thread.start()
    thread.join()
    assert reports[0].state is State.SOLVED


def test_garbage_of_others_costs_a_check_no_time(monkeypatch):
    looked_at = []
    monkeypatch.setattr(
        gc, "collect", lambda *_: looked_at.append(len(gc.get_objects()))
    )
    train, nodes = worked("log_that_grows").values()
    losses = []  # which keep their graphs
    check.log_that_grows(
        lambda loss_of, steps: train(
            lambda w: losses.append(loss_of(w)) or losses[-1], steps
        ),
        nodes,
    )
    assert looked_at
    assert max(looked_at) < 10_000
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize(
    "error", [ValueError, KeyboardInterrupt, SystemExit, RecursionError]
)
def test_error_of_the_answer_is_told_with_its_line(error):
    def answer(_):
        raise error("why")

    report = anything(answer)
    assert report.details["got"] == f"{error.__name__}: why"
    assert '`raise error("why")`' in report.details["hint"]


def test_error_outside_a_case_is_told_too():
    @exercise("9.8 Broken")
    def broken(answer: object):
        return answer.nothing

    details = broken(1).details
    assert details["got"].startswith("AttributeError")
    assert "comes from your code" in details["hint"]
    # Of a line of the check's own, it is told what the answer owes.
    details, (hint,) = _exercise._details(TypeError("no tensor"))
    assert details["got"] == "TypeError: no tensor"
    assert "with what the statement asks for" in hint


def test_answer_does_not_show_draw_or_warn(capfd):
    def loud(_):
        print("printed")
        print("printed", file=sys.stderr)
        warnings.warn("warned", stacklevel=1)
        plt.plot([1, 2])
        return 1

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert anything(loud)
    assert caught == []
    assert capfd.readouterr() == ("", "")
    assert plt.get_fignums() == []


def settings():
    """What an answer may change beside what it is given."""
    return (
        *fingerprint(()),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        torch.is_anomaly_enabled(),
        repr(torch.tensor(1 / 3)),
        repr(np.float64(1 / 3)),
        repr(np.array([1 / 3])),
        np.geterr(),
        dict(os.environ),
        list(sys.path),
        sys.getrecursionlimit(),
        sys.gettrace(),
        list(logging.root.handlers),
        dict(plt.rcParams),
        torch.cuda._lazy_seed_tracker.call_order,
    )


def test_terminal_hides_output_without_ipython():
    code = (
        "import sys; from d2l_helpers import check\n"
        "def init(module): print('loud'); print('loud', file=sys.stderr)\n"
        "report = check.better_start(init, check.nn.Module, {0: 'half'})\n"
        "assert 'IPython' not in sys.modules\n"
        "print(report.state)"
    ).replace("check.nn.Module", "__import__('d2l_helpers').MyLinear")
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("wrong\n", "")


def test_answer_may_change_settings_and_draw():
    before = settings()

    def changes(_):
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.use_deterministic_algorithms(True)
        torch.set_float32_matmul_precision("medium")
        torch.autograd.set_detect_anomaly(True)
        torch.set_printoptions(precision=2)
        np.set_printoptions(precision=2)
        np.seterr(all="raise")
        torch.manual_seed(7)
        random.seed(7)
        np.random.seed(7)
        os.environ["CHANGED"] = "1"
        sys.path.append("changed")
        sys.setrecursionlimit(5000)
        logging.warning("said")
        plt.rcParams["lines.linewidth"] = 7
        return 1

    assert anything(changes)
    assert settings() == before


def test_figure_of_the_reader_stays_as_it_is():
    figure, axes = plt.subplots()

    def draws(_):
        plt.plot([1, 2])
        plt.close("all")
        return 1

    assert anything(draws)
    assert plt.get_fignums() == [figure.number]
    assert not axes.lines
    plt.close(figure)


def test_answer_that_asks_is_told_so():
    report = anything(lambda _: input("name? "))
    assert "nobody answers `input`" in report.details["got"]


def test_answer_finds_modules_beside_the_notebook(tmp_path, monkeypatch):
    (tmp_path / "beside_it.py").write_text("one = 1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")

    def imports(_):
        from beside_it import one

        return one

    assert anything(imports)


class NamelessError(BaseException):
    def __str__(self):
        raise self


class EndlessError(Exception):
    def __str__(self):
        while True:
            pass


@pytest.mark.parametrize(
    "error", [NamelessError, pytest.param(EndlessError, marks=ALARMS)]
)
def test_error_that_cannot_be_told_is_answered(error, monkeypatch):
    monkeypatch.setattr(_safely, "SECONDS", 0.3)

    def fails(_):
        raise error

    assert anything(fails).state is State.WRONG


@pytest.mark.parametrize(
    "slip",
    [
        lambda _: undefined,  # noqa: F821
        lambda _: torch.zeroes(1),
        lambda _: __import__("nowhere"),
    ],
)
def test_slip_gets_no_lecture(slip):
    @exercise("9.6 Slip")
    def slips(function: Callable):
        with case("the inputs", "A lecture."):
            function(None)

    assert "lecture" not in slips(slip).details["hint"]
    assert "lecture" in slips(lambda _: 1 / 0).details["hint"]


def test_line_with_a_backtick_is_shown():
    def answer(_):
        raise ValueError("`")

    hint = anything(answer).details["hint"]
    assert '`` raise ValueError("`") ``' in hint


def test_answer_with_a_graph_is_copied_too():
    mine = torch.ones(2, requires_grad=True) * 2
    assert anything(lambda X: int(X.sum() == 4), mine)


def test_answer_gets_copies():
    mine = [torch.zeros(2), {"key": [1]}]

    def changes(inputs):
        inputs[0].add_(1)
        inputs[1]["key"].append(2)
        return 1

    assert anything(changes, mine)
    assert torch.equal(mine[0], torch.zeros(2))
    assert mine[1] == {"key": [1]}


def test_answer_has_a_graph_also_where_gradients_are_off():
    def answer(_):
        return (torch.ones(1, requires_grad=True) * 1).grad_fn is not None

    @exercise("9.7 Graph")
    def graph(answer: Callable):
        equal(answer(None), True, "")

    with torch.no_grad():
        assert graph(answer)
    with torch.inference_mode():
        assert graph(answer)


# Blank answers


def blank_function(a, b=2):
    """It says what it does."""
    ...


@torch.no_grad()
def blank_function_without_gradients(X): ...


class BlankModule(nn.Module):
    """It says what it does."""

    def __init__(self):
        super().__init__()
        ...

    def forward(self, X):
        # (n,) -> (n,)
        ...


class HalfBlank(nn.Module):
    def forward(self, X): ...

    def extra_repr(self):
        return "half"


class NoMethod(nn.Module):
    """It says what it does."""

    ...


@pytest.mark.parametrize(
    "answer",
    [
        ...,
        {"a": ..., "b": 1},
        {...},
        (1, ...),
        [{"a": {"b": ...}}],
        blank_function,
        blank_function_without_gradients,
        BlankModule,
        NoMethod,
    ],
)
def test_starter_is_blank(answer):
    assert is_blank(answer)


class InheritsAndBuilds(BlankModule):
    def __init__(self):
        super().__init__()


class InheritsAll(nn.ReLU):
    pass


@pytest.mark.parametrize(
    "answer",
    [
        None,
        0,
        {},
        [],
        int,
        print,
        lambda x: x,
        HalfBlank,
        InheritsAndBuilds,
        InheritsAll,
    ],
)
def test_answer_is_not_blank(answer):
    assert not is_blank(answer)


def test_generator_is_not_blank():
    def nothing():
        return
        yield

    assert not is_blank(nothing)


# Reports


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


@CHECKS
def test_reports_fit_a_terminal(name):
    for report in reports(name):
        assert max(map(len, repr(report).splitlines())) <= 79, report


def test_answer_that_is_half_blank_names_what_is_missing():
    @exercise("9.5 Two", "both are right")
    def two(function: Callable, number: object):
        equal(function(number), 1, "")

    assert two(blank_function, ...).details == {}
    report = two(lambda x: x, ...)
    assert report.details["blank"].startswith("`number`; ")
    assert "  blank     `number`; fill it in" in repr(report)
    markdown = report._repr_markdown_()
    assert "all checked\n\nThe check will look whether\n\n- both" in markdown


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


@CHECKS
def test_report_is_the_same_after_it_was_stored(name):
    for report in reports(name):
        stored = json.loads(json.dumps(report.to_json()))
        assert Report.from_json(stored) == report
        assert repr(Report.from_json(stored)) == repr(report)


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
