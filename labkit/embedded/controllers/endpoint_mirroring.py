"""Endpoints that somebody wrote for a Service without selector → EndpointSlices, which are what is read.

The endpointslicemirroring-controller of kube-controller-manager: which Endpoints, what the slices
look like, what is skipped, in its words.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from labkit.embedded.controllers.endpoint_objects import MANAGED_BY, SERVICE_NAME
from labkit.embedded.controllers.endpoint_writing import SLICES, write_slices
from labkit.embedded.controllers.ownership import reference
from labkit.embedded.controllers.runtime import Key
from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client, WatchEvent
from labkit.embedded.objects import Obj, annotations_of, labels_of, name_of, namespace_of

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
MOST = 1000  # addresses of a subset
_NOT_COPIED = (
    "endpoints.kubernetes.io/last-change-trigger-time",
    "kubectl.kubernetes.io/last-applied-configuration",
)


class EndpointMirroring:
    """Keeps the mirrored slices of every Endpoints object."""

    resources = ("services", "endpoints", SLICES)

    def __init__(self, client: Client) -> None:
        self._client = client
        self._recorder = Recorder(client, "endpoint-slice-mirroring-controller")

    def keys(self, event: WatchEvent) -> Iterable[Key]:
        """The Endpoints, whichever of it, its Service and its slices has changed."""
        obj = event.object
        name = labels_of(obj).get(SERVICE_NAME) if event.resource == SLICES else name_of(obj)
        return [(namespace_of(obj), name)] if name else []

    def reconcile(self, key: Key) -> None:
        """Write the slices; none where the Endpoints are nobody's or a selector makes them."""
        endpoints = self._client.find("endpoints", key[1], key[0])
        service = self._client.find("services", key[1], key[0])
        wanted: list[Obj] = []
        if endpoints and service and _is_mirrored(endpoints) and not service["spec"].get("selector"):
            wanted = mirrored(endpoints)
            self._tell_of_skipped(endpoints)
        write_slices(self._client, key[0], {SERVICE_NAME: key[1], MANAGED_BY: MANAGER}, wanted)

    def _tell_of_skipped(self, endpoints: Obj) -> None:
        subsets = endpoints.get("subsets") or []
        invalid = sum(
            1 for subset in subsets for each, _ in _addresses(subset) if _address_type(each) is None
        )
        skipped = sum(max(sum(1 for _ in _valid(subset)) - MOST, 0) for subset in subsets)
        if invalid:
            message = f"Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices"
            self._recorder.event(endpoints, "Warning", "InvalidIPAddress", message)
        if skipped:
            message = (
                f"A max of {MOST} addresses can be mirrored to EndpointSlices per Endpoints subset. "
                f"{skipped + invalid} addresses were skipped"
            )
            self._recorder.event(endpoints, "Warning", "TooManyAddressesToMirror", message)


def _is_mirrored(endpoints: Obj) -> bool:
    return labels_of(endpoints).get(SKIP) != "true" and LEADER not in annotations_of(endpoints)


def mirrored(endpoints: Obj) -> list[Obj]:
    """The slices of *endpoints*, not yet named: one for each set of ports and kind of addresses."""
    groups: dict[str, Obj] = {}
    for subset in endpoints.get("subsets") or []:
        ports = [_port(each) for each in subset.get("ports") or []]
        for address, ready in list(_valid(subset))[:MOST]:
            kind = _address_type(address) or ""
            found = groups.setdefault(f"{kind} {ports}", _slice(endpoints, kind, ports))
            found["endpoints"].append(_endpoint(address, ready))
    return list(groups.values())


def _addresses(subset: Obj) -> Iterator[tuple[Obj, bool]]:
    """The addresses of *subset*, and whether they are ready."""
    for field, ready in (("addresses", True), ("notReadyAddresses", False)):
        for each in subset.get(field) or []:
            yield each, ready


def _valid(subset: Obj) -> Iterator[tuple[Obj, bool]]:
    return ((each, ready) for each, ready in _addresses(subset) if _address_type(each))


def _address_type(address: Obj) -> str | None:
    try:
        return f"IPv{ipaddress.ip_address(address.get('ip', '')).version}"
    except ValueError:
        return None


def _port(port: Obj) -> Obj:
    made = {"name": port.get("name", ""), "port": port["port"], "protocol": port.get("protocol", "TCP")}
    return made | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {})


def _slice(endpoints: Obj, address_type: str, ports: list[Obj]) -> Obj:
    notes = {key: text for key, text in annotations_of(endpoints).items() if key not in _NOT_COPIED}
    metadata = {
        "generateName": f"{name_of(endpoints)}-",
        "namespace": namespace_of(endpoints),
        "labels": {**labels_of(endpoints), SERVICE_NAME: name_of(endpoints), MANAGED_BY: MANAGER},
        "annotations": notes,
        "ownerReferences": [reference(endpoints)],
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": address_type,
        "endpoints": [],
        "ports": ports,
    }


def _endpoint(address: Obj, ready: bool) -> Obj:
    kept = {key: address[key] for key in ("hostname", "nodeName", "targetRef") if address.get(key)}
    return {"addresses": [address["ip"]], "conditions": {"ready": ready}, **kept}
