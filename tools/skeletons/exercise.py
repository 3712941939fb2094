"""A new exercise: its statement, its solution, its check and its answers."""

from __future__ import annotations

import ast
import contextlib
import json
import keyword
import re
import subprocess
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from tools import checks, files, pairs
from tools.environment import ROOT
from tools.exercise import (
    BLANK_STATEMENT,
    Exercise,
    exercise_of,
    number_of,
    parsed,
    sections,
)
from tools.page import SOLUTIONS, Page
from tools.skeletons import name_of, part, require_title
from tools.transaction import Transaction
from tools.variants.solutions import statement
from tools.words import ENGLISH, KINDS

LAST = ENGLISH.further  # the section behind the exercises
# By kind, the text with what an answer is, and how the answer is called: as
# the check, if that is empty.
ANSWERS = {
    "Code": ("function", ""),
    "Think": ("prediction", "predictions"),
    "Explore": ("prediction", "predictions"),
}


@dataclass(frozen=True)
class Skeleton:
    """What a new exercise is called, and what it is about.

    Args:
        chapter (Page): where it stands.
        place (int): its number there, from 1.
        title (str): what stands behind the number.
        kind (str): one of ``KINDS``.
        minutes (int): about how long it takes.
        check (str): the name of its check; if empty, it follows from the
            title.
    """

    chapter: Page
    place: int
    title: str
    kind: str = KINDS[1]
    minutes: int = 20
    check: str = ""

    @property
    def number(self) -> str:
        """Chapter and place."""
        return f"{self.chapter.number}.{self.place}"

    @property
    def name(self) -> str:
        """What its check is called."""
        return self.check or name_of(self.title)

    @property
    def values(self) -> dict[str, str]:
        """What stands for the names in the texts."""
        page, title = self.chapter, f"{self.number} {self.title}"
        return {
            "number": self.number,
            "title": self.title,
            "heading": json.dumps(title, ensure_ascii=False),
            "kind": self.kind,
            "minutes": str(self.minutes),
            "name": self.name,
            "answer": ANSWERS[self.kind][1] or self.name,
            SOLUTIONS: page.link_to(page.solutions),
            "blank": BLANK_STATEMENT,
            "anchor": f"cell-id=exercise-{page.number}-{self.place}",
        }

    def part(self, name: str) -> str:
        """A part of the text with its kind of answer."""
        return part(ANSWERS[self.kind][0], name, **self.values)


def add(transaction: Transaction, new: Skeleton) -> None:
    """Write an exercise into the files of its chapter.

    Args:
        transaction (Transaction): gets the texts; nothing is written yet.
        new (Skeleton): the exercise.

    Raises:
        ValueError: if its title, its name or its number can't be.
        UnreadableError, EditedError, OSError: if a file isn't fit for it.
    """
    page = new.chapter
    require_title(new.title)
    _require_name(transaction, new)
    starter, solution = new.part("starter"), new.part("solution")
    text = part("exercise", "statement", **new.values, starter=starter)
    cells = cells_of(text)
    _require_number(transaction, new)
    _insert(transaction, page, cells, before=LAST)
    text = part("exercise", "solution", **new.values, solution=solution)
    first = statement(exercise_of(cells, page), page.solutions)
    cells = _apart([new_markdown_cell(first), *cells_of(text)])
    _insert(transaction, page.solutions, cells)
    _append(
        transaction,
        checks.module_of(page),
        new.part("imports"),
        new.part("check"),
    )
    imports = "from tests.answers import also_right, edited\n"
    _append(transaction, checks.answers_of(page), imports, new.part("answers"))


def rename(transaction: Transaction, new: Skeleton) -> None:
    """Give an exercise another title, and its check the name of that.

    Args:
        transaction (Transaction): gets the texts; nothing is written yet.
        new (Skeleton): its place, and its new title and name.

    Raises:
        LookupError: if there is no such exercise.
        ValueError: if its title or its name can't be.
        UnreadableError, EditedError, OSError: if a file isn't fit for it.
    """
    page = new.chapter
    require_title(new.title)
    old = _exercise(transaction, new)
    if new.name != old.check:
        _require_name(transaction, new)
    names = {old.check: new.name}
    before, after = (f"{old.number} {it.title}" for it in (old, new))
    for each in (page, page.solutions):
        notebook = read(transaction, each)
        for first, *rest in sections(notebook):
            if number_of(first) == old.number:
                heading, below, text = first.source.partition("\n")
                heading = heading.removesuffix(old.title) + new.title
                first.source = f"{heading}{below}{text}"
                for cell in rest:
                    if cell.cell_type == "code":
                        cell.source = _renamed(cell.source, names, {})
        store(transaction, each, notebook)
    module, answers = checks.module_of(page), checks.answers_of(page)
    code = _renamed(transaction.text(module), names, {before: after})
    transaction.change(module, formatted(code, module))
    code = _renamed(transaction.text(answers), {}, names)
    code = code.replace(f"# {before}\n", f"# {after}\n")
    transaction.change(answers, formatted(code, answers))


def _exercise(transaction: Transaction, new: Skeleton) -> Exercise:
    notebook = read(transaction, new.chapter)
    for task in parsed(notebook, new.chapter):
        if task.number == new.number:
            return task
    raise LookupError(f"there is no exercise {new.number}")


def _renamed(code: str, names: dict[str, str], texts: dict[str, str]) -> str:
    """Code with other names, and other strings, wherever they stand.

    Args:
        code (str): of a cell, or of a module.
        names (dict): the new ones, by the old ones.
        texts (dict): likewise, what strings hold.
    """
    lines = code.splitlines(keepends=True)
    try:
        tokens = list(tokenize.generate_tokens(iter(lines).__next__))
    except (tokenize.TokenError, SyntaxError) as error:
        line = code.partition("\n")[0]
        raise ValueError(f"{line!r} isn't Python: {error}") from None
    for token in reversed(tokens):
        new = None
        if token.type == tokenize.NAME:
            new = names.get(token.string)
        elif token.type == tokenize.STRING:
            text = texts.get(_value(token.string))
            new = text and json.dumps(text, ensure_ascii=False)
        if new:
            row, start = token.start[0] - 1, token.start[1]
            line = lines[row]
            lines[row] = f"{line[:start]}{new}{line[token.end[1] :]}"
    return "".join(lines)


def store(
    transaction: Transaction, page: Page, notebook: NotebookNode
) -> None:
    """Let the ``.py`` file of a page hold a notebook, in style."""
    text = formatted(files.script(notebook), page.source)
    transaction.change(page.source, text)


def cells_of(text: str) -> list[NotebookNode]:
    """The cells that a part says."""
    return _apart(files.parsed(text).cells)


def _apart(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Let an empty line stand behind each cell; where two are wanted, a
    formatter adds one.
    """
    for cell in cells:
        cell.metadata.lines_to_next_cell = 1
    return cells


def read(transaction: Transaction, page: Page) -> NotebookNode:
    """A page as it is to be.

    Raises:
        UnreadableError: if one of its files can't be read.
        EditedError: if its notebook has edits that the ``.py`` file lacks.
    """
    source = files.read_source(page) if page.is_there else None
    if source and page.notebook.exists():
        stored = files.read_stored(page)
        mine, yours = pairs.digests(stored), pairs.digests(source)
        if pairs.has_own_edits(mine, yours, pairs.origin(stored)):
            raise files.EditedError(
                f"{page.shown('.ipynb')} has edits that its .py lacks: "
                f"{files.bring(page)} first"
            )
    return files.parsed(transaction.text(page.source))


def _value(string: str) -> object:
    """What a string holds; None if values are filled in."""
    with contextlib.suppress(ValueError):
        return ast.literal_eval(string)


def _insert(
    transaction: Transaction,
    page: Page,
    cells: list[NotebookNode],
    before: str = "",
) -> None:
    """Put cells before a heading of a page, or at its end."""
    notebook = read(transaction, page)
    at = len(notebook.cells)
    if before:
        at = notebook.cells.index(section(notebook, page, before))
    _apart(notebook.cells[at - 1 : at])
    notebook.cells[at:at] = cells
    store(transaction, page, notebook)


def section(
    notebook: NotebookNode, page: Page, heading: str = LAST
) -> NotebookNode:
    """The cell with which a section of a page begins.

    Raises:
        ValueError: if there is none.
    """
    for cell in reversed(notebook.cells):
        if cell.source.startswith(heading):
            return cell
    raise ValueError(f"{page.shown()} has no section {heading!r}: write it")


def _require_number(transaction: Transaction, new: Skeleton) -> None:
    cells = read(transaction, new.chapter).cells
    numbers = [number for cell in cells if (number := number_of(cell))]
    following = f"{new.chapter.number}.{len(numbers) + 1}"
    if new.number in numbers:
        raise ValueError(f"{new.number} is taken: the next is {following}")
    if new.number != following:
        raise ValueError(
            f"{new.number} would leave a gap: the next is {following}"
        )


def _require_name(transaction: Transaction, new: Skeleton) -> None:
    name = new.name
    if not name.isidentifier() or keyword.iskeyword(name) or name[0] == "_":
        raise ValueError(
            f"{name!r}, which follows from the title, can't be the name of a "
            "check: give one by --check, such as --check=quadratic_layer"
        )
    module = checks.names(transaction.text(checks.module_of(new.chapter)))
    if name in module | checks.taken(new.chapter.root.parent):
        raise ValueError(
            f"{name} is the name of something else, there or in Python: "
            "give another by --check, such as --check=quadratic_layer"
        )


def _append(
    transaction: Transaction, file: Path, imports: str, code: str
) -> None:
    """Put code at the end of a module, and imports at its beginning.

    Raises:
        SyntaxError: if the module isn't Python.
    """
    text = transaction.text(file)
    ast.parse(text, str(file))
    docstring, future, rest = re.fullmatch(
        r'(\s*(?:""".*?"""\n)?)(\s*(?:from __future__ .*?\n)?)(.*)',
        text,
        re.DOTALL,
    ).groups()
    text = f"{docstring}{future}\n{imports}{rest.rstrip()}\n\n\n{code}"
    transaction.change(file, formatted(text, file))


def formatted(code: str, file: Path) -> str:
    """The code as `make lint` wants it, each module imported once.

    Args:
        code (str): of a module.
        file (Path): where it is to stand.

    Raises:
        ValueError: if it isn't Python.
    """
    ruff = [sys.executable, "-m", "ruff"]
    settings = f"--config={ROOT / 'pyproject.toml'}"
    where = ["--quiet", settings, f"--stdin-filename={file}", "-"]
    for command in (
        [*ruff, "check", "--select=I", "--fix", *where],
        [*ruff, "format", *where],
    ):
        done = subprocess.run(
            command, input=code.encode(), capture_output=True
        )
        if done.returncode:
            raise ValueError(done.stderr.decode().strip())
        code = done.stdout.decode()
    return code
