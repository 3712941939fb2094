"""The two files of a page, as notebooks: read, and what mends them.

The ``.py`` file is the source, and says the cells. The ``.ipynb`` file stores
them with the outputs of a run.
"""

from __future__ import annotations

import json
import pickle
import re
import tomllib
from functools import lru_cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.environment import ROOT
from tools.page import Page

ESCAPED = re.compile(r"(?<!\\)(?:\\u[0-9a-f]{4})+")


class UnreadableError(ValueError):
    """A file that is no page; the message says which, and what to do."""


class EditedError(ValueError):
    """A file that isn't overwritten, since it has edits of its own."""


def in_handout() -> bool:
    """Whether this is what students get, where nothing is stored anew."""
    return not (ROOT / "tools" / "handout.py").is_file()


def rerun(page: Page, force: bool = False) -> str:
    """What mends a stored notebook that isn't what its source gives.

    Args:
        page (Page): whose notebook it is.
        force (bool): whether the notebook is to be overwritten unread.
    """
    if in_handout():
        return (
            f"keep yours under another name, and take {page.source.name} and "
            f"{page.notebook.name} from the zip again"
        )
    if force:
        return f"run `make run CH={page.shown()} FORCE=1`"
    which = f"{page.number:02}" if page.is_original else page.shown()
    return f"run `make run CH={which}`"


def bring(page: Page) -> str:
    """What to do about edits that only the notebook has."""
    return f"run `make pull CH={page.shown()}`"


def read_source(page: Page) -> NotebookNode:
    """The notebook that a ``.py`` file says, without outputs.

    Raises:
        UnreadableError: if it says none.
    """
    text = _text(page.source, page.shown(), "mend it by hand")
    try:
        notebook = pickle.loads(_source(text))
    except Exception as error:  # of YAML, for example
        what = str(error).splitlines()[0]
        raise UnreadableError(
            f"{page.shown()} isn't a page ({what})"
        ) from None
    if not notebook.cells:
        raise UnreadableError(
            f"{page.shown()} has no cells: begin one with `# %%`"
        )
    return notebook


def read_stored(page: Page) -> NotebookNode:
    """The notebook with its outputs, as it is stored.

    Raises:
        UnreadableError: if there is none.
    """
    shown = page.shown(".ipynb")
    if not page.notebook.exists():
        raise UnreadableError(f"{shown} is missing: {rerun(page)}")
    remedy = rerun(page, force=True)
    text = _text(page.notebook, shown, remedy)
    try:
        return pickle.loads(_stored(text))
    except Exception as error:  # of JSON, of the schema, or no dictionary
        what = (str(error) or repr(error)).splitlines()[0][:100]
        raise UnreadableError(
            f"{shown} isn't a notebook ({what}): {remedy}"
        ) from None


# A build reads each file several times: each text is parsed once. To copy the
# pickle takes a third of the time that deepcopy does.
@lru_cache(maxsize=64)
def _stored(text: str) -> bytes:
    notebook = nbformat.v4.reads(text)
    if notebook.nbformat != 4:
        raise ValueError(f"its format is {notebook.nbformat}, not 4")
    # Not validate(), which warns where it could mend something.
    for error in nbformat.validator.iter_validate(notebook):
        raise error
    return pickle.dumps(notebook)


@lru_cache(maxsize=64)
def _source(text: str) -> bytes:
    return pickle.dumps(parsed(text))


def parsed(text: str) -> NotebookNode:
    """The notebook that the text of a ``.py`` file says."""
    import jupytext  # it takes a while, and the site's build goes without

    # Read as text: jupytext.read(path) would look for settings around it.
    return jupytext.reads(text, fmt=_format())


def script(notebook: NotebookNode) -> str:
    """The text of the ``.py`` file that says a notebook."""
    import jupytext

    return readable(jupytext.writes(notebook, fmt=_format()))


def readable(script: str) -> str:
    """A script whose metadata has letters where jupytext escapes them.

    The text for a figure is there, in each language; both ways say the same.
    """

    def letters(match: re.Match) -> str:
        found = json.loads(f'"{match[0]}"', strict=False)
        return found if found.isprintable() else match[0]

    return re.sub(
        r"^# %%.*",
        lambda line: ESCAPED.sub(letters, line[0]),
        script,
        flags=re.MULTILINE,
    )


def settings() -> dict[str, str | bool]:
    """What jupytext.toml says about the cells, not about which files pair."""
    values = tomllib.loads((ROOT / "jupytext.toml").read_text("utf-8"))
    return {k: v for k, v in values.items() if k != "formats"}


def title_of(notebook: NotebookNode) -> str:
    """The title of a page: the heading with which its first cell begins."""
    first = notebook.cells[0].source if notebook.cells else ""
    return first.partition("\n")[0].removeprefix("# ")


def _format() -> dict[str, str | bool]:
    return {
        "extension": ".py",
        "format_name": "percent",
        "comment_magics": settings()["comment_magics"],
    }


def _text(file: Path, shown: str, remedy: str) -> str:
    """The text of a file, without a byte order mark."""
    if file.is_dir():
        raise UnreadableError(f"{shown} is a folder: move it away first")
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(
            f"{shown} can't be read ({error}): {remedy}"
        ) from None
    if re.search("^(<{7}|>{7}) ", text, re.MULTILINE):
        raise UnreadableError(
            f"{shown} has the marks of a merge conflict: {remedy}"
        )
    return text
