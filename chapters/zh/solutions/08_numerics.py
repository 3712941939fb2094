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

# %% [markdown] translates="004a5f67"
# # 第08章 解答
#
# 这里是[数值：选择数据类型，用混合精度训练](../08_numerics.ipynb)各道练习的解答，每道前面附有题目。先在那一页自己做，卡住了再来看。

# %%
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import check

# %% [markdown]
# ## 8.1 类型提升
#
# *思考，10分钟。*
# [练习](../08_numerics.ipynb#cell-id=exercise-8-1)
#
# `half`、`brain`、`single`、`double`和`whole`都是向量，类型依次是float16、bfloat16、float32、float64和int32。`double[0]`是一个数，也就是零维张量。预测每个结果的类型，例如`torch.float16`；再运行一下，看看对不对。

# %% [markdown] translates="2d04bd58"
# **思路**。先看类别：整数低于浮点数。如果一个操作数的类别更高，就由它决定，哪怕它只是一个数，或者没有维度：Python的数代表默认类型float32，张量代表自己的类型。操作数类别相同时，由有维度的决定；如果它们类型不同，结果的类型要容得下两者。

# %%
promoted = {
    "half + whole": torch.float16,
    "whole + 0.5": torch.float32,
    "whole * half[0]": torch.float16,
    "whole + double[0]": torch.float64,
    "half * double[0]": torch.float16,
    "half[0] + brain": torch.bfloat16,
    "half[0] + brain[0]": torch.float32,
    "torch.cat([half, single])": torch.float32,
}

# %%
check.promotion(promoted)

# %% [markdown] translates="3dc73c47"
# `torch.result_type`不用计算，就能给出两个张量运算的类型。

# %%
half, double = torch.ones(2).half(), torch.ones(2).double()
torch.result_type(half, double[0])

# %% [markdown] translates="7797414f"
# `torch.promote_types`则给出容得下两种类型的类型。

# %%
torch.promote_types(torch.float16, torch.bfloat16)

# %% [markdown]
# ## 8.2 下一个数
#
# *编程，20分钟。*
# [练习](../08_numerics.ipynb#cell-id=exercise-8-2)
#
# 从一个数到同一类型的下一个更大的数，距离是多少？根据`torch.finfo`给出的值来计算，不要把数列出来。对于0，以及图中平坦的部分，结果也要正确。然后为每种类型找出一个最小的正整数：像`torch.tensor(k).bfloat16().long()`那样转过去再转回来，它就变了。

# %% [markdown] translates="c3005a8a"
# **思路**。从一个2的幂到下一个，尾数按相等的步长增加，步长是`eps`乘以这个幂。`math.frexp`能精确地给出这个幂。小于最小的规格化数时，指数不能再降，步长与`tiny`处相同。尾数有$p$位的类型，能存下直到$2^{p+1}$的每个整数；从那里起，只有偶数。


# %%
def distance_to_next(x, dtype):
    info = torch.finfo(dtype)
    _, exponent = math.frexp(max(x, info.tiny))  # x < 2 ** exponent
    return 2.0 ** (exponent - 1) * info.eps


first_changed = {"float16": 2049, "bfloat16": 257}

# %%
check.next_number(distance_to_next, first_changed)

# %% [markdown] translates="dee5dfff"
# **陷阱**。用bfloat16计数，或者存文本里的位置，到256就不再精确。转过去再转回来，就能看到。

# %%
torch.arange(254, 262).bfloat16().long()

# %% [markdown]
# ## 8.3 补偿求和
#
# *编程，20分钟。*
# [练习](../08_numerics.ipynb#cell-id=exercise-8-3)
#
# 把一些数一个接一个地加起来，用它们自己的类型，总和又不能停住。除了总和，还要记下上一次加法丢掉的部分，它等于$(\text{新的总和} - \text{旧的总和}) - \text{加上的数}$，运算的次序不能变。加下一个数之前，先从中减去丢掉的部分（这叫Kahan求和）。不要用`sum`，也不要用更大的类型。对于本章的10,000个`values`，结果与`values.sum()`的差，不超过到下一个数的距离。

# %% [markdown] translates="9c70139f"
# **思路**。新的总和减去旧的总和，正好是实际加上的数；再减去本来要加的数，就是这一次的误差。下一个数会把它补回来。如果运算是精确的，误差就是0，所以任何程序都不可以化简这几行。


# %%
def compensated_sum(values):
    total = torch.zeros_like(values[0])
    lost = torch.zeros_like(total)
    for value in values:
        y = value - lost
        new = total + y
        lost = (new - total) - y
        total = new
    return total


# %%
check.compensated_sum(compensated_sum)

# %% [markdown] translates="55328350"
# 对本章的10,000个数，不补偿的和停在4。下面两个结果是相邻的数：最后一次丢掉的部分没有再补。

# %%
values = torch.full((10_000,), 0.001).half()
compensated_sum(values).item(), values.sum().item()

# %% [markdown] translates="6c318339"
# **用在哪里**。优化器也可以这样做，代替主副本：权重存成bfloat16，旁边再用bfloat16存上一次更新丢掉的部分。

# %%
w, lost = torch.ones(1).bfloat16(), torch.zeros(1).bfloat16()
for _ in range(1000):
    y = 0.001 - lost
    new = w + y
    w, lost = new, (new - w) - y
w

# %% [markdown]
# ## 8.4 一行负无穷
#
# *编程，20分钟。*
# [练习](../08_numerics.ipynb#cell-id=exercise-8-4)
#
# 沿最后一个维度计算`logsumexp`，类型与输入相同，用`exp`、`sum`、`log`和每一行最大的数来写。掩码会把一些未规范化的预测设为负无穷，有时整行都是：这时和是0，对数应该是负无穷，给出NaN就错了。梯度必须正确；结果有限的地方，梯度也必须有限。

# %% [markdown] translates="2390ebca"
# **思路**。减去每一行最大的数，这样有一个`exp`是1，没有大于1的。最大的数是负无穷时，改为减去0：所有的`exp`都是0，而0的对数正是想要的负无穷。最大的数在这里是常数：减去哪个数，结果都一样，所以梯度不用经过它。


# %%
def log_sum_exp(Z):
    largest = Z.detach().amax(dim=-1, keepdim=True)  # (..., d) -> (..., 1)
    largest = largest.masked_fill(largest == -torch.inf, 0)
    sums = (Z - largest).exp().sum(dim=-1)  # (..., d) -> (...)
    return sums.log() + largest.squeeze(-1)


# %%
check.row_of_minus_infinity(log_sum_exp)

# %% [markdown] translates="3fbac76c"
# **softmax会怎样**。遮住的一行没有概率：0除以0。在注意力里，填充过的句子就是这样把NaN带进整个网络的。要写明这样的行应该给出什么，例如全是0。

# %%
masked = torch.full((1, 3), -torch.inf)
masked.softmax(dim=-1), masked.softmax(dim=-1).nan_to_num()

# %% [markdown]
# ## 8.5 损失缩放器
#
# *编程，30分钟。*
# [练习](../08_numerics.ipynb#cell-id=exercise-8-5)
#
# 写一个损失缩放器，每一步都与`torch.amp.GradScaler`做得一样。`multiply`返回损失乘以缩放因子，放在另一个张量里。`step`把梯度除以缩放因子。如果有一个梯度是无穷大或NaN，就让权重和优化器保持不变，并把缩放因子减半。如果没有，就让优化器更新；这样连续更新`growth_interval`步之后，缩放因子翻倍，再从0数起。

# %% [markdown] translates="e0cb6893"
# **思路**。优化器知道自己有哪些参数。把这些参数的梯度除以缩放因子，再看所有数是否有限。跳过一步，就是根本不调用`optimizer.step()`：即使梯度是0，它仍会因为动量或权重衰减而移动权重。缩放因子每变一次，就从0开始重新数正常的步。


# %%
class LossScaler:
    def __init__(self, scale=65536.0, growth_interval=2000):
        self.scale, self.growth_interval = scale, growth_interval
        self.good_steps = 0

    def multiply(self, loss):
        return loss * self.scale

    def step(self, optimizer):
        parameters = [p for g in optimizer.param_groups for p in g["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        for gradient in gradients:
            gradient /= self.scale
        if not all(gradient.isfinite().all() for gradient in gradients):
            self.scale, self.good_steps = self.scale / 2, 0
            return
        optimizer.step()
        self.good_steps += 1
        if self.good_steps == self.growth_interval:
            self.scale, self.good_steps = 2 * self.scale, 0


# %%
check.loss_scaler(LossScaler)

# %% [markdown] translates="413545cc"
# 下面是正文里的那个权重，等于1的梯度要经过float16。缩放因子减小一次之后，更新照常进行。

# %%
w = torch.ones(1, requires_grad=True)
optimizer, scaler = torch.optim.SGD([w], lr=0.1), LossScaler()
for _ in range(3):
    optimizer.zero_grad()
    scaler.multiply(w.half().float().sum()).backward()
    scaler.step(optimizer)
scaler.scale, round(w.item(), 1)

# %% [markdown] translates="050fb8f1"
# **在GPU上**，条件里的每个`all()`都会让Python等待（[第06章](../06_devices.ipynb#cell-id=avoid-hidden-copies)）。PyTorch自带的缩放器在设备上查看所有梯度，只读一个数。

# %% [markdown]
# ## 8.6 权重的主副本
#
# *编程，25分钟。*
# [练习](../08_numerics.ipynb#cell-id=exercise-8-6)
#
# 为bfloat16的网络写梯度下降。每个参数（parameter）在float32里有一份主副本：每一步在float32里计算`lr`乘以梯度，从主副本里减去，再把结果复制到参数里。参数始终是原来的对象，类型始终是bfloat16，梯度也保留。没有梯度的参数保持不变。

# %% [markdown] translates="61cb685b"
# **思路**。主副本是分离出来的float32副本。在`no_grad`下，`copy_`把它的数写进参数，同时舍入，而对象和类型都不变。舍入因此不会造成永久的损失：主副本会从自己的数继续。


# %%
class MasterSGD:
    def __init__(self, parameters, lr):
        self.parameters, self.lr = list(parameters), lr
        self.masters = [p.detach().float() for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        for p, master in zip(self.parameters, self.masters, strict=True):
            if p.grad is not None:
                master -= self.lr * p.grad.float()
                p.copy_(master)


# %%
check.master_weights(MasterSGD)

# %% [markdown] translates="8fcaec80"
# 一个bfloat16的权重，每步0.0001，从1走到0.9：没有主副本，它会停在原处。

# %%
w = nn.Parameter(torch.ones(1).bfloat16())
optimizer = MasterSGD([w], lr=0.0001)
for _ in range(1000):
    w.grad = torch.ones_like(w)
    optimizer.step()
assert_close(w.item(), 0.9, rtol=2**-8, atol=0)
w.dtype

# %% [markdown]
# ## 8.7 用float16做规范化
#
# *编程，20分钟。*
# [练习](../08_numerics.ipynb#cell-id=exercise-8-7)
#
# 假设有一种芯片，有float16，没有float32。编写均方根规范化（normalization），不带权重。它要经得住所有的float16数，并用输入的类型来计算。先把每一行除以一个数，让平方留在范围以内。这样一来，$\varepsilon$要变成什么？全是0的行，结果全是0；全是0.001的行，平方根下要保留$\varepsilon$。

# %% [markdown] translates="2bee7785"
# **思路**。设$s$是一行要除以的数，$z = x / s$，那么
#
# $$\frac{x}{\sqrt{\overline{x^2} + \varepsilon}} =
# \frac{z}{\sqrt{\overline{z^2} + \varepsilon / s^2}}$$
#
# 所以$\varepsilon$要除以$s^2$。如果取最大的绝对值作为$s$，就没有大于1的平方。最大的绝对值小于1时，什么也不会上溢，取$s = 1$就行：这样全是0的行也不会变成0除以0。


# %%
def rms_norm(X, eps=1e-5):
    s = X.abs().amax(dim=-1, keepdim=True).clamp(min=1)  # (n, d) -> (n, 1)
    Z = X / s
    mean_square = Z.square().mean(dim=-1, keepdim=True)  # (n, d) -> (n, 1)
    return Z * torch.rsqrt(mean_square + eps / s**2)


# %%
check.norm_in_float16(rms_norm)

# %% [markdown] translates="1602a48e"
# **边界情况**。$s$大于255时，$s^2$在float16里是无穷大，$\varepsilon / s^2$就是0。它本来应该小于$10^{-9}$，加在平方的均值上，在float16里反正也看不出来。

# %%
X = torch.tensor([[60000.0, 300.0], [0.0, 0.0]]).half()
assert (X[0, 0] ** 2).isinf()
rms_norm(X)

# %% [markdown]
# ## 8.8 解码float8
#
# *编程，25分钟。*
# [练习](../08_numerics.ipynb#cell-id=exercise-8-8)
#
# 用整数运算解码float8_e4m3fn的256个编码，不用PyTorch，也不把这些数事先存成表。从左往右，一个编码有一位符号、四位指数$e$和三位尾数$f$。它表示$\pm (1 + f/8) \cdot 2^{e - 7}$；$e$是0时，表示$\pm f/8 \cdot 2^{-6}$；符号后面的七位都是1时，表示NaN。

# %% [markdown] translates="f84b98b2"
# **思路**。移位，再用掩码：`code >> 3`去掉尾数，`& 15`留下四位。然后分三种情况，最少见的放在最前面。指数是0时，前面的1没有了，这样最小的那些数才能一步一步、等距地降到0。


# %%
def decode(code):
    sign = -1.0 if code & 128 else 1.0
    e, f = code >> 3 & 15, code & 7
    if code & 127 == 127:
        return math.nan
    if e == 0:
        return sign * f / 8 * 2**-6
    return sign * (1 + f / 8) * 2.0 ** (e - 7)


# %%
check.decode_float8(decode)

# %% [markdown] translates="4eb2864f"
# **有哪些数**。正数里有一半小于2。从256起只有七个，相隔32。

# %%
positive = [decode(code) for code in range(1, 127)]
assert sum(number < 2 for number in positive) == len(positive) / 2
[number for number in positive if number >= 256]

# %% [markdown]
# ## 8.9 截断与梯度
#
# *编程，20分钟。*
# [练习](../08_numerics.ipynb#cell-id=exercise-8-9)
#
# 一个样本（sample）属于类别1，未规范化的预测是$z$，损失就是$-\log \sigma(z)$，其中$\sigma(z)$即`z.sigmoid()`。在float32里，$z = -200$时损失是无穷大。常见的补救有两种。先预测：在$z = -200$处，每种补救给出的对$z$的梯度是多少，真正的梯度又是多少？然后用`exp`、`log1p`和某个取最大值的函数来写这个损失，让值和梯度对所有$z$都正确，包括$z = 0$：$-\log \sigma(z) = \max(-z, 0) + \log(1 + e^{-|z|})$。

# %% [markdown] translates="195bfcf2"
# **思路**。对错得最厉害的样本，两种补救遮住了NaN，也带走了梯度：截断的结果在那里是常数；sigmoid在float32里是0，斜率也是0。题目里的式子不需要补救，因为它的指数从来不是正的。在0处，|z|的梯度是0；两个数相等时，`torch.maximum`给每个数一半的梯度：合起来是$-1/2$，正是应有的值。


# %%
def log_loss(z):
    largest = torch.maximum(-z, torch.zeros_like(z))
    return largest + torch.log1p(torch.exp(-z.abs()))


gradients = {
    "-z.sigmoid().clamp(min=1e-7).log()": 0,
    "-(z.sigmoid() + 1e-7).log()": 0,
    "true": -1,
}

# %%
check.clamp_and_its_gradient(log_loss, gradients)

# %% [markdown] translates="65a5b542"
# 对所有这些样本，梯度都是$\sigma(z) - 1$，正是应有的值。

# %%
z = torch.tensor([-200.0, -1, 0, 1, 200], requires_grad=True)
(gradient,) = torch.autograd.grad(log_loss(z).sum(), z)
assert_close(gradient, z.detach().sigmoid() - 1)

# %% [markdown] translates="9873bc6e"
# **更短的写法**。$\log(e^0 + e^{-z})$就是两个数的`logsumexp`，有现成的`torch.logaddexp`。`F.softplus(-z)`也是同一个函数。

# %%
assert_close(torch.logaddexp(-z, torch.zeros(5)), log_loss(z))
assert_close(F.softplus(-z), log_loss(z))

# %% [markdown] translates="5b928095"
# `F.binary_cross_entropy_with_logits`的输入就是未规范化的预测；标签可以是两个类别里的任意一个。

# %%
labels = torch.ones(5)
loss = F.binary_cross_entropy_with_logits(z, labels, reduction="none")
assert_close(loss, log_loss(z))
