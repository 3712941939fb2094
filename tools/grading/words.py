"""What grading says to students and teachers, in a language.

English stands here. Another language has grading.toml in its folder, with the
same names.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache

from tools.grading.sandbox import Limits
from tools.page import CHAPTERS, LANGUAGES


@dataclass(frozen=True)
class Words:
    """What is said, as plain text.

    Args:
        tag (str): the language, for browsers.
        labeled, comma (str): what stands between words.
        stopped (str): how a reason begins, in the output of a cell.
        why_time, why_memory, why_processes, why_output, why_ended, why_again,
        why_error, why_report, why_reach (str): the reasons, with the limits
            or with names.
        look (str): what a student reads of a check that waits for a teacher.
        no_answer (str): of an answer that is as it was handed out.
        missing (str): of a cell that was taken away.
        feedback, points, waits, answer, check, comment, penalty (str): on a
            page of feedback, with ``{title}``, ``{score}`` and ``{points}``.
        grades, students, student, name, total, most, legend (str): around the
            table of points, with ``{title}``.
        solved, wrong, blank, unclear, absent (str): what its marks mean.
        hints, exercise, hint, times, none (str): around the table of hints.
        no_report (str): in the place of a hint, where there is no report.
        unreadable (str): of a submission that can't be graded, ``{why}``.
    """

    tag: str = "en"
    labeled: str = "{label}: {text}"
    comma: str = ", "
    stopped: str = "Stopped"
    why_time: str = "it ran longer than {cell_seconds} s"
    why_memory: str = "it used more than {memory} MiB of memory"
    why_processes: str = "it started more than {processes} processes"
    why_output: str = "it printed more than can be read"
    why_ended: str = "the kernel ended while it ran"
    why_again: str = "the kernel had ended too often before"
    why_error: str = "it ended with an error that wasn't shown"
    why_report: str = "it passed without a report of its check"
    why_reach: str = "it passed, and it uses what can change a check: {names}"
    look: str = "Your teacher will look at this one: {reason}."
    no_answer: str = "No response."
    missing: str = (
        "This check was missing from what was handed in, and was put back."
    )
    feedback: str = "Feedback: {title}"
    points: str = "{score} of {points} points"
    waits: str = "waits for your teacher, of {points} points"
    answer: str = "Your answer"
    check: str = "The check"
    comment: str = "Comment"
    penalty: str = "Handed in late: {points} points less"
    grades: str = "Points: {title}"
    students: str = "Students and exercises"
    student: str = "Student"
    name: str = "Name"
    total: str = "Total"
    most: str = "Most"
    legend: str = "The marks"
    solved: str = "right"
    wrong: str = "not right"
    blank: str = "no answer"
    unclear: str = "to be looked at"
    absent: str = "not handed in"
    hints: str = "What was wrong, and how often"
    exercise: str = "Exercise"
    hint: str = "Hint"
    times: str = "Students"
    none: str = "No answer got a hint."
    no_report: str = "no report; the cell said: {error}"
    unreadable: str = "can't be graded: {why}"

    def reason(self, reason: str, limits: Limits, names: str = "") -> str:
        """Why a cell was stopped, or is left to a teacher."""
        values = {name: getattr(limits, name) for name in limits.trait_names()}
        return getattr(self, f"why_{reason}").format(names=names, **values)


ENGLISH = Words()


@cache
def words_of(language: str) -> Words:
    """The words of a language.

    Raises:
        ValueError: if its file lacks some, or has others.
    """
    if language == LANGUAGES[0]:
        return ENGLISH
    file = CHAPTERS / language / "grading.toml"
    values = tomllib.loads(file.read_text("utf-8"))
    known = {field.name for field in fields(Words)}
    if wrong := known ^ values.keys():
        raise ValueError(
            f"{file.name} must have {', '.join(sorted(known))}, each once; "
            f"look at {', '.join(sorted(wrong))}"
        )
    return Words(**values)
