"""JupyterLab as a learner starts it, and the browser in which it is used.

``desk``: `labkit lab --no-browser` with a home and a copy of the notebooks of its own; nothing of it is left.
    ``started(…)`` makes one that is started with other options.
``page``: an empty page of headless Chromium; what its console complains of is kept.
``opened``: opens one of the notebooks in that page, as a :class:`Notebook`.

Screenshots go to ``$LABKIT_SCREENSHOTS``, by default to pytest's folder of the run.
"""

import importlib.util
import itertools
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from labkit.embedded.cluster import launch
from labkit.embedded.cluster.home import Home

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "notebooks"
LABKIT = Path(sys.executable).parent / "labkit"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",  # a container's root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIEWPORT = {"width": 1280, "height": 960}
SETTINGS = {"LabApp": {"expose_app_in_browser": True}}
"""``window.jupyterapp``: the only way to read what the notebook holds, as it draws only what is in sight."""

HARMLESS: list[tuple[str, str]] = [
    ("Could not restore the debugger state", "JupyterLab's debugger asks a kernel that is being restarted"),
]
"""(part of a console error, why it may stay)."""


@dataclass(frozen=True)
class Desk:
    """A running JupyterLab. ``began`` is when `labkit lab` was typed (seconds, monotonic)."""

    root: Path
    address: str
    path: str
    token: str
    began: float

    @property
    def home(self) -> Home:
        return Home(self.root / "home")

    @property
    def first(self) -> str:
        """Where a learner's browser is sent."""
        return f"{self.address}{self.path}?token={self.token}"

    def labkit(self, *words: str) -> None:
        """Typed beside it."""
        environment = _environment(self.root, self.token)
        subprocess.run([LABKIT, *words], cwd=self.root, env=environment, check=True, capture_output=True)

    def url(self, notebook: str) -> str:
        return f"{self.address}/lab/tree/{notebook}?token={self.token}&reset"


def _environment(root: Path, token: str) -> dict[str, str]:
    mine = {
        "HOME": root,
        "LABKIT_HOME": root / "home",
        "XDG_STATE_HOME": root / "state",
        "JUPYTER_CONFIG_DIR": root / "jupyter",
        "JUPYTER_TOKEN": token,
        "LABKIT_OWNER": os.getpid(),  # a test run that is killed takes its cluster with it
        "PYTHONPATH": root / "checkout",
    }
    return {**os.environ, **{name: str(value) for name, value in mine.items()}}


def _copy_checkout(root: Path) -> None:
    """The notebooks as a learner's own files, beside the package that opens them."""
    checkout = root / "checkout"
    shutil.copytree(BOOK, checkout / "notebooks", ignore=shutil.ignore_patterns(".*"))
    # No link: the book lies where the package really is, and what is saved must not be the checkout's.
    shutil.copytree(ROOT / "labkit", checkout / "labkit")
    (checkout / "manifests").symlink_to(ROOT / "manifests")
    (root / "jupyter").mkdir()
    (root / "jupyter" / "jupyter_lab_config.json").write_text(json.dumps(SETTINGS))


@pytest.fixture(scope="session")
def desk() -> Iterator[Desk]:
    yield from started()


def started(*options: str) -> Iterator[Desk]:
    """JupyterLab, started by the command a learner types, with these *options*."""
    if importlib.util.find_spec("jupyterlab") is None:
        pytest.skip("no JupyterLab here; pip install '.[test]' to run this test")
    root = Path(tempfile.mkdtemp(prefix="lk-"))
    token = secrets.token_hex(8)
    try:
        _copy_checkout(root)
        yield from _running(root, token, options)
    finally:
        launch.stop(Home(root / "home"))
        shutil.rmtree(root, ignore_errors=True)


def _running(root: Path, token: str, options: Sequence[str]) -> Iterator[Desk]:
    began, log = time.monotonic(), root / "jupyter.log"
    command = [LABKIT, "lab", "--no-browser", "--port", "0", *options]
    with log.open("w") as sink:
        server = subprocess.Popen(
            command, cwd=root, env=_environment(root, token), stdout=sink, stderr=subprocess.STDOUT
        )
    try:
        desk = Desk(root, *_address(server, log), token, began)
        yield desk
        _leaves_nothing(desk, server)
    finally:
        server.kill()
        server.wait()


def _address(server: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    """``http://127.0.0.1:PORT`` and the path it names, once JupyterLab listens there."""
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        found = re.search(r"(http://127\.0\.0\.1:(\d+))(/lab\S*)\?token=", log.read_text())
        if found and _listens(int(found[2])):
            return found[1], found[3]
        time.sleep(0.05)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()}")


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def _leaves_nothing(desk: Desk, server: subprocess.Popen[bytes]) -> None:
    """JupyterLab and the cluster end as they are told; no process, port or file remains."""
    running = launch.find(desk.home)
    assert running, "the cluster ended by itself"
    started = [psutil.Process(server.pid), psutil.Process(running.pid)]
    started += [child for process in started for child in process.children(recursive=True)]
    server.terminate()
    server.wait(30)
    launch.stop(desk.home)
    _, left = psutil.wait_procs(started, timeout=10)
    left = [one for one in left if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert not left, f"still running: {left}"
    assert not _listens(int(desk.address.rpartition(":")[2]))
    assert not running.run.exists(), f"{running.run} was left"


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder they are kept in."""
    folder = os.environ.get("LABKIT_SCREENSHOTS")
    kept = Path(folder).absolute() if folder else tmp_path_factory.mktemp("screenshots")
    kept.mkdir(parents=True, exist_ok=True)
    return kept


def pytest_collection_modifyitems(config, items):
    """The gallery is made where it is asked for."""
    if "gallery" in config.option.markexpr:
        return
    unasked = [each for each in items if each.get_closest_marker("gallery")]
    config.hook.pytest_deselected(items=unasked)
    items[:] = [each for each in items if each not in unasked]


# Not for the whole session: Playwright's loop would stand in the way of tests with loops of their own.
@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install '.[test]'")
    if not CHROMIUM:
        pytest.skip("no chromium here; install Debian's package to run this test")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def context(browser):
    """One learner's browser: what it has loaded it keeps."""
    made = browser.new_context(viewport=VIEWPORT)
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.fixture
def page(context, request, screenshots):
    """An empty page; ``problems`` lists what its console complained of. How it looked last is kept."""
    made = context.new_page()
    made.problems = []
    made.on("console", lambda said: _note(made.problems, said.type, f"{said.text} [{said.location['url']}]"))
    made.on("pageerror", lambda error: made.problems.append(str(error)))
    yield made
    name = re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")
    made.screenshot(path=screenshots / f"last-{name}.png")
    made.close()


def _note(problems: list[str], kind: str, text: str) -> None:
    if kind == "error" and not any(part in text for part, _ in HARMLESS):
        problems.append(text)


@pytest.fixture
def opened(desk, page, screenshots) -> Iterator[Callable[[str], "Notebook"]]:
    """Open a notebook of the desk by its file name; its kernel is shut down after the test."""
    books: list[Notebook] = []

    def opener(name: str) -> Notebook:
        page.goto(desk.url(name))
        books.append(Notebook(page, name, screenshots))
        return books[-1]

    yield opener
    for book in books:
        book.shut_down()


@dataclass
class Notebook:
    """A notebook that is open in JupyterLab, and the one in front."""

    page: "object"
    name: str
    screenshots: Path

    def __post_init__(self) -> None:
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        self.page.wait_for_function(f"{_PANEL}?.sessionContext.session?.kernel?.status === 'idle'")

    def run_all(self) -> list[dict]:
        """Run > Run All Cells, by mouse; the code cells (nbformat) when the kernel is at rest again."""
        self.page.evaluate(_CLEAR)
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(_DONE, timeout=90_000, polling=50)
        return [cell for cell in self.cells() if cell["cell_type"] == "code"]

    def run_until(self, source: str) -> dict:
        """Run the cells up to and with the one of this *source*; the cell."""
        self.page.evaluate(_CLEAR)
        cell = next(cell for cell in self.cells() if cell["source"] == source)
        self.page.evaluate(_SELECT, cell["index"])
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Above Selected Cell", exact=True).click()
        self.page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
        self.page.wait_for_function(_RAN, arg=cell["index"], timeout=60_000)
        return cell

    def cells(self) -> list[dict]:
        """All cells as JupyterLab holds them (nbformat), with ``index``."""
        found = self.page.evaluate(f"{_PANEL}.content.model.toJSON().cells")
        return [{**cell, "index": index} for index, cell in enumerate(found)]

    def show(self, index: int):
        """Scroll to a cell; its place in the page."""
        self.page.evaluate(f"index => {_PANEL}.content.scrollToItem(index, 'center')", index)
        shown = self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{index}"]')
        shown.wait_for()
        # JupyterLab guesses the heights of cells it has not drawn, and may have missed the place.
        shown.evaluate("cell => cell.scrollIntoView({block: 'center', behavior: 'instant'})")
        return shown

    def scroll_through(self, name: str = "") -> Iterator[str]:
        """From the top to the end, a window at a time, with a screenshot of each; the text in sight."""
        number = itertools.count(1)
        self.page.evaluate(f"{_OUTER}.scrollTop = 0")
        while True:
            self.page.wait_for_function(_SETTLED)
            self.shoot(f"{name}{next(number):02}")
            yield self.page.locator(".jp-WindowedPanel-outer").inner_text()
            if self.page.evaluate(_FURTHER) < 5:
                return

    def shoot(self, what: str) -> Path:
        """A screenshot, kept."""
        path = self.screenshots / f"{Path(self.name).stem}-{what}.png"
        self.page.screenshot(path=path)
        return path

    def shut_down(self) -> None:
        """End its kernel; nothing is saved."""
        self.page.evaluate(f"{_PANEL}.sessionContext.shutdown()")


_PANEL = "window.jupyterapp?.shell.currentWidget"
_OUTER = "document.querySelector('.jp-WindowedPanel-outer')"
_CLEAR = "jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
_DONE = f"""() => {{
  const panel = {_PANEL}, cells = panel.content.model.toJSON().cells.filter(
    cell => cell.cell_type === 'code' && cell.source.length);
  const failed = cells.some(cell => cell.outputs.some(output => output.output_type === 'error'));
  return panel.sessionContext.session.kernel.status === 'idle'
    && (failed || cells.every(cell => cell.execution_count !== null));
}}"""
_SELECT = "index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }"
_RAN = f"""index => {_PANEL}.content.model.toJSON().cells[index].outputs.length > 0
  && {_PANEL}.sessionContext.session.kernel.status === 'idle'"""
_SETTLED = f"() => !{_OUTER}.innerText.includes('Loading widget')"
_FURTHER = f"""() => {{
  const outer = {_OUTER}, before = outer.scrollTop;
  outer.scrollBy(0, outer.clientHeight - 60);
  return outer.scrollTop - before;
}}"""
