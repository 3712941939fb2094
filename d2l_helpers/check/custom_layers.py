"""The checks of chapter 03, Write layers of your own."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable
from numbers import Number

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.func import functional_call
from torch.nn import functional as F

from ..layers import CenteredLayer, MyLinear
from ._compare import asked, call, case, equal, has_graph, holds, predicted
from ._exercise import exercise
from ._phrase import Phrase
from ._report import show

_QUADRATIC = {
    "weight": "W is the layer's only parameter: `nn.Parameter` of shape "
    "(d, d, m), first i, then j, then k.",
    "unwrapped": "`parameters()` sees no tensor that isn't wrapped in "
    "`nn.Parameter`.",
    "vector": (
        "These aren't the y_k of this vector.",
        "y_k sums over each pair i, j: nine pairs if d is 3, four if it is 2. "
        "k is the only index that stays.",
    ),
    "shapes": "Here x is a vector of shape (d,), and W has the shape "
    "(d, d, m).",
    "letters": (
        "In `einsum`, each tensor needs one letter for each of its "
        "dimensions. Here W has three, and x has one: no letter for a sample.",
        "`...` stands for any number of dimensions, also for none.",
    ),
    "sizes": "In `einsum`, one letter stands for one size. Two sizes have the "
    "same letter here: W has the shape (d, d, m), first i, then j, then k.",
    "linear": "x enters once here, and y is linear in it. It must enter "
    "twice: as x_i and as x_j.",
    "batch": (
        "A batch gives others here than its samples one by one.",
        "Each sample goes with itself alone: x_i and x_j are two numbers of "
        "one sample. In `einsum`, both copies of X have the same letter for "
        "the sample, which the result keeps.",
    ),
    "shapes of batch": "Here X is a batch of shape (n, d), and the result has "
    "the shape (n, m).",
    "letters of batch": (
        "In `einsum`, each tensor needs one letter for each of its "
        "dimensions. Here X has two: one for the sample.",
        "Give both copies of X one letter more for the sample, and keep it in "
        "the result. A vector has no such letter: `...` stands for any number "
        "of dimensions, also for none.",
    ),
    "precision": "The data type is fixed somewhere, as by `float()` or by a "
    "new tensor. Compute in that of W and X.",
    "cut": "Something cuts the graph: `.data`, `detach`, `no_grad`, or a new "
    "tensor into which results are written.",
    "gradient": "The output is right, but not its gradient: one of the "
    "factors W, x_i, x_j is cut off the graph.",
}


@exercise(
    "3.1 A quadratic layer",
    "one parameter has the shape (d, d, m)",
    "a vector x gives y_k, the sum of W_ijk x_i x_j over i and j",
    "a batch gives the same as its samples one by one",
    "gradients reach W and x, and gradcheck agrees with them",
)
def quadratic_layer(QuadraticLayer: type[nn.Module]) -> None:
    hints = _QUADRATIC
    W = torch.arange(12.0).reshape(2, 2, 3)
    X = torch.tensor([[1.0, 2], [3, -1], [0, 1]])
    with case("QuadraticLayer(2, 3)"):
        net = QuadraticLayer(2, 3)
        shapes = [tuple(p.shape) for p in net.parameters()]
        known = {(): hints["unwrapped"]}
        what = "shapes of the parameters"
        equal(shapes, [(2, 2, 3)], hints["weight"], known, what=what)
        with torch.no_grad():
            next(net.parameters()).copy_(W)
    _require_quadratic_of_vector(net, W, X[0])
    _require_quadratic_of_batch(net, W, X)
    with case("X of shape (3, 2) in double precision", hints["precision"]):
        (W,) = net.double().parameters()
        Y = call(net, X.double())
        has_graph(Y, hints["cut"])
        Y.sum().backward()
        holds(W.grad is not None, "a gradient of W", "none", hints["cut"])
        double, expected = torch.double, "an output in double precision"
        holds(Y.dtype == double, expected, show(Y.dtype), hints["precision"])
        X = X.double().to(W.device).requires_grad_()
        agrees = gradcheck(lambda X, _: net(X), (X, W), raise_exception=False)
        got = "another gradient"
        holds(agrees, "gradcheck to agree", got, hints["gradient"])


def _require_quadratic_of_vector(net: nn.Module, W: Tensor, x: Tensor) -> None:
    hints = _QUADRATIC
    y = torch.einsum("ijk,i,j->k", W, x, x)
    linear = ("ijk,j->ik", "ijk,i->jk", "ijk,i->k", "ijk,j->k")
    known = {
        torch.einsum("iik,i->k", W, x * x): "This sums only the squares "
        "x_i x_i. The pairs of different features, x_1 x_2, count too.",
        **{torch.einsum(term, W, x): hints["linear"] for term in linear},
        y[None]: "The numbers are right, the shape isn't: a vector (d,) gives "
        "a vector (m,), without a dimension for samples.",
    }
    errors = {
        "number of subscripts": hints["letters"],
        "does not broadcast": hints["sizes"],
    }
    given = "W = arange(12) in the shape (2, 2, 3), x = [1, 2]"
    with case(given, hints["shapes"], errors):
        equal(call(net, x), y, hints["vector"], known)


def _require_quadratic_of_batch(net: nn.Module, W: Tensor, X: Tensor) -> None:
    hints = _QUADRATIC
    Y = torch.einsum("ijk,ni,nj->nk", W, X, X)
    known = {
        torch.einsum("ijk,ni,mj->k", W, X, X): "All samples are summed up. "
        "Keep the letter of the sample in the result.",
        Y.sum(dim=0): "The y of all samples are summed up. Keep the letter of "
        "the sample in the result.",
        Y.clamp(min=0): "Negative numbers have become 0.",
    }
    with case(
        "W = arange(12) in the shape (2, 2, 3), X = [[1, 2], [3, -1], [0, 1]]",
        hints["shapes of batch"],
        {"number of subscripts": hints["letters of batch"]},
    ):
        equal(call(net, X), Y, hints["batch"], known)
    with case(
        "W = arange(12) in the shape (2, 2, 3), X = [[1, 2]], a batch of one"
    ):
        shape = tuple(call(net, X[:1]).shape)
        hint = "A batch of one sample is a batch too: (1, d) gives (1, m)."
        equal(shape, (1, 3), hint, what="shape")


_SPECTRUM = {
    "half": (
        "These aren't the coefficients 0 to d/2 - 1 of the d coefficients.",
        "`torch.fft.fft` transforms along the last dimension, and gives as "
        "many coefficients as it got numbers. Keep the first half of them, in "
        "each row.",
    ),
    "samples": "Transform along the last dimension alone, and cut that one: "
    "the first dimension is the samples.",
    "cut": "Keep to torch's own functions: numpy, `detach` and `.data` cut "
    "the graph.",
    "repeated": (
        "These aren't the indices from 4 to 7 that repeat one from 0 to 3.",
        "For a real input, coefficient d - k is the complex conjugate of "
        "coefficient k. Which k from 0 to 3 have a partner from 4 to 7?",
    ),
}


@exercise(
    "3.2 Half of the spectrum",
    "the output is the first d/2 of the d Fourier coefficients",
    "each sample of a batch is transformed alone",
    "a gradient reaches the input",
    "you know which coefficients the dropped half repeats",
)
def half_spectrum(HalfSpectrum: type[nn.Module], repeated: object) -> None:
    _require_half_of_one(HalfSpectrum)
    _require_half_of_each(HalfSpectrum)
    with asked("your answer for d = 8"):
        _require_set(
            repeated, "Give a set of indices, also if it is only one."
        )
        numbers = all(isinstance(k, (Number, Tensor)) for k in repeated)
        hint = "The indices are numbers, without quotes."
        holds(numbers, "", show(repeated), hint)
        c = torch.fft.fft(torch.rand(8))
        truth = {
            k
            for k in range(4, 8)
            for kept in range(4)
            if torch.allclose(c[k], c[kept].conj())
        }
        dropped, kept = frozenset({4, 5, 6, 7}), frozenset({1, 2, 3})
        known = {
            dropped: "The partner of coefficient 4 is 8 - 4, which is itself: "
            "it isn't among those that are kept.",
            kept: "These are kept. Which of those that are dropped repeat "
            "them?",
        }
        equal(repeated, truth, _SPECTRUM["repeated"], known)


def _require_set(answer: object, hint: str) -> None:
    """Require a set, or what is as good."""
    is_set = isinstance(answer, Iterable) and not isinstance(answer, str)
    holds(is_set, "", show(answer), hint)


def _require_half_of_one(HalfSpectrum: type[nn.Module]) -> None:
    X = torch.arange(8.0).square()[None]
    full = torch.fft.fft(X)
    half, trailing = full.split(4, dim=-1)
    inverse = torch.fft.ifft(X)[:, :4]
    scaled = torch.fft.fft(X, norm="ortho")[:, :4]
    known = {
        torch.fft.rfft(X): "These are d/2 + 1 coefficients: `rfft` keeps the "
        "one at d/2 too.",
        full: "These are all d coefficients.",
        half.conj(): "These are the complex conjugates: the sign of each "
        "imaginary part is turned.",
        torch.fft.fft(X, n=4): "This is the transform of the first half of "
        "the numbers. Transform all of them, and keep half of what comes out.",
        inverse: "This is the inverse transform.",
        trailing: "This is the trailing half.",
        half.real: "This is the real part alone. The coefficients are "
        "complex: without the imaginary part the phase is lost.",
        half.abs(): "These are the absolute values. The coefficients are "
        "complex: their phase is lost here.",
        scaled: "These are scaled. Leave the argument `norm` as it is.",
    }
    with case("one sample of 8 numbers: X of shape (1, 8)"):
        equal(call(HalfSpectrum(), X), half, _SPECTRUM["half"], known)


def _require_half_of_each(HalfSpectrum: type[nn.Module]) -> None:
    hints = _SPECTRUM
    X = torch.rand(2, 6)
    full = torch.fft.fft(X)
    mixed, half, four = torch.fft.fft2(X)[:, :3], full[:, :3], full[:, :4]
    known = {
        mixed: "`fft2` mixes the samples. `fft` transforms along the last "
        "dimension.",
        four: "These are four coefficients, and half of 6 is 3: d depends on "
        "the input.",
    }
    with case("two samples: X of shape (2, 6)"):
        equal(call(HalfSpectrum(), X), half, hints["samples"], known)
        Y = call(HalfSpectrum(), X.requires_grad_())
        has_graph(Y, hints["cut"])
        Y.abs().sum().backward()
        holds(X.grad is not None, "a gradient of X", "None", hints["cut"])


_REPAIR = {
    "parameters": "Keep the two parameters of `MyLinear`: a weight (in_units, "
    "units) and a bias (units,).",
    "new": "`forward` makes new parameters, and an optimizer goes on with the "
    "old ones.",
    "cut": (
        "A parameter is cut off the graph, and isn't trained.",
        "`detach` and `.data` cut off what they are called on. Use the "
        "parameters themselves in `forward`.",
    ),
    "input": "The input is cut off the graph: a layer in front of this one "
    "couldn't learn.",
    "names": "A name begins with the place in the `Sequential`, as in "
    "`named_parameters`.",
    "moved": "Follow the path back from the loss: it reaches each parameter "
    "that `forward` uses, but for the one behind `detach`.",
    "edit": "`detach` shares the count of edits with the tensor that it comes "
    "from; `.data` has a count of its own. `backward` compares the counts.",
}


@exercise(
    "3.3 Repair",
    "your layer gives what MyLinear gives, and trains both parameters",
    "you know which parameters the broken layer leaves alone",
    "you know what becomes of an edit between forward and backward",
)
def repair(
    RepairedLinear: type[nn.Module], moved: object, after_edit: object
) -> None:
    hints = _REPAIR
    W, b, X = torch.randn(2, 3), torch.randn(3), torch.randn(4, 2)
    Y = X @ W + b
    with case("RepairedLinear(2, 3), X of shape (4, 2)"):
        layer = RepairedLinear(2, 3)
        shapes = {tuple(p.shape) for p in layer.parameters()}
        what = "shapes of the parameters"
        equal(shapes, {(2, 3), (3,)}, hints["parameters"], what=what)
        with torch.no_grad():
            for p in layer.parameters():
                p.copy_(W if p.dim() == 2 else b)
        hint = "The output is to be max(0, X W + b), as before the repair."
        equal(call(layer, X), F.relu(Y), hint, {Y: "The ReLU is gone."})
    with case(
        "RepairedLinear(2, 3), X of shape (4, 2), backward from the sum of "
        "the output"
    ):
        _require_both_trained(layer, X.requires_grad_())
    with asked("your prediction of the names that a step of training moves"):
        _require_set(moved, "Give a set of names, also if it is only one.")
        truth = _moved_with_detached_weight()
        names = {*moved} <= {*truth, "0.weight"}
        holds(names, "", show(moved), hints["names"])
        known = {
            frozenset({"1.weight", "1.bias"}): "`detach` cuts off the weight "
            "alone. The bias is added afterwards, and its path to the loss "
            "is whole."
        }
        equal(moved, truth, hints["moved"], known)
    with asked("your prediction for an edit through w.detach()"):
        if isinstance(after_edit, str):  # maybe with the message
            after_edit = after_edit.split(":")[0]
        equal(after_edit, _error_after_edit(), hints["edit"])


def _require_both_trained(layer: nn.Module, X: Tensor) -> None:
    hints = _REPAIR
    parameters = list(layer.parameters())
    Y = call(layer, X)
    same = all(map(operator.is_, parameters, layer.parameters()))
    expected = "the parameters that were there before the call"
    holds(same, expected, "new ones", hints["new"])
    if Y.requires_grad:
        Y.sum().backward()
    cut = [p.dim() for p in parameters if p.grad is None]
    got = "none of weight" if cut == [2] else "none of weight and bias"
    got = "none of bias" if cut == [1] else got
    holds(not cut, "a gradient of weight and bias", got, hints["cut"])
    holds(X.grad is not None, "a gradient of X", "none", hints["input"])


def _moved_with_detached_weight() -> set[str]:
    """The parameters that a step moves: those that get a gradient."""

    class DetachedWeight(MyLinear):
        def forward(self, X: Tensor) -> Tensor:
            return F.relu(X @ self.weight.detach() + self.bias)

    net = nn.Sequential(DetachedWeight(5, 3), nn.Linear(3, 1))
    with torch.no_grad():
        net[0].bias.fill_(9)  # so that the ReLU lets all pass
    net(torch.rand(2, 5)).square().sum().backward()
    return {k for k, p in net.named_parameters() if p.grad is not None}


def _error_after_edit() -> str:
    """What backward raises after an edit through ``detach``."""
    w = torch.tensor([2.0, 3], requires_grad=True)
    y = (w * w).sum()
    w.detach().mul_(10)
    try:
        y.backward()
    except RuntimeError as error:
        return type(error).__name__
    return "no error"


_RUNNING = {
    "buffers": "There are to be two buffers of shape (2,): the mean, which "
    "starts at 0, and the variance, which starts at 1.",
    "no buffers": (
        "A memory isn't trained, but saved and moved.",
        "A buffer is: `register_buffer`.",
    ),
    "zeros": "The variance starts at 1: before the first batch, the layer is "
    "to change nothing.",
    "trained": "Nothing in this layer is trained: it has no shift, and the "
    "momentum is a setting.",
    "saved": "What is remembered must be saved, too: `persistent=False` "
    "leaves it out.",
    "scaled": (
        "The batch isn't centered and scaled by its own statistics.",
        "Subtract the mean of each column, then divide by the root of its "
        "variance, `X.var(dim=0)`.",
    ),
    "tenth": (
        "Each memory moves a tenth of the way, from where it is to the "
        "batch's own mean or variance.",
        "`m.lerp_(new, 0.1)` moves `m` a tenth of the way to `new`, in place.",
    ),
    "cut": "A gradient must reach X: center and scale with the batch's own "
    "mean and variance, not with copies cut off the graph.",
    "graph": "Detach what you store: else the graph of each batch hangs on "
    "the next one's, and memory grows.",
    "momentum": "Each step goes `momentum` of the way from where the memory "
    "is: what it held before counts for the rest.",
    "default": "Each step went a tenth of the way. The argument `momentum` "
    "says how far.",
    "gradient": (
        "The mean and the variance of the batch depend on X, so `backward` "
        "must see how.",
        "Center and divide inside the graph. Detach only what goes into the "
        "memory.",
    ),
    "read": "The memory has moved. In evaluation it is only read: a model "
    "must not change while it is tested.",
    "evaluation": (
        "In evaluation, this layer centers and scales by its memory.",
        "`self.training` tells which mode it is. In evaluation the batch's "
        "own statistics don't count.",
    ),
    "cut in evaluation": "In evaluation a gradient must pass, too: a layer in "
    "front may need it.",
}


@exercise(
    "3.4 A layer with a memory",
    "mean and variance are buffers, that start at 0 and 1",
    "in training, a batch is centered and scaled by its own statistics",
    "in training, the memory moves a tenth of the way towards them",
    "in evaluation, the memory is used and stays as it is",
    "no graph hangs on the memory",
)
def layer_with_a_memory(RunningNorm: type[nn.Module]) -> None:
    hints = _RUNNING
    X = torch.tensor([[0.0, 10], [4, 30], [8, 20]])
    with case("RunningNorm(2)"):
        net = RunningNorm(2)
        memories, start = _memories(net.buffers()), [[0.0, 0.0], [1.0, 1.0]]
        known = {(): hints["no buffers"], ((0.0, 0.0),) * 2: hints["zeros"]}
        equal(memories, start, hints["buffers"], known, what="buffers")
        names = [name for name, _ in net.named_parameters()]
        equal(names, [], hints["trained"], what="parameters")
        saved = len(_memories(net.state_dict().values()))
        what = "number of memories in the state dict"
        equal(saved, 2, hints["saved"], what=what)
    _require_scaled_by_batch(net, X)
    _require_a_tenth(net, X)
    net = RunningNorm(2, momentum=0.5)
    _require_graph_and_memory(net, X)
    m, v = 0.75 * X.mean(dim=0), 0.25 + 0.75 * X.var(dim=0)
    Z = torch.tensor([[1.0, 2], [3, 5]])
    with case(
        "RunningNorm(2, momentum=0.5) in evaluation, after two batches, "
        "X = [[1, 2], [3, 5]]"
    ):
        before = _memories(net.eval().buffers())
        Y = call(net, Z.clone().requires_grad_())
        after = _memories(net.buffers())
        equal(after, before, hints["read"], what="buffers")
        equal(Y, (Z - m) / v.sqrt(), hints["evaluation"], rtol=1e-3)
        has_graph(Y, hints["cut in evaluation"])


def _memories(tensors: Iterable[Tensor]) -> list[list[float]]:
    """Those of two numbers, in any order and shape."""
    return sorted(t.flatten().tolist() for t in tensors if t.numel() == 2)


def _require_scaled_by_batch(net: nn.Module, X: Tensor) -> None:
    m, v = X.mean(dim=0), X.var(dim=0)
    by_n = X.var(dim=0, correction=0)
    known = {
        (X - m) / v: "This is divided by the variance, not by its root.",
        X / v.sqrt(): "This is scaled, but not centered: subtract the mean.",
        X - m: "In training, scale by the batch's own variance, as you center "
        "with its own mean.",
        (X - m) / by_n.sqrt(): "This divides by n in the variance, as "
        "`nn.BatchNorm1d` does. Here it is n - 1, what `X.var` does by "
        "itself.",
        (X - X.mean()) / X.std(): "Each column has a mean and a variance of "
        "its own: give `dim=0`.",
        (X - 0.1 * m) / (0.9 + 0.1 * v).sqrt(): "This is scaled by the "
        "memory, after it has moved. In training it is the batch's own mean "
        "and variance.",
    }
    with case("RunningNorm(2) in training, X = [[0, 10], [4, 30], [8, 20]]"):
        scaled = (X - m) / v.sqrt()
        equal(call(net, X), scaled, _RUNNING["scaled"], known, rtol=1e-3)


def _require_a_tenth(net: nn.Module, X: Tensor) -> None:
    m, v = X.mean(dim=0), X.var(dim=0)

    def moved(by: float, v: Tensor = v) -> tuple[tuple[float, ...], ...]:
        return tuple(map(tuple, _memories((by * m, 1 - by + by * v))))

    known = {
        moved(0.0): "The memory has not moved. Write into it in place, or "
        "assign the new tensor to its name.",
        moved(0.9): "It moved nine tenths of the way: the momentum is the "
        "weight of the new batch.",
        moved(1.0): "It has jumped to the batch, and kept nothing.",
        moved(0.1, torch.ones(2)): "The mean has moved, and the variance "
        "hasn't.",
        moved(0.1, v.sqrt()): "The second memory moves towards the root of "
        "the variance. Remember the variance itself, and take the root when "
        "you divide.",
        moved(0.1, X.var(dim=0, correction=0)): "The variance in the memory "
        "is that with n. Here it is that with n - 1, as `X.var(dim=0)` "
        "computes it.",
    }
    with case(
        "RunningNorm(2) after one batch in training, "
        "X = [[0, 10], [4, 30], [8, 20]]"
    ):
        memories, tenth = _memories(net.buffers()), [*map(list, moved(0.1))]
        equal(memories, tenth, _RUNNING["tenth"], known, what="buffers")


def _require_graph_and_memory(net: nn.Module, X: Tensor) -> None:
    """Require gradients of X, and no graph in the memory, in each batch."""
    hints = _RUNNING
    m, v = X.mean(dim=0), X.var(dim=0)
    rows = torch.tensor([[1.0], [2], [4]])
    with case(
        "RunningNorm(2, momentum=0.5) in training, "
        "X = [[0, 10], [4, 30], [8, 20]] twice"
    ):
        for _ in range(2):
            inputs = X.clone().requires_grad_()
            Y = call(net, inputs)
            has_graph(Y, hints["cut"])
            free = not any(b.requires_grad for b in net.buffers())
            expected = "buffers without a graph"
            holds(free, expected, "a buffer with one", hints["graph"])
            (Y * rows.to(Y.device)).sum().backward()
        memories = _memories(net.buffers())
        truth = _memories((0.75 * m, 0.25 + 0.75 * v))
        known = [(_memories((0.19 * m, 0.81 + 0.19 * v)), hints["default"])]
        equal(memories, truth, hints["momentum"], known, what="buffers")
    with case(
        "RunningNorm(2, momentum=0.5) in training, "
        "X = [[0, 10], [4, 30], [8, 20]] twice, rows of the output weighted "
        "by 1, 2, 4 and summed"
    ):
        X = X.clone().requires_grad_()
        Y = (X - X.mean(dim=0)) / X.var(dim=0).sqrt()
        (slope,) = torch.autograd.grad((Y * rows).sum(), X)
        close = {"rtol": 1e-2, "atol": 1e-4, "what": "gradient of X"}
        equal(inputs.grad, slope, hints["gradient"], **close)


_START = {
    "every module": "`apply` visits every module, also those without a "
    "weight: ask first which it is.",
    "others": "`apply` visits every module: ask with `isinstance` which it "
    "is.",
    "left": (
        "A MyLinear was left as it was.",
        "For which modules does your condition hold? An object of a subclass "
        "of MyLinear counts, too, and `nn.Linear` is another class.",
    ),
    "trained": "A start is where training begins: both stay parameters that "
    "get a gradient.",
    "normal": "In N(0, 0.01²), the normal distribution, 68% of the weights "
    "are less than 0.01 from 0.",
}


@exercise(
    "3.5 A better start",
    "init_better sets what it says, in every MyLinear",
    "you know which share of the networks can learn from each start",
)
def better_start(
    init_better: Callable, MyLinear: type[nn.Module], can_learn: dict
) -> None:
    class Own(MyLinear):
        """A MyLinear of a class of its own."""

    for given, net in {
        "Sequential(MyLinear(64, 8), Sequential(MyLinear(8, 1000)))": (
            nn.Sequential(MyLinear(64, 8), nn.Sequential(MyLinear(8, 1000)))
        ),
        "Own(64, 1000), where Own is a subclass of MyLinear": Own(64, 1000),
    }.items():
        with case(given, known={"has no attribute": _START["every module"]}):
            before = copy.deepcopy(net)
            net.apply(init_better)
            for pair in zip(net.modules(), before.modules(), strict=True):
                if isinstance(pair[0], MyLinear):
                    _require_small_weights_and_ones(*pair)
    with case("nn.Linear(3, 2), which isn't a MyLinear"):
        plain = nn.Linear(3, 2)
        before = copy.deepcopy(plain)
        same = _same_parameters(plain.apply(init_better), before)
        holds(same, "a layer as it was", "another one", _START["others"])
    truth = {bias: _share_that_learns(MyLinear, bias) for bias in (0, 1)}
    hints = {
        0: "Small weights and a bias of 0: what enters the last ReLU is as "
        "often negative as positive.",
        1: "Small weights and a bias of 1: what enters each ReLU is near 1, "
        "and so on the open side.",
    }
    predicted(can_learn, truth, hints)


def _same_parameters(layer: nn.Module, other: nn.Module) -> bool:
    return all(map(torch.equal, layer.parameters(), other.parameters()))


def _require_small_weights_and_ones(layer: nn.Module, old: nn.Module) -> None:
    """Require biases of 1, and weights from N(0, 0.01²)."""
    hints = _START
    changed = not _same_parameters(layer, old)
    expected = "small weights and biases of 1"
    holds(changed, expected, "a layer as it was", hints["left"])
    trained = [p.requires_grad for p in layer.parameters()] == [True, True]
    expected = "weight and bias to be trained"
    holds(trained, expected, "a parameter less", hints["trained"])
    bias, weight = (p.detach().cpu() for p in (layer.bias, layer.weight))
    equal(
        [bias.min().item(), bias.max().item()],
        [1.0, 1.0],
        "With biases of 1, each ReLU starts on its open side.",
        {
            (0.0, 0.0): "With biases of 0 half of the networks answer 0, and "
            "learn nothing."
        },
        what="smallest and largest bias",
    )
    equal(
        round(weight.std().item(), 4),
        0.01,
        "The weights come from N(0, 0.01²): the standard deviation is 0.01.",
        {0.1: "`std` is the standard deviation, the root of 0.01²."},
        rtol=0.15,
        what="standard deviation of the weights",
    )
    hint = "The weights come from N(0, 0.01²), whose mean is 0."
    mean = round(weight.mean().item(), 2)
    equal(mean, 0.0, hint, what="mean of the weights")
    share = round((weight.abs() < 0.01).float().mean().item(), 2)
    what = "share of the weights between -0.01 and 0.01"
    equal(share, 0.68, hints["normal"], atol=0.06, what=what)


def _share_that_learns(MyLinear: type[nn.Module], bias: float) -> str:
    """How many of 200 networks get a gradient from one sample, in words."""
    sample = torch.rand(1, 64)
    learn = 0
    for _ in range(200):
        net = nn.Sequential(MyLinear(64, 8), MyLinear(8, 1))
        for layer in net:
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias)
        learn += bool(net(sample).item() > 0)
    return {0: "none", 1: "half", 2: "all"}[round(learn / 100)]


_DROPOUT = {
    "shape": "The shape of the input is kept.",
    "cut": "A gradient must pass the layer: compute with X itself.",
    "share": (
        "p is the probability that an input becomes 0.",
        "A number between 0 and 1, drawn for each input with "
        "`torch.rand_like`, is below p with probability p.",
    ),
    "to stay": "p is the probability to become 0, not to stay.",
    "nothing": (
        "Nothing has become 0 here.",
        "A new layer is in training. Is each input drawn by itself?",
    ),
    "factor": "What stays is to be divided by 1 - p.",
    "gradient": "The output is right, and its gradient isn't. Compute with X, "
    "out of place.",
    "one mask": "Draw in `forward`: a mask that is drawn once drops the same "
    "inputs for ever.",
    "rows": "Each element is drawn by itself, not a row or a column at once, "
    "and not an exact share of them.",
    "exact": "Each element is drawn by itself: p is a probability, not an "
    "exact share of all.",
    "any shape": "As many numbers are to be drawn as the input has elements. "
    "It may have any shape.",
    "any input": "A new layer is in training, whatever its input is.",
    "evaluation": (
        "In evaluation the input passes as it is.",
        "`self.training` tells which mode it is.",
    ),
    "scaled": "The division by 1 - p in training has kept the mean: nothing "
    "is left to scale.",
    "cut in evaluation": "In evaluation a gradient must pass, too.",
    "setting": "p isn't learned, and no device needs it: a plain attribute.",
    "in place": "The input has been written to. Others may use it too: make a "
    "new tensor.",
}


@exercise(
    "3.6 Dropout",
    "in training, about the share p of the inputs becomes 0",
    "the others are divided by 1 - p, so that the mean is kept",
    "each call draws anew",
    "in evaluation nothing changes",
    "the state dict is empty: p is a setting",
)
def dropout(Dropout: type[nn.Module]) -> None:
    hints = _DROPOUT
    X = 1 + torch.rand(100, 100)
    for p in (0.2, 0.5):
        with case(
            Phrase("Dropout({p}) in training, X of shape (100, 100)", p=p)
        ):
            net = Dropout(p)
            dropped = _require_share_and_scale(net, p, X)
            _require_drawn_one_by_one(net, X, dropped)
    X = 1 + torch.rand(2, 3, 50)
    given = "Dropout(0.5) in training, X of shape (2, 3, 50)"
    with case(given, known={"size of tensor": hints["any shape"]}):
        _require_drawn_in_any_shape(Dropout(0.5), X)
    with case("Dropout(0.5) in evaluation, X of shape (2, 3, 50)"):
        _require_nothing_in_evaluation(Dropout(0.5).eval(), X)
    with case("X of shape (2, 3, 50), after Dropout(0.5) in training"):
        inputs = X.clone()
        Dropout(0.5)(inputs)
        as_it_was = torch.equal(inputs, X)
        got = "other numbers in it"
        holds(as_it_was, "the input as it was", got, hints["in place"])


def _require_share_and_scale(net: nn.Module, p: float, X: Tensor) -> Tensor:
    """Require that the share p is dropped and the rest scaled; tell which."""
    hints = _DROPOUT
    inputs = X.clone().requires_grad_()
    Y = call(net, inputs)
    equal(Y.shape, X.shape, hints["shape"], what="shape")
    has_graph(Y, hints["cut"])
    Y.sum().backward()
    Y = Y.detach().cpu()
    dropped = Y == 0
    share = round(dropped.float().mean().item(), 2)
    known = {1.0 - p: hints["to stay"], 0.0: hints["nothing"]}
    what = "share of zeros"
    equal(share, p, hints["share"], known, atol=0.03, what=what)
    scale = Y[~dropped] / X[~dropped]
    scale, right = [scale.min().item(), scale.max().item()], 1 / (1 - p)
    known = {
        (1.0, 1.0): "Those that stay are to be divided by 1 - p: else the "
        "mean falls to 1 - p of what it was.",
        (1 / p,) * 2: "Divide by 1 - p, the probability to stay, not by p.",
        (1 - p,) * 2: "This is multiplied by 1 - p, not divided.",
    }
    what = "smallest and largest factor of what stays"
    equal(scale, [right, right], hints["factor"], known, what=what)
    holds(
        torch.allclose(inputs.grad, Y / X, rtol=1e-4),
        "a slope of 1 / (1 - p) where an input stays, and of 0 elsewhere",
        "another slope",
        hints["gradient"],
    )
    return dropped


def _require_drawn_one_by_one(
    net: nn.Module, X: Tensor, dropped: Tensor
) -> None:
    """Require that each call, and each element, is drawn anew."""
    hints = _DROPOUT
    draws = [dropped, *(call(net, X).detach().cpu() == 0 for _ in range(3))]
    anew = not torch.equal(*draws[:2])
    expected = "another draw in the second call"
    holds(anew, expected, "the same zeros", hints["one mask"])
    counts = dropped.sum(dim=0), dropped.sum(dim=1)
    alone = all(len(count.unique()) > 5 for count in counts)
    alone &= len(dropped.unique(dim=0)) == 100
    got = "rows or columns that are drawn together"
    holds(alone, "each element drawn by itself", got, hints["rows"])
    count = int(dropped.sum())
    got = Phrase("{count} zeros in each of four calls", count=count)
    by_chance = len({int(draw.sum()) for draw in draws}) > 1
    expected = "a number of zeros that chance decides"
    holds(by_chance, expected, got, hints["exact"])


def _require_drawn_in_any_shape(net: nn.Module, X: Tensor) -> None:
    hints = _DROPOUT
    Y = call(net, X).detach().cpu()
    zeros = Y == 0
    twice = zeros.any() and torch.allclose(Y, torch.where(zeros, 0, 2 * X))
    expected = "zeros, and elsewhere twice the input"
    holds(twice, expected, "other numbers", hints["any input"])
    pairs = zeros[:2], zeros[:, :2].transpose(0, 1)
    alone = not any(torch.equal(*pair) for pair in pairs)
    got = "zeros in the same places of two samples"
    holds(alone, "each element drawn by itself", got, hints["any shape"])


def _require_nothing_in_evaluation(net: nn.Module, X: Tensor) -> None:
    """Require that evaluation changes nothing, and that p is a setting."""
    hints = _DROPOUT
    Y = call(net, X.clone().requires_grad_())
    as_it_is = torch.equal(Y.detach().cpu(), X)
    factors = (Y.detach().cpu() / X).unique()
    hint = "scaled" if factors.tolist() == [0.5] else "evaluation"
    got = Phrase("X, multiplied by {factors}", factors=_told(factors))
    holds(as_it_is, "X as it is", got, hints[hint])
    has_graph(Y, hints["cut in evaluation"])
    names, what = [*net.state_dict()], "names in the state dict"
    equal(names, [], hints["setting"], what=what)


def _told(factors: Tensor) -> str:
    """The least and the greatest."""
    least, most = (f"{factors[i].item():.4g}" for i in (0, -1))
    two = Phrase("{least} or {most}", least=least, most=most)
    return least if least == most else two


@exercise(
    "3.7 Where to center",
    "your predictions come true for a batch of images",
)
def where_to_center(same_numbers: dict) -> None:
    X = torch.rand(2, 3, 4, 4)
    flatten = nn.Flatten()

    class RowCenteredLayer(nn.Module):
        def forward(self, X: Tensor) -> Tensor:
            return X - X.mean(dim=-1, keepdim=True)

    truth = {
        layer.__class__.__name__: torch.allclose(
            flatten(layer(X)), layer(flatten(X)), atol=1e-6
        )
        for layer in (CenteredLayer(), RowCenteredLayer())
    }
    hints = {
        "CenteredLayer": "Its mean runs over all numbers of the batch, and "
        "`Flatten` changes none of them, nor how many there are.",
        "RowCenteredLayer": "Its mean runs over the last dimension: of an "
        "image that is one row of pixels, of a flattened image all.",
    }
    predicted(same_numbers, truth, hints)


_WRONG_GRADIENTS = {
    "set": "Return a set of names, also if it is empty: `set()`.",
    "all right": (
        "The gradients of this layer are right, and something is named.",
        "In single precision, rounding alone makes numerical gradients "
        "differ. Compare in double precision.",
    ),
    "names": (
        "These aren't the names of the wrong gradients.",
        "Vary one tensor after the other, and let all others stay: "
        "`functional_call` puts a tensor under a name.",
    ),
    "none": "A gradient that is missing is wrong, too: it should be another "
    "number than 0.",
    "input": "The gradient with respect to `X` is wrong here: its name is "
    '`"input"`.',
    "children": "A child's parameter has a dotted name, as in "
    "`named_parameters`.",
    "batch": "Compare with the samples that are given: with one alone, a mean "
    "is a sum.",
    "changed": "The layer is to stay as it is, in single precision too: work "
    "on a copy.",
    "detach": "What does `detach` cut off, and what not?",
    "mean": "Which of the three gradients has the mean over the samples?",
    "one": "What is the mean over one sample?",
}


class _Scaled(torch.autograd.Function):
    """The identity, with a gradient that is wrong by a factor."""

    @staticmethod
    def forward(ctx: object, X: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return X.clone()

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> tuple:
        return ctx.factor * grad, None


class _MeanOfBias(torch.autograd.Function):
    """The sum of X and a bias, whose gradient is the mean over samples."""

    @staticmethod
    def forward(_: object, X: Tensor, bias: Tensor) -> Tensor:
        return X + bias

    @staticmethod
    def backward(_: object, grad: Tensor) -> tuple:
        return grad, grad.mean(dim=0)


class _Suspect(nn.Module):
    """XW + b, with one gradient that is wrong."""

    def __init__(self, num_inputs: int, units: int, fault: str = "") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_inputs, units))
        self.bias = nn.Parameter(torch.randn(units))
        self.fault = fault

    def forward(self, X: Tensor) -> Tensor:
        weight, bias = self.weight, self.bias
        if self.fault == "detach":
            weight = weight.detach()
        if self.fault == "sign":
            weight = _Scaled.apply(weight, -1.0)
        if self.fault == "input":
            X = _Scaled.apply(X, 2.0)
        if self.fault == "mean":
            return _MeanOfBias.apply(X @ weight, bias)
        return X @ weight + bias


@exercise(
    "3.8 Name the wrong gradients",
    "a layer with right gradients gives the empty set",
    "a gradient that is wrong, and one that is missing, are named",
    "so is that of the input, and those of children by dotted names",
    "the layer stays as it is",
    "you know what is found, and what a single sample hides",
)
def name_the_wrong_gradients(wrong_gradients: Callable, found: dict) -> None:
    hints = _WRONG_GRADIENTS
    X = torch.rand(3, 2)
    for given, (layer, names, hint) in {
        "nn.Linear(2, 3), X of shape (3, 2)": (
            (nn.Linear(2, 3), set(), "all right")
        ),
        "XW + b, with the sign of W's gradient turned": (
            (_Suspect(2, 3, "sign"), {"weight"}, "names")
        ),
        "XW + b, with W detached": (
            (_Suspect(2, 3, "detach"), {"weight"}, "none")
        ),
        "XW + b, with twice the gradient of X": (
            (_Suspect(2, 3, "input"), {"input"}, "input")
        ),
        "XW + b, with the mean over the samples for b": (
            (_Suspect(2, 3, "mean"), {"bias"}, "batch")
        ),
        "a chain of a linear layer, tanh, and XW + b with W detached": (
            (
                nn.Sequential(
                    nn.Linear(2, 4), nn.Tanh(), _Suspect(4, 2, "detach")
                ),
                {"2.weight"},
                "children",
            )
        ),
    }.items():
        with case(given, hints[hint]):
            _require_wrong_ones(wrong_gradients, layer, X, names, hints[hint])
    truth, hints = {}, {}
    for name, fault, samples, hint in (
        ("weight.detach()", "detach", 3, "detach"),
        ("SuspectLinear, three samples", "mean", 3, "mean"),
        ("SuspectLinear, one sample", "mean", 1, "one"),
    ):
        truth[name] = _disagreeing(_Suspect(2, 1, fault), X[:samples])
        hints[name] = _WRONG_GRADIENTS[hint]
    predicted(found, truth, hints)


def _require_wrong_ones(
    wrong_gradients: Callable,
    layer: nn.Module,
    X: Tensor,
    names: set[str],
    hint: object,
) -> None:
    before = copy.deepcopy(layer.state_dict())
    answer = wrong_gradients(layer, X.clone())
    after = layer.state_dict()
    kept = all(
        after[k].dtype == v.dtype and torch.equal(after[k], v)
        for k, v in before.items()
    )
    kept = kept and all(p.requires_grad for p in layer.parameters())
    holds(kept, "the layer as it was", "another", _WRONG_GRADIENTS["changed"])
    is_set = isinstance(answer, (set, frozenset, list, tuple))
    holds(is_set, "a set", show(answer), _WRONG_GRADIENTS["set"])
    equal(set(answer), names, hint, what="names")


def _disagreeing(layer: nn.Module, X: Tensor) -> set[str]:
    """What gradcheck says of each tensor of a layer, varied alone."""
    layer = layer.double()
    inputs = {k: p.detach() for k, p in layer.named_parameters()}
    inputs["input"] = X.double()

    def agrees(name: str) -> bool:
        def call(tensor: Tensor) -> Tensor:
            values = {**inputs, name: tensor}
            return functional_call(layer, values, values.pop("input"))

        varied = inputs[name].clone().requires_grad_()
        return gradcheck(call, varied, raise_exception=False)

    return {name for name in inputs if not agrees(name)}


_MASKED = {
    "shapes": "The parameters are a weight of shape (in_units, units) and a "
    "bias of shape (units,).",
    "trained mask": "The mask isn't trained: it is no parameter.",
    "output": (
        "This isn't XW + b with the weights that the mask leaves.",
        "Multiply the weight by the mask in `forward`, in each run.",
    ),
    "relu": "Negative numbers have become 0: no ReLU is asked for.",
    "turned": "The mask is turned around: True is what counts.",
    "once": (
        "What was written into a masked weight counts.",
        "A weight that is set to 0 once can be written to, by an optimizer "
        "too. Apply the mask in each forward.",
    ),
    "cut": (
        "Something cuts the graph: no gradient reaches the weight.",
        "Look for `.data`, `detach` and `no_grad`.",
    ),
    "state": (
        "The mask isn't saved.",
        "A buffer is in the state dict, unless it isn't persistent. An "
        "attribute isn't.",
    ),
    "loaded": (
        "The mask that was loaded isn't the one that counts.",
        "`forward` must use the buffer itself, and no copy of it.",
    ),
    "boolean": "The mask doesn't stay boolean: keep it as it was given.",
    "moved": (
        "The mask stays behind when the layer moves.",
        "A buffer moves by itself: leave that to `nn.Module`.",
    ),
    "comes back": "Set to 0 once, the weight has a gradient. What does a step "
    "do with it?",
    "no slope": "With the mask, the weight counts as 0 times its value. What "
    "is the derivative of that?",
}


@exercise(
    "3.9 A mask that stays",
    "the weights that the mask leaves count, and no others",
    "also after others were written",
    "the mask is saved, loaded and moved, and stays boolean",
    "it isn't trained",
    "you know why setting weights to 0 once isn't enough",
)
def mask_that_stays(MaskedLinear: type[nn.Module], happens: dict) -> None:
    hints = _MASKED
    mask = torch.tensor([[True, False, True], [False, True, True]])
    with case("MaskedLinear(2, 3, mask)"):
        net = MaskedLinear(2, 3, mask.clone())
        shapes = sorted(tuple(p.shape) for p in net.parameters())
        known = [([(2, 3), (2, 3), (3,)], hints["trained mask"])]
        what = "shapes of the parameters"
        equal(shapes, [(2, 3), (3,)], hints["shapes"], known, what=what)
    W, b = torch.tensor([[1.0, 2, 3], [4, 5, 6]]), torch.tensor([1.0, -1, 0])
    X = torch.tensor([[1.0, -2], [-1, 0.5]])
    with case("W = [[1, 2, 3], [4, 5, 6]], the mask [[1, 0, 1], [0, 1, 1]]"):
        _fill(net, W, b)
        Y, truth = call(net, X), X @ (W * mask) + b
        known = {
            truth.clamp(min=0): hints["relu"],
            X @ W + b: hints["once"],
            X @ (W * ~mask) + b: hints["turned"],
        }
        equal(Y, truth, hints["output"], known)
        has_graph(Y, hints["cut"])
        Y.sum().backward()
        gradients = [p.grad is not None for p in net.parameters()]
        holds(all(gradients), "a gradient of each", "none", hints["cut"])
    with case("its state dict"):
        saved = {
            k: v for k, v in net.state_dict().items() if v.shape == W.shape
        }
        equal(len(saved), 2, hints["state"], what="tensors of the shape of W")
        kinds = sorted(str(v.dtype) for v in saved.values())
        expected = ["torch.bool", "torch.float32"]
        equal(kinds, expected, hints["boolean"], what="types")
    with case("double()"):
        double = copy.deepcopy(net).double()
        kinds = sorted(str(v.dtype) for v in double.state_dict().values())
        expected = ["torch.bool", "torch.float64", "torch.float64"]
        equal(kinds, expected, hints["boolean"], what="types")
    with case("another mask, loaded from a state dict"):
        other = MaskedLinear(2, 3, ~mask)
        other.load_state_dict(net.state_dict())
        equal(call(other, X), truth, hints["loaded"])
    with case("to another device"):
        places = copy.deepcopy(net).to("meta").state_dict().values()
        moved = all(v.is_meta for v in places)
        holds(moved, "all tensors moved", "one stayed", hints["moved"])
    truth = _what_happens_to_masked(X)
    hints = dict(
        zip(truth, (hints["comes back"], hints["no slope"]), strict=True)
    )
    predicted(happens, truth, hints)


def _fill(net: nn.Module, W: Tensor, b: Tensor) -> None:
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(W if p.dim() == 2 else b)


def _what_happens_to_masked(X: Tensor) -> dict[str, bool]:
    layer = nn.Linear(2, 1)
    nn.init.zeros_(layer.weight)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(X).square().sum().backward()
    optimizer.step()
    weight = torch.ones(2, 1, requires_grad=True)
    (X @ (weight * torch.tensor([[False], [False]]))).sum().backward()
    return {
        "set to 0 once: 0 after a step": not layer.weight.any(),
        "masked: the gradient is 0": not weight.grad.any(),
    }
