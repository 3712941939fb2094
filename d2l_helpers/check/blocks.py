"""The checks of chapter 01, Build networks from blocks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module

from ..blocks import MLP, FixedHiddenMLP, MySequential, NestMLP
from ._compare import (
    ATOL,
    RTOL,
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
from ._report import show


@exercise(
    "1.1 A chain over a list",
    "you know what a chain over a plain list loses",
    "yours gives what nn.Sequential gives, also for a repeated block",
    "parameters, state dict, data type and printing reach its blocks",
    "it keeps the blocks in a plain list",
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

    def parts() -> list[nn.Module]:
        return [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)]

    X = torch.tensor([[1.0, 2], [3, -4]])
    with case("ListSequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))"):
        blocks = parts()
        first, expected = blocks[0](X), nn.Sequential(*blocks)(X)
        net = ListSequential(*blocks)
        equal(
            call(net, X),
            expected,
            "Each block takes what the one before it returns, in the order "
            "of the arguments.",
            known=[
                (
                    first,
                    "Only the first block has run: `return` stands inside "
                    "the loop.",
                )
            ],
        )
        equal(
            [tuple(p.shape) for p in net.parameters()],
            [tuple(p.shape) for block in blocks for p in block.parameters()],
            "Each of the two linear layers has a weight and a bias, and "
            "every block must be registered, in order.",
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
        )
    hint = "The blocks that are registered must be the ones that run."
    with case("a second chain that loads the state dict of the first", hint):
        other = ListSequential(*parts())
        other.load_state_dict(net.state_dict())
        equal(call(other, X), call(net, X), hint)
    with case("the chain after double(), and X in double precision", hint):
        equal(call(net.double(), X.double()).dtype, torch.double, hint)
    with case("printing the chain"):
        net = ListSequential(*parts())
        # With the parenthesis: names may hold the word, too.
        shown = [repr(net).count(kind) for kind in ("Linear(", "ReLU(")]
        holds(
            shown[0] >= 2 and shown[1] >= 1,
            "a text that names the three blocks",
            show(net),
            "Printing shows registered modules. Register every block itself, "
            "not only what has parameters.",
        )
    with case("layer, relu, layer, relu, layer"):
        layer, relu = nn.Linear(2, 2), nn.ReLU()
        blocks = [layer, relu, layer, relu, layer]
        once, expected = relu(layer(X)), nn.Sequential(*blocks)(X)
        net = ListSequential(*blocks)
        equal(
            call(net, X),
            expected,
            "A block that stands there three times must run three times.",
            known=[
                (
                    once,
                    "`children()` gives a repeated block once. The list has "
                    "it each time.",
                )
            ],
        )
        lists = [v for v in vars(net).values() if isinstance(v, (list, tuple))]
        holds(
            any(all(b in kept for b in blocks) for kept in lists),
            "an attribute that is a list of the blocks",
            "none",
            "The registry alone would do, but the exercise keeps the plain "
            "list: let an attribute hold it, and register each block as well.",
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
    with case("Parallel(nn.Identity(), nn.ReLU()), X = [[-1, 2]]"):
        X = torch.tensor([[-1.0, 2]])
        equal(
            call(Parallel(nn.Identity(), nn.ReLU()), X),
            torch.cat((X, F.relu(X)), dim=-1),
            "Give the same input to both nets, and put their outputs into "
            "one row: `torch.cat`.",
            known=[
                (
                    torch.cat((F.relu(X), X), dim=-1),
                    "The output of `net1` comes first.",
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
                    "These are joined along the first dimension: each sample "
                    "has become two. Give `dim=-1`.",
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
    hint = (
        "The last dimension is `dim=-1`. That is `dim=1` only for an input of "
        "two dimensions."
    )
    with case("the same nets, X = [[[-1, 2], [3, -4]]]", hint):
        X = torch.tensor([[[-1.0, 2], [3, -4]]])
        equal(
            call(Parallel(nn.Identity(), nn.ReLU()), X),
            torch.cat((X, F.relu(X)), dim=-1),
            hint,
        )
    with case("Parallel(nn.Linear(2, 3), nn.Linear(2, 4))"):
        net1, net2 = nn.Linear(2, 3), nn.Linear(2, 4)
        net = Parallel(net1, net2)
        equal(
            sorted(tuple(p.shape) for p in net.parameters()),
            sorted(
                tuple(p.shape) for n in (net1, net2) for p in [*n.parameters()]
            ),
            "Each net has a weight and a bias. `parameters()` finds them if "
            "both nets are attributes of their own; in a plain list it sees "
            "nothing.",
        )
    wide = "Each net takes X as it is, and may return more or fewer features."
    cut = (
        "Something cuts the graph between the input and the output: "
        "`detach`, `.data`, `no_grad`, or a new tensor made of the values."
    )
    with case("the same two nets, X = [[-1, 1]]", wide):
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
        equal(X.grad, slopes, cut)
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
        blocks = 0

        def make_block() -> nn.Module:
            nonlocal blocks
            blocks += 1
            return _Add(10 ** (blocks - 1))

        hint = (
            "Call `make_block()` once for each block, and chain what it "
            "returns: the function itself is no module."
        )
        with case(f"n = {n}, blocks that add {amounts}, X = 1000", hint):
            net = repeat(make_block, n)
            holds(
                isinstance(net, nn.Module),
                "a module",
                type(net).__name__,
                "A list has no forward computation and no parameters. Put "
                "the blocks into a chain, such as `nn.Sequential`.",
            )
            values = sorted(p.item() for p in net.parameters())
            equal(
                len(values),
                n,
                "Each block has one parameter: count the blocks.",
                known=[
                    (
                        0,
                        "The blocks aren't registered: `parameters()` sees "
                        "nothing.",
                    ),
                    (
                        1,
                        "There is one parameter for all: the list holds one "
                        "block n times. Make a block for each place.",
                    ),
                ],
            )
            holds(
                len(set(values)) == n,
                "blocks that add different amounts",
                f"blocks that add {values}",
                "These are copies of one block. They share no parameter, but "
                "start alike: call `make_block` for each.",
            )
            holds(
                type(net) is not nn.ModuleList,
                "a chain",
                "a ModuleList",
                "`nn.ModuleList` only holds modules: it has no forward "
                "computation. `nn.Sequential` has one.",
            )
            Y = call(net, torch.tensor([1000.0]))
            equal(
                Y,
                torch.tensor([1000.0 + sum(values)]),
                "Each block takes what the one before it returns, and the "
                "chain returns what the last one does.",
            )
            graph = "Something between the blocks cuts the graph, such as "
            graph += "`detach` or `no_grad`: blocks before it can't learn."
            holds(Y.requires_grad, "an output with a graph", "none", graph)
            Y.backward()
            reached = sum(p.grad is not None for p in net.parameters())
            equal(reached, n, graph)
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
                "each, and `__init__` assigns them to attributes. Here the "
                "four tensors have 12, 3, 6 and 2 elements.",
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
                "The activation stands between the two linear layers.",
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
    # One of torch's, one of nobody's, and two that are nearly "relu".
    for name in ("sigmoid", "swish", "elu", "relu6"):
        with case(f"ActivationMLP(4, 3, 2, {name!r})"):
            raises(
                Exception,
                lambda name=name: ActivationMLP(4, 3, 2, activation=name),
                hint="Let `__init__` refuse any name but the three, and say "
                "in the message which there are: whoever mistypes one sees "
                "it at once.",
                says=names,
            )
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
            "Every linear layer has a weight and a bias. `NestMLP` has three "
            "of these layers, `MLP` two.",
        )
    for name, shape in truth.items():
        with asked(f"your shape of {name}"):
            known = [
                (
                    shape[::-1],
                    "`nn.Linear(n, m)` keeps its weight as (m, n): one row "
                    "for each output.",
                )
            ]
            if len(shape) == 1:
                known = [
                    (
                        shape[0],
                        "Parentheses alone don't make a tuple. A shape of "
                        "one dimension is written with a comma: `(4,)`.",
                    )
                ]
            equal(
                shapes[name],
                shape,
                "Follow the features through the net: 20 to 64, 32 and 16 in "
                "`NestMLP`, then to 8 and 4. A bias has one number for each "
                "output.",
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
    X = torch.tensor([[-1.0, 3]])

    def pairs(*outputs: Tensor) -> list:
        return [(tuple(Y.shape), Y.abs().mean().item()) for Y in outputs]

    hint = (
        "Return a list of pairs, in the order of the run: the shape as a "
        "tuple, the mean of the absolute values as a number. The hook itself "
        "returns nothing."
    )
    given = "Sequential(Hardtanh(), ReLU()), X = [[-1, 3]]; Hardtanh cuts "
    with case(given + "to between -1 and 1", hint):
        cut = X.clamp(-1, 1)
        _measures(
            measure,
            nn.Sequential(nn.Hardtanh(), nn.ReLU()),
            X,
            pairs(cut, F.relu(cut)),
            hint,
            known=[
                ([], "Nothing was measured: run `net(X)`, which runs hooks."),
                (
                    [((1, 2), Y.mean().item()) for Y in (cut, F.relu(cut))],
                    "This is the mean. Values of both signs cancel in it: "
                    "take the absolute values first.",
                ),
                (
                    pairs(cut, F.relu(cut), F.relu(cut)),
                    "The last pair is that of the `Sequential`. It has "
                    "children: leave it out.",
                ),
                (
                    pairs(X, cut),
                    "These are the inputs. A forward hook gets the module, "
                    "its inputs and its output, in this order.",
                ),
                (
                    pairs(cut.abs(), cut.abs()),
                    "The hook has changed the net: what a hook returns takes "
                    "the place of the output. Let it return nothing.",
                ),
            ],
        )
    inner = "Sequential(ReLU(), Identity())"
    given = f"Sequential(Flatten(), Sequential(Identity(), {inner}))"
    with case(given):
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
            pairs(X, X, F.relu(X), F.relu(X)),
            "Measure every module without children, however deep it is.",
            known=[
                (pairs(X), down),
                (pairs(X, F.relu(X)), down),
            ],
        )
    given = "Sequential(relu, Hardtanh(), relu), one ReLU in two places"
    with case(given):
        relu = nn.ReLU()
        Y = relu(X)
        _measures(
            measure,
            nn.Sequential(relu, nn.Hardtanh(), relu),
            X,
            pairs(Y, Y.clamp(-1, 1), Y.clamp(-1, 1)),
            "A hook runs each time its module runs. Keep what it measures in "
            "a list, and register it once on each module.",
        )
    given = "Sequential(Identity(), ReLU(inplace=True)), X = [[-1, 3]]"
    with case(given):
        _measures(
            measure,
            nn.Sequential(nn.Identity(), nn.ReLU(inplace=True)),
            X,
            pairs(X, F.relu(X)),
            hint,
            known=[
                (
                    pairs(F.relu(X), F.relu(X)),
                    "The ReLU has written into the output of the layer "
                    "before. Take the mean in the hook, while the values "
                    "are there.",
                )
            ],
        )
    with case("ReLU(), a net that is a single layer"):
        _measures(
            measure,
            nn.ReLU().eval(),
            X,
            pairs(F.relu(X)),
            "`modules()` begins with the net itself, which may have no "
            "children.",
        )
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
    hint: str,
    known: Iterable[tuple[object, str]] = (),
) -> None:
    """Require that a net is measured, and left as it was."""
    before = _hooks_and_modes(net)
    got = measure(net, X.clone())
    known = list(known)
    if (
        isinstance(got, (list, tuple))
        and len(got) > len(expected)
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
    )


@exercise(
    "1.7 Count the rounds",
    "rounds is the number of halvings in the last call",
    "the output is that of FixedHiddenMLP, and has a graph",
    "you know how the number grows with the scale of the input",
)
def count_the_rounds(CountingMLP: type[nn.Module], added: dict) -> None:
    with case("CountingMLP(2)"):
        net = CountingMLP(2)
        reference = FixedHiddenMLP(2)
        for kind in ("parameters", "buffers"):
            shapes = [
                sorted(tuple(p.shape) for p in getattr(n, kind)() if p.dim())
                for n in (net, reference)
            ]
            equal(
                *shapes,
                "Keep the parts of `FixedHiddenMLP`: a linear layer from "
                "num_features to num_features, and a buffer of that size.",
            )
    R = torch.tensor([[1.0, 1], [0, 1]])
    # The sum, its size, the norm and the largest value are to tell apart.
    for diagonal, rows in (
        ((1, 1), [[-3, 1]]),
        ((1, 1), [[1, 0]]),
        ((1, 1), [[2, -1]]),
        ((1, 1), [[7, 0]]),
        ((1, 1), [[1, 0]]),
        ((-1, -1), [[-1, 0]]),
        ((1, -1), [[1, 1]]),
        ((1, 1), [[1, 0], [2, -1]]),
    ):
        X = torch.tensor(rows).float()
        weight = torch.tensor(diagonal).diag()
        given = f"weight {weight.tolist()}, bias 0, rand_weight "
        given += f"[[1, 1], [0, 1]], X = {rows}"
        with case(given):
            total = getattr(net, "rounds", 0)
            for n in (net, reference):
                n.zero_grad()
                with torch.no_grad():
                    for p in n.parameters():
                        p.copy_(weight if p.dim() == 2 else torch.zeros(2))
                    for b in n.buffers():
                        if b.dim() == 2:
                            b.copy_(R)
            Y, expected = call(net, X), reference(X)
            equal(
                Y,
                expected,
                "The output is to stay that of `FixedHiddenMLP`.",
            )
            graph = "Only the count leaves the graph: the values that are "
            graph += "halved must stay in it."
            holds(Y.requires_grad, "an output with a graph", "none", graph)
            Y.backward()
            expected.backward()
            gradients, truth = (
                {tuple(p.shape): p.grad for p in n.parameters()}
                for n in (net, reference)
            )
            equal(gradients, truth, graph)
            holds(
                hasattr(net, "rounds"),
                "an attribute rounds",
                "none",
                "Assign the count to `self.rounds`. A local variable ends "
                "with the call.",
            )
            rounds = _rounds(reference, X)
            equal(
                net.rounds,
                rounds,
                "Add 1 each time the values are halved, and at no other time.",
                known=[
                    (
                        rounds + 1,
                        "This is one too many: the condition of the loop is "
                        "tested once more than the values are halved.",
                    ),
                ]
                + [
                    (
                        total + rounds,
                        "The count goes on from the last call. `forward` "
                        "must begin at 0.",
                    )
                ]
                * isinstance(total, int),
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
