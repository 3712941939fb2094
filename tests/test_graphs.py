"""The graph behind a tensor, as data and as a picture."""

import hashlib
import io
import os
import subprocess
import sys
import warnings
from functools import cache
from itertools import combinations, pairwise
from typing import NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import networkx as nx
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.font_manager import fontManager
from matplotlib.patches import BoxStyle
from matplotlib.transforms import Bbox
from torch import nn

from d2l_helpers import FixedHiddenMLP, draw_graph, graph_of, use_style
from d2l_helpers.drawing import BLUE, CHINESE, GRAY, ORANGE, width_of


@pytest.fixture(autouse=True)
def figures():
    """Draw off screen, and leave no figure or style behind."""
    backend = matplotlib.get_backend()
    plt.switch_backend("Agg")
    with matplotlib.rc_context():
        use_style()
        yield
    plt.close("all")
    plt.switch_backend(backend)


def leaf(*shape):
    return torch.ones(shape, requires_grad=True)


def mlp(*sizes):
    """A network, and a scalar computed by it."""
    layers = []
    for n, m in pairwise(sizes):
        layers += [nn.Linear(n, m), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    return net, net(torch.rand(2, sizes[0])).sum()


def thirty_nodes():
    """Six layers: 12 leaves, 6 transposes, 6 products, 5 ReLUs, a sum."""
    net, total = mlp(20, 64, 64, 64, 64, 64, 1)
    return total, dict(net.named_parameters())


def labels(graph):
    return [graph.nodes[i]["label"] for i in range(len(graph))]


def edges(graph):
    """Source, target, and which input of the target it is."""
    return sorted((u, v, i) for u, v, i in graph.edges(data="input"))


def test_chain_has_an_edge_from_each_operation_to_the_next():
    graph = graph_of(leaf().exp().sin())
    assert labels(graph) == ["SinBackward0", "ExpBackward0", "()"]
    assert edges(graph) == [(1, 0, 0), (2, 1, 0)]
    kinds = [graph.nodes[i]["kind"] for i in range(3)]
    assert kinds == ["operation", "operation", "leaf"]


def test_diamond_has_two_paths_from_the_shared_leaf():
    x1, w, x2 = leaf(), leaf(), leaf()
    graph = graph_of((x1 + w) * (x2 + w), {"x1": x1, "w": w, "x2": x2})
    assert labels(graph) == [
        "MulBackward0",
        "AddBackward0",
        "AddBackward0",
        "x1",
        "w",
        "x2",
    ]
    assert edges(graph) == [
        (1, 0, 0),
        (2, 0, 1),
        (3, 1, 0),
        (4, 1, 1),
        (4, 2, 1),
        (5, 2, 0),
    ]


def test_leaf_used_at_two_depths_is_one_node():
    w = leaf()
    graph = graph_of(w.exp() * w, {"w": w})
    assert labels(graph) == ["MulBackward0", "ExpBackward0", "w"]
    assert edges(graph) == [(1, 0, 0), (2, 0, 1), (2, 1, 0)]


def test_value_taken_twice_has_two_edges():
    w = leaf(3)
    graph = graph_of(w * w, {"w": w})
    assert labels(graph) == ["MulBackward0", "w"]
    assert edges(graph) == [(1, 0, 0), (1, 0, 1)]


def test_edges_tell_the_results_of_an_operation_apart():
    v = leaf(4)
    first, second = v.split(2)
    graph = graph_of(second / first, {"v": v})
    assert labels(graph) == ["DivBackward0", "SplitBackward0", "v"]
    assert sorted(graph.edges(data="output")) == [
        (1, 0, 0),
        (1, 0, 1),
        (2, 1, 0),
    ]
    assert {
        d["input"]: d["output"] for d in graph.get_edge_data(1, 0).values()
    } == {0: 1, 1: 0}


def test_inputs_without_gradient_are_not_in_the_graph():
    w = leaf(2, 3)
    graph = graph_of(torch.ones(4, 2) @ w + torch.ones(3), {"w": w})
    assert labels(graph) == ["AddBackward0", "MmBackward0", "w"]
    # the second input of the product: the first needs no gradient
    assert edges(graph) == [(1, 0, 0), (2, 1, 1)]


def test_detached_way_is_not_in_the_graph():
    w = leaf()
    assert edges(graph_of(w.exp().detach() * w)) == [(1, 0, 1)]


def test_mlp_has_its_parameters_as_leaves():
    total, parameters = thirty_nodes()
    graph = graph_of(total, parameters)
    assert len(graph) == 30
    assert graph.number_of_edges() == 29 == len(graph) - 1  # a tree
    leaves = [n for n, d in graph.nodes.data() if d["kind"] == "leaf"]
    assert sorted(graph.nodes[n]["label"] for n in leaves) == sorted(
        parameters
    )
    assert all(graph.in_degree(n) == 0 for n in leaves)
    assert graph.nodes[0]["label"] == "SumBackward0"


def test_tied_layer_is_one_pair_of_leaves():
    layer = nn.Linear(3, 3)
    y = layer(layer(torch.ones(1, 3)))
    graph = graph_of(y, dict(layer.named_parameters()))
    uses = {
        d["label"]: graph.out_degree(n)
        for n, d in graph.nodes.data()
        if d["kind"] == "leaf"
    }
    assert uses == {"weight": 2, "bias": 2}


def test_leaf_without_a_name_is_known_by_its_shape():
    w = leaf(5, 3)
    b = leaf(3)
    graph = graph_of(torch.ones(2, 5) @ w + b, {"b": b})
    assert labels(graph)[2:] == ["b", "(5, 3)"]


def test_leaf_with_two_names_has_both():
    w = leaf()
    assert labels(graph_of(w.exp(), {"a": w, "b": w}))[1] == "a, b"


def test_names_of_other_tensors_are_passed_over():
    w = leaf()
    graph = graph_of(w.exp(), {"other": leaf(), "w": w})
    assert labels(graph)[1] == "w"


@pytest.mark.parametrize("names", ["state_dict", "ParameterDict", "integers"])
def test_names_come_in_any_form(names):
    net = nn.ParameterDict({"w": leaf(3), "b": leaf(3)})
    given = {
        "state_dict": net.state_dict(),  # other tensors, with the same memory
        "ParameterDict": net,
        "integers": dict(enumerate(net.values())),
    }
    graph = graph_of((net["w"] * net["b"]).sum(), given[names])
    expected = {"0", "1"} if names == "integers" else {"w", "b"}
    assert set(labels(graph)[2:]) == expected


def test_leaves_of_the_same_memory_have_each_its_own_name():
    a = leaf(3)
    b = a.detach().requires_grad_()
    assert labels(graph_of(a * b, {"a": a, "b": b}))[1:] == ["a", "b"]


def test_view_is_not_taken_for_the_tensor_whose_memory_it_shares():
    w = leaf(4)
    graph = graph_of(w.exp(), {"half": w.detach()[:2]})
    assert labels(graph)[1] == "(4,)"


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.variable = x  # as AccumulateGrad has
        return 2 * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        return 2 * g


def test_function_of_ones_own_is_an_operation():
    graph = graph_of(Double.apply(leaf(2)))
    assert labels(graph) == ["DoubleBackward", "(2,)"]
    assert graph.nodes[0]["kind"] == "operation"


def test_gradient_that_was_recorded_has_a_graph():
    w = leaf()
    (grad,) = torch.autograd.grad(w**3, w, create_graph=True)
    # 3 w^2 times the gradient that arrived, a constant
    graph = graph_of(grad, {"w": w})
    assert sorted(graph.edges()) == [(1, 0), (2, 1), (3, 2)]
    assert labels(graph)[2:] == ["PowBackward0", "w"]
    assert len(draw_graph(grad, {"w": w}).texts) == 4


def test_in_place_edit_is_shown_without_its_namespace():
    y = leaf(3) * 1
    y[0] = 2.0
    assert labels(graph_of(y))[0] == "CopySlices"


def test_graph_deeper_than_the_stack_of_python_is_read():
    y = leaf()
    for _ in range(3000):
        y = y + 1
    assert len(graph_of(y)) == 3001


def test_graph_is_the_same_after_backward():
    w = leaf()
    y = w * w.exp()
    before = graph_of(y, {"w": w})
    y.backward()
    after = graph_of(y, {"w": w})
    assert labels(before) == labels(after)
    assert edges(before) == edges(after)


@pytest.mark.parametrize("function", [graph_of, draw_graph])
@pytest.mark.parametrize(
    "given", [1.0, None, [leaf()], nn.Linear(2, 2)], ids=str
)
def test_what_is_no_tensor_is_refused(function, given):
    with pytest.raises(TypeError) as raised:
        function(given)
    assert str(raised.value) == f"tensor must be a torch.Tensor, got {given!r}"


def no_grad():
    with torch.no_grad():
        return leaf() * 2


@pytest.mark.parametrize("function", [graph_of, draw_graph])
@pytest.mark.parametrize(
    "make",
    [leaf, no_grad, lambda: torch.ones(2), lambda: leaf().exp().detach()],
    ids=["leaf", "no_grad", "no_gradient", "detached"],
)
def test_tensor_without_a_graph_is_refused(function, make):
    with pytest.raises(ValueError, match="grad_fn") as raised:
        function(make())
    assert str(raised.value) == (
        "tensor has no grad_fn: it needs requires_grad inputs and an "
        "operation on them that autograd recorded, outside no_grad and "
        "without detach"
    )
    assert not plt.get_fignums()


@pytest.mark.parametrize("function", [graph_of, draw_graph])
def test_parameters_must_be_a_mapping(function):
    net = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(TypeError) as raised:
        function(net(torch.ones(1, 2)), net)
    assert str(raised.value) == (
        "parameters must be a mapping from names to tensors, such as "
        f"dict(net.named_parameters()), got {net!r}"
    )


def test_name_must_be_of_a_tensor():
    with pytest.raises(TypeError, match="'w' must name a tensor, got 3"):
        graph_of(leaf().exp(), {"w": 3})


@pytest.mark.parametrize("steps", [60, 400])
def test_graph_too_large_for_a_picture_is_refused(steps):
    w = leaf()
    y = w
    for _ in range(steps):
        y = y * w
    with pytest.raises(ValueError, match="nodes") as raised:
        draw_graph(y)
    assert str(raised.value) == (
        f"the graph has {steps + 1} nodes, and a picture has room for 60: "
        "draw that of fewer steps, or of an earlier result. "
        "graph_of(tensor) reads it all"
    )
    assert len(graph_of(y)) == steps + 1
    assert not plt.get_fignums()


def chain(length):
    """The end of a graph that is a chain of some nodes."""
    y = leaf()
    for _ in range(length - 1):
        y = y.exp()
    return y


def test_largest_graph_that_is_drawn_has_sixty_nodes():
    assert len(draw_graph(chain(60)).texts) == 60


@pytest.mark.parametrize("length", [7, 8])
def test_graph_of_eight_layers_flows_downward_and_close(length):
    ax = draw_graph(chain(length))
    texts = ax.texts[::-1]  # from the leaf on
    axis, gap = (1, 0.2) if length == 8 else (0, 0.4)
    for one, other in pairwise(texts):
        if axis:
            sizes = [0.23, 0.23]
        else:
            sizes = [0.3 + width_of(t.get_text()) for t in (one, other)]
        ends = [t.get_position()[axis] for t in (one, other)]
        assert ends[1] - ends[0] == pytest.approx(gap + sum(sizes) / 2)


@pytest.mark.parametrize("length", [4, 8])
def test_boxes_of_a_layer_are_as_near_as_they_may(length):
    a, b = leaf(), leaf()
    y = a * b
    for _ in range(length - 2):
        y = y.exp()
    ax = draw_graph(y, {"a": a, "b": b})
    places = {t.get_text(): t.get_position() for t in ax.texts}
    axis, space, size = (0, 0.135, 0.3 + width_of("a"))
    if length < 8:
        axis, space, size = 1, 0.27, 0.23
    between = abs(places["a"][axis] - places["b"][axis])
    assert between == pytest.approx(size + space)


def texts(ax):
    return sorted(text.get_text() for text in ax.texts)


def test_picture_shows_each_node_once():
    x1, w, x2 = leaf(), leaf(), leaf()
    ax = draw_graph((x1 + w) * (x2 + w), {"x1": x1, "w": w, "x2": x2})
    assert texts(ax) == [
        "AddBackward0",
        "AddBackward0",
        "MulBackward0",
        "w",
        "x1",
        "x2",
    ]
    frames = {
        text.get_text(): to_hex(text.get_bbox_patch().get_edgecolor())
        for text in ax.texts
    }
    assert frames["w"] == frames["x1"] == ORANGE
    assert frames["AddBackward0"] == frames["MulBackward0"] == BLUE


@pytest.mark.parametrize("times", [2, 3, 7])
def test_each_use_is_a_line_apart(times):
    w = leaf()
    ax = draw_graph(torch.stack([w] * times), {"w": w})
    heights = sorted(patch.get_path().vertices[0, 1] for patch in ax.patches)
    assert len(heights) == times
    assert min(b - a for a, b in pairwise(heights)) > 0.03
    assert heights[-1] - heights[0] < 0.23  # within the box


@pytest.mark.parametrize("length", [3, 8])
def test_line_bends_once_halfway_between_the_boxes(length):
    w, v = leaf(), leaf()
    y = torch.stack([w, w, w]).sum() * v
    for _ in range(length - 3):
        y = y.exp()
    ax = draw_graph(y, {"w": w, "v": v})
    places = {t.get_text(): t.get_position() for t in ax.texts}
    axis = 1 if length == 8 else 0  # along the flow

    def of(source, target):
        """The lines between the middles of two boxes, across the flow."""
        ends = [places[name][axis] for name in (source, target)]
        middles = [places[name][1 - axis] for name in (source, target)]
        for patch in ax.patches:
            path = patch.get_path()
            along, across = path.vertices.T[:: -1 if axis else 1]
            shifts = (across[[0, -1]] - middles).tolist()
            within = max(map(abs, shifts)) < 0.23 / 2
            if within and along[[0, -1]].tolist() == pytest.approx(ends):
                assert path.codes.tolist() == [1, 2, 4, 4, 4, 2]
                assert along[2] == along[3]
                assert along[2] == pytest.approx((along[1] + along[4]) / 2)
                assert (along[1:] - along[:-1])[[0, 1, 3, 4]].min() > 0
                assert len({*across[:3]}) == len({*across[3:]}) == 1
                yield from shifts

    # The first and the last of three are as far from the middle.
    shift = pytest.approx([-0.06, -0.06, 0, 0, 0.06, 0.06], abs=0.03)
    found = [*of("w", "StackBackward0")]
    assert sorted(found) == shift
    assert found[::2] == pytest.approx(found[1::2])
    assert sum(found) == pytest.approx(0)
    assert [*of("v", "MulBackward0")] == pytest.approx([0, 0])


def test_line_that_passes_a_box_takes_no_room_of_its_own():
    w = leaf()
    ax = draw_graph(w.exp() * w, {"w": w})
    places = {t.get_text(): t.get_position() for t in ax.texts}
    x, y = places["ExpBackward0"]
    (passing,) = {
        vertex[1]
        for patch in ax.patches
        for vertex in patch.get_path().vertices[[0, -1]]
        if vertex[0] == pytest.approx(x) and vertex[1] != pytest.approx(y)
    }
    # Half a box, and the space between two.
    assert abs(passing - y) == pytest.approx(0.23 / 2 + 0.27)


def recurrent(steps):
    cell, w = nn.Linear(4, 4), leaf()
    H = torch.zeros(2, 4)
    for _ in range(steps):
        H = torch.tanh(cell(H) + w)
    return H.sum(), {**dict(cell.named_parameters()), "w": w}


def drawn():
    """Graphs that are hard to draw, by name."""
    total, parameters = thirty_nodes()
    yield "mlp", total, parameters
    yield "short", *recurrent(1)
    yield "recurrent", *recurrent(5)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    X = torch.rand(2, 3, 8)
    yield "attention", attention(X, X, X)[0].sum(), None
    fixed = FixedHiddenMLP()
    X = torch.full((2, 20), 0.5)
    yield "loop", fixed(X), dict(fixed.named_parameters())
    many = [leaf(n, n) for n in range(1, 15)]
    total = sum(w.sum() for w in many)
    yield "wide", total, {f"a.long.name.{i}": w for i, w in enumerate(many)}
    v = leaf(6)
    parts = v.unbind()
    stacked = torch.stack(parts[::-1]).sum() + parts[0]
    yield "stack", stacked, {r"$\v$": v}  # no formula
    w = leaf()
    yield "chinese", w.exp().sin() * w, {"很长很长的权重": w}


DRAWN = pytest.mark.parametrize(
    "which",
    [
        "mlp",
        "short",
        "recurrent",
        "attention",
        "loop",
        "wide",
        "stack",
        "chinese",
    ],
)


def draw(which):
    torch.manual_seed(0)
    chosen = next(rest for name, *rest in drawn() if name == which)
    return draw_graph(*chosen), graph_of(*chosen)


class Drawn(NamedTuple):
    """A drawing, for tests that only look at it."""

    ax: matplotlib.axes.Axes
    graph: nx.MultiDiGraph
    svg: bytes
    boxes: list[Bbox]


@pytest.fixture(scope="module")
def drawn_once():
    """Draws each graph once in a run."""

    def draw_and_look(which):
        ax, graph = draw(which)
        picture = svg(ax.figure)
        ax.figure.canvas.draw()
        boxes = [
            text.get_bbox_patch().get_window_extent() for text in ax.texts
        ]
        return Drawn(ax, graph, picture, boxes)

    # mutmut learns from calls which tests draw.
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        return draw_and_look
    return cache(draw_and_look)


@DRAWN
def test_no_box_overlaps_another_or_leaves_the_picture(drawn_once, which):
    ax, graph, _, found = drawn_once(which)
    assert len(found) == len(graph)
    for one, other in combinations(found, 2):
        assert not one.overlaps(other)
    for box in found:
        assert ax.bbox.x0 <= box.x0 < box.x1 <= ax.bbox.x1
        assert ax.bbox.y0 <= box.y0 < box.y1 <= ax.bbox.y1


@DRAWN
def test_lines_lead_from_each_node_to_all_that_use_it(drawn_once, which):
    ax, graph, _, found = drawn_once(which)
    lines = nx.DiGraph()

    def at(point):
        """The box that a line ends in, or the point where it goes on."""
        inside = [i for i, box in enumerate(found) if box.contains(*point)]
        return inside[0] if inside else tuple(point.round())

    for patch in ax.patches:
        path = patch.get_path().transformed(ax.transData)
        lines.add_edge(*map(at, path.vertices[[0, -1]]))
        # It passes under no box but those at its ends.
        ends = {at(path.vertices[0]), at(path.vertices[-1])}
        for i, box in enumerate(found):
            crossed = path.intersects_bbox(box, filled=False)
            assert not crossed or i in ends
    for node in graph:
        reached, waiting = set(), [node]
        for place in waiting:
            for other in lines.successors(place) if place in lines else ():
                if isinstance(other, int):
                    reached.add(other)
                else:
                    waiting.append(other)
        assert reached == set(graph.successors(node))


@DRAWN
def test_values_flow_to_the_right_or_downward(drawn_once, which):
    ax, graph, *_ = drawn_once(which)
    layers = len(nx.dag_longest_path(graph))
    axis = 0 if layers < 8 else 1
    along = [text.get_position()[axis] for text in ax.texts]
    assert along[0] == max(along)
    for source, target in graph.edges():
        assert along[source] < along[target]


@DRAWN
def test_figure_is_as_large_as_the_drawing_needs(drawn_once, which):
    ax, *_, boxes = drawn_once(which)
    found = [box.extents for box in boxes]
    found += [
        p.get_path().get_extents(ax.transData).extents for p in ax.patches
    ]
    left, low, right, high = (
        f(values) / ax.figure.dpi
        for f, values in zip(
            (min, min, max, max), zip(*found, strict=True), strict=True
        )
    )
    width, height = ax.figure.get_size_inches()
    for margin in (left, width - right, low, height - high):
        assert 0 < margin < 0.7


def test_drawing_fills_its_figure_also_without_our_style():
    matplotlib.rcdefaults()
    ax = draw_graph(leaf().exp())
    ax.figure.canvas.draw()
    assert ax.get_position().width > 0.9


def test_boxes_lie_over_thin_gray_lines():
    w = leaf()
    ax = draw_graph(w.exp(), {"w": w})
    (line,) = ax.patches
    assert to_hex(line.get_edgecolor()) == GRAY
    assert line.get_facecolor()[3] == 0
    for text in ax.texts:
        assert text.get_zorder() > line.get_zorder()
        frame = text.get_bbox_patch()
        assert isinstance(frame.get_boxstyle(), BoxStyle.Round)
        assert to_hex(frame.get_facecolor()) == "#ffffff"
    assert not ax.axison


def test_chain_is_straight():
    ax = draw_graph(leaf().exp().sin().log())
    assert len({text.get_position()[1] for text in ax.texts}) == 1


def test_thirty_nodes_fit_on_a_page_in_letters_of_full_size():
    total, parameters = thirty_nodes()
    assert len(graph_of(total, parameters)) == 30
    ax = draw_graph(total, parameters)
    assert ax.figure.get_figwidth() < 9
    assert {text.get_fontsize() for text in ax.texts} == {9}


def test_lines_that_need_not_cross_do_not():
    # In the order of the arguments, the lines to w and x2 would cross.
    w, x1, x2 = leaf(), leaf(), leaf()
    ax = draw_graph((w + x1) * (w + x2), {"w": w, "x1": x1, "x2": x2})
    paths = [patch.get_path() for patch in ax.patches]
    for one, other in combinations(paths, 2):
        ends = {
            tuple(p.vertices[i].round(2))
            for p in (one, other)
            for i in (0, -1)
        }
        if len(ends) == 4:  # those that share an end touch there
            assert not one.intersects_path(other, filled=False)


@pytest.mark.skipif(
    not set(CHINESE) & {font.name for font in fontManager.ttflist},
    reason="no font for Chinese is installed",
)
def test_chinese_is_drawn():
    w = leaf()
    with warnings.catch_warnings(action="error"):
        draw_graph(w.exp(), {"权重": w}).figure.canvas.draw()
        _, ax = plt.subplots()
        ax.set_title("损失")
        ax.figure.canvas.draw()


def svg(fig):
    file = io.BytesIO()
    fig.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def test_font_for_chinese_changes_no_other_letter():
    figures = []
    for family in (["sans-serif"], matplotlib.rcParams["font.family"]):
        matplotlib.rcParams["font.family"] = family
        figures.append(svg(draw("short")[0].figure))
    assert figures[0] == figures[1]


@DRAWN
def test_drawing_is_the_same_each_time(drawn_once, which):
    assert svg(draw(which)[0].figure) == drawn_once(which).svg


PROCESS = """
import hashlib
from tests import test_graphs
import matplotlib
matplotlib.use("Agg")
from d2l_helpers import use_style
use_style()
ax, _ = test_graphs.draw("recurrent")
print(hashlib.sha256(test_graphs.svg(ax.figure)).hexdigest())
"""


def test_drawing_is_the_same_in_another_process(monkeypatch):
    # Sets have another order there.
    ours = os.environ.get("PYTHONHASHSEED")
    monkeypatch.setenv("PYTHONHASHSEED", "2" if ours == "1" else "1")
    command = [sys.executable, "-c", PROCESS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    here = svg(draw("recurrent")[0].figure)
    assert done.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_each_drawing_is_a_figure_of_its_own():
    first, second = draw_graph(leaf().exp()), draw_graph(leaf().sin())
    assert first.figure is not second.figure
    assert len(plt.get_fignums()) == 2


def test_requires_no_gradient_of_the_caller_and_leaves_none():
    w = leaf()
    y = w.exp()
    with torch.no_grad():
        draw_graph(y)
    assert w.grad is None
    assert torch.is_grad_enabled()
