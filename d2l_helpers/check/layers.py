"""The checks of chapter 03, Write layers of your own."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn import functional as F

from ..layers import CenteredLayer, MyLinear
from ._compare import asked, call, case, equal, holds, predicted
from ._exercise import exercise


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
        shapes = [tuple(W.shape) for W in net.parameters()]
        equal(
            shapes,
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
        )
        (W,) = net.parameters()
        with torch.no_grad():
            W.copy_(torch.arange(12.0).reshape(2, 2, 3))
    W = torch.arange(12.0).reshape(2, 2, 3)
    X = torch.tensor([[1.0, 2], [3, -1], [0, 1]])
    _require_quadratic_of_vector(net, W)
    _require_quadratic_of_batch(net, W, X)
    _require_quadratic_gradients(net, X)


def _require_quadratic_of_vector(net: nn.Module, W: Tensor) -> None:
    """Require that a vector gives y_k."""
    x = torch.tensor([1.0, 2])
    vector = "Here x is a vector, of one dimension: no letter for a sample."
    with case("W = arange(12) in the shape (2, 2, 3), x = [1, 2]", vector):
        equal(
            call(net, x),
            torch.einsum("ijk,i,j->k", W, x, x),
            "y_k sums over each pair i, j: nine pairs if d is 3, four if it "
            "is 2. k is the only index that stays.",
            known=[
                (
                    torch.einsum("iik,i->k", W, x * x),
                    "This sums only the squares x_i x_i. The pairs of "
                    "different features, x_1 x_2, count too.",
                ),
                (
                    torch.einsum("ijk,j->ik", W, x),
                    "x enters once here, and y is linear in it. It must "
                    "enter twice: as x_i and as x_j.",
                ),
            ],
        )


def _require_quadratic_of_batch(net: nn.Module, W: Tensor, X: Tensor) -> None:
    """Require that each sample of a batch goes by itself."""
    hint = (
        "Each sample goes with itself alone. In `einsum`, give both copies of "
        "X one letter more for the sample, and keep it in the result. A "
        "vector has no such letter: `...` stands for any number of "
        "dimensions, also for none."
    )
    with case("the same W, and X of shape (3, 2)", hint):
        equal(
            call(net, X),
            torch.einsum("ijk,ni,nj->nk", W, X, X),
            hint,
            known=[
                (
                    torch.einsum("ijk,ni,mj->k", W, X, X),
                    "The samples are summed up. Keep the letter of the "
                    "sample in the result.",
                ),
            ],
        )
    with case("the same W, and X of shape (1, 2)"):
        equal(
            tuple(call(net, X[:1]).shape),
            (1, 3),
            "A batch of one sample is a batch too: (1, d) gives (1, m).",
        )


def _require_quadratic_gradients(net: nn.Module, X: Tensor) -> None:
    """Require gradients of W and x, and that they are right."""
    with case("X of shape (3, 2) in double precision", _CUT):
        net.double()
        Y = call(net, X.double())
        holds(Y.requires_grad, "an output with a graph", "none", _CUT)
        Y.sum().backward()
        (W,) = net.parameters()
        holds(W.grad is not None, "a gradient of W", "None", _CUT)
        inputs = X.double().to(W.device).requires_grad_()
        agrees = gradcheck(
            lambda X, _: net(X), (inputs, W), raise_exception=False
        )
        holds(agrees, "gradcheck to agree", "another gradient", _CUT)


_CUT = (
    "Something cuts the graph, or fixes the data type: `.data`, `detach`, "
    "`no_grad`, `float()`, or a new tensor into which results are written."
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
        equal(
            repeated,
            truth,
            "For a real input, coefficient d - k is the complex conjugate of "
            "coefficient k. Which k from 0 to 3 have a partner from 4 to 7?",
            known=[
                (
                    {4, 5, 6, 7},
                    "The partner of coefficient 4 is 8 - 4, which is itself: "
                    "it isn't among those that are kept.",
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
            "The leading half are the coefficients 0 to d/2 - 1 along the "
            "last dimension: `torch.fft.fft(X)[..., : d // 2]`.",
            known=[
                (
                    full[:, :5],
                    "These are d/2 + 1 coefficients: `rfft` keeps the one at "
                    "d/2 too.",
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
                    "Half of d depends on the input: d is `X.shape[-1]`.",
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
    with case("RepairedLinear(2, 3), X of shape (4, 2)"):
        layer = RepairedLinear(2, 3)
        shapes = {tuple(p.shape) for p in layer.parameters()}
        equal(
            shapes,
            {(2, 3), (3,)},
            "Keep the two parameters of `MyLinear`: a weight (in_units, "
            "units) and a bias (units,).",
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
    with case("backward from the sum of its output"):
        Y = call(layer, X)
        hint = "Use the parameters themselves in `forward`, without "
        hint += "`detach` and without `.data`: each cuts one off the graph."
        holds(Y.requires_grad, "an output with a graph", "none", hint)
        Y.sum().backward()
        missing = [
            tuple(p.shape) for p in layer.parameters() if p.grad is None
        ]
        equal(missing, [], hint)
    with asked("your prediction of the names that a step of training moves"):
        equal(
            moved,
            _moved_with_detached_weight(),
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
    with asked("your prediction for an edit through w.detach()"):
        equal(
            after_edit,
            _error_after_edit(),
            "`detach` shares the count of edits with the tensor that it "
            "comes from; `.data` has a count of its own. `backward` compares "
            "the counts.",
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


def _new_with_buffers(RunningNorm: type[nn.Module]) -> nn.Module:
    """A new layer, whose buffers have to start at 0 and 1."""
    with case("RunningNorm(2)"):
        net = RunningNorm(2)
        equal(
            _memories(net),
            [[0.0, 0.0], [1.0, 1.0]],
            "Register two buffers of shape (2,): the mean, which starts at "
            "0, and the variance, which starts at 1.",
            known=[
                (
                    [],
                    "A memory isn't trained, but saved and moved: "
                    "`self.register_buffer(name, tensor)`.",
                ),
                (
                    [[0.0, 0.0], [0.0, 0.0]],
                    "The variance starts at 1: before the first batch, the "
                    "layer is to change nothing.",
                ),
            ],
        )
    return net


def _require_scaled_by_batch(net: nn.Module, X: Tensor) -> None:
    """Require that a batch in training is scaled by its own statistics."""
    mean, var = X.mean(dim=0), X.var(dim=0)
    scaled = (X - mean) / var.sqrt()
    with case("training, X = [[0, 10], [4, 30], [8, 20]]"):
        equal(
            call(net, X),
            scaled,
            "Subtract the mean of each column, then divide by the root of "
            "its variance, `X.var(dim=0)`.",
            known=[
                ((X - mean) / var, "Divide by the root of the variance."),
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
            ],
            rtol=1e-3,
        )


def _require_a_tenth(net: nn.Module, X: Tensor) -> None:
    """Require that one batch has moved the memory by a tenth."""
    mean, var = X.mean(dim=0), X.var(dim=0)
    with case("the buffers after one batch in training"):
        equal(
            _memories(net),
            sorted([(0.1 * mean).tolist(), (0.9 + 0.1 * var).tolist()]),
            "Each memory moves a tenth of the way: "
            "`self.mean.lerp_(mean, 0.1)`.",
            known=[
                (
                    [[0.0, 0.0], [1.0, 1.0]],
                    "The memory has not moved. Write into it in place, or "
                    "assign the new tensor to its name.",
                ),
                (
                    sorted(
                        [(0.9 * mean).tolist(), (0.1 + 0.9 * var).tolist()]
                    ),
                    "It moved nine tenths of the way: the momentum is the "
                    "weight of the new batch.",
                ),
            ],
        )


def _require_graph_and_memory(net: nn.Module, X: Tensor) -> None:
    """Require gradients of X, and no graph in the memory, in each batch."""
    with case("RunningNorm(2, momentum=0.5) after this batch, twice"):
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
            (
                Y * torch.tensor([[1.0], [2], [4]], device=Y.device)
            ).sum().backward()
        equal(
            inputs.grad,
            _gradient_of_scaled(X),
            "Divide by the batch's own variance inside the graph: it depends "
            "on X too, so `backward` must see it.",
            rtol=1e-2,
            atol=1e-4,
        )
        m, v = _after_two_halves(X)
        equal(
            _memories(net),
            sorted([m.tolist(), v.tolist()]),
            "Each step goes `momentum` of the way from where the memory is: "
            "what it held before counts for the rest.",
        )


def _require_memory_in_evaluation(net: nn.Module, X: Tensor) -> None:
    """Require that evaluation reads the memory, and leaves it as it is."""
    m, v = _after_two_halves(X)
    before = [b.clone() for b in net.buffers()]
    net.eval()
    Z = torch.tensor([[1.0, 2]])
    with case("evaluation, one sample [[1, 2]]"):
        equal(
            call(net, Z),
            (Z - m) / v.sqrt(),
            "In evaluation, use the memory in place of the batch's own "
            "statistics; `self.training` tells which it is.",
            rtol=1e-3,
        )
        holds(
            all(map(torch.equal, before, net.buffers())),
            "the same buffers after it",
            "others",
            "In evaluation the memory is only read: a model must not change "
            "while it is tested.",
        )


def _after_two_halves(X: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance in the memory, gone half of the way to X twice."""
    return 0.75 * X.mean(dim=0), 0.25 + 0.75 * X.var(dim=0)


def _memories(net: nn.Module) -> list[list[float]]:
    """The buffers of two numbers, in any order and shape."""
    return sorted(
        b.flatten().tolist() for b in net.buffers() if b.numel() == 2
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
    net = nn.Sequential(MyLinear(64, 8), nn.Sequential(MyLinear(8, 1000)))
    with case("Sequential(MyLinear(64, 8), Sequential(MyLinear(8, 1000)))"):
        net.apply(init_better)
        for layer in (net[0], net[1][0]):
            _require_small_weights_and_ones(layer)
    with case("nn.Linear(3, 2), which isn't a MyLinear"):
        plain = nn.Linear(3, 2)
        before = copy.deepcopy(plain.state_dict())
        plain.apply(init_better)
        holds(
            all(
                map(torch.equal, before.values(), plain.state_dict().values())
            ),
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


def _require_small_weights_and_ones(layer: nn.Module) -> None:
    """Require biases of 1, and weights from N(0, 0.01²)."""
    equal(
        sorted(set(layer.bias.tolist())),
        [1.0],
        "With biases of 1, each ReLU starts on its open side: "
        "`nn.init.ones_(module.bias)`.",
        known=[
            (
                [0.0],
                "With biases of 0 half of the networks answer 0, and "
                "learn nothing.",
            )
        ],
    )
    weight = layer.weight.detach().cpu()
    equal(
        weight.std().item(),
        0.01,
        "The weights come from N(0, 0.01²): the standard deviation is 0.01.",
        known=[(0.1, "`std` is the standard deviation, the root of 0.01²")],
        rtol=0.15,
    )
    equal(
        round(weight.mean().item(), 2),
        0.0,
        "The weights come from N(0, 0.01²), whose mean is 0.",
    )
    share = (weight.abs() < 0.01).float().mean().item()
    equal(
        share,
        0.68,
        "In N(0, 0.01²), 68% of the weights are less than 0.01 from "
        "0: `nn.init.normal_`.",
        atol=0.06,
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
    with case("the input itself, after Dropout(0.5) in training"):
        inputs = X.clone()
        Dropout(0.5)(inputs)
        equal(
            inputs,
            X,
            "The input has been written to. Others may use it too: make a "
            "new tensor.",
        )


def _require_share_and_scale(net: nn.Module, p: float, X: Tensor) -> Tensor:
    """Require that the share p is dropped and the rest scaled; tell which."""
    inputs = X.clone().requires_grad_()
    Y = call(net, inputs)
    equal(Y.shape, X.shape, "The shape of the input is kept.")
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
        dropped.float().mean().item(),
        p,
        "p is the probability that an input becomes 0: "
        "`torch.rand_like(X) < p` draws which.",
        known=[
            (
                1.0 - p,
                "p is the probability to become 0, not to stay.",
            ),
            (0.0, "Nothing has become 0: a new layer is in training."),
        ],
        atol=0.03,
    )
    scale = Y[~dropped] / X[~dropped]
    equal(
        [scale.min().item(), scale.max().item()],
        [1 / (1 - p)] * 2,
        "Divide those that stay by 1 - p.",
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
        ],
    )
    equal(
        inputs.grad,
        Y / X,
        "The slope is 1 / (1 - p) where an input stays, and 0 where "
        "it is dropped. Compute with X, out of place.",
    )
    return dropped


def _require_drawn_one_by_one(
    net: nn.Module, X: Tensor, dropped: Tensor
) -> None:
    """Require that each call, and each element, is drawn anew."""
    again = call(net, X).detach().cpu() == 0
    holds(
        not torch.equal(dropped, again),
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


def _require_other_shapes(Dropout: type[nn.Module], X: Tensor) -> None:
    """Require that any shape is dropped from."""
    hint = "Draw as many numbers as the input has: `torch.rand_like(X)`."
    with case("Dropout(0.5) in training, X of shape (2, 3, 50)", hint):
        Y = call(Dropout(0.5), X).detach().cpu()
        equal(Y, torch.where(Y == 0, 0, 2 * X), hint)


def _require_nothing_in_evaluation(
    Dropout: type[nn.Module], X: Tensor
) -> None:
    """Require that evaluation changes nothing, and that p is a setting."""
    with case("Dropout(0.5) in evaluation"):
        net = Dropout(0.5).eval()
        inputs = X.clone()
        equal(
            net(inputs),
            X,
            "In evaluation the input passes as it is; `self.training` tells "
            "which it is.",
            known=[
                (
                    X * 0.5,
                    "The division by 1 - p in training has kept the mean: "
                    "nothing is left to scale.",
                )
            ],
        )
        equal(
            list(net.state_dict()),
            [],
            "p isn't learned, and no device needs it: a plain attribute.",
        )


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
