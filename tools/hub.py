"""A JupyterHub on this machine, to try a class out.

    python -m tools.hub

starts it, says where it is and how to log in, and gives the link by which
students get the chapters. It runs until Ctrl-C. What students do is kept in
hub/, which git ignores. Settings, from the environment:

    PORT=8000       where browsers find it
    HUB=folder      where its users' files are, if not in hub/
    REPO=address    the repository that the link brings, if not this one
    BRANCH=name     its branch
    EDITION=zh      the language of the page that the link opens
    WARM=0          no servers and no kernels that start fast
    WARM=own        each server has its own process that has imported torch,
                    as in an image
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil

from tools.course import NAME
from tools.environment import ROOT
from tools.page import LANGUAGES, require_language, start_name

HOST = "127.0.0.1"
CONFIG = ROOT / "deploy/trial_config.py"
LOG = "hub.log"
START = 300  # seconds until it must be there: a machine can be very busy
PATIENCE = 120  # then until it must be gone


def main() -> int:
    """Run a hub until it is told to end; return the exit status."""
    if sys.platform == "win32":
        print("JupyterHub doesn't run on Windows.", file=sys.stderr)
        return 2
    try:
        port = read_port(os.environ.get("PORT") or "8000")
        edition = os.environ.get("EDITION") or LANGUAGES[0]
        require_language(edition)
        repository = os.environ.get("REPO") or own_repository()
        branch = os.environ.get("BRANCH", "")
        if not branch and not os.environ.get("REPO"):
            branch = own_branch()
        folder = Path(os.environ.get("HUB") or ROOT / "hub").absolute()
        password = secrets.token_hex(5)
        with running(folder, port, password) as hub:
            # The line by which a test knows that it is there is the last.
            print(
                f"Log in with any name, such as ada, and the password "
                f"{password}\n"
                f"What students do is kept in {shown(folder / 'home')}; what "
                f"the hub says is in {shown(folder / LOG)}\n"
                f"This link brings the newest chapters of {repository}, as "
                f"they were committed, and opens them:\n\n"
                f"    {link(port, repository, branch, edition)}\n\n"
                f"The hub is at http://{HOST}:{port}, for this machine alone. "
                f"Ctrl-C stops it.",
                flush=True,
            )
            hub.wait()
            print(f"The hub has ended. See {shown(folder / LOG)}")
            return 1
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nThe hub is stopped, and what students did is kept.")
        return 0


def read_port(text: str) -> int:
    """A port's number, if nothing listens there yet.

    Raises:
        LookupError: if it is none, or taken.
    """
    if not text.isdecimal() or not 1024 <= int(text) < 65536:
        raise LookupError(f"PORT={text} isn't a port, such as PORT=8010")
    with socket.socket() as probe:
        # As a server does that starts soon after another has ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(text)))
        except OSError:
            raise LookupError(
                f"Port {text} is taken, perhaps by another hub. Stop that, or "
                "name another port: make hub PORT=8010"
            ) from None
    return int(text)


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def own_repository() -> str:
    """The address of this clone, as git knows it on this machine."""
    if not (ROOT / ".git").exists():
        raise LookupError(
            "This folder is no git repository, and a link brings the files "
            "of one. Name it: make hub REPO=ADDRESS"
        )
    return ROOT.as_uri()


def own_branch() -> str:
    """The branch of this clone that is checked out."""
    command = ["git", "-C", str(ROOT), "symbolic-ref", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise LookupError(
            "This clone is on no branch, and a link names one. Say which: "
            "make hub BRANCH=main"
        )
    return done.stdout.strip()


def link(port: int, repository: str, branch: str, edition: str) -> str:
    """What a teacher gives to students: the chapters, as they are now.

    Args:
        port (int): that of the hub.
        repository (str): the address of the repository with the chapters.
        branch (str): its branch; if empty, the one that it names itself.
        edition (str): the language of the page that opens; its first cell
            makes the student's own copy of the chapters.
    """
    asked = {"repo": repository, "branch": branch, "targetpath": NAME}
    asked["urlpath"] = f"lab/tree/{NAME}/{start_name(edition)}"
    query = urlencode({k: v for k, v in asked.items() if v}, quote_via=quote)
    return f"http://{HOST}:{port}/hub/user-redirect/git-pull?{query}"


@contextlib.contextmanager
def running(
    folder: Path,
    port: int,
    password: str,
    config: Path = CONFIG,
    **more: str,
) -> Iterator[subprocess.Popen]:
    """A hub that answers, and of which nothing is left afterwards.

    Args:
        folder (Path): for its users' files, and its own; it is kept.
        port (int): where browsers find it.
        password (str): that of each user.
        config (Path): the file that sets it up.
        more: variables for that file.

    Yields:
        the process of JupyterHub.

    Raises:
        LookupError: if it can't run here, or has ended before it answered.
    """
    if not shutil.which("git"):
        raise LookupError("A hub needs git, which isn't installed.")
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # also against other accounts of this machine
    with only_one(folder), ends_with_this_process() as temporary:
        install_proxy()
        environment = {
            **os.environ,
            "D2L_HUB_FOLDER": str(folder),
            "D2L_HUB_PORT": str(port),
            "D2L_HUB_OWN_PORT": str(free_port()),
            "D2L_HUB_PROXY_PORT": str(free_port()),
            "D2L_HUB_PASSWORD": password,
            "TMPDIR": temporary,
            **more,
        }
        with open(folder / LOG, "w") as log:
            hub = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(config)],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for this process, which ends it in good order.
                start_new_session=True,
            )
        try:
            wait_until_there(hub, port, folder / LOG)
            yield hub
        finally:
            hub.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                hub.wait(PATIENCE)


def wait_until_there(hub: subprocess.Popen, port: int, log: Path) -> None:
    """Return as soon as a hub answers."""
    address = f"http://{HOST}:{port}/hub/health"
    end = time.monotonic() + START
    # No proxy of the environment stands between a machine and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while hub.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError):
            opener.open(address, timeout=5).close()
            return
        time.sleep(0.1)
    last = "\n".join(log.read_text("utf-8", "replace").splitlines()[-20:])
    why = "The hub has ended."
    if hub.poll() is None:
        why = f"The hub didn't answer within {START} s: is the machine busy?"
    raise LookupError(f"{last}\n{why} See {shown(log)}")


def install_proxy() -> None:
    """Install the hub's proxy, which isn't a Python package."""
    sys.path.insert(0, str(CONFIG.parent))
    try:
        import install
    finally:
        del sys.path[0]
    try:
        install.install_proxy(Path(sys.prefix))
    except (ImportError, OSError, subprocess.CalledProcessError) as error:
        raise LookupError(
            f"The hub's proxy couldn't be installed: {error}\nThe first time, "
            "npm's registry must be in reach."
        ) from None


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold a folder, which no second hub may use meanwhile."""
    import fcntl  # which Windows hasn't

    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LookupError(
                f"A hub runs in {shown(folder)} already. Stop it, or give "
                "this one another folder: make hub HUB=folder PORT=8010"
            ) from None
        yield


@contextlib.contextmanager
def ends_with_this_process() -> Iterator[str]:
    """A folder for temporary files; with it, all that was started ends.

    JupyterHub ends its servers, and these their kernels. But if it is stopped
    while it starts, or dies, they would be left.
    """

    def stop(*_):
        # A second one, as make and the terminal both send it, wouldn't make
        # it faster, but leave something behind.
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    if (
        sys.platform == "linux"
    ):  # what loses its parent becomes a child of this
        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(
        prefix="hub-", ignore_cleanup_errors=True
    ) as temporary:
        known = psutil.Process().children(recursive=True)
        try:
            yield temporary
        finally:
            for number in before:
                signal.signal(number, signal.SIG_IGN)
            end_all(known)
            for number, handler in before.items():
                signal.signal(number, handler)


def end_all(but: list[psutil.Process]) -> None:
    """End the processes that this one has started, and theirs."""
    for kill in (False, True, True):
        left = psutil.Process().children(recursive=True)
        left = [process for process in left if process not in but]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill() if kill else process.terminate()
        psutil.wait_procs(left, timeout=5)


def shown(path: Path) -> str:
    """A path as somebody finds it from the root of the checkout."""
    return str(path.relative_to(ROOT) if ROOT in path.parents else path)


if __name__ == "__main__":
    sys.exit(main())
