"""Comments and docstrings: what a translation may say anew in a cell of code.

All else in a cell is the same in each language.
"""

from __future__ import annotations

import ast
import io
import tokenize
from functools import lru_cache
from typing import NamedTuple

DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class _Span(NamedTuple):
    """A part of a source, from one offset to another."""

    start: int
    end: int


def tree(source: str) -> str:
    """What is the same in two sources that differ in remarks alone.

    It is the syntax tree without docstrings; the source, if it has none.
    """
    try:
        parsed = ast.parse(source)
    except SyntaxError:
        return source
    for docstring in _docstrings(parsed):
        docstring.value = ""
    return ast.dump(parsed)


def remarks(source: str) -> list[str]:
    """The comments and docstrings of a source, in order.

    Comments on lines of their own that follow each other are one remark.
    """
    return [source[start:end] for start, end in _spans(source)]


def with_remarks(source: str, others: list[str]) -> str:
    """A source in which others stand in the place of its remarks.

    Args:
        source (str): the code.
        others (list of str): as many as it has.
    """
    spans = _spans(source)
    for (start, end), other in reversed([*zip(spans, others, strict=True)]):
        source = source[:start] + other + source[end:]
    return source


def _docstrings(parsed: ast.AST) -> list[ast.Constant]:
    return [
        node.body[0].value
        for node in ast.walk(parsed)
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, False)
    ]


@lru_cache(maxsize=1024)  # each page is compared in several ways
def _spans(source: str) -> list[_Span]:
    try:
        lines = {node.lineno for node in _docstrings(ast.parse(source))}
        tokens = [*tokenize.generate_tokens(io.StringIO(source).readline)]
    except (SyntaxError, tokenize.TokenError):
        return []
    offsets = [0]
    for line in io.StringIO(source):
        offsets.append(offsets[-1] + len(line))
    spans: list[_Span] = []
    last = (-1, -1)  # line and column of a comment on a line of its own
    for token in tokens:
        (row, column), (end_row, end_column) = token.start, token.end
        span = _Span(
            offsets[row - 1] + column, offsets[end_row - 1] + end_column
        )
        if token.type == tokenize.STRING and row in lines:
            spans.append(span)
        elif token.type == tokenize.COMMENT:
            alone = not token.line[:column].strip()
            if alone and last == (row - 1, column):
                spans[-1] = _Span(spans[-1].start, span.end)
            else:
                spans.append(span)
            last = (row, column) if alone else (-1, -1)
    return spans
