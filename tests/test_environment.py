"""The files that say what to install must agree."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import chain

import pytest
import yaml
from jupyter_client.kernelspec import KernelSpecManager
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tools.environment import ROOT, python_range

CONDA_NAMES = {"igraph": "python-igraph", "torch": "pytorch"}
# What conda must bring that pip, or the system, has anyway.
ONLY_CONDA = {"python", "pip", "make"}
# What `make setup` gets from pip there, too.
ONLY_PIP = {"math-core"}


def split(requirement):
    """A requirement's name, as pip compares names, and its range."""
    name, versions = re.fullmatch(r"([\w.-]+)(.*)", requirement).groups()
    return re.sub(r"[-_.]+", "-", name).lower(), versions


def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def required(but=()):
    """Names and ranges, but for those of some extras."""
    project = pyproject()["project"]
    extras = project["optional-dependencies"]
    chosen = [extras[extra] for extra in extras if extra not in but]
    return dict(map(split, chain(project["dependencies"], *chosen)))


def test_conda_environment_has_the_same_packages_and_ranges():
    text = (ROOT / "environment.yml").read_text("utf-8")
    listed = dict(map(split, yaml.safe_load(text)["dependencies"]))
    python = listed["python"]
    for name in ONLY_CONDA:
        del listed[name]
    others = ["bench", "browser", "class", "grade", "hub", "prove", "publish"]
    wanted = required(but=others)
    expected = {
        CONDA_NAMES.get(name, name): versions
        for name, versions in wanted.items()
        if name not in ONLY_PIP
    }
    assert listed == expected
    assert python == pyproject()["project"]["requires-python"]


def test_constraints_pin_every_dependency():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(split(line) for line in lines if not line.startswith("#"))
    assert required().keys() <= pins.keys()
    # "==1.2" and no build of one machine, such as "+cpu"
    assert all(re.fullmatch(r"==[\w.]+", pin) for pin in pins.values())


def test_pins_are_for_the_first_release_of_each_python():
    """Debian 12 has Python 3.11.2, which a package didn't take that we pinned.

    Choose an older one: make constraints ARGS="torch==... NAME==..."
    """
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(split(line) for line in lines if not line.startswith("#"))
    oldest, newest = python_range()
    firsts = [f"3.{minor}.0" for minor in range(oldest[1], newest[1] + 1)]
    found = [
        (one.metadata["Name"], one.metadata.get("Requires-Python"))
        for one in metadata.distributions()
    ]
    known = {name: wanted for name, wanted in found if wanted}
    assert len(known) > 100
    too_new = {
        name
        for name, wanted in known.items()
        if split(name)[0] in pins
        and not all(first in SpecifierSet(wanted) for first in firsts)
    }
    assert not too_new


WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def steps(workflow):
    jobs = yaml.safe_load(workflow.read_text("utf-8"))["jobs"]
    return chain.from_iterable(job["steps"] for job in jobs.values())


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_is_pinned_and_may_only_read(workflow):
    content = yaml.safe_load(workflow.read_text("utf-8"))
    assert content["permissions"] == {"contents": "read"}
    actions = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", use) for use in actions)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_runs_what_a_developer_can_run(workflow):
    targets = re.findall(
        r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    allowed = [f"make {target}" for target in targets]
    allowed += [
        "bash .ci/run ${{ matrix.make }}",
        "pipx run nox -s ${{ matrix.session }}",
    ]
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands
    assert set(commands) <= set(allowed)


def parts():
    """What the workflow runs of `.ci/run`, as arguments of make."""
    (ci,) = (path for path in WORKFLOWS if path.name == "ci.yml")
    jobs = yaml.safe_load(ci.read_text("utf-8"))["jobs"]
    return [shlex.split(p) for p in jobs["all"]["strategy"]["matrix"]["make"]]


def test_parts_of_the_workflow_are_what_ci_runs():
    script = (ROOT / ".ci/run").read_text("utf-8")
    whole = re.findall(r"^    run (\w.*)", script, re.MULTILINE)
    assert whole == ["test", "test DEVICE=pretend", "test-site", "stale"]
    shards = [part for part in parts() if part[1:] and "ROOM=" in part[1]]
    others = [" ".join(part) for part in parts() if part not in shards]
    assert others == [*whole[1:], "test-assignment"]
    # Each test is in one shard.
    rooms = [room for _, part in shards for room in part[5:].split()]
    chosen = [path for room in rooms for path in ROOT.glob(room)]
    paths = pyproject()["tool"]["pytest"]["ini_options"]["testpaths"]
    assert sorted(chosen) == sorted(
        p for path in paths for p in ROOT.glob(path)
    )


@pytest.fixture
def ci(tmp_path):
    """Runs `.ci/run` where make only says how it was called."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / ".venv").mkdir()
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cat", "dirname", "mktemp", "rm", "tail", "tee"):
        (folder / name).symlink_to(shutil.which(name))
    make = folder / "make"
    make.write_text('echo "$@"; echo "9 passed"; [ "$1" != "wrong" ]\n')
    make.chmod(0o755)

    def run(*arguments):
        return subprocess.run(
            [shutil.which("bash"), ".ci/run", *arguments],
            cwd=tmp_path,
            env={"PATH": str(folder)},
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.skipif(sys.platform == "win32", reason="CI's script is for bash")
def test_ci_says_at_its_end_how_many_tests_have_passed(ci):
    done = ci()
    assert done.returncode == 0, done.stderr
    wanted = ["test", "test DEVICE=pretend", "test-site", "stale"]
    assert done.stdout.splitlines()[-4:] == [
        f"make {what}: 9 passed" for what in wanted
    ]
    done = ci("test", "ROOM=a b")
    assert done.stdout.splitlines() == [
        "test ROOM=a b",
        "9 passed",
        "make test ROOM=a b: 9 passed",
    ]
    assert ci("wrong").returncode != 0


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_publishing_without_a_remote_says_what_is_missing(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    # Else make, called by make, says where it is.
    command = ["make", "--no-print-directory", "publish"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "git remote add origin" in done.stderr
    assert done.stdout == ""  # before minutes go into a build


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_publishing_stops_where_a_translation_is_behind(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "make.py").write_text(
        "import sys\nprint(*sys.argv[1:])\nsys.exit('stale' in sys.argv)\n"
    )
    origin = ["git", "remote", "add", "origin", "nowhere"]
    for command in (["git", "init", "--quiet"], origin):
        subprocess.run(command, cwd=tmp_path, check=True)
    command = ["make", "--no-print-directory", "-s", "publish"]

    def publish(*more):
        return subprocess.run(
            [*command, *more], cwd=tmp_path, capture_output=True, text=True
        )

    stopped, forced = publish(), publish("FORCE=1")
    assert stopped.returncode == 2
    assert "tools.site" not in stopped.stdout
    (told,) = re.findall(r"make publish (.*)$", stopped.stderr, re.M)
    assert told == "FORCE=1"
    assert forced.returncode == 0, forced.stderr
    assert forced.stdout.splitlines()[-1].startswith("-m ghp_import")


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_proof_leaves_out_no_page_that_has_passed(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "make.py").write_text(
        "import os, sys\nprint(os.environ['FRESH'], *sys.argv[1:])\n"
    )
    command = ["make", "--no-print-directory", "-s", "prove-outputs"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("1 -m pytest ")


def test_only_what_has_passed_every_job_is_published():
    publishing = []
    for workflow in WORKFLOWS:
        content = yaml.safe_load(workflow.read_text("utf-8"))
        for name, job in content["jobs"].items():
            if "make publish" in [step.get("run") for step in job["steps"]]:
                publishing.append(name)
                assert {*job["needs"]} == {*content["jobs"]} - {name}
                # A job that needs others runs when they have succeeded,
                # unless its condition says otherwise.
                assert not re.search(r"always|failure|cancelled", job["if"])
                assert "github.ref == 'refs/heads/main'" in job["if"]
            else:
                assert "permissions" not in job
    assert publishing == ["publish"]


def runs():
    """What the workflow runs on each system, and with each Python."""
    (ci,) = (path for path in WORKFLOWS if path.name == "ci.yml")
    jobs = yaml.safe_load(ci.read_text("utf-8"))["jobs"]
    return jobs["versions"]["strategy"]["matrix"]["include"]


def test_sessions_of_the_workflow_are_those_of_nox():
    source = (ROOT / "noxfile.py").read_text("utf-8")
    oldest, newest = python_range()
    for run in runs():
        name, _, python = run["session"].rpartition("-")
        assert f"\ndef {name}(session" in source
        assert python == run["python"]
        assert oldest <= tuple(map(int, python.split("."))) <= newest


def test_windows_and_macos_run_what_linux_runs():
    """Sessions on each, and none that may fail."""
    sessions = {}
    for run in runs():
        system = run["os"].split("-")[0]
        kind = run["session"].split("-")[0]
        sessions.setdefault(system, set()).add(kind)
        assert run.keys() == {"os", "python", "session"}
    assert sessions["windows"] == sessions["macos"] == {"tested", "newest"}
    assert sessions["ubuntu"] == {"oldest", "tested", "newest"}
    for workflow in WORKFLOWS:
        assert "continue-on-error" not in workflow.read_text("utf-8")


@pytest.mark.parametrize(
    "name", ["README.md", "chapters/index.md", "tools/handout.md"]
)
def test_readers_are_told_the_versions_of_python(name):
    oldest, newest = (".".join(map(str, v)) for v in python_range())
    text = " ".join((ROOT / name).read_text("utf-8").split())
    assert re.findall(r"3\.\d+ to 3\.\d+", text) == [f"{oldest} to {newest}"]
    # The same command for all, and one where there is no make.
    assert "make lab" in text
    assert "python make.py lab" in text
    assert "WSL" not in text


def test_the_kernel_that_notebooks_name_is_this_python():
    spec = KernelSpecManager().get_kernel_spec("python3")
    assert spec.argv[0] in (sys.executable, "python")


def test_version_is_the_same_in_each_file():
    version = pyproject()["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first = re.search(r"^## (\S+) \(([\d-]+)\)", changes, re.MULTILINE)
    assert first.groups() == (version, citation["date-released"])
    assert citation["version"] == version
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_licenses_are_named_and_there():
    project = pyproject()["project"]
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert text.startswith(f"{project['license']} License")
    (author,) = project["authors"]
    assert author["name"] in text
    assert project["license-files"] == ["LICENSE"]
    text = (ROOT / "LICENSE-text").read_text("utf-8")
    assert "Attribution-ShareAlike 4.0 International" in text
    for exercise in ("3.1", "3.2"):
        assert exercise in text
    assert "Dive into Deep Learning" in text
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["license"] == [project["license"], "CC-BY-SA-4.0"]


def test_contributing_names_each_part_of_a_chapter():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for part in (
        "**You will learn**",
        "**In the book:**",
        "**You need**",
        "## Summary",
        "## Exercises",
        "## Where to go next",
        "python -m tools.exercises new ",
        "python -m tools.chapter new ",
        "`TODO`",
        "tests/check",
        "raises-exception",
        "mystnb",
    ):
        assert part in text


# What Colab had in February 2026 (googlecolab/backend-info, pip-freeze).
COLAB = {
    "ipython": "7.34.0",
    "matplotlib": "3.10.0",
    "matplotlib-inline": "0.2.1",
    "networkx": "3.6.1",
    "numpy": "2.0.2",
    "safetensors": "0.7.0",
    "scikit-learn": "1.6.1",
    "torch": "2.10.0",
}
NOT_ON_COLAB = {"igraph"}


def test_colab_has_what_the_package_needs():
    """Else the first cell there would upgrade it, which ends the runtime."""
    for needed in map(Requirement, pyproject()["project"]["dependencies"]):
        if needed.name not in NOT_ON_COLAB:
            assert COLAB[needed.name] in needed.specifier
