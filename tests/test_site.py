"""The site: built from the stored outputs, complete, and self-contained."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from tools.book import CHAPTERS, ROOT, sources

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}


class Page(HTMLParser):
    """What a page loads, its pictures' texts, and its formulas."""

    def __init__(self, path):
        super().__init__()
        self.loaded, self.alts, self.formulas = [], [], 0
        self.source = path.read_text("utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if LOADED.get(tag) in attrs:
            self.loaded.append(attrs[LOADED[tag]])
        if tag == "img":
            self.alts.append(attrs.get("alt", ""))
        self.formulas += "math" in (attrs.get("class") or "").split()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q"]
    command += ["-d", folder / "doctrees", "-c", ROOT / "site"]
    done = subprocess.run(
        [*command, CHAPTERS, folder / "html"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def pages(site):
    return ["index", *(source.stem for source in sources())]


def test_front_page_leads_to_every_chapter(site):
    front = (site / "index.html").read_text("utf-8")
    contents = re.search(r'<nav class="bd-links.*?</nav>', front, re.DOTALL)
    for source in sources():
        assert f'href="{source.stem}.html"' in contents[0]


def test_nothing_is_loaded_from_another_host(site):
    for name in pages(site):
        loaded = Page(site / f"{name}.html").loaded
        assert loaded
        assert not [url for url in loaded if re.match(r"(https?:)?//", url)]


def test_style_sheets_load_nothing_from_another_host(site):
    sheets = list((site / "_static").rglob("*.css"))
    assert sheets
    for sheet in sheets:
        text = sheet.read_text("utf-8")
        assert not re.findall(r"url\(\W*(?:https?:)?//[^)]*\)", text), sheet


def test_what_pages_load_is_there(site):
    for name in pages(site):
        for url in Page(site / f"{name}.html").loaded:
            if not url.startswith(("#", "data:")):
                assert (site / url.split("?")[0]).exists(), url


def test_pictures_keep_their_texts(site):
    alts = Page(site / "01_blocks.html").alts
    assert any(alt.startswith("A tree of modules") for alt in alts)
    assert all(alts)


def test_formulas_are_formulas(site):
    page = Page(site / "03_custom_layers.html")
    assert page.formulas >= 5
    assert any("mathjax" in url for url in page.loaded)
    assert "$N(0, 1)$" not in page.source


def test_outputs_are_those_stored(site):
    text = Page(site / "03_custom_layers.html").source
    assert "tensor([-50., -49., -48.])" in re.sub(r"<[^>]+>", "", text)
