"""What a course sets in its pytest.ini or pyproject.toml."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

import pytest

from nbval_strict.comparison import RTOL

# By name: the type, the default, and what it says.
OPTIONS = {
    "nbval_strict_rerun": (
        "string",
        "run `python -m nbval_strict {path}`",
        "what stores the outputs of a page anew, as failures say it; it may "
        "hold {path}, {name} and {number}, what its name begins with",
    ),
    "nbval_strict_leave_out": (
        "args",
        [],
        "tags of cells that aren't run",
    ),
    "nbval_strict_device": (
        "string",
        "device.type",
        "an expression for the type of the device that a page runs on",
    ),
    "nbval_strict_rtol": (
        "string",
        f"{RTOL:.0e}",
        "the part of a stored float by which it may differ",
    ),
    "nbval_strict_twice": (
        "bool",
        False,
        "whether each cell is run a second time in a row, and compared again",
    ),
    "nbval_strict_own_folder": (
        "bool",
        False,
        "whether each page runs in an empty folder, and may leave no file",
    ),
}


class Settings(NamedTuple):
    """What a course has set."""

    rerun: str
    leave_out: frozenset[str]
    device: str
    rtol: Decimal
    twice: bool
    own_folder: bool

    def rerun_of(self, page: Path) -> str:
        """What stores the outputs of a page anew.

        Args:
            page (Path): its notebook.
        """
        number, _, _ = page.stem.partition("_")
        folder = Path.cwd()
        path = page.relative_to(folder) if folder in page.parents else page
        return self.rerun.format(path=path, name=page.name, number=number)


def add_settings(parser: pytest.Parser) -> None:
    """Let pytest know the names."""
    for name, (kind, default, says) in OPTIONS.items():
        parser.addini(name, says, type=kind, default=default)


def read_settings(config: pytest.Config) -> Settings:
    """What a course has set.

    Raises:
        pytest.UsageError: if a value isn't of its kind.
    """
    rerun, leave_out, device, rtol, *rules = map(config.getini, OPTIONS)
    try:
        tolerance = Decimal(rtol)
        fits = 0 <= tolerance < 1
    except InvalidOperation:  # also of a comparison with NaN
        fits = False
    if not fits:
        raise pytest.UsageError(
            f"nbval_strict_rtol is {rtol!r}, not a number from 0 to 1, such "
            "as 1e-5"
        )
    left_out = frozenset(leave_out)
    settings = Settings(rerun, left_out, device, tolerance, *rules)
    try:
        settings.rerun_of(Path("01_page.ipynb"))
    except (LookupError, ValueError):
        raise pytest.UsageError(
            f"nbval_strict_rerun is {rerun!r}: it may name {{path}}, {{name}} "
            "and {number}, and other braces are written twice"
        ) from None
    return settings
