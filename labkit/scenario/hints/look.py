"""The cluster as one look finds it: every kind listed once, and only if it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from labkit.errors import LabkitError
from labkit.kube.api.api import Api, Obj, Refusal
from labkit.kube.api.resources import (
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    PODS,
    SERVICE_ENTRIES,
    SERVICES,
    VIRTUAL_SERVICES,
    Resource,
)
from labkit.kube.convergence.convergence import wait_for_proxies
from labkit.language import gettext
from labkit.scenario.cast import Workload
from labkit.scenario.learner import Learner

DOMAIN = "svc.cluster.local"
_ALIKE = 0.7
"""How much of two words must be the same where one is taken for the other, misspelt."""


@dataclass(frozen=True)
class Fault:
    """Something that is not as it should be, in the words of a hint."""

    text: str
    step: int
    """The step whose piece it is about."""
    workload: str | None = None
    """The Deployment whose pods it keeps from running; empty for all, None for none."""
    rule: str = ""
    """The VirtualService it is about, where it is about one."""
    about: str = ""
    """Which of a task's promises it is about (:attr:`Finding.about`); empty for any."""
    of_mesh: bool = False
    """Whether it is about the mesh itself, and so about whatever was asked of it."""


class Look:
    """What is there, by kind; *learner*'s part of it is what is looked for."""

    def __init__(self, api: Api, learner: Learner) -> None:
        self.api, self.learner = api, learner
        self._listed: dict[str, list[Obj]] = {}

    def all(self, kind: Resource) -> list[Obj]:
        """Every object of *kind*, in all namespaces."""
        if kind.plural not in self._listed:
            self._listed[kind.plural] = self.api.items(kind.path())
        return self._listed[kind.plural]

    def find(self, kind: Resource, namespace: str, name: str) -> Obj | None:
        """One object, or None."""
        here = (one for one in self.all(kind) if one["metadata"]["name"] == name)
        return next((one for one in here if one["metadata"].get("namespace", "") == namespace), None)

    def elsewhere(self, kind: Resource, namespace: str, name: str) -> str:
        """Another namespace which has an object of that name; empty if none has."""
        same = (one["metadata"] for one in self.all(kind) if one["metadata"]["name"] == name)
        return next((one["namespace"] for one in same if one["namespace"] != namespace), "")

    def namespace_of(self, workload: Workload) -> str:
        """Where *workload* belongs."""
        return self.learner.own(workload.namespace)

    def namespace(self, name: str) -> Obj | None:
        """A namespace, or None."""
        return self.find(NAMESPACES, "", name)

    def deployment(self, namespace: str, name: str) -> Obj | None:
        """A Deployment, or None."""
        return self.find(DEPLOYMENTS, namespace, name)

    def pods(self, namespace: str, labels: Mapping[str, str]) -> list[Obj]:
        """The pods with all of *labels* that are not on their way out."""
        return [
            pod
            for pod in self.all(PODS)
            if pod["metadata"]["namespace"] == namespace
            and labels.items() <= (pod["metadata"].get("labels") or {}).items()
            and not pod["metadata"].get("deletionTimestamp")
        ]

    def event_of(self, kind: str, namespace: str, name: str) -> str:
        """The newest warning about an object whose name begins with *name*."""
        about = [
            event
            for event in self.all(EVENTS)
            if event.get("type") == "Warning"
            and event["involvedObject"].get("kind") == kind
            and event["involvedObject"].get("namespace") == namespace
            and event["involvedObject"].get("name", "").startswith(name)
        ]
        newest = max(about, key=lambda event: event.get("lastTimestamp") or "", default={})
        return str(newest.get("message") or "")

    @cached_property
    def hosts(self) -> dict[str, list[int]]:
        """Every host the mesh knows, in full, with its ports."""
        known = {
            full(service["metadata"]["name"], service["metadata"]["namespace"]): _ports(service)
            for service in self.all(SERVICES)
        }
        for entry in self.all(SERVICE_ENTRIES):
            known |= {host: _ports(entry) for host in entry["spec"].get("hosts") or []}
        return known

    @cached_property
    def rules(self) -> list[Obj]:
        """Every VirtualService, the oldest first: that is the order in which they win."""
        return sorted(self.all(VIRTUAL_SERVICES), key=lambda one: one["metadata"]["creationTimestamp"])

    @cached_property
    def refusals(self) -> list[str]:
        """What proxies refused, in istiod's words."""
        with suppress(LabkitError):  # one that has not answered yet is told of by itself
            answer = wait_for_proxies(self.api, timeout=3)
            return [f"{one.proxy}: {one.error}" for one in answer.refusals] + list(map(str, answer.faults))
        return []

    @cached_property
    def refusal(self) -> Refusal | None:
        """What was applied last from here, if it was refused and nothing of its kind changed since."""
        last = self.api.last_refusal
        kinds = (VIRTUAL_SERVICES, DEPLOYMENTS, NAMESPACES) if last else ()
        later = (changed_at(obj) for kind in kinds for obj in self.all(kind))
        return None if last is None or any(time > last.time for time in later) else last


def changed_at(obj: Obj) -> str:
    """When somebody last changed what *obj* asks for."""
    metadata = obj["metadata"]
    wishes = [one for one in metadata.get("managedFields") or [] if not one.get("subresource")]
    times = [str(one.get("time") or "") for one in wishes]
    return max(times, default=str(metadata.get("creationTimestamp") or ""))


def alike(word: str, wanted: str) -> bool:
    """Whether *word* may be *wanted*, misspelt."""
    one, other = (text.strip("/").casefold() for text in (word, wanted))
    return bool(one) and SequenceMatcher(None, one, other).ratio() >= _ALIKE


def nothing_yet(state: str, next_step: str) -> str:
    """That nothing has been done, in what *state* things are, and what comes next."""
    printed = gettext("(Did kubectl print an error? Then it was refused: its last line says why.)")
    return f"{state} {next_step} {printed}"


def full(host: str, namespace: str) -> str:
    """A host as the mesh knows it: a short one is looked for in the namespace of the rule that names it."""
    if "." not in host:
        return f"{host}.{namespace}.{DOMAIN}"
    return f"{host}.{DOMAIN}" if host.count(".") == 1 else host


def _ports(obj: Obj) -> list[int]:
    return [int(port.get("port") or port.get("number")) for port in obj["spec"].get("ports") or []]
