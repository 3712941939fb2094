"""What can be seen on any system of how this would do on Windows."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import book, gate

MODULES = [
    ".".join(file.relative_to(book.ROOT).with_suffix("").parts)
    for folder in ("d2l_helpers", "tools")
    for file in sorted((book.ROOT / folder).rglob("*.py"))
    if file.name != "__init__.py"
]


@pytest.mark.skipif(sys.platform == "win32", reason="it is Windows")
def test_no_module_needs_what_only_unix_has():
    code = (
        "import importlib, sys, tests.windows\n"
        "for name in sys.argv[1:]: importlib.import_module(name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *MODULES],
        cwd=book.ROOT,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr


def test_checkout_with_ends_of_lines_of_windows_holds_pairs(tmp_path):
    """As some editors and tools for zip files leave it."""
    for source in book.pages("03"):
        folder = tmp_path / source.relative_to(book.ROOT).parent
        folder.mkdir(parents=True)
        for file in (source, source.with_suffix(".ipynb")):
            lines = file.read_bytes().replace(b"\n", b"\r\n")
            (folder / file.name).write_bytes(lines)
        assert list(gate.problems(folder / source.name)) == []


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
@pytest.mark.parametrize("setting", ["autocrlf=true", "eol=crlf"])
def test_git_never_writes_ends_of_lines_of_windows(tmp_path, setting):
    if not (book.ROOT / ".git").exists():
        pytest.skip("not a checkout")
    command = ["git", "-c", f"core.{setting}", "clone", "--quiet"]
    command += ["--config", f"core.{setting}", "--depth", "1"]
    subprocess.run(
        [*command, book.ROOT.as_uri(), tmp_path / "clone"], check=True
    )
    for name in ("make.py", "chapters/03_custom_layers.py", "postBuild"):
        text = (tmp_path / "clone" / name).read_bytes()
        assert b"\n" in text
        assert b"\r" not in text


def test_commands_need_no_shell():
    """None of them is a script of a shell, or names one."""
    for name in ("make.py", "tools/environment.py", "noxfile.py"):
        text = (book.ROOT / name).read_text("utf-8")
        assert not re.search(r"\bshell=|[\"']/dev/|[\"'](ba)?sh[\"']", text)
    assert not [
        file
        for file in Path(book.ROOT, "tools").iterdir()
        if file.is_file() and file.suffix not in (".py", ".md", ".pyc")
    ]
