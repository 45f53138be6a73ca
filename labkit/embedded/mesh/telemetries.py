"""What Telemetries (https://istio.io/latest/docs/reference/config/telemetry/) say about access logs:
``spec.accessLogging`` for the pods of a namespace, with the built-in provider ``envoy``.

The root namespace's comes first, then the namespace's own, then one whose selector finds the pod. The
last of them that names providers says which ones count, and the last word about such a provider whether it
logs. Where none of them has a word about ``envoy``, the mesh's settings hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.embedded.mesh.configs import Config
from labkit.embedded.objects import has_labels

ENVOY = "envoy"


class Telemetries:
    """All Telemetries of the mesh."""

    def __init__(self, configs: Sequence[Config], root_namespace: str) -> None:
        """*configs*: oldest first."""
        self._configs, self._root = configs, root_namespace

    def access_log(self, namespace: str, labels: Mapping[str, str]) -> bool | None:
        """Whether a pod of *namespace* with *labels* writes one; None: as the mesh has it."""
        levels = [asked for each in self._applicable(namespace, labels) if (asked := _asked(each))]
        in_scope: list[str] = []
        for level in levels:
            in_scope = [name for each in level for name in _providers(each)] or in_scope
        found, providers = None, list[str]()
        for each in (each for level in levels for each in level):
            providers = _providers(each) or providers
            if ENVOY in providers and ENVOY in in_scope:
                found = not each.get("disabled")
        return found

    def _applicable(self, namespace: str, labels: Mapping[str, str]) -> Iterator[Config]:
        for wide in dict.fromkeys((self._root, namespace)):
            yield from _first(
                each for each in self._configs if each.namespace == wide and not _selector(each)
            )
        own = (each for each in self._configs if each.namespace == namespace and _selector(each))
        yield from _first(each for each in own if has_labels(labels, _selector(each)))


def _first(configs: Iterator[Config]) -> list[Config]:
    return [each] if (each := next(configs, None)) else []


def _selector(config: Config) -> dict[str, str]:
    return (config.spec.get("selector") or {}).get("matchLabels") or {}


def _asked(config: Config) -> list[dict[str, Any]]:
    return config.spec.get("accessLogging") or []


def _providers(entry: Mapping[str, Any]) -> list[str]:
    return [str(each.get("name")) for each in entry.get("providers") or []]
