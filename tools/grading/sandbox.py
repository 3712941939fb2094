"""A place to run what students have written, where it can harm nothing.

bubblewrap makes it, from namespaces of Linux: no network; nothing to be seen
but the system's programs, this Python and the package of the checks; nothing
to be written but folders that are in memory, have a size, and are gone
afterwards. What is started there can't outlive it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import select
import shutil
import signal
import site
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from traitlets import Integer
from traitlets.config import Configurable

from tools.environment import ROOT

SEEN = ("d2l_helpers",)  # of this repository
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = (
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
)
FOLDER = "/submission"  # where the kernel runs
HANDED_IN = "/handed-in"  # what it finds there
FLAGS = ["-s", "-P"]  # no folder of the user's, nor where it starts
START = 180  # seconds that a kernel has to start
MIB = 2**20
# No use to users but root: a user's limit counts all that is theirs.
NAMESPACED_LIMITS = (5, 14)  # from this Linux on, it counts in a namespace
FIRST_USER = 61_000  # for root, each sandbox is of a user of its own

# In the sandbox, before the kernel: what is read is the settings.
BOOT = """
import json, os, resource, shutil, sys
settings = json.load(sys.stdin)
for name, value in settings["limits"].items():
    resource.setrlimit(getattr(resource, name), (value, value))
shutil.copytree(
    settings["handed_in"], settings["folder"], copy_function=shutil.copyfile)
os.chmod(settings["folder"], 0o700)
os.mkdir(settings["sockets"])
connection = os.path.join(settings["sockets"], "connection.json")
with open(connection, "w") as file:
    json.dump(settings["connection"], file)
os.chdir(settings["folder"])
for descriptor in (0, 2):  # nobody reads what it complains of
    os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
os.execv(sys.executable, [
    sys.executable, *settings["flags"], "-m", "ipykernel_launcher",
    "-f", connection,
    "--HistoryManager.hist_file=:memory:",
    "--InteractiveShellApp.ignore_cwd=True"])
"""


class Limits(Configurable):
    """What a submission may use: set in nbgrader_config.py of a course."""

    cell_seconds = Integer(60, help="of computing, for a cell").tag(
        config=True
    )
    seconds = Integer(600, help="for a submission").tag(config=True)
    memory = Integer(2048, help="MiB, for a process and for all together").tag(
        config=True
    )
    processes = Integer(128, help="and threads").tag(config=True)
    files = Integer(64, help="MiB, that it has and writes").tag(config=True)
    output = Integer(1, help="MiB, that is kept of a cell").tag(config=True)


class SandboxError(Exception):
    """There can be no sandbox; the message says what to do."""


class Unsealed:
    """A kernel that runs as any other program: it can do all that you can.

    Args:
        handed_in (Path): the folder of a submission, which is copied.
        limits (Limits): what it may use.
        language (str): of the checks' reports.
        slot (int): a number that no other one has at the same time.

    Raises:
        SandboxError: if it doesn't start.
    """

    def __init__(
        self, handed_in: Path, limits: Limits, language: str, slot: int = 0
    ) -> None:
        self.limits, self.key = limits, secrets.token_hex()
        self._name = f"kernel-{secrets.token_hex(8)}"
        self._held = ExitStack()
        try:
            self._begin(handed_in, language, slot)
            self._await_sockets()
        except BaseException:
            self.end()
            raise

    def _begin(self, handed_in: Path, language: str, slot: int) -> None:
        folder = self._held.enter_context(
            tempfile.TemporaryDirectory(
                prefix="grade-", ignore_cleanup_errors=True
            )
        )
        self._sockets = os.path.join(folder, self._name)
        variables = {**os.environ, **_variables(language), "HOME": folder}
        # Without a sandbox, /tmp is everybody's.
        private = ("IPYTHONDIR", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR")
        for name in private:
            variables[name] = os.path.join(folder, name)
        self._start(
            [sys.executable, *FLAGS],
            {
                "limits": _rlimits(self.limits),
                "handed_in": str(handed_in),
                "folder": os.path.join(folder, "work"),
            },
            env=variables,
        )

    def _start(self, command: list[str], settings: dict, **options) -> None:
        """Start what boots, and then is the kernel."""
        self.process = subprocess.Popen(
            [*command, "-c", BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **options,
        )
        settings |= {
            "sockets": self._sockets,
            "connection": self._connection(self._sockets),
            "flags": FLAGS,
        }
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(settings).encode())
            self.process.stdin.close()

    def _await_sockets(self, root: str = "") -> None:
        """Wait until the kernel is there, before it has run anything."""
        wanted = {f"k-{number}" for number in range(1, 6)}
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self.is_alive():
            with contextlib.suppress(OSError):
                if wanted <= set(os.listdir(root + self._sockets)):
                    return
            time.sleep(0.02)
        raise SandboxError(self._complaint())

    def _complaint(self) -> str:
        """What was said by what didn't start."""
        self._kill()
        said = self.process.stderr.read().decode(errors="replace")
        return said.strip()[-500:] or "the kernel doesn't start"

    def connection(self) -> dict:
        """What a client connects with."""
        return self._connection(self._sockets)

    def _connection(self, folder: str) -> dict:
        names = ("shell", "iopub", "stdin", "control", "hb")
        return {
            "transport": "ipc",
            "ip": f"{folder}/k",
            "key": self.key,
            "signature_scheme": "hmac-sha256",
            **{f"{name}_port": i for i, name in enumerate(names, 1)},
        }

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def excess(self) -> str:
        """The limit that is exceeded now: "memory", "processes", or ""."""
        return ""

    def computed(self) -> float:
        """The seconds that it has computed, as far as that is known."""
        return 0

    def delayed(self) -> float:
        """The seconds that it had to wait to compute, as far as known."""
        return 0

    def end(self) -> None:
        """End all that runs there, and forget all that was written."""
        if hasattr(self, "process"):
            self._kill()
            self.process.wait()
            self.process.stderr.close()
        self._held.close()

    def _kill(self) -> None:
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Sandbox(Unsealed):
    """A kernel that can harm nothing outside; as :class:`Unsealed`, else."""

    _handle = _proc = None

    def _begin(self, handed_in: Path, language: str, slot: int) -> None:
        self._sockets = f"/run/{self._name}"
        program, *command = _command(handed_in, self.limits, slot)
        reads, writes = os.pipe()
        self._held.callback(os.close, reads)
        options = ["--info-fd", str(writes), "--clearenv"]
        for name, value in _variables(language).items():
            options += ["--setenv", name, value]
        try:
            self._start(
                [program, *options, *command],
                {
                    "limits": _rlimits(self.limits, sealed=True),
                    "handed_in": HANDED_IN,
                    "folder": f"{FOLDER}/work",
                },
                pass_fds=[writes],
            )
        finally:
            os.close(writes)
        ready, *_ = select.select([reads], [], [], START)
        said = os.read(reads, 4096) if ready else b""
        found = re.search(rb'"child-pid": (\d+)', said)
        if not found:
            raise SandboxError(self._complaint())
        self._root = f"/proc/{int(found[1])}/root"
        # It stands for this process, whoever gets its number afterwards.
        self._handle = os.pidfd_open(int(found[1]))
        self._held.callback(os.close, self._handle)

    def _await_sockets(self, root: str = "") -> None:
        super()._await_sockets(self._root)
        # These folders stay those of this sandbox.
        self._reach = self._open(self._root + self._sockets)
        self._proc = self._open(f"{self._root}/proc")

    def _open(self, path: str) -> int:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self._held.callback(os.close, folder)
        return folder

    def connection(self) -> dict:
        return self._connection(f"/proc/self/fd/{self._reach}")

    def excess(self) -> str:
        pids = self._pids()
        if len(pids) > self.limits.processes:
            return "processes"
        held = sum(_of_process(self._proc, pid, _memory) for pid in pids)
        return "memory" if held > self.limits.memory * MIB else ""

    def computed(self) -> float:
        ticks = [_of_process(self._proc, p, _ticks) for p in self._pids()]
        return sum(ticks) / os.sysconf("SC_CLK_TCK")

    def delayed(self) -> float:
        delays = [_of_process(self._proc, p, _delay) for p in self._pids()]
        return max(delays, default=0) / 1e9

    def _pids(self) -> list[str]:
        return [name for name in os.listdir(self._proc) if name.isdecimal()]

    def end(self) -> None:
        super().end()
        self._handle = None

    def _kill(self) -> None:
        # The first process of its namespace: all others go with it.
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        super()._kill()


def require(limits: Limits) -> None:
    """Refuse to go on where there can be no sandbox.

    Raises:
        SandboxError: if it is refused; the message says what to do.
    """
    without = (
        "To grade without a sandbox, where each submission can read, change "
        "and delete what you can, say so: SANDBOX=0"
    )
    if sys.platform != "linux":
        raise SandboxError(
            "A sandbox needs Linux, with bubblewrap: grade in a virtual "
            f"machine, or on a server. {without}"
        )
    if not shutil.which("bwrap"):
        raise SandboxError(
            "The sandbox needs bubblewrap: sudo apt install bubblewrap (or "
            f"sudo dnf install bubblewrap). {without}"
        )
    usage = subprocess.run(
        ["bwrap", "--help"], capture_output=True, text=True
    ).stdout
    if "--disable-userns" not in usage or "--size" not in usage:
        raise SandboxError(
            "This bubblewrap is too old: version 0.8 is needed, as Debian 12 "
            f"and Ubuntu 24.04 have it. {without}"
        )
    with tempfile.TemporaryDirectory() as empty:
        command = [*_command(Path(empty), limits, 0), "-c", ""]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SandboxError(
            f"bubblewrap can't make a sandbox here: {done.stderr.strip()}\n"
            "In a container, and where the system forbids it (on Ubuntu: "
            "sysctl kernel.apparmor_restrict_unprivileged_userns), users may "
            f"make no namespaces: grade on a machine where they may. {without}"
        )


def _command(handed_in: Path, limits: Limits, slot: int) -> list[str]:
    """What starts this Python in a sandbox."""
    size = ["--perms", "0777", "--size", str(limits.files * MIB), "--tmpfs"]
    root = os.geteuid() == 0
    options = ["--die-with-parent", "--new-session", "--unshare-all"]
    if not root:
        options += ["--unshare-user", "--disable-userns"]
    else:
        # Root would be bound by no limit of processes. Not `--unshare-all`:
        # in a namespace of users there are no others to become.
        options[-1:] = [
            f"--unshare-{name}" for name in ("pid", "net", "ipc", "uts")
        ]
        options += ["--cap-drop", "ALL"]
        options += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    options += [*size, "/tmp"]
    for source, target in _bound(handed_in):
        options += _parents(target)
        if source.is_symlink() and source == target:
            options += ["--symlink", os.readlink(source), str(target)]
        else:
            options += ["--ro-bind", str(source), str(target)]
    options += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/dev/shm", "/run", FOLDER):
        options += [*size, folder]
    for folder in ("/dev", "/"):  # in memory, too, and without a size
        options += ["--remount-ro", folder]
    options += ["--chdir", "/"]
    python = [sys.executable, *FLAGS]
    if root:
        user = str(FIRST_USER + slot)
        python = [
            *("setpriv", "--reuid", user, "--regid", user, "--clear-groups"),
            *("bwrap", "--die-with-parent", "--dev-bind", "/", "/"),
            *("--unshare-user", "--disable-userns"),
            *python,
        ]
    return ["bwrap", *options, *python]


def _bound(handed_in: Path) -> Iterator[tuple[Path, Path]]:
    """What can be read, and where: the outermost folders first."""
    for path in map(Path, (*SYSTEM, *SETTINGS)):
        if path.is_symlink() or path.exists():
            yield path, path
    pythons = {sys.prefix, sys.base_prefix, sys.exec_prefix}
    pythons |= {os.path.dirname(os.path.realpath(sys.executable))}
    pythons |= set(sysconfig.get_paths().values()) | set(
        site.getsitepackages()
    )
    pythons |= {os.path.realpath(path) for path in pythons}
    kept: list[Path] = []
    for path in sorted({Path(p) for p in pythons if os.path.isdir(p)}):
        below = (*map(Path, SYSTEM), *kept)
        if not any(path.is_relative_to(other) for other in below):
            kept.append(path)
            yield path, path
    for name in SEEN:
        yield ROOT / name, ROOT / name
    yield handed_in.resolve(), Path(HANDED_IN)


def _parents(path: Path) -> list[str]:
    """Folders on the way, which all may pass."""
    options = []
    for parent in reversed(path.parents):
        if parent != Path("/"):
            options += ["--perms", "0755", "--dir", str(parent)]
    return options


def _rlimits(limits: Limits, sealed: bool = False) -> dict[str, int]:
    """What the system itself holds each process to."""
    found = {
        "RLIMIT_CORE": 0,
        "RLIMIT_DATA": limits.memory * MIB,
        "RLIMIT_FSIZE": limits.files * MIB,
    }
    release = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    if sealed and (os.geteuid() == 0 or release >= NAMESPACED_LIMITS):
        found["RLIMIT_NPROC"] = limits.processes
    return found


def _variables(language: str) -> dict[str, str]:
    """The environment of a kernel: nothing of the user's."""
    return {
        "D2L_LANGUAGE": language,
        "HOME": FOLDER,
        "IPYTHONDIR": "/tmp/ipython",
        "LANG": "C.UTF-8",
        "LOGNAME": "student",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "NBGRADER_EXECUTION": "autograde",
        # Submissions run side by side; and each thread takes memory.
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PATH": f"{os.path.dirname(sys.executable)}:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(ROOT),
        "USER": "student",
    }


def _of_process(
    proc: int, pid: str, measure: Callable[[int, str], int]
) -> int:
    """What is measured of a process; 0 if it has ended."""
    try:
        return measure(proc, pid)
    except (OSError, IndexError):
        return 0


def _memory(proc: int, pid: str) -> int:
    """The bytes that a process holds, without files that it maps."""
    text = _read(proc, f"{pid}/status")
    found = re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+)", text, re.M)
    return 1024 * sum(map(int, found))


def _ticks(proc: int, pid: str) -> int:
    """What a process has computed, and those of its own that have ended."""
    # Behind its name, which may have brackets and spaces in it.
    values = _read(proc, f"{pid}/stat").rpartition(")")[2].split()
    return sum(map(int, values[11:15]))


def _delay(proc: int, pid: str) -> int:
    """The nanoseconds for which others computed in its place."""
    return int(_read(proc, f"{pid}/schedstat").split()[1])


def _read(proc: int, name: str) -> str:
    handle = os.open(name, os.O_RDONLY, dir_fd=proc)
    with open(handle, errors="replace") as file:
        return file.read()
