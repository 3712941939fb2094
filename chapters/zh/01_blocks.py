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

# %% [markdown] translates="f4ea0ef1"
# # 用层和块搭建网络
#
# 写一个一百层的网络，只要写几个块（block），再把它们重复、嵌套。大到整个网络，小到一层（layer），PyTorch都用同一个类：`nn.Module`。这一章你自己写模块（module），看看`nn.Module`替你做了什么，又有什么是它看不见的。
#
# **你将学会**
#
# - 编写模块：部件写在`__init__`里，计算写在`forward`里；
# - 像`nn.Sequential`那样把模块串起来，同一个模块出现两次也没有问题；
# - 在前向传播（forward computation）里使用常数、循环和分支；
# - 把块的输入加到它的输出上；
# - 用列表和字典保存模块，让PyTorch找得到它们的参数（parameter）；
# - 根据配置搭建网络；
# - 嵌套块，并在一个图像分类器里逐层跟踪形状（shape）。
#
# **书中**：第5.1节[层和块](https://zh.d2l.ai/chapter_deep-learning-computation/model-construction.html)（英文版6.1，[Layers and Modules](https://d2l.ai/chapter_builders-guide/model-construction.html)）。
#
# **需要先读**：不用先读别的章；要会用PyTorch的张量（tensor），并做过一次线性回归。全部单元格在CPU上运行约五秒，有GPU时会用GPU。

# %% [markdown] translates="3ef383e3"
# 第一个单元格导入本章要用的东西，并选好设备（device）。随机数先在CPU上生成，再移到设备上：即使随机种子（seed）相同，GPU生成的随机数也和CPU的不同（见[第06章](06_devices.ipynb#cell-id=get-the-same-numbers)）。

# %%
import json
from collections import OrderedDict
from itertools import pairwise

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import d2l_helpers
from d2l_helpers import draw_modules, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown] translates="d72d445e"
# ## 层、块和模型是同一种东西
#
# 下面是一个三层的网络，和一个批量（batch）：两个样本（sample），每个样本有20个特征（feature）。`nn.Linear(20, 256)`是*全连接层*（fully connected layer），也就是有256个输出的线性回归；`nn.ReLU`是*激活函数*（activation function），把负数换成0。张量的`to`返回设备上的张量；模块的`to`原地（in-place）移动模块自己。输出会是什么形状？

# %%
torch.manual_seed(0)
X = torch.rand(2, 20).to(device)
net = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
net.to(device)
net(X).shape

# %% [markdown] translates="7ada2135"
# 每个样本都变成了10个数。下一个单元格对第一层和整个网络各看三样：直接包含几个模块（即*子模块*，children），有几个参数张量（子模块的也算在内），以及输出的形状。

# %%
for module in (net[0], net):
    print(
        f"{type(module).__name__}:",
        f"{len(list(module.children()))} children,",
        f"{len(list(module.parameters()))} parameter tensors,",
        f"output {tuple(module(X).shape)}",
    )

# %% [markdown] translates="171c809d"
# *层*、由层组成的*块*、整个*模型*，都是模块：有参数、有子模块、有前向传播的对象。所以块里还可以放块。

# %% [markdown] translates="a55dc3cb"
# ## 编写模块
#
# 你要写两个方法：`__init__`创建各个部件，`forward`用这些部件计算。`super().__init__()`写在最前面：它创建注册表（registry），部件都记在里面。下面这个*多层感知机*（multilayer perceptron，MLP）就是上面的网络，其中`F.relu`是函数形式的ReLU。


# %%
class MLP(nn.Module):
    def __init__(self, num_inputs=20, num_hiddens=256, num_outputs=10):
        super().__init__()
        self.hidden = nn.Linear(num_inputs, num_hiddens)
        self.out = nn.Linear(num_hiddens, num_outputs)

    def forward(self, X):
        return self.out(F.relu(self.hidden(X)))


# %% [markdown] translates="d8f88f82"
# 把模块赋给一个属性，它就以属性名注册。打印时，内容来自注册表。

# %%
torch.manual_seed(0)
mlp = MLP().to(device)
mlp

# %% [markdown] translates="e1ad9214"
# 模块的*状态字典*（state dict）是一个字典，由名字查到张量，模块的参数就在其中。书中的类，本教程有参考实现。它的参数名和你的一样，所以能加载你的参数值。两个输出只要不一致，`assert_close`就报错。

# %%
reference = d2l_helpers.MLP().to(device)
reference.load_state_dict(mlp.state_dict())
assert_close(reference(X), mlp(X))

# %% [markdown] translates="c2a91899"
# 这里没有`backward`方法。PyTorch中负责求导的部分叫自动微分（autograd，automatic differentiation），它会记录`forward`执行的运算。一开始，或者调用`zero_grad`之后，每个梯度（gradient）都是`None`；调用`backward`之后，每个梯度都和对应的参数形状相同。

# %%
mlp.zero_grad()
assert all(p.grad is None for p in mlp.parameters())
mlp(X).sum().backward()
{name: tuple(p.grad.shape) for name, p in mlp.named_parameters()}

# %% [markdown] translates="1e611a21"
# 如果漏写`super().__init__()`，到了要注册第一层时，注册表还不存在。PyTorch的错误信息说的就是这件事。


# %% tags=["raises-exception"]
class NoInitMLP(nn.Module):
    def __init__(self):
        self.hidden = nn.Linear(20, 256)


NoInitMLP()

# %% [markdown] translates="641bc629"
# ### 调用模块，而不是它的`forward`
#
# *钩子*（hook）是一个函数：你把它注册到模块上，由PyTorch替你运行。下面的钩子会数自己运行了几次。同样的计算要做两遍。

# %%
calls = 0


def count_call(module, args, output):
    global calls
    calls += 1


handle = mlp.register_forward_hook(count_call)
assert_close(mlp(X), mlp.forward(X))
handle.remove()
calls

# %% [markdown] translates="3d5a0dee"
# 钩子只运行了一次：两个输出相等，但`mlp.forward(X)`跳过了`mlp`的钩子。里面各层的钩子照常运行，因为`forward`会调用各层。

# %% translates="ece1ff44"
watched, ran = MLP().to(device), []
for name, module in watched.named_modules():  # ""是整个网络的名字
    module.register_forward_hook(lambda *_, name=name: ran.append(name))
watched.forward(X)
ran

# %% [markdown] translates="88bebb1a"
# （`*_`接收钩子的全部实参，`name=name`记住这一次循环里的名字。）很多工具靠钩子工作，所以要调用模块本身。

# %% [markdown] translates="e0ea6c20"
# ## 顺序块：把模块串起来
#
# `nn.Sequential`把前一个模块的输出交给后一个模块作输入。自己写一个，只要九行。`add_module`用给定的名字注册模块；`_modules`就是注册表，一个保持次序的字典。（书的中文版第5.1.2节直接写入`_modules`；`add_module`还会拒绝不是模块的东西。）


# %%
class MySequential(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        for i, block in enumerate(blocks):
            self.add_module(str(i), block)

    def forward(self, X):
        for block in self._modules.values():
            X = block(X)
        return X


# %% [markdown] translates="7a246caf"
# 块的位置就是它的名字。看看注册表里的键。

# %%
torch.manual_seed(0)
chain = MySequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
chain.to(device)
chain._modules

# %% [markdown] translates="ad98c1bb"
# 参数的名字由这些键组成，和`nn.Sequential`里的相同。所以权重（weight）可以从一个加载到另一个，两者的输出一致。

# %%
theirs = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
theirs.to(device).load_state_dict(chain.state_dict())
assert_close(theirs(X), chain(X))
list(theirs.state_dict())

# %% [markdown] translates="ff53252d"
# ### 给块起名字
#
# `hidden.weight`这个名字比`0.weight`说得更清楚。参考实现和`nn.Sequential`一样，也接受由名字对应到块的`OrderedDict`。后来加入的块最后运行。

# %%
named = d2l_helpers.MySequential(
    OrderedDict(hidden=nn.Linear(20, 256), activation=nn.ReLU())
)
named.add_module("out", nn.Linear(256, 10))
named

# %% [markdown] translates="2f96b49e"
# 它和列表一样，可以索引，也可以切片。切片还是顺序块，块是原来的块，名字是原来的名字。

# %%
print(len(named), "blocks, the last one is", named[-1])
list(named[1:].state_dict())

# %% [markdown] translates="2c0d9bf3"
# ### 重复使用一个块
#
# > **陷阱**。要遍历各个块，`children()`看起来是最自然的办法，书的英文版第6.1.2节就是这样做的。可是一个模块不管注册了几次，`children()`只给出一次。
#
# 下面的顺序块把同一个线性层用三次，中间隔着ReLU。如果`forward`遍历的是`children()`，五个块里会运行几个？


# %%
class ForgetfulSequential(MySequential):
    def forward(self, X):
        for block in self.children():
            X = block(X)
        return X


torch.manual_seed(0)
layer, relu = nn.Linear(20, 20).to(device), nn.ReLU()
blocks = (layer, relu, layer, relu, layer)
forgetful = ForgetfulSequential(*blocks)
print(len(list(forgetful.children())), "of", len(blocks), "blocks run")

# %% [markdown] translates="b560906a"
# 只运行两个，而且不报错，因为形状处处对得上。但结果不对。`MySequential`遍历的是注册表，结果和`nn.Sequential`一致。

# %%
expected = nn.Sequential(*blocks)(X)
assert not torch.allclose(forgetful(X), expected)
assert_close(MySequential(*blocks)(X), expected)

# %% [markdown] translates="234eeb1f"
# ## 在前向传播里写代码
#
# `forward`就是Python代码。下面的模块乘以一个常数矩阵（`@`是矩阵乘法），把同一层用两次，反复把数值减半，直到数值足够小，最后对整个批量只返回一个数。`register_buffer`把这个矩阵保存在模块里，但不训练它。


# %% translates="8955829e"
class FixedHiddenMLP(nn.Module):
    def __init__(self, num_features=20):
        super().__init__()
        self.register_buffer(
            "rand_weight", torch.rand(num_features, num_features)
        )
        self.linear = nn.Linear(num_features, num_features)

    def forward(self, X):
        X = F.relu(self.linear(X) @ self.rand_weight + 1)
        X = self.linear(X)  # 同一层：同一套参数
        while X.abs().sum() > 1:
            X = X / 2
        return X.sum()


# %% [markdown] translates="8304e598"
# 绝对值之和不超过1时，循环结束，所以输出在-1和1之间。要循环几次，由数据决定（练习1.7会数一数）。

# %%
torch.manual_seed(0)
fixed = FixedHiddenMLP().to(device)
outputs = [fixed(scale * X).item() for scale in (1, 100, 10_000)]
assert all(-1 <= output <= 1 for output in outputs)
[round(output, 2) for output in outputs]

# %% [markdown] translates="d2796372"
# `rand_weight`是一个**缓冲区**（buffer）：属于模块、但不训练的张量。优化器（optimizer）拿到的是参数，里面没有它；要保存的是状态字典，里面有它（[第04章](04_file_io.ipynb#cell-id=save-a-model)）。

# %%
print("parameters:", [name for name, _ in fixed.named_parameters()])
print("state dict:", list(fixed.state_dict()))

# %% [markdown] translates="1d8a541d"
# > **陷阱**。把张量赋给普通属性，`forward`里也能用。但模块不知道有这个张量。书中的`FixedHiddenMLP`就是这样保存`rand_weight`的（第5.1.3节，英文版6.1.3）。
#
# 下一个类照书中的写法。常数不在状态字典里，所以副本加载状态字典之后，用的仍是自己的常数，输出也就不同。


# %%
class PlainAttributeMLP(nn.Module):
    def __init__(self, num_features=20):
        super().__init__()
        self.rand_weight = torch.rand(num_features, num_features)
        self.linear = nn.Linear(num_features, num_features)

    forward = FixedHiddenMLP.forward


torch.manual_seed(0)
plain, plain_copy = PlainAttributeMLP(), PlainAttributeMLP()
plain_copy.load_state_dict(plain.state_dict())
assert not torch.allclose(plain_copy(X.cpu()), plain(X.cpu()))
list(plain.state_dict())

# %% [markdown] translates="bb4de739"
# `double`把模块的数据类型（data type）从`float32`改成`float64`时，这个常数也没有跟着改。所以`forward`的第一行就会出错。

# %% tags=["raises-exception"]
plain_copy.double()
plain_copy(X.cpu().double())

# %% [markdown] translates="bfcd9d15"
# 缓冲区会和其他张量一起加载、一起改变类型。哪些张量会训练，哪些会保存，哪些会移动，见[第03章](03_custom_layers.ipynb#cell-id=parameter-buffer-or-attribute)的表。

# %%
fixed_copy = FixedHiddenMLP().to(device)
fixed_copy.load_state_dict(fixed.state_dict())
assert_close(fixed_copy(X), fixed(X))
fixed_copy.double()(X.double()).dtype

# %% [markdown] translates="5ce73fbb"
# ### 循环要有出口
#
# 一个值太大，浮点数表示不了，就变成无穷大。无穷大要减半多少次，才会不超过1？

# %%
H = torch.tensor(float("inf"))
torch.equal(H / 2, H)

# %% [markdown] translates="c8c4465e"
# 无穷大的一半还是无穷大：只要有一个值是无穷大，上面的`while`（和书中的一样）就永远不会结束。参考实现在循环之前先检查。这里，它的线性层的权重都是1，二十个1e38的输入加起来，超出了浮点数能表示的范围。

# %% tags=["raises-exception"]
careful = d2l_helpers.FixedHiddenMLP()
nn.init.ones_(careful.linear.weight)
careful(torch.full((2, 20), 1e38))

# %% [markdown] translates="ed519a4d"
# ## 把输入加到输出上
#
# *残差块*（residual block）里有一个网络；块把自己的输入加到这个网络的输出上。这样，网络要学的就是块的输出与输入之差。（书中的ResNet就由这样的块组成，见第7.6节，英文版8.6。）


# %%
class Residual(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, X):
        return X + self.net(X)


# %% [markdown] translates="8d0f344f"
# 相加这一步，在训练中很重要。下面的函数把30层串起来，每一层都用`wrap`包起来，再返回传到输入的梯度有多大：绝对值的均值（mean）。


# %%
def gradient_at_input(wrap):
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(20, 20), nn.ReLU()) for _ in range(30)]
    deep = nn.Sequential(*map(wrap, layers)).to(device)
    Z = X.clone().requires_grad_()
    deep(Z).sum().backward()
    return Z.grad.abs().mean().item()


# %% [markdown] translates="18804abc"
# 先是普通的顺序块，再是由残差块组成的顺序块。

# %%
for wrap in (nn.Sequential, Residual):
    print(f"{wrap.__name__}: {gradient_at_input(wrap):.0e}")

# %% [markdown] translates="ca0ded4c"
# 在普通的顺序块里，梯度几乎传不到输入。在残差块里，每次相加都把梯度原样传下去，再加上经过网络传来的那一份。
#
# > **陷阱**。相加的两部分，形状必须相同。形状不同时，PyTorch有时会把其中一部分的值重复几遍，这叫*广播*（broadcasting）。
#
# 下面的输入有20个特征，两个网络分别返回10个和1个。

# %%
for width in (10, 1):
    block = Residual(nn.Linear(20, width)).to(device)
    try:
        print(f"{width}: no error, shape {tuple(block(X).shape)}")
    except RuntimeError as error:
        print(f"{width}: {type(error).__name__}")

# %% [markdown] translates="a106ad09"
# 网络返回的那一个数，加到了全部20个特征上，而且不报错。所以，相加之前要比较形状。


# %%
class CarefulResidual(Residual):
    def forward(self, X):
        Y = self.net(X)
        if Y.shape != X.shape:
            raise ValueError(f"{tuple(X.shape)} became {tuple(Y.shape)}")
        return X + Y


# %% [markdown] translates="40c06a9d"
# 同样的块，现在会报错。

# %% tags=["raises-exception"]
CarefulResidual(nn.Linear(20, 1)).to(device)(X)

# %% [markdown] translates="6e260940"
# ## 用列表和字典保存模块
#
# 顺序块固定了计算的次序。想保存一些模块，再按任意次序使用，就用另一种*容器*（container）`nn.ModuleList`。它用起来像列表：`append`、`extend`、索引、迭代。

# %%
layers = nn.ModuleList([nn.Linear(20, 256)])
layers.append(nn.ReLU())
layers.extend([nn.Linear(256, 10), nn.Linear(3, 7)])
layers

# %% [markdown] translates="7ce8dc3f"
# 最后两层接不上：前一层输出10个数，后一层要3个输入。这不算错；调用它才是错：列表没有前向传播。

# %% tags=["raises-exception"]
layers(X.cpu())

# %% [markdown] translates="f686277b"
# 把列表放进一个类，里面的模块就由这个类的`forward`来用。下面的类根据各层的大小，搭建任意深度的网络：`pairwise`给出每两个相邻的数，即(20, 64)、(64, 32)和(32, 10)。


# %%
class ListMLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(n, m) for n, m in pairwise(sizes)
        )

    def forward(self, X):
        for layer in self.layers[:-1]:
            X = F.relu(layer(X))
        return self.layers[-1](X)


list_mlp = ListMLP([20, 64, 32, 10]).to(device)
list_mlp(X).shape, len(list(list_mlp.parameters()))

# %% [markdown] translates="0f500c0d"
# `nn.ModuleDict`按名字保存模块，例如用来由实参选出一个。它也没有前向传播。

# %%
activations = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
name = "tanh"
activations[name](torch.tensor([-1.0, 0.0, 1.0]))

# %% [markdown] translates="f062859a"
# > **陷阱**。普通的Python列表和字典也能存放模块，但不会注册它们。
#
# 下面的类把隐藏层（hidden layer）放在普通列表里，最后一层放在属性里。（`*hidden, last = ...`把最后一对数给`last`，其余的作为列表给`hidden`。）六个参数张量里，模块知道几个？


# %%
class PlainListMLP(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        *hidden, last = pairwise(sizes)
        self.hidden = [nn.Linear(n, m) for n, m in hidden]
        self.out = nn.Linear(*last)

    def forward(self, X):
        for layer in self.hidden:
            X = F.relu(layer(X))
        return self.out(X)


plain_list = PlainListMLP(20, 64, 32, 10)
known = [name for name, _ in plain_list.named_parameters()]
assert list(plain_list.state_dict()) == known
plain_list(X.cpu()).shape, known

# %% [markdown] translates="52ae6f25"
# 六个里只知道两个。优化器拿到`parameters()`，只会训练最后一层，而且不报错；保存和移动时，漏掉的也是那四个。把列表换成`nn.ModuleList`，六个就都在了。

# %%
plain_list.hidden = nn.ModuleList(plain_list.hidden)
len(list(plain_list.parameters())), len(plain_list.state_dict())

# %% [markdown] translates="07ca4886"
# ## 根据配置搭建网络
#
# *配置*（configuration）是描述网络的数据。配置可以存进文件，可以比较，也可以修改，都不用动代码。下面的配置用JSON写成。JSON是一种文本格式，用来写列表、文字和数，大多数编程语言都能读取。每个列表写明种类，以及这个种类需要什么。残差块需要的，是描述里面各块的列表。

# %%
CONFIG = """[
    ["linear", 20, 64],
    ["residual", ["linear", 64, 64], ["relu"]],
    ["linear", 64, 10]
]"""

# %% [markdown] translates="e2396466"
# `build`按种类找到类；遇到残差块，就调用自己来搭建里面的部分。种类不在字典里，就报`KeyError`。

# %%
KINDS = {"linear": nn.Linear, "relu": nn.ReLU}


def build(config):
    blocks = []
    for kind, *rest in config:
        if kind == "residual":
            blocks.append(CarefulResidual(build(rest)))
        else:
            blocks.append(KINDS[kind](*rest))
    return nn.Sequential(*blocks)


built = build(json.loads(CONFIG)).to(device)
built(X).shape, [name for name, _ in built.named_parameters()]

# %% [markdown] translates="51e75939"
# > **陷阱**。`*`把列表里的东西重复几遍。数据重复三遍，描述的是三个层。模块重复三遍，却是同一个层放在三个位置。

# %%
from_data = build([["linear", 20, 20]] * 3)
from_module = nn.Sequential(*[nn.Linear(20, 20)] * 3)
[len(list(net.parameters())) for net in (from_data, from_module)]

# %% [markdown] translates="50a30e76"
# ## 嵌套块
#
# 本教程的`NestMLP`里有一个`Sequential`（特征数从20到64，再到32），后面接一个线性层（从32到16）。这里把它放进另一个`Sequential`，作为三个块中的第一个；最后一个块是前面那个带循环的模块。

# %%
torch.manual_seed(0)
nest = nn.Sequential(
    d2l_helpers.NestMLP(), nn.Linear(16, 20), d2l_helpers.FixedHiddenMLP()
).to(device)
nest(X).shape

# %% [markdown] translates="f5f7a08d"
# 标量（scalar）的形状是空的。`named_children`给出一个模块的下一级模块，连同名字。

# %%
for name, child in nest.named_children():
    grandchildren = [name for name, _ in child.named_children()]
    print(name, type(child).__name__, grandchildren)

# %% [markdown] translates="8eb43a14"
# 图中画出了整棵树，一直到叶节点（leaf）。方框里写的是参数个数，包括模块自己的，也包括沿连线能到的所有模块的。有一层的偏置（bias）叫`0.net.2.bias`，找出通向这一层的路径。

# %% mystnb={"image": {"alt": "从左到右画出的模块树。根是Sequential，有4,712个参数，子模块有三个：0是NestMLP，有3,952个；1是Linear，有340个；2是FixedHiddenMLP，有420个。NestMLP的子模块是net和linear：net是由Linear、ReLU、Linear、ReLU组成的Sequential，linear有528个参数。FixedHiddenMLP只有一个子模块linear，它的420个参数全在里面。"}} translates="81b44bb2"
draw_modules(nest)
plt.show()

# %% [markdown] translates="e38539b8"
# 路径是0、net、2，到达的那一层有2,080个参数。`FixedHiddenMLP`有420个参数，全在它的线性层里；`rand_weight`的400个数是缓冲区，不计在内。

# %% [markdown] translates="0345dfbe"
# ## 给图像分类
#
# 图像是28×28像素，类别有十个。在模型里，`nn.Flatten`把一张图像变成一行784个数，由三个线性层组成的块再把这一行变成十个得分，也就是*未规范化的预测*（logit）。

# %%
torch.manual_seed(0)
scores = nn.Sequential(
    nn.Linear(28 * 28, 512),
    nn.ReLU(),
    nn.Linear(512, 512),
    nn.ReLU(),
    nn.Linear(512, 10),
)
classifier = nn.Sequential(nn.Flatten(), scores).to(device)
image = torch.rand(1, 28, 28).to(device)
logits = classifier(image)  # (1, 28, 28) -> (1, 10)
logits.shape

# %% [markdown] translates="57e7d7b6"
# 未规范化的预测可以是任何数。softmax把它们变成0到1之间的数，而且和为1，就像概率那样；`argmax`找出最大的数在哪个位置。

# %%
probabilities = logits.softmax(dim=1)
assert_close(probabilities.sum(dim=1), torch.ones(1, device=device))
probabilities.argmax(dim=1).item()

# %% [markdown] translates="addfb5ab"
# 现在的预测还没有意义：权重是随机的。理论上，每个概率都大于0，因为$e^x > 0$；但是舍入可能让概率变成0。

# %%
torch.tensor([0.0, 200.0]).softmax(dim=0)

# %% [markdown] translates="6f8f8f3e"
# 训练之前，先检查每一层之后的形状。下面换一个更小的分类器，输入三张图像。

# %%
torch.manual_seed(0)
small = nn.Sequential(
    nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10)
).to(device)
H = torch.rand(3, 28, 28).to(device)
print("input", tuple(H.shape))
for layer in small:
    H = layer(H)
    print(type(layer).__name__, tuple(H.shape))

# %% [markdown] translates="2d1a1ed9"
# `nn.Flatten()`把第一维以外的各维合并起来。第一维一直是3：每张图像一行。

# %% [markdown] translates="62487f9b"
# ## 边运行边搭建网络
#
# 每来一个批量，`forward`就重新运行一遍，每次都可以搭建不同的网络。下面的网络根据数据选择分支。分支重复几次、用哪个激活函数，由调用者决定。


# %%
class DynamicMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.small, self.large = nn.Linear(20, 20), nn.Linear(20, 20)
        self.act = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
        self.out = nn.Linear(20, 10)

    def forward(self, X, repeat=1, act="relu"):
        branch = self.large if X.abs().mean() > 1 else self.small
        for _ in range(repeat):
            X = self.act[act](branch(X))
        return self.out(X)


# %% [markdown] translates="2f7fd3ef"
# 一个批量走了哪条路，用钩子就能看到。下面的函数按运行的次序列出各层。函数怎样做到这一点，可以先跳过。


# %%
def path(net, *args):
    names = {module: name for name, module in net.named_modules()}
    ran = []
    hooks = [
        module.register_forward_hook(lambda m, *_: ran.append(names[m]))
        for module in names
        if not list(module.children())
    ]
    net(*args)
    for hook in hooks:
        hook.remove()
    return ran


# %% [markdown] translates="41315e98"
# 第二个批量的数值是第一个的一百倍。

# %%
torch.manual_seed(0)
dynamic = DynamicMLP().to(device)
print(path(dynamic, X))
print(path(dynamic, 100 * X, 2, "tanh"))

# %% [markdown] translates="709b21d7"
# 一个类，两个网络。PyTorch把运算记录成计算图（computational graph），每个批量都重新记录。有些工具只建一个图，即*静态图*（static graph），所有批量都用它；两种图的比较见[第05章](05_autograd.ipynb#cell-id=dynamic-and-static-graphs)。

# %% [markdown] translates="9f599c09"
# ## 小结
#
# - 层、块和模型都是模块：有参数，有子模块，有前向传播。`__init__`和`forward`由你来写，其余的由自动微分完成。
# - 把模块赋给属性，就注册了它。`parameters`、`state_dict`、`to`和打印都依靠注册表。
# - `net(X)`运行`net`的钩子和`forward`；`net.forward(X)`跳过`net`的钩子，但会运行它所调用的模块的钩子。
# - `nn.Sequential`是顺序块，有前向传播；`nn.ModuleList`和`nn.ModuleDict`只保存模块。普通列表里的模块，PyTorch看不见。
# - 重复的块，`children()`只给出一次，注册表里则每次都有。
# - 常数张量要放进缓冲区：会保存，会移动，不训练。
# - 残差块返回`X + net(X)`，把梯度传下去。要比较形状：不对的形状，广播会掩盖过去。
# - 配置是数据。可以用它搭建什么，由一个字典来规定。
# - `forward`就是Python代码：分支和循环可以由数据决定。

# %% [markdown] translates="9cc7ede2"
# ## 练习
#
# 把答案写在每个`...`的位置，运行这个单元格，再运行下面的检查。检查会说出缺了什么，并给出一个通不过的例子；它不会改动你的任何东西。检查要用到前面的单元格：隔了一阵再来做时，先选中检查，再依次点*Run*、*Run All Above Selected Cell*。完整的解答在[另外一页](solutions/01_blocks.ipynb)上。

# %%
from d2l_helpers import check

# %% [markdown] translates="ff391da8"
# ### 1.1 用列表实现顺序块
#
# *编程，20分钟。*
# [解答](solutions/01_blocks.ipynb#cell-id=exercise-1-1)
#
# 修改`MySequential`，让它把块保存在普通的Python列表里，一个也不注册。运行这一版之前，先写下你的预测：输出、`parameters()`、`state_dict()`、`double()`、打印这五项里，哪些会失效，也就是不再和`MySequential`一样？然后修复这个类：`forward`仍然遍历普通列表，但五项又都和`MySequential`一样，名字也相同；同一个块用两次时也要这样。

# %% translates="f4d553d5"
breaks = {
    "output": ...,
    "parameters()": ...,
    "state_dict()": ...,
    "double()": ...,
    "printing": ...,
}  # 修复之前：失效的写True，正常的写False


class ListSequential(nn.Module):
    """修复后的顺序块，块保存在普通列表里。"""

    def __init__(self, *blocks):
        super().__init__()
        ...

    def forward(self, X):
        # 第一个块的输入 -> 最后一个块的输出
        ...


# %%
check.chain_over_a_list(ListSequential, breaks)

# %% [markdown] translates="d5e5292f"
# ### 1.2 并排的两个网络
#
# *编程，10分钟。*
# [解答](solutions/01_blocks.ipynb#cell-id=exercise-1-2)
#
# 编写模块`Parallel(net1, net2)`：两个网络的输入相同，输出沿最后一维连结（concatenate）起来，`net1`的在前。两个网络对输入的要求，要在哪些方面一致？输出呢？设`net1 = nn.Linear(6, 3)`，`X`的形状是$(4, 2, 6)$。第二个网络有三种选择：预测选哪些时`Parallel`能正常运行。


# %% translates="2cf685f4"
class Parallel(nn.Module):
    """把两个网络的输出并排放在一起。"""

    def __init__(self, net1, net2):
        super().__init__()
        ...

    def forward(self, X):
        # (*, d) -> (*, m1 + m2)，两个网络分别返回(*, m1)和(*, m2)
        ...


works = {
    "nn.Linear(6, 5)": ...,
    "nn.Linear(5, 3)": ...,
    "nn.Flatten()": ...,
}  # 按net2填写：True或False

# %%
check.two_nets_side_by_side(Parallel, works)

# %% [markdown] translates="4df2de95"
# ### 1.3 工厂函数
#
# *编程，15分钟。*
# [解答](solutions/01_blocks.ipynb#cell-id=exercise-1-3)
#
# 编写函数`repeat(make_block, n)`，返回由`n`个块组成的顺序块。每个块都由一次单独的`make_block()`调用得到，块与块之间不共享任何参数。验证确实没有共享。如果传给函数的是一个块，而不是制造块的函数，会有什么变化？以三个`nn.Linear(4, 4)`组成的顺序块为例，分三种情况预测：调用三次，每次得到一个块；三个位置放同一个块；三个位置放同一个块的三份深拷贝（deep copy）。`parameters()`给出几个张量？一开始，三个位置上有几个不同的权重矩阵？


# %% translates="2b38384c"
def repeat(make_block, n):
    """n个块组成的顺序块，每个块调用一次`make_block`得到。"""
    # 返回一个模块
    ...


starts = {
    "three calls": (..., ...),
    "one block": (..., ...),
    "three deep copies": (..., ...),
}  # 参数张量的个数，不同权重矩阵的个数

# %%
check.factory(repeat, starts)

# %% [markdown] translates="9cd52372"
# ### 1.4 按名字选激活函数
#
# *编程，15分钟。*
# [解答](solutions/01_blocks.ipynb#cell-id=exercise-1-4)
#
# 编写一个`MLP`，实参`activation`可以是`"relu"`、`"tanh"`或`"gelu"`。如果是别的名字，一创建模块就报错，并列出这三个名字。这些激活函数必须注册吗？`nn.PReLU`呢？


# %% translates="769e7d6a"
class ActivationMLP(nn.Module):
    """有一个隐藏层的MLP，激活函数由名字指定。"""

    def __init__(self, num_inputs, num_hiddens, num_outputs, activation):
        super().__init__()
        ...

    def forward(self, X):
        # (n, num_inputs) -> (n, num_outputs)
        ...


must_register = {
    "nn.ReLU": ...,
    "nn.Tanh": ...,
    "nn.GELU": ...,
    "nn.PReLU": ...,
}  # True或False

# %%
check.activation_by_name(ActivationMLP, must_register)

# %% [markdown] translates="f09fef78"
# ### 1.5 读一棵树
#
# *思考，15分钟。*
# [解答](solutions/01_blocks.ipynb#cell-id=exercise-1-5)
#
# 在纸上画出`MySequential(d2l_helpers.NestMLP(), MySequential(MLP(16, 8, 4), nn.ReLU()))`的树，写上每个参数的名字和形状，再用`draw_modules`和`state_dict`核对。

# %% translates="1e1c3989"
shapes = {...: ...}  # 例如，`chain`的要写"0.weight": (256, 20)等

# %%
check.read_a_tree(shapes)

# %% [markdown] translates="5277e826"
# ### 1.6 用钩子测量
#
# *编程，20分钟。*
# [解答](solutions/01_blocks.ipynb#cell-id=exercise-1-6)
#
# 编写`measure(net, X)`。`net`中没有子模块的模块就是层：给每个层注册同一个函数，作为前向钩子（forward hook），然后运行`net(X)`。层每运行一次，就记下一对值：输出的形状，和输出绝对值的均值；按运行的次序，返回由这些对组成的列表。最后移除这些钩子，运行出错时也要移除，但不能移除别的钩子；任何模块的`training`都不要改变。用在本章的`classifier`和`image`上，你看到了什么？


# %% translates="80b01783"
def measure(net, X):
    """用输入`X`运行`net`：每一层输出的形状和大小。"""
    # 由成对的值组成的列表，例如[((1, 784), 0.5), ((1, 512), 0.24)]
    ...


# %%
check.hook_that_measures(measure)

# %% [markdown] translates="a2a36664"
# ### 1.7 数一数循环次数
#
# *探索，20分钟。*
# [解答](solutions/01_blocks.ipynb#cell-id=exercise-1-7)
#
# 修改`FixedHiddenMLP`，用属性`rounds`记住最近一次调用把数值减半了几次。输入的尺度变大时，这个次数怎样增长？为什么？先预测：输入很大，ReLU让一部分值通过时，把输入乘以2，次数增加多少？乘以1024呢？如果ReLU返回的全是0，乘以1024又增加多少？


# %% translates="356d56e3"
class CountingMLP(FixedHiddenMLP):
    """FixedHiddenMLP，用`rounds`记住最近一次调用减半的次数。"""

    def forward(self, X):
        # (n, num_features) -> ()，并设置self.rounds
        ...


added = {2: ..., 1024: ..., "1024, all zero": ...}  # 增加的次数

# %%
check.count_the_rounds(CountingMLP, added)

# %% [markdown] translates="9a14d301"
# ### 1.8 不用torch的模块
#
# *编程，30分钟。*
# [解答](solutions/01_blocks.ipynb#cell-id=exercise-1-8)
#
# 不用`nn.Module`，只用普通的Python，编写一个类`Module`，供别的类继承。子类会写自己的`__init__`和`forward`；子类的`__init__`把各个部件赋给属性，而且不调用`Module`的`__init__`。部件有两种：参数，即`nn.Parameter`的对象；子模块，即`Module`的对象。
#
# - 调用一个对象，返回的就是它的`forward`对这些实参返回的值。
# - `named_parameters()`成对给出带点的名字和参数：先是对象自己的参数，再是各个子模块的参数，都按属性的次序。一个参数有几个名字时，只给出一次。
# - 换掉或删掉的部件，就不再算在内。
# - `zero_grad()`把每个参数的梯度设为None。
#
# 除此之外，`nn.Module`还做了什么？


# %% translates="4f09b449"
class Module:
    """各种模块的共同之处，只用普通的Python。"""

    def __call__(self, *args): ...

    def named_parameters(self):
        """带点的名字和参数，成对给出，每个参数一次。"""
        ...

    def zero_grad(self):
        """把每个参数的梯度设为None。"""
        ...


# %%
check.module_without_torch(Module)

# %% [markdown] translates="b84bc48a"
# ### 1.9 形状对得上的捷径
#
# *编程，20分钟。*
# [解答](solutions/01_blocks.ipynb#cell-id=exercise-1-9)
#
# 编写`Shortcut(net, num_inputs, num_outputs)`，它是一个残差块，里面的网络把`num_inputs`个特征变成`num_outputs`个。两个数相等时，把输入加到网络的输出上。不相等时，把输入送进一个不带偏置的线性层，再把结果加到网络的输出上；这个线性层放在属性`project`里。相加的两部分如果形状不同，就报`ValueError`，并写出两个形状。为什么需要这样做？设`X`的形状是$(4, 20)$，`Y`有四种形状：预测`X + Y`的形状。


# %% translates="33ad71a1"
class Shortcut(nn.Module):
    """网络的输出，加上X，或者加上X的投影。"""

    def __init__(self, net, num_inputs, num_outputs):
        super().__init__()
        ...

    def forward(self, X):
        # (*, num_inputs) -> (*, num_outputs)
        ...


sums = {
    (4, 1): ...,
    (20,): ...,
    (4, 10): ...,
    (3, 4, 20): ...,
}  # 按Y的形状填写：一个形状，或者"error"

# %%
check.shortcut_that_fits(Shortcut, sums)

# %% [markdown] translates="3f243ab0"
# ## 接下来读什么
#
# [参数管理：访问、初始化和共享](02_parameters.ipynb)深入块的内部；[编写自定义层](03_custom_layers.ipynb)再深入一级，讲自己带参数的层。如果想先看网络怎样学习，就先读[读写文件：保存和加载张量与模型](04_file_io.ipynb)，再读[训练：在任何设备上训练，中断后恢复](07_training.ipynb)。每一章都以这一章为基础；[首页](index.md)上有一张路线图。
