"""The split panel in JupyterLab: the mouse moves a slider, the split follows, and nothing is left behind."""

import time

import nbformat
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CELLS = [
    "from labkit import Lab\nlab = Lab()\nlab.goto(3, finished=True)",
    "panel = lab.split_panel(rate=40)\npanel",
]
STREAMS = "import threading; print([t.name for t in threading.enumerate()].count('labkit-stream'))"
ASK = """async code => {
  const { sessions, kernels } = jupyterapp.serviceManager;
  await sessions.refreshRunning();
  const { kernel } = [...sessions.running()].find(one => one.path === 'panel.ipynb');
  const connection = kernels.connectTo({ model: kernel }), future = connection.requestExecute({ code });
  let said = '';
  future.onIOPub = message => { said += message.content.text ?? ''; };
  await future.done;
  connection.dispose();
  return said.trim();
}"""
C_HAS_ALL = """() => {
  const data = document.querySelector('.js-plotly-plot')?.data;
  return data && data[0].y[1] === 100 && data[0].y[0] === 0 && +data[0].text[1] >= 60;
}"""
ANSWERS = """count => {
  const data = document.querySelector('.js-plotly-plot')?.data;
  return data && data.slice(2, 5).flatMap(trace => trace.x).length > count;
}"""
IS_RUNNING, SENT = "print(panel.stream.running)", "print(panel.stream.sent)"
CELL = ".jp-Notebook .jp-CodeCell .cm-content"


@pytest.fixture
def book(desk, opened, page):
    """A notebook with the panel in it, open, with its first two cells run."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, desk.root / "checkout" / "notebooks" / "panel.ipynb")
    page.set_default_timeout(30_000)
    found = opened("panel.ipynb")
    found.run_all()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    return found


def test_a_dragged_slider_moves_the_traffic(book, page, capsys):
    see_answers(page)
    drag_to_the_end(page, page.locator(".jp-OutputArea .noUi-handle").nth(1))

    page.get_by_text("applied → acknowledged by").wait_for()
    first = page.get_by_text("first answer by the new weights after")
    first.wait_for()
    with capsys.disabled():
        print(f"\nmouse on the slider: {first.inner_text()}")
    readouts = page.locator(".jp-OutputArea .widget-readout").all_inner_texts()
    assert readouts[:2] == ["0", "100"]
    page.wait_for_function(C_HAS_ALL)
    book.shoot("dragged")

    # Its view is taken away while updates go on: plotly's own figure would draw on a purged element.
    page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.locator(".js-plotly-plot").wait_for(state="detached")
    before = int(ask(page, SENT))
    wait_until(lambda: int(ask(page, SENT)) > before + 40)
    assert page.problems == []

    run(page, 1)
    for _ in range(3):  # the cell again, while the stream runs
        see_answers(page)
        run(page, 1)
    page.locator("button.widget-button:has-text('Start')").wait_for()
    assert ask(page, STREAMS) == "0"
    assert page.locator(".js-plotly-plot").count() == 1
    assert page.problems == []


def test_a_page_that_is_left_comes_back_and_a_kernel_that_is_gone_is_told(desk, book, page):
    see_answers(page)
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    page.wait_for_function(ANSWERS, arg=40)
    assert ask(page, IS_RUNNING) == "True"

    page.evaluate("jupyterapp.commands.execute('application:close')")
    page.locator(".jp-Notebook").wait_for(state="detached")
    assert ask(page, IS_RUNNING) == "True", "a glance aside is no reason to pause"
    wait_until(lambda: ask(page, IS_RUNNING) == "False")
    assert "nobody looks" in ask(page, "print(panel.controls.state.value)")

    page.goto(desk.url("panel.ipynb"))
    page.locator("button.widget-button:has-text('Pause')").wait_for()
    page.wait_for_function(ANSWERS, arg=10)
    assert ask(page, IS_RUNNING) == "True"

    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    page.get_by_text("The kernel that made this is gone").wait_for()
    assert ask(page, STREAMS) == "0"
    assert page.problems == []


def see_answers(page):
    """Start the stream; a handful of answers is drawn."""
    page.locator("button.widget-button:has-text('Start')").click()
    page.wait_for_function(ANSWERS, arg=20)


def run(page, index):
    page.locator(CELL).nth(index).click()
    page.keyboard.press("Control+Enter")


def ask(page, code):
    """What the notebook's kernel prints, whether it is open or not."""
    return page.evaluate(ASK, code)


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)


def drag_to_the_end(page, handle):
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=5)
    page.mouse.move(x + 400, y, steps=5)
    page.mouse.up()
