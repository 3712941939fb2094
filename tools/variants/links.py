"""Links in Markdown: each function takes a text and returns another."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tools.page import NOTEBOOK, SOLUTIONS, WAY
from tools.variants import Words

NAME = r"\[((?:[^\[\]]|\[[^\]]*\])*)\]"
ANCHOR = re.compile(r"(?<=\.ipynb#)cell-id=([^)]+)")


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
    return re.sub(rf"(?:\s+|(?<=。))[^.。]*{link}[^.。]*[.。]", "", markdown)


def to_headings(anchors: Mapping[str, str]) -> Words:
    """Links to cells, as JupyterLab has them, become links to headings.

    Args:
        anchors (Mapping[str, str]): those of the headings, by the ids of
            their cells.
    """
    return lambda markdown: ANCHOR.sub(
        lambda match: anchors[match[1]], markdown
    )


def a_level_down(markdown: str) -> str:
    """Links of a chapter, as they are in the folder of solutions."""
    return re.sub(rf"\]\((?={NOTEBOOK}|index\.md)", "](../", markdown)
