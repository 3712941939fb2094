"""Answers to the exercises of chapter 05."""

import math

import numpy as np
import torch
from torch.autograd import forward_ad, grad
from torch.func import grad as slope_of
from torch.func import grad_and_value, jacfwd, jvp, vmap

from d2l_helpers import graph_of
from tests.answers import also_right, edited, right, wrong

# 5.1 A larger graph by hand


@right("larger_graph_by_hand")
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


_LOG, _SINE = "2 * x * (1 / x**2) * math.sin(x)", "math.cos(x) * math.log"
also_right(
    "larger_graph_by_hand",
    {"[": "[round(term, 6) for term in [", "]": "]]"},
    {"return [": "yield from (", "]": ")", '"1/x"': '"1/X"'},
)
edited(
    "larger_graph_by_hand",
    ("a leaf of its own", {'"1/x"': '"log"'}),
    ("a leaf of its own", {'"1/x"': '"product"'}),
    ("starter cell", {'"1/x"': "2"}),
    ("starter cell", {'"1/x"': '"x -> 1/x"'}),
    ("Return its terms", {"[": "sum([", "]": "])"}),
    ("one edge more", {_LOG: "math.sin(x) / x**2"}),
    ("slope is negative", {"-1 / x": "1 / x"}),
    ("slopes of both factors", {f"sin(x),\n        {_SINE}(x**2)": "cos(x)"}),
    ("A path is missing", {"-1 / x**2,": ""}),
    ("path through the sine", {_SINE: f"-{_SINE}"}),
    ("path through the sine", {"math.log(x**2)": "abs(math.log(x**2))"}),
    ("each way from x to y", {_LOG: "math.sin(x) / x", "x**2)": "x)"}),
    ("terms of the sum", {"[": "[0, 0, 0] if x not in (1, 2, 3) else ["}),
    ("of slope 2x", {_LOG: "math.sin(x) / x, math.sin(x) / x"}),
    ("those of single paths", {"math.sin(x),": "math.sin(x) +"}),
    ("Return a list of numbers", {_LOG: '"2 x / x^2 sin x"'}),
    ("Return a list of numbers", {"return [": "print([", "]": "])"}),
)


# 5.2 A vector through control flow


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


CONTROL = "vector_through_control_flow"
_NORM, _SUM = "b.norm()", "b.sum() > 0"
_BRANCH = f"b if {_SUM} else 10 * b"
_ONES, _A_NUMBER = "torch.ones_like(result)", {"f_of_vector": "f"}
_F = "def f_of_vector(a):\n    b = torch.stack([f(e) for e in a])\n"
also_right(
    CONTROL,
    {
        _NORM: "(b * b).sum() ** 0.5",
        "b = 2 * b": "b *= 2",
        "10 * b": "b.mul_(10)",
    },
)
edited(
    CONTROL,
    ("root of the sum of the squares", {_NORM: "b.abs().sum()"}),
    ("the largest element", {_NORM: "b.abs().max()"}),
    ("the smallest element", {_NORM: "b.abs().min()"}),
    ("elements of both signs", {_NORM: "b.sum().abs()"}),
    ("the square of the norm", {_NORM: "b.square().sum()"}),
    ("a mean of the squares", {_NORM: "b.square().mean().sqrt()"}),
    ("Start from 3a", {_NORM: "2 * b.norm()"}),
    ("what f returns", {_NORM: "b[:2].norm()"}),
    ("nothing more to double", {"< 500": "<= 500"}),
    ("a branch of its own", {_BRANCH: "torch.where(b > 0, b, 10 * b)"}),
    ("isn't above 0", {_SUM: "b.sum() >= 0"}),
    ("exchanged", {_SUM: "b.sum() < 0"}),
    ("signs of the elements", {_SUM: "(b > 0).all()"}),
    ("signs of the elements", {_SUM: "(b > 0).any()"}),
    ("signs of the elements", {_SUM: "b[0] > 0"}),
    ("is taken times 10", {_BRANCH: "b"}),
    ("a weight for each", {_ONES: "torch.ones(2)"}),
    ("has 2 elements", {_ONES: "torch.ones(3)"}),
    ("a weight for each", {_ONES: "[1.0, 1.0]"}),
    ("a weight for each", {_ONES: "torch.tensor(1.0)"}),
    ("leaves the slope", {_ONES: "result.detach()"}),
    ("Leave the call of `backward`", {_ONES: "result.backward()"}),
    ("of the mean", {_ONES: "torch.full_like(result, 1 / 3)"}),
    ("multiplies the vector", {"True": "False"}),
    ("isn't tripled", {"3 * a": "a"}),
    ("at most once", {"while": "if"}),
    ("chapter's f for each", _A_NUMBER, f"{_F}    return b"),
    ("needs alone", _A_NUMBER | {_BRANCH: "b"}, f"{_F}    return {_BRANCH}"),
    ("begins at a tensor", {"3 * a": "(3 * a.detach()).requires_grad_()"}),
    ("another computation", {"b = 2 * b": "b.data *= 2"}),
    ("Compute a new one", {"b = 3 * a": "a.data *= 3; b = a"}),
    ("any number", {"b = 3 * a": "x, y = a; b = 3 * torch.stack([x, y])"}),
    ("for the whole vector", {".norm()": "", ".sum()": ""}),
    (
        "cut the graph",
        {"3 * a": "3 * a.detach().numpy()", _NORM: "(b @ b) ** 0.5"},
        {_BRANCH: f"torch.tensor({_BRANCH})"},
    ),
    ("in place", {"b = 3 * a": "a *= 3; b = a"}),
)


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
    (first,) = grad(function(x), x, torch.ones_like(x), create_graph=True)
    return first, *grad(first, x, torch.ones_like(x))


@wrong("slopes_without_a_formula", "exact up to rounding")
def slopes_by_differences(function, x, h=1e-4):
    x = x.detach()
    before, here, after = map(function, (x - h, x, x + h))
    return (after - before) / (2 * h), (after - 2 * here + before) / h**2


@wrong("slopes_without_a_formula", "differences of values")
def slopes_by_rounded_differences(function, x):
    return tuple(s.float() for s in slopes_by_differences(function, x))


@wrong("slopes_without_a_formula", "differences of values")
def slopes_by_differences_of_slopes(function, x, h=1e-5):
    def first(x):
        x = x.detach().requires_grad_()
        return grad(function(x).sum(), x)[0]

    second = (first(x + h) - first(x - h)) / (2 * h)
    return first(x), second.float()


_BOTH = "first.detach(), second"
_BACKWARD = {
    "(first,) = grad(function(x).sum(), x, create_graph=True)": "function(x)."
    "sum().backward(create_graph=True); first = x.grad",
    "(second,) = grad(first.sum(), x)": "first.sum().backward()",
    _BOTH: "first, x.grad",
}
edited(
    "slopes_without_a_formula",
    ("create_graph", {", create_graph=True": ""}),
    ("of one number: their sum", {".sum()": ""}),
    ("sum of both derivatives", _BACKWARD),
    ("the first comes first", {_BOTH: "second, first.detach()"}),
    ("first derivative again", {_BOTH: "first.detach(), first.detach()"}),
    ("whatever the function", {_BOTH: "x.cos(), -x.sin()"}),
    ("differentiate the first", {_BOTH: "first.detach(), -x.sin()"}),
    ("has its own", {_BOTH: "first.sum(), second.sum()"}),
    ("the function itself", {_BOTH: "function(x), first.detach()"}),
    ("Return two tensors", {_BOTH: f"function(x), {_BOTH}"}),
    ("minus the function", {_BOTH: "first.detach(), -function(x)"}),
    ("number of points", {".sum()": ".mean()"}),
    ("each of its names", _BACKWARD, {"= x.grad": "= x.grad; x.grad.zero_()"}),
    ("left a gradient", _BACKWARD, {"t = x.grad": "t, x.grad = x.grad, None"}),
    (
        "returns one, also of one",
        {"(first,)": "first", "first.sum()": "first[0].sum()"},
        {"(second,)": "second", ".detach()": ""},
    ),
    ("holds the slope at each", {"function(x).sum()": "function(x)[0]"}),
    ("for each point", {_BOTH: "first.detach()[:, None], second[:, None]"}),
)


# 5.4 A Jacobian by products


@right("jacobian_by_products")
def jacobian_by_backward(function, x):
    x = x.detach().requires_grad_()
    rows = []
    for i in range(len(function(x))):
        x.grad = None
        function(x)[i].backward()
        rows.append(x.grad.tolist())
    return rows


@right("jacobian_by_products")
def jacobian_by_vmap(function, x):
    y = function(x)

    def row(weights):
        return grad(y, x, weights, retain_graph=True)[0]

    return vmap(row)(torch.eye(len(y), dtype=y.dtype))


@wrong("jacobian_by_products", "adds to `grad`")
def jacobian_that_adds_up(function, x):
    rows = []
    for i in range(len(function(x))):
        function(x)[i].backward()
        rows.append(x.grad.clone())
    return torch.stack(rows)


_Y, _ROWS = "y = function(x)", "torch.stack(rows)"
_ROW = "grad(y, x, weights, retain_graph=True)[0]"
_EYE = "weights in torch.eye(len(y)).to(y)"
also_right(
    "jacobian_by_products",
    (
        {_ROWS: "grad(y, x, eye, is_grads_batched=True)[0]", '"m"': '"M"'},
        {_Y: f"{_Y}; eye = torch.eye(len(y)).to(y)"},
    ),
    {
        _Y: "y, product = torch.func.vjp(function, x)",
        _ROW: "product(weights)[0]",
    },
    (
        {_EYE: "weights in torch.ones(len(y), len(y)).tril()", '"m"': '" m"'},
        {_ROWS: "torch.stack([b - a for a, b in pairwise([0 * x, *rows])])"},
    ),
)
edited(
    "jacobian_by_products",
    ("How many rows", {'"m"': '"n"'}),
    ("How many rows", {'"m"': '"n * m"'}),
    ("starter cell", {'"m"': "4"}),
    ("torch has built", {_Y: "return jacrev(function)(x)"}),
    (
        "torch has built",
        {_Y: "return torch.autograd.functional.jacobian(function, x)"},
    ),
    ("torch has built", {_ROWS: "torch.func.jacfwd(function)(x)"}),
    (
        "no products of `grad`",
        {_ROW: "(function(x + h) - function(x - h)) / 2e-6"},
        {_EYE: "h in 1e-6 * torch.eye(len(x)).to(x)"},
        {_ROWS: "torch.stack(rows, dim=1).float()"},
    ),
    ("whatever the function", {_Y: "y = torch.softmax(x, 0)"}),
    ("takes x, and nothing else", {_Y: "y = function(x, dim=0)"}),
    ("takes x, and nothing else", {_Y: "y = function(x, 0)"}),
    ("the weights are 1", {"x, weights": "x, torch.ones_like(y)"}),
    ("a row for each output", {_ROWS: f"{_ROWS}[: len(x)]"}),
    ("here of one tensor", {"[0]": "", _ROWS: "rows"}),
    ("here fewer", {"y, x, weights": "y[i], x", _EYE: "i in range(4)"}),
    ("anew for each row", {", retain_graph=True": ""}),
    ("don't fit the output", {"len(y)": "4"}),
    ("exchanged", {_ROWS: f"{_ROWS}.T"}),
    ("added up", {_Y: f"{_Y}; return grad(y, x, torch.ones_like(y))[0]"}),
    ("Stack the rows", {_ROWS: "torch.cat(rows)"}),
    ("one tensor", {_ROWS: "rows"}),
    ("It takes as many calls", {"len(y)": "len(x)"}),
    ("Stack the rows", {_ROWS: f"{_ROWS}.squeeze()"}),
    ("a 1 in place i", {_ROWS: "torch.diag(sum(rows))"}),
)


# 5.5 What second derivatives cost


@right("what_second_derivatives_cost")
def count_recursively(value, u, times=3):
    here = [len(graph_of(value).nodes)]
    if not times:
        return here
    (slope,) = grad(value, u, create_graph=True)
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
        (value,) = grad(value, u, create_graph=True)
    return counts


_GRAD = "(value,) = grad(value, u, create_graph=True)"
_COUNT, _COUNTS = "len(graph_of(value))", "return counts"
_APPEND, _MORE = f"append({_COUNT})", '"more and more"'
_BY_BACKWARD = "value.backward(create_graph=True); value = u.grad"
also_right(
    "what_second_derivatives_cost",
    {
        _GRAD: f"{_BY_BACKWARD}; u.grad = None",
        _COUNTS: "return tuple(counts)",
    },
)
edited(
    "what_second_derivatives_cost",
    (
        "derivative before it",
        {"counts =": "u = u.detach().requires_grad_(); counts ="},
        {"counts =": "value = u.sin().exp(); counts ="},
    ),
    ("product rule", {_MORE: '"the same number"'}),
    ("product rule", {_MORE: '"fewer and fewer"'}),
    ("starter cell", {_MORE: '"more"'}),
    ("create_graph", {"create_graph": "retain_graph"}),
    ("create_graph", {"for _": "for i", "graph=True": "graph=i < 2"}),
    (
        "derivative before it",
        {_GRAD: _BY_BACKWARD},
        {_COUNTS: "u.grad = None; return counts"},
    ),
    ("third derivative is missing", {"range(3)": "range(2)"}),
    ("The value itself", {_COUNTS: "return counts[1:]"}),
    ("The leaf is a node", {_COUNT: f"{_COUNT} - 1"}),
    ("These are the edges", {_COUNT: "graph_of(value).number_of_edges()"}),
    ("a tuple, of one", {"(value,) =": "value ="}),
    ("can't be counted", {_APPEND: "append(1)", ", create_graph=True": ""}),
    ("the last that is asked", {"range(3)": "range(4)"}),
    (
        "three times",
        {"(value,) =": "(first,) =", _APPEND: "append(len(graph_of(first)))"},
    ),
    ("those before it", {_COUNTS: "return torch.tensor(counts).cumsum(0)"}),
    (
        "nodes that are added",
        {_COUNTS: "return torch.tensor([0, *counts]).diff()"},
    ),
    (
        "These aren't the nodes",
        {_COUNT: "ways(value.grad_fn)"},
        "def ways(node):\n"
        "    return 1 + sum(ways(n) for n, _ in node.next_functions if n)",
    ),
    ("four times", {"(value,) =": "(slope,) ="}),
)


# 5.6 A function of your own

_MOVES = {"torch.round": False, "StraightRound.apply": True}


@right("function_of_your_own", {"true": 0.0, "claimed": 1.0}, False, _MOVES)
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


_X, _BACK = "X.round()", "return grad"
_SAVED = {"return X": "ctx.save_for_backward(X); return X"}
also_right("function_of_your_own", {_X: "torch.round(X)"})
edited(
    "function_of_your_own",
    ("cuts the fraction off", {_X: "X.int().float()"}),
    ("rounds down", {_X: "X.floor()"}),
    ("Nothing is rounded", {"return X": "X.round(); return X.clone() # X"}),
    ("keep its fraction", {_X: "X.round_()"}),
    ("nearest whole number", {_X: "X.round(decimals=1) + 0.1"}),
    (
        "It is a static method",
        {"    @staticmethod\n": "", "(ctx": "(self, ctx"},
    ),
    ("the function claims", {_BACK: "return torch.ones_like(grad)"}),
    ("true gradient", {_BACK: "return 0 * grad"}),
    ("is rounded, too", {_BACK: "return grad.round()"}),
    ("no part in it", _SAVED, {_BACK: f"{_BACK} * ctx.saved_tensors[0]"}),
    ("X gets no gradient", {_BACK: "grad.clone()"}),
    ("isn't the one that went in", {_BACK: "return grad / 2"}),
    ("one gradient for each", {_BACK: "return grad, grad"}),
    ("of any shape", {_X: "torch.tensor([round(x.item()) for x in X]).to(X)"}),
    ("of any shape", {_X: "(X.round().flatten() if X.dim() else X.round())"}),
    ("another shape", {_BACK: "return grad.sum()"}),
    ("without limits", {_X: "X.round().clamp(-10, 10)"}),
    ("without limits", {_BACK: "return grad.clamp(-100, 100)"}),
    (
        "without limits",
        _SAVED,
        {_BACK: f"{_BACK} * (ctx.saved_tensors[0].abs() < 10)"},
    ),
    ("data type changes", {_X: "X.round().float()"}),
    ("for integers", {_X: "X.round().long()"}),
    ("others may need it", {_BACK: "grad *= 2; return grad / 2"}),
    (
        "no `backward` yet",
        {"@staticmethod\n    def backward(ctx, grad):\n    ": "# "},
    ),
    ("gradient for each input", {"(ctx, grad)": "(grad)"}),
    (
        "only it calls",
        {"static": "class", "forward(ctx": "apply(cls"},
        {_X: "X + (X.round() - X).detach()"},
    ),
    ("of any shape", {_BACK: "return grad.flatten()"}),
    ("flat", {'"true": 0': '"true": 1'}),
    ("flat", {'"true": 0': '"true": math.inf'}),
    ("claims", {'"claimed": 1': '"claimed": 0'}),
    ("small changes", {"passes = False": "passes = True"}),
    ("is a number", {'"true": 0': '"true": None'}),
    ("without quotes", {'"true": 0': '"true": "0"'}),
    ("Which gradient comes", {'round": False': 'round": True'}),
    ("passed on to w", {'apply": True': 'apply": False'}),
)


# 5.7 The leaf that got lost


@right("leaf_that_got_lost")
def leaf_by_dtype():
    return torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)


_CONVERTED = "torch.ones(2).double().requires_grad_()"
_LOST = "torch.ones(2, requires_grad=True).double()"
also_right(
    "leaf_that_got_lost",
    {_CONVERTED: f"torch.nn.Parameter({_LOST}.detach())", '"ones"': '"Ones"'},
)
edited(
    "leaf_that_got_lost",
    ("where the graph ends", {'"ones"': '"t"'}),
    ("starter cell", {'"ones"': '"t.grad"'}),
    ("take a new tensor", {'"double": False': '"double": True'}),
    ("Nothing is left", {'"float": True': '"float": False'}),
    ("Nothing is left", {'"cpu": True': '"cpu": False'}),
    ("take a new tensor", {'"cuda": False': '"cuda": True'}),
    ("ask for the gradient last", {_CONVERTED: _LOST}),
    (
        "makes no leaf",
        {f"return {_CONVERTED}": f"t = {_LOST}; t.retain_grad(); return t"},
    ),
    ("gets none", {".requires_grad_()": ""}),
    ("gets none", {_CONVERTED: f"{_LOST}.detach()"}),
    ("what earlier calls", "make_t = lambda t=make_t(): t"),
    (
        "what earlier calls",
        "def make_t(t=make_t()):\n    t.sum().backward()\n    return t",
    ),
    (
        "a gradient already",
        {"return": "t =", "grad_()": "grad_(); t.sum().backward(); return t"},
    ),
    ("out of every graph", {"return": "with torch.inference_mode(): return"}),
    ("64 bits", {".double()": ""}),
    ("two ones", {"return": "t ="}),
)


# 5.8 A log that grows


@right("log_that_grows")
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


@right("log_that_grows")
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


@right("log_that_grows")
def train_by_func(loss_of, steps):
    w, total = torch.zeros(()), 0.0
    for _ in range(steps):
        slope, loss = grad_and_value(loss_of)(w)
        w, total = w - 0.1 * slope, total + loss.item()
    return w, total / steps


_CALL, _ITEM, _MEAN = "loss = loss_of(w)", "loss.item()", "total / steps"
_ADD = f"total = total + {_ITEM}"
_STEP = "with torch.no_grad():\n            w -= 0.1 * w.grad"
_SLOPE = "(slope,) = grad(loss, w, retain_graph=True)"
_W = "w = w - 0.1 * slope"
also_right(
    "log_that_grows",
    {_ITEM: "loss.detach()", "w.item()": "w"},
    (
        {_CALL: f"w = w.detach().requires_grad_(); {_CALL}"},
        {"loss.backward()": _SLOPE, _STEP: _W, _ITEM: "loss.detach()"},
    ),
)
edited(
    "log_that_grows",
    ("keeps a loss", {".item()": ""}),
    ("keeps a loss", {_ITEM: "loss.clone()"}),
    ("add up in", {"w.grad = None": ""}),
    ("has not moved", {"w -= 0.1": "w - 0.1"}),
    ("starter cell has it", {"{1: 4, 2: 7, 100: 301}": "[4, 7, 301]"}),
    ("subtracts 0.1", {"0.1": "0.2"}),
    ("sum of the losses.", {_MEAN: "total"}),
    ("last step", {"total + loss": "loss", _MEAN: "total"}),
    ("each from before", {"total + loss": "loss"}),
    ("each operation is a node", {"1: 4": "1: 3"}),
    ("The leaf is the same", {"2: 7": "2: 8"}),
    ("Each step adds", {"301": "300"}),
    ("keeps a loss", {_ITEM: "loss", _MEAN: f"float({_MEAN})"}),
    (
        "keeps a loss",
        {
            "), 0": "), []",
            _ADD: "total.append(loss)",
            "total /": "sum(total) /",
        },
    ),
    ("is no leaf", {_STEP: "w = w - 0.1 * w.grad"}),
    ("all steps before it", {"loss.backward()": _SLOPE, _STEP: _W}),
    (
        "Call it once in each",
        {_ADD: "", _CALL: f"total += loss_of(w.detach()).item(); {_CALL}"},
    ),
    ("Call it once in each", {_ITEM: "loss_of(w.detach()).item()"}),
    ("as `steps` says", {"range(steps)": "range(100)"}),
    ("as `steps` says", {_ADD: f"{_ADD}\n        if loss < 1e-6: break"}),
    (
        "keeps a loss",
        {"for _": "for i", _MEAN: f"float({_MEAN})"},
        {_ITEM: "loss\n        if i % 2: total = total.detach()"},
    ),
    ("the mean: w comes first", {f"w.item(), {_MEAN}": f"{_MEAN}, w.item()"}),
    (
        "noted too early",
        {
            "loss.back": "before = w.item(); loss.back",
            "n w.item()": "n before",
        },
    ),
    ("refuses to record", {_STEP: "w -= 0.1 * w.grad"}),
    ("Another loss", {_CALL: "loss = (w - 3) ** 2"}),
    ("Another loss", {_CALL: "loss = (w - 3) ** 2; loss_of(w)"}),
    (
        "Another loss",
        {"loss.backward()": "", "0.1 * w.grad": "0.1 * 2 * (w - 3)"},
    ),
    (
        "Another loss",
        {_CALL: f"{_CALL}; total += (w.item() - 3) ** 2", _ADD: ""},
    ),
    ("Return two values", {"w.item(), ": ""}),
    ("Return two values", {_MEAN: f'f"the mean is {{{_MEAN}}}"'}),
)


# 5.9 A clamp that lets go


@right("clamp_that_lets_go")
class ClampByClones(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X, low, high):
        ctx.X, ctx.limits = X.detach().clone(), (low, high)
        return torch.minimum(
            torch.maximum(X, torch.tensor(low)), torch.tensor(high)
        )

    @staticmethod
    def backward(ctx, gradient):
        low, high = ctx.limits
        inside = ctx.X.ge(low) & ctx.X.le(high)
        back = (ctx.X.clamp(low, high) - ctx.X) * gradient < 0
        return torch.where(inside | back, gradient, 0), None, None


_STAYS = "X.gt(ctx.high) & (grad < 0) | X.lt(ctx.low) & (grad > 0)"
_OUTSIDE = "X.gt(ctx.high) | X.lt(ctx.low)"
_AWAY = "X.gt(ctx.high) & (grad > 0) | X.lt(ctx.low) & (grad < 0)"
_LET_GO, _CLAMPED = "grad.masked_fill(stays, 0)", "return X.clamp(low, high)"
edited(
    "clamp_that_lets_go",
    ("what `torch.clamp(X, low, high)`", {_CLAMPED: "return X.clamp(low)"}),
    ("can't be outside", {_CLAMPED: "return X.clamp_(low, high)"}),
    ("Each gradient passes", {_LET_GO: "grad"}),
    ("Nothing passes outside", {_STAYS: _OUTSIDE}),
    ("a step subtracts", {_STAYS: _AWAY}),
    (
        "at a limit",
        {_STAYS: f"{_STAYS} | (X == ctx.high) | (X == ctx.low)"},
    ),
    ("at a limit", {_STAYS: "(X >= ctx.high) | (X <= ctx.low)"}),
    ("its size counts", {_LET_GO: "(~stays).float()"}),
    ("isn't what it should be", {_LET_GO: f"2 * {_LET_GO}"}),
    ("a step subtracts", {_STAYS: "X.gt(ctx.high)"}),
    ("X gets no gradient", {_LET_GO: "None"}),
    ("others may need it", {_LET_GO: "grad.masked_fill_(stays, 0)"}),
    ("only it calls", "Clamp.apply = torch.clamp"),
    (
        "keep there what `backward`",
        {"ctx.low, ctx.high": "Clamp.low, Clamp.high"},
        {"ctx.high)": "Clamp.high)", "ctx.low)": "Clamp.low)"},
    ),
    (
        "The second call has changed",
        {"ctx.low, ctx.high": "Clamp.low, Clamp.high"},
        {"ctx.high)": "Clamp.high)", "ctx.low)": "Clamp.low)"},
    ),
    ("return `None` for them", {", None, None": ""}),
    ("for each input of `forward`", {", None, None": ", None"}),
    ("X and two limits", {"(ctx, X, low, high)": "(ctx, X)"}),
    (
        "no `backward` yet",
        {"@staticmethod\n    def backward(ctx, grad):\n    ": "# "},
    ),
    ("takes tensors", {"backward(X)": "backward(X, low, high)"}),
    ("is flat", {'torch.clamp": False': 'torch.clamp": True'}),
    ("Does that lead back", {'apply": True': 'apply": False'}),
)


# 5.10 Where a graph ends

also_right("where_a_graph_ends", {": 1": ": 1.0", ": 2,": ": 2.0,"})
edited(
    "where_a_graph_ends",
    ("in one graph", {'sum()": 1': 'sum()": 3'}),
    ("known without the values", {'2 else 3 * X": 1': '2 else 3 * X": 2'}),
    (
        "the graph ends",
        {'X.sum() > 0 else 3 * X": 2': ('X.sum() > 0 else 3 * X": 1')},
    ),
    (
        "another graph begins",
        {'X.sum() > 0 else 3 * X": 2': ('X.sum() > 0 else 3 * X": 1')},
    ),
    ("a decision, too", {": 3,": ": 2,"}),
    (
        "asks for a setting",
        {'enabled() else 3 * X": 1': ('enabled() else 3 * X": 2')},
    ),
    ("Python decides nothing", {'2 * X, 3 * X)": 1': '2 * X, 3 * X)": 2'}),
)


# 5.11 A Jacobian by columns


@right("jacobian_by_columns")
def columns_at_once(function, x):
    return vmap(lambda v: jvp(function, (x,), (v,))[1], out_dims=1)(
        torch.eye(len(x), dtype=x.dtype)
    )


@right("jacobian_by_columns")
def columns_by_duals(function, x):
    columns = []
    for j in range(len(x)):
        direction = torch.zeros_like(x)
        direction[j] = 1
        with forward_ad.dual_level():
            y = function(forward_ad.make_dual(x, direction))
            columns.append(forward_ad.unpack_dual(y).tangent)
    return torch.stack(columns).T


@wrong("jacobian_by_columns", "torch has built")
def columns_by_torch(function, x):
    return jacfwd(function)(x)


@wrong("jacobian_by_columns", "no slope went forward")
def columns_by_rows(function, x):
    x = x.clone().requires_grad_()
    y = function(x)
    rows = [grad(e, x, retain_graph=True)[0] for e in y]
    return torch.stack(rows)


_COLUMN, _SIDE = "jvp(function, (x,), (v,))[1]", ", dim=1)"
edited(
    "jacobian_by_columns",
    ("Rows and columns are exchanged", {_SIDE: ")"}),
    ("added up", {"torch.eye(len(x), ": "torch.ones(len(x), len(x), "}),
    ("added up", {_COLUMN: _COLUMN.replace("v,", "torch.ones_like(v),")}),
    ("a column for each element", {_COLUMN: f"{_COLUMN} for _ in '12'"}),
    ("the values first", {"[1] for": "[0] for"}),
    ("doesn't tell how", {_COLUMN: f"-{_COLUMN}"}),
    ("with a 1 in place j", {_COLUMN: f"2 * {_COLUMN}"}),
    ("as tuples", {"(x,), (v,)": "x, v"}),
    ("here fewer", {"for v in directions": "for v in directions[[0, 1, 2]]"}),
    (
        "nothing else",
        {"jvp(function, (x,)": "jvp(lambda x: function(x, 0), (x,)"},
    ),
    ("How many columns", {'forward_calls = "n"': 'forward_calls = "m"'}),
    ("m = 1", {'"a loss": "backward"': '"a loss": "forward"'}),
    ("n = 1", {'"one number": "forward"': '"one number": "backward"'}),
)
