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
# # Solutions to chapter 08
#
# To the exercises of
# [Choose a data type, and train in mixed precision](../08_numerics.ipynb).
# Each begins with its statement. Try it there first, and come here when you
# are stuck.

# %%
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import check

# %% [markdown]
# ## 8.1 Promotion
#
# *Think, 10 minutes.*
# [Exercise](../08_numerics.ipynb#cell-id=exercise-8-1)
#
# `half`, `brain`, `single`, `double` and `whole` are vectors of float16,
# bfloat16, float32, float64 and int32. `double[0]` is one number, a tensor
# without dimensions. Predict the type of each result, such as `torch.float16`;
# then run them.

# %% [markdown]
# **Idea.** Ask for the category first: integers are below floats. If one
# operand's category is higher, it decides, also as a number or without
# dimensions: a Python number stands for the default type, float32, and a
# tensor for its own. Among operands of one category those with dimensions
# decide, and two that differ give a type with room for both.

# %%
promoted = {
    "half + whole": torch.float16,
    "whole + 0.5": torch.float32,
    "whole * half[0]": torch.float16,
    "whole + double[0]": torch.float64,
    "half * double[0]": torch.float16,
    "half[0] + brain": torch.bfloat16,
    "half[0] + brain[0]": torch.float32,
    "torch.cat([half, single])": torch.float32,
}

# %%
check.promotion(promoted)

# %% [markdown]
# `torch.result_type` tells the type of an operation on two tensors without
# computing it.

# %%
half, double = torch.ones(2).half(), torch.ones(2).double()
torch.result_type(half, double[0])

# %% [markdown]
# And `torch.promote_types` tells the type that has room for two.

# %%
torch.promote_types(torch.float16, torch.bfloat16)

# %% [markdown]
# ## 8.2 The next number
#
# *Code, 20 minutes.*
# [Exercise](../08_numerics.ipynb#cell-id=exercise-8-2)
#
# Compute the distance from a number to the next larger one of its type, from
# what `torch.finfo` says, without listing numbers. It is right for 0, too, and
# on the flat part of the picture. Then find the smallest positive integer that
# comes back changed from a round trip through each type, as in
# `torch.tensor(k).bfloat16().long()`.

# %% [markdown]
# **Idea.** From a power of two to the next one, the fraction counts in equal
# steps: `eps` times the power. `math.frexp` gives the power exactly. Below the
# smallest normal number the exponent can't fall further, and the steps are
# those at `tiny`. A type whose fraction has $p$ bits holds each integer up to
# $2^{p+1}$; from there on the even ones.


# %%
def distance_to_next(x, dtype):
    info = torch.finfo(dtype)
    _, exponent = math.frexp(max(x, info.tiny))  # x < 2 ** exponent
    return 2.0 ** (exponent - 1) * info.eps


first_changed = {"float16": 2049, "bfloat16": 257}

# %%
check.next_number(distance_to_next, first_changed)

# %% [markdown]
# **Pitfall.** A counter in bfloat16, or positions in a text, stop being exact
# at 256. The round trip shows it.

# %%
torch.arange(254, 262).bfloat16().long()

# %% [markdown]
# ## 8.3 A compensated sum
#
# *Code, 20 minutes.*
# [Exercise](../08_numerics.ipynb#cell-id=exercise-8-3)
#
# Add numbers one after the other, in their own type, and don't stall. Keep
# beside the total what the last addition has lost: it is
# $(\text{new total} - \text{old total}) - \text{what was added}$, where the
# order of the operations matters. Take it off the next number before that is
# added (Kahan's sum). Use neither `sum` nor a larger type. On the 10,000
# `values` of this chapter it comes as close to `values.sum()` as the next
# number.

# %% [markdown]
# **Idea.** Subtracting the old total from the new one gives what has really
# been added, exactly; less what was meant to be added, it is the error of this
# round. The next number makes it good. In exact arithmetic the error would be
# 0, which is why no program may simplify these lines.


# %%
def compensated_sum(values):
    total = torch.zeros_like(values[0])
    lost = torch.zeros_like(total)
    for value in values:
        y = value - lost
        new = total + y
        lost = (new - total) - y
        total = new
    return total


# %%
check.compensated_sum(compensated_sum)

# %% [markdown]
# The 10,000 numbers of the chapter, at which a running sum stops at 4. The two
# results are neighbors: the last loss isn't made good any more.

# %%
values = torch.full((10_000,), 0.001).half()
compensated_sum(values).item(), values.sum().item()

# %% [markdown]
# **Where it is used.** An optimizer can do the same in place of a master copy:
# keep the weight in bfloat16, and beside it, in bfloat16 too, what the last
# update has lost.

# %%
w, lost = torch.ones(1).bfloat16(), torch.zeros(1).bfloat16()
for _ in range(1000):
    y = 0.001 - lost
    new = w + y
    w, lost = new, (new - w) - y
w

# %% [markdown]
# ## 8.4 A row of minus infinity
#
# *Code, 20 minutes.*
# [Exercise](../08_numerics.ipynb#cell-id=exercise-8-4)
#
# Write `logsumexp` over the last dimension, in the type of its input, from
# `exp`, `sum`, `log` and the largest number of each row. A mask sets logits to
# minus infinity, sometimes a whole row: the logarithm of a sum of zeros is
# minus infinity, and NaN is wrong. Gradients must be right, and finite where
# the result is.

# %% [markdown]
# **Idea.** Subtract the largest number of each row, so that one `exp` is 1 and
# none is above. Where it is minus infinity, subtract 0 instead: all `exp` are
# 0, and the logarithm of 0 is the minus infinity that is wanted. The largest
# number is a constant here: the result doesn't depend on which number is
# subtracted, so no gradient needs to go through it.


# %%
def log_sum_exp(Z):
    largest = Z.detach().amax(dim=-1, keepdim=True)  # (..., d) -> (..., 1)
    largest = largest.masked_fill(largest == -torch.inf, 0)
    sums = (Z - largest).exp().sum(dim=-1)  # (..., d) -> (...)
    return sums.log() + largest.squeeze(-1)


# %%
check.row_of_minus_infinity(log_sum_exp)

# %% [markdown]
# **What becomes of a softmax.** A masked row has no probabilities: 0 divided
# by 0. In attention this is how a padded sentence puts NaN into a whole
# network. Say what such a row should give, for example zeros.

# %%
masked = torch.full((1, 3), -torch.inf)
masked.softmax(dim=-1), masked.softmax(dim=-1).nan_to_num()

# %% [markdown]
# ## 8.5 A loss scaler
#
# *Code, 30 minutes.*
# [Exercise](../08_numerics.ipynb#cell-id=exercise-8-5)
#
# Write a loss scaler that does, step by step, what `torch.amp.GradScaler`
# does. `multiply` returns the loss times the scale, as another tensor. `step`
# divides the gradients by the scale. If one of them is infinite or NaN, it
# leaves the weights and the optimizer as they are, and halves the scale. If
# not, it lets the optimizer step, and after `growth_interval` such steps in a
# row it doubles the scale, and counts from 0 again.

# %% [markdown]
# **Idea.** The optimizer knows its parameters. Divide their gradients, then
# ask whether all numbers are finite. To skip a step means not to call
# `optimizer.step()` at all: with gradients of 0 it would still move the
# weights by momentum or weight decay. The count of good steps begins at 0
# after each change of the scale.


# %%
class LossScaler:
    def __init__(self, scale=65536.0, growth_interval=2000):
        self.scale, self.growth_interval = scale, growth_interval
        self.good_steps = 0

    def multiply(self, loss):
        return loss * self.scale

    def step(self, optimizer):
        parameters = [p for g in optimizer.param_groups for p in g["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        for gradient in gradients:
            gradient /= self.scale
        if not all(gradient.isfinite().all() for gradient in gradients):
            self.scale, self.good_steps = self.scale / 2, 0
            return
        optimizer.step()
        self.good_steps += 1
        if self.good_steps == self.growth_interval:
            self.scale, self.good_steps = 2 * self.scale, 0


# %%
check.loss_scaler(LossScaler)

# %% [markdown]
# The chapter's weight, whose gradient of 1 passes through float16. It scales
# down once, and goes on.

# %%
w = torch.ones(1, requires_grad=True)
optimizer, scaler = torch.optim.SGD([w], lr=0.1), LossScaler()
for _ in range(3):
    optimizer.zero_grad()
    scaler.multiply(w.half().float().sum()).backward()
    scaler.step(optimizer)
scaler.scale, round(w.item(), 1)

# %% [markdown]
# **On a GPU** each `all()` in the condition makes Python wait
# ([chapter 06](../06_devices.ipynb#cell-id=avoid-hidden-copies)). PyTorch's
# own scaler looks at all gradients on the device, and reads one number.

# %% [markdown]
# ## 8.6 Master weights
#
# *Code, 25 minutes.*
# [Exercise](../08_numerics.ipynb#cell-id=exercise-8-6)
#
# Write gradient descent for a network in bfloat16. Each parameter has a master
# in float32: a step takes `lr` times the gradient, computed in float32, off
# the master, and copies the result into the parameter. The parameters stay the
# same objects, in bfloat16, and keep their gradients. One without a gradient
# stays as it is.

# %% [markdown]
# **Idea.** A master is a detached copy in float32. `copy_` under `no_grad`
# writes its numbers into the parameter, rounds them, and leaves the object and
# its type as they are. Rounding then costs nothing for good: the master goes
# on from its own number.


# %%
class MasterSGD:
    def __init__(self, parameters, lr):
        self.parameters, self.lr = list(parameters), lr
        self.masters = [p.detach().float() for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        for p, master in zip(self.parameters, self.masters, strict=True):
            if p.grad is not None:
                master -= self.lr * p.grad.float()
                p.copy_(master)


# %%
check.master_weights(MasterSGD)

# %% [markdown]
# A weight in bfloat16 that goes from 1 to 0.9 in steps of 0.0001: without a
# master it would stay where it is.

# %%
w = nn.Parameter(torch.ones(1).bfloat16())
optimizer = MasterSGD([w], lr=0.0001)
for _ in range(1000):
    w.grad = torch.ones_like(w)
    optimizer.step()
assert_close(w.item(), 0.9, rtol=2**-8, atol=0)
w.dtype

# %% [markdown]
# ## 8.7 A norm in float16
#
# *Code, 20 minutes.*
# [Exercise](../08_numerics.ipynb#cell-id=exercise-8-7)
#
# Suppose that a chip has float16 and no float32. Write the root mean square
# norm, without a weight, so that it survives all float16 numbers, and computes
# in the type of its input. Divide each row first, so that the squares stay in
# range. What becomes of $\varepsilon$ then? A row of zeros gives zeros, and
# rows of 0.001 keep the $\varepsilon$ under the root.

# %% [markdown]
# **Idea.** With $s$ for a row's scale and $z = x / s$,
#
# $$\frac{x}{\sqrt{\overline{x^2} + \varepsilon}} =
# \frac{z}{\sqrt{\overline{z^2} + \varepsilon / s^2}}$$
#
# so $\varepsilon$ is divided by $s^2$. With the largest absolute value as $s$,
# no square is above 1. Where that is below 1, nothing can overflow, and $s =
# 1$ does: it also keeps rows of zeros from 0 divided by 0.


# %%
def rms_norm(X, eps=1e-5):
    s = X.abs().amax(dim=-1, keepdim=True).clamp(min=1)  # (n, d) -> (n, 1)
    Z = X / s
    mean_square = Z.square().mean(dim=-1, keepdim=True)  # (n, d) -> (n, 1)
    return Z * torch.rsqrt(mean_square + eps / s**2)


# %%
check.norm_in_float16(rms_norm)

# %% [markdown]
# **At the edges.** For $s$ above 255, $s^2$ is infinite in float16, and
# $\varepsilon / s^2$ is 0. It should be below $10^{-9}$, which beside a mean
# square can't be seen in float16 either.

# %%
X = torch.tensor([[60000.0, 300.0], [0.0, 0.0]]).half()
assert (X[0, 0] ** 2).isinf()
rms_norm(X)

# %% [markdown]
# ## 8.8 Decode float8
#
# *Code, 25 minutes.*
# [Exercise](../08_numerics.ipynb#cell-id=exercise-8-8)
#
# Decode the 256 codes of float8_e4m3fn with integer arithmetic, without
# PyTorch and without a table of the numbers. From the left, a code has one bit
# of sign, four bits of exponent $e$ and three of fraction $f$. It stands for
# $\pm (1 + f/8) \cdot 2^{e - 7}$; where $e$ is 0, for
# $\pm f/8 \cdot 2^{-6}$; and where all seven bits behind the sign are 1, for
# NaN.

# %% [markdown]
# **Idea.** Shift and mask: `code >> 3` drops the fraction, and `& 15` keeps
# four bits. Three cases follow, the rarest one first. With an exponent of 0
# the leading 1 is gone, so that the smallest numbers come down to 0 in equal
# steps.


# %%
def decode(code):
    sign = -1.0 if code & 128 else 1.0
    e, f = code >> 3 & 15, code & 7
    if code & 127 == 127:
        return math.nan
    if e == 0:
        return sign * f / 8 * 2**-6
    return sign * (1 + f / 8) * 2.0 ** (e - 7)


# %%
check.decode_float8(decode)

# %% [markdown]
# **What the numbers are.** Half of the positive ones are below 2. From 256 on
# there are only seven, 32 apart.

# %%
positive = [decode(code) for code in range(1, 127)]
assert sum(number < 2 for number in positive) == len(positive) / 2
[number for number in positive if number >= 256]

# %% [markdown]
# ## 8.9 A clamp and its gradient
#
# *Code, 20 minutes.*
# [Exercise](../08_numerics.ipynb#cell-id=exercise-8-9)
#
# A sample of class 1 with logit $z$ has the loss $-\log \sigma(z)$, where
# $\sigma(z)$ is `z.sigmoid()`. In float32 it is infinite for $z = -200$. Two
# repairs are popular. Predict the gradient with respect to $z$ that each gives
# at $z = -200$, and the true one. Then write the loss from `exp`, `log1p` and
# whatever takes a maximum, so that value and gradient are right for all $z$,
# at $z = 0$ too: $-\log \sigma(z) = \max(-z, 0) + \log(1 + e^{-|z|})$.

# %% [markdown]
# **Idea.** For the worst samples the repairs hide the NaN, and take the
# gradient with it: the clamp is a constant there, and the sigmoid, which is 0
# in float32, has a slope of 0. The formula needs no repair, since its exponent
# is never positive. At 0, |z| has the gradient 0, and `torch.maximum` gives
# each of two equal numbers half of the gradient: together $-1/2$, as it should
# be.


# %%
def log_loss(z):
    largest = torch.maximum(-z, torch.zeros_like(z))
    return largest + torch.log1p(torch.exp(-z.abs()))


gradients = {
    "-z.sigmoid().clamp(min=1e-7).log()": 0,
    "-(z.sigmoid() + 1e-7).log()": 0,
    "true": -1,
}

# %%
check.clamp_and_its_gradient(log_loss, gradients)

# %% [markdown]
# The gradient of all of these samples is $\sigma(z) - 1$, as it should be.

# %%
z = torch.tensor([-200.0, -1, 0, 1, 200], requires_grad=True)
(gradient,) = torch.autograd.grad(log_loss(z).sum(), z)
assert_close(gradient, z.detach().sigmoid() - 1)

# %% [markdown]
# **Shorter.** $\log(e^0 + e^{-z})$ is a `logsumexp` of two numbers, for which
# there is `torch.logaddexp`. `F.softplus(-z)` is the same function.

# %%
assert_close(torch.logaddexp(-z, torch.zeros(5)), log_loss(z))
assert_close(F.softplus(-z), log_loss(z))

# %% [markdown]
# `F.binary_cross_entropy_with_logits` takes labels of both classes, and the
# logits themselves.

# %%
labels = torch.ones(5)
loss = F.binary_cross_entropy_with_logits(z, labels, reduction="none")
assert_close(loss, log_loss(z))
