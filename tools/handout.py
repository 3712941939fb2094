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
from dataclasses import replace
from pathlib import Path

import nbformat

from tools import files
from tools.course import NAME, Course, read_course
from tools.environment import ROOT
from tools.folders import (
    BUILD,
    remember,
    replacing,
    require_known,
    shown,
    write_whole,
)
from tools.page import CHAPTERS, Page, front_page, texts
from tools.variants import front_page as front
from tools.variants import handout, made, reads
from tools.variants.stored import remembering

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
    "tests/after_cells.py",
    "tests/nbval_strict",
    "tests/passed.py",
    "tests/problems.py",
    "tests/test_chapters.py",
    "tests/test_d2l_package.py",
    "tests/test_drawing.py",
    "tests/test_graphs.py",
    "tests/test_reference_modules.py",
    "tests/variables.py",
    "tools/__init__.py",
    "tools/anchors.py",
    "tools/book.py",
    "tools/environment.py",
    "tools/exercise.py",
    "tools/exercises.py",
    "tools/files.py",
    "tools/folders.py",
    "tools/form/__init__.py",
    "tools/form/chapters.py",
    "tools/form/draft.py",
    "tools/form/pages.py",
    "tools/gate.py",
    "tools/lab",
    "tools/measures.py",
    "tools/own_edits.py",
    "tools/page.py",
    "tools/pairs.py",
    "tools/prose.py",
    "tools/remarks.py",
    "tools/standards.py",
    "tools/statements.py",
    "tools/terms.py",
    "tools/translation.py",
    "tools/variants/__init__.py",
    "tools/variants/links.py",
    "tools/variants/solutions.py",
    "tools/variants/stored.py",
    "tools/variants/translated.py",
    "tools/words.py",
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
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(ROOT / name, target, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, target)
    for chapter in course.chapters:
        _copy_chapter(course, chapter, folder / CHAPTERS.name)
    for file in texts():
        words = handout.words(course)
        if file == front_page():
            words = front.in_handout(course)
        text = reads(file.read_text("utf-8"), words)
        (folder / CHAPTERS.name / file.name).write_text(text, "utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (folder / "Makefile").write_text(_with_targets(makefile), "utf-8")
    readme = README.read_text("utf-8").replace("TITLE", course.title, 1)
    (folder / "README.md").write_text(readme, "utf-8")


def _copy_chapter(course: Course, chapter: Page, root: Path) -> None:
    """Write both files of a chapter, without links to what isn't there."""
    copy = replace(chapter, root=root)
    variant = handout.variant(course)
    source = made(chapter, files.read_source(chapter), variant)
    write_whole(copy.source, files.script(source))
    variant.append(remembering)
    stored = made(chapter, files.read_stored(chapter), variant)
    nbformat.write(stored, copy.notebook)


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
    except (LookupError, files.UnreadableError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"The folder is {shown(archive.with_suffix(''))}")
    print(f"The zip is {shown(archive)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
