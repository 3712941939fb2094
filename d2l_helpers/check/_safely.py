"""Run a reader's code so that nothing but its result is left of it."""

from __future__ import annotations

import builtins
import logging
import math
import os
import random
import sys
import tempfile
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import (
    ExitStack,
    chdir,
    contextmanager,
    redirect_stderr,
    redirect_stdout,
)
from copy import copy
from io import StringIO
from unittest.mock import patch

import numpy as np
import torch

from ._time_limit import time_limit

SECONDS = 5  # for an answer
JUDGES = {
    builtins: "abs all any bool dict float getattr hasattr int isinstance "
    "issubclass len list max min range set sorted str sum tuple type zip",
    math: "isclose isfinite isnan",
    torch: "allclose equal isclose",
}


@contextmanager
def safely() -> Iterator[None]:
    """Seed, hide what is printed or drawn, and give all back as it was.

    Raises:
        TimeUp: inside, if it takes more than ``SECONDS``.
    """
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(_state_kept())
        enter(patch.dict(os.environ))
        enter(patch.object(sys, "path", list(map(os.path.abspath, sys.path))))
        enter(patch.object(logging.root, "handlers", [logging.NullHandler()]))
        enter(patch("builtins.input", _no_input))
        enter(_figures_kept())
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        enter(chdir(enter(folder)))
        enter(warnings.catch_warnings(action="ignore"))
        _hide_output(enter)
        enter(torch.inference_mode(False))
        enter(torch.enable_grad())
        enter(time_limit(SECONDS))
        yield


def replaced() -> list[str]:
    """Names by which checks judge, and that mean something of a reader's."""
    return [
        f"{module.__name__}.{name}"
        for module, names in JUDGES.items()
        for name in names.split()
        if not _is_own(module.__dict__[name], name, module.__name__)
    ]


def _is_own(function: object, name: str, module: str) -> bool:
    kind = function.__class__
    return (kind is type or kind is [].append.__class__) and (
        function.__name__ == name and function.__module__ == module
    )


def _hide_output(enter: Callable) -> None:
    """Hide what is printed, and in a notebook what is displayed."""
    if "IPython" in sys.modules:  # which is slow to import
        from IPython.utils.capture import capture_output

        enter(capture_output())
    else:
        enter(redirect_stdout(StringIO()))
        enter(redirect_stderr(StringIO()))


def _no_input(*_: object) -> None:
    raise RuntimeError("nobody answers `input` while a check runs")


def _state() -> list[tuple[Callable, object]]:
    """What an answer may change: how it is set, and what it is now."""
    return [
        (random.setstate, random.getstate()),
        (np.random.set_state, np.random.get_state()),
        (torch.set_rng_state, torch.get_rng_state()),
        (torch.set_default_dtype, torch.get_default_dtype()),
        (_set_default_device, _default_device()),
        (torch.set_num_threads, torch.get_num_threads()),
        (
            torch.set_float32_matmul_precision,
            torch.get_float32_matmul_precision(),
        ),
        (
            torch.use_deterministic_algorithms,
            torch.are_deterministic_algorithms_enabled(),
        ),
        (torch.autograd.set_detect_anomaly, torch.is_anomaly_enabled()),
        (
            lambda options: torch.set_printoptions(**vars(options)),
            copy(torch._tensor_str.PRINT_OPTS),
        ),
        (lambda options: np.seterr(**options), np.geterr()),
        (
            lambda options: np.set_printoptions(**options),
            np.get_printoptions(),
        ),
        (sys.setrecursionlimit, sys.getrecursionlimit()),
    ]


def _default_device() -> torch.device:
    try:
        return torch.get_default_device()
    except AttributeError:  # torch 2.6, after set_default_device(None)
        return torch.device("cpu")


def _set_default_device(device: torch.device) -> None:
    if _default_device() == device:
        return
    torch.set_default_device(None if device.type == "cpu" else device)
    try:
        torch.get_default_device()
    except AttributeError:  # torch 2.6, after None
        torch.set_default_device(device)


@contextmanager
def _state_kept() -> Iterator[None]:
    """Seed, choose torch's own settings, and give back what was before."""
    state = _state()
    cuda = torch.cuda.is_initialized()
    places = torch.cuda.get_rng_state_all() if cuda else []
    # A GPU that nobody uses yet would remember the seed.
    unused = patch.object(torch.cuda, "manual_seed_all", lambda seed: None)
    with ExitStack() as stack:
        if not cuda:
            stack.enter_context(unused)
        torch.set_default_dtype(torch.float32)
        _set_default_device(torch.device("cpu"))
        torch.set_float32_matmul_precision("highest")
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        try:
            yield
        finally:
            for set_to, value in state:
                set_to(value)
            if cuda:
                torch.cuda.set_rng_state_all(places)
            elif torch.cuda.is_initialized():  # by the answer
                for generator in torch.cuda.default_generators:
                    generator.manual_seed(generator.initial_seed())


@contextmanager
def _figures_kept() -> Iterator[None]:
    """Begin without a figure; close those that are drawn inside."""
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is None:
        yield
        return
    from matplotlib._pylab_helpers import Gcf

    with patch.object(Gcf, "figs", OrderedDict()), plt.rc_context():
        try:
            yield
        finally:
            plt.close("all")
