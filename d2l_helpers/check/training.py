"""The checks of chapter 07, Train anywhere, stop and resume."""

from __future__ import annotations

import copy
import io
import math
import os
import re
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers import MyLinear
from ._compare import (
    ATOL,
    RTOL,
    asked,
    case,
    equal,
    holds,
    predicted,
    raises,
    same,
)
from ._exercise import exercise
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


def _train_epoch(run: SimpleNamespace, batch_size: int = 12) -> float:
    run.net.train()
    X, total = _images(), 0.0
    for batch in torch.randperm(48, generator=run.generator).split(batch_size):
        loss = F.cross_entropy(run.net(X[batch]), LABELS[batch])
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        total += loss.item() * len(batch)
    return total / 48


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
)
def another_rule_for_stopping(stop_by_accuracy: Callable) -> None:
    equal_ones = "Of epochs of equal accuracy, the one with the lower loss is "
    tries = [
        (
            ([0.5, 0.4, 0.3], [0.7, 0.9, 0.8], 1),
            "The best epoch has the highest accuracy, and the run stops "
            "after the epoch that comes `patience` epochs later.",
            [
                ((3, 3), "This goes by the loss: the best is its minimum."),
                ((1, 2), "The first epoch is 1, not 0."),
                ((3, 2), "Return the epoch that is kept first."),
            ],
        ),
        (
            ([0.5, 0.4, 0.6, 0.6, 0.6], [0.7, 0.9, 0.8, 0.8, 0.8], 2),
            "With a patience of 2 the run stops two epochs after its best.",
            [
                (
                    (2, 5),
                    "This waits an epoch too long: stop as soon as the best "
                    "is as old as the patience.",
                )
            ],
        ),
        (
            ([0.5, 0.4, 0.6, 0.6, 0.3], [0.7, 0.9, 0.8, 0.8, 1.0], 2),
            "Go through the epochs one by one: after epoch 4 the run has "
            "stopped, and there never is an epoch 5.",
            [],
        ),
        (
            ([0.4, 0.3, 0.6, 0.6], [0.9, 0.9, 0.8, 0.8], 2),
            f"{equal_ones}better, here epoch 2. It is a new best, from which "
            "the patience counts.",
            [],
        ),
        (
            ([0.3, 0.4, 0.6, 0.6], [0.9, 0.9, 0.8, 0.8], 2),
            f"{equal_ones}better, here epoch 1.",
            [],
        ),
        (
            ([0.5, 0.4], [0.7, 0.9], 5),
            "The patience doesn't run out here: the run stops after its last "
            "epoch.",
            [],
        ),
    ]
    drawn = torch.Generator().manual_seed(0)
    for _ in range(20):
        losses = torch.randperm(12, generator=drawn).add(1).div(20)
        steps = torch.randint(7, 10, (12,), generator=drawn).div(10)
        losses, steps = (
            [round(v.item(), 2) for v in t] for t in (losses, steps)
        )
        hint = "Best is the highest accuracy so far, then the lowest loss."
        tries.append(((losses, steps, 3), hint, []))
    for (losses, accuracies, patience), hint, known in tries:
        history = [
            (0.9, *pair) for pair in zip(losses, accuracies, strict=True)
        ]
        given = f"losses {losses}, accuracies {accuracies}, "
        with case(f"{given}patience {patience}", hint):
            got = stop_by_accuracy(history, patience)
            truth = _kept_and_stopped(losses, accuracies, patience)
            equal(got, truth, hint, known)


def _kept_and_stopped(
    losses: list[float], accuracies: list[float], patience: int
) -> tuple[int, int]:
    best = 0
    for epoch, pair in enumerate(zip(accuracies, losses, strict=True)):
        if (pair[0], -pair[1]) > (accuracies[best], -losses[best]):
            best = epoch
        if epoch - best == patience:
            break
    return best + 1, epoch + 1


@exercise(
    "7.2 Resume from the best",
    "the run gets the weights of the file",
    "its optimizer moves these weights, with the new learning rate and the "
    "old momentum",
    "you know what a run needs so that its weights go on exactly",
)
def resume_from_the_best(start_from: Callable, needed: dict) -> None:
    best = _new_run(0)
    path = Path("best.pt")
    torch.save(best.net.state_dict(), path)
    run = _new_run(1)
    with case("a new run, a file of weights, lr=0.01"):
        start_from(run, path, 0.01)
        holds(
            torch.equal(_weights(run), _weights(best)),
            "the weights of the file",
            "other weights",
            "The file holds a state dict: `run.net.load_state_dict` copies "
            "it into the network of the run.",
        )
    with case("one step of training with that run"):
        F.cross_entropy(run.net.eval()(_images()), LABELS).backward()
        slopes = torch.cat([p.grad.flatten() for p in run.net.parameters()])
        before = _weights(run)
        run.optimizer.step()
        steepest = slopes.abs().argmax()
        moved = (before - _weights(run))[steepest] / slopes[steepest]
        equal(
            moved.item(),
            0.01,
            "The optimizer reads the learning rate from its `param_groups`, "
            "where each group is a dict with the key 'lr'.",
            known=[
                (
                    0.0,
                    "The step moved nothing: the optimizer holds other "
                    "parameters than `run.net`. Load into the network that "
                    "it was made for.",
                ),
                (
                    0.1,
                    "The step was taken with the old learning rate. An "
                    "attribute `lr` of the optimizer is read by nobody: "
                    "change its `param_groups`.",
                ),
            ],
            rtol=1e-3,
        )
    with case("a second step with the same gradients, after that"):
        before = _weights(run)
        run.optimizer.step()
        moved = (before - _weights(run))[steepest] / slopes[steepest]
        equal(
            moved.item(),
            0.019,  # 0.01, and 0.9 of the step before
            "The learning rate alone is new: the step must be made with the "
            "momentum of `new_run`, and with its other settings.",
            known=[
                (
                    0.01,
                    "The momentum is lost. Keep the optimizer of the run, or "
                    "give a new one the same momentum.",
                )
            ],
            rtol=1e-3,
        )
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
    "you know the rates of a run whose scheduler wasn't saved",
)
def schedule(
    add_schedule: Callable,
    save_with_schedule: Callable,
    resume_with_schedule: Callable,
    rates: dict,
) -> None:
    whole = _halved_rates(add_schedule)
    resumed = _resumed_rates(
        add_schedule, save_with_schedule, resume_with_schedule
    )
    with case("the end of that run, and of one that wasn't cut"):
        holds(
            _same_end(resumed, whole),
            "the same weights and the same history",
            "others",
            "The rest of the checkpoint must be there as before: weights, "
            "optimizer, both kinds of generators, history.",
        )
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
    )


def _halved_rates(add_schedule: Callable) -> SimpleNamespace:
    """A run of 10 epochs with a schedule, if that is right."""
    whole = _new_run(0)
    with case("add_schedule(run), then 10 epochs"):
        add_schedule(whole)
        got = [_scheduled_epoch(whole) for _ in range(10)]
        equal(
            got,
            _rates(10),
            "Make a `StepLR` of `run.optimizer` with step_size=3 and "
            "gamma=0.5, and keep it as `run.scheduler`.",
            known=[
                (
                    [0.1] * 10,
                    "The rate stays: the scheduler must hold `run.optimizer` "
                    "itself.",
                ),
                (
                    [0.1 * 0.5**epoch for epoch in range(10)],
                    "This halves it after each epoch: `step_size` is the "
                    "number of epochs between two changes.",
                ),
                (
                    [0.1 * 0.1 ** (epoch // 3) for epoch in range(10)],
                    "This takes a tenth: `gamma` is the factor, and 0.1 is "
                    "what it is if you give none.",
                ),
            ],
        )
    return whole


def _resumed_rates(
    add_schedule: Callable, save: Callable, resume: Callable
) -> SimpleNamespace:
    """A run of 10 epochs, cut in epoch 8, if its schedule is right."""
    path, truth = Path("run.pt"), _rates(10)[7:]
    saved = (
        "Save `run.scheduler.state_dict()`, not the scheduler, which "
        "`weights_only=True` refuses, and give it to `load_state_dict`."
    )
    with case(
        "save after epoch 7, resume in a new run with a schedule", saved
    ):
        stopped = _new_run(0)
        add_schedule(stopped)
        for _ in range(7):
            _scheduled_epoch(stopped)
        save(stopped, path)
        resumed = _new_run(1)
        add_schedule(resumed)
        resume(resumed, path)
        equal(
            len(resumed.history),
            7,
            "A run that has trained for 7 epochs has 7 entries in its "
            "history.",
        )
    with case("the learning rates of epochs 8 to 10 after that"):
        equal(
            [_scheduled_epoch(resumed) for _ in range(3)],
            truth,
            "The rate is an entry of the optimizer's state, and the number of "
            "epochs one of the scheduler's: both must be loaded.",
            known=[
                (
                    truth[:1] * 3,
                    "The scheduler counts its epochs from 0 again: its state "
                    "is lost, in saving or in resuming.",
                ),
                (
                    [0.1, 0.1, 0.05],
                    "The optimizer's state is missing, and with it the rate.",
                ),
                (
                    [0.1] * 3,
                    "The optimizer's and the scheduler's state are missing.",
                ),
            ],
        )
    return resumed


def _scheduled_epoch(run: SimpleNamespace) -> float:
    (group,) = run.optimizer.param_groups
    rate = float(group["lr"])
    _one_epoch(run)
    run.scheduler.step()
    return rate


def _scheduler(run: SimpleNamespace) -> torch.optim.lr_scheduler.StepLR:
    return torch.optim.lr_scheduler.StepLR(run.optimizer, 3, gamma=0.5)


def _rates(num_epochs: int) -> list[float]:
    run = _new_run(0)
    run.scheduler = _scheduler(run)
    return [_scheduled_epoch(run) for _ in range(num_epochs)]


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
        self.path, self.cut = path, cut
        self.batches: list[Tensor] = []
        self.written: list[int] = []  # after how many batches
        if path:
            self._is_written()
        run.net.register_forward_pre_hook(self._note)

    def _note(self, net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not net.training:
            return
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
)
def lose_less(
    train_epoch_inside: Callable,
    save_inside: Callable,
    resume_inside: Callable,
) -> None:
    trial = _Inside(train_epoch_inside, save_inside, resume_inside)
    one, order = _whole(1)
    two, _ = _whole(2)
    _uncut(trial, one, order)
    run = _cut_once(trial, one, order)
    _next_epoch(trial, run, two)
    _cut_twice(trial, one)
    _cut_later(trial, two)


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
        """An epoch of 24 batches of 2, or its rest."""
        loss = self.train_epoch(run, _images(), LABELS.clone(), self.path, 2)
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
    with case("a run without a cut: 48 images in 24 batches of 2, on the CPU"):
        run = trial.new_run(0)
        watch = _Watch(run, trial.path)
        trial.epoch_of(run)
        _same_batches(watch.batches, order)
        holds(
            _same_weights(run, one),
            "the weights after train_epoch",
            "others",
            "Each batch makes the five lines of a step, with the network in "
            "training.",
        )
        equal(
            run.history[0][0],
            loss,
            "Return the mean loss of all images of the epoch.",
            known=[
                (loss * 48, "This is the sum. Divide it by len(X)."),
                (loss / 2, "Count each batch's loss for each of its images."),
            ],
        )
        _every_ten(watch.written)


def _same_batches(batches: list[Tensor], order: list[Tensor]) -> None:
    """Require the batches of an epoch: their number, sizes and order."""
    equal(
        len(batches),
        24,
        "`batch_size` is an argument, here 2, and all images of X come in "
        "batches of this size.",
    )
    equal(
        [len(batch) for batch in batches],
        [2] * 24,
        "Each batch has `batch_size` images: `split` makes them.",
    )
    holds(
        all(map(torch.equal, batches, order)),
        "the batches of train_epoch, in its order",
        "others",
        "Without a begun epoch, draw the order as `train_epoch` does: "
        "`torch.randperm(len(X), generator=run.generator)`, once.",
    )


def _every_ten(written: list[int]) -> None:
    """Require checkpoints after batches 10 and 20."""
    hint = "Write a checkpoint after every ten batches, counted from 1."
    if not written:
        hint = (
            "After ten batches a checkpoint must be there: write it in the "
            "loop."
        )
    elif {1, 11, 21} <= set(written) and len(written) < 23:
        hint = (
            "The numbers of the batches begin at 0 in your loop: `i % 10 == "
            "0` holds for the first, and then for the eleventh."
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
    trial: _Inside, one: SimpleNamespace, order: list[Tensor]
) -> SimpleNamespace:
    """A run that was cut and has ended its epoch, if that is right."""
    with case("a run that is cut before batch 16 of its first epoch"):
        run = trial.cut(trial.new_run(0), 16)
        watch = _Watch(run)
        trial.epoch_of(run)
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
        )
        holds(
            all(map(torch.equal, watch.batches, order[10:])),
            "batches 11 to 24 of the order that was drawn",
            "others",
            "The order is drawn before the first batch, and the generator "
            "has moved on since. Save the order too.",
        )
        holds(
            _same_weights(run, one),
            "the weights of a run that wasn't cut",
            "others",
            "Save after the step of the tenth batch, with all that a "
            "checkpoint has: the optimizer, and the state that dropout draws "
            "from.",
        )
        equal(
            run.history[0][0],
            one.history[0][0],
            "The mean is over the whole epoch, so the sum of the losses up "
            "to the cut must be saved too.",
        )
    return run


def _next_epoch(
    trial: _Inside, run: SimpleNamespace, two: SimpleNamespace
) -> None:
    """Require that the epoch after a resumed one is whole."""
    with case("the next epoch of the resumed run"):
        equal(run.begun, {}, "Empty `run.begun` when the epoch ends.")
        trial.save(run, trial.path)
        watch = _Watch(run)
        trial.epoch_of(run)
        equal(len(watch.batches), 24, "The next epoch is a whole one.")
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
        )
        holds(
            _same_end(run, one),
            "the end of a run that wasn't cut",
            "another",
            "The sum of the losses is that of the whole epoch, also in the "
            "rest of a rest.",
        )


def _cut_later(trial: _Inside, two: SimpleNamespace) -> None:
    with case("a run that is cut before batch 5 of its second epoch"):
        run = trial.new_run(0)
        trial.epoch_of(run)
        trial.save(run, trial.path)
        run = trial.cut(run, 5)
        trial.epoch_of(run)
        holds(
            _same_end(run, two),
            "the end of a run that wasn't cut",
            "another",
            "Between two epochs nothing is begun: the checkpoint of that "
            "moment must say so, and hold the history.",
        )


def _whole(num_epochs: int) -> tuple[SimpleNamespace, list[Tensor]]:
    """A run that isn't cut, in batches of 2, and the batches that it saw."""
    run = _new_run(0)
    watch = _Watch(run)
    for _ in range(num_epochs):
        run.history.append((_train_epoch(run, batch_size=2), 0.0, 0.0))
    return run, watch.batches


@exercise(
    "7.5 The stop button",
    "without the button, the run goes on to its end",
    "with it, no error is raised",
    "the epoch of the last checkpoint is returned and printed",
    "this also holds while a checkpoint is written, and for a resumed run",
    "any other error is still raised",
)
def stop_button(train_until_stopped: Callable) -> None:
    _without_the_button(train_until_stopped)
    _with_the_button(train_until_stopped)
    _of_a_resumed_run(train_until_stopped)
    with case("a ZeroDivisionError in epoch 4"):
        raises(
            ZeroDivisionError,
            lambda: _trial(
                train_until_stopped, epoch=4, error=ZeroDivisionError
            )[0],
            hint="Only the button is expected. Catch `KeyboardInterrupt` "
            "alone, or a mistake in the code goes by in silence.",
        )


def _trial(
    train_until_stopped: Callable,
    epoch: int = 0,
    save: int = 0,
    error: type[BaseException] = KeyboardInterrupt,
    history: int = 0,
) -> tuple[object, str, int]:
    """What is returned and printed, and how long the history is."""
    path = Path("run.pt")

    def one_epoch(run: SimpleNamespace) -> None:
        if len(run.history) == epoch - 1:
            raise error("stopped in an epoch")
        run.history.append((0.9, 0.5, 0.8))

    def save_run(run: SimpleNamespace, path: Path) -> None:
        if len(run.history) == save:
            raise error("stopped in save_run")
        state = _state(run)  # the entries of the chapter's
        state["random"] = {"cpu": state["random"]}
        torch.save({"epoch": len(run.history), **state}, path)

    run = _new_run(0)
    path.unlink(missing_ok=True)
    if history:
        run.history += [(0.9, 0.5, 0.8)] * history
        save_run(run, path)
    with redirect_stdout(io.StringIO()) as printed:
        got = train_until_stopped(run, path, 5, one_epoch, save_run)
    return got, printed.getvalue(), len(run.history)


def _without_the_button(train_until_stopped: Callable) -> None:
    with case("5 epochs, and nobody stops"):
        got, _, length = _trial(train_until_stopped)
        equal(
            length,
            5,
            "Train until the history has `num_epochs` entries.",
        )
        equal(
            got,
            5,
            "Write a checkpoint after each epoch, and return the epoch of "
            "the last one.",
        )


def _with_the_button(train_until_stopped: Callable) -> None:
    hint = (
        "`KeyboardInterrupt` is no `Exception`, so that `except Exception` "
        "lets it pass: name it."
    )
    with case("5 epochs, stopped in epoch 4", hint):
        got, printed, _ = _trial(train_until_stopped, epoch=4)
        equal(
            got,
            3,
            "Epoch 4 isn't in a checkpoint: it didn't come to its end.",
        )
        holds(
            "3" in re.findall(r"\d+", printed),
            "a line that names epoch 3",
            repr(printed),
            "Print the epoch of the last checkpoint when the run is stopped.",
        )
    hint = "The button can be pressed at any moment, also in `save_run`."
    with case("5 epochs, stopped in save_run after epoch 4", hint):
        equal(
            _trial(train_until_stopped, save=4)[0],
            3,
            hint,
            known=[
                (
                    4,
                    "Epoch 4 is in the history, but its checkpoint wasn't "
                    "written. Note the epoch after `save_run`, or read it "
                    "from the file.",
                )
            ],
        )
    with case("5 epochs, stopped in epoch 1", "There is no checkpoint yet."):
        equal(
            _trial(train_until_stopped, epoch=1)[0],
            0,
            "Before the first checkpoint, the answer is 0.",
        )


def _of_a_resumed_run(train_until_stopped: Callable) -> None:
    with case("a resumed run of 2 epochs, stopped in epoch 3"):
        equal(
            _trial(train_until_stopped, epoch=3, history=2)[0],
            2,
            "Its last checkpoint is the one that it was resumed from.",
        )
        equal(
            _trial(train_until_stopped, history=2)[2],
            5,
            "`num_epochs` counts the epochs before the resuming too.",
        )


@exercise(
    "7.6 Who confuses whom",
    "entry (i, j) counts the digits i that are read as j",
    "the matrix has the shape (10, 10), whatever digits occur",
    "most_confused adds both directions, and changes nothing",
    "you know what all entries sum to, and what the diagonal",
)
def who_confuses_whom(
    confusion: Callable, most_confused: Callable, sums: dict
) -> None:
    hint = "There are ten digits, also where some don't occur."
    y, answers = torch.tensor([3, 3, 8]), torch.tensor([3, 8, 8])
    with case("labels [3, 3, 8], read as [3, 8, 8]", hint):
        C = _matrix(confusion(y.clone(), answers.clone()))
        truth = _confusion(y, answers)
        equal(tuple(C.shape), (10, 10), hint)
        equal(
            _entries(C),
            _entries(truth),
            "Each digit adds 1 to one entry: its label is the row, what it "
            "was read as the column.",
            known=[
                (
                    _entries(truth.T),
                    "This is the other way round: the row is the label, the "
                    "column what was read.",
                ),
                (
                    _entries(truth / truth.sum(1, keepdim=True).clamp(min=1)),
                    "These are shares of each row. Leave the counts.",
                ),
            ],
        )
    y, answers = torch.tensor([1, 1, 1, 7]), torch.tensor([1, 1, 1, 1])
    with case("labels [1, 1, 1, 7], read as [1, 1, 1, 1]"):
        C = _matrix(confusion(y.clone(), answers.clone()))
        truth = _confusion(y, answers)
        equal(
            _entries(C),
            _entries(truth),
            "Digits with the same label and the same answer add up.",
            known=[
                (
                    _entries(truth.clamp(max=1)),
                    "`C[y, answers] += 1` adds 1 once to an entry that comes "
                    "several times. `index_put_` with accumulate=True, or "
                    "`bincount`, counts each.",
                )
            ],
        )
    C = torch.diag(torch.full((10,), 9))
    C[2, 5], C[4, 1], C[1, 4] = 4, 3, 2
    with case("2 read as 5 4 times, 4 as 1 3 times, 1 as 4 2 times"):
        given = C.clone()
        equal(
            most_confused(given),
            (1, 4),
            "Take the largest sum of an entry and its mirror image, "
            "`C + C.T`, off the diagonal; the smaller digit comes first.",
            known=[
                (
                    (2, 5),
                    "4 and 1 are confused 5 times, in both directions "
                    "together: add them.",
                ),
                ((4, 1), "The smaller digit comes first."),
                (
                    (0, 0),
                    "This is on the diagonal, which counts what was read "
                    "right.",
                ),
            ],
        )
        holds(
            torch.equal(given, C),
            "the matrix as it was",
            "another one",
            "Work on a copy: what ends in `_`, such as `fill_diagonal_`, "
            "changes the matrix of the caller.",
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
        )
        holds(
            sorted(train + valid) == list(range(1497)),
            "each of the positions 0 to 1496 in one of the other parts",
            "other positions",
            "Permute 1497 positions, and split them: none may be missing, or "
            "come twice.",
        )
        holds(
            max(train) > min(valid) and max(valid) > min(train),
            "the others permuted",
            "them in the order of the file",
            "Permute before you split: else the validation digits are of "
            "other hands than the training digits.",
        )
    with case("split_new_hands(0) again, then split_new_hands(1)"):
        torch.manual_seed(5)
        again = _positions(split_new_hands(0))
        other = _positions(split_new_hands(1))
        holds(
            [train, valid] == again[:2],
            "the same split",
            "another one",
            "The same seed gives the same split: set it in the function, "
            "before you permute.",
        )
        holds(
            set(train) != set(other[0]),
            "another split for another seed",
            "the same one",
            "The argument is the seed: use it.",
        )
    with asked("your prediction of the lower test accuracy"):
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
    "the model still learns, with each seed",
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
        with case(
            f"300 digits, seed {seed}",
            "`apply` visits every module, also those without a weight: ask "
            "with `isinstance` which it is.",
        ):
            torch.manual_seed(seed)
            net = nn.Sequential(
                nn.Flatten(), MyLinear(64, 128), nn.Linear(128, 10)
            )
            first = F.cross_entropy(net(X), y).item()
            net.apply(init_small)
            loss = F.cross_entropy(net(X), y).item()
            equal(
                round(loss, 3),
                round(math.log(10), 3),
                "The logits are still too far from 0. Draw smaller weights, "
                "and mind the bias, which is drawn from N(0, 1) too.",
                known=[
                    (
                        round(first, 3),
                        "`apply` changed nothing. Change the parameters in "
                        "place, where the module is a `MyLinear`.",
                    )
                ],
                rtol=0,
                atol=0.1,
            )
        _learns(net, X, y, seed)
    predicted(
        mylinear_last,
        _mylinear_last(X, y),
        {
            "never": "The last step of `MyLinear` is a ReLU. What can't come "
            "out of it?",
            "gradient": "An output is 0 for all digits if each sum before "
            "its ReLU is negative. What is the slope of the ReLU there?",
        },
    )


def _learns(net: nn.Module, X: Tensor, y: Tensor, seed: int) -> None:
    """Require that a model reads most of the digits after 30 steps."""
    with case(f"30 steps of training after that, seed {seed}"):
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
            "The loss is right, but the model doesn't learn. Where all "
            "weights are 0 the ReLU lets nothing pass, and no gradient: they "
            "must be drawn.",
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
    for seeds in ((0, 0), (0, 1)):
        with case(f"seeds {seeds}, two epochs"):
            turns = []

            def one_epoch(run: SimpleNamespace, turns: list = turns) -> None:
                turns.append(run)
                _one_epoch(run)

            runs = in_turns(seeds, 2, _new_run, one_epoch)
            holds(
                isinstance(runs, (list, tuple)) and len(runs) == 2,
                "two runs",
                "something else",
                "Return the list of the runs.",
            )
            equal(
                [run is runs[1] for run in turns],
                [False, True] * 2,
                "Train the first for an epoch, then the second, then the "
                "first again: call `one_epoch` for each run in each epoch.",
            )
            for i, seed in enumerate(seeds):
                alone = _new_run(seed)
                for _ in range(2):
                    _one_epoch(alone)
                holds(
                    _same_end(runs[i], alone),
                    f"run {i + 1} as if it had been alone",
                    "another end",
                    "Each run needs a random state of its own, from where "
                    "`new_run` left it: set it before each epoch of the run, "
                    "and get it again after.",
                )
    with asked("your answer, which generator they share"):
        equal(
            shared,
            _shared_generator(),
            "Each run has a generator that shuffles. What does dropout draw "
            "from?",
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
