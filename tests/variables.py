"""A pytest plugin: no test leaves a variable in the environment.

scikit-learn sets some when it is imported, torch when it compiles. A kernel
can't be a fork in another environment than the server's, so each one that a
worker started later would be an ordinary process, which imports torch anew.
"""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _variables() -> Iterator[None]:
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)
