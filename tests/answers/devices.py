"""Answers to the exercises of chapter 06."""

import copy
import threading
import time
import timeit
from collections import deque
from concurrent.futures import (
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from itertools import accumulate, repeat
from statistics import median
from time import perf_counter

import numpy as np
import torch
from torch.utils import benchmark
from torch.utils._pytree import tree_map

from d2l_helpers import d2l
from tests.answers import also_right, edited, right, wrong

# 6.1 Small and large


def clocked(f, repeats):
    start = time.perf_counter_ns()
    for _ in range(repeats):
        f()
    return (time.perf_counter_ns() - start) / 1e9


def pair(n, device):
    return torch.ones(n, device=device), torch.ones(n, device=device)


def drain(device):
    if device.type != "cpu":
        torch.accelerator.synchronize(device)  # an error on meta


@right("small_and_large", {"sum": 1, "product": 2000})
def time_by_nanoseconds(n, device):
    a, b = pair(n, device)
    drain(device)
    a + b
    drain(device)
    return np.median([clocked(lambda: a + b, 1) for _ in range(9)])


@right("small_and_large", {"sum": 1.0, "product": 1999.0})
def time_by_an_imported_clock(n, device):
    a, b = torch.rand(n).to(device), torch.rand(n).to(device)
    c = torch.empty_like(a)
    durations = []
    for _ in range(20):
        start = perf_counter()
        torch.add(a, b, out=c)
        durations.append(perf_counter() - start)
    return torch.tensor(durations[5:]).median()


@right("small_and_large")
def time_by_the_timer(n, device):
    a, b = pair(n, device)
    timer = d2l.Timer()
    for _ in range(17):
        timer.start()
        a += b
        c = a[0].item()  # waits
        timer.stop()
    del c
    return median(timer.times[2:])


@right("small_and_large")
def time_by_timeit(n, device):
    a, b = pair(n, device)
    return sorted(timeit.repeat(lambda: a + b, number=5, repeat=5))[2] / 5


@right("small_and_large")
def time_by_many_blocks(n, device):
    a, b = pair(n, device)
    runs = timeit.repeat(lambda: a + b, number=3000, repeat=7)
    return median(t / 3000 for t in runs)


@right("small_and_large")
def time_by_blocks_of_a_clock(n, device):
    a, b = pair(n, device)
    a + b
    return median(clocked(lambda: a + b, 20) / 20 for _ in range(6))


@right("small_and_large")
def time_by_torch(n, device):
    a, b = pair(n, device)
    timer = benchmark.Timer("a + b", globals={"a": a, "b": b})
    return timer.blocked_autorange(min_run_time=0.1).median


@right("small_and_large")
def time_by_a_kept_clock(n, device, clock=time.perf_counter):
    a, b = pair(n, device)
    times = []
    for _ in range(12):
        start = clock()
        a + b
        times.append(clock() - start)
    return sorted(times[2:])[5]


@right("small_and_large")
def time_from_reading_to_reading(n, device):
    a, b = pair(n, device)
    a.add(b)
    readings = [time.monotonic_ns()]
    for _ in range(10):
        a.add(b)
        readings.append(time.monotonic_ns())
    return np.median(np.diff(readings)) / 1e9


_RUN, _RETURN = "clocked(lambda: a + b, 1)", "return seconds(torch.add, a, b)"
_RUNS, _BLOCK = f"[{_RUN} for _ in range(9)]", "clocked(lambda: a + b, 15)"
_TEN = f"[{_RUN} for _ in range(10)]"
_BOTH = "(torch.rand(n, device=device) for _ in range(2))"
_CLOCKED = """
from time import perf_counter
def clocked(f, repeats):
    start = perf_counter()
    for _ in range(repeats):
        f()
    return perf_counter() - start
def made(n, device):
    return torch.rand(n, device=device) + torch.rand(n, device=device)
"""
edited(
    "small_and_large",
    *(
        (hint, {_RETURN: code}, _CLOCKED)
        for hint, code in (
            ("or leave its duration out", f"return median({_RUNS})"),
            ("or leave its duration out", f"return sorted({_TEN})[4]"),
            ("shortest time", f"a + b; return min({_RUNS})"),
            ("hardly any on the median", f"a + b; return {_BLOCK} / 15"),
            ("can't be a duration", "[a + b for _ in range(6)]; return 1.0"),
            ("Run the sum before the clock", f"return max({_RUNS})"),
            (
                "more than one sum",
                "a + b; start = time.time(); [a + b for _ in range(15)]; "
                "return time.time() - start",
            ),
            ("more than one sum", f"a + b; return {_BLOCK}"),
            ("at least five times", f"a + b; return {_RUN}"),
            ("vectors are made", "return seconds(made, n, device)"),
            ("on a mean", f"a + b; return sum({_RUNS}) / 9"),
            ("sum of the durations", f"a + b; return sum({_RUNS})"),
            ("median of the durations", f"return {_RUNS}"),
            ("`a.sum()` is another", "return seconds(a.sum)"),
            ("Nothing is returned", "seconds(torch.add, a, b)"),
        )
    ),
    ("not milliseconds", {"return": "return 1000 *"}),
    ("between two readings", {"return": "return -"}),
    ("isn't on the device", {"device=device": 'device="cpu"'}),
    (
        "has an argument `device`",
        {_BOTH: "torch.rand(n, device=device), torch.rand(n)"},
    ),
    ("the shape `(n,)`", {"rand(n,": "rand(n, n,"}),
    ("not for all of them", {'"sum": 1,': '"sum": 1000,'}),
    ("no operations here", {'"sum": 1,': '"sum": 3,'}),
    ("also added up", {" + 999": ""}),
    ("whole result", {"1000 + 999": "2 * 1000**3"}),
    ("row and a column", {"1000 + 999": "1"}),
)


# 6.2 Parameters across devices

_BIAS, _VALUES = "net.get_parameter(name)", "torch.tensor(values)"
_COPY, _LIST = f"{_BIAS}.copy_({_VALUES})", f"return {_BIAS}.tolist()"
_LOAD = f"net.load_state_dict({{name: {_VALUES}}}, strict=False)"
_SPLIT = "path, _, last = name.rpartition('.'); at = net.get_submodule(path)"
also_right(
    "parameters_across_devices",
    {
        _COPY: "bias = dict(net.named_parameters())[name]; "
        "bias[:] = torch.as_tensor(values, device=bias.device)",
        _LIST: "return [v.item() for v in dict(net.named_parameters())[name]]",
    },
    {
        _COPY: f"net.state_dict()[name]; {_LOAD}",
        _LIST: "return tuple(net.state_dict()[name].cpu().numpy())",
    },
    {
        _COPY: f"{_SPLIT}; bias = getattr(at, last)\n"
        "        for i, value in enumerate(values): bias[i] = value\n"
        "        assert bias.tolist() == values  # an error on meta",
    },
    {
        _COPY: f"bias = {_BIAS}; bias.data = torch.tensor("
        "values, dtype=bias.dtype, device=bias.device)"
    },
    {
        _COPY: f"bias = {_BIAS}.requires_grad_(False); "
        f"bias.copy_({_VALUES}.double()); bias.requires_grad_()"
    },
)
edited(
    "parameters_across_devices",
    ("refuses to edit a leaf", {"with torch.no_grad():\n        ": ""}),
    (
        "An optimizer holds",
        {_COPY: f"{_SPLIT}; setattr(at, last, nn.Parameter({_VALUES}))"},
    ),
    ("puts another tensor", {_COPY: f"{_BIAS}.data = {_VALUES}"}),
    (
        "may be elsewhere",
        {_COPY: f"{_BIAS}.data = {_VALUES}.to({_BIAS}.dtype)"},
    ),
    ("several", {_COPY: f"getattr(net, name).copy_({_VALUES})"}),
    (
        "several",
        {_COPY: f"{_SPLIT}; getattr(at, last).copy_({_VALUES})"},
        {"path, _, last = name.rpartition": "path, last = name.split"},
    ),
    ("the values that were given", {".copy_": ".add_"}),
    ("such as a copy", {".copy_": ".clone().copy_"}),
    ("to require a gradient", {".copy_": ".requires_grad_(False).copy_"}),
    ("without a word", {_COPY: _LOAD}),
    (
        "what the bias holds now",
        {_LIST: f"return noted.setdefault(name, {_BIAS}.tolist())"},
        "noted = {}",
    ),
    (
        "what the bias holds now",
        {_LIST: f"return [round(x, 2) for x in {_BIAS}.tolist()]"},
    ),
    ("what the bias holds now", {_LIST: f"return [0.0 for _ in {_BIAS}]"}),
    ("returns nothing", {_LIST: f"{_BIAS}.tolist()"}),
    ("Python's numbers", {_LIST: f"return {_BIAS}.detach()"}),
    ("Python's numbers", {_LIST: f"return list({_BIAS})"}),
)


@wrong("parameters_across_devices", "others are to stay")
def set_each_bias_of_this_size(net, name, values):
    net.get_parameter(name)
    for key, p in net.named_parameters():
        if key.endswith("bias") and len(p) == len(values):
            p.data.copy_(torch.tensor(values))


@wrong("parameters_across_devices", "others are to stay")
def set_each_bias(net, name, values):
    net.get_parameter(name)
    for key, p in net.named_parameters():
        if key.endswith("bias"):
            p.data[: len(values)] = torch.tensor(values)[: len(p)]


@wrong("parameters_across_devices", "what is missing")
def set_with_vague_error(net, name, values):
    if name not in net.state_dict():
        raise KeyError("wrong name")
    net.get_parameter(name).data.copy_(torch.tensor(values))


@wrong("parameters_across_devices", "without a word", instead_of="get_bias")
def get_if_there(net, name):
    for key, bias in net.named_parameters():
        if key == name:
            return bias.tolist()
    return None


# 6.3 A thousand norms


@right("thousand_norms")
def read_in_double(A, B, count):
    norms = np.zeros(count)
    X = A.double()
    for i in range(count):
        X = X @ B.double()
        norms[i] = torch.linalg.matrix_norm(X).item()
    return norms


@right("thousand_norms")
def read_from_all_products(A, B, steps):
    products = accumulate(repeat(B, steps), torch.matmul, initial=A)
    return tuple(float(X.norm()) for X in [*products][1:])


@right("thousand_norms", instead_of="norms_kept")
def kept(A, B, steps):
    log = torch.empty(steps, device=A.device)
    for i in range(steps):
        A = A.mm(B)
        log[i] = A.square().sum().sqrt()
    return log


@right("thousand_norms", instead_of="norms_kept")
def kept_in_place(A, B, steps):
    A = A.clone()
    logs = []
    for _ in range(steps):
        A.copy_(A @ B)
        logs.append(A.norm().reshape(1))
    return torch.cat(logs)


@wrong("thousand_norms", "on the device of A", instead_of="norms_kept")
def kept_on_the_cpu(A, B, steps):
    log = torch.empty(steps)
    for i in range(steps):
        A = A @ B
        log[i] = A.norm()
    return log


_NORM, _STACK = "torch.linalg.norm(A)", "torch.stack(norms)"
_READ, _KEPT = f"norms.append({_NORM}.item())", f"norms.append({_NORM})"
_SECOND = "torch.linalg.qr(torch.randn(100, 100)).Q"
also_right(
    "thousand_norms",
    {_SECOND: "torch.eye(100).roll(1, dims=0)"},
    {_SECOND: "torch.ones(100, 100) / 100"},
    {_SECOND: "-torch.eye(100).double()"},
)
edited(
    "thousand_norms",
    ("Multiply first", {"A = A @ B": "", _READ: f"{_READ}; A = A @ B"}),
    ("before the first product", {"norms = []": f"norms = [{_NORM}.item()]"}),
    ("as many as `steps` says", {"range(steps)": "range(1000)"}),
    ("Collect the norms", {"return norms": "return norms[-1]"}),
    ("The order matters", {"A @ B": "B @ A"}),
    ("root of the sum is missing", {".item()": ".item() ** 2"}),
    (
        "starts from the last result",
        {"A = A @ B": "X = A @ B", "norm(A)": "norm(X)"},
    ),
    ("spectral norm", {"norm(A)": "norm(A, 2)"}),
    ("Nothing is returned", {"return norms": ""}),
    ("`*` multiplies element by element", {"A @ B": "A * B"}),
    ("of the squares of all elements", {_NORM: "A.sum()"}),
    (
        "reads one number after each",
        {".item()": "", "return norms": f"return {_STACK}.tolist()"},
    ),
    ("return a list of them", {"return norms": "return torch.tensor(norms)"}),
    ("write into the old one", {"A = A @ B": "A.copy_(A @ B)"}),
    (
        "`item`, `float` and `if` do",
        {_KEPT: _READ, _STACK: "torch.tensor(norms, device=A.device)"},
    ),
    (
        "on the device of A",
        {_STACK: f"torch.empty(steps) if A.is_meta else {_STACK}"},
    ),
    ("`torch.tensor` reads each tensor", {_STACK: "torch.tensor(norms)"}),
    (
        "`torch.stack` reads none",
        {_STACK: "torch.tensor(norms, device=A.device)"},
    ),
    ("`torch.stack` reads none", {_STACK: "A.new_tensor(norms)"}),
    ("returns one tensor", {_STACK: "norms"}),
    ("one dimension", {_STACK: f"{_STACK}[:, None]"}),
    ("10 to the power of 41", {_SECOND: "torch.full((100, 100), 0.5)"}),
    ("10 to the power of 41", {_SECOND: "torch.randn(100, 100)"}),
    ("norm shrinks", {_SECOND: "torch.eye(100) / 2"}),
    ("100 x 100", {_SECOND: "torch.eye(2)"}),
    ("nothing is computed", {_SECOND: "torch.eye(100)"}),
)


# 6.4 Two at once


@right("two_at_once")
def at_once_by_threads(f, S, T):
    results = [None, None]

    def run(i, X):
        results[i] = f(X)

    threads = [
        threading.Thread(target=run, args=pair) for pair in enumerate((S, T))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@wrong("two_at_once", "as they complete")
def at_once_as_they_come(f, S, T):
    results = []
    threads = [
        threading.Thread(target=lambda X=X: results.append(f(X)))
        for X in (S, T)
    ]
    threads[0].start()
    threads[0].join(0.3)  # so that f(S) comes first where it can
    threads[1].start()
    for thread in threads:
        thread.join()
    return results


@wrong("two_at_once", "as they complete")
def at_once_as_completed(f, S, T):
    pool = ThreadPoolExecutor(2)
    futures = [pool.submit(f, S), pool.submit(f, T)]
    return [future.result() for future in as_completed(futures)]


@wrong("two_at_once", "Take threads")
def at_once_by_processes(f, S, T):
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(f, [S, T]))


_MAP = "list(pool.map(f, (S, T)))"
_SUBMITTED = "[pool.submit(f, X) for X in (S, T)]"
_RESULTS = f"[future.result() for future in {_SUBMITTED}]"
also_right(
    "two_at_once",
    {_MAP: _RESULTS},
    {
        "return": "R, Q = pool.submit(f, S), f(T); return",
        _MAP: "R.result(), Q",
    },
)
edited(
    "two_at_once",
    ("before you wait for one", {_MAP: "[f(S), f(T)]"}),
    ("before you wait for one", {_MAP: _SUBMITTED, "f, X)": "f, X).result()"}),
    ("pool of two threads", {"=2": "=1"}),
    (
        "function and its argument apart",
        {_MAP: _RESULTS, "submit(f, X)": "submit(f(X))"},
    ),
    (
        "before a thread has it",
        {"return": "R, Q = f(S), f(T); return"},
        {"f, (S, T)": "lambda g: g(), (lambda: R, lambda: Q)"},
    ),
    ("stands for a result to come", {_MAP: _SUBMITTED}),
    ("Wait for both threads", {_MAP: "pool.map(f, (S, T))"}),
    (
        "each of the two threads calls it once",
        {_MAP: f"{_SUBMITTED}[0].result()"},
        {"submit(f, X)": "submit(lambda: [f(S), f(T)])"},
    ),
    ("order of the arguments", {"f, (S, T)": "f, (T, S)"}),
    ("Both are f(S)", {"f, (S, T)": "f, (S, S)"}),
    ("f wasn't called", {_MAP: "[S, T]"}),
    (
        "The first is to be f(S)",
        {_MAP: _SUBMITTED, "return": "futures ="},
        {"T)]": "T)]\n    return [future.done() for future in futures]"},
    ),
)


# 6.5 What stays behind


@right("what_stays_behind")
def stays_by_recursion(net):
    names = [k for k, v in vars(net).items() if torch.is_tensor(v)]
    for child, module in net.named_children():
        names += [f"{child}.{name}" for name in stays_by_recursion(module)]
    return names


@right("what_stays_behind")
def stays_by_moving(net):
    names = set()
    for path, module in copy.deepcopy(net).to("meta").named_modules():
        for name in dir(module):
            value = getattr(module, name)
            if isinstance(value, torch.Tensor) and not value.is_meta:
                names.add(f"{path}.{name}" if path else name)
    return names


_NAME, _IS = 'f"{path}.{name}".lstrip(".")', "isinstance(value, torch.Tensor)"
_MODULES, _NAMES = "net.named_modules()", {"return [": "names = ["}
_ALL_BUFFERS = "dict(net.named_buffers()).keys()"
edited(
    "what_stays_behind",
    ("no dot after it", {'.lstrip(".")': ""}),
    ("path of the module", {_NAME: "name"}),
    ("outermost module itself", {_IS: f"{_IS} and path"}),
    ("named_children", {_MODULES: "[('', net), *net.named_children()]"}),
    ("three dictionaries", {"vars(module)": "module._buffers"}),
    ("whatever its name", {_IS: f"{_IS} and name[0] != '_'"}),
    ("its settings", {_IS: f"{_IS} and not value.requires_grad"}),
    ("its type", {_IS: f"{_IS} and value.is_floating_point()"}),
    (
        "tensors beside them",
        {_IS: "name[0] != '_' and not isinstance(value, (bool, float))"},
        {", float": ", float, type(None)"},
    ),
    ("some are no tensors", {_IS: "hasattr(value, 'shape')"}),
    ("its shape", {_IS: f"{_IS} and value.dim()"}),
    (
        "also one that isn't saved",
        {"    ]": f"    ] + [*({_ALL_BUFFERS} - {{*net.state_dict()}})]"},
    ),
    (
        "A module that has children",
        {_IS: f"{_IS} and not list(module.children())"},
    ),
    ("stands in the list twice", {"    ]": "    ] * 2"}),
    (
        "is made only once",
        {"(net)": "(net, names=[])", "return [": "names += ["},
        {"    ]": "    ]\n    return names"},
    ),
    ("or move a copy", {_MODULES: "net.eval().named_modules()"}),
    ("no tensors, no pairs", {_NAME: "value"}),
    ("return it at the end", _NAMES, {"    ]": "    ]\n    print(names)"}),
    (
        "or move a copy",
        _NAMES,
        {"    ]": "    ]\n    net.to('meta')\n    return names"},
    ),
    (
        "or move a copy",
        {"return [": "net.names = [", "    ]": "    ]\n    return net.names"},
    ),
)


# 6.6 Readers in disguise

also_right("readers_in_disguise", {": True": ": torch.tensor(True).item()"})
edited(
    "readers_in_disguise",
    ("one by one", {'max(v)": True': 'max(v)": False'}),
    ("stays on the device", {'v.max()": False': 'v.max()": True'}),
    ("`int` needs the number", {'int(x)]": True': 'int(x)]": False'}),
    ("as `int` would", {'argmax()]": True': 'argmax()]": False'}),
    ("what kind of index", {'argmax()]": True': 'argmax()]": False'}),
    ("Nobody asks", {'+= x": False': '+= x": True'}),
    ("`item` reads x", {'x.item()": True': 'x.item()": False'}),
    ("the number of elements above 0", {'v > 0]": True': 'v > 0]": False'}),
    ("is as long as `v`", {'v, 0)": False': 'v, 0)": True'}),
    ("Add 'v[v > 0]'", {'"v[v > 0]": True,': ""}),
    ("without quotes", {'v.max()": False': 'v.max()": "no"'}),
)


# 6.7 A batch of anything


@right("batch_of_anything")
def moved_by_kinds(batch, place):
    match batch:
        case torch.Tensor():
            return batch.to(device=place, non_blocking=True)
        case dict():
            values = [moved_by_kinds(x, place) for x in batch.values()]
            return dict(zip(batch, values, strict=True))
        case list():
            return [moved_by_kinds(x, place) for x in batch]
        case tuple():
            return tuple(moved_by_kinds(x, place) for x in batch)
    return batch


@right("batch_of_anything")
def moved_by_tree(batch, place):
    return tree_map(lambda x: x.to(place) if hasattr(x, "to") else x, batch)


_KEEP, _EACH = "\n    return batch", "type(batch)(to_device(x, place)"
_VALUES = "to_device(x, place) for key, x in"
edited(
    "batch_of_anything",
    ("Nothing is returned", {"return batch.to(place)": "return"}),
    ("which is moved by `to`", {"batch.to(place)": "batch"}),
    ("return it as it is", {_KEEP: "\n    return batch.to(place)"}),
    ("results into a list", {"(list, tuple)": "tuple"}),
    ("A tuple stays a tuple", {_EACH: "list(to_device(x, place)"}),
    ("A tuple stays a tuple", {"(list, tuple)": "list"}),
    ("keep its keys", {f"{{key: {_VALUES}": f"{{str(x): {_VALUES}"}),
    ("each value of a dictionary", {"isinstance(batch, dict)": "False"}),
    (
        "call itself",
        {_VALUES: "(x.to(place) if hasattr(x, 'to') else x) for key, x in"},
    ),
    (
        "writing into the old one",
        {
            "return {key: to_device(x, place) for key, x in batch.items()}": (
                "batch.update((k, to_device(x, place)) "
                "for k, x in batch.items()); return batch"
            )
        },
    ),
    ("unless a copy", {".to(place)": ".to(place, copy=True)"}),
)


# 6.8 What the default reaches

also_right("what_the_default_reaches", {'"meta"': '"Meta"'})
edited(
    "what_the_default_reaches",
    ("names no place", {'arange(3)": "meta"': 'arange(3)": "cpu"'}),
    ("names no place", {'2.0])": "meta"': '2.0])": "cpu"'}),
    (
        "goes before",
        {
            '\'cpu\')": "cpu",\n    "torch.from': (
                '\'cpu\')": "meta",\n    "torch.from'
            )
        },
    ),
    ("shares the array's", {'(array)": "cpu"': '(array)": "meta"'}),
    ("stays beside it", {'X])": "cpu"': 'X])": "meta"'}),
    ("place and type", {'zeros(3)": "cpu"': 'zeros(3)": "meta"'}),
    ("where they are", {'net(X)": "cpu"': 'net(X)": "meta"'}),
    ("creates its parameters", {'.weight": "meta"': '.weight": "cpu"'}),
    (
        "Both are on the CPU",
        {
            '\'cpu\')": "cpu",\n    "torch.ones': (
                '\'cpu\')": "meta",\n    "torch.ones'
            )
        },
    ),
    ("Which of them", {'\'cpu\')": "meta"': '\'cpu\')": "cpu"'}),
    ("counts as a number", {'\'cpu\')": "meta"': '\'cpu\')": "cpu"'}),
)


# 6.9 One batch ahead


@right("one_batch_ahead")
def ahead_by_a_sentinel(batches, move):
    none, waiting = object(), None
    waiting = none
    for moved in map(move, batches):
        if waiting is not none:
            yield waiting
        waiting = moved
    if waiting is not none:
        yield waiting


@right("one_batch_ahead")
def ahead_by_a_queue(batches, move):
    queue = deque()
    for batch in batches:
        queue.append(move(batch))
        if len(queue) == 2:
            yield queue.popleft()
    yield from queue


_LOOP = """    for first in batches:
        waiting = move(first)
        for batch in batches:
            following = move(batch)
            yield waiting
            waiting = following
        yield waiting"""
_LAST = {"following\n        yield waiting": "following"}
edited(
    "one_batch_ahead",
    ("has `yield` in it", {_LOOP: "    return [move(b) for b in batches]"}),
    ("has `yield` in it", {_LOOP: "    for b in batches: move(b)"}),
    ("in waiting. Give it", _LAST),
    ("The last batch is missing", _LAST),
    (
        "what `move` returns",
        {"waiting = move(first)": "move(first); waiting = first"},
        {"following = move(batch)": "move(batch); following = batch"},
    ),
    ("Look at the last one", {"yield waiting": "yield waiting, waiting"}),
    ("in the round before", {_LOOP: "    for b in batches: yield move(b)"}),
    ("on its way", {_LOOP: "    for b in batches: yield move(b)"}),
    ("no end", {_LOOP: "    yield from [move(b) for b in batches]"}),
    ("takes memory", {"= iter(batches)": "= iter(list(batches))"}),
)


@wrong("one_batch_ahead", "In the first round")
def ahead_with_none(batches, move):
    waiting = None
    for batch in batches:
        following = move(batch)
        yield waiting
        waiting = following
    yield waiting


@wrong("one_batch_ahead", "first batch is missing")
def ahead_without_the_first(batches, move):
    batches = iter(batches)
    move(next(batches, None))
    yield from map(move, batches)
