"""What another plugin, or a conftest.py, may do to the pages."""

import pytest


def pytest_nbval_strict_prepare(config: pytest.Config) -> str:
    """Code that each kernel runs before its first cell.

    It leaves no trace: no output, no number, no name but what it sets.

    Args:
        config (pytest.Config): that of this run.
    """
