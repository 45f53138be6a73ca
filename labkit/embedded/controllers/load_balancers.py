"""Service of type LoadBalancer → an address, from the cluster's own range of loopback addresses."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.addresses import load_balancer_network
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, mutable, name_of, namespace_of


class LoadBalancers:
    """Gives each LoadBalancer service an address, kept in its status for as long as it is one."""

    resources = ("services",)

    def __init__(self, client: Client, block: int) -> None:
        self._client = client
        self._events = Recorder(client, "service-controller")
        self._addresses = [str(host) for host in load_balancer_network(block).hosts()]

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The Service, and those that wait for an address: this one may have left its own."""
        services = self._client.list("services")
        waiting = [(namespace_of(each), name_of(each)) for each in services if _waits(each)]
        return [(namespace_of(event.object), name_of(event.object)), *waiting]

    def reconcile(self, key: Key) -> None:
        """Assign an address or take it back."""
        service = self._client.find("services", key[1], key[0])
        if service is None:
            return
        current = address_of(service)
        if _wants(service) and current not in self._addresses:
            self._assign(service)
        elif not _wants(service) and current:
            self._write(service, {})

    def _assign(self, service: Obj) -> None:
        self._events.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
        taken = {address_of(each) for each in self._client.list("services")}
        free = next((each for each in self._addresses if each not in taken), None)
        if free is None:
            message = f"Error syncing load balancer: all {len(self._addresses)} addresses are taken"
            self._events.event(service, "Warning", "SyncLoadBalancerFailed", message)
            return
        self._write(service, {"ingress": [{"ip": free, "ipMode": "VIP"}]})
        self._events.event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")

    def _write(self, service: Obj, load_balancer: Obj) -> None:
        status = {**service.get("status", {}), "loadBalancer": load_balancer}
        self._client.update_status("services", mutable(service) | {"status": status})


def _wants(service: Obj) -> bool:
    return bool(service["spec"].get("type") == "LoadBalancer")


def _waits(service: Obj) -> bool:
    return _wants(service) and not address_of(service)


def address_of(service: Obj) -> str:
    """The load balancer's address in the Service's status, or an empty string."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(ingress[0].get("ip", ""))
