"""What the exercises of a chapter owe their readers, and their solutions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools import checks, files
from tools.exercise import Exercise, missing, number_of, sections
from tools.form.draft import Cell, Draft
from tools.page import Page
from tools.variants.solutions import statement
from tools.words import ENGLISH, ways_to_say, words_of

FEWEST = 4
SHORTEST, LONGEST = 5, 60  # minutes


def in_form(draft: Draft) -> Iterator[str]:
    """Each exercise of a page has its parts."""
    for number, cells in draft.sections.items():
        for what in missing(cells, draft.page):
            yield f"{cells[0].where()}: {number} needs {what}"


def numbers(draft: Draft) -> Iterator[str]:
    """There are enough, numbered in order, none too long."""
    name = draft.page.shown()
    cells = [cells[0] for cells in sections(draft)]
    for place, cell in enumerate(cells, 1):
        expected, number = f"{draft.page.number}.{place}", number_of(cell)
        if number != expected:
            yield f"{cell.where()}: {number} stands where {expected} should"
    for task in draft.exercises:
        if not SHORTEST <= task.minutes <= LONGEST:
            yield (
                f"{name}: {task.number} takes {task.minutes} minutes; from "
                f"{SHORTEST} to {LONGEST} are allowed"
            )
    if len(cells) < FEWEST:
        number = f"{draft.page.number}.{len(cells) + 1}"
        yield (
            f"{name}: {len(cells)} exercises, at least {FEWEST} are needed; "
            f'add one by `python -m tools.exercises new {number} "Title"`'
        )


def starters(draft: Draft) -> Iterator[str]:
    """Its starters are blank, and say what they want."""
    cells = draft.sections
    for task in draft.exercises:
        answer, check = _answer_and_check(cells[task.number])
        for node in _statements(task.answer):
            if isinstance(
                node, (ast.ClassDef, ast.FunctionDef)
            ) and not ast.get_docstring(node):
                yield (
                    f"{answer.where(node.lineno)}: `{node.name}` has no "
                    "docstring; say what it is to do"
                )
        if draft.is_run and task.state != "blank":
            yield (
                f"{check.where()}: {task.check} says {task.state!r}, and "
                "should say 'blank'; leave `...` in the starter, then "
                f"{files.rerun(draft.page)}"
            )


def checked(draft: Draft) -> Iterator[str]:
    """Each exercise has the check of its title, in the module of its topic."""
    page, cells = draft.page, draft.sections
    written = {c.name: c for c in checks.written(page.root.parent)}
    module = f"{checks.FOLDER}/{page.topic}.py"
    for task in draft.exercises:
        _, call = _answer_and_check(cells[task.number])
        title, found = f"{task.number} {task.title}", written.get(task.check)
        if not found:
            yield (
                f"{call.where()}: there is no check {task.check}; write one "
                f"in {module}, under @exercise({title!r}, ...)"
            )
            continue
        if found.title != title:
            yield (
                f"{found.file}:{found.line}: {found.name} is of "
                f"{found.title!r}, and called in {title!r}; let both be the "
                "same"
            )
        if found.file != module:
            yield (
                f"{found.file}:{found.line}: {found.name} is called in "
                f"{page.shown()}; move it to {module}"
            )
    called = {task.check for task in draft.exercises}
    for check in written.values():
        if check.file == module and check.name not in called:
            yield (
                f"{check.file}:{check.line}: {check.name} is called in no "
                f"exercise of {page.shown()}; call it, or delete it"
            )


def links_to_solutions(draft: Draft) -> Iterator[str]:
    """Each exercise links to its solution, and the chapter to the page."""
    page = draft.page
    target = page.link_to(page.solutions)
    for task in draft.exercises:
        first, *_ = draft.sections[task.number]
        lines = [
            f"[{words}]({target}#{task.anchor})"
            for words in ways_to_say(page, "solution")
        ]
        if not {*lines} & {*first.source.splitlines()}:
            yield f"{first.where()}: below the mark, write {lines[0]}"
    if not any(f"]({target})" in cell.source for cell in draft.prose):
        heading = words_of(page).exercises
        yield (
            f"{page.shown()}: under {heading}, link to the page of "
            f"solutions, {target}"
        )


def solved(draft: Draft) -> Iterator[str]:
    """It has a page of solutions, which are right, each with its idea."""
    page = draft.page.solutions
    if not page.is_there:
        yield f"{page.shown()} is missing: write it, in the form of the others"
        return
    solutions = Draft(page)
    yield from in_form(solutions)
    cells = solutions.sections
    numbers = [number_of(c[0]) for c in sections(solutions)]
    if numbers != [n for n in draft.sections if n in numbers]:
        yield (
            f"{page.shown()}: it has solutions of {', '.join(numbers)}, where "
            f"the exercises are {', '.join(draft.sections)}; let the order "
            "be the same, and none stand twice"
        )
    tasks = {task.number: task for task in solutions.exercises}
    for task in draft.exercises:
        if task.number not in cells:
            yield (
                f"{page.shown()}: there is no solution of {task.number}; "
                f"write it, under ## {task.number} {task.title}"
            )
            continue
        first, second, *_ = [*cells[task.number], None]
        yield from _statement(task, first, page)
        ideas = ways_to_say(page, "idea")
        if not second or not second.source.startswith(ideas):
            yield (
                f"{first.where()}: behind this, begin a Markdown cell with "
                f"{ideas[0]}"
            )
        if solution := tasks.get(task.number):
            _, check = _answer_and_check(cells[task.number])
            for what in _judged(solution, task, solutions):
                yield f"{check.where()}: {what}"


def _judged(solution: Exercise, task: Exercise, draft: Draft) -> Iterator[str]:
    """Whether a solution is what the check of its exercise lets pass."""
    if solution.check != task.check:
        yield (
            f"{solution.check} is called, and in the exercise {task.check}; "
            "let both be the same"
        )
    if draft.is_run and solution.state != "solved":
        yield (
            f"{solution.check} says {solution.state!r}, and should say "
            f"'solved'; mend one of the two, then {files.rerun(draft.page)}"
        )


def _statement(task: Exercise, first: Cell, page: Page) -> Iterator[str]:
    if first.source != statement(task, page):
        yield (
            f"{first.where()}: {task.number} isn't as its chapter has it; run "
            f"`python -m tools.exercises copy {page.number:02}`"
        )


def opening(draft: Draft) -> Iterator[str]:
    """The page of its solutions says whose it is."""
    page = draft.page
    if not page.solutions.is_there:
        return
    first = Draft(page.solutions).cells[0]
    titles = [
        words.solutions.format(number=f"{page.number:02}")
        for words in (words_of(page), ENGLISH)
    ]
    if first.source.partition("\n")[0] not in titles:
        yield f"{first.where()}: the first cell is to begin {titles[0]!r}"
    link = f"[{files.title_of(draft)}]({page.solutions.link_to(page)})"
    if link not in first.source:
        yield f"{first.where()}: the first cell lacks {link!r}"


def _statements(code: str) -> list[ast.stmt]:
    try:
        return ast.parse(code).body
    except SyntaxError:  # which the gate says
        return []


def _answer_and_check(cells: list[Cell]) -> list[Cell]:
    """The first two code cells of an exercise that lacks nothing."""
    return [cell for cell in cells if cell.is_code][:2]


IN_EACH_LANGUAGE = (in_form, links_to_solutions, solved, opening)
RULES = (*IN_EACH_LANGUAGE, numbers, starters, checked)
