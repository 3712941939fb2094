"""The reference modules against the same networks made of torch.nn.

Run from the root of the checkout: python -m benchmarks.modules

A round times forward and backward of each pair in turn, on one thread of the
CPU; printed are the median times of torch.nn's and the medians of the ratios.
"""

import statistics
import sys

import torch
from torch import nn
from torch.utils.benchmark import Timer

from d2l_helpers import MLP, MyLinear, MySequential

WIDTHS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
BATCH = 64
ROUNDS = 11
SECONDS = 0.02  # about so long is one measurement, or one call if longer


def limit(width: int) -> float:
    """The ratio that is allowed: small layers show the cost of Python."""
    return 1.15 if width < 256 else 1.05


def linear_and_relu(width: int) -> tuple[nn.Module, nn.Module]:
    """MyLinear, and torch.nn's two layers in its place."""
    theirs = nn.Sequential(nn.Linear(width, width), nn.ReLU())
    return MyLinear(width, width), theirs


def two_layers(width: int) -> tuple[nn.Module, nn.Module]:
    """MLP, and torch.nn's three layers in its place."""
    theirs = nn.Sequential(
        nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
    )
    return MLP(width, width, width), theirs


def chain(width: int) -> tuple[nn.Module, nn.Module]:
    """MySequential and nn.Sequential, of the same blocks."""
    blocks = [nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)]
    return MySequential(*blocks), nn.Sequential(*blocks)


PAIRS = {"MyLinear": linear_and_relu, "MLP": two_layers, "MySequential": chain}


def timer(net: nn.Module, width: int) -> Timer:
    """What times a forward and a backward computation, input included."""
    X = torch.rand(BATCH, width, requires_grad=True)
    names = {"net": net, "X": X, "grad": torch.ones(BATCH, width)}
    return Timer("net(X).backward(grad)", globals=names, num_threads=1)


def measure(pair: tuple[nn.Module, nn.Module], width: int) -> tuple:
    """The median time of torch.nn's, and the median ratio of ours to it.

    Args:
        pair (tuple[nn.Module, nn.Module]): our network, and torch.nn's.
        width (int): of their inputs and outputs.

    Returns:
        Seconds, and a ratio.
    """
    ours, theirs = (timer(net, width) for net in pair)
    once = min(theirs.timeit(1).mean for _ in range(3))
    number = max(1, round(SECONDS / once))
    seconds, ratios = [], []
    for i in range(ROUNDS):
        # Which is first changes, so that neither has the warmer cache.
        order = (ours, theirs) if i % 2 else (theirs, ours)
        mean = {each: each.timeit(number).mean for each in order}
        seconds.append(mean[theirs])
        ratios.append(mean[ours] / mean[theirs])
    return statistics.median(seconds), statistics.median(ratios)


def main() -> int:
    """Print the table; return 1 if a ratio is over its limit."""
    torch.manual_seed(0)
    print("| module | width | torch.nn, ms | ratio | at most |")
    print("|---|---|---|---|---|")
    over = 0
    for name, make in PAIRS.items():
        for width in WIDTHS:
            seconds, ratio = measure(make(width), width)
            over += ratio > limit(width)
            print(
                f"| {name} | {width} | {1000 * seconds:.2f} | {ratio:.2f} "
                f"| {limit(width)} |"
            )
    return int(over > 0)


if __name__ == "__main__":
    sys.exit(main())
