"""Everything that differs from istiod's own output, because this cluster has no iptables.

=====================  ==============================  ===========================================
                       a real pod                      here
=====================  ==============================  ===========================================
outbound capture       iptables sends every            the pod's shim, or a program's supervisor,
                       connection to 0.0.0.0:15001;    connects to a Unix socket and says in a
                       SO_ORIGINAL_DST tells where     PROXY header where it meant to go; the filter
                       it meant to go                  ``proxy_protocol`` makes that its destination
inbound capture        iptables sends every port to    one listener, really bound, for each port that
                       ``virtualInbound`` on 15006     a Service or the pod names or a program opens:
                                                       podIP:targetPort, named ``podIP_port``
the app behind it      the pod's own address, same     the app's private address
                       port (ORIGINAL_DST)             (:func:`labkit.embedded.addresses.app_address`)
gateways               0.0.0.0:port in a network       podIP:port, plus the load balancer's address
                       namespace; kube-proxy brings    and the node ports of the Services that
                       the outside in                  select the pod (``additional_addresses``)
upstream source        the pod's address               the pod's address (bootstrap), but none where
                                                       the target may lie outside: the kernel lets
                                                       no loopback address leave the machine
cluster DNS            CoreDNS answers Envoy           names of the cluster's Services in DNS
                                                       clusters become pod addresses right here
kube-proxy             stands behind ALLOW_ANY         clusters for cluster IPs: ``kube_proxy``
ports below 1024       a container's to open           where the account may not, the port of a pod is
                                                       really another one: changed in what is sent
                                                       (``xds.moved_ports``), or by the cluster where the
                                                       destination is the caller's (:func:`moved_port`)
certificates           an agent beside Envoy fetches   the same secrets over the stream of all the
                       them (``sds-grpc``)             rest (ADS)
protocol behind TLS    Istio's own filter              Envoy's ``set_filter_state``, in its own
                       ``istio.alpn`` tells it, of     spelling of protocols, of ports that name
                       all that is HTTP                none: who calls by a port of HTTP's a port
                                                       that its pod knows nothing of sends bytes
=====================  ==============================  ===========================================

``virtualOutbound`` listens on no port: ``use_original_dst`` makes Envoy ask the kernel for SO_ORIGINAL_DST
after all, and where the host tracks connections, for anybody's sake, the answer beats the header's. Of a Unix
socket there is nothing to ask. No other listener has ``use_original_dst``. A format that prints the
connection's *direct* ends (``%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%``) prints the socket's path.

Told another way, as stock Envoy lacks Istio's own filters: metrics, and who the peer is (``telemetry``).
Left out: Envoy's defaults spelt out.

What stays the same: names, routes, the layout behind the capture, 127.0.0.6 as the source the app sees,
and what the access log prints. It was compared with the answers of a real istiod (1.30.3) to the same
objects, for each step of the book and each pair in ``tests/embedded/mesh/pairs``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from labkit.embedded.addresses import NODE_ADDRESS, OUTBOUND_SOCKET, app_address
from labkit.embedded.low_ports import port_at
from labkit.embedded.mesh.hosts import is_address
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.services import Endpoint
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.naming import INBOUND_PASSTHROUGH, socket_address, typed
from labkit.embedded.objects import Obj

OUTBOUND_PORT = 15001  # a real pod's; here only in the guard against loops
INBOUND_SOURCE = "127.0.0.6"
PROXY_PORTS = frozenset({15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090})
"""Ports the proxy has for itself: never captured."""

PROXY_PROTOCOL = {
    "name": "envoy.filters.listener.proxy_protocol",
    "typed_config": typed("envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"),
}
FROM_ANYWHERE = {"upstream_bind_config": {"source_address": {"address": "0.0.0.0", "port_value": 0}}}
"""Overrides the bootstrap's source address: the kernel picks one that reaches the target."""

_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


def virtual_outbound_address() -> dict[str, Any]:
    """A file in the folder that the pod's Envoy runs in; the pod's user's alone."""
    return {"pipe": {"path": OUTBOUND_SOCKET, "mode": 0o600}}


def inbound_endpoint(pod_ip: str, port: int) -> dict[str, Any]:
    """The app, under the host name the access log shall print: podIP:port, as in a real mesh."""
    address = socket_address(app_address(pod_ip), port)
    return {"endpoint": {"address": address, "hostname": f"{pod_ip}:{port}"}}


def inbound_source() -> dict[str, Any]:
    """The app sees its callers come from 127.0.0.6."""
    return {"upstream_bind_config": {"source_address": {"address": INBOUND_SOURCE, "port_value": 0}}}


def is_any_address(bind: str) -> bool:
    """Whether *bind* of a gateway's server means all addresses of its pod."""
    return is_address(bind) and ipaddress.ip_address(bind).is_unspecified


def bound_address(bind: str, pod_ip: str) -> str:
    """Where a gateway's listener for *bind* is: the loopback of a pod is its private address."""
    if is_address(bind) and ipaddress.ip_address(bind).is_loopback:
        return app_address(pod_ip)
    return bind or pod_ip


_BY_PORT = "envoy.lb"


def inbound_passthrough(pod_ip: str, ports: Sequence[int]) -> Resource:
    """``InboundPassthroughCluster``: ports no Service names.

    A real one dials the original destination. That is this very listener here, so the cluster holds
    the app's address for each port, and the caller's port picks among them (:func:`on_port`).
    """
    endpoints = [
        {**inbound_endpoint(pod_ip, port), "metadata": {"filter_metadata": {_BY_PORT: {"port": str(port)}}}}
        for port in ports
    ]
    return {
        "type": "STATIC",
        "lb_subset_config": {"fallback_policy": "NO_FALLBACK", "subset_selectors": [{"keys": ["port"]}]},
        "load_assignment": {"cluster_name": INBOUND_PASSTHROUGH, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def on_port(port: int) -> dict[str, Any]:
    """``metadata_match`` of a route or TCP proxy to :func:`inbound_passthrough`."""
    return {"metadata_match": {"filter_metadata": {_BY_PORT: {"port": str(port)}}}}


def outside_addresses(state: MeshState, services: Iterable[Obj], port: int, named: str) -> list[Any]:
    """Where else a listener for the pods' port *port* (called *named*) takes connections.

    Load-balancer addresses and node ports of *services*; an address this user may not bind is left out.
    """
    found = dict.fromkeys(
        address for service in services for address in _published(service, port, named) if address[1]
    )
    bindable = [(host, number) for host, number in found if number >= state.lowest_port]
    return [{"address": socket_address(host, number)} for host, number in bindable]


def _published(service: Obj, port: int, named: str) -> Iterator[tuple[str, int]]:
    spec, status = service.get("spec") or {}, service.get("status") or {}
    if spec.get("type") not in ("NodePort", "LoadBalancer"):
        return
    ingress = (status.get("loadBalancer") or {}).get("ingress") or []
    for each in spec.get("ports") or []:
        target = each.get("targetPort") or each["port"]
        if each.get("protocol", "TCP") == "TCP" and target in (port, named):
            yield from ((entry["ip"], int(each["port"])) for entry in ingress if entry.get("ip"))
            yield NODE_ADDRESS, int(each.get("nodePort") or 0)


def resolved(state: MeshState, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """*endpoints* with the cluster's own names replaced by what cluster DNS and kube-proxy make of them.

    DNS does not care for ``exportTo``. Other names stay: Envoy asks the machine's resolver.
    """
    return [each for endpoint in endpoints for each in _resolve(state, endpoint)]


def _resolve(state: MeshState, endpoint: Endpoint) -> list[Endpoint]:
    service = state.kubernetes_service(endpoint.address)
    if service is None:
        return [endpoint]
    port = service.port(endpoint.port)
    if service.resolution == "HEADLESS":  # DNS gives the pods' addresses; ports are not translated
        pods = dict.fromkeys(each.address for found in service.endpoints.values() for each in found)
        return [Endpoint(address, endpoint.port) for address in pods]
    return list(service.endpoints_of(port)) if port else []


def moved_port(state: MeshState, port: int, addresses: Iterable[str]) -> dict[str, Any]:
    """For a cluster that dials what its callers asked for, *port* of *addresses*: where that really is."""
    found = {port_at(each, port, state.lowest_port) for each in addresses}
    if len(found) != 1 or found == {port}:
        return {}
    return {"original_dst_lb_config": {"upstream_port_override": found.pop()}}


def leads_outside(addresses: Iterable[str]) -> bool:
    """Whether any of *addresses* may not be a pod's: a name, or an address that is not loopback."""
    return any(not is_address(each) or ipaddress.ip_address(each) not in _LOOPBACK for each in addresses)
