"""Where links lead: the ids of cells, and the anchors of headings."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator


def cell_name(source: str) -> str:
    """The id of a cell: that of its exercise or heading, or a digest.

    Links lead to ids, and stay right when the text below a heading changes.
    """
    if exercise := re.match(r"##+ (\d+)\.(\d+) ", source):
        return f"exercise-{exercise[1]}-{exercise[2]}"
    if heading := re.match(r"#+ (.+)", source):
        return anchor(heading[1])[:64]  # as long as an id may be
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def anchor(heading: str) -> str:
    """What the site calls the place of a heading: small letters, hyphens."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def section(heading: str) -> str:
    """The id that the site gives the section below a heading of English.

    Of headings in other letters it makes none that says something.
    """
    text = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading)
    return re.sub("^[^a-z]+|-+$", "", re.sub("[^a-z0-9]+", "-", text.lower()))


def with_anchors(text: str, original: str, taken: set[str]) -> str:
    """A Markdown text whose headings have the ids of the original's.

    A link to a section leads to the same section of another language, if the
    language in its address is changed.

    Args:
        text (str): with attributes in front of its headings, afterwards.
        original (str): what it translates; the n-th heading there is that of
            the n-th here.
        taken (set of str): the ids that the page has, which grows. Of two
            headings with the same words, the site numbers the second one.
    """
    lines = text.split("\n")
    for number, heading in zip(
        _headings(text), _headings(original), strict=False
    ):
        name = section(original.split("\n")[heading].lstrip("# "))
        if name and name not in taken:
            taken.add(name)
            lines[number] = f"{{#{name}}}\n{lines[number]}"
    return "\n".join(lines)


def _headings(text: str) -> Iterator[int]:
    """The number of the line of each heading."""
    in_code = False
    for number, line in enumerate(text.split("\n")):
        in_code ^= line.startswith("```")
        if not in_code and re.match("#+ ", line):
            yield number
