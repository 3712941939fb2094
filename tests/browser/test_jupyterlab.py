"""Each chapter in JupyterLab: restart, run all, and look at it.

The server runs in a copy of the checkout, as `make lab` starts it, since
JupyterLab saves what it shows.
"""

import os
import re
import subprocess
import sys
import time

import nbformat
import pytest

from tools import book, flakes

TOKEN = "reader"
OPEN = """async ({path, factory}) => {
  const {commands, shell} = window.jupyterapp;
  const panel = await commands.execute("docmanager:open", {path, factory});
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  shell.activateById(panel.id);
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


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where JupyterLab is, started by `make lab` in a copy."""
    folder = tmp_path_factory.mktemp("checkout")
    flakes.copy_of_checkout(folder)
    # The copy isn't installed; that would replace the checkout's own.
    command = ["sh", "-c", "pwd | cksum | cut -d ' ' -f 1"]
    stamp = subprocess.check_output(command, cwd=folder, text=True).strip()
    log = folder / "lab.log"
    arguments = f"--no-browser --port 0 --IdentityProvider.token={TOKEN}"
    arguments += " --LabApp.expose_app_in_browser=True --allow-root"
    with open(log, "w") as output:
        server = subprocess.Popen(
            [
                *["make", "lab", f"VENV={sys.prefix}", f"ARGS={arguments}"],
                *["-o", f"{sys.prefix}/.ready-{stamp}"],
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = None
    deadline = time.monotonic() + 60
    while not address and time.monotonic() < deadline:
        address = re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())
        time.sleep(0.1)
    assert address, log.read_text()
    yield address[0]
    os.killpg(server.pid, 15)
    server.wait(30)


@pytest.fixture
def lab(browser, address):
    """A page with JupyterLab, as one opens it for the first time."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{address}lab?reset&token={TOKEN}")
    page.wait_for_function("window.jupyterapp?.restored")
    page.evaluate("window.jupyterapp.restored")
    yield page
    page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    context.close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["ipynb", "py"])
@pytest.mark.parametrize("source", book.sources(), ids=lambda s: s.stem)
def test_chapter_runs_from_the_top_and_shows_its_pictures(lab, source, kind):
    stored = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    stored = [cell for cell in stored.cells if cell.cell_type == "code"]
    factory = "Notebook" if kind == "ipynb" else "Jupytext Notebook"
    path = f"chapters/{source.stem}.{kind}"
    lab.evaluate(OPEN, {"path": path, "factory": factory})
    lab.locator(".jp-Dialog button", has_text="Restart").click()
    lab.wait_for_function(DONE)
    cells = lab.evaluate(CELLS)
    assert [c["count"] for c in cells] == list(range(1, len(stored) + 1))
    for cell, wanted in zip(cells, stored, strict=True):
        where = f"{path}, In [{cell['count']}]"
        kinds = [output["output_type"] for output in cell["outputs"]]
        intended = "raises-exception" in wanted.metadata.get("tags", [])
        assert ("error" in kinds) == intended, (where, cell["outputs"])
        streams = {o["name"] for o in cell["outputs"] if "name" in o}
        assert "stderr" not in streams, (where, cell["outputs"])
        if any("image/png" in o.get("data", {}) for o in wanted.outputs):
            assert lab.evaluate(LOOK, cell["index"]), f"{where}: no picture"
