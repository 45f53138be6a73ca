"""Workloads with sidecars, Services and a gateway, for tests of the real translation with real Envoys."""

import asyncio
import re

import aiohttp

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

    def istio(self, kind, name, spec, group="networking"):
        version = "v1alpha3" if kind == "EnvoyFilter" else "v1"
        body = {"apiVersion": f"{group}.istio.io/{version}", "kind": kind, "spec": spec}
        body["metadata"] = {"name": name, "namespace": "default"}
        plural = f"{kind.lower()[:-1]}ies" if kind.endswith(("cy", "ry")) else f"{kind.lower()}s"
        key = f"{plural}.{group}.istio.io"
        if self.mesh.client.find(key, name, "default") is None:
            found = self.create(key, body)
        else:
            found = self.mesh.client.update(key, body)
        return int(found["metadata"]["resourceVersion"])

    def kept(self, kind, name, spec):
        """As :meth:`istio`, of an object that was stored when the rules for it were looser."""
        self.istio(kind, name, {"hosts": spec["hosts"], "http": [{"directResponse": {"status": 204}}]})
        key, client = f"{kind.lower()}s.networking.istio.io", self.mesh.client
        known = client.get(key, name, "default")
        meta = {**known["metadata"], "generation": known["metadata"]["generation"] + 1}
        stored = client.store.put(key, {**known, "metadata": meta, "spec": spec})
        return int(stored["metadata"]["resourceVersion"])

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


async def get(url, session=None):
    async with aiohttp.ClientSession() as own, (session or own).get(url) as answer:
        return answer.status, await answer.text()


async def through_sidecar(envoy, address, port, host):
    """GET / as the pod's shim does it: to virtualOutbound, with a PROXY header naming the destination."""
    reader, writer = await asyncio.open_unix_connection(envoy.folder / OUTBOUND_SOCKET)
    writer.write(f"PROXY TCP4 {envoy.ip} {address} 40000 {port}\r\n".encode())
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head)
        # Envoy closes a connection that it answered itself only a second later.
        body = await (reader.readexactly(int(length[1])) if length else reader.read())
    except asyncio.IncompleteReadError as error:
        head, body = "", error.partial
    writer.close()
    return int(head.split()[1]) if head else 0, body.decode()
