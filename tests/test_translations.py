"""What the translations lack: no failure, but a warning in each run.

`.ci/run` and `make publish` refuse a page that is behind: `make stale` fails.
"""

import warnings

import pytest

from tools.page import pages
from tools.translation import to_do

READS = ["chapters/*"]


@pytest.mark.filterwarnings("default")
def test_what_is_to_be_translated_is_listed():
    lines = list(to_do(pages()))
    if lines:
        text = "\n".join(["`make stale` shows:", *lines])
        warnings.warn(text, stacklevel=1)
