"""Bring a cluster to where a step begins, whatever was done to it before.

The objects of the steps before it are wanted, and nothing else in the lab's namespaces. Each one is
compared with what its manifest would make of it now (:mod:`labkit.scenario.compare`). What server-side
apply can't set right is made anew. Nothing is done where nothing has to be, so going to where one
stands is quick.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from labkit import istio
from labkit.errors import ApiRefused
from labkit.kube.api.api import APPLY_PATCH, Api, Obj
from labkit.kube.api.delete import delete
from labkit.kube.api.listing import items_in
from labkit.kube.api.permissions import may_delete
from labkit.kube.api.resources import DEPLOYMENTS, NAMESPACES, PODS, Resource, find_resource, resource_of
from labkit.kube.api.wait import is_rolled_out, wait_for_rollouts, wait_until_gone
from labkit.kube.applying.apply import FIELD_MANAGER
from labkit.kube.convergence.convergence import wait_for_proxies
from labkit.kube.mesh.mesh_config import mesh_config
from labkit.kube.proxies.proxies import CONTAINER
from labkit.language import gettext, ngettext
from labkit.scenario import cast
from labkit.scenario.compare import imagined, is_as
from labkit.scenario.learner import Learner
from labkit.scenario.makers import made_by_controller
from labkit.scenario.shared_mesh import own_settings, what_to_ask_for
from labkit.scenario.steps import objects as objects_of_step

T = TypeVar("T")

EGRESS_FLAGS = [
    "components.egressGateways[0].name=istio-egressgateway",
    "components.egressGateways[0].enabled=true",
]
"""What a step with an egress gateway adds to the first installation's flags."""

_SWEPT = {
    "apps/v1": ("Deployment", "StatefulSet", "DaemonSet"),
    "batch/v1": ("Job", "CronJob"),
    "v1": ("Service", "Pod", "ConfigMap"),
    "networking.istio.io/v1beta1": (
        "Gateway",
        "VirtualService",
        "DestinationRule",
        "ServiceEntry",
        "Sidecar",
        "WorkloadEntry",
        "ProxyConfig",
    ),
    "networking.istio.io/v1alpha3": ("EnvoyFilter",),
    "security.istio.io/v1beta1": ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"),
    "telemetry.istio.io/v1alpha1": ("Telemetry",),
}
"""Kinds a learner may have made something of; versions that Istio 1.20 serves, and the newest still does."""

_PROXIES = 120.0
"""Seconds for all proxies: as for the pods they are in, all of which may be new."""

Key = tuple[str, str, str]
"""(kind, namespace, name)."""


@dataclass
class Moves:
    """What had to be done."""

    step: int
    kept: str = ""
    """What was kept of somebody's own, and where."""
    removed: list[str] = field(default_factory=list)
    applied: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        done = [
            gettext("removed {titles}", titles=_listed_shortly(self.removed)) if self.removed else "",
            gettext("applied {titles}", titles=_listed_shortly(self.applied)) if self.applied else "",
            *self.settings,
        ]
        return "; ".join(part for part in done if part) or gettext("nothing had to be done")

    def __bool__(self) -> bool:
        return bool(self.removed or self.applied or self.settings)


def _listed_shortly(titles: Sequence[str], most: int = 4) -> str:
    if len(titles) <= most:
        return ", ".join(sorted(titles))
    return ngettext("{number} object", "{number} objects", len(titles))


def _quiet(_: str) -> None:
    """Say nothing."""


class Keeper(Protocol):
    """Keeps what somebody may want to have again, before it is removed or changed."""

    def __call__(self, doomed: Sequence[tuple[Resource, Obj]]) -> str:
        """doomed: what is about to be removed; of a Namespace all that is in it. What it kept, in words."""


def bring_to(
    api: Api,
    learner: Learner,
    step: int,
    *,
    finished: bool = False,
    say: Callable[[str], None] | None = None,
    keep: Keeper = lambda doomed: "",
) -> Moves:
    """Bring *learner*'s part of the cluster to where *step* begins or, with *finished*, to where it ends.

    say: is told what is being done. keep: is called before anything is removed.
    """
    say = say or _quiet
    started = time.perf_counter()
    steps = learner.scenario.steps
    count = learner.scenario.find_step(step).number + finished
    moves = Moves(step)
    say(gettext("Looking at Istio …"))
    _set_istio_right(api, learner, egress=any(done.egress_gateway for done in steps[:count]), moves=moves)
    wanted = _wanted(learner, count)
    own = [name for kind, _, name in wanted if kind == "Namespace"]
    wanted |= {_key(obj): obj for obj in own_settings(api, own)}
    if asked := what_to_ask_for(api):
        say(asked)
    say(gettext("Removing what does not belong here …"))
    _wait_for_leaving_namespaces(api, learner)
    _remove(api, learner, wanted, moves, keep)
    say(gettext("Applying what is missing …"))
    _make(api, wanted, moves)
    say(gettext("Waiting for pods and proxies …"))
    _replace_stale_pods(api, wanted, moves)
    wait_for_rollouts(api, [key[1:] for key in wanted if key[0] == "Deployment"])
    _wait_for_leaving_pods(api, learner)
    wait_for_proxies(api, timeout=_PROXIES)
    moves.seconds = time.perf_counter() - started
    said = str(moves)
    say(f"{said[0].upper()}{said[1:]}.")
    return moves


def _wanted(learner: Learner, count: int) -> dict[Key, Obj]:
    """*learner*'s objects of the first *count* steps; a later step's version of one replaces the earlier."""
    return {
        _key(obj): obj for step in learner.scenario.steps[:count] for obj in objects_of_step(step, learner)
    }


def _key(obj: Obj) -> Key:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


# ----------------------------------------------------------------------------------------- Istio itself


def _set_istio_right(api: Api, learner: Learner, *, egress: bool, moves: Moves) -> None:
    deployments = {d["metadata"]["name"]: d for d in api.items(DEPLOYMENTS.path(cast.SYSTEM))}
    needed = ["istiod", cast.INGRESS.deployment, *([cast.EGRESS.deployment] if egress else [])]
    there = cast.EGRESS.deployment in deployments
    # Others may need the egress gateway that this step does without.
    as_wanted = there or not egress if learner.is_among_others(api) else there == egress
    all_run = all(runs(deployments.get(name)) for name in needed)
    if as_wanted and all_run and (api.shared or has_lesson_settings(api)):
        return
    flags = istio.LESSON_FLAGS + (EGRESS_FLAGS if egress else [])
    istio.install(api, istio.settings(istio.parse(flags)))
    moves.settings.append(
        gettext("installed Istio with an egress gateway")
        if egress
        else gettext("installed Istio without an egress gateway")
    )


def runs(deployment: Obj | None) -> bool:
    """Whether it is there, has a replica and is rolled out."""
    return bool(deployment and deployment["spec"].get("replicas", 1) and is_rolled_out(deployment))


def has_lesson_settings(api: Api) -> bool:
    """Whether the mesh's settings are those of the first lesson; of a shared one, whether they will do."""
    if api.shared:
        return not what_to_ask_for(api)
    config = mesh_config(api)
    return (
        config.get("accessLogFile") == "/dev/stdout"
        and config.get("accessLogEncoding", "TEXT") == "TEXT"
        and not config.get("accessLogFormat")
        and (config.get("outboundTrafficPolicy") or {}).get("mode") == "REGISTRY_ONLY"
    )


# --------------------------------------------------------------------------------------------- removing


def _remove(api: Api, learner: Learner, wanted: dict[Key, Obj], moves: Moves, keep: Keeper) -> None:
    """Delete what is not wanted, all at once, and wait until it is gone.

    A namespace that an administrator gave is emptied and stays.
    """
    doomed = list(_unwanted(api, learner, wanted))
    moves.kept = keep(doomed)
    remove_all(api, doomed)
    moves.removed += [resource.title(obj["metadata"]["name"]) for resource, obj in doomed]


def remove_all(api: Api, doomed: Sequence[tuple[Resource, Obj]]) -> None:
    """Delete these objects, all at once, and wait until they are gone.

    One of the same name that somebody makes in the meantime is another object, and stays.
    """
    each = [
        (resource, (meta := obj["metadata"]).get("namespace", ""), meta["name"], meta["uid"])
        for resource, obj in doomed
    ]
    _each(each, lambda one: delete(api, *one[:3], wait=False, uid=one[3]))
    _each(each, lambda one: wait_until_gone(api, *one[:3], uid=one[3]))


def _unwanted(api: Api, learner: Learner, wanted: dict[Key, Obj]) -> Iterator[tuple[Resource, Obj]]:
    going = {
        name: namespace
        for name, namespace in _namespaces_there(api, learner).items()
        if ("Namespace", "", name) not in wanted and may_delete(api, NAMESPACES, name)
    }
    yield from ((NAMESPACES, namespace) for namespace in going.values())
    ours = {(kind, name) for kind, _, name in _wanted(learner, len(learner.scenario.steps))}
    for resource, obj in made_by_people(api, learner):
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        strayed = namespace == "default" and (resource.kind, name) in ours
        in_lab = namespace in learner.namespaces and namespace not in going
        if strayed or (in_lab and (resource.kind, namespace, name) not in wanted):
            yield resource, obj


def namespaces_of_the_lab(api: Api, learner: Learner) -> list[str]:
    """Those of *learner*'s namespaces that are there."""
    return list(_namespaces_there(api, learner))


def _namespaces_there(api: Api, learner: Learner) -> dict[str, Obj]:
    there = {namespace["metadata"]["name"]: namespace for namespace in api.items(NAMESPACES.path())}
    return {name: there[name] for name in learner.namespaces if name in there}


def made_by_people(
    api: Api, learner: Learner, namespaces: Iterable[str] = ()
) -> Iterator[tuple[Resource, Obj]]:
    """Every object of the kinds that goto sweeps, but those that controllers made.

    namespaces: where to look; by default wherever *learner*'s lab may, see :meth:`Learner.places`.
    """
    everywhere = "" in learner.places(api)
    places = list(namespaces) or ([""] if everywhere else namespaces_of_the_lab(api, learner))
    kinds = [(kind, place) for kind in _swept_kinds(api) for place in places]
    for resource, objects in _each(kinds, lambda one: (one[0], _listed(api, *one))):
        yield from ((resource, obj) for obj in objects if not made_by_controller(resource, obj))


def _listed(api: Api, kind: Resource, namespace: str) -> list[Obj]:
    """All of a kind; none where one may not even look: then one has made none, either."""
    try:
        return api.items(kind.path(namespace))
    except ApiRefused as error:
        if error.code != 403:
            raise
        return []


def _swept_kinds(api: Api) -> list[Resource]:
    return [
        find_resource(api, version, kind)
        for version, kinds in _SWEPT.items()
        for kind in kinds
        if any(entry["kind"] == kind for entry in api.resources_of(version))
    ]


# ----------------------------------------------------------------------------------------------- making


def _make(api: Api, wanted: dict[Key, Obj], moves: Moves) -> None:
    namespaces = [obj for key, obj in wanted.items() if key[0] == "Namespace"]
    others = [obj for key, obj in wanted.items() if key[0] != "Namespace"]
    for objects in (namespaces, others):
        made = _each(objects, lambda obj: make_one(api, obj))
        moves.applied += [title for title in made if title]


def make_up_for(api: Api, namespaces: Sequence[str]) -> None:
    """Set in *namespaces*, just made, what a shared mesh's settings lack for the book."""
    for obj in own_settings(api, namespaces):
        make_one(api, obj)


def make_one(api: Api, obj: Obj) -> str:
    """Make *obj* as its manifest says; its title where that was not how it was."""
    resource = resource_of(api, obj)
    namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
    there = api.find(resource.path(namespace, name))
    if there and is_as(there, imagined(api, obj)):
        return ""
    if not is_as(_apply(api, resource, obj), imagined(api, obj)):
        delete(api, resource, namespace, name)
        _apply(api, resource, obj)
    return resource.title(name)


def _apply(api: Api, resource: Resource, obj: Obj) -> Obj:
    path = resource.path(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
    query = {"fieldManager": FIELD_MANAGER, "force": True}
    return api.request("PATCH", path, query=query, body=obj, content_type=APPLY_PATCH).object


def _replace_stale_pods(api: Api, wanted: dict[Key, Obj], moves: Moves) -> None:
    """Delete pods that would not be as they are, were they made now; their Deployments make new ones.

    Those made while injection was switched off have no proxy. And where a Service was taken away, its
    callers may still hold a connection to it, and go on as if its name existed.
    """
    callers_remember = any(title.startswith("service/") for title in moves.removed)
    injected = {name for kind, _, name in wanted if kind == "Namespace"}
    pods = items_in(api, PODS, sorted(injected))
    stale = [pod for pod in pods if callers_remember or not _has_proxy(pod)]
    _each(stale, lambda pod: delete(api, PODS, pod["metadata"]["namespace"], pod["metadata"]["name"]))
    moves.removed += [PODS.title(pod["metadata"]["name"]) for pod in stale]


def _wait_for_leaving_namespaces(api: Api, learner: Learner) -> None:
    """What is still in a namespace that is on its way out goes with it, and nothing can be made there."""
    own = [one["metadata"] for one in api.items(NAMESPACES.path())]
    leaving = [one for one in own if one["name"] in learner.namespaces and one.get("deletionTimestamp")]
    _each(leaving, lambda one: wait_until_gone(api, NAMESPACES, "", one["name"], uid=one["uid"]))


def _wait_for_leaving_pods(api: Api, learner: Learner) -> None:
    """A pod that is no longer wanted is still listed, and may still answer, until it is gone."""
    pods = [pod["metadata"] for pod in items_in(api, PODS, learner.namespaces)]
    leaving = [metadata for metadata in pods if metadata.get("deletionTimestamp")]
    _each(leaving, lambda pod: wait_until_gone(api, PODS, pod["namespace"], pod["name"], uid=pod["uid"]))


def _has_proxy(pod: Obj) -> bool:
    spec = pod["spec"]
    return CONTAINER in [c["name"] for c in [*spec["containers"], *(spec.get("initContainers") or [])]]


def _each(items: Iterable[Any], work: Callable[[Any], T]) -> list[T]:
    """*work* done for all *items*, some at a time."""
    with ThreadPoolExecutor(max_workers=8) as threads:
        return list(threads.map(work, items))
