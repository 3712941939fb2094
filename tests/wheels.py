"""Folders that pip installs this package from, in whatever version.

They have a build backend of their own, so that pip needs no network.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig

from tools.environment import ROOT

SITE = sysconfig.get_path("purelib")  # has torch
PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "d2l-helpers"
version = "{version}"
"""
BACKEND = """
import tomllib, zipfile
from pathlib import Path

def build_wheel(target, config_settings=None, metadata_directory=None):
    text = Path("pyproject.toml").read_text("utf-8")
    version = tomllib.loads(text)["project"]["version"]
    about = f"d2l_helpers-{version}.dist-info"
    name = f"d2l_helpers-{version}-py3-none-any.whl"
    files = {f: Path(f).read_bytes() for f in map(str, Path().rglob("*"))
             if f.startswith("d2l_helpers/") and Path(f).is_file()}
    files[f"{about}/METADATA"] = (
        f"Metadata-Version: 2.1\\nName: d2l-helpers\\nVersion: {version}\\n")
    files[f"{about}/WHEEL"] = (
        "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    files[f"{about}/RECORD"] = "".join(f"{f},,\\n" for f in files)
    with zipfile.ZipFile(Path(target, name), "w") as wheel:
        for file, content in files.items():
            wheel.writestr(file, content)
    return name
"""
# Pip looks no further than the environment: torch is found when it runs.
RUN = f"import sys; sys.path.append({SITE!r})\n"


def make_project(folder, version):
    """A folder with the package, in a version, and room for chapters."""
    code = ROOT / "d2l_helpers"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(code, folder / code.name, ignore=ignored)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "chapters/zh").mkdir(parents=True)
    set_version(folder, version)
    return folder


def set_version(folder, version):
    """Let a folder have another version, also in its code."""
    (folder / "pyproject.toml").write_text(PROJECT.format(version=version))
    drawing = folder / "d2l_helpers/drawing.py"
    code = drawing.read_text("utf-8").partition("\nVERSION = ")[0]
    drawing.write_text(f'{code}\nVERSION = "{version}"\n', "utf-8")


class Environment:
    """A virtual environment that has torch, and nothing that pip knows of."""

    def __init__(self, folder):
        self.folder = folder
        command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
        subprocess.run(command, check=True)
        scripts = "Scripts" if sys.platform == "win32" else "bin"
        self.python = folder / scripts / "python"

    def pip(self, *command, cwd):
        """Run pip in it, without a network."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python)]
        return subprocess.run(
            [*pip, *command],
            cwd=cwd,
            env={
                **os.environ,
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "PIP_NO_DEPS": "1",
                "PIP_NO_INDEX": "1",
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def run(self, code, cwd, **variables):
        """What a program prints there, as a kernel in a folder would."""
        done = subprocess.run(
            [self.python, "-I", "-c", RUN + code],
            cwd=cwd,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr


def command_in(text):
    """The arguments of the pip command that a text names."""
    (found,) = re.findall(r"`(?:%|python -m )pip ([^`]+)`", unwrapped(text))
    return found.split()


def unwrapped(text):
    """A text in one line."""
    return " ".join(text.split())
