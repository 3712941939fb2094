"""Hints in steps: the same wrong answer again gets the next one."""

from __future__ import annotations

from pathlib import Path

from ._language import language
from ._phrase import Phrase
from ._seen import seen as _seen

# The first step names what is wrong; the steps after it say what to do.
Hint = str | tuple[str, ...]


def steps(hint: Hint) -> tuple[str, ...]:
    """The steps of a hint; a string is one step."""
    return (hint,) if isinstance(hint, str) else hint or ("",)


def times(title: str, mistake: tuple[str, ...]) -> int:
    """Note a wrong answer; how often it was seen before.

    Args:
        title (str): the exercise.
        mistake (tuple of str): what makes it the same wrong answer.
    """
    seen = _seen.setdefault(title, {})
    seen[mistake] = seen.get(mistake, -1) + 1
    return seen[mistake]


def forget(title: str) -> None:
    """Begin at the first step again, as after a right answer."""
    _seen.pop(title, None)


def told(
    hint: tuple[str, ...], before: int, solution: str = ""
) -> dict[str, str]:
    """The lines of a report that help.

    Args:
        hint (tuple of str): the steps.
        before (int): how often they were asked for before.
        solution (str): a link to the worked solution, if there is one.
    """
    lines = {
        f"hint {i}" if i > 1 else "hint": step
        for i, step in enumerate(hint[: before + 1], 1)
    }
    if before + 1 < len(hint):
        lines["next"] = "Run the check again for another hint."
    elif solution and before + 1 == len(hint):
        lines["next"] = "Run the check again for a link to the solution."
    elif solution:
        lines["solution"] = solution
    return lines


def solution(title: str) -> str:
    """A Markdown link to the worked solution; "" if its page isn't here.

    It is looked for beside the notebook, in whose folder a kernel starts.

    Args:
        title (str): the exercise, whose number is that of its chapter first.
    """
    number = title.split()[0]
    chapter, _, place = number.partition(".")
    of_language = f"chapters/{language()}/solutions"
    for folder in ("solutions", of_language, "chapters/solutions"):
        for page in sorted(Path(folder).glob(f"{chapter:0>2}_*.ipynb")):
            path = page.as_posix()
            cell = f"cell-id=exercise-{chapter}-{place}"
            return Phrase(
                "[{number} in {page}]({link})",
                number=number,
                page=path,
                link=f"{path}#{cell}",
            )
    return ""
