"""Folders that are made anew: built beside the old one, then swapped in."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What running things there leaves behind, which nobody misses.
CACHES = {
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


def not_as_zipped(folder: Path, archive: Path) -> list[str]:
    """The files of a folder that aren't in a zip, or not the same."""
    ours = {}
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            ours = {n: packed.read(n) for n in packed.namelist()}
    return sorted(
        name.as_posix()
        for file in folder.rglob("*")
        if not CACHES & set((name := file.relative_to(folder)).parts)
        and (file.is_file() or file.is_symlink())
        and ours.get(f"{folder.name}/{name.as_posix()}") != _content(file)
    )


def _content(file: Path) -> bytes | None:
    return None if file.is_symlink() else file.read_bytes()


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
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise
