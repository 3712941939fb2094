"""Formulas as MathML: no script draws them, and every browser of today does.

MathJax would cost a reader 270 kB, and show TeX to one without JavaScript.
"""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

TEXT = re.compile(r"\\text{[^}]*}")
logger = logging.getLogger(__name__)


def mathml(node: nodes.Element, display: str) -> str:
    """The MathML of a formula; a command that isn't known is a warning."""
    # In text, the converter leaves an underscore its backslash.
    source = TEXT.sub(lambda m: m[0].replace(r"\_", "_"), node.astext())
    formula = convert(source, display=display)
    if "\\" in formula:
        logger.warning("not all of %r is MathML", node.astext(), location=node)
    return formula


def visit_inline(self, node: nodes.math) -> None:
    self.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def visit_display(self, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math", tabindex="0"))
    self.body.append(mathml(node, "block"))
    self.body.append("</div>")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer(
        "mathml", (visit_inline, None), (visit_display, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
