"""Servers and kernels that are forks of one process, for all users of a hub.

Each student's server imports JupyterLab, and each kernel torch. Here the hub
starts one process that has imported both, and forks each server from it. The
fork first becomes the student's account, as any server of a hub on one
machine does. Then it forks once more, and this second process waits: the
student's kernels are forks of it. So all of them share the pages of what was
imported, and what a student can ask for a process is the student's own.

It is for servers on one machine, without containers: a fork stays in the
namespaces and in the control group of the process that it comes from, and so
a spawner that limits memory by a control group can't use it. There, each
server has a warm process of its own (jupyter_server_config.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shlex
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker

from jupyterhub.spawner import (
    LocalProcessSpawner,
    SimpleLocalProcessSpawner,
    set_user_setuid,
)
from jupyterhub.utils import random_port
from traitlets import Any

from nbval_strict.server import SERVER, Fork, be_two, why_not

# What a server imports while it starts, besides what its kernels do.
SERVERS = [
    "nbval_strict",  # it spares each server 1.6 s: see there
    "jupyterhub.singleuser",
    "jupyterhub.singleuser.extension",
    "jupyter_server.serverapp",
    "jupyter_server.services.auth",
    "jupyterlab.labapp",
    "nbgitpuller",
]
# Variables that a server has for itself, and no library reads on import.
OWN = ("CPU_", "HOME", "JPY_", "JUPYTERHUB_", "MEM_", "SHELL", "USER")


def shared(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of a server's environment that all servers have."""
    return {k: v for k, v in environment.items() if not k.startswith(OWN)}


@contextlib.contextmanager
def having(environment: Mapping[str, str]) -> Iterator[None]:
    """What is started meanwhile has another environment."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def become_account(name: str) -> None:
    """Drop what root may do, for good; go to the account's home folder."""
    # Through it, a process could have root's tracker remove files.
    tracker = resource_tracker._resource_tracker
    if tracker._fd is not None:
        os.close(tracker._fd)
        tracker._fd = tracker._pid = None
    set_user_setuid(name)()


class ServerFork(Fork):
    """A fork that becomes a student's server.

    Args:
        account (str): whose process it becomes; if empty, it stays the hub's.
        others: those of ``Fork``.
    """

    def __init__(self, *others, account: str) -> None:
        super().__init__(*others)
        self.account = account

    def run(self) -> None:
        """In the fork: be the server, beside a process for its kernels."""
        if self.account:
            become_account(self.account)
        os.makedirs(self.cwd, exist_ok=True)
        be_two()
        super().run()

    def __enter__(self) -> ServerFork:
        return self

    def __exit__(self, *_) -> None:
        """Nothing to close: it is a spawner that asks for this."""


class WarmSpawner(LocalProcessSpawner):
    """Starts a server as a fork, or else as its base class does.

    For users with accounts on this machine; the hub runs as root.
    """

    proc = Any(help="what was started: a fork, or a Popen", allow_none=True)
    # One after another; and the hub answers while the first one waits.
    _forking = ThreadPoolExecutor(1)

    def account(self) -> str:
        """Whose process a server becomes."""
        return self.user.name

    def home(self) -> str:
        """The folder in which a server starts."""
        return pwd.getpwnam(self.user.name).pw_dir

    async def start(self) -> tuple[str, int]:
        """Start the server; return its host and its port."""
        if os.environ.get("WARM") in ("0", "own") or why_not():
            return await super().start()
        self.port = self.port or random_port()
        environment = self.get_env()
        if SERVER.environment is None:
            with having(shared(environment)):
                SERVER.start(SERVERS)
        if not SERVER.fits(shared(environment)) or self.shell_cmd:
            self.log.info("This server can't be forked: it isn't as others")
            return await super().start()
        command = [*self.cmd, *self.get_args()]
        self.log.info("Forking %s", shlex.join(command))
        home = self.home()
        fork = ServerFork(
            command,
            environment,
            home,
            [1, 2],
            SERVER.path(environment, home),
            account=self.account(),
        )
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._forking, fork.start)
        self.proc = fork
        self.pid = fork.pid
        return self.ip or "127.0.0.1", self.port


class WarmTrialSpawner(WarmSpawner, SimpleLocalProcessSpawner):
    """For users without accounts: all servers are the hub's own account's."""

    def account(self) -> str:
        """None."""
        return ""

    def home(self) -> str:
        """A folder of the user's name."""
        return self.home_dir


def preload(config) -> None:
    """Let the process import already, before the first server is started.

    Args:
        config (Config): the hub's, at the end of its file.
    """
    if os.environ.get("WARM") in ("0", "own") or why_not():
        return
    kept = LocalProcessSpawner(config=config).env_keep
    environment = {k: os.environ[k] for k in kept if k in os.environ}
    with having(shared({**environment, **config.Spawner.environment})):
        SERVER.start(SERVERS)
