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

# %% [markdown] translates="06c64c4b"
# # 参数管理：访问、初始化和共享
#
# 网络学到的东西就在参数（parameter）里。想查看参数、选定初始值、把一个参数用在两处，或者让一个参数固定不变，都要先能访问到参数；写入时，还不能误导自动微分（autograd）。
#
# **你将学会**
#
# - 按索引和按名字访问一个参数、它的值和它的梯度（gradient）；
# - 统计参数的个数和占用的字节数；
# - 初始化（initialize）网络，需要时用你自己的分布（distribution）；
# - 写入数值，又不让梯度出错；
# - 共享（share）一个层，绑定嵌入层和输出层，冻结（freeze）一个层；
# - 在值得这样做时，把宽度留给第一个批量（batch）决定。
#
# **书中**：第5.2节[参数管理](https://zh.d2l.ai/chapter_deep-learning-computation/parameters.html)，第5.3节[延后初始化](https://zh.d2l.ai/chapter_deep-learning-computation/deferred-init.html)（英文版6.2，[Parameter Management](https://d2l.ai/chapter_builders-guide/parameters.html)；6.3，[Parameter Initialization](https://d2l.ai/chapter_builders-guide/init-param.html)；6.4，[Lazy Initialization](https://d2l.ai/chapter_builders-guide/lazy-init.html)）。
#
# **需要先读**第01章[用层和块搭建网络](01_blocks.ipynb)。全部单元格在CPU上运行约五秒，有GPU时会用GPU。

# %% [markdown] translates="b58186dc"
# 第一个单元格导入本章要用的东西，并选好设备（device）。

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

# %% [markdown] translates="b17ef714"
# ## 参数访问：看一个层
#
# 本章大部分内容用同一个小网络，需要时由函数新建。输入两个样本（sample），每个有四个特征（feature）。输出是什么形状（shape）？


# %%
def make_net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


torch.manual_seed(0)
net = make_net().to(device)
X = torch.rand(2, 4).to(device)
net(X).shape

# %% [markdown] translates="5f392190"
# 每个样本一个数。`Sequential`可以像列表一样索引，所以最后一层是`net[2]`。它的状态字典（state dict）按名字存放参数。

# %%
last = net[2].state_dict()
{name: (tuple(tensor.shape), tensor.dtype) for name, tensor in last.items()}

# %% [markdown] translates="e6825d59"
# 在权重（weight）的形状里，输出的个数在前。所有的值都是单精度（single precision），即`float32`。
#
# 参数是`nn.Parameter`类的张量（tensor）。自动微分会跟踪它：它带有`requires_grad=True`。`detach`给出的张量值相同，但自动微分不跟踪。

# %%
bias = net[2].bias
print("class:        ", type(bias).__name__)
print("requires_grad:", bias.requires_grad, bias.detach().requires_grad)
print("value:        ", round(bias.item(), 2))

# %% [markdown] translates="412d4c12"
# 在`backward`之前，或者`zero_grad`之后，参数的梯度是`None`。两个输出之和对偏置（bias）的导数是多少？

# %%
net.zero_grad()
assert net[2].bias.grad is None
net(X).sum().backward()
net[2].bias.grad.tolist()

# %% [markdown] translates="ac2a798a"
# 两个样本各加了一次偏置，所以导数是2。

# %% [markdown] translates="ad226ed4"
# ## 一次访问所有参数
#
# `named_parameters`成对给出名字和参数，一个层可以用，整个网络也可以用。输出的第一行是第一层的。

# %%
print([(name, tuple(p.shape)) for name, p in net[0].named_parameters()])
for name, p in net.named_parameters():
    print(name, tuple(p.shape))

# %% [markdown] translates="7ed2719a"
# 名字以层的位置开头。没有哪个名字以`1.`开头，因为ReLU没有参数。
#
# 给出名字，`get_parameter`就返回参数本身。状态字典里也有同名的一项，这一项是副本吗？比一比`data_ptr`，即值所在的内存地址，就知道了。

# %%
assert net.get_parameter("2.bias") is net[2].bias
entry = net.state_dict()["2.bias"]
print("requires_grad:", entry.requires_grad)
print("same memory:  ", entry.data_ptr() == net[2].bias.data_ptr())

# %% [markdown] translates="20beed62"
# 不是副本：它是同一块内存上的另一个张量，自动微分不跟踪它。所以，状态字典会随网络变化；怎样把值留住，见[第04章](04_file_io.ipynb#cell-id=the-state-dict-follows-the-model)。

# %% [markdown] translates="dcfd625a"
# ### 统计参数个数和字节数
#
# `numel`是张量的元素个数，`element_size`是每个元素占的字节数。先自己手算一下。


# %%
def count(module):
    parameters = list(module.parameters())
    size = sum(p.numel() * p.element_size() for p in parameters)
    return sum(p.numel() for p in parameters), size


count(net)

# %% [markdown] translates="8f73dea6"
# 第一层$4 \cdot 8 + 8$个，最后一层$8 + 1$个，一共49个，每个占4字节。缓冲区（buffer）不是参数，不计在内（练习2.5）。
#
# 换一种数据类型（data type），只有字节数会变。一个`bfloat16`数占2字节。

# %%
for dtype in (torch.float64, torch.float32, torch.bfloat16):
    print(dtype, count(make_net().to(dtype)))

# %% [markdown] translates="9a959b02"
# ## 嵌套网络里的参数访问
#
# 下面创建四个本教程自带的`MLP`，取名`block0`到`block3`；四个串起来，作为一个块（block）放进另一个网络。怎样访问`block1`的隐藏层（hidden layer）的偏置？

# %% tags=["look"]
blocks = nn.Sequential(
    OrderedDict((f"block{i}", d2l_helpers.MLP(4, 8, 4)) for i in range(4))
)
deep = nn.Sequential(blocks, nn.Linear(4, 1)).to(device)
deep

# %% [markdown] translates="64a8afdb"
# 可以用索引和属性一级一级访问，也可以用*带点的名字*（dotted name）：同一条路径，写成一个字符串。

# %%
found = deep[0][1].hidden.bias
assert found is deep.get_parameter("0.block1.hidden.bias")
[name for name, p in deep.named_parameters() if p is found]

# %% [markdown] translates="cc2e5d27"
# ## 参数初始化：选择起点
#
# `apply`把网络里的模块（module）逐个交给一个函数。按什么次序？

# %%
visited = []
net.apply(lambda module: visited.append(type(module).__name__))
visited

# %% [markdown] translates="3c51f550"
# 先是子模块（children），然后才是包含它们的模块。所有模块都会交给这个函数，所以函数要自己挑选。下面的函数只处理线性层（linear layer）：偏置设为0，权重从正态分布（normal distribution）$N(0, 0.01^2)$抽取。`normal_`末尾的下划线表示：它会修改传进来的实参。
#
# `std`是标准差（standard deviation）。有些讲解这段代码的文章写“方差（variance）是0.01”：真是这样，就会有大约三分之一的权重，绝对值大于0.1。实际有几个？


# %%
def init_normal(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


torch.manual_seed(0)
small = make_net().apply(init_normal)
assert not small[0].bias.any()
(small[0].weight.abs() > 0.1).sum().item()

# %% [markdown] translates="fda51b68"
# 一个也没有。方差是$0.01^2$，也就是0.0001。
#
# 用常数作起点，并不好。第一个`assert_close`把梯度的每一行与第一行比较；第二个在训练一步之后，对权重也这样比较。


# %% translates="8a5110a4"
def init_constant(module):
    if isinstance(module, nn.Linear):
        nn.init.constant_(module.weight, 1)
        nn.init.zeros_(module.bias)


same = make_net().apply(init_constant).to(device)
same(X).sum().backward()
grad = same[0].weight.grad  # (8, 4)：每个隐藏单元一行
assert grad.any()
assert_close(grad, grad[:1].expand(8, 4))
torch.optim.SGD(same.parameters(), lr=0.1).step()
assert_close(same[0].weight, same[0].weight[:1].expand(8, 4))

# %% [markdown] translates="88736db5"
# 八个隐藏单元起点相同，得到的梯度也相同，于是一直相同，八个只干了一个的活。随机的权重能让八个单元各不相同。
#
# 设一个层有$n_\mathrm{in}$个输入、$n_\mathrm{out}$个输出。Xavier初始化在$-a$和$a$之间均匀地抽取权重，其中$a = \sqrt{6 / (n_\mathrm{in} + n_\mathrm{out})}$。目的是让信号和梯度逐层传递时，大小基本不变。下面第二个函数写入42，这个数很好认。


# %%
def init_xavier(module):
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)


def init_42(module):
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
        nn.init.constant_(module.weight, 42)


# %% [markdown] translates="5b06d619"
# `apply`也能只用在网络的一部分上，所以每一层都可以有自己的初始化方法。对第一层，$a = \sqrt{6 / (4 + 8)}$。

# %%
torch.manual_seed(0)
mixed = make_net()
mixed[0].apply(init_xavier)
mixed[2].apply(init_42)
assert mixed[0].weight.abs().max() <= (6 / (4 + 8)) ** 0.5
mixed[2].weight.tolist()

# %% [markdown] translates="9dffc4dd"
# ### 自定义初始化：你自己的分布
#
# 假设要这样抽取权重（$U$表示均匀分布，uniform distribution）：
#
# $$w \sim \begin{cases}
#     U(5, 10) & \text{概率为 } 1/4 \\
#     0 & \text{概率为 } 1/2 \\
#     U(-10, -5) & \text{概率为 } 1/4
# \end{cases}$$
#
# 两步就够了。（`torch.no_grad()`允许写入参数，“安全地写入数值”一节会解释。）


# %%
def init_spread(module):
    if isinstance(module, nn.Linear):
        nn.init.uniform_(module.weight, -10, 10)
        with torch.no_grad():
            module.weight[module.weight.abs() < 5] = 0


# %% [markdown] translates="a8bc529a"
# 从$U(-10, 10)$抽出的数，有一半在-5和5之间，变成0。四分之一大于5，四分之一小于-5，这两部分仍然均匀分布。
#
# 要检查分布，就得有很多权重：下面有四个层，每层20,000个权重，用了四种初始化方法。PyTorch对线性层的默认方法，是$\pm 1/\sqrt{n_\mathrm{in}}$之间的均匀分布。

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

# %% [markdown] translates="aed73884"
# 默认的权重最大能到$1/\sqrt{100} = 0.1$，Xavier初始化的能到$\sqrt{6/300} = 0.14$。再看自定义的分布：算出三种情况各自的频率，并确认没有第四种情况。

# %% translates="c40bb26f"
weights = schemes["custom"].weight.detach().flatten()
cases = torch.stack([weights <= -5, weights == 0, weights >= 5])
assert cases.any(dim=0).all()  # 每个权重都是三种情况之一
frequencies = cases.float().mean(dim=1)  # (3, 20000) -> (3,)
expected = torch.tensor([0.25, 0.5, 0.25])
assert_close(frequencies, expected, rtol=0, atol=0.02)
[round(f, 2) for f in frequencies.tolist()]

# %% [markdown] translates="e925c592"
# 四个直方图共用纵轴。比较各图横轴上的数。

# %% mystnb={"image": {"alt": "四个直方图，各有20,000个权重，共用纵轴，纵轴是每个条形里的权重所占的比例。N(0, 0.01^2)：0处有一个窄的钟形，中间两个条形高0.34，只有-0.03到0.03之间有条形。default：从-0.1到0.1是平的一块，高0.05。Xavier：从-0.14到0.14是平的一块，高0.035。custom，横轴从-10到10：从-10到-5和从5到10各是平的一块，高0.025，0处有一个条形，高0.5。"}} translates="b4452f12"
fig, axes = plt.subplots(1, 4, sharey=True, figsize=(8, 2.5))
for ax, (name, layer) in zip(axes, schemes.items(), strict=True):
    values = layer.weight.detach().flatten()
    limit = 10 if name == "custom" else 0.2
    share = torch.full_like(values, 1 / len(values))  # 一个权重所占的比例
    ax.hist(values, bins=40, range=(-limit, limit), weights=share)
    ax.set(title=name, xlabel="weight")
axes[0].set_ylabel("share of the weights")
plt.show()

# %% [markdown] translates="c669b45a"
# 形状依次是：钟形；平的一块；更宽的一块；最后是平的两块，中间夹着一个条形，一半的权重都在这个条形里，横轴的范围是其他各幅的50倍。

# %% [markdown] translates="31adcdf6"
# ### 正确判断层的类型
#
# > **陷阱**。直接比较类型，无论写成`type(module) is nn.Linear`还是用`==`，遇到`nn.Linear`的子类，结果都是假。子类的层会保留原来的权重，而且不报错。书里的函数就是这样比较的：`type(m) == nn.Linear`（第5.2.2节，英文版6.3.1）。如果你抄过这样的函数，就改用`isinstance`。
#
# 下面是自带ReLU的线性层，和一个这样比较类型的函数。


# %%
class LinearReLU(nn.Linear):
    def forward(self, X):
        return F.relu(super().forward(X))


def init_42_by_type(module):
    if type(module) is nn.Linear:
        nn.init.constant_(module.weight, 42)


# %% [markdown] translates="261dc4a1"
# 网络由一个这样的层和一个普通的线性层串成。

# %%
for init in (init_42_by_type, init_42):
    chain = nn.Sequential(LinearReLU(4, 8), nn.Linear(8, 1)).apply(init)
    print(init.__name__, [(m.weight == 42).all().item() for m in chain])

# %% [markdown] translates="7c6549d7"
# 直接比较类型，漏掉了第一层。`isinstance`对子类也为真。

# %% [markdown] translates="8d147359"
# ## 安全地写入数值
#
# 参数是*叶节点*（leaf）：自动微分用计算图（computational graph）记录计算，图就从叶节点开始。给参数的某个元素赋值，会报错。

# %% tags=["raises-exception"]
edited = make_net()
edited[0].weight[0, 0] = 42

# %% [markdown] translates="345bddef"
# 错误信息里的*视图*（view）是`weight[0, 0]`，它与权重共用内存；*原地*（in-place）是指覆盖原来的值。
#
# 在`torch.no_grad()`下，自动微分不记录计算，于是允许修改；`nn.init`里的函数就是这样做的。下面先把所有权重加1，再把其中一个变成42。

# %%
edited = make_net()
old = edited[0].weight.detach().clone()
with torch.no_grad():
    edited[0].weight += 1
    edited[0].weight[0, 0] = 42
assert_close(edited[0].weight[1:], old[1:] + 1)
edited[0].weight[0, 0].item()

# %% [markdown] translates="347a2cf2"
# > **陷阱**。`w.data`是同一块内存，只是没有自动微分，所以也允许修改。可是这样一来，自动微分自己的检查就看不到这次修改。书里修改的是`net[0].weight.data`（第5.2.2节和第5.2.3节，英文版6.3.1和6.2.2）。书里这样做没有害处，因为后面没有`backward`。
#
# $w_1^2 + w_2^2$在$(2, 3)$处的梯度是$(4, 6)$。在前向传播（forward computation）和反向传播（backpropagation）之间，下一个单元格通过`.data`把`w`乘以10。

# %%
w = torch.tensor([2.0, 3.0], requires_grad=True)
y = (w * w).sum()
w.data *= 10
y.backward()
w.grad

# %% [markdown] translates="391e27f8"
# 算出的不是`y`的梯度，而且不报错：`backward`读到的是新值。在`no_grad`下，自动微分会给这次修改计数，这个数叫*版本*（version）；`backward`发现版本变了，就拒绝计算。（自动微分留下什么、给什么计数，见[第05章](05_autograd.ipynb#cell-id=what-the-graph-keeps)。）下面的单元格打印错误信息，略去了其中的提示。

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

# %% [markdown] translates="188535ee"
# 报错比算错好。要写入，就在前向传播之前，或者在`backward`之后，像优化器（optimizer）那样。

# %%
w = torch.tensor([2.0, 3.0], requires_grad=True)
(w * w).sum().backward()
with torch.no_grad():
    w *= 10
w.grad, w.tolist()

# %% [markdown] translates="311f60c7"
# ## 参数绑定：共享一个层
#
# 一个层放在两处，参数仍只有一套，这样的参数叫作*绑定*（tied）的参数，这种做法也叫参数共享（parameter sharing）。下面的`shared`放在位置2和位置4。它的权重会列出几次？

# %%
torch.manual_seed(0)
shared = nn.Linear(8, 8)
front, back = [nn.Linear(4, 8), nn.ReLU()], [nn.ReLU(), nn.Linear(8, 1)]
tied = nn.Sequential(*front, shared, nn.ReLU(), shared, *back).to(device)
assert tied[2] is tied[4]
print([name for name, _ in tied.named_parameters()])
print(list(tied.state_dict()))

# %% [markdown] translates="2e748764"
# 在参数里列出一次，在状态字典里列出两次，每处一个名字。`count`统计的是`parameters()`。如果对状态字典求和，会多算多少？

# %%
in_state_dict = sum(t.numel() for t in tied.state_dict().values())
assert in_state_dict - count(tied)[0] == shared.weight.numel() + 8
count(tied)[0], in_state_dict

# %% [markdown] translates="cc3e912a"
# 多算72个：共享层的$8 \cdot 8$个权重和8个偏置。

# %% [markdown] translates="e9be8b56"
# ### 共享层的梯度
#
# 共享的权重在两处影响输出。它得到的是什么梯度？为了看清楚，另建一个网络，这两处各放一个独立的层。两个层都加载共享层的值，所以输出相同。

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

# %% [markdown] translates="d694fb22"
# 两个独立的层得到不同的梯度；共享层得到两者之和。

# %%
for network in (tied, untied):
    network.zero_grad()
    network(X).square().sum().backward()
for name in ("weight", "bias"):
    first, second = (untied[i].get_parameter(name).grad for i in (2, 4))
    assert first.any() and second.any() and not first.allclose(second)
    assert_close(tied[2].get_parameter(name).grad, first + second)

# %% [markdown] translates="13f128e7"
# ### 绑定嵌入层和输出层
#
# 预测下一个词的网络，开头是*嵌入层*（embedding layer），每个词在嵌入层里有一行特征；结尾的输出层给每个词一个得分。有100个词、8个特征时，这两层的权重，形状都是$(100, 8)$。


# %%
class NextWord(nn.Module):
    def __init__(self, num_words=100, num_features=8):
        super().__init__()
        self.embedding = nn.Embedding(num_words, num_features)
        self.out = nn.Linear(num_features, num_words, bias=False)

    def forward(self, words):
        return self.out(self.embedding(words))  # (n,) -> (n, 8) -> (n, 100)


# %% [markdown] translates="e0e2a6cd"
# 两个权重可以是同一个参数：把它赋给第二个名字即可。下面读入的词是3和7。不绑定时，嵌入层有几行得到梯度？绑定之后呢？

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

# %% [markdown] translates="c30f6580"
# 不绑定时，是读入的两行。绑定之后，是所有的行，因为每一行还要给它的词打分。
#
# > **陷阱**。两个权重各有起点，绑定之后，有一个起点就丢掉了。嵌入层从$N(0, 1)$抽取权重，这个线性层则在$\pm 1/\sqrt{8}$之间抽取。
#
# 一个什么都不知道的网络，应该认为每个词的概率都一样。这时损失是$\log 100 = 4.6$。保留哪个起点，损失接近这个值？

# %%
for kept in ("embedding", "out"):
    torch.manual_seed(0)
    model, words = NextWord().to(device), torch.randint(100, (2, 1000))
    weight = getattr(model, kept).weight
    model.embedding.weight = model.out.weight = weight
    loss = F.cross_entropy(model(words[0].to(device)), words[1].to(device))
    print(f"{kept}: {loss.item():.1f}")

# %% [markdown] translates="55798099"
# 保留输出层的起点时接近。用嵌入层的数算出的得分，过于肯定。要么保留较小的起点，要么绑定之后再初始化权重。

# %% [markdown] translates="3f2a497e"
# ## 冻结一个层
#
# 层*冻结*之后，参数保持不变，别的参数照常训练，例如新换上的最后一层的参数。`requires_grad_(False)`冻结一个模块的全部参数。下面冻结`NestMLP`的块`net`。

# %%
torch.manual_seed(0)
nest = d2l_helpers.NestMLP().to(device)
batch = torch.rand(2, 20).to(device)
nest.net.requires_grad_(False)
[name for name, p in nest.named_parameters() if p.requires_grad]

# %% [markdown] translates="31ac08a8"
# 优化器拿到的是其余的参数。冻结的块应当没有梯度，值也不变。本教程的`changed_by_a_step`训练一步，并列出状态字典里有哪些项因此改变。

# %%
tuned = copy.deepcopy(nest)
rest = [p for p in tuned.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(rest, lr=0.1)
tuned(batch).square().sum().backward()
assert all(p.grad is None for p in tuned.net.parameters())
changed_by_a_step(optimizer, tuned)

# %% [markdown] translates="3e1c150a"
# > **陷阱**。训练中途才冻结的层，还留着最后一次的梯度；如果优化器里有这个层，这个梯度就会用上。
#
# 在下面的副本里，`requires_grad_()`让所有参数重新可以训练，优化器也拿到所有参数。这个块在一次`backward`之后才冻结。接下来的两步，各会改变哪些参数？

# %%
late = copy.deepcopy(nest).requires_grad_()
optimizer = torch.optim.SGD(late.parameters(), lr=0.1)
late(batch).square().sum().backward()
late.net.requires_grad_(False)
print("gradients left:   ", changed_by_a_step(optimizer, late))
optimizer.zero_grad()
late(batch).square().sum().backward()
print("gradients cleared:", changed_by_a_step(optimizer, late))

# %% [markdown] translates="51518a06"
# 第一步改变了全部六个张量，冻结的也变了。`zero_grad`把梯度设为`None`，优化器会跳过没有梯度的参数。
#
# > **陷阱**。冻结只管优化器，不管层自己做什么。
#
# 批量规范化（batch normalization）会记录训练时各批数据的移动均值（running mean），[第03章](03_custom_layers.ipynb#cell-id=parameter-buffer-or-attribute)会写一个这样的层。下面把它的参数冻结。移动均值还会变吗？

# %%
for training in (True, False):
    norm = nn.BatchNorm1d(20).requires_grad_(False).to(device)
    norm.train(training)(batch)
    moved = norm.running_mean.any().item()
    print("in training:  " if training else "in evaluation:", moved)

# %% [markdown] translates="93e163f6"
# 训练模式下会变。所以要对这样的层调用`eval()`；网络每次调用`train()`之后，都要再调用一次。

# %% [markdown] translates="9eb7ba63"
# ## 延后初始化：宽度由第一个批量决定
#
# 线性层必须知道输入有多少个特征。*延后层*（lazy layer，即延后初始化的层）只给定输出的个数，输入的个数要等第一个批量来了才知道。

# %%
lazy = nn.Sequential(nn.LazyLinear(256), nn.ReLU(), nn.LazyLinear(10))
print(lazy)
lazy[0].weight

# %% [markdown] translates="0da5d2d8"
# 0表示还不知道的数。权重没有值，连形状都没有。

# %% tags=["raises-exception"]
lazy[0].weight.shape

# %% [markdown] translates="fac5b7ff"
# 形状由第一个批量决定。下面的批量有20个特征；把它送进副本，让`lazy`保持原样。最后一层会有多少个输入？

# %%
batch_20 = torch.ones(2, 20)
shaped = copy.deepcopy(lazy)
shaped(batch_20)  # (2, 20) -> (2, 256) -> (2, 10)
print([tuple(p.shape) for p in shaped.parameters()])
shaped

# %% [markdown] translates="0bd057b5"
# 256个，来自前一层。每个延后层都变成了普通的`Linear`，宽度不同的批量就会出错。

# %% translates="c9165b63"
try:
    shaped(torch.ones(2, 30))
except RuntimeError as error:
    print(str(error).removeprefix("addmm: "))  # torch 2.15这样开头

# %% [markdown] translates="955cacad"
# `20x256`是转置后的权重。练习2.9的模块接受任意宽度的输入。
#
# > **陷阱**。`nn.LazyLinear`也是`nn.Linear`的子类。直接比较类型会漏掉延后层，等第一个批量来了，延后层得到的是默认的权重。

# %%
torch.manual_seed(0)
skipped = copy.deepcopy(lazy).apply(init_42_by_type)
skipped(batch_20)
assert skipped[0].weight.abs().max() < 0.224  # 1 / sqrt(20) = 0.2236
(skipped[0].weight == 42).any().item()

# %% [markdown] translates="03c1e880"
# 第一层没有一个权重是42。`isinstance`能找到这个层，但会报错：还没有可以写入的东西。

# %% tags=["raises-exception"]
copy.deepcopy(lazy).apply(init_42)

# %% [markdown] translates="43651638"
# 所以要先运行一个批量，再初始化。延后层只需要这个批量的宽度，不需要里面的数。

# %%
ready = copy.deepcopy(lazy)
ready(batch_20)
ready.apply(init_42)
[(ready[i].weight == 42).all().item() for i in (0, 2)]

# %% [markdown] translates="a2e4e4c6"
# 别的层却可能留下这些数的痕迹，训练模式下的批量规范化就是这样。

# %%
torch.manual_seed(0)
for training in (True, False):
    normed = nn.Sequential(nn.LazyLinear(8), nn.BatchNorm1d(8))
    normed.train(training)(batch_20)
    moved = normed[1].running_mean.any().item()
    print("in training:  " if training else "in evaluation:", moved)

# %% [markdown] translates="42f6a479"
# 网络里有这样的层，就先调用`eval()`，再送入第一个批量；训练之前，再调用`train()`。

# %% [markdown] translates="fdd32fb0"
# ### 什么时候值得用延后层
#
# 宽度由别的设置决定，算起来又麻烦时，就值得用。下面的`nn.Conv2d`是处理图像的层：它让一个3×3像素的窗口在每张图像上滑动，每次移动2个像素，由一张图像得到四张。

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

# %% [markdown] translates="6f41c91b"
# 四张13×13像素的图像，就是676个数。但是在第一个批量之前，没有东西可以统计、初始化或比较。第一个批量如果不对，宽度也由它决定，而且不报错：

# %%
wrong = copy.deepcopy(lazy)
wrong(torch.ones(2, 30))
wrong[0]

# %% [markdown] translates="f3fc315c"
# 所以，知道的宽度就写出来。不知道时，就在搭建网络的地方运行一个批量，交出去的就是普通的网络。练习2.11会为此写一个函数。

# %% [markdown] translates="1116899a"
# ## 小结
#
# - 参数有值、梯度（起初是`None`）和标志`requires_grad`。可以按索引或按带点的名字访问。
# - 共享的参数，`parameters()`只给出一次，状态字典里每处都有一次。
# - `apply`把网络的每个模块交给一个函数，子模块在先。用`isinstance`挑选；直接比较类型会漏掉子类和延后层。
# - 起点相等的单元，梯度就相等，以后也一直相等。
# - 写入要在`torch.no_grad()`下，不能在前向传播和反向传播之间。如果在两者之间通过`.data`写入，梯度可能错了，却不报错。
# - 共享的层得到各处梯度之和。嵌入层和输出层可以通过赋值来绑定；两个起点只留下一个。
# - 要冻结一个层，就调用`requires_grad_(False)`，并清除它的梯度。层里的移动均值，要到评估模式下才不变。
# - 延后层的形状由第一个批量决定，只决定一次。在搭建网络的地方运行这个批量，然后再初始化；如果有的层会记录均值，就在评估模式下运行。

# %% [markdown] translates="8522580f"
# ## 练习
#
# 把答案写在每个`...`的位置，运行这个单元格，再运行下面的检查。检查会说出缺了什么，并给出一个通不过的例子；它不会改动你的任何东西。检查要用到前面的单元格：隔了一阵再来做时，先选中检查，再依次点*Run*、*Run All Above Selected Cell*。完整的解答在[另外一页](solutions/02_parameters.ipynb)上。

# %%
from d2l_helpers import check

# %% [markdown] translates="293d0e6f"
# ### 2.1 多种方式访问一个偏置
#
# *编程，10分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-1)
#
# 编写`overview(net)`，列出每个参数的名字、形状和绝对值的均值（mean），并在一个`NestMLP`上运行。它的块`net`里有两个线性层：用三种方式访问第二个的偏置，并验证得到的是同一个对象。


# %% translates="aafecb95"
def overview(net):
    """一个列表，每个参数一项：(名字, 形状, 绝对值的均值)。"""
    # 名字与named_parameters的相同，形状是元组，均值是一个数
    ...


def bias_in_three_ways(nest):
    """nest.net里第二个线性层的偏置，给出三次。"""
    # 三个元素的列表：每个都是参数本身，各用一种方式访问
    ...


# %%
check.every_way_to_a_bias(overview, bias_in_three_ways)

# %% [markdown] translates="f77a24c8"
# ### 2.2 观察共享层的学习
#
# *探索，25分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-2)
#
# 搭建一个网络，从$(n, 4)$变成$(n, 1)$，把一个`Linear(8, 8)`用在两处：只创建一次，在两处都作为模块来调用。不要用暂退法（dropout）。训练20步，每步用全部样本，损失函数（loss function）用`F.mse_loss`，优化器用`torch.optim.SGD`或`Adam`，全程用一个学习率（learning rate）。数据是64个随机样本；$y = x_1 x_2$是前两个特征的乘积，形状是$(64, 1)$。每一步之后，记录每个参数的范数，和这一步所用梯度的范数。最后用断言（assertion）确认两处的值仍然相同。共享得到了什么，失去了什么？各说一样。


# %% translates="c37fd74c"
def make_shared():
    """把一个Linear(8, 8)用在两处的网络。"""
    # (n, 4) -> (n, 1)
    ...


def train_shared(net, X, y, num_steps=20):
    """原地训练net；返回一个列表，每步一项。

    每一项是一个字典，键是各个参数的名字，值是一对数：
    这一步之后参数的范数，和它的梯度的范数。
    """
    # X: (n, 4)，y: (n, 1)，都在net所在的设备上
    ...


# %%
check.watch_a_shared_layer_learn(make_shared, train_shared)

# %% [markdown] translates="3b185c5e"
# ### 2.3 另一种分布
#
# *编程，15分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-3)
#
# 编写一个供`apply`使用的函数：对线性层的每个权重，以1/3的概率从$N(2, 1)$抽取，否则设为-1。函数写入已有的权重；偏置和其他类型的模块保持不变。用至少10,000个权重检查：频率的误差不超过0.02；抽取的那一部分权重，均值和标准差的误差不超过0.1。


# %% translates="131abc9a"
def init_mixture(module):
    """供`net.apply`使用：以1/3的概率取N(2, 1)，否则取-1。"""
    ...


# %%
check.another_distribution(init_mixture)

# %% [markdown] translates="d863f415"
# ### 2.4 只训练最后一层
#
# *编程，25分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-4)
#
# 为`Sequential`编写`freeze_all_but_last(net)`。它直接修改`net`：最后一个模块以外的参数，全部冻结；返回仍要训练的参数的列表。末尾的模块如果没有参数，例如ReLU，就不算：仍可训练的，是`net[0]`、`net[1]`……里最后一个有参数的模块。这个模块的参数如果别处也在用，在别处也仍可训练。如果`net`原先已经冻结，就要让这个模块变得可以训练。
#
# 这个函数可能在`backward`和`step`之间调用。这时，如果优化器里有全部参数，接下来的一步也必须只改变仍要训练的参数。
#
# 用精确的比较验证：`torch.optim.Adam`更新10步，只改变这些参数。如果改为直接取`net[-1]`，而它是ReLU，会怎样？


# %% translates="875a0f90"
def freeze_all_but_last(net):
    """除了最后一个有参数的模块，其余全部冻结。

    返回仍要训练的参数的列表。
    """
    ...


# %%
check.all_but_the_last(freeze_all_but_last)

# %% [markdown] translates="0a249d14"
# ### 2.5 字节数
#
# *编程，20分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-5)
#
# 编写`num_bytes(net)`，返回网络的参数和缓冲区占用的字节数。两个张量共用的内存只算一次，一个是另一个的视图时也只算一次：张量的`untyped_storage()`就是它背后的内存。先手算，再与函数的结果比较。对象有三个：本章的`tied`；本教程自带的`FixedHiddenMLP()`；一个模块，唯一的缓冲区有10个`float32`数，用两个名字注册。


# %% translates="735b423e"
def num_bytes(net):
    """参数和缓冲区的字节数，共用的内存只算一次。"""
    ...


by_hand = {"tied": ..., "FixedHiddenMLP": ..., "two names": ...}  # 字节

# %%
check.count_bytes(num_bytes, by_hand)

# %% [markdown] translates="fcd6b546"
# ### 2.6 只给出一个宽度
#
# *思考，5分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-6)
#
# 用`Linear(20, 256)`、ReLU和`LazyLinear(10)`搭建一个`Sequential`。在第一个批量之前，哪些参数有值？然后给网络一个宽度不对的批量，$(2, 30)$；报错之后，再给一个宽度对的，$(2, 20)$。这两次之后，延后层的权重各有没有形状？先预测（第一问的答案是名字的集合），然后再试。

# %% translates="6fcbae87"
with_values = {...}  # 名字，例如"0.weight"
has_shape = {"after (2, 30)": ..., "after (2, 20)": ...}  # True或False

# %%
check.only_one_width_is_given(with_values, has_shape)

# %% [markdown] translates="ee694b1f"
# ### 2.7 其他初始化方法
#
# *探索，20分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-7)
#
# 从`nn.init`里选两个本章没有用过的函数，实参只需要权重。在文档里查出两个函数抽取什么，再为每个函数写一个测试，权重的形状是$(200, 100)$：例如测试标准差，或者测试各列是否正交。对应的函数抽取的权重，测试要接受；这个权重乘以2或除以2，测试要拒绝；`nn.Linear(100, 200)`的初始权重，测试也要拒绝。下面的检查会把一些权重传给你的测试，这些权重都在CPU上。


# %% translates="02f52f6a"
first_start = ...  # nn.init的一个函数
second_start = ...  # 另一个函数


def is_first(weight):
    """这个权重是否可能由first_start抽取，True或False。"""
    # weight: (200, 100)
    ...


def is_second(weight):
    """这个权重是否可能由second_start抽取，True或False。"""
    # weight: (200, 100)
    ...


# %%
check.other_starts(first_start, is_first, second_start, is_second)

# %% [markdown] translates="0536eb9e"
# ### 2.8 断开的绑定
#
# *思考，15分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-8)
#
# `a`和`b`是两个`Linear(4, 4)`层，组成网络`nn.Sequential(a, b)`，用`b.weight = a.weight`绑定。下面哪些操作会保持绑定：对网络用`copy.deepcopy`；对网络用`load_state_dict`，加载另一个同样的网络的状态字典；对网络调用`double()`；`b.weight = nn.Parameter(...)`；把`a`和`b`逐个深拷贝（deep copy）？先预测，两个权重仍是同一个对象就写True，然后用`is`检验。

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

# %% [markdown] translates="cbb36658"
# ### 2.9 任意宽度的输入
#
# *编程，20分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-9)
#
# 编写一个模块，对任意的$d$从$(n, d)$变成$(n, 1)$，参数的个数与$d$无关：让每个特征通过同一个小网络（从1个数变成1个数，有一个隐藏层），再取平均。用$d = 5$和$d = 7$运行。如果样本的各个特征交换位置，输出会变吗？


# %% translates="9437a9f4"
class AnyWidth(nn.Module):
    """f(x_1), ..., f(x_d)的平均值，f是同一个小网络。"""

    def __init__(self, num_hiddens=8):
        super().__init__()
        ...

    def forward(self, X):
        # (n, d) -> (n, 1)
        ...


output_changes = ...  # True或False

# %%
check.inputs_of_any_width(AnyWidth, output_changes)

# %% [markdown] translates="4c022cf3"
# ### 2.10 更多的词
#
# *编程，25分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-10)
#
# 一个绑定了权重的`NextWord`已经学会了一些词，现在要再加一些。编写`grow(model, num_words)`，直接修改这个模型。修改之后，嵌入层和输出层都能用于`num_words`个词，打印出来的也是这个数，而且两者仍然共用一个参数。旧词的各行，值不变；新的每一行都是旧的各行的均值。数据类型和`requires_grad`也不变。在此之前，已经用`model.parameters()`创建了一个优化器：`grow`之后，它会训练旧词的行吗？新词的行呢？先预测，写True或False。


# %% translates="51a1559c"
def grow(model, num_words):
    """让一个绑定的模型用于num_words个词，原地修改。"""
    # model.embedding是nn.Embedding，model.out是nn.Linear，不带偏置
    ...


trained_by_old_optimizer = {"old rows": ..., "new rows": ...}

# %%
check.more_words(grow, trained_by_old_optimizer)

# %% [markdown] translates="d5bd1fc9"
# ### 2.11 确定延后网络的形状
#
# *编程，20分钟。*
# [解答](solutions/02_parameters.ipynb#cell-id=exercise-2-11)
#
# 编写`shape(net, X)`：运行批量`X`，让网络里的延后层得到宽度；返回因此得到形状的那些参数的名字。除此之外，什么都不改变：移动均值这样的缓冲区，值不变；每个模块处于训练模式还是评估模式，也和原来一样；暂退法（dropout）不抽取任何随机数。批量如果不合适，PyTorch的错误照常报出来，各模块的模式仍和原来一样。（一个参数是不是还在等待形状，用`torch.nn.parameter`的`is_lazy`来判断。）


# %% translates="be6fcb8e"
def shape(net, X):
    """让延后层得到宽度；返回它们的参数的名字。"""
    # 由名字组成的列表，例如["0.weight", "0.bias"]
    ...


# %%
check.shape_a_lazy_network(shape)

# %% [markdown] translates="19a0d716"
# ## 接下来读什么
#
# [编写自定义层](03_custom_layers.ipynb)会创建新的参数。[读写文件：保存和加载张量与模型](04_file_io.ipynb)把参数写进文件。[自动微分：沿计算图追踪梯度](05_autograd.ipynb)说明冻结之后哪些计算会停下，以及自动微分为什么拒绝某些修改。[内存与深度：训练占多少内存，深层网络怎样初始化](10_memory.ipynb)统计训练时参数要占多少内存，并选择深层网络的初始值。
