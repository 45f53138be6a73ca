"""The mesh as a live picture in JupyterLab: it follows the traffic, and says when the cluster is gone."""

import re

import nbformat
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CELLS = [
    "from labkit import Lab\nlab = Lab()\nlab.goto(5, finished=True)",
    "panel = lab.split_panel(rate=40)\npanel",
    "mesh = lab.live_graph()\nmesh",
]
WIDTHS = """() => [...document.querySelectorAll('svg[aria-label^="The mesh"] polyline')]
  .map(one => +one.getAttribute('stroke-width'))"""


def test_it_follows_the_traffic(desk, opened, page):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, desk.root / "checkout" / "notebooks" / "mesh.ipynb")
    notebook = opened("mesh.ipynb")
    notebook.run_all()
    panel = notebook.show(1)
    panel.get_by_role("button", name="Start").click()
    panel.get_by_role("button", name="90 / 10").click()
    picture = notebook.show(2).locator("svg").first
    page.wait_for_function(f"() => ({WIDTHS})().length >= 7")
    seen = picture.get_attribute("aria-label")
    assert re.search(r"ServiceA → ServiceB: \d+ requests? \(\d+ %\)", seen)
    assert re.search(r"ServiceC → egress gateway: \d+ request", seen)

    notebook.show(1).get_by_role("button", name="0 / 100").click()
    picture = notebook.show(2).locator("svg").first
    page.wait_for_function(
        "() => !document.querySelector('svg[aria-label^=\"The mesh\"]').ariaLabel.includes('→ ServiceB')"
    )
    for theme in ("Dark", "Light"):
        page.evaluate(
            f"jupyterapp.commands.execute('apputils:change-theme', {{ theme: 'JupyterLab {theme}' }})"
        )
        page.wait_for_timeout(1_700)
        notebook.shoot(theme.lower())

    desk.labkit("down")
    page.get_by_text("The picture stands still since").wait_for(timeout=10_000)
    desk.labkit("up")
    page.get_by_text("The picture stands still since").wait_for(state="detached", timeout=20_000)
    assert page.problems == []
