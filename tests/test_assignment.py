"""A chapter's exercises as an assignment; grading it is in tests/grading."""

import contextlib
import re
import sys
from tempfile import TemporaryDirectory

import nbformat
import pytest

import d2l_helpers.check
from tools import assignment, book
from tools.environment import ROOT
from tools.exercise import exercises
from tools.page import LANGUAGES, Page, chapters, with_translations
from tools.variants import assignment as variant
from tools.words import words_of

CHAPTERS = pytest.mark.parametrize(
    "chapter", with_translations(chapters()), ids=str
)
SOLUTION = re.compile("### BEGIN SOLUTION.*?### END SOLUTION", re.DOTALL)


def run(notebook, folder, monkeypatch):
    """Run all cells in one process; what the checks have answered."""
    monkeypatch.chdir(folder)
    reports = []
    names = {"__name__": "__main__", "display": reports.append}
    package = "d2l_helpers.check"
    own = {k: v for k, v in sys.modules.items() if k.startswith(package)}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with contextlib.suppress(AssertionError):
                exec(compile(cell.source, "<cell>", "exec"), names)
    sys.modules.update(own)  # each check has imported it anew
    d2l_helpers.check = own[package]
    for value in names.values():
        if isinstance(value, TemporaryDirectory):
            value.cleanup()  # which it would say loudly at the end
    return reports


def states_of(reports):
    return [report.state for report in reports]


LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)


@LANGUAGE
def test_teacher_gets_all_points(language, tmp_path, monkeypatch):
    (chapter,) = chapters("03", language=language)
    reports = run(assignment.notebook_of(chapter), tmp_path, monkeypatch)
    states = states_of(reports)
    assert set(states) == {"solved"}
    assert len(states) == len(exercises(chapter))


def hinted(language, folder, monkeypatch, times):
    """What a check says of the same wrong answer, again and again."""
    (chapter,) = chapters("03", language=language)
    notebook = assignment.notebook_of(chapter)
    cells = {cell.id: cell for cell in notebook.cells}
    cells["dropout-answer"].source = WRONG_DROPOUT
    cells["dropout-answer"].source += "    def __init__(self, p=0.5):\n"
    cells["dropout-answer"].source += "        super().__init__()"
    opening = [c for c in notebook.cells if c.id.startswith("imports-")]
    tried = [cells["dropout-answer"], *[cells["dropout-check"]] * times]
    notebook.cells = [*opening, *tried]
    return run(notebook, folder, monkeypatch)


@LANGUAGE
def test_checks_speak_the_language_of_the_assignment(
    language, tmp_path, monkeypatch
):
    (report,) = hinted(language, tmp_path, monkeypatch, 1)
    said = {"en": "3.6 Dropout: not right yet", "zh": "3.6 暂退法：还不对"}
    assert said[language] in repr(report)


@LANGUAGE
def test_hints_go_on_in_their_language(language, tmp_path, monkeypatch):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions/03_custom_layers.ipynb").touch()
    *_, report = hinted(language, tmp_path, monkeypatch, 4)
    link = "solutions/03_custom_layers.ipynb#cell-id=exercise-3-6"
    said = {"en": f"[3.6 in {link[:32]}]", "zh": f"[{link[:32]}里的3.6]"}
    assert f"{said[language]}({link})" in report.as_markdown()


# In a line or a few, ways to be judged right without an answer.
CHEATS = {
    "functions": """
for name in check.__all__:
    setattr(check, name, lambda *a: True)
""",
    "name": """
from unittest.mock import MagicMock
check = MagicMock()
check.dropout.return_value.state = "solved"
""",
    "truth": """
check.Report.__bool__ = lambda self: True
""",
    "state": """
check.Report.__getattribute__ = lambda self, name: "solved"
""",
    "decorated": """
check.dropout.__wrapped__.__code__ = (lambda Dropout: None).__code__
""",
    "compared": """
from d2l_helpers.check import _compare, _exercise
_compare.same = lambda *a: True
_compare.Wrong = _exercise.Wrong = KeyboardInterrupt
""",
    "engine": """
from d2l_helpers.check import _exercise
_exercise._report = lambda f, title, points, *a: _exercise.Report(
    title, "solved", points)
""",
    "modules": """
import sys, types
fake = types.ModuleType("d2l_helpers.check")
fake.Report = type("Report", (), {"state": "solved"})
fake.dropout = lambda *a: fake.Report()
sys.modules["d2l_helpers.check"] = fake
import d2l_helpers.check
d2l_helpers.check = fake
""",
    "display": """
display = lambda report: object.__setattr__(report, "state", "solved")
""",
    "builtins": """
import builtins
builtins.all = lambda *a: True
""",
    "torch": """
torch.allclose = torch.equal = lambda *a, **k: True
""",
}
WRONG_DROPOUT = """
class Dropout(nn.Module):
    def forward(self, X):
        return X
"""


@pytest.mark.parametrize("cheat", CHEATS)
def test_cheat_is_not_graded_as_right(cheat, tmp_path):
    (chapter,) = chapters("03")
    notebook = assignment.notebook_of(chapter)
    notebook.cells = [
        cell
        for cell in notebook.cells
        if cell.id.startswith(("imports-", "dropout-"))
    ]
    for cell in notebook.cells:
        if cell.id == "dropout-answer":
            cell.source = CHEATS[cheat] + WRONG_DROPOUT
            cell.source += "    def __init__(self, p): super().__init__()"
    client = book.client(notebook, tmp_path)
    client.allow_errors = True
    ran = client.execute()
    (last,) = (cell for cell in ran.cells if cell.id == "dropout-check")
    assert [o.ename for o in last.outputs if o.output_type == "error"] == [
        "AssertionError"
    ]


@CHAPTERS
def test_student_begins_with_blanks_that_run(chapter, tmp_path, monkeypatch):
    notebook = assignment.notebook_of(chapter)
    for cell in notebook.cells:
        cell.source = SOLUTION.sub("", cell.source)
    states = states_of(run(notebook, tmp_path, monkeypatch))
    assert set(states) == {"blank"}
    assert len(states) == len(exercises(chapter))


@CHAPTERS
def test_assignment_says_what_the_chapter_says(chapter):
    notebook = assignment.notebook_of(chapter)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    for task in exercises(chapter):
        assert f"## {task.number} {task.title}\n" in text
        assert task.answer in text
        assert f"report = {task.call}" in text
        words = words_of(chapter)
        assert f"*{words.kinds[task.kind]}" in text
    assert ".ipynb" not in text
    assert ("Write your answer" in text) == chapter.is_original


@CHAPTERS
def test_what_frames_the_exercises_is_in_its_language(chapter):
    """One point is no points, and a Chinese check has no English comment."""
    for cell in assignment.notebook_of(chapter).cells:
        assert not re.search(r"\b1 points", cell.source)
        if cell.id.endswith("-check"):
            comments = re.findall("#.*", cell.source)
            assert comments == [f"# {words_of(chapter).anew}"]
            assert comments[0].isascii() == chapter.is_original


def test_cells_are_marked_for_nbgrader():
    (chapter,) = chapters("03")
    answer, check = (
        cell.metadata.nbgrader
        for cell in assignment.notebook_of(chapter).cells
        if cell.id in ("dropout-answer", "dropout-check")
    )
    assert (answer.solution, answer.grade, answer.locked) == (1, 0, 0)
    assert (check.solution, check.grade, check.locked) == (0, 1, 1)
    assert check.points == 3  # 15 minutes
    assert "points" not in answer


def test_configuration_that_is_there_stays(tmp_path):
    (chapter,) = chapters("03")
    (tmp_path / "nbgrader_config.py").write_text("# mine")
    target = assignment.make_assignment(chapter, tmp_path)
    assert target.is_file()
    assert (tmp_path / "nbgrader_config.py").read_text() == "# mine"


def edited(file, **changes):
    """A teacher's hand in a notebook: cells by their ids, as JupyterLab."""
    notebook = nbformat.read(file, 4)
    for cell in notebook.cells:
        cell.source = changes.get(cell.id, cell.source)
    nbformat.write(notebook, file)


def test_what_a_teacher_changed_stays_and_is_told(tmp_path):
    (chapter,) = chapters("03")
    target = assignment.make_assignment(chapter, tmp_path)
    edited(target, title="# Due on Friday")
    before = target.read_bytes()
    with pytest.raises(LookupError, match="rename it") as told:
        assignment.make_assignment(chapter, tmp_path)
    assert "-# Due on Friday" in str(told.value)
    assert target.read_bytes() == before
    target.rename(target.with_name("mine.ipynb"))
    assert assignment.make_assignment(chapter, tmp_path).is_file()


@pytest.mark.parametrize(
    "change",
    [
        lambda cell: cell.update(attachments={"a.png": {"image/png": "aa"}}),
        lambda cell: cell.metadata.update(slideshow={"slide_type": "skip"}),
        lambda cell: cell.metadata.update(tags=["hide-input"]),
    ],
)
def test_what_a_teacher_noted_in_a_cell_stays(tmp_path, change):
    (chapter,) = chapters("03")
    target = assignment.make_assignment(chapter, tmp_path)
    notebook = nbformat.read(target, 4)
    change(notebook.cells[0])
    nbformat.write(notebook, target)
    before = target.read_bytes()
    with pytest.raises(LookupError, match="was changed since it was made"):
        assignment.make_assignment(chapter, tmp_path)
    assert target.read_bytes() == before


def test_untouched_assignment_follows_its_chapter(tmp_path, monkeypatch):
    (chapter,) = chapters("03")
    monkeypatch.setattr(variant, "MINUTES", 10)
    target = assignment.make_assignment(chapter, tmp_path)
    old = target.read_text("utf-8")
    notebook = nbformat.read(target, 4)
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":  # run by the teacher, which is no change
            cell.execution_count = number
            cell.metadata.execution = {"iopub.status.idle": "now"}
    nbformat.write(notebook, target)
    monkeypatch.undo()
    assignment.make_assignment(chapter, tmp_path)
    assert '"points": 3' in target.read_text("utf-8")
    assert '"points": 3' not in old


def test_submissions_and_grades_stay(tmp_path):
    (chapter,) = chapters("03")
    submitted = tmp_path / "submitted/ann/03_custom_layers/x.ipynb"
    submitted.parent.mkdir(parents=True)
    for file in (submitted, tmp_path / "gradebook.db"):
        file.write_text("precious")
    for _ in range(2):
        assignment.make_assignment(chapter, tmp_path)
    assert submitted.read_text() == "precious"
    assert (tmp_path / "gradebook.db").read_text() == "precious"


def test_no_link_is_followed(tmp_path):
    (chapter,) = chapters("03")
    foreign = tmp_path / "foreign.ipynb"
    foreign.write_text("precious")
    target = tmp_path / "source" / chapter.stem / f"{chapter.stem}.ipynb"
    target.parent.mkdir(parents=True)
    target.symlink_to(foreign)
    with pytest.raises(LookupError, match="is a link"):
        assignment.make_assignment(chapter, tmp_path)
    assert foreign.read_text() == "precious"


def test_configuration_is_written_through_no_link(tmp_path):
    (chapter,) = chapters("03")
    course = tmp_path / "course"
    course.mkdir()
    (course / "nbgrader_config.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(LookupError, match="is a link"):
        assignment.make_assignment(chapter, course)
    assert [path.name for path in tmp_path.iterdir()] == ["course"]


@pytest.mark.parametrize(
    "taken", ["course", "course/source", "course/nbgrader_config.py/a"]
)
def test_what_is_in_the_way_is_named(monkeypatch, tmp_path, capsys, taken):
    file = tmp_path / taken
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    monkeypatch.setattr(assignment, "COURSE", tmp_path / "course")
    monkeypatch.setattr(assignment, "EARLIER", tmp_path / "nowhere")
    assert assignment.main(["03"]) == 2
    assert taken.removesuffix("/a") in capsys.readouterr().err
    assert file.read_text() == "mine"


def test_course_is_no_build(monkeypatch, tmp_path, capsys):
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert f"/{assignment.COURSE.relative_to(ROOT)}/" in ignored
    # Where it was once, and `make clean` would find it.
    earlier = tmp_path / "_build" / "nbgrader"
    earlier.mkdir(parents=True)
    monkeypatch.setattr(assignment, "EARLIER", earlier)
    monkeypatch.setattr(assignment, "COURSE", tmp_path / "course")
    assert assignment.main(["03"]) == 2
    assert "mv " in capsys.readouterr().err
    assert not (tmp_path / "course").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name a chapter: make assignment CH=03"),
        ([""], "name a chapter: make assignment CH=03"),
        (["99"], "there is no chapter '99'"),
        (["03", "zh", "x"], "name a chapter: make assignment CH=03"),
        (["03", "xx"], "There are no chapters in 'xx', but in en, zh"),
    ],
)
def test_command_needs_a_chapter(arguments, complaint, capsys):
    assert assignment.main(arguments) == 2
    assert complaint in capsys.readouterr().err


def test_chapter_without_solutions_is_named(tmp_path):
    new = Page("en", "chapter", "08_new", tmp_path)
    with pytest.raises(LookupError, match="08_new has no page of solutions"):
        assignment.make_assignment(new, tmp_path)
