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
# # Solutions to chapter 06
#
# To the exercises of
# [Run the same code on CPU and CUDA](../06_devices.ipynb). Each begins with
# its statement. Try it there first, and come here when you are stuck.

# %%
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.testing import assert_close

from d2l_helpers import FixedHiddenMLP, MyLinear, check, d2l, use_style

use_style()
torch.set_num_threads(1)  # as in the chapter
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
places = [torch.device("cpu"), *d2l.try_all_gpus()]

# %% [markdown]
# `seconds` is the chapter's, as are `multiply` and `ScaledLinear` below.


# %%
def seconds(f, *args, warm_up=2, repeats=15):
    durations = []
    for _ in range(warm_up + repeats):
        for gpu in places[1:]:
            torch.cuda.synchronize(gpu)
        start = time.perf_counter()
        f(*args)
        for gpu in places[1:]:
            torch.cuda.synchronize(gpu)
        durations.append(time.perf_counter() - start)
    return median(durations[warm_up:])


# %% [markdown]
# ## 6.1 Small and large
#
# *Explore, 25 minutes.*
# [Exercise](../06_devices.ipynb#cell-id=exercise-6-1)
#
# Write `time_sum(n, device)`, which returns the seconds that the sum of two
# vectors of $n$ numbers takes on a device, measured as in this chapter: before
# the clock starts, the vectors are made and a first sum is done; the result is
# the median of five runs or more. Time sums of $10^2$ to $10^7$ numbers on
# each of your devices, and draw time against size. From which size on does the
# time grow with the size? Why is this size another one than for the matrix
# products? For $n = 1000$, how many operations, additions and multiplications
# together, does one number of the result take, in such a sum and in such a
# product?

# %% [markdown]
# **Idea.** `seconds` warms up, waits and takes the median; what is left is to
# make the vectors first. One number of a sum takes one addition. One number of
# a product takes 1,000 multiplications and 999 additions: this work grows with
# $n$, and outgrows the cost of the call sooner.


# %%
def time_sum(n, device):
    a, b = (torch.rand(n, device=device) for _ in range(2))
    return seconds(torch.add, a, b)


operations = {"sum": 1, "product": 1000 + 999}

# %%
check.small_and_large(time_sum, operations)

# %% [markdown]
# The dashed line is time in proportion to the size, drawn through the CPU's
# point for a million numbers. From which $n$ on does the curve rise?

# %% mystnb={"image": {"alt": "The time of one sum against n, from a hundred to ten million, on logarithmic axes, with a curve for each device and a dashed straight line for time proportional to n through the CPU's point at a million. In the stored picture, the CPU takes one to two microseconds up to a thousand numbers. The curve begins to rise at ten thousand, is on the line from a hundred thousand on, and far above it at ten million."}}
sizes = [10**k for k in range(2, 8)]
for place in places:
    times = [time_sum(n, place) for n in sizes]
    assert all(t > 0 for t in times)
    plt.loglog(sizes, times, marker="o", label=str(place))
    if place.type == "cpu":
        line = [times[-2] * n / sizes[-2] for n in sizes]
        plt.loglog(sizes, line, "--", color="#666666", label="time ~ n")
plt.xlabel("n")
plt.ylabel("seconds")
plt.legend()
plt.show()

# %% [markdown]
# In the stored picture, up to a thousand numbers most of the time is the call;
# from about ten thousand on, the time grows with the size. That of a product
# grows from about $n = 32$ on: that is 1,024 numbers, but each takes 63
# operations. On a GPU expect both later: a call costs more, and more work is
# done at once.
#
# **At the edges.** The last point lies far above the line. Such vectors are
# larger than the caches of many CPUs, and each result needs 40 MB of memory.
# `torch.add(a, b, out=c)` writes into the same memory again.

# %% [markdown]
# ## 6.2 Parameters across devices
#
# *Code, 15 minutes.*
# [Exercise](../06_devices.ipynb#cell-id=exercise-6-2)
#
# Write `set_bias(net, name, values)`, which writes a list of numbers into one
# bias of a network on any device
# ([chapter 02](../02_parameters.ipynb) shows how to write), and
# `get_bias(net, name)`, which returns a list of numbers. The name is one of
# those that `net.named_parameters()` gives. You are done when the bias is the
# same object as before, is where it was, and still gets a gradient. Another
# name raises, in both, an error whose message names what is missing.

# %% [markdown]
# **Idea.** `get_parameter` follows a dotted name, and raises an error where
# the path breaks. `copy_` writes into the tensor that is there, also from
# another device or type; `tolist` brings the numbers to Python. Without
# `no_grad`, autograd would refuse the edit.


# %%
def set_bias(net, name, values):
    with torch.no_grad():
        net.get_parameter(name).copy_(torch.tensor(values))


def get_bias(net, name):
    return net.get_parameter(name).tolist()


# %%
check.parameters_across_devices(set_bias, get_bias)

# %% [markdown]
# **Pitfall.** A new `nn.Parameter` with these values seems to do the same. But
# the optimizer holds the old one, and its step doesn't change the new one.

# %%
net = nn.Linear(2, 3).to(device)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
net.bias = nn.Parameter(torch.tensor([1.0, 2, 3]).to(device))
net(torch.ones(4, 2, device=device)).sum().backward()
optimizer.step()
get_bias(net, "bias")

# %% [markdown]
# **At the edges.** `copy_` repeats a single number for the whole bias, and
# raises no error. If you want one, compare the lengths. And don't begin with
# `net.cpu()`: it would move the network of the caller, which doesn't show
# without a GPU.

# %%
set_bias(net, "bias", [7.0])
get_bias(net, "bias")

# %% [markdown]
# ## 6.3 A thousand norms
#
# *Code, 25 minutes.*
# [Exercise](../06_devices.ipynb#cell-id=exercise-6-3)
#
# Multiply a 100 x 100 matrix $A$ 1,000 times by a second one, each time with
# $A \leftarrow AB$, and record the Frobenius norm after each product:
# `norms_read(A, B, steps)` reads each with `item` and returns a list;
# `norms_kept(A, B, steps)` reads nothing and returns a tensor of shape
# `(steps,)` on the device of $A$. Both take square matrices of any size, and
# leave them as they were. Choose a second matrix, not the identity, with which
# the norms stay finite and above 0 when the first matrix is random. Show that
# the two records are equal, and with `meta` which of the two reads; time both.

# %% [markdown]
# **Idea.** The two differ in what goes into the list. A list of tensors costs
# no read, and `torch.stack` makes one tensor of it, where they are. If $B$ is
# orthogonal, each row of $A$ keeps its length, and $A$ its norm;
# `torch.linalg.qr` makes such a $B$.


# %%
def norms_read(A, B, steps=1000):
    norms = []
    for _ in range(steps):
        A = A @ B
        norms.append(torch.linalg.norm(A).item())
    return norms


def norms_kept(A, B, steps=1000):
    norms = []
    for _ in range(steps):
        A = A @ B
        norms.append(torch.linalg.norm(A))
    return torch.stack(norms)


torch.manual_seed(0)
second = torch.linalg.qr(torch.randn(100, 100)).Q

# %%
check.thousand_norms(norms_read, norms_kept, second)

# %% [markdown]
# The two records are equal up to rounding.

# %%
A, B = torch.rand(100, 100).to(device), second.to(device)
log_read, log_kept = norms_read(A, B), norms_kept(A, B)
assert_close(log_read, log_kept.tolist(), rtol=1e-5, atol=0)

# %% [markdown]
# On `meta`, the second needs no number, and the first fails in its first
# round.

# %%
on_meta = A.to("meta"), B.to("meta")
print("kept:", norms_kept(*on_meta).shape)
try:
    norms_read(*on_meta)
except RuntimeError as error:
    print("read:", error)

# %% [markdown]
# On a CPU nothing is queued. On a GPU, each read waits for its product, and
# leaves an empty queue: compare the times there.

# %% tags=["nbval-ignore-output"]
for norms in (norms_read, norms_kept):
    t = seconds(norms, A, B, warm_up=1, repeats=3)
    assert t > 0
    print(f"{norms.__name__}: {1e3 * t:.0f} ms")

# %% [markdown]
# **Pitfall.** With a random matrix, the norm grows about tenfold in each step.
# Float32 ends near $10^{38}$. After how many products does the norm pass it?

# %%
torch.manual_seed(0)
wild = torch.randn(100, 100).to(device)
norms_kept(A, wild).isfinite().sum().item()

# %% [markdown]
# After fewer than half of 38: a norm adds up squares, and these are too large
# first.
#
# `torch.randn(100, 100) / 10` seems to keep the norm. Here are four such
# matrices, with the largest absolute value of their eigenvalues. In the long
# run, a product multiplies the norm by about this number.

# %%
for seed in (5, 4, 0, 10):
    torch.manual_seed(seed)
    tenth = (torch.randn(100, 100) / 10).to(device)
    largest = torch.linalg.eigvals(tenth).abs().max().item()
    last = norms_kept(A, tenth)[-1].item()
    print(f"largest eigenvalue {largest:.3f}, last norm {last:.0e}")

# %% [markdown]
# Where the norm ends depends on the draw. A number a little above 1, to the
# power of 1,000, is very large; one a little below 1 is very small. And where
# two infinite numbers are subtracted, the result is `nan`.

# %% [markdown]
# ## 6.4 Two at once
#
# *Explore, 20 minutes.*
# [Exercise](../06_devices.ipynb#cell-id=exercise-6-4)
#
# Time `multiply` for two matrices on one device, then for one matrix on each
# of two. Without two GPUs, give one matrix to each of two threads of a
# `ThreadPoolExecutor`: write `at_once(f, S, T)`, which calls `f(S)` in one
# thread and `f(T)` in the other, so that both run at the same time, and
# returns a list of the two results, that of `S` first. Is the time half of
# that for both in turn?

# %% [markdown]
# **Idea.** The pool's `map` begins both calls before it waits for one, and
# gives the results in the order of the arguments. `submit` for both and then
# `result` of both is the same.


# %%
def at_once(f, S, T):
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(f, (S, T)))


# %%
check.two_at_once(at_once)

# %% [markdown]
# With two GPUs, each gets a matrix; without, both are on `device`. Are the
# results right? (`multiply` returns a list of one matrix; `(R,)` takes it
# out.)


# %%
def multiply(*matrices):
    results = []
    for S in matrices:
        for _ in range(20):
            S = S @ S / len(S)
        results.append(S)
    return results


two = places[1:3] if len(places) > 2 else [device] * 2
S, T = (torch.ones(768, 768, device=place) for place in two)
(R,), (Q,) = at_once(multiply, S, T)
assert_close([R.cpu(), Q.cpu()], [S.cpu(), T.cpu()])

# %% [markdown]
# Half of the time would be 0.5. Run the cell a few times.

# %% tags=["nbval-ignore-output"]
one_by_one = seconds(multiply, S, S, warm_up=1, repeats=3)
together = seconds(at_once, multiply, S, T, warm_up=1, repeats=3)
assert one_by_one > 0 and together > 0
print(f"{together / one_by_one:.2f} of the time, on {two[0]} and {two[1]}")

# %% [markdown]
# With two idle cores it can come near to 0.5, since torch releases Python's
# lock while it computes. If the other core has work already, it stays near 1.
# Let a product take one thread, or the first product keeps several cores busy.
# And let it be large: to start a thread takes longer than a small product. One
# GPU gains little from two threads, which fill one queue.
#
# **Pitfall.** `pool.submit(f(S))` calls `f` at once, in the thread that
# submits, and gives the pool the result in place of a function. The error
# appears when somebody asks for the result.

# %%
with ThreadPoolExecutor(max_workers=2) as pool:
    work = pool.submit(multiply(torch.ones(2, 2)))
work.exception()

# %% [markdown]
# ## 6.5 What stays behind
#
# *Code, 20 minutes.*
# [Exercise](../06_devices.ipynb#cell-id=exercise-6-5)
#
# Write `stays_behind(net)`, which returns a list of the dotted names of all
# tensors that a module, or any module below it, keeps in a plain attribute;
# start from `vars(module)`. For `nn.Sequential(ScaledLinear(5, 3))` the answer
# is `["0.scale"]`, for `ScaledLinear(5, 3)` alone it is `["scale"]`, for
# `FixedHiddenMLP()` it is `[]`. The network stays as it is.

# %% [markdown]
# **Idea.** Parameters and buffers are in dictionaries of their own,
# `_parameters` and `_buffers`. `to` doesn't know a tensor that is directly in
# `vars(module)`. `named_modules` visits all modules at any depth, and the
# outermost, whose path is empty.


# %%
def stays_behind(net):
    return [
        f"{path}.{name}".lstrip(".")  # no dot after an empty path
        for path, module in net.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, torch.Tensor)
    ]


# %%
check.what_stays_behind(stays_behind)

# %% [markdown]
# This is the layer of the chapter that leaves its constants behind.


# %%
class ScaledLinear(MyLinear):
    def __init__(self, in_units, units):
        super().__init__(in_units, units)
        self.scale = torch.full((units,), 0.5)


# %% [markdown]
# Here are the examples of the statement: inside, alone, and with a buffer.

# %%
examples = nn.Sequential(ScaledLinear(5, 3)), ScaledLinear(5, 3)
[stays_behind(net) for net in (*examples, FixedHiddenMLP())]

# %% [markdown]
# **At the edges.** A tensor in a list stays behind too, and one that belongs
# to the class. Neither is directly in `vars(module)`: the function misses
# them.


# %%
class Hidden(nn.Module):
    of_the_class = torch.ones(1)

    def __init__(self):
        super().__init__()
        self.in_a_list = [torch.ones(1)]


moved = Hidden().to("meta")
print(stays_behind(moved))
print(moved.of_the_class.is_meta, moved.in_a_list[0].is_meta)

# %% [markdown]
# ## 6.6 Readers in disguise
#
# *Think, 10 minutes.*
# [Exercise](../06_devices.ipynb#cell-id=exercise-6-6)
#
# Let `v` of shape `(5,)`, and `x` and `total` without dimensions, be on a GPU.
# Predict which lines need a number from there, and so wait; `max(v)` is the
# function of Python. Then try them on `meta`. Two lines keep the numbers of
# `v` that are above 0. Why does only one of them wait?

# %% [markdown]
# **Idea.** A line reads if Python needs a number, or a yes or no. Python's
# `max` asks of each tensor whether it is larger than the largest so far. An
# index without dimensions says, as a number would, where to cut, and so is
# read. The method `max` and the sum are operations on the device.

# %%
reads = {
    "max(v)": True,
    "v.max()": False,
    "v[int(x)]": True,
    "v[v.argmax()]": True,
    "total += x": False,
    "total += x.item()": True,
    "v[v > 0]": True,
    "torch.where(v > 0, v, 0)": False,
}

# %%
check.readers_in_disguise(reads)

# %% [markdown]
# To try them, make the three on `meta`.

# %%
v = torch.ones(5, device="meta")
x, total = torch.zeros(2, device="meta")

# %% [markdown]
# A line that needs a number fails there.

# %%
tried = {}
for code in reads:
    try:
        exec(code)
        tried[code] = False
    except RuntimeError:
        tried[code] = True
assert tried == reads

# %% [markdown]
# **Why `v[v > 0]` waits.** The length of the result is the number of elements
# above 0. The GPU counts them, and Python needs the count to go on.
# `torch.where` keeps the shape, and needs no number.
#
# **At the edges.** `v[v.argmax()]` can be had without a read: `gather` and
# `index_select` take the place from a tensor with one dimension.

# %%
v.index_select(0, v.argmax().reshape(1)).shape

# %% [markdown]
# ## 6.7 A batch of anything
#
# *Code, 15 minutes.*
# [Exercise](../06_devices.ipynb#cell-id=exercise-6-7)
#
# A batch may be a dictionary, with lists and tuples in it, and text beside the
# tensors. Write `to_device(batch, place)`, which returns the same structure
# with each tensor moved, at any depth. Dictionaries stay dictionaries, lists
# stay lists, tuples stay tuples, and what is none of these and no tensor is
# passed on. A tensor that is there already isn't copied. The batch that was
# given stays as it is.

# %% [markdown]
# **Idea.** The structure can be as deep as it likes if the function calls
# itself: for a container it moves what is inside, and puts it into a container
# of the same kind. `type(batch)` is that kind.


# %%
def to_device(batch, place):
    if isinstance(batch, torch.Tensor):
        return batch.to(place)
    if isinstance(batch, dict):
        return {key: to_device(x, place) for key, x in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(x, place) for x in batch)
    return batch


# %%
check.batch_of_anything(to_device)

# %% [markdown]
# A batch of images of two sizes, with labels and the names of files.

# %%
batch = {
    "images": [torch.ones(3, 8, 8), torch.ones(3, 6, 6)],
    "labels": torch.tensor([0, 1]),
    "files": ("a.png", "b.png"),
}

# %% [markdown]
# Where are the images after a move, and what becomes of the names?

# %%
on_meta = to_device(batch, "meta")
[*(image.device for image in on_meta["images"]), on_meta["files"]]

# %% [markdown]
# **At the edges.** A named tuple is a tuple whose class takes its elements one
# by one: `type(batch)(...)` fails for it, and `type(batch)._make(...)` is
# meant for that. PyTorch's own `tree_map`, in `torch.utils._pytree`, knows
# them; its name begins with `_`, so that it may change.

# %% [markdown]
# ## 6.8 What the default reaches
#
# *Think, 10 minutes.*
# [Exercise](../06_devices.ipynb#cell-id=exercise-6-8)
#
# `X` is `torch.ones(3)`, `array` an array of NumPy and `net` an
# `nn.Linear(3, 2)`; all were made on the CPU. Then, inside
# `with torch.device("meta")`, each line makes a tensor. Predict its place. Why
# does the last one raise no error?

# %% [markdown]
# **Idea.** Ask whether the line creates a tensor, without a place of its own,
# or makes one from tensors that are there. In the last line the two are in two
# places, but the one on the CPU has no dimensions: it counts as a number.

# %%
where = {
    "torch.arange(3)": "meta",
    "torch.tensor([1.0, 2.0])": "meta",
    "torch.zeros(3, device='cpu')": "cpu",
    "torch.from_numpy(array)": "cpu",
    "torch.stack([X, X])": "cpu",
    "X.new_zeros(3)": "cpu",
    "net(X)": "cpu",
    "nn.Linear(3, 2).weight": "meta",
    "X + torch.tensor(1.0, device='cpu')": "cpu",
    "torch.ones(3) + torch.tensor(1.0, device='cpu')": "meta",
}

# %%
check.what_the_default_reaches(where)

# %% [markdown]
# To try them:

# %%
X, array, net = torch.ones(3), np.ones(3), nn.Linear(3, 2)
with torch.device("meta"):
    tried = {code: eval(code).device.type for code in where}
assert tried == where

# %% [markdown]
# **Pitfall.** A function that creates a tensor works with the default of its
# author, and may fail with that of a caller. This is such a function.


# %%
def half(X):
    return X * torch.tensor([0.5])


# %% [markdown]
# What does it do where the default isn't the input's place?

# %%
with torch.device("meta"):
    try:
        half(X)
    except RuntimeError:
        print("two places")

# %% [markdown]
# `X.new_tensor([0.5])` is right under each default.

# %% [markdown]
# ## 6.9 One batch ahead
#
# *Code, 25 minutes.*
# [Exercise](../06_devices.ipynb#cell-id=exercise-6-9)
#
# While the device computes with one batch, the next can be on its way. Write a
# generator `ahead(batches, move)`, which gives each batch, moved, in order.
# When it gives one, `move` has been called for the next one too, and for none
# after that: each batch in waiting takes memory. `batches` can be gone through
# once, and may be empty. For tensors, `move` would be
# `lambda batch: batch.to(device, non_blocking=True)`.

# %% [markdown]
# **Idea.** One moved batch is in waiting. Each round moves another, and gives
# the one before; after the loop, one is left. Both loops go through one
# iterator: the outer one takes the first batch, if there is one, and the inner
# one all others.


# %%
def ahead(batches, move):
    batches = iter(batches)
    for first in batches:
        waiting = move(first)
        for batch in batches:
            following = move(batch)
            yield waiting
            waiting = following
        yield waiting


# %%
check.one_batch_ahead(ahead)

# %% [markdown]
# The order of what happens:

# %%
events = []
for batch in ahead("abc", lambda name: events.append(f"move {name}") or name):
    events.append(f"compute {batch}")
events

# %% [markdown]
# **Why it helps.** From pinned memory, `move` with `non_blocking=True` returns
# at once, and Python goes on. But one queue does one thing after the other:
# the work on a batch waits for the copy of the next. Where the copies get a
# stream of their own, with `torch.cuda.stream`, a GPU does both at once.
