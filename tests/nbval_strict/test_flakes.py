"""The runs under changing conditions leave what they have to."""

import os
import subprocess
import tempfile
from types import SimpleNamespace

import pytest

from nbval_strict import flakes

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="there are no rights to give up here"
)
PAGE = "pages/01_page.ipynb"


@pytest.fixture
def short(monkeypatch, tmp_path):
    """The temporary folder; the current one has a page that no test reads."""
    checkout = tmp_path / "checkout"
    (checkout / "pages").mkdir(parents=True)
    (checkout / PAGE).write_text("")
    for command in (["init", "--quiet"], ["add", PAGE]):
        subprocess.run(["git", *command], cwd=checkout, check=True)
    monkeypatch.chdir(checkout)
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_flakes_leave_what_a_failed_run_printed(short, capsys):
    assert flakes.main(["1", PAGE]) == 1
    (folder,) = short.iterdir()
    assert str(folder) in capsys.readouterr().out
    assert [path.name for path in folder.iterdir()] == ["run-001.txt"]
    assert "session starts" in (folder / "run-001.txt").read_text()


def test_flakes_leave_nothing_after_ctrl_c(short, monkeypatch):
    def interrupt(process):
        raise KeyboardInterrupt

    ended = SimpleNamespace(wait=lambda: 0)
    monkeypatch.setattr(flakes, "start", lambda *_: ended)
    monkeypatch.setattr(flakes, "ends_well", interrupt)
    assert flakes.main(["1", PAGE]) == 130
    assert list(short.iterdir()) == []


def test_flakes_name_a_page_that_is_not_there(short, capsys):
    assert flakes.main(["1", "pages/02_page.ipynb"]) == 2
    assert "there is no file pages/02_page.ipynb" in capsys.readouterr().err
    assert list(short.iterdir()) == []
