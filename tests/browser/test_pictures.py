"""README's pictures, made anew: ``LABKIT_PICTURES=notebooks/pictures pytest tests/browser -k pictures``."""

import io
import os
from pathlib import Path

import nbformat
import pytest
from PIL import Image

FOLDER = os.environ.get("LABKIT_PICTURES")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not FOLDER, reason="makes README's pictures where LABKIT_PICTURES names a folder"),
]

WIDTH, LARGEST = 800, 120_000
CELLS = [
    "from labkit import Lab\nlab = Lab()\nlab.goto(5, finished=True)",
    "lab.split_panel(rate=30)",
    'lab.graph(of=lab.send("/service-a", requests=200, concurrency=4))',
]
ANSWERS = """count => {
  const seen = document.querySelector('.labkit-split .count')?.textContent.match(/of (\\d+)/);
  return seen && +seen[1] > count;
}"""


def test_the_split_panel_and_the_mesh(desk, opened, page):
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(made, desk.root / "checkout" / "notebooks" / "pictures.ipynb")
    notebook = opened("pictures.ipynb")
    notebook.run_all()
    graph = notebook.show(2).locator(".jp-OutputArea-output").first
    keep(page, graph.bounding_box(), "mesh-graph")

    panel = notebook.show(1).locator(".jp-OutputArea-output:has(.labkit-split)")
    panel.locator("button.widget-button:has-text('Start')").click()
    page.wait_for_function(ANSWERS, arg=150)
    panel.locator("button.widget-button:has-text('10 / 90')").click()
    page.get_by_text("first answer by the new weights after").wait_for()
    page.wait_for_function(ANSWERS, arg=200)
    box, manifest = panel.bounding_box(), panel.locator("summary").bounding_box()
    keep(page, {**box, "height": manifest["y"] - box["y"]}, "split-panel")


def keep(page, box, name):
    """What is in *box* (it may move all the time), in few colours and small."""
    path = Path(FOLDER) / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(page.screenshot(clip=box))) as image:
        size = (WIDTH, round(image.height * WIDTH / image.width))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        small.quantize(255, method=Image.Quantize.MAXCOVERAGE).save(path, optimize=True)
    assert path.stat().st_size <= LARGEST
