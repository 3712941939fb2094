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
# # Choose a data type, and train in mixed precision
#
# A number of 16 bits takes half the memory of one of 32, and recent GPUs
# multiply such numbers faster. So you write `.half()` behind a network that
# learned well, and the loss is NaN. You write `.bfloat16()`, and it learns
# worse, without an error. Here you see why, and then use 16 bits where they
# are enough.
#
# **You will learn** to
#
# - choose a data type by its range and its precision;
# - predict the type of a result, and find a tensor of the wrong type;
# - keep the updates and sums that 16 bits lose;
# - write a layer that survives large inputs;
# - train with autocast and a loss scaler;
# - halve a file, and know when that is fine.
#
# **In the book:** sections 5.4,
# [Numerical Stability and Initialization](https://d2l.ai/chapter_multilayer-perceptrons/numerical-stability-and-init.html),
# and 4.5,
# [Concise Implementation of Softmax Regression](https://d2l.ai/chapter_linear-classification/softmax-regression-concise.html)
# (中文版 4.8,
# [数值稳定性和模型初始化](https://zh.d2l.ai/chapter_multilayer-perceptrons/numerical-stability-and-init.html),
# 和 3.7,
# [softmax回归的简洁实现](https://zh.d2l.ai/chapter_linear-networks/softmax-regression-concise.html)).
#
# **You need** chapters 03, [Write layers of your own](03_custom_layers.ipynb),
# and 07, [Train anywhere, stop and resume](07_training.ipynb). The cells take
# about ten seconds on a CPU, and use a GPU where there is one.

# %% [markdown]
# The first cell imports what the chapter uses and chooses the device. One
# thread of the CPU is enough for products as small as these.

# %%
import copy
import io

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, use_style

use_style()
torch.set_num_threads(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# ## Begin with a NaN
#
# These are the digits of [chapter 07](07_training.ipynb), as rows of 64
# pixels: 1,200 to train with, 297 for validation.

# %%
digits = load_digits()
X = torch.from_numpy(digits.images).float().flatten(1) / 16
y = torch.from_numpy(digits.target).long()
torch.manual_seed(0)
train, valid, _ = torch.randperm(len(X)).split([1200, 297, 300])
X_train, y_train = X[train].to(device), y[train].to(device)
X_valid, y_valid = X[valid].to(device), y[valid].to(device)

# %% [markdown]
# The function trains a small network for three steps of Adam, with all its
# tensors in one type, and returns the losses.


# %%
def first_losses(dtype):
    torch.manual_seed(0)
    net = MLP(64, 128, 10).to(device, dtype)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        loss = F.cross_entropy(net(X_train.to(dtype)), y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(round(loss.item(), 1))
    return losses


# %% [markdown]
# In which type will it fail?

# %%
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    print(dtype, first_losses(dtype))

# %% [markdown]
# One step in float16 is enough. From then on each loss is NaN, *not a number*.
# Nothing was large here; a number was too small. Adam divides its step by the
# root of averaged squares of the gradient, plus $10^{-8}$, so as not to divide
# by 0. And three pixels are blank in all the digits: their weights get a
# gradient of 0.

# %%
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    zero = torch.zeros(1, dtype=dtype)
    print(dtype, (zero + 1e-8).item() > 0, zero / (zero + 1e-8))
int((X_train == 0).all(dim=0).sum())

# %% [markdown]
# In float16, $10^{-8}$ is 0, and 0 divided by 0 is NaN.

# %% [markdown]
# ## Range and precision
#
# A floating-point number has a sign, an exponent and a fraction. The bits of
# the exponent give the *range*, how small and how large numbers get; those of
# the fraction give the *precision*, how close two neighbors are. Float16 and
# bfloat16 divide 16 bits between them in two ways. `eps` is the distance from
# 1 to the next number; below the *normal* numbers there are smaller ones, with
# fewer digits.

# %%
types = torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn
for dtype in types:
    f = torch.finfo(dtype)
    bounds = f"normal from {f.tiny:.3g} to {f.max:.3g}"
    print(f"{f.bits:2} bits, {bounds}, eps {f.eps:.3g}: {dtype}")

# %% [markdown]
# Bfloat16 has the range of float32, and eps is $2^{-7}$. Float16 is eight
# times finer, and ends at 65,504. Which of them can hold $300^2 = 90{,}000$?

# %%
x = torch.tensor(300.0)
x.half() ** 2, x.bfloat16() ** 2

# %% [markdown]
# In float16 the square *overflows*, to infinity. Bfloat16 takes the nearest
# number that it has; there, they are 512 apart.
#
# Eight bits make 256 codes. `view` reads the same bits as another type. Does
# float8_e4m3fn spend codes on infinity?

# %%
bits = torch.arange(256, dtype=torch.uint8)
numbers = bits.view(torch.float8_e4m3fn).float()
print("infinite:", numbers.isinf().sum().item())
print("NaN:", numbers.isnan().sum().item())
print("largest:", numbers.nan_to_num().max().item())

# %% [markdown]
# It has no infinity, and two NaN, one for each sign. Numbers are stored and
# multiplied in such a type beside a scale that brings them into its range.
#
# Read as integers, the bits of positive numbers have the order of the numbers.
# So all of them can be listed.

# %%
bits = {
    torch.float16: torch.arange(0x7C00, dtype=torch.int16),  # inf ends it
    torch.bfloat16: torch.arange(0x7F80, dtype=torch.int16),  # likewise
    torch.float8_e4m3fn: torch.arange(0x7F, dtype=torch.uint8),  # or NaN
}
numbers = {dtype: b.view(dtype).float() for dtype, b in bits.items()}
for dtype, values in numbers.items():
    assert (values.diff() > 0).all()
    assert values[-1] == torch.finfo(dtype).max

# %% [markdown]
# The picture has the distance of each number to the next. Which line is lowest
# at 1, and where does it end?

# %% mystnb={"image": {"alt": "Distance to the next number against the number, on logarithmic axes, from a millionth to a million. Three staircases rise side by side. The solid one of float16 is the lowest, flat below 0.0001, and ends at 65,504. The dotted one of bfloat16 is eight times as high and crosses the whole picture. Single dots, the numbers of float8_e4m3fn, are 16 times as high again, level below 0.03, and end at 448."}}
for (dtype, values), style in zip(numbers.items(), "-:.", strict=True):
    label = str(dtype).removeprefix("torch.")
    plt.step(values[:-1], values.diff(), style, where="post", label=label)
plt.loglog()
plt.xlim(1e-6, 1e6)
plt.ylim(1e-8, 1e5)
plt.xlabel("number")
plt.ylabel("distance to the next")
plt.legend()
plt.show()

# %% [markdown]
# Precision is relative: with each power of two, the distance doubles. Below
# the smallest normal number it no longer shrinks, and what is at most half of
# it becomes 0.

# %% [markdown]
# ## Which type comes out
#
# Four operands: three vectors, and a tensor without dimensions, or *0-dim*.

# %%
half, brain = torch.ones(2).half(), torch.ones(2).bfloat16()
single, scalar = torch.ones(2), torch.tensor(1.0)

# %% [markdown]
# An operation on two types computes in one that has room for both. How many
# bits will these four results have?

# %%
print("float16 + bfloat16     ", (half + brain).dtype)
print("float16 + 1.5          ", (half + 1.5).dtype)
print("float16 + float32 0-dim", (half + scalar).dtype)
print("float16 + float32      ", (half + single).dtype)

# %% [markdown]
# Neither of the 16-bit types has room for the other, so float32 comes out. A
# Python number and a 0-dim tensor adapt to a float tensor with dimensions.
# Integers give way to floats.

# %%
assert (half + torch.ones(2).int()).dtype == torch.float16
assert (torch.ones(2).int() + 1.5).dtype == torch.float32
torch.ones(2).int() / 2

# %% [markdown]
# ### One stray tensor
#
# > **Pitfall.** A tensor of floats that `forward` makes is float32 if you
# > don't say otherwise. A result of 16 bits and such a tensor is float32, too.
#
# This layer fades out a row.


# %%
class Fade(nn.Module):
    def forward(self, X):
        n = X.shape[-1]
        return X * torch.linspace(1, 0, n, device=X.device)


# %% [markdown]
# What is the type of its output?

# %%
X_brain = torch.ones(2, 8, dtype=torch.bfloat16, device=device)
Fade()(X_brain).dtype

# %% [markdown]
# The memory has doubled, without a word. A layer with weights is strict: it
# doesn't promote.

# %% tags=["raises-exception"]
net = nn.Sequential(Fade(), nn.Linear(8, 1)).to(device, torch.bfloat16)
net(X_brain)

# %% [markdown]
# "Float" is float32. Don't repair the layer that complains; repair the one
# where the type comes from. Take the type of the input, as you take its
# device.


# %%
class RepairedFade(nn.Module):
    def forward(self, X):
        n = X.shape[-1]
        fade = torch.linspace(1, 0, n, device=X.device, dtype=X.dtype)
        return X * fade


# %% [markdown]
# In its place, the network runs, and stays in bfloat16.

# %%
net[0] = RepairedFade()
net(X_brain).dtype

# %% [markdown]
# ## Small updates vanish
#
# A weight of 1 gets 1,000 updates of 0.001. Where does it end?

# %%
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    w = torch.ones(1, dtype=dtype)
    for _ in range(1000):
        w += 0.001
    print(f"{w.item():.2f} in {dtype}")

# %% [markdown]
# In float16 each update is rounded to the distance there, 0.00098. In bfloat16
# the weight hasn't moved. The next number above 1 is 1.0078, and an update of
# less than half the distance is rounded away, each time.
#
# The repair is a *master copy* in float32, which gets the updates. The network
# computes with its copy in bfloat16.

# %%
master = torch.ones(1)
for _ in range(1000):
    w = master.bfloat16()  # for forward and backward
    master += 0.001
master.bfloat16().item()

# %% [markdown]
# ## Sums that stall or overflow
#
# A sum that grows meets the same limit. What do 10,000 numbers of 0.001 give
# in float16, if you add one after the other, and what by `sum`?

# %%
values = torch.full((10_000,), 0.001).half()
total = torch.tensor(0.0).half()
for value in values:
    total += value
total.item(), values.sum().item()

# %% [markdown]
# The loop stops at 4, where the distance is 0.0039. `sum` returns float16 as
# well, but accumulates in float32, and rounds once, to a multiple of the
# distance at 10, which is 0.0078.

# %% [markdown]
# ### Stay below infinity
#
# On the way to a probability a large *logit* overflows in float32, too, which
# ends between $e^{88}$ and $e^{89}$. From infinity it is one step to NaN.

# %%
z = torch.tensor([1000.0, 0.0])
assert torch.tensor(88.0).exp().isfinite() and torch.tensor(89.0).exp().isinf()
infinite = z.exp()
infinite, infinite / infinite.sum(), infinite - infinite

# %% [markdown]
# With $m$ the largest logit,
# $\log \sum_i e^{z_i} = m + \log \sum_i e^{z_i - m}$: no exponent is above 0.
# PyTorch's functions do such things inside. Four of them, beside the same by
# hand:

# %%
by_hand = {
    "logsumexp": (z.exp().sum().log(), z.logsumexp(dim=0)),
    "softplus": ((1 + z[0].exp()).log(), F.softplus(z[0])),
    "log_softmax": (z.softmax(dim=0)[1].log(), z.log_softmax(dim=0)[1]),
    "cross_entropy": (
        F.nll_loss(z.softmax(dim=0).log(), torch.tensor(1)),
        F.cross_entropy(z, torch.tensor(1)),
    ),
}

# %% [markdown]
# In the left column by hand, in the right one by PyTorch:

# %%
for name, (naive, stable) in by_hand.items():
    print(f"{name:13} {naive.item():5} {stable.item():7}")

# %% [markdown]
# So give a loss the logits, and not probabilities. `F.cross_entropy` and
# `F.binary_cross_entropy_with_logits` take them.

# %% [markdown]
# ## A layer that survives large inputs
#
# Many language models divide each row by its root mean square, and multiply by
# a weight:
#
# $$y_j = \frac{x_j}{\sqrt{\frac{1}{d} \sum_i x_i^2 + \varepsilon}}\, w_j$$
#
# As a layer it is short.


# %%
class RMSNorm(nn.Module):
    def __init__(self, num_features, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.eps = eps

    def forward(self, X):
        mean_square = X.square().mean(dim=-1, keepdim=True)  # (n, d) -> (n, 1)
        return X * torch.rsqrt(mean_square + self.eps) * self.weight


# %% [markdown]
# In float32 it gives what PyTorch's own gives.

# %%
torch.manual_seed(0)
Z = torch.randn(4, 8, device=device)
norm = RMSNorm(8).to(device)
assert_close(norm(Z), nn.RMSNorm(8, eps=1e-6, device=device)(Z))

# %% [markdown]
# > **Pitfall.** A NaN is noticed. A wrong number isn't.
#
# Float16 has 300, and the outputs should be about 1. Which step leaves the
# range, and what comes out?

# %%
row = torch.tensor([[300.0, -200.0, 100.0, 250.0]], device=device).half()
RMSNorm(4).to(device, torch.float16)(row).tolist()

# %% [markdown]
# The mean square is infinite, 1 divided by its root is 0, and so is each
# output. No NaN tells it, and the network goes on with zeros. The repair:
# compute in float32, and return the type of the input.


# %%
class RepairedRMSNorm(RMSNorm):
    def forward(self, X):
        Y = super().forward(X.float())
        return Y.to(X.dtype)


# %% [markdown]
# Its answer in float16 is the rounded one of float32.

# %%
norm = RepairedRMSNorm(4).to(device, torch.float16)
exact = RMSNorm(4).to(device)(row.float())
assert_close(norm(row), exact.half(), rtol=1e-3, atol=0)
[round(value, 2) for value in norm(row)[0].tolist()]

# %% [markdown]
# ## Let autocast choose
#
# *Mixed precision* puts this together. The weights stay in float32: they are
# the masters. Within `torch.autocast`, products are taken in 16 bits, and what
# needs more in float32.

# %%
torch.manual_seed(0)
net = MLP(64, 128, 10).to(device)
with torch.autocast(device.type, torch.bfloat16):
    y_hat = net(X_train)
    loss = F.cross_entropy(y_hat, y_train)
loss.backward()
y_hat.dtype, loss.dtype

# %% [markdown]
# Backward comes after the block, and takes each operation back in the type in
# which it went forward. The gradient of a weight has the weight's type.

# %%
net.out.weight.dtype, net.out.weight.grad.dtype

# %% [markdown]
# Which type an operation gets depends on the device and on PyTorch's version.
# On these, CPU and CUDA agree:

# %%
A = torch.ones(2, 2, device=device)
labels = torch.zeros(2, dtype=torch.long, device=device)
with torch.autocast(device.type, torch.bfloat16):
    B = A @ A
    print("product:", B.dtype)
    print("ReLU of a product:", B.relu().dtype)
    print("product + float32:", (B + A).dtype)
    print("cross-entropy:", F.cross_entropy(B, labels).dtype)
    print("squared error:", F.mse_loss(B, A).dtype)

# %% [markdown]
# On these they don't: the CPU that made this page kept the type of the
# product, bfloat16, for all four; a GPU shows float32.

# %% tags=["nbval-ignore-output"]
with torch.autocast(device.type, torch.bfloat16):
    found = {
        "exp": B.exp().dtype,
        "sum": B.sum().dtype,
        "softmax": B.softmax(dim=-1).dtype,
        "layer_norm": F.layer_norm(B, (2,)).dtype,
    }
assert {*found.values()} <= {torch.bfloat16, torch.float32}
found

# %% [markdown]
# ### Three ways to train
#
# The network learns the digits in float32, under autocast, and with everything
# in bfloat16.


# %%
def train_curve(dtype=torch.float32, autocast=False):
    torch.manual_seed(0)
    net = MLP(64, 128, 10).to(device, dtype)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(20):
        order = torch.randperm(len(X_train), generator=generator)
        for batch in order.to(device).split(50):
            with torch.autocast(device.type, torch.bfloat16, autocast):
                y_hat = net(X_train[batch].to(dtype))
                loss = F.cross_entropy(y_hat, y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(valid_loss(net))
    return net, losses


# %% [markdown]
# For the validation loss, the logits are turned into float32 first.


# %%
@torch.inference_mode()
def valid_loss(net):
    logits = net(X_valid.to(net.out.weight.dtype)).float()
    return F.cross_entropy(logits, y_valid).item()


# %% [markdown]
# Which of the three curves will leave the others?

# %%
single_net, single_losses = train_curve()
_, mixed_losses = train_curve(autocast=True)
brain_net, brain_losses = train_curve(torch.bfloat16)
assert abs(mixed_losses[-1] / single_losses[-1] - 1) < 0.02
assert brain_losses[-1] > 1.25 * single_losses[-1]

# %% [markdown]
# Look at where it leaves them, and how it ends.

# %% tags=["predict"] mystnb={"image": {"alt": "The validation loss over 20 epochs, on a logarithmic axis. The solid line of float32 and the dashed line of autocast lie on each other and fall from 2.2 to 0.22. The dotted line of bfloat16 throughout falls with them for about ten epochs, then flattens and ends at 0.32."}}
epochs = range(1, 21)
plt.semilogy(epochs, single_losses, "C0-", label="float32")
plt.semilogy(epochs, mixed_losses, "C1--", label="autocast to bfloat16")
plt.semilogy(epochs, brain_losses, "k:", label="bfloat16 throughout")
plt.xticks(range(0, 21, 5))
plt.minorticks_off()
plt.yticks([0.2, 0.5, 1, 2], [0.2, 0.5, 1, 2])
plt.xlabel("epoch")
plt.ylabel("validation loss")
plt.legend()
plt.show()

# %% [markdown]
# Autocast loses nothing here. In bfloat16 throughout, the curve flattens as
# the updates become small. This function makes one step more, with a copy and
# plain SGD, and returns the share of the weights that it moves, among those
# with a gradient.


# %%
def share_moved(net):
    net = copy.deepcopy(net)
    before = torch.cat([p.detach().flatten() for p in net.parameters()])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    optimizer.zero_grad()
    F.cross_entropy(net(X_train.to(before.dtype)), y_train).backward()
    gradient = torch.cat([p.grad.flatten() for p in net.parameters()])
    optimizer.step()
    after = torch.cat([p.detach().flatten() for p in net.parameters()])
    return (after != before)[gradient != 0].float().mean().item()


# %% [markdown]
# What is it in the two networks?

# %% tags=["nbval-ignore-output"]
shares = share_moved(single_net), share_moved(brain_net)
assert shares[0] > 0.9 and shares[1] < 0.1
f"float32: {shares[0]:.0%}, bfloat16: {shares[1]:.0%}"

# %% [markdown]
# Float32 moves nearly all weights, and bfloat16 one in a hundred or so. The
# others stand still, as the 1 above did.

# %% [markdown]
# ## Scale the loss
#
# Older GPUs have float16 and not bfloat16, and float16 is finer. Its trouble
# is the range: a small gradient *underflows*, to 0. These are the gradients
# with respect to all logits, in the network that float32 has trained. What
# share of them would be 0 in float16, and what share if the loss were 65,536
# times as large?

# %%
logits = single_net(X_train)
loss = F.cross_entropy(logits, y_train)
(gradient,) = torch.autograd.grad(loss, logits)
gradient = gradient[gradient != 0].abs().cpu()
lost = (gradient.half() == 0).float().mean().item()
lost_scaled = ((65536 * gradient).half() == 0).float().mean().item()
assert 0.1 < lost < 0.3 and lost_scaled < 0.01

# %% [markdown]
# About one in six, and then hardly any: by the chain rule, each gradient is
# multiplied as the loss is.

# %% mystnb={"image": {"alt": "Two histograms of the size of the gradients on a logarithmic axis. The first is a hill from 1e-10 to 1e-3. A vertical line at 3e-8 says that what is left of it becomes 0, and cuts off the left slope of the hill. The second, of gradients times 65,536, is the same hill further right: all of it lies between this line and another at 65,504, where what is right of it becomes infinite."}}
bins = torch.logspace(-12, 4, 65).tolist()
plt.hist(gradient.tolist(), bins, alpha=0.7, label="gradients")
plt.hist((65536 * gradient).tolist(), bins, alpha=0.7, label="times 65,536")
plt.axvline(2.0**-25, color="black", linestyle="--")
plt.text(2.0**-25, 900, "becomes 0 ", ha="right")
plt.axvline(65504, color="black", linestyle="--")
plt.text(65504, 900, " becomes infinite")
plt.xscale("log")
plt.xlim(1e-12, 1e9)
plt.xlabel("size of a gradient")
plt.ylabel("number")
plt.legend()
plt.show()

# %% [markdown]
# A `GradScaler` multiplies the loss by such a *scale*, and divides the
# gradients by it before the step. If one of them is infinite or NaN, the scale
# was too large: the step is skipped, and the scale halved. Here a gradient of
# 1 passes through float16. Which steps move the weight?

# %%
w = torch.ones(1, device=device, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
scaler = torch.amp.GradScaler(device.type)
for _ in range(3):
    optimizer.zero_grad()
    loss = w.half().float().sum()
    scaler.scale(loss).backward()
    print(f"scale {scaler.get_scale():.0f}, gradient {w.grad.item()}", end="")
    scaler.step(optimizer)
    scaler.update()
    print(f", weight {w.item():.1f}")

# %% [markdown]
# 65,536 is just too large for float16, so the first step is skipped. That is
# no fault. After 2,000 steps in a row without infinity or NaN the scale
# doubles.

# %% [markdown]
# ### Clip after you unscale
#
# > **Pitfall.** Between `backward` and `step` the gradients are multiplied by
# > the scale. What reads them there reads wrong numbers.
#
# The weights are (3, 4), and so is the gradient, whose norm is 5. It is
# clipped to norm 1, and the rate is 1. The first line forgets to unscale.

# %%
for unscales in (False, True):
    w = torch.tensor([3.0, 4.0], device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1.0)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale((w**2).sum() / 2).backward()
    if unscales:
        scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_([w], max_norm=1.0).item()
    scaler.step(optimizer)
    print(f"norm {norm:.0f}, then {[round(v, 3) for v in w.tolist()]}")

# %% [markdown]
# Without `unscale_`, the scaled gradient is clipped to norm 1, and then
# divided by 1,024: the step is a thousandth of what it should be. No error
# tells why the network learns so slowly.
#
# This is a whole training step in float16:


# %%
def train_step(net, optimizer, scaler, X, y):
    with torch.autocast(device.type, torch.float16):
        loss = F.cross_entropy(net(X), y)
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
    scaler.step(optimizer)
    scaler.update()
    return loss.item()


# %% [markdown]
# With it, the network and the optimizer that gave NaN learn. For bfloat16,
# whose range is that of float32, leave the scaler out.

# %%
torch.manual_seed(0)
net = MLP(64, 128, 10).to(device)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
scaler = torch.amp.GradScaler(device.type)
for _ in range(50):
    loss = train_step(net, optimizer, scaler, X_train, y_train)
assert loss < 0.1

# %% [markdown]
# ## How precise a float32 product is
#
# Recent NVIDIA GPUs can compute a product of float32 matrices in *TF32*, which
# is faster: it has the range of float32, and rounds the inputs to the 10
# fraction bits of float16. How wrong is a product then? Compare with float64.

# %%
torch.manual_seed(0)
A, B = torch.rand(100, 1000), torch.rand(1000, 100)
exact = A.double() @ B.double()
error = (A @ B / exact - 1).abs().max().item()
assert error < 1e-5

# %% [markdown]
# In float32 the relative error is below $10^{-5}$. With 10 bits it is:

# %% tags=["predict"]
rounded = A.half().double() @ B.half().double()
error_rounded = (rounded / exact - 1).abs().max().item()
assert error_rounded > 1e-5
f"{error_rounded:.0e}"

# %% [markdown]
# For training this is often enough; to compare devices, allow a larger
# difference. `"highest"`, the default, means float32; `"high"` allows TF32.

# %%
torch.set_float32_matmul_precision("highest")
product = A.to(device) @ B.to(device)
assert_close(product.cpu(), A @ B, rtol=1e-5, atol=0)
torch.get_float32_matmul_precision()

# %% [markdown]
# > **Pitfall.** Since PyTorch 2.9 there is a second switch for the same thing.
# > Once it is set, reading the old one can raise an error.

# %% tags=["nbval-ignore-output"]
matmul, said = torch.backends.cuda.matmul, "there is one switch here"
if hasattr(matmul, "fp32_precision"):
    before = matmul.fp32_precision
    matmul.fp32_precision = "tf32"  # the new one
    try:
        said = matmul.allow_tf32  # the old one
    except RuntimeError as error:
        said = type(error).__name__
    matmul.fp32_precision = before
    assert said == "RuntimeError"
said

# %% [markdown]
# Use one of the two throughout. Convolutions have a switch of their own, which
# allows TF32 by default.

# %% [markdown]
# ## Halve a file
#
# To be used, a network needs less precision than to be trained. How large is
# the relative error of a weight that is stored in bfloat16?

# %%
state = {k: v.cpu() for k, v in single_net.state_dict().items()}
small = {k: v.bfloat16() for k, v in state.items()}
errors = [((small[k].float() - v) / v).abs().max() for k, v in state.items()]
assert max(errors) < 2**-8

# %% [markdown]
# It is below $2^{-8}$, half of eps. How large is the file?


# %%
def num_bytes(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.tell()


assert 0.5 < num_bytes(small) / num_bytes(state) < 0.6

# %% [markdown]
# It is about half as large. What does that do to the loss?

# %%
restored = MLP(64, 128, 10).to(device)
restored.load_state_dict(small)  # copies into float32
assert restored.out.weight.dtype == torch.float32
assert_close(valid_loss(restored), valid_loss(single_net), rtol=0.01, atol=0)

# %% [markdown]
# It changes by less than 1%, which is fine for use. Don't go on with training
# from such a file: many updates were smaller than this error, and are gone.

# %% [markdown]
# ## Summary
#
# - The exponent's bits give the range, the fraction's bits the precision.
#   Float16 ends at 65,504, and $10^{-8}$ is 0; bfloat16 has the range of
#   float32, and an eps of $2^{-7}$.
# - Two float types give one with room for both. Numbers and 0-dim tensors
#   adapt. Layers with weights don't promote.
# - An update below half the distance to the next number is lost: keep the
#   weights in float32.
# - Accumulate in float32; take logarithms of sums from `logsumexp`, and give
#   losses logits.
# - A layer that squares its input computes in float32, and returns the input's
#   type.
# - Autocast chooses for each operation. With float16, scale the loss; unscale
#   before you clip.
# - A bfloat16 file is for use, not for going on with training.

# %% [markdown]
# ## Exercises
#
# Write your answer in the place of each `...`, run the cell, and run the check
# below it. A check tells what is missing, with a case that fails, and changes
# nothing of yours. A check needs the cells before it: after a break, select it
# and choose *Run*, *Run All Above Selected Cell*. The worked solutions are on
# [a page of their own](solutions/08_numerics.ipynb).

# %%
from d2l_helpers import check

# %% [markdown]
# ### 8.1 Promotion
#
# *Think, 10 minutes.*
# [Solution](solutions/08_numerics.ipynb#cell-id=exercise-8-1)
#
# `half`, `brain`, `single`, `double` and `whole` are vectors of float16,
# bfloat16, float32, float64 and int32. `double[0]` is one number, a tensor
# without dimensions. Predict the type of each result, such as `torch.float16`;
# then run them.

# %%
promoted = {
    "half + whole": ...,
    "whole + 0.5": ...,
    "whole * half[0]": ...,
    "whole + double[0]": ...,
    "half * double[0]": ...,
    "half[0] + brain": ...,
    "half[0] + brain[0]": ...,
    "torch.cat([half, single])": ...,
}

# %%
check.promotion(promoted)

# %% [markdown]
# ### 8.2 The next number
#
# *Code, 20 minutes.*
# [Solution](solutions/08_numerics.ipynb#cell-id=exercise-8-2)
#
# Compute the distance from a number to the next larger one of its type, from
# what `torch.finfo` says, without listing numbers. It is right for 0, too, and
# on the flat part of the picture. Then find the smallest positive integer that
# comes back changed from a round trip through each type, as in
# `torch.tensor(k).bfloat16().long()`.


# %%
def distance_to_next(x, dtype):
    """How far the next larger number of a type is from x."""
    # x: a Python number that the type has, at least 0, below its largest
    ...


first_changed = {"float16": ..., "bfloat16": ...}

# %%
check.next_number(distance_to_next, first_changed)

# %% [markdown]
# ### 8.3 A compensated sum
#
# *Code, 20 minutes.*
# [Solution](solutions/08_numerics.ipynb#cell-id=exercise-8-3)
#
# Add numbers one after the other, in their own type, and don't stall. Keep
# beside the total what the last addition has lost: it is
# $(\text{new total} - \text{old total}) - \text{what was added}$, where the
# order of the operations matters. Take it off the next number before that is
# added (Kahan's sum). Use neither `sum` nor a larger type. On the 10,000
# `values` of this chapter it comes as close to `values.sum()` as the next
# number.


# %%
def compensated_sum(values):
    """The sum of a vector, computed in its own type."""
    # (n,) -> a tensor without dimensions, of the same type
    ...


# %%
check.compensated_sum(compensated_sum)

# %% [markdown]
# ### 8.4 A row of minus infinity
#
# *Code, 20 minutes.*
# [Solution](solutions/08_numerics.ipynb#cell-id=exercise-8-4)
#
# Write `logsumexp` over the last dimension, in the type of its input, from
# `exp`, `sum`, `log` and the largest number of each row. A mask sets logits to
# minus infinity, sometimes a whole row: the logarithm of a sum of zeros is
# minus infinity, and NaN is wrong. Gradients must be right, and finite where
# the result is.


# %%
def log_sum_exp(Z):
    """log(sum(exp(Z))) of each row, below infinity."""
    # (..., d) -> (...)
    ...


# %%
check.row_of_minus_infinity(log_sum_exp)

# %% [markdown]
# ### 8.5 A loss scaler
#
# *Code, 30 minutes.*
# [Solution](solutions/08_numerics.ipynb#cell-id=exercise-8-5)
#
# Write a loss scaler that does, step by step, what `torch.amp.GradScaler`
# does. `multiply` returns the loss times the scale, as another tensor. `step`
# divides the gradients by the scale. If one of them is infinite or NaN, it
# leaves the weights and the optimizer as they are, and halves the scale. If
# not, it lets the optimizer step, and after `growth_interval` such steps in a
# row it doubles the scale, and counts from 0 again.


# %%
class LossScaler:
    """Scale the loss, skip steps with infinities, adapt the scale."""

    def __init__(self, scale=65536.0, growth_interval=2000):
        self.scale = scale
        ...

    def multiply(self, loss):
        # a loss -> the loss to call backward on
        ...

    def step(self, optimizer):
        # in place of optimizer.step()
        ...


# %%
check.loss_scaler(LossScaler)

# %% [markdown]
# ### 8.6 Master weights
#
# *Code, 25 minutes.*
# [Solution](solutions/08_numerics.ipynb#cell-id=exercise-8-6)
#
# Write gradient descent for a network in bfloat16. Each parameter has a master
# in float32: a step takes `lr` times the gradient, computed in float32, off
# the master, and copies the result into the parameter. The parameters stay the
# same objects, in bfloat16, and keep their gradients. One without a gradient
# stays as it is.


# %%
class MasterSGD:
    """Gradient descent with float32 masters of the parameters."""

    def __init__(self, parameters, lr):
        # parameters: such as net.parameters()
        ...

    def zero_grad(self):
        # forget the gradients
        ...

    def step(self):
        # move the masters, then the parameters
        ...


# %%
check.master_weights(MasterSGD)

# %% [markdown]
# ### 8.7 A norm in float16
#
# *Code, 20 minutes.*
# [Solution](solutions/08_numerics.ipynb#cell-id=exercise-8-7)
#
# Suppose that a chip has float16 and no float32. Write the root mean square
# norm, without a weight, so that it survives all float16 numbers, and computes
# in the type of its input. Divide each row first, so that the squares stay in
# range. What becomes of $\varepsilon$ then? A row of zeros gives zeros, and
# rows of 0.001 keep the $\varepsilon$ under the root.


# %%
def rms_norm(X, eps=1e-5):
    """Each row divided by its root mean square."""
    # (n, d) -> (n, d), of the same type
    ...


# %%
check.norm_in_float16(rms_norm)

# %% [markdown]
# ### 8.8 Decode float8
#
# *Code, 25 minutes.*
# [Solution](solutions/08_numerics.ipynb#cell-id=exercise-8-8)
#
# Decode the 256 codes of float8_e4m3fn with integer arithmetic, without
# PyTorch and without a table of the numbers. From the left, a code has one bit
# of sign, four bits of exponent $e$ and three of fraction $f$. It stands for
# $\pm (1 + f/8) \cdot 2^{e - 7}$; where $e$ is 0, for
# $\pm f/8 \cdot 2^{-6}$; and where all seven bits behind the sign are 1, for
# NaN.


# %%
def decode(code):
    """The number that a code of float8_e4m3fn stands for."""
    # an integer from 0 to 255 -> a Python float
    ...


# %%
check.decode_float8(decode)

# %% [markdown]
# ### 8.9 A clamp and its gradient
#
# *Code, 20 minutes.*
# [Solution](solutions/08_numerics.ipynb#cell-id=exercise-8-9)
#
# A sample of class 1 with logit $z$ has the loss $-\log \sigma(z)$, where
# $\sigma(z)$ is `z.sigmoid()`. In float32 it is infinite for $z = -200$. Two
# repairs are popular. Predict the gradient with respect to $z$ that each gives
# at $z = -200$, and the true one. Then write the loss from `exp`, `log1p` and
# whatever takes a maximum, so that value and gradient are right for all $z$,
# at $z = 0$ too: $-\log \sigma(z) = \max(-z, 0) + \log(1 + e^{-|z|})$.


# %%
def log_loss(z):
    """-log(sigmoid(z)), finite, with its gradient."""
    # (n,) -> (n,)
    ...


gradients = {
    "-z.sigmoid().clamp(min=1e-7).log()": ...,
    "-(z.sigmoid() + 1e-7).log()": ...,
    "true": ...,
}

# %%
check.clamp_and_its_gradient(log_loss, gradients)

# %% [markdown]
# ## Where to go next
#
# [Get the same run again, and look inside](09_reproducibility.ipynb) finds the
# module where the first NaN begins;
# [Know what training keeps, and start a deep network](10_memory.ipynb) counts
# the memory of mixed precision. [Follow gradients through the
# graph](05_autograd.ipynb#cell-id=a-backward-computation-of-your-own) writes a
# backward that stays finite. The [front page](index.md) lists all chapters.
