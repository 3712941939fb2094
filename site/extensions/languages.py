"""The languages of the site: how they are told apart, joined and searched."""

import json
import posixpath
import re
from functools import cache, partial
from pathlib import Path

from babel.messages.pofile import read_po
from docutils import nodes
from sphinx import addnodes
from sphinx.search import SearchLanguage
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

LOCALE = Path(__file__).resolve().parents[1] / "locale"
# For Python and for JavaScript, so that they split a text alike: Chinese, of
# which no space parts the words, and all else.
HAN = r"\u3400-\u9fff"
WORDS = rf"[{HAN}]+|[0-9A-Za-z_\u00c0-\u024f\u0370-\u03ff]+"


class Bigrams(SearchLanguage):
    """Of Chinese, each two letters that stand together are a word.

    A term is found by the pairs in it, whichever words somebody else would
    see there; a letter by the pairs that have it (static/search.js).
    """

    lang = "zh"
    language_name = "Chinese"
    js_splitter_code = rf"""
var splitQuery = (query) => (query.match(/{WORDS}/g) ?? []).flatMap(
  (word) => /[{HAN}]./.test(word)
    ? [...word].slice(1).map((letter, i) => word[i] + letter)
    : [word],
);
"""

    def split(self, input: str) -> list[str]:  # noqa: A002  as Sphinx
        found = []
        for word in re.findall(WORDS, input):
            chinese = re.match(f"[{HAN}].", word)
            pairs = [word[i : i + 2] for i in range(len(word) - 1)]
            found += pairs if chinese else [word]
        return found


class NameSections(SphinxTransform):
    """The ids of sections are for their page: others may have the same.

    A translation gives them (tools/anchors.py), and MyST takes them for labels
    of the whole site.
    """

    default_priority = 800  # before labels are gathered

    def apply(self, **_):
        for section in self.document.findall(nodes.section):
            for name in section["names"]:
                self.document.nametypes[name] = False


class MarkEnglish(SphinxPostTransform):
    """On pages in another language, mark the docstrings as English."""

    default_priority = 204

    def run(self, **_):
        if self.config.language == "en":
            return
        for described in self.document.findall(addnodes.desc):
            described["classes"].append("language-en")
        for name in self.document.findall(nodes.field_name):
            name["classes"].append(f"language-{self.config.edition.words.tag}")


def add_links(app, pagename, _template, context, _doctree):
    """Give a page what leads to it in the other languages."""
    edition = app.config.edition
    editions = app.config.editions
    context["languages"] = [
        {
            "tag": other.words.tag,
            "name": other.words.name,
            "href": way(edition, other, pagename),
            "home": f"{edition.course.root}{other.folder}index.html",
            "say": partial(said, other.language),
            "is_here": other == edition,
        }
        for other in editions
    ]
    having = [one for one in editions if pagename in one.names]
    links = [
        (one.words.tag, address(edition, one, pagename)) for one in having
    ]
    if having and not having[0].folder:
        links.append(("x-default", links[0][1]))
    context["alternates"] = links if len(having) > 1 else []


def said(language, text) -> str:
    """What a template says, in a language; in English, if that lacks it."""
    return _catalog(language).get(text) or text


@cache
def _catalog(language) -> dict:
    file = LOCALE / f"{language}.po"
    if not file.is_file():
        return {}
    with file.open("rb") as opened:
        return {message.id: message.string for message in read_po(opened)}


def address(edition, other, pagename) -> str:
    """The whole address of a page in a language, if that is known."""
    if other.address:
        return f"{other.address}{pagename}.html"
    return way(edition, other, pagename)


def way(edition, other, pagename) -> str:
    """From a page to the same one in another language, or to its first."""
    name = pagename if pagename in other.names else "index"
    there = f"{other.folder}{name}.html"
    if pagename == "404":  # it is shown for any address
        return f"{edition.course.root}{there}"
    here = posixpath.dirname(f"{edition.folder}{pagename}")
    return posixpath.relpath(there, here or ".")


# Sphinx makes a function of a text there, which a strict host forbids.
TRANSLATIONS = "Documentation.addTranslations("
ALLOWED = """\
Object.assign(Documentation.TRANSLATIONS, {messages});
Documentation.PLURAL_EXPR = (n) => Number({plural_expr});
Documentation.LOCALE = {locale};
"""


def allow_translations(app, exception):
    """Say Sphinx's words in JavaScript without making code of a text."""
    script = app.outdir / "_static/translations.js"
    if exception or not script.is_file():
        return
    text = script.read_text("utf-8").strip()
    if text.startswith(TRANSLATIONS):
        catalog = json.loads(text.removeprefix(TRANSLATIONS).rstrip(");"))
        said = {
            key: json.dumps(catalog[key]) for key in ("messages", "locale")
        }
        said["plural_expr"] = catalog["plural_expr"]
        script.write_text(ALLOWED.format(**said), "utf-8")


def setup(app):
    app.add_config_value("editions", [], "html")
    app.add_search_language(Bigrams)
    app.add_transform(NameSections)
    app.add_post_transform(MarkEnglish)
    app.connect("html-page-context", add_links, priority=100)
    app.connect("build-finished", allow_translations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
