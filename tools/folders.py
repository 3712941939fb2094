"""Folders and files that are made anew: beside the old ones, then swapped."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.environment import ROOT

BUILD = ROOT / "_build"
COURSE = ROOT / "course"  # of nbgrader, a teacher's own
# What looking at things, and running them, leaves behind; nobody misses it.
TRACES = {
    ".DS_Store",
    ".ipynb_checkpoints",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    "__pycache__",
}


def require_own(path: Path) -> None:
    """Refuse to write through a link to what is somebody else's.

    Raises:
        LookupError: if there is a symbolic link.
    """
    if path.is_symlink():
        raise LookupError(
            f"{path} is a link to {path.readlink()}, and what it leads to "
            "would be overwritten: remove the link first"
        )


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give an empty folder, which takes the place of another at the end.

    Args:
        target (Path): the folder to replace; it needn't be there.

    Raises:
        LookupError: if it is a link, or a file. Nothing is touched then, nor
            if what is done inside fails: the old folder is as it was.
    """
    require_own(target)
    if target.exists() and not target.is_dir():
        raise LookupError(f"{target} is a file: move it away first")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, since a folder can't be renamed onto another disk.
    with tempfile.TemporaryDirectory(
        prefix=f".{target.name}-", dir=target.parent
    ) as beside:
        new, old = (Path(beside, age, target.name) for age in ("new", "old"))
        new.mkdir(parents=True)
        old.parent.mkdir()
        yield new
        try:
            if target.exists():
                target.rename(old)
            new.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise


def require_known(target: Path, record: Path) -> None:
    """Refuse to replace what is no longer as :func:`remember` saw it.

    Raises:
        LookupError: if a file there, or the file itself, is another; or if
            it is a link.
    """
    require_own(target)
    if mine := changed(target, record):
        more = ["..."] * (len(mine) > 5)
        raise LookupError(
            f"{target} isn't as it was made: somebody has changed or added "
            f"{', '.join(mine[:5] + more)}. To keep that, move it away; "
            f"else remove {target}. Then build again"
        )


def changed(target: Path, record: Path) -> list[str]:
    """The files at or below a path that :func:`remember` saw otherwise."""
    known = _recorded(record)
    return [name for name, is_ in _digests(target).items() if is_ not in known]


def remember(target: Path, record: Path, *, also: bool = False) -> None:
    """Record what a file is, or the files of a folder, for the next time.

    Args:
        target (Path): the file or the folder.
        record (Path): the file that keeps it.
        also (bool): whether what was recorded before stays known.
    """
    known = {*_digests(target).values(), *(_recorded(record) * also)}
    write_whole(record, json.dumps(sorted(known)))


def write_whole(target: Path, content: str | bytes) -> None:
    """Write a file, complete or not at all, and never through a link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as beside:
        new = Path(beside, target.name)
        if isinstance(content, str):
            content = content.encode()
        new.write_bytes(content)
        os.replace(new, target)


def shown(path: Path) -> str:
    """A path as a reader finds it, from the root of the repository."""
    return Path(os.path.relpath(path, ROOT)).as_posix()


def _recorded(record: Path) -> list[str]:
    return json.loads(record.read_text("utf-8")) if record.is_file() else []


def _digests(target: Path) -> dict[str, str]:
    """Each file at or below a path, and a hash of its name and content."""
    found = {}
    for file in sorted([target, *target.rglob("*")]):
        name = file.relative_to(target)
        if TRACES & set(name.parts):
            continue
        if file.is_symlink():
            content = f"a link to {file.readlink()}"
        elif file.is_file():
            content = hashlib.sha256(file.read_bytes()).hexdigest()
        else:
            continue
        found[str(name if name.name else file.name)] = f"{name} {content}"
    return found
