"""The services that are told: which cluster leads to one that a provider names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.translate.naming import outbound_cluster


def collector(state: MeshState, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """(host, cluster) of ``service`` (``host`` or ``namespace/host``) and ``port``.

    None where the registry has no such service, or more than one: then istiod leaves out what should be told.
    """
    namespace, _, host = str(settings.get("service") or "").rpartition("/")
    hosts = [each for each in state.services if each.host == host and namespace in ("", each.namespace)]
    if len({each.namespace for each in hosts}) != 1:
        return None
    return host, outbound_cluster(int(settings.get("port") or 0), host)


def grpc_service(state: MeshState, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same as a gRPC service."""
    found = collector(state, settings)
    if found is None:
        return None
    return {"envoy_grpc": {"cluster_name": found[1], "authority": found[0]}}
