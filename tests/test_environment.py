"""The files that say what to install must agree."""

import re
import sys
import tomllib
from itertools import chain

import pytest
import yaml
from jupyter_client.kernelspec import KernelSpecManager

from tools.book import ROOT

CONDA_NAMES = {"torch": "pytorch"}
# What conda must bring that pip, or the system, has anyway.
ONLY_CONDA = {"python", "pip", "make"}


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
    wanted = required(but=["prove", "bench", "browser", "grade", "publish"])
    expected = {CONDA_NAMES.get(k, k): v for k, v in wanted.items()}
    assert listed == expected
    assert python == pyproject()["project"]["requires-python"]


def test_constraints_pin_every_dependency():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(split(line) for line in lines if not line.startswith("#"))
    assert required().keys() <= pins.keys()
    # "==1.2" and no build of one machine, such as "+cpu"
    assert all(re.fullmatch(r"==[\w.]+", pin) for pin in pins.values())


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
    allowed += ["bash .ci/run", "pipx run nox -s ${{ matrix.session }}"]
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands
    assert set(commands) <= set(allowed)


def test_sessions_of_the_workflow_are_those_of_nox():
    (ci,) = (path for path in WORKFLOWS if path.name == "ci.yml")
    jobs = yaml.safe_load(ci.read_text("utf-8"))["jobs"]
    source = (ROOT / "noxfile.py").read_text("utf-8")
    for run in jobs["versions"]["strategy"]["matrix"]["include"]:
        name, _, python = run["session"].rpartition("-")
        assert f"\ndef {name}(session" in source
        assert python == run["python"]
        assert f'"{python}"' in source


def test_the_kernel_that_notebooks_name_is_this_python():
    spec = KernelSpecManager().get_kernel_spec("python3")
    assert spec.argv[0] in (sys.executable, "python")
