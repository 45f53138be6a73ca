"""``labkit run`` and ``labkit lab``: the notebooks, executed by papermill or opened in JupyterLab."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from labkit.cli.books import Book, judge, plan
from labkit.cli.progress import Progress, progress
from labkit.cli.throw_away import throw_away_home, working_folder

CELL_TIMEOUT = 300
"""Seconds a cell may take before the notebook counts as failed."""

_CODE_FONT = "var(--jp-code-font-size)/1.4 var(--jp-code-font-family)"
_PAGE_STYLE = f".jp-OutputArea-output.jp-RenderedMarkdown pre {{ font: {_CODE_FONT}; }}"
"""Manifests as JupyterLab shows them: nbconvert's own rule would set them in the font of prose."""


@dataclass(frozen=True)
class Outcome:
    """How one notebook ended."""

    book: Book
    seconds: float
    problem: str = ""


@click.command()
@click.argument("notebooks", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    *("--output", "-o"),
    type=click.Path(path_type=Path),
    default="output",
    show_default=True,
    help="Where the executed copies and their pages go.",
)
@click.option(
    *("--parameter", "-p", "given"),
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter for every notebook.",
)
@click.option("--context", help="A context of the kubeconfig: run on that cluster instead of one of its own.")
@click.option(
    "--image-prefix", help="Where the lab's own images are: PREFIXlabkit-services for every service."
)
@click.option(
    "--in-place", is_flag=True, help="Write the outputs back into the notebooks: for whoever edits them."
)
def run(
    notebooks: tuple[Path, ...],
    output: Path,
    given: tuple[str, ...],
    context: str | None,
    image_prefix: str | None,
    in_place: bool,
) -> None:
    """Execute NOTEBOOKS (default: all, in order) on a cluster of their own; write an HTML page for each."""
    chosen = plan(notebooks or all_notebooks(), output, in_place=in_place)
    parameters = _parameters(given)
    judge(chosen, parameters)
    if image_prefix:
        os.environ["LABKIT_IMAGES"] = image_prefix
    context = context or os.environ.get("LABKIT_CONTEXT") or None
    with progress() as shown, somebodys_cluster(context) if context else cluster_of_its_own(shown):
        outcomes = [_execute(book, parameters, shown) for book in chosen]
    failed = [outcome for outcome in outcomes if outcome.problem]
    if in_place:
        for outcome in outcomes:
            if not outcome.problem:
                write_back(outcome.book.copy, outcome.book.source)
    passed, total = len(outcomes) - len(failed), sum(outcome.seconds for outcome in outcomes)
    print(f"{passed} of {len(outcomes)} notebooks passed in {total:.0f} s; pages in {output}.")
    if failed:
        raise SystemExit(1)


def all_notebooks() -> list[Path]:
    """The book's notebooks, in order."""
    from labkit import book
    from labkit.errors import LabkitError

    found = sorted(book.notebooks().glob("[0-9][0-9]-*.ipynb"))
    if not found:
        raise LabkitError(f"There are no notebooks in {book.notebooks()}.")
    return found


def _parameters(given: Iterable[str]) -> dict[str, Any]:
    import yaml

    from labkit.errors import UsageError

    pairs = [text.partition("=") for text in given]
    for name, equals, _ in pairs:
        if not equals or not name.isidentifier():
            raise UsageError(f"--parameter {name} is no name=value.")
    try:
        return {name: yaml.safe_load(value) for name, _, value in pairs}
    except yaml.YAMLError as error:
        raise UsageError(f"A value of --parameter is no YAML: {error}") from error


@contextmanager
def cluster_of_its_own(shown: Progress) -> Iterator[None]:
    """A cluster that exists for this block: others of this user are not touched, nothing is left."""
    from labkit.cli.cluster import bring_up

    with throw_away_home():
        bring_up(shown)
        yield


@contextmanager
def somebodys_cluster(context: str) -> Iterator[None]:
    """Have the notebooks use *context*; NotAgreed before the first one where that was not agreed to."""
    from labkit.kube.connect import connect

    api = connect(context=context)
    api.guard_changes("labkit", "run")
    api.close()
    with working_folder():
        os.environ["LABKIT_CONTEXT"] = context
        yield


def _execute(book: Book, parameters: dict[str, Any], shown: Progress) -> Outcome:
    import time

    shown.doing(f"{book.source.name} …")
    began = time.monotonic()
    book.copy.unlink(missing_ok=True)  # an old one is not to be taken for this run's
    problem = _problem(book, book.chosen(parameters))
    seconds = time.monotonic() - began
    if book.copy.exists():
        unwritten = _page_problem(book.copy)
        problem = problem or unwritten
    if problem:
        where = f"; the executed copy is {book.copy}" if book.copy.exists() else ""
        shown.failed(f"{book.source.name} failed after {seconds:.1f} s{where}\n{problem}")
    else:
        shown.done(f"{book.source.name} {seconds:.1f} s")
    return Outcome(book, seconds, problem)


def _failed_line(traceback: Iterable[str]) -> str:
    """The line that IPython's arrow points to: a plain ``assert`` has no other words."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(traceback))
    pointed = re.search(r"^-+> *\d+ +(.*)$", plain, re.MULTILINE)
    return pointed[1] if pointed else ""


def _problem(book: Book, parameters: dict[str, Any]) -> str:
    """Execute *book* into its copy (kept whatever happens); what went wrong, or nothing."""
    _quiet()
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    try:
        papermill.execute_notebook(
            book.source,
            book.copy,
            parameters=parameters,
            cwd=book.source.parent,
            progress_bar=False,
            execution_timeout=CELL_TIMEOUT,
            kernel_name="python3",
            language="python",  # also where the notebook does not say so
            config=Config({"KernelManager": _private_sockets()}),
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # it logs an error for every good-bye
        )
    except PapermillExecutionError as error:
        return f"  cell {error.exec_count}: {error.ename}: {error.evalue or _failed_line(error.traceback)}"
    except Exception as error:
        return f"  {type(error).__name__}: {error}"
    return ""


def _private_sockets() -> dict[str, str]:
    """A kernel's sockets in a private folder: other users of the machine can't talk to it."""
    folder = Path(os.environ["JUPYTER_RUNTIME_DIR"])
    folder.mkdir(mode=0o700, exist_ok=True)
    return {"transport": "ipc", "ip": str(folder / "kernel")}


def _quiet() -> None:
    """This very Python as the kernel, and no advice on stderr."""
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")


def _page_problem(executed: Path) -> str:
    """Write the page of an *executed* notebook; what went wrong, or nothing."""
    try:
        _write_page(executed)
    except OSError as error:
        return f"  its page could not be written: {error.strerror}"
    return ""


def _write_page(executed: Path) -> None:
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_filename(str(executed))  # type: ignore[no-untyped-call]
    page = page.replace("</head>", f"<style>{_PAGE_STYLE}</style></head>", 1)
    executed.with_suffix(".html").write_text(page, encoding="utf-8")


def write_back(executed: Path, notebook: Path) -> None:
    """Replace *notebook* by its *executed* copy, without what papermill noted in it and widgets' states."""
    import nbformat

    book = nbformat.read(executed, as_version=4)  # type: ignore[no-untyped-call]
    for part in (book, *book.cells):
        for key in ("papermill", "execution"):
            part.metadata.pop(key, None)
    book.metadata.pop("widgets", None)  # nothing of them is shown where there is no kernel
    for cell in book.cells:
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
    nbformat.write(book, notebook)  # type: ignore[no-untyped-call]


@click.command()
@click.option("--browser/--no-browser", default=True, help="Open a browser.")
@click.option("--port", type=int, help="JupyterLab's port; default: a free one from 8888.")
@click.option("--context", help="A context of the kubeconfig: use that cluster instead of one of its own.")
def lab(browser: bool, port: int | None, context: str | None) -> None:
    """Start the cluster and open the first notebook in JupyterLab, or in that of a JupyterHub."""
    first = _writable(all_notebooks())[0]
    context = context or os.environ.get("LABKIT_CONTEXT") or None
    if context:
        os.environ["LABKIT_CONTEXT"] = context
        _look_at(context)
    else:
        _bring_up_own()
    _quiet()
    _ask_nothing()
    _show_stills()
    options = [f"--ServerApp.root_dir={first.parent}", f"--LabApp.default_url=/lab/tree/{first.name}"]
    options += [] if browser and not _of_a_hub() else ["--no-browser"]
    options += [f"--port={port}"] if port is not None else []
    options += ["--allow-root"] if os.geteuid() == 0 else []  # as in a container
    os.execv(sys.executable, [sys.executable, "-m", _server(first), *options])


def _ask_nothing() -> None:
    """No question about news between a learner and the first page (it comes even where there are none)."""
    _also("JUPYTER_CONFIG_PATH")


def _show_stills() -> None:
    """Widgets whose kernel is gone are shown still (by an extension of JupyterLab's)."""
    _also("JUPYTER_PATH")


def _also(variable: str) -> None:
    """Let Jupyter look in our own folder, too."""
    ours, others = str(Path(__file__).with_name("jupyter")), os.environ.get(variable)
    os.environ[variable] = os.pathsep.join([others, ours] if others else [ours])


def _of_a_hub() -> bool:
    """Whether a JupyterHub started this process for one of its users (``c.Spawner.cmd``)."""
    return "JUPYTERHUB_API_TOKEN" in os.environ


def _server(first: Path) -> str:
    """The module to run: JupyterLab, for a user of a JupyterHub behind the hub's login."""
    if not _of_a_hub():
        return "jupyterlab"
    if not os.environ.get("JUPYTERHUB_DEFAULT_URL"):
        os.environ["JUPYTERHUB_DEFAULT_URL"] = f"/lab/tree/{first.name}"
    return "jupyterhub.singleuser"


def _look_at(context: str) -> None:
    from labkit.cli.look import agree_or_say_how
    from labkit.kube.connect import connect

    agree_or_say_how(connect(context=context), yes=False, production=False)


def _bring_up_own() -> None:
    """The cluster of this home; kernels and terminals of JupyterLab find it."""
    from labkit.cli.cluster import bring_up
    from labkit.kube import embedded

    with progress() as shown:
        bring_up(shown)
    os.environ |= {"KUBECONFIG": str(embedded.kubeconfig()), "LABKIT_HOME": str(embedded.home())}
    # A terminal finds `labkit`, and the kubectl that `labkit doctor` puts beside it, in a venv not activated.
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{Path(sys.executable).parent}"
    print("The cluster keeps running when JupyterLab ends; `labkit down` stops it.", flush=True)


def _writable(notebooks: list[Path]) -> list[Path]:
    """The notebooks, or copies of them in the current folder where they lie in an installed package."""
    from labkit import book

    folder = notebooks[0].parent
    if os.access(folder, os.W_OK) and book.__file__ and not folder.is_relative_to(Path(book.__file__).parent):
        return notebooks
    copies = Path.cwd() / "labkit-notebooks"
    copies.mkdir(exist_ok=True)
    for notebook in notebooks:
        if not (copies / notebook.name).exists():
            shutil.copy(notebook, copies)
    return [copies / notebook.name for notebook in notebooks]
