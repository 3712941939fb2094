"""The checks of chapter 07, Train anywhere, stop and resume."""

from __future__ import annotations

import copy
import io
import math
import operator
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial, reduce
from itertools import permutations, product
from pathlib import Path
from types import SimpleNamespace as Run
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import StepLR

from ..layers import MyLinear
from ._compare import (
    RTOL,
    Known,
    asked,
    case,
    equal,
    holds,
    one_of,
    predicted,
    raises,
    same,
)
from ._exercise import exercise
from ._hints import Hint
from ._phrase import Phrase
from ._report import show

# Small stand-ins for what the chapter defines: 48 images, a run, an epoch.


def _data(number: int = 48) -> tuple[Tensor, Tensor]:
    """Images and labels, each time new ones: an answer may change them."""
    drawn = torch.Generator().manual_seed(0)
    X, y = torch.rand(48, 8, 8, generator=drawn), torch.arange(48) % 10
    return X[:number], y[:number]


def _new_run(seed: int) -> Run:
    torch.set_num_threads(1)  # several wait for each other, on a busy machine
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
    return Run(
        net=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        generator=torch.Generator().manual_seed(seed),
        history=[],
    )


def _step(run: Run, X: Tensor, y: Tensor) -> float:
    loss = F.cross_entropy(run.net(X), y)
    run.optimizer.zero_grad()
    loss.backward()
    run.optimizer.step()
    return loss.item()


def _losses(run: Run, size: int, number: int) -> list[tuple[float, int]]:
    """Train for an epoch; the loss of each batch, and its number of images."""
    run.net.train()
    X, y = _data()
    batches = torch.randperm(number, generator=run.generator).split(size)
    return [(_step(run, X[batch], y[batch]), len(batch)) for batch in batches]


def _train_epoch(run: Run, size: int = 12, number: int = 48) -> float:
    return sum(loss * n for loss, n in _losses(run, size, number)) / number


def _one_epoch(run: Run) -> None:
    train_loss = _train_epoch(run)
    X, y = _data()
    with torch.no_grad():
        y_hat = run.net.eval()(X)
    accuracy = (y_hat.argmax(dim=1) == y).float().mean().item()
    valid_loss = F.cross_entropy(y_hat, y).item()
    run.history.append((train_loss, valid_loss, accuracy))


def _weights(run: Run) -> Tensor:
    return torch.cat([p.detach().flatten() for p in run.net.parameters()])


def _same_weights(run: Run, other: Run) -> bool:
    return torch.allclose(_weights(run), _weights(other), RTOL, 1e-5)


def _same_end(run: Run, other: Run) -> bool:
    histories = same(run.history, other.history)
    return histories and _same_weights(run, other)


def _require(
    condition: bool, expected: str, got: str, hints: Mapping[str, Hint]
) -> None:
    """Require a condition; its hint stands below what is expected."""
    holds(condition, expected, got, hints[expected])


def _equal(
    got: object,
    expected: object,
    what: str,
    hints: Mapping[str, Hint],
    known: Known = (),
    **tolerances: float,
) -> None:
    """Require that two values are the same; the hint stands below `what`."""
    equal(got, expected, hints[what], known, what=what, **tolerances)


# A short history of validation: losses, accuracies, and the patience.
History = tuple[tuple[float, ...], tuple[float, ...], int]


@exercise(
    "7.1 Another rule for stopping",
    "the epoch with the highest accuracy is kept",
    "of epochs of equal accuracy, the one with the lower loss is kept",
    "the run stops when the best epoch is `patience` epochs old",
    "no epoch after the stop is looked at",
    "without a stop, the run goes on to its last epoch",
    "the history is left as it was",
)
def another_rule_for_stopping(stop_by_accuracy: Callable) -> None:
    tries = _TRIES | dict.fromkeys(_small_histories(), _STOP["best"])
    for history, hint in tries.items():
        losses, accuracies, patience = history
        given = Phrase(
            "losses {losses}, accuracies {accuracies}, patience {patience}",
            losses=str([*losses]),
            accuracies=str([*accuracies]),
            patience=patience,
        )
        with case(given):
            entries = _entries_of(history)
            ends = stop_by_accuracy(entries, patience)
            kept = entries == _entries_of(history)
            number = Phrase("one of {number} epochs", number=len(entries))
            _require(kept, "the history as it was", number, _STOP)
            pair = isinstance(ends, (tuple, list, Tensor)) and len(ends) == 2
            _require(pair, "two epochs", show(ends), _STOP)
            truth = _rule(*history)
            if not same(ends, truth):
                hint = _mistake(stop_by_accuracy) or hint
            equal(ends, truth, hint, what="(kept, stopped)")


_STOP = {
    "the history as it was": "The list that was given is changed: it is the "
    "history of a run, which needs it.",
    "two epochs": "Return two numbers, also where the patience doesn't run "
    "out: the epoch that is kept, and the one after which the run stops.",
    "best": "Best is the highest accuracy so far, then the lowest loss, and "
    "the patience counts from there.",
}


def _entries_of(history: History) -> list[tuple[float, float, float]]:
    losses, accuracies, _ = history
    return [(0.9, *pair) for pair in zip(losses, accuracies, strict=True)]


def _mistake(rule: Callable) -> Hint:
    """A hint, if a mistake explains what comes of all tries."""
    with suppress(Exception):
        got = [rule(_entries_of(history), history[2]) for history in _TRIES]
        for other, hint in _OTHER_RULES.items():
            if same(got, [other(*history) for history in _TRIES]):
                return hint
    return ""


def _small_histories() -> Iterator[History]:
    """Short ones first: all of up to 4 epochs, and some of 6."""
    for n in range(1, 5):
        for accuracies in product((0.8, 0.9), repeat=n):
            for losses in permutations((0.1, 0.2, 0.3, 0.4)[:n]):
                for patience in range(1, n):
                    yield losses, accuracies, patience
    drawn = random.Random(0)
    for _ in range(200):
        losses = drawn.sample([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 6)
        accuracies = drawn.choices([0.8, 0.9], k=6)
        yield tuple(losses), tuple(accuracies), drawn.choice([2, 3])


def _rule(
    losses: tuple[float, ...],
    accuracies: tuple[float, ...],
    patience: int,
    worth: Callable = lambda accuracy, loss: (accuracy, -loss),
    last: bool = False,
    extra: int = 0,
    told: Callable = lambda kept, stopped: (kept, stopped),
) -> tuple[int, int]:
    """The epoch that is kept and the last one, by the rule or a wrong one."""
    best, top = 0, None
    for epoch, pair in enumerate(zip(accuracies, losses, strict=True)):
        value = worth(*pair)
        if top is None or value > top or (last and value == top):
            best, top = epoch, value
        if epoch - best == patience + extra:
            break
    return told(best + 1, epoch + 1)


def _of_all_epochs(losses: tuple, accuracies: tuple, patience: int) -> tuple:
    kept, _ = _rule(losses, accuracies, len(losses))
    return kept, min(kept + patience, len(losses))


def _from_zero(losses: tuple, accuracies: tuple, patience: int) -> tuple:
    kept, stopped = _rule(losses, accuracies, patience)
    return kept - 1, stopped - (stopped - kept == patience)


_TRIES: dict[History, Hint] = {
    ((0.5, 0.4, 0.3), (0.7, 0.9, 0.8), 1): "The best epoch has the highest "
    "accuracy, and the run stops after the epoch that comes `patience` epochs "
    "later.",
    ((0.5, 0.4, *[0.6] * 4), (0.7, 0.9, *[0.8] * 4), 2): "With a patience of "
    "2 the run stops two epochs after its best.",
    ((0.5, 0.4, 0.6, 0.6, 0.3), (0.7, 0.9, 0.8, 0.8, 1.0), 2): "Go through "
    "the epochs one by one: after epoch 4 the run has stopped, and there "
    "never is an epoch 5.",
    ((0.4, 0.3, 0.6, 0.6), (0.9, 0.9, 0.8, 0.8), 2): "Epoch 2 is as accurate "
    "as epoch 1, and has the lower loss. It is a new best, from which the "
    "patience counts.",
    ((0.3, 0.4, 0.6, 0.6), (0.9, 0.9, 0.8, 0.8), 2): "Epoch 1 is as accurate "
    "as epoch 2, and has the lower loss. It stays the best.",
    ((0.5, 0.4), (0.7, 0.9), 5): "The patience doesn't run out here: the run "
    "stops after its last epoch.",
    ((0.3, 0.4, 0.6, 0.6), (0.9798, 0.9799, 0.97, 0.97), 2): "0.9799 is "
    "higher than 0.9798, by however little: epoch 2 is the better one, "
    "whatever its loss.",
    ((2.5, 2.4), (0.0, 0.0), 5): "An accuracy may be 0. The first epoch is "
    "the best so far all the same.",
}
_OTHER_RULES: dict[Callable, Hint] = {
    partial(_rule, worth=lambda _, loss: -loss): "This goes by the loss: the "
    "best is its minimum.",
    partial(_rule, told=lambda *both: tuple(n - 1 for n in both)): "The first "
    "epoch is 1, not 0.",
    _from_zero: "The first epoch is 1, not 0.",
    partial(_rule, told=lambda *both: both[::-1]): "Return the epoch that is "
    "kept first.",
    partial(_rule, extra=1): "This waits an epoch too long: stop as soon as "
    "the best is as old as the patience.",
    partial(_rule, extra=-1): "This stops an epoch too early: after it, the "
    "best isn't yet as old as the patience.",
    _of_all_epochs: "The best of the whole history is kept. Of what comes "
    "after the stop, the run knows nothing.",
    partial(_rule, worth=lambda accuracy, _: accuracy): "Of epochs of equal "
    "accuracy, the first one stays here, whatever the losses.",
    partial(_rule, worth=lambda accuracy, _: accuracy, last=True): "Of epochs "
    "of equal accuracy, the last one is taken here, whatever the losses.",
    partial(_rule, worth=lambda *both: both): "Of epochs of equal accuracy, "
    "the one with the higher loss is taken here.",
}


@exercise(
    "7.2 Resume from the best",
    "the run gets the weights of the file, and isn't trained",
    "its optimizer moves these weights, with the new learning rate and the "
    "old momentum",
    "you know what a run needs so that its weights go on exactly",
)
def resume_from_the_best(start_from: Callable, needed: dict) -> None:
    for lr in (0.01, 0.05):
        _started(start_from, lr)
    predicted(needed, _needed(), _NEEDED)


_NEEDED = {
    "optimizer": "It keeps the momentum, which is part of the next step.",
    "generator": "It shuffles: the next epoch takes the digits in the order "
    "that it draws.",
    "random": "These are the states that dropout draws from.",
    "history": "A step reads weights, digits and generators. Does it read the "
    "list of results?",
}
_NOT_STARTED = {
    "in loading state_dict": "The names in the file are those of `run.net`, "
    "which may be another network than the chapter's.",
    "'net'": "The file holds the weights alone, as `best.pt` does, and no "
    "entry 'net'.",
    "No such file": "The file to load is the one at `path`.",
    "does not require grad": "The weights of `run.net` ask for no gradient "
    "any more.",
}
_STARTED = {
    "a run that isn't trained": "The run is trained. Load the weights and set "
    "the rate; who calls the function trains.",
    "the weights of the file": (
        "The weights of `run.net` aren't those of the file.",
        "The file holds a state dict, which a module can load.",
    ),
    "the file, as before": "The file is gone. It may be needed again.",
    "learning rate of the step": (
        "The step has another length than the learning rate says.",
        "The optimizer reads the rate from its `param_groups`, where each "
        "group is a dict with the key 'lr'.",
    ),
    "length of the second step, for a gradient of 1": "The learning rate "
    "alone is new: the step must be made with the momentum of `new_run`, and "
    "with its other settings.",
    "lost": "The momentum is lost. Keep the optimizer of the run, or give a "
    "new one the same momentum.",
}
_OTHER_RATES = {
    0.0: "The step moved nothing: the optimizer holds other parameters than "
    "`run.net`. Load into the network that it was made for.",
    0.1: (
        "The step was taken with the old learning rate.",
        "An attribute of the run or of the optimizer, and its `defaults`, are "
        "read by nobody in a step: each of its `param_groups` has a rate.",
    ),
    0.01: "The step was taken with a rate of 0.01, whatever lr is.",
}


def _started(start_from: Callable, lr: float) -> None:
    """Require that a run starts from a file, with a learning rate."""
    best, run, path = _new_run(0), _new_run(1), Path("best.pt")
    torch.save(best.net.state_dict(), path)
    given = f"start_from(run, path, lr={lr:g})"
    with case(given, known=_NOT_STARTED):
        start_from(run, path, lr)
        long = Phrase("a history of {number} epochs", number=len(run.history))
        _require(not run.history, "a run that isn't trained", long, _STARTED)
        loaded = torch.equal(_weights(run), _weights(best))
        _require(loaded, "the weights of the file", "other weights", _STARTED)
        _require(path.is_file(), "the file, as before", "none", _STARTED)
    given_step = Phrase("{given}, then one step of training", given=given)
    with case(given_step, known=_NOT_STARTED):
        X, y = _data()
        F.cross_entropy(run.net.eval()(X), y).backward()
        slopes = torch.cat([p.grad.flatten() for p in run.net.parameters()])
        rate, what = _rate_of_step(run, slopes), "learning rate of the step"
        _equal(rate, lr, what, _STARTED, _OTHER_RATES, rtol=1e-3)
    two = Phrase(
        "{given}, then two steps with the same gradients", given=given
    )
    with case(two):
        what = "length of the second step, for a gradient of 1"
        rate, known = _rate_of_step(run, slopes), {lr: _STARTED["lost"]}
        # With 0.9 of the first step.
        _equal(rate, 1.9 * lr, what, _STARTED, known, rtol=1e-3)


def _rate_of_step(run: Run, slopes: Tensor) -> float:
    """How far a step moves the steepest weight, for a gradient of 1."""
    before, steepest = _weights(run), slopes.abs().argmax()
    run.optimizer.step()
    return ((before - _weights(run))[steepest] / slopes[steepest]).item()


def _parts(run: Run) -> dict[str, tuple[Callable, Callable]]:
    """What gets a part of a run's state, and what sets it."""
    net, optimizer, generator = run.net, run.optimizer, run.generator
    return {
        "net": (net.state_dict, net.load_state_dict),
        "optimizer": (optimizer.state_dict, optimizer.load_state_dict),
        "generator": (generator.get_state, generator.set_state),
        "random": (torch.get_rng_state, torch.set_rng_state),
        "history": (lambda: run.history, run.history.extend),
    }


def _state(run: Run) -> dict:
    state = {name: get() for name, (get, _) in _parts(run).items()}
    if hasattr(run, "scheduler"):
        state["scheduler"] = run.scheduler.state_dict()
    return copy.deepcopy(state)


def _load(run: Run, state: dict, skip: str = "") -> None:
    for name, (_, set_to) in _parts(run).items():
        if name != skip:
            set_to(copy.deepcopy(state[name]))


def _needed() -> dict[str, bool]:
    """Without which entries a run ends with other weights."""
    whole = _new_run(0)
    _one_epoch(whole)
    state = _state(whole)
    _one_epoch(whole)
    needed = {}
    for name in _NEEDED:
        run = _new_run(1)
        _load(run, state, skip=name)
        _one_epoch(run)
        needed[name] = not torch.equal(_weights(run), _weights(whole))
    return needed


@exercise(
    "7.3 A schedule",
    "the learning rate is halved every three epochs",
    "a run that was cut in epoch 8 goes on with the rates of a whole one",
    "it ends with the same weights and the same history",
    "the checkpoint is one file, written whole or not at all, and loaded "
    "without running code",
    "you know the rates of a run whose scheduler wasn't saved",
)
def schedule(
    add_schedule: Callable,
    save_with_schedule: Callable,
    resume_with_schedule: Callable,
    rates: dict,
) -> None:
    trial = _Scheduled(add_schedule, save_with_schedule, resume_with_schedule)
    _resumed_rates(trial, _halved_rates(trial))
    _one_file(trial)
    _written_whole(trial)
    _runs_no_code(trial)
    predicted(rates, _rates_without_scheduler(), _RATES, of="epoch {key}")


_RATES = {
    8: "The optimizer's state holds the rate of the moment when it was saved.",
    9: "No three epochs have gone by since epoch 8, nor since the last "
    "change.",
    10: "A new scheduler has counted two epochs, 8 and 9, when epoch 10 "
    "begins.",
    11: "A new scheduler has counted three epochs when epoch 11 begins: 8, 9 "
    "and 10.",
}
_SCHEDULED: dict[str, Hint] = {
    "run.scheduler": "The run has no `scheduler` afterwards: a run keeps what "
    "is set as its attribute.",
    "the optimizer of the run": "The run's optimizer is replaced. A scheduler "
    "changes the rate of the one that is there.",
    "the run as it was": "To write a checkpoint must change nothing in the "
    "run.",
    "a checkpoint at path": "The second argument is the path of the file.",
    "epochs in the history": "A run that has trained for 7 epochs has 7 "
    "entries in its history.",
    "a scheduler of run.optimizer": "The scheduler came out of the file with "
    "an optimizer of its own. Save states, not objects.",
    "a run of 2 epochs, by its history and its scheduler": "The one file must "
    "be enough. What is in memory, or in a file beside it, may be gone or "
    "belong to another checkpoint.",
    "the first checkpoint at path": (
        "The last checkpoint is lost while the next is written.",
        "The chapter's `save` writes under another name first.",
    ),
    "the file refused": (
        "The file could run any code. `resume` of the chapter refuses it.",
        "An argument of `torch.load` decides it.",
    ),
}
_OBJECT = {
    "Weights only load failed": (
        "There is more in the file than states: an object, which would run "
        "code when it is loaded.",
        "What has a state, such as a scheduler, has a method `state_dict`.",
    )
}
RUN = Path("run.pt")


class _Scheduled(NamedTuple):
    """The three functions of an answer."""

    add: Callable
    save: Callable
    resume: Callable

    def new_run(self, seed: int, num_epochs: int = 0) -> Run:
        run = _new_run(seed)
        self.add(run)
        for _ in range(num_epochs):
            _scheduled_epoch(run)
        return run


def _scheduled_epoch(run: Run) -> float:
    """Train for an epoch; the learning rate in it."""
    (group,) = run.optimizer.param_groups
    rate = float(group["lr"])
    _one_epoch(run)
    run.scheduler.step()
    return rate


def _halved(every: int = 3, factor: float = 0.5) -> tuple[float, ...]:
    rates = (0.1 * factor ** (epoch // every) for epoch in range(13))
    return tuple(round(rate, 6) for rate in rates)


_HALVED = (
    "The rate isn't halved every three epochs.",
    "`StepLR` takes the optimizer, the number of epochs from one change to "
    "the next, and the factor.",
)
_NOT_HALVED = {
    (0.1,) * 13: "The rate stays: the scheduler must hold `run.optimizer` "
    "itself.",
    _halved(every=1): "This halves it after each epoch: `step_size` is the "
    "number of epochs between two changes.",
    _halved(factor=0.1): "This takes a tenth: `gamma` is the factor, and 0.1 "
    "is what it is if you give none.",
}
_RESUMED = (
    "These aren't the rates of a run that wasn't cut.",
    "The rate is an entry of the optimizer's state, and the number of epochs "
    "one of the scheduler's: both must be as they were.",
)
_NOT_RESUMED = {
    (0.025, 0.025, 0.025): "The scheduler counts its epochs from 0 again: its "
    "state is lost, in saving or in resuming.",
    (0.1, 0.1, 0.05): "The rate begins at 0.1 again. It is an entry of the "
    "optimizer's state.",
}


def _halved_rates(trial: _Scheduled) -> Run:
    """A run of 10 epochs with a schedule, if that is right."""
    whole = _new_run(0)
    optimizer = whole.optimizer
    with case("add_schedule(run), then 13 epochs"):
        trial.add(whole)
        has = hasattr(whole, "scheduler")
        _require(has, "run.scheduler", "a run without it", _SCHEDULED)
        kept = whole.optimizer is optimizer
        _require(kept, "the optimizer of the run", "another one", _SCHEDULED)
        rates = [_scheduled_epoch(whole) for _ in range(10)]
        for _ in range(3):  # without training
            rates.append(float(optimizer.param_groups[0]["lr"]))
            whole.scheduler.step()
        rates, truth = [round(rate, 6) for rate in rates], [*_halved()]
        equal(rates, truth, _HALVED, _NOT_HALVED, what="learning rates")
    return whole


def _resumed_rates(trial: _Scheduled, whole: Run) -> None:
    """Require that a run that was cut in epoch 8 ends as a whole one."""
    with case("a run with a schedule, saved after epoch 7", known=_OBJECT):
        run = trial.new_run(0, num_epochs=7)
        state = _state(run)
        trial.save(run, RUN)
        changed = "a run that was changed by saving"
        kept = not _others(state, _state(run))
        _require(kept, "the run as it was", changed, _SCHEDULED)
        _require(RUN.is_file(), "a checkpoint at path", "none", _SCHEDULED)
    given = "saved after epoch 7, and resumed in a new run with a schedule"
    with case(given, known=_OBJECT):
        run = trial.new_run(1)
        trial.resume(run, RUN)
        _equal(len(run.history), 7, "epochs in the history", _SCHEDULED)
        kept = run.scheduler.optimizer is run.optimizer
        other = "a scheduler of another optimizer"
        _require(kept, "a scheduler of run.optimizer", other, _SCHEDULED)
        others = _others(state, _state(run))
    rates = Phrase(
        "{given}: the learning rates of epochs 8 to 10", given=given
    )
    with case(rates):
        rates = [_scheduled_epoch(run) for _ in range(3)]
        truth = [*_halved()[7:10]]
        equal(rates, truth, _RESUMED, _NOT_RESUMED, what="learning rates")
    end = Phrase(
        "{given}: the end, after 10 epochs, and that of a whole run",
        given=given,
    )
    with case(end):
        kept, hint = _same_end(run, whole), _what_differs(others)
        holds(kept, "the same weights and the same history", "others", hint)


def _others(state: dict, other: dict) -> list[str]:
    """The entries in which two states differ."""
    return [
        name
        for name, value in state.items()
        if not (
            torch.equal(value, other[name])
            if isinstance(value, Tensor)
            else same(other[name], value)
        )
    ]


_DIFFERS = {
    "net": "The weights aren't those that were saved.",
    "optimizer": "The optimizer isn't as it was saved: its momentum and its "
    "learning rate are states, too.",
    "random": "PyTorch's own generator isn't where it was, so that dropout "
    "draws other numbers.",
    "generator": "The generator that shuffles isn't where it was, so that the "
    "digits come in another order.",
}


def _what_differs(others: list[str]) -> str:
    """A hint for a run that resumed with some entries that are others."""
    hints = [hint for name, hint in _DIFFERS.items() if name in others]
    other = "Something that a run needs isn't as it was when it was saved."
    return (*hints, other)[0]


def _one_file(trial: _Scheduled) -> None:
    """Require that a checkpoint is enough, wherever it is."""
    expected = "a run of 2 epochs, by its history and its scheduler"
    known = {"FileNotFoundError": _SCHEDULED[expected]}
    given = "a checkpoint of epoch 2 that is moved to another folder"
    with case(given, known=known):
        run = trial.new_run(0, num_epochs=2)
        trial.save(run, Path("first.pt"))
        count = run.scheduler.last_epoch
        trial.save(trial.new_run(2, num_epochs=1), Path("second.pt"))
        Path("elsewhere").mkdir()
        path = Path("first.pt").rename(Path("elsewhere", "moved.pt"))
        run = trial.new_run(1)
        trial.resume(run, path)
        epochs = len(run.history), run.scheduler.last_epoch
        got = Phrase(
            "{number} epochs by the history, {count} by the scheduler",
            number=epochs[0],
            count=epochs[1],
        )
        _require(epochs == (2, count), expected, got, _SCHEDULED)


def _written_whole(trial: _Scheduled | _Inside) -> None:
    """Require that a checkpoint stays if the next can't be written."""
    path, run = Path("whole.pt"), trial.new_run(0)
    with case("a checkpoint; the next breaks off while it is written"):
        trial.save(run, path)
        before = path.read_bytes()
        run.history.append((0.9, 0.5, _Unsavable()))
        with suppress(Exception):
            trial.save(run, path)
        kept = path.is_file() and path.read_bytes() == before
        lost = "a file that can't be read"
        _require(kept, "the first checkpoint at path", lost, _SCHEDULED)


class _Unsavable:
    """What can't be written, as if the disk were full."""

    def __reduce__(self) -> tuple:
        raise OSError("no space left on device")


def _runs_no_code(trial: _Scheduled | _Inside) -> None:
    """Require that a file that isn't a checkpoint runs no code."""
    path, run = Path("hostile.pt"), trial.new_run(1)
    torch.save({"net": _Hostile()}, path)
    _Hostile.ran = False
    with case("a file that would run code when it is loaded"):
        with suppress(Exception):
            trial.resume(run, path)
        ran = _Hostile.ran
        _require(not ran, "the file refused", "its code was run", _SCHEDULED)


class _Hostile:
    """What notes that it was loaded."""

    ran = False

    def __reduce__(self) -> tuple:
        return setattr, (_Hostile, "ran", True)


def _rates_without_scheduler() -> dict[int, float]:
    """The rates of epochs 8 to 11, of a run resumed without its scheduler."""
    stopped, resumed = _new_run(0), _new_run(1)
    for run in (stopped, resumed):
        run.scheduler = StepLR(run.optimizer, 3, gamma=0.5)
    for _ in range(7):
        _scheduled_epoch(stopped)
    _load(resumed, _state(stopped))
    return {epoch: _scheduled_epoch(resumed) for epoch in range(8, 12)}


class _PowerCutError(RuntimeError):
    """What stops a run of a check."""


class _Watch:
    """The batches that a run trains with, up to a cut before one of them.

    Args:
        run (SimpleNamespace): the run, which may write checkpoints to `RUN`.
        cut (int): before which batch the power is cut; 0 is never.
    """

    def __init__(self, run: Run, cut: int = 0) -> None:
        self.run, self.cut = run, cut
        self.batches: list[Tensor] = []
        self.written: list[int] = []  # after how many batches
        self.evaluated = 0  # batches, with the network in evaluation
        self.after_ten: dict = {}  # the state of the run
        self._is_written()
        run.net.register_forward_pre_hook(self._note)

    def _note(self, net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not net.training:
            self.evaluated += 1
            return
        if len(self.batches) == 10:
            self.after_ten = _state(self.run)
        if self._is_written():
            self.written.append(len(self.batches))
        if len(self.batches) == self.cut - 1:
            raise _PowerCutError(f"power cut before batch {self.cut}")
        self.batches.append(inputs[0].detach().clone())

    def _is_written(self) -> bool:
        """Whether the file is a new one since this was asked before."""
        new = RUN.is_file() and RUN.stat().st_mtime_ns > 0
        if new:
            os.utime(RUN, ns=(0, 0))
        return new


@exercise(
    "7.4 Lose less",
    "an epoch without a cut is that of `train_epoch`",
    "a run that was cut at batch 16 resumes with batch 11, also twice",
    "it takes the digits that were left, each once",
    "it ends with the same loss and the same weights",
    "the epochs after it are whole ones",
    "a checkpoint is written whole or not at all, and loaded without running "
    "code",
)
def lose_less(
    train_epoch_inside: Callable,
    save_inside: Callable,
    resume_inside: Callable,
) -> None:
    trial = _Inside(train_epoch_inside, save_inside, resume_inside)
    one, watch = _whole(1)
    two, _ = _whole(2)
    _uncut(trial, one, watch.batches)
    _cut_once(trial, one, two, watch)
    _cut_again(trial, one, two)
    _written_whole(trial)
    _runs_no_code(trial)


NUMBER = 47  # of images, so that the last batch is a smaller one
_INSIDE: dict[str, Hint] = {
    "a network in training": "`evaluate` has left the network in evaluation, "
    "where nothing drops out. An epoch, and the rest of one, begins with a "
    "switch.",
    "images of X": "The images are of another tensor than the argument X.",
    "the batches of train_epoch, in its order": (
        "Where no epoch has begun, the order isn't that of `train_epoch`.",
        "It draws the order from `run.generator`, once for each epoch.",
    ),
    "the weights after train_epoch": "A step of the chapter has five lines, "
    "once for each batch. Compare yours with them.",
    "batches 11 to 24 of the order that was drawn": (
        "The digits come in another order than before the cut.",
        "The order is drawn before the first batch, and the generator has "
        "moved on since. It belongs to what a resumed epoch needs.",
    ),
    "entries in the history": "The function puts an entry into the history. "
    "Return the loss: who calls it adds the entry, with the validation "
    "results.",
    "mean loss": "Return the mean loss of all images of the epoch.",
    "sum": "This is the sum. Divide it by len(X).",
    "mean of means": "Each image counts once. The last batch has one image "
    "here, and the others two.",
    "number of batches": "`batch_size` is an argument, here 2, and all images "
    "of X come in batches of this size.",
    "sizes": "Each batch has `batch_size` images, but for the last: `split` "
    "makes them.",
    "14 left": "The checkpoint was written after batch 10, so that the "
    "resumed epoch has 14 batches left, 11 to 24. Put into `run.begun` how "
    "many are done, and save it.",
    "whole mean": "The mean is over the whole epoch, so the sum of the losses "
    "up to the cut must be saved too.",
    "earlier moment": "The weights and the momentum are those of an earlier "
    "moment: save after the step of the tenth batch.",
    "run.begun": "Empty `run.begun` when the epoch ends.",
    "next epoch": "The next epoch is a whole one.",
    "generator": "Is the generator that shuffles as it was after the order "
    "was drawn? Its state belongs to the checkpoint as before.",
    "cut twice": "After two cuts, batches 21 to 24 are left. Count the "
    "batches from the beginning of the epoch, not of its rest.",
    "whole sum": "The sum of the losses is that of the whole epoch, also in "
    "the rest of a rest.",
    "cut late": "The second checkpoint of an epoch, after batch 20, must hold "
    "what the first does: saving changes nothing in the run.",
    "epochs in the history": "The checkpoint between two epochs holds the "
    "history, which is to be loaded with the rest.",
    "nothing begun": "Between two epochs nothing is begun: the checkpoint of "
    "that moment must say so.",
}
_NOT_LEFT = {
    24: "The epoch begins anew: save how many batches of it are done, and "
    "leave these out.",
    13: "A batch is left out: when the checkpoint was written, ten were done, "
    "not eleven.",
    15: "A batch comes twice: when the checkpoint was written, ten were done, "
    "not nine.",
}
# By what went wrong with the times at which checkpoints are written.
_EVERY_TEN = {
    "none": "After ten batches there is no new checkpoint at `path`. It is "
    "written within the epoch.",
    "from 0": "The numbers of the batches begin at 0 in your loop: `i % 10 == "
    "0` holds for the first, and then for the eleventh.",
    "late": "These come a batch late: the eleventh has been forward already. "
    "Save at the end of a step.",
    "all": "This is a checkpoint after every batch, which costs time. Write "
    "one after every ten.",
    "others": "Write a checkpoint after every ten batches, counted from 1.",
}


class _Inside(NamedTuple):
    """The three functions of an answer."""

    train_epoch: Callable
    save: Callable
    resume: Callable

    def new_run(self, seed: int) -> Run:
        run = _new_run(seed)
        run.begun = {}
        return run

    def epoch_of(self, run: Run, cut: int = 0) -> _Watch:
        """Train for an epoch, 24 batches of 2 but the last, or its rest."""
        watch = _Watch(run, cut)
        run.net.eval()  # as `evaluate` leaves it
        before = len(run.history)
        with suppress(_PowerCutError):
            loss = self.train_epoch(run, *_data(NUMBER), RUN, 2)
            number, what = len(run.history), "entries in the history"
            _equal(number, before, what, _INSIDE)
            run.history.append((loss, 0.0, 0.0))
        return watch

    def cut(self, run: Run, batch: int) -> Run:
        """A new run that goes on where another one was cut."""
        self.epoch_of(run, batch)
        resumed = self.new_run(1)
        self.resume(resumed, RUN)
        return resumed


def _uncut(trial: _Inside, one: Run, order: list[Tensor]) -> None:
    """Require that an epoch without a cut is the chapter's."""
    given = "an epoch without a cut: 47 images in batches of 2"
    out = "X has 47 images here. Take their number from the argument."
    with case(given, known={"out of bounds": out}):
        run = trial.new_run(0)
        watch = trial.epoch_of(run)
        _same_batches(watch, order)
        kept = _same_weights(run, one)
        _require(kept, "the weights after train_epoch", "others", _INSIDE)
        (loss, *_), (truth, *_) = run.history[0], one.history[0]
        _equal(loss, truth, "mean loss", _INSIDE, _wrong_means(truth))
        _every_ten(watch.written)


def _wrong_means(loss: float) -> dict[float, Hint]:
    """The sum, and means in which the last batch counts as a whole one."""
    total = sum(loss for loss, _ in _losses(_new_run(0), 2, NUMBER))
    means = (total / n for n in (24, NUMBER / 2, NUMBER))
    known = dict.fromkeys(means, _INSIDE["mean of means"])
    return {loss * NUMBER: _INSIDE["sum"], **known}


def _in_training(watch: _Watch) -> None:
    got = Phrase(
        "{number} batches with the network in evaluation",
        number=watch.evaluated,
    )
    _require(not watch.evaluated, "a network in training", got, _INSIDE)


def _same_batches(watch: _Watch, order: list[Tensor]) -> None:
    """Require the batches of an epoch: their number, sizes and order."""
    batches = watch.batches
    _in_training(watch)
    _equal(len(batches), 24, "number of batches", _INSIDE)
    sizes = [len(batch) for batch in batches]
    _equal(sizes, [2] * 23 + [1], "sizes", _INSIDE)
    X, _ = _data(NUMBER)
    given = {tuple(image) for image in X.flatten(1).tolist()}
    got = {tuple(image) for image in torch.cat(batches).flatten(1).tolist()}
    _require(got <= given, "images of X", "others", _INSIDE)
    same_order = all(map(torch.equal, batches, order))
    expected = "the batches of train_epoch, in its order"
    _require(same_order, expected, "another order", _INSIDE)


def _every_ten(written: list[int]) -> None:
    """Require checkpoints after batches 10 and 20."""
    mistake = "others"
    if not written:
        mistake = "none"
    elif {1, 11, 21} <= set(written) and len(written) < 23:
        mistake = "from 0"
    elif written == [11, 21]:
        mistake = "late"
    elif len(written) == 23:
        mistake = "all"
    got = Phrase(
        "after batches {numbers}", numbers=", ".join(map(str, written))
    )
    holds(
        [batch for batch in written if batch] == [10, 20],
        "checkpoints after batches 10, 20",
        got if written else "none",
        _EVERY_TEN[mistake],
    )


def _left(watch: _Watch, number: int, hint: str, known: Known = ()) -> None:
    """Require how many batches a resumed epoch has."""
    what = "batches of the resumed epoch"
    equal(len(watch.batches), number, _INSIDE[hint], known, what=what)


def _ends_as(run: Run, whole: Run, hint: str) -> None:
    end = "the end of a run that wasn't cut"
    holds(_same_end(run, whole), end, "another", _INSIDE[hint])


def _cut_once(trial: _Inside, one: Run, two: Run, whole: _Watch) -> None:
    """Require the rest of an epoch that was cut, and the epoch after it."""
    with case("a run that is cut before batch 16 of its first epoch"):
        run = trial.cut(trial.new_run(0), 16)
        before = _state(run)
        watch = trial.epoch_of(run)
        _in_training(watch)
        _left(watch, 14, "14 left", _NOT_LEFT)
        same_order = all(map(torch.equal, watch.batches, whole.batches[10:]))
        expected = "batches 11 to 24 of the order that was drawn"
        _require(same_order, expected, "others", _INSIDE)
        # What the checkpoint ought to hold; but a run may draw again.
        others = [
            name
            for name in _others(whole.after_ten, before)
            if name not in ("generator", "history")
        ]
        hint = _what_differs(others)
        if others == ["net", "optimizer"]:
            hint = _INSIDE["earlier moment"]
        kept = _same_weights(run, one)
        holds(kept, "the weights of a run that wasn't cut", "others", hint)
        (loss, *_), (truth, *_) = run.history[0], one.history[0]
        equal(loss, truth, _INSIDE["whole mean"], what="mean loss")
    with case("the epoch after a resumed one"):
        _equal(run.begun, {}, "run.begun", _INSIDE)
        trial.save(run, RUN)
        number, hint = len(trial.epoch_of(run).batches), _INSIDE["next epoch"]
        equal(number, 24, hint, what="number of batches")
        _ends_as(run, two, "generator")


def _cut_again(trial: _Inside, one: Run, two: Run) -> None:
    """Require the rest of an epoch, wherever and how often it was cut."""
    with case("a run that is cut before batch 16, and again before 22"):
        run = trial.cut(trial.cut(trial.new_run(0), 16), 22 - 10)
        _left(trial.epoch_of(run), 4, "cut twice")
        _ends_as(run, one, "whole sum")
    with case("a run that is cut before batch 22 of its first epoch"):
        run = trial.cut(trial.new_run(0), 22)
        _left(trial.epoch_of(run), 4, "cut late")
    with case("a run that is cut before batch 5 of its second epoch"):
        run = trial.new_run(0)
        trial.epoch_of(run)
        trial.save(run, RUN)
        run = trial.cut(run, 5)
        _equal(len(run.history), 1, "epochs in the history", _INSIDE)
        trial.epoch_of(run)
        _ends_as(run, two, "nothing begun")


def _whole(num_epochs: int) -> tuple[Run, _Watch]:
    """A run that isn't cut, in batches of 2, and what it saw."""
    run = _new_run(0)
    watch = _Watch(run)
    for _ in range(num_epochs):
        loss = _train_epoch(run, size=2, number=NUMBER)
        run.history.append((loss, 0.0, 0.0))
    return run, watch


@exercise(
    "7.5 The stop button",
    "without the button, the run goes on to its end",
    "with it, no error is raised, and the run ends",
    "the epoch of the last checkpoint is returned and printed",
    "this also holds while a checkpoint is written, just after that, and for "
    "a resumed run",
    "there is a checkpoint of each epoch, and none of a part of one",
    "any other error is still raised",
)
def stop_button(train_until_stopped: Callable) -> None:
    trial = partial(_trial, train_until_stopped)
    _stopped(trial)
    errors = {
        "a ZeroDivisionError in epoch 4": ("in 4", ZeroDivisionError),
        "a RuntimeError in epoch 4": ("in 4", RuntimeError),
        "an OSError in save_run after epoch 4": ("before 4", OSError),
        "a SystemExit in epoch 4": ("in 4", SystemExit),
    }
    for given, where in errors.items():
        returned = partial(lambda where: trial(*where).got, where)
        with case(given):
            raises(where[1], returned, hint=_BUTTON["other errors"])


_LENGTH = "epochs in the history"
_SAVED = "epochs of the checkpoints"
_RETURNED = "returned epoch"
_BUTTON: dict[str, Hint] = {
    "length": "Train until the history has `num_epochs` entries.",
    "saved": "A checkpoint is written after each epoch, when its results are "
    "in the history.",
    "none saved": "None is written by the `save_run` that is given.",
    "returned": "Return the epoch of the last checkpoint, also if nobody "
    "stops.",
    "epoch begun": "Epoch 4 isn't in a checkpoint: it didn't come to its end.",
    "part saved": "A checkpoint of the moment in which it is stopped has "
    "weights that have seen a part of epoch 4, and the history of 3.",
    "no epoch": "Before the first checkpoint, the answer is 0.",
    "ahead": (
        "Epoch 4 is in the history, but its checkpoint wasn't written.",
        "The file knows which epoch was the last.",
    ),
    "behind": (
        "The button came when the file of epoch 4 was there, and `save_run` "
        "hadn't come back. A number that is noted later is behind.",
        "The file knows which epoch was the last.",
    ),
    "resumed": "Its last checkpoint is the one that it was resumed from.",
    "resumed length": "`num_epochs` counts the epochs before the resuming "
    "too.",
    "printed": "When the run is stopped, the epoch of the last checkpoint is "
    "to be printed.",
    "numbers": "Which of so many numbers is the epoch? Print it alone.",
    "other errors": "Only the button is expected. Catch `KeyboardInterrupt` "
    "alone, or a mistake in the code goes by in silence.",
}
_WENT_ON = {
    5: "The run went on to its end, as if nobody had stopped it.",
    None: "Nothing is returned when the run is stopped.",
}
_OUT = {
    "stopped in": (
        "The `KeyboardInterrupt` comes out of the function, so that the run "
        "ends with a traceback.",
        "It must be caught by its name, wherever it is raised, and not raised "
        "again: `except Exception` lets it pass, since it is no `Exception`.",
    )
}
_NO_FILE = {"No such file": "There is no checkpoint yet, and no file to read."}


def _stopped(trial: Callable) -> None:
    with case("5 epochs, and nobody stops"):
        run, known = trial(), [([], _BUTTON["none saved"])]
        equal(run.length, 5, _BUTTON["length"], what=_LENGTH)
        equal(run.saved, [1, 2, 3, 4, 5], _BUTTON["saved"], known, what=_SAVED)
        equal(run.got, 5, _BUTTON["returned"], what=_RETURNED)
    with case("5 epochs, stopped in epoch 4", known=_OUT):
        run = trial("in 4")
        _stopped_after(run, 3, _BUTTON["epoch begun"])
        equal(run.saved, [1, 2, 3], _BUTTON["part saved"], what=_SAVED)
    with case("5 epochs, stopped in epoch 1", known=_OUT | _NO_FILE):
        equal(trial("in 1").got, 0, _BUTTON["no epoch"], what=_RETURNED)
    given = (
        "5 epochs, stopped in save_run, before the file of epoch 4 is written"
    )
    with case(given, known=_OUT):
        _stopped_after(trial("before 4"), 3, _BUTTON["ahead"])
    given = (
        "5 epochs, stopped in save_run, when the file of epoch 4 is written"
    )
    with case(given, known=_OUT):
        _stopped_after(trial("after 4"), 4, _BUTTON["behind"])
    with case("a resumed run of 2 epochs, stopped in epoch 3"):
        got = trial("in 3", history=2).got
        equal(got, 2, _BUTTON["resumed"], what=_RETURNED)
    with case("a resumed run of 2 epochs, and nobody stops"):
        length = trial(history=2).length
        equal(length, 5, _BUTTON["resumed length"], what=_LENGTH)


def _stopped_after(run: Run, epoch: int, hint: Hint) -> None:
    """Require the epoch that is returned and printed."""
    equal(run.got, epoch, hint, _WENT_ON, what=_RETURNED)
    numbers = re.findall(r"\d+", run.printed.strip().split("\n")[-1])
    line = Phrase("a last line that names epoch {epoch}", epoch=epoch)
    named = str(epoch) in numbers
    holds(named, line, show(run.printed), _BUTTON["printed"])
    line = Phrase("a line that names epoch {epoch}", epoch=epoch)
    got = Phrase("one with {number} numbers", number=len(numbers))
    holds(len(numbers) <= 6, line, got, _BUTTON["numbers"])


def _trial(
    train_until_stopped: Callable,
    where: str = "",
    error: type[BaseException] = KeyboardInterrupt,
    history: int = 0,
) -> Run:
    """What comes of a run that is stopped once, or not at all.

    Args:
        train_until_stopped (Callable): the answer.
        where (str): where the error is raised: "in 4" is in epoch 4, "before
            4" or "after 4" before or after the file of epoch 4 is written.
        error (type): what is raised.
        history (int): the number of epochs that the run is resumed from.
    """
    saved, left = [], {where: error}

    def reach(here: str, epoch: int, words: str) -> None:
        if f"{here} {epoch}" in left:  # the button is pressed once
            raise left.popitem()[1](f"stopped in {words}")

    def one_epoch(run: Run) -> None:
        reach("in", len(run.history) + 1, "an epoch")
        run.history.append((0.9, 0.5, 0.8))

    def save_run(run: Run, path: Path) -> None:
        epoch = len(run.history)
        reach("before", epoch, "save_run")
        random_state = {"cpu": torch.get_rng_state()}
        state = {"epoch": epoch, **_state(run), "random": random_state}
        torch.save(state, path)  # with the entries of the chapter's
        saved.append(epoch)
        reach("after", epoch, "save_run")

    run = _new_run(0)
    RUN.unlink(missing_ok=True)
    if history:
        run.history += [(0.9, 0.5, 0.8)] * history
        save_run(run, RUN)
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        got = train_until_stopped(run, RUN, 5, one_epoch, save_run)
    printed, length = printed.getvalue(), len(run.history)
    return Run(got=got, printed=printed, length=length, saved=saved)


@exercise(
    "7.6 Who confuses whom",
    "entry (i, j) counts the digits i that are read as j",
    "the matrix has the shape (10, 10), whatever digits occur",
    "most_confused adds both directions",
    "neither changes what it is given",
    "you know what all entries sum to, and what the diagonal",
)
def who_confuses_whom(
    confusion: Callable, most_confused: Callable, sums: dict
) -> None:
    _counts(confusion, [3, 3, 8], [3, 8, 8])
    _counts(confusion, [1, 1, 1, 7], [1, 1, 1, 1])
    C = torch.diag(torch.full((10,), 9))
    C[2, 5], C[4, 1], C[1, 4] = 4, 3, 2
    given = "2 was read as 5 four times, 4 as 1 three times, 1 as 4 twice"
    hint = (
        "4 and 1 are confused 5 times, in both directions together: add them."
    )
    _confused(most_confused, given, C, (1, 4), hint)
    C = torch.diag(torch.tensor([90, 90, *[1] * 8]))
    C[0, 1], C[2, 5], C[5, 2] = 6, 3, 2
    given = (
        "0 was read as 1 six times, 2 as 5 three times, 5 as 2 twice; 0 and 1 "
        "were read right 90 times, and the other digits once"
    )
    hint = (
        "0 and 1 are confused 6 times, 2 and 5 only 5 times. Their numbers "
        "are added, and nothing else is done with them."
    )
    _confused(most_confused, given, C, (0, 1), hint)
    y = torch.arange(297) % 10
    C = _confusion(y, torch.where(torch.arange(297) < 7, (y + 1) % 10, y))
    truth = {"all entries": C.sum().item(), "diagonal": C.trace().item()}
    predicted(sums, truth, _SUMS)


_SUMS = {
    "all entries": "Each digit is counted in one entry.",
    "diagonal": "On it, label and answer are the same.",
}
_COUNTED: dict[str, Hint] = {
    "a matrix": "Return the matrix of counts, of shape (10, 10).",
    "labels and answers as they were": "The labels or the answers are changed "
    "in place. They are needed again.",
    "shape": "There are ten digits, also where some don't occur.",
    "entries that aren't 0": (
        "These aren't the counts.",
        "Each digit adds 1 to one entry: its label is the row, what it was "
        "read as the column.",
    ),
    "pair": (
        "This isn't the pair that is confused most often.",
        "For a pair, an entry and its mirror image count together. Of these "
        "sums, off the diagonal, find the largest, and give its two digits.",
    ),
    "the matrix as it was": "Work on a copy: what ends in `_`, such as "
    "`fill_diagonal_`, changes the matrix of the caller.",
}


def _counts(count: Callable, labels: list[int], read_as: list[int]) -> None:
    """Require the matrix of some digits."""
    y, answers = torch.tensor(labels), torch.tensor(read_as)
    truth = _confusion(y, answers)
    given = Phrase("labels {y}, read as {answers}", y=labels, answers=read_as)
    ten = _COUNTED["shape"]
    with case(given, known={"is invalid for input of size": ten}):
        copies = y.clone(), answers.clone()
        C = _matrix(count(*copies))
        kept = all(map(torch.equal, copies, (y, answers)))
        _require(kept, "labels and answers as they were", "others", _COUNTED)
        known = {(100,): "A row of 100 numbers is no matrix yet."}
        _equal(tuple(C.shape), (10, 10), "shape", _COUNTED, known)
        known = [(_entries(f(truth)), why) for why, f in _MISCOUNTED.items()]
        got, truth = _entries(C), _entries(truth)
        _equal(got, truth, "entries that aren't 0", _COUNTED, known)


# By hint, what may be in the place of the matrix.
_MISCOUNTED: dict[Hint, Callable] = {
    "This is the other way round: the row is the label, the column what was "
    "read.": lambda C: C.T,
    (
        "An entry that comes several times is counted once.",
        "`C[y, answers] += 1` adds 1 once to each entry. `index_put_` with "
        "accumulate=True, or `bincount`, counts each.",
    ): lambda C: C.clamp(max=1),
    "These are shares of each row. Leave the counts.": lambda C: (
        C / C.sum(1, keepdim=True).clamp(min=1)
    ),
    "These are shares of all digits. Leave the counts.": lambda C: C / C.sum(),
    "What was read right is counted too, on the diagonal.": lambda C: (
        C - C.diag().diag()
    ),
    "Both directions are added up here. The matrix keeps them apart.": (
        lambda C: C + C.T
    ),
}


def _confused(
    most: Callable, given: str, C: Tensor, pair: tuple, hint: str
) -> None:
    """Require the pair that is confused most often."""
    known = {
        (2, 5): hint,
        pair[::-1]: "The smaller digit comes first.",
        (0, 0): "This is on the diagonal, which counts what was read right.",
    }
    with case(given):
        matrix = C.clone()
        _equal(most(matrix), pair, "pair", _COUNTED, known)
        kept = torch.equal(matrix, C)
        _require(kept, "the matrix as it was", "another one", _COUNTED)


def _matrix(got: object) -> Tensor:
    """A matrix as a tensor, also one of lists or of numpy's."""
    C = None
    with suppress(Exception):
        C = torch.as_tensor(got)
    is_matrix = C is not None and not C.is_meta
    _require(is_matrix, "a matrix", show(got), _COUNTED)
    return C


def _confusion(y: Tensor, answers: Tensor) -> Tensor:
    return (10 * y + answers).bincount(minlength=100).reshape(10, 10)


def _entries(C: Tensor) -> dict[tuple[int, int], float]:
    """The entries that aren't 0, by their place."""
    return {
        tuple(place): C[tuple(place)].item() for place in C.nonzero().tolist()
    }


@exercise(
    "7.7 New hands",
    "the parts have 1,200, 297 and 300 digits",
    "the test digits are the last 300 of the file",
    "training and validation share the others, in an order from the seed",
    "you know which of the two test accuracies is lower",
)
def new_hands(split_new_hands: Callable, lower: object) -> None:
    _seeded(split_new_hands, *_split(split_new_hands))
    question = "your prediction of the lower test accuracy"
    one_of(lower, ("mixed", "new hands"), question)
    with asked(question):
        equal(lower, _lower_accuracy(), _HANDS["lower"])


_HANDS = {
    "sizes": "Return the positions of three parts: training, validation, "
    "test.",
    "first, last and number of the test positions": "The test digits are at "
    "positions 1497 to 1796, the last 300 of 1,797.",
    "each of the positions 0 to 1496 in one of the other parts": "Permute "
    "1497 positions, and split them: none may be missing, or come twice.",
    "the others permuted": "Permute before you split: else the validation "
    "digits are of other hands than the training digits.",
    "the same split": "The same seed gives the same split: set it in the "
    "function, before you permute.",
    "another split for another seed": "Each seed has a split of its own: use "
    "the argument as it is.",
    "three parts": "Return three parts: the positions of training, validation "
    "and test.",
    "one dimension of positions": "Return positions in the file, not the "
    "images that are there: `X[train]` gives these later.",
    "lower": "In the mixed split, each hand that wrote test digits wrote "
    "training digits too. Is that easier or harder?",
}
_OTHER_ENDS = {
    (0, 299, 300): "These are the first 300 of the file.",
    (1498, 1797, 300): "Positions begin at 0, so that the last is 1796.",
}


def _split(split_new_hands: Callable) -> tuple[list[int], list[int]]:
    """The parts for training and validation, if all three are right."""
    with case("split_new_hands(0)"):
        train, valid, test = _positions(split_new_hands(0))
        sizes = [len(train), len(valid), len(test)]
        _equal(sizes, [1200, 297, 300], "sizes", _HANDS)
        ends, truth = [min(test), max(test), len(set(test))], [1497, 1796, 300]
        what = "first, last and number of the test positions"
        _equal(ends, truth, what, _HANDS, _OTHER_ENDS)
        others = "each of the positions 0 to 1496 in one of the other parts"
        each = sorted(train + valid) == list(range(1497))
        _require(each, others, "other positions", _HANDS)
        # Of 297 digits about 74 are from each quarter of the file.
        quarters = [sum(i * 4 // 1497 == n for i in valid) for n in range(4)]
        got = Phrase(
            "of the validation digits {numbers} are from the four quarters of "
            "the file",
            numbers=", ".join(map(str, quarters)),
        )
        spread = min(quarters) > 40 and max(quarters) < 110
        _require(spread, "the others permuted", got, _HANDS)
    return train, valid


def _seeded(split: Callable, train: list[int], valid: list[int]) -> None:
    """Require that the seed alone decides how the others are split."""
    with case("split_new_hands(0), again"):
        torch.manual_seed(5)
        again = _positions(split(0))[:2] == [train, valid]
        _require(again, "the same split", "another one", _HANDS)
    seen, another = {0: set(train)}, "another split for another seed"
    for seed in (1, 2, 3, 4, 7, 1000):
        given = Phrase("split_new_hands({seed}), and smaller seeds", seed=seed)
        with case(given):
            part = set(_positions(split(seed))[0])
            for other, before in seen.items():
                got = Phrase("that of seed {seed}", seed=other)
                _require(part != before, another, got, _HANDS)
            seen[seed] = part


def _positions(parts: object) -> list[list[int]]:
    """Three lists of positions."""
    got, number = show(parts), None
    if hasattr(parts, "__len__"):
        number = len(parts)
        got = Phrase("{number} parts", number=number)
    _require(number == 3, "three parts", got, _HANDS)
    positions = []
    for part in parts:
        shape = tuple(getattr(part, "shape", (0,)))
        got = show(part)
        if len(shape) != 1:
            got = Phrase("shape {shape}", shape=show(shape))
        flat = len(shape) == 1 and hasattr(part, "__iter__")
        _require(flat, "one dimension of positions", got, _HANDS)
        positions.append([int(i) for i in part])
    return positions


def _digits(number: int) -> tuple[Tensor, Tensor]:
    """Images and labels of some digits, on the CPU."""
    from sklearn.datasets import load_digits  # slow to import

    torch.set_num_threads(1)
    digits = load_digits()
    X = torch.from_numpy(digits.images[:number]).float() / 16
    return X, torch.from_numpy(digits.target[:number]).long()


def _lower_accuracy() -> str:
    """Where the nearest training digit tells less about the test digits."""
    X, y = _digits(1797)
    X, order = X.flatten(1), torch.randperm(1797)
    splits = {
        "mixed": (order[:1200], order[1497:]),
        "new hands": (order[order < 1497][:1200], torch.arange(1497, 1797)),
    }
    right = {
        name: (y[train[torch.cdist(X[test], X[train]).argmin(1)]] == y[test])
        for name, (train, test) in splits.items()
    }
    return min(right, key=lambda name: right[name].float().mean())


@exercise(
    "7.8 Layers of your own",
    "with five seeds, the first loss is within 0.1 of log 10",
    "the model still learns, with each seed, and MyLinear with it",
    "you know which logits a MyLinear at the end can't give",
    "you know what a closed output costs",
)
def layers_of_your_own(init_small: Callable, mylinear_last: dict) -> None:
    X, y = _digits(300)
    for seed in range(5):
        _starts_well(init_small, X, y, seed)
    choices = {
        "never": ("negative", "zero", "positive"),
        "gradient": ("zero", "not zero"),
    }
    for key, words in choices.items():
        if key in mylinear_last:
            question = Phrase("your prediction for '{key}'", key=key)
            one_of(mylinear_last[key], words, question)
    predicted(mylinear_last, _mylinear_last(X, y), _LAST)


_LAST = {
    "never": "The last step of `MyLinear` is a ReLU. What can't come out of "
    "it?",
    "gradient": "An output is 0 for all digits if each sum before its ReLU is "
    "negative. What is the slope of the ReLU there?",
}
_APPLIED = {
    "has no attribute": (
        "`apply` visits every module, also those without a weight.",
        "Ask with `isinstance` which it is.",
    ),
    "cannot assign": "A parameter stays one: change its numbers in place.",
}
_LEARNED: dict[str, Hint] = {
    "unchanged": "`apply` changed nothing. Change the parameters in place, "
    "where the module is a `MyLinear`.",
    "first loss": (
        "The logits are still too far from 0.",
        "Draw smaller weights, and mind the bias, which is drawn from N(0, 1) "
        "too.",
    ),
    "an accuracy of over 60%": (
        "The loss is right, but the model doesn't learn.",
        "Does a gradient come through the ReLU of `MyLinear`, and is it large "
        "enough? Where all weights are 0, or all sums negative, nothing "
        "passes.",
    ),
    "weights of MyLinear that are trained": "The model learns by its last "
    "layer alone. Leave the parameters of `MyLinear` free to learn.",
}


def _starts_well(init: Callable, X: Tensor, y: Tensor, seed: int) -> None:
    """Require a good first loss, and a model that learns from there."""
    given = Phrase(
        "300 digits, torch.manual_seed({seed}), net.apply(init_small)",
        seed=seed,
    )
    with case(given, known=_APPLIED):
        torch.manual_seed(seed)
        net = _own_net(nn.Linear)
        before = [p.detach().clone() for p in net.parameters()]
        net.apply(init)
        same_numbers = all(map(torch.equal, before, net.parameters()))
        hint = _LEARNED["unchanged" if same_numbers else "first loss"]
        loss = round(F.cross_entropy(net(X), y).item(), 3)
        truth, what = round(math.log(10), 3), "loss before the first step"
        equal(loss, truth, hint, rtol=0, atol=0.1, what=what)
    with case(Phrase("{given}, then 30 steps of training", given=given)):
        start = net[1].weight.detach().clone()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for _ in range(30):
            _step(Run(net=net, optimizer=optimizer), X, y)
        accuracy = (net(X).argmax(dim=1) == y).float().mean().item()
        over, got = "an accuracy of over 60%", f"{accuracy:.0%}"
        _require(accuracy > 0.6, over, got, _LEARNED)
        trained = not torch.equal(net[1].weight, start)
        expected = "weights of MyLinear that are trained"
        _require(trained, expected, "weights that stay", _LEARNED)


def _own_net(last: type[nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Flatten(), MyLinear(64, 128), last(128, 10))


def _mylinear_last(X: Tensor, y: Tensor) -> dict[str, str]:
    """The sign that no logit has, and the gradient of an output closed."""
    net = _own_net(MyLinear)
    with torch.no_grad():
        net[2].bias[0] = -1e4
    logits = net(X)
    F.cross_entropy(logits, y).backward()
    signs = {"negative": -1, "zero": 0, "positive": 1}
    (never,) = (
        name for name, s in signs.items() if not (logits.sign() == s).any()
    )
    closed = net[2].weight.grad[:, 0]
    return {"never": never, "gradient": "not zero" if closed.any() else "zero"}


@exercise(
    "7.9 Two runs at once",
    "the runs are trained in turns, an epoch each",
    "each ends as if it had been alone, with equal and with other seeds",
    "you know which generator they shared",
)
def two_runs_at_once(in_turns: Callable, shared: object) -> None:
    for seeds in ((0, 0), (0, 1), (2, 0, 2)):
        _turns(in_turns, seeds)
    question = "your answer, which generator they share"
    one_of(shared, ("generator", "random"), question)
    with asked(question):
        equal(shared, _shared_generator(), _TURNS["shared"])


_TURNS: dict[str, Hint] = {
    "made": "Make a run for each seed, by the function `new_run` that is "
    "given, also where two seeds are equal.",
    "rounds": "Each round has an epoch of the first run, then one of the "
    "second, and so on, by the function `one_epoch` that is given.",
    "the list of the runs": "Return the runs and nothing else, in the order "
    "of their seeds.",
    "first epoch": (
        "Its first epoch differs already: it begins with a random state that "
        "isn't its own.",
        "Its own is that in which `new_run` has left the generator.",
    ),
    "second epoch": (
        "Its first epoch is right. Its second isn't: the random state isn't "
        "that in which the first has ended.",
        "Set the state of a run before each of its epochs, and get it again "
        "after.",
    ),
    "shared": "Each run has a generator that shuffles. What does dropout draw "
    "from?",
}


def _turns(in_turns: Callable, seeds: tuple[int, ...]) -> None:
    """Require runs that are trained in turns, as if each were alone."""
    made, turns = [], []

    def new_run(seed: int) -> Run:
        made.append(_new_run(seed))
        return made[-1]

    def one_epoch(run: Run) -> None:
        turns.append(run)
        _one_epoch(run)

    with case(Phrase("seeds {seeds}, two epochs", seeds=str(seeds))):
        runs = in_turns(seeds, 2, new_run, one_epoch)
        calls = (
            Phrase("calls of new_run: {number}", number=len(given))
            for given in (seeds, made)
        )
        holds(len(made) == len(seeds), *calls, _TURNS["made"])
        names = [
            next((i for i, m in enumerate(made, 1) if m is run), 0)
            for run in turns
        ]
        rounds = [*range(1, len(seeds) + 1)] * 2
        got = _epochs_of(names[:9]) if names else "none"
        holds(names == rounds, _epochs_of(rounds), got, _TURNS["rounds"])
        listed = isinstance(runs, (list, tuple)) and len(runs) == len(made)
        kept = listed and all(map(operator.is_, runs, made))
        got = "another value, or another order"
        got = show(runs) if runs is None else got
        _require(kept, "the list of the runs", got, _TURNS)
        for number, seed in enumerate(seeds, 1):
            _as_if_alone(runs[number - 1], seed, number)


def _epochs_of(numbers: list[int]) -> Phrase:
    runs = (Phrase("run {number}", number=number) for number in numbers)
    listed = reduce(lambda a, b: Phrase("{a}, {b}", a=a, b=b), runs)
    return Phrase("epochs of {runs}", runs=listed)


def _as_if_alone(run: Run, seed: int, number: int) -> None:
    """Require the end of a run that was alone."""
    alone = _new_run(seed)
    for _ in range(2):
        _one_epoch(alone)
    first = same(run.history[:1], alone.history[:1])
    holds(
        _same_end(run, alone),
        Phrase("run {number} as if it had been alone", number=number),
        "another end",
        _TURNS["second epoch" if first else "first epoch"],
    )


def _shared_generator() -> str:
    """The entry that another run's epoch changes."""
    run = _new_run(0)
    before = _state(run)
    _one_epoch(_new_run(0))
    (shared,) = _others(before, _state(run))
    return shared


@exercise(
    "7.10 Decay only the weights",
    "parameters with two dimensions or more decay, the others don't",
    "a shared parameter stands once, a frozen one in neither group",
    "an optimizer takes the groups",
)
def decay_only_the_weights(decay_groups: Callable) -> None:
    norm = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    larger = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    tied = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5))
    tied[1].weight = tied[0].weight
    frozen = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    frozen[0].requires_grad_(False)
    for given, net, rate, hint in (
        ("nn.Linear(2, 1)", nn.Linear(2, 1), 0.1, _DECAY["matrix"]),
        ("a layer and its nn.BatchNorm1d", norm, 0.1, _DECAY["scale"]),
        ("a convolution and a layer", larger, 0.2, _DECAY["larger"]),
        ("two layers that share a weight", tied, 0.1, _DECAY["shared"]),
        ("a frozen layer and another", frozen, 0.1, _DECAY["frozen"]),
    ):
        given = Phrase("{net}, weight_decay = {rate}", net=given, rate=rate)
        with case(given, known=_DECAY_ERRORS):
            _groups(decay_groups, net, rate, hint)


_DECAY = {
    "two": "A list of two dictionaries is asked for, each with `params` and "
    "`weight_decay`.",
    "matrix": (
        "The weight of a linear layer belongs to the first group, its bias to "
        "the second.",
        "`p.dim()` is the number of dimensions: 2 for the weight, 1 for the "
        "bias.",
    ),
    "order": "The group that decays comes first.",
    "scale": "The scale of a normalization layer is called `weight` too. Its "
    "number of dimensions is what differs.",
    "larger": "The weight of a convolution has four dimensions. It decays as "
    "well.",
    "shared": "A parameter that two layers share stands once, as "
    "`net.parameters()` gives it.",
    "frozen": "What needs no gradient isn't trained: it belongs to neither "
    "group.",
    "rate": "The first group decays by the `weight_decay` that is given, the "
    "second by 0.",
}
_DECAY_ERRORS = {
    "more than one parameter group": "The optimizer refuses a parameter that "
    "is in both groups.",
    "ordered collections": "A set has no order, and the optimizer refuses it. "
    "Take a list.",
}


def _groups(
    decay_groups: Callable, net: nn.Module, rate: float, hint: Hint
) -> None:
    """Require two groups, by the names of their parameters."""
    groups = decay_groups(net, rate)
    two = isinstance(groups, (list, tuple)) and len(groups) == 2
    two = two and all(isinstance(g, dict) and "params" in g for g in groups)
    holds(two, "a list of two dictionaries", show(groups), _DECAY["two"])
    groups = torch.optim.SGD(groups, lr=0.1).param_groups
    names = {p: name for name, p in net.named_parameters()}
    got = [sorted(names[p] for p in group["params"]) for group in groups]
    weights, others = [], []
    for p, name in names.items():
        if p.requires_grad:
            (weights if p.dim() > 1 else others).append(name)
    expected = [sorted(weights), sorted(others)]
    known = [(expected[::-1], _DECAY["order"])]
    equal(got, expected, hint, known, what="parameters")
    rates = [group["weight_decay"] for group in groups]
    equal(rates, [rate, 0], _DECAY["rate"], what="weight decay")


@exercise(
    "7.11 Clip the gradients",
    "the norm is that of all gradients together, and is returned",
    "gradients above it are scaled in place, by one factor",
    "smaller ones are left as they are",
    "a parameter without a gradient is passed over",
    "you know where the call belongs",
)
def clip_the_gradients(clip: Callable, called_before: object) -> None:
    for grads, max_norm, hint in (
        ([[3.0, 4.0]], 1.0, _CLIP["above"]),
        ([[3.0, 4.0]], 10.0, _CLIP["below"]),
        ([[0.0, -12.0], [3.0, 4.0]], 1.3, _CLIP["together"]),
        ([[3.0], None, [4.0]], 0.5, _CLIP["without"]),
        ([[0.0, 0.0]], 1.0, _CLIP["below"]),
    ):
        given = Phrase(
            "gradients {grads}, max_norm = {norm}",
            grads=", ".join(map(show, grads)),
            norm=max_norm,
        )
        with case(given, known=_CLIP_ERRORS):
            _clipped(clip, grads, max_norm, hint)
    truth = "step"
    names = ["forward", "loss", "zero", "backward", truth]
    question = "your answer about the call"
    one_of(called_before, names, question, truth, _CLIP["call"])


_CLIP = {
    "above": (
        "The gradients aren't what is left when their norm is brought down.",
        "Multiply each by `max_norm` divided by the norm.",
    ),
    "below": "The norm isn't above `max_norm`: the gradients stay as they "
    "are.",
    "together": (
        "These are two parameters, with one norm.",
        "The square of the norm is the sum of the squares of all elements of "
        "all gradients.",
    ),
    "without": "Where a parameter has no gradient, there is nothing to scale "
    "or to add.",
    "elements": "Each element was clipped. Scale all by one factor, so that "
    "the direction stays.",
    "one by one": "Each parameter was scaled to a norm of its own. All of "
    "them together have one.",
    "unit": "The gradients are scaled to a norm of 1, whatever `max_norm` is.",
    "up": "Smaller gradients were made larger. Leave them where the norm "
    "isn't above `max_norm`.",
    "place": "The gradients are as they were. Write into the tensors that are "
    "in `grad`.",
    "weights": "The parameters themselves were changed. Scale what is in "
    "`grad`.",
    "same": "`grad` has another tensor now. Scale the one that is there, with "
    "`mul_` or `*=`.",
    "nothing": "Nothing is returned: the norm that the gradients had is asked "
    "for.",
    "after": "This is the norm after the scaling. Return the one before.",
    "squared": "This is the square of the norm. Take its root.",
    "norm": (
        "This isn't the norm of all gradients together.",
        "It is the root of the sum of the squares of all elements.",
    ),
    "call": "The gradients are complete when `backward` has run. Which line "
    "uses them?",
}
_CLIP_ERRORS = {
    "'NoneType'": "A parameter that took no part in the loss has `None` in "
    "`grad`: pass it over.",
    "has no len()": "`parameters` may be a generator, as that of "
    "`net.parameters()`, which can be gone through once.",
    "division by zero": "All gradients are 0 here, and so is their norm. "
    "Divide only where it is above `max_norm`.",
}


def _clipped(
    clip: Callable,
    grads: list[list[float] | None],
    max_norm: float,
    hint: Hint,
) -> None:
    """Require gradients that are scaled, and the norm that they had."""
    parameters = [nn.Parameter(torch.ones(len(g or [0]))) for g in grads]
    for parameter, numbers in zip(parameters, grads, strict=True):
        if numbers:
            parameter.grad = torch.tensor(numbers)
    before = [p.grad for p in parameters]
    parts = [torch.tensor(g or [0.0], dtype=torch.double) for g in grads]
    norm = torch.cat(parts).norm().item()
    got_norm = clip((p for p in parameters), max_norm)

    def scaled(change: Callable) -> list[list[float] | None]:
        return [
            change(part).tolist() if g else None
            for g, part in zip(grads, parts, strict=True)
        ]

    factor = min(1.0, max_norm / norm) if norm else 1.0
    known = [
        (scaled(lambda g: g.clamp(-max_norm, max_norm)), _CLIP["elements"]),
        (
            scaled(lambda g: g * min(1, max_norm / max(g.norm(), 1e-9))),
            _CLIP["one by one"],
        ),
        (scaled(lambda g: g / max(norm, 1e-9)), _CLIP["unit"]),
        (scaled(lambda g: g), _CLIP["place"]),
    ]
    if norm:
        known += [(scaled(lambda g: g * max_norm / norm), _CLIP["up"])]
    got = [p.grad if p.grad is None else p.grad.tolist() for p in parameters]
    wanted = scaled(lambda g: g * factor)
    equal(got, wanted, hint, known, what="gradients, afterwards")
    weights = all((p == 1).all() for p in parameters)
    holds(weights, "parameters as before", "changed", _CLIP["weights"])
    same = all(p.grad is g for p, g in zip(parameters, before, strict=True))
    holds(same, "the same tensors in `grad`", "others", _CLIP["same"])
    holds(got_norm is not None, "a number", show(got_norm), _CLIP["nothing"])
    known = [(norm * factor, _CLIP["after"]), (norm**2, _CLIP["squared"])]
    equal(got_norm, norm, _CLIP["norm"], known, what="norm")
