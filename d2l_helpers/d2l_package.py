"""The book's own package, ``d2l``: installed, and imported on demand.

d2l 1.0.3 pins versions of NumPy and others that don't install on current
Python, and imports torchvision, which it needs only for image data sets.
Here it's installed without its pins, and imported with or without
torchvision::

    python -m d2l_helpers.d2l_package    # install it
    from d2l_helpers import d2l          # what the book calls d2l
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

from .drawing import use_style

REQUIREMENT = "d2l==1.0.3"


def load_d2l() -> ModuleType:
    """Import and return ``d2l.torch``.

    Where torchvision is missing or doesn't match torch, d2l's functions for
    image data sets raise :class:`ImportError`, and all others work. Its
    figures have the style of the chapters.

    Returns:
        The module ``d2l.torch``.

    Raises:
        ModuleNotFoundError: if d2l isn't installed.

    Example::

        >>> load_d2l().__name__
        'd2l.torch'
    """
    if "d2l.torch" in sys.modules:
        return sys.modules["d2l.torch"]
    try:
        importlib.import_module("d2l")
    except ModuleNotFoundError as error:
        if error.name != "d2l":
            raise
        raise ModuleNotFoundError(
            "The book's package d2l is not installed. In a checkout, run "
            "`make setup`; elsewhere, run `python -m pip install --no-deps "
            f"{REQUIREMENT}` (its pinned dependencies don't install on "
            "current Python).",
            name="d2l",
        ) from None
    d2l = _import_d2l()
    # Called before each of its plots; its own would drop our formats.
    d2l.use_svg_display = use_style
    return d2l


def _import_d2l() -> ModuleType:
    """Import ``d2l.torch``, with or without torchvision."""
    error = _torchvision_error()
    if error is None:
        return importlib.import_module("d2l.torch")
    before = {k: v for k, v in sys.modules.items() if k == "torchvision"}
    sys.modules["torchvision"] = _MissingTorchvision(error)
    try:
        return importlib.import_module("d2l.torch")
    finally:
        # Left in place, others would take it for the real torchvision.
        del sys.modules["torchvision"]
        sys.modules.update(before)


def _torchvision_error() -> Exception | None:
    """What stops torchvision from being imported, if anything does."""
    before = set(sys.modules)
    try:
        importlib.import_module("torchvision.transforms")
    except Exception as error:  # a mismatch raises RuntimeError, OSError, ...
        for name in set(sys.modules) - before:
            if name.split(".")[0] == "torchvision":
                del sys.modules[name]
        return error
    return None


class _MissingTorchvision(ModuleType):
    """Raises a helpful error wherever d2l reaches for torchvision."""

    def __init__(self, error: Exception) -> None:
        super().__init__("torchvision")
        self._error = error

    @property
    def transforms(self) -> _MissingTorchvision:
        # d2l imports this name at the top, and uses it later.
        return self

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
        import torch

        raise ImportError(
            "This part of d2l needs torchvision, which can't be imported "
            f"here ({self._error}). Install the torchvision release that "
            f"matches torch {torch.__version__}, and restart Python."
        ) from self._error


def install() -> int:
    """Install d2l without its pinned dependencies.

    Returns:
        The exit status of pip.
    """
    command = [sys.executable, "-m", "pip", "install", "--no-deps"]
    return subprocess.call([*command, REQUIREMENT])


if __name__ == "__main__":
    sys.exit(install())
