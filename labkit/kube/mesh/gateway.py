"""Where requests enter the mesh: the address of the ingress gateway's Service.

Tried in this order, the first that accepts a connection wins: the load balancer's address (IP or host
name) with the port named ``http2``, a node's address with that port's node port, and a port of this
machine, forwarded through the API server for as long as the connection to it is kept. Only a connection
shows whether an address written in a status is one that this machine can reach.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from labkit.errors import ApiRefused, ClusterError, LabkitError
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import NODES, SERVICES
from labkit.kube.pods.port_forward import HOST, PortForward
from labkit.language import gettext, gettext_noop

NAMESPACE, NAME, PORT_NAME = "istio-system", "istio-ingressgateway", "http2"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class GatewayAddress:
    """What the scenario calls ``GATEWAY_URL``: ``str()`` is ``host:port``."""

    host: str
    port: int
    via: str
    """``load balancer``, ``node port`` or ``port-forward``."""
    listens: Callable[[], bool] | None = field(default=None, compare=False, repr=False)
    """Asks the other end, where this end accepts whatever happens there: that of a port-forward."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def url(self, path: str) -> str:
        """The URL of *path* behind this gateway; a full URL stays as it is."""
        return path if is_url(path) else f"http://{self}/{path.lstrip('/')}"

    def accepts(self, seconds: float = 1.0) -> bool:
        """Whether a connection can be made within *seconds*."""
        try:
            if self.listens:
                return self.listens()
            with socket.create_connection((self.host, self.port), timeout=seconds):
                return True
        except (OSError, LabkitError):
            return False


def is_url(text: str) -> bool:
    """Whether *text* is a whole URL, not a path; a URL inside a path's query makes it none."""
    return bool(_URL.match(text))


def find_gateway(api: Api, *, connect_seconds: float = 1.0) -> GatewayAddress:
    """The ingress gateway's address; ClusterError where there is none.

    A gateway listens only once some ``Gateway`` object opens a port. Until then no address accepts a
    connection, and the first is as good as any.
    """
    service = api.find(SERVICES.path(NAMESPACE, NAME))
    if service is None:
        raise ClusterError(
            gettext(
                "There is no Service {name} in {namespace}: Istio is not installed. Try `labkit "
                "istio install -y`.",
                name=NAME,
                namespace=NAMESPACE,
            )
        )
    candidates = _candidates(api, service)
    return _reached(candidates, connect_seconds) or _forwarded(api, service, candidates, connect_seconds)


def _reached(candidates: list[GatewayAddress], seconds: float) -> GatewayAddress | None:
    return next((one for one in candidates if one.accepts(seconds)), None)


def _forwarded(api: Api, service: Obj, candidates: list[GatewayAddress], seconds: float) -> GatewayAddress:
    """By port-forward; the first of *candidates* where that leads nowhere, either."""
    try:
        forward = api.keep(f"port-forward {NAME}", lambda: PortForward(api, service, _http_port(service)))
        leads = forward.leads_somewhere()
    except LabkitError:
        if not candidates:
            raise
        return candidates[0]
    if candidates and not leads:
        return candidates[0]
    # Perhaps the gateway has only now begun to listen: then its own address is the better one.
    return _reached(candidates, seconds) or GatewayAddress(
        HOST, forward.port, "port-forward", forward.leads_somewhere
    )


def _candidates(api: Api, service: Obj) -> list[GatewayAddress]:
    port = _http_port(service)
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    hosts = [entry.get("ip") or entry.get("hostname") for entry in ingress]
    found = [GatewayAddress(host, port["port"], gettext_noop("load balancer")) for host in hosts if host]
    if node_port := port.get("nodePort"):
        found += [GatewayAddress(host, node_port, gettext_noop("node port")) for host in _node_addresses(api)]
    return found


def _http_port(service: Obj) -> Obj:
    ports: list[Obj] = service["spec"].get("ports") or []
    for port in ports:
        if port.get("name") == PORT_NAME:
            return port
    raise ClusterError(
        gettext(
            "The Service {name} has no port {port_name}: was Istio installed in another way?",
            name=NAME,
            port_name=PORT_NAME,
        )
    )


def _node_addresses(api: Api) -> list[str]:
    """Every node's, the outer ones first; none where nodes may not be listed."""
    try:
        nodes = api.items(NODES.path())
    except ApiRefused as error:
        if error.code != 403:
            raise
        return []
    addresses = [a for node in nodes for a in node.get("status", {}).get("addresses") or []]
    return [a["address"] for kind in ("ExternalIP", "InternalIP") for a in addresses if a["type"] == kind]


def told_address(api: Api) -> str | None:
    """``host:port`` of the ingress gateway as its Service tells it; ``None`` where it has none."""
    service = api.find(SERVICES.path(NAMESPACE, NAME))
    ingress = ((service or {}).get("status") or {}).get("loadBalancer", {}).get("ingress") or []
    if not service or not ingress:
        return None
    port = next(p["port"] for p in service["spec"]["ports"] if p["name"] == PORT_NAME)
    return f"{ingress[0]['ip']}:{port}"
