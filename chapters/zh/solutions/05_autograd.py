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

# %% [markdown] translates="db176580"
# # 第05章 解答
#
# 这里是[自动微分：沿计算图追踪梯度](../05_autograd.ipynb)各道练习的解答，每道前面附有题目。先在那一页自己做，卡住了再来看。

# %%
import math
from itertools import pairwise

import torch
from matplotlib import pyplot as plt
from torch.autograd import grad, gradcheck
from torch.func import jacrev, jvp, vmap
from torch.testing import assert_close

from d2l_helpers import check, draw_graph, graph_of, use_style

use_style()

# %% [markdown]
# ## 5.1 手工推算更大的图
#
# *编程，25分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-1)
#
# 画出$y = (\log x^2) \sin x + 1/x$的图，在每条边上写出用$x$表示的偏导数。$x^2$算一个节点，从$x$到它有一条边。把$dy/dx$写成若干项之和，从$x$到$y$的每条路径对应一项：写一个函数，返回这些项。在$x = 1, 2, 3$处与自动微分的结果核对；再把你的图与`draw_graph`画的图比较：你的图里有一条边，在那张图里对应两个运算。是哪一条？

# %% [markdown] translates="1f125ba9"
# **思路**。图有八条边。
#
# | 边 | 偏导数 |
# |---|---|
# | 从$x$到$x^2$ | $2x$ |
# | 从$x^2$到$\log x^2$ | $1/x^2$ |
# | 从$\log x^2$到乘积 | $\sin x$ |
# | 从$x$到$\sin x$ | $\cos x$ |
# | 从$\sin x$到乘积 | $\log x^2$ |
# | 从$x$到$1/x$ | $-1/x^2$ |
# | 从乘积到$y$ | 1 |
# | 从$1/x$到$y$ | 1 |
#
# 从$x$到$y$有三条路径：经过对数，经过正弦，经过$1/x$。
#
# $$\frac{dy}{dx} = 2x \cdot \frac{1}{x^2} \cdot \sin x + \cos x \cdot \log x^2
# - \frac{1}{x^2}$$


# %%
def path_products(x):
    return [
        2 * x * (1 / x**2) * math.sin(x),
        math.cos(x) * math.log(x**2),
        -1 / x**2,
    ]


two_operations = "1/x"

# %%
check.larger_graph_by_hand(path_products, two_operations)

# %% [markdown] translates="f49b6b19"
# 这个和就是梯度。在$x = 1$处第二项是0，所以只在那里检查，会漏掉第二项里的错误。

# %%
x = torch.tensor([1.0, 2, 3], requires_grad=True)
y = (x**2).log() * x.sin() + 1 / x
(slopes,) = grad(y.sum(), x)
sums = [sum(path_products(value)) for value in (1, 2, 3)]
assert_close(slopes, torch.tensor(sums))

# %% [markdown] translates="4a7f1ae7"
# 在PyTorch的图里，沿着线从`x`走到加法。手工图里的哪条边，在这里占两个框？

# %% mystnb={"image": {"alt": "一张从左到右的图。三条线从橙色框x出发。上面一条经过PowBackward0和LogBackward0，中间一条经过SinBackward0，两条会合于一个MulBackward0。下面一条经过ReciprocalBackward0和另一个MulBackward0。两个MulBackward0都连到AddBackward0。"}} translates="e7a5fffb"
x1 = torch.tensor(1.0, requires_grad=True)
draw_graph((x1**2).log() * x1.sin() + 1 / x1, {"x": x1})
plt.show()

# %% [markdown] translates="354c6455"
# 从$x$到$1/x$的边占两个框：PyTorch先算倒数，再乘以1。
#
# **另一种做法**。`detach`能关闭一条路径。只留一条，其余的都关闭，自动微分给出的就是这条路径上的乘积。

# %%
x2 = torch.tensor(2.0, requires_grad=True)
log, sin = (x2**2).log(), x2.sin()
ends = (log * sin.detach(), log.detach() * sin, 1 / x2)
terms = [grad(end, x2, retain_graph=True)[0].item() for end in ends]
assert_close(terms, path_products(2), rtol=1e-5, atol=0)

# %% [markdown]
# ## 5.2 向量通过控制流
#
# *编程，15分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-2)
#
# 改写`f`，让它接受形状为$(n,)$的向量：先把向量乘以3，再反复翻倍，直到*范数*（norm）至少是500，最后根据各元素的*和*选择分支。如果和大于0，就返回这时的向量，否则返回它的10倍。要给`backward`传什么，`a.grad`里才是每个元素的导数？按元素来看，梯度仍然是$f(a)/a$吗？为什么？用不含0的向量检查。

# %% [markdown] translates="dfe9ea05"
# **思路**。条件需要一个数：循环里是范数，分支里是和。不管走哪条路，函数都是把向量乘以一个数$k$。结果的第$i$个元素是$k a_i$：它对$a_i$的导数是$k$，对其余元素的导数是0。`backward`要有每个元素的权重；权重全是1，得到的就是每个导数本身。梯度仍然是商，$ka/a = k$。


# %%
def f_of_vector(a):
    b = 3 * a
    while b.norm() < 500:
        b = 2 * b
    return b if b.sum() > 0 else 10 * b


def weights_for(result):
    return torch.ones_like(result)


still_quotient = True

# %%
check.vector_through_control_flow(f_of_vector, weights_for, still_quotient)

# %% [markdown] translates="0969dbdc"
# 下面有三个向量，其中第二个走另一个分支：

# %%
for numbers in ([20.0, 40, -5], [-1.0, 0.5, -2], [300.0, 200]):
    a = torch.tensor(numbers, requires_grad=True)
    result = f_of_vector(a)
    result.backward(weights_for(result))
    assert_close(a.grad, (result / a).detach())
    print(numbers, a.grad.tolist())

# %% [markdown] translates="03a9cb5a"
# 雅可比矩阵（Jacobian）说明了原因：对角线上是$k$，其余是0。

# %%
jacrev(f_of_vector)(torch.tensor([20.0, 40]))

# %% [markdown] translates="b3687d58"
# **边界情况**。在翻倍次数改变的地方，函数有跳跃，没有导数。自动微分察觉不到：它只知道这次调用走过的路。

# %%
for value in (41.6, 41.7):
    a = torch.tensor([value], requires_grad=True)
    result = f_of_vector(a)
    print(
        f"f({value}) = {result.item():.1f}, slope", grad(result, a)[0].item()
    )

# %% [markdown]
# ## 5.3 不写公式求导数
#
# *编程，15分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-3)
#
# 写一个函数，它接受任何一元光滑函数，例如`torch.sin`，用自动微分求一阶和二阶导数，一次调用就求出许多点处的值。用它画出$\sin x$和两个导数，范围从$-2\pi$到$2\pi$，不写`cos`。不计舍入误差，二阶导数必须等于$-\sin x$。

# %% [markdown] translates="ceb9e783"
# **思路**。每个输出只取决于自己的输入，所以对输出之和求梯度，就得到全部导数。写`create_graph=True`，这些导数也有了图，可以用同样的方法再求导。


# %%
def two_slopes(function, x):
    (first,) = grad(function(x).sum(), x, create_graph=True)
    (second,) = grad(first.sum(), x)
    return first.detach(), second


# %%
check.slopes_without_a_formula(two_slopes)

# %% [markdown] translates="42caab8e"
# 用双精度时，二阶导数等于$-\sin x$，精确到14位。

# %% mystnb={"image": {"alt": "x从-6.28到6.28的三条波形曲线，都在-1和1之间。蓝色的是正弦。橙色的是它的一阶导数，在x = 0处是1，领先四分之一个波。蓝色虚线是它的二阶导数，是上下颠倒的正弦。"}} translates="619aea60"
angles = torch.linspace(-2 * math.pi, 2 * math.pi, 201, dtype=torch.double)
sine = angles.sin()
first, second = two_slopes(torch.sin, angles.requires_grad_())
assert_close(second, -sine, rtol=0, atol=1e-14)
plt.plot(angles.detach(), sine, label="sine")
plt.plot(angles.detach(), first, label="first derivative")
plt.plot(angles.detach(), second, "C0--", label="second derivative")
plt.xlabel("$x$")
plt.figlegend(loc="outside upper center", ncols=3)
plt.show()

# %% [markdown] translates="224a7b1b"
# **陷阱**。用微小变化也能算出导数，但没有那么精确：相减的数几乎相等，差里剩下的有效数字很少。

# %%
h = 1e-4
with torch.no_grad():
    rough = ((angles + h).sin() - 2 * sine + (angles - h).sin()) / h**2
error = (rough + sine).abs().max()
assert 1e-10 < error < 1e-6

# %% [markdown] translates="eabdb46f"
# **边界情况**。直线的斜率不取决于$x$。这个斜率没有图，再调用一次`grad`就会报错。

# %%
(flat,) = grad((2 * angles).sum(), angles, create_graph=True)
flat.requires_grad

# %% [markdown]
# ## 5.4 用乘积求雅可比矩阵
#
# *编程，15分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-4)
#
# 对形状为$(4,)$的向量做`torch.softmax`，调用四次`torch.autograd.grad`，每次用不同的权重向量，构建$(4, 4)$的雅可比矩阵。与`jacrev`的结果比较。把这种做法写成一个函数，对任何以向量为自变量的函数都适用。从$(n,)$到$(m,)$的函数，需要调用几次？

# %% [markdown] translates="b8448b3f"
# **思路**。调用一次`grad`，就是把权重作为行向量，与雅可比矩阵相乘。如果第$i$个权重是1，其余是0，取出的就是第$i$行，也就是第$i$个输出的梯度。一行与输入一样长，行数与输出的个数相同：不管$n$是多少，都要调用$m$次。损失是一个数，所以对它调用一次就够了。


# %% translates="4d9af5d8"
def jacobian(function, x):
    y = function(x)
    rows = [
        grad(y, x, weights, retain_graph=True)[0]
        for weights in torch.eye(len(y)).to(y)  # 转到y的设备和类型
    ]
    return torch.stack(rows)  # m个(n,) -> (m, n)


calls = "m"

# %%
check.jacobian_by_products(jacobian, calls)

# %% [markdown] translates="83109050"
# 对softmax，结果与`jacrev`相同，也符合公式：对角线上是$p_i (1 - p_i)$，其余是$-p_i p_j$。


# %%
def softmax(x):
    return torch.softmax(x, dim=0)


logits = torch.tensor([0.0, 1, 0, 2], requires_grad=True)
J, p = jacobian(softmax, logits), softmax(logits).detach()
assert_close(J, jacrev(softmax)(logits.detach()))
assert_close(J, p.diag() - p.outer(p))

# %% [markdown] translates="742091cb"
# **陷阱**。这个雅可比矩阵是对称的：把行错写成列，也能通过这样的检验。要用$n \neq m$的函数再试。

# %%
assert_close(J, J.T)
jacobian(lambda x: x.cumsum(0)[1:], logits)

# %% [markdown] translates="2e832e62"
# **另一种做法**。`is_grads_batched`一次接受所有权重向量，各行一起算。

# %%
eye = torch.eye(4)
(rows,) = grad(softmax(logits), logits, eye, is_grads_batched=True)
assert_close(rows, J)

# %% [markdown] translates="b4b873aa"
# **边界情况**。权重全是1，就是把各行相加。对softmax，结果是0：不管输入是什么，各个输出之和都是1，所以这个和的导数是0。

# %%
(of_sum,) = grad(softmax(logits), logits, torch.ones(4))
assert_close(of_sum, torch.zeros(4))

# %% [markdown]
# ## 5.5 二阶导数的代价
#
# *探索，20分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-5)
#
# 对`u.sin().exp()`，用`graph_of`数一数：函数值、一阶、二阶和三阶导数各有多少个节点。写一个函数，对由某个`u`算出的任何值都能这样数。解释个数怎样增长，以及这对内存意味着什么。

# %% [markdown] translates="0ce90545"
# **思路**。每一阶导数都用`create_graph=True`记录，最后一阶也要，因为要数它的节点。一阶导数$e^{\sin u} \cos u$是乘积。按乘积的求导法则，每个乘积变成两个乘积，再加一个加法：二阶的乘积比一阶多，三阶又比二阶多。增加的节点越来越多。


# %%
def count_nodes(value, u):
    counts = [len(graph_of(value))]
    for _ in range(3):
        (value,) = grad(value, u, create_graph=True)
        counts.append(len(graph_of(value)))
    return counts


added = "more and more"

# %%
check.what_second_derivatives_cost(count_nodes, added)

# %% [markdown] translates="28ff9abe"
# 从二阶导数起，每一阶的节点都比前一阶的两倍还多：在PyTorch 2.13里，函数值是3个，然后是6、15和38个。（`*derivatives`接收第一个以外的所有个数。）

# %%
u = torch.tensor(1.0, requires_grad=True)
value, *derivatives = count_nodes(u.sin().exp(), u)
assert value < derivatives[0]
[later > 2 * earlier for earlier, later in pairwise(derivatives)]

# %% [markdown] translates="94a1b0d6"
# **内存**。节点会保存值。`saved_tensors_hooks`接受两个函数：保存一个值时调用第一个，使用这个值时调用第二个。各阶导数要保存多少个值？


# %%
def kept_values(order):
    kept = []

    def note(t):
        kept.append(t)
        return t

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        value = u.sin().exp()
        for _ in range(order):
            (value,) = grad(value, u, create_graph=True)
    return len(kept)


kept = [kept_values(order) for order in range(4)]
[later > 2 * earlier for earlier, later in pairwise(kept)]

# %% [markdown] translates="8ce9549a"
# 值的个数也都超过前一阶的两倍。这里每个值是一个数。在网络里，每个值可能和一层的输出一样大；只要保存它的图还在，它就留在内存里。
#
# **边界情况**。不是每个函数的节点都这样增长。$e^u$的每一阶导数都记录为一个乘积，即1与$e^u$相乘。

# %%
_, *derivatives = count_nodes(u.exp(), u)
assert len(set(derivatives)) == 1

# %% [markdown]
# ## 5.6 自定义函数
#
# *编程，20分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-6)
#
# 写一个`autograd.Function`，在`forward`里舍入，在`backward`里把梯度原样往回传。在舍入有斜率的地方，真正的斜率是多少？你的`backward`声称的斜率是多少？`gradcheck`会说什么？为什么权重为整数的网络要有这样的函数才能学习？设只有一个权重$w = 0.3$，损失是$(\mathrm{round}(w) - 3)^2$：训练一步，用哪一种舍入能移动这个权重，`torch.round`还是你的？先预测。

# %% [markdown] translates="1277bf8f"
# **思路**。在两次跳跃之间，舍入的结果不变；在跳跃处，它没有斜率：所以真正的斜率是0。函数声称是1。`gradcheck`让输入有微小变化，来核对这个斜率：输入变了，输出却不变，所以不通过。
#
# 如果用真正的斜率，舍入的权重得到的梯度是0，就停在原处。声称的斜率告诉权重该变大还是变小。它是假的，但在这里符号是对的。


# %%
class StraightRound(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        return X.round()

    @staticmethod
    def backward(ctx, grad):
        return grad


round_slopes = {"true": 0, "claimed": 1}
gradcheck_passes = False
moves = {"torch.round": False, "StraightRound.apply": True}

# %%
check.function_of_your_own(
    StraightRound, round_slopes, gradcheck_passes, moves
)

# %% [markdown] translates="76214ad3"
# `gradcheck`是为双精度设计的。

# %%
numbers = torch.tensor([-1.7, 0.4, 2.6]).double().requires_grad_()
gradcheck(StraightRound.apply, numbers, raise_exception=False)

# %% [markdown] translates="01bb4e55"
# 现在训练这个权重：它从0.3开始，目标是舍入后等于3。


# %%
def trained(rounding):
    w = torch.tensor(0.3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    for _ in range(30):
        optimizer.zero_grad()
        (rounding(w) - 3).square().backward()
        optimizer.step()
    return w.round().item()


{"torch.round": trained(torch.round), "straight": trained(StraightRound.apply)}

# %% [markdown] translates="294e7292"
# **另一种做法**。不用类：把舍入造成的差作为常数加上去。


# %%
def straight(X):
    return X + (X.round() - X).detach()


(slopes,) = grad(straight(numbers).sum(), numbers)
assert_close(slopes, torch.ones_like(numbers))
assert_close(straight(numbers), numbers.round())

# %% [markdown] translates="de2ab848"
# **陷阱**。要让权重本身保留小数部分。如果每一步之后都舍入，不到二分之一的步子就白走了，走一百步也一样。

# %%
w = torch.tensor(2.0)
for _ in range(100):
    w = (w + 0.3).round()
w.item()

# %% [markdown]
# ## 5.7 丢失的叶节点
#
# *思考，15分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-7)
#
# `t = torch.ones(2, requires_grad=True).double()`是叶节点吗？运行`t.sum().backward()`之后，梯度在哪里？让`t`成为叶节点。同样的错误出在`.to(device)`上时，为什么只在GPU上才看得出来？设`ones`是`torch.ones(2, requires_grad=True)`，在CPU上，类型是float32。预测`ones.double()`、`ones.float()`、`ones.to("cpu")`和`ones.to("cuda")`里，哪些是叶节点。

# %% [markdown] translates="00392e39"
# **思路**。`double`从`torch.ones`创建的张量算出一个新张量，所以`t`不是叶节点。梯度继续传到叶节点，而叶节点没有名字：梯度就找不到了。应当先转换，最后才要求梯度。
#
# 如果没有什么可转换，转换返回的就是原来的张量。在没有GPU的机器上，`device`是CPU，张量已经在那里，一切正常。在有GPU的机器上，`.to(device)`会复制一份，叶节点就丢失了。


# %%
def make_t():
    return torch.ones(2).double().requires_grad_()


gradient_in = "ones"
is_leaf = {"double": False, "float": True, "cpu": True, "cuda": False}

# %%
check.leaf_that_got_lost(make_t, gradient_in, is_leaf)

# %% [markdown] translates="ed7ced5f"
# 图里仍然有那个没有名字的叶节点，梯度就在它那里。（这里取出`next_functions`的第一个二元组；如果还有别的，由`*_`接收。）

# %%
t = torch.ones(2, requires_grad=True).double()
t.sum().backward()
(to_leaf, _), *_ = t.grad_fn.next_functions
t.is_leaf, to_leaf.variable.grad

# %% [markdown] translates="48a15f41"
# 用`is`可以看出，哪些转换返回原来的张量。设备`meta`不保存数，每台机器上都有，这里用它代替GPU。

# %%
ones = torch.ones(2, requires_grad=True)
assert ones.float() is ones and ones.to("cpu") is ones
ones.double().is_leaf, ones.to("meta").is_leaf

# %% [markdown] translates="f8bade6a"
# **陷阱**。`retain_grad`让`t`保留一份自己的梯度，但不会让它成为叶节点：梯度继续往回传，在`ones`里累加，而那里没有人清空。

# %%
ones.grad = None
t = ones.double()
t.retain_grad()
for _ in range(3):
    t.grad = None
    t.sum().backward()
t.grad.tolist(), ones.grad.tolist()

# %% [markdown] translates="a7bb5a9f"
# 如果把这样的张量交给优化器（optimizer），错误信息会指出哪里不对。

# %%
try:
    torch.optim.SGD([ones.double()], lr=0.1)
except ValueError as error:
    print(error)

# %% [markdown] translates="ee539b91"
# **另一种做法**。在创建张量时就写全所有要求，设备也写上。

# %%
torch.ones(2, dtype=torch.double, device="meta", requires_grad=True).is_leaf

# %% [markdown]
# ## 5.8 越来越大的日志
#
# *探索，20分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-8)
#
# 训练一个权重，一共100步，每步都做`total = total + loss`，好在最后打印均值：`w`从0开始，`total`也是；损失是`(w - 3) ** 2`；每一步减去梯度的0.1倍。每步之后用`graph_of`数一数`total`的节点。什么留在了内存里？对`loss`调用什么可以修好？把修好的循环写成函数`train(loss_of, steps)`，其中每次调用`loss_of(w)`都返回下一步的损失。

# %% [markdown] translates="2c3923ac"
# **思路**。`total`由每一个损失算出，所以它的图里有所有损失的图。一步增加三个节点：减法、平方和加法。加上叶节点，一步之后是4个节点，两步之后是7个，100步之后是301个。`loss.item()`只给出数；下一个损失占用这个名字时，这一步的图就释放了。


# %%
def train(loss_of, steps):
    w, total = torch.tensor(0.0, requires_grad=True), 0
    for _ in range(steps):
        w.grad = None
        loss = loss_of(w)
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        total = total + loss.item()
    return w.item(), total / steps


log_nodes = {1: 4, 2: 7, 100: 301}

# %%
check.log_that_grows(train, log_nodes)

# %% [markdown] translates="7a460d89"
# 100步之后，`w`到达目标。

# %%
w, mean = train(lambda w: (w - 3) ** 2, 100)
print(f"w = {w:.4f}, mean loss {mean:.4f}")

# %% [markdown] translates="23a65a96"
# 下面是日志越来越大的循环，每步之后都数一次节点。

# %%
w = torch.tensor(0.0, requires_grad=True)
total, counts = 0, []
for _ in range(100):
    w.grad = None
    loss = (w - 3) ** 2
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    total = total + loss
    counts.append(len(graph_of(total)))
assert counts == list(range(4, 302, 3))

# %% [markdown] translates="fa9311fb"
# 什么留在了内存里？是节点。节点保存的值已由`backward`释放，所以再从`total`运行一次`backward`会失败。

# %%
try:
    total.backward()
except RuntimeError as error:
    print(str(error).split(" (")[0])

# %% [markdown] translates="b8b16eb6"
# **陷阱**。如果不运行`backward`，例如只做测试的循环，保存的值也会留下，每个批量一份。把这样的循环放在`no_grad`里，就不会构建图。
#
# **另一种做法**。`loss.detach()`也能让图断开。在GPU上，`item`每一步都要等损失算完；如果累加的是分离出来的损失，只要最后调用一次`item`。

# %%
total = torch.zeros(())
for _ in range(100):
    total += ((w - 3) ** 2).detach()
total.requires_grad

# %% [markdown]
# ## 5.9 会放行的截断
#
# *编程，25分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-9)
#
# `torch.clamp`把数限制在上下限之间。权重在界限之外时，`torch.clamp`的斜率是0，所以训练的任何一步都不会把权重带回来。写一个`Clamp`：`forward`与`torch.clamp`做的一样；`backward`对界限以内的元素，把梯度往回传。对界限之外的元素，如果逆着梯度走一步，会向界限靠近，就把梯度往回传，否则传0。正好在界限上的，算作以内。三个输入里，只有`X`有梯度。设权重$w = 3$，界限是0和1，损失是$(\mathrm{clamp}(w) - 0.5)^2$。预测：用哪种截断，训练走一步会移动权重？

# %% [markdown] translates="1ddaccfc"
# **思路**。走一步是减去梯度。在上限之上，梯度为正，这一步就往回走；在下限之下，梯度为负，这一步就往回走。`ctx`为`backward`保存`X`；两个界限是数，可以作为`ctx`的属性。在它们的梯度的位置上，返回`None`。


# %%
class Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X, low, high):
        ctx.save_for_backward(X)
        ctx.low, ctx.high = low, high
        return X.clamp(low, high)

    @staticmethod
    def backward(ctx, grad):
        (X,) = ctx.saved_tensors
        stays = X.gt(ctx.high) & (grad < 0) | X.lt(ctx.low) & (grad > 0)
        return grad.masked_fill(stays, 0), None, None


clamp_moves = {"torch.clamp": False, "Clamp.apply": True}

# %%
check.clamp_that_lets_go(Clamp, clamp_moves)

# %% [markdown] translates="9aef0730"
# 现在训练从3开始的权重。用两种截断，各停在哪里？


# %%
def trained_with(clamp):
    w = torch.tensor(3.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        (clamp(w, 0, 1) - 0.5).square().backward()
        optimizer.step()
    return round(w.item(), 3)


{"torch.clamp": trained_with(torch.clamp), "Clamp": trained_with(Clamp.apply)}

# %% [markdown] translates="18043350"
# 一个停在3，另一个找到了0.5。
#
# **边界情况**。在界限以内，`gradcheck`通过。在界限之外不可能通过：那里往回传的梯度不是斜率。

# %%
limits = (0.0, 1.0)
for start in (0.3, 3.0):
    w = torch.tensor([start], dtype=torch.double, requires_grad=True)
    print(gradcheck(Clamp.apply, (w, *limits), raise_exception=False))

# %% [markdown]
# ## 5.10 一张图在哪里结束
#
# *思考，10分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-10)
#
# 下面每一行写的，都是一个编译后的函数对`X`返回什么。预测：每个函数用`torch.ones(3)`调用一次之后，`torch.compile`建了几张图？再用正文的`compiled`数一数。有几行要由Python在两张图之间作决定：其中哪些可以改成不用Python？怎样改？

# %% [markdown] translates="dfa43f65"
# **思路**。在Python需要张量的值的地方，一张图就结束。长度和设置都不是值。`and`先要第一个值，接着可能要第二个：两次决定，三张图。

# %%
number_of_graphs = {
    "(2 * X).sin().sum()": 1,
    "2 * X if len(X) > 2 else 3 * X": 1,
    "2 * X if X.sum() > 0 else 3 * X": 2,
    "2 * X if X.sum() > 0 and X.max() > 0 else 3 * X": 3,
    "2 * X if torch.is_grad_enabled() else 3 * X": 1,
    "torch.where(X.sum() > 0, 2 * X, 3 * X)": 1,
}

# %%
check.where_a_graph_ends(number_of_graphs)

# %% [markdown] translates="59ccd1cc"
# 用正文的后端（backend）来数。（如果`torch.compile`还不支持你的Python，就什么也不数。）


# %%
def count_graphs_of(function):
    def backend(graph, examples):
        graphs.append(graph)
        return graph.forward

    graphs = []
    torch.compiler.reset()
    torch.compile(function, backend=backend)(torch.ones(3))
    return len(graphs)


try:
    for code, number in number_of_graphs.items():
        assert count_graphs_of(eval(f"lambda X: {code}")) == number
except RuntimeError as error:
    print(error)

# %% [markdown] translates="7441be29"
# **两张图之间不用Python**。`torch.where`两条路都算，再取需要的；用`&`可以把两个条件合成一个张量。`torch.cond`只算一条路。两者都能导出（export）。


# %%
def both(X):
    return torch.where((X.sum() > 0) & (X.max() > 0), 2 * X, 3 * X)


X = torch.tensor([3.0, -1])
assert torch.equal(both(X), 2 * X)
assert torch.equal(both(-X), -3 * X)

# %% [markdown]
# ## 5.11 逐列求雅可比矩阵
#
# *编程，15分钟。*
# [练习](../05_autograd.ipynb#cell-id=exercise-5-11)
#
# 练习5.4用`backward`逐行构建雅可比矩阵。现在用前向模式，由`jvp`的多次调用来构建；函数可以是任意的，只要输入是形状为$(n,)$的向量。一次调用给出什么？从$(n,)$到$(m,)$的函数，要调用几次？由一千个权重算出损失，用哪种方式调用的次数少？由一个数算出一千个输出，又是哪种少？

# %% [markdown] translates="e11b6487"
# **思路**。方向的第$j$个位置取1，其余取0，得到的就是每个输出怎样随第$j$个元素变化：这就是第$j$列。单位矩阵的各行就是这些方向，一共$n$个。反向要调用$m$次。损失的$m = 1$，所以训练用反向；输入只有一个数时，$n = 1$，就用前向。


# %%
def jacobian_forward(function, x):
    directions = torch.eye(len(x), dtype=x.dtype)
    columns = [jvp(function, (x,), (v,))[1] for v in directions]
    return torch.stack(columns, dim=1)


forward_calls = "n"
fewer = {"a loss": "backward", "one number": "forward"}

# %%
check.jacobian_by_columns(jacobian_forward, forward_calls, fewer)

# %% [markdown] translates="c803da59"
# 输入三个数，输出两个数：


# %%
def three_to_two(x):
    return torch.stack([x.prod(), x.sum()])


x = torch.tensor([2.0, 3, 5])
assert_close(jacobian_forward(three_to_two, x), jacrev(three_to_two)(x))
jacobian_forward(three_to_two, x)

# %% [markdown] translates="b1c8aefb"
# **另一种做法**。`vmap`把所有调用一次做完，`torch.func`的`jacfwd`做的就是这件事。

# %%
at_once = vmap(lambda v: jvp(three_to_two, (x,), (v,))[1], out_dims=1)
assert_close(at_once(torch.eye(3)), jacobian_forward(three_to_two, x))
