"""Answers to the exercises of chapter 03."""

from torch import nn

from tests.answers import also_right, edited, right

_NO_GRAD = {"def forward": "@torch.no_grad()\n    def forward"}

# 3.1 A quadratic layer


_SUM = "...i,ijk,...j->...k"
_ALL = f'torch.einsum("{_SUM}", X, self.weight, X)'
also_right(
    "quadratic_layer",
    {
        _ALL: "torch.tensordot(X[..., None] * X[..., None, :], self.weight)",
        "self.weight": "self.table",
    },
    {
        "return": "if X.dim() > 1: return torch.stack([*map(self, X)])\n"
        "        return",
        _ALL: "X @ (self.weight * X[:, None]).sum(1)",
    },
)
edited(
    "quadratic_layer",
    ("squares", {_SUM: "...i,iik,...i->...k"}),
    ("twice", {_ALL: 'torch.einsum("ijk,...j->...ik", self.weight, X)'}),
    ("k is the only index", {"->...k": "->...j"}),
    ("no letter for a sample", {_SUM: "ni,ijk,nj->nk"}),
    ("one sample is a batch too", {_ALL: f"{_ALL}.squeeze()"}),
    (
        "All samples are summed up",
        {'"...i': '"ni,ijk,mj->k" if X.dim() > 1 else "...i'},
    ),
    (
        "All samples are summed up",
        {"return": "X = X.reshape(-1, X.shape[-1]).sum(0); return"},
    ),
    ("a vector of shape (d,)", {_ALL: "X @ self.weight @ X"}),
    ("one letter stands for one size", {_SUM: "...i,kij,...j->...k"}),
    ("twice", {_ALL: 'torch.einsum("...i,ijk->...k", X, self.weight)'}),
    (
        "without a dimension for samples",
        {"return": "X = torch.atleast_2d(X); return"},
    ),
    ("y of all samples", {_SUM: "...i,ijk,...j->k"}),
    (
        "Each sample goes with itself",
        {"ght, X": "ght, X.flip(0) if X.dim() > 1 else X"},
    ),
    ("Negative numbers", {_ALL: f"{_ALL}.relu()"}),
    (
        "a batch of shape (n, d)",
        {_ALL: "torch.tensordot(torch.outer(X, X), self.weight, dims=2)"},
    ),
    (
        "data type is fixed",
        {"X, self.weight, X": "X.float(), self.weight.float(), X.float()"},
    ),
    ("one letter more for the sample", {_SUM: "i,ijk,j->k"}),
    ("cuts the graph", {"ht, X": "ht.data, X"}),
    ("cuts the graph", _NO_GRAD),
    ("one of the factors", {"ght, X": "ght, X.detach()"}),
    ("wrapped in", {"nn.Parameter": ""}),
    (
        "first i, then j, then k",
        {"d, d, m)": "m, d, d)", _SUM: "...i,kij,...j->...k"},
    ),
)


# 3.2 Half of the spectrum


_HALF = "[..., : X.shape[-1] // 2]"
_ALL = f"fft(X){_HALF}"
_REPEATED = "{5, 6, 7}"
also_right(
    "half_spectrum",
    {
        "torch.fft.fft(X)": "(X + 0j) @ torch.fft.fft(torch.eye(len(X.T)))",
        _REPEATED: "[7, 6, 5]",
    },
    {_ALL: "rfft(X)[:, :-1]"},
    {_REPEATED: "range(5, 8)"},
)
edited(
    "half_spectrum",
    ("`rfft` keeps", {_ALL: "rfft(X)"}),
    ("real part alone", {_HALF: f"{_HALF}.real"}),
    ("absolute values", {_HALF: f"{_HALF}.abs()"}),
    ("trailing half", {_HALF: "[:, X.shape[1] // 2 :]"}),
    ("are scaled", {"(X)": '(X, norm="ortho")'}),
    ("in each row", {_HALF: "[: len(X) // 2]"}),
    ("all d coefficients", {_HALF: ""}),
    ("complex conjugates", {_HALF: f"{_HALF}.conj()"}),
    ("first half of the numbers", {_ALL: "fft(X, n=X.shape[1] // 2)"}),
    ("inverse transform", {".fft(": ".ifft("}),
    ("aren't the coefficients", {_HALF: "[:, ::2]"}),
    ("mixes the samples", {".fft(": ".fft2("}),
    ("first dimension is the samples", {"(X)": "(X[0])[None]"}),
    ("depends on the input", {_HALF: "[:, :4]"}),
    (
        "cut the graph",
        {
            "return torch": "import numpy as np; return torch.from_numpy(np",
            _ALL: f"fft(X.detach().numpy()){_HALF})",
        },
    ),
    ("which is itself", {_REPEATED: "{4, 5, 6, 7}"}),
    ("have a partner", {_REPEATED: "{4}"}),
    ("have a partner", {_REPEATED: "set()"}),
    ("Which of those that are dropped", {_REPEATED: "{1, 2, 3}"}),
    ("without quotes", {_REPEATED: '{"5", "6", "7"}'}),
    ("Give a set of indices", {_REPEATED: "7"}),
)


# 3.3 Repair


_SUM = "X @ self.weight + self.bias"
_MOVED = '{"0.bias", "1.weight", "1.bias"}'
_ERROR = '"RuntimeError"'
also_right(
    "repair",
    {
        "self.weight = ": "W = ",
        "(units))\n": "(units))\n        self.W = W\n",
        f"F.relu({_SUM})": "torch.addmm(self.bias, X, self.W).clamp(min=0)",
    },
    {_MOVED: '["1.bias", "1.weight", "0.bias"]', _ERROR: "RuntimeError"},
    {_ERROR: '"RuntimeError: one of the variables needed for ..."'},
)
edited(
    "repair",
    ("isn't trained", {"@ self.weight": "@ self.weight.detach()"}),
    (
        "what they are called on",
        {_SUM: "X @ self.weight.data + self.bias.data"},
    ),
    ("a layer in front", {"X @": "X.detach() @"}),
    (
        "makes new parameters",
        {"return": "self.weight = nn.Parameter(self.weight.data); return"},
    ),
    ("The ReLU is gone", {"F.relu": ""}),
    (
        "(in_units, units)",
        {
            "(in_units, units))": "(units, in_units))",
            "self.weight +": "self.weight.T +",
        },
    ),
    ("before the repair", {" + self.bias": ""}),
    ("cuts off the weight alone", {'"0.bias", ': ""}),
    ("Follow the path", {'{"0': '{"0.weight", "0'}),
    ("count of its own", {_ERROR: '"no error"'}),
    ("place in the `Sequential`", {_MOVED: '{"bias", "weight"}'}),
    ("Give a set of names", {_MOVED: '"0.bias"'}),
)


# 3.4 A layer with a memory


@right("layer_with_a_memory")
class RunningWithEps(nn.Module):
    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        self.norm = nn.BatchNorm1d(
            num_features, momentum=momentum, affine=False
        )

    def forward(self, X):
        Y, n = self.norm(X), len(X)
        return Y * ((n - 1) / n) ** 0.5 if self.training else Y


_MEAN, _VAR = 'register_buffer("mean", ', 'register_buffer("var", '
_OWN = "X.mean(dim=0), X.var(dim=0)"
_MEMORY = "self.mean, self.var"
_MOVE_MEAN = "self.mean.lerp_(mean.detach(), self.momentum)"
_MOVE_VAR = "self.var.lerp_(var.detach(), self.momentum)"
_ASSIGNED = {
    "self.mean.lerp_": "self.mean = self.mean.lerp",
    "self.var.lerp_": "self.var = self.var.lerp",
}
_SCALED = "(X - mean) / var.sqrt()"
also_right(
    "layer_with_a_memory",
    {
        _MOVE_MEAN: "with torch.no_grad():\n"
        "                self.mean += self.momentum * (mean - self.mean)\n"
        "                self.var += self.momentum * (var - self.var)",
        f"            {_MOVE_VAR}\n": "",
    },
    {
        "(num_features))": "(1, num_features))",
        "(dim=0)": "(dim=0, keepdim=True)",
        **_ASSIGNED,
        _SCALED: "(X - mean) * var.rsqrt()",
    },
)
edited(
    "layer_with_a_memory",
    ("saved and moved", {_MEAN: "mean = (", _VAR: "var = ("}),
    (
        "`register_buffer`",
        {_MEAN: "mean = nn.Parameter(", _VAR: "var = nn.Parameter("},
    ),
    ("The variance starts at 1", {"ones": "zeros"}),
    (
        "Nothing in this layer is trained",
        {
            _MEAN: f"shift = nn.Parameter(torch.zeros(2)); self.{_MEAN}",
            _SCALED: f"{_SCALED} + self.shift",
        },
    ),
    (
        "must be saved",
        {"(num_features))": "(num_features), persistent=False)"},
    ),
    ("two buffers of shape (2,)", {_VAR: "var = 1; ("}),
    ("not centered", {"(X - mean)": "X"}),
    ("after it has moved", {"return": f"mean, var = {_MEMORY}; return"}),
    ("not by its root", {".sqrt()": ""}),
    (
        "batch's own variance",
        {_OWN: "X.mean(dim=0), self.var + 0", "var.detach()": "X.var(dim=0)"},
    ),
    (
        "as `nn.BatchNorm1d` does",
        "class RunningNorm(nn.BatchNorm1d):\n"
        "    def __init__(self, num_features, momentum=0.1):\n"
        "        super().__init__(num_features, affine=False)",
    ),
    ("give `dim=0`", {_SCALED: "(X - X.mean()) / X.std()"}),
    (
        "root of its variance",
        {_SCALED: "((X.T - X.mean(dim=1)) / X.std(dim=1)).T"},
    ),
    ("has not moved", {"lerp_": "lerp"}),
    ("nine tenths", {"=0.1": "=0.9"}),
    ("has jumped to the batch", {"=0.1": "=1"}),
    (
        "a tenth of the way",
        {"var.detach()": "(X - self.mean).square().mean(0)"},
    ),
    ("and the variance hasn't", {_MOVE_VAR: ""}),
    ("Remember the variance itself", {"X.var": "X.std", ".sqrt()": ""}),
    ("is that with n.", {"var.detach()": "X.var(dim=0, correction=0)"}),
    ("Detach what you store", {**_ASSIGNED, ".detach()": ""}),
    ("A gradient must reach X", _NO_GRAD),
    ("Detach only what goes", {"/ var": "/ var.detach()"}),
    (
        "counts for the rest",
        {_MOVE_MEAN: "self.mean += self.momentum * mean.detach()"},
    ),
    (
        "counts for the rest",
        {
            "self.mean.lerp_": "self.mean = torch.zeros_like(mean).lerp",
            "self.var.lerp_": "self.var = torch.ones_like(var).lerp",
        },
    ),
    ("says how far", {"self.momentum = momentum": "self.momentum = 0.1"}),
    ("`self.training` tells", {f"= {_MEMORY}": f"= {_OWN}"}),
    (
        "a layer in front may need it",
        {"return": "X = X if self.training else X.detach(); return"},
    ),
    (
        "only read",
        {
            "        return": "        if not self.training:\n"
            "            self.mean.lerp_(X.mean(dim=0), 0.5)\n"
            "        return"
        },
    ),
)


# 3.5 A better start

_WEIGHTS = "nn.init.normal_(module.weight, std=0.01)"
_BIASES = "nn.init.ones_(module.bias)"
_IF = "if isinstance(module, MyLinear):"
also_right(
    "better_start",
    {
        _WEIGHTS: "W = module.weight.data; W.copy_(torch.randn_like(W) / 100)",
        _BIASES: "module.bias.data.fill_(1)",
    },
    # As the chapter has it.
    """class MyLinear(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units))

    def forward(self, X):
        return F.relu(X @ self.weight + self.bias)""",
)
edited(
    "better_start",
    ("half of the networks answer 0", {"ones_": "zeros_"}),
    ("root of 0.01", {"0.01": "0.1"}),
    ("The weights come from", {"0.01": "0.01**2"}),
    ("left as it was", {_IF: f"{_IF[:-1]} and module.bias.numel() == 8:"}),
    ("`nn.Linear` is another", {", MyLinear)": ", nn.Linear)"}),
    ("An object of a subclass", {_IF: "if type(module) is MyLinear:"}),
    ("starts on its open side", {_BIASES: ""}),
    (
        "parameters that get a gradient",
        {_WEIGHTS: f"{_WEIGHTS}.requires_grad_(False)"},
    ),
    ("ask first which it is", {_IF: "if True:"}),
    ("ask with `isinstance`", {_IF: 'if hasattr(module, "weight"):'}),
    ("whose mean is 0", {"std=0.01": "1, 0.01"}),
    (
        "68% of the weights",
        {"normal_": "uniform_", "std=0.01": "-0.0173, 0.0173"},
    ),
    (
        "The weights come from",
        {_WEIGHTS: f"if len(module.weight) == 64: {_WEIGHTS}"},
    ),
    ("as often negative", {'"half"': '"none"'}),
    ("open side", {'"all"': '"half"'}),
)


# 3.6 Dropout

_DRAW = "torch.rand_like(X) >= self.p"
_DROPPED = f"X * ({_DRAW})"
_SCALE = "(1 - self.p)"
also_right(
    "dropout",
    {f"{_DROPPED} / {_SCALE}": "F.dropout(X, self.p)"},
    {
        f"{_DROPPED} / {_SCALE}": "torch.where(torch.bernoulli("
        f"torch.full_like(X, self.p)).bool(), 0, X / {_SCALE})"
    },
)
edited(
    "dropout",
    ("not to stay", {">=": "<", _SCALE: "self.p"}),
    ("A new layer is in training", {"not self": "self"}),
    ("the mean falls", {f" / {_SCALE}": ""}),
    ("not by p", {_SCALE: "self.p"}),
    (
        "with `torch.rand_like`, is below p",
        {">= self.p": ">= 0.5", _SCALE: "0.5"},
    ),
    ("multiplied by 1 - p, not divided", {f"/ {_SCALE}": f"* {_SCALE}"}),
    (
        "not an exact share of all",
        {"rand_like(X)": "randperm(X.numel()).view(X.shape) / X.numel()"},
    ),
    ("Is each input drawn by itself", {_DRAW: "torch.rand(()) >= self.p / 9"}),
    (
        "whatever its input is",
        {"not self.training": "not (self.training and X.dim() == 2)"},
    ),
    (
        "In evaluation a gradient must pass",
        {"return X\n": "return X.detach()\n"},
    ),
    ("What stays is to be divided by 1 - p.", {_DROPPED: f"2 * {_DROPPED}"}),
    (
        "same inputs for ever",
        {
            "self.p = p": "self.p, self.mask = p, torch.rand(100, 100)",
            "torch.rand_like(X)": "self.mask",
        },
    ),
    (
        "not a row or a column",
        {_DRAW: "torch.randperm(X.shape[-1]) >= self.p * X.shape[-1]"},
    ),
    (
        "not an exact share",
        {_DRAW: "torch.rand_like(X).argsort(-1) >= self.p * X.shape[-1]"},
    ),
    ("compute with X itself", {"X * (": "("}),
    ("compute with X itself", {"X * (": "X.data * ("}),
    (
        "As many numbers are to be drawn",
        {"rand_like(X)": "rand(X.shape[-2:])"},
    ),
    ("It may have any shape", {"rand_like(X)": "rand(100, 100)"}),
    ("has been written to", {"X * (": "X.mul_("}),
    (
        "its gradient isn't",
        {
            f"return {_DROPPED}": f"with torch.no_grad(): X.mul_({_DRAW})\n"
            "        return X"
        },
    ),
    ("The shape of the input", {_DROPPED: f"X[{_DRAW}]"}),
    ("the input passes as it is", {"if not self.training:": "if False:"}),
    ("nothing is left to scale", {"return X\n": f"return X * {_SCALE}\n"}),
    (
        "a plain attribute",
        {"self.p = p": 'self.register_buffer("p", torch.tensor(p))'},
    ),
)


# 3.7 Where to center

also_right(
    "where_to_center",
    "same_numbers = dict(CenteredLayer=True, RowCenteredLayer=False)",
)
edited(
    "where_to_center",
    ("changes none", {"True": "False"}),
    (
        "changes none",
        'same_numbers = {"CenteredLayer": False, "RowCenteredLayer": True}',
    ),
    ("one row of pixels", {"False": "True"}),
    ("Add", {', "RowCenteredLayer": False': ""}),
)


# 3.8 Name the wrong gradients

_COPY = "layer = copy.deepcopy(layer).double()"
_CHECKED = "gradcheck(call, varied, raise_exception=False)"
_NAMED = "{name for name in inputs if not agrees(name)}"
also_right(
    "name_the_wrong_gradients",
    """def wrong_gradients(layer, X):
    layer, X = copy.deepcopy(layer).double(), X.double().requires_grad_()
    tensors = {"input": X, **dict(layer.named_parameters())}
    found = []
    for name, tensor in tensors.items():
        for other in tensors.values():
            other.requires_grad_(other is tensor)

        def call(varied):
            return layer(varied if varied is X else X)

        try:
            gradcheck(call, tensor)
        except Exception:
            found.append(name)
    return found""",
)
edited(
    "name_the_wrong_gradients",
    (
        "rounding alone makes",
        {_COPY: "layer = copy.deepcopy(layer)", ".double()": ""},
    ),
    ("something is named", {_NAMED: "{*inputs}"}),
    (
        "Return a set",
        {_NAMED: "', '.join(name for name in inputs if not agrees(name))"},
    ),
    ("one tensor after the other", {_NAMED: "set()"}),
    (
        "aren't the names of the wrong",
        {_NAMED: '{"input" for name in inputs if not agrees(name)}'},
    ),
    (
        "A gradient that is missing",
        {_CHECKED: f"not call(varied).requires_grad or {_CHECKED}"},
    ),
    (
        "its name is",
        {_NAMED: _NAMED.replace("if not", 'if name != "input" and not')},
    ),
    (
        "its name is",
        {
            _NAMED: "{name.replace('input', 'X') for name in inputs "
            "if not agrees(name)}"
        },
    ),
    ("with one alone", {"X.detach()": "X[:1].detach()"}),
    (
        "has a dotted name",
        {
            _NAMED: "{name.split('.')[-1] for name in inputs "
            "if not agrees(name)}"
        },
    ),
    ("work on a copy", {_COPY: "layer = layer.double()"}),
    ("work on a copy", {_COPY: f"layer.requires_grad_(False); {_COPY}"}),
    ("cut off, and what not", 'found["weight.detach()"] = {"weight", "bias"}'),
    ("has the mean over the", 'found["SuspectLinear, three samples"] = set()'),
    ("mean over one sample", 'found["SuspectLinear, one sample"] = {"bias"}'),
)


# 3.9 A mask that stays

_BUFFER = 'self.register_buffer("mask", mask)'
_WITH_MASK = "(self.weight * self.mask)"
_DRAWN = "torch.randn(in_units, units)"
also_right(
    "mask_that_stays",
    {_WITH_MASK: "self.weight.masked_fill(~self.mask, 0)"},
    {_WITH_MASK: "torch.where(self.mask, self.weight, 0)"},
)
edited(
    "mask_that_stays",
    (
        "weight of shape (in_units, units)",
        {
            _DRAWN: "torch.randn(units, in_units)",
            _WITH_MASK: "(self.weight * self.mask.T).T",
        },
    ),
    (
        "it is no parameter",
        {_BUFFER: "self.mask = nn.Parameter(mask.float())"},
    ),
    ("in each run", {_WITH_MASK: "(self.weight + self.mask)"}),
    (
        "no ReLU is asked for",
        {"return X": "return torch.relu(X", "+ self.bias": "+ self.bias)"},
    ),
    ("can be written to", {_WITH_MASK: "self.weight"}),
    ("True is what counts", {"* self.mask": "* ~self.mask"}),
    ("no gradient reaches", {_WITH_MASK: "(self.weight.data * self.mask)"}),
    ("no gradient reaches", _NO_GRAD),
    ("unless it isn't persistent", {"mask)\n": "mask, persistent=False)\n"}),
    ("isn't saved", {_BUFFER: "self.mask = mask"}),
    ("keep it as it was given", {'"mask", mask': '"mask", mask.float()'}),
    (
        "keep it as it was given",
        {
            "def forward": "def _apply(self, fn):\n"
            "        super()._apply(fn)\n"
            "        self.mask = self.mask.to(self.weight.dtype)\n"
            "        return self\n\n    def forward"
        },
    ),
    (
        "that was loaded",
        {
            _BUFFER: f"{_BUFFER}; self.kept = mask.clone()",
            _WITH_MASK: "(self.weight * self.kept)",
        },
    ),
    (
        "stays behind",
        {
            "def forward": "def _apply(self, fn):\n"
            "        mask = self.mask\n"
            "        super()._apply(fn)\n"
            "        self.mask = mask\n"
            "        return self\n\n    def forward"
        },
    ),
    ("What does a step do", 'happens["set to 0 once: 0 after a step"] = True'),
    ("the derivative of that", 'happens["masked: the gradient is 0"] = False'),
)
