"""What students get: the chapters and all that they need, no solutions.

    python -m tools.handout [LANGUAGE]
    python -m tools.handout students [LANGUAGE] [--to=ADDRESS] [--force]

The first writes _build/handout/NAME, and NAME.zip, with the pages of one
language; the second, the same into the students' repository, and says by which
link a hub fetches it. Chapters and repository are those of the course
in site/course.toml. Links to solutions, and to chapters that the course leaves
out, become text.

ADDRESS is where to push, if that is another address than the one that students
clone, as git@host:owner/name.git. --force replaces what somebody has changed
there, and takes changes that aren't committed here.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import nbformat

from tools import files, gate, students
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
from tools.handed_out import note
from tools.page import (
    CHAPTERS,
    LANGUAGES,
    START_PAGE,
    Page,
    front_page,
    require_language,
    start_name,
    texts,
)
from tools.students import RefusedError
from tools.variants import front_page as front
from tools.variants import handout, made, reads
from tools.variants.stored import remembering

HERE = Path(__file__).parent  # has the README, in each language
# Files, and folders with all that is in them.
TAKEN = [
    ".gitattributes",
    ".gitignore",
    "LICENSE",
    "LICENSE-text",
    "Makefile",
    "binder",
    "conftest.py",
    "constraints.txt",
    "d2l_helpers",
    "d2l_reader",
    "deploy/install.py",
    "deploy/jupyter_server_config.py",
    "environment.yml",
    "jupytext.toml",
    "make.py",
    "nbval_strict",
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
    "tools/handed_out.py",
    "tools/lab",
    "tools/measures.py",
    "tools/own_edits.py",
    "tools/page.py",
    "tools/pairs.py",
    "tools/predictions.py",
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
# What the tools know of a language, beside its pages.
AUTHORS = ["grading.toml", "terms.toml", "words.toml"]
# Targets of the Makefile that make sense there.
TARGETS = [
    "help",
    "setup",
    "lab",
    "progress",
    "restore",
    "test",
    "test-notebooks",
    "pairs",
    "lint",
    "clean",
]


def make_handout(
    course: Course, folder: Path, language: str = LANGUAGES[0]
) -> Path:
    """Write a folder, and a zip with the same beside it.

    Earlier ones are replaced, unless somebody has worked in them.

    Args:
        course (Course): its title and its chapters.
        folder (Path): where to write; its name is that of the zip.
        language (str): that of the pages.

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
        write_handout(course, new, language)
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


def write_handout(course: Course, folder: Path, language: str) -> None:
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
        page = replace(chapter, language=language)
        _copy_chapter(course, page, folder / CHAPTERS.name)
    front_file = front_page(language)
    for file in texts(language):
        words = handout.words(course)
        if file == front_file:
            words = front.in_handout(course)
        text = reads(file.read_text("utf-8"), words)
        copy = folder / CHAPTERS.name / file.relative_to(CHAPTERS)
        copy.write_text(text, "utf-8")
    for name in AUTHORS:  # there are none of the first language
        if (file := front_file.with_name(name)).is_file():
            shutil.copy2(file, folder / CHAPTERS.name / language)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (folder / "Makefile").write_text(_with_targets(makefile), "utf-8")
    shutil.copy2(start_of(language), folder / START_PAGE)
    readme = readme_of(language).read_text("utf-8")
    title = course.titles.get(language, course.title)
    readme = readme.replace("TITLE", title, 1)
    (folder / "README.md").write_text(readme, "utf-8")
    note(folder)


def readme_of(language: str) -> Path:
    """The file with the README of a handout in a language."""
    return _in(language, HERE / "handout.md")


def start_of(language: str) -> Path:
    """The notebook of a language that makes the workbook, as on a hub."""
    return ROOT / start_name(language)


def _in(language: str, file: Path) -> Path:
    """A file, or the one beside it that says the same in a language."""
    if language == LANGUAGES[0]:
        return file
    return file.with_suffix(f".{language}{file.suffix}")


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


def publish(course: Course, language: str, to: str, force: bool) -> str:
    """Write a handout into the students' repository; return what to say.

    Raises:
        RefusedError: if something is in the way, or no repository is named.
    """
    if not course.students:
        raise RefusedError(
            "site/course.toml doesn't say where the students' repository is. "
            "Make an empty one on a host of git, and write\n"
            'students = "https://github.com/owner/course"'
        )
    # First what is told at once: to read all pages takes a while.
    students.require_branch(course, language)
    pages = [replace(page, language=language) for page in course.chapters]
    if wrong := gate.all_problems(pages):
        raise RefusedError("\n".join(wrong))
    said = students.publish(course, language, write_handout, to, force)
    link = students.link(course, language)
    lines = [said, f"The link for students:\n{link}"]
    if not course.hub:
        example = students.EXAMPLE
        lines.append(f"In the place of {example}, write that of your hub.")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    given = [part for part in arguments if part]
    options = [part for part in given if part.startswith("--")]
    given = [part for part in given if part not in options]
    to = "".join(o[5:] for o in options if o.startswith("--to="))
    others = [o for o in options if o != "--force" and o[:5] != "--to="]
    for_students = given[:1] == ["students"]
    del given[: int(for_students)]
    if len(given) > 1 or others or (options and not for_students):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        course = read_course()
        first = course.first if for_students else LANGUAGES[0]
        language = "".join(given) or first
        require_language(language)
        if for_students:
            print(publish(course, language, to, "--force" in options))
            return 0
        name = NAME if language == LANGUAGES[0] else f"{NAME}-{language}"
        archive = make_handout(course, BUILD / "handout" / name, language)
    except (LookupError, ValueError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except (RefusedError, files.UnreadableError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"The folder is {shown(archive.with_suffix(''))}")
    print(f"The zip is {shown(archive)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
