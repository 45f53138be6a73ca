"""Every notebook as a learner sees it, in each language, theme and width: pictures, to be looked at.

    LABKIT_SCREENSHOTS=FOLDER pytest tests/browser -n0 -m gallery                     # some ten minutes
    LABKIT_SCREENSHOTS=FOLDER pytest tests/browser -n0 -m gallery -k "ru and 03-split"

An ordinary run leaves them out. What needs no eye is judged here: nothing is wider than its place or cut off,
no label is tilted or lies on another, and a saved notebook has no broken widget when its kernel is gone.
"""

from pathlib import Path

import pytest

from labkit.language import known

from .conftest import BOOK, started

pytestmark = [pytest.mark.gallery, pytest.mark.slow, pytest.mark.timeout(600)]

NOTEBOOKS = [path.name for path in sorted(BOOK.glob("[0-9][0-9]-*.ipynb"))]
SIZES = [(1024, 700), (1400, 900)]
THEMES = ["Light", "Dark"]
BROKEN = ["Error displaying widget", "Javascript Error", "Error rendering", "Traceback"]
TOO_WIDE = """() => [...document.querySelectorAll(
    '.jp-WindowedPanel-outer, .jp-OutputArea-output, .jp-OutputArea .jupyter-widgets, .jp-MarkdownOutput')]
  .filter(one => one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1)
  // What is out of sight the browser lays out when it comes near: it is judged in its own window.
  .filter(one => one.getBoundingClientRect().bottom > 0 && one.getBoundingClientRect().top < innerHeight)
  .map(one => `${one.className}: ${one.scrollWidth} in ${one.clientWidth}: ${one.innerText.slice(0, 60)}`)"""
CUT_OFF = """() => [...document.querySelectorAll('.jp-OutputArea-output svg')].flatMap(drawing => {
  const place = drawing.getBoundingClientRect();
  return [...drawing.querySelectorAll('text')].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width && (box.left < place.left - 1 || box.right > place.right + 1
      || box.top < place.top - 1 || box.bottom > place.bottom + 1);
  }).map(one => `cut off: ${one.textContent}`);
})"""
TILTED = """() => [...document.querySelectorAll('.xtick text')]
  .filter(one => /rotate\\((?!0[,)])/.test(one.getAttribute('transform') ?? ''))
  .map(one => `tilted: ${one.textContent}`)"""
ON_EACH_OTHER = """() => [...document.querySelectorAll('.xaxislayer-above')].flatMap(axis => {
  const labels = [...axis.querySelectorAll('.xtick text')]
    .map(one => [one.textContent, one.getBoundingClientRect()])
    .sort((one, other) => one[1].left - other[1].left);
  return labels.slice(1).filter(([, box], index) => box.left < labels[index][1].right
    && box.top < labels[index][1].bottom && box.bottom > labels[index][1].top)
    .map(([words]) => `on its neighbour: ${words}`);
})"""
FAULTS = (TOO_WIDE, CUT_OFF, TILTED, ON_EACH_OTHER)


@pytest.fixture(scope="module", params=known())
def language(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def desk(language):
    yield from started("--language", language)


@pytest.fixture(scope="module")
def screenshots(screenshots, language) -> Path:
    """A folder for each language."""
    folder = screenshots / language
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_fit_to_be_seen(name, opened, page, desk):
    notebook = opened(name)
    notebook.run_all()
    faults = [fault for theme in THEMES for size in SIZES for fault in seen(page, notebook, theme, size)]

    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    again = opened(name)
    faults += [("again", fault) for fault in faults_of(page, again, "again-")]
    assert faults == []
    assert page.problems == []


def seen(page, notebook, theme, size):
    """The faults of the notebook in this theme and at this size."""
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{ theme: 'JupyterLab {theme}' }})")
    for fault in faults_of(page, notebook, f"{width}-{theme.lower()}-"):
        yield theme, width, fault


def faults_of(page, notebook, name):
    """What is wrong anywhere from the top to the end; each once."""
    found = []
    for text in notebook.scroll_through(name):
        found += [sign for sign in BROKEN if sign in text]
        if in_sight(page):
            page.wait_for_timeout(1000)  # a figure that was out of sight takes its new width when it is seen
            found += in_sight(page)
    return dict.fromkeys(found)


def in_sight(page):
    return [fault for script in FAULTS for fault in page.evaluate(script)]
