"""What each page says about itself: to browsers, search engines, previews.

And what stands around the chapter: its files, and where else it opens.
"""

import re
from html import escape

from docutils import nodes
from folds import fold
from sphinx.locale import _

from tools.page import Page
from tools.pictures import first_picture, preview_of

# What the theme and the extensions bring, and no page loads.
UNUSED = ["_static/scripts/fontawesome.js*", "_static/**/*.map"]
LENGTH = 160  # characters of a description that search engines show


# Where a text may be cut: between words, and in Chinese behind a mark.
CUT = re.compile(rf".{{0,{LENGTH}}}(?:(?<=[，。、；：？！）])|(?=\s|$))")


def description(doctree: nodes.document) -> str:
    """The beginning of a page's prose, in whole words."""
    paragraph = next(doctree.findall(nodes.paragraph), None)
    text = " ".join(paragraph.astext().split()) if paragraph else ""
    start = CUT.match(text)[0]
    return start if start == text else start.rstrip("，、；：") + "…"


def meta(name: str, content: str) -> str:
    kind = "property" if name.startswith("og:") else "name"
    return f'<meta {kind}="{name}" content="{escape(content)}">\n'


def add_actions(app, pagename, _template, context, doctree):
    for page in app.config.edition.pages:
        if page.name == pagename:
            context["actions"] = actions(app.config.edition, page)
            context["has_predictions"] = any(
                "prediction" in folded["classes"]
                for folded in doctree.findall(fold)
            )


def add_to_page(app, pagename, _template, context, doctree):
    edition = app.config.edition
    course = edition.course
    # The theme's inline scripts serve options that we don't use.
    context["script_files"] = [
        script for script in context["script_files"] if script.filename
    ]
    if doctree is None:
        return
    title = doctree.next_node(nodes.title).astext()
    tags = {"description": description(doctree)}
    if course.address:
        tags |= {
            "og:type": "website",
            "og:title": title,
            "og:description": tags["description"],
            "og:site_name": edition.title,
            "og:url": f"{edition.address}{pagename}.html",
            "twitter:card": "summary",
        }
        if picture := preview(edition, pagename):
            tags["og:image"] = f"{course.address}{picture[0]}"
            tags["og:image:alt"] = picture[1]
    context["metatags"] += "".join(meta(*tag) for tag in tags.items())


def preview(edition, pagename) -> tuple[str, str] | None:
    """The picture that stands for a page elsewhere, and its text."""
    for chapter in edition.chapters:
        if pagename in (chapter.name, "index"):
            return preview_of(chapter), first_picture(chapter).alt
    return None


def actions(edition, page: Page) -> list[dict]:
    """The links above a chapter: what to do with it elsewhere."""
    found = [
        {
            "text": _("Download %s") % file.suffix,
            "href": file.name,
            "file": file.name,
        }
        for file in (page.notebook, page.source)
    ]
    found += [
        {"text": _("Open in %s") % name, "href": address}
        for name, address in edition.course.places(page).items()
    ]
    return found


def finish(app, exception):
    """Take away what no page loads."""
    if not exception:
        for pattern in UNUSED:
            for file in app.outdir.glob(pattern):
                file.unlink()


def setup(app):
    app.add_config_value("edition", None, "html")
    # Before the theme drops templates that stay empty, and after it has added
    # its scripts.
    app.connect("html-page-context", add_actions, priority=100)
    app.connect("html-page-context", add_to_page, priority=900)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
