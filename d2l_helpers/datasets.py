"""A data set for the worker processes of a loader, which must import it.

Where workers don't begin as a copy of the notebook's process, as on macOS and
Windows, they import the class of a data set, and can't find one that a
notebook defines.
"""

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info


class NoisyDataset(Dataset):
    """Numbers between 0 and 1, from a generator of the data set's own."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, i: int) -> float:
        return self.rng.random()


def seed_worker(worker_id: int) -> None:
    """Give this worker's copy of a data set its own numbers."""
    dataset = get_worker_info().dataset
    dataset.rng = np.random.default_rng(torch.initial_seed())
