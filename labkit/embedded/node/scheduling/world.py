"""What a scheduling decision is made from: the nodes, the pods that have their place, the namespaces."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, labels_of, name_of, uid_of

ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class World:
    """The cluster at one moment, as the filters look at it."""

    nodes: Mapping[str, Obj]
    """By name."""
    placed: tuple[tuple[Obj, str], ...]
    """Pods that take up room, each with its node's name."""
    namespaces: Mapping[str, Mapping[str, str]]
    """Their labels, by name."""

    @classmethod
    def seen_by(cls, client: Client, pod: Obj) -> World:
        """What counts for *pod*: also the room being cleared for another that is no less important."""
        nodes = {name_of(node): node for node in client.list("nodes")}
        places = ((each, _place(each, pod)) for each in client.list("pods"))
        placed = tuple((each, name) for each, name in places if name in nodes)
        return cls(nodes, placed, {name_of(each): labels_of(each) for each in client.list("namespaces")})

    def on(self, node: Obj) -> list[Obj]:
        """The pods on *node*."""
        return [pod for pod, name in self.placed if name == name_of(node)]

    def without(self, pods: Collection[Obj]) -> World:
        """The same, with *pods* gone."""
        gone = {uid_of(each) for each in pods}
        return replace(self, placed=tuple(each for each in self.placed if uid_of(each[0]) not in gone))

    def neighbours(self, node: Obj, topology_key: str) -> Iterator[Obj]:
        """The pods on nodes that have the label *topology_key* with the value it has on *node*."""
        value = labels_of(node).get(topology_key)
        for pod, name in self.placed:
            if value is not None and labels_of(self.nodes[name]).get(topology_key) == value:
                yield pod


def holds_room(pod: Obj) -> bool:
    """Whether *pod* is bound to a node and has not ended."""
    return bool((pod.get("spec") or {}).get("nodeName")) and not has_ended(pod)


def has_ended(pod: Obj) -> bool:
    """Whether *pod*'s last container has ended for good."""
    return (pod.get("status") or {}).get("phase") in ENDED


def priority_of(pod: Obj) -> int:
    """``spec.priority``, as admission has worked it out of the pod's class."""
    return int((pod.get("spec") or {}).get("priority") or 0)


def _place(pod: Obj, coming: Obj) -> str:
    """The node on which *pod* takes up room while *coming* looks for some; empty where it takes none."""
    if has_ended(pod) or uid_of(pod) == uid_of(coming):
        return ""
    if node := (pod.get("spec") or {}).get("nodeName"):
        return str(node)
    nominated = (pod.get("status") or {}).get("nominatedNodeName") or ""
    return str(nominated) if priority_of(pod) >= priority_of(coming) else ""
