"""The form of the pages: rules, each a small function that says in words
where a page doesn't keep it, and what to do there.

All rules are asked, and each names all places, so that an author gets the
whole list at once.
"""

from __future__ import annotations

from tools.form.draft import Draft, Rule

__all__ = ["Draft", "Rule"]
