"""Answers to the exercises of chapter 05."""

import math
from math import inf

import numpy as np
import torch
from torch.func import grad as slope_of
from torch.func import jacfwd, jacrev, vjp, vmap

from d2l_helpers import graph_of
from tests.answers import right, wrong

# 5.1 A larger graph by hand


@right("larger_graph_by_hand", "1/x")
def paths_by_name(x):
    return {
        "through 1/x": -1 / x**2,
        "through the sine": math.cos(x) * math.log(x * x),
        "through the logarithm": 2 * x / x**2 * math.sin(x),
    }


@right("larger_graph_by_hand", " 1 / x")
def paths_by_torch(x):
    x = torch.as_tensor(x)
    return torch.stack([2 / x * x.sin(), x.cos() * (x * x).log(), -(x**-2)])


@right("larger_graph_by_hand", "1/X")
def paths_by_numpy(x):
    x = float(x)
    yield 2 * np.sin(x) / x
    yield np.cos(x) * np.log(x**2)
    yield -1 / x**2


wrong("larger_graph_by_hand", "a leaf of its own", "log")(paths_by_torch)
wrong("larger_graph_by_hand", "a leaf of its own", "product")(paths_by_name)
wrong("larger_graph_by_hand", "starter cell", 2)(paths_by_name)
wrong("larger_graph_by_hand", "starter cell", "x -> 1/x")(paths_by_name)


@wrong("larger_graph_by_hand", "Return its terms", "1/x")
def paths_added_up(x):
    return sum(paths_by_name(x).values())


@wrong("larger_graph_by_hand", "one edge more", "1/x")
def paths_without_the_slope_of_the_square(x):
    return [
        math.sin(x) / x**2,
        math.cos(x) * math.log(x * x),
        -1 / x**2,
    ]


@wrong("larger_graph_by_hand", "slope is negative", "1/x")
def paths_with_a_rising_fraction(x):
    return [2 * math.sin(x) / x, math.cos(x) * math.log(x * x), 1 / x**2]


@wrong("larger_graph_by_hand", "slopes of both factors", "1/x")
def paths_through_both_factors(x):
    return [2 / x * math.cos(x), -1 / x**2]


@wrong("larger_graph_by_hand", "A path is missing", "1/x")
def paths_of_the_product(x):
    return [2 * math.sin(x) / x, math.cos(x) * math.log(x * x)]


@wrong("larger_graph_by_hand", "path through the sine", "1/x")
def paths_with_a_falling_sine(x):
    return [2 * math.sin(x) / x, -math.cos(x) * math.log(x * x), -1 / x**2]


@wrong("larger_graph_by_hand", "path through the sine", "1/x")
def paths_of_large_numbers(x):
    log = abs(math.log(x * x))
    return [2 * math.sin(x) / x, math.cos(x) * log, -1 / x**2]


@wrong("larger_graph_by_hand", "each way from x to y", "1/x")
def paths_of_a_logarithm_of_x(x):
    return [math.sin(x) / x, math.cos(x) * math.log(x), -1 / x**2]


@wrong("larger_graph_by_hand", "terms of the sum", "1/x")
def paths_at_three_numbers(x):
    known = {n: list(paths_by_numpy(n)) for n in (1, 2, 3)}
    return known.get(x, [0, 0, 0])


@right("larger_graph_by_hand", "1/x")
def paths_of_a_number(x):
    return [round(term, 6) for term in paths_by_name(x).values()]


@wrong("larger_graph_by_hand", "of slope 2x", "1/x")
def paths_with_the_square_as_a_product(x):
    half = math.sin(x) / x
    return [half, half, math.cos(x) * math.log(x * x), -1 / x**2]


@wrong("larger_graph_by_hand", "those of single paths", "1/x")
def paths_of_the_product_together(x):
    return [
        2 * math.sin(x) / x + math.cos(x) * math.log(x * x),
        -1 / x**2,
    ]


@wrong("larger_graph_by_hand", "Return a list of numbers", "1/x")
def paths_in_words(x):
    return ["2 sin x / x", "cos x log x^2", "-1/x^2"]


@wrong("larger_graph_by_hand", "Return a list of numbers", "1/x")
def paths_printed(x):
    print(paths_by_name(x))


# 5.2 A vector through control flow


def ones_for(result):
    return torch.ones_like(result)


@right("vector_through_control_flow", ones_for, True)
def vector_in_place(a):
    b = a * 3
    while (b * b).sum() < 500**2:
        b *= 2
    if b.sum() <= 0:
        b *= 10
    return b


@right("vector_through_control_flow", lambda r: torch.ones(len(r)), True)
def vector_times_k(a):
    a = a.double()
    doublings = math.ceil(math.log2(500 / (3 * a.norm().item())))
    k = 3 * 2 ** max(doublings, 0)
    return a * (k if a.sum() > 0 else 10 * k)


@right("vector_through_control_flow", torch.ones_like, True)
def vector_by_recursion(a, b=None):
    b = 3 * a if b is None else b
    if torch.linalg.vector_norm(b) < 500:
        return vector_by_recursion(a, 2 * b)
    return torch.where(b.sum() > 0, b, 10 * b)


def vector(measure, branch):
    def answer(a):
        b = 3 * a
        while measure(b) < 500:
            b = 2 * b
        return torch.where(branch(b), b, 10 * b)

    answer.__name__ = "vector_wrong"
    return answer


def positive(b):
    return b.sum() > 0


CONTROL = "vector_through_control_flow"

for _hint, _measure in {
    "root of the sum of the squares": lambda b: b.abs().sum(),
    "the largest element": lambda b: b.abs().max(),
    "the smallest element": lambda b: b.abs().min(),
    "elements of both signs": lambda b: b.sum().abs(),
    "the square of the norm": lambda b: b.square().sum(),
    "a mean of the squares": lambda b: b.square().mean().sqrt(),
    "Start from 3a": lambda b: 2 * b.norm(),
    "what f returns": lambda b: b[:2].norm(),
    "nothing more to double": lambda b: b.norm() if b.norm() != 500 else 499,
}.items():
    wrong(CONTROL, _hint, ones_for, True)(vector(_measure, positive))
for _hint, _branch in (
    ("a branch of its own", lambda b: b > 0),
    ("isn't above 0", lambda b: b.sum() >= 0),
    ("exchanged", lambda b: b.sum() < 0),
    ("signs of the elements", lambda b: (b > 0).all()),
    ("signs of the elements", lambda b: (b > 0).any()),
    ("signs of the elements", lambda b: b[0] > 0),
    ("is taken times 10", lambda b: b.norm() > 0),
):
    wrong(CONTROL, _hint, ones_for, True)(vector(torch.norm, _branch))
for _hint, _weights in (
    ("a weight for each", lambda r: torch.ones(2)),
    ("has 2 elements", lambda r: torch.ones(3)),
    ("a weight for each", lambda r: [1.0, 1.0]),
    ("a weight for each", lambda r: torch.tensor(1.0)),
    ("leaves the slope", lambda r: r.detach()),
    ("Leave the call of `backward`", lambda r: r.backward()),
    ("of the mean", lambda r: torch.full_like(r, 1 / 3)),
):
    wrong(CONTROL, _hint, _weights, True)(vector_in_place)
wrong(CONTROL, "multiplies the vector", ones_for, False)(vector_in_place)


@wrong(CONTROL, "isn't tripled", ones_for, True)
def vector_as_it_is(a):
    while a.norm() < 500:
        a = 2 * a
    return a if a.sum() > 0 else 10 * a


@wrong(CONTROL, "at most once", ones_for, True)
def vector_doubled_once(a):
    b = 3 * a
    if b.norm() < 500:
        b = 2 * b
    return b if b.sum() > 0 else 10 * b


def f(a, branch=None):
    """The chapter's, of one number."""
    b = 3 * a
    while b.abs() < 500:
        b = 2 * b
    return b if branch or b > 0 else 10 * b


@wrong(CONTROL, "chapter's f for each", ones_for, True)
def vector_of_numbers(a):
    return torch.stack([f(e) for e in a])


@wrong(CONTROL, "as it needs alone", ones_for, True)
def vector_doubled_by_element(a):
    b = torch.stack([f(e, branch=True) for e in a])
    return b if b.sum() > 0 else 10 * b


@wrong(CONTROL, "begins at a tensor", ones_for, True)
def vector_from_a_new_leaf(a):
    return vector_in_place(a.detach()).requires_grad_()


@wrong(CONTROL, "another computation", ones_for, True)
def vector_doubled_in_its_data(a):
    b = 3 * a
    while b.norm() < 500:
        b.data *= 2
    return b if b.sum() > 0 else 10 * b


@wrong(CONTROL, "Compute a new one", ones_for, True)
def vector_that_was_given(a):
    a.data *= 3
    return vector_as_it_is(a)


@wrong(CONTROL, "any number of elements", ones_for, True)
def vector_of_two_numbers(a):
    x, y = 3 * a
    while (x**2 + y**2).sqrt() < 500:
        x, y = 2 * x, 2 * y
    return torch.stack([x, y]) * (1 if x + y > 0 else 10)


@wrong(CONTROL, "for the whole vector", ones_for, True)
def vector_that_is_one_number(a):
    b = 3 * a
    while b < 500:
        b = 2 * b
    return b if b > 0 else 10 * b


@wrong(CONTROL, "cut the graph", ones_for, True)
def vector_by_numpy(a):
    b = 3 * a.detach().numpy()
    while np.linalg.norm(b) < 500:
        b = 2 * b
    return torch.tensor(b if b.sum() > 0 else 10 * b)


@wrong(CONTROL, "in place", ones_for, True)
def vector_in_place_of_the_leaf(a):
    a *= 3
    while a.norm() < 500:
        a *= 2
    return a if a.sum() > 0 else 10 * a


# 5.3 Slopes without a formula


@right("slopes_without_a_formula")
def slopes_by_func(function, x):
    return vmap(slope_of(function))(x), vmap(slope_of(slope_of(function)))(x)


@right("slopes_without_a_formula")
def slopes_by_backward(function, x):
    x = x.detach().requires_grad_()
    function(x).sum().backward(create_graph=True)
    first, x.grad = x.grad, None
    first.sum().backward()
    return [first.detach().numpy(), x.grad.numpy()]


@right("slopes_without_a_formula")
def slopes_in_single_precision(function, x):
    x = x.detach().float().requires_grad_()
    (first,) = torch.autograd.grad(
        function(x), x, torch.ones_like(x), create_graph=True
    )
    return first, *torch.autograd.grad(first, x, torch.ones_like(x))


@wrong("slopes_without_a_formula", "create_graph")
def slopes_without_create_graph(function, x):
    (first,) = torch.autograd.grad(function(x).sum(), x)
    return first, *torch.autograd.grad(first.sum(), x)


@wrong("slopes_without_a_formula", "of one number: their sum")
def slopes_without_a_sum(function, x):
    (first,) = torch.autograd.grad(function(x), x, create_graph=True)
    return first, *torch.autograd.grad(first, x)


@wrong("slopes_without_a_formula", "sum of both derivatives")
def slopes_that_add_up(function, x):
    function(x).sum().backward(create_graph=True)
    first = x.grad
    first.sum().backward()
    return first, x.grad


@wrong("slopes_without_a_formula", "exact up to rounding")
def slopes_by_differences(function, x, h=1e-4):
    x = x.detach()
    before, here, after = map(function, (x - h, x, x + h))
    return (after - before) / (2 * h), (after - 2 * here + before) / h**2


@wrong("slopes_without_a_formula", "the first comes first")
def slopes_exchanged(function, x):
    return slopes_by_func(function, x)[::-1]


@wrong("slopes_without_a_formula", "first derivative again")
def slopes_that_are_equal(function, x):
    first, _ = slopes_by_func(function, x)
    return first, first


@wrong("slopes_without_a_formula", "whatever the function")
def slopes_of_the_sine(function, x):
    return (x + torch.pi / 2).sin(), -x.sin()


@wrong("slopes_without_a_formula", "differentiate the first")
def slopes_with_a_typed_second(function, x):
    (first,) = torch.autograd.grad(function(x).sum(), x)
    return first, -x.sin()


@wrong("slopes_without_a_formula", "has its own")
def slopes_at_all_points_together(function, x):
    return tuple(map(torch.sum, slopes_by_func(function, x)))


@wrong("slopes_without_a_formula", "the function itself")
def slopes_and_the_function(function, x):
    return function(x), slopes_by_func(function, x)[0]


@wrong("slopes_without_a_formula", "Return two tensors")
def slopes_and_the_function_too(function, x):
    return function(x), *slopes_by_func(function, x)


@wrong("slopes_without_a_formula", "differences of values")
def slopes_by_rounded_differences(function, x):
    return tuple(s.float() for s in slopes_by_differences(function, x))


@wrong("slopes_without_a_formula", "differences of values")
def slopes_by_differences_of_slopes(function, x, h=1e-5):
    def first(x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(function(x).sum(), x)[0]

    second = (first(x + h) - first(x - h)) / (2 * h)
    return first(x), second.float()


@wrong("slopes_without_a_formula", "minus the function")
def slopes_by_the_rule_of_the_sine(function, x):
    return slopes_by_func(function, x)[0], -function(x)


@wrong("slopes_without_a_formula", "number of points")
def slopes_of_the_mean(function, x):
    (first,) = torch.autograd.grad(function(x).mean(), x, create_graph=True)
    return first, *torch.autograd.grad(first.mean(), x)


@wrong("slopes_without_a_formula", "under each of its names")
def slopes_emptied_in_place(function, x):
    function(x).sum().backward(create_graph=True)
    first = x.grad
    x.grad.zero_()
    first.sum().backward()
    return first, x.grad


@wrong("slopes_without_a_formula", "left a gradient")
def slopes_left_behind(function, x):
    function(x).sum().backward(create_graph=True)
    first, x.grad = x.grad, None
    first.sum().backward()
    return first, x.grad


@wrong("slopes_without_a_formula", "returns one, also of one")
def slopes_in_tuples(function, x):
    first = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    return first, torch.autograd.grad(first[0].sum(), x)


@wrong("slopes_without_a_formula", "holds the slope at each")
def slopes_of_the_first_point(function, x):
    (first,) = torch.autograd.grad(function(x)[0], x, create_graph=True)
    return first, *torch.autograd.grad(first.sum(), x)


@wrong("slopes_without_a_formula", "for each point")
def slopes_with_one_dimension_more(function, x):
    return tuple(slope[:, None] for slope in slopes_by_func(function, x))


# 5.4 A Jacobian by products


@right("jacobian_by_products", "M")
def jacobian_in_a_batch(function, x):
    y = function(x)
    eye = torch.eye(len(y), dtype=y.dtype)
    return torch.autograd.grad(y, x, eye, is_grads_batched=True)[0]


@right("jacobian_by_products", "m")
def jacobian_by_backward(function, x):
    x = x.detach().requires_grad_()
    rows = []
    for i in range(len(function(x))):
        x.grad = None
        function(x)[i].backward()
        rows.append(x.grad.tolist())
    return rows


@right("jacobian_by_products", "m")
def jacobian_by_vmap(function, x):
    y = function(x)

    def row(weights):
        return torch.autograd.grad(y, x, weights, retain_graph=True)[0]

    return vmap(row)(torch.eye(len(y), dtype=y.dtype))


@right("jacobian_by_products", "m")
def jacobian_by_vjp(function, x):
    y, product = vjp(function, x)
    return torch.stack([product(e)[0] for e in torch.eye(len(y)).to(y)])


@right("jacobian_by_products", " m")
def jacobian_of_sums(function, x):
    y = function(x)
    weights = torch.ones(len(y), len(y)).tril()
    rows = [
        torch.autograd.grad(y, x, v, retain_graph=True)[0] for v in weights
    ]
    J = torch.stack(rows)
    return torch.cat([J[:1], J.diff(dim=0)])


wrong("jacobian_by_products", "How many rows", "n")(jacobian_in_a_batch)
wrong("jacobian_by_products", "How many rows", "n * m")(jacobian_in_a_batch)
wrong("jacobian_by_products", "starter cell", 4)(jacobian_in_a_batch)


@wrong("jacobian_by_products", "torch has built", "m")
def jacobian_by_jacrev(function, x):
    return jacrev(function)(x)


@wrong("jacobian_by_products", "torch has built", "m")
def jacobian_by_functional(function, x):
    return torch.autograd.functional.jacobian(function, x)


@wrong("jacobian_by_products", "torch has built", "m")
def jacobian_beside_the_products(function, x):
    jacobian_in_a_batch(function, x)
    return jacfwd(function)(x)


@wrong("jacobian_by_products", "no products of `grad`", "m")
def jacobian_by_differences(function, x, h=1e-6):
    columns = [
        (function(x + h * e) - function(x - h * e)) / (2 * h)
        for e in torch.eye(len(x))
    ]
    return torch.stack(columns, dim=1).float()


@wrong("jacobian_by_products", "whatever the function", "m")
def jacobian_of_softmax(function, x):
    return jacobian_in_a_batch(lambda x: torch.softmax(x, 0), x)


@wrong("jacobian_by_products", "takes x, and nothing else", "m")
def jacobian_with_a_dimension(function, x):
    return jacobian_in_a_batch(lambda x: function(x, dim=0), x)


@wrong("jacobian_by_products", "takes x, and nothing else", "m")
def jacobian_with_a_number(function, x):
    return jacobian_in_a_batch(lambda x: function(x, 0), x)


@wrong("jacobian_by_products", "the weights are 1", "m")
def jacobian_of_equal_rows(function, x):
    return jacobian_by_one_call(function, x).expand(len(function(x)), -1)


@wrong("jacobian_by_products", "a row for each output", "m")
def jacobian_with_a_row_for_each_input(function, x):
    J = jacobian_in_a_batch(function, x)
    return J[: len(x)]


@wrong("jacobian_by_products", "here of one tensor", "m")
def jacobian_of_tuples(function, x):
    y = function(x)
    eye = torch.eye(len(y))
    return [torch.autograd.grad(y, x, v, retain_graph=True) for v in eye]


@wrong("jacobian_by_products", "here fewer", "m")
def jacobian_of_four_elements(function, x):
    y = function(x)
    rows = [
        torch.autograd.grad(y[i], x, retain_graph=True)[0] for i in range(4)
    ]
    return torch.stack(rows)


@wrong("jacobian_by_products", "anew for each row", "m")
def jacobian_of_a_freed_graph(function, x):
    y = function(x)
    eye = torch.eye(len(y))
    return torch.stack([torch.autograd.grad(y, x, v)[0] for v in eye])


@wrong("jacobian_by_products", "don't fit the output", "m")
def jacobian_of_four_outputs(function, x):
    y = function(x)
    rows = [
        torch.autograd.grad(y, x, v, retain_graph=True)[0]
        for v in torch.eye(4)
    ]
    return torch.stack(rows)


@wrong("jacobian_by_products", "exchanged", "m")
def jacobian_by_columns(function, x):
    return jacobian_in_a_batch(function, x).T


@wrong("jacobian_by_products", "added up", "m")
def jacobian_by_one_call(function, x):
    y = function(x)
    return torch.autograd.grad(y, x, torch.ones_like(y))[0]


@wrong("jacobian_by_products", "adds to `grad`", "m")
def jacobian_that_adds_up(function, x):
    rows = []
    for i in range(len(function(x))):
        function(x)[i].backward()
        rows.append(x.grad.clone())
    return torch.stack(rows)


@wrong("jacobian_by_products", "Stack the rows", "m")
def jacobian_in_a_line(function, x):
    return torch.cat(list(jacobian_in_a_batch(function, x)))


@wrong("jacobian_by_products", "one tensor", "m")
def jacobian_in_a_list(function, x):
    return list(jacobian_in_a_batch(function, x))


@wrong("jacobian_by_products", "It takes as many calls", "m")
def jacobian_that_is_square(function, x):
    y = function(x)
    rows = [
        torch.autograd.grad(y, x, v, retain_graph=True)[0]
        for v in torch.eye(len(x))
    ]
    return torch.stack(rows)


@wrong("jacobian_by_products", "Stack the rows", "m")
def jacobian_squeezed(function, x):
    return jacobian_in_a_batch(function, x).squeeze()


@wrong("jacobian_by_products", "a 1 in place i", "m")
def jacobian_of_the_diagonal(function, x):
    return torch.diag(jacobian_by_one_call(function, x))


# 5.5 What second derivatives cost


@right("what_second_derivatives_cost", "more and more")
def count_recursively(value, u, times=3):
    here = [len(graph_of(value).nodes)]
    if not times:
        return here
    (slope,) = torch.autograd.grad(value, u, create_graph=True)
    return here + count_recursively(slope, u, times - 1)


@right("what_second_derivatives_cost", " More and more ")
def count_without_graph_of(value, u):
    counts = {}
    for order in range(4):
        seen, waiting = set(), [value.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is not None and node not in seen:
                seen.add(node)
                waiting += [source for source, _ in node.next_functions]
        counts[order] = len(seen)
        (value,) = torch.autograd.grad(value, u, create_graph=True)
    return counts


@right("what_second_derivatives_cost", "more and more")
def count_by_backward(value, u):
    counts = [len(graph_of(value))]
    for _ in range(3):
        value.backward(create_graph=True)
        value, u.grad = u.grad, None
        counts.append(len(graph_of(value)))
    return tuple(counts)


@wrong("what_second_derivatives_cost", "derivative before it", "more and more")
def count_one_function(value, u):
    v = u.detach().requires_grad_()
    return count_recursively(v.sin().exp(), v)


wrong("what_second_derivatives_cost", "product rule", "the same number")(
    count_recursively
)
wrong("what_second_derivatives_cost", "product rule", "fewer and fewer")(
    count_recursively
)
wrong("what_second_derivatives_cost", "starter cell", "more")(
    count_recursively
)
MORE = "more and more"


@wrong("what_second_derivatives_cost", "create_graph", MORE)
def count_without_create_graph(value, u):
    counts = [len(graph_of(value))]
    for _ in range(3):
        (value,) = torch.autograd.grad(value, u, retain_graph=True)
        counts.append(len(graph_of(value)))
    return counts


@wrong("what_second_derivatives_cost", "create_graph", MORE)
def count_with_a_last_one_unrecorded(value, u):
    counts = [len(graph_of(value))]
    for order in range(3):
        (value,) = torch.autograd.grad(value, u, create_graph=order < 2)
        counts.append(len(graph_of(value)))
    return counts


@wrong("what_second_derivatives_cost", "derivative before it", MORE)
def count_what_backward_adds_up(value, u):
    counts = [len(graph_of(value))]
    for _ in range(3):
        value.backward(create_graph=True)
        value = u.grad
        counts.append(len(graph_of(value)))
    u.grad = None
    return counts


@wrong("what_second_derivatives_cost", "third derivative is missing", MORE)
def count_to_the_second(value, u):
    return count_recursively(value, u, 2)


@wrong("what_second_derivatives_cost", "The value itself", MORE)
def count_from_the_first(value, u):
    return count_recursively(value, u)[1:]


@wrong("what_second_derivatives_cost", "The leaf is a node", MORE)
def count_operations(value, u):
    return [count - 1 for count in count_recursively(value, u)]


@wrong("what_second_derivatives_cost", "These are the edges", MORE)
def count_edges(value, u):
    counts = []
    for _ in range(4):
        counts.append(graph_of(value).number_of_edges())
        (value,) = torch.autograd.grad(value, u, create_graph=True)
    return counts


@wrong("what_second_derivatives_cost", "a tuple, of one", MORE)
def count_tuples(value, u):
    counts = [len(graph_of(value))]
    for _ in range(3):
        value = torch.autograd.grad(value, u, create_graph=True)
        counts.append(len(graph_of(value)))
    return counts


@wrong("what_second_derivatives_cost", "can't be counted", MORE)
def count_without_a_graph_of_the_sum(value, u):
    counts = [len(graph_of(value))]
    for _ in range(3):
        (value,) = torch.autograd.grad(value, u)
        value.requires_grad_(value.grad_fn is not None)
        counts.append(1)
    return counts


@wrong("what_second_derivatives_cost", "the last that is asked", MORE)
def count_to_the_fourth(value, u):
    return count_recursively(value, u, 4)


@wrong("what_second_derivatives_cost", "first derivative, three", MORE)
def count_the_first_again(value, u):
    value, first, *_ = count_recursively(value, u)
    return [value, first, first, first]


@wrong("what_second_derivatives_cost", "those before it", MORE)
def count_all_so_far(value, u):
    return np.cumsum(count_recursively(value, u))


@wrong("what_second_derivatives_cost", "nodes that are added", MORE)
def count_what_is_added(value, u):
    return np.diff(count_recursively(value, u), prepend=0)


@wrong("what_second_derivatives_cost", "These aren't the nodes", MORE)
def count_each_way(value, u):
    def ways(node):
        return 1 + sum(ways(n) for n, _ in node.next_functions if n)

    counts = [ways(value.grad_fn)]
    for _ in range(3):
        (value,) = torch.autograd.grad(value, u, create_graph=True)
        counts.append(ways(value.grad_fn))
    return counts


@wrong("what_second_derivatives_cost", "four times", MORE)
def count_the_value_again(value, u):
    return [len(graph_of(value))] * 4


# 5.6 A function of your own


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        return torch.round(X)

    @staticmethod
    def backward(ctx, grad):
        return grad


SLOPES = {"true": 0, "claimed": 1}
FACTS = (SLOPES, False, {"torch.round": False, "StraightRound.apply": True})
right("function_of_your_own", *FACTS)(Straight)


@right("function_of_your_own", {"true": 0.0, "claimed": 1.0}, *FACTS[1:])
class StraightBySetup(torch.autograd.Function):
    @staticmethod
    def forward(X):
        return (X + 0.5).floor()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.shape = output.shape

    @staticmethod
    def backward(ctx, gradient):
        return gradient.clone().reshape(ctx.shape)


@wrong("function_of_your_own", "cuts the fraction off", *FACTS)
class StraightTrunc(Straight):
    @staticmethod
    def forward(ctx, X):
        return X.int().float()


@wrong("function_of_your_own", "rounds down", *FACTS)
class StraightFloor(Straight):
    @staticmethod
    def forward(ctx, X):
        return X.floor()


@wrong("function_of_your_own", "Nothing is rounded", *FACTS)
class StraightNothing(Straight):
    @staticmethod
    def forward(ctx, X):
        X.round()
        return X.clone()


@wrong("function_of_your_own", "keep its fraction", *FACTS)
class StraightInPlace(Straight):
    @staticmethod
    def forward(ctx, X):
        return X.round_()


@wrong("function_of_your_own", "nearest whole number", *FACTS)
class StraightToTenths(Straight):
    @staticmethod
    def forward(ctx, X):
        return X.round(decimals=1) + 0.1


@wrong("function_of_your_own", "It is a static method", *FACTS)
class StraightWithSelf(torch.autograd.Function):
    def forward(self, ctx, X):
        return X.round()

    def backward(self, ctx, grad):
        return grad


@wrong("function_of_your_own", "the function claims", *FACTS)
class StraightOnes(Straight):
    @staticmethod
    def backward(ctx, grad):
        return torch.ones_like(grad)


@wrong("function_of_your_own", "true gradient", *FACTS)
class StraightZeros(Straight):
    @staticmethod
    def backward(ctx, grad):
        return 0 * grad


@wrong("function_of_your_own", "is rounded, too", *FACTS)
class StraightBothWays(Straight):
    @staticmethod
    def backward(ctx, grad):
        return grad.round()


@wrong("function_of_your_own", "no part in it", *FACTS)
class StraightTimesInput(Straight):
    @staticmethod
    def forward(ctx, X):
        ctx.save_for_backward(X)
        return X.round()

    @staticmethod
    def backward(ctx, grad):
        (X,) = ctx.saved_tensors
        return grad * X


@wrong("function_of_your_own", "X gets no gradient", *FACTS)
class StraightWithoutReturn(Straight):
    @staticmethod
    def backward(ctx, grad):
        grad.clone()


@wrong("function_of_your_own", "isn't the one that went in", *FACTS)
class StraightHalved(Straight):
    @staticmethod
    def backward(ctx, grad):
        return grad / 2


@wrong("function_of_your_own", "one gradient for each", *FACTS)
class StraightWithTwoGradients(Straight):
    @staticmethod
    def backward(ctx, grad):
        return grad, grad


@wrong("function_of_your_own", "of any shape", *FACTS)
class StraightOverNumbers(Straight):
    @staticmethod
    def forward(ctx, X):
        return torch.tensor([round(x.item()) for x in X]).to(X)


@wrong("function_of_your_own", "of any shape", *FACTS)
class StraightOfLines(Straight):
    @staticmethod
    def forward(ctx, X):
        return X.round().flatten() if X.dim() else X.round()


@wrong("function_of_your_own", "another shape", *FACTS)
class StraightAddedUp(Straight):
    @staticmethod
    def backward(ctx, grad):
        return grad.sum()


@wrong("function_of_your_own", "without limits", *FACTS)
class StraightBetweenTens(Straight):
    @staticmethod
    def forward(ctx, X):
        return X.round().clamp(-10, 10)


@wrong("function_of_your_own", "without limits", *FACTS)
class StraightClipped(Straight):
    @staticmethod
    def backward(ctx, grad):
        return grad.clamp(-100, 100)


@wrong("function_of_your_own", "without limits", *FACTS)
class StraightNearZero(Straight):
    @staticmethod
    def forward(ctx, X):
        ctx.save_for_backward(X)
        return X.round()

    @staticmethod
    def backward(ctx, grad):
        (X,) = ctx.saved_tensors
        return grad * (X.abs() < 10)


@wrong("function_of_your_own", "data type changes", *FACTS)
class StraightSingle(Straight):
    @staticmethod
    def forward(ctx, X):
        return X.round().float()


@wrong("function_of_your_own", "for integers", *FACTS)
class StraightIntegers(Straight):
    @staticmethod
    def forward(ctx, X):
        return X.round().long()


@wrong("function_of_your_own", "others may need it", *FACTS)
class StraightOnTheSpot(Straight):
    @staticmethod
    def backward(ctx, grad):
        grad *= 2
        return grad / 2


@wrong("function_of_your_own", "no `backward` yet", *FACTS)
class StraightOneWay(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        return X.round()


@wrong("function_of_your_own", "gradient for each input", *FACTS)
class StraightWithoutContext(Straight):
    @staticmethod
    def backward(grad):
        return grad


@wrong("function_of_your_own", "only it calls", *FACTS)
class StraightByAnotherWay(Straight):
    @classmethod
    def apply(cls, X):
        return X + (X.round() - X).detach()


@wrong("function_of_your_own", "of any shape", *FACTS)
class StraightOfOneLineBack(Straight):
    @staticmethod
    def backward(ctx, grad):
        return grad.flatten()


wrong("function_of_your_own", "flat", {**SLOPES, "true": 1}, *FACTS[1:])(
    Straight
)
wrong("function_of_your_own", "flat", {**SLOPES, "true": inf}, *FACTS[1:])(
    Straight
)
wrong("function_of_your_own", "claims", {**SLOPES, "claimed": 0}, *FACTS[1:])(
    Straight
)
wrong("function_of_your_own", "small changes", SLOPES, True, FACTS[2])(
    Straight
)
wrong(
    "function_of_your_own", "is a number", {**SLOPES, "true": None}, *FACTS[1:]
)(Straight)
wrong(
    "function_of_your_own",
    "without quotes",
    {**SLOPES, "true": "0"},
    *FACTS[1:],
)(Straight)
wrong(
    "function_of_your_own",
    "Which gradient comes",
    SLOPES,
    False,
    {"torch.round": True, "StraightRound.apply": True},
)(Straight)
wrong(
    "function_of_your_own",
    "passed on to w",
    SLOPES,
    False,
    {"torch.round": False, "StraightRound.apply": False},
)(Straight)


# 5.7 The leaf that got lost

LEAVES = {"double": False, "float": True, "cpu": True, "cuda": False}


@right("leaf_that_got_lost", "ones", LEAVES)
def leaf_by_dtype():
    return torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)


@right("leaf_that_got_lost", "Ones", LEAVES)
def leaf_of_the_lost_one():
    t = torch.ones(2, requires_grad=True).double().detach()
    return torch.nn.Parameter(t)


def leaves(**changes):
    return {**LEAVES, **changes}


LOST = "leaf_that_got_lost"
wrong(LOST, "where the graph ends", "t", LEAVES)(leaf_by_dtype)
wrong(LOST, "starter cell", "t.grad", LEAVES)(leaf_by_dtype)
wrong(LOST, "take a new tensor", "ones", leaves(double=True))(leaf_by_dtype)
wrong(LOST, "Nothing is left", "ones", leaves(float=False))(leaf_by_dtype)
wrong(LOST, "Nothing is left", "ones", leaves(cpu=False))(leaf_by_dtype)
wrong(LOST, "take a new tensor", "ones", leaves(cuda=True))(leaf_by_dtype)


@wrong(LOST, "ask for the gradient last", "ones", LEAVES)
def leaf_that_is_lost():
    return torch.ones(2, requires_grad=True).double()


@wrong(LOST, "makes no leaf", "ones", LEAVES)
def leaf_that_retains():
    t = torch.ones(2, requires_grad=True).double()
    t.retain_grad()
    return t


@wrong(LOST, "gets none", "ones", LEAVES)
def leaf_that_asks_for_nothing():
    return torch.ones(2).double()


@wrong(LOST, "gets none", "ones", LEAVES)
def leaf_that_is_detached():
    return torch.ones(2, requires_grad=True).double().detach()


@wrong(LOST, "what earlier calls", "ones", LEAVES)
def leaf_that_is_the_same(kept=leaf_by_dtype()):  # noqa: B008
    return kept


@wrong(LOST, "what earlier calls", "ones", LEAVES)
def leaf_that_is_used(kept=leaf_by_dtype()):  # noqa: B008
    kept.sum().backward()
    return kept


@wrong(LOST, "a gradient already", "ones", LEAVES)
def leaf_with_a_gradient():
    t = leaf_by_dtype()
    t.sum().backward()
    return t


@wrong(LOST, "stays out of every graph", "ones", LEAVES)
def leaf_of_inference():
    with torch.inference_mode():
        return leaf_by_dtype()


@wrong(LOST, "64 bits", "ones", LEAVES)
def leaf_in_single_precision():
    return torch.ones(2, requires_grad=True)


@wrong(LOST, "two ones", "ones", LEAVES)
def leaf_that_is_not_returned():
    t = torch.ones(2).double()
    t.requires_grad_()


# 5.8 A log that grows

NODES = {1: 4, 2: 7, 100: 301}


@right("log_that_grows", NODES)
def train_by_sgd(loss_of, steps):
    net = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(net.weight)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    log = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss_of(net.weight)
        value.backward()
        optimizer.step()
        log.append(value.item())
    return net.weight, np.mean(log)


@right("log_that_grows", NODES)
def train_by_grad(loss_of, steps):
    w, total = torch.zeros(()), torch.zeros((), dtype=torch.double)
    for _ in range(steps):
        w = w.detach().requires_grad_()
        loss = loss_of(w)
        total += loss.detach()
        w = w - 0.1 * torch.autograd.grad(loss, w)[0]
    return [w.item(), total / steps]


def training(log, zero=True, lr=0.1, step=True, mean=True, loss_alone=False):
    def answer(loss_of, steps):
        w = torch.tensor(0.0, requires_grad=True)
        total = 0
        for _ in range(steps):
            loss = loss_of(w)
            if zero:
                w.grad = None
            loss.backward()
            with torch.no_grad():
                w -= lr * w.grad * step
            total = log(loss) + (0 if loss_alone else total)
        return w, total / steps if mean else total

    answer.__name__ = "train_wrong"
    return answer


def item(loss):
    return loss.item()


def itself(loss):
    return loss


GROWS = "log_that_grows"
right(GROWS, NODES)(training(torch.detach))
wrong(GROWS, "keeps a loss with its graph", NODES)(training(itself))
wrong(GROWS, "keeps a loss with its graph", NODES)(training(torch.clone))
wrong(GROWS, "add up in", NODES)(training(item, zero=False))
wrong(GROWS, "has not moved", NODES)(training(item, step=False))
wrong(GROWS, "starter cell has it", [4, 7, 301])(train_by_sgd)
wrong(GROWS, "subtracts 0.1", NODES)(training(item, lr=0.2))
wrong(GROWS, "sum of the losses.", NODES)(training(item, mean=False))
wrong(GROWS, "last step", NODES)(training(item, mean=False, loss_alone=True))
wrong(GROWS, "each from before", NODES)(training(item, loss_alone=True))
wrong(GROWS, "each operation is a node", {**NODES, 1: 3})(train_by_grad)
wrong(GROWS, "The leaf is the same", {**NODES, 2: 8})(train_by_grad)
wrong(GROWS, "Each step adds", {**NODES, 100: 300})(train_by_grad)


@wrong(GROWS, "keeps a loss with its graph", NODES)
def train_with_a_number_at_the_end(loss_of, steps):
    w, total = training(itself)(loss_of, steps)
    return w.item(), total.item()


@wrong(GROWS, "keeps a loss with its graph", NODES)
def train_with_a_list(loss_of, steps):
    losses = []

    def kept(loss):
        losses.append(loss)
        return loss.item()

    return training(kept)(loss_of, steps)


@right(GROWS, NODES)
def train_a_network(loss_of, steps):
    net = torch.nn.Linear(1, 1, bias=False, dtype=torch.double)
    torch.nn.init.zeros_(net.weight)
    total = torch.zeros((), dtype=torch.double)
    for _ in range(steps):
        loss = loss_of(net(torch.ones(1, dtype=torch.double)))
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            net.weight -= 0.1 * net.weight.grad
            total = total + loss
    return net.weight.detach(), total / steps


@wrong(GROWS, "is no leaf", NODES)
def train_with_a_lost_leaf(loss_of, steps):
    w, total = torch.tensor(0.0, requires_grad=True), 0
    for _ in range(steps):
        loss = loss_of(w)
        loss.backward()
        w = w - 0.1 * w.grad
        total += loss.item()
    return w, total / steps


@wrong(GROWS, "all steps before it", NODES)
def train_with_a_history(loss_of, steps):
    w, total = torch.tensor(0.0, requires_grad=True), 0
    for _ in range(steps):
        loss = loss_of(w)
        w = w - 0.1 * torch.autograd.grad(loss, w, retain_graph=True)[0]
        total += loss.item()
    return w, total / steps


@right(GROWS, NODES)
def train_by_func(loss_of, steps):
    w, total = torch.zeros(()), 0.0
    for _ in range(steps):
        slope, loss = torch.func.grad_and_value(loss_of)(w)
        w, total = w - 0.1 * slope, total + loss.item()
    return w, total / steps


@wrong(GROWS, "Call it once in each", NODES)
def train_with_a_call_for_the_log(loss_of, steps):
    w, log = torch.zeros((), requires_grad=True), []
    for _ in range(steps):
        log.append(float(loss_of(w.detach())))
        w.grad = None
        loss_of(w).backward()
        w.data -= 0.1 * w.grad
    return w, sum(log) / len(log)


@wrong(GROWS, "Call it once in each", NODES)
def train_for_the_loss_after_the_step(loss_of, steps):
    w, total = torch.zeros((), requires_grad=True), 0
    for _ in range(steps):
        w.grad = None
        loss_of(w).backward()
        w.data -= 0.1 * w.grad
        total += loss_of(w.detach()).item()
    return w, total / steps


@wrong(GROWS, "as often as `steps` says", NODES)
def train_for_a_hundred_steps(loss_of, steps):
    return training(item)(loss_of, 100)


@wrong(GROWS, "as often as `steps` says", NODES)
def train_until_it_is_good(loss_of, steps):
    w, total = torch.zeros((), requires_grad=True), 0
    for _ in range(steps):
        loss = loss_of(w)
        w.grad = None
        loss.backward()
        w.data -= 0.1 * w.grad
        total += loss.item()
        if loss < 1e-6:
            break
    return w, total / steps


@wrong(GROWS, "keeps a loss with its graph", NODES)
def train_with_a_log_cut_now_and_then(loss_of, steps):
    w, total = torch.zeros((), requires_grad=True), 0
    for step in range(steps):
        loss = loss_of(w)
        w.grad = None
        loss.backward()
        w.data -= 0.1 * w.grad
        total = total + loss
        if step % 2:
            total = total.detach()
    return w, total.detach() / steps


@wrong(GROWS, "the mean: w comes first", NODES)
def train_turned_round(loss_of, steps):
    return training(item)(loss_of, steps)[::-1]


@wrong(GROWS, "noted too early", NODES)
def train_with_an_old_weight(loss_of, steps):
    w, total = torch.zeros((), requires_grad=True), 0
    for _ in range(steps):
        loss = loss_of(w)
        w.grad = None
        loss.backward()
        before = w.item()
        w.data -= 0.1 * w.grad
        total += loss.item()
    return before, total / steps


@wrong(GROWS, "refuses to record", NODES)
def train_in_the_open(loss_of, steps):
    w, total = torch.zeros((), requires_grad=True), 0
    for _ in range(steps):
        loss = loss_of(w)
        loss.backward()
        w -= 0.1 * w.grad
        total += loss.item()
    return w, total / steps


def square(w):
    return (w - 3) ** 2


@wrong(GROWS, "Another loss may be given", NODES)
def train_by_a_loss_of_its_own(loss_of, steps):
    return training(itself)(square, steps)


@wrong(GROWS, "Another loss may be given", NODES)
def train_beside_the_loss(loss_of, steps):
    return training(lambda loss: (loss_of(torch.zeros(())), loss.item())[1])(
        square, steps
    )


@wrong(GROWS, "Another loss may be given", NODES)
def train_by_slopes_of_its_own(loss_of, steps):
    w, total = 0.0, 0.0
    for _ in range(steps):
        total += loss_of(torch.tensor(w)).item()
        w -= 0.1 * 2 * (w - 3)
    return w, total / steps


@wrong(GROWS, "Another loss may be given", NODES)
def train_with_a_log_of_its_own(loss_of, steps):
    w, total = torch.tensor(0.0, requires_grad=True), 0
    for _ in range(steps):
        w.grad = None
        loss_of(w).backward()
        total = total + (w.detach() - 3) ** 2
        w.data -= 0.1 * w.grad
    return w, total / steps


@wrong(GROWS, "Return two values", NODES)
def train_for_the_mean_alone(loss_of, steps):
    return training(item)(loss_of, steps)[1]


@wrong(GROWS, "Return two values", NODES)
def train_and_answer_in_words(loss_of, steps):
    w, mean = training(item)(loss_of, steps)
    return w, f"the mean is {mean}"
