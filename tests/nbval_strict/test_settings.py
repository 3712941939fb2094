"""What a course can set."""

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from nbval_strict.comparison import text_difference
from nbval_strict.settings import OPTIONS, read_settings
from tests.nbval_strict.specimen import ROOT


def settings(**changed):
    """What is read where a course has changed some of the settings."""
    values = {name: default for name, (_, default, _) in OPTIONS.items()}
    values |= {f"nbval_strict_{name}": v for name, v in changed.items()}
    return read_settings(SimpleNamespace(getini=values.__getitem__))


def test_remedy_names_the_page_as_it_is_found_from_here():
    page = Path.cwd() / "pages" / "03_layers.ipynb"
    assert settings().rerun_of(page) == (
        f"run `python -m nbval_strict {Path('pages/03_layers.ipynb')}`"
    )
    ours = settings(rerun="make {number}: {name}, {{}}")
    assert ours.rerun_of(page) == "make 03: 03_layers.ipynb, {}"
    elsewhere = Path("/elsewhere/03_layers.ipynb")
    assert str(elsewhere) in settings().rerun_of(elsewhere)


@pytest.mark.parametrize("rerun", ["{file}", "{0}", "{", "{name!x}"])
def test_remedy_that_names_something_else_is_refused(rerun):
    with pytest.raises(pytest.UsageError, match="it may name"):
        settings(rerun=rerun)


@pytest.mark.parametrize("rtol", ["", "1e", "-1e-5", "1", "NaN", "inf"])
def test_tolerance_that_is_none_is_refused(rtol):
    with pytest.raises(pytest.UsageError, match="not a number from 0 to 1"):
        settings(rtol=rtol)


def test_tolerance_is_the_one_that_was_set():
    rtol = settings(rtol="0.01").rtol
    assert rtol == Decimal("0.01")
    assert text_difference("loss 2.0", "loss 2.02", rtol=rtol) is None
    told = text_difference("loss 2.0", "loss 2.03", rtol=rtol)
    assert "differ by 0.03; allowed is 0.02" in told


def test_readme_says_each_setting_and_its_default():
    readme = Path(ROOT, "nbval_strict", "README.md").read_text("utf-8")
    for name, (_, default, _) in OPTIONS.items():
        row = next(x for x in readme.splitlines() if f"| `{name}` " in x)
        if name.endswith(("twice", "own_folder")):
            default = "false"
        assert (default or "none") in row
