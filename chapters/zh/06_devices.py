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

# %% [markdown] translates="76831ca2"
# # 计算设备：同一份代码，CPU和GPU都能跑
#
# 在笔记本电脑上能训练的程序，不改一行也应该能在GPU上训练。这一章讲要养成哪些习惯，容易犯哪些错误；没有GPU，也能看到这些错误。
#
# **你将学会**
#
# - 查看有哪些设备（device），用一行代码选好设备；
# - 移动张量（tensor）和模块（module），知道什么会复制，什么会留在原处；
# - 给代码计时，哪怕调用返回时结果还没算好；
# - 找出哪几行要等GPU，让复制和计算同时进行；
# - 把这里保存的东西加载到别处。
#
# **书中**：第5.6节[GPU](https://zh.d2l.ai/chapter_deep-learning-computation/use-gpu.html)（英文版6.7，[GPUs](https://d2l.ai/chapter_builders-guide/use-gpu.html)）。
#
# **需要先读**第01章[用层和块搭建网络](01_blocks.ipynb)和第03章[编写自定义层](03_custom_layers.ipynb)。全部单元格在CPU上运行约五秒。不需要GPU；有GPU时最多用两个。

# %% [markdown] translates="73aa4b6f"
# 第一个单元格导入本章要用的东西，并选好设备。`d2l`是书自带的包。

# %%
import io
import time
from statistics import median

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from d2l_helpers import MLP, FixedHiddenMLP, MyLinear, d2l, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown] translates="eb32ae9d"
# ## 计算设备：看看有哪些
#
# *CUDA*是NVIDIA的平台，用来在NVIDIA的GPU上计算。PyTorch给GPU编号，从0开始。你的机器上，输出可能不同。

# %% tags=["nbval-ignore-output"]
gpus = d2l.try_all_gpus()
assert len(gpus) == torch.cuda.device_count()
print("torch", torch.__version__)
print(f"cpu: {torch.get_num_threads()} threads")
for gpu in gpus:
    card = torch.cuda.get_device_properties(gpu)
    print(f"{gpu}: {card.name}, {card.total_memory / 2**30:.0f} GiB")
if not gpus:
    print("no GPU: the cells that need one say so and go on")

# %% [markdown] translates="66622607"
# `torch.device`是一个位置的名字，这个位置不一定存在。`cpu`指所有CPU核心和主内存；`cuda`指当前的GPU，也就是0号，除非你另外指定。
#
# > **陷阱**。`cuda`和`cuda:0`可以指同一个位置。两者相等吗？

# %%
current, zero = torch.device("cuda"), torch.device("cuda", 0)
print(f"{current} == {zero}: {current == zero}")
print("types equal:", current.type == zero.type)

# %% [markdown] translates="305a5002"
# 张量移到`cuda`之后，它的设备显示为`cuda:0`，或者当前的那个GPU。所以要比较类型。
#
# 书中的`try_gpu(i)`返回`i`号GPU。要99号，会得到什么？

# %%
d2l.try_gpu(99)

# %% [markdown] translates="88ead474"
# 返回的是CPU，而且没有任何提示：可能训练了很久，你都没发现GPU没用上。
#
# > **陷阱**。按照`try_all_gpus`的文档，没有GPU时返回`[cpu]`。其实有几个GPU，列表里就有几个元素，本节的第一个单元格已经验证过：没有GPU，列表就是空的。
#
# 没有GPU时用什么，要自己写。

# %%
devices = d2l.try_all_gpus() or [torch.device("cpu")]
assert all(d.type == device.type for d in devices)

# %% [markdown] translates="732ebbda"
# *加速器*（accelerator）是PyTorch的叫法，指在CPU之外做计算的设备：NVIDIA和AMD的GPU是`cuda`，Apple的是`mps`，Intel的是`xpu`。先用`is_available`查一下有没有加速器：PyTorch为哪种加速器编译，`current_accelerator`就可能返回哪种，哪怕机器上并没有。

# %%
accelerator = torch.device("cpu")
if torch.accelerator.is_available():
    accelerator = torch.accelerator.current_accelerator()
assert (accelerator.type == "cuda") == torch.cuda.is_available()

# %% [markdown] translates="f3952638"
# ## 张量与GPU：张量在哪个设备上
#
# 不另外指定位置，张量就创建在CPU上；指定位置可以用`device=`。`.to`可以移动张量。

# %%
X = torch.ones(2, 3)
Y = torch.zeros(2, 3, device=device)
Z = X.to(device)
assert Y.device.type == Z.device.type == device.type
X.device

# %% [markdown] translates="eff355b3"
# 每台机器都有设备`meta`。它上面的张量有形状（shape），没有数据。本章用它代替GPU：在GPU上会出的错，很多在`meta`上也会出。大多数操作要求输入在同一个位置。

# %% tags=["raises-exception"]
M = torch.ones(2, 3, device="meta")
print("M is", M)
X + M

# %% [markdown] translates="0d051f09"
# 做算术运算时，PyTorch不会替你移动张量，只有一个例外。`scale`有什么特别？

# %%
scale = torch.tensor(2.0)
assert_close((Z * scale).cpu(), torch.full((2, 3), 2.0))
print("scale is on", scale.device)
print("M * scale is on", (M * scale).device)

# %% [markdown] translates="8b152562"
# `scale`没有维度。在算术运算里，这样的CPU张量当作一个数，和任何设备上的张量都能运算。还有两种操作接受别处的张量：`copy_`把一个张量的值写进另一个张量；索引可以在CPU上。

# %%
assert torch.equal(torch.zeros_like(Z).copy_(X), Z)
assert torch.equal(Z[torch.tensor([1, 0])], Z)

# %% [markdown] translates="885bff47"
# ### 移动就是复制，除非已经在那里
#
# 移到另一个位置，会产生新的张量。`Z`已经在`device`上了：`.to`会复制它吗？

# %%
print("to another place:", X.to("meta") is X)
print("to its own place:", Z.to(device) is Z)

# %% [markdown] translates="e43315df"
# 没有复制，返回的就是同一个对象。
#
# > **陷阱**。修改结果，可能也就修改了原来的张量。

# %%
original = torch.ones(2, 3)
moved = original.to("cpu")
moved[0, 0] = 5
original[0, 0].item()

# %% [markdown] translates="dfcc5fc3"
# 换成`.to(device)`，`device`是CPU时会得到5，是GPU时会得到1。如果要修改结果，就明确要求复制。

# %%
untouched = torch.ones(2, 3)
copied = untouched.to(device, copy=True)
copied[0, 0] = 5
untouched[0, 0].item()

# %% [markdown] translates="5a31a054"
# ### 新张量要和输入在同一个设备上
#
# > **陷阱**。在`forward`里创建张量，如果不写`device=`，张量不会跟着输入走：它在CPU上。
#
# 在CPU上，这个模块给三个特征（feature）分别加上0、1、2。在`meta`上呢？


# %% tags=["raises-exception"]
class AddPositions(nn.Module):
    def forward(self, X):
        return X + torch.arange(X.shape[-1])


assert_close(AddPositions()(X)[0], torch.tensor([1.0, 2.0, 3.0]))
AddPositions()(M)

# %% [markdown] translates="d4a82034"
# 改成从输入取得位置。`zeros_like(M)`和`M.new_zeros(3)`本来就这样做。


# %%
class AddPositionsAnywhere(nn.Module):
    def forward(self, X):
        return X + torch.arange(X.shape[-1], device=X.device)


for tensor in (AddPositionsAnywhere()(M), torch.zeros_like(M), M.new_zeros(3)):
    print(tuple(tensor.shape), tensor.device)

# %% [markdown] translates="57020a82"
# ### 位置只写一次
#
# 不写`device=`，张量就创建在*默认设备*（default device）上。`with torch.device(...)`为一段代码指定默认设备；用`torch.set_default_device`指定，会一直有效，直到你再改。

# %% translates="9658f869"
torch.set_default_device("meta")
by_default = torch.ones(3)
torch.set_default_device(None)  # 又是CPU
with torch.device("meta"):
    net_there = MLP()
by_default.device, net_there.out.weight.device, torch.ones(3).device

# %% [markdown] translates="01af2ffb"
# 这样，大网络就能直接建在要用它的地方，不用先在CPU上建好再复制。
#
# > **陷阱**。默认设备管的是新建的张量。下面每个张量，都由已有的东西得到。五个里面，哪些在`meta`上？

# %%
array = np.ones(3, dtype=np.float32)
with torch.device("meta"):
    for code in (
        "torch.tensor(array)",
        "torch.from_numpy(array)",
        "torch.zeros_like(X)",
        "X + 1",
        "X + torch.ones(3)",
    ):
        try:
            print(f"{code:24}", eval(code).device)
        except RuntimeError:
            print(f"{code:24} error: two places")

# %% [markdown] translates="51a41442"
# 只有第一个：`torch.tensor`会复制。`from_numpy`与数组共用内存，接下来的两个留在`X`所在的位置。最后一行本来能用，一旦有人设了默认设备，就会报错。所以写库时，最好从输入取得位置。

# %% [markdown] translates="7febbccc"
# ## 神经网络与GPU：模块整体移动
#
# `to`移动模块的参数（parameter）和缓冲区（buffer），子模块的也一起移动。移动张量时，返回的是另一个对象。移动模块时，返回什么？

# %%
fixed = FixedHiddenMLP()
print("same object:", fixed.to("meta") is fixed)
assert not hasattr(fixed, "device")
print("place:", next(fixed.parameters()).device)
{name: tensor.device.type for name, tensor in fixed.state_dict().items()}

# %% [markdown] translates="b88d7c5a"
# 返回的还是同一个对象，已经原地（in-place）修改，不需要赋值。模块没有`device`属性；单元格里查的是一个参数的位置。
#
# > **陷阱**。普通属性里的张量会留在原处，[第03章](03_custom_layers.ipynb#cell-id=parameter-buffer-or-attribute)的表格就是这么说的。
#
# 下面这一层把输出乘以几个常数。


# %% tags=["raises-exception"]
class ScaledLinear(MyLinear):
    def __init__(self, in_units, units):
        super().__init__(in_units, units)
        self.scale = torch.full((units,), 0.5)

    def forward(self, X):
        return self.scale * super().forward(X)


ScaledLinear(5, 3).to("meta")(torch.ones(2, 5, device="meta"))

# %% [markdown] translates="149a1794"
# 改成缓冲区，这些常数就会一起移动。


# %%
class ScaledLinearBuffer(MyLinear):
    def __init__(self, in_units, units):
        super().__init__(in_units, units)
        self.register_buffer("scale", torch.full((units,), 0.5))

    def forward(self, X):
        return self.scale * super().forward(X)


scaled = ScaledLinearBuffer(5, 3).to("meta")
scaled(torch.ones(2, 5, device="meta")).device

# %% [markdown] translates="376ad5fb"
# 模块移动后留在原处的张量，在`meta`上调用一次，就能全找出来吗？在下面的每一行里，`W`在CPU上，`M`或`ids`在`meta`上。`eval`运行一行代码，`F.embedding`从`W`中取出几行。如果不用`meta`而用GPU，每一行都会报错。

# %%
W = torch.ones(3, 3)
ids = torch.tensor([0, 2], device="meta")
for code in (
    "M + W[:2]",
    "torch.cat([M, W])",
    "F.mse_loss(M, W[:2])",
    "M @ W",
    "F.linear(M, W)",
    "F.embedding(ids, W)",
):
    try:
        eval(code)
        print(f"{code:21} no error")
    except RuntimeError:
        print(f"{code:21} error")

# %% [markdown] translates="06ef08d6"
# 不能：矩阵乘法和`F.embedding`在`meta`上不看输入的位置。在`meta`上报错，说明找到了一个错误；没有报错，什么也说明不了。练习6.5直接找这些张量。

# %% [markdown] translates="48583f59"
# ### 先移动，再创建优化器
#
# 优化器（optimizer）管的是创建时给它的那些参数。把模块移到设备、转成双精度、移到`meta`，每次之后，这些还是模块的参数吗？

# %%
net = MLP()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
held = optimizer.param_groups[0]["params"][0]
moves = (device, torch.float64, "meta")
[held is net.to(move).hidden.weight for move in moves]

# %% [markdown] translates="59521cec"
# 在CPU和CUDA之间移动，或者换一种数据类型（data type），参数仍是同一个对象，只是换了数据。移到`meta`会产生新的参数，优化器手里的参数就不再属于任何网络。优化器记住的信息，也不会跟着走（[第04章](04_file_io.ipynb#cell-id=load-on-another-device)）。不管什么设备，稳妥的次序都一样：先移动，再创建优化器。

# %% [markdown] translates="350bd5a0"
# ## 在每种设备上得到相同的数
#
# 每个设备有自己的随机数来源，`manual_seed`给所有来源设种子（seed）。先在CPU上抽取随机数，再移过去，每种设备上的数就都相同；用同一个种子直接在GPU上抽取，得到的是另一些数。

# %%
torch.manual_seed(0)
drawn = torch.rand(3).to(device)
torch.manual_seed(0)
drawn_there = torch.rand(3, device=device)
assert torch.equal(drawn_there, drawn) == (device.type == "cpu")
[round(number, 3) for number in drawn.tolist()]

# %% [markdown] translates="cdc61ce2"
# 换成GPU，或者换一种CPU，求和的次序可能不同，舍入也就不同。`A @ B`的每个元素是1000个乘积的和。分成300项的和与700项的和来算，结果不相等，但接近。

# %%
torch.manual_seed(0)
A, B = torch.rand(100, 1000), torch.rand(1000, 100)
in_parts = A[:, :300] @ B[:300] + A[:, 300:] @ B[300:]
assert not torch.equal(in_parts, A @ B)
assert_close(in_parts, A @ B, rtol=1e-5, atol=0)

# %% [markdown] translates="331f8b21"
# `rtol`是允许的相对误差；这里都是正数，类型是float32，$10^{-5}$就够了。比较不同设备的结果，要用这种方法，不要用`==`。

# %%
assert_close((A.to(device) @ B.to(device)).cpu(), A @ B, rtol=1e-5, atol=0)

# %% [markdown] translates="7658a8e6"
# ## 正确计时
#
# 使用GPU的调用，大多数是*异步*（asynchronous）的：把任务放进GPU的一个队列，即*流*（stream），还没做完就返回。
#
# > **陷阱**。调用一返回就看时钟，量到的是提交任务要多久。`d2l.Timer`不会等CUDA。
#
# 在`meta`上没有东西要算，所以一次调用就只是提交任务。从这里开始，CPU只用一个线程：机器繁忙时，多个线程会互相等待。下面两个时间，相差多少倍？

# %% tags=["nbval-ignore-output"]
torch.set_num_threads(1)
durations = {}
for place in ("meta", "cpu"):
    S = torch.ones(1024, 1024, device=place)
    timer = d2l.Timer()
    S @ S
    durations[place] = timer.stop()
assert durations["meta"] < durations["cpu"]
{place: f"{t:.0e} s" for place, t in durations.items()}

# %% [markdown] translates="ad2b3cda"
# 在GPU上，如果不等待，时钟量到的就像第一个时间。所以要这样做：等待，开始计时，调用，等待，停止计时。`synchronize`会等到一个GPU的队列全部清空。先预热（warm up），因为最初的几次调用要加载代码、预留内存。重复多次，取中位数：某一次受到干扰，中位数几乎不变。


# %%
def wait(used):
    for gpu in used:
        torch.cuda.synchronize(gpu)


def seconds(f, *args, used=gpus, warm_up=2, repeats=15):
    for _ in range(warm_up):
        f(*args)
    durations = []
    for _ in range(repeats):
        wait(used)
        start = time.perf_counter()
        f(*args)
        wait(used)
        durations.append(time.perf_counter() - start)
    return median(durations)


# %% [markdown] translates="b5b6a8af"
# 本次会话里的第一次傅里叶变换，比后面的慢多少？（再运行一次这个单元格，就没有第一次了。）

# %% tags=["nbval-ignore-output"]
places = [torch.device("cpu"), *gpus]
for place in places:
    signal = torch.ones(256, 1024, device=place)
    first = seconds(torch.fft.fft, signal, warm_up=0, repeats=1)
    later = seconds(torch.fft.fft, signal)
    assert first > 0 and later > 0
    print(f"{place}: first {first:.1e} s, later {later:.1e} s")

# %% [markdown] translates="afe3df12"
# ### 小矩阵和大矩阵
#
# 两个$n \times n$矩阵相乘，大约要$2n^3$次运算：$n$变成两倍，运算量变成八倍。时间也增长得这么快吗？

# %%
sizes = [2**k for k in range(4, 11)]
times = {}
for place in places:
    squares = [torch.ones(n, n, device=place) for n in sizes]
    used = [place] if place in gpus else []
    times[place] = [seconds(torch.mm, S, S, used=used) for S in squares]
assert all(t > 0 for curve in times.values() for t in curve)

# %% [markdown] translates="d5b0b84a"
# 假如所有大小的矩阵，都和CPU算最大的矩阵时一样快，时间就落在虚线上。（代码可以跳过。）

# %% tags=["predict"] mystnb={"image": {"alt": "一次矩阵乘法的时间随n变化的图，n从16到1024，坐标轴是对数刻度，每个设备一条曲线。另有一条虚直线，表示时间与n的三次方成正比，在1024处与CPU的曲线相交。在存下的图里，n = 16时CPU用一到两微秒，是虚线所示的好几倍；曲线到32为止上升得很慢。从64起，曲线在虚线附近。"}} translates="de7113d5"
for place, marker in zip(places, "os^v<>Dp*", strict=False):
    plt.loglog(sizes, times[place], marker=marker, label=str(place))
cubic = [times[places[0]][-1] * (n / sizes[-1]) ** 3 for n in sizes]
plt.loglog(sizes, cubic, "--", color="#666666", label="time ~ $n^3$")
plt.xticks(sizes, sizes)
plt.minorticks_off()
plt.xlabel("n")
plt.ylabel("seconds")
plt.legend()
plt.show()

# %% [markdown] translates="81a44624"
# 在左边，时间增长得比较慢：小矩阵的乘法，时间比调用本身多不了多少。在右边，时间大部分花在计算上。如果你有GPU，找一找它的曲线在哪里与CPU的相交。

# %% [markdown] translates="08feec9d"
# ### 同时用两个GPU
#
# 每个GPU有自己的队列，两个队列都由Python来填：第一个GPU还没做完，第二个就拿到了任务。全是1的矩阵，经过下面的计算，结果不变。


# %%
def multiply(*matrices):
    results = []
    for S in matrices:
        for _ in range(20):
            S = S @ S / len(S)
        results.append(S)
    return results


ones = torch.ones(8, 8)
assert_close(multiply(ones, ones), [ones, ones])

# %% [markdown] translates="29f6c44f"
# 在两个一样的GPU上，两个矩阵一起算，时间应该和只算一个差不多。

# %% tags=["nbval-ignore-output"]
if len(gpus) < 2:
    print("This cell needs two GPUs, and goes on without them.")
else:
    S, T = (torch.ones(2048, 2048, device=gpu) for gpu in gpus[:2])
    print(f"one:  {seconds(multiply, S):.1e} s")
    print(f"both: {seconds(multiply, S, T):.1e} s")
    assert_close([R.cpu() for R in multiply(S, T)], [S.cpu(), T.cpu()])

# %% [markdown] translates="a7e0b435"
# ## 避免看不见的复制
#
# `x.item()`要用`x`里的数。Python要等GPU清空队列、把这个数复制过来；接着，队列里没有任务，GPU又要等Python。在`meta`上没有这个数，需要它的代码就会报错。下面哪几行会报错？

# %%
x = torch.tensor(0.5, device="meta")
for code in (
    "x.item()",
    "float(x)",
    "f'{x:.2f}'",
    "1 if x > 0 else 2",
    "x > 0",
    "x + 1",
    "x.detach()",
    "x.tolist()",
    "x.cpu()",
    "torch.equal(x, x)",
):
    try:
        eval(code)
        print(f"{code:18} no number needed")
    except (RuntimeError, TypeError):
        print(f"{code:18} reads")

# %% [markdown] translates="a61e37c1"
# `if`会读；单独的比较不会。`print(x)`也要等GPU，可是在`meta`上它打印的是形状，所以这一处`meta`查不出来。有GPU时，`torch.cuda.set_sync_debug_mode("warn")`会对许多要等待的调用发出警告。
#
# 训练时，最常见的读取来自损失的日志。在下面的循环里，如果`log`是`Tensor.item`，每一步读一个数；如果是`Tensor.detach`，每一步在设备上留下一个不带计算图（computational graph）的张量。


# %%
def train(log, place=device):
    torch.manual_seed(0)
    X, y = torch.rand(64, 20).to(place), torch.rand(64, 1).to(place)
    net = MLP(20, 32, 1).to(place)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(100):
        loss = F.mse_loss(net(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(log(loss))
    return losses


# %% [markdown] translates="cf8a648d"
# 在`meta`上一个数也没有，还能训练一百步吗？下面第二行的那种日志就不行。

# %% tags=["raises-exception"]
assert len(train(torch.Tensor.detach, place="meta")) == 100
train(torch.Tensor.item, place="meta")

# %% [markdown] translates="24485670"
# 训练在设备上进行时，留在那里的日志，到最后一次全部复制过来。两份损失相同吗？

# %%
losses_read = train(torch.Tensor.item)
losses_kept = torch.stack(train(torch.Tensor.detach)).tolist()
assert_close(losses_read, losses_kept, rtol=1e-5, atol=0)

# %% [markdown] translates="d2f813cc"
# 相同。在CPU上，读取不用等待。有GPU的话，比较这两个时间。

# %% tags=["nbval-ignore-output"]
time_read = seconds(train, torch.Tensor.item)
time_kept = seconds(train, torch.Tensor.detach)
assert time_read > 0 and time_kept > 0
print(f"read at each step: {1e3 * time_read:.0f} ms")
print(f"kept till the end: {1e3 * time_kept:.0f} ms")

# %% [markdown] translates="58d81f51"
# ## 一边计算，一边复制
#
# GPU不能自己从普通内存复制，因为系统可能会挪动这些内存，所以Python要等复制完成。*锁页内存*（pinned memory）的位置不变。从那里复制，加上`non_blocking=True`，调用把复制放进队列就返回。`DataLoader`加上`pin_memory=True`，批量（batch）就放在锁页内存里。这需要GPU，所以下面那一行只在有GPU时才设为`True`。

# %%
data = TensorDataset(torch.arange(8.0), torch.arange(8))
loader = DataLoader(data, batch_size=4, pin_memory=device.type == "cuda")
for batch, _ in loader:
    assert batch.is_pinned() == (device.type == "cuda")
    there = batch.to(device, non_blocking=True)
    print(there.sum().item())

# %% [markdown] translates="aba55416"
# 在CPU上，循环也是这样写，这两处设置什么也不改变。省下多少时间，要在GPU上才看得到：那里，第二次调用应该只用第一次的一小部分时间。

# %% tags=["nbval-ignore-output"]
if not gpus:
    print("This cell needs a GPU, and goes on without one.")
else:
    ordinary = torch.ones(64, 1024, 1024)  # 256 MiB
    pinned = ordinary.pin_memory()
    for memory in (ordinary, pinned):
        wait(gpus)
        timer = d2l.Timer()
        memory.to(device, non_blocking=True)
        print(f"pinned {memory.is_pinned()}: {timer.stop():.1e} s")

# %% [markdown] translates="e7b45bce"
# > **陷阱**。复制回CPU时，`non_blocking=True`返回的张量里，数可能还没到，而Python不会等到了再读。
#
# GPU会等：它的队列按次序执行。所以，往GPU复制时才用这个设置，而且复制完成之前不要改动锁页内存；往回复制时要用，就在读之前等待。

# %%
result = (there + 1).to("cpu", non_blocking=True)
wait(gpus)
result.tolist()

# %% [markdown] translates="874972b2"
# 没有`wait`，在GPU上得到的可能是别的数，而且不报错。

# %% [markdown] translates="dd44afd1"
# ## 在这里保存，在别处加载
#
# 张量存成文件时（[第04章](04_file_io.ipynb#cell-id=save-tensors)），会记录每个张量在哪里，`torch.load`再放回那里。`map_location`指定另一个位置。`BytesIO`是内存里的文件。
#
# > **陷阱**。在某个GPU上保存的文件，没有这个GPU就加载不了。
#
# 这里没有99号GPU。错误信息的其余部分，会建议怎样解决。

# %%
torch.manual_seed(0)
trained = MLP().to(device)
file = io.BytesIO()
torch.save(trained.state_dict(), file)
file.seek(0)
try:
    torch.load(file, map_location="cuda:99")
except RuntimeError as missing:
    assert "map_location" in str(missing)
    print(str(missing)[:35], "...")

# %% [markdown] translates="c968434a"
# 加上`map_location="cpu"`，在每台机器上都能加载。然后`load_state_dict`把值复制到参数所在的位置。

# %%
file.seek(0)
state = torch.load(file, map_location="cpu")
clone = MLP().to(device)
clone.load_state_dict(state)
assert clone.out.weight.device.type == device.type
batch = torch.ones(2, 20).to(device)
assert_close(clone(batch), trained(batch))
state["out.weight"].device

# %% [markdown] translates="685387b4"
# ## 小结
#
# - `device`只选一次。
# - 大多数操作要求输入在同一个位置。没有维度的张量、`copy_`的来源和索引，可以在CPU上。`.to`返回副本；如果张量已经在那里，就返回同一个对象。
# - 张量创建在CPU上，除非`device=`、`with torch.device(...)`或`set_default_device`另外指定位置。由另一个张量得到的，和那个张量在同一个位置。
# - 模块原地移动，参数和缓冲区一起移动。普通属性里的张量，以及在`forward`里没写`device=`而创建的张量，不会跟着移动。在`meta`上调用一次，能找到其中一些。
# - 先移动网络，再创建优化器。
# - 先在CPU上抽取随机数，再移动。比较时要有容差（tolerance）。
# - 使用GPU的调用会提前返回。预热，等待，重复，取中位数。
# - `item`、`float`、`print`、`tolist`、`cpu`和`if`都要等队列清空。在`meta`上，其中大多数会报错。日志留在设备上。
# - 从锁页内存复制，加上`non_blocking=True`，复制时Python继续运行。复制回CPU时，读之前要等待。
# - `torch.load(file, map_location="cpu")`不需要GPU；模块的`load_state_dict`会复制到参数所在的位置。

# %% [markdown] translates="fa2552fb"
# ## 练习
#
# 把答案写在每个`...`的位置，运行这个单元格，再运行下面的检查。检查会说出缺了什么，并给出一个通不过的例子；它不会改动你的任何东西。检查要用到前面的单元格：隔了一阵再来做时，先选中检查，再依次点*Run*、*Run All Above Selected Cell*。完整的解答在[另外一页](solutions/06_devices.ipynb)上。大多数检查在试你的函数时，给的是CPU上的张量：用什么设备，要从这些张量得知，不要依赖`device`。

# %%
from d2l_helpers import check

# %% [markdown] translates="d3c19d2c"
# ### 6.1 小和大
#
# *探索，25分钟。*
# [解答](solutions/06_devices.ipynb#cell-id=exercise-6-1)
#
# 写`time_sum(n, device)`：在一个设备上，把两个含$n$个数的向量（vector）相加，返回要多少秒。测法和本章一样：开始计时之前，向量已经建好，并且已经加过一次；结果是五次或更多次的中位数。在你的每个设备上，对$10^2$到$10^7$个数的加法计时，画出时间随大小变化的图。从多大开始，时间随大小增长？这个大小为什么和矩阵乘法的不一样？设$n = 1000$，在这样的向量加法和这样的矩阵乘法里，算出结果中的一个数，各要多少次运算（加法和乘法合在一起算）？


# %% translates="9e4ce694"
def time_sum(n, device):
    """两个含n个数的向量相加要多少秒。"""
    # 整数和torch.device -> 一个数
    ...


operations = {"sum": ..., "product": ...}  # 算出结果中的一个数要几次运算

# %%
check.small_and_large(time_sum, operations)

# %% [markdown] translates="81e36ec2"
# ### 6.2 不同设备上的参数
#
# *编程，15分钟。*
# [解答](solutions/06_devices.ipynb#cell-id=exercise-6-2)
#
# 写`set_bias(net, name, values)`，把一个数值列表写进网络的一个偏置（bias），网络在任何设备上都行（怎样写入，见[第02章](02_parameters.ipynb)）；再写`get_bias(net, name)`，以列表返回偏置的数值。名字是`net.named_parameters()`给出的名字之一。如果偏置仍是原来的对象，仍在原来的位置，并且仍能得到梯度（gradient），就算完成。遇到别的名字，两个函数都要报错，并在错误信息里写明缺了什么。


# %% translates="cf30f162"
def set_bias(net, name, values):
    """把一个数值列表写进这个名字的偏置。"""
    ...


def get_bias(net, name):
    """以列表返回这个名字的偏置的数值。"""
    ...


# %%
check.parameters_across_devices(set_bias, get_bias)

# %% [markdown] translates="a08b059d"
# ### 6.3 一千个范数
#
# *编程，25分钟。*
# [解答](solutions/06_devices.ipynb#cell-id=exercise-6-3)
#
# 把一个100×100的矩阵$A$连续1000次乘以另一个矩阵，每次$A \leftarrow AB$，并记录每次相乘之后的弗罗贝尼乌斯范数（Frobenius norm）：`norms_read(A, B, steps)`用`item`逐个读取，返回列表；`norms_kept(A, B, steps)`什么也不读，返回形状为`(steps,)`的张量，它在$A$所在的设备上。两个函数都接受任意大小的方阵，并且不改变传入的矩阵。第二个矩阵由你来选，不能是单位矩阵；第一个矩阵随机取时，范数要一直有限，并且大于0。验证两份记录相等，再用`meta`看出两个函数里哪个会读取；给两个函数计时。


# %% translates="7ad4b74e"
def norms_read(A, B, steps=1000):
    """每次相乘之后的范数，逐个读取。"""
    # (n, n)和(n, n) -> 数值列表
    ...


def norms_kept(A, B, steps=1000):
    """每次相乘之后的范数，留在设备上。"""
    # (n, n)和(n, n) -> (steps,)
    ...


second = ...  # (100, 100)

# %%
check.thousand_norms(norms_read, norms_kept, second)

# %% [markdown] translates="a8fb7ccc"
# ### 6.4 两个同时算
#
# *探索，20分钟。*
# [解答](solutions/06_devices.ipynb#cell-id=exercise-6-4)
#
# 给`multiply`计时：先在一个设备上算两个矩阵，再在两个设备上各算一个。没有两个GPU，就用`ThreadPoolExecutor`的两个线程，各给一个矩阵：写`at_once(f, S, T)`，在一个线程里调用`f(S)`，在另一个线程里调用`f(T)`，让两者同时运行，返回由两个结果组成的列表，`S`的结果在前。和先后算两个相比，时间是不是一半？


# %% translates="1466fd28"
def at_once(f, S, T):
    """[f(S), f(T)]，由两个线程同时计算。"""
    # 一个函数和两个矩阵 -> 由函数的返回值组成的列表
    ...


# %%
check.two_at_once(at_once)

# %% [markdown] translates="8ecff4c7"
# ### 6.5 什么留在原处
#
# *编程，20分钟。*
# [解答](solutions/06_devices.ipynb#cell-id=exercise-6-5)
#
# 写`stays_behind(net)`，找出放在普通属性里的所有张量，模块自己的要算，它下面任何模块的也要算。以列表返回这些张量的名字，名字用点连接。从`vars(module)`入手。对`nn.Sequential(ScaledLinear(5, 3))`，答案是`["0.scale"]`；只有`ScaledLinear(5, 3)`时是`["scale"]`；对`FixedHiddenMLP()`是`[]`。不要改变网络。


# %% translates="371b03bf"
def stays_behind(net):
    """普通属性里的张量的名字，用点连接。"""
    # 模块 -> 由字符串组成的列表，次序不限
    ...


# %%
check.what_stays_behind(stays_behind)

# %% [markdown] translates="d0f50094"
# ### 6.6 看不出来的读取
#
# *思考，10分钟。*
# [解答](solutions/06_devices.ipynb#cell-id=exercise-6-6)
#
# 设`v`的形状为`(5,)`，`x`和`total`没有维度，三者都在GPU上。预测下面哪几行需要GPU上的数，因而要等待；`max(v)`用的是Python的函数。再在`meta`上试一试。有两行都保留`v`中大于0的数，为什么其中只有一行要等待？

# %% translates="01efc9da"
reads = {  # True或False
    "max(v)": ...,
    "v.max()": ...,
    "v[int(x)]": ...,
    "v[v.argmax()]": ...,
    "total += x": ...,
    "total += x.item()": ...,
    "v[v > 0]": ...,
    "torch.where(v > 0, v, 0)": ...,
}

# %%
check.readers_in_disguise(reads)

# %% [markdown] translates="2ecef68e"
# ### 6.7 任意结构的批量
#
# *编程，15分钟。*
# [解答](solutions/06_devices.ipynb#cell-id=exercise-6-7)
#
# 批量可以是字典，里面有列表和元组，除了张量还有文字。写`to_device(batch, place)`，返回同样的结构，里面的每个张量都移到指定的位置，不管在第几层。字典还是字典，列表还是列表，元组还是元组；既不是这三种，也不是张量的，原样放进去。已经在那里的张量不复制。传入的批量保持原样。


# %% translates="3f6d4433"
def to_device(batch, place):
    """同样的批量，里面的张量都已移动，不管在第几层。"""
    # 字典、列表、元组、张量和其他对象 -> 同样的结构
    ...


# %%
check.batch_of_anything(to_device)

# %% [markdown] translates="5816e846"
# ### 6.8 默认设备管什么
#
# *思考，10分钟。*
# [解答](solutions/06_devices.ipynb#cell-id=exercise-6-8)
#
# `X`是`torch.ones(3)`，`array`是NumPy数组，`net`是`nn.Linear(3, 2)`，都在CPU上创建。然后，在`with torch.device("meta")`里面，每一行得到一个张量。预测它在哪个位置。最后一行为什么不报错？

# %% translates="e330855e"
where = {  # "cpu"或"meta"
    "torch.arange(3)": ...,
    "torch.tensor([1.0, 2.0])": ...,
    "torch.zeros(3, device='cpu')": ...,
    "torch.from_numpy(array)": ...,
    "torch.stack([X, X])": ...,
    "X.new_zeros(3)": ...,
    "net(X)": ...,
    "nn.Linear(3, 2).weight": ...,
    "X + torch.tensor(1.0, device='cpu')": ...,
    "torch.ones(3) + torch.tensor(1.0, device='cpu')": ...,
}

# %%
check.what_the_default_reaches(where)

# %% [markdown] translates="bddcdf1d"
# ### 6.9 提前一个批量
#
# *编程，25分钟。*
# [解答](solutions/06_devices.ipynb#cell-id=exercise-6-9)
#
# 设备算着一个批量，下一个就可以上路了。写一个生成器`ahead(batches, move)`，按次序给出每个批量，给出的是移动之后的。给出一个批量时，`move`已经对下一个批量调用过，对再后面的还没有：每个等着的批量都占内存。`batches`只能遍历一次，也可能是空的。对张量来说，`move`可以是`lambda batch: batch.to(device, non_blocking=True)`。


# %% translates="0452e317"
def ahead(batches, move):
    """逐个给出move(batch)，并在给出之前就开始移动下一个。"""
    # 可迭代对象和函数 -> 生成器
    ...


# %%
check.one_batch_ahead(ahead)

# %% [markdown] translates="3a02fcb4"
# ## 接下来读什么
#
# [训练：在任何设备上训练，中断后恢复](07_training.ipynb)训练一个真正的模型，有什么设备就用什么设备，中断之后再恢复。
