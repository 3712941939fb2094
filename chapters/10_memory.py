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
# # Know what training keeps, and start a deep network
#
# The first step of training runs. The second stops with *CUDA out of memory*,
# and nothing has changed: the same network, a batch of the same size. Or a
# network of a few layers learns, and a deep one doesn't. Both can be known
# before you start, by a few multiplications, which you learn here.
#
# **You will learn** to
#
# - predict the bytes of weights, gradients and the optimizer's state;
# - count what the forward computation keeps for `backward`;
# - train with less memory: by checkpointing, and on chunks of a batch;
# - start a deep network so that its numbers neither vanish nor explode;
# - average weights, and free the memory of what is frozen.
#
# **In the book:** sections 6.2,
# [Parameter Management](https://d2l.ai/chapter_builders-guide/parameters.html),
# 6.3,
# [Parameter Initialization](https://d2l.ai/chapter_builders-guide/init-param.html),
# and 5.4,
# [Numerical Stability and Initialization](https://d2l.ai/chapter_multilayer-perceptrons/numerical-stability-and-init.html)
# (中文版 5.2,
# [参数管理](https://zh.d2l.ai/chapter_deep-learning-computation/parameters.html),
# 和 4.8,
# [数值稳定性和模型初始化](https://zh.d2l.ai/chapter_multilayer-perceptrons/numerical-stability-and-init.html)).
#
# **You need** chapters 02,
# [Reach, initialize and share parameters](02_parameters.ipynb), and 05,
# [Follow gradients through the graph](05_autograd.ipynb). The cells take about
# five seconds on a CPU, and use a GPU where there is one.

# %% [markdown]
# The first cell imports what the chapter uses and chooses the device.

# %%
import copy
from functools import partial
from weakref import WeakValueDictionary

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from d2l_helpers import use_style

use_style()
torch.set_num_threads(1)  # enough for the small products of this chapter
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# ## Run out of memory in the second step
#
# Our network is a chain of 16 blocks, each a linear layer and an activation.


# %%
def make_net(width, activation=nn.ReLU):
    def block():
        return nn.Sequential(nn.Linear(width, width), activation())

    return nn.Sequential(*(block() for _ in range(16)))


# %% [markdown]
# We want a large one, with a billion weights. On the device `meta`, tensors
# have a shape and a type, and no data: nothing is computed, and all can be
# counted. How many GiB, of $2^{30}$ bytes, would the weights take, and how
# many a batch of 32,768 samples?

# %%
GiB = 2**30


def num_bytes(tensors):
    return sum(t.nbytes for t in tensors)


with torch.device("meta"):
    large, X_large = make_net(8192), torch.empty(32_768, 8192)
num_bytes(large.parameters()) / GiB, X_large.nbytes / GiB

# %% [markdown]
# They take 4 GiB and 1 GiB. A GPU with 32 GiB seems large enough.
#
# We can try without one. Inside `with Card(limit)`, PyTorch calls the method
# below for each operation. It notes the memory of each result, for as long as
# it is alive, and refuses what doesn't fit. (What an operation needs inside,
# it doesn't see. You may skip the class.)


# %%
class Card(TorchDispatchMode):
    def __init__(self, limit):
        super().__init__()
        self.limit, self.peak = limit, 0
        self.storages = WeakValueDictionary()  # forgets what is freed

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.storages[storage._cdata] = storage
        in_use = sum(s.nbytes() for s in self.storages.values())
        self.peak = max(self.peak, in_use)
        if in_use > self.limit:
            raise torch.OutOfMemoryError(
                f"{self.limit / GiB:.0f} GiB are full"
            )
        return result


# %% [markdown]
# This computes the gradients of a loss; later sections do it in other ways.


# %%
def whole_batch(net, X):
    net(X).square().mean().backward()


# %% [markdown]
# Two ordinary steps of training:


# %%
def two_steps(compute, make_optimizer=torch.optim.Adam):
    with Card(limit=32 * GiB) as card:
        with torch.device("meta"):
            net, X = make_net(8192), torch.empty(32_768, 8192)
        optimizer = make_optimizer(net.parameters())
        for step in (1, 2):
            card.peak = 0
            optimizer.zero_grad()
            compute(net, X)
            optimizer.step()
            print(f"step {step} has run, with {card.peak / GiB:.0f} GiB")


# %% [markdown]
# Both steps do the same. Will both fit?

# %% tags=["raises-exception"]
two_steps(whole_batch)

# %% [markdown]
# The second doesn't fit: something was created in between, and has stayed.
# With plain SGD in place of Adam:

# %%
two_steps(whole_batch, torch.optim.SGD)

# %% [markdown]
# Whatever it is, Adam has it and SGD hasn't.

# %% [markdown]
# ## Keep a ledger
#
# Three things have the size of the weights, or a multiple of it: the weights,
# their gradients, and the *state* that an optimizer keeps for each parameter.
# The next function finds the state, except counters of steps, which have no
# dimension.


# %%
def state_of(optimizer):
    return [
        value
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.dim() > 0
    ]


# %% [markdown]
# The ledger, in GiB:


# %%
def ledger(net, optimizer):
    parts = {
        "weights": net.parameters(),
        "gradients": (p.grad for p in net.parameters() if p.grad is not None),
        "state": state_of(optimizer),
    }
    return {name: round(num_bytes(t) / GiB, 1) for name, t in parts.items()}


# %% [markdown]
# Before the first step:

# %%
adam = torch.optim.Adam(large.parameters())
ledger(large, adam)

# %% [markdown]
# After the first `backward`:

# %%
whole_batch(large, X_large)
ledger(large, adam)

# %% [markdown]
# After the first step, once the gradients are cleared:

# %%
adam.step()
adam.zero_grad()
ledger(large, adam)

# %% [markdown]
# There it is, 8 GiB. In its first step, Adam creates two tensors for each
# parameter: averages of the gradient and of its square. They stay. The first
# forward computation ran before they were there; the second has to fit beside
# them.
#
# A float32 number takes 4 bytes. How many bytes of state do other optimizers
# keep for each parameter?

# %%
number = sum(p.numel() for p in large.parameters())
whole_batch(large, X_large)
for name, make_optimizer in {
    "SGD": torch.optim.SGD,
    "SGD, momentum": partial(torch.optim.SGD, momentum=0.9),
    "Adam": torch.optim.Adam,
    "Adam, amsgrad": partial(torch.optim.Adam, amsgrad=True),
}.items():
    optimizer = make_optimizer(large.parameters(), lr=0.1)
    optimizer.step()
    print(f"{name:13}", num_bytes(state_of(optimizer)) // number)

# %% [markdown]
# With Adam, weights, gradients and state take $4 + 4 + 8 = 16$ bytes for each
# parameter. For a model of seven billion parameters that is, in GB, before the
# first sample:

# %%
7e9 * (4 + 4 + 8) / 1e9

# %% [markdown]
# ### Mixed precision has the same total
#
# Would bfloat16, with two bytes a number, halve it? Small updates vanish in
# bfloat16 ([chapter 08](08_numerics.ipynb#cell-id=small-updates-vanish)). So
# the optimizer gets a float32 copy of the weights, the *master weights*.

# %%
low = copy.deepcopy(large).bfloat16()
masters = [p.detach().float() for p in low.parameters()]
adam = torch.optim.Adam(masters)

# %% [markdown]
# In a step, the network computes gradients, and the masters use them. (A
# training then copies the masters into the network, which takes no more
# memory.)

# %%
whole_batch(low, X_large.bfloat16())
for master, p in zip(masters, low.parameters(), strict=True):
    master.grad = p.grad.float()
adam.step()
adam.zero_grad()

# %% [markdown]
# The bytes for each parameter:

# %% tags=["predict"]
parts = {
    "weights": low.parameters(),
    "gradients": [p.grad for p in low.parameters()],
    "masters": masters,
    "state": state_of(adam),
}
{name: num_bytes(tensors) // number for name, tensors in parts.items()}

# %% [markdown]
# $2 + 2 + 4 + 8$ is 16 again. (During a step the float32 gradients of the
# masters take 4 more.) What mixed precision does halve is the other part of
# memory, which comes next.

# %% [markdown]
# ## Count what autograd keeps
#
# `backward` needs values of the forward computation
# ([chapter 05](05_autograd.ipynb#cell-id=backward-twice)). PyTorch keeps them
# in the graph, and `saved_tensors_hooks` calls a function for each tensor that
# it keeps. This one notes their memory, each once, without the weights, which
# are there anyway.


# %%
def kept_by(forward, net, X):
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        _Y = forward(X)  # holds the graph, so that no memory is used again
    for p in net.parameters():
        kept.pop(p.untyped_storage()._cdata, None)
    return sum(kept.values()) / GiB


# %% [markdown]
# A linear layer keeps its input: the gradient of the weight is a product with
# it. A ReLU keeps its output, which tells where the slope is 0. Here each of
# these tensors has 1 GiB, as `X_large` has. How many GiB do 16 blocks keep?

# %%
kept_by(large, large, X_large)

# %% [markdown]
# It is 17, not 32: the output of a ReLU is the input of the next layer, one
# tensor, kept once. The seventeenth is `X_large`. With the weights, 4 GiB,
# these are 21 of the 25 GiB of the first step; the rest were short-lived
# results of `backward`. In bfloat16:

# %%
kept_by(low, low, X_large.bfloat16())

# %% [markdown]
# What is kept grows with the batch; weights, gradients and state don't. When
# memory is short, first make the batch smaller.

# %%
for n in (8_192, 16_384, 32_768):
    print(f"{n:6} samples, {kept_by(large, large, X_large[:n].clone()):5.2f}")

# %% [markdown]
# > **Pitfall.** A part of a tensor keeps the whole. `X_large[:8]` is a view:
# > without `clone`, the first layer keeps all 32,768 samples for eight.

# %%
first = large[0][0]
for X in (X_large[:8], X_large[:8].clone()):
    print(f"{kept_by(first, first, X):.4f}")

# %% [markdown]
# ### The activation, and what is frozen
#
# The slope of GELU can't be read off its output, so GELU keeps its input: one
# tensor more for each block. And if half of the blocks is frozen, is half of
# the memory free? The columns are: nothing frozen, the front, the back.

# %%
for activation in (nn.ReLU, nn.Tanh, nn.GELU):
    row = []
    for frozen in (slice(0), slice(8), slice(8, 16)):
        with torch.device("meta"):
            net = make_net(8192, activation)
        net[frozen].requires_grad_(False)
        row.append(kept_by(net, net, X_large))
    print(f"{activation.__name__:4}", *(f"{kept:3.0f}" for kept in row))

# %% [markdown]
# Tanh keeps its output, as ReLU does. GELU keeps 32 and not 33: nothing needs
# the last output. With the front frozen, the graph begins in the middle, and
# about half is free. With the back frozen, gradients must still pass it on
# their way to the front. A frozen linear layer needs only its weight for that,
# but each activation needs what it keeps: GELU frees the inputs of eight
# linear layers, ReLU and Tanh nothing.
#
# On a GPU, PyTorch's *allocator* has figures of its own. For a small network,
# this cell compares them with the count. `X` was there before, so memory
# should grow by 1 MiB less than what is kept.

# %% tags=["nbval-ignore-output"]
net = make_net(256).to(device)
X = torch.rand(1024, 256).to(device)
print(f"kept {1024 * kept_by(net, net, X):.1f} MiB")
if not torch.cuda.memory_stats():
    print("The rest needs a GPU, and is left out without one.")
else:
    before = torch.cuda.memory_allocated()
    Y = net(X)
    grown = torch.cuda.memory_allocated() - before
    assert_close(grown / 2**20, 16.0, rtol=0.05, atol=0)
    print(f"grown by {grown / 2**20:.1f} MiB")
    print(f"peak {torch.cuda.max_memory_allocated() / 2**20:.1f} MiB")
    print(f"reserved {torch.cuda.memory_reserved() / 2**20:.1f} MiB")

# %% [markdown]
# On a GPU it says 16 MiB. *Reserved* is what PyTorch has taken from the GPU,
# free pieces included; `nvidia-smi` shows this, and the memory of CUDA itself.
# Whether something fits, the peak says.

# %% [markdown]
# ## Checkpoint: compute again instead of keeping
#
# `checkpoint(function, X)` keeps only the input, and in `backward` it runs the
# function again from there. (Such a checkpoint is no file, and
# `use_reentrant=False` chooses the kind that PyTorch recommends.)
# `checkpoint_sequential` wants the number of *segments*, here four, of four
# blocks each. It computes the last one as usual, since `backward` begins
# there.


# %%
def checkpointed(net, X):
    Y = checkpoint_sequential(net, 4, X, use_reentrant=False)
    Y.square().mean().backward()


# %% [markdown]
# This function returns the gradients.


# %%
def gradients_of(compute, net, X):
    net.zero_grad()
    compute(net, X)
    return [p.grad for p in net.parameters()]


# %% [markdown]
# Are they the same with checkpoints, for a small network with real numbers?

# %%
torch.manual_seed(0)
small, X_small = make_net(32).to(device), torch.rand(64, 32).to(device)
right = gradients_of(whole_batch, small, X_small)
assert_close(gradients_of(checkpointed, small, X_small), right)

# %% [markdown]
# They are. A hook notes each block that runs. How many will it note?

# %%
runs, counted = [], copy.deepcopy(small)
for block in counted:
    block.register_forward_pre_hook(lambda block, args: runs.append(block))
for compute in (whole_batch, checkpointed):
    runs.clear()
    compute(counted, X_small)
    print(compute.__name__, len(runs))

# %% [markdown]
# The first twelve run twice, the last four once.
#
# How long should a segment be, to keep as little as possible? Choose between
# 1, 2, 4, 8 and 16 blocks before you look.


# %%
def in_segments(net, X, length):
    return checkpoint_sequential(net, 16 // length, X, use_reentrant=False)


lengths = [1, 2, 4, 8, 16]
forwards = [partial(in_segments, large, length=n) for n in lengths]
kept = [kept_by(forward, large, X_large) for forward in forwards]
kept

# %% [markdown]
# The price, in blocks that run:

# %%
num_runs = []
for n in lengths:
    runs.clear()
    in_segments(counted, X_small, n).sum().backward()
    num_runs.append(len(runs))
num_runs

# %% [markdown]
# Both together, in a picture. (You may skip the lines.)

# %% mystnb={"image": {"alt": "Two curves over the length of a segment, 1, 2, 4, 8 and 16 blocks. The GiB that are kept make a U: 17, 10, 8, 10, 17, lowest at a length of 4. The number of blocks that run falls from 31 over 30, 28 and 24 to 16."}}
plt.plot(lengths, num_runs, "s--", color="C1", label="blocks that run")
plt.plot(lengths, kept, "o-", color="C0", label="kept (GiB)")
plt.xscale("log", base=2)
plt.xticks(lengths, lengths)
plt.xlabel("blocks in a segment")
plt.ylim(0, 35)
plt.legend()
plt.show()

# %% [markdown]
# The best is in the middle. Segments of one block keep their inputs, which is
# all that a block ever kept: nearly all blocks run twice for nothing. Segments
# of length $k$ keep $16/k$ inputs, and the $k$ tensors of the last one, or
# later of the one that runs again: least where $k$ is the root of the number
# of blocks.

# %%
assert kept == [16 / k + k for k in lengths]
two_steps(checkpointed)

# %% [markdown]
# Both steps fit now. (What is largest in the first one is now the optimizer's
# step, with 18 GiB.)

# %% [markdown]
# ### What must be the same in the second run
#
# > **Pitfall.** A second run that draws other random numbers gives the
# > gradients of another network, without an error.
#
# `checkpoint` puts the state of the random generators back, unless you say
# `preserve_rng_state=False`. Here is a network with dropout.

# %%
torch.manual_seed(0)
dropping = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5))
ones = torch.ones(4, 8)

# %% [markdown]
# Each gradient begins with the same seed.


# %%
def gradient(forward, *args, **kwargs):
    dropping.zero_grad()
    torch.manual_seed(1)
    forward(*args, ones, **kwargs).sum().backward()
    return dropping[0].weight.grad


# %% [markdown]
# Which gradient is that of the plain network, with `False` or with `True`?

# %%
plain = gradient(dropping)
for preserved in (False, True):
    kwargs = {"use_reentrant": False, "preserve_rng_state": preserved}
    again = gradient(checkpoint, dropping, **kwargs)
    print(preserved, torch.allclose(again, plain))

# %% [markdown]
# Only the one with the state put back. Buffers aren't put back: batch
# normalization counts one batch twice, and moves its averages twice.

# %%
norm = nn.BatchNorm1d(8)
checkpoint(norm, ones, use_reentrant=False).sum().backward()
norm.num_batches_tracked.item()

# %% [markdown]
# ## Accumulate gradients over chunks
#
# If a batch doesn't fit, take it in chunks. Gradients add up until they are
# zeroed, and each chunk frees its graph before the next. A chunk computes its
# own mean. By what must it be divided?


# %%
def in_chunks(net, X):
    chunks = X.chunk(4)
    for chunk in chunks:
        (net(chunk).square().mean() / len(chunks)).backward()


assert_close(gradients_of(in_chunks, small, X_small), right)

# %% [markdown]
# Divided by the number of chunks, they add up to the gradient of the batch,
# and a quarter is kept at a time. The optimizer still takes one step for the
# batch:

# %%
two_steps(in_chunks)

# %% [markdown]
# > **Pitfall.** This holds for chunks of one size. With seven samples in
# > chunks of 3, 3 and 1, the last sample would count three times as much as
# > another.

# %%
torch.manual_seed(0)
linear = nn.Linear(2, 1).to(device)
X_few, y_few = torch.rand(7, 2).to(device), torch.rand(7, 1).to(device)
F.mse_loss(linear(X_few), y_few).backward()
whole = linear.weight.grad

# %% [markdown]
# Each chunk's loss gets a factor: first the same for all, then the share of
# the samples. Which sum is the gradient of the batch?

# %%
for name, factor in {
    "1/3": lambda x: 1 / 3,
    "n/7": lambda x: len(x) / 7,
}.items():
    linear.zero_grad()
    for x, y in zip(X_few.split(3), y_few.split(3), strict=True):
        (F.mse_loss(linear(x), y) * factor(x)).backward()
    print(name, torch.allclose(linear.weight.grad, whole))

# %% [markdown]
# A chunk must count by its share of what the loss is a mean over. In a
# language model these are words without padding, not texts: see exercise 10.4.

# %% [markdown]
# ## Start a deep network
#
# The memory for a deep network is there. Does it learn? A *residual block*
# adds what its layers compute to its input, $x + f(x)$. This one starts with
# $f(x)$ about as large as $x$; `scale` makes it smaller.


# %%
class Residual(nn.Module):
    def __init__(self, width, scale=1.0):
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        nn.init.normal_(self.hidden.weight, std=(2 / width) ** 0.5)
        nn.init.normal_(self.out.weight, std=scale * (1 / width) ** 0.5)
        nn.init.zeros_(self.hidden.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, X):
        return X + self.out(F.relu(self.hidden(X)))


# %% [markdown]
# The *size* of a tensor is here the root of the mean of its squares.


# %%
def size(tensor):
    return tensor.square().mean().sqrt().item()


# %% [markdown]
# An input of size 1 goes forward through a chain of blocks, and a gradient of
# size 1 goes back. With which sizes do they arrive?


# %%
def through(depth, scale):
    torch.manual_seed(0)
    X, slope = torch.randn(2, 128, 128).to(device)
    deep = nn.Sequential(*(Residual(128, scale) for _ in range(depth)))
    Y = deep.to(device)(X.requires_grad_())
    Y.backward(slope)
    return size(Y), size(X.grad)


# %% [markdown]
# Three starts: *plain*, with the scale 1; *scaled*, with $1/\sqrt N$ for $N$
# blocks; *zero*. Which sizes do you expect after 2, 8 and 32 blocks? The table
# has the output and the gradient for each.

# %%
depths, sizes = (2, 8, 32), {}
for name, scale in {
    "plain": lambda depth: 1.0,
    "scaled": lambda depth: depth**-0.5,
    "zero": lambda depth: 0.0,
}.items():
    sizes[name] = [through(depth, scale(depth)) for depth in depths]
    print(f"{name:6}", *(f"{Y:11,.1f} {G:8,.1f}" for Y, G in sizes[name]))

# %% [markdown]
# Look at the scale of the left axis. (You may skip the lines.)

# %% mystnb={"image": {"alt": "The size of the output against the number of blocks, 2, 8 and 32, on logarithmic axes. The plain start rises steeply, from 2 to more than 50,000. The scaled start stays near 1.6, and the zero start at 1."}}
styles = {"plain": "o-", "scaled": "s--", "zero": "k^:"}
for name, style in styles.items():
    plt.loglog(depths, [Y for Y, _ in sizes[name]], style, label=name)
plt.xticks(depths, depths)
plt.minorticks_off()
plt.xlabel("blocks")
plt.ylabel("size of the output")
plt.legend()
plt.show()

# %% [markdown]
# The mean squares of $x$ and $f(x)$ add up. In the plain start each block
# doubles them, so that the size after 32 is near $2^{32/2} = 65{,}536$. The
# gradient grows alike on its way back. In the scaled start a block multiplies
# the mean square by $1 + 1/N$, and $(1 + 1/N)^N$ stays below $e$: the size
# stays below $\sqrt e$, which is 1.65. What does a step of training do, with
# 32 blocks?

# %%
for name, scale in {"plain": 1.0, "scaled": 32**-0.5, "zero": 0.0}.items():
    torch.manual_seed(0)
    X = torch.randn(64, 32).to(device)
    deep = nn.Sequential(*(Residual(32, scale) for _ in range(32))).to(device)
    optimizer = torch.optim.SGD(deep.parameters(), lr=0.01)
    before = (deep(X) - 1).square().mean()
    before.backward()
    optimizer.step()
    print(f"{name:6} better:", ((deep(X) - 1).square().mean() < before).item())

# %% [markdown]
# The plain start gets worse.
#
# > **Pitfall.** *Zero* is for the last layer of a block alone. A block whose
# > two layers both start at zero learns nothing but a constant.
#
# This function lists the parameters that ten steps have moved.


# %%
def moved(block):
    before = copy.deepcopy(block.state_dict())
    optimizer = torch.optim.SGD(block.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        (block(X) - 1).square().mean().backward()
        optimizer.step()
    after = block.state_dict()
    return [k for k in after if not torch.equal(after[k], before[k])]


# %% [markdown]
# First the last layer is zero, then both are.

# %%
torch.manual_seed(0)
block = Residual(32, scale=0.0).to(device)
print(moved(copy.deepcopy(block)))
nn.init.zeros_(block.hidden.weight)
print(moved(block))

# %% [markdown]
# The gradient of each weight is a product with values of the other layer. If
# both layers give 0, they stay there.

# %% [markdown]
# ## Choose the size of the weights
#
# Without the path of $x$, each layer multiplies the size by a factor.
# *Xavier's* start, with a standard deviation of $1/\sqrt d$ for $d$ inputs and
# $d$ outputs, makes this factor 1 for a linear layer. But a ReLU takes half of
# the mean square away. *He's* start has weights larger by $\sqrt 2$, the
# *gain* of ReLU, to make up for it. The default is that of `nn.Linear`.

# %%
starts = {
    "default": lambda W: nn.init.kaiming_uniform_(W, a=5**0.5),
    "Xavier": nn.init.xavier_normal_,
    "He": lambda W: nn.init.kaiming_normal_(W, nonlinearity="relu"),
}

# %% [markdown]
# What is left of size 1 after 2, 8 and 32 layers with ReLU?

# %%
for name, start in starts.items():
    torch.manual_seed(0)
    H, left = torch.randn(128, 128).to(device), []
    for depth in range(1, 33):
        H = F.relu(H @ start(torch.empty(128, 128)).to(device).T)
        if depth in depths:
            left.append(size(H))
    print(f"{name:7}", *(f"{s:.0e}" for s in left))

# %% [markdown]
# After 32 layers, most of it is left with He's start, a hundred-thousandth
# with Xavier's, next to nothing with the default. Other activations have other
# gains.

# %%
for name in ("linear", "relu", "tanh"):
    print(f"{name:6} {nn.init.calculate_gain(name):.3f}")

# %% [markdown]
# ### Truncated, or not
#
# Some language models, BERT among them, start from normal weights with a
# standard deviation of 0.02, cut off at twice that.
#
# > **Pitfall.** By default `trunc_normal_` cuts at $-2$ and $2$, whatever
# > `std` is. For 0.02 that is a hundred standard deviations, and nothing is
# > cut.

# %%
torch.manual_seed(0)
W = nn.init.trunc_normal_(torch.empty(500, 500), std=0.02)
f"{(W.abs() > 0.04).float().mean().item():.0%} outside"

# %% [markdown]
# Give the bounds in numbers. The cut takes 12% off the standard deviation.

# %%
W = nn.init.trunc_normal_(W, std=0.02, a=-0.04, b=0.04)
outside = (W.abs() > 0.04).float().mean().item()
f"{outside:.0%} outside, std {W.std().item():.4f}"

# %% [markdown]
# ## Average the weights
#
# Each batch pulls the weights elsewhere, so they jump around their goal. An
# *exponential moving average* (EMA) follows them smoothly: after each step,
# $\bar w \leftarrow \beta \bar w + (1 - \beta) w$. Training doesn't see it;
# evaluation uses it. In the ledger it is one more copy of the weights.


# %%
@torch.no_grad()
def update_average(average, net, decay):
    pairs = zip(average.parameters(), net.parameters(), strict=True)
    for mean, p in pairs:
        mean.lerp_(p, 1 - decay)


# %% [markdown]
# Take a thousand weights whose goal is 0, and gradients that are mostly noise.

# %%
torch.manual_seed(0)
noisy = nn.Linear(1000, 1, bias=False).to(device)
optimizer = torch.optim.SGD(noisy.parameters(), lr=0.1)


# %% [markdown]
# One step:


# %%
def noisy_step():
    noise = torch.randn(1, 1000).to(device)
    noisy.weight.grad = noisy.weight.detach() + noise
    optimizer.step()


# %% [markdown]
# PyTorch's `AveragedModel` runs beside ours. At its first update it copies the
# weights, and so do we.

# %%
noisy_step()
ours = copy.deepcopy(noisy)
torchs = AveragedModel(noisy, multi_avg_fn=get_ema_multi_avg_fn(0.99))
torchs.update_parameters(noisy)

# %% [markdown]
# How far from 0 will the weights be, and how far the average?

# %%
for _ in range(1000):
    noisy_step()
    update_average(ours, noisy, decay=0.99)
    torchs.update_parameters(noisy)
assert_close(ours.weight, torchs.module.weight)
f"weights {size(noisy.weight):.2f}, average {size(ours.weight):.2f}"

# %% [markdown]
# The average is three times as near. Without an EMA, the files of the last
# epochs can still be averaged:
# [exercise 4.8](04_file_io.ipynb#cell-id=exercise-4-8).
#
# > **Pitfall.** An average remembers where it started. With $\beta = 0.9999$,
# > too large for a short training, this share of it is still the first weights
# > after 1,000 steps:

# %%
f"{0.9999**1000:.0%}"

# %% [markdown]
# ### The state of what is frozen
#
# Frozen parameters get no gradient
# ([chapter 02](02_parameters.ipynb#cell-id=freeze-a-layer)). Does freezing
# give Adam's state back, too? Here is a first step.

# %%
adam = torch.optim.Adam(large.parameters())
whole_batch(large, X_large)
adam.step()

# %% [markdown]
# The second, with the front half frozen:

# %% tags=["predict"]
large[:8].requires_grad_(False)
adam.zero_grad()
whole_batch(large, X_large)
adam.step()
ledger(large, adam)

# %% [markdown]
# The gradients are halved, the state isn't: the optimizer holds what it was
# made with. Make a new one for the rest, and hand it the rest's state, so that
# it goes on as before. Then let the old one go.

# %%
rest = [p for p in large.parameters() if p.requires_grad]
smaller = torch.optim.Adam(rest)
smaller.state.update({p: adam.state[p] for p in rest})
ledger(large, smaller)

# %% [markdown]
# ## Summary
#
# - For each parameter, training in float32 with Adam takes 16 bytes: weight 4,
#   gradient 4, state 8. Momentum keeps 4, plain SGD none. With master weights,
#   mixed precision has the same sum.
# - Adam creates its state in the first `step`, so memory can end in the second
#   one.
# - What autograd keeps grows with the batch. A ReLU and the layer behind it
#   keep one tensor, GELU keeps one more. Freezing the front frees what it
#   keeps; with ReLU, freezing the back frees none of it.
# - Checkpointing keeps the inputs of segments, and runs blocks twice. Random
#   states are put back, buffers aren't.
# - The gradients of chunks add up to that of the batch if each counts by its
#   share.
# - In a residual block, scale the last layer by $1/\sqrt N$, or start it at
#   zero, but never both layers.
# - He's start keeps the size through ReLUs. `trunc_normal_` has absolute
#   bounds.
# - A moving average is nearer to the goal than the weights of one step.
# - Freezing leaves the optimizer's state in memory.

# %% [markdown]
# ## Exercises
#
# Write your answer in the place of each `...`, run the cell, and run the check
# below it. A check tells what is missing, with a case that fails, and changes
# nothing of yours. A check needs the cells before it: after a break, select it
# and choose *Run*, *Run All Above Selected Cell*. The worked solutions are on
# [a page of their own](solutions/10_memory.ipynb). The checks try your
# functions on small networks of their own, whose tensors are on the CPU.

# %%
from d2l_helpers import check

# %% [markdown]
# ### 10.1 A ledger by block
#
# *Code, 25 minutes.*
# [Solution](solutions/10_memory.ipynb#cell-id=exercise-10-1)
#
# Which part of a network is it that fills the memory? Write
# `ledger_by_block(net, optimizer)`: for each child of a network, the bytes of
# its weights, of their gradients, and of the optimizer's state for them. A
# tensor without dimensions, such as a counter of steps, doesn't count. The
# function only looks: the network and the optimizer stay as they are. Then
# predict the ledger of `Sequential(Linear(100, 200), ReLU(), Linear(200, 10))`
# after one step with Adam and before `zero_grad`, if the first layer is
# frozen.


# %%
def ledger_by_block(net, optimizer):
    """The bytes of weights, gradients and state, for each child."""
    # a module and its optimizer -> {"0": (weights, gradients, state), ...}
    ...


predicted_ledger = {"0": ..., "1": ..., "2": ...}  # three numbers each

# %%
check.memory_ledger(ledger_by_block, predicted_ledger)

# %% [markdown]
# ### 10.2 What is kept
#
# *Think, 15 minutes.*
# [Solution](solutions/10_memory.ipynb#cell-id=exercise-10-2)
#
# `X` is a batch of shape (100, 8), and needs no gradient. Each layer keeps the
# shape. How many tensors of this shape does each network keep for `backward`?
# Predict, then count: `kept_by(net, net, X) * GiB / X.nbytes`. In the names,
# `Frozen` is a linear layer whose parameters are frozen. SiLU is smooth, like
# GELU: $z\,\sigma(z)$.

# %%
tensors_kept = {
    "Linear": ...,
    "Linear, ReLU": ...,
    "Linear, ReLU, Linear": ...,
    "Linear, SiLU, Linear": ...,
    "Linear, Linear, Linear": ...,
    "Frozen, ReLU, Frozen": ...,
    "Frozen, ReLU, Linear": ...,
    "Linear, Frozen": ...,
    "Linear, ReLU, Frozen": ...,
}

# %%
check.saved_tensors(tensors_kept)

# %% [markdown]
# ### 10.3 A checkpoint for each k blocks
#
# *Code, 30 minutes.*
# [Solution](solutions/10_memory.ipynb#cell-id=exercise-10-3)
#
# `checkpoint_sequential` leaves its last segment as it is, and wants the
# number of segments. Write `checkpoint_every(k, blocks, X)`, which passes `X`
# through an `nn.Sequential` with `checkpoint`, in segments of `k` blocks, the
# last one, which may be shorter, included. Outputs and gradients are those of
# `blocks(X)`, also with dropout and the same seed; nothing is kept but the
# input of each segment.


# %%
def checkpoint_every(k, blocks, X):
    """blocks(X), which keeps the input of every k-th block."""
    # an int, nn.Sequential and (n, ...) -> what blocks(X) returns
    ...


# %%
check.checkpoint_segments(checkpoint_every)

# %% [markdown]
# ### 10.4 Chunks with padding
#
# *Code, 30 minutes.*
# [Solution](solutions/10_memory.ipynb#cell-id=exercise-10-4)
#
# `F.cross_entropy(logits, y)` takes the mean over the labels that aren't -100;
# this number marks padding. Write `accumulate(net, X, y, size)`, which
# computes this loss in chunks of at most `size` rows. It adds the gradient of
# the whole batch's loss to the gradients that are there, and returns the loss
# as a number. Chunks have different numbers of labels, and some have none. At
# no time are there two graphs. The network stays in its mode. At least one
# label isn't padding.


# %%
def accumulate(net, X, y, size):
    """Add the gradients of the mean loss, chunk by chunk."""
    # X: (n, ...), y: (n,) of labels or -100 -> a number
    ...


# %%
check.gradient_accumulation(accumulate)

# %% [markdown]
# ### 10.5 Scale each layer by its data
#
# *Code, 25 minutes.*
# [Solution](solutions/10_memory.ipynb#cell-id=exercise-10-5)
#
# A gain is computed for inputs from a normal distribution. Real data can say
# itself how large the weights should be. Write `scale_by_data(net, X)` for an
# `nn.Sequential`: go through its layers in order; set the bias of each
# `nn.Linear` to 0, and divide its weight by a number, so that its output for
# `X` has a standard deviation of 1 over all its elements. The other layers
# and `X` stay as they are. The parameters stay the same objects, without a
# gradient, and the network stays in its mode.


# %%
def scale_by_data(net, X):
    """Scale each linear layer, so that its output has std 1."""
    # nn.Sequential and (n, d); changes net, and returns nothing
    ...


# %%
check.data_dependent_init(scale_by_data)

# %% [markdown]
# ### 10.6 An average that is saved
#
# *Code, 25 minutes.*
# [Solution](solutions/10_memory.ipynb#cell-id=exercise-10-6)
#
# Write `EMA`, a module with a moving average of a network. It holds a copy of
# the network, `average`, which starts as the network is and is in evaluation
# mode. `update(net)`, after a step of training, moves all its parameters:
# `decay` of the old average, `1 - decay` of the network. Buffers, such as the
# averages of batch normalization, are copied as they are. The parameters of
# `average` need no gradient. Nothing of the network changes.


# %%
class EMA(nn.Module):
    """The moving average of a network's parameters, in `average`."""

    def __init__(self, net, decay):
        super().__init__()
        ...

    def update(self, net):
        # after each step
        ...


# %%
check.exponential_moving_average(EMA)

# %% [markdown]
# ### 10.7 Widen a residual block
#
# *Code, 25 minutes.*
# [Solution](solutions/10_memory.ipynb#cell-id=exercise-10-7)
#
# A trained block is too narrow. Write `widen(block, width)`, which returns a
# new block with `width` hidden units in place of fewer, so that its output is
# exactly that of the old one, and training makes use of each new unit. The
# block has linear layers `hidden` and `out`, as `Residual` has, and may have
# other parts; the old block stays as it was. Then predict, with True or False,
# which parameters of the *new* units get a gradient other than 0 in the first
# step: their weights in `hidden`, their biases there, their weights in `out`.


# %%
def widen(block, width):
    """A copy of a residual block, with more hidden units."""
    # a module and an int -> a new module
    ...


first_step = {"hidden.weight": ..., "hidden.bias": ..., "out.weight": ...}

# %%
check.widen_residual_block(widen, first_step)

# %% [markdown]
# ### 10.8 Freeze one side of a tie
#
# *Code, 20 minutes.*
# [Solution](solutions/10_memory.ipynb#cell-id=exercise-10-8)
#
# A small language model uses one table of words twice: to look up a row for a
# word that comes in, and to score each word that may come next. Write
# `TiedModel`, whose lookup is frozen: the table learns only by what the scores
# say, and yet the lookup reads the table as it is now. Then predict what the
# other ways would train: `"both"`, `"lookup"`, `"scores"` or `"none"`.


# %%
class TiedModel(nn.Module):
    """Scores of the next word, by a table that is used twice."""

    def __init__(self, num_words, width):
        super().__init__()
        self.table = nn.Parameter(torch.randn(num_words, width))

    def forward(self, words):
        # tanh of the words' rows, times the table: (n,) -> (n, num_words)
        ...


trained = {
    "table.requires_grad_(False)": ...,
    "detach() on the table in the scores": ...,
    "detach() on the rows that were looked up": ...,
    "no_grad() around the whole forward": ...,
}

# %%
check.one_sided_tie(TiedModel, trained)

# %% [markdown]
# ### 10.9 The gain of any activation
#
# *Explore, 20 minutes.*
# [Solution](solutions/10_memory.ipynb#cell-id=exercise-10-9)
#
# `calculate_gain` knows no GELU. Write `gain(f)`: the number $g$ for which
# $g f(z)$ has a mean square of 1, for $z$ from the standard normal
# distribution, with an error of at most half a percent. If you draw samples,
# don't seed PyTorch's generator, from which others draw, too. Compare with
# `calculate_gain` for ReLU and tanh: which of the two is the same? Then draw
# the size after 1 to 32 layers with GELU, with He's start and with your gain.


# %%
def gain(f):
    """What keeps the mean square through an activation."""
    # a function of tensors -> a number
    ...


same_as_torchs = {"relu": ..., "tanh": ...}  # True or False

# %%
check.activation_gain(gain, same_as_torchs)

# %% [markdown]
# ## Where to go next
#
# [Train anywhere, stop and resume](07_training.ipynb) trains a real model,
# which you can now make deeper and larger.
# [Choose a data type, and train in mixed precision](08_numerics.ipynb) says
# what 16 bits lose, and
# [Get the same run again, and look inside](09_reproducibility.ipynb) looks at
# activations and gradients by depth.
