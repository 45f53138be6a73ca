"""Pods that want others near or far: InterPodAffinity and PodTopologySpread, their required parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from labkit.embedded.node.scheduling.world import World
from labkit.embedded.objects import Obj, is_terminating, labels_of, name_of, namespace_of
from labkit.embedded.selectors import matches, matches_node

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def wants_others(pod: Obj, node: Obj, world: World) -> bool:
    """Whether *node* has near it all that *pod* asks for; the first of a group that wants itself may go."""
    terms = _terms(pod, "podAffinity")
    if not all(term.get("topologyKey") in labels_of(node) for term in terms):
        return False
    if all(_has_near(term, pod, node, world) for term in terms):
        return True
    placed = [each for each, _ in world.placed]
    return all(_selects(term, pod, pod, world) for term in terms) and not any(
        all(_selects(term, pod, each, world) for term in terms) for each in placed
    )


def _has_near(term: Obj, pod: Obj, node: Obj, world: World) -> bool:
    near = world.neighbours(node, term["topologyKey"])
    return any(_selects(term, pod, each, world) for each in near)


def shuns_others(pod: Obj, node: Obj, world: World) -> bool:
    """Whether one that *pod* wants far is near *node*."""
    return any(_has_near(term, pod, node, world) for term in _terms(pod, "podAntiAffinity"))


def is_shunned(pod: Obj, node: Obj, world: World) -> bool:
    """Whether one near *node* wants *pod* far."""
    for other, name in world.placed:
        for term in _terms(other, "podAntiAffinity"):
            here = labels_of(node).get(term["topologyKey"])
            there = labels_of(world.nodes[name]).get(term["topologyKey"])
            if here is not None and here == there and _selects(term, other, pod, world):
                return True
    return False


def _terms(pod: Obj, kind: str) -> list[Obj]:
    affinity = (pod.get("spec") or {}).get("affinity") or {}
    return (affinity.get(kind) or {}).get(REQUIRED) or []


def _selects(term: Obj, owner: Obj, pod: Obj, world: World) -> bool:
    """Whether *term*, which stands in *owner*, means *pod*."""
    return _names(term, owner, pod, world) and matches(term.get("labelSelector"), labels_of(pod))


def _names(term: Obj, owner: Obj, pod: Obj, world: World) -> bool:
    namespaces, selector = term.get("namespaces") or [], term.get("namespaceSelector")
    if not namespaces and selector is None:
        return namespace_of(pod) == namespace_of(owner)
    return namespace_of(pod) in namespaces or matches(selector, world.namespaces.get(namespace_of(pod), {}))


def hard_constraints(pod: Obj) -> Iterator[Obj]:
    """The topology spread constraints that are no mere wishes."""
    for each in (pod.get("spec") or {}).get("topologySpreadConstraints") or []:
        if each.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule":
            yield each


def spreads_badly(constraint: Obj, pod: Obj, node: Obj, world: World) -> bool:
    """Whether *pod* on *node* would put more into its domain than *constraint* allows."""
    key, selector = constraint["topologyKey"], constraint.get("labelSelector")
    counts = Counter(
        {labels_of(each)[key]: 0 for each in world.nodes.values() if _is_counted(key, pod, each)}
    )
    for other, name in world.placed:
        domain = labels_of(world.nodes[name]).get(key)
        same = namespace_of(other) == namespace_of(pod) and not is_terminating(other)
        if domain is not None and domain in counts and same and matches(selector, labels_of(other)):
            counts[domain] += 1
    fewest = min(counts.values(), default=0) if len(counts) >= (constraint.get("minDomains") or 1) else 0
    here = counts[labels_of(node)[key]] + matches(selector, labels_of(pod))
    return here - fewest > int(constraint.get("maxSkew") or 1)


def _is_counted(key: str, pod: Obj, node: Obj) -> bool:
    return key in labels_of(node) and bool(name_of(node)) and matches_node(pod, node)
