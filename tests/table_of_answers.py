"""The exercises, with how many answers are tried, and how long it takes.

python -m tests.table_of_answers
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from d2l_helpers import check
from tests.answers import RIGHT, WRONG
from tools.exercise import exercises
from tools.page import chapters


def table() -> Iterator[str]:
    """Exercise, kind, solution lines, answers tried, time of the check."""
    yield (
        "| exercise | kind | minutes | lines of the solution "
        "| accepted variants | rejected answers | check, s |"
    )
    yield "|---|---|---|---|---|---|---|"
    counts = [0, 0]
    for chapter in chapters():
        solutions = {t.number: t for t in exercises(chapter.solutions)}
        for task in exercises(chapter):
            answer = solutions[task.number].answer.splitlines()
            function = getattr(check, task.check)
            times = []
            for right in RIGHT[task.check]:
                arguments = right.arguments
                start = time.perf_counter()
                assert function(*arguments)
                times.append(time.perf_counter() - start)
            counts[0] += len(times)
            counts[1] += len(WRONG[task.check])
            yield (
                f"| {task.number} {task.title} | {task.kind.lower()} "
                f"| {task.minutes} | {sum(map(bool, map(str.strip, answer)))} "
                f"| {len(times)} | {len(WRONG[task.check])} "
                f"| {max(times):.2f} |"
            )
    yield f"| all | | | | {counts[0]} | {counts[1]} | |"


if __name__ == "__main__":
    for line in table():
        print(line)
