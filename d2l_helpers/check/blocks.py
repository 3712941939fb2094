"""The checks of chapter 01, Build networks from blocks."""

from __future__ import annotations

import copy
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
    ATOL,
    RTOL,
    Wrong,
    asked,
    call,
    case,
    equal,
    holds,
    predicted,
    raises,
    same,
)
from ._exercise import exercise
from ._hints import Hint
from ._report import show


@exercise(
    "1.1 A chain over a list",
    "you know what a chain over a plain list loses",
    "yours gives what nn.Sequential gives, also for a repeated block",
    "parameters, state dict, data type and printing reach its blocks, under "
    "the names that MySequential gives them",
    "it keeps the blocks in a plain list, and runs them from there",
)
def chain_over_a_list(ListSequential: type[nn.Module], breaks: dict) -> None:
    predicted(
        breaks,
        _broken_by_a_plain_list(),
        {
            "output": "`forward` walks through the list itself, and the list "
            "holds every block.",
            "parameters()": "`parameters()` sees the modules in the registry. "
            "An attribute that holds a list isn't one.",
            "state_dict()": "The state dict goes through the registry too, "
            "and the registry is empty.",
            "double()": "`double` changes what is registered. Which data "
            "type have the blocks then, and which the input?",
            "printing": "Printing shows what is in the registry.",
        },
    )
    _require_chain(ListSequential)
    _require_registered(ListSequential)
    _require_repeats(ListSequential)
    _require_list_that_runs(ListSequential)


_THREE = "ListSequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))"
_FIVE = "ListSequential(layer, relu, layer, relu, layer)"


_CUT_CHAIN = (
    "The output is cut off the graph, as by `no_grad` or `detach`: the blocks "
    "can't learn."
)


def _three_blocks() -> list[nn.Module]:
    return [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)]


def _five_places() -> list[nn.Module]:
    layer, relu = nn.Linear(2, 2), nn.ReLU()
    return [layer, relu, layer, relu, layer]


def _shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in module.parameters()]


def _require_chain(ListSequential: type[nn.Module]) -> None:
    """Require the output of a chain, its graph and its hooks."""
    X = torch.tensor([[1.0, 2], [3, -4]])
    with case(_THREE):
        blocks = _three_blocks()
        Y = call(ListSequential(*blocks), X)
        equal(
            Y,
            nn.Sequential(*blocks)(X),
            (
                "This isn't what the three blocks give one after the other.",
                "Each block takes what the one before it returns, in the "
                "order of the arguments.",
            ),
            known=[
                (
                    blocks[0](X),
                    "Only the first block has run: `return` stands inside "
                    "the loop.",
                )
            ],
        )
        holds(Y.requires_grad, "an output with a graph", "none", _CUT_CHAIN)
    with case("ListSequential(relu), whose hook adds 1 to what it returns"):
        equal(
            call(ListSequential(_relu_and_one()), X),
            F.relu(X) + 1,
            "The hook was skipped: call the block itself, not its `forward`.",
        )


def _relu_and_one() -> nn.Module:
    """A ReLU with a hook that adds 1 to its output."""
    relu = nn.ReLU()
    relu.register_forward_hook(lambda module, args, output: output + 1)
    return relu


def _require_registered(ListSequential: type[nn.Module]) -> None:
    """Require what goes through the registry."""
    with case(_THREE):
        blocks = _three_blocks()
        net, chain = ListSequential(*blocks), MySequential(*blocks)
        equal(
            _shapes(net),
            _shapes(chain),
            (
                "These aren't the parameters of all blocks, in order.",
                "Each of the two linear layers has a weight and a bias. "
                "Every block must be registered, in the order of the chain.",
            ),
            known=[
                (
                    [],
                    "`parameters()` sees modules that are assigned to an "
                    "attribute or added by `add_module`. In a plain list it "
                    "sees nothing.",
                ),
                (
                    [(1, 3), (1,)],
                    "A name holds one block: the last has taken the place of "
                    "the others. Register each under its own name.",
                ),
            ],
            what="shapes of the parameters",
        )
        _same_objects(net, chain)
    with case(f"state_dict() of {_THREE}"):
        equal(
            list(net.state_dict()),
            list(chain.state_dict()),
            (
                "`MySequential` has other names: what it has saved can't be "
                "loaded here.",
                "A name is the path to a tensor. `MySequential` registers "
                "each block under its place in the chain, as a string.",
            ),
            known=[
                (
                    [],
                    "The state dict is empty: it goes through the registry, "
                    "and finds no block there.",
                )
            ],
            what="names",
        )
    X = torch.tensor([[1.0, 2], [3, -4]])
    with case(
        "a second chain of such blocks that loads the state dict of the first",
        "`load_state_dict` looks for each name in the registry.",
    ):
        other = ListSequential(*_three_blocks())
        other.load_state_dict(net.state_dict())
        equal(
            call(other, X),
            call(net, X),
            "The two chains still differ. The blocks that are registered "
            "must be the ones that run.",
        )
    with case(f"{_THREE}, backward from the sum of the output"):
        call(net, X).sum().backward()
        holds(
            all(p.grad is not None for p in net.parameters()),
            "a gradient of each parameter",
            "none of some",
            _CUT_CHAIN,
        )
    cast = "`double` reaches what is registered: are the blocks that run?"
    with case(f"{_THREE}.double(), and X in double precision", cast):
        Y = call(net.double(), X.double())
        equal(Y.dtype, torch.double, cast)
    with case(f"printing {_THREE}"):
        _require_printed(ListSequential, _three_blocks())


def _same_objects(net: nn.Module, chain: nn.Module) -> None:
    """Require the very parameters of the blocks."""
    holds(
        all(map(operator.is_, net.parameters(), chain.parameters())),
        "the parameters of the blocks",
        "others, with the same shapes",
        "These are copies. Whoever trains or changes a block must find it "
        "in the chain: keep and register the blocks themselves.",
    )


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
    holds(
        not missing,
        "a line for each block, as MySequential has it",
        f"{show(net)}, without {', '.join(missing)}",
        (
            "Not all blocks are shown, and printing shows what is registered.",
            "Register every block itself, not only what has parameters, and "
            "also one that was registered before.",
        ),
    )


def _require_repeats(ListSequential: type[nn.Module]) -> None:
    """Require that a repeated block is there at each of its places."""
    X = torch.tensor([[1.0, 2], [3, -4]])
    with case(_FIVE):
        blocks = _five_places()
        net, chain = ListSequential(*blocks), MySequential(*blocks)
        equal(
            call(net, X),
            chain(X),
            "A block that stands there three times must run three times.",
            known=[
                (
                    blocks[1](blocks[0](X)),
                    "A repeated block has run once. Does `forward` walk "
                    "through `children()`, which gives each module once?",
                )
            ],
        )
        equal(
            _shapes(net),
            _shapes(chain),
            "One layer in three places has one weight and one bias. Here it "
            "was copied.",
            what="shapes of the parameters",
        )
    with case(f"state_dict() of {_FIVE}"):
        equal(
            list(net.state_dict()),
            list(chain.state_dict()),
            (
                "The repeated layer was registered once. `MySequential` "
                "names it at each of its places.",
                "Register in each round of the loop, also a block that was "
                "there before: the registry keeps names, and two names may "
                "hold one block.",
            ),
            what="names",
        )
    with case(f"printing {_FIVE}"):
        _require_printed(ListSequential, _five_places())


def _require_list_that_runs(ListSequential: type[nn.Module]) -> None:
    """Require a plain list of the blocks, from which they run."""
    X = torch.tensor([[1.0, 2], [3, -4]])
    with case(_FIVE):
        blocks = _five_places()
        net = ListSequential(*blocks)
        kept = [
            value
            for value in vars(net).values()
            if isinstance(value, (list, tuple))
            and all(any(b is v for v in value) for b in blocks)
        ]
        holds(
            kept,
            "an attribute that is a list of the blocks",
            "none",
            "The registry alone would do, but the exercise keeps the plain "
            "list: let an attribute hold it, and register each block as well.",
        )
        lists = [value for value in kept if isinstance(value, list)]
        holds(
            lists,
            "an attribute that is a list of the blocks",
            "a tuple",
            "The argument `*blocks` is a tuple. Make a list of it.",
        )
    with case(f"{_FIVE}, when each block in its list is changed to Identity"):
        for value in lists:
            value[:] = [
                nn.Identity() if isinstance(v, nn.Module) else v for v in value
            ]
        equal(
            call(net, X),
            X,
            (
                "The output stays as it was: the list is there, but "
                "`forward` doesn't use it.",
                "Let `forward` walk through the list.",
            ),
        )


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


@exercise(
    "1.2 Two nets side by side",
    "the output is that of both nets, the first one's in front",
    "the outputs are joined along the last dimension of two, and of three",
    "the parameters of both nets are found, and get gradients",
    "you know in what the two nets must agree",
)
def two_nets_side_by_side(Parallel: type[nn.Module], works: dict) -> None:
    _require_one_row(Parallel)
    _require_last_dimension(Parallel)
    net1, net2 = nn.Linear(2, 3), nn.Linear(2, 4)
    with case(_LINEARS):
        net = Parallel(net1, net2)
        both = nn.ModuleList((net1, net2))
        equal(
            sorted(_shapes(net)),
            sorted(_shapes(both)),
            "Each net has a weight and a bias. `parameters()` finds them if "
            "both nets are attributes of their own; in a plain list it sees "
            "nothing.",
            what="shapes of the parameters",
        )
        holds(
            set(net.parameters()) == set(both.parameters()),
            "the parameters of both nets",
            "others, with the same shapes",
            "These are copies. Whoever trains or loads a net must find it in "
            "the pair: keep the nets themselves.",
        )
    _require_graph_of_both(net, net1, net2)
    with case("Parallel(net, net), one nn.Linear(2, 3) twice, X = [[-1, 1]]"):
        X = torch.tensor([[-1.0, 1]])
        Y = net1(X)
        equal(
            call(Parallel(net1, net1), X),
            torch.cat((Y, Y), dim=-1),
            "The same net may stand on both sides. `children()` gives it "
            "once.",
        )
    predicted(
        works,
        _works_beside_a_linear(),
        {
            "nn.Linear(6, 5)": "The outputs have the shapes (4, 2, 3) and "
            "(4, 2, 5). Along which dimension may they differ?",
            "nn.Linear(5, 3)": "Both nets take the same `X`, with 6 features "
            "in its last dimension.",
            "nn.Flatten()": "`Flatten` returns the shape (4, 12), the other "
            "net (4, 2, 3). `cat` lets two shapes differ in one dimension.",
        },
    )


_PLAIN = "Parallel(nn.Identity(), nn.ReLU())"
_LINEARS = "Parallel(nn.Linear(2, 3), nn.Linear(2, 4))"


def _require_one_row(Parallel: type[nn.Module]) -> None:
    """Require both outputs in one row, and the hooks of the nets."""
    X = torch.tensor([[-1.0, 2]])
    with case(f"{_PLAIN}, X = [[-1, 2]]"):
        equal(
            call(Parallel(nn.Identity(), nn.ReLU()), X),
            torch.cat((X, F.relu(X)), dim=-1),
            (
                "This isn't the output of `net1`, and behind it, in the same "
                "row, that of `net2`.",
                "Give the same input to both nets, and join what they "
                "return: `torch.cat`.",
            ),
            known=[
                (
                    torch.cat((F.relu(X), X), dim=-1),
                    "The output of `net1` comes first.",
                ),
                (torch.cat((X, X), dim=-1), "This is `net1` twice."),
                (
                    (X, F.relu(X)),
                    "These are two tensors. Join them to one.",
                ),
                (
                    X + F.relu(X),
                    "The outputs are added here, not put side by side.",
                ),
                (
                    F.relu(X),
                    "One net's output is missing, or `net2` got the output "
                    "of `net1`. Both take the input, side by side.",
                ),
                (
                    torch.cat((X, F.relu(X))),
                    (
                        "These are joined along the first dimension: each "
                        "sample has become two.",
                        "Say along which dimension `cat` has to join: the "
                        "last is `dim=-1`.",
                    ),
                ),
                *(
                    (
                        torch.stack((X, F.relu(X)), dim),
                        "`stack` makes a new dimension. `cat` joins along "
                        "one that is there.",
                    )
                    for dim in range(3)
                ),
            ],
        )
    given = "Parallel(relu, nn.Identity()), with a hook on relu that adds 1"
    with case(f"{given}, X = [[1, 2]]"):
        X = torch.tensor([[1.0, 2]])
        equal(
            call(Parallel(_relu_and_one(), nn.Identity()), X),
            torch.cat((F.relu(X) + 1, X), dim=-1),
            "The hook was skipped: call the net itself, not its `forward`.",
        )


def _require_last_dimension(Parallel: type[nn.Module]) -> None:
    """Require that an input of three dimensions is joined along the last."""
    X = torch.tensor([[[-1.0, 2], [3, -4]]])
    shapes = (
        "X has three dimensions here, (1, 2, 2). What the nets return is to "
        "be joined as it is, to (1, 2, 4).",
        "Does something flatten it, or count on two dimensions?",
    )
    with case(f"{_PLAIN}, X = [[[-1, 2], [3, -4]]]", shapes):
        equal(
            call(Parallel(nn.Identity(), nn.ReLU()), X),
            torch.cat((X, F.relu(X)), dim=-1),
            shapes,
            known=[
                (
                    torch.cat((X, F.relu(X)), dim=1),
                    (
                        "With three dimensions, the last one isn't that with "
                        "number 1.",
                        "Counted from the end, the last dimension is `dim=-1` "
                        "in every shape.",
                    ),
                )
            ],
        )


def _require_graph_of_both(
    net: nn.Module, net1: nn.Module, net2: nn.Module
) -> None:
    """Require gradients of both nets, of different widths, and of X."""
    wide = "Each net takes X as it is, and may return more or fewer features."
    cut = (
        "Something cuts the graph between the input and the output: "
        "`detach`, `.data`, `no_grad`, or a new tensor made of the values."
    )
    with case(f"{_LINEARS}, X = [[-1, 1]]", wide):
        X = torch.tensor([[-1.0, 1]], requires_grad=True)
        expected = torch.cat((net1(X), net2(X)), dim=-1)
        (slopes,) = torch.autograd.grad(expected.sum(), X)
        Y = call(net, X)
        equal(Y, expected, wide)
        holds(Y.requires_grad, "an output with a graph", "none", cut)
        Y.sum().backward()
        missing = [n for n, p in net.named_parameters() if p.grad is None]
        holds(
            not missing,
            "a gradient of each parameter",
            f"none of {', '.join(missing)}",
            cut,
        )
        holds(X.grad is not None, "a gradient of X", "none", cut)
        equal(X.grad, slopes, cut, what="gradient of X")


def _works_beside_a_linear() -> dict[str, bool]:
    """Which nets give an output beside that of ``nn.Linear(6, 3)``."""
    X, truth = torch.ones(4, 2, 6), {}
    for name, net in {
        "nn.Linear(6, 5)": nn.Linear(6, 5),
        "nn.Linear(5, 3)": nn.Linear(5, 3),
        "nn.Flatten()": nn.Flatten(),
    }.items():
        try:
            torch.cat((nn.Linear(6, 3)(X), net(X)), dim=-1)
        except RuntimeError:
            truth[name] = False
        else:
            truth[name] = True
    return truth


class _Add(nn.Module):
    """Adds a number, its one parameter."""

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = nn.Parameter(torch.tensor(float(amount)))

    def forward(self, X: Tensor) -> Tensor:
        return X + self.amount


@exercise(
    "1.3 A factory",
    "repeat returns a module with n blocks",
    "they share no parameter, and each comes from a call of its own",
    "they run one after the other",
    "you know what a block, and copies of it, would give instead",
)
def factory(repeat: Callable, starts: dict) -> None:
    for n, amounts in {1: "1", 3: "1, 10 and 100"}.items():
        _require_blocks_of_calls(repeat, n, amounts)
    with case("n = 3, make_block = lambda: nn.Linear(2, 2)"):
        net = repeat(lambda: nn.Linear(2, 2), 3)
        equal(
            len(list(net.parameters())),
            6,
            "Each linear layer has a weight and a bias of its own. Here some "
            "are shared.",
            what="number of parameters",
        )
        weights = {str(p.tolist()) for p in net.parameters() if p.dim() == 2}
        equal(
            len(weights),
            3,
            "Each call draws its own numbers, unless the random generator is "
            "seeded before each.",
            what="number of different weights",
        )
    predicted(
        starts,
        _starts(),
        {
            "three calls": "Each call makes a linear layer: a weight and a "
            "bias, drawn anew.",
            "one block": "The chain has one layer in three places, and "
            "`parameters()` gives each tensor once.",
            "three deep copies": "A deep copy has tensors of its own, with "
            "the values of those it was copied from.",
        },
    )


def _require_blocks_of_calls(repeat: Callable, n: int, amounts: str) -> None:
    """Require a chain of n blocks, from as many calls."""
    calls = 0

    def make_block() -> nn.Module:
        nonlocal calls
        calls += 1
        return _Add(10 ** (calls - 1))

    make_block.__qualname__ = "make_block"  # as torch's errors show it
    with case(f"n = {n}, blocks that add {amounts}, X = [1000, -5000]"):
        net = _chained(repeat, make_block, n)
        values = [p.flatten().tolist() for p in net.parameters()]
        equal(
            len(values),
            n,
            "Each block has one parameter: count the blocks.",
            known=[
                (
                    0,
                    "The blocks aren't registered: `parameters()` sees "
                    "nothing."
                    if calls
                    else "There is no block: `make_block` wasn't called.",
                ),
                (
                    1,
                    "There is one parameter for all: the list holds one "
                    "block n times. Make a block for each place."
                    if calls == 1
                    else "The chain holds one of the blocks.",
                ),
            ],
            what="number of parameters",
        )
        holds(
            all(len(value) == 1 for value in values),
            "blocks that `make_block` has made",
            "others",
            "The chain has other blocks than those that `make_block` "
            "returns, which are of any kind.",
        )
        values = [value for (value,) in values]
        holds(
            len(set(values)) == n,
            "blocks that add different amounts",
            f"blocks that add {values}",
            "These are copies of one block. They share no parameter, but "
            "start alike: call `make_block` for each.",
        )
        equal(
            calls,
            n,
            "Each call makes a block, and n blocks are to be made. One that "
            "nobody uses still takes time and memory.",
            what="calls of make_block",
        )
        holds(
            type(net) is not nn.ModuleList,
            "a chain",
            "a ModuleList",
            "`nn.ModuleList` only holds modules: it has no forward "
            "computation. `nn.Sequential` has one.",
        )
        _require_sum_of_all(net, values)


def _chained(repeat: Callable, make_block: Callable, n: int) -> nn.Module:
    """The module that is made, or why none is."""
    try:
        net = repeat(make_block, n)
    except TypeError as error:
        if "Module" not in str(error):
            raise
        hint = (
            "The chain was given the function itself, which is no module.",
            "Call `make_block()` once for each block, and chain what it "
            "returns.",
        )
        if "make_block" not in str(error):
            hint = (
                "The chain was given all blocks as one argument. It takes "
                "each as an argument of its own.",
                "A star in front of a list makes an argument of each member: "
                "`f(*[1, 2])` is `f(1, 2)`.",
            )
        raise Wrong("no error", "", hint) from error
    holds(
        net is not None and net is not ...,
        "a module",
        show(net),
        "`repeat` returns nothing.",
    )
    holds(
        isinstance(net, nn.Module),
        "a module",
        f"a {type(net).__name__}",
        "This is no module: it has no forward computation and no parameters. "
        "Put the blocks into a chain, such as `nn.Sequential`.",
    )
    return net


def _require_sum_of_all(net: nn.Module, values: list[float]) -> None:
    """Require that each block runs once, and learns."""
    X = torch.tensor([1000.0, -5000])
    Y = call(net, X)
    equal(
        Y,
        X + sum(values),
        (
            "These aren't the numbers that the blocks give one after the "
            "other. They add, and nothing else is to change the numbers.",
            "Each block takes what the one before it returns, and the chain "
            "returns what the last one does.",
        ),
    )
    graph = "Something between the blocks cuts the graph, such as "
    graph += "`detach` or `no_grad`: blocks before it can't learn."
    holds(Y.requires_grad, "an output with a graph", "none", graph)
    Y.sum().backward()
    reached = sum(p.grad is not None for p in net.parameters())
    equal(reached, len(values), graph, what="parameters with a gradient")


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
    # By the number of its elements: a reader's matrix may be transposed.
    values = {12: 1.0, 3: 0.25, 6: -2.0, 2: 0.5}
    W1, b1 = torch.full((3, 4), values[12]), torch.full((3,), values[3])
    W2, b2 = torch.full((2, 3), values[6]), torch.full((2,), values[2])
    X = torch.tensor([[1.0, 0, 0, 0], [0, -2, 0, 0]])
    names = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}

    def output(act: Callable) -> Tensor:
        return act(X @ W1.T + b1) @ W2.T + b2

    for name, act in names.items():
        with case(f"ActivationMLP(4, 3, 2, {name!r})"):
            net = ActivationMLP(4, 3, 2, activation=name)
            call(net, X)  # a lazy layer makes its weights now
            equal(
                sorted(p.numel() for p in net.parameters()),
                sorted(values),
                "As in `MLP`, two linear layers have a weight and a bias "
                "each: tensors of 12, 3, 6 and 2 elements.",
                known=[
                    (
                        [],
                        "No parameter is found. `__init__` assigns both "
                        "layers to attributes; a plain list hides them.",
                    )
                ],
                what="elements of the parameters",
            )
            with torch.no_grad():
                for p in net.parameters():
                    p.fill_(values[p.numel()])
        given = f"{name!r}, all weights 1 in the first layer and -2 in the "
        given += "second, biases 0.25 and 0.5, "
        with case(given + "X = [[1, 0, 0, 0], [0, -2, 0, 0]]"):
            equal(
                call(net, X),
                output(act),
                (
                    f"Two linear layers with `{name!r}` between them give "
                    "other numbers.",
                    "Is it another activation, or does more than the layers "
                    "and the activation run?",
                ),
                known=[
                    (
                        act(output(act)),
                        "The activation runs behind the last layer too. "
                        "Scores may be any numbers: leave them as they are.",
                    ),
                    (
                        act(output(nn.Identity())),
                        "The activation stands behind the last layer. It "
                        "belongs between the two.",
                    ),
                    (
                        output(nn.Identity()),
                        "No activation has run: two linear layers in a row "
                        "are one linear map.",
                    ),
                    *(
                        (output(a), f"This is the output with `{other!r}`.")
                        for other, a in names.items()
                    ),
                ],
                rtol=1e-2,  # also for the approximations of gelu
            )
    _require_refusals(ActivationMLP, names)
    predicted(
        must_register,
        {
            name: bool(act.state_dict())
            for name, act in {
                "nn.ReLU": nn.ReLU(),
                "nn.Tanh": nn.Tanh(),
                "nn.GELU": nn.GELU(),
                "nn.PReLU": nn.PReLU(),
            }.items()
        },
        {
            **dict.fromkeys(
                ("nn.ReLU", "nn.Tanh", "nn.GELU"),
                "What must be registered has tensors that are trained, saved "
                "or moved. Look at the state dict of this one.",
            ),
            "nn.PReLU": "Look at its parameters: it learns the slope for "
            "negative inputs.",
        },
    )


def _require_refusals(
    ActivationMLP: type[nn.Module], names: Iterable[str]
) -> None:
    """Require that other names are refused, with the right ones told."""
    # One of torch's, one of nobody's, and two that are nearly "relu".
    for name in ("sigmoid", "swish", "elu", "relu6"):

        def make(name: str = name) -> nn.Module:
            return ActivationMLP(4, 3, 2, activation=name)

        with case(f"ActivationMLP(4, 3, 2, {name!r})"):
            raises(
                Exception,
                make,
                hint=(
                    "The module is made, though this name is none of the "
                    "three.",
                    "Let `__init__` refuse any name but the three: whoever "
                    "mistypes one sees it at once.",
                ),
            )
            raises(
                Exception,
                make,
                hint="The message is to list the three names: whoever "
                "mistypes one sees what there is.",
                says=names,
            )


@exercise(
    "1.5 Read a tree",
    "your names are those of the ten parameters",
    "your shapes are those of the ten parameters",
)
def read_a_tree(shapes: dict) -> None:
    net = MySequential(NestMLP(), MySequential(MLP(16, 8, 4), nn.ReLU()))
    truth = {name: tuple(p.shape) for name, p in net.named_parameters()}
    with case("the names that you typed"):
        strange = [name for name in shapes if name not in truth]
        holds(not strange, "names in the state dict", *_about(strange, truth))
        equal(
            len(shapes),
            len(truth),
            (
                "Some parameters are missing.",
                "Every linear layer has a weight and a bias. `NestMLP` has "
                "three of these layers, `MLP` two.",
            ),
            what="number of names",
        )
    for name, shape in truth.items():
        with asked(f"your shape of {name}"):
            _require_shape(shapes[name], shape)


def _require_shape(typed: object, shape: tuple[int, ...]) -> None:
    """Require the shape of one parameter."""
    holds(
        not isinstance(typed, Tensor),
        "",
        show(typed),
        "This is a tensor. Its shape is asked for, as a tuple.",
    )
    known = [
        (
            shape[::-1],
            "`nn.Linear(n, m)` keeps its weight as (m, n): one row for each "
            "output.",
        ),
        (math.prod(shape), "This is the number of its elements."),
    ]
    if len(shape) == 1:
        known = [
            (
                shape[0],
                "Parentheses alone don't make a tuple. A shape of one "
                "dimension is written with a comma: `(4,)`.",
            ),
            ((*shape, 1), "A bias has one dimension."),
            ((1, *shape), "A bias has one dimension."),
        ]
    equal(
        typed,
        shape,
        (
            "Which features come into this layer, and which go out?",
            "Follow the features through the net: 20 to 64, 32 and 16 in "
            "`NestMLP`, then to 8 and 4. A bias has one number for each "
            "output.",
        ),
        known,
    )


def _about(strange: list, truth: dict) -> tuple[str, str]:
    """The first strange name, and a hint about it."""
    name = str(strange[0]) if strange else ""
    module = name.rpartition(".")[0]
    hint = (
        "A name is the path from the root: the number or the attribute of "
        "each module on the way, then `weight` or `bias`, with dots between."
    )
    if any(t.endswith("." + name) for t in truth):
        hint = (
            "A name begins at the root of the tree. The path to this "
            "parameter has more modules in front."
        )
    elif module in ("0.net.1", "0.net.3", "1.1"):
        hint = (
            "In this place of the chain is a ReLU. It takes a number, as "
            "each module does, but it has no parameters."
        )
    return repr(name), hint


KINDS_OF_HOOKS = (
    "forward_hooks",
    "forward_pre_hooks",
    "backward_hooks",
    "backward_pre_hooks",
)


@contextmanager
def _global_hooks_kept() -> Iterator[None]:
    """Take off the hooks that are put on all modules inside."""
    kept = [getattr(module, f"_global_{kind}") for kind in KINDS_OF_HOOKS]
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
    _require_sizes_of_outputs(measure)
    _require_every_leaf(measure)
    _require_net_left_alone(measure)


def _pairs(*outputs: Tensor) -> list:
    return [(tuple(Y.shape), Y.abs().mean().item()) for Y in outputs]


def _require_sizes_of_outputs(measure: Callable) -> None:
    """Require the pairs of two layers in a row."""
    X = torch.tensor([[-4, 0.5]])
    cut = X.clamp(-1, 1)
    outputs = cut, F.relu(cut)
    given = "Sequential(Hardtanh(), ReLU()), X = [[-4, 0.5]]; Hardtanh cuts "
    with case(
        given + "to between -1 and 1",
        known=[
            (
                "must be Tensor",
                (
                    "A layer gets something else than the output of the layer "
                    "before it.",
                    "What a hook returns takes the place of the output. Let "
                    "it return nothing.",
                ),
            ),
            (
                "positional argument",
                "A forward hook is called with three arguments: the module, "
                "its inputs and its output.",
            ),
        ],
    ):
        _measures(
            measure,
            nn.Sequential(nn.Hardtanh(), nn.ReLU()),
            X,
            _pairs(*outputs),
            known=[
                ([], "Nothing was measured: run `net(X)`, which runs hooks."),
                (
                    [((1, 2), Y.mean().item()) for Y in outputs],
                    "This is the mean. Values of both signs cancel in it: "
                    "take the absolute values first.",
                ),
                (
                    [((1, 2), abs(Y.mean().item())) for Y in outputs],
                    "This is the absolute value of the mean. Values of both "
                    "signs cancel in a mean: take the absolute values first.",
                ),
                (
                    [((1, 2), Y.abs().sum().item()) for Y in outputs],
                    "This is the sum of the absolute values, not the mean.",
                ),
                (
                    _pairs(*outputs, outputs[-1]),
                    "The last pair is that of the `Sequential`. It has "
                    "children: leave it out.",
                ),
                (
                    _pairs(*outputs) * 2,
                    "Each layer is measured twice. Run the net once, and "
                    "register the hook once on each layer.",
                ),
                (
                    _pairs(X, cut),
                    "These are the inputs. A forward hook gets the module, "
                    "its inputs and its output, in this order.",
                ),
                (
                    _pairs(cut.abs(), cut.abs()),
                    "The hook has changed the net: what a hook returns takes "
                    "the place of the output. Let it return nothing.",
                ),
            ],
        )


def _require_every_leaf(measure: Callable) -> None:
    """Require that layers are found at any depth, and each time they run."""
    X = torch.tensor([[-1.0, 3]])
    inner = "Sequential(ReLU(), Identity())"
    given = f"Sequential(Flatten(), Sequential(Identity(), {inner}))"
    with case(f"{given}, X = [[[-1, 3]]]"):
        net = nn.Sequential(nn.ReLU(), nn.Identity())
        net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Identity(), net))
        down = (
            "`children()` goes one level down. `modules()` goes to the leaves "
            "of the tree."
        )
        _measures(
            measure,
            net,
            X[None],
            _pairs(X, X, F.relu(X), F.relu(X)),
            known=[
                (_pairs(X), down),
                (_pairs(X, F.relu(X)), down),
            ],
        )
    given = "Sequential(relu, Hardtanh(), relu), one ReLU in two places"
    with case(f"{given}, X = [[-1, 3]]"):
        relu = nn.ReLU()
        Y = relu(X)
        Z = Y.clamp(-1, 1)
        _measures(
            measure,
            nn.Sequential(relu, nn.Hardtanh(), relu),
            X,
            _pairs(Y, Z, Z),
            known=[
                (
                    _pairs(Z, Z),
                    "The ReLU runs twice, and the second pair has replaced "
                    "the first. Keep what the hook measures in a list.",
                ),
                (
                    _pairs(Y, Y, Z, Z, Z),
                    "The ReLU stands in two places, and has the hook twice. "
                    "Register it once on each module.",
                ),
            ],
        )
    given = "Sequential(Identity(), ReLU(inplace=True)), X = [[-1, 3]]"
    with case(given):
        _measures(
            measure,
            nn.Sequential(nn.Identity(), nn.ReLU(inplace=True)),
            X,
            _pairs(X, F.relu(X)),
            known=[
                (
                    _pairs(F.relu(X), F.relu(X)),
                    (
                        "The ReLU has written into the output of the layer "
                        "before: the first pair comes too late.",
                        "Take the mean in the hook, while the values are "
                        "there.",
                    ),
                )
            ],
        )
    with case("ReLU(), a net that is a single layer, X = [[-1, 3]]"):
        _measures(
            measure,
            nn.ReLU().eval(),
            X,
            _pairs(F.relu(X)),
            known=[
                (
                    [],
                    (
                        "This net has no children: it is the layer to "
                        "measure.",
                        "`modules()` begins with the net itself. Call it as "
                        "`net(X)`, since `net.forward(X)` skips its hooks.",
                    ),
                )
            ],
        )
    given = "Sequential(Dropout(1.0)) in training, where it returns zeros"
    with case(f"{given}, X = [[-1, 3]]"):
        net = nn.Sequential(nn.Dropout(1.0))
        _measures(
            measure,
            net,
            X,
            _pairs(torch.zeros_like(X)),
            known=[
                (
                    _pairs(X),
                    "The net was measured in another mode than it is in.",
                )
            ],
        )


def _require_net_left_alone(measure: Callable) -> None:
    """Require that hooks of others stay, and the own ones never do."""
    X = torch.tensor([[-1.0, 3]])
    given = "Sequential(ReLU(), Identity()), with a hook on the ReLU"
    with case(given):
        net = nn.Sequential(nn.ReLU(), nn.Identity())
        net[0].register_forward_hook(lambda *_: None)
        before = _hooks_and_modes(net)
        measure(net, X.clone())
        _left_alone(net, before)
    given = "Sequential(ReLU(), Linear(9, 1)), whose run raises an error"
    with case(given):
        net = nn.Sequential(nn.ReLU(), nn.Linear(9, 1))
        before = _hooks_and_modes(net)
        with suppress(Exception):
            measure(net, X.clone())
        _left_alone(net, before)


def _measures(
    measure: Callable,
    net: nn.Module,
    X: Tensor,
    expected: list,
    known: Iterable[tuple[object, Hint]] = (),
) -> None:
    """Require that a net is measured, and left as it was."""
    before = _hooks_and_modes(net)
    got = measure(net, X.clone())
    holds(
        isinstance(got, (list, tuple)),
        "a list of pairs",
        show(got),
        "Return a list of pairs, in the order of the run."
        if got is not None
        else "Nothing is returned. `measure` returns a list of pairs.",
    )
    holds(
        all(isinstance(p, (list, tuple)) and len(p) == 2 for p in got),
        "a list of pairs",
        show(got),
        "Each member of the list is a pair: the shape of the output as a "
        "tuple, and the mean of its absolute values as a number.",
    )
    known, hint = list(known), "Measure every module without children, "
    hint += "however deep it is, each time that it runs."
    if len(got) == len(expected):
        hint = (
            "The means aren't those of the absolute values of the outputs, "
            "in the order of the run."
            if all(
                same(p[0], q[0], RTOL, ATOL)
                for p, q in zip(got, expected, strict=True)
            )
            else "The shapes aren't those of the outputs, from the batch "
            "dimension to the last, or not in the order of the run."
        )
    elif (
        len(got) > len(expected)
        and not any(same(got, value, RTOL, ATOL) for value, _ in known)
        and same(got[-len(expected) :], expected, RTOL, ATOL)
    ):
        old = (
            "The last pairs are right. Those in front are from an earlier "
            "call: make a new list in each call. A default value, as in "
            "`found=[]`, is made only once."
        )
        known.append((got, old))
    equal(got, expected, hint, known)
    _left_alone(net, before)


def _hooks_and_modes(net: nn.Module) -> tuple[set, list[bool]]:
    """The hooks on a net and on all modules, and the modes of its modules."""
    owners = [(module, "_global")]
    owners += [(part, "") for part in net.modules()]
    hooks = {
        (i, kind, key, id(hook))
        for i, (owner, prefix) in enumerate(owners)
        for kind in KINDS_OF_HOOKS
        for key, hook in getattr(owner, f"{prefix}_{kind}").items()
    }
    return hooks, [part.training for part in net.modules()]


def _left_alone(net: nn.Module, before: tuple[set, list[bool]]) -> None:
    """Require that a net has the hooks and the modes that it had before."""
    (old, old_modes), (new, modes) = before, _hooks_and_modes(net)
    holds(
        old <= new,
        "the hook that was there",
        "it is gone",
        "This removes hooks of others too. Each `register_forward_hook` "
        "returns a handle: `handle.remove()` takes off that one hook.",
    )
    holds(
        new <= old,
        "no new hook on the net",
        f"{len(new - old)} left",
        "A hook that stays runs at every later call. Remove each by its "
        "handle, in a `finally`, which runs after an error too.",
    )
    equal(
        modes,
        old_modes,
        "The net is in another mode than before: `eval` and `train` last "
        "after the call. To measure, a net needs neither.",
        what="training of each module",
    )


@exercise(
    "1.7 Count the rounds",
    "rounds is the number of halvings in the last call",
    "the output is that of FixedHiddenMLP, and has a graph",
    "you know how the number grows with the scale of the input",
)
def count_the_rounds(CountingMLP: type[nn.Module], added: dict) -> None:
    with case("CountingMLP(2)"):
        net, reference = CountingMLP(2), FixedHiddenMLP(2)
        for kind in ("parameters", "buffers"):
            shapes = [
                sorted(tuple(p.shape) for p in getattr(n, kind)() if p.dim())
                for n in (net, reference)
            ]
            equal(
                *shapes,
                "Keep the parts of `FixedHiddenMLP`: a linear layer from "
                "num_features to num_features, and a buffer of that size.",
                what=f"shapes of the {kind}",
            )
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
    for diagonal, rows in cases:
        _require_output_of_reference(net, reference, diagonal, rows)
    for diagonal, rows in cases:
        _require_rounds(net, reference, diagonal, rows)
    with case("two nets, of which one is called after the other"):
        X = torch.tensor([[7.0, 0]])
        _set_weights((net, reference), (1, 1))
        call(net, X)
        rounds = _rounds(reference, X)
        other = CountingMLP(2)
        _set_weights((other,), (1, 1))
        call(other, torch.tensor([[-3.0, 1]]))
        equal(
            net.rounds,
            rounds,
            "The call of the second has changed the count of the first. "
            "Assign it to `self.rounds`, not to the class.",
            what="rounds of the first",
        )
    predicted(
        added,
        _rounds_added(),
        {
            2: "One round halves the sum, and so undoes one doubling.",
            1024: "How often is 1024 to be halved until 1 is left?",
            "1024, all zero": "What is left of the scale behind a ReLU that "
            "returns zeros? Then `linear` returns its bias.",
        },
    )


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


def _given(diagonal: tuple[int, int], rows: list) -> str:
    weight = torch.tensor(diagonal).diag().tolist()
    return f"weight {weight}, bias 0, rand_weight [[1, 1], [0, 1]], X = {rows}"


def _require_output_of_reference(
    net: nn.Module, reference: nn.Module, diagonal: tuple, rows: list
) -> None:
    """Require the output of ``FixedHiddenMLP``."""
    X = torch.tensor(rows).float()
    with case(_given(diagonal, rows)):
        _set_weights((net, reference), diagonal)
        equal(
            call(net, X),
            reference(X),
            (
                "The output is to stay that of `FixedHiddenMLP`.",
                "Compare the two `forward`, line by line. The loop runs "
                "while the absolute values sum to more than 1.",
            ),
        )


def _require_rounds(
    net: nn.Module, reference: nn.Module, diagonal: tuple, rows: list
) -> None:
    """Require the number of rounds, and that gradients pass."""
    X = torch.tensor(rows).float()
    with case(_given(diagonal, rows)):
        _set_weights((net, reference), diagonal)
        total = getattr(net, "rounds", 0)
        Y = call(net, X)
        graph = "Only the count leaves the graph: the values that are "
        graph += "halved must stay in it."
        holds(Y.requires_grad, "an output with a graph", "none", graph)
        Y.backward()
        reference(X).backward()
        gradients, truth = (
            {p.dim(): p.grad for p in n.parameters()} for n in (net, reference)
        )
        for dim, name in {2: "weight", 1: "bias"}.items():
            what = f"gradient of the {name}"
            equal(gradients[dim], truth[dim], graph, what=what)
        holds(
            hasattr(net, "rounds"),
            "an attribute rounds",
            "none",
            "Assign the count to `self.rounds`. A local variable ends "
            "with the call.",
        )
        rounds = _rounds(reference, X)
        known = [
            (
                rounds + 1,
                "This is one too many: the condition of the loop is tested "
                "once more than the values are halved.",
            )
        ]
        if isinstance(total, int):
            known.append(
                (
                    total + rounds,
                    "The count goes on from the last call. `forward` must "
                    "begin at 0.",
                )
            )
        holds(
            isinstance(net.rounds, (Number, Tensor)),
            "a number of rounds",
            show(net.rounds),
            "`rounds` is to be a number.",
        )
        equal(
            net.rounds,
            rounds,
            "Add 1 each time the values are halved, and at no other time.",
            known,
            what="rounds",
        )


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
