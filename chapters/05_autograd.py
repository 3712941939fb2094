# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,translates,-all
#     comment_magics: false
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Follow gradients through the graph
#
# PyTorch finds the derivatives of what you compute, because it keeps a graph
# of it. Here you work through such a graph by hand, and find the same one
# behind a tensor.
#
# **You will learn** to
#
# - compute a gradient as a sum over the paths of a graph;
# - read and draw the graph that PyTorch keeps;
# - call `backward` twice, and zero the gradients in time;
# - differentiate what isn't a scalar, and code with loops and branches;
# - choose between `no_grad`, `detach`, `inference_mode` and
#   `requires_grad_(False)`;
# - tell a dynamic graph from a static one, compile and export it;
# - write and check a backward computation.
#
# **In the book:** section 2.5,
# [Automatic Differentiation](https://d2l.ai/chapter_preliminaries/autograd.html)
# (中文版 2.5,
# [自动微分](https://zh.d2l.ai/chapter_preliminaries/autograd.html)).
#
# **You need** the chain rule and chapter 01,
# [Build networks from blocks](01_blocks.ipynb). The cells take about ten
# seconds on a CPU, and use a GPU where there is one.

# %% [markdown]
# The first cell imports what the chapter uses and chooses the device.

# %%
import io
import logging
import math
import warnings
from contextlib import redirect_stderr
from itertools import pairwise
from statistics import median
from timeit import timeit

import networkx as nx
import torch
from matplotlib import pyplot as plt
from torch import fx, nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, FixedHiddenMLP, draw_graph, graph_of, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# ## A graph by hand
#
# The computation is $y = (x_1 + w)(x_2 + w)$, in three operations.
# `requires_grad=True` tells autograd, the part of PyTorch that differentiates,
# to follow what is done with a tensor.

# %%
x1 = torch.tensor(2.0, requires_grad=True)
w = torch.tensor(1.0, requires_grad=True)
x2 = torch.tensor(5.0, requires_grad=True)
a, b = x1 + w, x2 + w
y = a * b
y.item()

# %% [markdown]
# In its graph, each node is a value, and an edge leads from a value to one
# that is computed from it. Each edge has a *slope*, the partial derivative:
# how fast the second value changes with the first. For a sum it is 1. For the
# product $ab$ it is the other factor. The dictionary has an entry for each
# edge. `nx.DiGraph` makes a graph of its keys.

# %%
slopes = {
    ("x1", "a"): 1,
    ("w", "a"): 1,
    ("w", "b"): 1,
    ("x2", "b"): 1,
    ("a", "y"): b.item(),
    ("b", "y"): a.item(),
}
hand = nx.DiGraph(slopes.keys())

# %% [markdown]
# The next function draws the graph. (You may skip its lines.)


# %%
def draw_by_hand():
    places = {"x1": (0, 2), "w": (0, 1), "x2": (0, 0)}
    places |= {"a": (1, 1.5), "b": (1, 0.5), "y": (2, 1)}
    texts = {"x1": "$x_1$\n2", "w": "$w$\n1", "x2": "$x_2$\n5"}
    texts |= {"a": "$a$\n3", "b": "$b$\n6", "y": "$y$\n18"}
    nodes = {"node_color": "white", "edgecolors": "C0", "node_size": 1200}
    marks = {edge: f"{slope:g}" for edge, slope in slopes.items()}
    _, ax = plt.subplots(figsize=(6, 3))
    ax.axis("off")
    ax.margins(0.12)
    nx.draw_networkx(hand, places, labels=texts, font_size=9, **nodes)
    nx.draw_networkx_edge_labels(hand, places, marks, font_color="C1")


# %% [markdown]
# In how many ways can you go from `w` to `y`?

# %% tags=["look"] mystnb={"image": {"alt": "A graph from left to right. Each node shows a name and a value. Edges marked 1 lead from x1, 2, and w, 1, to a, 3, and from w and x2, 5, to b, 6. An edge marked 6 leads from a to y, 18, and an edge marked 3 from b to y."}}
draw_by_hand()
plt.show()

# %% [markdown]
# There are two, through $a$ and through $b$. Along a path, the slopes
# multiply; that is the chain rule. A change of `w` reaches `y` along both
# paths, so their products add up. (`pairwise(p)` gives the edges of a path.)

# %%
paths = list(nx.all_simple_paths(hand, "w", "y"))
products = [math.prod(slopes[edge] for edge in pairwise(p)) for p in paths]
for path, product in zip(paths, products, strict=True):
    print(" -> ".join(path), product)
sum(products)

# %% [markdown]
# `backward` finds the same number, without a list of paths: it goes through
# the graph once, from the end back, and adds up at each node what arrives
# there. The result is in `grad`. (The cell first empties the three `grad`, so
# that you can run it again.)

# %%
x1.grad = w.grad = x2.grad = None
((x1 + w) * (x2 + w)).backward()
assert w.grad == sum(products)
x1.grad.item(), w.grad.item(), x2.grad.item()

# %% [markdown]
# ## The graph that PyTorch keeps
#
# `w`, which you made, is a *leaf*. `y`, which was computed from it, has a
# `grad_fn`, the operation that will carry a gradient back.

# %%
assert w.is_leaf and w.grad_fn is None
assert not y.is_leaf
a.grad_fn.name(), y.grad_fn.name()

# %% [markdown]
# `next_functions` holds a pair for each input: the operation that made it, and
# a number, 0 if the input was its first result. Where do the two pairs of `y`
# lead?

# %%
(to_a, _), (to_b, _) = y.grad_fn.next_functions
assert to_a is a.grad_fn and to_b is b.grad_fn
to_a.name(), to_b.name()

# %% [markdown]
# They lead to the two sums. No operation made a leaf: in its place stands a
# node that adds what arrives to the leaf's `grad`. Its `variable` is the leaf.
# In both sums, `w` is the second input. Do they share one node for it?

# %%
w_from_a = a.grad_fn.next_functions[1][0]
w_from_b = b.grad_fn.next_functions[1][0]
assert w_from_a is w_from_b
assert w_from_a.variable is w
type(w_from_a).__name__

# %% [markdown]
# They share one, and there the two paths meet. `draw_graph` follows
# `next_functions` from a tensor back to the leaves. What differs from the
# graph by hand?

# %% tags=["look"] mystnb={"image": {"alt": "A graph from left to right, with three orange boxes at the left: x1, w and x2. Lines lead from x1 and w to a blue box, AddBackward0, and from w and x2 to another AddBackward0. From both, lines lead to the blue box MulBackward0 at the right."}}
draw_graph(y, {"x1": x1, "w": w, "x2": x2})
plt.show()

# %% [markdown]
# The paths are the same. But the nodes are operations, in blue, and leaves, in
# orange. The edges carry no slopes: each operation keeps the values that it
# needs to multiply by its slopes in `backward`.

# %% [markdown]
# ### What the graph keeps
#
# A product keeps its factors, as references and not as copies.

# %%
p = torch.tensor([2.0, 3.0], requires_grad=True)
square = p * p
assert square.grad_fn._saved_self is p

# %% [markdown]
# > **Pitfall.** If a factor is changed in place before `backward`, the slope
# > is that of other numbers.
#
# Against this, a tensor counts its edits in `_version`, and an operation notes
# the count of what it keeps. (Here `no_grad` allows the edit, and the hint of
# the error isn't printed.)

# %%
p = torch.tensor([2.0, 3.0], requires_grad=True)
square = p * p
with torch.no_grad():
    p *= 10
try:
    square.sum().backward()
except RuntimeError as error:
    print(str(error).partition(" Hint")[0])
p._version

# %% [markdown]
# An edit through `p.data` isn't counted: [chapter
# 02](02_parameters.ipynb#cell-id=write-values-safely) shows the wrong gradient
# that follows. A sum keeps no values, so that an edit does no harm.

# %%
p = torch.tensor([2.0, 3.0], requires_grad=True)
plus = (p + 1).sum()
with torch.no_grad():
    p *= 10
plus.backward()
p.grad.tolist()

# %% [markdown]
# ## The gradient of a loss
#
# Here are a linear layer with three outputs, $z = xW + b$, and a *loss
# function* for three yes-or-no questions. The outputs are *logits*: scores that
# can be any numbers. The *sigmoid*, $\sigma(z) = 1 / (1 + e^{-z})$, turns a
# logit into a probability of "yes". *Binary cross entropy* is minus the logarithm of the
# probability that the right answer gets, here a mean over the three. PyTorch's
# function takes logits, and applies the sigmoid itself.
#
# `x @ weight` is the product of the vector and the matrix. `requires_grad_`
# comes after the move, so that the moved tensor is the leaf.

# %%
torch.manual_seed(0)
x, target = torch.ones(5).to(device), torch.zeros(3).to(device)
weight = torch.randn(5, 3).to(device).requires_grad_()
bias = torch.randn(3).to(device).requires_grad_()


def forward():
    z = x @ weight + bias  # (5,), (5, 3) -> (3,)
    return z, F.binary_cross_entropy_with_logits(z, target)


# %% [markdown]
# Four tensors go in. How many leaves will the graph have?

# %% mystnb={"image": {"alt": "A graph from left to right. From the orange box weight, a line leads through two blue boxes, for the product and for a squeeze, to AddBackward0. From the orange box bias, a line leads to AddBackward0 as well. From there, one line leads to BinaryCrossEntropyWithLogitsBackward0."}}
z, loss = forward()
print("z:", z.grad_fn.name())
print("loss:", loss.grad_fn.name())
draw_graph(loss, {"weight": weight, "bias": bias})
plt.show()

# %% [markdown]
# It has two leaves. `x` and `target` need no gradient, so they aren't in it.
# For the product, PyTorch makes `x` a matrix, and squeezes the result to a
# vector. The whole loss, with sigmoid and logarithm, is one operation.
#
# The gradient of the bias should be $(\sigma(z) - \mathrm{target}) / 3$, and
# that of row $i$ of the weight $x_i$ times as much.

# %%
weight.grad = bias.grad = None
_, loss_fresh = forward()
loss_fresh.backward()
delta = (z.sigmoid() - target).detach() / 3
assert_close(bias.grad, delta)
assert_close(weight.grad, torch.outer(x, delta))  # (5,), (3,) -> (5, 3)

# %% [markdown]
# ## Backward twice
#
# What happens if `backward` runs twice on one graph?

# %% tags=["raises-exception"]
_, loss_once = forward()
loss_once.backward()
loss_once.backward()

# %% [markdown]
# The first run frees the values that the operations kept. A sum keeps none:
# its slope is 1. Is there an error here?

# %%
start = torch.tensor(1.0, requires_grad=True)
plus_one = start + 1
plus_one.backward()
plus_one.backward()
start.grad.item()

# %% [markdown]
# There is no error, and the gradient 1 was added twice.
#
# With `retain_graph=True`, `backward` keeps the values. What will stand in
# `bias.grad` after three runs?

# %%
bias.grad = None
_, loss_kept = forward()
for _ in range(3):
    loss_kept.backward(retain_graph=True)
assert_close(bias.grad, 3 * delta)

# %% [markdown]
# It holds three times the gradient: `backward` adds to `grad`, and leaves it
# to you to empty it.

# %% [markdown]
# ### Take a step
#
# > **Pitfall.** A training step changes a parameter in place. Autograd refuses
# > to record this: computed from its old value, the parameter would no longer
# > be a leaf.

# %% tags=["raises-exception"]
parameter = torch.ones(3, requires_grad=True)
parameter -= 0.1

# %% [markdown]
# Under `no_grad`, nothing is recorded and the edit is allowed. This function
# goes down $t^2$, from $t = 1$, in 60 steps.


# %%
def descend(zero):
    t = torch.tensor(1.0, requires_grad=True)
    track = []
    for _ in range(60):
        if zero:
            t.grad = None
        (t * t).backward()
        with torch.no_grad():
            t -= 0.1 * t.grad
        track.append(t.item())
    return track


# %% [markdown]
# > **Pitfall.** A loop that forgets to zero the gradients steps along the sum
# > of all gradients so far. No error is raised.
#
# Which loop will come to rest at the minimum, 0?

# %% mystnb={"image": {"alt": "Two curves of t against the step, from 1 to 60. The blue one, gradients zeroed, falls from 0.8 towards 0 and is flat at 0 after about 20 steps. The orange one, never zeroed, swings between about 1 and -1 to the end, where it has been near each of them four times, and doesn't get smaller."}}
zeroed, forgetful = descend(zero=True), descend(zero=False)
assert max(map(abs, zeroed[-20:])) < 0.001
assert max(map(abs, forgetful[-20:])) > 0.9
steps = range(1, 61)
plt.plot(steps, zeroed, label="zeroed in each step")
plt.plot(steps, forgetful, label="never zeroed")
plt.xlabel("step")
plt.ylabel("$t$")
plt.figlegend(loc="outside upper center", ncols=2)
plt.show()

# %% [markdown]
# The loop that zeroes does. The other passes 0 again and again, since old
# gradients are still added. `optimizer.zero_grad()` sets each `grad` to
# `None`, as here.

# %% [markdown]
# ## An output that isn't a scalar
#
# Each element $e$ of this matrix becomes $(e + 1)^2$.

# %%
E = torch.eye(5, device=device, requires_grad=True)
out = (E + 1) ** 2  # (5, 5) -> (5, 5)
out[0].tolist()

# %% [markdown]
# Which of the 25 elements should `backward` differentiate?

# %% tags=["raises-exception"]
out.backward()

# %% [markdown]
# `backward` can't know: its argument holds a weight for each element. With
# ones, expect $2(e + 1)$ for each $e$, then twice as much after a second call,
# and the first numbers again after zeroing.

# %%
ones = torch.ones_like(out)
E.grad = None
for _ in range(2):
    out.backward(ones, retain_graph=True)
    print(E.grad[0].tolist())
E.grad = None
out.backward(ones, retain_graph=True)
assert_close(E.grad, 2 * (torch.eye(5, device=device) + 1))
print(E.grad[0].tolist())

# %% [markdown]
# With weights $v$, `backward` differentiates the scalar
# $\sum_{ij} v_{ij}\, \mathrm{out}_{ij}$. So does `torch.autograd.grad`, but it
# returns a tuple of gradients and leaves `grad` alone.

# %%
torch.manual_seed(0)
v = torch.rand(5, 5).to(device)
(direct,) = torch.autograd.grad(out, E, v, retain_graph=True)
(by_sum,) = torch.autograd.grad((v * out).sum(), E, retain_graph=True)
assert_close(direct, by_sum)

# %% [markdown]
# The complete derivative, of each output with respect to each input, is the
# *Jacobian*. `jacrev` computes it from the function. Which shape will it have,
# and how many elements that aren't 0? (`"ij,ijkl->kl"` of `einsum` is
# $\sum_{ij} v_{ij} J_{ijkl}$.)

# %%
J = torch.func.jacrev(lambda M: (M + 1) ** 2)(E.detach())
assert_close(torch.einsum("ij,ijkl->kl", v, J), direct)
tuple(J.shape), J.count_nonzero().item()

# %% [markdown]
# Of 625 elements 600 are 0, because each output depends on one input.
# `backward` finds the product of $v$ and the Jacobian without building it.

# %% [markdown]
# ## Stop the recording
#
# Four ways stop it, and they differ in their use.
#
# | way | what it stops | use it for |
# |---|---|---|
# | `torch.no_grad()` | recording, in a block of code | editing parameters |
# | `torch.inference_mode()` | the same; what was made in it stays out later, too | evaluation and use of a finished model |
# | `t.detach()` | the way back from one tensor | a value that counts as a constant |
# | `p.requires_grad_(False)` | one leaf's gradient | freezing a parameter |
#
# Under `no_grad`, a result asks for no gradient, and a parameter can be
# edited.

# %%
q = torch.tensor([1.0, 2.0], requires_grad=True)
with torch.no_grad():
    unrecorded = 2 * q
    q += 1
unrecorded.requires_grad, q.requires_grad, q.tolist()

# %% [markdown]
# In inference mode it is the same, and "later, too" means: outside of the
# block, a graph can't keep a tensor that was made in it. A product would have
# to keep it, as the slope for `q`. The result of `no_grad` may be kept.

# %%
with torch.inference_mode():
    inferred = 2 * q
(q * unrecorded).sum().backward()
try:
    (q * inferred).sum()
except RuntimeError as error:
    print(str(error).split(". ")[0])  # advice follows

# %% [markdown]
# `detach` gives the same values without a way back. Let $s = r \odot r$, and
# take the product $s \odot r$, element by element. Its slope is $3r^2$. What is
# left of the slope if $s$ is detached?

# %%
r = torch.arange(4.0, requires_grad=True)
s = r * r
(full,) = torch.autograd.grad((s * r).sum(), r)
(partial_slope,) = torch.autograd.grad((s.detach() * r).sum(), r)
assert_close(partial_slope, s.detach())
full.tolist(), partial_slope.tolist()

# %% [markdown]
# The constant is left, $s = r^2$.
#
# `requires_grad_(False)` is for parameters, where `no_grad` is for code. The
# difference shows where a frozen layer comes after one that learns. Which of
# the four parameters get a gradient?

# %%
torch.manual_seed(0)
X = torch.rand(2, 20).to(device)
frozen = nn.Sequential(nn.Linear(20, 8), nn.Linear(8, 1)).to(device)
frozen[1].requires_grad_(False)
frozen(X).sum().backward()
[name for name, p in frozen.named_parameters() if p.grad is not None]

# %% [markdown]
# The two of the first layer do: the gradient passes through the frozen one.
# With `no_grad` around the second layer, there is no way back to the first.
# ([Chapter 02](02_parameters.ipynb#cell-id=freeze-a-layer) trains the rest of
# a frozen network.)

# %%
H = frozen[0](X)  # (2, 20) -> (2, 8)
with torch.no_grad():
    blocked = frozen[1](H)  # (2, 8) -> (2, 1)
frozen(X).requires_grad, blocked.requires_grad

# %% [markdown]
# Without recording, a forward computation gives the same numbers.

# %%
torch.manual_seed(0)
torch.set_num_threads(1)
deep = nn.Sequential(*(nn.Linear(20, 20) for _ in range(30))).to(device)
modes = (torch.enable_grad, torch.no_grad, torch.inference_mode)


def forward_in(mode):
    with mode():
        return deep(X).sum().item()  # item waits for a GPU


for mode in modes:
    assert_close(forward_in(mode), deep(X).sum().item())

# %% [markdown]
# Does it take less time? Here are microseconds, medians of five.

# %% tags=["nbval-ignore-output"]
times = {mode.__name__: [] for mode in modes}
for mode in modes * 5:  # in turn, so that other work disturbs all alike
    seconds = timeit("forward_in(mode)", number=100, globals=globals())
    times[mode.__name__].append(1e6 * seconds / 100)
{name: round(median(each)) for name, each in times.items()}

# %% [markdown]
# On the machine that made this page, it took less time.

# %% [markdown]
# ## Follow more gradients
#
# For a vector $r$, the gradient of $2\, r \cdot r$ is $4r$.

# %%
r = torch.arange(4.0, requires_grad=True)
(2 * r.dot(r)).backward()
assert_close(r.grad, 4 * r.detach())
r.grad

# %% [markdown]
# ### Through loops and branches
#
# How often this function doubles, and which branch it takes, depends on `a`.


# %%
def f(a):
    b = 3 * a
    while b.abs() < 500:
        b = 2 * b
    return b if b > 0 else 10 * b


# %% [markdown]
# Whatever way it takes, it multiplies $a$ by some number $k$, and $k$ is the
# slope. So the gradient should be $f(a)/a$. (Leave out $a = 0$: doubling 0
# never ends.)

# %%
for value in (100.0, 1.0, 0.01, -1.0):
    point = torch.tensor(value, requires_grad=True)
    result = f(point)
    result.backward()
    assert_close(point.grad, (result / point).detach())
    print(f"f'({value:g}) = {point.grad.item():g}")

# %% [markdown]
# ### A function and its slope
#
# To get 200 slopes in one call, differentiate the sum of the 200 outputs: each
# depends on one input. Where the function falls, its slope should be below 0.

# %% mystnb={"image": {"alt": "Two curves over x from -4 to 4. The blue one, GELU, is near 0 at the left, dips to about -0.17 near x = -0.75, passes through 0 at x = 0 and then rises almost as a straight line to 4. The orange one, its slope, is near 0 at the left, dips to about -0.13 near x = -1.4, crosses 0 where GELU has its minimum, is 0.5 at x = 0, rises to about 1.13 near x = 1.4 and then sinks to 1."}}
grid = torch.linspace(-4, 4, 200, requires_grad=True)
curve = F.gelu(grid)
curve.sum().backward()
assert (grid.grad[:-1][curve.diff() < 0] < 0).all()  # where it falls
plt.plot(grid.detach(), curve.detach(), label="GELU")
plt.plot(grid.detach(), grid.grad, label="its slope, by autograd")
plt.xlabel("$x$")
plt.grid()
plt.legend()
plt.show()

# %% [markdown]
# ## Dynamic and static graphs
#
# PyTorch's graph is *dynamic*: each call records what it does. `graph_of`
# gives the graph of a tensor as data, and `len` counts its nodes. Which of
# three arguments of `f` needs the most?

# %%
points = [torch.tensor(v, requires_grad=True) for v in (100.0, 1.0, 0.01)]
[len(graph_of(f(point))) for point in points]

# %% [markdown]
# The smallest needs the most: 16 products and the leaf. There is no loop in
# the graph.
#
# A *static* graph is made once, and then serves many calls. `symbolic_trace`
# makes one without data: it runs `forward` once with a *proxy*, an object that
# takes the place of the input and records what is done to it. Which operations
# of the MLP will it list?

# %%
torch.manual_seed(0)
mlp = MLP().to(device)
traced = fx.symbolic_trace(mlp)
assert_close(traced(X), mlp(X))
assert traced(X).requires_grad
for node in traced.graph.nodes:
    print(node.op, node.name)

# %% [markdown]
# It lists the steps forward. What can be read as a whole can also be
# rewritten: here each ReLU becomes a tanh, without a change in the class.

# %%
edited = fx.symbolic_trace(mlp)
for node in edited.graph.nodes:
    if node.target is F.relu:
        node.target = torch.tanh
        node.kwargs = {}  # tanh doesn't take ReLU's inplace=False
edited.recompile()
assert_close(edited(X), mlp.out(mlp.hidden(X).tanh()))

# %% [markdown]
# But a proxy has no value. `FixedHiddenMLP` of chapter 01 halves its output
# until it is small. Can it be traced?

# %% tags=["raises-exception"]
fx.symbolic_trace(FixedHiddenMLP())

# %% [markdown]
# It can't: tracing stops at the first line that asks for a value, to decide
# which way to go. The shape of a proxy has no value either.

# %% [markdown]
# ## Compile what runs
#
# `torch.compile` watches a function as it is called, and makes static graphs
# of it, which a *backend* turns into faster code. Where the function asks for
# a value, a graph ends (a *graph break*), Python decides, and another graph
# begins. The backend below counts the graphs, and runs them as they are: it
# needs no compiler. (Where `torch.compile` doesn't know your Python yet, the
# counts stay 0.)

# %%
graphs = []


def count_graphs(graph, examples):
    graphs.append(graph)
    return graph.forward


def compiled(function):
    torch.compiler.reset()  # forget earlier graphs
    graphs.clear()
    try:
        return torch.compile(function, backend=count_graphs)
    except RuntimeError:
        return function


# %% [markdown]
# How many graphs has this function after a call, after another one, and after
# one that takes the other way?


# %%
def shift(X):
    Y = 2 * X
    return Y + 1 if Y.sum() > 0 else Y - 1


shift_compiled = compiled(shift)
for X_signed in (torch.ones(3), torch.ones(3), -torch.ones(3)):
    assert_close(shift_compiled(X_signed), shift(X_signed))
    print(len(graphs))

# %% [markdown]
# Two, up to the `if` and after it; the same two; and a third for the other
# way. A graph is also made for a shape. How many graphs do four lengths need,
# in five calls?

# %%
doubled = compiled(lambda X: 2 * X)
for n in (3, 3, 4, 5, 6):
    doubled(torch.ones(n))
    print(n, len(graphs))

# %% [markdown]
# At the second length, PyTorch makes one that takes other lengths too, of two
# or more.
#
# > **Pitfall.** A compiled module is a module around yours, and its state dict
# > has other names. Save that of your own. Or compile in place, with the method
# > `compile`: the names stay.

# %%
around = compiled(mlp)
print(next(iter(around.state_dict())))
mlp.compile(backend=count_graphs)
print(next(iter(mlp.state_dict())))

# %% [markdown]
# ### Export one graph
#
# `torch.export` makes one graph of a whole module, from an example input, to
# run elsewhere without your Python: nobody is there to decide an `if` on
# values. `torch.cond` puts both ways into the graph. (You may skip how the
# function keeps PyTorch's report quiet.)


# %%
def export(module, example):
    logging.disable()
    try:
        with redirect_stderr(io.StringIO()):
            return torch.export.export(module, (example,)).module()
    except RuntimeError:
        return None
    finally:
        logging.disable(logging.NOTSET)


# %% [markdown]
# Which of the two can be exported?


# %%
class Shift(nn.Module):
    def forward(self, X):
        return shift(X)


class ShiftByCond(nn.Module):
    def forward(self, X):
        Y = 2 * X
        ways = lambda Y: Y + 1, lambda Y: Y - 1
        return torch.cond(Y.sum() > 0, *ways, (Y,))


print("if:", export(Shift(), torch.ones(3)))
both_ways = export(ShiftByCond(), torch.ones(3))
[both_ways(X_signed).tolist() for X_signed in (torch.ones(3), -torch.ones(3))]

# %% [markdown]
# The one with `torch.cond`: exported with ones, it is right for the other way
# too. An `if` on a shape can be exported: the graph has the way of the
# example. Unless you name a dimension as dynamic, it refuses other shapes.


# %%
class MeanOfMany(nn.Module):
    def forward(self, X):
        return X.mean(dim=0) if X.shape[0] > 1 else X[0]


mean_of_four = export(MeanOfMany(), torch.ones(4, 2))
try:
    mean_of_four(torch.ones(1, 2))
except (RuntimeError, AssertionError):
    print("another shape")

# %% [markdown]
# ## Beyond the first derivative
#
# With `create_graph=True`, the way back is recorded too, and can be
# differentiated. For $u^3$ at $u = 3$, expect $3u^2 = 27$ and $6u = 18$.

# %%
u = torch.tensor(3.0, requires_grad=True)
(first,) = torch.autograd.grad(u**3, u, create_graph=True)
(second,) = torch.autograd.grad(first, u)
first.item(), second.item()

# %% [markdown]
# `backward` starts from one output, and finds its slope for each input.
# *Forward mode* starts from an input, and carries a slope along with each
# value: for one number in and many out, one call of `jvp` (Jacobian times
# vector) is enough. It takes a point and a direction.

# %%
warnings.filterwarnings("ignore", "`torch.jit")  # jvp warns in PyTorch 2.14
turn = torch.tensor(0.5)
values, slopes_forward = torch.func.jvp(
    lambda t: torch.stack([t.cos(), t.sin()]), (turn,), (torch.tensor(1.0),)
)
assert_close(slopes_forward, torch.stack([-turn.sin(), turn.cos()]))
values.tolist(), slopes_forward.tolist()

# %% [markdown]
# ### A backward computation of your own
#
# Sometimes the graph is right and its numbers are not. The function
# $\log(1 + e^x)$ has the slope $\sigma(x)$, which is 0.5 at 0 and, up to
# rounding, 1 at 100. What does autograd say?

# %%
at = torch.tensor([0.0, 100.0], requires_grad=True)
naive = (1 + at.exp()).log()
(slope,) = torch.autograd.grad(naive.sum(), at)
[round(n, 3) for n in naive.tolist()], slope.tolist()

# %% [markdown]
# At 100 it says `nan`: in float32 $e^{100}$ is infinite, and the chain rule
# multiplies 0 by infinity. In an `autograd.Function` you write both ways:
# `forward` computes $\max(x, 0) + \log(1 + e^{-|x|})$, the same number, and
# `backward` multiplies the gradient that arrives by the slope. `ctx` keeps
# what it needs. You call the function through `apply`.


# %%
class Softplus(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        ctx.save_for_backward(X)
        return X.clamp(min=0) + (-X.abs()).exp().log1p()

    @staticmethod
    def backward(ctx, grad):
        (X,) = ctx.saved_tensors
        return grad * X.sigmoid()


stable = Softplus.apply(at)
(slope_stable,) = torch.autograd.grad(stable.sum(), at)
[round(s, 3) for s in stable.tolist()], slope_stable.tolist()

# %% [markdown]
# A `backward` that you wrote can be wrong without an error. `gradcheck`
# ([chapter 03](03_custom_layers.ipynb#cell-id=check-a-layer)) compares it, in
# double precision, with slopes from small changes of the input. The second
# function below is a square with one factor detached. Which one passes?

# %%
torch.manual_seed(0)
numbers = torch.randn(10, dtype=torch.float64, requires_grad=True)
for checked in (Softplus.apply, lambda t: t.detach() * t):
    print(torch.autograd.gradcheck(checked, numbers, raise_exception=False))

# %% [markdown]
# Softplus passes. For the square, autograd gives $t$, and the small changes
# give $2t$.

# %% [markdown]
# ## Summary
#
# - A gradient is a sum over paths of the product of the slopes along each.
#   `backward` computes it in one pass.
# - `grad_fn` is the operation behind a tensor; `next_functions` lead on to the
#   leaves. Inputs that need no gradient aren't in the graph.
# - `backward` frees what the graph kept: a second one fails where a kept value
#   is needed. It adds to `grad`: zero the gradients in each step.
# - For an output that isn't a scalar, `backward` takes weights.
# - The graph keeps references to the values that it needs. `backward` refuses
#   a kept value that was edited in place.
# - `no_grad` for editing parameters, `inference_mode` for evaluation, `detach`
#   for a constant, `requires_grad_(False)` for freezing.
# - The graph is that of one call. A static graph can be read and rewritten,
#   but `symbolic_trace` refuses an `if` or `while` on a tensor's values.
# - `torch.compile` makes several graphs where there is an `if` on values, and
#   another for a second shape. `torch.export` makes one: it refuses the `if`,
#   and takes `torch.cond`.
# - Forward mode carries the slopes of one input to all outputs.
# - An `autograd.Function` replaces a gradient; check it with `gradcheck`.

# %% [markdown]
# ## Exercises
#
# Write your answer in the place of each `...`, run the cell, and run the check
# below it. A check tells what is missing, with a case that fails, and changes
# nothing of yours. A check needs the cells before it: after a break, select it
# and choose *Run*, *Run All Above Selected Cell*. The worked solutions are on
# [a page of their own](solutions/05_autograd.ipynb).

# %%
from d2l_helpers import check

# %% [markdown]
# ### 5.1 A larger graph by hand
#
# *Code, 25 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-1)
#
# Draw the graph of $y = (\log x^2) \sin x + 1/x$ with the partial derivative
# at each edge, as formulas in $x$. Let $x^2$ be one node, with one edge from
# $x$. Write $dy/dx$ as a sum over the paths from $x$ to $y$: a function that
# returns the terms of this sum, one for each path. Check it at $x = 1, 2, 3$
# against autograd, and compare your graph with that of `draw_graph`: for one
# of your edges it has two operations. Which one?


# %%
def path_products(x):
    """The terms of dy/dx: for each path, the product of its slopes."""
    # a number x > 0 -> a list of numbers
    ...


# The value at the end of the edge: "x^2", "log", "sin", "product", "1/x" or
# "y".
two_operations = ...

# %%
check.larger_graph_by_hand(path_products, two_operations)

# %% [markdown]
# ### 5.2 A vector through control flow
#
# *Code, 15 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-2)
#
# Change `f` so that it takes a vector of shape $(n,)$: it triples the vector,
# doubles until the *norm* is at least 500, and branches on the *sum*. If the
# sum is above 0 it returns the vector as it is then, else 10 times as much.
# What must you pass to `backward`, so that `a.grad` holds the slope of each
# element? Is the gradient still $f(a)/a$, element by element, and why? Check
# it for vectors without a 0.


# %%
def f_of_vector(a):
    """Double until the norm is at least 500, then branch on the sum."""
    # (n,) -> (n,)
    ...


def weights_for(result):
    """What to pass: `result.backward(weights_for(result))`."""
    # (n,) -> (n,)
    ...


still_quotient = ...  # True or False

# %%
check.vector_through_control_flow(f_of_vector, weights_for, still_quotient)

# %% [markdown]
# ### 5.3 Slopes without a formula
#
# *Code, 15 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-3)
#
# Write a function that takes any smooth function of one number, such as
# `torch.sin`, and gives its first and its second derivative by autograd, at
# many points in one call. With it, plot $\sin x$ and both derivatives from
# $-2\pi$ to $2\pi$, without writing `cos`. The second must agree with
# $-\sin x$ up to rounding.


# %%
def two_slopes(function, x):
    """The first and the second derivative of a function, at each x."""
    # (n,), which requires a gradient -> (n,), (n,)
    ...


# %%
check.slopes_without_a_formula(two_slopes)

# %% [markdown]
# ### 5.4 A Jacobian by products
#
# *Code, 15 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-4)
#
# For `torch.softmax` of a vector of shape $(4,)$, build the $(4, 4)$ Jacobian
# from four calls of `torch.autograd.grad`, each with another weight vector.
# Compare with `jacrev`. Write it for any function of a vector. How many calls
# does one from $(n,)$ to $(m,)$ take?


# %%
def jacobian(function, x):
    """Row i: the gradient of the output's element i."""
    # (n,), which requires a gradient -> (m, n)
    ...


calls = ...  # "n", "m", "n + m" or "n * m"

# %%
check.jacobian_by_products(jacobian, calls)

# %% [markdown]
# ### 5.5 What second derivatives cost
#
# *Explore, 20 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-5)
#
# For `u.sin().exp()`, count with `graph_of` the nodes of the value, of its
# first, second and third derivative. Write the count for any value that is
# computed from a `u`. Explain the growth, and what it means for memory.


# %%
def count_nodes(value, u):
    """The nodes of the value and of its first three derivatives."""
    # two tensors of one number -> a list of four numbers
    ...


# From one derivative to the next, how many nodes are added: "fewer and fewer",
# "the same number" or "more and more"?
added = ...

# %%
check.what_second_derivatives_cost(count_nodes, added)

# %% [markdown]
# ### 5.6 A function of your own
#
# *Code, 20 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-6)
#
# Write an `autograd.Function` that rounds in `forward` and passes the gradient
# on unchanged in `backward`. What is the true slope of rounding, wherever it
# has one, which slope does your `backward` claim, and what does `gradcheck`
# say? Why does a network with integer weights need such a function to learn?
# Predict for one weight, $w = 0.3$, and the loss $(\mathrm{round}(w) - 3)^2$,
# which of the two roundings, `torch.round` or yours, lets a step of training
# move it.


# %%
class StraightRound(torch.autograd.Function):
    """Round; on the way back, do as if nothing had been done."""

    @staticmethod
    def forward(ctx, X):
        # any shape to the same; X itself stays as it is
        ...

    @staticmethod
    def backward(ctx, grad):
        # the shape of X to the same
        ...


round_slopes = {"true": ..., "claimed": ...}  # numbers
gradcheck_passes = ...  # True or False, for StraightRound.apply
moves = {"torch.round": ..., "StraightRound.apply": ...}  # True or False

# %%
check.function_of_your_own(
    StraightRound, round_slopes, gradcheck_passes, moves
)

# %% [markdown]
# ### 5.7 The leaf that got lost
#
# *Think, 15 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-7)
#
# Is `t = torch.ones(2, requires_grad=True).double()` a leaf? Where is the
# gradient after `t.sum().backward()`? Make `t` a leaf. Why does the same
# mistake with `.to(device)` show only on a GPU? Let `ones` be
# `torch.ones(2, requires_grad=True)`, float32 on the CPU, and predict which of
# `ones.double()`, `ones.float()`, `ones.to("cpu")` and `ones.to("cuda")` are
# leaves.


# %%
def make_t():
    """Two ones in double precision: a leaf that gets a gradient."""
    # -> (2,)
    ...


gradient_in = ...  # "t" or "ones"
is_leaf = {"double": ..., "float": ..., "cpu": ..., "cuda": ...}  # True, False

# %%
check.leaf_that_got_lost(make_t, gradient_in, is_leaf)

# %% [markdown]
# ### 5.8 A log that grows
#
# *Explore, 20 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-8)
#
# Train one weight for 100 steps, with `total = total + loss` in each, to print
# the mean in the end: `w` starts at 0, as does `total`, the loss is
# `(w - 3) ** 2`, and each step goes down by 0.1 times the gradient. Count the
# nodes of `total` with `graph_of` after each step. What stays in memory, and
# which call on `loss` repairs it? Write the repaired loop as a function
# `train(loss_of, steps)`, where each call of `loss_of(w)` returns the loss of
# the next step.


# %%
def train(loss_of, steps):
    """Train w by `loss = loss_of(w)`, with a log that doesn't grow."""
    # -> w after the last step, and the mean of the losses
    ...


log_nodes = {1: ..., 2: ..., 100: ...}  # of `total`, after so many steps

# %%
check.log_that_grows(train, log_nodes)

# %% [markdown]
# ### 5.9 A clamp that lets go
#
# *Code, 25 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-9)
#
# `torch.clamp` brings numbers into limits. For a weight outside of them its
# slope is 0, so that no step of training brings the weight back. Write a
# `Clamp` that does in `forward` what `torch.clamp` does, and in `backward`
# passes the gradient on for elements within the limits. Outside, it passes the
# gradient on if a step against it leads back towards the limits, and 0 if not.
# An element at a limit counts as within. Of the three inputs, only `X` has a
# gradient. Predict for the weight $w = 3$, the limits 0 and 1 and the loss
# $(\mathrm{clamp}(w) - 0.5)^2$ with which clamp a step of training moves it.


# %%
class Clamp(torch.autograd.Function):
    """Clamp; outside of the limits, let gradients pass that lead back."""

    @staticmethod
    def forward(ctx, X, low, high):
        # any shape, and two numbers -> the shape of X
        ...

    @staticmethod
    def backward(ctx, grad):
        # the shape of X -> a gradient for each input of forward
        ...


clamp_moves = {"torch.clamp": ..., "Clamp.apply": ...}  # True or False

# %%
check.clamp_that_lets_go(Clamp, clamp_moves)

# %% [markdown]
# ### 5.10 Where a graph ends
#
# *Think, 10 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-10)
#
# Each line is what a compiled function of `X` returns. Predict how many graphs
# `torch.compile` has made after one call with `torch.ones(3)`. Then count, with
# `compiled` of the chapter. In which of the lines could the function do
# without Python between two graphs, and how?

# %%
number_of_graphs = {
    "(2 * X).sin().sum()": ...,
    "2 * X if len(X) > 2 else 3 * X": ...,
    "2 * X if X.sum() > 0 else 3 * X": ...,
    "2 * X if X.sum() > 0 and X.max() > 0 else 3 * X": ...,
    "2 * X if torch.is_grad_enabled() else 3 * X": ...,
    "torch.where(X.sum() > 0, 2 * X, 3 * X)": ...,
}

# %%
check.where_a_graph_ends(number_of_graphs)

# %% [markdown]
# ### 5.11 A Jacobian by columns
#
# *Code, 15 minutes.*
# [Solution](solutions/05_autograd.ipynb#cell-id=exercise-5-11)
#
# Exercise 5.4 built a Jacobian row by row, from `backward`. Build it in
# forward mode, from calls of `jvp`, for any function of a vector of shape
# $(n,)$. What does one call give, and how many does a function from $(n,)$ to
# $(m,)$ take? Which way takes fewer calls for a loss of a thousand weights,
# and which for a thousand outputs of one number?


# %%
def jacobian_forward(function, x):
    """Column j: how all outputs change with the input's element j."""
    # (n,) -> (m, n)
    ...


forward_calls = ...  # "n", "m", "n + m" or "n * m"
fewer = {"a loss": ..., "one number": ...}  # "forward" or "backward"

# %%
check.jacobian_by_columns(jacobian_forward, forward_calls, fewer)

# %% [markdown]
# ## Where to go next
#
# [Chapter 03](03_custom_layers.ipynb#cell-id=keep-the-parameters-in-the-graph)
# shows what goes wrong when a layer cuts the graph.
# [Run the same code on CPU and CUDA](06_devices.ipynb) moves the work to a
# GPU. [Get the same run again, and look inside](09_reproducibility.ipynb) reads
# gradients on their way back, and finds the first `nan`.
# [Know what training keeps, and start a deep network](10_memory.ipynb) counts
# what a graph keeps. The [front page](index.md) lists all chapters.
