"""The version of the package: another one for each state of its code.

    python -m tools.version       raise it, if the code has changed

pip installs nothing where the version is the same, whatever the code is, and
pages tell a package that is too old by its number. So the digest of the code
stands in pyproject.toml, beside the version that has it, and a test compares
them. The first two numbers are raised by hand.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.environment import ROOT
from tools.folders import write_whole

SHIPPED = (".py", ".mo")  # what runs, or is shown
# Where the version stands, with what stands before it.
PLACES = {
    "pyproject.toml": r'^version = "',
    "CITATION.cff": r"^version: ",
    "CHANGELOG.md": r"^## (?=\d)",
}
DIGEST = re.compile(r'(\[tool\.d2l\]\n(?:#.*\n)*digest = ")[^"]*')


def digest(root: Path = ROOT) -> str:
    """What stands for the code of the package, as it is in a folder."""
    found = hashlib.sha256()
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    for package in wheel["packages"]:
        files = [f for f in (root / package).rglob("*") if f.suffix in SHIPPED]
        for file in sorted(files, key=Path.as_posix):
            content = file.read_bytes().replace(b"\r\n", b"\n")
            found.update(file.relative_to(root).as_posix().encode() + b"\0")
            found.update(hashlib.sha256(content).digest())
    return found.hexdigest()[:16]


def noted(text: str) -> tuple[str, str]:
    """The version in the text of a pyproject.toml, and the digest of it."""
    values = tomllib.loads(text)
    about = values.get("tool", {}).get("d2l", {})
    return values["project"]["version"], about.get("digest", "")


def problem(root: Path = ROOT) -> str:
    """What is to be done about the version; "" if nothing."""
    version, known = noted((root / "pyproject.toml").read_text("utf-8"))
    if known == digest(root):
        return ""
    return (
        f"the package isn't that of version {version} any more: run "
        "`python -m tools.version`, which gives it another one"
    )


def raised(version: str) -> str:
    """The version after one, such as 0.3.1 after 0.3.0."""
    first, _, last = version.rpartition(".")
    return f"{first}.{int(last) + 1}"


def committed(root: Path) -> str:
    """The version of the last commit; "" where git can't say."""
    command = ["git", "show", "HEAD:./pyproject.toml"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True)
    except OSError:  # there is no git
        return ""
    text = done.stdout.decode()
    return noted(text)[0] if done.returncode == 0 and text else ""


def update(root: Path = ROOT) -> str:
    """Give the package a version of its own, if its code has changed.

    A version that no commit has yet is taken for the code as it is now.

    Returns:
        The version, which may be the same.
    """
    file = root / "pyproject.toml"
    version, known = noted(file.read_text("utf-8"))
    now = digest(root)
    if known == now:
        return version
    last = committed(root)
    if not last or version == last:
        version = raised(version)
        for name, before in PLACES.items():
            text = (root / name).read_text("utf-8")
            pattern = re.compile(rf"({before})\d+\.\d+\.\d+", re.MULTILINE)
            text, times = pattern.subn(rf"\g<1>{version}", text, 1)
            if not times:
                raise ValueError(f"{name} has no version: write one there")
            write_whole(root / name, text)
    text, times = DIGEST.subn(rf"\g<1>{now}", file.read_text("utf-8"))
    if not times:
        raise ValueError("pyproject.toml has no digest under [tool.d2l]")
    write_whole(file, text)
    return version


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(f"The version is {update()}")
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
