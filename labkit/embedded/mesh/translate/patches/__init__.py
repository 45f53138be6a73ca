"""What EnvoyFilters change in a proxy's resources: the last thing that is done to them.

Everything is changed as a copy, for proxies share what was made.
"""

from __future__ import annotations

from labkit.embedded.mesh.envoy_filters import Patch
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.snapshot import Snapshot
from labkit.embedded.mesh.translate.gateway_servers import Port
from labkit.embedded.mesh.translate.patches.clusters import patched_clusters
from labkit.embedded.mesh.translate.patches.listeners import patched_listeners
from labkit.embedded.mesh.translate.patches.routes import GatewayPorts, patched_routes
from labkit.embedded.mesh.translate.patches.values import danger_of

__all__ = ["patched"]


def _is_harmless(patch: Patch) -> bool:
    """Whether its value may be put into a proxy; validation has told who wrote it."""
    return patch.operation == "REMOVE" or not danger_of(patch.apply_to, patch.value)


def patched(state: MeshState, proxy: Proxy, snapshot: Snapshot, ports: list[Port] | None = None) -> Snapshot:
    """*snapshot* of *proxy* with what EnvoyFilters make of it; *ports*: a gateway's."""
    filters = state.envoy_filters
    patches = filters.patches_for(proxy.namespace, state.labels_of(proxy), proxy.metadata)
    patches = [each for each in patches if _is_harmless(each)]
    if not patches:
        return snapshot
    numbers: GatewayPorts = {}
    for port in ports or []:
        numbers.setdefault(port.number, set()).update(each.number for each in port.servers)
    return Snapshot(
        clusters=patched_clusters(state, proxy, snapshot.clusters, patches),
        endpoints=snapshot.endpoints,
        listeners=patched_listeners(proxy, snapshot.listeners, patches),
        routes=patched_routes(proxy, snapshot.routes, patches, numbers),
    )
