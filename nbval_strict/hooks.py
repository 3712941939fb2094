"""What another plugin, or a conftest.py, may do to the pages."""

from collections.abc import Callable
from pathlib import Path

import pytest

# What gets a function: from code to what it shows in the kernel of a page.
Check = Callable[[Callable[[str], str]], None]


def pytest_nbval_strict_prepare(config: pytest.Config) -> str:
    """Code that each kernel runs before its first cell.

    It leaves no trace: no output, no number, no name but what it sets.

    Args:
        config (pytest.Config): that of this run.
    """


def pytest_nbval_strict_checks(page: Path) -> dict[str, Check]:
    """Checks of a page, which its kernel gets when all cells have run.

    They come in this order, and each sees what those before it have done.

    Args:
        page (Path): the notebook.

    Returns:
        By name, functions that raise an error where the page fails. Each
        gets a function ``show(code)``, which runs code in the kernel and
        returns the text that it shows.
    """
