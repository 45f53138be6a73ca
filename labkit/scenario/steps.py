"""What each step applies: its manifests, read, as they are for one learner."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from labkit import state
from labkit.kube.api.api import Obj
from labkit.kube.api.manifests import Source, parse, read
from labkit.scenario.data import Scenario, Step
from labkit.scenario.learner import Learner
from labkit.scenario.personal import personal
from labkit.scenario.reading import chosen_folder
from labkit.scenario.wording import with_its_remark_said


def sources(step: Step, learner: Learner) -> list[Source]:
    """The manifests of *step*, read, as they are for *learner*."""
    folder = learner.scenario.manifests / step.folder
    return [personal(read(folder / name), learner) for name in step.files]


def objects(step: Step, learner: Learner) -> Iterator[Obj]:
    """Every object that *step* applies for *learner*, with its namespace."""
    for source in sources(step, learner):
        yield from objects_of(step, source, learner)


def objects_of(step: Step, source: Source, learner: Learner) -> Iterator[Obj]:
    """The objects of one manifest of *learner*'s, with the namespace that *step* has for them."""
    for manifest in parse(source):
        yield _placed(manifest.object, learner.own(step.namespace))


def find_manifest(manifest: str | Path, learner: Learner) -> Source:
    """A manifest of the scenario by its file name, or any other by its path; as it is for *learner*."""
    source = personal(read(manifest, [learner.scenario.manifests]), learner)
    if not _is_of(learner.scenario, source):
        return source
    return replace(source, typed=f"$(labkit manifest {_where(learner.scenario)}{source.name})")


def shown_manifest(manifest: str | Path, learner: Learner) -> Source:
    """As :func:`find_manifest`; one of the scenario's says what it is in the language that is spoken."""
    found = find_manifest(manifest, learner)
    own = _is_of(learner.scenario, found)
    return with_its_remark_said(found, learner.scenario.said) if own else found


def typed_manifest(name: str, learner: Learner) -> Path:
    """The file of the manifest *name*; where the learner's own differs, a copy in the state folder."""
    plain, source = read(Path(name), [learner.scenario.manifests]), find_manifest(Path(name), learner)
    if source.path is None or source.text == plain.text:
        return (source.path or Path(name)).resolve()
    copy = state.folder() / "manifests" / source.name
    state.write(copy, source.text)
    return copy


def _is_of(scenario: Scenario, source: Source) -> bool:
    """Whether it is one of *scenario*'s manifests, of a step or beside the steps."""
    if source.path is None:
        return False
    beside = source.path.resolve().is_relative_to(scenario.manifests.resolve())
    return beside or scenario.namespace_of(source.path) is not None


def _where(scenario: Scenario) -> str:
    """What tells a command of it, where it is neither the book nor what ``LABKIT_SCENARIO`` names."""
    known = chosen_folder()
    return "" if scenario.folder == known else f"--scenario {shlex.quote(str(scenario.folder))} "


def _placed(obj: Obj, namespace: str) -> Obj:
    if obj["kind"] == "Namespace":
        return obj
    metadata = obj["metadata"]
    return obj | {"metadata": metadata | {"namespace": metadata.get("namespace", namespace)}}
