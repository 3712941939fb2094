"""The checks of chapter 02, Reach, initialize and share parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from contextlib import suppress

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

from ..blocks import FixedHiddenMLP, NestMLP
from ._compare import asked, call, case, equal, holds, predicted
from ._exercise import exercise
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
    if not isinstance(answer, list):
        return answer
    found = []
    for tensor in answer:
        found.append(names.get(id(tensor), show(tensor)))
        if isinstance(tensor, Tensor) and id(tensor) not in names:
            found[-1] = "a copy"
            if tensor.data_ptr() in places:
                found[-1] = "a second tensor on the same memory"
    return found


@exercise(
    "2.1 Every way to a bias",
    "the overview has the name, shape and mean absolute value",
    "it goes through nested modules, and leaves out buffers",
    "each of the three ways gives the parameter itself",
)
def every_way_to_a_bias(
    overview: Callable, bias_in_three_ways: Callable
) -> None:
    with case("Linear(2, 1) with the weight [[1, -3]] and the bias [0.5]"):
        net = nn.Linear(2, 1)
        with torch.no_grad():
            net.weight.copy_(torch.tensor([[1.0, -3]]))
            net.bias.fill_(0.5)
        equal(
            _listed(overview(net)),
            [("weight", (1, 2), 2.0), ("bias", (1,), 0.5)],
            "Go through `named_parameters()`, and put a tuple (name, shape, "
            "mean absolute value) for each into the list that you return.",
            known=[
                (
                    [("weight", (1, 2), mean), ("bias", (1,), 0.5)],
                    "First take the absolute values, then their mean: else "
                    "1 and -3 cancel in part.",
                )
                for mean in (-1.0, 1.0)
            ],
        )
    with case("Sequential(Sequential(Linear(1, 2)), BatchNorm1d(2))"):
        net = nn.Sequential(nn.Sequential(nn.Linear(1, 2)), nn.BatchNorm1d(2))
        with torch.no_grad():
            for p in net.parameters():
                p.fill_(-0.5)
        rows = _listed(overview(net))
        truth = [
            (name, tuple(p.shape), 0.5) for name, p in net.named_parameters()
        ]
        hint = (
            "The parameters of nested modules count too, under their dotted "
            "names, in the order of `named_parameters()`."
        )
        if isinstance(rows, list) and len(rows) > len(truth):
            hint = (
                "The state dict holds buffers too, such as the running mean "
                "of a batch normalization. They aren't parameters."
            )
        equal(rows, truth, hint)
    with case("three ways in a NestMLP()"):
        nest = NestMLP()
        ways = _named(_listed(bias_in_three_ways(nest)), nest)
        equal(
            ways,
            ["net.2.bias"] * 3,
            "Return a list of three, each the bias itself. Ways are an index, "
            "`get_parameter` with a dotted name, a dict of "
            "`named_parameters()`, or the fourth of all `parameters()`.",
            known=_known_ways(ways),
        )


def _known_ways(ways: object) -> list[tuple[object, str]]:
    """Hints for lists that hold another thing than the bias."""
    hints = {
        "net.0.bias": "The index 0 is the first linear layer. The second "
        "stands behind the ReLU.",
        "linear.bias": "This is the bias of the layer behind the block. The "
        "block is `nest.net`.",
        "a second tensor on the same memory": "One of the ways gives a second "
        "tensor on the same memory: an entry of the state dict, `.data` or "
        "`detach()`. It isn't the parameter.",
        "a copy": "One of the ways gives a copy, which doesn't change when "
        "the parameter does.",
    }
    found = ways if isinstance(ways, list) else []
    return [(ways, hints[way]) for way in found if way in hints]


@exercise(
    "2.2 Watch a shared layer learn",
    "one Linear(8, 8) runs twice in a forward, before and after training",
    "each step trains on all samples with the mean squared error",
    "the norms are those after the step, and of the gradient that it used",
    "the loss falls in 20 steps",
)
def watch_a_shared_layer_learn(
    make_shared: Callable, train_shared: Callable
) -> None:
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
        )
        holds(
            torch.allclose(call(net, X), call(net, X)),
            "the same output for the same input",
            "another output in the second call",
            "Something in the network draws at random, such as dropout. Leave "
            "it out: the check follows each step.",
        )
        _require_one_in_two_places(
            net,
            X,
            "Two calls of `nn.Linear` make two layers, with values of their "
            "own. Make one, and put the same object into both places.",
        )
        device = next(net.parameters()).device
        X, y = X.to(device), y.to(device)
    nets, logs = {}, {}
    for steps in (1, 2, 20):
        hint = (
            "If a gradient is None: log between `backward` and the next "
            "`zero_grad`. If a schedule fails on few steps: none is needed, "
            "the optimizer alone will do."
        )
        with case(f"train_shared(net, X, y, {steps}), 64 samples", hint):
            nets[steps] = copy.deepcopy(net)
            logs[steps] = _listed(
                train_shared(nets[steps], X.clone(), y.clone(), steps)
            )
            _require_log(steps, [net, *nets.values()], logs, X, y)
    with case("the network after 20 steps"):
        _require_one_in_two_places(
            nets[20],
            X,
            "The training has separated the places: they don't still hold "
            "the same parameters.",
        )
        before, after = _loss(net, X, y), _loss(nets[20], X, y)
        holds(
            after < before,
            f"a loss below {before.item():.3g}",
            f"{after.item():.3g}",
            "The loss has not fallen: a step goes against the gradient, and "
            "isn't too long.",
        )


def _loss(net: nn.Module, X: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(net(X), y)


def _require_one_in_two_places(net: nn.Module, X: Tensor, hint: str) -> None:
    """Require that one ``Linear(8, 8)`` runs twice in a forward."""
    runs = []
    layers = [
        module
        for module in net.modules()
        if isinstance(module, nn.Linear) and module.weight.shape == (8, 8)
    ]
    hooks = [
        layer.register_forward_hook(lambda layer, *_: runs.append(layer))
        for layer in layers
    ]
    try:
        call(net, X)
    finally:
        for hook in hooks:
            hook.remove()
    equal(
        len(runs),
        2,
        "A `Linear(8, 8)` is to run in two places of the forward: make it "
        "once, and put the same object into both.",
        known=[
            (
                0,
                "No `Linear(8, 8)` was called. Make one, and call it as a "
                "module, such as `self.shared(H)`, in both places.",
            )
        ],
    )
    kinds = {id(layer.weight) for layer in runs}
    kinds |= {id(layer.bias) for layer in runs}
    holds(
        len(kinds) == 2,
        "one weight and one bias in both places",
        "two layers",
        hint,
    )


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
        f"{len(log)} entries" if isinstance(log, list) else show(log),
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
        "The network that was given has not moved. Train it in place, and "
        "call `step()` of an optimizer that holds its parameters.",
    )
    values, gradients = _norms(new), _gradients(old, X, y)
    slopes = {name: g.norm().item() for name, g in gradients.items()}
    if steps == 2:
        equal(
            log[0],
            logs[1][0],
            "The first entry isn't that of a single step. Make a new dict in "
            "each step, take no sample at random, and give all steps the "
            "same learning rate.",
            rtol=1e-3,
        )
    got, expected = log[-1], {n: (values[n], slopes[n]) for n in values}
    old_values, squares = _norms(old), {n: v**2 for n, v in values.items()}
    again = {n: g.norm().item() for n, g in _gradients(new, X, y).items()}
    hint = (
        "An entry is a dict from each name in `named_parameters()` to a pair: "
        "`p.norm()`, and `p.grad.norm()` for the mean squared error on all "
        "samples."
    )
    known = [
        (values, "The norm of the gradient is missing: an entry holds pairs."),
        (
            {n: (old_values[n], slopes[n]) for n in values},
            "These are the norms before the step: log after `step()`.",
        ),
        (
            {n: (squares[n], slopes[n] ** 2) for n in values},
            "These are the squares of the norms: take the root.",
        ),
        (
            {n: (values[n], again[n]) for n in values},
            "This gradient was computed after the step. Log the one that the "
            "step used.",
        ),
    ]
    if steps == 2:
        first = _gradients(nets[0], X, y)
        added = {n: (first[n] + g).norm().item() for n, g in gradients.items()}
        known.append(
            (
                {n: (values[n], added[n]) for n in values},
                "`backward` adds to the gradients of the step before. Clear "
                "them with `zero_grad` in each step.",
            )
        )
    equal(got, expected, hint, known, rtol=1e-3)


class _OfLinear(nn.Linear):
    """A subclass, which a comparison of types skips."""


@exercise(
    "2.3 Another distribution",
    "two thirds of 20,000 weights are -1, each decided by itself",
    "the others have the mean 2, the standard deviation 1, and a normal law",
    "biases, other modules and the parameter object stay",
    "subclasses of nn.Linear are initialized too",
)
def another_distribution(init_mixture: Callable) -> None:
    hint = (
        "If autograd refuses a write, do it under `torch.no_grad()`; a "
        "parameter can't be replaced by a plain tensor."
    )
    with case("Linear(2, 3)", hint):
        layer = nn.Linear(2, 3)
        weight, old, bias = layer.weight, layer.weight.clone(), layer.bias
        layer.apply(init_mixture)
        holds(
            layer.weight is weight and weight.requires_grad,
            "the same parameter, with other values",
            "another object",
            "Write into the weight that is there: an optimizer that holds it "
            "would never see a new one.",
        )
        holds(
            not torch.equal(weight, old),
            "other weights",
            "the old ones",
            "The weights are what they were. A function with `_` at its end "
            "writes into its argument; others return a new tensor.",
        )
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
    with case("a subclass of nn.Linear, as LinearReLU of the chapter is"):
        layer = _OfLinear(100, 200)
        layer.apply(init_mixture)
        equal(
            round((layer.weight == -1).float().mean().item(), 1),
            0.7,
            "A comparison of types is false for a subclass: ask with "
            "`isinstance`.",
        )
    hint = "`apply` visits every module: ask with `isinstance` which it is."
    for given, net in {
        "Sequential(BatchNorm1d(2), ReLU()), without a linear layer": (
            nn.Sequential(nn.BatchNorm1d(2), nn.ReLU())
        ),
        "Embedding(3, 2), whose weight is a matrix too": nn.Embedding(3, 2),
    }.items():
        with case(given, hint):
            holds(
                _stays(net, init_mixture),
                "modules as they were",
                "others",
                hint,
            )


def _stays(net: nn.Module, init: Callable) -> bool:
    """Whether a network is the same after ``apply``."""
    before = copy.deepcopy(net.state_dict())
    net.apply(init)
    return all(map(torch.equal, before.values(), net.state_dict().values()))


def _require_mixture(weight: Tensor) -> None:
    """Require N(2, 1) with probability 1/3, and -1 otherwise."""
    fixed = weight == -1
    share = fixed.float().mean().item()
    if 0 < share < 1:
        equal(
            (len(fixed.unique(dim=0)), len(fixed.unique(dim=1).T)),
            (200, 100),
            "These are the numbers of different rows and columns, if you "
            "look where a -1 is. Each weight is drawn by itself, not a row "
            "or a column at once.",
        )
    equal(
        share,
        2 / 3,
        "This is the share of the weights that are -1. Draw one uniform "
        "number for each weight: it is below 1/3 with probability 1/3.",
        known=[
            (1 / 3, "The two cases are the other way round."),
            (
                1.0,
                "All are -1. `weight[mask]` is a copy: a function such as "
                "`normal_` fills that copy, and the weight stays. Assign to "
                "`weight[mask]`.",
            ),
            (
                0.0,
                "None is -1. One coin for the whole tensor gives one case; "
                "each weight needs its own.",
            ),
        ],
        atol=0.02,
    )
    drawn = weight[~fixed]
    for name, got, right, hint in (
        (
            "mean",
            drawn.mean(),
            2.0,
            "N(2, 1) has the mean 2. Draw the case and the number apart: a "
            "condition on the drawn numbers would cut their law.",
        ),
        (
            "standard deviation",
            drawn.std(),
            1.0,
            "N(2, 1) has the standard deviation 1.",
        ),
    ):
        with case(f"the {name} of the weights that aren't -1"):
            equal(got.item(), right, hint, atol=0.1)
    with case("the share of them between 1 and 3"):
        equal(
            ((drawn > 1) & (drawn < 3)).float().mean().item(),
            0.683,
            "Mean and standard deviation are right, but the law isn't the "
            "normal one: 68% lie within one standard deviation.",
            atol=0.03,
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
            "Freeze the parameters of all modules but the last: "
            "`requires_grad_(False)`, a method with `_` at its end.",
            known=[
                (
                    ["0.weight", "0.bias", "1.weight", "1.bias"],
                    "Nothing is frozen in `net`. `module.requires_grad_` is "
                    "a method to call; an assignment to a module's "
                    "`requires_grad` makes an attribute that nobody reads.",
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
                    "The last module is a ReLU, which has no parameters: so "
                    "nothing is left to train. Look for the last module that "
                    "has some.",
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
                "The modules are `net[0]`, `net[1]`, ...: a block among them "
                "counts as a whole.",
            )


def _require_shared_trainable(freeze: Callable) -> None:
    first, shared, tied = (nn.Linear(2, 2) for _ in range(3))
    hint = (
        "A layer that stands in front and at the end has one set of "
        "parameters. Freeze first, and make the last module trainable after "
        "that."
    )
    with case("Sequential(Linear(2, 2), shared, ReLU(), shared)"):
        net = nn.Sequential(first, shared, nn.ReLU(), shared)
        _require_left(freeze, net, ["1.weight", "1.bias"], hint)
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
            "The two weights are one parameter, which the last module has: "
            "it stays trainable. Go by parameters, not by modules.",
        )


def _require_thaw(freeze: Callable) -> None:
    with case("Sequential(Linear(2, 3), Linear(3, 1)), frozen before"):
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
    X = 1 + torch.rand(4, 2)
    with case("a call between backward and a step of Adam, which holds all"):
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
            ["2.weight", "2.bias"],
            "A frozen parameter that still has its last gradient moves in "
            "the next step. A gradient of zeros doesn't help, since Adam has "
            "a memory: set it to None.",
            known=[
                (
                    [],
                    "Nothing moves now: the gradients of the parameters that "
                    "remain are to stay.",
                )
            ],
        )


def _require_left(
    freeze: Callable,
    net: nn.Module,
    names: list[str],
    hint: str,
    known: Iterable[tuple[object, str]] = (),
) -> None:
    """Require which parameters are trainable, and returned, after a call."""
    answer = _listed(freeze(net))
    returned = _named(answer, net)
    trainable = [n for n, p in net.named_parameters() if p.requires_grad]
    equal(trainable, names, hint, known)
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
    equal(returned, sorted(names), hint)


def _moved(net: nn.Module, before: dict[str, Tensor]) -> list[str]:
    """The entries of a state dict that differ from those before."""
    after = net.state_dict()
    return [k for k in after if not torch.equal(after[k], before[k])]


@exercise(
    "2.5 Bytes",
    "parameters and buffers count, whatever their data type",
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
    nets = {
        "tied": nn.Sequential(
            nn.Linear(4, 8), shared, nn.ReLU(), shared, nn.Linear(8, 1)
        ),
        "FixedHiddenMLP": FixedHiddenMLP(),
        "two names": _with_buffers(first=numbers, second=numbers),
    }
    predicted(
        by_hand,
        {name: _bytes(net) for name, net in nets.items()},
        {
            "tied": "`Linear(4, 8)`, `Linear(8, 8)` once, and "
            "`Linear(8, 1)`: add up weights and biases, of 4 bytes each.",
            "FixedHiddenMLP": "A buffer of 20 x 20, and one `Linear(20, 20)` "
            "that is used twice: in all 4 bytes for each number.",
            "two names": "It is one tensor of 10 numbers, of 4 bytes each.",
        },
    )


def _require_bytes_of_numbers(num_bytes: Callable) -> None:
    net = nn.Linear(2, 3)
    with case("Linear(2, 3), in float32"):
        equal(
            num_bytes(net),
            _bytes(net),
            "9 numbers of 4 bytes each: `numel()` times `element_size()`, or "
            "`untyped_storage().nbytes()`.",
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
        net = nn.Linear(2, 3).double()
        equal(
            num_bytes(net),
            _bytes(net),
            "A number takes 4 bytes in float32 and 8 in float64: ask each "
            "tensor for its `element_size()`.",
        )


def _require_bytes_of_buffers(num_bytes: Callable) -> None:
    with case("BatchNorm1d(3)"):
        net = nn.BatchNorm1d(3)
        numbers = [t.numel() for t in (*net.parameters(), *net.buffers())]
        equal(
            num_bytes(net),
            _bytes(net),
            "Two parameters and two buffers of 3 numbers, and a count of "
            "batches, an integer of 8 bytes.",
            known=[
                (
                    sum(p.nbytes for p in net.parameters()),
                    "These are the parameters alone. `buffers()` gives the "
                    "others.",
                ),
                (
                    4 * sum(numbers),
                    "The count of batches is an int64, of 8 bytes: ask each "
                    "tensor for its `element_size()`.",
                ),
            ],
        )


def _require_each_tensor_once(num_bytes: Callable) -> None:
    with case("Sequential(shared, ReLU(), shared), shared = Linear(2, 2)"):
        shared = nn.Linear(2, 2)
        net = nn.Sequential(shared, nn.ReLU(), shared)
        equal(
            num_bytes(net),
            _bytes(net),
            "A layer in two places has its 6 numbers once in memory. The "
            "state dict lists them once for each place.",
        )
    numbers = torch.arange(10.0)
    with case("one buffer of 10 numbers in float32, under two names"):
        net = _with_buffers(first=numbers, second=numbers)
        equal(
            num_bytes(net),
            _bytes(net),
            "Two names, one tensor: count memory, not names.",
        )


def _require_bytes_of_unsaved(num_bytes: Callable) -> None:
    with case("a buffer of 10 numbers that the state dict leaves out"):
        net = nn.Module()
        net.register_buffer("numbers", torch.arange(10.0), persistent=False)
        equal(
            num_bytes(net),
            _bytes(net),
            "A buffer with `persistent=False` isn't saved, but takes memory. "
            "`buffers()` gives it.",
        )


def _require_views_free(num_bytes: Callable) -> None:
    numbers = torch.arange(10.0)
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
    }.items():
        with case(given):
            equal(
                num_bytes(net),
                _bytes(net),
                "A view is a second tensor on memory that exists. Count the "
                "memory: note each `untyped_storage()` by its `data_ptr()`, "
                "and add up the storages' own `nbytes()`, each once.",
            )


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
    with asked(question):
        equal(
            set(names),
            {n for n, p in net.named_parameters() if not is_lazy(p)},
            "The width of the first layer is given, so it has its values "
            "from the start. The ReLU has no parameters.",
            known=[
                (
                    {"0.weight", "0.bias", "2.bias"},
                    "The shape of the lazy layer's bias could be known, but "
                    "the layer makes both of its parameters at the first "
                    "batch.",
                ),
                (
                    {"0.weight", "0.bias", "2.weight", "2.bias"},
                    "The lazy layer lists its parameters, but they are "
                    "without values until a batch reaches it.",
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
    "each test accepts 10 weights that its function drew",
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
    holds(
        first_start is not second_start,
        "two functions",
        "one function twice",
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
        f"This is what `{drew}` draws. Compare with a tolerance: the "
        "standard deviation of 20,000 numbers varies by about 1%, and "
        "products are rounded."
    )
    for _ in range(10):
        with case(f"{name}(weight), a weight from {drew}"):
            verdict = test(start(weight).clone())
            if verdict is None:
                equal(None, True, "The test returns nothing: `return` it.")
            equal(verdict, True, hint)
    others = {
        "times 2": (
            weight * 2,
            "The test must see the scale too, as a standard deviation or a "
            "length of columns does.",
        ),
        "divided by 2": (
            weight / 2,
            "The test has no lower bound: half of the scale passes too.",
        ),
        "that nn.Linear(100, 200) has at its start": (
            nn.Linear(100, 200).weight.detach(),
            "The default start is uniform between -0.1 and 0.1, which isn't "
            f"what `{drew}` draws. Make the tolerance smaller.",
        ),
    }
    for which, (other, hint) in others.items():
        given = f"a weight {which}" if "Linear" in which else f"it {which}"
        with case(f"{name}(weight), {given}"):
            equal(test(other.clone()), False, hint)


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
        )
        shapes = [tuple(p.shape) for p in net.parameters()]
        numbers = sum(p.numel() for p in net.parameters())
        holds(
            numbers,
            "a module with parameters",
            "none",
            "`parameters()` finds layers in attributes, in `nn.Sequential` "
            "and in `nn.ModuleList`. A plain list hides them, and so does a "
            "layer that each forward makes anew.",
        )
        holds(
            numbers >= SMALLEST,
            "a hidden layer, and one that adds up its outputs",
            f"{numbers} numbers in all the parameters",
            "A single weight and bias make no hidden layer: with a ReLU, "
            "their curve bends once. Several units bend in places of their "
            "own, and a second layer adds them up.",
        )
    with case("a single feature, between -1000 and 1000"):
        x = torch.tensor([-1000.0, -10, -1, 0, 1, 10, 1000])[:, None]
        Y = torch.cat([call(net, row[None]).detach().cpu() for row in x])
        slopes = Y.diff(dim=0) / x.diff(dim=0)
        holds(
            slopes.max() - slopes.min() > 1e-3 * slopes.abs().max(),
            "a curve",
            "a straight line",
            "From 1 number to 1 without a hidden layer and a ReLU, f is a "
            "straight line. Then the average of f is f of the average.",
        )
    for n, d in ((1, 2), (3, 5), (3, 7)):
        hint = (
            f"The width {d} isn't that of the first batch. No layer may fix "
            "the width: give each a single feature, from 1 number to 1."
        )
        with case(f"X of shape ({n}, {d})", hint):
            X = torch.randn(n, d)
            Y = call(net, X).detach().cpu()
            equal(
                [tuple(p.shape) for p in net.parameters()],
                shapes,
                "These are the shapes of the parameters, and before they "
                "were others: they grow with the width. One small network "
                "serves all features.",
            )
            _require_average(net, X, Y)
    with case("backward from the sum of the output, X of shape (3, 7)"):
        hint = "Something cuts the graph between a parameter and the output."
        Y = call(net, torch.randn(3, 7))
        holds(Y.requires_grad, "an output with a graph", "none", hint)
        Y.sum().backward()
        missing = [n for n, p in net.named_parameters() if p.grad is None]
        equal(missing, [], hint)
    with asked("your prediction for a change of places"):
        X = torch.randn(3, 7)
        swapped = call(net, X.flip(1))
        equal(
            output_changes,
            not torch.allclose(call(net, X), swapped, atol=1e-5),
            "All features go through the same network, and a sum has no "
            "order.",
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
        "Each feature goes through the network by itself, and the d results "
        "of one sample are averaged.",
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
                "The features are averaged before the network. Average what "
                "comes out of it: the network isn't linear.",
            ),
            (
                alone.flatten().reshape(d, n).mean(dim=0)[:, None],
                "The samples are mixed up: a batch of (n, d) flattens to one "
                "sample after the other, so go back to (n, d).",
            ),
            (
                alone.mean().expand(n, 1),
                "This averages over the samples too. Give the dimension of "
                "the features.",
            ),
        ],
    )
