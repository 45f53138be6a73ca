"""The split panel on a cluster of somebody's: JupyterLab as a learner starts it, and a mouse on a slider."""

import subprocess
import time

import nbformat
import pytest

from ..browser import conftest as browser
from ..browser.test_split_panel import drag_to_the_end, see_answers

CELLS = [
    "from labkit import Lab\nlab = Lab()\nlab.goto(3, finished=True)",
    "panel = lab.split_panel(rate=20)\npanel",
]


def panel_moves_traffic(cluster, folder):
    """Drag the second slider to its end; what the panel says when the first answer by it came."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install '.[test]'")
    if not browser.CHROMIUM:
        pytest.skip("no chromium here; install Debian's package to run this test")
    browser._copy_checkout(folder)
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, folder / "checkout" / "notebooks" / "panel.ipynb")
    log, token = folder / "jupyter.log", "of-the-tests"
    # HOME stays the user's, whose kubeconfig may be there. The notebooks are copies, whatever is set.
    env = {**browser._environment(folder, token), **cluster.env, "PYTHONPATH": str(folder / "checkout")}
    with log.open("w") as sink:
        command = [browser.LABKIT, "lab", "--no-browser", "--port", "0"]
        server = subprocess.Popen(command, cwd=folder, env=env, stdout=sink, stderr=subprocess.STDOUT)
    try:
        desk = browser.Desk(folder, *browser._address(server, log), token, time.monotonic())
        with playwright.sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path=browser.CHROMIUM, args=browser.FLAGS)
            page = chromium.new_page(viewport=browser.VIEWPORT)
            page.set_default_timeout(90_000)
            page.goto(desk.url("panel.ipynb"))
            browser.Notebook(page, "panel.ipynb", folder).run_all()
            page.locator(".labkit-split .head").first.wait_for()
            see_answers(page)
            drag_to_the_end(page, page.locator(".jp-OutputArea .noUi-handle").nth(1))
            first = page.get_by_text("first answer by the new weights after")
            first.wait_for()
            words = first.inner_text()
            chromium.close()
        return words
    finally:
        server.terminate()
        server.wait(60)
