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
# # Solutions to chapter 02
#
# To the exercises of
# [Reach, initialize and share parameters](../02_parameters.ipynb). Each begins
# with its statement. Try it there first, and come here when you are stuck.

# %%
import copy

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy
from torch.testing import assert_close

from d2l_helpers import (
    FixedHiddenMLP,
    NestMLP,
    changed_by_a_step,
    check,
    use_style,
)

use_style()

# %% [markdown]
# ## 2.1 Every way to a bias
#
# *Code, 10 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-1)
#
# Write `overview(net)`, which lists the name, the shape and the mean absolute
# value of each parameter, and run it on a `NestMLP`. Then reach the bias of
# the second linear layer in its block `net` in three ways, and show that they
# give one object.

# %% [markdown]
# **Idea.** `named_parameters` goes through nested modules and gives dotted
# names. Take the absolute values first and then their mean, else positive and
# negative weights cancel. The index of the second linear layer is 2, since the
# ReLU has the index 1.


# %%
def overview(net):
    return [
        (name, tuple(p.shape), p.abs().mean().item())
        for name, p in net.named_parameters()
    ]


def bias_in_three_ways(nest):
    return [
        nest.net[2].bias,
        nest.get_parameter("net.2.bias"),
        dict(nest.named_parameters())["net.2.bias"],
    ]


# %%
check.every_way_to_a_bias(overview, bias_in_three_ways)

# %% [markdown]
# On a `NestMLP`, look at the last column.

# %%
torch.manual_seed(0)
nest = NestMLP()
for name, shape, size in overview(nest):
    print(f"{name:<15} {shape!s:<10} {size:.2f}")

# %% [markdown]
# The defaults are uniform between $\pm 1/\sqrt{n_\mathrm{in}}$, so the mean
# absolute value is half of that: $0.11$ for 20 inputs, $0.06$ for 64 and
# $0.09$ for 32. It doesn't depend on the number of outputs.
#
# The three ways give one object, so a write through one is seen through all.

# %%
first, second, third = bias_in_three_ways(nest)
assert first is second is third
with torch.no_grad():
    first[0] = 42
third[0].item()

# %% [markdown]
# **Pitfall.** The entry of the state dict sees the write too. But it is
# another object on the same memory, which gets no gradient.

# %%
entry = nest.state_dict()["net.2.bias"]
entry is first, entry[0].item()

# %% [markdown]
# ## 2.2 Watch a shared layer learn
#
# *Explore, 25 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-2)
#
# Build a network that takes $(n, 4)$ to $(n, 1)$, with one `Linear(8, 8)` in
# two places: make it once, and call it as a module in both. Use no dropout.
# Train the network for 20 steps, each on all samples, with `F.mse_loss` as the
# loss and `torch.optim.SGD` or `Adam`, at one learning rate. The data are 64
# random samples; $y = x_1 x_2$ is the product of the first two features, in
# the shape $(64, 1)$. After each step record the norm of each parameter, and
# of the gradient that changed it. Assert at the end that both places still
# hold the same values. Name one thing that sharing gains, and one that it
# loses.

# %% [markdown]
# **Idea.** Make the layer once and put the object into both places. Log after
# `step`, when the values have moved and the gradients that moved them are
# still there: the next `zero_grad` clears them.


# %%
def make_shared():
    shared = nn.Linear(8, 8)
    front, back = [nn.Linear(4, 8), nn.ReLU()], [nn.ReLU(), nn.Linear(8, 1)]
    return nn.Sequential(*front, shared, nn.ReLU(), shared, *back)


def train_shared(net, X, y, num_steps=20):
    optimizer, log = torch.optim.Adam(net.parameters(), lr=0.01), []
    for _ in range(num_steps):
        optimizer.zero_grad()
        F.mse_loss(net(X), y).backward()
        optimizer.step()
        entry = {}
        for name, p in net.named_parameters():
            entry[name] = p.norm().item(), p.grad.norm().item()
        log.append(entry)
    return log


# %%
check.watch_a_shared_layer_learn(make_shared, train_shared)

# %% [markdown]
# The shared layer is logged once, under the name of its first place. Both
# places hold the same values at the end, since they are one object.

# %%
torch.manual_seed(0)
X = torch.rand(64, 4)
y = X[:, :1] * X[:, 1:2]  # (64, 1)
net = make_shared()
log = train_shared(net, X, y)
assert_close(net[2].weight, net[4].weight, rtol=0, atol=0)
list(log[-1])

# %% [markdown]
# The curves are the norms of the three weights and of their gradients. Which
# weight changes most?

# %% mystnb={"image": {"alt": "Two plots over 20 steps, each with a line for the weight of the first, the shared and the last layer. Left, the norms of the weights: the first stays near 1.7, the shared one grows from 1.5 to 1.75, the last stays near 0.6. Right, the norms of their gradients: those of the shared and the last layer fall in three steps from 0.05 and 0.1 to 0.02, then waver between 0.01 and 0.04; that of the first stays near 0.02."}}
fig, axes = plt.subplots(1, 2, figsize=(7, 2.5))
styles = {"0.weight": "-", "2.weight": "--", "6.weight": ":"}
for i, ax in enumerate(axes):
    for name, style in styles.items():
        ax.plot([entry[name][i] for entry in log], style, label=name)
    ax.set(xlabel="step", title=("norm", "norm of the gradient")[i])
axes[0].legend()
plt.show()

# %% [markdown]
# The shared weight changes most. The gradients fall fast at first, then waver.
#
# **What it gains, what it loses.** Sharing gains memory: 72 parameters fewer
# to store and to train. It loses freedom, since both places compute the same
# function. Two layers can do that too, with equal values, and more.

# %%
two = copy.deepcopy(net)
two[4] = copy.deepcopy(net[2])
assert_close(two(X), net(X))
sizes = [sum(p.numel() for p in n.parameters()) for n in (two, net)]
sizes[0] - sizes[1]

# %% [markdown]
# ## 2.3 Another distribution
#
# *Code, 15 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-3)
#
# Write a function for `apply` that draws each weight of a linear layer from
# $N(2, 1)$ with probability 1/3, and sets it to -1 otherwise. It writes into
# the weights that are there; biases and modules of other kinds stay as they
# are. On at least 10,000 weights, check the frequencies to within 0.02, and
# mean and standard deviation of the weights that were drawn to within 0.1.

# %% [markdown]
# **Idea.** Two draws that don't depend on each other: first each weight from
# $N(2, 1)$, then a uniform number for each. It lies above 1/3 with probability
# 2/3, and there the weight becomes -1.


# %%
def init_mixture(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, mean=2, std=1)
        with torch.no_grad():
            module.weight[torch.rand_like(module.weight) > 1 / 3] = -1


# %%
check.another_distribution(init_mixture)

# %% [markdown]
# On 20,000 weights, frequency, mean and standard deviation are close to what
# was asked.

# %%
torch.manual_seed(0)
weight = nn.Linear(100, 200).apply(init_mixture).weight.detach()
drawn = weight[weight != -1]
measured = torch.stack(
    [(weight == -1).float().mean(), drawn.mean(), drawn.std()]
)
expected = torch.tensor([2 / 3, 2, 1])
assert ((measured - expected).abs() < torch.tensor([0.02, 0.1, 0.1])).all()
[round(value, 1) for value in measured.tolist()]

# %% [markdown]
# **Another way.** `torch.where` takes each element from one of two tensors, or
# a number in place of one.

# %%
coins = torch.rand_like(weight) < 1 / 3
mixed = torch.where(coins, 2 + torch.randn_like(weight), -1)
assert (mixed == -1).float().mean().sub(2 / 3).abs() < 0.02

# %% [markdown]
# **Pitfall.** `weight[coins]` with a mask is a copy. A function with `_` at
# its end fills the copy, and the weight stays. An assignment to
# `weight[coins]` does write.

# %%
weight = torch.full((200, 100), -1.0)
weight[coins].normal_(2, 1)
print("after normal_:    ", (weight != -1).any().item())
weight[coins] = torch.randn(int(coins.sum())) + 2
print("after assignment: ", (weight != -1).any().item())

# %% [markdown]
# ## 2.4 All but the last
#
# *Code, 25 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-4)
#
# Write `freeze_all_but_last(net)` for a `Sequential`. It freezes, in `net`
# itself, each parameter that isn't in the last module, and returns a list of
# those that remain to be trained. A last module without parameters, such as a
# ReLU, doesn't count: the one that stays trainable is the last of `net[0]`,
# `net[1]`, ... that has any. A parameter of it that is used in another place
# too stays trainable there. If `net` was frozen before, this last module is
# made trainable.
#
# The function may be called between `backward` and `step`. If the optimizer
# holds all parameters, this step must move only those that remain.
#
# Show by an exact comparison that 10 steps of `torch.optim.Adam` move these
# alone. What would a version do that takes `net[-1]`, if that is a ReLU?

# %% [markdown]
# **Idea.** Find the last module that has parameters. Freeze all, then make
# that one trainable: in this order a parameter that is used in two places
# stays trainable, and one that was frozen before becomes so. SGD and Adam pass
# over a parameter whose gradient is `None`, so the gradients of the frozen
# ones must go.


# %%
def freeze_all_but_last(net):
    last = [module for module in net if list(module.parameters())][-1]
    net.requires_grad_(False)
    last.requires_grad_(True)
    for p in net.parameters():
        if not p.requires_grad:
            p.grad = None
    return list(last.parameters())


# %%
check.all_but_the_last(freeze_all_but_last)

# %% [markdown]
# Ten steps of Adam, which holds all parameters here. `torch.equal` compares
# without tolerance.

# %%
torch.manual_seed(5)  # neither output of the last ReLU is 0
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1), nn.ReLU())
X = torch.rand(2, 4)
freeze_all_but_last(net)
before = copy.deepcopy(net.state_dict())
optimizer = torch.optim.Adam(net.parameters())
for _ in range(10):
    optimizer.zero_grad()
    (net(X) - 1).square().sum().backward()
    optimizer.step()
after = net.state_dict()
[name for name in after if not torch.equal(after[name], before[name])]

# %% [markdown]
# **A ReLU at the end.** A version that takes `net[-1]` freezes everything and
# returns an empty list. The optimizer is the first to notice.

# %% tags=["raises-exception"]
torch.optim.Adam(net[-1].parameters())

# %% [markdown]
# **Pitfall.** A gradient of zeros isn't enough: Adam remembers the gradients of
# earlier steps, and goes on moving.

# %%
w = nn.Parameter(torch.ones(1))
optimizer = torch.optim.Adam([w], lr=0.1)
for grad in (torch.ones(1), torch.zeros(1), None):
    w.grad = grad
    optimizer.step()
    print("gradient", w.grad, "-> w =", round(w.item(), 2))

# %% [markdown]
# **At the edges.** Buffers aren't frozen: a batch normalization in front goes
# on moving its running mean, until `eval` stops it.

# %%
norm = nn.BatchNorm1d(4).requires_grad_(False)
norm(X)
moved = norm.running_mean.clone()
norm.eval()(X)
moved.any().item(), torch.equal(norm.running_mean, moved)

# %% [markdown]
# ## 2.5 Bytes
#
# *Code, 20 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-5)
#
# Write `num_bytes(net)`, the bytes that the parameters and buffers of a
# network take. Memory that two of them share counts once, also where one is a
# view of the other: `untyped_storage()` of a tensor is the memory behind it.
# Compare it with your count by hand for `tied` of this chapter, for
# `FixedHiddenMLP()` of this companion, and for a module whose one buffer, 10
# numbers in `float32`, is registered under two names.

# %% [markdown]
# **Idea.** `parameters()` and `buffers()` give each tensor once, whatever the
# number of its names. Two tensors on the same memory have the same storage,
# so note storages, by their address.


# %%
def num_bytes(net):
    memory = {}
    for tensor in (*net.parameters(), *net.buffers()):
        storage = tensor.untyped_storage()
        memory[storage.data_ptr()] = storage.nbytes()
    return sum(memory.values())


by_hand = {"tied": 484, "FixedHiddenMLP": 3280, "two names": 40}

# %%
check.count_bytes(num_bytes, by_hand)

# %% [markdown]
# By hand, with 4 bytes for each number: `tied` has $4 \cdot 8 + 8 = 40$ in
# front, $8 \cdot 8 + 8$ or 72 in the shared layer and 9 at the end.
# `FixedHiddenMLP` has a buffer of 400 and one linear layer of 420. The buffer
# with two names has 10.

# %%
assert num_bytes(make_shared()) == 4 * (40 + 72 + 9)
assert num_bytes(FixedHiddenMLP()) == 4 * (400 + 420)
module = nn.Module()
module.register_buffer("first", torch.zeros(10))
module.register_buffer("second", module.first)
num_bytes(module)

# %% [markdown]
# **Another way.** The sum of the tensors' own `nbytes` is right as long as none
# is a view of another.


# %%
def num_bytes_of_tensors(net):
    return sum(t.nbytes for t in (*net.parameters(), *net.buffers()))


module.register_buffer("view", module.first[-3:])
num_bytes_of_tensors(module), num_bytes(module)

# %% [markdown]
# **At the edges.** A small view of a large tensor keeps all of its memory in
# use. `num_bytes` says so, and a `clone` cures it.

# %%
small = nn.Module()
small.register_buffer("view", torch.zeros(1000)[:10])
before = num_bytes(small)
small.view = small.view.clone()
before, num_bytes(small)

# %% [markdown]
# ## 2.6 Only one width is given
#
# *Think, 5 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-6)
#
# Build a `Sequential` of `Linear(20, 256)`, ReLU and `LazyLinear(10)`. Which
# parameters have values before the first batch? Then give the network a batch
# of the wrong width, $(2, 30)$, and after its error one of the right width,
# $(2, 20)$. Does the weight of the lazy layer have a shape after each of the
# two? Predict, the first by a set of names, then try.

# %% [markdown]
# **Idea.** The first layer has both widths, and its values from the start. The
# lazy one waits with its weight, and with its bias, whose 10 numbers it could
# make. A batch of the wrong width fails in the first layer and never comes to
# the lazy one, which stays without a shape.

# %%
with_values = {"0.weight", "0.bias"}
has_shape = {"after (2, 30)": False, "after (2, 20)": True}

# %%
check.only_one_width_is_given(with_values, has_shape)

# %% [markdown]
# `is_lazy` tells whether a parameter still waits.


# %%
def waiting(net):
    return [name for name, p in net.named_parameters() if is_lazy(p)]


net = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.LazyLinear(10))
waiting(net)

# %% [markdown]
# Now the two batches.

# %%
tried = copy.deepcopy(net)
for width in (30, 20):
    try:
        tried(torch.ones(2, width))
    except RuntimeError as error:
        print(f"width {width}:", type(error).__name__)
    print(f"after {width}:", waiting(tried))

# %% [markdown]
# **At the edges.** In front, a lazy layer takes any width. There the wrong
# batch raises no error and decides; the error comes with the right one.

# %%
net = nn.Sequential(nn.LazyLinear(256), nn.ReLU(), nn.Linear(256, 10))
net(torch.ones(2, 30))
try:
    net(torch.ones(2, 20))
except RuntimeError as error:
    print(type(error).__name__, tuple(net[0].weight.shape))

# %% [markdown]
# ## 2.7 Other starts
#
# *Explore, 20 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-7)
#
# Choose two functions of `nn.init` that this chapter doesn't use, and that
# need no argument but the weight. Find in their documentation what they draw,
# and write a test of each, for a weight of shape $(200, 100)$: for example of
# its standard deviation, or of whether its columns are orthogonal. A test
# accepts what its function drew. It refuses the same weight times 2 or divided
# by 2, and the weight that `nn.Linear(100, 200)` has at its start. The weights
# that the check gives to your tests are on the CPU.

# %% [markdown]
# **Idea.** `kaiming_normal_` draws from a normal distribution with standard
# deviation $\sqrt{2 / n_\mathrm{in}}$; a weight of shape $(200, 100)$ has
# $n_\mathrm{in} = 100$. `orthogonal_` gives columns of length 1 that are
# orthogonal: $W^\top W$ is the identity. The first test needs room for
# chance, the second for rounding.

# %%
first_start = nn.init.kaiming_normal_
second_start = nn.init.orthogonal_


def is_first(weight):
    return abs(weight.std().item() / (2 / 100) ** 0.5 - 1) < 0.05


def is_second(weight):
    return torch.allclose(weight.T @ weight, torch.eye(100), atol=1e-4)


# %%
check.other_starts(first_start, is_first, second_start, is_second)

# %% [markdown]
# How much room does chance need? The standard deviation of $n$ normal numbers
# varies by the share $1/\sqrt{2n}$: for 20,000 by 0.5%. Of 200 weights of that
# size, none is off by 5%.

# %%
torch.manual_seed(0)
weight = torch.empty(200, 100)
stds = torch.stack([first_start(weight).std() for _ in range(200)])
assert (stds / 0.02**0.5 - 1).abs().max() < 0.03
round(stds.std().item() / 0.02**0.5, 3)

# %% [markdown]
# **Why orthogonal?** Such a layer keeps the length of what it is given: $\lVert
# Wx \rVert = \lVert x \rVert$. Only the columns can be orthogonal here: 200
# rows don't fit into 100 dimensions.

# %%
W = second_start(weight)
x = torch.randn(100)
assert_close((W @ x).norm(), x.norm())
rows_too = torch.allclose(W @ W.T, torch.eye(200), atol=1e-4)
rows_too, torch.linalg.matrix_rank(W @ W.T).item()

# %% [markdown]
# **At the edges.** A standard deviation doesn't tell two laws apart:
# `kaiming_uniform_` has the same one. The largest value does: a uniform law
# has a bound, here $\sqrt{6/100} = 0.245$.

# %%
uniform = nn.init.kaiming_uniform_(torch.empty(200, 100))
assert is_first(uniform)
assert uniform.abs().max() < 0.245
assert first_start(weight).abs().max() > 0.4
round(uniform.abs().max().item(), 2)

# %% [markdown]
# ## 2.8 A tie that breaks
#
# *Think, 15 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-8)
#
# Tie two layers `Linear(4, 4)`, `a` and `b`, by `b.weight = a.weight`, in a
# network `nn.Sequential(a, b)`. Which of these keep the tie: `copy.deepcopy`
# of the network, its `load_state_dict` with the state dict of another such
# network, its `double()`, `b.weight = nn.Parameter(...)`, deep copies of `a`
# and `b` one by one? Predict, with True where the two weights are still one
# object, then test with `is`.

# %% [markdown]
# **Idea.** The tie is one object with two names. What writes into the object
# keeps it; what puts a new object under a name breaks it. One `deepcopy`
# copies it once, but two calls know nothing of each other.

# %%
still_tied = {
    "deepcopy of the network": True,
    "load_state_dict": True,
    "double": True,
    "new nn.Parameter": False,
    "deep copies one by one": False,
}

# %%
check.tie_that_breaks(still_tied)

# %% [markdown]
# The test with `is`, for those that keep the tie.


# %%
def tie():
    a, b = nn.Linear(4, 4), nn.Linear(4, 4)
    b.weight = a.weight
    return nn.Sequential(a, b)


def is_tied(net):
    return net[0].weight is net[1].weight


loaded = tie()
loaded.load_state_dict(tie().state_dict())
[is_tied(net) for net in (copy.deepcopy(tie()), loaded, tie().double())]

# %% [markdown]
# And for those that break it.

# %%
net = tie()
apart = nn.Sequential(copy.deepcopy(net[0]), copy.deepcopy(net[1]))
net[1].weight = nn.Parameter(torch.zeros(4, 4))
is_tied(net), is_tied(apart)

# %% [markdown]
# **Pitfall.** A broken tie raises no error: the values are equal at first, and
# part with the first step of training.

# %%
trained = copy.deepcopy(apart)
assert torch.equal(trained[0].weight, trained[1].weight)
trained(torch.ones(1, 4)).sum().backward()
torch.optim.SGD(trained.parameters(), lr=0.1).step()
torch.equal(trained[0].weight, trained[1].weight)

# %% [markdown]
# **At the edges.** Two calls that keep the tie can break it after all:
# `load_state_dict` with `assign=True`, which puts new parameters into their
# places, and a move to the device `meta`, which has no data to write into.

# %%
assigned = tie()
assigned.load_state_dict(tie().state_dict(), assign=True)
is_tied(assigned), is_tied(tie().to("meta"))

# %% [markdown]
# ## 2.9 Inputs of any width
#
# *Code, 20 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-9)
#
# Write a module that takes $(n, d)$ to $(n, 1)$ for any $d$, with a number of
# parameters that doesn't depend on $d$: put each feature through the same
# small network, from 1 number to 1 and with a hidden layer, and average. Run
# it with $d = 5$ and $d = 7$. Does the output change if the features of a
# sample change places?

# %% [markdown]
# **Idea.** A linear layer works on the last dimension, whatever is in front.
# Give each feature a last dimension of its own, of length 1: $(n, d)$ becomes
# $(n, d, 1)$, and one small network serves all. The average over $d$ leaves
# $(n, 1)$. The sum of the results has no order, so the output is the same if
# the features change places.


# %%
class AnyWidth(nn.Module):
    def __init__(self, num_hiddens=8):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(1, num_hiddens), nn.ReLU(), nn.Linear(num_hiddens, 1)
        )

    def forward(self, X):
        Y = self.net(X[..., None])  # (n, d) -> (n, d, 1)
        return Y.mean(dim=1)  # (n, 1)


output_changes = False

# %%
check.inputs_of_any_width(AnyWidth, output_changes)

# %% [markdown]
# One object takes both widths, with $8 + 8$ and $8 + 1$ parameters.

# %%
torch.manual_seed(0)
net = AnyWidth()
shapes = [tuple(net(torch.rand(3, d)).shape) for d in (5, 7)]
shapes, sum(p.numel() for p in net.parameters())

# %% [markdown]
# Features that change places leave the output as it is, but for the rounding
# of a sum in another order.

# %%
X = torch.rand(3, 7)
assert_close(net(X[:, torch.randperm(7)]), net(X))

# %% [markdown]
# **Another way.** Put all $n \cdot d$ numbers below each other, as one batch
# of samples with one feature. The way back must be to $(n, d)$: to $(d, n)$
# has as many numbers, and mixes the samples without an error.

# %%
Y = net.net(X.reshape(-1, 1))  # (n, d) -> (n d, 1)
assert_close(Y.reshape(3, 7).mean(dim=1, keepdim=True), net(X))
Y.reshape(7, 3).mean(dim=0).allclose(net(X)[:, 0])

# %% [markdown]
# **At the edges.** What has no order can't learn one. The targets $x_1 - x_2$
# of the samples $(1, 0)$ and $(0, 1)$ are 1 and -1; the network gives both the
# same, whatever its parameters are.

# %%
Y = net(torch.eye(2))
assert_close(Y[0], Y[1])

# %% [markdown]
# ## 2.10 More words
#
# *Code, 25 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-10)
#
# A tied `NextWord` has learned some words, and gets more. Write `grow(model,
# num_words)`, which changes the model itself: its embedding and its output
# serve `num_words` words, also when they are printed, and have one parameter
# again. The rows of the old words keep their values, and each new row is the
# mean of the old ones. Data type and `requires_grad` stay. An optimizer was
# built before, with `model.parameters()`: does it train the rows of the old
# words after `grow`, or those of the new ones? Predict, with True or False.

# %% [markdown]
# **Idea.** A parameter can't grow: make a new one, with the old rows in front.
# New layers have the new sizes, and then get this parameter under both names.
# The old optimizer holds the old parameter, which the model has no more: it
# trains none of the rows, neither old nor new.


# %%
def grow(model, num_words):
    old = model.embedding.weight
    mean = old.detach().mean(dim=0, keepdim=True)
    more = mean.expand(num_words - len(old), -1)
    values = torch.cat((old.detach(), more))
    model.embedding = nn.Embedding(*values.shape)
    model.out = nn.Linear(*values.T.shape, bias=False)
    weight = nn.Parameter(values, old.requires_grad)
    model.embedding.weight = model.out.weight = weight


trained_by_old_optimizer = {"old rows": False, "new rows": False}

# %%
check.more_words(grow, trained_by_old_optimizer)

# %% [markdown]
# Here is a model like that of the chapter. The old words keep their scores.


# %%
class NextWord(nn.Module):
    def __init__(self, num_words, num_features):
        super().__init__()
        self.embedding = nn.Embedding(num_words, num_features)
        self.out = nn.Linear(num_features, num_words, bias=False)
        self.embedding.weight = self.out.weight

    def forward(self, words):
        return self.out(self.embedding(words))


torch.manual_seed(0)
model, words = NextWord(5, 3), torch.arange(5)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
before = model(words)
grow(model, 7)
assert_close(model(words)[:, :5], before)
model

# %% [markdown]
# **Pitfall.** The optimizer of before makes its steps, and the model stays as
# it is. Build a new one, and mind that Adam's averages begin anew.

# %%
model(words).sum().backward()
changed_by_a_step(optimizer, model)

# %% [markdown]
# **Why the mean?** Rows of random numbers would be scores without a reason;
# rows of zeros give each new word the score 0, which may be the highest. A
# mean row has the mean score of the old words.

# %%
scores = model(words)
assert_close(scores[:, 5], scores[:, :5].mean(dim=1))

# %% [markdown]
# ## 2.11 Shape a lazy network
#
# *Code, 20 minutes.*
# [Exercise](../02_parameters.ipynb#cell-id=exercise-2-11)
#
# Write `shape(net, X)`, which runs the batch `X` so that the lazy layers of a
# network get their widths, and returns the names of the parameters that have
# got their shape by it. It changes nothing else: buffers such as a running
# mean keep their values, each module stays in the mode it is in, training or
# evaluation, and dropout draws no random number. If the batch doesn't fit, the
# error of PyTorch comes, and the modes are still as they were. (`is_lazy` of
# `torch.nn.parameter` tells whether a parameter waits for its shape.)

# %% [markdown]
# **Idea.** Evaluation mode keeps averages and dropout still, but it must be
# undone module by module: `net.train()` would wake what was put to sleep on
# purpose. `finally` undoes it after an error, too.


# %%
def shape(net, X):
    names = [name for name, p in net.named_parameters() if is_lazy(p)]
    modes = {module: module.training for module in net.modules()}
    try:
        with torch.no_grad():
            net.eval()(X)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return names


# %%
check.shape_a_lazy_network(shape)

# %% [markdown]
# A network with a batch normalization that is frozen, as in other people's
# weights, and with a lazy layer behind it.

# %%
frozen = nn.BatchNorm1d(20).eval()
net = nn.Sequential(frozen, nn.LazyLinear(8), nn.Dropout(), nn.Linear(8, 1))
names = shape(net, torch.ones(2, 20))
names, [module.training for module in net]

# %% [markdown]
# **Pitfall.** The random numbers of a lazy layer are drawn now, not where the
# network was written. So the last layer below draws before the lazy one: after
# the same seed, it starts with other weights than behind an ordinary layer.

# %%
weights = []
for make in (lambda: nn.Linear(20, 8), lambda: nn.LazyLinear(8)):
    torch.manual_seed(0)
    net = nn.Sequential(make(), nn.ReLU(), nn.Linear(8, 1))
    shape(net, torch.ones(2, 20))
    weights.append(net[2].weight)
torch.equal(*weights)
