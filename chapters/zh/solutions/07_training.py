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

# %% [markdown] translates="ae71e54c"
# # 第07章 解答
#
# 这里是[训练：在任何设备上训练，中断后恢复](../07_training.ipynb)各道练习的解答，每道前面附有题目。先在那一页自己做，卡住了再来看。

# %%
import math
import signal
import tempfile
from pathlib import Path

import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.testing import assert_close

from d2l_helpers import MyLinear, check, use_style

use_style()
torch.set_num_threads(1)

# %% [markdown] translates="0526ac26"
# 解答要用到正文里的训练和检查点（checkpoint）。这里只用CPU，这样两个结果可以逐位比较。

# %%
from d2l_helpers.runs import (
    assert_same_end,
    evaluate,
    get_random_state,
    load_digits,
    make_net,
    new_run,
    resume,
    save,
    save_run,
    set_random_state,
    step,
    train_epoch,
)

# %% [markdown] translates="3af78dae"
# 按种子把数字分成几部分。


# %%
def split_mixed(seed):
    torch.manual_seed(seed)
    return torch.randperm(1797).split([1200, 297, 300])


X, y = load_digits()
train, valid, test = split_mixed(seed=0)
X_train, y_train = X[train], y[train]
X_valid, y_valid = X[valid], y[valid]

# %% [markdown] translates="b7b1f445"
# 一轮（epoch）训练，和正文里的一样；没有停下的那次训练；还有放文件的目录。


# %%
def one_epoch(run):
    train_loss = train_epoch(run, X_train, y_train)
    run.history.append((train_loss, *evaluate(run.net, X_valid, y_valid)))


whole = new_run(seed=0)
for _ in range(10):
    one_epoch(whole)
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)

# %% [markdown]
# ## 7.1 换一条停止规则
#
# *探索，30分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-1)
#
# 早停不看损失，改看验证准确率。有些轮的准确率相等：这时损失较低的一轮算更好。把这条规则写成函数：输入历史记录，返回保留哪一轮的权重，以及训练在哪一轮之后停止。从第一轮看起，一旦某一轮比到那时为止最好的一轮晚了`patience`轮，训练就在这一轮之后停止。如果没有这样的一轮，就在最后一轮之后停止。然后做一张表：种子取0到4，耐心值取5，列出两条规则各在哪一轮停止，以及各自保留的权重的验证损失。看损失的规则，为什么不必规定相等时怎么办？为什么不用测试集？

# %% [markdown] translates="8e86492a"
# **思路**。像训练那样从头走一遍历史记录，记住到目前为止最好的一轮。把准确率和负的损失配成一对，比较时先看准确率，再看损失。在整个历史记录里取最大值就错了：停止之后的那些轮，不会发生。


# %%
def stop_by_accuracy(history, patience):
    best = 0
    for epoch, (_, loss, accuracy) in enumerate(history):
        _, best_loss, best_accuracy = history[best]
        if (accuracy, -loss) > (best_accuracy, -best_loss):
            best = epoch
        if epoch - best == patience:
            break
    return best + 1, epoch + 1


# %%
check.another_rule_for_stopping(stop_by_accuracy)

# %% [markdown] translates="21ad231b"
# 把负的损失当作准确率，正文的规则就是同一个函数。


# %%
def stop_by_loss(history, patience):
    return stop_by_accuracy([(t, v, -v) for t, v, _ in history], patience)


# %% [markdown] translates="e3b97bf7"
# 规则不会改变训练，所以每个种子只要一次训练，两条规则都能用。只要有一条规则返回的停止轮正是目前的最后一轮，训练就继续：这条规则也许还没有停，只是历史记录到此为止。


# %%
def run_for_both(seed):
    run, stopped = new_run(seed), 0
    while len(run.history) == stopped:
        one_epoch(run)
        rules = stop_by_loss, stop_by_accuracy
        stopped = max(rule(run.history, 5)[1] for rule in rules)
    return run.history


histories = [run_for_both(seed) for seed in range(5)]

# %% [markdown] translates="8063d640"
# 种子取0到4，列出停在哪一轮，以及保留的权重的验证损失。哪条规则停得更晚？（`*_, stop`取出每个条目的最后一个元素。）

# %% tags=["nbval-ignore-output"]
for rule in (stop_by_loss, stop_by_accuracy):
    ends = [(history, *rule(history, 5)) for history in histories]
    losses = [history[kept - 1][1] for history, kept, _ in ends]
    assert max(losses) < 0.2
    print(f"{rule.__name__:18}", *(f"{stop:7}" for *_, stop in ends))
    print(f"{'  loss kept':18}", *(f"{loss:7.3f}" for loss in losses))

# %% [markdown] translates="246a3022"
# 没有哪条规则次次都停得更晚。在制作本页的机器上，种子取0和3时，看准确率的规则停得过早，保留的损失高出一半。种子取1时，是看损失的规则停得过早。只有一种划分的五个种子，说明不了哪条规则更好。
#
# **相等的情形**。准确率一级一级地变，每级1/297。损失是许多数的和，很少相等：下面每个历史记录里，各轮的损失都不相同，准确率则有相同的。

# %%
for history in histories:
    _, losses, accuracies = zip(*history, strict=True)
    assert len(set(accuracies)) < len(history) == len(set(losses))

# %% [markdown] translates="7a7c1575"
# **为什么不用测试集**？经过挑选，挑中的就显得比实际好。一百个全靠猜的模型，平均能读对十分之一的数字。用300个数字从中挑出最好的一个，它在这300个数字上能读对多少？

# %%
torch.manual_seed(0)
guesses = torch.randint(10, (100, 300))
shares = (guesses == y[test]).float().mean(dim=1)  # (100,)
assert abs(shares.mean() - 0.1) < 0.01 and shares.max() > 0.13
print(f"mean {shares.mean():.0%}, best {shares.max():.0%}")

# %% [markdown]
# ## 7.2 从最好的权重恢复
#
# *探索，20分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-2)
#
# 写一个函数，把`best.pt`这样的文件加载进一次新的训练，并设置优化器的学习率（learning rate）。从`best.pt`开始，用0.01的学习率再训练五轮。验证损失会低于此前的最低值吗？再设想你要从最好的那一轮接着做原来的训练，学习率也用原来的。要使五轮之后的权重和原来那次训练的完全相同，`best.pt`里还要有检查点的哪些条目？先预测，每个条目写True或False。

# %% [markdown] translates="9e0fec0c"
# **思路**。权重要加载到优化器所管的那个网络里。学习率在优化器的`param_groups`里；设置属性`run.optimizer.lr`不起作用。要完全接着做下去，一步训练用到的东西都得和原来一样：动量（momentum）、数字的次序、暂退法（dropout）取到的随机数。历史记录用不到。


# %%
def start_from(run, path, lr):
    weights = torch.load(path, map_location="cpu", weights_only=True)
    run.net.load_state_dict(weights)
    for group in run.optimizer.param_groups:
        group["lr"] = lr


needed = {
    "optimizer": True,
    "generator": True,
    "random": True,
    "history": False,
}

# %%
check.resume_from_the_best(start_from, needed)

# %% [markdown] translates="ec094754"
# 正文的训练，保留最好的权重，并且早停。

# %%
final, kept = new_run(seed=0), 0
while len(final.history) < kept + 5:
    one_epoch(final)
    kept, _ = stop_by_loss(final.history, patience=5)
    if kept == len(final.history):
        save(final.net.state_dict(), folder / "best.pt")

# %% [markdown] translates="4b7dc2f6"
# 从最好的权重开始，学习率取十分之一，训练五轮。

# %%
more = new_run(seed=1)
start_from(more, folder / "best.pt", lr=0.01)
for _ in range(5):
    one_epoch(more)

# %% [markdown] translates="ec62a432"
# 最低的验证损失现在更低了吗？

# %%
lowest, now = (
    min(loss for _, loss, _ in run.history) for run in (final, more)
)
assert now < lowest

# %% [markdown] translates="6ae60332"
# 更低了：在制作本页的机器上，先前是0.069，现在是0.062。到了最小值附近，原来的步子太大。不过，又用同样的297个数字选了一次，所以一部分改进可能是运气。
#
# **边界情况**。没有历史记录，权重也一样，但早停和`assert_same_end`都需要它。

# %% [markdown]
# ## 7.3 调度学习率
#
# *编程，20分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-3)
#
# 用`torch.optim.lr_scheduler.StepLR`，每三轮把学习率减半。`add_schedule`给`new_run`产生的训练加上调度器（scheduler）`run.scheduler`；每一轮的最后调用`run.scheduler.step()`。另外两个函数的作用和`save_run`、`resume`一样，只是用于这种训练。在第8轮中停下，再恢复，然后与一次带调度器、没有停下的训练比较：10轮之后`assert_same_end`通过，就算完成。然后从检查点里只去掉调度器，别的都保留。如果恢复后的训练在第10轮之后还接着做，第8轮到第11轮各用多大的学习率？

# %% [markdown] translates="858119d1"
# **思路**。调度器数着轮数，这个计数是它自己的状态。学习率本身在优化器的`param_groups`里，所以也在优化器的状态里。没有调度器的状态，恢复后的训练开始时学习率是对的，为0.025，但三轮要从那里数起：第8、9、10轮。没有停下的训练，则在第9轮之后减半。


# %%
def add_schedule(run):
    run.scheduler = torch.optim.lr_scheduler.StepLR(
        run.optimizer, step_size=3, gamma=0.5
    )


def save_with_schedule(run, path):
    save_run(run, path, scheduler=run.scheduler.state_dict())


def resume_with_schedule(run, path):
    resume(run, path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    run.scheduler.load_state_dict(state["scheduler"])


rates = {8: 0.025, 9: 0.025, 10: 0.025, 11: 0.0125}

# %%
check.schedule(add_schedule, save_with_schedule, resume_with_schedule, rates)

# %% [markdown] translates="902ede68"
# 用正文的数字训练，并记下每一轮的学习率。


# %%
def train_until(run, num_epochs):
    rates = []
    while len(run.history) < num_epochs:
        rates += run.scheduler.get_last_lr()
        one_epoch(run)
        run.scheduler.step()
    return rates


# %% [markdown] translates="b57a5eeb"
# 一次没有停下的训练。

# %%
scheduled = new_run(seed=0)
add_schedule(scheduled)
train_until(scheduled, 10)

# %% [markdown] translates="a674c4fa"
# 一次在第8轮停下的训练，停在最后一个检查点之后。

# %%
cut = new_run(seed=0)
add_schedule(cut)
train_until(cut, 7)
save_with_schedule(cut, folder / "cut.pt")

# %% [markdown] translates="f441b8a1"
# 最后一次训练从另一个种子开始，恢复停下的那次。要等前两次结束，再产生这一次：`new_run`会给暂退法所用的生成器（generator）设种子，而所有训练共用这个生成器（7.9）。

# %%
resumed = new_run(seed=1)
add_schedule(resumed)
resume_with_schedule(resumed, folder / "cut.pt")
last_rates = train_until(resumed, 10)
assert_same_end(scheduled, resumed)
last_rates

# %% [markdown] translates="5dce3439"
# **陷阱**。如果没有参数`more`，你就会对同一个路径先调用`save_run(run, path)`，再调用`save`。在这两次调用之间断电，留下的检查点就没有调度器。所以对这个路径只写一次。

# %% [markdown]
# ## 7.4 少损失一些
#
# *编程，35分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-4)
#
# 在一轮之内，每训练十个批量就写一个检查点，这样不管何时停下，最多损失十个批量。检查点里还必须有什么？给每次训练加一项`run.begun`：它是一个字典，在两轮之间是空的；一轮做到一半时，恢复要用的东西都放在里面。用`new_run`产生训练之后，就设置`run.begun = {}`；检查用到的训练，由检查自己设置。`train_epoch_inside`把`run.begun`里的那一轮做完；如果里面是空的，就像`train_epoch`那样开始一轮。它返回整轮损失的均值。每做完一轮，把结果放进历史记录之后，也要调用`save_inside`。如果一次训练在第8轮的第16个批量中断，恢复后从第11个批量接着做，并且与`whole`比较时`assert_same_end`通过，就算完成。

# %% [markdown] translates="ea0985cc"
# **思路**。在一轮里，还有三样东西在变：做完了几个批量，损失之和，以及在第一个批量之前抽取的次序。把这三样存下来；恢复一轮时有了这三样，就从做完的批量后面接着做。检查点的其余部分和以前一样，走完一步之后才取。


# %%
def train_epoch_inside(run, X, y, path, batch_size=50):
    if not run.begun:
        order = torch.randperm(len(X), generator=run.generator)
        run.begun = {"order": order, "done": 0, "total": 0}
    for batch in run.begun["order"].split(batch_size)[run.begun["done"] :]:
        run.begun["total"] += step(run, X[batch], y[batch])
        run.begun["done"] += 1
        if run.begun["done"] % 10 == 0:
            save_inside(run, path)
    begun, run.begun = run.begun, {}
    return begun["total"].item() / len(X)


def save_inside(run, path):
    save_run(run, path, begun=run.begun)


def resume_inside(run, path):
    resume(run, path)
    run.begun = torch.load(path, weights_only=True)["begun"]


# %%
check.lose_less(train_epoch_inside, save_inside, resume_inside)

# %% [markdown] translates="639666b1"
# 和正文一样的一轮，加上新的部分。


# %%
def one_epoch_inside(run, path):
    train_loss = train_epoch_inside(run, X_train, y_train, path)
    run.history.append((train_loss, *evaluate(run.net, X_valid, y_valid)))
    save_inside(run, path)


# %% [markdown] translates="e0c308bc"
# 正文的钩子，这里记下第8轮的训练批量，也可以在其中一个批量之前断电。


# %%
def watch(run, cut=None):
    def note(net, args):
        if net.training and len(run.history) == 7:
            if len(seen) + 1 == cut:
                raise RuntimeError(f"power cut at batch {cut} of epoch 8")
            seen.append(args[0])

    seen = []
    run.net.register_forward_pre_hook(note)
    return seen


# %% [markdown] translates="6b4fe077"
# 文件里会存下多少？

# %% tags=["raises-exception"]
stopped, path = new_run(seed=0), folder / "inside.pt"
stopped.begun = {}
watch(stopped, cut=16)
while len(stopped.history) < 10:
    one_epoch_inside(stopped, path)

# %% [markdown] translates="b4948fba"
# 在文件里，做完的轮在历史记录中，做完的批量在`begun`中。

# %%
state = torch.load(path, weights_only=True)
state["epoch"], state["begun"]["done"]

# %% [markdown] translates="ea44d00a"
# 有七轮和十个批量。所以第8轮的24个批量还剩14个。

# %%
resumed = new_run(seed=1)
resume_inside(resumed, path)
seen = watch(resumed)
while len(resumed.history) < 10:
    one_epoch_inside(resumed, folder / "resumed.pt")
len(seen)

# %% [markdown] translates="779aabb9"
# 结果会像什么都没发生过一样吗？

# %%
assert_same_end(whole, resumed)

# %% [markdown] translates="698a89db"
# 结果相同，每一位都相同。
#
# **另一种做法**。改为保存抽取次序之前的生成器状态，恢复时再抽一次。这样文件里少1200个数。
#
# **陷阱**。如果把`loss.item()`加起来，和就是双精度的，最后几位可能与`whole`的不同。在GPU上，每个批量还要等一次。

# %% [markdown]
# ## 7.5 停止按钮
#
# *编程，15分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-5)
#
# 用笔记本的停止按钮中断一次很长的训练；按下按钮，会引发`KeyboardInterrupt`。写好循环，让它在这时打印最后一个检查点是第几轮，然后结束，不显示回溯信息（traceback）。不管有没有中断，都返回这个轮数；还没有检查点时返回0。按钮随时可能按下，包括正在写检查点的时候；这次训练也可能是从`path`恢复来的。其他错误照样抛出。

# %% [markdown] translates="6808dfb0"
# **思路**。只捕获`KeyboardInterrupt`。历史记录可能比文件多一轮。如果在`save_run`之后才记下轮数，这个数又可能比文件少一轮：按下按钮时，文件可能已经写好，而`save_run`还没有返回。所以轮数要从文件里读。


# %%
def last_epoch(path):
    if not path.exists():
        return 0
    return torch.load(path, map_location="cpu", weights_only=True)["epoch"]


def train_until_stopped(run, path, num_epochs, one_epoch, save_run):
    try:
        while len(run.history) < num_epochs:
            one_epoch(run)
            save_run(run, path)
    except KeyboardInterrupt:
        print("Stopped; the last checkpoint is of epoch", last_epoch(path))
    return last_epoch(path)


# %%
check.stop_button(train_until_stopped)

# %% [markdown] translates="db55e8ba"
# 按下按钮，就给Python发送信号SIGINT，程序也能发送这个信号。这里在第3轮之后的`save_run`里发送。


# %%
def save_and_press(run, path):
    if len(run.history) == 3:
        signal.raise_signal(signal.SIGINT)
    save_run(run, path)


# %% [markdown] translates="10c49011"
# 最后一个检查点会是第几轮？

# %%
pressed, path = new_run(seed=0), folder / "pressed.pt"
train_until_stopped(pressed, path, 10, one_epoch, save_and_press)

# %% [markdown] translates="7a8333d4"
# 历史记录里有三轮，文件里有两轮。

# %%
len(pressed.history), torch.load(path, weights_only=True)["epoch"]

# %% [markdown] translates="b694a81a"
# **陷阱**。不写异常名的`except:`也会捕获其他错误：模型里的错误看起来就像按了按钮。`except Exception`捕获不到按钮，因为`KeyboardInterrupt`不是`Exception`。

# %%
assert not issubclass(KeyboardInterrupt, Exception)
KeyboardInterrupt.__mro__[1].__name__

# %% [markdown]
# ## 7.6 谁和谁混淆
#
# *编程，20分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-6)
#
# 计算形状（shape）为(10, 10)的矩阵，其中元素$(i, j)$是数字$i$读成$j$的次数。哪一对最常混淆？`most_confused`以`(i, j)`的形式返回这一对，其中$i < j$，$i$读成$j$和$j$读成$i$合在一起数。用验证集和`ready`试这两个函数。所有元素之和必须是多少？对角线之和说明什么？设有297个数字，其中290个读对，写出这两个和。

# %% [markdown] translates="96d9026b"
# **思路**。把一对$(i, j)$变成一个数$10 i + j$，范围从0到99。`bincount`数出每个数出现几次；`minlength`让没有出现的数也占一个位置。每个数字数一次，所以所有元素之和就是数字的个数297；对角线上是读对的，共290个。


# %% translates="e3211036"
def confusion(y, answers):
    return (10 * y + answers).bincount(minlength=100).reshape(10, 10)


def most_confused(C):
    both = (C + C.T).triu(diagonal=1)  # 每一对数一次，不含对角线
    return divmod(both.argmax().item(), 10)  # 10 i + j -> (i, j)


sums = {"all entries": 297, "diagonal": 290}

# %%
check.who_confuses_whom(confusion, most_confused, sums)

# %% [markdown] translates="338bb59f"
# 7.2里最好的权重。

# %% translates="056fd68c"
ready = make_net()
ready.load_state_dict(torch.load(folder / "best.pt", weights_only=True))
_, accuracy = evaluate(ready, X_valid, y_valid)  # 同时关掉暂退法
with torch.inference_mode():
    C = confusion(y_valid, ready(X_valid).argmax(dim=1))

# %% [markdown] translates="e5c0e2f3"
# 对角线之和占所有元素之和的比例，就是准确率。

# %%
assert C.sum() == len(X_valid)
assert_close((C.diagonal().sum() / C.sum()).item(), accuracy)

# %% [markdown] translates="7584e1c0"
# 图的标题写出了这一对数字。找到这一对的两个格子，两者关于对角线对称。

# %% mystnb={"image": {"alt": "一张表，十行是标签，十列是读成的数字。对角线上是25到42的数。对角线外有五个格子，是深浅不同的橙色：8读成1有两次，1读成8、3读成5、5读成8、7读成8各一次。标题说1和8最常混淆。"}} translates="0eee161b"
_, ax = plt.subplots(figsize=(3.5, 3.5))
ax.imshow(C - C.diagonal().diag(), cmap="Oranges", vmax=4)  # 读错的
for i, j in C.nonzero().tolist():
    ax.text(j, i, C[i, j].item(), ha="center", va="center")
ax.set_title("{} and {} are confused most".format(*most_confused(C)))
ax.set(xlabel="read as", ylabel="label", xticks=range(10), yticks=range(10))
plt.show()

# %% [markdown] translates="104b963e"
# 在制作本页的机器上，8读成1两次，1读成8一次：六个错误里占三个。错误这么少，换一个种子，可能就是另一对了。
#
# **陷阱**。一对数字不管出现几次，`C[y, answers] += 1`都只数一次：右边先全部算好，然后才存进去。

# %%
C = torch.zeros(10, 10, dtype=torch.long)
C[torch.tensor([3, 3]), torch.tensor([8, 8])] += 1
C[3, 8].item()

# %% [markdown]
# ## 7.7 新的笔迹
#
# *探索，25分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-7)
#
# 这些数字由13个人写成（`digits.DESCR`），随机排列把他们的笔迹混在了一起。做一种新的划分：文件里最后300个数字作测试集，只有其余的数字才按种子随机排列。种子取0到4，比较两种划分的测试准确率。混合划分和新笔迹，哪个更低？对一个新的书写者，你会承诺哪一个准确率？

# %% [markdown] translates="706b4c2a"
# **思路**。只随机排列1497个位置，而不是1797个，再接上其余的。在混合划分里，测试集中的每种笔迹，训练集里也有，所以测试更容易。


# %%
def split_new_hands(seed):
    torch.manual_seed(seed)
    train, valid = torch.randperm(1497).split([1200, 297])
    return train, valid, torch.arange(1497, 1797)


lower = "new hands"

# %%
check.new_hands(split_new_hands, lower)

# %% [markdown] translates="5f951e94"
# 下面的函数按一种划分训练五轮，返回测试准确率。训练很短，也没有早停，但用来比较够了。


# %%
def accuracy_of(split, seed):
    train, _, test = split(seed)
    run = new_run(seed)
    for _ in range(5):
        train_epoch(run, X[train], y[train])
    return evaluate(run.net, X[test], y[test])[1]


# %% [markdown] translates="c6a69255"
# 两种划分相差多少？

# %% tags=["nbval-ignore-output"]
for seed in range(5):
    mixed = accuracy_of(split_mixed, seed)
    new = accuracy_of(split_new_hands, seed)
    assert new < mixed
    print(f"seed {seed}: mixed {mixed:.1%}, new hands {new:.1%}")

# %% [markdown] translates="770c7178"
# 每个种子都是新笔迹更低；在制作本页的机器上，低四到九个百分点。对新的书写者，要承诺新笔迹的准确率：混合划分的准确率，适用于那些笔迹已经用来训练过模型的人。
#
# **有多大把握**？文件没有写明书写者。但如果每个人写的是其中连续的一段，相像的数字在文件里就离得近。对每个数字，按像素找出与它最近的另一个：有多少次两者在文件里相距不到130个位置？如果另一个是随机取的，七次里会有一次。

# %%
flat = X.flatten(1)  # (1797, 64)
distances = torch.cdist(flat, flat).fill_diagonal_(math.inf)
gaps = (distances.argmin(dim=1) - torch.arange(len(X))).abs()
share = (gaps < 130).float().mean().item()
assert share > 0.5
f"{share:.0%}"

# %% [markdown] translates="2eb75156"
# 这大约是随机情形的四倍。不过，300个数字平均来自两三种笔迹：换一批笔迹，可能更容易读，也可能更难。

# %% [markdown]
# ## 7.8 用自己的层
#
# *编程，25分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-8)
#
# 把`MLP`换成`d2l_helpers`里的`MyLinear(64, 128)`（[第03章](../03_custom_layers.ipynb)）和`nn.Linear(128, 10)`，不用暂退法，看看第一步之前的损失。它为什么离$\log 10$那么远？用`apply`（[第02章](../02_parameters.ipynb)）来修正：种子取0到4，如果每次损失与$\log 10$相差都在0.1以内，并且模型仍然能学习，就算完成。然后把最后一层也换成`MyLinear`。这个模型永远给不出怎样的未规范化的预测？假设它有一个输出，对所有数字都是0：这个输出的权重得到什么梯度？代价是什么？

# %% [markdown] translates="59989984"
# **思路**。`MyLinear`从$N(0, 1)$取值。每个隐藏特征是64个乘积之和，离0很远，于是未规范化的预测（logit）很大，softmax对错误的类别深信不疑。如果权重取十分之一大小，偏置取0，未规范化的预测就接近0，每个类别的概率约为1/10。权重要随机取，不要设为0：都设为0，损失是对的，但这一层不会学习。


# %%
def init_small(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.1)
        nn.init.zeros_(module.bias)


mylinear_last = {"never": "negative", "gradient": "zero"}

# %%
check.layers_of_your_own(init_small, mylinear_last)

# %% [markdown] translates="09b84b11"
# 第一步之前的损失由下面的函数来算，初始化和最后一层可以任选。


# %%
def own_run(seed, init, last=nn.Linear):
    run = new_run(seed)
    run.net = nn.Sequential(nn.Flatten(), MyLinear(64, 128), last(128, 10))
    run.net.apply(init)
    run.optimizer = torch.optim.SGD(run.net.parameters(), 0.1, momentum=0.9)
    return run


def first_loss(seed, init):
    return evaluate(own_run(seed, init).net, X_train, y_train)[0]


# %% [markdown] translates="46c0b56b"
# 不用`init_small`，五个种子得到的损失都离$\log 10$（约2.3）很远。

# %%
before = [first_loss(seed, lambda module: None) for seed in range(5)]
assert min(before) > math.log(10) + 0.2

# %% [markdown] translates="0878760f"
# 用了呢？

# %%
after = [first_loss(seed, init_small) for seed in range(5)]
assert all(abs(loss - math.log(10)) < 0.1 for loss in after)
[round(loss, 1) for loss in after]

# %% [markdown] translates="71eaf94f"
# 如果参数都设为零，训练一轮之后，这一层会变吗？


# %%
def init_zeros(module):
    if isinstance(module, MyLinear):
        for parameter in module.parameters():
            nn.init.zeros_(parameter)


run = own_run(0, init_zeros)
assert abs(first_loss(0, init_zeros) - math.log(10)) < 0.1
train_epoch(run, X_train, y_train)
run.net[1].weight.any().item()

# %% [markdown] translates="9d2d0aaf"
# 不会变：这一层的输出是0，而ReLU在那里的斜率是0。

# %% [markdown] translates="4d5f28d9"
# **最后加ReLU的代价**。未规范化的预测都不是负数。如果不管输入哪个数字，某个类别在ReLU之前的和都是负数，那么这个类别的未规范化的预测都是0，权重得不到梯度：除非前一层变了，否则这些权重一直不变。训练五轮之后，有多少个类别，这样的模型在整个训练集上一次也没有给出？


# %%
def never_named(last, seed):
    run = own_run(seed, init_small, last)
    for _ in range(5):
        train_epoch(run, X_train, y_train)
    with torch.inference_mode():
        answers = run.net(X_train).argmax(dim=1)
    return 10 - len(answers.unique())


# %% [markdown] translates="5a8c10ed"
# 种子取三个，最后一层分别用这两种层：会丢失类别吗？

# %%
lost = {
    last.__name__: [never_named(last, seed) for seed in range(3)]
    for last in (nn.Linear, MyLinear)
}
{name: max(numbers) > 0 for name, numbers in lost.items()}

# %% [markdown] translates="00e6de25"
# 最后用`MyLinear`，就会丢失一些类别，在制作本页的机器上是十个里的两到四个：这些类别的数字都读错了。为了让未规范化的预测可以是负数，正文的`MLP`最后没有ReLU。

# %% [markdown]
# ## 7.9 两次训练同时进行
#
# *编程，20分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-9)
#
# 用同一个种子产生两次训练，让两者轮流，一回训练一轮。最后，两者的结果不同。两次训练共用了哪个生成器？用`get_random_state`和`set_random_state`来修正：写一个函数，为每个种子产生一次训练，轮流训练，让每次训练的结果都像单独训练一样。种子取0和0，`assert_same_end`通过，就算完成。种子也可以不同。

# %% [markdown] translates="fadb82c6"
# **思路**。每次训练都有一个用来打乱的生成器，但暂退法从PyTorch自带的生成器取随机数，那是两次训练共用的。所以给每次训练配一个随机状态，初值是`new_run`留下的状态：每次轮到这次训练，先设置这个状态，训练一轮之后再取回。


# %%
def in_turns(seeds, num_epochs, new_run, one_epoch):
    runs, states = [], []
    for seed in seeds:
        runs.append(new_run(seed))
        states.append(get_random_state())
    for _ in range(num_epochs):
        for i, run in enumerate(runs):
            set_random_state(states[i])
            one_epoch(run)
            states[i] = get_random_state()
    return runs


shared = "random"

# %%
check.two_runs_at_once(in_turns, shared)

# %% [markdown] translates="c406408f"
# 用正文的数字，两次训练的结果都和`whole`相同。

# %%
first, second = in_turns((0, 0), 10, new_run, one_epoch)
assert_same_end(first, whole)
assert_same_end(second, whole)

# %% [markdown] translates="3f321b44"
# 不修正的话，第一次训练把生成器用到哪里，第二次训练就从哪里接着用。

# %%
first, second = new_run(seed=0), new_run(seed=0)
one_epoch(first), one_epoch(second)
assert first.history != second.history

# %% [markdown] translates="232c3362"
# **另一种做法**。`torch.random.fork_rng()`是一个上下文管理器，结束时会把状态还原。这样后面的代码不受影响，但每次训练的状态仍然要自己存着。

# %% [markdown]
# ## 7.10 只衰减权重
#
# *编程，20分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-10)
#
# 优化器每走一步，权重衰减（weight decay）就把参数向0拉近一点。规范化（normalization）层的拉伸参数（scale）从1开始；对它和偏置（bias）来说，0并不比别的值好，所以这两种参数通常不做衰减。写一个函数`decay_groups(net, weight_decay)`，返回由两个参数组组成的列表，可以交给`torch.optim.AdamW`或`SGD`；每个参数组是一个字典，有`"params"`和`"weight_decay"`两项。第一组是权重，也就是维数不少于2的参数，衰减系数是`weight_decay`。第二组是维数少于2的参数，例如偏置和`nn.BatchNorm1d`的参数，衰减系数是0。几个层共享的参数只出现一次；冻结的参数，哪一组里都没有。

# %% [markdown] translates="ea64bfb6"
# **思路**。共享的参数，在`net.parameters()`里只出现一次。冻结的参数先去掉，其余的按维数分开。按名字分不开：规范化层的拉伸参数也叫`weight`。


# %%
def decay_groups(net, weight_decay):
    trained = [p for p in net.parameters() if p.requires_grad]
    weights = [p for p in trained if p.dim() >= 2]
    others = [p for p in trained if p.dim() < 2]
    return [
        {"params": weights, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


# %%
check.decay_only_the_weights(decay_groups)

# %% [markdown] translates="4da44f2d"
# 梯度都是0时，走一步就只有衰减。

# %%
net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8))
for p in net.parameters():
    p.grad = torch.zeros_like(p)

# %% [markdown] translates="af63e660"
# 用`lr=0.1`走一步，每个权重都减去自身的$0.1 \cdot 0.5$倍，批量规范化层不变。

# %%
before = net[0].weight.detach().clone()
optimizer = torch.optim.SGD(decay_groups(net, 0.5), lr=0.1)
optimizer.step()
torch.testing.assert_close(net[0].weight, 0.95 * before)
net[1].weight

# %% [markdown] translates="f5dcda4a"
# **规则出错的地方**。`nn.LayerNorm((4, 8))`的拉伸参数是二维的，按这条规则就会衰减。有这样的层时，不看维数，改为看每个模块是哪一种。

# %% [markdown]
# ## 7.11 梯度裁剪
#
# *编程，15分钟。*
# [练习](../07_training.ipynb#cell-id=exercise-7-11)
#
# 一个坏的批量，可能给出很大的梯度，走一步就丢掉已经学到的东西。写一个函数`clip(parameters, max_norm)`，做梯度裁剪（gradient clipping）：把所有梯度看成一个长向量，求它的范数（norm）。如果范数大于`max_norm`，就把所有梯度原地乘以同一个系数，使范数等于`max_norm`；否则梯度保持原样。函数返回之前的范数。没有梯度的参数跳过。在训练的一步里，这个调用应该放在哪两行之间？

# %% [markdown] translates="cc565382"
# **思路**。长向量的范数的平方，等于各部分范数的平方和。所有梯度乘以同一个系数，这一步的方向就不变，只是变短。梯度在`backward`之后才完整，`step`要用梯度：所以这个调用放在两者之间。


# %%
def clip(parameters, max_norm):
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(g.square().sum().item() for g in grads))
    if norm > max_norm:
        for g in grads:
            g *= max_norm / norm
    return norm


called_before = "step"

# %%
check.clip_the_gradients(clip, called_before)

# %% [markdown] translates="9757d1f1"
# PyTorch的`clip_grad_norm_`做的是同样的事。在`clip`之后，它得到的范数是多少？

# %%
run = new_run(seed=0)
nn.functional.cross_entropy(run.net(X[:50]), y[:50]).backward()
own = clip(run.net.parameters(), 0.1)
theirs = nn.utils.clip_grad_norm_(run.net.parameters(), 1.0)
assert own > 0.1
round(theirs.item(), 4)

# %% [markdown] translates="8f303066"
# 得到的是0.1，正是`clip`留下的。
#
# **有什么用**。下面有一个批量，像素的值大了一千倍。两次训练都用它走一步，然后训练一轮。


# %%
def after_a_bad_batch(max_norm):
    run = new_run(seed=0)
    loss = nn.functional.cross_entropy(run.net(1000 * X[:50]), y[:50])
    loss.backward()
    clip(run.net.parameters(), max_norm)
    run.optimizer.step()
    train_epoch(run, X_train, y_train)
    return evaluate(run.net, X_valid, y_valid)[1]


# %% [markdown] translates="92b77f77"
# 哪一次在这一轮里还能学习？

# %%
{limit: after_a_bad_batch(limit) > 0.7 for limit in (1.0, math.inf)}

# %% [markdown] translates="abaf6732"
# 有裁剪的那次。**边界情况**。每个参数的`item`都要等GPU一次；PyTorch的函数以张量返回范数，从不要它的数。
