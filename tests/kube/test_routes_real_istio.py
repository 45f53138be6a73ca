"""A dump in the form of a real sidecar: one listener for all that arrives, with chains for mTLS and plain."""

import pytest

from labkit.kube.api.resources import PODS
from labkit.kube.proxies.routes import routes

MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def http(name, cluster):
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster}}
    hosts = [{"name": "inbound|http|80", "domains": ["*"], "routes": [route]}]
    return {
        "filters": [
            {"typed_config": {"@type": MANAGER, "route_config": {"name": name, "virtual_hosts": hosts}}}
        ]
    }


INBOUND = {
    "name": "virtualInbound",
    "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
    "filter_chains": [
        {"filters": [{"typed_config": {"@type": TCP, "cluster": "BlackHoleCluster"}}]},
        http("InboundPassthroughCluster", "InboundPassthroughCluster"),
        http("inbound|8081||", "inbound|8081||"),
        http("inbound|8081||", "inbound|8081||"),
    ],
}
DUMP = {
    "configs": [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
            "dynamic_listeners": [{"name": "virtualInbound", "active_state": {"listener": INBOUND}}],
        }
    ]
}


@pytest.fixture
def pod(server):
    proxy = {"name": "istio-proxy", "args": ["proxy", "sidecar"]}
    metadata = {"name": "a-1", "namespace": "dev", "labels": {"app": "a"}}
    found = {"metadata": metadata, "spec": {"containers": [proxy]}, "status": {"podIP": "10.0.0.1"}}
    server.answer("GET", PODS.path("dev"), {"items": [found], "metadata": {}})
    server.refuse("GET", f"{PODS.path('dev', 'a-1')}/exec", 403, "Forbidden", "no")
    server.answer("GET", f"{PODS.path('dev', 'a-1')}:15000/proxy/config_dump", DUMP)


def test_what_arrives_is_one_row(pod, api):
    table = routes(api, "a", "dev", known=["dev"])

    assert table[["direction", "port", "destination"]].to_numpy().tolist() == [
        ["in", "8081", "its own container, port 8081"]
    ]


def test_all_of_it(pod, api):
    table = routes(api, "a", "dev", everything=True)

    assert set(table["direction"]) == {"in"}
    assert set(table["cluster"]) == {"BlackHoleCluster", "InboundPassthroughCluster", "inbound|8081||"}


def test_it_is_left_aligned(pod, api):
    assert '<td style="text-align:left">in</td>' in routes(api, "a", "dev")._repr_html_()
