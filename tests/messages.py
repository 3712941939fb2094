"""What the checks say, for the catalogs of other languages.

python -m tests.messages [LANGUAGE]

tries the answers of tests/answers, and brings the catalogs to what is said
about them: those of all languages, or of a new one. It takes half a minute.
Then it does what `python -m tools.catalogs` does, but doesn't fail.

A message is a string in the code of the checks that a report says. It may also
say, to an answer that nobody tried, what looks like a sentence, and what is
given to the functions whose arguments it shows.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

import d2l_reader
from d2l_helpers import check
from d2l_helpers.check import _hints
from d2l_helpers.check._phrase import Phrase
from d2l_helpers.check._report import LABELS, STATES, Report
from tests.answers import RIGHT, WRONG
from tests.shown import shown
from tools import catalogs
from tools.catalogs import Wanted

FOLDER = Path(check.__path__[0])
READER = "reader"  # the catalog of what the workbook says
SAYING = {"say", "_say", "tell", "UnreadableError"}  # functions that say it
SHARED = "shared"  # the catalog of what stands in several modules
NAMES = [name for name in check.__all__ if name not in ("Report", "State")]
# Private modules that say nothing to a reader, but errors.
SILENT = {"__init__", "_language", "_safely", "_time_limit", "_wrap"}
NOTES = 3  # at most, for a translator
CODE = re.compile(r"`[^`]*`|(?<!\w)'[^']*'|\{\w*\}")
WORD = re.compile(r"(?<!\S)\(?(?:a|[A-Za-z][a-z']+)[,.:;?)]*(?!\S)")


def topic_of(name: str) -> str:
    """The module of a check, as its catalog is called."""
    module = getattr(check, name).__module__
    return module.removeprefix(f"{check.__name__}.").partition(".")[0]


def words(text: str) -> list[str]:
    """The words of a text, code aside."""
    return WORD.findall(CODE.sub("", text))


@cache
def strings() -> dict[str, dict[str, tuple[int, ...]]]:
    """All strings in the checks: by catalog, where each stands first."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for catalog, modules in _modules().items():
        for i, module in enumerate(modules):
            for node in _strings(module):
                places = found.setdefault(node.value, {})
                place = (i, node.lineno, node.col_offset)
                places[catalog] = min(place, places.get(catalog, place))
    for name in NAMES:  # a title stands there with its number
        title = getattr(check, name).title
        found[title.partition(" ")[2]] = found[title]
    return found


@cache
def _modules() -> dict[str, list[ast.Module]]:
    found = defaultdict(list)
    for file in sorted(FOLDER.rglob("*.py")):
        name = file.relative_to(FOLDER).parts[0].removesuffix(".py")
        if name not in SILENT:
            name = SHARED if name.startswith("_") else name
            found[name].append(ast.parse(file.read_text("utf-8")))
    return found


def _strings(module: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node


def sentences() -> set[str]:
    """The strings that look as if a report said them, or that it may show."""
    return {
        text
        for modules in _modules().values()
        for module in modules
        for text in (*_sentences(module), *filter(words, shown(module)))
    }


def _sentences(module: ast.Module) -> Iterator[str]:
    around = {
        child: node
        for node in ast.walk(module)
        for child in ast.iter_child_nodes(node)
    }
    keys = {
        key.value
        for node in around
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    none = (ast.Compare, ast.Expr, ast.JoinedStr, ast.Return, ast.Subscript)
    for node in _strings(module):
        parent = around[node]
        called = getattr(parent, "func", None)
        name = getattr(called, "id", "")
        if name == "Phrase" or (
            len(words(node.value)) > 1
            and node.value not in keys
            and not isinstance(parent, none)
            and not isinstance(called, ast.Attribute)
            and not name.endswith("Error")
            and name != "exercise"
        ):
            yield node.value


def said(report: Report) -> Iterator[tuple[str, str]]:
    """Each message of a report, and as what it stands there."""
    state = STATES[report.state]
    texts = [
        (report.exercise.partition(" ")[2], "title"),
        *((text, "state") for text in state[1:]),
        *((point, "point") for point in report.points),
        *(
            (text, detail.split()[0])
            for detail, text in report.details.items()
        ),
    ]
    for text, what in texts:
        for part in parts(text):
            if is_message(part):
                yield part, what


def parts(text: str) -> Iterator[str]:
    """A text; of a phrase, its template, and the texts in it."""
    if isinstance(text, Phrase):
        yield text.template
        for value in text.values.values():
            if isinstance(value, str):
                yield from parts(value)
    else:
        yield text


def is_message(text: str) -> bool:
    """Whether another language may say a text in another way.

    It may also keep it: a word may be the name of a type or of a tensor.
    """
    return text in strings() and bool(words(text))


def reports(name: str) -> Iterator[Report]:
    """What a check says to the answers that are tried, with all hints."""
    with patch.object(_hints, "times", lambda title, mistake: 99):
        for answer in [*RIGHT[name], *WRONG[name]]:
            yield getattr(check, name)(*answer.arguments)


def wanted() -> dict[str, list[Wanted]]:
    """What is to be said, by catalog, in the order of the code."""
    notes: dict[str, dict[str, None]] = defaultdict(dict)
    for text in [*sentences(), *LABELS.values()]:
        notes[text]
    for name in NAMES:
        for report in reports(name):
            for text, what in said(report):
                notes[text][f"{report.exercise}: {what}"] = None
    found = defaultdict(list)
    for text in sorted(notes, key=_place):
        some = [*notes[text]][:NOTES]
        found[catalog_of(text)].append(Wanted(text, tuple(some)))
    return found


def of_workbook() -> list[Wanted]:
    """What the workbook says: where it is said, it is looked up."""
    found: dict[str, dict[str, None]] = {}
    for file in sorted(Path(d2l_reader.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            text = getattr(node.args[0], "value", None)
            if name in SAYING and isinstance(text, str):
                found.setdefault(text, {})[file.name] = None
    return [Wanted(text, tuple(files)) for text, files in found.items()]


def catalog_of(text: str) -> str:
    """The catalog that has a message."""
    (first, *others) = strings()[text]
    return SHARED if others else first


def _place(text: str) -> list[tuple[str, tuple[int, ...]]]:
    return sorted(strings()[text].items())


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    named = [re.fullmatch("[a-z]{2,3}", language) for language in arguments]
    if len(named) > 1 or not all(named):
        print(__doc__, file=sys.stderr)
        return 2
    languages = arguments or catalogs.languages()
    for messages, folder in (
        (wanted(), catalogs.LOCALE),
        ({READER: of_workbook()}, catalogs.READER),
    ):
        for language in languages:
            catalogs.update(language, messages, folder)
        for language in languages:
            catalogs.report(language, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
