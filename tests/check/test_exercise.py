"""What makes a function a check: it answers, whatever it is given."""

import builtins
import contextlib
import gc
import logging
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

from d2l_helpers import check, graph_of
from d2l_helpers.check import _exercise, _safely
from d2l_helpers.check._compare import case, equal
from d2l_helpers.check._exercise import exercise, is_blank
from d2l_helpers.check._report import State
from tests.check.probes import fingerprint
from tests.worked import worked
from tools.environment import ROOT

ALARMS = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="checks have no time limit there"
)


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


def test_check_answers_where_the_default_device_was_taken_back(monkeypatch):
    def raises():  # torch 2.6, after set_default_device(None)
        raise AttributeError("'NoneType' object has no attribute 'device'")

    monkeypatch.setattr(torch, "get_default_device", raises)
    assert anything(lambda _: 1)


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


TWICE = """
from d2l_helpers.check._exercise import exercise

@exercise("9.1 One")
def the_same_name(answer: int):
    ...
"""


@pytest.fixture
def checks(monkeypatch):
    monkeypatch.setattr(_exercise, "CHECKS", {})
    return _exercise.CHECKS


def run_module(text, file="chapter.py", name="chapter"):
    exec(compile(text, file, "exec"), {"__name__": name})


@pytest.mark.parametrize("title", ["9.1 One", "9.2 Two"])
def test_second_check_of_a_name_in_a_module_is_an_error(checks, title):
    text = TWICE + TWICE.replace("9.1 One", title)
    with pytest.raises(ValueError, match="two checks are called") as error:
        run_module(text)
    assert str(error.value) == (
        "two checks are called the_same_name: chapter.py, line 4, and "
        "chapter.py, line 10. Give one of them another name"
    )


def test_second_check_of_a_name_in_another_module_is_an_error(checks):
    run_module(TWICE)
    with pytest.raises(ValueError, match=r"chapter\.py, .* and other\.py"):
        run_module(TWICE, "other.py", "other")


def test_module_of_checks_may_be_loaded_again(checks):
    run_module(TWICE)
    first = checks["the_same_name"]
    run_module(f"\n\n{TWICE}")  # an author has changed it
    assert checks["the_same_name"] is not first
