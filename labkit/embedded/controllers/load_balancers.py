"""Service of type LoadBalancer → an address, from the cluster's own range of loopback addresses."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.addresses import load_balancer_network
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, mutable, name_of, namespace_of


class LoadBalancers:
    """Gives each LoadBalancer service an address, kept in its status for as long as it lives."""

    resources = ("services",)

    def __init__(self, client: Client, block: int) -> None:
        self._client = client
        self._network = load_balancer_network(block)

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The Service."""
        return [(namespace_of(event.object), name_of(event.object))]

    def reconcile(self, key: Key) -> None:
        """Assign or take back."""
        service = self._client.find("services", key[1], key[0])
        if service is None:
            return
        wants = service["spec"].get("type") == "LoadBalancer"
        current = address_of(service)
        if wants and current not in map(str, self._network.hosts()):
            self._write(service, {"loadBalancer": {"ingress": [{"ip": self._free(), "ipMode": "VIP"}]}})
        elif not wants and current:
            self._write(service, {"loadBalancer": {}})

    def _write(self, service: Obj, status: Obj) -> None:
        self._client.update_status("services", mutable(service) | {"status": status})

    def _free(self) -> str:
        taken = {address_of(service) for service in self._client.list("services")}
        return next(str(host) for host in self._network.hosts() if str(host) not in taken)


def address_of(service: Obj) -> str:
    """The load balancer's address in the Service's status, or an empty string."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(ingress[0].get("ip", ""))
