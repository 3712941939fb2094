"""The course site: one folder of HTML, from the stored chapters.

    python -m tools.site                  the site, into _build/html
    python -m tools.site single CHAPTER   one chapter, into one file
    python -m tools.site links            ask each address that it links to

site/course.toml holds what a teacher changes. Nothing is executed here: a
page can't show an output that no test has compared. Sphinx works beside the
site, in _build/html-work, from the chapters as this course wants them; what
it has built takes the place of the old site when all is well.
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
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from filelock import FileLock, Timeout

from tools import files, gate
from tools.course import SITE, Course, hand_over, read_course
from tools.environment import ROOT
from tools.folders import (
    BUILD,
    remember,
    replacing,
    require_known,
    require_own,
    shown,
)
from tools.page import chapters
from tools.pictures import first_picture, preview_of
from tools.single import make_single
from tools.staging import stage
from tools.variants import colab, download, made

LINKCHECK = ["-b", "linkcheck", "-q"]  # for Sphinx
# What the pages need of a host that allows nothing else.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
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


def add_files(course: Course, out: Path) -> None:
    """Put the chapters' own files beside their pages."""
    variant = download.variant(course)
    for page in course.pages:
        target = out / f"{page.name}.ipynb"
        stored = files.read_stored(page)
        ours = made(page, stored, variant)
        if ours == stored:
            shutil.copyfile(page.source, target.with_suffix(".py"))
            shutil.copyfile(page.notebook, target)
        else:
            nbformat.write(ours, target)
            script = made(page, files.read_source(page), variant)
            text = files.script(script)
            target.with_suffix(".py").write_text(text, "utf-8")
    if course.address:
        (out / "previews").mkdir(exist_ok=True)
        for chapter in course.chapters:
            picture = first_picture(chapter).png
            (out / preview_of(chapter)).write_bytes(picture)
    host = urlsplit(course.address).hostname
    if course.repository and host and not host.endswith(".github.io"):
        (out / "CNAME").write_text(f"{host}\n")  # GitHub reads it there
    if course.repository:
        variant = colab.variant(course, revision(course))
        for page in course.pages:
            target = out / "colab" / f"{page.path}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            notebook = made(page, files.read_stored(page), variant)
            nbformat.write(notebook, target)


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
        # Beside Sphinx, on another core, where Ctrl-C doesn't show.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
            pairs = pool.submit(gate.all_problems, course.pages)
            signal.signal(signal.SIGINT, handler)
            try:
                status = _build(course, work)
            except Exception:
                if not pairs.result():
                    raise
                status = 1
            if wrong := pairs.result():
                print(*wrong, sep="\n", file=sys.stderr)
                status = 1
        if not status:
            with replacing(out) as new:
                shutil.copytree(work / "html", new, dirs_exist_ok=True)
                require_known(out, record)  # it took a while
                remember(new, record, also=True)
            remember(out, record)
    return status


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


def _build(course: Course, work: Path) -> int:
    from sphinx.cmd.build import main as sphinx

    source, doctrees, html = (work / n for n in ("source", "doctrees", "html"))
    others = work / "jupyter_execute"  # myst-nb's copies of the notebooks
    if any(path.is_symlink() for path in work.rglob("*")):
        remove(source, doctrees, html, others)
    stage(course, source)
    hand_over(course)
    stamp = doctrees / "made-from"
    outline = outline_of(course, source)
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
    add_files(course, html)
    stamp.write_text(outline, "utf-8")
    return 0


def ask_links(course: Course, out: Path, work: Path) -> int:
    """Ask each address that the site links to; return Sphinx's exit status.

    Args:
        course (Course): which pages there are.
        out (Path): the folder that gets the answers.
        work (Path): the folder in which the site is built.
    """
    from sphinx.cmd.build import main as sphinx

    with alone(work):
        stage(course, work / "source")
        hand_over(course)
        options = [*LINKCHECK, "-c", str(SITE)]
        return sphinx([*options, str(work / "source"), str(out)])


def remove(*folders: Path) -> None:
    """Remove folders of the work, but nothing that a link leads to."""
    for folder in folders:
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)


def outline_of(course: Course, source: Path) -> str:
    """What concerns more than one page, or all: as one hash.

    When a chapter changes, Sphinx writes its page anew and few others. That
    is right as long as its headings, which others link to, are the same.
    """
    code = [*SITE.rglob("*.*"), *Path(__file__).parent.rglob("*.py")]
    code += [ROOT / "constraints.txt", *source.glob("*.md")]
    parts = [repr(course)]
    for file in sorted(file for file in code if file.is_file()):
        if file.suffix != ".pyc":
            parts += [file.name, file.read_bytes().hex()]
    for page in course.pages:
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
        case ["single", which] if which:
            (chapter,) = chapters(which)
            if chapter not in course.chapters:
                raise LookupError(f"course.toml leaves out {chapter.stem}")
            page = BUILD / "single" / f"{chapter.stem}.html"
            record = work / f"{chapter.stem}.json"
            with alone(work):
                require_own(page.parent)
                require_known(page, record)
                if not (status := build(course, out)):
                    make_single(course, out, chapter, page)
                    remember(page, record)
            return status, page
        case ["single", ""]:
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
