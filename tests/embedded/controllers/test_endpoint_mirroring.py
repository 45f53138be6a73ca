"""Endpoints that somebody writes: they stay, and are mirrored for a Service without a selector."""

import pytest

from labkit.embedded.objects import annotations_of, labels_of, name_of, uid_of

SUBSET = {"addresses": [{"ip": "192.0.2.1"}], "ports": [{"name": "http", "port": 8080}]}
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def service(world, name="web", **spec):
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return world.create("services", name, spec={"ports": ports, **spec})


def endpoints(world, *subsets, **metadata):
    return world.create("endpoints", "web", metadata=metadata, subsets=list(subsets or [SUBSET]))


def slices(world):
    labels = {"kubernetes.io/service-name": "web"}
    return world.client.list("endpointslices.discovery.k8s.io", "dev", labels=labels)


def addresses(world):
    return {
        each["addresses"][0]: each["conditions"]["ready"]
        for part in slices(world)
        for each in part["endpoints"]
    }


@pytest.mark.parametrize("order", [(service, endpoints), (endpoints, service)])
async def test_whichever_comes_first(world, order):
    for make in order:
        make(world)
    (mirror,) = slices(world)
    assert name_of(mirror).startswith("web-")
    assert labels_of(mirror) == {
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert mirror["addressType"] == "IPv4"
    assert mirror["endpoints"] == [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}]
    assert mirror["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    (owner,) = mirror["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == (
        "Endpoints",
        uid_of(world.client.get("endpoints", "web", "dev")),
    )


async def test_without_a_service_they_stay_and_have_no_mirror(world):
    endpoints(world)
    assert world.client.get("endpoints", "web", "dev")["subsets"][0]["addresses"] == [{"ip": "192.0.2.1"}]
    assert slices(world) == []


async def test_labels_and_notes_are_copied_but_kubectls_own(world):
    service(world)
    endpoints(world, labels={"team": "a"}, annotations={"note": "b", LAST_APPLIED: "{}"})
    (mirror,) = slices(world)
    assert labels_of(mirror)["team"] == "a"
    assert annotations_of(mirror) == {"note": "b"}


async def test_every_set_of_ports_and_kind_of_address_has_a_slice(world):
    service(world)
    other = {"addresses": [{"ip": "192.0.2.3"}], "ports": [{"name": "http", "port": 9090}]}
    both = {**SUBSET, "addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1", "hostname": "six"}]}
    endpoints(world, {**both, "notReadyAddresses": [{"ip": "192.0.2.2"}]}, other)
    assert addresses(world) == {
        "192.0.2.1": True,
        "192.0.2.2": False,
        "2001:db8::1": True,
        "192.0.2.3": True,
    }
    kinds = sorted((each["addressType"], each["ports"][0]["port"]) for each in slices(world))
    assert kinds == [("IPv4", 8080), ("IPv4", 9090), ("IPv6", 8080)]
    (six,) = (each for each in slices(world) if each["addressType"] == "IPv6")
    assert six["endpoints"][0]["hostname"] == "six"


async def test_the_mirror_follows(world):
    service(world)
    endpoints(world)
    (before,) = slices(world)
    changed = {"subsets": [{**SUBSET, "addresses": [{"ip": "192.0.2.9"}]}]}
    world.client.patch("endpoints", "web", "dev", changed)
    world.settle()
    assert addresses(world) == {"192.0.2.9": True}
    assert name_of(slices(world)[0]) == name_of(before)
    world.delete("endpointslices.discovery.k8s.io", name_of(before))
    assert addresses(world) == {"192.0.2.9": True}, "what somebody deletes is put right"
    world.delete("endpoints", "web")
    assert slices(world) == []


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        {"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}},
    ],
)
async def test_what_is_not_mirrored(world, metadata):
    service(world)
    endpoints(world)
    world.client.patch("endpoints", "web", "dev", {"metadata": metadata})
    world.settle()
    assert slices(world) == []
    assert world.client.find("endpoints", "web", "dev")


async def test_a_selector_takes_over(world):
    service(world)
    endpoints(world)
    world.client.patch("services", "web", "dev", {"spec": {"selector": {"app": "web"}}})
    world.settle()
    (own,) = slices(world)
    assert labels_of(own)["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"


async def test_a_service_takes_them_along(world):
    service(world)
    endpoints(world)
    world.delete("services", "web")
    assert world.client.find("endpoints", "web", "dev") is None
    assert slices(world) == []


async def test_more_addresses_than_are_mirrored(world):
    service(world)
    many = [{"ip": f"10.0.{number // 250}.{number % 250}"} for number in range(1002)]
    endpoints(world, {**SUBSET, "addresses": many})
    assert len(addresses(world)) == 1000
    told = "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. "
    assert world.events("TooManyAddressesToMirror") == [f"{told}2 addresses were skipped"]
