"""``labkit run``: notebooks, executed by papermill on a cluster of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from labkit.cli import images
from labkit.cli.books import Book, judge, plan
from labkit.cli.kernels import Kernels
from labkit.cli.language import environment as told
from labkit.cli.language import option as language_option
from labkit.cli.page import write_page
from labkit.cli.progress import Progress, progress
from labkit.cli.scenario import environment as worked_through
from labkit.cli.scenario import option as scenario_option
from labkit.cli.throw_away import throw_away_home, working_folder
from labkit.language import gettext, gettext_noop
from labkit.scenario.data import Scenario

CELL_TIMEOUT = 300
"""Seconds a cell may take before the notebook counts as failed."""


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
@images.option
@language_option
@scenario_option
@click.option(
    "--in-place", is_flag=True, help="Write the outputs back into the notebooks: for whoever edits them."
)
def run(
    notebooks: tuple[Path, ...],
    output: Path,
    given: tuple[str, ...],
    context: str | None,
    image_prefix: str | None,
    language: str,
    scenario: Scenario,
    in_place: bool,
) -> None:
    """Execute NOTEBOOKS (default: all, in order) on a cluster of their own; write an HTML page for each."""
    chosen = plan(notebooks or scenario.chapters(language), output, in_place=in_place)
    parameters = _parameters(given)
    judge(chosen, parameters)
    context = context or os.environ.get("LABKIT_CONTEXT") or None
    with progress() as shown, somebodys_cluster(context) if context else cluster_of_its_own(shown) as place:
        more = {**images.environment(image_prefix), **told(language), **worked_through(scenario)}
        kernels = replace(place, environment={**place.environment, **more})
        outcomes = [_execute(one, parameters, kernels, shown) for one in chosen]
    failed = [outcome for outcome in outcomes if outcome.problem]
    if in_place:
        for outcome in outcomes:
            if not outcome.problem:
                write_back(outcome.book.copy, outcome.book.source)
    print(
        gettext(
            "{passed} of {number} notebooks passed in {seconds:.0f} s; pages in {output}.",
            passed=len(outcomes) - len(failed),
            number=len(outcomes),
            seconds=sum(outcome.seconds for outcome in outcomes),
            output=output,
        )
    )
    if failed:
        raise SystemExit(1)


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
def cluster_of_its_own(shown: Progress) -> Iterator[Kernels]:
    """A cluster that exists for this block: others of this user are not touched, nothing is left."""
    from labkit.cli.cluster import bring_up

    with throw_away_home() as home:
        bring_up(shown, home, owner=os.getpid())
        yield Kernels(home, {"LABKIT_HOME": str(home), "LABKIT_OWNER": str(os.getpid())})


@contextmanager
def somebodys_cluster(context: str) -> Iterator[Kernels]:
    """Have the notebooks use *context*; NotAgreed before the first one where that was not agreed to."""
    from labkit.kube.connecting.connect import connect

    api = connect(context=context)
    api.guard_changes("labkit", "run")
    api.close()
    with working_folder() as folder:
        yield Kernels(folder, {"LABKIT_CONTEXT": context})


def _execute(book: Book, parameters: dict[str, Any], kernels: Kernels, shown: Progress) -> Outcome:
    import time

    shown.doing(f"{book.source.name} …")
    began = time.monotonic()
    book.copy.unlink(missing_ok=True)  # an old one is not to be taken for this run's
    problem = _problem(book, book.chosen(parameters), kernels)
    seconds = time.monotonic() - began
    if book.copy.exists():
        unwritten = _page_problem(book.copy)
        problem = problem or unwritten
    if problem:
        shown.failed(f"{_failed_after(book, seconds)}\n{problem}")
    else:
        shown.done(gettext("{name} {seconds:.1f} s", name=book.source.name, seconds=seconds))
    return Outcome(book, seconds, problem)


def _failed_after(book: Book, seconds: float) -> str:
    name, copy = book.source.name, book.copy
    if not copy.exists():
        return gettext("{name} failed after {seconds:.1f} s", name=name, seconds=seconds)
    sentence = gettext_noop("{name} failed after {seconds:.1f} s; the executed copy is {copy}")
    return gettext(sentence, name=name, seconds=seconds, copy=copy)


def _failed_line(traceback: Iterable[str]) -> str:
    """The line that IPython's arrow points to: a plain ``assert`` has no other words."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(traceback))
    pointed = re.search(r"^-+> *\d+ +(.*)$", plain, re.MULTILINE)
    return pointed[1] if pointed else ""


def _problem(book: Book, parameters: dict[str, Any], kernels: Kernels) -> str:
    """Execute *book* into its copy (kept whatever happens); what went wrong, or nothing."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from labkit.cli.kernel_manager import OwnKernelManager, settings

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
            kernel_manager_class=OwnKernelManager,
            config=settings(kernels),
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # it logs an error for every good-bye
        )
    except PapermillExecutionError as error:
        return f"  cell {error.exec_count}: {error.ename}: {error.evalue or _failed_line(error.traceback)}"
    except Exception as error:
        return f"  {type(error).__name__}: {error}"
    return ""


def _page_problem(executed: Path) -> str:
    """Write the page of an *executed* notebook; what went wrong, or nothing."""
    try:
        write_page(executed)
    except OSError as error:
        return f"  its page could not be written: {error.strerror}"
    return ""


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
