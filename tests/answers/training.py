"""Answers to the exercises of chapter 07."""

import numpy as np
import torch
from torch import nn

from tests.answers import also_right, edited, right, wrong


def _before(line, new):
    """An edit that puts a line before another one of a function's body."""
    return {f"    {line}": f"    {new}\n    {line}"}


# 7.1 Another rule for stopping


@right("another_rule_for_stopping")
def rule_by_sorting(history, patience):
    for stopped in range(1, len(history) + 1):
        so_far = sorted(
            range(stopped), key=lambda i: (-history[i][2], history[i][1])
        )
        if stopped - 1 - so_far[0] >= patience:
            break
    return [so_far[0] + 1, stopped]


_BETTER = "(accuracy, -loss) > (best_accuracy, -best_loss)"
_BEFORE = "(history[epoch - 1][2], -history[epoch - 1][1])"
_ENDS = "return best + 1, epoch + 1"
_ROUNDED = "history = [(t, v, round(a, 2)) for t, v, a in history]"


def _since(better):
    """An edit that counts the patience from another epoch than the best."""
    since = f"since = epoch if {better} else since"
    return {
        "best = 0": "best = since = 0",
        "if epoch - best": f"{since}\n        if epoch - since",
    }


also_right(
    "another_rule_for_stopping",
    {_ENDS: "return torch.tensor([best + 1, epoch + 1])"},
)
edited(
    "another_rule_for_stopping",
    ("goes by the loss", {_BETTER: "loss < best_loss"}),
    ("first epoch is 1", {_ENDS: "return best, epoch"}),
    ("first epoch is 1", {" + 1,": ",", "break": "return best, epoch"}),
    ("kept first", {_ENDS: "return epoch + 1, best + 1"}),
    ("`patience` epochs later", {"break": "pass", _ENDS: "return best, None"}),
    ("Return two numbers", {_ENDS: "return best + 1"}),
    ("an epoch too early", {"== patience": "== patience - 1"}),
    (
        "there never is an epoch 5",
        {
            "best + 1": "max(enumerate(history[: epoch + 2]), "
            "key=lambda pair: (pair[1][2], -pair[1][1]))[0] + 1"
        },
    ),
    ("by however little", _before("best = 0", _ROUNDED)),
    (
        "An accuracy may be 0",
        {"best = 0": "best = -1"},
        {"[best]": "[best] if best + 1 else (0, 0, 0)"},
    ),
    ("which needs it", {"return": "history.clear(); return"}),
    ("higher loss is taken", {", -": ", "}),
    ("stays the best", _since("accuracy >= best_accuracy")),
    ("It is a new best", _since("accuracy > best_accuracy")),
    ("two epochs after its best", {"== patience": "== 1"}),
    ("an epoch too long", {"== patience": "> patience"}),
    (
        "comes after the stop",
        {"break": "pass", "epoch + 1": "min(best + patience, epoch) + 1"},
    ),
    ("the first one stays here", {_BETTER: "accuracy > best_accuracy"}),
    ("the last one is taken here", {_BETTER: "accuracy >= best_accuracy"}),
    ("after its last epoch", {"epoch + 1": "best + 1 + patience"}),
    ("where the patience doesn't run out", {_ENDS: "", "break": _ENDS}),
    ("then the lowest loss", _since(f"(accuracy, -loss) > {_BEFORE}")),
)


# 7.2 Resume from the best


@right("resume_from_the_best")
def start_by_copying(run, path, lr):
    weights = torch.load(path, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for name, parameter in run.net.named_parameters():
            parameter.copy_(weights[name])
    state = run.optimizer.state_dict()
    state["param_groups"][0]["lr"] = lr
    run.optimizer.load_state_dict(state)
    return run


_RATE = 'for group in run.optimizer.param_groups:\n        group["lr"] = lr'
_SGD = "torch.optim.SGD(run.net.parameters(), lr"
_NEW = f"run.optimizer = {_SGD}"
also_right("resume_from_the_best", {_RATE: f"{_NEW}, momentum=0.9)"})
edited(
    "resume_from_the_best",
    ("read by nobody", {_RATE: "run.optimizer.lr = lr"}),
    ("read by nobody", {_RATE: 'run.optimizer.defaults["lr"] = lr'}),
    (
        "moved nothing",
        {"run.net.load": "run.net[2] = nn.Linear(64, 10); run.net.load"},
    ),
    ("moved nothing", {"(weights)": "(weights, assign=True)"}),
    ("whatever lr is", {"] = lr": "] = 0.01"}),
    ("may be another network", {"run.net.load": "make_net().load"}),
    ("no entry 'net'", {"(weights)": '(weights["net"])'}),
    ("the one at `path`", {"load(path": 'load("stopped.pt"'}),
    ("The run is trained", {_RATE: f"{_RATE}\n    one_epoch(run)"}),
    ("The file is gone", {"(weights)": "(weights); path.unlink()"}),
    ("ask for no gradient", {"net.load": "net.requires_grad_(False).load"}),
    ("which a module can load", {"run.net.load_state_dict": ""}),
    ("key 'lr'", {"] = lr": "] *= lr"}),
    ("The momentum is lost", {_RATE: f"{_NEW})"}),
    ("The momentum is lost", {"] = lr": '] = lr; group["momentum"] = 0'}),
    ("learning rate alone is new", {_RATE: f"{_NEW}, momentum=0.5)"}),
    ("It keeps the momentum", {'optimizer": True': 'optimizer": False'}),
    ("It shuffles", {'generator": True': 'generator": False'}),
    ("dropout draws from", {'random": True': 'random": False'}),
    ("list of results", {'history": False': 'history": True'}),
)


# 7.3 A schedule

_PARTS = {
    "net": 'run.net.load_state_dict(state["net"])',
    "optimizer": 'run.optimizer.load_state_dict(state["optimizer"])',
    "generator": 'run.generator.set_state(state["generator"])',
    "random": 'set_random_state(state["random"])',
    "history": 'run.history.extend(state["history"])',
}


def _without(*parts):
    """An edit: lines of its own in place of `resume`, without some of them."""
    lines = [line for part, line in _PARTS.items() if part not in parts]
    load = "state = torch.load(path, weights_only=True)"
    return {"resume(run, path)": "; ".join([load, *lines])}


_ANY_FILE = {"weights_only=True": "weights_only=False"}
_OVER_THE_LAST = """
def save_run(run, path, **more):
    state = {
        "net": run.net.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "generator": run.generator.get_state(),
        "random": get_random_state(),
        "history": run.history,
    }
    torch.save({**state, **more}, path)
"""
_BESIDE = 'path.with_suffix(".s")'
_STATE = "run.scheduler.state_dict()"
_SAVE = f"save_run(run, path, scheduler={_STATE})"
_STEP = "; run.scheduler.step()"
_LOAD = 'run.scheduler.load_state_dict(state["scheduler"])'
also_right(
    "schedule",
    {
        "StepLR": "LambdaLR",
        "step_size=3, gamma=0.5": "lambda n: 0.5 ** (n // 3)",
        "11: 0.0125": "11: 0.0125, 12: 0.0125",
    },
    {
        f"scheduler={_STATE}": "count=run.scheduler.last_epoch",
        "resume(run, path)": "add_schedule(run); resume(run, path); "
        "run.history = [[*entry] for entry in run.history]",
        _LOAD: 'run.scheduler.last_epoch = state["count"]',
    },
)
edited(
    "schedule",
    ("itself", {"run.optimizer, ": f"{_SGD}=0.1), "}),
    ("after each epoch", {"StepLR": "ExponentialLR", "step_size=3, ": ""}),
    ("takes a tenth", {", gamma=0.5": ""}),
    ("isn't halved", {"step_size=3": "step_size=5"}),
    ("isn't halved", {"StepLR": "MultiStepLR", "step_size=3": "[3, 6, 9]"}),
    ("optimizer is replaced", _before("run.scheduler =", f"{_NEW}=0.1)")),
    ("has no `scheduler`", {"run.scheduler = ": "return "}),
    (
        "Save states, not objects",
        _without(),
        _ANY_FILE,
        {"scheduler.state_dict()": "scheduler", ".load_state_dict(": " = ("},
    ),
    ("`save` writes under another name", _OVER_THE_LAST),
    ("must change nothing", {_SAVE: _SAVE + _STEP}),
    (
        "The one file",
        {_SAVE: f"save_run(run, path); save({_STATE}, {_BESIDE})"},
        {"load(path": f"load({_BESIDE}"},
        {'state["scheduler"]': "state"},
    ),
    (
        "What is in memory",
        {_SAVE: f"save_run(run, path); memory.update({_STATE})"},
        {'state["scheduler"]': "memory"},
        "memory = {}",
    ),
    ("the path of the file", {"path, s": 'path.with_name("my"), s'}),
    ("argument of `torch.load`", _without(), _ANY_FILE),
    ("7 entries", _without("history")),
    ("counts its epochs from 0", {_LOAD: "pass"}),
    ("begins at 0.1 again", _without("optimizer")),
    ("both must be as they were", _without("optimizer"), {_LOAD: "pass"}),
    ("The weights aren't", _without("net")),
    ("dropout draws other numbers", _without("random")),
    ("generator that shuffles", _without("generator")),
    ("rates of a run that wasn't", {_LOAD: _LOAD + _STEP}),
    ("more in the file", {"scheduler.state_dict()": "scheduler"}),
    ("its momentum", {_LOAD: f"{_LOAD}; run.optimizer.state.clear()"}),
    ("Something that a run needs", {_LOAD: f"{_LOAD}; run.net[1].p = 0.0"}),
    ("without quotes", {"8: 0.025": '8: "0.025"'}),
    ("of the moment", {"8: 0.025": "8: 0.1"}),
    ("No three epochs", {"9: 0.025": "9: 0.0125"}),
    ("has counted two", {"10: 0.025": "10: 0.0125"}),
    ("has counted three", {"11: 0.0125": "11: 0.025"}),
)


# 7.4 Lose less


def _step(old, new=""):
    """Another definition of `step`."""
    return """
def step(run, X, y):
    loss = nn.functional.cross_entropy(run.net.train()(X), y)
    run.optimizer.zero_grad()
    loss.backward()
    run.optimizer.step()
    return loss.detach() * len(X)
""".replace(old, new)


_STEP = 'run.begun["total"] += step(run, X[batch], y[batch])'
_LOSS = (
    "loss = nn.functional.cross_entropy(run.net.train()(X[batch]), y[batch]); "
    'run.begun["total"] += loss.detach() * len(batch)\n'
    "        run.optimizer.zero_grad(); loss.backward()"
)
_TEN = 'if run.begun["done"] % 10 == 0:\n            save_inside(run, path)'
_LEFT = '[run.begun["done"] :]'
_ORDER = "torch.randperm(len(X), generator=run.generator)"
_ENDED = "begun, run.begun = run.begun, {}"
_TOTAL = 'begun["total"].item() / len(X)'
also_right(
    "lose_less",
    {
        f"order = {_ORDER}": "pass",
        '"order": order': '"before": run.generator.get_state()',
        "    for batch": '    run.generator.set_state(run.begun["before"])\n'
        f"    order = {_ORDER}\n    for batch",
        'run.begun["order"]': "order",
        _TOTAL: 'begun["total"] / len(X)',
    },
    {"y[batch])": "y[batch]).item()", ".item() /": " /"},
)
edited(
    "lose_less",
    ("not eleven", {_LEFT: '[run.begun["done"] + bool(run.begun["done"]) :]'}),
    ("not nine", {_LEFT: '[max(run.begun["done"] - 1, 0) :]'}),
    ("after every batch", {"% 10": "% 1"}),
    (
        "has moved on since",
        _before("for batch", f'else: run.begun["order"] = {_ORDER}'),
    ),
    ("sum of the losses", _before("for batch", 'run.begun["total"] = 0')),
    (
        "after the step",
        {_STEP: _LOSS, _TEN: f"{_TEN}\n        run.optimizer.step()"},
    ),
    (
        "These come a batch late",
        {
            _TEN: "run.optimizer.step()",
            _STEP: f'{_LOSS}\n        if run.begun["done"] in (10, 20):\n'
            "            save_inside(run, path)",
        },
    ),
    ("The last batch has one", {"y[batch])": "y[batch]) / len(batch) * 2"}),
    (
        "An epoch, and the rest",
        _before("    order =", "    run.net.train()"),
        _step(".train()"),
    ),
    ("begins with a switch", _step(".train()")),
    ("when the epoch ends", {_ENDED: "begun = run.begun"}),
    ("no new checkpoint at", {"% 10": "% 100"}),
    ("every ten batches, counted from 1", {"% 10": "% 5"}),
    ("then for the eleventh", {"% 10 == 0": "% 10 == 1"}),
    (
        "how many are done, and save it",
        {'["done"] += 1': '["done"] += len(batch)', "% 10": "% 20"},
    ),
    ("`split` makes them", {"(batch_size)": "([1, *[batch_size] * 23])"}),
    ("dropout draws other numbers", _without("random")),
    ("The optimizer isn't as", _without("optimizer")),
    ("generator that shuffles", _without("generator")),
    ("The weights aren't", _without("net")),
    ("holds the history", _without("history")),
    ("batches of this size", {"(batch_size)": "(50)"}),
    ("leave these out", {'"begun"]': '"begun"] and {}'}),
    ("is to be loaded", {"save_run(": "run.begun and save_run("}),
    (
        "nothing is begun",
        {
            "begun=run.begun": "begun=run.begun or dict("
            "order=torch.arange(47), done=24, total=torch.zeros(()))"
        },
    ),
    (
        "what the first does",
        {'run.begun["': 'begun["', _ENDED: "run.begun = {}"},
        {"begun=run.begun)": "begun=run.begun); run.begun = {}"},
        _before("for batch", "begun = run.begun"),
    ),
    ("is lost while", _OVER_THE_LAST),
    ("could run any code", _without(), _ANY_FILE),
    ("into the history", {"return": "run.history.append((0, 0, 0)); return"}),
    ("X has 47 images", {"randperm(len(X)": "randperm(1200"}),
    ("of another tensor", {"step(run, X[": "step(run, X_train["}),
    (
        "not of its rest",
        {"for batch in ": "for i, batch in enumerate(", _LEFT: f"{_LEFT}, 1)"},
        {'["done"] += 1': '["done"] = i'},
    ),
    (
        "rest of a rest",
        {'run.begun["total"] +=': 'run.begun["total"] = total = total +'},
        _before("for batch", 'total, before = 0, run.begun["total"]'),
        {'begun["total"].item()': "(before + total).item()"},
    ),
    (
        "next epoch is a whole one",
        {_ENDED: "begun = run.begun", "run.begun": "run.place"},
        {"not run.place": 'not vars(run).get("place")'},
    ),
    ("draws the order from", {", generator=run.generator": ""}),
    ("This is the sum", {" / len(X)": ""}),
    ("mean loss of all", {" / len(X)": " / len(X) / batch_size"}),
    ("mean loss of all", {"return ": ""}),
    ("five lines", _step("    run.optimizer.zero_grad()\n")),
)


# 7.5 The stop button

_WHILE = "while len(run.history) < num_epochs"
_SAVE = "            save_run(run, path)\n"
_BUTTON = "KeyboardInterrupt"
_EXCEPT = f"    except {_BUTTON}:\n"
_PRINT = 'print("Stopped; the last checkpoint is of epoch", last_epoch(path))'
_RETURN = "return last_epoch(path)"
_IN_LOOP = {
    f"    try:\n        {_WHILE}:": f"    {_WHILE}:\n        try:",
    _EXCEPT: f"    {_EXCEPT}    ",
}


def _telling(epoch):
    return {_PRINT: f"print({epoch})", _RETURN: f"return {epoch}"}


also_right(
    "stop_button",
    {
        _WHILE: "for _ in range(len(run.history), num_epochs)",
        _PRINT: "pass",
        _RETURN: 'print(f"epoch {last_epoch(path)} of {num_epochs}"); '
        + _RETURN,
    },
    (
        _IN_LOOP,
        {"torch.load": "torch.tensor(torch.load", '["epoch"]': '["epoch"])'},
        {_SAVE: f"{_SAVE}            print(len(run.history))\n"},
        {_PRINT: f"{_PRINT}; break"},
    ),
    {
        "return torch.load(": "return len(torch.load(",
        '["epoch"]': '["history"])',
    },
)
edited(
    "stop_button",
    (
        "that is noted later is behind",
        _before("try:", "done = len(run.history)"),
        {_SAVE: f"{_SAVE}            done += 1\n"},
        _telling("done"),
    ),
    ("`except Exception` lets it pass", {_BUTTON: "Exception"}),
    (
        "wherever it is raised",
        {_EXCEPT: "    finally:\n"},
        {
            "one_epoch(run)\n": "try: one_epoch(run)\n"
            f"        {_EXCEPT[:-1]} break\n"
        },
    ),
    ("is to be printed", {_PRINT: "pass"}),
    ("is to be printed", {_PRINT: 'print("epoch 4")'}),
    ("Print it alone", {_PRINT: "print(*range(20))"}),
    (
        "Epoch 4 isn't in a checkpoint",
        {_WHILE: "for epoch in range(1, num_epochs + 1)"},
        _telling("epoch"),
    ),
    ("is in the history", _telling("len(run.history)")),
    ("There is no checkpoint yet", {"not path.exists()": "False"}),
    ("the answer is 0", {_RETURN: f"{_RETURN} or None"}),
    ("resumed from", _before("try:", "path.unlink(missing_ok=True)")),
    (
        "before the resuming too",
        _before("try", "num_epochs += len(run.history)"),
    ),
    ("goes by in silence", {_BUTTON: "BaseException"}),
    ("a mistake in the code", {_BUTTON: f"({_BUTTON}, RuntimeError)"}),
    ("a mistake in the code", {_BUTTON: f"({_BUTTON}, OSError)"}),
    ("a mistake in the code", {_BUTTON: f"({_BUTTON}, SystemExit)"}),
    ("as if nobody had stopped it", _IN_LOOP),
    (
        "Nothing is returned",
        {f"    {_RETURN}": "", _EXCEPT: f"        {_RETURN}\n{_EXCEPT}"},
    ),
    ("that have seen a part", {_EXCEPT: _EXCEPT + _SAVE[4:]}),
    ("after each epoch", {_SAVE: _SAVE[4:]}),
    ("None is written", {_SAVE: ""}),
    ("has `num_epochs` entries", {"< num_epochs": "< num_epochs - 1"}),
    ("also if nobody stops", {f"    {_RETURN}": ""}),
)


# 7.6 Who confuses whom


@right("who_confuses_whom", instead_of="most_confused")
def most_by_pairs(C):
    pairs = [(i, j) for j in range(10) for i in range(j)]
    return max(pairs, key=lambda p: C[p] + C[p[::-1]])


_COUNT = "return (10 * y + answers).bincount(minlength=100).reshape(10, 10)"
_SKLEARN = "from sklearn.metrics import confusion_matrix as count; return "
_C = ".reshape(10, 10)"
_AS_C = {"return (10": "C = (10"}
_BOTH = "both = (C + C.T).triu(diagonal=1)"
_PAIR = "divmod(both.argmax().item(), 10)"
also_right(
    "who_confuses_whom",
    {
        _COUNT: f"{_SKLEARN}count(y, answers, labels=range(10))",
        _PAIR: f"list({_PAIR})",
    },
    {
        _COUNT: "rows = nn.functional.one_hot(y, 10)\n"
        "    columns = nn.functional.one_hot(answers, 10)\n    "
        "return (rows.T @ columns).tolist()"
    },
    {_C: f"{_C}.float()"},
)
edited(
    "who_confuses_whom",
    ("also where some don't occur", {_COUNT: f"{_SKLEARN}count(y, answers)"}),
    ("also where some don't occur", {"minlength=100": ""}),
    ("the other way round", {"10 * y + answers": "10 * answers + y"}),
    (
        "shares of each row",
        _AS_C,
        {_C: f"{_C}; return C / C.sum(1, keepdim=True).clamp(min=1)"},
    ),
    ("What was read right is counted", {_C: f"{_C}.fill_diagonal_(0)"}),
    (
        "is counted once",
        {_COUNT: "C = torch.zeros(10, 10); C[y, answers] += 1; return C"},
    ),
    ("adds 1 to one entry", {_C: f"{_C}.clamp(max=2)"}),
    ("needed again", {"10 * y + answers": "y.mul_(10).add_(answers)"}),
    ("no matrix yet", {_C: ""}),
    ("shares of all digits", {_C: f"{_C} / len(y)"}),
    ("keeps them apart", _AS_C, {_C: f"{_C}; return C + C.T"}),
    ("Return the matrix of counts", {"return (10": "(10"}),
    ("in both directions together", {"C + C.T": "C"}),
    ("on the diagonal", {".triu(diagonal=1)": ""}),
    ("The smaller digit", {"triu(diagonal=1)": "tril(diagonal=-1)"}),
    ("off the diagonal", {_PAIR: "both.max()"}),
    ("Work on a copy", {_BOTH: f"C.fill_diagonal_(0); {_BOTH}"}),
    ("nothing else is done", {"C + C.T": "C * C.T"}),
    ("0 and 1 are confused", _before("both", "C = C / C.sum(1, True)")),
    ("in one entry", {"297": "1"}),
    ("are the same", {"290": "7"}),
)


# 7.7 New hands


@right("new_hands", "New hands")
def split_by_numpy(seed):
    order = np.random.default_rng(seed).permutation(1497)
    return *np.split(order, [1200]), np.arange(1497, 1797)


_SEED = "torch.manual_seed(seed)"
_ORDER = "torch.randperm(1497)"
_SPLIT = "return train, valid, torch.arange(1497, 1797)"
also_right(
    "new_hands",
    {
        _SEED: "drawn = torch.Generator().manual_seed(seed)",
        _ORDER: "torch.randperm(1797 - 300, generator=drawn)",
        _SPLIT: "return train.tolist(), valid.tolist(), range(1497, 1797)",
    },
)
edited(
    "new_hands",
    ("last 300 of 1,797", "split_new_hands = split_mixed"),
    ("three parts", {_SPLIT: "return torch.arange(1497, 1797), valid, train"}),
    (
        "first 300",
        {_ORDER: f"(300 + {_ORDER})", "arange(1497, 1797)": "arange(300)"},
    ),
    ("Return three parts", {"return ": ""}),
    ("Return three parts", {"return train, ": "return "}),
    ("not the images", {_SPLIT: "return X[train], X[valid], X[1497:]"}),
    ("not the images", {_SPLIT: "return 1200, 297, 300"}),
    ("Positions begin at 0", {"arange(1497, 1797)": "arange(1498, 1798)"}),
    ("come twice", {_ORDER: "torch.randperm(1797)[:1497]"}),
    ("Permute before", {_ORDER: "torch.arange(1497)"}),
    ("Permute before", {_ORDER: "torch.arange(1497).roll(seed + 1)"}),
    ("The same seed", {_SEED: "pass"}),
    ("the argument as it is", {_SEED: "torch.manual_seed(0)"}),
    ("the argument as it is", {_SEED: "torch.manual_seed(seed % 2)"}),
    ("the argument as it is", {_SEED: "torch.manual_seed(min(seed, 4))"}),
    ("easier or harder", {'"new hands"': '"mixed"'}),
    ("starter cell", {'"new hands"': '"new_hands"'}),
)


# 7.8 Layers of your own

_IS = "isinstance(module, MyLinear)"
_WEIGHT = "nn.init.normal_(module.weight, std=0.1)"
_BIAS = "nn.init.zeros_(module.bias)"
also_right(
    "layers_of_your_own",
    {  # as `nn.Linear` starts
        _WEIGHT: "nn.init.uniform_(module.weight, -1 / 8, 1 / 8)",
        _BIAS: "nn.init.uniform_(module.bias, -1 / 8, 1 / 8)",
    },
    {
        _IS: "type(module) is MyLinear",
        _WEIGHT: "module.weight.data *= 0.02",
        _BIAS: "module.bias = nn.Parameter(torch.zeros(len(module.bias)))",
    },
    {"MyLinear)": "nn.Linear)", _WEIGHT: "nn.init.zeros_(module.weight)"},
)
edited(
    "layers_of_your_own",
    ("nothing. Change the parameters", {_IS: "module is MyLinear"}),
    (
        "nothing. Change the parameters",
        {_WEIGHT: "weight = 0.01 * module.weight", _BIAS: "bias = 0.0"},
    ),
    ("too far from 0", {"std=0.1": "std=0.7"}),
    ("mind the bias", {"std=0.1": "std=0.01", _BIAS: "pass"}),
    ("doesn't learn", {_WEIGHT: "nn.init.zeros_(module.weight)"}),
    ("doesn't learn", {_BIAS: "nn.init.constant_(module.bias, -9.0)"}),
    ("free to learn", {_BIAS: f"{_BIAS}; module.requires_grad_(False)"}),
    ("A parameter stays one", {_WEIGHT: "module.weight = module.weight / 9"}),
    ("visits every module", {_IS: "True"}),
    ("can't come out", {'"negative"': '"zero"'}),
    ("slope", {'"gradient": "zero"': '"gradient": "not zero"'}),
    ("starter cell", {'"gradient": "zero"': '"gradient": 0'}),
)


# 7.9 Two runs at once

_SET = "set_random_state(states[i])"
_GET = "states[i] = get_random_state()"
_ROUNDS = "for _ in range(num_epochs):"
_EACH = "for i, run in enumerate(runs):"
also_right(
    "two_runs_at_once",
    {
        "(get_random_state())": '({"cpu": get_random_state()})',
        _SET: 'set_random_state(states[i]["cpu"])',
        _GET: 'states[i]["cpu"] = get_random_state()',
        "return runs": "return tuple(runs)",
        '"random"': '"Random"',
    },
    {
        f"            one_epoch(run)\n            {_GET}\n": "",
        _SET: "with torch.random.fork_rng():\n                "
        f"{_SET}; one_epoch(run); {_GET}",
    },
)
edited(
    "two_runs_at_once",
    ("get it again after", {_SET: "pass"}),
    ("get it again after", {_GET: "pass"}),
    (
        "get it again after",
        {"[], []": "[], {}", "[i]": "[seeds[i]]"},
        {"states.append(get": "states[seed] = (get"},
    ),
    (
        "`new_run` has left",
        _before("for _ in", "states = [get_random_state() for _ in runs]"),
    ),
    ("differs already", {_SET: "torch.manual_seed(seeds[i])"}),
    (
        "then one of the second",
        {f"{_ROUNDS}\n        {_EACH}": f"{_EACH}\n        {_ROUNDS}"},
    ),
    (
        "Make a run for each seed",
        {"in seeds": "in seeds[:1]"},
        {"return runs": "return runs * len(seeds)"},
    ),
    ("Make a run for each seed", {"in seeds": "in seeds[:2]"}),
    ("in the order of their seeds", {"return runs": "return runs[::-1]"}),
    ("that is given", {"(num_epochs)": "(0)"}),
    ("nothing else", {"return ": ""}),
    ("What does dropout draw", {'"random"': '"generator"'}),
    ("starter cell", {'"random"': '"cpu"'}),
)


# 7.10 Decay only the weights


@right("decay_only_the_weights")
def groups_by_modules(net, weight_decay):
    groups, seen = ([], []), set()
    for module in net.modules():
        for p in module.parameters(recurse=False):
            if p.requires_grad and p not in seen:
                groups[p.dim() < 2].append(p)
                seen.add(p)
    return tuple(
        {"params": iter(group), "weight_decay": rate}
        for group, rate in zip(groups, (weight_decay, 0), strict=True)
    )


_MATRICES, _REST = "if p.dim() >= 2", "if p.dim() < 2"
_TRAINED = "[p for p in net.parameters() if p.requires_grad]"
_NAMED = "[p for n, p in net.named_parameters() if {} n]"
_BY_MODULES = (
    "[p for m in net.modules() for p in m.parameters(recurse=False) "
    "if p.requires_grad]"
)
_FIRST, _SECOND = '"params": weights', '"params": others,'
also_right(
    "decay_only_the_weights",
    {_MATRICES: "if p.ndim > 1", '"weight_decay": 0.0': '"weight_decay": 0'},
    {_REST: "if not any(p is w for w in weights)"},
)
edited(
    "decay_only_the_weights",
    ("list of two", {"return ": ""}),
    ("list of two", {"return [": "return [*trained] or ["}),
    ("its bias to the second", {_MATRICES: "", _REST: "if False"}),
    ("number of dimensions: 2", {_REST: "if p.dim() < 1"}),
    (
        "comes first",
        {_FIRST: '"params": others ', _SECOND: '"params": weights,'},
    ),
    (
        "called `weight` too",
        {f"[p for p in trained {_MATRICES}]": _NAMED.format("'weight' in")},
        {f"[p for p in trained {_REST}]": _NAMED.format("'bias' in")},
    ),
    ("four dimensions", {_MATRICES: "if p.dim() == 2"}),
    ("stands once", {_TRAINED: _BY_MODULES}),
    ("neither group", {" if p.requires_grad": ""}),
    ("by the `weight_decay` that is given", {"decay}": "decay * 2}"}),
    (
        "by the `weight_decay` that is given",
        {'"weight_decay": 0.0': '"weight_decay": 1e-4'},
    ),
    ("in both groups", {_REST: ""}),
    ("Take a list", {_FIRST: '"params": set(weights)'}),
)


# 7.11 Clip the gradients


@right("clip_the_gradients")
def clip_by_torch(parameters, max_norm):
    return nn.utils.clip_grad_norm_(parameters, max_norm)


@right("clip_the_gradients")
def clip_by_one_vector(parameters, max_norm):
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = torch.cat([g.flatten() for g in grads]).norm()
    with torch.no_grad():
        for g in grads:
            g.mul_(torch.clamp(max_norm / (norm + 1e-12), max=1))
    return norm


@wrong("clip_the_gradients", "Each parameter was scaled")
def clip_one_by_one(parameters, max_norm):
    norms = [
        nn.utils.clip_grad_norm_([p], max_norm)
        for p in parameters
        if p.grad is not None
    ]
    return torch.stack(norms).norm()


@wrong("clip_the_gradients", "in `grad`")
def clip_without_a_look(parameters, max_norm):
    return clip_by_one_vector(
        [p for p in parameters if p.grad.numel()], max_norm
    )


@wrong("clip_the_gradients", "Scale the one that is there")
def clip_with_new_tensors(parameters, max_norm):
    parameters = [p for p in parameters if p.grad is not None]
    norm = torch.cat([p.grad for p in parameters]).norm()
    for p in parameters:
        p.grad = p.grad * min(1, max_norm / (norm + 1e-12))
    return norm


_SQUARES = "math.sqrt(sum(g.square().sum().item() for g in grads))"
_SCALED, _PARTS_OF = "g *= max_norm / norm", "[p.grad for p in parameters"
edited(
    "clip_the_gradients",
    ("norm is brought down", {_SCALED: "g *= max_norm / norm / 2"}),
    ("divided by the norm", {_SCALED: "g *= norm / max_norm"}),
    (
        "stay as they are",
        {"return norm": "if norm < max_norm: grads[0] /= 2\n    return norm"},
    ),
    ("one factor", {_SCALED: "g.clamp_(-max_norm, max_norm)"}),
    ("to a norm of 1", {_SCALED: "g /= norm"}),
    ("made larger", {"if norm > max_norm:": "if norm:"}),
    (
        "so is their norm",
        {"if norm > max_norm:": "factor = min(1, max_norm / norm)\n    if 1:"},
        {_SCALED: "g *= factor"},
    ),
    ("Write into the tensors", {_SCALED: "g = g * max_norm / norm"}),
    (
        "themselves were changed",
        {
            "grads =": "parameters = [*parameters]\n"
            "    parameters[0].data += 1\n    grads ="
        },
    ),
    ("Nothing is returned", {"return norm": "norm"}),
    ("Return the one before", {"return norm": "return min(norm, max_norm)"}),
    ("square of the norm", {"return norm": "return norm**2"}),
    ("isn't the norm of all", {"return norm": "return norm + 1"}),
    ("with one norm", {_SQUARES: "grads[0].norm().item()"}),
    (
        "squares of all elements",
        {_SQUARES: "sum(g.norm().item() for g in grads)"},
    ),
    (
        "nothing to scale",
        {"p.grad for": "torch.ones(1) if p.grad is None else p.grad for"},
        {" if p.grad is not None": ""},
    ),
    (
        "can be gone through once",
        {"return norm": "return norm / len(parameters)"},
    ),
    ("Which line", {'"step"': '"backward"'}),
)
