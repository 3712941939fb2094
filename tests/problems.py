"""Tests whose answer is in words, without a traceback."""

from collections.abc import Iterable
from types import ModuleType

import pytest

from tools.files import UnreadableError
from tools.form import Rule
from tools.page import Page


def require_none(problems: Iterable[str]) -> None:
    """Fail with all problems that there are, a line or more each."""
    try:
        found = list(problems)
    except UnreadableError as error:
        found = [str(error)]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def each_rule(
    form: ModuleType, pages: Iterable[Page], *more: Rule
) -> pytest.MarkDecorator:
    """A test for each page and each rule of form that is for its language.

    Args:
        form (module): of ``tools.form``, with the rules.
        pages (iterable of Page): originals and translations.
        more (Rule): further ones, for originals.
    """
    cases = [
        pytest.param(page, rule, id=f"{page}-{rule.__name__}")
        for page in pages
        for rule in (
            [*form.RULES, *more] if page.is_original else form.IN_EACH_LANGUAGE
        )
    ]
    return pytest.mark.parametrize(("page", "rule"), cases)
