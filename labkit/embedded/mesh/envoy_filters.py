"""EnvoyFilters: patches to what the translation has made for chosen workloads.

https://istio.io/latest/docs/reference/config/networking/envoy-filter/

Which of them are for a proxy, and in which order; :mod:`.translate.patches` puts them into effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from labkit.embedded.mesh.configs import Config
from labkit.embedded.mesh.security.attachment import attached
from labkit.embedded.version import ISTIO_VERSION

Given = Mapping[str, Any]

MANAGER = "envoy.filters.network.http_connection_manager"
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "LISTENER": ("ADD", "MERGE", "REMOVE"),
    "FILTER_CHAIN": ("ADD", "MERGE", "REMOVE"),
    "LISTENER_FILTER": ("ADD", "INSERT_FIRST", "INSERT_BEFORE", "INSERT_AFTER", "REPLACE", "REMOVE"),
    "NETWORK_FILTER": ("ADD", "INSERT_FIRST", "INSERT_BEFORE", "INSERT_AFTER", "MERGE", "REPLACE", "REMOVE"),
    "HTTP_FILTER": ("ADD", "INSERT_FIRST", "INSERT_BEFORE", "INSERT_AFTER", "MERGE", "REPLACE", "REMOVE"),
    "ROUTE_CONFIGURATION": ("MERGE",),
    "VIRTUAL_HOST": ("ADD", "MERGE", "REPLACE", "REMOVE"),
    "HTTP_ROUTE": ("ADD", "INSERT_FIRST", "INSERT_BEFORE", "INSERT_AFTER", "MERGE", "REMOVE"),
    "CLUSTER": ("ADD", "MERGE", "REMOVE"),
}
"""What istiod does, by what it is done to; it passes over all else."""
_INSERTED_ANYWHERE = ("LISTENER", "FILTER_CHAIN", "ROUTE_CONFIGURATION", "VIRTUAL_HOST", "CLUSTER")
MATCHES = ("listener", "routeConfiguration", "cluster")
"""The fields of ``match`` that say which object is meant, of which one may be given."""
_LONGEST_VERSION = 1024


@dataclass(frozen=True)
class Patch:
    """One entry of ``configPatches``."""

    apply_to: str
    operation: str
    """One of :data:`OPERATIONS`; of what has no order, an insertion is an addition."""
    context: str
    """``SIDECAR_INBOUND``, ``SIDECAR_OUTBOUND``, ``GATEWAY`` or ``ANY``."""
    match: Given
    """What is asked of the object: the ``listener``, ``routeConfiguration`` or ``cluster`` of its match."""
    value: Given

    @classmethod
    def of(cls, entry: Given) -> Patch:
        match, change = entry.get("match") or {}, entry["patch"]
        applies_to, operation = str(entry["applyTo"]), str(change["operation"])
        if operation.startswith("INSERT_") and applies_to in _INSERTED_ANYWHERE:
            operation = "ADD"
        asked: Given = next((match[name] for name in MATCHES if match.get(name)), {})
        return cls(applies_to, operation, match.get("context") or "ANY", asked, change.get("value") or {})

    @property
    def is_done(self) -> bool:
        return self.operation in OPERATIONS.get(self.apply_to, ()) and self.context != "WAYPOINT"

    def is_for(self, context: str) -> bool:
        return self.context in ("ANY", context)


class EnvoyFilters:
    """All EnvoyFilters of the mesh."""

    def __init__(self, configs: Sequence[Config], root_namespace: str) -> None:
        """*configs*: oldest first."""
        self._root = root_namespace
        self._configs = sorted(configs, key=self._rank)

    def _rank(self, config: Config) -> tuple[int, bool]:
        return int(config.spec.get("priority") or 0), config.namespace != self._root

    def patches_for(self, namespace: str, labels: Mapping[str, str], metadata: Given) -> list[Patch]:
        """Those for a pod of *namespace* with *labels*, whose proxy calls itself *metadata*; in order."""
        chosen = list(attached(self._configs, (self._root, namespace), namespace, labels))
        chosen.sort(key=self._rank)
        return [
            patch
            for config in chosen
            for entry in config.spec.get("configPatches") or []
            if entry
            and entry.get("patch")
            and _is_meant((entry.get("match") or {}).get("proxy") or {}, metadata)
            if (patch := Patch.of(entry)).is_done
        ]


def _is_meant(wanted: Given, metadata: Given) -> bool:
    """Whether ``match.proxy`` means the proxy that calls itself *metadata*."""
    version = str(wanted.get("proxyVersion") or "")
    if len(version) > _LONGEST_VERSION:
        return False
    if version and not re2.search(version, str(metadata.get("ISTIO_VERSION") or ISTIO_VERSION)):
        return False
    return all(metadata.get(name) == value for name, value in (wanted.get("metadata") or {}).items())


def not_done(entry: Given) -> Iterator[tuple[str, str]]:
    """(field, words) for what is without effect in a good entry of ``configPatches``."""
    patch = Patch.of(entry)
    if patch.context == "WAYPOINT":
        yield "match.context", "this cluster has no waypoints; this patch has no effect"
    elif patch.apply_to not in OPERATIONS:
        yield "applyTo", f"{patch.apply_to} is not done by this cluster; this patch has no effect"
    elif not patch.is_done:
        done = ", ".join(OPERATIONS[patch.apply_to])
        words = (
            f"Istio does not {patch.operation} a {patch.apply_to} (it can {done}); this patch has no effect"
        )
        yield "patch.operation", words
    if (entry["patch"]).get("filterClass") not in (None, "UNSPECIFIED"):
        yield "patch.filterClass", "Istio does not look at it"
    yield from _unasked(entry.get("match") or {}, patch.apply_to)


_OF_FILTERS = ("NETWORK_FILTER", "HTTP_FILTER")
_ASKED = {
    "listener.portName": (),
    "listener.listenerFilter": ("LISTENER_FILTER",),
    "listener.filterChain": ("FILTER_CHAIN", *_OF_FILTERS),
    "listener.filterChain.filter": _OF_FILTERS,
    "routeConfiguration.vhost": ("VIRTUAL_HOST", "HTTP_ROUTE"),
    "routeConfiguration.vhost.route": ("HTTP_ROUTE",),
    "waypoint": (),
}
"""Parts of a match → what istiod looks at them for."""


def _unasked(match: Given, applies_to: str) -> Iterator[tuple[str, str]]:
    for place, asked_for in _ASKED.items():
        given: Any = match
        for part in place.split("."):
            given = (given or {}).get(part)
        if given and applies_to not in asked_for:
            yield f"match.{place}", f"Istio does not look at it for a {applies_to}"
