"""Stored outputs, as a page of the site can show them."""

from __future__ import annotations

from bs4 import BeautifulSoup
from nbformat import NotebookNode

from tools.page import Page


def overwritten(_: Page, notebook: NotebookNode) -> NotebookNode:
    """Printed text looks as on a screen, on which ``\\r`` goes back."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = _on_a_screen(output.text)
    return notebook


def unstyled(_: Page, notebook: NotebookNode) -> NotebookNode:
    """HTML is without the styles in it, which a strict host forbids."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if html := output.get("data", {}).get("text/html"):
                output.data["text/html"] = _without_styles(html)
    return notebook


def for_people(_: Page, notebook: NotebookNode) -> NotebookNode:
    """Outputs have no forms that only programs read, as a check's report."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for kind in [kind for kind in data if "/vnd." in kind]:
                del data[kind]
    return notebook


def _on_a_screen(text: str) -> str:
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown)
    return "\n".join(lines)


def _without_styles(html: str) -> str:
    soup = BeautifulSoup(html, "html.parser")
    for tag in soup.select("style, [style]"):
        if tag.name == "style":
            tag.decompose()
        else:
            del tag["style"]
    return str(soup)
