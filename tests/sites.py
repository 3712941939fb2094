"""Sites built for the tests, and their pages."""

import json
import os
import subprocess
import sys
from functools import cached_property

from bs4 import BeautifulSoup

from tools.environment import ROOT

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}
PUBLISHED = {
    "title": "A course",
    "address": "https://example.edu/courses/dl/",
    "repository": "https://github.com/owner/name",
    "branch": "spring-1",
    "hub": "https://hub.example.edu",
    "leave_out": ["05"],
    "solutions": False,
}


class Page:
    """A page of the built site."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.source = (folder / f"{name}.html").read_text("utf-8")

    @cached_property
    def soup(self):
        return BeautifulSoup(self.source, "html.parser")

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


def contents(folder):
    """Each file of a folder, and each link, with what it holds."""
    return {
        path.relative_to(folder).as_posix(): (
            path.readlink() if path.is_symlink() else path.read_bytes()
        )
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def snippet(how, out):
    """Python code that builds a site after something was changed."""
    return (
        "import errno, pathlib, shutil, signal, sys, tempfile\n"
        # A shell ignores Ctrl-C for what it runs in the background.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from tools import files, site\n"
        "def fail(error):\n"
        "    def failing(*_, **__):\n"
        "        raise error\n"
        "    return failing\n"
        f"{how}\n"
        f"site.BUILD = pathlib.Path({str(out.parent)!r})\n"
        "site.read_course = lambda *_: site.Course('A course')\n"
        "sys.exit(site.main([]))\n"
    )


def start_build(how, out):
    return subprocess.Popen(
        [sys.executable, "-c", snippet(how, out)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where Sphinx reports what it didn't expect.
        env={**os.environ, "TMPDIR": str(out.parent.parent)},
    )


def build_after(how, out):
    """Build a site after something was changed: status, and complaints."""
    build = start_build(how, out)
    _, complaints = build.communicate()
    return build.returncode, complaints
