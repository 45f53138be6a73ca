"""PeerAuthentications: whether a workload takes mutual TLS, plain text, or both.

https://istio.io/latest/docs/reference/config/security/peer_authentication/ A workload's own policy comes
first (its entry for the port before the rest of it), then its namespace's, then the mesh's, then PERMISSIVE.
What is UNSET is inherited; of several on one level the oldest holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from labkit.embedded.mesh.configs import Config
from labkit.embedded.objects import has_labels

Mode = Literal["STRICT", "PERMISSIVE", "DISABLE"]
STRICT: Mode = "STRICT"
PERMISSIVE: Mode = "PERMISSIVE"
DISABLE: Mode = "DISABLE"
_MODES: Mapping[str, Mode] = {"STRICT": STRICT, "PERMISSIVE": PERMISSIVE, "DISABLE": DISABLE}


class PeerAuthentications:
    """All of the mesh's."""

    def __init__(self, configs: Sequence[Config], root_namespace: str) -> None:
        """*configs*: oldest first."""
        self._configs, self._root = configs, root_namespace

    def mode(self, namespace: str, labels: Mapping[str, str], port: int) -> Mode:
        """What a pod of *namespace* with *labels* takes at its (target) *port*."""
        own = self._own(namespace, labels)
        if own is not None:
            levels = own.spec.get("portLevelMtls") or {}
            asked = _mode(levels.get(str(port)) or levels.get(port)) or _mode(own.spec.get("mtls"))
            if asked:
                return asked
        return self.mode_of(namespace)

    def mode_of(self, namespace: str) -> Mode:
        """What the pods of *namespace* take that no policy of their own says anything about."""
        return self._wide.get(namespace) or self._wide.get(self._root) or PERMISSIVE

    @cached_property
    def _wide(self) -> Mapping[str, Mode]:
        """By namespace; what is unset is left out."""
        oldest: dict[str, Config] = {}
        for each in self._configs:
            if not _selector(each):
                oldest.setdefault(each.namespace, each)
        return {name: mode for name, each in oldest.items() if (mode := _mode(each.spec.get("mtls")))}

    def _own(self, namespace: str, labels: Mapping[str, str]) -> Config | None:
        if namespace == self._root:
            return None  # a selector in the root namespace does not act
        return next((each for each in self._narrow(namespace) if has_labels(labels, _selector(each))), None)

    def _narrow(self, namespace: str) -> Iterable[Config]:
        return (each for each in self._configs if each.namespace == namespace and _selector(each))


def _selector(config: Config) -> dict[str, str]:
    return (config.spec.get("selector") or {}).get("matchLabels") or {}


def _mode(given: Mapping[str, Any] | None) -> Mode | None:
    return _MODES.get(str((given or {}).get("mode") or ""))
