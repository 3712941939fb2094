"""Answers to the exercises of chapter 06."""

import copy
import threading
import time
import timeit
from concurrent.futures import (
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from itertools import accumulate, repeat
from statistics import mean, median
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.utils import benchmark

from d2l_helpers import d2l
from tests.answers import right, wrong

# 6.1 Small and large

COUNTS = {"sum": 1, "product": 1999}


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


@right("small_and_large", COUNTS)
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


@right("small_and_large", COUNTS)
def time_by_timeit(n, device):
    a, b = pair(n, device)
    return sorted(timeit.repeat(lambda: a + b, number=5, repeat=5))[2] / 5


@right("small_and_large", COUNTS)
def time_by_many_blocks(n, device):
    a, b = pair(n, device)
    runs = timeit.repeat(lambda: a + b, number=3000, repeat=7)
    return median(t / 3000 for t in runs)


@right("small_and_large", COUNTS)
def time_by_blocks_of_a_clock(n, device):
    a, b = pair(n, device)
    a + b
    return median(clocked(lambda: a + b, 20) / 20 for _ in range(6))


@right("small_and_large", COUNTS)
def time_by_torch(n, device):
    a, b = pair(n, device)
    timer = benchmark.Timer("a + b", globals={"a": a, "b": b})
    return timer.blocked_autorange(min_run_time=0.1).median


@right("small_and_large", COUNTS)
def time_by_a_kept_clock(n, device, clock=time.perf_counter):
    a, b = pair(n, device)
    times = []
    for _ in range(12):
        start = clock()
        a + b
        times.append(clock() - start)
    return sorted(times[2:])[5]


@right("small_and_large", COUNTS)
def time_from_reading_to_reading(n, device):
    a, b = pair(n, device)
    a.add(b)
    readings = [time.monotonic_ns()]
    for _ in range(10):
        a.add(b)
        readings.append(time.monotonic_ns())
    return np.median(np.diff(readings)) / 1e9


@wrong("small_and_large", "or leave its duration out", COUNTS)
def time_without_warm_up(n, device):
    a, b = pair(n, device)
    return median(clocked(lambda: a + b, 1) for _ in range(9))


@wrong("small_and_large", "or leave its duration out", COUNTS)
def time_without_warm_up_of_ten(n, device):
    a, b = pair(n, device)
    times = [clocked(lambda: a + b, 1) for _ in range(10)]
    return torch.tensor(times, dtype=torch.double).median()


@wrong("small_and_large", "shortest time", COUNTS)
def time_as_minimum(n, device):
    a, b = pair(n, device)
    a + b
    return min(clocked(lambda: a + b, 1) for _ in range(9))


@wrong("small_and_large", "hardly any on the median", COUNTS)
def time_as_mean_of_a_block(n, device):
    a, b = pair(n, device)
    a + b
    return clocked(lambda: a + b, 15) / 15


@wrong("small_and_large", "can't be a duration", COUNTS)
def time_without_a_clock(n, device):
    a, b = pair(n, device)
    for _ in range(6):
        a + b
    return 1.0


@wrong("small_and_large", "Run the sum before the clock", COUNTS)
def time_of_the_first(n, device):
    a, b = pair(n, device)
    durations = [clocked(lambda: a + b, 1) for _ in range(6)]
    return max(durations)


@wrong("small_and_large", "more than one sum", COUNTS)
def time_of_all_by_an_imported_clock(n, device):
    a, b = pair(n, device)
    a + b
    start = perf_counter()
    for _ in range(15):
        a + b
    return perf_counter() - start


@wrong("small_and_large", "at least five times", COUNTS)
def time_of_one_run(n, device):
    a, b = pair(n, device)
    a + b
    return clocked(lambda: a + b, 1)


@wrong("small_and_large", "vectors are made", COUNTS)
def time_with_the_making(n, device):
    def run():
        a, b = pair(n, device)
        return a + b

    run()
    return median(clocked(run, 1) for _ in range(9))


@wrong("small_and_large", "more than one sum", COUNTS)
def time_of_all(n, device):
    a, b = pair(n, device)
    a + b
    return clocked(lambda: a + b, 15)


@wrong("small_and_large", "on a mean", COUNTS)
def time_as_mean(n, device):
    a, b = pair(n, device)
    a + b
    return mean(clocked(lambda: a + b, 1) for _ in range(8))


@wrong("small_and_large", "not milliseconds", COUNTS)
def time_in_milliseconds(n, device):
    return 1000 * time_by_nanoseconds(n, device)


@wrong("small_and_large", "between two readings", COUNTS)
def time_backwards(n, device):
    return -time_by_nanoseconds(n, device)


@wrong("small_and_large", "`a.sum()` is another", COUNTS)
def time_of_a_reduction(n, device):
    a, _ = pair(n, device)
    return median(clocked(a.sum, 1) for _ in range(9))


@wrong("small_and_large", "isn't on the device", COUNTS)
def time_on_the_cpu(n, device):
    return time_by_nanoseconds(n, torch.device("cpu"))


@wrong("small_and_large", "has an argument `device`", COUNTS)
def time_of_two_places(n, device):
    a, b = torch.ones(n, device=device), torch.ones(n)
    a + b
    return median(clocked(lambda: a + b, 1) for _ in range(9))


@wrong("small_and_large", "the shape `(n,)`", COUNTS)
def time_of_matrices(n, device):
    a, b = (torch.ones(n, n, device=device) for _ in range(2))
    return median(clocked(lambda: a + b, 1) for _ in range(9))


@wrong("small_and_large", "sum of the durations", COUNTS)
def time_as_total(n, device):
    a, b = pair(n, device)
    a + b
    return sum(clocked(lambda: a + b, 1) for _ in range(9))


@wrong("small_and_large", "Nothing is returned", COUNTS)
def time_without_return(n, device):
    time_by_nanoseconds(n, device)


@wrong("small_and_large", "median of the durations", COUNTS)
def time_as_list(n, device):
    a, b = pair(n, device)
    return [clocked(lambda: a + b, 1) for _ in range(9)]


for counts, hint in (
    ({"sum": 1000, "product": 2000}, "not for all of them"),
    ({"sum": 3, "product": 2000}, "no operations here"),
    ({"sum": 1, "product": 1000}, "also added up"),
    ({"sum": 1, "product": 2 * 1000**3}, "whole result"),
    ({"sum": 1, "product": 1}, "row and a column"),
):
    wrong("small_and_large", hint, counts)(time_by_nanoseconds)


# 6.2 Parameters across devices


def get_by_item(net, name):
    return [value.item() for value in dict(net.named_parameters())[name]]


def owner(net, name):
    path, _, last = name.rpartition(".")
    return net.get_submodule(path), last


@right("parameters_across_devices", get_by_item)
def set_by_slice(net, name, values):
    bias = dict(net.named_parameters())[name]
    with torch.no_grad():
        bias[:] = torch.as_tensor(values, device=bias.device)


@right("parameters_across_devices", lambda net, name: get_by_numpy(net, name))
def set_by_state_dict(net, name, values):
    if name not in net.state_dict():
        raise ValueError(f"there is no {name}")
    net.load_state_dict({name: torch.tensor(values)}, strict=False)


@right("parameters_across_devices", get_by_item)
def set_one_by_one(net, name, values):
    module, last = owner(net, name)
    bias = getattr(module, last).detach()
    for i, value in enumerate(values):
        bias[i] = value
    assert bias.tolist() == values  # an error on meta


@right("parameters_across_devices", get_by_item)
def set_data_of_its_kind(net, name, values):
    bias = net.get_parameter(name)
    bias.data = torch.tensor(values, dtype=bias.dtype, device=bias.device)


@right("parameters_across_devices", get_by_item)
def set_frozen(net, name, values):
    bias = net.get_parameter(name).requires_grad_(False)
    bias.copy_(torch.tensor(values, dtype=torch.double))
    bias.requires_grad_()


def get_by_numpy(net, name):
    module, last = owner(net, name)
    return tuple(getattr(module, last).detach().cpu().numpy())


@wrong("parameters_across_devices", "refuses to edit a leaf", get_by_item)
def set_with_autograd(net, name, values):
    net.get_parameter(name).copy_(torch.tensor(values))


@wrong("parameters_across_devices", "An optimizer holds", get_by_item)
def set_a_new_parameter(net, name, values):
    module, last = owner(net, name)
    setattr(module, last, nn.Parameter(torch.tensor(values)))


@wrong("parameters_across_devices", "puts another tensor", get_by_item)
def set_data(net, name, values):
    net.get_parameter(name).data = torch.tensor(values)


@wrong("parameters_across_devices", "may be elsewhere", get_by_item)
def set_data_of_the_type(net, name, values):
    bias = net.get_parameter(name)
    bias.data = torch.tensor(values, dtype=bias.dtype)


@wrong("parameters_across_devices", "several", get_by_item)
def set_by_getattr(net, name, values):
    bias = getattr(net, name)
    with torch.no_grad():
        bias.copy_(torch.tensor(values))


@wrong("parameters_across_devices", "several", get_by_item)
def set_by_one_split(net, name, values):
    child, last = name.split(".")
    with torch.no_grad():
        getattr(net.get_submodule(child), last).copy_(torch.tensor(values))


@wrong("parameters_across_devices", "the values that were given", get_by_item)
def set_by_adding(net, name, values):
    with torch.no_grad():
        net.get_parameter(name).add_(torch.tensor(values))


@wrong("parameters_across_devices", "others are to stay", get_by_item)
def set_each_bias_of_this_size(net, name, values):
    net.get_parameter(name)
    for key, p in net.named_parameters():
        if key.endswith("bias") and len(p) == len(values):
            p.data.copy_(torch.tensor(values))


@wrong("parameters_across_devices", "such as a copy", get_by_item)
def set_a_copy(net, name, values):
    with torch.no_grad():
        net.get_parameter(name).clone().copy_(torch.tensor(values))


@wrong("parameters_across_devices", "others are to stay", get_by_item)
def set_each_bias(net, name, values):
    net.get_parameter(name)
    for key, p in net.named_parameters():
        if key.endswith("bias"):
            p.data[: len(values)] = torch.tensor(values)[: len(p)]


@wrong("parameters_across_devices", "to require a gradient", get_by_item)
def set_and_freeze(net, name, values):
    bias = net.get_parameter(name).requires_grad_(False)
    bias.copy_(torch.tensor(values))


@wrong("parameters_across_devices", "without a word", get_by_item)
def set_if_there(net, name, values):
    net.load_state_dict({name: torch.tensor(values)}, strict=False)


@wrong("parameters_across_devices", "what is missing", get_by_item)
def set_with_vague_error(net, name, values):
    if name not in net.state_dict():
        raise KeyError("wrong name")
    set_by_slice(net, name, values)


def get_tensor(net, name):
    return net.get_parameter(name).detach()


def get_tensors(net, name):
    return list(net.get_parameter(name))


def get_if_there(net, name):
    for key, bias in net.named_parameters():
        if key == name:
            return bias.tolist()
    return None


def get_zeros(net, name):
    return [0.0 for _ in net.get_parameter(name)]


NOTED = {}


def get_noted(net, name):
    return NOTED.setdefault(name, net.get_parameter(name).tolist())


def get_rounded(net, name):
    return [round(x, 2) for x in net.get_parameter(name).tolist()]


def get_and_forget(net, name):
    net.get_parameter(name).tolist()


for get_bias, hint in (
    (get_noted, "what the bias holds now"),
    (get_rounded, "what the bias holds now"),
    (get_and_forget, "returns nothing"),
    (get_tensor, "Python's numbers"),
    (get_tensors, "Python's numbers"),
    (get_if_there, "without a word"),
    (get_zeros, "what the bias holds now"),
):
    wrong("parameters_across_devices", hint, get_bias)(set_by_slice)


# 6.3 A thousand norms

ONES = torch.ones(100, 100) / 100
SHIFT = torch.eye(100).roll(1, dims=0)


def products(A, B, steps):
    """A, A B, A B B, ..."""
    return list(accumulate(repeat(B, steps), torch.matmul, initial=A))


def read(A, B, steps):
    return [float(X.norm()) for X in products(A, B, steps)[1:]]


def kept(A, B, steps):
    log = torch.empty(steps, device=A.device)
    for i in range(steps):
        A = A.mm(B)
        log[i] = A.square().sum().sqrt()
    return log


def read_in_double(A, B, count):
    norms = np.zeros(count)
    X = A.double()
    for i in range(count):
        X = X @ B.double()
        norms[i] = torch.linalg.matrix_norm(X).item()
    return norms


def kept_in_place(A, B, steps):
    A = A.clone()
    logs = []
    for _ in range(steps):
        A.copy_(A @ B)
        logs.append(A.norm().reshape(1))
    return torch.cat(logs)


right("thousand_norms", kept, SHIFT)(read)
right("thousand_norms", kept_in_place, ONES)(read_in_double)
right("thousand_norms", kept, -torch.eye(100).double())(
    lambda A, B, steps: tuple(read(A, B, steps))
)


def both(hint):
    """Note a reader that is wrong, beside a right second function."""
    return wrong("thousand_norms", hint, kept, SHIFT)


def second_of(hint):
    """Note a second function that is wrong, beside a right reader."""

    def note(answer):
        wrong("thousand_norms", hint, answer, SHIFT)(read)
        return answer

    return note


@both("Multiply first")
def read_before(A, B, steps):
    return [X.norm().item() for X in products(A, B, steps)[:-1]]


@both("before the first product")
def read_from_the_start(A, B, steps):
    return [X.norm().item() for X in products(A, B, steps)]


@both("as many as `steps` says")
def read_a_thousand(A, B, steps):
    return read(A, B, 1000)


@both("Collect the norms")
def read_the_last(A, B, steps):
    return read(A, B, steps)[-1]


@both("The order matters")
def read_from_the_left(A, B, steps):
    norms = []
    for _ in range(steps):
        A = B @ A
        norms.append(A.norm().item())
    return norms


@both("root of the sum is missing")
def read_squares(A, B, steps):
    return [x**2 for x in read(A, B, steps)]


@both("starts from the last result")
def read_one_product(A, B, steps):
    return [(A @ B).norm().item() for _ in range(steps)]


@both("spectral norm")
def read_spectral(A, B, steps):
    X = products(A, B, steps)[1:]
    return [torch.linalg.norm(x, 2).item() for x in X]


@both("Nothing is returned")
def read_and_forget(A, B, steps):
    read(A, B, steps)


@both("`*` multiplies element by element")
def read_elementwise(A, B, steps):
    return [(A * B ** (k + 1)).norm().item() for k in range(steps)]


@both("of the squares of all elements")
def read_sums(A, B, steps):
    return [X.sum().item() for X in products(A, B, steps)[1:]]


@both("reads one number after each")
def read_at_the_end(A, B, steps):
    return kept(A, B, steps).tolist()


@both("return a list of them")
def read_into_a_tensor(A, B, steps):
    return torch.tensor(read(A, B, steps))


@both("write into the old one")
def read_and_change(A, B, steps):
    norms = []
    for _ in range(steps):
        A.copy_(A @ B)
        norms.append(A.norm().item())
    return norms


@second_of("`item`, `float` and `if` do")
def kept_by_float(A, B, steps):
    return torch.tensor(read(A, B, steps), device=A.device)


@second_of("on the device of A")
def kept_on_the_cpu(A, B, steps):
    log = torch.empty(steps)
    for i in range(steps):
        A = A @ B
        log[i] = A.norm()
    return log


@second_of("on the device of A")
def kept_as_shape(A, B, steps):
    if A.is_meta:  # so that nothing fails there
        return torch.empty(steps)
    return kept(A, B, steps)


@second_of("`torch.tensor` reads each tensor")
def kept_by_tensor_of_tensors(A, B, steps):
    return torch.tensor([X.norm() for X in products(A, B, steps)[1:]])


@second_of("`torch.stack` reads none")
def kept_by_tensor_of_tensors_there(A, B, steps):
    norms = [X.norm() for X in products(A, B, steps)[1:]]
    return torch.tensor(norms, device=A.device)


@second_of("`torch.stack` reads none")
def kept_by_new_tensor(A, B, steps):
    return A.new_tensor([X.norm() for X in products(A, B, steps)[1:]])


@second_of("returns one tensor")
def kept_as_list(A, B, steps):
    return [X.norm() for X in products(A, B, steps)[1:]]


@second_of("one dimension")
def kept_as_column(A, B, steps):
    return kept(A, B, steps)[:, None]


for factor, hint in (
    (torch.full((100, 100), 0.5), "10 to the power of 41"),
    (torch.randn(100, 100), "10 to the power of 41"),
    (torch.eye(100) / 2, "norm shrinks"),
    (torch.eye(2), "100 x 100"),
    (torch.eye(100), "nothing is computed"),
):
    wrong("thousand_norms", hint, kept, factor)(read)


# 6.4 Two at once


@right("two_at_once")
def at_once_by_submit(f, S, T):
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(f, X) for X in (S, T)]
    return [future.result() for future in futures]


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


@right("two_at_once")
def at_once_beside_this_thread(f, S, T):
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(f, S)
        last = f(T)
        return first.result(), last


@wrong("two_at_once", "before you wait for one")
def at_once_one_after_the_other(f, S, T):
    return [f(S), f(T)]


@wrong("two_at_once", "before you wait for one")
def at_once_waiting(f, S, T):
    with ThreadPoolExecutor(2) as pool:
        return [pool.submit(f, X).result() for X in (S, T)]


@wrong("two_at_once", "pool of two threads")
def at_once_by_one_thread(f, S, T):
    with ThreadPoolExecutor(max_workers=1) as pool:
        return list(pool.map(f, [S, T]))


@wrong("two_at_once", "function and its argument apart")
def at_once_called_too_early(f, S, T):
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(f(S)), pool.submit(f(T))]
    return [future.result() for future in futures]


@wrong("two_at_once", "before a thread has it")
def at_once_called_in_a_lambda(f, S, T):
    first, last = f(S), f(T)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda g: g(), [lambda: first, lambda: last]))


@wrong("two_at_once", "stands for a result to come")
def at_once_futures(f, S, T):
    with ThreadPoolExecutor(2) as pool:
        return [pool.submit(f, S), pool.submit(f, T)]


@wrong("two_at_once", "Wait for both threads")
def at_once_lazily(f, S, T):
    with ThreadPoolExecutor(2) as pool:
        return pool.map(f, [S, T])


@wrong("two_at_once", "each of the two threads calls it once")
def at_once_both_in_each(f, S, T):
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(lambda: [f(S), f(T)]) for _ in range(2)]
    return futures[0].result()


@wrong("two_at_once", "Take threads")
def at_once_by_processes(f, S, T):
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(f, [S, T]))


@wrong("two_at_once", "as they complete")
def at_once_as_completed(f, S, T):
    pool = ThreadPoolExecutor(2)
    futures = [pool.submit(f, S), pool.submit(f, T)]
    return [future.result() for future in as_completed(futures)]


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


@wrong("two_at_once", "order of the arguments")
def at_once_reversed(f, S, T):
    return at_once_by_submit(f, T, S)


@wrong("two_at_once", "Both are f(S)")
def at_once_twice(f, S, T):
    return at_once_by_submit(f, S, S)


@wrong("two_at_once", "f wasn't called")
def at_once_without_f(f, S, T):
    return [S, T]


@wrong("two_at_once", "The first is to be f(S)")
def at_once_without_results(f, S, T):
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(f, X) for X in (S, T)]
    return [future.done() for future in futures]


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


def stays(net, keep=lambda name, value: isinstance(value, torch.Tensor)):
    for path, module in net.named_modules():
        for name, value in vars(module).items():
            if keep(name, value):
                yield path, name


@wrong("what_stays_behind", "no dot after it")
def stays_with_a_dot(net):
    return [f"{path}.{name}" for path, name in stays(net)]


@wrong("what_stays_behind", "path of the module")
def stays_without_path(net):
    return [name for _, name in stays(net)]


@wrong("what_stays_behind", "outermost module itself")
def stays_below(net):
    return [f"{path}.{name}" for path, name in stays(net) if path]


@wrong("what_stays_behind", "named_children")
def stays_in_the_children(net):
    names = [name for path, name in stays(net) if not path]
    for child, module in net.named_children():
        names += [f"{child}.{n}" for path, n in stays(module) if not path]
    return names


@wrong("what_stays_behind", "three dictionaries")
def stays_with_buffers(net):
    return [name for name, _ in net.named_buffers()]


@wrong("what_stays_behind", "whatever its name")
def stays_but_hidden(net):
    return [
        ".".join(filter(None, place))
        for place in stays(net)
        if not place[1].startswith("_")
    ]


@wrong("what_stays_behind", "its settings")
def stays_without_gradient(net):
    return [
        ".".join(filter(None, place))
        for place in stays(
            net,
            lambda _, v: isinstance(v, torch.Tensor) and not v.requires_grad,
        )
    ]


@wrong("what_stays_behind", "its type")
def stays_of_floats(net):
    return [
        ".".join(filter(None, place))
        for place in stays(
            net,
            lambda _, v: isinstance(v, torch.Tensor) and v.is_floating_point(),
        )
    ]


@wrong("what_stays_behind", "tensors beside them")
def stays_of_any_kind(net):
    return [
        ".".join(filter(None, place))
        for place in stays(
            net,
            lambda name, v: (
                name[0] != "_" and not isinstance(v, (bool, type(None), float))
            ),
        )
    ]


@wrong("what_stays_behind", "some are no tensors")
def stays_with_a_shape(net):
    return [
        ".".join(filter(None, place))
        for place in stays(net, lambda _, v: hasattr(v, "shape"))
    ]


@wrong("what_stays_behind", "its shape")
def stays_with_dimensions(net):
    return [
        ".".join(filter(None, place))
        for place in stays(
            net, lambda _, v: isinstance(v, torch.Tensor) and v.dim()
        )
    ]


@wrong("what_stays_behind", "also one that isn't saved")
def stays_out_of_the_state_dict(net):
    return stays_by_recursion(net) + [
        name for name, _ in net.named_buffers() if name not in net.state_dict()
    ]


@wrong("what_stays_behind", "A module that has children")
def stays_in_leaves(net):
    return [
        f"{path}.{name}" if path else name
        for path, name in stays(net)
        if not list(net.get_submodule(path).children())
    ]


@wrong("what_stays_behind", "stands in the list twice")
def stays_twice(net):
    return stays_by_recursion(net) * 2


@wrong("what_stays_behind", "is made only once")
def stays_in_a_default(net, path="", names=[]):  # noqa: B006
    names += [path + k for k, v in vars(net).items() if torch.is_tensor(v)]
    for child, module in net.named_children():
        stays_in_a_default(module, f"{path}{child}.", names)
    return names


@wrong("what_stays_behind", "or move a copy")
def stays_in_evaluation(net):
    return stays_by_recursion(net.eval())


@wrong("what_stays_behind", "at any depth")
def stays_outermost(net):
    return [name for path, name in stays(net) if not path]


@wrong("what_stays_behind", "no tensors, no pairs")
def stays_as_tensors(net):
    return [
        value
        for module in net.modules()
        for value in vars(module).values()
        if isinstance(value, torch.Tensor)
    ]


@wrong("what_stays_behind", "return it at the end")
def stays_printed(net):
    print(stays_by_recursion(net))


@wrong("what_stays_behind", "or move a copy")
def stays_after_a_move(net):
    names = stays_by_recursion(net)
    net.to("meta")
    return names


@wrong("what_stays_behind", "or move a copy")
def stays_and_leaves_a_note(net):
    net.names = stays_by_recursion(net)
    return net.names


# 6.6 Readers in disguise

READS = {
    "max(v)": 4,
    "v.max()": 0,
    "v[int(x)]": 1,
    "total += x": 0,
    "total += x.item()": 1,
    "v[v > 0]": 0,
}
right("readers_in_disguise")(READS)
right("readers_in_disguise")({code: float(n) for code, n in READS.items()})
for code, number, hint in (
    ("max(v)", 5, "none before it"),
    ("max(v)", 0, "one by one"),
    ("max(v)", 1, "Each answer is read"),
    ("v.max()", 1, "stays on the device"),
    ("v[int(x)]", 0, "`int` needs the number"),
    ("v[int(x)]", 2, "nothing more is read"),
    ("total += x", 1, "Nobody asks"),
    ("total += x.item()", 2, "`item` reads x"),
    ("v[v > 0]", 1, "whole operations"),
):
    wrong("readers_in_disguise", hint)({**READS, code: number})
wrong("readers_in_disguise", "Add 'v[v > 0]'")(
    {code: n for code, n in READS.items() if code != "v[v > 0]"}
)

# 6.7 Fewer places


def places_by_eps(dtype):
    return round(-np.log2(torch.finfo(dtype).eps))


def places_by_sum(dtype):
    one = torch.ones((), dtype=dtype)
    return max(k for k in range(1, 64) if one + one / 2**k > one)


@right("fewer_places", places_by_sum, 7)
def error_by_norm(A, B, dtype):
    A, B = A.double(), B.double()
    rounded = A.to(dtype).double().mm(B.to(dtype).double())
    return torch.linalg.norm(((rounded - A @ B) / (A @ B)).flatten(), np.inf)


@right("fewer_places", places_by_eps, torch.tensor(7))
def error_by_loop(A, B, dtype):
    exact, worst = A.double() @ B.double(), 0
    rounded = A.to(dtype).double() @ B.to(dtype).double()
    for x, y in zip(exact.flatten(), rounded.flatten(), strict=True):
        worst = max(worst, abs(y - x) / abs(x))
    return worst


def errors(hint):
    """Note an error function that is wrong, with the rest right."""
    return wrong("fewer_places", hint, places_by_eps, 7)


def parts(A, B, dtype):
    rounded = A.to(dtype).double() @ B.to(dtype).double()
    return rounded, A.double() @ B.double()


@errors("product itself was rounded")
def error_of_a_low_product(A, B, dtype):
    _, exact = parts(A, B, dtype)
    return ((A.to(dtype) @ B.to(dtype)) / exact - 1).abs().max().item()


@errors("in float64, that of the unrounded")
def error_by_a_single_judge(A, B, dtype):
    rounded, _ = parts(A, B, dtype)
    return (rounded / (A @ B) - 1).abs().max().item()


@errors("in float64, that of the unrounded")
def error_of_a_single_product(A, B, dtype):
    _, exact = parts(A, B, dtype)
    rounded = A.to(dtype).float() @ B.to(dtype).float()
    return (rounded / exact - 1).abs().max().item()


@errors("take the absolute value first")
def error_with_sign(A, B, dtype):
    rounded, exact = parts(A, B, dtype)
    return (rounded / exact - 1).max().item()


@errors("mean error")
def error_as_mean(A, B, dtype):
    rounded, exact = parts(A, B, dtype)
    return (rounded / exact - 1).abs().mean().item()


@errors("absolute error")
def error_not_relative(A, B, dtype):
    rounded, exact = parts(A, B, dtype)
    return (rounded - exact).abs().max().item()


@errors("one number")
def error_of_each(A, B, dtype):
    rounded, exact = parts(A, B, dtype)
    return (rounded / exact - 1).abs()


@errors("so is this quotient")
def error_of_signed_quotient(A, B, dtype):
    rounded, exact = parts(A, B, dtype)
    return ((rounded - exact).abs() / exact).max().item()


@errors("The exact one comes below")
def error_of_the_exact(A, B, dtype):
    rounded, exact = parts(A, B, dtype)
    return (exact / rounded - 1).abs().max().item()


@errors("float32 adds an error of its own")
def error_in_single_precision(A, B, dtype):
    rounded = A.to(dtype).float() @ B.to(dtype).float()
    return (rounded / (A @ B) - 1).abs().max().item()


@errors("were written to")
def error_in_place(A, B, dtype):
    error = error_by_norm(A, B, dtype)
    A.copy_(A.to(dtype))
    return error


@errors("multiply what is left in float64")
def error_of_half_alone(A, B, dtype):
    return error_by_norm(A, B, torch.bfloat16)


def places_and_one(dtype):
    return places_by_eps(dtype) + 1


def places_as_bits(dtype):
    return torch.finfo(dtype).bits


def places_of_single(dtype):
    return places_by_eps(torch.float32)


def places_of_python(dtype):
    return max(k for k in range(1, 64) if 1 + 2**-k != 1)


def places_less_one(dtype):
    return places_by_eps(dtype) - 1


for binary_places, hint in (
    (places_and_one, "one too many"),
    (places_as_bits, "number of all bits"),
    (places_of_single, "float32's"),
    (places_of_python, "Python's own numbers"),
    (places_less_one, "try one k after the other"),
):
    wrong("fewer_places", hint, binary_places, 7)(error_by_norm)
for guess, hint in (
    (8, "in front isn't counted"),
    (16, "number of all bits"),
    (13, "With each place less"),
):
    wrong("fewer_places", hint, places_by_sum, guess)(error_by_norm)
