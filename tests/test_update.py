"""A package that is too old for a page says so, with what to run."""

import json
import re
import subprocess
import sys

import pytest

import d2l_helpers
from d2l_helpers import check
from d2l_helpers.check import _update
from tests.wheels import (
    PROJECT,
    Environment,
    command_in,
    make_project,
    set_version,
    unwrapped,
)

OLD, NEW = "0.2.9", "0.2.10"  # not in the order of their letters


# With real environments, into which pip installs real wheels

CHECK = """
import os
from d2l_helpers import check, drawing
print(drawing.VERSION)
for language in ("en", "zh"):
    os.environ["D2L_LANGUAGE"] = language
    print(check.dropout(...))
"""


def test_old_package_names_the_command_that_updates_it(tmp_path):
    old = make_project(tmp_path / "old", OLD)
    page = make_project(tmp_path / "the new", NEW) / "chapters"
    environment = Environment(tmp_path / "venv")
    environment.pip("install", str(old), cwd=tmp_path)
    said = unwrapped(environment.run(CHECK, page))
    assert said.startswith(OLD)
    english, chinese = said.split("○")[1:]
    assert f"needs version {NEW} of `d2l_helpers`, and you have" in english
    assert "重启内核" in chinese
    assert command_in(english) == command_in(chinese)
    environment.pip(*command_in(english), cwd=page)
    said = unwrapped(environment.run(CHECK, page))
    assert said.startswith(NEW)
    assert said.count("○") == 2
    assert "pip" not in said


def test_hub_has_another_version_after_each_change(tmp_path):
    page = make_project(tmp_path / "new", NEW) / "chapters"
    source = make_project(tmp_path / "source", OLD)

    def commit():
        who = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
        for command in (["add", "."], ["commit", "-qm", "A"]):
            subprocess.run(["git", *who, *command], cwd=source, check=True)

    subprocess.run(["git", "init", "-qb", "main"], cwd=source, check=True)
    commit()
    address = f"git+{source.as_uri()}@main"
    environment = Environment(tmp_path / "venv")
    environment.pip("install", address, cwd=tmp_path)
    with (source / "d2l_helpers/drawing.py").open("a") as file:
        file.write("# The same version.\n")
    commit()
    said = environment.pip("install", address, cwd=tmp_path)
    assert "Successfully" not in said  # so the version has to change
    set_version(source, NEW)
    commit()
    said = unwrapped(environment.run(CHECK, page, JUPYTERHUB_USER="ada"))
    english, _ = said.split("○")[1:]
    assert f"the hub has {OLD}: tell your teacher, who updates it" in english
    assert command_in(english) == ["install", "--upgrade", address]
    environment.pip("install", "--upgrade", address, cwd=tmp_path)
    said = environment.run(CHECK, page, JUPYTERHUB_USER="ada")
    assert said.startswith(NEW)
    assert "pip" not in said


# What is said where


@pytest.fixture
def old_package(monkeypatch, tmp_path):
    """The package, as if an older one were installed; no page is near."""
    for name in ("JPY_SESSION_NAME", "JUPYTERHUB_USER", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("D2L_LANGUAGE", "en")
    monkeypatch.setattr(_update, "HERE", tmp_path / "elsewhere")
    monkeypatch.setattr(_update, "_installed", lambda: OLD)
    monkeypatch.setattr(_update, "_origin", lambda: "")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def page(old_package, monkeypatch, tmp_path):
    """The folder of pages that need a newer one."""
    folder = tmp_path / "my course/chapters/zh"
    folder.mkdir(parents=True)
    project = PROJECT.format(version=NEW)
    (tmp_path / "my course/pyproject.toml").write_text(project)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("page")
def test_report_says_it_whatever_the_answer_is():
    for answer in (..., 3):
        report = check.dropout(answer)
        assert command_in(report.details["update"]) == [
            "install",
            "--upgrade",
            "../..",
        ]
        assert "**Update:** This page needs" in report.as_markdown("en")
        assert "**更新**：" in report.as_markdown("zh")


@pytest.mark.usefixtures("old_package")
def test_nothing_is_said_where_no_page_needs_more(monkeypatch, tmp_path):
    assert _update.update() == ""
    for version in (OLD, "0.2.8", "0.1.99", "0.2"):
        project = PROJECT.format(version=version)
        (tmp_path / "pyproject.toml").write_text(project)
        assert _update.update() == ""
    project = PROJECT.format(version="1.0.0")
    (tmp_path / "pyproject.toml").write_text(project)
    assert _update.update() != ""
    monkeypatch.setattr(_update, "HERE", tmp_path.resolve())
    assert _update.update() == ""  # it is the one of this folder
    assert "update" not in check.dropout(...).details


@pytest.mark.usefixtures("page")
def test_what_an_old_package_lacks_names_the_command():
    with pytest.raises(AttributeError, match="run `%pip install --up"):
        _ = check.new_one
    with pytest.raises(ImportError, match="run `%pip install --up"):
        from d2l_helpers import draw_new  # noqa: F401
    assert not hasattr(check, "_odd")


def test_private_name_is_in_no_newer_package_either(monkeypatch):
    monkeypatch.setitem(sys.modules, _update.__name__, None)  # not asked
    with pytest.raises(AttributeError) as told:
        _ = d2l_helpers._odd
    assert str(told.value) == "module 'd2l_helpers' has no attribute '_odd'"


def test_what_no_version_has_is_an_ordinary_error():
    with pytest.raises(AttributeError) as told:
        _ = check.new_one
    assert str(told.value).endswith("has no attribute 'new_one'")
    assert not hasattr(d2l_helpers, "draw_new")


def test_hub_without_an_address_is_for_the_teacher(page, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    said = _update.update()
    assert said.endswith(f"the hub has {OLD}: tell your teacher.")


def test_environment_of_the_folder_is_set_up_anew(page, monkeypatch):
    root = page.parents[1]
    monkeypatch.setattr(sys, "prefix", str(root / ".venv"))
    said = _update.update()
    assert re.search(r"run `(make|python make\.py) setup` in a terminal", said)
    assert f"in the folder `{root}`" in said


@pytest.mark.usefixtures("old_package")
def test_downloaded_page_says_what_it_needs(monkeypatch, tmp_path):
    source = "git+https://github.com/owner/name@main"
    file = tmp_path / "03_custom_layers.ipynb"
    about = {"needs": NEW, "from": source}
    file.write_text(json.dumps({"metadata": {"d2l": about}}))
    assert _update.update() == ""  # nobody names the page
    monkeypatch.setenv("JPY_SESSION_NAME", f"/somewhere/{file.name}")
    said = _update.update()
    assert command_in(said) == ["install", "--upgrade", source]
    del about["from"]
    file.write_text(json.dumps({"metadata": {"d2l": about}}))
    assert "install it anew, from where you have it" in _update.update()


@pytest.mark.usefixtures("old_package")
@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"metadata": {"d2l": {"needs": "x"}}}']
)
def test_odd_page_is_no_reason_to_complain(monkeypatch, tmp_path, text):
    (tmp_path / "a.ipynb").write_text(text)
    monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")
    assert _update.update() == ""


@pytest.mark.usefixtures("old_package")
@pytest.mark.parametrize("text", ["", "\xff", 'name = "d2l-helpers"', "[["])
def test_odd_folder_is_no_reason_to_complain(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text, "latin-1")
    assert _update.update() == ""
