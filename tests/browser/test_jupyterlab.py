"""Each chapter in JupyterLab: restart, run all, and look at it.

The server runs in a copy of the checkout, as `make lab` starts it, or as
`make edit` does for authors, since JupyterLab saves what it shows.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from nbval_strict import flakes
from tools import files
from tools.folders import BUILD
from tools.page import chapters, pages

TOKEN = "reader"
OPEN = """async ({path, factory}) => {
  const {commands, shell} = window.jupyterapp;
  const panel = await commands.execute("docmanager:open", {path, factory});
  await panel.context.ready;
  shell.activateById(panel.id);
  return panel.content.widgets.map(({model: {type, sharedModel}}) => (
    {type, source: sharedModel.source, metadata: sharedModel.metadata}));
}"""
RUN = """async () => {
  const {commands, shell} = window.jupyterapp;
  const {sessionContext} = shell.currentWidget;
  await sessionContext.ready;
  await sessionContext.session.kernel.info;
  await commands.execute("notebook:clear-all-cell-outputs");
  commands.execute("notebook:restart-run-all");  // it asks first
}"""
DONE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const code = panel.content.widgets.filter(w => w.model.type === "code");
  return panel.sessionContext.session.kernel.status === "idle"
    && code.every(widget => widget.model.executionCount !== null);
}"""
CELLS = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.widgets.map((widget, index) => ({
    index,
    kind: widget.model.type,
    count: widget.model.executionCount ?? null,
    outputs: widget.model.outputs?.toJSON() ?? [],
  }));
  return cells.filter(cell => cell.kind === "code");
}"""
CLOSE_ALL = """async () => {
  const {shell, serviceManager} = window.jupyterapp;
  for (const widget of [...shell.widgets("main")]) {
    if (widget.context) widget.context.model.dirty = false;
    widget.dispose();
  }
  await serviceManager.sessions.shutdownAll();
}"""
LOOK = """async (index) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  await notebook.scrollToItem(index, "center");
  const cell = notebook.widgets[index].node;
  for (let i = 0; i < 100; i++) {
    const shown = ".jp-OutputArea img, .jp-OutputArea svg";
    const picture = cell.querySelector(shown);
    if (picture?.getBoundingClientRect().width > 50) return true;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  return false;
}"""


@contextlib.contextmanager
def started(folder, target, *settings):
    """Where JupyterLab is, started by make in a copy of the checkout."""
    flakes.copy_of_checkout(folder)
    log = folder / "lab.log"
    arguments = f"--no-browser --port 0 --IdentityProvider.token={TOKEN}"
    arguments += " --LabApp.expose_app_in_browser=True --allow-root"
    with open(log, "w") as output:
        server = subprocess.Popen(
            # The copy isn't installed; that would replace the checkout's own.
            [
                "make",
                target,
                f"VENV={sys.prefix}",
                "SETUP=0",
                f"ARGS={arguments}",
                *settings,
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = None
        deadline = time.monotonic() + 60
        while not address and time.monotonic() < deadline:
            address = re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())
            time.sleep(0.1)
        assert address, log.read_text()
        yield address[0]
    finally:
        server.terminate()
        try:
            server.wait(30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with started(tmp_path_factory.mktemp("checkout"), "edit") as address:
        yield address


@pytest.fixture(scope="module")
def jupyterlab(browser, address):
    """A page with JupyterLab, as one opens it for the first time."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{address}lab?reset&token={TOKEN}")
    page.wait_for_function("window.jupyterapp?.restored")
    page.evaluate("window.jupyterapp.restored")
    yield page
    context.close()


@pytest.fixture
def lab(jupyterlab):
    """JupyterLab with nothing open."""
    yield jupyterlab
    jupyterlab.evaluate(CLOSE_ALL)


FACTORIES = {".ipynb": "Notebook", ".py": "Jupytext Notebook"}


def open_chapter(lab, chapter, suffix):
    """Open a chapter as a notebook: its cells there, and as stored."""
    file = {"path": chapter.shown(suffix), "factory": FACTORIES[suffix]}
    cells = lab.evaluate(OPEN, file)
    return cells, nbformat.read(chapter.notebook, as_version=4).cells


def run_all(lab):
    lab.evaluate(RUN)
    lab.locator(".jp-Dialog button", has_text="Restart").click()
    lab.wait_for_function(DONE, polling=100)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("chapter", chapters(), ids=str)
def test_chapter_runs_from_the_top_and_shows_its_pictures(lab, chapter):
    _, stored = open_chapter(lab, chapter, ".ipynb")
    run_all(lab)
    assert_shown(lab, stored)


@pytest.mark.timeout(180)
def test_script_runs_as_a_notebook(lab):
    """In its cells it is the chapter: one stands for all."""
    for chapter in chapters():
        lab.evaluate(CLOSE_ALL)
        cells, stored = open_chapter(lab, chapter, ".py")
        assert [(c["type"], c["source"]) for c in cells] == [
            (cell.cell_type, cell.source) for cell in stored
        ]
        for cell, wanted in zip(cells, stored, strict=True):
            for key in ("tags", "mystnb"):
                assert cell["metadata"].get(key) == wanted.metadata.get(key)
    run_all(lab)
    assert_shown(lab, stored)


def assert_shown(lab, stored):
    """Compare what the cells show with what is stored, by its kind."""
    stored = [cell for cell in stored if cell.cell_type == "code"]
    cells = lab.evaluate(CELLS)
    assert [c["count"] for c in cells] == list(range(1, len(stored) + 1))
    for cell, wanted in zip(cells, stored, strict=True):
        where = f"In [{cell['count']}]"
        kinds = [output["output_type"] for output in cell["outputs"]]
        intended = "raises-exception" in wanted.metadata.get("tags", [])
        assert ("error" in kinds) == intended, (where, cell["outputs"])
        streams = {o["name"] for o in cell["outputs"] if "name" in o}
        assert "stderr" not in streams, (where, cell["outputs"])
        if any("image/png" in o.get("data", {}) for o in wanted.outputs):
            assert lab.evaluate(LOOK, cell["index"]), f"{where}: no picture"


EDIT = """async (index) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  await notebook.scrollToItem(index, "center");
  notebook.activeCellIndex = index;
  notebook.mode = "edit";
  const cell = notebook.widgets[index];
  for (let i = 0; i < 200 && !cell.editor; i++)  // it is made late
    await new Promise(resolve => setTimeout(resolve, 50));
  cell.editor.focus();
}"""
FIND = """(start) => window.jupyterapp.shell.currentWidget.content.widgets
  .findIndex(w => w.model.type === "code"
    && w.model.sharedModel.source.includes(start))"""
# JupyterLab renders what is in view, and that a little later.
SHOWN = """async ({index, words}) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  await notebook.scrollToItem(index, "center");
  const area = notebook.widgets[index].outputArea.node;
  for (let i = 0; i < 200 && !area.innerText.includes(words); i++)
    await new Promise(resolve => setTimeout(resolve, 50));
  return area.innerText;
}"""
WRONG = """class QuadraticLayer(nn.Module):
    def __init__(self, d, m):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d, d, m))

    def forward(self, X):
        return torch.einsum("...i,iik->...k", X**2, self.weight)
"""
RIGHT = WRONG.replace(
    '"...i,iik->...k", X**2, self.weight',
    '"...i,ijk,...j->...k", X, self.weight, X',
)


@pytest.mark.timeout(180)
def test_exercise_answers_back(lab):
    (chapter,) = chapters("03")
    open_chapter(lab, chapter, ".ipynb")
    run_all(lab)
    starter = lab.evaluate(FIND, "class QuadraticLayer")
    check = lab.evaluate(FIND, "check.quadratic_layer")
    shots = BUILD / "screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    for answer, name, words in (
        ("", "blank", "3.1 A quadratic layer: not solved yet"),
        (WRONG, "wrong", "This sums only the squares x_i x_i."),
        (RIGHT, "right", "3.1 A quadratic layer: solved"),
    ):
        if answer:
            lab.evaluate(EDIT, starter)
            lab.keyboard.press("Control+a")
            # In one go: the editor would indent each line once more.
            lab.keyboard.insert_text(answer)
            lab.keyboard.press("Shift+Enter")  # and on to the check
            lab.keyboard.press("Shift+Enter")
        shown = lab.evaluate(SHOWN, {"index": check, "words": words})
        assert words in shown
        assert "**" not in shown  # rendered, not Markdown's source
        lab.screenshot(path=shots / f"exercise-{name}.png")


SCROLL = """async ({path, start}) => {
  const {commands} = window.jupyterapp;
  const panel = await commands.execute("docmanager:open", {path});
  await panel.context.ready;
  const index = panel.content.widgets.findIndex(
    w => w.model.sharedModel.source.includes(start));
  await panel.content.scrollToItem(index, "center");
}"""
# A notebook is current before its file has come, and that before its cells.
OPENED = """(path) => {
  const {context, content} = window.jupyterapp.shell.currentWidget;
  return context.path === path && context.isReady
    && content.widgets.length === content.model.cells.length;
}"""


@pytest.mark.timeout(180)
def test_exercise_leads_to_its_solution_and_back(lab):
    chapter, solutions = (page.shown(".ipynb") for page in pages("03"))
    title = "3.7 Where to center"  # the last, out of sight from the top
    lab.evaluate(SCROLL, {"path": chapter, "start": f"### {title}"})
    cell = lab.locator(".jp-MarkdownOutput:visible", has_text=title)
    for link, path in (("Solution", solutions), ("Exercise", chapter)):
        cell.get_by_role("link", name=link, exact=True).click()
        lab.wait_for_function(OPENED, arg=path)
        cell.locator("h2, h3").wait_for()
        deadline = time.monotonic() + 15
        while not 0 <= cell.locator("h2, h3").bounding_box()["y"] < 1000:
            assert time.monotonic() < deadline, f"{link} leads to the top"
            time.sleep(0.1)


@contextlib.contextmanager
def workbook(browser, folder, *settings):
    """The front page of the workbook that `make lab` opens."""
    with (
        started(folder, "lab", *settings) as address,
        browser.new_context(
            viewport={"width": 1400, "height": 1000}
        ) as context,
    ):
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{address}?token={TOKEN}")
        page.locator(".jp-RenderedHTML table:visible").wait_for()
        yield page


def shot(page, name):
    shots = BUILD / "screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=shots / f"{name}.png")


SOLVE = """async ({start, source}) => {
  const {commands, shell} = window.jupyterapp;
  const notebook = shell.currentWidget.content;
  const index = notebook.widgets.findIndex(
    w => w.model.sharedModel.source.includes(start));
  notebook.widgets[index].model.sharedModel.setSource(source);
  await shell.currentWidget.context.save();
}"""
STORED = """async (start) => {
  const {commands, shell} = window.jupyterapp;
  const notebook = shell.currentWidget.content;
  notebook.activeCellIndex = notebook.widgets.findIndex(
    w => w.model.sharedModel.source.includes(start));
  await commands.execute("notebook:run-cell");
  await commands.execute("notebook:insert-cell-below");
  notebook.activeCell.model.sharedModel.setSource(
    "import d2l_reader\\nd2l_reader.show_stored()");
  await commands.execute("notebook:run-cell");
  return notebook.activeCellIndex;
}"""


@pytest.mark.timeout(300)
def test_front_page_leads_to_an_exercise_and_shows_that_it_is_solved(
    browser, tmp_path
):
    (chapter,) = chapters("03")
    name = chapter.notebook.name
    with workbook(browser, tmp_path / "checkout") as page:
        shot(page, "workbook")
        progress = page.locator(".jp-RenderedHTML:visible")
        progress.get_by_role("link", name="3.1 A quadratic layer").click()
        page.wait_for_function(OPENED, arg=f"workbook/{name}")
        outputs = [cell["outputs"] for cell in page.evaluate(CELLS)]
        assert outputs
        assert not any(outputs)
        source = {"start": "class QuadraticLayer", "source": RIGHT}
        page.evaluate(SOLVE, source)
        run_all(page)
        check = page.evaluate(FIND, "check.quadratic_layer")
        words = "3.1 A quadratic layer: solved"
        assert words in page.evaluate(SHOWN, {"index": check, "words": words})
        # What is stored says otherwise: there nobody has answered.
        beside = page.evaluate(STORED, "check.quadratic_layer")
        words = "3.1 A quadratic layer: not solved yet"
        assert words in page.evaluate(SHOWN, {"index": beside, "words": words})
        shot(page, "workbook-stored")
        page.evaluate("window.jupyterapp.shell.currentWidget.context.save()")
        page.locator(".lm-TabBar-tab", has_text="index.ipynb").click()
        page.locator(".jp-InputArea-editor:visible").first.click()
        page.keyboard.press("Shift+Enter")
        solved = page.locator("tr:visible", has_text="03 Write layers")
        solved.filter(has_text="1/9").wait_for()
        shot(page, "workbook-solved")
        assert not list((tmp_path / "checkout/workbook").rglob("*.py"))


@pytest.mark.timeout(180)
def test_chinese_edition_opens_and_its_checks_speak_chinese(browser, tmp_path):
    (chapter,) = chapters("03", language="zh")
    title = files.title_of(files.read_stored(chapter))
    with workbook(browser, tmp_path / "checkout", "EDITION=zh") as page:
        page.get_by_role("heading", name="怎样读").wait_for()
        shot(page, "lab-zh")
        page.get_by_role("link", name=f"03 {title}", exact=True).click()
        page.wait_for_function(
            OPENED, arg=f"workbook/zh/{chapter.notebook.name}"
        )
        run_all(page)
        index = page.evaluate(FIND, "check.quadratic_layer")
        words = "3.1 二次层：还没做"
        asked = {"index": index, "words": words}
        assert words in page.evaluate(SHOWN, asked)
        shot(page, "lab-zh-check")
