"""Sites built for the tests, and their pages."""

import io
import json
import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from concurrent.futures import Future
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, replace
from functools import cached_property

import pytest
from bs4 import BeautifulSoup
from sphinx.locale import translators

from tools import gate, site
from tools.course import HANDED_OVER, Course
from tools.environment import ROOT
from tools.page import chapters

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}


def but(*numbers):
    """What a course leaves out that has these chapters alone."""
    return [c.stem for c in chapters() if c.number not in numbers]


# Pages of all kinds, and as few as that takes.
SMALL = Course("A course", languages=["en"], leave_out=but(3))
# With addresses, without 05 and without solutions.
PUBLISHED = Course(
    'A "B" & <C> 深度 *d*',
    titles={"zh": "深度 'B' & <C> *d*"},
    address="https://example.edu/courses/dl/",
    repository="https://github.com/owner/name",
    branch="spring-1",
    hub="https://hub.example.edu",
    leave_out=["05"],
    solutions=False,
)
PUBLISHED_SMALL = replace(PUBLISHED, leave_out=but(3, 4))


class Page:
    """A page of the built site."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.source = (folder / f"{name}.html").read_text("utf-8")

    @cached_property
    def soup(self):
        return BeautifulSoup(self.source, "html.parser")

    @property
    def language(self):
        """That of its folder."""
        return "zh" if self.name.startswith("zh/") else "en"

    @property
    def has_text(self):
        """Whether it is a page to read, and to find elsewhere."""
        return self.name.rpartition("/")[2] not in ("search", "404")

    @property
    def alternates(self):
        """The addresses of the same page, by language."""
        links = self.soup.select('link[rel="alternate"]')
        return {link["hreflang"]: link["href"] for link in links}

    @property
    def article(self):
        return self.soup.select_one("article")

    @property
    def loaded(self):
        return [
            tag[LOADED[tag.name]]
            for tag in self.soup.select(
                "script[src], img[src], link[rel~=stylesheet], "
                "link[rel~=icon], iframe[src]"
            )
        ]

    @property
    def ids(self):
        return {tag["id"] for tag in self.soup.select("[id]")}


def built(folder, **course):
    """Build a site in a process of its own, as `make html` does."""
    code = (
        "import json, pathlib, sys\n"
        "from tools import site\n"
        "_, course, out = sys.argv\n"
        "course = site.Course(**json.loads(course))\n"
        "sys.exit(site.build(course, pathlib.Path(out)))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, json.dumps(course), folder / "html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


class Sound:
    """In the place of other processes: all pages are sound, the rest is done.

    It is done in this process, where a test may have changed something.
    """

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        future = Future()
        translators.clear()  # of the language before
        try:
            pages = function == gate.all_problems
            future.set_result([] if pages else function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def build(out, course=SMALL, arguments=(), pool=Sound):
    """Do in this process what `make html` does: status, and complaints."""
    said = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(action="ignore"),  # Sphinx's own
        redirect_stderr(said),
        redirect_stdout(io.StringIO()),
    ):
        patch.setattr(site, "BUILD", out.parent)
        patch.setattr(site, "read_course", lambda: course)
        patch.setattr(site, "ProcessPoolExecutor", pool)
        # What a build leaves behind in its process.
        patch.setenv(HANDED_OVER, "")
        patch.setattr(sys, "path", [*sys.path])
        # Where Sphinx reports what it didn't expect.
        patch.setattr(tempfile, "tempdir", str(out.parent.parent))
        try:
            status = site.main([*arguments])
        except Exception:
            traceback.print_exc()
            status = 1
    return status, said.getvalue()


def start_build(how, out):
    """Start a process that builds a site after something was changed."""
    code = (
        "import pathlib, signal, sys\n"
        # A shell ignores Ctrl-C for what it runs in the background.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from tools import site\n"
        f"{how}\n"
        f"site.BUILD = pathlib.Path({str(out.parent)!r})\n"
        f"course = site.Course(**{asdict(SMALL)})\n"
        "site.read_course = lambda: course\n"
        "sys.exit(site.main([]))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(out.parent.parent)},
    )


def contents(folder):
    """Each file of a folder, and each link, with what it holds."""
    return {
        path.relative_to(folder).as_posix(): (
            path.readlink() if path.is_symlink() else path.read_bytes()
        )
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }
