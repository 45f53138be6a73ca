"""One storage, several versions."""

from __future__ import annotations

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.objects.convert import from_storage, to_storage

REGISTRY = catalogue.registry()

CORE, NEW = REGISTRY["events"], REGISTRY["events.events.k8s.io"]
VIRTUAL_SERVICE = REGISTRY["virtualservices.networking.istio.io"]


def test_events_are_stored_in_their_core_form() -> None:
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "note": "Pulled image",
        "regarding": {"kind": "Pod", "name": "p"},
        "reportingController": "kubelet",
    }
    stored = to_storage(event, NEW, CORE)
    assert stored == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "message": "Pulled image",
        "involvedObject": {"kind": "Pod", "name": "p"},
        "reportingComponent": "kubelet",
    }
    assert from_storage(stored, NEW) == event
    assert from_storage(stored, CORE) is stored


def test_istio_versions_share_their_fields() -> None:
    stored = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "spec": {"hosts": ["a"]}}
    old = from_storage(stored, VIRTUAL_SERVICE, "v1alpha3")
    assert old == {**stored, "apiVersion": "networking.istio.io/v1alpha3"}
    assert to_storage(old, VIRTUAL_SERVICE, VIRTUAL_SERVICE) == stored
