"""What `make lab` starts."""

import re
import subprocess
import sys

import pytest

import make
from nbval_strict import warm_kernels
from tools.environment import ROOT


@pytest.mark.parametrize(
    ("edition", "folder"),
    [("", "chapters"), ("en", "chapters"), ("zh", "chapters/zh")],
)
def test_make_lab_opens_the_front_page(edition, folder, monkeypatch):
    commands = []
    monkeypatch.setattr(make, "hand_over", lambda *c: commands.append(c))
    monkeypatch.setenv("EDITION", edition)
    make.lab("python", [])
    opened = re.findall(r"default_url=/lab/tree/([^']+)'", str(commands))
    assert opened == [f"{folder}/index.md"]


def test_make_lab_names_the_languages_there_are(monkeypatch, capsys):
    monkeypatch.setenv("EDITION", "xx")
    assert make.lab("python", []) == 2
    assert "There are no chapters in 'xx'" in capsys.readouterr().err


@pytest.mark.parametrize(("variable", "warm"), [("", True), ("0", False)])
def test_make_lab_forks_kernels_unless_told_otherwise(
    variable, warm, monkeypatch
):
    commands = []
    monkeypatch.setattr(make, "hand_over", lambda *c: commands.append(c))
    monkeypatch.setenv("WARM", variable)
    make.lab("python", [])
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
