"""The checks of chapter 05, Follow gradients through the graph."""

from __future__ import annotations

import gc
import math
import operator
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import accumulate, pairwise
from numbers import Number
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.autograd import forward_ad, grad, gradcheck
from torch.autograd.function import BackwardCFunction
from torch.func import jacrev

from ..graphs import graph_of
from ._compare import (
    Known,
    Wrong,
    asked,
    case,
    equal,
    holds,
    one_of,
    predicted,
    same,
)
from ._exercise import exercise
from ._hints import Hint
from ._phrase import Phrase
from ._report import show


@exercise(
    "5.1 A larger graph by hand",
    "there is a term for each path from x to y, at x = 1/2, 1, 2 and 3",
    "each term is the product of the slopes along its path",
    "you know which edge is two operations in PyTorch's graph",
)
def larger_graph_by_hand(
    path_products: Callable, two_operations: object
) -> None:
    for value in (2.0, 3.0, 1.0, 0.5):  # at 1, log x² hides a term
        with case(f"x = {value:g}"):
            _path_terms(path_products, value)
    x = torch.tensor(2.0, requires_grad=True)
    values = {"x^2": x**2, "log": x.log(), "sin": x.sin(), "1/x": 1 / x}
    values |= {"product": x * x, "y": x + x}
    one_of(
        two_operations,
        values,
        "your answer for draw_graph",
        ", ".join(n for n, v in values.items() if len(graph_of(v)) > 2),
        "Draw each step from a leaf of its own, as in `draw_graph(x.log())`, "
        "and count the blue boxes.",
    )


_EACH_WAY = (
    "Find each way from x to y along the edges, and multiply the slopes on "
    "it. At the product, the slope for one factor is the other factor."
)


def _path_terms(path_products: Callable, value: float) -> None:
    """Require the three terms at one number."""
    by_log, by_sin, by_fraction = terms = _terms_one_by_one(value)
    try:
        got = path_products(value)
    except TypeError:  # of a function that takes tensors, as `torch.sin`
        got = path_products(torch.tensor(value, dtype=torch.double))
    got = _numbers(got)
    missing = [
        name
        for name, term in zip(
            ("the logarithm", "the sine", "1/x"), terms, strict=True
        )
        if not any(math.isclose(term, n, abs_tol=1e-3) for n in got)
    ]
    hint = ("These aren't the terms of the sum.", _EACH_WAY)
    if math.isclose(sum(got), sum(terms), rel_tol=1e-3):
        hint = (
            "The sum is right, but its terms aren't those of single paths: "
            "give one number for each way from x to y."
        )
    elif len(got) == 3 and len(missing) == 1:
        two_are_right = Phrase(
            "Two terms are right. The one that isn't belongs to the path "
            "through {place}.",
            place=missing[0],
        )
        hint = (two_are_right, _EACH_WAY)
    known = {
        (sum(terms),): "This is the sum. Return its terms, one for each path.",
        (by_log / (2 * value), by_sin, by_fraction): "The way through the "
        "logarithm has one edge more: its slope of 1/x² is with respect to "
        "x², and x² has a slope of its own.",
        (by_log, by_sin, -by_fraction): "1/x falls while x grows: its slope "
        "is negative.",
        (2 / value * math.cos(value), by_fraction): "The slopes of both "
        "factors are multiplied here. Two paths go through the product, one "
        "for each factor, and the other factor is the slope.",
        (by_log, by_sin): "A path is missing: 1/x depends on x as well.",
        (by_log / 2, by_log / 2, by_sin, by_fraction): "Two paths lead to x² "
        "here, as to a product x · x. Let it be one node with one edge from "
        "x, of slope 2x.",
    }
    equal(
        _rounded(got),
        _rounded(terms),
        hint,
        known={tuple(_rounded(wrong)): why for wrong, why in known.items()},
        rtol=1e-3,
        atol=1e-3,
        what="terms, in order of size",
    )


def _terms_one_by_one(value: float) -> list[float]:
    """What reaches x along each path, while the others are cut off."""
    x = torch.tensor(value, dtype=torch.double, requires_grad=True)
    log, sin = (x**2).log(), x.sin()
    ends = (log * sin.detach(), log.detach() * sin, 1 / x)
    return [grad(end, x, retain_graph=True)[0].item() for end in ends]


def _numbers(
    values: object, hint: str = "Return a list of numbers."
) -> list[float]:
    """The numbers in whatever holds them."""
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
        raise Wrong("numbers", show(values), hint) from None


def _tensor(value: object) -> object:
    """A tensor, from whatever makes one."""
    try:
        return torch.as_tensor(value)
    except Exception:
        return value


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return Phrase("a tensor of shape {shape}", shape=tuple(value.shape))
    name = type(value).__name__
    return "None" if value is None else Phrase("a {kind}", kind=name)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _rounded(numbers: Iterable[float]) -> list[float]:
    """In order, and short enough to read."""
    return [round(number, 4) for number in sorted(numbers)]


@exercise(
    "5.2 A vector through control flow",
    "the norm decides how often f doubles, and the sum which branch it takes",
    "a vector of ones gives the slopes of all elements",
    "you know whether they are f(a)/a",
)
def vector_through_control_flow(
    f_of_vector: Callable, weights_for: Callable, still_quotient: object
) -> None:
    _same_vectors(f_of_vector)
    for numbers in ([10, -20, 70], [20, 40]):
        _slopes_of_vector(f_of_vector, numbers)
    for numbers in ([10, -20, 70], [20, 40]):
        _slopes_by_weights(f_of_vector, weights_for, numbers)
    with asked("your answer about f(a)/a"):
        vectors = map(torch.tensor, ([20.0, 40], [-24.0, -32], [40.0, -9]))
        equal(
            still_quotient,
            all(torch.allclose(_slopes_of_f(a), _f(a) / a) for a in vectors),
            "Whatever way it takes, f multiplies the vector by one number. "
            "What is the slope of each element, and what is f(a)/a?",
        )


def _same_vectors(f_of_vector: Callable) -> None:
    """Require the vectors that f returns."""
    # The norm, the sum of absolute values and the largest one tell them apart.
    numbers = [[20, 40], [-24, -32], [40, -9], [9, -40], [1, -1], [100, 10]]
    vectors = {str(n): n for n in (*numbers, [10, -20, 70])}
    vectors["[500/3]"] = [500 / 3]  # 3a is 500, also as float32
    got = {}
    for given, numbers in vectors.items():
        with case(f"a = {given}", known=_VECTOR_ERRORS):
            vectors[given] = torch.tensor(numbers, dtype=torch.float)
            a = vectors[given].clone()
            got[given] = f_of_vector(a)
            equal(a, vectors[given], _VECTOR["changed"], what="a, afterwards")
    hint = (
        "This isn't what f returns.",
        "Start from 3a, double all elements while the norm is below 500, and "
        "return them as they are if their sum is above 0, or else times 10.",
    )
    for other, why in _OTHER_FS.items():
        # A mistake is named only if it explains what comes in all cases.
        if all(same(got[g], other(a)) for g, a in vectors.items()):
            hint = why
            break
    for given, a in vectors.items():
        with case(f"a = {given}"):
            equal(got[given], _f(a), hint, what="f_of_vector(a)")


def _f(
    a: Tensor,
    norm: Callable = Tensor.norm,
    branch: Callable = lambda b: b.sum() > 0,
    factor: int = 3,
    rounds: int = 200,
    times: int = 10,
) -> Tensor:
    """The function of the exercise, or a wrong one."""
    b = factor * a
    for _ in range(rounds):
        if norm(b) >= 500:
            break
        b = 2 * b
    return torch.where(branch(b), b, times * b)


def _slopes_of_f(a: Tensor) -> Tensor:
    a = a.clone().requires_grad_()
    return grad(_f(a).sum(), a)[0]


def _each_alone(a: Tensor) -> Tensor:
    doubled = [_f(e[None], branch=lambda b: b == b) for e in a]
    b = torch.cat(doubled)
    return b if b.sum() > 0 else 10 * b


_SIGNS = (
    "The branch isn't taken by the sum here, but by the signs of the elements."
)
_OTHER_NORMS: dict[Callable[[Tensor], Tensor], Hint] = {
    lambda b: b.abs().sum(): (
        "The norm isn't the sum of the absolute values, as here.",
        "It is the root of the sum of the squares, `b.norm()`.",
    ),
    lambda b: b.abs().max(): "Here the largest element decides how often the "
    "vector is doubled. The norm takes in all of them.",
    lambda b: b.abs().min(): "Here the smallest element decides how often the "
    "vector is doubled. The norm takes in all of them.",
    lambda b: b.sum().abs(): "The sum decides how often the vector is doubled "
    "here, in which elements of both signs cancel out.",
    lambda b: b.square().sum(): "Here the square of the norm is compared with "
    "500.",
    lambda b: b.square().mean().sqrt(): "Here a mean of the squares is taken. "
    "The norm has their sum in it.",
    lambda b: b.norm() - 0.01: "A norm of 500 is at least 500: then there is "
    "nothing more to double.",
}
_OTHER_BRANCHES: dict[Callable[[Tensor], Tensor], Hint] = {
    lambda b: b > 0: "Each element takes a branch of its own here. The sum "
    "decides for the whole vector.",
    lambda b: b.sum() >= 0: "A sum of 0 isn't above 0: `else` is for it, too.",
    lambda b: b.sum() < 0: "The branches are exchanged: what happens above 0 "
    "is for below.",
    lambda b: (b > 0).all(): _SIGNS,
    lambda b: (b > 0).any(): _SIGNS,
    lambda b: b[0] > 0: _SIGNS,
}
_OTHER_FS: dict[Callable[[Tensor], Tensor], Hint] = {
    **{partial(_f, norm=norm): why for norm, why in _OTHER_NORMS.items()},
    **{partial(_f, branch=b): why for b, why in _OTHER_BRANCHES.items()},
    partial(_f, factor=1): "The vector isn't tripled before it is doubled.",
    partial(_f, times=1): "No vector is taken times 10, also where its sum "
    "isn't above 0.",
    partial(_f, rounds=1): "The vector is doubled at most once. It is doubled "
    "until its norm is large enough.",
    _each_alone: "Each element is doubled as often as it needs alone. All are "
    "doubled together.",
    lambda a: torch.cat([_f(e[None]) for e in a]): "This calls the chapter's "
    "f for each element alone. The vector goes through it as one.",
}


_VECTOR = {
    "changed": "The vector that was given is changed in place. Compute a new "
    "one.",
    "cut": (
        "The graph is cut on the way from a to the result.",
        "Compute with tensors from start to end, and let autograd record it: "
        "numbers, `detach`, `no_grad` and new tensors cut the graph.",
    ),
    "another leaf": "The graph of the result doesn't lead back to a: it "
    "begins at a tensor that was made on the way.",
    "not recorded": "The values are right, but autograd has recorded another "
    "computation: an edit of `.data` and a detached part aren't in it.",
    "weights": "With these weights it isn't the slopes that arrive. A weight "
    "multiplies the gradient of its element: what leaves the slope as it is?",
    "mean": "This is the gradient of the mean. That of the sum has each slope "
    "in full.",
}
_VECTOR_ERRORS = {
    "is ambiguous": "A condition needs one number, for the whole vector: its "
    "norm in the loop, its sum in the branch.",
    "to unpack": "A vector may have any number of elements.",
}
_WEIGHTS_ERRORS = {
    "implicitly created": "`weights_for` returns the weights. Leave the call "
    "of `backward` to others."
}


def _slopes_of_vector(f_of_vector: Callable, numbers: list[int]) -> None:
    """Require a graph from a to f(a), and its slopes."""
    n, hints = len(numbers), _VECTOR
    a = torch.tensor(numbers, dtype=torch.float, requires_grad=True)
    with case(f"a = {numbers}, f_of_vector(a).backward(torch.ones({n}))"):
        result = f_of_vector(a)
        graph = result.requires_grad
        holds(graph, "a result with a graph", "one without", hints["cut"])
        result.backward(torch.ones(n))
        arrived = a.grad is not None
        holds(arrived, "a gradient in a.grad", "none", hints["another leaf"])
        slopes = _slopes_of_f(a)
        equal(a.grad, slopes, hints["not recorded"], what="a.grad")


def _slopes_by_weights(
    f_of_vector: Callable, weights_for: Callable, numbers: list[int]
) -> None:
    """Require weights that give the slopes."""
    n, hints = len(numbers), _VECTOR
    a = torch.tensor(numbers, dtype=torch.float, requires_grad=True)
    given = f"a = {numbers}, result.backward(weights_for(result))"
    with case(given, known=_WEIGHTS_ERRORS):
        result = f_of_vector(a)
        weights = weights_for(result)
        holds(
            isinstance(weights, Tensor) and weights.shape == (n,),
            Phrase("weights of shape ({n},)", n=n),
            _kind(weights),
            Phrase(
                "The result has {n} elements, and `backward` needs a weight "
                "for each of them.",
                n=n,
            ),
        )
        a.grad = None
        result.backward(weights)
        slopes = _slopes_of_f(a)
        known = {slopes / n: hints["mean"]}
        equal(a.grad, slopes, hints["weights"], known, what="a.grad")


@exercise(
    "5.3 Slopes without a formula",
    "for the sine, the first derivative is right up to rounding",
    "the second is -sin x up to rounding",
    "other functions than the sine work as well, also with a detached part",
    "a second call with the same x gives the same",
)
def slopes_without_a_formula(two_slopes: Callable) -> None:
    _slopes(two_slopes, "torch.sin at x = [-1, 0, 2]", torch.sin, [-1.0, 0, 2])
    _slopes(two_slopes, "x³ at x = [1, 2]", lambda x: x**3, [1.0, 2])
    _slopes(
        two_slopes,
        "x² c at x = [1, 2], where c = (1000 * x).sin().detach()",
        # Values close by tell nothing about its slopes.
        lambda x: x**2 * (1000 * x).sin().detach(),
        [1.0, 2],
        "Autograd takes c for a constant, since it is detached. These slopes "
        "don't: they come from differences of values.",
    )
    with case("torch.sin, twice with the same x = [-1, 0, 2]"):
        x = torch.tensor([-1.0, 0, 2], dtype=torch.double, requires_grad=True)
        before, after = (
            [_tensor(s).detach().clone() for s in two_slopes(torch.sin, x)]
            for _ in range(2)
        )
        equal(
            after,
            before,
            "The first call has left a gradient in `x.grad`, to which the "
            "second adds.",
            what="slopes of the second call",
        )


_SLOPES_ERRORS = {
    "does not require grad": (
        "What is differentiated has no graph.",
        "The second derivative comes from the graph of the first, which is "
        "recorded only with `create_graph=True`.",
    ),
    "implicitly created only for scalar": (
        "An output of many elements can't be differentiated as it is.",
        "Each output depends on its own input alone. So the slopes of all are "
        "the gradient of one number: their sum.",
    ),
}


def _slopes(
    two_slopes: Callable,
    given: str,
    function: Callable,
    points: list[float],
    differs: Hint = (),
) -> None:
    """Require both derivatives of a function at some points."""
    with case(given, known=_SLOPES_ERRORS):
        x = torch.tensor(points, dtype=torch.double, requires_grad=True)
        slopes = two_slopes(function, x)
        holds(
            isinstance(slopes, (tuple, list, Tensor)) and len(slopes) == 2,
            "two tensors",
            _kind(slopes),
            "Return two tensors, the first and the second derivative.",
        )
        x = x.detach().requires_grad_()
        (first,) = grad(function(x).sum(), x, create_graph=True)
        (second,) = grad(first.sum(), x)
        known = {
            second: "This is the second derivative: the first comes first.",
            first.sum(): "The slopes of all points are added up here. Each "
            "point has its own.",
            function(x): "This is the function itself.",
            x.cos(): "This is the cosine, whatever the function: take the "
            "derivative of the argument `function`.",
            **_slips(first, second),
        }
        _equal_up_to_rounding(
            slopes[0], first, "first derivative", known, differs
        )
        known = {
            first: "This is the first derivative again.",
            -x.sin(): "This is -sin x, whatever the function: differentiate "
            "the first derivative.",
            -function(x): "This is minus the function, which is the second "
            "derivative of the sine, and of few others.",
            **_slips(second, first),
        }
        _equal_up_to_rounding(
            slopes[1], second, "second derivative", known, differs
        )


def _slips(slope: Tensor, other: Tensor) -> dict[Tensor, Hint]:
    """What may come in place of either derivative."""
    return {
        slope + other: (
            "This is the sum of both derivatives: `backward` adds to what is "
            "in `x.grad`.",
            "Empty it in between, or use `torch.autograd.grad`.",
        ),
        slope / len(slope): "This is divided by the number of points, as the "
        "gradient of a mean is.",
        torch.zeros_like(slope): "All slopes are 0. `zero_` empties a tensor "
        "in place, under each of its names.",
    }


def _equal_up_to_rounding(
    got: object, expected: Tensor, what: str, known: Known, differs: Hint
) -> None:
    """Require a tensor that is as exact as its data type allows."""
    hint = (
        "These aren't the slopes of the function at the points.",
        "Each output depends on its own input alone. So the gradient of the "
        "sum of the outputs holds the slope at each point.",
    )
    if isinstance(got, tuple) and len(got) == 1:
        hint = "A tuple came: `torch.autograd.grad` returns one, also of one."
    got = _tensor(got)
    single = isinstance(got, Tensor) and got.dtype == torch.float
    tolerance = 1e-5 if single else 1e-11
    if isinstance(got, Tensor) and got.shape != expected.shape:
        hint = "Give a slope for each point, of the shape of x."
    elif isinstance(got, Tensor) and torch.allclose(
        got.detach().cpu().to(expected), expected, 0, 0.1
    ):
        hint = (
            "These come close, but autograd is exact up to rounding. "
            "Differences of the values aren't."
        )
    hint = differs or hint
    equal(got, expected, hint, known, tolerance, tolerance, what)


@exercise(
    "5.4 A Jacobian by products",
    "row i is the gradient of the output's element i, by autograd",
    "the function may have more outputs than inputs, fewer, or as many",
    "softmax gives what jacrev gives, without a call of it",
    "you know how many calls a Jacobian takes",
)
def jacobian_by_products(jacobian: Callable, calls: object) -> None:
    cases = {
        "[x_0 x_1, x_0²] at [2, 3]": (
            lambda x: torch.stack([x[0] * x[1], x[0] ** 2]),
            [2.0, 3],
        ),
        "[x_0 x_1, x_0², x_1] at [2, 3]": (_two_to_three, [2.0, 3]),
        "[x_0 x_1 x_2] at [2, 3, 5]": (lambda x: x.prod()[None], [2.0, 3, 5]),
        "softmax at [0, 1, 0, 2]": (_softmax, [0.0, 1, 0, 2]),
    }
    for given, (function, numbers) in cases.items():
        with case(given, known=_JACOBIAN_ERRORS):
            _same_jacobian(jacobian, function, numbers)
    x = torch.tensor([2.0, 3], requires_grad=True)
    y = _two_to_three(x)
    eye = torch.eye(len(y))
    rows = [grad(y, x, weights, retain_graph=True) for weights in eye]
    n, m = len(x), len(y)
    numbers = {"n": n, "m": m, "n + m": n + m, "n * m": n * m}
    (truth,) = (name for name, v in numbers.items() if v == len(rows))
    question = "your answer for a function from (n,) to (m,)"
    one_of(calls, numbers, question, truth, _ROWS)


_ROWS = (
    "A call takes one weight for each output, and gives one number for each "
    "input: a whole row. How many rows are there?"
)
_X_ALONE = (
    "`function` takes x, and nothing else. What else softmax needs, such as "
    "`dim`, stands in the function that is given."
)
_JACOBIAN_ERRORS = {
    "second time": (
        "The first call of `grad` frees what the graph kept.",
        "Keep it, or compute the output anew for each row.",
    ),
    "Mismatch in shape": (
        "The weights don't fit the output: they have its shape, (m,).",
        "It takes as many calls as the output has elements.",
    ),
    "out of bounds": "There are as many rows as the output has elements, here "
    "fewer.",
    "positional argument": _X_ALONE,
    "keyword argument": _X_ALONE,
}


def _same_jacobian(
    jacobian: Callable, function: Callable, numbers: list[float]
) -> None:
    """Require the Jacobian of a function, by products."""
    x = torch.tensor(numbers, dtype=torch.double)
    J = jacrev(function)(x)
    seen = SimpleNamespace(passes=0, whole=False)
    answer = jacobian(_noted(function, seen), x.clone().requires_grad_())
    if isinstance(answer, (tuple, list)):
        holds(
            not any(isinstance(row, tuple) for row in answer),
            "a tensor",
            "a list of tuples",
            "`torch.autograd.grad` returns a tuple, here of one tensor.",
        )
    got = _tensor(answer)
    hint = (
        "Row i isn't the gradient of the output's element i.",
        "Weights with a 1 in place i and 0 elsewhere give it.",
    )
    if isinstance(got, Tensor) and got.shape != J.shape:
        hint = "The shape is (m, n): a row for each output."
    known = {
        J.T: "Rows and columns are exchanged. One call gives the gradient of "
        "one output, which is a row.",
        J.flatten(): "The numbers are right. Stack the rows, so that the "
        "shape is (m, n).",
        J.sum(dim=0): "With weights of 1 the rows are added up. Each row "
        "needs a call with weights of its own.",
        J.sum(dim=0).expand_as(J): "Each row is the sum of all: the weights "
        "are 1 in each call.",
        J.cumsum(dim=0): "Each row has those above it in it: `backward` adds "
        "to `grad`. `torch.autograd.grad` doesn't.",
        tuple(J): "The rows are right. Stack them, so that they are one "
        "tensor of shape (m, n).",
        jacrev(_softmax)(x): "This is the Jacobian of softmax, whatever the "
        "function.",
    }
    equal(got, J, hint, known, what="Jacobian")
    holds(
        not seen.whole,
        "rows from calls of `grad`",
        "a whole Jacobian from torch",
        "The numbers are right, but torch has built the Jacobian. Build it "
        "from products, and then compare with `jacrev`.",
    )
    holds(
        seen.passes,
        "a way back through the function for each row",
        "none",
        "The numbers are right, but no gradient went through the function's "
        "graph: these are no products of `grad`.",
    )


def _noted(function: Callable, seen: SimpleNamespace) -> Callable:
    """A function that notes who differentiates it."""

    def noted(x: Tensor) -> Tensor:
        y, frame = function(x), sys._getframe(1)
        transformed = False
        while frame:
            module = str(frame.f_globals.get("__name__"))
            transformed |= module.startswith("torch._functorch")
            seen.whole |= module.startswith("torch.") and (
                frame.f_code.co_qualname.startswith("jac")
            )
            frame = frame.f_back
        if transformed:  # as by `vjp`: no hook can be set there
            seen.passes += 1
        elif y.requires_grad:
            y.register_hook(note)
        return y

    def note(_: Tensor) -> None:
        seen.passes += 1

    return noted


def _two_to_three(x: Tensor) -> Tensor:
    return torch.stack([x[0] * x[1], x[0] ** 2, x[1]])


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
    for given, function in functions.items():
        with case(given, known=_COUNT_ERRORS):
            u = torch.tensor(1.0, requires_grad=True)
            got = [
                int(n) if n.is_integer() else n
                for n in _numbers(count_nodes(function(u), u))
            ]
            _same_counts(got, _graphs(function(u), u))
    u = torch.tensor(1.0, requires_grad=True)
    counts = [len(graph) for graph in _graphs(u.sin().exp(), u)]
    steps = [later - earlier for earlier, later in pairwise(counts)]
    growth = {
        "fewer and fewer": operator.gt,
        "the same number": operator.eq,
        "more and more": operator.lt,
    }
    (truth,) = (
        w for w, op in growth.items() if all(map(op, steps, steps[1:]))
    )
    one_of(
        added,
        growth,
        "your answer about the growth",
        truth,
        "Count, and look at the differences. By the product rule, each "
        "product in a derivative becomes two in the next.",
    )


_UNRECORDED = (
    "A derivative of these has no graph, so that it can't be counted or "
    "differentiated.",
    "`create_graph=True` records it. `graph_of` needs that of the last as "
    "well.",
)
_COUNT_ERRORS = {
    "no grad_fn": _UNRECORDED,
    "does not require grad": _UNRECORDED,
    "must be a torch.Tensor, got (": "`grad` returns a tuple, of one.",
}


def _same_counts(got: list[float], graphs: list) -> None:
    """Require the numbers of nodes, of four graphs."""
    value, first, *_ = counts = [len(graph) for graph in graphs]
    # `backward` puts a copy into `u.grad`, which is a node more.
    copies = [value, *(n + 1 for n in counts[1:])]
    hint = (
        "These aren't the nodes of the value and its first three derivatives.",
        "Take the derivative of the derivative before it, and count the nodes "
        "of each by `len(graph_of(...))`.",
    )
    if len(got) > 4 and got[:4] in (counts, copies):
        hint = "The third derivative is the last that is asked for."
    edges = tuple(graph.number_of_edges() for graph in graphs)
    known = {
        tuple(counts[:3]): "The third derivative is missing.",
        tuple(counts[1:]): "The value itself comes first, then the three "
        "derivatives.",
        tuple(n - 1 for n in counts): "The leaf is a node, too.",
        edges: "These are the edges. `len` counts the nodes.",
        (value,) * 4: "This is the graph of the value, four times.",
        (value, first, first, first): "This is the first derivative, three "
        "times: each time the value is differentiated.",
        tuple(accumulate(counts)): "Each number has those before it in it. "
        "Count each graph alone.",
        (value, *(b - a for a, b in pairwise(counts))): "These are the nodes "
        "that are added. Return the numbers themselves.",
    }
    equal(got, copies if got == copies else counts, hint, known, what="nodes")


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
    _rounds(StraightRound, X)
    _passes_on(StraightRound, X)
    others = {
        "X = 2600.6": torch.tensor(2600.6),
        "X = [[-1.7, 0.4, 2.6]]": X[None],
        "X = [-1.7, 0.4, 2.6] in double precision": X.double(),
    }
    for given, inputs in others.items():
        _rounds_and_passes_on(StraightRound, given, inputs)
    x = torch.tensor(0.4, requires_grad=True)
    functions = {"true": torch.round, "claimed": _straight}
    predicted(
        round_slopes,
        {name: grad(f(x), x)[0].item() for name, f in functions.items()},
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
            gradcheck(_straight, numbers, raise_exception=False),
            "`gradcheck` compares `backward` with the slopes from small "
            "changes of the input.",
        )
    functions = {"torch.round": torch.round, "StraightRound.apply": _straight}
    predicted(
        moves,
        {name: _moves(rounding) for name, rounding in functions.items()},
        {
            "torch.round": "A step subtracts the gradient, times the "
            "learning rate. Which gradient comes through `torch.round`?",
            "StraightRound.apply": "The gradient of the square, "
            "2 (round(w) - 3), is passed on to w.",
        },
    )


def _straight(X: Tensor) -> Tensor:
    """What is asked for, in another way."""
    return X + (X.round() - X).detach()


def _moves(rounding: Callable) -> bool:
    """Whether a step of training moves a weight behind a rounding."""
    w = torch.tensor(0.3, requires_grad=True)
    (rounding(w) - 3).square().backward()
    torch.optim.SGD([w], lr=0.1).step()
    return w.item() != torch.tensor(0.3).item()


_STRAIGHT = {
    "round": "These aren't the nearest whole numbers, as `torch.round` gives "
    "them.",
    "input": "The input is changed in place. A weight must keep its fraction: "
    "many small steps add up in it.",
    "integers": "Whole numbers can be floats, too. A data type for integers "
    "gets no gradient.",
    "apply": "`apply` is the one of `autograd.Function`: only it calls your "
    "`backward`.",
    "nothing": "`backward` returns nothing for X, so that X gets no gradient.",
    "arrives": "The gradient that arrives is changed in place, and others may "
    "need it.",
    "unchanged": (
        "The gradient that comes out isn't the one that went in.",
        "`backward` has nothing to compute: what arrives is returned.",
    ),
    "type": "The data type changes on the way: what enters in double "
    "precision comes out so.",
    "any tensor": (
        "It works for a short vector, but not for this.",
        "A tensor of any shape and size keeps its shape: use functions for "
        "tensors, without a loop over elements and without limits.",
    ),
}
_FORWARD_ERRORS = {
    "positional argument": (
        "`forward` doesn't take what `apply` gives it.",
        "It is a static method, whose first argument is `ctx`.",
    )
}
_ONE_FOR_EACH = (
    "`backward` doesn't fit `forward`.",
    "It takes `ctx` and the gradient that arrives, and returns one gradient "
    "for each input of `forward`.",
)
_BACKWARD_ERRORS = {
    "positional argument": _ONE_FOR_EACH,
    "incorrect number of gradients": _ONE_FOR_EACH,
    "must implement": "`StraightRound` has no `backward` yet.",
    "invalid gradient": "The gradient that comes out has another shape.",
}


def _rounds(function: type[torch.autograd.Function], X: Tensor) -> None:
    """Require that forward rounds."""
    known = {
        X.trunc(): "This cuts the fraction off: 2.6 is nearer to 3.",
        X.floor(): "This rounds down: 2.6 is nearer to 3.",
        X: "Nothing is rounded to a whole number.",
    }
    given = f"StraightRound.apply(X), X = {show(X.tolist())}"
    with case(given, known=_FORWARD_ERRORS):
        inputs, hints = X.clone(), _STRAIGHT
        output = function.apply(inputs)
        equal(output, X.round(), hints["round"], known, what="output")
        equal(inputs, X, hints["input"], what="X, afterwards")


def _passes_on(function: type[torch.autograd.Function], X: Tensor) -> None:
    """Require that backward passes the gradient on."""
    weights = torch.tensor([0.5, 2, -3])
    known = {
        torch.ones(3): "This is the slope that the function claims. "
        "`backward` returns the slope times the gradient that arrives.",
        torch.zeros(3): "This is the true gradient of rounding, and nothing "
        "learns from it.",
        weights.round(): "The gradient is rounded, too.",
        weights * X: "X is a factor of the gradient here. It has no part in "
        "it.",
    }
    given = "X = [-1.7, 0.4, 2.6], StraightRound.apply(X).backward(weights)"
    with case(f"{given}, weights = [0.5, 2, -3]", known=_BACKWARD_ERRORS):
        inputs, arrives = X.clone().requires_grad_(), weights.clone()
        output, hints = function.apply(inputs), _STRAIGHT
        holds(
            output.is_floating_point(),
            "an output of floats",
            Phrase("one of {kind}", kind=_dtype(output)),
            hints["integers"],
        )
        holds(
            isinstance(output.grad_fn, BackwardCFunction),
            "a graph in which `backward` is a node",
            "one without",
            hints["apply"],
        )
        output.backward(arrives)
        arrived = inputs.grad is not None
        holds(arrived, "a gradient of X", "None", hints["nothing"])
        equal(arrives, weights, hints["arrives"], what="weights, afterwards")
        equal(inputs.grad, weights, hints["unchanged"], known, what="X.grad")


def _rounds_and_passes_on(
    function: type[torch.autograd.Function], given: str, X: Tensor
) -> None:
    """Require the same for another shape, size or data type."""
    hint, weights = _STRAIGHT["any tensor"], torch.full_like(X, 5000)
    given = Phrase(
        "{given}, StraightRound.apply(X), then weights of 5000", given=given
    )
    with case(given, hint):
        inputs = X.clone().requires_grad_()
        output = function.apply(inputs)
        output.backward(weights.clone())
        equal(output, X.round(), hint, what="output")
        holds(
            output.dtype == X.dtype,
            Phrase("an output of {kind}", kind=_dtype(X)),
            Phrase("one of {kind}", kind=_dtype(output)),
            _STRAIGHT["type"],
        )
        equal(inputs.grad, weights, hint, what="X.grad")


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
        _is_double_leaf(make_t())
    with case("t = make_t(), t.sum().backward()", _LEAF["not recorded"]):
        _gets_a_gradient(make_t(), make_t())
    ones = torch.ones(2, device="cpu", dtype=torch.float, requires_grad=True)
    t = ones.double()
    t.sum().backward()
    found = {"t": t.grad, "ones": ones.grad}
    (truth,) = (k for k, gradient in found.items() if gradient is not None)
    one_of(
        gradient_in,
        found,
        "your answer for t = ones.double() and t.sum().backward()",
        truth,
        "`backward` goes on through the conversion, and adds to `grad` only "
        "where the graph ends.",
    )
    # For a GPU stands a device that is everywhere: none but the CPU.
    kinds = {"double": torch.double, "float": torch.float}
    kinds |= {"cpu": "cpu", "cuda": "meta"}
    copied, itself = _LEAF["copied"], _LEAF["itself"]
    predicted(
        is_leaf,
        {name: ones.to(kind).is_leaf for name, kind in kinds.items()},
        {"double": copied, "float": itself, "cpu": itself, "cuda": copied},
    )


_LEAF = {
    "double": "`double` is double precision, 64 bits for each number.",
    "no gradient": (
        "A tensor that asks for no gradient gets none.",
        "`requires_grad_()` tells autograd to follow it from then on.",
    ),
    "computed": (
        "t is computed from a tensor that requires a gradient.",
        "Convert first, and ask for the gradient last.",
    ),
    "retained": "t keeps a copy of its gradient, which goes on to the tensor "
    "that t is computed from: `retain_grad` makes no leaf.",
    "already": "t has a gradient already, to which the next would be added.",
    "same": "Each call returns the same tensor, with what earlier calls have "
    "left in it. Make a new one.",
    "not recorded": "t is made where nothing is recorded, so that it stays "
    "out of every graph.",
    "copied": "Other numbers, or another place, take a new tensor, which is "
    "computed from `ones` and recorded in the graph.",
    "itself": "Nothing is left to convert, and no copy is made: what comes "
    "back is the tensor `ones` itself.",
}


def _is_double_leaf(t: object) -> None:
    """Require two ones, a leaf in double precision that asks for a gradient.

    Whether it gets one isn't tried here.
    """
    equal(t, torch.ones(2), "Return a tensor of two ones.", what="t")
    double, asks = t.dtype == torch.double, t.requires_grad
    holds(double, "t.dtype is torch.float64", str(t.dtype), _LEAF["double"])
    holds(asks, "t.requires_grad is True", "False", _LEAF["no gradient"])
    hint = _LEAF["retained" if t.retains_grad else "computed"]
    holds(t.is_leaf, "t.is_leaf is True", "False", hint)


def _gets_a_gradient(t: Tensor, other: Tensor) -> None:
    """Require two tensors, of which the first gets its first gradient."""
    holds(
        t.grad is None,
        "t.grad is None, before that",
        Phrase("t.grad is {value}", value=show(t.grad)),
        _LEAF["same" if t is other else "already"],
    )
    holds(
        t is not other,
        "another tensor in each call of make_t",
        "the same one",
        _LEAF["same"],
    )
    t.sum().backward()


@exercise(
    "5.8 A log that grows",
    "w is trained, and the mean of the losses is right",
    "loss_of is called once in each step, also where a loss is 0",
    "the graph of a step is gone when the next has been recorded",
    "you know how many nodes the graph of total has",
)
def log_that_grows(train: Callable, log_nodes: dict) -> None:
    cases = {
        "train(lambda w: (w - 3) ** 2, 1)": [3],
        "train(lambda w: (w - 3) ** 2, 3)": [3] * 3,
        "train(lambda w: (w + 1) ** 2, 3)": [-1] * 3,
        "train(lambda w: (w - 3) ** 2, 20)": [3] * 20,
        "train(loss_of, 4), whose calls return w ** 2, (w - 3) ** 2, "
        "(w - 1) ** 2, (w - 2) ** 2": [0, 3, 1, 2],
    }
    gc.freeze()  # to collect garbage looks at what comes from now on
    try:
        for given, goals in cases.items():
            with case(given, known=_TRAINING_ERRORS):
                _trained(train, goals)
    finally:
        gc.unfreeze()
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
        of="total after step {key}",
    )


def _trained(train: Callable, goals: list[int]) -> None:
    """Require w, the mean of the losses, and a log that doesn't grow."""
    loss_of, steps = _Loss(goals), len(goals)
    answer = train(loss_of, steps)
    two = isinstance(answer, (tuple, list)) and len(answer) == 2
    holds(two, "two values", _kind(answer), _TWO_VALUES)
    w, mean = _numbers(answer, _TWO_VALUES)
    hint = _ONCE if loss_of.calls else _OWN
    equal(loss_of.calls, steps, hint, what="calls of loss_of")
    ws, losses = _descent(goals)
    threes, losses_of_three = _descent([3] * steps)
    forgotten, _ = _descent(goals, forget=True)
    equal(
        w,
        ws[-1],
        "A step subtracts 0.1 times the gradient of the loss, from w = 0 on.",
        known={
            [0.0, *ws][-2]: "This is the w before the last step: it has not "
            "moved, or it was noted too early.",
            forgotten[-1]: (
                "The gradients of all steps so far add up in `w.grad`.",
                "Empty it in each step.",
            ),
            sum(losses) / steps: "This is the mean: w comes first.",
            threes[-1]: _OWN,
        },
        what="w",
    )
    equal(
        mean,
        sum(losses) / steps,
        "The mean is the sum of the losses, each from before its step, "
        "divided by their number.",
        known={
            sum(losses): "This is the sum of the losses.",
            losses[-1]: "This is the loss of the last step.",
            sum(losses_of_three) / steps: _OWN,
            sum((w - 3) ** 2 for w in [0, *ws[:-1]]) / steps: _OWN,
        },
        what="mean of the losses",
    )
    gradients = min(loss_of.gradients, steps)  # more do no harm
    equal(gradients, steps, _OWN, what="gradients through loss_of")
    holds(
        loss_of.nodes < 20,
        "the w of a step without a history",
        Phrase("a w with {n} nodes behind it", n=loss_of.nodes),
        _HISTORY,
    )
    holds(
        loss_of.most <= 1,
        "the graph of one step at a time",
        Phrase("the graphs of {n} steps, kept at once", n=loss_of.most),
        (
            "Something keeps a loss with its graph, a sum or a list.",
            "What a log needs is the number.",
        ),
    )


_TWO_VALUES = "Return two values: w and the mean of the losses."
_ONCE = (
    "A call of `loss_of` returns the loss of the next step. Call it once in "
    "each, as often as `steps` says."
)
_OWN = (
    "The gradient and the log must come from what `loss_of(w)` returns. "
    "Another loss may be given."
)
_HISTORY = (
    "A w that is computed from the last one is no leaf, and has all steps "
    "before it in its graph.",
    "Edit it in place, where nothing is recorded.",
)
_TRAINING_ERRORS = {
    "in-place operation": (
        "Autograd refuses to record the edit of a leaf.",
        "Edit w where nothing is recorded, as `descend` does.",
    ),
    "NoneType": _HISTORY,
}


class _Loss:
    """Losses (w - goal)²; notes calls, gradients, live graphs, w's nodes."""

    def __init__(self, goals: list[int]) -> None:
        self.goals = goals
        self.alive = weakref.WeakSet()
        self.calls = self.gradients = self.most = self.nodes = 0

    def __call__(self, w: Tensor) -> Tensor:
        goal = self.goals[self.calls % len(self.goals)]
        self.calls += 1
        self.nodes = len(graph_of(w)) if w.grad_fn else 0
        return _Watched.apply(((w - goal) ** 2).sum(), self)


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
        if ctx.loss.most <= 1 < len(ctx.loss.alive):
            gc.collect()  # torch.func leaves cycles behind
        ctx.loss.most = max(ctx.loss.most, len(ctx.loss.alive))
        return gradient, None


def _descent(goals: list[int], forget: bool = False) -> tuple[list, list]:
    """w after each step, and the loss before it."""
    w = torch.tensor(0.0, requires_grad=True)
    ws, losses = [], []
    for goal in goals:
        if not forget:
            w.grad = None
        loss = (w - goal) ** 2
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        ws.append(w.item())
        losses.append(loss.item())
    return ws, losses


@exercise(
    "5.9 A clamp that lets go",
    "forward clamps, and leaves its input as it was",
    "backward passes gradients on within the limits, and at them",
    "outside it passes those on that lead back, and no others",
    "each call has limits and inputs of its own",
    "you know with which clamp a weight outside learns",
)
def clamp_that_lets_go(
    Clamp: type[torch.autograd.Function], clamp_moves: dict
) -> None:
    X = torch.tensor([-2.0, -1, 0.5, 1, 3])
    for numbers, low, high in (
        ([-2.0, -1, 0.5, 1, 3], -1, 1),
        ([[0.5, 2.5], [3.0, 4.5]], 2, 4.0),
    ):
        inputs = torch.tensor(numbers)
        with case(_clamped(inputs, low, high), known=_CLAMP_ERRORS):
            before = inputs.clone()
            got = Clamp.apply(inputs, low, high)
            wanted = before.clamp(low, high)
            equal(got, wanted, _CLAMP["forward"], what="output")
            equal(inputs, before, _CLAMP["input"], what="X, afterwards")
    weights = torch.ones(5)
    for sign in (1, -1):
        _lets_go(Clamp, X, sign * weights)
    _lets_go(Clamp, X, torch.tensor([-0.5, 2, 3, -4, 5]))
    with case("two calls with other limits, then backward of the first"):
        first = X.clone().requires_grad_()
        output = Clamp.apply(first, -1, 1)
        Clamp.apply(torch.zeros(5, requires_grad=True), -9, 9)
        output.sum().backward()
        equal(first.grad, _let_go(X, weights), _CLAMP["own"], what="X.grad")
    functions = {"torch.clamp": torch.clamp, "Clamp.apply": _clamp}
    predicted(
        clamp_moves,
        {name: _moves_outside(clamp) for name, clamp in functions.items()},
        {
            "torch.clamp": "Outside of the limits `torch.clamp` is flat. "
            "Which gradient does w get?",
            "Clamp.apply": "The gradient of the square, 2 (1 - 0.5), is above "
            "0, so that a step makes w smaller. Does that lead back?",
        },
    )


def _clamped(X: Tensor, low: float, high: float) -> Phrase:
    return Phrase(
        "Clamp.apply(X, {low}, {high}), X = {X}",
        low=low,
        high=high,
        X=show(X.tolist()),
    )


def _clamp(X: Tensor, low: float, high: float) -> Tensor:
    """Clamp, with the gradient of X itself."""
    return X + (X.clamp(low, high) - X).detach()


def _moves_outside(clamp: Callable) -> bool:
    w = torch.tensor(3.0, requires_grad=True)
    (clamp(w, 0, 1) - 0.5).square().backward()
    return w.grad.item() != 0


def _let_go(X: Tensor, weights: Tensor) -> Tensor:
    """The gradient that is asked for, with the limits -1 and 1."""
    passes = ((X >= -1) | (weights < 0)) & ((X <= 1) | (weights > 0))
    return weights * passes


def _lets_go(
    function: type[torch.autograd.Function], X: Tensor, weights: Tensor
) -> None:
    """Require the right gradient, with the limits -1 and 1."""
    given = Phrase(
        "{call}, then backward({weights})",
        call=_clamped(X, -1, 1),
        weights=show(weights.tolist()),
    )
    within, inner = (X >= -1) & (X <= 1), (X > -1) & (X < 1)
    away = ((X >= -1) | (weights > 0)) & ((X <= 1) | (weights < 0))
    # Where two mistakes look alike, the first one tells of both.
    known = [
        (weights.clone(), _CLAMP["all"]),
        (weights * within, _CLAMP["within"]),
        (weights * away, _CLAMP["away"]),
        (_let_go(X, weights) * (inner | ~within), _CLAMP["limits"]),
        (weights * inner, _CLAMP["limits"]),
        (_let_go(X, weights).sign().abs(), _CLAMP["arrives"]),
    ]
    with case(given, known=_CLAMP_ERRORS):
        inputs, arrives = X.clone().requires_grad_(), weights.clone()
        output = function.apply(inputs, -1, 1)
        holds(
            isinstance(output.grad_fn, BackwardCFunction),
            "a graph in which `backward` is a node",
            "one without",
            _STRAIGHT["apply"],
        )
        output.backward(arrives)
        arrived = inputs.grad is not None
        holds(arrived, "a gradient of X", "None", _STRAIGHT["nothing"])
        equal(arrives, weights, _STRAIGHT["arrives"], what="weights")
        wanted = _let_go(X, weights)
        equal(inputs.grad, wanted, _CLAMP["back"], known, what="X.grad")


_CLAMP = {
    "forward": "`forward` gives what `torch.clamp(X, low, high)` gives.",
    "input": "The input is changed in place. A weight must keep its value, or "
    "it can't be outside.",
    "back": (
        "The gradient isn't what it should be outside of the limits.",
        "A step subtracts the gradient. Above `high`, it leads back if the "
        "gradient is positive; below `low`, if it is negative.",
    ),
    "all": "Each gradient passes. Outside, one that leads further away is to "
    "become 0.",
    "within": "Nothing passes outside of the limits, as with `torch.clamp`. "
    "A gradient that leads back is to pass.",
    "away": "Outside, those gradients pass that lead further away: a step "
    "subtracts the gradient.",
    "limits": "An element at a limit counts as within.",
    "arrives": "`backward` returns the gradient that arrives, where it "
    "passes: its size counts, too.",
    "own": (
        "The second call has changed what the first one needs.",
        "`ctx` is another object for each call: keep there what `backward` "
        "needs.",
    ),
}
_CLAMP_ERRORS = {
    "positional argument": "`forward` takes `ctx` and what `apply` is given: "
    "X and two limits. `backward` takes `ctx` and one gradient.",
    "incorrect number of gradients": (
        "`backward` returns one gradient for each input of `forward`.",
        "The limits are numbers, and have none: return `None` for them.",
    ),
    "must implement": "`Clamp` has no `backward` yet.",
    "save_for_backward": "`save_for_backward` takes tensors. A number can be "
    "an attribute of `ctx`.",
}


@exercise(
    "5.10 Where a graph ends",
    "your predictions are what torch.compile gives",
)
def where_a_graph_ends(number_of_graphs: dict) -> None:
    # Not counted here: to import the compiler takes seconds. The page of
    # solutions counts them.
    one_more = (
        "The condition is computed in a graph. To decide, Python needs its "
        "value, and the graph ends.",
        "After the decision, another graph begins.",
    )
    truth = {
        "(2 * X).sin().sum()": 1,
        "2 * X if len(X) > 2 else 3 * X": 1,
        "2 * X if X.sum() > 0 else 3 * X": 2,
        "2 * X if X.sum() > 0 and X.max() > 0 else 3 * X": 3,
        "2 * X if torch.is_grad_enabled() else 3 * X": 1,
        "torch.where(X.sum() > 0, 2 * X, 3 * X)": 1,
    }
    hints = {
        "(2 * X).sin().sum()": "Three operations, and nobody asks for a "
        "value: they are in one graph.",
        "2 * X if len(X) > 2 else 3 * X": "The length is known without the "
        "values. A graph is for a shape anyway.",
        "2 * X if X.sum() > 0 else 3 * X": one_more,
        "2 * X if X.sum() > 0 and X.max() > 0 else 3 * X": "`and` is a "
        "decision, too: the maximum is computed only if the sum is above 0.",
        "2 * X if torch.is_grad_enabled() else 3 * X": "This asks for a "
        "setting, which Python knows without a tensor.",
        "torch.where(X.sum() > 0, 2 * X, 3 * X)": "`torch.where` is one "
        "operation. It computes both, and Python decides nothing.",
    }
    predicted(number_of_graphs, truth, hints)


@exercise(
    "5.11 A Jacobian by columns",
    "column j tells how the outputs change with the input's element j",
    "the columns come from forward mode, without a whole Jacobian of torch",
    "the function may have more outputs than inputs, fewer, or as many",
    "you know how many calls each mode takes",
)
def jacobian_by_columns(
    jacobian_forward: Callable, forward_calls: object, fewer: dict
) -> None:
    cases = {
        "[x_0 x_1, x_0²] at [2, 3]": (
            lambda x: torch.stack([x[0] * x[1], x[0] ** 2]),
            [2.0, 3],
        ),
        "[x_0 x_1, x_0², x_1] at [2, 3]": (_two_to_three, [2.0, 3]),
        "[x_0 x_1 x_2] at [2, 3, 5]": (lambda x: x.prod()[None], [2.0, 3, 5]),
    }
    for given, (function, numbers) in cases.items():
        with case(given, known=_COLUMN_ERRORS):
            _same_columns(jacobian_forward, function, numbers)
    numbers = {"n": 2, "m": 3, "n + m": 5, "n * m": 6}
    question = "your answer for a function from (n,) to (m,)"
    one_of(forward_calls, numbers, question, "n", _COLUMNS["calls"])
    hints = {
        "a loss": "A loss is one number, m = 1, of a thousand weights, "
        "n = 1000. Backward takes a call for each output.",
        "one number": "Here n = 1 and m = 1000. Forward takes a call for each "
        "input.",
    }
    truth = {"a loss": "backward", "one number": "forward"}
    for key in truth:
        if key in fewer:
            choices = ["forward", "backward"]
            question = Phrase("your answer for {key}", key=show(key))
            one_of(fewer[key], choices, question)
    predicted(fewer, truth, hints)


_COLUMNS = {
    "column": (
        "Column j doesn't tell how the outputs change with element j.",
        "The direction with a 1 in place j and 0 elsewhere gives it.",
    ),
    "shape": "The shape is (m, n): a column for each element of x.",
    "transposed": (
        "Rows and columns are exchanged. One call gives a column.",
        "`torch.stack` has an argument `dim`: 1 puts them side by side.",
    ),
    "sum": "With a direction of ones the columns are added up. Each needs a "
    "call of its own.",
    "values": "`jvp` returns the values first, and then how they change.",
    "whole": "The numbers are right, but torch has built the Jacobian. Build "
    "it from calls of `jvp`.",
    "backward": "The numbers are right, but no slope went forward through "
    "the function.",
    "calls": "A call takes one direction, and gives one number for each "
    "output: a whole column. How many columns are there?",
}
_COLUMN_ERRORS = {
    "Expected primals": "`jvp` takes the points and the directions as tuples, "
    "here of one tensor each.",
    "to be a tuple": "`jvp` takes the points and the directions as tuples, "
    "here of one tensor each.",
    "out of bounds": "There are as many columns as x has elements, here "
    "fewer.",
    "positional argument": _X_ALONE,
}


def _same_columns(
    jacobian: Callable, function: Callable, numbers: list[float]
) -> None:
    """Require the Jacobian of a function, in forward mode."""
    x = torch.tensor(numbers, dtype=torch.double)
    J, seen = jacrev(function)(x), SimpleNamespace(whole=False, forward=0)

    def noted(x: Tensor) -> Tensor:
        y, frame = function(x), sys._getframe(1)
        seen.forward += forward_ad.unpack_dual(y).tangent is not None
        while frame:
            module = str(frame.f_globals.get("__name__"))
            seen.whole |= module.startswith("torch.") and (
                frame.f_code.co_qualname.startswith("jac")
            )
            frame = frame.f_back
        return y

    got = _tensor(jacobian(noted, x.clone()))
    hint = _COLUMNS["column"]
    if isinstance(got, Tensor) and got.shape != J.shape:
        hint = _COLUMNS["shape"]
    known = {
        J.T: _COLUMNS["transposed"],
        J.sum(dim=1): _COLUMNS["sum"],
        J.sum(dim=1, keepdim=True).expand_as(J): _COLUMNS["sum"],
        function(x)[:, None].expand_as(J): _COLUMNS["values"],
    }
    equal(got, J, hint, known, what="Jacobian")
    whole = "a whole Jacobian from torch"
    holds(not seen.whole, "calls of `jvp`", whole, _COLUMNS["whole"])
    holds(seen.forward, "calls of `jvp`", "none", _COLUMNS["backward"])
