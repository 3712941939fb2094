"""Write constraints.txt: the exact set of packages that the tests ran with.

    make constraints                      keep torch's version, renew the rest
    make constraints ARGS="torch==2.14.0"   choose versions

The set is installed into a new environment from the ranges in pyproject.toml
and frozen. Then `make test` tells whether it works.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

from tools.environment import ROOT, python_of

TARGET = ROOT / "constraints.txt"
HEADER = """\
# The exact set of packages that was tested; written by `make constraints`.
"""


def main(chosen: list[str]) -> None:
    """Install, freeze, write.

    Args:
        chosen (list[str]): requirements to hold to, such as
            ``torch==2.14.0``; if empty, the torch that TARGET names now.
    """
    if not chosen and TARGET.is_file():
        chosen = re.findall(r"^torch==.*$", TARGET.read_text("utf-8"), re.M)
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = python_of(Path(folder))

        def pip(*arguments: str) -> list[str]:
            return [str(python), "-m", "pip", *arguments]

        pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
        extras = tomllib.loads(pyproject)["project"]["optional-dependencies"]
        project = f"{ROOT}[{','.join(extras)}]"
        # Torch first: a later step doesn't replace a version that fits.
        if chosen:
            subprocess.run(pip("install", *chosen), check=True)
        subprocess.run(pip("install", "--editable", project), check=True)
        subprocess.run([python, "-m", "d2l_helpers.d2l_package"], check=True)
        frozen = subprocess.run(
            # All: torch needs setuptools, which freeze would leave out.
            pip("freeze", "--exclude-editable", "--all", "--exclude=pip"),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    # A build of torch for one kind of machine ("+cpu") isn't elsewhere.
    frozen = re.sub(r"\+\w+$", "", frozen, flags=re.M)
    TARGET.write_text(HEADER + frozen, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
