"""The checks of chapter 08, Choose a data type, and train in mixed precision.

What an answer may not use, and in which types it computes, is seen by a mode
that notes the functions of torch that it calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ._around import reached
from ._compare import (
    RTOL,
    asked,
    case,
    equal,
    has_graph,
    holds,
    predicted,
)
from ._exercise import exercise
from ._hints import Hint
from ._phrase import Phrase
from ._report import show


class Watched(TorchFunctionMode):
    """Note which functions of torch are called, and the types they give.

    The type of a new tensor doesn't count: it may be converted at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.types: set[torch.dtype] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.names.add(getattr(func, "__name__", ""))
        if isinstance(result, Tensor) and _has_tensor(args):
            self.types.add(result.dtype)
        return result

    def without(self, names: Iterable[str], hint: Hint) -> None:
        """Require that none of some functions was called."""
        for name in sorted(self.names.intersection(names)):
            expected = Phrase("an answer without `{name}`", name=name)
            holds(False, expected, "one that calls it", hint)

    def in_type(self, dtype: torch.dtype, hint: Hint) -> None:
        """Require that all floating-point numbers have a type."""
        for other in sorted(self.types - {dtype}, key=str):
            if other.is_floating_point:
                expected = Phrase("numbers in {dtype} alone", dtype=str(dtype))
                got = Phrase("some in {dtype}", dtype=str(other))
                holds(False, expected, got, hint)


def _has_tensor(args: Iterable[object]) -> bool:
    return any(isinstance(a, Tensor) for a in args)


def _has_type(tensor: Tensor, dtype: torch.dtype, hint: Hint) -> None:
    holds(tensor.dtype == dtype, show(dtype), show(tensor.dtype), hint)


_PROMOTION = {
    "half + whole": "Floats are a higher category than integers: among two "
    "categories the higher one decides, and not the number of bits.",
    "whole + 0.5": "A Python number brings a category and no size. Floats "
    "without a size have the default type.",
    "whole * half[0]": "A tensor without dimensions decides after all if its "
    "category is the higher one. Here it brings its own type.",
    "whole + double[0]": "Floats are above integers, also without "
    "dimensions: its own type comes out.",
    "half * double[0]": "Both are floats, and one has dimensions: the other "
    "one adapts.",
    "half[0] + brain": "Both are floats. Which of them has dimensions?",
    "half[0] + brain[0]": "Neither has dimensions, so that neither adapts. "
    "Which type has room for both?",
    "torch.cat([half, single])": "Both have dimensions: `cat` promotes as a "
    "sum does.",
}


@exercise(
    "8.1 Promotion",
    "you know the type that each of eight operations gives",
)
def promotion(promoted: dict) -> None:
    half, brain = torch.ones(2).half(), torch.ones(2).bfloat16()
    single, double = torch.ones(2), torch.ones(2).double()
    whole = torch.ones(2).int()
    results = (
        half + whole,
        whole + 0.5,
        whole * half[0],
        whole + double[0],
        half * double[0],
        half[0] + brain,
        half[0] + brain[0],
        torch.cat([half, single]),
    )
    truth = {
        name: result.dtype
        for name, result in zip(_PROMOTION, results, strict=True)
    }
    given = {name: _dtype(answer) for name, answer in promoted.items()}
    for name in truth.keys() & given.keys():
        with asked(Phrase("your prediction for {name}", name=show(name))):
            is_type = isinstance(given[name], torch.dtype)
            hint = "Give a data type, such as `torch.float16`."
            holds(is_type, "", show(given[name]), hint)
    predicted(given, truth, _PROMOTION)


def _dtype(answer: object) -> object:
    """A data type, also from its name."""
    if isinstance(answer, str):
        found = getattr(torch, answer.strip().removeprefix("torch."), None)
        return found if isinstance(found, torch.dtype) else answer
    return answer


_NEXT = {
    "distance": (
        "This isn't how far the next number is.",
        "At 1 it is `eps`. It doubles with each power of two: multiply `eps` "
        "by the largest power of two that isn't above x.",
    ),
    "eps": "This is `eps`, the distance at 1. Further up it is larger, and "
    "further down smaller.",
    "times x": "The distance doesn't grow from number to number. From one "
    "power of two to the next it stays the same.",
    "below": "This is half of it. At a power of two, that is the distance to "
    "the number below.",
    "above": "This is twice as much. The power of two must not be above x.",
    "flat": "On the flat part at the left of the picture the distance no "
    "longer shrinks. It is flat below the smallest normal number, `tiny`.",
    "zero": (
        "0 has no logarithm.",
        "The next number above 0 is the smallest one: as far away as any two "
        "neighbors below `tiny` are from each other.",
    ),
    "precise": "Near a power of two a logarithm is rounded up to it. "
    "`math.frexp` takes a number apart exactly.",
    "changed": (
        "Try it: this integer, and those around it, through the type and "
        "back.",
        "Up to a power of two, each integer is a number of the type. From "
        "there on the distance is 2, and the first odd one is changed.",
    ),
}


@exercise(
    "8.2 The next number",
    "the distance is that of the type, also at a power of two",
    "it is right on the flat part, and for 0",
    "you know the first integer that a round trip changes",
)
def next_number(distance_to_next: Callable, first_changed: dict) -> None:
    hints = _NEXT
    smallest, half = 2.0**-24, torch.float16
    for x, dtype in (
        (1.0, half),
        (1.5, torch.bfloat16),
        (300.0, half),
        (0.75, torch.bfloat16),
        (2048.0, half),
        (3.0, torch.float32),
        (1000 * smallest, half),
        (0.0, half),
        (2.0**24 - 1, torch.float32),
    ):
        info = torch.finfo(dtype)
        power = 2.0 ** (math.frexp(x)[1] - 1) if x else 0.0
        truth = max(power, info.tiny) * info.eps
        known = {
            info.eps * x: hints["times x"],
            info.eps: hints["eps"],
            truth / 2: hints["below"],
            truth * 2: hints["above"],
        }
        if power < info.tiny:
            known = dict.fromkeys((power * info.eps, *known), hints["flat"])
        if x == 0:
            known = {}
        if x == 2.0**24 - 1:
            known = {truth * 2: hints["precise"]}
        given = Phrase("x = {x}, {dtype}", x=f"{x:g}", dtype=str(dtype))
        hint = hints["zero"] if x == 0 else ""
        with case(given, hint):
            got = distance_to_next(x, dtype)
            hint = hint or hints["distance"]
            equal(got, truth, hint, known, 1e-9, 0, what="distance")
    truth = {}
    for name in ("float16", "bfloat16"):
        k = torch.arange(1, 5000)
        changed = k.to(getattr(torch, name)).long() != k
        truth[name] = k[changed][0].item()
    predicted(first_changed, truth, dict.fromkeys(truth, hints["changed"]))


_SUM = {
    "sum": (
        "This isn't the sum.",
        "Each round has four operations: take the loss off the number; add "
        "it to the total; see what the addition has lost; keep the new "
        "total.",
    ),
    "stalls": "The total stalls where the next number is too far away: what "
    "an addition has lost is forgotten.",
    "sign": (
        "The loss has the wrong sign: it is counted twice, in place of being "
        "made good.",
        "(new total - old total) - what was added: if the new total is too "
        "large, this is positive, and must be taken off.",
    ),
    "shape": "The sum of a vector is one number, a tensor without dimensions.",
    "type": "The sum is to be in the type of the numbers.",
    "wide": "A larger type was used on the way. Begin with a zero of the type "
    "of `values`.",
    "own": "Add the numbers yourself, one after the other.",
    "pairs": "The sum is right, and what an addition has lost is computed "
    "nowhere: it is a difference.",
    "python": "A number outside of a tensor may have more bits. Keep the "
    "total and the loss in tensors.",
    "left": "The numbers that were given are changed.",
}


@exercise(
    "8.3 A compensated sum",
    "the sum of a few numbers is right, in their type",
    "a long sum doesn't stall",
    "no larger type is used, and no sum of torch's",
    "the numbers are left as they were",
)
def compensated_sum(compensated_sum: Callable) -> None:
    hints = _SUM
    for given, values in (
        ("[1, 2, 3] in float16", torch.tensor([1.0, 2, 3]).half()),
        ("500 numbers of 0.02 in bfloat16", torch.full((500,), 0.02)),
        ("3,000 numbers of 0.003 in float16", torch.full((3000,), 0.003)),
    ):
        dtype = torch.bfloat16 if "bfloat16" in given else torch.float16
        values = values.to(dtype)
        copy = values.clone()
        with case(given):
            with Watched() as watched:
                total = compensated_sum(copy)
            is_tensor = isinstance(total, Tensor)
            holds(is_tensor, "a tensor", show(total), hints["shape"])
            shape = tuple(total.shape)
            equal(shape, (), hints["shape"], what="shape")
            _has_type(total, dtype, hints["type"])
            known = {
                _plain_sum(values, 0): hints["stalls"],
                _plain_sum(values, 1): hints["sign"],
            }
            truth, near = values.double().sum(), torch.finfo(dtype).eps
            right = truth.to(dtype).item()
            got = total.item()
            equal(got, right, hints["sum"], known, near, what="sum")
            watched.without(_READERS, hints["python"])
            watched.in_type(dtype, hints["wide"])
            watched.without(_SUMS, hints["own"])
            expected = "an answer that computes what is lost"
            differences = watched.names.intersection(_DIFFERENCES)
            holds(differences, expected, "another one", hints["pairs"])
            same = torch.equal(copy, values)
            holds(same, "the numbers as they were", "others", hints["left"])


# What gives Python numbers, and what adds by itself.
_READERS = ("item", "tolist", "__float__", "numpy")
_SUMS = ("sum", "cumsum", "mean", "dot", "matmul", "__matmul__", "einsum")
# A sum by halves doesn't stall either, and has none.
_DIFFERENCES = (
    *("sub", "sub_", "subtract", "rsub", "neg"),
    *("__sub__", "__isub__", "__rsub__", "__neg__"),
)


def _plain_sum(values: Tensor, sign: int) -> float:
    """A running sum whose loss is forgotten, or added once more."""
    total, loss = torch.zeros_like(values[0]), torch.zeros_like(values[0])
    for value in values:
        y = value + sign * loss
        new = total + y
        loss = (new - total) - y
        total = new
    return total.item()


_ROW = {
    "value": (
        "This isn't the logarithm of the sum of the exponentials of each row.",
        "Subtract the largest number of the row before `exp`, and add it "
        "after `log`.",
    ),
    "added": "The largest number was subtracted, and not added again.",
    "overflow": "`exp` of a large number is infinite: subtract the largest "
    "number of the row first.",
    "underflow": "Each `exp` has become 0. The largest number of each row is "
    "to become 0 before `exp`, also where it is negative.",
    "row": "A row has a largest number of its own. With that of another row, "
    "all its numbers may be too small.",
    "masked": (
        "Minus infinity less minus infinity is NaN.",
        "Where the largest number of a row is minus infinity, subtract 0: "
        "each `exp` is 0 then, and the logarithm of 0 is minus infinity.",
    ),
    "large": "A finite number in its place gives a finite sum. The sum of "
    "zeros is 0, and the logarithm of it minus infinity.",
    "type": "The result is to be in the type of Z, and computed in it.",
    "own": "This is torch's own. Write it from `exp`, `sum` and `log`.",
    "shape": "Each row becomes one number: the last dimension goes, and the "
    "others stay.",
    "cut": "No gradient reaches Z.",
    "gradient": "The gradient isn't the softmax of the row. Cut off the graph "
    "nothing but the largest number.",
    "left": "The numbers that were given are changed.",
}


@exercise(
    "8.4 A row of minus infinity",
    "the result is right for small, large and very negative logits",
    "single logits, and a whole row, may be minus infinity",
    "there may be any number of dimensions",
    "the gradient of a row is its softmax, beside a masked row, too",
)
def row_of_minus_infinity(log_sum_exp: Callable) -> None:
    hints, inf = _ROW, torch.inf
    for rows, hint in (
        ([[0.0, 0.0]], hints["value"]),
        ([[1.0, 3.0], [2.0, 0.0]], hints["value"]),
        ([[1000.0, 0.0]], hints["overflow"]),
        ([[-1000.0, -1000.0]], hints["underflow"]),
        ([[-1000.0, -1000.0], [1000.0, 0.0]], hints["row"]),
        ([[-inf, 2.0]], hints["value"]),
        ([[-inf, -inf], [0.0, 0.0]], hints["masked"]),
        ([[[1.0, 2.0], [3.0, 4.0], [0.0, -inf]]], hints["shape"]),
    ):
        Z = torch.tensor(rows)
        copy = Z.clone()
        with case(Phrase("Z = {rows}", rows=str(rows))):
            with Watched() as watched:
                got = log_sum_exp(copy)
            watched.without(["logsumexp"], hints["own"])
            truth = Z.logsumexp(-1)
            shifted = truth - Z.amax(-1)
            known = {shifted: hints["added"]} if _is_finite(shifted) else {}
            is_tensor = isinstance(got, Tensor)
            if is_tensor and got.shape != truth.shape:
                hint = hints["shape"]
            elif is_tensor and (truth == -inf).any() and not got.isnan().any():
                hint = hints["large"]
            elif _is_finite(got):
                hint = hints["value"]
            equal(got, truth, hint, known)
            same = torch.equal(copy, Z)
            holds(same, "Z as it was", "another", hints["left"])
    with case("Z = [[1, 2]] in float64"):
        Z = torch.tensor([[1.0, 2]]).double()
        got = log_sum_exp(Z.clone())
        _has_type(got, torch.float64, hints["type"])
        precise = torch.allclose(got, Z.logsumexp(-1), rtol=1e-12, atol=0)
        expected = "a result with 12 correct digits"
        holds(precise, expected, "one with fewer", hints["type"])
    given = "Z = [[1, 2, -inf], [-inf, -inf, -inf]], backward from the first"
    with case(given):
        Z = torch.tensor([[1.0, 2, -inf], [-inf] * 3]).requires_grad_()
        got = log_sum_exp(Z)
        has_graph(got, hints["cut"])
        got[0].backward()
        softmax = Z.detach()[0].softmax(-1)
        what = "gradient of the first row"
        equal(Z.grad[0], softmax, hints["gradient"], what=what)


def _is_finite(value: object) -> bool:
    return isinstance(value, Tensor) and bool(value.isfinite().all())


_SCALER = {
    "multiply": "`multiply` returns the loss times the scale, as a tensor "
    "with its graph.",
    "cut": "`backward` must pass from what `multiply` returns to the weights.",
    "divided": (
        "The step is not that of the true gradients.",
        "They were multiplied by the scale: divide each `grad` by it, in "
        "place, before the optimizer steps.",
    ),
    "scaled": "The step went with the gradients of the scaled loss: they were "
    "not divided by the scale.",
    "unmoved": "The weights haven't moved: where all gradients are finite, "
    "`step` calls `optimizer.step()`.",
    "gradients": "After the step the gradients are to be the true ones, as "
    "they are after `unscale_`.",
    "skip": (
        "A gradient is infinite or NaN: the weights must stay as they are.",
        "Look at the gradients of all parameters in the optimizer's "
        "`param_groups`, and call its `step` if all numbers are finite.",
    ),
    "all": "One bad number in one gradient is enough to skip the step for "
    "all parameters.",
    "halved": "After a step with an infinity the scale is halved.",
    "momentum": "The skipped step has left a trace in the optimizer, as "
    "`optimizer.step()` does with whatever gradients. Don't call it at all.",
    "grows": "After as many steps in a row as `growth_interval` says, the "
    "scale doubles.",
    "again": "After it has doubled, the count begins at 0 again.",
    "in a row": "A skipped step ends the row: the count begins at 0 again.",
    "none": "A parameter that took no part has no gradient: its `grad` is "
    "None. Leave it out.",
    "default": "`LossScaler()` begins with a scale of 65,536.",
    "kept": "Keep the current scale in `self.scale`.",
    "left": "The loss that was given is changed: return another tensor.",
}
_INF, _NAN = torch.inf, torch.nan


@exercise(
    "8.5 A loss scaler",
    "the loss is multiplied, and the gradients are divided again",
    "a step with an infinity or NaN changes neither weights nor optimizer, "
    "and halves the scale",
    "steps in a row double the scale, as torch's `GradScaler` does",
    "a parameter may have no gradient",
)
def loss_scaler(LossScaler: type) -> None:
    hints = _SCALER
    with case("LossScaler(), a loss of 3"):
        loss = torch.tensor(3.0, requires_grad=True)
        given = loss * 1
        scaled = LossScaler().multiply(given)
        known = {3.0: hints["multiply"]}
        is_tensor = isinstance(scaled, Tensor)
        hint = hints["default" if is_tensor else "multiply"]
        what = "loss, multiplied"
        equal(scaled, 3 * 65536.0, hint, known, what=what)
        holds(is_tensor, "a tensor", show(scaled), hints["multiply"])
        has_graph(scaled, hints["cut"])
        equal(given.item(), 3.0, hints["left"], what="loss")
    for gradients, given in (
        ([(1.0, 2.0)], "one step with the gradients 1 and 2"),
        ([(_INF, _INF)], "one step with infinite gradients"),
        ([(_NAN, _NAN)], "one step with NaN as gradients"),
        ([(1.0, _INF)], "one step with the gradients 1 and infinity"),
        (
            [(1.0, (1.0, _INF))],
            "one step with an infinity in a part of a gradient",
        ),
        (
            [(1.0, 2.0), (_INF, 1.0), (1.0, 2.0)],
            "three steps, the second with an infinity, and momentum",
        ),
        ([(1.0, None)], "one step, where a parameter has no gradient"),
    ):
        _steps_as_torch(LossScaler, gradients, given)
    for bad, number, hint in (
        ((), 3, hints["grows"]),
        ((), 8, hints["again"]),
        ((2,), 5, hints["in a row"]),
    ):
        gradients = [(_INF if i in bad else 1.0, 1.0) for i in range(number)]
        _scales_as_torch(LossScaler, gradients, hint)


Gradients = list[tuple[float | tuple[float, float] | None, ...]]


def _optimized() -> tuple[list[nn.Parameter], torch.optim.Optimizer]:
    weights = [nn.Parameter(torch.ones(2)) for _ in range(2)]
    groups = [{"params": [w]} for w in weights]
    return weights, torch.optim.SGD(groups, lr=0.125, momentum=0.5)


def _loss(weights: list[nn.Parameter], gradients: tuple) -> Tensor:
    """A loss with these gradients."""
    parts = zip(weights, gradients, strict=True)
    return sum((w * torch.tensor(g)).sum() for w, g in parts if g is not None)


def _torch_scaler(interval: int) -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", init_scale=8, growth_interval=interval)


def _steps_as_torch(make: type, gradients: Gradients, given: str) -> None:
    """Require the weights and the scale that torch's scaler leaves."""
    hints = _SCALER
    weights, optimizer = _optimized()
    expected, theirs = _optimized()
    torchs = _torch_scaler(100)
    errors = {"has no attribute 'scale'": hints["kept"]}
    if any(None in both for both in gradients):
        errors["NoneType"] = hints["none"]
    with case(Phrase("a scale of 8, {given}", given=given), known=errors):
        scaler = make(8.0, growth_interval=100)
        for both in gradients:
            optimizer.zero_grad()
            theirs.zero_grad()
            scaler.multiply(_loss(weights, both)).backward()
            scaler.step(optimizer)
            torchs.scale(_loss(expected, both)).backward()
            torchs.step(theirs)
            torchs.update()
        got, right = (
            [w.detach()[0].item() for w in both]
            for both in (weights, expected)
        )
        found = [torch.tensor(g) for g in both if g is not None]
        bad = any(not g.isfinite().all() for g in found)
        hint = hints["skip" if bad else "divided"]
        hint = hints["all"] if bad and both[0] == 1.0 else hint
        hint = hints["momentum"] if len(gradients) > 1 else hint
        known = {}
        if not bad and len(gradients) == 1:
            known = {
                (1.0, 1.0): hints["unmoved"],
                tuple(1 - 8 * (1 - w) for w in right): hints["scaled"],
            }
        equal(got, right, hint, known, what="weights")
        if not bad:
            true = [w.grad[0].item() for w in weights if w.grad is not None]
            finite = [g for g in both if g is not None]
            equal(true, finite, hints["gradients"], what="gradients")
        scale = torchs.get_scale()
        equal(scaler.scale, scale, hints["halved"], what="scale")


def _scales_as_torch(make: type, gradients: Gradients, hint: Hint) -> None:
    weights, optimizer = _optimized()
    torchs, (expected, theirs) = _torch_scaler(3), _optimized()
    steps = ", ".join("inf" if _INF in g else "finite" for g in gradients)
    with case(Phrase("growth_interval=3, steps: {steps}", steps=steps)):
        scaler = make(8.0, growth_interval=3)
        got, right = [], []
        for both in gradients:
            optimizer.zero_grad()
            scaler.multiply(_loss(weights, both)).backward()
            scaler.step(optimizer)
            got.append(float(scaler.scale))
            theirs.zero_grad()
            torchs.scale(_loss(expected, both)).backward()
            torchs.step(theirs)
            torchs.update()
            right.append(torchs.get_scale())
        equal(got, right, hint, what="scales")


_MASTER = {
    "stuck": (
        "The weight hasn't moved.",
        "In bfloat16 an update of 0.001 is rounded away. It goes to a copy of "
        "the weight in float32, which lives as long as the optimizer.",
    ),
    "moved": (
        "These aren't the weights that the steps lead to.",
        "A step takes `lr` times the gradient off the master, and copies the "
        "master into the parameter.",
    ),
    "up": "The weight went the other way: a step goes against the gradient.",
    "start": "The masters start where the parameters are.",
    "type": "The parameters must stay in bfloat16: copy the numbers of the "
    "master into them.",
    "none": "A parameter without a gradient has None as its `grad`. It stays "
    "as it is.",
    "product": "`lr` times the gradient was rounded to bfloat16. Convert the "
    "gradient to float32 first.",
    "double": "A master is in float32.",
    "iterator": "`net.parameters()` can be gone through once. Keep its "
    "parameters in a list.",
    "forgotten": "After `zero_grad` each gradient is None or 0.",
    "left": "The step has changed more than the weights: a parameter still "
    "needs a gradient, and keeps the one that it has.",
    "leaf": "The step must not be recorded: write under `torch.no_grad()`.",
}


@exercise(
    "8.6 Master weights",
    "1,000 small steps add up",
    "several parameters move, each by its own gradient",
    "the parameters stay in bfloat16",
    "a parameter without a gradient stays as it is",
    "`zero_grad` forgets the gradients",
)
def master_weights(MasterSGD: type) -> None:
    hints = _MASTER
    errors = {"leaf": hints["leaf"]}
    w = nn.Parameter(torch.ones(2).bfloat16())
    with case("a weight of 1, 1,000 gradients of -1, lr=0.001", known=errors):
        optimizer = MasterSGD([w], lr=0.001)
        for _ in range(1000):
            w.grad = -torch.ones_like(w)
            optimizer.step()
        _has_type(w, torch.bfloat16, hints["type"])
        known = {1.0: hints["stuck"], 0.0: hints["up"]}
        got, what = w[0].item(), "weight"
        equal(got, 2.0, hints["moved"], known, 1e-2, 1e-2, what)
    given = "a weight of 0, three gradients of 1, lr=1 + 1/256"
    with case(given, known=errors):
        w = nn.Parameter(torch.zeros(1).bfloat16())
        with Watched() as watched:
            optimizer = MasterSGD([w], lr=1 + 2**-8)
            for _ in range(3):
                w.grad = torch.ones_like(w)
                optimizer.step()
        known = {-3.0: hints["product"]}
        got, right = w.item(), -3.015625
        equal(got, right, hints["moved"], known, 0, 0, what="weight")
        single = torch.float64 not in watched.types
        got = "some in float64"
        holds(single, "numbers in float32", got, hints["double"])
    torch.manual_seed(0)
    net = nn.Linear(2, 2).bfloat16()
    before = list(net.parameters())
    start = [p.detach().float() for p in before]
    with case("nn.Linear(2, 2), lr=0.5, two steps", known=errors):
        optimizer = MasterSGD(net.parameters(), lr=0.5)
        for _ in range(2):
            for i, p in enumerate(before, 1):
                p.grad = torch.full_like(p, i)
            optimizer.step()
        for i, p in enumerate(before, 1):
            _has_type(p, torch.bfloat16, hints["type"])
            left = p.requires_grad and p.grad is not None
            left = left and bool((p.grad == i).all())
            expected = "parameters with their gradients"
            holds(left, expected, "others", hints["left"])
        got = torch.cat([p.detach().flatten() for p in before])
        first = torch.cat([p.flatten() for p in start])
        moves = [torch.full_like(p, i) for i, p in enumerate(start, 1)]
        moves = torch.cat([p.flatten() for p in moves])
        known = {
            first: hints["iterator"],
            -moves: hints["start"],
        }
        equal(got, first - moves, hints["moved"], known, 1e-2, 1e-2)
    errors = {"NoneType": hints["none"]}
    with case("two parameters, one of them without a gradient", known=errors):
        pair = [nn.Parameter(torch.ones(2).bfloat16()) for _ in range(2)]
        optimizer = MasterSGD(pair, lr=0.5)
        pair[1].grad = torch.ones_like(pair[1])
        optimizer.step()
        got = [p[0].item() for p in pair]
        equal(got, [1.0, 0.5], hints["none"], what="weights")
    with case("zero_grad()"):
        optimizer.zero_grad()
        grads = [p.grad for p in pair if p.grad is not None]
        rest = any(g.any() for g in grads)
        holds(not rest, "no gradient", "the old one", hints["forgotten"])


_NORM = {
    "value": (
        "These aren't the rows divided by their root mean square.",
        "The root is that of the mean of the squares plus eps; the mean is "
        "along the last dimension.",
    ),
    "overflow": (
        "A square is larger than 65,504, so the mean is infinite, and each "
        "number divided by its root is 0.",
        "Divide the row by its largest absolute value: then no square is "
        "above 1.",
    ),
    "eps": (
        "The eps under the root is another one now.",
        "With X divided by s, the mean square is divided by s^2. So must be "
        "eps: it was added to the mean square of X.",
    ),
    "zeros": (
        "0 divided by 0 is NaN.",
        "Where the largest absolute value of a row is 0, don't divide by it: "
        "1 does as well.",
    ),
    "no eps": (
        "Rows as small as this keep eps under the root.",
        "Where s is small, 1 / s^2 is too large for float16. A row without "
        "large numbers need not be divided at all.",
    ),
    "wide": "A type other than that of X was used on the way.",
    "own": "This is torch's own, which computes in float32. Write it from "
    "squares, a mean and a root.",
    "type": "The result is to be in the type of X.",
    "rows": "Each row has a largest absolute value of its own: a large row "
    "beside it must not make a row too small.",
    "left": "The numbers that were given are changed.",
}


@exercise(
    "8.7 A norm in float16",
    "in float32 it is PyTorch's own, without a weight",
    "in float16 it survives numbers up to 65,504, and rows of zeros",
    "small rows keep eps under the root",
    "it computes in the type of its input, and leaves it as it was",
)
def norm_in_float16(rms_norm: Callable) -> None:
    hints, half = _NORM, torch.float16
    for rows, dtype, hint in (
        ([[1.0, 2.0], [3.0, -4.0]], torch.float32, hints["value"]),
        ([[300.0, -200.0, 100.0]], half, hints["overflow"]),
        ([[65504.0, 65504.0]], half, hints["overflow"]),
        ([[-65504.0, 1.0]], half, hints["overflow"]),
        ([[0.0, 0.0]], half, hints["zeros"]),
        ([[0.001, 0.002]], half, hints["no eps"]),
        ([[60000.0, 0.0], [0.01, 0.02]], half, hints["rows"]),
    ):
        X = torch.tensor(rows).to(dtype)
        copy = X.clone()
        truth = F.rms_norm(X.float(), X.shape[-1:], eps=1e-5)
        unit = F.rms_norm(X.float(), X.shape[-1:], eps=1e-12)
        given = Phrase(
            "X = {rows} in {dtype}", rows=str(rows), dtype=str(dtype)
        )
        with case(given):
            with Watched() as watched:
                got = rms_norm(copy)
            watched.without(["rms_norm"], hints["own"])
            known = {unit: hints["eps"]} if rows[0][0] == 0.001 else {}
            if hint == hints["overflow"] and _is_finite(got) and got.any():
                hint = hints["value"]
            if hint == hints["zeros"] and _is_finite(got):
                hint = hints["value"]
            equal(got, truth, hint, known, 2e-3, 1e-3 * (dtype is half))
            _has_type(got, dtype, hints["type"])
            watched.in_type(dtype, hints["wide"])
            same = torch.equal(copy, X)
            holds(same, "X as it was", "another", hints["left"])
    with case("rms_norm([[1.0, 2.0]], 3.0)"):
        X = torch.tensor([[1.0, 2.0]])
        truth = F.rms_norm(X, X.shape[-1:], eps=3.0)
        equal(rms_norm(X.clone(), 3.0), truth, hints["eps"])


_DECODE = {
    "value": (
        "This isn't what the code stands for.",
        "`code >> 3 & 15` are the four bits of the exponent, and `code & 7` "
        "the three of the fraction.",
    ),
    "sign": "The bit on the left is the sign: codes from 128 on are negative.",
    "small": "Where the exponent's bits are 0, nothing is added to the "
    "fraction, and the power of two is that of e = 1.",
    "inf": "This type has no infinity. With an exponent of 15 there are "
    "numbers, too: 448 is the largest.",
    "nan": "All seven bits behind the sign are 1 here: this is NaN.",
    "nan sign": "NaN has two codes, one for each sign.",
    "torch": "Use integer arithmetic alone, without PyTorch.",
    "table": "The numbers stand in a table already. Compute each from the "
    "bits of its code, when `decode` is called.",
    "number": "Return a Python float.",
}


@exercise(
    "8.8 Decode float8",
    "1 and its neighbors are right",
    "so are the smallest numbers, the negative ones, and the largest",
    "the two NaN are found",
    "all 256 codes are right",
)
def decode_float8(decode: Callable) -> None:
    hints = _DECODE
    bits = torch.arange(256, dtype=torch.uint8)
    numbers = bits.view(torch.float8_e4m3fn).float().tolist()
    first = (56, 57, 64, 0, 1, 7, 8, 184, 120, 126, 127, 255)
    for code in (*first, *range(256)):
        truth = numbers[code]
        e = code >> 3 & 15
        hint = hints["value"]
        hint = hints["sign"] if code >= 128 else hint
        hint = hints["small"] if e == 0 else hint
        hint = hints["inf"] if e == 15 else hint
        if math.isnan(truth):
            hint = hints["nan" if code < 128 else "nan sign"]
        with case(Phrase("code {code}", code=f"{code} = 0b{code:08b}")):
            with Watched() as watched:
                got = decode(code)
            own = isinstance(got, (int, float)) and not isinstance(got, bool)
            holds(own, "a number", show(got), hints["number"])
            expected, got_it = "an answer without PyTorch", "one with it"
            holds(not watched.names, expected, got_it, hints["torch"])
            right = got == truth or (math.isnan(got) and math.isnan(truth))
            shown = (
                Phrase("the number {number}", number=show(number))
                for number in (truth, got)
            )
            holds(right, *shown, hint)
    with case("what `decode` reads"):
        most = max((_share(v, numbers) for v in reached(decode)), default=0)
        got = "a table of them"
        holds(most < 0.5, "no numbers of float8", got, hints["table"])


def _share(value: object, numbers: list[float]) -> float:
    """Which share of some numbers a table holds, also in rows."""
    found, left = set(), [value]
    for _ in range(4 * len(numbers)):  # other things may be large
        if not left:
            break
        value = left.pop()
        if isinstance(value, (Tensor, np.ndarray)):
            few = math.prod(value.shape) <= 2 * len(numbers)
            value = value.tolist() if few else 0
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, (list, tuple)):
            left += value
        elif isinstance(value, float):
            found.add(value)
    wanted = {number for number in numbers if not math.isnan(number)}
    return len(found & wanted) / len(wanted)


_CLAMP = {
    "value": (
        "This isn't -log(sigmoid(z)).",
        "It is max(-z, 0) + log(1 + exp(-|z|)): the exponent is never above "
        "0.",
    ),
    "infinite": "The loss of a very negative logit is as large as the logit, "
    "and finite. Here something overflows, or becomes 0 before a logarithm.",
    "capped": "The loss has a cap here, and the worst samples no gradient. "
    "Compute with z, not with a probability.",
    "lost": "`log(1 + x)` loses an x below 1e-7. `log1p` keeps it.",
    "cut": "No gradient reaches z.",
    "gradient": "The value is right and the gradient isn't: it is the sigmoid "
    "of z, less 1.",
    "zero": (
        "At z = 0 the true slope is -1/2.",
        "There, |z| has no slope, and gives 0. Of max(-z, 0), `relu` gives "
        "0, `clamp` gives all, and `torch.maximum` halves it.",
    ),
    "own": "This is torch's own. Write it from `exp` and `log1p`.",
    "-z.sigmoid().clamp(min=1e-7).log()": "Outside of its bounds, a clamp is "
    "a constant.",
    "-(z.sigmoid() + 1e-7).log()": "The gradient passes through the sigmoid, "
    "which has become 0. Its slope there is s (1 - s).",
    "true": "The loss is -z there, up to rounding. What is its slope?",
}
_OWN = (
    "softplus",
    "logsigmoid",
    "log_sigmoid",  # as its function is called
    "binary_cross_entropy_with_logits",
    "soft_margin_loss",
)


@exercise(
    "8.9 A clamp and its gradient",
    "the loss is right and finite, for small and for large logits",
    "its gradient is right for each logit, also for 0",
    "you know which gradients the two popular repairs leave",
)
def clamp_and_its_gradient(log_loss: Callable, gradients: dict) -> None:
    hints = _CLAMP
    for z, hint in (
        (1.0, hints["value"]),
        (-1.0, hints["value"]),
        (-200.0, hints["infinite"]),
        (200.0, hints["infinite"]),
        (18.0, hints["lost"]),
        (0.0, hints["value"]),
    ):
        Z = torch.tensor([z], requires_grad=True)
        with case(Phrase("z = [{z}]", z=f"{z:g}")):
            with Watched() as watched:
                got = log_loss(Z * 1)
            watched.without(_OWN, hints["own"])
            if abs(z) == 200 and _is_finite(got):
                hint = hints["capped" if z < 0 else "value"]
            truth = F.softplus(-Z.detach())
            equal(got, truth, hint, (), RTOL, 1e-12)
            has_graph(got, hints["cut"])
            got.sum().backward()
            slope = hints["zero" if z == 0 else "gradient"]
            right = Z.detach().sigmoid() - 1
            equal(Z.grad, right, slope, what="gradient")
    truth = {}
    for name, function in _REPAIRS.items():
        z = torch.tensor(-200.0, requires_grad=True)
        function(z).backward()
        truth[name] = z.grad.item()
    predicted(gradients, truth, hints)


_REPAIRS: dict[str, Callable] = {
    "-z.sigmoid().clamp(min=1e-7).log()": lambda z: (
        -(z.sigmoid().clamp(min=1e-7).log())
    ),
    "-(z.sigmoid() + 1e-7).log()": lambda z: -(z.sigmoid() + 1e-7).log(),
    "true": lambda z: F.softplus(-z),
}
