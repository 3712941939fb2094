"""The environment: where it is, what it lacks, and how it gets that.

Python 3.6 can run this file and make.py, without any package: an old Python
is told what is needed, and is good enough to start a newer one.

Nothing that is there is removed: a folder that can't be used is named, with
what to do. Versions of packages change only in an environment that lies in
this checkout or held nothing before. In any other one, as in conda's, pip
adds what is missing or too old.
"""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ["d2l", "lab", "dev", "site"]  # of pyproject.toml, for everyone
TORCH_INDEX = "https://download.pytorch.org/whl/"
STAMP = ".setup.json"  # in an environment, what it is set up for
LOG = "setup.log"  # beside it

# What an environment says about itself.
PROBE = """
import json, sys
about = {"version": sys.version_info[:2]}
if sys.version_info >= (3, 8):
    from importlib.metadata import distributions
    from importlib.util import find_spec
    names = [(str(d.metadata["Name"]).lower(), d) for d in distributions()]
    found = {name.replace("_", "-"): d for name, d in names}
    about["pip"] = find_spec("pip") is not None
    about["empty"] = found.keys() <= {"pip", "setuptools", "wheel"}
    about["torch"] = found["torch"].version if "torch" in found else None
    ours = found.get("d2l-helpers")
    url = ours and ours.read_text("direct_url.json")
    about["checkout"] = json.loads(url)["url"] if url else None
print(json.dumps(about))
"""

# pip's settings, under the names that uv gives them.
AS_UV = {
    "cert": "SSL_CERT_FILE",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "timeout": "UV_HTTP_TIMEOUT",
    "trusted-host": "UV_INSECURE_HOST",
}
# Those that don't matter to what uv installs. With any other, pip is used.
NOT_FOR_UV = {
    "break-system-packages",
    "cache-dir",
    "config-file",
    "constraint",  # an option of its command line
    "disable-pip-version-check",
    "log",
    "no-cache-dir",
    "no-color",
    "no-input",
    "no-warn-script-location",
    "progress-bar",
    "quiet",
    "require-virtualenv",
    "retries",
    "root-user-action",
    "user",
    "verbose",
}


def set_up(extras: list = ()) -> Path:
    """Make the environment ready, unless it is.

    Args:
        extras (list[str]): extras of pyproject.toml that not everyone needs.

    Returns:
        The Python of the environment.

    Raises:
        SystemExit: if that can't be; it says what to do.
    """
    folder = environment()
    python = python_of(folder)
    if os.environ.get("SETUP") == "0":
        if python is None:
            raise SystemExit(f"There is no Python in {short(folder)}.")
        return python
    about = probe(python)
    stamp = read_stamp(folder)
    torch = os.environ.get("TORCH") or stamp.get("torch", "")
    for extra in extras:
        if f"\n{extra} = [" not in project():
            raise SystemExit(f"pyproject.toml has no extra {extra!r}.")
    extras = sorted({*extras, *stamp.get("extras", [])})
    constraints = os.environ.get("CONSTRAINTS", stamp.get("constraints"))
    wanted = {"torch": torch, "extras": extras, "constraints": constraints}
    if about is None:
        make_environment(folder)
        python = python_of(folder)
        about = probe(python)
    elif (
        checkout_of(about) == ROOT
        and constraints is not None
        and stamp == {**wanted, "digest": digest(constraints)}
    ):
        return python
    check(folder, about)
    if constraints is None:
        conda = is_conda(folder)
        ours = not conda and (about["empty"] or ROOT in folder.parents)
        constraints = "constraints.txt" if ours else ""
    wanted.update(constraints=constraints, digest=digest(constraints))
    # Until all is done, it isn't ready: this has no digest.
    write_stamp(folder, {**stamp, "constraints": constraints, "digest": ""})
    start = time.time()
    with open(folder / LOG, "w", buffering=1, encoding="utf-8") as log:
        if not about["pip"]:
            run(log, python, "-m", "ensurepip")
        if torch and about["torch"]:
            tell(f"torch {about['torch']} is there already")
        install(log, python, extras, constraints, torch)
    write_stamp(folder, wanted)
    tell(f"Installed in {time.time() - start:.0f} s")
    return python


def environment() -> Path:
    """The folder of the environment, which may not be there yet."""
    if os.environ.get("VENV"):
        return Path(os.environ["VENV"])
    prefix = os.environ.get("CONDA_PREFIX")
    if prefix and os.environ.get("CONDA_DEFAULT_ENV", "base") != "base":
        return Path(prefix)
    return ROOT / ".venv"


def is_conda(folder: Path) -> bool:
    """Whether conda has made an environment."""
    return (folder / "conda-meta").is_dir()


def python_of(folder: Path) -> "Path | None":
    """The Python of an environment, if there is one."""
    places = ("bin/python", "Scripts/python.exe", "python.exe")
    found = [folder / place for place in places if (folder / place).exists()]
    return found[0] if found else None


def probe(python: "Path | None") -> "dict | None":
    """What an environment has, or None if its Python doesn't start."""
    if python is None:
        return None
    command = [str(python), "-I", "-c", PROBE]
    try:
        said = subprocess.check_output(command, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    return json.loads(said.decode())


def checkout_of(about: dict) -> "Path | None":
    """The folder from which an environment has the package d2l_helpers."""
    if not about.get("checkout"):
        return None
    # As urllib.request does it, the import of which every command would pay.
    path = unquote(urlsplit(about["checkout"]).path)
    return Path(path.lstrip("/") if os.name == "nt" else path).resolve()


def read_stamp(folder: Path) -> dict:
    """What write_stamp wrote; empty if it didn't."""
    try:
        return json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_stamp(folder: Path, stamp: dict) -> None:
    """Keep in an environment what it is set up for."""
    (folder / STAMP).write_text(json.dumps(stamp), encoding="utf-8")


def project() -> str:
    """The text of pyproject.toml; Python 3.10 can't parse it."""
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def package_version() -> str:
    """The version of this package, as pyproject.toml has it."""
    return re.search(r'\nversion = "(.*)"', project())[1]


def digest(constraints: str) -> str:
    """A text that is another one when the dependencies are."""
    text = re.sub(r"\nversion = .*", "", project().split("\n[tool.")[0])
    if constraints:
        text += (ROOT / constraints).read_text(encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def python_range() -> tuple:
    """The oldest and the newest Python, as (3, 11) and (3, 14)."""
    range_ = r'^requires-python = ">=3\.(\d+),<3\.(\d+)"'
    found = re.search(range_, project(), re.M)
    return (3, int(found[1])), (3, int(found[2]) - 1)


def check_version(version: tuple, remedy: str) -> None:
    """Exit with a remedy unless a Python's version is in the range."""
    oldest, newest = python_range()
    if not oldest <= tuple(version) <= newest:
        ours, oldest, newest = (
            ".".join(map(str, v)) for v in (version, oldest, newest)
        )
        raise SystemExit(
            f"This is Python {ours}, and {oldest} to {newest} is needed. "
            f"{remedy}"
        )


def make_environment(folder: Path) -> None:
    """Make a virtual environment, where nothing is."""
    shown = short(folder)
    if is_conda(folder):
        raise SystemExit(conda_remedy(folder))
    if folder.is_symlink() and not folder.exists():
        target = os.readlink(str(folder))
        raise SystemExit(
            f"{shown} is a link to {target}, which isn't there. Make that "
            "folder, or remove the link."
        )
    if folder.exists() and not folder.is_dir():
        raise SystemExit(f"{shown} is a file. Name a folder: VENV=folder")
    if (folder / "pyvenv.cfg").exists():
        raise SystemExit(
            f"The Python of {shown} doesn't start: it may have been removed, "
            f"or replaced by a newer one. Move what is yours out of {shown}, "
            "delete the folder, and run this again."
        )
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(
            f"{shown} is there and isn't a virtual environment. Name another "
            "folder: VENV=folder"
        )
    check_version(
        sys.version_info[:2],
        "Name one that you have: `make setup PYTHON=python3.12`, or "
        "`python3.12 make.py setup`",
    )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise SystemExit(
            f"{sys.executable} has no venv module. On Debian and Ubuntu, "
            "install it: sudo apt install python3-venv"
        ) from None
    tell(f"Making the environment {shown}")
    command = [sys.executable, "-m", "venv", "--without-pip"]
    command.append(str(folder.resolve()))  # venv makes no folder for a link
    done = False
    try:
        done = subprocess.call(command) == 0
    finally:
        if not done and folder.is_dir():  # which was empty, or not there
            for path in folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
    if not done:
        raise SystemExit(f"{shown} couldn't be made.")


def check(folder: Path, about: dict) -> None:
    """Exit with a remedy if an environment is no use, or another's."""
    shown = short(folder)
    if is_conda(folder):
        check_version(about["version"], conda_remedy(folder))
        if not about["pip"]:
            raise SystemExit(conda_remedy(folder))
    check_version(
        about["version"],
        f"Name another environment, VENV=folder, or move what is yours out "
        f"of {shown}, and delete it.",
    )
    other = checkout_of(about)
    elsewhere = other != ROOT and ROOT not in folder.parents
    if other and other.is_dir() and elsewhere:
        raise SystemExit(
            f"{shown} is set up for {other}, which would get the code of "
            "this folder. Name another environment, VENV=folder, or take "
            "this one as it is, SETUP=0."
        )


def conda_remedy(folder: Path) -> str:
    """What to do where conda lacks pip, or a Python of the right version."""
    oldest, newest = python_range()
    return (
        f"The conda environment {folder} needs pip and another Python: conda "
        f'install "python>=3.{oldest[1]},<3.{newest[1] + 1}" pip'
    )


def tell(line: str, end: str = "\n") -> None:
    """Say how far it is; what a command prints may be read by another."""
    print(line, end=end, file=sys.stderr, flush=True)


def short(path: Path) -> str:
    """A path as a reader finds it from the root of the checkout."""
    return str(path.relative_to(ROOT) if ROOT in path.parents else path)


def install(log, python: Path, extras: list, constraints: str, torch: str):
    """Install the dependencies, this package, and d2l.

    Args:
        log (TextIO): gets what is printed.
        python (Path): that of the environment.
        extras (list[str]): of pyproject.toml, besides EXTRAS.
        constraints (str): a file of versions; if empty, what is missing is
            added.
        torch (str): the index that torch is from: the last part of its
            address at PyTorch's, or an address; if empty, as pip chooses.
    """
    folder = Path(log.name).parent
    wanted = [["--editable", f".[{','.join(EXTRAS + extras)}]"]]
    if torch:
        # First, and alone: a torch that fits isn't replaced.
        index = TORCH_INDEX + torch if torch.isalnum() else torch
        requirement = re.search(r'"(torch\W[^"]*)"', project())[1]
        wanted.insert(0, ["--no-deps", "--index-url", index, requirement])
    options = ["--constraint", constraints] if constraints else []
    # No question that nobody sees; and into the environment, in any case.
    variables = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_USER": "0",
    }
    settings = uv_settings(python) if constraints else None
    if settings:
        tell(f"Installing into {short(folder)} with uv")
        uv = ["uv", "pip", "install", "--python", python, *options]
        uv += settings.pop("options")
        # Its --index-url yields to a variable.
        names = {"--index-url": "--default-index"}
        for want in wanted:
            want = [names.get(word, word) for word in want]
            if not passes(log, *uv, *want, **settings):
                tell("uv couldn't, so pip tries")
                settings = None
                break
    if not settings:
        tell(f"Installing into {short(folder)} with pip, which takes minutes")
        pip = [python, "-m", "pip", "install", *options]
        for want in wanted:
            run(log, *pip, *want, **variables)
    run(log, python, "-m", "d2l_helpers.d2l_package", **variables)
    # The kernel of ipykernel's wheel names no Python, and its debugger warns;
    # one with another Python is of an environment that was moved here.
    spec = folder / "share/jupyter/kernels/python3/kernel.json"
    argv = json.loads(spec.read_text(encoding="utf-8"))["argv"]
    if argv[0] != str(python):
        kernel = ["ipykernel", "install", "--sys-prefix", "--name", "python3"]
        name = ["--display-name", "Python 3 (ipykernel)"]
        with tempfile.TemporaryDirectory() as left:  # it leaves a folder
            run(log, python, "-m", *kernel, *name, TMPDIR=left)


def uv_settings(python: Path) -> "dict | None":
    """The variables and the options that make uv do as pip would.

    None where uv isn't, or where pip has a setting that uv has not.
    """
    if not shutil.which("uv"):
        return None
    command = [str(python), "-m", "pip", "config", "list"]
    listed = subprocess.check_output(command).decode().splitlines()
    settings = {}
    for section in ("global.", "install.", ":env:."):  # the last one wins
        for line in listed:
            if line.startswith(section):
                name, _, value = line[len(section) :].partition("=")
                words = map(
                    os.path.expanduser, ast.literal_eval(value).split()
                )
                settings[name] = list(words)
    if settings.keys() - AS_UV.keys() - NOT_FOR_UV:
        return None
    options = ["--index-strategy", "unsafe-best-match"]  # as pip's
    for file in settings.get("constraint", []):
        options += ["--constraint", file]
    variables = {
        AS_UV[name]: ("," if name == "find-links" else " ").join(words)
        for name, words in settings.items()
        if name in AS_UV
    }
    return {**variables, "options": options}


def run(log, *command, **variables) -> None:
    """Run a command, or exit after what it complained about."""
    if not passes(log, *command, **variables):
        raise SystemExit(
            "It isn't complete. Once the cause is gone, run this again. All "
            f"that was said is in {short(Path(log.name))}"
        )


def passes(log, *command, **variables) -> bool:
    """Run a command, show how far it is, and tell whether it passed."""
    command = list(map(str, command))
    log.write(f"$ {' '.join(command)}\n")
    live = sys.stderr.isatty()
    width = shutil.get_terminal_size().columns - 1
    lines = []
    with subprocess.Popen(
        command,
        cwd=str(ROOT),
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        for line in process.stdout:
            lines.append(line.decode("utf-8", "replace").rstrip())
            log.write(lines[-1] + "\n")
            if live:
                tell(lines[-1][:width].ljust(width), end="\r")
            if progress(lines[-1]):
                tell(progress(lines[-1]).ljust(width * live))
    if live:
        tell(" " * width, end="\r")
    if process.returncode:
        starts = [i for i, line in enumerate(lines) if COMPLAINT.match(line)]
        tell("\n".join(lines[min(starts, default=-30) :]))
        if any(map(NO_NETWORK.search, lines)):
            tell(
                "The package index can't be reached: look at the network, "
                "the proxy, or pip's settings, python -m pip config list"
            )
    return process.returncode == 0


COMPLAINT = re.compile(r"error|ERROR|Traceback| *[×x] ")
NO_NETWORK = re.compile(r"Retrying \(|dns error|tcp connect error")
BIG = re.compile(r"\((\d{3,}\.?\d* ?Mi?B|\d+\.?\d* ?Gi?B)\)$")


def progress(line: str) -> str:
    """What the user sees of a line of pip or uv; mostly nothing."""
    line = line.strip()
    if line.startswith("Installing collected packages: "):
        number = line.count(", ") + 1
        return f"  Installing {number} packages" if number > 9 else ""
    stage = re.match(r"(Resolved|Prepared|Installed) \d+ packages", line)
    big = line.startswith("Downloading ") and BIG.search(line)
    return f"  {line}" if stage or big else ""
