"""A course folder of nbgrader: what was handed in becomes points in it.

nbgrader keeps the gradebook, the copies that were graded and the pages of
feedback, in its own form, so that its other commands go on from there. What
it would execute itself runs in sandboxes, several at a time (run.py).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sysconfig
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import bleach
import nbformat
from nbconvert.exporters import HTMLExporter, NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters import Autograde, GenerateFeedback, NbGraderException
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearOutput,
    GetGrades,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)
from nbgrader.utils import has_failed, is_grade, rmtree
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from tools.grading.kernel import Kernel
from tools.grading.reach import reaches
from tools.grading.run import MADE, execute, look_of, names_of
from tools.grading.sandbox import (
    MIB,
    Limits,
    Sandbox,
    SandboxError,
    Unsealed,
)
from tools.grading.words import Words, words_of
from tools.page import LANGUAGES

TEMPLATES = Path(__file__).parent / "templates"
# Of a page of feedback, in what a submission has written.
TAGS = {"a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p"}
TAGS |= {"pre", "strong", "sub", "sup", "ul", *(f"h{i}" for i in range(1, 7))}
TAGS |= {"table", "tbody", "td", "th", "thead", "tr"}
CELLS = 1000  # of a notebook: to look at one takes a millisecond or more
PROTOCOLS = {"http", "https", "mailto"}
NAMED = re.compile(r'"D2L_LANGUAGE"\] = "(\w+)"')  # in a code cell


class Course:
    """A course folder, as its nbgrader_config.py says.

    Args:
        folder (Path): with the configuration.
        assignment (str): the name of an assignment in it.

    Raises:
        LookupError: if the assignment wasn't generated.
    """

    def __init__(self, folder: Path, assignment: str) -> None:
        self.folder, self.assignment = folder.resolve(), assignment
        self.app = app_of(self.folder)
        self.directory = self.app.coursedir
        self.directory.assignment_id = assignment
        self.limits = Limits(parent=self.app)
        self.handed_out = self._handed_out()
        self.language = self._language()

    @property
    def words(self) -> Words:
        """What is said, in the language of the assignment."""
        return words_of(self.language)

    def gradebook(self) -> Gradebook:
        """The database, to be used in a ``with``."""
        return Gradebook(self.directory.db_url, self.directory.course_id)

    def path(self, step: str, student: str = ".") -> Path:
        """The folder of the assignment in one of nbgrader's steps."""
        name = getattr(self.directory, f"{step}_directory")
        path = self.directory.format_path(name, student, self.assignment)
        return self.folder / path

    def _handed_out(self) -> dict[str, NotebookNode]:
        """The notebooks that students got, by name."""
        try:
            with self.gradebook() as gradebook:
                found = gradebook.find_assignment(self.assignment)
                names = [notebook.name for notebook in found.notebooks]
        except MissingEntry:
            names = []
        files = {n: self.path("release") / f"{n}.ipynb" for n in names}
        if not names or not all(file.is_file() for file in files.values()):
            raise LookupError(
                f"{self.assignment} wasn't handed out: `make course "
                f"CH={self.assignment[:2]}` makes what students get"
            )
        return {n: nbformat.read(file, 4) for n, file in files.items()}

    def _language(self) -> str:
        for file in sorted(self.path("source").glob("*.ipynb")):
            notebook = nbformat.read(file, 4)
            named = [notebook.metadata.get(MADE, {}).get("language")]
            for cell in notebook.cells:
                named += NAMED.findall(cell.source)
            for language in named:
                if language in LANGUAGES:
                    return language
        return LANGUAGES[0]

    def submissions(self) -> list[Submission]:
        """What was handed in, by student."""
        directory = self.directory
        pattern = directory.format_path(
            directory.submitted_directory,
            "(?P<student>[^/]+)",
            re.escape(self.assignment),
            escape=True,
        )
        steps = os.path.relpath(self.path("submitted", "*"), self.folder)
        found = []
        for folder in sorted(self.folder.glob(steps)):
            match = re.fullmatch(pattern, str(folder))
            if match and folder.is_dir():
                found.append(Submission(match["student"], folder))
        return found

    def is_graded(self, submission: Submission) -> bool:
        """Whether what was handed in is what was graded."""
        try:
            submission.require_fit(self.limits)  # before all of it is read
        except SubmissionError:
            return False
        folder = self.path("autograded", submission.student)
        for name in self.handed_out:
            file = folder / f"{name}.ipynb"
            if not file.is_file():
                return False
            made = nbformat.read(file, 4).metadata.get(MADE, {})
            if made.get("submission") != submission.digest():
                return False
        return True

    def run(
        self,
        submissions: Iterable[Submission],
        *,
        sealed: bool,
        workers: int,
        tell: Callable[[str], None],
    ) -> dict[str, dict[str, NotebookNode] | str]:
        """Run submissions, some at a time.

        Args:
            submissions (iterable of Submission): what to run.
            sealed (bool): whether in a sandbox.
            workers (int): how many at a time.
            tell (callable): gets a line for each one.

        Returns:
            By student, the notebooks by name, or why there are none.
        """
        slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(workers):
            slots.put(slot)

        def one(submission: Submission) -> dict[str, NotebookNode] | str:
            slot = slots.get()
            try:
                ran = self._run(submission, slot, sealed)
            except SandboxError as error:
                ran = str(error)
            except Exception as error:  # of what a student wrote
                ran = f"{type(error).__name__}: {error}"[:500]
            finally:
                slots.put(slot)
            tell(f"{submission.student}: {_summary(ran)}")
            return ran

        submissions = list(submissions)
        with ThreadPoolExecutor(workers) as pool:
            done = list(pool.map(one, submissions))
        return {s.student: d for s, d in zip(submissions, done, strict=True)}

    def _run(
        self, submission: Submission, slot: int, sealed: bool
    ) -> dict[str, NotebookNode]:
        submission.require_fit(self.limits)
        digest = submission.digest()
        ran = {}

        kind = Sandbox if sealed else Unsealed

        def start() -> Kernel:
            folder, limits = submission.folder, self.limits
            return Kernel(kind(folder, limits, self.language, slot))

        for name in self.handed_out:
            file = submission.folder / f"{name}.ipynb"
            if not file.is_file():
                continue  # nbgrader notes that it is missing
            require_notebook(file)
            notebook = self._restored(file, name)
            usual = usual_in(self.handed_out[name])
            execute(notebook, start, self.limits, self.words, usual)
            notebook.metadata[MADE] = {"submission": digest}
            ran[name] = notebook
        if not ran:
            names = ", ".join(f"{name}.ipynb" for name in self.handed_out)
            raise SubmissionError(f"there is no {names} in it")
        return ran

    def _restored(self, file: Path, name: str) -> NotebookNode:
        """A submitted notebook, with its locked cells as handed out."""
        config = Config()
        config.Exporter.default_preprocessors = []
        exporter = NotebookExporter(config=config)
        for step in (
            lambda notebook, _: (
                restored(notebook, self.handed_out[name], self.words),
                _,
            ),
            ClearOutput(parent=self.app),
            OverwriteKernelspec(parent=self.app),
            OverwriteCells(parent=self.app),
            CheckCellMetadata(parent=self.app),
        ):
            exporter.register_preprocessor(step, enabled=True)
        about = {
            "notebook": name,
            "assignment": self.assignment,
            "db_url": self.directory.db_url,
        }
        text, _ = exporter.from_filename(
            str(file), resources={"nbgrader": about}
        )
        return nbformat.reads(text, 4)

    def keep(
        self, ran: dict[str, dict[str, NotebookNode] | str]
    ) -> dict[str, str]:
        """Bring what was run into the gradebook, and to ``autograded``.

        Args:
            ran (dict): what :meth:`run` gave.

        Returns:
            By student, why points are left to the teacher.
        """
        with warnings.catch_warnings():
            # Of nbgrader's own way to write new students.
            warnings.simplefilter("ignore", SAWarning)
            return self._keep(ran)

    def _keep(
        self, ran: dict[str, dict[str, NotebookNode] | str]
    ) -> dict[str, str]:
        done = {s: n for s, n in ran.items() if not isinstance(n, str)}
        failed = {s: n for s, n in ran.items() if isinstance(n, str)}
        if done:
            converter = _Keeping(
                coursedir=self.directory, parent=self.app, force=True
            )
            converter.ran, converter.words = done, self.words
            try:
                _start(converter)
            except RuntimeError as error:  # of some; the others are kept
                for student in done:
                    if not self.path("autograded", student).is_dir():
                        failed[student] = str(error)
        for student in failed:
            self._leave(student)
        return failed

    def _leave(self, student: str) -> None:
        """Leave what couldn't be graded to the teacher."""
        folder = self.path("autograded", student)
        if folder.is_dir() and not folder.is_symlink():
            rmtree(folder)  # what is left of an older one
        with self.gradebook() as gradebook:
            gradebook.update_or_create_student(student)
            submission = gradebook.update_or_create_submission(
                self.assignment, student
            )
            for notebook in submission.notebooks:
                for grade in notebook.grades:
                    grade.auto_score = None
                    grade.needs_manual_grade = True
            gradebook.db.commit()

    def give_feedback(self) -> None:
        """Write the pages of feedback, in the language of the assignment."""
        students = {
            one.student
            for one in self.submissions()
            if self.path("autograded", one.student).is_dir()
        }
        if students:
            converter = _Feedback(
                coursedir=self.directory, parent=self.app, force=True
            )
            converter.students = students
            converter.words, converter.limits = self.words, self.limits
            _start(converter)


def require_notebook(file: Path) -> None:
    """Refuse what is no notebook, or has cells without end.

    Raises:
        SubmissionError: if it is refused.
    """
    try:
        cells = json.loads(file.read_bytes())["cells"]
        size = len(cells) if isinstance(cells, list) else None
    except (ValueError, TypeError, LookupError, RecursionError):
        size = None
    if size is None:
        raise SubmissionError(f"{file.name} is no notebook")
    if size > CELLS:
        raise SubmissionError(
            f"{file.name} has {size} cells, and {CELLS} may be"
        )


def usual_in(handed_out: NotebookNode) -> set[str]:
    """What stands in cells that students got: no sign of a cheat."""
    cells = [c for c in handed_out.cells if c.cell_type == "code"]
    return set().union(*(reaches(c.source) for c in cells if not is_grade(c)))


def cleaned(html: str) -> str:
    """HTML with what Markdown makes, and nothing that acts or loads."""
    return bleach.clean(
        html, tags=TAGS, attributes={"a": ["href"]}, protocols=PROTOCOLS
    )


def app_of(folder: Path) -> NbGrader:
    """nbgrader, as it is configured in a course folder."""
    # It calls another program of this environment, alembic, by its name.
    programs = sysconfig.get_path("scripts")
    path = os.environ.get("PATH", "").split(os.pathsep)
    if programs not in path:
        os.environ["PATH"] = os.pathsep.join([programs, *path])
    app = NbGrader(log_level=logging.CRITICAL)
    app.load_cwd_config = False
    app.initialize([], root=str(folder.resolve()))
    return app


@dataclass(frozen=True)
class Submission:
    """What a student has handed in.

    Args:
        student (str): the name of the student's folder.
        folder (Path): with the files.
    """

    student: str
    folder: Path

    def digest(self) -> str:
        """What tells it from another one."""
        digest = hashlib.sha256()
        for file in self._files():
            digest.update(file.relative_to(self.folder).as_posix().encode())
            if file.is_file() and not file.is_symlink():
                digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def require_fit(self, limits: Limits) -> None:
        """Refuse what can't be copied into a sandbox, or isn't its own.

        Raises:
            SubmissionError: if it is refused.
        """
        size = 0
        for file in self._files():
            if file.is_symlink():
                name = file.relative_to(self.folder)
                raise SubmissionError(f"{name} in it is a link")
            if not (file.is_file() or file.is_dir()):  # a pipe, a socket, ...
                raise SubmissionError(f"{file.name} in it is no file")
            size += file.stat().st_size
        if size > limits.files * MIB:
            raise SubmissionError(
                f"it has {size // MIB} MiB, and {limits.files} MiB may be"
            )

    def _files(self) -> list[Path]:
        return sorted([self.folder, *self.folder.rglob("*")])


class SubmissionError(Exception):
    """A submission can't be graded; the message says why."""

    __module__ = None


def restored(
    notebook: NotebookNode, handed_out: NotebookNode, words: Words
) -> NotebookNode:
    """A notebook with each cell that nbgrader knows, marked as handed out.

    A cell that is missing is put back behind the one that it followed; of one
    that is there twice, the last counts, as for nbgrader.

    Args:
        notebook (NotebookNode): what was handed in; it is changed.
        handed_out (NotebookNode): what the student got.
        words (Words): to say what was put back.
    """
    ours = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in handed_out.cells
        if "nbgrader" in cell.metadata
    }
    there = {}
    for cell in notebook.cells:
        cell.metadata.pop(MADE, None)
        marked = cell.metadata.pop("nbgrader", None)
        name = marked.get("grade_id") if isinstance(marked, dict) else None
        if isinstance(name, str) and name in ours:
            there[name] = cell
    for name, cell in there.items():
        cell.metadata["nbgrader"] = deepcopy(ours[name].metadata.nbgrader)
    place = 0
    for name, cell in ours.items():
        if name in there:
            place = 1 + next(
                i for i, c in enumerate(notebook.cells) if c is there[name]
            )
            continue
        added = [deepcopy(cell)]
        if is_grade(cell):
            added.insert(0, new_markdown_cell(words.missing))
        notebook.cells[place:place] = added
        place += len(added)
    return notebook


class _Score(SaveAutoGrades):
    """Leaves to a teacher what a check couldn't say."""

    words: Words

    def _add_score(self, cell: NotebookNode, resources: dict) -> None:
        super()._add_score(cell, resources)
        if look_of(cell):
            grade = self.gradebook.find_grade(
                cell.metadata.nbgrader.grade_id,
                self.notebook_id,
                self.assignment_id,
                self.student_id,
            )
            grade.auto_score, grade.needs_manual_grade = None, True
            self.gradebook.db.commit()

    def _add_comment(self, cell: NotebookNode, resources: dict) -> None:
        super()._add_comment(cell, resources)
        comment = self.gradebook.find_comment(
            cell.metadata.nbgrader.grade_id,
            self.notebook_id,
            self.assignment_id,
            self.student_id,
        )
        if comment.auto_comment:
            comment.auto_comment = self.words.no_answer
            self.gradebook.db.commit()


class _Keeping(Autograde):
    """nbgrader's own command, but that the notebooks have run already."""

    ran: dict[str, dict[str, NotebookNode]]
    words: Words

    def init_notebooks(self) -> None:
        super().init_notebooks()
        chosen = {}
        for folder, notebooks in self.assignments.items():
            student = self.init_single_notebook_resources(notebooks[0])
            if student["nbgrader"]["student"] in self.ran:
                chosen[folder] = notebooks
        self.assignments = chosen

    def _init_preprocessors(self) -> None:
        self.exporter._preprocessors = []
        score = _Score(parent=self)
        score.words = self.words
        late = AssignLatePenalties(parent=self)
        for step in (score, late, CheckCellMetadata(parent=self)):
            self.exporter.register_preprocessor(step, enabled=True)

    def convert_single_notebook(self, notebook_filename: str) -> None:
        self._init_preprocessors()
        resources = self.init_single_notebook_resources(notebook_filename)
        about = resources["nbgrader"]
        notebook = self.ran[about["student"]][about["notebook"]]
        output, resources = self.exporter.from_notebook_node(
            notebook, resources
        )
        self.write_single_notebook(output, resources)


class _Grades(GetGrades):
    """Also says which points a teacher is still to give, and why."""

    words: Words
    limits: Limits

    def _get_score(self, cell: NotebookNode, resources: dict) -> None:
        super()._get_score(cell, resources)
        grade = self.gradebook.find_grade(
            cell.metadata.nbgrader.grade_id,
            self.notebook_id,
            self.assignment_id,
            self.student_id,
        )
        waits = grade.needs_manual_grade and grade.manual_score is None
        cell.metadata.nbgrader["waits"] = bool(waits)
        if waits and (reason := look_of(cell)):
            why = self.words.reason(reason, self.limits, names_of(cell))
            cell.metadata.nbgrader["look"] = self.words.look.format(reason=why)


class _Feedback(GenerateFeedback):
    """nbgrader's own command, with a page in the student's language."""

    students: set[str]
    words: Words
    limits: Limits

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        config = Config()
        config.HTMLExporter.template_name = "feedback-of-checks"
        config.HTMLExporter.extra_template_basedirs = [str(TEMPLATES)]
        config.HTMLExporter.exclude_anchor_links = True
        config.HTMLExporter.filters = {"cleaned": cleaned}
        self.update_config(config)
        self.exporter_class = HTMLExporter

    def start(self) -> None:
        grades = _Grades(parent=self)
        grades.words, grades.limits = self.words, self.limits
        self.preprocessors = [grades]
        super().start()

    def init_notebooks(self) -> None:
        super().init_notebooks()
        self.assignments = {
            folder: notebooks
            for folder, notebooks in self.assignments.items()
            if self.init_single_notebook_resources(notebooks[0])["nbgrader"][
                "student"
            ]
            in self.students
        }

    def init_single_notebook_resources(self, notebook_filename: str) -> dict:
        found = super().init_single_notebook_resources(notebook_filename)
        return {**found, "words": self.words}


def _start(converter: Autograde | GenerateFeedback) -> None:
    """Run a command of nbgrader.

    Raises:
        RuntimeError: if it fails; its reason is in the message.
    """
    lines: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: lines.append(record.getMessage())
    level = converter.log.level
    converter.log.addHandler(handler)
    converter.log.setLevel(logging.ERROR)
    try:
        converter.start()
    except NbGraderException:
        raise RuntimeError("\n".join(lines)) from None
    finally:
        converter.log.removeHandler(handler)
        converter.log.setLevel(level)


def _summary(ran: dict[str, NotebookNode] | str) -> str:
    """How a submission went, in a line."""
    if isinstance(ran, str):
        return f"can't be graded: {ran}"
    cells = [c for n in ran.values() for c in n.cells if is_grade(c)]
    unclear = sum(bool(look_of(cell)) for cell in cells)
    passed = sum(not has_failed(c) and not look_of(c) for c in cells)
    line = f"{passed} of {len(cells)} checks passed"
    return f"{line}, {unclear} for you to look at" if unclear else line
