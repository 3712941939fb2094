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

# %% [markdown] translates="82d988dd"
# # 第01章 解答
#
# 这里是[用层和块搭建网络](../01_blocks.ipynb)各道练习的解答，每道前面附有题目。先在那一页自己做，卡住了再来看。

# %%
import copy
from contextlib import ExitStack

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F

from d2l_helpers import (
    MLP,
    FixedHiddenMLP,
    MySequential,
    NestMLP,
    check,
    draw_modules,
    use_style,
)

use_style()

# %% [markdown]
# ## 1.1 用列表实现顺序块
#
# *编程，20分钟。*
# [练习](../01_blocks.ipynb#cell-id=exercise-1-1)
#
# 修改`MySequential`，让它把块保存在普通的Python列表里，一个也不注册。运行这一版之前，先写下你的预测：输出、`parameters()`、`state_dict()`、`double()`、打印这五项里，哪些会失效，也就是不再和`MySequential`一样？然后修复这个类：`forward`仍然遍历普通列表，但五项又都和`MySequential`一样，名字也相同；同一个块用两次时也要这样。

# %% [markdown] translates="4f8aef02"
# **思路**。模块进入注册表有两条途径：赋给属性，或者用`add_module`。列表不是模块，所以凡是依靠注册表的，都漏掉了这些块；`forward`遍历列表，一个也不漏。修复的办法：把每个块也注册一遍。


# %%
breaks = dict.fromkeys(("parameters()", "state_dict()", "printing"), True)
breaks.update({"double()": True, "output": False})


class ListSequential(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.blocks = list(blocks)
        for i, block in enumerate(self.blocks):
            self.add_module(str(i), block)

    def forward(self, X):
        for block in self.blocks:
            X = block(X)
        return X


# %%
check.chain_over_a_list(ListSequential, breaks)

# %% [markdown] translates="38d5db4b"
# 修复之前，顺序块能计算，但打印出来是空的，没有东西可以训练，也没有东西可以保存。


# %%
class BrokenSequential(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.blocks = list(blocks)

    forward = ListSequential.forward


broken = BrokenSequential(nn.Linear(2, 3), nn.ReLU())
assert broken(torch.ones(1, 2)).shape == (1, 3)
broken, list(broken.parameters()), dict(broken.state_dict())

# %% [markdown] translates="892ea35d"
# `double()`不报错，但什么也没有改变，到下一次调用才出错。

# %% tags=["raises-exception"]
broken.double()
broken(torch.ones(1, 2).double())

# %% [markdown] translates="7da178cd"
# **另一种做法**。`nn.ModuleList`既是列表，又是注册表。如果不是做练习，用它来修复更好。
#
# **陷阱**。两份记录可能对不上。下面按名字替换一层，替换层的工具就是这样做的。新的层在列表里吗？

# %%
torch.manual_seed(0)
net, X = ListSequential(nn.Linear(2, 2)), torch.ones(1, 2)
before = net(X)
setattr(net, "0", nn.Linear(2, 2))
assert torch.equal(net(X), before)
new = net.get_submodule("0")
[block is new for block in net.blocks]

# %% [markdown] translates="023e8a68"
# 不在。新的层会打印、会训练、会保存，却从不运行。

# %% [markdown]
# ## 1.2 并排的两个网络
#
# *编程，10分钟。*
# [练习](../01_blocks.ipynb#cell-id=exercise-1-2)
#
# 编写模块`Parallel(net1, net2)`：两个网络的输入相同，输出沿最后一维连结（concatenate）起来，`net1`的在前。两个网络对输入的要求，要在哪些方面一致？输出呢？设`net1 = nn.Linear(6, 3)`，`X`的形状是$(4, 2, 6)$。第二个网络有三种选择：预测选哪些时`Parallel`能正常运行。

# %% [markdown] translates="76950168"
# **思路**。赋给属性，就注册了两个网络；`torch.cat`沿`dim=-1`把两者返回的张量连结起来。两者必须接受同样的输入：形状、数据类型和设备都相同。两者的输出只有最后一维的大小可以不同，维数和其余各维的大小都必须相同。


# %%
class Parallel(nn.Module):
    def __init__(self, net1, net2):
        super().__init__()
        self.net1, self.net2 = net1, net2

    def forward(self, X):
        return torch.cat((self.net1(X), self.net2(X)), dim=-1)


works = {"nn.Linear(6, 5)": True, "nn.Linear(5, 3)": False}
works["nn.Flatten()"] = False

# %%
check.two_nets_side_by_side(Parallel, works)

# %% [markdown] translates="b69f0393"
# `nn.Flatten`接受同样的输入，但返回$(4, 12)$，而另一边是$(4, 2, 3)$。

# %% tags=["raises-exception"]
Parallel(nn.Linear(6, 3), nn.Flatten())(torch.ones(4, 2, 6))

# %% [markdown] translates="b3910391"
# **边界情况**。两边可以是同一个网络。它运行两次，参数只有一份。

# %%
layer = nn.Linear(6, 3)
both = Parallel(layer, layer)
both(torch.ones(4, 2, 6)).shape, len(list(both.parameters()))

# %% [markdown] translates="b1d3a059"
# **陷阱**。一个网络如果原地计算，就改变了另一个网络的输入。下面的第二个网络得到什么就返回什么：它输出的第一个数本来应该是-1。

# %%
Parallel(nn.ReLU(inplace=True), nn.Identity())(torch.tensor([-1.0, 2]))

# %% [markdown]
# ## 1.3 工厂函数
#
# *编程，15分钟。*
# [练习](../01_blocks.ipynb#cell-id=exercise-1-3)
#
# 编写函数`repeat(make_block, n)`，返回由`n`个块组成的顺序块。每个块都由一次单独的`make_block()`调用得到，块与块之间不共享任何参数。验证确实没有共享。如果传给函数的是一个块，而不是制造块的函数，会有什么变化？以三个`nn.Linear(4, 4)`组成的顺序块为例，分三种情况预测：调用三次，每次得到一个块；三个位置放同一个块；三个位置放同一个块的三份深拷贝（deep copy）。`parameters()`给出几个张量？一开始，三个位置上有几个不同的权重矩阵？

# %% [markdown] translates="de1cf3bb"
# **思路**。怎样制造一个块，只有调用者知道。传入函数，就是把办法交给`repeat`，`repeat`为每个位置调用一次。


# %%
def repeat(make_block, n):
    return nn.Sequential(*(make_block() for _ in range(n)))


starts = {
    "three calls": (6, 3),
    "one block": (2, 1),
    "three deep copies": (6, 1),
}

# %%
check.factory(repeat, starts)

# %% [markdown] translates="9a476975"
# 共享的张量，`parameters()`只给出一次。三层，每层两个张量，正好六个，所以没有一个是共享的。

# %%
torch.manual_seed(0)
chain = repeat(lambda: nn.Linear(4, 4), 3)
len(list(chain.parameters()))

# %% [markdown] translates="ff966672"
# 如果传给函数的是一个块，函数手里就只有一层。它可以把这一层放在每个位置，那就是同一层运行三次；也可以复制。副本之间什么也不共享，但一开始都一样。串起来之后，各个副本的梯度不同，更新一步就不再一样。

# %%
block, X = nn.Linear(4, 4), torch.ones(1, 4)
copies = nn.Sequential(*(copy.deepcopy(block) for _ in range(3)))
assert torch.equal(copies[0].weight, copies[2].weight)
copies(X).sum().backward()
torch.optim.SGD(copies.parameters(), lr=0.1).step()
assert not torch.allclose(copies[0].weight, copies[2].weight)

# %% [markdown] translates="b99eceb3"
# **陷阱**。传入的函数，每次调用都必须制造一个块。如果它返回已有的块，`repeat`也没有办法。

# %%
len(list(repeat(lambda: block, 3).parameters()))

# %% [markdown] translates="1d8248c3"
# **边界情况**。调用类就会创建对象，所以类也可以当`make_block`用。一个块也没有的顺序块，返回的就是输入。

# %%
assert repeat(nn.ReLU, 0)(X) is X
repeat(nn.ReLU, 2)

# %% [markdown]
# ## 1.4 按名字选激活函数
#
# *编程，15分钟。*
# [练习](../01_blocks.ipynb#cell-id=exercise-1-4)
#
# 编写一个`MLP`，实参`activation`可以是`"relu"`、`"tanh"`或`"gelu"`。如果是别的名字，一创建模块就报错，并列出这三个名字。这些激活函数必须注册吗？`nn.PReLU`呢？

# %% [markdown] translates="8ffa28b0"
# **思路**。写一个由名字查函数的字典，选择激活函数用它，列出名字的错误信息也用它。判断放在`__init__`里，写错的名字最先传到这里。
#
# 这三个激活函数没有要训练、保存或移动的张量，所以不必注册，用普通函数就行。`nn.PReLU`要学习输入为负时的斜率，必须注册。


# %%
ACTIVATIONS = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}


class ActivationMLP(nn.Module):
    def __init__(self, num_inputs, num_hiddens, num_outputs, activation):
        super().__init__()
        if activation not in ACTIVATIONS:
            names = ", ".join(ACTIVATIONS)
            raise ValueError(f"{activation!r} isn't one of {names}")
        self.hidden = nn.Linear(num_inputs, num_hiddens)
        self.out = nn.Linear(num_hiddens, num_outputs)
        self.activation = ACTIVATIONS[activation]

    def forward(self, X):
        return self.out(self.activation(self.hidden(X)))


must_register = {"nn.ReLU": False, "nn.Tanh": False, "nn.GELU": False}
must_register["nn.PReLU"] = True

# %%
check.activation_by_name(ActivationMLP, must_register)

# %% [markdown] translates="bdb12302"
# 错误信息里写了传入的是什么，可选的有哪些。

# %% tags=["raises-exception"]
ActivationMLP(20, 256, 10, "swish")

# %% [markdown] translates="61023dc4"
# 哪些模块有东西要注册，看状态字典就知道。

# %%
modules = nn.ReLU(), nn.Tanh(), nn.GELU(), nn.PReLU()
{type(m).__name__: dict(m.state_dict()) for m in modules}

# %% [markdown] translates="9c9b0dee"
# **另一种做法**。不用函数，改用`nn.ReLU()`这样的模块：打印时会一起显示，钩子也能观察到。
#
# **陷阱**。`getattr(F, activation)`更短，但`F`里任何函数的名字它都接受。下面这个函数会丢掉一半的值，评估时也丢，而且不报错。

# %%
activation = "dropout"
getattr(F, activation)(torch.ones(100)).unique()

# %% [markdown]
# ## 1.5 读一棵树
#
# *思考，15分钟。*
# [练习](../01_blocks.ipynb#cell-id=exercise-1-5)
#
# 在纸上画出`MySequential(d2l_helpers.NestMLP(), MySequential(MLP(16, 8, 4), nn.ReLU()))`的树，写上每个参数的名字和形状，再用`draw_modules`和`state_dict`核对。

# %% [markdown] translates="fc0fc3d3"
# **思路**。名字就是从根到张量的路径。顺序块里的每个块都有编号，没有参数的ReLU也有：所以在`0.net`里，参数的名字中没有编号1和3。`nn.Linear(n, m)`保存形状为$(m, n)$的权重和形状为$(m,)$的偏置。

# %%
shapes = {
    "0.net.0.weight": (64, 20),
    "0.net.0.bias": (64,),
    "0.net.2.weight": (32, 64),
    "0.net.2.bias": (32,),
    "0.linear.weight": (16, 32),
    "0.linear.bias": (16,),
    "1.0.hidden.weight": (8, 16),
    "1.0.hidden.bias": (8,),
    "1.0.out.weight": (4, 8),
    "1.0.out.bias": (4,),
}

# %%
check.read_a_tree(shapes)

# %% [markdown] translates="9b9ea167"
# 状态字典与此一致，连次序也一样。这棵树没有缓冲区，所以状态字典里只有参数。

# %%
net = MySequential(NestMLP(), MySequential(MLP(16, 8, 4), nn.ReLU()))
found = {name: tuple(p.shape) for name, p in net.state_dict().items()}
assert list(found.items()) == list(shapes.items())

# %% [markdown] translates="1f3d8589"
# 看图时，从左边开始，沿着连线就能读出名字。

# %% mystnb={"image": {"alt": "从左到右画出的模块树。根是MySequential，有4,124个参数，子模块有两个：0是NestMLP，有3,952个；1是MySequential，有172个。NestMLP的子模块是net和linear：net是由Linear、ReLU、Linear和ReLU组成的Sequential，编号为0到3。MySequential的子模块0是MLP，有hidden和out两层；1是ReLU。"}} translates="ff6b94cd"
draw_modules(net)
plt.show()

# %% [markdown]
# ## 1.6 用钩子测量
#
# *编程，20分钟。*
# [练习](../01_blocks.ipynb#cell-id=exercise-1-6)
#
# 编写`measure(net, X)`。`net`中没有子模块的模块就是层：给每个层注册同一个函数，作为前向钩子（forward hook），然后运行`net(X)`。层每运行一次，就记下一对值：输出的形状，和输出绝对值的均值；按运行的次序，返回由这些对组成的列表。最后移除这些钩子，运行出错时也要移除，但不能移除别的钩子；任何模块的`training`都不要改变。用在本章的`classifier`和`image`上，你看到了什么？

# %% [markdown] translates="6c6e743d"
# **思路**。`modules()`对每个模块只访问一次，包括网络自己；其中没有子模块的就是层。钩子把结果添加到它和`measure`共用的列表里。注册时返回的句柄（handle）也是上下文管理器：`with`结束时，`ExitStack`关闭所有句柄，因为出错而结束时也一样。


# %%
def measure(net, X):
    pairs = []

    def note(module, args, output):
        pairs.append((tuple(output.shape), output.abs().mean().item()))

    with ExitStack() as stack:
        for module in net.modules():
            if not list(module.children()):
                handle = module.register_forward_hook(note)
                stack.enter_context(handle)
        net(X)
    return pairs


# %%
check.hook_that_measures(measure)

# %% [markdown] translates="80df03f9"
# 在本章的分类器里，数值一路上怎样变化？

# %%
torch.manual_seed(0)
layers = nn.Linear(784, 512), nn.Linear(512, 512), nn.Linear(512, 10)
first, second, last = layers
scores = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
classifier = nn.Sequential(nn.Flatten(), scores)
image = torch.rand(1, 28, 28)
[(shape, round(mean, 2)) for shape, mean in measure(classifier, image)]

# %% [markdown] translates="4610ca49"
# 数值一路变小；最后的十个得分不算，个数太少，看不出什么。线性层有$d$个输入时，PyTorch在$-1/\sqrt{d}$和$1/\sqrt{d}$之间抽取权重：于是$W x$的均方值是$x$的均方值的三分之一。取自$N(0, 2/d)$的权重是为ReLU设计的，能让数值的大小保持不变。

# %%
torch.manual_seed(0)
for layer in layers:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
[round(mean, 1) for _, mean in measure(classifier, image)]

# %% [markdown] translates="fc603e28"
# **陷阱**。钩子如果先留下输出、以后再测量，要当心：留下的不是副本。`Identity`返回-1和3，绝对值的均值是2，可是下面的ReLU会改写这个张量。

# %%
net = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
kept = []
with net[0].register_forward_hook(lambda m, args, Y: kept.append(Y)):
    net(torch.tensor([-1.0, 3]))
kept[0].abs().mean().item(), measure(net, torch.tensor([-1.0, 3]))[0][1]

# %% [markdown]
# ## 1.7 数一数循环次数
#
# *探索，20分钟。*
# [练习](../01_blocks.ipynb#cell-id=exercise-1-7)
#
# 修改`FixedHiddenMLP`，用属性`rounds`记住最近一次调用把数值减半了几次。输入的尺度变大时，这个次数怎样增长？为什么？先预测：输入很大，ReLU让一部分值通过时，把输入乘以2，次数增加多少？乘以1024呢？如果ReLU返回的全是0，乘以1024又增加多少？

# %% [markdown] translates="43605da6"
# **思路**。每次调用都从0数起，在循环体里加1。
#
# 每循环一次，绝对值之和$S$就减半，所以$S > 1$时要循环$\lceil \log_2 S \rceil$次。输入很大时，偏置和代码里加的1几乎不起作用，$S$和尺度成正比：乘以2多一次，乘以1024多十次。如果ReLU什么也不让通过，那么不论输入是什么，`linear`都返回偏置，次数就不变。


# %%
class CountingMLP(FixedHiddenMLP):
    def forward(self, X):
        X = F.relu(self.linear(X) @ self.rand_weight + 1)
        X = self.linear(X)
        self.rounds = 0
        while X.abs().sum() > 1:
            X = X / 2
            self.rounds += 1
        return X.sum()


added = {2: 1, 1024: 10, "1024, all zero": 0}

# %%
check.count_the_rounds(CountingMLP, added)

# %% [markdown] translates="8c9af91d"
# 用两个网络看两种情况：一个权重都是正的，所有值都通过；一个权重都是负的，没有值通过。

# %%
torch.manual_seed(0)
X, scales = torch.rand(2, 20), [2**k for k in range(21)]
rounds = {}
for sign, name in ((1, "all values pass"), (-1, "none passes")):
    net = CountingMLP()
    with torch.no_grad():
        net.linear.weight.copy_(sign * net.linear.weight.abs())
    rounds[name] = [(net(scale * X), net.rounds)[1] for scale in scales]
{name: counts[::5] for name, counts in rounds.items()}

# %% [markdown] translates="b672048f"
# 一开始偏置也有影响。之后尺度每翻倍五次，次数就加五：横轴取对数，就是一条直线。

# %% mystnb={"image": {"alt": "循环次数随输入尺度的变化，横轴是对数刻度，从1到2的20次方。所有值都通过时，次数从11升到30，从第四个点起成一条直线。没有值通过时，次数一直是3。"}} translates="193697be"
for name, counts in rounds.items():
    plt.plot(scales, counts, ".-", label=name)
plt.xscale("log", base=2)
plt.xlabel("scale of the input")
plt.ylabel("rounds")
plt.legend()
plt.show()

# %% [markdown] translates="7787df60"
# **边界情况**。有一个值是无穷大，循环就永远不会结束，这在正文里已经看到。`nan > 1`不成立，所以遇到`nan`，循环立刻结束。

# %%
net(torch.full((1, 20), float("nan"))), net.rounds

# %% [markdown]
# ## 1.8 不用torch的模块
#
# *编程，30分钟。*
# [练习](../01_blocks.ipynb#cell-id=exercise-1-8)
#
# 不用`nn.Module`，只用普通的Python，编写一个类`Module`，供别的类继承。子类会写自己的`__init__`和`forward`；子类的`__init__`把各个部件赋给属性，而且不调用`Module`的`__init__`。部件有两种：参数，即`nn.Parameter`的对象；子模块，即`Module`的对象。
#
# - 调用一个对象，返回的就是它的`forward`对这些实参返回的值。
# - `named_parameters()`成对给出带点的名字和参数：先是对象自己的参数，再是各个子模块的参数，都按属性的次序。一个参数有几个名字时，只给出一次。
# - 换掉或删掉的部件，就不再算在内。
# - `zero_grad()`把每个参数的梯度设为None。
#
# 除此之外，`nn.Module`还做了什么？

# %% [markdown] translates="377681e9"
# **思路**。Python已经有一个注册表：`vars(self)`，即对象的属性字典，按赋值的次序排列。换掉或删掉的部件，字典里就没有了。剩下的就是遍历：先是自己的参数，再是各个子模块，名字前面加上前缀；见过的参数记在一个集合里。


# %%
class Module:
    def __call__(self, *args):
        return self.forward(*args)

    def named_parameters(self, prefix="", seen=None):
        seen = set() if seen is None else seen
        for name, part in vars(self).items():
            if isinstance(part, nn.Parameter) and part not in seen:
                seen.add(part)
                yield prefix + name, part
        for name, part in vars(self).items():
            if isinstance(part, Module):
                yield from part.named_parameters(f"{prefix}{name}.", seen)

    def zero_grad(self):
        for _, parameter in self.named_parameters():
            parameter.grad = None


# %%
check.module_without_torch(Module)

# %% [markdown] translates="76143430"
# 由这样的模块组成的网络可以训练：优化器只要参数。


# %%
class Affine(Module):
    def __init__(self, num_inputs, num_outputs):
        self.weight = nn.Parameter(torch.randn(num_outputs, num_inputs))
        self.bias = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, X):
        return X @ self.weight.T + self.bias


class TwoLayers(Module):
    def __init__(self):
        self.hidden, self.out = Affine(3, 8), Affine(8, 1)

    def forward(self, X):
        return self.out(F.relu(self.hidden(X)))


# %% [markdown] translates="ed459ed0"
# 用梯度下降训练四十步，学习两个特征的乘积：

# %%
torch.manual_seed(0)
net, X = TwoLayers(), torch.rand(64, 3)
optimizer = torch.optim.SGD([p for _, p in net.named_parameters()], lr=0.05)
losses = []
for _ in range(40):
    loss = F.mse_loss(net(X), X[:, :1] * X[:, 1:2])
    net.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0] / 10
[name for name, _ in net.named_parameters()]

# %% [markdown] translates="5b6eec08"
# **`nn.Module`还做了什么**。它把参数、缓冲区和子模块分别存放在自己的三个字典里，每次赋值都会经过它。所以它能拒绝不该放进去的东西，也能加载、移动和打印。调用模块时，还会运行钩子。

# %%
layer = nn.Linear(2, 2)
{
    name: [*part]
    for name, part in vars(layer).items()
    if part and name in ("_parameters", "_buffers", "_modules")
}

# %% [markdown] translates="f913f432"
# **陷阱**。普通列表里面有什么，这两个类都不会去看。


# %%
class Listed(Module):
    def __init__(self):
        self.layers = [Affine(2, 2)]


list(Listed().named_parameters())

# %% [markdown]
# ## 1.9 形状对得上的捷径
#
# *编程，20分钟。*
# [练习](../01_blocks.ipynb#cell-id=exercise-1-9)
#
# 编写`Shortcut(net, num_inputs, num_outputs)`，它是一个残差块，里面的网络把`num_inputs`个特征变成`num_outputs`个。两个数相等时，把输入加到网络的输出上。不相等时，把输入送进一个不带偏置的线性层，再把结果加到网络的输出上；这个线性层放在属性`project`里。相加的两部分如果形状不同，就报`ValueError`，并写出两个形状。为什么需要这样做？设`X`的形状是$(4, 20)$，`Y`有四种形状：预测`X + Y`的形状。

# %% [markdown] translates="6125c7bd"
# **思路**。宽度相等，就不需要别的层；不相等，才需要一个层，它只负责改变宽度。偏置用网络里的就够了。形状要在两者都已知的地方比较：在`forward`里，投影之后。


# %%
class Shortcut(nn.Module):
    def __init__(self, net, num_inputs, num_outputs):
        super().__init__()
        self.net, self.project = net, None
        if num_inputs != num_outputs:
            self.project = nn.Linear(num_inputs, num_outputs, bias=False)

    def forward(self, X):
        Y = self.net(X)
        Z = self.project(X) if self.project else X
        if Y.shape != Z.shape:
            raise ValueError(f"can't add {tuple(Y.shape)} to {tuple(Z.shape)}")
        return Y + Z


sums = {(4, 1): (4, 20), (20,): (4, 20), (4, 10): "error"}
sums[3, 4, 20] = (3, 4, 20)

# %%
check.shortcut_that_fits(Shortcut, sums)

# %% [markdown] translates="687f2deb"
# **为什么要比较**。四种形状里，PyTorch只拒绝一种。大小为1的维，以及前面缺少的维，都会重复补齐；两个张量都可能这样补，所以得到的和可能比两者都大。

# %%
a, b = torch.ones(4, 1), torch.ones(20)
(a + b).shape

# %% [markdown] translates="9264730f"
# 会怎样出错，看下面的例子：网络对每个样本返回一个数，这些数放在一个向量（vector）里。样本的个数与特征的个数相等时，连形状都是对的。

# %% translates="7a71f64f"
X = torch.arange(4.0).reshape(2, 2)
means = X.mean(dim=1)  # (2,)：0.5和2.5，每个样本一个
X + means

# %% [markdown] translates="a6632e8d"
# 第一个样本的均值，加到了两个样本的第一个特征上。这时`Shortcut`会报错。


# %% tags=["raises-exception"]
class Means(nn.Module):
    def forward(self, X):
        return X.mean(dim=1)


Shortcut(Means(), 2, 2)(X)

# %% [markdown] translates="55f25576"
# **边界情况**。属性的值是None时，不会注册，但仍然可以读取：`if self.project`。

# %%
list(Shortcut(nn.ReLU(), 2, 2).state_dict())
