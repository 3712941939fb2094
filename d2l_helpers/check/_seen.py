"""The wrong answers that were seen, as long as the process lives.

They stand alone, so that whoever imports the checks anew can keep them, and
nothing else.
"""

from __future__ import annotations

# By exercise and wrong answer, how often it was seen.
seen: dict[str, dict[tuple[str, ...], int]] = {}
