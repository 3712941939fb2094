"""The languages of the site: alike, joined by links, and searched."""

import re
import shutil
import sys
from dataclasses import replace

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from bs4 import Comment

from tests import tiny_book
from tests.sites import SMALL, Page, build
from tools import book, files, staging
from tools.anchors import anchor, with_anchors
from tools.course import SITE, Course, Edition
from tools.page import LANGUAGES, chapters
from tools.page import pages as find_pages
from tools.pictures import Picture
from tools.variants import made, site

BOTH = replace(SMALL, languages=["en", "zh"], titles={"zh": "课程"})


def pages_of(folder):
    names = [
        file.relative_to(folder).with_suffix("").as_posix()
        for file in folder.rglob("*.html")
    ]
    return {n: Page(folder, n) for n in names if "_static" not in n}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder of a small site; a cell of its English chapter is new."""
    folder, real = tmp_path_factory.mktemp("both") / "html", files.read_stored

    def read_stored(page):
        notebook = real(page)
        if page == chapters("03")[0]:
            notebook.cells[1].source += " A sentence that is new."
        return notebook

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "read_stored", read_stored)
        assert build(folder, BOTH) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(home):
    return pages_of(home)


def other_name(page):
    return (
        page.name.removeprefix("zh/")
        if "zh/" in page.name
        else (f"zh/{page.name}")
    )


# Alike, and joined


def test_each_page_is_there_in_both_languages(pages):
    english = {name for name in pages if not name.startswith("zh/")}
    assert len(english) > 7
    assert {f"zh/{name}" for name in english} == {*pages} - english


def test_page_says_which_language_it_is_in(pages):
    for page in pages.values():
        tag = {"en": "en", "zh": "zh-CN"}[page.language]
        assert page.soup.html["lang"] == tag, page.name


def test_sections_have_the_same_anchors(pages):
    for page in pages.values():
        here, there = (
            [section["id"] for section in one.soup.select("section[id]")]
            for one in (page, pages[other_name(page)])
        )
        assert here == there, page.name
        assert len({*here}) == len(here)


def test_anchors_are_those_of_the_original():
    original = "# The `x`, [a](b.md)\n\n```sh\n# no heading\n```\n\n## 3.1 B"
    text = "# 标题\n\n```sh\n# no heading\n```\n\n## 3.1 乙\n\n## 丙"
    assert with_anchors(text, original, set()) == (
        "{#the-x-a}\n# 标题\n\n```sh\n# no heading\n```\n\n"
        "{#b}\n## 3.1 乙\n\n## 丙"
    )
    assert with_anchors("# 一", "# Same", {"same"}) == "# 一"


def test_link_leads_to_the_heading_of_its_own_chapter():
    # Chapters may have a heading in common that Chinese says in two ways.
    for language in LANGUAGES:
        found = staging.anchors(language)
        for page in find_pages(language=language):
            for cell in files.read_stored(page).cells:
                if heading := re.match("#+ (.+)", cell.source):
                    place = found[page.notebook.name, cell.id]
                    assert place == anchor(heading[1]) or page.is_solutions


def test_switch_leads_to_the_same_page(pages, home):
    for page in pages.values():
        switch = page.soup.select(".languages a")
        assert len(switch) == 2, page.name  # on a desktop, and on a phone
        for link in switch:
            said = (link.get_text(), link["lang"], link["hreflang"])
            assert (
                said
                == {
                    "en": ("中文", "zh-CN", "zh-CN"),
                    "zh": ("English", "en", "en"),
                }[page.language]
            )
            path = link["href"]
            if page.name.endswith("404"):
                target = home / path.removeprefix("/")
            else:
                target = (home / page.name).parent / path
            assert target.resolve() == home / f"{other_name(page)}.html"


def test_page_for_wrong_addresses_speaks_all_languages(pages):
    """A host may show one such page for all folders, as GitHub Pages does."""
    said = {"en": "There is no such page", "zh-CN": "没有这个网页"}
    homes = {"en": "/index.html", "zh-CN": "/zh/index.html"}
    for page in (pages["404"], pages["zh/404"]):
        parts = page.soup.select("article div[lang]")
        tags = [part["lang"] for part in parts]
        assert tags == sorted(said, reverse=page.language == "zh")
        for part in parts:
            assert part.select_one("h1, h2").get_text() == said[part["lang"]]
        (link,) = parts[1].select("a")
        assert link["href"] == homes[tags[1]]
        assert len(page.soup.select("h1")) == 1


def test_pages_name_each_other_where_no_address_is_known(pages, home):
    for page in pages.values():
        if page.name.endswith("404"):
            continue
        found = page.alternates
        assert set(found) == {"en", "zh-CN", "x-default"}
        for tag, path in found.items():
            target = ((home / page.name).parent / path).resolve()
            named = target.relative_to(home).with_suffix("").as_posix()
            chinese = tag == "zh-CN"
            name = page.name.removeprefix("zh/")
            assert named == (f"zh/{name}" if chinese else name)


# In its own words

# English that may stand around a Chinese page: names, and what is code.
KEPT = {
    *("English", "PyTorch", "JupyterLab", "JavaScript", "CC BY-SA", "MIT"),
    *("GPU", "CPU", "pickle", "html", "Ctrl", "d2l", "Python"),
    *("Binder", "Kubernetes"),
}
SAID = ("title", "aria-label", "placeholder", "alt", "data-one", "data-many")


def english(text):
    """The English words in a text, but for those that may stand there."""
    text = re.sub(r"\w*[_.()]\w*|\$\{\w+\}", " ", text)  # code
    text = re.sub("|".join(sorted(KEPT, key=len, reverse=True)), " ", text)
    return re.findall("[A-Za-z]{3,}", text)


def test_no_english_is_around_a_chinese_page(home):
    for page in pages_of(home / "zh").values():
        others = page.soup.select("div[lang=en]")  # where all are spoken
        for tag in page.soup.find_all(["section", "script", "style", "code"]):
            tag.extract()
        for tag in others:
            tag.extract()
        said = [
            tag[key] for key in SAID for tag in page.soup.select(f"[{key}]")
        ]
        texts = page.soup.find_all(string=True)
        said += [text for text in texts if not isinstance(text, Comment)]
        found = {text.strip(): english(text) for text in said if english(text)}
        assert not found, page.name


def test_english_around_a_page_would_be_found():
    assert english("Skip to main content") == ["Skip", "main", "content"]
    assert english("下载.ipynb，GPU和d2l_helpers") == []


def test_docstrings_are_marked_as_english(pages):
    page = pages["zh/reference"]
    assert page.article.select("dl.py")
    for described in page.article.select("dl.py"):
        assert described["lang"] == "en"
    names = page.article.select("dl.py .field-list > dt")
    assert {name["lang"] for name in names} == {"zh-CN"}


def catalog(language="zh"):
    with (staging.WORDS / f"{language}.po").open("rb") as file:
        return read_po(file)


def test_catalog_has_all_that_templates_and_extensions_say():
    methods = [
        ("templates/**.html", "jinja2.ext:babel_extract"),
        ("extensions/**.py", "python"),
        ("conf.py", "python"),
    ]
    options = {"templates/**.html": {"silent": "false", "trimmed": "true"}}
    found = {
        message
        for _, _, message, *_ in extract_from_dir(SITE, methods, options)
    }
    assert len(found) > 9
    said = {message.id for message in catalog() if message.string}
    theirs = {"Search"}  # Sphinx has it
    assert found - theirs - said == set()


def test_catalog_says_it_with_the_same_values_and_tags():
    values = re.compile(r"%s|\$\{\w+\}|<\w+")
    for message in catalog():
        if message.id and message.id != "One place has it.":
            assert not message.fuzzy
            assert sorted(values.findall(message.id)) == sorted(
                values.findall(message.string)
            )


# How it is searched


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("线性回归", ["线性", "性回", "回归"]),
        ("钩子", ["钩子"]),
        ("层，块", ["层", "块"]),
        ("nn.Linear的参数", ["nn", "Linear", "的参", "参数"]),
        ("named_parameters()", ["named_parameters"]),
        ("naïve 5　θ", ["naïve", "5", "θ"]),
    ],
)
def test_index_has_each_pair_of_chinese_letters(home, text, words):
    assert home  # Sphinx has loaded the extension
    assert sys.modules["languages"].Bigrams({}).split(text) == words


def test_browser_splits_what_is_searched_for_alike(home):
    script = (home / "zh/_static/language_data.js").read_text("utf-8")
    assert f"query.match(/{sys.modules['languages'].WORDS}/g)" in script


def test_no_script_makes_code_of_a_text(home):
    script = (home / "zh/_static/translations.js").read_text("utf-8")
    assert "\\u641c\\u7d22" in script  # 搜索
    assert "addTranslations" not in script


# What is behind


INDEX = """\
# A

| | | | |
|---|---|---|---|
| 08 | [B](08_sums.ipynb) | add | [1](https://d2l.ai) |

## How to run it
"""


@pytest.fixture
def zh(tmp_path, monkeypatch):
    """The Chinese chapter of a tiny book in two languages."""
    root = tmp_path / "chapters"
    page = tiny_book.begin(root)
    for home in (root, page.home):
        (home / "index.md").write_text(INDEX, "utf-8")
    monkeypatch.setattr("tools.page.CHAPTERS", root)
    staging.anchors.cache_clear()
    yield page
    staging.anchors.cache_clear()


@pytest.fixture
def stale(zh):
    """That chapter, after the English one has changed."""
    tiny_book.edit(zh.original, "What is the sum", "How much is the sum")
    tiny_book.run(zh.original)
    assert book.main(["run", str(zh.source)]) == 0
    return zh


def test_what_is_behind_is_marked_with_a_link_to_the_english(stale):
    edition = Edition(Course("A"), "zh")
    variant = site.marking(edition)
    cells = made(stale, files.read_stored(stale), [variant]).cells
    assert cells[1].source == (
        "{#a-sum}\n## 和\n\n> 这一段还没有跟上"
        "[英文版](across:../08_sums.html#a-sum)的改动。\n\n"
        "两数之和是多少？见[上文](#cell-id=add-numbers)。"
    )
    assert not [c for c in cells if "还没有跟上" in c.source and c != cells[1]]


def test_mark_has_no_link_where_no_english_is(stale):
    edition = Edition(Course("A", languages=["zh"]), "zh")
    notebook = files.read_stored(stale)
    cells = made(stale, notebook, [site.marking(edition)]).cells
    assert "> 这一段还没有跟上英文版的改动。" in cells[1].source


def test_stale_page_is_built_and_leads_to_the_english(pages):
    (link,) = pages["zh/03_custom_layers"].article.select(
        'blockquote a[href^="../"]'
    )
    name, _, anchor = link["href"].partition("#")
    assert name == "../03_custom_layers.html"
    assert anchor in pages["03_custom_layers"].ids


# Another language

PICTURE = Picture('<svg xmlns="http://www.w3.org/2000/svg"/>', b"", "A line.")


def test_third_language_is_a_folder_and_three_strings(
    zh, tmp_path, monkeypatch
):
    monkeypatch.setattr("tools.page.LANGUAGES", ("en", "zh", "eo"))
    monkeypatch.setattr(staging, "first_picture", lambda _: PICTURE)
    eo = replace(zh, language="eo")
    for page in (zh.original, zh):  # which the chapters don't have
        text = page.notebook.read_text("utf-8")
        page.notebook.write_text(
            text.replace("(#cell-id=add-numbers)", "(index.md)"), "utf-8"
        )
    eo.home.mkdir()
    for name in (zh.source.name, zh.notebook.name, "index.md"):
        shutil.copy(zh.home / name, eo.home)
    words = (zh.home / "words.toml").read_text("utf-8")
    for old, new in (
        ('tag = "zh-CN"', 'tag = "eo"'),
        ('name = "中文"', 'name = "Esperanto"'),
        ('afterwards = "学完之后，你能', 'afterwards = "Poste vi povas '),
    ):
        assert old in words
        words = words.replace(old, new)
    (eo.home / "words.toml").write_text(words, "utf-8")
    status, said = build(tmp_path / "html", Course("A"))
    assert status == 0, said
    page = Page(tmp_path / "html", "eo/08_sums")
    assert page.soup.html["lang"] == "eo"
    switch = page.soup.select(".navbar-persistent--container .languages a")
    assert {link["hreflang"]: link["href"] for link in switch} == {
        "en": "../08_sums.html",
        "zh-CN": "../zh/08_sums.html",
    }
    assert page.soup.select_one("nav.bd-links")["aria-label"] == "Chapters"
    index = Page(tmp_path / "html", "eo/index")
    assert "Poste vi povas add" in index.article.get_text()
    # What it lacks, others have.
    teach = Page(tmp_path / "html", "teach")
    links = teach.soup.select(".navbar-persistent--container .languages a")
    assert [link["href"] for link in links] == [
        "zh/teach.html",
        "eo/index.html",
    ]
    assert set(teach.alternates) == {"en", "zh-CN", "x-default"}
