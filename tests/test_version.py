"""The version is another one for each state of the package's code."""

import subprocess

import pytest

from tools import version
from tools.environment import ROOT

PROJECT = """\
[project]
name = "d2l-helpers"
version = "0.3.9"

[tool.d2l]
# About it.
digest = ""

[tool.hatch.build.targets.wheel]
packages = ["d2l_helpers", "other"]
"""


def git(folder, *command):
    who = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *who, *command], cwd=folder, check=True)


@pytest.fixture
def project(tmp_path):
    """A small project that is committed, with the digest of its code."""
    for name in ("d2l_helpers/check", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "d2l_helpers/check/a.py").write_text("A = 1\n")
    (tmp_path / "other/b.py").write_text("B = 1\n")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "CITATION.cff").write_text("version: 0.3.9\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## 0.3.9 (2026)\n")
    version.update(tmp_path)
    for name in version.PLACES:
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("0.3.10", "0.3.9"))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=A")
    assert version.problem(tmp_path) == ""
    return tmp_path


def test_package_has_a_version_of_its_own():
    assert version.problem(ROOT) == ""


@pytest.mark.parametrize(
    "name", ["d2l_helpers/check/a.py", "other/b.py", "other/new.mo"]
)
def test_each_change_of_the_code_asks_for_another_version(project, name):
    with (project / name).open("a") as file:
        file.write("C = 2\n")
    assert "run `python -m tools.version`" in version.problem(project)
    assert version.update(project) == "0.3.10"
    assert version.problem(project) == ""
    for other in version.PLACES:
        text = (project / other).read_text()
        assert "0.3.10" in text
        assert "0.3.9" not in text


def test_version_is_raised_once_for_each_commit(project):
    code = project / "d2l_helpers/check/a.py"
    for number in range(3):
        code.write_text(f"A = {number + 2}\n")
        assert version.update(project) == "0.3.10"
    git(project, "commit", "--quiet", "--all", "--message=B")
    assert version.update(project) == "0.3.10"  # nothing has changed
    code.write_text("A = 9\n")
    assert version.update(project) == "0.3.11"


@pytest.mark.parametrize("name", ["README.md", "d2l_helpers/check/a.po"])
def test_what_is_no_code_leaves_the_version(project, name):
    (project / name).write_text("Words.\n")
    assert version.problem(project) == ""
    assert version.update(project) == "0.3.9"


def test_line_endings_leave_the_version(project):
    (project / "other/b.py").write_bytes(b"B = 1\r\n")
    assert version.problem(project) == ""


def test_file_without_a_version_is_named(project):
    (project / "CHANGELOG.md").write_text("# Changes\n")
    (project / "other/b.py").write_text("B = 2\n")
    with pytest.raises(ValueError, match=r"CHANGELOG\.md has no version"):
        version.update(project)


def test_command_says_the_version(monkeypatch, capsys):
    monkeypatch.setattr(version, "update", lambda: "0.3.10")
    assert version.main([]) == 0
    assert capsys.readouterr().out == "The version is 0.3.10\n"
    assert version.main(["what"]) == 2


def test_command_tells_what_is_missing(monkeypatch, capsys):
    def update():
        raise ValueError("CHANGELOG.md has no version: write one there")

    monkeypatch.setattr(version, "update", update)
    assert version.main([]) == 2
    assert "CHANGELOG.md has no version" in capsys.readouterr().err
