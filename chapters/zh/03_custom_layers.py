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

# %% [markdown] translates="653e2814"
# # 编写自定义层
#
# PyTorch自带的层（layer）就是普通的Python类。它们能做的，你的层也能做：训练、打印、移动、保存。要做到这些，层里的每个张量（tensor）都要用对的方式存放。这一章你自己写层，看看层会怎样出错，再学会先检查、后信任。
#
# **你将学会**
#
# - 编写不带参数（parameter）的层，并清楚它对整个批量（batch）做了什么；
# - 编写带参数的层，让梯度（gradient）传到参数；
# - 看出网络为什么输出0，并修好它；
# - 在参数、缓冲区（buffer）和普通属性之间选择；
# - 检查层，既和数值梯度（numerical gradient）比较，也和已知正确的层比较。
#
# **书中**：第5.4节[自定义层](https://zh.d2l.ai/chapter_deep-learning-computation/custom-layer.html)（英文版6.5，[Custom Layers](https://d2l.ai/chapter_builders-guide/custom-layer.html)）。
#
# **需要先读**第01章[用层和块搭建网络](01_blocks.ipynb)。全部单元格在CPU上运行约五秒，有GPU时会用GPU。

# %% [markdown] translates="b58186dc"
# 第一个单元格导入本章要用的东西，并选好设备（device）。

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

# %% [markdown] translates="4b2f2342"
# ## 不带参数的层
#
# 最简单的层自己没有张量，不需要`__init__`。下面的层从输入里减去输入的均值（mean）。


# %%
class CenteredLayer(nn.Module):
    def forward(self, X):
        return X - X.mean()


# %% [markdown] translates="7bfd00e6"
# 1、2、3、4、5的均值是3。输出应该是什么？

# %%
centered = CenteredLayer()
centered(torch.tensor([1.0, 2, 3, 4, 5]))

# %% [markdown] translates="0c530f7a"
# 和其他层一样，它也能放进顺序块，这里用的是参考实现。不论线性层返回什么数，只要是有限的，中心化之后均值就是0，只差舍入误差（rounding error）。

# %%
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(8, 128), d2l_helpers.CenteredLayer())
net.to(device)
Y = net(torch.rand(4, 8).to(device))  # (4, 8) -> (4, 128)
f"mean {abs(Y.mean().item()):.5f} of {Y.numel()} numbers"

# %% [markdown] translates="d7a936fa"
# ### 这是谁的均值？
#
# `X.mean()`对整个张量求均值，而批量的第一维是样本（sample）。先单独传入一个样本，再把这个样本和另一个一起传入。

# %%
one = torch.tensor([[1.0, 2, 3]])
two = torch.cat([one, torch.tensor([[100.0, 100, 100]])])
print("alone:     ", centered(one)[0])
print("in a batch:", centered(two)[0])

# %% [markdown] translates="8746e075"
# 输出取决于旁边的样本。训练时也许正要这样；使用模型时，很少要这样。形状（shape）是$(n, d)$的样本，各自只对自己的特征（feature）求均值，就能避免。


# %%
class RowCenteredLayer(nn.Module):
    def forward(self, X):
        return X - X.mean(dim=-1, keepdim=True)  # (n, d) - (n, 1)


row_centered = RowCenteredLayer()
assert_close(row_centered(two)[:1], row_centered(one))
row_centered(two)

# %% [markdown] translates="9401bb29"
# ## 带参数的层
#
# `nn.Parameter`把张量变成参数：它会有`requires_grad=True`，赋给属性时还会注册。下面是一个线性层，后面接ReLU，即$\max(0, X W + b)$。代码里的`X @ W`是矩阵$X$和$W$的乘积。


# %%
class MyLinear(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units))

    def forward(self, X):
        return F.relu(X @ self.weight + self.bias)


# %% [markdown] translates="6cb6f9e9"
# `MyLinear(5, 3)`把5个特征变成3个。要计算`X @ weight + bias`，两个参数应该是什么形状？

# %%
torch.manual_seed(0)
layer = MyLinear(5, 3).to(device)
{name: tuple(p.shape) for name, p in layer.named_parameters()}

# %% [markdown] translates="afd60816"
# 两个样本，每个由五个特征变成三个。有了ReLU，结果里没有负数。

# %%
torch.manual_seed(1)
X = torch.rand(2, 5).to(device)
Y = layer(X)  # (2, 5) -> (2, 3)
assert (Y >= 0).all()
Y.shape

# %% [markdown] translates="218797b8"
# 梯度传到了两个参数。为什么要检查这一点？下一节就会看到。

# %%
layer.zero_grad()
layer(X).sum().backward()
assert layer.weight.grad.any() and layer.bias.grad.any()
{name: tuple(p.grad.shape) for name, p in layer.named_parameters()}

# %% [markdown] translates="03d3f435"
# ### 让参数留在计算图里
#
# > **陷阱**。`.data`和`detach()`一样，给出另一个张量：值和参数相同，但自动微分（autograd，automatic differentiation）不跟踪这个张量。前向传播（forward computation）如果读的是`self.weight.data`，输出是对的，但自动微分不知道`weight`参与了计算。书中的`MyLinear`就是这样写的（第5.4.2节，英文版6.5.2）：如果你照抄过，你的层就学不到东西。通过`.data`写入也有陷阱，见[第02章](02_parameters.ipynb#cell-id=write-values-safely)。


# %%
class DetachedLinear(MyLinear):
    def forward(self, X):
        return F.relu(X @ self.weight.data + self.bias.data)


detached = DetachedLinear(5, 3).to(device)
detached.load_state_dict(layer.state_dict())
assert_close(detached(X), layer(X))
layer(X).requires_grad, detached(X).requires_grad

# %% [markdown] translates="d9461787"
# 两个输出的值相等，但只有第一个可以求导。第二个层单独使用时，`backward`会报错，所以能发现问题。

# %% tags=["raises-exception"]
detached(X).sum().backward()

# %% [markdown] translates="3e4ccd2c"
# 但是层很少单独使用。在后面接一个线性层，输出就又需要梯度了，因为线性层有参数。下面先是用`.data`的网络，然后是正确的网络。本教程的`changed_by_a_step`训练一步，并列出有哪些值因此改变。

# %%
torch.manual_seed(0)
for make_layer in (DetachedLinear, MyLinear):
    net = nn.Sequential(make_layer(5, 3), nn.Linear(3, 1)).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(X).square().sum().backward()
    print(make_layer.__name__, changed_by_a_step(optimizer, net))

# %% [markdown] translates="31d4359f"
# 没有报错，第一个网络却有一半没有训练。最后一层还在学习，所以看不出哪里坏了。在`forward`里，要用参数本身。

# %% [markdown] translates="1dfa8307"
# ## 用自己的层搭建模型
#
# 下面的网络来自书的同一节，把64个特征变成一个数。输入一个样本，输出是多少？

# %%
torch.manual_seed(1)
dead = nn.Sequential(MyLinear(64, 8), MyLinear(8, 1)).to(device)
sample = torch.rand(1, 64).to(device)
dead(sample).item()

# %% [markdown] translates="0cd4ec18"
# 正好是0。是运气不好吗？下面建1,000个这样的网络，输入同一个样本，算出进入最后一个ReLU的数。


# %%
def before_last_relu(first, last, X):
    H = first(X)  # (n, 64) -> (n, 8)
    return H @ last.weight + last.bias  # (n, 8) -> (n, 1)


# %% [markdown] translates="7e6413f8"
# 下面是会变成0的值所占的比例。

# %% tags=["predict"]
torch.manual_seed(0)
pairs = [(MyLinear(64, 8), MyLinear(8, 1)) for _ in range(1000)]
x = sample.cpu()
values = torch.cat([before_last_relu(*pair, x) for pair in pairs]).detach()
share = (values <= 0).float().mean().item()
assert 0.45 < share < 0.55
f"{share:.0%} of the networks answer 0"

# %% [markdown] translates="e60c6bad"
# 有一半的网络输出0，所以不是运气不好。隐藏层（hidden layer）的值由ReLU产生，不会是负数。最后一层的每个权重（weight）和偏置（bias），是正是负的可能性一样大，加权和也是这样。末尾的ReLU把下图的左半边变成0。

# %% mystnb={"image": {"alt": "直方图：1,000个随机网络中，最后一个ReLU之前的值。0处有一个尖峰，两侧的尾部大小差不多，分别伸到大约-40和35。0左边的一半是橙色，标着“becomes exactly 0”（正好变成0）。0右边的一半是蓝色，标着“kept”（保留）。"}} translates="d5aa19df"
bins = range(-44, 45, 2)
plt.hist(values[values <= 0], bins, color="C1", label="becomes exactly 0")
plt.hist(values[values > 0], bins, color="C0", label="kept")
plt.xlabel("value before the last ReLU")
plt.ylabel("networks")
plt.legend()
plt.show()

# %% [markdown] translates="1d0058fb"
# 输出不止一个时，0更难发现。下面算出十个输出里0所占的比例，以及十个输出全是0的网络所占的比例。

# %%
torch.manual_seed(0)
pairs = [(MyLinear(64, 8), MyLinear(8, 10)) for _ in range(1000)]
zero = torch.cat([last(first(x)) for first, last in pairs]) == 0  # (1000, 10)
shares = zero.float().mean(), zero.all(dim=1).float().mean()
assert 0.45 < shares[0] < 0.55 and shares[1] < 0.02
[f"{share:.0%}" for share in shares]

# %% [markdown] translates="9febd29d"
# 所以网络看起来正常。但是ReLU输出0的地方，斜率也是0。回到只有一个输出的`dead`：这个样本会给出不为0的梯度吗？

# %%
dead.zero_grad()
dead(sample).sum().backward()
{name: p.grad.any().item() for name, p in dead.named_parameters()}

# %% [markdown] translates="a7e852b7"
# 不会：从这个样本，网络什么也学不到。最后一层不要用ReLU，网络才能返回任何数。

# %%
torch.manual_seed(1)
repaired = nn.Sequential(MyLinear(64, 8), nn.Linear(8, 1)).to(device)
repaired(sample).sum().backward()
assert (repaired(sample) != 0).all()
{name: p.grad.any().item() for name, p in repaired.named_parameters()}

# %% [markdown] translates="26013e07"
# ## `nn.Module`为你的层做了什么
#
# 和它为PyTorch自带的层做的一样。参数都有名字，在网络里嵌得再深也有。

# %%
net = nn.Sequential(MyLinear(64, 8), nn.Linear(8, 1))
[name for name, _ in net.named_parameters()]

# %% [markdown] translates="dec46424"
# `apply`对每个模块（module）调用一个函数，你的模块也不例外。这里用它来初始化（initialization）：权重很小，取自$N(0, 0.01^2)$；偏置是0。


# %%
def init_small(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


net.apply(init_small)
assert net[0].weight.abs().max() < 0.1
net[0].bias

# %% [markdown] translates="cac4997a"
# 一个层可以共享：两个位置，一套参数。

# %%
shared = MyLinear(8, 8)
tied = nn.Sequential(MyLinear(64, 8), shared, shared, nn.Linear(8, 1))
len(list(tied.parameters())), len(tied.state_dict())

# %% [markdown] translates="1b1febc1"
# 在状态字典（state dict）里，共享的两个张量在每个位置都有一个名字。状态字典可以加载到另一个层里。改变数据类型（data type），只要调用一次。

# %%
clone = MyLinear(5, 3).to(device)
clone.load_state_dict(layer.state_dict())
assert_close(clone(X), layer(X), rtol=0, atol=0)
clone.double().weight.dtype

# %% [markdown] translates="9a207bee"
# 打印只显示类名。读的人还想知道什么，就用`extra_repr`加上。参考实现里有这个方法。


# %%
class TalkingLinear(MyLinear):
    def extra_repr(self):
        in_units, units = self.weight.shape
        return f"in_units={in_units}, units={units}"


for cls in (MyLinear, TalkingLinear, d2l_helpers.MyLinear):
    print(cls(5, 3))

# %% [markdown] translates="f461be77"
# ## 参数、缓冲区还是属性
#
# 有些层要记住一些值，但不训练这些值。下面的层用*移动均值*（running mean）做中心化。训练时，用批量的均值，同时用`lerp_`把记忆朝这个均值移动两者距离的十分之一；评估时，用记忆。`shift`像别的参数一样要训练。


# %% translates="1dfe0760"
class RunningCenter(nn.Module):
    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        self.momentum = momentum  # 属性：一项设置
        self.register_buffer("mean", torch.zeros(num_features))
        self.shift = nn.Parameter(torch.zeros(num_features))

    def forward(self, X):
        mean = self.mean
        if self.training:
            mean = X.mean(dim=0)  # (n, d) -> (d,)
            # 要分离：记忆如果留着每个批量的计算图，会越来越大
            self.mean.lerp_(mean.detach(), self.momentum)
        return X - mean + self.shift


# %% [markdown] translates="3b727988"
# `train()`和`eval()`设置一个模块及其下面所有模块的`training`；新建的模块处于训练模式。运行100个在(3, -1)附近的批量之后，记忆应该接近这两个数。

# %%
torch.manual_seed(0)
running = RunningCenter(2).to(device)
for _ in range(100):
    running((torch.tensor([3.0, -1.0]) + torch.randn(64, 2)).to(device))
target = torch.tensor([3.0, -1.0], device=device)
assert_close(running.mean, target, rtol=0, atol=0.1)
[round(m, 1) for m in running.mean.tolist()]

# %% [markdown] translates="da673a79"
# 评估时，记忆只读不改，所以样本不论单独传入，还是放在批量里传入，输出都相同。训练时，输出不同。批量规范化（batch normalization）就是这样工作的。

# %% translates="b81cb59a"
batch = torch.tensor([[3.0, -1.0], [100.0, 100.0]]).to(device)
evaluated = copy.deepcopy(running).eval()
assert_close(evaluated(batch)[:1], evaluated(batch[:1]))
assert torch.equal(evaluated.mean, running.mean)  # 只读，不改
trained = copy.deepcopy(running).train()
assert not torch.allclose(trained(batch)[:1], trained(batch[:1]))

# %% [markdown] translates="0dba7bde"
# 张量该用哪一种？
#
# | 种类 | 交给优化器（optimizer） | 写入状态字典 | 随`.to`、`.double`改变 | 写法 |
# |---|---|---|---|---|
# | 参数 | 是 | 是 | 是 | `self.w = nn.Parameter(t)` |
# | 缓冲区 | 否 | 是 | 是 | `self.register_buffer("b", t)` |
# | 非持久的缓冲区 | 否 | 否 | 是 | 同上，加`persistent=False` |
# | 属性 | 否 | 否 | 否 | `self.a = t` |
#
# `.double`改变浮点数的类型；布尔型的掩码（mask）不变。下面的类里，每种张量各有一个，还有一个掩码；再下一个单元格检查表里的各列。


# %%
class FourKinds(nn.Module):
    def __init__(self):
        super().__init__()
        self.parameter = nn.Parameter(torch.zeros(1))
        self.register_buffer("buffer", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)
        self.attribute = torch.zeros(1)
        self.register_buffer("mask", torch.zeros(1).bool(), persistent=False)


# %% [markdown] translates="be0ce966"
# 每台机器上的PyTorch都有`meta`设备：这个设备上的张量有类型、有形状，没有数据。会跟着模块移到`meta`的张量，也会跟着移到GPU（见[第06章](06_devices.ipynb#cell-id=modules-move-as-a-whole)）。

# %%
kinds = FourKinds()
assert [n for n, _ in kinds.named_parameters()] == ["parameter"]
assert list(kinds.state_dict()) == ["parameter", "buffer"]
kinds.double().to("meta")
for name in ("parameter", "buffer", "scratch", "attribute", "mask"):
    print(name, getattr(kinds, name).dtype, getattr(kinds, name).device)

# %% [markdown] translates="589081d0"
# 要训练的，用参数。要记住的，用缓冲区。能重新算出来的，例如掩码，用非持久的缓冲区。不是张量的设置，用属性。

# %% [markdown] translates="1dcb961c"
# ## 检查一个层
#
# 梯度错了，不会报错，网络只是训练得差。自己写的反向传播（backpropagation）就可能出这种错，[第05章](05_autograd.ipynb#cell-id=a-backward-computation-of-your-own)讲得更多。下面的`forward`计算$XW + b$。`backward`收到损失对这个结果的梯度，返回对$X$、$W$和$b$的梯度。三个里有一个是错的。


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


# %% [markdown] translates="e14e8d0f"
# `gradcheck`把梯度和数值梯度比较，数值梯度就是相近两点之间的斜率。比较需要双精度（double precision）：两点的函数值相差很小，单精度的舍入对这个差影响太大。先看对输入的梯度：

# %%
torch.manual_seed(1)
suspect = SuspectLinear(2, 1).double()
X_double = torch.rand(3, 2).double().requires_grad_()
gradcheck(suspect, X_double)

# %% [markdown] translates="bbf4f986"
# 对*输入*的梯度，这个层通过了检查。要检查参数，就把参数也变成输入：`functional_call(layer, parameters, X)`运行这个层，但用传入的张量代替层自己的张量。`MyLinear`这样也能通过。


# %%
def check_gradients(layer, X):
    def call(X, weight, bias):
        parameters = {"weight": weight, "bias": bias}
        return functional_call(layer, parameters, X)

    return gradcheck(call, (X, layer.weight, layer.bias))


right = MyLinear(2, 1).double()
right.load_state_dict(suspect.state_dict())
check_gradients(right, X_double)

# %% [markdown] translates="61773894"
# 另一个层呢？

# %% tags=["raises-exception"]
check_gradients(suspect, X_double)

# %% [markdown] translates="45767877"
# 错误信息里的输入2（input 2）是偏置。偏置增加时，三个输出都以1的速度增加，而不是1/3：`backward`对样本取了均值，本来应该求和。只有一个样本时，两者相同，错误就查不出来。

# %%
check_gradients(suspect, X_double[:1].detach().requires_grad_())

# %% [markdown] translates="3c1b3d9a"
# 所以检查时要用几个样本。改成求和，就对了。


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

# %% [markdown] translates="c17bc7ca"
# 另一种检查，是和已知正确的层比较。`nn.Linear`的权重形状是`(units, in_units)`，所以要用`.T`转置你的权重。

# %%
linear = nn.Linear(2, 1).double()
with torch.no_grad():
    linear.weight.copy_(right.weight.T)
    linear.bias.copy_(right.bias)
assert_close(F.relu(linear(X_double)), right(X_double))

# %% [markdown] translates="cf7af94f"
# ## 小结
#
# - 层是用张量计算的模块。自己没有张量的层，只需要`forward`。
# - 对整个张量求均值，会把批量里的样本混在一起。
# - `nn.Parameter`注册一个张量，并要求计算它的梯度。在`forward`里通过`.data`读这个张量，计算图（computational graph）就在这里断开；如果别的层也有参数，还不会报错。
# - 以ReLU结尾的新网络，对一个样本大约有一半的输出是0，这些输出不给出梯度。
# - 要训练的，用参数。要记住的，用缓冲区。设置，用属性。
# - 在双精度下，`gradcheck`能查出错误的梯度。除了输入，参数也要检查，而且要用几个样本。

# %% [markdown] translates="0a0ddc8c"
# ## 练习
#
# 把答案写在每个`...`的位置，运行这个单元格，再运行下面的检查。检查会说出缺了什么，并给出一个通不过的例子；它不会改动你的任何东西。检查要用到前面的单元格：隔了一阵再来做时，先选中检查，再依次点*Run*、*Run All Above Selected Cell*。完整的解答在[另外一页](solutions/03_custom_layers.ipynb)上。

# %%
from d2l_helpers import check

# %% [markdown] translates="7b959f50"
# ### 3.1 二次层
#
# *编程，20分钟。*
# [解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-1)
#
# 编写一个层，权重$W$的形状是$(d, d, m)$。输入向量（vector）$x$，形状是$(d,)$；输出$y$，形状是$(m,)$，其中$y_k = \sum_{i,j} W_{ijk}\, x_i x_j$。再让这个层也能接受批量，从$(n, d)$变成$(n, m)$，每个样本各算各的。用循环会很慢，用`torch.einsum`就不需要循环。最后用`gradcheck`检查，权重也要检查。（改编自书的英文版第6.5节，CC BY-SA 4.0。）


# %% translates="0f0a8ab5"
class QuadraticLayer(nn.Module):
    """y_k等于W_ijk x_i x_j对i和j求和。"""

    def __init__(self, d, m):
        super().__init__()
        ...

    def forward(self, X):
        # (d,) -> (m,)，以及(n, d) -> (n, m)
        ...


# %%
check.quadratic_layer(QuadraticLayer)

# %% [markdown] translates="cc7411a5"
# ### 3.2 一半的频谱
#
# *编程，20分钟。*
# [解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-2)
#
# 编写一个层，返回输入的傅里叶系数的前一半：从$(n, d)$变成$(n, d/2)$，$d$是偶数，结果是复数（可以用`torch.fft`）。由输出算出一个实数，验证梯度能传到输入。输入是实数，所以这一层丢掉的系数里，有些是重复的，和留下的某个系数互为共轭。是哪几个？设$d = 8$，系数编号为0到7，写出重复的系数的编号。（改编自书的英文版第6.5节，CC BY-SA 4.0。）


# %% translates="5b2a296b"
class HalfSpectrum(nn.Module):
    """傅里叶系数的前一半。"""

    def forward(self, X):
        # (n, d) -> (n, d / 2)，复数
        ...


repeated = {...}  # 4到7之间的编号

# %%
check.half_spectrum(HalfSpectrum, repeated)

# %% [markdown] translates="f6632426"
# ### 3.3 修复
#
# *思考，15分钟。*
# [解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-3)
#
# 前向传播写成`F.relu(X @ self.weight.detach() + self.bias)`，也训练得差。设这样的层有5个输入、3个输出，在`Sequential`里放在`nn.Linear(3, 1)`前面。训练一步会改变哪些参数？先预测，写出名字，再用`changed_by_a_step`检查，并修复这个层。`detach`和`.data`有什么共同点？在前向传播和反向传播（backpropagation）之间，像[第02章](02_parameters.ipynb#cell-id=write-values-safely)对`w.data`那样，对`w.detach()`原地（in-place）做乘法：`backward`会怎样？为什么这样更安全？


# %% translates="3f705718"
class RepairedLinear(nn.Module):
    """MyLinear，前向传播让两个参数都能训练。"""

    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units))

    def forward(self, X):
        # (n, in_units) -> (n, units)
        ...


moved = {...}  # 参数名，例如"0.weight"
after_edit = ...  # backward所报错误的名称，或"no error"

# %%
check.repair(RepairedLinear, moved, after_edit)

# %% [markdown] translates="89e869eb"
# ### 3.4 带记忆的层
#
# *编程，20分钟。*
# [解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-4)
#
# 编写`RunningNorm`：在`RunningCenter`里去掉平移参数，再加上从1开始的移动方差（running variance）。训练时，除以批量方差的平方根（方差用`X.var(dim=0)`计算），并把两个记忆都朝批量的值移动，移动的比例是`momentum`；评估时，除以记忆里的方差的平方根。哪些张量是缓冲区？在训练和评估时，这一层的数值和`nn.BatchNorm1d`的有哪些不同？为什么？


# %% translates="813a18e5"
class RunningNorm(nn.Module):
    """把每个特征中心化并缩放，带有评估时用的记忆。"""

    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        ...

    def forward(self, X):
        # (n, d) -> (n, d)
        ...


# %%
check.layer_with_a_memory(RunningNorm)

# %% [markdown] translates="b35dfa53"
# ### 3.5 更好的起点
#
# *探索，15分钟。*
# [解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-5)
#
# 对`Sequential(MyLinear(64, 8), MyLinear(8, 1))`，重画本章的直方图，分组要合适：权重取自$N(0, 0.01^2)$，偏置先取0，再取1。输入一个样本，特征都在0和1之间：在多少个网络里，这个样本会给出不为0的梯度？把第二种起点写成供`apply`使用的函数，`MyLinear`以外的模块不要动。


# %% translates="1c673434"
def init_better(module):
    """供`net.apply`使用：每个MyLinear取小的权重，偏置为1。"""
    ...


can_learn = {0: ..., 1: ...}  # 按偏置填写："none"、"half"或"all"

# %%
check.better_start(init_better, MyLinear, can_learn)

# %% [markdown] translates="c8f1a8dc"
# ### 3.6 暂退法
#
# *编程，15分钟。*
# [解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-6)
#
# 编写暂退法（dropout）的层：训练时，以概率$p < 1$把每个输入设为0，其余的除以$1 - p$；评估时，什么也不改变。验证：平均来说，均值保持不变。$p$是参数、缓冲区还是属性？


# %% translates="85ddadfb"
class Dropout(nn.Module):
    """训练时，以概率p丢弃每个输入。"""

    def __init__(self, p=0.5):
        super().__init__()
        ...

    def forward(self, X):
        # 任意形状 -> 相同形状
        ...


# %%
check.dropout(Dropout)

# %% [markdown] translates="a6576d14"
# ### 3.7 在哪里中心化
#
# *思考，5分钟。*
# [解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-7)
#
# 输入是一个批量的图像，形状为$(n, c, h, w)$。先把`CenteredLayer`放在`nn.Flatten`后面，再放到前面：两种次序得到的数相同吗？换成`RowCenteredLayer`呢？先预测，写True或False，再试一试。

# %%
same_numbers = {"CenteredLayer": ..., "RowCenteredLayer": ...}

# %%
check.where_to_center(same_numbers)

# %% [markdown] translates="b4709cfc"
# ### 3.8 说出哪些梯度错了
#
# *编程，25分钟。*
# [解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-8)
#
# 编写`wrong_gradients(layer, X)`：把梯度和数值梯度比较，返回一个集合，里面是梯度错了的那些参数的名字；如果对`X`的梯度是错的，集合里还要有`"input"`。层可以是任何一种，可以有自己的参数，子模块也可以有参数。层和`X`都是`float32`，而且都不要改动。然后预测：一个层计算`F.relu(X @ self.weight.detach() + self.bias)`，对它返回什么？对本章的`SuspectLinear`，传入三个样本和一个样本时，又分别返回什么？设ReLU的输出都不是0。


# %% translates="1320a6a5"
def wrong_gradients(layer, X):
    """梯度错了的那些参数和输入的名字，组成集合。"""
    # 例如{"0.weight", "input"}；没有错误的梯度，就是set()
    ...


found = {
    "weight.detach()": {...},
    "SuspectLinear, three samples": {...},
    "SuspectLinear, one sample": {...},
}  # 什么也没查出，就写set()

# %%
check.name_the_wrong_gradients(wrong_gradients, found)

# %% [markdown] translates="d61caa25"
# ### 3.9 留得住的掩码
#
# *编程，20分钟。*
# [解答](solutions/03_custom_layers.ipynb#cell-id=exercise-3-9)
#
# 给一个层*剪枝*（prune），就是不用其中的一些权重。编写`MaskedLinear(in_units, units, mask)`，计算$XW + b$；`mask`是布尔型的张量，形状和$W$相同，只有`mask`为True的位置，才用那里的权重。其余的权重，不管写入什么值，都当作0。掩码随层一起保存、一起移动，不训练，`double()`之后仍是布尔型。不用掩码，只把这些权重设为0一次，为什么还不够？先预测，写True或False：不用掩码，训练一步之后，这些权重还是0吗？用了掩码，遮住的权重，梯度是0吗？


# %% translates="d5f5d736"
class MaskedLinear(nn.Module):
    """权重带掩码的线性层。"""

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

# %% [markdown] translates="b40d4431"
# ## 接下来读什么
#
# 网络学到的东西怎样留下来，见[读写文件：保存和加载张量与模型](04_file_io.ipynb)；你的层的梯度从哪里来，见[自动微分：沿计算图追踪梯度](05_autograd.ipynb)。用16位的数时，层可能在不该输出0的地方输出0：[数值：选择数据类型，用混合精度训练](08_numerics.ipynb)会修复一个这样的层。
