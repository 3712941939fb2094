"""How a submission is run, and what is put back; no kernel is started."""

import json
import os
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import assignment
from tools.grading.course import (
    Submission,
    SubmissionError,
    require_notebook,
    restored,
    usual_in,
)
from tools.grading.kernel import LARGEST, REPORT, Ran, Shown
from tools.grading.run import KERNELS, execute, look_of, names_of
from tools.grading.sandbox import Limits
from tools.grading.words import ENGLISH, words_of
from tools.page import LANGUAGES, chapters
from tools.variants.assignment import graded

SOLVED = {"data": {REPORT: {"state": "solved"}}}


def task(name, answer="ok"):
    """The cells of an exercise, by what the fake kernel is to do."""
    return [
        new_code_cell(
            f"{answer} # {name}",
            metadata=graded(f"{name}-answer", solution=True),
        ),
        new_code_cell(
            f"report = check.{name}()",
            metadata=graded(f"{name}-check", points=1),
        ),
    ]


class FakeKernel:
    """Does what the first word of a cell says; notes what it has run."""

    def __init__(self, ran, defined):
        self.ran, self.defined = ran, set(defined)

    def run(self, code, seconds):
        self.ran.append(code)
        shown = Shown(1000)
        if name := re.match(r"report = check\.(\w+)", code):
            if name[1] not in self.defined:
                shown.take(
                    {"msg_type": "error", "content": {"ename": "NameError"}}
                )
                return Ran(shown.outputs)
            shown.take({"msg_type": "display_data", "content": SOLVED})
            return Ran(shown.outputs, ok=True)
        word, _, name = code.splitlines()[0].split()
        if word == "dies":
            return Ran(stopped="ended", alive=False)
        if word == "slow":
            return Ran(stopped="time")
        self.defined.add(name)
        return Ran(ok=True)

    def end(self):
        self.ran.append("end")


def run(*cells, limits=None, defined=()):
    """Execute cells; what each kernel has run, and the marks of the checks."""
    notebook = new_notebook(cells=list(cells))
    ran = []
    execute(
        notebook,
        lambda: FakeKernel(ran, defined),
        limits or Limits(),
        ENGLISH,
    )
    marks = {}
    for cell in notebook.cells:
        marking = cell.metadata.get("nbgrader", {})
        if marking.get("grade"):
            failed = any(o.output_type == "error" for o in cell.outputs)
            name = marking["grade_id"].removesuffix("-check")
            marks[name] = look_of(cell) or ("wrong" if failed else "right")
    return ran, marks


def test_what_was_right_stays_when_the_kernel_ends():
    cells = [*task("a"), *task("b", "dies"), *task("c")]
    ran, marks = run(*cells)
    assert marks == {"a": "right", "b": "ended", "c": "right"}
    # The first check isn't asked again.
    assert ran.count("report = check.a()") == 1
    assert ran.count("end") == 2


def test_check_in_which_the_kernel_ends_is_looked_at():
    cells = task("a")
    cells[1].source = "dies # a"
    assert run(*cells, *task("b"))[1] == {"a": "ended", "b": "right"}


def test_answer_that_was_stopped_and_yet_is_right_counts():
    cells = [*task("a", "slow")]
    assert run(*cells, defined=["a"])[1] == {"a": "right"}
    assert run(*cells)[1] == {"a": "time"}


def test_wrong_answer_is_no_case_for_a_teacher():
    assert run(*task("a", "ok b")[1:])[1] == {"a": "wrong"}


def test_cell_of_their_own_that_ends_the_kernel_may_matter_to_all():
    cells = [new_code_cell("dies # x"), *task("a")[1:], *task("b")]
    assert run(*cells)[1] == {"a": "ended", "b": "right"}


def test_kernels_are_not_started_for_ever():
    names = "abcdefgh"
    cells = [cell for name in names for cell in task(name, "dies")]
    ran, marks = run(*cells)
    assert ran.count("end") == KERNELS
    assert set(marks.values()) == {"ended", "again"}


def test_time_of_a_submission_ends():
    _, marks = run(*task("a"), limits=Limits(seconds=0))
    assert marks == {"a": "time"}


def test_pass_without_a_report_is_looked_at():
    """As where an answer has taught the kernel to leave cells out."""
    cells = task("a")
    cells[1].source = "pass # report = check.a()"

    class Kernel(FakeKernel):
        def run(self, code, seconds):
            return Ran(ok=True)

    notebook = new_notebook(cells=cells)
    execute(notebook, lambda: Kernel([], []), Limits(), ENGLISH)
    assert look_of(notebook.cells[1]) == "report"
    assert notebook.cells[1].outputs[-1].output_type == "error"


def test_pass_behind_a_sign_of_a_cheat_is_looked_at():
    cells = [*task("a"), *task("b")]
    cells[0].source += "\nimport ctypes"
    assert run(*cells)[1] == {"a": "reach", "b": "right"}
    (check,) = (c for c in cells if "a-check" in str(c.metadata))
    assert names_of(check) == "ctypes"
    # Where it fails, it may be meant for the next one.
    cells = [*task("a"), *task("b"), *task("c")]
    cells[0].source = "ok # x\nimport ctypes"
    assert run(*cells)[1] == {"a": "wrong", "b": "reach", "c": "right"}


def test_cell_of_their_own_may_deceive_all_checks():
    cells = [new_code_cell("ok # x\nimport ctypes"), *task("a"), *task("b")]
    assert run(*cells)[1] == {"a": "reach", "b": "reach"}


def test_sign_that_was_handed_out_is_none():
    notebook = new_notebook(cells=task("a"))
    notebook.cells[0].source += "\nimport ctypes"
    start = FakeKernel([], [])
    execute(notebook, lambda: start, Limits(), ENGLISH, usual_in(notebook))
    assert not look_of(notebook.cells[1])


def test_output_is_kept_as_far_as_it_fits():
    shown = Shown(10)
    for text in ("12345", "67890", "more", "and more"):
        content = {"name": "stdout", "text": text}
        shown.take({"msg_type": "stream", "content": content})
    assert [o.text for o in shown.outputs] == ["1234567890\n[...]\n"]
    assert LARGEST > 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_there_in_each_language(language):
    words = words_of(language)
    limits = Limits()
    reasons = [name for name in vars(ENGLISH) if name.startswith("why_")]
    for name in reasons:
        said = words.reason(name.removeprefix("why_"), limits)
        assert said
        assert "{" not in said
        assert (
            said
            == getattr(ENGLISH, name).format(
                names="",
                **{n: getattr(limits, n) for n in limits.trait_names()},
            )
        ) == (language == "en")


@pytest.fixture(scope="module")
def handed_out():
    (chapter,) = chapters("03")
    return assignment.notebook_of(chapter)


def copied(notebook):
    return nbformat.reads(nbformat.writes(notebook), 4)


def names(notebook):
    return [
        cell.metadata.nbgrader.grade_id
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    ]


def test_cells_that_are_missing_are_put_back_in_their_place(handed_out):
    submitted = copied(handed_out)
    gone = {"dropout-check", "dropout-answer", names(handed_out)[0]}
    submitted.cells = [
        c
        for c in submitted.cells
        if c.metadata.get("nbgrader", {}).get("grade_id") not in gone
    ]
    back = restored(submitted, handed_out, ENGLISH)
    assert names(back) == names(handed_out)
    assert any(cell.source == ENGLISH.missing for cell in back.cells)
    nbformat.validate(back)


def test_marks_are_those_of_what_was_handed_out(handed_out):
    submitted = copied(handed_out)
    for cell in submitted.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.update(points=99, solution=True, grade=True)
            cell.metadata["d2l_companion"] = {"look": "", "submission": "x"}
    back = restored(submitted, handed_out, ENGLISH)
    for ours, theirs in zip(handed_out.cells, back.cells, strict=True):
        assert ours.metadata.get("nbgrader") == theirs.metadata.get("nbgrader")
        assert "d2l_companion" not in theirs.metadata


@pytest.mark.parametrize("marking", ["text", 7, None, {"grade_id": ["x"]}])
def test_marks_that_are_no_marks_are_left_out(handed_out, marking):
    submitted = copied(handed_out)
    cell = new_markdown_cell("mine", metadata={"nbgrader": marking})
    submitted.cells.append(cell)
    back = restored(submitted, handed_out, ENGLISH)
    assert "nbgrader" not in back.cells[-1].metadata


def test_of_a_cell_that_is_there_twice_the_last_counts(handed_out):
    submitted = copied(handed_out)
    last = copied(handed_out).cells[-1]
    submitted.cells.append(last)
    back = restored(submitted, handed_out, ENGLISH)
    assert names(back) == names(handed_out)
    assert back.cells[-1].metadata.nbgrader.grade


@pytest.mark.parametrize(
    "text", ["", "no notebook", "[]", "{}", '{"cells": 7}', "[" * 10**5]
)
def test_what_is_no_notebook_is_refused(text, tmp_path):
    file = tmp_path / "a.ipynb"
    file.write_text(text)
    with pytest.raises(SubmissionError, match=r"a\.ipynb is no notebook"):
        require_notebook(file)


def test_cells_without_end_are_refused(tmp_path):
    file = tmp_path / "a.ipynb"
    file.write_text(json.dumps({"cells": [{}] * 1000}))
    require_notebook(file)
    file.write_text(json.dumps({"cells": [{}] * 1001}))
    with pytest.raises(SubmissionError, match="has 1001 cells, and 1000 may"):
        require_notebook(file)


def test_submission_with_a_link_or_too_large_is_refused(tmp_path):
    folder = tmp_path / "ann"
    folder.mkdir()
    submission = Submission("ann", folder)
    (folder / "a.ipynb").write_text("x")
    submission.require_fit(Limits())
    before = submission.digest()
    (folder / "big").write_bytes(bytes(3 * 2**20))
    assert submission.digest() != before
    with pytest.raises(SubmissionError, match="it has 3 MiB, and 2 MiB may"):
        submission.require_fit(Limits(files=2))
    os.mkfifo(folder / "pipe")
    with pytest.raises(SubmissionError, match="pipe in it is no file"):
        submission.require_fit(Limits())
    (folder / "other").symlink_to("/etc/passwd")
    with pytest.raises(SubmissionError, match="other in it is a link"):
        submission.require_fit(Limits())
