"""A whole notebook by keyboard alone: every cell is run, every control is come upon, seen, used and left.

The first notebook in every run, the others where ``LABKIT_WHOLE_BOOK`` is set: they take minutes.
"""

import os

import pytest

from .conftest import BOOK
from .keys import begin, go_to, run_cell, tab_to, walk_back, wanted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FIRST, *OTHERS = [path.name for path in sorted(BOOK.glob("0*.ipynb"))]
LONG = pytest.mark.skipif(
    not os.environ.get("LABKIT_WHOLE_BOOK"), reason="minutes: set LABKIT_WHOLE_BOOK=1 to walk it"
)


@pytest.mark.parametrize("name", [FIRST, *(pytest.param(name, marks=LONG) for name in OTHERS)])
def test_a_keyboard_alone_is_enough(opened, page, name):
    book = opened(name)
    page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    begin(page)
    unseen, missed = [], {}
    for cell in book.cells():
        index = cell["index"]
        run_cell(page, index)
        controls = wanted(page, index) if cell["cell_type"] == "code" else []
        if not controls:
            continue
        stops = walk_back(page, index)
        unseen += [f"{index}: {stop.html}" for stop in stops if not stop.seen]
        if len(stops) < len(controls):
            missed[index] = (controls, [stop.html for stop in stops])
        if any("noUi-handle" in html for html in controls):
            use_the_panel(page)
            go_to(page, index + 1)
    assert not missed, missed
    assert not unseen, "one does not see the focus on\n" + "\n".join(unseen)
    assert page.problems == []


def use_the_panel(page):
    """Start and Pause it, from the cell behind it, where the focus is again."""
    tab_to(page, "button:has-text('Start')", back=True)
    page.keyboard.press("Space")
    page.locator("button:has-text('Pause')").first.wait_for()
    page.keyboard.press("Space")
    page.locator("button:has-text('Start'), button:has-text('Go on')").first.wait_for()
