"""What a training step does to a network."""

from __future__ import annotations

import copy

import torch
from torch import nn


def changed_by_a_step(
    optimizer: torch.optim.Optimizer, net: nn.Module
) -> list[str]:
    r"""Make a training step, and list what it has changed in a network.

    An entry :math:`v` of the state dict is listed if :math:`v \ne v'`, its
    value after ``optimizer.step()``, compared without tolerance. The gradients
    are those that are there: run ``backward`` first.

    Args:
        optimizer (torch.optim.Optimizer): the optimizer that makes the step.
        net (nn.Module): the network; it is changed in place.

    Returns:
        The names in the state dict, in its order: of parameters and buffers.

    Example::

        >>> net = nn.Linear(2, 1)
        >>> net(torch.ones(1, 2)).sum().backward()
        >>> optimizer = torch.optim.SGD([net.bias], lr=0.1)
        >>> changed_by_a_step(optimizer, net)
        ['bias']
    """
    before = copy.deepcopy(net.state_dict())  # a state dict follows the net
    optimizer.step()
    after = net.state_dict()
    return [k for k in after if not torch.equal(after[k], before[k])]
