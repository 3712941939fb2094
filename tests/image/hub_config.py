"""The hub of tests/image: students' servers run in the image.

As on Kubernetes: the image's own command, in an environment that has nothing
of this machine, a volume over the home folder, and the page that
deploy/values.yaml opens. test_built.py says what is in the variables.
"""

import json
import os
import subprocess
from pathlib import Path

import yaml
from jupyterhub.spawner import SimpleLocalProcessSpawner
from jupyterhub.utils import random_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CONTAINER = os.environ["D2L_CONTAINER"]
VOLUMES = json.loads(os.environ["D2L_VOLUMES"])

c = get_config()  # noqa: F821
load_subconfig("trial_config.py", path=str(DEPLOY))  # noqa: F821


def said_by_the_image(key):
    """What stands in the configuration of the image, such as its command."""
    inspect = ["buildah", "inspect", CONTAINER]
    done = subprocess.run(inspect, capture_output=True, check=True)
    return json.loads(done.stdout)["OCIv1"]["config"][key]


class ImageSpawner(SimpleLocalProcessSpawner):
    """Starts what the image starts, with the hub's variables alone."""

    async def start(self):
        self.port = random_port()  # one of the variables tells it
        self.cmd = [
            *["buildah", "run", "--isolation=chroot"],
            *[f"--volume={volume}" for volume in VOLUMES],
            *[
                f"--env={name}={value}"
                for name, value in self.get_env().items()
                if name.startswith(("JPY_", "JUPYTERHUB_"))
            ],
            *[CONTAINER, "--"],
            *said_by_the_image("Entrypoint"),
            *said_by_the_image("Cmd"),
        ]
        return await super().start()


c.JupyterHub.spawner_class = ImageSpawner
c.Spawner.args = []
# buildah's own: where it has images.
c.Spawner.environment = {
    name: value
    for name, value in os.environ.items()
    if name.startswith(("BUILDAH_", "CONTAINERS_", "STORAGE_"))
}

values = yaml.safe_load((DEPLOY / "values.yaml").read_text("utf-8"))
values["custom"]["course"] |= json.loads(os.environ["D2L_COURSE"])


def of_chart(key):
    """What the chart's get_config returns."""
    found = values
    for part in key.split("."):
        found = found[part]
    return found


for code in values["hub"]["extraConfig"].values():
    exec(code, {"c": c, "get_config": of_chart})
