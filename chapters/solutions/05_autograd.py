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
# # Solutions to chapter 05
#
# To the exercises of
# [Follow gradients through the graph](../05_autograd.ipynb). Each begins with
# its statement. Try it there first, and come here when you are stuck.

# %%
import math
from itertools import pairwise

import torch
from matplotlib import pyplot as plt
from torch.autograd import grad, gradcheck
from torch.func import jacrev, jvp, vmap
from torch.testing import assert_close

from d2l_helpers import check, draw_graph, graph_of, use_style

use_style()

# %% [markdown]
# ## 5.1 A larger graph by hand
#
# *Code, 25 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-1)
#
# Draw the graph of $y = (\log x^2) \sin x + 1/x$ with the partial derivative
# at each edge, as formulas in $x$. Let $x^2$ be one node, with one edge from
# $x$. Write $dy/dx$ as a sum over the paths from $x$ to $y$: a function that
# returns the terms of this sum, one for each path. Check it at $x = 1, 2, 3$
# against autograd, and compare your graph with that of `draw_graph`: for one
# of your edges it has two operations. Which one?

# %% [markdown]
# **Idea.** The graph has eight edges.
#
# | edge | slope |
# |---|---|
# | from $x$ to $x^2$ | $2x$ |
# | from $x^2$ to $\log x^2$ | $1/x^2$ |
# | from $\log x^2$ to the product | $\sin x$ |
# | from $x$ to $\sin x$ | $\cos x$ |
# | from $\sin x$ to the product | $\log x^2$ |
# | from $x$ to $1/x$ | $-1/x^2$ |
# | from the product to $y$ | 1 |
# | from $1/x$ to $y$ | 1 |
#
# Three paths lead from $x$ to $y$: through the logarithm, through the sine and
# through $1/x$.
#
# $$\frac{dy}{dx} = 2x \cdot \frac{1}{x^2} \cdot \sin x + \cos x \cdot \log x^2
# - \frac{1}{x^2}$$


# %%
def path_products(x):
    return [
        2 * x * (1 / x**2) * math.sin(x),
        math.cos(x) * math.log(x**2),
        -1 / x**2,
    ]


two_operations = "1/x"

# %%
check.larger_graph_by_hand(path_products, two_operations)

# %% [markdown]
# The sum is the gradient. At $x = 1$ the second term is 0, so that a check
# there alone would miss a mistake in it.

# %%
x = torch.tensor([1.0, 2, 3], requires_grad=True)
y = (x**2).log() * x.sin() + 1 / x
(slopes,) = grad(y.sum(), x)
sums = [sum(path_products(value)) for value in (1, 2, 3)]
assert_close(slopes, torch.tensor(sums))

# %% [markdown]
# In PyTorch's graph, follow the lines from `x` to the sum. Which edge of ours
# takes two boxes?

# %% mystnb={"image": {"alt": "A graph from left to right. Three lines leave the orange box x. The upper one leads through PowBackward0 and LogBackward0, the middle one through SinBackward0, and both meet in a MulBackward0. The lower one leads through ReciprocalBackward0 and a MulBackward0 of its own. Both MulBackward0 lead to AddBackward0."}}
x1 = torch.tensor(1.0, requires_grad=True)
draw_graph((x1**2).log() * x1.sin() + 1 / x1, {"x": x1})
plt.show()

# %% [markdown]
# The edge from $x$ to $1/x$ takes two: PyTorch computes the reciprocal, then
# multiplies it by 1.
#
# **Another way.** `detach` closes a path. With all but one closed, autograd
# gives the product along the one that is left.

# %%
x2 = torch.tensor(2.0, requires_grad=True)
log, sin = (x2**2).log(), x2.sin()
ends = (log * sin.detach(), log.detach() * sin, 1 / x2)
terms = [grad(end, x2, retain_graph=True)[0].item() for end in ends]
assert_close(terms, path_products(2), rtol=1e-5, atol=0)

# %% [markdown]
# ## 5.2 A vector through control flow
#
# *Code, 15 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-2)
#
# Change `f` so that it takes a vector of shape $(n,)$: it triples the vector,
# doubles until the *norm* is at least 500, and branches on the *sum*. If the
# sum is above 0 it returns the vector as it is then, else 10 times as much.
# What must you pass to `backward`, so that `a.grad` holds the slope of each
# element? Is the gradient still $f(a)/a$, element by element, and why? Check
# it for vectors without a 0.

# %% [markdown]
# **Idea.** A condition needs one number: the norm in the loop, the sum in the
# branch. Whatever way it takes, the function multiplies the vector by one
# number $k$. Element $i$ of the result is $k a_i$: its slope is $k$ for $a_i$,
# and 0 for the others. `backward` needs a weight for each element; with ones,
# each slope comes as it is. The gradient is still the quotient, $ka/a = k$.


# %%
def f_of_vector(a):
    b = 3 * a
    while b.norm() < 500:
        b = 2 * b
    return b if b.sum() > 0 else 10 * b


def weights_for(result):
    return torch.ones_like(result)


still_quotient = True

# %%
check.vector_through_control_flow(f_of_vector, weights_for, still_quotient)

# %% [markdown]
# Three vectors, of which the second takes the other branch:

# %%
for numbers in ([20.0, 40, -5], [-1.0, 0.5, -2], [300.0, 200]):
    a = torch.tensor(numbers, requires_grad=True)
    result = f_of_vector(a)
    result.backward(weights_for(result))
    assert_close(a.grad, (result / a).detach())
    print(numbers, a.grad.tolist())

# %% [markdown]
# The Jacobian shows why: $k$ on the diagonal, and 0 elsewhere.

# %%
jacrev(f_of_vector)(torch.tensor([20.0, 40]))

# %% [markdown]
# **At the edges.** Where the number of doublings changes, the function jumps,
# and has no slope. Autograd doesn't notice: it knows only the way that the
# call took.

# %%
for value in (41.6, 41.7):
    a = torch.tensor([value], requires_grad=True)
    result = f_of_vector(a)
    print(
        f"f({value}) = {result.item():.1f}, slope", grad(result, a)[0].item()
    )

# %% [markdown]
# ## 5.3 Slopes without a formula
#
# *Code, 15 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-3)
#
# Write a function that takes any smooth function of one number, such as
# `torch.sin`, and gives its first and its second derivative by autograd, at
# many points in one call. With it, plot $\sin x$ and both derivatives from
# $-2\pi$ to $2\pi$, without writing `cos`. The second must agree with
# $-\sin x$ up to rounding.

# %% [markdown]
# **Idea.** Each output depends on its own input alone, so the gradient of the
# sum holds all the slopes. With `create_graph=True` they have a graph, and can
# be differentiated in the same way.


# %%
def two_slopes(function, x):
    (first,) = grad(function(x).sum(), x, create_graph=True)
    (second,) = grad(first.sum(), x)
    return first.detach(), second


# %%
check.slopes_without_a_formula(two_slopes)

# %% [markdown]
# In double precision, the second derivative is $-\sin x$ to 14 digits.

# %% mystnb={"image": {"alt": "Three waves over x from -6.28 to 6.28, each between -1 and 1. The blue one is the sine. The orange one, its first derivative, is 1 at x = 0, a quarter of a wave ahead. The dashed blue one, its second derivative, is the sine upside down."}}
angles = torch.linspace(-2 * math.pi, 2 * math.pi, 201, dtype=torch.double)
sine = angles.sin()
first, second = two_slopes(torch.sin, angles.requires_grad_())
assert_close(second, -sine, rtol=0, atol=1e-14)
plt.plot(angles.detach(), sine, label="sine")
plt.plot(angles.detach(), first, label="first derivative")
plt.plot(angles.detach(), second, "C0--", label="second derivative")
plt.xlabel("$x$")
plt.figlegend(loc="outside upper center", ncols=3)
plt.show()

# %% [markdown]
# **Pitfall.** Small changes give a slope too, but a less precise one: numbers
# that are nearly equal are subtracted, and few digits of them are left.

# %%
h = 1e-4
with torch.no_grad():
    rough = ((angles + h).sin() - 2 * sine + (angles - h).sin()) / h**2
error = (rough + sine).abs().max()
assert 1e-10 < error < 1e-6

# %% [markdown]
# **At the edges.** The slope of a straight line doesn't depend on $x$. It has
# no graph, and a second `grad` would raise an error.

# %%
(flat,) = grad((2 * angles).sum(), angles, create_graph=True)
flat.requires_grad

# %% [markdown]
# ## 5.4 A Jacobian by products
#
# *Code, 15 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-4)
#
# For `torch.softmax` of a vector of shape $(4,)$, build the $(4, 4)$ Jacobian
# from four calls of `torch.autograd.grad`, each with another weight vector.
# Compare with `jacrev`. Write it for any function of a vector. How many calls
# does one from $(n,)$ to $(m,)$ take?

# %% [markdown]
# **Idea.** A call of `grad` multiplies the weights, as a row, by the Jacobian.
# Weights with a 1 in place $i$ and 0 elsewhere pick out row $i$, the gradient
# of output $i$. A row is as long as the input, and there are as many rows as
# outputs: $m$ calls, whatever $n$ is. A loss is one number, so one call is
# enough for it.


# %%
def jacobian(function, x):
    y = function(x)
    rows = [
        grad(y, x, weights, retain_graph=True)[0]
        for weights in torch.eye(len(y)).to(y)  # to its device and type
    ]
    return torch.stack(rows)  # m times (n,) -> (m, n)


calls = "m"

# %%
check.jacobian_by_products(jacobian, calls)

# %% [markdown]
# For softmax it is what `jacrev` gives, and what the formula says:
# $p_i (1 - p_i)$ on the diagonal and $-p_i p_j$ off it.


# %%
def softmax(x):
    return torch.softmax(x, dim=0)


logits = torch.tensor([0.0, 1, 0, 2], requires_grad=True)
J, p = jacobian(softmax, logits), softmax(logits).detach()
assert_close(J, jacrev(softmax)(logits.detach()))
assert_close(J, p.diag() - p.outer(p))

# %% [markdown]
# **Pitfall.** This Jacobian is symmetric: columns in place of rows would pass
# such a test. Try a function with $n \neq m$.

# %%
assert_close(J, J.T)
jacobian(lambda x: x.cumsum(0)[1:], logits)

# %% [markdown]
# **Another way.** `is_grads_batched` takes all weight vectors at once, and
# runs the rows together.

# %%
eye = torch.eye(4)
(rows,) = grad(softmax(logits), logits, eye, is_grads_batched=True)
assert_close(rows, J)

# %% [markdown]
# **At the edges.** Weights of 1 add up the rows. For softmax that gives 0: the
# outputs add up to 1 whatever the input, so their sum has no slope.

# %%
(of_sum,) = grad(softmax(logits), logits, torch.ones(4))
assert_close(of_sum, torch.zeros(4))

# %% [markdown]
# ## 5.5 What second derivatives cost
#
# *Explore, 20 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-5)
#
# For `u.sin().exp()`, count with `graph_of` the nodes of the value, of its
# first, second and third derivative. Write the count for any value that is
# computed from a `u`. Explain the growth, and what it means for memory.

# %% [markdown]
# **Idea.** Each derivative is recorded with `create_graph=True`, the last one
# too, since its graph is counted. The first derivative,
# $e^{\sin u} \cos u$, is a product. By the product rule, each product becomes
# two, and a sum: the second has more products than the first, and the third
# more than the second. More and more nodes are added.


# %%
def count_nodes(value, u):
    counts = [len(graph_of(value))]
    for _ in range(3):
        (value,) = grad(value, u, create_graph=True)
        counts.append(len(graph_of(value)))
    return counts


added = "more and more"

# %%
check.what_second_derivatives_cost(count_nodes, added)

# %% [markdown]
# The second derivative has more than twice as many nodes as the first, and the
# third more than twice as many as the second: in PyTorch 2.13 the numbers are
# 3 for the value, then 6, 15 and 38. (`*derivatives` takes all counts but the first.)

# %%
u = torch.tensor(1.0, requires_grad=True)
value, *derivatives = count_nodes(u.sin().exp(), u)
assert value < derivatives[0]
[later > 2 * earlier for earlier, later in pairwise(derivatives)]

# %% [markdown]
# **Memory.** The nodes keep values. `saved_tensors_hooks` calls its first
# function when one is kept, and its second when it is used. How many are kept
# for the derivatives?


# %%
def kept_values(order):
    kept = []

    def note(t):
        kept.append(t)
        return t

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        value = u.sin().exp()
        for _ in range(order):
            (value,) = grad(value, u, create_graph=True)
    return len(kept)


kept = [kept_values(order) for order in range(4)]
[later > 2 * earlier for earlier, later in pairwise(kept)]

# %% [markdown]
# Their number more than doubles as well. Here each is one number. In a network
# each can be as large as the outputs of a layer, and it stays in memory as
# long as the graph that keeps it.
#
# **At the edges.** Not every function grows. Each derivative of $e^u$ is
# recorded as one product, of 1 and $e^u$.

# %%
_, *derivatives = count_nodes(u.exp(), u)
assert len(set(derivatives)) == 1

# %% [markdown]
# ## 5.6 A function of your own
#
# *Code, 20 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-6)
#
# Write an `autograd.Function` that rounds in `forward` and passes the gradient
# on unchanged in `backward`. What is the true slope of rounding, wherever it
# has one, which slope does your `backward` claim, and what does `gradcheck`
# say? Why does a network with integer weights need such a function to learn?
# Predict for one weight, $w = 0.3$, and the loss $(\mathrm{round}(w) - 3)^2$,
# which of the two roundings, `torch.round` or yours, lets a step of training
# move it.

# %% [markdown]
# **Idea.** Rounding is flat between its jumps, and at a jump it has no slope:
# the true slope is 0. The function claims 1. `gradcheck` compares this with
# small changes of the input, which leave the output as it was, and says no.
#
# With the true slope, the gradient of a weight that is rounded is 0, and the
# weight stays where it is. The claimed slope tells the weight whether to grow
# or to shrink. It is false, but here it has the right sign.


# %%
class StraightRound(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        return X.round()

    @staticmethod
    def backward(ctx, grad):
        return grad


round_slopes = {"true": 0, "claimed": 1}
gradcheck_passes = False
moves = {"torch.round": False, "StraightRound.apply": True}

# %%
check.function_of_your_own(
    StraightRound, round_slopes, gradcheck_passes, moves
)

# %% [markdown]
# `gradcheck` is made for double precision.

# %%
numbers = torch.tensor([-1.7, 0.4, 2.6]).double().requires_grad_()
gradcheck(StraightRound.apply, numbers, raise_exception=False)

# %% [markdown]
# Now train the weight that starts at 0.3, and is to round to 3.


# %%
def trained(rounding):
    w = torch.tensor(0.3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    for _ in range(30):
        optimizer.zero_grad()
        (rounding(w) - 3).square().backward()
        optimizer.step()
    return w.round().item()


{"torch.round": trained(torch.round), "straight": trained(StraightRound.apply)}

# %% [markdown]
# **Another way.** Without a class: the difference that rounding makes is
# added, as a constant.


# %%
def straight(X):
    return X + (X.round() - X).detach()


(slopes,) = grad(straight(numbers).sum(), numbers)
assert_close(slopes, torch.ones_like(numbers))
assert_close(straight(numbers), numbers.round())

# %% [markdown]
# **Pitfall.** Let the weight itself keep its fraction. If it is rounded after
# each step, a step of less than a half is lost, and a hundred of them too.

# %%
w = torch.tensor(2.0)
for _ in range(100):
    w = (w + 0.3).round()
w.item()

# %% [markdown]
# ## 5.7 The leaf that got lost
#
# *Think, 15 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-7)
#
# Is `t = torch.ones(2, requires_grad=True).double()` a leaf? Where is the
# gradient after `t.sum().backward()`? Make `t` a leaf. Why does the same
# mistake with `.to(device)` show only on a GPU? Let `ones` be
# `torch.ones(2, requires_grad=True)`, float32 on the CPU, and predict which of
# `ones.double()`, `ones.float()`, `ones.to("cpu")` and `ones.to("cuda")` are
# leaves.

# %% [markdown]
# **Idea.** `double` computes a new tensor from the one that `torch.ones` made,
# so `t` is no leaf. The gradient goes on to the leaf, which has no name: it is
# lost. Convert first, and ask for the gradient last.
#
# A conversion with nothing to do returns the tensor itself. On a machine
# without a GPU `device` is the CPU, where the tensor already is, and all goes
# well. On one with a GPU, `.to(device)` makes a copy, and the leaf is lost.


# %%
def make_t():
    return torch.ones(2).double().requires_grad_()


gradient_in = "ones"
is_leaf = {"double": False, "float": True, "cpu": True, "cuda": False}

# %%
check.leaf_that_got_lost(make_t, gradient_in, is_leaf)

# %% [markdown]
# The graph still holds the nameless leaf, and it has the gradient. (The first
# pair of `next_functions` is unpacked; `*_` takes the others, if there are
# any.)

# %%
t = torch.ones(2, requires_grad=True).double()
t.sum().backward()
(to_leaf, _), *_ = t.grad_fn.next_functions
t.is_leaf, to_leaf.variable.grad

# %% [markdown]
# `is` shows which conversions return the tensor itself. The device `meta`,
# which keeps no numbers and is on every machine, stands for a GPU.

# %%
ones = torch.ones(2, requires_grad=True)
assert ones.float() is ones and ones.to("cpu") is ones
ones.double().is_leaf, ones.to("meta").is_leaf

# %% [markdown]
# **Pitfall.** `retain_grad` makes `t` keep a copy of its gradient, but doesn't
# make it a leaf: the gradient goes on, and adds up in `ones`, which nobody
# empties.

# %%
ones.grad = None
t = ones.double()
t.retain_grad()
for _ in range(3):
    t.grad = None
    t.sum().backward()
t.grad.tolist(), ones.grad.tolist()

# %% [markdown]
# An optimizer that is given such a tensor says what is wrong.

# %%
try:
    torch.optim.SGD([ones.double()], lr=0.1)
except ValueError as error:
    print(error)

# %% [markdown]
# **Another way.** Ask for all where the tensor is made, also for the device.

# %%
torch.ones(2, dtype=torch.double, device="meta", requires_grad=True).is_leaf

# %% [markdown]
# ## 5.8 A log that grows
#
# *Explore, 20 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-8)
#
# Train one weight for 100 steps, with `total = total + loss` in each, to print
# the mean in the end: `w` starts at 0, as does `total`, the loss is
# `(w - 3) ** 2`, and each step goes down by 0.1 times the gradient. Count the
# nodes of `total` with `graph_of` after each step. What stays in memory, and
# which call on `loss` repairs it? Write the repaired loop as a function
# `train(loss_of, steps)`, where each call of `loss_of(w)` returns the loss of
# the next step.

# %% [markdown]
# **Idea.** `total` is computed from each loss, so its graph holds the graphs
# of all of them. A step adds three nodes, for the difference, the square and
# the sum. With the leaf, that is 4 nodes after one step, 7 after two and 301
# after 100. `loss.item()` gives the number alone, and the graph of a step goes
# when the next loss takes its name.


# %%
def train(loss_of, steps):
    w, total = torch.tensor(0.0, requires_grad=True), 0
    for _ in range(steps):
        w.grad = None
        loss = loss_of(w)
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        total = total + loss.item()
    return w.item(), total / steps


log_nodes = {1: 4, 2: 7, 100: 301}

# %%
check.log_that_grows(train, log_nodes)

# %% [markdown]
# After 100 steps `w` is at its goal.

# %%
w, mean = train(lambda w: (w - 3) ** 2, 100)
print(f"w = {w:.4f}, mean loss {mean:.4f}")

# %% [markdown]
# This is the loop that grows, with a count after each step.

# %%
w = torch.tensor(0.0, requires_grad=True)
total, counts = 0, []
for _ in range(100):
    w.grad = None
    loss = (w - 3) ** 2
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    total = total + loss
    counts.append(len(graph_of(total)))
assert counts == list(range(4, 302, 3))

# %% [markdown]
# What stays in memory? The nodes. The values that they kept were freed by
# `backward`, so that another one through `total` fails.

# %%
try:
    total.backward()
except RuntimeError as error:
    print(str(error).split(" (")[0])

# %% [markdown]
# **Pitfall.** Where no `backward` runs, as in a loop that only tests, the kept
# values stay too, for each batch. Under `no_grad`, such a loop makes no graph.
#
# **Another way.** `loss.detach()` cuts the graph off as well. On a GPU, `item`
# waits in each step until the loss is computed; a sum of detached losses needs
# one `item` at the end.

# %%
total = torch.zeros(())
for _ in range(100):
    total += ((w - 3) ** 2).detach()
total.requires_grad

# %% [markdown]
# ## 5.9 A clamp that lets go
#
# *Code, 25 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-9)
#
# `torch.clamp` brings numbers into limits. For a weight outside of them its
# slope is 0, so that no step of training brings the weight back. Write a
# `Clamp` that does in `forward` what `torch.clamp` does, and in `backward`
# passes the gradient on for elements within the limits. Outside, it passes the
# gradient on if a step against it leads back towards the limits, and 0 if not.
# An element at a limit counts as within. Of the three inputs, only `X` has a
# gradient. Predict for the weight $w = 3$, the limits 0 and 1 and the loss
# $(\mathrm{clamp}(w) - 0.5)^2$ with which clamp a step of training moves it.

# %% [markdown]
# **Idea.** A step subtracts the gradient. Above the upper limit it leads back
# if the gradient is positive, below the lower one if it is negative. `ctx`
# keeps `X` for `backward`; the limits are numbers, and can be attributes of
# it. They get `None` in the place of a gradient.


# %%
class Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X, low, high):
        ctx.save_for_backward(X)
        ctx.low, ctx.high = low, high
        return X.clamp(low, high)

    @staticmethod
    def backward(ctx, grad):
        (X,) = ctx.saved_tensors
        stays = X.gt(ctx.high) & (grad < 0) | X.lt(ctx.low) & (grad > 0)
        return grad.masked_fill(stays, 0), None, None


clamp_moves = {"torch.clamp": False, "Clamp.apply": True}

# %%
check.clamp_that_lets_go(Clamp, clamp_moves)

# %% [markdown]
# Now train the weight that starts at 3. Where do the two end?


# %%
def trained_with(clamp):
    w = torch.tensor(3.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        (clamp(w, 0, 1) - 0.5).square().backward()
        optimizer.step()
    return round(w.item(), 3)


{"torch.clamp": trained_with(torch.clamp), "Clamp": trained_with(Clamp.apply)}

# %% [markdown]
# The one stays at 3, the other finds 0.5.
#
# **At the edges.** Inside of the limits, `gradcheck` agrees. Outside, it can't:
# the gradient that passes there isn't the slope.

# %%
limits = (0.0, 1.0)
for start in (0.3, 3.0):
    w = torch.tensor([start], dtype=torch.double, requires_grad=True)
    print(gradcheck(Clamp.apply, (w, *limits), raise_exception=False))

# %% [markdown]
# ## 5.10 Where a graph ends
#
# *Think, 10 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-10)
#
# Each line is what a compiled function of `X` returns. Predict how many graphs
# `torch.compile` has made after one call with `torch.ones(3)`. Then count, with
# `compiled` of the chapter. In which of the lines could the function do
# without Python between two graphs, and how?

# %% [markdown]
# **Idea.** A graph ends where Python needs the value of a tensor. A length and
# a setting aren't values. `and` asks for the first value, and then maybe for
# the second: two decisions, and three graphs.

# %%
number_of_graphs = {
    "(2 * X).sin().sum()": 1,
    "2 * X if len(X) > 2 else 3 * X": 1,
    "2 * X if X.sum() > 0 else 3 * X": 2,
    "2 * X if X.sum() > 0 and X.max() > 0 else 3 * X": 3,
    "2 * X if torch.is_grad_enabled() else 3 * X": 1,
    "torch.where(X.sum() > 0, 2 * X, 3 * X)": 1,
}

# %%
check.where_a_graph_ends(number_of_graphs)

# %% [markdown]
# To count them, with the chapter's backend. (Where `torch.compile` doesn't
# know your Python yet, nothing is counted.)


# %%
def count_graphs_of(function):
    def backend(graph, examples):
        graphs.append(graph)
        return graph.forward

    graphs = []
    torch.compiler.reset()
    torch.compile(function, backend=backend)(torch.ones(3))
    return len(graphs)


try:
    for code, number in number_of_graphs.items():
        assert count_graphs_of(eval(f"lambda X: {code}")) == number
except RuntimeError as error:
    print(error)

# %% [markdown]
# **Without Python in between.** `torch.where` computes both ways, and takes
# what it needs; two conditions become one tensor with `&`. `torch.cond`
# computes one way. Both can be exported.


# %%
def both(X):
    return torch.where((X.sum() > 0) & (X.max() > 0), 2 * X, 3 * X)


X = torch.tensor([3.0, -1])
assert torch.equal(both(X), 2 * X)
assert torch.equal(both(-X), -3 * X)

# %% [markdown]
# ## 5.11 A Jacobian by columns
#
# *Code, 15 minutes.*
# [Exercise](../05_autograd.ipynb#cell-id=exercise-5-11)
#
# Exercise 5.4 built a Jacobian row by row, from `backward`. Build it in
# forward mode, from calls of `jvp`, for any function of a vector of shape
# $(n,)$. What does one call give, and how many does a function from $(n,)$ to
# $(m,)$ take? Which way takes fewer calls for a loss of a thousand weights,
# and which for a thousand outputs of one number?

# %% [markdown]
# **Idea.** A direction with a 1 in place $j$ tells how each output changes
# with element $j$: this is column $j$. The rows of the unit matrix are these
# directions, and there are $n$ of them. Backward takes $m$ calls. A loss has
# $m = 1$, so that backward is the way to train; with one number in, $n = 1$
# and forward is.


# %%
def jacobian_forward(function, x):
    directions = torch.eye(len(x), dtype=x.dtype)
    columns = [jvp(function, (x,), (v,))[1] for v in directions]
    return torch.stack(columns, dim=1)


forward_calls = "n"
fewer = {"a loss": "backward", "one number": "forward"}

# %%
check.jacobian_by_columns(jacobian_forward, forward_calls, fewer)

# %% [markdown]
# Three numbers in and two out:


# %%
def three_to_two(x):
    return torch.stack([x.prod(), x.sum()])


x = torch.tensor([2.0, 3, 5])
assert_close(jacobian_forward(three_to_two, x), jacrev(three_to_two)(x))
jacobian_forward(three_to_two, x)

# %% [markdown]
# **Another way.** `vmap` makes all calls at once, and is what `jacfwd` of
# `torch.func` does.

# %%
at_once = vmap(lambda v: jvp(three_to_two, (x,), (v,))[1], out_dims=1)
assert_close(at_once(torch.eye(3)), jacobian_forward(three_to_two, x))
