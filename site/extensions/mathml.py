"""Formulas as MathML: no script draws them, and every browser of today does.

MathJax would cost a reader 270 kB, and show TeX to one without JavaScript.
"""

import re
from html import escape

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

TEXT = re.compile(r"\\text{[^}]*}")
# A minus after a bracket or a comma.
SIGN = re.compile(r"(&#x000(?:28|2C);</mo>)<mo>&#x02212;</mo>")
FUNCTION = re.compile(
    r"(<msub><mi>log</mi><mn>\d+</mn></msub>"
    r"|(?<!<msub>)(?<!<msup>)<mi>(?:sin|cos|log|exp)</mi>)"
    r"(?!<mo|<mrow><mo)(?=<)"
)
logger = logging.getLogger(__name__)


def mathml(node: nodes.Element, display: str) -> str:
    """The MathML of a formula; a command that isn't known is a warning."""
    # In text, the converter leaves an underscore its backslash.
    source = TEXT.sub(lambda m: m[0].replace(r"\_", "_"), node.astext())
    try:
        formula = convert(source, display=display)
        unknown = re.search(r"\\|&(?!#?\w+;)", formula)
    except Exception as error:  # the converter raises errors of many kinds
        formula, unknown = escape(source), repr(error)
    if unknown:
        logger.warning(
            "%r isn't TeX that can become MathML", source, location=node
        )
    return mend(formula)


def mend(formula: str) -> str:
    """Mark what the converter doesn't take for an operator or a function."""
    formula = formula.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")
    formula = SIGN.sub(r'\1<mo form="prefix">&#x02212;</mo>', formula)
    # A function has a thin space before its argument, unless it is in ( ).
    return FUNCTION.sub(r'\1<mspace width="0.17em"/>', formula)


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
