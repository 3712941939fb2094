"""What keeps a page from being published.

Its two files agree, it was run from top to bottom, it is Python, and its prose
is plain Markdown. The site reads MyST, whose directives, roles and HTML could
put any file of the machine, or any script, on a page; JupyterLab would show
them as they are written.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator

from nbformat import NotebookNode

from tools import files, pairs
from tools.page import CHAPTERS, NOTEBOOK, WAY, Page, front_page, texts
from tools.translation import Translation
from tools.variants.stored import own_frames

# Of the site's Sphinx, too.
MYST_EXTENSIONS = ("amsmath", "attrs_block", "dollarmath")
# What a Markdown cell may consist of, by the names of markdown-it; opening and
# closing tokens without their endings.
PLAIN = {
    *("heading", "paragraph", "blockquote", "hr", "fence", "code_block"),
    *("bullet_list", "ordered_list", "list_item"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("inline", "text", "text_special", "softbreak", "hardbreak"),
    *("em", "strong", "link", "code_inline", "math_inline", "math_block"),
    "amsmath",
}
# Where a link may lead: the web, a place on the page, a page of the book.
LINK = re.compile(rf"https?://.+|#.+|{WAY}(?:{NOTEBOOK}|\w+\.md)(?:#.+)?")
CELL_METADATA = {*pairs.KEPT, *pairs.SPACING}
NOTEBOOK_METADATA = {"jupytext", "kernelspec", "language_info", "d2l"}
# What IPython prints, as an ordinary output, for `x?` with no such x.
NOT_FOUND = re.compile(r"^Object `.*` not found", re.MULTILINE)


def all_problems(pages: Iterable[Page]) -> list[str]:
    """What keeps some pages, and those without code, from being published.

    Args:
        pages (iterable of Page): which ones.

    Returns:
        A line or more for each problem, and what a reader can do whose own
        work is in these files.
    """
    found = [line for page in pages for line in problems(page)]
    for file in texts():
        name = f"{CHAPTERS.name}/{file.name}"
        wrong = not_plain([file.read_text("utf-8")])
        found += [f"{name} has {what}" for what in wrong]
    if found and _stash_helps():
        found.append(
            "Some of these files have changes that aren't committed. To build "
            "from the committed ones and keep yours, close them, and run "
            "`git stash push --include-untracked chapters` before and "
            "`git stash pop` after."
        )
    return found


def _stash_helps() -> bool:
    """Whether there are changes, and none in the middle of a merge."""
    folder = front_page().parent
    command = ["git", "status", "--porcelain", "--", "."]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True
        )
    except OSError:  # there is no git
        return False
    states = {line[:2] for line in done.stdout.splitlines()}
    merging = any("U" in s or s in ("AA", "DD") for s in states)
    return done.returncode == 0 and bool(states) and not merging


def problems(page: Page) -> Iterator[str]:
    """What keeps a page from being published, a line or more each.

    Args:
        page (Page): which one.
    """
    try:
        ours, stored = files.read_source(page), files.read_stored(page)
    except files.UnreadableError as error:
        yield str(error)
        return
    shifted = False
    for problem in _differences(page, ours, stored):
        shifted = True
        yield problem
    if shifted:
        return  # what follows may be about another cell than it says
    yield from _not_as_made(page, ours, stored)
    yield from _outputs(page, stored)
    yield from _not_python(page, ours)
    texts = [c.source for c in ours.cells if c.cell_type == "markdown"]
    for what in not_plain(texts):
        yield (
            f"{page.shown()} has {what}: say it in plain Markdown, "
            f"then {files.rerun(page)}"
        )
    # A handout has pages of one language.
    if not page.is_original and not files.in_handout():
        yield from _translation(page)


def _translation(page: Page) -> Iterator[str]:
    """What is wrong with a page beside the one that it translates."""
    try:
        yield from Translation(page).problems()
    except ValueError as error:
        yield str(error)


def _differences(
    page: Page, ours: NotebookNode, stored: NotebookNode
) -> Iterator[str]:
    """Where the files of a pair differ; the first such cell is enough."""
    target = f"{page.path}.ipynb"
    mine, yours = pairs.digests(stored), pairs.digests(ours)
    remedy = files.rerun(page)
    if not files.in_handout() and pairs.has_own_edits(
        mine, yours, pairs.origin(stored)
    ):
        remedy = (
            f"{files.bring(page)} to bring the notebook's cells into the "
            f".py, or {files.rerun(page, force=True)} to discard them"
        )
    if len(ours.cells) != len(stored.cells):
        yield (
            f"{page.path}.py has {len(ours.cells)} cells, {target} "
            f"has {len(stored.cells)}: {remedy}"
        )
    for i, (cell, other) in enumerate(
        zip(ours.cells, stored.cells, strict=False), 1
    ):
        if _content(cell) != _content(other):
            yield (
                f"cell {i} of {page.path}.py and of {target} differ: "
                f"{remedy}\n"
                f"  .py:    {_first_difference(cell, other)}\n"
                f"  .ipynb: {_first_difference(other, cell)}"
            )
            return


def _content(cell: NotebookNode) -> tuple:
    """What the two files must share; a .py file has no room for more."""
    attachments = cell.get("attachments", {})
    return cell.cell_type, cell.source, cell.metadata, attachments


def _first_difference(cell: NotebookNode, other: NotebookNode) -> str:
    """The first line of a cell that another lacks; its metadata if none."""
    if cell.cell_type != other.cell_type:
        return f"a {cell.cell_type} cell"
    lines = [*cell.source.splitlines(), ""]
    others = [*other.source.splitlines(), ""]
    for line, another in zip(lines, others, strict=False):
        if line != another:
            return repr(line)
    if cell.source != other.source:
        return f"{len(lines) - 1} lines"
    attachments = list(cell.get("attachments", {}))
    return f"metadata {dict(cell.metadata)}, attachments {attachments}"


def _not_as_made(
    page: Page, ours: NotebookNode, stored: NotebookNode
) -> Iterator[str]:
    """What a run of the page would have made otherwise."""
    target, remedy = f"{page.path}.ipynb", files.rerun(page)
    if stored.metadata.get("jupytext") != files.settings():
        yield f"{target} lacks the settings of jupytext.toml: {remedy}"
    if pairs.origin(stored) != pairs.digests(stored):
        yield f"{target} was edited since it was made: {remedy}"
    for key in sorted(stored.metadata.keys() - NOTEBOOK_METADATA):
        first = f"take {key} out of the .py, then " * (key in ours.metadata)
        yield f"{target} has the metadata {key!r}: {first}{remedy}"
    for i, cell in enumerate(ours.cells, 1):
        where = f"cell {i} of {page.path}.py"
        if cell.cell_type == "raw":
            yield (
                f"{where} is raw, and the site would read it as HTML or "
                f"reStructuredText: make it Markdown, then {remedy}"
            )
        if not cell.source.strip():
            yield f"{where} is empty: delete it from the .py, then {remedy}"
        for key in _unknown_metadata(cell):
            yield f"{where} has the metadata {key}: delete it, then {remedy}"


def _unknown_metadata(cell: NotebookNode) -> Iterator[str]:
    yield from sorted(cell.metadata.keys() - CELL_METADATA)
    # A caption, for example, would be read as MyST.
    mystnb = cell.metadata.get("mystnb", {})
    if mystnb and not (
        isinstance(mystnb, dict)
        and mystnb.keys() == {"image"}
        and isinstance(mystnb["image"], dict)
        and mystnb["image"].keys() == {"alt"}
        and isinstance(mystnb["image"]["alt"], str)
    ):
        yield "mystnb, which may hold the alt text of an image and no more"


def _outputs(page: Page, stored: NotebookNode) -> Iterator[str]:
    """What is wrong with the stored outputs, as can be seen by themselves."""
    target, remedy = f"{page.path}.ipynb", files.rerun(page)
    code = [
        cell
        for cell in stored.cells
        if cell.cell_type == "code" and cell.source.strip()
    ]
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield (
            f"{target} wasn't run in one go from its first cell to its "
            f"last (cells ran as {counts}): {remedy}"
        )
    for cell in code:
        where = f"In [{cell.execution_count}] of {target}"
        for output in cell.outputs:
            frames = output.get("traceback", [])
            if own_frames(frames) != frames:
                yield (
                    f"{where} shows paths of this machine in its traceback: "
                    f"{remedy}"
                )
            if found := NOT_FOUND.search(output.get("text", "")):
                yield (
                    f"{where} says {found[0]!r}: write the line without `?`, "
                    f"then {remedy}"
                )
        tagged = "raises-exception" in cell.metadata.get("tags", [])
        kinds = {output.output_type for output in cell.outputs}
        if tagged != ("error" in kinds):
            yield (
                f"{where} "
                + ("doesn't raise" if tagged else "raises")
                + ", and it is "
                + ("" if tagged else "not ")
                + "tagged raises-exception"
            )


def _not_python(page: Page, ours: NotebookNode) -> Iterator[str]:
    """The code cells that hold a magic, or whose syntax is wrong."""
    for i, cell in enumerate(ours.cells, 1):
        if cell.cell_type != "code" or "raises-exception" in (
            cell.metadata.get("tags", [])
        ):
            continue
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            line = (error.text or "").strip()
            yield (
                f"cell {i} of {page.path}.py isn't Python "
                f"({error.msg}: {line!r}): a chapter has no magics and no "
                "commands of a shell; write it in Python, then "
                f"{files.rerun(page)}"
            )


def not_plain(texts: Iterable[str]) -> Iterator[str]:
    """What isn't plain Markdown, such as a directive of MyST.

    Args:
        texts (iterable of str): the Markdown cells of a page: a link may be
            defined in another cell than the one that uses it.
    """
    # Only this needs them, and it is what the site's own parser is made of.
    from markdown_it.renderer import RendererHTML
    from myst_parser.config.main import MdParserConfig
    from myst_parser.parsers.mdit import create_md_parser

    config = MdParserConfig(enable_extensions=set(MYST_EXTENSIONS))
    parser = create_md_parser(config, RendererHTML)
    texts, definitions = list(texts), {}
    for text in texts:
        parser.parse(text, definitions)
    for text in texts:
        for token in _flat(parser.parse(text, definitions)):
            yield from _token_problems(token)


def _flat(tokens: Iterable) -> Iterator:
    for token in tokens:
        yield token
        yield from _flat(token.children or ())


def _token_problems(token) -> Iterator[str]:
    kind = re.sub("_(open|close)$", "", token.type)
    shown = (token.content or token.info or token.markup).strip()
    shown = shown.partition("\n")[0][:60]
    if token.type == "fence" and not re.fullmatch(r"\w*", token.info.strip()):
        yield f"a directive, {token.info.strip()!r}"
    elif token.type == "image":
        yield f"an image, {token.attrs['src']!r}"
    elif token.type == "link_open":
        if not LINK.fullmatch(token.attrs["href"]):
            yield f"a link to {token.attrs['href']!r}"
    elif kind not in PLAIN and not token.type.endswith("_close"):
        yield f"what isn't plain Markdown ({kind}: {shown!r})"
    if token.attrs.keys() - {"src", "alt", "href", "title", "start", "style"}:
        yield f"attributes, {dict(token.attrs)}"
