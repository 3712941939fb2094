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

# %% [markdown] translates="b02ba6ba"
# # 可复现性：重现一次训练，查看网络内部
#
# 同一个笔记本运行两次，准确率却不一样。是因为你在中间做的改动，还是纯属偶然？损失变成了`nan`，又是从哪里开始的？这一章先重现同一次训练，再看它的内部。
#
# **你将学会**
#
# - 说清随机种子（seed）设定什么，不设定什么；
# - 给`DataLoader`的工作进程（worker）设种子；
# - 分清什么是发现，什么只是噪声；
# - 用钩子（hook）读取激活值（activation）和梯度（gradient），再把钩子移除；
# - 找到第一个`nan`出自哪个模块（module）；
# - 从训练好的网络里去掉一个块（block），并统计乘法的次数。
#
# **书中**：没有哪一节讲这些。本章是[深度学习计算](https://zh.d2l.ai/chapter_deep-learning-computation/index.html)一章的补充（英文版[Builders' Guide](https://d2l.ai/chapter_builders-guide/index.html)）。
#
# **需要先读**第05章[自动微分：沿计算图追踪梯度](05_autograd.ipynb)和第07章[训练：在任何设备上训练，中断后恢复](07_training.ipynb)。全部单元格在CPU上运行约五秒，有GPU时会用GPU。

# %% [markdown] translates="b58186dc"
# 第一个单元格导入本章要用的东西，并选好设备（device）。

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

# %% [markdown] translates="e03c945d"
# ## 两次训练，两个结果
#
# 数据是第07章的手写数字，每张图像是一行，共64个数。

# %%
torch.set_num_threads(1)
digits = load_digits()
X = torch.from_numpy(digits.images).float().flatten(1).to(device) / 16
y = torch.from_numpy(digits.target).long().to(device)
order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
train_part, valid = order.to(device).split([1200, 597])

# %% [markdown] translates="752f1706"
# `fit`训练100步，每一步随机抽取50个数字。


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


# %% [markdown] translates="a62e22c2"
# 同样的一行代码，执行两次。

# %% tags=["nbval-ignore-output"]
first, second = fit(MLP(64, 32, 10)), fit(MLP(64, 32, 10))
assert not torch.equal(first.out.weight, second.out.weight)
f"{accuracy(first):.1%} and {accuracy(second):.1%}"

# %% [markdown] translates="0e7d85d9"
# 随机的地方有两处：最初的权重（weight），和`fit`的抽取。两处用的都是PyTorch在CPU上的随机数生成器（generator），而`manual_seed`能设定它。


# %%
def seeded_fit(seed, num_hiddens=32):
    torch.manual_seed(seed)
    return fit(MLP(64, num_hiddens, 10))


# %% [markdown] translates="492e9c36"
# 用同一个种子训练两次。（在GPU上，每次训练的舍入可能不同。）

# %%
one, other = seeded_fit(0), seeded_fit(0)
tolerance = 0 if device.type == "cpu" else 1e-3
for a, b in zip(one.parameters(), other.parameters(), strict=True):
    assert_close(a, b, rtol=tolerance, atol=tolerance)

# %% [markdown] translates="99960b76"
# 在CPU上用一个线程，两次的权重现在每一位都相同。

# %% [markdown] translates="7cd74022"
# ## 种子设定什么
#
# 一个程序里，随机数的来源不止一处。下面是七处。

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


# %% [markdown] translates="298fc4df"
# 对每一处，设定种子，抽一个数；再次设定同一个种子，再抽一个。用`torch.manual_seed`来设定，哪几处两次抽到的数相同？


# %%
def show_what_is_set_by(set_seed):
    for name, draw in sources.items():
        set_seed(0)
        number = draw()
        set_seed(0)
        print(f"{name:24}", "again" if draw() == number else "another number")


show_what_is_set_by(torch.manual_seed)

# %% [markdown] translates="8ca263a2"
# `manual_seed`设定PyTorch自带的生成器，每个设备一个；这里的另外四处，它都不管。Python的`random`和NumPy有各自的生成器：三者都要设定。


# %%
def seed_all(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


show_what_is_set_by(seed_all)

# %% [markdown] translates="86ab3161"
# 还剩两处。生成器如果是一个对象，就在创建它的地方给它设种子。

# %% [markdown] translates="d3c66b40"
# ### 多抽一个数
#
# 下面创建三个层（layer），创建第一个之后调用`between`。


# %%
def three_layers(between):
    torch.manual_seed(0)
    layers = [nn.Linear(4, 4)]
    between()
    return [*layers, nn.Linear(4, 4), nn.Linear(4, 4)]


# %% [markdown] translates="09a44179"
# 如果`between`抽了一个数，哪几层的初始权重和没有抽时一样？（`bool()`什么也不做。）


# %%
def same_start(between):
    pairs = zip(three_layers(between), three_layers(bool), strict=True)
    return [torch.equal(a.weight, b.weight) for a, b in pairs]


same_start(lambda: torch.rand(1))

# %% [markdown] translates="7cf4ce44"
# 只有第一层。种子定下的是一列数，每抽一次，就取走下一个。
#
# > **陷阱**。有的随机抽取，藏在没人想到的地方。下面的加载器（loader）不打乱次序，没有工作进程，数据只是十个整数。


# %%
def look_at_data():
    for _ in DataLoader(range(10)):
        pass


same_start(look_at_data)

# %% [markdown] translates="449cabf3"
# 加载器每次开始遍历，都要为工作进程抽一个种子，哪怕一个工作进程也没有。所以在训练中途做一次评估，训练就变了。要么给加载器一个它自己的生成器，要么用`fork_rng`：它的代码块一结束，PyTorch的生成器就会还原。


# %%
def look_with_own_generator():
    for _ in DataLoader(range(10), generator=torch.Generator()):
        pass


def look_in_a_fork():
    with torch.random.fork_rng():
        look_at_data()


same_start(look_with_own_generator), same_start(look_in_a_fork)

# %% [markdown] translates="b16230c9"
# 延后层（lazy layer，[第02章](02_parameters.ipynb)）要等第一个批量（batch）来了才抽取权重。下面的函数把两层串起来，返回这两层的权重。


# %%
def weights_of(first, last):
    torch.manual_seed(0)
    net = nn.Sequential(first(8), last(1))
    net(torch.ones(1, 4))
    return [layer.weight for layer in net]


# %% [markdown] translates="966762d4"
# 先让两层都延后，再只让前一层延后：权重还和普通的两层一样吗？


# %%
def linear(in_units):
    return lambda units: nn.Linear(in_units, units)


plain = weights_of(linear(4), linear(8))
for layers in [nn.LazyLinear, nn.LazyLinear], [nn.LazyLinear, linear(8)]:
    print([*map(torch.equal, weights_of(*layers), plain)])

# %% [markdown] translates="6b2647a7"
# 两层都延后时，抽取的次序和平常一样。只有一层延后时，后一层先抽，于是两层的初始权重都变了。

# %% [markdown] translates="6314705a"
# ## 给工作进程设种子
#
# `DataLoader`设了`num_workers=2`，就会启动两个进程，每个进程有一份数据集的副本。有的数据集会随机改变图像，它可能自己带着一个生成器；下面这个数据集，返回的全是随机数。它的代码在`d2l_helpers`里：在macOS和Windows上，工作进程要导入数据集的类，这要花几秒；类如果定义在笔记本里，工作进程就找不到。

# %%
print(inspect.getsource(datasets.NoisyDataset))

# %% [markdown] translates="7918846e"
# 下面的第一行隐藏一条警告：机器只有一个核心时，PyTorch会说两个工作进程可能很慢。两轮（epoch），每轮六个数：你猜一共有几个不同的数？


# %%
warnings.filterwarnings("ignore", "This DataLoader will create")


def epochs(number, **options):
    dataset = datasets.NoisyDataset(6)
    loader = DataLoader(dataset, batch_size=1, num_workers=2, **options)
    return [[round(x.item(), 6) for x in loader] for _ in range(number)]


# %% [markdown] translates="349c6e96"
# 每轮打印一行。

# %% tags=["predict"]
for numbers in epochs(2):
    print(numbers)

# %% [markdown] translates="deb76276"
# > **陷阱**。应该有十二个，却只有三个。各个工作进程里，生成器的副本都一样；而且每一轮都从头再复制一次。
#
# 在每个工作进程里，加载器会给PyTorch、`random`和`np.random`设种子，每一轮都换一个新种子。但数据集里的生成器，加载器并不知道。传给`worker_init_fn`的函数，每个工作进程都会调用一次；就由它来给这个生成器设种子。

# %%
print(inspect.getsource(datasets.seed_worker))

# %% [markdown] translates="94fdf565"
# 现在，两轮应该没有相同的数；再用同一个种子，第一轮应该又和原来一样。

# %%
torch.manual_seed(0)
repaired = epochs(2, worker_init_fn=datasets.seed_worker)
torch.manual_seed(0)
(again,) = epochs(1, worker_init_fn=datasets.seed_worker)
assert again == repaired[0]
set(repaired[0]) & set(repaired[1])

# %% [markdown] translates="1cbb2f3e"
# 三个工作进程抽到的数，会和两个时不同。练习9.2会让结果与工作进程的个数无关。
#
# 样本（sample）的次序，是在你自己的进程里抽取的，不在工作进程里。用的是哪个生成器？


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


# %% [markdown] translates="136f61d1"
# 如果在这之前抽一个数，次序还一样吗？

# %%
one, other = orders(bool), orders(lambda: torch.rand(1))
{name: one[name] == other[name] for name in one}

# %% [markdown] translates="c97df493"
# 不写`generator=`，用的就是全局的生成器，而先前那次抽取让它往前走了一步。加载器如果要打乱次序，就给它自己的生成器，并像第07章那样，把生成器的状态和训练一起保存。

# %% [markdown] translates="b2ea7006"
# ## 种子相同，和却不同
#
# 结果不同，原因不只是随机。浮点数求和的结果，与相加的次序有关；几个线程一起加时，每个线程只加一部分。下面把一百万个数分成1、2、4、8、16份来加。每次的和都相同吗？

# %%
torch.manual_seed(0)
values = torch.randn(2**20)
parts = [values.view(n, -1).sum(dim=1).sum() for n in (1, 2, 4, 8, 16)]
assert len({total.item() for total in parts}) > 1
assert_close(torch.stack(parts), parts[0].expand(5), rtol=1e-5, atol=0)

# %% [markdown] translates="1c328a06"
# 不相同：末尾几位有差别。要让训练的每一位都能重现，就固定线程数，像本章这样。
#
# 有些运算没有固定的次序：几个线程往同一处写，谁先到谁先写。下面有十个和，每个数加到其中一个上。


# %%
def add_up():
    index = (torch.arange(2**20) % 10,)
    return torch.zeros(10).index_put(index, values, accumulate=True)


# %% [markdown] translates="b90a5624"
# 调用二十次，会得到几种不同的结果？


# %%
def results(num_threads):
    torch.set_num_threads(num_threads)
    found = {tuple(add_up().tolist()) for _ in range(20)}
    torch.set_num_threads(1)
    return len(found)


# %% [markdown] translates="46e8c6d3"
# 用一个线程，只有一种。用四个线程会怎样？把这个单元格多运行几次。

# %% tags=["nbval-ignore-output"]
assert results(1) == 1
f"four threads: {results(4)} results of 20 calls"

# %% [markdown] translates="ddfe6d44"
# `use_deterministic_algorithms`是整个程序的开关。打开之后，一个运算只要有*确定性算法*（deterministic algorithm），也就是每次结果都相同的算法，就用这种算法。下面的上下文管理器（context manager）最后会把开关关掉，出错时也一样。


# %%
@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


# %% [markdown] translates="77ab5466"
# 现在，用四个线程调用二十次：

# %%
with deterministic():
    number = results(4)
number

# %% [markdown] translates="6a6707f7"
# 代价是什么？在这里，用了确定性算法，就不再用多个线程。看看在你的机器上，两种情况各用多久。


# %%
def milliseconds():
    torch.set_num_threads(4)
    start = time.perf_counter()
    for _ in range(10):
        add_up()
    torch.set_num_threads(1)
    return 100 * (time.perf_counter() - start)


# %% [markdown] translates="14ad8f82"
# 各调用十次，允许用四个线程；打印的是调用一次的时间。

# %% tags=["predict", "nbval-ignore-output"]
free = milliseconds()
with deterministic():
    bound = milliseconds()
assert free > 0 and bound > 0
f"free {free:.1f} ms, deterministic {bound:.1f} ms"

# %% [markdown] translates="8d95acea"
# PyTorch没有提供这种算法的运算，会报错，在CPU上也一样。下面，`put_`要把两个值都写到位置0。

# %% tags=["raises-exception"]
with deterministic():
    torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))

# %% [markdown] translates="24276ae3"
# 所以，这个开关还能指出哪一行无法重现。在GPU上，这样的运算更多；矩阵（matrix）的乘法还要求在程序启动之前，设好环境变量`CUBLAS_WORKSPACE_CONFIG=:4096:8`。即使全都做到了，换一个PyTorch版本，或者换一种处理器，末尾几位仍可能不同。

# %% [markdown] translates="432d95e4"
# ## 噪声有多大
#
# 有人把隐藏层（hidden layer）从32加宽到36，用种子0做了比较。

# %% tags=["nbval-ignore-output"]
wide = [accuracy(seeded_fit(0, num_hiddens)) for num_hiddens in (32, 36)]
assert min(wide) > 0.8
f"32: {wide[0]:.1%}, 36: {wide[1]:.1%}"

# %% [markdown] translates="1e8f83ee"
# 在制作本页的机器上，多了四个隐藏单元，准确率提高了将近五个百分点。这算发现吗？取五个种子来看，再加一个宽度为8的网络作对照。

# %%
widths = (8, 32, 36)
found = {}
for width in widths:
    runs = [accuracy(seeded_fit(seed, width)) for seed in range(5)]
    found[width] = torch.tensor(runs)
assert found[32].max() > found[36].min() and found[36].max() > found[32].min()

# %% [markdown] translates="eeacf0db"
# 每个点是一个种子，每条短线是均值（mean）。你会相信哪一个差别？

# %% tags=["look"] mystnb={"image": {"alt": "点图：隐藏单元为8、32和36个时，五个种子的准确率，均值处各有一条短线。8个时，点在0.77到0.87之间，全都低于另外两组。32个时在0.90到0.93之间，36个时在0.89到0.95之间，这两组有重叠。"}} translates="002193fb"
for place, width in enumerate(widths):
    plt.plot([place] * 5, found[width], "o", color="C0", alpha=0.6)
    plt.plot(place, found[width].mean(), "_", color="C1", markersize=40)
plt.margins(x=0.2)
plt.xticks(range(3), [f"{width} hidden" for width in widths])
plt.ylabel("accuracy")
plt.show()

# %% [markdown] translates="06d263f9"
# 衡量差别，要用*标准误*（standard error）作单位。两个均值各来自$n$次训练时，标准误是$\sqrt{(s_1^2 + s_2^2) / n}$，其中$s$是各个种子之间的标准差（standard deviation）：纯属偶然的差别，大约就是这么大。常用的规则要求差别达到两个标准误；种子少到只有五个，就要求三个。


# %%
def in_standard_errors(a, b):
    error = ((a.var() + b.var()) / len(a)).sqrt()
    return (b.mean() - a.mean()) / error


assert in_standard_errors(found[8], found[32]) > 3
assert abs(in_standard_errors(found[32], found[36])) < 3

# %% [markdown] translates="f2f2bf94"
# 从8到32是发现，从32到36不是。报告结果时，写出均值、离散程度和种子的个数。挑一个最好的种子，就是用验证集的数字做了一次选择，和第07章一样：它的准确率会显得比实际好。

# %% [markdown] translates="778e5349"
# ## 用钩子查看内部
#
# 前向钩子（forward hook，[第01章](01_blocks.ipynb)）能看到模块的每个输出。
#
# > **陷阱**。注册钩子的单元格，运行两次，就注册了两个钩子。下面用循环来代替运行两次。做一次前向传播（forward propagation），钩子会调用几次？

# %%
calls, net = [], MLP(64, 32, 10).to(device)
for _ in range(2):
    net.hidden.register_forward_hook(lambda *_: calls.append("hidden"))
net(X[:1])
calls

# %% [markdown] translates="d658cc71"
# `register_forward_hook`返回一个*句柄*（handle），用它的`remove()`可以移除钩子。句柄也是上下文管理器：代码块结束时移除钩子，出错时也一样；`ExitStack`能同时管理许多个。下面的函数给每个没有子模块（children）的模块注册`hook`，并把模块的名字传给它。（`register`后面会用到。）


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


# %% [markdown] translates="ee64d9a6"
# 这里，钩子把每个输出存进字典。还有什么也跟着留了下来？

# %% translates="ce731912"
net, kept = MLP(64, 32, 10).to(device), {}
with hooked(net, kept.__setitem__):
    net(X[valid])
net(X[:1])  # 已经没有钩子了
{name: (tuple(H.shape), type(H.grad_fn)) for name, H in kept.items()}

# %% [markdown] translates="9906ae62"
# > **陷阱**。输出带着它的计算图（computational graph），图又留着反向传播（backpropagation）要用的一切。每个批量存一个输出，存成列表，内存就会占满。
#
# （`MLP`里的ReLU，钩子看不到：它是`forward`里的函数，不是模块。）
#
# 要存就存数。对每一层，取输出的均值，以及输出在各个数字之间的离散程度：输出还随输入变化吗？


# %%
def spreads(net):
    table = {}

    def note(name, out):
        spread = out.std(dim=0).mean()  # (n, d) -> (d,) -> ()
        table[name] = out.mean().item(), spread.item()

    with hooked(net, note), torch.no_grad():
        net(X[valid])
    return table


# %% [markdown] translates="e441d8b9"
# 一个十层的网络，用PyTorch默认的初始化（initialization）。


# %%
def deep(activation):
    torch.manual_seed(0)
    blocks = OrderedDict()
    for i in range(10):
        blocks[f"linear{i}"] = nn.Linear(64, 64)
        blocks[f"act{i}"] = activation()
    return nn.Sequential(blocks).to(device)


# %% [markdown] translates="0ae560c2"
# 到了第1、4、7、10层，离散程度还剩多少？

# %%
for name, (average, spread) in list(spreads(deep(nn.ReLU)).items())[1::6]:
    print(f"{name}  mean {average:.3f}  spread {spread:.1e}")

# %% [markdown] translates="498c5e3c"
# 到最后，各个数字的输出几乎一样了。He初始化`kaiming_normal_`抽取的权重更大。

# %%
he = deep(nn.ReLU)
for module in he[::2]:
    nn.init.kaiming_normal_(module.weight)
curves = {"default": spreads(deep(nn.ReLU)), "He": spreads(he)}
ends = [curve["act9"][1] for curve in curves.values()]
assert ends[0] < 1e-3 < 0.05 < ends[1]

# %% [markdown] translates="8b8f4dbb"
# 各层ReLU的输出，按深度画出。

# %% mystnb={"image": {"alt": "折线图：输出在各个数字之间的离散程度，纵轴是对数刻度，横轴是深度，从1到10。默认的初始化，它沿一条直线下降，从约0.1降到0.0001以下。He初始化，它只从约0.2降到0.08。"}} translates="d4d7257d"
for label, curve in curves.items():
    values_by_depth = [spread for _, spread in curve.values()][1::2]
    plt.semilogy(range(1, 11), values_by_depth, "o-", label=label)
plt.xlabel("depth")
plt.ylabel("spread over the digits")
plt.legend()
plt.show()

# %% [markdown] translates="e207375d"
# ## 找到第一个坏值
#
# 下面的模块缩放每个像素，使均值为0、标准差为1。


# %%
class Standardize(nn.Module):
    def forward(self, X):
        return (X - X.mean(dim=0)) / X.std(dim=0)


# %% [markdown] translates="06d04c3f"
# 走第一步之前的损失：

# %%
torch.manual_seed(0)
blocks = OrderedDict(scale=Standardize(), mlp=MLP(64, 32, 10))
net = nn.Sequential(blocks).to(device)
F.cross_entropy(net(X), y).item()

# %% [markdown] translates="2e391c34"
# 是哪个模块？按调用的次序，逐个看输出是否有限：有限，就是既没有`nan`，也没有无穷大。


# %%
def find_bad(net, X):
    bad = []

    def look(name, out):
        if not out.isfinite().all():
            bad.append(name)

    with hooked(net, look), torch.no_grad():
        net(X)
    return bad


# %% [markdown] translates="071d2c00"
# 坏的模块，按次序列出：

# %% tags=["predict"]
find_bad(net, X)

# %% [markdown] translates="0dba1d8c"
# 坏值从`scale`开始，后面的模块只是把它传了下去：有些像素在所有数字里都一样，标准差是0，而0 / 0是`nan`。除数要换成不可能是0的数。


# %%
class SafeStandardize(nn.Module):
    def forward(self, X):
        return (X - X.mean(dim=0)) / (X.std(dim=0) + 1e-6)


net.scale = SafeStandardize()
find_bad(net, X)

# %% [markdown] translates="316971c7"
# ### 前向没有坏值，反向却有
#
# 这一次的坏值，前向钩子找不到。下面的函数对正数开平方；对其他数，函数值是0。


# %%
def root(x):
    return torch.where(x > 0, x.sqrt(), 0.0)


# %% [markdown] translates="c99fdf70"
# 先看值，再看梯度。

# %%
x = torch.tensor([0.0, 4.0], requires_grad=True)
root(x).sum().backward()
root(x).tolist(), x.grad.tolist()

# %% [markdown] translates="7840a55a"
# `where`把两个分支都算了一遍。在0处，平方根的斜率是无穷大，而结果没有取这个分支：梯度就是0乘以无穷大。*异常检测模式*（anomaly mode）会停在反向传播中第一个给出`nan`的运算上。它还会发出警告，指出前向传播里的那一行；单元格把警告收在一个列表里。

# %% tags=["raises-exception"]
with (
    warnings.catch_warnings(record=True, action="always") as caught,
    torch.autograd.set_detect_anomaly(True),
):
    root(x).sum().backward()

# %% [markdown] translates="dcdc11f6"
# 错误信息说出是哪个运算，警告说出是哪一行。

# %%
assert "x.sqrt()" in str(caught[-1].message)

# %% [markdown] translates="d8a99dbf"
# 要在开平方之前修正，让这个分支遇不到0。找到那一行之后，别让异常检测模式一直开着：它会让每一步变慢。


# %%
def safe_root(x):
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)


x.grad = None
safe_root(x).sum().backward()
x.grad.tolist()

# %% [markdown] translates="5f48be15"
# ## 往回追踪梯度
#
# *反向钩子*（full backward hook）得到的是模块输入的梯度和输出的梯度，各放在一个元组里。`hooked`只传递后者。十个sigmoid串在一起，传到每一个的梯度有多大？（输入也要求梯度，否则第一层的钩子会发出警告。）


# %%
def gradient_sizes(net):
    sizes = {}

    def note(name, gradients):
        sizes[name] = gradients[0].norm().item()

    with hooked(net, note, nn.Module.register_full_backward_hook):
        F.cross_entropy(net(X[valid].requires_grad_()), y[valid]).backward()
    return sizes


# %% [markdown] translates="8c7676b4"
# 从最后一个看到第一个：

# %% tags=["predict"]
sizes = gradient_sizes(deep(nn.Sigmoid))
for name in ("act9", "act6", "act3", "act0"):
    print(f"{name}  {sizes[name]:.0e}")
assert sizes["act9"] > 300**3 * sizes["act0"]

# %% [markdown] translates="1b54ca58"
# 每往回三层，梯度就缩小到不足1/300：最前面的几层几乎学不到东西。
#
# > **陷阱**。原地（in-place）修改的模块，会覆盖前一个模块的输出。前一个模块如果有反向钩子，就会报错。

# %%
try:
    gradient_sizes(deep(lambda: nn.ReLU(inplace=True)))
except RuntimeError as error:
    assert "is being modified inplace" in str(error)
    print(type(error).__name__)

# %% [markdown] translates="27f994d4"
# 换成前向钩子，不会报错，但钩子存下的东西过后会变；用了`detach`也一样，因为它与原来的输出共享内存。第一个线性层（linear layer）的输出，在`detach`存下的那一份里，负数占多大比例？

# %%
net, kept, cloned = deep(lambda: nn.ReLU(inplace=True)), {}, {}
with hooked(net, lambda name, out: kept.update({name: out.detach()})):
    net(X[valid])
with hooked(net, lambda name, out: cloned.update({name: out.clone()})):
    net(X[valid])
shares = [(t["linear0"] < 0).float().mean().item() for t in (kept, cloned)]
assert shares[1] > 0.3
shares[0]

# %% [markdown] translates="341f879c"
# 一个也没有，而在克隆里，负数超过30%。要么克隆，要么像`spreads`那样，当场就取数。

# %% [markdown] translates="b73a1b3f"
# ## 替换输出
#
# 前向钩子返回的值如果不是`None`，就会替换输出。
#
# > **陷阱**。钩子可能返回了你没打算返回的东西。`setdefault`返回字典里的条目，也就是第一次的输出。换一批数字，网络的输出会不一样吗？

# %%
net, kept = MLP(64, 32, 10).to(device), {}
with hooked(net, kept.setdefault):
    one, other = net(X[:5]), net(X[5:10])
torch.equal(one, other)

# %% [markdown] translates="54c813b0"
# 给出的还是第一次的输出。（上面的`update`返回`None`。）
#
# 这个功能也可以用来做*消融*（ablation）：去掉一个块，看看失去了什么。*残差块*（residual block）把算出的结果加到输入上，所以去掉它，剩下的就是输入。


# %%
class Residual(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.linear = nn.Linear(units, units)

    def forward(self, X):
        return X + F.relu(self.linear(X))


# %% [markdown] translates="7f3fab4f"
# 钩子返回块的输入，只用于一次评估。


# %%
def without(net, block):
    with block.register_forward_hook(lambda block, given, out: given[0]):
        return accuracy(net)


# %% [markdown] translates="e5f53394"
# 下面训练一个网络，两个线性层之间有四个块。做完消融，网络恢复完整了吗？

# %%
torch.manual_seed(0)
blocks = OrderedDict(first=nn.Linear(64, 32))
blocks |= {f"block{i}": Residual(32) for i in range(4)}
net = fit(nn.Sequential(blocks | {"out": nn.Linear(32, 10)}), 200, 0.1)
left = {"whole": accuracy(net)}
left |= {name: without(net, net.get_submodule(name)) for name in [*blocks][1:]}
assert min(left.values()) > 0.5
accuracy(net) == left["whole"]

# %% [markdown] translates="3cdf8f38"
# 恢复了：钩子都移除了。少了哪个块，影响最大？

# %% mystnb={"image": {"alt": "五个水平的条形，表示准确率，都在0.93附近：一个是完整的网络，另外四个分别去掉了块0到块3。去掉块0或块3，准确率比完整的略低；去掉块1或块2，略高。"}} translates="0ef3cb09"
plt.barh([*left], [*left.values()], color=["C0", *["C1"] * 4])
plt.xlim(0.5, 1)
plt.xlabel("accuracy without this block")
plt.gca().invert_yaxis()
plt.show()

# %% [markdown] translates="e82b8b81"
# 不管去掉哪一个块，大多数数字还是读得对；在制作本页的机器上，有两个块甚至像是有害的。先别相信，想想噪声：练习9.6用五个种子。

# %% [markdown] translates="fdae1af2"
# ## 统计计算量
#
# 从64个特征（feature）到32个，线性层对每个样本做64乘32次乘法，加法也是这么多次。`FlopCounterMode`把两种都算进去。先手工算一算，50个数字经过`MLP(64, 32, 10)`的两层：

# %%
from torch.utils.flop_counter import FlopCounterMode

net = MLP(64, 32, 10).to(device)
with FlopCounterMode(display=False) as forward:
    net(X[:50])
by_hand = 2 * 50 * (64 * 32 + 32 * 10)
forward.get_total_flops(), by_hand

# %% [markdown] translates="d8ac4b5d"
# 两个数相等，其中没有ReLU和偏置（bias）：它只统计矩阵的乘法，以及由矩阵乘法组成的卷积和注意力。反向传播又增加多少？

# %%
with FlopCounterMode(display=False) as both:
    net(X[:50]).sum().backward()
both.get_total_flops() - by_hand, 2 * by_hand - 2 * 50 * 64 * 32

# %% [markdown] translates="4a2dae05"
# 前向传播每做一次矩阵乘法，反向传播就做两次：一次算权重的梯度，一次算输入的梯度。第一层的输入不需要梯度。

# %% [markdown] translates="39639f18"
# ## 小结
#
# - `torch.manual_seed`设定PyTorch自带的生成器，不设定`random`和NumPy的，也不设定作为对象的生成器。
# - 多抽一个数，后面的就全变了。`DataLoader`每次开始遍历都要抽一个数：给它一个生成器。
# - 数据集里的生成器，在各个工作进程里都相同；用`worker_init_fn`设了种子，才会不同。
# - 求和的结果与相加的次序有关，所以也与线程数有关；有些运算没有固定的次序。`use_deterministic_algorithms`会替换或拒绝这样的运算。
# - 取几个种子，差别达到几个标准误，才是发现。
# - 钩子：让`with`代码块来移除；存数，或者存克隆；除非要替换输出，否则什么也不返回。
# - 第一个不是有限值的输出，指出是哪个模块。异常检测模式指出，是哪个运算的反向传播给出了`nan`。

# %% [markdown] translates="5644b2ce"
# ## 练习
#
# 把答案写在每个`...`的位置，运行这个单元格，再运行下面的检查。检查会说出缺了什么，并给出一个通不过的例子；它不会改动你的任何东西。检查要用到前面的单元格：隔了一阵再来做时，先选中检查，再依次点*Run*、*Run All Above Selected Cell*。完整的解答在[另外一页](solutions/09_reproducibility.ipynb)上。

# %%
from d2l_helpers import check

# %% [markdown] translates="acf5ea8e"
# ### 9.1 种子定下什么
#
# *思考，10分钟。*
# [解答](solutions/09_reproducibility.ipynb#cell-id=exercise-9-1)
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

# %% [markdown] translates="7d21d6ad"
# ### 9.2 给工作进程设种子
#
# *编程，25分钟。*
# [解答](solutions/09_reproducibility.ipynb#cell-id=exercise-9-2)
#
# 一个数据集带着两个生成器：`rng`是NumPy的，`generator`是`torch.Generator`。编写一个`worker_init_fn`，给每个工作进程里的副本设定这两个生成器：两个生成器抽到的数，各个副本都不同，各轮也不同；种子相同时，又完全相同。然后让结果与工作进程无关：`noise`是0到1之间的一个数，只由三个整数决定，即种子、轮和位置`i`，在任何进程里都一样；其中一个变了，这个数就不同。计算它时，不能从别人的生成器抽数，也不能给别人的生成器设种子。这样，不管有0个、2个还是3个工作进程，数据集给出的数都相同。


# %% translates="9efd2092"
def seed_worker(worker_id):
    """给这个工作进程的数据集副本里的两个生成器设种子。"""
    ...


def noise(seed, epoch, i):
    """某一轮里位置i的数，从0到1。"""
    ...


# %%
check.seed_the_workers(seed_worker, noise)

# %% [markdown] translates="4b13696c"
# ### 9.3 还原三个生成器
#
# *编程，20分钟。*
# [解答](solutions/09_reproducibility.ipynb#cell-id=exercise-9-3)
#
# `fork_rng`只知道PyTorch的生成器。编写一个上下文管理器，给`random`、NumPy的全局生成器、PyTorch在CPU上的生成器设种子，并在代码块之后把三个都还原，让它们就像没有过这个代码块一样接着抽。代码块里出错时，也要这样，而且错误要传给调用者。


# %% translates="f6ce76a9"
@contextmanager
def random_state(seed):
    """带有自己的随机状态的代码块。"""
    ...


# %%
check.restore_generators(random_state)

# %% [markdown] translates="ac1be0b9"
# ### 9.4 第一个坏值
#
# *编程，30分钟。*
# [解答](solutions/09_reproducibility.ipynb#cell-id=exercise-9-4)
#
# `find_bad`还有漏洞。编写`first_bad(net, X)`，返回第一个输出不是有限值的模块的名字，名字用`named_modules`给出的；没有就返回None。所有模块都要看，因为有子模块的模块自己也做计算；输出是张量（tensor）组成的元组时，每个张量都要看。网络自己也可能报错，例如形状（shape）不合的时候：这时如果已经发现坏值，就返回名字；没有发现，就让错误照样抛出。不管哪种情况，最后自己的钩子都已移除，别人的钩子都还在，网络也仍处于原来的模式。


# %% translates="17abb37f"
def first_bad(net, X):
    """第一个输出不是有限值的模块的名字，没有就是None。"""
    ...


# %%
check.first_bad_value(first_bad)

# %% [markdown] translates="0d662ce2"
# ### 9.5 统计乘法次数
#
# *编程，25分钟。*
# [解答](solutions/09_reproducibility.ipynb#cell-id=exercise-9-5)
#
# 用前向钩子编写`count_multiplications(net, X)`。它按名字返回：在一次前向传播里，每个`nn.Linear`和每个`nn.Conv2d`各做多少次乘法。调用两次的层，算两次；没有调用的层，没有条目。最后钩子都要移除，网络报错时也一样；网络的模式不能变。再与`FlopCounterMode`比较：一个是另一个的几倍？


# %% translates="b39a36d7"
def count_multiplications(net, X):
    """每个线性层和卷积层的乘法次数，按名字给出。"""
    ...


# %%
check.count_multiplications(count_multiplications)

# %% [markdown] translates="ad2b4348"
# ### 9.6 用消融排名
#
# *探索，30分钟。*
# [解答](solutions/09_reproducibility.ipynb#cell-id=exercise-9-6)
#
# 编写`rank_blocks(net, score)`：返回`net`的各个子模块的名字，去掉哪个之后`score(net)`最低，哪个就排在最前。分数相等时，在网络里靠前的排在前面。子模块的输出和输入形状不同，就没法去掉，不参加排名。最后钩子必须都已移除，`score`报错时也一样。然后给本章网络的四个块排名，种子取0到4。各个种子排在第一的块，是同一个吗？


# %% translates="d8516c9b"
def rank_blocks(net, score):
    """各个块的名字，去掉后影响最大的排在最前。"""
    ...


# %%
check.rank_by_ablation(rank_blocks)

# %% [markdown] translates="429b2ede"
# ### 9.7 两次训练从哪里开始不同
#
# *编程，25分钟。*
# [解答](solutions/09_reproducibility.ipynb#cell-id=exercise-9-7)
#
# 两次训练本该相同，却不相同。要找原因，看最先不同的那一步，比看最后的结果有用。`run()`和`other()`各开始一次训练，每走一步，就给出一次状态字典（state dict）：给出的是正在用的那一个，下一步会改变其中的张量。返回最先不同的一步，从1数起，以及这一步里第一个让`torch.equal`返回False的名字；如果在两次训练都走到的范围里没有不同，就返回None。注意：两次训练可能都从PyTorch的生成器抽数；你自己既不要设种子，也不要恢复它的状态。


# %% translates="ce2a111a"
def first_difference(run, other):
    """两次训练最先不同的步和名字，没有就是None。"""
    # run()每走一步，给出一次{name: tensor}
    ...


# %%
check.where_two_runs_differ(first_difference)

# %% [markdown] translates="a39a05f3"
# ### 9.8 各个块的梯度范数
#
# *编程，15分钟。*
# [解答](solutions/09_reproducibility.ipynb#cell-id=exercise-9-8)
#
# 反向传播之后，每个块的梯度有多大？编写`gradient_norms(net)`：对`net`的每个子模块，按名字给出它所有参数（parameter）的梯度合在一起的范数（norm），就像这些梯度是一个向量（vector）。参数没有梯度，就按0算。所有梯度都保持原样。在十个sigmoid串成的网络里，是第一层的范数更小，还是最后一层的？怎样由这些范数得出`nn.utils.clip_grad_norm_`返回的数？


# %% translates="87a36a0c"
def gradient_norms(net):
    """net的每个子模块的梯度范数，按名字给出。"""
    ...


smaller = ...  # "first"（第一层）或"last"（最后一层）

# %%
check.gradient_norms_by_block(gradient_norms, smaller)

# %% [markdown] translates="23a28a60"
# ## 接下来读什么
#
# [数值：选择数据类型，用混合精度训练](08_numerics.ipynb)会说明，用16位的数时，NaN是怎么来的；[内存与深度：训练占多少内存，深层网络怎样初始化](10_memory.ipynb)会说明，像He那样初始化，为什么深处的层不会失效。[首页](index.md)列出了所有章。拿一个你自己的笔记本，运行两次，找出两次结果最先不同的那一步。
