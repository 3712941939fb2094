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
# # Reach, initialize and share parameters
#
# What a network has learned is in its parameters. To inspect them, to choose
# where they start, to use one twice or to keep one fixed, you must reach them,
# and write to them without misleading autograd.
#
# **You will learn** to
#
# - reach a parameter, its value and its gradient, by index and by name;
# - count parameters and the bytes that they take;
# - initialize a network, from a distribution of your own where you want one;
# - write values so that no gradient goes wrong;
# - share a layer, tie an embedding and an output, and freeze a layer;
# - leave a width to the first batch, where that is worth it.
#
# **In the book:** sections 6.2 to 6.4,
# [Parameter Management](https://d2l.ai/chapter_builders-guide/parameters.html),
# [Parameter Initialization](https://d2l.ai/chapter_builders-guide/init-param.html)
# and
# [Lazy Initialization](https://d2l.ai/chapter_builders-guide/lazy-init.html)
# (中文版 5.2,
# [参数管理](https://zh.d2l.ai/chapter_deep-learning-computation/parameters.html),
# 5.3,
# [延后初始化](https://zh.d2l.ai/chapter_deep-learning-computation/deferred-init.html)).
#
# **You need** chapter 01, [Build networks from blocks](01_blocks.ipynb). The
# cells take about five seconds on a CPU, and use a GPU where there is one.

# %% [markdown]
# The first cell imports what the chapter uses and chooses the device.

# %%
import copy
from collections import OrderedDict

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import d2l_helpers
from d2l_helpers import changed_by_a_step, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# ## Look into one layer
#
# One small network serves most of the chapter; a function builds fresh copies.
# Two samples of four features go in. Which shape comes out?


# %%
def make_net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


torch.manual_seed(0)
net = make_net().to(device)
X = torch.rand(2, 4).to(device)
net(X).shape

# %% [markdown]
# One number for each sample. A `Sequential` is indexed like a list, so the
# last layer is `net[2]`. Its state dict holds its parameters by name.

# %%
last = net[2].state_dict()
{name: (tuple(tensor.shape), tensor.dtype) for name, tensor in last.items()}

# %% [markdown]
# In the shape of the weight, the number of outputs comes first. All values are
# in single precision, `float32`.
#
# A parameter is a tensor of the class `nn.Parameter`. Autograd follows it: it
# has `requires_grad=True`. `detach` gives the same values in a tensor that
# autograd doesn't follow.

# %%
bias = net[2].bias
print("class:        ", type(bias).__name__)
print("requires_grad:", bias.requires_grad, bias.detach().requires_grad)
print("value:        ", round(bias.item(), 2))

# %% [markdown]
# Before `backward`, or after `zero_grad`, its gradient is `None`. What is the
# derivative of the sum of the two outputs with respect to the bias?

# %%
net.zero_grad()
assert net[2].bias.grad is None
net(X).sum().backward()
net[2].bias.grad.tolist()

# %% [markdown]
# The bias is added once for each of two samples, so the derivative is 2.

# %% [markdown]
# ## Look at all at once
#
# `named_parameters` gives pairs of a name and a parameter, for a layer or for
# a whole network. The first line is for the first layer.

# %%
print([(name, tuple(p.shape)) for name, p in net[0].named_parameters()])
for name, p in net.named_parameters():
    print(name, tuple(p.shape))

# %% [markdown]
# A name begins with the position of its layer. No name begins with `1.`, since
# the ReLU has no parameters.
#
# With a name, `get_parameter` returns the parameter itself. Is the entry of the
# state dict under this name a copy? `data_ptr`, the address of its values,
# tells.

# %%
assert net.get_parameter("2.bias") is net[2].bias
entry = net.state_dict()["2.bias"]
print("requires_grad:", entry.requires_grad)
print("same memory:  ", entry.data_ptr() == net[2].bias.data_ptr())

# %% [markdown]
# It isn't a copy: it is a second tensor on the same memory, which autograd
# doesn't follow. So a state dict changes with the network;
# [chapter 04](04_file_io.ipynb#cell-id=the-state-dict-follows-the-model) shows
# how to keep the values.

# %% [markdown]
# ### Count parameters and bytes
#
# `numel` is the number of elements of a tensor, `element_size` the bytes that
# each takes. Count by hand first.


# %%
def count(module):
    parameters = list(module.parameters())
    size = sum(p.numel() * p.element_size() for p in parameters)
    return sum(p.numel() for p in parameters), size


count(net)

# %% [markdown]
# $4 \cdot 8 + 8$ in the first layer and $8 + 1$ in the last make 49, of 4
# bytes each. Buffers aren't parameters and aren't counted (exercise 2.5).
#
# Another data type changes only the bytes. A `bfloat16` number takes 2.

# %%
for dtype in (torch.float64, torch.float32, torch.bfloat16):
    print(dtype, count(make_net().to(dtype)))

# %% [markdown]
# ## Find a parameter in a nested network
#
# Here the `MLP` of this companion is built four times, with the names `block0`
# to `block3`, and the chain of four is a block in another network. How would
# you reach the bias of the hidden layer of `block1`?

# %% tags=["look"]
blocks = nn.Sequential(
    OrderedDict((f"block{i}", d2l_helpers.MLP(4, 8, 4)) for i in range(4))
)
deep = nn.Sequential(blocks, nn.Linear(4, 1)).to(device)
deep

# %% [markdown]
# You reach it by indices and attributes, or by its *dotted name*, the same
# path as one string.

# %%
found = deep[0][1].hidden.bias
assert found is deep.get_parameter("0.block1.hidden.bias")
[name for name, p in deep.named_parameters() if p is found]

# %% [markdown]
# ## Choose where the parameters start
#
# `apply` calls a function with the modules of a network. In which order?

# %%
visited = []
net.apply(lambda module: visited.append(type(module).__name__))
visited

# %% [markdown]
# The children come first, then the module that holds them. The function is
# called for all of them, so it must choose. This one gives linear layers biases
# of 0, and weights from the normal distribution $N(0, 0.01^2)$. The underscore
# in `normal_` means that it changes its argument.
#
# `std` is the standard deviation. Some texts about this code say "variance
# 0.01": then about a third of the weights would be above 0.1 in absolute
# value. How many are?


# %%
def init_normal(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


torch.manual_seed(0)
small = make_net().apply(init_normal)
assert not small[0].bias.any()
(small[0].weight.abs() > 0.1).sum().item()

# %% [markdown]
# None is. The variance is $0.01^2$, or 0.0001.
#
# A constant is no good start. The first `assert_close` compares each row of the
# gradient with the first row, the second does so for the weight, after a step
# of training.


# %%
def init_constant(module):
    if isinstance(module, nn.Linear):
        nn.init.constant_(module.weight, 1)
        nn.init.zeros_(module.bias)


same = make_net().apply(init_constant).to(device)
same(X).sum().backward()
grad = same[0].weight.grad  # (8, 4): a row for each hidden unit
assert grad.any()
assert_close(grad, grad[:1].expand(8, 4))
torch.optim.SGD(same.parameters(), lr=0.1).step()
assert_close(same[0].weight, same[0].weight[:1].expand(8, 4))

# %% [markdown]
# All eight hidden units start equal and get the same gradient, so they stay
# equal and do the work of one. Random weights make them different.
#
# Xavier's scheme draws the weights of a layer with $n_\mathrm{in}$ inputs and
# $n_\mathrm{out}$ outputs uniformly between $-a$ and $a$, where
# $a = \sqrt{6 / (n_\mathrm{in} + n_\mathrm{out})}$. The aim: signals and
# gradients keep about the same size from layer to layer. The second function
# writes 42, which is easy to find.


# %%
def init_xavier(module):
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)


def init_42(module):
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
        nn.init.constant_(module.weight, 42)


# %% [markdown]
# `apply` also works on a part of a network, so each layer can have a scheme of
# its own. For the first layer, $a = \sqrt{6 / (4 + 8)}$.

# %%
torch.manual_seed(0)
mixed = make_net()
mixed[0].apply(init_xavier)
mixed[2].apply(init_42)
assert mixed[0].weight.abs().max() <= (6 / (4 + 8)) ** 0.5
mixed[2].weight.tolist()

# %% [markdown]
# ### A distribution of your own
#
# Suppose that a weight is to be drawn like this ($U$ is uniform):
#
# $$w \sim \begin{cases}
#     U(5, 10) & \text{with probability } 1/4 \\
#     0 & \text{with probability } 1/2 \\
#     U(-10, -5) & \text{with probability } 1/4
# \end{cases}$$
#
# Two steps are enough. (`torch.no_grad()` allows writing to a parameter, as
# *Write values safely* explains.)


# %%
def init_spread(module):
    if isinstance(module, nn.Linear):
        nn.init.uniform_(module.weight, -10, 10)
        with torch.no_grad():
            module.weight[module.weight.abs() < 5] = 0


# %% [markdown]
# Half of the numbers from $U(-10, 10)$ lie between -5 and 5 and become 0. A
# quarter lies above, a quarter below, and these stay uniform.
#
# The check needs many weights: here are four layers of 20,000, by four
# schemes. PyTorch's default for a linear layer is uniform between
# $\pm 1/\sqrt{n_\mathrm{in}}$.

# %%
torch.manual_seed(0)
schemes = {
    "N(0, 0.01²)": nn.Linear(100, 200).apply(init_normal),
    "default": nn.Linear(100, 200),
    "Xavier": nn.Linear(100, 200).apply(init_xavier),
    "custom": nn.Linear(100, 200).apply(init_spread),
}
for name, layer in schemes.items():
    print(name, "up to", round(layer.weight.abs().max().item(), 2))

# %% [markdown]
# The default goes up to $1/\sqrt{100} = 0.1$, and Xavier's scheme up to
# $\sqrt{6/300} = 0.14$. Now the custom distribution: the frequencies of its
# three cases, and no fourth case.

# %%
weights = schemes["custom"].weight.detach().flatten()
cases = torch.stack([weights <= -5, weights == 0, weights >= 5])
assert cases.any(dim=0).all()  # each weight is one of the three
frequencies = cases.float().mean(dim=1)  # (3, 20000) -> (3,)
expected = torch.tensor([0.25, 0.5, 0.25])
assert_close(frequencies, expected, rtol=0, atol=0.02)
[round(f, 2) for f in frequencies.tolist()]

# %% [markdown]
# The histograms share the vertical axis. Compare the numbers below them.

# %% mystnb={"image": {"alt": "Four histograms of 20,000 weights each, with one vertical axis, the share of the weights in a bar. N(0, 0.01^2): a narrow bell at 0, its two middle bars at 0.34, with bars only between -0.03 and 0.03. Default: a flat block at 0.05 from -0.1 to 0.1. Xavier: a flat block at 0.035 from -0.14 to 0.14. Custom, on an axis from -10 to 10: flat blocks at 0.025 from -10 to -5 and from 5 to 10, and one bar of 0.5 at 0."}}
fig, axes = plt.subplots(1, 4, sharey=True, figsize=(8, 2.5))
for ax, (name, layer) in zip(axes, schemes.items(), strict=True):
    values = layer.weight.detach().flatten()
    limit = 10 if name == "custom" else 0.2
    share = torch.full_like(values, 1 / len(values))  # of one weight
    ax.hist(values, bins=40, range=(-limit, limit), weights=share)
    ax.set(title=name, xlabel="weight")
axes[0].set_ylabel("share of the weights")
plt.show()

# %% [markdown]
# They are a bell, a block, a wider block, and two blocks with one bar between
# them, on an axis 50 times as wide, that holds half of the weights.

# %% [markdown]
# ### Ask for the class in the right way
#
# > **Pitfall.** A comparison of types, `type(module) is nn.Linear` or with
# > `==`, is false for a subclass of `nn.Linear`. Such a layer keeps its old
# > weights, and no error tells you. The book's functions compare in this way,
# > `type(m) == nn.Linear` (6.3.1, 中文版 5.2.2): if you have copied one, put
# > `isinstance` there.
#
# Here is a linear layer with a ReLU built in, and such a comparison.


# %%
class LinearReLU(nn.Linear):
    def forward(self, X):
        return F.relu(super().forward(X))


def init_42_by_type(module):
    if type(module) is nn.Linear:
        nn.init.constant_(module.weight, 42)


# %% [markdown]
# The chain holds such a layer and an ordinary one.

# %%
for init in (init_42_by_type, init_42):
    chain = nn.Sequential(LinearReLU(4, 8), nn.Linear(8, 1)).apply(init)
    print(init.__name__, [(m.weight == 42).all().item() for m in chain])

# %% [markdown]
# The comparison of types skipped the first layer. `isinstance` is true for
# subclasses too.

# %% [markdown]
# ## Write values safely
#
# A parameter is a *leaf*: autograd's graph, the record of a computation,
# starts from it. An assignment to one of its elements fails.

# %% tags=["raises-exception"]
edited = make_net()
edited[0].weight[0, 0] = 42

# %% [markdown]
# The *view* in the message is `weight[0, 0]`, which shares the memory of the
# weight; *in-place* means that values are overwritten.
#
# Under `torch.no_grad()` autograd doesn't record what is done, and the edit is
# allowed; the functions of `nn.init` work in this way. Here all weights grow
# by 1, then one becomes 42.

# %%
edited = make_net()
old = edited[0].weight.detach().clone()
with torch.no_grad():
    edited[0].weight += 1
    edited[0].weight[0, 0] = 42
assert_close(edited[0].weight[1:], old[1:] + 1)
edited[0].weight[0, 0].item()

# %% [markdown]
# > **Pitfall.** `w.data`, the same memory without autograd, allows the edit
# > too. But it hides the edit from autograd's own checks. The book edits
# > `net[0].weight.data` (6.3.1 and 6.2.2, 中文版 5.2.2 and 5.2.3). There it does
# > no harm, since no `backward` follows.
#
# The gradient of $w_1^2 + w_2^2$ at $(2, 3)$ is $(4, 6)$. Between forward and
# backward, the next cell multiplies `w` by 10 through `.data`.

# %%
w = torch.tensor([2.0, 3.0], requires_grad=True)
y = (w * w).sum()
w.data *= 10
y.backward()
w.grad

# %% [markdown]
# The gradient isn't that of `y`, and no error says so: `backward` has read the
# new values. Under `no_grad`, autograd counts the edit as a *version*, and
# `backward` refuses.
# ([Chapter 05](05_autograd.ipynb#cell-id=what-the-graph-keeps) explains
# what it keeps and counts.) The cell prints the error without its hint.

# %%
w = torch.tensor([2.0, 3.0], requires_grad=True)
y = (w * w).sum()
with torch.no_grad():
    w *= 10
try:
    y.backward()
except RuntimeError as error:
    print(str(error).partition(" Hint")[0])
assert w.grad is None

# %% [markdown]
# An error is better than a wrong number. Write before the forward computation
# or after `backward`, as optimizers do.

# %%
w = torch.tensor([2.0, 3.0], requires_grad=True)
(w * w).sum().backward()
with torch.no_grad():
    w *= 10
w.grad, w.tolist()

# %% [markdown]
# ## Share a layer
#
# A layer that stands in two places has one set of parameters, which are then
# called *tied*. Here `shared` stands at 2 and at 4. How often will its weight
# be listed?

# %%
torch.manual_seed(0)
shared = nn.Linear(8, 8)
front, back = [nn.Linear(4, 8), nn.ReLU()], [nn.ReLU(), nn.Linear(8, 1)]
tied = nn.Sequential(*front, shared, nn.ReLU(), shared, *back).to(device)
assert tied[2] is tied[4]
print([name for name, _ in tied.named_parameters()])
print(list(tied.state_dict()))

# %% [markdown]
# It is listed once among the parameters, twice in the state dict, with a name
# for each place. `count` goes through `parameters()`. By how much is a sum
# over the state dict too large?

# %%
in_state_dict = sum(t.numel() for t in tied.state_dict().values())
assert in_state_dict - count(tied)[0] == shared.weight.numel() + 8
count(tied)[0], in_state_dict

# %% [markdown]
# It is too large by 72: the $8 \cdot 8$ weights and 8 biases of the shared
# layer.

# %% [markdown]
# ### The gradient of a shared layer
#
# The output depends on a shared weight through two places. Which gradient does
# the weight get? To see, build the network with two separate layers there.
# Both load the shared values, so the output is the same.

# %%
untied = nn.Sequential(
    nn.Linear(4, 8),
    nn.ReLU(),
    nn.Linear(8, 8),
    nn.ReLU(),
    nn.Linear(8, 8),
    nn.ReLU(),
    nn.Linear(8, 1),
).to(device)
untied.load_state_dict(tied.state_dict())
assert untied[2] is not untied[4]
assert_close(untied(X), tied(X))

# %% [markdown]
# The separate layers get different gradients, and the shared layer gets the
# sum of the two.

# %%
for network in (tied, untied):
    network.zero_grad()
    network(X).square().sum().backward()
for name in ("weight", "bias"):
    first, second = (untied[i].get_parameter(name).grad for i in (2, 4))
    assert first.any() and second.any() and not first.allclose(second)
    assert_close(tied[2].get_parameter(name).grad, first + second)

# %% [markdown]
# ### Tie an embedding and an output
#
# A network that predicts the next word begins with an *embedding*, which has a
# row of features for each word, and ends with a score for each word. With 100
# words and 8 features, both weights have the shape $(100, 8)$.


# %%
class NextWord(nn.Module):
    def __init__(self, num_words=100, num_features=8):
        super().__init__()
        self.embedding = nn.Embedding(num_words, num_features)
        self.out = nn.Linear(num_features, num_words, bias=False)

    def forward(self, words):
        return self.out(self.embedding(words))  # (n,) -> (n, 8) -> (n, 100)


# %% [markdown]
# They can be one parameter: assign it under the second name. The words 3 and 7
# are read below. How many rows of the embedding get a gradient, without the
# tie and with it?

# %%
torch.manual_seed(0)
model = NextWord().to(device)
words, following = torch.tensor([[3, 7, 3], [7, 3, 1]]).to(device)
for tie in (False, True):
    if tie:
        model.out.weight = model.embedding.weight
    model.zero_grad()
    F.cross_entropy(model(words), following).backward()
    rows = model.embedding.weight.grad.any(dim=1).sum().item()
    print(f"tied: {tie}, {rows} rows, {count(model)[0]} parameters")

# %% [markdown]
# Without the tie, the two that were read. With it all of them, since each row
# also gives its word a score.
#
# > **Pitfall.** One of the two starts is lost. An embedding is drawn from
# > $N(0, 1)$, the weight of this linear layer from $\pm 1/\sqrt{8}$.
#
# A network that knows nothing should find each word equally probable. Then the
# loss is $\log 100 = 4.6$. Which start comes near?

# %%
for kept in ("embedding", "out"):
    torch.manual_seed(0)
    model, words = NextWord().to(device), torch.randint(100, (2, 1000))
    weight = getattr(model, kept).weight
    model.embedding.weight = model.out.weight = weight
    loss = F.cross_entropy(model(words[0].to(device)), words[1].to(device))
    print(f"{kept}: {loss.item():.1f}")

# %% [markdown]
# That of the output does. The embedding's numbers make scores that are far too
# sure. Keep the smaller start, or initialize the weight after you have tied it.

# %% [markdown]
# ## Freeze a layer
#
# A *frozen* layer keeps its parameters while others are trained, such as a new
# last layer. `requires_grad_(False)` freezes all parameters of a module, here
# of the block `net` in a `NestMLP`.

# %%
torch.manual_seed(0)
nest = d2l_helpers.NestMLP().to(device)
batch = torch.rand(2, 20).to(device)
nest.net.requires_grad_(False)
[name for name, p in nest.named_parameters() if p.requires_grad]

# %% [markdown]
# The optimizer gets the other parameters. The frozen block should get no
# gradient, and keep its values. `changed_by_a_step` of this companion makes a
# step and lists the entries of the state dict that it has changed.

# %%
tuned = copy.deepcopy(nest)
rest = [p for p in tuned.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(rest, lr=0.1)
tuned(batch).square().sum().backward()
assert all(p.grad is None for p in tuned.net.parameters())
changed_by_a_step(optimizer, tuned)

# %% [markdown]
# > **Pitfall.** A layer that is frozen in the middle of training still has its
# > last gradient, and an optimizer that holds the layer uses it.
#
# In this copy, `requires_grad_()` makes all parameters trainable again, and
# the optimizer holds them all. The block is frozen after a `backward`. Which
# parameters will each of the two steps change?

# %%
late = copy.deepcopy(nest).requires_grad_()
optimizer = torch.optim.SGD(late.parameters(), lr=0.1)
late(batch).square().sum().backward()
late.net.requires_grad_(False)
print("gradients left:   ", changed_by_a_step(optimizer, late))
optimizer.zero_grad()
late(batch).square().sum().backward()
print("gradients cleared:", changed_by_a_step(optimizer, late))

# %% [markdown]
# The first step changed all six tensors, the frozen ones too. `zero_grad` sets
# gradients to `None`, and the optimizer leaves parameters without one alone.
#
# > **Pitfall.** Freezing stops the optimizer, and not what a layer does itself.
#
# Batch normalization keeps a running mean of what it sees in training
# ([chapter 03](03_custom_layers.ipynb#cell-id=parameter-buffer-or-attribute)
# builds such a layer). Here its parameters are frozen. Does the mean move?

# %%
for training in (True, False):
    norm = nn.BatchNorm1d(20).requires_grad_(False).to(device)
    norm.train(training)(batch)
    moved = norm.running_mean.any().item()
    print("in training:  " if training else "in evaluation:", moved)

# %% [markdown]
# In training it does. Call `eval()` on such a layer, and again after each
# `train()` of the network.

# %% [markdown]
# ## Leave the width to the first batch
#
# A linear layer must know how many features will come in. A *lazy* layer is
# told only its number of outputs, and waits for the first batch.

# %%
lazy = nn.Sequential(nn.LazyLinear(256), nn.ReLU(), nn.LazyLinear(10))
print(lazy)
lazy[0].weight

# %% [markdown]
# The 0 stands for an unknown number. The weight has no values, and not even a
# shape.

# %% tags=["raises-exception"]
lazy[0].weight.shape

# %% [markdown]
# The first batch decides. This one has 20 features. It goes into a copy, so
# that `lazy` stays as it is. How many inputs will the last layer have?

# %%
batch_20 = torch.ones(2, 20)
shaped = copy.deepcopy(lazy)
shaped(batch_20)  # (2, 20) -> (2, 256) -> (2, 10)
print([tuple(p.shape) for p in shaped.parameters()])
shaped

# %% [markdown]
# It has 256, from the layer before it. Each lazy layer has become an
# ordinary `Linear`, and a batch of another width fails.

# %%
try:
    shaped(torch.ones(2, 30))
except RuntimeError as error:
    print(str(error).removeprefix("addmm: "))  # as torch 2.15 begins it

# %% [markdown]
# `20x256` is the transposed weight. Exercise 2.9 takes inputs of any width.
#
# > **Pitfall.** `nn.LazyLinear` is a subclass of `nn.Linear` too. The
# > comparison of types skips a lazy layer, and the first batch gives it the
# > default weights.

# %%
torch.manual_seed(0)
skipped = copy.deepcopy(lazy).apply(init_42_by_type)
skipped(batch_20)
assert skipped[0].weight.abs().max() < 0.224  # 1 / sqrt(20) = 0.2236
(skipped[0].weight == 42).any().item()

# %% [markdown]
# No weight of the first layer is 42. `isinstance` finds the layer, and an
# error says that there is nothing to write to yet.

# %% tags=["raises-exception"]
copy.deepcopy(lazy).apply(init_42)

# %% [markdown]
# So first run a batch, then initialize. A lazy layer needs only the width of
# the batch, not its numbers.

# %%
ready = copy.deepcopy(lazy)
ready(batch_20)
ready.apply(init_42)
[(ready[i].weight == 42).all().item() for i in (0, 2)]

# %% [markdown]
# Other layers may keep something of the numbers, as batch normalization does
# in training.

# %%
torch.manual_seed(0)
for training in (True, False):
    normed = nn.Sequential(nn.LazyLinear(8), nn.BatchNorm1d(8))
    normed.train(training)(batch_20)
    moved = normed[1].running_mean.any().item()
    print("in training:  " if training else "in evaluation:", moved)

# %% [markdown]
# Give a network with such layers its first batch after `eval()`, and call
# `train()` before you train it.

# %% [markdown]
# ### When to be lazy
#
# It is worth it where a width follows from other settings and is tedious to
# compute. `nn.Conv2d` below, a layer for images, slides a window of 3 x 3
# pixels over each image in steps of 2, and makes four images of it.

# %%
vision = nn.Sequential(
    nn.Conv2d(1, 4, kernel_size=3, stride=2),
    nn.ReLU(),
    nn.Flatten(),
    nn.LazyLinear(10),
)
try:
    count(vision)
except ValueError as error:
    print(str(error).partition(" in ")[0])
vision(torch.ones(2, 1, 28, 28))
vision[-1]

# %% [markdown]
# Four images of 13 x 13 pixels are 676 numbers. But before the first batch
# there is nothing to count, to initialize or to compare, and a wrong first
# batch decides without an error:

# %%
wrong = copy.deepcopy(lazy)
wrong(torch.ones(2, 30))
wrong[0]

# %% [markdown]
# So write down a width that you know. Where you don't, run a batch where the
# network is built, and hand out an ordinary one. Exercise 2.11 writes a
# function for this.

# %% [markdown]
# ## Summary
#
# - A parameter has a value, a gradient (`None` at first) and a flag
#   `requires_grad`. It is reached by index or by its dotted name.
# - `parameters()` gives a shared parameter once, the state dict gives it once
#   for each place.
# - `apply` calls a function with each module of a network, children first.
#   Choose with `isinstance`; a comparison of types skips subclasses and lazy
#   layers.
# - Units that start equal get equal gradients and stay equal.
# - Write under `torch.no_grad()`, not between forward and backward. Through
#   `.data`, that can give wrong gradients without an error.
# - A shared layer gets the sum of the gradients from its places. An embedding
#   and an output can be tied by assignment; one of the two starts is kept.
# - To freeze a layer, call `requires_grad_(False)` and clear its gradients. Its
#   running averages stop in evaluation mode.
# - A lazy layer gets its shape from the first batch, once. Run it where the
#   network is built, in evaluation mode if a layer keeps averages, and
#   initialize after that.

# %% [markdown]
# ## Exercises
#
# Write your answer in the place of each `...`, run the cell, and run the check
# below it. A check tells what is missing, with a case that fails, and changes
# nothing of yours. A check needs the cells before it: after a break, select it
# and choose *Run*, *Run All Above Selected Cell*. The worked solutions are on
# [a page of their own](solutions/02_parameters.ipynb).

# %%
from d2l_helpers import check

# %% [markdown]
# ### 2.1 Every way to a bias
#
# *Code, 10 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-1)
#
# Write `overview(net)`, which lists the name, the shape and the mean absolute
# value of each parameter, and run it on a `NestMLP`. Then reach the bias of
# the second linear layer in its block `net` in three ways, and show that they
# give one object.


# %%
def overview(net):
    """A list of (name, shape, mean absolute value), one per parameter."""
    # the name as in named_parameters, the shape a tuple, the mean a number
    ...


def bias_in_three_ways(nest):
    """The bias of the second linear layer in nest.net, three times."""
    # a list of three: each the parameter itself, reached in its own way
    ...


# %%
check.every_way_to_a_bias(overview, bias_in_three_ways)

# %% [markdown]
# ### 2.2 Watch a shared layer learn
#
# *Explore, 25 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-2)
#
# Build a network that takes $(n, 4)$ to $(n, 1)$, with one `Linear(8, 8)` in
# two places: make it once, and call it as a module in both. Use no dropout.
# Train the network for 20 steps, each on all samples, with `F.mse_loss` as the
# loss and `torch.optim.SGD` or `Adam`, at one learning rate. The data are 64
# random samples; $y = x_1 x_2$ is the product of the first two features, in
# the shape $(64, 1)$. After each step record the norm of each parameter, and
# of the gradient that changed it. Assert at the end that both places still
# hold the same values. Name one thing that sharing gains, and one that it
# loses.


# %%
def make_shared():
    """A network with one Linear(8, 8) in two places."""
    # (n, 4) -> (n, 1)
    ...


def train_shared(net, X, y, num_steps=20):
    """Train net in place; return a list with an entry for each step.

    An entry is a dict from the name of each parameter to a pair of numbers:
    the norm of the parameter after the step, and that of its gradient.
    """
    # X: (n, 4), y: (n, 1), both where net is
    ...


# %%
check.watch_a_shared_layer_learn(make_shared, train_shared)

# %% [markdown]
# ### 2.3 Another distribution
#
# *Code, 15 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-3)
#
# Write a function for `apply` that draws each weight of a linear layer from
# $N(2, 1)$ with probability 1/3, and sets it to -1 otherwise. It writes into
# the weights that are there; biases and modules of other kinds stay as they
# are. On at least 10,000 weights, check the frequencies to within 0.02, and
# mean and standard deviation of the weights that were drawn to within 0.1.


# %%
def init_mixture(module):
    """For `net.apply`: N(2, 1) with probability 1/3, else -1."""
    ...


# %%
check.another_distribution(init_mixture)

# %% [markdown]
# ### 2.4 All but the last
#
# *Code, 25 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-4)
#
# Write `freeze_all_but_last(net)` for a `Sequential`. It freezes, in `net`
# itself, each parameter that isn't in the last module, and returns a list of
# those that remain to be trained. A last module without parameters, such as a
# ReLU, doesn't count: the one that stays trainable is the last of `net[0]`,
# `net[1]`, ... that has any. A parameter of it that is used in another place
# too stays trainable there. If `net` was frozen before, this last module is
# made trainable.
#
# The function may be called between `backward` and `step`. If the optimizer
# holds all parameters, this step must move only those that remain.
#
# Show by an exact comparison that 10 steps of `torch.optim.Adam` move these
# alone. What would a version do that takes `net[-1]`, if that is a ReLU?


# %%
def freeze_all_but_last(net):
    """Freeze what isn't in the last module that has parameters.

    Return a list of the parameters that remain to be trained.
    """
    ...


# %%
check.all_but_the_last(freeze_all_but_last)

# %% [markdown]
# ### 2.5 Bytes
#
# *Code, 20 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-5)
#
# Write `num_bytes(net)`, the bytes that the parameters and buffers of a
# network take. Memory that two of them share counts once, also where one is a
# view of the other: `untyped_storage()` of a tensor is the memory behind it.
# Compare it with your count by hand for `tied` of this chapter, for
# `FixedHiddenMLP()` of this companion, and for a module whose one buffer, 10
# numbers in `float32`, is registered under two names.


# %%
def num_bytes(net):
    """The bytes of parameters and buffers, shared memory once."""
    ...


by_hand = {"tied": ..., "FixedHiddenMLP": ..., "two names": ...}  # bytes

# %%
check.count_bytes(num_bytes, by_hand)

# %% [markdown]
# ### 2.6 Only one width is given
#
# *Think, 5 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-6)
#
# Build a `Sequential` of `Linear(20, 256)`, ReLU and `LazyLinear(10)`. Which
# parameters have values before the first batch? Then give the network a batch
# of the wrong width, $(2, 30)$, and after its error one of the right width,
# $(2, 20)$. Does the weight of the lazy layer have a shape after each of the
# two? Predict, the first by a set of names, then try.

# %%
with_values = {...}  # the names, such as "0.weight"
has_shape = {"after (2, 30)": ..., "after (2, 20)": ...}  # True or False

# %%
check.only_one_width_is_given(with_values, has_shape)

# %% [markdown]
# ### 2.7 Other starts
#
# *Explore, 20 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-7)
#
# Choose two functions of `nn.init` that this chapter doesn't use, and that
# need no argument but the weight. Find in their documentation what they draw,
# and write a test of each, for a weight of shape $(200, 100)$: for example of
# its standard deviation, or of whether its columns are orthogonal. A test
# accepts what its function drew. It refuses the same weight times 2 or divided
# by 2, and the weight that `nn.Linear(100, 200)` has at its start. The weights
# that the check gives to your tests are on the CPU.


# %%
first_start = ...  # a function of nn.init
second_start = ...  # another one


def is_first(weight):
    """Whether first_start may have drawn the weight, True or False."""
    # weight: (200, 100)
    ...


def is_second(weight):
    """Whether second_start may have drawn the weight, True or False."""
    # weight: (200, 100)
    ...


# %%
check.other_starts(first_start, is_first, second_start, is_second)

# %% [markdown]
# ### 2.8 A tie that breaks
#
# *Think, 15 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-8)
#
# Tie two layers `Linear(4, 4)`, `a` and `b`, by `b.weight = a.weight`, in a
# network `nn.Sequential(a, b)`. Which of these keep the tie: `copy.deepcopy`
# of the network, its `load_state_dict` with the state dict of another such
# network, its `double()`, `b.weight = nn.Parameter(...)`, deep copies of `a`
# and `b` one by one? Predict, with True where the two weights are still one
# object, then test with `is`.

# %%
still_tied = {
    "deepcopy of the network": ...,
    "load_state_dict": ...,
    "double": ...,
    "new nn.Parameter": ...,
    "deep copies one by one": ...,
}

# %%
check.tie_that_breaks(still_tied)

# %% [markdown]
# ### 2.9 Inputs of any width
#
# *Code, 20 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-9)
#
# Write a module that takes $(n, d)$ to $(n, 1)$ for any $d$, with a number of
# parameters that doesn't depend on $d$: put each feature through the same
# small network, from 1 number to 1 and with a hidden layer, and average. Run
# it with $d = 5$ and $d = 7$. Does the output change if the features of a
# sample change places?


# %%
class AnyWidth(nn.Module):
    """The average of f(x_1), ..., f(x_d), with one small network f."""

    def __init__(self, num_hiddens=8):
        super().__init__()
        ...

    def forward(self, X):
        # (n, d) -> (n, 1)
        ...


output_changes = ...  # True or False

# %%
check.inputs_of_any_width(AnyWidth, output_changes)

# %% [markdown]
# ### 2.10 More words
#
# *Code, 25 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-10)
#
# A tied `NextWord` has learned some words, and gets more. Write `grow(model,
# num_words)`, which changes the model itself: its embedding and its output
# serve `num_words` words, also when they are printed, and have one parameter
# again. The rows of the old words keep their values, and each new row is the
# mean of the old ones. Data type and `requires_grad` stay. An optimizer was
# built before, with `model.parameters()`: does it train the rows of the old
# words after `grow`, or those of the new ones? Predict, with True or False.


# %%
def grow(model, num_words):
    """Let a tied model serve num_words words, in place."""
    # model.embedding: nn.Embedding, model.out: nn.Linear, without a bias
    ...


trained_by_old_optimizer = {"old rows": ..., "new rows": ...}

# %%
check.more_words(grow, trained_by_old_optimizer)

# %% [markdown]
# ### 2.11 Shape a lazy network
#
# *Code, 20 minutes.*
# [Solution](solutions/02_parameters.ipynb#cell-id=exercise-2-11)
#
# Write `shape(net, X)`, which runs the batch `X` so that the lazy layers of a
# network get their widths, and returns the names of the parameters that have
# got their shape by it. It changes nothing else: buffers such as a running
# mean keep their values, each module stays in the mode it is in, training or
# evaluation, and dropout draws no random number. If the batch doesn't fit, the
# error of PyTorch comes, and the modes are still as they were. (`is_lazy` of
# `torch.nn.parameter` tells whether a parameter waits for its shape.)


# %%
def shape(net, X):
    """Give the lazy layers their widths; the names of their parameters."""
    # a list of names, such as ["0.weight", "0.bias"]
    ...


# %%
check.shape_a_lazy_network(shape)

# %% [markdown]
# ## Where to go next
#
# [Write layers of your own](03_custom_layers.ipynb) makes new parameters.
# [Save and load tensors and models](04_file_io.ipynb) writes them to a file.
# [Follow gradients through the graph](05_autograd.ipynb) shows what freezing
# stops, and why autograd refuses some edits.
# [Know what training keeps, and start a deep network](10_memory.ipynb) counts
# what parameters cost in training, and starts deep networks.
