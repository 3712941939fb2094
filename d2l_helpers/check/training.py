"""The checks of chapter 07, Train anywhere, stop and resume."""

from __future__ import annotations

import builtins
import copy
import io
import math
import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from itertools import permutations, product
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers import MyLinear
from ._compare import (
    ATOL,
    RTOL,
    Wrong,
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
from ._report import show

# Small stand-ins for what the chapter defines: 48 images, a run, an epoch.
LABELS = torch.arange(48) % 10


def _images() -> Tensor:
    drawn = torch.Generator().manual_seed(0)
    return torch.rand(48, 8, 8, generator=drawn)


def _new_run(seed: int) -> SimpleNamespace:
    torch.set_num_threads(1)  # several wait for each other, on a busy machine
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
    return SimpleNamespace(
        net=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        generator=torch.Generator().manual_seed(seed),
        history=[],
    )


def _train_epoch(
    run: SimpleNamespace, batch_size: int = 12, number: int = 48
) -> float:
    run.net.train()
    X, total = _images(), 0.0
    order = torch.randperm(number, generator=run.generator)
    for batch in order.split(batch_size):
        loss = F.cross_entropy(run.net(X[batch]), LABELS[batch])
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        total += loss.item() * len(batch)
    return total / number


def _one_epoch(run: SimpleNamespace) -> None:
    train_loss = _train_epoch(run)
    with torch.no_grad():
        y_hat = run.net.eval()(_images())
    accuracy = (y_hat.argmax(dim=1) == LABELS).float().mean().item()
    valid_loss = F.cross_entropy(y_hat, LABELS).item()
    run.history.append((train_loss, valid_loss, accuracy))


def _weights(run: SimpleNamespace) -> Tensor:
    return torch.cat([p.detach().flatten() for p in run.net.parameters()])


def _same_weights(run: SimpleNamespace, other: SimpleNamespace) -> bool:
    return torch.allclose(_weights(run), _weights(other), RTOL, 1e-5)


def _same_end(run: SimpleNamespace, other: SimpleNamespace) -> bool:
    histories = same(run.history, other.history, RTOL, ATOL)
    return histories and _same_weights(run, other)


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
    tries = [
        (
            ([0.5, 0.4, 0.3], [0.7, 0.9, 0.8], 1),
            "The best epoch has the highest accuracy, and the run stops "
            "after the epoch that comes `patience` epochs later.",
        ),
        (
            ([0.5, 0.4, *[0.6] * 4], [0.7, 0.9, *[0.8] * 4], 2),
            "With a patience of 2 the run stops two epochs after its best.",
        ),
        (
            ([0.5, 0.4, 0.6, 0.6, 0.3], [0.7, 0.9, 0.8, 0.8, 1.0], 2),
            "Go through the epochs one by one: after epoch 4 the run has "
            "stopped, and there never is an epoch 5.",
        ),
        (
            ([0.4, 0.3, 0.6, 0.6], [0.9, 0.9, 0.8, 0.8], 2),
            "Epoch 2 is as accurate as epoch 1, and has the lower loss. It is "
            "a new best, from which the patience counts.",
        ),
        (
            ([0.3, 0.4, 0.6, 0.6], [0.9, 0.9, 0.8, 0.8], 2),
            "Epoch 1 is as accurate as epoch 2, and has the lower loss. It "
            "stays the best.",
        ),
        (
            ([0.5, 0.4], [0.7, 0.9], 5),
            "The patience doesn't run out here: the run stops after its last "
            "epoch.",
        ),
        (
            ([0.3, 0.4, 0.6, 0.6], [0.9798, 0.9799, 0.97, 0.97], 2),
            "0.9799 is higher than 0.9798, by however little: epoch 2 is the "
            "better one, whatever its loss.",
        ),
        (
            ([2.5, 2.4], [0.0, 0.0], 5),
            "An accuracy may be 0. The first epoch is the best so far all "
            "the same.",
        ),
    ]
    got = [_stops(stop_by_accuracy, *history) for history, _ in tries]
    truth = [_kept_and_stopped(*history) for history, _ in tries]
    # A mistake is named only if it explains what comes in all tries.
    named = [
        why
        for other, why in _OTHER_RULES
        if same(got, [other(*history) for history, _ in tries], RTOL, ATOL)
    ]
    for i, (history, hint) in enumerate(tries):
        with case(_named(*history)):
            hint = (*named, hint)[0]
            equal(got[i], truth[i], hint, what="(kept, stopped)")
    for history in _small_histories():
        got_here = _stops(stop_by_accuracy, *history)
        with case(_named(*history)):
            equal(
                got_here,
                _kept_and_stopped(*history),
                "Best is the highest accuracy so far, then the lowest loss, "
                "and the patience counts from there.",
                what="(kept, stopped)",
            )


def _named(losses: list[float], accuracies: list[float], patience: int) -> str:
    return f"losses {losses}, accuracies {accuracies}, patience {patience}"


def _stops(
    rule: Callable,
    losses: list[float],
    accuracies: list[float],
    patience: int,
) -> object:
    """What a rule says of a history, which it leaves alone."""
    history = [(0.9, *pair) for pair in zip(losses, accuracies, strict=True)]
    with case(_named(losses, accuracies, patience)):
        given = list(history)
        got = rule(given, patience)
        holds(
            given == history,
            "the history as it was",
            f"one of {len(given)} epochs",
            "The list that was given is changed: it is the history of a run, "
            "which needs it.",
        )
        holds(
            isinstance(got, (tuple, list, Tensor)) and len(got) == 2,
            "two epochs",
            show(got),
            "Return two numbers, also where the patience doesn't run out: the "
            "epoch that is kept, and the one after which the run stops.",
        )
    return got


def _small_histories() -> Iterator[tuple[list[float], list[float], int]]:
    """Short ones first: all of up to 4 epochs, and some of 6."""
    for n in range(1, 5):
        for accuracies in product((0.8, 0.9), repeat=n):
            for losses in permutations((0.1, 0.2, 0.3, 0.4)[:n]):
                for patience in range(1, n):
                    yield list(losses), list(accuracies), patience
    drawn = random.Random(0)
    for _ in range(200):
        losses = drawn.sample([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 6)
        accuracies = drawn.choices([0.8, 0.9], k=6)
        yield losses, accuracies, drawn.choice([2, 3])


def _kept_and_stopped(
    losses: list[float],
    accuracies: list[float],
    patience: int,
    worth: Callable = lambda accuracy, loss: (accuracy, -loss),
    last: bool = False,
    extra: int = 0,
) -> tuple[int, int]:
    """The epochs of the rule, or of a wrong one."""
    best, top = 0, None
    for epoch, pair in enumerate(zip(accuracies, losses, strict=True)):
        value = worth(*pair)
        if top is None or value > top or (last and value == top):
            best, top = epoch, value
        if epoch - best == patience + extra:
            break
    return best + 1, epoch + 1


def _of_all_epochs(
    losses: list[float], accuracies: list[float], patience: int
) -> tuple[int, int]:
    kept, _ = _kept_and_stopped(losses, accuracies, len(losses))
    return kept, min(kept + patience, len(losses))


def _from_zero(
    losses: list[float], accuracies: list[float], patience: int
) -> tuple[int, int]:
    kept, stopped = _kept_and_stopped(losses, accuracies, patience)
    return kept - 1, stopped - (stopped - kept == patience)


_OTHER_RULES: list[tuple[Callable, Hint]] = [
    (
        lambda *h: _kept_and_stopped(*h, worth=lambda _, loss: -loss),
        "This goes by the loss: the best is its minimum.",
    ),
    (
        lambda *h: tuple(n - 1 for n in _kept_and_stopped(*h)),
        "The first epoch is 1, not 0.",
    ),
    (_from_zero, "The first epoch is 1, not 0."),
    (
        lambda *h: _kept_and_stopped(*h)[::-1],
        "Return the epoch that is kept first.",
    ),
    (
        lambda *h: _kept_and_stopped(*h, extra=1),
        "This waits an epoch too long: stop as soon as the best is as old as "
        "the patience.",
    ),
    (
        lambda *h: _kept_and_stopped(*h, extra=-1),
        "This stops an epoch too early: after it, the best isn't yet as old "
        "as the patience.",
    ),
    (
        _of_all_epochs,
        "The best of the whole history is kept. Of what comes after the stop, "
        "the run knows nothing.",
    ),
    (
        lambda *h: _kept_and_stopped(*h, worth=lambda accuracy, _: accuracy),
        "Of epochs of equal accuracy, the first one stays here, whatever the "
        "losses.",
    ),
    (
        lambda *h: _kept_and_stopped(
            *h, worth=lambda accuracy, _: accuracy, last=True
        ),
        "Of epochs of equal accuracy, the last one is taken here, whatever "
        "the losses.",
    ),
    (
        lambda *h: _kept_and_stopped(*h, worth=lambda *pair: pair),
        "Of epochs of equal accuracy, the one with the higher loss is taken "
        "here.",
    ),
]


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
    predicted(
        needed,
        _needed(),
        {
            "optimizer": "It keeps the momentum, which is part of the next "
            "step.",
            "generator": "It shuffles: the next epoch takes the digits in "
            "the order that it draws.",
            "random": "These are the states that dropout draws from.",
            "history": "A step reads weights, digits and generators. Does it "
            "read the list of results?",
        },
    )


def _started(start_from: Callable, lr: float) -> None:
    """Require that a run starts from a file, with a learning rate."""
    best, run, path = _new_run(0), _new_run(1), Path("best.pt")
    torch.save(best.net.state_dict(), path)
    known = [
        (
            "in loading state_dict",
            "The names in the file are those of `run.net`, which may be "
            "another network than the chapter's.",
        ),
        (
            "'net'",
            "The file holds the weights alone, as `best.pt` does, and no "
            "entry 'net'.",
        ),
        ("No such file", "The file to load is the one at `path`."),
    ]
    given = f"start_from(run, path, lr={lr:g})"
    with case(given, "", known):
        start_from(run, path, lr)
        holds(
            not run.history,
            "a run that isn't trained",
            f"a history of {len(run.history)} epochs",
            "The run is trained. Load the weights and set the rate; who calls "
            "the function trains.",
        )
        holds(
            torch.equal(_weights(run), _weights(best)),
            "the weights of the file",
            "other weights",
            (
                "The weights of `run.net` aren't those of the file.",
                "The file holds a state dict, which a module can load.",
            ),
        )
        holds(
            path.is_file(),
            "the file, as before",
            "none",
            "The file is gone. It may be needed again.",
        )
    known = [
        (
            "does not require grad",
            "The weights of `run.net` ask for no gradient any more.",
        )
    ]
    with case(f"{given}, then one step of training", "", known):
        F.cross_entropy(run.net.eval()(_images()), LABELS).backward()
        slopes = torch.cat([p.grad.flatten() for p in run.net.parameters()])
        steepest = slopes.abs().argmax()
        equal(
            _rate_of_step(run, slopes, steepest),
            lr,
            (
                "The step has another length than the learning rate says.",
                "The optimizer reads the rate from its `param_groups`, where "
                "each group is a dict with the key 'lr'.",
            ),
            known=[
                (
                    0.0,
                    "The step moved nothing: the optimizer holds other "
                    "parameters than `run.net`. Load into the network that "
                    "it was made for.",
                ),
                (
                    0.1,
                    (
                        "The step was taken with the old learning rate.",
                        "An attribute of the run or of the optimizer, and "
                        "its `defaults`, are read by nobody in a step: each "
                        "of its `param_groups` has a rate.",
                    ),
                ),
                (
                    0.01,
                    "The step was taken with a rate of 0.01, whatever lr is.",
                ),
            ],
            rtol=1e-3,
            what="learning rate of the step",
        )
    with case(f"{given}, then two steps with the same gradients"):
        equal(
            _rate_of_step(run, slopes, steepest),
            1.9 * lr,  # with 0.9 of the step before
            "The learning rate alone is new: the step must be made with the "
            "momentum of `new_run`, and with its other settings.",
            known=[
                (
                    lr,
                    "The momentum is lost. Keep the optimizer of the run, or "
                    "give a new one the same momentum.",
                )
            ],
            rtol=1e-3,
            what="length of the second step, for a gradient of 1",
        )


def _rate_of_step(
    run: SimpleNamespace, slopes: Tensor, steepest: Tensor
) -> float:
    """How far a step moves a weight, for a gradient of 1."""
    before = _weights(run)
    run.optimizer.step()
    return ((before - _weights(run))[steepest] / slopes[steepest]).item()


def _state(run: SimpleNamespace) -> dict:
    state = {
        "net": run.net.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "generator": run.generator.get_state(),
        "random": torch.get_rng_state(),
        "history": run.history,
    }
    return copy.deepcopy(state)


def _load(run: SimpleNamespace, state: dict, skip: str = "") -> None:
    setters = {
        "net": run.net.load_state_dict,
        "optimizer": run.optimizer.load_state_dict,
        "generator": run.generator.set_state,
        "random": torch.set_rng_state,
        "history": run.history.extend,
    }
    for name, setter in setters.items():
        if name != skip:
            setter(copy.deepcopy(state[name]))


def _needed() -> dict[str, bool]:
    """Without which entries a run ends with other weights."""
    whole = _new_run(0)
    _one_epoch(whole)
    state = _state(whole)
    _one_epoch(whole)
    needed = {}
    for name in ("optimizer", "generator", "random", "history"):
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
    functions = add_schedule, save_with_schedule, resume_with_schedule
    whole = _halved_rates(add_schedule)
    _resumed_rates(*functions, whole)
    _one_file(*functions)
    _written_whole(save_with_schedule, _with_schedule(add_schedule, 0))
    _runs_no_code(resume_with_schedule, _with_schedule(add_schedule, 1))
    predicted(
        rates,
        _rates_without_scheduler(),
        {
            8: "The optimizer's state holds the rate of the moment when it "
            "was saved.",
            9: "No three epochs have gone by since epoch 8, nor since the "
            "last change.",
            10: "A new scheduler has counted two epochs, 8 and 9, when epoch "
            "10 begins.",
            11: "A new scheduler has counted three epochs when epoch 11 "
            "begins: 8, 9 and 10.",
        },
        of="epoch",
    )


def _with_schedule(add_schedule: Callable, seed: int) -> SimpleNamespace:
    run = _new_run(seed)
    add_schedule(run)
    return run


def _halved_rates(add_schedule: Callable) -> SimpleNamespace:
    """A run of 10 epochs with a schedule, if that is right."""
    whole = _new_run(0)
    optimizer = whole.optimizer
    with case("add_schedule(run), then 13 epochs"):
        add_schedule(whole)
        holds(
            hasattr(whole, "scheduler"),
            "run.scheduler",
            "a run without it",
            "The run has no `scheduler` afterwards: a run keeps what is set "
            "as its attribute.",
        )
        holds(
            whole.optimizer is optimizer,
            "the optimizer of the run",
            "another one",
            "The run's optimizer is replaced. A scheduler changes the rate of "
            "the one that is there.",
        )
        got = [_scheduled_epoch(whole) for _ in range(10)]
        for _ in range(3):  # without training
            got.append(float(optimizer.param_groups[0]["lr"]))
            whole.scheduler.step()
        equal(
            [round(rate, 6) for rate in got],
            _halved(3, 0.5),
            (
                "The rate isn't halved every three epochs.",
                "`StepLR` takes the optimizer, the number of epochs from one "
                "change to the next, and the factor.",
            ),
            known=[
                (
                    [0.1] * 13,
                    "The rate stays: the scheduler must hold `run.optimizer` "
                    "itself.",
                ),
                (
                    _halved(1, 0.5),
                    "This halves it after each epoch: `step_size` is the "
                    "number of epochs between two changes.",
                ),
                (
                    _halved(3, 0.1),
                    "This takes a tenth: `gamma` is the factor, and 0.1 is "
                    "what it is if you give none.",
                ),
            ],
            what="learning rates",
        )
    return whole


def _halved(every: int, factor: float) -> list[float]:
    return [round(0.1 * factor ** (epoch // every), 6) for epoch in range(13)]


def _resumed_rates(
    add_schedule: Callable,
    save: Callable,
    resume: Callable,
    whole: SimpleNamespace,
) -> None:
    """Require that a run that was cut in epoch 8 ends as a whole one."""
    path, known = Path("run.pt"), [_OBJECT]
    given = "a run with a schedule, saved after epoch 7"
    with case(given, "", known):
        stopped = _with_schedule(add_schedule, 0)
        for _ in range(7):
            _scheduled_epoch(stopped)
        before = _state(stopped), copy.deepcopy(stopped.scheduler.state_dict())
        save(stopped, path)
        after = _state(stopped), stopped.scheduler.state_dict()
        holds(
            not _others(before[0], after[0])
            and same(after[1], before[1], RTOL, ATOL),
            "the run as it was",
            "a run that was changed by saving",
            "To write a checkpoint must change nothing in the run.",
        )
        holds(
            path.is_file(),
            "a checkpoint at path",
            "none",
            "The second argument is the path of the file.",
        )
    given = "saved after epoch 7, and resumed in a new run with a schedule"
    with case(given, "", known):
        resumed = _with_schedule(add_schedule, 1)
        resume(resumed, path)
        equal(
            len(resumed.history),
            7,
            "A run that has trained for 7 epochs has 7 entries in its "
            "history.",
            what="epochs in the history",
        )
        holds(
            resumed.scheduler.optimizer is resumed.optimizer,
            "a scheduler of run.optimizer",
            "a scheduler of another optimizer",
            "The scheduler came out of the file with an optimizer of its own. "
            "Save states, not objects.",
        )
        others = _others(before[0], _state(resumed))
    with case(f"{given}: the learning rates of epochs 8 to 10"):
        got = [_scheduled_epoch(resumed) for _ in range(3)]
        truth = _halved(3, 0.5)[7:10]
        equal(
            got,
            truth,
            (
                "These aren't the rates of a run that wasn't cut.",
                "The rate is an entry of the optimizer's state, and the "
                "number of epochs one of the scheduler's: both must be as "
                "they were.",
            ),
            known=[
                (
                    truth[:1] * 3,
                    "The scheduler counts its epochs from 0 again: its state "
                    "is lost, in saving or in resuming.",
                ),
                (
                    [0.1, 0.1, 0.05],
                    "The rate begins at 0.1 again. It is an entry of the "
                    "optimizer's state.",
                ),
            ],
            what="learning rates",
        )
    with case(f"{given}: the end, after 10 epochs, and that of a whole run"):
        holds(
            _same_end(resumed, whole),
            "the same weights and the same history",
            "others",
            _what_differs(others),
        )


_OBJECT = (
    "Weights only load failed",
    (
        "There is more in the file than states: an object, which would run "
        "code when it is loaded.",
        "What has a state, such as a scheduler, has a method `state_dict`.",
    ),
)


def _others(state: dict, other: dict) -> list[str]:
    """The entries in which two states differ."""
    return [
        name
        for name, value in state.items()
        if not (
            torch.equal(value, other[name])
            if isinstance(value, Tensor)
            else same(other[name], value, RTOL, ATOL)
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
    for name, hint in _DIFFERS.items():
        if name in others:
            return hint
    return "Something that a run needs isn't as it was when it was saved."


def _one_file(
    add_schedule: Callable, save: Callable, resume: Callable
) -> None:
    """Require that a checkpoint is enough, wherever it is."""
    with case("a checkpoint of epoch 2 that is moved to another folder"):
        first = _with_schedule(add_schedule, 0)
        for _ in range(2):
            _scheduled_epoch(first)
        save(first, Path("first.pt"))
        count = copy.deepcopy(first.scheduler.state_dict())
        second = _with_schedule(add_schedule, 2)
        _scheduled_epoch(second)
        save(second, Path("second.pt"))
        Path("elsewhere").mkdir()
        path = Path("first.pt").rename(Path("elsewhere", "moved.pt"))
        hint = (
            "The one file must be enough. What is in memory, or in a file "
            "beside it, may be gone or belong to another checkpoint."
        )
        resumed = _with_schedule(add_schedule, 1)
        try:
            resume(resumed, path)
        except FileNotFoundError as error:
            raise Wrong("no error", "", hint) from error
        holds(
            resumed.scheduler.last_epoch == count["last_epoch"]
            and len(resumed.history) == 2,
            "a run of 2 epochs, by its history and its scheduler",
            f"{len(resumed.history)} epochs by the history, "
            f"{resumed.scheduler.last_epoch} by the scheduler",
            hint,
        )


def _written_whole(save: Callable, run: SimpleNamespace) -> None:
    """Require that a checkpoint stays if the next can't be written."""
    path = Path("whole.pt")
    with case("a checkpoint; the next breaks off while it is written"):
        save(run, path)
        before = path.read_bytes()
        run.history.append((0.9, 0.5, _Unsavable()))
        with suppress(Exception):
            save(run, path)
        run.history.pop()
        holds(
            path.is_file() and path.read_bytes() == before,
            "the first checkpoint at path",
            "a file that can't be read",
            (
                "The last checkpoint is lost while the next is written.",
                "The chapter's `save` writes under another name first.",
            ),
        )


class _Unsavable:
    """What can't be written, as if the disk were full."""

    def __reduce__(self) -> tuple:
        raise OSError("no space left on device")


def _runs_no_code(resume: Callable, run: SimpleNamespace) -> None:
    """Require that a file that isn't a checkpoint runs no code."""
    path = Path("hostile.pt")
    torch.save({"net": _Hostile()}, path)
    _Hostile.ran = False
    with case("a file that would run code when it is loaded"):
        with suppress(Exception):
            resume(run, path)
        holds(
            not _Hostile.ran,
            "the file refused",
            "its code was run",
            (
                "The file could run any code. `resume` of the chapter refuses "
                "it.",
                "An argument of `torch.load` decides it.",
            ),
        )


class _Hostile:
    """What notes that it was loaded."""

    ran = False

    def __reduce__(self) -> tuple:
        return _note_that_code_ran, ()


def _note_that_code_ran() -> None:
    _Hostile.ran = True


def _scheduled_epoch(run: SimpleNamespace) -> float:
    (group,) = run.optimizer.param_groups
    rate = float(group["lr"])
    _one_epoch(run)
    run.scheduler.step()
    return rate


def _scheduler(run: SimpleNamespace) -> torch.optim.lr_scheduler.StepLR:
    return torch.optim.lr_scheduler.StepLR(run.optimizer, 3, gamma=0.5)


def _rates_without_scheduler() -> dict[int, float]:
    """The rates of epochs 8 to 11, of a run resumed without its scheduler."""
    stopped, resumed = _new_run(0), _new_run(1)
    for run in (stopped, resumed):
        run.scheduler = _scheduler(run)
    for _ in range(7):
        _scheduled_epoch(stopped)
    _load(resumed, _state(stopped))
    return {epoch: _scheduled_epoch(resumed) for epoch in range(8, 12)}


class _PowerCutError(RuntimeError):
    """What stops a run of a check."""


class _Watch:
    """The batches that a run trains with, up to a cut before one of them.

    Args:
        run (SimpleNamespace): the run.
        path (Path): its checkpoint, if it writes one.
        cut (int): before which batch the power is cut; 0 is never.
    """

    def __init__(
        self, run: SimpleNamespace, path: Path | None = None, cut: int = 0
    ) -> None:
        self.run, self.path, self.cut = run, path, cut
        self.batches: list[Tensor] = []
        self.written: list[int] = []  # after how many batches
        self.evaluated = 0  # batches, with the network in evaluation
        self.after_ten: dict = {}  # the state of the run
        if path:
            self._is_written()
        run.net.register_forward_pre_hook(self._note)

    def _note(self, net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not net.training:
            self.evaluated += 1
            return
        if len(self.batches) == 10:
            self.after_ten = _state(self.run)
        if self.path and self._is_written():
            self.written.append(len(self.batches))
        if len(self.batches) == self.cut - 1:
            raise _PowerCutError(f"power cut before batch {self.cut}")
        self.batches.append(inputs[0].detach().clone())

    def _is_written(self) -> bool:
        """Whether the file is a new one since this was asked before."""
        new = self.path.is_file() and self.path.stat().st_mtime_ns > 0
        if new:
            os.utime(self.path, ns=(0, 0))
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
    run = _cut_once(trial, one, watch)
    _next_epoch(trial, run, two)
    _cut_twice(trial, one)
    _cut_late(trial)
    _cut_later(trial, two)
    _written_whole(save_inside, trial.new_run(0))
    _runs_no_code(resume_inside, trial.new_run(1))


NUMBER = 47  # of images, so that the last batch is a smaller one


class _Inside:
    """The three functions of an answer, and a file."""

    def __init__(
        self, train_epoch: Callable, save: Callable, resume: Callable
    ) -> None:
        self.train_epoch, self.save, self.resume = train_epoch, save, resume
        self.path = Path("run.pt")

    def new_run(self, seed: int) -> SimpleNamespace:
        run = _new_run(seed)
        run.begun = {}
        return run

    def epoch_of(self, run: SimpleNamespace) -> None:
        """An epoch of 24 batches of 2, the last of 1, or its rest."""
        run.net.eval()  # as `evaluate` leaves it
        before = len(run.history)
        X, y = _images()[:NUMBER], LABELS[:NUMBER].clone()
        loss = self.train_epoch(run, X, y, self.path, 2)
        equal(
            len(run.history),
            before,
            "The function puts an entry into the history. Return the loss: "
            "who calls it adds the entry, with the validation results.",
            what="entries in the history",
        )
        run.history.append((loss, 0.0, 0.0))

    def cut(self, run: SimpleNamespace, batch: int) -> SimpleNamespace:
        """A new run that goes on where another one was cut."""
        _Watch(run, cut=batch)
        with suppress(_PowerCutError):
            self.epoch_of(run)
        resumed = self.new_run(1)
        self.resume(resumed, self.path)
        return resumed


def _uncut(trial: _Inside, one: SimpleNamespace, order: list[Tensor]) -> None:
    """Require that an epoch without a cut is the chapter's."""
    loss = one.history[0][0]
    known = [
        (
            "out of bounds",
            "X has 47 images here. Take their number from the argument.",
        )
    ]
    with case("an epoch without a cut: 47 images in batches of 2", "", known):
        run = trial.new_run(0)
        watch = _Watch(run, trial.path)
        trial.epoch_of(run)
        _same_batches(watch, order)
        holds(
            _same_weights(run, one),
            "the weights after train_epoch",
            "others",
            "A step of the chapter has five lines, once for each batch. "
            "Compare yours with them.",
        )
        equal(
            run.history[0][0],
            loss,
            "Return the mean loss of all images of the epoch.",
            known=[
                (loss * NUMBER, "This is the sum. Divide it by len(X)."),
                *_wrong_means(),
            ],
            what="mean loss",
        )
        _every_ten(watch.written)


def _wrong_means() -> list[tuple[float, str]]:
    """Means in which the last, smaller batch counts as a whole one."""
    run, losses = _new_run(0), []
    X, y = _images()[:NUMBER], LABELS[:NUMBER]
    drawn = torch.randperm(NUMBER, generator=run.generator)
    for batch in drawn.split(2):
        loss = F.cross_entropy(run.net(X[batch]), y[batch])
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        losses.append(loss.item())
    hint = (
        "Each image counts once. The last batch has one image here, and the "
        "others two."
    )
    total = sum(losses)
    return [(total / n, hint) for n in (len(losses), NUMBER / 2, NUMBER)]


def _in_training(watch: _Watch) -> None:
    holds(
        not watch.evaluated,
        "a network in training",
        f"{watch.evaluated} batches with the network in evaluation",
        "`evaluate` has left the network in evaluation, where nothing drops "
        "out. An epoch, and the rest of one, begins with a switch.",
    )


def _same_batches(watch: _Watch, order: list[Tensor]) -> None:
    """Require the batches of an epoch: their number, sizes and order."""
    batches = watch.batches
    _in_training(watch)
    equal(
        len(batches),
        24,
        "`batch_size` is an argument, here 2, and all images of X come in "
        "batches of this size.",
        what="number of batches",
    )
    equal(
        [len(batch) for batch in batches],
        [2] * 23 + [1],
        "Each batch has `batch_size` images, but for the last: `split` makes "
        "them.",
        what="sizes",
    )
    given = {tuple(image.flatten().tolist()) for image in _images()[:NUMBER]}
    holds(
        all(
            tuple(image.flatten().tolist()) in given
            for batch in batches
            for image in batch
        ),
        "images of X",
        "others",
        "The images are of another tensor than the argument X.",
    )
    holds(
        all(map(torch.equal, batches, order)),
        "the batches of train_epoch, in its order",
        "another order",
        (
            "Where no epoch has begun, the order isn't that of `train_epoch`.",
            "It draws the order from `run.generator`, once for each epoch.",
        ),
    )


def _every_ten(written: list[int]) -> None:
    """Require checkpoints after batches 10 and 20."""
    hint = "Write a checkpoint after every ten batches, counted from 1."
    if not written:
        hint = (
            "After ten batches there is no new checkpoint at `path`. It is "
            "written within the epoch."
        )
    elif {1, 11, 21} <= set(written) and len(written) < 23:
        hint = (
            "The numbers of the batches begin at 0 in your loop: `i % 10 == "
            "0` holds for the first, and then for the eleventh."
        )
    elif written == [11, 21]:
        hint = (
            "These come a batch late: the eleventh has been forward already. "
            "Save at the end of a step."
        )
    elif len(written) == 23:
        hint = (
            "This is a checkpoint after every batch, which costs time. Write "
            "one after every ten."
        )
    after = ", ".join(map(str, written))
    holds(
        [batch for batch in written if batch] == [10, 20],
        "checkpoints after batches 10, 20",
        f"after batches {after}" if written else "none",
        hint,
    )


def _cut_once(
    trial: _Inside, one: SimpleNamespace, whole: _Watch
) -> SimpleNamespace:
    """A run that was cut and has ended its epoch, if that is right."""
    with case("a run that is cut before batch 16 of its first epoch"):
        run = trial.cut(trial.new_run(0), 16)
        before = _state(run)
        watch = _Watch(run)
        trial.epoch_of(run)
        _in_training(watch)
        equal(
            len(watch.batches),
            14,
            "The checkpoint was written after batch 10, so that the resumed "
            "epoch has 14 batches left, 11 to 24. Put into `run.begun` how "
            "many are done, and save it.",
            known=[
                (
                    24,
                    "The epoch begins anew: save how many batches of it are "
                    "done, and leave these out.",
                ),
                (
                    13,
                    "A batch is left out: when the checkpoint was written, "
                    "ten were done, not eleven.",
                ),
                (
                    15,
                    "A batch comes twice: when the checkpoint was written, "
                    "ten were done, not nine.",
                ),
            ],
            what="batches of the resumed epoch",
        )
        holds(
            all(map(torch.equal, watch.batches, whole.batches[10:])),
            "batches 11 to 24 of the order that was drawn",
            "others",
            (
                "The digits come in another order than before the cut.",
                "The order is drawn before the first batch, and the generator "
                "has moved on since. It belongs to what a resumed epoch "
                "needs.",
            ),
        )
        # What the checkpoint ought to hold; but a run may draw again.
        others = [
            name
            for name in _others(whole.after_ten, before)
            if name not in ("generator", "history")
        ]
        holds(
            _same_weights(run, one),
            "the weights of a run that wasn't cut",
            "others",
            _what_differs(others)
            if others != ["net", "optimizer"]
            else "The weights and the momentum are those of an earlier "
            "moment: save after the step of the tenth batch.",
        )
        equal(
            run.history[0][0],
            one.history[0][0],
            "The mean is over the whole epoch, so the sum of the losses up "
            "to the cut must be saved too.",
            what="mean loss",
        )
    return run


def _next_epoch(
    trial: _Inside, run: SimpleNamespace, two: SimpleNamespace
) -> None:
    """Require that the epoch after a resumed one is whole."""
    with case("the epoch after a resumed one"):
        equal(
            run.begun,
            {},
            "Empty `run.begun` when the epoch ends.",
            what="run.begun",
        )
        trial.save(run, trial.path)
        watch = _Watch(run)
        trial.epoch_of(run)
        equal(
            len(watch.batches),
            24,
            "The next epoch is a whole one.",
            what="number of batches",
        )
        holds(
            _same_end(run, two),
            "the end of a run that wasn't cut",
            "another",
            "Is the generator that shuffles as it was after the order was "
            "drawn? Its state belongs to the checkpoint as before.",
        )


def _cut_twice(trial: _Inside, one: SimpleNamespace) -> None:
    with case("a run that is cut before batch 16, and again before 22"):
        run = trial.cut(trial.new_run(0), 16)
        run = trial.cut(run, 22 - 10)
        watch = _Watch(run)
        trial.epoch_of(run)
        equal(
            len(watch.batches),
            4,
            "After two cuts, batches 21 to 24 are left. Count the batches "
            "from the beginning of the epoch, not of its rest.",
            what="batches of the resumed epoch",
        )
        holds(
            _same_end(run, one),
            "the end of a run that wasn't cut",
            "another",
            "The sum of the losses is that of the whole epoch, also in the "
            "rest of a rest.",
        )


def _cut_late(trial: _Inside) -> None:
    with case("a run that is cut before batch 22 of its first epoch"):
        run = trial.cut(trial.new_run(0), 22)
        watch = _Watch(run)
        trial.epoch_of(run)
        equal(
            len(watch.batches),
            4,
            "The second checkpoint of an epoch, after batch 20, must hold "
            "what the first does: saving changes nothing in the run.",
            what="batches of the resumed epoch",
        )


def _cut_later(trial: _Inside, two: SimpleNamespace) -> None:
    with case("a run that is cut before batch 5 of its second epoch"):
        run = trial.new_run(0)
        trial.epoch_of(run)
        trial.save(run, trial.path)
        run = trial.cut(run, 5)
        equal(
            len(run.history),
            1,
            "The checkpoint between two epochs holds the history, which is to "
            "be loaded with the rest.",
            what="epochs in the history",
        )
        trial.epoch_of(run)
        holds(
            _same_end(run, two),
            "the end of a run that wasn't cut",
            "another",
            "Between two epochs nothing is begun: the checkpoint of that "
            "moment must say so.",
        )


def _whole(num_epochs: int) -> tuple[SimpleNamespace, _Watch]:
    """A run that isn't cut, in batches of 2, and what it saw."""
    run = _new_run(0)
    watch = _Watch(run)
    for _ in range(num_epochs):
        loss = _train_epoch(run, batch_size=2, number=NUMBER)
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
    _without_the_button(train_until_stopped)
    _in_an_epoch(train_until_stopped)
    _while_saving(train_until_stopped)
    _of_a_resumed_run(train_until_stopped)
    others = {
        "a ZeroDivisionError in epoch 4": {"epoch": 4},
        "a RuntimeError in epoch 4": {"epoch": 4},
        "an OSError in save_run after epoch 4": {"save": 4},
        "a SystemExit in epoch 4": {"epoch": 4},
    }
    for given, where in others.items():
        error = getattr(builtins, given.split()[1])
        with case(given):
            raises(
                error,
                lambda where=where, error=error: (
                    _trial(train_until_stopped, error=error, **where).got
                ),
                hint="Only the button is expected. Catch `KeyboardInterrupt` "
                "alone, or a mistake in the code goes by in silence.",
            )


def _trial(
    train_until_stopped: Callable,
    epoch: int = -1,
    save: int = -1,
    late: int = -1,
    error: type[BaseException] = KeyboardInterrupt,
    history: int = 0,
) -> SimpleNamespace:
    """What comes of a run that is stopped once, or not at all.

    Args:
        train_until_stopped (Callable): the answer.
        epoch (int): in which epoch the error is raised.
        save (int): of which epoch it is raised before the file is written.
        late (int): of which epoch it is raised after the file is written.
        error (type): what is raised.
        history (int): the number of epochs that the run is resumed from.
    """
    path, saved, left = Path("run.pt"), [], [error]

    def stop(where: str) -> None:
        if left:  # the button is pressed once
            raise left.pop()(f"stopped in {where}")

    def one_epoch(run: SimpleNamespace) -> None:
        if len(run.history) == epoch - 1:
            stop("an epoch")
        run.history.append((0.9, 0.5, 0.8))

    def save_run(run: SimpleNamespace, path: Path) -> None:
        if len(run.history) == save:
            stop("save_run")
        state = _state(run)  # the entries of the chapter's
        state["random"] = {"cpu": state["random"]}
        torch.save({"epoch": len(run.history), **state}, path)
        saved.append(len(run.history))
        if len(run.history) == late:
            stop("save_run")

    run = _new_run(0)
    path.unlink(missing_ok=True)
    if history:
        run.history += [(0.9, 0.5, 0.8)] * history
        save_run(run, path)
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        got = train_until_stopped(run, path, 5, one_epoch, save_run)
    return SimpleNamespace(
        got=got,
        printed=printed.getvalue(),
        length=len(run.history),
        saved=saved,
    )


_OUT = (
    "stopped in",
    (
        "The `KeyboardInterrupt` comes out of the function, so that the run "
        "ends with a traceback.",
        "It must be caught by its name, wherever it is raised, and not raised "
        "again: `except Exception` lets it pass, since it is no `Exception`.",
    ),
)


def _without_the_button(train_until_stopped: Callable) -> None:
    with case("5 epochs, and nobody stops"):
        trial = _trial(train_until_stopped)
        equal(
            trial.length,
            5,
            "Train until the history has `num_epochs` entries.",
            what="epochs in the history",
        )
        equal(
            trial.saved,
            [1, 2, 3, 4, 5],
            "A checkpoint is written after each epoch, when its results are "
            "in the history.",
            known=[
                ([], "None is written by the `save_run` that is given."),
            ],
            what="epochs of the checkpoints",
        )
        equal(
            trial.got,
            5,
            "Return the epoch of the last checkpoint, also if nobody stops.",
            what="returned epoch",
        )


def _named_epoch(trial: SimpleNamespace, epoch: int) -> None:
    """Require that an epoch is printed, and not many other numbers."""
    numbers = re.findall(r"\d+", trial.printed.strip().split("\n")[-1])
    holds(
        str(epoch) in numbers,
        f"a last line that names epoch {epoch}",
        show(trial.printed),
        "When the run is stopped, the epoch of the last checkpoint is to be "
        "printed.",
    )
    holds(
        len(numbers) <= 6,
        f"a line that names epoch {epoch}",
        f"one with {len(numbers)} numbers",
        "Which of so many numbers is the epoch? Print it alone.",
    )


def _stopped_after(
    trial: SimpleNamespace, epoch: int, hint: Hint, known: list
) -> None:
    """Require the epoch that is returned and printed."""
    known = [
        (5, "The run went on to its end, as if nobody had stopped it."),
        (None, "Nothing is returned when the run is stopped."),
        *known,
    ]
    equal(trial.got, epoch, hint, known, what="returned epoch")
    _named_epoch(trial, epoch)


def _in_an_epoch(train_until_stopped: Callable) -> None:
    with case("5 epochs, stopped in epoch 4", "", [_OUT]):
        trial = _trial(train_until_stopped, epoch=4)
        _stopped_after(
            trial,
            3,
            "Epoch 4 isn't in a checkpoint: it didn't come to its end.",
            [],
        )
        equal(
            trial.saved,
            [1, 2, 3],
            "A checkpoint of the moment in which it is stopped has weights "
            "that have seen a part of epoch 4, and the history of 3.",
            what="epochs of the checkpoints",
        )
    with case("5 epochs, stopped in epoch 1", "", [_OUT, _NO_FILE]):
        equal(
            _trial(train_until_stopped, epoch=1).got,
            0,
            "Before the first checkpoint, the answer is 0.",
            what="returned epoch",
        )


_NO_FILE = ("No such file", "There is no checkpoint yet, and no file to read.")


def _while_saving(train_until_stopped: Callable) -> None:
    ahead = (
        "Epoch 4 is in the history, but its checkpoint wasn't written.",
        "The file knows which epoch was the last.",
    )
    behind = (
        "The button came when the file of epoch 4 was there, and `save_run` "
        "hadn't come back. A number that is noted later is behind.",
        "The file knows which epoch was the last.",
    )
    with case(
        "5 epochs, stopped in save_run, before the file of epoch 4 is written",
        "",
        [_OUT],
    ):
        _stopped_after(
            _trial(train_until_stopped, save=4), 3, ahead, [(4, ahead)]
        )
    with case(
        "5 epochs, stopped in save_run, when the file of epoch 4 is written",
        "",
        [_OUT],
    ):
        _stopped_after(
            _trial(train_until_stopped, late=4), 4, behind, [(3, behind)]
        )


def _of_a_resumed_run(train_until_stopped: Callable) -> None:
    with case("a resumed run of 2 epochs, stopped in epoch 3"):
        equal(
            _trial(train_until_stopped, epoch=3, history=2).got,
            2,
            "Its last checkpoint is the one that it was resumed from.",
            what="returned epoch",
        )
    with case("a resumed run of 2 epochs, and nobody stops"):
        equal(
            _trial(train_until_stopped, history=2).length,
            5,
            "`num_epochs` counts the epochs before the resuming too.",
            what="epochs in the history",
        )


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
    _confused(
        most_confused,
        "2 was read as 5 four times, 4 as 1 three times, 1 as 4 twice",
        C,
        (1, 4),
        "4 and 1 are confused 5 times, in both directions together: add them.",
    )
    C = torch.diag(torch.tensor([90, 90, *[1] * 8]))
    C[0, 1], C[2, 5], C[5, 2] = 6, 3, 2
    _confused(
        most_confused,
        "0 was read as 1 six times, 2 as 5 three times, 5 as 2 twice; 0 and 1 "
        "were read right 90 times, and the other digits once",
        C,
        (0, 1),
        "0 and 1 are confused 6 times, 2 and 5 only 5 times. Their numbers "
        "are added, and nothing else is done with them.",
    )
    y = torch.arange(297) % 10
    truth = _confusion(y, torch.where(torch.arange(297) < 7, (y + 1) % 10, y))
    predicted(
        sums,
        {
            "all entries": int(truth.sum()),
            "diagonal": int(truth.diagonal().sum()),
        },
        {
            "all entries": "Each digit is counted in one entry.",
            "diagonal": "On it, label and answer are the same.",
        },
    )


def _counts(
    confusion: Callable, labels: list[int], read_as: list[int]
) -> None:
    """Require the matrix of some digits."""
    hint = "There are ten digits, also where some don't occur."
    y, answers = torch.tensor(labels), torch.tensor(read_as)
    known = [("is invalid for input of size", hint)]
    with case(f"labels {labels}, read as {read_as}", "", known):
        given = y.clone(), answers.clone()
        C = _matrix(confusion(*given))
        holds(
            torch.equal(given[0], y) and torch.equal(given[1], answers),
            "labels and answers as they were",
            "others",
            "The labels or the answers are changed in place. They are needed "
            "again.",
        )
        truth = _confusion(y, answers)
        equal(
            tuple(C.shape),
            (10, 10),
            hint,
            known=[((100,), "A row of 100 numbers is no matrix yet.")],
            what="shape",
        )
        equal(
            _entries(C),
            _entries(truth),
            (
                "These aren't the counts.",
                "Each digit adds 1 to one entry: its label is the row, what "
                "it was read as the column.",
            ),
            known=[
                (
                    _entries(truth.T),
                    "This is the other way round: the row is the label, the "
                    "column what was read.",
                ),
                (
                    _entries(truth.clamp(max=1)),
                    (
                        "An entry that comes several times is counted once.",
                        "`C[y, answers] += 1` adds 1 once to each entry. "
                        "`index_put_` with accumulate=True, or `bincount`, "
                        "counts each.",
                    ),
                ),
                (
                    _entries(truth / truth.sum(1, keepdim=True).clamp(min=1)),
                    "These are shares of each row. Leave the counts.",
                ),
                (
                    _entries(truth / truth.sum()),
                    "These are shares of all digits. Leave the counts.",
                ),
                (
                    _entries(truth - truth.diag().diag()),
                    "What was read right is counted too, on the diagonal.",
                ),
                (
                    _entries(truth + truth.T),
                    "Both directions are added up here. The matrix keeps "
                    "them apart.",
                ),
            ],
            what="entries that aren't 0",
        )


def _confused(
    most_confused: Callable,
    given: str,
    C: Tensor,
    pair: tuple[int, int],
    why: str,
) -> None:
    """Require the pair that is confused most often."""
    with case(given):
        matrix = C.clone()
        equal(
            most_confused(matrix),
            pair,
            (
                "This isn't the pair that is confused most often.",
                "For a pair, an entry and its mirror image count together. "
                "Of these sums, off the diagonal, find the largest, and give "
                "its two digits.",
            ),
            known=[
                ((2, 5), why),
                (pair[::-1], "The smaller digit comes first."),
                (
                    (0, 0),
                    "This is on the diagonal, which counts what was read "
                    "right.",
                ),
            ],
            what="pair",
        )
        holds(
            torch.equal(matrix, C),
            "the matrix as it was",
            "another one",
            "Work on a copy: what ends in `_`, such as `fill_diagonal_`, "
            "changes the matrix of the caller.",
        )


def _matrix(got: object) -> Tensor:
    """A matrix as a tensor, also one of lists or of numpy's."""
    C = None
    with suppress(Exception):
        C = torch.as_tensor(got)
    holds(
        C is not None and not C.is_meta,
        "a matrix",
        show(got),
        "Return the matrix of counts, of shape (10, 10).",
    )
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
    with case("split_new_hands(0)"):
        train, valid, test = _positions(split_new_hands(0))
        equal(
            [len(train), len(valid), len(test)],
            [1200, 297, 300],
            "Return the positions of three parts: training, validation, test.",
            what="sizes",
        )
        equal(
            [min(test), max(test), len(set(test))],
            [1497, 1796, 300],
            "The test digits are at positions 1497 to 1796, the last 300 of "
            "1,797.",
            known=[
                (
                    [0, 299, 300],
                    "These are the first 300 of the file.",
                ),
                (
                    [1498, 1797, 300],
                    "Positions begin at 0, so that the last is 1796.",
                ),
            ],
            what="first, last and number of the test positions",
        )
        holds(
            sorted(train + valid) == list(range(1497)),
            "each of the positions 0 to 1496 in one of the other parts",
            "other positions",
            "Permute 1497 positions, and split them: none may be missing, or "
            "come twice.",
        )
        # Of 297 digits about 74 are from each quarter of the file.
        quarters = [sum(i * 4 // 1497 == n for i in valid) for n in range(4)]
        holds(
            min(quarters) > 40 and max(quarters) < 110,
            "the others permuted",
            f"of the validation digits {', '.join(map(str, quarters))} are "
            "from the four quarters of the file",
            "Permute before you split: else the validation digits are of "
            "other hands than the training digits.",
        )
    with case("split_new_hands(0), again"):
        torch.manual_seed(5)
        again = _positions(split_new_hands(0))
        holds(
            [train, valid] == again[:2],
            "the same split",
            "another one",
            "The same seed gives the same split: set it in the function, "
            "before you permute.",
        )
    seen = {0: set(train)}
    for seed in (1, 2, 3, 4, 7, 1000):
        with case(f"split_new_hands({seed}), and smaller seeds"):
            others = set(_positions(split_new_hands(seed))[0])
            alike = [n for n, other in seen.items() if other == others]
            holds(
                not alike,
                "another split for another seed",
                f"that of seed {alike[0] if alike else ''}",
                "Each seed has a split of its own: use the argument as it is.",
            )
            seen[seed] = others
    question = "your prediction of the lower test accuracy"
    one_of(lower, ("mixed", "new hands"), question)
    with asked(question):
        equal(
            lower,
            _lower_accuracy(),
            "In the mixed split, each hand that wrote test digits wrote "
            "training digits too. Is that easier or harder?",
        )


def _positions(parts: object) -> list[list[int]]:
    """Three lists of positions."""
    number = len(parts) if hasattr(parts, "__len__") else None
    holds(
        number == 3,
        "three parts",
        show(parts) if number is None else f"{number} parts",
        "Return three parts: the positions of training, validation and test.",
    )
    positions = []
    for part in parts:
        shape = getattr(part, "shape", (0,))
        holds(
            len(shape) == 1 and hasattr(part, "__iter__"),
            "one dimension of positions",
            f"shape {show(tuple(shape))}" if len(shape) != 1 else show(part),
            "Return positions in the file, not the images that are there: "
            "`X[train]` gives these later.",
        )
        positions.append([int(i) for i in part])
    return positions


def _lower_accuracy() -> str:
    """Where the nearest training digit tells less about the test digits."""
    from sklearn.datasets import load_digits

    torch.set_num_threads(1)
    digits = load_digits()
    X, y = torch.from_numpy(digits.data).float(), digits.target
    order = torch.randperm(1797)
    splits = {
        "mixed": (order[:1200], order[1497:]),
        "new hands": (order[order < 1497][:1200], torch.arange(1497, 1797)),
    }
    right = {
        name: (y[train[torch.cdist(X[test], X[train]).argmin(1)]] == y[test])
        for name, (train, test) in splits.items()
    }
    return min(right, key=lambda name: right[name].mean())


@exercise(
    "7.8 Layers of your own",
    "with five seeds, the first loss is within 0.1 of log 10",
    "the model still learns, with each seed, and MyLinear with it",
    "you know which logits a MyLinear at the end can't give",
    "you know what a closed output costs",
)
def layers_of_your_own(init_small: Callable, mylinear_last: dict) -> None:
    from sklearn.datasets import load_digits

    torch.set_num_threads(1)
    digits = load_digits()
    X = torch.from_numpy(digits.images[:300]).float() / 16
    y = torch.from_numpy(digits.target[:300]).long()
    for seed in range(5):
        _starts_well(init_small, X, y, seed)
    truth = _mylinear_last(X, y)
    choices = {
        "never": ("negative", "zero", "positive"),
        "gradient": ("zero", "not zero"),
    }
    for key, words in choices.items():
        if key in mylinear_last:
            one_of(mylinear_last[key], words, f"your prediction for '{key}'")
    predicted(
        mylinear_last,
        truth,
        {
            "never": "The last step of `MyLinear` is a ReLU. What can't come "
            "out of it?",
            "gradient": "An output is 0 for all digits if each sum before "
            "its ReLU is negative. What is the slope of the ReLU there?",
        },
    )


def _starts_well(
    init_small: Callable, X: Tensor, y: Tensor, seed: int
) -> None:
    """Require a good first loss, and a model that learns from there."""
    known = [
        (
            "has no attribute",
            (
                "`apply` visits every module, also those without a weight.",
                "Ask with `isinstance` which it is.",
            ),
        ),
        (
            "cannot assign",
            "A parameter stays one: change its numbers in place.",
        ),
    ]
    given = f"300 digits, torch.manual_seed({seed}), net.apply(init_small)"
    with case(given, "", known):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Flatten(), MyLinear(64, 128), nn.Linear(128, 10)
        )
        before = [p.detach().clone() for p in net.parameters()]
        net.apply(init_small)
        changed = not all(map(torch.equal, before, net.parameters()))
        loss = F.cross_entropy(net(X), y).item()
        equal(
            round(loss, 3),
            round(math.log(10), 3),
            (
                "The logits are still too far from 0.",
                "Draw smaller weights, and mind the bias, which is drawn from "
                "N(0, 1) too.",
            )
            if changed
            else "`apply` changed nothing. Change the parameters in place, "
            "where the module is a `MyLinear`.",
            rtol=0,
            atol=0.1,
            what="loss before the first step",
        )
    with case(f"{given}, then 30 steps of training"):
        start = net[1].weight.detach().clone()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for _ in range(30):
            loss = F.cross_entropy(net(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        accuracy = (net(X).argmax(dim=1) == y).float().mean().item()
        holds(
            accuracy > 0.6,
            "an accuracy of over 60%",
            f"{accuracy:.0%}",
            (
                "The loss is right, but the model doesn't learn.",
                "Does a gradient come through the ReLU of `MyLinear`, and is "
                "it large enough? Where all weights are 0, or all sums "
                "negative, nothing passes.",
            ),
        )
        holds(
            not torch.equal(net[1].weight, start),
            "weights of MyLinear that are trained",
            "weights that stay",
            "The model learns by its last layer alone. Leave the parameters "
            "of `MyLinear` free to learn.",
        )


def _mylinear_last(X: Tensor, y: Tensor) -> dict[str, str]:
    """The sign that no logit has, and the gradient of an output closed."""
    net = nn.Sequential(nn.Flatten(), MyLinear(64, 128), MyLinear(128, 10))
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
        equal(
            shared,
            _shared_generator(),
            "Each run has a generator that shuffles. What does dropout draw "
            "from?",
        )


def _turns(in_turns: Callable, seeds: tuple[int, ...]) -> None:
    """Require runs that are trained in turns, as if each were alone."""
    made, turns = [], []

    def new_run(seed: int) -> SimpleNamespace:
        made.append(_new_run(seed))
        return made[-1]

    def one_epoch(run: SimpleNamespace) -> None:
        turns.append(run)
        _one_epoch(run)

    with case(f"seeds {seeds}, two epochs"):
        runs = in_turns(seeds, 2, new_run, one_epoch)
        holds(
            len(made) == len(seeds),
            f"calls of new_run: {len(seeds)}",
            f"calls of new_run: {len(made)}",
            "Make a run for each seed, by the function `new_run` that is "
            "given, also where two seeds are equal.",
        )
        names = [
            next((i for i, m in enumerate(made, 1) if m is run), 0)
            for run in turns
        ]
        rounds = [*range(1, len(seeds) + 1)] * 2
        holds(
            names == rounds,
            "epochs of " + ", ".join(f"run {n}" for n in rounds),
            "epochs of " + ", ".join(f"run {n}" for n in names[:9])
            if names
            else "none",
            "Each round has an epoch of the first run, then one of the "
            "second, and so on, by the function `one_epoch` that is given.",
        )
        holds(
            isinstance(runs, (list, tuple))
            and len(runs) == len(made)
            and all(a is b for a, b in zip(runs, made, strict=True)),
            "the list of the runs",
            show(runs) if runs is None else "another value, or another order",
            "Return the runs and nothing else, in the order of their seeds.",
        )
        for i, seed in enumerate(seeds):
            _as_if_alone(runs[i], seed, f"run {i + 1}")


def _as_if_alone(run: SimpleNamespace, seed: int, name: str) -> None:
    """Require the end of a run that was alone."""
    alone = _new_run(seed)
    for _ in range(2):
        _one_epoch(alone)
    if not same(run.history[:1], alone.history[:1], RTOL, ATOL):
        hint = (
            "Its first epoch differs already: it begins with a random state "
            "that isn't its own.",
            "Its own is that in which `new_run` has left the generator.",
        )
    else:
        hint = (
            "Its first epoch is right. Its second isn't: the random state "
            "isn't that in which the first has ended.",
            "Set the state of a run before each of its epochs, and get it "
            "again after.",
        )
    holds(
        _same_end(run, alone),
        f"{name} as if it had been alone",
        "another end",
        hint,
    )


def _shared_generator() -> str:
    """The entry that another run's epoch changes."""
    run = _new_run(0)
    before = _state(run)
    _one_epoch(_new_run(0))
    after = _state(run)
    (shared,) = (
        name
        for name in ("generator", "random")
        if not torch.equal(before[name], after[name])
    )
    return shared
