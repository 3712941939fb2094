"""Servers of a hub whose users have accounts on the machine."""

import json
import os
import subprocess
import sys
import tempfile

import pytest

from tools.environment import ROOT

ACCOUNT = "nobody"  # each Linux has it
# In the fork: who is it, what can it reach, and whose are its kernels?
CODE = """
import json, os, socket, stat, sys
from multiprocessing import forkserver
from nbval_strict.server import SERVER, Fork

def may(action, *arguments):
    try:
        action(*arguments)
    except PermissionError:
        return False
    return True

shared, secret, *pipes = sys.argv[1:]
SERVER.start()
kernel = Fork(
    [sys.executable, "-c", "import os, sys; print("
     "os.getresuid(), os.getgroups(), 'torch' in sys.modules, flush=True)"],
    dict(os.environ), os.getcwd(), [1, 2], sys.path)
kernel.start()
kernel.join()
inodes = {}
for fd in map(int, os.listdir("/proc/self/fd")):
    try:
        inodes[os.fstat(fd).st_ino] = fd
    except OSError:  # the folder itself
        continue
print(json.dumps({
    "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
    "torch": "torch" in sys.modules,
    "reads the hub's files": may(open, secret),
    "asks the hub's process": may(
        socket.socket(socket.AF_UNIX).connect, shared),
    "becomes root again": may(os.setuid, 0),
    "pipes of the hub": [p for p in map(int, pipes) if p in inodes],
}))
"""
HUB = """
import os, sys
sys.path.insert(0, "deploy")
import warm_spawner
from multiprocessing import forkserver, resource_tracker
from nbval_strict.server import SERVER

code, account, home, secret = sys.argv[1:]
kept = {name: os.environ[name] for name in ("PATH", "TMPDIR")}
environment = {**kept, "HOME": home}
with warm_spawner.having(warm_spawner.shared(environment)):
    SERVER.start()
shared = forkserver._forkserver._forkserver_address
pipes = [
    str(os.fstat(fd).st_ino) for fd in (
        forkserver._forkserver._forkserver_alive_fd,
        resource_tracker._resource_tracker._fd)]
fork = warm_spawner.ServerFork(
    [sys.executable, "-c", code, shared, secret, *pipes],
    environment, home, [1, 2],
    sys.path[1:], account=account)
fork.start()
fork.join()
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="only root becomes another account",
)
def test_server_is_its_users_and_can_ask_the_hubs_process_for_nothing(
    tmp_path,
):
    pwd = pytest.importorskip("pwd")
    nobody = pwd.getpwnam(ACCOUNT)
    secret = tmp_path / "secret"
    secret.write_text("of the hub")
    secret.chmod(0o600)
    with tempfile.TemporaryDirectory() as folder:
        # JupyterHub makes folders there for an account without a home.
        os.chmod(folder, 0o1777)
        done = subprocess.run(
            [sys.executable, "-c", HUB, CODE, ACCOUNT, "/", str(secret)],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.stdout, done.stderr
    *kernel, facts = done.stdout.splitlines()
    facts = json.loads(facts)
    uid, gid = nobody.pw_uid, nobody.pw_gid
    groups = os.getgrouplist(ACCOUNT, gid)
    assert facts["ids"] == [[uid] * 3, [gid] * 3, groups]
    assert facts["torch"]
    assert not facts["reads the hub's files"]
    assert not facts["asks the hub's process"]
    assert not facts["becomes root again"]
    # Each could end it, by a single byte.
    assert facts["pipes of the hub"] == []
    assert kernel == [f"{(uid, uid, uid)} {groups} True"]
