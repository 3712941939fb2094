"""Answers to the exercises of chapter 07."""

import os
import random

import numpy as np
import torch
from sklearn.metrics import confusion_matrix
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    ExponentialLR,
    LambdaLR,
    MultiStepLR,
    StepLR,
)

from d2l_helpers import MLP, MyLinear
from tests.answers import right, wrong

# 7.1 Another rule for stopping


@right("another_rule_for_stopping")
def rule_by_sorting(history, patience):
    for stopped in range(1, len(history) + 1):
        so_far = sorted(
            range(stopped), key=lambda i: (-history[i][2], history[i][1])
        )
        if stopped - 1 - so_far[0] >= patience:
            break
    return [so_far[0] + 1, stopped]


@right("another_rule_for_stopping")
def rule_by_waiting(history, patience):
    kept, waited, top, low = 1, 0, -1.0, float("inf")
    for i, (_, loss, accuracy) in enumerate(history, 1):
        if accuracy > top or (accuracy == top and loss < low):
            kept, waited, top, low = i, 0, accuracy, loss
        else:
            waited += 1
        if waited == patience:
            return kept, i
    return torch.tensor([kept, len(history)])


def _waits(history, patience, better, extra=0):
    best = 0
    for epoch, entry in enumerate(history):
        if better(entry, history[best]):
            best = epoch
        if epoch - best == patience + extra:
            break
    return best + 1, epoch + 1


def _by_both(new, old):
    return (new[2], -new[1]) > (old[2], -old[1])


@wrong("another_rule_for_stopping", "goes by the loss")
def rule_by_loss(history, patience):
    return _waits(history, patience, lambda new, old: new[1] < old[1])


@wrong("another_rule_for_stopping", "first epoch is 1")
def rule_from_zero(history, patience):
    kept, stopped = _waits(history, patience, _by_both)
    return kept - 1, stopped - 1


@wrong("another_rule_for_stopping", "first epoch is 1")
def rule_that_counts_from_zero(history, patience):
    best = 0
    for epoch, entry in enumerate(history):
        if _by_both(entry, history[best]):
            best = epoch
        if epoch - best == patience:
            return best, epoch
    return best, len(history)


@wrong("another_rule_for_stopping", "kept first")
def rule_turned_round(history, patience):
    return _waits(history, patience, _by_both)[::-1]


@wrong("another_rule_for_stopping", "`patience` epochs later")
def rule_without_a_stop(history, patience):
    return max(range(len(history)), key=lambda i: history[i][2]), None


@wrong("another_rule_for_stopping", "Return two numbers")
def rule_of_one_number(history, patience):
    return _waits(history, patience, _by_both)[0]


@wrong("another_rule_for_stopping", "an epoch too early")
def rule_that_stops_too_early(history, patience):
    return _waits(history, patience, _by_both, extra=-1)


@wrong("another_rule_for_stopping", "there never is an epoch 5")
def rule_that_keeps_a_later_one(history, patience):
    _, stopped = _waits(history, patience, _by_both)
    later = history[: stopped + 1]
    kept = max(range(len(later)), key=lambda i: (later[i][2], -later[i][1]))
    return kept + 1, stopped


@wrong("another_rule_for_stopping", "by however little")
def rule_of_rounded_accuracies(history, patience):
    rounded = [(t, loss, round(a, 2)) for t, loss, a in history]
    return _waits(rounded, patience, _by_both)


@wrong("another_rule_for_stopping", "An accuracy may be 0")
def rule_that_begins_at_zero(history, patience):
    kept, top, low = 0, 0, 0
    for epoch, (_, loss, accuracy) in enumerate(history, 1):
        if (accuracy, -loss) > (top, -low):
            kept, top, low = epoch, accuracy, loss
        if kept and epoch - kept == patience:
            break
    return kept, epoch


@wrong("another_rule_for_stopping", "which needs it")
def rule_that_empties_the_history(history, patience):
    copy = list(history)
    history.clear()
    return _waits(copy, patience, _by_both)


@wrong("another_rule_for_stopping", "higher loss is taken")
def rule_of_the_higher_loss(history, patience):
    return _waits(
        history, patience, lambda new, old: (new[2], new[1]) > (old[2], old[1])
    )


@wrong("another_rule_for_stopping", "stays the best")
def rule_in_which_equal_ones_wait(history, patience):
    best, waited = 0, 0
    for epoch, entry in enumerate(history):
        equal = epoch and entry[2] == history[best][2]
        if _by_both(entry, history[best]):
            best, waited = epoch, 0
        elif epoch:
            waited = 0 if equal else waited + 1
        if waited == patience:
            break
    return best + 1, epoch + 1


@wrong("another_rule_for_stopping", "It is a new best")
def rule_in_which_the_wait_goes_on(history, patience):
    best, since = 0, 0
    for epoch, entry in enumerate(history):
        if entry[2] > history[best][2]:
            since = epoch
        if _by_both(entry, history[best]):
            best = epoch
        if epoch - since == patience:
            break
    return best + 1, epoch + 1


@wrong("another_rule_for_stopping", "two epochs after its best")
def rule_without_patience(history, patience):
    return _waits(history, 1, _by_both)


@wrong("another_rule_for_stopping", "an epoch too long")
def rule_that_waits_too_long(history, patience):
    return _waits(history, patience, _by_both, extra=1)


@wrong("another_rule_for_stopping", "comes after the stop")
def rule_of_the_whole_history(history, patience):
    kept, _ = _waits(history, len(history), _by_both)
    return kept, min(kept + patience, len(history))


@wrong("another_rule_for_stopping", "the first one stays here")
def rule_of_the_first_of_equal_ones(history, patience):
    return _waits(history, patience, lambda new, old: new[2] > old[2])


@wrong("another_rule_for_stopping", "the last one is taken here")
def rule_of_the_last_of_equal_ones(history, patience):
    return _waits(history, patience, lambda new, old: new[2] >= old[2])


@wrong("another_rule_for_stopping", "after its last epoch")
def rule_that_goes_on(history, patience):
    best, _ = _waits(history, patience, _by_both)
    return best, best + patience


@wrong("another_rule_for_stopping", "where the patience doesn't run out")
def rule_that_returns_in_the_loop_alone(history, patience):
    best = 0
    for epoch, entry in enumerate(history):
        if _by_both(entry, history[best]):
            best = epoch
        if epoch - best == patience:
            return best + 1, epoch + 1


@wrong("another_rule_for_stopping", "then the lowest loss")
def rule_that_compares_with_the_epoch_before(history, patience):
    best, waited = 0, 0
    for epoch in range(1, len(history)):
        if _by_both(history[epoch], history[best]):
            best = epoch
        better = _by_both(history[epoch], history[epoch - 1])
        waited = 0 if better else waited + 1
        if waited == patience:
            break
    return best + 1, epoch + 1


# 7.2 Resume from the best

NEEDED = {
    "optimizer": True,
    "generator": True,
    "random": True,
    "history": False,
}


@right("resume_from_the_best", NEEDED)
def start_with_a_new_optimizer(run, path, lr):
    run.net.load_state_dict(torch.load(path))
    run.optimizer = SGD(run.net.parameters(), lr=lr, momentum=0.9)


@right("resume_from_the_best", NEEDED)
def start_by_copying(run, path, lr):
    weights = torch.load(path, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for name, parameter in run.net.named_parameters():
            parameter.copy_(weights[name])
    state = run.optimizer.state_dict()
    state["param_groups"][0]["lr"] = lr
    run.optimizer.load_state_dict(state)
    return run


@wrong("resume_from_the_best", "read by nobody", NEEDED)
def start_with_an_attribute(run, path, lr):
    run.net.load_state_dict(torch.load(path))
    run.optimizer.lr = lr


@wrong("resume_from_the_best", "read by nobody", NEEDED)
def start_with_defaults(run, path, lr):
    run.net.load_state_dict(torch.load(path))
    run.optimizer.defaults["lr"] = lr


@wrong("resume_from_the_best", "moved nothing", NEEDED)
def start_with_another_network(run, path, lr):
    run.net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
    run.net.load_state_dict(torch.load(path))
    run.optimizer.param_groups[0]["lr"] = lr


@wrong("resume_from_the_best", "whatever lr is", NEEDED)
def start_with_a_rate_of_its_own(run, path, lr):
    run.net.load_state_dict(torch.load(path))
    run.optimizer.param_groups[0]["lr"] = 0.01


@wrong("resume_from_the_best", "may be another network", NEEDED)
def start_with_the_network_of_the_chapter(run, path, lr):
    MLP(64, 128, 10).load_state_dict(torch.load(path))


@wrong("resume_from_the_best", "no entry 'net'", NEEDED)
def start_from_a_checkpoint(run, path, lr):
    run.net.load_state_dict(torch.load(path)["net"])


@wrong("resume_from_the_best", "the one at `path`", NEEDED)
def start_from_another_file(run, path, lr):
    run.net.load_state_dict(torch.load("stopped.pt"))


@wrong("resume_from_the_best", "The run is trained", NEEDED)
def start_and_train(run, path, lr):
    start_with_a_new_optimizer(run, path, lr)
    run.history.append((0.5, 0.4, 0.9))


@wrong("resume_from_the_best", "The file is gone", NEEDED)
def start_and_tidy_up(run, path, lr):
    start_with_a_new_optimizer(run, path, lr)
    path.unlink()


@wrong("resume_from_the_best", "ask for no gradient", NEEDED)
def start_frozen(run, path, lr):
    start_with_a_new_optimizer(run, path, lr)
    run.net.requires_grad_(False)


@wrong("resume_from_the_best", "moved nothing", NEEDED)
def start_by_assigning(run, path, lr):
    run.net.load_state_dict(torch.load(path), assign=True)
    run.optimizer.param_groups[0]["lr"] = lr


@wrong("resume_from_the_best", "which a module can load", NEEDED)
def start_without_weights(run, path, lr):
    torch.load(path)
    run.optimizer.param_groups[0]["lr"] = lr


@wrong("resume_from_the_best", "key 'lr'", NEEDED)
def start_with_a_product(run, path, lr):
    run.net.load_state_dict(torch.load(path))
    run.optimizer.param_groups[0]["lr"] *= lr


@wrong("resume_from_the_best", "The momentum is lost", NEEDED)
def start_without_momentum(run, path, lr):
    run.net.load_state_dict(torch.load(path))
    run.optimizer = SGD(run.net.parameters(), lr=lr)


@wrong("resume_from_the_best", "The momentum is lost", NEEDED)
def start_with_momentum_of_zero(run, path, lr):
    run.net.load_state_dict(torch.load(path))
    for group in run.optimizer.param_groups:
        group["lr"], group["momentum"] = lr, 0


@wrong("resume_from_the_best", "learning rate alone is new", NEEDED)
def start_with_another_momentum(run, path, lr):
    run.net.load_state_dict(torch.load(path))
    run.optimizer = SGD(run.net.parameters(), lr=lr, momentum=0.5)


for _name, _hint in {
    "optimizer": "It keeps the momentum",
    "generator": "It shuffles",
    "random": "dropout draws from",
    "history": "list of results",
}.items():
    wrong("resume_from_the_best", _hint, {**NEEDED, _name: not NEEDED[_name]})(
        start_with_a_new_optimizer
    )


# 7.3 A schedule

RATES = {8: 0.025, 9: 0.025, 10: 0.025, 11: 0.0125}


def state_of(run):
    return {
        "net": run.net.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "generator": run.generator.get_state(),
        "random": torch.get_rng_state(),
        "history": run.history,
    }


def load(run, state, skip=()):
    if "net" not in skip:
        run.net.load_state_dict(state["net"])
    if "optimizer" not in skip:
        run.optimizer.load_state_dict(state["optimizer"])
    if "generator" not in skip:
        run.generator.set_state(state["generator"])
    if "random" not in skip:
        torch.set_rng_state(state["random"])
    if "history" not in skip:
        run.history.extend(state["history"])


def add(run):
    run.scheduler = StepLR(run.optimizer, 3, 0.5)


def write(state, path):
    torch.save(state, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


def save_schedule(run, path):
    write({**state_of(run), "s": run.scheduler.state_dict()}, path)


def resume_schedule(run, path, skip=()):
    state = torch.load(path, weights_only=True)
    load(run, state, skip)
    if "s" not in skip:
        run.scheduler.load_state_dict(state["s"])


def resume_and_step(run, path):
    resume_schedule(run, path)
    run.scheduler.step()


right("schedule", save_schedule, resume_schedule, RATES)(add)


@right("schedule", save_schedule, resume_schedule, {**RATES, 12: 0.0125})
def add_by_lambda(run):
    run.scheduler = LambdaLR(run.optimizer, lambda n: 0.5 ** (n // 3))


def save_count(run, path):
    state = {**state_of(run), "history": list(map(list, run.history))}
    write((state, run.scheduler.last_epoch), path)


def resume_count(run, path):
    state, count = torch.load(path)
    run.scheduler = StepLR(run.optimizer, 3, 0.5)
    load(run, state)
    run.scheduler.last_epoch = count


right("schedule", save_count, resume_count, RATES)(add)


@wrong("schedule", "itself", save_schedule, resume_schedule, RATES)
def add_to_another_optimizer(run):
    run.scheduler = StepLR(SGD(run.net.parameters(), lr=0.1), 3, 0.5)


@wrong("schedule", "after each epoch", save_schedule, resume_schedule, RATES)
def add_by_epoch(run):
    run.scheduler = ExponentialLR(run.optimizer, 0.5)


@wrong("schedule", "takes a tenth", save_schedule, resume_schedule, RATES)
def add_without_gamma(run):
    run.scheduler = StepLR(run.optimizer, 3)


@wrong("schedule", "isn't halved", save_schedule, resume_schedule, RATES)
def add_after_five(run):
    run.scheduler = StepLR(run.optimizer, 5, 0.5)


@wrong("schedule", "isn't halved", save_schedule, resume_schedule, RATES)
def add_to_the_tenth_epoch(run):
    run.scheduler = MultiStepLR(run.optimizer, [3, 6, 9], 0.5)


@wrong("schedule", "optimizer is replaced", save_schedule, load, RATES)
def add_with_a_new_optimizer(run):
    run.optimizer = SGD(run.net.parameters(), lr=0.1)
    add(run)


@wrong("schedule", "has no `scheduler`", save_schedule, load, RATES)
def add_nothing(run):
    return StepLR(run.optimizer, 3, 0.5)


def save_object(run, path):
    write({**state_of(run), "s": run.scheduler}, path)


def resume_object(run, path):
    state = torch.load(path, weights_only=False)
    load(run, state)
    run.scheduler = state["s"]


def save_over_the_last(run, path):
    torch.save({**state_of(run), "s": run.scheduler.state_dict()}, path)


def save_and_step(run, path):
    save_schedule(run, path)
    run.scheduler.step()


def save_in_two_files(run, path):
    write(state_of(run), path)
    write(run.scheduler.state_dict(), path.with_suffix(".s"))


def resume_from_two_files(run, path):
    load(run, torch.load(path))
    state = torch.load(path.with_suffix(".s"))
    run.scheduler.load_state_dict(state)


IN_MEMORY = {}


def save_in_memory(run, path):
    write(state_of(run), path)
    IN_MEMORY.update(run.scheduler.state_dict())


def resume_from_memory(run, path):
    load(run, torch.load(path))
    run.scheduler.load_state_dict(IN_MEMORY)


def save_elsewhere(run, path):
    save_schedule(run, path.with_name("mine.pt"))


def resume_whatever_it_is(run, path):
    state = torch.load(path, weights_only=False)
    load(run, state)
    run.scheduler.load_state_dict(state["s"])


for _hint, _save, _resume in (
    ("Save states, not objects", save_object, resume_object),
    ("`save` writes under another name", save_over_the_last, resume_schedule),
    ("must change nothing", save_and_step, resume_schedule),
    ("The one file", save_in_two_files, resume_from_two_files),
    ("What is in memory", save_in_memory, resume_from_memory),
    ("the path of the file", save_elsewhere, resume_schedule),
    ("argument of `torch.load`", save_schedule, resume_whatever_it_is),
):
    wrong("schedule", _hint, _save, _resume, RATES)(add)


def resume_leaving_out(*skip):
    return lambda run, path: resume_schedule(run, path, skip)


for _hint, _resume in {
    "7 entries": resume_leaving_out("history"),
    "counts its epochs from 0": resume_leaving_out("s"),
    "begins at 0.1 again": resume_leaving_out("optimizer"),
    "both must be as they were": resume_leaving_out("s", "optimizer"),
    "The weights aren't": resume_leaving_out("net"),
    "dropout draws other numbers": resume_leaving_out("random"),
    "generator that shuffles": resume_leaving_out("generator"),
}.items():
    wrong("schedule", _hint, save_schedule, _resume, RATES)(add)
wrong(
    "schedule",
    "rates of a run that wasn't",
    save_schedule,
    resume_and_step,
    RATES,
)(add)
wrong("schedule", "more in the file", save_object, resume_schedule, RATES)(add)


def resume_with_another_momentum(run, path):
    resume_schedule(run, path)
    for state in run.optimizer.state.values():
        state["momentum_buffer"].zero_()


def resume_and_go_on(run, path):
    resume_schedule(run, path)
    run.net[1].p = 0.0


for _hint, _resume in {
    "its momentum": resume_with_another_momentum,
    "Something that a run needs": resume_and_go_on,
}.items():
    wrong("schedule", _hint, save_schedule, _resume, RATES)(add)
wrong(
    "schedule",
    "without quotes",
    save_schedule,
    resume_schedule,
    {**RATES, 8: "0.025"},
)(add)

for _epoch, _rate, _hint in (
    (8, 0.1, "of the moment"),
    (9, 0.0125, "No three epochs"),
    (10, 0.0125, "has counted two"),
    (11, 0.025, "has counted three"),
):
    wrong(
        "schedule",
        _hint,
        save_schedule,
        resume_schedule,
        {**RATES, _epoch: _rate},
    )(add)


# 7.4 Lose less


def save_inside(run, path):
    write({**state_of(run), "begun": run.begun}, path)


def resume_inside(run, path, skip=()):
    state = torch.load(path, weights_only=True)
    load(run, state, skip)
    run.begun = state["begun"]


def epoch_inside(
    run,
    X,
    y,
    path,
    size=50,
    every=10,
    shift=0,
    late=0,
    wrongs=(),
    save=save_inside,
):
    """An epoch with an error in it, unless there are no further arguments."""
    if "evaluation" not in wrongs and not ("rest" in wrongs and run.begun):
        run.net.train()
    begun = run.begun
    if not begun:
        order = torch.randperm(len(X), generator=run.generator)
        begun.update(order=order, done=0, total=0.0)
    elif "order" in wrongs:
        begun["order"] = torch.randperm(len(X), generator=run.generator)
    if "total" in wrongs:
        begun["total"] = 0.0
    batches = begun["order"].to(X.device).split(size)
    if "sizes" in wrongs:
        batches = begun["order"].split([1, 2, 2, *[2] * 21])
    for i in range(begun["done"], len(batches)):
        loss = F.cross_entropy(run.net(X[batches[i]]), y[batches[i]])
        run.optimizer.zero_grad()
        loss.backward()
        added = loss.item() * (
            size if "last batch" in wrongs else len(batches[i])
        )
        if "late step" in wrongs and (i + 1) % every == 0:
            begun.update(done=i + 1, total=begun["total"] + added)
            save(run, path)
            begun["total"] -= added
        if "next batch" in wrongs and i and i % every == 0:
            save(run, path)
        run.optimizer.step()
        begun["total"] += added
        begun["done"] = i + 1 + shift
        if not {"late step", "next batch"} & {*wrongs} and (
            (i + 1 - late) % every == 0
        ):
            save(run, path)
    total = begun["total"]
    if "begun" not in wrongs:
        begun.clear()
    return total / len(X)


right("lose_less", save_inside, resume_inside)(epoch_inside)


@right("lose_less", save_inside, resume_inside)
def epoch_that_draws_again(run, X, y, path, n=50):
    run.net.train()
    before = run.begun.get("before", run.generator.get_state())
    run.generator.set_state(before)
    batches = torch.randperm(len(X), generator=run.generator).split(n)
    losses = run.begun.get("losses", [])
    while len(losses) < len(batches):
        batch = batches[len(losses)]
        run.optimizer.zero_grad()
        loss = F.cross_entropy(run.net(X[batch]), y[batch])
        loss.backward()
        run.optimizer.step()
        losses = [*losses, loss.detach()]
        if len(losses) % 10 == 0:
            run.begun = {"before": before, "losses": losses}
            save_inside(run, path)
    run.begun = {}
    sizes = torch.tensor([len(batch) for batch in batches])
    return (torch.stack(losses) * sizes).sum() / len(X)


def resume_inside_without(*names):
    return lambda run, path: resume_inside(run, path, names)


def epoch_with(**changes):
    return lambda run, X, y, path, size: epoch_inside(
        run, X, y, path, size, **changes
    )


for _hint, _changes in {
    "not eleven": {"shift": 1},
    "not nine": {"shift": -1},
    "after every batch": {"every": 1},
    "has moved on since": {"wrongs": ("order",)},
    "sum of the losses": {"wrongs": ("total",)},
    "after the step": {"wrongs": ("late step",)},
    "These come a batch late": {"wrongs": ("next batch",)},
    "The last batch has one": {"wrongs": ("last batch",)},
    "An epoch, and the rest": {"wrongs": ("rest",)},
    "begins with a switch": {"wrongs": ("evaluation",)},
    "when the epoch ends": {"wrongs": ("begun",)},
    "no new checkpoint at": {"every": 100},
    "every ten batches, counted from 1": {"every": 5},
    "then for the eleventh": {"late": 1},
    "how many are done, and save it": {"shift": 3},
    "`split` makes them": {"wrongs": ("sizes",)},
}.items():
    wrong("lose_less", _hint, save_inside, resume_inside)(
        epoch_with(**_changes)
    )


for _hint, _names in {
    "dropout draws other numbers": ["random"],
    "The optimizer isn't as": ["optimizer"],
    "generator that shuffles": ["generator"],
    "The weights aren't": ["net"],
    "holds the history": ["history"],
}.items():
    wrong("lose_less", _hint, save_inside, resume_inside_without(*_names))(
        epoch_inside
    )


@wrong("lose_less", "batches of this size", save_inside, resume_inside)
def epoch_of_large_batches(run, X, y, path, batch_size):
    return epoch_inside(run, X, y, path)


def resume_with_a_whole_epoch(run, path):
    resume_inside(run, path)
    run.begun = {}


wrong("lose_less", "leave these out", save_inside, resume_with_a_whole_epoch)(
    epoch_inside
)


def save_nothing_between(run, path):
    """A checkpoint only in an epoch."""
    if run.begun:
        save_inside(run, path)


def save_as_if_begun(run, path):
    """A checkpoint between two epochs that says that one is done."""
    begun = run.begun or {"order": torch.arange(47), "done": 24, "total": 0.0}
    write({**state_of(run), "begun": begun}, path)


def save_and_forget(run, path):
    save_inside(run, path)
    run.begun = {}


def save_inside_the_last(run, path):
    torch.save({**state_of(run), "begun": run.begun}, path)


def resume_any_file(run, path):
    state = torch.load(path, weights_only=False)
    load(run, state)
    run.begun = state["begun"]


wrong("lose_less", "is to be loaded", save_nothing_between, resume_inside)(
    epoch_inside
)


@wrong("lose_less", "nothing is begun", save_as_if_begun, resume_inside)
def epoch_that_saves_at_its_end(run, X, y, path, size):
    loss = epoch_inside(run, X, y, path, size)
    run.begun = {}
    return loss


@wrong("lose_less", "what the first does", save_and_forget, resume_inside)
def epoch_whose_state_is_forgotten(run, X, y, path, size):
    """It goes on, since it keeps what is begun under a name of its own."""
    return epoch_inside(run, X, y, path, size, save=save_and_forget)


@wrong("lose_less", "is lost while", save_inside_the_last, resume_inside)
def epoch_over_the_last(run, X, y, path, size):
    return epoch_inside(run, X, y, path, size, save=save_inside_the_last)


wrong("lose_less", "could run any code", save_inside, resume_any_file)(
    epoch_inside
)


@wrong("lose_less", "into the history", save_inside, resume_inside)
def epoch_with_an_entry(run, X, y, path, size):
    loss = epoch_inside(run, X, y, path, size)
    run.history.append((loss, 0.0, 0.0))
    return loss


@wrong("lose_less", "X has 47 images", save_inside, resume_inside)
def epoch_of_the_chapter(run, X, y, path, size):
    run.begun = {
        "order": torch.randperm(1200, generator=run.generator),
        "done": 0,
        "total": 0.0,
    }
    return epoch_inside(run, X, y, path, size)


@wrong("lose_less", "of another tensor", save_inside, resume_inside)
def epoch_of_other_images(run, X, y, path, size):
    return epoch_inside(run, 1 - X, y, path, size)


@wrong("lose_less", "not of its rest", save_inside, resume_inside)
def epoch_that_counts_from_the_rest(run, X, y, path, size):
    before = run.begun.get("done", 0)

    def save_less(run, path):
        begun = {**run.begun, "done": run.begun["done"] - before}
        write({**state_of(run), "begun": begun}, path)

    return epoch_inside(run, X, y, path, size, save=save_less)


@wrong("lose_less", "rest of a rest", save_inside, resume_inside)
def epoch_that_sums_from_the_rest(run, X, y, path, size):
    before = run.begun.get("total", 0)

    def save_less(run, path):
        begun = {**run.begun, "total": run.begun["total"] - before}
        write({**state_of(run), "begun": begun}, path)

    return epoch_inside(run, X, y, path, size, save=save_less)


def save_place(run, path):
    write({**state_of(run), "begun": run.place}, path)


def resume_place(run, path):
    resume_inside(run, path)
    run.place, run.begun = run.begun, {}


@wrong("lose_less", "next epoch is a whole one", save_place, resume_place)
def epoch_whose_place_stays(run, X, y, path, size):
    run.begun = vars(run).get("place", {})
    loss = epoch_inside(run, X, y, path, size, wrongs=("begun",), save=_place)
    run.place, run.begun = run.begun, {}
    return loss


def _place(run, path):
    run.place = run.begun
    save_place(run, path)


@wrong("lose_less", "draws the order from", save_inside, resume_inside)
def epoch_without_the_generator(run, X, y, path, size):
    run.begun = {"order": torch.randperm(len(X)), "done": 0, "total": 0.0}
    return epoch_inside(run, X, y, path, size)


@wrong("lose_less", "This is the sum", save_inside, resume_inside)
def epoch_that_returns_the_sum(run, X, y, path, size):
    return epoch_inside(run, X, y, path, size) * len(X)


@wrong("lose_less", "mean loss of all", save_inside, resume_inside)
def epoch_that_forgets_the_size(run, X, y, path, size):
    return epoch_inside(run, X, y, path, size) / size


@wrong("lose_less", "mean loss of all", save_inside, resume_inside)
def epoch_that_returns_nothing(run, X, y, path, size):
    epoch_inside(run, X, y, path, size)


@wrong("lose_less", "five lines", save_inside, resume_inside)
def epoch_that_adds_up_gradients(run, X, y, path, size):
    run.optimizer.zero_grad = lambda: None
    loss = epoch_inside(run, X, y, path, size)
    del run.optimizer.zero_grad
    return loss


# 7.5 The stop button


@right("stop_button")
def loop_that_reads_the_file(run, path, num_epochs, one_epoch, save_run):
    try:
        for _ in range(len(run.history), num_epochs):
            one_epoch(run)
            save_run(run, path)
    except KeyboardInterrupt:
        pass
    state = torch.load(path) if os.path.exists(path) else {"epoch": 0}
    print(f"last checkpoint: epoch {state['epoch']} of {num_epochs}")
    return state["epoch"]


@right("stop_button")
def loop_that_reads_the_history_of_the_file(run, path, n, epoch, save):
    def done():
        return len(torch.load(path)["history"]) if path.exists() else 0

    try:
        while len(run.history) < n:
            epoch(run)
            save(run, path)
    except KeyboardInterrupt:
        print(f"Stopped after a checkpoint of epoch {done()}.")
    return done()


@right("stop_button")
def loop_with_a_try_in_it(run, path, num_epochs, train, write):
    def done():
        try:
            return torch.tensor(torch.load(path)["epoch"])
        except FileNotFoundError:
            return 0

    while len(run.history) < num_epochs:
        try:
            train(run)
            print("epoch", len(run.history), "is done")
            write(run, path)
        except KeyboardInterrupt:
            print("stopped after epoch", len(run.history))
            print("checkpoint of epoch", int(done()))
            break
    return done()


@wrong("stop_button", "that is noted later is behind")
def loop_that_notes_the_epoch(run, path, num_epochs, train, write):
    done = len(run.history)
    try:
        while done < num_epochs:
            train(run)
            write(run, path)
            done += 1
    except KeyboardInterrupt:
        print("checkpoint of epoch", done)
    return done


def _loop(run, path, num_epochs, one_epoch, save_run, errors, says=print):
    saved = len(run.history)
    try:
        while len(run.history) < num_epochs:
            one_epoch(run)
            save_run(run, path)
            saved = len(run.history)
    except errors:
        says("epoch", saved)
    return saved


@wrong("stop_button", "`except Exception` lets it pass")
def loop_that_catches_exceptions(*arguments):
    return _loop(*arguments, Exception)


@wrong("stop_button", "wherever it is raised")
def loop_that_expects_the_button_in_an_epoch(run, path, n, one_epoch, save):
    while len(run.history) < n:
        try:
            one_epoch(run)
        except KeyboardInterrupt:
            print("last checkpoint:", len(run.history))
            break
        save(run, path)
    return len(run.history)


@wrong("stop_button", "is to be printed")
def loop_that_prints_nothing(*arguments):
    return _loop(*arguments, KeyboardInterrupt, lambda *_: None)


@wrong("stop_button", "Epoch 4 isn't in a checkpoint")
def loop_that_counts_the_epoch_begun(run, path, n, one_epoch, save_run):
    for epoch in range(1, n + 1):
        try:
            one_epoch(run)
            save_run(run, path)
        except KeyboardInterrupt:
            print(epoch)
            break
    return epoch


@wrong("stop_button", "is in the history")
def loop_that_reads_the_history(run, path, n, one_epoch, save_run):
    try:
        while len(run.history) < n:
            one_epoch(run)
            save_run(run, path)
    except KeyboardInterrupt:
        print(len(run.history))
    return len(run.history)


@wrong("stop_button", "There is no checkpoint yet")
def loop_that_expects_a_file(run, path, n, one_epoch, save_run):
    try:
        while len(run.history) < n:
            one_epoch(run)
            save_run(run, path)
    except KeyboardInterrupt:
        print(torch.load(path)["epoch"])
    return torch.load(path)["epoch"]


@wrong("stop_button", "the answer is 0")
def loop_that_returns_none_at_first(run, path, n, one_epoch, save_run):
    return loop(run, path, n, one_epoch, save_run) or None


@wrong("stop_button", "resumed from")
def loop_that_forgets_the_resumed(run, path, n, one_epoch, save_run):
    path.unlink(missing_ok=True)
    return loop(run, path, n, one_epoch, save_run)


@wrong("stop_button", "before the resuming too")
def loop_that_begins_anew(run, path, n, one_epoch, save_run):
    return loop(run, path, n + len(run.history), one_epoch, save_run)


def file_epoch(path):
    return torch.load(path)["epoch"] if path.exists() else 0


def loop(run, path, n, one_epoch, save_run, errors=(), stopped=print):
    """A right one, unless there are further arguments."""
    try:
        while len(run.history) < n:
            one_epoch(run)
            save_run(run, path)
    except (KeyboardInterrupt, *errors):
        stopped("epoch", file_epoch(path))
    return file_epoch(path)


right("stop_button")(loop)
for _hint, _more in (
    ("goes by in silence", {"errors": [BaseException]}),
    ("a mistake in the code", {"errors": [RuntimeError]}),
    ("a mistake in the code", {"errors": [OSError]}),
    ("a mistake in the code", {"errors": [SystemExit]}),
    ("is to be printed", {"stopped": lambda *_: print("epoch 4")}),
    ("Print it alone", {"stopped": lambda *_: print(*range(20))}),
):
    wrong("stop_button", _hint)(
        lambda *arguments, _more=_more: loop(*arguments, **_more)
    )


@wrong("stop_button", "as if nobody had stopped it")
def loop_that_goes_on(run, path, n, one_epoch, save_run):
    while len(run.history) < n:
        loop(run, path, n, one_epoch, save_run)
    return file_epoch(path)


@wrong("stop_button", "Nothing is returned")
def loop_that_returns_if_nobody_stops(run, path, n, one_epoch, save_run):
    before = len(run.history)
    epoch = loop(run, path, n, one_epoch, save_run)
    return epoch if len(run.history) == n or epoch == before else None


@wrong("stop_button", "that have seen a part")
def loop_that_saves_when_stopped(run, path, n, one_epoch, save_run):
    return loop(
        run,
        path,
        n,
        one_epoch,
        save_run,
        stopped=lambda *words: print(*words, save_run(run, path)),
    )


@wrong("stop_button", "after each epoch")
def loop_that_saves_at_the_end(run, path, n, one_epoch, save_run):
    epoch = loop(run, path, n, one_epoch, lambda *_: None)
    save_run(run, path)
    return epoch


@wrong("stop_button", "None is written")
def loop_that_never_saves(run, path, n, one_epoch, save_run):
    return loop(run, path, n, one_epoch, lambda *_: None)


@wrong("stop_button", "has `num_epochs` entries")
def loop_that_is_an_epoch_short(run, path, n, one_epoch, save_run):
    return _loop(run, path, n - 1, one_epoch, save_run, KeyboardInterrupt)


@wrong("stop_button", "also if nobody stops")
def loop_that_returns_nothing(*arguments):
    _loop(*arguments, KeyboardInterrupt)


# 7.6 Who confuses whom

SUMS = {"all entries": 297, "diagonal": 290}


def count(y, answers):
    C = torch.zeros(10, 10)
    for i, j in zip(y.tolist(), answers.tolist(), strict=True):
        C[i, j] += 1
    return C


def most(C):
    pairs = [(i, j) for j in range(10) for i in range(j)]
    return max(pairs, key=lambda p: C[p] + C[p[::-1]])


right("who_confuses_whom", most, SUMS)(count)


@right("who_confuses_whom", lambda C: list(most(C)), SUMS)
def count_by_sklearn(y, answers):
    return confusion_matrix(y, answers, labels=range(10))


@right("who_confuses_whom", most, SUMS)
def count_by_one_hot(y, answers):
    rows, columns = F.one_hot(y, 10), F.one_hot(answers, 10)
    return (rows.T @ columns).tolist()


@wrong("who_confuses_whom", "also where some don't occur", most, SUMS)
def count_what_occurs(y, answers):
    return confusion_matrix(y, answers)


@wrong("who_confuses_whom", "also where some don't occur", most, SUMS)
def count_without_minlength(y, answers):
    return (10 * y + answers).bincount().reshape(10, 10)


@wrong("who_confuses_whom", "the other way round", most, SUMS)
def count_the_other_way(y, answers):
    return count(answers, y)


@wrong("who_confuses_whom", "shares of each row", most, SUMS)
def count_in_shares(y, answers):
    C = count(y, answers)
    return C / C.sum(dim=1, keepdim=True).clamp(min=1)


@wrong("who_confuses_whom", "What was read right is counted", most, SUMS)
def count_the_errors(y, answers):
    return count(y, answers).fill_diagonal_(0)


@wrong("who_confuses_whom", "is counted once", most, SUMS)
def count_once(y, answers):
    C = torch.zeros(10, 10)
    C[y, answers] += 1
    return C


@wrong("who_confuses_whom", "adds 1 to one entry", most, SUMS)
def count_by_sets(y, answers):
    C = count(y, answers)
    return C.where(C < 3, 2)


@wrong("who_confuses_whom", "needed again", most, SUMS)
def count_in_place(y, answers):
    y *= 10
    y += answers
    return y.bincount(minlength=100).reshape(10, 10)


@wrong("who_confuses_whom", "no matrix yet", most, SUMS)
def count_in_a_row(y, answers):
    return count(y, answers).flatten()


@wrong("who_confuses_whom", "shares of all digits", most, SUMS)
def count_in_shares_of_all(y, answers):
    return count(y, answers) / len(y)


@wrong("who_confuses_whom", "keeps them apart", most, SUMS)
def count_both_directions(y, answers):
    C = count(y, answers)
    return C + C.T


@wrong("who_confuses_whom", "Return the matrix of counts", most, SUMS)
def count_without_return(y, answers):
    count(y, answers)


def most_of_one_direction(C):
    C = C.clone().fill_diagonal_(0)
    return divmod(C.argmax().item(), 10)


def most_with_the_diagonal(C):
    return divmod((C + C.T).argmax().item(), 10)


def most_in_place(C):
    C.fill_diagonal_(0)
    return most(C)


for _hint, _most in {
    "in both directions together": most_of_one_direction,
    "on the diagonal": most_with_the_diagonal,
    "The smaller digit": lambda C: most(C)[::-1],
    "off the diagonal": lambda C: (C - C.diag().diag()).max(),
    "Work on a copy": most_in_place,
    "nothing else is done": lambda C: most(C * C.T),
    "0 and 1 are confused": lambda C: most(C / C.sum(1, keepdim=True)),
}.items():
    wrong("who_confuses_whom", _hint, _most, SUMS)(count)
wrong("who_confuses_whom", "in one entry", most, {**SUMS, "all entries": 1})(
    count
)
wrong("who_confuses_whom", "are the same", most, {**SUMS, "diagonal": 7})(
    count
)


# 7.7 New hands


@right("new_hands", "new hands")
def split_by_generator(seed):
    drawn = torch.Generator().manual_seed(seed)
    others = torch.randperm(1797 - 300, generator=drawn).tolist()
    return others[297:], others[:297], range(1497, 1797)


@right("new_hands", "New hands")
def split_by_numpy(seed):
    order = np.random.default_rng(seed).permutation(1497)
    return *np.split(order, [1200]), np.arange(1497, 1797)


@wrong("new_hands", "last 300 of 1,797", "new hands")
def split_mixed(seed):
    torch.manual_seed(seed)
    return torch.randperm(1797).split([1200, 297, 300])


@wrong("new_hands", "three parts", "new hands")
def split_with_the_test_first(seed):
    return split_by_generator(seed)[::-1]


@wrong("new_hands", "first 300", "new hands")
def split_with_the_first(seed):
    torch.manual_seed(seed)
    others = 300 + torch.randperm(1497)
    return *others.split([1200, 297]), torch.arange(300)


@wrong("new_hands", "Return three parts", "new hands")
def split_without_return(seed):
    split_by_generator(seed)


@wrong("new_hands", "Return three parts", "new hands")
def split_in_two(seed):
    return split_by_generator(seed)[1:]


@wrong("new_hands", "not the images", "new hands")
def split_of_images(seed):
    X = torch.zeros(1797, 8, 8)
    return [X[torch.as_tensor(part)] for part in split_by_generator(seed)]


@wrong("new_hands", "not the images", "new hands")
def split_of_numbers(seed):
    return 1200, 297, 300


@wrong("new_hands", "Positions begin at 0", "new hands")
def split_from_one(seed):
    train, valid, test = split_by_generator(seed)
    return train, valid, [i + 1 for i in test]


@wrong("new_hands", "come twice", "new hands")
def split_that_overlaps(seed):
    torch.manual_seed(seed)
    order = torch.randperm(1797)
    return *order[:1497].split([1200, 297]), torch.arange(1497, 1797)


@wrong("new_hands", "Permute before", "new hands")
def split_in_the_order_of_the_file(seed):
    return torch.arange(1797).split([1200, 297, 300])


@wrong("new_hands", "Permute before", "new hands")
def split_with_two_exchanged(seed):
    order = torch.arange(1497)
    order[[seed, 1496 - seed]] = order[[1496 - seed, seed]]
    return *order.split([1200, 297]), torch.arange(1497, 1797)


@wrong("new_hands", "The same seed", "new hands")
def split_without_a_seed(seed):
    order = torch.randperm(1497)
    return order[:1200], order[1200:], torch.arange(1497, 1797)


@wrong("new_hands", "the argument as it is", "new hands")
def split_with_one_seed(seed):
    return split_by_generator(0)


@wrong("new_hands", "the argument as it is", "new hands")
def split_with_two_seeds(seed):
    return split_by_generator(seed % 2)


@wrong("new_hands", "the argument as it is", "new hands")
def split_with_five_seeds(seed):
    return split_by_generator(min(seed, 4))


wrong("new_hands", "easier or harder", "mixed")(split_by_generator)
wrong("new_hands", "starter cell", "new_hands")(split_by_generator)


# 7.8 Layers of your own

LAST = {"never": "negative", "gradient": "zero"}


def by_uniform(module):
    """As `nn.Linear` starts."""
    if isinstance(module, MyLinear):
        bound = module.weight.shape[0] ** -0.5
        nn.init.uniform_(module.weight, -bound, bound)
        nn.init.uniform_(module.bias, -bound, bound)


right("layers_of_your_own", LAST)(by_uniform)


@right("layers_of_your_own", LAST)
def by_factor(module):
    if type(module) is MyLinear:
        module.weight.data *= 0.02
        module.bias = nn.Parameter(torch.zeros(len(module.bias)))


@right("layers_of_your_own", LAST)
def by_zeros_at_the_end(module):
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)


@wrong("layers_of_your_own", "nothing. Change the parameters", LAST)
def of_another_class(module):
    if module is MyLinear:
        nn.init.normal_(module.weight, std=0.01)


@wrong("layers_of_your_own", "nothing. Change the parameters", LAST)
def of_new_tensors(module):
    if isinstance(module, MyLinear):
        weight = 0.01 * module.weight
        assert weight.shape == module.weight.shape


@wrong("layers_of_your_own", "too far from 0", LAST)
def by_too_little(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.7)


@wrong("layers_of_your_own", "mind the bias", LAST)
def of_weights_alone(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.01)


@wrong("layers_of_your_own", "doesn't learn", LAST)
def by_zeros(module):
    if isinstance(module, MyLinear):
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)


@wrong("layers_of_your_own", "free to learn", LAST)
def by_uniform_for_good(module):
    by_uniform(module)
    if isinstance(module, MyLinear):
        module.requires_grad_(False)


@wrong("layers_of_your_own", "A parameter stays one", LAST)
def by_a_tensor(module):
    if isinstance(module, MyLinear):
        module.weight = 0.01 * module.weight


@wrong("layers_of_your_own", "doesn't learn", LAST)
def by_closing(module):
    by_uniform(module)
    if isinstance(module, MyLinear):
        nn.init.constant_(module.bias, -9.0)


@wrong("layers_of_your_own", "visits every module", LAST)
def of_everything(module):
    nn.init.normal_(module.weight, std=0.01)
    nn.init.zeros_(module.bias)


wrong("layers_of_your_own", "can't come out", {**LAST, "never": "zero"})(
    by_uniform
)
wrong("layers_of_your_own", "slope", {**LAST, "gradient": "not zero"})(
    by_uniform
)
wrong("layers_of_your_own", "starter cell", {**LAST, "gradient": 0})(
    by_uniform
)


# 7.9 Two runs at once


@right("two_runs_at_once", "random")
def turns_with_a_dict(seeds, num_epochs, new_run, one_epoch):
    runs = [(new_run(seed), {"cpu": torch.get_rng_state()}) for seed in seeds]
    for _ in range(num_epochs):
        for run, state in runs:
            torch.set_rng_state(state["cpu"])
            one_epoch(run)
            state["cpu"] = torch.get_rng_state()
    return tuple(run for run, _ in runs)


@right("two_runs_at_once", "Random")
def turns_with_a_fork(seeds, num_epochs, new_run, one_epoch):
    runs = []
    for seed in seeds:
        with torch.random.fork_rng():
            run = new_run(seed)
            run.random = torch.get_rng_state()
        runs.append(run)
    for i in range(num_epochs * len(runs)):
        run = runs[i % len(runs)]
        with torch.random.fork_rng():
            torch.set_rng_state(run.random)
            one_epoch(run)
            run.random = torch.get_rng_state()
    return runs


@wrong("two_runs_at_once", "get it again after", "random")
def turns_that_share(seeds, num_epochs, new_run, one_epoch):
    runs = [new_run(seed) for seed in seeds]
    for _ in range(num_epochs):
        for run in runs:
            one_epoch(run)
    return runs


@wrong("two_runs_at_once", "get it again after", "random")
def turns_that_never_get_the_state_again(seeds, n, new_run, one_epoch):
    runs = [(new_run(seed), torch.get_rng_state()) for seed in seeds]
    for _ in range(n):
        for run, state in runs:
            torch.set_rng_state(state)
            one_epoch(run)
    return [run for run, _ in runs]


@wrong("two_runs_at_once", "`new_run` has left", "random")
def turns_from_one_state(seeds, num_epochs, new_run, one_epoch):
    runs = [new_run(seed) for seed in seeds]
    states = [torch.get_rng_state() for _ in runs]
    for _ in range(num_epochs):
        for i, run in enumerate(runs):
            torch.set_rng_state(states[i])
            one_epoch(run)
            states[i] = torch.get_rng_state()
    return runs


@wrong("two_runs_at_once", "differs already", "random")
def turns_with_a_seed_for_each(seeds, num_epochs, new_run, one_epoch):
    runs = [new_run(seed) for seed in seeds]
    for _ in range(num_epochs):
        for run, seed in zip(runs, seeds, strict=True):
            torch.manual_seed(seed)
            random.seed(seed)
            one_epoch(run)
    return runs


@wrong("two_runs_at_once", "then one of the second", "random")
def turns_one_after_the_other(seeds, num_epochs, new_run, one_epoch):
    runs = []
    for seed in seeds:
        runs.append(new_run(seed))
        for _ in range(num_epochs):
            one_epoch(runs[-1])
    return runs


@wrong("two_runs_at_once", "Make a run for each seed", "random")
def turns_of_one_run(seeds, num_epochs, new_run, one_epoch):
    runs = turns_with_a_fork(seeds[:1], num_epochs, new_run, one_epoch)
    return runs * len(seeds)


@wrong("two_runs_at_once", "Make a run for each seed", "random")
def turns_of_two(seeds, num_epochs, new_run, one_epoch):
    return turns_with_a_fork(seeds[:2], num_epochs, new_run, one_epoch)


@wrong("two_runs_at_once", "get it again after", "random")
def turns_with_a_state_for_each_seed(seeds, num_epochs, new_run, one_epoch):
    runs, states = [], {}
    for seed in seeds:
        runs.append((seed, new_run(seed)))
        states[seed] = torch.get_rng_state()
    for _ in range(num_epochs):
        for seed, run in runs:
            torch.set_rng_state(states[seed])
            one_epoch(run)
            states[seed] = torch.get_rng_state()
    return [run for _, run in runs]


@wrong("two_runs_at_once", "in the order of their seeds", "random")
def turns_turned_round(*arguments):
    return turns_with_a_fork(*arguments)[::-1]


@wrong("two_runs_at_once", "that is given", "random")
def turns_without_an_epoch(seeds, num_epochs, new_run, one_epoch):
    return turns_with_a_fork(seeds, 0, new_run, one_epoch)


@wrong("two_runs_at_once", "nothing else", "random")
def turns_without_a_return(seeds, num_epochs, new_run, one_epoch):
    turns_with_a_fork(seeds, num_epochs, new_run, one_epoch)


wrong("two_runs_at_once", "What does dropout draw", "generator")(
    turns_with_a_dict
)
wrong("two_runs_at_once", "starter cell", "cpu")(turns_with_a_dict)
