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
# - time code whose results aren't ready when a call returns;
# - find the lines that wait for a GPU, and copy while it computes;
# - load elsewhere what you saved here.
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
from statistics import median

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

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
# A tensor moved to `cuda` says that it is on `cuda:0`, or what the current one
# is. So compare the types.
#
# The book's `try_gpu(i)` gives GPU number `i`. What will number 99 be?

# %%
d2l.try_gpu(99)

# %% [markdown]
# It is the CPU, and nothing says so: in a long run you may not notice that the
# GPU isn't used.
#
# > **Pitfall.** The documentation of `try_all_gpus` promises `[cpu]` where
# > there is no GPU. The first cell of this section shows that its list has as
# > many elements as there are GPUs: none.
#
# Write the fallback yourself.

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
# Every machine has the device `meta`. Its tensors have a shape and no data. In
# this chapter it stands for a GPU, and much that goes wrong on a GPU goes
# wrong on `meta` too. Most operations need their inputs in one place.

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
# number, which may go to any device. Two more operations take a tensor from
# elsewhere: `copy_` writes the values of one into another, and indices may be
# on the CPU.

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
# ### Name the place once
#
# The *default device* is where tensors are created without `device=`.
# `with torch.device(...)` names it for a block of code, and
# `torch.set_default_device` until you change it.

# %%
torch.set_default_device("meta")
by_default = torch.ones(3)
torch.set_default_device(None)  # the CPU again
with torch.device("meta"):
    net_there = MLP()
by_default.device, net_there.out.weight.device, torch.ones(3).device

# %% [markdown]
# In this way a large network is built where it is needed, without a copy on
# the CPU.
#
# > **Pitfall.** The default is for what is created. Below, each tensor is made
# > from something that is there already. Which of the five are on `meta`?

# %%
array = np.ones(3, dtype=np.float32)
with torch.device("meta"):
    for code in (
        "torch.tensor(array)",
        "torch.from_numpy(array)",
        "torch.zeros_like(X)",
        "X + 1",
        "X + torch.ones(3)",
    ):
        try:
            print(f"{code:24}", eval(code).device)
        except RuntimeError:
            print(f"{code:24} error: two places")

# %% [markdown]
# Only the first: `torch.tensor` copies. `from_numpy` shares the array's
# memory, and the next two stay beside `X`. The last line works until somebody
# sets a default. So a library does better to take the place from its inputs.

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
# is left with parameters that no network uses. What an optimizer remembers
# doesn't follow either
# ([chapter 04](04_file_io.ipynb#cell-id=load-on-another-device)). The safe
# order is the same for each device: move, then create the optimizer.

# %% [markdown]
# ## Get the same numbers
#
# Each device has its own source of random numbers, and `manual_seed` seeds
# them all. Numbers drawn on the CPU and then moved are the same on each
# device; from the same seed, a GPU draws others.

# %%
torch.manual_seed(0)
drawn = torch.rand(3).to(device)
torch.manual_seed(0)
drawn_there = torch.rand(3, device=device)
assert torch.equal(drawn_there, drawn) == (device.type == "cpu")
[round(number, 3) for number in drawn.tolist()]

# %% [markdown]
# A GPU, or another CPU, may add in another order, and so round differently.
# Each element of `A @ B` is a sum of 1,000 products. As a sum of 300 and
# one of 700, it isn't equal, but close.

# %%
torch.manual_seed(0)
A, B = torch.rand(100, 1000), torch.rand(1000, 100)
in_parts = A[:, :300] @ B[:300] + A[:, 300:] @ B[300:]
assert not torch.equal(in_parts, A @ B)
assert_close(in_parts, A @ B, rtol=1e-5, atol=0)

# %% [markdown]
# `rtol` is the relative difference that you allow; for these positive numbers
# in float32, $10^{-5}$ is enough. Compare devices so, and not with `==`.

# %%
assert_close((A.to(device) @ B.to(device)).cpu(), A @ B, rtol=1e-5, atol=0)

# %% [markdown]
# ## Time it right
#
# Most calls that use a GPU are *asynchronous*: they put work into a queue of
# the GPU, a *stream*, and return before it is done.
#
# > **Pitfall.** A clock that is read when the call returns measures how long
# > it takes to ask. `d2l.Timer` doesn't wait for CUDA.
#
# On `meta` there is nothing to compute, so a call is only the asking. From
# here on the CPU uses one thread: on a busy machine, several wait for each
# other. By what factor do the two times differ?

# %% tags=["nbval-ignore-output"]
torch.set_num_threads(1)
durations = {}
for place in ("meta", "cpu"):
    S = torch.ones(1024, 1024, device=place)
    timer = d2l.Timer()
    S @ S
    durations[place] = timer.stop()
assert durations["meta"] < durations["cpu"]
{place: f"{t:.0e} s" for place, t in durations.items()}

# %% [markdown]
# What a clock shows on a GPU is like the first time, if nobody waits. So:
# wait, start the clock, call, wait, stop the clock. `synchronize` waits until
# a GPU's queues are empty. Warm up first, since first calls load code and
# reserve memory. Repeat, and take the median, which one disturbed run hardly
# moves.


# %%
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

# %% tags=["predict"] mystnb={"image": {"alt": "The time of one product against n, from 16 to 1,024, on logarithmic axes, with a curve for each device. A dashed straight line for time proportional to n cubed meets the CPU's curve at 1,024. In the stored picture, the CPU takes one to two microseconds for n = 16, several times as much as the dashed line says, and the curve rises slowly up to 32. From 64 on it is near the line."}}
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
# Python. On `meta` there is no number, so that a line which needs one fails.
# Which of these do?

# %%
x = torch.tensor(0.5, device="meta")
for code in (
    "x.item()",
    "float(x)",
    "f'{x:.2f}'",
    "1 if x > 0 else 2",
    "x > 0",
    "x + 1",
    "x.detach()",
    "x.tolist()",
    "x.cpu()",
    "torch.equal(x, x)",
):
    try:
        eval(code)
        print(f"{code:18} no number needed")
    except (RuntimeError, TypeError):
        print(f"{code:18} reads")

# %% [markdown]
# The `if` reads; the comparison alone doesn't. `print(x)` waits for a GPU as
# well. On `meta` it prints a shape, so `meta` doesn't find this one. With a
# GPU, `torch.cuda.set_sync_debug_mode("warn")` warns of many calls that wait.
#
# In training, the usual reader is the log of the loss. With `Tensor.item` for
# `log`, this loop reads a number at each step; with `Tensor.detach`, a tensor
# without its graph stays on the device.


# %%
def train(log, place=device):
    torch.manual_seed(0)
    X, y = torch.rand(64, 20).to(place), torch.rand(64, 1).to(place)
    net = MLP(20, 32, 1).to(place)
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
# Can it train on `meta`, a hundred steps without a number? The second log
# can't.

# %% tags=["raises-exception"]
assert len(train(torch.Tensor.detach, place="meta")) == 100
train(torch.Tensor.item, place="meta")

# %% [markdown]
# On the device, the log that was kept is copied at the end, in one piece. Are
# the losses the same?

# %%
losses_read = train(torch.Tensor.item)
losses_kept = torch.stack(train(torch.Tensor.detach)).tolist()
assert_close(losses_read, losses_kept, rtol=1e-5, atol=0)

# %% [markdown]
# They are. On a CPU no read waits. On a GPU, compare the two times.

# %% tags=["nbval-ignore-output"]
time_read = seconds(train, torch.Tensor.item)
time_kept = seconds(train, torch.Tensor.detach)
assert time_read > 0 and time_kept > 0
print(f"read at each step: {1e3 * time_read:.0f} ms")
print(f"kept till the end: {1e3 * time_kept:.0f} ms")

# %% [markdown]
# ## Copy while the device computes
#
# A GPU can't copy from ordinary memory by itself, since the system may move
# that memory; Python waits for the copy. *Pinned* memory stays where it is.
# From there, `non_blocking=True` puts the copy into the queue and returns. A
# `DataLoader` pins its batches with `pin_memory=True`. It needs a GPU for
# that, so the line sets `True` only where there is one.

# %%
data = TensorDataset(torch.arange(8.0), torch.arange(8))
loader = DataLoader(data, batch_size=4, pin_memory=device.type == "cuda")
for batch, _ in loader:
    assert batch.is_pinned() == (device.type == "cuda")
    there = batch.to(device, non_blocking=True)
    print(there.sum().item())

# %% [markdown]
# The loop is the same on a CPU, where both words change nothing. What they
# save shows on a GPU, where the second call should take a small part of the
# first.

# %% tags=["nbval-ignore-output"]
if not gpus:
    print("This cell needs a GPU, and goes on without one.")
else:
    ordinary = torch.ones(64, 1024, 1024)  # 256 MiB
    pinned = ordinary.pin_memory()
    for memory in (ordinary, pinned):
        wait(gpus)
        timer = d2l.Timer()
        memory.to(device, non_blocking=True)
        print(f"pinned {memory.is_pinned()}: {timer.stop():.1e} s")

# %% [markdown]
# > **Pitfall.** On the way back to the CPU, `non_blocking=True` returns a
# > tensor whose numbers may not be there yet, and Python doesn't wait before
# > it reads them.
#
# The GPU does: its queue runs in order. So use it towards the GPU, and leave
# the pinned memory as it is until the copy is done; or wait before you read.

# %%
result = (there + 1).to("cpu", non_blocking=True)
wait(gpus)
result.tolist()

# %% [markdown]
# Without `wait`, a GPU may leave other numbers here, and no error tells.

# %% [markdown]
# ## Save here, load there
#
# A file of tensors ([chapter 04](04_file_io.ipynb#cell-id=save-tensors))
# records where each was, and `torch.load` puts it back there. `map_location`
# names another place. `BytesIO` is a file in memory.
#
# > **Pitfall.** A file saved on a GPU doesn't load where this GPU is missing.
#
# GPU number 99 is missing here. The rest of the message recommends what
# repairs it.

# %%
torch.manual_seed(0)
trained = MLP().to(device)
file = io.BytesIO()
torch.save(trained.state_dict(), file)
file.seek(0)
try:
    torch.load(file, map_location="cuda:99")
except RuntimeError as missing:
    assert "map_location" in str(missing)
    print(str(missing)[:35], "...")

# %% [markdown]
# With `map_location="cpu"` it loads on every machine. `load_state_dict` then
# copies the values to where the parameters are.

# %%
file.seek(0)
state = torch.load(file, map_location="cpu")
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
#   or `set_default_device` names another place. What is made from another
#   tensor stays beside it.
# - A module moves in place, with parameters and buffers. Plain attributes, and
#   tensors created in `forward` without `device=`, don't follow. A call on
#   `meta` finds some of them.
# - Move the network, then create the optimizer.
# - Draw on the CPU, then move. Compare with a tolerance.
# - Calls to a GPU return early. Warm up, wait, repeat, take the median.
# - `item`, `float`, `print`, `tolist`, `cpu` and `if` wait for the queue. On
#   `meta` most of them fail. Keep logs on the device.
# - From pinned memory, `non_blocking=True` copies while Python goes on. On the
#   way back, wait before you read.
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
# the two records are equal, and with `meta` which of the two reads; time both.


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
# Let `v` of shape `(5,)`, and `x` and `total` without dimensions, be on a GPU.
# Predict which lines need a number from there, and so wait; `max(v)` is the
# function of Python. Then try them on `meta`. Two lines keep the numbers of
# `v` that are above 0. Why does only one of them wait?

# %%
reads = {  # True or False
    "max(v)": ...,
    "v.max()": ...,
    "v[int(x)]": ...,
    "v[v.argmax()]": ...,
    "total += x": ...,
    "total += x.item()": ...,
    "v[v > 0]": ...,
    "torch.where(v > 0, v, 0)": ...,
}

# %%
check.readers_in_disguise(reads)

# %% [markdown]
# ### 6.7 A batch of anything
#
# *Code, 15 minutes.*
# [Solution](solutions/06_devices.ipynb#cell-id=exercise-6-7)
#
# A batch may be a dictionary, with lists and tuples in it, and text beside the
# tensors. Write `to_device(batch, place)`, which returns the same structure
# with each tensor moved, at any depth. Dictionaries stay dictionaries, lists
# stay lists, tuples stay tuples, and what is none of these and no tensor is
# passed on. A tensor that is there already isn't copied. The batch that was
# given stays as it is.


# %%
def to_device(batch, place):
    """The batch, with each tensor moved, at any depth."""
    # dicts, lists, tuples, tensors and others -> the same structure
    ...


# %%
check.batch_of_anything(to_device)

# %% [markdown]
# ### 6.8 What the default reaches
#
# *Think, 10 minutes.*
# [Solution](solutions/06_devices.ipynb#cell-id=exercise-6-8)
#
# `X` is `torch.ones(3)`, `array` an array of NumPy and `net` an
# `nn.Linear(3, 2)`; all were made on the CPU. Then, inside
# `with torch.device("meta")`, each line makes a tensor. Predict its place. Why
# does the last one raise no error?

# %%
where = {  # "cpu" or "meta"
    "torch.arange(3)": ...,
    "torch.tensor([1.0, 2.0])": ...,
    "torch.zeros(3, device='cpu')": ...,
    "torch.from_numpy(array)": ...,
    "torch.stack([X, X])": ...,
    "X.new_zeros(3)": ...,
    "net(X)": ...,
    "nn.Linear(3, 2).weight": ...,
    "X + torch.tensor(1.0, device='cpu')": ...,
    "torch.ones(3) + torch.tensor(1.0, device='cpu')": ...,
}

# %%
check.what_the_default_reaches(where)

# %% [markdown]
# ### 6.9 One batch ahead
#
# *Code, 25 minutes.*
# [Solution](solutions/06_devices.ipynb#cell-id=exercise-6-9)
#
# While the device computes with one batch, the next can be on its way. Write a
# generator `ahead(batches, move)`, which gives each batch, moved, in order.
# When it gives one, `move` has been called for the next one too, and for none
# after that: each batch in waiting takes memory. `batches` can be gone through
# once, and may be empty. For tensors, `move` would be
# `lambda batch: batch.to(device, non_blocking=True)`.


# %%
def ahead(batches, move):
    """Give move(batch) for each batch, and begin the next one before."""
    # an iterable and a function -> a generator
    ...


# %%
check.one_batch_ahead(ahead)

# %% [markdown]
# ## Where to go next
#
# [Train anywhere, stop and resume](07_training.ipynb) trains a real model on
# whatever device there is, and resumes it after an interruption.
