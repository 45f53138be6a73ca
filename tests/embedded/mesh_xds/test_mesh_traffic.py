"""The real translation through real sidecars and a real gateway; the test plays kubelet and controllers."""

import asyncio
import collections

import aiohttp

from .town import get, through_sidecar


async def test_from_the_gateway_through_a_sidecar_to_the_app(town):
    b = await town.workload("b")
    town.service("b", {"http-80": (80, 8082)}, pods=["b"])
    gateway = town.gateway()
    town.way_in()
    town.weights(b=100)
    page = await town.mesh.synced()
    assert {each["state"] for each in page["proxies"]} == {"SYNCED"}, page
    assert await get(f"http://{gateway.ip}:8080/") == (200, "b")
    sent = await gateway.logged('"GET / HTTP/1.1" 200')
    assert f'"{b.ip}:8082" outbound|80||b.default.svc.cluster.local {gateway.ip}:' in sent
    received = await b.logged('"GET / HTTP/1.1" 200')
    assert f'"{b.ip}:8082" inbound|8082|| 127.0.0.6:' in received


async def test_a_sidecars_log_names_the_pod_that_calls(town):
    a, b = await town.workload("a"), await town.workload("b")
    address = town.service("b", {"http-80": (80, 8082)}, pods=["b"])
    await town.mesh.synced()
    assert await through_sidecar(a, address, 80, "b") == (200, "b")
    sent = await a.logged('"GET / HTTP/1.1" 200')
    assert f'"{b.ip}:8082" outbound|80||b.default.svc.cluster.local {a.ip}:' in sent
    assert f" {address}:80 {a.ip}:" in sent
    received = await b.logged('"GET / HTTP/1.1" 200')
    assert f" {b.ip}:8082 {a.ip}:" in received


async def test_weights_split_what_a_sidecar_sends_out(town):
    a = await town.workload("a")
    for name in ("b", "c"):
        await town.workload(name)
        town.service(name, {"http-80": (80, 8082)}, pods=[name])
    address = town.service("front", {"http-80": (80, 8082)}, pods=["b"])
    town.weights(b=50, c=50)
    await town.mesh.synced()
    answers = [await through_sidecar(a, address, 80, "front") for _ in range(60)]
    seen = collections.Counter(answers)
    assert seen.keys() == {(200, "b"), (200, "c")}
    assert 10 <= seen[200, "b"] <= 50, "about half; outside this range once in ten million runs"


async def test_every_proxy_of_the_mesh_accepts_its_configuration_at_once(town):
    for name in ("a", "b", "c"):
        await town.workload(name)
        town.service(
            name, {"http-80": (80, 8082), "tcp-db": (5432, 5432), "other": (9000, 9000)}, pods=[name]
        )
    town.gateway()
    town.way_in()
    town.weights(b=10, c=90)
    page = await town.mesh.synced()
    assert {each["pod"]: each["error"] for each in page["proxies"]} == dict.fromkeys(
        ["a-1", "b-1", "c-1", "ingress-1"], ""
    )
    for envoy in town.mesh.envoys:
        warned = [line for line in envoy.log.read_text().splitlines() if "\twarning\t" in line]
        assert warned == []


async def test_weight_changes_under_load_lose_no_request(town):
    for name in ("b", "c"):
        await town.workload(name)
        town.service(name, {"http-80": (80, 8082)}, pods=[name])
    gateway = town.gateway()
    town.way_in()
    town.weights(b=100)
    await town.mesh.synced()
    answers, done = [], asyncio.Event()

    async def load(session):
        while not done.is_set():
            answers.append(await get(f"http://{gateway.ip}:8080/", session))

    async with aiohttp.ClientSession() as session:
        loads = [asyncio.create_task(load(session)) for _ in range(8)]
        for b in (100, 90, 50, 10, 0, 50, 100) * 5:
            await town.mesh.synced(town.weights(b=b, c=100 - b) if b < 100 else town.weights(b=100))
        done.set()
        await asyncio.gather(*loads)
    assert {status for status, _ in answers} == {200}
    assert {text for _, text in answers} == {"b", "c"}


async def test_deleting_a_service_that_nothing_routes_to_loses_no_request(town):
    for name in ("b", "c"):
        await town.workload(name)
        town.service(name, {"http-80": (80, 8082)}, pods=[name])
    gateway = town.gateway()
    town.way_in()
    town.weights(b=50, c=50)
    await town.mesh.synced()
    town.weights(b=100)
    town.mesh.client.delete("services", "c", "default")
    town.mesh.client.delete("endpointslices.discovery.k8s.io", "c-x", "default")
    waiting = asyncio.create_task(town.mesh.synced())
    answers = []
    while not waiting.done():
        answers.append(await get(f"http://{gateway.ip}:8080/"))
    await waiting
    answers.append(await get(f"http://{gateway.ip}:8080/"))
    assert {status for status, _ in answers} == {200}
    assert answers[-1] == (200, "b")


async def test_a_service_that_goes_and_comes_back_has_its_endpoints(town):
    a = await town.workload("a")
    await town.workload("b")
    address = town.service("b", {"http": (80, 8082)}, pods=["b"])
    await town.mesh.synced()
    assert await through_sidecar(a, address, 80, "b") == (200, "b")
    for _ in range(3):
        for kind, name in (("services", "b"), ("endpointslices.discovery.k8s.io", "b-x")):
            town.mesh.client.delete(kind, name, "default")
        await town.mesh.synced()
        address = town.service("b", {"http": (80, 8082)}, pods=["b"])
        await town.mesh.synced()
        assert await through_sidecar(a, address, 80, "b") == (200, "b")
