"""The checks of chapter 10, on memory, and on how deep networks start."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from ._compare import call, case, equal, has_graph, holds, predicted
from ._exercise import exercise
from ._phrase import Phrase
from ._report import show

_LEDGER = {
    "new": "A new network has weights alone: a tuple of three byte counts for "
    "each name that `named_children` gives. A float32 number takes 4 bytes.",
    "numbers": "These are numbers of elements. Each has `element_size()` "
    "bytes, or ask a tensor for its `nbytes`.",
    "none": "A parameter has no gradient before `backward`, and after "
    "`zero_grad`: it is None.",
    "below": "A child may have children of its own: `parameters()` gives all "
    "that is below it.",
    "gradients": "A gradient has the size of its parameter.",
    "state": (
        "This isn't what the optimizer keeps for these parameters.",
        "`optimizer.state[p]` is a dict, with the tensors that belong to p.",
    ),
    "counters": "A counter of steps is a tensor without dimensions, and "
    "doesn't count here.",
    "bytes": "Another type has another number of bytes: ask the tensor.",
    "key": "An optimizer has no state for a parameter that has never had a "
    "gradient, nor before its first step.",
    "looked": (
        "The optimizer has another state than before: looking has changed it.",
        "`optimizer.state` makes an entry for each key that is asked for with "
        "brackets. `get` makes none.",
    ),
    "frozen": "A frozen layer still has its weights. It gets no gradient, and "
    "Adam makes state for what has one.",
    "no parameters": "Buffers aren't weights, and a child without parameters "
    "has a row of three zeros.",
    "others": "Each optimizer keeps tensors of its own, by its own names: add "
    "up those that are there.",
    "relu": "A ReLU has no parameters, and the ledger is about parameters.",
    "trained": "Multiply: 200 times 10 weights and 10 biases, of 4 bytes. "
    "Adam keeps two tensors for each parameter.",
}


def _ledger(net: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    rows = {}
    for name, block in net.named_children():
        weights = list(block.parameters())
        grads = [p.grad for p in weights if p.grad is not None]
        state = [
            value
            for p in weights
            for value in optimizer.state.get(p, {}).values()
            if isinstance(value, Tensor) and value.dim()
        ]
        parts = (weights, grads, state)
        rows[name] = tuple(
            sum(t.numel() * t.element_size() for t in part) for part in parts
        )
    return rows


@exercise(
    "10.1 A ledger by block",
    "each child has its bytes of weights, gradients and state",
    "frozen layers, nested ones and other types are counted rightly",
    "the optimizer stays as it was",
    "you can predict a ledger",
)
def memory_ledger(ledger_by_block: Callable, predicted_ledger: dict) -> None:
    hints = _LEDGER

    def compare(given: str, hint: object, known: object = ()) -> None:
        errors = {
            "NoneType": hints["none"],
            "exp_avg": hints["others"],
            "KeyError": hints["key"],
            "has no attribute": hints["below"],
        }
        before = len(optimizer.state)
        with case(given, known=errors):
            rows = ledger_by_block(net, optimizer)
            equal(rows, _ledger(net, optimizer), hint, known)
            kept = len(optimizer.state) == before
            got = "a changed one"
            holds(kept, "the optimizer as it was", got, hints["looked"])

    net = nn.Sequential(nn.Linear(2, 3))
    optimizer = torch.optim.Adam(net.parameters())
    known = [({"0": (9, 0, 0)}, hints["numbers"])]
    compare("Sequential(Linear(2, 3)), just made", hints["new"], known)
    net(torch.ones(1, 2)).sum().backward()
    compare("Sequential(Linear(2, 3)) after backward", hints["gradients"])
    optimizer.step()
    known = [({"0": (36, 36, 80)}, hints["counters"])]
    after = "Sequential(Linear(2, 3)) after a step with Adam"
    compare(after, hints["state"], known)
    net = nn.Sequential(
        nn.Linear(2, 3).requires_grad_(False),
        nn.Sequential(nn.ReLU(), nn.Linear(3, 1)),
    )
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    nested = (
        "Sequential(Linear(2, 3), Sequential(ReLU(), Linear(3, 1))), the "
        "first layer frozen, after a step with Adam"
    )
    compare(nested, hints["below"])
    net = nn.Sequential(nn.Linear(2, 3, dtype=torch.bfloat16))
    optimizer = torch.optim.Adam(net.parameters())
    compare("Sequential(Linear(2, 3)) in bfloat16", hints["bytes"])
    net(torch.ones(1, 2).bfloat16()).sum().backward()
    optimizer.step()
    after = "Sequential(Linear(2, 3)) in bfloat16, after a step with Adam"
    compare(after, hints["bytes"])
    net = nn.Sequential(nn.Linear(2, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    after = "Sequential(Linear(2, 3)) after a step with momentum"
    compare(after, hints["others"])
    net = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU())
    optimizer = torch.optim.Adam(net.parameters())
    given = "Sequential(BatchNorm1d(3), ReLU()), just made"
    compare(given, hints["no parameters"])
    net = nn.Sequential(
        nn.Linear(100, 200).requires_grad_(False),
        nn.ReLU(),
        nn.Linear(200, 10),
    )
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 100)).sum().backward()
    optimizer.step()
    entries = {
        "0": hints["frozen"],
        "1": hints["relu"],
        "2": hints["trained"],
    }
    predicted(
        predicted_ledger, _ledger(net, optimizer), entries, of="block {key}"
    )


def _kept(forward: Callable, X: Tensor, parameters: list) -> int:
    """How many tensors a computation keeps for backward, weights aside."""
    return len(_widths(forward, X, parameters))


def _widths(forward: Callable, X: Tensor, parameters: list) -> list[int]:
    """The widths of the tensors that a computation keeps, as :func:`_kept`."""
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.numel():  # torch 2.6: a checkpoint keeps an empty one too
            kept[tensor.untyped_storage()._cdata] = tensor.shape[-1:]
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        Y = forward(X)
    for p in parameters:
        kept.pop(p.untyped_storage()._cdata, None)
    del Y  # until here, no memory is used a second time
    return sorted(sum(kept.values(), ()))


_KEPT = {
    "Linear": "The gradient of the weight is a product with the input.",
    "Linear, ReLU": "The linear layer keeps X, and the ReLU its output.",
    "Linear, ReLU, Linear": "The ReLU's output is the last layer's input: one "
    "tensor, kept once.",
    "Linear, SiLU, Linear": "The slope of SiLU can't be read off its output: "
    "it keeps its input. The last layer keeps its own input, too.",
    "Linear, Linear, Linear": "Each weight is trained, so each layer keeps "
    "its input. The output of the last is nobody's input.",
    "Frozen, ReLU, Frozen": "Neither X nor a parameter needs a gradient: is "
    "there a graph?",
    "Frozen, ReLU, Linear": "The graph begins where the first gradient is "
    "needed. What does that layer keep?",
    "Linear, Frozen": "The frozen layer passes the gradient on, for which it "
    "needs its weight and not its input.",
    "Linear, ReLU, Frozen": "A gradient must pass the frozen layer and the "
    "ReLU. The ReLU keeps its output for this.",
}


@exercise(
    "10.2 What is kept",
    "you can say how many tensors a network keeps for backward",
)
def saved_tensors(tensors_kept: dict) -> None:
    make = {"ReLU": nn.ReLU, "SiLU": nn.SiLU}
    truth = {}
    for names in _KEPT:
        layers = [
            make[name]() if name in make else nn.Linear(8, 8)
            for name in names.split(", ")
        ]
        for layer, name in zip(layers, names.split(", "), strict=True):
            layer.requires_grad_(name != "Frozen")
        net = nn.Sequential(*layers)
        X = torch.rand(100, 8)
        truth[names] = _kept(net, X, list(net.parameters()))
    predicted(tensors_kept, truth, _KEPT)


_SEGMENTS = {
    "output": "The output isn't that of `blocks(X)`.",
    "rest": "The number of blocks need not be a multiple of k: those that are "
    "left over are a segment, too.",
    "gradient": (
        "These aren't the gradients of `blocks(X)`.",
        "In `backward` each segment must run again with the blocks that it "
        "had. A function that is defined in a loop sees the loop's variables "
        "as they are when it runs.",
    ),
    "reentrant": (
        "The old kind of checkpoint gives no gradient if X needs none.",
        "Give `use_reentrant=False`, the new kind.",
    ),
    "kept": "A checkpoint for each segment: between its ends, nothing is to "
    "be kept.",
    "plain": "This keeps all that `blocks(X)` keeps.",
    "one": "This keeps X alone, as one segment of all blocks does. `backward` "
    "then needs the memory of all of them at once.",
    "every": "This keeps the input of every block. A segment has k blocks.",
    "order": "The shorter segment is the last one: cut from the front.",
    "dropout": "The second run must draw the numbers of the first: leave "
    "`preserve_rng_state` as it is.",
}


@exercise(
    "10.3 A checkpoint for each k blocks",
    "outputs and gradients are those of the blocks",
    "the last segment may be shorter",
    "only the input of each segment is kept",
    "dropout draws the same numbers in the second run",
)
def checkpoint_segments(checkpoint_every: Callable) -> None:
    hints, reentrant = _SEGMENTS, {"use_reentrant": _SEGMENTS["reentrant"]}
    X = torch.rand(3, 4)
    for n, k in ((1, 1), (4, 2), (5, 2), (3, 7)):
        blocks = _blocks(n)
        given = Phrase("blocks: {n}, k = {k}, X of shape (3, 4)", n=n, k=k)
        with case(given, known=reentrant):
            Y = checkpoint_every(k, blocks, X.clone())
            known = {blocks[: n - n % k](X): hints["rest"]} if n > k else {}
            equal(Y, blocks(X), hints["output"], known)
            has_graph(Y, hints["reentrant"])
            got = _gradient(blocks, Y)
            equal(got, _gradient(blocks, blocks(X)), hints["gradient"])
    blocks = _blocks(5)
    with case("5 blocks, k = 2, X of shape (3, 4)"):

        def forward(X: Tensor) -> Tensor:
            return checkpoint_every(2, blocks, X)

        kept = _kept(forward, X.clone(), list(blocks.parameters()))
        known = {6: hints["plain"], 1: hints["one"], 5: hints["every"]}
        what = "tensors kept for backward"
        equal(kept, 3, hints["kept"], known, what=what)
    growing = [
        nn.Sequential(nn.Linear(i, i + 1), nn.Tanh()) for i in range(4, 9)
    ]
    blocks = nn.Sequential(*growing)
    with case("5 blocks, which widen X from 4 columns to 9, k = 2"):
        widths = _widths(forward, X.clone(), list(blocks.parameters()))
        what, known = "columns of what is kept", [([4, 5, 7], hints["order"])]
        equal(widths, [4, 6, 8], hints["kept"], known, what=what)
    blocks = nn.Sequential(*_blocks(2), nn.Dropout(0.5), *_blocks(1))
    with case("4 blocks, the third of them Dropout(0.5), k = 2"):
        gradients = []
        for run in (blocks, forward):
            torch.manual_seed(1)
            gradients.append(_gradient(blocks, run(X.repeat(9, 1))))
        equal(gradients[1], gradients[0], hints["dropout"])


def _blocks(n: int) -> nn.Sequential:
    blocks = (nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(n))
    return nn.Sequential(*blocks)


def _gradient(net: nn.Module, Y: Tensor) -> Tensor:
    net.zero_grad()
    Y.square().sum().backward()
    return torch.cat([p.grad.flatten() for p in net.parameters()])


_CHUNKS = {
    "gradient": (
        "This isn't the gradient of the mean loss over the batch.",
        "What does the loss divide by? It must be the same number for each "
        "chunk: that of the labels of the whole batch.",
    ),
    "sum": "This is the gradient of the sum over the labels, not of their "
    "mean.",
    "means": "This is the sum of the gradients of the chunks' means. Each "
    "chunk must count by its share of the labels.",
    "equal": "Each chunk counts the same here: it must count by its share of "
    "the labels.",
    "rows": "This divides by the number of rows. The mean is over the labels "
    "that aren't -100.",
    "nan": (
        "A chunk without a label divides 0 by 0.",
        "Divide a sum by the number of labels in the batch: such a chunk's "
        'sum is 0, with `reduction="sum"`.',
    ),
    "added": "The gradients that were there are gone. A caller zeroes them; "
    "this adds to them.",
    "none": "There is no gradient: call `backward` for each chunk.",
    "size": "A chunk has at most `size` rows, or the memory isn't enough.",
    "graphs": "Two chunks were computed before the first `backward`: both "
    "graphs are in memory.",
    "retained": "A graph is still there after its `backward`, while the next "
    "is made. `backward` frees it, unless it is told to retain it.",
    "loss": "Return the mean loss over the labels of the batch, as a number.",
    "graph": "What is returned hangs on a graph. Return a number, as `item` "
    "gives it.",
    "mode": "The network is in another mode than before: leave it as it is.",
}


@exercise(
    "10.4 Chunks with padding",
    "the gradient is that of the mean loss over the whole batch",
    "padding doesn't count, also where a chunk has nothing else",
    "it is added to the gradients that are there",
    "a chunk is small, and its graph is freed before the next",
    "the loss is returned",
)
def gradient_accumulation(accumulate: Callable) -> None:
    X = torch.rand(6, 3)
    full, some = [0, 1, 2, 3, 1, 1], [0, 1, 2, -100, 1, -100]
    gap = [-100, -100, 0, 1, 2, -100]
    for labels, size in ((full, 6), (full, 3), (full, 4), (some, 4), (gap, 2)):
        given = Phrase(
            "X of shape (6, 3), y = {labels}, size {size}",
            labels=str(labels),
            size=size,
        )
        with case(given):
            y = torch.tensor(labels)
            net = nn.Linear(3, 4)
            known = _other_gradients(net, X, y, size)
            right = _mean_gradient(net, X, y)
            net.zero_grad()
            loss = accumulate(net, X.clone(), y.clone(), size)
            there = net.weight.grad is not None
            holds(there, "a gradient", "None", _CHUNKS["none"])
            equal(_grads(net), right, _CHUNKS["gradient"], known)
            _require_loss(loss, F.cross_entropy(net(X), y).item())
    y = torch.tensor(full)
    with case("y = [0, 1, 2, 3, 1, 1], size 4, and gradients of 1 before"):
        right = _mean_gradient(net, X, y)
        for p in net.parameters():
            p.grad = torch.ones_like(p)
        accumulate(net, X.clone(), y.clone(), 4)
        equal(_grads(net), right + 1, _CHUNKS["added"])
    with case("y = [0, 1, 2, 3, 1, 1], size 2"):
        _require_small_graphs(accumulate, net, X, y)


def _require_loss(loss: object, mean: float) -> None:
    graph = isinstance(loss, Tensor) and loss.requires_grad
    got = "a tensor with a graph"
    holds(not graph, "a number", got, _CHUNKS["graph"])
    none = isinstance(loss, (float, Tensor)) and math.isnan(loss)
    hint = _CHUNKS["nan" if none else "loss"]
    equal(loss, mean, hint, what="loss")


def _grads(net: nn.Linear) -> Tensor:
    return torch.cat([p.grad.flatten() for p in net.parameters()])


def _mean_gradient(net: nn.Linear, X: Tensor, y: Tensor) -> Tensor:
    net.zero_grad()
    F.cross_entropy(net(X), y).backward()
    return _grads(net)


def _other_gradients(
    net: nn.Linear, X: Tensor, y: Tensor, size: int
) -> list[tuple[Tensor, str]]:
    """Wrong gradients, and what explains them."""
    chunks = list(zip(X.split(size), y.split(size), strict=True))
    number, n = (y != -100).sum(), len(chunks)

    def gradient(weight: Callable) -> Tensor:
        net.zero_grad()
        for x, labels in chunks:
            (F.cross_entropy(net(x), labels) * weight(x)).backward()
        return _grads(net)

    net.zero_grad()
    F.cross_entropy(net(X), y, reduction="sum").backward()
    total = _grads(net)
    found = [(total, _CHUNKS["sum"])]
    if len(y) != number:
        found.append((total / len(y), _CHUNKS["rows"]))
    if n > 1:
        found += [
            (gradient(lambda x: 1), _CHUNKS["means"]),
            (gradient(lambda x: 1 / n), _CHUNKS["equal"]),
            (gradient(lambda x: len(x) / len(X)), _CHUNKS["rows"]),
        ]
    return found


def _require_small_graphs(
    accumulate: Callable, net: nn.Linear, X: Tensor, y: Tensor
) -> None:
    """Require chunks of two rows, each with its backward before the next."""
    rows, waiting, most, graphs = [], 0, 0, 0
    kept = WeakKeyDictionary()  # of which chunk's graph a tensor is

    def begin(net: nn.Module, args: tuple) -> None:
        rows.append(len(args[0]))

    def forward(net: nn.Module, args: tuple, output: Tensor) -> None:
        nonlocal waiting, most, graphs
        waiting += 1
        most = max(most, waiting)
        graphs = max(graphs, len(set(kept.values())))
        output.register_hook(backward)

    def backward(_: Tensor) -> None:
        nonlocal waiting
        waiting -= 1

    def pack(tensor: Tensor) -> _Kept:
        found = _Kept(tensor.detach())  # no circle with its own graph
        kept[found] = len(rows)
        return found

    handles = (
        net.register_forward_pre_hook(begin),
        net.register_forward_hook(forward),
    )
    with saved_tensors_hooks(pack, lambda kept: kept.tensor):
        accumulate(net, X.clone(), y.clone(), 2)
    for handle in handles:
        handle.remove()
    largest = max(rows, default=0)
    what = "rows in the largest chunk"
    equal(largest, 2, _CHUNKS["size"], what=what)
    expected, got = "a network in training mode", "one in evaluation mode"
    holds(net.training, expected, got, _CHUNKS["mode"])
    what = "graphs at the same time"
    equal(most, 1, _CHUNKS["graphs"], what=what)
    equal(graphs, 1, _CHUNKS["retained"], what=what)


class _Kept:
    """A tensor that a graph keeps, as long as it keeps it."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


_SCALED = {
    "std": (
        "The output of a linear layer hasn't the standard deviation 1.",
        "Divide the weight by the standard deviation of the layer's output, "
        "once its bias is 0. The next layer's input is what comes out then.",
    ),
    "variance": "The weight was divided by the variance. Its output is "
    "linear in it: divide by the standard deviation.",
    "root": "This is the root of the mean square, which counts the mean, too. "
    "The standard deviation leaves it out.",
    "before": "The first layer is right, the next isn't: its input has "
    "changed since it was measured. Scale a layer, then compute its output, "
    "then go to the next.",
    "bias": "The biases are to be 0.",
    "no bias": "A layer that was made with `bias=False` has no bias: it is "
    "None.",
    "direction": "A weight is multiplied by one number: its elements keep "
    "their ratios.",
    "same": "The parameters must be the objects that were there, which an "
    "optimizer may hold.",
    "trained": "The parameters must be trained as before, and have no graph.",
    "gradient": "A parameter has a gradient now. Compute under `no_grad`.",
    "others": "Only linear layers are scaled: the others stay as they are.",
    "mode": "The network is in another mode than before: leave it as it is.",
    "data": "X has changed: write into no tensor that was given.",
}


@exercise(
    "10.5 Scale each layer by its data",
    "each linear layer's output has a standard deviation of 1",
    "a weight is multiplied by a number, and a bias is 0",
    "the parameters are the same objects, and are trained",
    "other layers stay as they are",
)
def data_dependent_init(scale_by_data: Callable) -> None:
    X = 5 + 2 * torch.rand(50, 4)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    with case("Sequential(Linear(4, 8), ReLU(), Linear(8, 3))"):
        _require_scaled(scale_by_data, net, X)
    net = nn.Sequential(nn.Linear(4, 8, bias=False), nn.Tanh())
    given = "Sequential(Linear(4, 8, bias=False), Tanh())"
    with case(given, known={"NoneType": _SCALED["no bias"]}):
        _require_scaled(scale_by_data, net, X)
    net = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 3))
    nn.init.constant_(net[1].weight, 3.0)
    with case("Sequential(Linear(4, 8), LayerNorm(8), Linear(8, 3))"):
        before = copy.deepcopy(net[1].state_dict())
        scale_by_data(net, X.clone())
        kept = all(map(torch.equal, before.values(), net[1].parameters()))
        holds(kept, "LayerNorm as it was", "another one", _SCALED["others"])


def _require_scaled(
    scale_by_data: Callable, net: nn.Sequential, X: Tensor
) -> None:
    hints, old = _SCALED, copy.deepcopy(net)
    parameters = list(net.parameters())
    data = X.clone()
    scale_by_data(net, data)
    kept = torch.equal(data, X)
    holds(kept, "X as it was", "other numbers", hints["data"])
    expected, got = "a network in training mode", "one in evaluation mode"
    holds(net.training, expected, got, hints["mode"])
    same = [a is b for a, b in zip(parameters, net.parameters(), strict=True)]
    holds(all(same), "the same parameters", "new ones", hints["same"])
    trained = all(p.requires_grad and p.is_leaf for p in parameters)
    holds(
        trained, "parameters that are trained", "frozen ones", hints["trained"]
    )
    free = all(p.grad is None for p in parameters)
    holds(free, "no gradients", "a gradient", hints["gradient"])
    biases = [p for p in parameters if p.dim() == 1]
    zero = not any(bias.any() for bias in biases)
    holds(zero, "biases of 0", "other biases", hints["bias"])
    H = X
    with torch.no_grad():
        for i, layer in enumerate(net):
            if isinstance(layer, nn.Linear):
                ratio = layer.weight / old[i].weight
                one = torch.allclose(ratio, ratio[0, 0], rtol=1e-3)
                expected, got = "one factor for a weight", "several factors"
                holds(one, expected, got, hints["direction"])
                std = layer(H).std().item()
                Z = F.linear(H, old[i].weight)
                raw, root = Z.std().item(), Z.square().mean().sqrt().item()
                known = {1 / raw: hints["variance"], raw / root: hints["root"]}
                hint = hints["std"] if not i else hints["before"]
                what = Phrase("std of the output of layer {i}", i=i)
                equal(std, 1.0, hint, known, rtol=1e-2, what=what)
            H = layer(H)


_EMA = {
    "starts": "`average` starts as a copy of the network.",
    "average": "Keep the copy as `self.average`, a module.",
    "shared": "`average` shares memory with the network: what training does "
    "to one, it does to both. Copy it.",
    "evaluation": "The average is for evaluation: `average.eval()`.",
    "trained": "Nobody trains the average: its parameters need no gradient.",
    "moved": (
        "This isn't where one update takes the average.",
        "The new average has `decay` of the old one, and `1 - decay` of the "
        "network.",
    ),
    "swapped": "The two shares are swapped: `decay` is that of the old "
    "average.",
    "stayed": "The average hasn't moved: write into its parameters.",
    "jumped": "The average has become the network.",
    "frozen": "A frozen parameter is averaged, too: it may have been trained "
    "until now.",
    "graph": "Each update adds to a graph, which grows. Write under "
    "`no_grad`.",
    "buffers": "Buffers are copied from the network, as they are.",
    "float buffers": "The running averages are averaged once more. They are "
    "copied here.",
    "integers": "A buffer may be a whole number, such as a number of batches: "
    "copy it.",
    "network": "The network has changed: the average only follows it.",
    "modes": "The network is in another mode than before: copy it first.",
}


@exercise(
    "10.6 An average that is saved",
    "it starts as a copy, in evaluation mode and without gradients",
    "an update moves each parameter by the share of the network",
    "buffers are copied",
    "the network stays as it is, and no graph grows",
)
def exponential_moving_average(EMA: type[nn.Module]) -> None:
    hints = _EMA
    with case("EMA(Linear(1, 1), decay=0.75), a weight of 4"):
        net = nn.Linear(1, 1)
        nn.init.constant_(net.weight, 4.0)
        ema = EMA(net, decay=0.75)
        average = getattr(ema, "average", None)
        is_module = isinstance(average, nn.Module)
        holds(is_module, "a module", show(average), hints["average"])
        equal(average.weight, net.weight, hints["starts"], what="weight")
        expected = "a network in training mode"
        got = "one in evaluation mode"
        holds(net.training, expected, got, hints["modes"])
        evaluated = not average.training
        expected = "an average in evaluation mode"
        got = "one in training mode"
        holds(evaluated, expected, got, hints["evaluation"])
        free = not any(p.requires_grad for p in average.parameters())
        expected, got = "parameters without gradients", "trained ones"
        holds(free, expected, got, hints["trained"])
        expected = "parameters of the network that need a gradient"
        holds(net.weight.requires_grad, expected, "none", hints["network"])
    known = {
        7.0: hints["swapped"],
        4.0: hints["stayed"],
        8.0: hints["jumped"],
    }
    with case(
        "EMA(Linear(1, 1), decay=0.75), a weight of 4, then update(net) with "
        "a weight of 8"
    ):
        nn.init.constant_(net.weight, 8.0)
        own = ema.average.weight.item() == 4
        holds(own, "an average of 4", "an average of 8", hints["shared"])
        ema.update(net)
        weight = ema.average.weight
        equal(weight.item(), 5.0, hints["moved"], known, what="average")
        graph = weight.requires_grad or weight.grad_fn is not None
        holds(not graph, "no graph", "a graph", hints["graph"])
        kept = net.weight.item() == 8 and net.training
        holds(kept, "the network as it was", "another", hints["network"])
        names = list(ema.state_dict())
        saved = "average.weight" in names
        expected = "a state dict with `average.weight`"
        holds(saved, expected, show(names), hints["average"])
    with case(
        "EMA(Linear(1, 1), decay=0.75), a weight of 4, then update(net) with "
        "a weight of 8 that is frozen now"
    ):
        net = nn.Linear(1, 1)
        nn.init.constant_(net.weight, 4.0)
        ema = EMA(net, decay=0.75)
        nn.init.constant_(net.weight, 8.0)
        net.weight.requires_grad_(False)
        ema.update(net)
        got = ema.average.weight.item()
        equal(got, 5.0, hints["frozen"], what="average")
    integers = {
        "result type": hints["integers"],
        "dtype": hints["integers"],
        "implemented for": hints["integers"],
    }
    with case(
        "EMA(BatchNorm1d(2), decay=0.75), then update(net) after a batch",
        known=integers,
    ):
        norm = nn.BatchNorm1d(2)
        ema = EMA(norm, decay=0.75)
        norm(torch.tensor([[0.0, 10], [20, 30]]))
        ema.update(norm)
        mean = norm.running_mean
        known = {
            0.25 * mean: hints["float buffers"],
        }
        what = "running_mean"
        equal(
            ema.average.running_mean, mean, hints["buffers"], known, what=what
        )
        counted = ema.average.num_batches_tracked.item()
        what = "num_batches_tracked"
        equal(counted, 1, hints["integers"], what=what)
        before = ema.average.running_mean.clone()
        norm(torch.ones(2, 2))
        got, what = ema.average.running_mean, "running_mean"
        equal(got, before, hints["shared"], what=what)


_WIDER = {
    "hidden": "`hidden` and `out` of the new block are to have `width` units "
    "between them.",
    "output": (
        "The output isn't that of the old block.",
        "The old units keep all their weights and biases; what the new ones "
        "add to the output must be 0 at first.",
    ),
    "bias": "The bias of `out` isn't that of the old block.",
    "old": "The old block has changed. Return a new one.",
    "shared": "The two blocks share memory: training one changes the other.",
    "parts": "The block may have other parts, and another forward "
    "computation: copy it, and replace the two layers.",
    "dead": (
        "The new units can't learn: not even their weights in `out` get a "
        "gradient.",
        "If the weights of a unit in `hidden` are 0, and its bias, it gives 0 "
        "for each input. Only one of its sides may be 0.",
    ),
    "twins": "Some units start with equal weights on both sides. They get "
    "equal gradients, and stay one unit.",
    "hidden.weight": "This gradient is a product with the unit's weight in "
    "`out`, which is 0.",
    "hidden.bias": "This gradient, too, comes through the unit's weight in "
    "`out`.",
    "out.weight": "This gradient is a product with what the unit gives, which "
    "isn't 0 for each sample.",
}


class _Block(nn.Module):
    """A residual block with a part more."""

    def __init__(self, width: int, num_hiddens: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, num_hiddens)
        self.out = nn.Linear(num_hiddens, width)

    def forward(self, X: Tensor) -> Tensor:
        return X + self.out(F.relu(self.hidden(self.norm(X))))


@exercise(
    "10.7 Widen a residual block",
    "the new block has more hidden units, and the same output",
    "the old block stays as it was",
    "each new unit can learn, and no two are the same",
    "you know which of their parameters learn first",
)
def widen_residual_block(widen: Callable, first_step: dict) -> None:
    hints = _WIDER
    X = torch.randn(20, 4)
    block = _Block(4, 3)
    nn.init.constant_(block.norm.weight, 2.0)
    before = copy.deepcopy(block.state_dict())
    with case("a block of width 4 with 3 hidden units and a LayerNorm, to 8"):
        wide = widen(block, 8)
        same = all(
            torch.equal(value, before[name])
            for name, value in block.state_dict().items()
            if value.shape == before[name].shape
        )
        same = same and wide is not block and len(block.hidden.bias) == 3
        holds(same, "the old block as it was", "another", hints["old"])
        norm = getattr(wide, "norm", None)
        kept = isinstance(norm, nn.LayerNorm) and torch.equal(
            norm.weight, block.norm.weight
        )
        holds(kept, "a block with its LayerNorm", "another", hints["parts"])
        shapes = [
            tuple(p.shape) for p in (wide.hidden.weight, wide.out.weight)
        ]
        what = "shapes of the weights"
        equal(shapes, [(8, 4), (4, 8)], hints["hidden"], what=what)
        bias = wide.out.bias
        equal(bias, block.out.bias, hints["bias"], what="bias of out")
        equal(call(wide, X), block(X), hints["output"], rtol=1e-3, atol=1e-5)
        memory = [
            {p.untyped_storage()._cdata for p in b.parameters()}
            for b in (wide, block)
        ]
        free = memory[0].isdisjoint(memory[1])
        got = "memory of the old block"
        holds(free, "memory of its own", got, hints["shared"])
    with case(
        "a block of width 4 with 3 hidden units, to 8, backward from the sum "
        "of the squares of the output"
    ):
        wide(X).square().sum().backward()
        learns = wide.out.weight.grad.any(dim=0).float().mean().item()
        # A ReLU may give 0 for all 20 samples.
        got = "gradients of 0"
        holds(learns > 0.5, "gradients of the new units", got, hints["dead"])
        both = torch.cat([wide.hidden.weight, wide.out.weight.T], dim=1)
        many = len(both.detach().unique(dim=0)) == 8
        got = "fewer than 8"
        holds(many, "8 different units", got, hints["twins"])
    truth = {
        "hidden.weight": wide.hidden.weight.grad[3:].any().item(),
        "hidden.bias": wide.hidden.bias.grad[3:].any().item(),
        "out.weight": wide.out.weight.grad[:, 3:].any().item(),
    }
    predicted(first_step, truth, {key: hints[key] for key in truth})


_TIED = {
    "one": "The table is the only parameter, of shape (num_words, width).",
    "scores": "The scores are those of the statement: tanh of the words' "
    "rows, times the table, transposed.",
    "none": "Nothing is trained: the scores are cut off, too.",
    "both": "The lookup is trained, too: cut its path alone.",
    "lookup": "The lookup is trained, and the scores aren't: the other path "
    "is to be cut.",
    "gradient": "This isn't the gradient that comes through the scores alone.",
    "old": "The lookup reads an old copy. It is to see the table as it is "
    "now.",
    "table.requires_grad_(False)": "There is one parameter, and both sides "
    "are this parameter.",
    "detach() on the table in the scores": "The rows that were looked up are "
    "still connected to the table.",
    "detach() on the rows that were looked up": "This cuts the same path as a "
    "`detach` on the table before the lookup.",
    "no_grad() around the whole forward": "Without a graph, no path leads "
    "back to the table.",
}


class _Tied(nn.Module):
    """The model of the exercise, with a cut in one of its paths."""

    def __init__(self, table: Tensor, cut: str = "") -> None:
        super().__init__()
        self.table, self.cut = nn.Parameter(table.clone()), cut

    def forward(self, words: Tensor) -> Tensor:
        rows, table = self.table[words], self.table
        if self.cut == "lookup":
            rows = rows.detach()
        if self.cut == "scores":
            table = table.detach()
        return torch.tanh(rows) @ table.T


def _gradient_of(model: nn.Module, words: Tensor) -> Tensor:
    model.zero_grad()
    F.cross_entropy(model(words), words.roll(1)).backward()
    (table,) = model.parameters()
    return table.grad


@exercise(
    "10.8 Freeze one side of a tie",
    "the scores are computed with one table",
    "the table gets the gradient of the scores alone",
    "the lookup reads the table as it is",
    "you know what other ways train",
)
def one_sided_tie(TiedModel: type[nn.Module], trained: dict) -> None:
    hints = _TIED
    words = torch.tensor([0, 2, 3, 2])
    table = torch.randn(5, 3)
    with case("TiedModel(5, 3), words [0, 2, 3, 2]"):
        model = TiedModel(5, 3)
        shapes = [tuple(p.shape) for p in model.parameters()]
        equal(shapes, [(5, 3)], hints["one"], what="shapes of parameters")
        (own,) = model.parameters()
        rows = torch.tanh(own.detach()[words])
        with torch.no_grad():
            own.copy_(table)
        known = {rows @ table.T: hints["old"]}
        scores = call(model, words)
        equal(scores, _Tied(table)(words), hints["scores"], known)
        has_graph(scores, hints["none"])
    with case(
        "TiedModel(5, 3), words [0, 2, 3, 2], each to be followed by another"
    ):
        known = [
            (_gradient_of(_Tied(table), words), hints["both"]),
            (_gradient_of(_Tied(table, "scores"), words), hints["lookup"]),
        ]
        right = _gradient_of(_Tied(table, "lookup"), words)
        got = _gradient_of(model, words)
        equal(got, right, hints["gradient"], known, what="gradient")
    truth = {
        "table.requires_grad_(False)": "none",
        "detach() on the table in the scores": "lookup",
        "detach() on the rows that were looked up": "scores",
        "no_grad() around the whole forward": "none",
    }
    predicted(trained, truth, {key: hints[key] for key in truth})


_GAIN = {
    "identity": "With f(z) = z, the mean square is 1 already, and the gain is "
    "1.",
    "gain": (
        "g f(z) hasn't the mean square 1.",
        "g is one over the root of the mean of f(z)².",
    ),
    "inverse": "This is the root of the mean square. The gain makes up for "
    "it: one over it.",
    "square": "This is one over the mean square. Its root is missing.",
    "std": "This makes the standard deviation 1. The mean square counts the "
    "mean of f(z), too, which the next layer gets.",
    "absolute": "This goes by the mean of |f(z)|. It is the square that adds "
    "up in the next layer.",
    "error": "The error is larger than half a percent: take more samples, or "
    "a finer grid.",
    "seed": "This seeds PyTorch's generator, from which others draw: give "
    "`randn` a generator of its own.",
    "number": "Return a number.",
    "relu": "Of a standard normal z, half of the squares are left by ReLU.",
    "tanh": "Compute both to three digits.",
}


@exercise(
    "10.9 The gain of any activation",
    "gain(f) makes the mean square of g f(z) 1",
    "you know which of torch's gains is this one",
)
def activation_gain(gain: Callable, same_as_torchs: dict) -> None:
    activations = {
        "f(z) = z": lambda z: z,
        "ReLU": F.relu,
        "tanh": torch.tanh,
        "GELU": F.gelu,
        "f(z) = z + 3": lambda z: z + 3,
    }
    z = torch.linspace(-9, 9, 20_001, dtype=torch.double)
    density = torch.exp(-z.square() / 2)
    density /= density.sum()
    found = {}
    for name, f in activations.items():
        y = f(z)
        mean, square = (y * density).sum(), (y.square() * density).sum()
        right = square.rsqrt().item()
        known = {
            square.sqrt().item(): _GAIN["inverse"],
            1 / square.item(): _GAIN["square"],
            (square - mean.square()).rsqrt().item(): _GAIN["std"],
            1 / (y.abs() * density).sum().item(): _GAIN["absolute"],
        }
        with case(name):
            torch.manual_seed(90_125)
            got = gain(f)
            kept = torch.initial_seed() == 90_125
            expected, seeded = "the seed as it was", "another seed"
            holds(kept, expected, seeded, _GAIN["seed"])
            if isinstance(got, Tensor) and got.numel() == 1:
                got = got.item()
            is_number = isinstance(got, (int, float))
            holds(is_number, "a number", show(got), _GAIN["number"])
            hint = _GAIN["identity"] if name == "f(z) = z" else _GAIN["gain"]
            if abs(got - right) < 0.05 * right:
                hint = _GAIN["error"]
            else:
                for value, why in known.items():
                    if abs(got - value) < 0.01 * value:
                        hint = why
            equal(got, right, hint, rtol=5e-3, what="gain")
            found[name] = right
    truth = {
        "relu": math.isclose(
            found["ReLU"], nn.init.calculate_gain("relu"), rel_tol=1e-3
        ),
        "tanh": math.isclose(
            found["tanh"], nn.init.calculate_gain("tanh"), rel_tol=1e-3
        ),
    }
    predicted(same_as_torchs, truth, {key: _GAIN[key] for key in truth})
