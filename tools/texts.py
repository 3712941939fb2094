"""The translations of pages without code: Markdown files, section by section.

Beside the pages of a language, texts.toml has, for each section of such a
page, the digest of the one that it says. So a section is found that the
original doesn't say any more, and nothing of this is on the page.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import page, prose
from tools.folders import write_whole
from tools.page import CHAPTER, GLOSSARY, LANGUAGES, Page
from tools.terms import terms_of
from tools.translation import (
    BEHIND,
    CURRENT,
    UNMARKED,
    UNTRANSLATED,
    accepted_by,
    digest,
)
from tools.words import words_of

NOTED = "texts.toml"
HEAD = """\
# By page without code and section, the digest of the section that it says.
# `make accept` writes it.
"""
# A number that a space ends: of a section of the book, or of a chapter.
NUMBERED = re.compile(
    r"(^|[|\[、,] ?)\[?\d[\d.]*(?:\]\([^)]*\))? (?=\S)", re.MULTILINE
)
# Code that is the same in each language, but for comments.
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"\s+#.*")


@dataclass(frozen=True)
class Section:
    """A part of a page, from a heading to the next, and its original.

    Args:
        page (Text): the translation.
        number (int): the place of both, from 1.
        original (str): Markdown.
        said (str): the same in another language.
        noted (str): the digest of what it says; "" if none was noted.
    """

    page: Text
    number: int
    original: str
    said: str
    noted: str

    def __str__(self) -> str:
        name = heading(self.said)
        return f"{self.page.shown()}, section {self.number} ({name})"

    @property
    def state(self) -> str:
        """What it is beside the original, as a cell of a translation."""
        if self.said == self.original and prose.has_words(self.said):
            return UNTRANSLATED
        if self.noted == digest(self.original):
            return CURRENT
        return BEHIND if self.noted else UNMARKED


@dataclass(frozen=True)
class Text:
    """A page without code in another language.

    Args:
        language (str): that of the page.
        original (Path): the file of the page that it translates.
        file (Path): its own.
    """

    language: str
    original: Path
    file: Path

    @property
    def is_there(self) -> bool:
        """Whether it was begun."""
        return self.file.is_file()

    def shown(self) -> str:
        """Its file, as `make stale CH=` takes it."""
        return self.file.relative_to(_root()).as_posix()

    def is_meant_by(self, which: str) -> bool:
        """Whether a path is that of the page, or of its original."""
        found = Path(which).resolve()
        return found in (self.file.resolve(), self.original.resolve())

    @property
    def noted(self) -> dict[str, str]:
        """By heading, the digests of what its sections say."""
        return _read(self._record).get(self.shown(), {})

    @property
    def both(self) -> list[list[str]]:
        """The sections of the original, and its own."""
        files = (self.original, self.file)
        return [sections(file.read_text("utf-8")) for file in files]

    @property
    def out_of_step(self) -> str:
        """How it has other sections than the original; "" if it hasn't."""
        originals, ours = self.both
        known = [digest(section) for section in originals]
        noted = [self.noted.get(heading(section), "") for section in ours]
        if [level(s) for s in originals] == [level(s) for s in ours]:
            places = zip(known, noted, strict=True)
            if all(old == new or new not in known for old, new in places):
                return ""
        parts = [
            f"{what}: {', '.join(names)}"
            for what, names in (
                ("new or changed there", _others(originals, known, noted)),
                ("not of it as it is", _others(ours, noted, known)),
            )
            if names
        ]
        return (
            f"{self.shown()} has other sections than its original, or in "
            f"another order ({'; '.join(parts) or 'moved'}): bring them "
            "by hand"
        )

    @property
    def sections(self) -> list[Section]:
        """Its sections, with those that they translate.

        Raises:
            ValueError: if it is out of step.
        """
        if self.out_of_step:
            raise ValueError(self.out_of_step)
        return [
            Section(self, i, old, new, self.noted.get(heading(new), ""))
            for i, (old, new) in enumerate(zip(*self.both, strict=True), 1)
        ]

    @property
    def behind(self) -> list[Section]:
        """The sections that aren't translated yet, or not as they are now."""
        states = (BEHIND, UNTRANSLATED)
        return [s for s in self.sections if s.state in states]

    def problems(self) -> Iterator[str]:
        """What is wrong with it; that it is behind is no fault."""
        names = [heading(section) for section in self.both[1]]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{self.shown()} has two sections that are called {name}"
        if self.out_of_step:
            yield self.out_of_step
            return
        for section in self.sections:
            yield from (f"{section}: {f}" for f in self._faults(section))

    def _faults(self, section: Section) -> Iterator[str]:
        state = section.state
        if state == UNMARKED:
            yield f"{state}: {accepted_by(section)}, if it says the same"
        if state == UNTRANSLATED:
            return
        rules = Page(self.language, CHAPTER, "00_texts", page.CHAPTERS)
        text = NUMBERED.sub(r"\1", section.said).replace("![", "[")
        yield from prose.faults(text, words_of(rules), terms_of(rules))
        if state == CURRENT:
            original, said = map(self._alike, (section.original, section.said))
            yield from prose.differences(original, said)
            if code(original) != code(said):
                yield "other code, but for comments and text"

    def _alike(self, text: str) -> str:
        """A section without what names the language of files and pages."""
        name = re.escape(self.language)
        parts = (rf"(/|%2F){name}(?=/|%2F)", rf"\.{name}(?=\.md)")
        return re.sub("|".join([*parts, rf" EDITION={name}\b"]), "", text)

    def accept(self, numbers: Iterable[int]) -> None:
        """Note that some sections say the original as it is now."""
        chosen, noted = {*numbers}, {}
        for section in self.sections:
            is_new = section.number in chosen
            new = digest(section.original) if is_new else section.noted
            noted[heading(section.said)] = new
        all_noted = _read(self._record)
        all_noted[self.shown()] = {k: v for k, v in noted.items() if v}
        tables = [
            "\n".join(
                [f"[{_quoted(name)}]"]
                + [f"{_quoted(k)} = {_quoted(v)}" for k, v in table.items()]
            )
            for name, table in sorted(all_noted.items())
        ]
        text = "\n\n".join([HEAD.rstrip(), *tables])
        write_whole(self._record, f"{text}\n")

    @property
    def _record(self) -> Path:
        return page.front_page(self.language).with_name(NOTED)


def texts(which: str = "") -> list[Text]:
    """The pages without code that are translated, or should be.

    Args:
        which (str): the file of one, or of its original; all if empty.
    """
    root = _root()
    found = [
        Text(language, file, _translated(file, language, root))
        for language in LANGUAGES[1:]
        for file in [
            *page.texts(LANGUAGES[0]),
            *sorted(root.glob("site/pages/*.md")),
            *(root / name for name in ("README.md", "tools/handout.md")),
        ]
        if file.is_file() and file.name != GLOSSARY  # which is made
    ]
    return [text for text in found if not which or text.is_meant_by(which)]


def _translated(file: Path, language: str, root: Path) -> Path:
    """Where the translation of a file stands."""
    if file.parent.name in (page.CHAPTERS.name, "pages"):
        return file.parent / language / file.name
    return file.with_suffix(f".{language}.md")


def _root() -> Path:
    return page.CHAPTERS.parent


def to_do() -> Iterator[str]:
    """What isn't translated, or not as it is now, in lines."""
    for text in texts():
        if not text.is_there:
            yield f"{text.shown()} is missing"
        elif not text.out_of_step and (behind := text.behind):
            numbers = ", ".join(str(section.number) for section in behind)
            yield f"{text.shown()} is to be translated in sections {numbers}"


def sections(markdown: str) -> list[str]:
    """The parts of a Markdown text, each from its heading to the next."""
    parts, fence = [[]], ""
    for line in markdown.splitlines():
        if found := re.match("`{3,}|~{3,}", line):
            fence = "" if fence == found[0] else fence or found[0]
        if not fence and level(line):
            parts.append([])
        parts[-1].append(line)
    said = ["\n".join(part).strip() for part in parts]
    return [section for section in said if section]


def level(section: str) -> int:
    """The level of the heading with which a section begins; 0 without one."""
    found = re.match("(#{1,6}) ", section)
    return len(found[1]) if found else 0


def heading(section: str) -> str:
    """What a section is called."""
    return section.partition("\n")[0].lstrip("# ")


def code(section: str) -> list[str]:
    """The blocks of code in a section, without comments."""
    blocks = BLOCK.findall(section)
    return [COMMENT.sub("", said) for kind, said in blocks if kind != "text"]


def _others(
    found: Iterable[str], digests: Iterable[str], known: Iterable[str]
) -> list[str]:
    """The headings of sections of which a page has no digest."""
    pairs = zip(found, digests, strict=True)
    return [heading(section) for section, its in pairs if its not in known]


def _read(record: Path) -> dict[str, dict[str, str]]:
    if not record.is_file():
        return {}
    try:
        return tomllib.loads(record.read_text("utf-8"))
    except ValueError as error:
        name = f"{record.parent.name}/{record.name}"
        raise ValueError(f"{name} can't be read: {error}") from None


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
