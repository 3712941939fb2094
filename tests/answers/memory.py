"""Answers to the exercises of chapter 10."""

import torch

from tests.answers import also_right, edited, right

# 10.1 A ledger by block

_STATE = "optimizer.state.get(p, {}).values()"
_COUNTED = "isinstance(value, torch.Tensor) and value.dim() > 0"
_GRADIENTS = "[p.grad for p in weights if p.grad is not None]"
_BYTES = "t.nbytes for t in part"
_WEIGHTS = "list(block.parameters())"
_SECOND = "(8_040, 8_040, 16_080)"
also_right(
    "memory_ledger",
    {
        "net.named_children()": "vars(net)['_modules'].items()",
        _STATE: "dict(optimizer.state).get(p, {}).values()",
        _BYTES: "t.numel() * t.element_size() for t in part",
        "tuple(sum": "list(sum",
    },
)
edited(
    "memory_ledger",
    ("for each name that", {"rows[name]": "rows[f'block {name}']"}),
    ("numbers of elements", {_BYTES: "t.numel() for t in part"}),
    (
        "before `backward`, and after",
        {_GRADIENTS: "[p.grad for p in weights]"},
    ),
    ("size of its parameter", {_GRADIENTS: "[]"}),
    ("what the optimizer keeps", {_STATE: "()"}),
    ("with the tensors that belong", {_STATE: "()"}),
    ("without dimensions", {_COUNTED: "isinstance(value, torch.Tensor)"}),
    ("may have children of its own", {_WEIGHTS: "[block.weight, block.bias]"}),
    (
        "all that is below it",
        {_WEIGHTS: "list(block.parameters(recurse=False))"},
    ),
    ("Another type has", {_BYTES: "4 * t.numel() for t in part"}),
    (
        "nor before its first step",
        {_STATE: "dict(optimizer.state)[p].values()"},
    ),
    (
        "by its own names",
        {
            _STATE: "(optimizer.state[p][k] for k in ('exp_avg', "
            "'exp_avg_sq') if p in optimizer.state)"
        },
    ),
    (
        "add up those that are there",
        {_STATE: "([p, p] if p in optimizer.state else [])"},
    ),
    (
        "Another type has",
        {"parts = (": "state = [s.float() for s in state]\n        parts = ("},
    ),
    (
        "Buffers aren't weights",
        {"gradients = [": "weights += block.buffers()\n        gradients = ["},
    ),
    (
        "a row of three zeros",
        {"        rows[name]": "        if weights: rows[name]"},
    ),
    ("looking has changed it", {_STATE: "optimizer.state[p].values()"}),
    ("makes none", {_STATE: "optimizer.state[p].values()"}),
    ("still has its weights", {"(80_800, 0, 0)": "(0, 0, 0)"}),
    ("still has its weights", {"(80_800, 0, 0)": "(80_800, 0, 161_600)"}),
    ("has no parameters", {'"1": (0, 0, 0)': '"1": (800, 0, 0)'}),
    ("200 times 10 weights", {_SECOND: "(8_000, 8_000, 16_000)"}),
    ("keeps two tensors", {_SECOND: "(8_040, 8_040, 8_040)"}),
)


# 10.2 What is kept

also_right("saved_tensors", 'tensors_kept["Linear"] = torch.tensor(1)', "")
edited(
    "saved_tensors",
    ("is a product with the input", {'"Linear": 1': '"Linear": 2'}),
    ("and the ReLU its output", {'"Linear, ReLU": 2': '"Linear, ReLU": 1'}),
    ("kept once", {'ReLU, Linear": 2': 'ReLU, Linear": 3'}),
    ("keeps its own input", {'SiLU, Linear": 3': 'SiLU, Linear": 2'}),
    (
        "nobody's input",
        {'Linear, Linear, Linear": 3': 'Linear, Linear, Linear": 4'},
    ),
    ("is there a graph", {'ReLU, Frozen": 0': 'ReLU, Frozen": 1'}),
    ("The graph begins where", {'ReLU, Linear": 1': 'ReLU, Linear": 2'}),
    ("and not its input", {'"Linear, Frozen": 1': '"Linear, Frozen": 2'}),
    (
        "must pass the frozen layer",
        {'"Linear, ReLU, Frozen": 2': '"Linear, ReLU, Frozen": 1'},
    ),
)


# 10.3 A checkpoint for each k blocks

_RANGE = "range(0, len(blocks), k)"
_CHECKPOINT = "checkpoint(segment, X, use_reentrant=False)"
_SEGMENT = "blocks[start : start + k]"


@right("checkpoint_segments")
def by_recursion(k, blocks, X):
    if not len(blocks):
        return X
    from torch.utils.checkpoint import checkpoint

    X = checkpoint(blocks[:k], X, use_reentrant=False)
    return by_recursion(k, blocks[k:], X)


also_right(
    "checkpoint_segments",
    {
        f"segment = {_SEGMENT}": "segment = lambda X, a=start: "
        "blocks[a : a + k](X)"
    },
)
edited(
    "checkpoint_segments",
    ("The output isn't that", {"return X": "return 2 * X"}),
    (
        "those that are left over",
        {_RANGE: "range(0, len(blocks) - len(blocks) % k or 1, k)"},
    ),
    (
        "These aren't the gradients",
        {_SEGMENT: "lambda X: blocks[start : start + k](X)"},
    ),
    (
        "sees the loop's variables",
        {_SEGMENT: "lambda X: blocks[start : start + k](X)"},
    ),
    (
        "gives no gradient if X needs none",
        {"use_reentrant=False": "use_reentrant=True"},
    ),
    ("keeps all that", {_CHECKPOINT: "segment(X)"}),
    ("as one segment of all blocks", {_RANGE: "[0]", _SEGMENT: "blocks"}),
    (
        "input of every block",
        {_RANGE: "range(len(blocks))", _SEGMENT: "blocks[start]"},
    ),
    (
        "between its ends",
        {_CHECKPOINT: f"{_CHECKPOINT} if start else segment(X)"},
    ),
    (
        "the numbers of the first",
        {"=False)": "=False, preserve_rng_state=False)"},
    ),
    (
        "The shorter segment is the last one",
        {
            _RANGE: "range(-(-len(blocks) % k), len(blocks), k)",
            _SEGMENT: "blocks[max(start, 0) : start + k]",
        },
    ),
)


# 10.4 Chunks with padding

_NUMBER = "number = (y != -100).sum()"
_LOSS = 'F.cross_entropy(net(rows), labels, reduction="sum") / number'
_MEAN = "F.cross_entropy(net(rows), labels)"
also_right(
    "gradient_accumulation",
    {
        _LOSS: f"{_MEAN} * (labels != -100).sum() / number",
        "loss.backward()": "if (labels == -100).all(): continue\n"
        "        loss.backward()",
        "return total": "return torch.tensor(total)",
    },
    {
        "loss.backward()": "loss.backward(retain_graph=True)",
        "loss.item()": "loss.item(); del loss",
    },
    {
        "loss.item()": "loss.detach()",
        "total = 0.0": "total = torch.tensor(0.0)",
    },
)
edited(
    "gradient_accumulation",
    ("not of their mean", {" / number": ""}),
    ("sum of the gradients of the chunks' means", {_LOSS: _MEAN}),
    (
        "Each chunk counts the same here",
        {_LOSS: f"{_MEAN} / len(X.split(size))"},
    ),
    ("divides by the number of rows", {_NUMBER: "number = len(y)"}),
    (
        "divides by the number of rows",
        {_LOSS: f"{_MEAN} * len(rows) / len(X)"},
    ),
    (
        "divides 0 by 0",
        {_LOSS: f"{_MEAN} * (labels != -100).sum() / number"},
    ),
    ("gradient of the mean loss over", {" / number": " / number / 2"}),
    ("the same number for each chunk", {" / number": " / number / 2"}),
    (
        "A caller zeroes them",
        {"    total = 0.0": "    net.zero_grad()\n    total = 0.0"},
    ),
    ("call `backward` for each", {"loss.backward()": "pass"}),
    (
        "at most `size` rows",
        {
            "X.split(size)": "X.split(len(X))",
            "y.split(size)": "y.split(len(X))",
        },
    ),
    (
        "both graphs are in memory",
        {
            "loss.backward()": "total = total + loss",
            "total += loss.item()": "pass",
            "return total": "total.backward()\n    return total.item()",
        },
    ),
    (
        "over the labels of the batch, as",
        {"return total": "return loss.item()"},
    ),
    ("hangs on a graph", {"loss.item()": "loss"}),
    (
        "leave it as it is",
        {"    total = 0.0": "    net.eval()\n    total = 0.0"},
    ),
    (
        "A graph is still there after its",
        {"loss.backward()": "loss.backward(retain_graph=True)"},
    ),
)


# 10.5 Scale each layer by its data

_DIVIDE = "layer.weight.div_(layer(X).std())"
_BIAS = "layer.bias.zero_()"
also_right(
    "data_dependent_init",
    {
        "@torch.no_grad()\n": "",
        _BIAS: "layer.bias.data.fill_(0)",
        _DIVIDE: "layer.weight.data /= layer(X).detach().std()",
    },
)
edited(
    "data_dependent_init",
    (
        "hasn't the standard deviation 1",
        {_DIVIDE: "layer.weight.div_(X.std())"},
    ),
    ("once its bias is 0", {_DIVIDE: "layer.weight.div_(X.std())"}),
    ("divided by the variance", {".std()": ".var()"}),
    (
        "changed since it was measured",
        {
            "X = layer(X)": "X = Z",
            "for layer in net:": "for layer in net:\n        Z = layer(X)",
        },
    ),
    ("counts the mean", {".std()": ".square().mean().sqrt()"}),
    (
        "leave it as it is",
        {"    for layer in net:": "    net.eval()\n    for layer in net:"},
    ),
    ("biases are to be 0", {_BIAS: "pass"}),
    ("it is None", {"if layer.bias is not None": "if True"}),
    ("keep their ratios", {"layer(X).std()": "layer(X).std(dim=0)[:, None]"}),
    (
        "which an optimizer may hold",
        {
            _DIVIDE: "scaled = layer.weight / layer(X).std()\n"
            "            layer.weight = nn.Parameter(scaled)"
        },
    ),
    (
        "must be trained as before",
        {_DIVIDE: f"{_DIVIDE}.requires_grad_(False)"},
    ),
    (
        "Compute under `no_grad`",
        {
            _DIVIDE: f"{_DIVIDE}\n            layer.weight.grad = "
            "torch.zeros_like(layer.weight)"
        },
    ),
    (
        "Only linear layers are scaled",
        {"isinstance(layer, nn.Linear)": "list(layer.parameters())"},
    ),
    (
        "X has changed",
        {"X = layer(X)": "rows, X = X, layer(X)\n        rows.zero_()"},
    ),
)


# 10.6 An average that is saved

_COPY = "copy.deepcopy(net).eval().requires_grad_(False)"
_LERP = "mean.lerp_(p, 1 - self.decay)"
_BUFFERS = "mine.copy_(buffer)"
_NO_GRAD = "    @torch.no_grad()\n"
also_right(
    "exponential_moving_average",
    {
        _LERP: "mean.mul_(self.decay).add_((1 - self.decay) * p.detach())",
        _NO_GRAD: "",
    },
)
edited(
    "exponential_moving_average",
    (
        "starts as a copy of the network",
        {_COPY: f"{_COPY}; self.average.reset_parameters()"},
    ),
    ("`self.average`, a module", {"self.average": "self.mean"}),
    (
        "does to both",
        {
            _COPY: f"{_COPY}\n"
            "        own = self.average.parameters()\n"
            "        for mine, p in zip(own, net.parameters(), strict=True):\n"
            "            mine.data = p.data"
        },
    ),
    ("for evaluation: ", {".eval()": ".train()"}),
    ("Nobody trains the average", {".requires_grad_(False)": ""}),
    ("where one update takes", {_LERP: f"{_LERP}.mul_(2)"}),
    ("has `decay` of the old one", {_LERP: f"{_LERP}.mul_(2)"}),
    ("are swapped", {"1 - self.decay": "self.decay"}),
    ("hasn't moved", {"lerp_": "lerp"}),
    ("has become the network", {"1 - self.decay": "1"}),
    ("which grows", {_NO_GRAD: ""}),
    ("as they are", {_BUFFERS: "pass"}),
    (
        "averaged once more",
        {_BUFFERS: "mine.copy_(mine + (1 - self.decay) * (buffer - mine))"},
    ),
    ("such as a number of batches", {_BUFFERS: "mine.lerp_(buffer, 1.0)"}),
    (
        "such as a number of batches",
        {_BUFFERS: "if mine.is_floating_point(): mine.copy_(buffer)"},
    ),
    ("only follows it", {_LERP: f"{_LERP}; p.copy_(mean)"}),
    ("only follows it", {_LERP: f"{_LERP}; net.eval()"}),
    (
        "`self.average`, a module",
        {"self.average = ": 'self.__dict__["average"] = '},
    ),
    ("does to both", {_BUFFERS: "mine.data = buffer"}),
    ("only follows it", {_COPY: f"{_COPY}; net.requires_grad_(False)"}),
    (
        "in another mode than before",
        {_COPY: "copy.deepcopy(net.eval()).requires_grad_(False)"},
    ),
    (
        "A frozen parameter is averaged",
        {_LERP: f"_ = p.requires_grad and {_LERP}"},
    ),
)


# 10.7 Widen a residual block

_PLAIN = """
class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()

    def forward(self, X):
        return X + self.out(F.relu(self.hidden(X)))
"""
_UNIT = "wide.hidden.weight[old:] = 0; wide.hidden.bias[old:] ="
_NEW_OUT = "wide.out.weight[:, old:] = 0"
also_right(
    "widen_residual_block",
    {
        "hidden.weight[:old] = block.hidden.weight": "hidden.weight"
        "[:old].copy_(block.hidden.weight)",
        _NEW_OUT: "wide.out.weight[:, old:].fill_(0)",
    },
)
edited(
    "widen_residual_block",
    (
        "between them",
        {
            "in_features, width)": "in_features, width + 1)",
            "nn.Linear(width,": "nn.Linear(width + 1,",
        },
    ),
    ("The output isn't that of the old", {_NEW_OUT: "pass"}),
    ("keep all their weights", {_NEW_OUT: "pass"}),
    ("bias of `out` isn't", {"wide.out.bias.copy_(block.out.bias)": "pass"}),
    (
        "Return a new one",
        {
            "return wide": "block.hidden, block.out = wide.hidden, wide.out\n"
            "    return block"
        },
    ),
    (
        "Return a new one",
        {"return wide": "block.norm.weight.data.zero_(); return wide"},
    ),
    ("share memory", {"return wide": "wide.norm = block.norm; return wide"}),
    (
        "copy it, and replace",
        {"copy.deepcopy(block)": "Residual(block.out.out_features)"},
        _PLAIN,
    ),
    (
        "can't learn",
        {_NEW_OUT: f"{_NEW_OUT}; {_UNIT} 0"},
    ),
    (
        "Only one of its sides",
        {_NEW_OUT: f"{_NEW_OUT}; {_UNIT} 0"},
    ),
    (
        "stay one unit",
        {_NEW_OUT: f"{_NEW_OUT}; {_UNIT} 1"},
    ),
    (
        "product with the unit's weight in",
        {'"hidden.weight": False': '"hidden.weight": True'},
    ),
    (
        "comes through the unit's weight",
        {'"hidden.bias": False': '"hidden.bias": True'},
    ),
    (
        "with what the unit gives",
        {'"out.weight": True': '"out.weight": False'},
    ),
)


# 10.8 Freeze one side of a tie

_ROWS = "self.table.detach()[words]"
_SCORES = "torch.tanh(rows) @ self.table.T"
also_right(
    "one_sided_tie",
    {_ROWS: "self.table[words].detach()"},
    {
        _ROWS: "F.embedding(words, self.table.data)",
        _SCORES: "F.linear(rows.tanh(), self.table)",
    },
)
_INIT = "super().__init__()"
edited(
    "one_sided_tie",
    (
        "the only parameter",
        {_INIT: f"{_INIT}; self.head = nn.Parameter(torch.ones(3))"},
    ),
    ("those of the statement", {"torch.tanh(rows)": "rows"}),
    ("cut off, too", {"self.table.T": "self.table.detach().T"}),
    ("cut its path alone", {".detach()": ""}),
    (
        "and the scores aren't",
        {_ROWS: "self.table[words]", "self.table.T": "self.table.detach().T"},
    ),
    (
        "through the scores alone",
        {
            "return ": "Y = ",
            _SCORES: f"{_SCORES}; return Y + 2 * (Y.detach() - Y)",
        },
    ),
    (
        "reads an old copy",
        {
            "(num_words, width))": "(num_words, width))\n"
            "        old = self.table.detach().clone()\n"
            '        self.register_buffer("old", old)',
            _ROWS: "self.old[words]",
        },
    ),
    (
        "both sides are this",
        {'requires_grad_(False)": "none"': 'requires_grad_(False)": "both"'},
    ),
    ("still connected to", {'the scores": "lookup"': 'the scores": "scores"'}),
    ("cuts the same path", {'looked up": "scores"': 'looked up": "lookup"'}),
    ("no path leads", {'whole forward": "none"': 'whole forward": "both"'}),
)


# 10.9 The gain of any activation


@right("activation_gain")
def gain_of_samples(f):
    z = torch.randn(2_000_000)
    return f(z).square().mean().rsqrt()


@right("activation_gain")
def gain_of_the_same_samples(f):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return gain_of_samples(f)


@right("activation_gain")
def gain_of_own_samples(f):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2_000_000, generator=generator)
    return f(z).square().mean().rsqrt().item()


_SQUARES = "(f(z).square() * density).sum() / density.sum()"
_RETURN = "mean_square.rsqrt().item()"
edited(
    "activation_gain",
    ("is 1 already", {_RETURN: "2.0"}),
    ("hasn't the mean square 1", {_RETURN: "1.0"}),
    ("seeds PyTorch's generator", {"z = ": "torch.manual_seed(0); z = "}),
    ("a generator of its own", {"z = ": "torch.seed(); z = "}),
    ("the root of the mean of f(z)²", {_RETURN: "1.0"}),
    ("one over it", {".rsqrt()": ".sqrt()"}),
    ("Its root is missing", {".rsqrt()": ".reciprocal()"}),
    (
        "counts the mean of f(z)",
        {
            _RETURN: "(mean_square - (f(z) * density).sum().div("
            "density.sum()).square()).rsqrt().item()"
        },
    ),
    (
        "goes by the mean of",
        {
            ".square() * density": ".abs() * density",
            ".rsqrt()": ".reciprocal()",
        },
    ),
    ("larger than half a percent", {"8, 8, 20_001": "2.5, 2.5, 20_001"}),
    ("Return a number", {_RETURN: "f'{mean_square.rsqrt():.3f}'"}),
    ("half of the squares are left", {'"relu": True': '"relu": False'}),
    ("Compute both to three", {'"tanh": False': '"tanh": True'}),
)
