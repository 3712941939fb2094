"""What a page said earlier, by what git keeps of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools import files, texts
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

    def said(text: str) -> Iterable[str]:
        try:
            cells = files.parsed(text).cells
        except Exception:  # of YAML, for example, as in files.read_source
            return []
        return [t for c in cells for t in (says(page, c), alt_of(c))]

    return _found(wanted, map(said, _versions(page.source)))


def old_sections(file: Path, wanted: set[str]) -> dict[str, str]:
    """The sections of a Markdown file, likewise."""
    return _found(wanted, map(texts.sections, _versions(file)))


def _found(
    wanted: set[str], versions: Iterable[Iterable[str]]
) -> dict[str, str]:
    """Texts by digest, from some versions of a page."""
    found: dict[str, str] = {}
    for version in versions if (missing := wanted - {""}) else ():
        for text in version:
            if digest(text) in missing:
                found.setdefault(digest(text), text)
        if found.keys() == missing:
            break
    return found


def _versions(file: Path) -> Iterator[str]:
    """The text of a file in each commit, from the last one on."""
    commits = _git(file.parent, "log", "--format=%H", "--", file.name)
    for commit in commits.split():
        yield _git(file.parent, "show", f"{commit}:./{file.name}")


def _git(folder: Path, *command: str) -> str:
    """What git says in a folder; "" where it can't."""
    if not folder.is_dir():
        return ""
    try:
        done = subprocess.run(
            ["git", *command],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
        )
    except OSError:  # there is no git
        return ""
    return done.stdout if done.returncode == 0 else ""
