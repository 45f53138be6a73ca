"""Service → Endpoints and EndpointSlices, kept as :mod:`.endpoint_objects` says they should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labkit.embedded.controllers.endpoint_objects import (
    MANAGED_BY,
    MANAGER,
    SERVICE_NAME,
    endpoint_slices,
    endpoints,
    has_address,
    is_selected,
)
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, labels_of, mutable, name_of, namespace_of, uid_of

SLICES = "endpointslices.discovery.k8s.io"


class EndpointsOfServices:
    """Keeps the Endpoints and the EndpointSlices of every Service with a selector."""

    resources = ("services", "pods", "endpoints", SLICES)

    def __init__(self, client: Client) -> None:
        self._client = client

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The Service, whose own objects also are put right; all Services that a changed pod concerns."""
        namespace = namespace_of(event.object)
        match event.resource:
            case "pods":
                return [(namespace, name) for name in self._concerned(event.object)]
            case "services" | "endpoints":
                return [(namespace, name_of(event.object))]
        name = labels_of(event.object).get(SERVICE_NAME)
        return [(namespace, name)] if name else []

    def _concerned(self, pod: Obj) -> set[str]:
        """The Services that select the pod, and those that list it: its labels may have changed."""
        namespace, uid = namespace_of(pod), uid_of(pod)
        services, slices = self._client.list("services", namespace), self._client.list(SLICES, namespace)
        listing = {labels_of(each).get(SERVICE_NAME, "") for each in slices if uid in _pods_in(each)}
        return listing | {name_of(service) for service in services if is_selected(service, pod)}

    def reconcile(self, key: Key) -> None:
        """Write what differs from what is; a Service gone takes its Endpoints along, and by its owner
        reference its slices."""
        service = self._client.find("services", key[1], key[0])
        if service is None:
            if self._client.find("endpoints", key[1], key[0]):
                self._client.delete("endpoints", key[1], key[0])
            return
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return
        candidates = self._client.list("pods", key[0])
        pods = [pod for pod in candidates if is_selected(service, pod) and has_address(pod)]
        self._write_slices(service, endpoint_slices(service, pods))
        self._write("endpoints", self._client.find("endpoints", key[1], key[0]), endpoints(service, pods))

    def _write_slices(self, service: Obj, wanted: list[Obj]) -> None:
        """Every wanted slice takes the place of one with its ports, or of any left over."""
        labels = {SERVICE_NAME: name_of(service), MANAGED_BY: MANAGER}
        spare = self._client.list(SLICES, namespace_of(service), labels=labels)
        for each in sorted(wanted, key=lambda each: _same_ports(each, spare) is None):
            known = _same_ports(each, spare) or next(iter(spare), None)
            spare = [other for other in spare if other is not known]
            self._write(SLICES, known, each)
        for each in spare:
            self._client.delete(SLICES, name_of(each), namespace_of(each))

    def _write(self, resource: str, known: Obj | None, wanted: Obj) -> None:
        if known is None:
            self._client.create(resource, wanted)
            return
        fields = wanted.keys() - {"metadata", "apiVersion", "kind"}
        same = all((known.get(field) or []) == (wanted[field] or []) for field in fields)
        metadata = {**known["metadata"], "labels": wanted["metadata"]["labels"]}
        owners = wanted["metadata"].get("ownerReferences")
        metadata |= {"ownerReferences": owners} if owners else {}
        if not same or metadata != {"labels": {}, **known["metadata"]}:
            self._client.update(resource, {**mutable(known), **wanted, "metadata": metadata})


def _same_ports(wanted: Obj, slices: list[Obj]) -> Obj | None:
    return next((each for each in slices if (each.get("ports") or []) == wanted["ports"]), None)


def _pods_in(endpoint_slice: Obj) -> Iterator[str]:
    for each in endpoint_slice.get("endpoints") or []:
        yield (each.get("targetRef") or {}).get("uid", "")
