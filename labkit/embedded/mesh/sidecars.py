"""What Sidecars (https://istio.io/latest/docs/reference/config/networking/sidecar/) say about calls to hosts
that the registry does not know: ``spec.outboundTrafficPolicy.mode`` for the pods of a namespace.

One with a ``workloadSelector`` comes before the namespace's own, and that before the root namespace's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labkit.embedded.mesh.configs import Config
from labkit.embedded.objects import has_labels


class Sidecars:
    """All Sidecars of the mesh."""

    def __init__(self, configs: Sequence[Config], root_namespace: str) -> None:
        """*configs*: oldest first."""
        self._configs, self._root = configs, root_namespace

    def outbound_mode(self, namespace: str, labels: Mapping[str, str]) -> str | None:
        """The mode for a pod of *namespace* with *labels*; None where no Sidecar says anything."""
        selecting = (each for each in self._configs if each.namespace == namespace and _selects(each, labels))
        of_namespace = self._of_namespace(namespace)
        chosen = next(selecting, None) or of_namespace or self._of_namespace(self._root)
        return (chosen.spec.get("outboundTrafficPolicy") or {}).get("mode") if chosen else None

    def _of_namespace(self, namespace: str) -> Config | None:
        candidates = (each for each in self._configs if each.namespace == namespace and not _selector(each))
        return next(candidates, None)


def _selector(config: Config) -> dict[str, str]:
    return (config.spec.get("workloadSelector") or {}).get("labels") or {}


def _selects(config: Config, labels: Mapping[str, str]) -> bool:
    return bool(_selector(config)) and has_labels(labels, _selector(config))
