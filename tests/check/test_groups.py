"""The tests of a chapter's answers are given to one worker, as a group."""

from types import SimpleNamespace

import pytest

from tests.check.conftest import group_of, pytest_xdist_make_scheduler

HERE = "tests/check/test_answers.py"


@pytest.mark.parametrize(
    ("test", "group"),
    [
        (f"{HERE}::test_junk[03_custom_layers-a]", f"{HERE} 03_custom_layers"),
        (f"{HERE}::test_hint[03_custom_layers]", f"{HERE} 03_custom_layers"),
        (f"{HERE}::test_hint[04_file_io-b-0-c]", f"{HERE} 04_file_io"),
        (f"{HERE}::test_all", HERE),
        ("tests/test_page.py::test_a[03_b]", "tests/test_page.py"),
        ("chapters/03_b.ipynb::In [1]", "chapters/03_b.ipynb"),
    ],
)
def test_group_is_a_file_or_a_chapter_of_the_checks(test, group):
    assert group_of(test) == group


@pytest.mark.parametrize(
    ("dist", "ours"), [("loadfile", True), ("load", False)]
)
def test_scheduler_is_ours_where_files_stay_together(dist, ours):
    option = SimpleNamespace(dist=dist)
    config = SimpleNamespace(option=option, getvalue=lambda _: ["2*popen"])
    scheduler = pytest_xdist_make_scheduler(config, None)
    assert (scheduler is not None) == ours
    if ours:
        assert (
            scheduler._split_scope(f"{HERE}::test_a[04_b-c]") == f"{HERE} 04_b"
        )
