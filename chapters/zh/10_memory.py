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

# %% [markdown] translates="c9dd2f0e"
# # 内存与深度：训练占多少内存，深层网络怎样初始化
#
# 训练的第一步能运行，第二步却报出*CUDA out of memory*（GPU的内存，即显存，不够了），而网络没变，批量（batch）也一样大。又如，几层的网络学得会，很深的却学不会。这两件事，训练之前做几次乘法就能知道，这一章教你怎样算。
#
# **你将学会**
#
# - 预测权重（weight）、梯度（gradient）和优化器（optimizer）的状态各占多少字节；
# - 统计前向传播（forward computation）为`backward`保留了什么；
# - 用更少的内存训练：使用激活检查点（activation checkpointing），把批量分成几份；
# - 初始化深层网络，使其中的数值既不消失，也不爆炸；
# - 对权重取平均，并释放冻结（freeze）部分占的内存。
#
# **书中**：第5.2节[参数管理](https://zh.d2l.ai/chapter_deep-learning-computation/parameters.html)和第4.8节[数值稳定性和模型初始化](https://zh.d2l.ai/chapter_multilayer-perceptrons/numerical-stability-and-init.html)（英文版6.2，[Parameter Management](https://d2l.ai/chapter_builders-guide/parameters.html)；6.3，[Parameter Initialization](https://d2l.ai/chapter_builders-guide/init-param.html)；5.4，[Numerical Stability and Initialization](https://d2l.ai/chapter_multilayer-perceptrons/numerical-stability-and-init.html)）。
#
# **需要先读**第02章[参数管理：访问、初始化和共享](02_parameters.ipynb)和第05章[自动微分：沿计算图追踪梯度](05_autograd.ipynb)。全部单元格在CPU上运行约五秒，有GPU时会用GPU。

# %% [markdown] translates="b58186dc"
# 第一个单元格导入本章要用的东西，并选好设备（device）。

# %% translates="ec7eef9f"
import copy
from functools import partial
from weakref import WeakValueDictionary

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from d2l_helpers import use_style

use_style()
torch.set_num_threads(1)  # 本章的矩阵小，一个线程就够
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown] translates="46b577de"
# ## 第二步内存不够
#
# 网络由16个块（block）串成，每个块是线性层加激活函数（activation function）。


# %%
def make_net(width, activation=nn.ReLU):
    def block():
        return nn.Sequential(nn.Linear(width, width), activation())

    return nn.Sequential(*(block() for _ in range(16)))


# %% [markdown] translates="22fdf47c"
# 网络要大，有十亿个权重。`meta`设备上的张量（tensor）有形状（shape）和类型，没有数据：什么都不计算，字节数却都能数出来。1 GiB是$2^{30}$字节。权重占多少GiB？32,768个样本（sample）的批量呢？

# %%
GiB = 2**30


def num_bytes(tensors):
    return sum(t.nbytes for t in tensors)


with torch.device("meta"):
    large, X_large = make_net(8192), torch.empty(32_768, 8192)
num_bytes(large.parameters()) / GiB, X_large.nbytes / GiB

# %% [markdown] translates="852fe479"
# 权重占4 GiB，批量占1 GiB。32 GiB的GPU，看起来够用。
#
# 没有这样的GPU，可以模拟一块。在`with Card(limit)`里，PyTorch每做一次运算，都调用下面的方法。它记下每个结果占的内存，释放后不再计入；放不下就报错。（运算内部临时用的内存，它看不到。这个类可以跳过。）


# %% translates="db3648c1"
class Card(TorchDispatchMode):
    def __init__(self, limit):
        super().__init__()
        self.limit, self.peak = limit, 0
        self.storages = WeakValueDictionary()  # 释放了的，自动去掉

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.storages[storage._cdata] = storage
        in_use = sum(s.nbytes() for s in self.storages.values())
        self.peak = max(self.peak, in_use)
        if in_use > self.limit:
            raise torch.OutOfMemoryError(
                f"{self.limit / GiB:.0f} GiB are full"
            )
        return result


# %% [markdown] translates="fb50afce"
# 下面的函数计算损失的梯度；后面几节会用别的办法算。


# %%
def whole_batch(net, X):
    net(X).square().mean().backward()


# %% [markdown] translates="831836d7"
# 普通的两步训练：


# %%
def two_steps(compute, make_optimizer=torch.optim.Adam):
    with Card(limit=32 * GiB) as card:
        with torch.device("meta"):
            net, X = make_net(8192), torch.empty(32_768, 8192)
        optimizer = make_optimizer(net.parameters())
        for step in (1, 2):
            card.peak = 0
            optimizer.zero_grad()
            compute(net, X)
            optimizer.step()
            print(f"step {step} has run, with {card.peak / GiB:.0f} GiB")


# %% [markdown] translates="b33813b7"
# 两步做的事相同。都放得下吗？

# %% tags=["raises-exception"]
two_steps(whole_batch)

# %% [markdown] translates="b97cc1d3"
# 第二步放不下：两步之间多出了什么，而且一直留着。把Adam换成普通的SGD：

# %%
two_steps(whole_batch, torch.optim.SGD)

# %% [markdown] translates="4425898e"
# 不管那是什么，Adam有，SGD没有。

# %% [markdown] translates="2cdad5ea"
# ## 记一本账
#
# 有三样东西，与权重一样大，或者是它的几倍：权重、权重的梯度、优化器为每个参数（parameter）保留的*状态*。下面的函数找出状态；步数的计数器是零维张量，不算。


# %%
def state_of(optimizer):
    return [
        value
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.dim() > 0
    ]


# %% [markdown] translates="d8fef633"
# 账本，单位是GiB：


# %%
def ledger(net, optimizer):
    parts = {
        "weights": net.parameters(),
        "gradients": (p.grad for p in net.parameters() if p.grad is not None),
        "state": state_of(optimizer),
    }
    return {name: round(num_bytes(t) / GiB, 1) for name, t in parts.items()}


# %% [markdown] translates="d224d8dd"
# 第一步之前：

# %%
adam = torch.optim.Adam(large.parameters())
ledger(large, adam)

# %% [markdown] translates="d432d3d8"
# 第一次`backward`之后：

# %%
whole_batch(large, X_large)
ledger(large, adam)

# %% [markdown] translates="6e3dd30a"
# 走完第一步，清空梯度之后：

# %%
adam.step()
adam.zero_grad()
ledger(large, adam)

# %% [markdown] translates="259f9004"
# 找到了，是8 GiB。Adam在第一步里为每个参数建立两个张量：梯度的滑动平均，梯度平方的滑动平均。它们一直留着。第一次前向传播时还没有它们；第二次就得和它们一起放进内存。
#
# float32的一个数占4字节。用别的优化器，每个参数的状态占多少字节？

# %%
number = sum(p.numel() for p in large.parameters())
whole_batch(large, X_large)
for name, make_optimizer in {
    "SGD": torch.optim.SGD,
    "SGD, momentum": partial(torch.optim.SGD, momentum=0.9),
    "Adam": torch.optim.Adam,
    "Adam, amsgrad": partial(torch.optim.Adam, amsgrad=True),
}.items():
    optimizer = make_optimizer(large.parameters(), lr=0.1)
    optimizer.step()
    print(f"{name:13}", num_bytes(state_of(optimizer)) // number)

# %% [markdown] translates="35c24277"
# 用Adam时，每个参数占$4 + 4 + 8 = 16$字节：权重、梯度和状态。七十亿参数的模型，还没读第一个样本，就要这么多GB：

# %%
7e9 * (4 + 4 + 8) / 1e9

# %% [markdown] translates="79cd05fe"
# ### 混合精度，总数不变
#
# bfloat16的一个数占两字节，换成它，能省一半吗？用bfloat16，小的更新会消失（[第08章](08_numerics.ipynb#cell-id=small-updates-vanish)）。所以优化器要有一份float32的权重，叫*主副本*（master weights）。

# %%
low = copy.deepcopy(large).bfloat16()
masters = [p.detach().float() for p in low.parameters()]
adam = torch.optim.Adam(masters)

# %% [markdown] translates="4a27be4d"
# 每一步里，网络计算梯度，主副本用它更新。（训练时还要把主副本复制回网络，这不再多占内存。）

# %%
whole_batch(low, X_large.bfloat16())
for master, p in zip(masters, low.parameters(), strict=True):
    master.grad = p.grad.float()
adam.step()
adam.zero_grad()

# %% [markdown] translates="d5aa7f04"
# 每个参数的字节数：

# %% tags=["predict"]
parts = {
    "weights": low.parameters(),
    "gradients": [p.grad for p in low.parameters()],
    "masters": masters,
    "state": state_of(adam),
}
{name: num_bytes(tensors) // number for name, tensors in parts.items()}

# %% [markdown] translates="72dcebe4"
# $2 + 2 + 4 + 8$，还是16。（一步之中，主副本的float32梯度还要占4字节。）混合精度（mixed precision）能省一半的，是内存的另一部分，接下来就讲。

# %% [markdown] translates="217431fc"
# ## 统计自动微分保留的张量
#
# `backward`要用到前向传播里的一些值（[第05章](05_autograd.ipynb#cell-id=backward-twice)）。PyTorch把它们保留在计算图（computational graph）里；每保留一个张量，`saved_tensors_hooks`就调用一次你给的函数。下面的函数记下这些张量占的内存，每块只记一次；权重本来就在，不算。


# %% translates="ebb8eead"
def kept_by(forward, net, X):
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        _Y = forward(X)  # 留住计算图，免得有内存释放后又拿来用
    for p in net.parameters():
        kept.pop(p.untyped_storage()._cdata, None)
    return sum(kept.values()) / GiB


# %% [markdown] translates="a51ec00e"
# 线性层保留输入：权重的梯度是一个乘积，输入是其中一个因子。ReLU保留输出：看输出就知道哪里的斜率是0。这些张量都和`X_large`一样，各占1 GiB。16个块保留多少GiB？

# %%
kept_by(large, large, X_large)

# %% [markdown] translates="ffa73f3e"
# 是17，不是32：ReLU的输出就是下一层的输入，同一个张量，只保留一次。第十七个是`X_large`。加上权重的4 GiB，共21 GiB；第一步用到25 GiB，其余的是`backward`里很快释放的结果。换成bfloat16：

# %%
kept_by(low, low, X_large.bfloat16())

# %% [markdown] translates="bedd685f"
# 批量越大，保留的就越多；权重、梯度和状态不随批量变。内存紧张时，先减小批量。

# %%
for n in (8_192, 16_384, 32_768):
    print(f"{n:6} samples, {kept_by(large, large, X_large[:n].clone()):5.2f}")

# %% [markdown] translates="06bef4af"
# > **陷阱**。张量的一部分，会留住整个张量。`X_large[:8]`是视图（view）：不用`clone`，第一层就为了八个样本，留住全部32,768个。

# %%
first = large[0][0]
for X in (X_large[:8], X_large[:8].clone()):
    print(f"{kept_by(first, first, X):.4f}")

# %% [markdown] translates="cfb9574d"
# ### 激活函数和冻结的层
#
# GELU的斜率，从输出看不出来，所以它保留输入：每个块多一个张量。那么，冻结一半的块，内存也省一半吗？各列依次是：不冻结，冻结前一半，冻结后一半。

# %%
for activation in (nn.ReLU, nn.Tanh, nn.GELU):
    row = []
    for frozen in (slice(0), slice(8), slice(8, 16)):
        with torch.device("meta"):
            net = make_net(8192, activation)
        net[frozen].requires_grad_(False)
        row.append(kept_by(net, net, X_large))
    print(f"{activation.__name__:4}", *(f"{kept:3.0f}" for kept in row))

# %% [markdown] translates="fd48ee80"
# Tanh和ReLU一样，保留输出。GELU是32，不是33：最后一个输出，没有哪一层需要。冻结前一半，计算图从中间开始，内存省下大约一半。冻结后一半，梯度仍要穿过它，才能传到前一半：冻结的线性层为此只需要权重，激活函数却仍要保留原来的张量。所以GELU省下八个线性层的输入，ReLU和Tanh什么也省不下。
#
# 在GPU上，PyTorch的*内存分配器*（allocator）有自己的统计。下面用一个小网络，把它与上面的统计对照。`X`之前就有，所以内存的增长，应当比保留的少1 MiB。

# %% tags=["nbval-ignore-output"]
net = make_net(256).to(device)
X = torch.rand(1024, 256).to(device)
print(f"kept {1024 * kept_by(net, net, X):.1f} MiB")
if not torch.cuda.memory_stats():
    print("The rest needs a GPU, and is left out without one.")
else:
    before = torch.cuda.memory_allocated()
    Y = net(X)
    grown = torch.cuda.memory_allocated() - before
    assert_close(grown / 2**20, 16.0, rtol=0.05, atol=0)
    print(f"grown by {grown / 2**20:.1f} MiB")
    print(f"peak {torch.cuda.max_memory_allocated() / 2**20:.1f} MiB")
    print(f"reserved {torch.cuda.memory_reserved() / 2**20:.1f} MiB")

# %% [markdown] translates="6ba92ef9"
# 有GPU时，增长16 MiB。*预留*（reserved）的是PyTorch向GPU要来的内存，空闲的也算；`nvidia-smi`显示的，是它加上CUDA自己的内存。放不放得下，看*峰值*（peak）。

# %% [markdown] translates="f856b1e9"
# ## 激活检查点：重新计算，不再保留
#
# `checkpoint(function, X)`只保留输入；到了`backward`，从输入开始把函数再运行一遍。（这种检查点不是文件；`use_reentrant=False`选用PyTorch推荐的那一种。）`checkpoint_sequential`要的是*段*（segment）数，这里是四段，每段四个块。最后一段照常计算，因为`backward`就从那里开始。


# %%
def checkpointed(net, X):
    Y = checkpoint_sequential(net, 4, X, use_reentrant=False)
    Y.square().mean().backward()


# %% [markdown] translates="ab27f6e3"
# 下面的函数返回各个梯度。


# %%
def gradients_of(compute, net, X):
    net.zero_grad()
    compute(net, X)
    return [p.grad for p in net.parameters()]


# %% [markdown] translates="7634d0de"
# 换一个有数据的小网络：用了检查点，梯度还一样吗？

# %%
torch.manual_seed(0)
small, X_small = make_net(32).to(device), torch.rand(64, 32).to(device)
right = gradients_of(whole_batch, small, X_small)
assert_close(gradients_of(checkpointed, small, X_small), right)

# %% [markdown] translates="ab292f79"
# 一样。钩子（hook）记下每个运行的块。会记下多少个？

# %%
runs, counted = [], copy.deepcopy(small)
for block in counted:
    block.register_forward_pre_hook(lambda block, args: runs.append(block))
for compute in (whole_batch, checkpointed):
    runs.clear()
    compute(counted, X_small)
    print(compute.__name__, len(runs))

# %% [markdown] translates="1abb21e4"
# 前十二个块运行两遍，后四个运行一遍。
#
# 要让保留的尽量少，一段该有多长？先在1、2、4、8、16个块里选，再往下看。


# %%
def in_segments(net, X, length):
    return checkpoint_sequential(net, 16 // length, X, use_reentrant=False)


lengths = [1, 2, 4, 8, 16]
forwards = [partial(in_segments, large, length=n) for n in lengths]
kept = [kept_by(forward, large, X_large) for forward in forwards]
kept

# %% [markdown] translates="3fa6785f"
# 代价，即运行的块数：

# %%
num_runs = []
for n in lengths:
    runs.clear()
    in_segments(counted, X_small, n).sum().backward()
    num_runs.append(len(runs))
num_runs

# %% [markdown] translates="4b3b101e"
# 两者画在一起。（代码可以跳过。）

# %% mystnb={"image": {"alt": "两条曲线，横轴是一段的长度：1、2、4、8、16个块。保留的GiB数呈U形：17、10、8、10、17，长度为4时最低。运行的块数依次下降：31、30、28、24、16。"}} translates="5dc3256e"
plt.plot(lengths, num_runs, "s--", color="C1", label="blocks that run")
plt.plot(lengths, kept, "o-", color="C0", label="kept (GiB)")
plt.xscale("log", base=2)
plt.xticks(lengths, lengths)
plt.xlabel("blocks in a segment")
plt.ylim(0, 35)
plt.legend()
plt.show()

# %% [markdown] translates="e8c2bb45"
# 最好的在中间。一段只有一个块时，保留每个块的输入，而块本来也只保留这个：几乎所有的块都白白运行了两遍。每段$k$个块时，保留$16/k$个输入，加上一段里的$k$个张量：先是最后一段的，后来是正在重新运行的那一段的。$k$是块数的平方根时最少。

# %%
assert kept == [16 / k + k for k in lengths]
two_steps(checkpointed)

# %% [markdown] translates="8fdb5525"
# 两步都放得下了。（第一步里，现在是优化器更新权重时占得最多，18 GiB。）

# %% [markdown] translates="c9007ad2"
# ### 第二遍运行，什么必须相同
#
# > **陷阱**。第二遍如果抽到别的随机数，得到的就是另一个网络的梯度，而且不报错。
#
# `checkpoint`会还原随机数生成器（random number generator）的状态，除非你写上`preserve_rng_state=False`。下面的网络带有暂退法（dropout）。

# %%
torch.manual_seed(0)
dropping = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5))
ones = torch.ones(4, 8)

# %% [markdown] translates="720f4b9b"
# 每次求梯度之前，都设同一个随机种子（seed）。


# %%
def gradient(forward, *args, **kwargs):
    dropping.zero_grad()
    torch.manual_seed(1)
    forward(*args, ones, **kwargs).sum().backward()
    return dropping[0].weight.grad


# %% [markdown] translates="169414f8"
# 哪一个梯度与不用检查点时相同，`False`的还是`True`的？

# %%
plain = gradient(dropping)
for preserved in (False, True):
    kwargs = {"use_reentrant": False, "preserve_rng_state": preserved}
    again = gradient(checkpoint, dropping, **kwargs)
    print(preserved, torch.allclose(again, plain))

# %% [markdown] translates="c015f100"
# 只有还原了状态的相同。缓冲区（buffer）不会还原：批量规范化（batch normalization）把一个批量数了两次，移动均值和移动方差也更新了两次。

# %%
norm = nn.BatchNorm1d(8)
checkpoint(norm, ones, use_reentrant=False).sum().backward()
norm.num_batches_tracked.item()

# %% [markdown] translates="bea5d6dc"
# ## 梯度累积：把批量分成几份
#
# 批量放不下，就分成几份。梯度在清零之前会累加，而每一份的计算图，在下一份开始之前就释放了。每一份算的是自己的均值，还要除以多少？


# %%
def in_chunks(net, X):
    chunks = X.chunk(4)
    for chunk in chunks:
        (net(chunk).square().mean() / len(chunks)).backward()


assert_close(gradients_of(in_chunks, small, X_small), right)

# %% [markdown] translates="0c4bab07"
# 除以份数，累加起来就是整个批量的梯度，而同一时间只保留四分之一。优化器仍然只走一步：

# %%
two_steps(in_chunks)

# %% [markdown] translates="e1cb1a0d"
# > **陷阱**。各份大小相同，才是这样。七个样本分成3、3、1三份时，最后一个样本的分量就是别的样本的三倍。

# %%
torch.manual_seed(0)
linear = nn.Linear(2, 1).to(device)
X_few, y_few = torch.rand(7, 2).to(device), torch.rand(7, 1).to(device)
F.mse_loss(linear(X_few), y_few).backward()
whole = linear.weight.grad

# %% [markdown] translates="bc336b50"
# 每一份的损失乘以一个系数：第一次各份相同，第二次用这一份占样本的比例。哪一次加起来，是整个批量的梯度？

# %%
for name, factor in {
    "1/3": lambda x: 1 / 3,
    "n/7": lambda x: len(x) / 7,
}.items():
    linear.zero_grad()
    for x, y in zip(X_few.split(3), y_few.split(3), strict=True):
        (F.mse_loss(linear(x), y) * factor(x)).backward()
    print(name, torch.allclose(linear.weight.grad, whole))

# %% [markdown] translates="1b929b23"
# 每一份占多大比例，要看损失对什么求均值。语言模型对词求均值，不是对文本，填充（padding）也不算：见练习10.4。

# %% [markdown] translates="7d2422c1"
# ## 深层网络的初始化
#
# 深层网络的内存够了。它学得会吗？*残差块*（residual block）把各层算出的结果加到输入上：$x + f(x)$。下面的块，开始时$f(x)$和$x$差不多大；`scale`使$f(x)$变小。


# %%
class Residual(nn.Module):
    def __init__(self, width, scale=1.0):
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        nn.init.normal_(self.hidden.weight, std=(2 / width) ** 0.5)
        nn.init.normal_(self.out.weight, std=scale * (1 / width) ** 0.5)
        nn.init.zeros_(self.hidden.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, X):
        return X + self.out(F.relu(self.hidden(X)))


# %% [markdown] translates="ad6cb3dc"
# 张量的*大小*，这里指均方（各元素平方的均值）的平方根。


# %%
def size(tensor):
    return tensor.square().mean().sqrt().item()


# %% [markdown] translates="55b6a239"
# 大小为1的输入向前穿过一串块，大小为1的梯度往回传。到了另一头，各有多大？


# %%
def through(depth, scale):
    torch.manual_seed(0)
    X, slope = torch.randn(2, 128, 128).to(device)
    deep = nn.Sequential(*(Residual(128, scale) for _ in range(depth)))
    Y = deep.to(device)(X.requires_grad_())
    Y.backward(slope)
    return size(Y), size(X.grad)


# %% [markdown] translates="1caaa418"
# 三种初始化，缩放系数不同：*plain*是1；*scaled*是$1/\sqrt N$，$N$是块数；*zero*是0。经过2、8、32个块，你猜大小各是多少？每种情况有两个数，先是输出的，后是梯度的。

# %%
depths, sizes = (2, 8, 32), {}
for name, scale in {
    "plain": lambda depth: 1.0,
    "scaled": lambda depth: depth**-0.5,
    "zero": lambda depth: 0.0,
}.items():
    sizes[name] = [through(depth, scale(depth)) for depth in depths]
    print(f"{name:6}", *(f"{Y:11,.1f} {G:8,.1f}" for Y, G in sizes[name]))

# %% [markdown] translates="cb08cd78"
# 注意纵轴的刻度。（代码可以跳过。）

# %% mystnb={"image": {"alt": "输出的大小随块数2、8、32的变化，两个坐标轴都是对数刻度。plain陡升，从2升到50,000以上。scaled停在1.6附近，zero停在1。"}} translates="b4801efe"
styles = {"plain": "o-", "scaled": "s--", "zero": "k^:"}
for name, style in styles.items():
    plt.loglog(depths, [Y for Y, _ in sizes[name]], style, label=name)
plt.xticks(depths, depths)
plt.minorticks_off()
plt.xlabel("blocks")
plt.ylabel("size of the output")
plt.legend()
plt.show()

# %% [markdown] translates="8ff31a44"
# 输出的均方，是$x$与$f(x)$的均方之和。用plain，每个块都使均方翻倍，所以经过32个块，大小接近$2^{32/2} = 65{,}536$。梯度往回传，也是这样增长。用scaled，每个块使均方变成$1 + 1/N$倍，而$(1 + 1/N)^N$始终小于$e$：大小始终小于$\sqrt e$，也就是1.65。有32个块时，训练一步会怎样？

# %%
for name, scale in {"plain": 1.0, "scaled": 32**-0.5, "zero": 0.0}.items():
    torch.manual_seed(0)
    X = torch.randn(64, 32).to(device)
    deep = nn.Sequential(*(Residual(32, scale) for _ in range(32))).to(device)
    optimizer = torch.optim.SGD(deep.parameters(), lr=0.01)
    before = (deep(X) - 1).square().mean()
    before.backward()
    optimizer.step()
    print(f"{name:6} better:", ((deep(X) - 1).square().mean() < before).item())

# %% [markdown] translates="74bff594"
# 用plain的网络变差了。
#
# > **陷阱**。*zero*只能用在块的最后一层。如果块里的两层都从零开始，除了一个常数，什么也学不到。
#
# 下面的函数训练十步，列出变了的参数。


# %%
def moved(block):
    before = copy.deepcopy(block.state_dict())
    optimizer = torch.optim.SGD(block.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        (block(X) - 1).square().mean().backward()
        optimizer.step()
    after = block.state_dict()
    return [k for k in after if not torch.equal(after[k], before[k])]


# %% [markdown] translates="0959e9a5"
# 先只让最后一层是零，再让两层都是零。

# %%
torch.manual_seed(0)
block = Residual(32, scale=0.0).to(device)
print(moved(copy.deepcopy(block)))
nn.init.zeros_(block.hidden.weight)
print(moved(block))

# %% [markdown] translates="65da75e2"
# 每个权重的梯度都是一个乘积，其中一个因子来自另一层。两层都给出0，梯度就都是0，权重再也不动。

# %% [markdown] translates="d01b1bce"
# ## 参数初始化：选择权重的大小
#
# 少了$x$那条路径，每一层都会把大小乘以一个倍数。输入和输出都是$d$个时，*Xavier初始化*的标准差（standard deviation）是$1/\sqrt d$，使线性层的这个倍数等于1。但是ReLU会去掉一半的均方。*He初始化*让权重再乘以$\sqrt 2$，补上这一半；$\sqrt 2$叫ReLU的*增益*（gain）。default是`nn.Linear`的默认初始化。

# %%
starts = {
    "default": lambda W: nn.init.kaiming_uniform_(W, a=5**0.5),
    "Xavier": nn.init.xavier_normal_,
    "He": lambda W: nn.init.kaiming_normal_(W, nonlinearity="relu"),
}

# %% [markdown] translates="77835390"
# 大小是1的输入，经过2、8、32个带ReLU的层，还剩多少？

# %%
for name, start in starts.items():
    torch.manual_seed(0)
    H, left = torch.randn(128, 128).to(device), []
    for depth in range(1, 33):
        H = F.relu(H @ start(torch.empty(128, 128)).to(device).T)
        if depth in depths:
            left.append(size(H))
    print(f"{name:7}", *(f"{s:.0e}" for s in left))

# %% [markdown] translates="f7c33984"
# 32层之后，用He初始化，大部分还在；用Xavier初始化，只剩十万分之一；用默认的，几乎不剩。激活函数不同，增益也不同。

# %%
for name in ("linear", "relu", "tanh"):
    print(f"{name:6} {nn.init.calculate_gain(name):.3f}")

# %% [markdown] translates="0cb97475"
# ### 截断的正态分布，真的截断了吗？
#
# 有些语言模型，例如BERT，权重的初始值取自正态分布（normal distribution），标准差是0.02，在两倍标准差处截断。
#
# > **陷阱**。不管`std`是多少，`trunc_normal_`默认都在$-2$和$2$处截断。标准差是0.02时，这是一百倍标准差，什么也没有截掉。

# %%
torch.manual_seed(0)
W = nn.init.trunc_normal_(torch.empty(500, 500), std=0.02)
f"{(W.abs() > 0.04).float().mean().item():.0%} outside"

# %% [markdown] translates="4092d0ab"
# 上下界要自己用数写出来。截断使标准差减小12%。

# %%
W = nn.init.trunc_normal_(W, std=0.02, a=-0.04, b=0.04)
outside = (W.abs() > 0.04).float().mean().item()
f"{outside:.0%} outside, std {W.std().item():.4f}"

# %% [markdown] translates="b0ec99f3"
# ## 对权重取平均
#
# 每个批量都把权重往不同的方向拉，所以权重总在目标周围跳动。*指数滑动平均*（exponential moving average，EMA）平稳地跟着权重走：每一步之后，$\bar w \leftarrow \beta \bar w + (1 - \beta) w$。训练不用它，评估才用它。在账本里，它又占一份权重的内存。


# %%
@torch.no_grad()
def update_average(average, net, decay):
    pairs = zip(average.parameters(), net.parameters(), strict=True)
    for mean, p in pairs:
        mean.lerp_(p, 1 - decay)


# %% [markdown] translates="e4db9494"
# 取一千个权重，目标都是0，梯度里大部分是噪声。

# %%
torch.manual_seed(0)
noisy = nn.Linear(1000, 1, bias=False).to(device)
optimizer = torch.optim.SGD(noisy.parameters(), lr=0.1)


# %% [markdown] translates="4e69de27"
# 走一步：


# %%
def noisy_step():
    noise = torch.randn(1, 1000).to(device)
    noisy.weight.grad = noisy.weight.detach() + noise
    optimizer.step()


# %% [markdown] translates="16136afa"
# 作为对照，PyTorch的`AveragedModel`也一起运行。它第一次更新时复制权重，这里也一样。

# %%
noisy_step()
ours = copy.deepcopy(noisy)
torchs = AveragedModel(noisy, multi_avg_fn=get_ema_multi_avg_fn(0.99))
torchs.update_parameters(noisy)

# %% [markdown] translates="2e415fb5"
# 权重离0会有多远？平均值呢？

# %%
for _ in range(1000):
    noisy_step()
    update_average(ours, noisy, decay=0.99)
    torchs.update_parameters(noisy)
assert_close(ours.weight, torchs.module.weight)
f"weights {size(noisy.weight):.2f}, average {size(ours.weight):.2f}"

# %% [markdown] translates="e97e69ce"
# 平均值离0的距离，只有权重的三分之一。没有EMA，也能对最后几轮的文件取平均：见[练习4.8](04_file_io.ipynb#cell-id=exercise-4-8)。
#
# > **陷阱**。平均值记得最初的权重。$\beta = 0.9999$对短的训练太大：1,000步之后，最初的权重还占这么多：

# %%
f"{0.9999**1000:.0%}"

# %% [markdown] translates="b4c18bdd"
# ### 冻结之后的状态
#
# 冻结的参数得不到梯度（[第02章](02_parameters.ipynb#cell-id=freeze-a-layer)）。冻结之后，Adam的状态也会释放吗？第一步：

# %%
adam = torch.optim.Adam(large.parameters())
whole_batch(large, X_large)
adam.step()

# %% [markdown] translates="492dada0"
# 冻结前一半，走第二步：

# %% tags=["predict"]
large[:8].requires_grad_(False)
adam.zero_grad()
whole_batch(large, X_large)
adam.step()
ledger(large, adam)

# %% [markdown] translates="64c15a49"
# 梯度少了一半，状态没有少：优化器创建时拿到的参数，会一直拿着。要为其余的参数新建优化器，把它们的状态也交过去，训练就能接着走。然后扔掉旧的优化器。

# %%
rest = [p for p in large.parameters() if p.requires_grad]
smaller = torch.optim.Adam(rest)
smaller.state.update({p: adam.state[p] for p in rest})
ledger(large, smaller)

# %% [markdown] translates="ead4f846"
# ## 小结
#
# - 用float32和Adam训练，每个参数占16字节：权重4，梯度4，状态8。动量（momentum）的状态是4，普通的SGD没有状态。混合精度加上主副本，总和相同。
# - Adam在第一次`step`里建立状态，所以内存可能到第二步才不够。
# - 批量越大，自动微分保留的就越多。ReLU和后面的层共用一个保留的张量，GELU还要多一个。冻结前一半，它就不再保留张量；用ReLU时，冻结后一半，什么也省不下。
# - 激活检查点保留各段的输入，把块运行两遍。随机状态会还原，缓冲区不会。
# - 每一份都按自己的比例计入，梯度加起来就是整个批量的梯度。
# - 残差块的最后一层，要按$1/\sqrt N$缩小，或者从零开始；但绝不能两层都从零开始。
# - 用He初始化，经过多层ReLU，大小也能保持。`trunc_normal_`的上下界是数值，不是标准差的倍数。
# - 滑动平均比某一步的权重更接近目标。
# - 冻结之后，优化器的状态还在内存里。

# %% [markdown] translates="cd1d89f2"
# ## 练习
#
# 把答案写在每个`...`的位置，运行这个单元格，再运行下面的检查。检查会说出缺了什么，并给出一个通不过的例子；它不会改动你的任何东西。检查要用到前面的单元格：隔了一阵再来做时，先选中检查，再依次点*Run*、*Run All Above Selected Cell*。完整的解答在[另外一页](solutions/10_memory.ipynb)上。检查会用自己的小网络来试你的函数，其中的张量都在CPU上。

# %%
from d2l_helpers import check

# %% [markdown] translates="889ac3f7"
# ### 10.1 逐块记账
#
# *编程，25分钟。*
# [解答](solutions/10_memory.ipynb#cell-id=exercise-10-1)
#
# 占内存最多的，是网络的哪一部分？编写`ledger_by_block(net, optimizer)`，返回一个字典：键是子模块的名字，值是三个数，依次是权重、权重的梯度、优化器为权重保留的状态各占的字节数。零维张量不算，例如步数的计数器。网络和优化器都保持原样。然后预测：冻结`Sequential(Linear(100, 200), ReLU(), Linear(200, 10))`的第一层，用Adam走一步，还没有调用`zero_grad`，这时的账本是怎样的？


# %% translates="3562803b"
def ledger_by_block(net, optimizer):
    """每个子模块的权重、梯度和状态各占多少字节。"""
    # 模块和它的优化器 -> {"0": (权重, 梯度, 状态), ...}
    ...


predicted_ledger = {"0": ..., "1": ..., "2": ...}  # 每项三个数

# %%
check.memory_ledger(ledger_by_block, predicted_ledger)

# %% [markdown] translates="4635483b"
# ### 10.2 保留了什么
#
# *思考，15分钟。*
# [解答](solutions/10_memory.ipynb#cell-id=exercise-10-2)
#
# `X`是形状为(100, 8)的批量，不需要梯度。每一层的输出也是这个形状。每个网络为`backward`保留几个这种形状的张量？先预测，再用`kept_by(net, net, X) * GiB / X.nbytes`数一数。`Frozen`是参数冻结了的线性层。SiLU是$z\,\sigma(z)$，像GELU一样光滑。

# %%
tensors_kept = {
    "Linear": ...,
    "Linear, ReLU": ...,
    "Linear, ReLU, Linear": ...,
    "Linear, SiLU, Linear": ...,
    "Linear, Linear, Linear": ...,
    "Frozen, ReLU, Frozen": ...,
    "Frozen, ReLU, Linear": ...,
    "Linear, Frozen": ...,
    "Linear, ReLU, Frozen": ...,
}

# %%
check.saved_tensors(tensors_kept)

# %% [markdown] translates="d923dfb7"
# ### 10.3 每k个块一个检查点
#
# *编程，30分钟。*
# [解答](solutions/10_memory.ipynb#cell-id=exercise-10-3)
#
# `checkpoint_sequential`让最后一段照常运行，而且要的是段数。编写`checkpoint_every(k, blocks, X)`：把一个`nn.Sequential`每`k`个块分成一段，让`X`逐段通过，每段都用`checkpoint`；最后一段可能短一些，也要用。输出和梯度与`blocks(X)`的相同；有暂退法时，只要随机种子相同，也是这样。除了每段的输入，什么都不保留。


# %% translates="ecee46a5"
def checkpoint_every(k, blocks, X):
    """计算blocks(X)，每k个块只保留一个输入。"""
    # 整数、nn.Sequential和(n, ...) -> blocks(X)的返回值
    ...


# %%
check.checkpoint_segments(checkpoint_every)

# %% [markdown] translates="1134de57"
# ### 10.4 带填充的梯度累积
#
# *编程，30分钟。*
# [解答](solutions/10_memory.ipynb#cell-id=exercise-10-4)
#
# `F.cross_entropy(logits, y)`对不是-100的标签（label）求均值；-100表示填充。编写`accumulate(net, X, y, size)`，一份一份地计算这个损失，每份最多`size`行。它把整个批量的损失的梯度加到已有的梯度上，再返回这个损失，是一个数。各份的标签个数不同，有的没有。任何时候都不能同时有两张计算图。网络的模式不能变。整个批量里，至少有一个标签不是填充。


# %% translates="a55c24da"
def accumulate(net, X, y, size):
    """一份一份地累加平均损失的梯度。"""
    # X: (n, ...)，y: (n,)，是标签或-100 -> 一个数
    ...


# %%
check.gradient_accumulation(accumulate)

# %% [markdown] translates="216d4009"
# ### 10.5 根据数据缩放各层
#
# *编程，25分钟。*
# [解答](solutions/10_memory.ipynb#cell-id=exercise-10-5)
#
# 增益是按正态分布的输入算出来的。权重该有多大，也可以由真实的数据来定。为`nn.Sequential`编写`scale_by_data(net, X)`：依次处理各层；遇到`nn.Linear`，把偏置（bias）设成0，再让权重除以一个数：网络的输入是`X`时，这一层输出的全部元素，标准差应当是1。别的层和`X`保持原样。参数仍是原来的对象，也没有得到梯度；网络的模式也不变。


# %% translates="67f7d90d"
def scale_by_data(net, X):
    """缩放每个线性层，使输出的标准差为1。"""
    # nn.Sequential和(n, d)；改变net，不返回任何东西
    ...


# %%
check.data_dependent_init(scale_by_data)

# %% [markdown] translates="9b4adc1f"
# ### 10.6 能保存的平均值
#
# *编程，25分钟。*
# [解答](solutions/10_memory.ipynb#cell-id=exercise-10-6)
#
# 编写模块`EMA`，保存网络的滑动平均。网络的副本`average`，一开始与网络相同，处于评估模式。训练每走一步，就调用`update(net)`来更新副本的全部参数：旧平均值占`decay`，网络占`1 - decay`。缓冲区照原样复制，例如批量规范化的移动均值和移动方差。`average`的参数不需要梯度。网络的任何东西都不能变。


# %% translates="2769fba1"
class EMA(nn.Module):
    """网络参数的滑动平均，存放在`average`里。"""

    def __init__(self, net, decay):
        super().__init__()
        ...

    def update(self, net):
        # 每一步之后调用
        ...


# %%
check.exponential_moving_average(EMA)

# %% [markdown] translates="905eec04"
# ### 10.7 加宽残差块
#
# *编程，25分钟。*
# [解答](solutions/10_memory.ipynb#cell-id=exercise-10-7)
#
# 训练好的块太窄了。编写`widen(block, width)`，返回一个新的块，隐藏单元增加到`width`个：输出与旧块的完全相同，每个新单元都能在训练中起作用。块里有线性层`hidden`和`out`，与`Residual`一样，也可能有别的部分；旧块保持原样。然后用True或False预测，第一步里，*新*单元的哪些参数得到不为0的梯度：`hidden`里的权重，`hidden`里的偏置，还是`out`里的权重？


# %% translates="3237dfc9"
def widen(block, width):
    """残差块的副本，隐藏单元更多。"""
    # 模块和整数 -> 新的模块
    ...


first_step = {"hidden.weight": ..., "hidden.bias": ..., "out.weight": ...}

# %%
check.widen_residual_block(widen, first_step)

# %% [markdown] translates="f72e9440"
# ### 10.8 冻结绑定的一边
#
# *编程，20分钟。*
# [解答](solutions/10_memory.ipynb#cell-id=exercise-10-8)
#
# 一个小语言模型有一张表，每个词占一行，用两次：输入一个词，查出它那一行；再用整张表，给每个可能的下一个词算得分。编写`TiedModel`，冻结查表这一边：表只从得分那一边学习，而查表读到的仍是表的当前值。然后预测，换成别的做法，训练的是哪一边：`"both"`（两边）、`"lookup"`（查表）、`"scores"`（得分），还是`"none"`（都没有）？


# %% translates="67d5b25f"
class TiedModel(nn.Module):
    """下一个词的得分，同一张表用两次。"""

    def __init__(self, num_words, width):
        super().__init__()
        self.table = nn.Parameter(torch.randn(num_words, width))

    def forward(self, words):
        # 各词的行取tanh，再乘以表的转置：(n,) -> (n, num_words)
        ...


trained = {
    "table.requires_grad_(False)": ...,
    "detach() on the table in the scores": ...,  # 算得分时，用在表上
    "detach() on the rows that were looked up": ...,  # 用在查出来的行上
    "no_grad() around the whole forward": ...,  # 包住整个forward
}

# %%
check.one_sided_tie(TiedModel, trained)

# %% [markdown] translates="29f1e183"
# ### 10.9 任意激活函数的增益
#
# *探索，20分钟。*
# [解答](solutions/10_memory.ipynb#cell-id=exercise-10-9)
#
# `calculate_gain`里没有GELU。编写`gain(f)`，求出数$g$：$z$服从标准正态分布时，$g f(z)$的均方是1，误差不超过0.5%。如果要抽取样本，不要给PyTorch的随机数生成器设种子，别的代码也在用它。ReLU和tanh的增益，哪个与`calculate_gain`给出的相同？然后画两条曲线：用He初始化和用你的增益，经过1到32个带GELU的层，大小各是多少。


# %% translates="8abda231"
def gain(f):
    """使均方经过激活函数后不变的倍数。"""
    # 对张量计算的函数 -> 一个数
    ...


same_as_torchs = {"relu": ..., "tanh": ...}  # True or False

# %%
check.activation_gain(gain, same_as_torchs)

# %% [markdown] translates="3acf6ab2"
# ## 接下来读什么
#
# [训练：在任何设备上训练，中断后恢复](07_training.ipynb)训练一个真正的模型，现在你能把它做得更深、更大。[数值：选择数据类型，用混合精度训练](08_numerics.ipynb)讲16位的数会丢掉什么；[可复现性：重现一次训练，查看网络内部](09_reproducibility.ipynb)查看各个深度的激活值和梯度。
