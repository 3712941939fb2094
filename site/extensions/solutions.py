"""Solutions stay folded until a reader asks for one."""

from docutils import nodes
from sphinx.locale import _
from sphinx.transforms.post_transforms import SphinxPostTransform

from tools.exercise import HEADING


class solution(nodes.General, nodes.Element):  # noqa: N801  as docutils
    """What a reader unfolds, below the statement of an exercise."""


class FoldSolutions(SphinxPostTransform):
    """Fold each solution, from its idea to the next exercise."""

    default_priority = 203

    def run(self, **_):
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
                section += solution("", *folded, number=found[1])


def visit_solution(self, node):
    self.body.append(
        '<details class="solution">\n'
        f"<summary>{_('Solution to %s') % node['number']}</summary>\n"
    )


def depart_solution(self, _):
    self.body.append("</details>\n")


def setup(app):
    app.add_node(solution, html=(visit_solution, depart_solution))
    app.add_post_transform(FoldSolutions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
