"""Grade what students have handed in, each in a sandbox.

    python -m tools.grade hand-out CHAPTER
                                    what students get of an assignment
    python -m tools.grade grade CHAPTER
                                    points, feedback and tables
    python -m tools.grade tables CHAPTER
                                    feedback and tables alone, as after points
                                    by hand

All of it is in the course folder, course: see tools/assignment.py. `grade`
grades what is new or was handed in again. From the environment:

    FORCE=1     grade all of it again, as after a change of a check
    JOBS=4      how many at a time; without it, one for each core
    SANDBOX=0   run them as any other program, which can do what you can

A chapter is a number or the name of a folder in course/source.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from nbgrader.apps import NbGraderAPI

from tools.environment import ROOT
from tools.folders import COURSE, shown, write_whole
from tools.grading import sandbox, table
from tools.grading.course import Course, app_of

WARNING = """\
SANDBOX=0: what students have written runs as any other program. It can read,
change and delete all that you can, and use the network."""
# What a kernel and the checks import, so that each sandbox finds it compiled.
IMPORTS = (
    "import debugpy, ipykernel.kernelapp, ipykernel.ipkernel, torch, "
    "torch._dynamo, matplotlib.pyplot, d2l_helpers.check"
)


def hand_out(folder: Path, name: str) -> None:
    """Make what students get, of an assignment, unless it is there.

    Args:
        folder (Path): the course folder.
        name (str): the assignment's.

    Raises:
        RuntimeError: if nbgrader can't; its reason is in the message.
    """
    release = folder / "release" / name
    if release.exists():
        print(
            f"{shown(release)} is there, and stays. To make it anew, from "
            f"{shown(folder / 'source' / name)}: cd {shown(folder)} && "
            f"nbgrader generate_assignment {name} --force"
        )
        return
    app = app_of(folder)
    api = NbGraderAPI(app.coursedir, parent=app)
    done = api.generate_assignment(name, force=False)
    if not done["success"]:
        raise RuntimeError(done.get("log") or done.get("error"))
    print(f"Students get {shown(release)}")


def grade(
    course: Course, *, sealed: bool = True, again: bool = False, workers: int
) -> None:
    """Grade what was handed in, and write feedback and tables.

    Args:
        course (Course): with the assignment.
        sealed (bool): whether in a sandbox.
        again (bool): whether also what was graded, and is as it was.
        workers (int): how many at a time.

    Raises:
        SandboxError: if there can be no sandbox.
        LookupError: if nothing was handed in.
        RuntimeError: if nbgrader can't keep the points.
    """
    found = course.submissions()
    if not found:
        place = course.path("submitted", "NAME")
        raise LookupError(f"nothing was handed in, as {shown(place)}")
    if sealed:
        sandbox.require(course.limits)
    new = [s for s in found if again or not course.is_graded(s)]
    print(f"{len(found)} submissions, {len(new)} to grade", flush=True)
    if new:
        _compile()
        ran = course.run(
            new,
            sealed=sealed,
            workers=min(workers, len(new)),
            tell=lambda line: print(line, flush=True),
        )
        for student, why in course.keep(ran).items():
            print(f"For you to look at: {student}: {why}", flush=True)
    write_tables(course)


def write_tables(course: Course) -> None:
    """Write the pages of feedback and the tables, as the points are now."""
    course.give_feedback()
    made = table.table_of(course)
    words = course.words
    place = course.folder / "grades"
    files = {
        f"{course.assignment}.html": table.as_html(made, words),
        f"{course.assignment}.csv": table.as_csv(table.rows_of(made, words)),
        f"{course.assignment}-hints.csv": table.as_csv(
            table.hint_rows(made, words)
        ),
    }
    for name, text in files.items():
        write_whole(place / name, text)
        print(f"The table is {shown(place / name)}")


def name_of(folder: Path, which: str) -> str:
    """The assignment that a number or a name means.

    Raises:
        LookupError: if there is none, or no course.
    """
    names = sorted(p.name for p in (folder / "source").glob("*/"))
    number = f"{which:0>2}_"
    chosen = [n for n in names if n == which] or [
        n for n in names if which.isdecimal() and n.startswith(number)
    ]
    if len(chosen) != 1:
        there = ", ".join(names) or "none"
        raise LookupError(
            f"{shown(folder)} has no assignment {which!r}, but {there}: "
            f"`make course CH={which}` makes it"
        )
    return chosen[0]


def _compile() -> None:
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORTS],
        env=variables,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip())


def _workers() -> int:
    jobs = os.environ.get("JOBS") or ""
    if jobs and not re.fullmatch("[1-9][0-9]?", jobs):
        raise LookupError(f"JOBS is {jobs!r}, not a number such as 4")
    if jobs:
        return int(jobs)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    command, which, *_ = [*arguments, "", ""]
    known = command in ("hand-out", "grade", "tables")
    if len(arguments) != 2 or not known or not which:
        print("name a chapter, as in: make grade CH=03", file=sys.stderr)
        return 2
    try:
        name = name_of(COURSE, which)
        if command == "hand-out":
            hand_out(COURSE, name)
            return 0
        course = Course(COURSE, name)
        if command == "tables":
            write_tables(course)
            return 0
        sealed = os.environ.get("SANDBOX") != "0"
        if not sealed:
            print(WARNING, file=sys.stderr)
        again = os.environ.get("FORCE") == "1"
        grade(course, sealed=sealed, again=again, workers=_workers())
    except (LookupError, sandbox.SandboxError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except (RuntimeError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
