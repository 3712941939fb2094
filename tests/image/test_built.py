"""The image is built from deploy/Dockerfile, and used as on a hub.

Needs root and buildah, and gigabytes of disk; it takes minutes:

    make test-image
    make test-image IMAGE=localhost/d2l-companion    one that is there already

Where no registry of images is in reach, but one of Debian packages is, the
image stands on a local base: Debian, from debootstrap, with the Python that
runs this in the place of the one that the Dockerfile names. Its Python must
have builds of torch for the CPU in one of pip's ``find-links``, if PyTorch's
own index isn't in reach either. What pip is told here it is told there, too.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.test_image import DOCKERFILE, instructions
from tools.environment import ROOT, TORCH_INDEX
from tools.page import chapters

pytestmark = [
    pytest.mark.skipif(
        not shutil.which("buildah") or os.geteuid() != 0,
        reason="needs buildah, and root",
    ),
    pytest.mark.timeout(3000),
]
MINUTES = 60
# What a Python that was built from source wants of Debian.
LIBRARIES = "ca-certificates,libbz2-1.0,libexpat1,libffi8,liblzma5,"
LIBRARIES += "libncursesw6,libreadline8,libsqlite3-0,libssl3,libuuid1,zlib1g"
FIRST_CELLS = 8
# Runs in the image, as a student, in an empty home folder.
INSIDE = """
import json, os, subprocess, sys, time, urllib.request
import nbclient, nbformat, torch
import d2l_helpers, nbval_strict
from d2l_helpers import d2l

found = {
    "uid": os.getuid(),
    "home": os.listdir(os.path.expanduser("~")),
    "prefix": sys.prefix,
    "cuda": torch.version.cuda,
    "ours": [d2l_helpers.__file__, nbval_strict.__file__],
    "writable": [f for f, *_ in os.walk(sys.prefix) if os.access(f, os.W_OK)],
}
hub = subprocess.run(
    ["jupyterhub-singleuser", "--version"], capture_output=True, text=True
)
found["hub"] = hub.stdout.strip()
page = nbformat.reads(sys.stdin.read(), 4)
page.cells = page.cells[:%d]
nbclient.NotebookClient(page, kernel_name="python3", timeout=300).execute()
found["outputs"] = [
    output for cell in page.cells for output in cell.get("outputs", [])
]
server = subprocess.Popen(
    ["jupyter", "lab", "--no-browser", "--port=%d",
     "--IdentityProvider.token="],
    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
)
def get(path, tries=1):
    for i in range(tries):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:%d{path}").read()
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            time.sleep(0.5)
try:
    get("/api/status", tries=240)
    manager = "@jupyterlab/docmanager-extension:plugin"
    found["settings"] = json.loads(get(f"/lab/api/settings/{manager}"))
    found["puller"] = str(get("/git-pull?repo=x"))
    request = urllib.request.Request("http://127.0.0.1:%d/api/kernels", b"{}")
    request.add_header("Authorization", "token ")
finally:
    server.terminate()
found["said"] = server.communicate()[0]
print(json.dumps(found))
"""


def run(*command, **options):
    """Run a command; fail with what it said if it fails."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MINUTES * 60,
        **options,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def of_pip(folder):
    """What buildah is told so that pip is in the image as it is here."""
    volumes, variables = ["/etc/ssl/certs"], {}
    listed = run(sys.executable, "-m", "pip", "config", "list")
    settings = dict(re.findall(r"^\S*\.([\w-]+)='(.*)'$", listed, re.M))
    for name in ("index-url", "extra-index-url"):
        if name in settings and "file:" not in settings[name]:
            variables[f"PIP_{name.upper().replace('-', '_')}"] = settings[name]
    if "cert" in settings:
        variables["PIP_CERT"] = settings["cert"]
    options = [f"--volume={path}:{path}:ro" for path in volumes]
    options += [f"--env={key}={value}" for key, value in variables.items()]
    wheels = [
        wheel
        for place in settings.get("find-links", "").split()
        for wheel in Path(place).glob("torch-*.whl")
    ]
    if wheels:  # an index of those
        index = folder / "index/torch"
        index.mkdir(parents=True)
        for wheel in wheels:
            shutil.copy(wheel, index)
        links = (f'<a href="{w.name}">{w.name}</a>\n' for w in wheels)
        (index / "index.html").write_text("".join(links))
        options += [f"--volume={folder / 'index'}:/index:ro"]
        options += ["--build-arg=TORCH=file:///index"]
    return options


def local_base(folder):
    """Debian with the Python that runs this, as an image; its name."""
    root = folder / "root"
    named = Path("/etc/os-release").read_text()
    suite = re.search(r"^VERSION_CODENAME=(\w+)", named, re.M)[1]
    options = ["--variant=minbase", f"--include={LIBRARIES}"]
    run("debootstrap", *options, suite, str(root))
    version = f"python3.{sys.version_info[1]}"
    for part in ("bin/python3", f"bin/{version}"):
        source = Path(sys.base_prefix, part)
        shutil.copy(source, root / "usr/local" / part, follow_symlinks=False)
    shutil.copytree(
        Path(sys.base_prefix, "lib"),
        root / "usr/local/lib",
        symlinks=True,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("test", "__pycache__", "site-packages"),
    )
    for file in Path(sys.base_prefix, "lib").glob("libpython*"):
        shutil.copy(file, root / "usr/local/lib", follow_symlinks=False)
    container = run("buildah", "from", "scratch").split()[-1]
    run("buildah", "add", "--quiet", container, str(root), "/")
    name = f"localhost/base-{uuid.uuid4().hex}"
    run("buildah", "commit", "--quiet", "--rm", container, name)
    shutil.rmtree(root)
    return name


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The name of an image that was built, if none was given."""
    if given := os.environ.get("IMAGE"):
        yield given
        return
    folder = tmp_path_factory.mktemp("image")
    name = f"localhost/d2l-companion-{uuid.uuid4().hex}"
    made = [name]
    (base,) = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.M)
    options = ["--isolation=chroot", "--network=host", *of_pip(folder)]
    try:
        pulled = subprocess.run(["buildah", "pull", "--quiet", base])
        if pulled.returncode:
            if not shutil.which("debootstrap"):
                pytest.skip(f"needs {base}, or debootstrap")
            base = local_base(folder)
            made.append(base)
        options += [f"--build-arg=BASE={base}", f"--file={DOCKERFILE}"]
        run("buildah", "build", *options, "--tag", name, str(ROOT))
        print(f"{name} stands on {base}")
        yield name
    finally:
        subprocess.run(["buildah", "rmi", "--force", *made])
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def inside(image, tmp_path_factory):
    """What a student finds in it, with an empty volume as home folder."""
    home = tmp_path_factory.mktemp("home")
    (user,) = (int(text) for name, text in instructions() if name == "USER")
    os.chown(home, user, user)
    for part in (home, *home.parents[:-1]):  # pytest's are for root alone
        part.chmod(part.stat().st_mode | 0o055)
    port = 18765
    code = INSIDE % (FIRST_CELLS, port, port, port)
    container = run("buildah", "from", image).split()[-1]
    command = ["buildah", "run", "--isolation=chroot"]
    command += [f"--volume={home}:/home/jovyan", container, "--"]
    try:
        page = chapters("01")[0].notebook.read_text("utf-8")
        said = run(*command, "tini", "--", "python", "-c", code, input=page)
    finally:
        run("buildah", "rm", container)
    return json.loads(said.splitlines()[-1])


def test_a_student_has_no_rights_and_an_empty_home(inside):
    assert inside["uid"] == 1000
    assert inside["home"] == []
    assert inside["writable"] == []


def test_a_volume_over_home_hides_nothing(inside):
    assert inside["prefix"] == "/opt/d2l"
    assert all(path.startswith("/opt/d2l/lib") for path in inside["ours"])


def test_server_is_that_of_the_tested_hub(inside):
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    assert f"\njupyterhub=={inside['hub']}\n" in pins


def test_torch_is_for_the_cpu(inside):
    assert TORCH_INDEX  # what deploy/install.py takes it from, too
    assert inside["cuda"] is None


def test_first_cells_of_a_chapter_run(inside):
    assert inside["outputs"]
    kinds = {output["output_type"] for output in inside["outputs"]}
    assert "error" not in kinds


def test_server_is_set_up_as_on_every_hub(inside):
    assert "kernels: forked from a process" in inside["said"]
    preview = {"markdown": "Markdown Preview"}
    assert inside["settings"]["settings"]["defaultViewers"] == preview
    assert inside["puller"] != "404"
