"""The exercises: what the chapters ask.

    python -m tools.exercises copy [CH]     statements, to the solutions' .py,
                                            in each language
    python -m tools.exercises new 3.8 "Title"
                                            begin an exercise
    python -m tools.exercises rename 3.8 "Title"
                                            give it another title

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

from tools import files
from tools.folders import shown
from tools.page import Page, chapters, with_translations
from tools.statements import copy_statements
from tools.words import KINDS


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    force = arguments[-1:] == ["--force"]
    try:
        match arguments[: len(arguments) - force]:
            case ["new" | "rename" as command, *_] if not files.in_handout():
                return _write(command, arguments[1:])
            case ["copy", *which] if len(which) < 2:
                found = with_translations(chapters("".join(which)))
                # A translation begins with a page: the other may be to come.
                ready = [
                    chapter
                    for chapter in found
                    if chapter.is_original or chapter.solutions.is_there
                ]
                done = [_copy(chapter, force) for chapter in ready]
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
    from tools.skeletons import bring_along, carry_out, exercise
    from tools.transaction import REFUSED, Transaction, why

    options = _parser(command).parse_args(arguments)
    number, _, place = options.number.partition(".")
    transaction = Transaction()
    try:
        if not (number.isdecimal() and place.isdecimal()):
            raise ValueError(f"{options.number!r} is no number such as 3.8")
        (chapter,) = chapters(number)
        values = {k: v for k, v in vars(options).items() if k != "number"}
        new = exercise.Skeleton(chapter, int(place), **values)
        if command == "new":
            exercise.add(transaction, new)
            return carry_out(transaction, chapter)
        exercise.rename(transaction, new)
        for file in transaction.write():
            print(f"written: {shown(file)}")
        bring_along(chapter)
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
