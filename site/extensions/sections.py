"""The search finds sections: a page may be twenty screens long.

The index has each section as an entry of its own, PAGE#SECTION, beside the
whole pages. static/search.js makes links of them.
"""

from collections.abc import Iterable, Set
from functools import cache

from docutils import nodes
from docutils.utils import new_document
from sphinx.builders.html import StandaloneHTMLBuilder


class SectionBuilder(StandaloneHTMLBuilder):
    def index_page(self, pagename, doctree, title):
        if self.indexer is None or not title:
            return
        file = self.env.doc2path(pagename, base=False)
        page, *sections = doctree.findall(nodes.section)
        self.indexer.feed(pagename, file, title, part(page, whole=True))
        found = [(s[0].astext(), s["ids"][0]) for s in (page, *sections)]
        for section, (name, anchor) in zip(sections, found[1:], strict=True):
            entry = f"{pagename}#{anchor}"
            self.indexer.feed(entry, file, f"{title} > {name}", part(section))
            self.indexer._all_titles[entry] = []  # the page has them
        self.indexer._all_titles[pagename] = found

    def load_indexer(self, docnames: Set[str]) -> None:
        """Keep the sections of pages that aren't written anew."""
        indexer, prune = self.indexer, self.indexer.prune
        indexer.lang.stem = cache(indexer.lang.stem)  # of a word, once

        def prune_sections(keep: Iterable[str]) -> None:
            known = [*indexer._titles]
            prune([n for n in known if n.partition("#")[0] in keep])

        indexer.prune = prune_sections
        super().load_indexer(docnames)


def part(section: nodes.section, *, whole: bool = False) -> nodes.document:
    """A section as a document, without the sections in it or with their text.

    Only its own title is one: where a title has a word, it counts more.
    """
    document = new_document("", section.document.settings)
    document.children = [_view(section, whole)]
    return document


def _view(section: nodes.section, whole: bool) -> nodes.section:
    """A section with other children, which themselves aren't copied."""
    view = section.copy()
    for child in section.children:
        if not isinstance(child, nodes.section):
            view.children.append(child)
        elif whole:
            title, *rest = _view(child, whole).children
            words = nodes.paragraph("", title.astext())
            view.children += [words, *rest]
    return view


def setup(app):
    app.add_builder(SectionBuilder, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
