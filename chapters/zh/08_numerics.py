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

# %% [markdown] translates="77ee02a7"
# # 数值：选择数据类型，用混合精度训练
#
# 16位的数只占32位的一半内存，较新的GPU做乘法也更快。于是你在一个学得很好的网络后面加上`.half()`，损失却成了NaN。换成`.bfloat16()`，网络学得差了，却不报错。这一章先看清原因，再把16位用在够用的地方。
#
# **你将学会**
#
# - 按范围和精度选择数据类型（data type）；
# - 预测结果的类型，找出类型不对的张量（tensor）；
# - 更新很小、求和很长时，保住16位会丢掉的部分；
# - 写一个层（layer），输入很大也经得住；
# - 用autocast和损失缩放器（loss scaler）训练；
# - 让文件减半，并知道什么时候可以这样做。
#
# **书中**：第4.8节[数值稳定性和模型初始化](https://zh.d2l.ai/chapter_multilayer-perceptrons/numerical-stability-and-init.html)和第3.7节[softmax回归的简洁实现](https://zh.d2l.ai/chapter_linear-networks/softmax-regression-concise.html)（英文版5.4，[Numerical Stability and Initialization](https://d2l.ai/chapter_multilayer-perceptrons/numerical-stability-and-init.html)；4.5，[Concise Implementation of Softmax Regression](https://d2l.ai/chapter_linear-classification/softmax-regression-concise.html)）。
#
# **需要先读**第03章[编写自定义层](03_custom_layers.ipynb)和第07章[训练：在任何设备上训练，中断后恢复](07_training.ipynb)。全部单元格在CPU上运行约十秒，有GPU时会用GPU。

# %% [markdown] translates="a1256751"
# 第一个单元格导入本章要用的东西，并选好设备（device）。这里的矩阵很小，CPU用一个线程来乘就够了。

# %%
import copy
import io

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, use_style

use_style()
torch.set_num_threads(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown] translates="611c7568"
# ## 从NaN说起
#
# 这里用[第07章](07_training.ipynb)的手写数字，每张图像是一行，共64个像素：1,200张用来训练，297张用来验证。

# %%
digits = load_digits()
X = torch.from_numpy(digits.images).float().flatten(1) / 16
y = torch.from_numpy(digits.target).long()
torch.manual_seed(0)
train, valid, _ = torch.randperm(len(X)).split([1200, 297, 300])
X_train, y_train = X[train].to(device), y[train].to(device)
X_valid, y_valid = X[valid].to(device), y[valid].to(device)

# %% [markdown] translates="18ccff95"
# 下一个函数用Adam把一个小网络训练三步，所有张量都用同一种类型，返回各步的损失。


# %%
def first_losses(dtype):
    torch.manual_seed(0)
    net = MLP(64, 128, 10).to(device, dtype)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        loss = F.cross_entropy(net(X_train.to(dtype)), y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(round(loss.item(), 1))
    return losses


# %% [markdown] translates="36c400cf"
# 用哪一种类型会失败？

# %%
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    print(dtype, first_losses(dtype))

# %% [markdown] translates="e09d6493"
# 用float16，走一步就够了。从那以后，每个损失都是NaN，意思是*不是数*（not a number）。这里没有哪个数太大，倒是有一个数太小。Adam每走一步都要做除法，除数是梯度（gradient）平方的滑动平均，开平方之后再加上$10^{-8}$，这样就不会除以0。而有三个像素，在所有数字里都是空白：与它们相乘的权重（weight），梯度是0。

# %%
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    zero = torch.zeros(1, dtype=dtype)
    print(dtype, (zero + 1e-8).item() > 0, zero / (zero + 1e-8))
int((X_train == 0).all(dim=0).sum())

# %% [markdown] translates="f0632e3a"
# 在float16里，$10^{-8}$就是0，而0除以0是NaN。

# %% [markdown] translates="d266887b"
# ## 范围和精度
#
# 浮点数由符号、指数（exponent）和尾数（fraction）组成。指数的各位决定*范围*（range），也就是最小能多小、最大能多大；尾数的各位决定*精度*（precision），也就是相邻的两个数离得多近。float16和bfloat16都是16位，只是分给指数和尾数的位数不同。`eps`是从1到下一个数的距离；*规格化数*（normal number）以下还有更小的数，但有效数字更少。

# %%
types = torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn
for dtype in types:
    f = torch.finfo(dtype)
    bounds = f"normal from {f.tiny:.3g} to {f.max:.3g}"
    print(f"{f.bits:2} bits, {bounds}, eps {f.eps:.3g}: {dtype}")

# %% [markdown] translates="d7f890e0"
# bfloat16的范围与float32相同，eps是$2^{-7}$。float16更精细，eps只有它的八分之一，但到65,504为止。$300^2 = 90{,}000$，哪一个存得下？

# %%
x = torch.tensor(300.0)
x.half() ** 2, x.bfloat16() ** 2

# %% [markdown] translates="51bd6a4c"
# 在float16里，平方*上溢*（overflow）了，成了无穷大。bfloat16取它能表示的、最近的数；在那里，相邻的数相差512。
#
# 八位有256个编码。`view`把同样的位当作另一种类型来读。float8_e4m3fn有没有留出编码，用来表示无穷大？

# %%
bits = torch.arange(256, dtype=torch.uint8)
numbers = bits.view(torch.float8_e4m3fn).float()
print("infinite:", numbers.isinf().sum().item())
print("NaN:", numbers.isnan().sum().item())
print("largest:", numbers.nan_to_num().max().item())

# %% [markdown] translates="a75e20c4"
# 它没有无穷大；NaN有两个，正负各一个。用这样的类型来存数、做乘法，要另配一个缩放因子（scale），把数调到它的范围以内。
#
# 把正数的各位当作整数来读，大小的次序与这些数相同。所以可以把正数全部列出来。

# %% translates="cd7a428f"
bits = {
    torch.float16: torch.arange(0x7C00, dtype=torch.int16),  # 到无穷大为止
    torch.bfloat16: torch.arange(0x7F80, dtype=torch.int16),  # 同上
    torch.float8_e4m3fn: torch.arange(0x7F, dtype=torch.uint8),  # 到NaN为止
}
numbers = {dtype: b.view(dtype).float() for dtype, b in bits.items()}
for dtype, values in numbers.items():
    assert (values.diff() > 0).all()
    assert values[-1] == torch.finfo(dtype).max

# %% [markdown] translates="d4f2012a"
# 下图画的是每个数到下一个数的距离。在1处，哪条线最低？这条线到哪里为止？

# %% mystnb={"image": {"alt": "横轴是数，从百万分之一到一百万，纵轴是到下一个数的距离，两个轴都是对数刻度。三条阶梯并排上升。float16是实线，最低，在0.0001以下是平的，到65,504为止。bfloat16是点线，高度是它的八倍，横贯全图。float8_e4m3fn的数是一个个单独的点，高度又是前一条的16倍，在0.03以下是平的，到448为止。"}} translates="e199ec0d"
for (dtype, values), style in zip(numbers.items(), "-:.", strict=True):
    label = str(dtype).removeprefix("torch.")
    plt.step(values[:-1], values.diff(), style, where="post", label=label)
plt.loglog()
plt.xlim(1e-6, 1e6)
plt.ylim(1e-8, 1e5)
plt.xlabel("number")
plt.ylabel("distance to the next")
plt.legend()
plt.show()

# %% [markdown] translates="ffd80030"
# 精度是相对的：每过一个2的幂，距离就翻倍。小于最小的规格化数时，距离不再缩小；不超过这个距离一半的数，就变成0。

# %% [markdown] translates="ffd35e29"
# ## 结果是什么类型
#
# 下面是四个操作数：三个向量（vector），还有一个没有维度的张量，即*零维*（0-dim）张量。

# %%
half, brain = torch.ones(2).half(), torch.ones(2).bfloat16()
single, scalar = torch.ones(2), torch.tensor(1.0)

# %% [markdown] translates="194c41d7"
# 两种类型一起运算时，会用一种容得下两者的类型来算。下面四个结果各有多少位？

# %%
print("float16 + bfloat16     ", (half + brain).dtype)
print("float16 + 1.5          ", (half + 1.5).dtype)
print("float16 + float32 0-dim", (half + scalar).dtype)
print("float16 + float32      ", (half + single).dtype)

# %% [markdown] translates="8a239793"
# 两种16位的类型，谁也容不下谁，所以结果是float32。Python的数和零维张量，会跟随有维度的浮点张量的类型。整数让位给浮点数。

# %%
assert (half + torch.ones(2).int()).dtype == torch.float16
assert (torch.ones(2).int() + 1.5).dtype == torch.float32
torch.ones(2).int() / 2

# %% [markdown] translates="c0dbc226"
# ### 一个类型不对的张量
#
# > **陷阱**。`forward`里新建的浮点张量，不指定类型就是float32。16位的张量和它一起运算，结果也是float32。
#
# 下面这个层让一行数从左到右逐渐减弱到0。


# %%
class Fade(nn.Module):
    def forward(self, X):
        n = X.shape[-1]
        return X * torch.linspace(1, 0, n, device=X.device)


# %% [markdown] translates="383e6fee"
# 它的输出是什么类型？

# %%
X_brain = torch.ones(2, 8, dtype=torch.bfloat16, device=device)
Fade()(X_brain).dtype

# %% [markdown] translates="e7e18f5c"
# 内存翻了一倍，却没有任何提示。带权重的层要严格些：它不做*类型提升*（promotion）。

# %% tags=["raises-exception"]
net = nn.Sequential(Fade(), nn.Linear(8, 1)).to(device, torch.bfloat16)
net(X_brain)

# %% [markdown] translates="82e8510c"
# 错误信息里的“Float”就是float32。不要改报错的那一层，要改这个类型的源头。新建张量时，类型要和输入一样，就像设备要和输入一样。


# %%
class RepairedFade(nn.Module):
    def forward(self, X):
        n = X.shape[-1]
        fade = torch.linspace(1, 0, n, device=X.device, dtype=X.dtype)
        return X * fade


# %% [markdown] translates="fd9e6a8b"
# 换上它，网络就能运行，而且始终是bfloat16。

# %%
net[0] = RepairedFade()
net(X_brain).dtype

# %% [markdown] translates="1368470f"
# ## 小的更新会消失
#
# 一个权重从1开始，更新1,000次，每次加0.001。最后是多少？

# %%
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    w = torch.ones(1, dtype=dtype)
    for _ in range(1000):
        w += 0.001
    print(f"{w.item():.2f} in {dtype}")

# %% [markdown] translates="87213597"
# 在float16里，从1往上，相邻的数相差0.00098，每次更新都舍入成这么多。在bfloat16里，权重没有动。1的下一个数是1.0078，而更新不到这个距离的一半，所以每次都舍掉了。
#
# 修正的办法是在float32里留一份*主副本*（master copy），更新都加到它上面。网络计算时，用的是它的bfloat16副本。

# %% translates="c9cfb162"
master = torch.ones(1)
for _ in range(1000):
    w = master.bfloat16()  # 用于前向传播和反向传播
    master += 0.001
master.bfloat16().item()

# %% [markdown] translates="692236ff"
# ## 求和会停住，也会上溢
#
# 总和越加越大，也会碰到同样的限制。在float16里把10,000个0.001加起来，一个接一个地加，得到多少？用`sum`呢？

# %%
values = torch.full((10_000,), 0.001).half()
total = torch.tensor(0.0).half()
for value in values:
    total += value
total.item(), values.sum().item()

# %% [markdown] translates="c37d9754"
# 循环停在4，那里的距离是0.0039。`sum`返回的也是float16，但它用float32累加，只舍入一次：在10那里，相邻的数相差0.0078，结果是0.0078的倍数。

# %% [markdown] translates="14baaaac"
# ### 别让数变成无穷大
#
# 很大的*未规范化的预测*（logit），在换算成概率时，用float32也会上溢：float32的尽头在$e^{88}$和$e^{89}$之间。而从无穷大到NaN，只差一步。

# %%
z = torch.tensor([1000.0, 0.0])
assert torch.tensor(88.0).exp().isfinite() and torch.tensor(89.0).exp().isinf()
infinite = z.exp()
infinite, infinite / infinite.sum(), infinite - infinite

# %% [markdown] translates="9c907c2e"
# 设$m$是最大的未规范化的预测，那么$\log \sum_i e^{z_i} = m + \log \sum_i e^{z_i - m}$，其中的指数都不大于0。PyTorch的函数在内部就是这样处理的。下面是其中四个，旁边是手写的同样的计算：

# %%
by_hand = {
    "logsumexp": (z.exp().sum().log(), z.logsumexp(dim=0)),
    "softplus": ((1 + z[0].exp()).log(), F.softplus(z[0])),
    "log_softmax": (z.softmax(dim=0)[1].log(), z.log_softmax(dim=0)[1]),
    "cross_entropy": (
        F.nll_loss(z.softmax(dim=0).log(), torch.tensor(1)),
        F.cross_entropy(z, torch.tensor(1)),
    ),
}

# %% [markdown] translates="959a4575"
# 左列是手写的，右列是PyTorch的：

# %%
for name, (naive, stable) in by_hand.items():
    print(f"{name:13} {naive.item():5} {stable.item():7}")

# %% [markdown] translates="c6a69901"
# 所以，损失函数（loss function）的输入要用未规范化的预测，不要用概率。`F.cross_entropy`和`F.binary_cross_entropy_with_logits`要的就是这样的输入。

# %% [markdown] translates="37197eb4"
# ## 输入很大也经得住的层
#
# 许多语言模型把每一行除以这一行的均方根（root mean square），再乘以权重：
#
# $$y_j = \frac{x_j}{\sqrt{\frac{1}{d} \sum_i x_i^2 + \varepsilon}}\, w_j$$
#
# 写成层，只有几行。


# %%
class RMSNorm(nn.Module):
    def __init__(self, num_features, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.eps = eps

    def forward(self, X):
        mean_square = X.square().mean(dim=-1, keepdim=True)  # (n, d) -> (n, 1)
        return X * torch.rsqrt(mean_square + self.eps) * self.weight


# %% [markdown] translates="ab460803"
# 在float32里，它的结果与PyTorch自带的相同。

# %%
torch.manual_seed(0)
Z = torch.randn(4, 8, device=device)
norm = RMSNorm(8).to(device)
assert_close(norm(Z), nn.RMSNorm(8, eps=1e-6, device=device)(Z))

# %% [markdown] translates="68f36710"
# > **陷阱**。出现NaN，看得出来；数算错了，看不出来。
#
# 300在float16的范围以内，输出应该在1左右。哪一步超出了范围？结果会是什么？

# %%
row = torch.tensor([[300.0, -200.0, 100.0, 250.0]], device=device).half()
RMSNorm(4).to(device, torch.float16)(row).tolist()

# %% [markdown] translates="ee1ca03c"
# 平方的均值是无穷大，1除以它的平方根是0，于是每个输出都是0。没有NaN来提醒你，网络就带着这些0继续算下去。修正的办法是：用float32计算，再换回输入的类型返回。


# %%
class RepairedRMSNorm(RMSNorm):
    def forward(self, X):
        Y = super().forward(X.float())
        return Y.to(X.dtype)


# %% [markdown] translates="9028c828"
# 它在float16里的结果，就是float32的结果舍入之后的样子。

# %%
norm = RepairedRMSNorm(4).to(device, torch.float16)
exact = RMSNorm(4).to(device)(row.float())
assert_close(norm(row), exact.half(), rtol=1e-3, atol=0)
[round(value, 2) for value in norm(row)[0].tolist()]

# %% [markdown] translates="c0cd2417"
# ## 混合精度：让autocast选择类型
#
# *混合精度*（mixed precision）把上面这些合在一起。权重一直是float32：它们就是主副本。在`torch.autocast`里，乘积用16位来算，需要更多位的运算用float32。

# %%
torch.manual_seed(0)
net = MLP(64, 128, 10).to(device)
with torch.autocast(device.type, torch.bfloat16):
    y_hat = net(X_train)
    loss = F.cross_entropy(y_hat, y_train)
loss.backward()
y_hat.dtype, loss.dtype

# %% [markdown] translates="7e8664ed"
# 反向传播（backward）写在这个代码块之后：每个运算，前向时用什么类型，反向时就用什么类型。权重的梯度，类型与权重相同。

# %%
net.out.weight.dtype, net.out.weight.grad.dtype

# %% [markdown] translates="96069888"
# 一个运算用什么类型，取决于设备和PyTorch的版本。下面这些运算，CPU和CUDA是一致的：

# %%
A = torch.ones(2, 2, device=device)
labels = torch.zeros(2, dtype=torch.long, device=device)
with torch.autocast(device.type, torch.bfloat16):
    B = A @ A
    print("product:", B.dtype)
    print("ReLU of a product:", B.relu().dtype)
    print("product + float32:", (B + A).dtype)
    print("cross-entropy:", F.cross_entropy(B, labels).dtype)
    print("squared error:", F.mse_loss(B, A).dtype)

# %% [markdown] translates="c8bf0a8e"
# 下面这些就不一致：在制作本页的CPU上，四个都保持乘积的类型bfloat16；在GPU上是float32。

# %% tags=["nbval-ignore-output"]
with torch.autocast(device.type, torch.bfloat16):
    found = {
        "exp": B.exp().dtype,
        "sum": B.sum().dtype,
        "softmax": B.softmax(dim=-1).dtype,
        "layer_norm": F.layer_norm(B, (2,)).dtype,
    }
assert {*found.values()} <= {torch.bfloat16, torch.float32}
found

# %% [markdown] translates="0674b1d2"
# ### 三种训练方式
#
# 网络用三种方式学习这些数字：用float32，用autocast，以及全部用bfloat16。


# %%
def train_curve(dtype=torch.float32, autocast=False):
    torch.manual_seed(0)
    net = MLP(64, 128, 10).to(device, dtype)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(20):
        order = torch.randperm(len(X_train), generator=generator)
        for batch in order.to(device).split(50):
            with torch.autocast(device.type, torch.bfloat16, autocast):
                y_hat = net(X_train[batch].to(dtype))
                loss = F.cross_entropy(y_hat, y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(valid_loss(net))
    return net, losses


# %% [markdown] translates="7488b3e4"
# 计算验证损失时，先把未规范化的预测转成float32。


# %%
@torch.inference_mode()
def valid_loss(net):
    logits = net(X_valid.to(net.out.weight.dtype)).float()
    return F.cross_entropy(logits, y_valid).item()


# %% [markdown] translates="f4b2efbd"
# 三条曲线里，哪一条会与另外两条分开？

# %%
single_net, single_losses = train_curve()
_, mixed_losses = train_curve(autocast=True)
brain_net, brain_losses = train_curve(torch.bfloat16)
assert abs(mixed_losses[-1] / single_losses[-1] - 1) < 0.02
assert brain_losses[-1] > 1.25 * single_losses[-1]

# %% [markdown] translates="c2df1228"
# 看看它从哪里分开，最后到了哪里。

# %% tags=["predict"] mystnb={"image": {"alt": "20轮的验证损失，纵轴是对数刻度。float32的实线和autocast的虚线重合，从2.2降到0.22。全部用bfloat16的是点线，前十轮左右与它们一起下降，然后变平，最后是0.32。"}} translates="a2c4f1b5"
epochs = range(1, 21)
plt.semilogy(epochs, single_losses, "C0-", label="float32")
plt.semilogy(epochs, mixed_losses, "C1--", label="autocast to bfloat16")
plt.semilogy(epochs, brain_losses, "k:", label="bfloat16 throughout")
plt.xticks(range(0, 21, 5))
plt.minorticks_off()
plt.yticks([0.2, 0.5, 1, 2], [0.2, 0.5, 1, 2])
plt.xlabel("epoch")
plt.ylabel("validation loss")
plt.legend()
plt.show()

# %% [markdown] translates="7a5eabf8"
# 在这里，用autocast学得一样好。全部用bfloat16时，更新一变小，曲线就变平。下一个函数在副本上用普通的SGD再走一步，返回一个比例：梯度不是0的权重里，这一步动了多少。


# %%
def share_moved(net):
    net = copy.deepcopy(net)
    before = torch.cat([p.detach().flatten() for p in net.parameters()])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    optimizer.zero_grad()
    F.cross_entropy(net(X_train.to(before.dtype)), y_train).backward()
    gradient = torch.cat([p.grad.flatten() for p in net.parameters()])
    optimizer.step()
    after = torch.cat([p.detach().flatten() for p in net.parameters()])
    return (after != before)[gradient != 0].float().mean().item()


# %% [markdown] translates="dbd25189"
# 在两个网络里，比例各是多少？

# %% tags=["nbval-ignore-output"]
shares = share_moved(single_net), share_moved(brain_net)
assert shares[0] > 0.9 and shares[1] < 0.1
f"float32: {shares[0]:.0%}, bfloat16: {shares[1]:.0%}"

# %% [markdown] translates="c3cf6152"
# 用float32，几乎所有的权重都动了；用bfloat16，大约一百个里只动了一个。其余的停在原处，和前面的那个1一样。

# %% [markdown] translates="a74c3eb4"
# ## 损失缩放
#
# 较旧的GPU有float16，没有bfloat16，而且float16更精细。它的麻烦在于范围：小的梯度会*下溢*（underflow），变成0。下面的梯度，是损失对所有未规范化的预测的梯度，网络是用float32训练好的那一个。在float16里，其中有多大比例会变成0？如果损失放大到65,536倍，又有多大比例？

# %%
logits = single_net(X_train)
loss = F.cross_entropy(logits, y_train)
(gradient,) = torch.autograd.grad(loss, logits)
gradient = gradient[gradient != 0].abs().cpu()
lost = (gradient.half() == 0).float().mean().item()
lost_scaled = ((65536 * gradient).half() == 0).float().mean().item()
assert 0.1 < lost < 0.3 and lost_scaled < 0.01

# %% [markdown] translates="e267458c"
# 大约六个里有一个；放大之后，几乎一个也没有：按链式法则（chain rule），损失乘以多少，每个梯度就乘以多少。

# %% mystnb={"image": {"alt": "梯度大小的两个直方图，横轴是对数刻度。第一个像一座山，从1e-10到1e-3。3e-8处有一条竖线，切掉了山的左坡，竖线左边的梯度会变成0。第二个是梯度乘以65,536，同一座山移到了右边：整座山都在这条竖线和65,504处的另一条竖线之间，后者右边的梯度会变成无穷大。"}} translates="f8b520ff"
bins = torch.logspace(-12, 4, 65).tolist()
plt.hist(gradient.tolist(), bins, alpha=0.7, label="gradients")
plt.hist((65536 * gradient).tolist(), bins, alpha=0.7, label="times 65,536")
plt.axvline(2.0**-25, color="black", linestyle="--")
plt.text(2.0**-25, 900, "becomes 0 ", ha="right")
plt.axvline(65504, color="black", linestyle="--")
plt.text(65504, 900, " becomes infinite")
plt.xscale("log")
plt.xlim(1e-12, 1e9)
plt.xlabel("size of a gradient")
plt.ylabel("number")
plt.legend()
plt.show()

# %% [markdown] translates="eb3b42dd"
# 损失缩放器`GradScaler`先把损失乘以这样的缩放因子，更新之前再把梯度除以它。如果有一个梯度是无穷大或NaN，就是缩放因子太大了：跳过这一步，缩放因子减半。下面，一个等于1的梯度要经过float16。哪几步会移动权重？

# %%
w = torch.ones(1, device=device, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
scaler = torch.amp.GradScaler(device.type)
for _ in range(3):
    optimizer.zero_grad()
    loss = w.half().float().sum()
    scaler.scale(loss).backward()
    print(f"scale {scaler.get_scale():.0f}, gradient {w.grad.item()}", end="")
    scaler.step(optimizer)
    scaler.update()
    print(f", weight {w.item():.1f}")

# %% [markdown] translates="e07b7085"
# 65,536刚好超出float16的范围，所以跳过了第一步。这不是出错。如果连续2,000步都没有无穷大或NaN，缩放因子就翻倍。

# %% [markdown] translates="28759853"
# ### 先除以缩放因子，再裁剪梯度
#
# > **陷阱**。在`backward`和`step`之间，梯度里还乘着缩放因子。在这时读梯度，读到的数是错的。
#
# 权重是(3, 4)，梯度也是，范数是5。下面把它裁剪到范数1，学习率（learning rate）是1。输出的两行里，第一行忘了先除以缩放因子。

# %%
for unscales in (False, True):
    w = torch.tensor([3.0, 4.0], device=device, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1.0)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0)
    scaler.scale((w**2).sum() / 2).backward()
    if unscales:
        scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_([w], max_norm=1.0).item()
    scaler.step(optimizer)
    print(f"norm {norm:.0f}, then {[round(v, 3) for v in w.tolist()]}")

# %% [markdown] translates="f134ee45"
# 没有`unscale_`，放大的梯度先裁剪到范数1，再除以1,024：这一步只有应有的千分之一。网络为什么学得这么慢，没有任何错误信息会告诉你。
#
# 下面是用float16训练的完整一步：


# %%
def train_step(net, optimizer, scaler, X, y):
    with torch.autocast(device.type, torch.float16):
        loss = F.cross_entropy(net(X), y)
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
    scaler.step(optimizer)
    scaler.update()
    return loss.item()


# %% [markdown] translates="1da69d3a"
# 这样一来，先前得到NaN的网络和优化器（optimizer），也能学习了。bfloat16的范围与float32相同，用它时不需要缩放器。

# %%
torch.manual_seed(0)
net = MLP(64, 128, 10).to(device)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
scaler = torch.amp.GradScaler(device.type)
for _ in range(50):
    loss = train_step(net, optimizer, scaler, X_train, y_train)
assert loss < 0.1

# %% [markdown] translates="eae94c25"
# ## float32的乘积有多精确
#
# 较新的NVIDIA GPU可以用*TF32*来计算float32矩阵的乘积，这样更快：它的范围与float32相同，输入则舍入到10位尾数，和float16一样。这样的乘积误差有多大？与float64比较。

# %%
torch.manual_seed(0)
A, B = torch.rand(100, 1000), torch.rand(1000, 100)
exact = A.double() @ B.double()
error = (A @ B / exact - 1).abs().max().item()
assert error < 1e-5

# %% [markdown] translates="85186895"
# 用float32，相对误差小于$10^{-5}$。只有10位尾数时，误差是：

# %% tags=["predict"]
rounded = A.half().double() @ B.half().double()
error_rounded = (rounded / exact - 1).abs().max().item()
assert error_rounded > 1e-5
f"{error_rounded:.0e}"

# %% [markdown] translates="3def89c3"
# 对训练来说，这往往够用；在设备之间比较时，要允许更大的差别。`"highest"`是默认值，表示用float32；`"high"`允许TF32。

# %%
torch.set_float32_matmul_precision("highest")
product = A.to(device) @ B.to(device)
assert_close(product.cpu(), A @ B, rtol=1e-5, atol=0)
torch.get_float32_matmul_precision()

# %% [markdown] translates="a986d14e"
# > **陷阱**。从PyTorch 2.9起，同一件事有了第二个开关。设置了新的，再读旧的就可能报错。

# %% tags=["nbval-ignore-output"] translates="d0d349fa"
matmul, said = torch.backends.cuda.matmul, "there is one switch here"
if hasattr(matmul, "fp32_precision"):
    before = matmul.fp32_precision
    matmul.fp32_precision = "tf32"  # 新的
    try:
        said = matmul.allow_tf32  # 旧的
    except RuntimeError as error:
        said = type(error).__name__
    matmul.fp32_precision = before
    assert said == "RuntimeError"
said

# %% [markdown] translates="bae36d7d"
# 从头到尾只用其中一个。卷积另有一个开关，默认允许TF32。

# %% [markdown] translates="9e76fbd8"
# ## 让文件减半
#
# 使用网络时，需要的精度比训练时低。用bfloat16保存权重，相对误差有多大？

# %%
state = {k: v.cpu() for k, v in single_net.state_dict().items()}
small = {k: v.bfloat16() for k, v in state.items()}
errors = [((small[k].float() - v) / v).abs().max() for k, v in state.items()]
assert max(errors) < 2**-8

# %% [markdown] translates="33f395b4"
# 小于$2^{-8}$，也就是eps的一半。文件有多大？


# %%
def num_bytes(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.tell()


assert 0.5 < num_bytes(small) / num_bytes(state) < 0.6

# %% [markdown] translates="babeafa8"
# 大约是一半。这对损失有什么影响？

# %% translates="0e13fc18"
restored = MLP(64, 128, 10).to(device)
restored.load_state_dict(small)  # 复制成float32
assert restored.out.weight.dtype == torch.float32
assert_close(valid_loss(restored), valid_loss(single_net), rtol=0.01, atol=0)

# %% [markdown] translates="05c812b7"
# 变化不到1%，用来推断没有问题。不要从这样的文件接着训练：许多次更新比这个误差还小，已经丢掉了。

# %% [markdown] translates="4f93a46d"
# ## 小结
#
# - 指数的各位决定范围，尾数的各位决定精度。float16到65,504为止，$10^{-8}$在float16里是0；bfloat16的范围与float32相同，eps是$2^{-7}$。
# - 两种浮点类型一起运算，结果的类型容得下两者。Python的数和零维张量会跟随另一方的类型。带权重的层不做类型提升。
# - 更新小于到下一个数的距离的一半，就会丢掉：权重要存在float32里。
# - 累加用float32；和的对数用`logsumexp`来算，损失函数的输入用未规范化的预测。
# - 层里要计算输入的平方时，用float32计算，返回输入的类型。
# - autocast为每个运算选择类型。用float16时，要缩放损失；先除以缩放因子，再裁剪梯度。
# - bfloat16的文件是拿来使用的，不能用来接着训练。

# %% [markdown] translates="2313cbe5"
# ## 练习
#
# 把答案写在每个`...`的位置，运行这个单元格，再运行下面的检查。检查会说出缺了什么，并给出一个通不过的例子；它不会改动你的任何东西。检查要用到前面的单元格：隔了一阵再来做时，先选中检查，再依次点*Run*、*Run All Above Selected Cell*。完整的解答在[另外一页](solutions/08_numerics.ipynb)上。

# %%
from d2l_helpers import check

# %% [markdown] translates="edae8c2d"
# ### 8.1 类型提升
#
# *思考，10分钟。*
# [解答](solutions/08_numerics.ipynb#cell-id=exercise-8-1)
#
# `half`、`brain`、`single`、`double`和`whole`都是向量，类型依次是float16、bfloat16、float32、float64和int32。`double[0]`是一个数，也就是零维张量。预测每个结果的类型，例如`torch.float16`；再运行一下，看看对不对。

# %%
promoted = {
    "half + whole": ...,
    "whole + 0.5": ...,
    "whole * half[0]": ...,
    "whole + double[0]": ...,
    "half * double[0]": ...,
    "half[0] + brain": ...,
    "half[0] + brain[0]": ...,
    "torch.cat([half, single])": ...,
}

# %%
check.promotion(promoted)

# %% [markdown] translates="ca7028bc"
# ### 8.2 下一个数
#
# *编程，20分钟。*
# [解答](solutions/08_numerics.ipynb#cell-id=exercise-8-2)
#
# 从一个数到同一类型的下一个更大的数，距离是多少？根据`torch.finfo`给出的值来计算，不要把数列出来。对于0，以及图中平坦的部分，结果也要正确。然后为每种类型找出一个最小的正整数：像`torch.tensor(k).bfloat16().long()`那样转过去再转回来，它就变了。


# %% translates="144693d5"
def distance_to_next(x, dtype):
    """从x到同一类型的下一个更大的数，距离是多少。"""
    # x：Python的数，这种类型里有这个数；至少是0，小于最大的数
    ...


first_changed = {"float16": ..., "bfloat16": ...}

# %%
check.next_number(distance_to_next, first_changed)

# %% [markdown] translates="255fb5cb"
# ### 8.3 补偿求和
#
# *编程，20分钟。*
# [解答](solutions/08_numerics.ipynb#cell-id=exercise-8-3)
#
# 把一些数一个接一个地加起来，用它们自己的类型，总和又不能停住。除了总和，还要记下上一次加法丢掉的部分，它等于$(\text{新的总和} - \text{旧的总和}) - \text{加上的数}$，运算的次序不能变。加下一个数之前，先从中减去丢掉的部分（这叫Kahan求和）。不要用`sum`，也不要用更大的类型。对于本章的10,000个`values`，结果与`values.sum()`的差，不超过到下一个数的距离。


# %% translates="43194da1"
def compensated_sum(values):
    """向量的和，用向量自己的类型计算。"""
    # (n,) -> 类型相同的零维张量
    ...


# %%
check.compensated_sum(compensated_sum)

# %% [markdown] translates="b3b18c16"
# ### 8.4 一行负无穷
#
# *编程，20分钟。*
# [解答](solutions/08_numerics.ipynb#cell-id=exercise-8-4)
#
# 沿最后一个维度计算`logsumexp`，类型与输入相同，用`exp`、`sum`、`log`和每一行最大的数来写。掩码会把一些未规范化的预测设为负无穷，有时整行都是：这时和是0，对数应该是负无穷，给出NaN就错了。梯度必须正确；结果有限的地方，梯度也必须有限。


# %% translates="6b0d2d31"
def log_sum_exp(Z):
    """每一行的log(sum(exp(Z)))，不会变成无穷大。"""
    # (..., d) -> (...)
    ...


# %%
check.row_of_minus_infinity(log_sum_exp)

# %% [markdown] translates="f888ad1c"
# ### 8.5 损失缩放器
#
# *编程，30分钟。*
# [解答](solutions/08_numerics.ipynb#cell-id=exercise-8-5)
#
# 写一个损失缩放器，每一步都与`torch.amp.GradScaler`做得一样。`multiply`返回损失乘以缩放因子，放在另一个张量里。`step`把梯度除以缩放因子。如果有一个梯度是无穷大或NaN，就让权重和优化器保持不变，并把缩放因子减半。如果没有，就让优化器更新；这样连续更新`growth_interval`步之后，缩放因子翻倍，再从0数起。


# %% translates="7ec4ce52"
class LossScaler:
    """缩放损失，跳过有无穷大的步，调整缩放因子。"""

    def __init__(self, scale=65536.0, growth_interval=2000):
        self.scale = scale
        ...

    def multiply(self, loss):
        # 损失 -> 用来反向传播的损失
        ...

    def step(self, optimizer):
        # 代替optimizer.step()
        ...


# %%
check.loss_scaler(LossScaler)

# %% [markdown] translates="b3d7f108"
# ### 8.6 权重的主副本
#
# *编程，25分钟。*
# [解答](solutions/08_numerics.ipynb#cell-id=exercise-8-6)
#
# 为bfloat16的网络写梯度下降。每个参数（parameter）在float32里有一份主副本：每一步在float32里计算`lr`乘以梯度，从主副本里减去，再把结果复制到参数里。参数始终是原来的对象，类型始终是bfloat16，梯度也保留。没有梯度的参数保持不变。


# %% translates="47b82fff"
class MasterSGD:
    """梯度下降，参数有float32的主副本。"""

    def __init__(self, parameters, lr):
        # parameters：例如net.parameters()
        ...

    def zero_grad(self):
        # 丢掉梯度
        ...

    def step(self):
        # 先更新主副本，再更新参数
        ...


# %%
check.master_weights(MasterSGD)

# %% [markdown] translates="69b4926d"
# ### 8.7 用float16做规范化
#
# *编程，20分钟。*
# [解答](solutions/08_numerics.ipynb#cell-id=exercise-8-7)
#
# 假设有一种芯片，有float16，没有float32。编写均方根规范化（normalization），不带权重。它要经得住所有的float16数，并用输入的类型来计算。先把每一行除以一个数，让平方留在范围以内。这样一来，$\varepsilon$要变成什么？全是0的行，结果全是0；全是0.001的行，平方根下要保留$\varepsilon$。


# %% translates="15f0069f"
def rms_norm(X, eps=1e-5):
    """每一行除以自己的均方根。"""
    # (n, d) -> (n, d)，类型相同
    ...


# %%
check.norm_in_float16(rms_norm)

# %% [markdown] translates="bca49697"
# ### 8.8 解码float8
#
# *编程，25分钟。*
# [解答](solutions/08_numerics.ipynb#cell-id=exercise-8-8)
#
# 用整数运算解码float8_e4m3fn的256个编码，不用PyTorch，也不把这些数事先存成表。从左往右，一个编码有一位符号、四位指数$e$和三位尾数$f$。它表示$\pm (1 + f/8) \cdot 2^{e - 7}$；$e$是0时，表示$\pm f/8 \cdot 2^{-6}$；符号后面的七位都是1时，表示NaN。


# %% translates="3082defd"
def decode(code):
    """float8_e4m3fn的编码所表示的数。"""
    # 0到255的整数 -> Python的float
    ...


# %%
check.decode_float8(decode)

# %% [markdown] translates="1863b2e0"
# ### 8.9 截断与梯度
#
# *编程，20分钟。*
# [解答](solutions/08_numerics.ipynb#cell-id=exercise-8-9)
#
# 一个样本（sample）属于类别1，未规范化的预测是$z$，损失就是$-\log \sigma(z)$，其中$\sigma(z)$即`z.sigmoid()`。在float32里，$z = -200$时损失是无穷大。常见的补救有两种。先预测：在$z = -200$处，每种补救给出的对$z$的梯度是多少，真正的梯度又是多少？然后用`exp`、`log1p`和某个取最大值的函数来写这个损失，让值和梯度对所有$z$都正确，包括$z = 0$：$-\log \sigma(z) = \max(-z, 0) + \log(1 + e^{-|z|})$。


# %% translates="db01419e"
def log_loss(z):
    """-log(sigmoid(z))，值有限，梯度正确。"""
    # (n,) -> (n,)
    ...


gradients = {
    "-z.sigmoid().clamp(min=1e-7).log()": ...,
    "-(z.sigmoid() + 1e-7).log()": ...,
    "true": ...,
}

# %%
check.clamp_and_its_gradient(log_loss, gradients)

# %% [markdown] translates="e70f01dd"
# ## 接下来读什么
#
# [可复现性：重现一次训练，查看网络内部](09_reproducibility.ipynb)会找出第一个NaN出自哪个模块（module）；[内存与深度：训练占多少内存，深层网络怎样初始化](10_memory.ipynb)会计算混合精度要用多少内存；[自动微分：沿计算图追踪梯度](05_autograd.ipynb#cell-id=a-backward-computation-of-your-own)会写一个反向传播，让梯度始终有限。[首页](index.md)列出了所有章。
