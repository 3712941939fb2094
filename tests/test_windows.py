"""What can be seen on any system of how this would do on Windows."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tools import gate
from tools.environment import ROOT
from tools.page import CHAPTERS, pages

MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for folder in ("d2l_helpers", "tools")
    for file in sorted((ROOT / folder).rglob("*.py"))
    if file.name != "__init__.py"
]


@pytest.mark.skipif(sys.platform == "win32", reason="it is Windows")
def test_no_module_needs_what_only_unix_has():
    code = (
        "import importlib, sys, tests.windows\n"
        "for name in sys.argv[1:]:\n"
        "    try: importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        if error.name != 'nbgrader': raise  # an extra's\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *MODULES],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr


def test_checkout_with_ends_of_lines_of_windows_holds_pairs(tmp_path):
    """As some editors and tools for zip files leave it."""
    for page in pages("03"):
        copy = replace(page, root=tmp_path / CHAPTERS.name)
        copy.folder.mkdir(parents=True)
        for file in (page.source, page.notebook):
            lines = file.read_bytes().replace(b"\n", b"\r\n")
            (copy.folder / file.name).write_bytes(lines)
        assert list(gate.problems(copy)) == []


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
@pytest.mark.parametrize("setting", ["autocrlf=true", "eol=crlf"])
def test_git_never_writes_ends_of_lines_of_windows(tmp_path, setting):
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    command = ["git", "-c", f"core.{setting}", "clone", "--quiet"]
    command += ["--config", f"core.{setting}", "--depth", "1"]
    subprocess.run([*command, ROOT.as_uri(), tmp_path / "clone"], check=True)
    for name in (
        "make.py",
        "chapters/03_custom_layers.py",
        "binder/postBuild",
    ):
        text = (tmp_path / "clone" / name).read_bytes()
        assert b"\n" in text
        assert b"\r" not in text


def test_commands_need_no_shell():
    """None of them is a script of a shell, or names one."""
    for name in ("make.py", "tools/environment.py", "noxfile.py"):
        text = (ROOT / name).read_text("utf-8")
        assert not re.search(r"\bshell=|[\"']/dev/|[\"'](ba)?sh[\"']", text)
    assert not [
        file
        for file in Path(ROOT, "tools").iterdir()
        if file.is_file() and file.suffix not in (".py", ".md", ".pyc")
    ]
