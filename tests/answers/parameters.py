"""Answers to the exercises of chapter 02."""

import copy
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from d2l_helpers import NestMLP
from tests.answers import right, wrong

# 2.1 Every way to a bias


def rows_by_dict(net):
    named = dict(net.named_parameters())
    return [[k, p.shape, p.detach().abs().mean()] for k, p in named.items()]


def rows_from_generator(net):
    for name, p in net.named_parameters():
        yield name, tuple(p.shape), round(p.abs().sum().item() / p.numel(), 3)


def ways_by_name(nest):
    return (
        dict(nest.named_parameters())["net.2.bias"],
        nest.get_submodule("net.2").bias,
        getattr(nest.net, "2").get_parameter("bias"),
    )


def ways_by_order(nest):
    linear = [m for m in nest.net.modules() if isinstance(m, nn.Linear)]
    return [
        list(nest.parameters())[3],
        linear[1].bias,
        nest.net[-2]._parameters["bias"],
    ]


right("every_way_to_a_bias", ways_by_name)(rows_by_dict)
right("every_way_to_a_bias", ways_by_order)(rows_from_generator)


@wrong("every_way_to_a_bias", "First take the absolute", ways_by_name)
def rows_of_plain_means(net):
    return [(k, p.shape, p.mean()) for k, p in net.named_parameters()]


@wrong("every_way_to_a_bias", "First take the absolute", ways_by_name)
def rows_of_absolute_means(net):
    return [(k, p.shape, p.mean().abs()) for k, p in net.named_parameters()]


@wrong("every_way_to_a_bias", "isn't the mean absolute", ways_by_name)
def rows_of_the_norm(net):
    return [(k, p.shape, p.norm()) for k, p in net.named_parameters()]


@wrong("every_way_to_a_bias", "second of each row is the shape", ways_by_name)
def rows_without_shape(net):
    return [(k, p.numel(), p.abs().mean()) for k, p in net.named_parameters()]


@wrong("every_way_to_a_bias", "returns a list, with a row", ways_by_name)
def rows_printed(net):
    for row in rows_by_dict(net):
        print(*row)


@wrong("every_way_to_a_bias", "A row isn't a tuple of three", ways_by_name)
def rows_in_a_dict(net):
    return {name: row for name, *row in rows_by_dict(net)}


@wrong("every_way_to_a_bias", "A parameter is missing", ways_by_name)
def rows_of_the_first(net):
    return rows_by_dict(net)[:1]


@wrong("every_way_to_a_bias", "frozen parameters as well", ways_by_name)
def rows_of_what_is_trained(net):
    return [row for row in rows_by_dict(net) if trained(net, row[0])]


def trained(net, name):
    return net.get_parameter(name).requires_grad


@wrong("every_way_to_a_bias", "listed once for each of its", ways_by_name)
def rows_by_place(net):
    named = net.named_parameters(remove_duplicate=False)
    return [(k, tuple(p.shape), p.abs().mean().item()) for k, p in named]


@wrong("every_way_to_a_bias", "changes the values", ways_by_name)
def rows_that_write(net):
    named = net.named_parameters()
    return [(k, p.shape, p.data.abs_().mean().item()) for k, p in named]


@right("every_way_to_a_bias", ways_by_name)
def rows_by_name(net):
    return sorted(rows_from_generator(net))


@wrong("every_way_to_a_bias", "It isn't a parameter", ways_by_name)
def rows_of_the_state_dict(net):
    entries = net.state_dict().items()
    return [(k, tuple(t.shape), t.abs().float().mean()) for k, t in entries]


@wrong("every_way_to_a_bias", "goes through nested", ways_by_name)
def rows_of_the_surface(net):
    children = dict(net.named_children()) or {"": net}
    return [
        (f"{k}.{n}".lstrip("."), p.shape, p.abs().mean().item())
        for k, child in children.items()
        for n, p in child.named_parameters(recurse=False)
    ]


@wrong("every_way_to_a_bias", "a path with dots", ways_by_name)
def rows_of_short_names(net):
    return [(k.split(".")[-1], *row) for k, *row in rows_by_dict(net)]


def with_a_third(way):
    def ways(nest):
        return [nest.net[2].bias, nest.get_parameter("net.2.bias"), way(nest)]

    return ways


SECOND = "second tensor on the same memory"
for hint, ways in (
    (SECOND, with_a_third(lambda nest: nest.state_dict()["net.2.bias"])),
    (SECOND, with_a_third(lambda nest: nest.net[2].bias.data)),
    ("gives a copy", with_a_third(lambda n: copy.deepcopy(n).net[2].bias)),
    ("stands behind the ReLU", lambda nest: [nest.net[0].bias] * 3),
    ("The block is `nest.net`", with_a_third(lambda nest: nest.linear.bias)),
    (
        "a list of three",
        lambda nest: with_a_third(lambda nest: nest)(nest)[:2],
    ),
    ("a list of three", lambda nest: nest.net[2].bias),
    ("the weight of the layer", with_a_third(lambda n: n.net[2].weight)),
    ("a list of three", lambda _: ways_by_name(NestMLP())),
    ("a list of three", with_a_third(lambda nest: "net.2.bias")),
    ("raised in the line", lambda nest: [nest.net[1].bias] * 3),
):
    wrong("every_way_to_a_bias", hint, ways)(rows_by_dict)


def ways_by_index(nest):
    return [nest.net[2].bias, nest.net[-2].bias, list(nest.net)[2].bias]


def ways_in_a_loop(nest):
    ways = []
    for name, p in nest.named_parameters():
        if name == "net.2.bias":
            ways.append(p)
    first = nest.net[2].bias
    second = nest.get_parameter("net.2.bias")
    return [*ways, first, second]


def ways_in_two_lists(nest):
    first = [nest.net[2].bias]
    return first + [*nest.parameters()][3:4] + [*nest.net.parameters()][3:]


right("every_way_to_a_bias", ways_by_index)(rows_by_dict)
right("every_way_to_a_bias", ways_in_a_loop)(rows_by_dict)
right("every_way_to_a_bias", ways_in_two_lists)(rows_by_dict)


def one_way(nest):
    return [nest.net[2].bias, nest.net[2].bias, nest.net[2].bias]


def one_way_by_a_variable(nest):
    bias = nest.get_parameter("net.2.bias")
    return bias, bias, bias


def one_way_by_variables(nest):
    first = nest.net[2].bias
    second = first
    third = nest.get_parameter("net.2.bias")
    ways = [first, second, third]
    return ways


def one_way_by_a_chain(nest):
    a = b = c = nest.net[2].bias
    return [a, b, c]


def one_way_appended(nest):
    ways = []
    ways.append(nest.net[2].bias)
    ways.append(nest.net[2].bias)
    ways.append(nest.get_parameter("net.2.bias"))
    return ways


def one_way_times_three(nest):
    return [nest.net[2].bias] * 3


def one_way_in_a_loop(nest):
    return [nest.net[2].bias for _ in range(3)]


for ways in (
    one_way,
    one_way_by_a_variable,
    one_way_by_variables,
    one_way_by_a_chain,
    one_way_appended,
    one_way_times_three,
    one_way_in_a_loop,
):
    wrong("every_way_to_a_bias", "in the same way", ways)(rows_by_dict)


# 2.2 Watch a shared layer learn


def noted(net):
    return {n: (p.norm(), p.grad.norm()) for n, p in net.named_parameters()}


def by_sgd(net, **settings):
    return torch.optim.SGD(net.parameters(), **{"lr": 0.1, **settings})


def train(net, X, y, num_steps, steps, clear=True, loss=F.mse_loss):
    log = []
    for _ in range(num_steps):
        if clear:
            net.zero_grad()
        loss(net(X), y).backward()
        steps.step()
        log.append(noted(net))
    return log


def train_by_adam(net, X, y, num_steps=20):
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    return train(net, X, y, num_steps, adam)


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


@right("watch_a_shared_layer_learn", train_by_adam)
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


def chain(a, b, *back):
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), a, nn.ReLU(), b, *back)


@right("watch_a_shared_layer_learn", train_by_hand)
def make_shared():
    shared = nn.Linear(8, 8)
    return chain(shared, shared, nn.ReLU(), nn.Linear(8, 1))


@right("watch_a_shared_layer_learn", train_by_adam)
def make_shared_beside_another():
    shared = nn.Linear(8, 8)
    return chain(shared, nn.Linear(8, 8), shared, nn.ReLU(), nn.Linear(8, 1))


@wrong("watch_a_shared_layer_learn", "share their numbers", train_by_adam)
def make_tied():
    a, b = nn.Linear(8, 8), nn.Linear(8, 8)
    b.weight, b.bias = a.weight, a.bias
    return chain(a, b, nn.ReLU(), nn.Linear(8, 1))


@wrong("watch_a_shared_layer_learn", "as often as it is to", train_by_adam)
def make_shared_in_three_places():
    shared = nn.Linear(8, 8)
    return chain(shared, shared, shared, nn.Linear(8, 1))


@wrong("watch_a_shared_layer_learn", "isn't used, or something", train_by_adam)
class SharedForNothing(SharedInAttribute):
    def forward(self, X):
        H = torch.tanh(self.shared(self.front(X)))
        self.shared(H)
        return self.back(H)


@wrong("watch_a_shared_layer_learn", "make two layers", train_by_adam)
def make_untied():
    return chain(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 1))


@wrong("watch_a_shared_layer_learn", "make two layers", train_by_adam)
def make_copied():
    shared = nn.Linear(8, 8)
    return chain(shared, copy.deepcopy(shared), nn.Linear(8, 1))


@wrong("watch_a_shared_layer_learn", "share their numbers", train_by_adam)
def make_tied_but_for_the_bias():
    net = make_untied()
    net[4].weight = net[2].weight
    return net


@wrong("watch_a_shared_layer_learn", "in two places", train_by_adam)
def make_with_one_place():
    return chain(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))


@wrong("watch_a_shared_layer_learn", "draws at random", train_by_adam)
def make_with_dropout():
    shared = nn.Linear(8, 8)
    return chain(shared, shared, nn.Dropout(0.2), nn.Linear(8, 1))


@wrong("watch_a_shared_layer_learn", "call it as a module", train_by_adam)
def make_with_shared_numbers():
    class SharedNumbers(SharedInAttribute):
        def forward(self, X):
            H = self.front(X)
            for _ in range(2):
                H = F.linear(H, self.shared.weight, self.shared.bias).relu()
            return self.back(H)

    return SharedNumbers()


@wrong("watch_a_shared_layer_learn", "one number for each", train_by_adam)
def make_without_a_last_layer():
    shared = nn.Linear(8, 8)
    return chain(shared, shared)


@wrong("watch_a_shared_layer_learn", "returns the network", train_by_adam)
def make_nothing():
    make_tied()


def wrong_training(hint):
    def note(training):
        wrong("watch_a_shared_layer_learn", hint, training)(make_shared)
        return training

    return note


@wrong_training("an entry for each step")
def nothing_returned(net, X, y, num_steps=20):
    train(net, X, y, num_steps, by_sgd(net))


@wrong_training("an entry for each step")
def always_20_steps(net, X, y, num_steps=20):
    return train(net, X, y, 20, by_sgd(net))


@wrong_training("has not moved")
def training_of_a_copy(net, X, y, num_steps=20):
    return train_by_adam(copy.deepcopy(net), X, y, num_steps)


@wrong_training("has not moved")
def training_without_step(net, X, y, num_steps=20):
    return train(net, X, y, num_steps, by_sgd(net, lr=0))


@wrong_training("Clear it with")
def training_without_zero_grad(net, X, y, num_steps=20):
    return train(net, X, y, num_steps, by_sgd(net, lr=0.01), clear=False)


@wrong_training("mean squared error on all")
def training_with_the_sum(net, X, y, num_steps=20):
    def loss(Y, y):
        return (Y - y).square().sum()

    return train(net, X, y, num_steps, by_sgd(net, lr=0.001), loss=loss)


@wrong_training("mean squared error on all")
def training_on_the_first_16(net, X, y, num_steps=20):
    return train_by_adam(net, X[:16], y[:16], num_steps)


@wrong_training("The loss has not fallen")
def training_upwards(net, X, y, num_steps=20):
    return train(net, X, y, num_steps, by_sgd(net, maximize=True))


@wrong_training("The loss has not fallen")
def training_with_long_steps(net, X, y, num_steps=20):
    return train(net, X, y, num_steps, by_sgd(net, lr=1e3))


@wrong_training("Make a new dict")
def one_dict_for_all_steps(net, X, y, num_steps=20):
    log, optimizer, entry = [], by_sgd(net), {}
    for _ in range(num_steps):
        train(net, X, y, 1, optimizer)
        entry.update(noted(net))
        log.append(entry)
    return log


@wrong_training("let no rate depend")
def training_with_a_rate_for_the_length(net, X, y, num_steps=20):
    return train(net, X, y, num_steps, by_sgd(net, lr=0.1 / num_steps))


@wrong_training("asks for 1, 2 and 20 steps")
def training_with_a_schedule(net, X, y, num_steps=20):
    sgd, log = by_sgd(net), []
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        sgd, 0.1, epochs=num_steps // 2, steps_per_epoch=2
    )
    for _ in range(num_steps):
        log += train(net, X, y, 1, sgd)
        schedule.step()
    return log


@wrong_training("has separated the places")
def training_that_breaks_the_tie(net, X, y, num_steps=20):
    log = train_by_adam(net, X, y, num_steps)
    if num_steps == 20:
        net[4] = copy.deepcopy(net[2])
    return log


@wrong_training("asks for `torch.optim.SGD` or")
def training_by_rmsprop(net, X, y, num_steps=20):
    rmsprop = torch.optim.RMSprop(net.parameters(), lr=0.01)
    return train(net, X, y, num_steps, rmsprop)


@wrong_training("Each parameter has the same learning rate")
def training_with_a_falling_rate(net, X, y, num_steps=20):
    sgd, log = by_sgd(net), []
    schedule = torch.optim.lr_scheduler.ExponentialLR(sgd, 0.9)
    for _ in range(num_steps):
        log += train(net, X, y, 1, sgd)
        schedule.step()
    return log


@wrong_training("Each parameter has the same learning rate")
def training_with_a_rate_for_each(net, X, y, num_steps=20):
    groups = [
        {"params": [p], "lr": 0.01 * i}
        for i, p in enumerate(net.parameters(), 1)
    ]
    return train(net, X, y, num_steps, torch.optim.SGD(groups))


@wrong_training("Each parameter has the same learning rate")
def training_by_hand_with_a_falling_rate(net, X, y, num_steps=20):
    class Falling:
        lr = 0.1

        @torch.no_grad()
        def step(self):
            for p in net.parameters():
                p -= self.lr * p.grad
            self.lr /= 2

    return train(net, X, y, num_steps, Falling())


@wrong_training("Make it once, before")
def training_with_new_averages(net, X, y, num_steps=20):
    log = []
    for _ in range(num_steps):
        log += train_by_adam(net, X, y, 1)
    return log


@wrong_training("same multiple of their gradients")
def training_by_signs(net, X, y, num_steps=20):
    class Signs:
        @torch.no_grad()
        def step(self):
            for p in net.parameters():
                p -= 0.01 * p.grad.sign()

    return train(net, X, y, num_steps, Signs())


@wrong_training("mean squared error on all")
def training_on_clipped_gradients(net, X, y, num_steps=20):
    sgd = by_sgd(net)
    sgd.register_step_pre_hook(
        lambda *_: nn.utils.clip_grad_norm_(net.parameters(), 0.01) and None
    )
    return train(net, X, y, num_steps, sgd)


class Logging:
    """A training whose entries are wrong."""

    def __init__(self, entry, before=False, after=lambda net, X, y: None):
        self.entry, self.before, self.after = entry, before, after

    def __call__(self, net, X, y, num_steps=20):
        log, optimizer = [], by_sgd(net)
        for _ in range(num_steps):
            optimizer.zero_grad()
            F.mse_loss(net(X), y).backward()
            if self.before:
                log.append(self.entry(net))
            optimizer.step()
            self.after(net, X, y)
            if not self.before:
                log.append(self.entry(net))
        return log


def gradient_again(net, X, y):
    net.zero_grad()
    F.mse_loss(net(X), y).backward()


def norms_alone(net):
    return {n: p.norm() for n, p in net.named_parameters()}


def squares(net):
    pairs = {n: (p, p.grad) for n, p in net.named_parameters()}
    return {n: [t.square().sum() for t in pairs[n]] for n in pairs}


def without_names(net):
    return [(p.norm(), p.grad.norm()) for p in net.parameters()]


def with_names_of_the_state_dict(net):
    return {n: (t.norm(), 0.0) for n, t in net.state_dict().items()}


wrong_training("gradient is missing")(Logging(norms_alone))
wrong_training("that before the step. Log")(Logging(noted, before=True))
wrong_training("take the root")(Logging(squares))
wrong_training("computed after the step")(
    Logging(noted, False, gradient_again)
)
wrong_training("A gradient is None")(
    Logging(noted, after=lambda net, X, y: net.zero_grad())
)
wrong_training("its keys are the names")(Logging(without_names))


def noted_backwards(net):
    return {n: pair[::-1] for n, pair in noted(net).items()}


def noted_with_squares(net):
    return {n: (norm**2, slope) for n, (norm, slope) in noted(net).items()}


def noted_means(net):
    return {
        n: (p.abs().mean(), p.grad.abs().mean())
        for n, p in net.named_parameters()
    }


wrong_training("the other way round")(Logging(noted_backwards))
wrong_training("The first isn't the norm")(Logging(noted_with_squares))
wrong_training("Each name has a pair")(Logging(noted_means))
wrong_training("were cleared before")(
    Logging(
        noted, after=lambda net, X, y: by_sgd(net).zero_grad(set_to_none=False)
    )
)
wrong_training("its keys are the names")(Logging(with_names_of_the_state_dict))


# 2.3 Another distribution


@right("another_distribution")
def mixture_by_where(module):
    if isinstance(module, nn.Linear):
        W = module.weight
        coins = torch.bernoulli(torch.full_like(W, 1 / 3)).bool()
        W.data = torch.where(coins, 2 + torch.randn_like(W), -1)


@right("another_distribution")
@torch.no_grad()
def mixture_by_loops(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 2, 1)
        module.weight[torch.randint_like(module.weight, 3) > 0] = -1


@right("another_distribution")
def mixture_by_dropout(module):
    if isinstance(module, nn.Linear):
        kept = F.dropout(torch.ones_like(module.weight), 2 / 3) > 0
        nn.init.normal_(module.weight, 3)
        with torch.no_grad():
            module.weight.mul_(kept).sub_(1)


def mixture(mask, mean=2, std=1):
    """An initialization with a mask of those that are drawn."""

    def init(module):
        if isinstance(module, nn.Linear):
            W = module.weight
            with torch.no_grad():
                W[:] = torch.where(
                    mask(W), mean + std * torch.randn_like(W), -1
                )

    return init


def mixture_with_noise(module):
    if isinstance(module, nn.Linear):
        mixture_by_loops(module)
        module.weight.data += 1e-3 * torch.randn_like(module.weight)


def third(W):
    return torch.rand_like(W) < 1 / 3


@wrong("another_distribution", "is a copy")
def mixture_into_a_copy(module):
    if isinstance(module, nn.Linear):
        nn.init.constant_(module.weight, -1)
        with torch.no_grad():
            module.weight[third(module.weight)].normal_(2, 1)


@wrong("another_distribution", "a coin of its own")
def mixture_with_one_coin(module):
    if isinstance(module, nn.Linear):
        if torch.rand(1) < 0.9:
            nn.init.normal_(module.weight, 2, 1)
        else:
            nn.init.constant_(module.weight, -1)


@wrong("another_distribution", "under `torch.no_grad()`")
def mixture_without_no_grad(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 2, 1)
        module.weight[~third(module.weight)] = -1


@wrong("another_distribution", "plain tensor can't take")
def mixture_as_a_tensor(module):
    if isinstance(module, nn.Linear):
        module.weight = torch.randn_like(module.weight) + 2


@wrong("another_distribution", "never see a new one")
def mixture_in_a_new_parameter(module):
    if isinstance(module, nn.Linear):
        W = torch.randn_like(module.weight) + 2
        module.weight = nn.Parameter(torch.where(third(W), W, -1))


@wrong("another_distribution", "what they were")
def mixture_that_is_lost(module):
    if isinstance(module, nn.Linear):
        torch.where(third(module.weight), module.weight + 2, -1)


@wrong("another_distribution", "The bias stays")
def mixture_with_biases(module):
    if isinstance(module, nn.Linear):
        mixture_by_where(module)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@wrong("another_distribution", "ask with `isinstance`")
def mixture_by_type(module):
    if type(module) is nn.Linear:
        mixture_by_where(module)


@wrong("another_distribution", "visits every module")
def mixture_for_any_weight(module):
    if hasattr(module, "weight"):
        W = module.weight.data
        W.copy_(torch.where(third(W), torch.randn_like(W) + 2, -1))


@wrong("another_distribution", "visits every module")
def mixture_without_question(module):
    W = module.weight.data
    W.copy_(torch.where(third(W), torch.randn_like(W) + 2, -1))


@wrong("another_distribution", "visits every module")
def mixture_for_any_matrix(module):
    if hasattr(module, "weight") and module.weight.dim() == 2:
        W = module.weight.data
        W.copy_(torch.where(third(W), torch.randn_like(W) + 2, -1))


@wrong("another_distribution", "isn't the normal one")
def mixture_with_uniform(module):
    if isinstance(module, nn.Linear):
        W, half = module.weight.data, 3**0.5
        drawn = torch.empty_like(W).uniform_(2 - half, 2 + half)
        W.copy_(torch.where(third(W), drawn, -1))


@wrong("another_distribution", "cuts their law")
def mixture_by_threshold(module):
    if isinstance(module, nn.Linear):
        W = nn.init.normal_(module.weight, 2, 1).data
        W[W < 2.4307] = -1  # a third is above


@wrong("another_distribution", "has lost its `requires_grad`")
def mixture_that_freezes(module):
    if isinstance(module, nn.Linear):
        module.requires_grad_(False)
        mixture_by_loops(module)


@wrong("another_distribution", "Seed outside")
def mixture_with_a_seed(module):
    torch.manual_seed(0)
    mixture_by_loops(module)


@wrong("another_distribution", "the line `nn.init.zeros_(module.bias)`")
def mixture_that_needs_a_bias(module):
    if isinstance(module, nn.Linear):
        mixture_by_loops(module)
        nn.init.zeros_(module.bias)


@wrong("another_distribution", "false for a subclass")
def mixture_by_the_name_of_the_class(module):
    if "Linear" in type(module).__name__:
        mixture_by_loops(module)


@wrong("another_distribution", "this one isn't a linear layer")
def mixture_for_convolutions_too(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        W = module.weight.data
        W.copy_(torch.where(third(W), torch.randn_like(W) + 2, -1))


@wrong("another_distribution", "this one isn't a linear layer")
def mixture_for_bilinear_too(module):
    if isinstance(module, (nn.Linear, nn.Bilinear)):
        W = module.weight.data
        W.copy_(torch.where(third(W), torch.randn_like(W) + 2, -1))


for hint, init in (
    (
        "not by its place",
        mixture(lambda W: W.new_ones(W.shape).cumsum(1) < 34),
    ),
    ("set to -1, exactly", lambda net: mixture_with_noise(net)),
    ("other way round", mixture(lambda W: torch.rand_like(W) < 2 / 3)),
    ("one uniform number", mixture(lambda W: torch.rand_like(W) < 1 / 2)),
    ("row or a column", mixture(lambda W: torch.rand(len(W), 1) < 1 / 3)),
    ("row or a column", mixture(lambda W: torch.rand(W.shape[1]) < 1 / 3)),
    ("has the mean 2", mixture(third, mean=1)),
    ("deviation 1", mixture(third, std=2)),
):
    wrong("another_distribution", hint)(init)


# 2.4 All but the last


@right("all_but_the_last")
def freeze_by_sets(net):
    last = next(m for m in reversed(net) if any(True for _ in m.parameters()))
    stay = set(last.parameters())
    for p in net.parameters():
        p.requires_grad = p in stay
        p.grad = p.grad if p in stay else None
    return stay


@right("all_but_the_last")
def freeze_and_thaw(net):
    sizes = [len(list(module.parameters())) for module in net]
    last = max(i for i, size in enumerate(sizes) if size)
    kept = [p.grad for p in net[last].parameters()]
    net.requires_grad_(False).zero_grad()
    net[last].requires_grad_(True)
    for p, grad in zip(net[last].parameters(), kept, strict=True):
        p.grad = grad
    return filter(lambda p: p.requires_grad, net.parameters())


@right("all_but_the_last")
def freeze_and_yield(net):
    last = [m for m in net if list(m.parameters())][-1]
    for p in net.parameters():
        p.requires_grad_(any(p is q for q in last.parameters()))
        if not p.requires_grad:
            p.grad = None
    yield from last.parameters()


def last_with_parameters(net):
    return [m for m in net if list(m.parameters())][-1]


@wrong("all_but_the_last", "counts as a whole")
def freeze_but_the_last_with_a_weight(net):
    net.requires_grad_(False)
    last = [m for m in net if hasattr(m, "weight")][-1]
    return list(last.requires_grad_().parameters())


@wrong("all_but_the_last", "Look for the last module")
def freeze_before_the_last_entry(net):
    net[:-1].requires_grad_(False).zero_grad()
    return list(net[-1].parameters())


@wrong("all_but_the_last", "Freeze first, and make")
def freeze_in_front(net):
    last = max(i for i, m in enumerate(net) if list(m.parameters()))
    net[:last].requires_grad_(False).zero_grad()
    return list(net[last].parameters())


@wrong("all_but_the_last", "Freeze first, and make")
def freeze_the_other_modules(net):
    last = last_with_parameters(net)
    for module in net:
        if module is not last:
            module.requires_grad_(False).zero_grad()
    return list(last.parameters())


@right("all_but_the_last")
def freeze_by_all_names(net):
    named = list(net.named_parameters(remove_duplicate=False))
    last = named[-1][0].split(".")[0]
    stay = {p for name, p in named if name.split(".")[0] == last}
    for p in net.parameters():
        p.requires_grad_(p in stay)
        p.grad = p.grad if p in stay else None
    return list(stay)


@wrong("all_but_the_last", "once, at its first place")
def freeze_but_the_last_child(net):
    last = last_with_parameters(net.children())
    net.requires_grad_(False)
    return list(last.requires_grad_().parameters())


@wrong("all_but_the_last", "buffers aren't any")
def freeze_but_the_last_with_a_state(net):
    last = [m for m in net if m.state_dict()][-1]
    net.requires_grad_(False)
    return list(last.requires_grad_().parameters())


@wrong("all_but_the_last", "that remain are to stay")
def freeze_and_clear_what_is_shared(net):
    last = last_with_parameters(net)
    for module in [*net][: max(i for i, m in enumerate(net) if m is last)]:
        module.requires_grad_(False).zero_grad()
    return list(last.requires_grad_().parameters())


@wrong("all_but_the_last", "Freeze the parameters that are there")
def freeze_in_new_parameters(net):
    stay = freeze_by_sets(net)
    for module in net.modules():
        for name, p in [*module.named_parameters(recurse=False)]:
            if p not in stay:
                setattr(module, name, nn.Parameter(p.detach().clone(), False))
    return stay


@wrong("all_but_the_last", "no parameter of this net is trainable")
def freeze_but_the_last_trainable(net):
    parts = [m for m in net if any(p.requires_grad for p in m.parameters())]
    stay = set(parts[-1].parameters())
    for p in net.parameters():
        p.requires_grad, p.grad = p in stay, p.grad if p in stay else None
    return stay


@wrong("all_but_the_last", "not by modules")
def freeze_what_no_module_at_the_end_holds(net):
    last = last_with_parameters(net)
    ends = set(last.modules())
    for module in net.modules():
        for p in module.parameters(recurse=False):
            p.requires_grad_(module in ends)
            if module not in ends:
                p.grad = None
    front = set() if last is net[0] else {*net[0].parameters(recurse=False)}
    for p in front & {*last.parameters()}:
        p.requires_grad_(False)
    return list(last.parameters())


@wrong("all_but_the_last", "whatever it was before")
def freeze_without_thaw(net):
    stay = set(last_with_parameters(net).parameters())
    for p in net.parameters():
        if p not in stay:
            p.requires_grad, p.grad = False, None
    return stay


@wrong("all_but_the_last", "names in the list")
def freeze_and_return_pairs(net):
    stay = freeze_by_sets(net)
    return [pair for pair in net.named_parameters() if pair[1] in stay]


@wrong("all_but_the_last", "each once, as an optimizer")
def freeze_and_list_by_place(net):
    stay = freeze_by_sets(net)
    return [p for module in net for p in module.parameters() if p in stay]


@wrong("all_but_the_last", "that it still has")
def freeze_with_gradients(net):
    last = last_with_parameters(net)
    net.requires_grad_(False)
    last.requires_grad_()
    return list(last.parameters())


@wrong("all_but_the_last", "A gradient of zeros")
def freeze_with_zeros(net):
    for p in net.parameters():
        if p.grad is not None:
            p.grad *= any(
                p is q for q in last_with_parameters(net).parameters()
            )
    return freeze_with_gradients(net)


@wrong("all_but_the_last", "that remain are to stay")
def freeze_and_clear_all(net):
    net.zero_grad()
    return freeze_with_gradients(net)


@wrong("all_but_the_last", "attribute that nobody reads")
def freeze_by_attribute(net):
    for module in net[:-1]:
        module.requires_grad = False
    return list(net[-1].parameters())


@wrong("all_but_the_last", "attribute that nobody reads")
def freeze_a_copy(net):
    return freeze_by_sets(copy.deepcopy(net))


@wrong("all_but_the_last", "other way round")
def freeze_the_last(net):
    net[-1].requires_grad_(False)
    return [p for p in net.parameters() if p.requires_grad]


@wrong("all_but_the_last", "the last module too")
def freeze_everything(net):
    net.requires_grad_(False)
    return []


@wrong("all_but_the_last", "All parameters of the last module")
def freeze_but_the_last_parameter(net):
    *front, last = net.parameters()
    for p in front:
        p.requires_grad_(False)
    return [last]


@wrong("all_but_the_last", "a block among them")
def freeze_but_the_last_of_all_modules(net):
    last = last_with_parameters(net.modules())
    net.requires_grad_(False).zero_grad()
    return list(last.requires_grad_().parameters())


@wrong("all_but_the_last", "is `net[2]`")
def freeze_but_the_last_two(net):
    last = net[-1:] if len(net) == 2 else net[:]
    net.requires_grad_(False)
    return list(last.requires_grad_().parameters())


@wrong("all_but_the_last", "names in the list")
def freeze_and_name(net):
    stay = freeze_by_sets(net)
    return [name for name, p in net.named_parameters() if p in stay]


@wrong("all_but_the_last", "as an optimizer takes them")
def freeze_and_return_nothing(net):
    freeze_by_sets(net)


@wrong("all_but_the_last", "as an optimizer takes them")
def freeze_and_return_all(net):
    freeze_by_sets(net)
    return net.parameters()


# 2.5 Bytes

BY_HAND = {
    "tied": (4 * 8 + 8 + 8 * 8 + 8 + 8 + 1) * 4,
    "FixedHiddenMLP": 3280.0,
    "two names": 40,
}


@right("count_bytes", BY_HAND)
def bytes_by_intervals(net):
    """The length of a union of intervals of addresses."""
    tensors = [*net.parameters(), *net.buffers()]
    total = end = 0
    for start, size in sorted((t.data_ptr(), t.nbytes) for t in tensors):
        total += max(0, start + size - max(start, end))
        end = max(end, start + size)
    return total


@right("count_bytes", BY_HAND)
def bytes_by_modules(net):
    seen = {}
    for module in net.modules():
        for tensor in [
            *module._parameters.values(),
            *module._buffers.values(),
        ]:
            if tensor is not None:
                memory = tensor.untyped_storage()
                seen[memory.data_ptr()] = memory.nbytes()
    return torch.tensor(list(seen.values())).sum()


def sizes(tensors):
    return sum(t.numel() * t.element_size() for t in tensors)


@wrong("count_bytes", "the number of elements", BY_HAND)
def elements(net):
    return sum(p.numel() for p in net.parameters())


@wrong("count_bytes", "The bias takes", BY_HAND)
def bytes_of_the_weight(net):
    return sizes([net.weight])


@wrong("count_bytes", "A frozen parameter", BY_HAND)
def bytes_of_what_is_trained(net):
    return sizes(p for p in net.parameters() if p.requires_grad)


@wrong("count_bytes", "Gradients take memory too", BY_HAND)
def bytes_with_gradients(net):
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    return sizes([*net.parameters(), *grads])


@right("count_bytes", BY_HAND)
def bytes_by_objects(net):
    tensors = [*net.parameters(), *net.buffers()]
    memories = [t.untyped_storage() for t in tensors]
    return sum({m.data_ptr(): m.nbytes() for m in memories}.values())


@wrong("count_bytes", "on memory that counts already", BY_HAND)
def bytes_of_either_kind(net):
    def size(tensors):
        memories = [t.untyped_storage() for t in tensors]
        return sum({m.data_ptr(): m.nbytes() for m in memories}.values())

    return size(net.parameters()) + size(net.buffers())


@wrong("count_bytes", "8 make a byte", BY_HAND)
def bits(net):
    return 8 * sizes(net.parameters())


@wrong("count_bytes", "9 numbers of 4 bytes", BY_HAND)
def four_for_each_parameter(net):
    return 4 * len(list(net.parameters()))


@wrong("count_bytes", "8 in float64", BY_HAND)
def four_for_each_number(net):
    return 4 * sum(p.numel() for p in net.parameters())


@wrong("count_bytes", "the parameters alone", BY_HAND)
def bytes_of_parameters(net):
    return sizes(net.parameters())


@wrong("count_bytes", "is an int64", BY_HAND)
def four_for_each_number_of_a_buffer(net):
    return sizes(net.parameters()) + 4 * sum(b.numel() for b in net.buffers())


@wrong("count_bytes", "and a count of batches", BY_HAND)
def bytes_of_floats(net):
    tensors = [*net.parameters(), *net.buffers()]
    return sizes(t for t in tensors if t.is_floating_point())


@wrong("count_bytes", "once for each place", BY_HAND)
def bytes_of_the_state_dict(net):
    return sizes(net.state_dict().values())


@wrong("count_bytes", "count memory, not names", BY_HAND)
def bytes_of_modules(net):
    return sum(
        sizes(module.parameters(recurse=False))
        + sizes(module._buffers.values())
        for module in net.modules()
    )


@wrong("count_bytes", "isn't saved, but takes memory", BY_HAND)
def bytes_of_different_entries(net):
    entries = {t.data_ptr(): t for t in net.state_dict().values()}
    return sizes(entries.values())


@wrong("count_bytes", "A view adds nothing", BY_HAND)
def bytes_with_views(net):
    return sizes(net.parameters()) + sizes(net.buffers())


def bytes_by_storage(choose):
    def count(net):
        memory = {}
        for t in [*net.parameters(), *net.buffers()]:
            place = t.untyped_storage().data_ptr()
            memory[place] = choose(memory.get(place, 0), t.nbytes)
        return sum(memory.values())

    return count


for choose in (lambda old, new: new, lambda old, new: old or new, max):
    wrong("count_bytes", "Not all of the memory", BY_HAND)(
        bytes_by_storage(choose)
    )


@wrong("count_bytes", "A view adds nothing", BY_HAND)
def bytes_by_address(net):
    tensors = [*net.parameters(), *net.buffers()]
    return sizes({t.data_ptr(): t for t in tensors}.values())


for hint, counts in (
    ("counts once, however many", {"tied": 772}),
    ("how many numbers there are", {"tied": 121}),
    ("Three linear layers", {"tied": 480}),
    ("the buffer takes memory too", {"FixedHiddenMLP": 1680}),
    ("The layer is used twice", {"FixedHiddenMLP": 4960}),
    ("counts once, however many", {"two names": 80}),
    ("one tensor of 10 numbers", {"two names": 44}),
):
    wrong("count_bytes", hint, {**BY_HAND, **counts})(bytes_by_intervals)
wrong("count_bytes", "Add 'tied'", {})(bytes_by_intervals)


# 2.6 Only one width is given


def shapes(after_30, after_20):
    return {"after (2, 30)": after_30, "after (2, 20)": after_20}


FIRST, LAST = {"0.weight", "0.bias"}, {"2.weight", "2.bias"}
right("only_one_width_is_given", shapes(False, True))(FIRST)
right("only_one_width_is_given", shapes(False, True))(["0.bias", "0.weight"])
right("only_one_width_is_given", shapes(False, True))(dict.fromkeys(FIRST, 0))
for hint, names, after in (
    ("makes both of its", {*FIRST, "2.bias"}, shapes(False, True)),
    ("until a batch reaches it", FIRST | LAST, shapes(False, True)),
    ("which of the layers", {"0.weight"}, shapes(False, True)),
    ("which of the layers", set(), shapes(False, True)),
    ("No parameter is called", {*FIRST, "1.weight"}, shapes(False, True)),
    ("No parameter is called", {"weight", "bias"}, shapes(False, True)),
    ("each a string", {0}, shapes(False, True)),
    ("each a string", [["0.weight"], ["0.bias"]], shapes(False, True)),
    ("each a string", "0.weight, 0.bias", shapes(False, True)),
    ("each a string", [torch.ones(2)], shapes(False, True)),
    ("Which of them raises", FIRST, shapes(True, True)),
    ("True or False, without quotes", FIRST, shapes("error", True)),
    ("Nothing was decided", FIRST, shapes(False, False)),
):
    wrong("only_one_width_is_given", hint, after)(names)


# 2.7 Other starts


def has_std(right, tolerance=0.05):
    def test(weight):
        return weight.std() > right * (1 - tolerance) and (
            weight.std() < right * (1 + tolerance)
        )

    return test


def is_orthogonal(weight):
    G = weight.T @ weight
    return torch.allclose(G, torch.eye(100), atol=1e-4)


def has_all_ones(weight):
    return bool((weight == 1).all())


KAIMING, XAVIER = math.sqrt(2 / 100), math.sqrt(2 / 300)
right("other_starts", has_std(KAIMING), nn.init.orthogonal_, is_orthogonal)(
    nn.init.kaiming_normal_
)
right(
    "other_starts", has_std(XAVIER), nn.init.kaiming_uniform_, has_std(KAIMING)
)(nn.init.xavier_normal_)
right("other_starts", has_std(0.88), nn.init.ones_, has_all_ones)(
    nn.init.trunc_normal_
)
right(
    "other_starts",
    lambda weight: np.isclose(weight.numpy().std(), XAVIER, rtol=0.1),
    nn.init.eye_,
    lambda weight: torch.equal(weight, torch.eye(200, 100)),
)(nn.init.xavier_normal_)


def refuses_all_ones(weight):
    print((weight == 1).all())


ONES = nn.init.ones_, has_all_ones
for hint, *answers in (
    ("without a call or a wrapper", nn.Linear, has_std(1), *ONES),
    ("without a call or a wrapper", lambda W: W.fill_(1), has_all_ones, *ONES),
    ("without a call or a wrapper", nn.init.calculate_gain, has_std(1), *ONES),
    ("uses this one already", nn.init.normal_, has_std(1), *ONES),
    ("uses this one already", *ONES, nn.init.zeros_, lambda W: not W.any()),
    ("Choose two that differ", *ONES, *ONES),
    ("alone. Choose another", nn.init.dirac_, has_std(1), *ONES),
    ("alone. Choose another", *ONES, nn.init.sparse_, has_std(0.01)),
    ("with a tolerance", nn.init.kaiming_normal_, has_std(0.1), *ONES),
    ("with a tolerance", nn.init.xavier_normal_, has_std(XAVIER, 0), *ONES),
    (
        "with a tolerance",
        nn.init.orthogonal_,
        lambda W: torch.equal(W.T @ W, torch.eye(100)),
        *ONES,
    ),
    (
        "was raised in the line",
        nn.init.orthogonal_,
        lambda W: is_orthogonal(W.T),
        *ONES,
    ),
    ("`return` it", nn.init.ones_, refuses_all_ones, nn.init.eye_, has_std(1)),
    (
        "twice the scale passes",
        nn.init.eye_,
        lambda W: (W != 0).sum() == 100,
        *ONES,
    ),
    (
        "have a lower bound",
        nn.init.kaiming_uniform_,
        lambda W: W.std() < 0.2,
        *ONES,
    ),
    (
        "one answer for the whole weight",
        nn.init.kaiming_normal_,
        lambda W: W.std(dim=0) > 0.1,
        *ONES,
    ),
    (
        "changes the weight",
        nn.init.ones_,
        lambda W: bool((W.mul_(2) == 2).all()),
        nn.init.eye_,
        has_std(1),
    ),
    ("default start isn't", nn.init.orthogonal_, has_std(0.0707, 0.3), *ONES),
    ("upper bound", *ONES, nn.init.orthogonal_, lambda W: len(W) > 0),
):
    wrong("other_starts", hint, *answers[1:])(answers[0])


# 2.8 A tie that breaks

EVENTS = (
    "deepcopy of the network",
    "load_state_dict",
    "double",
    "new nn.Parameter",
    "deep copies one by one",
)


def ties(*kept):
    return {event: i in kept for i, event in enumerate(EVENTS)}


right("tie_that_breaks")(ties(0, 1, 2))
wrong("tie_that_breaks", "is copied once")(ties(1, 2))
wrong("tie_that_breaks", "copies values into")(ties(0, 2))
wrong("tie_that_breaks", "keeps the parameter as an object")(ties(0, 1))
wrong("tie_that_breaks", "another object")(ties(0, 1, 2, 3))
wrong("tie_that_breaks", "notes of its own")(ties(0, 1, 2, 4))
for junk, words in (
    ("yes", "without quotes"),
    (1, "not a number"),
    ("True", "without quotes"),
):
    wrong("tie_that_breaks", words)({**ties(0, 1, 2), "double": junk})
for junk in (None, [True], torch.ones(2)):
    wrong("tie_that_breaks", "copies values into")(
        {**ties(0, 1, 2), "load_state_dict": junk}
    )
wrong("tie_that_breaks", "Add 'double'")({EVENTS[0]: True, EVENTS[1]: True})


# 2.9 Inputs of any width


class OneToOne(nn.Module):
    def __init__(self, num_hiddens=8):
        super().__init__()
        self.f = nn.Sequential(
            nn.Linear(1, num_hiddens), nn.Tanh(), nn.Linear(num_hiddens, 1)
        )


@right("inputs_of_any_width", False)
class WidthByLoop(OneToOne):
    def forward(self, X):
        return sum(self.f(x) for x in X.split(1, dim=1)) / X.shape[1]


@right("inputs_of_any_width", False)
class WidthByConvolution(nn.Module):
    def __init__(self, num_hiddens=4):
        super().__init__()
        self.inner = nn.Conv1d(1, num_hiddens, 1)
        self.outer = nn.Conv1d(num_hiddens, 1, 1)

    def forward(self, X):
        Y = self.outer(F.relu(self.inner(X[:, None])))  # (n, 1, d)
        return Y.mean(dim=-1)


@right("inputs_of_any_width", False)
class WidthByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(3, 5))

    def forward(self, X):
        w, b, v = self.table
        return (torch.sigmoid(X[..., None] * w + b) @ v).mean(1, keepdim=True)


class WidthByFlattening(OneToOne):
    def forward(self, X):
        Y = self.f(X.reshape(-1, 1))
        return self.back(Y, *X.shape)


@wrong("inputs_of_any_width", "samples are mixed up", False)
class WidthWithSamplesMixed(WidthByFlattening):
    def back(self, Y, n, d):
        return Y.reshape(d, n).mean(dim=0)[:, None]


@wrong("inputs_of_any_width", "over the samples too", False)
class WidthOverSamples(WidthByFlattening):
    def back(self, Y, n, d):
        return Y.mean().expand(n, 1)


@wrong("inputs_of_any_width", "This is the sum", False)
class WidthBySum(WidthByFlattening):
    def back(self, Y, n, d):
        return Y.reshape(n, d).sum(dim=1, keepdim=True)


@wrong("inputs_of_any_width", "largest of the results", False)
class WidthByMax(WidthByFlattening):
    def back(self, Y, n, d):
        return Y.reshape(n, d).amax(dim=1, keepdim=True)


@wrong("inputs_of_any_width", "one number: the output", False)
class WidthWithoutLastDimension(WidthByFlattening):
    def back(self, Y, n, d):
        return Y.reshape(n, d).mean(dim=1)


@wrong("inputs_of_any_width", "Keep the last dimension", False)
class WidthWithSqueeze(WidthByFlattening):
    def back(self, Y, n, d):
        Y = Y.reshape(n, d).mean(dim=1)
        return Y if d > 1 else Y[:, None]


@wrong("inputs_of_any_width", "and the d results", False)
class WidthOfFive(WidthByFlattening):
    def back(self, Y, n, d):
        Y = Y.reshape(n, d).sum(dim=1, keepdim=True)
        return Y if d == 1 else Y / 5


@wrong("inputs_of_any_width", "averaged before the network", False)
class WidthOfTheMean(OneToOne):
    def forward(self, X):
        return self.f(X.mean(dim=1, keepdim=True))


@wrong("inputs_of_any_width", "isn't that of the first batch", False)
class WidthThatIsLazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, X):
        return self.f(X)


@wrong("inputs_of_any_width", "Take nothing off", False)
class WidthLessItsMean(OneToOne):
    def forward(self, X):
        Y = self.f(X[..., None]).mean(dim=1)
        return Y - Y.mean()


@wrong("inputs_of_any_width", "such as dropout", False)
class WidthWithDropout(OneToOne):
    def forward(self, X):
        inner, bend, outer = self.f
        return outer(F.dropout(bend(inner(X[..., None])))).mean(dim=1)


@wrong("inputs_of_any_width", "how many units", False)
class WidthOfEightUnits(WidthByLoop):
    def __init__(self, num_hiddens=8):
        super().__init__(8)


@wrong("inputs_of_any_width", "changes its input", False)
class WidthThatWrites(OneToOne):
    def forward(self, X):
        X += 1
        return self.f(X[..., None]).mean(dim=1)


@wrong("inputs_of_any_width", "wherever it stands", False)
class WidthByPlace(OneToOne):
    def forward(self, X):
        return self.f((X + torch.arange(X.shape[1]))[..., None]).mean(dim=1)


@right("inputs_of_any_width", False)
class WidthThatIsLazyForEach(nn.Module):
    def __init__(self, num_hiddens=8):
        super().__init__()
        self.f = nn.Sequential(
            nn.LazyLinear(num_hiddens), nn.ReLU(), nn.LazyLinear(1)
        )

    def forward(self, X):
        return self.f(X[..., None]).mean(dim=1)


@right("inputs_of_any_width", False)
class WidthOfTheMeanOfHiddens(OneToOne):
    def forward(self, X):
        inner, bend, outer = self.f
        return outer(bend(inner(X[..., None])).mean(dim=1))


@wrong("inputs_of_any_width", "a ReLU or another function", False)
class WidthWithoutReLU(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(1, 8), nn.Linear(8, 1))

    def forward(self, X):
        return self.f(X[..., None]).mean(dim=1)


@wrong("inputs_of_any_width", "grow with the width, or", False)
class WidthWithWeights(OneToOne):
    def forward(self, X):
        if not hasattr(self, "w") or len(self.w) != X.shape[1]:
            self.w = nn.Parameter(torch.ones(X.shape[1]))
        return (self.f(X[..., None])[..., 0] * self.w).mean(1, keepdim=True)


@wrong("inputs_of_any_width", "the output doesn't use them", False)
class WidthWithMoreParameters(OneToOne):
    def __init__(self, num_hiddens=8):
        super().__init__(num_hiddens)
        self.more = nn.Linear(3, 3)

    def forward(self, X):
        return self.f(X[..., None]).mean(dim=1)


@wrong("inputs_of_any_width", "cuts the graph", False)
class WidthWithoutGraph(OneToOne):
    def forward(self, X):
        rows = [[self.f(x[None]).item() for x in row] for row in X]
        return torch.tensor(rows).mean(dim=1, keepdim=True)


@wrong("inputs_of_any_width", "cuts the graph", False)
class WidthWithHalfAGraph(OneToOne):
    def forward(self, X):
        inner, relu, outer = self.f
        return outer(relu(inner(X[..., None])).detach()).mean(dim=1)


@wrong("inputs_of_any_width", "A plain list hides them", False)
class WidthOfAPlainList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1)]

    def forward(self, X):
        Y = X[..., None]
        for layer in self.layers:
            Y = layer(Y)
        return Y.mean(dim=1)


@wrong("inputs_of_any_width", "each forward makes anew", False)
class WidthOfNewLayers(nn.Module):
    def forward(self, X):
        return F.relu(nn.Linear(1, 1)(X[..., None])).mean(1)


@wrong("inputs_of_any_width", "too few for a hidden layer", False)
class WidthOfOneUnit(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, X):
        return F.relu(self.linear(X[..., None])).mean(1)


@right("inputs_of_any_width", False)
class WidthWithoutBiases(OneToOne):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            nn.Linear(1, 4, bias=False), nn.ReLU(), nn.Linear(4, 1, bias=False)
        )

    def forward(self, X):
        return self.f(X.unsqueeze(2)).mean(dim=-2)


wrong("inputs_of_any_width", "a sum has no order", True)(WidthByLoop)
wrong("inputs_of_any_width", "True or False", "no")(WidthByLoop)
