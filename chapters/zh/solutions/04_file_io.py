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

# %% [markdown] translates="9952861a"
# # 第04章 解答
#
# 这里是[读写文件：保存和加载张量与模型](../04_file_io.ipynb)各道练习的解答，每道前面附有题目。先在那一页自己做，卡住了再来看。

# %%
import copy
import hashlib
import io
import json
import math
import os
import pickle
import shutil
import tempfile
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, MySequential, check

# %% [markdown] translates="4458cc94"
# 所有文件都放进一个临时目录。

# %%
scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)

# %% [markdown]
# ## 4.1 重用两个层
#
# *编程，15分钟。*
# [练习](../04_file_io.ipynb#cell-id=exercise-4-1)
#
# 保存`MySequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))`的状态字典。写一个函数`reuse(path)`：它构建一个网络，前两个线性层从文件加载；第二个ReLU之后，接上你自己的两个线性层，(64, 16)和(16, 3)，中间有一个ReLU。函数返回这个网络和缺失的键的列表，也就是文件没有填上的参数的名字。验证两个网络在第二个ReLU之后的输出完全相等。

# %% [markdown] translates="e0d37eb1"
# **思路**。顺序块按位置给块命名，ReLU也算一个位置：两个线性层是`0`和`2`，文件里和新网络里都是。文件里的`4`不能加载：网络里也有`4`，但形状不同，而`strict=False`不容许形状不对。缺失的是新层`4`和`6`的键。


# %%
def reuse(path):
    net = MySequential(
        nn.Linear(20, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 16),
        nn.ReLU(),
        nn.Linear(16, 3),
    )
    state = torch.load(path)
    first_two = {k: v for k, v in state.items() if k[:2] in ("0.", "2.")}
    result = net.load_state_dict(first_two, strict=False)
    return net, result.missing_keys


# %%
check.reuse_two_layers(reuse)

# %% [markdown] translates="ef74059d"
# 这是练习里的顺序块，存进了文件。

# %%
torch.manual_seed(0)
layers = [nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
chain = MySequential(*layers, nn.Linear(64, 10))
torch.save(chain.state_dict(), folder / "chain.pt")

# %% [markdown] translates="3dc6eaab"
# 从两个网络各取一个切片，到第二个ReLU为止。它们的输出每一位都相同。

# %%
net, missing_keys = reuse(folder / "chain.pt")
X = torch.rand(5, 20)
assert_close(net[:4](X), chain[:4](X), rtol=0, atol=0)
missing_keys

# %% [markdown] translates="be05febb"
# **另一种做法**。把整个文件严格加载到它所属的网络，再取这个网络的切片，在后面接上新的层；切片带着自己的值。这样，哪个键缺了都会发现。

# %%
chain.load_state_dict(torch.load(folder / "chain.pt"))
end = MySequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 3))
longer = MySequential(chain[:4], end)
assert longer[0][2] is chain[2]
longer(X).shape

# %% [markdown] translates="831104ec"
# **陷阱**。两个网络共享这些层：训练其中一个，另一个也会变。如果两个都要用，就做深拷贝。

# %% [markdown]
# ## 4.2 把架构也存下来
#
# *编程，40分钟。*
# [练习](../04_file_io.ipynb#cell-id=exercise-4-2)
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

# %% [markdown] translates="995a807f"
# **思路**。构建一层时给它的类哪些实参，就用这些实参描述这一层：线性层是三个值，ReLU是空列表。`MLP`有两个线性层，只是名字不同，所以用字典记下每个名字对应的尺寸，两种网络都适用。`load_net`先构建任意一个同种类的网络，再设置它的各层。不管文件里写什么，它只调用自己的代码里写明的东西。


# %%
def save_net(net, path):
    layers = {name: [] for name in net._modules}
    for name, f in net._modules.items():
        if type(f) is nn.Linear:
            layers[name] = [f.in_features, f.out_features, f.bias is not None]
        elif type(f) is not nn.ReLU:
            raise ValueError(f"{f} is neither a Linear nor a ReLU")
    file = {"kind": type(net).__name__, "layers": layers}
    torch.save({**file, "state": net.state_dict()}, path)


def load_net(path):
    file = torch.load(path, weights_only=True)
    if file["kind"] not in ("MLP", "MySequential"):
        raise ValueError(f"{file['kind']} isn't an MLP or a MySequential")
    net = MLP() if file["kind"] == "MLP" else MySequential()
    for name, sizes in file["layers"].items():
        net.add_module(name, nn.Linear(*sizes) if sizes else nn.ReLU())
    net.load_state_dict(file["state"])
    return net


# %%
check.save_the_architecture_too(save_net, load_net)

# %% [markdown] translates="5ccbfac9"
# 这样的描述可以读懂，也可以在文件之间比较。

# %%
save_net(longer[1], folder / "end.pt")
torch.load(folder / "end.pt")["layers"]

# %% [markdown] translates="9715693d"
# 如果文件里的种类要到程序以后的版本才有，加载就会遭到拒绝，错误信息能帮你找到原因。

# %% tags=["raises-exception"]
torch.save({"kind": "Transformer"}, folder / "later.pt")
load_net(folder / "later.pt")

# %% [markdown] translates="a1e9951a"
# 为什么用`type`，不用`isinstance`？`nn.Linear`的子类的对象，算的可能是别的东西，文件里却没有描述。为什么用`_modules`？一个层在顺序块里可以占两个位置，而`named_children`里，每个对象只出现一次。

# %%
relu = nn.ReLU()
twice = MySequential(nn.Linear(20, 20), relu, nn.Linear(20, 20), relu)
[name for name, _ in twice.named_children()], list(twice._modules)

# %% [markdown] translates="fe7dc53d"
# **边界情况**。一个线性层如果在顺序块里占两个位置，加载回来就成了两个层，值相同。输出不变，但原来是当作一个层来训练，现在会当作两个层。

# %%
f = nn.Linear(20, 20)
save_net(MySequential(f, relu, f), folder / "tied.pt")
back = load_net(folder / "tied.pt")
assert_close(back(X), f(relu(f(X))), rtol=0, atol=0)
one_layer = back[0] is back[2]
one_layer

# %% [markdown] translates="51a65dda"
# **陷阱**。`getattr(nn, name)(*sizes)`可以构建任何层，不受已知种类的限制；对描述调用`eval`，可以构建任何对象。这样，调用什么就由文件决定了，而`weights_only=True`要防的正是这个。

# %% [markdown]
# ## 4.3 状态更多时的恢复
#
# *探索，25分钟。*
# [练习](../04_file_io.ipynb#cell-id=exercise-4-3)
#
# 在模型的ReLU后面加上`nn.Dropout(0.2)`。样本的次序改由一个单独的`torch.Generator`抽取，取名`order`：`torch.randperm(n, generator=order)`。一共10轮，在第4轮之后停下。检查点里必须有哪些部分，才能在`rtol=0, atol=0`下得到相同的结果？先预测，每一项写True或False。然后写两个函数：`checkpoint_of`返回要保存的字典；`restore`把加载到的内容放进重新构建的对象，并返回轮数。对每个部分验证：没有它，结果就不同。

# %% [markdown] translates="c2ce8902"
# **思路**。看看训练的一步要读取什么：参数，Adam的平均值，样本的次序，暂退法（dropout）置零的位置。次序来自`order`，置零的位置来自PyTorch的全局随机数生成器（generator）：这是两个状态。轮数说明还剩多少步。梯度还没有用到，`zero_grad`就把它清掉了。


# %%
def checkpoint_of(net, optimizer, epoch, order):
    return {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": epoch,
        "order": order.get_state(),
        "global": torch.get_rng_state(),
    }


def restore(state, net, optimizer, order):
    net.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    order.set_state(state["order"])
    torch.set_rng_state(state["global"])
    return state["epoch"]


needed = dict.fromkeys(["parameters", "optimizer", "epoch"], True)
needed |= {"own generator": True, "global generator": True, "gradients": False}

# %%
check.resume_with_more_state(checkpoint_of, restore, needed)

# %% [markdown] translates="297bdae2"
# 下面用一次训练，逐个部分验证。`start`构建这次训练的所有对象。


# %%
def start(seed):
    torch.manual_seed(seed)
    layers = nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1)
    net = MySequential(*layers)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.005)
    return net, optimizer, torch.Generator().manual_seed(seed)


# %% [markdown] translates="2db6b5fc"
# `train`用这些对象接着训练，样本里没有噪声。

# %%
torch.manual_seed(0)
inputs = torch.rand(256, 20)
targets = inputs.square().sum(dim=1, keepdim=True)  # (256, 1)


def train(net, optimizer, order, num_epochs):
    for _ in range(num_epochs):
        for rows in torch.randperm(256, generator=order).split(64):
            loss = F.mse_loss(net(inputs[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


# %% [markdown] translates="1aefb90d"
# 一次训练做满10轮。

# %%
net, optimizer, order = start(seed=0)
train(net, optimizer, order, 10)

# %% [markdown] translates="c16d220f"
# 另一次做完4轮停下并保存。

# %%
stopped, its_optimizer, its_order = start(seed=0)
train(stopped, its_optimizer, its_order, 4)
state = checkpoint_of(stopped, its_optimizer, 4, its_order)
torch.save(state, folder / "epoch4.pt")

# %% [markdown] translates="9f9d850b"
# 略去一个部分，就是让它保持新训练里原有的样子。所以，从新训练的检查点（checkpoint）里取出这个部分，替换保存的那份。


# %%
def end_without(part=None):
    run = start(seed=1)
    state = torch.load(folder / "epoch4.pt")
    if part:
        state[part] = checkpoint_of(*run[:2], 0, run[2])[part]
    train(*run, 10 - restore(state, *run))
    return run[0].state_dict()


assert_close(end_without(), net.state_dict(), rtol=0, atol=0)

# %% [markdown] translates="cf5d4484"
# 五个部分齐全时，虽然没有保存梯度，结果每一位都相同。缺了其中任何一个，结果就不同。

# %%
for part in state:
    end = end_without(part)["0.weight"]
    same = torch.equal(end, net.state_dict()["0.weight"])
    print(f"without {part}: {'the same' if same else 'another'} end")

# %% [markdown] translates="839d9047"
# **陷阱**。随机种子不是状态。它只说明生成器从哪里开始，不管抽取了什么，种子都不变。

# %%
order = torch.Generator().manual_seed(5)
before = order.get_state()
torch.randperm(256, generator=order)
order.initial_seed(), torch.equal(order.get_state(), before)

# %% [markdown] translates="1b4423cc"
# **陷阱**。不要把生成器本身放进文件：它是对象，`weights_only=True`会拒绝。

# %%
torch.save({"order": order}, folder / "object.pt")
try:
    torch.load(folder / "object.pt")
except pickle.UnpicklingError as error:
    print(type(error).__name__)

# %% [markdown]
# ## 4.4 找出损坏的文件
#
# *编程，25分钟。*
# [练习](../04_file_io.ipynb#cell-id=exercise-4-4)
#
# 把`epoch15.pt`复制五份。其中一份截成一半，另一份在中间翻转一个比特。这两份里，`torch.load`会发现哪个？先预测，写True或False。写一个函数`corrupt(paths)`，返回这两个文件的名字，例如`"copy2.pt"`。可以利用这一点：每个文件都是带校验和（checksum）的zip压缩包，`zipfile.ZipFile(path).testzip()`会核对校验和。如果有人故意改动文件，校验和为什么不管用？对付这种情况，用`hashlib`：`digests`是一个字典，键是文件名，值是十六进制的SHA-256摘要（digest）；再写一个函数`changed(paths, digests)`，哪些文件的摘要与`digests`里的不同，就返回哪些文件的名字。`digests`必须保存在哪里？

# %% [markdown] translates="84d33246"
# **思路**。截断的文件缺少zip压缩包末尾的目录，所以`torch.load`和`ZipFile`都会报错。翻转一个比特，只是换了一个数，别的都没变；`torch.load`不会重新计算校验和。`testzip`会重新计算，并返回第一个损坏条目的名字。


# %% translates="3a0e826c"
noticed = {"cut": True, "flipped": False}


def is_corrupt(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is not None
    except Exception:  # 压缩包自身的记录损坏时，错误有很多种
        return True


def corrupt(paths):
    return [path.name for path in paths if is_corrupt(path)]


def changed(paths, digests):
    now = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
    return [name for name, digest in now.items() if digest != digests[name]]


# %%
check.find_the_corrupt_file(noticed, corrupt, changed)

# %% [markdown] translates="8b5a460a"
# 下面是五份副本和各自的摘要。只要是`torch.save`写的大文件都行。

# %%
torch.save(MLP(20, 1024, 1).state_dict(), folder / "model.pt")
paths = [folder / f"copy{i}.pt" for i in range(1, 6)]
digests = {}
for path in paths:
    shutil.copy(folder / "model.pt", path)
    digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
corrupt(paths), changed(paths, digests)

# %% [markdown] translates="c5907f9e"
# 把一份截成一半，再把另一份翻转一个比特。

# %%
data = bytearray((folder / "model.pt").read_bytes())
half = data[: len(data) // 2]
data[len(half)] ^= 1
for path, content in ((paths[1], half), (paths[3], data)):
    path.write_bytes(content)

# %% [markdown] translates="58b7a590"
# 翻转了比特的那份，`torch.load`照样读取，不报错。

# %%
torch.load(paths[3])
corrupt(paths)

# %% [markdown] translates="adf29d1f"
# **故意改动**。校验和谁都会算。有人用`torch.save`写入别的权重，得到的压缩包完好，`corrupt`什么也查不出来。摘要查得出来。摘要不要和文件放在一起，要放在那个人改不了的地方；或者给它签名。

# %%
other = torch.load(folder / "model.pt")
other["out.bias"] += 1
torch.save(other, paths[2])
corrupt([paths[2]]), changed([paths[2]], digests)

# %% [markdown] translates="15b3839c"
# **边界情况**。在每个张量前面，`torch.save`用字母Z填充。这一段没有校验和：在这里翻转比特，读到的内容不变，只有摘要看得出来。

# %%
data = bytearray((folder / "model.pt").read_bytes())
data[data.index(b"ZZZZ")] ^= 1
paths[4].write_bytes(data)
corrupt([paths[4]]), changed([paths[4]], digests)

# %% [markdown] translates="c7982c57"
# **陷阱**。只捕获`BadZipFile`不够。在压缩包目录的最后一个条目里，轮流给每个字节翻转一个比特，就会出现别的错误。

# %% translates="4fcb7386"
kinds, data = set(), (folder / "model.pt").read_bytes()
last = data.rindex(b"PK\x01\x02")  # 每个条目都这样开头
for i in range(last, last + 46):
    flipped = data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]
    try:
        zipfile.ZipFile(io.BytesIO(flipped)).testzip()
    except Exception as error:
        kinds.add(type(error))
assert kinds > {zipfile.BadZipFile, NotImplementedError}

# %% [markdown]
# ## 4.5 加载失败之后
#
# *思考，15分钟。*
# [练习](../04_file_io.ipynb#cell-id=exercise-4-5)
#
# 重新构建`three`，把`mlp.pt`加载进去，并捕获形状不符的错误。这时，它的哪些参数已经是文件里的值？先预测，写True或False，再比较。如果程序捕获这个错误后继续运行，会怎么样？为这种程序写一个函数`load_or_leave(net, state)`：它严格加载状态字典，并返回True；加载失败时，返回False，网络的每个参数和缓冲区都保持原样。两种情况下，网络都保留自己的`nn.Parameter`对象，因为优化器可能正引用这些对象：改变的只是值。

# %% [markdown] translates="612f79bb"
# **思路**。`load_state_dict`逐个处理名字：对得上的就复制，对不上的先记下，最后才报错。这时第一层已经是文件里的值，最后一层还是原样。要让网络不变，就先给它的状态留一份副本。必须是深拷贝：状态字典会随网络变化。

# %%
from_file = {
    "hidden.weight": True,
    "hidden.bias": True,
    "out.weight": False,
    "out.bias": False,
}


def load_or_leave(net, state):
    before = copy.deepcopy(net.state_dict())
    try:
        net.load_state_dict(state)
    except RuntimeError:
        net.load_state_dict(before)
        return False
    return True


# %%
check.after_a_failed_load(from_file, load_or_leave)

# %% [markdown] translates="67ecda89"
# 加载之前，第一层的权重不是文件里的值。

# %%
state, three = MLP().state_dict(), MLP(20, 256, 3)
torch.equal(three.hidden.weight, state["hidden.weight"])

# %% [markdown] translates="5d82849e"
# 加载之后，虽然失败了，权重却已经是文件里的值。

# %%
try:
    three.load_state_dict(state)
except RuntimeError:
    print(torch.equal(three.hidden.weight, state["hidden.weight"]))

# %% [markdown] translates="a7965a8b"
# **后果**。程序捕获错误后继续运行，手里的网络既不是原来的，也不是保存的：第一层是保存的，最后一层是原来的。从输出里看不出来。
#
# **另一种做法**。先比较名字和形状，全部对得上才加载。这样，内存里不需要网络的第二份副本。


# %%
def look_and_load(net, state):
    mine = {name: value.shape for name, value in net.state_dict().items()}
    fits = mine == {name: value.shape for name, value in state.items()}
    if fits:
        net.load_state_dict(state)
    return fits


check.after_a_failed_load(from_file, look_and_load)

# %% [markdown]
# ## 4.6 保留最后三个
#
# *编程，30分钟。*
# [练习](../04_file_io.ipynb#cell-id=exercise-4-6)
#
# 仿照`save_checkpoint`写两个新函数，保留最后三个检查点。`save_in_turn(state, folder)`用`torch.save`把`state`写进`folder`里单独的一个文件；`state`是带有`"epoch"`的字典。写完后，文件夹里的所有检查点中，只留下轮数最大的三个；训练可能在任意一轮保存。如果同一轮再保存一次，就用新状态取代旧状态。文件夹里的其他文件不动。如果写入失败，旧的检查点都要还在。`load_latest(folder)`返回能读取的、轮数最大的状态；一个也没有，就返回None。把最新的文件截断，分别只留10%、50%、90%的字节，再试只留1个字节：每次得到的都必须是它前面的那一个。（不要看文件的写入时间：复制可能会改变它。）

# %% [markdown] translates="8773203a"
# **思路**。把轮数写进文件名，前面补零，这样按名字排序就是按数排序。写法与`save_checkpoint`相同；新文件写完整了，才删除多余的；在那之前，旧的三个都还在。`load_latest`从最新的开始，逐个尝试。写了一半的文件后缀是`.part`，两个函数都不会把它算进去。


# %%
def save_in_turn(state, folder):
    path = folder / f"{state['epoch']:06}.pt"
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    for old in sorted(folder.glob("*.pt"))[:-3]:
        old.unlink()


def load_latest(folder):
    for path in sorted(folder.glob("*.pt"), reverse=True):
        try:
            return torch.load(path, map_location="cpu")
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError):
            continue
    return None


# %%
check.keep_the_last_three(save_in_turn, load_latest)

# %% [markdown] translates="4aada490"
# 保存了12轮，留下三个。

# %%
run = folder / "run"
run.mkdir(exist_ok=True)
for epoch in range(1, 13):
    save_in_turn({"epoch": epoch, "weight": torch.rand(1000)}, run)
names = sorted(path.name for path in run.iterdir())
names

# %% [markdown] translates="fb3ea64e"
# 截断最新的文件。每次得到的都是第11轮。

# %%
data = (run / names[-1]).read_bytes()
for share in (0.1, 0.5, 0.9):
    (run / names[-1]).write_bytes(data[: int(share * len(data))])
    print(f"cut after {share:.0%}: epoch {load_latest(run)['epoch']}")

# %% [markdown] translates="03a77df4"
# **陷阱**。不补零，名字就按文本排序。这样，程序会以为第10轮比第9轮旧，把它删掉。

# %%
sorted(["8.pt", "9.pt", "10.pt"])

# %% [markdown] translates="859662e8"
# **边界情况**。截断的文件报什么错，要看截在哪里：大多是RuntimeError，有些长度是OSError。一个字节都不剩时是EOFError；剩1、2或3个字节时是UnpicklingError，因为字节太少，认不出是zip压缩包。如果只捕获第一种，遇到其他情况，这次训练就丢了。

# %%
for size in (0, 1, 4):
    (run / names[-1]).write_bytes(data[:size])
    try:
        torch.load(run / names[-1])
    except Exception as error:
        print(f"{size} bytes:", type(error).__name__)
    assert load_latest(run)["epoch"] == 11

# %% [markdown]
# ## 4.7 亲手读写safetensors
#
# *编程，25分钟。*
# [练习](../04_file_io.ipynb#cell-id=exercise-4-7)
#
# 不用safetensors的库，编写`write_tensors(tensors, path)`：把一个字典按safetensors的格式写进文件，让`load_file`能读；字典里每个名字对应一个CPU上的张量。张量的类型是`float32`或`int64`，后者在这种格式里叫`I64`。名字里可以有任何字符，张量可以是任何形状，也可以是另一个张量的转置。再编写`read_rows(path, name, start, stop)`：文件由库写出，从中读取一个`float32`张量的若干行，从第`start`行起，到第`stop`行之前为止，至少一行。读取时用不着这几行后面的字节：检查会把文件从那里截断。加载这样的文件时，可能运行什么？

# %% [markdown] translates="7014caf1"
# **思路**。把各个张量的字节一个接一个地放好，在文件头里写明每个张量从哪里开始、到哪里结束。长度是文件头的*字节数*，所以要先编码。读取若干行时，先到张量开始的位置，再往后`start`行；形状去掉第一个数，其余各数之积就是一行有多少个数。


# %% translates="ee1466fe"
def write_tensors(tensors, path):
    header, data = {}, b""
    for name, tensor in tensors.items():
        kind = "I64" if tensor.dtype == torch.int64 else "F32"
        entry = {"dtype": kind, "shape": list(tensor.shape)}
        begin, data = len(data), data + tensor.numpy().tobytes()
        header[name] = {**entry, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def read_rows(path, name, start, stop):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
        _, *rest = entry["shape"]
        size = 4 * math.prod(rest)  # 一行的字节数
        file.seek(8 + length + entry["data_offsets"][0] + start * size)
        data = bytearray(file.read((stop - start) * size))
    return torch.frombuffer(data, dtype=torch.float32).reshape(-1, *rest)


# %%
check.safetensors_by_hand(write_tensors, read_rows)

# %% [markdown] translates="c1b4e61e"
# `tobytes`按行写出，张量是另一个张量的转置时也是这样。写出的文件，库可以读取。

# %%
torch.manual_seed(0)
tensors = {"größe": torch.rand(2, 3).T, "count": torch.tensor(7)}
write_tensors(tensors, folder / "hand.safetensors")
assert_close(load_file(folder / "hand.safetensors"), tensors, rtol=0, atol=0)

# %% [markdown] translates="2f394413"
# **可能运行什么**。什么也不会运行：文件头是JSON，其余的都是数。但文件头同样来自别人，它写的形状，可能与实际的字节不符；这里`reshape`会发现。

# %%
data = (folder / "hand.safetensors").read_bytes()
wrong = data.replace(b"[3, 2]", b"[3, 9]")
(folder / "wrong.safetensors").write_bytes(wrong)
try:
    read_rows(folder / "wrong.safetensors", "größe", 0, 3)
except RuntimeError as error:
    print(type(error).__name__)

# %% [markdown] translates="bae9b24d"
# **边界情况**。`json.dumps`把`ö`写成六个字符`\u00f6`。如果原样写出，`ö`就是一个字符、两个字节：字符数就不是长度了。

# %%
text = json.dumps({"größe": 1}, ensure_ascii=False)
len(json.dumps({"größe": 1})), len(text), len(text.encode())

# %% [markdown]
# ## 4.8 检查点的平均
#
# *编程，20分钟。*
# [练习](../04_file_io.ipynb#cell-id=exercise-4-8)
#
# 一次训练最后几个检查点的均值，常常比最后一个检查点好。编写`average(paths)`：读取几个文件，每个文件里有一个状态字典；返回一个状态字典。浮点数的项，取各个文件的均值，类型和文件里的相同；相加时用`float64`。其他的项，例如批量的个数，取最后一个文件里的。如果一个文件里的名字或形状与第一个文件不同，就报错，并写出这个文件的名字。取平均之后的网络，它的输出是各个网络输出的均值吗？对两种网络作出预测。

# %% [markdown] translates="56fe104b"
# **思路**。把第一个文件当作目前的和，用`float64`，再逐项加上其余的文件。相加之前要比较名字和形状：形状$(3,)$和$(1,)$相加不会报错，得到的却是另一个偏置。线性层对参数也是线性的：$x (W_1 + W_2)/2$就是$x W_1$和$x W_2$的均值。`MLP`不是这样，因为它的两个权重相乘，中间还隔着ReLU。


# %%
def shapes(state):
    return {name: value.shape for name, value in state.items()}


def average(paths):
    states = [torch.load(path, map_location="cpu") for path in paths]
    for path, state in zip(paths, states, strict=True):
        if shapes(state) != shapes(states[0]):
            raise ValueError(f"{path} has other entries than {paths[0]}")
    mean = {}
    for name, last in states[-1].items():
        mean[name] = last
        if last.is_floating_point():
            total = sum(state[name].double() for state in states)
            mean[name] = (total / len(states)).to(last.dtype)
    return mean


mean_of_outputs = {"nn.Linear(4, 2)": True, "MLP(4, 3, 2)": False}

# %%
check.average_checkpoints(average, mean_of_outputs)

# %% [markdown] translates="8b1d9920"
# 为什么用`float64`？`bfloat16`的数，在256处间隔是2。用它来存和，和就停在那里。

# %%
values = torch.tensor([256.0, 1, 1, 1]).bfloat16()
total = torch.zeros((), dtype=torch.bfloat16)
for value in values:
    total += value
total.item(), values.double().sum().item()

# %% [markdown] translates="78699d23"
# **为什么有用**。学习率不变时，训练会在最小值附近一直走来走去，每个批量走自己的方向。这些位置的均值离最小值更近。下面的最小值在0处，每一步都带噪声。

# %%
torch.manual_seed(0)
place, track = torch.ones(100), []
for _ in range(300):
    place = place - 0.1 * (place + torch.randn(100))
    track.append(place)
mean = torch.stack(track[-200:]).mean(dim=0)
assert mean.norm() < track[-1].norm() / 2

# %% [markdown] translates="0758a28e"
# **陷阱**。两次训练的随机种子不同，均值就没有多大用处：一个网络里的隐藏单元，和另一个网络里同一位置的单元毫无关系。下面把一个网络的隐藏单元换个次序，得到第二个网络：两者的输出相等；取两者的均值，输出却变了。

# %%
net = MLP(4, 3, 2)
other = copy.deepcopy(net)
order = torch.tensor([1, 2, 0])
with torch.no_grad():
    other.hidden.weight.copy_(net.hidden.weight[order])
    other.hidden.bias.copy_(net.hidden.bias[order])
    other.out.weight.copy_(net.out.weight[:, order])
X = torch.rand(5, 4)
assert_close(other(X), net(X))
for name, each in (("net.pt", net), ("other.pt", other)):
    torch.save(each.state_dict(), folder / name)
mean = MLP(4, 3, 2)
mean.load_state_dict(average([folder / "net.pt", folder / "other.pt"]))
mean(X).allclose(net(X))
