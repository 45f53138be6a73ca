"""EnvoyFilters: HTTP filters that are put into the connection managers of chosen workloads.

https://istio.io/latest/docs/reference/config/networking/envoy-filter/

Of what an EnvoyFilter may patch this much is done: an HTTP filter is inserted, if it is one that only
delays or refuses what passes. (Others read files and run programs: a learner's cluster has no use for
that.) The rest is told to be without effect, by :func:`not_done`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.embedded.mesh.configs import Config
from labkit.embedded.objects import has_labels

Given = Mapping[str, Any]

MANAGER = "envoy.filters.network.http_connection_manager"
_FILTERS = ("type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",)
_OPERATIONS = ("INSERT_BEFORE", "INSERT_FIRST")
_CONTEXTS = ("ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY")


@dataclass(frozen=True)
class Insertion:
    """One HTTP filter, and where it goes."""

    context: str
    """``SIDECAR_INBOUND``, ``SIDECAR_OUTBOUND``, ``GATEWAY`` or ``ANY``."""
    port: int
    """Of the listener; 0 for all."""
    before: str
    """The filter it goes before; empty for the front. Where there is none of that name, nothing happens."""
    filter: dict[str, Any]


class EnvoyFilters:
    """All EnvoyFilters of the mesh."""

    def __init__(self, configs: Sequence[Config], root_namespace: str) -> None:
        """*configs*: oldest first."""
        self._root = root_namespace
        self._configs = sorted(configs, key=self._rank)

    def _rank(self, config: Config) -> tuple[int, bool]:
        return int(config.spec.get("priority") or 0), config.namespace != self._root

    def insertions_for(self, namespace: str, labels: Mapping[str, str]) -> list[Insertion]:
        """What is put into the listeners of a pod of *namespace* with *labels*, in istiod's order."""
        return [
            _insertion(patch)
            for config in self._configs
            if config.namespace in (self._root, namespace) and _selects(config, labels)
            for patch in config.spec.get("configPatches") or []
            if not any(not_done(patch))
        ]


def _selects(config: Config, labels: Mapping[str, str]) -> bool:
    selector = (config.spec.get("workloadSelector") or {}).get("labels") or {}
    return not config.spec.get("targetRefs") and has_labels(labels, selector)


def _insertion(patch: Given) -> Insertion:
    match, change = patch.get("match") or {}, patch["patch"]
    listener = match.get("listener") or {}
    within = (listener.get("filterChain") or {}).get("filter") or {}
    first = change["operation"] == "INSERT_FIRST"
    return Insertion(
        match.get("context") or "ANY",
        int(listener.get("portNumber") or 0),
        "" if first else str((within.get("subFilter") or {}).get("name") or ""),
        dict(change["value"]),
    )


def not_done(patch: Given) -> Iterator[tuple[str, str]]:
    """(field, words) for what this cluster does not do of an entry of ``configPatches``.

    Where there is any such thing, the entry has no effect.
    """
    if patch.get("applyTo") != "HTTP_FILTER":
        yield "applyTo", "only HTTP_FILTER is done yet; this patch has no effect"
        return
    change = patch.get("patch") or {}
    if change.get("operation") not in _OPERATIONS:
        yield "patch.operation", "only INSERT_BEFORE and INSERT_FIRST are done yet; this patch has no effect"
    if change.get("filterClass"):
        yield "patch.filterClass", "is not looked at yet; this patch has no effect"
    yield from _other_filter(change.get("value") or {})
    yield from _other_match(patch.get("match") or {})


def _other_filter(value: Given) -> Iterator[tuple[str, str]]:
    config = value.get("typed_config") or value.get("typedConfig") or {}
    if not isinstance(config, Mapping) or config.get("@type") not in _FILTERS:
        yield "patch.value", f"only filters of type {_FILTERS[0]} are done yet; this patch has no effect"


_MATCHED = {
    "match": ("context", "listener"),
    "match.listener": ("portNumber", "filterChain"),
    "match.listener.filterChain": ("filter",),
    "match.listener.filterChain.filter": ("name", "subFilter"),
    "match.listener.filterChain.filter.subFilter": ("name",),
}
"""What is looked at, by where it stands."""


def _other_match(match: Given) -> Iterator[tuple[str, str]]:
    given: Given = {"match": match}
    for place, known in _MATCHED.items():
        given = given.get(place.rpartition(".")[2]) or {}
        for field in given.keys() - known:
            yield f"{place}.{field}", "is not looked at yet; this patch has no effect"
    if (match.get("context") or "ANY") not in _CONTEXTS:
        yield "match.context", f"{match['context']} is not done yet; this patch has no effect"
    name = (((match.get("listener") or {}).get("filterChain") or {}).get("filter") or {}).get("name")
    if name not in (None, MANAGER):
        yield "match.listener.filterChain.filter.name", f"only {MANAGER} has HTTP filters"
