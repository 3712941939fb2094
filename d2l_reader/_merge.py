"""A new version of a page, with what its reader did: merged three ways.

Which cell is which is found here: by its id, by the check of its exercise,
whatever the number of that is now, and by what it says. nbdime, which knows no
ids, merges what a cell says where both sides have changed it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from ._notebook import check_in, check_of, heading_of, sections

# Of exercises, by their checks: the code as a page had it, and as its reader
# has it.
Answers = dict[str, tuple[list[dict], list[dict]]]
Side = tuple[list[dict], list[int]]  # cells, and the places of some
ALIKE = 0.6  # of two sources, from where one may be the other, edited
# What JupyterLab notes in a cell as it is run or looked at.
TRACES = {"collapsed", "execution", "jupyter", "scrolled", "trusted"}


@dataclass
class Conflict:
    """A cell that the reader and the new version changed in one place.

    Args:
        where (str): number of its exercise; "" if it is in none.
        mine (dict): the cell as the reader has it, which stays.
        new (dict): the cell as the new version has it.
    """

    where: str
    mine: dict
    new: dict


@dataclass
class Merged:
    """A new version of a page, with what its reader did.

    Args:
        cells (list of dict): its cells.
        conflicts (list of Conflict): where the reader's cell stayed.
        orphans (list of str): numbers of exercises that the new version
            hasn't, whose answers stayed; "" for another cell.
    """

    cells: list[dict]
    conflicts: list[Conflict] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)


def is_touched(mine: list[dict], base: list[dict]) -> bool:
    """Whether a reader has done more with a page than run its cells."""
    return len(mine) != len(base) or any(
        a["id"] != b["id"] or _differ(a, b)
        for a, b in zip(mine, base, strict=True)
    )


def merge(
    base: list[dict],
    mine: list[dict],
    new: list[dict],
    answers: Answers | None = None,
    away: frozenset[str] = frozenset(),
) -> Merged:
    """Bring a new version to a reader.

    The order is that of the new version. A cell that the reader added or
    moved stands behind the one that it stood behind. One that the reader took
    out stays out; one that the new version took out stays if it was edited.

    Args:
        base (list of dict): the cells of the version that the reader's copy
            came from.
        mine (list of dict): the reader's cells.
        new (list of dict): those of the new version.
        answers (dict): as :func:`answers_to_bring` gives them, those of
            exercises that came from another page.
        away (set of str): checks of exercises whose answers another page has
            now.
    """
    base, mine = list(base), list(mine)
    for check, versions in (answers or {}).items():
        _bring(check, versions, base, mine, new)
    mine_of = {b: m for m, b in align(base, mine, True).items()}
    base_of = align(base, new, False)
    # A cell that both have, and the base hasn't, is one cell, too.
    ids = {cell["id"]: m for m, cell in enumerate(mine) if cell["id"]}
    known = set(mine_of.values())
    also = {
        n: ids[cell["id"]]
        for n, cell in enumerate(new)
        if n not in base_of and ids.get(cell["id"], -1) not in {-1, *known}
    }
    moved = _moved({m: b for b, m in mine_of.items()})
    result = Merged([])
    order: list[tuple[str, int]] = []
    content: dict[int, dict] = {}
    for n, cell in enumerate(new):
        b = base_of.get(n)
        m = also.get(n) if b is None else mine_of.get(b)
        if m is None:
            if b is None:
                order.append(("new", n))
            continue
        if m not in moved:
            order.append(("mine", m))
        old = cell if b is None else base[b]
        content[m] = _merged(old, mine[m], cell, result, _where(new, n))
    kept = set(content)
    gone = {m: b for b, m in mine_of.items() if m not in kept}
    exercises = _exercises(base, True)
    elsewhere = {b for check in away for b in exercises.get(check, ())}
    for m, cell in enumerate(mine):
        if m in kept and m not in moved:
            continue
        if m in gone and (
            gone[m] in elsewhere or not _differ(cell, base[gone[m]])
        ):
            continue
        if m in gone and cell["cell_type"] == "code":
            result.orphans.append(_where(mine, m))
        before = range(m - 1, -1, -1)
        places = (_place(order, ("mine", p)) for p in before)
        place = next((p for p in places if p is not None), -1)
        order.insert(place + 1, ("mine", m))
    for kind, i in order:
        cell = new[i] if kind == "new" else content.get(i, mine[i])
        result.cells.append(dict(cell))
    _distinguish(result.cells)
    _forget_stale_checks(result.cells, mine)
    return result


def align(old: list[dict], new: list[dict], is_copy: bool) -> dict[int, int]:
    """Which cell of two versions is which: by place in the new one.

    Args:
        old (list of dict): the cells of the older version.
        new (list of dict): the cells of the newer one.
        is_copy (bool): whether the newer one is a reader's copy, whose
            exercises have the numbers that they had.
    """
    pairs: dict[int, int] = {}

    def pair(n: int, o: int) -> None:
        same = new[n]["cell_type"] == old[o]["cell_type"] or is_copy
        if same and n not in pairs and o not in pairs.values():
            pairs[n] = o

    places = {cell["id"]: o for o, cell in enumerate(old) if cell["id"]}
    for n, cell in enumerate(new):
        if cell["id"] in places and (is_copy or not heading_of(cell)):
            pair(n, places[cell["id"]])
    for checked in (True, False):
        ours, theirs = (_exercises(cells, checked) for cells in (new, old))
        for name in ours.keys() & theirs.keys():
            sides = (new, ours[name]), (old, theirs[name])
            # A number may be that of another exercise now.
            if checked or _are_alike(*sides, pairs):
                _pair_exercises(*sides, pair, pairs)
    said = {}
    for o, cell in enumerate(old):
        said.setdefault((cell["cell_type"], cell["source"]), []).append(o)
    for n, cell in enumerate(new):
        for o in said.get((cell["cell_type"], cell["source"]), ()):
            pair(n, o)
    for n, cell in enumerate(new):
        if n in pairs:
            continue
        low = max((pairs[i] for i in pairs if i < n), default=-1)
        high = min((pairs[i] for i in pairs if i > n), default=len(old))
        likely = [
            (likeness, -o)
            for o in range(low + 1, high)
            if o not in pairs.values()
            and old[o]["cell_type"] == cell["cell_type"]
            and (likeness := _likeness(old[o]["source"], cell["source"]))
            > ALIKE
        ]
        if likely:
            pair(n, -max(likely)[1])
    return pairs


def _exercises(cells: list[dict], checked: bool) -> dict[str, list[int]]:
    """The cells of each exercise, by its check, or else by its number."""
    found: dict[str, list[int]] = {}
    for section in sections(cells):
        number = heading_of(cells[section[0]])[1]
        name = check_in(cells, section) if checked else number
        found.setdefault(name, section)
    found.pop("", None)
    return found


def _are_alike(ours: Side, theirs: Side, pairs: dict[int, int]) -> bool:
    """Whether two exercises are one, by their code."""
    if any(pairs.get(n) in theirs[1] for n in ours[1]):
        return True
    sources = [
        "".join(cells[i]["source"] for i in section if _is_answer(cells[i]))
        for cells, section in (ours, theirs)
    ]
    return _likeness(*sources) > ALIKE


def _pair_exercises(
    ours: Side,
    theirs: Side,
    pair: Callable[[int, int], None],
    pairs: dict[int, int],
) -> None:
    """Pair the cells of an exercise that aren't paired yet, by their order."""
    kinds = (heading_of, check_of, _is_answer, _is_text)
    for is_of in kinds:
        left = [
            [i for i in section if is_of(cells[i]) and i not in used]
            for (cells, section), used in (
                (ours, set(pairs)),
                (theirs, set(pairs.values())),
            )
        ]
        for n, o in zip(*left, strict=False):
            pair(n, o)


def _likeness(one: str, other: str) -> float:
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.quick_ratio() <= ALIKE:
        return 0.0
    return matcher.ratio()


def _moved(pairs: dict[int, int]) -> set[int]:
    """The places of those that a reader has moved: the fewest that may be."""
    ends: list[int] = []  # of the longest rising sequences, by their lengths
    holders: list[int] = []
    before: dict[int, int | None] = {}
    for m in sorted(pairs):
        at = bisect_left(ends, pairs[m])
        before[m] = holders[at - 1] if at else None
        ends[at : at + 1] = [pairs[m]]
        holders[at : at + 1] = [m]
    stayed, m = set(), holders[-1] if holders else None
    while m is not None:
        stayed.add(m)
        m = before[m]
    return set(pairs) - stayed


def _place(order: list[tuple[str, int]], item: tuple[str, int]) -> int | None:
    return order.index(item) if item in order else None


def _where(cells: list[dict], place: int) -> str:
    """The number of the exercise in which a cell stands; "" if in none."""
    for section in sections(cells):
        if place in section:
            return heading_of(cells[section[0]])[1]
    return ""


def _differ(one: dict, other: dict) -> bool:
    """Whether two cells say something else, whatever their outputs are."""
    return _said(one) != _said(other)


def _said(cell: dict) -> tuple:
    metadata = {k: v for k, v in cell["metadata"].items() if k not in TRACES}
    return (
        cell["cell_type"],
        cell["source"].rstrip(),
        metadata,
        cell.get("attachments") or {},
    )


def _merged(
    base: dict, mine: dict, new: dict, result: Merged, where: str
) -> dict:
    """A cell of which there are three versions."""
    if not _differ(base, new) or not _differ(mine, new):
        return {**mine, "id": new["id"]}
    if not _differ(mine, base):
        same = mine["source"].rstrip() == new["source"].rstrip()
        outputs = {
            k: mine[k]
            for k in ("outputs", "execution_count")
            if same and k in mine and new["cell_type"] == "code"
        }
        return {**new, **outputs}
    source = _merged_source(base, mine, new)
    if source is None:
        result.conflicts.append(Conflict(where, mine, new))
        return {**mine, "id": new["id"]}
    merged = {**mine, "id": new["id"], "source": source}
    for key in ("metadata", "attachments"):
        values = [cell.get(key) or {} for cell in (base, mine, new)]
        if any(values):
            merged[key] = _merged_values(*values)
    if source.rstrip() != mine["source"].rstrip() and "outputs" in merged:
        merged.update(outputs=[], execution_count=None)
    return merged


def _merged_source(base: dict, mine: dict, new: dict) -> str | None:
    """What a cell says that was edited on both sides; None if they clash."""
    was, ours, theirs = (c["source"].rstrip() for c in (base, mine, new))
    if mine["cell_type"] != new["cell_type"]:
        return mine["source"] if was == theirs else None
    if was == theirs or ours == theirs:
        return mine["source"]
    if was == ours:
        return new["source"]
    # They take a second, and few updates need them.
    try:
        import nbformat
        from nbdime.merging import merge_notebooks
    except ImportError:  # the package is there, without its extra "lab"
        return None
    kind = mine["cell_type"]
    notebooks = [
        nbformat.from_dict(
            {
                "nbformat": 4,
                "nbformat_minor": 5,
                "metadata": {},
                "cells": [_bare(kind, source)],
            }
        )
        for source in (was, ours, theirs)
    ]
    merged, decisions = merge_notebooks(*notebooks)
    if len(merged.cells) != 1 or any(d.conflict for d in decisions):
        return None
    return merged.cells[0].source


def _bare(kind: str, source: str) -> dict:
    cell = {"cell_type": kind, "id": "a", "metadata": {}, "source": source}
    if kind == "code":
        cell.update(outputs=[], execution_count=None)
    return cell


def _merged_values(base: dict, mine: dict, new: dict) -> dict:
    """Three dictionaries; where they clash, the reader's value stays."""
    keys = {**new, **mine}
    chosen = {k: new if mine.get(k) == base.get(k) else mine for k in keys}
    return {k: side[k] for k, side in chosen.items() if k in side}


def _distinguish(cells: list[dict]) -> None:
    """Give each cell an id that no other one has."""
    seen = {""}
    for cell in cells:
        name, number = cell["id"] or "mine", 1
        while cell["id"] in seen:
            number += 1
            cell["id"] = f"{name[:58]}-{number}"
        seen.add(cell["id"])


def _forget_stale_checks(cells: list[dict], mine: list[dict]) -> None:
    """A check has said nothing yet of code that was merged since."""
    said = {cell["source"].rstrip() for cell in mine}
    for section in sections(cells):
        code = [cells[i] for i in section if cells[i]["cell_type"] == "code"]
        if any(cell["source"].rstrip() not in said for cell in code):
            for cell in filter(check_of, code):
                cell.update(outputs=[], execution_count=None)


def answers_to_bring(
    base: list[dict], mine: list[dict], new: list[dict]
) -> Answers:
    """The answers to exercises that a page no longer has, by their checks.

    Args:
        base, mine, new (list of dict): as :func:`merge` takes them.
    """
    there = _exercises(new, True)
    found = {}
    copies = align(base, mine, True)
    for check, section in _exercises(base, True).items():
        if check in there:
            continue
        was = [b for b in section if _is_answer(base[b])]
        pairs = {b: m for m, b in copies.items()}
        have = [b for b in was if b in pairs]
        answer = [mine[pairs[b]] for b in have]
        was = [base[b] for b in have]
        if any(_differ(a, b) for a, b in zip(answer, was, strict=True)):
            found[check] = (was, answer)
    return found


def _is_answer(cell: dict) -> bool:
    return cell["cell_type"] == "code" and not check_of(cell)


def _is_text(cell: dict) -> bool:
    return cell["cell_type"] == "markdown" and not heading_of(cell)


def _bring(
    check: str,
    versions: tuple[list[dict], list[dict]],
    base: list[dict],
    mine: list[dict],
    new: list[dict],
) -> None:
    """Let a page have had an exercise, as another page had it."""
    section = _exercises(new, True).get(check)
    if section is None or check in _exercises(base, True):
        return
    starters = [new[i] for i in section if _is_answer(new[i])]
    for start, old, own in zip(starters, *versions, strict=False):
        base.append({**old, "id": start["id"]})
        mine.append({**own, "id": start["id"]})
