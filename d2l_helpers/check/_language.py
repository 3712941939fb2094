"""What a check says, in another language: looked up when it is shown."""

from __future__ import annotations

import gettext
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ._phrase import Phrase

FIRST = "en"  # the language in which the sentences are written
# The catalogs: zh/LC_MESSAGES/d2l_helpers.mo there, for example.
LOCALE = Path(__file__).parents[1] / "locale"
DOMAIN = "d2l_helpers"


def say(text: str, language: str) -> str:
    """A sentence in another language.

    Args:
        text (str): as it is written. Of a :class:`Phrase`, the template is
            looked up and filled in again, and so is each phrase in it.
        language (str): such as ``"zh"``.

    Returns:
        The sentence; as it is written where there is no other.
    """
    catalog = _catalog(language)
    if isinstance(text, Phrase):
        values = {
            name: say(value, language) if isinstance(value, str) else value
            for name, value in text.values.items()
        }
        return catalog(text.template).format(**values)
    return catalog(text) if text else text


@cache
def _catalog(language: str) -> Callable[[str], str]:
    catalog = gettext.translation(DOMAIN, LOCALE, [language], fallback=True)
    return catalog.gettext
