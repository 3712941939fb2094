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

# %% [markdown] translates="da8a8a8b"
# # 读写文件：保存和加载张量与模型
#
# 训练好的模型如果不保存，进程一结束就没了。保存只要一行代码。但文件可能残缺，可能属于别的模型，甚至可能运行陌生人写的代码。下面逐个来看这些情况，以及该怎么办。
#
# **你将学会**
#
# - 保存和加载张量、模型和整个训练过程；
# - 知道加载文件时可能运行什么代码，并降低这种风险；
# - 文件与模型对不上时，读懂错误信息；从别人的权重（weight）开始训练；
# - 让文件小一些，不用Python的pickle，并加载大模型；
# - 中断训练后再恢复，哪怕是意外中断。
#
# **书中**：第5.5节[读写文件](https://zh.d2l.ai/chapter_deep-learning-computation/read-write.html)（英文版6.6，[File I/O](https://d2l.ai/chapter_builders-guide/read-write.html)）。
#
# **需要先读**第01章[用层和块搭建网络](01_blocks.ipynb)。全部单元格在CPU上运行约五秒，有GPU时会用GPU。

# %% [markdown] translates="b58186dc"
# 第一个单元格导入本章要用的东西，并选好设备（device）。

# %%
import copy
import os
import pickle
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, MySequential, changed_by_a_step, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown] translates="dd747f4f"
# 所有文件都放进一个临时目录，它一开始是空的。关闭内核时，这个目录随之删除。

# %%
scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)
list(folder.iterdir())

# %% [markdown] translates="030f5a97"
# ## 加载和保存张量
#
# `torch.save`把一个对象写进文件，`torch.load`再把它读回来。

# %%
x = torch.arange(4)
torch.save(x, folder / "x.pt")
x_back = torch.load(folder / "x.pt")
assert_close(x_back, x, rtol=0, atol=0)
x_back

# %% [markdown] translates="ba36cc90"
# 由张量（tensor）、数和字符串组成的列表和字典，也这样保存。

# %%
things = {"pair": [x, torch.zeros(2, 3)], "name": "first try", "epoch": 3}
torch.save(things, folder / "things.pt")
loaded = torch.load(folder / "things.pt")
assert_close(loaded["pair"], things["pair"], rtol=0, atol=0)
loaded

# %% [markdown] translates="bebeb2dd"
# ## 加载和保存模型参数
#
# 保存模型，就是保存它的*状态字典*（state dict）：这个字典里，每个名字对应一个张量，这些张量是模型的参数（parameter）和缓冲区（buffer）。`MLP`依次由线性层、ReLU和另一个线性层组成。文件里会出现这三个中的哪些？

# %%
torch.manual_seed(0)
mlp = MLP().to(device)
X = torch.rand(2, 20).to(device)
torch.save(mlp.state_dict(), folder / "mlp.pt")
state = torch.load(folder / "mlp.pt")
{name: tuple(value.shape) for name, value in state.items()}

# %% [markdown] translates="8948a70c"
# 出现的是两个线性层。文件里只有值，没有代码：从文件里看不出有ReLU。所以要先构建一个模型，再把值加载进去。`eval`切换到评估模式，在这种模式下，有些层的计算方式不一样（见[第03章](03_custom_layers.ipynb#cell-id=parameter-buffer-or-attribute)）。模型处于哪种模式，文件里也没有记下。

# %%
clone = MLP().to(device)
assert not torch.equal(clone(X), mlp(X))
clone.load_state_dict(torch.load(folder / "mlp.pt"))
clone.eval()
assert_close(clone(X), mlp(X), rtol=0, atol=0)

# %% [markdown] translates="eb3e6f94"
# ### 状态字典随模型变化
#
# > **陷阱**。`state_dict()`看起来像一份副本，好像可以先留住最好的权重，以后再用。其实，它的张量与模型的张量共享内存。
#
# 下面用三种方式留住一个值为0的偏置（bias），然后把偏置改成1。

# %%
moving = nn.Linear(2, 2)
nn.init.zeros_(moving.bias)
kept = moving.state_dict()
copied = copy.deepcopy(moving.state_dict())
torch.save(moving.state_dict(), folder / "moving.pt")
nn.init.ones_(moving.bias)
print("state dict:", kept["bias"].tolist())
print("deep copy: ", copied["bias"].tolist())
print("file:      ", torch.load(folder / "moving.pt")["bias"].tolist())

# %% [markdown] translates="1a4240dc"
# 深拷贝（deep copy）和文件里还是0。状态字典跟着模型变了。

# %% [markdown] translates="332a195f"
# ## 加载文件时可能运行什么
#
# `torch.save`用*pickle*描述对象，这是Python存储对象的格式。一个pickle就是一串指令，其中一种是：用这些实参调用这个函数。调用哪个函数，由类在`__reduce__`里指定。下面指定的函数创建一个目录，当作*标记*（marker）；换一个函数，就可能删掉你的文件。

# %%
marker = folder / "was_here"


class Hostile:
    def __reduce__(self):
        return os.mkdir, (str(marker),)


hostile = {"weights": torch.zeros(2), "extra": Hostile()}
torch.save(hostile, folder / "hostile.pt")
marker.exists()

# %% [markdown] translates="9aff8c91"
# 保存时没有创建目录。现在用`weights_only=False`加载这个文件，这是PyTorch 2.6之前的默认值。（单元格最后又删掉了标记。）

# %%
torch.load(folder / "hostile.pt", weights_only=False)
call_ran = marker.exists()
marker.rmdir()
call_ran

# %% [markdown] translates="7d2af259"
# 读文件的过程中，函数就已经调用了。现在不写这个实参。

# %% tags=["raises-exception"]
torch.load(folder / "hostile.pt")

# %% [markdown] translates="5b877c33"
# PyTorch拒绝加载这个文件：从2.6起，默认值是`weights_only=True`，只构建张量、数、字符串和装着这些的容器，别的几乎都不构建。这个文件却要用`os.mkdir`，Python把它定义在模块`posix`里（Windows上是`nt`）。报错之前，并没有调用这个函数：

# %%
assert not marker.exists()

# %% [markdown] translates="ae7ff546"
# 错误信息建议把这个实参设为`False`，这个建议只适用于你自己写的文件。
#
# 默认值降低了风险，但它不是沙箱：它没有把加载过程关在与外界隔开的环境里。在PyTorch 2.9.1及更早的版本里，即使用了`weights_only=True`，恶意文件也能破坏内存，从而可能运行代码（[CVE-2026-24747](https://github.com/pytorch/pytorch/security/advisories/GHSA-63cw-57p8-fm3p)）；2.10已经修复。以后还可能发现更多这样的漏洞。`torch.load`的文档也写着：绝不要加载来源不可信的数据。你的PyTorch是修复过的版本吗？

# %% tags=["look", "nbval-ignore-output"]
f"PyTorch {torch.__version__}, repaired: {torch.__version__ >= (2, 10)}"

# %% [markdown] translates="229b5dda"
# 如果显示`repaired: False`，先更新PyTorch，再加载别人的文件。
#
# > **陷阱**。`torch.save(net, path)`写起来比保存状态字典短。它把整个对象连同其中各个类的名字一起存成pickle。
#
# 一个文件要用的东西里，哪些超出了允许的范围，PyTorch可以列出来，而且一个都不会调用。

# %%
torch.save(mlp, folder / "whole.pt")
for name in ("hostile.pt", "whole.pt", "mlp.pt"):
    asks_for = torch.serialization.get_unsafe_globals_in_checkpoint(
        folder / name
    )
    print(name, sorted(asks_for))

# %% [markdown] translates="dc88155d"
# 状态字典里没有超出范围的东西。整个模型要按名字和位置去找各个类，所以，虽然它无害，PyTorch也拒绝加载。

# %%
try:
    torch.load(folder / "whole.pt")
except pickle.UnpicklingError as error:
    print(type(error).__name__)

# %% [markdown] translates="1cce2ca3"
# 所以要保存状态字典。

# %% [markdown] translates="0a6c745e"
# ## 文件与模型对不上时
#
# 下面的顺序块与`MLP`有同样的层，只是名字不同。对这个顺序块来说，文件里会缺什么？会多出什么？

# %% tags=["raises-exception"]
chain = MySequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
chain.load_state_dict(torch.load(folder / "mlp.pt"))

# %% [markdown] translates="25d6f249"
# *缺失*（missing）的键只在模型里有，*多余*（unexpected）的键只在文件里有。两种各有四个：也许只是名字不同。所以，把字典里的名字换成模型要的名字就行。

# %%
new_names = {"hidden": "0", "out": "2"}
renamed = {}
for key, value in torch.load(folder / "mlp.pt").items():
    layer, kind = key.split(".")
    renamed[f"{new_names[layer]}.{kind}"] = value
chain.to(device).load_state_dict(renamed)
assert_close(chain(X), mlp(X), rtol=0, atol=0)

# %% [markdown] translates="98d415b4"
# `strict=False`容许键缺失或多余。形状（shape）不对，它也容许吗？这个模型有三个输出，文件里有十个。

# %% tags=["raises-exception"]
three = MLP(20, 256, 3)
three.load_state_dict(torch.load(folder / "mlp.pt"), strict=False)

# %% [markdown] translates="d62c09ca"
# 不容许。*形状不符*（size mismatch）这一行写出参数的名字、它在文件里的形状（信息里把文件叫作checkpoint）和在模型里的形状。信息里没提第一层，因为它对得上。虽然报错，第一层加载了吗？

# %%
torch.equal(three.hidden.weight, mlp.hidden.weight.cpu())

# %% [markdown] translates="e72e02c1"
# 加载了。出了这样的错误，模型就一半新、一半旧；练习4.5要么全部加载，要么一点也不加载。

# %% [markdown] translates="742dac4c"
# ### 从别人的权重开始
#
# 别人训练好的层，可以作为你的网络的开头，叫作*骨干网络*（backbone）。在后面接上你自己的最后一层，叫作*头部*（head）。这里的骨干网络是`mlp.pt`里的`hidden`，头部有三个输出。哪些对得上，哪些对不上？下面的函数逐个比较：一个张量，如果网络里也有这个名字，形状也相同，就加载它。最后报告结果。


# %%
def load_what_fits(net, state):
    own = net.state_dict()
    fits = [k for k in own if k in state and state[k].shape == own[k].shape]
    net.load_state_dict({k: state[k] for k in fits}, strict=False)
    return {
        "loaded": fits,
        "new": [k for k in own if k not in fits],
        "unused": [k for k in state if k not in fits],
    }


tuned = MLP(20, 256, 3).to(device)
load_what_fits(tuned, state)

# %% [markdown] translates="b6d69556"
# 骨干网络加载了；头部是新的，文件里的头部没有用上。要的就是这样。接着，像[第02章](02_parameters.ipynb#cell-id=freeze-a-layer)那样，冻结（freeze）骨干网络，训练头部。`changed_by_a_step`训练一步，并列出这一步改变了什么。

# %%
tuned.hidden.requires_grad_(False)
optimizer = torch.optim.SGD(tuned.out.parameters(), lr=0.1)
tuned(X).square().sum().backward()
changed = changed_by_a_step(optimizer, tuned)
assert_close(tuned.hidden(X), mlp.hidden(X), rtol=0, atol=0)
changed

# %% [markdown] translates="b991c61c"
# > **陷阱**。哪怕一个键都对不上，`strict=False`也不报错。例如，模型用`nn.DataParallel`包起来以后，所有的键前面都有`module.`。
#
# 下面就加载这样一个字典。模型会改变多少？

# %%
prefixed = {f"module.{key}": value for key, value in state.items()}
victim = MLP().to(device)
before = victim(X)
report = load_what_fits(victim, prefixed)
assert torch.equal(victim(X), before)
report["loaded"]

# %% [markdown] translates="30fef890"
# 什么都没变，也没有报错。所以要看报告：报告里算作新的，应该正是你要训练的部分。这里不是这样，那就改好名字，再严格加载。

# %%
repaired = {k.removeprefix("module."): v for k, v in prefixed.items()}
victim.load_state_dict(repaired)
assert_close(victim(X), mlp(X), rtol=0, atol=0)

# %% [markdown] translates="6602dc59"
# ## 让文件小一些
#
# 张量的切片是一个*视图*（view）：它自己没有数，而是指向整个张量的*存储*（storage），也就是数所在的内存。下面有一百万个数，每个占四字节；还有它们的一个视图，只含十个数。第二个文件会有多大？

# %%
million = torch.zeros(1_000_000)
view = million[:10]
for name, tensor in (("million.pt", million), ("view.pt", view)):
    torch.save(tensor, folder / name)
    size = (folder / name).stat().st_size
    print(f"{name}: {len(tensor)} numbers, {size / 1e6:.1f} MB")

# %% [markdown] translates="83450e8a"
# 和第一个一样大：保存的是整个存储。`clone`让这十个数有自己的存储。

# %%
torch.save(view.clone(), folder / "ten.pt")
size = (folder / "ten.pt").stat().st_size
kilobytes = size // 1000
f"between {kilobytes} and {kilobytes + 1} kB"

# %% [markdown] translates="e0e8f12a"
# 其中四十字节是数，其余属于文件格式。保存整个存储是有道理的：共享内存的张量，加载之后仍然共享。

# %%
torch.save([million, view], folder / "shared.pt")
large, small = torch.load(folder / "shared.pt")
large[0] = 7
size = (folder / "shared.pt").stat().st_size
print(f"small[0] is {small[0].item()}, the file has {size / 1e6:.1f} MB")

# %% [markdown] translates="f7864968"
# 这个存储在文件里只有一份。所以，大张量里的一小块，先克隆再保存；共享内存的张量，保存在同一个文件里。

# %% [markdown] translates="8f26935d"
# ## 不用pickle
#
# *safetensors*是一种文件格式，用来存放带名字的张量，还能带纯文本的附注（`metadata=`）。这种格式里没有放函数的地方，所以要用别人的文件时，优先选这种格式。

# %%
save_file(mlp.state_dict(), folder / "mlp.safetensors")
safe_clone = MLP().to(device)
safe_clone.load_state_dict(load_file(folder / "mlp.safetensors"))
assert_close(safe_clone(X), mlp(X), rtol=0, atol=0)

# %% [markdown] translates="e06ee8ce"
# 不是张量的东西，它一概不收，连轮数（epoch）也不行。

# %% tags=["raises-exception"]
save_file({"weight": torch.zeros(2), "epoch": 3}, folder / "no.safetensors")

# %% [markdown] translates="77874a8b"
# 共享内存的张量，它也不收。如果模型把一个层用了两次，状态字典里就有这样的张量。错误信息很长，开头是这样的。

# %%
torch.manual_seed(0)
used_twice = nn.Linear(20, 20)
tied = MySequential(used_twice, nn.ReLU(), used_twice)
try:
    save_file(tied.state_dict(), folder / "no.safetensors")
except RuntimeError as error:
    print(str(error).split(",")[0].strip())

# %% [markdown] translates="96c0f671"
# 共享的张量，`save_model`只用其中一个名字写一次；`load_model`把值填进另一个模型，这个模型要以同样的方式共享。四个键里，有两个在文件中。

# %%
save_model(tied, folder / "tied.safetensors")
fresh = nn.Linear(20, 20)
tied_clone = MySequential(fresh, nn.ReLU(), fresh)
load_model(tied_clone, folder / "tied.safetensors")
assert_close(tied_clone(X.cpu()), tied(X.cpu()), rtol=0, atol=0)
list(load_file(folder / "tied.safetensors"))

# %% [markdown] translates="1e5e3299"
# ### 亲手读这种文件
#
# 前八个字节是文件头（header）的长度，低位字节在前。文件头是JSON，写着每个张量的类型、形状，以及它的字节从哪里开始、到哪里结束，位置从文件头的末尾数起。

# %%
import json

path = folder / "mlp.safetensors"
with open(path, "rb") as file:
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(length))
header

# %% [markdown] translates="d28fd429"
# `F32`就是`float32`，每个数四字节。所以可以只读一部分。从0数起，`hidden.weight`的第2行和第3行一共多少字节？

# %%
begin, _ = header["hidden.weight"]["data_offsets"]
with open(path, "rb") as file:
    file.seek(8 + length + begin + 2 * 20 * 4)
    data = bytearray(file.read(2 * 20 * 4))
rows = torch.frombuffer(data, dtype=torch.float32).reshape(2, 20)
assert_close(rows, mlp.hidden.weight[2:4].cpu(), rtol=0, atol=0)
f"{len(data)} of {path.stat().st_size} bytes"

# %% [markdown] translates="d7a6d6a8"
# `safe_open`做的是同样的事。

# %%
from safetensors import safe_open

with safe_open(path, framework="pt") as file:
    same_rows = file.get_slice("hidden.weight")[2:4]
assert_close(same_rows, rows, rtol=0, atol=0)

# %% [markdown] translates="1135ca00"
# ## 加载大模型
#
# `MLP()`抽取权重，这些权重随后由文件里的值替换；`torch.load`创建张量，它们的值随后复制进模型：有一小段时间，要占两倍的内存。每台机器都有设备`meta`，它的张量有形状，没有数据。在这个设备上，可以构建没有值的模型。
#
# > **陷阱**。`load_state_dict`把值复制到已有的张量里。`meta`上的张量装不下任何值。返回的结果却说，所有的键都对上了。

# %%
import warnings

with torch.device("meta"):
    shell = MLP()
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    result = shell.load_state_dict(state)
assert len(said) == 4
assert all("no-op" in str(w.message) for w in said)
print(result)
shell.out.weight.device

# %% [markdown] translates="55bb8cfe"
# 什么都没加载，也没有报错。只有几条警告，单元格把它们截住了：警告说，这是“no-op”，即什么也不做的操作。设了`assign=True`，加载的张量就会取代模型的张量；优化器（optimizer）要在这之后创建。状态字典里没有的，例如`persistent=False`的缓冲区，仍留在`meta`上。读文件时再设`mmap=True`，文件本身就充当内存：用到哪一部分，系统才读哪一部分。

# %%
mapped = torch.load(folder / "mlp.pt", map_location="cpu", mmap=True)
shell.load_state_dict(mapped, assign=True)
assert shell.out.weight.data_ptr() == mapped["out.weight"].data_ptr()
assert_close(shell(X.cpu()), mlp(X).cpu())

# %% [markdown] translates="808a5f4b"
# 没有复制任何值。如果文件就是内存，那么两个张量在内存里相隔多远，在文件里就相隔多远。模型改变时，文件也会变吗？

# %%
data = (folder / "mlp.pt").read_bytes()
tensors = mapped["hidden.weight"], mapped["out.weight"]
in_file = [data.index(t.numpy().tobytes()) for t in tensors]
in_memory = [t.data_ptr() for t in tensors]
assert in_memory[1] - in_memory[0] == in_file[1] - in_file[0] != 0
nn.init.zeros_(shell.out.bias)
assert (folder / "mlp.pt").read_bytes() == data

# %% [markdown] translates="ba75eab4"
# 两个距离相等。文件没有变：写入的部分，会得到自己的内存。

# %% [markdown] translates="4934907d"
# ## 中断与恢复训练
#
# *检查点*（checkpoint）是一个文件，里面有继续训练所需的一切。下面的实验是一个回归问题，有256个样本（sample）。它在CPU上用一个线程运行：这样相加的次序固定，结果可以逐位比较。`start`开始一次训练。它用的优化器是Adam，会为每个权重分别调整步长。

# %%
torch.set_num_threads(1)
torch.manual_seed(0)
inputs = torch.rand(256, 20)
noise = torch.randn(256, 1) / 10
targets = inputs.square().sum(dim=1, keepdim=True) + noise  # (256, 1)
targets = targets - targets.mean()


def start(seed):
    torch.manual_seed(seed)
    net = MLP(20, 1024, 1)
    return net, torch.optim.Adam(net.parameters(), lr=0.005)


# %% [markdown] translates="52b0b022"
# 每一轮都按新的随机次序取样本。`train`返回每轮的平均损失（loss）。


# %%
def train(net, optimizer, num_epochs):
    means = []
    for _ in range(num_epochs):
        losses = []
        for rows in torch.randperm(len(inputs)).split(32):
            loss = F.mse_loss(net(inputs[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        means.append(sum(losses) / len(losses))
    return means


# %% [markdown] translates="5cfa5637"
# 一次训练的状态有四部分：模型；优化器，因为Adam保存着梯度（gradient）和梯度平方的滑动平均；轮数；随机数生成器（generator）的状态，它决定以后每轮的次序。


# %%
def state_of(net, optimizer, epoch):
    return {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": epoch,
        "random_state": torch.get_rng_state(),
    }


# %% [markdown] translates="ac425b7b"
# 一次训练做满15轮。另一次开头相同，做完10轮停下并保存。

# %%
net, optimizer = start(seed=0)
loss_straight = train(net, optimizer, 15)
torch.save(state_of(net, optimizer, 15), folder / "epoch15.pt")

stopped, its_optimizer = start(seed=0)
loss_stopped = train(stopped, its_optimizer, 10)
torch.save(state_of(stopped, its_optimizer, 10), folder / "epoch10.pt")
assert loss_stopped == loss_straight[:10]

# %% [markdown] translates="54c332e5"
# 要恢复训练，先重新构建所有对象，再逐个加载各部分。构建时换一个随机种子（seed），免得有哪个部分碰巧是对的。随机状态最后加载，因为构建模型也会抽取随机数。`without`指定略去哪个部分。


# %%
def resume(path, without=""):
    net, optimizer = start(seed=1)
    state = torch.load(path)
    if without != "model":
        net.load_state_dict(state["model"])
    if without != "optimizer":
        optimizer.load_state_dict(state["optimizer"])
    if without != "random_state":
        torch.set_rng_state(state["random_state"])
    return net, train(net, optimizer, 15 - state["epoch"])


# %% [markdown] translates="81d669e7"
# 停过的训练，结束时和没停过的一样：所有参数和损失都相等，不留容差。

# %%
resumed, loss_resumed = resume(folder / "epoch10.pt")
assert_close(resumed.state_dict(), net.state_dict(), rtol=0, atol=0)
assert loss_resumed == loss_straight[10:]

# %% [markdown] translates="eb0b065e"
# 轮数说明还剩几轮。其余几个部分里，哪个可以略去？

# %%
for part in ("model", "optimizer", "random_state"):
    other, _ = resume(folder / "epoch10.pt", without=part)
    same = torch.equal(other.out.weight, net.out.weight)
    print(f"without {part}: {'the same' if same else 'another'} model")

# %% [markdown] translates="b10cc3d5"
# 要想结果相同，哪个都不能略去。哪些权重的梯度一直在变号，Adam就让哪些权重走小步；新的Adam不知道是哪些，一开始让每个权重都走满步。

# %% mystnb={"image": {"alt": "每轮的平均损失，纵轴是对数坐标。从未中断的训练，第1轮是1.5，第10轮降到0.2，第15轮降到0.1。恢复的训练画成点，是第11至15轮，都落在这条线上。不加载优化器时，损失在第11轮跳到1.4，差不多回到起点，到第15轮又降到0.25。"}} translates="fa746938"
_, loss_forgot = resume(folder / "epoch10.pt", without="optimizer")
assert loss_forgot[0] > loss_stopped[-1]
loss_forgot = loss_stopped[-1:] + loss_forgot
epochs, after = range(1, 16), range(11, 16)
plt.semilogy(epochs, loss_straight, label="never stopped")
plt.semilogy([10, *after], loss_forgot, "--", label="optimizer forgotten")
plt.semilogy(after, loss_resumed, "oC0", label="resumed")
plt.xticks([5, 10, 15])
plt.xlabel("epoch")
plt.ylabel("mean loss")
plt.legend()
plt.show()

# %% [markdown] translates="90d24b26"
# 不加载优化器，损失就猛然升高，前面的训练白费了一部分。恢复的训练，各点都落在线上。

# %% [markdown] translates="54c552c5"
# ### 其他随机状态
#
# GPU、NumPy和Python的`random`各有自己的随机数生成器；训练用到哪些，检查点就要保存哪些的状态。下面三个状态，`torch.load`会接受哪些？

# %%
states = {
    "random.getstate()": random.getstate(),
    "default_rng().bit_generator.state": (
        np.random.default_rng().bit_generator.state
    ),
    "np.random.get_state()": np.random.get_state(),
}
for name, saved in states.items():
    torch.save(saved, folder / "random.pt")
    try:
        torch.load(folder / "random.pt")
        print(name, "loads")
    except pickle.UnpicklingError:
        print(name, "is refused")

# %% [markdown] translates="5e76d061"
# 最后一个含有NumPy数组，而`weights_only=True`不构建NumPy数组。可以改用自己创建的NumPy生成器，也可以把数组存成列表：

# %% translates="3d1ea23d"
kind, words, *rest = np.random.get_state()  # rest：三个数
torch.save([kind, words.tolist(), *rest], folder / "random.pt")
expected = np.random.rand()
np.random.set_state(tuple(torch.load(folder / "random.pt")))
assert np.random.rand() == expected

# %% [markdown] translates="55722b70"
# ## 要么写完整，要么不写
#
# 很多训练是意外中断的：断电了，作业被强行终止了。如果正好发生在保存的时候呢？下面的程序在另一个Python进程里模拟这种情况：它把`source`一段一段地复制到`written`，到一半，`os._exit`让它停下。要是没有停，它会把副本改名为`target`。具体怎么做的，可以跳过。

# %%
import subprocess
import sys

WRITER = """
import os, sys
source, written, target = sys.argv[1:]
data = open(source, "rb").read()
with open(written, "wb", buffering=0) as file:
    for start in range(0, len(data), 1000):
        if start > len(data) / 2:
            os._exit(9)
        file.write(data[start : start + 1000])
os.replace(written, target)
"""


def write_and_die(source, written, target):
    command = [sys.executable, "-c", WRITER, source, written, target]
    return subprocess.run(command, cwd=folder).returncode


# %% [markdown] translates="251fb0aa"
# `direct.pt`里是第10轮的检查点。程序用第15轮的检查点覆盖它。

# %% tags=["predict"]
shutil.copy(folder / "epoch10.pt", folder / "direct.pt")
status = write_and_die("epoch15.pt", "direct.pt", "direct.pt")
complete = (folder / "epoch15.pt").stat().st_size
share = (folder / "direct.pt").stat().st_size / complete
f"exit status {status}, {share:.0%} of the file written"

# %% [markdown] translates="6fe3dd4e"
# 第10轮的检查点呢？

# %% translates="f916158b"
try:
    torch.load(folder / "direct.pt")
except RuntimeError as error:
    print(str(error).split(". ")[0])  # 后面是建议

# %% [markdown] translates="01da912d"
# 两个都丢了。这个文件是zip压缩包，末尾是一份内容目录，叫作“central directory”（中央目录）。截断的文件里没有这份目录。练习4.6会在别的位置截断，并保留最后三个检查点；练习4.4会找出一个完整、却错了一位的文件。
#
# 所以，先用另一个名字写文件。写完后，`os.replace`一步就把文件改成最终的名字：这个名字要么属于旧文件，要么属于新文件，而两个文件都是完整的。再来一次同样的意外。

# %%
shutil.copy(folder / "epoch10.pt", folder / "safe.pt")
status = write_and_die("epoch15.pt", "safe.pt.part", "safe.pt")
epoch = torch.load(folder / "safe.pt")["epoch"]
print(f"exit status {status}, the checkpoint is of epoch {epoch}")
sorted(path.name for path in folder.glob("safe.pt*"))

# %% [markdown] translates="1d9c25db"
# 旧的检查点可以读取。下面这个函数可以用在你自己的训练里。它先把文件写在同一个目录里，因为只有在同一个文件系统里，改名才能一步完成。`fsync`会等到所有字节都写上磁盘，以防断电。


# %%
def save_checkpoint(state, path):
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


save_checkpoint(torch.load(folder / "epoch15.pt"), folder / "safe.pt")
assert torch.load(folder / "safe.pt")["epoch"] == 15
sorted(path.name for path in folder.glob("safe.pt*"))

# %% [markdown] translates="ac8347da"
# ## 加载到另一个设备
#
# 文件记录了每个张量所在的设备，`torch.load`会把张量放回那里。如果机器上没有这个设备，加载就会失败，[第06章](06_devices.ipynb#cell-id=save-here-load-there)有例子。`map_location`指定改放到哪里。每台机器都有设备`"cpu"`。

# %%
same_place = torch.load(folder / "mlp.pt")
assert all(v.device.type == device.type for v in same_place.values())
on_cpu = torch.load(folder / "mlp.pt", map_location="cpu")
{value.device.type for value in on_cpu.values()}

# %% [markdown] translates="ebd02e2f"
# > **陷阱**。`map_location`会移动检查点里的所有张量，随机状态也不例外。但`set_rng_state`只接受CPU上的张量。
#
# 下面用`meta`代替GPU。

# %% tags=["raises-exception"]
elsewhere = torch.load(folder / "epoch15.pt", map_location="meta")
torch.set_rng_state(elsewhere["random_state"])

# %% [markdown] translates="96bc1805"
# RNG是随机数生成器（random number generator）；`torch.ByteTensor`装的是字节，这个状态也是，但`torch.ByteTensor`要在CPU上，这个状态却不在。所以，加载检查点时要用`map_location="cpu"`。随机状态留在CPU上；模型和优化器各自的`load_state_dict`会把值送到参数所在的设备。有一个数仍在CPU上，因为Adam要求它在那里：就是Adam的步数。

# %%
state_cpu = torch.load(folder / "epoch15.pt", map_location="cpu")
moved = MLP(20, 1024, 1).to(device)
moved_optimizer = torch.optim.Adam(moved.parameters())
moved.load_state_dict(state_cpu["model"])
moved_optimizer.load_state_dict(state_cpu["optimizer"])
torch.set_rng_state(state_cpu["random_state"])
averages = moved_optimizer.state[moved.out.weight]["exp_avg"]
assert averages.device.type == moved.out.weight.device.type == device.type
step = moved_optimizer.state[moved.out.weight]["step"]
assert step.device.type == "cpu" and step == 15 * len(inputs) / 32
assert_close(moved.out.weight.cpu(), net.out.weight, rtol=0, atol=0)

# %% [markdown] translates="b6a28e69"
# ## 小结
#
# - `torch.save`和`torch.load`保存和加载张量，以及张量组成的列表和字典。模型保存成状态字典：只有值，没有代码。
# - 状态字典随模型变化。深拷贝和文件不变。
# - pickle可以调用任何函数。`weights_only=True`从PyTorch 2.6起是默认值，文件要调用函数，它就拒绝加载。它不是沙箱：在2.9.1及更早的版本里可以绕过。不要加载你不信任的文件。
# - `strict=False`容许键缺失或多余，不容许形状不对。用别人的权重时，要看加载了什么，什么是新的，什么没有用上。
# - 视图会连同整个存储一起保存；要先克隆。
# - safetensors接受张量，不接受Python对象：文件里是长度、JSON写的文件头和各个张量的字节。有共享的张量时用`save_model`。
# - 大模型要构建在`meta`上，用`mmap=True`加载，再用`assign=True`换上。不设`assign=True`，加载到`meta`什么也不做，而且不报错。
# - 有了模型、优化器、轮数，以及训练用到的每个随机数生成器的状态，恢复的训练就与没停过完全相同。
# - 先写临时文件，再用`os.replace`改名。
# - 加载检查点时用`map_location="cpu"`。

# %% [markdown] translates="83efb41f"
# ## 练习
#
# 把答案写在每个`...`的位置，运行这个单元格，再运行下面的检查。检查会说出缺了什么，并给出一个通不过的例子；它不会改动你的任何东西。检查要用到前面的单元格：隔了一阵再来做时，先选中检查，再依次点*Run*、*Run All Above Selected Cell*。完整的解答在[另外一页](solutions/04_file_io.ipynb)上。

# %%
from d2l_helpers import check

# %% [markdown] translates="ee905928"
# ### 4.1 重用两个层
#
# *编程，15分钟。*
# [解答](solutions/04_file_io.ipynb#cell-id=exercise-4-1)
#
# 保存`MySequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))`的状态字典。写一个函数`reuse(path)`：它构建一个网络，前两个线性层从文件加载；第二个ReLU之后，接上你自己的两个线性层，(64, 16)和(16, 3)，中间有一个ReLU。函数返回这个网络和缺失的键的列表，也就是文件没有填上的参数的名字。验证两个网络在第二个ReLU之后的输出完全相等。


# %% translates="894d2b88"
def reuse(path):
    """返回前两个线性层来自文件的网络，和缺失的键。"""
    # 网络：(n, 20) -> (n, 3)
    ...


# %%
check.reuse_two_layers(reuse)

# %% [markdown] translates="181a23e4"
# ### 4.2 把架构也存下来
#
# *编程，40分钟。*
# [解答](solutions/04_file_io.ipynb#cell-id=exercise-4-2)
#
# 保存一个网络，它的值都是`float32`；同时保存对网络的描述，描述由数、字符串、列表和字典组成。
#
# - `save_net(net, path)`用`torch.save`写一个字典。键`"kind"`对应网络的类名，`"MLP"`或`"MySequential"`。其他的键由你定。
# - `load_net(path)`用`weights_only=True`读这样的文件，并构建网络：可以是任何`MLP`，也可以是由`nn.Linear`（有偏置或没有偏置）和`nn.ReLU`组成的任何`MySequential`。
# - 顺序块里的块可以用任何名字，同一个块可以占几个位置。
# - 加载得到的网络，输出与保存的网络完全相同。
# - 文件里的文本不能当作代码运行，也不能决定构建什么：不用`eval`，也不用`getattr`去取文件里写的名字。
# - 遇到不认识的种类，`load_net`要报错，并在错误信息里写出它认识的种类。
# - 如果顺序块里有别的层，例如`nn.Tanh`，或者`nn.Linear`的某个子类，两个函数之一要报错，并在错误信息里写出`Linear`和`ReLU`。


# %% translates="38a6b817"
def save_net(net, path):
    """写下网络的种类、描述和值。"""
    ...


def load_net(path):
    """按文件的描述构建网络，并填入值。"""
    ...


# %%
check.save_the_architecture_too(save_net, load_net)

# %% [markdown] translates="7a4d0879"
# ### 4.3 状态更多时的恢复
#
# *探索，25分钟。*
# [解答](solutions/04_file_io.ipynb#cell-id=exercise-4-3)
#
# 在模型的ReLU后面加上`nn.Dropout(0.2)`。样本的次序改由一个单独的`torch.Generator`抽取，取名`order`：`torch.randperm(n, generator=order)`。一共10轮，在第4轮之后停下。检查点里必须有哪些部分，才能在`rtol=0, atol=0`下得到相同的结果？先预测，每一项写True或False。然后写两个函数：`checkpoint_of`返回要保存的字典；`restore`把加载到的内容放进重新构建的对象，并返回轮数。对每个部分验证：没有它，结果就不同。


# %% translates="c61689a9"
def checkpoint_of(net, optimizer, epoch, order):
    """继续训练所需的东西，是交给`torch.save`的字典。"""
    ...


def restore(state, net, optimizer, order):
    """让这些对象都恢复自己的状态，并返回轮数。"""
    ...


needed = {
    "parameters": ...,
    "gradients": ...,
    "optimizer": ...,
    "epoch": ...,
    "own generator": ...,
    "global generator": ...,
}

# %%
check.resume_with_more_state(checkpoint_of, restore, needed)

# %% [markdown] translates="da14293b"
# ### 4.4 找出损坏的文件
#
# *编程，25分钟。*
# [解答](solutions/04_file_io.ipynb#cell-id=exercise-4-4)
#
# 把`epoch15.pt`复制五份。其中一份截成一半，另一份在中间翻转一个比特。这两份里，`torch.load`会发现哪个？先预测，写True或False。写一个函数`corrupt(paths)`，返回这两个文件的名字，例如`"copy2.pt"`。可以利用这一点：每个文件都是带校验和（checksum）的zip压缩包，`zipfile.ZipFile(path).testzip()`会核对校验和。如果有人故意改动文件，校验和为什么不管用？对付这种情况，用`hashlib`：`digests`是一个字典，键是文件名，值是十六进制的SHA-256摘要（digest）；再写一个函数`changed(paths, digests)`，哪些文件的摘要与`digests`里的不同，就返回哪些文件的名字。`digests`必须保存在哪里？

# %% translates="2c199a4e"
noticed = {"cut": ..., "flipped": ...}


def corrupt(paths):
    """损坏的文件的名字。"""
    ...


def changed(paths, digests):
    """摘要与`digests`里不同的文件的名字。"""
    ...


# %%
check.find_the_corrupt_file(noticed, corrupt, changed)

# %% [markdown] translates="a433acfd"
# ### 4.5 加载失败之后
#
# *思考，15分钟。*
# [解答](solutions/04_file_io.ipynb#cell-id=exercise-4-5)
#
# 重新构建`three`，把`mlp.pt`加载进去，并捕获形状不符的错误。这时，它的哪些参数已经是文件里的值？先预测，写True或False，再比较。如果程序捕获这个错误后继续运行，会怎么样？为这种程序写一个函数`load_or_leave(net, state)`：它严格加载状态字典，并返回True；加载失败时，返回False，网络的每个参数和缓冲区都保持原样。两种情况下，网络都保留自己的`nn.Parameter`对象，因为优化器可能正引用这些对象：改变的只是值。

# %% translates="1b978434"
from_file = {
    "hidden.weight": ...,
    "hidden.bias": ...,
    "out.weight": ...,
    "out.bias": ...,
}


def load_or_leave(net, state):
    """要么加载全部状态并返回True，要么什么都不加载并返回False。"""
    ...


# %%
check.after_a_failed_load(from_file, load_or_leave)

# %% [markdown] translates="fa4edd72"
# ### 4.6 保留最后三个
#
# *编程，30分钟。*
# [解答](solutions/04_file_io.ipynb#cell-id=exercise-4-6)
#
# 仿照`save_checkpoint`写两个新函数，保留最后三个检查点。`save_in_turn(state, folder)`用`torch.save`把`state`写进`folder`里单独的一个文件；`state`是带有`"epoch"`的字典。写完后，文件夹里的所有检查点中，只留下轮数最大的三个；训练可能在任意一轮保存。如果同一轮再保存一次，就用新状态取代旧状态。文件夹里的其他文件不动。如果写入失败，旧的检查点都要还在。`load_latest(folder)`返回能读取的、轮数最大的状态；一个也没有，就返回None。把最新的文件截断，分别只留10%、50%、90%的字节，再试只留1个字节：每次得到的都必须是它前面的那一个。（不要看文件的写入时间：复制可能会改变它。）


# %% translates="e63d2eac"
def save_in_turn(state, folder):
    """把状态存进文件夹；文件夹里保留三个状态。"""
    ...


def load_latest(folder):
    """能读取的、轮数最大的状态；没有就是None。"""
    ...


# %%
check.keep_the_last_three(save_in_turn, load_latest)

# %% [markdown] translates="5ad0692b"
# ### 4.7 亲手读写safetensors
#
# *编程，25分钟。*
# [解答](solutions/04_file_io.ipynb#cell-id=exercise-4-7)
#
# 不用safetensors的库，编写`write_tensors(tensors, path)`：把一个字典按safetensors的格式写进文件，让`load_file`能读；字典里每个名字对应一个CPU上的张量。张量的类型是`float32`或`int64`，后者在这种格式里叫`I64`。名字里可以有任何字符，张量可以是任何形状，也可以是另一个张量的转置。再编写`read_rows(path, name, start, stop)`：文件由库写出，从中读取一个`float32`张量的若干行，从第`start`行起，到第`stop`行之前为止，至少一行。读取时用不着这几行后面的字节：检查会把文件从那里截断。加载这样的文件时，可能运行什么？


# %% translates="7564368d"
def write_tensors(tensors, path):
    """按safetensors的格式写入一个由张量组成的字典。"""
    ...


def read_rows(path, name, start, stop):
    """一个float32张量的若干行，从start到stop之前。"""
    # 张量的形状是(n, ...)时：(stop - start, ...)
    ...


# %%
check.safetensors_by_hand(write_tensors, read_rows)

# %% [markdown] translates="b90228a3"
# ### 4.8 检查点的平均
#
# *编程，20分钟。*
# [解答](solutions/04_file_io.ipynb#cell-id=exercise-4-8)
#
# 一次训练最后几个检查点的均值，常常比最后一个检查点好。编写`average(paths)`：读取几个文件，每个文件里有一个状态字典；返回一个状态字典。浮点数的项，取各个文件的均值，类型和文件里的相同；相加时用`float64`。其他的项，例如批量的个数，取最后一个文件里的。如果一个文件里的名字或形状与第一个文件不同，就报错，并写出这个文件的名字。取平均之后的网络，它的输出是各个网络输出的均值吗？对两种网络作出预测。


# %% translates="7acd3dd3"
def average(paths):
    """各个文件里状态字典的均值，逐项计算。"""
    ...


# True或False
mean_of_outputs = {"nn.Linear(4, 2)": ..., "MLP(4, 3, 2)": ...}

# %%
check.average_checkpoints(average, mean_of_outputs)

# %% [markdown] translates="4d62069c"
# ## 接下来读什么
#
# [训练：在任何设备上训练，中断后恢复](07_training.ipynb)把检查点用在真实数据上。[自动微分：沿计算图追踪梯度](05_autograd.ipynb)讲`backward`做了什么。
