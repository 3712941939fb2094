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
# # Solutions to chapter 10
#
# To the exercises of
# [Know what training keeps, and start a deep network](../10_memory.ipynb).
# Each begins with its statement. Try it there first, and come here when you
# are stuck.

# %%
import copy

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from d2l_helpers import check, use_style

use_style()

# %% [markdown]
# ## 10.1 A ledger by block
#
# *Code, 25 minutes.*
# [Exercise](../10_memory.ipynb#cell-id=exercise-10-1)
#
# Which part of a network is it that fills the memory? Write
# `ledger_by_block(net, optimizer)`: for each child of a network, the bytes of
# its weights, of their gradients, and of the optimizer's state for them. A
# tensor without dimensions, such as a counter of steps, doesn't count. The
# function only looks: the network and the optimizer stay as they are. Then
# predict the ledger of `Sequential(Linear(100, 200), ReLU(), Linear(200, 10))`
# after one step with Adam and before `zero_grad`, if the first layer is
# frozen.

# %% [markdown]
# **Idea.** `named_children` gives the blocks, and `parameters()` of a block
# all that is below it. An optimizer keeps its state in a dict, by parameter.
# This dict makes an entry for each key that is asked for, so ask with `get`.
# In the prediction, a layer from 100 to 200 has 20,200 parameters of 4 bytes,
# and one from 200 to 10 has 2,010. Adam has never seen a gradient of the
# frozen layer, and has no state for it.


# %%
def ledger_by_block(net, optimizer):
    rows = {}
    for name, block in net.named_children():
        weights = list(block.parameters())
        gradients = [p.grad for p in weights if p.grad is not None]
        state = [
            value
            for p in weights
            for value in optimizer.state.get(p, {}).values()
            if isinstance(value, torch.Tensor) and value.dim() > 0
        ]
        parts = (weights, gradients, state)
        rows[name] = tuple(sum(t.nbytes for t in part) for part in parts)
    return rows


predicted_ledger = {"0": (80_800, 0, 0), "1": (0, 0, 0)}
predicted_ledger["2"] = (8_040, 8_040, 16_080)

# %%
check.memory_ledger(ledger_by_block, predicted_ledger)

# %% [markdown]
# **Pitfall.** Without `get`, looking changes what is looked at: the optimizer
# gets an empty entry for each parameter.

# %%
layer = nn.Linear(2, 2)
adam = torch.optim.Adam(layer.parameters())
adam.state[layer.weight]
len(adam.state)

# %% [markdown]
# What fills the memory in a layer of a language model? The two linear layers
# together have twice what the attention has.

# %%
block = nn.TransformerEncoderLayer(d_model=64, nhead=4, dim_feedforward=256)
rows = ledger_by_block(block, torch.optim.SGD(block.parameters()))
{name: weights for name, (weights, *_) in rows.items() if weights > 1000}

# %% [markdown]
# ## 10.2 What is kept
#
# *Think, 15 minutes.*
# [Exercise](../10_memory.ipynb#cell-id=exercise-10-2)
#
# `X` is a batch of shape (100, 8), and needs no gradient. Each layer keeps the
# shape. How many tensors of this shape does each network keep for `backward`?
# Predict, then count: `kept_by(net, net, X) * GiB / X.nbytes`. In the names,
# `Frozen` is a linear layer whose parameters are frozen. SiLU is smooth, like
# GELU: $z\,\sigma(z)$.

# %% [markdown]
# **Idea.** Go through the layers, and ask of each: does it get a gradient, or
# pass one on? If neither, it keeps nothing. A linear layer keeps its input, if
# its weight is trained. ReLU keeps its output, SiLU its input. Then count each
# tensor once.

# %%
tensors_kept = {
    "Linear": 1,  # X
    "Linear, ReLU": 2,  # X, and the ReLU's output
    "Linear, ReLU, Linear": 2,  # the same, shared with the last layer
    "Linear, SiLU, Linear": 3,  # X, the SiLU's input, its output
    "Linear, Linear, Linear": 3,  # the input of each
    "Frozen, ReLU, Frozen": 0,  # there is no graph
    "Frozen, ReLU, Linear": 1,  # the graph begins in the last layer
    "Linear, Frozen": 1,  # X; the last layer needs its weight alone
    "Linear, ReLU, Frozen": 2,  # X, and the ReLU's output
}

# %%
check.saved_tensors(tensors_kept)

# %% [markdown]
# **At the edges.** If `X` needs a gradient, a frozen layer in front must pass
# one on: its weight is kept, which is there anyway, and its ReLU keeps its
# output.

# %% [markdown]
# ## 10.3 A checkpoint for each k blocks
#
# *Code, 30 minutes.*
# [Exercise](../10_memory.ipynb#cell-id=exercise-10-3)
#
# `checkpoint_sequential` leaves its last segment as it is, and wants the
# number of segments. Write `checkpoint_every(k, blocks, X)`, which passes `X`
# through an `nn.Sequential` with `checkpoint`, in segments of `k` blocks, the
# last one, which may be shorter, included. Outputs and gradients are those of
# `blocks(X)`, also with dropout and the same seed; nothing is kept but the
# input of each segment.

# %% [markdown]
# **Idea.** A slice of an `nn.Sequential` is one, too, and a shorter one at the
# end. It holds its blocks, so that the second run has the right ones.


# %%
def checkpoint_every(k, blocks, X):
    for start in range(0, len(blocks), k):
        segment = blocks[start : start + k]
        X = checkpoint(segment, X, use_reentrant=False)
    return X


# %%
check.checkpoint_segments(checkpoint_every)

# %% [markdown]
# **Pitfall.** A function that reads the variable of a loop finds its value at
# the time when it runs. The second run comes after the loop: each segment is
# then the last one. PyTorch compares the number and the shapes of what is
# kept; here both agree, and the gradients are wrong without an error.


# %%
def late(k, blocks, X):
    for start in range(0, len(blocks), k):

        def segment(X):
            return blocks[start : start + k](X)

        X = checkpoint(segment, X, use_reentrant=False)
    return X


# %% [markdown]
# Two segments of four layers each:

# %%
torch.manual_seed(0)
layers = [m for _ in range(4) for m in (nn.Linear(2, 2), nn.Tanh())]

# %% [markdown]
# Do both ways give the first weight the same gradient?

# %%
for forward in (checkpoint_every, late):
    blocks = nn.Sequential(*layers)
    blocks.zero_grad()
    forward(4, blocks, torch.ones(3, 2)).sum().backward()
    print(forward.__name__, blocks[0].weight.grad)

# %% [markdown]
# They don't: the second one was computed with values of the other segment.

# %% [markdown]
# ## 10.4 Chunks with padding
#
# *Code, 30 minutes.*
# [Exercise](../10_memory.ipynb#cell-id=exercise-10-4)
#
# `F.cross_entropy(logits, y)` takes the mean over the labels that aren't -100;
# this number marks padding. Write `accumulate(net, X, y, size)`, which
# computes this loss in chunks of at most `size` rows. It adds the gradient of
# the whole batch's loss to the gradients that are there, and returns the loss
# as a number. Chunks have different numbers of labels, and some have none. At
# no time are there two graphs. The network stays in its mode. At least one
# label isn't padding.

# %% [markdown]
# **Idea.** The mean over the batch is a sum divided by the number of labels in
# the *batch*, which is known before the first chunk. With `reduction="sum"`, a
# chunk without labels gives 0. Each `backward` comes before the next forward
# computation.


# %%
def accumulate(net, X, y, size):
    number = (y != -100).sum()
    total = 0.0
    for rows, labels in zip(X.split(size), y.split(size), strict=True):
        loss = F.cross_entropy(net(rows), labels, reduction="sum") / number
        loss.backward()
        total += loss.item()
    return total


# %%
check.gradient_accumulation(accumulate)

# %% [markdown]
# **Pitfall.** With the usual mean, a chunk of padding divides 0 by 0. PyTorch
# takes care of its gradient, which is 0, and not of the loss: added to others,
# it makes all of them `nan`.

# %%
logits = torch.ones(2, 3, requires_grad=True)
loss = F.cross_entropy(logits, torch.tensor([-100, -100]))
loss.backward()
loss.item(), logits.grad.any().item()

# %% [markdown]
# **Further.** `loss.item()` waits for a GPU in each chunk. Add up
# `loss.detach()` there, and read the sum once.

# %% [markdown]
# ## 10.5 Scale each layer by its data
#
# *Code, 25 minutes.*
# [Exercise](../10_memory.ipynb#cell-id=exercise-10-5)
#
# A gain is computed for inputs from a normal distribution. Real data can say
# itself how large the weights should be. Write `scale_by_data(net, X)` for an
# `nn.Sequential`: go through its layers in order; set the bias of each
# `nn.Linear` to 0, and divide its weight by a number, so that its output for
# `X` has a standard deviation of 1 over all its elements. The other layers
# and `X` stay as they are. The parameters stay the same objects, without a
# gradient, and the network stays in its mode.

# %% [markdown]
# **Idea.** A linear layer without a bias is linear in its weight: divide the
# weight by $s$, and the output is divided by $s$. The input of each layer must
# be what the layers before it give *after* they are scaled.


# %%
@torch.no_grad()
def scale_by_data(net, X):
    for layer in net:
        if isinstance(layer, nn.Linear):
            if layer.bias is not None:
                layer.bias.zero_()
            layer.weight.div_(layer(X).std())
        X = layer(X)


# %%
check.data_dependent_init(scale_by_data)

# %% [markdown]
# Thirty layers with GELU, whose gain nobody has looked up: what is the
# standard deviation behind the last linear layer, before and after?

# %%
torch.manual_seed(0)
layers = [m for _ in range(30) for m in (nn.Linear(64, 64), nn.GELU())]
net, X = nn.Sequential(*layers), torch.rand(256, 64)

# %% [markdown]
# Before, what is left comes from the biases.

# %%
scaled = copy.deepcopy(net)
scale_by_data(scaled, X)
before, after = net[:-1](X).std().item(), scaled[:-1](X).std().item()
f"from {before:.2f} to {after:.2f}"

# %% [markdown]
# **Further.** This is the second half of *layer-sequential unit-variance*
# (LSUV) initialization
# ([Mishkin and Matas, 2016](https://arxiv.org/abs/1511.06422)), which begins
# with orthogonal weights.

# %% [markdown]
# ## 10.6 An average that is saved
#
# *Code, 25 minutes.*
# [Exercise](../10_memory.ipynb#cell-id=exercise-10-6)
#
# Write `EMA`, a module with a moving average of a network. It holds a copy of
# the network, `average`, which starts as the network is and is in evaluation
# mode. `update(net)`, after a step of training, moves all its parameters:
# `decay` of the old average, `1 - decay` of the network. Buffers, such as the
# averages of batch normalization, are copied as they are. The parameters of
# `average` need no gradient. Nothing of the network changes.

# %% [markdown]
# **Idea.** A deep copy shares no memory with the network.
# `lerp_(p, 1 - decay)` goes a share of the way from the average to the
# network. Buffers may be integers, and are copied.


# %%
class EMA(nn.Module):
    def __init__(self, net, decay):
        super().__init__()
        self.decay = decay
        self.average = copy.deepcopy(net).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, net):
        own = self.average
        for mean, p in zip(own.parameters(), net.parameters(), strict=True):
            mean.lerp_(p, 1 - self.decay)
        for mine, buffer in zip(own.buffers(), net.buffers(), strict=True):
            mine.copy_(buffer)


# %%
check.exponential_moving_average(EMA)

# %% [markdown]
# As a module it is saved with the run, under names of its own.

# %%
list(EMA(nn.Linear(2, 1), decay=0.9).state_dict())

# %% [markdown]
# **Further.** The averages of batch normalization belong to the weights of the
# last step, not to the averaged ones. If it matters, compute them again over
# the training data: `torch.optim.swa_utils.update_bn` does.

# %% [markdown]
# ## 10.7 Widen a residual block
#
# *Code, 25 minutes.*
# [Exercise](../10_memory.ipynb#cell-id=exercise-10-7)
#
# A trained block is too narrow. Write `widen(block, width)`, which returns a
# new block with `width` hidden units in place of fewer, so that its output is
# exactly that of the old one, and training makes use of each new unit. The
# block has linear layers `hidden` and `out`, as `Residual` has, and may have
# other parts; the old block stays as it was. Then predict, with True or False,
# which parameters of the *new* units get a gradient other than 0 in the first
# step: their weights in `hidden`, their biases there, their weights in `out`.

# %% [markdown]
# **Idea.** The output stays if the new units have no weight in `out`. They
# learn if not everything about them is 0: their weights in `hidden` are drawn
# as for a new layer. In the first step only their weights in `out` get a
# gradient, since that of `hidden` is a product with the weights in `out`. From
# the second step on, all do.


# %%
def widen(block, width):
    wide, old = copy.deepcopy(block), block.hidden.out_features
    wide.hidden = nn.Linear(block.hidden.in_features, width)
    wide.out = nn.Linear(width, block.out.out_features)
    with torch.no_grad():
        wide.hidden.weight[:old] = block.hidden.weight
        wide.hidden.bias[:old] = block.hidden.bias
        wide.out.weight[:, :old] = block.out.weight
        wide.out.weight[:, old:] = 0
        wide.out.bias.copy_(block.out.bias)
    return wide


first_step = {"hidden.weight": False, "hidden.bias": False, "out.weight": True}

# %%
check.widen_residual_block(widen, first_step)

# %% [markdown]
# A step of training tells whether the new units' weights in `hidden` and in
# `out` have a gradient. The block has one old unit.


# %%
def step(wide):
    wide.zero_grad()
    wide.out(wide.hidden(X).relu()).square().sum().backward()
    torch.optim.SGD(wide.parameters(), lr=0.1).step()
    grads = wide.hidden.weight.grad[1:], wide.out.weight.grad[:, 1:]
    return [grad.any().item() for grad in grads]


# %% [markdown]
# The first step, and the second:

# %%
torch.manual_seed(0)
block, X = nn.Module(), torch.randn(8, 2)
block.hidden, block.out = nn.Linear(2, 1), nn.Linear(1, 2)
wide = widen(block, 4)
[step(wide), step(wide)]

# %% [markdown]
# **Another way.** Copy units, and give each copy its share of the weight in
# `out`: the output stays, too. But two equal units with equal weights get
# equal gradients, and stay one unit. Unequal shares, or a little noise, set
# them apart. (See [Net2Net](https://arxiv.org/abs/1511.05641) by Chen,
# Goodfellow and Shlens.)

# %% [markdown]
# ## 10.8 Freeze one side of a tie
#
# *Code, 20 minutes.*
# [Exercise](../10_memory.ipynb#cell-id=exercise-10-8)
#
# A small language model uses one table of words twice: to look up a row for a
# word that comes in, and to score each word that may come next. Write
# `TiedModel`, whose lookup is frozen: the table learns only by what the scores
# say, and yet the lookup reads the table as it is now. Then predict what the
# other ways would train: `"both"`, `"lookup"`, `"scores"` or `"none"`.

# %% [markdown]
# **Idea.** `detach` gives the same values, and cuts one path to the table, the
# one through the lookup. It shares memory with the table: no copy grows old.
# Freezing the parameter would cut both paths, as there is one parameter.


# %%
class TiedModel(nn.Module):
    def __init__(self, num_words, width):
        super().__init__()
        self.table = nn.Parameter(torch.randn(num_words, width))

    def forward(self, words):
        rows = self.table.detach()[words]  # (n,) -> (n, width)
        return torch.tanh(rows) @ self.table.T  # -> (n, num_words)


trained = {
    "table.requires_grad_(False)": "none",
    "detach() on the table in the scores": "lookup",
    "detach() on the rows that were looked up": "scores",
    "no_grad() around the whole forward": "none",
}

# %%
check.one_sided_tie(TiedModel, trained)

# %% [markdown]
# The rows of all words get a gradient, also of those that weren't looked up:
# the scores compare with each word.

# %%
torch.manual_seed(0)
model = TiedModel(4, 3)
F.cross_entropy(model(torch.tensor([0, 0])), torch.tensor([1, 2])).backward()
model.table.grad.any(dim=1)

# %% [markdown]
# ## 10.9 The gain of any activation
#
# *Explore, 20 minutes.*
# [Exercise](../10_memory.ipynb#cell-id=exercise-10-9)
#
# `calculate_gain` knows no GELU. Write `gain(f)`: the number $g$ for which
# $g f(z)$ has a mean square of 1, for $z$ from the standard normal
# distribution, with an error of at most half a percent. If you draw samples,
# don't seed PyTorch's generator, from which others draw, too. Compare with
# `calculate_gain` for ReLU and tanh: which of the two is the same? Then draw
# the size after 1 to 32 layers with GELU, with He's start and with your gain.

# %% [markdown]
# **Idea.** The mean of $f(z)^2$ under the normal density is an integral over
# one variable; a fine grid gives it to many digits. Beyond 8 standard
# deviations there is nothing to add. The gain is one over its root. That of
# ReLU is $\sqrt 2$; torch's 5/3 for tanh is larger than what keeps the mean
# square.


# %%
def gain(f):
    z = torch.linspace(-8, 8, 20_001, dtype=torch.double)
    density = torch.exp(-z.square() / 2)
    mean_square = (f(z).square() * density).sum() / density.sum()
    return mean_square.rsqrt().item()


same_as_torchs = {"relu": True, "tanh": False}

# %%
check.activation_gain(gain, same_as_torchs)

# %% [markdown]
# Gains of some activations:

# %%
for f in (F.relu, torch.tanh, F.gelu, F.silu, torch.sin):
    print(f"{f.__name__:5} {gain(f):.3f}")

# %% [markdown]
# The sizes through 32 layers with GELU, from weights with each gain:


# %%
def sizes(g, depth=32, width=256):
    torch.manual_seed(0)
    H, found = torch.randn(64, width), []
    for _ in range(depth):
        H = F.gelu(H @ (torch.randn(width, width) * g / width**0.5))
        found.append(H.square().mean().sqrt().item())
    return found


# %% [markdown]
# The curve of He's start goes down, though its gain is only a little smaller.
# The other goes up a little: deep inside, the inputs of an activation aren't
# quite normal.

# %% mystnb={"image": {"alt": "Two curves of the size against the layer, from 1 to 32, the size on a logarithmic axis. With He's gain of 1.414 it falls from nearly 1 to less than a thousandth. With the gain of GELU it rises slowly, to about 6."}}
for name, g in {"He": 2**0.5, "gain(F.gelu)": gain(F.gelu)}.items():
    plt.semilogy(range(1, 33), sizes(g), label=name)
plt.gca().set(xlabel="layer", ylabel="size")
plt.legend()
plt.show()
