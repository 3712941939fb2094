"""What a chapter owes its readers: its parts, and its place in the book."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tools import files
from tools.form.draft import MARK, Draft
from tools.form.pages import ALT, alt_of
from tools.page import NOTEBOOK, Page, chapters, front_page
from tools.predictions import (
    LOOK,
    PREDICT,
    TAGS,
    asked_by,
    asks,
    before_exercises,
)
from tools.words import ENGLISH, ways_to_say

# What the first cell holds, by the names in `tools.words`, with what follows.
OPENING = {
    "learn": "and a list",
    "book": "and where there",
    "need": "and links to the chapters that it builds on",
}
EDITIONS = ("https://d2l.ai/", "https://zh.d2l.ai/")
# The sections at the end, in this order, by their names in `tools.words`.
ENDING = ("summary", "exercises", "further")
HOURS = (2, 4)
PICTURE = {"image/svg+xml", "image/png"}


def parts(draft: Draft) -> Iterator[str]:
    """It has the parts of a chapter, in their order."""
    page, first = draft.page, draft.cells[0]
    lacks = [] if first.source.startswith("# ") else ["a title: `# Verb ...`"]
    for name, following in OPENING.items():
        said = ways_to_say(page, name)
        if not any(words in first.source for words in said):
            lacks.append(f"{said[0]}, {following}")
    lacks += [
        f"a link to a section of {edition}"
        for edition in EDITIONS
        if edition not in first.source
    ]
    for what in lacks:
        yield f"{first.where()}: the first cell lacks {what}"
    headings = [
        (heading, cell)
        for cell in draft.prose
        for heading in re.findall(r"^##? .+", cell.source, re.MULTILINE)
    ]
    for heading, cell in headings:
        if heading.startswith("# ") and cell is not first:
            yield (
                f"{cell.where()}: {heading!r} is a second title; begin a "
                "section with ##"
            )
    said = [ways_to_say(page, name) for name in ENDING]
    sections = [heading for heading, _ in headings]
    missing = [ways[0] for ways in said if not {*ways} & {*sections}]
    for heading in missing:
        yield f"{first.file}: the section {heading} is missing"
    last = zip(sections[-len(ENDING) :], said, strict=False)
    if not missing and not all(heading in ways for heading, ways in last):
        names = ", ".join(ways[0] for ways in said)
        yield (
            f"{first.file}: the last sections are to be {names}, in this order"
        )


def predictions(draft: Draft) -> Iterator[str]:
    """Its tags say which outputs to fold only where the prose doesn't."""
    cells = before_exercises(draft.cells)
    asked = False  # since the last heading
    for above, cell in pairwise([cells[0], *cells]):
        if not cell.is_code:
            heading = re.search(r"^##", cell.source, re.MULTILINE)
            asked = asks(cell.source) or (asked and not heading)
            continue
        tags = {*cell.content.metadata.get("tags", [])}
        if LOOK in tags and not asked_by(above):
            yield (
                f"{cell.where()}: the tag {LOOK} is for an output below a "
                "question, and the paragraph above asks none; take it out"
            )
        if PREDICT in tags and asked_by(above):
            yield (
                f"{cell.where()}: the tag {PREDICT} isn't needed below a "
                "question; take it out"
            )
        elif PREDICT in tags and not asked:
            yield (
                f"{cell.where()}: the tag {PREDICT} needs a question above, "
                "at the end of a cell of this section"
            )
    for cell in draft.code:
        known = {*TAGS, "nbval-ignore-output", "raises-exception"}
        for tag in {*cell.content.metadata.get("tags", [])} - known:
            yield (
                f"{cell.where()}: nothing is done for the tag {tag!r}; there "
                f"are {', '.join(sorted(known))}"
            )


def questions(draft: Draft) -> Iterator[str]:
    """A translation asks where its original does, before the exercises."""
    page = draft.page
    if page.is_original or not page.original.is_there:  # as in a handout
        return
    originals = before_exercises(Draft(page.original).cells)
    for original, cell in zip(originals, draft.cells, strict=False):
        if asked_by(original) and not asked_by(cell):
            yield (
                f"{cell.where()}: its last paragraph asks nothing, where the "
                "original asks what will happen"
            )


def picture(draft: Draft) -> Iterator[str]:
    """It has a picture for its card on the front page."""
    figures = [cell for cell in draft.code if cell.is_figure]
    if not draft.is_run or any(
        cell.shown >= PICTURE and alt_of(cell) for cell in figures
    ):
        return
    for cell in figures:
        if not cell.shown >= PICTURE:
            yield (
                f"{cell.where()}: its figure isn't stored as SVG and PNG; "
                "call `use_style()` of d2l_helpers in the first code cell"
            )
    if not figures:
        yield (
            f"{draft.page.shown()}: it needs a picture, for its card on the "
            f"front page; draw a figure in a cell that begins # %% {ALT}"
        )


def needs(draft: Draft) -> Iterator[str]:
    """The chapters that it builds on link back to it."""
    page, first = draft.page, draft.cells[0]
    direct = needed(first.source)
    if not direct and page.number > 1:
        yield (
            f"{first.where()}: behind {ENGLISH.need}, link to a chapter that "
            "this one builds on"
        )
    for other in direct:
        text = other.source.read_text("utf-8")
        if page not in linked(text):
            yield (
                f"{other.shown()}: {page.stem} needs it, and it doesn't link "
                f"back; in its last section, link to {page.notebook.name}, "
                f"then {files.rerun(other)}"
            )


def row(draft: Draft) -> Iterator[str]:
    """The front page of its language has a row for it, with its title."""
    page = draft.page
    title, name = files.title_of(draft), front_page_name(page)
    begins = f"| {page.number:02} | [{title}]({page.notebook.name}) |"
    rows = [
        (number, line)
        for number, line in enumerate(_front(page.language).splitlines(), 1)
        if line.startswith("| ") and f"({page.notebook.name})" in line
    ]
    if not rows:
        yield (
            f"{name}: the table lacks the row {begins} what a "
            "reader can do afterwards | links to the book |"
        )
    for number, line in rows:
        if not line.startswith(begins):
            yield (
                f"{name}:{number}: the row of {page.stem} is to "
                f"begin with {begins}"
            )
        elif line.strip("| ").count(" | ") != 3:
            yield (
                f"{name}:{number}: the row of {page.stem} is to "
                "have four cells"
            )


def hours(draft: Draft) -> Iterator[str]:
    """Its exercises take as long as the front page says."""
    said = "two to four hours"
    if f"all of a chapter, {said}" not in in_front():
        yield f"{front_page_name(draft.page)}: say that they take {said}"
    minutes = sum(task.minutes for task in draft.exercises)
    least, most = HOURS
    if not least <= round(minutes / 60) <= most:
        yield (
            f"{draft.page.shown()}: its exercises take {minutes} minutes "
            f"together, and the front page says {said}"
        )


def other_chapters(draft: Draft) -> Iterator[str]:
    """The front page names its exercises that need other chapters."""
    page, front = draft.page, front_page_name(draft.page)
    known = _all_needed(page)
    _, _, said = in_front().partition("exercises point to another chapter: ")
    said = re.findall(r"\b\d+\.\d+\b", said.partition("##")[0])
    for task in draft.exercises:
        others = linked(task.statement) - known
        names = ", ".join(sorted(f"{other.number:02}" for other in others))
        if others and task.number not in said:
            yield (
                f"{front}: {task.number} links to {names}, which "
                f"{page.stem} doesn't build on; name it where it says which "
                "exercises point to another chapter"
            )
        if task.number in said and not others:
            yield (
                f"{front}: {task.number} points to no other "
                "chapter, and is named among those that do"
            )


def needed(opening: str) -> list[Page]:
    """The chapters that a chapter's first cell says it builds on."""
    return sorted(linked(opening.partition(ENGLISH.need)[2]), key=str)


def linked(text: str) -> set[Page]:
    """The chapters that a text links to."""
    found = set(re.findall(rf"\]\(({NOTEBOOK})", text))
    return {
        chapter for chapter in chapters() if chapter.notebook.name in found
    }


def in_front() -> str:
    """The text of the front page, on one line."""
    return " ".join(_front().split())


def front_page_name(page: Page) -> str:
    """What the front page of its language is called, from the root."""
    file = front_page(page.language)
    return file.relative_to(page.root.parent).as_posix()


def _front(language: str = "") -> str:
    return front_page(language).read_text("utf-8")


def _all_needed(page: Page) -> set[Page]:
    """A chapter, those that it needs, those that they need, and so on."""
    found, todo = set(), [page]
    while todo:
        chapter = todo.pop()
        if chapter not in found:
            found.add(chapter)
            text = chapter.source.read_text("utf-8")
            _, opening, *_ = [*MARK.split(text, 2), ""]
            todo += needed(opening)
    return found


IN_EACH_LANGUAGE = (parts, row, questions)
RULES = (*IN_EACH_LANGUAGE, picture, predictions, needs, hours, other_chapters)
