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
# # Save and load tensors and models
#
# A trained model is gone with the process unless it is saved. That takes one
# line. But a file can be cut off, can belong to another model, and can even
# run a stranger's code. Here is each case, and what to do.
#
# **You will learn** to
#
# - save and load tensors, models and whole training runs;
# - know what code a file can run when you load it, and lower that risk;
# - read the errors of a file that doesn't fit, and start from the weights of
#   others;
# - keep files small, do without Python's pickle, and load a large model;
# - stop a training run, even by accident, and resume it.
#
# **In the book:** section 6.6,
# [File I/O](https://d2l.ai/chapter_builders-guide/read-write.html)
# (中文版 5.5,
# [读写文件](https://zh.d2l.ai/chapter_deep-learning-computation/read-write.html)).
#
# **You need** chapter 01, [Build networks from blocks](01_blocks.ipynb). The
# cells take about five seconds on a CPU, and use a GPU where there is one.

# %% [markdown]
# The first cell imports what the chapter uses and chooses the device.

# %%
import copy
import os
import pickle
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, MySequential, changed_by_a_step, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# All files go into a temporary directory, empty at first. It is removed when
# you shut the kernel down.

# %%
scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)
list(folder.iterdir())

# %% [markdown]
# ## Save tensors
#
# `torch.save` writes an object to a file, and `torch.load` reads it back.

# %%
x = torch.arange(4)
torch.save(x, folder / "x.pt")
x_back = torch.load(folder / "x.pt")
assert_close(x_back, x, rtol=0, atol=0)
x_back

# %% [markdown]
# Lists and dictionaries of tensors, numbers and strings are saved in the same
# way.

# %%
things = {"pair": [x, torch.zeros(2, 3)], "name": "first try", "epoch": 3}
torch.save(things, folder / "things.pt")
loaded = torch.load(folder / "things.pt")
assert_close(loaded["pair"], things["pair"], rtol=0, atol=0)
loaded

# %% [markdown]
# ## Save a model
#
# A model is saved as its *state dict*, a dictionary from names to tensors, its
# parameters and buffers. `MLP` is a linear layer, a ReLU and another linear
# layer. Which of the three will the file mention?

# %%
torch.manual_seed(0)
mlp = MLP().to(device)
X = torch.rand(2, 20).to(device)
torch.save(mlp.state_dict(), folder / "mlp.pt")
state = torch.load(folder / "mlp.pt")
{name: tuple(value.shape) for name, value in state.items()}

# %% [markdown]
# It mentions the linear layers. The file holds values, and no code: nothing
# says that there is a ReLU. So build a model, then load the values into it.
# `eval` sets evaluation mode, in which some layers act differently
# ([chapter 03](03_custom_layers.ipynb#cell-id=parameter-buffer-or-attribute)).
# The mode isn't in the file either.

# %%
clone = MLP().to(device)
assert not torch.equal(clone(X), mlp(X))
clone.load_state_dict(torch.load(folder / "mlp.pt"))
clone.eval()
assert_close(clone(X), mlp(X), rtol=0, atol=0)

# %% [markdown]
# ### The state dict follows the model
#
# > **Pitfall.** `state_dict()` looks like a copy, as if it could keep the best
# > weights for later. Its tensors share the memory of the model's.
#
# Below, a bias of 0 is kept in three ways, and then changes to 1.

# %%
moving = nn.Linear(2, 2)
nn.init.zeros_(moving.bias)
kept = moving.state_dict()
copied = copy.deepcopy(moving.state_dict())
torch.save(moving.state_dict(), folder / "moving.pt")
nn.init.ones_(moving.bias)
print("state dict:", kept["bias"].tolist())
print("deep copy: ", copied["bias"].tolist())
print("file:      ", torch.load(folder / "moving.pt")["bias"].tolist())

# %% [markdown]
# The deep copy and the file have the 0. The state dict changed with the model.

# %% [markdown]
# ## Know what loading may run
#
# `torch.save` describes objects with *pickle*, Python's format for storing
# them. A pickle is a list of instructions, and one kind says: call this
# function with these arguments. A class chooses the function in `__reduce__`.
# Here it makes a directory, the *marker*; another could delete your files.

# %%
marker = folder / "was_here"


class Hostile:
    def __reduce__(self):
        return os.mkdir, (str(marker),)


hostile = {"weights": torch.zeros(2), "extra": Hostile()}
torch.save(hostile, folder / "hostile.pt")
marker.exists()

# %% [markdown]
# Saving didn't make it. Now load the file with `weights_only=False`, the
# default before PyTorch 2.6. (The cell removes the marker again.)

# %%
torch.load(folder / "hostile.pt", weights_only=False)
call_ran = marker.exists()
marker.rmdir()
call_ran

# %% [markdown]
# The call was made while the file was read. Now leave the argument out.

# %% tags=["raises-exception"]
torch.load(folder / "hostile.pt")

# %% [markdown]
# The file is refused: since PyTorch 2.6, the default is `weights_only=True`,
# which builds only tensors, numbers, strings, containers of these and little
# else. This file asks for `os.mkdir`, which Python defines in a module `posix`
# (`nt` on Windows). The function wasn't called before the error:

# %%
assert not marker.exists()

# %% [markdown]
# The advice in the message, to set the argument to `False`, is for files that
# you wrote yourself.
#
# The default lowers the risk, and is no sandbox: it doesn't read the file in a
# closed place, where nothing can be harmed. Up to PyTorch 2.9.1, a hostile file
# could damage memory in spite of `weights_only=True`, and so perhaps run code
# ([CVE-2026-24747](https://github.com/pytorch/pytorch/security/advisories/GHSA-63cw-57p8-fm3p));
# 2.10 is repaired. More such ways may be found: never load data from a source
# that you don't trust, says the documentation of `torch.load` too. Has your
# PyTorch the repair?

# %% tags=["look", "nbval-ignore-output"]
f"PyTorch {torch.__version__}, repaired: {torch.__version__ >= (2, 10)}"

# %% [markdown]
# If it says `repaired: False`, update before you load a file of somebody else.
#
# > **Pitfall.** `torch.save(net, path)` is shorter than saving the state dict.
# > It pickles the whole object, with the names of its classes.
#
# PyTorch can list what a file asks for beyond what is allowed, without calling
# any of it.

# %%
torch.save(mlp, folder / "whole.pt")
for name in ("hostile.pt", "whole.pt", "mlp.pt"):
    asks_for = torch.serialization.get_unsafe_globals_in_checkpoint(
        folder / name
    )
    print(name, sorted(asks_for))

# %% [markdown]
# The state dict asks for nothing more. The whole model asks for classes by
# their names and places, and is refused too, though it is harmless.

# %%
try:
    torch.load(folder / "whole.pt")
except pickle.UnpicklingError as error:
    print(type(error).__name__)

# %% [markdown]
# So save the state dict.

# %% [markdown]
# ## When the file doesn't fit
#
# This chain has the layers of `MLP` under other names. What will be missing in
# the file, and what will be left over?

# %% tags=["raises-exception"]
chain = MySequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
chain.load_state_dict(torch.load(folder / "mlp.pt"))

# %% [markdown]
# *Missing* keys are only in the model, *unexpected* keys only in the file.
# There are four of each: perhaps only the names differ. So give the dictionary
# the names that the model expects.

# %%
new_names = {"hidden": "0", "out": "2"}
renamed = {}
for key, value in torch.load(folder / "mlp.pt").items():
    layer, kind = key.split(".")
    renamed[f"{new_names[layer]}.{kind}"] = value
chain.to(device).load_state_dict(renamed)
assert_close(chain(X), mlp(X), rtol=0, atol=0)

# %% [markdown]
# `strict=False` forgives missing and unexpected keys. Does it forgive a wrong
# shape? This model has three outputs, the file ten.

# %% tags=["raises-exception"]
three = MLP(20, 256, 3)
three.load_state_dict(torch.load(folder / "mlp.pt"), strict=False)

# %% [markdown]
# It doesn't. A *size mismatch* names the parameter, its shape in the file
# (called checkpoint here) and in the model. The first layer isn't named: it
# fits. Was it loaded, in spite of the error?

# %%
torch.equal(three.hidden.weight, mlp.hidden.weight.cpu())

# %% [markdown]
# It was. A model after such an error is half new and half old; exercise 4.5
# loads all or nothing.

# %% [markdown]
# ### Start from the weights of others
#
# Layers that others have trained can be the beginning of your network, its
# *backbone*. Behind them you put a last layer of your own, the *head*. Here
# the backbone is `hidden` from `mlp.pt`, and the head has three outputs. What
# fits, and what doesn't? This function loads each tensor whose name and shape
# the net has, too, and reports.


# %%
def load_what_fits(net, state):
    own = net.state_dict()
    fits = [k for k in own if k in state and state[k].shape == own[k].shape]
    net.load_state_dict({k: state[k] for k in fits}, strict=False)
    return {
        "loaded": fits,
        "new": [k for k in own if k not in fits],
        "unused": [k for k in state if k not in fits],
    }


tuned = MLP(20, 256, 3).to(device)
load_what_fits(tuned, state)

# %% [markdown]
# The backbone is loaded; the head is new, and that of the file unused. That
# was meant. Now freeze the backbone and train the head, as in
# [chapter 02](02_parameters.ipynb#cell-id=freeze-a-layer).
# `changed_by_a_step` makes a step, and lists what it has changed.

# %%
tuned.hidden.requires_grad_(False)
optimizer = torch.optim.SGD(tuned.out.parameters(), lr=0.1)
tuned(X).square().sum().backward()
changed = changed_by_a_step(optimizer, tuned)
assert_close(tuned.hidden(X), mlp.hidden(X), rtol=0, atol=0)
changed

# %% [markdown]
# > **Pitfall.** `strict=False` doesn't complain when nothing fits at all. For
# > instance, a model wrapped in `nn.DataParallel` has `module.` in front of
# > all its keys.
#
# Here such a dictionary is loaded. How much of the model will change?

# %%
prefixed = {f"module.{key}": value for key, value in state.items()}
victim = MLP().to(device)
before = victim(X)
report = load_what_fits(victim, prefixed)
assert torch.equal(victim(X), before)
report["loaded"]

# %% [markdown]
# Nothing has changed, and no error was raised. So read the report: what is new
# must be what you meant to train. Here, repair the names and load strictly.

# %%
repaired = {k.removeprefix("module."): v for k, v in prefixed.items()}
victim.load_state_dict(repaired)
assert_close(victim(X), mlp(X), rtol=0, atol=0)

# %% [markdown]
# ## Keep files small
#
# A slice of a tensor is a *view*: it has no numbers of its own and points into
# the *storage* of the whole, the memory where they are. Here are a million
# numbers of four bytes, and a view of ten. How large will the second file be?

# %%
million = torch.zeros(1_000_000)
view = million[:10]
for name, tensor in (("million.pt", million), ("view.pt", view)):
    torch.save(tensor, folder / name)
    size = (folder / name).stat().st_size
    print(f"{name}: {len(tensor)} numbers, {size / 1e6:.1f} MB")

# %% [markdown]
# It is as large as the first: the whole storage is saved. `clone` gives the
# ten numbers a storage of their own.

# %%
torch.save(view.clone(), folder / "ten.pt")
size = (folder / "ten.pt").stat().st_size
kilobytes = size // 1000
f"between {kilobytes} and {kilobytes + 1} kB"

# %% [markdown]
# Forty bytes are numbers; the rest is the format's. Saving whole storages has
# a reason: tensors that share memory share it again after loading.

# %%
torch.save([million, view], folder / "shared.pt")
large, small = torch.load(folder / "shared.pt")
large[0] = 7
size = (folder / "shared.pt").stat().st_size
print(f"small[0] is {small[0].item()}, the file has {size / 1e6:.1f} MB")

# %% [markdown]
# The storage is in the file once. So clone a small piece of something large,
# and save tensors that share memory in one file.

# %% [markdown]
# ## Do without pickle
#
# *safetensors* is a file format for tensors with names, and notes in plain text
# (`metadata=`). It has no place for a function, so prefer it for files that
# come from others.

# %%
save_file(mlp.state_dict(), folder / "mlp.safetensors")
safe_clone = MLP().to(device)
safe_clone.load_state_dict(load_file(folder / "mlp.safetensors"))
assert_close(safe_clone(X), mlp(X), rtol=0, atol=0)

# %% [markdown]
# What isn't a tensor is refused, even an epoch number.

# %% tags=["raises-exception"]
save_file({"weight": torch.zeros(2), "epoch": 3}, folder / "no.safetensors")

# %% [markdown]
# Tensors that share memory are refused too, as in the state dict of a model
# that uses a layer twice. The message is long; this is how it begins.

# %%
torch.manual_seed(0)
used_twice = nn.Linear(20, 20)
tied = MySequential(used_twice, nn.ReLU(), used_twice)
try:
    save_file(tied.state_dict(), folder / "no.safetensors")
except RuntimeError as error:
    print(str(error).split(",")[0].strip())

# %% [markdown]
# `save_model` writes a shared tensor under one of its names, and `load_model`
# fills a model that shares in the same way. Two of the four keys are in the
# file.

# %%
save_model(tied, folder / "tied.safetensors")
fresh = nn.Linear(20, 20)
tied_clone = MySequential(fresh, nn.ReLU(), fresh)
load_model(tied_clone, folder / "tied.safetensors")
assert_close(tied_clone(X.cpu()), tied(X.cpu()), rtol=0, atol=0)
list(load_file(folder / "tied.safetensors"))

# %% [markdown]
# ### Read the format by hand
#
# The first eight bytes are the length of the header, the lowest byte first.
# The header is JSON. For each tensor it has the type, the shape, and where its
# bytes begin and end, counted from the end of the header.

# %%
import json

path = folder / "mlp.safetensors"
with open(path, "rb") as file:
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(length))
header

# %% [markdown]
# `F32` is `float32`, four bytes for each number. So a part can be read alone.
# Counted from 0, how many bytes are rows 2 and 3 of `hidden.weight`?

# %%
begin, _ = header["hidden.weight"]["data_offsets"]
with open(path, "rb") as file:
    file.seek(8 + length + begin + 2 * 20 * 4)
    data = bytearray(file.read(2 * 20 * 4))
rows = torch.frombuffer(data, dtype=torch.float32).reshape(2, 20)
assert_close(rows, mlp.hidden.weight[2:4].cpu(), rtol=0, atol=0)
f"{len(data)} of {path.stat().st_size} bytes"

# %% [markdown]
# `safe_open` does the same.

# %%
from safetensors import safe_open

with safe_open(path, framework="pt") as file:
    same_rows = file.get_slice("hidden.weight")[2:4]
assert_close(same_rows, rows, rtol=0, atol=0)

# %% [markdown]
# ## Load a large model
#
# `MLP()` draws weights that the file then replaces, and `torch.load` makes
# tensors whose values are then copied: twice the memory, for a moment. Every
# machine has the device `meta`, whose tensors have shapes and no data. There a
# model is built without values.
#
# > **Pitfall.** `load_state_dict` copies values into the tensors that are
# > there. Those on `meta` can't take any. The result says that all keys have
# > matched.

# %%
import warnings

with torch.device("meta"):
    shell = MLP()
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    result = shell.load_state_dict(state)
assert len(said) == 4
assert all("no-op" in str(w.message) for w in said)
print(result)
shell.out.weight.device

# %% [markdown]
# Nothing was loaded, and no error was raised. There are warnings, which the
# cell has caught: it was a "no-op", an operation that does nothing. With
# `assign=True`, the loaded tensors take the places of the model's; build its
# optimizer afterwards. What isn't in the state dict, such as a buffer with
# `persistent=False`, stays on `meta`. And with `mmap=True`, the file itself
# serves as memory: the system reads a part of it when it is used.

# %%
mapped = torch.load(folder / "mlp.pt", map_location="cpu", mmap=True)
shell.load_state_dict(mapped, assign=True)
assert shell.out.weight.data_ptr() == mapped["out.weight"].data_ptr()
assert_close(shell(X.cpu()), mlp(X).cpu())

# %% [markdown]
# No value was copied. If the file is the memory, two tensors are as far apart
# there as in the file. And does the file change with the model?

# %%
data = (folder / "mlp.pt").read_bytes()
tensors = mapped["hidden.weight"], mapped["out.weight"]
in_file = [data.index(t.numpy().tobytes()) for t in tensors]
in_memory = [t.data_ptr() for t in tensors]
assert in_memory[1] - in_memory[0] == in_file[1] - in_file[0] != 0
nn.init.zeros_(shell.out.bias)
assert (folder / "mlp.pt").read_bytes() == data

# %% [markdown]
# The distances are equal. The file doesn't change: what is written gets memory
# of its own.

# %% [markdown]
# ## Stop and resume
#
# A *checkpoint* is a file with all that a training run needs to go on. The
# experiment is a regression with 256 samples. It runs on the CPU, in one
# thread: so sums are added in one order, and results can be compared to the
# last bit. `start` begins a run. Its optimizer, Adam, adapts the size of the
# steps to each weight.

# %%
torch.set_num_threads(1)
torch.manual_seed(0)
inputs = torch.rand(256, 20)
noise = torch.randn(256, 1) / 10
targets = inputs.square().sum(dim=1, keepdim=True) + noise  # (256, 1)
targets = targets - targets.mean()


def start(seed):
    torch.manual_seed(seed)
    net = MLP(20, 1024, 1)
    return net, torch.optim.Adam(net.parameters(), lr=0.005)


# %% [markdown]
# Each epoch takes the samples in a new random order. `train` returns the mean
# loss of each epoch.


# %%
def train(net, optimizer, num_epochs):
    means = []
    for _ in range(num_epochs):
        losses = []
        for rows in torch.randperm(len(inputs)).split(32):
            loss = F.mse_loss(net(inputs[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        means.append(sum(losses) / len(losses))
    return means


# %% [markdown]
# The state of a run has four parts: the model; the optimizer, since Adam keeps
# running averages of the gradients and of their squares; the epoch; and the
# state of the random number generator, which decides the orders to come.


# %%
def state_of(net, optimizer, epoch):
    return {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": epoch,
        "random_state": torch.get_rng_state(),
    }


# %% [markdown]
# One run trains for 15 epochs. Another starts the same way, stops after 10 and
# is saved.

# %%
net, optimizer = start(seed=0)
loss_straight = train(net, optimizer, 15)
torch.save(state_of(net, optimizer, 15), folder / "epoch15.pt")

stopped, its_optimizer = start(seed=0)
loss_stopped = train(stopped, its_optimizer, 10)
torch.save(state_of(stopped, its_optimizer, 10), folder / "epoch10.pt")
assert loss_stopped == loss_straight[:10]

# %% [markdown]
# To resume, build everything anew, from another seed so that nothing is right
# by chance, and load each part. The random state comes last, because building
# a model draws numbers. `without` names a part to leave out.


# %%
def resume(path, without=""):
    net, optimizer = start(seed=1)
    state = torch.load(path)
    if without != "model":
        net.load_state_dict(state["model"])
    if without != "optimizer":
        optimizer.load_state_dict(state["optimizer"])
    if without != "random_state":
        torch.set_rng_state(state["random_state"])
    return net, train(net, optimizer, 15 - state["epoch"])


# %% [markdown]
# The run that was stopped ends like the one that wasn't: all parameters and
# losses are equal, without any tolerance.

# %%
resumed, loss_resumed = resume(folder / "epoch10.pt")
assert_close(resumed.state_dict(), net.state_dict(), rtol=0, atol=0)
assert loss_resumed == loss_straight[10:]

# %% [markdown]
# The epoch tells how many are left. Which of the other parts can be left out?

# %%
for part in ("model", "optimizer", "random_state"):
    other, _ = resume(folder / "epoch10.pt", without=part)
    same = torch.equal(other.out.weight, net.out.weight)
    print(f"without {part}: {'the same' if same else 'another'} model")

# %% [markdown]
# None can, if the end is to be the same. Adam makes small steps where the
# gradients have been changing sign; a new Adam doesn't know where, and starts
# with full steps.

# %% mystnb={"image": {"alt": "The mean loss by epoch on a logarithmic axis. The run that never stopped falls from 1.5 in epoch 1 over 0.2 in epoch 10 to 0.1 in epoch 15. The dots of the resumed run, epochs 11 to 15, lie on its line. Without the optimizer, the loss jumps to 1.4 in epoch 11, about where it began, and is back at 0.25 in epoch 15."}}
_, loss_forgot = resume(folder / "epoch10.pt", without="optimizer")
assert loss_forgot[0] > loss_stopped[-1]
loss_forgot = loss_stopped[-1:] + loss_forgot
epochs, after = range(1, 16), range(11, 16)
plt.semilogy(epochs, loss_straight, label="never stopped")
plt.semilogy([10, *after], loss_forgot, "--", label="optimizer forgotten")
plt.semilogy(after, loss_resumed, "oC0", label="resumed")
plt.xticks([5, 10, 15])
plt.xlabel("epoch")
plt.ylabel("mean loss")
plt.legend()
plt.show()

# %% [markdown]
# Without the optimizer, the loss jumps, and some of the work is lost. The dots
# of the resumed run lie on the line.

# %% [markdown]
# ### The other random states
#
# A GPU, NumPy and Python's `random` have generators of their own, and a
# checkpoint needs each one that a run uses. Which of these three states will
# `torch.load` accept?

# %%
states = {
    "random.getstate()": random.getstate(),
    "default_rng().bit_generator.state": (
        np.random.default_rng().bit_generator.state
    ),
    "np.random.get_state()": np.random.get_state(),
}
for name, saved in states.items():
    torch.save(saved, folder / "random.pt")
    try:
        torch.load(folder / "random.pt")
        print(name, "loads")
    except pickle.UnpicklingError:
        print(name, "is refused")

# %% [markdown]
# The last one has a NumPy array, which `weights_only=True` doesn't build. Draw
# from a NumPy generator of your own, or save the array as a list:

# %%
kind, words, *rest = np.random.get_state()  # rest: three numbers
torch.save([kind, words.tolist(), *rest], folder / "random.pt")
expected = np.random.rand()
np.random.set_state(tuple(torch.load(folder / "random.pt")))
assert np.random.rand() == expected

# %% [markdown]
# ## Write it whole or not at all
#
# Many runs stop by accident: the power fails, the job is killed. What if this
# happens during the save? The program below imitates that, in a second Python:
# it copies `source` to `written` in pieces, and `os._exit` ends it half way.
# Otherwise it would rename the copy to `target`. You may skip how it does this.

# %%
import subprocess
import sys

WRITER = """
import os, sys
source, written, target = sys.argv[1:]
data = open(source, "rb").read()
with open(written, "wb", buffering=0) as file:
    for start in range(0, len(data), 1000):
        if start > len(data) / 2:
            os._exit(9)
        file.write(data[start : start + 1000])
os.replace(written, target)
"""


def write_and_die(source, written, target):
    command = [sys.executable, "-c", WRITER, source, written, target]
    return subprocess.run(command, cwd=folder).returncode


# %% [markdown]
# `direct.pt` holds the checkpoint of epoch 10. The program overwrites it with
# that of epoch 15.

# %% tags=["predict"]
shutil.copy(folder / "epoch10.pt", folder / "direct.pt")
status = write_and_die("epoch15.pt", "direct.pt", "direct.pt")
complete = (folder / "epoch15.pt").stat().st_size
share = (folder / "direct.pt").stat().st_size / complete
f"exit status {status}, {share:.0%} of the file written"

# %% [markdown]
# And the checkpoint of epoch 10?

# %%
try:
    torch.load(folder / "direct.pt")
except RuntimeError as error:
    print(str(error).split(". ")[0])  # advice follows

# %% [markdown]
# Both are lost. The file is a zip archive, which ends with a list of
# its contents, the "central directory". The cut file lacks it. Exercise 4.6
# cuts in other places, and keeps the last three checkpoints; 4.4 finds a file
# that is whole and has a wrong bit.
#
# So write under another name first. `os.replace` then gives the file its
# final name in a single step: the name belongs to the old file or to the new
# one, and both are complete. Here is the same accident.

# %%
shutil.copy(folder / "epoch10.pt", folder / "safe.pt")
status = write_and_die("epoch15.pt", "safe.pt.part", "safe.pt")
epoch = torch.load(folder / "safe.pt")["epoch"]
print(f"exit status {status}, the checkpoint is of epoch {epoch}")
sorted(path.name for path in folder.glob("safe.pt*"))

# %% [markdown]
# The old checkpoint is readable. Here is the function for your training runs.
# It writes in the same directory, since a file can be renamed in one step only
# within one file system. `fsync` waits until the bytes are on the disk, in
# case the power fails.


# %%
def save_checkpoint(state, path):
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


save_checkpoint(torch.load(folder / "epoch15.pt"), folder / "safe.pt")
assert torch.load(folder / "safe.pt")["epoch"] == 15
sorted(path.name for path in folder.glob("safe.pt*"))

# %% [markdown]
# ## Load on another device
#
# A file records the device of each tensor, and `torch.load` puts the tensor
# back there. On a machine without that device, this fails, as
# [chapter 06](06_devices.ipynb#cell-id=save-here-load-there) shows.
# `map_location` says where to load instead. Every machine has the device
# `"cpu"`.

# %%
same_place = torch.load(folder / "mlp.pt")
assert all(v.device.type == device.type for v in same_place.values())
on_cpu = torch.load(folder / "mlp.pt", map_location="cpu")
{value.device.type for value in on_cpu.values()}

# %% [markdown]
# > **Pitfall.** `map_location` moves all tensors of a checkpoint, the random
# > state too. But `set_rng_state` takes only a tensor on the CPU.
#
# Below, `meta` stands for a GPU.

# %% tags=["raises-exception"]
elsewhere = torch.load(folder / "epoch15.pt", map_location="meta")
torch.set_rng_state(elsewhere["random_state"])

# %% [markdown]
# RNG is the random number generator; a `torch.ByteTensor` has bytes, as this
# state has, and is on the CPU, where this state isn't. So load checkpoints with
# `map_location="cpu"`. The random state stays there; `load_state_dict`, of the
# model and of the optimizer, brings the values to where the parameters are. One
# number stays on the CPU, where Adam wants it: the count of its steps.

# %%
state_cpu = torch.load(folder / "epoch15.pt", map_location="cpu")
moved = MLP(20, 1024, 1).to(device)
moved_optimizer = torch.optim.Adam(moved.parameters())
moved.load_state_dict(state_cpu["model"])
moved_optimizer.load_state_dict(state_cpu["optimizer"])
torch.set_rng_state(state_cpu["random_state"])
averages = moved_optimizer.state[moved.out.weight]["exp_avg"]
assert averages.device.type == moved.out.weight.device.type == device.type
step = moved_optimizer.state[moved.out.weight]["step"]
assert step.device.type == "cpu" and step == 15 * len(inputs) / 32
assert_close(moved.out.weight.cpu(), net.out.weight, rtol=0, atol=0)

# %% [markdown]
# ## Summary
#
# - `torch.save` and `torch.load` keep tensors, and lists and dictionaries of
#   them. A model is saved as its state dict: values, no code.
# - A state dict changes with the model. A deep copy or a file doesn't.
# - A pickle can call any function. `weights_only=True`, the default since
#   PyTorch 2.6, refuses a file that asks for one. It is no sandbox: up to
#   2.9.1 there was a way around it. Don't load files that you don't trust.
# - `strict=False` forgives missing and unexpected keys, and no wrong shape.
#   With weights of others, read what was loaded, what is new, what is unused.
# - A view is saved with its whole storage; clone it first.
# - safetensors takes tensors and no Python objects: a length, a header in JSON,
#   bytes. `save_model` is for shared tensors.
# - Build a large model on `meta`, load with `mmap=True`, and assign. Without
#   `assign=True`, loading into `meta` does nothing, and raises no error.
# - A run resumes exactly from model, optimizer, epoch and the state of each
#   random generator that it uses.
# - Write to a temporary file, then `os.replace`.
# - Load checkpoints with `map_location="cpu"`.

# %% [markdown]
# ## Exercises
#
# Write your answer in the place of each `...`, run the cell, and run the check
# below it. A check tells what is missing, with a case that fails, and changes
# nothing of yours. A check needs the cells before it: after a break, select it
# and choose *Run*, *Run All Above Selected Cell*. The worked solutions are on
# [a page of their own](solutions/04_file_io.ipynb).

# %%
from d2l_helpers import check

# %% [markdown]
# ### 4.1 Reuse two layers
#
# *Code, 15 minutes.*
# [Solution](solutions/04_file_io.ipynb#cell-id=exercise-4-1)
#
# Save the state dict of `MySequential(nn.Linear(20, 64), nn.ReLU(),
# nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))`. Write `reuse(path)`, which
# loads its first two linear layers from the file into a net that continues,
# after the second ReLU, with two linear layers of your own, (64, 16) and
# (16, 3), with a ReLU between them. It returns the net and the list of the
# missing keys: the names of the parameters that the file doesn't fill. Show
# that the outputs after the second ReLU are exactly equal.


# %%
def reuse(path):
    """A net with the first two layers from the file, and its missing keys."""
    # net: (n, 20) -> (n, 3)
    ...


# %%
check.reuse_two_layers(reuse)

# %% [markdown]
# ### 4.2 Save the architecture too
#
# *Code, 40 minutes.*
# [Solution](solutions/04_file_io.ipynb#cell-id=exercise-4-2)
#
# Save a net whose values are in `float32`, with a description made of numbers,
# strings, lists and dictionaries.
#
# - `save_net(net, path)` writes a dictionary, by `torch.save`. Under the key
#   `"kind"` it has the name of the net's class, `"MLP"` or `"MySequential"`.
#   The other keys are your choice.
# - `load_net(path)` builds the net from such a file, with `weights_only=True`:
#   any `MLP`, and any `MySequential` of `nn.Linear` (with a bias or without)
#   and `nn.ReLU`.
# - The blocks of a chain may have any names, and one of them may stand in
#   several places.
# - The loaded net answers exactly like the saved one.
# - No text in a file is run as code, or chooses what is built: no `eval`, and
#   no `getattr` with a name from the file.
# - For a kind that it doesn't know, `load_net` raises an error whose message
#   names the kinds that it knows.
# - For a chain with another layer, such as `nn.Tanh` or one of a subclass of
#   `nn.Linear`, one of the two functions raises an error that names `Linear`
#   and `ReLU`.


# %%
def save_net(net, path):
    """Write the net's kind, its description and its values."""
    ...


def load_net(path):
    """Build the net that the file describes, and fill it."""
    ...


# %%
check.save_the_architecture_too(save_net, load_net)

# %% [markdown]
# ### 4.3 Resume with more state
#
# *Explore, 25 minutes.*
# [Solution](solutions/04_file_io.ipynb#cell-id=exercise-4-3)
#
# Put `nn.Dropout(0.2)` behind the ReLU of the model, and draw the order of the
# samples from a `torch.Generator` of its own, `order`: `torch.randperm(n,
# generator=order)`. Stop after epoch 4 of 10. Which parts must the checkpoint
# have, so that the end is equal with `rtol=0, atol=0`? Predict it, with True
# or False for each. Then write `checkpoint_of`, which returns the dictionary
# that is saved, and `restore`, which brings what was loaded into objects built
# anew, and returns the epoch. Show for each part that the end differs without
# it.


# %%
def checkpoint_of(net, optimizer, epoch, order):
    """What the run needs to go on, as a dictionary for `torch.save`."""
    ...


def restore(state, net, optimizer, order):
    """Give all of them their state back, and return the epoch."""
    ...


needed = {
    "parameters": ...,
    "gradients": ...,
    "optimizer": ...,
    "epoch": ...,
    "own generator": ...,
    "global generator": ...,
}

# %%
check.resume_with_more_state(checkpoint_of, restore, needed)

# %% [markdown]
# ### 4.4 Find the corrupt file
#
# *Code, 25 minutes.*
# [Solution](solutions/04_file_io.ipynb#cell-id=exercise-4-4)
#
# Make five copies of `epoch15.pt`. Cut one in half, and in another flip one
# bit in the middle. Which of the two does `torch.load` notice? Predict it,
# with True or False. Write `corrupt(paths)` that returns both names, such as
# `"copy2.pt"`: each file is a zip archive with checksums, which
# `zipfile.ZipFile(path).testzip()` compares. Why don't they help against
# someone who changes a file on purpose? Use `hashlib` for that case:
# `changed(paths, digests)` returns the names of the files whose SHA-256 digest
# differs from the one in `digests`, a dictionary from names to digests in
# hexadecimal. Where must `digests` be kept?

# %%
noticed = {"cut": ..., "flipped": ...}


def corrupt(paths):
    """The names of the files that are damaged."""
    ...


def changed(paths, digests):
    """The names of the files whose digest isn't the one in `digests`."""
    ...


# %%
check.find_the_corrupt_file(noticed, corrupt, changed)

# %% [markdown]
# ### 4.5 After a failed load
#
# *Think, 15 minutes.*
# [Solution](solutions/04_file_io.ipynb#cell-id=exercise-4-5)
#
# Build `three` anew, load `mlp.pt` into it and catch the size mismatch. Which
# of its parameters have the file's values now? Predict it, with True or False,
# then compare. What follows for a program that catches this error and goes on?
# Write `load_or_leave(net, state)` for it: it loads a state dict strictly and
# returns True, or, where that fails, returns False and leaves each parameter
# and buffer of the net as it was. In both cases the net keeps its own
# `nn.Parameter` objects, since an optimizer may hold them: only their values
# change.

# %%
from_file = {
    "hidden.weight": ...,
    "hidden.bias": ...,
    "out.weight": ...,
    "out.bias": ...,
}


def load_or_leave(net, state):
    """Load all of the state and return True, or nothing and return False."""
    ...


# %%
check.after_a_failed_load(from_file, load_or_leave)

# %% [markdown]
# ### 4.6 Keep the last three
#
# *Code, 30 minutes.*
# [Solution](solutions/04_file_io.ipynb#cell-id=exercise-4-6)
#
# Write two new functions, after the model of `save_checkpoint`, which keep the
# last three checkpoints. `save_in_turn(state, folder)` writes `state`, a
# dictionary with an `"epoch"`, by `torch.save` to a file of its own in
# `folder`. Of all that are there then, it keeps those of the three highest
# epochs; a run may save at any epochs. If it saves an epoch again, the new
# state takes the place of the old one. Other files in the folder stay. If
# writing fails, the old checkpoints are all still there. `load_latest(folder)`
# returns the readable state of the highest epoch, or None if there is none.
# Cut the newest after 10%, 50% and 90% of its bytes, and after 1 byte: each
# time, the one before it must come back. (When a file was written doesn't
# count: a copy may change it.)


# %%
def save_in_turn(state, folder):
    """Save the state in the folder, where three states are kept."""
    ...


def load_latest(folder):
    """The readable state of the highest epoch, or None."""
    ...


# %%
check.keep_the_last_three(save_in_turn, load_latest)

# %% [markdown]
# ### 4.7 safetensors by hand
#
# *Code, 25 minutes.*
# [Solution](solutions/04_file_io.ipynb#cell-id=exercise-4-7)
#
# Without the library, write `write_tensors(tensors, path)`, which writes a
# dictionary from names to tensors on the CPU in the format of safetensors, so
# that `load_file` reads it. The tensors are of `float32` or of `int64`, which
# the format calls `I64`. A name may have any letters, and a tensor any shape;
# it may be the transpose of another. Then write `read_rows(path, name, start,
# stop)`, which reads the rows from `start` to before `stop`, at least one, of a
# tensor of `float32` that the library has written. It needs no byte behind
# them: the check cuts the file there. What can such a file run when it is
# loaded?


# %%
def write_tensors(tensors, path):
    """Write a dictionary of tensors in the format of safetensors."""
    ...


def read_rows(path, name, start, stop):
    """The rows from start to before stop of a tensor of float32."""
    # of a tensor of shape (n, ...): (stop - start, ...)
    ...


# %%
check.safetensors_by_hand(write_tensors, read_rows)

# %% [markdown]
# ### 4.8 Average checkpoints
#
# *Code, 20 minutes.*
# [Solution](solutions/04_file_io.ipynb#cell-id=exercise-4-8)
#
# The mean of the last few checkpoints of a run is often better than the last
# one. Write `average(paths)`, which returns a state dict, from files that each
# hold one. An entry of floating-point numbers is the mean over the files, in
# the type that it has there; add in `float64`. Another entry, such as a count
# of batches, is that of the last file. A file whose names or shapes differ
# from those of the first is refused, by an error that names the file. Is the
# output of the averaged net the mean of the outputs? Predict it for two nets.


# %%
def average(paths):
    """The mean of the state dicts in the files, entry by entry."""
    ...


# True or False
mean_of_outputs = {"nn.Linear(4, 2)": ..., "MLP(4, 3, 2)": ...}

# %%
check.average_checkpoints(average, mean_of_outputs)

# %% [markdown]
# ## Where to go next
#
# [Train anywhere, stop and resume](07_training.ipynb) uses checkpoints on real
# data. [Follow gradients through the graph](05_autograd.ipynb) explains what
# `backward` does.
