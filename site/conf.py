"""How the site looks.

The pages are the chapters with their stored outputs. Nothing is executed
here, so a page can't show a number that no test has compared.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import book

project = "Deep learning computation in PyTorch"
html_title = project
language = "en"

extensions = ["myst_nb", "sphinx_copybutton", "sphinx-mathjax-offline"]
exclude_patterns = ["**.ipynb_checkpoints"]
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath"]
# Headings that other pages may link to.
myst_heading_anchors = 3

html_theme = "sphinx_book_theme"
html_theme_options = {
    "footer_content_items": [],
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the sidebar has the search field
    "use_download_button": False,
    "use_fullscreen_button": False,
}
# Without it the theme complains in the console of a first-time reader.
html_context = {"default_mode": "auto"}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False


def add_contents(app, docname, content):
    """Put the list of chapters under the front page.

    In the page itself it would stand as a raw directive in JupyterLab.
    """
    if docname == "index":
        names = "\n".join(source.stem for source in book.sources())
        content[0] += f"\n```{{toctree}}\n:hidden:\n{names}\n```\n"


def setup(app):
    app.connect("source-read", add_contents)
    # Sphinx can't see that a new chapter changes the list.
    app.connect("env-get-outdated", lambda *_: ["index"])
