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

# %% [markdown] translates="92bbbe8e"
# # 第10章 解答
#
# 这里是[内存与深度：训练占多少内存，深层网络怎样初始化](../10_memory.ipynb)各道练习的解答，每道前面附有题目。先在那一页自己做，卡住了再来看。

# %%
import copy

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from d2l_helpers import check, use_style

use_style()

# %% [markdown]
# ## 10.1 逐块记账
#
# *编程，25分钟。*
# [练习](../10_memory.ipynb#cell-id=exercise-10-1)
#
# 占内存最多的，是网络的哪一部分？编写`ledger_by_block(net, optimizer)`，返回一个字典：键是子模块的名字，值是三个数，依次是权重、权重的梯度、优化器为权重保留的状态各占的字节数。零维张量不算，例如步数的计数器。网络和优化器都保持原样。然后预测：冻结`Sequential(Linear(100, 200), ReLU(), Linear(200, 10))`的第一层，用Adam走一步，还没有调用`zero_grad`，这时的账本是怎样的？

# %% [markdown] translates="0f3a865b"
# **思路**。`named_children`给出各个块，块的`parameters()`给出它下面的所有参数。优化器的状态是一个字典，键是参数。用方括号读取，字典里没有的项会自动新建，所以要用`get`。至于预测：从100到200的层有20,200个参数，每个4字节；从200到10的有2,010个。Adam从没见过冻结层的梯度，也就没有它的状态。


# %%
def ledger_by_block(net, optimizer):
    rows = {}
    for name, block in net.named_children():
        weights = list(block.parameters())
        gradients = [p.grad for p in weights if p.grad is not None]
        state = [
            value
            for p in weights
            for value in optimizer.state.get(p, {}).values()
            if isinstance(value, torch.Tensor) and value.dim() > 0
        ]
        parts = (weights, gradients, state)
        rows[name] = tuple(sum(t.nbytes for t in part) for part in parts)
    return rows


predicted_ledger = {"0": (80_800, 0, 0), "1": (0, 0, 0)}
predicted_ledger["2"] = (8_040, 8_040, 16_080)

# %%
check.memory_ledger(ledger_by_block, predicted_ledger)

# %% [markdown] translates="0c6a962b"
# **陷阱**。不用`get`，看一看就改动了优化器：它为每个参数都添了一个空项。

# %%
layer = nn.Linear(2, 2)
adam = torch.optim.Adam(layer.parameters())
adam.state[layer.weight]
len(adam.state)

# %% [markdown] translates="f127f836"
# 语言模型的一层里，占内存最多的是什么？两个线性层加起来，是注意力的两倍。

# %%
block = nn.TransformerEncoderLayer(d_model=64, nhead=4, dim_feedforward=256)
rows = ledger_by_block(block, torch.optim.SGD(block.parameters()))
{name: weights for name, (weights, *_) in rows.items() if weights > 1000}

# %% [markdown]
# ## 10.2 保留了什么
#
# *思考，15分钟。*
# [练习](../10_memory.ipynb#cell-id=exercise-10-2)
#
# `X`是形状为(100, 8)的批量，不需要梯度。每一层的输出也是这个形状。每个网络为`backward`保留几个这种形状的张量？先预测，再用`kept_by(net, net, X) * GiB / X.nbytes`数一数。`Frozen`是参数冻结了的线性层。SiLU是$z\,\sigma(z)$，像GELU一样光滑。

# %% [markdown] translates="4666ebbd"
# **思路**。对每一层都问：要得到梯度吗，要把梯度往回传吗？都不要，就什么也不保留。线性层的权重要训练，就保留输入。ReLU保留输出，SiLU保留输入。最后，同一个张量只数一次。

# %% translates="2741a6dc"
tensors_kept = {
    "Linear": 1,  # X
    "Linear, ReLU": 2,  # X，和ReLU的输出
    "Linear, ReLU, Linear": 2,  # 与上一行相同，最后一层共用
    "Linear, SiLU, Linear": 3,  # X、SiLU的输入和它的输出
    "Linear, Linear, Linear": 3,  # 每一层的输入
    "Frozen, ReLU, Frozen": 0,  # 没有计算图
    "Frozen, ReLU, Linear": 1,  # 计算图从最后一层开始
    "Linear, Frozen": 1,  # X；最后一层只需要自己的权重
    "Linear, ReLU, Frozen": 2,  # X，和ReLU的输出
}

# %%
check.saved_tensors(tensors_kept)

# %% [markdown] translates="21284bf5"
# **边界情况**。如果`X`需要梯度，开头的冻结层就得把梯度传回去：它保留权重，而权重本来就在；它后面的ReLU保留输出。

# %% [markdown]
# ## 10.3 每k个块一个检查点
#
# *编程，30分钟。*
# [练习](../10_memory.ipynb#cell-id=exercise-10-3)
#
# `checkpoint_sequential`让最后一段照常运行，而且要的是段数。编写`checkpoint_every(k, blocks, X)`：把一个`nn.Sequential`每`k`个块分成一段，让`X`逐段通过，每段都用`checkpoint`；最后一段可能短一些，也要用。输出和梯度与`blocks(X)`的相同；有暂退法时，只要随机种子相同，也是这样。除了每段的输入，什么都不保留。

# %% [markdown] translates="28cd40e8"
# **思路**。`nn.Sequential`的切片也是`nn.Sequential`，末尾的一个可能短一些。切片自己拿着那些块，所以第二遍用的块不会错。


# %%
def checkpoint_every(k, blocks, X):
    for start in range(0, len(blocks), k):
        segment = blocks[start : start + k]
        X = checkpoint(segment, X, use_reentrant=False)
    return X


# %%
check.checkpoint_segments(checkpoint_every)

# %% [markdown] translates="2743d007"
# **陷阱**。函数如果读取循环变量，读到的是函数运行那一刻的值。第二遍在循环结束之后才运行：这时每一段都成了最后一段。PyTorch会核对保留的张量的个数和形状；这里两样都对得上，所以梯度错了，却不报错。


# %%
def late(k, blocks, X):
    for start in range(0, len(blocks), k):

        def segment(X):
            return blocks[start : start + k](X)

        X = checkpoint(segment, X, use_reentrant=False)
    return X


# %% [markdown] translates="0064ccea"
# 两段，每段四层：

# %%
torch.manual_seed(0)
layers = [m for _ in range(4) for m in (nn.Linear(2, 2), nn.Tanh())]

# %% [markdown] translates="3b4b16ff"
# 两种写法，第一个权重的梯度相同吗？

# %%
for forward in (checkpoint_every, late):
    blocks = nn.Sequential(*layers)
    blocks.zero_grad()
    forward(4, blocks, torch.ones(3, 2)).sum().backward()
    print(forward.__name__, blocks[0].weight.grad)

# %% [markdown] translates="d187dfae"
# 不同：第二种写法用了另一段的值。

# %% [markdown]
# ## 10.4 带填充的梯度累积
#
# *编程，30分钟。*
# [练习](../10_memory.ipynb#cell-id=exercise-10-4)
#
# `F.cross_entropy(logits, y)`对不是-100的标签（label）求均值；-100表示填充。编写`accumulate(net, X, y, size)`，一份一份地计算这个损失，每份最多`size`行。它把整个批量的损失的梯度加到已有的梯度上，再返回这个损失，是一个数。各份的标签个数不同，有的没有。任何时候都不能同时有两张计算图。网络的模式不能变。整个批量里，至少有一个标签不是填充。

# %% [markdown] translates="6d792b05"
# **思路**。均值是总和除以*整个批量*的标签数，这个数一开始就知道。用`reduction="sum"`，没有标签的一份得到0。每一份都先调用`backward`，再开始下一份的前向传播。


# %%
def accumulate(net, X, y, size):
    number = (y != -100).sum()
    total = 0.0
    for rows, labels in zip(X.split(size), y.split(size), strict=True):
        loss = F.cross_entropy(net(rows), labels, reduction="sum") / number
        loss.backward()
        total += loss.item()
    return total


# %%
check.gradient_accumulation(accumulate)

# %% [markdown] translates="0da95f27"
# **陷阱**。用通常的均值，全是填充的一份就成了0除以0。PyTorch把它的梯度处理成0，却没有处理损失：与别的损失相加，总和就成了`nan`。

# %%
logits = torch.ones(2, 3, requires_grad=True)
loss = F.cross_entropy(logits, torch.tensor([-100, -100]))
loss.backward()
loss.item(), logits.grad.any().item()

# %% [markdown] translates="459bda87"
# **延伸**。`loss.item()`在每一份里都要等GPU。在GPU上，应当累加`loss.detach()`，最后读一次总和。

# %% [markdown]
# ## 10.5 根据数据缩放各层
#
# *编程，25分钟。*
# [练习](../10_memory.ipynb#cell-id=exercise-10-5)
#
# 增益是按正态分布的输入算出来的。权重该有多大，也可以由真实的数据来定。为`nn.Sequential`编写`scale_by_data(net, X)`：依次处理各层；遇到`nn.Linear`，把偏置（bias）设成0，再让权重除以一个数：网络的输入是`X`时，这一层输出的全部元素，标准差应当是1。别的层和`X`保持原样。参数仍是原来的对象，也没有得到梯度；网络的模式也不变。

# %% [markdown] translates="dac39098"
# **思路**。没有偏置的线性层，输出与权重成正比：权重除以$s$，输出也除以$s$。每一层的输入，必须是前面各层缩放*之后*的输出。


# %%
@torch.no_grad()
def scale_by_data(net, X):
    for layer in net:
        if isinstance(layer, nn.Linear):
            if layer.bias is not None:
                layer.bias.zero_()
            layer.weight.div_(layer(X).std())
        X = layer(X)


# %%
check.data_dependent_init(scale_by_data)

# %% [markdown] translates="aabbe92b"
# 三十个带GELU的层，不用查GELU的增益。缩放前后，最后一个线性层的输出，标准差各是多少？

# %%
torch.manual_seed(0)
layers = [m for _ in range(30) for m in (nn.Linear(64, 64), nn.GELU())]
net, X = nn.Sequential(*layers), torch.rand(256, 64)

# %% [markdown] translates="9f01bb8f"
# 缩放之前，剩下的这点标准差来自偏置。

# %%
scaled = copy.deepcopy(net)
scale_by_data(scaled, X)
before, after = net[:-1](X).std().item(), scaled[:-1](X).std().item()
f"from {before:.2f} to {after:.2f}"

# %% [markdown] translates="087c92a7"
# **延伸**。这是*layer-sequential unit-variance*（LSUV）初始化的后一半（[Mishkin和Matas，2016](https://arxiv.org/abs/1511.06422)）；前一半是先取正交的权重。

# %% [markdown]
# ## 10.6 能保存的平均值
#
# *编程，25分钟。*
# [练习](../10_memory.ipynb#cell-id=exercise-10-6)
#
# 编写模块`EMA`，保存网络的滑动平均。网络的副本`average`，一开始与网络相同，处于评估模式。训练每走一步，就调用`update(net)`来更新副本的全部参数：旧平均值占`decay`，网络占`1 - decay`。缓冲区照原样复制，例如批量规范化的移动均值和移动方差。`average`的参数不需要梯度。网络的任何东西都不能变。

# %% [markdown] translates="c1385de0"
# **思路**。深拷贝不与网络共用内存。`lerp_(p, 1 - decay)`让平均值朝网络移动，第二个参数是移动的距离占两者之差的比例。缓冲区可能是整数，所以复制。


# %%
class EMA(nn.Module):
    def __init__(self, net, decay):
        super().__init__()
        self.decay = decay
        self.average = copy.deepcopy(net).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, net):
        own = self.average
        for mean, p in zip(own.parameters(), net.parameters(), strict=True):
            mean.lerp_(p, 1 - self.decay)
        for mine, buffer in zip(own.buffers(), net.buffers(), strict=True):
            mine.copy_(buffer)


# %%
check.exponential_moving_average(EMA)

# %% [markdown] translates="06ee8432"
# 它是模块，所以能随训练一起保存，参数有自己的名字。

# %%
list(EMA(nn.Linear(2, 1), decay=0.9).state_dict())

# %% [markdown] translates="0457e329"
# **延伸**。批量规范化的移动均值和移动方差，属于最后一步的权重，不属于平均后的权重。如果这有影响，就在训练数据上重新计算：用`torch.optim.swa_utils.update_bn`。

# %% [markdown]
# ## 10.7 加宽残差块
#
# *编程，25分钟。*
# [练习](../10_memory.ipynb#cell-id=exercise-10-7)
#
# 训练好的块太窄了。编写`widen(block, width)`，返回一个新的块，隐藏单元增加到`width`个：输出与旧块的完全相同，每个新单元都能在训练中起作用。块里有线性层`hidden`和`out`，与`Residual`一样，也可能有别的部分；旧块保持原样。然后用True或False预测，第一步里，*新*单元的哪些参数得到不为0的梯度：`hidden`里的权重，`hidden`里的偏置，还是`out`里的权重？

# %% [markdown] translates="3bf914fa"
# **思路**。新单元在`out`里的权重都是0，输出就不变。但不能处处是0，否则学不了：`hidden`里的权重，像新建的层那样抽取。第一步里，只有`out`里的权重得到不为0的梯度，因为`hidden`的梯度要乘以`out`里的权重。从第二步起，就都有梯度了。


# %%
def widen(block, width):
    wide, old = copy.deepcopy(block), block.hidden.out_features
    wide.hidden = nn.Linear(block.hidden.in_features, width)
    wide.out = nn.Linear(width, block.out.out_features)
    with torch.no_grad():
        wide.hidden.weight[:old] = block.hidden.weight
        wide.hidden.bias[:old] = block.hidden.bias
        wide.out.weight[:, :old] = block.out.weight
        wide.out.weight[:, old:] = 0
        wide.out.bias.copy_(block.out.bias)
    return wide


first_step = {"hidden.weight": False, "hidden.bias": False, "out.weight": True}

# %%
check.widen_residual_block(widen, first_step)

# %% [markdown] translates="d3924c17"
# 训练一步，看看新单元在`hidden`和`out`里的权重有没有梯度。这个块有一个旧单元。


# %%
def step(wide):
    wide.zero_grad()
    wide.out(wide.hidden(X).relu()).square().sum().backward()
    torch.optim.SGD(wide.parameters(), lr=0.1).step()
    grads = wide.hidden.weight.grad[1:], wide.out.weight.grad[:, 1:]
    return [grad.any().item() for grad in grads]


# %% [markdown] translates="73052434"
# 第一步和第二步：

# %%
torch.manual_seed(0)
block, X = nn.Module(), torch.randn(8, 2)
block.hidden, block.out = nn.Linear(2, 1), nn.Linear(1, 2)
wide = widen(block, 4)
[step(wide), step(wide)]

# %% [markdown] translates="e373c192"
# **另一种做法**。复制单元，把`out`里的权重分给各个副本：输出也不变。但是两个相同的单元，权重相等，梯度也相等，始终像一个单元。分得不相等，或者加一点噪声，就能把它们分开。（见Chen、Goodfellow和Shlens的[Net2Net](https://arxiv.org/abs/1511.05641)。）

# %% [markdown]
# ## 10.8 冻结绑定的一边
#
# *编程，20分钟。*
# [练习](../10_memory.ipynb#cell-id=exercise-10-8)
#
# 一个小语言模型有一张表，每个词占一行，用两次：输入一个词，查出它那一行；再用整张表，给每个可能的下一个词算得分。编写`TiedModel`，冻结查表这一边：表只从得分那一边学习，而查表读到的仍是表的当前值。然后预测，换成别的做法，训练的是哪一边：`"both"`（两边）、`"lookup"`（查表）、`"scores"`（得分），还是`"none"`（都没有）？

# %% [markdown] translates="567530ae"
# **思路**。`detach`不改变值，只断开一条通往表的路径，就是经过查表的那一条。它与表共用内存，所以不会有过时的副本。冻结参数会把两条路径都断开，因为参数只有一个。


# %%
class TiedModel(nn.Module):
    def __init__(self, num_words, width):
        super().__init__()
        self.table = nn.Parameter(torch.randn(num_words, width))

    def forward(self, words):
        rows = self.table.detach()[words]  # (n,) -> (n, width)
        return torch.tanh(rows) @ self.table.T  # -> (n, num_words)


trained = {
    "table.requires_grad_(False)": "none",
    "detach() on the table in the scores": "lookup",
    "detach() on the rows that were looked up": "scores",
    "no_grad() around the whole forward": "none",
}

# %%
check.one_sided_tie(TiedModel, trained)

# %% [markdown] translates="0018bf62"
# 每个词的行都得到梯度，没有查过的词也一样：每个词都要算得分。

# %%
torch.manual_seed(0)
model = TiedModel(4, 3)
F.cross_entropy(model(torch.tensor([0, 0])), torch.tensor([1, 2])).backward()
model.table.grad.any(dim=1)

# %% [markdown]
# ## 10.9 任意激活函数的增益
#
# *探索，20分钟。*
# [练习](../10_memory.ipynb#cell-id=exercise-10-9)
#
# `calculate_gain`里没有GELU。编写`gain(f)`，求出数$g$：$z$服从标准正态分布时，$g f(z)$的均方是1，误差不超过0.5%。如果要抽取样本，不要给PyTorch的随机数生成器设种子，别的代码也在用它。ReLU和tanh的增益，哪个与`calculate_gain`给出的相同？然后画两条曲线：用He初始化和用你的增益，经过1到32个带GELU的层，大小各是多少。

# %% [markdown] translates="a30eec3f"
# **思路**。$f(z)^2$按正态密度求的均值，是一个单变量的积分；用很密的网格，就能算得很准。8倍标准差以外，可以不算。增益是这个均值的平方根的倒数。ReLU的增益是$\sqrt 2$；torch给tanh的是5/3，比保持均方所需的大。


# %%
def gain(f):
    z = torch.linspace(-8, 8, 20_001, dtype=torch.double)
    density = torch.exp(-z.square() / 2)
    mean_square = (f(z).square() * density).sum() / density.sum()
    return mean_square.rsqrt().item()


same_as_torchs = {"relu": True, "tanh": False}

# %%
check.activation_gain(gain, same_as_torchs)

# %% [markdown] translates="bef35e09"
# 几个激活函数的增益：

# %%
for f in (F.relu, torch.tanh, F.gelu, F.silu, torch.sin):
    print(f"{f.__name__:5} {gain(f):.3f}")

# %% [markdown] translates="55a6d802"
# 权重分别用两种增益，经过32个带GELU的层，大小怎样变化：


# %%
def sizes(g, depth=32, width=256):
    torch.manual_seed(0)
    H, found = torch.randn(64, width), []
    for _ in range(depth):
        H = F.gelu(H @ (torch.randn(width, width) * g / width**0.5))
        found.append(H.square().mean().sqrt().item())
    return found


# %% [markdown] translates="fcafacc3"
# He初始化的曲线往下走，虽然它的增益只小一点。另一条略微上升：到了深处，激活函数的输入不再恰好服从正态分布。

# %% mystnb={"image": {"alt": "两条曲线，横轴是第1到32层，纵轴是大小，对数刻度。用He的增益1.414，大小从接近1降到不足千分之一。用GELU的增益，大小慢慢升到6左右。"}} translates="00a3a2cf"
for name, g in {"He": 2**0.5, "gain(F.gelu)": gain(F.gelu)}.items():
    plt.semilogy(range(1, 33), sizes(g), label=name)
plt.gca().set(xlabel="layer", ylabel="size")
plt.legend()
plt.show()
