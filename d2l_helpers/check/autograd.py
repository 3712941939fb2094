"""The checks of chapter 05, Follow gradients through the graph."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from numbers import Number

import torch
from torch import Tensor
from torch.autograd import grad, gradcheck
from torch.func import jacrev

from ..graphs import graph_of
from ._compare import Wrong, asked, case, equal, holds, predicted
from ._exercise import exercise


@exercise(
    "5.1 A larger graph by hand",
    "there is a term for each path from x to y, at x = 1, 2 and 3",
    "each term is the product of the slopes along its path",
    "you know which edge is two operations in PyTorch's graph",
)
def larger_graph_by_hand(
    path_products: Callable, two_operations: object
) -> None:
    for value in (2.0, 3.0, 1.0):  # at 1, log x² hides a term
        with case(f"x = {value:g}"):
            x = torch.tensor(value, dtype=torch.double)
            by_log, by_sin, by_fraction = terms = _terms_one_by_one(value)
            got = _numbers(path_products(x.clone()))
            hint = (
                "Find each way from x to y along the edges, and multiply the "
                "slopes on it. At the product, the slope for one factor is "
                "the other factor."
            )
            if math.isclose(sum(got), sum(terms), rel_tol=1e-3):
                hint = (
                    "The sum is right, but its terms aren't those of single "
                    "paths: give one number for each way from x to y."
                )
            slope_of_log = 2 / value
            wrong = [
                (
                    [sum(terms)],
                    "This is the sum. Return its terms, one for each path.",
                ),
                (
                    [by_log / (2 * value), by_sin, by_fraction],
                    "The way through the logarithm has one edge more: its "
                    "slope of 1/x² is with respect to x², and x² has a slope "
                    "of its own.",
                ),
                (
                    [by_log, by_sin, -by_fraction],
                    "1/x falls while x grows: its slope is negative.",
                ),
                (
                    [slope_of_log * math.cos(value), by_fraction],
                    "The slopes of both factors are multiplied here. Two "
                    "paths go through the product, one for each factor, and "
                    "the other factor is the slope.",
                ),
                (
                    [by_log, by_sin],
                    "A path is missing: 1/x depends on x as well.",
                ),
                (
                    [by_log / 2, by_log / 2, by_sin, by_fraction],
                    "Two paths lead to x² here, as to a product x · x. Let "
                    "it be one node with one edge from x, of slope 2x.",
                ),
            ]
            equal(
                _rounded(got),
                _rounded(terms),
                hint,
                known=[(_rounded(numbers), why) for numbers, why in wrong],
                rtol=1e-3,
                atol=1e-3,
            )
    with asked("your answer for draw_graph"):
        x = torch.tensor(2.0, requires_grad=True)
        values = {"x^2": x**2, "log": x.log(), "sin": x.sin(), "1/x": 1 / x}
        values |= {"product": x * x, "y": x + x}
        truth = [n for n, v in values.items() if len(graph_of(v)) > 2]
        equal(
            _without_spaces(two_operations),
            ", ".join(truth),
            "Draw each step from a leaf of its own, as in "
            "`draw_graph(x.log())`, and count the blue boxes.",
        )


def _terms_one_by_one(value: float) -> list[float]:
    """What reaches x along each path, while the others are cut off."""
    x = torch.tensor(value, dtype=torch.double, requires_grad=True)
    log, sin = (x**2).log(), x.sin()
    ends = (log * sin.detach(), log.detach() * sin, 1 / x)
    return [grad(end, x, retain_graph=True)[0].item() for end in ends]


def _numbers(values: object) -> list[float]:
    """The numbers in whatever holds them."""
    hint = "Return a list of numbers."
    if isinstance(values, Mapping):
        values = values.values()
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, Number):
        values = [values]
    holds(isinstance(values, Iterable), "a list", _kind(values), hint)
    values = list(values)
    try:
        return list(map(float, values))
    except (TypeError, ValueError):
        kinds = ", ".join(map(_kind, values))
        holds(False, "numbers", kinds, hint)


def _tensor(value: object) -> object:
    """A tensor, from whatever makes one."""
    try:
        return torch.as_tensor(value)
    except Exception:
        return value


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _rounded(numbers: Iterable[float]) -> list[float]:
    """In order, and short enough to read."""
    return [round(number, 4) for number in sorted(numbers)]


def _without_spaces(answer: object) -> object:
    return answer.replace(" ", "") if isinstance(answer, str) else answer


@exercise(
    "5.2 A vector through control flow",
    "the norm decides how often f doubles, and the sum which branch it takes",
    "a vector of ones gives the slopes of all elements",
    "you know whether they are f(a)/a",
)
def vector_through_control_flow(
    f_of_vector: Callable, weights_for: Callable, still_quotient: object
) -> None:
    # The norm, the sum of absolute values and the largest one tell them apart.
    cases = {
        "[20, 40]": [20, 40],
        "[-24, -32]": [-24, -32],
        "[40, -9]": [40, -9],
        "[1, -1]": [1, -1],
        "[10, -20, 70]": [10, -20, 70],
        "[500/3]": [500 / 3],  # 3a is 500, also in single precision
    }
    for given, numbers in cases.items():
        a = torch.tensor(numbers).float()
        hint = (
            "A condition needs one number, for the whole vector: its norm in "
            "the loop, its sum in the branch."
        )
        with case(f"a = {given}", hint):
            equal(
                f_of_vector(a.clone()),
                _f(a),
                "Start from 3a, double all elements while the norm is below "
                "500, and return them as they are if their sum is above 0, "
                "or else times 10.",
                known=[
                    (
                        _f(a, norm=lambda b: b.abs().sum()),
                        "The norm is the root of the sum of the squares, "
                        "`b.norm()`. Here absolute values are added up.",
                    ),
                    (
                        _f(a, norm=lambda b: b.abs().max()),
                        "Here the largest element decides how often the "
                        "vector is doubled. The norm takes in all of them.",
                    ),
                    (
                        _f(a, norm=lambda b: b.abs().min()),
                        "Here the smallest element decides how often the "
                        "vector is doubled. The norm takes in all of them.",
                    ),
                    (
                        _f(a, norm=lambda b: b.norm() - 0.01),
                        "A norm of 500 is at least 500: then there is "
                        "nothing more to double.",
                    ),
                    (
                        _f(a, branch=lambda b: b > 0),
                        "Each element takes a branch of its own here. The "
                        "sum decides for the whole vector.",
                    ),
                    (
                        _f(a, branch=lambda b: b.sum() >= 0),
                        "A sum of 0 isn't above 0: `else` is for it, too.",
                    ),
                ],
            )
    a = torch.tensor([10.0, -20, 70], requires_grad=True)
    hint = (
        "Compute with tensors from start to end: numbers, `detach` and new "
        "tensors cut the graph, and a leaf can't be changed in place."
    )
    with case("a = [10, -20, 70], which requires a gradient", hint):
        result = f_of_vector(a)
        holds(result.requires_grad, "an output with a graph", "none", hint)
    slopes = (_f(a) / a).detach()
    hint = (
        "A weight multiplies the gradient of its element: what leaves the "
        "slope as it is?"
    )
    given = "a = [10, -20, 70], result.backward(weights_for(result))"
    with case(given, hint):
        weights = weights_for(result)
        holds(
            isinstance(weights, Tensor) and weights.shape == (3,),
            "a tensor of shape (3,)",
            f"a tensor of shape {tuple(weights.shape)}"
            if isinstance(weights, Tensor)
            else _kind(weights),
            "The result has three elements, and `backward` needs a weight for "
            "each of them.",
        )
        a.grad = None
        result.backward(weights)
        equal(
            a.grad,
            slopes,
            hint,
            known=[
                (
                    slopes / 3,
                    "This is the gradient of the mean. With ones it is that "
                    "of the sum, in which each slope counts in full.",
                )
            ],
        )
    with asked("your answer about f(a)/a"):
        same = True
        for numbers in ([20.0, 40], [-24.0, -32], [40.0, -9]):
            a = torch.tensor(numbers, requires_grad=True)
            (slopes,) = grad(_f(a).sum(), a)
            same &= torch.allclose(slopes, _f(a) / a)
        equal(
            still_quotient,
            same,
            "Whatever way it takes, f multiplies the vector by one number. "
            "What is the slope of each element, and what is f(a)/a?",
        )


def _f(
    a: Tensor,
    norm: Callable = Tensor.norm,
    branch: Callable = lambda b: b.sum() > 0,
) -> Tensor:
    """The function of the exercise, or a wrong one."""
    b = 3 * a
    while norm(b) < 500:
        b = 2 * b
    return torch.where(branch(b), b, 10 * b)


@exercise(
    "5.3 Slopes without a formula",
    "for the sine, the first derivative is right up to rounding",
    "the second is -sin x up to rounding",
    "another function than the sine works as well",
)
def slopes_without_a_formula(two_slopes: Callable) -> None:
    cases = {
        "torch.sin at x = [-1, 0, 2]": (
            torch.sin,
            torch.tensor([-1.0, 0, 2]),
        ),
        "x³ at x = [1, 2]": (lambda x: x**3, torch.tensor([1.0, 2])),
    }
    hint = (
        "The second derivative comes from the graph of the first, which is "
        "recorded only with `create_graph=True`. An output of many elements "
        "is added up before it is differentiated."
    )
    for given, (function, points) in cases.items():
        points = points.double()
        with case(given, hint):
            x = points.clone().requires_grad_()
            slopes = two_slopes(function, x)
            holds(
                isinstance(slopes, (tuple, list, Tensor)) and len(slopes) == 2,
                "two tensors",
                _kind(slopes),
                "Return the first and the second derivative, `first, second`.",
            )
            x = points.clone().requires_grad_()
            (first,) = grad(function(x).sum(), x, create_graph=True)
            (second,) = grad(first.sum(), x)
            added = (
                first + second,
                "`backward` adds to what is in `x.grad`: this is the sum of "
                "both derivatives. Empty it in between, or use "
                "`torch.autograd.grad`.",
            )
            wrong_first = [
                added,
                (
                    second,
                    "This is the second derivative: the first comes first.",
                ),
                (
                    first.sum(),
                    "The slopes of all points are added up here. Each point "
                    "has its own.",
                ),
                (function(x), "This is the function itself."),
                (
                    torch.cos(x),
                    "This is the cosine, whatever the function: take the "
                    "derivative of the argument `function`.",
                ),
            ]
            wrong_second = [
                added,
                (first, "This is the first derivative again."),
                (
                    -torch.sin(x),
                    "This is -sin x, whatever the function: differentiate "
                    "the first derivative.",
                ),
            ]
            _equal_up_to_rounding(slopes[0], first, wrong_first)
            _equal_up_to_rounding(slopes[1], second, wrong_second)


def _equal_up_to_rounding(
    got: object, expected: Tensor, known: list[tuple[Tensor, str]]
) -> None:
    """Require a tensor that is as exact as its data type allows."""
    got = _tensor(got)
    single = isinstance(got, Tensor) and got.dtype == torch.float
    tolerance = 1e-5 if single else 1e-11
    near = (
        isinstance(got, Tensor)
        and got.shape == expected.shape
        and torch.allclose(got.detach().cpu().to(expected), expected, 0, 0.1)
    )
    equal(
        got,
        expected,
        "These come close, but autograd is exact up to rounding. "
        "Differences of the values aren't."
        if near
        else "Give a slope for each point, of the shape of x.",
        known=known,
        rtol=tolerance,
        atol=tolerance,
    )


@exercise(
    "5.4 A Jacobian by products",
    "row i is the gradient of the output's element i",
    "the function may have more outputs than inputs, or as many",
    "softmax gives what jacrev gives",
    "you know how many calls a Jacobian takes",
)
def jacobian_by_products(jacobian: Callable, calls: object) -> None:
    again = (
        "The first call of `grad` frees what the graph kept. Keep it, or "
        "compute the output anew for each row."
    )
    shapes = (
        "The weights have the shape of the output, (m,), and it takes as "
        "many calls as it has elements."
    )
    cases = {
        "[x_0 x_1, x_0²] at [2, 3]": (_two_to_two, [2.0, 3]),
        "[x_0 x_1, x_0², x_1] at [2, 3]": (_two_to_three, [2.0, 3]),
        "[x_0 x_1 x_2] at [2, 3, 5]": (_three_to_one, [2.0, 3, 5]),
        "softmax at [0, 1, 0, 2]": (_softmax, [0.0, 1, 0, 2]),
    }
    for given, (function, numbers) in cases.items():
        with case(given):
            x = torch.tensor(numbers, dtype=torch.double)
            J = jacrev(function)(x)
            try:
                got = jacobian(function, x.clone().requires_grad_())
            except RuntimeError as error:
                freed = "second time" in str(error)
                raise Wrong(
                    "no error", "", again if freed else shapes
                ) from error
            got = _tensor(got)
            equal(
                got,
                J,
                "Row i is the gradient of the output's element i: weights "
                "with a 1 in place i and 0 elsewhere give it.",
                known=[
                    (
                        J.T,
                        "Rows and columns are exchanged. One call gives the "
                        "gradient of one output, which is a row.",
                    ),
                    (
                        J.flatten(),
                        "The numbers are right. Stack the rows, so that the "
                        "shape is (m, n).",
                    ),
                    (
                        J.sum(dim=0),
                        "With weights of 1 the rows are added up. Each row "
                        "needs a call with weights of its own.",
                    ),
                    (
                        J.cumsum(dim=0),
                        "Each row has those above it in it: `backward` adds "
                        "to `grad`. `torch.autograd.grad` doesn't.",
                    ),
                    (
                        list(J),
                        "The rows are right. Stack them, so that they are "
                        "one tensor of shape (m, n).",
                    ),
                ],
            )
    with asked("your answer for a function from (n,) to (m,)"):
        x = torch.tensor([2.0, 3], requires_grad=True)
        value = _two_to_three(x)
        rows = [
            grad(value, x, weights, retain_graph=True)[0]
            for weights in torch.eye(len(value))
        ]
        n, m = len(x), len(value)
        numbers = {"n": n, "m": m, "n + m": n + m, "n * m": n * m}
        (truth,) = (k for k, v in numbers.items() if v == len(rows))
        equal(
            _without_spaces(calls),
            _without_spaces(truth),
            "A call takes one weight for each output, and gives one number "
            "for each input: a whole row. How many rows are there?",
        )


def _two_to_two(x: Tensor) -> Tensor:
    return torch.stack([x[0] * x[1], x[0] ** 2])


def _two_to_three(x: Tensor) -> Tensor:
    return torch.stack([x[0] * x[1], x[0] ** 2, x[1]])


def _three_to_one(x: Tensor) -> Tensor:
    return (x[0] * x[1] * x[2])[None]


def _softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, dim=0)


@exercise(
    "5.5 What second derivatives cost",
    "the nodes of a value and of three derivatives are counted",
    "you know how their number grows",
)
def what_second_derivatives_cost(count_nodes: Callable, added: object) -> None:
    functions = {
        "u.sin().exp() at u = 1": lambda u: u.sin().exp(),
        "u.sin() * u.exp() at u = 1": lambda u: u.sin() * u.exp(),
    }
    hint = (
        "A derivative has a graph of its own only with `create_graph=True`, "
        "which must be given for each but the last."
    )
    hint += " `graph_of` needs that of the last as well."
    for given, function in functions.items():
        with case(given, hint):
            u = torch.tensor(1.0, requires_grad=True)
            graphs = _graphs(function(u), u)
            counts = [len(graph) for graph in graphs]
            got = [
                int(n) if n.is_integer() else n
                for n in _numbers(count_nodes(function(u), u))
            ]
            # `backward` puts a copy into `u.grad`, which is a node more.
            copies = [counts[0], *(n + 1 for n in counts[1:])]
            equal(
                got,
                copies if got == copies else counts,
                "Take the derivative of the derivative before it, and count "
                "the nodes of each by `len(graph_of(...))`.",
                known=[
                    (
                        counts[:3],
                        "The third derivative is missing.",
                    ),
                    (
                        counts[1:],
                        "The value itself comes first, then the three "
                        "derivatives.",
                    ),
                    (
                        [n - 1 for n in counts],
                        "The leaf is a node, too.",
                    ),
                    (
                        [graph.number_of_edges() for graph in graphs],
                        "These are the edges. `len` counts the nodes.",
                    ),
                    (
                        [counts[0]] * 4,
                        "This is the graph of the value, four times.",
                    ),
                ],
            )
    with asked("your answer about the growth"):
        u = torch.tensor(1.0, requires_grad=True)
        counts = [len(graph) for graph in _graphs(u.sin().exp(), u)]
        steps = [later - earlier for earlier, later in pairwise(counts)]
        truth = "the same number"
        if steps != [steps[0]] * 3:
            grows = sorted(steps) == steps
            truth = "more and more" if grows else "fewer and fewer"
        equal(
            added,
            truth,
            "Count, and look at the differences. By the product rule, each "
            "product in a derivative becomes two in the next.",
        )


def _graphs(value: Tensor, u: Tensor) -> list:
    """The graphs of a value and of its first three derivatives."""
    graphs = [graph_of(value)]
    for _ in range(3):
        (value,) = grad(value, u, create_graph=True)
        graphs.append(graph_of(value))
    return graphs


@exercise(
    "5.6 A function of your own",
    "forward rounds, and leaves its input as it was",
    "backward passes the gradient on unchanged",
    "you know both slopes, and what gradcheck says",
    "you know with which rounding a weight learns",
)
def function_of_your_own(
    StraightRound: type[torch.autograd.Function],
    round_slopes: dict,
    gradcheck_passes: object,
    moves: dict,
) -> None:
    X = torch.tensor([-1.7, 0.4, 2.6])
    hint = "Both are static methods, and `ctx` comes first in both. "
    hint += "`forward` returns the rounded tensor."
    with case("StraightRound.apply(X), X = [-1.7, 0.4, 2.6]", hint):
        inputs = X.clone()
        equal(
            StraightRound.apply(inputs),
            X.round(),
            "Round to the nearest whole number, as `torch.round` does.",
            known=[
                (X.trunc(), "This cuts the fraction off: 2.6 is nearer to 3."),
                (X.floor(), "This rounds down: 2.6 is nearer to 3."),
                (X, "Nothing is rounded."),
            ],
        )
        equal(
            inputs,
            X,
            "The input is changed in place. A weight must keep its fraction: "
            "many small steps add up in it.",
        )
    weights = torch.tensor([0.5, 2, -3])
    hint = "`backward` takes `ctx` and the gradient that arrives, and "
    hint += "returns one gradient for each input of `forward`."
    with case("the same X, then backward with weights [0.5, 2, -3]", hint):
        inputs = X.clone().requires_grad_()
        StraightRound.apply(inputs).backward(weights)
        holds(
            inputs.grad is not None,
            "a gradient of X",
            "None",
            "`backward` returns what X is to get: the gradient that arrives.",
        )
        equal(
            inputs.grad,
            weights,
            "Return the gradient that arrives, as it is.",
            known=[
                (
                    torch.ones(3),
                    "This is the slope that the function claims. `backward` "
                    "returns the slope times the gradient that arrives.",
                ),
                (
                    torch.zeros(3),
                    "This is the true gradient of rounding, and nothing "
                    "learns from it.",
                ),
                (weights.round(), "The gradient is rounded, too."),
                (
                    weights * X,
                    "X is a factor of the gradient here. It has no part in "
                    "it.",
                ),
            ],
        )
    others = {"X = 2.6": X[2], "X = [[-1.7, 0.4, 2.6]]": X[None]}
    for given, X in others.items():
        hint = "Both take and return any shape: use functions for tensors, "
        hint += "in place of a loop over the elements."
        with case(f"{given}, then backward with weights of 2", hint):
            inputs = X.clone().requires_grad_()
            outputs = StraightRound.apply(inputs)
            equal(outputs, X.round(), hint)
            outputs.backward(torch.full_like(X, 2))
            equal(inputs.grad, torch.full_like(X, 2), hint)
    predicted(
        round_slopes,
        {
            "true": _slope_at(torch.round),
            "claimed": _slope_at(_StraightRound.apply),
        },
        {
            "true": "Plot `torch.round`: between two jumps it is flat.",
            "claimed": "`backward` multiplies the gradient that arrives by "
            "the slope that it claims. By which number does yours?",
        },
    )
    with asked("your answer for gradcheck"):
        numbers = X.double().requires_grad_()
        equal(
            gradcheck_passes,
            gradcheck(_StraightRound.apply, numbers, raise_exception=False),
            "`gradcheck` compares `backward` with the slopes from small "
            "changes of the input.",
        )
    predicted(
        moves,
        {
            "torch.round": _moves(torch.round),
            "StraightRound.apply": _moves(_StraightRound.apply),
        },
        {
            "torch.round": "A step subtracts the gradient, times the "
            "learning rate. Which gradient comes through `torch.round`?",
            "StraightRound.apply": "The gradient of the square, "
            "2 (round(w) - 3), is passed on to w.",
        },
    )


class _StraightRound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, X: Tensor) -> Tensor:
        return X.round()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient


def _slope_at(rounding: Callable) -> float:
    """What autograd says at 0.4."""
    x = torch.tensor(0.4, requires_grad=True)
    return grad(rounding(x), x)[0].item()


def _moves(rounding: Callable) -> bool:
    """Whether a step of training moves a weight behind a rounding."""
    w = torch.tensor(0.3, requires_grad=True)
    (rounding(w) - 3).square().backward()
    torch.optim.SGD([w], lr=0.1).step()
    return w.item() != torch.tensor(0.3).item()


@exercise(
    "5.7 The leaf that got lost",
    "make_t gives a leaf in double precision that asks for a gradient",
    "you know where the gradient of a lost leaf is",
    "you know which conversions give a leaf",
)
def leaf_that_got_lost(
    make_t: Callable, gradient_in: object, is_leaf: dict
) -> None:
    with case("t = make_t()"):
        t = make_t()
        equal(t, torch.ones(2), "Return a tensor of two ones.")
        equal(
            str(t.dtype),
            "torch.float64",
            "`double` is double precision, 64 bits for each number.",
        )
        holds(
            t.requires_grad,
            "t.requires_grad is True",
            "False",
            "A tensor that asks for no gradient gets none: "
            "`requires_grad_()` tells autograd to follow it.",
        )
        holds(
            t.is_leaf,
            "t.is_leaf is True",
            "False",
            "t keeps a copy of its gradient, which goes on to the tensor "
            "that t is computed from: `retain_grad` makes no leaf."
            if t.retains_grad
            else "t is computed from a tensor that requires a gradient. "
            "Convert first, and ask for the gradient last.",
        )
    ones = torch.ones(2, device="cpu", dtype=torch.float, requires_grad=True)
    with asked("your answer for t = ones.double() and t.sum().backward()"):
        t = ones.double()
        t.sum().backward()
        found = {"t": t.grad, "ones": ones.grad}
        (truth,) = (k for k, gradient in found.items() if gradient is not None)
        equal(
            gradient_in,
            truth,
            "`backward` goes on through the conversion, and adds to `grad` "
            "only where the graph ends.",
        )
    # For a GPU stands a device that is everywhere: none but the CPU.
    kinds = {"double": torch.double, "float": torch.float}
    kinds |= {"cpu": "cpu", "cuda": "meta"}
    copied = "Other numbers, or another place, take a new tensor, which is "
    copied += "computed from `ones` and recorded in the graph."
    itself = "Nothing is left to convert, and no copy is made: what comes "
    itself += "back is the tensor `ones` itself."
    predicted(
        is_leaf,
        {name: ones.to(kind).is_leaf for name, kind in kinds.items()},
        {"double": copied, "float": itself, "cpu": itself, "cuda": copied},
    )


@exercise(
    "5.8 A log that grows",
    "w is trained, and the mean of the losses is right",
    "the graph of a step is gone when the next has been recorded",
    "you know how many nodes the graph of total has",
)
def log_that_grows(train: Callable, log_nodes: dict) -> None:
    first, second = (lambda w: (w - 3) ** 2), (lambda w: (w + 1) ** 2)
    for given, function, steps in (
        ("(w - 3) ** 2", first, 1),
        ("(w - 3) ** 2", first, 3),
        ("(w + 1) ** 2", second, 3),
        ("(w - 3) ** 2", first, 20),
    ):
        with case(f"train(lambda w: {given}, {steps})", _NO_LEAF):
            loss_of = _Loss(function)
            answer = train(loss_of, steps)
            hint = "Return two values: w and the mean of the losses."
            holds(
                isinstance(answer, (tuple, list)) and len(answer) == 2,
                "two values",
                _kind(answer),
                hint,
            )
            w, mean = (_number(value, hint) for value in answer)
            ws, losses = _descent(function, steps)
            other_ws, other_losses = _descent(first, steps)
            equal(
                w,
                ws[-1],
                "A step subtracts 0.1 times the gradient of the loss, from "
                "w = 0 on.",
                known=[
                    (0.0, "w has not moved."),
                    (
                        _descent(function, steps, forget=True)[0][-1],
                        "The gradients of all steps so far add up in "
                        "`w.grad`. Empty it in each step.",
                    ),
                    (other_ws[-1], _OWN),
                ],
            )
            equal(
                mean,
                sum(losses) / steps,
                "The mean is the sum of the losses, each from before its "
                "step, divided by their number.",
                known=[
                    (sum(losses), "This is the sum of the losses."),
                    (losses[-1], "This is the loss of the last step."),
                    (sum(other_losses) / steps, _OWN),
                    (sum(first(w) for w in [0, *ws[:-1]]) / steps, _OWN),
                ],
            )
            holds(
                loss_of.calls >= steps,
                f"calls of loss_of: {steps}",
                f"calls of loss_of: {loss_of.calls}",
                _OWN,
            )
            holds(
                loss_of.gradients >= steps,
                f"gradients through loss_of: {steps}",
                f"gradients through loss_of: {loss_of.gradients}",
                _OWN,
            )
            holds(
                loss_of.nodes < 20,
                "the w of a step without a history",
                f"a w with {loss_of.nodes} nodes behind it",
                _NO_LEAF,
            )
            holds(
                loss_of.most <= 2,
                "the graph of one step at a time",
                f"the graphs of {loss_of.most} steps, kept at once",
                _GROWS,
            )
    truth, total = {}, 0
    w = torch.tensor(0.0, requires_grad=True)
    for step in range(1, 101):
        total = total + (w - 3) ** 2
        if step in (1, 2, 100):
            truth[step] = len(graph_of(total))
    predicted(
        log_nodes,
        truth,
        {
            1: "The sum with 0, the square, the difference and the leaf: "
            "each operation is a node.",
            2: "A step adds a sum, a square and a difference. The leaf is "
            "the same.",
            100: "Each step adds as many nodes as the second did.",
        },
    )


_GROWS = (
    "Something keeps a loss with its graph, a sum or a list. What a log needs "
    "is the number."
)
_OWN = (
    "Call `loss_of(w)` once in each step, and take the gradient and the "
    "number for the log from what it returns. Another loss may be given."
)
_NO_LEAF = (
    "A step edits w in place, under `no_grad`. A w that is computed from the "
    "last one is no leaf, and has all steps before it in its graph."
)


class _Loss:
    """A loss; counts calls, gradients, graphs that are alive, w's nodes."""

    def __init__(self, function: Callable) -> None:
        self.function = function
        self.alive = weakref.WeakSet()
        self.calls = self.gradients = self.most = self.nodes = 0

    def __call__(self, w: Tensor) -> Tensor:
        self.calls += 1
        self.most = max(self.most, len(self.alive))
        self.nodes = len(graph_of(w)) if w.grad_fn else 0
        return _Watched.apply(self.function(w).sum(), self)


class _Watched(torch.autograd.Function):
    """The identity; what it adds to a set lives as long as its node."""

    @staticmethod
    def forward(X: Tensor, loss: _Loss) -> Tensor:
        return X.clone()

    @staticmethod
    def setup_context(ctx: object, inputs: tuple, output: Tensor) -> None:
        _, ctx.loss = inputs
        ctx.token = type("Token", (), {})()
        ctx.loss.alive.add(ctx.token)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        ctx.loss.gradients += 1
        return gradient, None


def _number(value: object, hint: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        holds(False, "a number", _kind(value), hint)


def _descent(
    function: Callable, steps: int, forget: bool = False
) -> tuple[list, list]:
    """w after each step, and the loss before it."""
    w = torch.tensor(0.0, requires_grad=True)
    ws, losses = [], []
    for _ in range(steps):
        if not forget:
            w.grad = None
        loss = function(w)
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        ws.append(w.item())
        losses.append(loss.item())
    return ws, losses
