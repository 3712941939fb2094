"""One chapter of the built site as one file, with all that it loads inside."""

from __future__ import annotations

import base64
import mimetypes
import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from bs4 import BeautifulSoup, Tag

from tools.course import Edition
from tools.folders import write_whole
from tools.page import Page

# What leads to other pages.
NAVIGATION = [
    "#pst-primary-sidebar",
    "#pst-search-dialog",
    ".bd-breadcrumbs",
    ".primary-toggle",
    ".prev-next-footer",
    ".search-button-field",
    ".search-button__button",
    'link[rel~="alternate"]',
    'link[rel~="canonical"]',
    'link[rel~="index"]',
    'link[rel~="next"]',
    'link[rel~="prev"]',
    'link[rel~="search"]',
]


def make_single(
    edition: Edition, site: Path, chapter: Page, target: Path
) -> None:
    """Write a chapter as one file that needs no other.

    Args:
        edition (Edition): gives links to other pages their address; without
            one, they become plain text.
        site (Path): the built site.
        chapter (Page): which one.
        target (Path): where it goes.
    """
    folder = site / edition.folder
    page = folder / f"{chapter.name}.html"
    soup = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    for tag in soup.select(", ".join(NAVIGATION)):
        tag.decompose()
    for tag in soup.select("link[href], script[src], img[src]"):
        embed(tag, folder, soup)
    for link in soup.select("a[href]"):
        url = link["href"]
        if urlsplit(url).scheme or url.startswith("#"):
            continue
        if "download" in link.attrs:
            link["href"] = data_url(folder / url)
        elif edition.address:
            link["href"] = urljoin(edition.address, url)
        elif "hreflang" in link.attrs:
            link.decompose()
        else:
            link.name = "span"
            del link["href"]
    write_whole(target, str(soup))


def embed(tag: Tag, folder: Path, soup: BeautifulSoup) -> None:
    """Replace what a tag loads by the thing itself."""
    key = "href" if tag.name == "link" else "src"
    file = folder / urlsplit(tag[key]).path
    if tag.name == "script":
        # As a classic script it would run before the page is complete.
        if "defer" in tag.attrs:
            tag["type"] = "module"
        for name in ("src", "defer"):
            tag.attrs.pop(name, None)
        tag.string = file.read_text("utf-8").replace("</script", r"<\/script")
    elif tag.name == "link" and "stylesheet" in tag["rel"]:
        style = soup.new_tag("style")
        style.string = complete(file)
        tag.replace_with(style)
    else:
        tag[key] = data_url(file)


def complete(sheet: Path) -> str:
    """A style sheet with what it imports, and the files that it names."""
    text = re.sub(
        r'@import "([^"]+)";',
        lambda match: complete(sheet.parent / match[1]),
        sheet.read_text("utf-8"),
    )
    return re.sub(
        r"url\(([^):]+)\)",  # no colon: not complete already
        lambda match: f"url({data_url(sheet.parent / match[1])})",
        text,
    )


def data_url(file: Path) -> str:
    """The file as an address that holds all of it."""
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    content = base64.b64encode(file.read_bytes()).decode("ascii")
    return f"data:{kind};base64,{content}"
