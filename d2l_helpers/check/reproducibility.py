"""The checks of chapter 09, Get the same run again, and look inside."""

from __future__ import annotations

import random
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.data._utils import worker as workers

from ._around import elsewhere
from ._compare import asked, case, equal, holds, one_of, predicted
from ._exercise import exercise
from ._hints import Hint
from ._phrase import Phrase
from ._report import show


@exercise(
    "9.1 What a seed fixes",
    "you know which draws come again after the same seed",
)
def what_a_seed_fixes(again: dict) -> None:
    own = torch.Generator()
    draws = {
        "torch": lambda: torch.rand(3),
        "numpy": lambda: np.random.rand(3),
        "dropout": lambda: F.dropout(torch.ones(100)),
        "own": lambda: torch.rand(3, generator=own),
        "new": lambda: torch.rand(3, generator=torch.Generator()),
        "new numpy": lambda: np.random.default_rng().random(3),
        "loader": lambda: next(iter(DataLoader(range(999), shuffle=True))),
    }
    truth = {}
    for name, draw in draws.items():
        torch.manual_seed(0)
        number = draw()
        torch.manual_seed(0)
        truth[name] = np.array_equal(number, draw())
    predicted(again, truth, _SEED)


_SEED = {
    "torch": "This draws from the generator that `torch.manual_seed` sets.",
    "numpy": "NumPy has a generator of its own, which PyTorch doesn't know.",
    "dropout": "Dropout draws from PyTorch's generator of the device.",
    "own": "The generator was made before both goes, and goes on where it "
    "was.",
    "new": "Print `torch.Generator().initial_seed()` twice: with which seed "
    "does a new one begin?",
    "new numpy": "Without a seed, a new generator of NumPy takes one from the "
    "system, each time another.",
    "loader": "Without `generator=`, a loader shuffles by PyTorch's global "
    "generator.",
}


@exercise(
    "9.2 Seed the workers",
    "both generators of a data set are other ones in each worker and epoch",
    "they are the same after the same seed",
    "the noise follows from seed, epoch and place alone",
    "it leaves the generators of others as they are",
)
def seed_the_workers(seed_worker: Callable, noise: Callable) -> None:
    for name in ("rng", "generator"):
        _seeded_by_worker(seed_worker, name)
    _noise_of_a_place(noise)


class _TwoGenerators:
    """A data set with a generator of NumPy, and one of PyTorch."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.generator = torch.Generator().manual_seed(0)

    def drawn(self, name: str) -> float:
        if name == "rng":
            return self.rng.random()
        return torch.rand(1, generator=self.generator).item()


_WORKERS: dict[str, Hint] = {
    "other numbers in each worker": (
        "The copies of this generator are equal in all workers.",
        "`get_worker_info().dataset` is a worker's own copy of the data set. "
        "Seed both of its generators there.",
    ),
    "other numbers in each epoch": (
        "This generator begins each epoch in the same way.",
        "The loader seeds PyTorch in each worker, with another seed in each "
        "epoch: `torch.initial_seed()` tells which.",
    ),
    "the same numbers again": "The worker's seed alone is to decide: take no "
    "other source of chance.",
}


def _seeded_by_worker(seed_worker: Callable, name: str) -> None:
    known = {"2**32 - 1": "`np.random.seed` takes no larger number."}
    given = Phrase(
        "a data set with `rng` and `generator`, in two workers: numbers of "
        "`{name}`",
        name=name,
    )
    with case(given, known=known):
        first = _of_worker(seed_worker, name, 0, 2**40 + 7)
        others = {
            "other numbers in each worker": (1, 2**40 + 7),
            "other numbers in each epoch": (0, 2**41 + 900),
        }
        for expected, (worker, seed) in others.items():
            other = _of_worker(seed_worker, name, worker, seed)
            hint = _WORKERS[expected]
            holds(first != other, expected, "the same numbers", hint)
        again = _of_worker(seed_worker, name, 0, 2**40 + 7)
        expected = "the same numbers again"
        holds(first == again, expected, "others", _WORKERS[expected])


def _of_worker(seed_worker: Callable, name: str, i: int, seed: int) -> float:
    """What a data set draws in a worker, as if in a process of its own."""
    dataset = _TwoGenerators()
    info = workers.WorkerInfo(
        id=i, num_workers=2, seed=seed + i, dataset=dataset
    )
    with patch.object(workers, "_worker_info", info):
        # As the loader does it.
        random.seed(seed + i)
        torch.manual_seed(seed + i)
        np.random.seed(workers._generate_state(seed, i))
        seed_worker(i)
        return dataset.drawn(name)


_NOISE = {
    "number": "Return one number between 0 and 1.",
    "again": "A worker reads some of the places, in some order. Make a "
    "generator for each number, from seed, epoch and place.",
    "seed": "Another seed is to give other numbers.",
    "epoch": "Another epoch is to give other numbers.",
    "place": "Another place is to give another number.",
    "mixed": (
        "Different triples give the same number here, as sums do.",
        "`np.random.default_rng` takes a list of integers as its seed.",
    ),
    "left": "The call has moved or set a generator that others draw from.",
    "kept": "The number was kept, and another process hasn't kept it. There "
    "it is drawn anew: let it follow from the three integers.",
    "hash": "`hash` of a text is another one in each process.",
}


@contextmanager
def _other_salt() -> Iterator[None]:
    """Let `hash` give for a text what it would in another process."""
    own = hash

    def salted(value: object) -> int:
        return own((1, value) if "'" in repr(value) else value)

    with patch("builtins.hash", salted):
        yield


def _noise_of_a_place(noise: Callable) -> None:
    with case("noise(0, 0, 0)"):
        number = _number(noise(0, 0, 0))
    with case("noise(0, 0, 0), in two calls"):
        again = _number(noise(0, 0, 0))
        hint = _NOISE["again"]
        holds(again == number, "the same number", "another one", hint)
    with case("noise(5, 5, 5), and a draw of `random`, NumPy and torch"):
        _seed_all(5)
        expected = _draws()
        _seed_all(5)
        noise(5, 5, 5)  # a new one, which nobody can have kept
        got, hint = "other numbers of theirs", _NOISE["left"]
        holds(_draws() == expected, "their own numbers", got, hint)
    for salt, key in ((nullcontext, "kept"), (_other_salt, "hash")):
        with case("noise(seed, epoch, i) of new numbers, in another process"):
            other = elsewhere(noise)
            # Not those of another run of this check: they may be kept.
            new = tuple(secrets.randbelow(10**6) for _ in range(3))
            got, same = _number(noise(*new)), True
            with salt(), suppress(Exception):  # of the copy, not of the answer
                same = _number(other(*new)) == got
            holds(same, "the same number", "another one", _NOISE[key])
    triples = {(1, 0, 0): "seed", (0, 1, 0): "epoch", (0, 0, 1): "place"}
    seen = {number: (0, 0, 0)}
    for triple, name in triples.items():
        _another(noise, triple, seen, _NOISE[name])
    for seed in range(3):
        for epoch in range(3):
            for i in range(12):
                triple = (seed, epoch, i)
                if triple not in seen.values():
                    _another(noise, triple, seen, _NOISE["mixed"])
    # A sum with weights meets a number of before at one of these places. No
    # two of them are compared: so many floats may well meet by chance.
    for i in (*range(12, 1100), *(10**k for k in range(4, 8)), 2**16, 2**20):
        _another(noise, (0, 0, i), {**seen}, _NOISE["mixed"])


def _another(
    noise: Callable,
    triple: tuple[int, int, int],
    seen: dict[float, tuple[int, int, int]],
    hint: Hint,
) -> None:
    """Require that the number of a triple is none of those seen before."""
    with case(Phrase("noise{triple}", triple=str(triple))):
        number = _number(noise(*triple))
        got = Phrase("that of noise{other}", other=str(seen.get(number)))
        first = seen.get(number, triple)
        hint = hint if first == (0, 0, 0) else _NOISE["mixed"]
        holds(number not in seen, "another number", got, hint)
        seen[number] = triple


def _number(got: object) -> float:
    number = got.item() if isinstance(got, (Tensor, np.floating)) else got
    if not (isinstance(number, float) and 0 <= number <= 1):
        # Not before: there are a thousand, and a tensor is slow to show.
        holds(False, "a number from 0 to 1", show(got), _NOISE["number"])
    return number


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _draws() -> tuple[float, float, float]:
    """A number of each of the three generators.

    NumPy makes normal numbers in pairs, and keeps the second one in its state.
    """
    return random.random(), float(np.random.randn()), torch.rand(1).item()


@exercise(
    "9.3 Restore three generators",
    "inside the block, the three generators have the seed",
    "after it, each of them goes on as if there had been no block",
    "this holds after an error too, which goes on to the caller",
    "one block may stand inside another",
)
def restore_generators(random_state: Callable) -> None:
    with case("with random_state(3): the numbers inside"):
        _seed_all(3)
        expected = _draws()
        _seed_all(0)
        with random_state(3):
            got = _draws()
        _same_draws(got, expected, _RESTORED["inside"])
    with case("with random_state(3): the numbers after it"):
        expected = _second_draws(0)
        _first_draws(0)
        with random_state(3):
            _draws()
        _same_draws(_draws(), expected, _RESTORED["behind"])
    with case("with random_state(3), left by an error: the numbers after it"):
        _first_draws(0)
        error = None
        try:
            with random_state(3):
                _draws()
                raise LookupError
        except LookupError as raised:
            error = raised
        _same_draws(_draws(), expected, _RESTORED["error"])
        got, hint = "an error that is caught", _RESTORED["caught"]
        holds(error is not None, "the error of the block", got, hint)
    with case(
        "random_state(2) inside of random_state(1): the numbers after it"
    ):
        _first_draws(0)
        with random_state(1):
            _draws()
            with random_state(2):
                _draws()
            inside = _draws()
        _same_draws(_draws(), expected, _RESTORED["nested"])
        expected = _second_draws(1)
        _same_draws(inside, expected, _RESTORED["nested"])


_RESTORED: dict[str, Hint] = {
    "inside": "The seed that is given sets each of the three at the beginning "
    "of the block.",
    "behind": (
        "This generator doesn't go on where it was before the block.",
        "Get the state before the seed is set, and set it back at the end.",
    ),
    "error": "An error of the block is raised at the `yield`: what follows "
    "runs only if it stands in `finally`.",
    "caught": "The block's error must reach the caller: leave it uncaught.",
    "nested": "The inner block has set back another state than the one that "
    "it found. Keep the states in variables of the function.",
}


def _first_draws(seed: int) -> None:
    _seed_all(seed)
    _draws()


def _second_draws(seed: int) -> tuple[float, float, float]:
    _first_draws(seed)
    return _draws()


def _same_draws(got: tuple, expected: tuple, hint: Hint) -> None:
    for i, name in enumerate(("random", "NumPy", "torch")):
        what = Phrase("number of {generator}", generator=name)
        equal(got[i], expected[i], hint, what=what, rtol=0, atol=0)


class _Log(nn.Module):
    def forward(self, X: Tensor) -> Tensor:
        return X.log()


class _Divided(nn.Module):
    """Divides the output of its child by 0."""

    def __init__(self) -> None:
        super().__init__()
        self.child = nn.Linear(3, 3)

    def forward(self, X: Tensor) -> Tensor:
        return self.child(X) / 0


class _Two(nn.Module):
    """What it is given, and the logarithm of that, in a tuple."""

    def forward(self, X: Tensor) -> tuple[Tensor, Tensor]:
        return X, X.log()


class _InPlace(nn.Module):
    def forward(self, X: Tensor) -> Tensor:
        return X.log_()


class _First(nn.Module):
    def forward(self, both: tuple[Tensor, Tensor]) -> Tensor:
        return both[0]


class _Refuses(nn.Module):
    def forward(self, X: Tensor) -> Tensor:
        raise LookupError


def _infinite() -> nn.Module:
    layer = nn.Linear(3, 3)
    nn.init.constant_(layer.bias, torch.inf)
    return layer


def _chain(**modules: nn.Module) -> nn.Module:
    return nn.Sequential(OrderedDict(modules))


@exercise(
    "9.4 The first bad value",
    "it names the first module whose output isn't finite, or gives None",
    "a module is named, too, that has children whose outputs are finite",
    "each tensor in a tuple is looked at",
    "if the network raises an error after a bad value, the name is told",
    "no hook of its own stays, and no other is taken away",
)
def first_bad_value(first_bad: Callable) -> None:
    hints, relu = _BAD, nn.ReLU()
    finite = _chain(relu=relu, out=nn.Linear(3, 1))
    log = _chain(minus=nn.Threshold(0, -1), log=_Log(), out=nn.Linear(3, 1))
    infinite = _chain(layer=_infinite(), relu=relu)
    inner = _chain(block=_chain(log=_Log()), relu=relu)
    outer = _chain(divided=_Divided(), relu=relu)
    two = _chain(two=_Two(), first=_First())
    refused = _chain(log=_Log(), refuses=_Refuses())
    tries = (
        ("minus, log, out; log gives nan", log, "log", hints["first"]),
        ("relu, out", finite, None, hints["none"]),
        ("layer, relu; layer gives inf", infinite, "layer", hints["inf"]),
        ("block, relu; log in block gives nan", inner, "block.log", ""),
        ("divided, relu; divided divides by 0", outer, "divided", ""),
        ("two, first; two gives a tuple with nan", two, "two", ""),
        ("log, refuses; refuses raises an error", refused, "log", ""),
    )
    errors = {"'tuple' object": hints["tuple"], "Lookup": hints["refused"]}
    named = {"block.log": "inner", "divided": "outer", "two": "tuple"}
    for modules, net, name, hint in tries:
        hint = hint or hints[named.get(name, "refused")]
        given = Phrase("X of -1, a chain of {modules}", modules=modules)
        with case(given, known=errors):
            handle = net.register_forward_hook(_nothing)
            known = {"out": hints["last"], "": hints["whole"]}
            known = known if name == "log" else ()
            got = first_bad(net, -torch.ones(2, 3))
            equal(got, name, hint, known, what="name")
            _hooks_are(net, 1)
            handle.remove()
            expected = "a network in training mode"
            holds(net.training, expected, "one in evaluation mode", _MODE)
    with case("X of 1 and -1, a chain of log, out"):
        net = _chain(log=_Log(), out=nn.Linear(3, 1))
        got = first_bad(net, torch.tensor([[1.0, -1, 1]]))
        equal(got, "log", hints["part"], what="name")
    with case("X of -1, a module that divides its child's output by 0"):
        got = first_bad(_Divided(), -torch.ones(2, 3))
        equal(got, "", hints["outer"], what="name")
    with case(
        "X of -1, a chain of minus, in place; in place takes the logarithm of "
        "what it is given, in place"
    ):
        net = OrderedDict(
            {"minus": nn.Threshold(0, -1), "in place": _InPlace()}
        )
        got = first_bad(nn.Sequential(net), -torch.ones(2, 3))
        equal(got, "in place", hints["later"], what="name")
    with case("X of -1, a chain of relu, refuses; refuses raises an error"):
        net = _chain(relu=relu, refuses=_Refuses())
        error = None
        try:
            first_bad(net, -torch.ones(2, 3))
        except LookupError as raised:
            error = raised
        _hooks_are(net, 0)
        got = "no error"
        holds(error is not None, "the error", got, hints["error"])


_MODE = "The network is in another mode than before: leave it as it is."
_BAD: dict[str, Hint] = {
    "part": "One bad number in an output is enough: ask whether all are "
    "finite.",
    "later": "An output may be changed in place later. Look at it in the "
    "hook, not at the end.",
    "first": (
        "This isn't the first module, in the order of the calls, whose output "
        "isn't finite.",
        "Hook each module of `named_modules`. Note those whose output is bad "
        "in a list, and return the first of it.",
    ),
    "last": "This isn't the first bad one. After the first, all are bad.",
    "whole": "This names the network itself, which ends last. "
    "`named_modules` begins with it: go by the order of the calls.",
    "none": "All outputs are finite here: give None.",
    "inf": "Infinity is bad, too: `isfinite` is False for it and for nan.",
    "inner": "The name is the whole path, as `named_modules` gives it; the "
    "hook of a child runs before that of its parent.",
    "outer": "The child's output is finite, and what the module makes of it "
    "isn't. Modules with children need a hook, too.",
    "tuple": "A module may return a tuple: look at each tensor in it.",
    "refused": "The error came after the bad value: catch it, and return the "
    "name.",
    "error": "No output was bad before the error: let it go on to the caller.",
    "hooks": (
        "The hooks of the network aren't those of before.",
        "Keep the handle of each hook of yours, and remove these, and no "
        "others, in `finally`.",
    ),
}


def _nothing(*_: object) -> None:
    """A hook."""


def _hooks_are(net: nn.Module, number: int) -> None:
    """Require that a network has as many hooks as before a call."""
    found = sum(len(m._forward_hooks) for m in net.modules())
    shown = (
        Phrase("hooks after the call: {number}", number=n)
        for n in (number, found)
    )
    holds(found == number, *shown, _BAD["hooks"])


class _Unused(nn.Module):
    """Calls one layer twice, and leaves another one out."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, X: Tensor) -> Tensor:
        return self.used(self.used(X))


class _Linear(nn.Linear):
    """A subclass."""


@exercise(
    "9.5 Count multiplications",
    "linear layers are counted, for inputs of two and of more dimensions",
    "convolutions are counted, with strides and with groups",
    "each call counts, and a layer that isn't called doesn't",
    "no hook stays",
)
def count_multiplications(count: Callable) -> None:
    hints, relu = _COUNTS, nn.ReLU()
    conv = nn.Conv2d(2, 4, 3)
    strided = nn.Conv2d(2, 4, (3, 1), stride=2, padding=1, bias=False)
    tries = (
        (_chain(one=nn.Linear(3, 2), relu=relu), (5, 3), "linear"),
        (_chain(one=_chain(deep=_Linear(3, 2))), (5, 3), "nested"),
        (_chain(one=nn.Linear(3, 2)), (5, 4, 3), "dimensions"),
        (_chain(conv=conv), (5, 2, 6, 6), "convolution"),
        (_chain(conv=strided), (5, 2, 6, 6), "convolution"),
        (_chain(conv=nn.Conv2d(4, 4, 3, groups=4)), (1, 4, 5, 5), "groups"),
        (_Unused(), (5, 3), "calls"),
    )
    for net, shape, name in tries:
        truth = _multiplications(net, torch.rand(shape))
        given = Phrase(
            "{net}, X of shape {shape}", net=show(net), shape=str(shape)
        )
        with case(given):
            handle = net.register_forward_hook(_nothing)
            got = count(net, torch.rand(shape))
            known = []
            if isinstance(got, dict) and truth.keys() == got.keys():
                known = _other_counts(net, shape, truth)
            equal(got, truth, hints[name], known, what="multiplications")
            _hooks_are(net, 1)
            handle.remove()
            expected = "a network in training mode"
            holds(net.training, expected, "one in evaluation mode", _MODE)
    with case("X that doesn't fit"):
        net, error = _chain(one=nn.Linear(3, 2)), None
        try:
            count(net, torch.rand(5, 4))
        except RuntimeError as raised:
            error = raised
        _hooks_are(net, 0)
        hint = _COUNTS["error"]
        holds(error is not None, "the error of the network", "none", hint)


_COUNTS: dict[str, Hint] = {
    "linear": (
        "A linear layer multiplies once for each of its weights, for each "
        "sample.",
        "Each number of its output is a sum of `in_features` products. A "
        "forward hook sees the output.",
    ),
    "nested": "Layers in blocks count, too, under their names in "
    "`named_modules`, and so do those of a subclass: ask with `isinstance`.",
    "dimensions": "Each number of the output costs `in_features` products, "
    "however many dimensions it has.",
    "convolution": "Each number of the output of a convolution is a sum of as "
    "many products as its kernel has numbers for one output channel.",
    "groups": "With groups, an output channel reads a part of the input "
    "channels: look at the shape of the weight.",
    "calls": "Each call counts: add to the number of the calls before. A "
    "layer that isn't called has no entry.",
    "once": "This counts one sample: the batch has several.",
    "both": "These are multiplications and additions together.",
    "error": "The error of the network is to go on to the caller.",
}


def _multiplications(net: nn.Module, X: Tensor) -> dict[str, int]:
    counts: dict[str, int] = {}
    with _hooks(net, counts):
        net(X)
    return counts


@contextmanager
def _hooks(net: nn.Module, counts: dict[str, int]) -> Iterator[None]:
    names = {module: name for name, module in net.named_modules()}

    def add(module: nn.Module, _: tuple, output: Tensor) -> None:
        name = names[module]
        number = output.numel() * module.weight[0].numel()
        counts[name] = counts.get(name, 0) + number

    handles = [
        module.register_forward_hook(add)
        for module in names
        if isinstance(module, (nn.Linear, nn.Conv2d))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _other_counts(
    net: nn.Module, shape: tuple[int, ...], truth: Mapping[str, int]
) -> list[tuple[dict[str, int], Hint]]:
    one = _multiplications(net, torch.rand(1, *shape[1:]))
    double = {name: 2 * number for name, number in truth.items()}
    known = [(double, _COUNTS["both"])]
    return [*known, (one, _COUNTS["once"])] if shape[0] > 1 else known


class _Scaled(nn.Module):
    """Adds a part of its input to it."""

    def __init__(self, part: float) -> None:
        super().__init__()
        self.part = part

    def forward(self, X: Tensor) -> Tensor:
        return X + self.part * X


@exercise(
    "9.6 Rank by ablation",
    "the blocks come in the order of how much they are missed",
    "a block whose output has another shape than its input isn't ranked",
    "of equal blocks, the first comes first",
    "the network is as before, also if the score raises an error",
)
def rank_by_ablation(rank_blocks: Callable) -> None:
    hints = _RANKS
    for parts in ((2.0, 3.0, 1.0), (1.0, 1.0, 2.0), (0.0, -0.5)):
        names = [f"block{9 - i}" for i in range(len(parts))]
        net = _chain(**dict(zip(names, map(_Scaled, parts), strict=True)))
        with case(_scaled(parts)):
            rising = sorted(range(len(parts)), key=lambda i: parts[i])
            falling = sorted(range(len(parts)), key=lambda i: -parts[i])
            truth = [names[i] for i in falling]
            known = [([names[i] for i in rising], hints["rising"])]
            hint = hints["ties" if parts[0] == parts[1] else "order"]
            got = rank_blocks(net, _sum_of_output)
            _hooks_are(net, 0)
            equal(got, truth, hint, known, what="names")
    given = "a chain of Linear(2, 3), a block of 3 features, Linear(3, 1)"
    with case(given, hints["shape"]):
        net = _chain(
            first=nn.Linear(2, 3), block=_Scaled(1), last=nn.Linear(3, 1)
        )
        got = rank_blocks(net, _sum_of_output)
        equal(got, ["block"], hints["shape"], what="names")
    with case(
        "a chain of a block of 2 features and an Unflatten, which adds a "
        "dimension"
    ):
        net = _chain(block=_Scaled(1), more=nn.Unflatten(1, (1, 2)))
        got = rank_blocks(net, _sum_of_output)
        equal(got, ["block"], hints["shape"], what="names")
    with case("a score that raises an error for a network without its block"):
        _hooks_removed_after_error(rank_blocks)


_RANKS: dict[str, Hint] = {
    "order": (
        "The block without which the score is lowest comes first.",
        "A forward hook that returns `args[0]`, the input, leaves its block "
        "out. Sort by the score without each.",
    ),
    "rising": "These begin with the block that is missed least: its score is "
    "the highest that is left.",
    "ties": "Blocks that are missed equally stay in the order of the network: "
    "Python's `sorted` keeps it, as long as nothing is reversed.",
    "shape": "A block that changes the shape can't be left out: its input "
    "doesn't fit what follows. Compare the two shapes in the hook.",
    "raised": "The error of the score is to go on to the caller.",
}


def _scaled(parts: tuple[float, ...]) -> Phrase:
    return Phrase(
        "blocks that return X + p X, with p of {parts}; the score is the sum "
        "of the output for X of 1",
        parts=str(parts),
    )


def _sum_of_output(net: nn.Module) -> float:
    size = getattr(net[0], "in_features", 2)
    with torch.no_grad():
        return net(torch.ones(1, size)).sum().item()


def _hooks_removed_after_error(rank_blocks: Callable) -> None:
    net = _chain(block0=_Scaled(1.0), block1=_Scaled(1.0))
    whole = _sum_of_output(net)

    def score(net: nn.Module) -> float:
        if _sum_of_output(net) != whole:
            raise LookupError
        return whole

    raised = False
    try:
        rank_blocks(net, score)
    except LookupError:
        raised = True
    _hooks_are(net, 0)
    holds(raised, "the error of the score", "none", _RANKS["raised"])


@exercise(
    "9.7 Where two runs differ",
    "it gives the first step and name that differ, or None",
    "a run that goes on in place is compared as it was at each step",
    "neither run draws the other's random numbers",
    "runs of different length are compared as far as both go",
)
def where_two_runs_differ(first_difference: Callable) -> None:
    hints = _DIFFERENCES
    for step, name in ((3, "b"), (1, "a"), (None, "")):
        truth = None if step is None else (step, name)
        given = "two runs that are equal"
        if step:
            given = Phrase(
                "two runs that differ in '{name}' from step {step} on",
                name=name,
                step=step,
            )
        with case(given):
            got = first_difference(_run(), _run(step, name))
            known = {(3, "a"): hints["names"], (2, "b"): hints["from 1"]}
            known |= {(4, "b"): hints["first"], (0, "a"): hints["from 1"]}
            hint = hints["first" if step else "none"]
            equal(got, truth, hint, known, what="(step, name)")
    with case(
        "two runs that differ in 'a' from step 2 on, and in 'b', which comes "
        "before it, from step 3 on"
    ):
        got = first_difference(_two(9, 9), _two(3, 2))
        equal(got, (2, "a"), hints["first"], what="(step, name)")
    with case(
        "two runs that differ in 'b' and 'a', in this order, from step 2 on"
    ):
        got = first_difference(_two(9, 9), _two(2, 2))
        equal(got, (2, "b"), hints["order"], what="(step, name)")
    with case("two runs that differ by the last bit of 'a', in step 2"):
        got = first_difference(_run(), _run(2, "a", by=2**-23))
        equal(got, (2, "a"), hints["bits"], what="(step, name)")
    with case("two runs that differ in step 2 alone, in 'a'"):
        got = first_difference(_run(2, "a", back=True), _run())
        equal(got, (2, "a"), hints["live"], what="(step, name)")
    with case("two runs that seed PyTorch with 0, and draw in each step"):
        got = first_difference(_drawing, _drawing)
        equal(got, None, hints["draws"], what="(step, name)")
    with case("two runs that draw in each step, and seed nothing"):
        got = first_difference(_unseeded, _unseeded)
        equal(got, (1, "a"), hints["seeded"], what="(step, name)")
    given = "a run of 5 steps, and one of 3 that is equal so far"
    with case(given, hints["length"]):
        got = first_difference(_run(), _run(number=3))
        equal(got, None, hints["length"], what="(step, name)")


_DIFFERENCES: dict[str, Hint] = {
    "first": (
        "This isn't the first step after which a tensor differs.",
        "Call each function, go through what it yields, and compare step by "
        "step with `torch.equal`, name by name.",
    ),
    "names": "The step is right. The name is that of a tensor that differs.",
    "order": "Of several names that differ, the one that comes first in the "
    "state dict counts.",
    "from 1": "The first step is 1.",
    "none": "The runs are equal in each step: return None.",
    "bits": "A last bit is a difference, too: nothing but `torch.equal` will "
    "do.",
    "live": "A run yields its own tensors, and changes them in place: what it "
    "has yielded before is no longer as it was. Keep clones.",
    "draws": (
        "The runs are equal, each by itself. In turns, each draws numbers "
        "that were the other's.",
        "Go through one run to its end, and keep clones of it; then begin "
        "with the other.",
    ),
    "seeded": "These runs differ, and nothing tells: a generator was seeded "
    "or set back between them. Leave it to the runs.",
    "length": "Where one run ends, there is nothing to compare any more.",
}
Run = Callable[[], Iterator[dict[str, Tensor]]]


def _run(
    step: int | None = None,
    name: str = "",
    by: float = 1.0,
    back: bool = False,
    number: int = 5,
) -> Run:
    """A run that differs from step ``step`` on, or in this step alone."""

    def run() -> Iterator[dict[str, Tensor]]:
        state = {"a": torch.ones(2), "b": torch.ones(2)}
        for i in range(1, number + 1):
            if i == step:
                state[name][1] += by
            if back and step and i == step + 1:
                state[name][1] -= by
            yield state

    return run


def _two(b: int, a: int) -> Run:
    """A run whose tensors 'b' and 'a' are others from a step on."""

    def run() -> Iterator[dict[str, Tensor]]:
        for i in range(1, 6):
            state = {"b": torch.ones(2), "a": torch.ones(2)}
            state["b"][0] += i >= b
            state["a"][0] += i >= a
            yield state

    return run


def _drawing() -> Iterator[dict[str, Tensor]]:
    torch.manual_seed(0)
    yield from _unseeded()


def _unseeded() -> Iterator[dict[str, Tensor]]:
    state = {"a": torch.ones(2)}
    for _ in range(4):
        state["a"] += torch.rand(2)
        yield state


@exercise(
    "9.8 Gradient norms by block",
    "each child has the norm of all gradients in it",
    "a parameter without a gradient counts as 0",
    "a parameter that a block holds twice counts once",
    "you know which end of a chain of sigmoids learns more slowly",
)
def gradient_norms_by_block(gradient_norms: Callable, smaller: object) -> None:
    hints = _NORMS
    net = _chain(
        block=_chain(a=nn.Linear(2, 2), relu=nn.ReLU(), b=nn.Linear(2, 2)),
        out=nn.Linear(2, 1),
    )
    with case("a block of two linear layers, and one linear layer"):
        for i, p in enumerate(net.parameters()):
            p.grad = torch.full_like(p, i + 1.0)
        known = [
            (_norms(net, _sum_of_norms), hints["sum"]),
            (_norms(net, _of_weights), hints["biases"]),
            (_norms(net, _squared), hints["root"]),
        ]
        got = gradient_norms(net)
        equal(got, _norms(net), hints["norm"], known, what="norms")
    given = "a block whose first layer has no gradient, one without any"
    with case(given, known={"'NoneType' object": hints["none"]}):
        net = _chain(block=net.block, out=nn.Linear(2, 1))
        net.block.a.zero_grad()
        got = gradient_norms(net)
        equal(got, _norms(net), hints["none"], what="norms")
        left = net.block.a.weight.grad is None and net.out.weight.grad is None
        holds(left, "gradients as they were", "others", hints["left"])
    with case("a block that holds one layer twice"):
        layer = nn.Linear(2, 2)
        net = _chain(block=_chain(a=layer, b=layer))
        for p in net.parameters():
            p.grad = torch.ones_like(p)
        got = gradient_norms(net)
        equal(got, _norms(net), hints["shared"], what="norms")
    with case("a chain of a linear layer and a ReLU"):
        net = _chain(layer=layer, relu=nn.ReLU())
        got = gradient_norms(net)
        equal(got, _norms(net), hints["empty"], what="norms")
    question = "your prediction of the end with smaller gradients"
    one_of(smaller, ("first", "last"), question)
    with asked(question):
        equal(smaller, _smaller_end(), hints["smaller"])


_NORMS: dict[str, Hint] = {
    "norm": (
        "This isn't the norm of all gradients in each child of the network.",
        "The norm of a block is the root of the sum of the squares of all its "
        "gradients. `named_children` gives the blocks.",
    ),
    "sum": "These are sums of norms. The squares are added, and the root is "
    "taken at the end.",
    "biases": "The biases have gradients, too.",
    "root": "These are sums of squares, without the root.",
    "none": "A parameter that backward didn't reach has `grad` None: it "
    "counts as 0.",
    "shared": "One layer under two names has one gradient: `parameters()` "
    "gives it once.",
    "left": "The gradients have changed: the function only looks at them.",
    "empty": "A child without parameters has the norm 0.",
    "smaller": "Going back, each sigmoid multiplies the gradient by its "
    "slope, which is 1/4 at most.",
}


def _of_all(grads: list[Tensor]) -> float:
    return sum(g.square().sum().item() for g in grads) ** 0.5


def _sum_of_norms(grads: list[Tensor]) -> float:
    return sum(g.norm().item() for g in grads)


def _of_weights(grads: list[Tensor]) -> float:
    return _of_all([g for g in grads if g.dim() > 1])


def _squared(grads: list[Tensor]) -> float:
    return _of_all(grads) ** 2


def _norms(
    net: nn.Module, norm: Callable[[list[Tensor]], float] = _of_all
) -> dict[str, float]:
    return {
        name: float(
            norm([p.grad for p in child.parameters() if p.grad is not None])
        )
        for name, child in net.named_children()
    }


def _smaller_end() -> str:
    layers = [nn.Sequential(nn.Linear(8, 8), nn.Sigmoid()) for _ in range(6)]
    net = nn.Sequential(*layers)
    net(torch.rand(4, 8)).sum().backward()
    norms = [*_norms(net).values()]
    return "first" if norms[0] < norms[-1] else "last"
