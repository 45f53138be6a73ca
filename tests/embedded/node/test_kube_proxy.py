"""Whom a Service's address leads to: by protocol, by the node's ports, and the same one again."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.interfaces import TcpAddress
from labkit.embedded.node.network import kube_proxy
from labkit.embedded.node.network.kube_proxy import KubeProxy
from labkit.embedded.objects import Obj, mutable

MANY = [f"127.42.1.{number}" for number in range(2, 50)]


def service(client: InProcessClient, *ports: Obj, **spec: Any) -> Obj:
    meta = {"name": "b", "namespace": "default"}
    wanted = {"ports": list(ports) or [{"port": 80}], **spec}
    return client.create(
        "services", {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": wanted}
    )


def serve(client: InProcessClient, addresses: list[str], *ports: Obj) -> None:
    labels = {"kubernetes.io/service-name": "b"}
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "b-1", "namespace": "default", "labels": labels},
        "addressType": "IPv4",
        "ports": list(ports) or [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
    }
    if client.find("endpointslices.discovery.k8s.io", "b-1", "default"):
        client.delete("endpointslices.discovery.k8s.io", "b-1", "default")
    client.create("endpointslices.discovery.k8s.io", slice_)


def test_tcp_and_udp_have_ports_of_their_own(client: InProcessClient) -> None:
    tcp, udp = ({"name": each.lower(), "port": 80, "protocol": each} for each in ("TCP", "UDP"))
    address = service(client, tcp, udp)["spec"]["clusterIP"]
    serve(client, ["127.42.0.2"], {**tcp, "port": 8080}, {**udp, "port": 8081})
    proxy = KubeProxy(client)
    assert proxy.way(address, 80) == TcpAddress("127.42.0.2", 8080)
    assert proxy.way(address, 80, protocol="UDP") == TcpAddress("127.42.0.2", 8081)


def test_the_nodes_address_leads_to_a_service_by_its_node_port(client: InProcessClient) -> None:
    port = service(client, type="NodePort")["spec"]["ports"][0]["nodePort"]
    serve(client, ["127.42.0.2"])
    proxy = KubeProxy(client)
    assert proxy.way("127.0.0.1", port) == TcpAddress("127.42.0.2", 8080)
    assert proxy.way("127.0.0.1", port, protocol="UDP") == "direct"
    assert proxy.way("127.0.0.1", 80) == "direct"


def test_a_client_comes_to_the_same_pod_again_while_it_is_there(client: InProcessClient) -> None:
    address = service(client, sessionAffinity="ClientIP")["spec"]["clusterIP"]
    serve(client, MANY)
    proxy = KubeProxy(client)
    first = proxy.way(address, 80, source="127.42.0.2")
    assert {proxy.way(address, 80, source="127.42.0.2") for _ in range(50)} == {first}
    assert len({proxy.way(address, 80, source=f"127.42.0.{n}") for n in range(3, 60)}) > 1
    assert isinstance(first, TcpAddress)
    serve(client, [each for each in MANY if each != first.host])
    assert proxy.way(address, 80, source="127.42.0.2") != first


def test_a_session_ends_after_its_time(client: InProcessClient, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"clientIP": {"timeoutSeconds": 10}}
    address = service(client, sessionAffinity="ClientIP", sessionAffinityConfig=config)["spec"]["clusterIP"]
    serve(client, MANY)
    proxy, now = KubeProxy(client), [0.0]
    monkeypatch.setattr(kube_proxy.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(kube_proxy.random, "choice", lambda found: found[int(now[0]) % len(found)])
    first = proxy.way(address, 80, source="127.42.0.2")
    now[0] = 9.0
    assert proxy.way(address, 80, source="127.42.0.2") == first
    now[0] = 18.0
    assert proxy.way(address, 80, source="127.42.0.2") == first, "each connection lengthens it"
    now[0] = 29.0
    assert proxy.way(address, 80, source="127.42.0.2") != first


def test_without_affinity_a_client_comes_to_one_and_another(client: InProcessClient) -> None:
    made = service(client, sessionAffinity="ClientIP")
    serve(client, MANY)
    proxy, address = KubeProxy(client), made["spec"]["clusterIP"]
    proxy.way(address, 80, source="127.42.0.2")
    changed = mutable(made)
    changed["spec"]["sessionAffinity"] = "None"
    client.update("services", changed)
    assert len({proxy.way(address, 80, source="127.42.0.2") for _ in range(100)}) > 1
