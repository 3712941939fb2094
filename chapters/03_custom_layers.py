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
# # Write layers of your own
#
# PyTorch's own layers are ordinary Python classes, and a layer of yours can do
# what they do: be trained, printed, moved and saved. For that, each of its
# tensors must be kept in the right way. In this chapter you write layers, see
# them go wrong, and learn how to check one before you trust it.
#
# **You will learn** to
#
# - write a layer without parameters, and know what it does across a batch;
# - write a layer with parameters that gradients reach;
# - tell why a network answers 0, and repair it;
# - choose between a parameter, a buffer and a plain attribute;
# - check a layer, against numerical gradients and against one known to be
#   right.
#
# **In the book:** section 6.5,
# [Custom Layers](https://d2l.ai/chapter_builders-guide/custom-layer.html)
# (中文版 5.4,
# [自定义层](https://zh.d2l.ai/chapter_deep-learning-computation/custom-layer.html)).
#
# **You need** chapter 01, [Build networks from blocks](01_blocks.ipynb). The
# cells take about five seconds on a CPU, and use a GPU where there is one.

# %% [markdown]
# The first cell imports what the chapter uses and chooses the device.

# %%
import copy

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call
from torch.nn import functional as F
from torch.testing import assert_close

import d2l_helpers
from d2l_helpers import changed_by_a_step, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# ## A layer without parameters
#
# The simplest layer owns nothing and needs no `__init__`. This one subtracts
# the mean of its input.


# %%
class CenteredLayer(nn.Module):
    def forward(self, X):
        return X - X.mean()


# %% [markdown]
# The mean of 1, 2, 3, 4, 5 is 3. What should come out?

# %%
centered = CenteredLayer()
centered(torch.tensor([1.0, 2, 3, 4, 5]))

# %% [markdown]
# It works in a chain like any other layer, here the reference version. The
# linear layer may return any finite numbers: the mean after centering is 0, up
# to rounding.

# %%
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(8, 128), d2l_helpers.CenteredLayer())
net.to(device)
Y = net(torch.rand(4, 8).to(device))  # (4, 8) -> (4, 128)
f"mean {abs(Y.mean().item()):.5f} of {Y.numel()} numbers"

# %% [markdown]
# ### Whose mean is it?
#
# `X.mean()` runs over the whole tensor, and the first dimension of a batch is
# the samples. Pass one sample on its own, then beside another one.

# %%
one = torch.tensor([[1.0, 2, 3]])
two = torch.cat([one, torch.tensor([[100.0, 100, 100]])])
print("alone:     ", centered(one)[0])
print("in a batch:", centered(two)[0])

# %% [markdown]
# The answer depends on the neighbor. In training that may be wanted; when a
# model is used, it seldom is. For samples of shape $(n, d)$, a mean over each
# sample's own features avoids it.


# %%
class RowCenteredLayer(nn.Module):
    def forward(self, X):
        return X - X.mean(dim=-1, keepdim=True)  # (n, d) - (n, 1)


row_centered = RowCenteredLayer()
assert_close(row_centered(two)[:1], row_centered(one))
row_centered(two)

# %% [markdown]
# ## A layer with parameters
#
# `nn.Parameter` turns a tensor into a parameter: it gets `requires_grad=True`,
# and assigning it to an attribute registers it. Here is a linear layer
# followed by a ReLU, $\max(0, X W + b)$. In the code, `X @ W` is the product
# of the matrices $X$ and $W$.


# %%
class MyLinear(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units))

    def forward(self, X):
        return F.relu(X @ self.weight + self.bias)


# %% [markdown]
# `MyLinear(5, 3)` takes 5 features to 3. Which shapes do its parameters need
# for `X @ weight + bias`?

# %%
torch.manual_seed(0)
layer = MyLinear(5, 3).to(device)
{name: tuple(p.shape) for name, p in layer.named_parameters()}

# %% [markdown]
# Two samples of five features become two of three. The ReLU leaves nothing
# negative.

# %%
torch.manual_seed(1)
X = torch.rand(2, 5).to(device)
Y = layer(X)  # (2, 5) -> (2, 3)
assert (Y >= 0).all()
Y.shape

# %% [markdown]
# Gradients reach both parameters. The next section shows why to check this.

# %%
layer.zero_grad()
layer(X).sum().backward()
assert layer.weight.grad.any() and layer.bias.grad.any()
{name: tuple(p.grad.shape) for name, p in layer.named_parameters()}

# %% [markdown]
# ### Keep the parameters in the graph
#
# > **Pitfall.** `.data`, like `detach()`, gives the values of a parameter in a
# > tensor that autograd doesn't follow. A forward computation that reads
# > `self.weight.data` has the right output, and autograd doesn't learn that
# > `weight` took part in it. The book's own `MyLinear` is written in this way
# > (6.5.2, 中文版 5.4.2): if you have copied it, your layer doesn't learn.
# > Writing through `.data` has a pitfall too:
# > [chapter 02](02_parameters.ipynb#cell-id=write-values-safely) shows it.


# %%
class DetachedLinear(MyLinear):
    def forward(self, X):
        return F.relu(X @ self.weight.data + self.bias.data)


detached = DetachedLinear(5, 3).to(device)
detached.load_state_dict(layer.state_dict())
assert_close(detached(X), layer(X))
layer(X).requires_grad, detached(X).requires_grad

# %% [markdown]
# The values are equal, and only the first output can be differentiated. Alone,
# the second layer fails at `backward`, so the mistake is found.

# %% tags=["raises-exception"]
detached(X).sum().backward()

# %% [markdown]
# But a layer is seldom alone. Put a linear layer behind it, and the output
# requires a gradient again, thanks to that layer's parameters. Here is such a
# network with `.data`, and then the right one. `changed_by_a_step` of this
# companion makes a training step, and lists which values it has changed.

# %%
torch.manual_seed(0)
for make_layer in (DetachedLinear, MyLinear):
    net = nn.Sequential(make_layer(5, 3), nn.Linear(3, 1)).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(X).square().sum().backward()
    print(make_layer.__name__, changed_by_a_step(optimizer, net))

# %% [markdown]
# No error is raised, and half of the first network isn't trained. The last
# layer still learns, so nothing looks broken. Use the parameter itself in
# `forward`.

# %% [markdown]
# ## A model of your own layers
#
# This network, from the same section of the book, takes 64 features to one
# number. What is its answer for one sample?

# %%
torch.manual_seed(1)
dead = nn.Sequential(MyLinear(64, 8), MyLinear(8, 1)).to(device)
sample = torch.rand(1, 64).to(device)
dead(sample).item()

# %% [markdown]
# Exactly 0. Is it bad luck? Here are 1,000 such networks, and the number that
# enters the last ReLU, for the same sample.


# %%
def before_last_relu(first, last, X):
    H = first(X)  # (n, 64) -> (n, 8)
    return H @ last.weight + last.bias  # (n, 8) -> (n, 1)


# %% [markdown]
# This is the share of the values that become 0.

# %% tags=["predict"]
torch.manual_seed(0)
pairs = [(MyLinear(64, 8), MyLinear(8, 1)) for _ in range(1000)]
x = sample.cpu()
values = torch.cat([before_last_relu(*pair, x) for pair in pairs]).detach()
share = (values <= 0).float().mean().item()
assert 0.45 < share < 0.55
f"{share:.0%} of the networks answer 0"

# %% [markdown]
# Half of them answer 0, so it wasn't bad luck. The hidden values aren't
# negative, since a ReLU made them. Each weight of the last layer, and its
# bias, is as likely to be positive as negative, and so is the sum. The ReLU at
# the end turns the left half of the picture below into 0.

# %% mystnb={"image": {"alt": "A histogram of the value before the last ReLU in 1,000 random networks, with a sharp peak at 0 and tails of about equal size that reach to about -40 and 35. The half left of 0 is orange and labeled: becomes exactly 0. The half right of 0 is blue and labeled: kept."}}
bins = range(-44, 45, 2)
plt.hist(values[values <= 0], bins, color="C1", label="becomes exactly 0")
plt.hist(values[values > 0], bins, color="C0", label="kept")
plt.xlabel("value before the last ReLU")
plt.ylabel("networks")
plt.legend()
plt.show()

# %% [markdown]
# With more outputs, the zeros are harder to notice. Here are the share of ten
# outputs that are 0, and of the networks in which all ten are.

# %%
torch.manual_seed(0)
pairs = [(MyLinear(64, 8), MyLinear(8, 10)) for _ in range(1000)]
zero = torch.cat([last(first(x)) for first, last in pairs]) == 0  # (1000, 10)
shares = zero.float().mean(), zero.all(dim=1).float().mean()
assert 0.45 < shares[0] < 0.55 and shares[1] < 0.02
[f"{share:.0%}" for share in shares]

# %% [markdown]
# So the network seems to work. But where a ReLU gives 0, its slope is 0 too.
# Back to the one output of `dead`: does the sample give any gradient that
# isn't 0?

# %%
dead.zero_grad()
dead(sample).sum().backward()
{name: p.grad.any().item() for name, p in dead.named_parameters()}

# %% [markdown]
# It gives none: from this sample the network learns nothing. End in a layer
# without a ReLU, so that the network can return any number.

# %%
torch.manual_seed(1)
repaired = nn.Sequential(MyLinear(64, 8), nn.Linear(8, 1)).to(device)
repaired(sample).sum().backward()
assert (repaired(sample) != 0).all()
{name: p.grad.any().item() for name, p in repaired.named_parameters()}

# %% [markdown]
# ## What `nn.Module` does for your layers
#
# The same as for PyTorch's. Their parameters have names, also deep in a network.

# %%
net = nn.Sequential(MyLinear(64, 8), nn.Linear(8, 1))
[name for name, _ in net.named_parameters()]

# %% [markdown]
# `apply` calls a function with each module, yours too. Here it initializes
# them, with small weights from $N(0, 0.01^2)$ and biases of 0.


# %%
def init_small(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


net.apply(init_small)
assert net[0].weight.abs().max() < 0.1
net[0].bias

# %% [markdown]
# A layer can be shared: two places, one set of parameters.

# %%
shared = MyLinear(8, 8)
tied = nn.Sequential(MyLinear(64, 8), shared, shared, nn.Linear(8, 1))
len(list(tied.parameters())), len(tied.state_dict())

# %% [markdown]
# In the state dict, the shared two have a name for each place. Another layer
# can load a state dict. The data type changes in one call.

# %%
clone = MyLinear(5, 3).to(device)
clone.load_state_dict(layer.state_dict())
assert_close(clone(X), layer(X), rtol=0, atol=0)
clone.double().weight.dtype

# %% [markdown]
# Printing shows only the class name. `extra_repr` adds what a reader wants to
# know. The reference class has one.


# %%
class TalkingLinear(MyLinear):
    def extra_repr(self):
        in_units, units = self.weight.shape
        return f"in_units={in_units}, units={units}"


for cls in (MyLinear, TalkingLinear, d2l_helpers.MyLinear):
    print(cls(5, 3))

# %% [markdown]
# ## Parameter, buffer or attribute
#
# Some layers must remember what isn't trained. This one centers with a
# *running mean*: in training it uses the mean of the batch, and moves its
# memory a tenth of the way towards this mean, which is what `lerp_` does; in
# evaluation it uses the memory. `shift` is trained like any parameter.


# %%
class RunningCenter(nn.Module):
    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        self.momentum = momentum  # an attribute: a setting
        self.register_buffer("mean", torch.zeros(num_features))
        self.shift = nn.Parameter(torch.zeros(num_features))

    def forward(self, X):
        mean = self.mean
        if self.training:
            mean = X.mean(dim=0)  # (n, d) -> (d,)
            # Detached: a memory that kept each batch's graph would grow.
            self.mean.lerp_(mean.detach(), self.momentum)
        return X - mean + self.shift


# %% [markdown]
# `train()` and `eval()` set `training` for a module and all below it; a new
# module is in training. After 100 batches around (3, -1), the memory should be
# near these numbers.

# %%
torch.manual_seed(0)
running = RunningCenter(2).to(device)
for _ in range(100):
    running((torch.tensor([3.0, -1.0]) + torch.randn(64, 2)).to(device))
target = torch.tensor([3.0, -1.0], device=device)
assert_close(running.mean, target, rtol=0, atol=0.1)
[round(m, 1) for m in running.mean.tolist()]

# %% [markdown]
# In evaluation the memory is only read, and a sample gets the same answer
# alone and in a batch. In training the answers differ. Batch normalization
# works in this way.

# %%
batch = torch.tensor([[3.0, -1.0], [100.0, 100.0]]).to(device)
evaluated = copy.deepcopy(running).eval()
assert_close(evaluated(batch)[:1], evaluated(batch[:1]))
assert torch.equal(evaluated.mean, running.mean)  # only read
trained = copy.deepcopy(running).train()
assert not torch.allclose(trained(batch)[:1], trained(batch[:1]))

# %% [markdown]
# Which kind should a tensor be?
#
# | kind | optimizer | state dict | `.to`, `.double` | written |
# |---|---|---|---|---|
# | parameter | yes | yes | yes | `self.w = nn.Parameter(t)` |
# | buffer | no | yes | yes | `self.register_buffer("b", t)` |
# | buffer, not persistent | no | no | yes | the same with `persistent=False` |
# | attribute | no | no | no | `self.a = t` |
#
# `.double` changes the type of floating-point numbers; a mask of booleans
# stays one. This class has one tensor of each kind, and a mask; the cell after
# it checks the columns.


# %%
class FourKinds(nn.Module):
    def __init__(self):
        super().__init__()
        self.parameter = nn.Parameter(torch.zeros(1))
        self.register_buffer("buffer", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)
        self.attribute = torch.zeros(1)
        self.register_buffer("mask", torch.zeros(1).bool(), persistent=False)


# %% [markdown]
# Every machine has the device `meta`, whose tensors have a type and a shape, and
# no data. A tensor that moves there with its module would move to a GPU too
# ([chapter 06](06_devices.ipynb#cell-id=modules-move-as-a-whole)).

# %%
kinds = FourKinds()
assert [n for n, _ in kinds.named_parameters()] == ["parameter"]
assert list(kinds.state_dict()) == ["parameter", "buffer"]
kinds.double().to("meta")
for name in ("parameter", "buffer", "scratch", "attribute", "mask"):
    print(name, getattr(kinds, name).dtype, getattr(kinds, name).device)

# %% [markdown]
# What is trained is a parameter. What is remembered is a buffer. What can be
# computed again, such as a mask, is a buffer that isn't persistent. A setting
# that is no tensor is an attribute.

# %% [markdown]
# ## Check a layer
#
# A wrong gradient raises no error; the network only trains badly. One source
# is a backward computation of your own, of which
# [chapter 05](05_autograd.ipynb#cell-id=a-backward-computation-of-your-own)
# tells more. `forward` below computes $XW + b$. `backward` gets the gradient
# with respect to this, and returns those with respect to $X$, $W$ and $b$. One
# of the three is wrong.


# %%
class Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X, weight, bias):
        ctx.save_for_backward(X, weight)
        return X @ weight + bias

    @staticmethod
    def backward(ctx, grad):  # grad: (n, units)
        X, weight = ctx.saved_tensors
        return grad @ weight.T, X.T @ grad, grad.mean(dim=0)


class SuspectLinear(MyLinear):
    def forward(self, X):
        return F.relu(Affine.apply(X, self.weight, self.bias))


# %% [markdown]
# `gradcheck` compares with numerical gradients, slopes between two nearby
# points. It needs double precision: in single precision, rounding changes the
# small difference between the two points too much. First, the gradients with
# respect to the input:

# %%
torch.manual_seed(1)
suspect = SuspectLinear(2, 1).double()
X_double = torch.rand(3, 2).double().requires_grad_()
gradcheck(suspect, X_double)

# %% [markdown]
# With respect to its *input*, the layer passes. To check the parameters, make
# them inputs too: `functional_call(layer, parameters, X)` runs the layer with
# these tensors in place of its own. `MyLinear` passes here as well.


# %%
def check_gradients(layer, X):
    def call(X, weight, bias):
        parameters = {"weight": weight, "bias": bias}
        return functional_call(layer, parameters, X)

    return gradcheck(call, (X, layer.weight, layer.bias))


right = MyLinear(2, 1).double()
right.load_state_dict(suspect.state_dict())
check_gradients(right, X_double)

# %% [markdown]
# And the other layer?

# %% tags=["raises-exception"]
check_gradients(suspect, X_double)

# %% [markdown]
# Input 2 is the bias. With it, each of the three outputs grows at the rate 1,
# and not at 1/3: `backward` takes the mean over the samples in place of the
# sum. With a single sample the two are the same, and the mistake passes.

# %%
check_gradients(suspect, X_double[:1].detach().requires_grad_())

# %% [markdown]
# So check with several samples. The sum repairs it.


# %%
class RepairedAffine(Affine):
    @staticmethod
    def backward(ctx, grad):
        X, weight = ctx.saved_tensors
        return grad @ weight.T, X.T @ grad, grad.sum(dim=0)


class RepairedLinear(MyLinear):
    def forward(self, X):
        return F.relu(RepairedAffine.apply(X, self.weight, self.bias))


check_gradients(RepairedLinear(2, 1).double(), X_double)

# %% [markdown]
# The other check compares with a layer that is known to be right. `nn.Linear`
# keeps its weight as `(units, in_units)`, so `.T` transposes ours.

# %%
linear = nn.Linear(2, 1).double()
with torch.no_grad():
    linear.weight.copy_(right.weight.T)
    linear.bias.copy_(right.bias)
assert_close(F.relu(linear(X_double)), right(X_double))

# %% [markdown]
# ## Summary
#
# - A layer is a module that computes with tensors. Without any of its own it
#   needs only `forward`.
# - A mean over the whole tensor mixes the samples of a batch.
# - `nn.Parameter` registers a tensor and asks for its gradient. Reading it
#   through `.data` in `forward` cuts it off, silently if another layer has
#   parameters too.
# - About half of the outputs of a new network that ends in a ReLU are 0 for a
#   sample, and give no gradient.
# - Trained: a parameter. Remembered: a buffer. A setting: an attribute.
# - `gradcheck` in double precision finds a wrong gradient. Check the parameters
#   as well as the input, with several samples.

# %% [markdown]
# ## Exercises
#
# Write your answer in the place of each `...`, run the cell, and run the check
# below it. A check tells what is missing, with a case that fails, and changes
# nothing of yours. A check needs the cells before it: after a break, select it
# and choose *Run*, *Run All Above Selected Cell*. The worked solutions are on
# [a page of their own](solutions/03_custom_layers.ipynb).

# %%
from d2l_helpers import check

# %% [markdown]
# ### 3.1 A quadratic layer
#
# *Code, 20 minutes.*
# [Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3-1)
#
# Write a layer with a weight $W$ of shape $(d, d, m)$ that takes a vector $x$
# of shape $(d,)$ to $y$ of shape $(m,)$, with
# $y_k = \sum_{i,j} W_{ijk}\, x_i x_j$. Then let it take a batch of shape
# $(n, d)$ to $(n, m)$ as well, each sample by itself. A loop would be slow:
# `torch.einsum` needs none. Check it with `gradcheck`, the weight included.
# (Adapted from section 6.5 of the book, CC BY-SA 4.0.)


# %%
class QuadraticLayer(nn.Module):
    """y_k, the sum over i and j of W_ijk x_i x_j."""

    def __init__(self, d, m):
        super().__init__()
        ...

    def forward(self, X):
        # (d,) -> (m,), and (n, d) -> (n, m)
        ...


# %%
check.quadratic_layer(QuadraticLayer)

# %% [markdown]
# ### 3.2 Half of the spectrum
#
# *Code, 20 minutes.*
# [Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3-2)
#
# Write a layer that returns the leading half of the Fourier coefficients of
# its input: from $(n, d)$ with even $d$ to $(n, d/2)$ complex numbers
# (`torch.fft` helps). Make one real number of the output, and show that a
# gradient reaches the input. The input is real: which of the coefficients
# that the layer drops repeat one that it keeps, as its complex conjugate? Give
# their indices for $d = 8$, where the coefficients are 0 to 7.
# (Adapted from section 6.5 of the book, CC BY-SA 4.0.)


# %%
class HalfSpectrum(nn.Module):
    """The leading half of the Fourier coefficients."""

    def forward(self, X):
        # (n, d) -> (n, d / 2), complex
        ...


repeated = {...}  # indices from 4 to 7

# %%
check.half_spectrum(HalfSpectrum, repeated)

# %% [markdown]
# ### 3.3 Repair
#
# *Think, 15 minutes.*
# [Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3-3)
#
# This forward trains badly too:
# `F.relu(X @ self.weight.detach() + self.bias)`. Such a layer with 5 inputs
# and 3 outputs stands before an `nn.Linear(3, 1)`, in a `Sequential`. Predict
# the names of the parameters that move in one step of training, then check
# with `changed_by_a_step`, and repair the layer. What has `detach` in common
# with `.data`? Multiply `w.detach()` in place between forward and backward, as
# [chapter 02](02_parameters.ipynb#cell-id=write-values-safely) does with
# `w.data`: what does `backward` do, and why is that safer?


# %%
class RepairedLinear(nn.Module):
    """MyLinear with a forward that trains both parameters."""

    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units))

    def forward(self, X):
        # (n, in_units) -> (n, units)
        ...


moved = {...}  # the names, such as "0.weight"
after_edit = ...  # the name of the error that backward raises, or "no error"

# %%
check.repair(RepairedLinear, moved, after_edit)

# %% [markdown]
# ### 3.4 A layer with a memory
#
# *Code, 20 minutes.*
# [Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3-4)
#
# Write `RunningNorm`: `RunningCenter` without its shift, and with a running
# variance that starts at 1. In training, divide by the root of the batch's
# variance, as `X.var(dim=0)` computes it, and move both memories towards the
# batch by `momentum` of the way; in evaluation, divide by the root of the
# memory. Which of its tensors are buffers? Where do its numbers differ from
# those of `nn.BatchNorm1d`, in training and in evaluation, and why?


# %%
class RunningNorm(nn.Module):
    """Center and scale each feature, with a memory for evaluation."""

    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        ...

    def forward(self, X):
        # (n, d) -> (n, d)
        ...


# %%
check.layer_with_a_memory(RunningNorm)

# %% [markdown]
# ### 3.5 A better start
#
# *Explore, 15 minutes.*
# [Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3-5)
#
# For `Sequential(MyLinear(64, 8), MyLinear(8, 1))`, draw the histogram of this
# chapter again, with bins that fit, for weights from $N(0, 0.01^2)$ and biases
# of 0, then with biases of 1. A sample has features between 0 and 1: for how
# many of the networks does it give a gradient that isn't 0? Write the second
# start as a function for `apply`, which leaves modules other than `MyLinear`
# alone.


# %%
def init_better(module):
    """For `net.apply`: small weights and biases of 1, in each MyLinear."""
    ...


can_learn = {0: ..., 1: ...}  # by bias: "none", "half" or "all"

# %%
check.better_start(init_better, MyLinear, can_learn)

# %% [markdown]
# ### 3.6 Dropout
#
# *Code, 15 minutes.*
# [Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3-6)
#
# Write a layer that, in training, sets each input to 0 with probability
# $p < 1$ and divides the others by $1 - p$; in evaluation it changes nothing.
# Show that the mean is kept on average. Is $p$ a parameter, a buffer or an
# attribute?


# %%
class Dropout(nn.Module):
    """Drop each input with probability p, in training."""

    def __init__(self, p=0.5):
        super().__init__()
        ...

    def forward(self, X):
        # any shape to the same
        ...


# %%
check.dropout(Dropout)

# %% [markdown]
# ### 3.7 Where to center
#
# *Think, 5 minutes.*
# [Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3-7)
#
# Put `CenteredLayer` behind `nn.Flatten` and in front of it, for a batch of
# images of shape $(n, c, h, w)$. Do the two orders give the same numbers? And
# with `RowCenteredLayer`? Predict, with True or False, then try.

# %%
same_numbers = {"CenteredLayer": ..., "RowCenteredLayer": ...}

# %%
check.where_to_center(same_numbers)

# %% [markdown]
# ### 3.8 Name the wrong gradients
#
# *Code, 25 minutes.*
# [Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3-8)
#
# Write `wrong_gradients(layer, X)`, which compares gradients with numerical
# ones. It returns the set of the names of the parameters whose gradients are
# wrong; if the gradient with respect to `X` is wrong, `"input"` is in the set,
# too. The layer may be of any kind, with parameters of its own and of children.
# Layer and `X` are in `float32`, and stay as they are. Then predict what the
# function returns for a layer that computes
# `F.relu(X @ self.weight.detach() + self.bias)`, and for `SuspectLinear` of
# this chapter with three samples and with one, if no ReLU gives 0.


# %%
def wrong_gradients(layer, X):
    """The names of what has a wrong gradient, as a set."""
    # such as {"0.weight", "input"}; without a wrong gradient, set()
    ...


found = {
    "weight.detach()": {...},
    "SuspectLinear, three samples": {...},
    "SuspectLinear, one sample": {...},
}  # set() if nothing is found

# %%
check.name_the_wrong_gradients(wrong_gradients, found)

# %% [markdown]
# ### 3.9 A mask that stays
#
# *Code, 20 minutes.*
# [Solution](solutions/03_custom_layers.ipynb#cell-id=exercise-3-9)
#
# To *prune* a layer is to do without some of its weights. Write
# `MaskedLinear(in_units, units, mask)`, which computes $XW + b$ with those
# weights alone where `mask`, a tensor of booleans in the shape of $W$, is
# True. The others count as 0, whatever is written into them. The mask is saved
# and moved with the layer, isn't trained, and stays boolean after `double()`.
# Why isn't it enough to set these weights to 0 once, without a mask? Predict,
# with True or False: without a mask, are they 0 after one step of training?
# With it, is the gradient of a masked weight 0?


# %%
class MaskedLinear(nn.Module):
    """A linear layer with a mask over its weights."""

    def __init__(self, in_units, units, mask):
        super().__init__()
        ...

    def forward(self, X):
        # (*, in_units) -> (*, units)
        ...


happens = {
    "set to 0 once: 0 after a step": ...,
    "masked: the gradient is 0": ...,
}

# %%
check.mask_that_stays(MaskedLinear, happens)

# %% [markdown]
# ## Where to go next
#
# [Save and load tensors and models](04_file_io.ipynb) keeps what a network has
# learned; [Follow gradients through the graph](05_autograd.ipynb) shows where
# the gradients of your layers come from. In 16 bits a layer can answer 0 where
# it shouldn't:
# [Choose a data type, and train in mixed precision](08_numerics.ipynb) repairs
# one.
