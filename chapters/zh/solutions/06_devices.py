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

# %% [markdown] translates="9e79a4bf"
# # 第06章 解答
#
# 这里是[计算设备：同一份代码，CPU和GPU都能跑](../06_devices.ipynb)各道练习的解答，每道前面附有题目。先在那一页自己做，卡住了再来看。

# %% translates="af9da506"
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.testing import assert_close

from d2l_helpers import FixedHiddenMLP, MyLinear, check, d2l, use_style

use_style()
torch.set_num_threads(1)  # 和正文一样
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
places = [torch.device("cpu"), *d2l.try_all_gpus()]

# %% [markdown] translates="09bf362d"
# `seconds`是正文里的，后面的`multiply`和`ScaledLinear`也是。


# %%
def seconds(f, *args, warm_up=2, repeats=15):
    durations = []
    for _ in range(warm_up + repeats):
        for gpu in places[1:]:
            torch.cuda.synchronize(gpu)
        start = time.perf_counter()
        f(*args)
        for gpu in places[1:]:
            torch.cuda.synchronize(gpu)
        durations.append(time.perf_counter() - start)
    return median(durations[warm_up:])


# %% [markdown]
# ## 6.1 小和大
#
# *探索，25分钟。*
# [练习](../06_devices.ipynb#cell-id=exercise-6-1)
#
# 写`time_sum(n, device)`：在一个设备上，把两个含$n$个数的向量（vector）相加，返回要多少秒。测法和本章一样：开始计时之前，向量已经建好，并且已经加过一次；结果是五次或更多次的中位数。在你的每个设备上，对$10^2$到$10^7$个数的加法计时，画出时间随大小变化的图。从多大开始，时间随大小增长？这个大小为什么和矩阵乘法的不一样？设$n = 1000$，在这样的向量加法和这样的矩阵乘法里，算出结果中的一个数，各要多少次运算（加法和乘法合在一起算）？

# %% [markdown] translates="3649e09d"
# **思路**。`seconds`会预热（warm up）、等待、取中位数；剩下要做的，是先把向量建好。向量加法，算出一个数要一次加法。矩阵乘法，算出一个数要1000次乘法和999次加法：这个工作量随$n$增长，所以更早超过调用的开销。


# %%
def time_sum(n, device):
    a, b = (torch.rand(n, device=device) for _ in range(2))
    return seconds(torch.add, a, b)


operations = {"sum": 1, "product": 1000 + 999}

# %%
check.small_and_large(time_sum, operations)

# %% [markdown] translates="dc3c4faa"
# 虚线表示时间与大小成正比，它经过CPU曲线上一百万个数的那一点。曲线从多大的$n$开始上升？

# %% mystnb={"image": {"alt": "一次加法的时间随n变化的图，n从一百到一千万，坐标轴是对数刻度，每个设备一条曲线；另有一条虚直线，表示时间与n成正比，经过CPU曲线上一百万处的点。在存下的图里，一千个数以内，CPU用一到两微秒。曲线从一万起开始上升，从十万起落在虚线上，在一千万处远高于虚线。"}} translates="fe642377"
sizes = [10**k for k in range(2, 8)]
for place in places:
    times = [time_sum(n, place) for n in sizes]
    assert all(t > 0 for t in times)
    plt.loglog(sizes, times, marker="o", label=str(place))
    if place.type == "cpu":
        line = [times[-2] * n / sizes[-2] for n in sizes]
        plt.loglog(sizes, line, "--", color="#666666", label="time ~ n")
plt.xlabel("n")
plt.ylabel("seconds")
plt.legend()
plt.show()

# %% [markdown] translates="60bc39f2"
# 在存下的图里，一千个数以内，大部分时间花在调用上；从大约一万起，时间随大小增长。矩阵乘法的时间，从大约$n = 32$起就增长：那是1024个数，但每个要63次运算。在GPU上，两种时间应该都更晚才开始增长：一次调用的开销更大，同时做的计算也更多。
#
# **边界情况**。最后一个点远高于虚线。这样的向量，比许多CPU的缓存还大，每个结果要40 MB内存。`torch.add(a, b, out=c)`每次写进同一块内存。

# %% [markdown]
# ## 6.2 不同设备上的参数
#
# *编程，15分钟。*
# [练习](../06_devices.ipynb#cell-id=exercise-6-2)
#
# 写`set_bias(net, name, values)`，把一个数值列表写进网络的一个偏置（bias），网络在任何设备上都行（怎样写入，见[第02章](../02_parameters.ipynb)）；再写`get_bias(net, name)`，以列表返回偏置的数值。名字是`net.named_parameters()`给出的名字之一。如果偏置仍是原来的对象，仍在原来的位置，并且仍能得到梯度（gradient），就算完成。遇到别的名字，两个函数都要报错，并在错误信息里写明缺了什么。

# %% [markdown] translates="d619a1a6"
# **思路**。`get_parameter`沿着用点连接的名字找下去，路径走不通时报错。`copy_`写进原有的张量，来源可以在另一个设备上，也可以是另一种类型；`tolist`把数拿到Python里。没有`no_grad`，自动微分（autograd）会拒绝这个修改。


# %%
def set_bias(net, name, values):
    with torch.no_grad():
        net.get_parameter(name).copy_(torch.tensor(values))


def get_bias(net, name):
    return net.get_parameter(name).tolist()


# %%
check.parameters_across_devices(set_bias, get_bias)

# %% [markdown] translates="f60578c4"
# **陷阱**。用这些值新建一个`nn.Parameter`，看起来效果一样。但优化器（optimizer）管的还是旧参数，走一步之后，新参数不变。

# %%
net = nn.Linear(2, 3).to(device)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
net.bias = nn.Parameter(torch.tensor([1.0, 2, 3]).to(device))
net(torch.ones(4, 2, device=device)).sum().backward()
optimizer.step()
get_bias(net, "bias")

# %% [markdown] translates="d8e41309"
# **边界情况**。列表里只有一个数时，`copy_`会用这个数填满整个偏置，并不报错。如果你希望报错，就比较长度。另外，不要先调用`net.cpu()`：它会移动调用者的网络，没有GPU时看不出来。

# %%
set_bias(net, "bias", [7.0])
get_bias(net, "bias")

# %% [markdown]
# ## 6.3 一千个范数
#
# *编程，25分钟。*
# [练习](../06_devices.ipynb#cell-id=exercise-6-3)
#
# 把一个100×100的矩阵$A$连续1000次乘以另一个矩阵，每次$A \leftarrow AB$，并记录每次相乘之后的弗罗贝尼乌斯范数（Frobenius norm）：`norms_read(A, B, steps)`用`item`逐个读取，返回列表；`norms_kept(A, B, steps)`什么也不读，返回形状为`(steps,)`的张量，它在$A$所在的设备上。两个函数都接受任意大小的方阵，并且不改变传入的矩阵。第二个矩阵由你来选，不能是单位矩阵；第一个矩阵随机取时，范数要一直有限，并且大于0。验证两份记录相等，再用`meta`看出两个函数里哪个会读取；给两个函数计时。

# %% [markdown] translates="f04967f0"
# **思路**。两个函数的差别，在于把什么放进列表。列表里放张量，不需要读取；`torch.stack`就在原设备上把这些张量合成一个。如果$B$是正交矩阵，$A$的每一行长度不变，$A$的范数也就不变；`torch.linalg.qr`可以产生这样的$B$。


# %%
def norms_read(A, B, steps=1000):
    norms = []
    for _ in range(steps):
        A = A @ B
        norms.append(torch.linalg.norm(A).item())
    return norms


def norms_kept(A, B, steps=1000):
    norms = []
    for _ in range(steps):
        A = A @ B
        norms.append(torch.linalg.norm(A))
    return torch.stack(norms)


torch.manual_seed(0)
second = torch.linalg.qr(torch.randn(100, 100)).Q

# %%
check.thousand_norms(norms_read, norms_kept, second)

# %% [markdown] translates="1d45b831"
# 两份记录只差舍入误差。

# %%
A, B = torch.rand(100, 100).to(device), second.to(device)
log_read, log_kept = norms_read(A, B), norms_kept(A, B)
assert_close(log_read, log_kept.tolist(), rtol=1e-5, atol=0)

# %% [markdown] translates="15bedd29"
# 在`meta`上，第二个函数不需要任何数；第一个函数在第一次循环里就报错。

# %%
on_meta = A.to("meta"), B.to("meta")
print("kept:", norms_kept(*on_meta).shape)
try:
    norms_read(*on_meta)
except RuntimeError as error:
    print("read:", error)

# %% [markdown] translates="cb4d6861"
# CPU没有队列。在GPU上，每次读取都要等乘积算好，之后队列就空了：有GPU的话，比较这两个时间。

# %% tags=["nbval-ignore-output"]
for norms in (norms_read, norms_kept):
    t = seconds(norms, A, B, warm_up=1, repeats=3)
    assert t > 0
    print(f"{norms.__name__}: {1e3 * t:.0f} ms")

# %% [markdown] translates="098397d4"
# **陷阱**。如果第二个矩阵是随机的，每走一步，范数约变成原来的十倍。float32最大约为$10^{38}$。相乘多少次之后，范数会超过它？

# %%
torch.manual_seed(0)
wild = torch.randn(100, 100).to(device)
norms_kept(A, wild).isfinite().sum().item()

# %% [markdown] translates="8ead7d75"
# 还不到38次的一半：算范数要把平方加起来，先超出范围的是平方。
#
# `torch.randn(100, 100) / 10`看起来能让范数保持不变。下面取四个这样的矩阵，列出各自特征值的绝对值中最大的一个。乘的次数多了，每再乘一次，范数就约乘以这个数。

# %%
for seed in (5, 4, 0, 10):
    torch.manual_seed(seed)
    tenth = (torch.randn(100, 100) / 10).to(device)
    largest = torch.linalg.eigvals(tenth).abs().max().item()
    last = norms_kept(A, tenth)[-1].item()
    print(f"largest eigenvalue {largest:.3f}, last norm {last:.0e}")

# %% [markdown] translates="0770b835"
# 范数最后是多少，取决于抽到的矩阵。比1略大的数，1000次方非常大；比1略小的数，1000次方非常小。而无穷大减无穷大，结果是`nan`。

# %% [markdown]
# ## 6.4 两个同时算
#
# *探索，20分钟。*
# [练习](../06_devices.ipynb#cell-id=exercise-6-4)
#
# 给`multiply`计时：先在一个设备上算两个矩阵，再在两个设备上各算一个。没有两个GPU，就用`ThreadPoolExecutor`的两个线程，各给一个矩阵：写`at_once(f, S, T)`，在一个线程里调用`f(S)`，在另一个线程里调用`f(T)`，让两者同时运行，返回由两个结果组成的列表，`S`的结果在前。和先后算两个相比，时间是不是一半？

# %% [markdown] translates="78f5fae8"
# **思路**。线程池的`map`先把两次调用都启动，然后才等待，并按实参的次序给出结果。先`submit`两次，再取两次`result`，效果相同。


# %%
def at_once(f, S, T):
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(f, (S, T)))


# %%
check.two_at_once(at_once)

# %% [markdown] translates="2567438f"
# 有两个GPU时，各得一个矩阵；没有时，两个矩阵都在`device`上。结果对吗？（`multiply`返回只含一个矩阵的列表；`(R,)`把矩阵取出来。）


# %%
def multiply(*matrices):
    results = []
    for S in matrices:
        for _ in range(20):
            S = S @ S / len(S)
        results.append(S)
    return results


two = places[1:3] if len(places) > 2 else [device] * 2
S, T = (torch.ones(768, 768, device=place) for place in two)
(R,), (Q,) = at_once(multiply, S, T)
assert_close([R.cpu(), Q.cpu()], [S.cpu(), T.cpu()])

# %% [markdown] translates="7f07912c"
# 时间如果是一半，就显示0.5。把这个单元格多运行几次。

# %% tags=["nbval-ignore-output"]
one_by_one = seconds(multiply, S, S, warm_up=1, repeats=3)
together = seconds(at_once, multiply, S, T, warm_up=1, repeats=3)
assert one_by_one > 0 and together > 0
print(f"{together / one_by_one:.2f} of the time, on {two[0]} and {two[1]}")

# %% [markdown] translates="359bc6d5"
# 有两个空闲的核心，可以接近0.5，因为torch计算时会释放Python的锁。如果另一个核心已经有任务，结果就一直接近1。要让每次乘法只用一个线程，否则第一次乘法就会占住好几个核心。矩阵还要大：启动一个线程，比一次小矩阵乘法更费时间。只有一个GPU时，两个线程好处不大，因为填的是同一个队列。
#
# **陷阱**。`pool.submit(f(S))`会在提交任务的线程里立刻调用`f`，交给线程池的是结果，而不是函数。等到取结果时，错误才出现。

# %%
with ThreadPoolExecutor(max_workers=2) as pool:
    work = pool.submit(multiply(torch.ones(2, 2)))
work.exception()

# %% [markdown]
# ## 6.5 什么留在原处
#
# *编程，20分钟。*
# [练习](../06_devices.ipynb#cell-id=exercise-6-5)
#
# 写`stays_behind(net)`，找出放在普通属性里的所有张量，模块自己的要算，它下面任何模块的也要算。以列表返回这些张量的名字，名字用点连接。从`vars(module)`入手。对`nn.Sequential(ScaledLinear(5, 3))`，答案是`["0.scale"]`；只有`ScaledLinear(5, 3)`时是`["scale"]`；对`FixedHiddenMLP()`是`[]`。不要改变网络。

# %% [markdown] translates="5154ad7a"
# **思路**。参数（parameter）和缓冲区（buffer）各在自己的字典里，即`_parameters`和`_buffers`。直接放在`vars(module)`里的张量，`to`看不到。`named_modules`访问任意深度的所有模块，也包括最外层的模块，它的路径是空的。


# %% translates="a072579d"
def stays_behind(net):
    return [
        f"{path}.{name}".lstrip(".")  # 空路径后面不加点
        for path, module in net.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, torch.Tensor)
    ]


# %%
check.what_stays_behind(stays_behind)

# %% [markdown] translates="78b04961"
# 正文里把常数留在原处的，就是这一层。


# %%
class ScaledLinear(MyLinear):
    def __init__(self, in_units, units):
        super().__init__(in_units, units)
        self.scale = torch.full((units,), 0.5)


# %% [markdown] translates="ecc4a2b5"
# 下面是题目里的例子：放在容器里的、单独使用的、用缓冲区的。

# %%
examples = nn.Sequential(ScaledLinear(5, 3)), ScaledLinear(5, 3)
[stays_behind(net) for net in (*examples, FixedHiddenMLP())]

# %% [markdown] translates="86bb0a2d"
# **边界情况**。列表里的张量也会留在原处，属于类的张量也一样。两者都不直接在`vars(module)`里，所以这个函数会漏掉。


# %%
class Hidden(nn.Module):
    of_the_class = torch.ones(1)

    def __init__(self):
        super().__init__()
        self.in_a_list = [torch.ones(1)]


moved = Hidden().to("meta")
print(stays_behind(moved))
print(moved.of_the_class.is_meta, moved.in_a_list[0].is_meta)

# %% [markdown]
# ## 6.6 看不出来的读取
#
# *思考，10分钟。*
# [练习](../06_devices.ipynb#cell-id=exercise-6-6)
#
# 设`v`的形状为`(5,)`，`x`和`total`没有维度，三者都在GPU上。预测下面哪几行需要GPU上的数，因而要等待；`max(v)`用的是Python的函数。再在`meta`上试一试。有两行都保留`v`中大于0的数，为什么其中只有一行要等待？

# %% [markdown] translates="5ae97196"
# **思路**。如果Python需要一个数，或者需要知道是与否，这一行就会读取。Python的`max`对每个张量都要问：它比目前最大的还大吗？没有维度的索引，和数一样，用来说明从哪里取，所以要读取它的数。张量的方法`max`与求和，都是设备上的操作。

# %%
reads = {
    "max(v)": True,
    "v.max()": False,
    "v[int(x)]": True,
    "v[v.argmax()]": True,
    "total += x": False,
    "total += x.item()": True,
    "v[v > 0]": True,
    "torch.where(v > 0, v, 0)": False,
}

# %%
check.readers_in_disguise(reads)

# %% [markdown] translates="7e959759"
# 要试一试，先在`meta`上创建这三个张量。

# %%
v = torch.ones(5, device="meta")
x, total = torch.zeros(2, device="meta")

# %% [markdown] translates="e448eabc"
# 在那里，需要数的那几行会报错。

# %%
tried = {}
for code in reads:
    try:
        exec(code)
        tried[code] = False
    except RuntimeError:
        tried[code] = True
assert tried == reads

# %% [markdown] translates="6cda6063"
# **`v[v > 0]`为什么要等待**。结果的长度是大于0的元素个数。这个个数由GPU来数，Python要知道它才能继续。`torch.where`保持形状不变，不需要任何数。
#
# **边界情况**。要得到`v[v.argmax()]`，也可以不读取：`gather`和`index_select`从有一个维度的张量得知位置。

# %%
v.index_select(0, v.argmax().reshape(1)).shape

# %% [markdown]
# ## 6.7 任意结构的批量
#
# *编程，15分钟。*
# [练习](../06_devices.ipynb#cell-id=exercise-6-7)
#
# 批量可以是字典，里面有列表和元组，除了张量还有文字。写`to_device(batch, place)`，返回同样的结构，里面的每个张量都移到指定的位置，不管在第几层。字典还是字典，列表还是列表，元组还是元组；既不是这三种，也不是张量的，原样放进去。已经在那里的张量不复制。传入的批量保持原样。

# %% [markdown] translates="fe82bec7"
# **思路**。函数只要调用自己，结构多深都行：遇到容器，就移动里面的东西，再放进同一种容器。`type(batch)`就是这个种类。


# %%
def to_device(batch, place):
    if isinstance(batch, torch.Tensor):
        return batch.to(place)
    if isinstance(batch, dict):
        return {key: to_device(x, place) for key, x in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(x, place) for x in batch)
    return batch


# %%
check.batch_of_anything(to_device)

# %% [markdown] translates="df3d8538"
# 一个批量，有两种大小的图像，还有标签（label）和文件名。

# %%
batch = {
    "images": [torch.ones(3, 8, 8), torch.ones(3, 6, 6)],
    "labels": torch.tensor([0, 1]),
    "files": ("a.png", "b.png"),
}

# %% [markdown] translates="519bcaab"
# 移动之后，图像在哪里？文件名会怎样？

# %%
on_meta = to_device(batch, "meta")
[*(image.device for image in on_meta["images"]), on_meta["files"]]

# %% [markdown] translates="17768ae8"
# **边界情况**。命名元组也是元组，但它的类要求逐个传入元素：`type(batch)(...)`会报错，`type(batch)._make(...)`正是为此准备的。PyTorch自己的`tree_map`在`torch.utils._pytree`里，它认得命名元组；这个模块的名字以`_`开头，所以它可能会变。

# %% [markdown]
# ## 6.8 默认设备管什么
#
# *思考，10分钟。*
# [练习](../06_devices.ipynb#cell-id=exercise-6-8)
#
# `X`是`torch.ones(3)`，`array`是NumPy数组，`net`是`nn.Linear(3, 2)`，都在CPU上创建。然后，在`with torch.device("meta")`里面，每一行得到一个张量。预测它在哪个位置。最后一行为什么不报错？

# %% [markdown] translates="44020d74"
# **思路**。先问：这一行是新建一个张量，而且没有自己写明位置，还是由已有的张量得到一个？最后一行的两个张量在两个位置，但CPU上的那个没有维度：它当作一个数。

# %%
where = {
    "torch.arange(3)": "meta",
    "torch.tensor([1.0, 2.0])": "meta",
    "torch.zeros(3, device='cpu')": "cpu",
    "torch.from_numpy(array)": "cpu",
    "torch.stack([X, X])": "cpu",
    "X.new_zeros(3)": "cpu",
    "net(X)": "cpu",
    "nn.Linear(3, 2).weight": "meta",
    "X + torch.tensor(1.0, device='cpu')": "cpu",
    "torch.ones(3) + torch.tensor(1.0, device='cpu')": "meta",
}

# %%
check.what_the_default_reaches(where)

# %% [markdown] translates="aba16cdf"
# 试一试：

# %%
X, array, net = torch.ones(3), np.ones(3), nn.Linear(3, 2)
with torch.device("meta"):
    tried = {code: eval(code).device.type for code in where}
assert tried == where

# %% [markdown] translates="6b5a3288"
# **陷阱**。函数如果新建张量，用作者的默认设备没有问题，用调用者的默认设备就可能出错。下面就是这样一个函数。


# %%
def half(X):
    return X * torch.tensor([0.5])


# %% [markdown] translates="c7ca1df9"
# 默认设备和输入的位置不同时，它会怎样？

# %%
with torch.device("meta"):
    try:
        half(X)
    except RuntimeError:
        print("two places")

# %% [markdown] translates="700fe634"
# 不管默认设备是什么，`X.new_tensor([0.5])`都是对的。

# %% [markdown]
# ## 6.9 提前一个批量
#
# *编程，25分钟。*
# [练习](../06_devices.ipynb#cell-id=exercise-6-9)
#
# 设备算着一个批量，下一个就可以上路了。写一个生成器`ahead(batches, move)`，按次序给出每个批量，给出的是移动之后的。给出一个批量时，`move`已经对下一个批量调用过，对再后面的还没有：每个等着的批量都占内存。`batches`只能遍历一次，也可能是空的。对张量来说，`move`可以是`lambda batch: batch.to(device, non_blocking=True)`。

# %% [markdown] translates="e14f5795"
# **思路**。一个移动过的批量在等着。每次循环移动另一个，给出前面那个；循环之后还剩一个。两层循环用同一个迭代器：外层取第一个批量（如果有），内层取其余的全部。


# %%
def ahead(batches, move):
    batches = iter(batches)
    for first in batches:
        waiting = move(first)
        for batch in batches:
            following = move(batch)
            yield waiting
            waiting = following
        yield waiting


# %%
check.one_batch_ahead(ahead)

# %% [markdown] translates="c443c55a"
# 事情的先后：

# %%
events = []
for batch in ahead("abc", lambda name: events.append(f"move {name}") or name):
    events.append(f"compute {batch}")
events

# %% [markdown] translates="080edbb9"
# **为什么有用**。从锁页内存（pinned memory）复制，`move`加上`non_blocking=True`会立刻返回，Python继续运行。但是，一个队列里的事只能一件一件做：对一个批量的计算，要等下一个批量复制完。用`torch.cuda.stream`让复制有自己的流，GPU就能同时做这两件事。
