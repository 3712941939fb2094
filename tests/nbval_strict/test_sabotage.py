"""The alterations of stored outputs, and that one unnoticed is reported."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from nbval_strict import sabotage
from tests.nbval_strict.specimen import CELLS, executed, run_pytest

# By kind, a text and all that it may become.
TEXTS = {
    "digit": (
        "0.0012345, 46",
        ["0.0062345, 46", "0.0012845, 46", "0.0012345, 96", "0.0012345, 41"],
    ),
    "last place": (
        "0.0012, 1.99, 0.1234, 12., 0.0000, 7",
        [
            "0.0013, 1.99, 0.1234, 12., 0.0000, 7",
            "0.0012, 1.90, 0.1234, 12., 0.0000, 7",
            "0.0012, 1.99, 0.1234, 12., 0.0001, 7",
        ],
    ),
    "exponent": ("1e-09, 2.5e+10", ["1e-04, 2.5e+10", "1e-09, 2.5e+15"]),
    "sign": ("-1., 2, -0., x3", ["1., 2, -0., x3", "-1., -2, -0., x3"]),
    "shape": (
        "Size([2]), torch.Size([2]), (3, 4), tensor([1, 2]), tensor(5)",
        [
            "Size([2]), torch.Size([1, 2]), (3, 4), tensor([1, 2]), tensor(5)",
            "Size([2]), torch.Size([2]), (1, 3, 4), tensor([1, 2]), tensor(5)",
            "Size([2]), torch.Size([2]), (3, 4), tensor([[1, 2]]), tensor(5)",
            "Size([2]), torch.Size([2]), (3, 4), tensor([1, 2]), tensor([5])",
        ],
    ),
    "dtype": (
        "torch.float64, tensor([\n[1]]), torch.int8",
        [
            "torch.float64, tensor([\n[1]], dtype=torch.int8), torch.int8",
            "torch.int8, tensor([\n[1]]), torch.int8",
            "torch.float64, tensor([\n[1]]), torch.bool",
        ],
    ),
    "word": ("net.b, 1e-9", ["nnet.b, 1e-9", "net.bb, 1e-9"]),
    "dropped line": ("a\nb\n\nc", ["b\n\nc", "a\n\nc", "a\nb\n\n"]),
    "swapped lines": ("a\nb\nb\n", ["b\na\nb\n"]),
    "added line": ("a\n", ["a\nOne line more\n"]),
}


def altered(kind, text):
    return [new for k, new in sabotage.altered_texts(text) if k == kind]


@pytest.mark.parametrize("kind", TEXTS)
def test_text_is_altered_at_each_place(kind):
    text, expected = TEXTS[kind]
    assert altered(kind, text) == expected


def test_last_digit_of_a_long_float_differs_by_more_than_one_or_not_at_all():
    # By one, it may differ between machines: the comparison allows for that.
    assert altered("last place", "0.1234, 1.0000, 0.00001234") == []
    assert altered("digit", "0.0001") == ["0.0006"]
    assert altered("digit", "0.12") == ["0.62"]
    assert altered("digit", "1.25e-05") == ["6.25e-05", "1.75e-05"]
    assert altered("digit", "1.00000000000") == [
        "6.00000000000",
        "1.00050000000",
    ]


# What the other cells don't show.
MORE = [
    "display({'text/plain': '1', 'application/x+json': {'a': [2]}}, raw=True)",
    "torch.zeros(2), torch.bool, 1e-9, 0.5",
    "print('one'); display(2); print('three\\nfour')",
]


def test_alterations_of_stored_outputs_are_of_each_kind_and_none_is_idle(
    tmp_path,
):
    kinds = set()
    for cell in executed([*CELLS, *MORE], tmp_path).cells:
        for alteration in sabotage.alterations(cell.outputs):
            kinds.add(alteration.kind)
            assert alteration.outputs != cell.outputs, alteration
    assert kinds == {
        *TEXTS,
        "added output",
        "empty figure",
        "error message",
        "error type",
        "kind of output",
        "removed figure",
        "removed output",
        "repeated output",
        "swapped outputs",
        "traceback",
    }


BLIND = """
from nbval_strict.page import StrictCell

compare = StrictCell._compare
StrictCell._compare = lambda cell, outputs: (
    cell.path.stem == "08_blind" or compare(cell, outputs)
)
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "two"])
def test_what_is_unnoticed_or_not_compared_is_listed_and_fails(
    workers, tmp_path
):
    two = new_output("execute_result", {"text/plain": "2"}, execution_count=1)
    cells = [
        new_code_cell("1 + 1", execution_count=1, outputs=[two]),
        new_code_cell("1 + 2", execution_count=2),
    ]
    cells[1].metadata.tags = ["nbval-ignore-output"]
    for name in ("08_blind", "09_seeing"):
        notebook = new_notebook(cells=cells)
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    (tmp_path / "conftest.py").write_text(BLIND)
    options = ["-p", "nbval_strict.sabotage", "--nbval", *workers]
    done = run_pytest(*options, folder=tmp_path)
    assert done.returncode == 1, done.stdout
    said = done.stdout.splitlines()
    assert "6 passed" in said[-1]  # four cells, and what each page leaves
    first = said.index("not compared: 2 of 4 cells")
    assert said[first + 1] == "  08_blind, In [2]"
    assert said[first + 2] == "  09_seeing, In [2]"
    number = len(list(sabotage.alterations([two])))
    assert f"|alterations|{number}|{number}|{2 * number}|" in said
    unnoticed = said[first + 4 : -1]
    assert "  08_blind, In [1], digit: '2' -> '7'" in unnoticed
    assert len(unnoticed) == number
    assert all("08_blind" in line for line in unnoticed)
