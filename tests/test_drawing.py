"""Pictures of networks, and the style of all figures."""

import io
import itertools
import warnings
from typing import NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib import font_manager, legend
from matplotlib.colors import to_hex
from matplotlib.patches import BoxStyle
from torch import nn

from d2l_helpers import (
    MLP,
    FixedHiddenMLP,
    MySequential,
    NestMLP,
    draw_modules,
    use_style,
)
from d2l_helpers.drawing import BLUE, GRAY
from nbval_strict.fresh import fresh_python


@pytest.fixture(autouse=True)
def figures():
    """Draw off screen, and leave no figure or style behind."""
    backend = matplotlib.get_backend()
    plt.switch_backend("Agg")
    with matplotlib.rc_context():
        yield
    plt.close("all")
    plt.switch_backend(backend)


def test_legend_on_a_busy_machine_is_no_warning(monkeypatch):
    seconds = itertools.count(step=2)
    monkeypatch.setattr(legend.time, "perf_counter", lambda: next(seconds))
    with warnings.catch_warnings(action="error"):
        _, ax = plt.subplots()
        ax.plot([1, 2], label="loss")
        ax.legend()
        with pytest.raises(UserWarning, match="slow"):
            ax.figure.canvas.draw()
        use_style()
        ax.figure.canvas.draw()
        with pytest.raises(UserWarning, match="another"):
            warnings.warn("another", stacklevel=1)


class Fonts:
    """Matplotlib's list of fonts, and the files of the system."""

    def __init__(self, *names):
        self.ttflist = [Font(name, f"{name}.ttf") for name in names]
        self.files = []

    def addfont(self, file):
        assert file not in {font.fname for font in self.ttflist}
        if file == "broken.ttf":
            raise RuntimeError("no font")
        self.ttflist.append(Font(file.removesuffix(".ttf"), file))


class Font(NamedTuple):
    name: str
    fname: str


@pytest.mark.parametrize(
    ("listed", "files", "chosen"),
    [
        (["SimHei", "Roman", "Heiti TC"], [], ["Heiti TC"]),
        (["SimHei"], ["Heiti TC"], ["SimHei"]),  # the list is new enough
        (["Roman"], ["Roman", "broken", "SimHei", "broken"], ["SimHei"]),
        (["Roman"], ["broken"], []),
    ],
)
def test_font_for_chinese_is_the_first_that_is_installed(
    listed, files, chosen, monkeypatch
):
    fonts = Fonts(*listed)
    monkeypatch.setattr(font_manager, "fontManager", fonts)
    found = [f"{name}.ttf" for name in files]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: found)
    use_style()
    assert matplotlib.rcParams["font.family"] == ["sans-serif", *chosen]


def texts(ax):
    return sorted(text.get_text() for text in ax.texts)


def test_tree_carries_classes_counts_and_names():
    ax = draw_modules(NestMLP())
    assert {text.get_rotation() for text in ax.texts} == {0}
    # 20 * 64 + 64 + 64 * 32 + 32 = 3,424 and 32 * 16 + 16 = 528
    assert texts(ax) == sorted(
        [
            "NestMLP\n3,952 parameters",
            "net",
            "Sequential\n3,424 parameters",
            "0",
            "Linear\n1,344 parameters",
            "1",
            "ReLU",
            "2",
            "Linear\n2,080 parameters",
            "3",
            "ReLU",
            "linear",
            "Linear\n528 parameters",
        ]
    )


def place(ax, label):
    """The position of the text that starts with the label."""
    found = [t for t in ax.texts if t.get_text().startswith(label)]
    assert len(found) == 1
    return found[0].get_position()


def test_children_stand_in_order_to_the_right_of_their_parent():
    ax = draw_modules(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Tanh()))
    assert place(ax, "Linear") == (1, 0)
    assert place(ax, "ReLU") == (1, 1)
    assert place(ax, "Tanh") == (1, 2)
    assert place(ax, "Sequential") == (0, 1)
    for row, name in enumerate("012"):
        x, y = place(ax, name)
        assert 0.5 < x < 1
        assert abs(y - row) < 0.5


def test_a_line_leads_from_the_parent_to_each_child():
    ax = draw_modules(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    ends = [
        (*line.get_xydata()[0], *line.get_xydata()[-1]) for line in ax.lines
    ]
    assert ends == [(0, 0.5, 1, 0), (0, 0.5, 1, 1)]


def test_everything_drawn_lies_within_the_axes():
    ax = draw_modules(NestMLP())
    ax.figure.canvas.draw()
    for text in ax.texts:
        box = (text.get_bbox_patch() or text).get_window_extent()
        assert ax.bbox.x0 <= box.x0 < box.x1 <= ax.bbox.x1
        assert ax.bbox.y0 <= box.y0 < box.y1 <= ax.bbox.y1


@pytest.mark.parametrize("cls", [MLP, FixedHiddenMLP, NestMLP])
def test_no_name_is_covered_by_a_box(cls):
    use_style()
    ax = draw_modules(cls())
    ax.figure.canvas.draw()
    boxes = [text.get_bbox_patch() for text in ax.texts]
    extents = [box.get_window_extent() for box in boxes if box]
    names = [text for text in ax.texts if not text.get_bbox_patch()]
    assert names
    for name in names:
        assert not name.get_window_extent().count_overlaps(extents)


def inches(ax, artist):
    """Where something is drawn, in inches from the figure's lower left."""
    ax.figure.canvas.draw()
    return artist.get_window_extent().get_points() / ax.figure.dpi


@pytest.mark.parametrize(
    "net",
    [NestMLP(), FixedHiddenMLP(), nn.ReLU(), nn.Sequential(nn.ReLU())],
    ids=lambda net: type(net).__name__,
)
def test_figure_is_as_large_as_the_tree_needs(net):
    ax = draw_modules(net)
    boxes = [t.get_bbox_patch() for t in ax.texts if t.get_bbox_patch()]
    corners = [inches(ax, box) for box in boxes]
    least = [min(c[0][i] for c in corners) for i in (0, 1)]
    most = [max(c[1][i] for c in corners) for i in (0, 1)]
    size = ax.figure.get_size_inches()
    assert all(0 <= edge < 0.45 for edge in [*least, *(size - most)])
    rows = len({round(corner.mean(0)[1], 2) for corner in corners})
    assert size[1] <= 0.6 * rows
    columns = {round(corner.mean(0)[0], 2) for corner in corners}
    wide = max(right - left for (left, _), (right, _) in corners)
    names = [inches(ax, t) for t in ax.texts if not t.get_bbox_patch()]
    gap = 0.35 + max(
        (right - left for (left, _), (right, _) in names), default=0
    )
    # Versions of matplotlib differ in how wide a name is.
    assert size[0] <= len(columns) * (wide + 0.3 + gap) - gap + 0.15


def test_name_stands_on_its_line_right_of_the_elbow():
    ax = draw_modules(nn.Sequential(nn.ReLU()))
    (name,) = [text for text in ax.texts if not text.get_bbox_patch()]
    (line,) = ax.lines
    (left, low), _ = inches(ax, name)
    path = line.get_transform().transform(line.get_xydata())
    elbow, _ = path[2] / ax.figure.dpi
    assert 0 < left - elbow < 0.1
    assert 0 < low - path[2][1] / ax.figure.dpi < 0.1


def test_boxes_are_blue_and_lie_over_gray_lines():
    ax = draw_modules(nn.Sequential(nn.ReLU()))
    (line,) = ax.lines
    assert (line.get_color(), line.get_linewidth()) == (GRAY, 1)
    root, child, name = sorted(ax.texts, key=lambda t: t.get_text(), reverse=1)
    assert (name.get_color(), name.get_fontsize()) == (GRAY, 9)
    for text in (root, child):
        assert text.get_fontsize() == 9
        assert text.get_zorder() > line.get_zorder()
        frame = text.get_bbox_patch()
        assert isinstance(frame.get_boxstyle(), BoxStyle.Round)
        assert to_hex(frame.get_facecolor()) == "#ffffff"
        assert to_hex(frame.get_edgecolor()) == BLUE
    assert not ax.axison


def test_names_and_classes_are_no_formulas():
    net = nn.Module()
    net.add_module(r"$\v$", type(r"$\v$", (nn.ReLU,), {})())
    ax = draw_modules(net)
    ax.figure.canvas.draw()
    assert texts(ax)[:2] == [r"$\v$", r"$\v$"]


def test_repeated_child_is_drawn_each_time_and_counted_once():
    shared = nn.Linear(4, 4)
    ax = draw_modules(MySequential(shared, nn.ReLU(), shared))
    assert texts(ax) == [
        "0",
        "1",
        "2",
        "Linear\n20 parameters",
        "Linear\n20 parameters",
        "MySequential\n20 parameters",
        "ReLU",
    ]


def test_child_that_is_none_is_skipped():
    net = MLP(4, 8, 3)
    net.out = None
    assert texts(draw_modules(net)) == [
        "Linear\n40 parameters",
        "MLP\n40 parameters",
        "hidden",
    ]


@pytest.mark.parametrize(
    ("net", "label"),
    [
        (nn.Linear(1000, 2), "Linear\n2,002 parameters"),
        (nn.Linear(1, 1), "Linear\n2 parameters"),
        (nn.Linear(1, 1, bias=False), "Linear\n1 parameter"),
        (nn.LazyLinear(2), "LazyLinear\nuninitialized"),
        (nn.ReLU(), "ReLU"),
        (nn.Sequential(), "Sequential"),
    ],
    ids=["layer", "two", "one", "lazy", "no_parameters", "no_children"],
)
def test_single_module_is_one_box(net, label):
    ax = draw_modules(net)
    assert texts(ax) == [label]
    assert not ax.lines


def test_each_drawing_is_a_figure_of_its_own():
    first, second = draw_modules(nn.ReLU()), draw_modules(NestMLP())
    assert first.figure is not second.figure
    assert len(plt.get_fignums()) == 2
    assert texts(first) == ["ReLU"]
    # 5 rows against 1, 3 columns against 1
    assert (
        second.figure.get_size_inches() > first.figure.get_size_inches()
    ).all()


@pytest.mark.parametrize(
    "net",
    [nn.ReLU, torch.relu, [nn.ReLU()], None],
    ids=["class", "function", "list", "none"],
)
def test_what_is_no_module_is_refused(net):
    with pytest.raises(TypeError) as raised:
        draw_modules(net)
    assert str(raised.value) == f"net must be an nn.Module object, got {net!r}"
    assert not plt.get_fignums()


def svg(fig):
    file = io.BytesIO()
    fig.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def test_figure_in_style_gives_the_same_svg_twice():
    use_style()
    fig = draw_modules(NestMLP()).figure
    assert b"clip-path" in svg(fig)  # its name is random without the style
    assert svg(fig) == svg(fig)


def test_style_is_that_of_the_chapters():
    use_style()
    fig, ax = plt.subplots()
    (first,), (second,) = ax.plot([0, 1]), ax.plot([1, 0])
    assert (first.get_color(), second.get_color()) == ("#0072b2", "#d55e00")
    assert tuple(fig.get_size_inches()) == (6, 2.8)
    assert fig.get_facecolor() == (1, 1, 1, 1)


NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()

from d2l_helpers import use_style
from matplotlib import pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats

use_style()
fig, ax = plt.subplots()
ax.plot([1, 2])
shown, _ = shell.display_formatter.format(fig)
assert {"image/svg+xml", "image/png"} < set(shown), set(shown)
assert "dc:date" not in shown["image/svg+xml"]

set_matplotlib_formats("svg")  # as d2l.plot does
again, _ = shell.display_formatter.format(fig)
assert again["image/svg+xml"] == shown["image/svg+xml"]
"""


def test_notebook_stores_figures_as_svg_without_a_date(tmp_path):
    variables = {"IPYTHONDIR": str(tmp_path), "MPLBACKEND": "Agg"}
    done = fresh_python(NOTEBOOK, env=variables)
    assert done.returncode == 0, done.stderr
