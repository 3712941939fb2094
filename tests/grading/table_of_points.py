"""What hostile submissions lose or win: with nbgrader alone, and sandboxed.

    python -m tests.grading.table_of_points [NAME...]

prints a row for each submission of hostile.py, or for those that are named.
nbgrader grades each in a copy of a course whose checks are plain, `assert
check.name(...)`, and in which two others are graded already. Around it is a
sandbox, too, where nothing but this copy can be written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry

from tests.grading.hostile import HOSTILE, MIDDLE, NAME, RIGHT, make_course
from tools.environment import ROOT
from tools.grading.course import Course

OTHERS = ("right", "wrong")
LONGEST = 900  # seconds for nbgrader and one submission


def table(chosen: list[str]) -> Iterator[str]:
    """Submission, right answers, points by nbgrader and by `make grade`."""
    yield (
        "| submission | right answers | points, nbgrader alone | s "
        "| points, sandbox | to be looked at | s | what else happened |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as place:
        folder, plain = Path(place, "course"), Path(place, "plain")
        with redirect_stdout(sys.stderr):
            for made in (folder, plain):
                made.mkdir()
                make_course(made, plain=made == plain)
        course = Course(folder, NAME)
        done = _nbgrader(plain, *OTHERS)
        assert done.returncode == 0, done.stderr
        for submission in course.submissions():
            name = submission.student
            if name in chosen or not chosen:
                alone, spent, harm = _alone(plain, name, place)
                begun = time.monotonic()
                ran = course.run(
                    [submission], sealed=True, workers=1, tell=lambda _: None
                )
                took = time.monotonic() - begun
                course.keep(ran)
                score, look = _points(folder, name)
                right = 3 if name == "right" else 2
                yield (
                    f"| {name} | {right} of 3, "
                    f"{RIGHT + (name == 'right') * MIDDLE} points | {alone} "
                    f"| {spent:.0f} | {score:g} | {look} | {took:.0f} "
                    f"| {harm or '-'} |"
                )


def _alone(course: Path, name: str, place: str) -> tuple[str, float, str]:
    """Points by nbgrader alone, the time that it took, and other harm."""
    folder = Path(place, "alone", name)
    shutil.copytree(course, folder)
    file = folder / "submitted" / name / NAME / f"{NAME}.ipynb"
    text = file.read_text("utf-8").replace(str(course), str(folder))
    file.write_text(text, "utf-8")
    handed_in = len(list(folder.glob("submitted/*/*/*.ipynb")))
    begun = time.monotonic()
    try:
        done = _nbgrader(folder, name)
    except subprocess.TimeoutExpired:
        return "none", time.monotonic() - begun, "grading doesn't end"
    spent = time.monotonic() - begun
    harm = []
    if done.returncode:
        harm.append("nbgrader fails")
    left = len(list(folder.glob("submitted/*/*/*.ipynb")))
    if left < handed_in:
        harm.append(f"{handed_in - left} of {handed_in} submissions are gone")
    gone = [other for other in OTHERS if _points(folder, other) is None]
    if gone:
        harm.append(f"the points of {len(gone)} others are gone")
    size = sum(f.stat().st_size for f in folder.glob(f"autograded/{name}/*/*"))
    if size > 2**20:
        harm.append(f"the graded notebook has {size / 2**20:.0f} MiB")
    found = _points(folder, name)
    if found is None or not (folder / "autograded" / name / NAME).is_dir():
        return "none", spent, ", ".join(harm)
    score, look = found
    return f"{score:g}" + f", {look} open" * bool(look), spent, ", ".join(harm)


def _nbgrader(folder: Path, *names: str) -> subprocess.CompletedProcess:
    """`nbgrader autograde` as it is, where it can write the course alone."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for name in names:
        done = subprocess.run(
            [
                *("bwrap", "--unshare-all", "--die-with-parent"),
                *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
                *("--bind", str(folder), str(folder), "--chdir", str(folder)),
                *(sys.executable, "-m", "nbgrader", "autograde"),
                *(NAME, f"--student={name}", "--force"),
            ],
            env={
                **os.environ,
                "HOME": str(folder),
                "PATH": path,
                "PYTHONPATH": str(ROOT),
                "TMPDIR": str(folder),
            },
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
    return done


def _points(folder: Path, name: str) -> tuple[float, int] | None:
    """A student's points, and how many checks wait for the teacher."""
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        try:
            found = gradebook.find_submission(NAME, name)
        except MissingEntry:
            return None
        grades = [g for n in found.notebooks for g in n.grades]
        return found.score, sum(g.needs_manual_grade for g in grades)


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - {*HOSTILE, *OTHERS}:
        sys.exit(f"there is no {', '.join(sorted(unknown))}")
    for line in table(sys.argv[1:]):
        print(line, flush=True)
