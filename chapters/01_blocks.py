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
# # Build networks from blocks
#
# A network of a hundred layers is written as a few blocks, repeated and
# nested. PyTorch has one class for all of these sizes, `nn.Module`. Here you
# write modules yourself, see what `nn.Module` does for you, and what it can't
# see.
#
# **You will learn** to
#
# - write a module: its parts in `__init__`, its computation in `forward`;
# - chain modules as `nn.Sequential` does, even one that stands there twice;
# - use constants, loops and branches in a forward computation;
# - add the input of a block to its output;
# - keep modules in lists and dictionaries so that their parameters are found;
# - build a network from a configuration;
# - nest blocks, and follow the shapes through an image classifier.
#
# **In the book:** section 6.1,
# [Layers and Modules](https://d2l.ai/chapter_builders-guide/model-construction.html)
# (中文版 5.1,
# [层和块](https://zh.d2l.ai/chapter_deep-learning-computation/model-construction.html)).
#
# **You need** PyTorch tensors and a first linear regression. The cells take
# about five seconds on a CPU, and use a GPU where there is one.

# %% [markdown]
# The first cell imports what the chapter uses and chooses the device. Random
# numbers are drawn on the CPU and then moved: from the same seed, a GPU draws
# others ([chapter 06](06_devices.ipynb#cell-id=get-the-same-numbers) shows
# it).

# %%
import json
from collections import OrderedDict
from itertools import pairwise

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import d2l_helpers
from d2l_helpers import draw_modules, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# ## Layer, block and model are one kind of thing
#
# Here are a network of three layers and a batch of two samples with 20
# features each. `nn.Linear(20, 256)`, a *fully connected layer*, is linear
# regression with 256 outputs; `nn.ReLU`, an *activation*, replaces negative
# numbers by 0. `to` returns a tensor on the device, and moves a module in
# place. Which shape will the output have?

# %%
torch.manual_seed(0)
X = torch.rand(2, 20).to(device)
net = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
net.to(device)
net(X).shape

# %% [markdown]
# Each sample has become 10 numbers. The next cell shows the same of the first
# layer and of the whole network: how many modules it holds directly (its
# *children*), how many parameter tensors it has, those of its children
# included, and the shape of its output.

# %%
for module in (net[0], net):
    print(
        f"{type(module).__name__}:",
        f"{len(list(module.children()))} children,",
        f"{len(list(module.parameters()))} parameter tensors,",
        f"output {tuple(module(X).shape)}",
    )

# %% [markdown]
# A *layer*, a *block* of layers and a whole *model* are all modules: objects
# with parameters, child modules and a forward computation. This is why blocks
# can be put into blocks.

# %% [markdown]
# ## Write a module
#
# You write two methods. `__init__` creates the parts, `forward` computes with
# them. `super().__init__()` comes first: it creates the registry in which the
# parts are recorded. This *multilayer perceptron* (MLP) is the network above:
# `F.relu` is the ReLU as a function.


# %%
class MLP(nn.Module):
    def __init__(self, num_inputs=20, num_hiddens=256, num_outputs=10):
        super().__init__()
        self.hidden = nn.Linear(num_inputs, num_hiddens)
        self.out = nn.Linear(num_hiddens, num_outputs)

    def forward(self, X):
        return self.out(F.relu(self.hidden(X)))


# %% [markdown]
# Assigning a module to an attribute registers it under the attribute's name.
# Printing goes through the registry.

# %%
torch.manual_seed(0)
mlp = MLP().to(device)
mlp

# %% [markdown]
# The *state dict* of a module is a dictionary from names to tensors, its
# parameters among them. This companion has a reference version of the book's
# classes. Its parameters have the names of yours, so it can load their values.
# `assert_close` raises an error unless the two outputs agree.

# %%
reference = d2l_helpers.MLP().to(device)
reference.load_state_dict(mlp.state_dict())
assert_close(reference(X), mlp(X))

# %% [markdown]
# There is no `backward` method. Autograd, the part of PyTorch that
# differentiates, records the operations that `forward` runs. At first, or
# after `zero_grad`, every gradient is `None`; after `backward`, each has the
# shape of its parameter.

# %%
mlp.zero_grad()
assert all(p.grad is None for p in mlp.parameters())
mlp(X).sum().backward()
{name: tuple(p.grad.shape) for name, p in mlp.named_parameters()}

# %% [markdown]
# Without `super().__init__()`, the registry doesn't exist when the first layer
# arrives, and PyTorch says so.


# %% tags=["raises-exception"]
class NoInitMLP(nn.Module):
    def __init__(self):
        self.hidden = nn.Linear(20, 256)


NoInitMLP()

# %% [markdown]
# ### Call the module, not its `forward`
#
# A *hook* is a function that you register on a module and that PyTorch runs
# for you. This one counts its runs. The computation happens twice below.

# %%
calls = 0


def count_call(module, args, output):
    global calls
    calls += 1


handle = mlp.register_forward_hook(count_call)
assert_close(mlp(X), mlp.forward(X))
handle.remove()
calls

# %% [markdown]
# The hook ran once: the outputs are equal, but `mlp.forward(X)` skips the
# hooks of `mlp`. Those of the layers inside still run, since `forward` calls
# the layers.

# %%
watched, ran = MLP().to(device), []
for name, module in watched.named_modules():  # "" is the name of the whole
    module.register_forward_hook(lambda *_, name=name: ran.append(name))
watched.forward(X)
ran

# %% [markdown]
# (`*_` takes all arguments of the hook, and `name=name` keeps the name of this
# round.) Many tools work through hooks, so call the module.

# %% [markdown]
# ## Chain modules
#
# `nn.Sequential` feeds each module with the output of the one before it. Your
# own version takes nine lines. `add_module` registers a module under a name;
# `_modules` is the registry, a dictionary that keeps the order. (The Chinese
# edition, in 5.1.2, writes into `_modules` itself; `add_module` also refuses
# what isn't a module.)


# %%
class MySequential(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        for i, block in enumerate(blocks):
            self.add_module(str(i), block)

    def forward(self, X):
        for block in self._modules.values():
            X = block(X)
        return X


# %% [markdown]
# The positions serve as names. Look at the keys of the registry.

# %%
torch.manual_seed(0)
chain = MySequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
chain.to(device)
chain._modules

# %% [markdown]
# The names of parameters are made of these keys and are the same as in
# `nn.Sequential`. Weights therefore load from one into the other, and the
# outputs agree.

# %%
theirs = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
theirs.to(device).load_state_dict(chain.state_dict())
assert_close(theirs(X), chain(X))
list(theirs.state_dict())

# %% [markdown]
# ### Give the blocks names
#
# The name `hidden.weight` says more than `0.weight`. The reference class, like
# `nn.Sequential`, also takes an `OrderedDict` from names to blocks. A block
# that is added later runs last.

# %%
named = d2l_helpers.MySequential(
    OrderedDict(hidden=nn.Linear(20, 256), activation=nn.ReLU())
)
named.add_module("out", nn.Linear(256, 10))
named

# %% [markdown]
# It can be indexed and sliced like a list. A slice is again a chain, of the
# same blocks under the same names.

# %%
print(len(named), "blocks, the last one is", named[-1])
list(named[1:].state_dict())

# %% [markdown]
# ### Repeat a block
#
# > **Pitfall.** `children()` seems to be the natural way to walk through the
# > blocks, and the English edition of the book does so, in 6.1.2. It gives
# > each module once, even if it is registered several times.
#
# The chain below applies one linear layer three times, with ReLUs between.
# How many of its five blocks will run if `forward` walks through
# `children()`?


# %%
class ForgetfulSequential(MySequential):
    def forward(self, X):
        for block in self.children():
            X = block(X)
        return X


torch.manual_seed(0)
layer, relu = nn.Linear(20, 20).to(device), nn.ReLU()
blocks = (layer, relu, layer, relu, layer)
forgetful = ForgetfulSequential(*blocks)
print(len(list(forgetful.children())), "of", len(blocks), "blocks run")

# %% [markdown]
# Two run, and no error is raised, because every shape fits. But the result is
# wrong. `MySequential`, which walks through the registry, agrees with
# `nn.Sequential`.

# %%
expected = nn.Sequential(*blocks)(X)
assert not torch.allclose(forgetful(X), expected)
assert_close(MySequential(*blocks)(X), expected)

# %% [markdown]
# ## Put code into the forward computation
#
# `forward` is Python. This module multiplies by a constant matrix (`@` is the
# product of matrices), uses one layer twice, halves its values until they are
# small, and returns a single number for the batch. `register_buffer` keeps the
# matrix in the module without training it.


# %%
class FixedHiddenMLP(nn.Module):
    def __init__(self, num_features=20):
        super().__init__()
        self.register_buffer(
            "rand_weight", torch.rand(num_features, num_features)
        )
        self.linear = nn.Linear(num_features, num_features)

    def forward(self, X):
        X = F.relu(self.linear(X) @ self.rand_weight + 1)
        X = self.linear(X)  # the same layer: the same parameters
        while X.abs().sum() > 1:
            X = X / 2
        return X.sum()


# %% [markdown]
# The loop ends when the absolute values sum to at most 1, so the output lies
# between -1 and 1. The data decide how many rounds that takes (exercise 1.7
# counts them).

# %%
torch.manual_seed(0)
fixed = FixedHiddenMLP().to(device)
outputs = [fixed(scale * X).item() for scale in (1, 100, 10_000)]
assert all(-1 <= output <= 1 for output in outputs)
[round(output, 2) for output in outputs]

# %% [markdown]
# `rand_weight` is a **buffer**: a tensor that belongs to the module and isn't
# trained. It is missing from the parameters, which an optimizer gets, and
# present in the state dict, which is what you save
# ([chapter 04](04_file_io.ipynb#cell-id=save-a-model)).

# %%
print("parameters:", [name for name, _ in fixed.named_parameters()])
print("state dict:", list(fixed.state_dict()))

# %% [markdown]
# > **Pitfall.** A tensor that is assigned to a plain attribute works in
# > `forward` too. But the module doesn't know that it is there. The book's
# > own `FixedHiddenMLP` keeps `rand_weight` in this way (6.1.3, 中文版 5.1.3).
#
# The next class does it like the book. The constant isn't in the state dict, so
# a copy that loads the state dict keeps a constant of its own, and answers
# differently.


# %%
class PlainAttributeMLP(nn.Module):
    def __init__(self, num_features=20):
        super().__init__()
        self.rand_weight = torch.rand(num_features, num_features)
        self.linear = nn.Linear(num_features, num_features)

    forward = FixedHiddenMLP.forward


torch.manual_seed(0)
plain, plain_copy = PlainAttributeMLP(), PlainAttributeMLP()
plain_copy.load_state_dict(plain.state_dict())
assert not torch.allclose(plain_copy(X.cpu()), plain(X.cpu()))
list(plain.state_dict())

# %% [markdown]
# The constant is also left behind when `double` changes the module's data type
# from `float32` to `float64`. So the first line of `forward` fails.

# %% tags=["raises-exception"]
plain_copy.double()
plain_copy(X.cpu().double())

# %% [markdown]
# A buffer is loaded, and changes its type, with the rest.
# [Chapter 03](03_custom_layers.ipynb#cell-id=parameter-buffer-or-attribute)
# has a table of which tensors are trained, saved and moved.

# %%
fixed_copy = FixedHiddenMLP().to(device)
fixed_copy.load_state_dict(fixed.state_dict())
assert_close(fixed_copy(X), fixed(X))
fixed_copy.double()(X.double()).dtype

# %% [markdown]
# ### A loop needs a way out
#
# A value that is too large for a float becomes infinite. How often must
# infinity be halved until it is at most 1?

# %%
H = torch.tensor(float("inf"))
torch.equal(H / 2, H)

# %% [markdown]
# Half of infinity is infinity: with an infinite value, the `while` above, which
# is the book's, never ends. The reference version checks before it loops. The
# weights of its linear layer are 1 here, and twenty inputs of 1e38 sum to more
# than a float can hold.

# %% tags=["raises-exception"]
careful = d2l_helpers.FixedHiddenMLP()
nn.init.ones_(careful.linear.weight)
careful(torch.full((2, 20), 1e38))

# %% [markdown]
# ## Add the input to the output
#
# A *residual* block adds its input to what a net makes of it. What the net
# learns is the difference. (The book's ResNet, 8.6, 中文版 7.6, consists of such
# blocks.)


# %%
class Residual(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, X):
        return X + self.net(X)


# %% [markdown]
# The sum matters in training. This function chains 30 layers, each wrapped by
# `wrap`, and returns the mean size of the gradient that arrives at the input.


# %%
def gradient_at_input(wrap):
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(20, 20), nn.ReLU()) for _ in range(30)]
    deep = nn.Sequential(*map(wrap, layers)).to(device)
    Z = X.clone().requires_grad_()
    deep(Z).sum().backward()
    return Z.grad.abs().mean().item()


# %% [markdown]
# A plain chain first, then one of residual blocks.

# %%
for wrap in (nn.Sequential, Residual):
    print(f"{wrap.__name__}: {gradient_at_input(wrap):.0e}")

# %% [markdown]
# Through the plain layers, almost nothing of the gradient arrives. Each sum
# passes it on as it is, and adds what comes through the net.
#
# > **Pitfall.** Both parts of the sum must have the same shape. For some other
# > shapes PyTorch repeats the values of one part, which is called
# > *broadcasting*.
#
# Here the input has 20 features. The nets return 10 and 1.

# %%
for width in (10, 1):
    block = Residual(nn.Linear(20, width)).to(device)
    try:
        print(f"{width}: no error, shape {tuple(block(X).shape)}")
    except RuntimeError as error:
        print(f"{width}: {type(error).__name__}")

# %% [markdown]
# The one number was added to all 20 features, and no error says so. Compare
# the shapes before you add.


# %%
class CarefulResidual(Residual):
    def forward(self, X):
        Y = self.net(X)
        if Y.shape != X.shape:
            raise ValueError(f"{tuple(X.shape)} became {tuple(Y.shape)}")
        return X + Y


# %% [markdown]
# The same block is refused now.

# %% tags=["raises-exception"]
CarefulResidual(nn.Linear(20, 1)).to(device)(X)

# %% [markdown]
# ## Keep modules in lists and dictionaries
#
# A chain fixes the order of the computation. To hold modules and use them in
# any order, take another *container*, `nn.ModuleList`. It is used like a list:
# `append`, `extend`, indexing, iteration.

# %%
layers = nn.ModuleList([nn.Linear(20, 256)])
layers.append(nn.ReLU())
layers.extend([nn.Linear(256, 10), nn.Linear(3, 7)])
layers

# %% [markdown]
# The last two layers don't fit together, 10 outputs and 3 inputs, and that is
# no error. A call is one: a list has no forward computation.

# %% tags=["raises-exception"]
layers(X.cpu())

# %% [markdown]
# The `forward` of the class that holds them uses them. This class builds a
# network of any depth from its sizes: `pairwise` gives the neighbors (20, 64),
# (64, 32) and (32, 10).


# %%
class ListMLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(n, m) for n, m in pairwise(sizes)
        )

    def forward(self, X):
        for layer in self.layers[:-1]:
            X = F.relu(layer(X))
        return self.layers[-1](X)


list_mlp = ListMLP([20, 64, 32, 10]).to(device)
list_mlp(X).shape, len(list(list_mlp.parameters()))

# %% [markdown]
# `nn.ModuleDict` holds modules by name, for example to choose one by an
# argument. It has no forward computation either.

# %%
activations = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
name = "tanh"
activations[name](torch.tensor([-1.0, 0.0, 1.0]))

# %% [markdown]
# > **Pitfall.** A plain Python list or dictionary holds modules too, but
# > doesn't register them.
#
# The class below keeps its hidden layers in a plain list, and its last layer
# in an attribute. (`*hidden, last = ...` gives the last pair to `last`, and
# the others, as a list, to `hidden`.) How many of the six parameter tensors
# does the module know?


# %%
class PlainListMLP(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        *hidden, last = pairwise(sizes)
        self.hidden = [nn.Linear(n, m) for n, m in hidden]
        self.out = nn.Linear(*last)

    def forward(self, X):
        for layer in self.hidden:
            X = F.relu(layer(X))
        return self.out(X)


plain_list = PlainListMLP(20, 64, 32, 10)
known = [name for name, _ in plain_list.named_parameters()]
assert list(plain_list.state_dict()) == known
plain_list(X.cpu()).shape, known

# %% [markdown]
# The module knows two of the six. An optimizer that gets `parameters()` trains
# only the last layer, and no error says so; saving and moving leave out the
# same four. With `nn.ModuleList` in place of the list, all six are there.

# %%
plain_list.hidden = nn.ModuleList(plain_list.hidden)
len(list(plain_list.parameters())), len(plain_list.state_dict())

# %% [markdown]
# ## Build a network from a configuration
#
# A *configuration* is data that describes a network. It can stand in a file,
# be compared and be changed without touching code. This one is written in JSON,
# a text format for lists, texts and numbers that most programming languages can
# read. Each list has a kind, and what the kind needs. A residual block needs the
# list of what is inside.

# %%
CONFIG = """[
    ["linear", 20, 64],
    ["residual", ["linear", 64, 64], ["relu"]],
    ["linear", 64, 10]
]"""

# %% [markdown]
# `build` looks up the class of each kind, and calls itself for the inside of a
# block. A kind that isn't in the dictionary raises a `KeyError`.

# %%
KINDS = {"linear": nn.Linear, "relu": nn.ReLU}


def build(config):
    blocks = []
    for kind, *rest in config:
        if kind == "residual":
            blocks.append(CarefulResidual(build(rest)))
        else:
            blocks.append(KINDS[kind](*rest))
    return nn.Sequential(*blocks)


built = build(json.loads(CONFIG)).to(device)
built(X).shape, [name for name, _ in built.named_parameters()]

# %% [markdown]
# > **Pitfall.** `*` repeats what is in a list. Data repeated three times
# > describes three layers. A module repeated three times is one layer, in three
# > places.

# %%
from_data = build([["linear", 20, 20]] * 3)
from_module = nn.Sequential(*[nn.Linear(20, 20)] * 3)
[len(list(net.parameters())) for net in (from_data, from_module)]

# %% [markdown]
# ## Nest blocks
#
# `NestMLP` of this companion holds a `Sequential` (20 to 64 to 32 features)
# and a linear layer after it (32 to 16). Here it is the first of three blocks
# in another `Sequential`; the last is the module with the loop.

# %%
torch.manual_seed(0)
nest = nn.Sequential(
    d2l_helpers.NestMLP(), nn.Linear(16, 20), d2l_helpers.FixedHiddenMLP()
).to(device)
nest(X).shape

# %% [markdown]
# A scalar has the empty shape. `named_children` gives the modules directly
# below a module, with their names.

# %%
for name, child in nest.named_children():
    grandchildren = [name for name, _ in child.named_children()]
    print(name, type(child).__name__, grandchildren)

# %% [markdown]
# The picture shows the tree to its leaves. A box counts the parameters of its
# module and of all modules that its lines lead to. Find the path to the layer
# whose bias is called `0.net.2.bias`.

# %% mystnb={"image": {"alt": "A tree of modules from left to right. The Sequential at the root, with 4,712 parameters, has the children 0, a NestMLP with 3,952, 1, a Linear with 340, and 2, a FixedHiddenMLP with 420. NestMLP has net, a Sequential of Linear, ReLU, Linear, ReLU, and linear, with 528. FixedHiddenMLP has one child, linear, with all its 420 parameters."}}
draw_modules(nest)
plt.show()

# %% [markdown]
# The path is 0, net, 2, to the layer with 2,080 parameters. `FixedHiddenMLP`
# has 420, all in its linear layer; the 400 numbers of `rand_weight` are a
# buffer and don't count.

# %% [markdown]
# ## Classify images
#
# A model for images of 28 x 28 pixels and ten classes: `nn.Flatten` turns an
# image into a row of 784 numbers, and a block of three linear layers turns
# the row into ten scores, the *logits*.

# %%
torch.manual_seed(0)
scores = nn.Sequential(
    nn.Linear(28 * 28, 512),
    nn.ReLU(),
    nn.Linear(512, 512),
    nn.ReLU(),
    nn.Linear(512, 10),
)
classifier = nn.Sequential(nn.Flatten(), scores).to(device)
image = torch.rand(1, 28, 28).to(device)
logits = classifier(image)  # (1, 28, 28) -> (1, 10)
logits.shape

# %% [markdown]
# Logits can be any numbers. Softmax turns them into numbers from 0 to 1 with a
# sum of 1, as probabilities are, and `argmax` finds the place of the largest.

# %%
probabilities = logits.softmax(dim=1)
assert_close(probabilities.sum(dim=1), torch.ones(1, device=device))
probabilities.argmax(dim=1).item()

# %% [markdown]
# The prediction means nothing yet: the weights are random. In theory each
# probability is above 0, since $e^x > 0$; rounding can make it 0.

# %%
torch.tensor([0.0, 200.0]).softmax(dim=0)

# %% [markdown]
# Before training, check the shape after each layer, here for a smaller
# classifier and three images.

# %%
torch.manual_seed(0)
small = nn.Sequential(
    nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10)
).to(device)
H = torch.rand(3, 28, 28).to(device)
print("input", tuple(H.shape))
for layer in small:
    H = layer(H)
    print(type(layer).__name__, tuple(H.shape))

# %% [markdown]
# `nn.Flatten()` joins all dimensions but the first, which stays 3: one row for
# each image.

# %% [markdown]
# ## Build the network as it runs
#
# `forward` runs anew for each batch, and may build another network each time.
# This one chooses a branch by looking at its data. The caller says how often
# the branch is repeated, and with which activation.


# %%
class DynamicMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.small, self.large = nn.Linear(20, 20), nn.Linear(20, 20)
        self.act = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
        self.out = nn.Linear(20, 10)

    def forward(self, X, repeat=1, act="relu"):
        branch = self.large if X.abs().mean() > 1 else self.small
        for _ in range(repeat):
            X = self.act[act](branch(X))
        return self.out(X)


# %% [markdown]
# Hooks show which way a batch has taken. This function lists the layers in the
# order in which they ran. You may skip how it does this.


# %%
def path(net, *args):
    names = {module: name for name, module in net.named_modules()}
    ran = []
    hooks = [
        module.register_forward_hook(lambda m, *_: ran.append(names[m]))
        for module in names
        if not list(module.children())
    ]
    net(*args)
    for hook in hooks:
        hook.remove()
    return ran


# %% [markdown]
# The second batch is a hundred times as large as the first.

# %%
torch.manual_seed(0)
dynamic = DynamicMLP().to(device)
print(path(dynamic, X))
print(path(dynamic, 100 * X, 2, "tanh"))

# %% [markdown]
# One class, two networks. PyTorch records a graph of its operations anew for
# each batch. Some tools make one *static* graph for all batches;
# [chapter 05](05_autograd.ipynb#cell-id=dynamic-and-static-graphs) compares the
# two.

# %% [markdown]
# ## Summary
#
# - Layers, blocks and models are modules: parameters, children, a forward
#   computation. You write `__init__` and `forward`; autograd does the rest.
# - Assigning a module to an attribute registers it. `parameters`,
#   `state_dict`, `to` and printing all go through the registry.
# - `net(X)` runs the hooks of `net` and `forward`; `net.forward(X)` skips the
#   hooks of `net`, and runs those of the modules that it calls.
# - `nn.Sequential` is a chain and has a forward computation; `nn.ModuleList`
#   and `nn.ModuleDict` only hold modules. A plain list hides them.
# - `children()` gives a repeated block once. The registry has it each time.
# - A constant tensor belongs in a buffer: saved and moved, and not trained.
# - A residual block returns `X + net(X)`, and passes gradients on. Compare the
#   shapes: broadcasting hides a wrong one.
# - A configuration is data. A dictionary says what may be built from it.
# - `forward` is Python: its branches and loops may depend on the data.

# %% [markdown]
# ## Exercises
#
# Write your answer in the place of each `...`, run the cell, and run the check
# below it. A check tells what is missing, with a case that fails, and changes
# nothing of yours. A check needs the cells before it: after a break, select it
# and choose *Run*, *Run All Above Selected Cell*. The worked solutions are on
# [a page of their own](solutions/01_blocks.ipynb).

# %%
from d2l_helpers import check

# %% [markdown]
# ### 1.1 A chain over a list
#
# *Code, 20 minutes.*
# [Solution](solutions/01_blocks.ipynb#cell-id=exercise-1-1)
#
# Change `MySequential` so that it keeps its blocks in a plain Python list, and
# registers none. Before you run this version, write down which of these break,
# that is, no longer do what `MySequential` does: the output, `parameters()`,
# `state_dict()`, `double()`, printing. Then repair it: `forward` still walks
# through the plain list, and all five do again what `MySequential` does, with
# the same names, also for a block that is used twice.

# %%
breaks = {
    "output": ...,
    "parameters()": ...,
    "state_dict()": ...,
    "double()": ...,
    "printing": ...,
}  # before the repair: True for what breaks, False for what works


class ListSequential(nn.Module):
    """The repaired chain, which keeps its blocks in a plain list."""

    def __init__(self, *blocks):
        super().__init__()
        ...

    def forward(self, X):
        # what the first block takes -> what the last one returns
        ...


# %%
check.chain_over_a_list(ListSequential, breaks)

# %% [markdown]
# ### 1.2 Two nets side by side
#
# *Code, 10 minutes.*
# [Solution](solutions/01_blocks.ipynb#cell-id=exercise-1-2)
#
# Write a module `Parallel(net1, net2)` whose output is that of both nets for
# the same input, concatenated along the last dimension, with `net1` in front.
# What must the two agree on, in what they take and in what they return? For
# `net1 = nn.Linear(6, 3)` and `X` of shape $(4, 2, 6)$, predict with which of
# three other nets `Parallel` works.


# %%
class Parallel(nn.Module):
    """The outputs of two nets, side by side."""

    def __init__(self, net1, net2):
        super().__init__()
        ...

    def forward(self, X):
        # (*, d) -> (*, m1 + m2), if the nets return (*, m1) and (*, m2)
        ...


works = {
    "nn.Linear(6, 5)": ...,
    "nn.Linear(5, 3)": ...,
    "nn.Flatten()": ...,
}  # by net2: True or False

# %%
check.two_nets_side_by_side(Parallel, works)

# %% [markdown]
# ### 1.3 A factory
#
# *Code, 15 minutes.*
# [Solution](solutions/01_blocks.ipynb#cell-id=exercise-1-3)
#
# Write a function `repeat(make_block, n)` that returns a chain of `n` blocks
# that share no parameter, each from a call `make_block()` of its own. Show
# that they share none. What changes if the function takes a block instead of
# a function that makes one? Predict it for chains of three `nn.Linear(4, 4)`
# from three calls, from one block in all three places, and from three deep
# copies of one block: how many tensors `parameters()` gives, and how many
# different weight matrices the three places start with.


# %%
def repeat(make_block, n):
    """A chain of n blocks, each made by a call of `make_block`."""
    # returns a module
    ...


starts = {
    "three calls": (..., ...),
    "one block": (..., ...),
    "three deep copies": (..., ...),
}  # how many parameter tensors, how many different weight matrices

# %%
check.factory(repeat, starts)

# %% [markdown]
# ### 1.4 An activation by name
#
# *Code, 15 minutes.*
# [Solution](solutions/01_blocks.ipynb#cell-id=exercise-1-4)
#
# Write an `MLP` whose argument `activation` is `"relu"`, `"tanh"` or
# `"gelu"`. Another name gives an error that lists the three, as soon as the
# module is made. Must the activations be registered? And must an
# `nn.PReLU`?


# %%
class ActivationMLP(nn.Module):
    """An MLP with one hidden layer, and an activation given by its name."""

    def __init__(self, num_inputs, num_hiddens, num_outputs, activation):
        super().__init__()
        ...

    def forward(self, X):
        # (n, num_inputs) -> (n, num_outputs)
        ...


must_register = {
    "nn.ReLU": ...,
    "nn.Tanh": ...,
    "nn.GELU": ...,
    "nn.PReLU": ...,
}  # True or False

# %%
check.activation_by_name(ActivationMLP, must_register)

# %% [markdown]
# ### 1.5 Read a tree
#
# *Think, 15 minutes.*
# [Solution](solutions/01_blocks.ipynb#cell-id=exercise-1-5)
#
# Draw the tree of
# `MySequential(d2l_helpers.NestMLP(), MySequential(MLP(16, 8, 4), nn.ReLU()))`
# on paper, with the name and the shape of every parameter. Check it with
# `draw_modules` and `state_dict`.

# %%
shapes = {...: ...}  # `chain` would have "0.weight": (256, 20), and so on

# %%
check.read_a_tree(shapes)

# %% [markdown]
# ### 1.6 A hook that measures
#
# *Code, 20 minutes.*
# [Solution](solutions/01_blocks.ipynb#cell-id=exercise-1-6)
#
# Write `measure(net, X)`. It registers one function as a forward hook on every
# module of `net` that has no children, runs `net(X)`, and returns a pair for
# each time that such a layer runs, in order: the shape of its output, and the
# mean of the output's absolute values. Remove the hooks again, and no others,
# even if the run raises an error; change no module's `training`. What does it
# say about this chapter's `classifier` and `image`?


# %%
def measure(net, X):
    """What each layer returns when `net` runs on `X`: shape and size."""
    # a list of pairs, such as [((1, 784), 0.5), ((1, 512), 0.24)]
    ...


# %%
check.hook_that_measures(measure)

# %% [markdown]
# ### 1.7 Count the rounds
#
# *Explore, 20 minutes.*
# [Solution](solutions/01_blocks.ipynb#cell-id=exercise-1-7)
#
# Change `FixedHiddenMLP` so that it remembers, in an attribute `rounds`, how
# often the last call halved its values. How does this number grow with the
# scale of the input, and why? Predict what is added to the rounds of a large
# input if it is multiplied by 2 or by 1024, when the ReLU lets some of its
# values pass. Then predict it for 1024 when the ReLU returns only zeros.


# %%
class CountingMLP(FixedHiddenMLP):
    """FixedHiddenMLP with the number of its last halvings in `rounds`."""

    def forward(self, X):
        # (n, num_features) -> (), and sets self.rounds
        ...


added = {2: ..., 1024: ..., "1024, all zero": ...}  # numbers of rounds

# %%
check.count_the_rounds(CountingMLP, added)

# %% [markdown]
# ### 1.8 A module without torch's
#
# *Code, 30 minutes.*
# [Solution](solutions/01_blocks.ipynb#cell-id=exercise-1-8)
#
# Write in plain Python, without `nn.Module`, a class `Module` from which
# others inherit. They write `__init__`, which assigns their parts to
# attributes and doesn't call yours, and `forward`. Parts are parameters,
# objects of `nn.Parameter`, and children, objects of `Module`.
#
# - Calling an object returns what its `forward` returns for these arguments.
# - `named_parameters()` gives pairs of a dotted name and a parameter: first
#   the object's own, then those of its children, each in the order of the
#   attributes. A parameter that has several names is given once.
# - A part that was replaced or deleted isn't there any more.
# - `zero_grad()` sets the gradient of each parameter to None.
#
# What does `nn.Module` do beyond this?


# %%
class Module:
    """What modules have in common, in plain Python."""

    def __call__(self, *args): ...

    def named_parameters(self):
        """Pairs of a dotted name and a parameter, each parameter once."""
        ...

    def zero_grad(self):
        """Set the gradient of each parameter to None."""
        ...


# %%
check.module_without_torch(Module)

# %% [markdown]
# ### 1.9 A shortcut that fits
#
# *Code, 20 minutes.*
# [Solution](solutions/01_blocks.ipynb#cell-id=exercise-1-9)
#
# Write `Shortcut(net, num_inputs, num_outputs)`, a residual block for a net
# that takes `num_inputs` features to `num_outputs`. If the two are equal, it
# adds the input to the output of the net. If they differ, it adds what a
# linear layer without a bias, in the attribute `project`, makes of the input.
# Where the two parts of the sum differ in their shapes, it raises a
# `ValueError` that names both. Why is that needed? Predict the shape of
# `X + Y` for `X` of shape $(4, 20)$ and for four shapes of `Y`.


# %%
class Shortcut(nn.Module):
    """What a net makes of X, plus X, or plus a projection of it."""

    def __init__(self, net, num_inputs, num_outputs):
        super().__init__()
        ...

    def forward(self, X):
        # (*, num_inputs) -> (*, num_outputs)
        ...


sums = {
    (4, 1): ...,
    (20,): ...,
    (4, 10): ...,
    (3, 4, 20): ...,
}  # by the shape of Y: a shape, or "error"

# %%
check.shortcut_that_fits(Shortcut, sums)

# %% [markdown]
# ## Where to go next
#
# [Reach, initialize and share parameters](02_parameters.ipynb) looks into the
# blocks; [Write layers of your own](03_custom_layers.ipynb) goes below them,
# to layers that own their parameters. If you want to see a network learn
# first, read [Save and load tensors and models](04_file_io.ipynb), then
# [Train anywhere, stop and resume](07_training.ipynb). All chapters build on
# this one; the [front page](index.md) has a map.
