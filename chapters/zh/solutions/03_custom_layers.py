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

# %% [markdown] translates="2f3fc90f"
# # 第03章 解答
#
# 这里是[编写自定义层](../03_custom_layers.ipynb)各道练习的解答，每道前面附有题目。先在那一页自己做，卡住了再来看。

# %%
import copy

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import CenteredLayer, MyLinear, check, use_style

use_style()

# %% [markdown]
# ## 3.1 二次层
#
# *编程，20分钟。*
# [练习](../03_custom_layers.ipynb#cell-id=exercise-3-1)
#
# 编写一个层，权重$W$的形状是$(d, d, m)$。输入向量（vector）$x$，形状是$(d,)$；输出$y$，形状是$(m,)$，其中$y_k = \sum_{i,j} W_{ijk}\, x_i x_j$。再让这个层也能接受批量，从$(n, d)$变成$(n, m)$，每个样本各算各的。用循环会很慢，用`torch.einsum`就不需要循环。最后用`gradcheck`检查，权重也要检查。（改编自书的英文版第6.5节，CC BY-SA 4.0。）

# %% [markdown] translates="366cb793"
# **思路**。公式本身就是一个`einsum`：每个指标给一个字母，结果里没有的指标就求和。有批量时，两个$X$都多一个字母$n$，结果里也保留这个字母。如果换成省略号，就代表任意几维，一维也没有也行，所以一行代码既能处理向量，也能处理批量。


# %%
class QuadraticLayer(nn.Module):
    def __init__(self, d, m):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d, d, m))

    def forward(self, X):
        return torch.einsum("...i,ijk,...j->...k", X, self.weight, X)


# %%
check.quadratic_layer(QuadraticLayer)

# %% [markdown] translates="34e8e054"
# `gradcheck`要和数值梯度比较，需要双精度。比较时会原地改变权重的数值，所以函数里不用`W`也可以。

# %%
torch.manual_seed(0)
layer = QuadraticLayer(3, 2).double()
X = torch.randn(4, 3, dtype=torch.double, requires_grad=True)
gradcheck(lambda X, W: layer(X), (X, layer.weight))

# %% [markdown] translates="9a1bc69f"
# **另一种做法**。对每个$k$，$y_k = x^\top W_k x$，其中$W_k$是矩阵：把最后一个指标移到最前面，再做两次乘法即可。

# %%
W = layer.weight.permute(2, 0, 1)  # (d, d, m) -> (m, d, d)
Y = (X[:, None, None] @ W @ X[:, None, :, None]).squeeze(dim=(2, 3))
assert_close(Y, layer(X))
Y.shape

# %% [markdown] translates="277818a8"
# **边界情况**。$x_i x_j = x_j x_i$，所以每个$W_k$只有对称的部分起作用：$d^2$个权重中，有$d(d+1)/2$个就够了。

# %%
with torch.no_grad():
    symmetric = (layer.weight + layer.weight.transpose(0, 1)) / 2
assert_close(torch.einsum("ni,ijk,nj->nk", X, symmetric, X), layer(X))

# %% [markdown]
# ## 3.2 一半的频谱
#
# *编程，20分钟。*
# [练习](../03_custom_layers.ipynb#cell-id=exercise-3-2)
#
# 编写一个层，返回输入的傅里叶系数的前一半：从$(n, d)$变成$(n, d/2)$，$d$是偶数，结果是复数（可以用`torch.fft`）。由输出算出一个实数，验证梯度能传到输入。输入是实数，所以这一层丢掉的系数里，有些是重复的，和留下的某个系数互为共轭。是哪几个？设$d = 8$，系数编号为0到7，写出重复的系数的编号。（改编自书的英文版第6.5节，CC BY-SA 4.0。）

# %% [markdown] translates="3bb99301"
# **思路**。不论输入是什么形状，`torch.fft.fft`都对最后一维做变换，也能反向传播。这一维只取前一半。输入是实数时，第$d - k$个系数是第$k$个系数的共轭复数：$d = 8$时，丢掉的系数中，5、6、7重复了3、2、1。系数4和自己配对，就此丢失。


# %%
class HalfSpectrum(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X)[..., : X.shape[-1] // 2]  # (n, d) -> (n, d/2)


repeated = {5, 6, 7}

# %%
check.half_spectrum(HalfSpectrum, repeated)

# %% [markdown] translates="ab327f51"
# 绝对值之和是一个实数，它的梯度传到每个输入。

# %%
torch.manual_seed(0)
X = torch.randn(2, 8, requires_grad=True)
HalfSpectrum()(X).abs().sum().backward()
assert X.grad.all()
X.grad.shape

# %% [markdown] translates="07d02f31"
# **丢失了什么**。八个系数里的系数4，对应八个数能表示的最快的波：1, -1, 1, -1。这样的输入经过这一层，什么也留不下，所以`torch.fft.rfft`保留$d/2 + 1$个系数。

# %%
fastest = torch.tensor([[1.0, -1] * 4])
assert_close(HalfSpectrum()(fastest).abs(), torch.zeros(1, 4))
torch.fft.rfft(fastest).abs()

# %% [markdown]
# ## 3.3 修复
#
# *思考，15分钟。*
# [练习](../03_custom_layers.ipynb#cell-id=exercise-3-3)
#
# 前向传播写成`F.relu(X @ self.weight.detach() + self.bias)`，也训练得差。设这样的层有5个输入、3个输出，在`Sequential`里放在`nn.Linear(3, 1)`前面。训练一步会改变哪些参数？先预测，写出名字，再用`changed_by_a_step`检查，并修复这个层。`detach`和`.data`有什么共同点？在前向传播和反向传播（backpropagation）之间，像[第02章](../02_parameters.ipynb#cell-id=write-values-safely)对`w.data`那样，对`w.detach()`原地（in-place）做乘法：`backward`会怎样？为什么这样更安全？

# %% [markdown] translates="41fb757d"
# **思路**。和`.data`一样，`detach`给出值相同、没有计算图的张量：梯度传不过去，权重不动。偏置在`detach`之后才加上，会训练；后面的那一层也会。修复的办法是用参数本身。通过`detach`的修改会计数，因为`detach`得到的张量和原来的张量共用修改次数；`backward`发现需要的值改过，就拒绝计算。


# %%
class RepairedLinear(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units))

    def forward(self, X):
        return F.relu(X @ self.weight + self.bias)


moved = {"0.bias", "1.weight", "1.bias"}
after_edit = "RuntimeError"

# %%
check.repair(RepairedLinear, moved, after_edit)

# %% [markdown] translates="8c88e2a3"
# 修改次数可以读出来。通过`.data`修改时，`w`的次数不变，所以`backward`用新的值计算，不报错。

# %%
w = torch.tensor([2.0, 3], requires_grad=True)
counts = [w._version]
w.data.mul_(10)
counts.append(w._version)
w.detach().mul_(10)
[*counts, w._version]

# %% [markdown]
# ## 3.4 带记忆的层
#
# *编程，20分钟。*
# [练习](../03_custom_layers.ipynb#cell-id=exercise-3-4)
#
# 编写`RunningNorm`：在`RunningCenter`里去掉平移参数，再加上从1开始的移动方差（running variance）。训练时，除以批量方差的平方根（方差用`X.var(dim=0)`计算），并把两个记忆都朝批量的值移动，移动的比例是`momentum`；评估时，除以记忆里的方差的平方根。哪些张量是缓冲区？在训练和评估时，这一层的数值和`nn.BatchNorm1d`的有哪些不同？为什么？

# %% [markdown] translates="fc03dead"
# **思路**。两个记忆都是缓冲区：不训练，但必须保存和移动。训练时，用批量自己的统计量，留在计算图里，存下来的则是分离之后的值；评估时，用记忆代替批量的统计量。


# %%
class RunningNorm(nn.Module):
    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("var", torch.ones(num_features))

    def forward(self, X):
        mean, var = self.mean, self.var
        if self.training:
            mean, var = X.mean(dim=0), X.var(dim=0)  # (n, d) -> (d,)
            self.mean.lerp_(mean.detach(), self.momentum)
            self.var.lerp_(var.detach(), self.momentum)
        return (X - mean) / var.sqrt()


# %%
check.layer_with_a_memory(RunningNorm)

# %% [markdown] translates="02cc0842"
# **与`nn.BatchNorm1d`比较**。训练时都要除以方差的平方根，它的方差以$n$为分母，这里的以$n - 1$为分母：有4个样本时，两者的输出相差一个因子$\sqrt{3/4}$，约0.866。

# %%
torch.manual_seed(0)
X = 5 * torch.randn(4, 2)
ours, theirs = RunningNorm(2), nn.BatchNorm1d(2)
assert_close(theirs(X) * 0.75**0.5, ours(X), rtol=1e-3, atol=1e-3)

# %% [markdown] translates="f71de465"
# 它存下来的方差以$n - 1$为分母，和这里一样。评估时只剩一点不同：它在方差上加了`eps`，即0.00001。加了`eps`，一列相同的数得到0；这里则是0除以0。（它还有`weight`和`bias`，这里没有；两者从1和0开始，在第一步更新之前不改变任何东西。）

# %%
assert_close(theirs.running_var, ours.var)
assert_close(theirs.eval()(X), ours.eval()(X), rtol=1e-4, atol=1e-4)
flat = torch.ones(4, 2)
theirs.train()(flat)[0].tolist(), ours.train()(flat)[0].tolist()

# %% [markdown] translates="23838423"
# **陷阱**。批量里只有一个样本时，以$n - 1$为分母的方差不存在：0除以0，得到`nan`。从此记忆就是`nan`，因为从`nan`朝一个数移动一步，还是`nan`。训练时，`nn.BatchNorm1d`拒绝这样的批量。

# %%
try:
    theirs.train()(torch.ones(1, 2))
except ValueError as error:
    print(type(error).__name__)
torch.tensor(float("nan")).lerp(torch.tensor(1.0), 0.1)

# %% [markdown]
# ## 3.5 更好的起点
#
# *探索，15分钟。*
# [练习](../03_custom_layers.ipynb#cell-id=exercise-3-5)
#
# 对`Sequential(MyLinear(64, 8), MyLinear(8, 1))`，重画本章的直方图，分组要合适：权重取自$N(0, 0.01^2)$，偏置先取0，再取1。输入一个样本，特征都在0和1之间：在多少个网络里，这个样本会给出不为0的梯度？把第二种起点写成供`apply`使用的函数，`MyLinear`以外的模块不要动。

# %% [markdown] translates="f7a620fc"
# **思路**。权重小，每个加权和就小，于是由偏置说了算。偏置是1时，每个ReLU一开始都是打开的；偏置是0时，最后的ReLU有一半是关闭的，样本遇到关闭的ReLU，就给不出梯度来打开它。


# %%
def init_better(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.ones_(module.bias)


can_learn = {0: "half", 1: "all"}

# %%
check.better_start(init_better, MyLinear, can_learn)

# %% [markdown] translates="c80e5b63"
# 用直方图来看：两种起点各取500个网络，画出进入最后一个ReLU的值。


# %%
def last_values(bias):
    torch.manual_seed(0)
    sample, values = torch.rand(1, 64), []
    for _ in range(500):
        first, last = MyLinear(64, 8), MyLinear(8, 1)
        for layer in (first, last):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias)
        values.append(first(sample) @ last.weight + last.bias)
    return torch.cat(values).flatten().detach()


# %% [markdown] translates="ef92dcad"
# 注意刻度：偏置为0时，这些值约是正文里的万分之一；偏置为1时，都在1附近。

# %% mystnb={"image": {"alt": "两幅直方图，各画出500个网络中最后一个ReLU之前的值。左图偏置为0：0附近有一个窄峰，两侧各占一半。右图偏置为1：1附近呈钟形，从约0.9到1.1，没有值接近0。"}} translates="132b626d"
fig, axes = plt.subplots(1, 2, figsize=(7, 2.5))
for ax, bias in zip(axes, (0, 1), strict=True):
    values = last_values(bias)
    ax.hist(values, bins=30)
    ax.set(title=f"biases of {bias}", xlabel="value before the last ReLU")
plt.show()

# %% [markdown] translates="6ed2bc85"
# **陷阱**。偏置相等，权重又极小，隐藏单元一开始就几乎一样，梯度也几乎一样。要靠各不相同的权重，才能让这些单元分开：如果权重也是0，所有单元就会一直一样。

# %% [markdown]
# ## 3.6 暂退法
#
# *编程，15分钟。*
# [练习](../03_custom_layers.ipynb#cell-id=exercise-3-6)
#
# 编写暂退法（dropout）的层：训练时，以概率$p < 1$把每个输入设为0，其余的除以$1 - p$；评估时，什么也不改变。验证：平均来说，均值保持不变。$p$是参数、缓冲区还是属性？

# %% [markdown] translates="7d4df923"
# **思路**。一个输入以概率$1 - p$保留，所以平均来说$(1 - p) \cdot x / (1 - p) = x$：训练时和评估时，下一层看到的输入均值相同，评估时也就不需要系数。$p$是一项设置：不用学习；它只是一个数，没有所在的设备。用普通属性就行。


# %%
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, X):
        if not self.training:
            return X
        return X * (torch.rand_like(X) >= self.p) / (1 - self.p)


# %%
check.dropout(Dropout)

# %% [markdown] translates="5e2db74c"
# 抽取很多次，均值就接近输入。

# %%
torch.manual_seed(0)
x = torch.tensor([1.0, 2, 3])
mean = torch.stack([Dropout(0.4)(x) for _ in range(20_000)]).mean(dim=0)
assert_close(mean, x, rtol=0.03, atol=0)
[round(value, 1) for value in mean.tolist()]

# %% [markdown] translates="1a185539"
# **边界情况**。$p = 0$时什么也不改变，因为`torch.rand`从不小于0。$p = 1$时会是0除以0，所以练习不包括这种情况；`nn.Dropout(1)`返回的都是0。

# %%
assert torch.equal(Dropout(0)(x), x)
Dropout(1)(x), nn.Dropout(1)(x)

# %% [markdown]
# ## 3.7 在哪里中心化
#
# *思考，5分钟。*
# [练习](../03_custom_layers.ipynb#cell-id=exercise-3-7)
#
# 输入是一个批量的图像，形状为$(n, c, h, w)$。先把`CenteredLayer`放在`nn.Flatten`后面，再放到前面：两种次序得到的数相同吗？换成`RowCenteredLayer`呢？先预测，写True或False，再试一试。

# %% [markdown] translates="fefb9bf3"
# **思路**。`CenteredLayer`对批量里的所有数求均值。形状不影响均值，而`Flatten`只改变形状。`RowCenteredLayer`沿最后一维求均值：在`Flatten`前面，最后一维是一行像素；在后面，是一整张图像。

# %%
same_numbers = {"CenteredLayer": True, "RowCenteredLayer": False}

# %%
check.where_to_center(same_numbers)

# %% [markdown] translates="18b41ea3"
# 用两张2×2像素的图像就能看出来。放在`Flatten`前面，每一行像素的均值都是0；放在后面，只有每张图像的均值是0。

# %%
X = torch.tensor(
    [[[[0.0, 2], [10, 12]]], [[[1.0, 3], [1, 3]]]]
)  # (2, 1, 2, 2)
rows = (X - X.mean(dim=-1, keepdim=True)).flatten(1)
images = X.flatten(1) - X.flatten(1).mean(dim=-1, keepdim=True)
assert_close(CenteredLayer()(X).flatten(1), CenteredLayer()(X.flatten(1)))
rows, images

# %% [markdown]
# ## 3.8 说出哪些梯度错了
#
# *编程，25分钟。*
# [练习](../03_custom_layers.ipynb#cell-id=exercise-3-8)
#
# 编写`wrong_gradients(layer, X)`：把梯度和数值梯度比较，返回一个集合，里面是梯度错了的那些参数的名字；如果对`X`的梯度是错的，集合里还要有`"input"`。层可以是任何一种，可以有自己的参数，子模块也可以有参数。层和`X`都是`float32`，而且都不要改动。然后预测：一个层计算`F.relu(X @ self.weight.detach() + self.bias)`，对它返回什么？对本章的`SuspectLinear`，传入三个样本和一个样本时，又分别返回什么？设ReLU的输出都不是0。

# %% [markdown] translates="0f350e7a"
# **思路**。用双精度的副本。对每个名字，让`gradcheck`只改变这一个张量，其余的都不变。`functional_call`可以按带点的名字换上任何张量。用`detach`的层，缺少对权重的梯度；把求和写成取均值的层，用三个样本能查出来，用一个样本时均值就是和，查不出来。


# %%
def wrong_gradients(layer, X):
    layer = copy.deepcopy(layer).double()
    inputs = {k: p.detach() for k, p in layer.named_parameters()}
    inputs["input"] = X.detach().double()

    def agrees(name):
        def call(tensor):
            values = {**inputs, name: tensor}
            return functional_call(layer, values, values.pop("input"))

        varied = inputs[name].clone().requires_grad_()
        return gradcheck(call, varied, raise_exception=False)

    return {name for name in inputs if not agrees(name)}


found = {"weight.detach()": {"weight"}}
found["SuspectLinear, three samples"] = {"bias"}
found["SuspectLinear, one sample"] = set()

# %%
check.name_the_wrong_gradients(wrong_gradients, found)

# %% [markdown] translates="f7ef5ba3"
# 下面的网络里，有一个层的权重与计算图断开了。


# %%
class DetachedLinear(MyLinear):
    def forward(self, X):
        return X @ self.weight.detach() + self.bias


torch.manual_seed(0)
net, X = nn.Sequential(nn.Linear(3, 2), DetachedLinear(2, 2)), torch.rand(4, 3)
wrong_gradients(net, X)

# %% [markdown] translates="fcce09b1"
# **陷阱**。样本用到哪里，检查才能看到哪里。如果后面的ReLU对所有样本都输出0，各处的斜率就都是0，错误的梯度也是0。


# %%
class ClosedLinear(DetachedLinear):
    def forward(self, X):
        return F.relu(super().forward(X) - 1000)


wrong_gradients(ClosedLinear(3, 2), X)

# %% [markdown] translates="66c03906"
# **边界情况**。错误的梯度会一直传到前面的各层，也传到输入。这里出错的是层1，它没有参数：要到列出的最后一个层的后面去找。


# %%
class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        return X.clone()

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


class DoubledLayer(nn.Module):
    def forward(self, X):
        return Doubled.apply(X)


net = nn.Sequential(nn.Linear(3, 2), DoubledLayer(), nn.Linear(2, 1))
sorted(wrong_gradients(net, X))

# %% [markdown]
# ## 3.9 留得住的掩码
#
# *编程，20分钟。*
# [练习](../03_custom_layers.ipynb#cell-id=exercise-3-9)
#
# 给一个层*剪枝*（prune），就是不用其中的一些权重。编写`MaskedLinear(in_units, units, mask)`，计算$XW + b$；`mask`是布尔型的张量，形状和$W$相同，只有`mask`为True的位置，才用那里的权重。其余的权重，不管写入什么值，都当作0。掩码随层一起保存、一起移动，不训练，`double()`之后仍是布尔型。不用掩码，只把这些权重设为0一次，为什么还不够？先预测，写True或False：不用掩码，训练一步之后，这些权重还是0吗？用了掩码，遮住的权重，梯度是0吗？

# %% [markdown] translates="b5267974"
# **思路**。掩码不能重新算出来，所以要用会保存的缓冲区。`forward`每次运行都把权重乘以掩码：遮住的权重就当作0，它们的梯度也是0，因为$w \cdot 0$的导数是0。只设为0一次的权重，和别的权重一样得到梯度，第一步就变了。


# %%
class MaskedLinear(nn.Module):
    def __init__(self, in_units, units, mask):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.zeros(units))
        self.register_buffer("mask", mask)

    def forward(self, X):
        return X @ (self.weight * self.mask) + self.bias


happens = {"set to 0 once: 0 after a step": False}
happens["masked: the gradient is 0"] = True

# %%
check.mask_that_stays(MaskedLinear, happens)

# %% [markdown] translates="f0bff578"
# 下面的掩码留下绝对值最大的那一半权重，训练之后做剪枝时就是这样。

# %%
torch.manual_seed(0)
weight, X = torch.randn(4, 3), torch.rand(8, 4)
mask = weight.abs() > weight.abs().median()
layer = MaskedLinear(4, 3, mask)
mask.sum().item(), sorted(layer.state_dict())

# %% [markdown] translates="074d2dcd"
# 其余权重的梯度是0。

# %%
layer(X).square().sum().backward()
assert not layer.weight.grad[~mask].any()
assert layer.weight.grad[mask].all()

# %% [markdown] translates="44073973"
# 不用掩码，这些权重又会变成非0的数。

# %%
pruned = nn.Linear(4, 3)
nn.init.zeros_(pruned.weight)
pruned(X).square().sum().backward()
torch.optim.SGD(pruned.parameters(), lr=0.1).step()
(pruned.weight != 0).all().item()

# %% [markdown] translates="cedaf7fd"
# **边界情况**。一个数乘以0是0，但无穷大乘以0是`nan`。遮住的权重里如果可能有这样的值，就用`torch.where`把它们排除。

# %%
with torch.no_grad():
    layer.weight[~mask] = float("inf")
W = torch.where(mask, layer.weight, 0)
layer(X).isfinite().all().item(), (X @ W).isfinite().all().item()
