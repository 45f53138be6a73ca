"""A scenario as it was read: who takes part, the steps, and what is shared out among whom.

See :mod:`labkit.scenario.reading` for the folder it is read from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from labkit.errors import LabkitError, StepError, UsageError
from labkit.language import ENGLISH, gettext, gettext_of, spoken
from labkit.scenario.cast import EGRESS, INGRESS, SYSTEM, Workload
from labkit.scenario.promises import Promise

Cell = tuple[int, int]
"""Column from the left, row from the top; both from 0."""


@dataclass(frozen=True)
class Step:
    """One step of a scenario."""

    number: int
    title: str
    folder: str
    """Of its manifests."""
    files: tuple[str, ...] = ()
    """Manifests in the order they are applied."""
    namespace: str = ""
    """Where objects go that name no namespace, as the manifests call it."""
    egress_gateway: bool = False
    """Whether Istio is installed again, with an egress gateway."""
    absent: tuple[str, ...] = ()
    """Services that must not be there yet for the step to be seen."""
    checks: tuple[Promise, ...] = ()


@dataclass(frozen=True)
class Sharing:
    """Whose calls a scenario shares out, and among whom."""

    caller: str
    """Short name of who calls."""
    host: str
    """What it calls."""
    between: tuple[str, ...]
    """Titles of those who share them, a subset's name behind it where they are subsets of one host."""
    step: int
    """The step in which this begins."""
    port: int = 80


@dataclass(frozen=True)
class Usual:
    """What most often is behind an answer: a hint for whoever sees it."""

    contains: str
    hint: str


@dataclass(frozen=True)
class InsideCalls:
    """For classes: some service calls the ingress gateway by its address, where all learners' calls meet.

    Beside the rule *beside* stands one called *rule*, which puts the learner's host name on such calls; a
    later step's manifest of that name replaces it.
    """

    beside: str
    rule: str


@dataclass(frozen=True, eq=False)
class Scenario:
    """All that ``scenario.yaml`` says."""

    folder: Path
    notebooks: Path
    manifests: Path
    title: str
    home: str
    """The namespace of whatever says nothing else, as the manifests call it."""
    namespaces: tuple[str, ...]
    """All that belong to the scenario."""
    cast: tuple[Workload, ...]
    """Without Istio's gateways."""
    steps: tuple[Step, ...]
    path: str
    """Where requests go that say nothing else."""
    sharing: Sharing | None = None
    usual: tuple[Usual, ...] = ()
    inside_calls: InsideCalls | None = None
    picture: Mapping[tuple[str, str], Cell] = field(default_factory=dict)
    """Where a workload stands in the picture of the mesh, by namespace and label ``app`` or Deployment."""

    # --------------------------------------------------------------------------------------- the cast

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Everybody, Istio's gateways as well."""
        return (INGRESS, *self.cast, EGRESS)

    @property
    def by_app(self) -> dict[str, str]:
        """Label ``app`` of a pod → who that is."""
        return {workload.app: workload.title for workload in self.workloads}

    @property
    def titles(self) -> dict[str, str]:
        """Host of an upstream cluster → who answers there."""
        return {host: workload.title for workload in self.workloads for host in workload.hosts}

    @property
    def colours(self) -> dict[str, str]:
        """Title → colour, of those that have one."""
        return {workload.title: workload.colour for workload in self.workloads if workload.colour}

    @property
    def short_titles(self) -> dict[str, str]:
        """Title → a shorter one, of those that have one."""
        return {workload.title: workload.short for workload in self.workloads if workload.short}

    def find_workload(self, name: str) -> Workload:
        """The workload called *name*: a short name, title or nickname, a Deployment, an ``app`` label."""
        wanted = name.casefold()
        for workload in self.workloads:
            if wanted in (one.casefold() for one in workload.names):
                return workload
        known = ", ".join(workload.name for workload in self.workloads)
        raise UsageError(
            gettext("The scenario has no workload {name!r}. It has {known}.", name=name, known=known)
        )

    def deployed_as(self, deployment: str) -> Workload | None:
        """Whose Deployment that is."""
        return next((one for one in self.workloads if deployment in one.deployments), None)

    @cached_property
    def places(self) -> dict[tuple[str, str], Cell]:
        """Where the cast stands in the picture of the mesh; by default the caller left of whom it calls."""
        gateways: dict[tuple[str, str], Cell] = {(SYSTEM, INGRESS.app): (1, 1), (SYSTEM, EGRESS.app): (4, 2)}
        return gateways | (dict(self.picture) or self._usual_places())

    def _usual_places(self) -> dict[tuple[str, str], Cell]:
        caller = self.find_workload(self.sharing.caller) if self.sharing else self.cast[0]
        others = [(one.namespace, name) for one in self.cast if one is not caller for name in one.deployments]
        inside = [each for each in others if each[0] == caller.namespace]
        outside = [each for each in others if each[0] != caller.namespace]
        cells: list[Cell] = [(3, 0), (3, 2), (3, 1), (2, 2)]
        found: dict[tuple[str, str], Cell] = {(caller.namespace, caller.app): (2, 1)}
        return found | dict(zip(inside, cells, strict=False)) | dict(zip(outside, [(4, 0)], strict=False))

    # -------------------------------------------------------------------------------------- the steps

    def find_step(self, number: int) -> Step:
        """The step of that *number*; StepError where there is none."""
        if isinstance(number, int) and 0 <= number < len(self.steps):
            return self.steps[number]
        last = len(self.steps) - 1
        if isinstance(number, str) and number.strip().isdecimal():
            raise StepError(
                gettext(
                    "A step is a number from 0 to {count}, not a text: "
                    "write {strip} without quotation marks.",
                    count=last,
                    strip=number.strip(),
                )
            )
        raise StepError(
            gettext(
                "There is no step {number}: the scenario has the steps 0 to {count}.",
                number=number,
                count=last,
            )
        )

    def namespace_of(self, path: Path) -> str | None:
        """The namespace that a manifest of the scenario goes to, as the manifests call it.

        None for a file that is not the scenario's.
        """
        step = self.step_of(path)
        return step.namespace if step else None

    def step_of(self, path: Path) -> Step | None:
        """The step that has the file *path*, or in whose folder it lies."""
        file = path.resolve()
        for step in self.steps:
            folder = (self.manifests / step.folder).resolve()
            if file in (folder / name for name in step.files) or (
                step.folder and file.is_relative_to(folder)
            ):
                return step
        return None

    # ---------------------------------------------------------------------------------- sharing traffic

    def shared(self) -> Sharing:
        """What is shared out; UsageError where the scenario shares out nothing."""
        if self.sharing is None:
            raise UsageError(
                gettext("The scenario {title} shares out no requests: it has no `split`.", title=self.title)
            )
        return self.sharing

    # -------------------------------------------------------------------------------------- its words

    def said(self, words: str) -> str:
        """*words* of the scenario's own, in the language that is spoken."""
        return gettext_of(self.catalogue_file(spoken()), words) if words else ""

    def catalogue_file(self, language: str) -> Path:
        """Where translations into *language* are, if the scenario has some of its own."""
        return self.folder / "language" / f"{language}.po"

    def wordings(self) -> list[str]:
        """All words in ``scenario.yaml`` that a learner reads, in English."""
        promises = (getattr(each, "promise", "") for step in self.steps for each in step.checks)
        hints = (each.hint for each in self.usual)
        return [words for words in (self.title, *(s.title for s in self.steps), *promises, *hints) if words]

    def chapters(self, language: str = ENGLISH) -> list[Path]:
        """The notebooks in *language*, in order, else the English ones; LabkitError where there are none."""
        folder = self._notebooks_in(language)
        found = sorted(folder.glob("[0-9][0-9]-*.ipynb"))
        if not found:
            raise LabkitError(gettext("There are no notebooks in {folder}.", folder=folder))
        return found

    def beyond(self, language: str = ENGLISH) -> list[Path]:
        """Notebooks beside the steps, for who wants to go on; none where there are none."""
        return sorted((self._notebooks_in(language) / "beyond").glob("*.ipynb"))

    def _notebooks_in(self, language: str) -> Path:
        translated = self.notebooks / language
        return translated if language != ENGLISH and translated.is_dir() else self.notebooks
