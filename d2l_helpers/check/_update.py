"""What to run where pages are newer than the checks that they call.

Pages say which version they need: the ``pyproject.toml`` of the folder that
they stand in or, for one that was downloaded, the notebook's own metadata.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from importlib import metadata
from pathlib import Path

from ._language import say
from ._phrase import Phrase

NAME = "d2l-helpers"
PROJECT = re.compile(rf'^name = "{NAME}"\nversion = "([\d.]+)"', re.MULTILINE)
HERE = Path(__file__).resolve().parents[2]  # with the package that is imported


def update() -> str:
    """What to do if the checks are too old for the page; "" if they aren't."""
    try:
        root = _root()
        if root == HERE:  # its own pages
            return ""
        needed, source = _needed(root)
        old = _installed() if needed else ""
        if not old or _parts(old) >= _parts(needed):
            return ""
        return _remedy(root, source, old, needed)
    except Exception:  # whatever lies around: it isn't what was asked
        return ""


def missing(
    module: str, name: str, kind: type[Exception] = AttributeError
) -> Exception:
    """What to raise where a module hasn't what a page asks for.

    Args:
        module (str): its name.
        name (str): what it hasn't.
        kind (type): of the error, if a newer version may have it.
    """
    text = f"module {module!r} has no attribute {name!r}"
    remedy = "" if name.startswith("_") else update()
    if not remedy:
        return AttributeError(text)
    return kind(f"{text}. {say(remedy)}")


def _root() -> Path | None:
    """The folder around the notebook that has a version of this package."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if _version_in(folder):
            return folder.resolve()
    return None


def _version_in(folder: Path) -> str:
    file = folder / "pyproject.toml"
    found = PROJECT.search(file.read_text("utf-8")) if file.is_file() else None
    return found[1] if found else ""


def _needed(root: Path | None) -> tuple[str, str]:
    """The version that the page needs, and what pip can install it from."""
    if root:
        return _version_in(root), ""
    # JupyterLab names the notebook to the kernel, which starts beside it.
    name = os.path.basename(os.environ.get("JPY_SESSION_NAME", ""))
    page = Path.cwd() / name
    if not name.endswith(".ipynb") or not page.is_file():
        return "", ""
    about = json.loads(page.read_text("utf-8"))["metadata"].get("d2l", {})
    return about.get("needs", ""), about.get("from", "")


def _installed() -> str:
    return _version_in(HERE) or metadata.version(NAME)


def _origin() -> str:
    """What pip has installed the package from, if a host of git has it."""
    noted = metadata.distribution(NAME).read_text("direct_url.json")
    about = json.loads(noted or "{}")
    if "vcs_info" not in about:
        return ""
    branch = about["vcs_info"].get("requested_revision", "")
    # A commit stays what it is.
    named = f"@{branch}" if branch and len(branch) < 40 else ""
    return f"git+{about['url']}{named}"


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _remedy(root: Path | None, source: str, old: str, needed: str) -> str:
    versions = {"old": old, "needed": needed}
    if "JUPYTERHUB_USER" in os.environ:
        if not (source := _origin() or source):
            return Phrase(
                "This page needs version {needed} of `d2l_helpers`, and the "
                "hub has {old}: tell your teacher.",
                **versions,
            )
        return Phrase(
            "This page needs version {needed} of `d2l_helpers`, and the hub "
            "has {old}: tell your teacher, who updates it there with "
            "{command}",
            **versions,
            command=f"`python -m pip install --upgrade {source}`",
        )
    if root and Path(sys.prefix) in (
        root / ".venv",
        Path(os.environ.get("CONDA_PREFIX", root / ".venv")),
    ):
        made = "`python make.py setup`"
        if shutil.which("make"):
            made = "`make setup`"
        return Phrase(
            "This page needs version {needed} of `d2l_helpers`, and you have "
            "{old}: run {command} in a terminal, in the folder {folder}, and "
            "restart the kernel.",
            **versions,
            command=made,
            folder=f"`{root}`",
        )
    place = shlex.quote(os.path.relpath(root)) if root else ""
    if not (source := place or source or _origin()):
        return Phrase(
            "This page needs version {needed} of `d2l_helpers`, and you have "
            "{old}: install it anew, from where you have it.",
            **versions,
        )
    return Phrase(
        "This page needs version {needed} of `d2l_helpers`, and you have "
        "{old}: run {command} in a cell, and restart the kernel.",
        **versions,
        command=f"`%pip install --upgrade {source}`",
    )
