"""`make setup` and `make clean`: they lose nothing, and say what to do.

Setup runs in a small copy of the checkout, as a user's command does, with
stand-ins for pip, uv and ensurepip that write down how they were called.
"""

import ast
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import make
from tests.sites import contents
from tools import environment
from tools.folders import remember

COPIED = [
    "Makefile",
    "constraints.txt",
    "make.py",
    "pyproject.toml",
    "tools/__init__.py",
    "tools/environment.py",
    "tools/folders.py",
    "tools/handed_out.py",
]
# They stand before the standard library, in each Python that is started.
STAND_INS = {
    # Gives the environment a pip that only says that it is there.
    "ensurepip/__init__.py": "",
    "ensurepip/__main__.py": """
        import os, pathlib, sysconfig
        pip = pathlib.Path(sysconfig.get_path("purelib"), "pip")
        folder = pathlib.Path(os.environ["CALLS"]).parent
        assert folder in pip.resolve().parents
        pip.mkdir()
        (pip / "__init__.py").touch()
    """,
    # Installs what it is told by writing its name.
    "pip/__init__.py": "",
    "pip/__main__.py": """
        import json, os, pathlib, sys, sysconfig
        calls = pathlib.Path(os.environ["CALLS"])
        if sys.argv[1:] == ["config", "list"]:
            print(os.environ.get("SETTINGS", ""))
            sys.exit()
        with open(calls, "a") as file:
            print("pip", *sys.argv[1:], file=file)
        for i in range(200):
            print(f"Collecting package-{i}")
        print("  Downloading torch-2.13.0-cp311.whl (899.7 MB)")
        print("Installing collected packages:", ", ".join(["some"] * 12))
        site = pathlib.Path(sysconfig.get_path("purelib"))
        assert calls.parent in site.resolve().parents
        def put(name, version, url=None):
            folder = site / f"{name}-{version}.dist-info"
            folder.mkdir(exist_ok=True)
            (folder / "METADATA").write_text(
                f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}")
            if url:
                (folder / "direct_url.json").write_text(
                    json.dumps({"url": url}))
        if os.environ.get("FAILS", "nothing") in " ".join(sys.argv):
            put("numpy", "2.4")
            print("Collecting noise")
            print("ERROR: No space left on device")
            print("the cause")
            sys.exit(1)
        if "--editable" in sys.argv:
            put("d2l_helpers", "0.1.0", pathlib.Path.cwd().as_uri())
            kernel = pathlib.Path(sys.prefix, "share/jupyter/kernels/python3")
            kernel.mkdir(parents=True, exist_ok=True)
            if not (kernel / "kernel.json").exists():
                (kernel / "kernel.json").write_text('{"argv": ["python"]}')
        put("torch", "2.13.0+cpu")
    """,
    "ipykernel.py": """
        import json, pathlib, sys, tempfile
        tempfile.mkdtemp(suffix="_kernels")  # which the real one leaves too
        kernel = pathlib.Path(sys.prefix, "share/jupyter/kernels/python3")
        spec = {"argv": [sys.executable], "of": sys.argv[1:]}
        (kernel / "kernel.json").write_text(json.dumps(spec))
    """,
    "d2l_helpers/__init__.py": "",
    "d2l_helpers/d2l_package.py": "",
    "shown.py": "import sys; print('shown', *sys.argv[1:])",
}
# uv does what pip does, and writes down what it was told.
UV = """\
#!{python}
import os, subprocess, sys
with open(os.environ["CALLS"], "a") as file:
    print("uv", *sys.argv[1:], file=file)
    for name in sorted(os.environ):
        if name.startswith("UV_") or name == "SSL_CERT_FILE":
            print(name, os.environ[name], file=file)
if os.environ.get("UV_BREAKS"):
    sys.exit("error: TLS handshake")
python = sys.argv[sys.argv.index("--python") + 1]
subprocess.run([python, "-m", "pip", "install", *sys.argv[5:]], check=True)
"""


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")


class Checkout:
    """A copy of what setup needs, and a user who runs it there."""

    def __init__(self, folder):
        self.folder = folder / "Ein Ort für 书"
        self.calls = folder / "calls"
        self.stand_ins = folder / "stand-ins"
        self.path = folder / "bin"  # without make, sh and all else
        self.path.mkdir()
        for name in COPIED:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(environment.ROOT / name, self.folder / name)
        write(self.stand_ins, STAND_INS)
        self.venv = self.folder / ".venv"

    def run(self, *arguments, start=("make.py",), **variables):
        """Run make.py; return its status and all that it said."""
        self.calls.unlink(missing_ok=True)
        environ = {
            "CALLS": str(self.calls),
            "PATH": str(self.path),
            "PYTHONPATH": str(self.stand_ins),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
            **{k: v for k, v in os.environ.items() if k == "SYSTEMROOT"},
            **variables,
        }
        done = subprocess.run(
            [sys.executable, *start, *arguments],
            cwd=self.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        return done.returncode, done.stdout

    def called(self):
        """The commands of pip and uv in the last run."""
        if not self.calls.exists():
            return []
        return self.calls.read_text("utf-8").splitlines()

    def bare(self, folder):
        """An environment without pip, as uv makes it, with a user's file."""
        command = [sys.executable, "-m", "venv", "--without-pip", folder]
        subprocess.run(command, check=True)
        (folder / "mine.txt").write_text("mine")

    def with_uv(self):
        uv = self.path / "uv"
        uv.write_text(UV.format(python=sys.executable))
        uv.chmod(uv.stat().st_mode | stat.S_IEXEC)


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


EDITABLE = "--editable .[d2l,lab,dev,site]"
CPU = "https://download.pytorch.org/whl/cpu"
TESTED = "pip install --constraint constraints.txt "


def test_setup_needs_python_alone_and_is_done_once(checkout):
    status, said = checkout.run("setup")
    assert status == 0, said
    assert checkout.called() == [TESTED + EDITABLE]
    status, said = checkout.run("setup")
    assert (status, said) == (0, "")
    assert checkout.called() == []


def test_setup_is_quiet_and_keeps_a_log(checkout):
    _, said = checkout.run("setup")
    lines = said.splitlines()
    assert len(lines) < 8
    assert "  Downloading torch-2.13.0-cp311.whl (899.7 MB)" in lines
    assert "  Installing 12 packages" in lines
    log = (checkout.venv / environment.LOG).read_text("utf-8")
    assert "Collecting package-199\n" in log


def test_a_command_sets_up_first_and_says_only_its_own(checkout):
    status, said = checkout.run("-m", "shown", "a b")
    assert status == 0, said
    assert said.endswith("\nshown a b\n")
    assert checkout.run("-m", "shown") == (0, "shown\n")


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_change_of_the_dependencies_sets_up_again(checkout, file):
    checkout.run("setup")
    text = (checkout.folder / file).read_text("utf-8")
    changed = text.replace("matplotlib", "matplotlib-x", 1)
    (checkout.folder / file).write_text(changed, "utf-8")
    checkout.run("setup")
    assert len(checkout.called()) == 1


def test_change_of_the_settings_of_tools_does_not(checkout):
    checkout.run("setup")
    with open(checkout.folder / "pyproject.toml", "a") as file:
        file.write("\n[tool.other]\n")
    checkout.run("setup")
    assert checkout.called() == []


def test_extras_are_installed_once_and_stay(checkout):
    checkout.run("setup", "browser")
    assert checkout.called()[0].endswith(".[d2l,lab,dev,site,browser]")
    checkout.run("setup", "browser")
    assert checkout.called() == []
    checkout.run("setup", "grade")
    assert checkout.called()[0].endswith(".[d2l,lab,dev,site,browser,grade]")


def test_moved_checkout_is_set_up_again(checkout):
    checkout.run("setup")
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("new"))
    status, said = checkout.run("setup")
    assert status == 0, said
    assert checkout.called() == [TESTED + EDITABLE]


def test_setup_leaves_no_temporary_file(checkout, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    status, said = checkout.run("setup", TMPDIR=str(folder))
    assert status == 0, said
    assert list(folder.iterdir()) == []


def test_kernel_is_of_this_python_and_a_users_own_stays(checkout):
    checkout.run("setup")
    file = checkout.venv / "share/jupyter/kernels/python3/kernel.json"
    spec = json.loads(file.read_text("utf-8"))
    python = str(environment.python_of(checkout.venv))
    assert spec["argv"] == [python]
    assert spec["of"][:4] == ["install", "--sys-prefix", "--name", "python3"]
    file.write_text(json.dumps({"argv": [python], "env": {"MINE": "1"}}))
    checkout.run("setup", "browser")
    assert "MINE" in file.read_text("utf-8")
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("new"))
    checkout.run("setup")
    file = checkout.folder / file.relative_to(checkout.venv.parent)
    spec = json.loads(file.read_text("utf-8"))
    assert Path(spec["argv"][0]).parents[2] == checkout.folder


def test_failed_setup_says_why_and_is_not_taken_for_whole(checkout):
    checkout.run("setup")
    with open(checkout.folder / "constraints.txt", "a") as file:
        file.write("new==1\n")
    for _ in range(2):
        status, said = checkout.run("setup", FAILS="install")
        assert status == 1
        assert "ERROR: No space left on device\nthe cause\n" in said
        assert "noise" not in said
        assert "Once the cause is gone, run this again." in said
        assert str(Path(".venv", environment.LOG)) in said
    status, said = checkout.run("setup")
    assert status == 0
    assert len(checkout.called()) == 1


def test_half_an_environment_still_gets_the_tested_versions(
    checkout, tmp_path
):
    other = f"VENV={tmp_path / 'other'}"
    assert checkout.run("setup", other, FAILS="install")[0] == 1
    status, said = checkout.run("setup", other)
    assert status == 0, said
    assert checkout.called() == [TESTED + EDITABLE]


def test_extra_that_cannot_be_installed_stops_nothing_else(checkout):
    checkout.run("setup")
    assert checkout.run("setup", "browser", FAILS="browser")[0] == 1
    status, said = checkout.run("-m", "shown", FAILS="browser")
    assert status == 0, said
    status, said = checkout.run("setup", "browse")
    assert (status, said) == (1, "pyproject.toml has no extra 'browse'.\n")


def test_environment_that_cannot_be_made_leaves_nothing(checkout):
    write(checkout.stand_ins, {"venv/__init__.py": ""})
    write(
        checkout.stand_ins,
        {
            "venv/__main__.py": """
                import pathlib, sys
                folder = pathlib.Path(sys.argv[-1], "lib")
                folder.mkdir(parents=True)
                (folder.parent / "pyvenv.cfg").touch()
                if sys.platform != "win32":
                    (folder.parent / "lib64").symlink_to("lib")
                sys.exit("No space left on device")
            """
        },
    )
    status, said = checkout.run("setup")
    assert status == 1
    assert "No space left on device\n.venv couldn't be made." in said
    assert not list(checkout.venv.iterdir())


def test_python_without_venv_is_told(checkout):
    write(checkout.stand_ins, {"venv.py": "raise ImportError"})
    status, said = checkout.run("setup")
    assert status == 1
    assert "has no venv module" in said
    assert "sudo apt install python3-venv" in said


def test_environment_without_pip_keeps_all_that_is_in_it(checkout):
    checkout.bare(checkout.venv)
    status, said = checkout.run("setup")
    assert status == 0, said
    assert (checkout.venv / "mine.txt").read_text() == "mine"
    assert checkout.called() == [TESTED + EDITABLE]


def break_python(venv):
    for python in [*venv.glob("bin/python*"), *venv.glob("Scripts/python*")]:
        python.unlink()
    return "The Python of .venv doesn't start"


def make_folder(venv):
    shutil.rmtree(venv)
    venv.mkdir()
    (venv / "mine.txt").write_text("mine")
    return ".venv is there and isn't a virtual environment"


def make_conda(venv):
    make_folder(venv)
    (venv / "conda-meta").mkdir()
    return "needs pip and another Python: conda install"


def make_file(venv):
    shutil.rmtree(venv)
    venv.write_text("mine")
    return ".venv is a file"


def make_dangling(venv):
    shutil.rmtree(venv)
    venv.symlink_to("gone")
    return ".venv is a link to gone, which isn't there"


def make_old(venv):
    python = environment.python_of(venv)
    python.unlink()
    python.write_text("#!/bin/sh\necho '{\"version\": [3, 9]}'\n")
    python.chmod(0o755)
    oldest, newest = (f"3.{v[1]}" for v in environment.python_range())
    return f"This is Python 3.9, and {oldest} to {newest} is needed"


@pytest.mark.parametrize(
    "spoil",
    [
        break_python,
        make_folder,
        make_conda,
        make_file,
        make_dangling,
        make_old,
    ],
)
def test_folder_that_is_no_use_is_left_and_named(checkout, spoil):
    if sys.platform == "win32" and spoil in (make_dangling, make_old):
        pytest.skip("of Linux and macOS")
    checkout.bare(checkout.venv)
    complaint = spoil(checkout.venv)
    before = sorted(checkout.folder.rglob("*"))
    status, said = checkout.run("setup")
    assert status == 1
    assert complaint in said
    assert "Traceback" not in said
    assert sorted(checkout.folder.rglob("*")) == before
    assert checkout.called() == []


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs rights")
@pytest.mark.parametrize("full", [False, True])
def test_link_to_another_disk_is_followed(checkout, tmp_path, full):
    target = tmp_path / "large disk"
    if full:
        checkout.bare(target)
    else:
        target.mkdir()
    checkout.venv.symlink_to(target)
    status, said = checkout.run("setup")
    assert status == 0, said
    assert checkout.venv.is_symlink()
    assert (target / "pyvenv.cfg").is_file()
    assert (target / "mine.txt").exists() == full


def test_environment_of_ones_own_keeps_its_versions(checkout, tmp_path):
    mine = tmp_path / "my env"
    checkout.bare(mine)
    (site,) = [*mine.glob("lib/*/site-packages"), *mine.glob("Lib/site-*")]
    metadata = "Metadata-Version: 2.1\nName: numpy\nVersion: 1.26\n"
    write(site, {"numpy-1.26.dist-info/METADATA": metadata})
    checkout.with_uv()
    for _ in range(2):
        status, said = checkout.run("setup", f"VENV={mine}")
        assert status == 0, said
        assert checkout.called() in ([], ["pip install " + EDITABLE])
    assert (mine / "mine.txt").is_file()


def test_environment_of_another_checkout_is_not_taken(checkout, tmp_path):
    checkout.run("setup")
    (tmp_path / "second").mkdir()
    second = Checkout(tmp_path / "second")
    status, said = second.run("setup", f"VENV={checkout.venv}")
    assert status == 1
    assert f"is set up for {checkout.folder}" in said
    assert "SETUP=0" in said
    assert second.called() == []
    told = second.run("-m", "shown", f"VENV={checkout.venv}", "SETUP=0")
    assert told == (0, "shown\n")


def test_setup_0_without_an_environment_is_told(checkout):
    status, said = checkout.run("lab", "SETUP=0")
    assert (status, said) == (1, "There is no Python in .venv.\n")


def test_conda_environment_keeps_its_packages(checkout, tmp_path):
    conda = tmp_path / "conda"
    checkout.bare(conda)
    (conda / "conda-meta").mkdir()
    active = {"CONDA_DEFAULT_ENV": "d2l", "CONDA_PREFIX": str(conda)}
    status, said = checkout.run("setup", **active)
    assert status == 1
    assert "needs pip and another Python: conda install" in said
    python = environment.python_of(conda)
    subprocess.run(
        [python, "-m", "ensurepip"],
        env={
            "CALLS": str(checkout.calls),
            "PYTHONPATH": str(checkout.stand_ins),
        },
        check=True,
    )
    checkout.with_uv()
    status, said = checkout.run("setup", **active)
    assert status == 0, said
    assert checkout.called() == ["pip install " + EDITABLE]
    # conda's base isn't one to install into, nor what has no folder.
    _, said = checkout.run("lab", "SETUP=0", CONDA_DEFAULT_ENV="d2l")
    assert said == "There is no Python in .venv.\n"
    base = {"CONDA_DEFAULT_ENV": "base", "CONDA_PREFIX": str(conda)}
    checkout.run("setup", **base)
    assert (checkout.venv / environment.STAMP).is_file()


def test_torch_for_the_cpu_comes_first_and_alone(checkout):
    status, said = checkout.run("setup", "TORCH=cpu")
    assert status == 0, said
    first = f"--no-deps --index-url {CPU} torch>=2.6"
    assert checkout.called() == [TESTED + first, TESTED + EDITABLE]
    # A later release is for the CPU, too.
    with open(checkout.folder / "constraints.txt", "a") as file:
        file.write("new==1\n")
    status, said = checkout.run("setup")
    assert checkout.called()[0] == TESTED + first
    assert "torch 2.13.0+cpu is there already" in said


def test_another_index_of_torch_can_be_named(checkout):
    checkout.run("setup", "TORCH=file:///a/mirror")
    assert "--index-url file:///a/mirror torch" in checkout.called()[0]


needs_scripts = pytest.mark.skipif(
    sys.platform == "win32", reason="the stand-in for uv is a script"
)


@needs_scripts
def test_uv_gets_the_settings_of_pip(checkout):
    checkout.with_uv()
    settings = """\
global.constraint='/a/constraints.txt'
global.find-links='/unused'
global.index-url='https://mirror.example/pypi'
global.extra-index-url='\\nhttps://a.example/pypi\\nfile:///b/simple'
install.find-links='/wheels ~/more'
global.cert='/a/cert.pem'
:env:.trusted-host='mirror.example'
:env:.timeout='180'
download.proxy='http://only.for.download'
"""
    status, said = checkout.run("setup", SETTINGS=settings, HOME="/home/me")
    assert status == 0, said
    uv, *told = [c for c in checkout.called() if not c.startswith("pip ")]
    assert uv == (
        f"uv pip install --python {environment.python_of(checkout.venv)} "
        "--constraint constraints.txt --index-strategy unsafe-best-match "
        f"--constraint /a/constraints.txt {EDITABLE}"
    )
    assert told == [
        "SSL_CERT_FILE /a/cert.pem",
        "UV_DEFAULT_INDEX https://mirror.example/pypi",
        "UV_EXTRA_INDEX_URL https://a.example/pypi file:///b/simple",
        "UV_FIND_LINKS /wheels,/home/me/more",
        "UV_HTTP_TIMEOUT 180",
        "UV_INSECURE_HOST mirror.example",
    ]


@needs_scripts
def test_uv_takes_torch_from_the_index_that_is_named(checkout):
    """Also where a variable names another one as the default."""
    checkout.with_uv()
    settings = "global.index-url='https://mirror.example/pypi'"
    checkout.run("setup", "TORCH=cpu", SETTINGS=settings)
    first = checkout.called()[0]
    assert first.startswith("uv ")
    assert first.endswith(f"--no-deps --default-index {CPU} torch>=2.6")


@needs_scripts
@pytest.mark.parametrize("setting", ["no-index", "proxy", "only-binary"])
def test_pip_is_used_where_uv_has_no_such_setting(checkout, setting):
    checkout.with_uv()
    checkout.run("setup", SETTINGS=f"global.{setting}='1'")
    assert checkout.called() == [TESTED + EDITABLE]


@needs_scripts
def test_pip_is_used_where_uv_fails(checkout):
    checkout.with_uv()
    status, said = checkout.run("setup", UV_BREAKS="1")
    assert status == 0, said
    assert "error: TLS handshake" in said
    assert "uv couldn't, so pip tries" in said
    assert checkout.called()[-1] == TESTED + EDITABLE


def test_settings_are_those_that_pip_lists(tmp_path, monkeypatch):
    file = tmp_path / "pip.conf"
    text = "[global]\nextra-index-url =\n  file:///a\n  file:///b\n"
    file.write_text(text + "[install]\nfind-links = /wheels\n")
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_INDEX_URL", "file:///c")
    monkeypatch.setattr(shutil, "which", lambda name: name)
    settings = environment.uv_settings(Path(sys.executable))
    assert settings["UV_EXTRA_INDEX_URL"] == "file:///a file:///b"
    assert settings["UV_FIND_LINKS"] == "/wheels"
    assert settings["UV_DEFAULT_INDEX"] == "file:///c"


# A shell ignores Ctrl-C for what it runs in the background.
HEEDS_CTRL_C = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_path("make.py", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_interrupted_setup_goes_on_later(checkout):
    write(
        checkout.stand_ins,
        {
            "ensurepip/__main__.py": """
                import os, signal, time
                os.kill(os.getppid(), signal.SIGINT)
                time.sleep(2)
            """
        },
    )
    status, said = checkout.run("setup", start=("-c", HEEDS_CTRL_C))
    assert status == 1
    assert said.endswith("\nStopped. The same command goes on from here.\n")
    write(checkout.stand_ins, STAND_INS)
    status, said = checkout.run("setup")
    assert status == 0, said
    assert checkout.called() == [TESTED + EDITABLE]


@pytest.mark.parametrize(
    "name", ["make.py", "tools/environment.py", "tools/handed_out.py"]
)
def test_old_python_can_read_it(name):
    source = (environment.ROOT / name).read_text("utf-8")
    oldest = (3, 7) if sys.version_info >= (3, 13) else (3, 6)
    ast.parse(source, feature_version=oldest)


def test_version_is_compared_with_the_range():
    for version in [(3, 11), (3, 12), (3, 14)]:
        environment.check_version(version, "Do this.")
    for version in [(2, 7), (3, 9), (3, 10), (3, 15), (4, 0)]:
        with pytest.raises(SystemExit, match=r"is needed\. Do this\."):
            environment.check_version(version, "Do this.")


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ("bin/python", "Linux and macOS"),
        ("Scripts/python.exe", "Windows"),
        ("python.exe", "conda on Windows"),
    ],
)
def test_python_is_found_where_it_is(tmp_path, place, where):
    assert environment.python_of(tmp_path) is None
    write(tmp_path, {place: ""})
    assert environment.python_of(tmp_path) == tmp_path / place, where


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Downloading torch (2.7GiB)", True),
        ("  Downloading nvidia_cudnn-9.whl (706.8 MB)", True),
        ("Downloading numpy (16.1MiB)", False),
        ("  Downloading idna-3.20-py3-none-any.whl (71 kB)", False),
        ("Resolved 154 packages in 1.2s", True),
        ("Installed kernelspec python3 in share", False),
        ("Installing collected packages: d2l", False),
        (" + numpy==2.4.6", False),
    ],
)
def test_what_takes_long_is_shown(line, shown):
    assert bool(environment.progress(line)) == shown


@pytest.mark.skipif(sys.platform == "win32", reason="a signal would end it")
def test_on_windows_the_command_gets_the_interrupt(monkeypatch):
    """There, a process can't be replaced, so this one waits for another."""
    monkeypatch.setattr(sys, "platform", "win32")
    handler = signal.getsignal(signal.SIGINT)
    code = "import os, signal; os.kill(os.getppid(), signal.SIGINT); exit(5)"
    try:
        assert make.hand_over(Path(sys.executable), "-c", code) == 5
    finally:
        signal.signal(signal.SIGINT, handler)


def test_letters_that_a_pipe_lacks_stop_nothing(checkout):
    write(checkout.folder, {"_build/书": "x"})
    status, said = checkout.run("clean", PYTHONIOENCODING="cp1252")
    assert status == 0
    assert "\\u4e66 isn't of the tools, and stays" in said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("WARNING: Retrying (Retry(total=4)) after connection broken", True),
        ("  Caused by: dns error", True),
        ("ERROR: No matching distribution found for torch==9", False),
    ],
)
def test_index_out_of_reach_is_told(capsys, line, told):
    command = [sys.executable, "-c", f"print({line!r}); exit(1)"]
    assert not environment.passes(io.StringIO(), *command)
    assert ("index can't be reached" in capsys.readouterr().err) == told


def test_unknown_command_is_answered_with_the_usage(checkout):
    for arguments in ([], ["what"], ["test", "01", "02"], ["-m"]):
        status, said = checkout.run(*arguments)
        assert status == 2
        assert said.startswith("Set up this project and use it")
    assert not checkout.venv.exists()


@pytest.mark.skipif(
    sys.platform == "win32" or not shutil.which("make"),
    reason="`make` is for Linux and macOS",
)
def test_makefile_does_the_same(checkout):
    python = f"PYTHON={sys.executable}"
    environ = {
        "CALLS": str(checkout.calls),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(checkout.stand_ins),
        "TORCH": "/of/another/program",
    }

    def make(*arguments):
        return subprocess.run(
            ["make", *arguments],
            cwd=checkout.folder,
            env=environ,
            capture_output=True,
            text=True,
        )

    other = checkout.folder / "other env"
    done = make("setup", python, f"VENV={other}", "TORCH=cpu")
    assert done.returncode == 0, done.stderr
    assert CPU in checkout.called()[0]
    assert (other / environment.STAMP).is_file()
    done = make("setup", "PYTHON=python3.99")
    assert done.returncode == 2
    remedy = "There is no python3.99. Name one that you have: make setup"
    assert remedy in done.stderr


# What a user may keep, and what the tools make.
KEPT = [
    "_build/nbgrader/gradebook.db",
    "_build/nbgrader/submitted/zhang/03/03.ipynb",
    "_build/notes.txt",
    "chapters/.ipynb_checkpoints/01_blocks-checkpoint.ipynb",
    "course/gradebook.db",
    "my env/pyvenv.cfg",
    "workbook/03_custom_layers.ipynb",
    "workbook/__pycache__/mine.pyc",
    "my env/lib/__pycache__/a.pyc",
    ".venv/lib/__pycache__/a.pyc",
]
MADE = [
    "_build/handout/book/README.md",
    "_build/html/index.html",
    "_build/single/03_layers.html",
    "tools/__pycache__/a.pyc",
    "mutants/a.py",
    ".pytest_cache/a",
]


def make_all(folder):
    """Write what the tools write, and record it as they do."""
    write(folder, dict.fromkeys(MADE, "x"))
    build = folder / "_build"
    work, handouts = build / "html-work", build / "handout"
    shutil.make_archive(handouts / "book", "zip", handouts, "book")
    remember(build / "html", work / "site.json")
    remember(build / "single/03_layers.html", work / "03_layers.json")
    remember(handouts / "book", handouts / ".book.json")
    remember(handouts / "book.zip", handouts / ".book.json", also=True)
    write(handouts, {"book/.venv/bin/python": "x"})  # by a look at it


def test_clean_removes_what_the_tools_make_and_nothing_else(checkout):
    write(checkout.folder, dict.fromkeys(KEPT, "x"))
    make_all(checkout.folder)
    status, said = checkout.run("clean")
    assert status == 0, said
    assert all((checkout.folder / name).is_file() for name in KEPT)
    assert not any((checkout.folder / name).exists() for name in MADE)
    assert str(Path("_build/nbgrader")) + " isn't of the tools" in said


@pytest.mark.parametrize(
    "change",
    [
        "handout/book/README.md",
        "handout/book/notes.md",
        "handout/book.zip",
        "handout/submissions.zip",
        "handout/submissions/ann.ipynb",
        "handout/notes",
        "html/index.html",
        "html/thesis.tex",
        "single/03_layers.html",
        "single/notes.html",
    ],
)
def test_clean_leaves_a_folder_in_which_one_has_worked(checkout, change):
    make_all(checkout.folder)
    build = checkout.folder / "_build"
    folder = build / Path(change).parts[0]
    write(build, {change: "mine"})
    before = contents(folder)
    status, said = checkout.run("clean")
    assert status == 0
    assert contents(folder) == before
    assert f"{Path('_build', folder.name)} isn't as it was made" in said
    # What it says to do.
    (build / change).rename(checkout.folder / "away")
    assert checkout.run("clean") == (0, "")
    assert not build.exists()


def test_clean_leaves_no_empty_folder(checkout):
    make_all(checkout.folder)
    assert checkout.run("clean") == (0, "")
    assert not (checkout.folder / "_build").exists()
    assert checkout.run("clean") == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs rights")
@pytest.mark.parametrize(
    "name", ["_build", "_build/html", "tools/__pycache__"]
)
def test_clean_leaves_what_is_behind_a_link(checkout, tmp_path, name):
    target = tmp_path / "elsewhere"
    write(target, {"html/index.html": "x", "index.html": "x"})
    link = checkout.folder / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target)
    assert checkout.run("clean")[0] == 0
    assert link.is_symlink()
    assert (target / "html/index.html").is_file()
    assert (target / "index.html").is_file()


def test_clean_knows_all_that_the_tools_write():
    found = set()
    for folder in ("tools", "tests", "benchmarks"):
        for file in (environment.ROOT / folder).rglob("*.py"):
            text = file.read_text("utf-8")
            found.update(re.findall(r'BUILD / "([\w.-]+)', text))
    assert found
    assert {f"_build/{name}" for name in found} <= {
        *make.BUILT,
        "_build/nbgrader",
    }
