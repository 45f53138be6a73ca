"""How far a cluster is: what of each step is applied, what is missing, what was changed by hand.

Each object is compared with what its manifest would make of it now (:mod:`labkit.scenario.compare`).
Several steps may give one object in different versions, as the split's rule; then an object that is as
a later step has it counts as applied, and one that is as an earlier step left it as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial

from labkit.errors import LabkitError
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.manifests import read
from labkit.kube.api.resources import DEPLOYMENTS, NAMESPACES, Resource, resource_of
from labkit.kube.api.wait import is_rolled_out
from labkit.language import gettext, gettext_noop
from labkit.release.fault import is_fault
from labkit.scenario import cast
from labkit.scenario.compare import differences, imagined, is_as
from labkit.scenario.data import Scenario
from labkit.scenario.learner import Learner
from labkit.scenario.personal import personal
from labkit.scenario.place import has_lesson_settings, made_by_people, namespaces_of_the_lab, runs
from labkit.scenario.reading import the_book
from labkit.scenario.shared_mesh import own_settings
from labkit.scenario.steps import objects_of, sources

SETTINGS = gettext_noop("Istio: mesh settings")


class State(Enum):
    """What became of one piece of a step."""

    APPLIED = gettext_noop("applied")
    CHANGED = gettext_noop("changed")
    EARLIER = gettext_noop("still as before")
    """It is as an earlier step left it."""
    MISSING = gettext_noop("missing")


class Mark(Enum):
    """Where a step stands."""

    DONE = gettext_noop("done")
    CHANGED = gettext_noop("changed")
    """All is there, and something is not as its manifest says."""
    HERE = gettext_noop("here")
    """The first step that is not done."""
    PARTLY = gettext_noop("partly")
    TO_COME = gettext_noop("to come")


@dataclass(frozen=True)
class Piece:
    """One thing a step applies."""

    title: str
    """As kubectl names it, ``service/shop``; Istio's own parts ``Istio: egress gateway``."""
    state: State
    file: str = ""
    """The manifest it stands in."""
    note: str = ""
    """Where it differs, or what it waits for."""


@dataclass(frozen=True)
class Progress:
    """The pieces of every step, by its number."""

    pieces: dict[int, tuple[Piece, ...]]
    scenario: Scenario = field(default_factory=the_book)

    @property
    def here(self) -> int:
        """The first step that is not done; one more than the last where all are."""
        return next((number for number in self.pieces if not self._is_there(number)), len(self.pieces))

    def mark(self, number: int) -> Mark:
        """Where step *number* stands."""
        states = {piece.state for piece in self.pieces[number]}
        if self._is_there(number):
            return Mark.CHANGED if State.CHANGED in states else Mark.DONE
        if number == self.here:
            return Mark.HERE
        return Mark.PARTLY if states - {State.MISSING, State.EARLIER} else Mark.TO_COME

    def missing(self, number: int) -> list[Piece]:
        """What step *number* lacks."""
        return [piece for piece in self.pieces[number] if piece.state in (State.MISSING, State.EARLIER)]

    def _is_there(self, number: int) -> bool:
        return not self.missing(number)


def progress(api: Api, learner: Learner) -> Progress:
    """Look how far *learner*'s part of the cluster is."""
    works = list(_works(api, learner))
    with ThreadPoolExecutor(max_workers=8) as threads:
        found = list(threads.map(lambda work: work[1](), works))
    pairs = [(number, piece) for (number, _), piece in zip(works, found, strict=True)]
    steps = learner.scenario.steps
    by_step = {step.number: [p for n, p in pairs if n == step.number] for step in steps}
    return Progress({number: tuple(_owned(number, by_step)) for number in by_step}, learner.scenario)


def _owned(number: int, by_step: dict[int, list[Piece]]) -> Iterator[Piece]:
    """The pieces of a step, an object that was changed by hand counted for one step only.

    That is the last step whose other pieces are all there; it came by then, so later ones have not.
    """
    for piece in by_step[number]:
        owner = _owner(piece.title, by_step)
        if piece.state is not State.CHANGED or owner in (None, number):
            yield piece
        elif number < owner:
            yield replace(piece, state=State.APPLIED, note=gettext("and changed in step {step}", step=owner))
        else:
            yield replace(
                piece, state=State.EARLIER, note=gettext("as you changed it in step {step}", step=owner)
            )


def _owner(title: str, by_step: dict[int, list[Piece]]) -> int | None:
    sharing = [n for n, pieces in by_step.items() if title in [piece.title for piece in pieces]]
    others = {n: [piece for piece in by_step[n] if piece.title != title] for n in sharing}
    there = [n for n in sharing if others[n] and all(_is_made(piece) for piece in others[n])]
    return max(there) if len(sharing) > 1 and there else None


def _is_made(piece: Piece) -> bool:
    return piece.state in (State.APPLIED, State.CHANGED)


def _works(api: Api, learner: Learner) -> Iterator[tuple[int, Callable[[], Piece]]]:
    """What has to be looked at for each step, one piece each."""
    yield 0, partial(_istio_part, api, "istiod", "istiod")
    yield 0, partial(_istio_part, api, cast.INGRESS.title, cast.INGRESS.deployment)
    yield 0, partial(_settings, api)
    steps = learner.scenario.steps
    for step in steps:
        if step.egress_gateway:
            yield step.number, partial(_istio_part, api, cast.EGRESS.title, cast.EGRESS.deployment)
    given = [
        (step.number, source.name, obj)
        for step in steps
        for source in sources(step, learner)
        for obj in objects_of(step, source, learner)
    ]
    versions = [_Version(order, *each) for order, each in enumerate(given)]
    for one in versions:
        others = [other for other in versions if other is not one and _key(other.obj) == _key(one.obj)]
        yield one.step, partial(_piece, api, one, others)


@dataclass(frozen=True)
class _Version:
    """One object as one manifest of a step has it."""

    order: int
    """Which of all that are applied it is."""
    step: int
    file: str
    obj: Obj


# ------------------------------------------------------------------------------------------- one piece


def _istio_part(api: Api, title: str, deployment: str) -> Piece:
    found = api.find(DEPLOYMENTS.path(cast.SYSTEM, deployment))
    note = "" if found is None or runs(found) else _not_running(found)
    return Piece(
        gettext("Istio: {title}", title=title), State.APPLIED if runs(found) else State.MISSING, note=note
    )


def _not_running(deployment: Obj) -> str:
    return (
        gettext("its pods are not ready") if deployment["spec"].get("replicas", 1) else gettext("scaled to 0")
    )


def _settings(api: Api) -> Piece:
    try:
        fine = has_lesson_settings(api)
    except LabkitError:  # no Istio at all
        return Piece(gettext(SETTINGS), State.MISSING)
    note = "" if fine else gettext("access log or outbound policy are not as the lesson has them")
    return Piece(gettext(SETTINGS), State.APPLIED if fine else State.CHANGED, note=note)


def _piece(api: Api, version: _Version, others: Iterable[_Version]) -> Piece:
    resource = resource_of(api, version.obj)
    name = resource.title(version.obj["metadata"]["name"])
    there = api.find(
        resource.path(version.obj["metadata"].get("namespace", ""), version.obj["metadata"]["name"])
    )
    if there is None:
        return Piece(name, State.MISSING, version.file)
    wanted = imagined(api, version.obj)
    if is_as(there, wanted):
        return Piece(name, State.APPLIED, version.file, _waiting(there))
    for other in others:
        if is_as(there, imagined(api, other.obj)):
            later = other.order > version.order
            note = (
                gettext("as step {step} has it", step=other.step)
                if later
                else gettext("as step {step} left it", step=other.step)
            )
            return Piece(name, State.APPLIED if later else State.EARLIER, version.file, note)
    return Piece(name, State.CHANGED, version.file, _first(differences(there, wanted)))


def _waiting(there: Obj) -> str:
    return (
        gettext("its pods are not ready")
        if there["kind"] == "Deployment" and not is_rolled_out(there)
        else ""
    )


def _first(found: list[str], most: int = 2) -> str:
    more = gettext(" and {count} more", count=len(found) - most) if len(found) > most else ""
    return "; ".join(found[:most]) + more


# ------------------------------------------------------------------------------------ a learner's own


def own_work(api: Api, learner: Learner) -> list[str]:
    """What in *learner*'s namespaces is as no manifest of the book has it: goto would undo it."""
    return sorted(resource.title(obj["metadata"]["name"]) for resource, obj in own_objects(api, learner))


def own_objects(api: Api, learner: Learner) -> list[tuple[Resource, Obj]]:
    """The objects that :func:`own_work` names."""
    namespaces = [(NAMESPACES, obj) for obj in api.items(NAMESPACES.path())]
    there = [*namespaces, *made_by_people(api, learner)]
    return only_own(api, learner, [one for one in there if _namespace_of(one[1]) in learner.namespaces])


def only_own(api: Api, learner: Learner, found: Sequence[tuple[Resource, Obj]]) -> list[tuple[Resource, Obj]]:
    """Those of *found* that are as no manifest of the book has them for *learner*."""
    versions = [*_book(learner), *own_settings(api, namespaces_of_the_lab(api, learner))]
    with ThreadPoolExecutor(max_workers=8) as threads:
        owns = list(threads.map(lambda one: _is_own(api, one[0], one[1], versions), found))
    return [one for one, own in zip(found, owns, strict=True) if own]


def _namespace_of(obj: Obj) -> str:
    """Where it is; of a namespace, its own name."""
    return str(obj["metadata"].get("namespace", obj["metadata"]["name"]))


def _is_own(api: Api, resource: Resource, obj: Obj, versions: Iterable[Obj]) -> bool:
    there = obj | {"kind": resource.kind}
    if there["metadata"].get("deletionTimestamp") or is_fault(there):
        return False
    same = [version for version in versions if _key(version) == _key(there)]
    return not any(is_as(there, imagined(api, version)) for version in same)


def _book(learner: Learner) -> Iterator[Obj]:
    """Every object in every manifest of the book as it is for *learner*, with its namespace."""
    for path in sorted(learner.scenario.manifests.rglob("*.yml")):
        if step := learner.scenario.step_of(path):
            yield from objects_of(step, personal(read(path), learner), learner)


def _key(obj: Obj) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
