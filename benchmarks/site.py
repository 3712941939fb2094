"""The site's build against that of Jupyter Book 1, and what a page weighs.

    python -m benchmarks.site [ROUNDS]     5 rounds, unless you say otherwise

Both build the same stored chapters, front page and page for teachers, in
English. All pages are these and the reference, for which ours imports torch; a
rebuild after an edit is compared with a clean build of all.
Jupyter Book 1 needs an older Sphinx, and so an environment of its own, which
is made in _build/benchmarks. Exit status 1 if a goal isn't met.
"""

from __future__ import annotations

import gzip
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from nbval_strict import flakes
from tools.folders import BUILD
from tools.gate import MYST_EXTENSIONS
from tools.page import CHAPTERS, chapters, pages

PLACE = BUILD / "benchmarks"
MOST_CLEAN, MOST_AGAIN = 1.0, 0.4
CONTENTS = re.compile(r"```{toctree}.*?```\n", re.DOTALL)
CONFIG = {
    "title": "The same pages",
    "execute": {"execute_notebooks": "off"},
    "parse": {"myst_enable_extensions": [*MYST_EXTENSIONS]},
    "sphinx": {"config": {"html_copy_source": False}},
}


def jupyter_book() -> Path:
    """The command of Jupyter Book 1, installed if it isn't yet."""
    environment = PLACE / "jupyter-book"
    command = environment / "bin" / "jupyter-book"
    if not command.is_file():
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", environment], check=True
        )
        pip = [environment / "bin" / "pip", "install", "--quiet"]
        subprocess.run([*pip, "jupyter-book<2"], check=True)
    return command


def seconds(command: list, folder: Path) -> float:
    """How long a command takes.

    Raises:
        RuntimeError: if it fails.
    """
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def theirs_in(checkout: Path) -> Path:
    """A book for Jupyter Book with the pages that ours was built from."""
    folder = checkout / "theirs"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(checkout / "_build/html-work/en/source", folder)
    for page in folder.glob("*.md"):
        text = CONTENTS.sub("", page.read_text("utf-8"))
        page.write_text(text, encoding="utf-8")
    names = [page.name for page in pages()]
    contents = {"format": "jb-book", "root": "index"}
    contents["chapters"] = [{"file": name} for name in [*names, "teach"]]
    (folder / "_toc.yml").write_text(yaml.safe_dump(contents))
    (folder / "_config.yml").write_text(yaml.safe_dump(CONFIG))
    return folder


def edit(file: Path) -> None:
    """Add a word to the first paragraph of a chapter's .py or .ipynb."""
    text = file.read_text("utf-8")
    before = "You will learn"
    assert before in text
    file.write_text(text.replace(before, f"Again: {before}", 1), "utf-8")


def main(arguments: list[str]) -> int:
    """Run the command line of this module; return its exit status."""
    rounds = int(arguments[0]) if arguments else 5
    ours = [sys.executable, "-m", "tools.site"]
    theirs = [jupyter_book(), "build", "theirs"]
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        checkout = Path(place)
        flakes.copy_of_checkout(checkout)
        settings = checkout / "site/course.toml"
        text = settings.read_text("utf-8")
        assert "languages = []" in text
        text = text.replace("languages = []", 'languages = ["en"]')
        settings.write_text(text, encoding="utf-8")
        reference = checkout / "site/pages/reference.md"
        page = reference.read_bytes()
        (chapter,) = chapters("03", root=checkout / CHAPTERS.name)
        for _ in range(rounds):
            shutil.rmtree(checkout / "_build", ignore_errors=True)
            reference.write_bytes(page)
            for name in ("ours, all pages, clean", "one chapter edited"):
                times.setdefault(name, []).append(seconds(ours, checkout))
                edit(chapter.source)
                edit(chapter.notebook)
            shutil.rmtree(checkout / "_build")
            reference.unlink()
            name = "ours, the same pages, clean"
            times.setdefault(name, []).append(seconds(ours, checkout))
            folder = theirs_in(checkout)
            for name in ("Jupyter Book 1, clean", "the same, one edited"):
                times.setdefault(name, []).append(seconds(theirs, checkout))
                edit(folder / f"{chapter.name}.ipynb")
        print_weights(checkout / "_build" / "html", "ours")
        print_weights(folder / "_build" / "html", "Jupyter Book 1")
    medians = {name: statistics.median(took) for name, took in times.items()}
    print("| build | median, s | from, to |\n|---|---|---|")
    for name, took in times.items():
        low, high = min(took), max(took)
        print(f"| {name} | {medians[name]:.1f} | {low:.1f}, {high:.1f} |")
    clean, again, same, other, _ = medians.values()
    print(f"clean: {same / other:.2f} of Jupyter Book 1 (goal {MOST_CLEAN})")
    print(f"again: {again / clean:.2f} of clean (goal {MOST_AGAIN})")
    return int(same > MOST_CLEAN * other or again > MOST_AGAIN * clean)


def print_weights(folder: Path, name: str) -> None:
    """Say how large a site is, and its pages, compressed, without assets."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    weights = [
        len(gzip.compress((folder / f"{chapter.name}.html").read_bytes()))
        for chapter in chapters()
    ]
    print(
        f"{name}: {len(files)} files, {total / 1e6:.1f} MB; a chapter's HTML "
        f"{min(weights) / 1e3:.0f} to {max(weights) / 1e3:.0f} kB compressed"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
