"""The page with the glossary, in each language: from terms.toml.

    python -m tools.glossary

writes it anew. English terms are in the order of the alphabet; Chinese ones in
that of their sounds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools import files
from tools.folders import shown, write_whole
from tools.page import GLOSSARY, LANGUAGES, Page, chapters, front_page
from tools.terms import Term, terms_of
from tools.words import words_of


def file_of(language: str) -> Path:
    """Where the page of a language stands."""
    return front_page(language).with_name(GLOSSARY)


def glossary(language: str) -> str:
    """The page of a language, as Markdown.

    Beside an English term stands what the first other language says.

    Raises:
        UnreadableError: if a chapter isn't stored.
        LookupError: if a term is taught where no section is.
    """
    first, *_ = chapters(language=language)
    source = first.translations[0] if first.is_original else first
    terms = [term for term in terms_of(source) if term.taught]
    rows = []
    for term in sorted(terms, key=lambda term: _order(term, first)):
        name, other, what = term.said, term.english, term.explained
        if first.is_original:
            name, other, what = term.english, term.said, term.means
        link = f"[{place(term, language)}]({term.taught})"
        rows.append(f"| {name} | {other} | {what} | {link} |")
    return "\n".join([words_of(first).glossary, *rows]) + "\n"


def place(term: Term, language: str) -> str:
    """What the section is called that teaches a term: number and heading.

    Raises:
        LookupError: if there is no such section.
    """
    section = sections(term, language)[0]
    heading = section.partition("\n")[0].lstrip("# ")
    # An exercise has its number already.
    return (
        heading if heading[0].isdecimal() else f"{term.taught[:2]} {heading}"
    )


def sections(term: Term, language: str) -> list[str]:
    """The cells of the section that teaches a term, from its heading on.

    Raises:
        LookupError: if there is no such section.
    """
    name, _, place = term.taught.partition("#cell-id=")
    (chapter,) = chapters(name.removesuffix(".ipynb"), language=language)
    found: list[str] = []
    for cell in files.read_stored(chapter).cells:
        begins = cell.source.startswith("#") and cell.cell_type == "markdown"
        if found and begins:
            break
        if found or (cell.id == place and begins):
            found.append(cell.source)
    if not found:
        raise LookupError(f"{term.english}: no section is {term.taught}")
    return found


def _order(term: Term, page: Page) -> bytes | str:
    if page.is_original:
        return term.english.lower()
    # The common letters stand there by their sounds.
    return term.said.encode("gb2312")


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    for language in LANGUAGES:
        try:
            text = glossary(language)
        except (LookupError, ValueError) as error:
            print(error, file=sys.stderr)
            return 1
        write_whole(file_of(language), text)
        print(f"written: {shown(file_of(language))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
