"""The real translation through real sidecars and a real gateway; the test plays kubelet and controllers."""

import asyncio
import collections

import aiohttp
import pytest

from labkit.embedded.addresses import OUTBOUND_SOCKET, app_address


class Town:
    """Workloads with sidecars, Services before them, an ingress gateway."""

    def __init__(self, mesh, backend):
        self.mesh, self.backend, self.pods = mesh, backend, {}
        self.create = mesh.client.create

    async def workload(self, name, port=8082):
        """A pod with an app that answers its name, behind a sidecar."""
        pod = self.mesh.pod(f"{name}-1", labels={"app": name}, ports=[port])
        await self.backend(name, host=app_address(pod["status"]["podIP"]), port=port)
        self.pods[name] = pod
        return self.mesh.launch(pod)

    def gateway(self, name="ingress"):
        labels = {"istio": name, "app": name}
        pod = self.mesh.pod(f"{name}-1", kind="router", labels=labels, namespace="istio-system")
        self.pods[name] = pod
        self.service(name, {"http2": (80, 8080)}, pods=[name], namespace="istio-system")
        return self.mesh.launch(pod)

    def service(self, name, ports, *, pods, selector=None, namespace="default"):
        """A Service (port name → port, target port) and the EndpointSlice a controller would make."""
        found = [self.pods[each] for each in pods]
        meta = {"name": name, "namespace": namespace}
        spec_ports = [
            {"name": key, "port": port, "targetPort": target} for key, (port, target) in ports.items()
        ]
        spec = {"selector": selector or found[0]["metadata"]["labels"], "ports": spec_ports}
        created = self.create(
            "services", {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
        )
        slice_ = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**meta, "name": f"{name}-x", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": key, "port": target, "protocol": "TCP"} for key, (_, target) in ports.items()],
            "endpoints": [_endpoint(pod) for pod in found],
        }
        self.create("endpointslices.discovery.k8s.io", slice_)
        return created["spec"]["clusterIP"]

    def istio(self, kind, name, spec):
        resource = {
            "Gateway": "gateways",
            "VirtualService": "virtualservices",
            "DestinationRule": "destinationrules",
        }
        body = {"apiVersion": "networking.istio.io/v1", "kind": kind, "spec": spec}
        body["metadata"] = {"name": name, "namespace": "default"}
        key = f"{resource[kind]}.networking.istio.io"
        if self.mesh.client.find(key, name, "default") is None:
            found = self.create(key, body)
        else:
            found = self.mesh.client.update(key, body)
        return int(found["metadata"]["resourceVersion"])

    def weights(self, **shares):
        """Route what comes in by the gateway, and what calls ``front``."""
        to = [
            {"destination": {"host": host, "port": {"number": 80}}, "weight": share}
            for host, share in shares.items()
        ]
        spec = {"hosts": ["front"], "gateways": ["mesh"], "http": [{"route": to}]}
        self.istio("VirtualService", "front", spec)
        everything = {"hosts": ["*"], "gateways": ["way-in"], "http": [{"route": to}]}
        return self.istio("VirtualService", "way-in", everything)

    def way_in(self):
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
        return self.istio("Gateway", "way-in", {"selector": {"istio": "ingress"}, "servers": [server]})


def _endpoint(pod):
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "targetRef": {"kind": "Pod", "name": name, "namespace": namespace},
    }


@pytest.fixture
async def town(mesh, backend):
    mesh.change()  # the settings: access logs to stdout
    return Town(mesh, backend)


async def get(url, session=None):
    async with aiohttp.ClientSession() as own, (session or own).get(url) as answer:
        return answer.status, await answer.text()


async def through_sidecar(envoy, address, port, host):
    """GET / as the pod's shim does it: to virtualOutbound, with a PROXY header naming the destination."""
    reader, writer = await asyncio.open_unix_connection(envoy.folder / OUTBOUND_SOCKET)
    writer.write(f"PROXY TCP4 {envoy.ip} {address} 40000 {port}\r\n".encode())
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return int(answer.split()[1]) if answer else 0, answer.rpartition("\r\n")[2]


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
