"""Answers to the exercises of chapter 01."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.answers import also_right, edited, right


def _before_forward(*lines):
    """An edit: lines of a class, in front of its ``forward``."""
    return {"def forward": "\n    ".join([*lines, "", "def forward"])}


_NO_GRAD = {"def forward": "@torch.no_grad()\n    def forward"}

# 1.1 A chain over a list

_KEEP, _RUN = "self.blocks = list(blocks)", "X = block(X)"
_ADD = "self.add_module(str(i), block)"
_LOOP = f"""        for i, block in enumerate(self.blocks):
            {_ADD}
"""
_PARAMETERS = (
    "def parameters(self, recurse=True):",
    "    for block in self.blocks:",
    "        yield from block.parameters()",
)
also_right(
    "chain_over_a_list",
    {
        "(nn.Module)": "(nn.Sequential)",
        "super().__init__()": "super().__init__(*blocks)",
        _LOOP: "",
    },
    {
        "self.add_module(": "setattr(self, ",
        "for block in self.blocks": "for i in range(len(self.blocks))",
        _RUN: "X = self.blocks[i](X)",
    },
    {_KEEP: f"{_KEEP}; self.n = []", _ADD: "self._modules[str(i)] = block"},
)
edited(
    "chain_over_a_list",
    ("In a plain list it sees nothing", {_LOOP: ""}),
    ("A name holds one block", {"str(i)": '"block"'}),
    ("must be registered, in the order", {"(self.blocks)": "(blocks[:-1])"}),
    ("`return` stands inside", {_RUN: "return block(X)"}),
    ("must return what it has computed", {"return X": ""}),
    (
        "in the order of the arguments",
        {_RUN: "X = block(X) if [*block.parameters()] else X"},
    ),
    ("the blocks can't learn", _NO_GRAD),
    (
        "the blocks can't learn",
        {"return X": "return X.detach().requires_grad_()"},
    ),
    ("The hook was skipped", {_RUN: "X = block.forward(X)"}),
    (
        "`MySequential` has other names",
        {_KEEP: f"{_KEEP}; self.known = nn.ModuleList(blocks)", _LOOP: ""},
    ),
    ("under its place in the chain", {"str(i)": "str(i + 1)"}),
    (
        "`MySequential` has other names",
        {_KEEP: f"{_KEEP}; self.known = nn.ModuleList(blocks)"},
    ),
    (
        "`MySequential` has other names",
        {
            _KEEP: f"{_KEEP}; parameters = nn.ModuleList(blocks).parameters()",
            _LOOP: "        self.known = nn.ParameterList(parameters)\n",
        },
    ),
    ("These are copies", {_KEEP: "self.blocks = [*copy.deepcopy(blocks)]"}),
    (
        "ones that run",
        {
            _KEEP: "self.blocks = [*copy.deepcopy(blocks)]",
            "(self.blocks)": "(blocks)",
        },
    ),
    ("finds no block there", {_LOOP: ""}, _before_forward(*_PARAMETERS)),
    (
        "looks for each name in the registry",
        {_LOOP: ""},
        _before_forward(
            *_PARAMETERS,
            "",
            "def state_dict(self):",
            "    return MySequential(*self.blocks).state_dict()",
        ),
    ),
    (
        "are the blocks that run",
        _before_forward("def double(self):", "    return self"),
    ),
    (
        "Register every block itself",
        {_ADD: f"if [*block.parameters()]: {_ADD}"},
    ),
    (
        "registered before",
        _before_forward(
            "def __repr__(self):",
            "    return repr(MySequential(*dict.fromkeys(self.blocks)))",
        ),
    ),
    ("`children()`, which gives", {"in self.blocks": "in self.children()"}),
    (
        "must run three times",
        {"in self.blocks": "in [*dict.fromkeys(self.blocks[::-1])][::-1]"},
    ),
    (
        "Here it was copied",
        {
            _KEEP: "self.blocks = []",
            _LOOP: "        for i, block in enumerate(blocks):\n"
            "            if block in blocks[:i]:\n"
            "                block = copy.deepcopy(block)\n"
            f"            self.blocks.append(block); {_ADD}\n",
        },
    ),
    ("was registered once", {_ADD: f"if block not in blocks[:i]: {_ADD}"}),
    (
        "`MySequential` has other names",
        {_KEEP: "self.blocks = nn.ModuleList(blocks)", _LOOP: ""},
    ),
    ("keeps the plain list", "ListSequential = MySequential"),
    ("Make a list of it", {_KEEP: "self.blocks = blocks"}),
    (
        "`forward` doesn't use it",
        {"in self.blocks": "in self._modules.values()"},
    ),
    ("walks through the list itself", {'"output": False': '"output": True'}),
    ("holds a list isn't one", 'breaks["parameters()"] = False'),
    ("the registry is empty", 'breaks["state_dict()"] = False'),
    ("Which data type", 'breaks["double()"] = False'),
    ("what is in the registry", 'breaks["printing"] = False'),
)


# 1.2 Two nets side by side

_KEEP = "self.net1, self.net2 = net1, net2"
_PAIR = "(self.net1(X), self.net2(X))"
_CAT = f"torch.cat({_PAIR}, dim=-1)"
also_right(
    "two_nets_side_by_side",
    {
        _KEEP: "self.nets = nn.ModuleList((net1, net2))",
        _PAIR: "[net(X) for net in self.nets]",
    },
    {
        f"return {_CAT}": f"left, right = {_PAIR}\n"
        "        m = left.shape[-1]\n"
        "        Y = left.new_empty(*left.shape[:-1], m + right.shape[-1])\n"
        "        Y[..., :m], Y[..., m:] = left, right\n"
        "        return Y"
    },
    {_CAT: f"torch.cat({_PAIR}, X.dim() - 1).double()"},
)
edited(
    "two_nets_side_by_side",
    ("isn't that with number 1", {"dim=-1": "dim=1"}),
    ("each sample has become two", {", dim=-1": ""}),
    ("are added", {_CAT: "self.net1(X) + self.net2(X)"}),
    ("comes first", {_PAIR: "(self.net2(X), self.net1(X))"}),
    ("side by side", {_CAT: "self.net2(self.net1(X))"}),
    (
        "in the same row",
        {"return": "X = self.net2(self.net1(X)); return", _PAIR: "(X, X)"},
    ),
    ("a new dimension", {_CAT: f"torch.stack({_PAIR})"}),
    ("a new dimension", {"cat": "stack"}),
    ("Join them to one", {_CAT: _PAIR}),
    ("`net1` twice", {"self.net2(X)": "self.net1(X)"}),
    ("Does something flatten it", {"(X)": "(X).flatten(1)"}),
    (
        "count on two dimensions",
        {"return": "n, _ = X.shape; return", _CAT: f"{_CAT}.reshape(n, -1)"},
    ),
    ("The hook was skipped", {"(X)": ".forward(X)"}),
    ("These are copies", {"= net1, net2": "= copy.deepcopy((net1, net2))"}),
    (
        "`children()` gives it once",
        {_PAIR: "[net(X) for net in self.children()]"},
    ),
    (
        "attributes of their own",
        {
            _KEEP: "self.nets = [net1, net2]",
            _PAIR: "[net(X) for net in self.nets]",
        },
    ),
    ("cuts the graph", {"(X)": "(X).data"}),
    ("cuts the graph", {"self.net2(X)": "self.net2(X).detach()"}),
    ("cuts the graph", {"return": "X = X.detach(); return"}),
    ("cuts the graph", {"net2(X)": "net2(X.clone().detach())"}),
    (
        "more or fewer features",
        {
            f"return {_CAT}": "d = X.shape[-1]\n"
            "        Y = X.new_empty(*X.shape[:-1], 2 * d)\n"
            f"        Y[..., :d], Y[..., d:] = {_PAIR}\n"
            "        return Y"
        },
    ),
    ("more or fewer features", {_CAT: f"{_CAT}[..., : 2 * X.shape[-1]]"}),
    ("more or fewer features", {"net2(X)": "net2(F.relu(X))"}),
    ("cuts the graph", _NO_GRAD),
    ("may they differ", {"True": "False"}),
    ("take the same `X`", {'3)": False': '3)": True'}),
    ("differ in one dimension", {"= False": "= True"}),
)


# 1.3 A factory

_CALLS = "make_block() for _ in range(n)"
_CHAIN = f"nn.Sequential(*({_CALLS}))"
_OWN = {_CHAIN: f"Chain([{_CALLS}])"}
_WALK = """for block in self.blocks:
            X = block(X)
        return X"""
_CLASS = f"""class Chain(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, X):
        {_WALK}"""
also_right(
    "factory",
    {
        f"return {_CHAIN}": "net = MySequential()\n"
        "    for i in range(n):\n"
        '        net.add_module(f"block{i}", make_block())\n'
        "    return net"
    },
    {
        f"return {_CHAIN}": "if n == 0: return nn.Identity()\n"
        "    rest = repeat(make_block, n - 1)\n"
        "    return nn.Sequential(make_block(), rest)",
        **{"(6, 3)": "[6, 3]", "(2, 1)": "[2, 1]", "(6, 1)": "[6, 1]"},
    },
    (_OWN, _CLASS),
)
edited(
    "factory",
    ("one block n times", {f"({_CALLS})": "[make_block()] * n"}),
    (
        "copies of one block",
        {
            "return": "block = make_block(); return",
            "*(make_block()": "*(copy.deepcopy(block)",
        },
    ),
    (
        "the function itself, which is no module",
        {f"({_CALLS})": "[make_block] * n"},
    ),
    ("A star in front", {_CHAIN: f"MySequential([{_CALLS}])"}),
    ("all blocks as one argument", {"*": ""}),
    (
        "Here some are shared",
        {
            f"return {_CHAIN}": f"net = {_CHAIN}\n"
            "    for block in net:\n"
            '        if hasattr(block, "bias"): block.bias = net[0].bias\n'
            "    return net"
        },
    ),
    ("seeded before each", {"*(": "*(torch.manual_seed(0) and "}),
    ("`repeat` returns nothing", {"return ": ""}),
    ("`make_block` wasn't called", {"(n)": "(n - 1)"}),
    ("nobody uses", {"return": "first = make_block(); return"}),
    ("holds one of the blocks", {f"({_CALLS})": f"[{_CALLS}][-1:] * n"}),
    (
        "has other blocks",
        {_CALLS: f"nn.Linear(2, 2, bias=False) for block in [{_CALLS}]"},
    ),
    (
        "nothing else is to change",
        {_CALLS: "m for _ in range(n) for m in (make_block(), nn.ReLU())"},
    ),
    ("no forward computation and no parameters", {_CHAIN: f"[{_CALLS}]"}),
    ("only holds modules", {_CHAIN: f"nn.ModuleList({_CALLS})"}),
    ("count the blocks", {"*": "make_block(), *", "(n)": "(1, n - 1)"}),
    ("count the blocks", {"(n)": "(n + 1)"}),
    ("aren't registered", _OWN, _CLASS, {"nn.ModuleList(blocks)": "blocks"}),
    (
        "takes what the one before it returns",
        _OWN,
        _CLASS,
        {_WALK: "return sum(block(X) for block in self.blocks)"},
    ),
    ("cuts the graph", _OWN, _CLASS, {"block(X)": "block(X.detach())"}),
    ("cuts the graph", _OWN, _CLASS, _NO_GRAD),
    ("drawn anew", {"(6, 3)": "(6, 2)"}),
    ("each tensor once", {"(2, 1)": "(6, 2)"}),
    ("tensors of its own", {"(6, 1)": "(6, 2)"}),
    ("with the values", {"(6, 1)": "(6, 3)"}),
)


# 1.4 An activation by name


@right("activation_by_name")
class NamedSequential(nn.Sequential):
    def __init__(self, n, h, m, activation="relu"):
        known = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}
        if activation not in known:
            raise TypeError("'relu' or 'tanh' or 'gelu'")
        super().__init__(nn.Linear(n, h), known[activation](), nn.Linear(h, m))


_REFUSED = "activation not in ACTIVATIONS"
_CHOSEN = "ACTIVATIONS[activation]"
_DEFAULT = {_CHOSEN: "ACTIVATIONS.get(activation, F.relu)"}
_LAYERS = {
    "F.relu": "nn.ReLU()",
    "torch.tanh": "nn.Tanh()",
    "F.gelu": "nn.GELU()",
}
also_right(
    "activation_by_name",
    _LAYERS,
    {
        "F.relu": "lambda X: X.clamp(min=0)",
        "F.gelu": 'nn.GELU(approximate="tanh")',
        "ValueError": "KeyError",
    },
    {
        **_LAYERS,
        "ValueError": "AssertionError",
        _CHOSEN: "nn.ModuleDict(ACTIVATIONS)[activation]",
    },
    (
        {"nn.Linear": "Affine"},
        """class Affine(nn.Module):
    def __init__(self, n, m):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(n, m))
        self.b = nn.Parameter(torch.zeros(1, m))

    def forward(self, X):
        return X @ self.W + self.b""",
    ),
    {
        "nn.Linear(num_inputs, ": "nn.LazyLinear(",
        "nn.Linear(num_hiddens, ": "nn.LazyLinear(",
    },
)
edited(
    "activation_by_name",
    (
        "though this name is none",
        {_REFUSED: 'activation == "sigmoid"', **_DEFAULT},
    ),
    (
        "though this name is none",
        {
            _REFUSED: 'activation not in "relu, tanh, gelu"',
            _CHOSEN: "getattr(F, activation)",
        },
    ),
    (
        "12, 3, 6 and 2",
        {"hiddens)\n": "hiddens, False)\n", "outputs)\n": "outputs, False)\n"},
    ),
    ("list the three names", {_REFUSED: "False"}),
    (
        "though this name is none",
        {_REFUSED: "False", _CHOSEN: "getattr(F, activation)"},
    ),
    ("though this name is none", {_REFUSED: "False", **_DEFAULT}),
    (
        "though this name is none",
        {"raise ValueError": "print", _CHOSEN: "ACTIVATIONS.get(activation)"},
    ),
    (
        "though this name is none",
        {
            _REFUSED: "False",
            _CHOSEN: "activation",
            "self.activation(": "ACTIVATIONS[self.activation](",
        },
    ),
    (
        "behind the last layer too",
        {"return": "return self.activation(", "(X)))": "(X))))"},
    ),
    ("between the two", {"out(self.activation(": "activation(self.out("}),
    ("one linear map", {"self.activation(": "("}),
    ("the output with `'relu'`", {"self.activation(": "F.relu("}),
    ("another activation", {"self.activation(": "torch.sigmoid("}),
    (
        "a plain list hides them",
        {
            "self.hidden": "hidden",
            "self.out": "out",
            "self.activation = ": "self.layers = ",
            _CHOSEN: f"[hidden, out, {_CHOSEN}]",
            "self.activation": "activation",
            "return": "hidden, out, activation = self.layers; return",
        },
    ),
    ("state dict of this one", {"False": "True"}),
    ("the slope", {"True": "False"}),
)


# 1.5 Read a tree


def _each(shape, name="k"):
    return f"shapes = {{{name}: {shape} for k, s in shapes.items()}}"


also_right(
    "read_a_tree",
    "shapes = {k: list(s) for k, s in reversed(shapes.items())}",
    _each("torch.Size(s)"),
)
edited(
    "read_a_tree",
    ("it has no parameters", {"0.net.2.weight": "0.net.1.weight"}),
    ("more modules in front", _each("s", "k[2:]")),
    ("more modules in front", {"1.0.hidden.weight": "hidden.weight"}),
    ("path from the root", {"1.0.hidden.weight": "1.hidden.weight"}),
    ("path from the root", _each("s", 'k.replace(".", "/")')),
    (
        "Every linear layer has",
        'shapes = {k: s for k, s in shapes.items() if "weight" in k}',
    ),
    ("one row for each output", _each("s[::-1]")),
    ("don't make a tuple", _each("s[0] if len(s) == 1 else s")),
    ("Its shape is asked for", _each("torch.zeros(s)")),
    ("number of its elements", _each("torch.Size(s).numel()")),
    ("A bias has one dimension", _each("(*s, 1)[:2]")),
    ("A bias has one dimension", _each("(1, *s)[-2:]")),
    ("one number for each output", {'linear.bias": (16': 'linear.bias": (32'}),
)


# 1.6 A hook that measures

_MEAN = "output.abs().mean().item()"
_PAIR = f"(tuple(output.shape), {_MEAN})"
_APPEND = f"pairs.append({_PAIR})"
_MODULES = "net.modules()"
_IF = "if not list(module.children()):"
_HANDLE = "handle = module.register_forward_hook(note)\n"
_ENTER = "stack.enter_context(handle)"
_LOOP = f"""        for module in {_MODULES}:
            {_IF}
                {_HANDLE}                {_ENTER}
"""
_RUN = "        net(X)\n"
_END = "    return pairs"
_GLOBAL = "nn.modules.module.register_module_forward_hook(note)"
also_right(
    "hook_that_measures",
    {
        _APPEND: "size = output.detach().norm(p=1) / output.numel()\n"
        "        pairs.append([output.shape, size])",
        _END: "    return tuple(pairs)",
    },
    (
        {
            "measure(net, X)": "measure(net, X, run=True)",
            _MODULES: "dict.fromkeys(leaves(net))",
            _RUN: "        try:\n"
            "            with torch.no_grad(): net(X)\n"
            "        except RuntimeError:\n"
            "            pairs = None\n",
        },
        "def leaves(module):\n"
        "    below = [m for c in module.children() for m in leaves(c)]\n"
        "    return below or [module]",
    ),
    {
        _HANDLE: f"hooks = module._forward_hooks; old = dict(hooks)\n"
        "                stack.callback(hooks.update, old)\n"
        "                stack.callback(hooks.clear)\n"
        f"                {_HANDLE}",
        _ENTER: "",
    },
    {
        _LOOP: f"        stack.enter_context({_GLOBAL})\n",
        _APPEND: f"if not list(module.children()): {_APPEND}",
    },
)
edited(
    "hook_that_measures",
    ("take the absolute values first", {".abs()": ""}),
    ("absolute value of the mean", {".abs().mean()": ".mean().abs()"}),
    ("It has children", {_IF: "if True:"}),
    ("one level down", {_MODULES: "net.children()", _IF: "if True:"}),
    ("one level down", {_MODULES: "net.children()"}),
    (
        "The hook has changed the net",
        {_APPEND: f"output = output.abs(); {_APPEND}; return output"},
    ),
    ("which runs hooks", {_ENTER: "handle.remove()"}),
    ("Nothing is returned", {"pairs.append": "print", _END: ""}),
    (
        "measures in a list",
        {
            "pairs = []": "pairs = {}",
            _APPEND: f"pairs[module] = {_PAIR}",
            _END: "    return list(pairs.values())",
        },
    ),
    (
        "Register it once",
        {
            f"module in {_MODULES}": "_, module in "
            "net.named_modules(remove_duplicate=False)"
        },
    ),
    (
        "Take the mean in the hook",
        {
            _APPEND: "pairs.append(output)",
            _END: f"    return [{_PAIR} for output in pairs]",
        },
    ),
    ("begins with the net itself", {_MODULES: f"list({_MODULES})[1:]"}),
    ("Remove each by its handle", {_ENTER: ""}),
    (
        "Remove each by its handle",
        {_ENTER: "", _RUN: f"{_RUN}        handle.remove()\n"},
    ),
    (
        "runs after an error too",
        {
            "pairs = []": "pairs, handles = [], []",
            _ENTER: "handles.append(handle)",
            _END: f"    for handle in handles: handle.remove()\n{_END}",
        },
    ),
    (
        "removes hooks of others",
        {_END: f"    [m._forward_hooks.clear() for m in {_MODULES}]\n{_END}"},
    ),
    (
        "another mode than it is in",
        {
            _RUN: f"        training = net.training\n"
            f"        net.eval()\n{_RUN}        net.train(training)\n"
        },
    ),
    (
        "removes hooks of others",
        {_ENTER: "stack.callback(module._forward_hooks.popitem, last=False)"},
    ),
    (
        "Remove each by its handle",
        {_END: f"    net.register_full_backward_hook(print)\n{_END}"},
    ),
    (
        "Remove each by its handle",
        {
            _LOOP: f"        {_GLOBAL}\n",
            _APPEND: f"if not list(module.children()): {_APPEND}",
        },
    ),
    ("in another mode", {_RUN: "        net.eval()(X)\n"}),
    (
        "in another mode",
        {_RUN: "        net.eval()(X)\n        net.train()\n"},
    ),
    (
        "made only once",
        {"measure(net, X)": "measure(net, X, pairs=[])", "    pairs = []": ""},
    ),
    (
        "however deep",
        {
            f"in {_MODULES}": "in [m for c in list(net.children()) or [net] "
            "for m in list(c.children()) or [c]]"
        },
    ),
    (
        "Measure every module",
        {
            _IF: "if type(module) is not nn.Sequential "
            "or module in list(net.children()):"
        },
    ),
    ("These are the inputs", {"output.": "args[0]."}),
    (
        "in the order of the run",
        {"pairs = []": "pairs = {}", _APPEND: f"pairs[len(pairs)] = {_PAIR}"},
    ),
    ("Each member of the list is a pair", {_PAIR: _MEAN}),
    ("Measure every module", {_IF: "if isinstance(module, nn.ReLU):"}),
    ("aren't those of the absolute values", {".mean()": ".max()"}),
    ("not the mean", {".mean()": ".sum()"}),
    ("from the batch dimension", {"output.shape": "output.shape[1:]"}),
    ("Run the net once", {_RUN: _RUN * 2}),
    ("since `net.forward(X)` skips its hooks", {"net(X)": "net.forward(X)"}),
    (
        "called with three arguments",
        {"module, args, output": "module, output"},
    ),
    ("Let it return nothing", {_APPEND: f"{_APPEND}; return pairs[-1]"}),
)


# 1.7 Count the rounds


@right("count_the_rounds")
class CountingInABuffer(nn.Module):
    def __init__(self, num_features=20):
        super().__init__()
        self.register_buffer("R", torch.rand(num_features, num_features))
        self.register_buffer("rounds", torch.tensor(0))
        self.f = nn.Linear(num_features, num_features)

    def forward(self, X):
        X = self.f(F.relu(self.f(X) @ self.R + 1))
        self.rounds.zero_()
        while X.abs().sum() > 1:
            X = X * 0.5
            self.rounds += 1
        return X.sum()


_SIZE, _LAST = "X.abs().sum()", "X = self.linear(X)\n"
_INIT = (
    "def __init__(self, num_features=20):",
    "    super().__init__(num_features)",
)
_SECOND = "    self.second = nn.Linear(num_features, num_features)"
also_right(
    "count_the_rounds",
    {
        "self.rounds = 0": "rounds = X.detach().abs().sum().log2().ceil()\n"
        "        self.rounds = max(0, rounds.int().item())\n"
        "        return X.sum() / 2**self.rounds"
    },
    {
        "self.rounds = 0": "self.history = []",
        "self.rounds += 1": "self.history.append(X.detach())",
        **_before_forward(
            "history = ()", "rounds = property(lambda self: len(self.history))"
        ),
    },
)
edited(
    "count_the_rounds",
    (
        "must begin at 0",
        {"self.rounds = 0": "", **_before_forward("rounds = 0")},
    ),
    ("one too many", {"rounds = 0": "rounds = 1"}),
    ("at no other time", {"+= 1": "+= 2"}),
    ("at no other time", {"+= 1": "= 1"}),
    ("stay that of", {".abs()": ""}),
    ("stay that of", {"return X.sum()": "return self.rounds"}),
    ("stay that of", {"> 1": "> 0.5"}),
    ("must return what it has computed", {"return ": ""}),
    ("while the absolute values sum", {"> 1": "> 1 and self.rounds < 30"}),
    ("not to the class", {"self.rounds": "CountingMLP.rounds"}),
    ("is to be a number", {"rounds = 0": "rounds = []", "+= 1": "+= [X]"}),
    ("stay that of", {_LAST: "\n"}),
    ("stay that of", {" + 1)": ")"}),
    ("ends with the call", {"self.rounds": "rounds"}),
    ("leaves the graph", _NO_GRAD),
    ("stay that of", {_SIZE: "X.norm()"}),
    ("stay that of", {_SIZE: "X.abs().max()"}),
    ("stay that of", {_SIZE: "X.sum().abs()"}),
    ("stay that of", {" @ self.rand_weight": ""}),
    (
        "leaves the graph",
        {_LAST: "X = self.linear(X).detach().requires_grad_()\n"},
    ),
    ("leaves the graph", {_LAST: "X = self.linear(X.detach())\n"}),
    ("stay that of", {_SIZE: "X[0].abs().sum()"}),
    (
        "Keep the parts",
        _before_forward(*_INIT, _SECOND),
        {_LAST: "X = self.second(X)\n"},
    ),
    (
        "Keep the parts",
        _before_forward(*_INIT, _SECOND.replace(", num_features", ", 1")),
    ),
    (
        "Keep the parts",
        _before_forward(
            *_INIT,
            "    rand_weight = self.rand_weight",
            "    del self.rand_weight",
            "    self.rand_weight = rand_weight",
        ),
    ),
    ("undoes one doubling", {"{2: 1": "{2: 2"}),
    ("to be halved until", {"1024: 10": "1024: 512"}),
    ("returns zeros", {'zero": 0': 'zero": 10'}),
)


# 1.8 A module without torch's

_OWN_LOOP = """        for name, part in vars(self).items():
            if isinstance(part, nn.Parameter) and part not in seen:
                seen.add(part)
                yield prefix + name, part
"""
_DEEPER = 'yield from part.named_parameters(f"{prefix}{name}.", seen)'
_CHILDREN = f"""        for name, part in vars(self).items():
            if isinstance(part, Module):
                {_DEEPER}
"""
_ZERO = "parameter.grad = None"
_SEEN = "seen = set() if seen is None else seen"
_NOTED = """class Module:
    def __setattr__(self, name, value):
        own = self.__dict__.setdefault("parts", {})
        own.pop(name, None)
        if isinstance(value, (nn.Parameter, Module)):
            own[name] = value
        object.__setattr__(self, name, value)

    def __delattr__(self, name):
        self.parts.pop(name, None)
        object.__delattr__(self, name)

    def __call__(self, *args):
        return self.forward(*args)

    def named_parameters(self):
        own, deep = [], []
        for name, part in self.parts.items():
            if isinstance(part, nn.Parameter):
                own.append((name, part))
            else:
                inner = part.named_parameters()
                deep += [(f"{name}.{k}", p) for k, p in inner]
        names = {}
        for name, part in own + deep:
            names.setdefault(id(part), (name, part))
        return list(names.values())

    def zero_grad(self):
        for _, part in self.named_parameters():
            part.grad = None
"""
also_right("module_without_torch", _NOTED)
edited(
    "module_without_torch",
    ("does without it", {"class Module:": "class Module(nn.Module):"}),
    (
        "don't call your `__init__`",
        {
            "class Module:": "class Module:\n    def __init__(self):\n"
            "        self.parts = {}\n",
            "vars(self)": "self.parts",
        },
    ),
    ("a name and a parameter", {"yield prefix + name, part": "yield part"}),
    ("of each whether it is", {_OWN_LOOP: ""}),
    ("isn't trained", {"(part, nn.Parameter)": "(part, torch.Tensor)"}),
    (
        "the objects themselves",
        {"yield prefix + name, part": "yield prefix + name, part.detach()"},
    ),
    ("all of its arguments", {"forward(*args)": "forward(args[0])"}),
    ("all of its arguments", {"return self.forward": "self.forward"}),
    ("one child after the other", {_CHILDREN: ""}),
    (
        "the child's name in front",
        {_DEEPER: _DEEPER.replace('f"{prefix}{name}."', '""')},
    ),
    (
        "also those that were assigned",
        {_OWN_LOOP: "", _CHILDREN: _CHILDREN + _OWN_LOOP},
    ),
    (
        "ask each child for its own",
        {
            _DEEPER: "for k, p in vars(part).items():\n"
            "                    if isinstance(p, nn.Parameter)"
            " and p not in seen:\n"
            "                        seen.add(p)\n"
            "                        yield f'{name}.{k}', p"
        },
    ),
    ("hand it on to the children", {'.", seen)': '.")'}),
    ("is given twice", {" and part not in seen": ""}),
    (
        "is given twice",
        {
            " and part not in seen": "",
            "(part, Module):": "(part, Module) and part not in seen:\n"
            "                seen.add(part)",
        },
    ),
    (
        "or a new one isn't",
        _NOTED.replace("own.pop(name, None)", "").replace(
            "own[name] = value", "own.setdefault(name, value)"
        ),
    ),
    (
        "are two parameters",
        {
            "part not in seen": "str(part.tolist()) not in seen",
            "seen.add(part)": "seen.add(str(part.tolist()))",
        },
    ),
    (
        "must notice each assignment",
        _NOTED.replace("own.pop(name, None)", ""),
    ),
    (
        "no longer there",
        _NOTED.replace("self.parts.pop(name, None)", ""),
    ),
    ("each gradient is None", {_ZERO: "pass"}),
    ("each gradient is None", {_ZERO: "parameter.grad.zero_()"}),
)


# 1.9 A shortcut that fits

_PROJECT = "nn.Linear(num_inputs, num_outputs, bias=False)"
_ADDED = "self.project(X) if self.project else X"
_COMPARE = "if Y.shape != Z.shape:"
also_right(
    "shortcut_that_fits",
    {
        "if num_inputs != num_outputs:": "self.project = nn.Identity()\n"
        "        if num_inputs != num_outputs:",
        _ADDED: "self.project(X)",
    },
    {
        _COMPARE: "if list(Y.size()) != list(Z.size()):",
        "return Y + Z": "return torch.stack([Y, Z]).sum(dim=0)",
    },
)
edited(
    "shortcut_that_fits",
    ("plus what the net makes", {"return Y + Z": "return Y * Z"}),
    ("without the shortcut", {"return Y + Z": "return Y"}),
    ("nothing stands between", {_ADDED: "F.relu(X)"}),
    ("The hook was skipped", {"self.net(X)": "self.net.forward(X)"}),
    ("the net can't learn", {"Y = self.net(X)": "Y = self.net(X).detach()"}),
    ("the net can't learn", _NO_GRAD),
    (
        "nothing to train but",
        {"if num_inputs != num_outputs:": "if True:"},
        {_ADDED: "X if X.shape == Y.shape else self.project(X)"},
    ),
    ("one parameter is asked for", {", bias=False": ""}),
    ("in an attribute of its own", {"self.project": "self.shortcut"}),
    (
        "in an attribute of its own",
        {
            _PROJECT: f"[{_PROJECT}]",
            _ADDED: "self.project[0](X) if self.project else X",
        },
    ),
    (
        "is a copy",
        {"= net, None": "= copy.deepcopy(net), None"},
    ),
    (
        "is a copy",
        {
            "self.net, self": "self.nets, self",
            "= net, None": "= [net], None",
            "self.net(X)": "self.nets[0](X)",
        },
    ),
    (
        "Both take the input",
        {"return Y + Z": "return Y + (Z if Z is X else 2 * Z)"},
    ),
    (
        "plus that of `project`",
        {"return Y + Z": "return Y + (Z if Z is X else F.relu(Z))"},
    ),
    (
        "The features are the last",
        {"return Y + Z": "return Y.view(len(Y), self.net(X).shape[1]) + Z"},
    ),
    ("one was repeated", {_COMPARE: "if False:"}),
    ("a `ValueError` that names", {_COMPARE: "if len(Y) != len(Z):"}),
    ("a `ValueError` that names", {"ValueError": "TypeError"}),
    (
        "the projection included",
        {_COMPARE: "if not self.project and Y.shape != Z.shape:"},
    ),
    (
        "and one was repeated",
        {_COMPARE: "if Y.dim() == Z.dim() and Y.shape != Z.shape:"},
    ),
    ("a `ValueError` that names", {" to {tuple(Z.shape)}": ""}),
    ("a `ValueError` that names", {_COMPARE: "if Y.dim() != Z.dim():"}),
    ("A size of 1 is repeated", 'sums[4, 1] = "error"'),
    ("missing in front", 'sums[(20,)] = "error"'),
    ("neither is 1", "sums[4, 10] = (4, 20)"),
    ("as large as Y", "sums[3, 4, 20] = (4, 20)"),
    ("Add (4, 1)", "del sums[4, 1]"),
)
