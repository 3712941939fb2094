"""What a check says, in the reader's language: looked up when it is shown.

English is what stands in the code. The other languages are folders of
``d2l_helpers/locale`` with catalogs in them, one for each module of checks.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ._phrase import Phrase

FIRST = "en"  # the language in which the sentences are written
LOCALE = Path(__file__).parents[1] / "locale"


def language() -> str:
    """The language of the reader, as it is now.

    It is what the variable ``D2L_LANGUAGE`` names, such as ``zh`` or
    ``zh_CN.UTF-8``, else that of the folder in which the kernel runs, such as
    ``chapters/zh`` or ``chapters/zh/solutions``; English, if there are no
    catalogs for it.
    """
    named = os.environ.get("D2L_LANGUAGE") or _of_folder()
    found = named.replace("-", "_").partition("_")[0].lower()
    return found if found in _languages() else FIRST


def say(text: str, language: str | None = None) -> str:
    """A sentence in a language.

    Args:
        text (str): the sentence in English. Of a :class:`Phrase`, the
            template is looked up and filled with its values, each of which is
            said likewise, but for code between backticks.
        language (str): such as ``"zh"``; without it, that of the reader.

    Returns:
        The sentence; in English, where no catalog has it.
    """
    return _said(text, _translate(language))


def _said(text: str, lookup: Callable[[str], str]) -> str:
    if isinstance(text, Phrase):
        values = {
            name: _said(value, lookup)
            if isinstance(value, str) and f"`{{{name}}}`" not in text.template
            else value
            for name, value in text.values.items()
        }
        return lookup(text.template).format(**values)
    # Of an empty text, gettext would return what it knows of the catalog.
    return lookup(text) if text else text


def _of_folder() -> str:
    try:
        folder = Path.cwd()
    except OSError:  # it was deleted
        return FIRST
    if folder.name == "solutions":
        folder = folder.parent
    return folder.name


def _translate(name: str | None) -> Callable[[str], str]:
    return _catalog(name or language())


@cache
def _languages() -> set[str]:
    return {FIRST, *(file.parts[-3] for file in LOCALE.glob("*/*/*.mo"))}


@cache
def _catalog(language: str) -> Callable[[str], str]:
    """What looks a sentence up in all catalogs of a language."""
    found = gettext.NullTranslations()
    for file in sorted(LOCALE.glob(f"{language}/LC_MESSAGES/*.mo")):
        with file.open("rb") as opened:
            catalog = gettext.GNUTranslations(opened)
        catalog.add_fallback(found)
        found = catalog
    return found.gettext
