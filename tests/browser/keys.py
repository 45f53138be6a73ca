"""What a keyboard alone does in a notebook: run cells, come upon every control, and leave again.

JupyterLab keeps one cell in the order of Tab, the active one, and makes a cell active whose output gets the
focus: Tab from the last control of an output leads to the next control or link anywhere, and not to the cell
behind it. One leaves an output as JupyterLab has it, with Escape and the keys for the cell above and below.
"""

from __future__ import annotations

from dataclasses import dataclass

_ENDED = """index => {
  const { content, sessionContext } = window.jupyterapp.shell.currentWidget;
  const cell = content.model.toJSON().cells[index];
  return (cell.cell_type !== 'code' || !cell.source.length || cell.execution_count !== null)
    && sessionContext.session.kernel.status === 'idle';
}"""
_WANTED = """index => {
  const cell = document.querySelector(`.jp-Notebook .jp-Cell[data-windowed-list-index="${index}"]`);
  const found = [...(cell?.querySelectorAll(
    '.jp-OutputArea-output :is(a[href], button, input, select, textarea, summary, [tabindex="0"])') ?? [])];
  const groups = new Set();
  return found.filter(one => {
    const box = one.getBoundingClientRect();
    if (one.tabIndex < 0 || one.disabled || !one.checkVisibility() || !box.width || !box.height) return false;
    if (one.type !== 'radio') return true;
    const another = groups.has(one.name);
    groups.add(one.name);
    return !another;
  }).map(one => one.outerHTML.slice(0, 160));
}"""
_ACTIVE = """() => {
  const { activeCellIndex, mode } = window.jupyterapp.shell.currentWidget.content;
  return [activeCellIndex, mode];
}"""
_FOCUSED = """index => {
  const one = document.activeElement;
  const cell = one.closest(`.jp-Cell[data-windowed-list-index="${index}"] .jp-OutputArea-output`);
  const look = () => [one, one.parentElement].map(each => {
    const style = getComputedStyle(each);
    return [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.borderColor,
            style.backgroundColor, style.textDecoration].join();
  }).join();
  const focused = look(), inside = Boolean(cell);
  one.blur();
  const blurred = look();
  one.focus({ preventScroll: true });
  return { inside, seen: focused !== blurred, html: one.outerHTML.slice(0, 160) };
}"""


@dataclass(frozen=True)
class Stop:
    """Something the focus came to."""

    html: str
    seen: bool
    """Whether one sees that it has the focus."""


def begin(page) -> None:
    """The first cell, selected."""
    page.locator(".jp-Notebook .jp-Cell").first.focus()
    go_to(page, 0)


def go_to(page, index: int, most: int = 80) -> None:
    """From wherever the focus is in the notebook to cell *index*, by Escape and the keys for one cell on."""
    page.keyboard.press("Escape")
    for _ in range(most):
        active, mode = page.evaluate(_ACTIVE)
        if active == index and mode == "command":
            return
        page.keyboard.press("Escape" if mode == "edit" else "j" if active < index else "k")
    raise AssertionError(f"no key leads to cell {index}; {page.evaluate(_ACTIVE)} is active")


def run_cell(page, index: int, seconds: float = 90) -> None:
    """Shift+Enter on cell *index*, which is selected; the next one is then."""
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(_ENDED, arg=index, timeout=1000 * seconds)


def wanted(page, index: int) -> list[str]:
    """The controls in the output of cell *index* that the focus has to come to; of a radio group one."""
    return page.evaluate(_WANTED, index)


def walk_back(page, index: int, most: int = 80) -> list[Stop]:
    """From the cell behind it through all of the output of cell *index* with Shift+Tab, and back to it."""
    stops: list[Stop] = []
    for pressed in range(1, most):
        page.keyboard.press("Shift+Tab")
        found = page.evaluate(_FOCUSED, index)
        if not found["inside"] and (stops or pressed > 3):
            break
        if found["inside"]:
            stops.append(Stop(found["html"], found["seen"]))
    else:
        raise AssertionError(f"the focus is trapped in the output of cell {index}: {stops[-3:]}")
    go_to(page, index + 1)
    return stops


def tab_to(page, selector: str, *, back: bool = False) -> None:
    """Press Tab (Shift+Tab) until what *selector* names has the focus."""
    passed = []
    for _ in range(60):
        if page.locator(f".jp-OutputArea {selector}:focus").count():
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
        passed.append(page.evaluate("document.activeElement.outerHTML.slice(0, 120)"))
    raise AssertionError("never reached, but:\n" + "\n".join(passed))
