"""The settings of a course: what a teacher says in site/course.toml."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from tools import page as book
from tools.environment import ROOT
from tools.hosts import HOST, PART, Repository
from tools.page import Page, chapters, front_page, pages, texts
from tools.words import Words, ways_to_say, words_of

SITE = ROOT / "site"
OWN = SITE / "pages"  # those that only the site has
# Of the folder that students get, in a handout and on a hub. Not that of
# handouts in which readers worked in chapters/: the two lie side by side.
NAME = "deep-learning-notebooks"
HANDED_OVER = "D2L_COURSE"  # the variable of the environment
BRANCH = (
    r"(?!.*(\.\.|//|/\.))\w[\w.+/-]*(?<![./])(?<!\.lock)",
    "the name of a branch, of letters, digits and . _ + / -",
)
# For each key with a text: its form, and how the form is called.
FORMS = {
    # On one line, without the characters that no page may hold.
    "title": (r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029]*", "some text"),
    "address": (rf"({HOST}/({PART}+/)*)?", "https://host/folder/"),
    "branch": BRANCH,
    "students_branch": BRANCH,
    "hub": (rf"({HOST}(/{PART}+)*)?", "https://host, no slash after"),
    "logo": (r"(\w[\w.+-]*)?", "the name of a file in site/static/"),
}


@dataclass(frozen=True)
class Course:
    """What a teacher says in site/course.toml.

    Raises:
        ValueError: if a value isn't what it must be; the message says what
            that is.
    """

    title: str
    titles: dict[str, str] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    logo: str = ""
    address: str = ""
    repository: str = ""
    branch: str = "main"
    hub: str = ""
    students: str = ""
    students_branch: str = "main"
    students_branches: dict[str, str] = field(default_factory=dict)
    leave_out: list[str] = field(default_factory=list)
    solutions: bool = True

    # The branch with the published site, and the notebooks for Colab.
    published = "gh-pages"

    def __post_init__(self) -> None:
        for key, (pattern, wanted) in FORMS.items():
            value = getattr(self, key)
            if not isinstance(value, str) or not re.fullmatch(pattern, value):
                never = ("title", "branch", "students_branch")
                empty = "" if key in never else ", or empty"
                raise ValueError(
                    f"{key} is {value!r}, not {wanted}{empty}"
                    + _refused(key, value)
                )
        self._check_repository("repository")
        self._check_repository("students")
        self._check_languages()
        self._check_branches()
        if self.logo and not (SITE / "static" / self.logo).is_file():
            raise ValueError(f"there is no logo site/static/{self.logo}")
        if not isinstance(self.leave_out, list):
            raise ValueError(f"leave_out is {self.leave_out!r}, not a list")
        for which in self.leave_out:
            try:
                chapters(str(which) or "''")
            except LookupError as error:
                raise ValueError(f"leave_out: {error.args[0]}") from None
        if not isinstance(self.solutions, bool):
            raise ValueError(f"solutions is {self.solutions!r}, not a boolean")
        if not self.chapters:
            raise ValueError("leave_out leaves no chapter")
        if self.hub and not (self.repository or self.students):
            raise ValueError(
                "hub needs repository, or students: it is what a hub fetches"
            )

    def _check_repository(self, key: str) -> None:
        value = getattr(self, key)
        if not isinstance(value, str):
            raise ValueError(f"{key} is {value!r}, not some text, or empty")
        try:
            Repository(value) if value else None
        except ValueError as error:
            raise ValueError(
                f"{key} is {value!r}, {error}" + _refused(key, value)
            ) from None

    def _check_languages(self) -> None:
        if not isinstance(self.languages, list):
            raise ValueError(f"languages is {self.languages!r}, not a list")
        if not isinstance(self.titles, dict):
            raise ValueError(f"titles is {self.titles!r}, not a table")
        for language in (*self.languages, *self.titles):
            self._require_language(language)
        if len({*self.languages}) < len(self.languages):
            raise ValueError(f"languages has one twice: {self.languages}")
        pattern, wanted = FORMS["title"]
        for language, title in self.titles.items():
            if not isinstance(title, str) or not re.fullmatch(pattern, title):
                raise ValueError(
                    f"titles.{language} is {title!r}, not {wanted}"
                )

    def _check_branches(self) -> None:
        if not isinstance(self.students_branches, dict):
            value = self.students_branches
            raise ValueError(f"students_branches is {value!r}, not a table")
        pattern, wanted = BRANCH
        first = {self.first: self.students_branch}
        for language, branch in self.students_branches.items():
            key = f"students_branches.{language}"
            self._require_language(language)
            if not isinstance(branch, str) or not re.fullmatch(
                f"({pattern})?", branch
            ):
                raise ValueError(
                    f"{key} is {branch!r}, not {wanted}, or empty"
                )
            if branch and language == self.first:
                raise ValueError(
                    f"{key} is that of the first language: write "
                    f"students_branch = {json.dumps(branch)}"
                )
            if branch and branch in first.values():
                raise ValueError(
                    f"{key} is {branch!r}, which has the pages of another "
                    "language: name another branch"
                )
            first[language] = branch
        if not (self.students and self.source):
            return
        if self.for_students.clone != self.source.clone:
            return
        for branch in first.values():
            if branch in (self.branch, self.published):
                raise ValueError(
                    f"students has the branch {branch} of "
                    "repository, which has the solutions: name another "
                    "repository, or another students_branch"
                )

    def _require_language(self, language: object) -> None:
        if language not in book.LANGUAGES:
            known = ", ".join(book.LANGUAGES)
            raise ValueError(f"{language!r} is no language; there are {known}")

    @property
    def root(self) -> str:
        """The folder of its site on the host, as far as that is known."""
        return urlsplit(self.address).path or "/"

    @property
    def editions(self) -> list[Edition]:
        """What is on its site: the course in each of its languages."""
        found = [
            Edition(self, one) for one in self.languages or book.LANGUAGES
        ]
        return [one for one in found if one.is_there]

    @property
    def first(self) -> str:
        """Its language, or the first one of several."""
        return [*self.languages, book.LANGUAGES[0]][0]

    @property
    def chapters(self) -> list[Page]:
        """The chapters that it has."""
        left_out = self.left_out
        return [c for c in chapters() if c.stem not in left_out]

    @property
    def left_out(self) -> list[str]:
        """The stems of the chapters that it doesn't have."""
        out = [c for which in self.leave_out for c in chapters(str(which))]
        return [chapter.stem for chapter in chapters() if chapter in out]

    @property
    def pages(self) -> list[Page]:
        """Its chapters, then their solutions."""
        found = [c.solutions for c in self.chapters if self.solutions]
        return [*self.chapters, *(page for page in found if page.is_there)]

    @property
    def source(self) -> Repository | None:
        """The public copy of this repository, if there is one."""
        return Repository(self.repository) if self.repository else None

    @property
    def for_students(self) -> Repository | None:
        """The repository that students get, if there is one."""
        return Repository(self.students) if self.students else None

    def branch_for(self, language: str) -> str:
        """The branch of the students' repository in a language, or ""."""
        if language == self.first:
            return self.students_branch
        return self.students_branches.get(language, "")

    def students_link(self, hub: str, language: str, path: str) -> str:
        """The link by which a hub fetches what students get; "" if nothing.

        Args:
            hub (str): the address of a JupyterHub.
            language (str): that of the pages.
            path (str): where the file that opens stands in the repository.
        """
        branch = self.branch_for(language)
        if not (self.for_students and branch):
            return ""
        name = self.for_students.name
        # Two branches of a repository can't share a folder.
        folder = name if language == self.first else f"{name}-{language}"
        return self.for_students.on_hub(hub, branch, path, folder)

    def places(self, page: Page) -> dict[str, str]:
        """Where else a page opens, and runs: names, and addresses there.

        What stays, as on a hub, is opened where readers make their own copy.
        """
        path, colab = page.shown(".ipynb"), f"colab/{page.path}.ipynb"
        found = {}
        if self.source:
            found = {
                "Colab": self.source.in_colab(self.published, colab),
                "Binder": self.source.in_binder(self.branch, path),
            }
        if self.hub and self.for_students:
            # It has the chapters alone, each branch in one language.
            if not page.is_solutions:
                found["JupyterHub"] = self.students_link(
                    self.hub, page.language, book.START_PAGE
                )
        elif self.hub:
            found["JupyterHub"] = self.source.on_hub(
                self.hub, self.branch, book.start_name(page.language)
            )
        return {name: place for name, place in found.items() if place}


@dataclass(frozen=True)
class Edition:
    """A course in one language: a part of its site.

    It knows the pages that were there when it was asked first.

    Args:
        course (Course): what a teacher says.
        language (str): one of ``tools.page.LANGUAGES``.
    """

    course: Course
    language: str

    def __str__(self) -> str:
        return self.language

    @property
    def is_there(self) -> bool:
        """Whether there is a front page, and a chapter."""
        return front_page(self.language).is_file() and bool(self.chapters)

    @cached_property
    def chapters(self) -> list[Page]:
        """Its chapters."""
        return [page for page in self.pages if not page.is_solutions]

    @cached_property
    def pages(self) -> list[Page]:
        """Its chapters, then their solutions, as far as they are there."""
        found = [replace(p, language=self.language) for p in self.course.pages]
        return [page for page in found if page.is_there]

    @property
    def lacking(self) -> list[str]:
        """What pages and texts are called that other editions may have."""
        there = {page.name for page in self.pages}
        there |= {file.stem for file in texts(self.language)}
        known = [page.name for page in pages()]
        known += [file.stem for file in texts()]
        return [name for name in known if name not in there]

    @cached_property
    def own_pages(self) -> list[Path]:
        """The files of the pages that only the site has."""
        return sorted((OWN / self._home).glob("*.md"))

    def original_of(self, file: Path) -> Path:
        """The text that a text translates, or it itself."""
        if not self._home:
            return file
        folder = OWN if file in self.own_pages else front_page().parent
        return folder / file.name

    @property
    def _home(self) -> str:
        original = self.language == book.LANGUAGES[0]
        return "" if original else self.language

    @cached_property
    def names(self) -> set[str]:
        """What all of its pages are called on the site."""
        found = {page.name for page in self.pages}
        found |= {f.stem for f in (*texts(self.language), *self.own_pages)}
        return found | {"search", "404"}

    @cached_property
    def words(self) -> Words:
        """What it says by fixed words."""
        return words_of(self.chapters[0])

    def beginnings(self, name: str) -> tuple[str, ...]:
        """How a part may begin on its pages: in English, if it's untranslated.

        Args:
            name (str): that of the words, such as ``"idea"``.
        """
        said = ways_to_say(self.chapters[0], name)
        return tuple(re.sub("[>*] ?", "", text) for text in said)

    @property
    def title(self) -> str:
        """What the course is called in this language."""
        return self.course.titles.get(self.language, self.course.title)

    @cached_property
    def folder(self) -> str:
        """Where it is on the site: at its root, or in a folder as ``zh/``."""
        first = self.course.editions[0].language == self.language
        return "" if first else f"{self.language}/"

    @property
    def address(self) -> str:
        """Where it is, with a slash at the end; "" if that is unknown."""
        return self.course.address and self.course.address + self.folder


def hand_over(edition: Edition) -> None:
    """Give an edition to what this process starts: Sphinx, in ``conf.py``."""
    os.environ[HANDED_OVER] = json.dumps(asdict(edition))


def handed_over() -> Edition:
    """The edition that whoever builds the site has handed over.

    Raises:
        LookupError: if nobody has.
    """
    if HANDED_OVER not in os.environ:
        raise LookupError(
            "no course was handed over: build the site with `make html`, not "
            "with Sphinx alone"
        )
    values = json.loads(os.environ[HANDED_OVER])
    return Edition(Course(**values["course"]), values["language"])


def read_course(file: Path = SITE / "course.toml") -> Course:
    """What a teacher has written.

    Raises:
        ValueError: if it can't be read or makes no sense.
    """
    try:
        values = tomllib.loads(file.read_text("utf-8"))
        known = [f.name for f in fields(Course)]
        if unknown := values.keys() - set(known):
            raise ValueError(
                f"nothing is called {', '.join(sorted(unknown))}; there are "
                f"{', '.join(known)}"
            )
        return Course(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file.name}: {error}") from None


def _refused(key: str, value: object) -> str:
    """The first character that an address can't have, for a message."""
    if key == "title" or not isinstance(value, str):
        return ""
    found = re.search(rf"(?!{PART}|[:/]).", value, re.DOTALL)
    return f": {found[0]!r} can't stand there" if found else ""
