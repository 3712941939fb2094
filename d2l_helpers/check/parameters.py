"""The checks of chapter 02, Reach, initialize and share parameters."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from ..blocks import FixedHiddenMLP, NestMLP
from ._compare import (
    Wrong,
    asked,
    call,
    case,
    equal,
    holds,
    predicted,
    same,
)
from ._exercise import exercise
from ._hints import Hint
from ._report import show


def _listed(answer: object) -> object:
    """What a function returned, as a list if it can be one."""
    if isinstance(answer, Iterable) and not isinstance(answer, (str, Tensor)):
        return list(answer)
    return answer


def _named(answer: object, net: nn.Module) -> object:
    """The parameters in a list by their names, and what else is in it."""
    names = {id(p): name for name, p in net.named_parameters()}
    places = {p.data_ptr(): name for name, p in net.named_parameters()}
    if isinstance(answer, Tensor):
        return names.get(id(answer), show(answer))
    if not isinstance(answer, list):
        return answer
    found = []
    for tensor in answer:
        found.append(names.get(id(tensor), show(tensor)))
        if isinstance(tensor, Tensor) and id(tensor) not in names:
            if any(same(tensor, p, 0, 0) for p in net.parameters()):
                found[-1] = "a copy"
            if tensor.data_ptr() in places:
                found[-1] = "a second tensor on the same memory"
    return found


@exercise(
    "2.1 Every way to a bias",
    "the overview has the name, shape and mean absolute value",
    "it lists each parameter once, frozen ones too, and leaves out buffers",
    "each of the three ways gives the parameter itself",
    "no two of the ways are one expression",
)
def every_way_to_a_bias(
    overview: Callable, bias_in_three_ways: Callable
) -> None:
    net, shared = nn.Linear(2, 1), nn.Linear(1, 1)
    nest = nn.Sequential(nn.Sequential(nn.Linear(1, 2)), nn.BatchNorm1d(2))
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, -3]]))
        net.bias.fill_(0.5)
        for p in [*nest.parameters(), *shared.parameters()]:
            p.fill_(-0.5)
    for given, module in {
        "Linear(2, 1) with the weight [[1, -3]] and the bias [0.5]": net,
        "Sequential(Sequential(Linear(1, 2)), BatchNorm1d(2))": nest,
        "Sequential(shared, shared), with shared = Linear(1, 1)": (
            nn.Sequential(shared, shared)
        ),
        "Linear(1, 1), frozen": copy.deepcopy(shared).requires_grad_(False),
    }.items():
        with case(given):
            _require_rows(overview, module)
    with case("three ways in a NestMLP()"):
        nest = NestMLP()
        ways = _named(_listed(bias_in_three_ways(nest)), nest)
        equal(
            ways,
            ["net.2.bias"] * 3,
            (
                "Return a list of three, each the bias itself.",
                "Ways are an index, `get_parameter` with a dotted name, a "
                "dict of `named_parameters()`, or the fourth of all "
                "`parameters()`.",
            ),
            known=_known_ways(ways),
        )
        holds(
            not _has_one_way_twice(bias_in_three_ways),
            "three ways",
            "one way more than once",
            (
                "The bias is right, but two of the three are reached in the "
                "same way.",
                "Beside indices, a network knows its parameters by dotted "
                "names, and in an order.",
            ),
        )


def _require_rows(overview: Callable, net: nn.Module) -> None:
    """Require the overview of a network, its rows in any order."""
    truth = [
        (name, tuple(p.shape), p.detach().abs().mean().item())
        for name, p in net.named_parameters()
    ]
    before = copy.deepcopy(net.state_dict())
    rows = _listed(overview(net))
    if _are_rows(rows):  # in any order
        order = {name: i for i, (name, *_) in enumerate(truth)}
        rows.sort(key=lambda row: order.get(row[0], len(order)))
    equal(rows, truth, _what_rows_lack(rows, truth, net))
    holds(
        all(map(torch.equal, before.values(), net.state_dict().values())),
        "parameters as they were",
        "others",
        "The overview changes the values that it describes. A method with "
        "`_` at its end writes into its tensor.",
    )


def _are_rows(rows: object) -> bool:
    return isinstance(rows, list) and all(
        isinstance(row, (list, tuple))
        and len(row) == 3
        and isinstance(row[0], str)
        for row in rows
    )


def _what_rows_lack(rows: object, truth: list[tuple], net: nn.Module) -> Hint:
    """The hint for an overview that may be wrong."""
    if not isinstance(rows, list):
        return "`overview` returns a list, with a row for each parameter."
    if not _are_rows(rows):
        return (
            "A row isn't a tuple of three: the name, the shape and the mean "
            "absolute value."
        )
    names, right = ([row[0] for row in some] for some in (rows, truth))
    if {name for name, _ in net.named_buffers()} & {*names}:
        return (
            "A buffer is among them, such as the running mean of a batch "
            "normalization. It isn't a parameter.",
            "The state dict holds both; `named_parameters()` only parameters.",
        )
    if {*right} < {*names}:
        return (
            "There is one parameter, and it is listed once for each of its "
            "places.",
            "`named_parameters()` of the whole network lists it once.",
        )
    if {*names} < {*right}:
        return (
            "A parameter is missing.",
            "`named_parameters()` of the whole network goes through nested "
            "modules too, and gives frozen parameters as well.",
        )
    if names != right:
        return (
            "A name isn't that of `named_parameters()`, such as 0.0.weight: "
            "a path with dots."
        )
    shapes = [tuple(shape) for _, shape, _ in truth]
    if not same([row[1] for row in rows], shapes, 0, 0):
        return "The second of each row is the shape, a tuple such as (1, 2)."
    return (
        "The third of each row isn't the mean absolute value.",
        "First take the absolute values, then their mean over all elements: "
        "of 1 and -3, it is 2.",
    )


def _has_one_way_twice(function: Callable) -> bool:
    """Whether the source returns a list with one expression in two places.

    Only names that are assigned once are followed.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
        nodes = [*ast.walk(ast.parse(source))]
    except (OSError, TypeError, SyntaxError, ValueError):
        return False
    stored = [
        node.id
        for node in nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    values, appended = {}, []
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name):
                        values[target.id] = value
            case ast.Call(func=ast.Attribute(attr="append"), args=[way]):
                appended.append(way)
    values = {k: v for k, v in values.items() if stored.count(k) == 1}

    def meaning(node: ast.AST | None) -> ast.AST | None:
        for _ in values:
            if isinstance(node, ast.Name):
                node = values.get(node.id, node)
        return node

    for node in nodes:
        if not isinstance(node, ast.Return):
            continue
        match meaning(node.value):
            case ast.List(elts=ways) | ast.Tuple(elts=ways):
                ways = [ast.dump(meaning(w)) for w in ways or appended]
                return len({*ways}) < len(ways)
            case ast.BinOp(left=ast.List() | ast.Tuple(), op=ast.Mult()):
                return True
            case ast.ListComp(elt=way):
                names = {
                    n.id for n in ast.walk(way) if isinstance(n, ast.Name)
                }
                return not names & {*stored}
    return False


def _known_ways(ways: object) -> list[tuple[object, Hint]]:
    """Hints for lists that hold another thing than the bias."""
    hints = {
        "net.0.bias": "This is the bias of the first linear layer. The "
        "second stands behind the ReLU.",
        "net.2.weight": "This is the weight of the layer. Its bias is asked "
        "for.",
        "linear.bias": "This is the bias of the layer behind the block. The "
        "block is `nest.net`.",
        "a second tensor on the same memory": (
            "One of the ways gives a second tensor on the same memory. It "
            "isn't the parameter.",
            "An entry of the state dict is one; so is what `.data` or "
            "`detach()` gives.",
        ),
        "a copy": "One of the ways gives a copy, which doesn't change when "
        "the parameter does.",
    }
    found = ways if isinstance(ways, list) else []
    return [(ways, hints[way]) for way in found if way in hints]


@exercise(
    "2.2 Watch a shared layer learn",
    "one Linear(8, 8) runs twice in a forward, before and after training",
    "each step is one of SGD or Adam, with the same learning rate",
    "it trains on all samples with the mean squared error",
    "the norms are those after the step, and of the gradient that it used",
    "the loss falls in 20 steps",
)
def watch_a_shared_layer_learn(
    make_shared: Callable, train_shared: Callable
) -> None:
    torch.set_num_threads(1)  # on a busy machine, threads wait for each other
    X = torch.rand(64, 4)
    y = X[:, :1] * X[:, 1:2]
    with case("make_shared(), and X of shape (64, 4)"):
        net = make_shared()
        holds(
            isinstance(net, nn.Module),
            "a network",
            show(net),
            "`make_shared` returns the network, a module.",
        )
        equal(
            tuple(call(net, X).shape),
            (64, 1),
            "The network gives one number for each sample, in the shape "
            "(n, 1).",
            what="shape of the output",
        )
        holds(
            torch.allclose(call(net, X), call(net, X)),
            "the same output for the same input",
            "another output in the second call",
            "Something in the network draws at random, such as dropout. Leave "
            "it out: the check follows each step.",
        )
        _require_one_in_two_places(net, X)
        device = next(net.parameters()).device
        X, y = X.to(device), y.to(device)
    nets, logs, rates = {}, {}, set()
    none = (
        "A gradient is None when its norm is asked for.",
        "`zero_grad` sets gradients to None, and without `backward` there is "
        "none: log between the two. A frozen parameter has none either.",
    )
    for steps in (1, 2, 20):
        hint = "The check asks for 1, 2 and 20 steps, from the same start."
        given = f"train_shared(net, X, y, {steps}), 64 samples"
        with case(given, hint, [("'NoneType'", none)]):
            nets[steps] = copy.deepcopy(net)
            with _noted_steps() as noted:
                logs[steps] = _listed(
                    train_shared(nets[steps], X.clone(), y.clone(), steps)
                )
            _require_log(steps, [net, *nets.values()], logs, X, y)
            rates |= _rates(noted, [net, *nets.values()], X, y)
            holds(
                len(rates) == 1,
                "one learning rate",
                "the learning rates "
                + " and ".join(f"{rate:.3g}" for rate in sorted(rates)),
                "Each parameter has the same learning rate, and each step "
                "too, however many steps there are.",
            )
    with case("the network after 20 steps"):
        _require_one_in_two_places(
            nets[20],
            X,
            "The training has separated the places: they don't still hold "
            "the same layer.",
        )
        before, after = _loss(net, X, y), _loss(nets[20], X, y)
        holds(
            after < before,
            f"a loss below {before.item():.3g}",
            f"a loss of {after.item():.3g}",
            (
                "The loss has not fallen.",
                "A step goes against the gradient. And a step that is too "
                "long ends higher than it began: take a smaller learning "
                "rate.",
            ),
        )


def _loss(net: nn.Module, X: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(net(X), y)


def _require_one_in_two_places(
    net: nn.Module, X: Tensor, hint: Hint = ""
) -> None:
    """Require that one ``Linear(8, 8)`` runs twice in a forward."""
    layers, outputs = [], []

    def note(layer: nn.Module, _: object, output: Tensor) -> None:
        layers.append(layer)
        outputs.append(output)

    hooks = [
        module.register_forward_hook(note)
        for module in net.modules()
        if isinstance(module, nn.Linear) and module.weight.shape == (8, 8)
    ]
    try:
        Y = call(net, X)
    finally:
        for hook in hooks:
            hook.remove()
    kinds = {id(layer): layer for layer in layers}
    runs = [layers.count(layer) for layer in kinds.values()]
    if not hint:
        hint = _what_two_places_lack(kinds.values(), runs)
    holds(
        sorted(runs)[-1:] == [2] and runs.count(2) == 1,
        "one Linear(8, 8) that runs twice in a forward",
        " and ".join(f"one that runs {_times(run)}" for run in runs)
        or "none that runs",
        hint,
    )
    if all(output.requires_grad for output in (Y, *outputs)):
        grads = torch.autograd.grad(Y.sum(), outputs, allow_unused=True)
        holds(
            all(grad is not None for grad in grads),
            "a gradient that reaches the layer in both places",
            "none in one of them",
            "Either what the layer gives there isn't used, or something cuts "
            "the graph behind it.",
        )


def _times(run: int) -> str:
    return {1: "once", 2: "twice"}.get(run, f"{run} times")


def _what_two_places_lack(layers: Iterable[nn.Linear], runs: list) -> Hint:
    """The hint for a network without a layer that runs twice."""
    if not runs:
        return (
            "No `Linear(8, 8)` was called.",
            "Make one, and call it as a module in both places, such as "
            "`self.shared(H)`, not its `forward` or its weight alone.",
        )
    if len(runs) == 1:
        return (
            "The layer doesn't run as often as it is to.",
            "It is to be called as a module, in two places of the forward. "
            "A call of its `forward` doesn't count, nor one of `F.linear` "
            "with its weight.",
        )
    if len({id(layer.weight) for layer in layers}) < len(runs):
        return (
            "These are two layers that share their numbers. Make one layer, "
            "and put the same object into both places."
        )
    return (
        "No layer runs twice.",
        "Two calls of `nn.Linear` make two layers, with values of their own, "
        "and so does a copy. Make one, and put the same object into both "
        "places.",
    )


@contextmanager
def _noted_steps() -> Iterator[list[tuple[Optimizer, list[float]]]]:
    """Note the steps of torch's optimizers: whose it was, and its rates."""
    noted = []

    def note(optimizer: Optimizer, *_: object) -> None:
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        noted.append((optimizer, rates))

    hook = register_optimizer_step_pre_hook(note)
    try:
        yield noted
    finally:
        hook.remove()


def _rates(
    noted: list[tuple[Optimizer, list[float]]],
    nets: list[nn.Module],
    X: Tensor,
    y: Tensor,
) -> set[float]:
    """The learning rates of some steps, which must be of SGD or Adam."""
    optimizers = {id(optimizer): optimizer for optimizer, _ in noted}
    for optimizer in optimizers.values():
        holds(
            isinstance(optimizer, (SGD, Adam, AdamW)),
            "steps of SGD or Adam",
            f"steps of {type(optimizer).__name__}",
            "The statement asks for `torch.optim.SGD` or `Adam`.",
        )
        holds(
            len(optimizers) == 1 or not optimizer.defaults.get("momentum", 1),
            "one optimizer for all steps",
            f"{len(optimizers)} of them",
            (
                "A new optimizer knows nothing of the steps before, and this "
                "kind uses averages over them.",
                "Make it once, before the loop.",
            ),
        )
    if noted or len(nets) > 3:
        return {rate for _, rates in noted for rate in rates}
    *_, old, new = nets
    pairs = zip(old.parameters(), new.parameters(), strict=True)
    step = torch.cat([(p - q).detach().flatten() for p, q in pairs])
    slope = torch.cat([g.flatten() for g in _gradients(old, X, y).values()])
    rate = (step @ slope / (slope @ slope)).item()
    holds(
        torch.allclose(step, rate * slope, 1e-2, 1e-6),
        "steps of SGD or Adam",
        "steps that aren't along the gradient",
        "None of torch's optimizers made a step. One by hand is like SGD's: "
        "all parameters move by the same multiple of their gradients.",
    )
    return {float(f"{rate:.2g}")}


def _norms(net: nn.Module) -> dict[str, float]:
    return {name: p.norm().item() for name, p in net.named_parameters()}


def _gradients(net: nn.Module, X: Tensor, y: Tensor) -> dict[str, Tensor]:
    """The gradients of the loss at a network's present values."""
    net = copy.deepcopy(net)
    net.zero_grad()
    _loss(net, X, y).backward()
    return {name: p.grad for name, p in net.named_parameters()}


def _require_log(
    steps: int, nets: list[nn.Module], logs: dict, X: Tensor, y: Tensor
) -> None:
    """Require the log of some steps; what 1 and 2 of them gave is known."""
    log = logs[steps]
    holds(
        isinstance(log, list) and len(log) == steps,
        f"a list of {steps} entries" if steps > 1 else "a list of 1 entry",
        f"a list of {len(log)}" if isinstance(log, list) else show(log),
        "`train_shared` returns a list with an entry for each step.",
    )
    if steps > 2:
        return
    *_, old, new = nets
    holds(
        any(
            not torch.equal(*two)
            for two in zip(old.parameters(), new.parameters(), strict=True)
        ),
        "other parameters after a step",
        "the old ones",
        (
            "The network that was given has not moved.",
            "Train it, and no copy of it: call `step()` of an optimizer that "
            "holds its parameters, at a learning rate that isn't tiny.",
        ),
    )
    values, gradients = _norms(new), _gradients(old, X, y)
    slopes = {name: g.norm().item() for name, g in gradients.items()}
    expected = {n: (values[n], slopes[n]) for n in values}
    if steps == 2:
        _require_entry(
            log[0],
            logs[1][0],
            "the first of two steps",
            (
                "The first step of two isn't what a single step was, from the "
                "same start.",
                "Make a new dict in each step, take no sample at random, and "
                "let no rate depend on the number of steps.",
            ),
        )
    old_values, squares = _norms(old), {n: v**2 for n, v in values.items()}
    again = {n: g.norm().item() for n, g in _gradients(new, X, y).items()}
    known = [
        (values, "The norm of the gradient is missing: an entry holds pairs."),
        (
            {n: (old_values[n], slopes[n]) for n in values},
            "The norm of the parameter is that before the step. Log after it.",
        ),
        (
            {n: (squares[n], slopes[n] ** 2) for n in values},
            "These are the squares of the norms: take the root.",
        ),
        (
            {n: (slopes[n], values[n]) for n in values},
            "The pair is the other way round: the parameter's norm is first.",
        ),
        (
            {n: (values[n], again[n]) for n in values},
            "This gradient was computed after the step. Log the one that the "
            "step used.",
        ),
        (
            {n: (values[n], 0.0) for n in values},
            "The gradients were cleared before they were logged.",
        ),
    ]
    if steps == 2:
        first = _gradients(nets[0], X, y)
        added = {n: (first[n] + g).norm().item() for n, g in gradients.items()}
        known.append(
            (
                {n: (values[n], added[n]) for n in values},
                (
                    "The gradient is the sum of this step's and that of the "
                    "step before.",
                    "`backward` adds to what is there. Clear it with "
                    "`zero_grad` in each step.",
                ),
            )
        )
    name = "the step" if steps == 1 else "the second step"
    _require_entry(log[-1], expected, name, "", known)


def _require_entry(
    entry: object,
    expected: dict,
    step: str,
    hint: Hint,
    known: Iterable[tuple[object, Hint]] = (),
) -> None:
    """Require an entry of a log; only what differs is shown."""
    names = show(list(entry)) if isinstance(entry, dict) else show(entry)
    for value, why in known:
        if same(entry, value, 1e-3, 1e-6):
            hint = why
    if isinstance(entry, dict) and entry.keys() == expected.keys():
        for name, pair in expected.items():
            got, pair = _numbers(entry[name]), _numbers(pair)
            equal(
                got,
                pair,
                hint or _what_a_pair_lacks(got, pair),
                rtol=1e-3,
                what=f"norms of {name} and its gradient after {step}",
            )
        return
    raise Wrong(
        f"an entry for {step} with the names {show(list(expected))}",
        names,
        "An entry is a dict, and its keys are the names that "
        "`named_parameters()` gives, each once.",
    )


def _numbers(pair: object) -> object:
    """A pair with the numbers that its tensors hold; else what it is."""
    if not isinstance(pair, (list, tuple)):
        return pair
    return tuple(
        value.item()
        if isinstance(value, Tensor) and not value.dim()
        else value
        for value in pair
    )


def _what_a_pair_lacks(got: object, pair: tuple[float, float]) -> Hint:
    if isinstance(got, (list, tuple)) and len(got) == 2:
        if same(got[0], pair[0], 1e-3, 1e-6):
            return (
                "The second isn't the norm of the gradient that the step is "
                "to use.",
                "It is that of the mean squared error on all samples, at the "
                "parameters before the step. Are the shapes of both "
                "arguments (n, 1)?",
            )
        if same(got[1], pair[1], 1e-3, 1e-6):
            return (
                "The first isn't the norm of the parameter after the step: "
                "the root of the sum of its squares."
            )
    return (
        "Each name has a pair of numbers: the norm of the parameter after the "
        "step, and that of the gradient that the step used."
    )


class _Dense(nn.Linear):
    """A subclass, which a comparison of types or of names skips."""


@exercise(
    "2.3 Another distribution",
    "two thirds of 20,000 weights are -1, each decided by itself",
    "the others have the mean 2, the standard deviation 1, and a normal law",
    "each call draws anew",
    "biases, other modules and the parameter object stay",
    "subclasses of nn.Linear are initialized too",
)
def another_distribution(init_mixture: Callable) -> None:
    _require_new_values(init_mixture)
    with case("Linear(100, 200), which has 20,000 weights"):
        layer = nn.Linear(100, 200)
        bias = layer.bias.clone()
        layer.apply(init_mixture)
        _require_mixture(layer.weight.detach())
        holds(
            torch.equal(layer.bias, bias),
            "the same bias",
            "another one",
            "The law is for the weights. The bias stays as it is.",
        )
    with case("Linear(100, 200), initialized a second time"):
        before = layer.weight.detach().clone()
        layer.apply(init_mixture)
        holds(
            not torch.equal(layer.weight, before),
            "other weights than the first time",
            "the same ones",
            "Each call draws the same numbers: a seed in the function makes "
            "layers of one shape equal. Seed outside, before `apply`.",
        )
    with case("a subclass of nn.Linear, as LinearReLU of the chapter is"):
        layer = _Dense(100, 200)
        layer.apply(init_mixture)
        equal(
            round((layer.weight == -1).float().mean().item(), 1),
            0.7,
            (
                "A layer of a subclass of `nn.Linear` was left as it was.",
                "A comparison of types, or of their names, is false for a "
                "subclass: ask with `isinstance`.",
            ),
            what="share of -1",
        )
    for given, net in {
        "Sequential(BatchNorm1d(2), ReLU()), without a linear layer": (
            nn.Sequential(nn.BatchNorm1d(2), nn.ReLU())
        ),
        "Embedding(3, 2), whose weight is a matrix too": nn.Embedding(3, 2),
        "Conv2d(1, 2, 3)": nn.Conv2d(1, 2, 3),
        "Bilinear(2, 2, 1), which is no nn.Linear": nn.Bilinear(2, 2, 1),
    }.items():
        hint = (
            "`apply` visits every module, and this one isn't a linear layer: "
            "ask which kind it is."
        )
        with case(given, hint):
            before = copy.deepcopy(net.state_dict())
            net.apply(init_mixture)
            after = net.state_dict()
            holds(
                all(map(torch.equal, before.values(), after.values())),
                "modules as they were",
                "others",
                hint,
            )


def _require_new_values(init: Callable) -> None:
    """Require that other values are in the weight that was there."""
    refused = (
        "Autograd refuses to write into a parameter that it follows.",
        "Write under `torch.no_grad()`.",
    )
    replaced = (
        "A plain tensor can't take the place of a parameter. Write into the "
        "weight that is there."
    )
    for given, layer in {
        "Linear(2, 3)": nn.Linear(2, 3),
        "Linear(2, 3, bias=False), whose bias is None": (
            nn.Linear(2, 3, bias=False)
        ),
    }.items():
        known = [("leaf", refused), ("cannot assign", replaced)]
        with case(given, known=known):
            weight, old = layer.weight, layer.weight.detach().clone()
            layer.apply(init)
            holds(
                layer.weight is weight,
                "the same parameter, with other values",
                "another object",
                "Write into the weight that is there: an optimizer that "
                "holds it would never see a new one.",
            )
            holds(
                weight.requires_grad,
                "a parameter that autograd follows",
                "one that is frozen",
                "The weight has lost its `requires_grad`. What is written "
                "under `torch.no_grad()` doesn't need that.",
            )
            holds(
                not torch.equal(weight, old),
                "other weights",
                "the old ones",
                (
                    "The weights are what they were.",
                    "A function with `_` at its end writes into its "
                    "argument; others return a new tensor.",
                ),
            )


def _require_mixture(weight: Tensor) -> None:
    """Require N(2, 1) with probability 1/3, and -1 otherwise."""
    fixed = weight == -1
    share = fixed.float().mean().item()
    if 0.1 < share < 0.9:
        equal(
            [len(fixed.unique(dim=0)), len(fixed.unique(dim=1).T)],
            [200, 100],
            (
                "There are rows or columns in which a -1 stands at the same "
                "places.",
                "Each weight is decided by itself, not a row or a column at "
                "once, and not by its place.",
            ),
            what="different rows, and columns, of where a -1 is",
        )
    equal(
        share,
        2 / 3,
        (
            "The share of the weights that are -1 is wrong.",
            "Draw one uniform number for each weight: it is below 1/3 with "
            "probability 1/3.",
        ),
        known=[
            (1 / 3, "The two cases are the other way round."),
            (
                1.0,
                (
                    "All weights are -1, and none is drawn.",
                    "Is there one coin for all of them? Each weight needs "
                    "its own. Or do you fill `weight[mask]`? That is a copy, "
                    "and the weight stays: assign to `weight[mask]`.",
                ),
            ),
            (
                0.0,
                (
                    "None of the weights is -1.",
                    "With probability 2/3 a weight is set to -1, exactly. "
                    "Each has a coin of its own, not all of them one.",
                ),
            ),
        ],
        atol=0.02,
        what="share of -1",
    )
    drawn = weight[~fixed]
    for name, got, right, hint, known in (
        (
            "mean",
            drawn.mean(),
            2.0,
            (
                "N(2, 1) has the mean 2.",
                "Each number is drawn by itself, from the whole of N(2, 1).",
            ),
            [
                (
                    3.09,  # of what is above the quantile at 2/3
                    "Only the largest numbers are left: a condition on the "
                    "drawn numbers cuts their law. Draw the case and the "
                    "number apart.",
                )
            ],
        ),
        (
            "standard deviation",
            drawn.std(),
            1.0,
            "N(2, 1) has the standard deviation 1.",
            [],
        ),
    ):
        with case("the weights that aren't -1, a third of 20,000"):
            equal(got.item(), right, hint, known, atol=0.1, what=name)
    with case("the weights that aren't -1, a third of 20,000"):
        equal(
            ((drawn > 1) & (drawn < 3)).float().mean().item(),
            0.683,
            "Mean and standard deviation are right, but the law isn't the "
            "normal one: 68% lie within one standard deviation.",
            atol=0.03,
            what="share between 1 and 3",
        )


@exercise(
    "2.4 All but the last",
    "all parameters are frozen but those of the last module that has any",
    "the function returns these, each once",
    "what stands at the end and elsewhere stays trainable",
    "a net that was frozen has a trainable end again",
    "Adam moves these alone, also in the middle of training",
)
def all_but_the_last(freeze_all_but_last: Callable) -> None:
    _require_last_of_a_chain(freeze_all_but_last)
    _require_blocks_as_wholes(freeze_all_but_last)
    _require_shared_trainable(freeze_all_but_last)
    _require_thaw(freeze_all_but_last)
    _require_step_of_the_rest(freeze_all_but_last)


def _require_last_of_a_chain(freeze: Callable) -> None:
    with case("Sequential(Linear(2, 3), Linear(3, 1))"):
        net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        _require_left(
            freeze,
            net,
            ["1.weight", "1.bias"],
            (
                "All parameters of the last module are to stay trainable, "
                "and no others.",
                "A module has `requires_grad_`, a method that takes True or "
                "False for all of its parameters.",
            ),
            known=[
                (
                    ["0.weight", "0.bias", "1.weight", "1.bias"],
                    (
                        "Nothing is frozen in `net`.",
                        "It is `net` itself that changes, not a copy. And "
                        "`requires_grad_` of a module is a method to call: "
                        "an assignment to a module's `requires_grad` makes "
                        "an attribute that nobody reads.",
                    ),
                ),
                (
                    ["0.weight", "0.bias"],
                    "The last module is frozen, and the first isn't: it is "
                    "to be the other way round.",
                ),
                ([], "Everything is frozen, the last module too."),
            ],
        )
    with case("Sequential(Linear(2, 3), ReLU(), Linear(3, 1), ReLU())"):
        net = nn.Sequential(
            nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1), nn.ReLU()
        )
        _require_left(
            freeze,
            net,
            ["2.weight", "2.bias"],
            "The last module that has parameters is `net[2]`: it is the one "
            "that stays trainable.",
            known=[
                (
                    [],
                    (
                        "Nothing is left to train.",
                        "The last module is a ReLU, which has no parameters. "
                        "Look for the last module that has some.",
                    ),
                )
            ],
        )


def _require_blocks_as_wholes(freeze: Callable) -> None:
    for given, end, names in (
        ("ReLU()", nn.ReLU(), ["1.0.weight", "1.0.bias"]),
        (
            "Linear(3, 1)",
            nn.Linear(3, 1),
            ["1.0.weight", "1.0.bias", "1.1.weight", "1.1.bias"],
        ),
    ):
        block = nn.Sequential(nn.Linear(3, 3), end)
        with case(
            f"Sequential(Linear(2, 3), Sequential(Linear(3, 3), {given}))"
        ):
            _require_left(
                freeze,
                nn.Sequential(nn.Linear(2, 3), block),
                names,
                (
                    "The last module with parameters is `net[1]`, a block.",
                    "The modules are `net[0]`, `net[1]`, ...: a block among "
                    "them counts as a whole.",
                ),
            )
    with case(
        "Sequential(Linear(2, 2), BatchNorm1d(2, affine=False)), whose last "
        "module has buffers alone"
    ):
        net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False))
        _require_left(
            freeze,
            net,
            ["0.weight", "0.bias"],
            "The last module has no parameters: buffers aren't any, and no "
            "optimizer trains them.",
        )


def _require_shared_trainable(freeze: Callable) -> None:
    first, shared, tied = (nn.Linear(2, 2) for _ in range(3))
    hint = (
        "A layer that stands in front and at the end has one set of "
        "parameters, and it is the last module: it stays trainable.",
        "Freeze first, and make the last module trainable after that.",
    )
    with case("Sequential(Linear(2, 2), shared, ReLU(), shared)"):
        net = nn.Sequential(first, shared, nn.ReLU(), shared)
        _require_left(freeze, net, ["1.weight", "1.bias"], hint)
    with case("Sequential(shared, Linear(2, 2), shared)"):
        net = nn.Sequential(shared, nn.Linear(2, 2), shared)
        _require_left(
            freeze,
            net,
            ["0.weight", "0.bias"],
            (
                "The last module is `net[2]`, which stands in front too.",
                "`children()` and `named_parameters()` give what is shared "
                "once, at its first place. Go through `net` itself.",
            ),
        )
    with case("Sequential(Sequential(Linear(2, 2), shared), shared)"):
        net = nn.Sequential(nn.Sequential(nn.Linear(2, 2), shared), shared)
        _require_left(freeze, net, ["0.1.weight", "0.1.bias"], hint)
    with case("Sequential(a, ReLU(), b), with b.weight = a.weight"):
        net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), tied)
        tied.weight = net[0].weight
        _require_left(
            freeze,
            net,
            ["0.weight", "2.bias"],
            (
                "The two weights are one parameter, which the last module "
                "has: it stays trainable.",
                "Go by parameters, not by modules.",
            ),
        )


def _require_thaw(freeze: Callable) -> None:
    hint = "Before the call, no parameter of this net is trainable."
    given = "Sequential(Linear(2, 3), Linear(3, 1)), frozen before"
    with case(given, hint):
        net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        _require_left(
            freeze,
            net.requires_grad_(False),
            ["1.weight", "1.bias"],
            "The net was frozen already. Make the last module trainable, "
            "whatever it was before.",
        )


def _require_step_of_the_rest(freeze: Callable) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    nn.init.ones_(net[0].weight)  # so that no output of the ReLU is 0
    shared = nn.Linear(2, 2)
    with case("a call between backward and a step of Adam, which holds all"):
        _require_moved(freeze, net, ["2.weight", "2.bias"])
    with case(
        "Sequential(shared, Linear(2, 2), shared), between backward and a "
        "step of Adam"
    ):
        net = nn.Sequential(shared, nn.Linear(2, 2), shared)
        names = ["0.weight", "0.bias", "2.weight", "2.bias"]
        _require_moved(freeze, net, names)


def _require_moved(freeze: Callable, net: nn.Module, names: list[str]) -> None:
    """Require what a step moves after a call."""
    X = 1 + torch.rand(4, 2)
    optimizer = torch.optim.Adam(net.parameters())
    for _ in range(2):
        optimizer.step()
        optimizer.zero_grad()
        net(X).square().sum().backward()
    before = copy.deepcopy(net.state_dict())
    _listed(freeze(net))
    optimizer.step()
    equal(
        _moved(net, before),
        names,
        (
            "A frozen parameter moves too: the optimizer uses the gradient "
            "that it still has.",
            "A gradient of zeros doesn't help, since Adam has a memory: set "
            "it to None.",
        ),
        known=[
            (
                [],
                "Nothing moves now: the gradients of the parameters that "
                "remain are to stay.",
            )
        ],
        what="entries of the state dict that the step moves",
    )


def _require_left(
    freeze: Callable,
    net: nn.Module,
    names: list[str],
    hint: Hint,
    known: Iterable[tuple[object, Hint]] = (),
) -> None:
    """Require which parameters are trainable, and returned, after a call."""
    before = list(net.parameters())
    answer = _listed(freeze(net))
    holds(
        set(net.parameters()) == set(before),
        "the net's own parameters",
        "new ones in their places",
        "Freeze the parameters that are there: an optimizer may hold them.",
    )
    returned = _named(answer, net)
    trainable = [n for n, p in net.named_parameters() if p.requires_grad]
    equal(trainable, names, hint, known, what="trainable")
    hint = (
        "The right ones are trainable. Return a list of them: the parameters "
        "themselves, each once, as an optimizer takes them."
    )
    if isinstance(answer, list):
        returned.sort(key=lambda name: (name not in names, name))
        if any(isinstance(entry, (str, tuple)) for entry in answer):
            hint = (
                "There are names in the list. Return the parameters alone, "
                "as `parameters()` of a module gives them."
            )
    equal(returned, sorted(names), hint, what="returned")


def _moved(net: nn.Module, before: dict[str, Tensor]) -> list[str]:
    """The entries of a state dict that differ from those before."""
    after = net.state_dict()
    return [k for k in after if not torch.equal(after[k], before[k])]


@exercise(
    "2.5 Bytes",
    "parameters and buffers count, whatever their data type",
    "frozen parameters count, and gradients don't",
    "a shared layer and a shared buffer count once",
    "a view adds nothing to the memory that it shares",
    "your counts by hand are right",
)
def count_bytes(num_bytes: Callable, by_hand: dict) -> None:
    _require_bytes_of_numbers(num_bytes)
    _require_bytes_of_buffers(num_bytes)
    _require_each_tensor_once(num_bytes)
    _require_bytes_of_unsaved(num_bytes)
    _require_views_free(num_bytes)
    shared, numbers = nn.Linear(8, 8), torch.arange(10.0)
    tied = nn.Sequential(
        nn.Linear(4, 8), shared, nn.ReLU(), shared, nn.Linear(8, 1)
    )
    fixed = FixedHiddenMLP()
    twice = _with_buffers(first=numbers, second=numbers)
    for name, net, hint in (
        (
            "tied",
            tied,
            (
                "Three linear layers are in it, each once: 4 to 8, 8 to 8 "
                "and 8 to 1.",
                "Add up their weights and biases, of 4 bytes each.",
            ),
        ),
        (
            "FixedHiddenMLP",
            fixed,
            (
                "It has a buffer of 20 x 20, and one `Linear(20, 20)`.",
                "The layer is used twice, and takes memory once. Each number "
                "takes 4 bytes.",
            ),
        ),
        ("two names", twice, "It is one tensor of 10 numbers."),
    ):
        numbers = _bytes(net) // 4
        copies = sum(t.nbytes for t in net.state_dict().values())
        known = [
            (numbers, "This is how many numbers there are, of 4 bytes each."),
            (
                sum(p.nbytes for p in net.parameters()) or "",
                "These are the parameters alone: the buffer takes memory too.",
            ),
            (copies, "What is shared counts once, however many names it has."),
        ]
        with asked(f"your count of the bytes of {name!r}"):
            holds(name in by_hand, "", "none", f"Add {name!r}.")
            equal(by_hand[name], _bytes(net), hint, known, what="bytes")


def _require_bytes(
    num_bytes: Callable,
    net: nn.Module,
    hint: Hint,
    known: Iterable[tuple[object, Hint]] = (),
) -> None:
    equal(num_bytes(net), _bytes(net), hint, known, what="bytes")


def _require_bytes_of_numbers(num_bytes: Callable) -> None:
    net = nn.Linear(2, 3)
    with case("Linear(2, 3), in float32"):
        _require_bytes(
            num_bytes,
            net,
            (
                "The layer has 9 numbers of 4 bytes each.",
                "A tensor knows how many elements it has, `numel()`, and how "
                "many bytes each takes, `element_size()`.",
            ),
            known=[
                (
                    net.weight.numel() + net.bias.numel(),
                    "This is the number of elements, of 4 bytes each.",
                ),
                (net.weight.nbytes, "The bias takes memory too."),
                (8 * _bytes(net), "These are bits: 8 make a byte."),
            ],
        )
    with case("Linear(2, 3) in float64"):
        _require_bytes(
            num_bytes,
            nn.Linear(2, 3).double(),
            (
                "A number takes 4 bytes in float32 and 8 in float64.",
                "Ask each tensor for its `element_size()`.",
            ),
        )
    with case("Linear(2, 3), frozen"):
        _require_bytes(
            num_bytes,
            nn.Linear(2, 3).requires_grad_(False),
            "A frozen parameter isn't trained, but takes memory.",
        )
    with case("Linear(2, 3) after a backward"):
        net(torch.ones(2)).sum().backward()
        _require_bytes(
            num_bytes,
            net,
            "Gradients take memory too, but are neither parameters nor "
            "buffers.",
        )


def _require_bytes_of_buffers(num_bytes: Callable) -> None:
    with case("BatchNorm1d(3)"):
        net = nn.BatchNorm1d(3)
        numbers = [t.numel() for t in (*net.parameters(), *net.buffers())]
        size = (
            "The count of batches is an int64, of 8 bytes.",
            "Ask each tensor for its `element_size()`.",
        )
        _require_bytes(
            num_bytes,
            net,
            "Two parameters and two buffers of 3 numbers, and a count of "
            "batches, an integer of 8 bytes.",
            known=[
                (
                    sum(p.nbytes for p in net.parameters()),
                    "These are the parameters alone. `buffers()` gives the "
                    "others.",
                ),
                (4 * sum(numbers), size),
            ],
        )


def _require_each_tensor_once(num_bytes: Callable) -> None:
    with case("Sequential(shared, ReLU(), shared), shared = Linear(2, 2)"):
        shared = nn.Linear(2, 2)
        _require_bytes(
            num_bytes,
            nn.Sequential(shared, nn.ReLU(), shared),
            (
                "A layer in two places has its 6 numbers once in memory.",
                "The state dict lists them once for each place, "
                "`parameters()` once.",
            ),
        )
    numbers = torch.arange(10.0)
    with case("one buffer of 10 numbers in float32, under two names"):
        _require_bytes(
            num_bytes,
            _with_buffers(first=numbers, second=numbers),
            "Two names, one tensor: count memory, not names.",
        )


def _require_bytes_of_unsaved(num_bytes: Callable) -> None:
    with case("a buffer of 10 numbers that the state dict leaves out"):
        net = nn.Module()
        net.register_buffer("numbers", torch.arange(10.0), persistent=False)
        _require_bytes(
            num_bytes,
            net,
            "A buffer with `persistent=False` isn't saved, but takes memory. "
            "`buffers()` gives it.",
        )


def _require_views_free(num_bytes: Callable) -> None:
    numbers, layer = torch.arange(10.0), nn.Linear(2, 3)
    layer.register_buffer("view", layer.weight.detach()[0])
    view, front, back = numbers[-3:], numbers[:5], numbers[5:]
    for given, net in {
        "two buffers: a view of the last three of 10 numbers, and all": (
            _with_buffers(view=view, whole=numbers)
        ),
        "two buffers: all 10 numbers, then a view of the last three": (
            _with_buffers(whole=numbers, view=view)
        ),
        "two buffers: the first and the second half of 10 numbers": (
            _with_buffers(front=front, back=back)
        ),
        "Linear(2, 3), with a buffer that is a view of its weight": layer,
    }.items():
        with case(given):
            got = num_bytes(net)
            hint = "A view adds nothing: it is on memory that counts already."
            with suppress(TypeError, ValueError, RuntimeError):
                if got < _bytes(net):
                    hint = "Not all of the memory is counted."
            how = (
                "`untyped_storage()` of a tensor is the memory behind it. "
                "Count each storage once, with the bytes that it has itself.",
                "Two storages are one if their `data_ptr()` is the same; "
                "`nbytes()` is the size of a storage.",
            )
            equal(got, _bytes(net), (hint, *how), what="bytes")


def _with_buffers(**tensors: Tensor) -> nn.Module:
    """A module with nothing but some buffers."""
    net = nn.Module()
    for name, tensor in tensors.items():
        net.register_buffer(name, tensor)
    return net


def _bytes(net: nn.Module) -> int:
    """The bytes of parameters and buffers, shared memory once."""
    stores = [t.untyped_storage() for t in (*net.parameters(), *net.buffers())]
    return sum({s.data_ptr(): s.nbytes() for s in stores}.values())


@exercise(
    "2.6 Only one width is given",
    "you know which parameters have values before the first batch",
    "you know which batch gives the lazy layer a shape",
)
def only_one_width_is_given(with_values: object, has_shape: dict) -> None:
    net = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.LazyLinear(10))
    question = "your prediction for the network before the first batch"
    with case(question):
        names = _listed(with_values)
        holds(
            isinstance(names, list) and all(isinstance(n, str) for n in names),
            'names in a set, such as {"2.weight", "2.bias"}',
            show(with_values),
            "Give names of parameters, each a string, in one set or list.",
        )
        strange = {*names} - {n for n, _ in net.named_parameters()}
        holds(
            not strange,
            "names of parameters of the network",
            show(strange),
            "No parameter is called so: a name is a position, a dot, and "
            "`weight` or `bias`. The ReLU has none.",
        )
    with asked(question):
        equal(
            set(names),
            {n for n, p in net.named_parameters() if not is_lazy(p)},
            (
                "A parameter with values is missing: which of the layers "
                "knows both of its widths?",
                "Both widths of the first layer are given, so its weight and "
                "its bias have values from the start.",
            ),
            known=[
                (
                    {"0.weight", "0.bias", "2.bias"},
                    (
                        "One of these has no values yet.",
                        "The shape of the lazy layer's bias could be known, "
                        "but the layer makes both of its parameters at the "
                        "first batch.",
                    ),
                ),
                (
                    {"0.weight", "0.bias", "2.weight", "2.bias"},
                    (
                        "Some of these have no values yet.",
                        "The lazy layer lists its parameters, but they are "
                        "without values until a batch reaches it.",
                    ),
                ),
            ],
        )
    truth = {}
    for width in (30, 20):
        with suppress(RuntimeError):
            net(torch.ones(2, width))
        truth[f"after (2, {width})"] = not is_lazy(net[2].weight)
    predicted(
        has_shape,
        truth,
        {
            "after (2, 30)": "The batch goes through the layers in order. "
            "Which of them raises the error, and does the batch come as far "
            "as the lazy one?",
            "after (2, 20)": "Nothing was decided before this batch, and it "
            "reaches the lazy layer with 256 features.",
        },
    )


USED = ("normal_", "uniform_", "zeros_", "constant_", "xavier_uniform_")


@exercise(
    "2.7 Other starts",
    "two functions of nn.init are chosen that the chapter doesn't use",
    "each test accepts 10 weights that its function drew, and only looks",
    "each refuses them times 2 and divided by 2, and the default start",
)
def other_starts(
    first_start: Callable,
    is_first: Callable,
    second_start: Callable,
    is_second: Callable,
) -> None:
    torch.set_num_threads(1)  # on a busy machine, threads wait for each other
    starts = {"first_start": first_start, "second_start": second_start}
    for name, start in starts.items():
        with case(f"your choice of `{name}`"):
            names = [n for n, f in vars(nn.init).items() if f is start]
            named = [n for n in names if n.endswith("_") and n[0] != "_"]
            holds(
                named,
                "a function of nn.init whose name ends with _",
                show(start),
                "Give the function itself, such as `nn.init.ones_`, without "
                "a call or a wrapper: the check calls it with a weight.",
            )
            holds(
                named[0] not in USED,
                "a function that the chapter doesn't use",
                named[0],
                "The chapter uses this one already. `dir(nn.init)` lists "
                "what there is.",
            )
    with case("your choice of both"):
        holds(
            first_start is not second_start,
            "two functions",
            f"{first_start.__name__} twice",
            "Choose two that differ: a list is in the documentation of "
            "`torch.nn.init`.",
        )
    _require_test("is_first", is_first, first_start)
    _require_test("is_second", is_second, second_start)


def _require_test(name: str, test: Callable, start: Callable) -> None:
    """Require that a test tells what a function draws from other weights."""
    weight = torch.empty(200, 100)
    drew = start.__name__
    hint = (
        f"`{drew}` doesn't take a weight of shape (200, 100) alone. Choose "
        "another function."
    )
    with case(f"{drew} on a weight of shape (200, 100)", hint):
        start(weight)
    hint = (
        f"The test refuses what `{drew}` draws.",
        "Print what the test looks at, for a weight that was drawn: is it "
        "what the documentation says, for 100 inputs and 200 outputs?",
        "Compare with a tolerance: the standard deviation of 20,000 numbers "
        "varies by about 1%, and products are rounded.",
    )
    for _ in range(10):
        with case(f"{name}(weight), a weight from {drew}"):
            tried = start(weight).clone()
            verdict = test(tried)
            _require_verdict(verdict)
            equal(verdict, True, hint)
            holds(
                torch.equal(tried, weight),
                "the weight as it was",
                "another one",
                "The test changes the weight that it is to look at.",
            )
    others = {
        f"a weight from {drew}, times 2": (
            weight * 2,
            (
                "A weight of twice the scale passes too.",
                "The test must see the scale, as a standard deviation or a "
                "length of columns does, and have an upper bound.",
            ),
        ),
        f"a weight from {drew}, divided by 2": (
            weight / 2,
            (
                "A weight of half the scale passes too.",
                "The test must see the scale, and have a lower bound.",
            ),
        ),
        "a weight that nn.Linear(100, 200) has at its start": (
            nn.Linear(100, 200).weight.detach(),
            (
                f"The default start isn't what `{drew}` draws.",
                "It is uniform between -0.1 and 0.1. Make the tolerance "
                "smaller.",
            ),
        ),
    }
    for given, (other, hint) in others.items():
        with case(f"{name}(weight), {given}"):
            verdict = test(other.clone())
            _require_verdict(verdict)
            equal(verdict, False, hint)


def _require_verdict(verdict: object) -> None:
    holds(
        verdict is not None,
        "True or False",
        "None",
        "The test returns nothing: `return` it.",
    )
    holds(
        getattr(verdict, "shape", ()) == ()
        and isinstance(getattr(verdict, "item", lambda: verdict)(), bool),
        "True or False",
        show(verdict),
        "The test gives one answer for the whole weight, True or False.",
    )


@exercise(
    "2.8 A tie that breaks",
    "your five predictions come true for Sequential(a, b)",
)
def tie_that_breaks(still_tied: dict) -> None:
    predicted(
        still_tied,
        {name: _is_tied(after(_tied())) for name, after in _EVENTS.items()},
        {
            "deepcopy of the network": "`deepcopy` notes what it has copied: "
            "an object that occurs twice is copied once.",
            "load_state_dict": "By default it copies values into the tensors "
            "that are there, and makes no new ones.",
            "double": "It changes the data of each parameter, and keeps the "
            "parameter as an object.",
            "new nn.Parameter": "The assignment gives `b` another object. "
            "`a` still holds the old one.",
            "deep copies one by one": "Each call of `deepcopy` has notes of "
            "its own: the weight is copied twice.",
        },
    )


def _tied() -> nn.Sequential:
    a, b = nn.Linear(4, 4), nn.Linear(4, 4)
    b.weight = a.weight
    return nn.Sequential(a, b)


def _is_tied(net: nn.Sequential) -> bool:
    return net[0].weight is net[1].weight


def _loaded(net: nn.Sequential) -> nn.Sequential:
    net.load_state_dict(_tied().state_dict())
    return net


def _with_new_parameter(net: nn.Sequential) -> nn.Sequential:
    net[1].weight = nn.Parameter(net[0].weight.detach().clone())
    return net


_EVENTS = {
    "deepcopy of the network": copy.deepcopy,
    "load_state_dict": _loaded,
    "double": nn.Module.double,
    "new nn.Parameter": _with_new_parameter,
    "deep copies one by one": lambda net: nn.Sequential(
        *map(copy.deepcopy, net)
    ),
}


SMALLEST = 4  # two hidden units without biases: a weight in, a weight out


@exercise(
    "2.9 Inputs of any width",
    "widths from 1 to 7 are taken, by one set of parameters",
    "the output is the average of what each feature gives alone",
    "the small network isn't linear, and a gradient reaches all of it",
    "the hidden units are as many as are asked for, and X stays as it is",
    "you know what a change of places does",
)
def inputs_of_any_width(
    AnyWidth: type[nn.Module],
    output_changes: object,
) -> None:
    with case("one sample with one feature, X of shape (1, 1)"):
        net = AnyWidth()
        equal(
            tuple(call(net, torch.ones(1, 1)).shape),
            (1, 1),
            "A sample gives one number: the output has the shape (n, 1).",
            what="shape of the output",
        )
        shapes = [tuple(p.shape) for p in net.parameters()]
        numbers = sum(p.numel() for p in net.parameters())
        holds(
            numbers,
            "a module with parameters",
            "none",
            (
                "`parameters()` of the module finds nothing to train.",
                "It looks for layers in attributes, in `nn.Sequential` and "
                "in `nn.ModuleList`. A plain list hides them, and so does a "
                "layer that each forward makes anew.",
            ),
        )
        holds(
            numbers >= SMALLEST,
            "a hidden layer, and one that adds up its outputs",
            f"{numbers} numbers in all the parameters",
            (
                "These are too few for a hidden layer.",
                "A single weight and bias make none: with a ReLU, their "
                "curve bends once. Several units bend in places of their "
                "own, and a second layer adds them up.",
            ),
        )
    _require_hidden_units(AnyWidth)
    with case("X of shape (20, 1), twice the same"):
        X = torch.linspace(-10, 10, 20)[:, None]
        holds(
            torch.allclose(call(net, X), call(net, X)),
            "the same output",
            "another one",
            "Something in the module draws at random, such as dropout.",
        )
    with case("a single feature, between -1000 and 1000"):
        x = torch.tensor([-1000.0, -10, -1, 0, 1, 10, 1000])[:, None]
        Y = torch.cat([call(net, row[None]).detach().cpu() for row in x])
        slopes = Y.diff(dim=0) / x.diff(dim=0)
        holds(
            slopes.any(),
            "a curve",
            "the same output for each of them",
            "With one feature, the average is what the network gives for it. "
            "Take nothing off that depends on the batch or the sample.",
        )
        holds(
            slopes.max() - slopes.min() > 1e-3 * slopes.abs().max(),
            "a curve",
            "a straight line",
            (
                "The small network is linear: the average of its outputs is "
                "no more than its output for the average.",
                "Between the hidden layer and the next, it needs a ReLU or "
                "another function that bends.",
            ),
        )
    for n, d in ((1, 2), (3, 5), (3, 7)):
        hint = (
            f"The width {d} isn't that of the first batch, and a layer has "
            "fixed the width.",
            "Give the layers a single feature, from 1 number to 1.",
        )
        known = [("shapes cannot be multiplied", hint)]
        with case(f"X of shape ({n}, {d})", known=known):
            X = torch.randn(n, d)
            Y = call(net, X).detach().cpu()
            equal(
                [tuple(p.shape) for p in net.parameters()],
                shapes,
                "The parameters grow with the width, or change. One small "
                "network serves all features.",
                what="shapes of the parameters",
            )
            _require_average(net, X, Y)
            given = X.to(next(net.parameters()).device)
            before = given.clone()
            net(given)
            holds(
                torch.equal(given, before),
                "X as it was",
                "another X",
                "The forward changes its input. An operation such as `+=` "
                "writes into it: make a new tensor.",
            )
    with case("backward from the sum of the output, X of shape (3, 7)"):
        hint = (
            "No gradient gets from the output to these.",
            "Either the output doesn't use them, or something cuts the graph "
            "in between, such as `no_grad`, `detach` or `item`.",
        )
        Y = call(net, torch.randn(3, 7))
        if Y.requires_grad:
            Y.sum().backward()
        missing = [n for n, p in net.named_parameters() if p.grad is None]
        equal(missing, [], hint, what="parameters without a gradient")
    with asked("your prediction for a change of places"):
        X = torch.randn(3, 7)
        swapped = call(net, X.flip(1))
        equal(
            output_changes,
            not torch.allclose(call(net, X), swapped, atol=1e-5),
            "All features go through the same network, and a sum has no "
            "order.",
        )


def _require_hidden_units(AnyWidth: type[nn.Module]) -> None:
    """Require that the number of hidden units is the one that is given."""
    if "num_hiddens" not in inspect.signature(AnyWidth).parameters:
        return
    with case("AnyWidth(num_hiddens=2) and AnyWidth(num_hiddens=20)"):
        nets = [AnyWidth(num_hiddens=units) for units in (2, 20)]
        for net in nets:
            call(net, torch.ones(1, 1))
        small, large = (sum(p.numel() for p in n.parameters()) for n in nets)
        holds(
            small < large,
            "more parameters for more hidden units",
            f"{small} numbers in one, and {large} in the other",
            "`num_hiddens` is how many units the hidden layer has.",
        )


def _require_average(net: nn.Module, X: Tensor, Y: Tensor) -> None:
    """Require the average of what the features give one by one."""
    n, d = X.shape
    alone = [[call(net, x.reshape(1, 1)).item() for x in row] for row in X]
    alone = torch.tensor(alone)  # (n, d)
    mean = X.mean(dim=1)
    equal(
        Y,
        alone.mean(dim=1, keepdim=True),
        (
            "This isn't the average of what the features give one by one.",
            "Each feature goes through the same network by itself, wherever "
            "it stands, and the d results of one sample are averaged.",
        ),
        known=[
            (alone.mean(dim=1), "Keep the last dimension: (n, 1), not (n,)."),
            (
                alone.sum(dim=1, keepdim=True),
                "This is the sum. The average keeps its size for any width.",
            ),
            (
                alone.amax(dim=1, keepdim=True),
                "This is the largest of the results. Average them.",
            ),
            (
                torch.tensor(
                    [[call(net, m.reshape(1, 1)).item()] for m in mean]
                ),
                (
                    "The features are averaged before the network.",
                    "Average what comes out of it: the network isn't linear.",
                ),
            ),
            (
                alone.flatten().reshape(d, n).mean(dim=0)[:, None],
                (
                    "The samples are mixed up.",
                    "A batch of (n, d) flattens to one sample after the "
                    "other, so go back to (n, d).",
                ),
            ),
            (
                alone.mean().expand(n, 1),
                "This averages over the samples too. Give the dimension of "
                "the features.",
            ),
        ],
        what="output",
    )
