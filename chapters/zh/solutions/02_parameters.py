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

# %% [markdown] translates="f0970f10"
# # 第02章 解答
#
# 这里是[参数管理：访问、初始化和共享](../02_parameters.ipynb)各道练习的解答，每道前面附有题目。先在那一页自己做，卡住了再来看。

# %%
import copy

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy
from torch.testing import assert_close

from d2l_helpers import (
    FixedHiddenMLP,
    NestMLP,
    changed_by_a_step,
    check,
    use_style,
)

use_style()

# %% [markdown]
# ## 2.1 多种方式访问一个偏置
#
# *编程，10分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-1)
#
# 编写`overview(net)`，列出每个参数的名字、形状和绝对值的均值（mean），并在一个`NestMLP`上运行。它的块`net`里有两个线性层：用三种方式访问第二个的偏置，并验证得到的是同一个对象。

# %% [markdown] translates="f623d1c2"
# **思路**。`named_parameters`会走遍嵌套的模块，给出带点的名字。先取绝对值，再求均值，否则正负权重会互相抵消。第二个线性层的索引是2，因为ReLU的索引是1。


# %%
def overview(net):
    return [
        (name, tuple(p.shape), p.abs().mean().item())
        for name, p in net.named_parameters()
    ]


def bias_in_three_ways(nest):
    return [
        nest.net[2].bias,
        nest.get_parameter("net.2.bias"),
        dict(nest.named_parameters())["net.2.bias"],
    ]


# %%
check.every_way_to_a_bias(overview, bias_in_three_ways)

# %% [markdown] translates="f4d9d6e1"
# 在一个`NestMLP`上运行，看最后一列。

# %%
torch.manual_seed(0)
nest = NestMLP()
for name, shape, size in overview(nest):
    print(f"{name:<15} {shape!s:<10} {size:.2f}")

# %% [markdown] translates="b20786e0"
# 默认值在$\pm 1/\sqrt{n_\mathrm{in}}$之间均匀分布，所以绝对值的均值是这个界的一半：20个输入是$0.11$，64个是$0.06$，32个是$0.09$。它与输出的个数无关。
#
# 三种方式给出同一个对象，所以用一种方式写入，三种方式都能看到。

# %%
first, second, third = bias_in_three_ways(nest)
assert first is second is third
with torch.no_grad():
    first[0] = 42
third[0].item()

# %% [markdown] translates="8e10270d"
# **陷阱**。状态字典里的那一项也随这次写入改变。但那是同一块内存上的另一个对象，得不到梯度。

# %%
entry = nest.state_dict()["net.2.bias"]
entry is first, entry[0].item()

# %% [markdown]
# ## 2.2 观察共享层的学习
#
# *探索，25分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-2)
#
# 搭建一个网络，从$(n, 4)$变成$(n, 1)$，把一个`Linear(8, 8)`用在两处：只创建一次，在两处都作为模块来调用。不要用暂退法（dropout）。训练20步，每步用全部样本，损失函数（loss function）用`F.mse_loss`，优化器用`torch.optim.SGD`或`Adam`，全程用一个学习率（learning rate）。数据是64个随机样本；$y = x_1 x_2$是前两个特征的乘积，形状是$(64, 1)$。每一步之后，记录每个参数的范数，和这一步所用梯度的范数。最后用断言（assertion）确认两处的值仍然相同。共享得到了什么，失去了什么？各说一样。

# %% [markdown] translates="6f0a2174"
# **思路**。这个层只创建一次，把这个对象放到两处。在`step`之后记录：这时值已经变了，改变它的梯度也还在，下一次`zero_grad`才会清除。


# %%
def make_shared():
    shared = nn.Linear(8, 8)
    front, back = [nn.Linear(4, 8), nn.ReLU()], [nn.ReLU(), nn.Linear(8, 1)]
    return nn.Sequential(*front, shared, nn.ReLU(), shared, *back)


def train_shared(net, X, y, num_steps=20):
    optimizer, log = torch.optim.Adam(net.parameters(), lr=0.01), []
    for _ in range(num_steps):
        optimizer.zero_grad()
        F.mse_loss(net(X), y).backward()
        optimizer.step()
        entry = {}
        for name, p in net.named_parameters():
            entry[name] = p.norm().item(), p.grad.norm().item()
        log.append(entry)
    return log


# %%
check.watch_a_shared_layer_learn(make_shared, train_shared)

# %% [markdown] translates="907d607b"
# 共享层只记录一次，用第一处的名字。训练结束时，两处的值相同，因为是同一个对象。

# %%
torch.manual_seed(0)
X = torch.rand(64, 4)
y = X[:, :1] * X[:, 1:2]  # (64, 1)
net = make_shared()
log = train_shared(net, X, y)
assert_close(net[2].weight, net[4].weight, rtol=0, atol=0)
list(log[-1])

# %% [markdown] translates="8f2ed835"
# 曲线是三个权重的范数，和各自梯度的范数。哪个权重变化最大？

# %% mystnb={"image": {"alt": "两幅图，横轴是20步，每幅三条线，分别是第一层、共享层和最后一层的权重。左图是权重的范数：第一层保持在1.7附近，共享层从1.5升到1.75，最后一层保持在0.6附近。右图是梯度的范数：共享层和最后一层在三步内从0.05和0.1降到0.02，然后在0.01和0.04之间波动；第一层保持在0.02附近。"}} translates="d3be7205"
fig, axes = plt.subplots(1, 2, figsize=(7, 2.5))
styles = {"0.weight": "-", "2.weight": "--", "6.weight": ":"}
for i, ax in enumerate(axes):
    for name, style in styles.items():
        ax.plot([entry[name][i] for entry in log], style, label=name)
    ax.set(xlabel="step", title=("norm", "norm of the gradient")[i])
axes[0].legend()
plt.show()

# %% [markdown] translates="ddecd3d0"
# 共享的权重变化最大。梯度起初下降很快，然后上下波动。
#
# **得与失**。共享省了内存：要存储、要训练的参数少了72个。失去的是自由，因为两处只能计算同一个函数。两个独立的层取相等的值，也能计算同一个函数，取不等的值，还能做更多。

# %%
two = copy.deepcopy(net)
two[4] = copy.deepcopy(net[2])
assert_close(two(X), net(X))
sizes = [sum(p.numel() for p in n.parameters()) for n in (two, net)]
sizes[0] - sizes[1]

# %% [markdown]
# ## 2.3 另一种分布
#
# *编程，15分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-3)
#
# 编写一个供`apply`使用的函数：对线性层的每个权重，以1/3的概率从$N(2, 1)$抽取，否则设为-1。函数写入已有的权重；偏置和其他类型的模块保持不变。用至少10,000个权重检查：频率的误差不超过0.02；抽取的那一部分权重，均值和标准差的误差不超过0.1。

# %% [markdown] translates="cbe010ba"
# **思路**。抽取两次，互相独立：先从$N(2, 1)$抽取每个权重，再给每个权重抽一个均匀分布的数。这个数大于1/3的概率是2/3，这时把权重变成-1。


# %%
def init_mixture(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, mean=2, std=1)
        with torch.no_grad():
            module.weight[torch.rand_like(module.weight) > 1 / 3] = -1


# %%
check.another_distribution(init_mixture)

# %% [markdown] translates="977858eb"
# 在20,000个权重上，频率、均值和标准差都接近要求的值。

# %%
torch.manual_seed(0)
weight = nn.Linear(100, 200).apply(init_mixture).weight.detach()
drawn = weight[weight != -1]
measured = torch.stack(
    [(weight == -1).float().mean(), drawn.mean(), drawn.std()]
)
expected = torch.tensor([2 / 3, 2, 1])
assert ((measured - expected).abs() < torch.tensor([0.02, 0.1, 0.1])).all()
[round(value, 1) for value in measured.tolist()]

# %% [markdown] translates="982c7fec"
# **另一种做法**。`torch.where`的每个元素取自两个张量之一，其中一个张量也可以换成一个数。

# %%
coins = torch.rand_like(weight) < 1 / 3
mixed = torch.where(coins, 2 + torch.randn_like(weight), -1)
assert (mixed == -1).float().mean().sub(2 / 3).abs() < 0.02

# %% [markdown] translates="f2f41cc4"
# **陷阱**。用掩码索引的`weight[coins]`是副本。末尾带`_`的函数填的是这个副本，权重不变。给`weight[coins]`赋值，才写入权重。

# %%
weight = torch.full((200, 100), -1.0)
weight[coins].normal_(2, 1)
print("after normal_:    ", (weight != -1).any().item())
weight[coins] = torch.randn(int(coins.sum())) + 2
print("after assignment: ", (weight != -1).any().item())

# %% [markdown]
# ## 2.4 只训练最后一层
#
# *编程，25分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-4)
#
# 为`Sequential`编写`freeze_all_but_last(net)`。它直接修改`net`：最后一个模块以外的参数，全部冻结；返回仍要训练的参数的列表。末尾的模块如果没有参数，例如ReLU，就不算：仍可训练的，是`net[0]`、`net[1]`……里最后一个有参数的模块。这个模块的参数如果别处也在用，在别处也仍可训练。如果`net`原先已经冻结，就要让这个模块变得可以训练。
#
# 这个函数可能在`backward`和`step`之间调用。这时，如果优化器里有全部参数，接下来的一步也必须只改变仍要训练的参数。
#
# 用精确的比较验证：`torch.optim.Adam`更新10步，只改变这些参数。如果改为直接取`net[-1]`，而它是ReLU，会怎样？

# %% [markdown] translates="1b93d52c"
# **思路**。找到最后一个有参数的模块。先冻结全部参数，再让这个模块可以训练：按这个次序，用在两处的参数仍可训练，原先冻结的参数也变得可以训练。SGD和Adam会跳过梯度是`None`的参数，所以冻结的参数要去掉梯度。


# %%
def freeze_all_but_last(net):
    last = [module for module in net if list(module.parameters())][-1]
    net.requires_grad_(False)
    last.requires_grad_(True)
    for p in net.parameters():
        if not p.requires_grad:
            p.grad = None
    return list(last.parameters())


# %%
check.all_but_the_last(freeze_all_but_last)

# %% [markdown] translates="63e96932"
# 用Adam更新十步，这里优化器拿到全部参数。`torch.equal`比较时不容许误差。

# %% translates="c2741003"
torch.manual_seed(5)  # 末尾ReLU的两个输出都不是0
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1), nn.ReLU())
X = torch.rand(2, 4)
freeze_all_but_last(net)
before = copy.deepcopy(net.state_dict())
optimizer = torch.optim.Adam(net.parameters())
for _ in range(10):
    optimizer.zero_grad()
    (net(X) - 1).square().sum().backward()
    optimizer.step()
after = net.state_dict()
[name for name in after if not torch.equal(after[name], before[name])]

# %% [markdown] translates="05f24eac"
# **末尾是ReLU**。直接取`net[-1]`，就会冻结全部参数，返回空列表。最先发现问题的是优化器。

# %% tags=["raises-exception"]
torch.optim.Adam(net[-1].parameters())

# %% [markdown] translates="e31d406c"
# **陷阱**。梯度全是0还不够：Adam记得前面各步的梯度，会继续更新参数。

# %%
w = nn.Parameter(torch.ones(1))
optimizer = torch.optim.Adam([w], lr=0.1)
for grad in (torch.ones(1), torch.zeros(1), None):
    w.grad = grad
    optimizer.step()
    print("gradient", w.grad, "-> w =", round(w.item(), 2))

# %% [markdown] translates="33aad243"
# **边界情况**。缓冲区不会冻结：前面如果有批量规范化（batch normalization），移动均值会继续更新，调用`eval`才停下。

# %%
norm = nn.BatchNorm1d(4).requires_grad_(False)
norm(X)
moved = norm.running_mean.clone()
norm.eval()(X)
moved.any().item(), torch.equal(norm.running_mean, moved)

# %% [markdown]
# ## 2.5 字节数
#
# *编程，20分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-5)
#
# 编写`num_bytes(net)`，返回网络的参数和缓冲区占用的字节数。两个张量共用的内存只算一次，一个是另一个的视图时也只算一次：张量的`untyped_storage()`就是它背后的内存。先手算，再与函数的结果比较。对象有三个：本章的`tied`；本教程自带的`FixedHiddenMLP()`；一个模块，唯一的缓冲区有10个`float32`数，用两个名字注册。

# %% [markdown] translates="30157149"
# **思路**。不管一个张量有几个名字，`parameters()`和`buffers()`都只给出一次。同一块内存上的两个张量有相同的存储（storage），所以按地址记下各个存储。


# %%
def num_bytes(net):
    memory = {}
    for tensor in (*net.parameters(), *net.buffers()):
        storage = tensor.untyped_storage()
        memory[storage.data_ptr()] = storage.nbytes()
    return sum(memory.values())


by_hand = {"tied": 484, "FixedHiddenMLP": 3280, "two names": 40}

# %%
check.count_bytes(num_bytes, by_hand)

# %% [markdown] translates="fc8c3f46"
# 手算，每个数4字节：`tied`前面有$4 \cdot 8 + 8 = 40$个数，共享层有$8 \cdot 8 + 8$即72个，末尾有9个。`FixedHiddenMLP`有一个400个数的缓冲区，还有一个420个数的线性层。有两个名字的缓冲区是10个数。

# %%
assert num_bytes(make_shared()) == 4 * (40 + 72 + 9)
assert num_bytes(FixedHiddenMLP()) == 4 * (400 + 420)
module = nn.Module()
module.register_buffer("first", torch.zeros(10))
module.register_buffer("second", module.first)
num_bytes(module)

# %% [markdown] translates="d4e2f55b"
# **另一种做法**。把各个张量自己的`nbytes`加起来，只要没有一个是另一个的视图，结果就对。


# %%
def num_bytes_of_tensors(net):
    return sum(t.nbytes for t in (*net.parameters(), *net.buffers()))


module.register_buffer("view", module.first[-3:])
num_bytes_of_tensors(module), num_bytes(module)

# %% [markdown] translates="daa4114d"
# **边界情况**。只要留着大张量的一个小视图，大张量的全部内存就一直占着。`num_bytes`如实报出这个数，用`clone`就能解决。

# %%
small = nn.Module()
small.register_buffer("view", torch.zeros(1000)[:10])
before = num_bytes(small)
small.view = small.view.clone()
before, num_bytes(small)

# %% [markdown]
# ## 2.6 只给出一个宽度
#
# *思考，5分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-6)
#
# 用`Linear(20, 256)`、ReLU和`LazyLinear(10)`搭建一个`Sequential`。在第一个批量之前，哪些参数有值？然后给网络一个宽度不对的批量，$(2, 30)$；报错之后，再给一个宽度对的，$(2, 20)$。这两次之后，延后层的权重各有没有形状？先预测（第一问的答案是名字的集合），然后再试。

# %% [markdown] translates="246f25bb"
# **思路**。第一层的两个宽度都给出了，一开始就有值。延后层的权重要等，偏置也跟着等，虽然偏置的10个数本来可以先创建。宽度不对的批量在第一层就出错，到不了延后层，延后层仍然没有形状。

# %%
with_values = {"0.weight", "0.bias"}
has_shape = {"after (2, 30)": False, "after (2, 20)": True}

# %%
check.only_one_width_is_given(with_values, has_shape)

# %% [markdown] translates="f9813de6"
# `is_lazy`说明一个参数是否还在等。


# %%
def waiting(net):
    return [name for name, p in net.named_parameters() if is_lazy(p)]


net = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.LazyLinear(10))
waiting(net)

# %% [markdown] translates="65bc2d27"
# 现在送入这两个批量。

# %%
tried = copy.deepcopy(net)
for width in (30, 20):
    try:
        tried(torch.ones(2, width))
    except RuntimeError as error:
        print(f"width {width}:", type(error).__name__)
    print(f"after {width}:", waiting(tried))

# %% [markdown] translates="20197c4d"
# **边界情况**。放在最前面的延后层接受任何宽度。这时，宽度不对的批量不会报错，反而决定了宽度；等宽度对的批量来了，才报错。

# %%
net = nn.Sequential(nn.LazyLinear(256), nn.ReLU(), nn.Linear(256, 10))
net(torch.ones(2, 30))
try:
    net(torch.ones(2, 20))
except RuntimeError as error:
    print(type(error).__name__, tuple(net[0].weight.shape))

# %% [markdown]
# ## 2.7 其他初始化方法
#
# *探索，20分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-7)
#
# 从`nn.init`里选两个本章没有用过的函数，实参只需要权重。在文档里查出两个函数抽取什么，再为每个函数写一个测试，权重的形状是$(200, 100)$：例如测试标准差，或者测试各列是否正交。对应的函数抽取的权重，测试要接受；这个权重乘以2或除以2，测试要拒绝；`nn.Linear(100, 200)`的初始权重，测试也要拒绝。下面的检查会把一些权重传给你的测试，这些权重都在CPU上。

# %% [markdown] translates="f09d79fd"
# **思路**。`kaiming_normal_`从正态分布抽取，标准差是$\sqrt{2 / n_\mathrm{in}}$；形状为$(200, 100)$的权重，$n_\mathrm{in} = 100$。`orthogonal_`给出的各列长度为1，互相正交：$W^\top W$是单位矩阵。第一个测试要为随机性留余地，第二个要为舍入误差（rounding error）留余地。

# %%
first_start = nn.init.kaiming_normal_
second_start = nn.init.orthogonal_


def is_first(weight):
    return abs(weight.std().item() / (2 / 100) ** 0.5 - 1) < 0.05


def is_second(weight):
    return torch.allclose(weight.T @ weight, torch.eye(100), atol=1e-4)


# %%
check.other_starts(first_start, is_first, second_start, is_second)

# %% [markdown] translates="9061e75b"
# 要为随机性留多大余地？$n$个正态分布的数，标准差的相对波动是$1/\sqrt{2n}$：20,000个数时是0.5%。这样大小的权重抽200个，没有一个偏差达到5%。

# %%
torch.manual_seed(0)
weight = torch.empty(200, 100)
stds = torch.stack([first_start(weight).std() for _ in range(200)])
assert (stds / 0.02**0.5 - 1).abs().max() < 0.03
round(stds.std().item() / 0.02**0.5, 3)

# %% [markdown] translates="30fd8149"
# **为什么要正交**？这样的层保持输入的长度：$\lVert Wx \rVert = \lVert x \rVert$。这里只有各列能互相正交：100维里放不下200个互相正交的行。

# %%
W = second_start(weight)
x = torch.randn(100)
assert_close((W @ x).norm(), x.norm())
rows_too = torch.allclose(W @ W.T, torch.eye(200), atol=1e-4)
rows_too, torch.linalg.matrix_rank(W @ W.T).item()

# %% [markdown] translates="09aa4566"
# **边界情况**。标准差区分不了两种分布：`kaiming_uniform_`的标准差也是这个值。最大值可以区分：均匀分布有界，这里是$\sqrt{6/100} = 0.245$。

# %%
uniform = nn.init.kaiming_uniform_(torch.empty(200, 100))
assert is_first(uniform)
assert uniform.abs().max() < 0.245
assert first_start(weight).abs().max() > 0.4
round(uniform.abs().max().item(), 2)

# %% [markdown]
# ## 2.8 断开的绑定
#
# *思考，15分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-8)
#
# `a`和`b`是两个`Linear(4, 4)`层，组成网络`nn.Sequential(a, b)`，用`b.weight = a.weight`绑定。下面哪些操作会保持绑定：对网络用`copy.deepcopy`；对网络用`load_state_dict`，加载另一个同样的网络的状态字典；对网络调用`double()`；`b.weight = nn.Parameter(...)`；把`a`和`b`逐个深拷贝（deep copy）？先预测，两个权重仍是同一个对象就写True，然后用`is`检验。

# %% [markdown] translates="5fde2f67"
# **思路**。绑定就是一个对象有两个名字。往对象里写，绑定保持；在一个名字下放入新的对象，绑定断开。在一次`deepcopy`里，这个对象只复制一次；分两次调用，就各复制一次，互不相干。

# %%
still_tied = {
    "deepcopy of the network": True,
    "load_state_dict": True,
    "double": True,
    "new nn.Parameter": False,
    "deep copies one by one": False,
}

# %%
check.tie_that_breaks(still_tied)

# %% [markdown] translates="e90e0252"
# 先用`is`检验保持绑定的几种操作。


# %%
def tie():
    a, b = nn.Linear(4, 4), nn.Linear(4, 4)
    b.weight = a.weight
    return nn.Sequential(a, b)


def is_tied(net):
    return net[0].weight is net[1].weight


loaded = tie()
loaded.load_state_dict(tie().state_dict())
[is_tied(net) for net in (copy.deepcopy(tie()), loaded, tie().double())]

# %% [markdown] translates="1c8181cc"
# 再检验断开绑定的两种。

# %%
net = tie()
apart = nn.Sequential(copy.deepcopy(net[0]), copy.deepcopy(net[1]))
net[1].weight = nn.Parameter(torch.zeros(4, 4))
is_tied(net), is_tied(apart)

# %% [markdown] translates="c1eb7ffa"
# **陷阱**。绑定断开不会报错：两边的值起初相等，训练第一步就分开了。

# %%
trained = copy.deepcopy(apart)
assert torch.equal(trained[0].weight, trained[1].weight)
trained(torch.ones(1, 4)).sum().backward()
torch.optim.SGD(trained.parameters(), lr=0.1).step()
torch.equal(trained[0].weight, trained[1].weight)

# %% [markdown] translates="76e81acb"
# **边界情况**。上面保持绑定的调用，有两种也可能断开绑定：`load_state_dict`加上`assign=True`，会在原来的位置放入新的参数；移到`meta`设备，那里没有可以写入的数据。

# %%
assigned = tie()
assigned.load_state_dict(tie().state_dict(), assign=True)
is_tied(assigned), is_tied(tie().to("meta"))

# %% [markdown]
# ## 2.9 任意宽度的输入
#
# *编程，20分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-9)
#
# 编写一个模块，对任意的$d$从$(n, d)$变成$(n, 1)$，参数的个数与$d$无关：让每个特征通过同一个小网络（从1个数变成1个数，有一个隐藏层），再取平均。用$d = 5$和$d = 7$运行。如果样本的各个特征交换位置，输出会变吗？

# %% [markdown] translates="13270ad1"
# **思路**。线性层作用在最后一维上，不管前面是什么。给每个特征单独加上长度为1的最后一维：$(n, d)$变成$(n, d, 1)$，一个小网络就能用于所有特征。沿$d$取平均，剩下$(n, 1)$。求和不分次序，所以特征交换位置，输出不变。


# %%
class AnyWidth(nn.Module):
    def __init__(self, num_hiddens=8):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(1, num_hiddens), nn.ReLU(), nn.Linear(num_hiddens, 1)
        )

    def forward(self, X):
        Y = self.net(X[..., None])  # (n, d) -> (n, d, 1)
        return Y.mean(dim=1)  # (n, 1)


output_changes = False

# %%
check.inputs_of_any_width(AnyWidth, output_changes)

# %% [markdown] translates="7f7d6c98"
# 一个对象接受两种宽度，参数有$8 + 8$个和$8 + 1$个。

# %%
torch.manual_seed(0)
net = AnyWidth()
shapes = [tuple(net(torch.rand(3, d)).shape) for d in (5, 7)]
shapes, sum(p.numel() for p in net.parameters())

# %% [markdown] translates="d459e34a"
# 特征交换位置，输出不变，只差换了次序求和的舍入误差。

# %%
X = torch.rand(3, 7)
assert_close(net(X[:, torch.randperm(7)]), net(X))

# %% [markdown] translates="46abf65b"
# **另一种做法**。把全部$n \cdot d$个数排成一列，作为一个批量，每个样本只有一个特征。变回来时必须变成$(n, d)$：$(d, n)$的数一样多，却会把样本混在一起，还不报错。

# %%
Y = net.net(X.reshape(-1, 1))  # (n, d) -> (n d, 1)
assert_close(Y.reshape(3, 7).mean(dim=1, keepdim=True), net(X))
Y.reshape(7, 3).mean(dim=0).allclose(net(X)[:, 0])

# %% [markdown] translates="8ca1268c"
# **边界情况**。不分次序的网络，学不会次序。样本$(1, 0)$和$(0, 1)$的目标$x_1 - x_2$是1和-1；不管参数是什么，网络对两者的输出都相同。

# %%
Y = net(torch.eye(2))
assert_close(Y[0], Y[1])

# %% [markdown]
# ## 2.10 更多的词
#
# *编程，25分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-10)
#
# 一个绑定了权重的`NextWord`已经学会了一些词，现在要再加一些。编写`grow(model, num_words)`，直接修改这个模型。修改之后，嵌入层和输出层都能用于`num_words`个词，打印出来的也是这个数，而且两者仍然共用一个参数。旧词的各行，值不变；新的每一行都是旧的各行的均值。数据类型和`requires_grad`也不变。在此之前，已经用`model.parameters()`创建了一个优化器：`grow`之后，它会训练旧词的行吗？新词的行呢？先预测，写True或False。

# %% [markdown] translates="a9103518"
# **思路**。参数不能变大：要创建一个新参数，旧的各行放在前面。再按新的大小创建两个层，两个层的权重都用这个参数。旧的优化器拿着的是旧参数，而旧参数已经不在模型里：旧的行和新的行，它一行也不会训练。


# %%
def grow(model, num_words):
    old = model.embedding.weight
    mean = old.detach().mean(dim=0, keepdim=True)
    more = mean.expand(num_words - len(old), -1)
    values = torch.cat((old.detach(), more))
    model.embedding = nn.Embedding(*values.shape)
    model.out = nn.Linear(*values.T.shape, bias=False)
    weight = nn.Parameter(values, old.requires_grad)
    model.embedding.weight = model.out.weight = weight


trained_by_old_optimizer = {"old rows": False, "new rows": False}

# %%
check.more_words(grow, trained_by_old_optimizer)

# %% [markdown] translates="788f397d"
# 下面是一个和正文里一样的模型。旧词的得分不变。


# %%
class NextWord(nn.Module):
    def __init__(self, num_words, num_features):
        super().__init__()
        self.embedding = nn.Embedding(num_words, num_features)
        self.out = nn.Linear(num_features, num_words, bias=False)
        self.embedding.weight = self.out.weight

    def forward(self, words):
        return self.out(self.embedding(words))


torch.manual_seed(0)
model, words = NextWord(5, 3), torch.arange(5)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
before = model(words)
grow(model, 7)
assert_close(model(words)[:, :5], before)
model

# %% [markdown] translates="04254038"
# **陷阱**。原来的优化器照样更新，模型却不变。要新建一个优化器；还要注意，Adam的滑动平均会从头开始。

# %%
model(words).sum().backward()
changed_by_a_step(optimizer, model)

# %% [markdown] translates="17d02354"
# **为什么用均值？** 用随机数组成的行，得分就没有根据；用全是0的行，每个新词的得分都是0，而0可能是最高分。均值组成的行，得分就是旧词得分的均值。

# %%
scores = model(words)
assert_close(scores[:, 5], scores[:, :5].mean(dim=1))

# %% [markdown]
# ## 2.11 确定延后网络的形状
#
# *编程，20分钟。*
# [练习](../02_parameters.ipynb#cell-id=exercise-2-11)
#
# 编写`shape(net, X)`：运行批量`X`，让网络里的延后层得到宽度；返回因此得到形状的那些参数的名字。除此之外，什么都不改变：移动均值这样的缓冲区，值不变；每个模块处于训练模式还是评估模式，也和原来一样；暂退法（dropout）不抽取任何随机数。批量如果不合适，PyTorch的错误照常报出来，各模块的模式仍和原来一样。（一个参数是不是还在等待形状，用`torch.nn.parameter`的`is_lazy`来判断。）

# %% [markdown] translates="09ce8fcf"
# **思路**。在评估模式下，移动均值不变，暂退法也不起作用；但事后要逐个模块恢复模式：`net.train()`会把有意设成评估模式的模块也改成训练模式。写在`finally`里，出错之后也会恢复。


# %%
def shape(net, X):
    names = [name for name, p in net.named_parameters() if is_lazy(p)]
    modes = {module: module.training for module in net.modules()}
    try:
        with torch.no_grad():
            net.eval()(X)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return names


# %%
check.shape_a_lazy_network(shape)

# %% [markdown] translates="5737435c"
# 下面的网络里有一个冻结的批量规范化层，用别人的权重时会遇到这种情况；后面还有一个延后层。

# %%
frozen = nn.BatchNorm1d(20).eval()
net = nn.Sequential(frozen, nn.LazyLinear(8), nn.Dropout(), nn.Linear(8, 1))
names = shape(net, torch.ones(2, 20))
names, [module.training for module in net]

# %% [markdown] translates="d6a32539"
# **陷阱**。延后层的随机数是现在才抽取的，而不是在写出网络的地方。所以，在下面的网络里，最后一层先于延后层抽取权重：即使随机种子相同，前面是延后层还是普通层，最后一层的起点也不同。

# %%
weights = []
for make in (lambda: nn.Linear(20, 8), lambda: nn.LazyLinear(8)):
    torch.manual_seed(0)
    net = nn.Sequential(make(), nn.ReLU(), nn.Linear(8, 1))
    shape(net, torch.ones(2, 20))
    weights.append(net[2].weight)
torch.equal(*weights)
