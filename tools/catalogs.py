"""The catalogs, in which another language says what the checks say.

Those of the workbook are likewise, in d2l_reader.

    python -m tools.catalogs [LANGUAGE]

compiles those of a language, or of all, and tells what is left to do, and
what is wrong; it fails if there is something. A translator edits, for example,
d2l_helpers/locale/zh/LC_MESSAGES/custom_layers.po; the checks read what is
compiled, beside it. A sentence stands in one catalog. `make messages` brings
the catalogs to what is to be said.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, unescape, write_po

from tools import prose
from tools.environment import ROOT
from tools.folders import shown, write_whole
from tools.page import CHAPTER, CHAPTERS, LANGUAGES, Page
from tools.terms import Term, terms_of
from tools.words import ENGLISH, Words, words_of

LOCALE = ROOT / "d2l_helpers/locale"
READER = ROOT / "d2l_reader/locale"  # of what the workbook says
FOLDERS = (LOCALE, READER)
HEADER = """\
{comment}
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
ALIKE = 0.7  # of two sentences, from where one is the other, changed
CODE = re.compile(r"(`+)(.+?)\1")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
QUOTED = re.compile(r"(?<![A-Za-z])'[^']*'")
ENDS = {"": ".?!", "Han": "。？！”）"}  # of sentences, by the script


@dataclass(frozen=True)
class Wanted:
    """A sentence that a catalog must have.

    Args:
        text (str): in English; a template, where it has values.
        notes (tuple of str): where it is said, for the translator.
    """

    text: str
    notes: tuple[str, ...] = ()


def languages(folder: Path = LOCALE) -> list[str]:
    """The languages that have catalogs."""
    return sorted({file.parts[-3] for file in folder.glob("*/*/*.po")})


def files(language: str, folder: Path = LOCALE) -> list[Path]:
    """The catalogs of a language, as translators edit them."""
    return sorted(folder.glob(f"{language}/LC_MESSAGES/*.po"))


def read(file: Path) -> Catalog:
    """A catalog, as a translator edits it, or compiled.

    Raises:
        ValueError: if it isn't in the form of catalogs.
    """
    with file.open("rb") as opened:
        if file.suffix == ".mo":
            return read_mo(opened)
        catalog = read_po(opened, file.parts[-3], abort_invalid=True)
    for message in catalog:  # what it was is read as a comment
        lines = [c for c in message.user_comments if c.startswith("|")]
        for line in lines:
            message.user_comments.remove(line)
        if message.fuzzy and lines:
            was = "".join(f" {line[1:].strip()}" for line in lines)
            message.previous_id = [unescape(was.removeprefix(" msgid "))]
    return catalog


def texts(language: str, folder: Path = LOCALE) -> dict[str, str]:
    """By sentence, the name of the catalog that has it."""
    return {
        message.id: file.stem
        for file in files(language, folder)
        for message in read(file)
        if message.id
    }


def update(
    language: str,
    wanted: Mapping[str, Sequence[Wanted]],
    folder: Path = LOCALE,
) -> None:
    """Bring the catalogs of a language to what is to be said.

    A translation stays, also where a sentence moves to another catalog. That
    of a sentence that was changed is marked as fuzzy. Of one that is gone, it
    stays at the end of its catalog.

    Args:
        language (str): such as ``"zh"``.
        wanted (dict): by the name of a catalog, its sentences, in order.
        folder (Path): where the catalogs of all languages are.
    """
    old = {file.stem: read(file) for file in files(language, folder)}
    known = {
        message.id: message
        for catalog in old.values()
        for message in [*catalog.obsolete.values(), *catalog]
        if message.id and message.string
    }
    texts = {message.text for group in wanted.values() for message in group}
    for name in sorted({*old, *wanted}):
        before = old.get(name, Catalog(language))
        own = {m.id for m in before if m.id and m.string}
        gone = sorted(own - texts)
        after = Catalog(language)
        for message in wanted.get(name, ()):
            entry = Message(message.text, auto_comments=message.notes)
            source = known.get(message.text)
            if source is None:
                for like in get_close_matches(message.text, gone, 1, ALIKE):
                    source, entry.previous_id = known[like], [like]
                    entry.flags.add("fuzzy")
                    gone.remove(like)
            if source is not None:
                entry.string = source.string
                entry.user_comments = source.user_comments
                entry.flags |= source.flags
                entry.previous_id = entry.previous_id or source.previous_id
            after[entry.id] = entry
        for text in [*before.obsolete, *gone]:
            if text not in texts:
                after.obsolete[text] = known[text]
        file = folder / language / "LC_MESSAGES" / f"{name}.po"
        comment = before.header_comment if name in old else ""
        write_whole(file, _as_text(after, language, comment))


def _as_text(catalog: Catalog, language: str, comment: str) -> str:
    """A catalog as a file, without the dates that would change it daily."""
    for message in catalog:
        message.flags &= {"fuzzy"}  # a per cent sign isn't a placeholder
    written = BytesIO()
    write_po(
        written, catalog, 0, True, omit_header=True, include_previous=True
    )
    comment = comment or f"# What is said in {language}."
    header = HEADER.format(comment=comment, language=language)
    return header + written.getvalue().decode()


def translated(catalog: Catalog) -> dict[str, str]:
    """The sentences that a catalog says: those that aren't fuzzy."""
    said = (m for m in catalog if m.id and m.string and not m.fuzzy)
    return {message.id: message.string for message in said}


def compile_all(language: str, folder: Path = LOCALE) -> None:
    """Write what the checks read, where a catalog has changed."""
    for file in files(language, folder):
        catalog, compiled = read(file), file.with_suffix(".mo")
        if is_in_step(catalog, compiled):
            continue
        written = BytesIO()
        write_mo(written, catalog)
        write_whole(compiled, written.getvalue())


def is_in_step(catalog: Catalog, compiled: Path) -> bool:
    """Whether a compiled catalog says what the one says that is edited."""
    if not compiled.exists():
        return False
    return translated(read(compiled)) == translated(catalog)


def left(catalog: Catalog) -> list[Message]:
    """What a catalog doesn't say yet, or not as it is now."""
    return [m for m in catalog if m.id and (m.fuzzy or not m.string)]


def to_do(language: str, folder: Path = LOCALE) -> Iterator[str]:
    """What isn't translated, or not as it is now, in lines."""
    for file in files(language, folder):
        for message in left(read(file)):
            was = "".join(message.previous_id)
            state = "isn't translated"
            if message.fuzzy:
                state = f"is translated from {was!r}" if was else "is fuzzy"
            yield f"{shown(file)}: {message.id!r} {state}"


def faults(language: str, folder: Path = LOCALE) -> Iterator[str]:
    """What is wrong in the catalogs of a language, besides what is to do."""
    seen = {}
    for file in files(language, folder):
        catalog = read(file)
        for text in catalog.obsolete:
            yield f"{file.name}: nothing says any more: {text}"
        for message in catalog:
            if not message.id:
                continue
            if message.id in seen:
                yield f"{file.name}: also in {seen[message.id]}: {message.id}"
            seen[message.id] = file.name
            for fault in _faults(message, language):
                yield f"{file.name}: {fault}: {message.id}"
        if not is_in_step(catalog, file.with_suffix(".mo")):
            yield f"{file.name}: to be compiled: python -m tools.catalogs"


def _faults(message: Message, language: str) -> Iterator[str]:
    if message.string and not message.fuzzy:
        english, other = message.id, message.string
        for what, of in (("placeholders", PLACEHOLDER), ("code", CODE)):
            if _found(of, english) != _found(of, other):
                yield f"other {what}"
        bare = CODE.sub("", other)
        # A number may be a word in English.
        if not _found(NUMBER, CODE.sub("", english)) <= _found(NUMBER, bare):
            yield "other numbers"
        words, terms = _rules(language)
        for fault in prose.faults(QUOTED.sub("0", other), words, terms):
            # What is code here may stand without backticks.
            # The English text may have stars in code: 2**-k.
            if not fault.startswith(("English prose", "stars that")):
                yield fault
        ends = [other[-1] in ENDS[words.script], english[-1] in ENDS[""]]
        if ends[0] != ends[1]:
            yield "another end of the sentence"


def _found(pattern: re.Pattern, text: str) -> set[str]:
    return {match[match.lastindex or 0] for match in pattern.finditer(text)}


def _rules(language: str) -> tuple[Words, tuple[Term, ...]]:
    """The fixed words and the glossary of a language that has pages."""
    if language not in LANGUAGES[1:]:
        return ENGLISH, ()
    page = Page(language, CHAPTER, "00_catalogs", CHAPTERS)
    return words_of(page), terms_of(page)


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    known = languages()
    if len(arguments) > 1 or not {*arguments} <= {*known}:
        print(f"Name one of {', '.join(known)}, or none.", file=sys.stderr)
        return 2
    done = [
        report(name, folder)
        for name in arguments or known
        for folder in FOLDERS
    ]
    return 0 if all(done) else 1


def report(language: str, folder: Path = LOCALE) -> bool:
    """Compile the catalogs of a language, and print what is left to do.

    Returns:
        Whether nothing is.
    """
    compile_all(language, folder)
    lines = [*to_do(language, folder), *faults(language, folder)]
    for line in [*lines, *tallies(language, folder)]:
        print(line)
    return not lines


def tallies(language: str, folder: Path = LOCALE) -> Iterator[str]:
    """How far each catalog is."""
    for file in files(language, folder):
        catalog = read(file)
        number, open_ = len([m for m in catalog if m.id]), len(left(catalog))
        yield f"{shown(file)}: {number - open_} of {number} translated"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
