"""What a training step does to a network."""

import torch
from torch import nn

from d2l_helpers import changed_by_a_step


def net_with_gradients():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    net(torch.ones(4, 2)).sum().backward()
    return net


def test_step_lists_what_the_optimizer_holds():
    net = net_with_gradients()
    optimizer = torch.optim.SGD(net[1].parameters(), lr=0.1)
    before = net[1].bias.item()
    assert changed_by_a_step(optimizer, net) == ["1.weight", "1.bias"]
    assert net[1].bias.item() != before


def test_smallest_change_is_listed():
    net = net_with_gradients()
    nn.init.ones_(net[1].bias)
    net[1].bias.grad.fill_(2**-23)
    optimizer = torch.optim.SGD([net[1].bias], lr=1)
    assert changed_by_a_step(optimizer, net) == ["1.bias"]


def test_parameter_without_a_gradient_is_not_listed():
    net = net_with_gradients()
    net[0].zero_grad()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    assert changed_by_a_step(optimizer, net) == ["1.weight", "1.bias"]


def test_shared_parameter_is_listed_under_each_name():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    net(torch.ones(1, 2)).sum().backward()
    optimizer = torch.optim.SGD([net[0].weight], lr=0.1)
    assert changed_by_a_step(optimizer, net) == ["0.weight", "1.weight"]
