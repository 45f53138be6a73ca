"""The book's own views for those who see nothing, or use no mouse: axe-core finds no serious fault in them,
and a keyboard alone is enough."""

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from .keys import tab_to

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CELLS = [
    "from labkit import Lab\nlab = Lab()\nlab.goto(3, finished=True)",
    "lab.guide(3)",
    "lab.quiz(3)",
    "lab.task(3)",
    "frame = lab.send('/service-a', requests=20)\nlab.graph(of=frame)",
    "lab.plot_answers(frame)",
    "lab.split(frame)",
    "lab.check(3)",
    "lab.live_graph()",
    "lab.split_panel()",
]
DRAWN = {"lab.live_graph()": "svg", "lab.split_panel()": ".labkit-split .head"}
"""What the page draws only when the kernel has told it something."""
VIEW = '.jp-Notebook .jp-Cell[data-windowed-list-index="{}"] .jp-OutputArea-output'
"""Of the cell looked at alone: its neighbours may be half drawn."""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
SERIOUS = ("serious", "critical")
NOT_OURS = {
    "scrollable-region-focusable": "JupyterLab's own frame around an output",
}
"""(rule, why it is no fault of the book's)."""


@pytest.fixture
def book(desk, opened):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, desk.root / "checkout" / "notebooks" / "access.ipynb")
    return opened("access.ipynb")


def test_axe_finds_no_serious_fault(book, page):
    book.run_all()
    wrong = {}
    for index, source in enumerate(CELLS[1:], 1):
        output = book.show(index).locator(".jp-OutputArea-output:visible")
        output.locator(DRAWN.get(source, "*")).first.wait_for()
        found = Axe().run(page, context=VIEW.format(index), options=RULES).response["violations"]
        for each in found:
            if each["impact"] in SERIOUS and each["id"] not in NOT_OURS:
                wrong |= {(each["id"], node["html"][:300]): node["failureSummary"] for node in each["nodes"]}
    assert not wrong, "\n\n".join(f"{rule}: {html}\n{why}" for (rule, html), why in wrong.items())


def test_the_keyboard_alone_is_enough(book, page):
    """Each cell is run with Shift+Enter; then the quiz is answered with Tab, arrows and Space."""
    page.locator(".jp-Notebook .jp-Cell").first.focus()
    page.evaluate("jupyterapp.commands.execute('notebook:enter-command-mode')")
    page.keyboard.press("Control+Home")
    for index in range(3):
        page.keyboard.press("Shift+Enter")
        page.wait_for_function(RAN, arg=index, timeout=60_000)
    page.locator(".jp-OutputArea input[type=radio]").first.wait_for()
    tab_to(page, "input[type=radio]", back=True)
    page.keyboard.press("Space")  # the last of three, as it was come upon from behind
    page.keyboard.press("ArrowUp")
    tab_to(page, "button:has-text('Answer')")
    page.keyboard.press("Enter")
    chosen = page.evaluate(CHOSEN)
    said = page.locator(".jp-OutputArea").get_by_text("The proxy draws" if chosen == 1 else "Think again.")
    said.first.wait_for()
    assert page.problems == []


CHOSEN = (
    "() => [...document.querySelectorAll('.jp-OutputArea input[type=radio]')].findIndex(one => one.checked)"
)
RAN = """index => {
  const { content, sessionContext } = window.jupyterapp.shell.currentWidget;
  return content.model.toJSON().cells[index].execution_count !== null
    && sessionContext.session.kernel.status === 'idle';
}"""
