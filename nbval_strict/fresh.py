"""A fresh Python that has torch already, for tests that need a process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nbval_strict.server import SERVER, Fork, why_not


def fresh_python(
    code: str,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
) -> subprocess.CompletedProcess:
    """Run code as ``python -c`` does, in a fork that has imported torch.

    Where forks aren't right, it is an ordinary process. Take one if the test
    is about an import of torch, IPython or matplotlib, or about a variable
    that acts when they are imported or Python starts. ``PYTHONPATH`` acts.

    Args:
        code (str): what to run, as ``__main__``.
        arguments (str): the rest of ``sys.argv``.
        env (mapping): changes to the environment.
        cwd (path): the folder to run in; the current one, if it isn't given.

    Returns:
        The exit status, and what it wrote to stdout and to stderr.
    """
    command = [sys.executable, "-c", code, *arguments]
    env = {**os.environ, **(env or {})}
    cwd = os.fspath(cwd or os.getcwd())
    if why_not():
        return subprocess.run(
            command, env=env, cwd=cwd, capture_output=True, text=True
        )
    SERVER.start()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        fork = Fork(command, env, cwd, [out, err], SERVER.path(env, cwd))
        fork.start()
        status = fork.wait()
        for file in (out, err):
            file.seek(0)
        said = (file.read().decode() for file in (out, err))
        return subprocess.CompletedProcess(command, status, *said)
