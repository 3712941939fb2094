"""What the translations lack: no failure, but a warning in each run.

`.ci/run` and `make publish` refuse what is behind: `make stale` fails.
"""

import warnings

import pytest

from tools import catalogs, texts
from tools.page import pages
from tools.translation import to_do

READS = ["*.md", "chapters/*", "d2l_helpers/*", "site/*", "tools/*"]


@pytest.mark.filterwarnings("default")
def test_what_is_to_be_translated_is_listed():
    lines = [*to_do(pages()), *texts.to_do()]
    for language in catalogs.languages():
        if any(catalogs.to_do(language)):
            lines += catalogs.tallies(language)
    if lines:
        text = "\n".join(["`make stale` shows:", *lines])
        warnings.warn(text, stacklevel=1)
