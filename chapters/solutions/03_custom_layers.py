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
# # Solutions to chapter 03
#
# To the exercises of [Write layers of your own](../03_custom_layers.ipynb).
# Each begins with its statement. Try it there first, and come here when you
# are stuck.

# %%
import copy

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import CenteredLayer, MyLinear, check, use_style

use_style()

# %% [markdown]
# ## 3.1 A quadratic layer
#
# *Code, 20 minutes.*
# [Exercise](../03_custom_layers.ipynb#cell-id=exercise-3-1)
#
# Write a layer with a weight $W$ of shape $(d, d, m)$ that takes a vector $x$
# of shape $(d,)$ to $y$ of shape $(m,)$, with
# $y_k = \sum_{i,j} W_{ijk}\, x_i x_j$. Then let it take a batch of shape
# $(n, d)$ to $(n, m)$ as well, each sample by itself. A loop would be slow:
# `torch.einsum` needs none. Check it with `gradcheck`, the weight included.
# (Adapted from section 6.5 of the book, CC BY-SA 4.0.)

# %% [markdown]
# **Idea.** The formula is already an `einsum`: give each index its letter,
# and sum over those that the result lacks. For a batch, both copies of $X$
# carry one letter $n$ more, and the result keeps it. An ellipsis in its place
# stands for any dimensions, also for none, so that one line serves a vector
# and a batch.


# %%
class QuadraticLayer(nn.Module):
    def __init__(self, d, m):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d, d, m))

    def forward(self, X):
        return torch.einsum("...i,ijk,...j->...k", X, self.weight, X)


# %%
check.quadratic_layer(QuadraticLayer)

# %% [markdown]
# `gradcheck` compares with numerical gradients, and needs double precision. It
# changes the numbers of the weight in place, so the function need not use `W`.

# %%
torch.manual_seed(0)
layer = QuadraticLayer(3, 2).double()
X = torch.randn(4, 3, dtype=torch.double, requires_grad=True)
gradcheck(lambda X, W: layer(X), (X, layer.weight))

# %% [markdown]
# **Another way.** For each $k$, $y_k = x^\top W_k x$, where $W_k$ is a matrix:
# two products, for which the last index comes first.

# %%
W = layer.weight.permute(2, 0, 1)  # (d, d, m) -> (m, d, d)
Y = (X[:, None, None] @ W @ X[:, None, :, None]).squeeze(dim=(2, 3))
assert_close(Y, layer(X))
Y.shape

# %% [markdown]
# **At the edges.** $x_i x_j = x_j x_i$, so only the symmetric part of each
# $W_k$ matters: of $d^2$ weights, $d(d+1)/2$ would do.

# %%
with torch.no_grad():
    symmetric = (layer.weight + layer.weight.transpose(0, 1)) / 2
assert_close(torch.einsum("ni,ijk,nj->nk", X, symmetric, X), layer(X))

# %% [markdown]
# ## 3.2 Half of the spectrum
#
# *Code, 20 minutes.*
# [Exercise](../03_custom_layers.ipynb#cell-id=exercise-3-2)
#
# Write a layer that returns the leading half of the Fourier coefficients of
# its input: from $(n, d)$ with even $d$ to $(n, d/2)$ complex numbers
# (`torch.fft` helps). Make one real number of the output, and show that a
# gradient reaches the input. The input is real: which of the coefficients
# that the layer drops repeat one that it keeps, as its complex conjugate? Give
# their indices for $d = 8$, where the coefficients are 0 to 7.
# (Adapted from section 6.5 of the book, CC BY-SA 4.0.)

# %% [markdown]
# **Idea.** `torch.fft.fft` transforms the last dimension of whatever shape,
# and has a backward. Cut that dimension in half. For a real input,
# coefficient $d - k$ is the complex conjugate of coefficient $k$: of the
# dropped ones for $d = 8$, 5, 6 and 7 repeat 3, 2 and 1. Coefficient 4 is its
# own partner, and is lost.


# %%
class HalfSpectrum(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X)[..., : X.shape[-1] // 2]  # (n, d) -> (n, d/2)


repeated = {5, 6, 7}

# %%
check.half_spectrum(HalfSpectrum, repeated)

# %% [markdown]
# The sum of the absolute values is one real number, and its gradient reaches
# each input.

# %%
torch.manual_seed(0)
X = torch.randn(2, 8, requires_grad=True)
HalfSpectrum()(X).abs().sum().backward()
assert X.grad.all()
X.grad.shape

# %% [markdown]
# **What is lost.** Coefficient 4 of 8 belongs to the fastest wave that eight
# numbers can hold, 1, -1, 1, -1. Such an input leaves nothing behind, which is
# why `torch.fft.rfft` keeps $d/2 + 1$ coefficients.

# %%
fastest = torch.tensor([[1.0, -1] * 4])
assert_close(HalfSpectrum()(fastest).abs(), torch.zeros(1, 4))
torch.fft.rfft(fastest).abs()

# %% [markdown]
# ## 3.3 Repair
#
# *Think, 15 minutes.*
# [Exercise](../03_custom_layers.ipynb#cell-id=exercise-3-3)
#
# This forward trains badly too:
# `F.relu(X @ self.weight.detach() + self.bias)`. Such a layer with 5 inputs
# and 3 outputs stands before an `nn.Linear(3, 1)`, in a `Sequential`. Predict
# the names of the parameters that move in one step of training, then check
# with `changed_by_a_step`, and repair the layer. What has `detach` in common
# with `.data`? Multiply `w.detach()` in place between forward and backward, as
# [chapter 02](../02_parameters.ipynb#cell-id=write-values-safely) does with
# `w.data`: what does `backward` do, and why is that safer?

# %% [markdown]
# **Idea.** `detach` gives, like `.data`, the same values in a tensor without a
# graph: no gradient passes it, and the weight doesn't move. The bias is added
# behind it, and is trained, as is the layer that follows. The repair is to use
# the parameter itself. An edit through `detach` is counted, for `detach`
# shares the count of edits with the tensor that it comes from; `backward` sees
# that a value it needs was changed, and refuses.


# %%
class RepairedLinear(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units))

    def forward(self, X):
        return F.relu(X @ self.weight + self.bias)


moved = {"0.bias", "1.weight", "1.bias"}
after_edit = "RuntimeError"

# %%
check.repair(RepairedLinear, moved, after_edit)

# %% [markdown]
# The counts can be read. An edit through `.data` leaves that of `w` as it was,
# so that `backward` computes with the new value and raises no error.

# %%
w = torch.tensor([2.0, 3], requires_grad=True)
counts = [w._version]
w.data.mul_(10)
counts.append(w._version)
w.detach().mul_(10)
[*counts, w._version]

# %% [markdown]
# ## 3.4 A layer with a memory
#
# *Code, 20 minutes.*
# [Exercise](../03_custom_layers.ipynb#cell-id=exercise-3-4)
#
# Write `RunningNorm`: `RunningCenter` without its shift, and with a running
# variance that starts at 1. In training, divide by the root of the batch's
# variance, as `X.var(dim=0)` computes it, and move both memories towards the
# batch by `momentum` of the way; in evaluation, divide by the root of the
# memory. Which of its tensors are buffers? Where do its numbers differ from
# those of `nn.BatchNorm1d`, in training and in evaluation, and why?

# %% [markdown]
# **Idea.** Both memories are buffers: they aren't trained, and must be saved
# and moved. In training the batch's own statistics are used, inside the graph,
# and their detached values are stored; in evaluation the memory takes their
# place.


# %%
class RunningNorm(nn.Module):
    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("var", torch.ones(num_features))

    def forward(self, X):
        mean, var = self.mean, self.var
        if self.training:
            mean, var = X.mean(dim=0), X.var(dim=0)  # (n, d) -> (d,)
            self.mean.lerp_(mean.detach(), self.momentum)
            self.var.lerp_(var.detach(), self.momentum)
        return (X - mean) / var.sqrt()


# %%
check.layer_with_a_memory(RunningNorm)

# %% [markdown]
# **Beside `nn.BatchNorm1d`.** In training both divide by the root of the
# variance, which has $n$ in its denominator there, and $n - 1$ here: for 4
# samples, the factor between the outputs is $\sqrt{3/4}$, about 0.866.

# %%
torch.manual_seed(0)
X = 5 * torch.randn(4, 2)
ours, theirs = RunningNorm(2), nn.BatchNorm1d(2)
assert_close(theirs(X) * 0.75**0.5, ours(X), rtol=1e-3, atol=1e-3)

# %% [markdown]
# What it stores is the variance with $n - 1$, like ours. In evaluation only
# the `eps` of 0.00001 is left, which it adds to the variance. With it a column
# of equal numbers gives 0; ours divides 0 by 0. (Its `weight` and `bias`,
# which ours lacks, start at 1 and 0, and change nothing before the first
# step.)

# %%
assert_close(theirs.running_var, ours.var)
assert_close(theirs.eval()(X), ours.eval()(X), rtol=1e-4, atol=1e-4)
flat = torch.ones(4, 2)
theirs.train()(flat)[0].tolist(), ours.train()(flat)[0].tolist()

# %% [markdown]
# **Pitfall.** A batch of one sample has no variance with $n - 1$: it is 0
# divided by 0, or `nan`. From then on the memory is `nan`, since a step from
# `nan` towards a number is `nan` again. `nn.BatchNorm1d` refuses such a batch
# in training.

# %%
try:
    theirs.train()(torch.ones(1, 2))
except ValueError as error:
    print(type(error).__name__)
torch.tensor(float("nan")).lerp(torch.tensor(1.0), 0.1)

# %% [markdown]
# ## 3.5 A better start
#
# *Explore, 15 minutes.*
# [Exercise](../03_custom_layers.ipynb#cell-id=exercise-3-5)
#
# For `Sequential(MyLinear(64, 8), MyLinear(8, 1))`, draw the histogram of this
# chapter again, with bins that fit, for weights from $N(0, 0.01^2)$ and biases
# of 0, then with biases of 1. A sample has features between 0 and 1: for how
# many of the networks does it give a gradient that isn't 0? Write the second
# start as a function for `apply`, which leaves modules other than `MyLinear`
# alone.

# %% [markdown]
# **Idea.** Small weights make each sum small, so that the bias decides. From 1
# each ReLU starts on its open side; from 0 half of the last ones are closed,
# and the sample that finds them closed gives no gradient to open them.


# %%
def init_better(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.ones_(module.bias)


can_learn = {0: "half", 1: "all"}

# %%
check.better_start(init_better, MyLinear, can_learn)

# %% [markdown]
# The histograms show it: what enters the last ReLU, for 500 networks of each
# start.


# %%
def last_values(bias):
    torch.manual_seed(0)
    sample, values = torch.rand(1, 64), []
    for _ in range(500):
        first, last = MyLinear(64, 8), MyLinear(8, 1)
        for layer in (first, last):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias)
        values.append(first(sample) @ last.weight + last.bias)
    return torch.cat(values).flatten().detach()


# %% [markdown]
# Mind the scale: with biases of 0 the values are about a ten-thousandth of
# those in the chapter, and with biases of 1 they are all near 1.

# %% mystnb={"image": {"alt": "Two histograms of the value before the last ReLU in 500 networks each. Left, biases of 0: a narrow peak around 0, half of it on each side. Right, biases of 1: a bell around 1, from about 0.9 to 1.1, no value near 0."}}
fig, axes = plt.subplots(1, 2, figsize=(7, 2.5))
for ax, bias in zip(axes, (0, 1), strict=True):
    values = last_values(bias)
    ax.hist(values, bins=30)
    ax.set(title=f"biases of {bias}", xlabel="value before the last ReLU")
plt.show()

# %% [markdown]
# **Pitfall.** With equal biases and tiny weights, the hidden units start
# nearly alike, and so do their gradients. The weights, which differ, must
# break the tie: with weights of 0 too, the units would all stay alike.

# %% [markdown]
# ## 3.6 Dropout
#
# *Code, 15 minutes.*
# [Exercise](../03_custom_layers.ipynb#cell-id=exercise-3-6)
#
# Write a layer that, in training, sets each input to 0 with probability
# $p < 1$ and divides the others by $1 - p$; in evaluation it changes nothing.
# Show that the mean is kept on average. Is $p$ a parameter, a buffer or an
# attribute?

# %% [markdown]
# **Idea.** An input stays with probability $1 - p$, so on average
# $(1 - p) \cdot x / (1 - p) = x$: the next layer sees inputs of the same mean,
# in training and in evaluation, and evaluation needs no factor. $p$ is a
# setting: nothing learns it, and a number has no device. A plain attribute
# does.


# %%
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, X):
        if not self.training:
            return X
        return X * (torch.rand_like(X) >= self.p) / (1 - self.p)


# %%
check.dropout(Dropout)

# %% [markdown]
# The mean over many draws comes close to the input.

# %%
torch.manual_seed(0)
x = torch.tensor([1.0, 2, 3])
mean = torch.stack([Dropout(0.4)(x) for _ in range(20_000)]).mean(dim=0)
assert_close(mean, x, rtol=0.03, atol=0)
[round(value, 1) for value in mean.tolist()]

# %% [markdown]
# **At the edges.** $p = 0$ changes nothing, since `torch.rand` is never below
# 0. $p = 1$ would divide 0 by 0, which is why the exercise leaves it out;
# `nn.Dropout(1)` gives zeros.

# %%
assert torch.equal(Dropout(0)(x), x)
Dropout(1)(x), nn.Dropout(1)(x)

# %% [markdown]
# ## 3.7 Where to center
#
# *Think, 5 minutes.*
# [Exercise](../03_custom_layers.ipynb#cell-id=exercise-3-7)
#
# Put `CenteredLayer` behind `nn.Flatten` and in front of it, for a batch of
# images of shape $(n, c, h, w)$. Do the two orders give the same numbers? And
# with `RowCenteredLayer`? Predict, with True or False, then try.

# %% [markdown]
# **Idea.** `CenteredLayer` takes the mean of all numbers of the batch. Their
# shape doesn't matter, and `Flatten` changes nothing else.
# `RowCenteredLayer` takes it along the last dimension: in front of `Flatten`
# that is one row of pixels, behind it a whole image.

# %%
same_numbers = {"CenteredLayer": True, "RowCenteredLayer": False}

# %%
check.where_to_center(same_numbers)

# %% [markdown]
# Two images of 2 x 2 pixels show it. In front of `Flatten`, each row of pixels
# has the mean 0; behind it, only each image has.

# %%
X = torch.tensor(
    [[[[0.0, 2], [10, 12]]], [[[1.0, 3], [1, 3]]]]
)  # (2, 1, 2, 2)
rows = (X - X.mean(dim=-1, keepdim=True)).flatten(1)
images = X.flatten(1) - X.flatten(1).mean(dim=-1, keepdim=True)
assert_close(CenteredLayer()(X).flatten(1), CenteredLayer()(X.flatten(1)))
rows, images

# %% [markdown]
# ## 3.8 Name the wrong gradients
#
# *Code, 25 minutes.*
# [Exercise](../03_custom_layers.ipynb#cell-id=exercise-3-8)
#
# Write `wrong_gradients(layer, X)`, which compares gradients with numerical
# ones. It returns the set of the names of the parameters whose gradients are
# wrong; if the gradient with respect to `X` is wrong, `"input"` is in the set,
# too. The layer may be of any kind, with parameters of its own and of children.
# Layer and `X` are in `float32`, and stay as they are. Then predict what the
# function returns for a layer that computes
# `F.relu(X @ self.weight.detach() + self.bias)`, and for `SuspectLinear` of
# this chapter with three samples and with one, if no ReLU gives 0.

# %% [markdown]
# **Idea.** Work on a copy in double precision. For each name, let `gradcheck`
# vary this one tensor, while all others stay. `functional_call` puts a tensor
# under any dotted name. The layer with `detach` lacks the gradient of its
# weight; the mean in the place of a sum shows with three samples, and with one
# it is the sum.


# %%
def wrong_gradients(layer, X):
    layer = copy.deepcopy(layer).double()
    inputs = {k: p.detach() for k, p in layer.named_parameters()}
    inputs["input"] = X.detach().double()

    def agrees(name):
        def call(tensor):
            values = {**inputs, name: tensor}
            return functional_call(layer, values, values.pop("input"))

        varied = inputs[name].clone().requires_grad_()
        return gradcheck(call, varied, raise_exception=False)

    return {name for name in inputs if not agrees(name)}


found = {"weight.detach()": {"weight"}}
found["SuspectLinear, three samples"] = {"bias"}
found["SuspectLinear, one sample"] = set()

# %%
check.name_the_wrong_gradients(wrong_gradients, found)

# %% [markdown]
# Here is a layer that cuts its weight off, in a network.


# %%
class DetachedLinear(MyLinear):
    def forward(self, X):
        return X @ self.weight.detach() + self.bias


torch.manual_seed(0)
net, X = nn.Sequential(nn.Linear(3, 2), DetachedLinear(2, 2)), torch.rand(4, 3)
wrong_gradients(net, X)

# %% [markdown]
# **Pitfall.** The check sees what the samples use. Behind a ReLU that gives 0
# for all of them, each slope is 0, the wrong one too.


# %%
class ClosedLinear(DetachedLinear):
    def forward(self, X):
        return F.relu(super().forward(X) - 1000)


wrong_gradients(ClosedLinear(3, 2), X)

# %% [markdown]
# **At the edges.** A wrong gradient is passed on to the layers in front, and to
# the input. Here the fault is in the layer 1, which has no parameter: look
# for it behind the last one that is named.


# %%
class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        return X.clone()

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


class DoubledLayer(nn.Module):
    def forward(self, X):
        return Doubled.apply(X)


net = nn.Sequential(nn.Linear(3, 2), DoubledLayer(), nn.Linear(2, 1))
sorted(wrong_gradients(net, X))

# %% [markdown]
# ## 3.9 A mask that stays
#
# *Code, 20 minutes.*
# [Exercise](../03_custom_layers.ipynb#cell-id=exercise-3-9)
#
# To *prune* a layer is to do without some of its weights. Write
# `MaskedLinear(in_units, units, mask)`, which computes $XW + b$ with those
# weights alone where `mask`, a tensor of booleans in the shape of $W$, is
# True. The others count as 0, whatever is written into them. The mask is saved
# and moved with the layer, isn't trained, and stays boolean after `double()`.
# Why isn't it enough to set these weights to 0 once, without a mask? Predict,
# with True or False: without a mask, are they 0 after one step of training?
# With it, is the gradient of a masked weight 0?

# %% [markdown]
# **Idea.** The mask can't be computed again, so it is a buffer that is saved.
# `forward` multiplies by it in each run: the masked weights count as 0, and so
# does their gradient, since the derivative of $w \cdot 0$ is 0. Weights that
# are set to 0 once get gradients like any others, and move with the first
# step.


# %%
class MaskedLinear(nn.Module):
    def __init__(self, in_units, units, mask):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.zeros(units))
        self.register_buffer("mask", mask)

    def forward(self, X):
        return X @ (self.weight * self.mask) + self.bias


happens = {"set to 0 once: 0 after a step": False}
happens["masked: the gradient is 0"] = True

# %%
check.mask_that_stays(MaskedLinear, happens)

# %% [markdown]
# A mask for the half of the weights that are the largest, as in pruning after
# training.

# %%
torch.manual_seed(0)
weight, X = torch.randn(4, 3), torch.rand(8, 4)
mask = weight.abs() > weight.abs().median()
layer = MaskedLinear(4, 3, mask)
mask.sum().item(), sorted(layer.state_dict())

# %% [markdown]
# The gradient of the others is 0.

# %%
layer(X).square().sum().backward()
assert not layer.weight.grad[~mask].any()
assert layer.weight.grad[mask].all()

# %% [markdown]
# Without a mask, they come back.

# %%
pruned = nn.Linear(4, 3)
nn.init.zeros_(pruned.weight)
pruned(X).square().sum().backward()
torch.optim.SGD(pruned.parameters(), lr=0.1).step()
(pruned.weight != 0).all().item()

# %% [markdown]
# **At the edges.** A number times 0 is 0, but infinity times 0 is `nan`. Where
# masked weights can hold such values, `torch.where` leaves them out.

# %%
with torch.no_grad():
    layer.weight[~mask] = float("inf")
W = torch.where(mask, layer.weight, 0)
layer(X).isfinite().all().item(), (X @ W).isfinite().all().item()
