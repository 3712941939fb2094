"""The checks of chapter 01, Build networks from blocks."""

from __future__ import annotations

import copy
import functools
import math
import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from numbers import Number

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module

from ..blocks import MLP, FixedHiddenMLP, MySequential, NestMLP
from ._compare import (
    Wrong,
    asked,
    call,
    case,
    equal,
    has_graph,
    holds,
    predicted,
    raises,
    same,
)
from ._exercise import exercise
from ._hints import Hint
from ._phrase import Phrase
from ._report import show

_CHAIN = {
    "output": (
        "This isn't what the three blocks give one after the other.",
        "Each block takes what the one before it returns, in the order of the "
        "arguments.",
    ),
    "first": "Only the first block has run: `return` stands inside the loop.",
    "cut": "The output is cut off the graph, as by `no_grad` or `detach`: the "
    "blocks can't learn.",
    "hook": "The hook was skipped: call the block itself, not its `forward`.",
    "parameters": (
        "These aren't the parameters of all blocks, in order.",
        "Each of the two linear layers has a weight and a bias. Every block "
        "must be registered, in the order of the chain.",
    ),
    "no parameters": "`parameters()` sees modules that are assigned to an "
    "attribute or added by `add_module`. In a plain list it sees nothing.",
    "one name": "A name holds one block: the last has taken the place of the "
    "others. Register each under its own name.",
    "copies": "These are copies. Whoever trains or changes a block must find "
    "it in the chain: keep and register the blocks themselves.",
    "names": (
        "`MySequential` has other names: what it has saved can't be loaded "
        "here.",
        "A name is the path to a tensor. `MySequential` registers each block "
        "under its place in the chain, as a string.",
    ),
    "no names": "The state dict is empty: it goes through the registry, and "
    "finds no block there.",
    "load": "`load_state_dict` looks for each name in the registry.",
    "loaded": "The two chains still differ. The blocks that are registered "
    "must be the ones that run.",
    "double": "`double` reaches what is registered: are the blocks that run?",
    "printing": (
        "Not all blocks are shown, and printing shows what is registered.",
        "Register every block itself, not only what has parameters, and also "
        "one that was registered before.",
    ),
    "three times": "A block that stands there three times must run three "
    "times.",
    "children": "A repeated block has run once. Does `forward` walk through "
    "`children()`, which gives each module once?",
    "copied": "One layer in three places has one weight and one bias. Here it "
    "was copied.",
    "names of repeats": (
        "The repeated layer was registered once. `MySequential` names it at "
        "each of its places.",
        "Register in each round of the loop, also a block that was there "
        "before: the registry keeps names, and two names may hold one block.",
    ),
    "list": "The registry alone would do, but the exercise keeps the plain "
    "list: let an attribute hold it, and register each block as well.",
    "tuple": "The argument `*blocks` is a tuple. Make a list of it.",
    "unused": (
        "The output stays as it was: the list is there, but `forward` doesn't "
        "use it.",
        "Let `forward` walk through the list.",
    ),
}


@exercise(
    "1.1 A chain over a list",
    "you know what a chain over a plain list loses",
    "yours gives what nn.Sequential gives, also for a repeated block",
    "parameters, state dict, data type and printing reach its blocks, under "
    "the names that MySequential gives them",
    "it keeps the blocks in a plain list, and runs them from there",
)
def chain_over_a_list(ListSequential: type[nn.Module], breaks: dict) -> None:
    hints = {
        "output": "`forward` walks through the list itself, and the list "
        "holds every block.",
        "parameters()": "`parameters()` sees the modules in the registry. An "
        "attribute that holds a list isn't one.",
        "state_dict()": "The state dict goes through the registry too, and "
        "the registry is empty.",
        "double()": "`double` changes what is registered. Which data type "
        "have the blocks then, and which the input?",
        "printing": "Printing shows what is in the registry.",
    }
    predicted(breaks, _broken_by_a_plain_list(), hints)
    X = torch.tensor([[1.0, 2], [3, -4]])
    _require_chain(ListSequential, X)
    _require_registered(ListSequential, X)
    _require_repeats(ListSequential, X)
    _require_list_that_runs(ListSequential, X)


_THREE = "ListSequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))"
_FIVE = "ListSequential(layer, relu, layer, relu, layer)"


def _three_blocks() -> list[nn.Module]:
    return [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)]


def _five_places() -> list[nn.Module]:
    layer, relu = nn.Linear(2, 2), nn.ReLU()
    return [layer, relu, layer, relu, layer]


def _shapes(tensors: Iterable[Tensor]) -> list[tuple[int, ...]]:
    return [tuple(t.shape) for t in tensors]


def _relu_and_one() -> nn.Module:
    """A ReLU with a hook that adds 1 to its output."""
    relu = nn.ReLU()
    relu.register_forward_hook(lambda module, args, output: output + 1)
    return relu


def _require_chain(ListSequential: type[nn.Module], X: Tensor) -> None:
    """Require the output of a chain, its graph and its hooks."""
    hints = _CHAIN
    with case(_THREE):
        blocks = _three_blocks()
        Y, truth = call(ListSequential(*blocks), X), nn.Sequential(*blocks)(X)
        equal(Y, truth, hints["output"], {blocks[0](X): hints["first"]})
        has_graph(Y, hints["cut"])
    with case("ListSequential(relu), whose hook adds 1 to what it returns"):
        Y = call(ListSequential(_relu_and_one()), X)
        equal(Y, F.relu(X) + 1, hints["hook"])


def _require_registered(ListSequential: type[nn.Module], X: Tensor) -> None:
    """Require what goes through the registry."""
    hints = _CHAIN
    with case(_THREE):
        blocks = _three_blocks()
        net, chain = ListSequential(*blocks), MySequential(*blocks)
        shapes = [_shapes(n.parameters()) for n in (net, chain)]
        known = {(): hints["no parameters"], ((1, 3), (1,)): hints["one name"]}
        what = "shapes of the parameters"
        equal(*shapes, hints["parameters"], known, what=what)
        own = all(map(operator.is_, net.parameters(), chain.parameters()))
        expected = "the parameters of the blocks"
        holds(own, expected, "others, with the same shapes", hints["copies"])
    with case(Phrase("state_dict() of {net}", net=_THREE)):
        names, truth = [*net.state_dict()], [*chain.state_dict()]
        known = {(): hints["no names"]}
        equal(names, truth, hints["names"], known, what="names")
    with case(
        "a second chain of such blocks that loads the state dict of the first",
        hints["load"],
    ):
        other = ListSequential(*_three_blocks())
        other.load_state_dict(net.state_dict())
        equal(call(other, X), call(net, X), hints["loaded"])
    given = Phrase("{net}, backward from the sum of the output", net=_THREE)
    with case(given):
        call(net, X).sum().backward()
        reached = all(p.grad is not None for p in net.parameters())
        expected = "a gradient of each parameter"
        holds(reached, expected, "none of some", hints["cut"])
    double = f"{_THREE}.double()"
    given = Phrase("{net}, and X in double precision", net=double)
    with case(given, hints["double"]):
        Y = call(net.double(), X.double())
        equal(Y.dtype, torch.double, hints["double"])
    with case(Phrase("printing {net}", net=_THREE)):
        _require_printed(ListSequential, _three_blocks())


def _require_printed(
    ListSequential: type[nn.Module], blocks: list[nn.Module]
) -> None:
    """Require that each block is printed, at each of its places."""
    net = ListSequential(*blocks)
    missing = [
        f"({i}): {type(block).__name__}"
        for i, block in enumerate(blocks)
        if f"({i}): {block!r}" not in repr(net)
    ]
    lines = ", ".join(missing)
    got = Phrase("{net}, without {lines}", net=show(net), lines=lines)
    expected = "a line for each block, as MySequential has it"
    holds(not missing, expected, got, _CHAIN["printing"])


def _require_repeats(ListSequential: type[nn.Module], X: Tensor) -> None:
    """Require that a repeated block is there at each of its places."""
    hints = _CHAIN
    with case(_FIVE):
        blocks = _five_places()
        net, chain = ListSequential(*blocks), MySequential(*blocks)
        known = {blocks[1](blocks[0](X)): hints["children"]}
        equal(call(net, X), chain(X), hints["three times"], known)
        shapes = [_shapes(n.parameters()) for n in (net, chain)]
        equal(*shapes, hints["copied"], what="shapes of the parameters")
    with case(Phrase("state_dict() of {net}", net=_FIVE)):
        names, truth = [*net.state_dict()], [*chain.state_dict()]
        equal(names, truth, hints["names of repeats"], what="names")
    with case(Phrase("printing {net}", net=_FIVE)):
        _require_printed(ListSequential, _five_places())


def _require_list_that_runs(
    ListSequential: type[nn.Module], X: Tensor
) -> None:
    """Require a plain list of the blocks, from which they run."""
    hints = _CHAIN
    expected = "an attribute that is a list of the blocks"
    with case(_FIVE):
        blocks = _five_places()
        net = ListSequential(*blocks)
        kept = [
            value
            for value in vars(net).values()
            if isinstance(value, (list, tuple))
            and {*map(id, blocks)} <= {*map(id, value)}
        ]
        holds(kept, expected, "none", hints["list"])
        lists = [value for value in kept if isinstance(value, list)]
        holds(lists, expected, "a tuple", hints["tuple"])
    with case(
        Phrase(
            "{net}, when each block in its list is changed to Identity",
            net=_FIVE,
        )
    ):
        for value in lists:
            value[:] = [
                nn.Identity() if isinstance(v, nn.Module) else v for v in value
            ]
        equal(call(net, X), X, hints["unused"])


def _broken_by_a_plain_list() -> dict[str, bool]:
    """What a chain over a plain list no longer does."""

    class Plain(nn.Module):
        def __init__(self, *blocks: nn.Module) -> None:
            super().__init__()
            self.blocks = list(blocks)

        def forward(self, X: Tensor) -> Tensor:
            for block in self.blocks:
                X = block(X)
            return X

    layer, X = nn.Linear(2, 2), torch.ones(1, 2)
    net, whole = Plain(layer), MySequential(layer)
    return {
        "output": not torch.equal(net(X), whole(X)),
        "parameters()": len([*net.parameters()]) < len([*whole.parameters()]),
        "state_dict()": net.state_dict().keys() < whole.state_dict().keys(),
        "double()": net.double().blocks[0].weight.dtype != torch.double,
        "printing": "Linear" not in repr(net),
    }


_PARALLEL = {
    "output": (
        "This isn't the output of `net1`, and behind it, in the same row, "
        "that of `net2`.",
        "Give the same input to both nets, and join what they return: "
        "`torch.cat`.",
    ),
    "first dimension": (
        "These are joined along the first dimension: each sample has become "
        "two.",
        "Say along which dimension `cat` has to join: the last is `dim=-1`.",
    ),
    "stack": "`stack` makes a new dimension. `cat` joins along one that is "
    "there.",
    "hook": "The hook was skipped: call the net itself, not its `forward`.",
    "three dimensions": (
        "X has three dimensions here, (1, 2, 2). What the nets return is to "
        "be joined as it is, to (1, 2, 4).",
        "Does something flatten it, or count on two dimensions?",
    ),
    "number 1": (
        "With three dimensions, the last one isn't that with number 1.",
        "Counted from the end, the last dimension is `dim=-1` in every shape.",
    ),
    "parameters": "Each net has a weight and a bias. `parameters()` finds "
    "them if both nets are attributes of their own; in a plain list it sees "
    "nothing.",
    "copies": "These are copies. Whoever trains or loads a net must find it "
    "in the pair: keep the nets themselves.",
    "wide": "Each net takes X as it is, and may return more or fewer "
    "features.",
    "cut": "Something cuts the graph between the input and the output: "
    "`detach`, `.data`, `no_grad`, or a new tensor made of the values.",
    "twice": "The same net may stand on both sides. `children()` gives it "
    "once.",
}


@exercise(
    "1.2 Two nets side by side",
    "the output is that of both nets, the first one's in front",
    "the outputs are joined along the last dimension of two, and of three",
    "the parameters of both nets are found, and get gradients",
    "you know in what the two nets must agree",
)
def two_nets_side_by_side(Parallel: type[nn.Module], works: dict) -> None:
    hints = _PARALLEL
    _require_one_row(Parallel)
    X = torch.tensor([[[-1.0, 2], [3, -4]]])
    Y = F.relu(X)
    with case(
        "Parallel(nn.Identity(), nn.ReLU()), X = [[[-1, 2], [3, -4]]]",
        hints["three dimensions"],
    ):
        got = call(Parallel(nn.Identity(), nn.ReLU()), X)
        known = {torch.cat((X, Y), dim=1): hints["number 1"]}
        truth = torch.cat((X, Y), dim=-1)
        equal(got, truth, hints["three dimensions"], known)
    _require_both(Parallel)
    hints = {
        "nn.Linear(6, 5)": "The outputs have the shapes (4, 2, 3) and "
        "(4, 2, 5). Along which dimension may they differ?",
        "nn.Linear(5, 3)": "Both nets take the same `X`, with 6 features in "
        "its last dimension.",
        "nn.Flatten()": "`Flatten` returns the shape (4, 12), the other net "
        "(4, 2, 3). `cat` lets two shapes differ in one dimension.",
    }
    predicted(works, _works_beside_a_linear(), hints)


def _require_one_row(Parallel: type[nn.Module]) -> None:
    """Require both outputs in one row, and the hooks of the nets."""
    hints = _PARALLEL
    X = torch.tensor([[-1.0, 2]])
    Y = F.relu(X)
    stacked = [torch.stack((X, Y), dim) for dim in range(3)]
    known = {
        torch.cat((Y, X), dim=-1): "The output of `net1` comes first.",
        torch.cat((X, X), dim=-1): "This is `net1` twice.",
        (X, Y): "These are two tensors. Join them to one.",
        X + Y: "The outputs are added here, not put side by side.",
        Y: "One net's output is missing, or `net2` got the output of `net1`. "
        "Both take the input, side by side.",
        torch.cat((X, Y)): hints["first dimension"],
        **dict.fromkeys(stacked, hints["stack"]),
    }
    with case("Parallel(nn.Identity(), nn.ReLU()), X = [[-1, 2]]"):
        got = call(Parallel(nn.Identity(), nn.ReLU()), X)
        equal(got, torch.cat((X, Y), dim=-1), hints["output"], known)
    with case(
        "Parallel(relu, nn.Identity()), with a hook on relu that adds 1, "
        "X = [[1, 2]]"
    ):
        X = torch.tensor([[1.0, 2]])
        got = call(Parallel(_relu_and_one(), nn.Identity()), X)
        equal(got, torch.cat((X + 1, X), dim=-1), hints["hook"])


def _require_both(Parallel: type[nn.Module]) -> None:
    """Require the parameters of both nets, and gradients."""
    hints = _PARALLEL
    net1, net2 = nn.Linear(2, 3), nn.Linear(2, 4)
    with case("Parallel(nn.Linear(2, 3), nn.Linear(2, 4))"):
        net, both = Parallel(net1, net2), nn.ModuleList((net1, net2))
        shapes = [sorted(_shapes(n.parameters())) for n in (net, both)]
        what = "shapes of the parameters"
        equal(*shapes, hints["parameters"], what=what)
        own = {*net.parameters()} == {*both.parameters()}
        expected = "the parameters of both nets"
        holds(own, expected, "others, with the same shapes", hints["copies"])
    with case(
        "Parallel(nn.Linear(2, 3), nn.Linear(2, 4)), X = [[-1, 1]]",
        hints["wide"],
    ):
        X = torch.tensor([[-1.0, 1]], requires_grad=True)
        truth = torch.cat((net1(X), net2(X)), dim=-1)
        (slopes,) = torch.autograd.grad(truth.sum(), X)
        Y = call(net, X)
        equal(Y, truth, hints["wide"])
        has_graph(Y, hints["cut"])
        Y.sum().backward()
        missing = [n for n, p in net.named_parameters() if p.grad is None]
        got = Phrase("none of {names}", names=", ".join(missing))
        holds(not missing, "a gradient of each parameter", got, hints["cut"])
        holds(X.grad is not None, "a gradient of X", "none", hints["cut"])
        equal(X.grad, slopes, hints["cut"], what="gradient of X")
    with case("Parallel(net, net), one nn.Linear(2, 3) twice, X = [[-1, 1]]"):
        Y = net1(X)
        got = call(Parallel(net1, net1), X)
        equal(got, torch.cat((Y, Y), dim=-1), hints["twice"])


def _works_beside_a_linear() -> dict[str, bool]:
    """Which nets give an output beside that of ``nn.Linear(6, 3)``."""
    X = torch.ones(4, 2, 6)
    nets = {
        "nn.Linear(6, 5)": nn.Linear(6, 5),
        "nn.Linear(5, 3)": nn.Linear(5, 3),
        "nn.Flatten()": nn.Flatten(),
    }
    works = dict.fromkeys(nets, False)
    for name, net in nets.items():
        with suppress(RuntimeError):
            torch.cat((nn.Linear(6, 3)(X), net(X)), dim=-1)
            works[name] = True
    return works


_FACTORY = {
    "function": (
        "The chain was given the function itself, which is no module.",
        "Call `make_block()` once for each block, and chain what it returns.",
    ),
    "one argument": (
        "The chain was given all blocks as one argument. It takes each as an "
        "argument of its own.",
        "A star in front of a list makes an argument of each member: "
        "`f(*[1, 2])` is `f(1, 2)`.",
    ),
    "no module": "This is no module: it has no forward computation and no "
    "parameters. Put the blocks into a chain, such as `nn.Sequential`.",
    "count": "Each block has one parameter: count the blocks.",
    "not called": "There is no block: `make_block` wasn't called.",
    "not registered": "The blocks aren't registered: `parameters()` sees "
    "nothing.",
    "one block": "There is one parameter for all: the list holds one block n "
    "times. Make a block for each place.",
    "one of them": "The chain holds one of the blocks.",
    "other blocks": "The chain has other blocks than those that `make_block` "
    "returns, which are of any kind.",
    "copies": "These are copies of one block. They share no parameter, but "
    "start alike: call `make_block` for each.",
    "calls": "Each call makes a block, and n blocks are to be made. One that "
    "nobody uses still takes time and memory.",
    "module list": "`nn.ModuleList` only holds modules: it has no forward "
    "computation. `nn.Sequential` has one.",
    "output": (
        "These aren't the numbers that the blocks give one after the other. "
        "They add, and nothing else is to change the numbers.",
        "Each block takes what the one before it returns, and the chain "
        "returns what the last one does.",
    ),
    "cut": "Something between the blocks cuts the graph, such as `detach` or "
    "`no_grad`: blocks before it can't learn.",
    "shared": "Each linear layer has a weight and a bias of its own. Here "
    "some are shared.",
    "seed": "Each call draws its own numbers, unless the random generator is "
    "seeded before each.",
}


@exercise(
    "1.3 A factory",
    "repeat returns a module with n blocks",
    "they share no parameter, and each comes from a call of its own",
    "they run one after the other",
    "you know what a block, and copies of it, would give instead",
)
def factory(repeat: Callable, starts: dict) -> None:
    for n, given in {
        1: "n = 1, blocks that add 1, X = [1000, -5000]",
        3: "n = 3, blocks that add 1, 10 and 100, X = [1000, -5000]",
    }.items():
        with case(given):
            _require_blocks_of_calls(repeat, n)
    with case("n = 3, make_block = lambda: nn.Linear(2, 2)"):
        parameters = [*repeat(lambda: nn.Linear(2, 2), 3).parameters()]
        what = "number of parameters"
        equal(len(parameters), 6, _FACTORY["shared"], what=what)
        weights = {str(p.tolist()) for p in parameters if p.dim() == 2}
        what = "number of different weights"
        equal(len(weights), 3, _FACTORY["seed"], what=what)
    hints = {
        "three calls": "Each call makes a linear layer: a weight and a bias, "
        "drawn anew.",
        "one block": "The chain has one layer in three places, and "
        "`parameters()` gives each tensor once.",
        "three deep copies": "A deep copy has tensors of its own, with the "
        "values of those it was copied from.",
    }
    predicted(starts, _starts(), hints)


class _Add(nn.Module):
    """Adds a number, its one parameter."""

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = nn.Parameter(torch.tensor(float(amount)))

    def forward(self, X: Tensor) -> Tensor:
        return X + self.amount


def _require_blocks_of_calls(repeat: Callable, n: int) -> None:
    """Require a chain of n blocks, from as many calls, that all run."""
    hints = _FACTORY
    calls = 0

    def make_block() -> nn.Module:
        nonlocal calls
        calls += 1
        return _Add(10 ** (calls - 1))

    make_block.__qualname__ = "make_block"  # as torch's errors show it
    net = _chained(repeat, make_block, n)
    values = [p.flatten().tolist() for p in net.parameters()]
    known = {
        0: hints["not registered" if calls else "not called"],
        1: hints["one block" if calls == 1 else "one of them"],
    }
    what = "number of parameters"
    equal(len(values), n, hints["count"], known, what=what)
    made = all(len(value) == 1 for value in values)
    expected = "blocks that `make_block` has made"
    holds(made, expected, "others", hints["other blocks"])
    values = [value for (value,) in values]
    expected = "blocks that add different amounts"
    got = Phrase("blocks that add {amounts}", amounts=str(values))
    holds(len({*values}) == n, expected, got, hints["copies"])
    equal(calls, n, hints["calls"], what="calls of make_block")
    chain = type(net) is not nn.ModuleList
    holds(chain, "a chain", "a ModuleList", hints["module list"])
    X = torch.tensor([1000.0, -5000])
    Y = call(net, X)
    equal(Y, X + sum(values), hints["output"])
    has_graph(Y, hints["cut"])
    Y.sum().backward()
    reached = sum(p.grad is not None for p in net.parameters())
    equal(reached, n, hints["cut"], what="parameters with a gradient")


def _chained(repeat: Callable, make_block: Callable, n: int) -> nn.Module:
    """The module that is made, or why none is."""
    try:
        net = repeat(make_block, n)
    except TypeError as error:
        if "Module" not in str(error):
            raise
        given = "function" if "make_block" in str(error) else "one argument"
        raise Wrong("no error", "", _FACTORY[given]) from error
    returned = net is not None and net is not ...
    holds(returned, "a module", show(net), "`repeat` returns nothing.")
    got = Phrase("a {kind}", kind=type(net).__name__)
    is_module = isinstance(net, nn.Module)
    holds(is_module, "a module", got, _FACTORY["no module"])
    return net


def _starts() -> dict[str, tuple[int, int]]:
    """Parameter tensors, and different weights, for each way of making."""
    block = nn.Linear(4, 4)
    chains = {
        "three calls": [nn.Linear(4, 4) for _ in range(3)],
        "one block": [block] * 3,
        "three deep copies": [copy.deepcopy(block) for _ in range(3)],
    }
    return {
        name: (
            len(list(nn.Sequential(*blocks).parameters())),
            len({str(block.weight.tolist()) for block in blocks}),
        )
        for name, blocks in chains.items()
    }


_NAMED = {
    "parameters": "As in `MLP`, two linear layers have a weight and a bias "
    "each: tensors of 12, 3, 6 and 2 elements.",
    "no parameters": "No parameter is found. `__init__` assigns both layers "
    "to attributes; a plain list hides them.",
    "at the end too": "The activation runs behind the last layer too. Scores "
    "may be any numbers: leave them as they are.",
    "at the end": "The activation stands behind the last layer. It belongs "
    "between the two.",
    "more": "Is it another activation, or does more than the layers and the "
    "activation run?",
    "none": "No activation has run: two linear layers in a row are one linear "
    "map.",
    "accepted": (
        "The module is made, though this name is none of the three.",
        "Let `__init__` refuse any name but the three: whoever mistypes one "
        "sees it at once.",
    ),
    "message": "The message is to list the three names: whoever mistypes one "
    "sees what there is.",
    "stateless": "What must be registered has tensors that are trained, saved "
    "or moved. Look at the state dict of this one.",
    "prelu": "Look at its parameters: it learns the slope for negative "
    "inputs.",
}


@exercise(
    "1.4 An activation by name",
    "each of the three names gives its activation, on the hidden layer",
    "weights and biases of both layers are registered",
    "another name is refused at once, by an error that lists the three",
    "you know which activations must be registered",
)
def activation_by_name(
    ActivationMLP: type[nn.Module], must_register: dict
) -> None:
    hints = _NAMED
    names = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}
    for name in names:
        _require_named(ActivationMLP, name, names)
    # One of torch's, one of nobody's, and two that are nearly "relu".
    for name in ("sigmoid", "swish", "elu", "relu6"):
        make = functools.partial(ActivationMLP, 4, 3, 2, activation=name)
        with case(f"ActivationMLP(4, 3, 2, {name!r})"):
            raises(Exception, make, hint=hints["accepted"])
            raises(Exception, make, hint=hints["message"], says=names)
    kinds = nn.ReLU, nn.Tanh, nn.GELU, nn.PReLU
    truth = {f"nn.{k.__name__}": bool(k().state_dict()) for k in kinds}
    hints = dict.fromkeys(truth, hints["stateless"])
    hints["nn.PReLU"] = _NAMED["prelu"]
    predicted(must_register, truth, hints)


def _require_named(
    ActivationMLP: type[nn.Module], name: str, names: dict[str, Callable]
) -> None:
    """Require the activation of that name between two linear layers."""
    hints, act = _NAMED, names[name]
    # By the number of its elements: a reader's matrix may be transposed.
    values = {12: 1.0, 3: 0.25, 6: -2.0, 2: 0.5}
    W1, b1 = torch.full((3, 4), values[12]), torch.full((3,), values[3])
    W2, b2 = torch.full((2, 3), values[6]), torch.full((2,), values[2])
    X = torch.tensor([[1.0, 0, 0, 0], [0, -2, 0, 0]])

    def output(act: Callable) -> Tensor:
        return act(X @ W1.T + b1) @ W2.T + b2

    with case(f"ActivationMLP(4, 3, 2, {name!r})"):
        net = ActivationMLP(4, 3, 2, activation=name)
        call(net, X)  # a lazy layer makes its weights now
        sizes = sorted(p.numel() for p in net.parameters())
        known = {(): hints["no parameters"]}
        what = "elements of the parameters"
        equal(sizes, sorted(values), hints["parameters"], known, what=what)
        with torch.no_grad():
            for p in net.parameters():
                p.fill_(values[p.numel()])
    linear = output(nn.Identity())
    known = {
        act(output(act)): hints["at the end too"],
        act(linear): hints["at the end"],
        linear: hints["none"],
    }
    for other, function in names.items():
        known[output(function)] = Phrase(
            "This is the output with `{name}`.", name=repr(other)
        )
    given = Phrase(
        "{name}, all weights 1 in the first layer and -2 in the second, "
        "biases 0.25 and 0.5, X = [[1, 0, 0, 0], [0, -2, 0, 0]]",
        name=repr(name),
    )
    differs = Phrase(
        "Two linear layers with `{name}` between them give other numbers.",
        name=repr(name),
    )
    with case(given):
        # With tolerance for the approximations of gelu.
        hint = differs, hints["more"]
        equal(call(net, X), output(act), hint, known, rtol=1e-2)


_TREE = {
    "path": "A name is the path from the root: the number or the attribute of "
    "each module on the way, then `weight` or `bias`, with dots between.",
    "root": "A name begins at the root of the tree. The path to this "
    "parameter has more modules in front.",
    "relu": "In this place of the chain is a ReLU. It takes a number, as each "
    "module does, but it has no parameters.",
    "missing": (
        "Some parameters are missing.",
        "Every linear layer has a weight and a bias. `NestMLP` has three of "
        "these layers, `MLP` two.",
    ),
    "tensor": "This is a tensor. Its shape is asked for, as a tuple.",
    "shape": (
        "Which features come into this layer, and which go out?",
        "Follow the features through the net: 20 to 64, 32 and 16 in "
        "`NestMLP`, then to 8 and 4. A bias has one number for each output.",
    ),
    "transposed": "`nn.Linear(n, m)` keeps its weight as (m, n): one row for "
    "each output.",
    "size": "This is the number of its elements.",
    "no tuple": "Parentheses alone don't make a tuple. A shape of one "
    "dimension is written with a comma: `(4,)`.",
    "bias": "A bias has one dimension.",
}


@exercise(
    "1.5 Read a tree",
    "your names are those of the ten parameters",
    "your shapes are those of the ten parameters",
)
def read_a_tree(shapes: dict) -> None:
    net = MySequential(NestMLP(), MySequential(MLP(16, 8, 4), nn.ReLU()))
    truth = {name: tuple(p.shape) for name, p in net.named_parameters()}
    with case("the names that you typed"):
        for name in shapes:
            expected = "names in the state dict"
            got, hint = repr(str(name)), _about(str(name), truth)
            holds(name in truth, expected, got, hint)
        what = "number of names"
        equal(len(shapes), len(truth), _TREE["missing"], what=what)
    for name, shape in truth.items():
        with asked(Phrase("your shape of {name}", name=name)):
            _require_shape(shapes[name], shape)


def _about(name: str, truth: dict) -> str:
    """A hint about a name that no parameter has."""
    if any(t.endswith("." + name) for t in truth):
        return _TREE["root"]
    in_relu = name.rpartition(".")[0] in ("0.net.1", "0.net.3", "1.1")
    return _TREE["relu" if in_relu else "path"]


def _require_shape(typed: object, shape: tuple[int, ...]) -> None:
    """Require the shape of one parameter."""
    hints = _TREE
    holds(not isinstance(typed, Tensor), "", show(typed), hints["tensor"])
    size = math.prod(shape)
    known = {shape[::-1]: hints["transposed"], size: hints["size"]}
    if len(shape) == 1:
        known = {
            shape[0]: hints["no tuple"],
            (*shape, 1): hints["bias"],
            (1, *shape): hints["bias"],
        }
    equal(typed, shape, hints["shape"], known)


_MEASURE = {
    "returns": (
        "A layer gets something else than the output of the layer before it.",
        "What a hook returns takes the place of the output. Let it return "
        "nothing.",
    ),
    "three arguments": "A forward hook is called with three arguments: the "
    "module, its inputs and its output.",
    "down": "`children()` goes one level down. `modules()` goes to the leaves "
    "of the tree.",
    "replaced": "The ReLU runs twice, and the second pair has replaced the "
    "first. Keep what the hook measures in a list.",
    "hook twice": "The ReLU stands in two places, and has the hook twice. "
    "Register it once on each module.",
    "in place": (
        "The ReLU has written into the output of the layer before: the first "
        "pair comes too late.",
        "Take the mean in the hook, while the values are there.",
    ),
    "no children": (
        "This net has no children: it is the layer to measure.",
        "`modules()` begins with the net itself. Call it as `net(X)`, since "
        "`net.forward(X)` skips its hooks.",
    ),
    "mode": "The net was measured in another mode than it is in.",
    "not a list": "Return a list of pairs, in the order of the run.",
    "nothing": "Nothing is returned. `measure` returns a list of pairs.",
    "pairs": "Each member of the list is a pair: the shape of the output as a "
    "tuple, and the mean of its absolute values as a number.",
    "every": "Measure every module without children, however deep it is, each "
    "time that it runs.",
    "means": "The means aren't those of the absolute values of the outputs, "
    "in the order of the run.",
    "shapes": "The shapes aren't those of the outputs, from the batch "
    "dimension to the last, or not in the order of the run.",
    "earlier": "The last pairs are right. Those in front are from an earlier "
    "call: make a new list in each call. A default value, as in `found=[]`, "
    "is made only once.",
    "others": "This removes hooks of others too. Each `register_forward_hook` "
    "returns a handle: `handle.remove()` takes off that one hook.",
    "left": "A hook that stays runs at every later call. Remove each by its "
    "handle, in a `finally`, which runs after an error too.",
    "training": "The net is in another mode than before: `eval` and `train` "
    "last after the call. To measure, a net needs neither.",
}
_KINDS_OF_HOOKS = [
    f"{name}_hooks"
    for name in ("forward", "forward_pre", "backward", "backward_pre")
]


@contextmanager
def _global_hooks_kept() -> Iterator[None]:
    """Take off the hooks that are put on all modules inside."""
    kept = [getattr(module, f"_global_{kind}") for kind in _KINDS_OF_HOOKS]
    before = [dict(hooks) for hooks in kept]
    try:
        yield
    finally:
        for hooks, old in zip(kept, before, strict=True):
            hooks.clear()
            hooks.update(old)


@exercise(
    "1.6 A hook that measures",
    "each layer without children is measured, at any depth, in order",
    "a layer that runs twice is measured twice",
    "outputs are measured before a later layer changes them in place",
    "your hooks are gone afterwards, also after an error; others stay",
)
@_global_hooks_kept()
def hook_that_measures(measure: Callable) -> None:
    X = torch.tensor([[-1.0, 3]])
    _require_sizes_of_outputs(measure)
    _require_every_leaf(measure, X)
    with case("Sequential(ReLU(), Identity()), with a hook on the ReLU"):
        net = nn.Sequential(nn.ReLU(), nn.Identity())
        net[0].register_forward_hook(lambda *_: None)
        with _left_alone(net):
            measure(net, X.clone())
    with case("Sequential(ReLU(), Linear(9, 1)), whose run raises an error"):
        net = nn.Sequential(nn.ReLU(), nn.Linear(9, 1))
        with _left_alone(net), suppress(Exception):
            measure(net, X.clone())


def _pairs(*outputs: Tensor) -> tuple[tuple[tuple[int, ...], float], ...]:
    return tuple((tuple(Y.shape), Y.abs().mean().item()) for Y in outputs)


def _require_sizes_of_outputs(measure: Callable) -> None:
    """Require the pairs of two layers in a row."""
    X = torch.tensor([[-4, 0.5]])
    cut = X.clamp(-1, 1)
    outputs = cut, F.relu(cut)

    def pairs(value: Callable[[Tensor], Tensor]) -> tuple:
        return tuple(((1, 2), value(Y).item()) for Y in outputs)

    known = {
        (): "Nothing was measured: run `net(X)`, which runs hooks.",
        pairs(torch.mean): "This is the mean. Values of both signs cancel in "
        "it: take the absolute values first.",
        pairs(lambda Y: Y.mean().abs()): "This is the absolute value of the "
        "mean. Values of both signs cancel in a mean: take the absolute "
        "values first.",
        pairs(lambda Y: Y.abs().sum()): "This is the sum of the absolute "
        "values, not the mean.",
        _pairs(*outputs, outputs[-1]): "The last pair is that of the "
        "`Sequential`. It has children: leave it out.",
        _pairs(*outputs, *outputs): "Each layer is measured twice. Run the "
        "net once, and register the hook once on each layer.",
        _pairs(X, cut): "These are the inputs. A forward hook gets the "
        "module, its inputs and its output, in this order.",
        _pairs(cut.abs(), cut.abs()): "The hook has changed the net: what a "
        "hook returns takes the place of the output. Let it return nothing.",
    }
    errors = {
        "must be Tensor": _MEASURE["returns"],
        "positional argument": _MEASURE["three arguments"],
    }
    with case(
        "Sequential(Hardtanh(), ReLU()), X = [[-4, 0.5]]; Hardtanh cuts to "
        "between -1 and 1",
        known=errors,
    ):
        net = nn.Sequential(nn.Hardtanh(), nn.ReLU())
        _measures(measure, net, X, outputs, known)


def _require_every_leaf(measure: Callable, X: Tensor) -> None:
    """Require that layers are found at any depth, and each time they run."""
    hints = _MEASURE
    relu, identity = nn.ReLU(), nn.Identity()
    Y = F.relu(X)
    Z = Y.clamp(-1, 1)
    inner = nn.Sequential(nn.Identity(), nn.Sequential(relu, identity))
    for given, net, inputs, outputs, known in (
        (
            "Sequential(Flatten(), Sequential(Identity(), "
            "Sequential(ReLU(), Identity()))), X = [[[-1, 3]]]",
            nn.Sequential(nn.Flatten(), inner),
            X[None],
            (X, X, Y, Y),
            {(X,): hints["down"], (X, Y): hints["down"]},
        ),
        (
            "Sequential(relu, Hardtanh(), relu), one ReLU in two places, "
            "X = [[-1, 3]]",
            nn.Sequential(relu, nn.Hardtanh(), relu),
            X,
            (Y, Z, Z),
            {(Z, Z): hints["replaced"], (Y, Y, Z, Z, Z): hints["hook twice"]},
        ),
        (
            "Sequential(Identity(), ReLU(inplace=True)), X = [[-1, 3]]",
            nn.Sequential(nn.Identity(), nn.ReLU(inplace=True)),
            X,
            (X, Y),
            {(Y, Y): hints["in place"]},
        ),
        (
            "ReLU(), a net that is a single layer, X = [[-1, 3]]",
            nn.ReLU().eval(),
            X,
            (Y,),
            {(): hints["no children"]},
        ),
        (
            "Sequential(Dropout(1.0)) in training, where it returns zeros, "
            "X = [[-1, 3]]",
            nn.Sequential(nn.Dropout(1.0)),
            X,
            (0 * X,),
            {(X,): hints["mode"]},
        ),
    ):
        known = {_pairs(*key): hint for key, hint in known.items()}
        with case(given):
            _measures(measure, net, inputs, outputs, known)


def _measures(
    measure: Callable,
    net: nn.Module,
    X: Tensor,
    outputs: Iterable[Tensor],
    known: dict[tuple, Hint],
) -> None:
    """Require that a net is measured, and left as it was."""
    hints, expected = _MEASURE, [*_pairs(*outputs)]
    with _left_alone(net):
        got = measure(net, X.clone())
        hint = hints["nothing" if got is None else "not a list"]
        is_list = isinstance(got, (list, tuple))
        holds(is_list, "a list of pairs", show(got), hint)
        pairs = all(isinstance(p, (list, tuple)) and len(p) == 2 for p in got)
        holds(pairs, "a list of pairs", show(got), hints["pairs"])
        key = "every"
        if len(got) == len(expected):
            shapes, truth = (
                [shape for shape, _ in p] for p in (got, expected)
            )
            key = "means" if same(shapes, truth) else "shapes"
        elif same(got[-len(expected) :], expected):
            key = "earlier"
        equal(got, expected, hints[key], known)


def _hooks_and_modes(net: nn.Module) -> tuple[set, list[bool]]:
    """The hooks on a net and on all modules, and the modes of its modules."""
    owners = [(module, "_global"), *((part, "") for part in net.modules())]
    hooks = {
        (i, kind, key, id(hook))
        for i, (owner, prefix) in enumerate(owners)
        for kind in _KINDS_OF_HOOKS
        for key, hook in getattr(owner, f"{prefix}_{kind}").items()
    }
    return hooks, [part.training for part in net.modules()]


@contextmanager
def _left_alone(net: nn.Module) -> Iterator[None]:
    """Require that a net has its hooks and modes afterwards, and no more."""
    hints = _MEASURE
    old, old_modes = _hooks_and_modes(net)
    yield
    new, modes = _hooks_and_modes(net)
    expected = "the hook that was there"
    holds(old <= new, expected, "it is gone", hints["others"])
    got = Phrase("{count} left", count=len(new - old))
    holds(new <= old, "no new hook on the net", got, hints["left"])
    what = "training of each module"
    equal(modes, old_modes, hints["training"], what=what)


_ROUNDS = {
    "parts": "Keep the parts of `FixedHiddenMLP`: a linear layer from "
    "num_features to num_features, and a buffer of that size.",
    "output": (
        "The output is to stay that of `FixedHiddenMLP`.",
        "Compare the two `forward`, line by line. The loop runs while the "
        "absolute values sum to more than 1.",
    ),
    "cut": "Only the count leaves the graph: the values that are halved must "
    "stay in it.",
    "local": "Assign the count to `self.rounds`. A local variable ends with "
    "the call.",
    "number": "`rounds` is to be a number.",
    "rounds": "Add 1 each time the values are halved, and at no other time.",
    "one too many": "This is one too many: the condition of the loop is "
    "tested once more than the values are halved.",
    "goes on": "The count goes on from the last call. `forward` must begin at "
    "0.",
    "class": "The call of the second has changed the count of the first. "
    "Assign it to `self.rounds`, not to the class.",
}


@exercise(
    "1.7 Count the rounds",
    "rounds is the number of halvings in the last call",
    "the output is that of FixedHiddenMLP, and has a graph",
    "you know how the number grows with the scale of the input",
)
def count_the_rounds(CountingMLP: type[nn.Module], added: dict) -> None:
    hints = _ROUNDS
    with case("CountingMLP(2)"):
        net, reference = CountingMLP(2), FixedHiddenMLP(2)
        both = net, reference
        # The count may be a tensor that is registered, of the shape ().
        shapes = [sorted(filter(None, _shapes(n.parameters()))) for n in both]
        equal(*shapes, hints["parts"], what="shapes of the parameters")
        shapes = [sorted(filter(None, _shapes(n.buffers()))) for n in both]
        equal(*shapes, hints["parts"], what="shapes of the buffers")
    # The sum, its size, the norm and the largest value are to tell apart.
    cases = (
        ((1, 1), [[-3, 1]]),
        ((1, 1), [[1, 0]]),
        ((1, 1), [[2, -1]]),
        ((1, 1), [[7, 0]]),
        ((1, 1), [[1, 0]]),
        ((-1, -1), [[-1, 0]]),
        ((1, -1), [[1, 1]]),
        ((1, 1), [[1, 0], [2, -1]]),
        ((1, 1), [[1e18, 0]]),
    )
    for require in (_require_output_of_reference, _require_rounds):
        for diagonal, rows in cases:
            weight = torch.tensor(diagonal).diag().tolist()
            given = Phrase(
                "weight {weight}, bias 0, rand_weight [[1, 1], [0, 1]], "
                "X = {X}",
                weight=str(weight),
                X=str(rows),
            )
            with case(given):
                _set_weights((net, reference), diagonal)
                require(net, reference, torch.tensor(rows).float())
    with case("two nets, of which one is called after the other"):
        X = torch.tensor([[7.0, 0]])
        _set_weights((net, reference), (1, 1))
        call(net, X)
        rounds = _rounds(reference, X)
        other = CountingMLP(2)
        _set_weights((other,), (1, 1))
        call(other, torch.tensor([[-3.0, 1]]))
        what = "rounds of the first"
        equal(net.rounds, rounds, hints["class"], what=what)
    hints = {
        2: "One round halves the sum, and so undoes one doubling.",
        1024: "How often is 1024 to be halved until 1 is left?",
        "1024, all zero": "What is left of the scale behind a ReLU that "
        "returns zeros? Then `linear` returns its bias.",
    }
    predicted(added, _rounds_added(), hints)


def _set_weights(nets: Iterable[nn.Module], diagonal: tuple[int, int]) -> None:
    """Set the linear layer and the buffer of nets with two features."""
    weight = torch.tensor(diagonal).float().diag()
    with torch.no_grad():
        for net in nets:
            net.zero_grad()
            for p in net.parameters():
                p.copy_(weight if p.dim() == 2 else torch.zeros(2))
            for b in net.buffers():
                if b.dim() == 2:
                    b.copy_(torch.tensor([[1.0, 1], [0, 1]]))


def _require_output_of_reference(
    net: nn.Module, reference: nn.Module, X: Tensor
) -> None:
    equal(call(net, X), reference(X), _ROUNDS["output"])


def _require_rounds(net: nn.Module, reference: nn.Module, X: Tensor) -> None:
    """Require the number of rounds, and that gradients pass."""
    hints = _ROUNDS
    before = getattr(net, "rounds", 0)
    Y = call(net, X)
    has_graph(Y, hints["cut"])
    Y.backward()
    reference(X).backward()
    got, truth = (
        {p.dim(): p.grad for p in n.parameters()} for n in (net, reference)
    )
    equal(got[2], truth[2], hints["cut"], what="gradient of the weight")
    equal(got[1], truth[1], hints["cut"], what="gradient of the bias")
    there = hasattr(net, "rounds")
    holds(there, "an attribute rounds", "none", hints["local"])
    number = isinstance(net.rounds, (Number, Tensor))
    holds(number, "a number of rounds", show(net.rounds), hints["number"])
    rounds = _rounds(reference, X)
    known = {rounds + 1: hints["one too many"]}
    if isinstance(before, int):
        known.setdefault(before + rounds, hints["goes on"])
    equal(net.rounds, rounds, hints["rounds"], known, what="rounds")


def _rounds(net: FixedHiddenMLP, X: Tensor) -> int:
    """How often the values of a call are halved."""
    H = net.linear(F.relu(net.linear(X) @ net.rand_weight + 1))
    rounds = 0
    while H.abs().sum() > 1:
        H = H / 2
        rounds += 1
    return rounds


def _rounds_added() -> dict[object, int]:
    """What a larger input adds to the rounds, by factor and by case."""
    net, X = FixedHiddenMLP(), 10_000 * torch.rand(2, 20)
    with torch.no_grad():
        net.linear.weight.abs_()
    rounds = _rounds(net, X)
    added = {k: _rounds(net, k * X) - rounds for k in (2, 1024)}
    with torch.no_grad():
        net.linear.weight.neg_()  # the ReLU gets negative numbers alone
    closed = _rounds(net, 1024 * X) - _rounds(net, X)
    return {**added, "1024, all zero": closed}


_MODULE = {
    "torch": "This inherits from `nn.Module`. The exercise does without it.",
    "init": (
        "The classes that inherit don't call your `__init__`.",
        "What an object needs must be there without it: `vars(self)` is the "
        "dictionary of its attributes, and a class may have `__setattr__`.",
    ),
    "pairs": "`named_parameters` gives pairs of a name and a parameter.",
    "own": (
        "These aren't the object's parameters with their names.",
        "Go through the attributes, and ask of each whether it is an "
        "`nn.Parameter`.",
    ),
    "plain": "A tensor that isn't an `nn.Parameter` isn't trained.",
    "itself": "These are other tensors than the parameters: whoever trains "
    "needs the objects themselves.",
    "call": "A call hands all of its arguments to `forward`, and returns what "
    "comes back.",
    "children": (
        "These aren't the parameters of the object and of its children.",
        "First the object's own, then those of one child after the other. The "
        "name of a child's parameter has the child's in front, and a dot.",
    ),
    "prefix": "Two parameters with one name: put the child's name in front, "
    "and a dot.",
    "in order": "The object's own come first, also those that were assigned "
    "after a child.",
    "deep": "Children have children: ask each child for its own named "
    "parameters.",
    "once": (
        "A parameter that has two names is given twice.",
        "Keep a set of those that were given, and hand it on to the children.",
    ),
    "equal": "Two parameters with equal values are two parameters: compare "
    "them with `is`, or keep a set.",
    "gone": (
        "A part that is no longer there is still given, or a new one isn't.",
        "A registry of its own must notice each assignment, and each `del`. "
        "`vars(self)` does.",
    ),
    "zero": "After `zero_grad`, each gradient is None, those of the children "
    "too.",
}


@exercise(
    "1.8 A module without torch's",
    "a call runs forward with its arguments",
    "own parameters, and those of children at any depth, have their names, in "
    "order",
    "a parameter with several names is given once",
    "a part that was replaced or deleted is gone",
    "zero_grad clears each gradient",
)
def module_without_torch(Module: type) -> None:
    hints = _MODULE
    with case("class Module"):
        own = not issubclass(Module, nn.Module)
        holds(own, "a class in plain Python", "an nn.Module", hints["torch"])
    Affine, Net = _affine(Module), _net_of(Module)
    with case("an object with weight and bias", hints["init"]):
        part = Affine(2)
        _require_given(
            part,
            {"weight": part.weight, "bias": part.bias},
            hints["own"],
            {"weight, bias, mean": hints["plain"]},
        )
    with case("part(X, 3), with forward(X, times)", hints["call"]):
        X = torch.tensor([[1.0, -2]])
        equal(part(X, 3), part.forward(X, 3), hints["call"])
    with case(
        "an object with the children first and second, then a scale",
        hints["init"],
    ):
        net = Net(Affine(2), Affine(2))
        children = "first.weight, first.bias, second.weight, second.bias"
        known = {
            f"{children}, scale": hints["in order"],
            "scale, weight, bias, weight, bias": hints["prefix"],
        }
        _require_given(net, _names_of(net), hints["children"], known)
    with case("an object whose children have children", hints["init"]):
        deep = Net(net, Affine(2))
        known = {
            "scale, first.scale, second.weight, second.bias": hints["deep"],
        }
        _require_given(deep, _names_of(deep), hints["children"], known)
    _require_changes(Affine, Net)
    _require_once(Affine, Net)
    with case("zero_grad, after backward", hints["zero"]):
        net = Net(Affine(2), Affine(2))
        for parameter in _names_of(net).values():
            parameter.grad = torch.ones_like(parameter)
        net.zero_grad()
        left = [k for k, p in _names_of(net).items() if p.grad is not None]
        equal(left, [], hints["zero"], what="with a gradient")


def _affine(base: type) -> type:
    class Affine(base):
        def __init__(self, size: int) -> None:
            self.weight = nn.Parameter(torch.randn(size, size))
            self.bias = nn.Parameter(torch.randn(size))
            self.mean = torch.zeros(size)
            self.size = size

        def forward(self, X: Tensor, times: float = 1) -> Tensor:
            return times * (X @ self.weight.T + self.bias)

    return Affine


def _net_of(base: type) -> type:
    class Net(base):
        def __init__(self, first: object, second: object) -> None:
            self.first, self.second = first, second
            self.scale = nn.Parameter(torch.randn(1))

        def forward(self, X: Tensor) -> Tensor:
            return self.scale * self.second(self.first(X))

    return Net


def _names_of(part: object) -> dict[str, nn.Parameter]:
    """The names that are right, of the classes above."""
    if hasattr(part, "weight"):
        return {"weight": part.weight, "bias": part.bias}
    found = {"scale": part.scale}
    for name in ("first", "second"):
        child = getattr(part, name, None)
        if child is not None:
            inner = _names_of(child)
            found |= {f"{name}.{key}": value for key, value in inner.items()}
    return found


def _require_given(
    part: object, expected: dict, hint: Hint, known: dict, other: Hint = ""
) -> None:
    """Require the names and the objects that an object gives."""
    pairs = [*part.named_parameters()]
    are_pairs = all(isinstance(p, tuple) and len(p) == 2 for p in pairs)
    holds(are_pairs, "pairs", show(pairs), _MODULE["pairs"])
    names = ", ".join(str(name) for name, _ in pairs)
    equal(names, ", ".join(expected), hint, known, what="names")
    same_ones = all(
        p is q for (_, p), q in zip(pairs, expected.values(), strict=True)
    )
    holds(
        same_ones,
        "the parameters",
        "others with their names",
        other or _MODULE["itself"],
    )


def _require_once(Affine: type, Net: type) -> None:
    hints = _MODULE
    with case("an object with one child under two names", hints["init"]):
        child = Affine(2)
        net = Net(child, child)
        expected = {
            "scale": net.scale,
            "first.weight": child.weight,
            "first.bias": child.bias,
        }
        _require_given(net, expected, hints["once"], {})
    with case("two children that share their weight", hints["init"]):
        net = Net(Affine(2), Affine(2))
        net.second.weight = net.first.weight
        expected = _names_of(net)
        del expected["second.weight"]
        _require_given(net, expected, hints["once"], {})
    with case("two children with equal values", hints["init"]):
        net = Net(Affine(2), Affine(2))
        with torch.no_grad():
            net.second.weight.copy_(net.first.weight)
        _require_given(net, _names_of(net), hints["equal"], {})


def _require_changes(Affine: type, Net: type) -> None:
    gone = _MODULE["gone"]
    net = Net(Affine(2), Affine(2))
    with case("a child was replaced by another", gone):
        net.second = Affine(2)
        _require_given(net, _names_of(net), gone, {}, gone)
    with case("a child was replaced by None", gone):
        net.second = None
        _require_given(net, _names_of(net), gone, {}, gone)
    with case("a child was deleted", gone):
        del net.first
        _require_given(net, _names_of(net), gone, {}, gone)


_SHORTCUT = {
    "sum": (
        "This isn't the input plus what the net makes of it.",
        "The widths are equal: nothing stands between the input and the sum.",
    ),
    "net": "This is what the net returns, without the shortcut.",
    "hook": "The hook was skipped: call the net itself, not its `forward`.",
    "cut": "The output is cut off the graph, as by `no_grad` or `detach`: the "
    "net can't learn.",
    "nothing more": "Where the widths are equal, there is nothing to train "
    "but the net.",
    "names": (
        "Besides those of the net, one parameter is asked for: the weight of "
        "`project`.",
        "It is a linear layer without a bias, from `num_inputs` to "
        "`num_outputs` features, in an attribute of its own.",
    ),
    "copies": "The net in the block is a copy, or isn't registered. Keep the "
    "net itself, in an attribute.",
    "projected": (
        "This isn't the output of the net plus that of `project`.",
        "Both take the input X.",
    ),
    "last": "The features are the last dimension; there may be others in "
    "front.",
    "broadcast": (
        "The two parts of the sum have different shapes, and one was "
        "repeated.",
        "Compare the shapes in `forward`, the projection included, and raise "
        "a `ValueError` that names both.",
    ),
    "one": "A size of 1 is repeated: each of the 4 rows of Y is one number "
    "for 20 features.",
    "missing": "A dimension that is missing in front is added, with the size "
    "1.",
    "error": "10 and 20 differ, and neither is 1.",
    "larger": "The input is repeated as well: the sum is as large as Y.",
}


@exercise(
    "1.9 A shortcut that fits",
    "with equal widths, the input is added, and nothing is to be trained but "
    "the net",
    "with others, a projection of the input is added, without a bias",
    "other dimensions may stand in front",
    "two parts with different shapes are refused, by an error that names both",
    "you know which shapes broadcasting lets pass",
)
def shortcut_that_fits(Shortcut: type[nn.Module], sums: dict) -> None:
    _require_plain_shortcut(Shortcut)
    _require_projection(Shortcut)
    _require_equal_shapes(Shortcut)
    hints = {
        (4, 1): "one",
        (20,): "missing",
        (4, 10): "error",
        (3, 4, 20): "larger",
    }
    truth = {shape: _shape_of_sum(shape) for shape in hints}
    predicted(sums, truth, {k: _SHORTCUT[v] for k, v in hints.items()})


def _shape_of_sum(shape: tuple) -> tuple | str:
    with suppress(RuntimeError):
        return tuple((torch.ones(4, 20) + torch.ones(shape)).shape)
    return "error"


def _require_plain_shortcut(Shortcut: type[nn.Module]) -> None:
    hints, X = _SHORTCUT, torch.tensor([[1.0, 2], [3, -4]])
    with case("Shortcut(relu, 2, 2), X = [[1, 2], [3, -4]]"):
        known = {F.relu(X): hints["net"]}
        equal(
            call(Shortcut(nn.ReLU(), 2, 2), X),
            X + F.relu(X),
            hints["sum"],
            known,
        )
    with case("Shortcut(relu, 2, 2), whose hook adds 1 to what it returns"):
        Y = call(Shortcut(_relu_and_one(), 2, 2), X)
        equal(Y, X + F.relu(X) + 1, hints["hook"])
    with case("Shortcut(nn.Linear(2, 2), 2, 2)"):
        inner = nn.Linear(2, 2)
        net = Shortcut(inner, 2, 2)
        _require_inner(net, inner)
        more = len([*net.parameters()]) - 2
        equal(more, 0, hints["nothing more"], what="other parameters")
        Y = call(net, X)
        equal(Y, X + inner(X), hints["sum"], {inner(X): hints["net"]})
        has_graph(Y, hints["cut"])
        Y.sum().backward()
        holds(
            inner.weight.grad is not None,
            "a gradient of the weight",
            "none",
            hints["cut"],
        )


def _require_inner(net: nn.Module, inner: nn.Module) -> None:
    kept = {*inner.parameters()} <= {*net.parameters()}
    holds(kept, "the parameters of the net", "others", _SHORTCUT["copies"])


def _require_projection(Shortcut: type[nn.Module]) -> None:
    hints, inner = _SHORTCUT, nn.Linear(2, 3)
    with case("Shortcut(nn.Linear(2, 3), 2, 3)"):
        net = Shortcut(inner, 2, 3)
        _require_inner(net, inner)
        mine = {id(p) for p in inner.parameters()}
        more = {
            k: tuple(p.shape)
            for k, p in net.named_parameters()
            if id(p) not in mine
        }
        equal(
            more,
            {"project.weight": (3, 2)},
            hints["names"],
            what="other parameters",
        )
    for given, X in {
        "X of shape (5, 2)": torch.randn(5, 2),
        "X of shape (4, 5, 2)": torch.randn(4, 5, 2),
        "X of shape (2,)": torch.randn(2),
    }.items():
        with case(
            Phrase("Shortcut(nn.Linear(2, 3), 2, 3), {X}", X=given),
            hints["last"],
        ):
            Y = call(net, X)
            truth = inner(X) + F.linear(X, net.project.weight)
            equal(Y, truth, hints["projected"], {inner(X): hints["net"]})
            has_graph(Y, hints["cut"])
            (slope,) = torch.autograd.grad(
                Y.sum(), net.project.weight, allow_unused=True
            )
            holds(
                slope is not None,
                "a gradient of project",
                "none",
                hints["cut"],
            )


class _Last(nn.Module):
    """Returns a part of its input."""

    def __init__(self, place: object) -> None:
        super().__init__()
        self.place = place

    def forward(self, X: Tensor) -> Tensor:
        return X[self.place]


def _require_equal_shapes(Shortcut: type[nn.Module]) -> None:
    hints = _SHORTCUT
    for given, (net, sizes, X, says) in {
        "Shortcut(nn.Linear(2, 1), 2, 2), X of shape (4, 2)": (
            (nn.Linear(2, 1), (2, 2), torch.ones(4, 2), ["(4, 2)", "(4, 1)"])
        ),
        "Shortcut(nn.Linear(2, 1), 2, 3), X of shape (4, 2)": (
            (nn.Linear(2, 1), (2, 3), torch.ones(4, 2), ["(4, 3)", "(4, 1)"])
        ),
        "Shortcut, of a net that returns a number for each of 2 samples": (
            (
                _Last((slice(None), 0)),
                (2, 2),
                torch.ones(2, 2),
                ["(2, 2)", "(2,)"],
            )
        ),
    }.items():
        with case(given):
            raises(
                ValueError,
                Shortcut(net, *sizes),
                X,
                says=says,
                hint=hints["broadcast"],
            )
