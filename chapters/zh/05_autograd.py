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

# %% [markdown] translates="aa407d0f"
# # 自动微分：沿计算图追踪梯度
#
# PyTorch能对你的计算求导，因为它为计算保存了一张图，叫计算图（computational graph）。这一章先手工推算这样一张图，再在张量（tensor）背后找到同一张图。
#
# **你将学会**
#
# - 沿计算图的各条路径求和，算出梯度（gradient）；
# - 读懂和画出PyTorch保存的图；
# - 运行两次`backward`，并及时把梯度清零；
# - 对非标量求导，对有循环和分支的代码求导；
# - 在`no_grad`、`detach`、`inference_mode`和`requires_grad_(False)`之间选择；
# - 区分动态图和静态图，编译和导出静态图；
# - 自己写反向传播（backpropagation），并检查它。
#
# **书中**：第2.5节[自动微分](https://zh.d2l.ai/chapter_preliminaries/autograd.html)（英文版2.5，[Automatic Differentiation](https://d2l.ai/chapter_preliminaries/autograd.html)）。
#
# **需要先读**第01章[用层和块搭建网络](01_blocks.ipynb)，还要懂链式法则（chain rule）。全部单元格在CPU上运行约十秒，有GPU时会用GPU。

# %% [markdown] translates="b58186dc"
# 第一个单元格导入本章要用的东西，并选好设备（device）。

# %%
import io
import logging
import math
import warnings
from contextlib import redirect_stderr
from itertools import pairwise
from statistics import median
from timeit import timeit

import networkx as nx
import torch
from matplotlib import pyplot as plt
from torch import fx, nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, FixedHiddenMLP, draw_graph, graph_of, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown] translates="9f8541c5"
# ## 手工推算一张图
#
# 要计算的是$y = (x_1 + w)(x_2 + w)$，一共三步运算。PyTorch里负责求导的部分叫自动微分（autograd）；`requires_grad=True`告诉它：对这个张量做的运算，都要跟踪。

# %%
x1 = torch.tensor(2.0, requires_grad=True)
w = torch.tensor(1.0, requires_grad=True)
x2 = torch.tensor(5.0, requires_grad=True)
a, b = x1 + w, x2 + w
y = a * b
y.item()

# %% [markdown] translates="8d4eda79"
# 在它的图里，每个节点（node）是一个值；一条边（edge）从一个值指向由它算出的另一个值。每条边有一个*偏导数*（partial derivative）：前一个值变化时，后一个值变化得多快。对加法，偏导数是1。对乘积$ab$，偏导数是另一个因子。下面的字典里，每条边有一项。`nx.DiGraph`用字典的键构成图。

# %%
slopes = {
    ("x1", "a"): 1,
    ("w", "a"): 1,
    ("w", "b"): 1,
    ("x2", "b"): 1,
    ("a", "y"): b.item(),
    ("b", "y"): a.item(),
}
hand = nx.DiGraph(slopes.keys())

# %% [markdown] translates="a19f4257"
# 下一个函数用来画这张图。（代码可以跳过。）


# %%
def draw_by_hand():
    places = {"x1": (0, 2), "w": (0, 1), "x2": (0, 0)}
    places |= {"a": (1, 1.5), "b": (1, 0.5), "y": (2, 1)}
    texts = {"x1": "$x_1$\n2", "w": "$w$\n1", "x2": "$x_2$\n5"}
    texts |= {"a": "$a$\n3", "b": "$b$\n6", "y": "$y$\n18"}
    nodes = {"node_color": "white", "edgecolors": "C0", "node_size": 1200}
    marks = {edge: f"{slope:g}" for edge, slope in slopes.items()}
    _, ax = plt.subplots(figsize=(6, 3))
    ax.axis("off")
    ax.margins(0.12)
    nx.draw_networkx(hand, places, labels=texts, font_size=9, **nodes)
    nx.draw_networkx_edge_labels(hand, places, marks, font_color="C1")


# %% [markdown] translates="f6ee4446"
# 从`w`走到`y`，有几种走法？

# %% tags=["look"] mystnb={"image": {"alt": "一张从左到右的图。每个节点写着名字和值。标着1的边从x1（值2）和w（值1）指向a（值3），从w和x2（值5）指向b（值6）。一条标着6的边从a指向y（值18），一条标着3的边从b指向y。"}} translates="6db93113"
draw_by_hand()
plt.show()

# %% [markdown] translates="2a22a1ac"
# 有两种，一种经过$a$，一种经过$b$。沿着一条路径（path），偏导数相乘，这就是链式法则。`w`的变化沿两条路径都传到`y`，所以两个乘积相加。（`pairwise(p)`给出一条路径上的边。）

# %%
paths = list(nx.all_simple_paths(hand, "w", "y"))
products = [math.prod(slopes[edge] for edge in pairwise(p)) for p in paths]
for path, product in zip(paths, products, strict=True):
    print(" -> ".join(path), product)
sum(products)

# %% [markdown] translates="f9221301"
# `backward`得到同一个数，却不用列出路径：它从终点往回，把图走一遍，在每个节点上把传来的值加起来。结果在`grad`里。（这个单元格先清空三个`grad`，所以可以再次运行。）

# %%
x1.grad = w.grad = x2.grad = None
((x1 + w) * (x2 + w)).backward()
assert w.grad == sum(products)
x1.grad.item(), w.grad.item(), x2.grad.item()

# %% [markdown] translates="ed39712f"
# ## PyTorch保存的图
#
# `w`是你创建的，它是*叶节点*（leaf）。`y`由它算出，带有`grad_fn`，也就是将来把梯度往回传的运算。

# %%
assert w.is_leaf and w.grad_fn is None
assert not y.is_leaf
a.grad_fn.name(), y.grad_fn.name()

# %% [markdown] translates="c85d321f"
# 在`next_functions`里，每个输入对应一个二元组：前一项是产生这个输入的运算；后一项是一个数，如果输入是那个运算的第一个结果，这个数就是0。`y`的两个二元组分别指向哪里？

# %%
(to_a, _), (to_b, _) = y.grad_fn.next_functions
assert to_a is a.grad_fn and to_b is b.grad_fn
to_a.name(), to_b.name()

# %% [markdown] translates="81c79c38"
# 指向两个加法。叶节点不由任何运算产生：运算的位置上是一个节点，它把传来的值加到叶节点的`grad`上。这个节点的`variable`就是叶节点。在两个加法里，`w`都是第二个输入。两个加法为它共用一个节点吗？

# %%
w_from_a = a.grad_fn.next_functions[1][0]
w_from_b = b.grad_fn.next_functions[1][0]
assert w_from_a is w_from_b
assert w_from_a.variable is w
type(w_from_a).__name__

# %% [markdown] translates="d44b1e38"
# 共用一个，两条路径就在那里会合。`draw_graph`从一个张量出发，沿着`next_functions`一直走到叶节点。画出来的图与手工推算的图有什么不同？

# %% tags=["look"] mystnb={"image": {"alt": "一张从左到右的图，左边有三个橙色框：x1、w和x2。x1和w有线连到蓝色框AddBackward0，w和x2有线连到另一个AddBackward0。这两个框都有线连到右边的蓝色框MulBackward0。"}} translates="25170dc6"
draw_graph(y, {"x1": x1, "w": w, "x2": x2})
plt.show()

# %% [markdown] translates="845b70c6"
# 路径相同。但节点是运算（蓝色）和叶节点（橙色）。边上没有偏导数：每个运算保存着自己需要的值，到`backward`时，靠这些值来乘以偏导数。

# %% [markdown] translates="6bff1329"
# ### 计算图保存什么
#
# 乘法运算会保存它的因子，存的是引用，不是副本。

# %%
p = torch.tensor([2.0, 3.0], requires_grad=True)
square = p * p
assert square.grad_fn._saved_self is p

# %% [markdown] translates="e9295c60"
# > **陷阱**。如果在`backward`之前原地（in-place）修改了因子，偏导数就是按别的数算的。
#
# 为了防止这种错误，张量用`_version`数自己原地修改过几次；运算保存张量时，也记下当时的次数。（这里`no_grad`允许修改；错误信息里的提示没有打印出来。）

# %%
p = torch.tensor([2.0, 3.0], requires_grad=True)
square = p * p
with torch.no_grad():
    p *= 10
try:
    square.sum().backward()
except RuntimeError as error:
    print(str(error).partition(" Hint")[0])
p._version

# %% [markdown] translates="e693f18f"
# 通过`p.data`修改，不会计数：[第02章](02_parameters.ipynb#cell-id=write-values-safely)里可以看到，由此得到的梯度是错的。加法不保存值，所以修改也无妨。

# %%
p = torch.tensor([2.0, 3.0], requires_grad=True)
plus = (p + 1).sum()
with torch.no_grad():
    p *= 10
plus.backward()
p.grad.tolist()

# %% [markdown] translates="184ff0fe"
# ## 损失的梯度
#
# 下面是一个有三个输出的线性层$z = xW + b$，和一个用于三道是非题的*损失函数*（loss function）。输出是*未规范化的预测*（logit）：这种得分可以是任何数。*sigmoid*函数$\sigma(z) = 1 / (1 + e^{-z})$把它变成答案为“是”的概率。*二元交叉熵*（binary cross-entropy）先求正确答案得到的概率，取对数，再取负；这里对三道题取均值。PyTorch的函数直接接受未规范化的预测，sigmoid由函数自己计算。
#
# `x @ weight`是向量（vector）与矩阵的乘积。先移到设备上，再调用`requires_grad_`，这样移动后的张量才是叶节点。

# %%
torch.manual_seed(0)
x, target = torch.ones(5).to(device), torch.zeros(3).to(device)
weight = torch.randn(5, 3).to(device).requires_grad_()
bias = torch.randn(3).to(device).requires_grad_()


def forward():
    z = x @ weight + bias  # (5,), (5, 3) -> (3,)
    return z, F.binary_cross_entropy_with_logits(z, target)


# %% [markdown] translates="608818d8"
# 输入有四个张量。图里会有几个叶节点？

# %% mystnb={"image": {"alt": "一张从左到右的图。从橙色框weight有一条线，经过两个蓝色框（一个是乘积，一个是squeeze），连到AddBackward0。从橙色框bias也有一条线连到AddBackward0。从那里有一条线连到BinaryCrossEntropyWithLogitsBackward0。"}} translates="dcea946f"
z, loss = forward()
print("z:", z.grad_fn.name())
print("loss:", loss.grad_fn.name())
draw_graph(loss, {"weight": weight, "bias": bias})
plt.show()

# %% [markdown] translates="f39eaad8"
# 有两个叶节点。`x`和`target`不需要梯度，所以不在图里。做乘积时，PyTorch先把`x`变成矩阵，再把结果压缩成向量。整个损失，连同sigmoid和对数，是一个运算。
#
# 偏置（bias）的梯度应该是$(\sigma(z) - \mathrm{target}) / 3$，权重（weight）第$i$行的梯度应该是前者的$x_i$倍。

# %%
weight.grad = bias.grad = None
_, loss_fresh = forward()
loss_fresh.backward()
delta = (z.sigmoid() - target).detach() / 3
assert_close(bias.grad, delta)
assert_close(weight.grad, torch.outer(x, delta))  # (5,), (3,) -> (5, 3)

# %% [markdown] translates="66be3051"
# ## 运行两次反向传播
#
# 在同一张图上运行两次`backward`，会怎样？

# %% tags=["raises-exception"]
_, loss_once = forward()
loss_once.backward()
loss_once.backward()

# %% [markdown] translates="bc3389e8"
# 第一次运行释放了各个运算保存的值。加法不保存值：它的偏导数是1。下面会报错吗？

# %%
start = torch.tensor(1.0, requires_grad=True)
plus_one = start + 1
plus_one.backward()
plus_one.backward()
start.grad.item()

# %% [markdown] translates="7bbbc16c"
# 没有报错，梯度1加了两次。
#
# 如果写`retain_graph=True`，`backward`会保留这些值。运行三次之后，`bias.grad`里会是什么？

# %%
bias.grad = None
_, loss_kept = forward()
for _ in range(3):
    loss_kept.backward(retain_graph=True)
assert_close(bias.grad, 3 * delta)

# %% [markdown] translates="f2b38e60"
# 是梯度的三倍：`backward`把结果加到`grad`上，清空要由你来做。

# %% [markdown] translates="994422de"
# ### 更新一步
#
# > **陷阱**。训练的一步要原地修改参数（parameter）。自动微分拒绝记录这种修改：如果记录，参数就成了由旧值算出的张量，不再是叶节点。

# %% tags=["raises-exception"]
parameter = torch.ones(3, requires_grad=True)
parameter -= 0.1

# %% [markdown] translates="5b991b10"
# 在`no_grad`里什么都不记录，也就允许修改。下面的函数从$t = 1$出发，沿$t^2$下降60步。


# %%
def descend(zero):
    t = torch.tensor(1.0, requires_grad=True)
    track = []
    for _ in range(60):
        if zero:
            t.grad = None
        (t * t).backward()
        with torch.no_grad():
            t -= 0.1 * t.grad
        track.append(t.item())
    return track


# %% [markdown] translates="4ba5ba5a"
# > **陷阱**。循环里如果忘记把梯度清零，每一步用的就是到这一步为止所有梯度之和。这不会报错。
#
# 哪个循环会停在最小值点0？

# %% mystnb={"image": {"alt": "两条曲线，画出t随步数的变化，步数从1到60。蓝色的每步清零，从0.8降向0，约20步以后一直贴着0。橙色的从不清零，直到最后都在大约1和-1之间摆动，接近1和接近-1各四次，幅度没有变小。"}} translates="cc881fe1"
zeroed, forgetful = descend(zero=True), descend(zero=False)
assert max(map(abs, zeroed[-20:])) < 0.001
assert max(map(abs, forgetful[-20:])) > 0.9
steps = range(1, 61)
plt.plot(steps, zeroed, label="zeroed in each step")
plt.plot(steps, forgetful, label="never zeroed")
plt.xlabel("step")
plt.ylabel("$t$")
plt.figlegend(loc="outside upper center", ncols=2)
plt.show()

# %% [markdown] translates="ceac4e11"
# 清零的那个会。另一个一次又一次越过0，因为旧的梯度仍然加在里面。`optimizer.zero_grad()`把每个`grad`设为`None`，和这里一样。

# %% [markdown] translates="9a95b8ff"
# ## 非标量变量的反向传播
#
# 下面把矩阵的每个元素$e$变成$(e + 1)^2$。

# %%
E = torch.eye(5, device=device, requires_grad=True)
out = (E + 1) ** 2  # (5, 5) -> (5, 5)
out[0].tolist()

# %% [markdown] translates="b6e29b25"
# 25个元素里，`backward`应该对哪个求导？

# %% tags=["raises-exception"]
out.backward()

# %% [markdown] translates="0049507d"
# `backward`无从知道，所以要用实参给出每个元素的权重。权重全是1时，每个$e$处应得到$2(e + 1)$；第二次调用之后应是两倍；清零再调用，又应是最初的数。

# %%
ones = torch.ones_like(out)
E.grad = None
for _ in range(2):
    out.backward(ones, retain_graph=True)
    print(E.grad[0].tolist())
E.grad = None
out.backward(ones, retain_graph=True)
assert_close(E.grad, 2 * (torch.eye(5, device=device) + 1))
print(E.grad[0].tolist())

# %% [markdown] translates="a4075d88"
# 权重为$v$时，`backward`对标量（scalar）$\sum_{ij} v_{ij}\, \mathrm{out}_{ij}$求导。`torch.autograd.grad`也是这样，但它返回梯度组成的元组，不改变`grad`。

# %%
torch.manual_seed(0)
v = torch.rand(5, 5).to(device)
(direct,) = torch.autograd.grad(out, E, v, retain_graph=True)
(by_sum,) = torch.autograd.grad((v * out).sum(), E, retain_graph=True)
assert_close(direct, by_sum)

# %% [markdown] translates="9f2c4993"
# 完整的导数是每个输出对每个输入的导数，叫*雅可比矩阵*（Jacobian）。`jacrev`由函数算出雅可比矩阵。它的形状（shape）会是什么？有多少个元素不是0？（`einsum`里的`"ij,ijkl->kl"`就是$\sum_{ij} v_{ij} J_{ijkl}$。）

# %%
J = torch.func.jacrev(lambda M: (M + 1) ** 2)(E.detach())
assert_close(torch.einsum("ij,ijkl->kl", v, J), direct)
tuple(J.shape), J.count_nonzero().item()

# %% [markdown] translates="b17e48b2"
# 625个元素里有600个是0，因为每个输出只取决于一个输入。`backward`不用构建雅可比矩阵，就能求出$v$与它的乘积。

# %% [markdown] translates="639f8ee7"
# ## 分离计算：停止记录
#
# 有四种方式可以停止记录，用处不同。
#
# | 方式 | 停止什么 | 用来做什么 |
# |---|---|---|
# | `torch.no_grad()` | 一段代码里的记录 | 修改参数 |
# | `torch.inference_mode()` | 同上；在里面创建的张量，以后也不进入图 | 评估和使用训练好的模型 |
# | `t.detach()` | 从一个张量往回的路 | 当作常数的值 |
# | `p.requires_grad_(False)` | 一个叶节点的梯度 | 冻结（freeze）参数 |
#
# 在`no_grad`下，结果不需要梯度，参数可以修改。

# %%
q = torch.tensor([1.0, 2.0], requires_grad=True)
with torch.no_grad():
    unrecorded = 2 * q
    q += 1
unrecorded.requires_grad, q.requires_grad, q.tolist()

# %% [markdown] translates="c5965d14"
# 在推断模式（inference mode）下也一样。“以后也不进入图”的意思是：出了这段代码，图也不能保存在里面创建的张量。下面的乘积却要保存这样一个张量，因为它就是对`q`的偏导数。`no_grad`的结果则可以保存。

# %% translates="f916158b"
with torch.inference_mode():
    inferred = 2 * q
(q * unrecorded).sum().backward()
try:
    (q * inferred).sum()
except RuntimeError as error:
    print(str(error).split(". ")[0])  # 后面是建议

# %% [markdown] translates="46881b63"
# `detach`给出同样的值，但没有往回的路。设$s = r \odot r$，再看按元素的乘积$s \odot r$。这个乘积的斜率是$3r^2$。如果把$s$分离出来，斜率还剩什么？

# %%
r = torch.arange(4.0, requires_grad=True)
s = r * r
(full,) = torch.autograd.grad((s * r).sum(), r)
(partial_slope,) = torch.autograd.grad((s.detach() * r).sum(), r)
assert_close(partial_slope, s.detach())
full.tolist(), partial_slope.tolist()

# %% [markdown] translates="95657761"
# 剩下的是当作常数的$s = r^2$。
#
# `requires_grad_(False)`针对参数，`no_grad`针对代码。如果冻结的层在要学习的层后面，就能看出区别。四个参数里，哪些会得到梯度？

# %%
torch.manual_seed(0)
X = torch.rand(2, 20).to(device)
frozen = nn.Sequential(nn.Linear(20, 8), nn.Linear(8, 1)).to(device)
frozen[1].requires_grad_(False)
frozen(X).sum().backward()
[name for name, p in frozen.named_parameters() if p.grad is not None]

# %% [markdown] translates="51ac24ed"
# 第一层的两个会：梯度穿过了冻结的层。如果把第二层放在`no_grad`里，就没有路回到第一层。（[第02章](02_parameters.ipynb#cell-id=freeze-a-layer)冻结网络的一部分，训练其余部分。）

# %%
H = frozen[0](X)  # (2, 20) -> (2, 8)
with torch.no_grad():
    blocked = frozen[1](H)  # (2, 8) -> (2, 1)
frozen(X).requires_grad, blocked.requires_grad

# %% [markdown] translates="9e989114"
# 不记录时，前向传播（forward computation）得到同样的数。

# %% translates="218dc0c3"
torch.manual_seed(0)
torch.set_num_threads(1)
deep = nn.Sequential(*(nn.Linear(20, 20) for _ in range(30))).to(device)
modes = (torch.enable_grad, torch.no_grad, torch.inference_mode)


def forward_in(mode):
    with mode():
        return deep(X).sum().item()  # item会等GPU算完


for mode in modes:
    assert_close(forward_in(mode), deep(X).sum().item())

# %% [markdown] translates="b21523f0"
# 不记录，用的时间会少些吗？下面的数以微秒为单位，各是五次测量的中位数。

# %% tags=["nbval-ignore-output"] translates="b41ef0af"
times = {mode.__name__: [] for mode in modes}
for mode in modes * 5:  # 轮流测量，使其他程序的干扰对各方式都一样
    seconds = timeit("forward_in(mode)", number=100, globals=globals())
    times[mode.__name__].append(1e6 * seconds / 100)
{name: round(median(each)) for name, each in times.items()}

# %% [markdown] translates="b6bc1132"
# 在制作本页的机器上，时间确实少些。

# %% [markdown] translates="f44ff931"
# ## 再求几个梯度
#
# 对向量$r$，$2\, r \cdot r$的梯度是$4r$。

# %%
r = torch.arange(4.0, requires_grad=True)
(2 * r.dot(r)).backward()
assert_close(r.grad, 4 * r.detach())
r.grad

# %% [markdown] translates="d8fb5afc"
# ### Python控制流的梯度计算
#
# 下面的函数翻倍几次、走哪个分支，都取决于`a`。


# %%
def f(a):
    b = 3 * a
    while b.abs() < 500:
        b = 2 * b
    return b if b > 0 else 10 * b


# %% [markdown] translates="0b432d1f"
# 不管走哪条路，它都是把$a$乘以某个数$k$，而$k$就是斜率。所以梯度应该是$f(a)/a$。（不要取$a = 0$：0翻倍多少次都还是0，循环不会结束。）

# %%
for value in (100.0, 1.0, 0.01, -1.0):
    point = torch.tensor(value, requires_grad=True)
    result = f(point)
    result.backward()
    assert_close(point.grad, (result / point).detach())
    print(f"f'({value:g}) = {point.grad.item():g}")

# %% [markdown] translates="4ba6e384"
# ### 一个函数和它的斜率
#
# 要在一次调用里得到200个斜率，就对200个输出之和求导，因为每个输出只取决于一个输入。在函数下降的地方，斜率应该小于0。

# %% mystnb={"image": {"alt": "x从-4到4的两条曲线。蓝色的是GELU，左边接近0，在x = -0.75附近降到约-0.17，在x = 0处经过0，然后几乎沿直线升到4。橙色的是它的斜率，左边接近0，在x = -1.4附近降到约-0.13，在GELU取最小值处越过0，在x = 0处是0.5，在x = 1.4附近升到约1.13，然后降到1。"}} translates="23ae59e2"
grid = torch.linspace(-4, 4, 200, requires_grad=True)
curve = F.gelu(grid)
curve.sum().backward()
assert (grid.grad[:-1][curve.diff() < 0] < 0).all()  # 曲线下降的地方
plt.plot(grid.detach(), curve.detach(), label="GELU")
plt.plot(grid.detach(), grid.grad, label="its slope, by autograd")
plt.xlabel("$x$")
plt.grid()
plt.legend()
plt.show()

# %% [markdown] translates="0b80ae66"
# ## 动态图和静态图
#
# PyTorch的图是*动态*（dynamic）的：每次调用都记录自己做了什么。`graph_of`把一个张量的图作为数据返回，`len`数出图里节点的个数。给`f`三个不同的实参，哪个实参的图节点最多？

# %%
points = [torch.tensor(v, requires_grad=True) for v in (100.0, 1.0, 0.01)]
[len(graph_of(f(point))) for point in points]

# %% [markdown] translates="6d23d5e9"
# 最小的那个最多：16个乘积和一个叶节点。图里没有循环。
#
# *静态*（static）图只构建一次，以后供多次调用使用。`symbolic_trace`不用数据就能构建：它用*代理*（proxy）运行一次`forward`；代理是代替输入的对象，会记录对它做的运算。对MLP，它会列出哪些运算？

# %%
torch.manual_seed(0)
mlp = MLP().to(device)
traced = fx.symbolic_trace(mlp)
assert_close(traced(X), mlp(X))
assert traced(X).requires_grad
for node in traced.graph.nodes:
    print(node.op, node.name)

# %% [markdown] translates="d4bda5d5"
# 它列出的是前向传播的步骤。静态图能整个读出来，也就能改写：这里把每个ReLU换成tanh，类的代码不变。

# %% translates="ea8a1a2a"
edited = fx.symbolic_trace(mlp)
for node in edited.graph.nodes:
    if node.target is F.relu:
        node.target = torch.tanh
        node.kwargs = {}  # tanh不接受ReLU的inplace=False
edited.recompile()
assert_close(edited(X), mlp.out(mlp.hidden(X).tanh()))

# %% [markdown] translates="b4dac46b"
# 但代理没有值。第01章的`FixedHiddenMLP`会把输出反复减半，直到足够小。能追踪（trace）它吗？

# %% tags=["raises-exception"]
fx.symbolic_trace(FixedHiddenMLP())

# %% [markdown] translates="eed8e696"
# 不能：遇到第一行要靠值来决定走哪条路的代码，追踪就停下。代理的形状同样没有值。

# %% [markdown] translates="b59ca354"
# ## 编译运行到的代码
#
# 函数调用时，`torch.compile`观察它怎样运行，由此得到静态图；*后端*（backend）再把图变成更快的代码。函数在哪里要用张量的值，一张图就在哪里结束（这叫*图中断*，graph break），由Python来决定，然后开始另一张图。下面的后端数一数有几张图，并照原样运行这些图：它不需要编译器。（如果`torch.compile`还不支持你的Python，计数一直是0。）

# %% translates="db2dd034"
graphs = []


def count_graphs(graph, examples):
    graphs.append(graph)
    return graph.forward


def compiled(function):
    torch.compiler.reset()  # 丢掉以前的图
    graphs.clear()
    try:
        return torch.compile(function, backend=count_graphs)
    except RuntimeError:
        return function


# %% [markdown] translates="b12e4cc4"
# 这个函数调用一次之后，有几张图？再调用一次呢？第三次调用走另一条路，又有几张？


# %%
def shift(X):
    Y = 2 * X
    return Y + 1 if Y.sum() > 0 else Y - 1


shift_compiled = compiled(shift)
for X_signed in (torch.ones(3), torch.ones(3), -torch.ones(3)):
    assert_close(shift_compiled(X_signed), shift(X_signed))
    print(len(graphs))

# %% [markdown] translates="48cf30d1"
# 两张，`if`之前一张，之后一张；还是这两张；另一条路又添了第三张。图也是按形状建的。四个长度，一共五次调用，要几张图？

# %%
doubled = compiled(lambda X: 2 * X)
for n in (3, 3, 4, 5, 6):
    doubled(torch.ones(n))
    print(n, len(graphs))

# %% [markdown] translates="50eaec4d"
# 遇到第二个长度时，PyTorch建的图，别的长度也能用，只要长度不小于2。
#
# > **陷阱**。编译后的模块是另一个模块，包在你的模块外面，状态字典（state dict）里的名字也不同。要保存你自己的模块的状态字典。或者用方法`compile`原地编译：名字不变。

# %%
around = compiled(mlp)
print(next(iter(around.state_dict())))
mlp.compile(backend=count_graphs)
print(next(iter(mlp.state_dict())))

# %% [markdown] translates="04609f83"
# ### 导出一张图
#
# `torch.export`用一个示例输入，把整个模块导出（export）成一张图，拿到别处运行，不需要你的Python代码：如果`if`取决于值，在那里就没有谁来决定。`torch.cond`把两条路都放进图里。（下面的函数怎样让PyTorch不显示报告，可以跳过。）


# %%
def export(module, example):
    logging.disable()
    try:
        with redirect_stderr(io.StringIO()):
            return torch.export.export(module, (example,)).module()
    except RuntimeError:
        return None
    finally:
        logging.disable(logging.NOTSET)


# %% [markdown] translates="f26e6d7a"
# 下面两个模块，哪个能导出？


# %%
class Shift(nn.Module):
    def forward(self, X):
        return shift(X)


class ShiftByCond(nn.Module):
    def forward(self, X):
        Y = 2 * X
        ways = lambda Y: Y + 1, lambda Y: Y - 1
        return torch.cond(Y.sum() > 0, *ways, (Y,))


print("if:", export(Shift(), torch.ones(3)))
both_ways = export(ShiftByCond(), torch.ones(3))
[both_ways(X_signed).tolist() for X_signed in (torch.ones(3), -torch.ones(3))]

# %% [markdown] translates="a720a1d5"
# 用`torch.cond`的那个：导出时的输入全是1，换成走另一条路的输入，结果也对。取决于形状的`if`也能导出：图里是示例所走的路。除非你指明某个维度是动态的，否则导出的图拒绝别的形状。


# %%
class MeanOfMany(nn.Module):
    def forward(self, X):
        return X.mean(dim=0) if X.shape[0] > 1 else X[0]


mean_of_four = export(MeanOfMany(), torch.ones(4, 2))
try:
    mean_of_four(torch.ones(1, 2))
except (RuntimeError, AssertionError):
    print("another shape")

# %% [markdown] translates="04014bef"
# ## 不止一阶导数
#
# 写`create_graph=True`，往回走的计算也会记录下来，可以再求导。对$u^3$，在$u = 3$处，应得到$3u^2 = 27$和$6u = 18$。

# %%
u = torch.tensor(3.0, requires_grad=True)
(first,) = torch.autograd.grad(u**3, u, create_graph=True)
(second,) = torch.autograd.grad(first, u)
first.item(), second.item()

# %% [markdown] translates="3837b58d"
# `backward`从一个输出出发，求出它对每个输入的偏导数。*前向模式*（forward mode）从一个输入出发往前算，每算出一个值，也同时算出它对这个输入的偏导数：如果输入是一个数，输出有许多，调用一次`jvp`（雅可比矩阵乘以向量）就够了。它接受一个点和一个方向。

# %% translates="b2b0e260"
warnings.filterwarnings("ignore", "`torch.jit")  # PyTorch 2.14的jvp会警告
turn = torch.tensor(0.5)
values, slopes_forward = torch.func.jvp(
    lambda t: torch.stack([t.cos(), t.sin()]), (turn,), (torch.tensor(1.0),)
)
assert_close(slopes_forward, torch.stack([-turn.sin(), turn.cos()]))
values.tolist(), slopes_forward.tolist()

# %% [markdown] translates="94832d2f"
# ### 自定义反向传播
#
# 有时图是对的，数却不对。函数$\log(1 + e^x)$的斜率是$\sigma(x)$，在0处是0.5，在100处是1（不计舍入误差）。自动微分会给出什么？

# %%
at = torch.tensor([0.0, 100.0], requires_grad=True)
naive = (1 + at.exp()).log()
(slope,) = torch.autograd.grad(naive.sum(), at)
[round(n, 3) for n in naive.tolist()], slope.tolist()

# %% [markdown] translates="b2cfb623"
# 在100处给出`nan`：用float32时，$e^{100}$是无穷大，链式法则把0乘以无穷大。在`autograd.Function`里，前向和反向都由你来写：`forward`计算$\max(x, 0) + \log(1 + e^{-|x|})$，数值与原来的式子相等；`backward`把传来的梯度乘以斜率。`ctx`保存`backward`要用的东西。要通过`apply`调用这个函数。


# %%
class Softplus(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        ctx.save_for_backward(X)
        return X.clamp(min=0) + (-X.abs()).exp().log1p()

    @staticmethod
    def backward(ctx, grad):
        (X,) = ctx.saved_tensors
        return grad * X.sigmoid()


stable = Softplus.apply(at)
(slope_stable,) = torch.autograd.grad(stable.sum(), at)
[round(s, 3) for s in stable.tolist()], slope_stable.tolist()

# %% [markdown] translates="acd26e36"
# 自己写的`backward`可能是错的，却不报错。`gradcheck`（[第03章](03_custom_layers.ipynb#cell-id=check-a-layer)）让输入有微小变化，用双精度算出斜率，再与`backward`的结果比较。下面第二个函数是平方，其中一个因子分离了出来。哪个能通过？

# %%
torch.manual_seed(0)
numbers = torch.randn(10, dtype=torch.float64, requires_grad=True)
for checked in (Softplus.apply, lambda t: t.detach() * t):
    print(torch.autograd.gradcheck(checked, numbers, raise_exception=False))

# %% [markdown] translates="3d66c0d8"
# Softplus通过。对平方，自动微分给出$t$，微小变化给出$2t$。

# %% [markdown] translates="a60db066"
# ## 小结
#
# - 沿每条路径把偏导数相乘，再对各条路径求和，就是梯度。`backward`走一遍就能算出。
# - `grad_fn`是产生张量的运算；顺着`next_functions`可以走到叶节点。不需要梯度的输入不在图里。
# - `backward`会释放图保存的值：第二次运行时，如果要用保存的值，就会失败。它把结果加到`grad`上：每一步都要把梯度清零。
# - 输出不是标量时，要向`backward`传入权重。
# - 图保存它要用的值，存的是引用。如果保存的值原地修改过，`backward`会拒绝。
# - 修改参数用`no_grad`，评估用`inference_mode`，当作常数用`detach`，冻结用`requires_grad_(False)`。
# - 图只属于一次调用。静态图可以读取和改写，但如果`if`或`while`的条件是张量的值，`symbolic_trace`会拒绝。
# - 遇到取决于值的`if`，`torch.compile`会建几张图；遇到第二种形状，再建一张。`torch.export`只建一张：它拒绝这种`if`，接受`torch.cond`。
# - 前向模式一次求出所有输出对一个输入的偏导数。
# - `autograd.Function`可以替换梯度；要用`gradcheck`检查。

# %% [markdown] translates="b4e5231c"
# ## 练习
#
# 把答案写在每个`...`的位置，运行这个单元格，再运行下面的检查。检查会说出缺了什么，并给出一个通不过的例子；它不会改动你的任何东西。检查要用到前面的单元格：隔了一阵再来做时，先选中检查，再依次点*Run*、*Run All Above Selected Cell*。完整的解答在[另外一页](solutions/05_autograd.ipynb)上。

# %%
from d2l_helpers import check

# %% [markdown] translates="480e5bf0"
# ### 5.1 手工推算更大的图
#
# *编程，25分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-1)
#
# 画出$y = (\log x^2) \sin x + 1/x$的图，在每条边上写出用$x$表示的偏导数。$x^2$算一个节点，从$x$到它有一条边。把$dy/dx$写成若干项之和，从$x$到$y$的每条路径对应一项：写一个函数，返回这些项。在$x = 1, 2, 3$处与自动微分的结果核对；再把你的图与`draw_graph`画的图比较：你的图里有一条边，在那张图里对应两个运算。是哪一条？


# %% translates="e68e4e2c"
def path_products(x):
    """dy/dx的各项：每条路径上偏导数的乘积。"""
    # 一个数x > 0 -> 数的列表
    ...


# 写出这条边终点的值："x^2"、"log"、"sin"、"product"、"1/x"或"y"。
two_operations = ...

# %%
check.larger_graph_by_hand(path_products, two_operations)

# %% [markdown] translates="32521a58"
# ### 5.2 向量通过控制流
#
# *编程，15分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-2)
#
# 改写`f`，让它接受形状为$(n,)$的向量：先把向量乘以3，再反复翻倍，直到*范数*（norm）至少是500，最后根据各元素的*和*选择分支。如果和大于0，就返回这时的向量，否则返回它的10倍。要给`backward`传什么，`a.grad`里才是每个元素的导数？按元素来看，梯度仍然是$f(a)/a$吗？为什么？用不含0的向量检查。


# %% translates="7c181bd6"
def f_of_vector(a):
    """翻倍，直到范数至少是500，再根据各元素的和选择分支。"""
    # (n,) -> (n,)
    ...


def weights_for(result):
    """要传的东西：`result.backward(weights_for(result))`。"""
    # (n,) -> (n,)
    ...


still_quotient = ...  # True或False

# %%
check.vector_through_control_flow(f_of_vector, weights_for, still_quotient)

# %% [markdown] translates="d8dfe80c"
# ### 5.3 不写公式求导数
#
# *编程，15分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-3)
#
# 写一个函数，它接受任何一元光滑函数，例如`torch.sin`，用自动微分求一阶和二阶导数，一次调用就求出许多点处的值。用它画出$\sin x$和两个导数，范围从$-2\pi$到$2\pi$，不写`cos`。不计舍入误差，二阶导数必须等于$-\sin x$。


# %% translates="52fec297"
def two_slopes(function, x):
    """函数在每个x处的一阶和二阶导数。"""
    # 需要梯度的(n,) -> (n,), (n,)
    ...


# %%
check.slopes_without_a_formula(two_slopes)

# %% [markdown] translates="d922ff09"
# ### 5.4 用乘积求雅可比矩阵
#
# *编程，15分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-4)
#
# 对形状为$(4,)$的向量做`torch.softmax`，调用四次`torch.autograd.grad`，每次用不同的权重向量，构建$(4, 4)$的雅可比矩阵。与`jacrev`的结果比较。把这种做法写成一个函数，对任何以向量为自变量的函数都适用。从$(n,)$到$(m,)$的函数，需要调用几次？


# %% translates="b333c7f2"
def jacobian(function, x):
    """第i行：输出的第i个元素的梯度。"""
    # 需要梯度的(n,) -> (m, n)
    ...


calls = ...  # "n"、"m"、"n + m"或"n * m"

# %%
check.jacobian_by_products(jacobian, calls)

# %% [markdown] translates="dad838a3"
# ### 5.5 二阶导数的代价
#
# *探索，20分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-5)
#
# 对`u.sin().exp()`，用`graph_of`数一数：函数值、一阶、二阶和三阶导数各有多少个节点。写一个函数，对由某个`u`算出的任何值都能这样数。解释个数怎样增长，以及这对内存意味着什么。


# %% translates="fd678750"
def count_nodes(value, u):
    """值的节点数，和它前三阶导数的节点数。"""
    # 两个张量，各含一个数 -> 四个数的列表
    ...


# 从一阶导数到下一阶，增加的节点越来越少（"fewer and fewer"）、
# 一样多（"the same number"），还是越来越多（"more and more"）？
added = ...

# %%
check.what_second_derivatives_cost(count_nodes, added)

# %% [markdown] translates="45164338"
# ### 5.6 自定义函数
#
# *编程，20分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-6)
#
# 写一个`autograd.Function`，在`forward`里舍入，在`backward`里把梯度原样往回传。在舍入有斜率的地方，真正的斜率是多少？你的`backward`声称的斜率是多少？`gradcheck`会说什么？为什么权重为整数的网络要有这样的函数才能学习？设只有一个权重$w = 0.3$，损失是$(\mathrm{round}(w) - 3)^2$：训练一步，用哪一种舍入能移动这个权重，`torch.round`还是你的？先预测。


# %% translates="689872f5"
class StraightRound(torch.autograd.Function):
    """舍入；往回传时，就像什么都没做过。"""

    @staticmethod
    def forward(ctx, X):
        # 任何形状，输出同一形状；X本身不变
        ...

    @staticmethod
    def backward(ctx, grad):
        # X的形状，输出同一形状
        ...


round_slopes = {"true": ..., "claimed": ...}  # 数
gradcheck_passes = ...  # True或False，对StraightRound.apply
moves = {"torch.round": ..., "StraightRound.apply": ...}  # True或False

# %%
check.function_of_your_own(
    StraightRound, round_slopes, gradcheck_passes, moves
)

# %% [markdown] translates="b9f822b9"
# ### 5.7 丢失的叶节点
#
# *思考，15分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-7)
#
# `t = torch.ones(2, requires_grad=True).double()`是叶节点吗？运行`t.sum().backward()`之后，梯度在哪里？让`t`成为叶节点。同样的错误出在`.to(device)`上时，为什么只在GPU上才看得出来？设`ones`是`torch.ones(2, requires_grad=True)`，在CPU上，类型是float32。预测`ones.double()`、`ones.float()`、`ones.to("cpu")`和`ones.to("cuda")`里，哪些是叶节点。


# %% translates="96b460cb"
def make_t():
    """双精度的两个1：能得到梯度的叶节点。"""
    # -> (2,)
    ...


gradient_in = ...  # "t"或"ones"
is_leaf = {"double": ..., "float": ..., "cpu": ..., "cuda": ...}  # True、False

# %%
check.leaf_that_got_lost(make_t, gradient_in, is_leaf)

# %% [markdown] translates="3fe9e020"
# ### 5.8 越来越大的日志
#
# *探索，20分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-8)
#
# 训练一个权重，一共100步，每步都做`total = total + loss`，好在最后打印均值：`w`从0开始，`total`也是；损失是`(w - 3) ** 2`；每一步减去梯度的0.1倍。每步之后用`graph_of`数一数`total`的节点。什么留在了内存里？对`loss`调用什么可以修好？把修好的循环写成函数`train(loss_of, steps)`，其中每次调用`loss_of(w)`都返回下一步的损失。


# %% translates="a0f09ffd"
def train(loss_of, steps):
    """用`loss = loss_of(w)`训练w，日志不会越来越大。"""
    # -> 最后一步之后的w，和损失的均值
    ...


log_nodes = {1: ..., 2: ..., 100: ...}  # 这么多步之后`total`的节点数

# %%
check.log_that_grows(train, log_nodes)

# %% [markdown] translates="6a559d85"
# ### 5.9 会放行的截断
#
# *编程，25分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-9)
#
# `torch.clamp`把数限制在上下限之间。权重在界限之外时，`torch.clamp`的斜率是0，所以训练的任何一步都不会把权重带回来。写一个`Clamp`：`forward`与`torch.clamp`做的一样；`backward`对界限以内的元素，把梯度往回传。对界限之外的元素，如果逆着梯度走一步，会向界限靠近，就把梯度往回传，否则传0。正好在界限上的，算作以内。三个输入里，只有`X`有梯度。设权重$w = 3$，界限是0和1，损失是$(\mathrm{clamp}(w) - 0.5)^2$。预测：用哪种截断，训练走一步会移动权重？


# %% translates="4fc44aae"
class Clamp(torch.autograd.Function):
    """截断；在界限之外，让往回走的梯度通过。"""

    @staticmethod
    def forward(ctx, X, low, high):
        # 任意形状，和两个数 -> X的形状
        ...

    @staticmethod
    def backward(ctx, grad):
        # X的形状 -> forward的每个输入一个梯度
        ...


clamp_moves = {"torch.clamp": ..., "Clamp.apply": ...}  # True或False

# %%
check.clamp_that_lets_go(Clamp, clamp_moves)

# %% [markdown] translates="249f156f"
# ### 5.10 一张图在哪里结束
#
# *思考，10分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-10)
#
# 下面每一行写的，都是一个编译后的函数对`X`返回什么。预测：每个函数用`torch.ones(3)`调用一次之后，`torch.compile`建了几张图？再用正文的`compiled`数一数。有几行要由Python在两张图之间作决定：其中哪些可以改成不用Python？怎样改？

# %%
number_of_graphs = {
    "(2 * X).sin().sum()": ...,
    "2 * X if len(X) > 2 else 3 * X": ...,
    "2 * X if X.sum() > 0 else 3 * X": ...,
    "2 * X if X.sum() > 0 and X.max() > 0 else 3 * X": ...,
    "2 * X if torch.is_grad_enabled() else 3 * X": ...,
    "torch.where(X.sum() > 0, 2 * X, 3 * X)": ...,
}

# %%
check.where_a_graph_ends(number_of_graphs)

# %% [markdown] translates="5fad037e"
# ### 5.11 逐列求雅可比矩阵
#
# *编程，15分钟。*
# [解答](solutions/05_autograd.ipynb#cell-id=exercise-5-11)
#
# 练习5.4用`backward`逐行构建雅可比矩阵。现在用前向模式，由`jvp`的多次调用来构建；函数可以是任意的，只要输入是形状为$(n,)$的向量。一次调用给出什么？从$(n,)$到$(m,)$的函数，要调用几次？由一千个权重算出损失，用哪种方式调用的次数少？由一个数算出一千个输出，又是哪种少？


# %% translates="0bda15d3"
def jacobian_forward(function, x):
    """第j列：所有输出怎样随输入的第j个元素变化。"""
    # (n,) -> (m, n)
    ...


forward_calls = ...  # "n"、"m"、"n + m"或"n * m"
fewer = {"a loss": ..., "one number": ...}  # "forward"或"backward"

# %%
check.jacobian_by_columns(jacobian_forward, forward_calls, fewer)

# %% [markdown] translates="7798516c"
# ## 接下来读什么
#
# [第03章](03_custom_layers.ipynb#cell-id=keep-the-parameters-in-the-graph)讲一个层切断计算图时会出什么错。[计算设备：同一份代码，CPU和GPU都能跑](06_devices.ipynb)把计算移到GPU上。[可复现性：重现一次训练，查看网络内部](09_reproducibility.ipynb)在梯度往回传的途中读取梯度，并找出第一个`nan`。[内存与深度：训练占多少内存，深层网络怎样初始化](10_memory.ipynb)统计一张图保存了多少东西。[首页](index.md)列出了所有章。
