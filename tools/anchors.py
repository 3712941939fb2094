"""Where links lead: the ids of cells, and the anchors of headings."""

from __future__ import annotations

import hashlib
import re


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
