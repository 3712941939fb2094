"""The exercises: what the chapters ask, and what a reader has solved.

    python -m tools.exercises progress [LANGUAGE]
                                            what is solved in the notebooks
    python -m tools.exercises copy [CH]     statements, to the solutions' .py,
                                            in each language

A statement is written once, in its chapter. `copy` brings it to the page of
solutions, and a test refuses a page that lacks it. A statement that was edited
there, since that page was run, is kept, unless --force stands at the end.
"""

from __future__ import annotations

import sys

from tools import files
from tools.exercise import is_check, number_of, said, sections
from tools.page import LANGUAGES, Page, chapters, with_translations
from tools.statements import copy_statements
from tools.words import words_of


def progress(language: str = "") -> str:
    """What is solved in each chapter, by the outputs that are stored.

    Args:
        language (str): that of the chapters, such as ``"zh"``; without it,
            the first.

    Raises:
        LookupError: if there is no chapter in it.
    """
    found = chapters(language=language)
    if not found:
        there = [name for name in LANGUAGES if chapters(language=name)]
        raise LookupError(
            f"There are no chapters in {language!r}, but in {', '.join(there)}"
        )
    words = words_of(found[0])
    lines, solved, total = [], 0, 0
    for chapter in found:
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
        tally = words.tally.format(done=done, total=len(marks_of))
        if wrong:
            tally += words.wrong.format(numbers=", ".join(wrong))
        lines.append(f"{chapter.stem:<20} {bar:<10} {tally}")
        solved, total = solved + done, total + len(marks_of)
    in_all = words.tally_of_all.format(done=solved, total=total)
    return "\n".join([*lines, f"{'':<31} {in_all}", words.as_saved])


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    force = arguments[-1:] == ["--force"]
    try:
        match arguments[: len(arguments) - force]:
            case ["progress", *language] if len(language) < 2 and not force:
                print(progress("".join(language)))
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
