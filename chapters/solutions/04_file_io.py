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
# # Solutions to chapter 04
#
# To the exercises of [Save and load tensors and models](../04_file_io.ipynb).
# Each begins with its statement. Try it there first, and come here when you
# are stuck.

# %%
import copy
import hashlib
import io
import json
import math
import os
import pickle
import shutil
import tempfile
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, MySequential, check

# %% [markdown]
# All files go into a temporary directory.

# %%
scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)

# %% [markdown]
# ## 4.1 Reuse two layers
#
# *Code, 15 minutes.*
# [Exercise](../04_file_io.ipynb#cell-id=exercise-4-1)
#
# Save the state dict of `MySequential(nn.Linear(20, 64), nn.ReLU(),
# nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))`. Write `reuse(path)`, which
# loads its first two linear layers from the file into a net that continues,
# after the second ReLU, with two linear layers of your own, (64, 16) and
# (16, 3), with a ReLU between them. It returns the net and the list of the
# missing keys: the names of the parameters that the file doesn't fill. Show
# that the outputs after the second ReLU are exactly equal.

# %% [markdown]
# **Idea.** A chain names its blocks by their place, ReLUs included: the two
# linear layers are `0` and `2`, in the file and in the new net. The file's `4`
# must stay out: the net has a `4` of another shape, which `strict=False`
# doesn't forgive. Missing are the keys of the new layers, `4` and `6`.


# %%
def reuse(path):
    net = MySequential(
        nn.Linear(20, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 16),
        nn.ReLU(),
        nn.Linear(16, 3),
    )
    state = torch.load(path)
    first_two = {k: v for k, v in state.items() if k[:2] in ("0.", "2.")}
    result = net.load_state_dict(first_two, strict=False)
    return net, result.missing_keys


# %%
check.reuse_two_layers(reuse)

# %% [markdown]
# This is the chain of the exercise, saved.

# %%
torch.manual_seed(0)
layers = [nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
chain = MySequential(*layers, nn.Linear(64, 10))
torch.save(chain.state_dict(), folder / "chain.pt")

# %% [markdown]
# Slices of both nets end after the second ReLU. Their outputs are equal to the
# last bit.

# %%
net, missing_keys = reuse(folder / "chain.pt")
X = torch.rand(5, 20)
assert_close(net[:4](X), chain[:4](X), rtol=0, atol=0)
missing_keys

# %% [markdown]
# **Another way.** Load the whole file, strictly, into the net that it belongs
# to, and build on a slice of it, which carries its values along. No key can be
# missed unseen.

# %%
chain.load_state_dict(torch.load(folder / "chain.pt"))
end = MySequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 3))
longer = MySequential(chain[:4], end)
assert longer[0][2] is chain[2]
longer(X).shape

# %% [markdown]
# **Pitfall.** The two nets share these layers: training one changes the other.
# Where both are needed, take a deep copy.

# %% [markdown]
# ## 4.2 Save the architecture too
#
# *Code, 40 minutes.*
# [Exercise](../04_file_io.ipynb#cell-id=exercise-4-2)
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

# %% [markdown]
# **Idea.** Describe each layer by what its class is called with: three values
# for a linear layer, an empty list for a ReLU. An `MLP` has two linear layers
# under other names, so that one dictionary, from names to sizes, serves both
# kinds. `load_net` starts with any net of the kind and sets its layers. It
# calls only what its own code names, whatever the file says.


# %%
def save_net(net, path):
    layers = {name: [] for name in net._modules}
    for name, f in net._modules.items():
        if type(f) is nn.Linear:
            layers[name] = [f.in_features, f.out_features, f.bias is not None]
        elif type(f) is not nn.ReLU:
            raise ValueError(f"{f} is neither a Linear nor a ReLU")
    file = {"kind": type(net).__name__, "layers": layers}
    torch.save({**file, "state": net.state_dict()}, path)


def load_net(path):
    file = torch.load(path, weights_only=True)
    if file["kind"] not in ("MLP", "MySequential"):
        raise ValueError(f"{file['kind']} isn't an MLP or a MySequential")
    net = MLP() if file["kind"] == "MLP" else MySequential()
    for name, sizes in file["layers"].items():
        net.add_module(name, nn.Linear(*sizes) if sizes else nn.ReLU())
    net.load_state_dict(file["state"])
    return net


# %%
check.save_the_architecture_too(save_net, load_net)

# %% [markdown]
# A description can be read, and compared between files.

# %%
save_net(longer[1], folder / "end.pt")
torch.load(folder / "end.pt")["layers"]

# %% [markdown]
# A kind from a later version of the program is refused, by a message that
# helps.

# %% tags=["raises-exception"]
torch.save({"kind": "Transformer"}, folder / "later.pt")
load_net(folder / "later.pt")

# %% [markdown]
# Why `type` and not `isinstance`? An object of a subclass of `nn.Linear` may
# compute something else, which the file doesn't describe. Why `_modules`? A
# layer may have two places in a chain, and `named_children` gives each object
# only once.

# %%
relu = nn.ReLU()
twice = MySequential(nn.Linear(20, 20), relu, nn.Linear(20, 20), relu)
[name for name, _ in twice.named_children()], list(twice._modules)

# %% [markdown]
# **At the edges.** A linear layer with two places in the chain comes back as
# two layers with the same values. The answers are the same, but what was
# trained as one layer would now be trained as two.

# %%
f = nn.Linear(20, 20)
save_net(MySequential(f, relu, f), folder / "tied.pt")
back = load_net(folder / "tied.pt")
assert_close(back(X), f(relu(f(X))), rtol=0, atol=0)
one_layer = back[0] is back[2]
one_layer

# %% [markdown]
# **Pitfall.** `getattr(nn, name)(*sizes)` would build any layer, without a
# list of those that are known, and `eval` of a description any object. Then
# the file chooses what is called: what `weights_only=True` is to prevent.

# %% [markdown]
# ## 4.3 Resume with more state
#
# *Explore, 25 minutes.*
# [Exercise](../04_file_io.ipynb#cell-id=exercise-4-3)
#
# Put `nn.Dropout(0.2)` behind the ReLU of the model, and draw the order of the
# samples from a `torch.Generator` of its own, `order`: `torch.randperm(n,
# generator=order)`. Stop after epoch 4 of 10. Which parts must the checkpoint
# have, so that the end is equal with `rtol=0, atol=0`? Predict it, with True
# or False for each. Then write `checkpoint_of`, which returns the dictionary
# that is saved, and `restore`, which brings what was loaded into objects built
# anew, and returns the epoch. Show for each part that the end differs without
# it.

# %% [markdown]
# **Idea.** Go through what a step reads: the parameters, the averages of Adam,
# the order of the samples, the zeros of the dropout. The order comes from
# `order`, the zeros from PyTorch's global generator: two states. The epoch
# tells how many steps are left. The gradients are dropped by `zero_grad`
# before anything reads them.


# %%
def checkpoint_of(net, optimizer, epoch, order):
    return {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": epoch,
        "order": order.get_state(),
        "global": torch.get_rng_state(),
    }


def restore(state, net, optimizer, order):
    net.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    order.set_state(state["order"])
    torch.set_rng_state(state["global"])
    return state["epoch"]


needed = dict.fromkeys(["parameters", "optimizer", "epoch"], True)
needed |= {"own generator": True, "global generator": True, "gradients": False}

# %%
check.resume_with_more_state(checkpoint_of, restore, needed)

# %% [markdown]
# To see it for each part, here is a run. `start` builds all of its objects.


# %%
def start(seed):
    torch.manual_seed(seed)
    layers = nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1)
    net = MySequential(*layers)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.005)
    return net, optimizer, torch.Generator().manual_seed(seed)


# %% [markdown]
# `train` goes on with them, on samples without noise.

# %%
torch.manual_seed(0)
inputs = torch.rand(256, 20)
targets = inputs.square().sum(dim=1, keepdim=True)  # (256, 1)


def train(net, optimizer, order, num_epochs):
    for _ in range(num_epochs):
        for rows in torch.randperm(256, generator=order).split(64):
            loss = F.mse_loss(net(inputs[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


# %% [markdown]
# One run trains for 10 epochs.

# %%
net, optimizer, order = start(seed=0)
train(net, optimizer, order, 10)

# %% [markdown]
# Another stops after 4 and is saved.

# %%
stopped, its_optimizer, its_order = start(seed=0)
train(stopped, its_optimizer, its_order, 4)
state = checkpoint_of(stopped, its_optimizer, 4, its_order)
torch.save(state, folder / "epoch4.pt")

# %% [markdown]
# A part that is left out stays what the new run has by itself. So put that
# part of the new run's checkpoint in the place of the saved one.


# %%
def end_without(part=None):
    run = start(seed=1)
    state = torch.load(folder / "epoch4.pt")
    if part:
        state[part] = checkpoint_of(*run[:2], 0, run[2])[part]
    train(*run, 10 - restore(state, *run))
    return run[0].state_dict()


assert_close(end_without(), net.state_dict(), rtol=0, atol=0)

# %% [markdown]
# With all five parts, the end is equal to the last bit, though no gradient was
# saved. Without any one of them it isn't.

# %%
for part in state:
    end = end_without(part)["0.weight"]
    same = torch.equal(end, net.state_dict()["0.weight"])
    print(f"without {part}: {'the same' if same else 'another'} end")

# %% [markdown]
# **Pitfall.** The seed isn't the state. It tells where a generator began, and
# stays the same whatever is drawn.

# %%
order = torch.Generator().manual_seed(5)
before = order.get_state()
torch.randperm(256, generator=order)
order.initial_seed(), torch.equal(order.get_state(), before)

# %% [markdown]
# **Pitfall.** The generator itself doesn't belong into the file: it is an
# object, and `weights_only=True` refuses it.

# %%
torch.save({"order": order}, folder / "object.pt")
try:
    torch.load(folder / "object.pt")
except pickle.UnpicklingError as error:
    print(type(error).__name__)

# %% [markdown]
# ## 4.4 Find the corrupt file
#
# *Code, 25 minutes.*
# [Exercise](../04_file_io.ipynb#cell-id=exercise-4-4)
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

# %% [markdown]
# **Idea.** A file that is cut lacks the list at the end of a zip archive, so
# `torch.load` and `ZipFile` both raise. A flipped bit is another number and
# nothing more; `torch.load` doesn't compute the checksum again. `testzip`
# does, and returns the name of the first bad entry.


# %%
noticed = {"cut": True, "flipped": False}


def is_corrupt(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is not None
    except Exception:  # damage to the archive's own notes raises many kinds
        return True


def corrupt(paths):
    return [path.name for path in paths if is_corrupt(path)]


def changed(paths, digests):
    now = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
    return [name for name, digest in now.items() if digest != digests[name]]


# %%
check.find_the_corrupt_file(noticed, corrupt, changed)

# %% [markdown]
# Here are five copies, with their digests. Any large file of `torch.save` will
# do.

# %%
torch.save(MLP(20, 1024, 1).state_dict(), folder / "model.pt")
paths = [folder / f"copy{i}.pt" for i in range(1, 6)]
digests = {}
for path in paths:
    shutil.copy(folder / "model.pt", path)
    digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
corrupt(paths), changed(paths, digests)

# %% [markdown]
# Cut one of them in half, and flip a bit of another.

# %%
data = bytearray((folder / "model.pt").read_bytes())
half = data[: len(data) // 2]
data[len(half)] ^= 1
for path, content in ((paths[1], half), (paths[3], data)):
    path.write_bytes(content)

# %% [markdown]
# `torch.load` reads the one with the flipped bit and raises no error.

# %%
torch.load(paths[3])
corrupt(paths)

# %% [markdown]
# **On purpose.** Anyone can compute a checksum. Someone who writes other
# weights with `torch.save` gets a good archive, and `corrupt` finds nothing in
# it. The digest tells. Keep it in another place than the file, where the same
# person can't change it, or sign it.

# %%
other = torch.load(folder / "model.pt")
other["out.bias"] += 1
torch.save(other, paths[2])
corrupt([paths[2]]), changed([paths[2]], digests)

# %% [markdown]
# **At the edges.** In front of each tensor, `torch.save` fills up with the
# letter Z. No checksum covers that: a flip there changes nothing that is read,
# and only the digest tells.

# %%
data = bytearray((folder / "model.pt").read_bytes())
data[data.index(b"ZZZZ")] ^= 1
paths[4].write_bytes(data)
corrupt([paths[4]]), changed([paths[4]], digests)

# %% [markdown]
# **Pitfall.** To catch `BadZipFile` alone isn't enough. Flip a bit of each
# byte of the last entry in the archive's list, and errors of other kinds come
# up.

# %%
kinds, data = set(), (folder / "model.pt").read_bytes()
last = data.rindex(b"PK\x01\x02")  # so each entry begins
for i in range(last, last + 46):
    flipped = data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]
    try:
        zipfile.ZipFile(io.BytesIO(flipped)).testzip()
    except Exception as error:
        kinds.add(type(error))
assert kinds > {zipfile.BadZipFile, NotImplementedError}

# %% [markdown]
# ## 4.5 After a failed load
#
# *Think, 15 minutes.*
# [Exercise](../04_file_io.ipynb#cell-id=exercise-4-5)
#
# Build `three` anew, load `mlp.pt` into it and catch the size mismatch. Which
# of its parameters have the file's values now? Predict it, with True or False,
# then compare. What follows for a program that catches this error and goes on?
# Write `load_or_leave(net, state)` for it: it loads a state dict strictly and
# returns True, or, where that fails, returns False and leaves each parameter
# and buffer of the net as it was. In both cases the net keeps its own
# `nn.Parameter` objects, since an optimizer may hold them: only their values
# change.

# %% [markdown]
# **Idea.** `load_state_dict` goes through the names, copies what fits, notes
# what doesn't, and raises at the end. By then the first layer is the file's,
# and the last one is as it was. To leave the net alone, keep a copy of its
# state. It must be a deep one: a state dict changes with the net.

# %%
from_file = {
    "hidden.weight": True,
    "hidden.bias": True,
    "out.weight": False,
    "out.bias": False,
}


def load_or_leave(net, state):
    before = copy.deepcopy(net.state_dict())
    try:
        net.load_state_dict(state)
    except RuntimeError:
        net.load_state_dict(before)
        return False
    return True


# %%
check.after_a_failed_load(from_file, load_or_leave)

# %% [markdown]
# Before the load, the weight of the first layer isn't the file's.

# %%
state, three = MLP().state_dict(), MLP(20, 256, 3)
torch.equal(three.hidden.weight, state["hidden.weight"])

# %% [markdown]
# After it, though it failed, it is.

# %%
try:
    three.load_state_dict(state)
except RuntimeError:
    print(torch.equal(three.hidden.weight, state["hidden.weight"]))

# %% [markdown]
# **What follows.** A program that catches the error and goes on has neither
# the saved net nor the old one, but the first layer of the saved one and the
# last layer of the old one. Nothing in its outputs tells.
#
# **Another way.** Compare names and shapes first, and load only what fits as a
# whole. This needs no second copy of the net in memory.


# %%
def look_and_load(net, state):
    mine = {name: value.shape for name, value in net.state_dict().items()}
    fits = mine == {name: value.shape for name, value in state.items()}
    if fits:
        net.load_state_dict(state)
    return fits


check.after_a_failed_load(from_file, look_and_load)

# %% [markdown]
# ## 4.6 Keep the last three
#
# *Code, 30 minutes.*
# [Exercise](../04_file_io.ipynb#cell-id=exercise-4-6)
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

# %% [markdown]
# **Idea.** Put the epoch into the name, with zeros in front, so that names
# sort like numbers. Write as `save_checkpoint` does, and delete only when the
# new file is complete: the old three are there until then. `load_latest` goes
# through them from the newest on. The suffix `.part` keeps a half-written one
# out of both.


# %%
def save_in_turn(state, folder):
    path = folder / f"{state['epoch']:06}.pt"
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    for old in sorted(folder.glob("*.pt"))[:-3]:
        old.unlink()


def load_latest(folder):
    for path in sorted(folder.glob("*.pt"), reverse=True):
        try:
            return torch.load(path, map_location="cpu")
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError):
            continue
    return None


# %%
check.keep_the_last_three(save_in_turn, load_latest)

# %% [markdown]
# Twelve epochs are saved, three are left.

# %%
run = folder / "run"
run.mkdir(exist_ok=True)
for epoch in range(1, 13):
    save_in_turn({"epoch": epoch, "weight": torch.rand(1000)}, run)
names = sorted(path.name for path in run.iterdir())
names

# %% [markdown]
# Cut the newest. Each time, epoch 11 comes back.

# %%
data = (run / names[-1]).read_bytes()
for share in (0.1, 0.5, 0.9):
    (run / names[-1]).write_bytes(data[: int(share * len(data))])
    print(f"cut after {share:.0%}: epoch {load_latest(run)['epoch']}")

# %% [markdown]
# **Pitfall.** Without the zeros, the names sort as text. Epoch 10 is then
# taken for older than epoch 9, and deleted.

# %%
sorted(["8.pt", "9.pt", "10.pt"])

# %% [markdown]
# **At the edges.** What a cut file raises depends on where it is cut: mostly a
# RuntimeError, at some lengths an OSError. If nothing is left it is an
# EOFError, and an UnpicklingError after 1, 2 or 3 bytes, which are too few to
# tell a zip archive. To catch the first alone would lose the run in the other
# cases.

# %%
for size in (0, 1, 4):
    (run / names[-1]).write_bytes(data[:size])
    try:
        torch.load(run / names[-1])
    except Exception as error:
        print(f"{size} bytes:", type(error).__name__)
    assert load_latest(run)["epoch"] == 11

# %% [markdown]
# ## 4.7 safetensors by hand
#
# *Code, 25 minutes.*
# [Exercise](../04_file_io.ipynb#cell-id=exercise-4-7)
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

# %% [markdown]
# **Idea.** Put the bytes of the tensors one behind the other, and note in the
# header where each begins and ends. The length counts the *bytes* of the
# header, so encode it first. To read rows, go to where the tensor begins, and
# further by `start` rows; a row has as many numbers as the shape says without
# its first entry.


# %%
def write_tensors(tensors, path):
    header, data = {}, b""
    for name, tensor in tensors.items():
        kind = "I64" if tensor.dtype == torch.int64 else "F32"
        entry = {"dtype": kind, "shape": list(tensor.shape)}
        begin, data = len(data), data + tensor.numpy().tobytes()
        header[name] = {**entry, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def read_rows(path, name, start, stop):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
        _, *rest = entry["shape"]
        size = 4 * math.prod(rest)  # of a row
        file.seek(8 + length + entry["data_offsets"][0] + start * size)
        data = bytearray(file.read((stop - start) * size))
    return torch.frombuffer(data, dtype=torch.float32).reshape(-1, *rest)


# %%
check.safetensors_by_hand(write_tensors, read_rows)

# %% [markdown]
# `tobytes` goes row by row, also through the transpose of another tensor. The
# library reads what was written.

# %%
torch.manual_seed(0)
tensors = {"größe": torch.rand(2, 3).T, "count": torch.tensor(7)}
write_tensors(tensors, folder / "hand.safetensors")
assert_close(load_file(folder / "hand.safetensors"), tensors, rtol=0, atol=0)

# %% [markdown]
# **What it can run.** Nothing: the header is JSON, and the rest are numbers.
# But a header is input from others too. It may claim a shape that its bytes
# don't have; `reshape` notices that here.

# %%
data = (folder / "hand.safetensors").read_bytes()
wrong = data.replace(b"[3, 2]", b"[3, 9]")
(folder / "wrong.safetensors").write_bytes(wrong)
try:
    read_rows(folder / "wrong.safetensors", "größe", 0, 3)
except RuntimeError as error:
    print(type(error).__name__)

# %% [markdown]
# **At the edges.** `json.dumps` writes `ö` as six letters, `\u00f6`. Written
# as itself, `ö` is one letter and two bytes: then the number of letters isn't
# the length.

# %%
text = json.dumps({"größe": 1}, ensure_ascii=False)
len(json.dumps({"größe": 1})), len(text), len(text.encode())

# %% [markdown]
# ## 4.8 Average checkpoints
#
# *Code, 20 minutes.*
# [Exercise](../04_file_io.ipynb#cell-id=exercise-4-8)
#
# The mean of the last few checkpoints of a run is often better than the last
# one. Write `average(paths)`, which returns a state dict, from files that each
# hold one. An entry of floating-point numbers is the mean over the files, in
# the type that it has there; add in `float64`. Another entry, such as a count
# of batches, is that of the last file. A file whose names or shapes differ
# from those of the first is refused, by an error that names the file. Is the
# output of the averaged net the mean of the outputs? Predict it for two nets.

# %% [markdown]
# **Idea.** Take the first file as the sum so far, in `float64`, and add the
# others entry by entry. Compare names and shapes before: a sum of the shapes
# $(3,)$ and $(1,)$ is no error, but another bias. A linear layer is linear in
# its parameters too: $x (W_1 + W_2)/2$ is the mean of $x W_1$ and $x W_2$. An
# `MLP` isn't, since its two weights are multiplied, and a ReLU stands between.


# %%
def shapes(state):
    return {name: value.shape for name, value in state.items()}


def average(paths):
    states = [torch.load(path, map_location="cpu") for path in paths]
    for path, state in zip(paths, states, strict=True):
        if shapes(state) != shapes(states[0]):
            raise ValueError(f"{path} has other entries than {paths[0]}")
    mean = {}
    for name, last in states[-1].items():
        mean[name] = last
        if last.is_floating_point():
            total = sum(state[name].double() for state in states)
            mean[name] = (total / len(states)).to(last.dtype)
    return mean


mean_of_outputs = {"nn.Linear(4, 2)": True, "MLP(4, 3, 2)": False}

# %%
check.average_checkpoints(average, mean_of_outputs)

# %% [markdown]
# Why `float64`? The steps between `bfloat16` numbers are 2 at 256. A sum that
# is kept in it stays there.

# %%
values = torch.tensor([256.0, 1, 1, 1]).bfloat16()
total = torch.zeros((), dtype=torch.bfloat16)
for value in values:
    total += value
total.item(), values.double().sum().item()

# %% [markdown]
# **Why it helps.** At a constant learning rate, the steps of a run go on
# around a minimum, each batch in a direction of its own. The mean of such
# places is nearer. Here the minimum is 0, and each step has noise.

# %%
torch.manual_seed(0)
place, track = torch.ones(100), []
for _ in range(300):
    place = place - 0.1 * (place + torch.randn(100))
    track.append(place)
mean = torch.stack(track[-200:]).mean(dim=0)
assert mean.norm() < track[-1].norm() / 2

# %% [markdown]
# **Pitfall.** Of two runs with different seeds, the mean is worth little: a
# hidden unit of one has nothing to do with that in the same place of the
# other. Here a net and the same one with its units in another order give equal
# answers, and their mean another.

# %%
net = MLP(4, 3, 2)
other = copy.deepcopy(net)
order = torch.tensor([1, 2, 0])
with torch.no_grad():
    other.hidden.weight.copy_(net.hidden.weight[order])
    other.hidden.bias.copy_(net.hidden.bias[order])
    other.out.weight.copy_(net.out.weight[:, order])
X = torch.rand(5, 4)
assert_close(other(X), net(X))
for name, each in (("net.pt", net), ("other.pt", other)):
    torch.save(each.state_dict(), folder / name)
mean = MLP(4, 3, 2)
mean.load_state_dict(average([folder / "net.pt", folder / "other.pt"]))
mean(X).allclose(net(X))
