"""The runs of the package do what chapter 07 writes."""

import ast
import inspect
import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, MySequential, runs
from tools.page import CHAPTERS

CPU = torch.device("cpu")
SHARED = (
    "make_net",
    "new_run",
    "step",
    "train_epoch",
    "evaluate",
    "get_random_state",
    "set_random_state",
    "save",
    "save_run",
    "resume",
    "assert_same_end",
)


@pytest.fixture(scope="module")
def written():
    """What chapter 07 defines, on the CPU."""
    tree = ast.parse((CHAPTERS / "07_training.py").read_text("utf-8"))
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    names = {
        "torch": torch,
        "nn": nn,
        "F": F,
        "os": os,
        "MLP": MLP,
        "MySequential": MySequential,
        "SimpleNamespace": SimpleNamespace,
        "assert_close": assert_close,
        "device": CPU,
    }
    exec(compile(ast.Module(functions, []), "07", "exec"), names)
    return SimpleNamespace(**names)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_network_has_128_hidden_units_unless_told_otherwise():
    assert [p.shape for p in runs.make_net().parameters()] == [
        (128, 64),
        (128,),
        (10, 128),
        (10,),
    ]


def trained(functions, epochs=2):
    """A run of some epochs on few digits, and what it ends with."""
    X, y = (tensor[:130] for tensor in runs.load_digits())
    run = functions.new_run(seed=3)
    for _ in range(epochs):
        loss = functions.train_epoch(run, X, y)
        run.history.append((loss, *functions.evaluate(run.net, X, y)))
    return run


def test_digits_are_what_the_chapter_says():
    X, y = runs.load_digits()
    assert X.shape == (1797, 8, 8)
    assert (X.min(), X.max()) == (0, 1)
    assert y.bincount().tolist()[:3] == [178, 182, 177]


def test_chapter_defines_all_that_pages_take_from_the_package(written):
    for name in SHARED:
        own = inspect.signature(getattr(runs, name)).parameters
        for parameter in inspect.signature(getattr(written, name)).parameters:
            assert parameter in own or parameter == "skip", (name, parameter)


def test_run_ends_as_the_chapters_does(written):
    own, theirs = trained(runs), trained(written)
    runs.assert_same_end(own, theirs)
    assert len(own.history) == 2
    assert own.history[1][0] < own.history[0][0] < math.log(11)


def test_ends_that_differ_are_found():
    run, other = trained(runs), trained(runs)
    other.history[1] = (0.0, *other.history[1][1:])
    with pytest.raises(AssertionError):
        runs.assert_same_end(run, other)
    run, other = trained(runs), trained(runs)
    with torch.no_grad():
        other.net[2].out.bias[3] += 1e-7
    with pytest.raises(AssertionError):
        runs.assert_same_end(run, other)


def test_ends_that_differ_in_the_last_place_of_a_loss_are_found():
    run, other = trained(runs), trained(runs)
    loss, *rest = other.history[1]
    other.history[1] = (loss * (1 + 1e-12), *rest)
    with pytest.raises(AssertionError):
        runs.assert_same_end(run, other)


def test_ends_of_another_length_differ():
    run, other = trained(runs), trained(runs)
    other.net.add_module("3", nn.Linear(10, 10))
    with pytest.raises(AssertionError):
        runs.assert_same_end(run, other)


def test_ends_on_a_gpu_may_differ_by_rounding(monkeypatch):
    run, other = trained(runs), trained(runs)
    other.history[1] = tuple(value + 5e-5 for value in other.history[1])
    with pytest.raises(AssertionError):
        runs.assert_same_end(run, other)
    monkeypatch.setattr(nn.Parameter, "is_cuda", True, raising=False)
    runs.assert_same_end(run, other)
    other.history[1] = tuple(value + 1e-2 for value in other.history[1])
    with pytest.raises(AssertionError):
        runs.assert_same_end(run, other)


def test_new_run_has_the_chapters_model_on_the_device():
    net = runs.new_run(seed=3, device="meta").net
    assert all(parameter.is_meta for parameter in net.parameters())
    widths = [net[2].hidden.in_features, net[2].hidden.out_features]
    assert [*widths, net[2].out.out_features] == [64, 128, 10]


@pytest.mark.parametrize("writes", ["package", "chapter"])
def test_checkpoint_of_one_is_resumed_by_the_other(written, tmp_path, writes):
    first, second = runs, written
    if writes == "chapter":
        first, second = written, runs
    path = tmp_path / "run.pt"
    X, y = (tensor[:130] for tensor in runs.load_digits())
    run = trained(first)
    first.save_run(run, path, extra=5)
    ends = []
    for functions in (first, second):
        resumed = functions.new_run(seed=8)
        functions.resume(resumed, path)
        assert len(resumed.history) == 2
        functions.train_epoch(resumed, X, y)
        ends.append(resumed)
    runs.assert_same_end(*ends)
    runs.train_epoch(run, X, y)
    assert torch.load(path, weights_only=True)["extra"] == 5
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that has only a random state."""
    gpu = SimpleNamespace(state=torch.tensor([1], dtype=torch.uint8))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: gpu.state)
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda state: setattr(gpu, "state", state)
    )
    return gpu


def test_random_state_of_the_gpu_is_kept_too(gpu):
    before = gpu.state
    state = runs.get_random_state()
    gpu.state = None
    runs.set_random_state(state)
    assert gpu.state is before
    del state["cuda"]  # from a machine without one
    runs.set_random_state(state)
    assert gpu.state is before


def test_random_state_of_a_gpu_is_left_where_there_is_none(gpu, monkeypatch):
    state = runs.get_random_state()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.state = None
    runs.set_random_state(state)
    assert gpu.state is None
    assert [*runs.get_random_state()] == ["cpu"]


def test_checkpoint_says_its_epoch_and_is_loaded_safely(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    runs.save_run(trained(runs, epochs=1), path)
    load, asked = torch.load, {}

    def loading(file, **options):
        asked.update(options)
        return load(file, **options)

    monkeypatch.setattr(torch, "load", loading)
    assert runs.resume(runs.new_run(seed=8), path)["epoch"] == 1
    # Also from a GPU, on a machine without one.
    assert asked == {"map_location": "cpu", "weights_only": True}


def test_checkpoint_is_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    runs.save({"epoch": 1}, path)

    def broken(state, file):
        Path(file).write_bytes(b"half")
        raise OSError("disk is full")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="full"):
        runs.save({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
