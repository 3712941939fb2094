"""The workbook: made, brought up to date, and opened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ._book import WORKBOOK, NoBookError, find_book, require_book
from ._front import FIRST_CELL
from ._language import say
from ._notebook import UnreadableError, read, text_of, write_whole
from ._plans import bring_answers, gone, plan_of, told_gone, write_new
from ._progress import Progress, progress

UNPAIRED = """\
# Nothing is paired here: a workbook has notebooks alone.
formats = "ipynb"
"""


@dataclass(frozen=True)
class Update:
    """What an update did.

    Args:
        lines (tuple of str): what there is to say, a line each.
    """

    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)

    __repr__ = __str__


def start(language: str = "") -> Progress:
    """Bring the workbook up to date, and show the progress.

    Args:
        language (str): that of the pages, such as ``"zh"``; without it, that
            of the folder in which this runs.

    Returns:
        The progress; what the update did stands above it.

    Raises:
        LookupError: if there are no pages in this language.
    """
    try:
        find_book(language)
    except NoBookError:
        return progress(language=language)
    done = update(language)
    return replace(progress(language=language), notes=done.lines)


def update(language: str = "", *, root: str | Path | None = None) -> Update:
    """Make the workbook, or bring it up to date.

    A page that its reader hasn't touched is replaced by a new version; one
    that was touched is merged with it. A page that isn't there is made.

    Args:
        language (str): as for :func:`start`.
        root (str or Path): a folder of the book, if not the one in which this
            runs.

    Returns:
        What was done.

    Raises:
        LookupError: if there is no book, or none in this language.
    """
    book = require_book(language, root)
    first = not book.workbook.is_dir()
    # Not hidden: JupyterLab would pass it over.
    write_new(book.root / WORKBOOK / "jupytext.toml", UNPAIRED)
    lines: list[str] = []
    there, left = [plan_of(book, name) for name in book.pages()], gone(book)
    for plan in bring_answers(there + left):
        try:
            lines += plan.carry_out()
        except (UnreadableError, OSError) as error:
            lines += plan.told_problem(error)
    lines += told_gone(book, left)
    if any(plan.renewed for plan in there):
        lines.append(
            say(
                "If one of these notebooks is open in JupyterLab, it shows "
                "the old version: choose File, Reload Notebook from Disk.",
                book.language,
            )
        )
    if first:
        place = f"{WORKBOOK}/{book.home}"
        made = say(
            "Your workbook is made: {place}", book.language, place=place
        )
        lines = [made, *lines]
    return Update(tuple(lines))


def open_at(
    language: str = "", *, root: str | Path | None = None
) -> tuple[tuple[str, ...], str]:
    """Update the workbook, for a program that opens its front page then.

    The front page shows the progress already, as if its first cell had run.

    Args:
        language (str): as for :func:`start`.
        root (str or Path): as for :func:`update`.

    Returns:
        What the update has to say, and where the front page is, from the
        folder that has the workbook.

    Raises:
        LookupError: as for :func:`update`.
    """
    book = require_book(language, root)
    lines = list(update(book.language, root=book.root).lines)
    try:
        page = read(book.front)
    except UnreadableError:  # it was said
        return tuple(lines), f"{WORKBOOK}/{book.home}"
    # Links lead from the page, wherever this runs.
    shown = progress(language=book.language, start=book.workbook)
    for cell in page["cells"]:
        if cell["id"] == FIRST_CELL and cell["cell_type"] == "code":
            output = {
                "data": {
                    "text/html": shown._repr_html_(),
                    "text/plain": str(shown),
                },
                "execution_count": None,
                "metadata": {},
                "output_type": "execute_result",
            }
            if cell["outputs"] != [output]:
                cell.update(outputs=[output], execution_count=None)
                write_whole(book.front, text_of(page))
    return tuple(lines), book.front.relative_to(book.root).as_posix()
