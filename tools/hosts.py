"""Where a repository is, and what opens it from there: any host of git.

GitHub and GitLab have addresses of their own in Binder, and Colab opens what
is on GitHub. All else takes the address that git clones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

# What addresses are made of: nothing that ends one, in HTML or in a shell.
PART = r"[\w.~%+@=,-]"
HOST = r"https?://[\w-]+(\.[\w-]+)*(:\d+)?"
STEP = rf"(?!\.(\.|git)?(/|$)){PART}+"
FORM = re.compile(rf"{HOST}(/{STEP})+/?")
WANTED = "https://host/owner/name"
GITHUB, GITLAB, GITEE = hosts = ("github.com", "gitlab.com", "gitee.com")
# They clone the same with and without .git at the end.
KNOWN = frozenset(hosts)
# As in git@host:owner/name.git, or ssh://git@host:22/owner/name.git.
SSH = re.compile(
    r"(?:ssh://(?:[^/@]+@)?(?P<host>[^/:]+)(?::\d+)?/"
    r"|[^/@:]+@(?P<place>[^/:]+):)(?P<path>.+)"
)


@dataclass(frozen=True)
class Repository:
    """A repository that anybody can clone.

    Args:
        address (str): as its host shows it, or as git clones it: with
            ``.git`` or a slash at the end, or without.

    Raises:
        ValueError: if it is none; the message says why, and what to write.
    """

    address: str

    def __post_init__(self) -> None:
        if remedy := self._remedy():
            raise ValueError(remedy)

    def _remedy(self) -> str:
        if found := SSH.fullmatch(self.address):
            host, path = found["host"] or found["place"], found["path"]
            path = path.strip("/").removesuffix(".git")
            write = f"https://{host}/{path}"
            return f"which takes a key that readers lack: write {write}"
        if found := re.fullmatch(r"(https?://)[^/@]+@(.*)", self.address):
            return f"which has a name in it: write {found[1]}{found[2]}"
        if not FORM.fullmatch(self.address):
            return f"not {WANTED}, which readers can clone, or empty"
        steps = len(self.path.split("/"))
        if self.host in KNOWN and steps < 2:
            write = f"https://{self.host}/owner/name"
            return f"which is no repository: write {write}"
        if self.host in (GITHUB, GITEE) and steps > 2:
            owner, name, *_ = self.path.split("/")
            write = f"https://{self.host}/{owner}/{name}"
            return f"which is a page in a repository: write {write}"
        if self.host == GITLAB and "/-/" in self.path:
            write = f"https://{GITLAB}/{self.path.partition('/-/')[0]}"
            return f"which is a page in a repository: write {write}"
        return ""

    @property
    def host(self) -> str:
        """The name of the host, in small letters, with its port if any."""
        return self.address.split("/")[2].lower()

    @property
    def path(self) -> str:
        """Its place there, such as ``owner/name``; no ``.git``."""
        rest = self.address.split("/", 3)[3].rstrip("/")
        return rest.removesuffix(".git")

    @property
    def name(self) -> str:
        """What its folder is called where it is cloned."""
        return self.path.rpartition("/")[2]

    @property
    def clone(self) -> str:
        """What git clones."""
        if self.host in KNOWN:
            return f"https://{self.host}/{self.path}"
        # Without its .git, another host may not know it.
        return self.address.rstrip("/")

    def requirement(self, revision: str) -> str:
        """What pip installs.

        Args:
            revision (str): a commit, a branch or a tag.
        """
        return f"git+{self.clone}@{revision}"

    def in_colab(self, branch: str, path: str) -> str:
        """Where Colab opens a notebook; "" if it can't.

        Args:
            branch (str): which one has the notebook.
            path (str): where it stands in the repository.
        """
        if self.host != GITHUB:
            return ""
        return (
            f"https://colab.research.google.com/github/{self.path}"
            f"/blob/{branch}/{path}"
        )

    def in_binder(self, branch: str, path: str) -> str:
        """Where Binder opens a file; arguments as for :meth:`in_colab`."""
        provider, spec = {
            GITHUB: ("gh", self.path),
            GITLAB: ("gl", quote(self.path, "")),
        }.get(self.host, ("git", quote(self.clone, "")))
        return (
            f"https://mybinder.org/v2/{provider}/{spec}/{quote(branch, '')}"
            f"?urlpath={quote(f'lab/tree/{path}', '')}"
        )

    def on_hub(
        self, hub: str, branch: str, path: str, folder: str = ""
    ) -> str:
        """The link by which nbgitpuller fetches it, and opens a file.

        Args:
            hub (str): the address of a JupyterHub.
            branch (str): which one it fetches.
            path (str): where the file stands in the repository.
            folder (str): where it is put, if not into one of its name.
        """
        folder = folder or self.name
        # Else it would be this, also with .git at its end.
        told = self.clone.rpartition("/")[2] != folder
        return (
            f"{hub}/hub/user-redirect/git-pull"
            f"?repo={quote(self.clone, '')}&branch={quote(branch, '')}"
            + f"&targetpath={quote(folder, '')}" * told
            + f"&urlpath={quote(f'lab/tree/{folder}/{path}', '')}"
        )
