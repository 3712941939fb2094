"""A browser, and the built site on a server of its own.

The server stands for a course host: the site is in a folder of it, and it
sends the Content-Security-Policy that the page "Teach with this" documents.
"""

import contextlib
import functools
import http.server
import shutil
import threading
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

from tools.course import read_course
from tools.folders import BUILD
from tools.site import CSP

# Of the system; without one, playwright's own.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Where the site will be, as far as that is known; some folder of a host.
ADDRESS = urlsplit(read_course().address)
PREFIX = ADDRESS.path.rstrip("/") if ADDRESS.netloc else "/courses/dl"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder twice, below a prefix and without, as a strict host."""

    def translate_path(self, path):
        return super().translate_path(path.removeprefix(PREFIX))

    def end_headers(self):
        self.send_header("Content-Security-Policy", CSP)
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def site():
    """The built site: its folder and its address."""
    folder = BUILD / "html"
    assert (folder / "index.html").is_file(), "run `make html` first"
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_port}"
        yield SimpleNamespace(
            folder=folder,
            origin=origin,
            address=f"{origin}{PREFIX}/",
            pages=sorted(p.name for p in folder.glob("*.html")),
        )
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(
                filter(None, map(shutil.which, BROWSERS)), None
            ),
            args=["--no-sandbox"],
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, site):
    """Opens an address, and fails at the end if the page has complained."""
    complaints = []
    with contextlib.ExitStack() as stack:

        def visit(url, **options):
            # Without an address, the page for wrong ones is for the root.
            to_root = "404" in url and not ADDRESS.netloc
            home = site.origin if to_root else site.address
            places = (home, "data:", "file:", "about:")
            context = browser.new_context(**options)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(10_000)
            page.on(
                "console",
                lambda m: (
                    complaints.append(m.text)
                    if m.type in ("error", "warning")
                    else None
                ),
            )
            page.on("pageerror", lambda e: complaints.append(str(e)))
            page.on(
                "request",
                lambda r: (
                    complaints.append(f"a request to {r.url}")
                    if not r.url.startswith(places)
                    else None
                ),
            )
            page.on(
                "response",
                lambda r: (
                    complaints.append(f"{r.status} for {r.url}")
                    if r.status >= 400
                    else None
                ),
            )
            page.goto(url if ":" in url else site.address + url)
            return page

        yield visit
    assert not complaints
