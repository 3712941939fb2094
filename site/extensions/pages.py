"""What each page says about itself: to browsers, search engines, previews.

And what stands around the chapter: its files, and where else it opens.
"""

from html import escape

from docutils import nodes

from tools.page import Page
from tools.pictures import first_picture, preview_of

# What the theme and the extensions bring, and no page loads.
UNUSED = ["_static/scripts/fontawesome.js*", "_static/**/*.map"]
LENGTH = 160  # characters of a description that search engines show


def description(doctree: nodes.document) -> str:
    """The beginning of a page's prose, in whole words."""
    paragraph = next(doctree.findall(nodes.paragraph), None)
    words = paragraph.astext().split() if paragraph else []
    text = ""
    while words and len(text) + 1 + len(words[0]) <= LENGTH:
        text = f"{text} {words.pop(0)}".strip()
    return text + ("…" if words else "")


def meta(name: str, content: str) -> str:
    kind = "property" if name.startswith("og:") else "name"
    return f'<meta {kind}="{name}" content="{escape(content)}">\n'


def add_actions(app, pagename, _template, context, _doctree):
    for page in app.config.course.pages:
        if page.name == pagename:
            context["actions"] = actions(app.config.course, page)


def add_to_page(app, pagename, _template, context, doctree):
    course = app.config.course
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
            "og:site_name": course.title,
            "og:url": f"{course.address}{pagename}.html",
            "twitter:card": "summary",
        }
        if picture := preview(course, pagename):
            tags["og:image"] = f"{course.address}{picture[0]}"
            tags["og:image:alt"] = picture[1]
    context["metatags"] += "".join(meta(*tag) for tag in tags.items())


def preview(course, pagename) -> tuple[str, str] | None:
    """The picture that stands for a page elsewhere, and its text."""
    for chapter in course.chapters:
        if pagename in (chapter.name, "index"):
            return preview_of(chapter), first_picture(chapter).alt
    return None


def actions(course, page: Page) -> list[dict]:
    """The links above a chapter: what to do with it elsewhere."""
    found = [
        {
            "text": f"Download {file.suffix}",
            "href": file.name,
            "file": file.name,
        }
        for file in (page.notebook, page.source)
    ]
    found += [
        {"text": f"Open in {name}", "href": address}
        for name, address in course.places(page).items()
    ]
    return found


def finish(app, exception):
    """Add the sitemap, and take away what no page loads."""
    if exception:
        return
    out = app.outdir
    for pattern in UNUSED:
        for file in out.glob(pattern):
            file.unlink()
    course = app.config.course
    sitemap = out / "sitemap.xml"
    sitemap.unlink(missing_ok=True)
    if course.address:
        urls = "".join(
            f"<url><loc>{escape(course.address)}{name}.html</loc></url>\n"
            for name in sorted(app.env.found_docs - {"404"})
        )
        sitemap.write_text(
            '<?xml version="1.0" encoding="utf-8"?>\n'
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
            f"{urls}</urlset>\n",
            encoding="utf-8",
        )


def setup(app):
    app.add_config_value("course", None, "html")
    # Before the theme drops templates that stay empty, and after it has added
    # its scripts.
    app.connect("html-page-context", add_actions, priority=100)
    app.connect("html-page-context", add_to_page, priority=900)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
