"""Kernels that are forked from a process which has imported torch already.

An ordinary kernel spends most of its start on importing IPython, torch and
matplotlib. Here a server imports them once, and each kernel is a fork of it
(server.py), behind a provisioner of jupyter_client. After ``use()``, the
kernels that this process starts are such forks.

A cell sees what an ordinary kernel shows it, but for this: what torch imports
when it first needs it is there already; an environment variable that a cell
sets before it imports torch or matplotlib comes too late for them; and kernels
of one server share the seed of ``hash``, and so the order of a set of strings.

A kernel is a fork only if it runs this Python in the server's environment. Any
other kernel is started in the ordinary way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import (
    KernelProvisionerFactory,
    LocalProvisioner,
)

from nbval_strict.server import FROZEN_OFF, SERVER, Fork, why_not

NAME = "warm-provisioner"


def use() -> str:
    """Fork the kernels that this process starts, where that is right.

    ``WARM=0`` in the environment keeps them ordinary.

    Returns:
        A line for the user that says which kernels there will be, and why.
    """
    if reason := why_not():
        return f"kernels: ordinary, because {reason}"
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(
        NAME, f"{__name__}:WarmProvisioner", factory.GROUP_NAME
    )
    factory.default_provisioner_name = NAME
    return "kernels: forked from a process that has imported torch"


def in_use() -> bool:
    """Whether the kernels that this process starts are forks."""
    factory = KernelProvisionerFactory.instance()
    return factory.default_provisioner_name == NAME


def preload() -> None:
    """Let the server import already, in the background, if it is used.

    Without this it begins when the first kernel is started.
    """
    if in_use():
        SERVER.start()


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel as a fork, or else as its base class does."""

    async def launch_kernel(
        self, cmd: list[str], **kwargs: Any
    ) -> KernelConnectionInfo:
        SERVER.start()
        process = _process(cmd, **self._scrub_kwargs(kwargs))
        if process is None:
            self.log.info("This kernel can't be forked: %s", cmd)
            return await super().launch_kernel(cmd, **kwargs)
        process.start()
        self.process = process
        # It begins by making itself the leader of its process group.
        self.pid = self.pgid = self.process.pid
        self.cwd = self.process.cwd
        return self.connection_info


def _process(
    cmd: list[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    stdout: Any = None,
    stderr: Any = None,
    **others: Any,
) -> KernelProcess | None:
    """The fork that a command of a kernelspec asks for, if it can be one."""
    python, *arguments = (a for a in cmd if a != FROZEN_OFF)
    if (
        python != sys.executable
        or arguments[:2] != ["-m", "ipykernel_launcher"]
        or not SERVER.fits(env)
        or others
    ):
        return None
    env = {**env, "JPY_PARENT_PID": str(os.getpid())}
    cwd = os.fspath(cwd or os.getcwd())
    streams = [stdout or 1, stderr or 2]
    return KernelProcess(cmd, env, cwd, streams, SERVER.path(env, cwd))


class KernelProcess(Fork):
    """A fork of the server that becomes a kernel."""

    def mend_imported(self) -> None:
        from ipykernel.kernelapp import IPKernelApp

        super().mend_imported()
        # debugpy sets it on import.
        os.environ.setdefault("PYDEVD_USE_FRAME_EVAL", "NO")
        # These read variables that ipykernel and jupyter_client set later.
        if matplotlib := sys.modules.get("matplotlib"):
            matplotlib.rcParams["backend"] = os.environ.get(
                "MPLBACKEND", "module://matplotlib_inline.backend_inline"
            )
        IPKernelApp.instance(parent_handle=os.getppid())
