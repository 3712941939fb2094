"""Tests whose answer is in words, without a traceback."""

from collections.abc import Iterable

import pytest

from tools.files import UnreadableError


def require_none(problems: Iterable[str]) -> None:
    """Fail with all problems that there are, a line or more each."""
    try:
        found = list(problems)
    except UnreadableError as error:
        found = [str(error)]
    if found:
        pytest.fail("\n".join(found), pytrace=False)
