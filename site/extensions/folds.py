"""What stays folded until a reader asks for it: solutions and predictions."""

from html import escape

from docutils import nodes
from sphinx.locale import _
from sphinx.transforms.post_transforms import SphinxPostTransform

from tools.exercise import HEADING
from tools.variants.site import FOLDED


class fold(nodes.General, nodes.Element):  # noqa: N801  as docutils
    """What a reader unfolds; its ``summary`` says what is in it."""


class FoldSolutions(SphinxPostTransform):
    """Fold each solution, from its idea to the next exercise."""

    default_priority = 203

    def run(self, **_options):
        edition = self.config.edition
        folded = [p for p in edition.pages if p.is_solutions]
        ideas = edition.beginnings("idea")
        if self.env.docname not in [page.name for page in folded]:
            return
        for section in list(self.document.findall(nodes.section)):
            found = HEADING.match(f"## {section[0].astext()}")
            starts = [
                i
                for i, child in enumerate(section)
                if child.astext().startswith(ideas)
            ]
            if found and starts:
                folded = section[starts[0] :]
                del section[starts[0] :]
                summary = _("Solution to %s") % found[1]
                section += fold(
                    "", *folded, summary=summary, classes=["solution"]
                )


class FoldPredictions(SphinxPostTransform):
    """Fold the outputs that a reader is asked to predict."""

    default_priority = 204

    def run(self, **_options):
        summary = _("Say what you expect, then open")
        for cell in list(self.document.findall(nodes.container)):
            if f"tag_{FOLDED}" not in cell["classes"]:
                continue
            for output in list(cell):
                if output.get("nb_element") == "cell_code_output":
                    folded = fold("", summary=summary, classes=["prediction"])
                    cell.replace(output, folded)
                    folded += output


def visit_fold(self, node):
    (kind,) = node["classes"]
    self.body.append(
        f'<details class="{kind}">\n'
        f"<summary>{escape(node['summary'])}</summary>\n"
    )


def depart_fold(self, _node):
    self.body.append("</details>\n")


def setup(app):
    app.add_node(fold, html=(visit_fold, depart_fold))
    app.add_post_transform(FoldSolutions)
    app.add_post_transform(FoldPredictions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
