"""What `make lab` starts."""

import re
import subprocess
import sys

import pytest

import make
from nbval_strict import warm_kernels
from tools.environment import ROOT


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
