"""The cluster's DNS and the kube-proxy role, against Services in a real store."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.embedded.addresses import FORMER_SERVICE_NETWORK
from labkit.embedded.api import bootstrap
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.api.kinds.services import allocation
from labkit.embedded.interfaces import TcpAddress
from labkit.embedded.node.network import dns
from labkit.embedded.node.network.dns import AskHost
from labkit.embedded.node.network.kube_proxy import KubeProxy
from labkit.embedded.objects import Obj


def service(client: InProcessClient, name: str, namespace: str = "default", **spec: Any) -> Obj:
    spec = {"ports": [{"name": "http", "port": 80, "targetPort": 8082, "protocol": "TCP"}], **spec}
    meta = {"name": name, "namespace": namespace}
    return client.create("services", {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})


def endpoints(client: InProcessClient, name: str, addresses: dict[str, bool], port: int = 8082) -> None:
    labels = {"kubernetes.io/service-name": name}
    client.create(
        "endpointslices.discovery.k8s.io",
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-1", "namespace": "default", "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
            "endpoints": [
                {"addresses": [address], "conditions": {"ready": ready}}
                for address, ready in addresses.items()
            ],
        },
    )


def ask(client: InProcessClient, name: str, namespace: str = "default") -> list[str] | AskHost:
    return dns.resolve(client, namespace, "me", name)


@pytest.mark.parametrize(
    "name", ["b", "B", "b.default", "b.default.svc", "b.default.svc.cluster.local", "b."]
)
def test_a_service_by_each_of_its_names(client: InProcessClient, name: str) -> None:
    address = service(client, "b")["spec"]["clusterIP"]
    assert ask(client, name) == [address]


def test_a_short_name_means_ones_own_namespace(client: InProcessClient) -> None:
    address = service(client, "b")["spec"]["clusterIP"]
    assert ask(client, "b", namespace="other") == []
    assert ask(client, "b.default", namespace="other") == [address]


@pytest.mark.parametrize(
    "name", ["nobody", "nobody.default.svc", "a.b.c.svc.cluster.local", "x.cluster.local"]
)
def test_names_of_the_cluster_that_do_not_exist(client: InProcessClient, name: str) -> None:
    assert ask(client, name) == []


@pytest.mark.parametrize("name", ["example.org", "b.nowhere", "api.example.org."])
def test_other_names_are_the_hosts_business(client: InProcessClient, name: str) -> None:
    assert ask(client, name) == AskHost(name.rstrip("."))


def test_a_headless_service_is_its_ready_pods(client: InProcessClient) -> None:
    service(client, "b", clusterIP="None")
    endpoints(client, "b", {"127.42.0.2": True, "127.42.0.3": True, "127.42.0.4": False})
    found = ask(client, "b")
    assert isinstance(found, list)
    assert sorted(found) == ["127.42.0.2", "127.42.0.3"]


def test_a_pod_of_a_headless_service_is_found_by_its_hostname(client: InProcessClient) -> None:
    service(client, "b", clusterIP="None")
    endpoints(client, "b", {"127.42.0.2": True, "127.42.0.3": True})
    (slice_,) = client.list("endpointslices.discovery.k8s.io", "default")
    entries = [{**each, "hostname": f"b-{i}"} for i, each in enumerate(slice_["endpoints"])]
    client.update("endpointslices.discovery.k8s.io", {**slice_, "endpoints": entries})
    for name in ("b-1.b", "b-1.b.default", "b-1.b.default.svc", "b-1.b.default.svc.cluster.local"):
        assert ask(client, name) == entries[1]["addresses"]
    assert ask(client, "b-2.b") == AskHost("b-2.b")
    assert ask(client, "b-2.b.default.svc") == []


def test_an_external_name_is_followed(client: InProcessClient) -> None:
    address = service(client, "b")["spec"]["clusterIP"]
    service(client, "alias", type="ExternalName", externalName="b.default.svc.cluster.local", ports=[])
    service(client, "away", type="ExternalName", externalName="example.org", ports=[])
    service(client, "loop", type="ExternalName", externalName="loop.default.svc.cluster.local", ports=[])
    assert ask(client, "alias") == [address]
    assert ask(client, "away") == AskHost("example.org")
    assert ask(client, "loop") == []


def test_host_aliases_come_first(client: InProcessClient) -> None:
    aliases = [{"ip": "10.1.2.3", "hostnames": ["b", "example.org"]}]
    spec = {"hostAliases": aliases, "containers": [{"name": "c", "image": "i"}]}
    meta = {"name": "me", "namespace": "default"}
    client.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    service(client, "b")
    assert ask(client, "b") == ["10.1.2.3"]
    assert ask(client, "example.org") == ["10.1.2.3"]


def test_a_cluster_ip_leads_to_a_ready_endpoint(client: InProcessClient) -> None:
    address = service(client, "b")["spec"]["clusterIP"]
    endpoints(client, "b", {"127.42.0.2": True, "127.42.0.4": False}, port=8083)
    assert KubeProxy(client).way(address, 80) == TcpAddress("127.42.0.2", 8083)
    assert KubeProxy(client).way(address, 81) == "refused"


def test_a_cluster_ip_without_endpoints_or_service_is_refused(client: InProcessClient) -> None:
    address = service(client, "b")["spec"]["clusterIP"]
    assert KubeProxy(client).way(address, 80) == "refused"
    assert KubeProxy(client).way("127.10.255.254", 80) == "refused"


def test_services_keep_the_addresses_of_an_older_cluster(
    client: InProcessClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert KubeProxy(client).way("10.43.9.9", 80) == "direct"  # somebody's, as long as no Service is there
    with monkeypatch.context() as before:
        before.setattr(allocation, "SERVICE_NETWORK", FORMER_SERVICE_NETWORK)
        before.setattr(bootstrap, "API_SERVICE_IP", "10.43.0.1")
        bootstrap.ensure(client, "127.0.0.1", 6443)
        address = service(client, "b")["spec"]["clusterIP"]
    bootstrap.ensure(client, "127.0.0.1", 6444)
    assert client.get("services", "kubernetes", "default")["spec"]["clusterIP"] == "10.43.0.1"
    assert address.startswith("10.43.")
    assert ask(client, "b") == [address]
    endpoints(client, "b", {"127.42.0.2": True})
    assert KubeProxy(client).way(address, 80) == TcpAddress("127.42.0.2", 8082)
    assert KubeProxy(client).way("10.43.9.9", 80) == "refused"
    assert service(client, "new")["spec"]["clusterIP"].startswith("127.10.")


def test_other_addresses_are_left_alone(client: InProcessClient) -> None:
    assert KubeProxy(client).way("127.42.0.2", 8082) == "direct"
    assert KubeProxy(client).way("93.184.216.34", 80) == "direct"
