"""A hub for a class: what its files say, and what `make hub` refuses."""

import json
import os
import re
import runpy
import socket
import subprocess
import sys
import tempfile
import tomllib
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from jupyter_client.manager import KernelManager
from jupyterlab_server import settings_utils
from traitlets.config.loader import PyFileConfigLoader

from tools import hub
from tools.course import NAME
from tools.environment import ROOT

DEPLOY = ROOT / "deploy"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
    "project"
]["optional-dependencies"]


@pytest.fixture
def install():
    return runpy.run_path(str(DEPLOY / "install.py"))


def test_environment_of_a_class_is_pinned_and_leads_nowhere_back(install):
    torch, packages, d2l = install["commands"]()
    index = torch.index("--index-url")
    assert torch[index + 1] == "https://download.pytorch.org/whl/cpu"
    for command in (torch, packages):
        pinned = command.index("--constraint")
        assert command[pinned + 1] == str(ROOT / "constraints.txt")
        assert "--editable" not in command
    assert packages[-2:] == [f"{ROOT}[class,d2l]", f"{ROOT / 'nbval_strict'}"]
    assert d2l[1:] == ["-m", "d2l_helpers.d2l_package"]


@pytest.mark.parametrize(
    ("torch", "index"),
    [
        ("cu130", "https://download.pytorch.org/whl/cu130"),
        ("https://mirror.example.edu/cpu", "https://mirror.example.edu/cpu"),
        ("pip", None),
    ],
)
def test_torch_is_from_the_index_that_is_named(install, torch, index):
    command = install["commands"](torch)[0]
    assert command[-1] == "torch"
    assert (index in command) if index else ("--index-url" not in command)


def test_jupytext_is_never_on_a_hub():
    """It shows the cells of a newer .py file in the place of answers."""
    assert not [one for one in EXTRAS["class"] if one.startswith("jupytext")]
    text = (DEPLOY / "jupyter_server_config.py").read_text("utf-8")
    assert '"jupytext": False' in text
    assert '"jupyterlab_jupytext": False' in text


def test_settings_of_jupyterlab_are_those_of_make_lab(install, tmp_path):
    install["install_settings"](tmp_path)
    copy = tmp_path / "share/jupyter/lab/settings/overrides.d/d2l.json"
    assert copy.read_text() == (ROOT / "tools/lab/overrides.json").read_text()
    # All that is copied, and where Jupyter looks for it.
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")}
    assert files == {
        "share/jupyter/lab/settings/overrides.d",
        "share/jupyter/lab/settings/overrides.d/d2l.json",
        "etc/jupyter/jupyter_server_config.py",
        "share/d2l-helpers/settings.json",
    }
    # And no second copy in the repository.
    assert list(ROOT.glob("[!_.]*/**/overrides.json")) == [
        ROOT / "tools/lab/overrides.json"
    ]


def test_own_settings_of_a_hub_are_never_replaced(
    install, tmp_path, monkeypatch
):
    """Those of whoever looks after it; they are told how both are read."""
    monkeypatch.setenv("WARM", "0")
    theirs = tmp_path / "etc/jupyter/jupyter_server_config.py"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("c.ServerApp.max_body_size = 7\n")
    with pytest.raises(install["OwnSettingsError"]) as told:
        install["install_settings"](tmp_path)
    assert str(theirs) in str(told.value)
    assert theirs.read_text() == "c.ServerApp.max_body_size = 7\n"
    # The remedy, as it is told.
    (line,) = re.findall(r"^    (\S.*)$", str(told.value), re.M)
    theirs.write_text(f"{line}\n{theirs.read_text()}")
    for _ in range(2):  # an update, too
        install["install_settings"](tmp_path)
        assert theirs.read_text() == f"{line}\nc.ServerApp.max_body_size = 7\n"
    read = PyFileConfigLoader(theirs.name, str(theirs.parent)).load_config()
    assert read.ServerApp.max_body_size == 7
    assert read.ServerApp.jpserver_extensions["jupytext"] is False
    assert read.MappingKernelManager.cull_idle_timeout == 3600


def test_own_settings_of_jupyterlab_stay_beside_ours(install, tmp_path):
    folder = tmp_path / "share/jupyter/lab/settings"
    folder.mkdir(parents=True)
    manager = "@jupyterlab/docmanager-extension:plugin"
    theirs = {manager: {"autosave": False}, "@theirs:plugin": {"a": 1}}
    (folder / "overrides.json").write_text(json.dumps(theirs))
    install["install_settings"](tmp_path)
    assert json.loads((folder / "overrides.json").read_text()) == theirs
    # As JupyterLab reads them.
    both, error = settings_utils._get_overrides(str(folder))
    assert not error
    assert both["@theirs:plugin"] == {"a": 1}
    assert both[manager]["autosave"] is False
    assert both[manager]["defaultViewers"] == {"markdown": "Markdown Preview"}


def test_update_replaces_our_settings_unless_somebody_changed_them(
    install, tmp_path
):
    ours = tmp_path / "etc/jupyter/jupyter_server_config.py"
    new = ours.parent / "new"
    install["install_settings"](tmp_path)
    # What an older version wrote, and nobody has changed.
    ours.write_text("# older\n")
    install["note"](tmp_path, {ours.name: install["digest"](ours)})
    install["install_settings"](tmp_path)
    assert ours.read_bytes() == (DEPLOY / ours.name).read_bytes()
    ours.write_text(f"{ours.read_text()}\nc.ServerApp.max_body_size = 7\n")
    before = ours.read_bytes()
    with pytest.raises(install["OwnSettingsError"], match="move it away"):
        install["install_settings"](tmp_path)
    assert ours.read_bytes() == before
    ours.rename(new)
    install["install_settings"](tmp_path)
    assert ours.read_bytes() == (DEPLOY / ours.name).read_bytes()


SERVER = "etc/jupyter/jupyter_server_config.py"
BESIDE = "etc/jupyter/d2l_server_config.py"
OVERRIDES = "share/jupyter/lab/settings/overrides.d/d2l.json"
NOTES = "share/d2l-helpers/settings.json"
LINE = 'load_subconfig("d2l_server_config.py")'


@pytest.mark.parametrize("place", [SERVER, BESIDE, OVERRIDES])
@pytest.mark.parametrize(
    "kind", ["file", "empty", "link", "dangling", "folder", "edited"]
)
def test_what_is_not_ours_stays_and_can_be_moved_away(
    install, tmp_path, place, kind
):
    prefix, outside = tmp_path / "prefix", tmp_path / "outside"
    file = prefix / place
    file.parent.mkdir(parents=True)
    if place == BESIDE:
        (prefix / SERVER).write_text(LINE)
    if kind == "edited":
        install["install_settings"](prefix)
        file.write_text(f"{file.read_text()}\n")
    elif kind in ("file", "empty"):
        file.write_text("{}" if kind == "file" else "")
    elif kind == "folder":
        file.mkdir()
    else:
        if kind == "link":
            outside.write_text("theirs")
        file.symlink_to(outside)
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(install["OwnSettingsError"], match="it away") as told:
        install["install_settings"](prefix)
    assert str(file) in str(told.value)
    assert file.is_symlink() == (kind in ("link", "dangling"))
    assert file.is_dir() == (kind == "folder")
    if before is not None:
        assert file.read_bytes() == before
    file.rename(tmp_path / "away")
    install["install_settings"](prefix)
    assert file.is_file()
    assert outside.exists() == (kind == "link")


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        (LINE, True),
        (f"\ufeff{LINE}\n", True),
        (f'"""Ours."""\nfrom __future__ import annotations\n{LINE}', True),
        ("load_subconfig('d2l_server_config.py')  # ours", True),
        (f'"""\n{LINE}\n"""', False),
        (f"if False:\n    {LINE}", False),
        (f"# {LINE}", False),
        (f"{LINE}\n(", False),
    ],
)
def test_line_that_reads_ours_is_one_that_is_run(
    install, tmp_path, text, reads
):
    file = tmp_path / SERVER
    file.parent.mkdir(parents=True)
    file.write_text(text, "utf-8")
    if not reads:
        with pytest.raises(install["OwnSettingsError"], match="first line"):
            install["install_settings"](tmp_path)
    else:
        install["install_settings"](tmp_path)
        assert (tmp_path / BESIDE).is_file()
    assert file.read_text("utf-8") == text


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"a": 1}', "\xff"])
def test_odd_notes_are_none(install, tmp_path, text):
    install["install_settings"](tmp_path)
    (tmp_path / NOTES).write_text(text, "latin-1")
    install["install_settings"](tmp_path)  # what is there is the newest
    (tmp_path / NOTES).write_text(text, "latin-1")
    (tmp_path / SERVER).write_text("# older")
    with pytest.raises(install["OwnSettingsError"]):
        install["install_settings"](tmp_path)


def test_copy_of_our_settings_that_shares_their_file_stays(install, tmp_path):
    install["install_settings"](tmp_path)
    older = tmp_path / SERVER
    older.write_text("# older")
    install["note"](tmp_path, {older.name: install["digest"](older)})
    os.link(older, tmp_path / "kept")
    install["install_settings"](tmp_path)
    assert older.read_text() != "# older"
    assert (tmp_path / "kept").read_text() == "# older"


def test_folder_that_cannot_be_made_is_said(install, tmp_path, monkeypatch):
    (tmp_path / "etc").write_text("")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["install.py"])
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    with pytest.raises(SystemExit, match=r"isn't complete: .*etc"):
        install["main"]()


def test_own_settings_are_seen_before_anything_is_installed(
    install, tmp_path, monkeypatch
):
    theirs = tmp_path / "etc/jupyter/jupyter_server_config.py"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("c.ServerApp.max_body_size = 7\n")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["install.py"])
    ran = []
    monkeypatch.setattr(subprocess, "run", lambda *a, **_: ran.append(a))
    with pytest.raises(SystemExit, match="load_subconfig"):
        install["main"]()
    assert ran == []


def settings_of_a_server(cwd, **more):
    """What a server prints, what it is set up with, and where its files are.

    By what is installed alone: the checkout isn't there.
    """
    code = (
        "import json, os, sys\n"
        "from traitlets.config import Config\n"
        "c = Config()\n"
        "exec(open(sys.argv[1]).read(), {'get_config': lambda: c})\n"
        "print(json.dumps(c))\n"
        "print(os.environ.get('JUPYTER_RUNTIME_DIR', ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, DEPLOY / "jupyter_server_config.py"],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        capture_output=True,
        text=True,
        check=True,
    )
    kernels, settings, files = done.stdout.split("\n")[:3]
    return kernels, json.loads(settings), files


@pytest.mark.parametrize("warm", ["", "0"])
def test_settings_of_a_students_server_are_read(warm, tmp_path):
    kernels, settings, _ = settings_of_a_server(tmp_path, WARM=warm)
    assert ("ordinary" in kernels) == (warm == "0")
    assert settings["MappingKernelManager"]["cull_idle_timeout"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no JupyterHub")
def test_servers_of_a_machine_share_no_ports(tmp_path):
    """Two kernels that found the same port free at once: one died for good."""
    with tempfile.TemporaryDirectory(prefix="t") as short:
        _, settings, files = settings_of_a_server(
            tmp_path, WARM="0", TMPDIR=short
        )
        assert settings["KernelManager"] == {"transport": "ipc"}
        assert os.path.dirname(files) == short
        assert not os.listdir(short)
    long = tmp_path / ("x" * 60)
    long.mkdir()
    _, settings, _ = settings_of_a_server(
        tmp_path, WARM="0", TMPDIR=str(long), JUPYTER_RUNTIME_DIR=""
    )
    assert "KernelManager" not in settings
    assert not os.listdir(long)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no JupyterHub")
def test_socket_fits_into_the_longest_folder(tmp_path):
    """Of the longest name that a kernel has, after it was started again."""
    source = (DEPLOY / "jupyter_server_config.py").read_text("utf-8")
    (rest,) = re.findall(r"<= 107 - (\d+)", source)
    kernel = KernelManager(transport="ipc")
    kernel.connection_file = str(tmp_path / f"kernel-{uuid.uuid4()}.json")
    name = os.path.basename(f"{kernel.ip}-99")
    assert len(f"/{name}") <= int(rest)


def test_proxy_is_locked():
    package = json.loads((DEPLOY / "package.json").read_text("utf-8"))
    lock = json.loads((DEPLOY / "package-lock.json").read_text("utf-8"))
    assert lock["packages"][""]["dependencies"] == package["dependencies"]
    for name, locked in lock["packages"].items():
        assert name == "" or locked["integrity"], name
        # From the registry that npm is set to.
        assert "resolved" not in locked


@pytest.mark.parametrize(
    ("edition", "page"), [("en", "start.ipynb"), ("zh", "start.zh.ipynb")]
)
def test_link_brings_a_branch_and_opens_its_first_page(edition, page):
    assert (ROOT / page).is_file()
    link = urlsplit(hub.link(8010, "file:///a b/c", "x/y", edition))
    assert link.path == "/hub/user-redirect/git-pull"
    asked = parse_qs(link.query)
    assert asked["repo"] == ["file:///a b/c"]
    assert asked["branch"] == ["x/y"]
    assert asked["targetpath"] == [NAME]
    assert asked["urlpath"] == [f"lab/tree/{NAME}/{page}"]
    # A repository knows its own branch.
    assert "branch" not in hub.link(8010, "file:///c", "", "en")


@pytest.mark.parametrize("port", ["x", "80", "70000", "-1", ""])
def test_port_that_is_none_is_refused(port):
    with pytest.raises(LookupError, match="isn't a port"):
        hub.read_port(port)


def run_hub(**settings):
    """What `make hub` does with settings that it refuses."""
    return subprocess.run(
        [sys.executable, "-m", "tools.hub"],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no JupyterHub")
def test_taken_port_is_named_with_what_to_do(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run_hub(PORT=port, HUB=str(tmp_path / "hub"), REPO="x")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"Port {port} is taken, perhaps by another hub. Stop that, or name "
        "another port: make hub PORT=8010"
    ]
    assert not (tmp_path / "hub").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no JupyterHub")
def test_second_hub_in_a_folder_is_refused(tmp_path):
    with hub.only_one(tmp_path):
        done = run_hub(
            PORT=str(hub.free_port()), HUB=str(tmp_path), REPO="x", BRANCH="y"
        )
    assert done.returncode == 2
    assert "already. Stop it, or give this one another folder" in done.stderr


def test_unknown_edition_is_named():
    done = run_hub(PORT=str(hub.free_port()), EDITION="xx", REPO="x")
    assert done.returncode == 2
    assert "There are no chapters in 'xx'" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no JupyterHub")
def test_all_that_was_started_ends_also_if_its_parent_has_ended():
    """A child starts another one, and ends; that one listens to no signal."""
    child = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(flush=True); time.sleep(60)"
    )
    code = (
        "import subprocess, sys\n"
        "from tools import hub\n"
        "with hub.ends_with_this_process() as temporary:\n"
        "    parent = subprocess.Popen([sys.executable, '-c', 'import sys, "
        'subprocess; print(subprocess.Popen([sys.executable, "-c", '
        "sys.argv[1]]).pid, flush=True)', sys.argv[1]])\n"
        "    parent.wait()\n"
        "    print(temporary)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, child],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    pid, temporary = done.stdout.split()
    assert done.returncode == 0
    assert not Path("/proc", pid).exists()
    assert not Path(temporary).exists()
