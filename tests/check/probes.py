"""What checks are given, and what is looked at around them."""

import os
import random
import signal
import sys

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn


class RaisesWhenBuilt(nn.Module):
    def __init__(self, *_, **__):
        raise ZeroDivisionError("built")


class RaisesWhenShown(nn.Module):
    def __init__(self, *_, **__):
        super().__init__()

    def __repr__(self):
        raise ZeroDivisionError("shown")

    def forward(self, *_):
        return self


class Leaves(nn.Module):
    def forward(self, *_):
        sys.exit("left")


JUNK = [
    None,
    0,
    -1.5,
    "text",
    b"bytes",
    [],
    {},
    {None: None},
    object(),
    float("nan"),
    torch.zeros(0),
    torch.empty(2, device="meta"),
    nn.Linear(1, 1),
    nn.Identity,
    RaisesWhenBuilt,
    RaisesWhenShown,
    Leaves,
    int,
    lambda *_, **__: None,
    lambda: 1 / 0,
    (i for i in range(3)),
]


def fingerprint(answers):
    """What a check could change in its arguments, and around them."""
    tensors = []
    for answer in answers:
        if isinstance(answer, nn.Module):
            state = answer.state_dict()
            tensors += [(name, v.tolist()) for name, v in state.items()]
        elif isinstance(answer, torch.Tensor):
            tensors.append(answer.tolist())
        else:
            tensors.append(repr(answer))
    return (
        *tensors,
        random.getstate(),
        repr(np.random.get_state()),
        torch.get_rng_state().tolist(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        plt.get_fignums(),
        signal.getsignal(getattr(signal, "SIGALRM", signal.SIGINT)),
        os.getcwd(),
    )
