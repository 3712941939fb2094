"""Answers to the exercises of chapter 08."""

import math

import torch
from torch import nn

from tests.answers import also_right, edited, right

# 8.1 Promotion

_F16, _F32, _F64 = "torch.float16", "torch.float32", "torch.float64"
also_right(
    "promotion",
    {_F16: "torch.half", _F32: "torch.float", _F64: "torch.double"},
    {_F16: '"float16"', _F32: '"torch.float32"'},
)
edited(
    "promotion",
    (
        "not the number of bits",
        {f'"half + whole": {_F16}': f'"half + whole": {_F32}'},
    ),
    (
        "Floats without a size",
        {f'"whole + 0.5": {_F32}': '"whole + 0.5": torch.int32'},
    ),
    (
        "brings its own type",
        {f'"whole * half[0]": {_F16}': f'"whole * half[0]": {_F32}'},
    ),
    ("its own type comes out", {_F64: _F32}),
    (
        "the other one adapts",
        {f'"half * double[0]": {_F16}': f'"half * double[0]": {_F64}'},
    ),
    ("Which of them has dimensions", {"torch.bfloat16": _F32}),
    (
        "neither adapts",
        {f'brain[0]": {_F32}': 'brain[0]": torch.bfloat16'},
    ),
    (
        "`cat` promotes",
        {f'single])": {_F32}': f'single])": {_F16}'},
    ),
    ("Give a data type", {f'"whole + 0.5": {_F32}': '"whole + 0.5": 32'}),
    ("Add", {f'    "whole + 0.5": {_F32},\n': ""}),
)

# 8.2 The next number

_POWER = "2.0 ** (exponent - 1)"
_FREXP = "_, exponent = math.frexp(max(x, info.tiny))"
also_right(
    "next_number",
    {_POWER: "2.0 ** exponent / 2"},
    {_POWER: "math.ldexp(0.5, exponent)", "2049": "2049.0"},
    {_POWER: "torch.tensor(2.0) ** (exponent - 1)"},
)


@right("next_number")
def by_bits(x, dtype):
    whole = torch.int32 if dtype == torch.float32 else torch.int16
    x = torch.tensor([x]).to(dtype)
    return ((x.view(whole) + 1).view(dtype).double() - x.double()).item()


_LOG = "exponent = math.floor(math.log2(x)) + 1"
edited(
    "next_number",
    ("the distance at 1", {_POWER: "1"}),
    ("stays the same", {_POWER: "x"}),
    ("number below", {"1) * info.eps": "1 - (x == 2048)) * info.eps"}),
    (
        "must not be above x",
        {_FREXP: "exponent = math.ceil(math.log2(x)) + 1"},
    ),
    (
        "0 has no logarithm",
        {_FREXP: "exponent = max(math.floor(math.log2(x)), -14) + 1"},
    ),
    ("no longer shrinks", {_FREXP: _LOG}),
    (
        "as far away as any two",
        {_FREXP: "if x == 0: return 0.0\n    " + _FREXP},
    ),
    (
        "takes a number apart",
        {
            _FREXP: "log = torch.tensor(max(x, info.tiny)).log2()\n"
            "    exponent = math.floor(log.item()) + 1"
        },
    ),
    ("multiply `eps`", {"* info.eps": "* 0.3"}),
    ("this integer, and those around it", {"2049": "2048"}),
    ("the first odd one", {"257": "256"}),
)

# 8.3 A compensated sum

_TAKE, _LOST = "y = value - lost", "lost = (new - total) - y"
_ZEROS = "torch.zeros_like(values[0])"
also_right(
    "compensated_sum",
    {_ZEROS: "torch.tensor(0.0, dtype=values.dtype)"},
    {_TAKE: "y = value + lost", _LOST: "lost = y - (new - total)"},
    {_ZEROS: "values.new_zeros(())", "total = new": "total = new.clone()"},
)
edited(
    "compensated_sum",
    ("is forgotten", {_LOST: ""}),
    ("counted twice", {_TAKE: "y = value + lost"}),
    (
        "four operations",
        {
            _LOST: "lost = new - (total + y)",
            "return total": "return total + total",
        },
    ),
    ("without dimensions", {"return total": "return total.reshape(1)"}),
    ("in the type of the numbers", {"return total": "return total.float()"}),
    (
        "A larger type was used",
        {
            _ZEROS: f"{_ZEROS}.float()",
            "return total": "return total.to(values.dtype)",
        },
    ),
    ("in the type of the numbers", {_ZEROS: "torch.tensor(0.0).half()"}),
    ("take the loss off the number", {"in values:": "in values[:1000]:"}),
    ("one after the other", {"return total": "return values.sum()"}),
    (
        "may have more bits",
        {
            "return total": "total = sum(values.tolist())\n"
            "    return torch.tensor(total, dtype=values.dtype)"
        },
    ),
    ("are changed", {"return total": "values.mul_(2); return total"}),
    (
        "is computed nowhere",
        {
            "    total = torch.zeros": "    while len(values) > 1:\n"
            "        half = len(values) // 2\n"
            "        rest = values[2 * half:]\n"
            "        halves = values[:half] + values[half:2 * half]\n"
            "        values = torch.cat([halves, rest])\n"
            "    return values[0]\n"
            "    total = torch.zeros"
        },
    ),
)

# 8.4 A row of minus infinity

_FILL = "largest = largest.masked_fill(largest == -torch.inf, 0)"
_MAX = "largest = Z.detach().amax(dim=-1, keepdim=True)"
also_right(
    "row_of_minus_infinity",
    {
        _MAX: "largest = Z.max(dim=-1, keepdim=True).values",
        _FILL: "largest = torch.where(largest.isinf(), 0.0, largest)",
    },
    {_FILL: "largest = largest.clamp(min=-1e30)"},
    {_FILL: "largest = largest.nan_to_num(neginf=0.0)"},
)
edited(
    "row_of_minus_infinity",
    ("not added again", {" + largest.squeeze(-1)": ""}),
    ("Subtract the largest number of the row before", {"sums.log()": "sums"}),
    (
        "`exp` of a large number is infinite",
        {"Z - largest": "Z", " + largest.squeeze(-1)": ""},
    ),
    ("also where it is negative", {_FILL: "largest = largest.clamp(min=0)"}),
    (
        "With that of another row",
        {_MAX: "largest = Z.detach().amax().expand(*Z.shape[:-1], 1)"},
    ),
    ("Minus infinity less minus infinity", {_FILL: ""}),
    ("The sum of zeros is 0", {"sums.log()": "(sums + 1e-30).log()"}),
    ("This is torch's own", {"return": "return Z.logsumexp(dim=-1);"}),
    (
        "the others stay",
        {
            "return": "if Z.dim() > 2:\n"
            "        Z, largest, sums = Z[0], largest[0], sums[0]\n"
            "    return"
        },
    ),
    ("No gradient reaches Z", {"(Z - largest)": "(Z.detach() - largest)"}),
    (
        "nothing but the largest",
        {"sums.log()": "sums.detach().log() + sums - sums.detach()"},
    ),
    ("are changed", {_MAX: "Z = Z.detach().mul_(2) / 2; " + _MAX}),
    ("computed in it", {_MAX: "Z = Z.float(); " + _MAX}),
    (
        "computed in it",
        {_MAX: "dtype = Z.dtype; Z = Z.float(); " + _MAX}
        | {"largest.squeeze(-1)": "largest.squeeze(-1).to(dtype)"},
    ),
)

# 8.5 A loss scaler

_DIVIDE = "            gradient /= self.scale\n"
_ALL = "if not all(gradient.isfinite().all() for gradient in gradients):"
_SKIP = (
    f"        {_ALL}\n"
    "            self.scale, self.good_steps = self.scale / 2, 0\n"
    "            return\n"
)
_GOOD = "self.good_steps == self.growth_interval"
_HALVE, _DOUBLE = "= self.scale / 2, 0", "= 2 * self.scale, 0"
also_right(
    "loss_scaler",
    {
        "gradient /= self.scale": "gradient.div_(self.scale)",
        _ALL: "if not torch.cat(gradients).isfinite().all():",
    },
    {_ALL: "if any((g - g).any() for g in gradients):"},
    {"= scale,": "= torch.tensor(float(scale)),"},
    {
        _GOOD: "self.good_steps % self.growth_interval == 0",
        _DOUBLE: "= 2 * self.scale, self.good_steps",
    },
)
edited(
    "loss_scaler",
    ("returns the loss times the scale", {"loss * self.scale": "loss"}),
    ("as a tensor", {"loss * self.scale": "loss.item() * self.scale"}),
    (
        "must pass from what",
        {"loss * self.scale": "(loss * self.scale).detach()"},
    ),
    (
        "begins with a scale",
        {"return loss * self.scale": "return loss * 1024"},
    ),
    ("not divided by the scale", {_DIVIDE: "            pass\n"}),
    (
        "divide each `grad` by it",
        {"gradient /= self.scale": "gradient /= self.scale ** 2"},
    ),
    ("the weights must stay", {_SKIP: ""}),
    (
        "of all parameters in the optimizer's",
        {_ALL: "if any(gradient.isinf().any() for gradient in gradients):"},
    ),
    (
        "the weights must stay",
        {_ALL: "if any(gradient.isnan().any() for gradient in gradients):"},
    ),
    (
        "One bad number",
        {_ALL: "if not any(g.isfinite().all() for g in gradients):"},
    ),
    ("One bad number", {_ALL: "if not gradients[0].isfinite().all():"}),
    (
        "One bad number",
        {_ALL: "if not all(g.isfinite().any() for g in gradients):"},
    ),
    (
        "divide each `grad` by it",
        {
            "in optimizer.param_groups": "in optimizer.param_groups[:1]",
        },
    ),
    (
        "return another tensor",
        {"loss * self.scale": "loss.mul_(self.scale)"},
    ),
    ("the scale is halved", {_HALVE: "= self.scale, 0"}),
    (
        "Don't call it at all",
        {
            _HALVE: f"{_HALVE}\n"
            "            [g.zero_() for g in gradients]\n"
            "            optimizer.step()"
        },
    ),
    ("haven't moved", {"        optimizer.step()\n": ""}),
    ("its `grad` is None", {" if p.grad is not None": ""}),
    ("the scale doubles", {_DOUBLE: "= self.scale, 0"}),
    (
        "the scale doubles",
        {_GOOD: "self.good_steps == 2000"},
    ),
    ("begins at 0 again.", {_DOUBLE: "= 2 * self.scale, self.good_steps"}),
    (
        "ends the row",
        {_HALVE: "= self.scale / 2, self.good_steps"},
    ),
    ("Keep the current scale", {"self.scale": "self.s"}),
    (
        "they are to be the true ones"[5:],
        {
            "        optimizer.step()\n": "        optimizer.step()\n"
            "        for g in gradients: g *= 2\n"
        },
    ),
)

# 8.6 Master weights

_MOVE, _COPY = "master -= self.lr * p.grad.float()", "p.copy_(master)"
_NO_GRAD = "    @torch.no_grad()\n"
also_right(
    "master_weights",
    {
        _MOVE: "master.add_(p.grad, alpha=-self.lr)",
        _COPY: "p.data = master.to(p.dtype)",
    },
    {"p.grad = None": "p.grad = torch.zeros_like(p)"},
)


@right("master_weights")
class ByTorch:
    def __init__(self, parameters, lr):
        self.pairs = [
            (p, nn.Parameter(p.detach().float())) for p in parameters
        ]
        self.sgd = torch.optim.SGD([master for _, master in self.pairs], lr)

    def zero_grad(self):
        for p, _ in self.pairs:
            p.grad = None

    def step(self):
        for p, master in self.pairs:
            master.grad = None if p.grad is None else p.grad.float()
        self.sgd.step()
        for p, master in self.pairs:
            p.data.copy_(master)


edited(
    "master_weights",
    ("as long as the optimizer", {"p.detach().float()": "p.detach().clone()"}),
    ("hasn't moved", {_COPY: ""}),
    ("the other way", {"master -=": "master +="}),
    ("copies the master into", {"self.lr *": "2 * self.lr *"}),
    (
        "start where the parameters are",
        {"p.detach().float()": "p.detach().float() * (p == 1).all()"},
    ),
    ("stay in bfloat16", {_COPY: "p.data = master"}),
    ("has None as its", {"if p.grad is not None": "if True"}),
    (
        "can be gone through once",
        {"list(parameters)": "parameters", ", strict=True": ""},
    ),
    ("is None or 0", {"p.grad = None": "pass"}),
    ("must not be recorded", {_NO_GRAD: ""}),
    ("more than the weights", {_COPY: f"{_COPY}.requires_grad_(False)"}),
    ("keeps the one that it has", {_COPY: f"{_COPY}; p.grad = None"}),
    ("keeps the one", {_COPY: f"{_COPY}; p.grad.mul_(self.lr)"}),
    ("was rounded to bfloat16", {_MOVE: "master -= (self.lr * p.grad)"}),
    (
        "A master is in float32",
        {"p.detach().float()": "p.detach().double()"},
    ),
)

# 8.7 A norm in float16

_S = "s = X.abs().amax(dim=-1, keepdim=True).clamp(min=1)"
_ROOT = "Z * torch.rsqrt(mean_square + eps / s**2)"
also_right(
    "norm_in_float16",
    {_ROOT: "Z / (mean_square + eps / s / s).sqrt()"},
    {_S: "s = X.abs().amax(dim=-1, keepdim=True).clamp(min=0.01)"},
    {
        _S: "s = 2.0 ** X.norm(torch.inf, dim=-1, keepdim=True)"
        ".clamp(min=1).log2().ceil().clamp(max=15)"
    },
)
edited(
    "norm_in_float16",
    (
        "the mean is along the last",
        {"square().mean(dim=-1": "square().mean(dim=0"},
    ),
    ("Divide the row by its largest", {_S: "s = 1"}),
    (
        "Divide the row by its largest",
        {_S: "s = X.abs().amax(dim=-1, keepdim=True).clamp(min=1, max=100)"},
    ),
    (
        "So must be eps",
        {
            _S: "s = X.abs().amax(dim=-1, keepdim=True).clamp(min=1e-6)",
            "eps / s**2": "eps",
        },
    ),
    ("keep eps under the root", {"eps / s**2": "1e-3"}),
    ("The eps under the root", {"eps / s**2": "1e-5 / s**2"}),
    (
        "largest absolute value",
        {"X.abs().amax(dim=-1, keepdim=True)": "X.amax(dim=-1, keepdim=True)"},
    ),
    (
        "need not be divided at all",
        {".clamp(min=1)": ".clamp(min=1e-6)", "s**2": "s.square()"},
    ),
    ("1 does as well", {".clamp(min=1)": ""}),
    ("must not make a row too small", {_S: "s = X.abs().max().clamp(min=1)"}),
    (
        "other than that of X",
        {
            _S: "dtype = X.dtype; X = X.float(); " + _S,
            _ROOT: f"({_ROOT}).to(dtype)",
        },
    ),
    (
        "which computes in float32",
        {"return": "return F.rms_norm(X, X.shape[-1:], eps=eps);"},
    ),
    ("in the type of X", {"eps / s**2)": "eps / s**2).float()"}),
    ("are changed", {"Z = X / s": "Z = X.div_(s)"}),
)

# 8.8 Decode float8

_SMALL = "    if e == 0:\n        return sign * f / 8 * 2**-6\n"
_NAN = "    if code & 127 == 127:\n        return math.nan\n"
_TABLE = """
_MADE = torch.arange(256, dtype=torch.uint8)
_MADE = _MADE.view(torch.float8_e4m3fn).float().tolist()


def decode(code):
    return _MADE[code]
"""
_IN_DICT = """
def made():
    codes = torch.arange(256, dtype=torch.uint8)
    numbers = codes.view(torch.float8_e4m3fn).double().tolist()
    table = dict(enumerate(numbers))

    def find(code):
        return table[code]

    return find


found = made()


def decode(code):
    return found(code)
"""
also_right(
    "decode_float8",
    {"code & 127 == 127": "code in (127, 255)"},
    {_SMALL: "    if e == 0:\n        return sign * f / 512\n"},
    {
        "def decode": "import functools\n\n_POWERS = [2.0 ** (e - 7) for e in "
        "range(16)]\n\n\n@functools.cache\ndef decode",
        "(1 + f / 8) * 2.0 ** (e - 7)": "(1 + f / 8) * _POWERS[e]",
    },
)


@right("decode_float8")
def by_text(code):
    sign, *bits = f"{code:08b}"
    e, f = int("".join(bits[:4]), 2), int("".join(bits[4:]), 2)
    if "0" not in bits:
        return float("nan")
    number = math.ldexp(f + 8 * (e > 0), max(e, 1) - 10)
    return -number if sign == "1" else number


edited(
    "decode_float8",
    ("four bits of the exponent", {"e - 7": "e - 8"}),
    ("the three of the fraction", {"f / 8)": "f)"}),
    ("the sign", {"sign = -1.0 if code & 128 else 1.0": "sign = 1.0"}),
    ("that of e = 1", {_SMALL: ""}),
    ("that of e = 1", {"2**-6": "2**-7"}),
    (
        "no infinity",
        {
            "    if e == 0": "    if e == 15: return sign * math.inf\n"
            "    if e == 0"
        },
    ),
    ("this is NaN", {_NAN: ""}),
    ("one for each sign", {"code & 127 == 127": "code == 127"}),
    (
        "without PyTorch",
        {
            "sign = -1.0 if code & 128 else 1.0": "sign = "
            "torch.tensor(1 - 2 * (code >> 7)).item()"
        },
    ),
    ("Return a Python float", {_SMALL: _SMALL + "    return str(e)\n"}),
    ("when `decode` is called", _TABLE),
    (
        "when `decode` is called",
        _TABLE.replace(".tolist()", ".view(16, 16).numpy()").replace(
            "_MADE[code]", "float(_MADE[code // 16, code % 16])"
        ),
    ),
    ("when `decode` is called", _IN_DICT),
)

# 8.9 A clamp and its gradient

_LARGEST = "torch.maximum(-z, torch.zeros_like(z))"
_LOG1P = "torch.log1p(torch.exp(-z.abs()))"
_RETURN = f"largest + {_LOG1P}"
also_right(
    "clamp_and_its_gradient",
    {_RETURN: "torch.logaddexp(-z, torch.zeros_like(z))"},
    {
        _RETURN: "torch.where(z > 0, (-z.abs()).exp().log1p(), "
        "-z + z.clamp(max=0).exp().log1p())"
    },
    {'": 0,': '": -0.0,', "-1,": "-1.0,"},
)
edited(
    "clamp_and_its_gradient",
    ("This isn't -log(sigmoid(z))", {"-z, torch": "z, torch"}),
    ("something overflows", {_RETURN: "-z.sigmoid().log()"}),
    ("something overflows", {_RETURN: "(1 + (-z).exp()).log()"}),
    ("has a cap here", {_RETURN: "-z.sigmoid().clamp(min=1e-7).log()"}),
    ("has a cap here", {_RETURN: "-(z.sigmoid() + 1e-30).log()"}),
    ("`log1p` keeps it", {_LOG1P: "torch.log(1 + torch.exp(-z.abs()))"}),
    ("No gradient reaches z", {_RETURN: f"({_RETURN}).detach()"}),
    ("less 1", {_LARGEST: f"{_LARGEST}.detach()"}),
    ("less 1", {_LOG1P: f"{_LOG1P}.detach()"}),
    ("has no slope", {_LARGEST: "(-z).clamp(min=0)"}),
    ("`torch.maximum` halves", {_LARGEST: "(-z).relu()"}),
    ("This is torch's own", {_RETURN: "F.softplus(-z)"}),
    ("This is torch's own", {_RETURN: "-F.logsigmoid(z)"}),
    (
        "This is torch's own",
        {
            _RETURN: "F.binary_cross_entropy_with_logits("
            "z, torch.ones_like(z), reduction='none')"
        },
    ),
    ("a clamp is a constant", {'min=1e-7).log()": 0': 'min=1e-7).log()": -1'}),
    (
        "which has become 0",
        {'1e-7).log()": 0,\n    "true"': '1e-7).log()": -1,\n    "true"'},
    ),
    ("What is its slope", {'"true": -1': '"true": 1'}),
)
