"""The checks of chapter 06, Run the same code on CPU and CUDA."""

from __future__ import annotations

import functools
import operator
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice, pairwise
from numbers import Number
from statistics import median, median_high, median_low

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ..blocks import MLP, FixedHiddenMLP
from ..layers import MyLinear
from ._compare import Wrong, asked, case, equal, holds, predicted
from ._exercise import exercise
from ._hints import Hint
from ._phrase import Phrase
from ._report import show


@exercise(
    "6.1 Small and large",
    "time_sum adds two vectors of n numbers on the device that it is given",
    "it does so at least six times, and returns seconds above 0",
    "it reads a clock; if it is one of the module `time`, the seconds are the "
    "median of single sums, without the first one and the vectors' making",
    "you know how many operations a number of the result takes",
)
def small_and_large(time_sum: Callable, operations: dict) -> None:
    cpu = torch.device("cpu")
    gpus = [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
    for device in (cpu, *gpus):
        _time_of_a_sum(time_sum, device)
    with case("n = 100, the device meta, which stands for a GPU"):
        # No time is tested there, and to wait for meta may raise an error.
        with PretendedTime(time_sum) as record, suppress(Exception):
            time_sum(100, torch.device("meta"))
        equal(
            sorted({place for _, places in record.sums for place in places}),
            ["meta"] if record.sums else [],
            _WHERE,
            what="device types",
        )
    truth = _operations()
    with asked("your count for a sum of two vectors"):
        equal(
            operations.get("sum"),
            truth["sum"],
            "Count for one number of the result, not for all of them. It is "
            "made of one number of each vector.",
            {3.0: "To read and to write a number are no operations here."},
        )
    with asked("your count for a product of two 1,000 x 1,000 matrices"):
        equal(
            operations.get("product"),
            truth["product"],
            "One number of the result comes from a row and a column of 1,000 "
            "numbers each.",
            {
                1000.0: "The 1,000 products are also added up.",
                2e9: "This is for the whole result, of 1,000,000 numbers.",
            },
            rtol=1e-3,  # for 2,000, which is near enough
        )


def _time_of_a_sum(time_sum: Callable, device: torch.device) -> None:
    """Require that a sum on a device is measured as the chapter does it."""
    given = Phrase(
        "n = 100, {device}, and a pretended clock: a sum takes about 1 ms, "
        "but the first 100 ms and the fifth 20 ms; to make a vector takes "
        "1,000 s",
        device=device,
    )
    with case(given):
        with PretendedTime(time_sum) as record:
            got = time_sum(100, device)
        _sums_of_vectors(record, device)
        seconds = _number(got)
        hint = _TIME["nothing" if got is None else "no number"]
        holds(seconds is not None, "a number of seconds", show(got), hint)
        shown = _seconds(seconds)
        holds(seconds > 0, "more than 0 s", shown, _TIME["order"])
        if record.readings:
            _median_of_sums(seconds, record)
        elif device.type == "cpu":  # a GPU has events, with clocks of its own
            reads = _reads_a_clock(time_sum, device)
            got = Phrase("none, and {seconds}", seconds=shown)
            holds(reads, "readings of a clock", got, _TIME["no clock"])
    if not record.readings:
        return
    given = Phrase(
        "n = 100, {device}, and two pretended clocks, by which the first sum "
        "takes 100 ms or nothing",
        device=device,
    )
    with case(given):
        with PretendedTime(time_sum, first=0):
            again = _number(time_sum(100, device))
        holds(again is not None, "the same result", "no number", _FIRST)
        holds(
            _near(seconds, again),
            "the same result",
            Phrase("{a}, then {b}", a=shown, b=_seconds(again)),
            _FIRST,
        )


def _seconds(seconds: float) -> str:
    return f"{seconds:.4g} s"


def _sums_of_vectors(record: PretendedTime, device: torch.device) -> None:
    """Require enough sums, of the right vectors."""
    holds(record.sums, "a sum of two vectors", "none", _TIME["no sum"])
    shapes, places = record.sums[0]
    two = [(100,), (100,)]
    equal(shapes, two, _TIME["shape"], what="shapes of the two")
    equal(places, [str(device)] * 2, _WHERE, what="devices")
    number = record.number
    holds(number >= 6, "6 sums or more", str(number), _TIME["few"])


_TIME = {
    "nothing": "Nothing is returned: the median of the durations is asked "
    "for.",
    "no number": "Return the median of the durations, one number.",
    "order": "The sum must run between two readings of the clock, and the "
    "first is subtracted from the second.",
    "no clock": "No clock was read, so that this can't be a duration.",
    "no sum": "Nothing adds two tensors: the sum of `a` and `b` is `a + b`, "
    "and `a.sum()` is another.",
    "shape": "Each vector has n numbers, and so the shape `(n,)`.",
    "few": "Run the sum once or more to warm up, then at least five times by "
    "the clock: one run alone may be disturbed.",
    "unit": "Return seconds, not milliseconds or smaller parts.",
    "making": "The clock runs while the vectors are made. Make them before it "
    "starts.",
    "several": "This is the time of more than one sum.",
    "total": "This is the sum of the durations. Their median is asked for.",
    "shortest": "This is the shortest time. It tells how fast a sum can be; "
    "the median tells how long it takes as a rule.",
    "mean": "One disturbed run has an effect on the result, as on a mean. It "
    "has hardly any on the median of five single runs or more.",
}
_WHERE = (
    "A vector isn't on the device that the function was given.",
    "What makes a tensor, such as `torch.rand`, has an argument `device`.",
)
_FIRST = (
    "The first sum counts, which is slow: it loads code and reserves memory. "
    "Run the sum before the clock starts, or leave its duration out."
)


def _median_of_sums(seconds: float, record: PretendedTime) -> None:
    """Require a median of what the pretended clock has measured."""
    singles = [t / number for t, number in record.timed()]
    # Without the first ones, which may be there to warm up.
    rests = [singles[i:] for i in range(min(len(singles) - 4, 100))]
    medians = [
        function(rest)
        for rest in rests
        for function in (median, median_low, median_high)
    ]
    expected = median(singles[1:]) if singles[1:] else 0.001
    holds(
        any(_near(seconds, m) for m in medians),
        _seconds(expected),
        _seconds(seconds),
        _why_not_the_median(seconds, record, medians, singles),
    )


def _why_not_the_median(
    seconds: float,
    record: PretendedTime,
    medians: list[float],
    singles: list[float],
) -> str:
    """What explains another measure of the pretended clock."""
    units = (1e3, 1e6, 1e9)
    if any(_near(seconds / unit, m) for unit in units for m in medians):
        return _TIME["unit"]
    if seconds > 100:
        return _TIME["making"]
    if any(n > 1 and _near(seconds, t) for t, n in record.timed()):
        return _TIME["several"]
    if 0.0999 < seconds < 0.101:
        return _FIRST
    sums = [sum(singles[i:]) for i in range(len(singles) - 1)]
    if any(_near(seconds, total) for total in sums):
        return _TIME["total"]
    if len(singles) > 1 and _near(seconds, min(singles)):
        return _TIME["shortest"]
    return _TIME["mean"]


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-6 * abs(b)


_CLOCKS = tuple(
    getattr(time, clock + end)
    for clock in ("perf_counter", "time", "monotonic", "process_time")
    for end in ("", "_ns")
)


def _reads_a_clock(time_sum: Callable, device: torch.device) -> bool:
    """Whether a clock is read that wasn't replaced, such as timeit's."""
    readings, before = 0, sys.getprofile()

    def note(_: types.FrameType, event: str, function: object) -> None:
        nonlocal readings
        readings += event == "c_call" and function in _CLOCKS

    sys.setprofile(note)
    try:
        time_sum(100, device)
    finally:
        sys.setprofile(before)
    return readings >= 2


class _EnoughError(Exception):
    """What ends sums on meta, where no time is tested."""


class PretendedTime(TorchDispatchMode):
    """Note each sum of two tensors, and let the clocks go by what runs.

    Args:
        function (Callable): who reads the clocks; under its own names for
            them, too, as after ``from time import perf_counter``.
        first (int): the nanoseconds that the first sum takes.
    """

    def __init__(self, function: Callable, first: int = 10**8) -> None:
        super().__init__()
        self.sums: list[tuple[list[tuple[int, ...]], list[str]]] = []
        self.number = self.made = 0
        self.now, self.first = 0, first  # in nanoseconds
        # What the clock shows, what of it is for vectors, and the sums.
        self.readings: list[tuple[int, int, int]] = []
        self.thread = threading.get_ident()
        fakes = {clock: self._clock(clock) for clock in _CLOCKS}
        spaces = [vars(time)]
        if isinstance(function, types.FunctionType):
            spaces.append(function.__globals__)
        self.patches = [
            (space, name, value, fakes[value])
            for space in spaces
            for name, value in space.items()
            if isinstance(value, types.BuiltinFunctionType) and value in fakes
        ]

    def _clock(self, real: Callable) -> Callable[[], float]:
        unit = 1 if real.__name__.endswith("_ns") else 1e9

        def read() -> float:
            if threading.get_ident() != self.thread:
                return real()
            self.readings.append((self.now, self.made, self.number))
            return self.now if unit == 1 else self.now / unit

        return read

    def timed(self) -> list[tuple[float, int]]:
        """Seconds of sums from a reading to the next, and their number."""
        return [
            ((now - made - then + made_then) / 1e9, number - before)
            for (then, made_then, before), (now, made, number) in pairwise(
                self.readings
            )
            if number > before
        ]

    def __enter__(self) -> PretendedTime:
        for space, name, _, fake in self.patches:
            space[name] = fake
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        for space, name, real, _ in self.patches:
            space[name] = real

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [a for a in args if isinstance(a, Tensor)]
        adds = (torch.ops.aten.add, torch.ops.aten.add_)
        if func.overloadpacket in adds and len(tensors) == 2:
            self.number += 1
            number = self.number
            if number <= 6:  # which tell enough
                shapes = [tuple(a.shape) for a in tensors]
                self.sums.append((shapes, [str(a.device) for a in tensors]))
            elif tensors[0].is_meta:
                raise _EnoughError
            # No two alike, so that each choice of runs shows in the result.
            usual = 10**6 + 618_034 * number % 10**6 // 10
            self.now += {1: self.first, 5: 2 * 10**7}.get(number, usual)
        elif not tensors:
            self.now += 10**12
            self.made += 10**12
        return func(*args, **(kwargs or {}))


def _number(value: object) -> float | None:
    """A number, also from a tensor or an array that holds one."""
    with suppress(Exception):
        return float(value)
    return None


class Counted:
    """A number that counts the operations, and knows nothing else."""

    operations = 0

    def __add__(self, other: Counted) -> Counted:
        Counted.operations += 1
        return self

    __mul__ = __add__


def _operations() -> dict[str, float]:
    """The operations for one number of a result, counted."""
    one, counts = Counted(), {}
    row = column = [one] * 1000
    Counted.operations = 0
    _ = one + one
    counts["sum"] = float(Counted.operations)
    Counted.operations = 0
    functools.reduce(operator.add, map(operator.mul, row, column))
    counts["product"] = float(Counted.operations)
    return counts


@exercise(
    "6.2 Parameters across devices",
    "set_bias writes the values into one bias, and get_bias returns them",
    "the bias stays the same object, of its type and on its device",
    "it still gets a gradient, and nothing else is changed",
    "a name that isn't there gives an error, which names it",
)
def parameters_across_devices(set_bias: Callable, get_bias: Callable) -> None:
    values = [0.125, -1.0, 2.0]
    for net, name, size in (
        (nn.Linear(2, 3), "bias", 3),
        (nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)), "1.bias", 2),
        (nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), "0.bias", 2),
        (nn.Sequential(nn.Sequential(nn.Linear(2, 2))), "0.0.bias", 2),
    ):
        _one_bias(set_bias, get_bias, net, name, values[:size])
    _one_bias(set_bias, get_bias, MLP().double(), "out.bias", [0.1] * 10)
    for i in range(torch.cuda.device_count()):
        net = nn.Linear(2, 3).to(torch.device("cuda", i))
        _one_bias(set_bias, get_bias, net, "bias", values)
    # Not seen without a GPU: an answer that begins with `net.cpu()`. On meta
    # this raises the same error as to read a number.
    where = "nn.Linear(2, 3) on meta, which stands for a GPU"
    with case(where, _BIAS["elsewhere"]):
        net = nn.Linear(2, 3, device="meta")
        try:
            set_bias(net, "bias", values)
        except Exception as error:
            # Not the fault of the answer: it reads what it has written.
            if "meta tensor" not in str(error).lower():
                raise
    net, slip = nn.Sequential(nn.Linear(2, 2)), "0.bais"
    with case("set_bias, nn.Sequential(nn.Linear(2, 2)), '0.bais'"):
        _names_what_is_missing(set_bias, net, slip, [1.0, 2.0])
    with case("get_bias, nn.Sequential(nn.Linear(2, 2)), '0.bais'"):
        _names_what_is_missing(get_bias, net, slip)


def _names_what_is_missing(function: Callable, *arguments: object) -> None:
    """Require an error for a name with a slip in it."""
    try:
        got = show(function(*arguments))
    except Exception as error:
        named = "bais" in str(error)
        wanted = "an error that names 'bais'"
        holds(named, wanted, show(error), _BIAS["vague"])
        return
    got = Phrase("no error, and {value}", value=got)
    raise Wrong("an error", got, _BIAS["no error"])


_BIAS = {
    "elsewhere": (
        "The values come from the CPU, and the bias may be elsewhere.",
        "`copy_` writes into it all the same; `.data = ...` does only if you "
        "make the values there.",
    ),
    "vague": "The message must say what is missing: the network may have a "
    "hundred names.",
    "no error": (
        "A name with a slip in it passes without a word.",
        "`net.get_parameter` raises an error, and so does a dictionary that "
        "lacks a key.",
    ),
    "leaf": (
        "Autograd refuses to edit a leaf that it watches.",
        "Under `torch.no_grad()` it doesn't watch.",
    ),
    "dots": "A name may have no dot, as in 'bias', one, or several.",
    "another": "Write into the tensor that is there, with `copy_`. An "
    "optimizer holds the old object, and would train it for ever.",
    "kind": (
        "The bias has another data type now, or is on another device.",
        "`.data = ...` puts another tensor into the bias. `copy_` writes into "
        "the one that is there, and converts.",
    ),
    "values": "The bias should have the values that were given.",
    "as before": "The bias is as it was. Was something else changed, such as "
    "a copy, or the list that `tolist` gives?",
    "others": "One bias is to be set, the others are to stay.",
    "frozen": "The bias must go on to require a gradient: `torch.no_grad()` "
    "ends with its block, and `requires_grad_(False)` doesn't.",
    "nothing": "`get_bias` returns nothing.",
    "no list": "Return a list of Python's numbers, which has no device: "
    "`tolist` makes one.",
}


def _one_bias(
    set_bias: Callable,
    get_bias: Callable,
    net: nn.Module,
    name: str,
    values: list[float],
) -> None:
    """Require that one bias is written as it should be."""
    bias = net.get_parameter(name)
    kind, place = bias.dtype, bias.device
    before = {k: v.clone() for k, v in net.state_dict().items()}
    given = Phrase(
        "{net}, '{name}', {values}, {kind} on {device}",
        net="MLP" if isinstance(net, MLP) else " ".join(repr(net).split()),
        name=name,
        values=values,
        kind=str(kind).removeprefix("torch."),
        device=place.type,
    )
    known = {
        "leaf Variable": _BIAS["leaf"],
        "unpack": _BIAS["dots"],
        f"no attribute {name!r}": _BIAS["dots"],
    }
    with case(Phrase("set_bias, {given}", given=given), known=known):
        set_bias(net, name, list(values))
        same = net.get_parameter(name) is bias
        holds(same, "the same object as before", "another", _BIAS["another"])
        now = (str(bias.dtype), bias.device.type)
        was = (str(kind), place.type)
        equal(now, was, _BIAS["kind"], what="type and device")
        known = [(before[name].tolist(), _BIAS["as before"])]
        got = bias.detach().tolist()
        equal(got, values, _BIAS["values"], known, what="bias")
        others = [
            key
            for key, old in before.items()
            if key != name and not torch.equal(net.state_dict()[key], old)
        ]
        equal(others, [], _BIAS["others"], what="other tensors that changed")
    with case(Phrase("backward after set_bias, {given}", given=given)):
        net.zero_grad()
        X = torch.ones(4, next(net.parameters()).shape[1], dtype=kind)
        net(X.to(place)).square().sum().backward()
        arrived = bias.grad is not None
        holds(arrived, "a gradient of the bias", "none", _BIAS["frozen"])
    with case(Phrase("get_bias after set_bias, {given}", given=given)):
        _got_bias(get_bias(net, name), values)
    added = "get_bias when 1 was added to the bias, {given}"
    with case(Phrase(added, given=given)):
        with torch.no_grad():
            bias += 1
        _got_bias(get_bias(net, name), bias.tolist())


def _got_bias(got: object, values: list[float]) -> None:
    """Require a list of what the bias holds."""
    numbers = isinstance(got, (list, tuple)) and all(
        isinstance(v, Number) for v in got
    )
    hint = _BIAS["nothing" if got is None else "no list"]
    holds(numbers, show(values), show(got), hint)
    equal(got, values, "This isn't what the bias holds now.")


class CountReads(TorchDispatchMode):
    """Count how often a number is read from a tensor."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class CountTensorsOfTensors(TorchFunctionMode):
    """Count the tensors that are read to make one of their numbers."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        makers = torch.tensor, torch.as_tensor, torch.asarray
        if func in (*makers, Tensor.new_tensor):
            for data in args:
                if isinstance(data, (list, tuple)):
                    self.count += sum(isinstance(x, Tensor) for x in data)
        return func(*args, **(kwargs or {}))


@exercise(
    "6.3 A thousand norms",
    "norms_read and norms_kept record the norm after each product",
    "the one reads each norm, the other none",
    "the second record is on the device of A",
    "your second matrix keeps 1,000 norms finite and above 0, and isn't the "
    "identity",
)
def thousand_norms(
    norms_read: Callable, norms_kept: Callable, second: Tensor
) -> None:
    A = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    B = torch.tensor([[1.0, 0.0], [0.0, 0.5]])
    given = "{function}, A = [[1, 2], [3, 4]], B = [[1, 0], [0, 0.5]], 3 steps"
    with case(Phrase(given, function="norms_read")):
        log, count = _log(norms_read, A, B)
        numbers = not isinstance(log, Tensor) and all(
            isinstance(norm, Number) for norm in log
        )
        holds(numbers, "a list of numbers", show(log), _NORMS["list"])
        equal(count, 3, _NORMS["reads"], what="number of reads")
    with case(Phrase(given, function="norms_kept")):
        with CountTensorsOfTensors() as made:
            log, count = _log(norms_kept, A, B)
        equal(count, 0, _NORMS["no reads"], what="number of reads")
        what = "number of tensors that `torch.tensor` reads"
        equal(made.count, 0, _NORMS["tensor of tensors"], what=what)
        tensor = isinstance(log, Tensor)
        holds(tensor, "a tensor", show(log), _NORMS["one tensor"])
    with case(
        "norms_kept, A and B on meta, which stands for a GPU",
        _NORMS["elsewhere"],
    ):
        log = norms_kept(A.to("meta"), B.to("meta"), 3)
        equal(log.device.type, "meta", _NORMS["elsewhere"], what="device")
    with case("your second matrix, and a random first one"):
        _keeps_norms(second)


_NORMS = {
    "list": "`item` gives numbers: return a list of them.",
    "reads": "`norms_read` reads one number after each product, with `item`.",
    "no reads": "`norms_kept` reads no number: `item`, `float` and `if` do. "
    "Keep the norms as tensors.",
    "tensor of tensors": "`torch.tensor` reads each tensor of a list. "
    "`torch.stack` reads none.",
    "one tensor": "`norms_kept` returns one tensor. `torch.stack` makes one "
    "of many.",
    "elsewhere": (
        "The record must be on the device of A, and the norms must come there "
        "without a copy to the CPU.",
        "`torch.stack` leaves tensors where they are, and `torch.empty` has "
        "the argument `device`.",
    ),
    "identity": "A I is A again, so that nothing is computed. Other matrices "
    "keep the length of each row, too.",
    "infinite": "A product may make the norm larger by a factor, and 1,000 "
    "factors of 1.1 give 10 to the power of 41. Which matrices keep the "
    "length of each row?",
    "zero": "The norm shrinks: 1,000 factors of 0.9 give 10 to the power of "
    "-46, which float32 rounds to 0. Which matrices keep the length of each "
    "row?",
    "nothing": "Nothing is returned: the norms of all steps are asked for.",
    "one": "Collect the norms in the loop, and return them after it.",
    "number": "There is one norm for each product, and as many as `steps` "
    "says.",
    "shape": "A norm is one number, so that the record has one dimension.",
    "Frobenius": (
        "These aren't the Frobenius norms of A B, A B B and A B B B.",
        "The Frobenius norm is the root of the sum of the squares of all "
        "elements.",
    ),
    "in place": (
        "The matrix of the caller was changed in place.",
        "An assignment gives the name to a new tensor; `copy_`, `*=` and "
        "methods whose names end in `_` write into the old one.",
    ),
}


def _keeps_norms(second: Tensor) -> None:
    """Require a matrix with which a thousand products stay in range."""
    size = (100, 100)
    equal(second.shape, size, "Both matrices are 100 x 100.", what="shape")
    holds(
        (second.detach().cpu() - torch.eye(100)).norm() > 0.01,
        "another matrix than the identity",
        "the identity",
        _NORMS["identity"],
    )
    torch.set_num_threads(1)  # several would wait for each other
    # Of a matrix, four rows, which are multiplied each by itself.
    X, factor = torch.rand(4, 100), second.detach().cpu().float()
    for step in range(1, 1001):
        X = X @ factor
        if step in (10, 100, 1000):
            norm = X.norm().item()
            got = Phrase(
                "{norm} after {n} products", norm=f"{norm:.4g}", n=step
            )
            holds(norm < torch.inf, "a finite norm", got, _NORMS["infinite"])
            holds(norm > 0, "a norm above 0", got, _NORMS["zero"])


def _log(log_norms: Callable, A: Tensor, B: Tensor) -> tuple[object, int]:
    """The norms after three products, if they are right, and the reads."""
    first, other = A.clone(), B.clone()
    with CountReads() as reads:
        log = log_norms(first, other, 3)
    hint = _NORMS["nothing" if log is None else "one"]
    holds(hasattr(log, "__len__"), "3 norms", show(log), hint)
    known = {4: "The norm before the first product doesn't count."}
    equal(len(log), 3, _NORMS["number"], known, what="number of norms")
    holds(
        not isinstance(log, Tensor) or log.dim() == 1,
        "shape (3,)",
        Phrase("shape {shape}", shape=show(getattr(log, "shape", None))),
        _NORMS["shape"],
    )
    norms = _norms(A, B)
    elementwise = [(A * B**k).norm().item() for k in (1, 2, 3)]
    spectral = _norms(A, B, lambda X: torch.linalg.matrix_norm(X, 2))
    known = {
        tuple(elementwise): "`*` multiplies element by element. The product "
        "of matrices is `@`.",
        (A.norm().item(), *norms[:2]): "Multiply first, then record.",
        tuple(_norms(A, B, left=True)): "This is B A. The order matters.",
        tuple(x * x for x in norms): "The root of the sum is missing.",
        (norms[0],) * 3: "Each product starts from the last result.",
        tuple(spectral): "This is the spectral norm. `torch.linalg.norm(X)` "
        "without an order is the Frobenius norm.",
    }
    equal(
        [round(float(x), 4) for x in log],
        [round(norm, 4) for norm in norms],
        _NORMS["Frobenius"],
        known,
        what="norms",
    )
    unchanged = torch.equal(first, A) and torch.equal(other, B)
    holds(unchanged, "A and B as they were", "changed", _NORMS["in place"])
    return log, reads.count


def _norms(
    A: Tensor, B: Tensor, norm: Callable = torch.norm, left: bool = False
) -> list[float]:
    """The norms after three products."""
    norms = []
    for _ in range(3):
        A = B @ A if left else A @ B
        norms.append(norm(A).item())
    return norms


@exercise(
    "6.4 Two at once",
    "at_once returns what f gives for S and for T, in this order",
    "both calls run at the same time",
    "it gives the order of the arguments, whichever call ends first",
)
def two_at_once(at_once: Callable) -> None:
    S, T = torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[5.0]])
    with case(
        "f(S) = 2 S, S = [[1, 2], [3, 4]], T = [[5]]",
        known={
            "not callable": _APART,
            "local object": "A pool of processes must send f to another "
            "process, which can't be done with each function. Take threads.",
        },
    ):
        _gives_both(at_once, S, T)
    both, met = threading.Barrier(2), []

    def meet(X: Tensor) -> Tensor:
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
            met.append(threading.get_ident())
        return X

    with case("an f that waits, at most 1 s, till both calls have begun"):
        at_once(meet, S.clone(), T.clone())
        holds(
            len(set(met)) == 2,
            "two calls at the same time",
            "one after the other",
            (
                "The second call begins after the first has ended.",
                Phrase(
                    "Submit both before you wait for one, to a pool of two "
                    "threads. {apart}",
                    apart=_APART,
                ),
            ),
        )
    ended = threading.Event()

    def slow_for_the_first(X: Tensor) -> str:
        if X.numel() == 1:
            ended.set()
            return "of T"
        ended.wait(timeout=1)
        time.sleep(0.03)  # T's thread is at its end by then
        return "of S"

    with case("an f that ends later for S than for T"):
        got = at_once(slow_for_the_first, S.clone(), T.clone())
        equal(got, ["of S", "of T"], _ORDER)


_APART = (
    "Give the pool the function and its argument apart: `f(S)` is called "
    "before a thread has it."
)
_ORDER = (
    "The result for S comes first, also if f(T) ends before: ask the futures "
    "in the order of the arguments, not as they complete."
)


def _gives_both(at_once: Callable, S: Tensor, T: Tensor) -> None:
    """Require the results of both calls, and no other calls."""
    calls = []

    def twice(X: Tensor) -> Tensor:
        calls.append(X.numel())
        return 2 * X

    results = at_once(twice, S.clone(), T.clone())
    holds(
        isinstance(results, (list, tuple)),
        "a list of two results",
        show(results),
        "Wait for both threads, and return a list of what they gave.",
    )
    holds(
        not any(hasattr(result, "add_done_callback") for result in results),
        "the results",
        show(results),
        "`submit` returns a future, which stands for a result to come. Its "
        "method `result` waits, and returns it.",
    )
    known = [
        ([2 * T, 2 * S], _ORDER),
        ([2 * S, 2 * S], "Both are f(S)."),
        ([S, T], "These are the matrices: f wasn't called."),
    ]
    hint = "The first is to be f(S), the second f(T)."
    equal(results, [2 * S, 2 * T], hint, known)
    equal(
        sorted(calls),
        [1, 4],
        "f is called once for each matrix, and each of the two threads calls "
        "it once.",
        what="elements of what f was called with",
    )


class ScaledLinear(MyLinear):
    """The module of the chapter that leaves its constants behind."""

    def __init__(self, in_units: int, units: int) -> None:
        super().__init__(in_units, units)
        self.scale = torch.full((units,), 0.5)


@exercise(
    "6.5 What stays behind",
    "parameters, buffers and what is no tensor aren't listed",
    "plain attributes are, with dotted names, at any depth",
    "the network stays as it is",
)
def what_stays_behind(stays_behind: Callable) -> None:
    earlier: list[str] = []
    for given, (net, names, hint) in _networks().items():
        with case(given):
            before = _inside(net)
            got = stays_behind(net)
            after = _inside(net)
            _require_names(got, names, earlier, hint)
            holds(
                after.keys() == before.keys()
                and all(after[key] is before[key] for key in before),
                "the network as it was",
                "another",
                "The function moves or changes the network that it looks at. "
                "Look at the attributes, or move a copy.",
            )
            earlier += names


_MOVE = (
    "Nothing stays behind here: these move with the module.",
    "`vars(module)` has parameters, buffers and children in three "
    "dictionaries of their own. Plain attributes are tensors beside them.",
)
_OUTERMOST = (
    "`scale` is an attribute of the outermost module itself, which counts too."
)
_BELOW = (
    "A module may lie below another, at any depth.",
    "`named_modules` visits all of them, `named_children` one level.",
)
_CHILDREN = "A module that has children may have a plain attribute, too."
_EACH = (
    "Ask of each attribute whether it is a tensor, whatever its name, its "
    "shape, its type and its settings are."
)


def _networks() -> dict[str, tuple[nn.Module, list[str], Hint]]:
    """Networks, the names of what they leave behind, and a hint."""
    half, chain = ScaledLinear(5, 3), nn.Sequential(nn.ReLU())
    deep = nn.Sequential(nn.Sequential(half), ScaledLinear(3, 1))
    chain.offset = torch.ones(2)
    mixed = nn.Linear(2, 2)
    mixed.register_buffer("moves", torch.ones(2), persistent=False)
    mixed._hidden, mixed.one_number = torch.ones(2), torch.tensor(0.5)
    mixed.learned_elsewhere = torch.ones(2, requires_grad=True)
    mixed.places = torch.arange(2)
    mixed.number, mixed.words, mixed.nothing = 0.5, ["scale"], None
    mixed.array, mixed.generator = np.ones(2), torch.Generator()
    of_mixed = ["_hidden", "learned_elsewhere", "one_number", "places"]
    one = nn.Sequential(nn.ReLU(), half)
    return {
        "FixedHiddenMLP()": (FixedHiddenMLP(), [], _MOVE),
        "ScaledLinear(5, 3)": (half, ["scale"], _OUTERMOST),
        "nn.Sequential(nn.ReLU(), ScaledLinear(5, 3))": (
            one,
            ["1.scale"],
            _BELOW,
        ),
        "nn.Sequential(nn.Sequential(ScaledLinear(5, 3)), "
        "ScaledLinear(3, 1))": (deep, ["0.0.scale", "1.scale"], _BELOW),
        "nn.Sequential(nn.ReLU()) with a plain tensor `offset`": (
            chain,
            ["offset"],
            _CHILDREN,
        ),
        "nn.Linear(2, 2) with a buffer outside the state dict, the plain "
        "tensors `_hidden`, `learned_elsewhere`, `one_number` and `places`, "
        "the last of integers, and attributes that are a number, a list of "
        "words, None, a NumPy array and a generator": (mixed, of_mixed, _EACH),
    }


def _inside(net: nn.Module) -> dict[tuple[str, str, str], object]:
    """All attributes in a network, parameters and buffers included."""
    return {
        (path, kind, name): value
        for path, module in net.named_modules()
        for kind, attributes in {
            "attribute": vars(module),
            "parameter": module._parameters,
            "buffer": module._buffers,
        }.items()
        for name, value in attributes.items()
    }


def _require_names(
    got: object, names: list[str], earlier: list[str], hint: Hint
) -> None:
    """Require a list of these names, in any order."""
    holds(
        isinstance(got, (list, tuple, set)),
        "a list of names",
        show(got),
        "Collect the names in a list, and return it at the end.",
    )
    holds(
        all(isinstance(name, str) for name in got),
        show(names),
        show(got),
        "The list has the names, as strings: no tensors, no pairs.",
    )
    ends, wanted = (
        sorted(n.rpartition(".")[2] for n in some) for some in (got, names)
    )
    if ends == wanted:
        hint = (
            "The names are right but for their paths.",
            "The name begins with the path of the module, as `named_modules` "
            "gives it.",
        )
    elif not {"array", "generator", "number", "words"}.isdisjoint(got):
        hint = "Of these attributes some are no tensors."
    elif "moves" in got:
        hint = "A buffer moves, also one that isn't saved."
    known = {
        tuple(sorted(f".{name}" for name in names)): "The path of the "
        "outermost module is empty, and there is no dot after it.",
        tuple(sorted(names * 2)): "Each name stands in the list twice.",
        tuple(sorted(names + earlier)): "Some names are from an earlier call: "
        "make a new list in each call. A default value, as in `names=[]`, is "
        "made only once.",
    }
    equal(sorted(got), sorted(names), hint, known, what="names")


@exercise(
    "6.6 Readers in disguise",
    "your predictions come true when each line is run on meta",
)
def readers_in_disguise(reads: dict) -> None:
    hints = {
        "max(v)": "Python's `max` goes through the tensors one by one, and "
        "asks of each whether it is larger than the largest so far.",
        "v.max()": "The method is one operation. Its result is a tensor, "
        "which stays on the device.",
        "v[int(x)]": "`int` needs the number in x.",
        "v[v.argmax()]": (
            "Look at what kind of index this is: a tensor without dimensions, "
            "in the place of a number.",
            "Where to cut a piece out of `v` is said in numbers, so that "
            "PyTorch asks this tensor for its own, as `int` would.",
        ),
        "total += x": "A sum of tensors is a tensor. Nobody asks for the "
        "number.",
        "total += x.item()": "`item` reads x, whatever becomes of the number.",
        "v[v > 0]": "Its length is the number of elements above 0, and Python "
        "needs the length of each tensor.",
        "torch.where(v > 0, v, 0)": "The result is as long as `v`, whatever "
        "is in it.",
    }
    predicted(reads, {code: _needs_a_number(code) for code in hints}, hints)


def _needs_a_number(code: str) -> bool:
    """Whether a line fails where there are no numbers."""
    v, x = torch.ones(5, device="meta"), torch.ones((), device="meta")
    names = {"torch": torch, "v": v, "x": x, "total": x.clone()}
    try:
        exec(code, names)
    except RuntimeError:
        return True
    return False


@exercise(
    "6.7 A batch of anything",
    "a tensor is moved, and isn't copied where it is there already",
    "dictionaries, lists and tuples stay what they are, at any depth",
    "what is none of these passes as it is",
    "the batch that was given stays as it was",
)
def batch_of_anything(to_device: Callable) -> None:
    X, words = torch.ones(2, 3), "a cat"
    for given, batch, hint in (
        ("a tensor", X, _BATCH["tensor"]),
        ("the text 'a cat'", words, _BATCH["other"]),
        ("None", None, _BATCH["other"]),
        ("a list of two tensors", [X, X + 1], _BATCH["list"]),
        ("a tuple of two tensors", (X, X + 1), _BATCH["tuple"]),
        ("an empty tuple", (), _BATCH["tuple"]),
        ("a dictionary of two", {"X": X, "text": words}, _BATCH["dict"]),
        (
            "a dictionary with a list of tuples in it",
            {"pairs": [(X, 3), (X, 4.5)], "y": X.long()},
            _BATCH["depth"],
        ),
    ):
        with case(Phrase("{given}, moved to meta", given=given), hint):
            before = _copy(batch)
            got = to_device(batch, torch.device("meta"))
            if got is None and batch is not None:
                hint = _BATCH["nothing"]
            equal(_kinds(got), _kinds(batch, "meta"), hint)
            equal(_kinds(batch), _kinds(before), _BATCH["changed"])
    with case("a dictionary with a tensor on the CPU, moved to the CPU"):
        got = to_device({"X": X}, torch.device("cpu"))["X"]
        holds(got is X, "the same object", "a copy", _BATCH["copy"])


_BATCH = {
    "nothing": "Nothing is returned.",
    "tensor": "A batch can be one tensor, which is moved by `to`.",
    "other": "What is no tensor and no container has no place: return it as "
    "it is.",
    "list": "Move each element, and put the results into a list.",
    "tuple": "A tuple stays a tuple: `tuple(...)` makes one of the moved "
    "elements.",
    "dict": "Move each value of a dictionary, and keep its keys.",
    "depth": (
        "A container may be in another one, at any depth.",
        "Let the function call itself for each element.",
    ),
    "changed": "The batch that was given is another now. Make a new "
    "container, in place of writing into the old one.",
    "copy": "This tensor is there already. `to` returns it then, unless a "
    "copy is asked for.",
}


def _copy(batch: object) -> object:
    """The same containers once more, around the same tensors."""
    if isinstance(batch, dict):
        return {key: _copy(value) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(map(_copy, batch))
    return batch


def _kinds(batch: object, place: str = "") -> object:
    """What is where in a batch: a tensor by its shape, type and place."""
    if isinstance(batch, Tensor):
        kind = f"{batch.dtype}".removeprefix("torch.")
        place = place or batch.device.type
        return f"{kind} {tuple(batch.shape)} on {place}"
    if isinstance(batch, dict):
        return {key: _kinds(value, place) for key, value in batch.items()}
    if type(batch) in (list, tuple):
        # `equal` takes a list for a tuple.
        return {type(batch).__name__: [_kinds(x, place) for x in batch]}
    return batch


@exercise(
    "6.8 What the default reaches",
    "your predictions come true when each line is run",
)
def what_the_default_reaches(where: dict) -> None:
    beside = "It is made from a tensor that is there, and stays beside it."
    creates = "It creates a tensor, and names no place."
    hints = {
        "torch.arange(3)": creates,
        "torch.tensor([1.0, 2.0])": creates,
        "torch.zeros(3, device='cpu')": "A place that is named goes before "
        "the default.",
        "torch.from_numpy(array)": "It shares the array's memory, which is on "
        "the CPU.",
        "torch.stack([X, X])": beside,
        "X.new_zeros(3)": "`new_zeros` takes place and type from its tensor.",
        "net(X)": "Layer and input are there already. What is computed from "
        "them is where they are.",
        "nn.Linear(3, 2).weight": "A layer creates its parameters, and here "
        "nobody has given it a device.",
        "X + torch.tensor(1.0, device='cpu')": "Both are on the CPU.",
        "torch.ones(3) + torch.tensor(1.0, device='cpu')": (
            "One of the two is on meta, the other on the CPU. Which of them "
            "has no dimensions?",
            "In arithmetic, a CPU tensor without dimensions counts as a "
            "number, which may go to any device.",
        ),
    }
    names = {
        "torch": torch,
        "nn": nn,
        "X": torch.ones(3),
        "array": np.ones(3),
        "net": nn.Linear(3, 2),
    }
    with torch.device("meta"):
        truth = {code: eval(code, names).device.type for code in hints}
    predicted(where, truth, hints)


@exercise(
    "6.9 One batch ahead",
    "each batch is moved once, and given in order",
    "the next batch is moved before the one before it is given",
    "no batch after that is taken or moved, so that batches may be endless",
    "no batches give nothing",
)
def one_batch_ahead(ahead: Callable) -> None:
    for number in (2, 1, 0, 4):
        with case(Phrase("batches = range({n})", n=number)):
            given, _ = _followed(ahead, iter(range(number)))
            wanted = [f"moved {i}" for i in range(number)]
            equal(given, wanted, _AHEAD["all"], _known_orders(wanted))
    with case("batches = 0, 1, 2 and 3, gone through once"):
        _, events = _followed(ahead, iter(range(4)))
        expected = ["move 0"]
        for i in range(4):
            expected += [f"move {i + 1}"] * (i < 3) + [f"give {i}"]
        hint = _AHEAD["order"]
        if events.index("give 0") > events.index("move 2"):
            hint = _AHEAD["far"]
        equal(events, expected, hint, what="calls and batches given")
    with case("a thousand batches, of which three are given"):
        taken = []
        batches = (taken.append(i) or i for i in range(1000))
        given = list(islice(ahead(batches, lambda batch: batch), 3))
        equal(given, [0, 1, 2], _AHEAD["all"])
        hint = _AHEAD["far" if len(taken) > 4 else "order"]
        equal(len(taken), 4, hint, what="batches taken")


_AHEAD = {
    "nothing": "Nothing is given: a generator has `yield` in it.",
    "all": "Each batch is given once, moved, in order. Look at the last one, "
    "after which there is no next.",
    "last": (
        "The last batch is missing.",
        "When `batches` ends, one that was moved is still in waiting. Give it "
        "after the loop.",
    ),
    "first": "The first batch is missing.",
    "not moved": "These are the batches that were given: give what `move` "
    "returns for them.",
    "order": (
        "When a batch is given, the next one is to be on its way, and no "
        "other.",
        "Move first, then give the batch that was moved in the round before.",
    ),
    "far": "More than one batch is ahead: each takes memory, and there may be "
    "no end.",
    "None": "In the first round there is no batch before: give nothing then.",
}


def _known_orders(wanted: list[str]) -> list[tuple[list, Hint]]:
    """Wrong results of a run through all batches, and their hints."""
    return [
        (wanted[:-1], _AHEAD["last"]),
        (wanted[1:], _AHEAD["first"]),
        ([*range(len(wanted))], _AHEAD["not moved"]),
        ([None, *wanted], _AHEAD["None"]),
        ([None, *wanted[:-1]], _AHEAD["None"]),
    ]


def _followed(
    ahead: Callable, batches: Iterator[int]
) -> tuple[list[object], list[str]]:
    """What is given for some batches, and what happened in which order."""
    events = []

    def move(batch: int) -> str:
        events.append(f"move {batch}")
        return f"moved {batch}"

    given = []
    generator = ahead(batches, move)
    holds(
        hasattr(generator, "__next__"),
        "a generator",
        show(generator),
        _AHEAD["nothing"],
    )
    for i, batch in enumerate(generator):
        events.append(f"give {i}")
        given.append(batch)
    return given, events
