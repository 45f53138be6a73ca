"""One bad object stops nothing but itself. The objects get past validation here: nothing checks them."""

import pytest

from .town import get, through_sidecar

KEEPALIVE = {"connectionPool": {"tcp": {"tcpKeepalive": {"time": "4294967296s"}}}}
REFUSED = {
    "no translation": {"http": [{"directResponse": {"status": 200, "body": {"bytes": "a"}}}]},
    "not Envoy's schema": {
        "http": [
            {
                "route": [{"destination": {"host": "b"}}],
                "mirror": {"host": "c"},
                "mirrorPercentage": {"value": 1e9},
            }
        ]
    },
    "Envoy's rule": {
        "http": [{"match": [{"queryParams": {"": {"exact": "a"}}}], "directResponse": {"status": 200}}]
    },
    "Envoy's own word": {
        "http": [{"match": [{"uri": {"regex": "/a\\Z"}}], "directResponse": {"status": 200}}]
    },
}
WORDS = {
    "no translation": "base64",
    "not Envoy's schema": "numerator",
    "Envoy's rule": "query_parameters[0].name: value length must be at least 1 characters",
    "Envoy's own word": "invalid escape sequence: \\Z",
}


async def street(town):
    """a calls b; a rule leads on to c."""
    a = await town.workload("a")
    await town.workload("b")
    await town.workload("c")
    addresses = {name: town.service(name, {"http": (80, 8082)}, pods=[name]) for name in "abc"}
    town.weights(c=100)
    await town.mesh.synced()
    return a, addresses


async def ask(a, addresses, host):
    return await through_sidecar(a, addresses.get(host, "10.43.200.1"), 80, host)


def status_of(town, kind, name):
    found = town.mesh.client.get(f"{kind}.networking.istio.io", name, "default")
    return found.get("status") or {}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_bad_virtual_service_stops_only_itself(town, what):
    a, addresses = await street(town)
    town.kept("VirtualService", "bad", {"hosts": ["bad.example"], **REFUSED[what]})
    good = {"hosts": ["late.example"], "http": [{"directResponse": {"status": 299}}]}
    page = await town.mesh.synced(town.istio("VirtualService", "good", good))
    assert {each["state"] for each in page["proxies"]} == {"SYNCED"}
    (fault,) = page["objects"]
    assert (fault["kind"], fault["name"], fault["effect"]) == ("VirtualService", "bad", "it has no effect")
    assert WORDS[what] in fault["error"]
    assert (await ask(a, addresses, "late.example"))[0] == 299
    condition = status_of(town, "virtualservices", "bad")["conditions"][0]
    assert (condition["type"], condition["status"]) == ("Reconciled", "False")
    assert WORDS[what] in condition["message"]
    assert "conditions" not in status_of(town, "virtualservices", "good")

    mended = {"hosts": ["bad.example"], "http": [{"directResponse": {"status": 298}}]}
    page = await town.mesh.synced(town.istio("VirtualService", "bad", mended))
    assert page["objects"] == []
    assert (await ask(a, addresses, "bad.example"))[0] == 298
    status = status_of(town, "virtualservices", "bad")
    assert status["conditions"][0]["status"] == "True"
    assert status["validationMessages"] == []


@pytest.mark.parametrize("what", REFUSED)
async def test_a_rule_that_went_bad_keeps_its_former_version(town, what):
    a, addresses = await street(town)
    first = {"hosts": ["turns.example"], "http": [{"directResponse": {"status": 297}}]}
    await town.mesh.synced(town.istio("VirtualService", "turns", first))
    page = await town.mesh.synced(
        town.kept("VirtualService", "turns", {"hosts": ["turns.example"], **REFUSED[what]})
    )
    assert [each["effect"] for each in page["objects"]] == ["its former version stays in force"]
    assert (await ask(a, addresses, "turns.example"))[0] == 297
    assert (await ask(a, addresses, "b"))[1] == "b"


async def test_a_bad_destination_rule_is_blamed_and_not_the_service_that_brings_it_to_light(town):
    a, addresses = await street(town)
    town.istio("DestinationRule", "bad", {"host": "d", "trafficPolicy": KEEPALIVE})
    assert (await town.mesh.synced())["objects"] == []
    await town.workload("d")
    addresses["d"] = town.service("d", {"http": (80, 8082)}, pods=["d"])
    page = await town.mesh.synced()
    assert [(each["kind"], each["name"]) for each in page["objects"]] == [("DestinationRule", "bad")]
    assert await ask(a, addresses, "d") == (200, "d")
    assert {each["state"] for each in page["proxies"]} == {"SYNCED"}


async def test_several_bad_objects_at_once_are_all_found_each_with_its_reason(town):
    a, addresses = await street(town)
    for number, what in enumerate(REFUSED):
        town.kept("VirtualService", f"bad-{number}", {"hosts": [f"bad-{number}.example"], **REFUSED[what]})
    town.istio("DestinationRule", "keepalive", {"host": "c", "trafficPolicy": KEEPALIVE})
    good = {"hosts": ["late.example"], "http": [{"directResponse": {"status": 299}}]}
    page = await town.mesh.synced(town.istio("VirtualService", "good", good))
    found = {each["name"]: each["error"] for each in page["objects"]}
    assert found.keys() == {"keepalive", *(f"bad-{number}" for number in range(len(REFUSED)))}
    for number, what in enumerate(REFUSED):
        assert WORDS[what] in found[f"bad-{number}"]
    assert (await ask(a, addresses, "late.example"))[0] == 299
    assert await ask(a, addresses, "front.default.svc.cluster.local") == (200, "c")


async def test_a_proxy_that_comes_later_and_an_istiod_that_starts_anew_find_the_same(town):
    a, addresses = await street(town)
    town.istio("VirtualService", "bad", {"hosts": ["bad.example"], **REFUSED["Envoy's own word"]})
    await town.mesh.synced()
    town.gateway()
    page = await town.mesh.synced()
    assert {each["state"] for each in page["proxies"]} == {"SYNCED"}
    assert [each["name"] for each in page["objects"]] == ["bad"]
    await town.mesh.stop()
    await town.mesh.start()
    page = await town.mesh.synced()
    assert {each["state"] for each in page["proxies"]} == {"SYNCED"}
    assert [each["name"] for each in page["objects"]] == ["bad"]
    assert await ask(a, addresses, "front.default.svc.cluster.local") == (200, "c")


async def test_settings_that_envoy_refuses_are_left_out(town):
    a, addresses = await street(town)
    mesh = {"mesh": "accessLogFile: /dev/stdout\naccessLogFormat: '%NO_SUCH_OPERATOR%'\n"}
    town.mesh.client.patch("configmaps", "istio", "istio-system", {"data": mesh})
    town.istio(
        "VirtualService", "good", {"hosts": ["late.example"], "http": [{"directResponse": {"status": 299}}]}
    )
    page = await town.mesh.synced()
    assert [(each["kind"], each["name"]) for each in page["objects"]] == [("ConfigMap", "istio")]
    assert "NO_SUCH_OPERATOR" in page["objects"][0]["error"]
    assert (await ask(a, addresses, "late.example"))[0] == 299


async def test_an_object_that_is_deleted_is_forgotten(town):
    await street(town)
    town.istio("VirtualService", "bad", {"hosts": ["bad.example"], **REFUSED["Envoy's own word"]})
    assert (await town.mesh.synced())["objects"]
    town.mesh.client.delete("virtualservices.networking.istio.io", "bad", "default")
    assert (await town.mesh.synced())["objects"] == []


async def test_the_way_in_stays_open(town):
    await town.workload("b")
    town.service("b", {"http": (80, 8082)}, pods=["b"])
    gateway = town.gateway()
    town.way_in()
    town.weights(b=100)
    await town.mesh.synced()
    spec = {"hosts": ["bad.example"], "gateways": ["way-in"], **REFUSED["Envoy's own word"]}
    await town.mesh.synced(town.istio("VirtualService", "bad", spec))
    assert await get(f"http://{gateway.ip}:8080/") == (200, "b")
