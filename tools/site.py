"""The course site: one folder of HTML, from the stored chapters.

    python -m tools.site                  the site, into _build/html
    python -m tools.site single CHAPTER   one chapter, into one file

site/course.toml holds what a teacher changes. Nothing is executed here: a
page can't show an output that no test has compared. Sphinx works beside the
site, in _build/html-work, from the chapters as this course wants them; what
it has built takes the place of the old site when all is well.
"""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

import nbformat
from bs4 import BeautifulSoup
from filelock import FileLock, Timeout
from nbformat import NotebookNode

from tools import book, exercises, gate
from tools.course import SITE, Course, read_course
from tools.folders import remember, replacing, require_known, require_own

BUILD = book.ROOT / "_build"
# What the theme and the extensions bring, and no page loads.
UNUSED = ["_static/scripts/fontawesome.js*", "_static/**/*.map"]
# What the pages need of a host that allows nothing else.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)


def stage(course: Course, folder: Path) -> None:
    """Write what Sphinx reads; leave alone what is there already."""
    gone = [s.stem for s in book.sources() if s not in course.chapters]
    wanted: dict[str, str] = {}
    for page in course.pages:
        notebook = book.read_stored(page)
        places = course.places(book.name(page))
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = for_site(cell.source, course, gone, places)
            for output in cell.get("outputs", []):
                if output.output_type == "stream":
                    output.text = overwritten(output.text)
                elif html := output.get("data", {}).get("text/html"):
                    output.data["text/html"] = unstyled(html)
        wanted[f"{book.name(page)}.ipynb"] = nbformat.v4.writes(notebook)
    for source in course.chapters:
        wanted[f"pictures/{source.stem}.svg"] = first_picture(source).svg
    for page in sorted((SITE / "pages").glob("*.md")):
        wanted[page.name] = page.read_text("utf-8")
    wanted["index.md"] = front_page(course, gone)
    for page in book.texts():
        wanted[page.name] = for_site(page.read_text("utf-8"), course, gone)
    for file in folder.rglob("*.*"):
        if file.relative_to(folder).as_posix() not in wanted:
            file.unlink()
    for name, text in wanted.items():
        target = folder / name
        if not target.is_file() or target.read_text("utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


LINK = (
    r"\[((?:[^\[\]]|\[[^\]]*\])*)\]"
    r"\(\.{{0,2}}/?(?:solutions/)?({})\.ipynb(#[^)]*)?\)"
)
ANCHOR = re.compile(r"(?<=\.ipynb#)cell-id=([^)]+)")


def for_site(
    markdown: str,
    course: Course,
    gone: list[str],
    places: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The Markdown of a page, with links that lead somewhere on the site.

    Args:
        markdown (str): a cell, or a whole page.
        course (Course): says which pages there are.
        gone (list[str]): the names of chapters that there aren't.
        places (Mapping[str, str]): names and addresses of where it runs.
    """
    if markdown.startswith("## Exercises\n"):
        links = [f"[{name}]({url})" for name, url in places.items()]
        links += ["[JupyterLab on your computer](index.md#how-to-run-it)"]
        markdown += (
            "\n\nNothing runs on this page. Solve the exercises in the "
            f"notebook of this chapter, in {' or '.join(links)}."
        )
    if not course.solutions:
        markdown = exercises.without_solutions(markdown)
    markdown = ANCHOR.sub(lambda match: anchors()[match[1]], markdown)
    return unlinked(markdown, gone)


def overwritten(text: str) -> str:
    """Printed text as a screen shows it, on which ``\\r`` goes back."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown)
    return "\n".join(lines)


def unstyled(html: str) -> str:
    """An output without the styles in it, which a strict host forbids."""
    soup = BeautifulSoup(html, "html.parser")
    for tag in soup.select("style, [style]"):
        if tag.name == "style":
            tag.decompose()
        else:
            del tag["style"]
    return str(soup)


def unlinked(text: str, names: list[str]) -> str:
    """The Markdown with the links to some chapters replaced by their text."""
    return re.sub(LINK.format("|".join(names)), r"\1", text) if names else text


@cache
def anchors() -> dict[str, str]:
    """On the site, the anchors of headings, by the names of their cells."""
    return {
        cell.id: book.anchor(heading[1])
        for page in book.pages()
        for cell in book.read_stored(page).cells
        if (heading := re.match(r"#+ (.+)", cell.source))
    }


class Picture(NamedTuple):
    """A stored figure, in its two formats, and the text for it."""

    svg: str
    png: bytes
    alt: str


@cache
def first_picture(source: Path) -> Picture:
    """The first picture of a chapter, which stands for it.

    Raises:
        LookupError: if it has none.
    """
    notebook = book.read_stored(source)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
            if alt and {"image/svg+xml", "image/png"} <= data.keys():
                png = base64.b64decode(data["image/png"])
                return Picture(data["image/svg+xml"], png, alt)
    raise LookupError(
        f"{source.name} needs a picture with an alt text, for its card on the "
        "front page"
    )


def preview_of(source: Path) -> str:
    """Where the picture for link previews is, below the site's address."""
    return f"previews/{source.stem}.png"


def front_page(course: Course, gone: list[str]) -> str:
    """chapters/index.md, with a card for each row of its table of chapters.

    Raises:
        LookupError: if a chapter has no row there, or no picture.
    """
    text = (book.CHAPTERS / "index.md").read_text("utf-8")
    if not course.solutions:
        text = exercises.without_solutions(text)
    title = re.sub(r"([\\`*_<>&$\[\]])", r"\\\1", course.title)
    text = re.sub("^# .*", lambda _: f"# {title}", text, count=1)
    rows = [r for r in text.splitlines(keepends=True) if r.startswith("| ")]
    cards, names = ["{.chapters}\n"], {}
    for source in course.chapters:
        cells = [
            row.strip("| \n").split(" | ")
            for row in rows
            if f"({source.stem}.ipynb)" in row
        ]
        if len(cells) != 1 or len(cells[0]) != 4:
            raise LookupError(
                "the table of chapters/index.md needs one row of four cells "
                f"for {source.stem}"
            )
        number, link, after, sections = cells[0]
        names[source] = f"{number} {link[1:].partition(']')[0]}"
        alt = first_picture(source).alt.split(". ")[0].rstrip(".")
        cards.append(
            f"- ![{alt}.](pictures/{source.stem}.svg)\n\n"
            f"  {number} {link}\n\n"
            f"  Afterwards you can {after}.\n\n"
            f"  In the book: {sections}\n"
        )
    table = re.compile(r"^\| .*?\n\n", re.DOTALL | re.MULTILINE)
    text = table.sub("\n".join([*cards, ""]).replace("\\", r"\\"), text, 1)
    entries = [f"{name} <{source.stem}>" for source, name in names.items()]
    entries += [page.stem for page in book.texts()]
    entries += sorted(page.stem for page in (SITE / "pages").glob("*.md"))
    contents = toctree("", entries)
    solutions = [
        f"{names[source]} <{book.SOLUTIONS}/{source.stem}>"
        for source in course.chapters
        if book.solutions(source) in course.pages
    ]
    if solutions:
        contents += toctree("Solutions", solutions)
    return f"{unlinked(text, gone)}\n{contents}"


def toctree(caption: str, entries: list[str]) -> str:
    """The Markdown that puts pages into the navigation."""
    head = [":hidden:", *[f":caption: {caption}"] * bool(caption)]
    listed = "\n".join([*head, "", *entries])
    return f"```{{toctree}}\n{listed}\n```\n"


def offered(
    notebook: NotebookNode, course: Course, *others: str
) -> NotebookNode:
    """A copy of a notebook, without links to pages that a course lacks.

    Args:
        notebook (NotebookNode): the chapter.
        course (Course): says which pages there are.
        others (str): more pages that there aren't.
    """
    copy = nbformat.from_dict(notebook)
    gone = [s.stem for s in book.sources() if s not in course.chapters]
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            if not course.solutions:
                cell.source = exercises.without_solutions(cell.source)
            cell.source = unlinked(cell.source, [*gone, *others])
    return copy


def for_colab(notebook: NotebookNode, course: Course) -> NotebookNode:
    """A copy of a chapter whose first cell installs what Colab lacks."""
    copy = offered(notebook, course, "index")
    repository = f"git+{course.repository}@{commit() or course.branch}"
    cell = nbformat.v4.new_code_cell(
        "# Colab lacks what these chapters call: this cell installs it.\n"
        f"%pip install --quiet {repository}\n"
        "!python -m d2l_helpers.d2l_door",
        metadata={"tags": [book.COLAB_TAG]},
        id=book.COLAB_TAG,
    )
    copy.cells.insert(0, cell)
    return copy


@cache
def commit() -> str:
    """The commit that is checked out; "" where git can't say.

    A later one may have helpers that these chapters don't know.
    """
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        done = subprocess.run(
            command, cwd=book.ROOT, capture_output=True, text=True
        )
    except OSError:  # there is no git
        return ""
    return done.stdout.strip()


def add_files(course: Course, out: Path) -> None:
    """Put the chapters' own files beside their pages."""
    for page in course.pages:
        notebook, target = book.read_stored(page), out / book.name(page)
        if (ours := offered(notebook, course)) == notebook:
            for suffix in (".py", ".ipynb"):
                shutil.copyfile(
                    page.with_suffix(suffix), target.with_suffix(suffix)
                )
        else:
            import jupytext  # it takes a while

            nbformat.write(ours, target.with_suffix(".ipynb"))
            script = offered(book.read_source(page), course)
            jupytext.write(script, target.with_suffix(".py"), fmt="py:percent")
    if course.address:
        (out / "previews").mkdir(exist_ok=True)
        for source in course.chapters:
            (out / preview_of(source)).write_bytes(first_picture(source).png)
    host = urlsplit(course.address).hostname
    if course.repository and host and not host.endswith(".github.io"):
        (out / "CNAME").write_text(f"{host}\n")  # GitHub reads it there
    if course.repository:
        for page in course.pages:
            target = out / "colab" / f"{book.name(page)}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            notebook = book.read_stored(page)
            nbformat.write(for_colab(notebook, course), target)


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
    code = [*SITE.rglob("*.*"), *Path(__file__).parent.glob("*.py")]
    code += [book.ROOT / "constraints.txt", *source.glob("*.md")]
    parts = [repr(course)]
    for file in sorted(file for file in code if file.is_file()):
        if file.suffix != ".pyc":
            parts += [file.name, file.read_bytes().hex()]
    for page in map(book.name, course.pages):
        text = (source / f"{page}.ipynb").read_text("utf-8")
        parts += [page, *re.findall(r'"#+ .*"', text)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def make(arguments: list[str]) -> tuple[int, Path]:
    """Carry out a command; return the exit status, and the page to look at."""
    course = read_course()
    out, work = BUILD / "html", BUILD / "html-work"
    match arguments:
        case []:
            return build(course, out), out / "index.html"
        case ["single", which] if which:
            from tools.single import make_single

            (source,) = book.sources(which)
            if source not in course.chapters:
                raise LookupError(f"course.toml leaves out {source.stem}")
            page = BUILD / "single" / f"{source.stem}.html"
            record = work / f"{source.stem}.json"
            with alone(work):
                require_own(page.parent)
                require_known(page, record)
                if not (status := build(course, out)):
                    make_single(course, out, source, page)
                    remember(page, record)
            return status, page
        case ["single", ""]:
            raise LookupError("name a chapter: make html-single CH=03")
        case _:
            raise LookupError(__doc__)


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    try:
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


def shown(path: Path) -> Path:
    """A path as a reader finds it, from the root of the repository."""
    return Path(os.path.relpath(path, book.ROOT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
