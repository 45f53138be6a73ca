"""Istio's and Kubernetes' objects → Envoy's resources, for one proxy: a pure function.

Listeners, routes and clusters have a room each, and know only what stands in this order behind them;
names are made in :mod:`.naming`. What differs from istiod's own output is in :mod:`.placement`.
"""

from __future__ import annotations

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.snapshot import Snapshot
from labkit.embedded.mesh.translate.clusters import kube_proxy, low_ports
from labkit.embedded.mesh.translate.clusters.outbound import (
    black_hole_cluster,
    outbound_clusters,
    passthrough_cluster,
)
from labkit.embedded.mesh.translate.gateway_servers import gateway_ports
from labkit.embedded.mesh.translate.listeners.gateways import gateway_listeners
from labkit.embedded.mesh.translate.listeners.inbound import inbound
from labkit.embedded.mesh.translate.listeners.outbound_listeners import outbound_listeners, route_names
from labkit.embedded.mesh.translate.patches import patched
from labkit.embedded.mesh.translate.routes.gateway_routes import gateway_routes
from labkit.embedded.mesh.translate.routes.sidecar_routes import sidecar_routes
from labkit.embedded.mesh.translate.telemetry.observed import observed
from labkit.embedded.mesh.translate.tls.server import AUTO_PASSTHROUGH

__all__ = ["translate"]


def translate(state: MeshState, proxy: Proxy) -> Snapshot:
    """Everything *proxy* shall have when the cluster is as *state* says."""
    seen = state.as_seen_by(proxy)
    return _gateway(seen, proxy) if proxy.kind == "router" else _sidecar(seen, proxy)


def _sidecar(state: MeshState, proxy: Proxy) -> Snapshot:
    fixed = _fixed(state.unrouted, proxy)
    listeners = outbound_listeners(state, proxy)
    made = Snapshot(
        clusters=fixed.clusters,
        endpoints=fixed.endpoints,
        listeners={**observed(state, proxy, listeners), **fixed.listeners},
        routes=sidecar_routes(state, proxy, route_names(listeners)),
    )
    return patched(state, proxy, made)


def _fixed(state: MeshState, proxy: Proxy) -> Snapshot:
    """What of a sidecar's resources no VirtualService acts on; made once for each state without them."""
    key = ("fixed", proxy)
    known: tuple[Proxy, Snapshot] | None = state.memo.get(key)
    if known is None or (known[0].labels, known[0].metadata) != (proxy.labels, proxy.metadata):
        known = proxy, _made_fixed(state, proxy)
        state.memo[key] = known
    return known[1]


def _made_fixed(state: MeshState, proxy: Proxy) -> Snapshot:
    outbound = outbound_clusters(state, proxy)
    incoming = inbound(state, proxy)
    everywhere = [black_hole_cluster(state), passthrough_cluster(state)]
    cluster_ips, behind_them = kube_proxy.clusters(state)
    return Snapshot(
        clusters={
            **outbound.clusters,
            **{each["name"]: each for each in everywhere},
            **cluster_ips,
            **low_ports.clusters(state),
            **incoming.clusters,
        },
        endpoints={**outbound.endpoints, **behind_them},
        listeners=observed(state, proxy, incoming.listeners),
        routes={},
    )


def _gateway(state: MeshState, proxy: Proxy) -> Snapshot:
    ports = gateway_ports(state, proxy)
    by_sni = any(server.mode == AUTO_PASSTHROUGH for port in ports for server in port.servers)
    outbound = outbound_clusters(state.unrouted, proxy, by_sni=by_sni)
    black_hole = black_hole_cluster(state)
    made = Snapshot(
        clusters={**outbound.clusters, black_hole["name"]: black_hole},
        endpoints=outbound.endpoints,
        listeners=observed(state, proxy, gateway_listeners(state, proxy, ports)),
        routes=gateway_routes(state, proxy, ports),
    )
    return patched(state, proxy, made, ports)
