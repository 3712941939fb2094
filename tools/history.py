"""What a page said earlier, by what git keeps of it."""

from __future__ import annotations

import subprocess

from tools import files
from tools.page import Page
from tools.translation import alt_of, digest, says


def old_texts(page: Page, wanted: set[str]) -> dict[str, str]:
    """What there was to translate on a page, in any commit.

    Args:
        page (Page): an original.
        wanted (set of str): the digests of what is looked for.

    Returns:
        Texts by digest; those that no commit has are missing.
    """
    missing, found = wanted - {""}, {}
    commits = _git(page, "log", "--format=%H", "--", page.source.name)
    for commit in commits.split():
        if not missing:
            break
        text = _git(page, "show", f"{commit}:./{page.source.name}")
        try:
            cells = files.parsed(text).cells
        except Exception:  # of YAML, for example, as in files.read_source
            continue
        for cell in cells:
            for said in (says(page, cell), alt_of(cell)):
                if digest(said) in missing:
                    found[digest(said)] = said
                    missing = missing - {digest(said)}
    return found


def _git(page: Page, *command: str) -> str:
    """What git says in the folder of a page; "" where it can't."""
    if not page.folder.is_dir():
        return ""
    try:
        done = subprocess.run(
            ["git", *command],
            cwd=page.folder,
            capture_output=True,
            encoding="utf-8",
        )
    except OSError:  # there is no git
        return ""
    return done.stdout if done.returncode == 0 else ""
