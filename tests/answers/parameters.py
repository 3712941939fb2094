"""Answers to the exercises of chapter 02."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.answers import also_right, edited, right, wrong

# 2.1 Every way to a bias

_ROWS = "rows = overview; overview = lambda net: "
_ALL, _STATE = "net.named_parameters()", "net.state_dict().items()"
_CHILDREN = '([*net.named_children()] or [("", net)])'
_OWN = "m.named_parameters(recurse=False)"
_MEAN = ".abs().mean()"
_INDEX, _NAME = "nest.net[2].bias", 'nest.get_parameter("net.2.bias")'
_DICT = 'dict(nest.named_parameters())["net.2.bias"]'
_APPEND = f"a.append({_INDEX})"


def _ways(body):
    return f"def bias_in_three_ways(nest): {body}"


_IN_A_LOOP = f"""
def bias_in_three_ways(nest):
    ways = []
    for name, p in nest.named_parameters():
        if name == "net.2.bias":
            ways.append(p)
    first = {_INDEX}
    second = {_NAME}
    return [*ways, first, second]
"""
also_right(
    "every_way_to_a_bias",
    (
        {"(name, tuple(p.shape), ": "[name, p.shape, ", ".item())": "]"},
        {_INDEX: 'nest.get_submodule("net.2").bias'},
        {_NAME: 'getattr(nest.net, "2").get_parameter("bias")'},
    ),
    (
        f"{_ROWS}((k, s, round(m, 3)) for k, s, m in rows(net))",
        {_NAME: "[*nest.parameters()][3]"},
        {_DICT: 'nest.net[-2]._parameters["bias"]'},
    ),
    f"{_ROWS}sorted(rows(net))",
    {_NAME: "nest.net[-2].bias", _DICT: "list(nest.net)[2].bias"},
    _IN_A_LOOP,
    _ways(f"a = [{_INDEX}]; return a + [*nest.parameters()][3:4] + [{_NAME}]"),
)
edited(
    "every_way_to_a_bias",
    ("First take the absolute", {"p.abs()": "p"}),
    ("First take the absolute", {_MEAN: ".mean().abs()"}),
    ("isn't the mean absolute", {_MEAN: ".norm()"}),
    ("second of each row is the shape", {"tuple(p.shape)": "p.numel()"}),
    ("returns a list, with a row", f"{_ROWS}print(*rows(net))"),
    ("isn't a tuple of three", f"{_ROWS}{{k: row for k, *row in rows(net)}}"),
    ("A parameter is missing", f"{_ROWS}rows(net)[:1]"),
    ("frozen parameters as well", {_ALL: f"{_ALL} if p.requires_grad"}),
    ("once for each of its", {_ALL: f"{_ALL[:-1]}remove_duplicate=False)"}),
    ("changes the values", {"p.abs()": "p.data.abs_()"}),
    ("It isn't a parameter", {_ALL: _STATE, "p.abs": "p.float().abs"}),
    (
        "goes through nested",
        {f"name, p in {_ALL}": f"child, m in {_CHILDREN} for k, p in {_OWN}"},
        {"(name,": '(f"{child}.{k}".lstrip("."),'},
    ),
    ("a path with dots", {"(name,": '(name.split(".")[-1],'}),
    ("on the same memory", {_DICT: 'nest.state_dict()["net.2.bias"]'}),
    ("on the same memory", {_DICT: f"{_INDEX}.data"}),
    ("gives a copy", {_DICT: "copy.deepcopy(nest).net[2].bias"}),
    ("stands behind the ReLU", _ways("return [nest.net[0].bias] * 3")),
    ("The block is `nest.net`", {_DICT: "nest.linear.bias"}),
    ("a list of three", {f"{_DICT},": ""}),
    ("a list of three", _ways(f"return {_INDEX}")),
    ("the weight of the layer", {_DICT: "nest.net[2].weight"}),
    ("a list of three", {"ways(nest):": "ways(_):\n    nest = NestMLP()"}),
    ("a list of three", {_DICT: '"net.2.bias"'}),
    ("raised in the line", {"net[2]": "net[1]"}),
    ("in the same way", {_NAME: _INDEX, _DICT: _INDEX}),
    ("in the same way", _ways(f"bias = {_NAME}; return bias, bias, bias")),
    (
        "in the same way",
        _ways(f"a = {_INDEX}; b = a; c = {_NAME}; d = [a, b, c]; return d"),
    ),
    ("in the same way", _ways(f"a = b = c = {_INDEX}; return [a, b, c]")),
    (
        "in the same way",
        _ways(f"a = []; {_APPEND}; {_APPEND}; a.append({_NAME}); return a"),
    ),
    ("in the same way", _ways(f"return [{_INDEX}] * 3")),
    ("in the same way", _ways(f"return [{_INDEX} for _ in range(3)]")),
)

# 2.2 Watch a shared layer learn


@right("watch_a_shared_layer_learn")
class SharedInAttribute(nn.Module):
    def __init__(self):
        super().__init__()
        self.front, self.back = nn.Linear(4, 8), nn.Linear(8, 1)
        self.shared = nn.Linear(8, 8)

    def forward(self, X):
        H = torch.tanh(self.front(X))
        for _ in range(2):
            H = torch.tanh(self.shared(H))
        return self.back(H)


@wrong("watch_a_shared_layer_learn", "isn't used, or something")
class SharedForNothing(SharedInAttribute):
    def forward(self, X):
        H = torch.tanh(self.shared(self.front(X)))
        self.shared(H)
        return self.back(H)


@wrong("watch_a_shared_layer_learn", "call it as a module")
class SharedNumbers(SharedInAttribute):
    def forward(self, X):
        H = self.front(X)
        for _ in range(2):
            H = F.linear(H, self.shared.weight, self.shared.bias).relu()
        return self.back(H)


@right("watch_a_shared_layer_learn", instead_of="train_shared")
def train_by_hand(net, X, y, num_steps=20):
    parameters = dict(net.named_parameters())
    log = []
    for _ in range(num_steps):
        loss = (net(X) - y).square().mean()
        grads = torch.autograd.grad(loss, list(parameters.values()))
        entry = {}
        for (name, p), g in zip(parameters.items(), grads, strict=True):
            p.data -= 0.1 * g
            entry[name] = [p.norm().item(), g.square().sum().sqrt().item()]
        log.append(entry)
    return tuple(log)


_ADAM = "torch.optim.Adam(net.parameters(), lr=0.01)"
_NEW = f"optimizer, log = {_ADAM}, []"
_ZERO, _STEP = "optimizer.zero_grad()", "optimizer.step()"
_NEW_EACH_STEP = {_NEW: "log = []", _ZERO: f"optimizer = {_ADAM}; {_ZERO}"}
_TO_ZEROS = f"{_ZERO[:-1]}set_to_none=False)"
_BACKWARD = "F.mse_loss(net(X), y).backward()"
_NORMS = "p.norm().item(), p.grad.norm().item()"
_UNTIE = "net[4] = copy.deepcopy(net[2])"
_ONE_RATE = "Each parameter has the same learning rate"
_ONE_CYCLE = "OneCycleLR(optimizer, 1, None, num_steps // 2, 2)"
_RATES = '[{"params": [p], "lr": i * 0.01} for i, p in enumerate(ps, 1)]'


def _tied(how):
    two = "shared, b = nn.Linear(8, 8), nn.Linear(8, 8)"
    return {"shared = nn.Linear(8, 8)": f"{two}; {how}", "shared, *b": "b, *b"}


def _scheduled(kind):
    new = f"schedule = torch.optim.lr_scheduler.{kind}"
    return {_NEW: f"{_NEW}; {new}", _STEP: f"{_STEP}; schedule.step()"}


def _by_hand(step):
    steps = f"[p.data.sub_({step}) for p in net.parameters()]; lr /= 2"
    return {_NEW: "log, lr = [], 0.1", _ZERO: "net.zero_grad()", _STEP: steps}


also_right(
    "watch_a_shared_layer_learn",
    {"nn.ReLU(), shared": "nn.Linear(8, 8), shared"},
    {".item()": ""},
    {"Adam": "SGD"},
    (_NEW_EACH_STEP, {"Adam": "SGD"}),
)
edited(
    "watch_a_shared_layer_learn",
    ("share their numbers", _tied("b.weight, b.bias = shared.parameters()")),
    ("as often as it is to", {"shared, *back": "shared, shared, *back"}),
    ("make two layers", {"shared, *back": "nn.Linear(8, 8), *back"}),
    ("make two layers", {"shared, *back": "copy.deepcopy(shared), *back"}),
    ("share their numbers", _tied("b.weight = shared.weight")),
    ("in two places", {"shared, *back": "*back"}),
    ("draws at random", {"*back": "nn.Dropout(0.2), *back"}),
    ("one number for each", {", *back": ""}),
    ("returns the network", {"return nn.Sequential": "nn.Sequential"}),
    ("an entry for each step", {"    return log": ""}),
    ("an entry for each step", {"range(num_steps)": "range(20)"}),
    ("has not moved", {_NEW: f"net = copy.deepcopy(net); {_NEW}"}),
    ("has not moved", {f"        {_STEP}\n": ""}),
    ("Clear it with", {f"        {_ZERO}\n": ""}),
    ("mean squared error on all", {"(X), y": '(X), y, reduction="sum"'}),
    ("mean squared error on all", {"(X), y": "(X[:16]), y[:16]"}),
    ("The loss has not fallen", {"0.01": "0.01, maximize=True"}),
    ("The loss has not fallen", {"0.01": "1e3"}),
    ("Make a new dict", {"  entry = {}": "", _NEW: f"entry = {{}}; {_NEW}"}),
    ("let no rate depend", {"0.01": "0.1 / num_steps"}),
    ("asks for 1, 2 and 20 steps", _scheduled(_ONE_CYCLE)),
    ("has separated the places", {"return log": f"{_UNTIE}; return log"}),
    (
        "has separated the places",
        {"    return log": f"    if num_steps > 2: {_UNTIE}\n    return log"},
    ),
    ("asks for `torch.optim.SGD` or", {"Adam": "RMSprop"}),
    (_ONE_RATE, _scheduled("ExponentialLR(optimizer, 0.9)")),
    (
        _ONE_RATE,
        {_NEW: f"ps = net.parameters(); {_NEW}"},
        {"(net.parameters(), lr=0.01": f"({_RATES}"},
    ),
    (_ONE_RATE, _by_hand("lr * p.grad")),
    ("Make it once, before", _NEW_EACH_STEP),
    ("same multiple of their gradients", _by_hand("0.01 * p.grad.sign()")),
    (
        "mean squared error on all",
        {_STEP: f"nn.utils.clip_grad_norm_(net.parameters(), 0.01); {_STEP}"},
    ),
    ("gradient is missing", {_NORMS: "p.norm().item()"}),
    ("that before the step. Log", {_STEP: "", "(entry)": f"(entry); {_STEP}"}),
    ("take the root", {".norm()": ".square().sum()"}),
    ("computed after the step", {_STEP: f"{_STEP}; {_ZERO}; {_BACKWARD}"}),
    ("A gradient is None", {_STEP: f"{_STEP}; {_ZERO}"}),
    (
        "its keys are the names",
        {"= {}": "= []", f"[name] = {_NORMS}": f".append(({_NORMS}))"},
    ),
    ("the other way round", {_NORMS: "p.grad.norm().item(), p.norm().item()"}),
    ("The first isn't the norm", {_NORMS: _NORMS.replace(",", " ** 2,")}),
    ("Each name has a pair", {".norm()": ".abs().mean()"}),
    ("were cleared before", {_STEP: f"{_STEP}; {_TO_ZEROS}"}),
    ("its keys are the names", {_ALL: _STATE, "p.grad": "p"}),
)

# 2.3 Another distribution

_W, _IS = "module.weight", "isinstance(module, nn.Linear)"
_NORMAL = f"nn.init.normal_({_W}, mean=2, std=1)"
_COINS = f"torch.rand_like({_W}) > 1 / 3"
_FIX = f"{_W}[{_COINS}] = -1"
_WEIGHED, _OFF = 'hasattr(module, "weight")', "requires_grad_(False)"
also_right(
    "another_distribution",
    {_COINS: f"torch.randint_like({_W}, 3) > 0"},
    (
        {_NORMAL: f"W = {_W}; coins = torch.full_like(W, 2 / 3).bernoulli()"},
        {_FIX: "W.data = torch.where(coins > 0, -1, torch.randn_like(W) + 2)"},
    ),
    (
        {_NORMAL: f"nn.init.normal_({_W}, 3); kept = torch.ones_like({_W})"},
        {_FIX: f"{_W}.mul_(F.dropout(kept, 2 / 3) > 0).sub_(1)"},
    ),
)
edited(
    "another_distribution",
    (
        "is a copy",
        {_NORMAL: f"nn.init.constant_({_W}, -1)"},
        {"> 1 / 3] = -1": "< 1 / 3].normal_(2, 1)"},
    ),
    ("a coin of its own", {_FIX: f"if torch.rand(1) > 0.9: {_W}.fill_(-1)"}),
    ("under `torch.no_grad()`", {"        with torch.no_grad():\n    ": ""}),
    ("tensor can't take", {_NORMAL: f"{_W} = torch.randn_like({_W}) + 2"}),
    ("never see a new one", {_NORMAL: f"{_W} = nn.Parameter({_W} + 2)"}),
    ("what they were", {_NORMAL: "", _FIX: f"{_W}.where({_COINS}, -1)"}),
    (
        "The bias stays",
        {_FIX: f"{_FIX}; [b.zero_() for b in [module.bias] if b is not None]"},
    ),
    ("ask with `isinstance`", {_IS: "type(module) is nn.Linear"}),
    ("visits every module", {_IS: _WEIGHED}),
    ("visits every module", {f"if {_IS}": "with torch.no_grad()"}),
    ("visits every module", {_IS: f"{_WEIGHED} and {_W}.dim() == 2"}),
    ("isn't the normal one", {_NORMAL: f"nn.init.uniform_({_W}, 0.27, 3.73)"}),
    ("cuts their law", {_COINS: f"{_W} < 2.4307"}),
    ("lost its `requires_grad`", {_NORMAL: f"module.{_OFF}; {_NORMAL}"}),
    ("Seed outside", {_NORMAL: f"torch.manual_seed(0); {_NORMAL}"}),
    (
        "the line `nn.init.zeros_(module.bias)`",
        {_FIX: f"{_FIX}\n        nn.init.zeros_(module.bias)"},
    ),
    ("false for a subclass", {_IS: '"Linear" in type(module).__name__'}),
    ("this one isn't a linear", {"nn.Linear)": "(nn.Linear, nn.Conv2d))"}),
    ("this one isn't a linear", {"nn.Linear)": "(nn.Linear, nn.Bilinear))"}),
    ("not by its place", {_COINS: f"torch.ones_like({_W}).cumsum(1) > 33"}),
    ("set to -1, exactly", {_FIX: f"{_FIX}; {_W} += 1e-3 * torch.rand(1)"}),
    ("other way round", {"> 1 / 3": "< 1 / 3"}),
    ("one uniform number", {"> 1 / 3": "> 1 / 2"}),
    ("row or a column", {_COINS: f"torch.rand(len({_W})) > 1 / 3"}),
    ("row or a column", {_COINS: f":, torch.rand({_W}.shape[1]) > 1 / 3"}),
    ("has the mean 2", {"mean=2": "mean=1"}),
    ("deviation 1", {"std=1": "std=2"}),
)

# 2.4 All but the last

_HAS = "list(module.parameters())"
_LAST = f"[module for module in net if {_HAS}][-1]"
_FREEZE, _THAW = "net.requires_grad_(False)", "last.requires_grad_(True)"
_CLEAR = """\
    for p in net.parameters():
        if not p.requires_grad:
            p.grad = None
"""
_END = "list(last.parameters())"
_NOT_LAST = "{*net} - {last}"
_IN_FRONT = "[*net][: max(i for i, m in enumerate(net) if m is last)]"
_OTHERS = "for p in {*net.parameters()} - {*last.parameters()}:"
_NAMES = "[k for k, _ in net.named_parameters(remove_duplicate=False)]"
_KEPT = """\
    kept = [p.grad for p in last.parameters()]
    net.zero_grad()
    for p, grad in zip(last.parameters(), kept):
        p.grad = grad
"""
_BY_MODULE = """\
    for m in {*net.modules()} - {*last.modules()}:
        for p in m.parameters(recurse=False):
            p.requires_grad_(False)
"""
_REPLACE = """\
    for m in net.modules():
        for name, p in [*m.named_parameters(recurse=False)]:
            if not p.requires_grad:
                setattr(m, name, nn.Parameter(p.detach().clone(), False))
"""
also_right(
    "all_but_the_last",
    {"return list(": "yield from ("},
    (
        {_FREEZE: "stay = {*last.parameters()}", _END: "stay"},
        {_THAW: "for p in net.parameters(): p.requires_grad = p in stay"},
    ),
    {
        _CLEAR: _KEPT,
        _END: "filter(lambda p: p.requires_grad, net.parameters())",
    },
    {_LAST: f'net[int({_NAMES}[-1].split(".")[0])]'},
)
edited(
    "all_but_the_last",
    ("counts as a whole", {_HAS: _WEIGHED}),
    ("Look for the last module", {_LAST: "net[-1]"}),
    (
        "Freeze first",
        {_FREEZE: f"for m in {_IN_FRONT}: m.{_OFF}", _THAW: "pass"},
    ),
    (
        "Freeze first",
        {_FREEZE: f"for m in {_NOT_LAST}: m.{_OFF}", _THAW: "pass"},
    ),
    ("once, at its first place", {"in net if": "in net.children() if"}),
    ("buffers aren't any", {_HAS: "module.state_dict()"}),
    (
        "that remain are to stay",
        {_FREEZE: f"for m in {_IN_FRONT}: m.{_OFF}.zero_grad()"},
    ),
    ("Freeze the parameters that are there", {_CLEAR: _REPLACE}),
    (
        "no parameter of this net is trainable",
        {_HAS: "any(p.requires_grad for p in module.parameters())"},
    ),
    ("not by modules", {_FREEZE: "pass", _CLEAR: f"{_BY_MODULE}{_CLEAR}"}),
    ("whatever it was before", {_FREEZE: _OTHERS, _THAW: f"    p.{_OFF}"}),
    (
        "names in the list",
        {_END: f"[x for x in {_ALL} if x[1].requires_grad]"},
    ),
    (
        "each once, as an optimizer",
        {_END: "[p for m in net for p in m.parameters() if p.requires_grad]"},
    ),
    ("that it still has", {_CLEAR: ""}),
    ("A gradient of zeros", {"= None": "= torch.zeros_like(p)"}),
    ("that remain are to stay", {_CLEAR: "    net.zero_grad()\n"}),
    ("attribute that nobody reads", {_FREEZE: "net.requires_grad = False"}),
    ("that nobody reads", {"last =": "net = copy.deepcopy(net); last ="}),
    ("other way round", {_FREEZE: "pass", _THAW: f"last.{_OFF}"}),
    ("the last module too", {_THAW: "pass"}),
    ("All parameters of the last", {_THAW: "last.bias.requires_grad_()"}),
    ("a block among them", {"in net if": "in net.modules() if"}),
    ("is `net[2]`", {_LAST: "net[-1] if [*net[-1].parameters()] else net"}),
    (
        "names in the list",
        {_END: f"[k for k, p in {_ALL} if p.requires_grad]"},
    ),
    ("as an optimizer takes them", {f"    return {_END}": ""}),
    ("as an optimizer takes them", {_END: "list(net.parameters())"}),
)

# 2.5 Bytes


@right("count_bytes")
def bytes_by_intervals(net):
    """The length of a union of intervals of addresses."""
    tensors = [*net.parameters(), *net.buffers()]
    total = end = 0
    for start, size in sorted((t.data_ptr(), t.nbytes) for t in tensors):
        total += max(0, start + size - max(start, end))
        end = max(end, start + size)
    return total


_TENSORS = "(*net.parameters(), *net.buffers())"
_SIZE, _PLACE = "storage.nbytes()", "storage.data_ptr()"
_HELD = "(*m.parameters(recurse=False), *m._buffers.values())"
_BY_MODULES = f"(t for m in net.modules() for t in {_HELD})"
_GRADS = "*(p.grad for p in net.parameters() if p.grad is not None)"


def _sum(size, tensors="net.parameters()"):
    return f"num_bytes = lambda net: sum({size} for t in {tensors})"


also_right(
    "count_bytes",
    {"484": "(4 * 8 + 8 + 8 * 8 + 8 + 8 + 1) * 4", "3280": "3280.0"},
    (
        {_TENSORS: _BY_MODULES},
        {"sum(memory.values())": "torch.tensor([*memory.values()]).sum()"},
    ),
)
edited(
    "count_bytes",
    ("the number of elements", _sum("t.numel()")),
    ("The bias takes", _sum("t.nbytes", "[net.weight]")),
    ("A frozen parameter", _sum("t.nbytes * t.requires_grad")),
    ("Gradients take memory too", {"(*net": f"({_GRADS}, *net"}),
    (
        "on memory that counts already",
        {"num_bytes(net)": "of(tensors)", _TENSORS: "tensors"},
        "num_bytes = lambda net: of(net.parameters()) + of(net.buffers())",
    ),
    ("8 make a byte", _sum("8 * t.nbytes")),
    ("9 numbers of 4 bytes", _sum("4")),
    ("8 in float64", _sum("4 * t.numel()")),
    ("the parameters alone", _sum("t.nbytes")),
    (
        "is an int64",
        _sum("t.nbytes if t.requires_grad else 4 * t.numel()", _TENSORS),
    ),
    (
        "and a count of batches",
        _sum("t.nbytes * t.is_floating_point()", _TENSORS),
    ),
    ("once for each place", _sum("t.nbytes", "net.state_dict().values()")),
    ("count memory, not names", _sum("t.nbytes", _BY_MODULES)),
    ("isn't saved, but takes", {_TENSORS: "net.state_dict().values()"}),
    ("A view adds nothing", _sum("t.nbytes", _TENSORS)),
    ("Not all of the memory", {_SIZE: "tensor.nbytes"}),
    ("Not all of the", {_SIZE: f"memory.get({_PLACE}, tensor.nbytes)"}),
    ("Not all of", {_SIZE: f"max(tensor.nbytes, memory.get({_PLACE}, 0))"}),
    ("A view adds", {_PLACE: "tensor.data_ptr()", _SIZE: "tensor.nbytes"}),
    ("counts once, however many", {"484": "772"}),
    ("how many numbers there are", {"484": "121"}),
    ("Three linear layers", {"484": "480"}),
    ("the buffer takes memory too", {"3280": "1680"}),
    ("The layer is used twice", {"3280": "4960"}),
    ("counts once, however many", {": 40": ": 80"}),
    ("one tensor of 10 numbers", {": 40": ": 44"}),
    ("Add 'tied'", "by_hand = {}"),
)

# 2.6 Only one width is given

_FIRST, _BOTH = '{"0.weight", "0.bias"}', '{"0.weight", "0.bias", '
also_right(
    "only_one_width_is_given",
    {_FIRST: '["0.bias", "0.weight"]'},
    {_FIRST: 'dict.fromkeys(["0.weight", "0.bias"], 0)'},
)
edited(
    "only_one_width_is_given",
    ("makes both of its", {_FIRST: f'{_BOTH}"2.bias"}}'}),
    ("until a batch reaches it", {_FIRST: f'{_BOTH}"2.weight", "2.bias"}}'}),
    ("which of the layers", {_FIRST: '{"0.weight"}'}),
    ("which of the layers", {_FIRST: "set()"}),
    ("No parameter is called", {_FIRST: f'{_BOTH}"1.weight"}}'}),
    ("No parameter is called", {_FIRST: '{"weight", "bias"}'}),
    ("each a string", {_FIRST: "{0}"}),
    ("each a string", {_FIRST: '[["0.weight"], ["0.bias"]]'}),
    ("each a string", {_FIRST: '"0.weight, 0.bias"'}),
    ("each a string", {_FIRST: "[torch.ones(2)]"}),
    ("Which of them raises", {"False": "True"}),
    ("True or False, without quotes", {"False": '"error"'}),
    ("Nothing was decided", {"True": "False"}),
)

# 2.7 Other starts

_KAIMING = "nn.init.kaiming_normal_"
_TO_XAVIER = {_KAIMING: "nn.init.xavier_normal_", "2 / 100": "2 / 300"}
_ORTHOGONAL, _G = "nn.init.orthogonal_", "weight.T @ weight"
_IS_FIRST = "abs(weight.std().item() / (2 / 100) ** 0.5 - 1) < 0.05"
_IS_SECOND = f"torch.allclose({_G}, torch.eye(100), atol=1e-4)"
also_right(
    "other_starts",
    (
        _TO_XAVIER,
        {_ORTHOGONAL: "nn.init.kaiming_uniform_"},
        {_IS_SECOND: "weight.std() > 0.134 and weight.std() < 0.149"},
    ),
    (
        {_KAIMING: "nn.init.trunc_normal_", "(2 / 100) ** 0.5": "0.88"},
        {
            _ORTHOGONAL: "nn.init.ones_",
            _IS_SECOND: "bool((weight == 1).all())",
        },
    ),
    (
        _TO_XAVIER,
        {"weight.std().item()": "weight.numpy().std()"},
        {_ORTHOGONAL: "nn.init.eye_"},
        {_IS_SECOND: "torch.equal(weight, torch.eye(200, 100))"},
    ),
)
edited(
    "other_starts",
    ("without a call or a wrapper", {_KAIMING: "nn.Linear"}),
    ("without a call or a wrapper", {_KAIMING: f"lambda W: {_KAIMING}(W)"}),
    ("without a call or a wrapper", {_KAIMING: "nn.init.calculate_gain"}),
    ("uses this one already", {_KAIMING: "nn.init.normal_"}),
    ("uses this one already", {_ORTHOGONAL: "nn.init.zeros_"}),
    ("Choose two that differ", {_ORTHOGONAL: _KAIMING}),
    ("alone. Choose another", {_KAIMING: "nn.init.dirac_"}),
    ("alone. Choose another", {_ORTHOGONAL: "nn.init.sparse_"}),
    ("with a tolerance", {"(2 / 100)": "(1 / 100)"}),
    ("with a tolerance", _TO_XAVIER, {"< 0.05": "== 0"}),
    ("with a tolerance", {_IS_SECOND: f"torch.equal({_G}, torch.eye(100))"}),
    ("was raised in the line", {_G: "weight @ weight.T"}),
    ("`return` it", {f"return {_IS_FIRST}": f"print({_IS_FIRST})"}),
    (
        "twice the scale passes",
        {_KAIMING: "nn.init.eye_", _IS_FIRST: "(weight != 0).sum() == 100"},
    ),
    ("have a lower bound", {_IS_FIRST: "weight.std() < 0.2"}),
    ("answer for the whole weight", {_IS_FIRST: "weight.std(dim=0) > 0.1"}),
    ("changes the weight", {".std()": ".sub_(weight.mean()).std()"}),
    ("default start isn't", {_IS_SECOND: "0.05 < weight.std() < 0.09"}),
    ("upper bound", {_IS_SECOND: "len(weight) > 0"}),
)

# 2.8 A tie that breaks

_LOADED, _DOUBLED = '"load_state_dict": ', '"double": '
also_right(
    "tie_that_breaks", "still_tied = dict(reversed(still_tied.items()))"
)
edited(
    "tie_that_breaks",
    ("is copied once", {'network": True': 'network": False'}),
    ("copies values into", {f"{_LOADED}True": f"{_LOADED}False"}),
    ("keeps the parameter as an", {f"{_DOUBLED}True": f"{_DOUBLED}False"}),
    ("another object", {'Parameter": False': 'Parameter": True'}),
    ("notes of its own", {'one": False': 'one": True'}),
    ("without quotes", {f"{_DOUBLED}True": f'{_DOUBLED}"yes"'}),
    ("not a number", {f"{_DOUBLED}True": f"{_DOUBLED}1"}),
    ("without quotes", {f"{_DOUBLED}True": f'{_DOUBLED}"True"'}),
    ("copies values into", {f"{_LOADED}True": f"{_LOADED}None"}),
    ("copies values into", {f"{_LOADED}True": f"{_LOADED}[True]"}),
    ("copies values into", {f"{_LOADED}True": f"{_LOADED}torch.ones(2)"}),
    ("Add 'double'", {f"{_DOUBLED}True,": ""}),
)

# 2.9 Inputs of any width


@right("inputs_of_any_width")
class WidthByConvolution(nn.Module):
    def __init__(self, num_hiddens=4):
        super().__init__()
        self.inner = nn.Conv1d(1, num_hiddens, 1)
        self.outer = nn.Conv1d(num_hiddens, 1, 1)

    def forward(self, X):
        Y = self.outer(F.relu(self.inner(X[:, None])))  # (n, 1, d)
        return Y.mean(dim=-1)


@right("inputs_of_any_width")
class WidthByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(3, 5))

    def forward(self, X):
        w, b, v = self.table
        return (torch.sigmoid(X[..., None] * w + b) @ v).mean(1, keepdim=True)


_X, _AVERAGE = "X[..., None]", "Y.mean(dim=1)"
_EACH, _INNER = f"self.net({_X})", f"self.net[:2]({_X})"
_LAYERS = "nn.Linear(1, num_hiddens), nn.ReLU(), nn.Linear(num_hiddens, 1)"
_NET = f"nn.Sequential(\n            {_LAYERS}\n        )"
_EIGHT = _LAYERS.replace("num_hiddens", "8")
_WEIGHTS = """\
if len(getattr(self, "w", ())) != X.shape[1]:
            self.w = nn.Parameter(torch.ones(X.shape[1], 1))
        Y = self.w * self"""
also_right(
    "inputs_of_any_width",
    (
        {"ReLU": "Tanh", "  # (n, d) ->": "; Y = torch.stack([*Y], dim=1)  #"},
        {_EACH: "map(self.net, X.split(1, dim=1))"},
    ),
    {_LAYERS: "nn.LazyLinear(num_hiddens), nn.ReLU(), nn.LazyLinear(1)"},
    {_EACH: f"self.net[2]({_INNER}.mean(dim=1))", _AVERAGE: "Y"},
    (
        {", num_hiddens=8": "", "1, num_hiddens": "1, 4, bias=False"},
        {"num_hiddens, 1": "4, 1, bias=False"},
    ),
)
edited(
    "inputs_of_any_width",
    (
        "samples are mixed up",
        {_X: "X.reshape(-1, 1)"},
        {_AVERAGE: "Y.reshape(X.shape[1], -1).mean(dim=0)[:, None]"},
    ),
    ("over the samples too", {_AVERAGE: "Y.mean().expand(len(X), 1)"}),
    ("This is the sum", {"mean": "sum"}),
    ("largest of the results", {"mean": "amax"}),
    ("one number: the output", {_AVERAGE: "Y.mean(dim=(1, 2))"}),
    (
        "Keep the last dimension",
        {_AVERAGE: "Y.mean(dim=1 if X.shape[1] == 1 else (1, 2))"},
    ),
    (
        "and the d results",
        {_AVERAGE: "Y.sum(1) / (5 if X.shape[1] > 1 else 1)"},
    ),
    ("averaged before the network", {_X: "X.mean(1, True)", _AVERAGE: "Y"}),
    (
        "isn't that of the first batch",
        {"nn.Linear(1, n": "nn.LazyLinear(n", _X: "X", _AVERAGE: "Y"},
    ),
    ("Take nothing off", {_AVERAGE: f"{_AVERAGE} - Y.mean()"}),
    ("such as dropout", {"nn.ReLU()": "nn.ReLU(), nn.Dropout()"}),
    ("how many units", {_LAYERS: _EIGHT}),
    ("changes its input", {"Y = self": "X += 1; Y = self"}),
    ("wherever it stands", {_X: f"(X + torch.arange(X.shape[1])){_X[1:]}"}),
    ("a ReLU or another function", {"nn.ReLU(), ": ""}),
    ("grow with the width, or", {"Y = self": _WEIGHTS}),
    ("output doesn't use them", {"__()": "__(); self.more = nn.Linear(3, 3)"}),
    ("cuts the graph", {_AVERAGE: f"torch.tensor({_AVERAGE}.tolist())"}),
    ("cuts the graph", {_EACH: f"self.net[2]({_INNER}.detach())"}),
    (
        "A plain list hides them",
        {_NET: f"[{_LAYERS}]"},
        {_EACH: f"{_X}\n        for layer in self.net: Y = layer(Y)"},
    ),
    (
        "each forward makes anew",
        {
            _NET: "num_hiddens",
            "Y = self.net": f"num_hiddens = self.net; Y = {_NET}",
        },
    ),
    ("too few for a hidden layer", {_LAYERS: "nn.Linear(1, 1), nn.ReLU()"}),
    ("a sum has no order", {"= False": "= True"}),
    ("True or False", {"= False": '= "no"'}),
)


# 2.10 More words

_LAYER, _OUTPUT = (
    "nn.Embedding(*values.shape)",
    "nn.Linear(*values.T.shape, bias=False)",
)
_GROWN_WEIGHT = "nn.Parameter(values, old.requires_grad)"
_TIE = "model.embedding.weight = model.out.weight = weight"
_OLD_FIRST = "(old.detach(), more)"
_MORE = "mean.expand(num_words - len(old), -1)"
also_right(
    "more_words",
    """def grow(model, num_words):
    weight = model.out.weight.data
    new = weight.new_empty(num_words, weight.shape[1])
    new[: len(weight)] = weight
    new[len(weight) :] = weight.mean(dim=0)
    weight = nn.Parameter(new, requires_grad=model.out.weight.requires_grad)
    model.out.weight = model.embedding.weight = weight
    model.out.out_features = model.embedding.num_embeddings = num_words""",
    {_LAYER: "nn.Embedding.from_pretrained(values)"},
)
edited(
    "more_words",
    (
        "assign to its attributes",
        {
            "model.embedding =": "model = copy.deepcopy(model)\n"
            "    model.embedding ="
        },
    ),
    ("replace both layers", {f"model.embedding = {_LAYER}": "pass"}),
    (
        "Not both layers",
        {_TIE: "model.embedding.weight = weight"},
        {_OUTPUT: "model.out"},
    ),
    (
        "made of values that have no graph",
        {
            _GROWN_WEIGHT: "values",
            f"    {_TIE}": "    for f in (model.embedding, "
            "model.out):\n        del f.weight; f.weight = weight",
        },
    ),
    (
        "one object",
        {
            _TIE: "model.embedding.weight = weight; model.out.weight = "
            f"{_GROWN_WEIGHT}"
        },
    ),
    ("could be trained", {_GROWN_WEIGHT: "nn.Parameter(values, False)"}),
    ("no bias, as before", {", bias=False": ""}),
    ("stand in front", {_OLD_FIRST: "(more, old.detach())"}),
    ("Not both layers", {_MORE: "mean.expand(2, -1)"}),
    ("rows of the old words", {_OLD_FIRST: "(2 * old.detach(), more)"}),
    ("along the first dimension", {"more = mean": "more = 0 * mean"}),
    (
        "along the first dimension",
        {
            "mean(dim=0, keepdim=True)": "mean()",
            "mean.expand(": "mean.expand(0 + ",
        },
        {
            _MORE.replace(
                "(", "(0 + ", 1
            ): "mean.expand(num_words - len(old), old.shape[1])"
        },
    ),
    (
        "another data type",
        {"nn.Parameter(values,": "nn.Parameter(values.float(),"},
    ),
    ("was frozen", {", old.requires_grad)": ")"}),
    (
        "for an old word, are others",
        {_TIE: f"{_TIE}; model.register_forward_hook(lambda *a: 2 * a[-1])"},
    ),
    (
        "Replace the two layers by plain ones",
        {_TIE: f"{_TIE}; model.embedding.max_norm = 0.01"},
    ),
    ("that it was given", 'trained_by_old_optimizer["old rows"] = True'),
    ("still in the model", 'trained_by_old_optimizer["new rows"] = True'),
)


# 2.11 Shape a lazy network

_RUN_ONCE = "net.eval()(X)"
_BACK = "module.training = mode"
also_right(
    "shape_a_lazy_network",
    """def shape(net, X):
    trained = [module for module in net.modules() if module.training]
    waiting = {k for k, p in net.named_parameters() if is_lazy(p)}
    try:
        net.train(False)
        net(X)
    finally:
        for module in trained:
            module.training = True
    return [k for k, _ in net.named_parameters() if k in waiting]""",
    {
        _BACK: "object.__setattr__(module, 'training', mode)",
        "is_lazy(p)": "type(p) is nn.UninitializedParameter",
    },
)
edited(
    "shape_a_lazy_network",
    ("Run the batch", {_RUN_ONCE: "net.eval()"}),
    (
        "aren't the names",
        {"return names": "return names[::-1]"},
    ),
    ("return their names in a list", {"return names": "return len(names)"}),
    ("Ask before the batch", {" if is_lazy(p)]": "]"}),
    (
        "none is lazy",
        {
            "return names": "left = net.named_parameters(); "
            "return [k for k, p in left if is_lazy(p)]"
        },
    ),
    ("only reads its averages", {_RUN_ONCE: "net(X)"}),
    ("give each its own back", {_BACK: "module.train()"}),
    ("is in another mode", {_BACK: "pass"}),
    (
        "after an error, too",
        {
            "    try:\n        with": "    if True:\n        with",
            "    finally:": "    if True:",
        },
    ),
    (
        "as by dropout",
        {_RUN_ONCE: "net.eval()(X)\n            torch.rand(1)"},
    ),
    (
        "has left gradients",
        {
            "with torch.no_grad():": "if True:",
            _RUN_ONCE: "net.eval()(X).sum().backward()",
        },
    ),
    (
        "error of PyTorch pass",
        {"    finally:": "    except RuntimeError: pass\n    finally:"},
    ),
    ("a list", "shape = lambda net, X: net.eval()(X)"),
)
