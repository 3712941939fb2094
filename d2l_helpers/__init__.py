"""Reference modules for the chapters, and what the chapters call."""

from importlib.util import find_spec
from typing import Any

from .blocks import MLP, FixedHiddenMLP, MySequential, NestMLP
from .drawing import draw_modules, use_style
from .graphs import draw_graph, graph_of
from .layers import CenteredLayer, MyLinear
from .steps import changed_by_a_step

__all__ = [
    "MLP",
    "CenteredLayer",
    "FixedHiddenMLP",
    "MyLinear",
    "MySequential",
    "NestMLP",
    "changed_by_a_step",
    "draw_graph",
    "draw_modules",
    "graph_of",
    "use_style",
]


def __getattr__(name: str) -> Any:
    # The book's package costs most of a second: only a reader of `d2l` pays.
    if name == "d2l":
        from .d2l_package import load_d2l

        return load_d2l()
    # As Python itself asks, before it imports a module of the package.
    if name.startswith("_") or find_spec(f"{__name__}.{name}"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .check._update import missing

    # With an AttributeError, `from d2l_helpers import ...` says less.
    raise missing(__name__, name, ImportError)
