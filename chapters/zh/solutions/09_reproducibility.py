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

# %% [markdown] translates="3338eb62"
# # 第09章 解答
#
# 这里是[可复现性：重现一次训练，查看网络内部](../09_reproducibility.ipynb)各道练习的解答，每道前面附有题目。先在那一页自己做，卡住了再来看。

# %%
import hashlib
import random
from collections import Counter, OrderedDict
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.data import DataLoader, Dataset, get_worker_info
from torch.utils.flop_counter import FlopCounterMode

from d2l_helpers import check

torch.set_num_threads(1)

# %% [markdown] translates="233dfa2e"
# 有两道解答要给每个模块注册同一个函数，并把模块的名字传给它。要在正文里试，就把下面这个函数也复制过去。句柄（handle）是上下文管理器（context manager），代码块结束时会移除它的钩子（hook），出错时也一样。`ExitStack`能管理任意多个。


# %%
@contextmanager
def hook_all(net, hook):
    with ExitStack() as stack:
        for name, module in net.named_modules():
            handle = module.register_forward_hook(partial(hook, name))
            stack.enter_context(handle)
        yield


# %% [markdown]
# ## 9.1 种子定下什么
#
# *思考，10分钟。*
# [练习](../09_reproducibility.ipynb#cell-id=exercise-9-1)
#
# 下面每一项都运行两次，每次之前都先执行`torch.manual_seed(0)`。两次的结果相同吗？先预测，写True或False，再试。
#
# - torch：`torch.rand(3)`
# - numpy：`np.random.rand(3)`
# - dropout：`F.dropout(torch.ones(100))`
# - own：`torch.rand(3, generator=own)`，其中`own = torch.Generator()`是事先创建的
# - new：`torch.rand(3, generator=torch.Generator())`
# - new numpy：`np.random.default_rng().random(3)`
# - loader：`DataLoader(range(999), shuffle=True)`的第一个样本

# %% [markdown] translates="ea3e57b1"
# **思路**。对每一次抽取，问两件事：用的是哪个生成器（generator），最后设定这个生成器的是谁。`torch.manual_seed`设定PyTorch自带的。新建的`torch.Generator`，种子（seed）总是同一个；NumPy新建的，种子取自系统。

# %%
again = {
    "torch": True,
    "numpy": False,
    "dropout": True,
    "own": False,
    "new": True,
    "new numpy": False,
    "loader": True,
}

# %%
check.what_a_seed_fixes(again)

# %% [markdown] translates="35eefec3"
# 把`torch.Generator`新建一百次，看看种子。所以，如果两个数据集各自新建一个，又不设种子，抽到的数就相同。

# %%
{torch.Generator().initial_seed() for _ in range(100)}

# %% [markdown] translates="48612d6a"
# 全局生成器在每个进程里，都从那个进程自己的种子开始。调用`manual_seed`之后，可以问它种子是多少。

# %%
torch.manual_seed(3)
torch.initial_seed()

# %% [markdown]
# ## 9.2 给工作进程设种子
#
# *编程，25分钟。*
# [练习](../09_reproducibility.ipynb#cell-id=exercise-9-2)
#
# 一个数据集带着两个生成器：`rng`是NumPy的，`generator`是`torch.Generator`。编写一个`worker_init_fn`，给每个工作进程里的副本设定这两个生成器：两个生成器抽到的数，各个副本都不同，各轮也不同；种子相同时，又完全相同。然后让结果与工作进程无关：`noise`是0到1之间的一个数，只由三个整数决定，即种子、轮和位置`i`，在任何进程里都一样；其中一个变了，这个数就不同。计算它时，不能从别人的生成器抽数，也不能给别人的生成器设种子。这样，不管有0个、2个还是3个工作进程，数据集给出的数都相同。

# %% [markdown] translates="fc61d602"
# **思路**。在工作进程（worker）里，`get_worker_info().dataset`就是它要读取的那份副本。加载器已经在那里给PyTorch设了种子，每个工作进程、每一轮（epoch）的种子都不同，用`torch.initial_seed()`可以得到。要让随机数与工作进程无关，就为每个数新建一个生成器，种子里放进所有该起作用的数：`default_rng`可以接受整数的列表，并把这些整数充分混合。


# %%
def seed_worker(worker_id):
    dataset, seed = get_worker_info().dataset, torch.initial_seed()
    dataset.rng = np.random.default_rng(seed)
    dataset.generator.manual_seed(seed)


def noise(seed, epoch, i):
    return np.random.default_rng([seed, epoch, i]).random()


# %%
check.seed_the_workers(seed_worker, noise)

# %% [markdown] translates="8160e116"
# **陷阱**。`seed + epoch + i`不行：这一轮位置1的数，会和下一轮位置0的数相同。
#
# 在数据集里，轮是一个属性，每一轮开始之前设定。不管按什么次序读取各个位置，得到的数都相同。


# %%
class Noisy(Dataset):
    def __init__(self, size, seed):
        self.size, self.seed, self.epoch = size, seed, 0

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return noise(self.seed, self.epoch, i)


# %% [markdown] translates="44c694bb"
# 从前往后，再从后往前：

# %%
dataset = Noisy(6, seed=0)
forward = [dataset[i] for i in range(6)]
backward = [dataset[i] for i in reversed(range(6))]
assert forward == backward[::-1] and len(set(forward)) == 6

# %% [markdown] translates="6a1d03e2"
# 下一轮的数，都是别的数。

# %%
dataset.epoch = 1
set(forward) & {dataset[i] for i in range(6)}

# %% [markdown] translates="532fa0c2"
# **边界情况**。PyTorch在CPU上的生成器，只取种子的32位：如果两个种子只有更高的位不同，抽到的数就相同。种子又大又多，就别指望个个不同。

# %%
low, high = (torch.Generator().manual_seed(seed) for seed in (1, 2**40 + 1))
torch.equal(torch.rand(3, generator=low), torch.rand(3, generator=high))

# %% [markdown]
# ## 9.3 还原三个生成器
#
# *编程，20分钟。*
# [练习](../09_reproducibility.ipynb#cell-id=exercise-9-3)
#
# `fork_rng`只知道PyTorch的生成器。编写一个上下文管理器，给`random`、NumPy的全局生成器、PyTorch在CPU上的生成器设种子，并在代码块之后把三个都还原，让它们就像没有过这个代码块一样接着抽。代码块里出错时，也要这样，而且错误要传给调用者。

# %% [markdown] translates="d37c6381"
# **思路**。有三对函数，用来读取和设置状态。先读取状态，再设种子。代码块在`yield`处运行，里面的错误也从这里抛出：不管有没有错误，`finally`都会运行，而且什么也不捕获。


# %%
@contextmanager
def random_state(seed):
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


# %%
check.restore_generators(random_state)

# %% [markdown] translates="b5fef828"
# `torch.manual_seed`还会设定GPU的生成器，而上面的代码块没有还原它们。`fork_rng`会还原：用了它，要读取和设置的状态就只剩两个。


# %%
@contextmanager
def random_state_everywhere(seed):
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


# %% [markdown] translates="c3988a41"
# 这一种写法，检查也接受。

# %%
assert check.restore_generators(random_state_everywhere)

# %% [markdown] translates="eab99395"
# 一种用途：画图时抽取随机的点，或者看一个样本（sample），而不影响训练。

# %%
torch.manual_seed(0)
expected = torch.rand(2)
torch.manual_seed(0)
with random_state(1):
    torch.rand(100)
assert torch.equal(torch.rand(2), expected)

# %% [markdown]
# ## 9.4 第一个坏值
#
# *编程，30分钟。*
# [练习](../09_reproducibility.ipynb#cell-id=exercise-9-4)
#
# `find_bad`还有漏洞。编写`first_bad(net, X)`，返回第一个输出不是有限值的模块的名字，名字用`named_modules`给出的；没有就返回None。所有模块都要看，因为有子模块的模块自己也做计算；输出是张量（tensor）组成的元组时，每个张量都要看。网络自己也可能报错，例如形状（shape）不合的时候：这时如果已经发现坏值，就返回名字；没有发现，就让错误照样抛出。不管哪种情况，最后自己的钩子都已移除，别人的钩子都还在，网络也仍处于原来的模式。

# %% [markdown] translates="7db53070"
# **思路**。给每个模块（module）注册一个钩子，如果输出里有坏的张量（tensor），就记下名字。钩子按模块结束的次序运行，先是子模块（children），然后才是包含它的模块，所以第一个名字就是最里面的那个。前向传播（forward propagation）就算以错误结束，记下的名字也还在列表里。


# %%
def is_bad(output):
    if isinstance(output, torch.Tensor):
        return not output.isfinite().all()
    return any(map(is_bad, output))


def first_bad(net, X):
    bad = []

    def look(name, module, args, output):
        if is_bad(output):
            bad.append(name)

    with hook_all(net, look):
        try:
            net(X)
        except Exception:
            if not bad:
                raise
    return bad[0] if bad else None


# %%
check.first_bad_value(first_bad)

# %% [markdown] translates="8c9534b8"
# 循环层返回的元组里，还有一个元组。有一个坏的偏置（bias）就够了。

# %%
lstm = nn.LSTM(3, 4)
nn.init.constant_(lstm.bias_ih_l0, torch.nan)
first_bad(nn.Sequential(OrderedDict(lstm=lstm)), torch.ones(2, 3))

# %% [markdown] translates="f416b573"
# 网络自己的错误，照样抛出。

# %%
try:
    first_bad(nn.Linear(3, 1), torch.ones(2, 4))
except RuntimeError as error:
    print(type(error).__name__)

# %% [markdown]
# ## 9.5 统计乘法次数
#
# *编程，25分钟。*
# [练习](../09_reproducibility.ipynb#cell-id=exercise-9-5)
#
# 用前向钩子编写`count_multiplications(net, X)`。它按名字返回：在一次前向传播里，每个`nn.Linear`和每个`nn.Conv2d`各做多少次乘法。调用两次的层，算两次；没有调用的层，没有条目。最后钩子都要移除，网络报错时也一样；网络的模式不能变。再与`FlopCounterMode`比较：一个是另一个的几倍？

# %% [markdown] translates="2b157776"
# **思路**。输出的每个数是若干乘积之和，通向这个数的每个权重（weight）有一个乘积。这些权重就是一个输出的权重`weight[0]`，线性层（linear layer）是这样，卷积层也是这样。分组不必另作处理，因为权重里只有一个组的输入通道。


# %%
def count_multiplications(net, X):
    counts = Counter()

    def add(name, module, args, output):
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            counts[name] += output.numel() * module.weight[0].numel()

    with hook_all(net, add):
        net(X)
    return dict(counts)


# %%
check.count_multiplications(count_multiplications)

# %% [markdown] translates="05b1567e"
# 一个小网络，五张8×8像素的图像。

# %%
layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
net, X = nn.Sequential(*layers), torch.rand(5, 1, 8, 8)
counts = count_multiplications(net, X)
counts

# %% [markdown] translates="83093780"
# `FlopCounterMode`给每个乘积还算了一次加法，所以是2倍。

# %%
with FlopCounterMode(display=False) as counter:
    net(X)
counter.get_total_flops() / sum(counts.values())

# %% [markdown]
# ## 9.6 用消融排名
#
# *探索，30分钟。*
# [练习](../09_reproducibility.ipynb#cell-id=exercise-9-6)
#
# 编写`rank_blocks(net, score)`：返回`net`的各个子模块的名字，去掉哪个之后`score(net)`最低，哪个就排在最前。分数相等时，在网络里靠前的排在前面。子模块的输出和输入形状不同，就没法去掉，不参加排名。最后钩子必须都已移除，`score`报错时也一样。然后给本章网络的四个块排名，种子取0到4。各个种子排在第一的块，是同一个吗？

# %% [markdown] translates="f7e8a16d"
# **思路**。只有钩子看得到两个形状（shape）。两个形状一致，它就返回输入来代替输出，并记下这件事；否则返回None，这个子模块就不参加排名。分数相等时，`sorted`保持原来的次序。


# %%
def rank_blocks(net, score):
    scores = {}
    for name, block in net.named_children():
        left_out = []

        def leave_out(block, args, output, left_out=left_out):
            if output.shape == args[0].shape:
                left_out.append(True)
                return args[0]

        with block.register_forward_hook(leave_out):
            value = score(net)
        if left_out:
            scores[name] = value
    return sorted(scores, key=scores.get)


# %%
check.rank_by_ablation(rank_blocks)

# %% [markdown] translates="80f966a1"
# **五个种子**。用正文的数字。

# %%
digits = load_digits()
X = torch.from_numpy(digits.images).float().flatten(1) / 16
y = torch.from_numpy(digits.target).long()
order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
train, valid = order.split([1200, 597])

# %% [markdown] translates="450e6fb9"
# 块，和正文一样。


# %%
class Residual(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.linear = nn.Linear(units, units)

    def forward(self, X):
        return X + F.relu(self.linear(X))


# %% [markdown] translates="0c6513bc"
# 一步训练。


# %%
def step(net, optimizer):
    batch = train[torch.randint(1200, (50,))]
    optimizer.zero_grad()
    F.cross_entropy(net(X[batch]), y[batch]).backward()
    optimizer.step()


# %% [markdown] translates="847954e7"
# 两个线性层之间有四个块。


# %%
def trained(seed):
    torch.manual_seed(seed)
    blocks = OrderedDict(first=nn.Linear(64, 32))
    blocks |= {f"block{i}": Residual(32) for i in range(4)}
    net = nn.Sequential(blocks | {"out": nn.Linear(32, 10)})
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(200):
        step(net, optimizer)
    return net


# %% [markdown] translates="bba47f45"
# 分数就是准确率。


# %%
@torch.no_grad()
def accuracy(net):
    return (net(X[valid]).argmax(dim=1) == y[valid]).float().mean().item()


# %% [markdown] translates="6e2dd712"
# 每个种子的排名。排在第一的是哪个块？

# %% tags=["nbval-ignore-output"]
rankings = [rank_blocks(trained(seed), accuracy) for seed in range(5)]
assert {len(ranking) for ranking in rankings} == {4}
[ranking[0] for ranking in rankings]

# %% [markdown] translates="95481010"
# 在制作本页的机器上，各个种子并不一致：少了哪个块影响最大，在这里纯属偶然。讲噪声的那一节，提醒的就是这件事。

# %% [markdown]
# ## 9.7 两次训练从哪里开始不同
#
# *编程，25分钟。*
# [练习](../09_reproducibility.ipynb#cell-id=exercise-9-7)
#
# 两次训练本该相同，却不相同。要找原因，看最先不同的那一步，比看最后的结果有用。`run()`和`other()`各开始一次训练，每走一步，就给出一次状态字典（state dict）：给出的是正在用的那一个，下一步会改变其中的张量。返回最先不同的一步，从1数起，以及这一步里第一个让`torch.equal`返回False的名字；如果在两次训练都走到的范围里没有不同，就返回None。注意：两次训练可能都从PyTorch的生成器抽数；你自己既不要设种子，也不要恢复它的状态。

# %% [markdown] translates="6f33400b"
# **思路**。先把一次训练做到最后，一路保存克隆，因为它的张量还会变；然后才开始另一次，这样谁也不会在对方的两次抽取之间抽数。`torch.equal`不容许任何舍入误差（rounding error）。


# %%
def first_difference(run, other):
    kept = [{k: t.clone() for k, t in state.items()} for state in run()]
    for step, (before, state) in enumerate(
        zip(kept, other(), strict=False), 1
    ):
        for name in before:
            if not torch.equal(before[name], state[name]):
                return step, name
    return None


# %%
check.where_two_runs_differ(first_difference)

# %% [markdown] translates="4c0fabd9"
# 一种用途：一次训练，在某一步之后看了一眼加载器。


# %%
def run(look_after=None):
    torch.manual_seed(0)
    net = nn.Linear(64, 10)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for number in range(1, 7):
        step(net, optimizer)
        if number == look_after:
            next(iter(DataLoader(range(10))))
        yield net.state_dict()


# %% [markdown] translates="4cb1da88"
# 两次都不看加载器，就完全相同。第3步之后看了一眼，第4步就会抽到另一个批量（batch）。

# %%
first_difference(run, run), first_difference(run, lambda: run(look_after=3))

# %% [markdown] translates="6b717550"
# **陷阱**。同样的两次训练，如果轮流走，从第二步起就不同：每次抽到的数，本该是另一次的。第一步还相同，因为每次都是刚刚设过种子。

# %%
[
    torch.equal(a["weight"], b["weight"])
    for a, b in zip(run(), run(), strict=True)
]

# %% [markdown] translates="5288b448"
# **少占内存**。训练一长，内存就放不下所有的状态。不存张量的克隆，改存它的摘要（digest）：最后一位变了，摘要就变。


# %%
def digest(t):
    return hashlib.sha256(t.numpy().tobytes()).hexdigest()[:8]


one = torch.ones(3)
digest(one) == digest(one.clone()), digest(one) == digest(one + 2**-23)

# %% [markdown]
# ## 9.8 各个块的梯度范数
#
# *编程，15分钟。*
# [练习](../09_reproducibility.ipynb#cell-id=exercise-9-8)
#
# 反向传播之后，每个块的梯度有多大？编写`gradient_norms(net)`：对`net`的每个子模块，按名字给出它所有参数（parameter）的梯度合在一起的范数（norm），就像这些梯度是一个向量（vector）。参数没有梯度，就按0算。所有梯度都保持原样。在十个sigmoid串成的网络里，是第一层的范数更小，还是最后一层的？怎样由这些范数得出`nn.utils.clip_grad_norm_`返回的数？

# %% [markdown] translates="e54fd527"
# **思路**。长向量的范数，等于各段范数的平方之和，再开方。`child.parameters()`对每个参数只给出一次。往回经过sigmoid时，梯度要乘以sigmoid的斜率，最多1/4：第一层得到的最小。


# %%
def gradient_norms(net):
    norms = {}
    for name, child in net.named_children():
        grads = [p.grad for p in child.parameters() if p.grad is not None]
        norms[name] = sum(g.norm().item() ** 2 for g in grads) ** 0.5
    return norms


smaller = "first"

# %%
check.gradient_norms_by_block(gradient_norms, smaller)

# %% [markdown] translates="a9522dae"
# 在十个sigmoid串成的网络里：

# %%
torch.manual_seed(0)
sigmoids = [nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(10)]
net = nn.Sequential(*sigmoids)
F.cross_entropy(net(X), y).backward()
norms = gradient_norms(net)
f"first {norms['0']:.0e}, last {norms['9']:.0e}"

# %% [markdown] translates="ff91cf1c"
# `clip_grad_norm_`返回所有梯度的范数：只要没有哪个块与别的块共享参数（parameter），它又是各块范数的平方之和，再开方。

# %%
total = nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
assert_close(sum(n**2 for n in norms.values()) ** 0.5, total.item())
