"""Run the tests with other versions of Python and of the packages.

    pipx run nox                    each session whose Python is here
    pipx run nox -s newest-3.13     one of them
    pipx run nox --list             their names

A session makes an environment as `make setup` does, and runs in it what
`make test` runs, without the style check.
"""

import re
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
OLDEST, BEYOND = map(int, re.findall(r"3\.(\d+)", PROJECT["requires-python"]))
PYTHONS = [f"3.{minor}" for minor in range(OLDEST, BEYOND)]


@nox.session(python=PYTHONS[:1])
def oldest(session: nox.Session) -> None:
    """Test with the lower bounds of pyproject.toml, each of them exactly."""
    extras = PROJECT["optional-dependencies"].values()
    requirements = sum(extras, PROJECT["dependencies"])
    lower_bounds = Path(session.create_tmp(), "lower_bounds.txt")
    lower_bounds.write_text("\n".join(requirements).replace(">=", "=="))
    # Old releases may call what their newer dependencies deprecate.
    test(session, lower_bounds, "-W", "default::DeprecationWarning")


@nox.session(python=PYTHONS)
def tested(session: nox.Session) -> None:
    """Test with the exact set of constraints.txt."""
    test(session, "constraints.txt")


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """Test with the newest release of each package."""
    test(session, "")


def test(session: nox.Session, constraints: str | Path, *options) -> None:
    """Install as `make setup` does, and run all tests."""
    session.env["VENV"] = session.virtualenv.location
    session.env["CONSTRAINTS"] = str(constraints)
    session.run("python", "make.py", "setup")
    pytest = ["-m", "pytest", "-n", "auto", "--maxprocesses=4"]
    session.run("python", "make.py", *pytest, *options, *session.posargs)
