"""Which pages there are, and where, in languages of today and tomorrow."""

from dataclasses import replace
from pathlib import Path

import pytest

from tools.environment import ROOT
from tools.page import (
    CHAPTERS,
    Page,
    chapters,
    front_page,
    pages,
    require_language,
    texts,
)

(CUSTOM_LAYERS,) = chapters("03")
WRITTEN = [
    "02_b.py",
    "01_a.py",
    "solutions/01_a.py",
    "notes.py",
    "zh/01_a.py",
    "zh/solutions/01_a.py",
    "eo/02_b.py",
]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A book of two chapters, of which others are in two more languages."""
    monkeypatch.setattr("tools.page.LANGUAGES", ("en", "zh", "eo"))
    monkeypatch.setattr("tools.page.CHAPTERS", tmp_path)
    for name in [*WRITTEN, "index.md", "why.md", "zh/index.md"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def paths(found):
    return [page.path for page in found]


def test_page_knows_its_files():
    page = CUSTOM_LAYERS.solutions
    assert page.source == CHAPTERS / "solutions/03_custom_layers.py"
    assert page.notebook == CHAPTERS / "solutions/03_custom_layers.ipynb"
    assert page.folder == CHAPTERS / "solutions"
    assert page.shown() == "chapters/solutions/03_custom_layers.py"
    assert page.is_there
    assert not replace(page, stem="99_missing").is_there


def test_page_knows_what_it_is():
    page = CUSTOM_LAYERS.solutions
    assert (page.number, page.name) == (3, "solutions/03_custom_layers")
    assert page.is_solutions
    assert page.chapter == CUSTOM_LAYERS
    assert page.solutions == page
    assert not CUSTOM_LAYERS.is_solutions


def test_pages_link_to_each_other():
    page = CUSTOM_LAYERS.solutions
    assert page.link_to(CUSTOM_LAYERS) == "../03_custom_layers.ipynb"
    assert CUSTOM_LAYERS.link_to(page) == "solutions/03_custom_layers.ipynb"


def test_pages_of_languages_link_to_each_other(root):
    page = replace(Page("zh", "solutions", "01_a", root))
    english = replace(page, language="en").chapter
    assert page.link_to(english) == "../../01_a.ipynb"
    assert english.link_to(page) == "zh/solutions/01_a.ipynb"
    assert page.name == english.solutions.name


def test_page_knows_its_translations(root):
    page = Page("en", "solutions", "01_a", root)
    assert page.is_original
    assert page.original == page
    assert paths(page.translations) == [
        "zh/solutions/01_a",
        "eo/solutions/01_a",
    ]
    there, missing = page.translations
    assert (there.is_there, missing.is_there) == (True, False)
    assert not there.is_original
    assert there.original == page
    assert (page.home, there.home) == (root, root / "zh")


def test_solutions_stand_behind_their_chapter(root):
    assert paths(pages()) == ["01_a", "solutions/01_a", "02_b"]
    assert paths(chapters()) == ["01_a", "02_b"]


def test_another_language_is_a_folder_and_a_word(root):
    assert paths(pages(language="zh")) == ["zh/01_a", "zh/solutions/01_a"]
    assert paths(pages(language="eo")) == ["eo/02_b"]
    assert front_page("zh") == root / "zh/index.md"
    (root / "zh/STYLE.md").touch()  # for who translates
    assert texts("zh") == [root / "zh/index.md"]
    assert texts() == [root / "index.md", root / "why.md"]


def test_file_for_authors_is_no_page(root):
    (root / "zh/STYLE.md").touch()
    assert texts("zh") == [root / "zh/index.md"]


def test_first_language_that_is_there_is_meant(root):
    for file in root.glob("**/*_*.py"):
        if "zh" not in file.parts:
            file.unlink()
    assert paths(pages()) == ["zh/01_a", "zh/solutions/01_a"]
    assert paths(chapters("1")) == ["zh/01_a"]
    assert front_page() == root / "zh/index.md"
    assert texts() == [root / "zh/index.md"]


def test_language_without_pages_is_refused(root):
    for language in ("", "en", "zh", "eo"):
        require_language(language)
    with pytest.raises(LookupError, match="in 'fr', but in en, zh, eo"):
        require_language("fr")


@pytest.mark.parametrize(
    ("which", "found"),
    [
        ("1", ["01_a", "solutions/01_a"]),
        ("01", ["01_a", "solutions/01_a"]),
        ("01_a", ["01_a", "solutions/01_a"]),
        ("01_a.py", ["01_a"]),
        ("01_a.ipynb", ["01_a"]),
        ("{}/01_a.py", ["01_a"]),
        ("{}/solutions/01_a.ipynb", ["solutions/01_a"]),
        ("{}/zh/solutions/01_a.py", ["zh/solutions/01_a"]),
        ("{}/eo/../zh/01_a.py", ["zh/01_a"]),
    ],
)
def test_page_is_found_by_number_name_or_file(root, which, found):
    assert paths(pages(which.format(root))) == found


def test_page_is_found_by_a_path_from_where_one_is(root, monkeypatch):
    monkeypatch.chdir(root / "solutions")
    assert paths(pages("./01_a.py")) == ["solutions/01_a"]
    assert paths(pages("../01_a.py")) == ["01_a"]


@pytest.mark.parametrize(
    "which", ["3", "01 02", "03_c", "notes.py", "{}/solutions", "fr/01_a.py"]
)
def test_unknown_page_is_answered_with_those_there_are(root, which):
    which = which.format(root)
    with pytest.raises(LookupError) as told:
        pages(which)
    assert told.value.args[0] == (
        f"there is no chapter {which!r}; name one of 01_a, 02_b, or its number"
    )


def test_page_of_solutions_is_no_chapter(root):
    with pytest.raises(LookupError, match="there is no chapter"):
        chapters(f"{root}/solutions/01_a.py")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (("fr", "chapter", "01_a"), "language is 'fr', not one of en, zh, eo"),
        (("en", "answers", "01_a"), "kind is 'answers', not one of chapter, "),
        (("en", "chapter", "a"), "stem is 'a', not in the form of 03_custom"),
        (("en", "chapter", "01_a/b"), "stem is '01_a/b', not in the form"),
    ],
)
def test_page_that_cannot_be_is_refused(root, values, complaint):
    with pytest.raises(ValueError, match=complaint):
        Page(*values, root)


def test_pages_of_another_checkout_are_told_apart(tmp_path):
    copy = replace(CUSTOM_LAYERS, root=tmp_path)
    assert copy != CUSTOM_LAYERS
    assert copy.source.is_relative_to(tmp_path)


# What a module may say that knows where pages are.
KNOWS = ROOT / "tools/page.py"
MODULES = [
    *(ROOT / "tools").rglob("*.py"),
    *(ROOT / "site/extensions").glob("*.py"),
]
PATTERNS = ('"solutions"', "'solutions'", "solutions/", r"\d\d_", "[0-9]_*")


@pytest.mark.parametrize(
    "file",
    sorted({*MODULES, ROOT / "make.py"} - {KNOWS}),
    ids=lambda file: file.relative_to(ROOT).as_posix(),
)
def test_no_other_module_knows_where_pages_are(file):
    text = Path(file).read_text("utf-8")
    assert [pattern for pattern in PATTERNS if pattern in text] == []
