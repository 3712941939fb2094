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
# # Run the same code on CPU and CUDA
#
# A program that trains on your laptop should train on a GPU without an edit.
# Here are the habits that this takes, and the mistakes, shown without a GPU.
#
# **You will learn** to
#
# - find out which devices are there, and choose one in one line;
# - move tensors and modules, and know what is copied and what stays behind;
# - get the same numbers on each device, up to rounding;
# - time code whose results aren't ready when a call returns;
# - avoid hidden copies, and load elsewhere what you saved here.
#
# **In the book:** section 6.7,
# [GPUs](https://d2l.ai/chapter_builders-guide/use-gpu.html)
# (中文版 5.6,
# [GPU](https://zh.d2l.ai/chapter_deep-learning-computation/use-gpu.html)).
#
# **You need** chapters 01,
# [Build networks from blocks](01_blocks.ipynb), and 03,
# [Write layers of your own](03_custom_layers.ipynb). The cells take about
# five seconds on a CPU. No GPU is needed; up to two are used.

# %% [markdown]
# The first cell imports what the chapter uses and chooses the device. `d2l` is
# the book's own package.

# %%
import io
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from unittest import mock

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from d2l_helpers import MLP, FixedHiddenMLP, MyLinear, d2l, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# ## See what is here
#
# *CUDA* is NVIDIA's platform for computing on its GPUs. PyTorch counts the
# GPUs from 0. Your machine may answer differently.

# %% tags=["nbval-ignore-output"]
gpus = d2l.try_all_gpus()
assert len(gpus) == torch.cuda.device_count()
print("torch", torch.__version__)
print(f"cpu: {torch.get_num_threads()} threads")
for gpu in gpus:
    card = torch.cuda.get_device_properties(gpu)
    print(f"{gpu}: {card.name}, {card.total_memory / 2**30:.0f} GiB")
if not gpus:
    print("no GPU: the cells that need one say so and go on")

# %% [markdown]
# A `torch.device` names a place, which needn't exist. `cpu` means all cores
# and the main memory; `cuda` means the current GPU, number 0 unless you change
# it.
#
# > **Pitfall.** `cuda` and `cuda:0` can name one place. Are they equal?

# %%
current, zero = torch.device("cuda"), torch.device("cuda", 0)
print(f"{current} == {zero}: {current == zero}")
print("types equal:", current.type == zero.type)

# %% [markdown]
# A tensor moved to `cuda` says that it is on `cuda:0`. So compare the types.
#
# The book's `try_gpu(i)` gives GPU number `i`. What will number 99 be?

# %%
d2l.try_gpu(99)

# %% [markdown]
# It is the CPU, and nothing says so: in a long run you may not notice that the
# GPU isn't used.
#
# > **Pitfall.** The documentation of `try_all_gpus` promises `[cpu]` where
# > there is no GPU.
#
# Inside the `with` block, the number of GPUs is 0. (You may skip how
# `mock.patch` does this.)

# %%
with mock.patch.object(d2l, "num_gpus", return_value=0):
    found = d2l.try_all_gpus()
found

# %% [markdown]
# The list is empty. Write the fallback yourself.

# %%
devices = d2l.try_all_gpus() or [torch.device("cpu")]
assert all(d.type == device.type for d in devices)

# %% [markdown]
# *Accelerator* is PyTorch's word for a device that computes beside the CPU:
# `cuda` for GPUs of NVIDIA and AMD, `mps` for Apple's, `xpu` for Intel's. Ask
# `is_available` first: `current_accelerator` may name the kind that PyTorch
# was built for, even where there is none.

# %%
accelerator = torch.device("cpu")
if torch.accelerator.is_available():
    accelerator = torch.accelerator.current_accelerator()
assert (accelerator.type == "cuda") == torch.cuda.is_available()

# %% [markdown]
# ## Tensors live somewhere
#
# A tensor is created on the CPU unless you name another place, for example
# with `device=`. `.to` moves it.

# %%
X = torch.ones(2, 3)
Y = torch.zeros(2, 3, device=device)
Z = X.to(device)
assert Y.device.type == Z.device.type == device.type
X.device

# %% [markdown]
# You can name the place for a block of code too. `meta` is a device without
# data, which needs no GPU.

# %%
with torch.device("meta"):
    inside = torch.ones(2, 3)
inside.device, torch.ones(2, 3).device

# %% [markdown]
# `torch.set_default_device` names it for all that follows.
#
# Some of what goes wrong on a GPU can be tried on `meta`. Most operations need
# their inputs in one place.

# %% tags=["raises-exception"]
M = torch.ones(2, 3, device="meta")
print("M is", M)
X + M

# %% [markdown]
# In arithmetic, PyTorch doesn't move a tensor for you, with one exception.
# What is special about `scale`?

# %%
scale = torch.tensor(2.0)
assert_close((Z * scale).cpu(), torch.full((2, 3), 2.0))
print("scale is on", scale.device)
print("M * scale is on", (M * scale).device)

# %% [markdown]
# `scale` has no dimensions. In arithmetic, such a CPU tensor counts as a
# number, which may go to any device.
#
# Two more operations take a tensor from elsewhere: `copy_` writes the values
# of one into another, and indices may be on the CPU.

# %%
assert torch.equal(torch.zeros_like(Z).copy_(X), Z)
assert torch.equal(Z[torch.tensor([1, 0])], Z)

# %% [markdown]
# ### Moving copies, unless it is there already
#
# Moving to another place makes a new tensor. `Z` is on `device` already: will
# `.to` copy it?

# %%
print("to another place:", X.to("meta") is X)
print("to its own place:", Z.to(device) is Z)

# %% [markdown]
# It makes no copy, and returns the same object.
#
# > **Pitfall.** If you change the result, you may change the original.

# %%
original = torch.ones(2, 3)
moved = original.to("cpu")
moved[0, 0] = 5
original[0, 0].item()

# %% [markdown]
# With `.to(device)`, this would be 5 where `device` is the CPU and 1 where it
# is a GPU. Ask for a copy if you are going to change the result.

# %%
untouched = torch.ones(2, 3)
copied = untouched.to(device, copy=True)
copied[0, 0] = 5
untouched[0, 0].item()

# %% [markdown]
# ### Create new tensors beside the old
#
# > **Pitfall.** A tensor created inside `forward`, without `device=`, isn't
# > where the input is: it is on the CPU.
#
# On a CPU, this module adds 0, 1, 2 to the three features. And on `meta`?


# %% tags=["raises-exception"]
class AddPositions(nn.Module):
    def forward(self, X):
        return X + torch.arange(X.shape[-1])


assert_close(AddPositions()(X)[0], torch.tensor([1.0, 2.0, 3.0]))
AddPositions()(M)

# %% [markdown]
# Take the place from the input. `zeros_like(M)` and `M.new_zeros(3)` do so by
# themselves.


# %%
class AddPositionsAnywhere(nn.Module):
    def forward(self, X):
        return X + torch.arange(X.shape[-1], device=X.device)


for tensor in (AddPositionsAnywhere()(M), torch.zeros_like(M), M.new_zeros(3)):
    print(tuple(tensor.shape), tensor.device)

# %% [markdown]
# ## Modules move as a whole
#
# `to` moves a module's parameters and buffers, also those of its children. A
# tensor's move returned another object. What does a module's return?

# %%
fixed = FixedHiddenMLP()
print("same object:", fixed.to("meta") is fixed)
assert not hasattr(fixed, "device")
print("place:", next(fixed.parameters()).device)
{name: tensor.device.type for name, tensor in fixed.state_dict().items()}

# %% [markdown]
# It returns the same object, changed in place: no assignment is needed. A
# module has no `device`; the cell asked a parameter.
#
# > **Pitfall.** A tensor in a plain attribute stays behind, as the table in
# > [chapter 03](03_custom_layers.ipynb#cell-id=parameter-buffer-or-attribute)
# > says.
#
# This layer multiplies its output by constants.


# %% tags=["raises-exception"]
class ScaledLinear(MyLinear):
    def __init__(self, in_units, units):
        super().__init__(in_units, units)
        self.scale = torch.full((units,), 0.5)

    def forward(self, X):
        return self.scale * super().forward(X)


ScaledLinear(5, 3).to("meta")(torch.ones(2, 5, device="meta"))

# %% [markdown]
# As a buffer it moves.


# %%
class ScaledLinearBuffer(MyLinear):
    def __init__(self, in_units, units):
        super().__init__(in_units, units)
        self.register_buffer("scale", torch.full((units,), 0.5))

    def forward(self, X):
        return self.scale * super().forward(X)


scaled = ScaledLinearBuffer(5, 3).to("meta")
scaled(torch.ones(2, 5, device="meta")).device

# %% [markdown]
# Does one call on `meta` find all that a module leaves behind? In each line
# below, `W` is on the CPU, and `M` or `ids` on `meta`. `eval` runs a line, and
# `F.embedding` picks rows of `W`. With a GPU in place of `meta`, each line
# would raise an error.

# %%
W = torch.ones(3, 3)
ids = torch.tensor([0, 2], device="meta")
for code in (
    "M + W[:2]",
    "torch.cat([M, W])",
    "F.mse_loss(M, W[:2])",
    "M @ W",
    "F.linear(M, W)",
    "F.embedding(ids, W)",
):
    try:
        eval(code)
        print(f"{code:21} no error")
    except RuntimeError:
        print(f"{code:21} error")

# %% [markdown]
# It doesn't: matrix products and `F.embedding` don't look at the places there.
# An error on `meta` is a mistake found; no error proves nothing. Exercise 6.5
# looks for the tensors themselves.

# %% [markdown]
# ### Move first, then create the optimizer
#
# An optimizer holds the parameters that it was given. Are they still the
# module's after a move to the device, after one to double precision, after one
# to `meta`?

# %%
net = MLP()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
held = optimizer.param_groups[0]["params"][0]
moves = (device, torch.float64, "meta")
[held is net.to(move).hidden.weight for move in moves]

# %% [markdown]
# Between CPU and CUDA, and for another data type, the parameter stays the same
# object and gets new data. A move to `meta` makes a new one, and the optimizer
# is left with parameters that no network uses.
#
# Many optimizers remember something of past gradients, and this memory doesn't
# follow a move. Below, a layer changes its type after one step of Adam; the
# memory keeps the old type, as it would stay on the old device after a move.
# Then Adam loads its own state. What becomes of the memory?

# %%
stepped = nn.Linear(3, 1)
adam = torch.optim.Adam(stepped.parameters())
stepped(X).sum().backward()
adam.step()
stepped.double()
print("memory:", adam.state[stepped.weight]["exp_avg"].dtype)
adam.load_state_dict(adam.state_dict())
{name: kept.dtype for name, kept in adam.state[stepped.weight].items()}

# %% [markdown]
# Loading brings the averages, `exp_avg` of the gradients and `exp_avg_sq` of
# their squares, to the type and the place of the parameters. `step`, which
# counts steps, keeps its type. It also stays on the CPU
# ([chapter 04](04_file_io.ipynb#cell-id=load-on-another-device)), where Python
# reads it without waiting for a GPU.

# %% [markdown]
# ## Get the same numbers
#
# A *generator* is a source of random numbers. Each device has its own, and
# `manual_seed` seeds them all. Numbers drawn on the CPU and then moved are the
# same on each device; from the same seed, a GPU draws others.

# %%
torch.manual_seed(0)
drawn = torch.rand(3).to(device)
torch.manual_seed(0)
drawn_there = torch.rand(3, device=device)
assert torch.equal(drawn_there, drawn) == (device.type == "cpu")
[round(number, 3) for number in drawn.tolist()]

# %% [markdown]
# A generator of your own leaves the others alone. It is on the CPU unless you
# name another device. Below, a hundred numbers are drawn from one, and the
# next three are still those of `drawn`.

# %%
own = torch.Generator().manual_seed(1)
torch.manual_seed(0)
torch.rand(100, generator=own)
again = torch.rand(3)
assert torch.equal(again.to(device), drawn)

# %% [markdown]
# ### The order of a sum
#
# Both lines add the same three numbers. Can the sums differ?

# %%
large, one = torch.tensor(1e8), torch.tensor(1.0)
print((large + one) - large)
print((large - large) + one)

# %% [markdown]
# The sums differ: near $10^8$, float32 numbers are 8 apart, and the 1 is lost.
# A GPU, or another CPU, may sum in another order. Each element of `A @ B` is a
# sum of 1,000 products. As two sums of 500, it isn't equal, but close.

# %%
torch.manual_seed(0)
A, B = torch.rand(100, 1000), torch.rand(1000, 100)
in_halves = A[:, :500] @ B[:500] + A[:, 500:] @ B[500:]
assert not torch.equal(in_halves, A @ B)
assert_close(in_halves, A @ B, rtol=1e-5, atol=0)

# %% [markdown]
# `rtol` is the relative difference that you allow; for these positive numbers
# in float32, $10^{-5}$ is enough. Compare devices so, and not with `==`. The
# first line asks for full float32, the default for products.

# %%
torch.set_float32_matmul_precision("highest")
assert_close((A.to(device) @ B.to(device)).cpu(), A @ B, rtol=1e-5, atol=0)
torch.get_float32_matmul_precision()

# %% [markdown]
# ### How precise a product is
#
# With `"high"` in place of `"highest"`, a recent NVIDIA GPU may use *TF32*,
# which is faster and rounds the inputs to 10 of the 23 binary places (digits
# after the point) of float32. Float16 keeps 10 places, too, and works on a CPU.
# Which of these two numbers does float16 keep?

# %%
numbers = torch.tensor([1 + 2**-10, 1 + 2**-12])
(numbers.half().float() - 1).tolist()

# %% [markdown]
# It keeps the first; of the second only the 1 is left. What does that do to a
# product? Compare with float64, which has 52 binary places.

# %%
exact = A.double() @ B.double()
rounded = A.half().double() @ B.half().double()
error = (A @ B / exact - 1).abs().max().item()
error_rounded = (rounded / exact - 1).abs().max().item()
assert error < 1e-5 < error_rounded
f"error of float32: below 1e-05, by rounding to 10 places: {error_rounded:.0e}"

# %% [markdown]
# A comparison with TF32 needs a wider tolerance. If two results disagree,
# compute a third in float64. Convolutions on a GPU have a switch of their own,
# which allows TF32 by default: `torch.backends.cudnn.allow_tf32` or, since
# PyTorch 2.9, `torch.backends.cudnn.conv.fp32_precision`. Use one of the two:
# reading the old one can fail after the new one was set.

# %% [markdown]
# ## Time it right
#
# Most calls that use a GPU are *asynchronous*: they put work into a queue of
# the GPU, a *stream*, and return before it is done.
#
# > **Pitfall.** A clock that is read when the call returns measures how long
# > it takes to ask. `d2l.Timer` doesn't wait for CUDA.
#
# To show this without a GPU, a thread does the work here. `submit` queues half
# a second of sleep; `result` waits for its end. (You may skip how thread pools
# work.) The timer starts when it is created. Is the work done when it stops?

# %%
with ThreadPoolExecutor(max_workers=1) as queue:
    timer = d2l.Timer()
    work = queue.submit(time.sleep, 0.5)
    timer.stop()
    print("timer stopped, work done:", work.done())
    work.result()
    print("waited for it, work done:", work.done())
assert timer.times[0] < 0.5

# %% [markdown]
# The work isn't done. So: wait, start the clock, call, wait, stop the clock.
# `synchronize` waits until a GPU's queues are empty. Warm up first, since
# first calls load code and reserve memory. Repeat, and take the median, which
# one disturbed run hardly moves. From here on the CPU uses one thread: on a
# busy machine, several wait for each other.

# %%
torch.set_num_threads(1)


def wait(used):
    for gpu in used:
        torch.cuda.synchronize(gpu)


def seconds(f, *args, used=gpus, warm_up=2, repeats=15):
    for _ in range(warm_up):
        f(*args)
    durations = []
    for _ in range(repeats):
        wait(used)
        start = time.perf_counter()
        f(*args)
        wait(used)
        durations.append(time.perf_counter() - start)
    return median(durations)


# %% [markdown]
# How much slower is the first Fourier transform of the session than later
# ones? (If you run the cell again, none is the first.)

# %% tags=["nbval-ignore-output"]
places = [torch.device("cpu"), *gpus]
for place in places:
    signal = torch.ones(256, 1024, device=place)
    first = seconds(torch.fft.fft, signal, warm_up=0, repeats=1)
    later = seconds(torch.fft.fft, signal)
    assert first > 0 and later > 0
    print(f"{place}: first {first:.1e} s, later {later:.1e} s")

# %% [markdown]
# ### Small and large
#
# A product of two $n \times n$ matrices takes about $2n^3$ operations: twice
# the $n$, eight times the work. Does the time grow as fast?

# %%
sizes = [2**k for k in range(4, 11)]
times = {}
for place in places:
    squares = [torch.ones(n, n, device=place) for n in sizes]
    used = [place] if place in gpus else []
    times[place] = [seconds(torch.mm, S, S, used=used) for S in squares]
assert all(t > 0 for curve in times.values() for t in curve)

# %% [markdown]
# On the dashed line, all sizes run at the CPU's speed for the largest. (You
# may skip the lines.)

# %% mystnb={"image": {"alt": "The time of one product against n, from 16 to 1,024, on logarithmic axes, with a curve for each device. A dashed straight line for time proportional to n cubed meets the CPU's curve at 1,024. In the stored picture, the CPU takes one to two microseconds for n = 16, several times as much as the dashed line says, and the curve rises slowly up to 32. From 64 on it is near the line."}}
for place, marker in zip(places, "os^v<>Dp*", strict=False):
    plt.loglog(sizes, times[place], marker=marker, label=str(place))
cubic = [times[places[0]][-1] * (n / sizes[-1]) ** 3 for n in sizes]
plt.loglog(sizes, cubic, "--", color="#666666", label="time ~ $n^3$")
plt.xticks(sizes, sizes)
plt.minorticks_off()
plt.xlabel("n")
plt.ylabel("seconds")
plt.legend()
plt.show()

# %% [markdown]
# On the left the time grows more slowly: a small product costs little more
# than the call itself. On the right most of the time is the work itself. If
# you have a GPU, find where its curve crosses the CPU's.

# %% [markdown]
# ### Two GPUs at once
#
# Each GPU has its queue, and Python fills both: the second GPU gets its work
# before the first is done. A matrix of ones comes out as it went in.


# %%
def multiply(*matrices):
    results = []
    for S in matrices:
        for _ in range(20):
            S = S @ S / len(S)
        results.append(S)
    return results


ones = torch.ones(8, 8)
assert_close(multiply(ones, ones), [ones, ones])

# %% [markdown]
# On two equal GPUs, both should take about as long as one.

# %% tags=["nbval-ignore-output"]
if len(gpus) < 2:
    print("This cell needs two GPUs, and goes on without them.")
else:
    S, T = (torch.ones(2048, 2048, device=gpu) for gpu in gpus[:2])
    print(f"one:  {seconds(multiply, S):.1e} s")
    print(f"both: {seconds(multiply, S, T):.1e} s")
    assert_close([R.cpu() for R in multiply(S, T)], [S.cpu(), T.cpu()])

# %% [markdown]
# ## Avoid hidden copies
#
# `x.item()` needs the number in `x`. Python waits until the GPU has emptied
# its queue and copied the number; then the GPU, with nothing queued, waits for
# Python. The next class counts such reads: inside `with CountReads()`, PyTorch
# calls its method for each operation, and the one that `item` runs is named
# `_local_scalar_dense`. (You may skip the class.)


# %%
class CountReads(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


# %% [markdown]
# Which of these read the number?

# %%
x = torch.tensor(0.5).to(device)
for code in (
    "x.item()",
    "float(x)",
    "f'{x:.2f}'",
    "1 if x > 0 else 2",
    "x > 0",
    "x + 1",
    "x.detach()",
    "str(x)",
    "x.tolist()",
    "x.cpu()",
    "torch.equal(x, x)",
):
    with CountReads() as reads:
        eval(code)
    print(f"{code:18}", reads.count)

# %% [markdown]
# The `if` reads; the comparison alone doesn't.
#
# > **Pitfall.** The last four count 0, and yet, on a GPU, they wait for the
# > numbers: `str(x)`, and so `print(x)`, `tolist`, `cpu` and `torch.equal`
# > read where `CountReads` doesn't look.
#
# On a GPU, `torch.cuda.set_sync_debug_mode("warn")` warns of many calls that
# wait.
#
# In training, the usual reader is the log of the loss. With `Tensor.item` for
# `log`, this loop reads a number at each step; with `Tensor.detach`, a tensor
# without its graph stays on the device.


# %%
def train(log):
    torch.manual_seed(0)
    X, y = torch.rand(64, 20).to(device), torch.rand(64, 1).to(device)
    net = MLP(20, 32, 1).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(100):
        loss = F.mse_loss(net(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(log(loss))
    return losses


# %% [markdown]
# How many reads has each? The second log is copied at the end, after the
# count, in one piece.

# %%
with CountReads() as reads_item:
    losses_item = train(torch.Tensor.item)
with CountReads() as reads_kept:
    losses_kept = train(torch.Tensor.detach)
kept = torch.stack(losses_kept).tolist()
assert_close(losses_item, kept, rtol=1e-5, atol=0)
reads_item.count, reads_kept.count

# %% [markdown]
# The losses are the same, with a hundred reads or with none. On a CPU no read
# waits. On a GPU, compare the two times.

# %% tags=["nbval-ignore-output"]
time_item = seconds(train, torch.Tensor.item)
time_kept = seconds(train, torch.Tensor.detach)
assert time_item > 0 and time_kept > 0
print(f"read at each step: {1e3 * time_item:.0f} ms")
print(f"kept till the end: {1e3 * time_kept:.0f} ms")

# %% [markdown]
# ## Save here, load there
#
# A file of tensors ([chapter 04](04_file_io.ipynb#cell-id=save-tensors))
# records where each was. `map_location` says where to put them. It can be a
# function of each tensor's data and recorded place; this one notes the place
# and, by returning `None`, changes nothing. `BytesIO` is a file in memory.

# %%
torch.manual_seed(0)
trained = MLP().to(device)
file = io.BytesIO()
torch.save(trained.state_dict(), file)
recorded = set()
file.seek(0)
torch.load(file, map_location=lambda data, place: recorded.add(place))
assert recorded == {str(trained.out.weight.device)}

# %% [markdown]
# `torch.load` puts tensors back where they were.
#
# > **Pitfall.** A file saved on a GPU doesn't load where this GPU is missing.
#
# `mock.patch` makes this file say that it comes from GPU number 99. (You may
# skip how.) The rest of the message recommends `map_location`.

# %%
far_file = io.BytesIO()
with mock.patch("torch.serialization.location_tag", return_value="cuda:99"):
    torch.save(trained.state_dict(), far_file)
far_file.seek(0)
try:
    torch.load(far_file)
except RuntimeError as missing:
    assert "map_location" in str(missing)
    print(str(missing)[:35], "...")

# %% [markdown]
# With `map_location="cpu"` it loads without this GPU. `load_state_dict` then
# copies the values to where the parameters are.

# %%
far_file.seek(0)
state = torch.load(far_file, map_location="cpu")
clone = MLP().to(device)
clone.load_state_dict(state)
assert clone.out.weight.device.type == device.type
batch = torch.ones(2, 20).to(device)
assert_close(clone(batch), trained(batch))
state["out.weight"].device

# %% [markdown]
# ## Summary
#
# - Choose `device` once.
# - Most operations need their inputs in one place. Tensors without dimensions,
#   sources of `copy_` and indices may come from the CPU. `.to` returns a copy,
#   or the same object if it is there already.
# - A tensor is created on the CPU, unless `device=`, `with torch.device(...)`
#   or `set_default_device` names another place.
# - A module moves in place, with parameters and buffers. Plain attributes, and
#   tensors created in `forward` without `device=`, don't follow. A call on
#   `meta` finds some of them.
# - Move the network, then create the optimizer. Loading an optimizer's state
#   brings its averages to the parameters.
# - Draw on the CPU, then move. Compare with a tolerance, a wider one with
#   TF32.
# - Calls to a GPU return early. Warm up, wait, repeat, take the median.
# - `item`, `float`, `print`, `tolist`, `cpu` and `if` wait for the queue. Keep
#   logs on the device.
# - `torch.load(file, map_location="cpu")` needs no GPU; a module's
#   `load_state_dict` copies to where the parameters are.

# %% [markdown]
# ## Exercises
#
# Write your answer in the place of each `...`, run the cell, and run the check
# below it. A check tells what is missing, with a case that fails, and changes
# nothing of yours. A check needs the cells before it: after a break, select it
# and choose *Run*, *Run All Above Selected Cell*. The worked solutions are on
# [a page of their own](solutions/06_devices.ipynb). Most checks give your
# functions tensors on the CPU: ask those for their device, and don't count on
# `device`.

# %%
from d2l_helpers import check

# %% [markdown]
# ### 6.1 Small and large
#
# *Explore, 25 minutes.*
# [Solution](solutions/06_devices.ipynb#cell-id=exercise-6-1)
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


# %%
def time_sum(n, device):
    """The seconds that the sum of two vectors of n numbers takes."""
    # an int and a torch.device -> a number
    ...


operations = {"sum": ..., "product": ...}  # for one number of the result

# %%
check.small_and_large(time_sum, operations)

# %% [markdown]
# ### 6.2 Parameters across devices
#
# *Code, 15 minutes.*
# [Solution](solutions/06_devices.ipynb#cell-id=exercise-6-2)
#
# Write `set_bias(net, name, values)`, which writes a list of numbers into one
# bias of a network on any device
# ([chapter 02](02_parameters.ipynb) shows how to write), and
# `get_bias(net, name)`, which returns a list of numbers. The name is one of
# those that `net.named_parameters()` gives. You are done when the bias is the
# same object as before, is where it was, and still gets a gradient. Another
# name raises, in both, an error whose message names what is missing.


# %%
def set_bias(net, name, values):
    """Write a list of numbers into the bias of this name."""
    ...


def get_bias(net, name):
    """The bias of this name, as a list of numbers."""
    ...


# %%
check.parameters_across_devices(set_bias, get_bias)

# %% [markdown]
# ### 6.3 A thousand norms
#
# *Code, 25 minutes.*
# [Solution](solutions/06_devices.ipynb#cell-id=exercise-6-3)
#
# Multiply a 100 x 100 matrix $A$ 1,000 times by a second one, each time with
# $A \leftarrow AB$, and record the Frobenius norm after each product:
# `norms_read(A, B, steps)` reads each with `item` and returns a list;
# `norms_kept(A, B, steps)` reads nothing and returns a tensor of shape
# `(steps,)` on the device of $A$. Both take square matrices of any size, and
# leave them as they were. Choose a second matrix, not the identity, with which
# the norms stay finite and above 0 when the first matrix is random. Show that
# the two records are equal, count the reads, time both.


# %%
def norms_read(A, B, steps=1000):
    """The norms after each product, read one by one."""
    # (n, n) and (n, n) -> a list of numbers
    ...


def norms_kept(A, B, steps=1000):
    """The norms after each product, kept on the device."""
    # (n, n) and (n, n) -> (steps,)
    ...


second = ...  # (100, 100)

# %%
check.thousand_norms(norms_read, norms_kept, second)

# %% [markdown]
# ### 6.4 Two at once
#
# *Explore, 20 minutes.*
# [Solution](solutions/06_devices.ipynb#cell-id=exercise-6-4)
#
# Time `multiply` for two matrices on one device, then for one matrix on each
# of two. Without two GPUs, give one matrix to each of two threads of a
# `ThreadPoolExecutor`: write `at_once(f, S, T)`, which calls `f(S)` in one
# thread and `f(T)` in the other, so that both run at the same time, and
# returns a list of the two results, that of `S` first. Is the time half of
# that for both in turn?


# %%
def at_once(f, S, T):
    """[f(S), f(T)], computed at the same time by two threads."""
    # a function and two matrices -> a list of what the function returns
    ...


# %%
check.two_at_once(at_once)

# %% [markdown]
# ### 6.5 What stays behind
#
# *Code, 20 minutes.*
# [Solution](solutions/06_devices.ipynb#cell-id=exercise-6-5)
#
# Write `stays_behind(net)`, which returns a list of the dotted names of all
# tensors that a module, or any module below it, keeps in a plain attribute;
# start from `vars(module)`. For `nn.Sequential(ScaledLinear(5, 3))` the answer
# is `["0.scale"]`, for `ScaledLinear(5, 3)` alone it is `["scale"]`, for
# `FixedHiddenMLP()` it is `[]`. The network stays as it is.


# %%
def stays_behind(net):
    """The dotted names of the tensors in plain attributes."""
    # a module -> a list of strings, in any order
    ...


# %%
check.what_stays_behind(stays_behind)

# %% [markdown]
# ### 6.6 Readers in disguise
#
# *Think, 10 minutes.*
# [Solution](solutions/06_devices.ipynb#cell-id=exercise-6-6)
#
# Predict how many reads `CountReads` counts, then count: `max(v)`, with the
# function of Python, and `v.max()` for `v` of shape `(5,)`; `v[int(x)]`;
# `total += x` and `total += x.item()` for a tensor `total`. On a GPU,
# `v[v > 0]` waits too: why? Is it counted?

# %%
number_of_reads = {
    "max(v)": ...,
    "v.max()": ...,
    "v[int(x)]": ...,
    "total += x": ...,
    "total += x.item()": ...,
    "v[v > 0]": ...,
}

# %%
check.readers_in_disguise(number_of_reads)

# %% [markdown]
# ### 6.7 Fewer places
#
# *Explore, 15 minutes.*
# [Solution](solutions/06_devices.ipynb#cell-id=exercise-6-7)
#
# Make a function of the measurement in this chapter: `rounding_error(A, B,
# dtype)` rounds two float32 matrices to a data type, multiplies what is left
# in float64, and returns the largest relative error of an element, against the
# product of the unrounded matrices in float64. Measure the error again, with
# `bfloat16` in place of `half`. Guess from the two how many binary places
# bfloat16 has; then check with `binary_places(dtype)`, the largest $k$ for
# which $1 + 2^{-k}$ doesn't become 1.


# %%
def rounding_error(A, B, dtype):
    """The largest relative error of A @ B by rounding A and B."""
    # (n, k), (k, m) and a torch.dtype -> a number
    ...


def binary_places(dtype):
    """The largest k for which 1 + 2**-k isn't rounded to 1."""
    # a torch.dtype -> an int
    ...


guess = ...  # the binary places of bfloat16; float16 has 10

# %%
check.fewer_places(rounding_error, binary_places, guess)

# %% [markdown]
# ## Where to go next
#
# [Train anywhere, stop and resume](07_training.ipynb) trains a real model on
# whatever device there is, and resumes it after an interruption.
