"""A pytest plugin that makes nbval strict, and its failures readable.

nbval runs each stored notebook and compares every output. By itself it also
passes a cell that was never run, a figure that is gone, and waits half an
hour for a kernel that died. Here these fail, and each failure names the
page, the cell as JupyterLab numbers it, and what to do. page.py has the tests
of a page, and comparison.py says what counts as the same output.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbval.plugin import IPyNbFile

from nbval_strict import hooks, warm_kernels
from nbval_strict.kernel import WatchedKernel
from nbval_strict.page import SETTINGS, StrictFile, remove_folders
from nbval_strict.server import SERVER
from nbval_strict.settings import add_settings, read_settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a course have its own words and rules."""
    add_settings(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let other plugins prepare the kernels, and check the pages."""
    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Replace nbval's notebooks by strict ones."""
    return [
        StrictFile.from_parent(parent, path=file_path)
        if type(collector) is IPyNbFile
        else collector
        for collector in (yield)
    ]


def pytest_configure(config: pytest.Config) -> None:
    """Let each kernel be forked, also those of other tests."""
    config.stash[SETTINGS] = read_settings(config)
    warm_kernels.use()
    workers = len(getattr(config.option, "tx", None) or ())
    if workers:
        # Workers that compute on all cores would wait for each other.
        threads = max(1, (os.cpu_count() or 1) // workers)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    if warm_kernels.in_use() and any(map(_may_hold_notebooks, config.args)):
        SERVER.start()
        SERVER.share()  # with the workers, and with what tests start


def _may_hold_notebooks(argument: str) -> bool:
    return ".ipynb" in argument or Path(argument).is_dir()


def pytest_report_header() -> str:
    """Say whether the kernels are forked."""
    return warm_kernels.use()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Leave no kernel behind, nor those that Ctrl-C has left to end now."""
    WatchedKernel.await_stopped()
    remove_folders()


@pytest.hookimpl(wrapper=True)  # so as to come before xdist, which decides
def pytest_cmdline_main(config: pytest.Config) -> Iterator[None]:
    """Keep the cells of a notebook together under `pytest -n`."""
    option = config.option
    if getattr(option, "numprocesses", None) and option.dist == "no":
        option.dist = "loadfile"
    return (yield)
