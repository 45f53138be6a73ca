"""Every notebook in JupyterLab: all cells run, all figures and widgets are there, the console is silent."""

import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

BOOK = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = [path.name for path in sorted(BOOK.glob("[0-9][0-9]-*.ipynb"))]
PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
BROKEN = ["Error displaying widget", "Javascript Error", "Loading widget", "Error rendering"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_runs_and_shows_everything(name, opened, page, capsys):
    notebook = opened(name)
    began = time.monotonic()
    code = notebook.run_all()
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\n{name}: run all cells {seconds:.1f} s", end=" ")

    outputs = [(cell["index"], output) for cell in code for output in cell["outputs"]]
    assert not [(index, out["evalue"]) for index, out in outputs if out["output_type"] == "error"]
    assert [cell["execution_count"] for cell in code if cell["source"]] == list(range(1, len(code) + 1))
    for index, output in outputs:
        see(notebook, index, output.get("data", {}))
    text = "".join(notebook.scroll_through())
    assert not [sign for sign in BROKEN if sign in text]
    assert page.problems == []


def see(notebook, index, data):
    """A figure is drawn and has a size; a widget is there."""
    if PLOTLY in data:
        box = notebook.show(index).locator(".js-plotly-plot .main-svg").first.bounding_box()
        assert box["width"] > 300
        assert box["height"] > 150
    if WIDGET in data:
        widget = notebook.show(index).locator(".jupyter-widgets").first
        widget.wait_for()
