"""What a class has solved, and what went wrong, for the teacher.

The points are those of nbgrader's gradebook, with what a teacher gave by hand;
the hints are those of the reports in the notebooks that were graded. What a
student has written stays data: it is escaped in HTML, and is no formula in a
spreadsheet.
"""

from __future__ import annotations

import csv
import gettext
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from html import escape

import nbformat
from nbformat import NotebookNode
from nbgrader.api import MissingEntry

from tools.environment import ROOT
from tools.grading.course import Course
from tools.grading.run import report_of
from tools.grading.words import Words

LOCALE = ROOT / "d2l_helpers/locale"
VALUE = re.compile(r"\{\w+\}")  # in a hint's template
HEADING = re.compile(r"##+ (\d+\.\d+ .+)")
# With which a cell of a spreadsheet begins a formula, or may.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
MARKS = {"solved": "✓", "wrong": "✗", "blank": "○", "unclear": "?"}
LONGEST = 300  # letters of a hint
STYLE = """
body { background: #fff; color: #1a1a1a; color-scheme: light;
  font: 1rem/1.5 system-ui, sans-serif; margin: 1.5rem; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { font-weight: bold; padding: .3rem 0; text-align: left; }
th, td { border: 1px solid #8a8a8a; padding: .2rem .6rem; text-align: left;
  vertical-align: top; }
td.number { text-align: right; white-space: nowrap; }
.wide { overflow-x: auto; }
"""


@dataclass
class Result:
    """What became of an exercise.

    Args:
        state (str): one of the keys of ``MARKS``.
        score (float): its points.
        hint (str): the first hint, or what else the check's cell said.
    """

    state: str
    score: float
    hint: str = ""


@dataclass
class Student:
    """A row of the table.

    Args:
        id (str): what nbgrader knows the student by.
        name (str): of the gradebook; may be empty.
        score (float): all points, or ``None`` if nothing was handed in.
        results (dict): by graded cell, what became of it.
    """

    id: str
    name: str
    score: float | None
    results: dict[str, Result] = field(default_factory=dict)


@dataclass
class Table:
    """What a class has solved.

    Args:
        title (str): the assignment.
        exercises (dict): by graded cell, the title and the most points.
        students (list of Student): the rows.
    """

    title: str
    exercises: dict[str, tuple[str, float]]
    students: list[Student]

    def hints(self) -> list[tuple[str, str, int]]:
        """Exercise, hint and how many got it, the most frequent first."""
        count = Counter(
            (name, result.hint)
            for student in self.students
            for name, result in student.results.items()
            if result.hint
        )
        order = list(self.exercises)
        found = sorted(
            count.items(), key=lambda i: (order.index(i[0][0]), -i[1], i[0])
        )
        return [(self.exercises[n][0], hint, c) for (n, hint), c in found]


def table_of(course: Course) -> Table:
    """The table of an assignment, as the gradebook has it now."""
    exercises, cells = _exercises(course)
    students = []
    with course.gradebook() as gradebook:
        for one in sorted(gradebook.students, key=lambda s: s.id):
            name = f"{one.first_name or ''} {one.last_name or ''}".strip()
            try:
                found = gradebook.find_submission(course.assignment, one.id)
            except MissingEntry:
                students.append(Student(one.id, name, None))
                continue
            score = max(0, found.score - (found.late_submission_penalty or 0))
            student = Student(one.id, name, score)
            graded = _graded(course, one.id)
            for notebook in found.notebooks:
                for grade in notebook.grades:
                    key = f"{notebook.name}/{grade.name}"
                    if key in cells:
                        student.results[key] = _result(
                            grade, graded.get(key), course
                        )
            students.append(student)
    return Table(course.assignment, exercises, students)


def _exercises(course: Course) -> tuple[dict[str, tuple[str, float]], set]:
    """The graded cells, in their order: the heading above each, and points."""
    found = {}
    for name, notebook in course.handed_out.items():
        heading = ""
        for cell in notebook.cells:
            if match := HEADING.match(cell.source):
                heading = match[1]
            marks = cell.metadata.get("nbgrader", {})
            if marks.get("grade"):
                points = float(marks.get("points", 0))
                title = heading or marks["grade_id"]
                found[f"{name}/{marks['grade_id']}"] = (title, points)
    return found, set(found)


def _graded(course: Course, student: str) -> dict[str, NotebookNode]:
    """The graded cells of a student, as they have run."""
    found = {}
    for name in course.handed_out:
        file = course.path("autograded", student) / f"{name}.ipynb"
        if file.is_file():
            for cell in nbformat.read(file, 4).cells:
                marks = cell.metadata.get("nbgrader", {})
                if marks.get("grade"):
                    found[f"{name}/{marks['grade_id']}"] = cell
    return found


def _result(grade, cell: NotebookNode | None, course: Course) -> Result:
    score = grade.score or 0
    by_hand = grade.manual_score is not None
    if cell is None or (grade.needs_manual_grade and not by_hand):
        return Result("unclear", score)
    report = report_of(cell)
    if score >= grade.max_score > 0:
        return Result("solved", score)
    if report.get("state") == "blank":
        return Result("blank", score)
    return Result("wrong", score, _hint(report, cell, course))


def _hint(report: dict, cell: NotebookNode, course: Course) -> str:
    details = report.get("details")
    hint = details.get("hint") if isinstance(details, dict) else None
    if isinstance(hint, dict):
        hint = hint.get("template")
    if isinstance(hint, str) and hint:
        # Not filled in: the values differ from one student to the next.
        said = _catalog(course.language)(hint)
        text = VALUE.sub("…", said)
    else:
        errors = [o for o in cell.outputs if o.output_type == "error"]
        error = errors[-1].ename if errors else "-"
        text = course.words.no_report.format(error=error)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


@cache
def _catalog(language: str):
    """What looks up a sentence of the checks."""
    found = gettext.NullTranslations()
    for file in sorted(LOCALE.glob(f"{language}/LC_MESSAGES/*.mo")):
        with file.open("rb") as opened:
            catalog = gettext.GNUTranslations(opened)
        catalog.add_fallback(found)
        found = catalog
    return found.gettext


def as_csv(rows: list[list[object]]) -> str:
    """Rows for a spreadsheet, in which no text is a formula."""
    written = io.StringIO()
    writer = csv.writer(written)
    for row in rows:
        writer.writerow([_plain(value) for value in row])
    return "\ufeff" + written.getvalue()  # by which Excel knows UTF-8


def _plain(value: object) -> object:
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return f"'{value}"
    return value


def rows_of(table: Table, words: Words) -> list[list[object]]:
    """Students by exercises, for a spreadsheet."""
    titles = [title for title, _ in table.exercises.values()]
    most = [_number(points) for _, points in table.exercises.values()]
    rows = [
        [words.student, words.name, words.total, *titles],
        [words.most, "", _number(_sum(table)), *most],
    ]
    for student in table.students:
        absent = student.score is None
        cells = [
            _cell(student.results.get(key), words) for key in table.exercises
        ]
        total = words.absent if absent else _number(student.score)
        rows.append([student.id, student.name, total, *cells])
    return rows


def _cell(result: Result | None, words: Words) -> object:
    if result is None:
        return ""
    unclear = result.state == "unclear"
    return words.unclear if unclear else _number(result.score)


def _sum(table: Table) -> float:
    return sum(points for _, points in table.exercises.values())


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else round(value, 2)


def hint_rows(table: Table, words: Words) -> list[list[object]]:
    """The hints, for a spreadsheet."""
    rows = [list(hint) for hint in table.hints()]
    return [[words.exercise, words.hint, words.times], *rows]


def as_html(table: Table, words: Words) -> str:
    """Both tables as a page, which needs nothing else and runs nothing."""
    title = escape(words.grades.format(title=table.title))
    columns = [words.student, words.name, words.total]
    titles = [
        f"{escape(name)}<br>({_number(points)})"
        for name, points in table.exercises.values()
    ]
    head = "".join(
        f'<th scope="col">{text}</th>' for text in [*columns, *titles]
    )
    body = "\n".join(_row(student, table, words) for student in table.students)
    marks = words.comma.join(
        f"{mark} {getattr(words, name)}" for name, mark in MARKS.items()
    )
    legend = words.labeled.format(label=words.legend, text=marks)
    return f"""\
<!DOCTYPE html>
<html lang="{words.tag}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{escape(legend)}</p>
<div class="wide" tabindex="0" role="region" \
aria-label="{escape(words.students)}">
<table>
<caption>{escape(words.students)}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>
{_hints(table, words)}
</main>
</body>
</html>
"""


def _row(student: Student, table: Table, words: Words) -> str:
    total = words.absent if student.score is None else _number(student.score)
    cells = [f'<th scope="row">{escape(student.id)}</th>']
    cells.append(f"<td>{escape(student.name)}</td>")
    cells.append(f'<td class="number">{escape(str(total))}</td>')
    for key in table.exercises:
        result = student.results.get(key)
        said = ""
        if result:
            word = escape(getattr(words, result.state))
            said = f'<abbr title="{word}">{MARKS[result.state]}</abbr>'
            said += f" {_number(result.score)}"
        cells.append(f'<td class="number">{said}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _hints(table: Table, words: Words) -> str:
    rows = [
        f'<tr><th scope="row">{escape(exercise)}</th><td>{escape(hint)}</td>'
        f'<td class="number">{count}</td></tr>'
        for exercise, hint, count in table.hints()
    ]
    if not rows:
        return f"<p>{escape(words.none)}</p>"
    head = "".join(
        f'<th scope="col">{escape(text)}</th>'
        for text in (words.exercise, words.hint, words.times)
    )
    return "\n".join(
        [
            f"<table><caption>{escape(words.hints)}</caption>",
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *rows,
            "</tbody></table>",
        ]
    )
