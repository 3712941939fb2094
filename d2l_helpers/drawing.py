"""Pictures of networks, and the one style of all figures.

Matplotlib is imported where a figure is drawn: `import d2l_helpers` stays as
fast as `import torch`.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from torch import nn
from torch.nn.parameter import is_lazy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Blue and orange that stay apart for color-blind readers, on a white card
# that is as legible on a dark page as on a light one.
BLUE, ORANGE, GRAY = "#0072b2", "#d55e00", "#666666"
LETTER = 0.075  # inches, the width of a letter of 9 points
STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRAY,
    "axes.prop_cycle": f"cycler('color', ['{BLUE}', '{ORANGE}'])",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "figure.figsize": (6, 2.8),
    "font.size": 10,
    "grid.color": "#dddddd",
    "svg.hashsalt": "d2l_helpers",
}
# Families that hold Chinese letters, on Linux, macOS and Windows.
CHINESE = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",  # the name of all of Noto's in one file
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti TC",
    "Arial Unicode MS",
    "Microsoft YaHei",
    "SimHei",
)


def use_style() -> None:
    """Draw this notebook's figures in the style of the chapters.

    Each figure is stored as SVG, which stays sharp, and as PNG, since
    JupyterLab shows no SVG in a notebook that it doesn't trust yet. The same
    figure gives the same text each time: no date, no random name. Letters that
    the usual font lacks come from a font for Chinese, if one is installed.

    Example::

        >>> use_style()
    """
    import matplotlib.pyplot as plt
    from IPython import get_ipython
    from matplotlib_inline.backend_inline import set_matplotlib_formats
    from matplotlib_inline.config import InlineBackend

    plt.rcParams.update(STYLE)
    # It warns of a second that has passed, as on a busy machine.
    warnings.filterwarnings("ignore", 'Creating legend with loc="best"')
    plt.rcParams["font.family"] = ["sans-serif", *_chinese_font()]
    if get_ipython() is not None:
        # Kept in the configuration, since d2l.plot sets the format anew.
        kwargs = InlineBackend.instance().print_figure_kwargs
        kwargs["metadata"] = {"Date": None}
        set_matplotlib_formats("svg", "retina")


def _chinese_font() -> list[str]:
    """The first of ``CHINESE`` that is installed, if one is."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    def found() -> list[str]:
        names = {font.name for font in fontManager.ttflist}
        return [name for name in CHINESE if name in names][:1]

    if not found():
        # Matplotlib's list is as old as its cache.
        known = {font.fname for font in fontManager.ttflist}
        for file in set(findSystemFonts()) - known:
            with suppress(Exception):  # of many kinds, for a broken file
                fontManager.addfont(file)
    return found()


def draw_modules(net: nn.Module) -> Axes:
    """Draw the tree of a module and its children, from left to right.

    A box shows a module's class and how many parameters it holds, those of
    its children included. The line that leads to it carries the name under
    which its parent registered it. A child that is registered twice is drawn
    twice, where ``named_children`` would give it once.

    Args:
        net (nn.Module): the root of the tree.

    Returns:
        The axes drawn on, of a new figure as large as the tree needs.

    Raises:
        TypeError: if ``net`` isn't an :class:`nn.Module` object.

    Example::

        >>> ax = draw_modules(nn.Sequential(nn.Linear(20, 10), nn.ReLU()))
        >>> sorted(text.get_text().split()[0] for text in ax.texts)
        ['0', '1', 'Linear', 'ReLU', 'Sequential']
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be an nn.Module object, got {net!r}")
    import matplotlib.pyplot as plt

    rows = depth = 0
    boxes, lines = [], []

    def place(module: nn.Module, column: int) -> float:
        """Put the module and all below it on the grid; return its row."""
        nonlocal rows, depth
        depth = max(depth, column)
        children = [
            (name, place(child, column + 1))
            for name, child in module._modules.items()
            if child is not None
        ]
        if children:
            row = (children[0][1] + children[-1][1]) / 2
        else:
            row = rows
            rows += 1
        lines.extend((column, row, name, child) for name, child in children)
        boxes.append((column, row, _label(module)))
        return row

    place(net, 0)
    # A column is as wide as the longest label and the longest name need.
    words = [word for *_, label in boxes for word in label.split("\n")]
    box = 0.3 + max(map(width_of, words))
    names = 0.1 + max((width_of(name) for _, _, name, _ in lines), default=0)
    width = box + 0.2 + names  # inches
    size = (depth * width + box, 0.6 * rows)
    _, ax = plt.subplots(figsize=size, layout="constrained")
    margin = box / 2 / width  # columns
    ax.set(xlim=(-margin, depth + margin), ylim=(rows - 0.5, -0.5))
    ax.set_axis_off()
    for column, row, name, child in lines:
        elbow = column + margin + 0.2 / width
        corners = [column, elbow, elbow, column + 1]
        ax.plot(corners, [row, row, child, child], color=GRAY, lw=1)
        style = {"color": GRAY, "fontsize": 9, "parse_math": False}
        ax.text(elbow + 0.05 / width, child - 0.08, name, **style)
    for column, row, label in boxes:
        draw_box(ax, column, row, label, BLUE)
    return ax


def width_of(text: str) -> float:
    """About how wide a text of 9 points is, in inches."""
    wide = sum(east_asian_width(letter) in "WF" for letter in text)
    return LETTER * (len(text) + wide)


def draw_box(ax: Axes, x: float, y: float, label: str, color: str) -> None:
    """Draw a label in a frame of some color, over the lines that lead there.

    Args:
        ax (Axes): where to draw.
        x (float): the middle of the box.
        y (float): likewise.
        label (str): text, of one line or several.
        color (str): that of the frame.
    """
    frame = {"boxstyle": "round", "facecolor": "w", "edgecolor": color}
    style = {"ha": "center", "va": "center", "fontsize": 9, "bbox": frame}
    ax.text(x, y, label, parse_math=False, **style)


def _label(module: nn.Module) -> str:
    """The class of a module, and how many parameters it holds."""
    name = type(module).__name__
    parameters = list(module.parameters())
    if any(is_lazy(p) for p in parameters):
        return f"{name}\nuninitialized"
    count = sum(p.numel() for p in parameters)
    if not count:
        return name
    return f"{name}\n{count:,} parameter{'s' if count > 1 else ''}"
