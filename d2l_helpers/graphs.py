"""The graph that autograd keeps behind a tensor, as data and as a picture.

NetworkX, SciPy and Matplotlib are imported where they are used: `import
d2l_helpers` stays as fast as `import torch`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

import torch

from .drawing import BLUE, GRAY, LETTER, ORANGE, draw_box

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from networkx import MultiDiGraph

GAP = 0.4  # inches between two columns, where the lines turn
LINE = 0.23  # inches that a box of one line of text is high
PORT = 0.12  # inches between two lines that end at one box, at most
SPREAD = 0.18  # inches between the first and the last of them, at most
STRAIGHT = 3  # the weight of lines that pass by, to that of boxes
SWEEPS = 6  # to the left and back, to find the order in each column
STEPS = 50  # to the right, to find the heights
LONG = 8  # columns, from which on names stand upright and columns are near


def graph_of(
    tensor: torch.Tensor, parameters: Mapping[str, torch.Tensor] | None = None
) -> MultiDiGraph:
    """Read the graph behind a tensor: what ``backward`` would walk through.

    Its nodes are integers. Node 0 is the operation that returned the tensor,
    ``tensor.grad_fn``; each other node is an operation before it, or a
    *leaf*: a tensor that requires a gradient and wasn't computed. Inputs that
    require none aren't in the graph. An edge leads from an operation or leaf
    to an operation that took its value. A value that was taken twice gives
    two edges.

    A node has two attributes:

    - ``kind``: ``"operation"`` or ``"leaf"``;
    - ``label``: for an operation, the name of its ``grad_fn``; for a leaf,
      the name that ``parameters`` gives it (several names are joined by
      commas), or else its shape.

    An edge has the attributes ``input``, the place of the value among the
    operation's ``next_functions``, and ``output``, which of the results of an
    operation with several it is.

    Args:
        tensor (torch.Tensor): of any shape, with a ``grad_fn``.
        parameters (Mapping[str, torch.Tensor]): tensors by name, such as
            ``dict(net.named_parameters())``. Those that aren't leaves of the
            graph are passed over.

    Returns:
        The graph, without cycles, of integers, numbered from 0.

    Raises:
        TypeError: if ``tensor`` isn't a tensor, or ``parameters`` isn't a
            mapping.
        ValueError: if ``tensor`` has no ``grad_fn``.

    Example::

        >>> w = torch.tensor(2.0, requires_grad=True)
        >>> graph = graph_of(w * w + 1, {"w": w})
        >>> graph.nodes.data("label")
        NodeDataView({0: 'AddBackward0', 1: 'MulBackward0', 2: 'w'}, \
data='label')
        >>> sorted(graph.edges())
        [(1, 0), (2, 1), (2, 1)]

    Source: *Dive into Deep Learning*, section 2.5 (Chinese edition: 2.5).
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"tensor must be a torch.Tensor, got {tensor!r}")
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, Mapping):
        raise TypeError(
            "parameters must be a mapping from names to tensors, such as "
            f"dict(net.named_parameters()), got {parameters!r}"
        )
    if tensor.grad_fn is None:
        raise ValueError(
            "tensor has no grad_fn: it needs requires_grad inputs and an "
            "operation on them that autograd recorded, outside no_grad and "
            "without detach"
        )
    import networkx as nx

    names = defaultdict(list)
    for name, parameter in parameters.items():
        names[id(parameter)].append(name)
    graph = nx.MultiDiGraph()
    # Python's object for a function stays the same while it is kept here.
    numbers = {tensor.grad_fn: 0}
    waiting = [tensor.grad_fn]
    # Not recursive: a long loop makes a graph deeper than Python's stack.
    for function in waiting:
        number = numbers[function]
        name = function.name()
        if name == "torch::autograd::AccumulateGrad":
            leaf = function.variable
            label = ", ".join(names[id(leaf)]) or str(tuple(leaf.shape))
            graph.add_node(number, kind="leaf", label=label)
        else:
            label = name.rpartition("::")[2]
            graph.add_node(number, kind="operation", label=label)
        for i, (source, output) in enumerate(function.next_functions):
            if source is None:  # an input that requires no gradient
                continue
            if source not in numbers:
                numbers[source] = len(numbers)
                waiting.append(source)
            graph.add_edge(numbers[source], number, input=i, output=output)
    return graph


def draw_graph(
    tensor: torch.Tensor, parameters: Mapping[str, torch.Tensor] | None = None
) -> Axes:
    """Draw the graph that autograd keeps behind a tensor.

    Values flow from left to right, and gradients back from right to left. An
    operation has a blue frame and the name of its ``grad_fn``; at the right
    stands that of the tensor. A leaf has an orange frame and its name, or its
    shape where it has none. It is drawn once, to the left of all that use it,
    with a line for each use. In a graph of many steps the names are turned to
    read upward, so that some thirty nodes still fit on a page.

    Args:
        tensor (torch.Tensor): of any shape, with a ``grad_fn``.
        parameters (Mapping[str, torch.Tensor]): names for the leaves, such as
            ``dict(net.named_parameters())``.

    Returns:
        The axes drawn on, of a new figure as large as the graph needs.

    Raises:
        TypeError: if ``tensor`` isn't a tensor, or ``parameters`` isn't a
            mapping.
        ValueError: if ``tensor`` has no ``grad_fn``.

    Example::

        >>> w = torch.tensor(2.0, requires_grad=True)
        >>> ax = draw_graph(w * w + 1, {"w": w})
        >>> sorted(text.get_text() for text in ax.texts)
        ['AddBackward0', 'MulBackward0', 'w']

    Source: *Dive into Deep Learning*, section 2.5 (Chinese edition: 2.5).
    """
    graph = graph_of(tensor, parameters)
    import matplotlib.pyplot as plt
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    column = _columns(graph)
    labels = dict(graph.nodes.data("label"))
    length = {n: 0.3 + LETTER * len(label) for n, label in labels.items()}
    upright = column[0] + 1 >= LONG
    routes, layers = _routes(graph, column)
    _untangle(layers, routes)
    height = defaultdict(lambda: 0.2)  # of a line that passes by
    for node in labels:
        height[node] = 0.27 + (length[node] if upright else LINE)
    y = _heights(layers, routes, height)
    width = dict.fromkeys(labels, LINE) if upright else length
    gap = GAP / 2 if upright else GAP
    left, right = _edges_of_columns(layers, width, gap)
    top = min(y[place] - height[place] / 2 for place in y)
    bottom = max(y[place] + height[place] / 2 for place in y)

    # One unit of the axes is an inch.
    size = (right[-1], bottom - top)
    _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set(xlim=(0, right[-1]), ylim=(bottom, top))
    ax.set_axis_off()
    ports = _ports(routes, y)
    for edge, route in routes.items():
        heights = [y[place] for place in route]
        heights[0] += ports[edge, 0]
        heights[-1] += ports[edge, -1]
        first = column[route[0]]
        points = [(left[first], heights[0]), (right[first], heights[0])]
        codes = [Path.MOVETO, Path.LINETO]
        for i, (start, end) in enumerate(pairwise(heights), first):
            middle = (right[i] + left[i + 1]) / 2
            points += [(middle, start), (middle, end), (left[i + 1], end)]
            points += [(right[i + 1], end)]
            codes += [Path.CURVE4] * 3 + [Path.LINETO]
        # The ends lie under the boxes, wherever their frames are.
        inside = {0: first, -1: column[route[-1]]}
        for end, i in inside.items():
            points[end] = ((left[i] + right[i]) / 2, points[end][1])
        line = Path(points, codes)
        ax.add_patch(PathPatch(line, fill=False, ec=GRAY))
    for node, label in labels.items():
        leaf = graph.nodes[node]["kind"] == "leaf"
        x = (left[column[node]] + right[column[node]]) / 2
        color = ORANGE if leaf else BLUE
        draw_box(ax, x, y[node], label, color, 90 if upright else 0)
    return ax


def _columns(graph: MultiDiGraph) -> dict[int, int]:
    """Each node's column: as far right as the nodes that use it allow."""
    import networkx as nx

    after = {}  # nodes on the longest way to the right end
    for node in reversed(list(nx.topological_sort(graph))):
        after[node] = 1 + max(
            map(after.get, graph.successors(node)), default=0
        )
    return {node: max(after.values()) - n for node, n in after.items()}


def _routes(graph: MultiDiGraph, column: dict[int, int]) -> tuple:
    """Where each edge passes, one place a column, and the places by column.

    A place is a node, or a tuple that stands for a line passing by.
    """
    import networkx as nx

    layers = [[] for _ in range(column[0] + 1)]
    # Depth first, which leaves the lines of a tree without a crossing.
    for node in nx.dfs_preorder_nodes(graph.reverse()):
        layers[column[node]].append(node)
    routes = {}
    for edge in sorted(graph.edges(keys=True)):
        source, target, _ = edge
        between = range(column[source] + 1, column[target])
        for i in between:
            layers[i].append((*edge, i))
        routes[edge] = [source, *((*edge, i) for i in between), target]
    return routes, layers


def _neighbors(routes: dict) -> tuple[dict, dict]:
    """The places that the lines join each place to, left and right of it."""
    before, after = defaultdict(list), defaultdict(list)
    for route in routes.values():
        for place, other in pairwise(route):
            after[place].append(other)
            before[other].append(place)
    return before, after


def _untangle(layers: list[list], routes: dict) -> None:
    """Reorder each column so that few lines cross.

    The barycenter method: again and again, each place goes to the mean of
    its neighbors in the column before, then in the column after.
    """
    before, after = _neighbors(routes)
    best = [list(layer) for layer in layers]
    fewest = _crossings(best, after)
    sweeps = [(list(reversed(layers)), after), (layers, before)]
    for order, neighbors in sweeps * SWEEPS:
        for layer in order:
            rank = {p: i for other in layers for i, p in enumerate(other)}
            mean = {
                place: sum(rank[p] for p in near) / len(near)
                if (near := neighbors[place])
                else rank[place]
                for place in layer
            }
            layer.sort(key=mean.get)
        crossings = _crossings(layers, after)
        if crossings < fewest:
            best = [list(layer) for layer in layers]
            fewest = crossings
    layers[:] = best


def _crossings(layers: list[list], after: dict) -> int:
    """How many pairs of lines cross."""
    from bisect import bisect_right, insort

    rank = {p: i for layer in layers for i, p in enumerate(layer)}
    count = 0
    for layer in layers:
        ends = []
        for place in layer:
            ranks = [rank[p] for p in after[place]]
            count += sum(len(ends) - bisect_right(ends, r) for r in ranks)
            for r in ranks:
                insort(ends, r)
    return count


def _heights(layers: list[list], routes: dict, height: dict) -> dict:
    """Each place's y, in the order of its column, near to its neighbors'."""
    from scipy.optimize import isotonic_regression

    before, after = _neighbors(routes)
    offset = {}  # of a place from the top of its column
    for layer in layers:
        bottom = 0
        for place in layer:
            offset[place] = bottom + height[place] / 2
            bottom += height[place]
    y = defaultdict(float)
    for layer in layers * STEPS:
        aims, weights = [], []
        for place in layer:
            near = before[place] + after[place]
            weight = [_weight(place) * _weight(p) for p in near]
            middle = fmean((y[p] for p in near), weight)
            aims.append(middle - offset[place])
            weights.append(sum(weight))
        # The nearest heights that keep the order and the distances.
        fit = isotonic_regression(aims, weights=weights).x.tolist()
        for place, top in zip(layer, fit, strict=True):
            y[place] = top + offset[place]
    return y


def _weight(place: int | tuple) -> int:
    """How much a place counts: lines that pass by are to be straight."""
    return STRAIGHT if isinstance(place, tuple) else 1


def _edges_of_columns(layers: list[list], width: dict, gap: float) -> tuple:
    """Where each column begins and ends, in inches from the left."""
    left, right, x = [], [], 0.0
    for layer in layers:
        left.append(x)
        right.append(x + max(width[p] for p in layer if p in width))
        x = right[-1] + gap
    return left, right


def _ports(routes: dict, y: dict) -> dict:
    """How far from its box's middle each line starts and ends, in inches."""
    ports = {}
    for end, neighbor in ((0, 1), (-1, -2)):
        groups = defaultdict(list)
        for edge, route in routes.items():
            groups[route[end]].append((y[route[neighbor]], edge))
        for group in groups.values():
            step = min(PORT, SPREAD / max(1, len(group) - 1))
            first = -step * (len(group) - 1) / 2
            for i, (_, edge) in enumerate(sorted(group)):
                ports[edge, end] = first + i * step
    return ports
