"""The checks of chapter 03, Write layers of your own."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable
from numbers import Number

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn import functional as F

from ..layers import CenteredLayer, MyLinear
from ._compare import asked, call, case, equal, holds, predicted
from ._exercise import exercise
from ._report import show


@exercise(
    "3.1 A quadratic layer",
    "one parameter has the shape (d, d, m)",
    "a vector x gives y_k, the sum of W_ijk x_i x_j over i and j",
    "a batch gives the same as its samples one by one",
    "gradients reach W and x, and gradcheck agrees with them",
)
def quadratic_layer(QuadraticLayer: type[nn.Module]) -> None:
    with case("QuadraticLayer(2, 3)"):
        net = QuadraticLayer(2, 3)
        equal(
            [tuple(W.shape) for W in net.parameters()],
            [(2, 2, 3)],
            "W is the layer's only parameter: `nn.Parameter` of shape "
            "(d, d, m), first i, then j, then k.",
            known=[
                (
                    [],
                    "`parameters()` sees no tensor that isn't wrapped in "
                    "`nn.Parameter`.",
                )
            ],
            what="shapes of the parameters",
        )
        (W,) = net.parameters()
        with torch.no_grad():
            W.copy_(torch.arange(12.0).reshape(2, 2, 3))
    W = torch.arange(12.0).reshape(2, 2, 3)
    X = torch.tensor([[1.0, 2], [3, -1], [0, 1]])
    _require_quadratic_of_vector(net, W)
    _require_quadratic_of_batch(net, W, X)
    _require_quadratic_gradients(net, X)


_W = "W = arange(12) in the shape (2, 2, 3)"


def _require_quadratic_of_vector(net: nn.Module, W: Tensor) -> None:
    """Require that a vector gives y_k."""
    x = torch.tensor([1.0, 2])
    y = torch.einsum("ijk,i,j->k", W, x, x)
    letters = (
        "In `einsum`, each tensor needs one letter for each of its "
        "dimensions. Here W has three, and x has one: no letter for a sample.",
        "`...` stands for any number of dimensions, also for none.",
    )
    with case(
        f"{_W}, x = [1, 2]",
        "Here x is a vector of shape (d,), and W has the shape (d, d, m).",
        known=[
            ("number of subscripts", letters),
            ("does not broadcast", _SIZES),
        ],
    ):
        equal(
            call(net, x),
            y,
            (
                "These aren't the y_k of this vector.",
                "y_k sums over each pair i, j: nine pairs if d is 3, four if "
                "it is 2. k is the only index that stays.",
            ),
            known=[
                (
                    torch.einsum("iik,i->k", W, x * x),
                    "This sums only the squares x_i x_i. The pairs of "
                    "different features, x_1 x_2, count too.",
                ),
                *(
                    (
                        torch.einsum(f"ijk,{i}->{rest}k", W, x),
                        "x enters once here, and y is linear in it. It must "
                        "enter twice: as x_i and as x_j.",
                    )
                    for i, rest in ("ji", "ij", ("i", ""), ("j", ""))
                ),
                (
                    y[None],
                    "The numbers are right, the shape isn't: a vector (d,) "
                    "gives a vector (m,), without a dimension for samples.",
                ),
            ],
        )


_SIZES = (
    "In `einsum`, one letter stands for one size. Two sizes have the same "
    "letter here: W has the shape (d, d, m), first i, then j, then k."
)


def _require_quadratic_of_batch(net: nn.Module, W: Tensor, X: Tensor) -> None:
    """Require that each sample of a batch goes by itself."""
    Y = torch.einsum("ijk,ni,nj->nk", W, X, X)
    letters = (
        "In `einsum`, each tensor needs one letter for each of its "
        "dimensions. Here X has two: one for the sample.",
        "Give both copies of X one letter more for the sample, and keep it "
        "in the result. A vector has no such letter: `...` stands for any "
        "number of dimensions, also for none.",
    )
    with case(
        f"{_W}, X = [[1, 2], [3, -1], [0, 1]]",
        "Here X is a batch of shape (n, d), and the result has the shape "
        "(n, m).",
        known=[("number of subscripts", letters)],
    ):
        equal(
            call(net, X),
            Y,
            (
                "A batch gives others here than its samples one by one.",
                "Each sample goes with itself alone: x_i and x_j are two "
                "numbers of one sample. In `einsum`, both copies of X have "
                "the same letter for the sample, which the result keeps.",
            ),
            known=[
                (
                    torch.einsum("ijk,ni,mj->k", W, X, X),
                    "All samples are summed up. Keep the letter of the "
                    "sample in the result.",
                ),
                (
                    Y.sum(dim=0),
                    "The y of all samples are summed up. Keep the letter of "
                    "the sample in the result.",
                ),
                (Y.clamp(min=0), "Negative numbers have become 0."),
            ],
        )
    with case(f"{_W}, X = [[1, 2]], a batch of one"):
        equal(
            tuple(call(net, X[:1]).shape),
            (1, 3),
            "A batch of one sample is a batch too: (1, d) gives (1, m).",
            what="shape",
        )


def _require_quadratic_gradients(net: nn.Module, X: Tensor) -> None:
    """Require gradients of W and x, and that they are right."""
    with case("X of shape (3, 2) in double precision", _PRECISION):
        net.double()
        Y = call(net, X.double())
        holds(Y.requires_grad, "an output with a graph", "none", _CUT)
        Y.sum().backward()
        (W,) = net.parameters()
        holds(W.grad is not None, "a gradient of W", "none", _CUT)
        holds(
            Y.dtype == torch.double,
            "an output in double precision",
            show(Y.dtype),
            _PRECISION,
        )
        inputs = X.double().to(W.device).requires_grad_()
        agrees = gradcheck(
            lambda X, _: net(X), (inputs, W), raise_exception=False
        )
        holds(
            agrees,
            "gradcheck to agree",
            "another gradient",
            "The output is right, but not its gradient: one of the factors "
            "W, x_i, x_j is cut off the graph.",
        )


_CUT = (
    "Something cuts the graph: `.data`, `detach`, `no_grad`, or a new tensor "
    "into which results are written."
)
_PRECISION = (
    "The data type is fixed somewhere, as by `float()` or by a new tensor. "
    "Compute in that of W and X."
)


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
        c = torch.fft.fft(torch.rand(8))
        truth = {
            k
            for k in range(4, 8)
            for kept in range(4)
            if torch.allclose(c[k], c[kept].conj())
        }
        holds(
            isinstance(repeated, Iterable) and not isinstance(repeated, str),
            "",
            show(repeated),
            "Give a set of indices, also if it is only one.",
        )
        holds(
            all(isinstance(k, (Number, Tensor)) for k in repeated),
            "",
            show(repeated),
            "The indices are numbers, without quotes.",
        )
        equal(
            repeated,
            truth,
            (
                "These aren't the indices from 4 to 7 that repeat one from 0 "
                "to 3.",
                "For a real input, coefficient d - k is the complex "
                "conjugate of coefficient k. Which k from 0 to 3 have a "
                "partner from 4 to 7?",
            ),
            known=[
                (
                    {4, 5, 6, 7},
                    "The partner of coefficient 4 is 8 - 4, which is itself: "
                    "it isn't among those that are kept.",
                ),
                (
                    {1, 2, 3},
                    "These are kept. Which of those that are dropped repeat "
                    "them?",
                ),
            ],
        )


def _require_half_of_one(HalfSpectrum: type[nn.Module]) -> None:
    """Require the right coefficients of one sample."""
    with case("one sample of 8 numbers: X of shape (1, 8)"):
        X = torch.arange(8.0).square()[None]
        full = torch.fft.fft(X)
        Y = call(HalfSpectrum(), X)
        equal(
            Y,
            full[:, :4],
            (
                "These aren't the coefficients 0 to d/2 - 1 of the d "
                "coefficients.",
                "`torch.fft.fft` transforms along the last dimension, and "
                "gives as many coefficients as it got numbers. Keep the "
                "first half of them, in each row.",
            ),
            known=[
                (
                    full[:, :5],
                    "These are d/2 + 1 coefficients: `rfft` keeps the one at "
                    "d/2 too.",
                ),
                (full, "These are all d coefficients."),
                (
                    full[:, :4].conj(),
                    "These are the complex conjugates: the sign of each "
                    "imaginary part is turned.",
                ),
                (
                    torch.fft.fft(X, n=4),
                    "This is the transform of the first half of the numbers. "
                    "Transform all of them, and keep half of what comes out.",
                ),
                (
                    torch.fft.ifft(X)[:, :4],
                    "This is the inverse transform.",
                ),
                (
                    full[:, 4:],
                    "This is the trailing half.",
                ),
                (
                    full[:, :4].real,
                    "This is the real part alone. The coefficients are "
                    "complex: without the imaginary part the phase is lost.",
                ),
                (
                    full[:, :4].abs(),
                    "These are the absolute values. The coefficients are "
                    "complex: their phase is lost here.",
                ),
                (
                    torch.fft.fft(X, norm="ortho")[:, :4],
                    "These are scaled. Leave the argument `norm` as it is.",
                ),
            ],
        )


def _require_half_of_each(HalfSpectrum: type[nn.Module]) -> None:
    """Require that samples don't mix, and that a gradient passes."""
    with case("two samples: X of shape (2, 6)"):
        X = torch.rand(2, 6)
        equal(
            call(HalfSpectrum(), X),
            torch.fft.fft(X)[:, :3],
            "Transform along the last dimension alone, and cut that one: the "
            "first dimension is the samples.",
            known=[
                (
                    torch.fft.fft2(X)[:, :3],
                    "`fft2` mixes the samples. `fft` transforms along the "
                    "last dimension.",
                ),
                (
                    torch.fft.fft(X)[:, :4],
                    "These are four coefficients, and half of 6 is 3: d "
                    "depends on the input.",
                ),
            ],
        )
        inputs = X.requires_grad_()
        hint = (
            "Keep to torch's own functions: numpy, `detach` and `.data` cut "
            "the graph."
        )
        Y = call(HalfSpectrum(), inputs)
        holds(Y.requires_grad, "an output with a graph", "none", hint)
        Y.abs().sum().backward()
        holds(inputs.grad is not None, "a gradient of X", "None", hint)


@exercise(
    "3.3 Repair",
    "your layer gives what MyLinear gives, and trains both parameters",
    "you know which parameters the broken layer leaves alone",
    "you know what becomes of an edit between forward and backward",
)
def repair(
    RepairedLinear: type[nn.Module], moved: object, after_edit: object
) -> None:
    weight, bias = torch.randn(2, 3), torch.randn(3)
    X = torch.randn(4, 2)
    given = "RepairedLinear(2, 3), X of shape (4, 2)"
    with case(given):
        layer = RepairedLinear(2, 3)
        shapes = {tuple(p.shape) for p in layer.parameters()}
        equal(
            shapes,
            {(2, 3), (3,)},
            "Keep the two parameters of `MyLinear`: a weight (in_units, "
            "units) and a bias (units,).",
            what="shapes of the parameters",
        )
        with torch.no_grad():
            for p in layer.parameters():
                p.copy_(weight if p.dim() == 2 else bias)
        equal(
            call(layer, X),
            F.relu(X @ weight + bias),
            "The output is to be max(0, X W + b), as before the repair.",
            known=[(X @ weight + bias, "The ReLU is gone.")],
        )
    with case(f"{given}, backward from the sum of the output"):
        _require_both_trained(layer, X)
    with asked("your prediction of the names that a step of training moves"):
        _require_moved(moved)
    with asked("your prediction for an edit through w.detach()"):
        if isinstance(after_edit, str):  # maybe with the message
            after_edit = after_edit.split(":")[0]
        equal(
            after_edit,
            _error_after_edit(),
            "`detach` shares the count of edits with the tensor that it "
            "comes from; `.data` has a count of its own. `backward` compares "
            "the counts.",
        )


def _require_both_trained(layer: nn.Module, X: Tensor) -> None:
    """Require that weight, bias and input get a gradient."""
    parameters = list(layer.parameters())
    inputs = X.clone().requires_grad_()
    Y = call(layer, inputs)
    holds(
        all(map(operator.is_, parameters, layer.parameters())),
        "the parameters that were there before the call",
        "new ones",
        "`forward` makes new parameters, and an optimizer goes on with the "
        "old ones.",
    )
    hint = (
        "A parameter is cut off the graph, and isn't trained.",
        "`detach` and `.data` cut off what they are called on. Use the "
        "parameters themselves in `forward`.",
    )
    if Y.requires_grad:
        Y.sum().backward()
    missing = [
        {2: "weight", 1: "bias"}[p.dim()] for p in parameters if p.grad is None
    ]
    holds(
        not missing,
        "a gradient of weight and bias",
        f"none of {' and '.join(missing)}",
        hint,
    )
    holds(
        inputs.grad is not None,
        "a gradient of X",
        "none",
        "The input is cut off the graph: a layer in front of this one "
        "couldn't learn.",
    )


def _require_moved(moved: object) -> None:
    """Require the names of the parameters that a step moves."""
    truth = _moved_with_detached_weight()
    holds(
        isinstance(moved, Iterable) and not isinstance(moved, str),
        "",
        show(moved),
        "Give a set of names, also if it is only one.",
    )
    strange = set(moved) - {*truth, "0.weight"}
    holds(
        not strange,
        "",
        show(moved),
        "A name begins with the place in the `Sequential`, as in "
        "`named_parameters`.",
    )
    equal(
        moved,
        truth,
        "Follow the path back from the loss: it reaches each parameter "
        "that `forward` uses, but for the one behind `detach`.",
        known=[
            (
                {"1.weight", "1.bias"},
                "`detach` cuts off the weight alone. The bias is added "
                "afterwards, and its path to the loss is whole.",
            )
        ],
    )


def _moved_with_detached_weight() -> set[str]:
    """The parameters that one step moves, in the network of the exercise."""

    class DetachedWeight(MyLinear):
        def forward(self, X: Tensor) -> Tensor:
            return F.relu(X @ self.weight.detach() + self.bias)

    net = nn.Sequential(DetachedWeight(5, 3), nn.Linear(3, 1))
    with torch.no_grad():
        net[0].bias.fill_(9)  # so that the ReLU lets all pass
    before = copy.deepcopy(net.state_dict())
    net(torch.rand(2, 5)).square().sum().backward()
    torch.optim.SGD(net.parameters(), lr=0.1).step()
    after = net.state_dict()
    return {k for k in after if not torch.equal(after[k], before[k])}


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


@exercise(
    "3.4 A layer with a memory",
    "mean and variance are buffers, that start at 0 and 1",
    "in training, a batch is centered and scaled by its own statistics",
    "in training, the memory moves a tenth of the way towards them",
    "in evaluation, the memory is used and stays as it is",
    "no graph hangs on the memory",
)
def layer_with_a_memory(RunningNorm: type[nn.Module]) -> None:
    X = torch.tensor([[0.0, 10], [4, 30], [8, 20]])
    net = _new_with_buffers(RunningNorm)
    _require_scaled_by_batch(net, X)
    _require_a_tenth(net, X)
    net = RunningNorm(2, momentum=0.5)
    _require_graph_and_memory(net, X)
    _require_memory_in_evaluation(net, X)


_BATCH = "X = [[0, 10], [4, 30], [8, 20]]"


def _new_with_buffers(RunningNorm: type[nn.Module]) -> nn.Module:
    """A new layer, whose buffers have to start at 0 and 1."""
    with case("RunningNorm(2)"):
        net = RunningNorm(2)
        equal(
            _memories(net),
            [[0.0, 0.0], [1.0, 1.0]],
            "There are to be two buffers of shape (2,): the mean, which "
            "starts at 0, and the variance, which starts at 1.",
            known=[
                (
                    [],
                    (
                        "A memory isn't trained, but saved and moved.",
                        "A buffer is: `register_buffer`.",
                    ),
                ),
                (
                    [[0.0, 0.0], [0.0, 0.0]],
                    "The variance starts at 1: before the first batch, the "
                    "layer is to change nothing.",
                ),
            ],
            what="buffers",
        )
        equal(
            [name for name, _ in net.named_parameters()],
            [],
            "Nothing in this layer is trained: it has no shift, and the "
            "momentum is a setting.",
            what="parameters",
        )
        equal(
            len(_memories(net, net.state_dict().values())),
            2,
            "What is remembered must be saved, too: `persistent=False` "
            "leaves it out.",
            what="number of memories in the state dict",
        )
    return net


def _require_scaled_by_batch(net: nn.Module, X: Tensor) -> None:
    """Require that a batch in training is scaled by its own statistics."""
    mean, var = X.mean(dim=0), X.var(dim=0)
    scaled = (X - mean) / var.sqrt()
    with case(f"RunningNorm(2) in training, {_BATCH}"):
        equal(
            call(net, X),
            scaled,
            (
                "The batch isn't centered and scaled by its own statistics.",
                "Subtract the mean of each column, then divide by the root "
                "of its variance, `X.var(dim=0)`.",
            ),
            known=[
                (
                    (X - mean) / var,
                    "This is divided by the variance, not by its root.",
                ),
                (
                    X / var.sqrt(),
                    "This is scaled, but not centered: subtract the mean.",
                ),
                (
                    X - mean,
                    "In training, scale by the batch's own variance, as you "
                    "center with its own mean.",
                ),
                (
                    (X - mean) / X.var(dim=0, correction=0).sqrt(),
                    "This divides by n in the variance, as `nn.BatchNorm1d` "
                    "does. Here it is n - 1, what `X.var` does by itself.",
                ),
                (
                    (X - X.mean()) / X.std(),
                    "Each column has a mean and a variance of its own: give "
                    "`dim=0`.",
                ),
                (
                    (X - 0.1 * mean) / (0.9 + 0.1 * var).sqrt(),
                    "This is scaled by the memory, after it has moved. In "
                    "training it is the batch's own mean and variance.",
                ),
            ],
            rtol=1e-3,
        )


def _require_a_tenth(net: nn.Module, X: Tensor) -> None:
    """Require that one batch has moved the memory by a tenth."""
    mean, var = X.mean(dim=0), X.var(dim=0)

    def moved(by: float, new: Tensor = var) -> list[list[float]]:
        pair = [by * mean, (1 - by) + by * new]
        return sorted(memory.tolist() for memory in pair)

    with case(f"RunningNorm(2) after one batch in training, {_BATCH}"):
        equal(
            _memories(net),
            moved(0.1),
            (
                "Each memory moves a tenth of the way, from where it is to "
                "the batch's own mean or variance.",
                "`m.lerp_(new, 0.1)` moves `m` a tenth of the way to `new`, "
                "in place.",
            ),
            known=[
                (
                    [[0.0, 0.0], [1.0, 1.0]],
                    "The memory has not moved. Write into it in place, or "
                    "assign the new tensor to its name.",
                ),
                (
                    moved(0.9),
                    "It moved nine tenths of the way: the momentum is the "
                    "weight of the new batch.",
                ),
                (
                    moved(1.0),
                    "It has jumped to the batch, and kept nothing.",
                ),
                (
                    sorted([(0.1 * mean).tolist(), [1.0, 1.0]]),
                    "The mean has moved, and the variance hasn't.",
                ),
                (
                    moved(0.1, var.sqrt()),
                    "The second memory moves towards the root of the "
                    "variance. Remember the variance itself, and take the "
                    "root when you divide.",
                ),
                (
                    moved(0.1, X.var(dim=0, correction=0)),
                    "The variance in the memory is that with n. Here it is "
                    "that with n - 1, as `X.var(dim=0)` computes it.",
                ),
            ],
            what="buffers",
        )


def _require_graph_and_memory(net: nn.Module, X: Tensor) -> None:
    """Require gradients of X, and no graph in the memory, in each batch."""
    given = f"RunningNorm(2, momentum=0.5) in training, {_BATCH} twice"
    with case(given):
        for _ in range(2):
            inputs = X.clone().requires_grad_()
            Y = call(net, inputs)
            hint = (
                "A gradient must reach X: center and scale with the batch's "
                "own mean and variance, not with copies cut off the graph."
            )
            holds(Y.requires_grad, "an output with a graph", "none", hint)
            holds(
                not any(b.requires_grad for b in net.buffers()),
                "buffers without a graph",
                "a buffer with one",
                "Detach what you store: else the graph of each batch hangs "
                "on the next one's, and memory grows.",
            )
            rows = torch.tensor([[1.0], [2], [4]], device=Y.device)
            (Y * rows).sum().backward()
        m, v = _after_two_halves(X)
        tenths = 1 - 0.9**2
        equal(
            _memories(net),
            sorted([m.tolist(), v.tolist()]),
            "Each step goes `momentum` of the way from where the memory is: "
            "what it held before counts for the rest.",
            known=[
                (
                    sorted(
                        [
                            (tenths * X.mean(dim=0)).tolist(),
                            (0.9**2 + tenths * X.var(dim=0)).tolist(),
                        ]
                    ),
                    "Each step went a tenth of the way. The argument "
                    "`momentum` says how far.",
                )
            ],
            what="buffers",
        )
    with case(f"{given}, rows of the output weighted by 1, 2, 4 and summed"):
        equal(
            inputs.grad,
            _gradient_of_scaled(X),
            (
                "The mean and the variance of the batch depend on X, so "
                "`backward` must see how.",
                "Center and divide inside the graph. Detach only what goes "
                "into the memory.",
            ),
            rtol=1e-2,
            atol=1e-4,
            what="gradient of X",
        )


def _require_memory_in_evaluation(net: nn.Module, X: Tensor) -> None:
    """Require that evaluation reads the memory, and leaves it as it is."""
    m, v = _after_two_halves(X)
    before = _memories(net)
    net.eval()
    Z = torch.tensor([[1.0, 2], [3, 5]])
    given = "RunningNorm(2, momentum=0.5) in evaluation, after two batches"
    with case(f"{given}, X = [[1, 2], [3, 5]]"):
        Y = call(net, Z.clone().requires_grad_())
        equal(
            _memories(net),
            before,
            "The memory has moved. In evaluation it is only read: a model "
            "must not change while it is tested.",
            what="buffers",
        )
        equal(
            Y,
            (Z - m) / v.sqrt(),
            (
                "In evaluation, this layer centers and scales by its memory.",
                "`self.training` tells which mode it is. In evaluation the "
                "batch's own statistics don't count.",
            ),
            rtol=1e-3,
        )
        holds(
            Y.requires_grad,
            "an output with a graph",
            "none",
            "In evaluation a gradient must pass, too: a layer in front may "
            "need it.",
        )


def _after_two_halves(X: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance in the memory, gone half of the way to X twice."""
    return 0.75 * X.mean(dim=0), 0.25 + 0.75 * X.var(dim=0)


def _memories(
    net: nn.Module, tensors: Iterable[Tensor] | None = None
) -> list[list[float]]:
    """The tensors of two numbers, in any order and shape: the buffers."""
    return sorted(
        b.flatten().tolist()
        for b in (net.buffers() if tensors is None else tensors)
        if b.numel() == 2
    )


def _gradient_of_scaled(X: Tensor) -> Tensor:
    """The gradient of the sum of the rows, with weights 1, 2 and 4."""
    X = X.clone().requires_grad_()
    Y = (X - X.mean(dim=0)) / X.var(dim=0).sqrt()
    (Y * torch.tensor([[1.0], [2], [4]])).sum().backward()
    return X.grad


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

    for given, net in (
        (
            "Sequential(MyLinear(64, 8), Sequential(MyLinear(8, 1000)))",
            nn.Sequential(MyLinear(64, 8), nn.Sequential(MyLinear(8, 1000))),
        ),
        ("Own(64, 1000), where Own is a subclass of MyLinear", Own(64, 1000)),
    ):
        with case(
            given,
            known=[
                (
                    "has no attribute",
                    "`apply` visits every module, also those without a "
                    "weight: ask first which it is.",
                )
            ],
        ):
            before = copy.deepcopy(net)
            net.apply(init_better)
            for layer, old in zip(
                net.modules(), before.modules(), strict=True
            ):
                if isinstance(layer, MyLinear):
                    _require_small_weights_and_ones(layer, old)
    with case("nn.Linear(3, 2), which isn't a MyLinear"):
        plain = nn.Linear(3, 2)
        before = copy.deepcopy(plain)
        plain.apply(init_better)
        holds(
            _same_parameters(plain, before),
            "a layer as it was",
            "another one",
            "`apply` visits every module: ask with `isinstance` which it is.",
        )
    predicted(
        can_learn,
        {bias: _share_that_learns(MyLinear, bias) for bias in (0, 1)},
        {
            0: "Small weights and a bias of 0: what enters the last ReLU is "
            "as often negative as positive.",
            1: "Small weights and a bias of 1: what enters each ReLU is near "
            "1, and so on the open side.",
        },
    )


def _same_parameters(layer: nn.Module, other: nn.Module) -> bool:
    return all(map(torch.equal, layer.parameters(), other.parameters()))


def _require_small_weights_and_ones(layer: nn.Module, old: nn.Module) -> None:
    """Require biases of 1, and weights from N(0, 0.01²)."""
    holds(
        not _same_parameters(layer, old),
        "small weights and biases of 1",
        "a layer as it was",
        (
            "A MyLinear was left as it was.",
            "For which modules does your condition hold? An object of a "
            "subclass of MyLinear counts, too, and `nn.Linear` is another "
            "class.",
        ),
    )
    holds(
        all(p.requires_grad for p in layer.parameters())
        and len(list(layer.parameters())) == 2,
        "weight and bias to be trained",
        "a parameter less",
        "A start is where training begins: both stay parameters that get a "
        "gradient.",
    )
    bias, weight = (p.detach().cpu() for p in (layer.bias, layer.weight))
    equal(
        [bias.min().item(), bias.max().item()],
        [1.0, 1.0],
        "With biases of 1, each ReLU starts on its open side.",
        known=[
            (
                [0.0, 0.0],
                "With biases of 0 half of the networks answer 0, and "
                "learn nothing.",
            )
        ],
        what="smallest and largest bias",
    )
    equal(
        round(weight.std().item(), 4),
        0.01,
        "The weights come from N(0, 0.01²): the standard deviation is 0.01.",
        known=[(0.1, "`std` is the standard deviation, the root of 0.01².")],
        rtol=0.15,
        what="standard deviation of the weights",
    )
    equal(
        round(weight.mean().item(), 2),
        0.0,
        "The weights come from N(0, 0.01²), whose mean is 0.",
        what="mean of the weights",
    )
    share = (weight.abs() < 0.01).float().mean().item()
    equal(
        round(share, 2),
        0.68,
        "In N(0, 0.01²), the normal distribution, 68% of the weights are "
        "less than 0.01 from 0.",
        atol=0.06,
        what="share of the weights between -0.01 and 0.01",
    )


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


@exercise(
    "3.6 Dropout",
    "in training, about the share p of the inputs becomes 0",
    "the others are divided by 1 - p, so that the mean is kept",
    "each call draws anew",
    "in evaluation nothing changes",
    "the state dict is empty: p is a setting",
)
def dropout(Dropout: type[nn.Module]) -> None:
    X = 1 + torch.rand(100, 100)
    for p in (0.2, 0.5):
        with case(f"Dropout({p}) in training, X of shape (100, 100)"):
            net = Dropout(p)
            dropped = _require_share_and_scale(net, p, X)
            _require_drawn_one_by_one(net, X, dropped)
    X = 1 + torch.rand(2, 3, 50)
    _require_other_shapes(Dropout, X)
    _require_nothing_in_evaluation(Dropout, X)
    with case("X of shape (2, 3, 50), after Dropout(0.5) in training"):
        inputs = X.clone()
        Dropout(0.5)(inputs)
        holds(
            torch.equal(inputs, X),
            "the input as it was",
            "other numbers in it",
            "The input has been written to. Others may use it too: make a "
            "new tensor.",
        )


def _require_share_and_scale(net: nn.Module, p: float, X: Tensor) -> Tensor:
    """Require that the share p is dropped and the rest scaled; tell which."""
    inputs = X.clone().requires_grad_()
    Y = call(net, inputs)
    equal(Y.shape, X.shape, "The shape of the input is kept.", what="shape")
    holds(
        Y.requires_grad,
        "an output with a graph",
        "none",
        "A gradient must pass the layer: compute with X itself.",
    )
    Y.sum().backward()
    Y = Y.detach().cpu()
    dropped = Y == 0
    equal(
        round(dropped.float().mean().item(), 2),
        p,
        (
            "p is the probability that an input becomes 0.",
            "A number between 0 and 1, drawn for each input with "
            "`torch.rand_like`, is below p with probability p.",
        ),
        known=[
            (
                1.0 - p,
                "p is the probability to become 0, not to stay.",
            ),
            (
                0.0,
                (
                    "Nothing has become 0 here.",
                    "A new layer is in training. Is each input drawn by "
                    "itself?",
                ),
            ),
        ],
        atol=0.03,
        what="share of zeros",
    )
    scale = Y[~dropped] / X[~dropped]
    equal(
        [scale.min().item(), scale.max().item()],
        [1 / (1 - p)] * 2,
        "What stays is to be divided by 1 - p.",
        known=[
            (
                [1.0, 1.0],
                "Those that stay are to be divided by 1 - p: else "
                "the mean falls to 1 - p of what it was.",
            ),
            (
                [1 / p] * 2,
                "Divide by 1 - p, the probability to stay, not by p.",
            ),
            ([1 - p] * 2, "This is multiplied by 1 - p, not divided."),
        ],
        what="smallest and largest factor of what stays",
    )
    holds(
        torch.allclose(inputs.grad, Y / X, rtol=1e-4),
        "a slope of 1 / (1 - p) where an input stays, and of 0 elsewhere",
        "another slope",
        "The output is right, and its gradient isn't. Compute with X, out of "
        "place.",
    )
    return dropped


def _require_drawn_one_by_one(
    net: nn.Module, X: Tensor, dropped: Tensor
) -> None:
    """Require that each call, and each element, is drawn anew."""
    draws = [dropped, *(call(net, X).detach().cpu() == 0 for _ in range(3))]
    holds(
        not torch.equal(*draws[:2]),
        "another draw in the second call",
        "the same zeros",
        "Draw in `forward`: a mask that is drawn once drops the same "
        "inputs for ever.",
    )
    counts = dropped.sum(dim=0), dropped.sum(dim=1)
    alone = all(len(count.unique()) > 5 for count in counts)
    holds(
        alone and len(dropped.unique(dim=0)) == 100,
        "each element drawn by itself",
        "rows or columns that are drawn together",
        "Each element is drawn by itself, not a row or a column at "
        "once, and not an exact share of them.",
    )
    holds(
        len({int(draw.sum()) for draw in draws}) > 1,
        "a number of zeros that chance decides",
        f"{int(dropped.sum())} zeros in each of four calls",
        "Each element is drawn by itself: p is a probability, not an exact "
        "share of all.",
    )


def _require_other_shapes(Dropout: type[nn.Module], X: Tensor) -> None:
    """Require that any shape is dropped from."""
    shape = (
        "As many numbers are to be drawn as the input has elements. It may "
        "have any shape."
    )
    with case(
        "Dropout(0.5) in training, X of shape (2, 3, 50)",
        known=[("size of tensor", shape)],
    ):
        Y = call(Dropout(0.5), X).detach().cpu()
        zeros = Y == 0
        holds(
            zeros.any() and torch.allclose(Y, torch.where(zeros, 0, 2 * X)),
            "zeros, and elsewhere twice the input",
            "other numbers",
            "A new layer is in training, whatever its input is.",
        )
        holds(
            not torch.equal(zeros[0], zeros[1])
            and not torch.equal(zeros[:, 0], zeros[:, 1]),
            "each element drawn by itself",
            "zeros in the same places of two samples",
            shape,
        )


def _require_nothing_in_evaluation(
    Dropout: type[nn.Module], X: Tensor
) -> None:
    """Require that evaluation changes nothing, and that p is a setting."""
    with case("Dropout(0.5) in evaluation, X of shape (2, 3, 50)"):
        net = Dropout(0.5).eval()
        inputs = X.clone().requires_grad_()
        Y = call(net, inputs)
        factors = (Y.detach().cpu() / X).unique()
        holds(
            torch.equal(Y.detach().cpu(), X),
            "X as it is",
            f"X, multiplied by {_told(factors)}",
            "The division by 1 - p in training has kept the mean: nothing is "
            "left to scale."
            if factors.tolist() == [0.5]
            else (
                "In evaluation the input passes as it is.",
                "`self.training` tells which mode it is.",
            ),
        )
        holds(
            Y.requires_grad,
            "an output with a graph",
            "none",
            "In evaluation a gradient must pass, too.",
        )
        equal(
            list(net.state_dict()),
            [],
            "p isn't learned, and no device needs it: a plain attribute.",
            what="names in the state dict",
        )


def _told(factors: Tensor) -> str:
    """A few factors in words."""
    numbers = [f"{factor:.4g}" for factor in factors.tolist()]
    return " or ".join(dict.fromkeys(numbers[:1] + numbers[-1:]))


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
    predicted(
        same_numbers,
        truth,
        {
            "CenteredLayer": "Its mean runs over all numbers of the batch, "
            "and `Flatten` changes none of them, nor how many there are.",
            "RowCenteredLayer": "Its mean runs over the last dimension: of "
            "an image that is one row of pixels, of a flattened image all.",
        },
    )
