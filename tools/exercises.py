"""The exercises: what the chapters ask, and what a reader has solved.

    python -m tools.exercises progress      what is solved in the notebooks
    python -m tools.exercises copy [CH]     statements, to the solutions' .py
    python -m tools.exercises new 3.8 "Title"      begin an exercise
    python -m tools.exercises rename 3.8 "Title"   give it another title

A statement is written once, in its chapter. `copy` brings it to the page of
solutions, and a test refuses a page that lacks it. A statement that was edited
there, since that page was run, is kept, unless --force stands at the end.

`new` writes the statement, the solution, the check, and answers to try, with
TODO where an author is to go on, and runs both pages. The kind is Code, with
--kind=Think or --kind=Explore another; --minutes=20 says how long it takes,
--check=name what its check is called, if that isn't to follow from the title.
"""

from __future__ import annotations

import argparse
import sys

from tools import files, pairs
from tools.exercise import (
    BLANK_STATEMENT,
    KINDS,
    is_check,
    number_of,
    parsed,
    said,
    sections,
)
from tools.folders import shown, write_whole
from tools.page import Page, chapters
from tools.variants import made
from tools.variants.solutions import with_statements


def copy_statements(chapter: Page, force: bool = False) -> bool:
    """Write the statements of a chapter into the page of its solutions.

    Args:
        chapter (Page): the chapter.
        force (bool): whether to overwrite statements that were edited there.

    Returns:
        Whether there was something to write.

    Raises:
        UnreadableError: if the chapter or its page of solutions can't be read.
        ValueError: if an exercise isn't in the form of the others.
        EditedError: if a statement was edited on the page of solutions, since
            that was run.
    """
    page = chapter.solutions
    old = files.read_source(page)
    tasks = list(parsed(files.read_source(chapter), chapter.shown()))
    new = made(page, old, [with_statements(tasks)])
    before, after = files.script(old), files.script(new)
    known = _known(page)
    edited = [
        number_of(cell)
        for cell, wanted in zip(old.cells, new.cells, strict=True)
        if cell.source not in (wanted.source, *known) and not _is_bare(cell)
    ]
    if edited and not force:
        names = (page.source.name, "what its chapter says")
        raise files.EditedError(
            f"{page.shown()} has statements of its own, in "
            f"{', '.join(edited)}\n"
            f"{pairs.difference(before, after, names)}\n"
            "Write them in the chapter. To discard them here, add --force."
        )
    if before == after:
        return False
    write_whole(page.source, after)
    return True


def _is_bare(cell) -> bool:
    """Whether a cell waits for the statement that is to come."""
    text = cell.source.strip()
    return "\n" not in text or text.endswith(BLANK_STATEMENT)


def _known(page: Page) -> list[str]:
    """The statements of a page of solutions as they were when it was run."""
    try:
        stored = files.read_stored(page)
    except files.UnreadableError:
        return []
    made_from = pairs.origin(stored) or []
    return [
        cell.source
        for cell in pairs.cells(stored)
        if pairs.digest(cell) in made_from
    ]


def progress() -> str:
    """What is solved in each chapter, by the outputs that are stored."""
    lines, solved, total = [], 0, 0
    for chapter in chapters():
        try:
            stored = files.read_stored(chapter)
        except files.UnreadableError as error:
            lines.append(f"{chapter.stem:<20} {error}")
            continue
        # A reader may have added cells, or taken some away.
        marks_of = {
            number_of(first): "".join(
                said(cell)[:1] for cell in rest if is_check(cell)
            )
            for first, *rest in sections(stored)
        }
        done = sum(marks == "✓" for marks in marks_of.values())
        wrong = [number for number, marks in marks_of.items() if "✗" in marks]
        bar = "".join(marks[-1:] or "·" for marks in marks_of.values())
        line = f"{chapter.stem:<20} {bar:<10} {done} of {len(marks_of)}"
        if wrong:
            line += f"; not right yet: {', '.join(wrong)}"
        lines.append(line)
        solved, total = solved + done, total + len(marks_of)
    lines.append(f"{'all':<31} {solved} of {total} solved")
    lines.append(
        "This is what the checks said when you saved the notebooks last."
    )
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    force = arguments[-1:] == ["--force"]
    try:
        match arguments[: len(arguments) - force]:
            case ["progress"] if not force:
                print(progress())
            case ["new" | "rename" as command, *_] if not files.in_handout():
                return _write(command, arguments[1:])
            case ["copy", *which] if len(which) < 2:
                done = [_copy(c, force) for c in chapters("".join(which))]
                return 0 if all(done) else 1
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    return 0


def _write(command: str, arguments: list[str]) -> int:
    """Begin an exercise, or rename one; return the exit status."""
    # They are for authors, and not in a handout.
    from tools.edits import REFUSED, Edits, why
    from tools.skeletons import carry_out, exercise

    options = _parser(command).parse_args(arguments)
    number, _, place = options.number.partition(".")
    edits = Edits()
    try:
        if not (number.isdecimal() and place.isdecimal()):
            raise ValueError(f"{options.number!r} is no number such as 3.8")
        (chapter,) = chapters(number)
        values = {k: v for k, v in vars(options).items() if k != "number"}
        new = exercise.Skeleton(chapter, int(place), **values)
        if command == "new":
            exercise.add(edits, new)
            return carry_out(edits, chapter)
        exercise.rename(edits, new)
        for file in edits.write():
            print(f"written: {shown(file)}")
    except REFUSED as error:
        print(why(error), file=sys.stderr)
        return 2
    print(f"Now {files.rerun(chapter)}.")
    return 0


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"python -m tools.exercises {command}")
    parser.add_argument("number", help="chapter and place, such as 3.8")
    parser.add_argument("title")
    if command == "new":
        parser.add_argument("--kind", choices=KINDS, default="Code")
        parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--check", default="", help="the name of its check")
    return parser


def _copy(chapter: Page, force: bool) -> bool:
    """Copy a chapter's statements, and say so; tell whether that worked."""
    try:
        changed = copy_statements(chapter, force)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return False
    state = "has new statements" if changed else "is up to date"
    print(f"{chapter.solutions.shown()} {state}")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
