"""Who asks for a configuration: a sidecar or a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Proxy:
    """One Envoy that asks for its configuration."""

    id: str
    """``sidecar~<pod IP>~<pod>.<namespace>~<namespace>.svc.cluster.local``."""
    kind: Literal["sidecar", "router"]
    name: str
    """The pod's name."""
    namespace: str
    pod_ip: str
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The pod's labels as the proxy knew them at its start; the state's own pod wins over them."""
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def from_node(cls, node_id: str, metadata: Mapping[str, Any]) -> Proxy:
        """The proxy that names itself *node_id*; ValueError where that is no Istio node id."""
        parts = node_id.split("~")
        if len(parts) != 4 or parts[0] not in ("sidecar", "router") or "." not in parts[2]:
            raise ValueError(f"{node_id!r} is not the id of an Istio proxy: type~ip~pod.namespace~domain")
        name, _, namespace = parts[2].rpartition(".")
        kind: Literal["sidecar", "router"] = "router" if parts[0] == "router" else "sidecar"
        return cls(node_id, kind, name, namespace, parts[1], dict(metadata.get("LABELS") or {}), metadata)
