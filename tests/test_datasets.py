"""The data set of chapter 09, in worker processes of each kind."""

import multiprocessing
import os
import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from d2l_helpers.datasets import NoisyDataset, seed_worker
from tools import files
from tools.page import chapters

# The usual way here, and that of macOS and Windows, where nothing is copied.
METHODS = pytest.mark.parametrize(
    "method", sorted({multiprocessing.get_start_method(), "spawn"})
)


def drawn(method, **options):
    torch.manual_seed(0)
    loader = DataLoader(
        NoisyDataset(4),
        batch_size=1,
        num_workers=2,
        multiprocessing_context=method,
        **options,
    )
    return [x.item() for x in loader]


@METHODS
def test_workers_draw_the_same_numbers(method):
    first, second, third, fourth = drawn(method)
    assert first == second
    assert third == fourth
    assert first != third


@METHODS
def test_seeded_workers_draw_their_own_and_the_same_each_time(method):
    numbers = drawn(method, worker_init_fn=seed_worker)
    assert len(set(numbers)) == 4
    assert drawn(method, worker_init_fn=seed_worker) == numbers


def test_numbers_are_those_of_a_generator_with_the_seed_zero():
    expected = np.random.default_rng(0).random(3).tolist()
    for _ in range(2):
        data = NoisyDataset(3)
        assert [data[i] for i in range(3)] == expected


def test_length_is_the_number_of_samples():
    assert len(NoisyDataset(6)) == 6


def test_chapter_warns_of_nothing_on_one_core(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    cells = files.read_source(chapters("09")[0]).cells
    cell = next(c for c in cells if "\ndef epochs" in c.source)
    names = {"DataLoader": DataLoader, "warnings": warnings}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        DataLoader(NoisyDataset(6), num_workers=2)
        assert len(said) == 1  # which the chapter is to hide
        exec(cell.source, names)
        DataLoader(NoisyDataset(6), num_workers=2)
        assert len(said) == 1
