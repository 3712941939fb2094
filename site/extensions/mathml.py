"""Formulas as MathML: no script draws them, and every browser of today does.

MathJax would cost a reader 270 kB, and show TeX to one without JavaScript.
"""

import re
from hashlib import sha256
from html import escape

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

SHEET = "_static/math.css"
# What JupyterLab shows alike, by what the converter knows. It would number
# some of them, which JupyterLab doesn't.
ALIKE = {
    "align": "aligned",
    "alignat": "aligned",
    "alignedat": "aligned",
    "equation": "aligned",
    "flalign": "aligned",
    "gather": "gathered",
    "multline": "multline*",
    "smallmatrix": "matrix",
    "split": "aligned",
}
REWRITTEN = [
    (r"(\\begin{align(?:ed)?at\*?})\s*{\d+}", r"\1"),
    (
        rf"\\(begin|end){{({'|'.join(ALIKE)})\*?}}",
        lambda match: rf"\{match[1]}{{{ALIKE[match[2]]}}}",
    ),
    (r"\\begin{eqnarray\*?}", r"\\begin{array}{rcl}"),
    # Where it stands in its line.
    (r"(\\begin{(?:aligned|array|gathered)})\s*\[[bct]\]", r"\1"),
    (r"\\substack\s*{([^{}]*)}", r"\\begin{matrix}\1\\end{matrix}"),
    (r"\\end{eqnarray\*?}", r"\\end{array}"),
    (r"\\label{[^}]*}|\\(?:notag|nonumber)\b", ""),
    (r"\\tag\*{([^}]*)}", r"\\qquad\\text{\1}"),
    (r"\\tag{([^}]*)}", r"\\qquad\\text{(\1)}"),
    # Limits stand below it.
    (r"\\mathop\s*{\s*\\mathrm\s*{([a-zA-Z]+)}\s*}", r"\\operatorname*{\1}"),
    # The distance to the next line; an end of line where no line follows.
    (r"(\\\\)(?:\*|\s*\[-?[\d.]+\s*[a-z]{2}\])", r"\1"),
    (r"\\\\\s*(?=\\end{)", ""),
]
# What stands at a formula without a space, and stays on its line.
BEFORE = re.compile(r"[(\[“‘（《]*\Z")
AFTER = re.compile(r"[^\s\u2e80-\uffef]*[，。、：；！？）》”’]*")
converter = LatexToMathML(fancy_error=False)
rules: set[str] = set()  # for the style sheet, of all pages
logger = logging.getLogger(__name__)


def mathml(source: str, *, display: bool) -> str:
    """The MathML of a formula.

    Raises:
        LatexError: if a command isn't known, or stands where it may not.
    """
    if display:  # as it is anyway
        source = re.sub(r"^\s*\\displaystyle\b", "", source)
    for pattern, replacement in REWRITTEN:
        source = re.sub(pattern, replacement, source)
    formula = converter.convert_with_local_state(source, displaystyle=display)
    if "??" in formula and "ref" in source:
        raise LatexError("a formula has no number that another could name")
    # It changes nothing here, and checkers of HTML don't know it on a table.
    return formula.replace(' scriptlevel="0"', "")


def styled(formula: str) -> str:
    """The formula with classes for its styles, which a strict host forbids."""

    def named(match: re.Match) -> str:
        name = f"math-{sha256(match[1].encode()).hexdigest()[:8]}"
        rules.add(f".{name} {{ {match[1]} }}")
        return f' class="{name}"'

    return re.sub(r' style="([^"]*)"', named, formula)


def show(self, node: nodes.Element, *, display: bool) -> None:
    source = node.astext()
    try:
        formula = mathml(source, display=display)
    except LatexError as error:
        logger.warning(
            "%r isn't TeX that can become MathML: %s",
            source,
            error,
            location=node,
        )
        formula = f"<math><mtext>{escape(source)}</mtext></math>"
    self.body.append(styled(formula))


class KeepTogether(SphinxPostTransform):
    """Hold a formula and the marks at it together.

    To a browser it is a picture, at whose sides a line may end: the next one
    would begin with a comma.
    """

    default_priority = 203  # behind what replaces parts of a text

    def run(self, **_):
        for formula in list(self.document.findall(nodes.math)):
            line = formula.parent
            place = line.index(formula)
            left, right = (
                text if isinstance(text, nodes.Text) else ""
                for text in (["", *line, ""][i] for i in (place, place + 2))
            )
            before, after = BEFORE.search(left)[0], AFTER.match(right)[0]
            if not before + after:
                continue
            parts = nodes.Text(before), formula, nodes.Text(after)
            line[place] = nodes.inline("", "", *parts, classes=["whole"])
            if before:
                line[place - 1] = nodes.Text(left.removesuffix(before))
            if after:
                line[place + 1] = nodes.Text(right.removeprefix(after))


def visit_inline(self, node: nodes.math) -> None:
    show(self, node, display=False)
    raise nodes.SkipNode


def visit_display(self, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math", tabindex="0"))
    show(self, node, display=True)
    self.body.append("</div>")
    raise nodes.SkipNode


def read_rules(app) -> None:
    """Begin with the rules of pages that aren't written anew."""
    rules.clear()
    sheet = app.outdir / SHEET
    if sheet.is_file():
        rules.update(sheet.read_text("utf-8").splitlines())


def write_rules(app, exception) -> None:
    if exception is None and app.builder.format == "html":
        (app.outdir / SHEET).write_text("\n".join(sorted(rules)), "utf-8")


def setup(app):
    app.add_html_math_renderer(
        "mathml", (visit_inline, None), (visit_display, None)
    )
    app.add_post_transform(KeepTogether)
    app.connect("builder-inited", read_rules)
    app.connect("build-finished", write_rules)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
