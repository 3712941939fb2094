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

# %% [markdown] translates="ca7aa5c3"
# # 训练：在任何设备上训练，中断后恢复
#
# 一次训练可能要跑好几天，而机器随时可能停下。这一章在CPU或GPU上，用真实数据训练一个小模型。训练到一半停下，再恢复，结果就像从没停过一样：在CPU上，每一位都相同。
#
# **你将学会**
#
# - 划分数据，让最后的结果可信；
# - 写训练循环，用一行代码选好设备（device）；
# - 保存一次训练，恢复后就像从没停过一样；
# - 保留最好的权重（weight），早停，再加载使用；
# - 判断换成GPU会不会更快。
#
# **书中**：第5.6节[GPU](https://zh.d2l.ai/chapter_deep-learning-computation/use-gpu.html)和第3.6节[softmax回归的从零开始实现](https://zh.d2l.ai/chapter_linear-networks/softmax-regression-scratch.html)（英文版6.7，[GPUs](https://d2l.ai/chapter_builders-guide/use-gpu.html)；4.4，[Softmax Regression Implementation from Scratch](https://d2l.ai/chapter_linear-classification/softmax-regression-scratch.html)）。
#
# **需要先读**第01章[用层和块搭建网络](01_blocks.ipynb)和第04章[读写文件：保存和加载张量与模型](04_file_io.ipynb)。全部单元格在CPU上运行约十秒，有GPU时会用GPU。

# %% [markdown] translates="ad4c6fcd"
# 第一个单元格导入本章要用的东西；`d2l`是书自带的包。最后一行选好设备，整章都用它。

# %%
import math
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2l_helpers import MLP, CenteredLayer, MySequential, d2l, use_style

use_style()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown] translates="3783890b"
# 矩阵小，CPU用一个线程来乘就够了，而且每次求和的次序都相同。

# %%
torch.set_num_threads(1)

# %% [markdown] translates="0e6d52e1"
# ## 看看数据
#
# scikit-learn自带1797个手写数字，都是8×8像素的图像。看看像素值的范围。

# %%
digits = load_digits()
print("images:", digits.images.shape, "labels:", digits.target.shape)
print("pixels from", digits.images.min(), "to", digits.images.max())

# %% [markdown] translates="9b315d75"
# 十个数字各出现多少次？

# %%
counts = torch.from_numpy(digits.target).bincount()
assert counts.max() / counts.sum() < 0.11
counts.tolist()

# %% [markdown] translates="80465922"
# 各个数字出现的次数差不多：每次都猜同一个数字，十次能对一次。下一个函数用来显示数字图像。（代码可以跳过。）


# %%
def show_digits(images, titles, rows, columns, height):
    _, axes = plt.subplots(rows, columns, figsize=(7, height))
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        ax.imshow(image, cmap="gray_r")
        ax.set_title(title, fontsize=9)


# %% [markdown] translates="14a9a57b"
# 遮住标签（label），前二十个你认得出来吗？

# %% tags=["look"] mystnb={"image": {"alt": "两行手写数字，每行十个，由很粗的灰度像素组成，上方各标着标签。第一行依次是0到9，第二行还是0到9，换了笔迹。有几个要再看一眼才认得出，例如第一行的5，上半部分是一团深色。"}} translates="4fede78c"
show_digits(digits.images, digits.target, 2, 10, height=2)
plt.show()

# %% [markdown] translates="cbc62af4"
# 现在把像素值缩放到0和1之间。所有图像一共占多少内存？

# %%
X = (torch.from_numpy(digits.images).float() / 16).to(device)
y = torch.from_numpy(digits.target).long().to(device)
f"{X.numel() * X.element_size():,} bytes"

# %% [markdown] translates="08f1d2a9"
# 一共半兆字节，所以一次就全部移到设备上。

# %% [markdown] translates="59be8f06"
# ### 分成三部分
#
# *训练集*（training set）里的数字决定权重。*验证集*（validation set）里的数字决定何时停止、保留哪些权重。权重是用哪些数字选出来的，在那些数字上往往就显得比实际好一点。所以最后下结论时，要用没有参与过任何选择的数字，也就是*测试集*（test set）。有了随机种子（seed），每次的划分都相同。

# %%
torch.manual_seed(0)
order = torch.randperm(len(X))
train, valid, test = order.to(device).split([1200, 297, 300])
assert torch.equal(order.sort().values, torch.arange(len(X)))
len(train), len(valid), len(test)

# %% [markdown] translates="8f14545c"
# 每一部分是一个张量（tensor），存的是位置；每个数字属于其中一个部分。用这些位置就能取出图像和标签。

# %%
X_train, y_train = X[train], y[train]
X_valid, y_valid = X[valid], y[valid]
X_test, y_test = X[test], y[test]

# %% [markdown] translates="5a8a7051"
# ## 训练一步
#
# 模型由三个块串联而成。`nn.Flatten`把每张图像变成一行，共64个数。`nn.Dropout(0.1)`就是暂退法（dropout）：训练时，它以0.1的概率把每个数置为0，其余的数除以0.9，这样模型不会依赖某一个像素。`MLP`把这一行变成十个得分，也就是*未规范化的预测*（logit）。它的末尾没有ReLU，所以未规范化的预测可以是负数。


# %%
def make_net(num_hiddens=128):
    return MySequential(
        nn.Flatten(),  # (n, 8, 8) -> (n, 64)
        nn.Dropout(0.1),
        MLP(64, num_hiddens, 10),  # (n, 64) -> (n, 10)
    )


torch.manual_seed(0)
net = make_net().to(device)
net

# %% [markdown] translates="2331aa17"
# 手工实现暂退法，抽一次数、做一次乘法就够了；在CPU上，抽到的随机数也相同。练习3.6把它写成一个层。

# %%
torch.manual_seed(1)
by_hand = torch.empty(1000).bernoulli_(0.9) / 0.9
torch.manual_seed(1)
assert_close(nn.Dropout(0.1)(torch.ones(1000)), by_hand)
by_hand.unique()

# %% [markdown] translates="765ab884"
# softmax把十个未规范化的预测变成十个概率（[第01章](01_blocks.ipynb#cell-id=classify-images)）。*交叉熵*（cross-entropy）损失等于正确类别的概率取对数，再取负；这里取训练集上所有数字的均值。`F.cross_entropy`的输入是未规范化的预测，softmax由它自己来算。如果模型什么都不知道，给每个类别的概率约为1/10。走第一步之前，你猜损失是多少？（`eval`关掉暂退法。）

# %%
net.eval()
first_loss = F.cross_entropy(net(X_train), y_train).item()
assert abs(first_loss - math.log(10)) < 0.1
f"loss {first_loss:.1f}, log(10) = {math.log(10):.1f}"

# %% [markdown] translates="4a97301f"
# 训练的一步有五行代码。*前向传播*（forward）和*损失*（loss）算出结果；*清零*（zero）丢掉上一步的梯度（gradient）；*反向传播*（backward）计算新的梯度；*更新*（step）改变权重。走完这一步，同一个批量（batch）上的损失会怎样？

# %%
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
y_hat = net(X_train[:50])  # (50, 8, 8) -> (50, 10)
loss = F.cross_entropy(y_hat, y_train[:50])
optimizer.zero_grad()
loss.backward()
optimizer.step()
assert F.cross_entropy(net(X_train[:50]), y_train[:50]) < loss

# %% [markdown] translates="8be2c46a"
# ## 编写训练循环
#
# 损失下降了。从这里开始，一次训练用到的东西放在一起：模型、优化器（optimizer）、用来打乱数字次序的随机数生成器（generator），还有*历史记录*（history），也就是结果的列表。生成器在CPU上，所以不管用什么设备，打乱后的次序都相同。`SimpleNamespace`是一个对象，这些东西就是它的属性。


# %% translates="1573ee1d"
def new_run(seed, num_hiddens=128):
    torch.manual_seed(seed)  # 用于初始权重和暂退法
    net = make_net(num_hiddens).to(device)
    return SimpleNamespace(
        net=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        generator=torch.Generator().manual_seed(seed),
        history=[],
    )


# %% [markdown] translates="5f84becd"
# 把这一步写成函数。`train`打开暂退法，并返回网络。从GPU读一个数，Python要等待（[第06章](06_devices.ipynb#cell-id=avoid-hidden-copies)），所以这里不读：返回的是损失乘以数字的个数，仍是张量。


# %%
def step(run, X, y):
    y_hat = run.net.train()(X)  # (n, 8, 8) -> (n, 10)
    loss = F.cross_entropy(y_hat, y)
    run.optimizer.zero_grad()
    loss.backward()
    run.optimizer.step()
    return loss.detach() * len(X)


# %% [markdown] translates="6055d292"
# 在一*轮*（epoch）里，训练集的每个数字用一次，这里分成24个批量，每个批量50个数字。各步的损失在设备上累加，最后读一次。


# %%
def train_epoch(run, X, y, batch_size=50):
    order = torch.randperm(len(X), generator=run.generator)
    batches = order.to(X.device).split(batch_size)
    total = sum(step(run, X[batch], y[batch]) for batch in batches)
    return total.item() / len(X)


# %% [markdown] translates="2775c05e"
# > **陷阱**。记录损失时，可能把计算图（computational graph）也留了下来。不用`detach`，总和里还有每个损失的计算图吗？

# %%
w = torch.ones(1, requires_grad=True)
losses = [(w - 3).square() for _ in range(2)]
total = losses[0] + losses[1]
behind = [node for node, _ in total.grad_fn.next_functions]
behind == [loss.grad_fn for loss in losses]

# %% [markdown] translates="cd0880af"
# 有，而且每来一个批量，占用的内存就多一些。练习5.8会数一数。
#
# 评估时关掉暂退法，并用推断模式（inference mode，[第05章](05_autograd.ipynb#cell-id=stop-the-recording)），不记录计算图。函数返回损失和*准确率*（accuracy），即答对的比例。


# %%
@torch.inference_mode()
def evaluate(net, X, y):
    net.eval()
    y_hat = net(X)  # (n, 8, 8) -> (n, 10)
    accuracy = (y_hat.argmax(dim=1) == y).float().mean()
    return F.cross_entropy(y_hat, y).item(), accuracy.item()


# %% [markdown] translates="0979c737"
# 每训练一轮，就在历史记录里添三个数：训练损失，以及验证集上的损失和准确率。（`*`把`evaluate`的两个结果都放进元组。）


# %%
def one_epoch(run):
    train_loss = train_epoch(run, X_train, y_train)
    run.history.append((train_loss, *evaluate(run.net, X_valid, y_valid)))


# %% [markdown] translates="e727e652"
# 权重还是随机的时候，你猜准确率是多少？训练一轮之后呢？

# %% tags=["nbval-ignore-output"]
young = new_run(seed=0)
_, before = evaluate(young.net, X_valid, y_valid)
one_epoch(young)
_, _, after = young.history[-1]
assert before < 0.3 < 0.6 < after
f"from {before:.0%} to {after:.0%}"

# %% [markdown] translates="a21b5a37"
# > **陷阱**。用模型之前没有调用`eval()`，它仍会丢掉一些数。
#
# 同一个数字算两次，输出会怎样？

# %%
torch.manual_seed(1)
young.net.train()
assert not torch.allclose(young.net(X_train[:1]), young.net(X_train[:1]))
young.net.eval()
assert torch.equal(young.net(X_train[:1]), young.net(X_train[:1]))

# %% [markdown] translates="8f7fa122"
# 训练模式下，两次输出不同；评估模式下，两次相同。

# %% [markdown] translates="e1738ad0"
# ### 观察学习过程
#
# 在这二十轮里，训练损失和验证损失哪个更低？（`zip(*...)`把行变成列。）

# %%
watched = new_run(seed=0)
for _ in range(20):
    one_epoch(watched)
train_loss, valid_loss, accuracy = zip(*watched.history, strict=True)

# %% [markdown] translates="542ff271"
# 在左图里找答案。看右图时，注意刻度。（代码可以跳过。）

# %% tags=["predict"] mystnb={"image": {"alt": "两幅20轮的折线图。左图是损失：训练损失是蓝色实线，从1.75降到约0.13；验证损失是橙色虚线，从0.74降到约0.08，始终是较低的一条。右图是验证准确率，从0.86升到约0.98，中途有几次下降，最多降0.03。"}} translates="fc74303f"
epochs = list(range(1, 21))
losses, legend = [train_loss, valid_loss], ["training", "validation"]
fmts = ["C0-", "C1--"]
_, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
d2l.plot(epochs, losses, "epoch", "loss", legend, fmts=fmts, axes=left)
fmts = ["C1--"]
d2l.plot(epochs, [accuracy], "epoch", "accuracy", fmts=fmts, axes=right)
plt.show()

# %% [markdown] translates="c395e0de"
# 验证损失更低，尽管权重拟合的是训练集。（准确率的锯齿，不过是297个数字里有几个时对时错。）但是，算训练损失时暂退法开着，权重也还在改进。换成最后的权重，并关掉暂退法，哪个更低？

# %%
train_end, _ = evaluate(watched.net, X_train, y_train)
valid_end, _ = evaluate(watched.net, X_valid, y_valid)
assert sum(train_loss) > sum(valid_loss) and train_end < valid_end

# %% [markdown] translates="8d68a7f9"
# 这样一来，训练损失更低。

# %% [markdown] translates="8109632b"
# ## 保存一次训练
#
# 训练过程中，哪些东西会变？权重；优化器的*动量*（momentum），即每个权重过去的梯度之和，越早的梯度衰减得越多；用来打乱次序的生成器；暂退法取随机数的生成器，也就是PyTorch为这个设备自带的那个；还有历史记录。PyTorch自带的生成器不属于这次训练，所以另写两个函数，读取和设置这些生成器的状态。


# %%
def get_random_state():
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state):
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


# %% [markdown] translates="c9588fb2"
# *检查点*（checkpoint）是一个文件，上面这些都在里面。先用另一个名字写好，再改名：万一写到一半中断，上一个检查点还在。（为防断电，[第04章](04_file_io.ipynb#cell-id=write-it-whole-or-not-at-all)还加了`fsync`。）你自己的训练如果还有别的条目，例如后面的学习率调度器的状态，就通过`more`传入。


# %%
def save(state, path):
    torch.save(state, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def save_run(run, path, **more):
    state = {
        "epoch": len(run.history),
        "net": run.net.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "generator": run.generator.get_state(),
        "random": get_random_state(),
        "history": run.history,
    }
    save(state | more, path)


# %% [markdown] translates="434defac"
# 恢复则反过来：把文件加载进一次新的训练。文件里可能藏着会运行的代码；`weights_only=True`能降低这种风险，但不能消除：不要加载陌生人的检查点。`map_location="cpu"`把张量加载到CPU：生成器要求状态在CPU上，模型和优化器则把权重和动量复制到设备上。所以训练可以换一种设备继续，只是暂退法取到的随机数会不一样。`skip`是要略过的部分，后面的实验会用到。


# %%
def resume(run, path, skip=None):
    state = torch.load(path, map_location="cpu", weights_only=True)
    setters = {
        "net": run.net.load_state_dict,
        "optimizer": run.optimizer.load_state_dict,
        "generator": run.generator.set_state,
        "random": set_random_state,
        "history": run.history.extend,
    }
    for name, setter in setters.items():
        if name != skip:
            setter(state[name])


# %% [markdown] translates="be9d24ce"
# 文件放在一个临时目录里。前面有一次训练只做了一轮，下面是它的检查点。里面的所有类型，`weights_only=True`都接受。

# %%
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
save_run(young, folder / "young.pt")
for name, part in torch.load(folder / "young.pt", weights_only=True).items():
    print(name, type(part).__name__)

# %% [markdown] translates="487e20e5"
# *学习率调度器*（learning rate scheduler）数着轮数，过几轮就降低学习率。优化器的状态里有这个计数吗？

# %%
optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3)
optimizer.step()
schedule.step()
group = optimizer.state_dict()["param_groups"][0]
schedule.state_dict()["last_epoch"], "last_epoch" in group

# %% [markdown] translates="1f9b0b6b"
# 没有：优化器里只有学习率。所以要像练习7.3那样，把调度器的`state_dict`也保存下来；不然，恢复的训练又从0数起。

# %% [markdown] translates="8b43161f"
# ## 中途停下，再恢复
#
# 先来一次不停下的训练，共10轮。

# %%
whole = new_run(seed=0)
while len(whole.history) < 10:
    one_epoch(whole)

# %% [markdown] translates="a35ff5b6"
# 比较两次训练，就是比较每一个参数（parameter）和整个历史记录。在CPU上，两边必须相等；在GPU上，每次训练的舍入可能不同，所以只要接近。


# %%
def end_of(run):
    history = torch.tensor(run.history, dtype=torch.float64)  # (epochs, 3)
    return [*run.net.parameters(), history]


def assert_same_end(run, other):
    for a, b in zip(end_of(run), end_of(other), strict=True):
        if device.type == "cpu":
            assert torch.equal(a, b)
        else:
            assert_close(a, b, rtol=1e-4, atol=1e-4)


# %% [markdown] translates="5b326e49"
# 同一个随机种子，再训练一次，中途也不停。只凭种子，结果就会相同吗？

# %%
again = new_run(seed=0)
while len(again.history) < 10:
    one_epoch(again)
assert_same_end(whole, again)

# %% [markdown] translates="78b2b64d"
# 在这里，有种子就够了。换一个PyTorch版本、换一台机器，或者换一个线程数，就不能指望结果相同了。
#
# *前向预钩子*（forward pre-hook）是PyTorch在`forward`之前运行的函数。下面这个钩子数第8轮的训练批量，数到第16个时报错。（代码可以跳过。）


# %%
def cut_power(run, epoch=8, batch=16):
    seen = 0

    def count(net, args):
        nonlocal seen
        if net.training and len(run.history) == epoch - 1:
            seen += 1
            if seen == batch:
                where = f"epoch {epoch}, batch {batch}"
                raise RuntimeError(f"power cut in {where}")

    run.net.register_forward_pre_hook(count)


# %% [markdown] translates="a2250b71"
# 这次训练每轮之后写一个检查点。文件里会有几轮？

# %% tags=["raises-exception"]
stopped = new_run(seed=0)
cut_power(stopped)
while len(stopped.history) < 10:
    one_epoch(stopped)
    save_run(stopped, folder / "stopped.pt")

# %% [markdown] translates="4079b793"
# 内存里的权重比文件里的多见过15个批量。断电之后，只剩下文件。

# %%
saved = torch.load(folder / "stopped.pt", weights_only=True)
now = stopped.net.state_dict()
assert not torch.equal(saved["net"]["2.out.bias"], now["2.out.bias"])
saved["epoch"], len(saved["history"])

# %% [markdown] translates="d7d38206"
# 文件里有七轮；那15个批量要重新算。新的训练从另一个种子开始，所以最后凡是和没停下的训练一致的地方，都来自文件。

# %%
resumed = new_run(seed=1)
resume(resumed, folder / "stopped.pt")
while len(resumed.history) < 10:
    one_epoch(resumed)
assert_same_end(whole, resumed)

# %% [markdown] translates="437e5fcc"
# 结果相同，尽管`whole`没有写过检查点。

# %% [markdown] translates="0128b99c"
# ### 漏掉一部分
#
# > **陷阱**。脚本如果漏掉一部分状态，恢复时不会报错，但接下来的训练就不一样了。
#
# 下面训练四次：前三次各缺检查点的一部分，最后一次什么都不缺。哪几次的结果会和没停下的那次相同？哪几次的准确率能到90%？

# %%
for part in ("optimizer", "generator", "random", "nothing"):
    partial = new_run(seed=1)
    resume(partial, folder / "stopped.pt", skip=part)
    while len(partial.history) < 10:
        one_epoch(partial)
    pairs = zip(end_of(whole), end_of(partial), strict=True)
    same = all(torch.allclose(a, b, atol=1e-4) for a, b in pairs)
    good = partial.history[-1][-1] > 0.9
    print(f"left out: {part}, same end: {same}, over 90%: {good}")

# %% [markdown] translates="72fc8cbc"
# 四次都达到90%，但只有什么都不缺的那次，结果和`whole`相同。缺了东西，从准确率看不出来，两次训练比一比才看得出来。

# %% [markdown] translates="85f2adbc"
# ## 保留最好的权重，早停
#
# 训练多少轮才够？*早停*（early stopping）的做法是：验证损失连着几轮没有创新低，就结束训练；这个轮数叫*耐心值*（patience）。到那时，最好的权重已经是这么多轮之前的了，所以要存进文件：内存里的状态字典（state dict）会继续随模型改变（[第04章](04_file_io.ipynb#cell-id=the-state-dict-follows-the-model)）。
#
# 损失最低是在几轮之前，看历史记录就知道，所以检查点里不用再加条目。下面三轮里，第二轮最好。那是几轮之前？


# %%
def epochs_since_best(history):
    losses = [valid_loss for _, valid_loss, _ in history]
    return len(losses) - 1 - losses.index(min(losses))


epochs_since_best([(0.9, 0.5, 0.8), (0.6, 0.3, 0.9), (0.4, 0.4, 0.9)])

# %% [markdown] translates="0df0f79d"
# 那是一轮之前。下面是完整的循环：训练、评估、保留最好的权重、保存这次训练、停止。耐心值是五轮。训练会跑满100轮吗？

# %%
final = new_run(seed=0)
for _ in range(100):
    one_epoch(final)
    waited = epochs_since_best(final.history)
    if waited == 0:
        save(final.net.state_dict(), folder / "best.pt")
    save_run(final, folder / "final.pt")
    if waited == 5:
        break
assert waited == 5 and len(final.history) < 100

# %% [markdown] translates="246dc032"
# 没有，训练提前停了。`best.pt`里是五轮之前的权重。

# %% [markdown] translates="9e56e787"
# ## 加载模型来使用
#
# 要使用模型，有构造它的代码和它的权重就够了。别忘了`eval()`。

# %%
path = folder / "best.pt"
weights = torch.load(path, map_location="cpu", weights_only=True)
ready = make_net().to(device)
ready.load_state_dict(weights)
ready.eval().training

# %% [markdown] translates="565eb401"
# 暂退法关掉了，而且一个数字的输出，不取决于旁边的数字。如果有`CenteredLayer`（[第03章](03_custom_layers.ipynb#cell-id=whose-mean-is-it)），就会取决于旁边的数字：即使在评估模式下，这一层也要减去批量的均值。

# %%
centered = MySequential(nn.Flatten(), CenteredLayer(), MLP(64, 128, 10))
centered.to(device).eval()
assert not torch.allclose(centered(X[:1]), centered(X[:20])[:1], atol=1e-4)
assert_close(ready(X[:1]), ready(X[:20])[:1])

# %% [markdown] translates="5dec1228"
# 如果这就是最好的权重，验证损失应该是历史记录里最低的。

# %%
best_loss, _ = evaluate(ready, X_valid, y_valid)
lowest = min(valid_loss for _, valid_loss, _ in final.history)
tolerance = 0 if device.type == "cpu" else 1e-4
assert_close(best_loss, lowest, rtol=tolerance, atol=tolerance)

# %% [markdown] translates="5387305e"
# 确实最低。到了现在才用测试集，里面的数字没有参与过任何选择。结论是：准确率超过94%；你得到的可能略有出入。

# %% tags=["nbval-ignore-output"]
_, test_accuracy = evaluate(ready, X_test, y_test)
assert test_accuracy > 0.94
f"{test_accuracy:.1%} of {len(X_test)} test digits are right"

# %% [markdown] translates="23d4a772"
# 下面是最先读错的几个数字，最多七个，每个上方标着标签，以及模型读成了什么。换作你，能读对吗？

# %% tags=["look"] mystnb={"image": {"alt": "模型读错的七个测试集数字，由很粗的灰度像素组成：一个8读成5，一个3读成2，一个3读成7，一个1读成8，一个8读成3，还有两个5读成9。"}} translates="ad57f43f"
with torch.inference_mode():
    answers = ready(X_test).argmax(dim=1)  # (300, 8, 8) -> (300,)
wrong = (answers != y_test).nonzero().flatten().tolist()
titles = [f"{y_test[i]} read as {answers[i]}" for i in wrong]
show_digits(X_test[wrong].cpu(), titles, 1, 7, height=1.4)
plt.show()

# %% [markdown] translates="bc95839f"
# ## 测量时间
#
# 在这台机器上，一轮要多久？第一轮用来预热（warm up），取后面五轮的中位数。`train_epoch`最后要读一个数，会等GPU做完。


# %%
def milliseconds(num_hiddens, batch_size=50):
    run = new_run(seed=0, num_hiddens=num_hiddens)
    train_epoch(run, X_train, y_train, batch_size)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        train_epoch(run, X_train, y_train, batch_size)
        times.append(time.perf_counter() - start)
    return 1000 * median(times)


# %% [markdown] translates="86dc42ff"
# 最后一个模型的权重个数是第一个的16倍，每个权重参与乘法的次数不变。一轮的时间也会是16倍吗？

# %% tags=["nbval-ignore-output"]
for num_hiddens in (128, 512, 2048):
    weights = sum(p.numel() for p in make_net(num_hiddens).parameters())
    ms = milliseconds(num_hiddens)
    assert ms > 0
    print(f"{num_hiddens:4} hidden, {weights:7,} weights: {ms:.1f} ms")

# %% [markdown] translates="5e510099"
# 在制作本页的机器上，时间只是原来的几倍，不是16倍。看看你的机器上增长了多少。时间和模型增长得一样快，说明设备在忙着计算，换更快的设备有用。时间几乎不增长，说明大部分时间花在调用上：操作再小，Python和PyTorch也要为它做准备。批量大一些，做同样多的乘法，调用次数更少。这样一来，小模型的时间会剩下多少？

# %% tags=["nbval-ignore-output"]
for batch_size in (50, 200, 1200):
    ms = milliseconds(128, batch_size)
    assert ms > 0
    steps = 1200 // batch_size
    print(f"batch size {batch_size:4}, number of steps {steps:2}: {ms:.1f} ms")

# %% [markdown] translates="33cfc535"
# 在那台机器上，时间少了很多：少掉的部分，原先花在调用上。GPU不会缩短调用，因为调用由CPU来准备。一次调用的计算量大，GPU就更快：层宽、批量大、图像大。

# %% [markdown] translates="73fb437d"
# ## 小结
#
# - 训练集决定权重，验证集用来做选择，测试集用一次，用来下结论。
# - 一步训练：前向传播、损失、清零、反向传播、更新。评估：`eval()`、`inference_mode`。
# - 设备用一行代码选好；次序在CPU上随机抽取。
# - 检查点里有权重、优化器、这次训练用到的每个生成器的状态，以及历史记录。先用另一个名字写好，再改名。
# - 从检查点恢复训练，在CPU上用一个线程，结果每一位都相同。漏掉优化器或某个生成器，结果就不同，而且不报错。
# - 把最好的权重存进文件：状态字典会随模型改变。
# - 一次调用的计算量大，GPU就更快。

# %% [markdown] translates="5722005a"
# ## 练习
#
# 把答案写在每个`...`的位置，运行这个单元格，再运行下面的检查。检查会说出缺了什么，并给出一个通不过的例子；它不会改动你的任何东西。检查要用到前面的单元格：隔了一阵再来做时，先选中检查，再依次点*Run*、*Run All Above Selected Cell*。完整的解答在[另外一页](solutions/07_training.ipynb)上，那里从`d2l_helpers.runs`取用本章的函数。检查会用自己的小型训练来试你的函数，其中的张量都在CPU上。

# %%
from d2l_helpers import check

# %% [markdown] translates="481926a4"
# ### 7.1 换一条停止规则
#
# *探索，30分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-1)
#
# 早停不看损失，改看验证准确率。有些轮的准确率相等：这时损失较低的一轮算更好。把这条规则写成函数：输入历史记录，返回保留哪一轮的权重，以及训练在哪一轮之后停止。从第一轮看起，一旦某一轮比到那时为止最好的一轮晚了`patience`轮，训练就在这一轮之后停止。如果没有这样的一轮，就在最后一轮之后停止。然后做一张表：种子取0到4，耐心值取5，列出两条规则各在哪一轮停止，以及各自保留的权重的验证损失。看损失的规则，为什么不必规定相等时怎么办？为什么不用测试集？


# %% translates="e7564e0e"
def stop_by_accuracy(history, patience):
    """保留哪一轮，以及训练在哪一轮之后停止。"""
    # [(train_loss, valid_loss, accuracy), ...] -> (kept, stopped)，从1数起
    ...


# %%
check.another_rule_for_stopping(stop_by_accuracy)

# %% [markdown] translates="1a3bb61d"
# ### 7.2 从最好的权重恢复
#
# *探索，20分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-2)
#
# 写一个函数，把`best.pt`这样的文件加载进一次新的训练，并设置优化器的学习率（learning rate）。从`best.pt`开始，用0.01的学习率再训练五轮。验证损失会低于此前的最低值吗？再设想你要从最好的那一轮接着做原来的训练，学习率也用原来的。要使五轮之后的权重和原来那次训练的完全相同，`best.pt`里还要有检查点的哪些条目？先预测，每个条目写True或False。


# %% translates="d16b379d"
def start_from(run, path, lr):
    """把权重加载进一次新的训练，并设置它的学习率。"""
    # 修改run，什么也不返回
    ...


needed = {"optimizer": ..., "generator": ..., "random": ..., "history": ...}

# %%
check.resume_from_the_best(start_from, needed)

# %% [markdown] translates="1a07203c"
# ### 7.3 调度学习率
#
# *编程，20分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-3)
#
# 用`torch.optim.lr_scheduler.StepLR`，每三轮把学习率减半。`add_schedule`给`new_run`产生的训练加上调度器（scheduler）`run.scheduler`；每一轮的最后调用`run.scheduler.step()`。另外两个函数的作用和`save_run`、`resume`一样，只是用于这种训练。在第8轮中停下，再恢复，然后与一次带调度器、没有停下的训练比较：10轮之后`assert_same_end`通过，就算完成。然后从检查点里只去掉调度器，别的都保留。如果恢复后的训练在第10轮之后还接着做，第8轮到第11轮各用多大的学习率？


# %% translates="2cf78b82"
def add_schedule(run):
    """给训练加上`run.scheduler`，每3轮把学习率减半。"""
    ...


def save_with_schedule(run, path):
    """为带调度器的训练写一个检查点。"""
    ...


def resume_with_schedule(run, path):
    """把检查点加载进一次新的训练，其中已经有新的调度器。"""
    ...


rates = {8: ..., 9: ..., 10: ..., 11: ...}  # 检查点里没有调度器时

# %%
check.schedule(add_schedule, save_with_schedule, resume_with_schedule, rates)

# %% [markdown] translates="40664c0b"
# ### 7.4 少损失一些
#
# *编程，35分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-4)
#
# 在一轮之内，每训练十个批量就写一个检查点，这样不管何时停下，最多损失十个批量。检查点里还必须有什么？给每次训练加一项`run.begun`：它是一个字典，在两轮之间是空的；一轮做到一半时，恢复要用的东西都放在里面。用`new_run`产生训练之后，就设置`run.begun = {}`；检查用到的训练，由检查自己设置。`train_epoch_inside`把`run.begun`里的那一轮做完；如果里面是空的，就像`train_epoch`那样开始一轮。它返回整轮损失的均值。每做完一轮，把结果放进历史记录之后，也要调用`save_inside`。如果一次训练在第8轮的第16个批量中断，恢复后从第11个批量接着做，并且与`whole`比较时`assert_same_end`通过，就算完成。


# %% translates="2044f62c"
def train_epoch_inside(run, X, y, path, batch_size=50):
    """训练一轮，或一轮剩下的部分，每10个批量之后保存。"""
    # X: (n, 8, 8)，y: (n,)，都在run.net所在的设备上；返回损失的均值
    ...


def save_inside(run, path):
    """写一个检查点，在两轮之间或一轮之中。"""
    ...


def resume_inside(run, path):
    """把检查点加载进一次新的训练，其中的`begun`是空的。"""
    ...


# %%
check.lose_less(train_epoch_inside, save_inside, resume_inside)

# %% [markdown] translates="2cd6ab19"
# ### 7.5 停止按钮
#
# *编程，15分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-5)
#
# 用笔记本的停止按钮中断一次很长的训练；按下按钮，会引发`KeyboardInterrupt`。写好循环，让它在这时打印最后一个检查点是第几轮，然后结束，不显示回溯信息（traceback）。不管有没有中断，都返回这个轮数；还没有检查点时返回0。按钮随时可能按下，包括正在写检查点的时候；这次训练也可能是从`path`恢复来的。其他错误照样抛出。


# %% translates="ff0533e3"
def train_until_stopped(run, path, num_epochs, one_epoch, save_run):
    """训练到历史记录有num_epochs个条目，或按下按钮为止。"""
    # one_epoch(run)和save_run(run, path)与本章的相同
    ...


# %%
check.stop_button(train_until_stopped)

# %% [markdown] translates="4716a6ed"
# ### 7.6 谁和谁混淆
#
# *编程，20分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-6)
#
# 计算形状（shape）为(10, 10)的矩阵，其中元素$(i, j)$是数字$i$读成$j$的次数。哪一对最常混淆？`most_confused`以`(i, j)`的形式返回这一对，其中$i < j$，$i$读成$j$和$j$读成$i$合在一起数。用验证集和`ready`试这两个函数。所有元素之和必须是多少？对角线之和说明什么？设有297个数字，其中290个读对，写出这两个和。


# %% translates="037d4a24"
def confusion(y, answers):
    """对每一对数字，数一数有多少次把一个读成另一个。"""
    # 标签(n,)，读成的数字(n,) -> (10, 10)
    ...


def most_confused(C):
    """最常混淆的一对数字。"""
    # (10, 10) -> 两个数字，小的在前
    ...


sums = {"all entries": ..., "diagonal": ...}

# %%
check.who_confuses_whom(confusion, most_confused, sums)

# %% [markdown] translates="3e68b4d8"
# ### 7.7 新的笔迹
#
# *探索，25分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-7)
#
# 这些数字由13个人写成（`digits.DESCR`），随机排列把他们的笔迹混在了一起。做一种新的划分：文件里最后300个数字作测试集，只有其余的数字才按种子随机排列。种子取0到4，比较两种划分的测试准确率。混合划分和新笔迹，哪个更低？对一个新的书写者，你会承诺哪一个准确率？


# %% translates="a91c6361"
def split_new_hands(seed):
    """训练集、验证集和测试集里各个数字的位置。"""
    # 三个张量：(1200,)、(297,)和(300,)
    ...


lower = ...  # "mixed"（混合划分）或"new hands"（新笔迹）

# %%
check.new_hands(split_new_hands, lower)

# %% [markdown] translates="2ef3073c"
# ### 7.8 用自己的层
#
# *编程，25分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-8)
#
# 把`MLP`换成`d2l_helpers`里的`MyLinear(64, 128)`（[第03章](03_custom_layers.ipynb)）和`nn.Linear(128, 10)`，不用暂退法，看看第一步之前的损失。它为什么离$\log 10$那么远？用`apply`（[第02章](02_parameters.ipynb)）来修正：种子取0到4，如果每次损失与$\log 10$相差都在0.1以内，并且模型仍然能学习，就算完成。然后把最后一层也换成`MyLinear`。这个模型永远给不出怎样的未规范化的预测？假设它有一个输出，对所有数字都是0：这个输出的权重得到什么梯度？代价是什么？


# %% translates="40a7cb1f"
def init_small(module):
    """供`net.apply`使用：给MyLinear一组好的初始参数。"""
    ...


mylinear_last = {
    "never": ...,  # "negative"（负数）、"zero"（零）或"positive"（正数）
    "gradient": ...,  # "zero"（零）或"not zero"（非零）
}

# %%
check.layers_of_your_own(init_small, mylinear_last)

# %% [markdown] translates="a1b903b8"
# ### 7.9 两次训练同时进行
#
# *编程，20分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-9)
#
# 用同一个种子产生两次训练，让两者轮流，一回训练一轮。最后，两者的结果不同。两次训练共用了哪个生成器？用`get_random_state`和`set_random_state`来修正：写一个函数，为每个种子产生一次训练，轮流训练，让每次训练的结果都像单独训练一样。种子取0和0，`assert_same_end`通过，就算完成。种子也可以不同。


# %% translates="83f673e4"
def in_turns(seeds, num_epochs, new_run, one_epoch):
    """为每个种子做一次训练，轮流进行，结果都像单独训练一样。"""
    # new_run(seed)和one_epoch(run)与本章的相同
    # 返回由各次训练组成的列表
    ...


shared = ...  # "generator"或"random"，用检查点里的名字

# %%
check.two_runs_at_once(in_turns, shared)

# %% [markdown] translates="77e648d0"
# ### 7.10 只衰减权重
#
# *编程，20分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-10)
#
# 优化器每走一步，权重衰减（weight decay）就把参数向0拉近一点。规范化（normalization）层的拉伸参数（scale）从1开始；对它和偏置（bias）来说，0并不比别的值好，所以这两种参数通常不做衰减。写一个函数`decay_groups(net, weight_decay)`，返回由两个参数组组成的列表，可以交给`torch.optim.AdamW`或`SGD`；每个参数组是一个字典，有`"params"`和`"weight_decay"`两项。第一组是权重，也就是维数不少于2的参数，衰减系数是`weight_decay`。第二组是维数少于2的参数，例如偏置和`nn.BatchNorm1d`的参数，衰减系数是0。几个层共享的参数只出现一次；冻结的参数，哪一组里都没有。


# %% translates="94ab2ad4"
def decay_groups(net, weight_decay):
    """两个参数组：一组做权重衰减，一组不做。"""
    # 一个模块和一个数 -> 由两个字典组成的列表
    ...


# %%
check.decay_only_the_weights(decay_groups)

# %% [markdown] translates="c4c469c4"
# ### 7.11 梯度裁剪
#
# *编程，15分钟。*
# [解答](solutions/07_training.ipynb#cell-id=exercise-7-11)
#
# 一个坏的批量，可能给出很大的梯度，走一步就丢掉已经学到的东西。写一个函数`clip(parameters, max_norm)`，做梯度裁剪（gradient clipping）：把所有梯度看成一个长向量，求它的范数（norm）。如果范数大于`max_norm`，就把所有梯度原地乘以同一个系数，使范数等于`max_norm`；否则梯度保持原样。函数返回之前的范数。没有梯度的参数跳过。在训练的一步里，这个调用应该放在哪两行之间？


# %% translates="3810737d"
def clip(parameters, max_norm):
    """把梯度缩小到给定的范数，返回原来的范数。"""
    # 由参数组成的可迭代对象，和一个数 -> 一个数
    ...


# 放在哪一个之前："forward"、"loss"、"zero"、"backward"或"step"
called_before = ...

# %%
check.clip_the_gradients(clip, called_before)

# %% [markdown] translates="0605db7b"
# ## 接下来读什么
#
# [可复现性：重现一次训练，查看网络内部](09_reproducibility.ipynb)找出两次训练为什么不同，一次训练的内部又发生了什么。
#
# 现在你会用块和自定义层搭建模型，选择参数的初始值，选择训练哪些参数，追踪梯度，并在CPU或GPU上训练、保存和恢复模型。想试一试，就拿自己的数据，写一个带自定义层的模型，检查这一层，训练到一半停下，再恢复。结果应该像没停过一样。
#
# [数值：选择数据类型，用混合精度训练](08_numerics.ipynb)用16位的数训练同样的数字。[首页](index.md)列出了所有章。
