"""The course site: one folder of HTML, from the stored chapters.

    python -m tools.site                  the site, into _build/html
    python -m tools.site single CHAPTER [LANGUAGE]
                                          one chapter, into one file
    python -m tools.site links            ask each address that it links to

site/course.toml holds what a teacher changes. Nothing is executed here: a
page can't show an output that no test has compared. Sphinx works beside the
site, in _build/html-work, once for each language and all of them at once, from
the chapters as this course wants them; what it has built takes the place of
the old site when all is well.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from filelock import FileLock, Timeout

from tools import files, gate
from tools.course import SITE, Course, Edition, hand_over, read_course
from tools.environment import ROOT
from tools.folders import (
    BUILD,
    remember,
    replacing,
    require_known,
    require_own,
    shown,
)
from tools.hosts import GITHUB
from tools.page import LANGUAGES, chapters
from tools.pictures import first_picture, preview_of
from tools.single import make_single
from tools.staging import stage
from tools.variants import colab, download, made

# What the processes import that build it, and compare its pages.
IMPORTED = [
    "tools.gate",
    "tools.staging",
    "sphinx.cmd.build",
    "sphinx.application",
    "sphinx.builders.html",
    "sphinx.ext.autodoc",
    "myst_nb.sphinx_ext",
    "pydata_sphinx_theme",
    "d2l_helpers",  # and so torch, for the page of reference
]
LINKCHECK = ["-b", "linkcheck", "-q"]  # for Sphinx
# What the pages need of a host that allows nothing else.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
# What a chapter in one file needs: it holds its style and its scripts itself.
CSP_SINGLE = (
    "default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)


def revision(course: Course) -> str:
    """What Colab installs: the commit, or a branch where git can't say.

    A later commit may have helpers that these chapters don't know.
    """
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True
        )
    except OSError:  # there is no git
        return course.branch
    return done.stdout.strip() or course.branch


def add_files(edition: Edition, out: Path) -> None:
    """Put the chapters' own files beside their pages."""
    variant = download.variant(edition.course)
    for page in edition.pages:
        target = out / f"{page.name}.ipynb"
        nbformat.write(made(page, files.read_stored(page), variant), target)
        script = made(page, files.read_source(page), variant)
        text = files.script(script)
        target.with_suffix(".py").write_text(text, "utf-8")


def add_common_files(course: Course, out: Path) -> None:
    """Put into the site what its languages share."""
    if course.address:
        (out / "previews").mkdir(exist_ok=True)
        for chapter in course.editions[0].chapters:
            picture = first_picture(chapter).png
            (out / preview_of(chapter)).write_bytes(picture)
        write_sitemap(course, out / "sitemap.xml")
    host = urlsplit(course.address).hostname
    on_github = course.source and course.source.host == GITHUB
    if on_github and host and not host.endswith(".github.io"):
        (out / "CNAME").write_text(f"{host}\n")  # GitHub reads it there
    if on_github:  # Colab opens nothing else
        variant = colab.variant(course, revision(course))
        for page in [page for one in course.editions for page in one.pages]:
            target = out / "colab" / f"{page.path}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            notebook = made(page, files.read_stored(page), variant)
            nbformat.write(notebook, target)


def write_sitemap(course: Course, target: Path) -> None:
    """Write for search engines which pages there are, in each language."""
    urls = "".join(
        f"<url><loc>{escape(one.address)}{name}.html</loc></url>\n"
        for one in course.editions
        for name in sorted(one.names - {"search", "404"})
    )
    target.write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{urls}</urlset>\n",
        encoding="utf-8",
    )


def build(course: Course, out: Path = BUILD / "html") -> int:
    """Build the site; return the exit status of Sphinx, or 1.

    Args:
        course (Course): what it is called, where it will be.
        out (Path): the folder that gets it, if all is well; else it stays as
            it was.

    Raises:
        LookupError: if somebody has changed the folder since it was built,
            or if it is a link.
    """
    work = out.with_name(f"{out.name}-work")
    record = work / "site.json"
    with alone(work):
        require_known(out, record)
        status = _build(course, work)
        if not status:
            with replacing(out) as new:
                for edition in course.editions:
                    html, target = _html(edition, work), new / edition.folder
                    shutil.copytree(html, target, dirs_exist_ok=True)
                add_common_files(course, new)
                require_known(out, record)  # it took a while
                remember(new, record, also=True)
            remember(out, record)
    return status


def _build(course: Course, work: Path) -> int:
    """Look for what keeps pages from being published, and build all else."""
    editions = course.editions
    pages = [page for edition in editions for page in edition.pages]
    with ProcessPoolExecutor(1 + len(editions), mp_context=_context()) as pool:
        # Where Ctrl-C doesn't show: it is for this process.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            wrong = pool.submit(gate.all_problems, pages)
            built = [
                pool.submit(build_edition, edition, work / edition.language)
                for edition in editions
            ]
        finally:
            signal.signal(signal.SIGINT, handler)
        try:
            status = max(one.result() for one in built)
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        except Exception:
            if not wrong.result():
                raise
            status = 1
        if wrong.result():
            print(*wrong.result(), sep="\n", file=sys.stderr)
            status = 1
    return status


def _context() -> multiprocessing.context.BaseContext:
    """How processes start: with what they import, where that is safe."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Wait until no other build works in a folder."""
    require_own(work)
    require_own(work / "lock")
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / "lock", is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("Another build is at work: waiting for it", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def build_edition(edition: Edition, work: Path) -> int:
    """Build the pages of a language in a folder of their own."""
    from sphinx.cmd.build import main as sphinx

    require_own(work)
    source, doctrees, html = (work / n for n in ("source", "doctrees", "html"))
    others = work / "jupyter_execute"  # myst-nb's copies of the notebooks
    if any(path.is_symlink() for path in work.rglob("*")):
        remove(source, doctrees, html, others)
    stage(edition, source)
    hand_over(edition)
    stamp = doctrees / "made-from"
    outline = outline_of(edition, source)
    made_from = stamp.read_text("utf-8") if stamp.is_file() else None
    if made_from != outline or not html.is_dir():
        remove(doctrees, html, others)
    stamp.unlink(missing_ok=True)
    options = ["-W", "-n", "-q", "--keep-going", "-d", str(doctrees)]
    options += ["-c", str(SITE)]
    # Without the stamp, the next build begins anew: Sphinx doesn't repeat
    # its warnings about pages that haven't changed.
    if status := sphinx([*options, str(source), str(html)]):
        return status
    add_files(edition, html)
    stamp.write_text(outline, "utf-8")
    return 0


def _html(edition: Edition, work: Path) -> Path:
    return work / edition.language / "html"


def ask_links(course: Course, out: Path, work: Path) -> int:
    """Ask each address that the site links to; return Sphinx's exit status.

    Args:
        course (Course): which pages there are.
        out (Path): the folder that gets the answers, one for each language.
        work (Path): the folder in which the site is built.
    """
    from sphinx.cmd.build import main as sphinx

    status = 0
    with alone(work):
        for edition in course.editions:
            source = work / edition.language / "source"
            stage(edition, source)
            hand_over(edition)
            options = [*LINKCHECK, "-c", str(SITE), str(source)]
            status |= sphinx([*options, str(out / edition.language)])
    return status


def remove(*folders: Path) -> None:
    """Remove folders of the work, but nothing that a link leads to."""
    for folder in folders:
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)


def outline_of(edition: Edition, source: Path) -> str:
    """What concerns more than one page, or all: as one hash.

    When a chapter changes, Sphinx writes its page anew and few others. That
    is right as long as its headings, which others link to, are the same.
    """
    code = [*SITE.rglob("*.*"), *Path(__file__).parent.rglob("*.py")]
    code += [ROOT / "constraints.txt", *source.glob("*.md")]
    parts = [repr(edition)]
    parts += [str(sorted(one.names)) for one in edition.course.editions]
    for file in sorted(file for file in code if file.is_file()):
        if file.suffix != ".pyc":
            parts += [file.name, file.read_bytes().hex()]
    for page in edition.pages:
        text = (source / f"{page.name}.ipynb").read_text("utf-8")
        parts += [page.name, *re.findall(r'"#+ .*"', text)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def make(arguments: list[str]) -> tuple[int, Path]:
    """Carry out a command; return the exit status, and the page to look at."""
    course = read_course()
    out, work = BUILD / "html", BUILD / "html-work"
    match arguments:
        case []:
            return build(course, out), out / "index.html"
        case ["single", which, *language] if which:
            if {*language} - {"", *LANGUAGES}:
                known = ", ".join(LANGUAGES)
                raise LookupError(f"EDITION is one of {known}, or empty")
            (chapter,) = chapters(which, language="".join(language))
            found = [e for e in course.editions if chapter in e.chapters]
            if not found:
                raise LookupError(f"course.toml leaves out {chapter}")
            name = chapter.path.replace("/", "-")
            page = BUILD / "single" / f"{name}.html"
            record = work / f"{name}.json"
            with alone(work):
                require_own(page.parent)
                require_known(page, record)
                if not (status := build(course, out)):
                    make_single(found[0], out, chapter, page)
                    remember(page, record)
            return status, page
        case ["single", "", *_]:
            raise LookupError("name a chapter: make html-single CH=03")
        case _:
            raise LookupError(__doc__)


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    try:
        if arguments == ["links"]:
            work = BUILD / "html-work"
            return ask_links(read_course(), BUILD / "links", work)
        status, page = make(arguments)
    except (LookupError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped: all is as it was", file=sys.stderr)
        return 130
    if status:
        print(f"{shown(page)} is as it was", file=sys.stderr)
    else:
        print(f"The page is {shown(page)}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
