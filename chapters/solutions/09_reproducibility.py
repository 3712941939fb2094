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
# # Solutions to chapter 09
#
# To the exercises of
# [Get the same run again, and look inside](../09_reproducibility.ipynb). Each
# begins with its statement. Try it there first, and come here when you are
# stuck.

# %%
import hashlib
import random
from collections import Counter, OrderedDict
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.data import DataLoader, Dataset, get_worker_info
from torch.utils.flop_counter import FlopCounterMode

from d2l_helpers import check

torch.set_num_threads(1)

# %% [markdown]
# Two solutions put one function on each module, and tell it the name. To try
# them in the chapter, copy this one, too. A handle is a context manager, which
# removes its hook at the end of the block, also after an error. An `ExitStack`
# holds any number of them.


# %%
@contextmanager
def hook_all(net, hook):
    with ExitStack() as stack:
        for name, module in net.named_modules():
            handle = module.register_forward_hook(partial(hook, name))
            stack.enter_context(handle)
        yield


# %% [markdown]
# ## 9.1 What a seed fixes
#
# *Think, 10 minutes.*
# [Exercise](../09_reproducibility.ipynb#cell-id=exercise-9-1)
#
# Each of these is run after `torch.manual_seed(0)`, and once more after
# `torch.manual_seed(0)`. Does it give the same again? Predict, with True or
# False, then try.
#
# - torch: `torch.rand(3)`
# - numpy: `np.random.rand(3)`
# - dropout: `F.dropout(torch.ones(100))`
# - own: `torch.rand(3, generator=own)`, where `own = torch.Generator()` was
#   made before
# - new: `torch.rand(3, generator=torch.Generator())`
# - new numpy: `np.random.default_rng().random(3)`
# - loader: the first sample of `DataLoader(range(999), shuffle=True)`

# %% [markdown]
# **Idea.** Ask for each draw which generator it uses, and who set that one
# last. `torch.manual_seed` sets PyTorch's own. A `torch.Generator` that is
# made anew begins with a seed that is always the same; one of NumPy takes its
# seed from the system.

# %%
again = {
    "torch": True,
    "numpy": False,
    "dropout": True,
    "own": False,
    "new": True,
    "new numpy": False,
    "loader": True,
}

# %%
check.what_a_seed_fixes(again)

# %% [markdown]
# The seed of a new `torch.Generator`, a hundred times. So two data sets that
# each make one without a seed draw the same numbers.

# %%
{torch.Generator().initial_seed() for _ in range(100)}

# %% [markdown]
# The global generator begins with a seed of its own in each process. After
# `manual_seed` it can tell it.

# %%
torch.manual_seed(3)
torch.initial_seed()

# %% [markdown]
# ## 9.2 Seed the workers
#
# *Code, 25 minutes.*
# [Exercise](../09_reproducibility.ipynb#cell-id=exercise-9-2)
#
# A data set keeps two generators: `rng`, NumPy's, and `generator`, a
# `torch.Generator`. Write a `worker_init_fn` that gives each worker's copy its
# own numbers in both, other ones in each epoch, and the same after the same
# seed. Then remove the dependence on workers: `noise` is a number from 0 to 1
# that follows from three integers alone, in any process: the seed, the epoch
# and the place `i`, and that differs where one of them does. It must neither
# move nor seed a generator of others. With it, a data set gives the same with
# 0, 2 or 3 workers.

# %% [markdown]
# **Idea.** In a worker, `get_worker_info().dataset` is the copy from which it
# reads. The loader has seeded PyTorch there, in each worker and each epoch
# with another number, and `torch.initial_seed()` tells it. For numbers that
# don't depend on workers, make a generator for each, from all that is to
# count: `default_rng` takes a list of integers, and mixes them well.


# %%
def seed_worker(worker_id):
    dataset, seed = get_worker_info().dataset, torch.initial_seed()
    dataset.rng = np.random.default_rng(seed)
    dataset.generator.manual_seed(seed)


def noise(seed, epoch, i):
    return np.random.default_rng([seed, epoch, i]).random()


# %%
check.seed_the_workers(seed_worker, noise)

# %% [markdown]
# **Pitfall.** `seed + epoch + i` is no good: place 1 of this epoch would have
# the number of place 0 in the next.
#
# In a data set the epoch is an attribute, set before each epoch. The numbers
# are the same in whatever order the places are read.


# %%
class Noisy(Dataset):
    def __init__(self, size, seed):
        self.size, self.seed, self.epoch = size, seed, 0

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return noise(self.seed, self.epoch, i)


# %% [markdown]
# Forward and backward:

# %%
dataset = Noisy(6, seed=0)
forward = [dataset[i] for i in range(6)]
backward = [dataset[i] for i in reversed(range(6))]
assert forward == backward[::-1] and len(set(forward)) == 6

# %% [markdown]
# The next epoch has other numbers.

# %%
dataset.epoch = 1
set(forward) & {dataset[i] for i in range(6)}

# %% [markdown]
# **At the edge.** PyTorch's generator on the CPU takes 32 bits of its seed:
# two seeds that differ in higher ones alone give the same numbers. Don't count
# on each of many large seeds being another.

# %%
low, high = (torch.Generator().manual_seed(seed) for seed in (1, 2**40 + 1))
torch.equal(torch.rand(3, generator=low), torch.rand(3, generator=high))

# %% [markdown]
# ## 9.3 Restore three generators
#
# *Code, 20 minutes.*
# [Exercise](../09_reproducibility.ipynb#cell-id=exercise-9-3)
#
# `fork_rng` knows PyTorch's generators only. Write a context manager that
# seeds `random`, NumPy's global generator and PyTorch's on the CPU, and that
# sets all three back after the block, so that they go on as if there had been
# none. This must also hold after an error in the block, which the caller is to
# see.

# %% [markdown]
# **Idea.** Three pairs of functions get and set a state. Get the states first,
# then seed. The `yield` is where the block runs, and where its error comes
# out: `finally` runs in either case and catches nothing.


# %%
@contextmanager
def random_state(seed):
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


# %%
check.restore_generators(random_state)

# %% [markdown]
# `torch.manual_seed` sets the GPUs' generators, too, and this block doesn't
# set them back. `fork_rng` does: with it, two states are left to get and set.


# %%
@contextmanager
def random_state_everywhere(seed):
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


# %% [markdown]
# The check accepts this one, too.

# %%
assert check.restore_generators(random_state_everywhere)

# %% [markdown]
# A use: draw a picture's random points, or look at a sample, without a trace
# in the training.

# %%
torch.manual_seed(0)
expected = torch.rand(2)
torch.manual_seed(0)
with random_state(1):
    torch.rand(100)
assert torch.equal(torch.rand(2), expected)

# %% [markdown]
# ## 9.4 The first bad value
#
# *Code, 30 minutes.*
# [Exercise](../09_reproducibility.ipynb#cell-id=exercise-9-4)
#
# `find_bad` has gaps. Write `first_bad(net, X)`, which returns the name of the
# first module whose output isn't finite, as `named_modules` calls it, or None.
# It looks at all modules, since one with children computes, too, and into
# tuples of tensors. A network may raise an error of its own, as it does for a
# shape that doesn't fit: then return the name if something bad was found, and
# let the error go on if nothing was. In each case, its hooks are gone
# afterwards, others are still there, and the network is in the mode in which
# it was.

# %% [markdown]
# **Idea.** A hook on each module notes the name if a tensor in its output is
# bad. Hooks run in the order in which the modules end, a child before its
# parent, so the first name is the innermost one. If the forward ends in an
# error, what was noted still stands in the list.


# %%
def is_bad(output):
    if isinstance(output, torch.Tensor):
        return not output.isfinite().all()
    return any(map(is_bad, output))


def first_bad(net, X):
    bad = []

    def look(name, module, args, output):
        if is_bad(output):
            bad.append(name)

    with hook_all(net, look):
        try:
            net(X)
        except Exception:
            if not bad:
                raise
    return bad[0] if bad else None


# %%
check.first_bad_value(first_bad)

# %% [markdown]
# A recurrent layer returns a tuple that holds another tuple. One bad bias is
# enough.

# %%
lstm = nn.LSTM(3, 4)
nn.init.constant_(lstm.bias_ih_l0, torch.nan)
first_bad(nn.Sequential(OrderedDict(lstm=lstm)), torch.ones(2, 3))

# %% [markdown]
# What the network itself raises is still raised.

# %%
try:
    first_bad(nn.Linear(3, 1), torch.ones(2, 4))
except RuntimeError as error:
    print(type(error).__name__)

# %% [markdown]
# ## 9.5 Count multiplications
#
# *Code, 25 minutes.*
# [Exercise](../09_reproducibility.ipynb#cell-id=exercise-9-5)
#
# Write `count_multiplications(net, X)` with forward hooks. It returns, by
# name, how many multiplications each `nn.Linear` and each `nn.Conv2d` makes in
# one forward. A layer that is called twice counts twice, and one that isn't
# called has no entry. Hooks must be gone afterwards, also after an error of
# the network, and its mode stays. Compare with `FlopCounterMode`: which factor
# is between the two?

# %% [markdown]
# **Idea.** Each number of the output is a sum of products, one for each weight
# that leads to it: those are the weights of one output, `weight[0]`, of a
# linear layer as of a convolution. Groups need no case of their own, since
# the weight has the input channels of one group only.


# %%
def count_multiplications(net, X):
    counts = Counter()

    def add(name, module, args, output):
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            counts[name] += output.numel() * module.weight[0].numel()

    with hook_all(net, add):
        net(X)
    return dict(counts)


# %%
check.count_multiplications(count_multiplications)

# %% [markdown]
# A small network, for five images of 8 x 8 pixels.

# %%
layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
net, X = nn.Sequential(*layers), torch.rand(5, 1, 8, 8)
counts = count_multiplications(net, X)
counts

# %% [markdown]
# `FlopCounterMode` counts an addition for each product, so the factor is 2.

# %%
with FlopCounterMode(display=False) as counter:
    net(X)
counter.get_total_flops() / sum(counts.values())

# %% [markdown]
# ## 9.6 Rank by ablation
#
# *Explore, 30 minutes.*
# [Exercise](../09_reproducibility.ipynb#cell-id=exercise-9-6)
#
# Write `rank_blocks(net, score)`: the names of the children of `net`, that
# first without which `score(net)` is lowest. Of equal ones, the first in the
# network comes first. A child whose output has another shape than its input
# can't be left out, and isn't ranked. Hooks must be gone afterwards, also if
# `score` raises an error. Then rank the four blocks of this chapter's network
# for seeds 0 to 4. Do the seeds agree on the first?

# %% [markdown]
# **Idea.** Only the hook sees both shapes. It returns the input in place of
# the output if they agree, and notes that; otherwise it returns None, and the
# child isn't ranked. `sorted` keeps the order of equal ones.


# %%
def rank_blocks(net, score):
    scores = {}
    for name, block in net.named_children():
        left_out = []

        def leave_out(block, args, output, left_out=left_out):
            if output.shape == args[0].shape:
                left_out.append(True)
                return args[0]

        with block.register_forward_hook(leave_out):
            value = score(net)
        if left_out:
            scores[name] = value
    return sorted(scores, key=scores.get)


# %%
check.rank_by_ablation(rank_blocks)

# %% [markdown]
# **Five seeds.** The digits of the chapter.

# %%
digits = load_digits()
X = torch.from_numpy(digits.images).float().flatten(1) / 16
y = torch.from_numpy(digits.target).long()
order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
train, valid = order.split([1200, 597])

# %% [markdown]
# A block, as in the chapter.


# %%
class Residual(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.linear = nn.Linear(units, units)

    def forward(self, X):
        return X + F.relu(self.linear(X))


# %% [markdown]
# A step of training.


# %%
def step(net, optimizer):
    batch = train[torch.randint(1200, (50,))]
    optimizer.zero_grad()
    F.cross_entropy(net(X[batch]), y[batch]).backward()
    optimizer.step()


# %% [markdown]
# Four blocks between two linear layers.


# %%
def trained(seed):
    torch.manual_seed(seed)
    blocks = OrderedDict(first=nn.Linear(64, 32))
    blocks |= {f"block{i}": Residual(32) for i in range(4)}
    net = nn.Sequential(blocks | {"out": nn.Linear(32, 10)})
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(200):
        step(net, optimizer)
    return net


# %% [markdown]
# The score is the accuracy.


# %%
@torch.no_grad()
def accuracy(net):
    return (net(X[valid]).argmax(dim=1) == y[valid]).float().mean().item()


# %% [markdown]
# The ranking of each seed. Which block comes first?

# %% tags=["nbval-ignore-output"]
rankings = [rank_blocks(trained(seed), accuracy) for seed in range(5)]
assert {len(ranking) for ranking in rankings} == {4}
[ranking[0] for ranking in rankings]

# %% [markdown]
# On the machine that made this page they don't agree: which block is missed
# most is chance here. That is what the section on noise warns of.

# %% [markdown]
# ## 9.7 Where two runs differ
#
# *Code, 25 minutes.*
# [Exercise](../09_reproducibility.ipynb#cell-id=exercise-9-7)
#
# Two runs ought to be equal and aren't. The first step in which they differ
# says more than the end. `run()` and `other()` each begin a run and yield its
# state dict after each step: the live one, whose tensors the next step
# changes. Return the first step, from 1, and the first name whose tensors
# `torch.equal` tells apart; or None if there is none as far as both runs go.
# Mind that both may draw from PyTorch's generator; neither seed it nor set it
# back yourself.

# %% [markdown]
# **Idea.** Run the first to its end and keep clones, since its tensors go on
# changing; only then begin the other, so that neither draws between the
# other's draws. `torch.equal` allows no rounding.


# %%
def first_difference(run, other):
    kept = [{k: t.clone() for k, t in state.items()} for state in run()]
    for step, (before, state) in enumerate(
        zip(kept, other(), strict=False), 1
    ):
        for name in before:
            if not torch.equal(before[name], state[name]):
                return step, name
    return None


# %%
check.where_two_runs_differ(first_difference)

# %% [markdown]
# A use: a run that looks at a loader after one of its steps.


# %%
def run(look_after=None):
    torch.manual_seed(0)
    net = nn.Linear(64, 10)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for number in range(1, 7):
        step(net, optimizer)
        if number == look_after:
            next(iter(DataLoader(range(10))))
        yield net.state_dict()


# %% [markdown]
# Two runs that don't look are equal. After a look after step 3, step 4 draws
# another batch.

# %%
first_difference(run, run), first_difference(run, lambda: run(look_after=3))

# %% [markdown]
# **Pitfall.** In turns, the same two runs differ from their second step on:
# each draws numbers that were the other's. The first is equal, since each has
# set the seed right before it.

# %%
[
    torch.equal(a["weight"], b["weight"])
    for a, b in zip(run(), run(), strict=True)
]

# %% [markdown]
# **Smaller.** The states of a long run don't fit into memory. Keep a digest of
# each tensor in place of its clone: it changes with the last bit.


# %%
def digest(t):
    return hashlib.sha256(t.numpy().tobytes()).hexdigest()[:8]


one = torch.ones(3)
digest(one) == digest(one.clone()), digest(one) == digest(one + 2**-23)

# %% [markdown]
# ## 9.8 Gradient norms by block
#
# *Code, 15 minutes.*
# [Exercise](../09_reproducibility.ipynb#cell-id=exercise-9-8)
#
# After backward, how large is the gradient of each block? Write
# `gradient_norms(net)`: for each child of `net`, by name, the norm of all
# gradients of its parameters together, as if they were one vector. A parameter
# without a gradient counts as 0. All gradients stay as they are. In the chain
# of ten sigmoids, is the norm of the first layer smaller, or that of the last?
# How do the norms tell the number that `nn.utils.clip_grad_norm_` returns?

# %% [markdown]
# **Idea.** The norm of a long vector is the root of the sum of the squares of
# its parts' norms. `child.parameters()` gives each parameter once. Going back
# through a sigmoid, the gradient is multiplied by its slope, at most 1/4: the
# first layer gets the least.


# %%
def gradient_norms(net):
    norms = {}
    for name, child in net.named_children():
        grads = [p.grad for p in child.parameters() if p.grad is not None]
        norms[name] = sum(g.norm().item() ** 2 for g in grads) ** 0.5
    return norms


smaller = "first"

# %%
check.gradient_norms_by_block(gradient_norms, smaller)

# %% [markdown]
# In the chain of ten sigmoids:

# %%
torch.manual_seed(0)
sigmoids = [nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(10)]
net = nn.Sequential(*sigmoids)
F.cross_entropy(net(X), y).backward()
norms = gradient_norms(net)
f"first {norms['0']:.0e}, last {norms['9']:.0e}"

# %% [markdown]
# `clip_grad_norm_` returns the norm of all gradients: once more the root of
# the sum of the squares, if no block shares a parameter with another one.

# %%
total = nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
assert_close(sum(n**2 for n in norms.values()) ** 0.5, total.item())
