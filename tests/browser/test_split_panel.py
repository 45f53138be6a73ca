"""JupyterLab in a real browser: the panel appears, the mouse moves a slider, the split follows.

Screenshots are kept in ``$LABKIT_ARTEFACTS``, by default ``output/``.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from labkit import Lab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTEFACTS = Path(os.environ.get("LABKIT_ARTEFACTS", "output"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CELLS = [
    "from labkit import Lab\nlab = Lab()",
    "panel = lab.split_panel(rate=40)\npanel",
]


@pytest.fixture
def jupyter(cluster, tmp_path) -> Iterator[str]:
    """URL of a notebook with the panel, in a JupyterLab of its own."""
    with Lab(kubeconfig=cluster.kubeconfig) as lab:
        lab.goto(3, finished=True)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, tmp_path / "panel.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    options = ["--no-browser", "--allow-root", f"--port={port}", f"--IdentityProvider.token={token}"]
    command = [sys.executable, "-m", "jupyterlab", *options, f"--notebook-dir={tmp_path}"]
    with (tmp_path / "jupyter.log").open("w") as log:
        server = subprocess.Popen(command, env=cluster.env, stdout=log, stderr=log)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server)
            yield f"http://127.0.0.1:{port}/lab/tree/panel.ipynb?token={token}&reset"
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(url, server):
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2)
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("JupyterLab did not start")


@pytest.fixture
def page():
    """A page of headless Chromium; ``errors`` lists what its console complained of."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install '.[test]'")
    if not CHROMIUM:
        pytest.skip("no chromium here; install Debian's package to run this test")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1200, "height": 1100})
        opened.problems = []
        opened.on("console", lambda said: said.type == "error" and opened.problems.append(said.text))
        opened.on("pageerror", lambda error: opened.problems.append(str(error)))
        yield opened
        browser.close()


def test_a_dragged_slider_moves_the_traffic(jupyter, page, capsys):
    _open_and_run(jupyter, page)
    page.locator("button.widget-button:has-text('Start')").click()
    page.locator("button.widget-button:has-text('Pause')").wait_for()
    page.wait_for_function("document.querySelectorAll('.jp-OutputArea .scatterlayer .point').length > 20")

    _drag_to_the_end(page, page.locator(".jp-OutputArea .noUi-handle").nth(1))

    page.get_by_text("applied → acknowledged by").wait_for()
    first = page.get_by_text("first answer by the new weights after")
    first.wait_for()
    readouts = page.locator(".jp-OutputArea .widget-readout").all_inner_texts()
    with capsys.disabled():
        print(f"\nmouse on the slider: {first.inner_text()}")
    assert readouts[:2] == ["0", "100"]
    page.wait_for_function(_C_HAS_ALL)
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / "split-panel.png")
    page.keyboard.press("Escape")
    _run_again(page)
    assert "Error displaying widget" not in page.inner_text("body")
    assert not page.problems


_C_HAS_ALL = """() => {
  const plot = document.querySelector('.js-plotly-plot');
  return plot && plot.data[0].y[1] === 100 && plot.data[0].y[0] === 0 && +plot.data[0].text[1] >= 60;
}"""


def _open_and_run(url, page):
    page.goto(url, timeout=60_000)
    page.locator(".jp-Notebook .jp-CodeCell").nth(1).wait_for(timeout=60_000)
    page.get_by_text("| Idle").wait_for(timeout=60_000)
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=60_000)


def _run_again(page):
    """The cell again: a panel in place of the one before, whose stream has ended."""
    page.locator(".jp-CodeCell .cm-content").nth(1).click()
    page.keyboard.press("Control+Enter")
    page.locator("button.widget-button:has-text('Start')").wait_for()
    page.locator(".jp-CodeCell .cm-content").nth(2).click()
    page.keyboard.type(_STREAMS)
    page.keyboard.press("Control+Enter")
    page.get_by_text("streams left: 0").wait_for()


_STREAMS = (
    "import threading; print('streams left:', [t.name for t in threading.enumerate()].count('labkit-stream'))"
)


def _drag_to_the_end(page, handle):
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=5)
    page.mouse.move(x + 400, y, steps=5)
    page.mouse.up()
