"""Links in Markdown: each function takes a text and returns another."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tools.page import NOTEBOOK, SOLUTIONS, WAY
from tools.variants import Words

NAME = r"\[((?:[^\[\]]|\[[^\]]*\])*)\]"
CELL = re.compile(rf"({NOTEBOOK})#cell-id=([^)]+)")
# The places of headings on the site, by the names of their notebooks and the
# ids of their cells.
Anchors = Mapping[tuple[str, str], str]


def without(stems: list[str]) -> Words:
    """Links to some chapters, to their solutions or texts become words.

    Args:
        stems (list of str): what the files are called, without a suffix.
    """
    if not stems:
        return lambda markdown: markdown
    names = "|".join(map(re.escape, stems))
    link = re.compile(rf"{NAME}\({WAY}(?:{names})\.(?:ipynb|md)(?:#[^)]*)?\)")
    return lambda markdown: link.sub(r"\1", markdown)


def without_solutions(markdown: str) -> str:
    """Lines and sentences that are there to link to a solution go."""
    link = rf"\[[^\]]*\]\({SOLUTIONS}/[^)]*\)"
    markdown = re.sub(rf"\n{link}$", "", markdown, flags=re.MULTILINE)
    inside = r"(?:[^.\n]|\n(?!\n)|\.(?=\S))*"  # of a sentence, after the link
    markdown = re.sub(rf"\s+[^.]*{link}{inside}\.", "", markdown)
    return re.sub(rf"[^。\n]*{link}[^。\n]*。", "", markdown)  # in Chinese


def to_headings(anchors: Anchors) -> Words:
    """Links to cells, as JupyterLab has them, become links to headings."""
    return lambda markdown: CELL.sub(
        lambda match: f"{match[1]}#{anchors[match.groups()]}", markdown
    )


def a_level_down(markdown: str) -> str:
    """Links of a chapter, as they are in the folder of solutions."""
    return re.sub(rf"\]\((?={NOTEBOOK}|index\.md)", "](../", markdown)
