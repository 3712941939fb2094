"""What is tested in a page's kernel after its cells can fail."""

import contextlib
import io
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests import after_cells
from tools.page import chapters

READS = ["chapters/*"]


class Stays(nn.Module):
    """A module with a tensor that is neither parameter nor buffer."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.plain = torch.ones(2)


def show_with(**names):
    """What runs code in a kernel that has some names."""

    def show(code):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(code, names)
        return said.getvalue()

    return show


def test_tensor_that_stays_behind_is_named():
    net = nn.Sequential(nn.Linear(2, 2), Stays())
    with pytest.raises(AssertionError, match=r"net\.1\.plain"):
        after_cells.modules_move("02_parameters", show_with(net=net))
    assert not net[0].weight.is_meta  # the page's own modules stay
    after_cells.modules_move("02_parameters", show_with(net=net[0]))


def test_pitfall_that_no_longer_leaves_a_tensor_behind_is_noticed():
    with pytest.raises(AssertionError, match=r"plain\.rand_"):
        after_cells.modules_move("01_blocks", show_with(net=nn.Linear(2, 2)))


def test_solution_that_its_check_refuses_fails():
    said = []
    task = SimpleNamespace(answer="answer = 1", call="check.it(answer)")

    def show(code):
        said.append(code)
        return "✗ 1.1 It\nnot right yet" if code == task.call else ""

    with pytest.raises(AssertionError, match="not right yet"):
        after_cells.solution_is_right(task, "import torch", show)
    assert said == ["import torch\nanswer = 1", task.call]


def test_chapter_is_tested_with_each_of_its_solutions():
    (chapter,) = chapters("03")
    names = list(after_cells.pytest_nbval_strict_checks(chapter.notebook))
    assert names[0] == "modules move"
    assert names[1:] == [f"solution 3.{i}" for i in range(1, len(names))]
    assert len(names) > 4
    notebook = chapter.solutions.notebook
    assert list(after_cells.pytest_nbval_strict_checks(notebook)) == [
        "modules move"
    ]


def test_names_that_a_chapter_has_are_left_as_they_are():
    (chapter,) = chapters("03")
    opening = after_cells.opening_of(chapter.solutions)
    names = {}
    exec(opening, names)
    assert "MyLinear" in names
    mine = type("MyLinear", (), {})
    names["MyLinear"] = mine
    exec(opening, names)
    assert names["MyLinear"] is mine
