"""kube-proxy: where a connection, or a datagram, to a Service's address really goes.

It reads Services and EndpointSlices at the moment it is asked, so it can't be stale. What it remembers is
whom it sent where, for Services whose ``sessionAffinity`` is ``ClientIP``.
"""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from labkit.embedded.addresses import NODE_ADDRESS, service_networks
from labkit.embedded.interfaces import Client, TcpAddress
from labkit.embedded.node.network.dns import is_ready, slices_of
from labkit.embedded.objects import Obj, uid_of

Way: TypeAlias = TcpAddress | Literal["direct", "refused"]

_SESSION_SECONDS = 10800
_MOST_SESSIONS = 10_000


@dataclass(frozen=True)
class _Session:
    """Where a client was sent, and when."""

    backend: TcpAddress
    at: float


class KubeProxy:
    """The node's: one for all its pods."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._sessions: dict[tuple[str, str, str], _Session] = {}
        """By Service, port and client."""

    def way(self, address: str, port: int, *, protocol: str = "TCP", source: str = "") -> Way:
        """Where *address*:*port* leads for the pod at *source*, where no proxy serves it."""
        if address == NODE_ADDRESS:
            found = self._at_node_port(port, protocol)
            return self._chosen(*found, source) if found else "direct"
        service = self._service_at(address)
        if service is None:
            return "refused" if self._is_cluster_ip(address) else "direct"
        entry = _port(service, "port", port, protocol)
        return self._chosen(service, entry, source) if entry else "refused"

    def _at_node_port(self, port: int, protocol: str) -> tuple[Obj, Obj] | None:
        for service in self._client.list("services"):
            if entry := _port(service, "nodePort", port, protocol):
                return service, entry
        return None

    def _service_at(self, address: str) -> Obj | None:
        return next((each for each in self._client.list("services") if address in _addresses(each)), None)

    def _is_cluster_ip(self, address: str) -> bool:
        known = (service.get("spec", {}).get("clusterIP") for service in self._client.list("services"))
        networks = service_networks(each for each in known if each and each != "None")
        return any(ipaddress.ip_address(address) in network for network in networks)

    def _chosen(self, service: Obj, entry: Obj, source: str) -> Way:
        candidates = list(self._backends(service, entry))
        if not candidates:
            return "refused"
        if service["spec"].get("sessionAffinity") != "ClientIP" or not source:
            return random.choice(candidates)
        return self._again(service, entry, source, candidates)

    def _again(self, service: Obj, entry: Obj, source: str, candidates: list[TcpAddress]) -> TcpAddress:
        """Who answered *source* the last time, if that is not too long ago and it still serves."""
        key = uid_of(service), f"{entry.get('name') or ''} {entry.get('protocol')}", source
        now, last = time.monotonic(), self._sessions.pop(key, None)
        config = (service["spec"].get("sessionAffinityConfig") or {}).get("clientIP") or {}
        lasts = config.get("timeoutSeconds") or _SESSION_SECONDS
        is_kept = last is not None and last.backend in candidates and now - last.at < lasts
        backend = last.backend if last is not None and is_kept else random.choice(candidates)
        if len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]  # the one that was used least lately
        self._sessions[key] = _Session(backend, now)
        return backend

    def _backends(self, service: Obj, entry: Obj) -> Iterator[TcpAddress]:
        for slice_ in slices_of(self._client, service):
            for port in slice_.get("ports") or []:
                if (port.get("name") or "") == (entry.get("name") or "") and port.get("port"):
                    for backend in slice_.get("endpoints") or []:
                        if is_ready(backend):
                            yield TcpAddress(str(backend["addresses"][0]), int(port["port"]))


def _port(service: Obj, key: str, number: int, protocol: str) -> Obj | None:
    """The entry of the Service's ports whose *key* is *number*."""
    ports = service.get("spec", {}).get("ports") or []
    found = (each for each in ports if each.get(key) == number)
    return next((each for each in found if each.get("protocol", "TCP") == protocol), None)


def _addresses(service: Obj) -> list[str]:
    spec = service.get("spec", {})
    return [spec.get("clusterIP", ""), *(spec.get("clusterIPs") or []), *(spec.get("externalIPs") or [])]
