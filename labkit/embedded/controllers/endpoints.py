"""Service → Endpoints and EndpointSlices, kept as :mod:`.endpoint_objects` says they should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labkit.embedded.controllers.endpoint_objects import (
    ENDPOINTS_MANAGED_BY,
    ENDPOINTS_MANAGER,
    MANAGED_BY,
    MANAGER,
    SERVICE_NAME,
    endpoint_slices,
    endpoints,
    has_address,
    is_selected,
)
from labkit.embedded.controllers.endpoint_writing import SLICES, write, write_slices
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, labels_of, name_of, namespace_of, uid_of


class EndpointsOfServices:
    """Keeps the Endpoints and the EndpointSlices of every Service with a selector."""

    resources = ("services", "pods", "endpoints", SLICES)

    def __init__(self, client: Client) -> None:
        self._client = client
        self._gone: set[Key] = set()
        """Services that were deleted: their Endpoints go, whoever wrote them."""

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The Service, whose own objects also are put right; all Services that a changed pod concerns."""
        namespace = namespace_of(event.object)
        if (event.resource, event.type) == ("services", "DELETED"):
            self._gone.add((namespace, name_of(event.object)))
        match event.resource:
            case "pods":
                return [(namespace, name) for name in self._concerned(event.object)]
            case "services" | "endpoints":
                return [(namespace, name_of(event.object))]
        name = labels_of(event.object).get(SERVICE_NAME)
        return [(namespace, name)] if name else []

    def _clear(self, key: Key) -> None:
        found = self._client.find("endpoints", key[1], key[0])
        is_ours = found is not None and labels_of(found).get(ENDPOINTS_MANAGED_BY) == ENDPOINTS_MANAGER
        if is_ours or (found and key in self._gone):
            self._client.delete("endpoints", key[1], key[0])
        self._gone.discard(key)

    def _concerned(self, pod: Obj) -> set[str]:
        """The Services that select the pod, and those that list it: its labels may have changed."""
        namespace, uid = namespace_of(pod), uid_of(pod)
        services, slices = self._client.list("services", namespace), self._client.list(SLICES, namespace)
        listing = {labels_of(each).get(SERVICE_NAME, "") for each in slices if uid in _pods_in(each)}
        return listing | {name_of(service) for service in services if is_selected(service, pod)}

    def reconcile(self, key: Key) -> None:
        """Write what differs from what is; a Service gone takes its Endpoints along, and by its owner
        reference its slices. Endpoints that somebody wrote before their Service are not ours."""
        service = self._client.find("services", key[1], key[0])
        if service is None:
            self._clear(key)
            return
        self._gone.discard(key)
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return
        candidates = self._client.list("pods", key[0])
        pods = [pod for pod in candidates if is_selected(service, pod) and has_address(pod)]
        ours = {SERVICE_NAME: key[1], MANAGED_BY: MANAGER}
        write_slices(self._client, key[0], ours, endpoint_slices(service, pods))
        known = self._client.find("endpoints", key[1], key[0])
        write(self._client, "endpoints", known, endpoints(service, pods))


def _pods_in(endpoint_slice: Obj) -> Iterator[str]:
    for each in endpoint_slice.get("endpoints") or []:
        yield (each.get("targetRef") or {}).get("uid", "")
