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
# # Get the same run again, and look inside
#
# You run a notebook twice and get two accuracies. Was it the change that you
# made in between, or chance? And when a loss becomes `nan`, where did it
# begin? First you get the same run again here, then you look inside it.
#
# **You will learn** to
#
# - say what a seed sets, and what it doesn't;
# - seed the workers of a `DataLoader`;
# - tell a finding from noise;
# - read activations and gradients with hooks, and remove the hooks again;
# - find the module where the first `nan` begins;
# - take a block out of a trained network, and count multiplications.
#
# **In the book:** no section treats this. It completes the chapter
# [Builders' Guide](https://d2l.ai/chapter_builders-guide/index.html)
# (中文版
# [深度学习计算](https://zh.d2l.ai/chapter_deep-learning-computation/index.html)).
#
# **You need** chapters 05,
# [Follow gradients through the graph](05_autograd.ipynb), and 07,
# [Train anywhere, stop and resume](07_training.ipynb). The cells take about
# five seconds on a CPU, and use a GPU where there is one.

# %% [markdown]
# The first cell imports what the chapter uses and chooses the device.

# %%
import inspect
import random
import time
import warnings
from collections import OrderedDict
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.data import DataLoader

from d2l_helpers import MLP, datasets, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# ## Two runs, two results
#
# The data are the digits of chapter 07, each image a row of 64 numbers.

# %%
torch.set_num_threads(1)
digits = load_digits()
X = torch.from_numpy(digits.images).float().flatten(1).to(device) / 16
y = torch.from_numpy(digits.target).long().to(device)
order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
train_part, valid = order.to(device).split([1200, 597])

# %% [markdown]
# `fit` makes 100 steps, each with 50 digits that it draws.


# %%
def fit(net, steps=100, lr=0.5):
    net.to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(steps):
        batch = train_part[torch.randint(1200, (50,))]
        loss = F.cross_entropy(net(X[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


@torch.inference_mode()
def accuracy(net):
    return (net(X[valid]).argmax(dim=1) == y[valid]).float().mean().item()


# %% [markdown]
# The same line, twice.

# %% tags=["nbval-ignore-output"]
first, second = fit(MLP(64, 32, 10)), fit(MLP(64, 32, 10))
assert not torch.equal(first.out.weight, second.out.weight)
f"{accuracy(first):.1%} and {accuracy(second):.1%}"

# %% [markdown]
# Chance enters with the first weights and with the draws of `fit`. Both come
# from PyTorch's generator on the CPU, which `manual_seed` sets.


# %%
def seeded_fit(seed, num_hiddens=32):
    torch.manual_seed(seed)
    return fit(MLP(64, num_hiddens, 10))


# %% [markdown]
# Two runs of one seed. (On a GPU, rounding may differ from run to run.)

# %%
one, other = seeded_fit(0), seeded_fit(0)
tolerance = 0 if device.type == "cpu" else 1e-3
for a, b in zip(one.parameters(), other.parameters(), strict=True):
    assert_close(a, b, rtol=tolerance, atol=tolerance)

# %% [markdown]
# On a CPU with one thread the weights are now equal to the last bit.

# %% [markdown]
# ## What a seed sets
#
# A program has more sources of chance than one. Here are seven.

# %%
own, own_numpy = torch.Generator(), np.random.default_rng(0)
sources = {
    "torch.rand": lambda: torch.rand(1).item(),
    "torch.rand on the device": lambda: torch.rand(1, device=device).item(),
    "nn.Linear": lambda: nn.Linear(1, 1).weight.item(),
    "random": random.random,
    "np.random": np.random.rand,
    "a torch.Generator": lambda: torch.rand(1, generator=own).item(),
    "a NumPy Generator": own_numpy.random,
}


# %% [markdown]
# Each draws a number after a seed is set, then once more after it is set
# again. Which give the same number after `torch.manual_seed`?


# %%
def show_what_is_set_by(set_seed):
    for name, draw in sources.items():
        set_seed(0)
        number = draw()
        set_seed(0)
        print(f"{name:24}", "again" if draw() == number else "another number")


show_what_is_set_by(torch.manual_seed)

# %% [markdown]
# `manual_seed` sets PyTorch's own generators, one for each device, and none of
# the other four here. Python's `random` and NumPy have theirs: set all three.


# %%
def seed_all(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


show_what_is_set_by(seed_all)

# %% [markdown]
# Two are left. A generator that is an object is seeded where it is made.

# %% [markdown]
# ### One more draw
#
# Three layers are made, and `between` is called after the first.


# %%
def three_layers(between):
    torch.manual_seed(0)
    layers = [nn.Linear(4, 4)]
    between()
    return [*layers, nn.Linear(4, 4), nn.Linear(4, 4)]


# %% [markdown]
# If `between` draws a number, which of the layers start as without it?
# (`bool()` does nothing.)


# %%
def same_start(between):
    pairs = zip(three_layers(between), three_layers(bool), strict=True)
    return [torch.equal(a.weight, b.weight) for a, b in pairs]


same_start(lambda: torch.rand(1))

# %% [markdown]
# Only the first: a seed fixes a row of numbers, and a draw takes the next.
#
# > **Pitfall.** A draw may hide where nobody looks for chance. This loader
# > doesn't shuffle, has no workers, and its data are ten integers.


# %%
def look_at_data():
    for _ in DataLoader(range(10)):
        pass


same_start(look_at_data)

# %% [markdown]
# A loader draws a seed for workers whenever it begins, though it has none. So
# an evaluation in the midst of training changes the training. Give the loader
# a generator of its own, or use `fork_rng`, which sets PyTorch's generators
# back at the end of its block.


# %%
def look_with_own_generator():
    for _ in DataLoader(range(10), generator=torch.Generator()):
        pass


def look_in_a_fork():
    with torch.random.fork_rng():
        look_at_data()


same_start(look_with_own_generator), same_start(look_in_a_fork)

# %% [markdown]
# A lazy layer ([chapter 02](02_parameters.ipynb)) draws its weights with the
# first batch. This function returns the weights of a chain of two.


# %%
def weights_of(first, last):
    torch.manual_seed(0)
    net = nn.Sequential(first(8), last(1))
    net(torch.ones(1, 4))
    return [layer.weight for layer in net]


# %% [markdown]
# With two lazy layers, then with one in front: the weights of a usual chain?


# %%
def linear(in_units):
    return lambda units: nn.Linear(in_units, units)


plain = weights_of(linear(4), linear(8))
for layers in [nn.LazyLinear, nn.LazyLinear], [nn.LazyLinear, linear(8)]:
    print([*map(torch.equal, weights_of(*layers), plain)])

# %% [markdown]
# Two lazy layers draw in the usual order. With one, the last layer draws
# first, and both start elsewhere.

# %% [markdown]
# ## Seed the workers
#
# A `DataLoader` with `num_workers=2` starts two processes, each with a copy of
# the data set. A data set that changes its images by chance may keep a
# generator; this one returns nothing but random numbers. It stands in
# `d2l_helpers`: on macOS and Windows a worker imports the class, which takes
# seconds, and can't find one that a notebook defines.

# %%
print(inspect.getsource(datasets.NoisyDataset))

# %% [markdown]
# The first line below hides a warning: on a machine with one core, PyTorch says
# that two workers may be slow. Six numbers in each of two epochs: how many
# different ones do you expect?


# %%
warnings.filterwarnings("ignore", "This DataLoader will create")


def epochs(number, **options):
    dataset = datasets.NoisyDataset(6)
    loader = DataLoader(dataset, batch_size=1, num_workers=2, **options)
    return [[round(x.item(), 6) for x in loader] for _ in range(number)]


# %% [markdown]
# A line for each epoch.

# %% tags=["predict"]
for numbers in epochs(2):
    print(numbers)

# %% [markdown]
# > **Pitfall.** Three in place of twelve. The workers' copies of the generator
# > are equal, and each epoch copies anew.
#
# In each worker the loader seeds PyTorch, `random` and `np.random`, with a new
# seed in each epoch. It doesn't know of a generator inside the data set. A
# function for `worker_init_fn`, which each worker calls, seeds that one.

# %%
print(inspect.getsource(datasets.seed_worker))

# %% [markdown]
# Now the epochs should have no number in common, and the same seed should
# bring the first one again.

# %%
torch.manual_seed(0)
repaired = epochs(2, worker_init_fn=datasets.seed_worker)
torch.manual_seed(0)
(again,) = epochs(1, worker_init_fn=datasets.seed_worker)
assert again == repaired[0]
set(repaired[0]) & set(repaired[1])

# %% [markdown]
# Three workers would draw other numbers than two. Exercise 9.2 makes them
# independent of that.
#
# The order of the samples is drawn in your own process, not in a worker. From
# which generator?


# %%
def orders(between):
    torch.manual_seed(0)
    own = torch.Generator().manual_seed(0)
    between()
    loaders = {
        "shuffle": DataLoader(range(100), shuffle=True),
        "with generator": DataLoader(range(100), shuffle=True, generator=own),
    }
    return {k: [int(i) for i in loader] for k, loader in loaders.items()}


# %% [markdown]
# Is the order the same if a number is drawn before?

# %%
one, other = orders(bool), orders(lambda: torch.rand(1))
{name: one[name] == other[name] for name in one}

# %% [markdown]
# Without `generator=` it is the global one, which that draw has moved. Give a
# loader that shuffles its own, and save its state with the run, as chapter 07
# does.

# %% [markdown]
# ## Same seed, other sums
#
# Chance isn't all. A sum of floating-point numbers depends on its order, and
# where several threads add, each adds up a part. Here a million numbers are
# added in 1, 2, 4, 8 and 16 parts. Is the sum the same?

# %%
torch.manual_seed(0)
values = torch.randn(2**20)
parts = [values.view(n, -1).sum(dim=1).sum() for n in (1, 2, 4, 8, 16)]
assert len({total.item() for total in parts}) > 1
assert_close(torch.stack(parts), parts[0].expand(5), rtol=1e-5, atol=0)

# %% [markdown]
# It isn't: the last digits differ. For the same run to the last bit, fix the
# number of threads, as this chapter does.
#
# Some operations have no fixed order: their threads write to one place as they
# arrive. Here each number is added to one of ten sums.


# %%
def add_up():
    index = (torch.arange(2**20) % 10,)
    return torch.zeros(10).index_put(index, values, accumulate=True)


# %% [markdown]
# How many different results have twenty calls?


# %%
def results(num_threads):
    torch.set_num_threads(num_threads)
    found = {tuple(add_up().tolist()) for _ in range(20)}
    torch.set_num_threads(1)
    return len(found)


# %% [markdown]
# With one thread it is one. With four, run the cell several times.

# %% tags=["nbval-ignore-output"]
assert results(1) == 1
f"four threads: {results(4)} results of 20 calls"

# %% [markdown]
# `use_deterministic_algorithms` is a switch for the whole program: where there
# is a way that gives the same each time, it is taken. This context turns it
# off again, also after an error.


# %%
@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


# %% [markdown]
# Twenty calls with four threads, now:

# %%
with deterministic():
    number = results(4)
number

# %% [markdown]
# What does it cost? Here it gives up the threads, so look at both times on
# your machine.


# %%
def milliseconds():
    torch.set_num_threads(4)
    start = time.perf_counter()
    for _ in range(10):
        add_up()
    torch.set_num_threads(1)
    return 100 * (time.perf_counter() - start)


# %% [markdown]
# Ten calls each, with four threads allowed; the times are those of one call.

# %% tags=["predict", "nbval-ignore-output"]
free = milliseconds()
with deterministic():
    bound = milliseconds()
assert free > 0 and bound > 0
f"free {free:.1f} ms, deterministic {bound:.1f} ms"

# %% [markdown]
# Where PyTorch has no such way, the operation raises an error, on a CPU too.
# Here `put_` is to write two values to place 0.

# %% tags=["raises-exception"]
with deterministic():
    torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))

# %% [markdown]
# So the switch also tells which line can't be repeated. On a GPU there are
# more of these, and products of matrices ask for the environment variable
# `CUBLAS_WORKSPACE_CONFIG=:4096:8`, set before the program starts. Another
# version of PyTorch, or another processor, may give other digits all the same.

# %% [markdown]
# ## How much is noise
#
# Somebody widens the hidden layer from 32 to 36 and compares, with seed 0.

# %% tags=["nbval-ignore-output"]
wide = [accuracy(seeded_fit(0, num_hiddens)) for num_hiddens in (32, 36)]
assert min(wide) > 0.8
f"32: {wide[0]:.1%}, 36: {wide[1]:.1%}"

# %% [markdown]
# On the machine that made this page, four units gained almost five points. Is
# it a finding? Take five seeds, and for contrast a network of 8.

# %%
widths = (8, 32, 36)
found = {}
for width in widths:
    runs = [accuracy(seeded_fit(seed, width)) for seed in range(5)]
    found[width] = torch.tensor(runs)
assert found[32].max() > found[36].min() and found[36].max() > found[32].min()

# %% [markdown]
# Each point is a seed, each line a mean. Which difference would you believe?

# %% tags=["look"] mystnb={"image": {"alt": "Accuracies of five seeds for 8, 32 and 36 hidden units, as points, with a short line at each mean. The points of 8 lie between 0.77 and 0.87, all below the others. Those of 32 lie between 0.90 and 0.93, and those of 36 between 0.89 and 0.95, so that the two groups overlap."}}
for place, width in enumerate(widths):
    plt.plot([place] * 5, found[width], "o", color="C0", alpha=0.6)
    plt.plot(place, found[width].mean(), "_", color="C1", markersize=40)
plt.margins(x=0.2)
plt.xticks(range(3), [f"{width} hidden" for width in widths])
plt.ylabel("accuracy")
plt.show()

# %% [markdown]
# Measure a difference in *standard errors*, $\sqrt{(s_1^2 + s_2^2) / n}$ for
# two means of $n$ runs, where $s$ is the standard deviation over the seeds: by
# about so much it moves by chance. A common rule asks for two; with as few as
# five seeds, ask for three.


# %%
def in_standard_errors(a, b):
    error = ((a.var() + b.var()) / len(a)).sqrt()
    return (b.mean() - a.mean()) / error


assert in_standard_errors(found[8], found[32]) > 3
assert abs(in_standard_errors(found[32], found[36])) < 3

# %% [markdown]
# From 8 to 32 is a finding, from 32 to 36 isn't. Report the mean, the spread
# and the number of seeds. To choose the best seed is a choice by the
# validation digits, as in chapter 07: its accuracy looks better than it is.

# %% [markdown]
# ## Look inside with hooks
#
# A forward hook ([chapter 01](01_blocks.ipynb)) sees each output of a module.
#
# > **Pitfall.** A cell that registers a hook, run twice, registers two. Here a
# > loop runs it twice. How many calls does one forward make?

# %%
calls, net = [], MLP(64, 32, 10).to(device)
for _ in range(2):
    net.hidden.register_forward_hook(lambda *_: calls.append("hidden"))
net(X[:1])
calls

# %% [markdown]
# `register_forward_hook` returns a *handle*, whose `remove()` takes the hook
# away. A handle is a context manager, too, which does so at the end of its
# block, also after an error; an `ExitStack` holds many. This function puts
# `hook` on each module without children, and tells it the name. (`register`
# serves later.)


# %%
@contextmanager
def hooked(net, hook, register=nn.Module.register_forward_hook):
    with ExitStack() as stack:
        for name, module in net.named_modules():
            if not list(module.children()):

                def call(module, given, out, name=name):
                    return hook(name, out)

                stack.enter_context(register(module, call))
        yield


# %% [markdown]
# Here the hook keeps each output in a dictionary. What else is kept?

# %%
net, kept = MLP(64, 32, 10).to(device), {}
with hooked(net, kept.__setitem__):
    net(X[valid])
net(X[:1])  # no hook any more
{name: (tuple(H.shape), type(H.grad_fn)) for name, H in kept.items()}

# %% [markdown]
# > **Pitfall.** An output brings its graph, and the graph keeps all that
# > backward needs. A list with an output of each batch fills the memory.
#
# (No hook sees the ReLU of `MLP`: it is a function in `forward`, no module.)
#
# Keep numbers. For each layer take the mean, and the spread over the digits:
# does the output still depend on the input?


# %%
def spreads(net):
    table = {}

    def note(name, out):
        spread = out.std(dim=0).mean()  # (n, d) -> (d,) -> ()
        table[name] = out.mean().item(), spread.item()

    with hooked(net, note), torch.no_grad():
        net(X[valid])
    return table


# %% [markdown]
# A network of ten layers, with PyTorch's own start.


# %%
def deep(activation):
    torch.manual_seed(0)
    blocks = OrderedDict()
    for i in range(10):
        blocks[f"linear{i}"] = nn.Linear(64, 64)
        blocks[f"act{i}"] = activation()
    return nn.Sequential(blocks).to(device)


# %% [markdown]
# What is left of the spread at depth 1, 4, 7 and 10?

# %%
for name, (average, spread) in list(spreads(deep(nn.ReLU)).items())[1::6]:
    print(f"{name}  mean {average:.3f}  spread {spread:.1e}")

# %% [markdown]
# At the end all digits look almost alike. He's start, `kaiming_normal_`, draws
# larger weights.

# %%
he = deep(nn.ReLU)
for module in he[::2]:
    nn.init.kaiming_normal_(module.weight)
curves = {"default": spreads(deep(nn.ReLU)), "He": spreads(he)}
ends = [curve["act9"][1] for curve in curves.values()]
assert ends[0] < 1e-3 < 0.05 < ends[1]

# %% [markdown]
# The outputs of the ReLUs, by depth.

# %% mystnb={"image": {"alt": "The spread of the output over the digits, on a logarithmic axis, against depth from 1 to 10. With the default start it falls along a straight line, from about 0.1 to below 0.0001. With He's start it falls only from about 0.2 to 0.08."}}
for label, curve in curves.items():
    values_by_depth = [spread for _, spread in curve.values()][1::2]
    plt.semilogy(range(1, 11), values_by_depth, "o-", label=label)
plt.xlabel("depth")
plt.ylabel("spread over the digits")
plt.legend()
plt.show()

# %% [markdown]
# ## Find the first bad value
#
# This module scales each pixel to mean 0 and spread 1.


# %%
class Standardize(nn.Module):
    def forward(self, X):
        return (X - X.mean(dim=0)) / X.std(dim=0)


# %% [markdown]
# The loss before the first step:

# %%
torch.manual_seed(0)
blocks = OrderedDict(scale=Standardize(), mlp=MLP(64, 32, 10))
net = nn.Sequential(blocks).to(device)
F.cross_entropy(net(X), y).item()

# %% [markdown]
# Which module is it? Ask each output, in the order of the calls, whether it is
# finite: neither `nan` nor infinite.


# %%
def find_bad(net, X):
    bad = []

    def look(name, out):
        if not out.isfinite().all():
            bad.append(name)

    with hooked(net, look), torch.no_grad():
        net(X)
    return bad


# %% [markdown]
# The bad ones, in order:

# %% tags=["predict"]
find_bad(net, X)

# %% [markdown]
# It began in `scale`, and the others passed it on: some pixels are the same in
# all digits, their spread is 0, and 0 / 0 is `nan`. Divide by what can't be 0.


# %%
class SafeStandardize(nn.Module):
    def forward(self, X):
        return (X - X.mean(dim=0)) / (X.std(dim=0) + 1e-6)


net.scale = SafeStandardize()
find_bad(net, X)

# %% [markdown]
# ### Finite forward, bad backward
#
# No forward hook finds this one. The square root is taken of positive numbers,
# and for others the value is 0.


# %%
def root(x):
    return torch.where(x > 0, x.sqrt(), 0.0)


# %% [markdown]
# The values, and the gradients.

# %%
x = torch.tensor([0.0, 4.0], requires_grad=True)
root(x).sum().backward()
root(x).tolist(), x.grad.tolist()

# %% [markdown]
# `where` computes both branches. At 0 the root's slope is infinite and its
# branch isn't taken: the gradient is 0 times infinity. *Anomaly mode* stops at
# the operation whose backward gives the first `nan`. It also warns, with the
# line of the forward; the cell keeps its warnings in a list.

# %% tags=["raises-exception"]
with (
    warnings.catch_warnings(record=True, action="always") as caught,
    torch.autograd.set_detect_anomaly(True),
):
    root(x).sum().backward()

# %% [markdown]
# The message names the operation, the warning the line.

# %%
assert "x.sqrt()" in str(caught[-1].message)

# %% [markdown]
# Mend it in front of the root, so that its branch sees no 0. And leave anomaly
# mode off when you have found the line: it makes steps slower.


# %%
def safe_root(x):
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)


x.grad = None
safe_root(x).sum().backward()
x.grad.tolist()

# %% [markdown]
# ## Follow the gradients back
#
# A *full backward hook* gets the gradients of a module's inputs and of its
# outputs, each in a tuple. `hooked` passes on the latter. How large is the
# gradient that arrives at each of ten sigmoids? (The input asks for a
# gradient, too: else the hook of the first layer would warn.)


# %%
def gradient_sizes(net):
    sizes = {}

    def note(name, gradients):
        sizes[name] = gradients[0].norm().item()

    with hooked(net, note, nn.Module.register_full_backward_hook):
        F.cross_entropy(net(X[valid].requires_grad_()), y[valid]).backward()
    return sizes


# %% [markdown]
# From the last one to the first:

# %% tags=["predict"]
sizes = gradient_sizes(deep(nn.Sigmoid))
for name in ("act9", "act6", "act3", "act0"):
    print(f"{name}  {sizes[name]:.0e}")
assert sizes["act9"] > 300**3 * sizes["act0"]

# %% [markdown]
# Three layers cost a factor of over 300: the first ones will hardly learn.
#
# > **Pitfall.** An in-place module writes over the output of the module before
# > it. If that one has a backward hook, this is an error.

# %%
try:
    gradient_sizes(deep(lambda: nn.ReLU(inplace=True)))
except RuntimeError as error:
    assert "is being modified inplace" in str(error)
    print(type(error).__name__)

# %% [markdown]
# With a forward hook it is none: what the hook has kept is changed afterwards,
# also behind `detach`, which shares the memory. Which share of the first
# linear layer's outputs is negative, in what `detach` has kept?

# %%
net, kept, cloned = deep(lambda: nn.ReLU(inplace=True)), {}, {}
with hooked(net, lambda name, out: kept.update({name: out.detach()})):
    net(X[valid])
with hooked(net, lambda name, out: cloned.update({name: out.clone()})):
    net(X[valid])
shares = [(t["linear0"] < 0).float().mean().item() for t in (kept, cloned)]
assert shares[1] > 0.3
shares[0]

# %% [markdown]
# None, while in the clone over 30% are. Clone, or take numbers at once, as
# `spreads` does.

# %% [markdown]
# ## Replace an output
#
# A forward hook that returns a value other than `None` replaces the output.
#
# > **Pitfall.** A hook may return something unmeant. `setdefault` returns the
# > entry of the dictionary: the first output. Does the network give other
# > digits another answer?

# %%
net, kept = MLP(64, 32, 10).to(device), {}
with hooked(net, kept.setdefault):
    one, other = net(X[:5]), net(X[5:10])
torch.equal(one, other)

# %% [markdown]
# It gives the first answer again. (`update` above returns `None`.)
#
# As a tool, this makes an *ablation*: leave a block out, and look at what is
# lost. A *residual block* adds to its input, so without the block there is the
# input.


# %%
class Residual(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.linear = nn.Linear(units, units)

    def forward(self, X):
        return X + F.relu(self.linear(X))


# %% [markdown]
# The hook returns the block's input, for one evaluation.


# %%
def without(net, block):
    with block.register_forward_hook(lambda block, given, out: given[0]):
        return accuracy(net)


# %% [markdown]
# Four blocks between two linear layers are trained. Afterwards, is the network
# whole again?

# %%
torch.manual_seed(0)
blocks = OrderedDict(first=nn.Linear(64, 32))
blocks |= {f"block{i}": Residual(32) for i in range(4)}
net = fit(nn.Sequential(blocks | {"out": nn.Linear(32, 10)}), 200, 0.1)
left = {"whole": accuracy(net)}
left |= {name: without(net, net.get_submodule(name)) for name in [*blocks][1:]}
assert min(left.values()) > 0.5
accuracy(net) == left["whole"]

# %% [markdown]
# It is: the hooks are gone. Which block is missed most?

# %% mystnb={"image": {"alt": "Five horizontal bars of accuracy, all near 0.93: the whole network, and without one of the blocks 0 to 3. Without block 0 or 3 it is a little lower than the whole, without block 1 or 2 a little higher."}}
plt.barh([*left], [*left.values()], color=["C0", *["C1"] * 4])
plt.xlim(0.5, 1)
plt.xlabel("accuracy without this block")
plt.gca().invert_yaxis()
plt.show()

# %% [markdown]
# Most digits are still read without any one block, and on the machine that
# made this page two blocks seem to do harm. Before you believe it, think of
# the noise: 9.6 takes five seeds.

# %% [markdown]
# ## Count the work
#
# From 64 to 32 features, a linear layer makes 64 times 32 multiplications for
# each sample, and adds as often. `FlopCounterMode` counts both. By hand, for
# 50 digits and the two layers of `MLP(64, 32, 10)`:

# %%
from torch.utils.flop_counter import FlopCounterMode

net = MLP(64, 32, 10).to(device)
with FlopCounterMode(display=False) as forward:
    net(X[:50])
by_hand = 2 * 50 * (64 * 32 + 32 * 10)
forward.get_total_flops(), by_hand

# %% [markdown]
# They are equal, without the ReLU and the biases: it counts products of
# matrices, and convolutions and attention, which are made of them. How much
# does backward add?

# %%
with FlopCounterMode(display=False) as both:
    net(X[:50]).sum().backward()
both.get_total_flops() - by_hand, 2 * by_hand - 2 * 50 * 64 * 32

# %% [markdown]
# For each product of forward, backward has two, one for the gradient of the
# weight and one for that of the input. The first layer's input needs none.

# %% [markdown]
# ## Summary
#
# - `torch.manual_seed` sets PyTorch's generators, not those of `random` and
#   NumPy, and no generator that is an object.
# - One more draw moves all that follow. A `DataLoader` draws whenever it
#   begins: give it a generator.
# - A generator inside a data set is the same in each worker until a
#   `worker_init_fn` seeds it.
# - Sums depend on their order, and so on the number of threads; some operations
#   have no fixed order. `use_deterministic_algorithms` replaces or refuses them.
# - A difference is a finding if it is several standard errors of some seeds.
# - Hooks: let a `with` block remove them, keep numbers or clones, and return
#   nothing unless you mean to replace the output.
# - The first output that isn't finite names the module. Anomaly mode names the
#   operation whose backward gives `nan`.

# %% [markdown]
# ## Exercises
#
# Write your answer in the place of each `...`, run the cell, and run the check
# below it. A check tells what is missing, with a case that fails, and changes
# nothing of yours. A check needs the cells before it: after a break, select it
# and choose *Run*, *Run All Above Selected Cell*. The worked solutions are on
# [a page of their own](solutions/09_reproducibility.ipynb).

# %%
from d2l_helpers import check

# %% [markdown]
# ### 9.1 What a seed fixes
#
# *Think, 10 minutes.*
# [Solution](solutions/09_reproducibility.ipynb#cell-id=exercise-9-1)
#
# Each of these is run after `torch.manual_seed(0)`, and once more after
# `torch.manual_seed(0)`. Does it give the same again? Predict, with True or
# False, then try.
#
# - torch: `torch.rand(3)`
# - numpy: `np.random.rand(3)`
# - dropout: `F.dropout(torch.ones(100))`
# - own: `torch.rand(3, generator=own)`, where `own = torch.Generator()` was
#   made before
# - new: `torch.rand(3, generator=torch.Generator())`
# - new numpy: `np.random.default_rng().random(3)`
# - loader: the first sample of `DataLoader(range(999), shuffle=True)`

# %%
again = {
    "torch": ...,
    "numpy": ...,
    "dropout": ...,
    "own": ...,
    "new": ...,
    "new numpy": ...,
    "loader": ...,
}

# %%
check.what_a_seed_fixes(again)

# %% [markdown]
# ### 9.2 Seed the workers
#
# *Code, 25 minutes.*
# [Solution](solutions/09_reproducibility.ipynb#cell-id=exercise-9-2)
#
# A data set keeps two generators: `rng`, NumPy's, and `generator`, a
# `torch.Generator`. Write a `worker_init_fn` that gives each worker's copy its
# own numbers in both, other ones in each epoch, and the same after the same
# seed. Then remove the dependence on workers: `noise` is a number from 0 to 1
# that follows from three integers alone, in any process: the seed, the epoch
# and the place `i`, and that differs where one of them does. It must neither
# move nor seed a generator of others. With it, a data set gives the same with
# 0, 2 or 3 workers.


# %%
def seed_worker(worker_id):
    """Seed both generators of this worker's copy of the data set."""
    ...


def noise(seed, epoch, i):
    """A number from 0 to 1 for place i in an epoch."""
    ...


# %%
check.seed_the_workers(seed_worker, noise)

# %% [markdown]
# ### 9.3 Restore three generators
#
# *Code, 20 minutes.*
# [Solution](solutions/09_reproducibility.ipynb#cell-id=exercise-9-3)
#
# `fork_rng` knows PyTorch's generators only. Write a context manager that
# seeds `random`, NumPy's global generator and PyTorch's on the CPU, and that
# sets all three back after the block, so that they go on as if there had been
# none. This must also hold after an error in the block, which the caller is to
# see.


# %%
@contextmanager
def random_state(seed):
    """A block with a random state of its own."""
    ...


# %%
check.restore_generators(random_state)

# %% [markdown]
# ### 9.4 The first bad value
#
# *Code, 30 minutes.*
# [Solution](solutions/09_reproducibility.ipynb#cell-id=exercise-9-4)
#
# `find_bad` has gaps. Write `first_bad(net, X)`, which returns the name of the
# first module whose output isn't finite, as `named_modules` calls it, or None.
# It looks at all modules, since one with children computes, too, and into
# tuples of tensors. A network may raise an error of its own, as it does for a
# shape that doesn't fit: then return the name if something bad was found, and
# let the error go on if nothing was. In each case, its hooks are gone
# afterwards, others are still there, and the network is in the mode in which
# it was.


# %%
def first_bad(net, X):
    """The name of the first module whose output isn't finite, or None."""
    ...


# %%
check.first_bad_value(first_bad)

# %% [markdown]
# ### 9.5 Count multiplications
#
# *Code, 25 minutes.*
# [Solution](solutions/09_reproducibility.ipynb#cell-id=exercise-9-5)
#
# Write `count_multiplications(net, X)` with forward hooks. It returns, by
# name, how many multiplications each `nn.Linear` and each `nn.Conv2d` makes in
# one forward. A layer that is called twice counts twice, and one that isn't
# called has no entry. Hooks must be gone afterwards, also after an error of
# the network, and its mode stays. Compare with `FlopCounterMode`: which factor
# is between the two?


# %%
def count_multiplications(net, X):
    """Multiplications of each linear layer and convolution, by name."""
    ...


# %%
check.count_multiplications(count_multiplications)

# %% [markdown]
# ### 9.6 Rank by ablation
#
# *Explore, 30 minutes.*
# [Solution](solutions/09_reproducibility.ipynb#cell-id=exercise-9-6)
#
# Write `rank_blocks(net, score)`: the names of the children of `net`, that
# first without which `score(net)` is lowest. Of equal ones, the first in the
# network comes first. A child whose output has another shape than its input
# can't be left out, and isn't ranked. Hooks must be gone afterwards, also if
# `score` raises an error. Then rank the four blocks of this chapter's network
# for seeds 0 to 4. Do the seeds agree on the first?


# %%
def rank_blocks(net, score):
    """The names of the blocks, the most missed one first."""
    ...


# %%
check.rank_by_ablation(rank_blocks)

# %% [markdown]
# ### 9.7 Where two runs differ
#
# *Code, 25 minutes.*
# [Solution](solutions/09_reproducibility.ipynb#cell-id=exercise-9-7)
#
# Two runs ought to be equal and aren't. The first step in which they differ
# says more than the end. `run()` and `other()` each begin a run and yield its
# state dict after each step: the live one, whose tensors the next step
# changes. Return the first step, from 1, and the first name whose tensors
# `torch.equal` tells apart; or None if there is none as far as both runs go.
# Mind that both may draw from PyTorch's generator; neither seed it nor set it
# back yourself.


# %%
def first_difference(run, other):
    """The first step and name in which two runs differ, or None."""
    # run() yields {name: tensor} after each step
    ...


# %%
check.where_two_runs_differ(first_difference)

# %% [markdown]
# ### 9.8 Gradient norms by block
#
# *Code, 15 minutes.*
# [Solution](solutions/09_reproducibility.ipynb#cell-id=exercise-9-8)
#
# After backward, how large is the gradient of each block? Write
# `gradient_norms(net)`: for each child of `net`, by name, the norm of all
# gradients of its parameters together, as if they were one vector. A parameter
# without a gradient counts as 0. All gradients stay as they are. In the chain
# of ten sigmoids, is the norm of the first layer smaller, or that of the last?
# How do the norms tell the number that `nn.utils.clip_grad_norm_` returns?


# %%
def gradient_norms(net):
    """The norm of the gradient of each child of net, by name."""
    ...


smaller = ...  # "first" or "last"

# %%
check.gradient_norms_by_block(gradient_norms, smaller)

# %% [markdown]
# ## Where to go next
#
# [Choose a data type, and train in mixed precision](08_numerics.ipynb) says
# where a NaN comes from in 16 bits, and
# [Know what training keeps, and start a deep network](10_memory.ipynb) why a
# start like He's keeps deep layers alive. The [front page](index.md) lists all
# chapters. Take a notebook of your own, run it twice, and find the first step
# in which the two runs differ.
