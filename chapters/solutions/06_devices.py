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

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from d2l_helpers import FixedHiddenMLP, MyLinear, check, d2l, use_style

use_style()
torch.set_num_threads(1)  # as in the chapter
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
places = [torch.device("cpu"), *d2l.try_all_gpus()]

# %% [markdown]
# `seconds` and `CountReads` are the chapter's, as are `multiply` and
# `ScaledLinear` below.


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


class CountReads(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


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
# the two records are equal, count the reads, time both.

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
# The two records are equal up to rounding, with a thousand reads or none.

# %%
A, B = torch.rand(100, 100).to(device), second.to(device)
with CountReads() as reads_read:
    log_read = norms_read(A, B)
with CountReads() as reads_kept:
    log_kept = norms_kept(A, B)
assert_close(log_read, log_kept.tolist(), rtol=1e-5, atol=0)
reads_read.count, reads_kept.count

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
# Predict how many reads `CountReads` counts, then count: `max(v)`, with the
# function of Python, and `v.max()` for `v` of shape `(5,)`; `v[int(x)]`;
# `total += x` and `total += x.item()` for a tensor `total`. On a GPU,
# `v[v > 0]` waits too: why? Is it counted?

# %% [markdown]
# **Idea.** A line reads if Python needs a number, or a yes or no. Python's
# `max` compares each of five tensors but the first with the largest so far,
# and each time asks which is larger: 4 reads. The method is one operation on
# the device.

# %%
number_of_reads = {
    "max(v)": 4,
    "v.max()": 0,
    "v[int(x)]": 1,
    "total += x": 0,
    "total += x.item()": 1,
    "v[v > 0]": 0,
}

# %%
check.readers_in_disguise(number_of_reads)

# %% [markdown]
# To count them, run each line under `CountReads`.

# %%
v, x = torch.rand(5).to(device), torch.tensor(0.5).to(device)
total = torch.zeros((), device=device)
counted = {}
for code in number_of_reads:
    with CountReads() as reads:
        exec(code)
    counted[code] = reads.count
assert counted == number_of_reads

# %% [markdown]
# **Why `v[v > 0]` waits.** The length of the result is the number of elements
# above 0. The GPU counts them, and Python needs the count to go on. It isn't
# counted as a read: it is copied inside the operation, where `CountReads`
# doesn't look. `meta` has no data, and can't tell the shape.

# %%
w = torch.ones(5, device="meta")
try:
    w[w > 0]
except NotImplementedError:
    print("no shape without the data")

# %% [markdown]
# `torch.where` keeps the shape, and needs no number.

# %%
torch.where(w > 0, w, 0).shape

# %% [markdown]
# ## 6.7 Fewer places
#
# *Explore, 15 minutes.*
# [Exercise](../06_devices.ipynb#cell-id=exercise-6-7)
#
# Make a function of the measurement in this chapter: `rounding_error(A, B,
# dtype)` rounds two float32 matrices to a data type, multiplies what is left
# in float64, and returns the largest relative error of an element, against the
# product of the unrounded matrices in float64. Measure the error again, with
# `bfloat16` in place of `half`. Guess from the two how many binary places
# bfloat16 has; then check with `binary_places(dtype)`, the largest $k$ for
# which $1 + 2^{-k}$ doesn't become 1.

# %% [markdown]
# **Idea.** `.to(dtype)` rounds, `.double()` goes on with all places. The error
# of bfloat16 is about eight times that of float16. Each place less doubles it,
# and $8 = 2^3$: bfloat16 has $10 - 3 = 7$ places.


# %%
def rounding_error(A, B, dtype):
    exact = A.double() @ B.double()
    rounded = A.to(dtype).double() @ B.to(dtype).double()
    return (rounded / exact - 1).abs().max().item()


def binary_places(dtype):
    k = 0
    while torch.tensor(1 + 2 ** -(k + 1), dtype=dtype) != 1:
        k += 1
    return k


guess = 7

# %%
check.fewer_places(rounding_error, binary_places, guess)

# %% [markdown]
# With the matrices of the chapter:

# %%
torch.manual_seed(0)
A, B = torch.rand(100, 1000), torch.rand(1000, 100)
errors = [rounding_error(A, B, t) for t in (torch.half, torch.bfloat16)]
print(f"half {errors[0]:.0e}, bfloat16 {errors[1]:.0e}")
print(f"ratio {errors[1] / errors[0]:.0f}")

# %% [markdown]
# **Another way.** `torch.finfo` knows: `eps` is the distance from 1 to the
# next number, $2^{-k}$. bfloat16 has fewer places than float16, and a larger
# range.

# %%
for dtype in (torch.half, torch.bfloat16, torch.float, torch.double):
    info = torch.finfo(dtype)
    assert info.eps == 2 ** -binary_places(dtype)
    print(f"{dtype}: {binary_places(dtype)} places, up to {info.max:.1e}")
