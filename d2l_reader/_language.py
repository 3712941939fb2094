"""What is said to a reader, in the reader's language.

The sentences stand in English in the code, and in `locale` in others.
"""

from __future__ import annotations

import gettext
import os
from functools import cache
from pathlib import Path

FIRST = "en"  # the language in which the sentences are written
DOMAIN = "reader"
LOCALE = Path(__file__).parent / "locale"


def language_of(folder: Path) -> str:
    """The language of a reader who works in a folder.

    It is what the variable ``D2L_LANGUAGE`` names, such as ``zh`` or
    ``zh_CN.UTF-8``; else that of the folder, as of ``workbook/zh``; "" if
    neither says one.
    """
    named = os.environ.get("D2L_LANGUAGE", "")
    if not named:
        home = folder.parent if folder.name == "solutions" else folder
        if not (LOCALE / home.name).is_dir():
            return ""
        named = home.name
    return named.replace("-", "_").partition("_")[0].lower()


def say(text: str, language: str, **values: object) -> str:
    """A sentence in a language, with its values filled in.

    Args:
        text (str): the sentence in English, with names in braces.
        language (str): such as ``"zh"``; where no catalog has the sentence,
            it is said in English.
        values (object): what stands for the names.
    """
    said = _catalog(language).gettext(text)
    return said.format(**values) if values else said


@cache
def _catalog(language: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALE, [language], fallback=True)
