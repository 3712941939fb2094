"""How far a reader is: what the checks in the saved notebooks say."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from ._book import PAGE, NoBookError, find_book, here, no_such_language
from ._language import language_of, say
from ._notebook import (
    MINUTES,
    REPORT,
    UnreadableError,
    check_in,
    check_of,
    heading_of,
    joined,
    read,
    sections,
)

SOLVED, WRONG, OPEN = "✓", "✗", "○"
LEFT = ' style="text-align: left"'  # JupyterLab would have it at the right
STATES = {"solved": SOLVED, "wrong": WRONG, "blank": OPEN}


@dataclass(frozen=True)
class Exercise:
    """An exercise, and what its check has said.

    Args:
        number (str): such as ``"3.2"``.
        title (str): what it is called.
        minutes (int): about how long it takes.
        mark (str): ``"✓"`` if it is solved, ``"✗"`` if its answer is wrong,
            ``"○"`` else.
        place (str): the id of the cell with its heading.
    """

    number: str
    title: str
    minutes: int
    mark: str
    place: str


@dataclass(frozen=True)
class Chapter:
    """A chapter, and how far its reader is.

    Args:
        name (str): that of its file, without a suffix.
        title (str): its title.
        link (str): where its file is, from the folder in which this runs.
        exercises (tuple of Exercise): its exercises.
        problem (str): why the reader's file says nothing, if it doesn't.
    """

    name: str
    title: str
    link: str
    exercises: tuple[Exercise, ...]
    problem: str = ""

    def marked(self, mark: str) -> list[Exercise]:
        """The exercises with a mark."""
        return [e for e in self.exercises if e.mark == mark]

    @property
    def next(self) -> Exercise | None:
        """The first exercise that isn't solved, if there is one."""
        return next((e for e in self.exercises if e.mark != SOLVED), None)

    @property
    def minutes(self) -> int:
        """How long those take that aren't solved."""
        return sum(e.minutes for e in self.exercises if e.mark != SOLVED)


@dataclass(frozen=True)
class Progress:
    """How far a reader is, as text and, in a notebook, as HTML.

    Args:
        chapters (tuple of Chapter): those of the book.
        language (str): in which it is told.
        notes (tuple of str): what stands above, a line each.
        front (str): where the front page is, for one who isn't there.
    """

    chapters: tuple[Chapter, ...]
    language: str
    notes: tuple[str, ...] = ()
    front: str = ""

    def _say(self, text: str, **values: object) -> str:
        return say(text, self.language, **values)

    def _total(self) -> str:
        """What all chapters come to, in a sentence or two."""
        every = [e for c in self.chapters for e in c.exercises]
        wrong, open_ = (
            sum(e.mark == mark for e in every) for mark in (WRONG, OPEN)
        )
        minutes = sum(chapter.minutes for chapter in self.chapters)
        total = self._say(
            "{done} of {total} solved, {wrong} not right yet, {open} open.",
            done=len(every) - wrong - open_,
            total=len(every),
            wrong=wrong,
            open=open_,
        )
        if not minutes:
            return total
        time = self._time(minutes)
        return self._say("{total} {time} left.", total=total, time=time)

    def _as_saved(self) -> str:
        return self._say(
            "This is what the checks said when you saved the notebooks last."
        )

    def _time(self, minutes: int) -> str:
        """A number of minutes; of many, the hours."""
        if minutes < 120:
            return self._say("{n} min", n=minutes)
        return self._say("{n} h", n=round(minutes / 60))

    def __str__(self) -> str:
        lines = [*self.notes, *[""] * bool(self.notes)]
        width = max((len(c.name) for c in self.chapters), default=0)
        for chapter in self.chapters:
            if chapter.problem:
                lines.append(f"{chapter.name:<{width}}  {chapter.problem}")
                continue
            bar = "".join(e.mark for e in chapter.exercises)
            said = self._tally(chapter)
            lines.append(f"{chapter.name:<{width}}  {bar:<10}  {said}")
        total = self._total() if self.chapters else ""
        next_ = self._next()
        if next_:
            chapter, exercise = next_
            said = self._say(
                "Next: {number} {title}, in {file}",
                number=exercise.number,
                title=exercise.title,
                file=chapter.link,
            )
            total = f"{total}\n{said}"
        lines += [total, self._as_saved()] if total else []
        return "\n".join(lines)

    __repr__ = __str__

    def _tally(self, chapter: Chapter) -> str:
        """How far a chapter is, in a line."""
        said = self._say(
            "{done} of {total}",
            done=len(chapter.marked(SOLVED)),
            total=len(chapter.exercises),
        )
        if wrong := chapter.marked(WRONG):
            numbers = ", ".join(e.number for e in wrong)
            said += self._say("; not right yet: {numbers}", numbers=numbers)
        if chapter.minutes:
            time = self._time(chapter.minutes)
            said += self._say("; {time} left", time=time)
        return said

    def _next(self) -> tuple[Chapter, Exercise] | None:
        """The exercise to go on with: in the chapter that was begun last."""
        left = [c for c in self.chapters if c.next]
        begun = [c for c in left if c.marked(SOLVED) or c.marked(WRONG)]
        chosen = begun[-1:] or left[:1]
        return (chosen[0], chosen[0].next) if chosen else None

    def _repr_html_(self) -> str:
        parts = [f"<p>{escape(note)}</p>" for note in self.notes]
        if self.chapters:
            parts.append(self._table())
            total = escape(self._total())
            if self.front:
                front = _anchor(self.front, self._say("Front page"))
                total = f"{front}<br>{total}"
            if next_ := self._next():
                link = _link(*next_)
                said = self._say("Next: {exercise}", exercise="\0")
                total += f"<br>{escape(said).replace(chr(0), link)}"
            parts.append(f"<p>{total}<br>{escape(self._as_saved())}</p>")
        return "\n".join(parts)

    def _table(self) -> str:
        heads = (
            self._say("chapter"),
            self._say("exercises"),
            self._say("solved"),
            self._say("not right yet"),
            self._say("next"),
            self._say("time left"),
        )
        cells = "".join(f"<th{LEFT}>{escape(head)}</th>" for head in heads)
        rows = [f"<tr>{cells}</tr>"]
        for chapter in self.chapters:
            title = f"{chapter.name[:2]} {chapter.title}"
            first = _anchor(chapter.link, title)
            if chapter.problem:
                problem = escape(chapter.problem)
                rest = f'<td{LEFT} colspan="5">{problem}</td>'
            else:
                wrong = ", ".join(
                    _anchor(f"{chapter.link}#cell-id={e.place}", e.number)
                    for e in chapter.marked(WRONG)
                )
                done = len(chapter.marked(SOLVED))
                bar = "".join(e.mark for e in chapter.exercises)
                following = chapter.next
                rest = "".join(
                    f"<td{LEFT}>{cell}</td>"
                    for cell in (
                        bar,
                        f"{done}/{len(chapter.exercises)}",
                        wrong,
                        _link(chapter, following) if following else "",
                        escape(self._time(chapter.minutes))
                        if chapter.minutes
                        else "",
                    )
                )
            rows.append(f"<tr><td{LEFT}>{first}</td>{rest}</tr>")
        return "<table>\n" + "\n".join(rows) + "\n</table>"


def _anchor(address: str, text: str) -> str:
    return f'<a href="{escape(address)}">{escape(text)}</a>'


def _link(chapter: Chapter, exercise: Exercise) -> str:
    """A link to an exercise, to its heading."""
    return _anchor(
        f"{chapter.link}#cell-id={exercise.place}",
        f"{exercise.number} {exercise.title}",
    )


def progress(
    folder: str | Path | None = None,
    *,
    language: str = "",
    start: Path | None = None,
) -> Progress:
    """How far the reader is, by what the checks say in the saved notebooks.

    Args:
        folder (str or Path): with other notebooks than those of the workbook,
            such as ``"chapters"``.
        language (str): that of the chapters, such as ``"zh"``; without it,
            that of the folder in which this runs.
        start (Path): the folder from which links lead, and around which the
            book is, if not that in which this runs.

    Returns:
        A table in a notebook, text in a terminal. A file that says nothing
        costs its line.

    Raises:
        LookupError: if there is no book in this language.
    """
    start = start or here()
    if folder is not None:
        folder = Path(folder)
        names = sorted(p.name for p in folder.glob("*"))
        chapters = [
            _chapter(folder / name, folder / name, language, start)
            for name in names
            if PAGE.fullmatch(name)
        ]
        language = language or language_of(folder.resolve())
        return Progress(tuple(chapters), language)
    try:
        book = find_book(language, start)
    except NoBookError as error:
        if error.args:
            raise no_such_language(error) from None
        said = language_of(start)
        note = say(
            "There is no book around this folder: the page is alone here, as "
            "in Colab. What its checks say is below each answer. The whole "
            "book, in its folder, shows the progress in all chapters.",
            said,
        )
        return Progress((), said, (note,))
    chapters = [
        _chapter(
            book.workbook / name, book.pristine / name, book.language, start
        )
        for name in book.chapters()
    ]
    front = ""
    if book.front.is_file() and start.resolve() != book.workbook.resolve():
        front = _way(book.front, start)
    return Progress(tuple(chapters), book.language, front=front)


def _chapter(
    mine: Path, pristine: Path, language: str, start: Path
) -> Chapter:
    """How far a reader is with a chapter."""
    title, problem = mine.stem[3:], ""
    found: dict[str, Exercise] = {}
    own: dict[str, Exercise] = {}
    try:
        original = read(pristine)
        title, found = _title(original, title), _exercises(original)
    except UnreadableError as error:
        problem = said_problem(pristine.name, error, language)
    if mine != pristine:
        found = {check: replace(e, mark=OPEN) for check, e in found.items()}
        try:
            if mine.exists() or mine.is_symlink():
                own, problem = _exercises(read(mine)), ""
            elif mine.parent.is_dir() and not problem:
                problem = say("the workbook doesn't have it", language)
        except UnreadableError as error:
            problem = said_problem(mine.name, error, language)
    # What the reader has taken out is open; what is the reader's own is none.
    known = found or own
    found |= {check: e for check, e in own.items() if check in known}
    link = _way(mine, start)
    return Chapter(mine.stem, title, link, tuple(found.values()), problem)


def _way(file: Path, start: Path) -> str:
    """A relative link to a file."""
    return Path(os.path.relpath(file, start)).as_posix()


def said_problem(file: str, error: UnreadableError, language: str) -> str:
    """What to say of a file that is no notebook."""
    return say(
        "{file} can't be read as a notebook: {what}",
        language,
        file=file,
        what=say(str(error), language),
    )


def _title(notebook: dict, default: str) -> str:
    for cell in notebook["cells"]:
        if cell["source"].startswith("# "):
            return cell["source"].partition("\n")[0][2:].strip()
    return default


def _exercises(notebook: dict) -> dict[str, Exercise]:
    """The exercises of a notebook, by the names of their checks."""
    cells, found = notebook["cells"], {}
    for section in sections(cells):
        first = cells[section[0]]
        number, title = heading_of(first).groups()
        minutes = MINUTES.search(first["source"])
        marks = [_mark(cells[i]) for i in section if check_of(cells[i])]
        mark = OPEN
        if WRONG in marks:
            mark = WRONG
        elif marks and set(marks) == {SOLVED}:
            mark = SOLVED
        found[check_in(cells, section) or number] = Exercise(
            number,
            title.strip(),
            int(minutes[1]) if minutes else 0,
            mark,
            first["id"],
        )
    return found


def _mark(cell: dict) -> str:
    """What a check has said, as a mark; "" if it wasn't run."""
    for output in cell["outputs"]:
        data = output.get("data", {}) if isinstance(output, dict) else {}
        report = data.get(REPORT)
        if isinstance(report, dict) and report.get("state") in STATES:
            return STATES[report["state"]]
        text = joined(data.get("text/plain", ""))
        if text[:1] in STATES.values():
            return text[:1]
    return ""
