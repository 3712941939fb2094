"""The hub of `make hub`: to try a class out, on this machine alone.

Any name logs in, with one password, and all servers run under your own
account: it isn't for students. tools/hub.py starts it and says what's in the
variables.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import warm_spawner  # noqa: E402

FOLDER = Path(os.environ["D2L_HUB_FOLDER"])

c = get_config()  # noqa: F821
load_subconfig("jupyterhub_config.py", path=str(HERE))  # noqa: F821

# Only this machine reaches it.
c.JupyterHub.bind_url = f"http://127.0.0.1:{os.environ['D2L_HUB_PORT']}"
c.JupyterHub.hub_port = int(os.environ["D2L_HUB_OWN_PORT"])
c.ConfigurableHTTPProxy.api_url = (
    f"http://127.0.0.1:{os.environ['D2L_HUB_PROXY_PORT']}"
)

c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ["D2L_HUB_PASSWORD"]
c.Authenticator.allow_all = True
# A name is a folder's, too.
c.Authenticator.username_pattern = r"[a-z0-9][a-z0-9_-]{0,31}"

c.JupyterHub.db_url = f"sqlite:///{FOLDER / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(FOLDER / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(FOLDER / "proxy.pid")

c.JupyterHub.spawner_class = "warm_spawner.WarmTrialSpawner"
home = str(FOLDER / "home").replace("{", "{{").replace("}", "}}")
c.SimpleLocalProcessSpawner.home_dir_template = f"{home}/{{username}}"
# As deploy/install.py would have put it below sys.prefix.
c.Spawner.environment = {
    "JUPYTER_CONFIG_PATH": str(HERE),
    "TMPDIR": os.environ["TMPDIR"],
    "WARM": os.environ.get("WARM", ""),
}
c.Spawner.args = [f"--LabApp.app_settings_dir={HERE.parent / 'tools/lab'}"]
if os.geteuid() == 0:
    c.Spawner.args.append("--allow-root")

warm_spawner.preload(c)
