"""The checks of chapter 02, Reach, initialize and share parameters."""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from ..blocks import FixedHiddenMLP, NestMLP
from ._compare import (
    Known,
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
from ._phrase import Phrase
from ._report import show


def _listed(answer: object) -> object:
    """What a function returned, as a list if it can be one."""
    if isinstance(answer, Iterable) and not isinstance(answer, (str, Tensor)):
        return list(answer)
    return answer


def _named(answer: object, net: nn.Module) -> object:
    """The parameters in a list by their names, and what else is in it."""
    names = {id(p): name for name, p in net.named_parameters()}
    places = {p.data_ptr() for p in net.parameters()}

    def name(tensor: object) -> str:
        if id(tensor) in names or not isinstance(tensor, Tensor):
            return names.get(id(tensor), show(tensor))
        if tensor.data_ptr() in places:
            return Phrase("a second tensor on the same memory")
        is_copy = any(same(tensor, p, 0, 0) for p in net.parameters())
        return Phrase("a copy") if is_copy else show(tensor)

    if isinstance(answer, list):
        return [*map(name, answer)]
    return name(answer) if isinstance(answer, Tensor) else answer


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
    twice = nn.Sequential(shared, shared)
    frozen = copy.deepcopy(shared).requires_grad_(False)
    for given, module in {
        "Linear(2, 1) with the weight [[1, -3]] and the bias [0.5]": net,
        "Sequential(Sequential(Linear(1, 2)), BatchNorm1d(2))": nest,
        "Sequential(shared, shared), with shared = Linear(1, 1)": twice,
        "Linear(1, 1), frozen": frozen,
    }.items():
        with case(given):
            _require_rows(overview, module)
    with case("three ways in a NestMLP()"):
        nest = NestMLP()
        ways = _named(_listed(bias_in_three_ways(nest)), nest)
        found = ways if isinstance(ways, list) else []
        known = [(ways, _OTHERS[way]) for way in found if way in _OTHERS]
        equal(ways, ["net.2.bias"] * 3, _THREE_WAYS, known)
        twice = _has_one_way_twice(bias_in_three_ways)
        holds(not twice, "three ways", "one way more than once", _ONE_WAY)


_THREE_WAYS = (
    "Return a list of three, each the bias itself.",
    "Ways are an index, `get_parameter` with a dotted name, a dict of "
    "`named_parameters()`, or the fourth of all `parameters()`.",
)
_ONE_WAY = (
    "The bias is right, but two of the three are reached in the same way.",
    "Beside indices, a network knows its parameters by dotted names, and in "
    "an order.",
)
# By what is among the three ways in place of the bias.
_OTHERS: dict[str, Hint] = {
    "net.0.bias": "This is the bias of the first linear layer. The second "
    "stands behind the ReLU.",
    "net.2.weight": "This is the weight of the layer. Its bias is asked for.",
    "linear.bias": "This is the bias of the layer behind the block. The block "
    "is `nest.net`.",
    "a second tensor on the same memory": (
        "One of the ways gives a second tensor on the same memory. It isn't "
        "the parameter.",
        "An entry of the state dict is one; so is what `.data` or `detach()` "
        "gives.",
    ),
    "a copy": "One of the ways gives a copy, which doesn't change when the "
    "parameter does.",
}


def _require_rows(overview: Callable, net: nn.Module) -> None:
    """Require the overview of a network, its rows in any order."""
    truth = [
        (name, tuple(p.shape), p.detach().abs().mean().item())
        for name, p in net.named_parameters()
    ]
    before = copy.deepcopy(net.state_dict())
    rows = _listed(overview(net))
    if _are_rows(rows):
        order = {name: i for i, (name, *_) in enumerate(truth)}
        rows.sort(key=lambda row: order.get(row[0], len(order)))
    equal(rows, truth, _what_rows_lack(rows, truth, net))
    hint = (
        "The overview changes the values that it describes. A method with `_` "
        "at its end writes into its tensor."
    )
    stay = all(map(torch.equal, before.values(), net.state_dict().values()))
    holds(stay, "parameters as they were", "others", hint)


def _are_rows(rows: object) -> bool:
    def is_row(row: object) -> bool:
        return isinstance(row, (list, tuple)) and len(row) == 3

    return isinstance(rows, list) and all(
        is_row(row) and isinstance(row[0], str) for row in rows
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
            "A name isn't that of `named_parameters()`, such as 0.0.weight: a "
            "path with dots."
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
    names = [node for node in nodes if isinstance(node, ast.Name)]
    stored = [n.id for n in names if isinstance(n.ctx, ast.Store)]
    values, appended = {}, []
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                ids = (getattr(target, "id", "") for target in targets)
                values |= {k: value for k in ids if stored.count(k) == 1}
            case ast.Call(func=ast.Attribute(attr="append"), args=[way]):
                appended.append(way)

    def meaning(node: ast.AST | None) -> ast.AST | None:
        for _ in values:
            if isinstance(node, ast.Name):
                node = values.get(node.id, node)
        return node

    for node in nodes:
        match meaning(node.value) if isinstance(node, ast.Return) else None:
            case ast.List(elts=ways) | ast.Tuple(elts=ways):
                ways = [ast.dump(meaning(w)) for w in ways or appended]
                return len({*ways}) < len(ways)
            case ast.BinOp(left=ast.List() | ast.Tuple(), op=ast.Mult()):
                return True
            case ast.ListComp(elt=way):
                used = {getattr(n, "id", None) for n in ast.walk(way)}
                return not used & {*stored}
    return False


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
        _require_network(net, X)
        _require_one_in_two_places(net, X)
        device = next(net.parameters()).device
        X, y = X.to(device), y.to(device)

    def loss(net: nn.Module) -> Tensor:
        return F.mse_loss(net(X), y)

    nets, logs, rates = [net], {}, set()
    noted = []  # by step and group: the optimizer, and its learning rate

    def note(optimizer: Optimizer, *_: object) -> None:
        rates = (float(group["lr"]) for group in optimizer.param_groups)
        noted.extend((optimizer, rate) for rate in rates)

    for steps in (1, 2, 20):
        given = Phrase("train_shared(net, X, y, {n}), 64 samples", n=steps)
        hint = "The check asks for 1, 2 and 20 steps, from the same start."
        with case(given, hint, {"'NoneType'": _NO_GRADIENT}):
            nets.append(copy.deepcopy(net))
            noted.clear()
            with register_optimizer_step_pre_hook(note):
                log = train_shared(nets[-1], X.clone(), y.clone(), steps)
            logs[steps] = _listed(log)
            _require_one_in_two_places(nets[-1], X, _SEPARATED)
            _require_log(steps, nets, logs, loss)
            rates |= _rates(noted, nets, loss)
            shown = _and(f"{rate:.3g}" for rate in sorted(rates))
            holds(
                len(rates) == 1,
                "one learning rate",
                Phrase("the learning rates {rates}", rates=shown),
                "Each parameter has the same learning rate, and each step "
                "too, however many steps there are.",
            )
    with case("the network after 20 steps"):
        before, after = loss(net).item(), loss(nets[-1]).item()
        hint = (
            "The loss has not fallen.",
            "A step goes against the gradient. And a step that is too long "
            "ends higher than it began: take a smaller learning rate.",
        )
        expected = Phrase("a loss below {loss}", loss=f"{before:.3g}")
        got = Phrase("a loss of {loss}", loss=f"{after:.3g}")
        holds(after < before, expected, got, hint)


_SEPARATED = (
    "The training has separated the places: they don't still hold the same "
    "layer."
)
_NO_GRADIENT = (
    "A gradient is None when its norm is asked for.",
    "`zero_grad` sets gradients to None, and without `backward` there is "
    "none: log between the two. A frozen parameter has none either.",
)


def _require_network(net: object, X: Tensor) -> None:
    """Require a module from (n, 4) to (n, 1) that draws nothing at random."""
    hint = "`make_shared` returns the network, a module."
    holds(isinstance(net, nn.Module), "a network", show(net), hint)
    hint = "The network gives one number for each sample, in the shape (n, 1)."
    shape = tuple(call(net, X).shape)
    equal(shape, (64, 1), hint, what="shape of the output")
    holds(
        torch.allclose(call(net, X), call(net, X)),
        "the same output for the same input",
        "another output in the second call",
        "Something in the network draws at random, such as dropout. Leave it "
        "out: the check follows each step.",
    )


def _require_one_in_two_places(
    net: nn.Module, X: Tensor, hint: Hint = ""
) -> None:
    """Require that one ``Linear(8, 8)`` runs twice in a forward."""
    layers, outputs = [], []

    def note(layer: nn.Module, _: object, output: Tensor) -> None:
        layers.append(layer)
        outputs.append(output)

    with ExitStack() as hooks:
        for layer in net.modules():
            if isinstance(layer, nn.Linear) and layer.weight.shape == (8, 8):
                hooks.enter_context(layer.register_forward_hook(note))
        Y = call(net, X)
    kinds = {id(layer): layer for layer in layers}.values()
    runs = [layers.count(layer) for layer in kinds]
    ran = (Phrase("one that runs {times}", times=_times(n)) for n in runs)
    holds(
        sorted(runs)[-1:] == [2] and runs.count(2) == 1,
        "one Linear(8, 8) that runs twice in a forward",
        _and(ran) if runs else "none that runs",
        hint or _what_two_places_lack(kinds, runs),
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
    return {1: "once", 2: "twice"}.get(run, Phrase("{n} times", n=run))


def _and(parts: Iterable[str]) -> str:
    return functools.reduce(
        lambda front, last: Phrase("{a} and {b}", a=front, b=last), parts
    )


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
            "It is to be called as a module, in two places of the forward. A "
            "call of its `forward` doesn't count, nor one of `F.linear` with "
            "its weight.",
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


def _rates(
    noted: list[tuple[Optimizer, float]],
    nets: list[nn.Module],
    loss: Callable,
) -> set[float]:
    """The learning rates of some steps, which must be of SGD or Adam."""
    optimizers = {id(optimizer): optimizer for optimizer, _ in noted}
    for optimizer in optimizers.values():
        right = isinstance(optimizer, (SGD, Adam, AdamW))
        got = Phrase("steps of {kind}", kind=type(optimizer).__name__)
        hint = "The statement asks for `torch.optim.SGD` or `Adam`."
        holds(right, "steps of SGD or Adam", got, hint)
        hint = (
            "A new optimizer knows nothing of the steps before, and this kind "
            "uses averages over them.",
            "Make it once, before the loop.",
        )
        one = len(optimizers) == 1 or not optimizer.defaults.get("momentum", 1)
        got = Phrase("{number} of them", number=len(optimizers))
        holds(one, "one optimizer for all steps", got, hint)
    if noted or len(nets) > 3:
        return {rate for _, rate in noted}
    *_, old, new = nets
    pairs = zip(old.parameters(), new.parameters(), strict=True)
    step = torch.cat([(p - q).detach().flatten() for p, q in pairs])
    slope = torch.cat([g.flatten() for g in _gradients(old, loss).values()])
    rate = (step @ slope / (slope @ slope)).item()
    holds(
        torch.allclose(step, rate * slope, 1e-2, 1e-6),
        "steps of SGD or Adam",
        "steps that aren't along the gradient",
        "None of torch's optimizers made a step. One by hand is like SGD's: "
        "all parameters move by the same multiple of their gradients.",
    )
    return {float(f"{rate:.2g}")}


def _norms(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, float]:
    return {name: tensor.norm().item() for name, tensor in tensors}


def _gradients(net: nn.Module, loss: Callable) -> dict[str, Tensor]:
    """The gradients of the loss at a network's present values."""
    net = copy.deepcopy(net)
    net.zero_grad()
    loss(net).backward()
    return {name: p.grad for name, p in net.named_parameters()}


def _require_log(
    steps: int, nets: list[nn.Module], logs: dict, loss: Callable
) -> None:
    """Require the log of some steps; what 1 and 2 of them gave is known."""
    log = logs[steps]
    expected, got = "a list of 1 entry", show(log)
    if steps > 1:
        expected = Phrase("a list of {steps} entries", steps=steps)
    if isinstance(log, list):
        got = Phrase("a list of {length}", length=len(log))
    hint = "`train_shared` returns a list with an entry for each step."
    holds(isinstance(log, list) and len(log) == steps, expected, got, hint)
    if steps > 2:
        return
    *_, old, new = nets
    hint = (
        "The network that was given has not moved.",
        "Train it, and no copy of it: call `step()` of an optimizer that "
        "holds its parameters, at a learning rate that isn't tiny.",
    )
    stays = all(map(torch.equal, old.parameters(), new.parameters()))
    holds(not stays, "other parameters after a step", "the old ones", hint)
    before, values = (_norms(n.named_parameters()) for n in (old, new))
    gradients, again = _gradients(old, loss), _gradients(new, loss)
    slopes = _norms(gradients.items())

    def pairs(norms: dict, slopes: dict) -> dict:
        return {name: (norms[name], slopes[name]) for name in values}

    known = {
        "The norm of the gradient is missing: an entry holds pairs.": values,
        "The norm of the parameter is that before the step. Log after "
        "it.": pairs(before, slopes),
        "These are the squares of the norms: take the root.": {
            name: (values[name] ** 2, slopes[name] ** 2) for name in values
        },
        "The pair is the other way round: the parameter's norm is "
        "first.": pairs(slopes, values),
        "This gradient was computed after the step. Log the one that the step "
        "used.": pairs(values, _norms(again.items())),
        "The gradients were cleared before they were logged.": pairs(
            values, dict.fromkeys(values, 0.0)
        ),
    }
    if steps == 2:
        hint = (
            "The first step of two isn't what a single step was, from the "
            "same start.",
            "Make a new dict in each step, take no sample at random, and let "
            "no rate depend on the number of steps.",
        )
        _require_entry(log[0], logs[1][0], "the first of two steps", hint)
        first = _gradients(nets[0], loss)
        added = _norms((n, first[n] + g) for n, g in gradients.items())
        known[_NOT_CLEARED] = pairs(values, added)
    wrong = (why for why in known if same(log[-1], known[why], 1e-3, 1e-6))
    step = "the step" if steps == 1 else "the second step"
    _require_entry(log[-1], pairs(values, slopes), step, next(wrong, ""))


_NOT_CLEARED = (
    "The gradient is the sum of this step's and that of the step before.",
    "`backward` adds to what is there. Clear it with `zero_grad` in each "
    "step.",
)


def _require_entry(
    entry: object, expected: dict, step: str, hint: Hint
) -> None:
    """Require an entry of a log; only what differs is shown."""
    if not isinstance(entry, dict) or entry.keys() != expected.keys():
        text = "an entry for {step} with the names {names}"
        raise Wrong(
            Phrase(text, step=step, names=show(list(expected))),
            show(list(entry) if isinstance(entry, dict) else entry),
            "An entry is a dict, and its keys are the names that "
            "`named_parameters()` gives, each once.",
        )
    for name, pair in expected.items():
        got, pair = _numbers(entry[name]), _numbers(pair)
        text = "norms of {name} and its gradient after {step}"
        what = Phrase(text, name=name, step=step)
        why = hint or _what_a_pair_lacks(got, pair)
        equal(got, pair, why, rtol=1e-3, what=what)


def _numbers(pair: object) -> object:
    """A pair with the numbers that its tensors hold; else what it is."""
    if not isinstance(pair, (list, tuple)):
        return pair
    return tuple(
        v.item() if isinstance(v, Tensor) and not v.dim() else v for v in pair
    )


def _what_a_pair_lacks(got: object, pair: tuple[float, float]) -> Hint:
    if isinstance(got, (list, tuple)) and len(got) == 2:
        if same(got[0], pair[0], 1e-3, 1e-6):
            return (
                "The second isn't the norm of the gradient that the step is "
                "to use.",
                "It is that of the mean squared error on all samples, at the "
                "parameters before the step. Are the shapes of both arguments "
                "(n, 1)?",
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
        hint = "The law is for the weights. The bias stays as it is."
        stays = torch.equal(layer.bias, bias)
        holds(stays, "the same bias", "another one", hint)
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
        hint = (
            "A layer of a subclass of `nn.Linear` was left as it was.",
            "A comparison of types, or of their names, is false for a "
            "subclass: ask with `isinstance`.",
        )
        share = round((layer.weight == -1).float().mean().item(), 1)
        equal(share, 0.7, hint, what="share of -1")
    norm = nn.Sequential(nn.BatchNorm1d(2), nn.ReLU())
    hint = (
        "`apply` visits every module, and this one isn't a linear layer: ask "
        "which kind it is."
    )
    for given, net in {
        "Sequential(BatchNorm1d(2), ReLU()), without a linear layer": norm,
        "Embedding(3, 2), whose weight is a matrix too": nn.Embedding(3, 2),
        "Conv2d(1, 2, 3)": nn.Conv2d(1, 2, 3),
        "Bilinear(2, 2, 1), which is no nn.Linear": nn.Bilinear(2, 2, 1),
    }.items():
        with case(given, hint):
            before = copy.deepcopy(net.state_dict())
            after = net.apply(init_mixture).state_dict()
            stay = all(map(torch.equal, before.values(), after.values()))
            holds(stay, "modules as they were", "others", hint)


_NOT_WRITTEN = {
    "leaf": (
        "Autograd refuses to write into a parameter that it follows.",
        "Write under `torch.no_grad()`.",
    ),
    "cannot assign": "A plain tensor can't take the place of a parameter. "
    "Write into the weight that is there.",
}


def _require_new_values(init: Callable) -> None:
    """Require that other values are in the weight that was there."""
    alone = nn.Linear(2, 3, bias=False)
    for given, layer in {
        "Linear(2, 3)": nn.Linear(2, 3),
        "Linear(2, 3, bias=False), whose bias is None": alone,
    }.items():
        with case(given, known=_NOT_WRITTEN):
            weight, old = layer.weight, layer.weight.detach().clone()
            layer.apply(init)
            holds(
                layer.weight is weight,
                "the same parameter, with other values",
                "another object",
                "Write into the weight that is there: an optimizer that holds "
                "it would never see a new one.",
            )
            holds(
                weight.requires_grad,
                "a parameter that autograd follows",
                "one that is frozen",
                "The weight has lost its `requires_grad`. What is written "
                "under `torch.no_grad()` doesn't need that.",
            )
            hint = (
                "The weights are what they were.",
                "A function with `_` at its end writes into its argument; "
                "others return a new tensor.",
            )
            stay = torch.equal(weight, old)
            holds(not stay, "other weights", "the old ones", hint)


def _require_mixture(weight: Tensor) -> None:
    """Require N(2, 1) with probability 1/3, and -1 otherwise."""
    fixed = weight == -1
    share = fixed.float().mean().item()
    if 0.1 < share < 0.9:
        hint = (
            "There are rows or columns in which a -1 stands at the same "
            "places.",
            "Each weight is decided by itself, not a row or a column at once, "
            "and not by its place.",
        )
        kinds = [len(fixed.unique(dim=0)), len(fixed.unique(dim=1).T)]
        what = "different rows, and columns, of where a -1 is"
        equal(kinds, [200, 100], hint, what=what)
    hint = (
        "The share of the weights that are -1 is wrong.",
        "Draw one uniform number for each weight: it is below 1/3 with "
        "probability 1/3.",
    )
    known = {
        1 / 3: "The two cases are the other way round.",
        1.0: (
            "All weights are -1, and none is drawn.",
            "Is there one coin for all of them? Each weight needs its own. Or "
            "do you fill `weight[mask]`? That is a copy, and the weight "
            "stays: assign to `weight[mask]`.",
        ),
        0.0: (
            "None of the weights is -1.",
            "With probability 2/3 a weight is set to -1, exactly. Each has a "
            "coin of its own, not all of them one.",
        ),
    }
    equal(share, 2 / 3, hint, known, atol=0.02, what="share of -1")
    with case("the weights that aren't -1, a third of 20,000"):
        _require_normal(weight[~fixed])


def _require_normal(drawn: Tensor) -> None:
    """Require the law N(2, 1)."""
    hint = (
        "N(2, 1) has the mean 2.",
        "Each number is drawn by itself, from the whole of N(2, 1).",
    )
    above = 3.09  # the mean of what is above the quantile at 2/3
    known = {
        above: "Only the largest numbers are left: a condition on the drawn "
        "numbers cuts their law. Draw the case and the number apart."
    }
    equal(drawn.mean().item(), 2.0, hint, known, atol=0.1, what="mean")
    hint = "N(2, 1) has the standard deviation 1."
    std = drawn.std().item()
    equal(std, 1.0, hint, atol=0.1, what="standard deviation")
    hint = (
        "Mean and standard deviation are right, but the law isn't the normal "
        "one: 68% lie within one standard deviation."
    )
    within = ((drawn > 1) & (drawn < 3)).float().mean().item()
    equal(within, 0.683, hint, atol=0.03, what="share between 1 and 3")


@exercise(
    "2.4 All but the last",
    "all parameters are frozen but those of the last module that has any",
    "the function returns these, each once",
    "what stands at the end and elsewhere stays trainable",
    "a net that was frozen has a trainable end again",
    "Adam moves these alone, also in the middle of training",
)
def all_but_the_last(freeze_all_but_last: Callable) -> None:
    for given, net, names, *hints in _nets_to_freeze():
        with case(given):
            _require_left(freeze_all_but_last, net, names, *hints)
    hint = "Before the call, no parameter of this net is trainable."
    with case("Sequential(Linear(2, 3), Linear(3, 1)), frozen before", hint):
        net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        net.requires_grad_(False)
        hint = (
            "The net was frozen already. Make the last module trainable, "
            "whatever it was before."
        )
        _require_left(freeze_all_but_last, net, _names(1), hint)
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    nn.init.ones_(net[0].weight)  # so that no output of the ReLU is 0
    with case("a call between backward and a step of Adam, which holds all"):
        _require_moved(freeze_all_but_last, net, _names(2))
    shared = nn.Linear(2, 2)
    given = (
        "Sequential(shared, Linear(2, 2), shared), between backward and a "
        "step of Adam"
    )
    with case(given):
        net = nn.Sequential(shared, nn.Linear(2, 2), shared)
        _require_moved(freeze_all_but_last, net, _names(0, 2))


def _names(*layers: object) -> tuple[str, ...]:
    """The names of the parameters of some layers."""
    return tuple(f"{m}.{name}" for m in layers for name in ("weight", "bias"))


def _nets_to_freeze() -> Iterator[tuple]:
    """Each with what is given, the names of what is left, and hints."""
    chain, linear, relu = nn.Sequential, nn.Linear, nn.ReLU()
    given = "Sequential(Linear(2, 3), Linear(3, 1))"
    hint = (
        "All parameters of the last module are to stay trainable, and no "
        "others.",
        "A module has `requires_grad_`, a method that takes True or False for "
        "all of its parameters.",
    )
    known = {
        _names(0, 1): (
            "Nothing is frozen in `net`.",
            "It is `net` itself that changes, not a copy. And "
            "`requires_grad_` of a module is a method to call: an assignment "
            "to a module's `requires_grad` makes an attribute that nobody "
            "reads.",
        ),
        _names(0): "The last module is frozen, and the first isn't: it is to "
        "be the other way round.",
        (): "Everything is frozen, the last module too.",
    }
    yield given, chain(linear(2, 3), linear(3, 1)), _names(1), hint, known
    given = "Sequential(Linear(2, 3), ReLU(), Linear(3, 1), ReLU())"
    net = chain(linear(2, 3), relu, linear(3, 1), nn.ReLU())
    hint = (
        "The last module that has parameters is `net[2]`: it is the one that "
        "stays trainable."
    )
    nothing = (
        "Nothing is left to train.",
        "The last module is a ReLU, which has no parameters. Look for the "
        "last module that has some.",
    )
    yield given, net, _names(2), hint, {(): nothing}
    hint = (
        "The last module with parameters is `net[1]`, a block.",
        "The modules are `net[0]`, `net[1]`, ...: a block among them counts "
        "as a whole.",
    )
    given = "Sequential(Linear(2, 3), Sequential(Linear(3, 3), ReLU()))"
    net = chain(linear(2, 3), chain(linear(3, 3), relu))
    yield given, net, _names("1.0"), hint
    given = "Sequential(Linear(2, 3), Sequential(Linear(3, 3), Linear(3, 1)))"
    net = chain(linear(2, 3), chain(linear(3, 3), linear(3, 1)))
    yield given, net, _names("1.0", "1.1"), hint
    given = (
        "Sequential(Linear(2, 2), BatchNorm1d(2, affine=False)), whose last "
        "module has buffers alone"
    )
    net = chain(linear(2, 2), nn.BatchNorm1d(2, affine=False))
    hint = (
        "The last module has no parameters: buffers aren't any, and no "
        "optimizer trains them."
    )
    yield given, net, _names(0), hint
    shared = linear(2, 2)
    twice = (
        "A layer that stands in front and at the end has one set of "
        "parameters, and it is the last module: it stays trainable.",
        "Freeze first, and make the last module trainable after that.",
    )
    given = "Sequential(Linear(2, 2), shared, ReLU(), shared)"
    net = chain(linear(2, 2), shared, relu, shared)
    yield given, net, _names(1), twice
    given = "Sequential(shared, Linear(2, 2), shared)"
    hint = (
        "The last module is `net[2]`, which stands in front too.",
        "`children()` and `named_parameters()` give what is shared once, at "
        "its first place. Go through `net` itself.",
    )
    yield given, chain(shared, linear(2, 2), shared), _names(0), hint
    given = "Sequential(Sequential(Linear(2, 2), shared), shared)"
    net = chain(chain(linear(2, 2), shared), shared)
    yield given, net, _names("0.1"), twice
    given = "Sequential(a, ReLU(), b), with b.weight = a.weight"
    a, b = linear(2, 2), linear(2, 2)
    b.weight = a.weight
    hint = (
        "The two weights are one parameter, which the last module has: it "
        "stays trainable.",
        "Go by parameters, not by modules.",
    )
    yield given, chain(a, relu, b), ("0.weight", "2.bias"), hint


def _require_moved(
    freeze: Callable, net: nn.Module, names: tuple[str, ...]
) -> None:
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
    after = net.state_dict()
    moved = [k for k in after if not torch.equal(after[k], before[k])]
    hint = (
        "A frozen parameter moves too: the optimizer uses the gradient that "
        "it still has.",
        "A gradient of zeros doesn't help, since Adam has a memory: set it to "
        "None.",
    )
    known = {
        (): "Nothing moves now: the gradients of the parameters that remain "
        "are to stay."
    }
    what = "entries of the state dict that the step moves"
    equal(moved, [*names], hint, known, what=what)


def _require_left(
    freeze: Callable,
    net: nn.Module,
    names: tuple[str, ...],
    hint: Hint,
    known: Known = (),
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
    equal(trainable, [*names], hint, known, what="trainable")
    hint = (
        "The right ones are trainable. Return a list of them: the parameters "
        "themselves, each once, as an optimizer takes them."
    )
    if isinstance(answer, list):
        returned.sort(key=lambda name: (name not in names, name))
        if any(isinstance(entry, (str, tuple)) for entry in answer):
            hint = (
                "There are names in the list. Return the parameters alone, as "
                "`parameters()` of a module gives them."
            )
    equal(returned, sorted(names), hint, what="returned")


@exercise(
    "2.5 Bytes",
    "parameters and buffers count, whatever their data type",
    "frozen parameters count, and gradients don't",
    "a shared layer and a shared buffer count once",
    "a view adds nothing to the memory that it shares",
    "your counts by hand are right",
)
def count_bytes(num_bytes: Callable, by_hand: dict) -> None:
    for given, net, *hints in _nets_to_weigh():
        with case(given):
            equal(num_bytes(net), _bytes(net), *hints, what="bytes")
    for given, net in _nets_with_views().items():
        with case(given):
            got = num_bytes(net)
            hint = "A view adds nothing: it is on memory that counts already."
            with suppress(TypeError, ValueError, RuntimeError):
                if got < _bytes(net):
                    hint = "Not all of the memory is counted."
            equal(got, _bytes(net), (hint, *_STORAGES), what="bytes")
    numbers, shared = torch.arange(10.0), nn.Linear(8, 8)
    front, back = nn.Linear(4, 8), nn.Linear(8, 1)
    for name, net in {
        "tied": nn.Sequential(front, shared, nn.ReLU(), shared, back),
        "FixedHiddenMLP": FixedHiddenMLP(),
        "two names": _with_buffers(numbers, numbers),
    }.items():
        parameters = sum(p.nbytes for p in net.parameters()) or ""
        entries = sum(t.nbytes for t in net.state_dict().values())
        known = {
            _bytes(net) // 4: "This is how many numbers there are, of 4 bytes "
            "each.",
            parameters: "These are the parameters alone: the buffer takes "
            "memory too.",
            entries: "What is shared counts once, however many names it has.",
        }
        question, key = "your count of the bytes of {name}", show(name)
        with asked(Phrase(question, name=key)):
            holds(name in by_hand, "", "none", Phrase("Add {key}.", key=key))
            got, hint = by_hand[name], _COUNTED[name]
            equal(got, _bytes(net), hint, known, what="bytes")


# By the name that the starter cell gives to a network.
_COUNTED: dict[str, Hint] = {
    "tied": (
        "Three linear layers are in it, each once: 4 to 8, 8 to 8 and 8 to 1.",
        "Add up their weights and biases, of 4 bytes each.",
    ),
    "FixedHiddenMLP": (
        "It has a buffer of 20 x 20, and one `Linear(20, 20)`.",
        "The layer is used twice, and takes memory once. Each number takes 4 "
        "bytes.",
    ),
    "two names": "It is one tensor of 10 numbers.",
}
_ELEMENT_SIZE = "Ask each tensor for its `element_size()`."
_STORAGES = (
    "`untyped_storage()` of a tensor is the memory behind it. Count each "
    "storage once, with the bytes that it has itself.",
    "Two storages are one if their `data_ptr()` is the same; `nbytes()` is "
    "the size of a storage.",
)


def _nets_to_weigh() -> Iterator[tuple]:
    """Each with what is given before it, and hints after it."""
    net = nn.Linear(2, 3)
    hint = (
        "The layer has 9 numbers of 4 bytes each.",
        "A tensor knows how many elements it has, `numel()`, and how many "
        "bytes each takes, `element_size()`.",
    )
    known = {
        9: "This is the number of elements, of 4 bytes each.",
        net.weight.nbytes: "The bias takes memory too.",
        8 * _bytes(net): "These are bits: 8 make a byte.",
    }
    yield "Linear(2, 3), in float32", net, hint, known
    hint = "A number takes 4 bytes in float32 and 8 in float64."
    double = nn.Linear(2, 3).double()
    yield "Linear(2, 3) in float64", double, (hint, _ELEMENT_SIZE)
    hint = "A frozen parameter isn't trained, but takes memory."
    yield "Linear(2, 3), frozen", nn.Linear(2, 3).requires_grad_(False), hint
    net(torch.ones(2)).sum().backward()
    hint = "Gradients take memory too, but are neither parameters nor buffers."
    yield "Linear(2, 3) after a backward", net, hint
    net = nn.BatchNorm1d(3)
    numbers = sum(t.numel() for t in (*net.parameters(), *net.buffers()))
    hint = (
        "Two parameters and two buffers of 3 numbers, and a count of batches, "
        "an integer of 8 bytes."
    )
    size = "The count of batches is an int64, of 8 bytes."
    known = {
        4 * 6: "These are the parameters alone. `buffers()` gives the others.",
        4 * numbers: (size, _ELEMENT_SIZE),
    }
    yield "BatchNorm1d(3)", net, hint, known
    given = "Sequential(shared, ReLU(), shared), shared = Linear(2, 2)"
    shared, numbers = nn.Linear(2, 2), torch.arange(10.0)
    hint = (
        "A layer in two places has its 6 numbers once in memory.",
        "The state dict lists them once for each place, `parameters()` once.",
    )
    yield given, nn.Sequential(shared, nn.ReLU(), shared), hint
    given = "one buffer of 10 numbers in float32, under two names"
    hint = "Two names, one tensor: count memory, not names."
    yield given, _with_buffers(numbers, numbers), hint
    given = "a buffer of 10 numbers that the state dict leaves out"
    net = nn.Module()
    net.register_buffer("numbers", numbers, persistent=False)
    hint = (
        "A buffer with `persistent=False` isn't saved, but takes memory. "
        "`buffers()` gives it."
    )
    yield given, net, hint


def _nets_with_views() -> dict[str, nn.Module]:
    """By what is given."""
    numbers, layer = torch.arange(10.0), nn.Linear(2, 3)
    layer.register_buffer("view", layer.weight.detach()[0])
    return {
        "two buffers: a view of the last three of 10 numbers, and all": (
            _with_buffers(numbers[-3:], numbers)
        ),
        "two buffers: all 10 numbers, then a view of the last three": (
            _with_buffers(numbers, numbers[-3:])
        ),
        "two buffers: the first and the second half of 10 numbers": (
            _with_buffers(numbers[:5], numbers[5:])
        ),
        "Linear(2, 3), with a buffer that is a view of its weight": layer,
    }


def _with_buffers(*tensors: Tensor) -> nn.Module:
    """A module with nothing but some buffers."""
    net = nn.Module()
    for i, tensor in enumerate(tensors):
        net.register_buffer(f"buffer{i}", tensor)
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
        hint = (
            "No parameter is called so: a name is a position, a dot, and "
            "`weight` or `bias`. The ReLU has none."
        )
        expected = "names of parameters of the network"
        holds(not strange, expected, show(strange), hint)
    with asked(question):
        filled = {n for n, p in net.named_parameters() if not is_lazy(p)}
        hint = (
            "A parameter with values is missing: which of the layers knows "
            "both of its widths?",
            "Both widths of the first layer are given, so its weight and its "
            "bias have values from the start.",
        )
        known = {
            frozenset({*_names(0), "2.bias"}): (
                "One of these has no values yet.",
                "The shape of the lazy layer's bias could be known, but the "
                "layer makes both of its parameters at the first batch.",
            ),
            frozenset(_names(0, 2)): (
                "Some of these have no values yet.",
                "The lazy layer lists its parameters, but they are without "
                "values until a batch reaches it.",
            ),
        }
        equal(set(names), filled, hint, known)
    truth = {}
    for width in (30, 20):
        with suppress(RuntimeError):
            net(torch.ones(2, width))
        truth[f"after (2, {width})"] = not is_lazy(net[2].weight)
    hints = {
        "after (2, 30)": "The batch goes through the layers in order. Which "
        "of them raises the error, and does the batch come as far as the lazy "
        "one?",
        "after (2, 20)": "Nothing was decided before this batch, and it "
        "reaches the lazy layer with 256 features.",
    }
    predicted(has_shape, truth, hints)


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
    _require_choice("first_start", first_start)
    _require_choice("second_start", second_start)
    with case("your choice of both"):
        got = Phrase("{name} twice", name=first_start.__name__)
        hint = (
            "Choose two that differ: a list is in the documentation of "
            "`torch.nn.init`."
        )
        holds(first_start is not second_start, "two functions", got, hint)
    _require_test("is_first", is_first, first_start)
    _require_test("is_second", is_second, second_start)


def _require_choice(name: str, start: Callable) -> None:
    """Require a function of ``nn.init`` that the chapter doesn't use."""
    with case(Phrase("your choice of `{name}`", name=name)):
        names = [n for n, f in vars(nn.init).items() if f is start]
        named = [n for n in names if n.endswith("_") and n[0] != "_"]
        holds(
            named,
            "a function of nn.init whose name ends with _",
            show(start),
            "Give the function itself, such as `nn.init.ones_`, without a "
            "call or a wrapper: the check calls it with a weight.",
        )
        hint = (
            "The chapter uses this one already. `dir(nn.init)` lists what "
            "there is."
        )
        expected = "a function that the chapter doesn't use"
        holds(named[0] not in USED, expected, named[0], hint)


def _require_test(name: str, test: Callable, start: Callable) -> None:
    """Require that a test tells what a function draws from other weights."""
    weight = torch.empty(200, 100)
    tested, drew = f"{name}(weight)", start.__name__
    given = Phrase("{name} on a weight of shape (200, 100)", name=drew)
    text = (
        "`{name}` doesn't take a weight of shape (200, 100) alone. Choose "
        "another function."
    )
    with case(given, Phrase(text, name=drew)):
        start(weight)
    given = Phrase("{call}, a weight from {name}", call=tested, name=drew)
    hint = (
        Phrase("The test refuses what `{name}` draws.", name=drew),
        "Print what the test looks at, for a weight that was drawn: is it "
        "what the documentation says, for 100 inputs and 200 outputs?",
        "Compare with a tolerance: the standard deviation of 20,000 numbers "
        "varies by about 1%, and products are rounded.",
    )
    for _ in range(10):
        with case(given):
            tried = start(weight).clone()
            _require_verdict(test(tried), True, hint)
            stays = torch.equal(tried, weight)
            why = "The test changes the weight that it is to look at."
            holds(stays, "the weight as it was", "another one", why)
    default = nn.Linear(100, 200).weight.detach()
    unlike = "The default start isn't what `{name}` draws."
    smaller = "It is uniform between -0.1 and 0.1. Make the tolerance smaller."
    for given, other, hint in (
        ("{call}, a weight from {name}, times 2", weight * 2, _TWICE),
        ("{call}, a weight from {name}, divided by 2", weight / 2, _HALF),
        (
            "{call}, a weight that nn.Linear(100, 200) has at its start",
            default,
            (Phrase(unlike, name=drew), smaller),
        ),
    ):
        with case(Phrase(given, call=tested, name=drew)):
            _require_verdict(test(other.clone()), False, hint)


_TWICE = (
    "A weight of twice the scale passes too.",
    "The test must see the scale, as a standard deviation or a length of "
    "columns does, and have an upper bound.",
)
_HALF = (
    "A weight of half the scale passes too.",
    "The test must see the scale, and have a lower bound.",
)


def _require_verdict(verdict: object, right: bool, hint: Hint) -> None:
    expected, why = "True or False", "The test returns nothing: `return` it."
    holds(verdict is not None, expected, "None", why)
    why = "The test gives one answer for the whole weight, True or False."
    is_one = getattr(verdict, "shape", ()) == () and isinstance(
        getattr(verdict, "item", lambda: verdict)(), bool
    )
    holds(is_one, expected, show(verdict), why)
    equal(verdict, right, hint)


@exercise(
    "2.8 A tie that breaks",
    "your five predictions come true for Sequential(a, b)",
)
def tie_that_breaks(still_tied: dict) -> None:
    truth = {}
    for name, event in _EVENTS.items():
        a, b = event(_tied())
        truth[name] = a.weight is b.weight
    predicted(still_tied, truth, _WHY_TIED)


def _tied() -> nn.Sequential:
    a, b = nn.Linear(4, 4), nn.Linear(4, 4)
    b.weight = a.weight
    return nn.Sequential(a, b)


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
    "deep copies one by one": lambda net: map(copy.deepcopy, net),
}
_WHY_TIED = {
    "deepcopy of the network": "`deepcopy` notes what it has copied: an "
    "object that occurs twice is copied once.",
    "load_state_dict": "By default it copies values into the tensors that are "
    "there, and makes no new ones.",
    "double": "It changes the data of each parameter, and keeps the parameter "
    "as an object.",
    "new nn.Parameter": "The assignment gives `b` another object. `a` still "
    "holds the old one.",
    "deep copies one by one": "Each call of `deepcopy` has notes of its own: "
    "the weight is copied twice.",
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
    AnyWidth: type[nn.Module], output_changes: object
) -> None:
    with case("one sample with one feature, X of shape (1, 1)"):
        net = AnyWidth()
        hint = "A sample gives one number: the output has the shape (n, 1)."
        shape = tuple(call(net, torch.ones(1, 1)).shape)
        equal(shape, (1, 1), hint, what="shape of the output")
        shapes = _shapes(net)
        _require_parameters(net)
    _require_hidden_units(AnyWidth)
    with case("X of shape (20, 1), twice the same"):
        X = torch.linspace(-10, 10, 20)[:, None]
        hint = "Something in the module draws at random, such as dropout."
        again = torch.allclose(call(net, X), call(net, X))
        holds(again, "the same output", "another one", hint)
    with case("a single feature, between -1000 and 1000"):
        _require_curve(net)
    for n, d in ((1, 2), (3, 5), (3, 7)):
        text = (
            "The width {width} isn't that of the first batch, and a layer has "
            "fixed the width."
        )
        hint = (
            Phrase(text, width=d),
            "Give the layers a single feature, from 1 number to 1.",
        )
        known = {"shapes cannot be multiplied": hint}
        with case(Phrase("X of shape {shape}", shape=(n, d)), known=known):
            X = torch.randn(n, d)
            Y = call(net, X).detach().cpu()
            hint = (
                "The parameters grow with the width, or change. One small "
                "network serves all features."
            )
            equal(_shapes(net), shapes, hint, what="shapes of the parameters")
            _require_average(net, X, Y)
            given = X.to(next(net.parameters()).device)
            before = given.clone()
            net(given)
            hint = (
                "The forward changes its input. An operation such as `+=` "
                "writes into it: make a new tensor."
            )
            holds(torch.equal(given, before), "X as it was", "another X", hint)
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
        changes = not torch.allclose(call(net, X), swapped, atol=1e-5)
        hint = (
            "All features go through the same network, and a sum has no order."
        )
        equal(output_changes, changes, hint)


def _shapes(net: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in net.parameters()]


def _size(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def _require_parameters(net: nn.Module) -> None:
    """Require as many as a hidden layer has, and a layer behind it."""
    hint = (
        "`parameters()` of the module finds nothing to train.",
        "It looks for layers in attributes, in `nn.Sequential` and in "
        "`nn.ModuleList`. A plain list hides them, and so does a layer that "
        "each forward makes anew.",
    )
    holds(_size(net), "a module with parameters", "none", hint)
    text = "{number} numbers in all the parameters"
    holds(
        _size(net) >= SMALLEST,
        "a hidden layer, and one that adds up its outputs",
        Phrase(text, number=_size(net)),
        (
            "These are too few for a hidden layer.",
            "A single weight and bias make none: with a ReLU, their curve "
            "bends once. Several units bend in places of their own, and a "
            "second layer adds them up.",
        ),
    )


def _require_hidden_units(AnyWidth: type[nn.Module]) -> None:
    """Require that the number of hidden units is the one that is given."""
    if "num_hiddens" not in inspect.signature(AnyWidth).parameters:
        return
    with case("AnyWidth(num_hiddens=2) and AnyWidth(num_hiddens=20)"):
        nets = [AnyWidth(num_hiddens=units) for units in (2, 20)]
        for net in nets:
            call(net, torch.ones(1, 1))
        small, large = map(_size, nets)
        text = "{small} numbers in one, and {large} in the other"
        got = Phrase(text, small=small, large=large)
        hint = "`num_hiddens` is how many units the hidden layer has."
        expected = "more parameters for more hidden units"
        holds(small < large, expected, got, hint)


def _require_curve(net: nn.Module) -> None:
    """Require that what a feature gives isn't a line."""
    x = torch.tensor([-1000.0, -10, -1, 0, 1, 10, 1000])[:, None]
    Y = torch.cat([call(net, row[None]).detach().cpu() for row in x])
    slopes = Y.diff(dim=0) / x.diff(dim=0)
    hint = (
        "With one feature, the average is what the network gives for it. Take "
        "nothing off that depends on the batch or the sample."
    )
    holds(slopes.any(), "a curve", "the same output for each of them", hint)
    hint = (
        "The small network is linear: the average of its outputs is no more "
        "than its output for the average.",
        "Between the hidden layer and the next, it needs a ReLU or another "
        "function that bends.",
    )
    bends = slopes.max() - slopes.min() > 1e-3 * slopes.abs().max()
    holds(bends, "a curve", "a straight line", hint)


def _require_average(net: nn.Module, X: Tensor, Y: Tensor) -> None:
    """Require the average of what the features give one by one."""
    n, d = X.shape

    def each(x: Tensor) -> Tensor:
        """What numbers give one by one."""
        outputs = [call(net, number.reshape(1, 1)).item() for number in x]
        return torch.tensor(outputs)

    alone = torch.stack([*map(each, X)])  # (n, d)
    hint = (
        "This isn't the average of what the features give one by one.",
        "Each feature goes through the same network by itself, wherever it "
        "stands, and the d results of one sample are averaged.",
    )
    known = {
        alone.mean(dim=1): "Keep the last dimension: (n, 1), not (n,).",
        alone.sum(dim=1, keepdim=True): "This is the sum. The average keeps "
        "its size for any width.",
        alone.amax(dim=1, keepdim=True): "This is the largest of the results. "
        "Average them.",
        each(X.mean(dim=1))[:, None]: (
            "The features are averaged before the network.",
            "Average what comes out of it: the network isn't linear.",
        ),
        alone.flatten().reshape(d, n).mean(dim=0)[:, None]: (
            "The samples are mixed up.",
            "A batch of (n, d) flattens to one sample after the other, so go "
            "back to (n, d).",
        ),
        alone.mean().expand(n, 1): "This averages over the samples too. Give "
        "the dimension of the features.",
    }
    right = alone.mean(dim=1, keepdim=True)
    equal(Y, right, hint, known, what="output")


_GROWN = {
    "sizes": (
        "Not both layers serve all the words.",
        "The embedding has a row for each word, and the output a score: "
        "replace both layers, so that they also print their new sizes.",
    ),
    "tie": (
        "Embedding and output are two parameters now, which part with the "
        "first step of training.",
        "Give both layers one object: `a.weight = b.weight`.",
    ),
    "parameter": "The weight must be an `nn.Parameter`, made of values that "
    "have no graph: `detach` gives them.",
    "old": (
        "The rows of the old words have other values.",
        "They stand in front, in their order, as they were.",
    ),
    "new": (
        "A new row isn't the mean of the old ones.",
        "The mean of the rows is a mean along the first dimension: `dim=0`.",
    ),
    "scores": (
        "The scores of the old words, for an old word, are others than "
        "before.",
        "The weight is right: something else changes what the model computes. "
        "Replace the two layers by plain ones, and nothing else.",
    ),
    "bias": "The output has no bias, as before.",
    "dtype": (
        "The model has another data type than before.",
        "Make the new values from the old ones: they keep the type.",
    ),
    "frozen": "The weight was frozen, and is to stay so: look at "
    "`requires_grad`.",
    "trainable": "The weight could be trained, and is to stay so.",
    "other": "The model itself is to change: assign to its attributes.",
    "held": "An optimizer holds the parameter that it was given. Is this one "
    "still in the model?",
}


class _NextWord(nn.Module):
    """A tied model, as the chapter has it."""

    def __init__(self, num_words: int, num_features: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_words, num_features)
        self.out = nn.Linear(num_features, num_words, bias=False)
        self.embedding.weight = self.out.weight

    def forward(self, words: Tensor) -> Tensor:
        return self.out(self.embedding(words))


@exercise(
    "2.10 More words",
    "embedding and output serve the new number of words",
    "they have one parameter, as before",
    "old rows keep their values, and each new row is the mean of the old ones",
    "the data type stays, and so does requires_grad",
    "you know what an optimizer from before trains",
)
def more_words(grow: Callable, trained_by_old_optimizer: dict) -> None:
    hints = _GROWN
    for given, sizes in {
        "a tied model of 5 words with 3 features, num_words = 7": (5, 3, 7),
        "a tied model of 2 words with 4 features, num_words = 3": (2, 4, 3),
    }.items():
        with case(given):
            _require_grown(grow, *sizes)
    with case("a tied model in float64, num_words = 7"):
        model = _NextWord(5, 3).double()
        grow(model, 7)
        got = show(model.out.weight.dtype)
        equal(got, "torch.float64", hints["dtype"], what="type")
    with case("a tied model whose weight is frozen, num_words = 7"):
        model = _NextWord(5, 3).requires_grad_(False)
        grow(model, 7)
        frozen = not model.out.weight.requires_grad
        holds(frozen, "a frozen weight", "a trainable one", hints["frozen"])
    truth = dict.fromkeys(("old rows", "new rows"), _old_optimizer_trains())
    predicted(
        trained_by_old_optimizer, truth, dict.fromkeys(truth, hints["held"])
    )


def _require_grown(grow: Callable, old: int, features: int, new: int) -> None:
    hints, model = _GROWN, _NextWord(old, features)
    rows = model.out.weight.detach().clone()
    scores = model(torch.arange(old))
    grow(model, new)
    embedding, out = model.embedding, model.out
    shapes = {"embedding": (new, features), "out": (new, features)}
    got = {
        "embedding": tuple(embedding.weight.shape),
        "out": tuple(out.weight.shape),
    }
    known = [(dict.fromkeys(got, (old, features)), hints["other"])]
    equal(got, shapes, hints["sizes"], known, what="shapes")
    got = embedding.num_embeddings, out.out_features
    equal(got, (new, new), hints["sizes"], what="words")
    kinds = [isinstance(f.weight, nn.Parameter) for f in (embedding, out)]
    holds(all(kinds), "parameters", "other tensors", hints["parameter"])
    tied = embedding.weight is out.weight
    holds(tied, "one parameter", "two", hints["tie"])
    trainable = out.weight.requires_grad
    holds(trainable, "a weight to train", "a frozen one", hints["trainable"])
    holds(out.bias is None, "no bias", "a bias", hints["bias"])
    equal(out.weight[:old], rows, hints["old"], what="old rows")
    mean = rows.mean(dim=0).expand(new - old, -1)
    equal(out.weight[old:], mean, hints["new"], what="new rows")
    words = torch.arange(new)
    equal(model(words)[:old, :old], scores, hints["scores"])


def _old_optimizer_trains() -> bool:
    """Whether an optimizer trains a weight that took another's place."""
    model = _NextWord(5, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.out.weight = model.embedding.weight = nn.Parameter(torch.ones(7, 3))
    model(torch.arange(7)).sum().backward()
    optimizer.step()
    return not same(model.out.weight, torch.ones(7, 3), 0, 0)


_SHAPED = {
    "waiting": (
        "A lazy layer still waits for its width.",
        "Run the batch: call the net with it.",
    ),
    "names": (
        "These aren't the names of the parameters that have got their shape.",
        "Ask before the batch which of them are lazy, and return their names "
        "in a list.",
    ),
    "after": "After the batch, none is lazy. Ask before.",
    "buffers": (
        "A buffer has changed: batch normalization has seen the batch.",
        "In evaluation mode it only reads its averages.",
    ),
    "modes": (
        "A module is in another mode than before.",
        "Note the mode of each module, and give each its own back: `train()` "
        "sets all of them.",
    ),
    "modes after an error": (
        "After the error, a module is in another mode than before.",
        "`finally` runs after an error, too.",
    ),
    "random": (
        "A random number was drawn, as by dropout in training mode.",
        "In evaluation mode, dropout draws none.",
    ),
    "graph": (
        "The run has left gradients, or a change of the values.",
        "It takes the forward computation alone: no `backward`, no step.",
    ),
    "error": "The batch doesn't fit: let the error of PyTorch pass.",
}


@exercise(
    "2.11 Shape a lazy network",
    "the lazy layers get their widths, and their names come back",
    "no buffer changes, and no random number is drawn for dropout",
    "each module stays in its mode, also where the batch doesn't fit",
)
def shape_a_lazy_network(shape: Callable) -> None:
    hints = _SHAPED
    X = torch.tensor([[1.0, 2, 3], [4, 5, 7]])
    with case("LazyLinear(4), ReLU(), LazyLinear(2), X of shape (2, 3)"):
        net = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2))
        names = ["0.weight", "0.bias", "2.weight", "2.bias"]
        _require_shaped(shape, net, X, names)
    with case("Linear(3, 4), LazyLinear(2), X of shape (2, 3)"):
        net = nn.Sequential(nn.Linear(3, 4), nn.LazyLinear(2))
        _require_shaped(shape, net, X, ["1.weight", "1.bias"])
    norm = nn.BatchNorm1d(3)
    with case("BatchNorm1d(3), LazyLinear(2), X of shape (2, 3)"):
        net = nn.Sequential(norm, nn.LazyLinear(2))
        _require_shaped(shape, net, X, ["1.weight", "1.bias"])
    with case("BatchNorm1d(3) in evaluation mode, LazyLinear(2)"):
        net = nn.Sequential(norm.eval(), nn.LazyLinear(2))
        _require_shaped(shape, net, X, ["1.weight", "1.bias"])
    with case("Linear(3, 2), Dropout(), a net without a lazy layer"):
        net = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
        before = torch.get_rng_state()
        _require_shaped(shape, net, X, [])
        drawn = not torch.equal(torch.get_rng_state(), before)
        holds(not drawn, "no random number", "one", hints["random"])
    with case("Linear(5, 2), LazyLinear(2), X of shape (2, 3)"):
        net = nn.Sequential(nn.Linear(5, 2), nn.LazyLinear(2).eval())
        modes = _modes(net)
        raises(RuntimeError, shape, net, X, hint=hints["error"])
        equal(_modes(net), modes, hints["modes after an error"], what="modes")


def _modes(net: nn.Module) -> dict[str, str]:
    """The mode of each module, by its name."""
    return {
        name or "net": "training" if module.training else "evaluation"
        for name, module in net.named_modules()
    }


def _require_shaped(
    shape: Callable, net: nn.Module, X: Tensor, names: list[str]
) -> None:
    hints, modes = _SHAPED, _modes(net)
    buffers = {k: v.clone() for k, v in net.named_buffers()}
    values = {
        k: p.detach().clone()
        for k, p in net.named_parameters()
        if not is_lazy(p)
    }
    answer = shape(net, X)
    waiting = [k for k, p in net.named_parameters() if is_lazy(p)]
    equal(waiting, [], hints["waiting"], what="waiting")
    known = {(): hints["after"]} if names else {}
    got = [*answer] if isinstance(answer, (list, tuple)) else answer
    equal(got, names, hints["names"], known, what="names")
    equal(dict(net.named_buffers()), buffers, hints["buffers"])
    equal(_modes(net), modes, hints["modes"], what="modes")
    parameters = dict(net.named_parameters())
    kept = all(same(parameters[k], v, 0, 0) for k, v in values.items())
    no_gradients = all(p.grad is None for p in parameters.values())
    holds(
        kept and no_gradients,
        "the values as they were, without gradients",
        "others",
        hints["graph"],
    )
