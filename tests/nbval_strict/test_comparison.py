"""Pairs of texts that must agree, and pairs that must not.

The first of a pair is stored, and the second comes from a chapter that runs
on CUDA, if nothing else is said. They are outputs of the chapters, and what
another device or version of torch makes of them.
"""

from random import Random

import pytest
import torch

from nbval_strict.comparison import outputs_difference, text_difference

MATRIX = "tensor([[-1.,  0.,  1.],\n        [ 0.,  0.,  0.]])"
PAIR = """{'pair': [tensor([0, 1, 2, 3]),
  tensor([[0., 0., 0.],
          [0., 0., 0.]])],
 'name': 'first try',
 'epoch': 3}"""
PAIR_ON_CUDA = """{'pair': [tensor([0, 1, 2, 3], device='cuda:0'),
  tensor([[0., 0., 0.],
          [0., 0., 0.]], device='cuda:0')],
 'name': 'first try',
 'epoch': 3}"""
MODULE = """MLP(
  (hidden): Linear(in_features=20, out_features=256, bias=True)
  (out): Linear(in_features=256, out_features=10, bias=True)
)"""
PARAMETER = "Parameter containing:\ntensor([0., 0.], requires_grad=True)"
VERSION_ERROR = (
    "modified by an inplace operation: [torch.FloatTensor [2]] is at "
    "version 1; expected version 0 instead."
)
MISMATCH = (
    "size mismatch for out.bias: copying a param with shape torch.Size([10]) "
    "from checkpoint, the shape in current model is torch.Size([3])."
)
SUMMARY = "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"

AGREE_ON_CUDA = [
    ("tensor([ 0.,  4.])", "tensor([ 0.,  4.], device='cuda:0')"),
    ("(tensor([40., 60.]), 0)", "(tensor([40., 60.], device='cuda:0'), 0)"),
    ("tensor(inf)", "tensor(inf, device='cuda:0')"),
    ("tensor([1, 2])", "tensor([1, 2], device='cuda:0')"),
    (MATRIX, f"{MATRIX[:-1]}, device='cuda:0')"),
    (MATRIX, f"{MATRIX[:-1]},\n       device='cuda:0')"),
    (PAIR, PAIR_ON_CUDA),
    (
        PARAMETER,
        "Parameter containing:\n"
        "tensor([0., 0.], device='cuda:0', requires_grad=True)",
    ),
    (
        "tensor(1.2345, grad_fn=<AddBackward0>)",
        "tensor(1.2345, device='cuda:0', grad_fn=<AddBackward0>)",
    ),
    (
        "tensor([], size=(0, 3), dtype=torch.int32)",
        "tensor([], device='cuda:0', size=(0, 3), dtype=torch.int32)",
    ),
    ("device(type='cpu')", "device(type='cuda', index=0)"),
    ("device(type='cpu')", "device(type='cuda')"),
    ("{'weight': 'cpu'}", "{'weight': 'cuda'}"),
    ("parameter torch.float64 cpu", "parameter torch.float64 cuda:0"),
    ("It is on cpu.", "It is on cuda:0."),
    (VERSION_ERROR, VERSION_ERROR.replace("torch.", "torch.cuda.")),
    ("cuda == cuda:0: False, cpu", "cuda == cuda:0: False, cuda:0"),
]

AGREE = [
    ("cuda == cuda:0: False", "cuda == cuda:0: False"),
    ("scale is on cpu", "scale is on cpu"),
    ("tensor([0.], device='cuda:0')", "tensor([0.], device='cuda:0')"),
    # Floats
    ("tensor([-0.7616,  0.0000])", "tensor([-0.7615,  0.0000])"),
    ("tensor(0.1234)", "tensor(0.1235)"),
    ("tensor([0.1000])", "tensor([0.0999])"),
    ("tensor([0.0999])", "tensor([0.1000])"),
    ("tensor([-1.0003, 0.5000])", "tensor([-1.0004, 0.5000])"),
    ("lr=0.0001", "lr=1e-4"),
    ("1.2345e-05", "1.2346e-05"),
    ("tensor([1., 2.])", "tensor([1.0000, 2.0000])"),
    ("tensor([-0., 0.])", "tensor([0., -0.])"),
    ("mean 0.0000", "mean -0.0000"),
    ("tensor([1.0000e-09, 1.])", "tensor([1.0001e-09, 1.])"),
    ("tensor([1.0000e+00, 1.0000e-04])", "tensor([1.0000, 0.0001])"),
    ("[1.e-09]", "[1.00000e-09]"),
    ("tensor([12345.6787])", "tensor([12345.6816])"),
    ("[0.6931471824645996]", "[0.6931472420692444]"),
    ("[0.0, 3.0, 12.0, 27.0]", "[0.0, 3.0, 12.000000953674316, 27.0]"),
    ("0.25", "0.25000001"),
    ("96.1234%", "96.1235%"),
    ("loss 0.6931.", "loss 0.6932."),
    ("'0.6931'", "'0.6932'"),
    ("([0.693, inf], [0.5, nan])", "([0.693, inf], [0.5, nan])"),
    ("tensor([1.+2.j])", "tensor([1.0000+2.0000j])"),
    ("(0.1234567890-2.5j)", "(0.1234567895-2.5j)"),
    # White space inside brackets
    ("tensor([ 1., 20.])", "tensor([ 1.0000, 20.0000])"),
    ("tensor([ 1., -2.])", "tensor([1., -2.])"),
    (SUMMARY, "tensor([0, 1, 2,\n        ..., 1997, 1998, 1999])"),
    ("(49, 196)", "(49,\n 196)"),
    (":) (49, 196)", ":) (49,\n 196)"),
    ("{'weight': 1, 'bias': 2}", "{'weight': 1,\n 'bias': 2}"),
    (MODULE, MODULE.replace("\n  ", "\n    ")),
    ("a trusted source.\nTrying", "a trusted source.\n\n\nTrying"),
]

DIFFER = [
    # Devices
    ("device(type='cpu')", "device(type='cuda', index=1)"),
    ("device(type='cpu')", "device(type='meta')"),
    ("device(type='cpu')", "device(type='mps', index=0)"),
    ("device(type='meta')", "device(type='cuda', index=0)"),
    ("device(type='cuda', index=0)", "device(type='cpu')"),
    ("tensor([0.])", "tensor([0.], device='cuda:1')"),
    ("tensor([0.])", "tensor([0.], device='meta')"),
    ("tensor([0.], device='cuda:0')", "tensor([0.])"),
    ("tensor(..., device='meta')", "tensor(..., device='cuda:0')"),
    ("buffer torch.float64 meta", "buffer torch.float64 cuda:0"),
    ("buffer torch.float64 meta", "buffer torch.float64 cpu"),
    ("M * scale is on cuda:0", "M * scale is on cpu"),
    ("recorded on cpu", "recorded on cuda:99"),
    (
        "Tensor on device meta is not on the expected device cpu!",
        "Tensor on device cpu is not on the expected device meta!",
    ),
    ("in torch.cpu", "in torch.cuda"),
    ("in cpu.amp", "in cuda.amp"),
    ("cpu_time", "cuda_time"),
    ("cuda == cuda:0: False", "cuda == cuda: False"),
    # Floats
    ("tensor([-50., -49., -48.])", "tensor([-50., -47., -48.])"),
    ("tensor([-50., -49., -48.])", "tensor([50., -49., -48.])"),
    ("tensor([0.1234])", "tensor([0.1236])"),
    ("tensor([0.])", "tensor([0.0001])"),
    ("lr=0.0001", "lr=0.0002"),
    ("0.0012", "0.0013"),
    ("tensor([0.0100])", "tensor([0.0101])"),
    ("tensor([ 0.5312, -0.0003])", "tensor([ 0.5312, -0.0004])"),
    ("tensor([0.0001, 1.0000])", "tensor([0.0000, 1.0000])"),
    ("mean 0.0000", "mean 0.0001"),
    ("tensor([0.0001])", "tensor([-0.0001])"),
    ("tensor([1.0000e-04])", "tensor([1.0010e-04])"),
    ("0.0001", "0.00011"),
    ("0.00001234", "0.00001244"),
    ("[-0.04, -0.17, -0.26]", "[-0.04, -0.17, -0.27]"),
    ("[0.0, 0.0]", "[0.1, 0.0]"),
    ("tensor([1.0000e-09])", "tensor([7.0000e-09])"),
    ("lr=1e-09", "lr=7e-09"),
    ("5e-05", "6e-05"),
    ("1.5e-09", "1.6e-09"),
    ("tensor([0.1234])", "tensor([0.12347])"),
    ("0.0009765625", "0.0009766625"),
    ("12.5%", "12.6%"),
    ("([0.693, inf], [0.5, nan])", "([0.693, -inf], [0.5, nan])"),
    ("([0.693, inf], [0.5, nan])", "([0.693, inf], [0.5, 0.0])"),
    ("tensor([1.+2.j])", "tensor([1.-2.j])"),
    ("tensor([1.+2.j])", "tensor([1.+2.])"),
    # Integers and what looks like a float
    ("3", "3.0"),
    ("tensor([0, 1, 2, 3])", "tensor([0., 1., 2., 3.])"),
    ("52% of the networks", "53% of the networks"),
    ("460,032 bytes", "460,033 bytes"),
    ("1000000 numbers", "1000001 numbers"),
    ("It counts 1000000.", "It counts 1000001."),
    ("torch 2.13.0", "torch 2.14.0"),
    ("torch 2.130000.0", "torch 2.130001.0"),
    ("['0.1', '0.10']", "['0.1', '0.1']"),
    ("0.block1.hidden.bias", "0.block2.hidden.bias"),
    ("(2x30 and 20x256)", "(2x30 and 30x256)"),
    ("8e52451", "9e52451"),
    # Shapes, dtypes and brackets
    ("torch.Size([2, 3])", "torch.Size([2, 4])"),
    ("torch.Size([2, 3])", "torch.Size([2, 3, 1])"),
    ("torch.Size([4])", "torch.Size([5])"),
    ("tensor([[1., 2.]])", "tensor([1., 2.])"),
    ("tensor([[1., 2.], [3., 4.]])", "tensor([[1., 2., 3., 4.]])"),
    ("tensor([], size=(0, 3))", "tensor([], size=(0, 2))"),
    ("tensor([1.])", "tensor([1.], dtype=torch.float64)"),
    ("torch.float32", "torch.float64"),
    (PARAMETER, PARAMETER.replace(", requires_grad=True", "")),
    (SUMMARY, SUMMARY.replace("..., ", "")),
    (MODULE, MODULE.replace("256, bias=True", "256, bias=False")),
    (MISMATCH, MISMATCH.replace("[3]", "[4]")),
    # Names and words
    ("('AddBackward0', 'MulBackward0')", "('AddBackward0', 'MulBackward1')"),
    ("['linear.weight', 'linear.bias']", "['linear.weight']"),
    ("[True, False]", "[True, True]"),
    ("KeyError: 'x'", "ValueError: 'x'"),
    ("requires_grad: True", "requires_grad:  True"),
    ("one\ntwo\n", "one\n"),
    ("one\ntwo", "one two"),
    ("{1}\ntwo", "{1} two"),
    ("one\n\ntwo", "one two"),
    ("one\n  two", "one\n\n two"),
    ("[ab]", "[a b]"),
    ("f'(1) = 768", "f'(1) = 769"),
]


@pytest.mark.parametrize(("stored", "now"), AGREE_ON_CUDA + AGREE)
def test_texts_agree(stored, now):
    assert text_difference(stored, now, "cuda") is None


@pytest.mark.parametrize(("stored", "now"), DIFFER)
def test_texts_differ(stored, now):
    assert text_difference(stored, now, "cuda") is not None


@pytest.mark.parametrize(("stored", "now"), AGREE_ON_CUDA)
def test_device_is_another_text_where_the_chapter_runs_elsewhere(stored, now):
    assert text_difference(stored, now) is not None


@pytest.mark.parametrize(
    ("stored", "now"),
    [
        ("tensor([0.])", "tensor([0.], device='mps:0')"),
        ("device(type='cpu')", "device(type='mps', index=0)"),
        ("device(type='cpu')", "device(type='mps')"),
        ("It is on cpu", "It is on mps:0"),
    ],
)
def test_device_of_apple_agrees_with_the_cpu(stored, now):
    assert text_difference(stored, now, "mps") is None


DTYPES = pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float64, torch.bfloat16, torch.complex64],
    ids=str,
)
SHAPES = pytest.mark.parametrize(
    "shape", [(), (0, 3), (7,), (3, 40), (2, 3, 4), (1100,)], ids=str
)


@DTYPES
@SHAPES
def test_tensor_agrees_with_itself_on_narrower_lines(shape, dtype):
    torch.manual_seed(0)
    X = torch.randn(shape).to(dtype)
    wide = repr(X)
    torch.set_printoptions(linewidth=40)
    try:
        narrow = repr(X)
    finally:
        torch.set_printoptions(profile="default")
    assert text_difference(wide, narrow) is None
    assert text_difference(narrow, wide) is None


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_tensor_agrees_up_to_what_devices_round(scale):
    torch.manual_seed(0)
    X = torch.rand(1000).double() + 0.1
    noise = 1 + 5e-6 * torch.randn(1000).clamp(-1, 1)
    assert repr(X * scale * noise) != repr(X * scale)
    assert text_difference(repr(X * scale), repr(X * scale * noise)) is None
    other = X * scale
    other[500] *= 1.002
    torch.set_printoptions(threshold=2000)
    try:
        assert text_difference(repr(X * scale), repr(other)) is not None
    finally:
        torch.set_printoptions(profile="default")


def test_floats_that_agree_differ_by_about_a_thousandth_at_most():
    random = Random(0)
    agreeing = 0
    for _ in range(20_000):
        x = 10 ** random.uniform(-9, 3)
        form = f".{random.randrange(1, 7)}{random.choice('fe')}"
        stored = format(x, form)
        now = format(x * (1 + 10 ** random.uniform(-7, 0)), form)
        if stored != now and text_difference(stored, now) is None:
            agreeing += 1
            assert float(now) == pytest.approx(float(stored), rel=0.00102)
    assert agreeing > 100


# Were the time to grow with the square of the length, it would not end.
@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["a", "1", "1 ", "1.5, ", "[", "\u6743"])
def test_one_long_line_is_compared_and_its_difference_is_short(piece):
    line = piece * (200_000 // len(piece))
    difference = text_difference(f"{line}!x", f"{line}!y")
    assert "!x" in difference
    assert len(difference) < 1000


def test_other_shape_of_the_same_values_differs():
    X = torch.arange(6.0)
    texts = [repr(X.view(shape)) for shape in [(6,), (1, 6), (6, 1), (2, 3)]]
    for i, stored in enumerate(texts):
        for j, now in enumerate(texts):
            assert (text_difference(stored, now) is None) == (i == j)


def test_difference_shows_the_line_the_token_and_what_is_allowed():
    stored = "two\nalone: tensor(0.25)\nbatch: tensor([0.5000, 1.0000])\n"
    now = stored.replace("0.5000", "0.5004")
    assert text_difference(stored, now).splitlines() == [
        "line 3:",
        "-batch: tensor([0.5000, 1.0000])",
        "+batch: tensor([0.5004, 1.0000])",
        "stored '0.5000', now '0.5004', which differ by 0.0004; allowed is "
        "0.00010",
    ]


def test_difference_shows_where_a_text_ends():
    difference = text_difference("one\ntwo\n", "one\n")
    assert difference.splitlines()[1:] == [
        "-two",
        "+",
        "stored 'two', now the end",
    ]


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def result(**data):
    return {
        "output_type": "execute_result",
        "data": {key.replace("_", "/"): value for key, value in data.items()},
    }


def error(ename, evalue):
    return {
        "output_type": "error",
        "ename": ename,
        "evalue": evalue,
        "traceback": [],
    }


@pytest.mark.parametrize(
    ("stored", "now"),
    [
        ([], []),
        ([stream("on cpu")], [stream("on cuda:0")]),
        ([error("E", "on cpu")], [error("E", "on cuda:0")]),
        ([result(text_plain="0.12345")], [result(text_plain="0.12346")]),
        (
            [result(text_html="<b>on cpu</b>")],
            [result(text_html="<b>on cuda</b>")],
        ),
        ([result(image_png="ab")], [result(image_png="cd")]),
        ([result(image_jpeg="ab")], [result(image_jpeg="cd")]),
        (
            [result(**{"image/svg+xml": "a"})],
            [result(**{"image/svg+xml": "b"})],
        ),
        ([result(a="1", b="2")], [result(b="2", a="1")]),
        (
            [result(**{"a/b+json": {"x": ["on cpu"], "y": 1}})],
            [result(**{"a/b+json": {"y": 1, "x": ["on cuda:0"]}})],
        ),
    ],
)
def test_outputs_agree(stored, now):
    assert outputs_difference(stored, now, "cuda") is None


@pytest.mark.parametrize(
    ("stored", "now"),
    [
        ([], [stream("1")]),
        ([stream("1")], []),
        ([stream("1")], [stream("1", "stderr")]),
        ([stream("1"), stream("2")], [stream("2"), stream("1")]),
        ([result(text_plain="1"), stream("1")], [result(text_plain="1")]),
        ([result(text_plain="1")], [result(text_html="1")]),
        (
            [result(text_plain="1")],
            [{**result(text_plain="1"), "output_type": "display_data"}],
        ),
        ([result(text_html="<b>1</b>")], [result(text_html="<i>1</i>")]),
        ([result(image_png="ab")], [result(image_png="")]),
        ([result(image_png="ab")], [result(image_jpeg="ab")]),
        (
            [result(**{"a/b+json": {"x": ["1"]}})],
            [result(**{"a/b+json": {"x": ["2"]}})],
        ),
        ([error("E", "no 7")], [error("F", "no 7")]),
        ([error("E", "no 7")], [error("E", "no 8")]),
    ],
)
def test_outputs_differ(stored, now):
    assert outputs_difference(stored, now) is not None
