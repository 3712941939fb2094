"""What `make lab` starts."""

import json
import re
import subprocess
import sys

import pytest

import make
from nbval_strict import warm_kernels
from tests import copies
from tools.environment import ROOT


@pytest.fixture
def commands(monkeypatch):
    """What is run at last."""
    commands = []
    monkeypatch.setattr(make, "hand_over", lambda *c: commands.append(c))
    return commands


@pytest.mark.parametrize(
    ("edition", "folder"),
    [("", "workbook"), ("en", "workbook"), ("zh", "workbook/zh")],
)
def test_make_lab_opens_the_front_page_of_the_workbook(
    edition, folder, commands, tmp_path, monkeypatch
):
    copies.of_book(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDITION", edition)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    make.lab(sys.executable, [])
    opened = re.findall(r"default_url=/lab/tree/([^']+)'", str(commands))
    assert opened == [f"{folder}/index.ipynb"]
    page = json.loads((tmp_path / opened[0]).read_text("utf-8"))
    first, title, *_ = page["cells"]
    assert first["source"].endswith("d2l_reader.start()")
    # It shows the progress before anybody runs it.
    html = "".join(first["outputs"][0]["data"]["text/html"])
    assert 'href="03_custom_layers.ipynb#cell-id=exercise-3-1"' in html
    assert title["source"].startswith("# ")
    assert (tmp_path / folder / "03_custom_layers.ipynb").is_file()


@pytest.mark.parametrize(
    ("edition", "folder"),
    [("", "chapters"), ("en", "chapters"), ("zh", "chapters/zh")],
)
def test_make_edit_opens_the_chapters(edition, folder, commands, monkeypatch):
    monkeypatch.setenv("EDITION", edition)
    make.edit("python", [])
    opened = re.findall(r"default_url=/lab/tree/([^']+)'", str(commands))
    assert opened == [f"{folder}/index.md"]


@pytest.mark.parametrize("command", [make.lab, make.edit])
def test_language_that_is_not_there_is_refused(
    command, commands, monkeypatch, capfd
):
    monkeypatch.setenv("EDITION", "xx")
    assert command(sys.executable, []) == 2
    assert "There are no chapters in 'xx'" in capfd.readouterr().err
    assert commands == []


@pytest.mark.parametrize(("variable", "warm"), [("", True), ("0", False)])
def test_make_lab_forks_kernels_unless_told_otherwise(
    variable, warm, commands, monkeypatch
):
    monkeypatch.setenv("WARM", variable)
    make.jupyterlab("python", "page", [])
    settings = re.findall(r"--config=([^' ]+)", str(commands))
    assert settings == ["tools/lab/warm.py"] * warm
    for file in settings:
        code = (
            "import runpy; runpy.run_path({!r})\n"
            "from jupyter_client.provisioning import KernelProvisionerFactory"
            "\nfactory = KernelProvisionerFactory.instance()\n"
            "print(factory.default_provisioner_name)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code.format(file)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.stdout.splitlines()[-1] == warm_kernels.NAME
