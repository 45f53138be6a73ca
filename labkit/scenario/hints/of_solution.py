"""What a learner has made of a task, read beside the task's solution: for a scenario that says no more of it.

The solution is one way of several, so it is only read from it what is looked for: objects that are missing,
elsewhere or called nearly so, destinations that lead nowhere, and fields that have something else. What
stands in those is the learner's to find: a hint names the place, and not the value.
"""

from __future__ import annotations

from collections.abc import Iterator

from labkit.errors import LabkitError
from labkit.kube.api.api import Obj
from labkit.kube.api.manifests import parse
from labkit.kube.api.resources import NAMESPACES, Resource, resource_of
from labkit.language import gettext
from labkit.scenario.compare import differing, imagined, is_as
from labkit.scenario.hints.look import Fault, Look, alike, changed_at, nothing_yet
from labkit.scenario.hints.of_manifests import versions
from labkit.scenario.hints.routing import destination_troubles, subset_troubles
from labkit.scenario.tasks import Task, find_task

_MOST_PLACES = 2


def solution_faults(look: Look, step: int) -> Iterator[Fault]:
    """What the solution of the task of *step* has and the cluster has not, the first object first."""
    task = find_task(step, look.learner)
    for manifest in parse(task.solution):
        for text in _troubles(look, manifest.object, task):
            yield Fault(text, step, workload="")


def _troubles(look: Look, wanted: Obj, task: Task) -> Iterator[str]:
    resource = resource_of(look.api, wanted)
    name = wanted["metadata"]["name"]
    namespace = wanted["metadata"].get("namespace", task.namespace) if resource.namespaced else ""
    wanted = _placed(wanted, namespace)
    found = look.find(resource, namespace, name)
    if found is None:
        found = _made_instead(look, resource, wanted)
    if found is None:
        yield _missing(look, resource, namespace, name)
    else:
        yield from _unlike(look, found, wanted, task)


def _placed(wanted: Obj, namespace: str) -> Obj:
    """*wanted* with the namespace it goes to in it."""
    if not namespace:
        return wanted
    return {**wanted, "metadata": {**wanted["metadata"], "namespace": namespace}}


def _made_instead(look: Look, resource: Resource, wanted: Obj) -> Obj | None:
    """The learner's own by another name that is about the same hosts; that which was changed last."""
    namespace = wanted["metadata"].get("namespace", "")
    about = [one for one in _own(look, resource, namespace) if _hosts(one) & _hosts(wanted)]
    return max(about, key=changed_at, default=None)


def _own(look: Look, resource: Resource, namespace: str) -> list[Obj]:
    """Objects of that kind there which no step of the scenario makes."""
    everything = versions(look.learner, len(look.learner.scenario.steps) - 1)
    given = {each.key for each in everything}
    labs = look.learner.of_labs if resource.kind == NAMESPACES.kind else frozenset()
    return [
        one
        for one in look.all(resource)
        if (where := one["metadata"].get("namespace", "")) == namespace
        and (resource.kind, where, name := one["metadata"]["name"]) not in given
        and name not in labs
    ]


def _hosts(obj: Obj) -> set[str]:
    return set(map(str, (obj.get("spec") or {}).get("hosts") or []))


def _missing(look: Look, resource: Resource, namespace: str, name: str) -> str:
    """Where it may be instead; else what makes it."""
    kind = resource.kind
    if namespace and (other := look.elsewhere(resource, namespace, name)):
        return gettext(
            "The {kind} {name} is in {other}, and belongs to {namespace}: apply it with `-n {namespace}`, "
            "and `kubectl delete {typed} {name} -n {other}` takes the other one away.",
            kind=kind,
            name=name,
            other=other,
            namespace=namespace,
            typed=kind.lower(),
        )
    names = [one["metadata"]["name"] for one in _own(look, resource, namespace)]
    if like := next((one for one in names if alike(one, name)), ""):
        return gettext(
            "There is a {kind} {like}, and the one that was asked for is called {name}.",
            kind=kind,
            like=like,
            name=name,
        )
    if file := _file_of(look, (kind, namespace, name)):
        return gettext("The step's {kind} {name} is gone: apply {file}.", kind=kind, name=name, file=file)
    state = (
        gettext("There is no {kind} {name} in {namespace} yet.", kind=kind, name=name, namespace=namespace)
        if namespace
        else gettext("There is no {kind} {name} yet.", kind=kind, name=name)
    )
    return nothing_yet(state, gettext("The button *Hint* says where to begin."))


def _file_of(look: Look, key: tuple[str, str, str]) -> str:
    """The last manifest of the scenario that has the object; empty where none has."""
    last = len(look.learner.scenario.steps) - 1
    return next((each.file for each in reversed(versions(look.learner, last)) if each.key == key), "")


def _unlike(look: Look, found: Obj, wanted: Obj, task: Task) -> Iterator[str]:
    """Why *found* does not do what *wanted* would."""
    kind, name = wanted["kind"], found["metadata"]["name"]
    if kind == "VirtualService":
        yield from destination_troubles(look, found)
        yield from subset_troubles(look, found)
    there, as_solved = found | {"kind": kind}, imagined(look.api, wanted)
    if is_as(there, as_solved):
        return
    if _as_the_lesson_has_it(look, there, wanted, task.step):
        yield nothing_yet(
            gettext("{name} is still as the step left it.", name=name),
            gettext("The button *Hint* says where to begin."),
        )
        return
    if places := differing(there, as_solved):
        yield gettext(
            "There is more than one way to do it; the solution has something else in {places} of {name}.",
            places=gettext(" and ").join(f"`{place}`" for place in places[:_MOST_PLACES]),
            name=name,
        )


def _as_the_lesson_has_it(look: Look, there: Obj, wanted: Obj, step: int) -> bool:
    key = wanted["kind"], wanted["metadata"].get("namespace", ""), there["metadata"]["name"]
    given = [each.obj for each in versions(look.learner, step) if each.key == key]
    try:
        return bool(given) and is_as(there, imagined(look.api, given[-1]))
    except LabkitError:
        return False
