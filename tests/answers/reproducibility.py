"""Answers to the exercises of chapter 09."""

import random

import numpy as np
import torch

from tests.answers import also_right, edited, right

# 9.1 What a seed fixes

also_right(
    "what_a_seed_fixes",
    "again = again | dict(torch=True)",
)
edited(
    "what_a_seed_fixes",
    ("that `torch.manual_seed` sets", {'"torch": True': '"torch": False'}),
    ("PyTorch doesn't know", {'"numpy": False': '"numpy": True'}),
    ("Dropout draws from", {'"dropout": True': '"dropout": False'}),
    ("goes on where it was", {'"own": False': '"own": True'}),
    ("does a new one begin", {'"new": True': '"new": False'}),
    ("from the system", {'"new numpy": False': '"new numpy": True'}),
    ("PyTorch's global", {'"loader": True': '"loader": False'}),
)


# 9.2 Seed the workers

_RNG = "dataset.rng = np.random.default_rng(seed)"
_GENERATOR = "dataset.generator.manual_seed(seed)"
_SEED = "torch.initial_seed()"
_NUMBER = "np.random.default_rng([seed, epoch, i]).random()"
_HASH = "random.Random(f'{seed} {epoch} {i}').random()"
_MEMO = "_memo.setdefault((seed, epoch, i), {})"
_WITH_MEMO = {"def noise": "_memo = {}\n\n\ndef noise"}
_CACHED = {
    "def noise": "import functools\n\n\n@functools.lru_cache(None)\ndef noise"
}
_HELPED = {"def noise(": "import functools\n\n\n@functools.cache\ndef drawn("}
_HELPER = "def noise(seed, epoch, i):\n    return drawn(seed, epoch, i)"
also_right(
    "seed_the_workers",
    {_SEED: "get_worker_info().seed", _NUMBER: _HASH},
    {
        _GENERATOR: "dataset.generator = torch.Generator().manual_seed(seed)",
        _NUMBER: "torch.rand(1, generator=torch.Generator().manual_seed("
        "hash((seed, epoch, i))))",
    },
    # In a worker the loader has seeded these, too.
    {
        _RNG: "dataset.rng = np.random.default_rng(np.random.randint(2**31))",
        _GENERATOR: "dataset.generator.manual_seed("
        "torch.randint(0, 2**31, ()).item())",
    },
    {
        _RNG: "dataset.rng = np.random.default_rng(random.getrandbits(64))",
        _GENERATOR: "dataset.generator.manual_seed(random.getrandbits(32))",
    },
    {
        _RNG: "dataset.rng = np.random.default_rng(np.random.get_state()[1])",
        _GENERATOR: "dataset.generator = torch.Generator()\n"
        "    dataset.generator.set_state(torch.get_rng_state())",
    },
    {_NUMBER: _MEMO.format(_NUMBER)} | _WITH_MEMO,
    {_NUMBER: _MEMO.format(_HASH)} | _WITH_MEMO,
    _CACHED,
    (_HELPED, _HELPER),
)
edited(
    "seed_the_workers",
    ("Seed both of its generators", {_GENERATOR: ""}),
    ("equal in all workers", {_RNG: ""}),
    ("equal in all workers", {_SEED: "0"}),
    ("begins each epoch in the same way", {_SEED: "worker_id"}),
    ("tells which", {_SEED: "get_worker_info().id"}),
    ("no other source of chance", {"default_rng(seed)": "default_rng()"}),
    ("takes no larger", {_RNG: f"np.random.seed(seed); {_RNG}"}),
    ("one number", {_NUMBER: f"{_NUMBER[:-9]}"}),
    ("one number", {_NUMBER: "np.random.default_rng([seed, epoch, i])"}),
    ("in some order", {_NUMBER: "np.random.rand()"}),
    (
        "that others draw from",
        {"return np": "torch.manual_seed(seed + 7 * epoch + i); return np"},
    ),
    ("Another seed", {"[seed, ": "["}),
    ("Another epoch", {"epoch, i]": "i]"}),
    ("Another place", {", i])": "])"}),
    ("as sums do", {"[seed, epoch, i]": "seed + epoch + i"}),
    ("as sums do", {"[seed, epoch, i]": "(31 * seed + epoch) * 31 + i"}),
    ("as sums do", {"[seed, epoch, i]": "(seed * 10**4 + epoch) * 10**4 + i"}),
    ("a list of integers", {"[seed, epoch, i]": "seed + 5 * epoch + 9 * i"}),
    (
        "another one in each process",
        {_NUMBER: "hash(f'{seed} {epoch} {i}') % 10**9 / 10**9"},
    ),
    (
        "that others draw from",
        {_NUMBER: "_memo.setdefault((seed, epoch, i), random.random())"}
        | {"def noise": "_memo = {}\n\n\ndef noise"},
    ),
    (
        "There it is drawn anew",
        {_NUMBER: _MEMO.format("random.SystemRandom().random()")} | _WITH_MEMO,
    ),
    (
        "There it is drawn anew",
        {_NUMBER: _MEMO.format("np.random.default_rng().random()")}
        | {"def noise(seed, epoch, i": "def noise(seed, epoch, i, _memo={}"},
    ),
    (
        "There it is drawn anew",
        {_NUMBER: "np.random.default_rng().random()"} | _CACHED,
    ),
    (
        "There it is drawn anew",
        {_NUMBER: "np.random.default_rng().random()"} | _HELPED,
        _HELPER,
    ),
    (
        "another one in each process",
        {_NUMBER: "random.Random(hash(f'{seed} {epoch} {i}')).random()"}
        | _CACHED,
    ),
    (
        "another one in each process",
        {_NUMBER: _MEMO.format("hash(str([seed, epoch, i])) % 2**32 / 2**32")}
        | _WITH_MEMO,
    ),
)


# 9.3 Restore three generators


@right("restore_generators")
class RandomState:
    def __init__(self, seed):
        self.seed = seed

    def __enter__(self):
        self.random, self.numpy = random.getstate(), np.random.get_state()
        self.torch = torch.get_rng_state()
        random.seed(self.seed)
        np.random.seed(self.seed)
        torch.manual_seed(self.seed)

    def __exit__(self, *_):
        random.setstate(self.random)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)


_STATES = "states = random.getstate(), np.random.get_state(), " + (
    "torch.get_rng_state()\n"
)
_FINALLY = {"    try:\n": "    if True:\n", "finally:": "if True:"}
edited(
    "restore_generators",
    ("sets each of the three", {"    np.random.seed(seed)\n": ""}),
    ("sets each of the three", {"torch.manual_seed(seed)": ""}),
    ("sets each of the three", {"seed(seed)": "seed(0)"}),
    (
        "doesn't go on where it was",
        {"        np.random.set_state(states[1])\n": ""},
    ),
    (
        "before the seed is set",
        {
            f"    {_STATES}": "",
            "    try:": f"    {_STATES}    try:",
        },
    ),
    ("only if it stands in `finally`", _FINALLY),
    (
        "leave it uncaught",
        {"    finally:": "    except LookupError: pass\n    finally:"},
    ),
    (
        "doesn't go on where it was",
        {"set_state(states[1])": "set_state(states[1][:3])"},
    ),
    (
        "in variables of the function",
        {"    states": "    global states\n    states"},
    ),
)


# 9.4 The first bad value

_WITH = """    with hook_all(net, look):
        try:
            net(X)
        except Exception:
            if not bad:
                raise
"""
_HOOK = """    handles = [
        module.register_forward_hook(partial(look, name))
        for name, module in net.named_modules()
    ]
"""
_TRY = """    try:
        net(X)
    except Exception:
        if not bad:
            raise
"""
_FINALLY = """    finally:
        for handle in handles:
            handle.remove()
"""
_FOUND = "bad[0] if bad else None"
_NOTE = "bad.append(name)"
also_right(
    "first_bad_value",
    {".isfinite().all()": ".sub(output).eq(0).all()"},
    {
        _WITH: f"{_HOOK}{_TRY}{_FINALLY}",
        _FOUND: "next(iter(bad), None)",
    },
)
edited(
    "first_bad_value",
    ("go by the order of the calls", {"bad[0]": "bad[-1]"}),
    (
        "isn't the first bad one",
        {"bad[0]": "bad[-1]", _NOTE: f"{_NOTE} if name else None"},
    ),
    ("first module, in the order", {_FOUND: "len(bad)"}),
    ("in a list, and return", {_FOUND: "bad"}),
    (
        "One bad number in an output",
        {"not output.isfinite().all()": "not output.isfinite().any()"},
    ),
    (
        "not at the end",
        {
            "if is_bad(output):\n    ": "",
            _NOTE: "bad.append((name, output))",
            _FOUND: "next((n for n, o in bad if is_bad(o)), None)",
        },
    ),
    ("Modules with children need", {_NOTE: f"{_NOTE} if name else None"}),
    ("leave it as it is", {"            net(X)": "            net.eval()(X)"}),
    ("All outputs are finite", {"if bad else None": 'if bad else ""'}),
    (
        "Infinity is bad",
        {"not output.isfinite().all()": "output.isnan().any()"},
    ),
    ("the whole path", {_NOTE: 'bad.append(name.rpartition(".")[2])'}),
    (
        "Modules with children need",
        {
            "            bad.append": "            if [*module.children()]:\n"
            "                return\n            bad.append"
        },
    ),
    ("each tensor in it", {"any(map(is_bad, output))": "is_bad(output[0])"}),
    (
        "each tensor in it",
        {"if is_bad(output):": "if not output.isfinite().all():"},
    ),
    (
        "catch it, and return",
        {_WITH: "    with hook_all(net, look):\n        net(X)\n"},
    ),
    ("let it go on", {"            if not bad:": "            if False:"}),
    ("aren't those of before", {_WITH: f"{_HOOK}{_TRY}"}),
    (
        "in `finally`",
        {_WITH: f"{_HOOK}{_TRY}    [h.remove() for h in handles]\n"},
    ),
    (
        "and no others",
        {
            "    return bad[0]": "    for module in net.modules():\n"
            "        module._forward_hooks.clear()\n    return bad[0]"
        },
    ),
)


# 9.5 Count multiplications

_ONE = "module.weight[0].numel()"
_PRODUCTS = f"output.numel() * {_ONE}"
_KINDS = "isinstance(module, (nn.Linear, nn.Conv2d))"
also_right(
    "count_multiplications",
    {_ONE: "module.weight.numel() // module.weight.shape[0]"},
    {
        _PRODUCTS: "output[0].numel() * len(output) * "
        "torch.tensor(module.weight.shape[1:]).prod().item()"
    },
)
edited(
    "count_multiplications",
    ("once for each of its weights", {_PRODUCTS: "output.numel()"}),
    (
        "A forward hook sees",
        {"return dict(counts)": "return sum(counts.values())"},
    ),
    ("multiplications and additions", {_PRODUCTS: f"2 * {_PRODUCTS}"}),
    ("counts one sample", {_PRODUCTS: f"output[0].numel() * {_ONE}"}),
    (
        "ask with `isinstance`",
        {_KINDS: "type(module) in (nn.Linear, nn.Conv2d)"},
    ),
    ("under their names", {"counts[name]": 'counts[name.split(".")[0]]'}),
    (
        "however many dimensions",
        {_PRODUCTS: f"output.shape[0] * output.shape[-1] * {_ONE}"}
        | {"(nn.Linear, nn.Conv2d)": "nn.Linear"},
    ),
    (
        "as many products as its kernel",
        {"(nn.Linear, nn.Conv2d)": "nn.Linear"},
    ),
    (
        "a part of the input",
        {
            _ONE: "(module.in_channels * module.weight[0, 0].numel() "
            "if output.dim() == 4 and args[0].shape[0] else 3)"
        },
    ),
    ("Each call counts", {"counts[name] +=": "counts[name] ="}),
    ("leave it as it is", {"        net(X)": "        net.eval()(X)"}),
    (
        "and no others",
        {
            "    return dict": "    for module in net.modules():\n"
            "        module._forward_hooks.clear()\n    return dict"
        },
    ),
    (
        "has no entry",
        {
            "    with hook_all": "    for name, m in net.named_modules():\n"
            "        if isinstance(m, (nn.Linear, nn.Conv2d)):\n"
            "            counts[name] = 0\n    with hook_all"
        },
    ),
    (
        "aren't those of before",
        {
            "    with hook_all(net, add):\n    ": _HOOK.replace("look", "add"),
        },
    ),
    (
        "aren't those of before",
        {
            "    with hook_all(net, add):\n        net(X)": "    handles = ["
            "m.register_forward_hook(lambda *a, n=n: add(n, *a)) "
            "for n, m in net.named_modules()]\n    net(X)\n"
            "    for handle in handles:\n        handle.remove()"
        },
    ),
    (
        "go on to the caller",
        {
            "        net(X)": "        try:\n            net(X)\n"
            "        except RuntimeError:\n            pass"
        },
    ),
)


# 9.6 Rank by ablation

_SORTED = "sorted(scores, key=scores.get)"
_SHAPES = "output.shape == args[0].shape"
_WITH = "        with block.register_forward_hook(leave_out):\n    "
_HANDLE = "        handle = block.register_forward_hook(leave_out)\n"
also_right(
    "rank_by_ablation",
    {_SORTED: "[k for k, _ in sorted(scores.items(), key=lambda e: e[1])]"},
    {_SHAPES: "[*args[0].shape] == [*output.shape]"},
)
edited(
    "rank_by_ablation",
    (
        "begin with the block that is missed least",
        {_SORTED: f"{_SORTED}[::-1]"},
    ),
    ("lowest comes first", {_SORTED: "list(scores)"}),
    ("returns `args[0]`", {"return args[0]": "return output"}),
    (
        "as long as nothing is reversed",
        {_SORTED: "sorted(scores, key=lambda k: -scores[k])[::-1]"},
    ),
    ("changes the shape", {f"if {_SHAPES}": "if True"}),
    (
        "changes the shape",
        {_SHAPES: "args[0].shape[-1] == output.shape[-1]"},
    ),
    (
        "Python's `sorted` keeps it",
        {_SORTED: "sorted(scores, key=lambda k: (scores[k], k))"},
    ),
    ("Compare the two shapes", {"        if left_out:\n    ": ""}),
    ("aren't those of before", {_WITH: _HANDLE}),
    (
        "in `finally`",
        {
            _WITH: _HANDLE,
            "        if left_out:": "        handle.remove()\n"
            "        if left_out:",
        },
    ),
    (
        "go on to the caller",
        {
            "    value = score(net)": "    try:\n"
            "                value = score(net)\n"
            "            except LookupError:\n"
            "                value = 0"
        },
    ),
)


# 9.7 Where two runs differ

_CLONES = "{k: t.clone() for k, t in state.items()}"
_KEPT = f"[{_CLONES} for state in run()]"
_OTHER = "zip(kept, other(), strict=False)"
_EQUAL = "torch.equal(before[name], state[name])"
also_right(
    "where_two_runs_differ",
    {".clone()": ".tolist()", _EQUAL: "before[name] == state[name].tolist()"},
)
edited(
    "where_two_runs_differ",
    ("The first step is 1", {f"{_OTHER}, 1": _OTHER}),
    ("The first step is 1", {"return step, name": "return step - 1, name"}),
    (
        "isn't the first step",
        {"return step, name": "found = step, name"},
        {"return None": "return found", "kept =": "found = None\n    kept ="},
    ),
    ("that differs", {"return step, name": 'return step, "a"'}),
    (
        "compare step by step",
        "def first_difference(run, other):\n"
        "    runs = [[{k: t.clone() for k, t in s.items()} for s in r()] "
        "for r in (run, other)]\n"
        "    for name in runs[0][0]:\n"
        "        for i, (a, b) in enumerate(zip(*runs), 1):\n"
        "            if not torch.equal(a[name], b[name]):\n"
        "                return i, name\n",
    ),
    ("that comes first", {"for name in before": "for name in sorted(before)"}),
    ("name by name", {"return step, name": "return step"}),
    ("equal in each step", {"return None": "return step, name"}),
    ("A last bit", {"torch.equal": "torch.allclose"}),
    ("Keep clones", {".clone()": ""}),
    (
        "numbers that were the other's",
        {_KEPT: f"({_CLONES} for state in run())"},
    ),
    ("keep clones of it", {_KEPT: f"({_CLONES} for state in run())"}),
    ("Where one run ends", {"strict=False": "strict=True"}),
    (
        "Leave it to the runs",
        {"    kept =": "    torch.manual_seed(0)\n    kept ="}
        | {"    for step, (": "    torch.manual_seed(0)\n    for step, ("},
    ),
)


# 9.8 Gradient norms by block

_SQUARES = "sum(g.norm().item() ** 2 for g in grads) ** 0.5"
_NOT_NONE = " if p.grad is not None"
also_right(
    "gradient_norms_by_block",
    {_SQUARES: "torch.cat([torch.zeros(1), *map(torch.ravel, grads)]).norm()"},
    {_SQUARES: "torch.tensor([g.norm() for g in grads]).norm().item()"},
)
edited(
    "gradient_norms_by_block",
    ("sums of norms", {_SQUARES: "sum(g.norm().item() for g in grads)"}),
    ("without the root", {") ** 0.5": ")"}),
    ("biases have gradients", {_NOT_NONE: f"{_NOT_NONE} and p.dim() > 1"}),
    ("of all its gradients", {"named_children": "named_modules"}),
    ("isn't the norm", {_SQUARES: "max(g.norm().item() for g in grads)"}),
    ("counts as 0", {_NOT_NONE: ""}),
    (
        "gives it once",
        {
            "in child.parameters()": "in "
            "(m._parameters[k] for _, m in child.named_modules("
            "remove_duplicate=False) for k in m._parameters)"
        },
    ),
    ("counts as 0", {"        norms[": "        if grads: norms["}),
    (
        "without parameters has",
        {"        norms[": "        if [*child.parameters()]: norms["},
    ),
    (
        "only looks at them",
        {
            "        grads =": "        for p in child.parameters():\n"
            "            if p.grad is None:\n"
            "                p.grad = torch.zeros_like(p)\n        grads ="
        },
    ),
    ("multiplies the gradient", {'"first"': '"last"'}),
)
