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
# # Solutions to chapter 01
#
# To the exercises of [Build networks from blocks](../01_blocks.ipynb).
# Each begins with its statement. Try it there first, and come here when you
# are stuck.

# %%
import copy
from contextlib import ExitStack

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F

from d2l_helpers import (
    MLP,
    FixedHiddenMLP,
    MySequential,
    NestMLP,
    check,
    draw_modules,
    use_style,
)

use_style()

# %% [markdown]
# ## 1.1 A chain over a list
#
# *Code, 20 minutes.*
# [Exercise](../01_blocks.ipynb#cell-id=exercise-1-1)
#
# Change `MySequential` so that it keeps its blocks in a plain Python list, and
# registers none. Before you run this version, write down which of these break,
# that is, no longer do what `MySequential` does: the output, `parameters()`,
# `state_dict()`, `double()`, printing. Then repair it: `forward` still walks
# through the plain list, and all five do again what `MySequential` does, with
# the same names, also for a block that is used twice.

# %% [markdown]
# **Idea.** A module enters the registry when it is assigned to an attribute,
# or by `add_module`. A list is no module, so whatever goes through the
# registry misses the blocks; `forward`, which walks through the list, has them
# all. The repair is to register each block as well.


# %%
breaks = dict.fromkeys(("parameters()", "state_dict()", "printing"), True)
breaks.update({"double()": True, "output": False})


class ListSequential(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.blocks = list(blocks)
        for i, block in enumerate(self.blocks):
            self.add_module(str(i), block)

    def forward(self, X):
        for block in self.blocks:
            X = block(X)
        return X


# %%
check.chain_over_a_list(ListSequential, breaks)

# %% [markdown]
# Before the repair, the chain computes, but prints as an empty one, and has
# nothing to train or to save.


# %%
class BrokenSequential(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.blocks = list(blocks)

    forward = ListSequential.forward


broken = BrokenSequential(nn.Linear(2, 3), nn.ReLU())
assert broken(torch.ones(1, 2)).shape == (1, 3)
broken, list(broken.parameters()), dict(broken.state_dict())

# %% [markdown]
# `double()` raises no error. It changes nothing, and the next call fails.

# %% tags=["raises-exception"]
broken.double()
broken(torch.ones(1, 2).double())

# %% [markdown]
# **Another way.** `nn.ModuleList` is list and registry in one. Outside of an
# exercise it is the better repair.
#
# **Pitfall.** Two records can part. Here a layer is replaced by name, as tools
# do that swap layers. Is the new layer in the list?

# %%
torch.manual_seed(0)
net, X = ListSequential(nn.Linear(2, 2)), torch.ones(1, 2)
before = net(X)
setattr(net, "0", nn.Linear(2, 2))
assert torch.equal(net(X), before)
new = net.get_submodule("0")
[block is new for block in net.blocks]

# %% [markdown]
# It isn't. The new layer is printed, trained and saved, and never runs.

# %% [markdown]
# ## 1.2 Two nets side by side
#
# *Code, 10 minutes.*
# [Exercise](../01_blocks.ipynb#cell-id=exercise-1-2)
#
# Write a module `Parallel(net1, net2)` whose output is that of both nets for
# the same input, concatenated along the last dimension, with `net1` in front.
# What must the two agree on, in what they take and in what they return? For
# `net1 = nn.Linear(6, 3)` and `X` of shape $(4, 2, 6)$, predict with which of
# three other nets `Parallel` works.

# %% [markdown]
# **Idea.** Attributes register both nets, and `torch.cat` along `dim=-1` joins
# what they return. Both must take the same input: its shape, data type and
# device. Of their outputs, only the last dimension may differ; the number of
# dimensions and the other sizes must be the same.


# %%
class Parallel(nn.Module):
    def __init__(self, net1, net2):
        super().__init__()
        self.net1, self.net2 = net1, net2

    def forward(self, X):
        return torch.cat((self.net1(X), self.net2(X)), dim=-1)


works = {"nn.Linear(6, 5)": True, "nn.Linear(5, 3)": False}
works["nn.Flatten()"] = False

# %%
check.two_nets_side_by_side(Parallel, works)

# %% [markdown]
# `nn.Flatten` takes the same input, but returns $(4, 12)$ beside $(4, 2, 3)$.

# %% tags=["raises-exception"]
Parallel(nn.Linear(6, 3), nn.Flatten())(torch.ones(4, 2, 6))

# %% [markdown]
# **At the edges.** One net may stand on both sides. It runs twice, and its
# parameters are there once.

# %%
layer = nn.Linear(6, 3)
both = Parallel(layer, layer)
both(torch.ones(4, 2, 6)).shape, len(list(both.parameters()))

# %% [markdown]
# **Pitfall.** A net that works in place changes the input of the other. The
# second net below returns what it gets: its first number should be -1.

# %%
Parallel(nn.ReLU(inplace=True), nn.Identity())(torch.tensor([-1.0, 2]))

# %% [markdown]
# ## 1.3 A factory
#
# *Code, 15 minutes.*
# [Exercise](../01_blocks.ipynb#cell-id=exercise-1-3)
#
# Write a function `repeat(make_block, n)` that returns a chain of `n` blocks
# that share no parameter, each from a call `make_block()` of its own. Show
# that they share none. What changes if the function takes a block instead of
# a function that makes one? Predict it for chains of three `nn.Linear(4, 4)`
# from three calls, from one block in all three places, and from three deep
# copies of one block: how many tensors `parameters()` gives, and how many
# different weight matrices the three places start with.

# %% [markdown]
# **Idea.** Only the caller knows how a block is made. A function hands this
# knowledge over, and `repeat` calls it once for each place.


# %%
def repeat(make_block, n):
    return nn.Sequential(*(make_block() for _ in range(n)))


starts = {
    "three calls": (6, 3),
    "one block": (2, 1),
    "three deep copies": (6, 1),
}

# %%
check.factory(repeat, starts)

# %% [markdown]
# `parameters()` gives a shared tensor once. Three layers of two tensors each
# make six, so none is shared.

# %%
torch.manual_seed(0)
chain = repeat(lambda: nn.Linear(4, 4), 3)
len(list(chain.parameters()))

# %% [markdown]
# A function that takes a block has one layer to give. It can put it in every
# place, which is one layer that runs three times, or copy it. Copies share
# nothing, but start alike. In a chain their gradients differ, and one step
# takes them apart.

# %%
block, X = nn.Linear(4, 4), torch.ones(1, 4)
copies = nn.Sequential(*(copy.deepcopy(block) for _ in range(3)))
assert torch.equal(copies[0].weight, copies[2].weight)
copies(X).sum().backward()
torch.optim.SGD(copies.parameters(), lr=0.1).step()
assert not torch.allclose(copies[0].weight, copies[2].weight)

# %% [markdown]
# **Pitfall.** The function must make a block in each call. If it returns one
# that is already there, `repeat` can't help.

# %%
len(list(repeat(lambda: block, 3).parameters()))

# %% [markdown]
# **At the edges.** A class makes an object when it is called, so it serves as
# `make_block` too. A chain of no blocks returns its input.

# %%
assert repeat(nn.ReLU, 0)(X) is X
repeat(nn.ReLU, 2)

# %% [markdown]
# ## 1.4 An activation by name
#
# *Code, 15 minutes.*
# [Exercise](../01_blocks.ipynb#cell-id=exercise-1-4)
#
# Write an `MLP` whose argument `activation` is `"relu"`, `"tanh"` or
# `"gelu"`. Another name gives an error that lists the three, as soon as the
# module is made. Must the activations be registered? And must an
# `nn.PReLU`?

# %% [markdown]
# **Idea.** A dictionary from names to functions serves the choice and the
# message. The test stands in `__init__`, where the wrong name arrives.
#
# The three have no tensors to train, save or move, so they needn't be
# registered, and plain functions will do. `nn.PReLU` learns the slope for
# negative inputs, and must be registered.


# %%
ACTIVATIONS = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}


class ActivationMLP(nn.Module):
    def __init__(self, num_inputs, num_hiddens, num_outputs, activation):
        super().__init__()
        if activation not in ACTIVATIONS:
            names = ", ".join(ACTIVATIONS)
            raise ValueError(f"{activation!r} isn't one of {names}")
        self.hidden = nn.Linear(num_inputs, num_hiddens)
        self.out = nn.Linear(num_hiddens, num_outputs)
        self.activation = ACTIVATIONS[activation]

    def forward(self, X):
        return self.out(self.activation(self.hidden(X)))


must_register = {"nn.ReLU": False, "nn.Tanh": False, "nn.GELU": False}
must_register["nn.PReLU"] = True

# %%
check.activation_by_name(ActivationMLP, must_register)

# %% [markdown]
# The error says what was given, and what there is.

# %% tags=["raises-exception"]
ActivationMLP(20, 256, 10, "swish")

# %% [markdown]
# The state dicts show which of the modules have something to register.

# %%
modules = nn.ReLU(), nn.Tanh(), nn.GELU(), nn.PReLU()
{type(m).__name__: dict(m.state_dict()) for m in modules}

# %% [markdown]
# **Another way.** Modules such as `nn.ReLU()` in place of functions are printed
# with the rest, and hooks can watch them.
#
# **Pitfall.** `getattr(F, activation)` is shorter, and takes the name of any
# function in `F`. This one drops half of the values, in evaluation too, and
# raises no error.

# %%
activation = "dropout"
getattr(F, activation)(torch.ones(100)).unique()

# %% [markdown]
# ## 1.5 Read a tree
#
# *Think, 15 minutes.*
# [Exercise](../01_blocks.ipynb#cell-id=exercise-1-5)
#
# Draw the tree of
# `MySequential(d2l_helpers.NestMLP(), MySequential(MLP(16, 8, 4), nn.ReLU()))`
# on paper, with the name and the shape of every parameter. Check it with
# `draw_modules` and `state_dict`.

# %% [markdown]
# **Idea.** A name is the path from the root to the tensor. Blocks of a chain
# have numbers, also the ReLUs, which have no parameters: in `0.net`, the
# numbers 1 and 3 are missing from the names. `nn.Linear(n, m)` keeps a weight
# of shape $(m, n)$ and a bias of shape $(m,)$.

# %%
shapes = {
    "0.net.0.weight": (64, 20),
    "0.net.0.bias": (64,),
    "0.net.2.weight": (32, 64),
    "0.net.2.bias": (32,),
    "0.linear.weight": (16, 32),
    "0.linear.bias": (16,),
    "1.0.hidden.weight": (8, 16),
    "1.0.hidden.bias": (8,),
    "1.0.out.weight": (4, 8),
    "1.0.out.bias": (4,),
}

# %%
check.read_a_tree(shapes)

# %% [markdown]
# The state dict agrees, in its order too. This tree has no buffers, so it
# holds the parameters alone.

# %%
net = MySequential(NestMLP(), MySequential(MLP(16, 8, 4), nn.ReLU()))
found = {name: tuple(p.shape) for name, p in net.state_dict().items()}
assert list(found.items()) == list(shapes.items())

# %% [markdown]
# In the picture, a name is read along the lines, from the left.

# %% mystnb={"image": {"alt": "A tree of modules from left to right. The root MySequential, with 4,124 parameters, has the children 0, a NestMLP with 3,952, and 1, a MySequential with 172. NestMLP has net, a Sequential of Linear, ReLU, Linear and ReLU with the numbers 0 to 3, and linear. The MySequential has 0, an MLP with the layers hidden and out, and 1, a ReLU."}}
draw_modules(net)
plt.show()

# %% [markdown]
# ## 1.6 A hook that measures
#
# *Code, 20 minutes.*
# [Exercise](../01_blocks.ipynb#cell-id=exercise-1-6)
#
# Write `measure(net, X)`. It registers one function as a forward hook on every
# module of `net` that has no children, runs `net(X)`, and returns a pair for
# each time that such a layer runs, in order: the shape of its output, and the
# mean of the output's absolute values. Remove the hooks again, and no others,
# even if the run raises an error; change no module's `training`. What does it
# say about this chapter's `classifier` and `image`?

# %% [markdown]
# **Idea.** `modules()` visits each module once, the net itself included; those
# without children are the layers. The hook appends to a list that it shares
# with `measure`. A handle is also a context manager: `ExitStack` closes all of
# them at the end of the `with`, also when an error ends it.


# %%
def measure(net, X):
    pairs = []

    def note(module, args, output):
        pairs.append((tuple(output.shape), output.abs().mean().item()))

    with ExitStack() as stack:
        for module in net.modules():
            if not list(module.children()):
                handle = module.register_forward_hook(note)
                stack.enter_context(handle)
        net(X)
    return pairs


# %%
check.hook_that_measures(measure)

# %% [markdown]
# For the classifier of the chapter: how do the values change on their way?

# %%
torch.manual_seed(0)
layers = nn.Linear(784, 512), nn.Linear(512, 512), nn.Linear(512, 10)
first, second, last = layers
scores = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
classifier = nn.Sequential(nn.Flatten(), scores)
image = torch.rand(1, 28, 28)
[(shape, round(mean, 2)) for shape, mean in measure(classifier, image)]

# %% [markdown]
# They shrink, up to the ten scores, which are too few to tell. PyTorch draws
# the weights of a linear layer with $d$ inputs between $-1/\sqrt{d}$ and
# $1/\sqrt{d}$: the mean square of $W x$ is then a third of that of $x$. Weights
# from $N(0, 2/d)$, made for ReLUs, keep the size.

# %%
torch.manual_seed(0)
for layer in layers:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
[round(mean, 1) for _, mean in measure(classifier, image)]

# %% [markdown]
# **Pitfall.** A hook that keeps the output, to measure it later, keeps no
# copy. The ReLU below writes into what `Identity` has returned: -1 and 3, whose
# mean absolute value is 2.

# %%
net = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
kept = []
with net[0].register_forward_hook(lambda m, args, Y: kept.append(Y)):
    net(torch.tensor([-1.0, 3]))
kept[0].abs().mean().item(), measure(net, torch.tensor([-1.0, 3]))[0][1]

# %% [markdown]
# ## 1.7 Count the rounds
#
# *Explore, 20 minutes.*
# [Exercise](../01_blocks.ipynb#cell-id=exercise-1-7)
#
# Change `FixedHiddenMLP` so that it remembers, in an attribute `rounds`, how
# often the last call halved its values. How does this number grow with the
# scale of the input, and why? Predict what is added to the rounds of a large
# input if it is multiplied by 2 or by 1024, when the ReLU lets some of its
# values pass. Then predict it for 1024 when the ReLU returns only zeros.

# %% [markdown]
# **Idea.** Begin at 0 in each call, and add 1 in the body of the loop.
#
# Each round halves the sum $S$ of the absolute values, so there are
# $\lceil \log_2 S \rceil$ rounds if $S > 1$. For a large input, the biases and
# the 1 hardly count, and $S$ grows like the scale: a factor of 2 adds one
# round, 1024 adds ten. If the ReLU lets nothing pass, `linear` returns its
# bias whatever the input, and the number stays.


# %%
class CountingMLP(FixedHiddenMLP):
    def forward(self, X):
        X = F.relu(self.linear(X) @ self.rand_weight + 1)
        X = self.linear(X)
        self.rounds = 0
        while X.abs().sum() > 1:
            X = X / 2
            self.rounds += 1
        return X.sum()


added = {2: 1, 1024: 10, "1024, all zero": 0}

# %%
check.count_the_rounds(CountingMLP, added)

# %% [markdown]
# Two nets show both cases: positive weights let everything pass, negative ones
# nothing.

# %%
torch.manual_seed(0)
X, scales = torch.rand(2, 20), [2**k for k in range(21)]
rounds = {}
for sign, name in ((1, "all values pass"), (-1, "none passes")):
    net = CountingMLP()
    with torch.no_grad():
        net.linear.weight.copy_(sign * net.linear.weight.abs())
    rounds[name] = [(net(scale * X), net.rounds)[1] for scale in scales]
{name: counts[::5] for name, counts in rounds.items()}

# %% [markdown]
# At first the biases count too. Then five doublings of the scale add five
# rounds: a straight line over a logarithmic axis.

# %% mystnb={"image": {"alt": "Rounds over the scale of the input, on a logarithmic axis from 1 to 2 to the power of 20. Where all values pass, the rounds rise from 11 to 30, from the fourth point on along a straight line. Where none passes, they stay at 3."}}
for name, counts in rounds.items():
    plt.plot(scales, counts, ".-", label=name)
plt.xscale("log", base=2)
plt.xlabel("scale of the input")
plt.ylabel("rounds")
plt.legend()
plt.show()

# %% [markdown]
# **At the edges.** With an infinite value the loop never ends, as the chapter
# shows. `nan > 1` is false, so a `nan` ends it at once.

# %%
net(torch.full((1, 20), float("nan"))), net.rounds

# %% [markdown]
# ## 1.8 A module without torch's
#
# *Code, 30 minutes.*
# [Exercise](../01_blocks.ipynb#cell-id=exercise-1-8)
#
# Write in plain Python, without `nn.Module`, a class `Module` from which
# others inherit. They write `__init__`, which assigns their parts to
# attributes and doesn't call yours, and `forward`. Parts are parameters,
# objects of `nn.Parameter`, and children, objects of `Module`.
#
# - Calling an object returns what its `forward` returns for these arguments.
# - `named_parameters()` gives pairs of a dotted name and a parameter: first
#   the object's own, then those of its children, each in the order of the
#   attributes. A parameter that has several names is given once.
# - A part that was replaced or deleted isn't there any more.
# - `zero_grad()` sets the gradient of each parameter to None.
#
# What does `nn.Module` do beyond this?

# %% [markdown]
# **Idea.** Python has a registry already: `vars(self)`, the dictionary of an
# object's attributes, in the order of their assignment. What is replaced or
# deleted there is gone. The rest is a walk: own parameters, then the children,
# with a prefix for the names, and a set of what was seen.


# %%
class Module:
    def __call__(self, *args):
        return self.forward(*args)

    def named_parameters(self, prefix="", seen=None):
        seen = set() if seen is None else seen
        for name, part in vars(self).items():
            if isinstance(part, nn.Parameter) and part not in seen:
                seen.add(part)
                yield prefix + name, part
        for name, part in vars(self).items():
            if isinstance(part, Module):
                yield from part.named_parameters(f"{prefix}{name}.", seen)

    def zero_grad(self):
        for _, parameter in self.named_parameters():
            parameter.grad = None


# %%
check.module_without_torch(Module)

# %% [markdown]
# A network of such modules can be trained: an optimizer asks for parameters
# alone.


# %%
class Affine(Module):
    def __init__(self, num_inputs, num_outputs):
        self.weight = nn.Parameter(torch.randn(num_outputs, num_inputs))
        self.bias = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, X):
        return X @ self.weight.T + self.bias


class TwoLayers(Module):
    def __init__(self):
        self.hidden, self.out = Affine(3, 8), Affine(8, 1)

    def forward(self, X):
        return self.out(F.relu(self.hidden(X)))


# %% [markdown]
# Forty steps of gradient descent on the product of two features:

# %%
torch.manual_seed(0)
net, X = TwoLayers(), torch.rand(64, 3)
optimizer = torch.optim.SGD([p for _, p in net.named_parameters()], lr=0.05)
losses = []
for _ in range(40):
    loss = F.mse_loss(net(X), X[:, :1] * X[:, 1:2])
    net.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0] / 10
[name for name, _ in net.named_parameters()]

# %% [markdown]
# **What `nn.Module` does beyond this.** It keeps parameters, buffers and
# children in three dictionaries of its own, and notices each assignment. So it
# can refuse what doesn't belong there, load, move and print. A call runs
# hooks.

# %%
layer = nn.Linear(2, 2)
{
    name: [*part]
    for name, part in vars(layer).items()
    if part and name in ("_parameters", "_buffers", "_modules")
}

# %% [markdown]
# **Pitfall.** Neither of the two looks into a plain list.


# %%
class Listed(Module):
    def __init__(self):
        self.layers = [Affine(2, 2)]


list(Listed().named_parameters())

# %% [markdown]
# ## 1.9 A shortcut that fits
#
# *Code, 20 minutes.*
# [Exercise](../01_blocks.ipynb#cell-id=exercise-1-9)
#
# Write `Shortcut(net, num_inputs, num_outputs)`, a residual block for a net
# that takes `num_inputs` features to `num_outputs`. If the two are equal, it
# adds the input to the output of the net. If they differ, it adds what a
# linear layer without a bias, in the attribute `project`, makes of the input.
# Where the two parts of the sum differ in their shapes, it raises a
# `ValueError` that names both. Why is that needed? Predict the shape of
# `X + Y` for `X` of shape $(4, 20)$ and for four shapes of `Y`.

# %% [markdown]
# **Idea.** Two widths that are equal need no layer, and two that differ need
# one whose only task is to change the width. The bias of the net is enough for
# both. The shapes are compared where both are known: in `forward`, after the
# projection.


# %%
class Shortcut(nn.Module):
    def __init__(self, net, num_inputs, num_outputs):
        super().__init__()
        self.net, self.project = net, None
        if num_inputs != num_outputs:
            self.project = nn.Linear(num_inputs, num_outputs, bias=False)

    def forward(self, X):
        Y = self.net(X)
        Z = self.project(X) if self.project else X
        if Y.shape != Z.shape:
            raise ValueError(f"can't add {tuple(Y.shape)} to {tuple(Z.shape)}")
        return Y + Z


sums = {(4, 1): (4, 20), (20,): (4, 20), (4, 10): "error"}
sums[3, 4, 20] = (3, 4, 20)

# %%
check.shortcut_that_fits(Shortcut, sums)

# %% [markdown]
# **Why the comparison.** Of the four shapes, PyTorch refuses one. Sizes of 1
# and missing dimensions in front are filled by repetition, for each of the two
# tensors, so that the sum may be larger than both.

# %%
a, b = torch.ones(4, 1), torch.ones(20)
(a + b).shape

# %% [markdown]
# A net that returns one number for each sample, in a vector, shows how this
# goes wrong: with as many samples as features, even the shape is right.

# %%
X = torch.arange(4.0).reshape(2, 2)
means = X.mean(dim=1)  # (2,): 0.5 and 2.5, one for each sample
X + means

# %% [markdown]
# The mean of the first sample was added to the first feature of both. Here
# `Shortcut` raises its error.


# %% tags=["raises-exception"]
class Means(nn.Module):
    def forward(self, X):
        return X.mean(dim=1)


Shortcut(Means(), 2, 2)(X)

# %% [markdown]
# **At the edges.** An attribute that is None isn't registered, and can be
# asked: `if self.project`.

# %%
list(Shortcut(nn.ReLU(), 2, 2).state_dict())
