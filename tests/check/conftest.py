"""Each test of the checks begins as in a new process, where nothing is seen.

And under `pytest -n`, the tests of a chapter's answers are a group of their
own: a worker has all of them, and what one has computed serves the others.
"""

import re

import pytest


@pytest.fixture(autouse=True)
def _nothing_was_seen(monkeypatch):
    monkeypatch.setattr("d2l_helpers.check._hints._seen", {})


def group_of(nodeid):
    """The file of a test, and the chapter that its id begins with."""
    file, _, name = nodeid.partition("::")
    stem = re.search(r"\[(\d\d_\w+)", name)
    return f"{file} {stem[1]}" if stem and "check/" in file else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Where a file stays together, give out its chapters one by one."""
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByChapter(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    return ByChapter(config, log)
