"""The training runs of chapter 07, as it writes them, for other pages.

A run is an object with the attributes ``net``, ``optimizer``, ``generator``,
which shuffles, and ``history``, a list of ``(training loss, validation loss,
validation accuracy)``, one for each epoch. Losses are cross entropies in
natural logarithms, accuracies lie between 0 and 1.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace as Run

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from .blocks import MLP, MySequential


def load_digits() -> tuple[Tensor, Tensor]:
    """The handwritten digits that come with scikit-learn.

    Returns:
        (Tensor, Tensor): images ``(1797, 8, 8)`` in float32, from 0 to 1, and
        labels ``(1797,)`` from 0 to 9.
    """
    from sklearn import datasets  # it takes a second

    digits = datasets.load_digits()
    X = torch.from_numpy(digits.images).float() / 16
    return X, torch.from_numpy(digits.target).long()


def make_net(num_hiddens: int = 128) -> MySequential:
    """The model: ``(n, 8, 8)`` to ten logits, ``(n, 10)``."""
    return MySequential(
        nn.Flatten(), nn.Dropout(0.1), MLP(64, num_hiddens, 10)
    )


def new_run(
    seed: int, num_hiddens: int = 128, device: torch.device | str = "cpu"
) -> Run:
    """A run that hasn't begun; it seeds PyTorch's own generators, too."""
    torch.manual_seed(seed)
    net = make_net(num_hiddens).to(device)
    return Run(
        net=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        generator=torch.Generator().manual_seed(seed),
        history=[],
    )


def step(run: Run, X: Tensor, y: Tensor) -> Tensor:
    """One step of training; the sum of the losses of its digits."""
    loss = F.cross_entropy(run.net.train()(X), y)
    run.optimizer.zero_grad()
    loss.backward()
    run.optimizer.step()
    return loss.detach() * len(X)


def train_epoch(run: Run, X: Tensor, y: Tensor, batch_size: int = 50) -> float:
    """Train with each digit once; the mean of the losses."""
    order = torch.randperm(len(X), generator=run.generator)
    batches = order.to(X.device).split(batch_size)
    total = sum(step(run, X[batch], y[batch]) for batch in batches)
    return total.item() / len(X)


@torch.inference_mode()
def evaluate(net: nn.Module, X: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy, with the module in evaluation mode."""
    net.eval()
    y_hat = net(X)
    accuracy = (y_hat.argmax(dim=1) == y).float().mean()
    return F.cross_entropy(y_hat, y).item(), accuracy.item()


def get_random_state() -> dict[str, Tensor]:
    """The states of PyTorch's own generators, on the CPU and the GPU."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Tensor]) -> None:
    """Set them, as far as the machine has them."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


def save(state: object, path: Path) -> None:
    """Write a file, whole or not at all."""
    torch.save(state, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def save_run(run: Run, path: Path, **more: object) -> None:
    """Write a checkpoint of a run.

    Args:
        run: with all that changes as it is trained.
        path: the file. What was there is replaced.
        more: further entries of the checkpoint.
    """
    state = {
        "epoch": len(run.history),
        "net": run.net.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "generator": run.generator.get_state(),
        "random": get_random_state(),
        "history": run.history,
    }
    save(state | more, path)


def resume(run: Run, path: Path) -> dict[str, object]:
    """Load a checkpoint into a new run; all of its entries."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    run.net.load_state_dict(state["net"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.generator.set_state(state["generator"])
    set_random_state(state["random"])
    run.history.extend(state["history"])
    return state


def assert_same_end(run: Run, other: Run) -> None:
    """Require equal weights and histories; on a GPU, close ones.

    Raises:
        AssertionError: if they differ.
    """
    end, others = _end_of(run), _end_of(other)
    tolerance = 1e-4 if end[0].is_cuda else 0
    assert_close(end, others, rtol=tolerance, atol=tolerance)


def _end_of(run: Run) -> list[Tensor]:
    history = torch.tensor(run.history, dtype=torch.float64)
    return [*run.net.parameters(), history]
