"""The graph behind a tensor, as data and as a picture."""

import io
import random
import subprocess
import sys
from itertools import combinations, pairwise, permutations, product

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import BoxStyle
from matplotlib.path import Path
from torch import nn

from d2l_helpers import (
    FixedHiddenMLP,
    draw_graph,
    graph_of,
    graphs,
    use_style,
)
from d2l_helpers.drawing import BLUE, GRAY, ORANGE


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


def texts(ax):
    return sorted(text.get_text() for text in ax.texts)


def test_picture_shows_each_node_once_and_each_edge():
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
    assert len(ax.patches) == 6
    frames = {
        text.get_text(): to_hex(text.get_bbox_patch().get_edgecolor())
        for text in ax.texts
    }
    assert frames["w"] == frames["x1"] == ORANGE
    assert frames["AddBackward0"] == frames["MulBackward0"] == BLUE


def test_each_line_leads_from_its_source_to_its_target():
    x1, w, x2 = leaf(), leaf(), leaf()
    names = {"x1": x1, "w": w, "x2": x2}
    y = (x1 + w) * (x2 + w)
    ax = draw_graph(y, names)
    ax.figure.canvas.draw()
    boxes = [t.get_bbox_patch().get_window_extent() for t in ax.texts]
    label = [t.get_text() for t in ax.texts]

    def at(point):
        (found,) = [i for i, box in enumerate(boxes) if box.contains(*point)]
        return found

    lines = []
    for patch in ax.patches:
        ends = patch.get_path().vertices[[0, -1]]
        lines.append(tuple(map(at, ax.transData.transform(ends))))
    assert len(set(lines)) == 6
    graph = graph_of(y, names)
    assert sorted((label[u], label[v]) for u, v in lines) == sorted(
        (graph.nodes[u]["label"], graph.nodes[v]["label"])
        for u, v in graph.edges()
    )


def test_two_uses_are_two_lines_apart():
    w = leaf()
    ax = draw_graph(w * w, {"w": w})
    first, second = (patch.get_path().vertices for patch in ax.patches)
    assert (abs(first[:, 1] - second[:, 1]) > 0.05).all()
    assert (first[:, 0] == second[:, 0]).all()


def drawn():
    """Graphs that are hard to draw, by name."""
    total, parameters = thirty_nodes()
    yield "mlp", total, parameters
    cell, w = nn.Linear(4, 4), leaf()
    H = torch.zeros(2, 4)
    for _ in range(5):
        H = torch.tanh(cell(H) + w)
    yield "recurrent", H.sum(), {**dict(cell.named_parameters()), "w": w}
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
    yield (
        "stack",
        torch.stack(parts[::-1]).sum() + parts[0],
        {r"$\v$": v},
    )  # no formula


DRAWN = pytest.mark.parametrize(
    "which", ["mlp", "recurrent", "attention", "loop", "wide", "stack"]
)


def draw(which):
    torch.manual_seed(0)
    chosen = next(rest for name, *rest in drawn() if name == which)
    return draw_graph(*chosen), graph_of(*chosen)


def extents(ax):
    ax.figure.canvas.draw()
    return [text.get_bbox_patch().get_window_extent() for text in ax.texts]


@DRAWN
def test_no_box_overlaps_another(which):
    ax, graph = draw(which)
    boxes = extents(ax)
    assert len(boxes) == len(graph)
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)


@DRAWN
def test_everything_drawn_lies_within_the_axes(which):
    ax, _ = draw(which)
    for box in extents(ax):
        assert ax.bbox.x0 <= box.x0 < box.x1 <= ax.bbox.x1
        assert ax.bbox.y0 <= box.y0 < box.y1 <= ax.bbox.y1


@DRAWN
def test_no_line_passes_under_a_box_but_at_its_ends(which):
    ax, graph = draw(which)
    boxes = extents(ax)
    assert len(ax.patches) == graph.number_of_edges()
    for patch in ax.patches:
        path = patch.get_path().transformed(ax.transData)
        crossed = [b for b in boxes if path.intersects_bbox(b, filled=False)]
        assert len(crossed) == 2


@DRAWN
def test_sources_stand_to_the_left_of_what_uses_them(which):
    ax, graph = draw(which)
    x = [text.get_position()[0] for text in ax.texts]
    assert x[0] == max(x)
    for source, target in graph.edges():
        assert x[source] < x[target]


def inches(ax):
    """The boxes, as left, bottom, right and top in inches."""
    return [box.extents / ax.figure.dpi for box in extents(ax)]


def columns(ax):
    """The boxes of each column, from left to right and from the top."""
    found = {}
    for left, low, right, high in inches(ax):
        box = (left, low, right, high)
        found.setdefault(round((left + right) / 2, 2), []).append(box)
    return [sorted(found[x], key=lambda b: -b[1]) for x in sorted(found)]


def lines(ax):
    """The points of each line, from its source on."""
    return [patch.get_path().vertices for patch in ax.patches]


@DRAWN
def test_figure_is_as_large_as_the_drawing_needs(which):
    ax, _ = draw(which)
    drawn = [*inches(ax)]
    for patch in ax.patches:
        box = patch.get_path().get_extents(ax.transData)
        drawn.append(box.extents / ax.figure.dpi)
    lefts, lows, rights, highs = zip(*drawn, strict=True)
    width, height = ax.figure.get_size_inches()
    assert 0 < min(lefts) < 0.3
    assert 0 < width - max(rights) < 0.3
    assert 0 < min(lows) < 0.4
    assert 0 < height - max(highs) < 0.4


@DRAWN
def test_boxes_and_columns_keep_their_distances(which):
    ax, _ = draw(which)
    for column in columns(ax):
        for above, below in pairwise(column):
            assert above[1] - below[3] > 0.2
    upright = ax.texts[0].get_rotation() == 90
    least, most = (0.2, 0.25) if upright else (0.5, 0.8)
    for column, following in pairwise(columns(ax)):
        gap = min(b[0] for b in following) - max(b[2] for b in column)
        assert least < gap < most


def test_boxes_of_a_column_stand_close():
    leaves, _ = columns(draw_graph(torch.stack([leaf() for _ in range(14)])))
    gaps = [above[1] - below[3] for above, below in pairwise(leaves)]
    assert len(gaps) == 13
    assert max(gaps) < 0.3


def test_line_passes_close_to_the_boxes_and_straight():
    w = leaf()
    ax = draw_graph(w.exp().sin() * w, {"w": w})
    place = {t.get_text(): t.get_position() for t in ax.texts}
    (passing,) = (line for line in lines(ax) if len(line) > 10)
    heights = {y for x, y in passing if 0.8 < x < 3.5}
    assert len(heights) == 1
    # half a line's height and half a box's
    middle = place["SinBackward0"][1]
    assert heights.pop() - middle == pytest.approx(0.1 + 0.25)


def test_lines_that_pass_by_bend_less_than_if_boxes_weighed_as_much(
    monkeypatch,
):
    def bends():
        ax, _ = draw("recurrent")
        return sum(
            abs(end - start)
            for line in lines(ax)
            for start, end in pairwise(line[3:-3, 1])
        )

    bent = bends()
    monkeypatch.setattr(graphs, "STRAIGHT", 1)
    assert bent < 0.8 * bends()


@DRAWN
def test_lines_run_from_left_to_right(which):
    ax, _ = draw(which)
    for line in lines(ax):
        assert (line[1:, 0] >= line[:-1, 0]).all()
    for patch in ax.patches:
        assert Path.CURVE4 in patch.get_path().codes


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
    assert line.get_linewidth() == 1
    assert line.get_facecolor()[3] == 0
    for text in ax.texts:
        assert text.get_zorder() > line.get_zorder()
        assert text.get_fontsize() == 9
        frame = text.get_bbox_patch()
        assert isinstance(frame.get_boxstyle(), BoxStyle.Round)
        assert to_hex(frame.get_facecolor()) == "#ffffff"
    assert not ax.axison


@pytest.mark.parametrize(("times", "step"), [(2, 0.12), (3, 0.09), (7, 0.03)])
def test_lines_at_one_box_are_apart_and_around_its_middle(times, step):
    w = leaf()
    ax = draw_graph(torch.stack([w] * times), {"w": w})
    for end, text in ((0, "w"), (-1, "StackBackward0")):
        (middle,) = (
            t.get_position()[1] for t in ax.texts if t.get_text() == text
        )
        heights = sorted(line[end, 1] - middle for line in lines(ax))
        first = -step * (times - 1) / 2
        expected = [first + i * step for i in range(times)]
        assert heights == pytest.approx(expected)


@DRAWN
def test_lines_at_one_box_do_not_cross_there(which):
    ax, graph = draw(which)
    ends = sorted(graph.edges())
    for end, far in ((0, 5), (-1, -6)):
        by_box = {}
        for edge, line in zip(ends, lines(ax), strict=True):
            by_box.setdefault(edge[end], []).append(line)
        for group in by_box.values():
            group.sort(key=lambda line: line[end, 1])
            heights = [line[far, 1] for line in group]
            assert heights == pytest.approx(sorted(heights), abs=0.2)


@pytest.mark.parametrize(("columns", "angle"), [(7, 0), (8, 90)])
def test_names_stand_upright_from_eight_columns_on(columns, angle):
    y = leaf()
    for _ in range(columns - 1):
        y = y.exp()
    ax = draw_graph(y)
    assert {text.get_rotation() for text in ax.texts} == {angle}


def layered(seed):
    """Three columns of three or four places, and lines between them."""
    draws = random.Random(seed)
    layers = [[(i, j) for j in range(n)] for i, n in enumerate((3, 4, 3))]
    routes = {
        (one, other): [one, other]
        for left, right in pairwise(layers)
        for one, other in product(left, right)
        if draws.random() < 0.5
    }
    return layers, routes


def crossings(layers, routes):
    rank = {place: i for layer in layers for i, place in enumerate(layer)}
    return sum(
        (rank[a] - rank[c]) * (rank[b] - rank[d]) < 0
        for (a, b), (c, d) in combinations(routes.values(), 2)
        if a[0] == c[0]
    )


@pytest.mark.parametrize("seed", range(10))
def test_crossings_are_counted(seed):
    layers, routes = layered(seed)
    _, after = graphs._neighbors(routes)
    assert graphs._crossings(layers, after) == crossings(layers, routes) > 0


def test_lines_cross_hardly_more_often_than_in_the_best_order():
    found = fewest = 0
    for seed in range(10):
        layers, routes = layered(seed)
        places = [sorted(layer) for layer in layers]
        orders = product(*(permutations(layer) for layer in layers))
        best = min(crossings(order, routes) for order in orders)
        graphs._untangle(layers, routes)
        assert [sorted(layer) for layer in layers] == places
        fewest += best
        found += crossings(layers, routes)
    assert found <= 1.1 * fewest


def test_chain_is_straight():
    ax = draw_graph(leaf().exp().sin().log())
    assert len({text.get_position()[1] for text in ax.texts}) == 1


def test_thirty_nodes_fit_on_a_page_in_letters_of_full_size():
    total, parameters = thirty_nodes()
    assert len(graph_of(total, parameters)) == 30
    ax = draw_graph(total, parameters)
    assert ax.figure.get_figwidth() < 9
    assert {text.get_fontsize() for text in ax.texts} == {9}


def crossing_on_paper():
    # In the order of the arguments, the lines to w and x2 would cross.
    w, x1, x2 = leaf(), leaf(), leaf()
    return (w + x1) * (w + x2), {"w": w, "x1": x1, "x2": x2}


@pytest.mark.parametrize("make", [thirty_nodes, crossing_on_paper])
def test_lines_that_need_not_cross_do_not(make):
    tensor, parameters = make()
    ax = draw_graph(tensor, parameters)
    paths = [patch.get_path() for patch in ax.patches]
    # lines in the order of the edges; those that share an end may touch
    ends = sorted(graph_of(tensor, parameters).edges())
    for (one, e), (other, f) in combinations(zip(paths, ends, strict=True), 2):
        if not {*e} & {*f}:
            assert not one.intersects_path(other, filled=False)


def svg(fig):
    file = io.BytesIO()
    fig.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


@DRAWN
def test_drawing_is_the_same_each_time(which):
    assert svg(draw(which)[0].figure) == svg(draw(which)[0].figure)


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
    said = set()
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        command = [sys.executable, "-c", PROCESS]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.add(done.stdout)
    assert len(said) == 1


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
