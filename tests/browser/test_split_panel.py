"""The split panel in JupyterLab: the mouse moves a slider, the split follows, and nothing is left behind."""

import re
import subprocess
import sys
import time
from contextlib import contextmanager

import nbformat
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CELLS = [
    "from labkit import Lab\nlab = Lab()\nlab.goto(3, finished=True)",
    "panel = lab.split_panel(rate=40, total=20_000)\npanel",
]
THREADS = "import threading; print(sum(t.name.startswith('labkit-') for t in threading.enumerate()))"
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
CLOSE_ALL = "[...jupyterapp.shell.widgets('main')].forEach(one => one.dispose())"
"""Closes every notebook; what is not saved is discarded."""
C_HAS_ALL = """() => {
  const [b, c] = [...document.querySelectorAll('.labkit-split .head')].map(head => head.innerText);
  return c?.includes('100 %') && b.includes('0 of') && +c.match(/(\\d+) of/)[1] >= 60;
}"""
ANSWERS = """count => {
  const seen = document.querySelector('.labkit-split .count')?.textContent.match(/of (\\d+)/);
  return seen && +seen[1] > count;
}"""
PRESS_PAUSE = """() => new Promise(done => {
  const buttons = [...document.querySelectorAll('button.widget-button')];
  const button = buttons.find(one => one.textContent.includes('Pause')), began = performance.now();
  const look = () => button.textContent.includes('Start')
    && done([performance.now() - began, performance.timeOrigin + began]);
  new MutationObserver(look).observe(button, { childList: true, subtree: true, characterData: true });
  button.click();
})"""
DEAF = "import ctypes, pathlib; pathlib.Path({!r}).touch(); ctypes.PyDLL(None).sleep(5)"
"""Nothing else runs in the kernel from when the file is there."""
UNTIL = """from pathlib import Path
from time import sleep
from IPython.display import display
display(lab.split_panel())
while not Path({!r}).exists():
    sleep(0.05)"""
SHOW = """async source => {
  const { content } = jupyterapp.shell.currentWidget;
  content.model.sharedModel.addCell({ cell_type: 'code', source });
  content.activeCellIndex = content.widgets.length - 1;
  await jupyterapp.commands.execute('notebook:run-cell');
}"""
"""A cell more at the end, run."""
ALL_NAMED = """() => [...document.querySelectorAll('.noUi-handle')].every(
  handle => handle.ariaLabel?.startsWith('Weight of'))"""
FITS = """() => {
  const [output, window, top, below] = ['.jp-OutputArea:has(.labkit-split)', '.jp-WindowedPanel-outer',
    '.jp-OutputArea .noUi-target', '.labkit-split'].map(each => document.querySelector(each));
  output.scrollIntoView({ block: 'start', behavior: 'instant' });
  const seen = window.getBoundingClientRect(), first = top.getBoundingClientRect();
  return first.top >= seen.top && below.getBoundingClientRect().bottom <= seen.bottom && first.width >= 200;
}"""
"""All of it at once, when JupyterLab has laid out the page anew; a step of one per cent is two pixels."""
LEFT = "Run this cell again to get its sliders back."
COUNT_DRAWINGS = """() => {
  const kind = CanvasRenderingContext2D.prototype, clear = kind.clearRect;
  window.drawings = 0;
  kind.clearRect = function (...where) { window.drawings += 1; return clear.apply(this, where); };
}"""
FOCUSED = """() => {
  const { role, value, textContent } = document.activeElement;
  return role || value || textContent;
}"""
ELSEWHERE = """
from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.scenario.splitting import held_rule
def give(percent):
    held = held_rule(lab.learner.scenario, lab.api, lab.namespace)
    held.write(lab.api, held.sharing('ServiceC', percent))
name = 'producer-internal-host-vs'
at = VIRTUAL_SERVICES.path(lab.namespace, name)
def put(rule, name):
    made = {**rule, 'metadata': {'name': name, 'namespace': lab.namespace}}
    lab.api.request('POST', VIRTUAL_SERVICES.path(lab.namespace), body=made)
"""
IS_RUNNING, SENT = "print(panel.stream.running)", "print(panel.stream.sent)"
CELL = ".jp-Notebook .jp-CodeCell .cm-content"
MEGABYTE = 1_000_000


@pytest.fixture
def received(page):
    """How many bytes the page was sent over its websockets."""
    counted = [0]

    def count(payload):
        counted[0] += len(payload)

    page.on("websocket", lambda socket: socket.on("framereceived", count))
    return counted


@pytest.fixture
def book(desk, received, opened, page):
    """A notebook with the panel in it, open, with its first two cells run."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, desk.root / "checkout" / "notebooks" / "panel.ipynb")
    page.set_default_timeout(30_000)
    found = opened("panel.ipynb")
    found.run_all()
    page.locator(".labkit-split .head").first.wait_for()
    return found


def test_a_dragged_slider_moves_the_traffic(book, page, capsys):
    see_answers(page)
    drag_to_the_end(page, page.locator(".jp-OutputArea .noUi-handle").nth(1))

    page.get_by_text("applied → acknowledged by").wait_for()
    first = page.get_by_text("first answer by the new weights after")
    first.wait_for()
    with capsys.disabled():
        print(f"\nmouse on the slider: {first.inner_text()}")
    assert numbers(page) == ["0", "100"]
    page.wait_for_function(C_HAS_ALL)
    book.shoot("dragged")

    page.locator(".jp-OutputArea .noUi-handle").nth(1).focus()
    page.keyboard.press("ArrowLeft")
    wait_until(lambda: numbers(page) == ["1", "99"])

    # Its view is taken away while answers come.
    page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.locator(".labkit-split").wait_for(state="detached")
    before = int(ask(page, SENT))
    wait_until(lambda: int(ask(page, SENT)) > before + 40)
    assert page.problems == []

    run(page, 1)
    for _ in range(3):  # the cell again, while the stream runs
        see_answers(page)
        run(page, 1)
    page.locator("button.widget-button:has-text('Start')").wait_for()
    wait_until(lambda: ask(page, THREADS) == "1")  # it looks at the rule
    assert page.locator(".labkit-split").count() == 1
    assert page.problems == []


def test_a_page_that_is_left_comes_back_and_a_kernel_that_is_gone_is_told(desk, book, page):
    see_answers(page)
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    page.wait_for_function(ANSWERS, arg=40)
    assert ask(page, IS_RUNNING) == "True"

    page.evaluate(CLOSE_ALL)
    assert ask(page, IS_RUNNING) == "True", "a glance aside is no reason to pause"
    # JupyterLab may still be about to open what stands in its address: closed again, it stays so. It is the
    # kernel's leisure that is counted.
    wait_until(lambda: page.evaluate(CLOSE_ALL) or ask(page, IS_RUNNING) == "False", seconds=120)
    assert "nobody looks" in ask(page, "print(panel.controls.state.value)")

    page.goto(desk.url("panel.ipynb"))
    page.locator("button.widget-button:has-text('Pause')").wait_for()
    page.wait_for_function(ANSWERS, arg=10)
    assert ask(page, IS_RUNNING) == "True"

    assert not page.get_by_text(LEFT).is_visible(), "the widgets are there"

    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    page.get_by_text("The kernel that made this is gone").first.wait_for()
    assert ask(page, THREADS) == "0"
    assert page.problems == []


def test_a_saved_page_shows_what_was_there_when_its_kernel_is_gone(book, page):
    for source in ("lab.guide(3)", "lab.quiz(3)", "lab.task(3)"):
        ask_to_show(page, source)
    see_answers(page)
    page.get_by_role("button", name="Pause").click()
    wait_until(lambda: ask(page, IS_RUNNING) == "False")
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    page.get_by_text("The kernel that made this is gone").first.wait_for()
    page.reload()
    page.get_by_text(LEFT).wait_for()
    left = page.locator(".labkit-left").inner_text()
    assert re.search(r"ServiceB\s+\d+\.\d %\s+\d+ of \d+\s+weight 50", left)
    for number in range(3):
        page.get_by_text("Run this cell again to get its buttons back.").nth(number).wait_for()
    book.shoot("left")
    page.wait_for_function("jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'")
    page.wait_for_timeout(500)  # its widgets are asked for
    assert page.get_by_text("Error displaying widget").count() == 0

    run(page, 0)
    run(page, 1)
    page.locator(".labkit-split .head").first.wait_for()
    page.get_by_text(LEFT).wait_for(state="hidden")
    assert page.problems == []


def test_it_appears_with_little_and_never_falls_behind(book, page, received, capsys):
    before = received[0]
    run(page, 1)
    page.locator("button.widget-button:has-text('Start')").wait_for()
    page.wait_for_timeout(500)
    assert received[0] - before < MEGABYTE

    ask(page, "panel.stream.rate = 100")
    see_answers(page)
    with busy(10):
        page.wait_for_timeout(4_000)
        for weight, words in ((0, "100 / 0"), (100, "0 / 100")):
            page.get_by_role("button", name=words, exact=True).click()
            page.wait_for_function(
                "weight => [...document.querySelectorAll('.labkit-split .count')][1].textContent"
                ".endsWith(`weight ${weight}`)",
                arg=weight,
            )
        pieces = pieces_a_second(page)
        shown, rests = pause(page)
    with capsys.disabled():
        print(f"\nten busy loops beside it: Pause is shown after {shown:.0f} ms and nothing more sent after")
        print(f"{rests:.0f} ms; {pieces:.1f} pieces a second")
    assert pieces <= 4.5, "not more than are drawn"
    assert page.problems == []


def test_a_press_is_seen_however_busy_the_kernel_is(book, page, tmp_path):
    see_answers(page)
    deaf = tmp_path / "deaf"
    page.evaluate(f"code => {{ ({ASK})(code); }}", DEAF.format(str(deaf)))
    wait_until(deaf.exists)
    page.locator("button.widget-button:has-text('Pause')").click()
    for words in ("Start", "Pausing", "Start"):
        page.locator(f"button.widget-button:has-text('{words}')").wait_for()
    assert ask(page, IS_RUNNING) == "False"
    assert page.problems == []


def test_sliders_have_names_before_the_kernel_says_a_word(book, page, tmp_path):
    page.evaluate(f"source => {{ ({SHOW})(source); }}", UNTIL.format(str(tmp_path / "named")))
    handles = page.locator(".jp-OutputArea").last.locator(".noUi-handle")
    handles.first.wait_for()
    page.wait_for_function(ALL_NAMED)
    assert handles.count() == 2
    assert page.locator(".labkit-split").last.locator(".head").count() == 0
    (tmp_path / "named").touch()
    page.locator(".labkit-split").last.locator(".head").first.wait_for()
    assert page.problems == []


def test_it_fits_one_screen(book, page):
    see_answers(page)
    for theme in ("Light", "Dark"):
        page.evaluate(
            f"jupyterapp.commands.execute('apputils:change-theme', {{ theme: 'JupyterLab {theme}' }})"
        )
        for width, height in ((1024, 700), (1400, 900)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(FITS)
            book.shoot(f"{width}-{theme.lower()}")
    assert page.problems == []


def test_what_happens_elsewhere_shows_at_once(desk, book, page):
    see_answers(page)
    ask(page, ELSEWHERE)
    ask(page, "give(25)")
    tells(page, "ServiceB 75, ServiceC 25: set elsewhere")
    wait_until(lambda: numbers(page) == ["75", "25"])  # a message of its own
    ask(page, "give(60)")
    page.get_by_role("button", name="90 / 10").click()  # whatever the panel has heard of by then
    wait_until(
        lambda: numbers(page) == ["90", "10"] and ask(page, "print(lab.weights()['ServiceC'])") == "10.0"
    )

    ask(page, "rule = lab.api.get(at); lab.api.request('DELETE', at)")
    tells(page, "No rule shares out the requests for producer-internal-host")
    page.get_by_role("button", name="50 / 50").click()
    tells(page, "lab.goto(3) makes one")
    book.shoot("no-rule")
    ask(page, "put(rule, 'another')")
    tells(page, "ServiceB 90, ServiceC 10: the rule is there again")
    ask(page, "put(rule, 'a-third'); lab.api.request('DELETE', at.replace(name, 'another'))")
    tells(page, "by the rule a-third now")

    desk.labkit("down")
    tells(page, "The cluster does not answer")
    page.wait_for_function(
        "() => !document.querySelectorAll('.labkit-split .head')[2].innerText.includes('0 of')"
    )
    book.shoot("no-cluster")
    desk.labkit("up")
    tells(page, "the rule is there again")
    page.wait_for_function(ANSWERS, arg=20)


def test_it_stands_still_where_motion_is_not_wanted(book, page):
    page.evaluate(COUNT_DRAWINGS)
    see_answers(page)
    moving = drawings_a_second(page)
    page.emulate_media(reduced_motion="reduce")
    still = drawings_a_second(page)
    book.shoot("still")
    page.emulate_media(reduced_motion="no-preference")

    assert moving > 6, "dots fall"
    assert still <= 4, "each piece is drawn once, in both canvases"
    assert page.problems == []


def test_hands_without_a_mouse_and_eyes_without_a_screen_find_all_of_it(book, page):
    see_answers(page)
    seen = page.locator(".jp-OutputArea:has(.labkit-split)").aria_snapshot()
    for name in ("ServiceB", "ServiceC"):
        assert f'slider "Weight of {name}: of 100 requests so many"' in seen.replace("'", "")
        assert re.search(rf"{name} \d+ % \d+ of \d+ · weight 50", seen)
    for name in ("Pause", "100 / 0", "0 / 100", "30 of 100 fail", "1 s late", "Off"):
        assert re.search(rf'button "\W*{name}"', seen)
    assert 'combobox "Break"' in seen
    assert seen.count('img "') == 2

    page.locator(".jp-OutputArea .noUi-handle").first.focus()
    reached = []
    while len(reached) < 13:
        reached.append(page.evaluate(FOCUSED))
        page.keyboard.press("Tab")
    assert reached == [
        *("slider", "50", "slider", "50", "Pause", "40"),
        *("100 / 0", "90 / 10", "50 / 50", "10 / 90", "0 / 100"),
        *("ServiceC", "30 of 100 fail"),
    ]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_text("ServiceC fails 30 of 100 requests").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.get_by_text("ServiceC fails 30 of 100 requests").wait_for(state="detached")
    assert page.problems == []


@contextmanager
def busy(count):
    """So many processes that take all they get."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in loops:
            one.kill()
        for one in loops:
            one.wait()


def numbers(page):
    """What stands in the boxes beside the sliders."""
    return [
        box.input_value() for box in page.locator(".jp-OutputArea .widget-hbox input[type=number]").all()
    ][:2]


def see_answers(page):
    """Start the stream; a handful of answers is drawn."""
    page.locator("button.widget-button:has-text('Start')").click()
    page.wait_for_function(ANSWERS, arg=20)


def pause(page):
    """Press Pause: after how many milliseconds the page shows it, and the last request is sent."""
    shown, pressed = page.evaluate(PRESS_PAUSE)
    wait_until(lambda: ask(page, IS_RUNNING) == "False")
    page.wait_for_timeout(500)  # for what is under way
    newest = float(ask(page, "print(panel.tally.newest)"))
    return shown, max(0.0, 1000 * newest - pressed)


def tells(page, words):
    """The panel says so by itself; how soon on a machine at rest is the benchmarks' matter."""
    page.get_by_text(words).first.wait_for()


def drawings_a_second(page):
    """By the page's own clock: on a busy machine the wait is longer than was asked for."""
    page.wait_for_timeout(700)  # what falls has fallen
    page.evaluate("[window.drawings, window.since] = [0, performance.now()]")
    page.wait_for_timeout(3_000)
    return page.evaluate("1000 * window.drawings / (performance.now() - window.since)")


def pieces_a_second(page):
    """By the kernel's own clock: beside busy loops it takes seconds to ask it."""
    (before, began), (after, ended) = (pieces_by_now(page, wait) for wait in (0, 2_000))
    return (after - before) / (ended - began)


def pieces_by_now(page, wait):
    page.wait_for_timeout(wait)
    sent, now = ask(page, "import time; print(panel.figure._number, time.monotonic())").split()
    return int(sent), float(now)


def run(page, index):
    page.locator(CELL).nth(index).click()
    page.keyboard.press("Control+Enter")


def ask_to_show(page, source):
    """A cell more at the end, run."""
    page.evaluate(SHOW, source)


def ask(page, code):
    """What the notebook's kernel prints, whether it is open or not."""
    return page.evaluate(ASK, code)


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)


def drag_to_the_end(page, handle):
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=5)
    page.mouse.move(x + 900, y, steps=5)
    page.mouse.up()
