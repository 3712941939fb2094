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

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import psutil
import pytest

from tests.browser.test_jupyterlab import RIGHT, WRONG
from tests.test_image import DOCKERFILE, instructions
from tools import hub
from tools.course import NAME
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
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FIRST_CELLS = 8
TOLD = {
    "site/pages/deploy.md": r"image for\s+the\s+CPU is (\d\.\d) GB",
    "site/pages/zh/deploy.md": r"CPU的镜像有(\d\.\d) GB",
}
OURS = ("d2l-helpers", "nbval-strict")
# Runs in the image, as a student, in an empty home folder.
INSIDE = """
import importlib.metadata, json, os, sys
home = os.listdir(os.path.expanduser("~"))  # before a package writes there
import nbclient, nbformat, torch
import d2l_helpers, nbval_strict
from d2l_helpers import d2l

found = {
    "uid": os.getuid(),
    "home": home,
    "prefix": sys.prefix,
    "cuda": torch.version.cuda,
    "ours": [d2l_helpers.__file__, nbval_strict.__file__],
    "writable": [f for f, *_ in os.walk(sys.prefix) if os.access(f, os.W_OK)],
}
found["packages"] = [
    (one.metadata["Name"], one.version)
    for one in importlib.metadata.distributions()
]
page = nbformat.reads(sys.stdin.read(), 4)
page.cells = page.cells[:%d]
nbclient.NotebookClient(page, kernel_name="python3", timeout=600,
    startup_timeout=300).execute()
found["outputs"] = [
    output for cell in page.cells for output in cell.get("outputs", [])
]
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
    # An environment that uv has made has no pip.
    python = Path(sys.base_prefix, "bin/python3")
    listed = run(str(python), "-m", "pip", "config", "list")
    settings = dict(re.findall(r"^\S*\.([\w-]+)='(.*)'$", listed, re.M))
    # A file: what buildah calls --env stays in the image.
    (folder / "pip").mkdir()
    lines = [
        f"{name} = {settings[name]}"
        for name in ("cert", "index-url", "extra-index-url")
        if "file:" not in settings.get(name, "file:")
    ]
    (folder / "pip/pip.conf").write_text("\n".join(["[global]", *lines]))
    options = [f"--volume={folder / 'pip'}:/etc/xdg/pip:ro"]
    options += ["--volume=/etc/ssl/certs:/etc/ssl/certs:ro"]
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
        ignore=shutil.ignore_patterns(
            "test", "__pycache__", "site-packages", "*.a"
        ),
    )
    # As in the images of Debian: of apt's files, nothing stays.
    for kept in ("cache/apt", "lib/apt/lists"):
        shutil.rmtree(root / "var" / kept)
        (root / "var" / kept).mkdir()
    (root / "etc/apt/apt.conf.d/docker-clean").write_text(
        'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";\n'
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };\n'
    )
    inside = ["chroot", str(root), "/usr/bin/env", f"PATH={PATH}"]
    run(*inside, "ldconfig")  # where Python is of a libpython
    run(*inside, "python3", "-c", "import bz2, ctypes, lzma, sqlite3, ssl")
    container = run("buildah", "from", "scratch").split()[-1]
    run("buildah", "add", "--quiet", container, str(root), "/")
    run("buildah", "config", f"--env=PATH={PATH}", container)
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
def container(image):
    """What a cluster makes of the image for a student."""
    name = run("buildah", "from", image).split()[-1]
    yield name
    run("buildah", "rm", name)


def folder_of_student(factory, name):
    """A folder that belongs to the student in the image."""
    folder = factory.mktemp(name)
    (user,) = (int(text) for name, text in instructions() if name == "USER")
    os.chown(folder, user, user)
    for part in (folder, *folder.parents[:-1]):  # pytest's are for root alone
        part.chmod(part.stat().st_mode | 0o055)
    return folder


@pytest.fixture(scope="module")
def inside(container, tmp_path_factory):
    """What a student finds in it, with an empty volume as home folder."""
    home = folder_of_student(tmp_path_factory, "home")
    command = ["buildah", "run", "--isolation=chroot"]
    command += [f"--volume={home}:/home/jovyan", container, "--"]
    page = chapters("01")[0].notebook.read_text("utf-8")
    code = INSIDE % FIRST_CELLS
    said = run(*command, "tini", "--", "python", "-c", code, input=page)
    return json.loads(said.splitlines()[-1])


@pytest.fixture(scope="module")
def used(container, tmp_path_factory):
    """What a student meets who comes to a hub whose servers run in it."""
    load = pytest.importorskip("benchmarks.hub", reason="needs JupyterHub")
    home = folder_of_student(tmp_path_factory, "volume")
    course = folder_of_student(tmp_path_factory, "course") / "course.git"
    clone = ["git", "clone", "--quiet", "--bare", "--depth=1", ROOT.as_uri()]
    run(*clone, str(course))
    branch = run("git", "-C", str(course), "symbolic-ref", "--short", "HEAD")
    # git reads no repository of somebody else.
    owner = home.stat()
    for path in (course, *course.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    volumes = [f"{home}:/home/jovyan", f"{course}:/srv/course.git:ro"]
    port = hub.free_port()
    found = {"home": home}
    with (
        tempfile.TemporaryDirectory(
            prefix="hub-image-", ignore_cleanup_errors=True
        ) as folder,
        hub.running(
            Path(folder),
            port,
            load.PASSWORD,
            config=Path(__file__).with_name("hub_config.py"),
            D2L_CONTAINER=container,
            D2L_VOLUMES=json.dumps(volumes),
            D2L_COURSE=json.dumps(
                {
                    "repository": "file:///srv/course.git",
                    "branch": branch.strip(),
                }
            ),
            WARM="0",  # the hub's own are on this machine
        ) as process,
    ):
        try:
            asyncio.run(work(load, port, found))
            (server,) = (
                one
                for one in psutil.Process(process.pid).children()
                if "buildah" in one.name()
            )
            family = [
                one
                for one in server.children(recursive=True)
                if "buildah" not in one.name()
            ]
            found["users"] = {user for one in family for user in one.uids()}
            found["MiB"] = load.pss(family)
        finally:
            found["said"] = Path(folder, hub.LOG).read_text("utf-8")
    print({key: found[key] for key in ("start", "first cell", "MiB")})
    return found


async def work(load, port, found):
    """What a student does, as a browser does it; fills ``found``."""
    jar = load.aiohttp.CookieJar(unsafe=True)  # also of an address in numbers
    patience = load.aiohttp.ClientTimeout(total=60 * MINUTES)
    async with load.aiohttp.ClientSession(
        cookie_jar=jar, timeout=patience
    ) as http:
        ada = load.Student("ada", f"http://{hub.HOST}:{port}", http)
        await ada.log_in()
        began = time.monotonic()
        await ada.start()
        found["start"] = time.monotonic() - began
        async with http.get(ada.server) as answer:
            answer.raise_for_status()
            opened = answer.url
        found["opened"] = opened.path
        await ada.follow_link(opened.query_string)
        page = opened.query["urlpath"]
        found["page"] = await ada.text("GET", page)
        manager = "@jupyterlab/docmanager-extension:plugin"
        settings = await ada.text("GET", f"lab/api/settings/{manager}")
        found["settings"] = json.loads(settings)
        # The first cell makes the student's own copy.
        path = page.removeprefix("lab/tree/")
        began = time.monotonic()
        socket = await ada.open_chapter(path)
        (first, *_) = await code_of(ada, path)
        found["front page"] = await shown(ada, socket, first)
        found["first cell"] = time.monotonic() - began
        (chapter,) = chapters("03")
        path = f"{NAME}/workbook/{chapter.path}.ipynb"
        cells = await code_of(ada, path)
        socket = await ada.open_chapter(path)
        for start in ("import torch", "from d2l_helpers import check"):
            (cell,) = (cell for cell in cells if start in cell)
            await shown(ada, socket, cell)
        (check,) = (cell for cell in cells if "check.quadratic" in cell)
        for name, answer in (("wrong", WRONG), ("right", RIGHT)):
            await shown(ada, socket, answer)
            found[name] = await shown(ada, socket, check)


async def code_of(student, path):
    """The code cells of a notebook, as the student's server gives them."""
    model = json.loads(await student.text("GET", f"api/contents/{path}"))
    cells = model["content"]["cells"]
    return [cell["source"] for cell in cells if cell["cell_type"] == "code"]


async def shown(student, socket, source):
    """What stands below a cell after it has run without an error."""
    heard = []
    assert await student.run(socket, source, heard) == "ok", heard
    texts = []
    for message in heard:
        content = message["content"]
        texts.append(content.get("text", ""))
        texts.append(content.get("data", {}).get("text/plain", ""))
    return "".join(texts)


@pytest.mark.parametrize("page", TOLD)
def test_image_is_as_large_as_told(image, page):
    size = run("buildah", "images", "--format={{.Size}}", image)
    assert size.split()[1] == "GB"
    (told,) = re.findall(TOLD[page], (ROOT / page).read_text("utf-8"))
    assert float(told) == pytest.approx(float(size.split()[0]), rel=0.1)


def test_a_student_has_no_rights_and_an_empty_home(inside):
    assert inside["uid"] == 1000
    assert inside["home"] == []
    assert inside["writable"] == []


def test_a_volume_over_home_hides_nothing(inside):
    assert inside["prefix"] == "/opt/d2l"
    assert all(path.startswith("/opt/d2l/lib") for path in inside["ours"])


def test_packages_are_those_of_constraints(inside):
    text = (ROOT / "constraints.txt").read_text("utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.M))
    pins = {plain(name): version for name, version in pins.items()}
    packages = {
        plain(name): version.partition("+")[0]  # torch's says for what
        for name, version in inside["packages"]
    }
    for name in ("pip", *OURS):  # the base has the first
        packages.pop(name, None)
    assert len(packages) > 50
    assert packages.items() <= pins.items()


def plain(name):
    """A package's name in its one form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_torch_is_for_the_cpu(inside):
    assert TORCH_INDEX  # what deploy/install.py takes it from, too
    assert inside["cuda"] is None


def test_first_cells_of_a_chapter_run(inside):
    assert inside["outputs"]
    kinds = {output["output_type"] for output in inside["outputs"]}
    assert "error" not in kinds


def test_server_is_set_up_as_on_every_hub(used):
    assert "kernels: forked from a process" in used["said"]
    viewers = used["settings"]["schema"]["properties"]["defaultViewers"]
    assert viewers["default"] == {"markdown": "Markdown Preview"}


def test_server_opens_the_front_page_which_makes_the_students_copy(used):
    assert used["opened"] == "/user/ada/git-pull"
    assert "jupyter-config-data" in used["page"]  # JupyterLab's
    assert "Your workbook is made: workbook/" in used["front page"]
    assert re.search(r"01_blocks +○+ +0 of \d+;", used["front page"])


def test_checks_answer(used):
    assert "This sums only the squares x_i x_i." in used["wrong"]
    assert "3.1 A quadratic layer: solved" in used["right"]


def test_nothing_of_a_student_runs_as_root(used):
    assert used["users"] == {1000}
