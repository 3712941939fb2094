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
# # Train anywhere, stop and resume
#
# A training run can take days, and a machine can stop at any moment. Here you
# train a small model on real data, on a CPU or a GPU. You stop it halfway and
# resume it, and it ends as if it had never stopped: on a CPU, to the last bit.
#
# **You will learn** to
#
# - split data so that the final number can be believed;
# - write the training loop, with the device chosen in one line;
# - save a run, and resume it as if it had never stopped;
# - keep the best weights, stop early, and load them for use;
# - judge whether a GPU would be faster.
#
# **In the book:** sections 6.7,
# [GPUs](https://d2l.ai/chapter_builders-guide/use-gpu.html), and 4.4,
# [Softmax Regression Implementation from Scratch](https://d2l.ai/chapter_linear-classification/softmax-regression-scratch.html)
# (中文版 5.6,
# [GPU](https://zh.d2l.ai/chapter_deep-learning-computation/use-gpu.html), 和
# 3.6,
# [softmax回归的从零开始实现](https://zh.d2l.ai/chapter_linear-networks/softmax-regression-scratch.html)).
#
# **You need** chapters 01, [Build networks from blocks](01_blocks.ipynb), and
# 04, [Save and load tensors and models](04_file_io.ipynb). The cells take
# about ten seconds on a CPU, and use a GPU where there is one.

# %% [markdown]
# The first cell imports what the chapter uses; `d2l` is the book's own
# package. Its last line chooses the device for the whole chapter.

# %%
import math
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, CenteredLayer, MySequential, d2l, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# For small products one thread of the CPU is enough, and it adds up in the
# same order each time.

# %%
torch.set_num_threads(1)

# %% [markdown]
# ## Look at the data
#
# scikit-learn comes with 1,797 handwritten digits, images of 8 x 8 pixels.
# Look at the range of the pixels.

# %%
digits = load_digits()
print("images:", digits.images.shape, "labels:", digits.target.shape)
print("pixels from", digits.images.min(), "to", digits.images.max())

# %% [markdown]
# How often does each of the ten digits occur?

# %%
counts = torch.from_numpy(digits.target).bincount()
assert counts.max() / counts.sum() < 0.11
counts.tolist()

# %% [markdown]
# They occur about equally often: if you guess the same digit each time, you
# are right one time in ten. The next function shows digits. (You may skip its
# lines.)


# %%
def show_digits(images, titles, rows, columns, height):
    _, axes = plt.subplots(rows, columns, figsize=(7, height))
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        ax.imshow(image, cmap="gray_r")
        ax.set_title(title, fontsize=9)


# %% [markdown]
# Cover the labels: can you read the first twenty?

# %% tags=["look"] mystnb={"image": {"alt": "Two rows of ten handwritten digits in coarse gray pixels, each under its label. The first row shows 0 to 9 in order, and the second 0 to 9 again in other hands. Some need a second look, such as the 5 of the first row, whose upper half is a dark blob."}}
show_digits(digits.images, digits.target, 2, 10, height=2)
plt.show()

# %% [markdown]
# Now the pixels are scaled to lie between 0 and 1. How much memory do all
# images take?

# %%
X = (torch.from_numpy(digits.images).float() / 16).to(device)
y = torch.from_numpy(digits.target).long().to(device)
f"{X.numel() * X.element_size():,} bytes"

# %% [markdown]
# They take half a megabyte: little enough to move all of them to the device,
# once.

# %% [markdown]
# ### Three parts
#
# The *training* digits set the weights. The *validation* digits decide when to
# stop and which weights to keep. Weights tend to look a little too good on the
# digits that chose them, so the final claim needs digits that took part in no
# choice: the *test* digits. A seed makes the split the same each time.

# %%
torch.manual_seed(0)
order = torch.randperm(len(X))
train, valid, test = order.to(device).split([1200, 297, 300])
assert torch.equal(order.sort().values, torch.arange(len(X)))
len(train), len(valid), len(test)

# %% [markdown]
# The parts are tensors of positions, each digit in one of them. They pick
# images and labels.

# %%
X_train, y_train = X[train], y[train]
X_valid, y_valid = X[valid], y[valid]
X_test, y_test = X[test], y[test]

# %% [markdown]
# ## Take a step
#
# The model is a chain of three blocks. `nn.Flatten` turns each image into a
# row of 64 numbers. `nn.Dropout(0.1)`, in training, sets each number to 0 with
# a probability of 0.1 and divides the others by 0.9, so that the model doesn't
# rely on a single pixel. `MLP` turns the row into ten scores, the *logits*. It
# ends without a ReLU, so that a logit can be negative.


# %%
def make_net(num_hiddens=128):
    return MySequential(
        nn.Flatten(),  # (n, 8, 8) -> (n, 64)
        nn.Dropout(0.1),
        MLP(64, num_hiddens, 10),  # (n, 64) -> (n, 10)
    )


torch.manual_seed(0)
net = make_net().to(device)
net

# %% [markdown]
# Dropout by hand is a draw and a product, on the CPU with the same random
# numbers. Exercise 3.6 makes a layer of it.

# %%
torch.manual_seed(1)
by_hand = torch.empty(1000).bernoulli_(0.9) / 0.9
torch.manual_seed(1)
assert_close(nn.Dropout(0.1)(torch.ones(1000)), by_hand)
by_hand.unique()

# %% [markdown]
# Softmax turns the ten logits into ten probabilities
# ([chapter 01](01_blocks.ipynb#cell-id=classify-images)). The *cross-entropy*
# loss is minus the logarithm of the probability of the right class, here its
# mean over all training digits. `F.cross_entropy` takes the logits, and
# applies softmax itself. A model that knows nothing gives each class about
# 1/10. Which loss do you expect before the first step? (`eval` switches
# dropout off.)

# %%
net.eval()
first_loss = F.cross_entropy(net(X_train), y_train).item()
assert abs(first_loss - math.log(10)) < 0.1
f"loss {first_loss:.1f}, log(10) = {math.log(10):.1f}"

# %% [markdown]
# A training step has five lines. *Forward* and *loss* compute; *zero* forgets
# the gradients of the step before; *backward* computes new ones; *step*
# changes the weights. What will the step do to the loss on the same batch?

# %%
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
y_hat = net(X_train[:50])  # (50, 8, 8) -> (50, 10)
loss = F.cross_entropy(y_hat, y_train[:50])
optimizer.zero_grad()
loss.backward()
optimizer.step()
assert F.cross_entropy(net(X_train[:50]), y_train[:50]) < loss

# %% [markdown]
# ## Write the loop
#
# The loss falls. From here on, what belongs to a run is kept together: the
# model, the optimizer, a generator of random numbers that shuffles the digits,
# and the *history*, a list of results. The generator is on the CPU, so that
# the order is the same with any device. `SimpleNamespace` is an object with
# these attributes.


# %%
def new_run(seed, num_hiddens=128):
    torch.manual_seed(seed)  # for the first weights, and for dropout
    net = make_net(num_hiddens).to(device)
    return SimpleNamespace(
        net=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        generator=torch.Generator().manual_seed(seed),
        history=[],
    )


# %% [markdown]
# The step becomes a function. `train` switches dropout on, and returns the
# network. Reading a number from a GPU makes Python wait
# ([chapter 06](06_devices.ipynb#cell-id=avoid-hidden-copies)), so the loss,
# times the number of digits, stays a tensor.


# %%
def step(run, X, y):
    y_hat = run.net.train()(X)  # (n, 8, 8) -> (n, 10)
    loss = F.cross_entropy(y_hat, y)
    run.optimizer.zero_grad()
    loss.backward()
    run.optimizer.step()
    return loss.detach() * len(X)


# %% [markdown]
# In an *epoch*, each training digit is used once, here in 24 batches of 50. The
# losses are added up on the device, and read once.


# %%
def train_epoch(run, X, y, batch_size=50):
    order = torch.randperm(len(X), generator=run.generator)
    batches = order.to(X.device).split(batch_size)
    total = sum(step(run, X[batch], y[batch]) for batch in batches)
    return total.item() / len(X)


# %% [markdown]
# > **Pitfall.** A log may keep graphs. Without `detach`, does the sum still
# > hold the graph of each loss?

# %%
w = torch.ones(1, requires_grad=True)
losses = [(w - 3).square() for _ in range(2)]
total = losses[0] + losses[1]
behind = [node for node, _ in total.grad_fn.next_functions]
behind == [loss.grad_fn for loss in losses]

# %% [markdown]
# It does, and memory grows with each batch. Exercise 5.8 counts.
#
# Evaluation switches dropout off and, in inference mode
# ([chapter 05](05_autograd.ipynb#cell-id=stop-the-recording)), records no
# graph. It returns the loss and the *accuracy*, the share of right answers.


# %%
@torch.inference_mode()
def evaluate(net, X, y):
    net.eval()
    y_hat = net(X)  # (n, 8, 8) -> (n, 10)
    accuracy = (y_hat.argmax(dim=1) == y).float().mean()
    return F.cross_entropy(y_hat, y).item(), accuracy.item()


# %% [markdown]
# The history gets three numbers for each epoch: the training loss, and the
# loss and the accuracy on the validation digits. (`*` puts both results of
# `evaluate` into the tuple.)


# %%
def one_epoch(run):
    train_loss = train_epoch(run, X_train, y_train)
    run.history.append((train_loss, *evaluate(run.net, X_valid, y_valid)))


# %% [markdown]
# Which accuracy do you expect of random weights, and which after one epoch?

# %% tags=["nbval-ignore-output"]
young = new_run(seed=0)
_, before = evaluate(young.net, X_valid, y_valid)
one_epoch(young)
_, _, after = young.history[-1]
assert before < 0.3 < 0.6 < after
f"from {before:.0%} to {after:.0%}"

# %% [markdown]
# > **Pitfall.** A model that is asked without `eval()` still drops numbers.
#
# What happens to the answer for one digit, asked twice?

# %%
torch.manual_seed(1)
young.net.train()
assert not torch.allclose(young.net(X_train[:1]), young.net(X_train[:1]))
young.net.eval()
assert torch.equal(young.net(X_train[:1]), young.net(X_train[:1]))

# %% [markdown]
# In training the two answers differ, in evaluation they are equal.

# %% [markdown]
# ### Watch it learn
#
# In twenty epochs, which will be lower, the training loss or the validation
# loss? (`zip(*...)` turns rows into columns.)

# %%
watched = new_run(seed=0)
for _ in range(20):
    one_epoch(watched)
train_loss, valid_loss, accuracy = zip(*watched.history, strict=True)

# %% [markdown]
# Find the answer in the left picture. In the right one, look at the scale.
# (You may skip the lines.)

# %% tags=["predict"] mystnb={"image": {"alt": "Two line plots over 20 epochs. Left, the loss: the training loss, a solid blue line, falls from 1.75 to about 0.13; the validation loss, a dashed orange line, falls from 0.74 to about 0.08 and is the lower one throughout. Right, the validation accuracy rises from 0.86 to about 0.98, with falls of up to 0.03 on the way."}}
epochs = list(range(1, 21))
losses, legend = [train_loss, valid_loss], ["training", "validation"]
fmts = ["C0-", "C1--"]
_, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
d2l.plot(epochs, losses, "epoch", "loss", legend, fmts=fmts, axes=left)
fmts = ["C1--"]
d2l.plot(epochs, [accuracy], "epoch", "accuracy", fmts=fmts, axes=right)
plt.show()

# %% [markdown]
# The validation loss is lower, though the weights were fitted to the training
# digits. (The accuracy goes up and down by a few of the 297 digits.) But the
# training loss was taken with dropout, while the weights still improved. Which
# is lower with the last weights and without dropout?

# %%
train_end, _ = evaluate(watched.net, X_train, y_train)
valid_end, _ = evaluate(watched.net, X_valid, y_valid)
assert sum(train_loss) > sum(valid_loss) and train_end < valid_end

# %% [markdown]
# Then the training loss is lower.

# %% [markdown]
# ## Save the run
#
# What changes during a run? The weights; the optimizer's *momentum*, a fading
# sum of past gradients for each weight; the generator that shuffles; the
# generator that dropout draws from, PyTorch's own for the device; and the
# history. PyTorch's own generators don't belong to the run, so two functions
# read and set their states.


# %%
def get_random_state():
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state):
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


# %% [markdown]
# A *checkpoint* is a file with all of this. It is written under another name
# and then renamed: if the writing breaks off, the last checkpoint is still
# there. ([Chapter 04](04_file_io.ipynb#cell-id=write-it-whole-or-not-at-all)
# adds `fsync` for a power cut.) `more` takes entries that a run of your own
# has, such as the state of a schedule, below.


# %%
def save(state, path):
    torch.save(state, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def save_run(run, path, **more):
    state = {
        "epoch": len(run.history),
        "net": run.net.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "generator": run.generator.get_state(),
        "random": get_random_state(),
        "history": run.history,
    }
    save(state | more, path)


# %% [markdown]
# Resuming goes the other way, into a new run. `weights_only=True` lowers the
# risk that a file runs code, and doesn't remove it: load no checkpoint of a
# stranger. `map_location="cpu"` loads the tensors to the CPU: generators take
# their state there, and the model and the optimizer copy weights and momentum
# to the device. So a run can continue on another kind of device, but dropout
# then draws other numbers. `skip`, a part to leave out, is for an experiment
# below.


# %%
def resume(run, path, skip=None):
    state = torch.load(path, map_location="cpu", weights_only=True)
    setters = {
        "net": run.net.load_state_dict,
        "optimizer": run.optimizer.load_state_dict,
        "generator": run.generator.set_state,
        "random": set_random_state,
        "history": run.history.extend,
    }
    for name, setter in setters.items():
        if name != skip:
            setter(state[name])


# %% [markdown]
# The files go to a temporary directory. Here is the checkpoint of the run of
# one epoch. `weights_only=True` accepts all its types.

# %%
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
save_run(young, folder / "young.pt")
for name, part in torch.load(folder / "young.pt", weights_only=True).items():
    print(name, type(part).__name__)

# %% [markdown]
# A *schedule* of the learning rate counts epochs, to lower the rate after
# some. Is its count in the optimizer's state?

# %%
optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3)
optimizer.step()
schedule.step()
group = optimizer.state_dict()["param_groups"][0]
schedule.state_dict()["last_epoch"], "last_epoch" in group

# %% [markdown]
# It isn't: the optimizer has the rate alone. Save the schedule's `state_dict`,
# too, as in exercise 7.3, or a resumed run counts from 0 again.

# %% [markdown]
# ## Stop in the middle and resume
#
# First a run of 10 epochs that isn't stopped.

# %%
whole = new_run(seed=0)
while len(whole.history) < 10:
    one_epoch(whole)

# %% [markdown]
# Two runs are compared by every parameter and the whole history. On a CPU
# these must be equal; on a GPU, whose rounding may differ from run to run,
# close.


# %%
def end_of(run):
    history = torch.tensor(run.history, dtype=torch.float64)  # (epochs, 3)
    return [*run.net.parameters(), history]


def assert_same_end(run, other):
    for a, b in zip(end_of(run), end_of(other), strict=True):
        if device.type == "cpu":
            assert torch.equal(a, b)
        else:
            assert_close(a, b, rtol=1e-4, atol=1e-4)


# %% [markdown]
# Is the seed enough for a second run to end the same, when nothing stops it?

# %%
again = new_run(seed=0)
while len(again.history) < 10:
    one_epoch(again)
assert_same_end(whole, again)

# %% [markdown]
# Here the seed is enough. Don't expect this with another version of PyTorch,
# another machine or another number of threads.
#
# A *forward pre-hook* is a function that PyTorch runs before `forward`. This
# one counts the training batches of epoch 8, and raises an error at the 16th.
# (You may skip its lines.)


# %%
def cut_power(run, epoch=8, batch=16):
    seen = 0

    def count(net, args):
        nonlocal seen
        if net.training and len(run.history) == epoch - 1:
            seen += 1
            if seen == batch:
                where = f"epoch {epoch}, batch {batch}"
                raise RuntimeError(f"power cut in {where}")

    run.net.register_forward_pre_hook(count)


# %% [markdown]
# The run writes a checkpoint after each epoch. How many epochs will the file
# hold?

# %% tags=["raises-exception"]
stopped = new_run(seed=0)
cut_power(stopped)
while len(stopped.history) < 10:
    one_epoch(stopped)
    save_run(stopped, folder / "stopped.pt")

# %% [markdown]
# The weights in memory have seen 15 batches more than those in the file. After
# a power cut, only the file is left.

# %%
saved = torch.load(folder / "stopped.pt", weights_only=True)
now = stopped.net.state_dict()
assert not torch.equal(saved["net"]["2.out.bias"], now["2.out.bias"])
saved["epoch"], len(saved["history"])

# %% [markdown]
# The file holds seven epochs; the 15 batches will be computed again. The new
# run begins with another seed, so whatever agrees at the end comes from the
# file.

# %%
resumed = new_run(seed=1)
resume(resumed, folder / "stopped.pt")
while len(resumed.history) < 10:
    one_epoch(resumed)
assert_same_end(whole, resumed)

# %% [markdown]
# The end is the same, though `whole` wrote no checkpoints.

# %% [markdown]
# ### Leave something out
#
# > **Pitfall.** A script that forgets a part of the state resumes without an
# > error, but the run goes on differently.
#
# Three of the runs below lack one part of the checkpoint, the last lacks none.
# Which will end as the whole run did, and which will reach an accuracy of 90%?

# %%
for part in ("optimizer", "generator", "random", "nothing"):
    partial = new_run(seed=1)
    resume(partial, folder / "stopped.pt", skip=part)
    while len(partial.history) < 10:
        one_epoch(partial)
    pairs = zip(end_of(whole), end_of(partial), strict=True)
    same = all(torch.allclose(a, b, atol=1e-4) for a, b in pairs)
    good = partial.history[-1][-1] > 0.9
    print(f"left out: {part}, same end: {same}, over 90%: {good}")

# %% [markdown]
# All four reach 90%, and only the one that lacks nothing ends as `whole` did.
# The accuracy doesn't show that something is missing; the comparison does.

# %% [markdown]
# ## Keep the best and stop early
#
# How many epochs are enough? *Early stopping* ends a run when the validation
# loss has had no new minimum for some epochs, the *patience*. By then the best
# weights are that many epochs old, so keep them in a file: a state dict in
# memory goes on changing with the model
# ([chapter 04](04_file_io.ipynb#cell-id=the-state-dict-follows-the-model)).
#
# The history tells how long ago the loss was lowest, so a checkpoint needs no
# further entry. Of these three epochs, the second was the best. How many
# epochs ago was it?


# %%
def epochs_since_best(history):
    losses = [valid_loss for _, valid_loss, _ in history]
    return len(losses) - 1 - losses.index(min(losses))


epochs_since_best([(0.9, 0.5, 0.8), (0.6, 0.3, 0.9), (0.4, 0.4, 0.9)])

# %% [markdown]
# It was one epoch ago. This is the loop in full: train, evaluate, keep the
# best, save the run, stop. The patience is five epochs. Will it run for 100
# epochs?

# %%
final = new_run(seed=0)
for _ in range(100):
    one_epoch(final)
    waited = epochs_since_best(final.history)
    if waited == 0:
        save(final.net.state_dict(), folder / "best.pt")
    save_run(final, folder / "final.pt")
    if waited == 5:
        break
assert waited == 5 and len(final.history) < 100

# %% [markdown]
# It stopped earlier. `best.pt` holds the weights of five epochs before.

# %% [markdown]
# ## Load the model for use
#
# To use the model, the code that makes it and its weights are enough. Don't
# forget `eval()`.

# %%
path = folder / "best.pt"
weights = torch.load(path, map_location="cpu", weights_only=True)
ready = make_net().to(device)
ready.load_state_dict(weights)
ready.eval().training

# %% [markdown]
# Dropout is off, and the answer for a digit doesn't depend on those beside it.
# With a `CenteredLayer`
# ([chapter 03](03_custom_layers.ipynb#cell-id=whose-mean-is-it)) it would: even
# in evaluation, that layer subtracts the mean of the batch.

# %%
centered = MySequential(nn.Flatten(), CenteredLayer(), MLP(64, 128, 10))
centered.to(device).eval()
assert not torch.allclose(centered(X[:1]), centered(X[:20])[:1], atol=1e-4)
assert_close(ready(X[:1]), ready(X[:20])[:1])

# %% [markdown]
# If these are the best weights, their validation loss is the lowest of the
# history.

# %%
best_loss, _ = evaluate(ready, X_valid, y_valid)
lowest = min(valid_loss for _, valid_loss, _ in final.history)
tolerance = 0 if device.type == "cpu" else 1e-4
assert_close(best_loss, lowest, rtol=tolerance, atol=tolerance)

# %% [markdown]
# It is the lowest. Now, and not before, use the test digits, which took part
# in no choice. The claim is an accuracy of over 94%; yours may differ a
# little.

# %% tags=["nbval-ignore-output"]
_, test_accuracy = evaluate(ready, X_test, y_test)
assert test_accuracy > 0.94
f"{test_accuracy:.1%} of {len(X_test)} test digits are right"

# %% [markdown]
# Here are the first mistakes, seven at most, each under its label and what the
# model read. Would you have read them right?

# %% tags=["look"] mystnb={"image": {"alt": "Seven digits of the test set that the model got wrong, in coarse gray pixels: an 8 read as 5, a 3 read as 2, a 3 read as 7, a 1 read as 8, an 8 read as 3, and two 5s read as 9."}}
with torch.inference_mode():
    answers = ready(X_test).argmax(dim=1)  # (300, 8, 8) -> (300,)
wrong = (answers != y_test).nonzero().flatten().tolist()
titles = [f"{y_test[i]} read as {answers[i]}" for i in wrong]
show_digits(X_test[wrong].cpu(), titles, 1, 7, height=1.4)
plt.show()

# %% [markdown]
# ## Count the time
#
# How long does an epoch take here? The first one warms up, and the median of
# the next five counts. `train_epoch` ends by reading a number, which waits
# for a GPU.


# %%
def milliseconds(num_hiddens, batch_size=50):
    run = new_run(seed=0, num_hiddens=num_hiddens)
    train_epoch(run, X_train, y_train, batch_size)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        train_epoch(run, X_train, y_train, batch_size)
        times.append(time.perf_counter() - start)
    return 1000 * median(times)


# %% [markdown]
# The last model has 16 times as many weights as the first, and each weight is
# multiplied as often as before. Will an epoch take 16 times as long?

# %% tags=["nbval-ignore-output"]
for num_hiddens in (128, 512, 2048):
    weights = sum(p.numel() for p in make_net(num_hiddens).parameters())
    ms = milliseconds(num_hiddens)
    assert ms > 0
    print(f"{num_hiddens:4} hidden, {weights:7,} weights: {ms:.1f} ms")

# %% [markdown]
# On the machine that made this page it took a few times as long, not 16. Look
# at the growth on yours. Where the time grows as fast as the model, the device
# is busy computing, and a faster one helps. Where it hardly grows, most of the
# time goes into calls: Python and PyTorch prepare each operation, however
# small. Larger batches mean the same multiplications in fewer calls. How much
# of the small model's time will be left?

# %% tags=["nbval-ignore-output"]
for batch_size in (50, 200, 1200):
    ms = milliseconds(128, batch_size)
    assert ms > 0
    steps = 1200 // batch_size
    print(f"batch size {batch_size:4}, number of steps {steps:2}: {ms:.1f} ms")

# %% [markdown]
# On that machine much of it was gone: it had gone into calls. A GPU doesn't
# shorten the calls, since the CPU prepares them. It is faster where a call
# holds much work: wide layers, large batches, large images.

# %% [markdown]
# ## Summary
#
# - Training digits set the weights, validation digits make the choices, and
#   test digits are used once, for the claim.
# - A step: forward, loss, zero, backward, step. Evaluation: `eval()`,
#   `inference_mode`.
# - The device is chosen in one line; orders are drawn on the CPU.
# - A checkpoint holds the weights, the optimizer, the state of each generator
#   that the run uses, and the history. Write it under another name, then
#   rename it.
# - Resumed from it, a run on a CPU, with one thread, ends the same to the last
#   bit. Without the optimizer or a generator it ends elsewhere, and no error
#   is raised.
# - Keep the best weights in a file: a state dict changes with the model.
# - A GPU is faster where a call holds much work.

# %% [markdown]
# ## Exercises
#
# Write your answer in the place of each `...`, run the cell, and run the check
# below it. A check tells what is missing, with a case that fails, and changes
# nothing of yours. A check needs the cells before it: after a break, select it
# and choose *Run*, *Run All Above Selected Cell*. The worked solutions are on
# [a page of their own](solutions/07_training.ipynb), which takes this chapter's
# functions from `d2l_helpers.runs`. The checks try yours on small runs of
# their own, whose tensors are on the CPU.

# %%
from d2l_helpers import check

# %% [markdown]
# ### 7.1 Another rule for stopping
#
# *Explore, 30 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-1)
#
# Stop early by the validation accuracy in place of the loss. Some epochs have
# equal accuracies: of these, the one with the lower loss counts as better.
# Write the rule as a function of a history. It returns the epoch whose weights
# are kept, and the epoch after which the run stops. The run stops after the
# first epoch that comes `patience` epochs after the best one so far. If there
# is no such epoch, it stops after the last. Then make a table that shows, for
# seeds 0 to 4 and a patience of 5, at which epoch each rule stops, and the
# validation loss of the weights that it keeps. Why does the loss need no rule
# for equal ones? Why not use the test digits?


# %%
def stop_by_accuracy(history, patience):
    """The epoch that is kept, and the epoch after which the run stops."""
    # [(train_loss, valid_loss, accuracy), ...] -> (kept, stopped), from 1
    ...


# %%
check.another_rule_for_stopping(stop_by_accuracy)

# %% [markdown]
# ### 7.2 Resume from the best
#
# *Explore, 20 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-2)
#
# Write a function that loads a file such as `best.pt` into a new run, and sets
# the learning rate of its optimizer. Train five epochs more from `best.pt`
# with a learning rate of 0.01. Does the validation loss fall below the lowest
# so far? Then suppose that you want to continue the old run from its best
# epoch, at the old learning rate. Which other entries of a checkpoint would
# `best.pt` have to hold, so that five epochs later the weights are exactly
# those of the old run? Predict it for each, with True or False.


# %%
def start_from(run, path, lr):
    """Load weights into a new run, and set its learning rate."""
    # changes run, and returns nothing
    ...


needed = {"optimizer": ..., "generator": ..., "random": ..., "history": ...}

# %%
check.resume_from_the_best(start_from, needed)

# %% [markdown]
# ### 7.3 A schedule
#
# *Code, 20 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-3)
#
# Halve the learning rate every three epochs with
# `torch.optim.lr_scheduler.StepLR`. `add_schedule` gives a run of `new_run` a
# scheduler, `run.scheduler`; each epoch ends with `run.scheduler.step()`. The
# other two functions do for such a run what `save_run` and `resume` do. Stop
# in epoch 8 and resume: done when `assert_same_end` passes against a run with
# the schedule that wasn't stopped, after 10 epochs. Then leave the scheduler
# out of the checkpoint, and nothing else. Which learning rate would the
# resumed run use in each of the epochs 8 to 11, if it went on after 10?


# %%
def add_schedule(run):
    """Give a run `run.scheduler`, which halves its rate every 3 epochs."""
    ...


def save_with_schedule(run, path):
    """Write a checkpoint of a run that has a scheduler."""
    ...


def resume_with_schedule(run, path):
    """Load it into a new run, which has a new scheduler already."""
    ...


rates = {8: ..., 9: ..., 10: ..., 11: ...}  # without the scheduler's state

# %%
check.schedule(add_schedule, save_with_schedule, resume_with_schedule, rates)

# %% [markdown]
# ### 7.4 Lose less
#
# *Code, 35 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-4)
#
# Write a checkpoint after every ten batches of an epoch, so that a stop, at
# whatever moment, loses at most ten. What else must it hold? Give each run an
# entry more, `run.begun`: a dict that is empty between two epochs, and in
# which you keep what a resumed epoch needs. Set `run.begun = {}` where you
# make a run with `new_run`; the check does so for its own runs.
# `train_epoch_inside` finishes the epoch that is in `run.begun`, or begins
# one, as `train_epoch` does, and returns the mean loss of the whole epoch.
# After each epoch, when its results are in the history, `save_inside` is
# called too. Done when a run that was cut at batch 16 of epoch 8 resumes with
# batch 11, and `assert_same_end` passes against `whole`.


# %%
def train_epoch_inside(run, X, y, path, batch_size=50):
    """Train for an epoch, or its rest, and save after every 10 batches."""
    # X: (n, 8, 8), y: (n,), on the device of run.net; returns the mean loss
    ...


def save_inside(run, path):
    """Write a checkpoint, between two epochs or in one."""
    ...


def resume_inside(run, path):
    """Load it into a new run, whose `begun` is empty."""
    ...


# %%
check.lose_less(train_epoch_inside, save_inside, resume_inside)

# %% [markdown]
# ### 7.5 The stop button
#
# *Code, 15 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-5)
#
# Interrupt a long run with the stop button of the notebook, which raises
# `KeyboardInterrupt`. Write the loop so that it then prints the epoch of the
# last checkpoint and ends without a traceback. It returns this epoch, stopped
# or not, and 0 if there is no checkpoint yet. The button can be pressed at any
# moment, also while a checkpoint is written, and the run may be one that was
# resumed from `path`. Any other error is still raised.


# %%
def train_until_stopped(run, path, num_epochs, one_epoch, save_run):
    """Train until the history has num_epochs entries, or the button."""
    # one_epoch(run) and save_run(run, path) are those of the chapter
    ...


# %%
check.stop_button(train_until_stopped)

# %% [markdown]
# ### 7.6 Who confuses whom
#
# *Code, 20 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-6)
#
# Compute the matrix of shape (10, 10) whose entry $(i, j)$ counts the digits
# $i$ that are read as $j$. Which pair is confused most often? `most_confused`
# returns it as `(i, j)` with $i < j$, where $i$ read as $j$ and $j$ read as
# $i$ count together. Try both on the validation digits and `ready`. What must
# all entries sum to, and what does the sum of the diagonal tell? Give both for
# 297 digits, of which 290 are read right.


# %%
def confusion(y, answers):
    """Count, for each pair of digits, how often one was read as the other."""
    # labels (n,) and what was read (n,) -> (10, 10)
    ...


def most_confused(C):
    """The pair of digits that is confused most often."""
    # (10, 10) -> two digits, the smaller one first
    ...


sums = {"all entries": ..., "diagonal": ...}

# %%
check.who_confuses_whom(confusion, most_confused, sums)

# %% [markdown]
# ### 7.7 New hands
#
# *Explore, 25 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-7)
#
# 13 people wrote these digits (`digits.DESCR`), and the permutation mixes
# their hands. Make a split whose test digits are the last 300 of the file, and
# permute only the others, by a seed. Compare the test accuracies of both
# splits for seeds 0 to 4. Which is lower, that of the mixed split or that of
# the new hands? Which of them would you promise to a new writer?


# %%
def split_new_hands(seed):
    """The positions of the training, the validation and the test digits."""
    # three tensors, (1200,), (297,) and (300,)
    ...


lower = ...  # "mixed" or "new hands"

# %%
check.new_hands(split_new_hands, lower)

# %% [markdown]
# ### 7.8 Layers of your own
#
# *Code, 25 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-8)
#
# Replace `MLP` by `MyLinear(64, 128)` of `d2l_helpers`
# ([chapter 03](03_custom_layers.ipynb)) and `nn.Linear(128, 10)`, without
# dropout, and look at the loss before the first step. Why is it so far from
# $\log 10$? Repair it with `apply` ([chapter 02](02_parameters.ipynb)): done
# when the loss is within 0.1 of $\log 10$, for each of the seeds 0 to 4, and
# the model still learns. Then put `MyLinear` last as well. Which logits can
# this model never give? Suppose that one of its outputs is 0 for all digits:
# what gradient do the weights of this output get, and what does that cost?


# %%
def init_small(module):
    """For `net.apply`: parameters from which a MyLinear starts well."""
    ...


mylinear_last = {
    "never": ...,  # "negative", "zero" or "positive"
    "gradient": ...,  # "zero" or "not zero"
}

# %%
check.layers_of_your_own(init_small, mylinear_last)

# %% [markdown]
# ### 7.9 Two runs at once
#
# *Code, 20 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-9)
#
# Make two runs with the same seed, and train them in turns, an epoch each.
# Their ends differ. Which generator do they share? Repair it with
# `get_random_state` and `set_random_state`, in a function that makes a run for
# each seed and trains them in turns, so that each ends as if it were alone:
# done when `assert_same_end` passes for the seeds 0 and 0. The seeds may also
# differ.


# %%
def in_turns(seeds, num_epochs, new_run, one_epoch):
    """Train a run for each seed, in turns, as if each were alone."""
    # new_run(seed) and one_epoch(run) are those of the chapter
    # returns the list of the runs
    ...


shared = ...  # "generator" or "random", as a checkpoint calls it

# %%
check.two_runs_at_once(in_turns, shared)

# %% [markdown]
# ### 7.10 Decay only the weights
#
# *Code, 20 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-10)
#
# Weight decay draws a parameter toward 0 at each step. For the scale of a
# normalization layer, which starts at 1, and for a bias, 0 is no better than
# another value: they are usually left out. Write
# `decay_groups(net, weight_decay)`. It returns a list of two parameter groups
# that `torch.optim.AdamW` or `SGD` takes, dictionaries with `"params"` and
# `"weight_decay"`. The first has the weights, which are the parameters with
# two dimensions or more, and decays by `weight_decay`. The second has those
# with fewer, such as biases and the parameters of `nn.BatchNorm1d`, and
# decays by 0. A parameter that several layers share stands once, and a frozen
# one in neither group.


# %%
def decay_groups(net, weight_decay):
    """Two parameter groups: one that decays, and one that doesn't."""
    # a module and a number -> a list of two dictionaries
    ...


# %%
check.decay_only_the_weights(decay_groups)

# %% [markdown]
# ### 7.11 Clip the gradients
#
# *Code, 15 minutes.*
# [Solution](solutions/07_training.ipynb#cell-id=exercise-7-11)
#
# One bad batch can give gradients that are so large that a step loses what was
# learned. Write `clip(parameters, max_norm)`: it takes the norm of all
# gradients together, as if they were one long vector. If it is above
# `max_norm`, it scales all of them in place by one factor, so that the norm is
# `max_norm`; if not, it leaves them. It returns the norm before. A parameter
# without a gradient is passed over. Between which two lines of a step does the
# call belong?


# %%
def clip(parameters, max_norm):
    """Scale the gradients down to a norm, and return the one they had."""
    # an iterable of parameters and a number -> a number
    ...


# Before which of them: "forward", "loss", "zero", "backward" or "step"
called_before = ...

# %%
check.clip_the_gradients(clip, called_before)

# %% [markdown]
# ## Where to go next
#
# [Get the same run again, and look inside](09_reproducibility.ipynb) finds out
# why two runs differ, and what happens within one.
#
# You can now build a model from blocks and layers of your own, choose where
# its parameters start and which are trained, follow its gradients, and train,
# save and resume it on a CPU or a GPU. To try this, take data of your own,
# write a model with a layer of your own, check the layer, stop the training
# halfway, and resume it. It should end as if you hadn't stopped it.
#
# [Choose a data type, and train in mixed precision](08_numerics.ipynb) trains
# the same digits in 16 bits. The [front page](index.md) lists all chapters.
