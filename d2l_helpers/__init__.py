"""Reference modules for the chapters, and what the chapters call."""

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
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
