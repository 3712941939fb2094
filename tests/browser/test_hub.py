"""A class on a hub, as `make hub` starts it: a teacher, and students."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest

from nbval_strict import flakes
from tests.browser.test_jupyterlab import EDIT, FIND, OPEN, RIGHT, SHOWN, WRONG
from tools import hub
from tools.course import NAME
from tools.folders import BUILD

pytestmark = pytest.mark.timeout(900)
NEW = "A sentence of the new version."
NEW_NOTEBOOK = """async () => {
  const {commands} = window.jupyterapp;
  const panel = await commands.execute(
    "notebook:create-new", {kernelName: "python3"});
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
}"""
RUN_CELL = """async (index) => {
  const {commands, shell} = window.jupyterapp;
  const panel = shell.currentWidget;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  await panel.content.scrollToItem(index, "center");
  panel.content.activeCellIndex = index;
  await commands.execute("notebook:run-cell");
}"""
RELOAD = """async () => {
  await window.jupyterapp.commands.execute("docmanager:reload");
  await window.jupyterapp.shell.currentWidget.content.scrollToItem(0);
}"""
SOURCE = """(index) => window.jupyterapp.shell.currentWidget.content
  .widgets[index].model.sharedModel.source"""
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"


def git(folder, *arguments):
    """Run git as somebody with a name."""
    who = ["-c", "user.name=Teacher", "-c", "user.email=t@example.edu"]
    command = ["git", "-C", str(folder), *who, *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A teacher's clone, and the repository that it is pushed to."""
    clone = tmp_path_factory.mktemp("teacher") / "clone"
    flakes.copy_of_checkout(clone)
    git(clone, "init", "--quiet", "--initial-branch=main")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message=Chapters")
    repository = clone.parent / "course.git"
    git(clone.parent, "clone", "--quiet", "--bare", str(clone), repository)
    git(clone, "remote", "add", "origin", repository.as_uri())
    return SimpleNamespace(clone=clone, repository=repository.as_uri())


@contextlib.contextmanager
def started(clone, place, *settings):
    """A hub that `make hub` starts in a clone; at the end, nothing is left.

    What it says lies in a place of its own; so do its temporary files, where
    the path of a socket isn't too long.
    """
    port = hub.free_port()
    temporary = Path(tempfile.mkdtemp())
    log = place / "said.log"
    with open(log, "w") as said:
        process = subprocess.Popen(
            [
                "make",
                "hub",
                f"PORT={port}",
                f"VENV={sys.prefix}",
                "SETUP=0",
                *settings,
            ],
            cwd=clone,
            env={
                **os.environ,
                "PYTHONPATH": str(clone),
                "TMPDIR": str(temporary),
            },
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 180
    while "Ctrl-C stops it" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    family = psutil.Process(process.pid).children(recursive=True)
    try:
        yield SimpleNamespace(
            port=port,
            link=re.search(r"http:\S+git-pull\S+", log.read_text())[0],
            password=re.search(r"password (\S+)", log.read_text())[1],
            process=process,
            family=family,
            temporary=temporary,
            said=log,
        )
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            family += psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try:
            process.wait(180)
        finally:
            _, left = psutil.wait_procs(family, timeout=5)
            for one in left:
                one.kill()
        assert not left
        temporary.rmdir()


@pytest.fixture(scope="module")
def running(teacher):
    """The teacher's hub, where students get what the teacher has pushed."""
    settings = (f"REPO={teacher.repository}", "BRANCH=main")
    with started(teacher.clone, teacher.clone.parent, *settings) as running:
        yield running


@contextlib.contextmanager
def student(browser, running, home, name):
    """A student's browser, logged in at the page that the link opens."""
    settings = home / name / ".jupyter"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "jupyter_lab_config.py").write_text(
        "c.LabApp.expose_app_in_browser = True\n"
    )
    size = {"width": 1400, "height": 1000}
    with browser.new_context(viewport=size) as context:
        page = context.new_page()
        page.set_default_timeout(240_000)
        page.goto(running.link)
        page.locator("#username_input").fill(name)
        page.locator("#password_input").fill(running.password)
        page.locator("#login_submit").click()
        yield page


def wait_for_lab(page):
    page.wait_for_url("**/lab/tree/**")
    page.wait_for_function("window.jupyterapp?.restored")
    page.evaluate("window.jupyterapp.restored")


def type_into(page, index, text):
    """Write into a cell, and run it."""
    page.evaluate(EDIT, index)
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    page.evaluate(RUN_CELL, index)


def run_first_cell(page, start, words):
    """Bring the workbook up to date: what the cell shows with these words."""
    page.evaluate(OPEN, start)  # also where it is open: now it's ready
    page.evaluate(RUN_CELL, 0)
    shown = page.evaluate(SHOWN, {"index": 0, "words": words})
    assert words in shown
    # Else the browser asks, at the next click, whether it may leave the page.
    page.evaluate(SAVE)
    return shown


def test_students_answer_is_kept_when_the_teacher_pushes_a_new_version(
    browser, teacher, running
):
    home = teacher.clone / "hub/home"
    path = f"{NAME}/workbook/03_custom_layers.ipynb"
    file = {"path": path, "factory": "Notebook"}
    start = {"path": f"{NAME}/start.ipynb", "factory": "Notebook"}
    shots = BUILD / "screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    with student(browser, running, home, "ada") as page:
        wait_for_lab(page)
        shown = run_first_cell(page, start, " solved, ")
        solved, of = re.search(r"(\d+) of (\d+) solved, ", shown).groups()
        assert solved == "0"
        page.screenshot(path=shots / "hub-start.png")
        page.evaluate(OPEN, file)
        starter = page.evaluate(FIND, "class QuadraticLayer")
        check = page.evaluate(FIND, "check.quadratic_layer")
        for imported in ("import torch", "from d2l_helpers import check"):
            page.evaluate(RUN_CELL, page.evaluate(FIND, imported))
        for answer, words in (
            (WRONG, "This sums only the squares x_i x_i."),
            (RIGHT, "3.1 A quadratic layer: solved"),
        ):
            type_into(page, starter, answer)
            page.evaluate(RUN_CELL, check)
            asked = {"index": check, "words": words}
            assert words in page.evaluate(SHOWN, asked)
        page.evaluate(SAVE)
        page.screenshot(path=shots / "hub-solved.png")
        run_first_cell(page, start, f"1 of {of} solved, ")
        page.screenshot(path=shots / "hub-progress.png")

        chapter = teacher.clone / "chapters/03_custom_layers.ipynb"
        notebook = nbformat.read(chapter, as_version=4)
        notebook.cells[0].source += f"\n\n{NEW}"
        nbformat.write(notebook, chapter)
        git(teacher.clone, "commit", "--quiet", "--all", "--message=New")
        git(teacher.clone, "push", "--quiet", "origin", "main")

        page.goto(running.link)
        wait_for_lab(page)
        run_first_cell(page, start, "the new version")
        # JupyterLab had opened the page again, as it was before.
        page.evaluate(OPEN, file)
        page.evaluate(RELOAD)
        first, answer = (page.evaluate(SOURCE, i) for i in (0, starter))
        assert first.endswith(NEW)
        assert answer == RIGHT
        page.screenshot(path=shots / "hub-new.png")
    copy = nbformat.read(home / "ada" / path, as_version=4)
    assert copy.cells[starter].source == RIGHT
    assert copy.cells[0].source.endswith(NEW)


def processes_of(running):
    return psutil.Process(running.process.pid).children(recursive=True)


def test_hub_ends_with_all_that_it_started_and_keeps_what_was_done(
    browser, teacher, tmp_path
):
    folder = tmp_path / "hub"
    note = folder / "home/bob/note.txt"
    settings = (f"HUB={folder}", f"REPO={teacher.repository}")
    # The second starts in the folder of one that has ended.
    for ending in (signal.SIGINT, signal.SIGTERM):
        with started(teacher.clone, tmp_path, *settings) as running:
            with student(browser, running, folder / "home", "bob") as page:
                wait_for_lab(page)
                page.evaluate(NEW_NOTEBOOK)  # its kernel runs
            assert note.exists() == (ending == signal.SIGTERM)
            note.write_text("mine")
            family = processes_of(running)
            # The hub, its proxy, the culler, a server, and a kernel.
            assert len(family) > 5
            # As a terminal does it: all of its processes get the signal.
            os.killpg(running.process.pid, ending)
            running.process.wait(180)
            _, left = psutil.wait_procs(family, timeout=5)
            assert left == []
            assert list(running.temporary.iterdir()) == []
            assert "what students did is kept" in running.said.read_text()
    assert note.read_text() == "mine"
