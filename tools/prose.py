"""What is wrong with the Markdown of a translation, as can be seen by rules.

Each function yields a few words for each fault; "" is no fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tools.terms import Term
from tools.variants.links import NAME
from tools.words import ENGLISH, Words

FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(`+)(.+?)(?<!`)\1(?!`)", re.DOTALL)
FORMULA = re.compile(r"(\${1,2})([^$]+)\1")
LINK = re.compile(rf"{NAME}\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+)(?: (\d+\.\d+)(?= ))?", re.MULTILINE)
# Of the book, each edition links to its own language first.
BOOK = re.compile(r"https?://(\w+\.)?d2l\.ai\b")
ENGLISH_MARK = re.compile(r"\*\w+, \d+ minutes\.\*")

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
CLOSING = f"{HAN}，。：；！？、）”》"
STAND_IN = "0"  # for code, formulas and addresses
# What goes wrong in Chinese text.
HALF_WIDTH = re.compile(
    rf"[{CLOSING}][,;:?!]|[,;:?!] *[{HAN}]|[{HAN}][\"']|[\"'][{HAN}]"
    rf"|[{HAN}]\.(?!\w)"
)
BRACKETS = re.compile(rf"\([^()]*[{HAN}][^()]*\)|[{HAN}]\([A-Za-z -]+\)")
SPACE = re.compile(rf"[{HAN}] +[A-Za-z\d]|[A-Za-z\d] +[{HAN}]")
BROKEN = re.compile(rf"[{HAN}，、；：] *\n *[{HAN}]")
WORD = re.compile(r"(?<![A-Za-z])[A-Za-z][a-z]+(?![A-Za-z])")
ROW = re.compile(r"(?:[A-Za-z]+[ \n,;]+){7}[A-Za-z]+")
FEW = 3  # words in a paragraph without another letter


def differences(original: str, translation: str) -> Iterator[str]:
    """What one of two texts has that must be the same in both.

    Their links, but for those to the book, their code and formulas, and the
    levels and numbers of their headings.
    """
    for what, values in shared(original).items():
        others = shared(translation)[what]
        missing = [value for value in values if value not in others]
        added = [value for value in others if value not in values]
        if missing or added:
            yield _only(what, missing, added)
        elif what == "headings" and values != others:
            yield f"other headings: {', '.join(others)}"


def _only(what: str, missing: list[str], added: list[str]) -> str:
    said = [
        f"{side} {', '.join(values)}"
        for side, values in (("lacks", missing), ("adds", added))
        if values
    ]
    return f"other {what}: {' and '.join(said)}"


def shared(text: str) -> dict[str, list[str]]:
    """What each language says in the same way."""
    text = FENCE.sub("", text)
    # A line may end within code.
    code = [" ".join(found[0].split()) for found in CODE.finditer(text)]
    text = CODE.sub("", text)
    links = [found[2] for found in LINK.finditer(text)]
    # Words in a formula are of its language.
    formulas = [
        re.sub(r"\s|\\text\{[^}]*\}", "", found[2])
        for found in FORMULA.finditer(text)
    ]
    return {
        "links": [target for target in links if not BOOK.match(target)],
        "inline code": code,
        "formulas": formulas,
        "headings": [" ".join(filter(None, h)) for h in HEADING.findall(text)],
    }


def bare(text: str) -> str:
    """The prose of a Markdown text, in which a digit stands for code."""
    text = CODE.sub(STAND_IN, FENCE.sub("", text))
    text = LINK.sub(r"\1", FORMULA.sub(STAND_IN, text))
    text = re.sub(r"<?https?://\S+", STAND_IN, text)
    text = re.sub(r"^(#+ )\d+\.\d+ ", r"\1", text, flags=re.MULTILINE)
    return text.replace("*", "")


def has_words(text: str) -> bool:
    """Whether there is something to translate."""
    return re.search(r"\b[a-z]{2,}\b", bare(text)) is not None


def faults(text: str, words: Words, terms: Iterable[Term]) -> Iterator[str]:
    """What is wrong with a text by itself.

    Args:
        text (str): Markdown, in the language of the words.
        words (Words): its fixed words.
        terms (iterable of Term): its glossary.
    """
    yield from _english_labels(text, words)
    yield from unseen_stars(text)
    prose = bare(text)
    if words.script == "Han":
        yield from _not_chinese(prose)
    for term in terms:
        for word in term.found_instead(prose, terms):
            yield f"{word!r}, for which the glossary has {term.said!r}"


def _english_labels(text: str, words: Words) -> Iterator[str]:
    for label in ENGLISH.fixed:
        if label in text and label not in words.fixed:
            yield f"the English words {label!r}: words.toml has others"
    if (found := ENGLISH_MARK.search(text)) and words.mark != ENGLISH.mark:
        yield f"the English words {found[0]!r}: words.toml has others"


def unseen_stars(text: str) -> Iterator[str]:
    """Stars that Markdown shows, since a letter is behind a punctuation mark.

    `**a:**b` isn't bold; `**a**:b` is.
    """
    from markdown_it import MarkdownIt  # as in tools/gate.py

    text = FORMULA.sub(STAND_IN, CODE.sub(STAND_IN, FENCE.sub("", text)))
    for token in MarkdownIt("commonmark").parse(text):
        for child in token.children or ():
            if child.type == "text" and "*" in child.content:
                yield (
                    f"stars that are shown, in {child.content[:30]!r}: let "
                    "punctuation follow the stars"
                )


def _not_chinese(prose: str) -> Iterator[str]:
    for what, pattern in (
        ("half-width punctuation", HALF_WIDTH),
        ("half-width brackets", BRACKETS),
        ("a space beside a Chinese letter", SPACE),
        ("a line that ends within a sentence", BROKEN),
    ):
        for found in pattern.finditer(prose):
            around = prose[max(0, found.start() - 8) : found.end() + 8]
            yield f"{what}, in {around!r}"
    for paragraph in re.split(r"\n\s*\n", prose):
        words = WORD.findall(paragraph)
        row = ROW.search(paragraph)
        if row or (len(words) >= FEW and not re.search(f"[{HAN}]", paragraph)):
            yield f"English prose: {(row or [paragraph])[0][:60]!r}"
