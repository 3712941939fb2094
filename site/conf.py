"""How the site looks; `make html` builds it (tools/site.py)."""

import sys
from html import escape
from pathlib import Path

SITE = Path(__file__).resolve().parent
sys.path[:0] = [str(SITE.parent), str(SITE / "extensions")]

from sphinx.locale import _

from tools.course import handed_over
from tools.gate import MYST_EXTENSIONS
from tools.variants.site import ACROSS

edition = handed_over()
course = edition.course
editions = course.editions
project = html_title = edition.title
language = edition.words.locale
# Sphinx asks the words there before its own, and the theme's.
locale_dirs = ["locale"]
html_baseurl = edition.address

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "notfound.extension",
    "marks",
    "mathml",
    "pages",
    "sections",
    "languages",
    "folds",
]
nb_execution_mode = "off"
# Sphinx and JupyterLab show both as they are stored; nothing is converted.
myst_enable_extensions = [*MYST_EXTENSIONS]
# Links that leave an edition are as they are; without this, MyST looks there.
myst_url_schemes = {
    "http": None,
    "https": None,
    "mailto": None,
    ACROSS: "{{path}}#{{fragment}}",
}
# Headings that other pages may link to.
myst_heading_anchors = 3
html_math_renderer = "mathml"
templates_path = ["templates"]

autodoc_default_options = {"class-doc-from": "class"}
autodoc_typehints = "none"
napoleon_custom_sections = ["Shape"]
napoleon_use_ivar = True
# Names of torch and of Python, whose own pages are elsewhere.
nitpick_ignore_regex = [("py:.*", r"(?!d2l_helpers).*")]

notfound_context = {"title": _("There is no such page")}
notfound_template = "404.html"
notfound_urls_prefix = f"{course.root}{edition.folder}"

# `make links` asks each address, which takes a network.
linkcheck_anchors = False
linkcheck_retries = 3
linkcheck_timeout = 20

html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "article_header_end": ["chapter-actions"],
    "back_to_top_button": False,
    "footer_start": ["license"],
    "footer_end": [],
    "navbar_align": "left",
    "primary_sidebar_end": [],
    "navbar_center": [],
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["languages.html", "search-button-field.html"],
    "search_bar_text": _("Search"),
    "secondary_sidebar_items": ["page-toc"],
}
# The theme writes the text as it is.
html_theme_options["logo"] = {"text": escape(edition.title)}
if course.logo:
    for mode in ("light", "dark"):
        html_theme_options["logo"][f"image_{mode}"] = f"static/{course.logo}"
html_sidebars = {"**": ["book-nav.html"]}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [
    (name, {"defer": "defer"})
    for name in ("folds.js", "languages.js", "menus.js")
]
html_favicon = "static/icon.svg"
html_copy_source = False
html_use_index = False
copybutton_selector = ".cell_input pre, div.highlight-sh pre"
