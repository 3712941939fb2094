"""What a class on many machines gets: the image, its values, and Binder.

tests/image builds the image, where that can be.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest
import yaml

from tools import hub
from tools.environment import ROOT
from tools.page import LANGUAGES

DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
# The chart's, which isn't ours: `helm pull --untar jupyterhub --repo
# https://hub.jupyter.org/helm-chart/` has it as values.schema.json.
SCHEMA = Path(os.environ.get("CHART_SCHEMA") or "values.schema.json")


def read(name):
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def merged(first, second):
    """Two files of values as helm merges them: mappings, and nothing else."""
    both = dict(first)
    for key, value in second.items():
        here = both.get(key)
        mappings = isinstance(here, dict) and isinstance(value, dict)
        both[key] = merged(here, value) if mappings else value
    return both


@pytest.fixture(scope="module")
def values():
    """Those of a course: ours, and the example of what is a teacher's."""
    return merged(
        read("deploy/values.yaml"), read("deploy/values.example.yaml")
    )


def instructions():
    """Those of the Dockerfile: names, and what stands after them."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.M)
    joined = text.replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in joined.splitlines() if line]


# The image


@pytest.mark.skipif(not shutil.which("hadolint"), reason="needs hadolint")
def test_dockerfile_is_as_hadolint_wants_it():
    command = ["hadolint", "--failure-threshold", "style", str(DOCKERFILE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_image_runs_as_somebody_without_rights(values):
    (user,) = (text for name, text in instructions() if name == "USER")
    assert user.isdecimal()  # Kubernetes knows nothing of a name
    assert int(user) == values["singleuser"]["uid"] > 0
    made = [text for name, text in instructions() if name == "RUN"]
    assert sum(f"--uid {user} " in text for text in made) == 1
    spawner = values["hub"]["config"]["KubeSpawner"]
    assert spawner["container_security_context"]["runAsNonRoot"] is True


def test_image_has_nothing_in_the_home_folder():
    """A volume is laid over it."""
    folder = ""
    for name, text in instructions():
        if name == "WORKDIR":
            folder = text
        elif name in ("ADD", "COPY"):
            assert folder == "/opt/d2l/src"
            assert text.split()[-1][0] != "/"
        elif name == "RUN":
            assert "/home" not in text


def copied():
    """What .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and line[0] != "#"]
    assert rules[0] == "*"
    return [rule[1:] for rule in rules if rule[0] == "!"]


def test_image_gets_what_is_installed_and_nothing_else():
    install = runpy.run_path(str(DEPLOY / "install.py"))
    settings = [p.relative_to(ROOT).as_posix() for p in install["SETTINGS"]]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    ours = project["tool"]["hatch"]["build"]["targets"]
    assert sorted(copied()) == sorted(
        {
            *["LICENSE", "constraints.txt", "pyproject.toml"],
            *["deploy/install.py", "nbval_strict"],
            *ours["wheel"]["packages"],
            *settings,
        }
    )
    assert all((ROOT / name).exists() for name in copied())


def test_large_layer_stays_when_only_our_packages_change():
    """What is copied before it is what says which packages are needed."""
    done = [(name, t) for name, t in instructions() if name in ("COPY", "RUN")]
    (needs,) = (i for i, (_, text) in enumerate(done) if "--needs" in text)
    before = [
        file
        for name, text in done[:needs]
        if name == "COPY"
        for file in text.split()[:-1]
    ]
    assert before == [
        *["constraints.txt", "pyproject.toml"],
        *["nbval_strict/pyproject.toml", "deploy/install.py"],
    ]


def test_large_layer_has_all_that_our_packages_need_and_none_of_them():
    commands = runpy.run_path(str(DEPLOY / "install.py"))["commands"]
    torch, packages, _ = commands()
    first, needs = commands(needs=True)
    assert first == torch
    start = needs.index("--constraint") + 2
    assert needs[:start] == packages[:start]
    wanted = needs[start:]
    assert all(re.match(r"[a-z][\w-]*[<>=]", need) for need in wanted)
    names = {re.match(r"[\w-]+", need)[0] for need in wanted}
    # Of the package, of each of its extras, and of nbval_strict.
    assert names >= {"torch", "jupyterhub", "nbgitpuller", "pandas", "nbval"}


# The values of the chart


def without_required(schema):
    """The chart's own values have what it requires; ours come on top."""
    if isinstance(schema, list):
        return [without_required(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_required(part)
        for key, part in schema.items()
        if key != "required" or isinstance(part, dict)
    }


@pytest.fixture(scope="module")
def faults():
    """Says what the chart's schema has against values."""
    if not SCHEMA.is_file():
        pytest.skip("needs the chart's schema: CHART_SCHEMA=FILE")
    schema = without_required(yaml.safe_load(SCHEMA.read_text("utf-8")))
    # As helm does, from JSON.
    check = jsonschema.Draft7Validator(json.loads(json.dumps(schema)))

    def found(values):
        return [
            f"{error.json_path}: {error.message}"
            for error in check.iter_errors(json.loads(json.dumps(values)))
        ]

    return found


def test_chart_takes_the_values(faults, values):
    assert faults(read("deploy/values.yaml")) == []
    assert faults(values) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["singleuser", "memmory"], {"limit": "1G"}),
        (["singleuser", "memory", "limits"], "1G"),
        (["singleuser", "startTimeout"], "300s"),
        (["scheduling", "userPlaceholder", "replicas"], "20"),
        (["singleuser", "networkPolicy", "egressAllowRules", "all"], False),
        (["culler"], {"enabled": True}),
    ],
    ids=lambda x: ".".join(x) if isinstance(x, list) else "",
)
def test_chart_refuses_a_slip(faults, values, path, value):
    """So that the test above can fail."""
    wrong = value
    for key in reversed(path):
        wrong = {key: wrong}
    assert faults(merged(values, wrong))


def mebibytes(size):
    number, unit = re.fullmatch(r"(\d+)([MG])", size).groups()
    return int(number) * {"M": 1, "G": 1024}[unit]


def measured():
    """MiB of a kernel by chapter, and of a student's server, as told."""
    text = (ROOT / "site/pages/teach.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d\d) \| (\d+) \| [\d.]+ \|$", text, re.M)
    (server,) = re.findall(r"server adds (\d+) MiB", text)
    return [int(size) for _, size in rows], int(server)


def test_students_have_the_memory_that_was_measured(values):
    kernels, server = measured()
    assert len(kernels) > 6
    largest, second = sorted(kernels, reverse=True)[:2]
    memory = {
        key: mebibytes(size)
        for key, size in values["singleuser"]["memory"].items()
    }
    assert server + largest <= memory["guarantee"]
    assert server + largest + second <= memory["limit"]
    # No more than that: it is by this that nodes are bought.
    assert memory["guarantee"] < 1.3 * (server + largest)


@pytest.mark.parametrize("page", ["deploy.md", "zh/deploy.md"])
def test_sums_of_the_page_follow_from_what_was_measured(values, page):
    text = (ROOT / "site/pages" / page).read_text("utf-8")
    kernels, server = measured()
    two = server + sum(sorted(kernels)[-2:])
    told = (ROOT / "site/pages/teach.md").read_text("utf-8")
    (seconds,) = re.findall(r"^\| 07 \| \d+ \| ([\d.]+) \|$", told, re.M)
    rows = re.findall(
        r"^\| (60+) \| (\d+) GiB \| (?:\D*)(\d+)\D+(\d+)\D*\|$", text, re.M
    )
    assert [int(students) for students, *_ in rows] == [60, 600]
    for students, memory, *times in rows:
        assert int(memory) == round(int(students) * two / 1024)
        # "39 s on 16 cores"; Chinese says it the other way round.
        wait, cores = map(int, reversed(times) if "zh" in page else times)
        assert wait == round(int(students) * float(seconds) / cores)
    guarantee = mebibytes(values["singleuser"]["memory"]["guarantee"])
    nodes = re.findall(
        r"^\| \d+ GiB\D+(\d+).*?\|\D*(\d+)(?:\D.*?)?\| (\d+) \|.*1/(\d+)",
        text,
        re.M,
    )
    assert len(nodes) == 3
    for pods, students, number, share in (map(int, row) for row in nodes):
        # Of the 110 pods of a node, some are the cluster's.
        assert students == min(pods * 1024 // guarantee, 100)
        assert number == -(-600 // students)
        assert share == round(600 / number)


@pytest.mark.parametrize("page", ["deploy.md", "zh/deploy.md"])
def test_larger_classes_are_reckoned_from_twenty_students(page):
    text = (ROOT / "site/pages" / page).read_text("utf-8")
    cells = [line.strip("| ").split(" | ") for line in text.splitlines()]
    *_, own, shared = (
        [float(cell) for cell in row[1:]]
        for row in cells
        if len(row) == 6 and "." in row[1]
    )
    rows = [row for row in cells if len(row) == 5 and row[-1].endswith(" GiB")]
    assert len(rows) == 2
    for (head, *told, memory), row in zip(rows, (shared, own), strict=True):
        students, cores = sorted(map(int, re.findall(r"\d+", head)))[::-1]
        start, _link, first, done, size = row
        for seconds, found in zip((start, first, done), told, strict=True):
            digits = len(found.partition(".")[2])
            reckoned = seconds * students / 20 * 2 / cores
            assert found == f"{reckoned:.{digits}f}"
        assert memory == f"{size * students / 1024:.0f} GiB"


def test_torch_starts_as_many_threads_as_a_student_has_cores(values):
    threads = values["singleuser"]["extraEnv"]["OMP_NUM_THREADS"]
    assert threads == str(values["singleuser"]["cpu"]["limit"])


def test_times_are_those_of_a_hub_on_one_machine(values):
    text = (DEPLOY / "jupyterhub_config.py").read_text("utf-8")

    def number(pattern):
        (found,) = re.findall(pattern, text)
        return int(found)

    single, cull = values["singleuser"], values["cull"]
    spawner = values["hub"]["config"]["KubeSpawner"]
    assert single["startTimeout"] == number(r"start_timeout = (\d+)")
    assert spawner["http_timeout"] == number(r"http_timeout = (\d+)")
    pages = ROOT / "site/pages"
    for page, told in (
        ("deploy.md", r"lets it wait (\d+) s"),
        ("zh/deploy.md", r"让它等(\d+)秒"),
    ):
        (found,) = re.findall(told, (pages / page).read_text("utf-8"))
        assert int(found) == spawner["http_timeout"]
    assert cull["timeout"] == number(r"--timeout=(\d+)")
    assert cull["every"] == number(r"--cull-every=(\d+)")


class Settings:
    """What JupyterHub calls c, and what it has been told."""

    def __getattr__(self, name):
        setattr(self, name, Settings())
        return getattr(self, name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_server_opens_what_the_link_of_make_hub_opens(values, language):
    course = values["custom"]["course"]
    link = hub.link(8000, course["repository"], course["branch"], language)
    path = urlsplit(link).path.removeprefix("/hub/user-redirect")
    (opened,) = parse_qs(urlsplit(link).query)["urlpath"]
    page = opened.removeprefix(f"lab/tree/{course['folder']}/")
    if language == LANGUAGES[0]:
        assert course["page"] == page
    chosen = merged(values, {"custom": {"course": {"page": page}}})

    def get_config(key):
        found = chosen
        for part in key.split("."):
            found = found[part]
        return found

    c = Settings()
    for code in values["hub"]["extraConfig"].values():
        exec(code, {"c": c, "get_config": get_config})
    assert c.Spawner.default_url == f"{path}?{urlsplit(link).query}"


def test_a_students_server_reaches_no_other(values):
    policy = values["singleuser"]["networkPolicy"]
    assert policy["enabled"] is True
    allowed = policy["egressAllowRules"]
    assert [key for key, may in allowed.items() if may] == ["nonPrivateIPs"]
    assert values["singleuser"]["cloudMetadata"]["blockWithIptables"] is True
    assert values["singleuser"]["allowPrivilegeEscalation"] is False


# Binder


def test_binder_has_the_python_of_the_image():
    (python,) = (
        need.removeprefix("python=")
        for need in read("binder/environment.yml")["dependencies"]
        if need.startswith("python")
    )
    assert re.fullmatch(r"3\.\d+", python)  # a range would be Binder's own
    assert f"ARG BASE=docker.io/library/python:{python}-slim" in (
        DOCKERFILE.read_text("utf-8")
    )


def test_binder_installs_what_the_image_installs():
    script = ROOT / "binder/postBuild"
    assert os.access(script, os.X_OK)
    *_, last = script.read_text("utf-8").splitlines()
    assert last == '"$NB_PYTHON_PREFIX/bin/python" deploy/install.py'
    # In the folder of its own, and so not beside it.
    assert not (ROOT / "postBuild").exists()


@pytest.mark.parametrize(
    ("environment", "python"),
    [("binder/environment.yml", "3.13"), ("environment.yml", "3.10")],
)
def test_binder_takes_no_python_from_a_range(
    tmp_path, monkeypatch, environment, python
):
    """What builds an image for Binder says so itself, where it is."""
    conda = pytest.importorskip("repo2docker.buildpacks.conda")
    shutil.copy(ROOT / environment, tmp_path / "environment.yml")
    monkeypatch.chdir(tmp_path)
    assert conda.CondaBuildPack("debian").python_version == python
