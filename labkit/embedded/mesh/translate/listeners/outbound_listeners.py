"""Outbound listeners of a sidecar.

``virtualOutbound`` takes every connection and hands it to the listener whose address is the original
destination, else to the one for its port on ``0.0.0.0``; none of those is bound itself. All HTTP
services of a port share ``0.0.0.0_<port>`` and are told apart by Host; TCP services and ports whose
protocol is to be detected have ``<ClusterIP>_<port>``. The oldest service owns a listener.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from labkit.embedded.mesh.durations import proto
from labkit.embedded.mesh.hosts import is_cidr
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.services import Service, ServicePort
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate import naming, placement
from labkit.embedded.mesh.translate.clusters import kube_proxy, low_ports
from labkit.embedded.mesh.translate.listeners.chains import TcpChain, distinct
from labkit.embedded.mesh.translate.listeners.http_manager import (
    HTTP_INSPECTOR,
    PLAIN_HTTP,
    TLS_INSPECTOR,
    HttpManager,
    fallthrough_cluster,
    tcp_proxy,
)
from labkit.embedded.mesh.translate.listeners.tcp_routes import tcp_chains

VIRTUAL_OUTBOUND = "virtualOutbound"
ANY_ADDRESS = "0.0.0.0"
_NEVER = frozenset({15001, 15006, 15090})


@dataclass
class _Plan:
    """What one listener will hold, gathered from the services that share its key."""

    address: str
    port: int
    route_name: str = ""
    chains: list[TcpChain] = field(default_factory=list)
    default: TcpChain | None = None

    @property
    def name(self) -> str:
        return naming.listener(self.address, self.port)


def outbound_listeners(state: MeshState, proxy: Proxy) -> dict[str, Resource]:
    """All outbound listeners of the sidecar *proxy*, by name."""
    plans = _plans(state, proxy)
    built = {plan.name: _listener(state, plan) for plan in plans.values()}
    return {VIRTUAL_OUTBOUND: _virtual_outbound(state, proxy), **built}


def route_names(listeners: dict[str, Resource]) -> list[str]:
    """The route configurations *listeners* ask for."""
    chains = [chain for listener in listeners.values() for chain in listener.get("filter_chains", [])]
    filters = [each["typed_config"] for chain in chains for each in chain["filters"]]
    names = [config["rds"]["route_config_name"] for config in filters if "rds" in config]
    return list(dict.fromkeys(names))


def _virtual_outbound(state: MeshState, proxy: Proxy) -> Resource:
    loop = {
        "name": f"{VIRTUAL_OUTBOUND}-blackhole",
        "filter_chain_match": {"destination_port": placement.OUTBOUND_PORT},
        "filters": [tcp_proxy(naming.BLACK_HOLE)],
    }
    rest = {
        "name": f"{VIRTUAL_OUTBOUND}-catchall-tcp",
        "filters": [tcp_proxy(fallthrough_cluster(state.mesh))],
    }
    nowhere = tcp_proxy(naming.BLACK_HOLE)
    cluster_ips = [kube_proxy.catch_all_chain(state, nowhere)] if kube_proxy.acts(state.mesh) else []
    others = [*cluster_ips, rest]
    led = [
        each
        for port in low_ports.ports(state)
        for each in low_ports.chains(state, port, tcp_proxy(low_ports.name(port)), others)
    ]
    return {
        "name": VIRTUAL_OUTBOUND,
        "address": placement.virtual_outbound_address(),
        "traffic_direction": "OUTBOUND",
        "use_original_dst": True,
        "listener_filters": [placement.PROXY_PROTOCOL],
        "filter_chains": [loop, *led, *others],
    }


def _plans(state: MeshState, proxy: Proxy) -> dict[str, _Plan]:
    plans: dict[str, _Plan] = {}
    for service in state.services_visible_from(proxy.namespace).values():
        for port in service.ports:
            if port.protocol == "UDP" or port.number in _NEVER:
                continue
            for plan in _wanted(state, proxy, service, port):
                _merge(plans.setdefault(plan.name, plan), plan)
    return plans


def _wanted(state: MeshState, proxy: Proxy, service: Service, port: ServicePort) -> Iterator[_Plan]:
    """The listeners *service* needs for *port*, as if it were alone."""
    if port.is_http:
        yield _Plan(ANY_ADDRESS, port.number, route_name=str(port.number))
        return
    route_name = f"{service.host}:{port.number}" if port.is_auto else ""
    for address in _addresses(service, port, proxy):
        chains = tcp_chains(state, proxy, service, port)
        narrow = [each for each in chains if each.match]
        default = next((each for each in chains if not each.match), None)
        yield _Plan(address, port.number, route_name, narrow, default)


def _addresses(service: Service, port: ServicePort, proxy: Proxy) -> list[str]:
    if service.resolution == "HEADLESS":
        found = dict.fromkeys(each.address for each in service.endpoints_of(port))
        return [address for address in found if address != proxy.pod_ip]
    exact = [address for address in service.addresses if not is_cidr(address)]
    return exact or ([] if service.resolution == "CLUSTER_IP" else [ANY_ADDRESS])


def _merge(plan: _Plan, other: _Plan) -> None:
    """Add *other* to the older *plan*: HTTP and TCP on one key make a listener that detects."""
    if plan is other:
        return
    plan.route_name = plan.route_name or other.route_name
    plan.chains += other.chains
    plan.default = plan.default or other.default


def _listener(state: MeshState, plan: _Plan) -> Resource:
    inspectors = [TLS_INSPECTOR] if any("server_names" in each.match for each in plan.chains) else []
    chains = [_tcp_chain(state, each) for each in distinct(plan.chains)]
    default = _default_chain(state, plan)
    listener: Resource = {
        "name": plan.name,
        "address": naming.socket_address(plan.address, plan.port),
        "bind_to_port": False,
        "traffic_direction": "OUTBOUND",
        "continue_on_listener_filters_timeout": True,
        "listener_filters_timeout": proto(state.mesh.protocol_detection_timeout),
    }
    if plan.route_name:
        inspectors = [*inspectors, HTTP_INSPECTOR]
        chains = [_http_chain(state, plan), *chains]
    if chains and default:
        listener["default_filter_chain"] = default
    elif default:
        chains = [default]
    return {**listener, "listener_filters": inspectors, "filter_chains": chains}


def _http_chain(state: MeshState, plan: _Plan) -> dict[str, Any]:
    detected = ":" in plan.route_name
    manager = HttpManager(state.mesh, "outbound", f"outbound_{plan.name};", detected)
    filters = [*kube_proxy.note_destination(state.mesh), manager.by_rds(plan.route_name)]
    return {"filter_chain_match": PLAIN_HTTP, "filters": filters}


def _tcp_chain(state: MeshState, chain: TcpChain) -> dict[str, Any]:
    match = {"filter_chain_match": chain.match} if chain.match else {}
    return {**match, "filters": [tcp_proxy(chain.target)]}


def _default_chain(state: MeshState, plan: _Plan) -> dict[str, Any] | None:
    if plan.default is not None:
        return _tcp_chain(state, plan.default)
    # On a service's own address nothing else can be meant; on 0.0.0.0 anything can.
    if plan.address != ANY_ADDRESS:
        return None
    onward = tcp_proxy(fallthrough_cluster(state.mesh))
    return {"name": "PassthroughFilterChain", "filters": [*kube_proxy.guard(state), onward]}
