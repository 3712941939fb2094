"""A handout that was unpacked over an older one: what is left to do.

Unpacking replaces files and adds some; it removes none. A handout notes what
is in it, in a file of its own in the folder .handout, so that the notes of
older ones stay there. By these, what only an older one had is removed, unless
somebody has changed it. A page of chapters/ that a reader has changed would be
replaced by the next one: a copy is put into kept/.

Python 3.6 can run this file, as tools/environment.py.
"""

import hashlib
import json
from pathlib import Path

NOTES = ".handout"
NEWEST = "newest"  # names the note of the handout that was unpacked last
KEPT = "kept"


def note(root: Path) -> None:
    """Note what is in a handout that has just been written.

    Args:
        root (Path): the folder of it.
    """
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    names = {path.relative_to(root).as_posix(): digest(path) for path in files}
    text = json.dumps(names, indent=0, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    notes = root / NOTES
    notes.mkdir()
    (notes / (name + ".json")).write_text(text, encoding="utf-8")
    (notes / NEWEST).write_text(name, encoding="utf-8")


def tidy(root: Path) -> list:
    """Finish what unpacking has begun.

    Args:
        root (Path): the folder of a handout; of anything else, nothing is
            done.

    Returns:
        What there is to say, a line each.
    """
    notes = read_notes(root)
    newest = root / NOTES / NEWEST
    now = newest.read_text(encoding="utf-8").strip() if notes else ""
    if now not in notes:
        return []
    known = {}
    for names in notes.values():
        for name, value in names.items():
            known.setdefault(name, set()).add(value)
    lines = []
    for name in sorted(known):
        path = root / name
        if not path.is_file() or is_linked(path, root):
            continue
        own = digest(path) not in known[name]
        if name in notes[now]:
            if (
                own
                and name.startswith("chapters/")
                and path.suffix == ".ipynb"
            ):
                lines += keep(path, root)
        elif own:
            lines.append(
                name + " isn't in the new handout; you have changed it, so "
                "it stays"
            )
        else:
            path.unlink()
            remove_empty(path.parent, root)
    return lines


def read_notes(root: Path) -> dict:
    """By name, what each handout had that was unpacked here."""
    found = {}
    for file in sorted((root / NOTES).glob("*.json")):
        try:
            names = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            continue  # half a file: what it would say isn't known
        if isinstance(names, dict):
            found[file.stem] = names
    return found


def digest(path: Path) -> str:
    """What stands for a file; of a notebook, for what is written in it.

    To run a notebook doesn't change that.
    """
    content = path.read_bytes().replace(b"\r\n", b"\n")
    if path.suffix == ".ipynb":
        try:
            cells = [
                [cell["cell_type"], "".join(cell["source"])]
                for cell in json.loads(content.decode("utf-8"))["cells"]
            ]
            content = json.dumps(cells).encode()
        except (KeyError, TypeError, ValueError):
            pass
    return hashlib.sha256(content).hexdigest()[:16]


def keep(path: Path, root: Path) -> list:
    """Copy a page that a reader has changed, unless there is a copy.

    Of a pair, that is the notebook, which has all that the other one has.
    """
    if path.suffix != ".ipynb":
        return []
    folder = root / KEPT
    copies = sorted(folder.glob(path.stem + "*" + path.suffix))
    value = digest(path)
    if any(digest(copy) == value for copy in copies):
        return []
    folder.mkdir(exist_ok=True)
    number, copy = 1, folder / path.name
    while copy.exists():
        number += 1
        copy = folder / f"{path.stem}-{number}{path.suffix}"
    copy.write_bytes(path.read_bytes())
    name = path.relative_to(root).as_posix()
    return [
        f"You have changed {name}: a copy is {KEPT}/{copy.name}, since the "
        "next handout replaces the page. Work in workbook/, where none does."
    ]


def is_linked(path: Path, root: Path) -> bool:
    """Whether a link leads to a file, so that it isn't the handout's."""
    inside = [path] + [p for p in path.parents if root in p.parents]
    return root not in path.parents or any(p.is_symlink() for p in inside)


def remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder with nothing but caches in it, and those around it."""
    while root in folder.parents and not folder.is_symlink():
        cache = folder / "__pycache__"
        if any(path != cache for path in folder.iterdir()):
            return
        if cache.is_dir() and not cache.is_symlink():
            for path in cache.iterdir():
                path.unlink()
            cache.rmdir()
        folder.rmdir()
        folder = folder.parent
