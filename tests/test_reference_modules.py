"""The reference modules: what they compute, accept, refuse and survive."""

import copy
import io
import itertools
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode
from torch.testing import assert_close

from d2l_helpers import (
    MLP,
    CenteredLayer,
    FixedHiddenMLP,
    MyLinear,
    MySequential,
    NestMLP,
)


def repeat_linear():
    shared = nn.Linear(4, 4)
    return MySequential(shared, nn.Tanh(), shared)


# How to build one, its features in, and its features out. FixedHiddenMLP has
# none of the last: it answers a whole batch with a scalar.
MODULES = {
    "MLP": (lambda: MLP(4, 8, 3), 4, 3),
    "MySequential": (repeat_linear, 4, 4),
    "FixedHiddenMLP": (lambda: FixedHiddenMLP(4), 4, None),
    "NestMLP": (NestMLP, 20, 16),
    "CenteredLayer": (CenteredLayer, 4, 4),
    "MyLinear": (lambda: MyLinear(4, 3), 4, 3),
}
ROW_WISE = ["MLP", "MySequential", "NestMLP", "MyLinear"]
# One weight of each module that has any, by its path.
WEIGHTS = {
    "MLP": "hidden.weight",
    "MySequential": "0.weight",
    "FixedHiddenMLP": "linear.weight",
    "NestMLP": "net.0.weight",
    "MyLinear": "weight",
}

every_module = pytest.mark.parametrize("name", MODULES)
every_trainable = pytest.mark.parametrize("name", WEIGHTS)


def make(name, *batch):
    """Return the module and an input, the same at each call."""
    torch.manual_seed(0)
    build, num_features, _ = MODULES[name]
    return build(), torch.randn(*batch, num_features)


def tensors_in(value):
    """All tensors below the value, those in plain attributes included."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, nn.Module):
        value = vars(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        return [tensor for item in value for tensor in tensors_in(item)]
    return []


@torch.no_grad()
def fill(net, value):
    for parameter in net.parameters():
        parameter.fill_(value)
    return net


class StepLimit(TorchFunctionMode):
    """Makes an endless loop of tensor operations fail."""

    # The largest double is below 1 after 1,024 halvings.
    steps = 10_000

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.steps -= 1
        assert self.steps > 0, "the loop doesn't end"
        return func(*args, **(kwargs or {}))


# Defects of the well-known versions: each check below passes on our class and
# fails on the defective one.


def check_repeated_block_runs_every_time(cls):
    torch.manual_seed(0)
    linear, relu = nn.Linear(4, 4), nn.ReLU()
    X = torch.rand(2, 4)
    Y = linear(relu(linear(relu(linear(X)))))
    assert_close(cls(linear, relu, linear, relu, linear)(X), Y)


def check_gradient_reaches_parameters(cls):
    layer = fill(cls(4, 3), 1)
    nn.Linear(3, 1)(layer(torch.ones(2, 4))).sum().backward()
    for parameter in layer.parameters():
        assert parameter.grad is not None
        assert parameter.grad.all()


def check_constant_is_saved(cls):
    net, fresh, X = cls(4), cls(4), torch.ones(2, 4)
    fresh.load_state_dict(net.state_dict())
    assert torch.equal(fresh(X), net(X))


def check_constant_is_converted(cls):
    net = cls(4).double()
    assert {tensor.dtype for tensor in tensors_in(net)} == {torch.double}


def check_constant_is_moved(cls):
    net = cls(4).to("meta")
    assert {tensor.device.type for tensor in tensors_in(net)} == {"meta"}


def check_overflow_is_refused(cls):
    net = fill(cls(4), 1)
    with StepLimit(), pytest.raises(ValueError, match="infinite or NaN"):
        net(torch.full((2, 4), 1e38))


class ChildrenSequential(MySequential):
    def forward(self, X):
        for block in self.children():
            X = block(X)
        return X


class DataLinear(MyLinear):
    def forward(self, X):
        return F.relu(X @ self.weight.data + self.bias.data)


class DataBiasLinear(MyLinear):
    def forward(self, X):
        return F.relu(X @ self.weight + self.bias.data)


class PlainConstantMLP(FixedHiddenMLP):
    def __init__(self, num_features):
        super().__init__(num_features)
        del self.rand_weight
        self.rand_weight = torch.rand(num_features, num_features)


class EndlessMLP(FixedHiddenMLP):
    def forward(self, X):
        X = self.linear(F.relu(self.linear(X) @ self.rand_weight + 1))
        while X.abs().sum() > 1:
            X = X / 2
        return X.sum()


@pytest.mark.parametrize(
    ("check", "ours", "defective"),
    [
        (
            check_repeated_block_runs_every_time,
            MySequential,
            ChildrenSequential,
        ),
        (check_gradient_reaches_parameters, MyLinear, DataLinear),
        (check_gradient_reaches_parameters, MyLinear, DataBiasLinear),
        (check_constant_is_saved, FixedHiddenMLP, PlainConstantMLP),
        (check_constant_is_converted, FixedHiddenMLP, PlainConstantMLP),
        (check_constant_is_moved, FixedHiddenMLP, PlainConstantMLP),
        (check_overflow_is_refused, FixedHiddenMLP, EndlessMLP),
    ],
)
def test_known_defect_is_absent_and_would_be_seen(check, ours, defective):
    check(ours)
    with pytest.raises(AssertionError):
        check(defective)


# Formulas.


def test_mlp_computes_its_formula():
    net, X = make("MLP", 5)
    W1, b1, W2, b2 = net.parameters()
    Y = torch.clamp(X @ W1.T + b1, min=0) @ W2.T + b2
    assert_close(net(X), Y)


def test_nest_mlp_computes_its_formula():
    net, X = make("NestMLP", 5)
    W1, b1, W2, b2, W3, b3 = net.parameters()
    H = torch.clamp(X @ W1.T + b1, min=0)
    H = torch.clamp(H @ W2.T + b2, min=0)
    assert_close(net(X), H @ W3.T + b3)


def test_my_linear_computes_its_formula():
    net, X = make("MyLinear", 5)
    Y = torch.clamp(X @ net.weight + net.bias, min=0)
    assert (Y == 0).any()
    assert (Y > 0).any()
    assert_close(net(X), Y)


def test_centered_layer_subtracts_the_mean_of_all_elements():
    X = torch.tensor([[1.0, 2], [3, 10]])
    assert_close(CenteredLayer()(X), torch.tensor([[-3.0, -2], [-1, 6]]))


@pytest.mark.parametrize("num_rows", [1, 2, 100, 5000])
def test_fixed_hidden_mlp_halves_as_often_as_its_formula_says(num_rows):
    net, X = make("FixedHiddenMLP", num_rows)
    W, b = net.linear.parameters()
    H = torch.clamp((X @ W.T + b) @ net.rand_weight + 1, min=0) @ W.T + b
    norm = H.abs().sum().item()
    k = next(k for k in itertools.count() if norm / 2**k <= 1)
    assert_close(net(X), H.sum() / 2**k)


@pytest.mark.parametrize(
    ("weight", "num_rows", "expected"),
    [
        (0.5, 1, 0.5),  # k = 0
        (1.0, 1, 1.0),  # k = 0: a norm of exactly 1 is small enough
        (1.0, 2, 1.0),
        (1.0, 3, 0.75),
        (1.0, 4, 1.0),
        (1.0, 5, 0.625),
        (-1.0, 3, -0.75),  # the norm counts, not the sum
    ],
)
def test_fixed_hidden_mlp_halves_while_the_norm_is_over_1(
    weight, num_rows, expected
):
    net = fill(FixedHiddenMLP(1), 0)
    with torch.no_grad():
        net.linear.weight.fill_(weight)
    # With inputs of 0, each row of H is weight * relu(0 * R + 1).
    assert net(torch.zeros(num_rows, 1)).item() == expected


def test_fixed_hidden_mlp_counts_the_norm_of_values_that_cancel():
    net = fill(FixedHiddenMLP(2), 0)
    with torch.no_grad():
        net.linear.weight.copy_(torch.tensor([[3.0, 0], [0, -2.5]]))
    # H = [3, -2.5]: its norm of 5.5 takes 3 halvings, its sum of 0.5 none.
    assert net(torch.zeros(1, 2)).item() == 0.5 / 8


def test_fixed_hidden_mlp_halves_finite_values_whose_norm_overflows():
    net = FixedHiddenMLP(1)
    with torch.no_grad():
        net.linear.weight.fill_(1)
        net.linear.bias.zero_()
        net.rand_weight.fill_(1)
    with StepLimit():
        Y = net(torch.full((2, 1), 3e38))
    assert 0.5 < Y.item() <= 1


def test_rand_weight_is_a_constant_from_0_to_1():
    torch.manual_seed(0)
    net = FixedHiddenMLP(50)
    assert net.rand_weight.min() >= 0
    assert net.rand_weight.max() < 1
    assert_close(net.rand_weight.mean(), torch.tensor(0.5), atol=0.02, rtol=0)
    assert "rand_weight" in dict(net.named_buffers())

    before = net.rand_weight.clone()
    optimizer = torch.optim.SGD(net.parameters(), lr=1)
    net(torch.rand(2, 50)).backward()
    optimizer.step()
    assert net.rand_weight.grad is None
    assert torch.equal(net.rand_weight, before)
    assert net.linear.weight.grad.any()


# Interchange with the book.


@pytest.mark.parametrize(
    ("build", "keys"),
    [
        (MLP, "hidden.weight hidden.bias out.weight out.bias"),
        (FixedHiddenMLP, "rand_weight linear.weight linear.bias"),
        (
            NestMLP,
            "net.0.weight net.0.bias net.2.weight net.2.bias "
            "linear.weight linear.bias",
        ),
        (CenteredLayer, ""),
        (lambda: MyLinear(4, 3), "weight bias"),
    ],
    ids=["MLP", "FixedHiddenMLP", "NestMLP", "CenteredLayer", "MyLinear"],
)
def test_state_dict_has_the_keys_of_the_book(build, keys):
    assert list(build().state_dict()) == keys.split()


def test_default_sizes_are_those_of_the_book():
    shapes = [tuple(p.shape) for p in MLP().parameters()]
    assert shapes == [(256, 20), (256,), (10, 256), (10,)]
    assert FixedHiddenMLP().rand_weight.shape == (20, 20)


@pytest.mark.parametrize(
    ("build", "recipe"),
    [
        (lambda: MLP(4, 8, 3), lambda: (nn.Linear(4, 8), nn.Linear(8, 3))),
        (
            lambda: FixedHiddenMLP(4),
            lambda: (torch.rand(4, 4), nn.Linear(4, 4)),
        ),
        (
            NestMLP,
            lambda: (nn.Linear(20, 64), nn.Linear(64, 32), nn.Linear(32, 16)),
        ),
        (lambda: MyLinear(4, 3), lambda: (torch.randn(4, 3), torch.randn(3))),
    ],
    ids=["MLP", "FixedHiddenMLP", "NestMLP", "MyLinear"],
)
def test_a_seed_gives_the_numbers_of_the_book(build, recipe):
    torch.manual_seed(0)
    ours = tensors_in(list(build().state_dict().values()))
    torch.manual_seed(0)
    theirs = tensors_in(recipe())
    assert len(ours) == len(theirs)
    assert all(map(torch.equal, ours, theirs))


def test_my_linear_equals_linear_with_the_transposed_weight():
    layer, X = make("MyLinear", 5)
    linear = nn.Linear(4, 3)
    linear.load_state_dict({"weight": layer.weight.T, "bias": layer.bias})
    assert_close(layer(X), F.relu(linear(X)))


def test_my_linear_shows_its_sizes():
    assert repr(MyLinear(4, 3)) == "MyLinear(in_units=4, units=3)"


def plain(sequential):
    return sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4), nn.Tanh())


def repeated(sequential):
    linear, tanh = nn.Linear(4, 4), nn.Tanh()
    return sequential(linear, tanh, linear, tanh, linear)


def named(sequential):
    blocks = [("first", nn.Linear(4, 8)), ("act", nn.ReLU())]
    return sequential(OrderedDict([*blocks, ("last", nn.Linear(8, 4))]))


def nested(sequential):
    inner = sequential(nn.Linear(4, 8), nn.ReLU())
    return sequential(inner, sequential(nn.Linear(8, 4)), sequential())


def single(sequential):
    return sequential(nn.Linear(4, 4))


def empty(sequential):
    return sequential()


def empty_dict(sequential):
    return sequential(OrderedDict())


every_chain = pytest.mark.parametrize(
    "chain", [plain, repeated, named, nested, single, empty, empty_dict]
)


def same_blocks(net, reference):
    """Compare blocks by identity, and the names they're registered under."""
    return list(net._modules.items()) == list(reference._modules.items())


def sequential_of(net):
    return nn.Sequential(OrderedDict(net._modules))


@every_chain
def test_chain_interchanges_with_nn_sequential(chain):
    torch.manual_seed(0)
    ours, theirs = chain(MySequential), chain(nn.Sequential)
    X = torch.randn(3, 4)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert len(ours) == len(theirs)

    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert torch.equal(ours(X), theirs(X))

    theirs = chain(nn.Sequential)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    assert torch.equal(ours(X), theirs(X))


@every_chain
def test_chain_yields_its_blocks_as_nn_sequential(chain):
    net = chain(MySequential)
    reference = sequential_of(net)
    assert list(net) == list(reference)
    assert bool(net) == bool(reference)
    for index in range(-len(net), len(net)):
        assert net[index] is reference[index]


@every_chain
@pytest.mark.parametrize(
    "part",
    [
        slice(None),
        slice(1, None),
        slice(None, -1),
        slice(1, 3),
        slice(None, None, 2),
        slice(None, None, -1),
        slice(2, 2),
        slice(7, 9),
    ],
    ids=str,
)
def test_slice_of_a_chain_is_that_of_nn_sequential(chain, part):
    net = chain(MySequential)
    sliced = net[part]
    assert type(sliced) is MySequential
    assert same_blocks(sliced, sequential_of(net)[part])


def test_slice_runs_its_blocks_alone():
    torch.manual_seed(0)
    net, X = plain(MySequential), torch.randn(3, 4)
    assert torch.equal(net[2:](net[:2](X)), net(X))
    assert net[2:2](X) is X


def test_block_added_at_the_end_runs_last():
    torch.manual_seed(0)
    net, X = plain(MySequential), torch.randn(3, 4)
    before, last = net(X), nn.Linear(4, 2)
    net.add_module("last", last)
    assert len(net) == 5
    assert net[-1] is last
    assert torch.equal(net(X), last(before))


def test_empty_chain_returns_its_input():
    X = torch.randn(3, 4)
    assert MySequential()(X) is X


# What a module goes through in a chapter and after it.


@every_module
def test_deepcopy_answers_the_same_and_shares_nothing(name):
    net, X = make(name, 2)
    Y = net(X)
    clone = copy.deepcopy(net)
    assert torch.equal(clone(X), Y)
    own = {tensor.data_ptr() for tensor in tensors_in(net)}
    assert own.isdisjoint(tensor.data_ptr() for tensor in tensors_in(clone))
    fill(clone, 7)
    assert torch.equal(net(X), Y)


@every_module
def test_pickle_answers_the_same(name):
    net, X = make(name, 2)
    clone = pickle.loads(pickle.dumps(net))
    assert type(clone) is type(net)
    assert torch.equal(clone(X), net(X))


@every_module
def test_saved_state_dict_makes_a_fresh_instance_answer_the_same(name):
    net, X = make(name, 2)
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    fresh = MODULES[name][0]()
    fresh.load_state_dict(torch.load(file, weights_only=True), strict=True)
    assert torch.equal(fresh(X), net(X))


@every_module
@pytest.mark.parametrize("dtype", ["double", "half", "bfloat16"])
def test_conversion_takes_every_tensor_along(name, dtype):
    net, X = make(name, 2)
    Y = net(X)
    getattr(net, dtype)()
    dtype = getattr(torch, dtype)
    assert all(tensor.dtype == dtype for tensor in tensors_in(net))
    converted = net(X.to(dtype))
    assert converted.dtype == dtype
    assert_close(converted.float(), Y, atol=0.05, rtol=0.05)


@every_module
def test_move_takes_every_tensor_along(name):
    net, X = make(name, 2)
    keys, count = list(net.state_dict()), len(tensors_in(net))
    net.to("meta")
    assert list(net.state_dict()) == keys
    assert len(tensors_in(net)) == count
    assert all(tensor.is_meta for tensor in tensors_in(net))
    if name != "FixedHiddenMLP":
        num_outputs = MODULES[name][2]
        assert net(X.to("meta")).shape == (2, num_outputs)


@every_module
def test_training_mode_makes_no_difference(name):
    net, X = make(name, 2)
    assert torch.equal(net.eval()(X), net.train()(X))


@every_module
def test_forward_changes_no_tensor_in_place(name):
    net, X = make(name, 2)
    seen = []

    def keep(module, args, Y):
        seen.extend((tensor, tensor._version) for tensor in [*args, Y])

    for module in net.modules():
        module.register_forward_hook(keep)
    before, version = X.clone(), X._version
    net(X)
    assert torch.equal(X, before)
    assert X._version == version
    assert all(tensor._version == version for tensor, version in seen)


# Dynamo reads .grad where it leaves a graph: no warning by default.
@pytest.mark.filterwarnings("ignore:The .grad attribute")
# On Python 3.13.0 it advises to upgrade.
@pytest.mark.filterwarnings("ignore:Guards may run slower")
@every_module
def test_compiled_module_answers_the_same(name):
    torch.compiler.reset()
    net, X = make(name, 2)
    # The loop of FixedHiddenMLP depends on the data: no single graph.
    fullgraph = name != "FixedHiddenMLP"
    compiled = torch.compile(net, backend="eager", fullgraph=fullgraph)
    assert torch.equal(compiled(X), net(X))


def test_fixed_hidden_mlp_is_no_single_graph():
    torch.compiler.reset()
    net, X = make("FixedHiddenMLP", 2)
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    unsupported = torch._dynamo.exc.Unsupported
    with pytest.raises(unsupported, match=r"[Dd]ata.dep|control flow"):
        compiled(X)
    with pytest.raises(torch.fx.proxy.TraceError, match="control flow"):
        torch.fx.symbolic_trace(net)
    with pytest.raises(RuntimeError, match="data-dependent"):
        torch.vmap(net)(torch.stack([X, X]))
    with pytest.raises(RuntimeError, match="meta"):
        net.to("meta")(X.to("meta"))


@pytest.mark.parametrize("name", [*ROW_WISE, "CenteredLayer"])
def test_vmap_and_symbolic_trace_answer_the_same(name):
    net, X = make(name, 3, 2)
    expected = torch.stack([net(x) for x in X])
    assert_close(torch.vmap(net)(X), expected)
    assert torch.equal(torch.fx.symbolic_trace(net)(X), net(X))


@every_module
def test_functional_call_uses_the_parameters_it_gets(name):
    net, X = make(name, 2)
    own = dict(net.named_parameters())
    Y = net(X)
    assert torch.equal(functional_call(net, own, (X,)), Y)
    if own:
        zeros = {key: torch.zeros_like(value) for key, value in own.items()}
        assert not functional_call(net, zeros, (X,)).any()
        assert Y.any()


class Doubled(nn.Module):
    def forward(self, W):
        return 2 * W


@every_trainable
def test_parametrized_weight_is_used_and_trained(name):
    net, X = make(name, 2)
    doubled = copy.deepcopy(net)
    with torch.no_grad():
        doubled.get_parameter(WEIGHTS[name]).mul_(2)

    owner, _, weight = WEIGHTS[name].rpartition(".")
    layer = net.get_submodule(owner)
    parametrize.register_parametrization(layer, weight, Doubled())
    Y = net(X)
    assert torch.equal(Y, doubled(X))
    Y.square().sum().backward()
    assert layer.parametrizations[weight].original.grad.any()


@every_module
@pytest.mark.parametrize(
    "register",
    [
        "register_forward_pre_hook",
        "register_forward_hook",
        "register_full_backward_hook",
    ],
)
def test_hook_fires_once_per_call(name, register):
    net, X = make(name, 2)
    calls = []
    getattr(net, register)(lambda *args: calls.append(args))
    for number in (1, 2):
        net(X.requires_grad_()).sum().backward()
        assert len(calls) == number


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("MLP", {"hidden": 1, "out": 1}),
        ("MySequential", {"0": 2, "1": 1}),
        ("FixedHiddenMLP", {"linear": 2}),
        ("NestMLP", {"net": 1, "linear": 1}),
    ],
)
def test_hooks_of_children_fire_at_each_use(name, calls):
    net, X = make(name, 2)
    seen = dict.fromkeys(dict(net.named_children()), 0)

    def count(child):
        def hook(*args):
            seen[child] += 1

        return hook

    for child, module in net.named_children():
        module.register_forward_hook(count(child))
    net(X)
    assert seen == calls


@every_module
def test_gradients_are_right(name):
    net, X = make(name, 2)
    net.double()
    own = dict(net.named_parameters())

    def run(X, *values):
        return functional_call(net, dict(zip(own, values, strict=True)), X)

    inputs = X.double().requires_grad_(), *own.values()
    # Of many inputs, sums with random factors are compared.
    many = sum(tensor.numel() for tensor in inputs) > 1000
    assert torch.autograd.gradcheck(run, inputs, fast_mode=many)


BATCHES = [(), (2,), (3, 2), (2, 1, 3)]


@pytest.mark.parametrize("name", ROW_WISE)
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_each_row_is_computed_alone(name, batch):
    net, X = make(name, *batch)
    Y = net(X)
    _, num_features, num_outputs = MODULES[name]
    assert Y.shape == (*batch, num_outputs)
    rows = torch.stack([net(x) for x in X.reshape(-1, num_features)])
    assert_close(Y.reshape(-1, num_outputs), rows)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_centered_layer_centers_the_batch_as_a_whole(batch):
    net, X = make("CenteredLayer", *batch)
    Y = net(X)
    assert Y.shape == X.shape
    assert_close(Y.mean(), torch.tensor(0.0))
    assert_close(Y - Y.flatten()[0], X - X.flatten()[0])


def test_centered_layer_takes_any_shape():
    assert CenteredLayer()(torch.tensor(3.0)).item() == 0
    assert CenteredLayer()(torch.ones(2, 0)).shape == (2, 0)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_fixed_hidden_mlp_answers_a_batch_with_a_scalar(batch):
    net, X = make("FixedHiddenMLP", *batch)
    assert net(X).shape == ()
    assert_close(net(X), net(X.reshape(-1, 4)))


@every_module
def test_empty_batch_goes_forward_and_backward(name):
    net, X = make(name, 0)
    Y = net(X.requires_grad_())
    num_outputs = MODULES[name][2]
    assert Y.shape == (() if num_outputs is None else (0, num_outputs))
    Y.sum().backward()
    assert X.grad.shape == X.shape
    for parameter in net.parameters():
        assert not parameter.grad.any()


# What is refused, and how.

SIZES = {
    MLP: ("num_inputs", "num_hiddens", "num_outputs"),
    FixedHiddenMLP: ("num_features",),
    MyLinear: ("in_units", "units"),
}
every_size = pytest.mark.parametrize(
    ("cls", "argument"),
    [(cls, argument) for cls, names in SIZES.items() for argument in names],
)


def build(cls, argument, value):
    return cls(**{**dict.fromkeys(SIZES[cls], 3), argument: value})


@every_size
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "must be at least 1, got 0$"),
        (-1, ValueError, "must be at least 1, got -1$"),
        (2.5, TypeError, r"must be an integer, got 2\.5$"),
        (3.0, TypeError, r"must be an integer, got 3\.0$"),
        ("3", TypeError, "must be an integer, got '3'$"),
        (True, TypeError, "must be an integer, got True$"),
        (None, TypeError, "must be an integer, got None$"),
    ],
)
def test_bad_size_is_refused_by_name(cls, argument, value, error, message):
    with pytest.raises(error, match=f"^{argument} {message}"):
        build(cls, argument, value)


@every_size
def test_numpy_integer_is_a_size(cls, argument):
    net = build(cls, argument, np.int64(5))
    shapes = [p.shape for p in net.parameters()]
    assert shapes == [p.shape for p in build(cls, argument, 5).parameters()]


@pytest.mark.parametrize(
    ("blocks", "error", "message"),
    [
        ([nn.ReLU(), torch.relu], TypeError, "block '1' must be an nn.Module"),
        ([nn.ReLU], TypeError, "block '0' must be an nn.Module object"),
        ([[nn.ReLU()]], TypeError, r"'0' must be .* got \[ReLU\(\)\]"),
        ([{"a": nn.ReLU()}], TypeError, r"'0' must be .* got \{'a': ReLU"),
        ([nn.ReLU(), None], TypeError, "'1' must be .* got None"),
        ([torch.ones(1)], TypeError, r"'0' must be .* got tensor\("),
        ([OrderedDict(a=nn.ReLU())] * 2, TypeError, "'0' must be .* Ordered"),
        ([OrderedDict(a=None)], TypeError, "block 'a' must be .* got None"),
        ([OrderedDict(a=nn.ReLU)], TypeError, "block 'a' must be an nn.Mod"),
        ([OrderedDict({1: nn.ReLU()})], TypeError, "name should be a string"),
        (
            [OrderedDict({"a.b": nn.ReLU()})],
            KeyError,
            r'contain "\.", got: a\.b',
        ),
        ([OrderedDict({"": nn.ReLU()})], KeyError, "empty string"),
        ([OrderedDict(forward=nn.ReLU())], KeyError, "'forward' already"),
    ],
    ids=[
        "function",
        "class",
        "list",
        "dict",
        "none",
        "tensor",
        "two_ordered_dicts",
        "none_by_name",
        "class_by_name",
        "name_is_an_int",
        "name_with_a_dot",
        "empty_name",
        "name_of_a_method",
    ],
)
def test_bad_block_is_refused(blocks, error, message):
    with pytest.raises(error, match=message):
        MySequential(*blocks)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (3, IndexError, "out of range"),
        (-4, IndexError, "out of range"),
        ("0", TypeError, "indices must be integers"),
        (1.0, TypeError, "indices must be integers"),
        (None, TypeError, "indices must be integers"),
        ((0, 1), TypeError, "indices must be integers"),
    ],
    ids=repr,
)
def test_bad_index_is_refused(index, error, message):
    net = repeat_linear()
    with pytest.raises(error, match=message):
        net[index]


def test_empty_chain_has_no_block_to_index():
    with pytest.raises(IndexError, match="out of range"):
        MySequential()[0]


WRONG_INPUTS = {
    "wide": (lambda X: torch.cat([X, X], -1), RuntimeError, "multiplied"),
    "scalar": (lambda X: X[0, 0], RuntimeError, "at least 1D"),
    "integers": (torch.Tensor.long, RuntimeError, "same dtype"),
    "doubles": (torch.Tensor.double, RuntimeError, "same dtype"),
    "list": (torch.Tensor.tolist, TypeError, "list"),
    "none": (lambda X: None, TypeError, "NoneType"),
    "meta": (lambda X: X.to("meta"), RuntimeError, "meta"),
}


@every_trainable
@pytest.mark.parametrize("wrong", WRONG_INPUTS)
def test_bad_input_is_refused(name, wrong):
    net, X = make(name, 2)
    change, error, message = WRONG_INPUTS[wrong]
    with pytest.raises(error, match=message):
        net(change(X))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (torch.tensor([1, 2]), RuntimeError, "floating point"),
        (torch.tensor([True]), RuntimeError, "floating point"),
        ([1.0, 2.0], AttributeError, "'list' object"),
        (None, AttributeError, "'NoneType' object"),
    ],
    ids=["integers", "booleans", "list", "none"],
)
def test_centered_layer_refuses_what_has_no_mean(X, error, message):
    with pytest.raises(error, match=message):
        CenteredLayer()(X)


@every_trainable
def test_module_on_meta_refuses_data_of_the_cpu(name):
    net, X = make(name, 2)
    with pytest.raises(RuntimeError, match="meta"):
        net.to("meta")(X)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("where", ["input", "weight", "bias", "rand_weight"])
def test_fixed_hidden_mlp_refuses_values_that_never_get_small(value, where):
    net, X = fill(FixedHiddenMLP(4), 1), torch.ones(2, 4)
    tensors = {"input": X, **dict(net.linear.named_parameters())}
    with torch.no_grad():
        tensors.get(where, net.rand_weight).flatten()[0] = value
    with StepLimit(), pytest.raises(ValueError, match="NaN") as raised:
        net(X)
    assert str(raised.value) == (
        "FixedHiddenMLP can't halve infinite or NaN values: check the inputs "
        "and parameters for values that overflow"
    )


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["MLP", "MyLinear"])
def test_infinite_and_nan_inputs_pass_through_without_an_error(name, value):
    net, X = make(name, 2)
    fill(net, 1)
    X[0, 0] = value
    expected = torch.full_like(net(X)[0], value)
    assert_close(net(X)[0], expected, equal_nan=True)
    assert net(X)[1].isfinite().all()
