"""The site: built from the stored outputs, complete, and self-contained.

What needs a browser to be seen is in tests/browser.
"""

import base64
import json
import posixpath
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jupytext
import nbformat
import pytest
from bs4 import BeautifulSoup, NavigableString

from tests.sites import PUBLISHED, PUBLISHED_SMALL, SMALL, Page, build, built
from tools import files, site
from tools.course import Course
from tools.environment import ROOT, package_version
from tools.exercise import HEADING, exercises
from tools.page import LANGUAGES, chapters
from tools.page import pages as listed
from tools.predictions import predicted
from tools.single import make_single
from tools.staging import stage
from tools.variants import download, made
from tools.variants.colab import COLAB_TAG
from tools.words import ways_to_say, words_of


def read(folder):
    """The pages of a built site, by their names."""
    files = [f.relative_to(folder) for f in folder.rglob("*.html")]
    names = [
        file.with_suffix("").as_posix()
        for file in files
        if not any(part.startswith("_") for part in file.parts)
    ]
    return {name: Page(folder, name) for name in names}


CHAPTERS, PAGES = [
    [page for language in LANGUAGES for page in find(language=language)]
    for find in (chapters, listed)
]
EACH_CHAPTER = pytest.mark.parametrize("chapter", CHAPTERS, ids=str)
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=str)
EACH_LANGUAGE = pytest.mark.parametrize(
    "edition", Course("A course").editions, ids=str
)
(CUSTOM_LAYERS,) = chapters("03")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The site as it is, by the names of its pages."""
    folder = tmp_path_factory.mktemp("site")
    done = built(folder, title="A course")
    assert done.returncode == 0, done.stderr
    return read(folder / "html")


@pytest.fixture(scope="module")
def published(folder, tmp_path_factory):
    """The site of a published course, built over one of all chapters."""
    work = tmp_path_factory.mktemp("published")
    for name in ("html", "html-work"):
        shutil.copytree(folder.with_name(name), work / name)
    assert list(work.rglob("05_autograd*"))
    assert build(work / "html", PUBLISHED_SMALL) == (0, "")
    return read(work / "html")


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """What Sphinx gets of all chapters that a published course has."""
    folder = tmp_path_factory.mktemp("staged")
    for edition in PUBLISHED.editions:
        stage(edition, folder / edition.language)
    return {
        file.relative_to(folder).as_posix(): file.read_text("utf-8")
        for file in folder.rglob("*.*")
    }


@pytest.fixture(scope="module")
def offered(tmp_path_factory):
    """The files beside the pages of all these chapters."""
    folder = tmp_path_factory.mktemp("offered")
    for edition in PUBLISHED.editions:
        (folder / edition.folder).mkdir(exist_ok=True)
        site.add_files(edition, folder / edition.folder)
    site.add_common_files(PUBLISHED, folder)
    return folder


@pytest.fixture(scope="module")
def folder(pages):
    return pages["index"].folder


def plain(text):
    """A text with quotes as they are written, not as Sphinx shows them."""
    return text.translate(str.maketrans("“”‘’", "\"\"''"))


def notebook_of(page):
    return nbformat.read(page.notebook, as_version=4)


def test_pages_are_those_of_the_book(pages):
    others = ("index", "from_the_book", "glossary", "reference", "teach")
    others += ("deploy", "search", "404")
    assert set(pages) == {
        *(page.path for page in PAGES),
        *others,
        *(f"zh/{name}" for name in others),
    }


@EACH_LANGUAGE
def test_front_page_has_a_card_with_a_picture_for_each_chapter(pages, edition):
    index = pages[f"{edition.folder}index"]
    cards = index.article.select("ul.chapters > li")
    assert len(cards) == len(edition.chapters)
    for card, chapter in zip(cards, edition.chapters, strict=True):
        assert card.select(f'a[href="{chapter.name}.html"]')
        assert card.img["src"] == f"_images/{chapter.stem}.svg"
        assert len(card.img["alt"]) > edition.words.alt / 2


def place(page, url):
    """The file that a link leads to, from the root of the site."""
    path = unquote(urlsplit(url).path)
    if not path:
        return f"{page.name}.html"
    if path.startswith("/"):  # of the page for any address
        return path.removeprefix("/")
    return posixpath.normpath(posixpath.join(page.name, "..", path))


def test_every_page_leads_to_every_chapter(pages):
    for page in pages.values():
        links = page.soup.select("nav.bd-links a")
        pointed = {place(page, link["href"]) for link in links}
        for other in listed(language=page.language):
            if page.name != other.path:
                assert f"{other.path}.html" in pointed


def test_nothing_is_loaded_from_another_host(pages):
    for page in pages.values():
        assert page.loaded
        for url in page.loaded:
            assert not urlsplit(url).netloc, (page.name, url)


def test_style_sheets_load_nothing_from_another_host(folder):
    sheets = list((folder / "_static").rglob("*.css"))
    assert sheets
    for sheet in sheets:
        text = sheet.read_text("utf-8")
        assert not re.findall(r"(?:url\(|@import)\W*(?:https?:)?//", text)


def test_no_page_needs_more_than_the_strict_policy_allows(pages):
    for page in pages.values():
        inline = page.soup.select("script:not([src]), style, [style]")
        assert not inline, page.name
        handlers = [
            name
            for tag in page.soup.find_all(True)
            for name in tag.attrs
            if name.startswith("on")
        ]
        assert not handlers, page.name


def test_links_and_what_pages_load_are_there(pages, folder):
    files = {f.relative_to(folder).as_posix() for f in folder.rglob("*.*")}
    ids = {f"{name}.html": page.ids for name, page in pages.items()}
    for page in pages.values():
        links = [a["href"] for a in page.soup.select("a[href]")]
        for url in [*page.loaded, *links]:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            file = place(page, url)
            assert file in files, (page.name, url)
            if parts.fragment and file in ids:
                assert unquote(parts.fragment) in ids[file], (page.name, url)


def test_headings_are_in_order(pages):
    for page in pages.values():
        levels = [
            int(tag.name[1])
            for tag in page.soup.select("h1, h2, h3, h4, h5, h6")
        ]
        assert levels[0] == 1, page.name
        assert levels.count(1) == 1, page.name
        for above, below in pairwise(levels):
            assert below <= above + 1, page.name


def test_each_page_has_a_title_and_a_description_of_its_own(pages):
    # In each language: a course may be called the same in all.
    titles = {
        (page.soup.html["lang"], page.soup.title.string)
        for page in pages.values()
    }
    assert len(titles) == len(pages)
    with_text = [p for p in pages.values() if p.has_text]
    descriptions = {
        page.soup.select_one("meta[name=description]")["content"]
        for page in with_text
    }
    assert len(descriptions) == len(with_text)
    assert all(40 <= len(text) <= 161 for text in descriptions)


@EACH_PAGE
def test_pictures_say_what_the_notebook_says_of_them(pages, page):
    wanted = [
        cell.metadata.mystnb.image.alt
        for cell in notebook_of(page).cells
        for output in cell.get("outputs", [])
        if "image/svg+xml" in output.get("data", {})
    ]
    images = pages[page.path].article.select("img")
    assert [image["alt"] for image in images] == wanted
    assert wanted or page.is_solutions


@EACH_PAGE
def test_formulas_are_mathml(pages, page):
    prose = "\n".join(
        cell.source
        for cell in notebook_of(page).cells
        if cell.cell_type == "markdown"
    )
    prose = re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.DOTALL)
    formulas = re.findall(r"\$\$.+?\$\$|\$[^$]+\$", prose, re.DOTALL)
    assert len(pages[page.path].article.select("math")) == len(formulas)
    assert "\\(" not in pages[page.path].article.get_text()


@EACH_PAGE
def test_formula_and_the_marks_at_it_stay_on_one_line(pages, page):
    for formula in pages[page.path].article.select(":not(div) > math"):
        if "whole" not in formula.parent.get("class", []):
            before, after = (
                text if isinstance(text, NavigableString) else ""
                for text in (formula.previous_sibling, formula.next_sibling)
            )
            assert not before.endswith(tuple("([“（《")), formula.parent
            # A new line may begin with a word or, in Chinese, a bracket.
            alone = r"[\s\u3400-\u9fff（《“]|\Z"
            assert re.match(alone, after), formula.parent


# Formulas that JupyterLab shows, how many rows they have, and what they show.
FORMULAS = [
    (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", 2, "a=bc=d"),
    (r"\begin{gather} a = b \\ c \end{gather}", 2, "a=bc"),
    (r"\begin{gathered} a \\ b \\[5pt] c \end{gathered}", 3, "abc"),
    (r"\begin{aligned}[t] a &= b \\ c &= d \end{aligned}", 2, "a=bc=d"),
    (r"\begin{array}[b]{c} a \\ b \end{array}", 2, "ab"),
    (r"x_{\substack{i \\ j}}", 2, "xij"),
    (r"\begin{alignedat}{2} a &= b & c &= d \end{alignedat}", 1, "a=bc=d"),
    (r"\begin{alignat*}{1} a &= b \\ \end{alignat*}", 1, "a=b"),
    (r"\begin{equation} a = b \label{x} \end{equation}", 1, "a=b"),
    (r"\begin{equation} a &= b \\ &= c \end{equation}", 2, "a=b=c"),
    (
        r"\begin{equation*}\begin{split} a &= b \\ &= c \end{split}"
        r"\end{equation*}",
        3,
        "a=b=c",
    ),
    (r"\begin{align} a &= b \tag{1} \\ c &= d \notag \end{align}", 2, None),
    (r"\begin{eqnarray} a &=& b \end{eqnarray}", 1, "a=b"),
    (r"\begin{multline} a \\ b \end{multline}", 2, "ab"),
    (r"a = b \tag{5.1}", 0, "a=b(5.1)"),
    (
        r"\begin{aligned} w \sim \begin{cases} U(5, 10) & \textrm{ if } x \\ "
        r"0 & \textrm{ else} \end{cases} \end{aligned}",
        3,
        None,
    ),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", 2, "(1234)"),
    (r"\boldsymbol{\theta} \in \mathbb{R}^{n \times m}", 0, "𝜽∈ℝn×m"),
    (r"\operatorname{softmax}(\mathbf{x})^\top", 0, None),
    (r"\mathop{\mathrm{argmin}}_w \|w\|_2", 0, "argminw‖w‖2"),
]
# JupyterLab shows this without dollars, too.
BARE = (r"\begin{align} a &= b \\ c &= d \end{align}", 2, "a=bc=d")
OUTPUTS = [
    nbformat.v4.new_output(kind, **content)
    for kind, content in [
        ("stream", {"text": "before\n"}),
        ("display_data", {"data": {"text/html": "<b>HTML</b>"}}),
        ("stream", {"text": "after\n"}),
        ("stream", {"name": "stderr", "text": "to stderr\n"}),
        ("display_data", {"data": {"text/latex": r"$\displaystyle x^2$"}}),
        ("display_data", {"data": {"text/markdown": "**Markdown**"}}),
        ("stream", {"text": "10%\r100%\n"}),
        (
            "display_data",
            {
                "data": {
                    "text/html": "<style scoped>th { color: red }</style>"
                    '<table class="dataframe"><tr style="color: red">'
                    "<td>cell</td></tr></table>",
                }
            },
        ),
    ]
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A page with formulas and outputs that the chapters don't have."""
    folder = tmp_path_factory.mktemp("odd")
    formulas = [f"$${formula}$$" for formula, *_ in FORMULAS]
    formulas.append(BARE[0])
    cells = [
        nbformat.v4.new_markdown_cell("\n\n".join(formulas)),
        nbformat.v4.new_code_cell("odd()", outputs=OUTPUTS),
    ]
    real = files.read_stored

    def read_stored(page):
        notebook = real(page)
        if page == CUSTOM_LAYERS:
            notebook.cells.extend(cells)
        return notebook

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "read_stored", read_stored)
        patch.setattr(site, "add_files", lambda *_: None)
        assert build(folder / "html", SMALL) == (0, "")
    return Page(folder / "html", CUSTOM_LAYERS.name)


@pytest.mark.parametrize("number", range(len(FORMULAS) + 1))
def test_formula_that_jupyterlab_shows_is_shown(odd, number):
    _, rows, text = [*FORMULAS, BARE][number]
    shown = odd.article.select("div.math:not(.output)")
    formula = shown[number - len(FORMULAS) - 1]
    assert formula.math["display"] == "block"
    assert len(formula.select("mtr")) == rows
    shown = "".join(formula.get_text().split())
    assert "\\" not in shown
    assert "&" not in shown
    assert text in (None, shown.replace("\u2061", ""))


def test_styles_of_formulas_are_in_the_sheet(odd):
    sheet = (odd.folder / "_static/math.css").read_text("utf-8")
    assert odd.soup.select_one('link[href="_static/math.css"]')
    classes = {
        name
        for tag in odd.article.select("math [class^=math-]")
        for name in tag["class"]
        if name != "math-core-serif-font"  # what pages have anyway
    }
    assert classes
    for name in classes:
        assert f".{name} {{" in sheet
    assert "text-align: right" in sheet


def test_outputs_are_shown_as_in_jupyterlab_in_their_order(odd):
    output = odd.article.select(".cell_output")[-1]
    shown = output.get_text(" ", strip=True)
    parts = ["before", "HTML", "after", "stderr", "Markdown", "100%", "cell"]
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)
    assert "10%" not in shown.replace("100%", "")
    assert output.select_one("b").text == "HTML"
    assert output.select_one("math")
    assert output.select_one("strong").text == "Markdown"
    assert output.select_one("table.dataframe td").text == "cell"
    assert not odd.soup.select("style, [style]")


@EACH_PAGE
def test_code_and_outputs_are_those_stored(pages, page):
    cells = [c for c in notebook_of(page).cells if c.cell_type == "code"]
    shown = pages[page.path].article.select(".cell_input pre")
    assert [pre.get_text().strip("\n") for pre in shown] == [
        cell.source.strip("\n") for cell in cells
    ]
    text = "".join(
        plain(tag.get_text())
        for tag in pages[page.path].article.select(".cell_output")
    )
    for cell in cells:
        for output in cell.outputs:
            if "text/markdown" in output.get("data", {}):
                report, *_ = output.data["text/plain"].splitlines()
                assert plain(report) in text
                continue
            said = output.get("text", output.get("data", {}).get("text/plain"))
            if said and "image/png" not in output.get("data", {}):
                assert plain(said.rstrip("\n")) in text


@EACH_PAGE
def test_pitfalls_stand_out(pages, page):
    quotes = sum(
        cell.source.count(words_of(page).pitfall)
        for cell in notebook_of(page).cells
        if cell.cell_type == "markdown"
    )
    assert len(pages[page.path].article.select("blockquote.pitfall")) == quotes


def test_names_of_the_package_lead_to_the_reference(pages):
    import d2l_helpers

    known = {*d2l_helpers.__all__}
    known |= {f"d2l_helpers.{k}" for k in known}
    found = set()
    for chapter in CHAPTERS:
        article = pages[chapter.path].article
        for code in article.select("p code, li code, td code"):
            if code.get_text().removesuffix("()") in known:
                found.add(chapter)
                short = code.get_text().removesuffix("()").rpartition(".")[2]
                assert code.parent.name == "a", (chapter, code)
                assert code.parent["href"] == (
                    f"reference.html#d2l_helpers.{short}"
                )
    assert len(found) > len(CHAPTERS) / 2


def test_chinese_is_marked_as_such(pages):
    for page in pages.values():
        for text in page.soup.main.find_all(string=re.compile("[一-鿿]")):
            languages = [p.get("lang") for p in text.parents if p.get("lang")]
            assert languages[0].startswith("zh"), (page.name, text)


@pytest.mark.parametrize(
    "term", ["参数绑定", "计算图", "梯度", "反向传播", "延后初始化"]
)
def test_chinese_term_is_found_and_leads_to_a_chapter(pages, term):
    # In the index it is one word, as it is in the query.
    index = (pages["index"].folder / "searchindex.js").read_text("utf-8")
    assert term in json.loads(re.search(r"{.*}", index)[0])["terms"]
    (row,) = [
        row
        for row in pages["glossary"].article.select("tr")
        if term in [cell.get_text() for cell in row.select("td")]
    ]
    assert row.select('a[href*=".html#"]')


@EACH_PAGE
def test_chapter_offers_its_own_files_and_no_unknown_place(pages, page):
    links = pages[page.path].soup.select(".chapter-actions a")
    stored = [page.notebook, page.source]
    assert [link["href"] for link in links] == [file.name for file in stored]
    for link, file in zip(links, stored, strict=True):
        offered = pages[page.path].folder / page.path
        offered = offered.with_name(link["href"])
        if page.is_original and file.suffix == ".py":
            assert offered.read_bytes() == file.read_bytes()
        elif page.is_original:
            notebook = nbformat.read(offered, 4)
            assert notebook.metadata.d2l.pop("needs") == package_version()
            assert notebook == notebook_of(page)
        assert link["download"] == link["href"]


@pytest.mark.parametrize("page", listed(language="zh"), ids=str)
def test_translation_for_download_speaks_its_language(pages, page):
    variant = download.variant(Course("A"))
    offered = nbformat.read(pages["index"].folder / f"{page.path}.ipynb", 4)
    assert offered == made(page, notebook_of(page), variant)


@EACH_CHAPTER
def test_solutions_are_folded_below_their_statements(pages, chapter):
    page, words = pages[chapter.solutions.path], words_of(chapter)
    ideas = [idea.replace("*", "") for idea in ways_to_say(chapter, "idea")]
    tasks = exercises(chapter)
    sections = [
        section
        for section in page.article.select("section section")
        if HEADING.match(f"## {section.h2.contents[0]}")
    ]
    assert len(sections) == len(tasks)
    for section, task in zip(sections, tasks, strict=True):
        heading = plain(section.h2.contents[0])
        assert heading == f"{task.number} {task.title}"
        (folded,) = section.find_all("details")
        assert not folded.has_attr("open")
        said = {
            "en": f"Solution to {task.number}",
            "zh": f"{task.number}的解答",
        }
        assert folded.summary.get_text() == said[chapter.language]
        assert any(idea in folded.get_text() for idea in ideas)
        assert f"check.{task.check}(" in folded.get_text()
        folded.extract()
        assert not any(idea in section.get_text() for idea in ideas)
        words = re.sub(r"\W|\$[^$]*\$", "", task.statement)[:20]
        assert words[:5] in re.sub(r"\W", "", section.get_text())


@EACH_CHAPTER
def test_outputs_to_predict_are_folded_below_their_code(pages, chapter):
    article, said = (
        pages[chapter.path].article,
        {
            "en": "Say what you expect, then open",
            "zh": "先说说你的预计，再展开",
        },
    )
    original = chapter if chapter.is_original else chapter.original
    asked = [c.source for c in predicted(notebook_of(original).cells)]
    folded = article.select("details.prediction")
    assert len(folded) > 3
    for one in folded:
        assert not one.has_attr("open")
        assert one.summary.get_text() == said[chapter.language]
        assert one.parent.select_one(":scope > .cell_input")
        assert one.select(":scope > .cell_output")
    shown = [
        cell.source
        for cell in notebook_of(original).cells
        if cell.cell_type == "code" and cell.outputs
    ]
    assert len(folded) == sum(source in asked for source in shown)
    assert len(article.select(".cell_output")) == len(shown)
    (switch,) = pages[chapter.path].soup.select("button.unfold")
    assert switch["aria-pressed"] == "false"


def test_page_without_predictions_has_no_switch(pages):
    for name in ("index", "teach", "solutions/03_custom_layers"):
        assert not pages[name].soup.select("button.unfold, .prediction")


@EACH_CHAPTER
def test_exercise_and_solution_lead_to_each_other(pages, chapter):
    def places(page):
        found = page.article.select("section:has(> h2, > h3)")
        return {
            plain(s.select_one("h2, h3").get_text()).rstrip("#"): s["id"]
            for s in found
        }

    here, there = pages[chapter.path], pages[chapter.solutions.path]
    for task in exercises(chapter):
        heading = f"{task.number} {task.title}"
        to = f"{chapter.solutions.name}.html#{places(there)[heading]}"
        assert here.article.select(f'a[href="{to}"]'), to
        back = f"../{chapter.name}.html#{places(here)[heading]}"
        assert there.article.select(f'a[href="{back}"]'), back


def test_course_may_keep_its_solutions_to_itself(published, staged):
    folder = published["index"].folder
    assert not (folder / "solutions").exists()
    assert not (folder / "zh/solutions").exists()
    assert not (folder / "colab/solutions").exists()
    told = re.compile(r"Solution|\[解答\]|的解答|完整的解答")
    for page in published.values():
        if not page.name.endswith("teach"):
            assert not told.search(page.soup.get_text()), page.name
    for name, text in staged.items():
        if name.endswith(".po"):
            continue
        assert not told.search(text) or name.endswith("teach.md"), name


def test_files_to_download_lead_nowhere_that_the_course_lacks(offered):
    files = [*offered.rglob("*.ipynb"), *offered.rglob("*.py")]
    assert len(files) == 3 * (len(CHAPTERS) - len(LANGUAGES))
    for file in files:
        text = file.read_text("utf-8")
        assert "solutions/" not in text, file
        assert "Solution]" not in text, file
        assert "05_autograd" not in text, file


def test_files_to_download_are_still_a_pair(offered):
    for file in [*offered.glob("*.ipynb"), *offered.glob("zh/*.ipynb")]:
        script = file.with_suffix(".py").read_text("utf-8")
        notebook = nbformat.read(file, 4)
        nbformat.validate(notebook)
        assert [
            (cell.cell_type, cell.source)
            for cell in jupytext.reads(script, "py:percent").cells
        ] == [(cell.cell_type, cell.source) for cell in notebook.cells]


def test_single_file_offers_a_notebook_without_solutions(published, tmp_path):
    target = tmp_path / "03.html"
    folder = published["index"].folder
    edition, *_ = PUBLISHED_SMALL.editions
    make_single(edition, folder, CUSTOM_LAYERS, target)
    soup = BeautifulSoup(target.read_text("utf-8"), "html.parser")
    links = soup.select("a[download]")
    assert len(links) == 2
    for link in links:
        content = link["href"].partition(";base64,")[2]
        assert "solutions/" not in base64.b64decode(content).decode()


@EACH_PAGE
def test_exercises_say_once_where_they_are_solved(pages, page):
    text = pages[page.path].article.get_text()
    said = words_of(page).runs.partition("{")[0]
    assert text.count(said) == (not page.is_solutions)


@EACH_LANGUAGE
def test_exercises_lead_to_where_they_are_solved(published, edition):
    page = published[f"{edition.folder}03_custom_layers"]
    (section,) = page.article.select("#exercises")
    start = edition.words.runs[:10]
    (said,) = (p for p in section.select("p") if start in p.text)
    links = {link.get_text(): link["href"] for link in said.select("a")}
    assert list(links) == ["Colab", "Binder", "JupyterHub", edition.words.lab]
    offered = page.soup.select(".chapter-actions a")
    *elsewhere, here = links.values()
    assert elsewhere == [a["href"] for a in offered[2:]]
    assert here == "index.html#how-to-run-it"


def test_page_for_teachers_has_the_policy_that_is_tested(pages):
    text = " ".join(pages["teach"].article.get_text().split())
    assert site.CSP in text
    assert site.CSP_SINGLE in text


def test_site_is_small(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= len(LANGUAGES) * 13e6


def test_site_without_an_address_has_no_sitemap(folder):
    assert not (folder / "sitemap.xml").exists()
    assert not (folder / "colab").exists()


def test_published_chapter_opens_elsewhere(published):
    links = published["03_custom_layers"].soup.select(".chapter-actions a")
    notebook = "chapters/03_custom_layers.ipynb"
    assert {link.get_text(): unquote(link["href"]) for link in links} == {
        "Download .ipynb": "03_custom_layers.ipynb",
        "Download .py": "03_custom_layers.py",
        "Open in Colab": "https://colab.research.google.com/github/owner/name/blob/"
        "gh-pages/colab/03_custom_layers.ipynb",
        "Open in Binder": "https://mybinder.org/v2/gh/owner/name/spring-1"
        f"?urlpath=lab/tree/{notebook}",
        "Open in JupyterHub": "https://hub.example.edu/hub/user-redirect/git-pull"
        "?repo=https://github.com/owner/name&branch=spring-1"
        "&urlpath=lab/tree/name/start.ipynb",
    }


def test_published_site_has_a_sitemap_and_previews(published):
    folder = published["index"].folder
    sitemap = (folder / "sitemap.xml").read_text("utf-8")
    found = re.findall("<loc>(.*?)</loc>", sitemap)
    address = PUBLISHED.address
    assert set(found) == {
        f"{address}{page.name}.html"
        for page in published.values()
        if page.has_text
    }
    for page in published.values():
        if not page.has_text:
            continue
        tags = {
            tag["property"]: tag["content"]
            for tag in page.soup.select("meta[property]")
        }
        assert tags["og:url"] == f"{address}{page.name}.html"
        *title, _ = page.article.h1.contents  # the last leads here
        assert tags["og:title"] == "".join(part.text for part in title)
        titles = {"en": PUBLISHED.title, **PUBLISHED.titles}
        assert tags["og:site_name"] == titles[page.language]
        if page.name in (*(c.path for c in CHAPTERS), "index", "zh/index"):
            picture = tags["og:image"].removeprefix(address)
            assert (folder / picture).is_file()
        canonical = page.soup.select_one("link[rel=canonical]")["href"]
        assert canonical == tags["og:url"]


def test_pages_name_each_other_for_search_engines(published):
    address = PUBLISHED_SMALL.address
    for page in published.values():
        name = page.name.removeprefix("zh/")
        assert page.alternates == {
            "en": f"{address}{name}.html",
            "zh-CN": f"{address}zh/{name}.html",
            "x-default": f"{address}{name}.html",
        }


def test_each_chapter_has_a_preview(offered):
    previews = {file.stem for file in (offered / "previews").iterdir()}
    assert previews == {chapter.stem for chapter in PUBLISHED.chapters}


def test_wrong_address_is_answered_from_the_folder_of_the_site(published):
    for folder in ("", "zh/"):
        page = published[f"{folder}404"]
        assert page.loaded
        home = f"/courses/dl/{folder}"
        assert all(url.startswith(f"{home}_static/") for url in page.loaded)
        assert page.soup.select(f'a[href="{home}index.html"]')


def test_chapter_left_out_leaves_no_trace(published, staged):
    assert "05_autograd" not in published
    folder = published["index"].folder
    assert not list(folder.parent.rglob("05_autograd*"))
    for page in published.values():
        assert "05_autograd" not in page.source
    assert "04_file_io" in published
    for name, text in staged.items():
        assert "05_autograd" not in name + text, name


@pytest.mark.parametrize(
    ("home", "title"),
    [("", PUBLISHED.title), ("zh/", PUBLISHED.titles["zh"])],
    ids=["en", "zh"],
)
def test_title_is_text_everywhere(published, home, title):
    page = published[f"{home}03_custom_layers"]
    assert page.soup.select_one(".logo__title").get_text() == title
    assert page.soup.title.string.endswith(title)
    heading = published[f"{home}index"].article.h1.get_text()
    assert plain(heading).startswith(title)


@pytest.mark.parametrize("edition", PUBLISHED_SMALL.editions, ids=str)
def test_single_file_leads_to_the_published_site(published, edition, tmp_path):
    target, folder = tmp_path / "03.html", published["index"].folder
    chapter = edition.chapters[0]
    make_single(edition, folder, chapter, target)
    soup = BeautifulSoup(target.read_text("utf-8"), "html.parser")
    assert soup.html["lang"] == edition.words.tag
    for one in PUBLISHED_SMALL.editions:  # the switch, too
        page = "04_file_io" if one == edition else "03_custom_layers"
        assert soup.select(f'a[href="{one.address}{page}.html"]')
    assert not soup.select("link[rel=stylesheet]")
    assert soup.select("details.prediction")
    scripts = "".join(script.get_text() for script in soup.select("script"))
    assert "button.unfold" in scripts
    loaded = [tag["src"] for tag in soup.select("[src]")]
    assert loaded
    assert all(url.startswith("data:") for url in loaded)


def test_colab_gets_a_cell_that_installs_and_the_chapter(published):
    folder = published["index"].folder
    copy = nbformat.read(folder / "colab/03_custom_layers.ipynb", 4)
    nbformat.validate(copy)
    first, *rest = copy.cells
    assert first.metadata.tags == [COLAB_TAG]
    revision = site.revision(Course("A"))
    assert f"git+https://github.com/owner/name@{revision}\n" in first.source
    wanted = notebook_of(CUSTOM_LAYERS).cells
    assert [c.id for c in rest] == [c.id for c in wanted]
    assert [c for c in rest if c.cell_type == "code"] == [
        c for c in wanted if c.cell_type == "code"
    ]
    assert not re.search(r"\((05_autograd|index)\.", str(rest))


def test_colab_installs_the_commit_that_the_site_was_built_from(monkeypatch):
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert site.revision(Course("A")) == head
    # Unpacked from an archive, it isn't known.
    monkeypatch.setattr(site, "ROOT", Path("/"))
    assert site.revision(Course("A", branch="spring-1")) == "spring-1"


def test_cell_for_colab_is_left_out_by_the_notebook_tests(published):
    colab = published["index"].folder / "colab"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command += ["-c", "pyproject.toml", "-o", "nbval_strict_twice=false"]
    done = subprocess.run(
        [*command, "-q", colab / "03_custom_layers.ipynb"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    cells = notebook_of(CUSTOM_LAYERS).cells
    count = sum(cell.cell_type == "code" for cell in cells)
    # One test more sees what the page leaves.
    assert f"{count + 1} passed, 1 skipped" in done.stdout, done.stdout
