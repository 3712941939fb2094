"""The graph that autograd keeps behind a tensor, as data and as a picture.

NetworkX, igraph and Matplotlib are imported where they are used: `import
d2l_helpers` stays as fast as `import torch`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from .drawing import BLUE, GRAY, ORANGE, draw_box, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from networkx import MultiDiGraph

MOST = 60  # nodes that still make a picture
GAP = 0.4  # inches between two layers, where the lines turn
LINE = 0.23  # inches that a box of one line of text is high
SPACE = 0.27  # inches between two boxes of a layer
PORT = 0.12  # inches between two lines from one box to another
LONG = 8  # layers, from which on values flow downward


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
            ``dict(net.named_parameters())`` or ``net.state_dict()``. Those
            that aren't leaves of the graph are passed over.

    Returns:
        The graph, without cycles, of integers, numbered from 0.

    Raises:
        TypeError: if ``tensor`` isn't a tensor, or ``parameters`` isn't a
            mapping to tensors.
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
    names = _names(parameters)
    if tensor.grad_fn is None:
        raise ValueError(
            "tensor has no grad_fn: it needs requires_grad inputs and an "
            "operation on them that autograd recorded, outside no_grad and "
            "without detach"
        )
    import networkx as nx

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
            known = names[id(leaf)] + names[_memory(leaf)]
            label = ", ".join(known) or str(tuple(leaf.shape))
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


def _names(parameters: object) -> defaultdict[object, list[str]]:
    """The names of tensors, by identity, and by memory where it is shared.

    The tensors of a state dict share the memory of the parameters, and are
    others.
    """
    names = defaultdict(list)
    if parameters is None:
        return names
    if not hasattr(
        parameters, "items"
    ):  # ParameterDict has, and is no Mapping
        raise TypeError(
            "parameters must be a mapping from names to tensors, such as "
            f"dict(net.named_parameters()), got {parameters!r}"
        )
    for name, value in parameters.items():
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name!r} must name a tensor, got {value!r}")
        key = id(value) if value.requires_grad else _memory(value)
        names[key].append(str(name))
    return names


def _memory(tensor: torch.Tensor) -> tuple:
    """What two tensors of the same elements share."""
    return tensor.data_ptr(), tensor.shape, tensor.stride()


def draw_graph(
    tensor: torch.Tensor, parameters: Mapping[str, torch.Tensor] | None = None
) -> Axes:
    """Draw the graph that autograd keeps behind a tensor.

    Values flow from left to right, and gradients back from right to left. An
    operation has a blue frame and the name of its ``grad_fn``; at the right
    stands that of the tensor. A leaf has an orange frame and its name, or its
    shape where it has none. It is drawn once, to the left of all that use it,
    with a line for each use. In a graph of many steps, values flow downward.

    Args:
        tensor (torch.Tensor): of any shape, with a ``grad_fn``.
        parameters (Mapping[str, torch.Tensor]): names for the leaves, such as
            ``dict(net.named_parameters())``.

    Returns:
        The axes drawn on, of a new figure as large as the graph needs.

    Raises:
        TypeError: if ``tensor`` isn't a tensor, or ``parameters`` isn't a
            mapping to tensors.
        ValueError: if ``tensor`` has no ``grad_fn``, or its graph is too
            large for a picture.

    Example::

        >>> w = torch.tensor(2.0, requires_grad=True)
        >>> ax = draw_graph(w * w + 1, {"w": w})
        >>> sorted(text.get_text() for text in ax.texts)
        ['AddBackward0', 'MulBackward0', 'w']

    Source: *Dive into Deep Learning*, section 2.5 (Chinese edition: 2.5).
    """
    graph = graph_of(tensor, parameters)
    if len(graph) > MOST:
        raise ValueError(
            f"the graph has {len(graph)} nodes, and a picture has room for "
            f"{MOST}: draw that of fewer steps, or of an earlier result. "
            "graph_of(tensor) reads it all"
        )
    import matplotlib.pyplot as plt
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    labels = dict(graph.nodes.data("label"))
    layer = _layers(graph)
    downward = layer[0] + 1 >= LONG
    length = {node: 0.3 + width_of(label) for node, label in labels.items()}
    # How far boxes reach along the flow, and across it, in inches.
    along, across = length, dict.fromkeys(labels, LINE)
    gap, space = GAP, SPACE
    if downward:
        along, across = across, along
        gap, space = GAP / 2, SPACE / 2
    start, end = _ends_of_layers(layer, along, gap)
    row, lines = _layout(graph, layer)
    half = {
        (node, i): across[node] / 2 if layer[node] == i else 0.0
        for node, i in row
    }
    step = _step(row, half, space)
    low = min(row[place] * step - half[place] for place in row) - 0.05
    high = max(row[place] * step + half[place] for place in row) + 0.05
    order = slice(None, None, -1 if downward else 1)
    # One unit of the axes is an inch.
    width, height = (end[-1], high - low)[order]
    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    for (place, i), (target, j), shift in lines:
        # From the middle of a place to that of the next, under the boxes.
        y, z = (row[place, i] * step - low, row[target, j] * step - low)
        middle = (end[i] + start[j]) / 2
        points = [
            ((start[i] + end[i]) / 2, y + shift),
            (end[i], y + shift),
            (middle, y + shift),
            (middle, z + shift),
            (start[j], z + shift),
            ((start[j] + end[j]) / 2, z + shift),
        ]
        codes = [Path.MOVETO, Path.LINETO, *[Path.CURVE4] * 3, Path.LINETO]
        line = Path([point[order] for point in points], codes)
        ax.add_patch(PathPatch(line, fill=False, ec=GRAY))
    for node, label in labels.items():
        i = layer[node]
        at = ((start[i] + end[i]) / 2, row[node, i] * step - low)
        leaf = graph.nodes[node]["kind"] == "leaf"
        draw_box(ax, *at[order], label, ORANGE if leaf else BLUE)
    return ax


def _layers(graph: MultiDiGraph) -> dict[int, int]:
    """Each node's layer: as late as the nodes that use it allow."""
    import networkx as nx

    after = {}  # nodes on the longest way to the end
    for node in reversed(list(nx.topological_sort(graph))):
        after[node] = 1 + max(
            map(after.get, graph.successors(node)), default=0
        )
    return {node: max(after.values()) - n for node, n in after.items()}


def _ends_of_layers(
    layer: dict[int, int], along: dict[int, float], gap: float
) -> tuple[list[float], list[float]]:
    """Where each layer begins and ends, in inches from the first."""
    start, end = [0.0], []
    for i in range(layer[0] + 1):
        end.append(start[i] + max(along[n] for n in layer if layer[n] == i))
        start.append(end[i] + gap)
    return start[:-1], end


def _step(row: dict, half: dict, space: float) -> float:
    """How many inches a row is high, so that no two places meet."""
    places = sorted(row, key=lambda place: (place[1], row[place]))
    return max(
        (
            (half[one] + space + half[other]) / (row[other] - row[one])
            for one, other in pairwise(places)
            if one[1] == other[1]
        ),
        default=LINE,
    )


def _layout(graph: MultiDiGraph, layer: dict[int, int]) -> tuple[dict, list]:
    """The row of each place, and the lines between them.

    A place is a node and its layer, or a later layer, where a line from the
    node passes: one for all who use it there or later.

    Returns:
        Rows by place, and lines as pairs of places, each with how far it is
        to be shifted, in inches.
    """
    import igraph

    lines = {}
    for node in graph:
        for target in graph.successors(node):
            last = layer[target] - 1
            for i in range(layer[node], last):
                lines[(node, i), (node, i + 1)] = 1
            use = (node, last), (target, last + 1)
            lines[use] = graph.number_of_edges(node, target)
    places = sorted({place for line in lines for place in line})
    number = {place: i for i, place in enumerate(places)}
    found = igraph.Graph(
        [(number[place], number[other]) for place, other in lines]
    ).layout_sugiyama(layers=[i for _, i in places])
    row = {p: found[number[p]][0] for p in places}
    return row, [
        (*line, (k - (times - 1) / 2) * min(PORT, LINE / times))
        for line, times in lines.items()
        for k in range(times)
    ]
