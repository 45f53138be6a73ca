"""Endpoints and EndpointSlices brought to what they should be: only what differs is written."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, mutable, name_of, namespace_of

SLICES = "endpointslices.discovery.k8s.io"
METADATA = ("labels", "annotations", "ownerReferences")
"""What of the metadata is a controller's to set."""


def write_slices(client: Client, namespace: str, labels: Mapping[str, str], wanted: list[Obj]) -> None:
    """Make the slices of *namespace* with *labels* the *wanted* ones.

    Each takes the place of one with its ports and kind of addresses, or of any left over.
    """
    spare = client.list(SLICES, namespace, labels=labels)
    for each in sorted(wanted, key=lambda each: _alike(each, spare) is None):
        known = _alike(each, spare) or next((other for other in spare if _same_kind(each, other)), None)
        spare = [other for other in spare if other is not known]
        write(client, SLICES, known, each)
    for each in spare:
        client.delete(SLICES, name_of(each), namespace_of(each))


def write(client: Client, resource: str, known: Obj | None, wanted: Obj) -> None:
    """Create *wanted*, or change *known* to it; of its metadata what the controller sets."""
    if known is None:
        client.create(resource, wanted)
        return
    fields = wanted.keys() - {"metadata", "apiVersion", "kind"}
    same = all((known.get(field) or []) == (wanted[field] or []) for field in fields)
    ours = {key: wanted["metadata"][key] for key in METADATA if key in wanted["metadata"]}
    if not same or any((known["metadata"].get(key) or type(value)()) != value for key, value in ours.items()):
        metadata = {**known["metadata"], **ours}
        client.update(resource, {**mutable(known), **wanted, "metadata": metadata})


def _alike(wanted: Obj, slices: list[Obj]) -> Obj | None:
    same_ports = (each for each in slices if (each.get("ports") or []) == wanted["ports"])
    return next((each for each in same_ports if _same_kind(wanted, each)), None)


def _same_kind(one: Obj, other: Obj) -> bool:
    return bool(one["addressType"] == other["addressType"])  # which can't be changed
