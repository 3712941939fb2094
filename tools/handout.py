"""What students get: the chapters and all that they need, no solutions.

    python -m tools.handout     writes _build/handout/NAME, and NAME.zip

The chapters are those of the course in site/course.toml. Links to solutions,
and to chapters that the course leaves out, become text.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import nbformat

from tools import book, exercises, pairs
from tools.folders import remember, replacing, require_known
from tools.site import BUILD, Course, read_course, unlinked

NAME = "deep-learning-computation"
README = Path(__file__).with_suffix(".md")
# Files, and folders with all that is in them.
TAKEN = [
    ".gitattributes",
    ".gitignore",
    "LICENSE",
    "LICENSE-text",
    "Makefile",
    "conftest.py",
    "constraints.txt",
    "d2l_helpers",
    "environment.yml",
    "jupytext.toml",
    "make.py",
    "nbval_strict",
    "postBuild",
    "pyproject.toml",
    "tests/__init__.py",
    "tests/nbval_strict",
    "tests/test_chapters.py",
    "tests/test_d2l_door.py",
    "tests/test_drawing.py",
    "tests/test_graphs.py",
    "tests/test_reference_modules.py",
    "tools/__init__.py",
    "tools/bars.py",
    "tools/book.py",
    "tools/environment.py",
    "tools/exercises.py",
    "tools/gate.py",
    "tools/lab",
    "tools/pairs.py",
]
# Targets of the Makefile that make sense there.
TARGETS = [
    "help",
    "setup",
    "lab",
    "progress",
    "test",
    "test-notebooks",
    "pairs",
    "lint",
    "clean",
]


def make_handout(course: Course, folder: Path) -> Path:
    """Write a folder, and a zip with the same beside it.

    Earlier ones are replaced, unless somebody has worked in them.

    Args:
        course (Course): its title and its chapters.
        folder (Path): where to write; its name is that of the zip.

    Returns:
        The zip file.

    Raises:
        LookupError: if one of the two isn't as it was written, or is a link.
            Nothing is changed then.
    """
    archive = folder.with_name(f"{folder.name}.zip")
    record = folder.with_name(f".{folder.name}.json")
    _require_replaceable(folder, archive, record)
    with replacing(folder) as new:
        _write(course, new)
        packed = Path(shutil.make_archive(new, "zip", new.parent, new.name))
        _require_replaceable(folder, archive, record)
        # Until both are in their places, the old and the new ones are known.
        remember(new, record, also=True)
        remember(packed, record, also=True)
        os.replace(packed, archive)
    remember(folder, record)
    remember(archive, record, also=True)
    return archive


def _require_replaceable(folder: Path, archive: Path, record: Path) -> None:
    """Refuse to lose what somebody has changed, also meanwhile."""
    if archive.is_dir():
        raise LookupError(f"{archive} is a folder: move it away first")
    for target in (folder, archive):
        require_known(target, record)


def _write(course: Course, folder: Path) -> None:
    """Write all that students get into an empty folder."""
    for name in TAKEN:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (book.ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(book.ROOT / name, target, ignore=ignored)
        else:
            shutil.copy2(book.ROOT / name, target)
    gone = [s.stem for s in book.sources() if s not in course.chapters]
    (folder / "chapters").mkdir()
    for chapter in course.chapters:
        _copy_chapter(chapter, gone, folder / "chapters")
    front = (book.CHAPTERS / "index.md").read_text("utf-8")
    (folder / "chapters/index.md").write_text(_front(front, gone), "utf-8")
    for page in book.texts():
        text = exercises.without_solutions(page.read_text("utf-8"))
        target = folder / "chapters" / page.name
        target.write_text(unlinked(text, gone), "utf-8")
    makefile = (book.ROOT / "Makefile").read_text("utf-8")
    (folder / "Makefile").write_text(_with_targets(makefile), "utf-8")
    readme = README.read_text("utf-8").replace("TITLE", course.title, 1)
    (folder / "README.md").write_text(readme, "utf-8")


def _copy_chapter(chapter: Path, gone: list[str], folder: Path) -> None:
    """Write both files of a chapter, without links to what isn't there."""
    source, stored = book.read_source(chapter), book.read_stored(chapter)
    for notebook in (source, stored):
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                text = exercises.without_solutions(cell.source)
                cell.source = unlinked(text, gone)
    pairs.remember(stored)
    book.write(folder / chapter.name, book.script(source))
    nbformat.write(stored, folder / f"{chapter.stem}.ipynb")


def _front(text: str, gone: list[str]) -> str:
    """The front page, without the rows of chapters that aren't there."""
    for name in gone:
        text = re.sub(rf"^\|.*\({name}\.ipynb\).*\n", "", text, flags=re.M)
    return unlinked(exercises.without_solutions(text), gone)


def _with_targets(makefile: str) -> str:
    """The Makefile with those of its targets that make sense there."""
    phony = f".PHONY: {' '.join(TARGETS)}\n"
    makefile = re.sub(
        r"^\.PHONY: help(?:.*\\\n)*.*\n", phony, makefile, flags=re.MULTILINE
    )
    blocks = re.split(r"\n\n(?=[^\t\n#])", makefile)
    kept = [
        block
        for block in blocks
        if not (found := re.match(r"([a-z-]+):(?!=)", block))
        or found[1] in TARGETS
    ]
    return "\n\n".join(kept)


def shown(path: Path) -> str:
    """A path as a reader finds it, from the root of the repository."""
    return path.relative_to(book.ROOT).as_posix()


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        course = read_course()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        archive = make_handout(course, BUILD / "handout" / NAME)
    except (LookupError, book.UnreadableError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"The folder is {shown(archive.with_suffix(''))}")
    print(f"The zip is {shown(archive)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
