"""What the prose of a chapter says by words alone, said to the browser too."""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

HAN = re.compile(r"[\u3400-\u9fff]+")
PACKAGE = "d2l_helpers"
REFERENCE = "reference"


class chinese(nodes.inline):  # noqa: N801  docutils names its nodes so
    """Words in Chinese, which a screen reader speaks with another voice."""


class MarkPitfalls(SphinxPostTransform):
    """Give a block quote that begins as pitfalls do a class of its own."""

    default_priority = 200

    def run(self, **_):
        pitfalls = self.config.edition.beginnings("pitfall")
        for quote in self.document.findall(nodes.block_quote):
            if quote.astext().startswith(pitfalls):
                quote["classes"].append("pitfall")


class MarkChinese(SphinxPostTransform):
    """Mark the words in Chinese as such, on pages in another language.

    On Chinese pages, those are marked for which there are no italics.
    """

    default_priority = 201

    def run(self, **_):
        if self.config.language.startswith("zh"):
            for emphasis in self.document.findall(nodes.emphasis):
                if HAN.search(emphasis.astext()):
                    emphasis["classes"].append("upright")
            return
        for text in list(self.document.findall(nodes.Text)):
            parts, end = [], 0
            for match in HAN.finditer(text):
                parts.append(nodes.Text(text[end : match.start()]))
                parts.append(chinese("", match[0]))
                end = match.end()
            if parts and not isinstance(text.parent, nodes.literal_block):
                parts.append(nodes.Text(text[end:]))
                text.parent.replace(text, [p for p in parts if p.astext()])


class LinkToReference(SphinxPostTransform):
    """Link each name of the package, in prose, to its page of reference."""

    default_priority = 202

    def run(self, **_):
        if self.env.docname == REFERENCE:
            return
        known = self.env.domaindata["py"]["objects"]
        for literal in list(self.document.findall(nodes.literal)):
            name = literal.astext().removeprefix(f"{PACKAGE}.")
            entry = known.get(f"{PACKAGE}.{name.removesuffix('()')}")
            if entry is None or _is_within(
                literal, (nodes.reference, nodes.title)
            ):
                continue
            link = make_refnode(
                self.app.builder,
                self.env.docname,
                entry.docname,
                entry.node_id,
                literal.deepcopy(),
                f"{PACKAGE}.{name}",
            )
            literal.replace_self(link)


def _is_within(node, kinds):
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False


def visit_chinese(self, node):
    self.body.append(self.starttag(node, "span", "", lang="zh"))


def depart_chinese(self, node):
    self.body.append("</span>")


def setup(app):
    app.add_node(chinese, html=(visit_chinese, depart_chinese))
    for transform in (MarkPitfalls, MarkChinese, LinkToReference):
        app.add_post_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
