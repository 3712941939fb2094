"""Which cell of a translation belongs to which cell of the original.

First by what stands for a cell: the digest that it translates, its code, the
number of its exercise. Then by place: where between two such cells as many are
left in both pages. Last, by how much is the same.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from difflib import SequenceMatcher

from nbformat import NotebookNode

from tools import pairs
from tools.exercise import number_of
from tools.page import Page
from tools.remarks import tree
from tools.translation import KEY, digest, is_statement, says

Match = tuple[NotebookNode | None, NotebookNode | None]
ALIKE = 0.5  # the part that is the same, at least


def aligned(
    page: Page,
    originals: list[NotebookNode],
    cells: list[NotebookNode],
    old_texts: Callable[[set[str]], Mapping[str, str]],
) -> list[Match]:
    """The cells of the original with those that translate them.

    Args:
        page (Page): the translation.
        originals (list of cells): those of the original.
        cells (list of cells): those of the translation.
        old_texts (callable): gives what stood in the original earlier, by
            digest, for some digests; what it doesn't know is missing.

    Returns:
        For each cell of the original, in order, itself and its translation,
        or None. A cell of the translation that has no other one any more
        stands behind the one that it followed, with None before it.
    """
    found: dict[int, int] = {}  # by place in the original, the other place

    def left() -> tuple[list[int], list[int]]:
        taken = set(found.values())
        return (
            [i for i in range(len(originals)) if i not in found],
            [k for k in range(len(cells)) if k not in taken],
        )

    for key in (_by_content, _by_exercise):
        olds, news = left()
        found |= _equal(
            {
                i: key(page, originals[i], digest(says(page, originals[i])))
                for i in olds
            },
            {
                k: key(page, cells[k], cells[k].metadata.get(KEY, ""))
                for k in news
            },
        )
    found |= _by_place(originals, cells, found, *left())
    olds, news = left()
    if olds and news:
        texts = old_texts({cells[k].metadata.get(KEY, "") for k in news})
        found |= _by_likeness(originals, cells, texts, olds, news)
    return _in_order(originals, cells, found)


def _by_content(
    page: Page, cell: NotebookNode, translates: str
) -> Hashable | None:
    if cell.cell_type == "code":
        return tree(cell.source)
    return None if is_statement(page, cell) else translates or None


def _by_exercise(_: Page, cell: NotebookNode, __: str) -> Hashable | None:
    return number_of(cell) or None


def _equal(
    olds: Mapping[int, Hashable | None], news: Mapping[int, Hashable | None]
) -> Iterator[tuple[int, int]]:
    """Pairs of places with the same key, each the first that is left."""
    places = defaultdict(deque)
    for k, key in news.items():
        places[key].append(k)
    for i, key in olds.items():
        if key is not None and places[key]:
            yield i, places[key].popleft()


def _by_place(
    originals: list[NotebookNode],
    cells: list[NotebookNode],
    found: Mapping[int, int],
    olds: list[int],
    news: list[int],
) -> dict[int, int]:
    """Pairs of places behind the same pair, if as many are left there."""
    known = set(found.values())
    gaps = defaultdict(lambda: ([], []))
    for i in olds:
        before = [found[j] for j in range(i) if j in found]
        last = before[-1] if before else -1
        gaps[last, originals[i].cell_type][0].append(i)
    for k in news:
        last = max((j for j in range(k) if j in known), default=-1)
        gaps[last, cells[k].cell_type][1].append(k)
    return {
        i: k
        for old, new in gaps.values()
        if len(old) == len(new)
        for i, k in zip(old, new, strict=True)
    }


def _by_likeness(
    originals: list[NotebookNode],
    cells: list[NotebookNode],
    texts: Mapping[str, str],
    olds: list[int],
    news: list[int],
) -> dict[int, int]:
    """Pairs of places whose cells have most in common, the best ones first."""

    def alike(i: int, k: int) -> float:
        original, cell = originals[i], cells[k]
        if original.cell_type != cell.cell_type:
            return 0
        before = cell.source
        if cell.cell_type != "code":
            before = texts.get(cell.metadata.get(KEY, ""), "")
        words = (pairs.text(original).split(), before.split())
        return SequenceMatcher(None, *words, autojunk=False).ratio()

    found: dict[int, int] = {}
    ratios = [(alike(i, k), i, k) for i in olds for k in news]
    for ratio, i, k in sorted(ratios, key=lambda one: (-one[0], *one[1:])):
        if ratio >= ALIKE and i not in found and k not in found.values():
            found[i] = k
    return found


def _in_order(
    originals: list[NotebookNode],
    cells: list[NotebookNode],
    found: Mapping[int, int],
) -> list[Match]:
    behind = defaultdict(list)  # by place of a pair, those that follow it
    place_of = {k: i for i, k in found.items()}
    last = -1
    for k, cell in enumerate(cells):
        if k in place_of:
            last = place_of[k]
        else:
            behind[last].append((None, cell))
    matches = [*behind[-1]]
    for i, original in enumerate(originals):
        matches += [(original, cells[found[i]] if i in found else None)]
        matches += behind[i]
    return matches
