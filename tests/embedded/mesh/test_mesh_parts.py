"""The small parts under the translation: durations, hosts, settings, node ids."""

import pytest

from labkit.embedded.mesh.durations import proto, seconds
from labkit.embedded.mesh.hosts import intersection, most_specific, resolve
from labkit.embedded.mesh.mesh_config import MeshConfig, MeshConfigError
from labkit.embedded.mesh.pods import node_id
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.services import kubernetes_protocol


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5s", "5s"), ("1m30s", "90s"), ("250ms", "0.25s"), ("1.5h", "5400s"), ("0s", "0s")],
)
def test_durations(text, expected):
    assert proto(text) == expected


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "1d"])
def test_no_durations(text):
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


def test_a_name_without_a_dot_is_a_service_beside_the_object():
    assert resolve("reviews", "shop") == "reviews.shop.svc.cluster.local"
    assert resolve("reviews.default", "shop") == "reviews.default", "with any dot it is taken as it is"
    assert resolve("*", "shop") == "*"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("*", "a.com", "a.com"),
        ("*.com", "a.com", "a.com"),
        ("*.com", "*.a.com", "*.a.com"),
        ("a.com", "b.com", None),
        ("*.a.com", "a.com", None),
    ],
)
def test_the_narrower_of_two_hosts(one, other, expected):
    assert intersection(one, other) == intersection(other, one) == expected


def test_exact_beats_wildcards_and_the_longest_wildcard_the_others():
    assert most_specific("a.b.com", ["*.com", "*.b.com", "*"]) == "*.b.com"
    assert most_specific("a.b.com", ["*.b.com", "a.b.com"]) == "a.b.com"
    assert most_specific("a.org", ["*.com"]) is None


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ((80, "http-web", "TCP", ""), "HTTP"),
        ((80, "httpweb", "TCP", ""), ""),
        ((80, "HTTP2", "TCP", ""), "HTTP2"),
        ((80, "grpc-web-x", "TCP", ""), "GRPC-WEB"),
        ((80, "tcp", "TCP", "http"), "HTTP"),
        ((80, "http", "TCP", "kubernetes.io/h2c"), "HTTP2"),
        ((80, "http", "UDP", "http"), "UDP"),
        ((3306, "", "TCP", ""), "TCP"),
        ((8080, "web", "TCP", ""), ""),
    ],
)
def test_protocol_selection(port, expected):
    assert kubernetes_protocol(*port) == expected


def test_mesh_settings_default_to_istios():
    mesh = MeshConfig.from_config_map(None)
    assert (mesh.outbound_traffic_policy, mesh.access_log_file) == ("ALLOW_ANY", "")


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "- a",
        "accessLogEncoding: XML",
        "accessLogFile: [a]",
        "connectTimeout: soon",
        "defaultHttpRetryPolicy: 3",
        "outboundTrafficPolicy: {mode: NO}",
        "outboundTrafficPolicy: ALLOW_ANY",
        "outboundTrafficPolicy: {mode: SOME}",
    ],
)
def test_settings_that_can_not_be_used(text):
    with pytest.raises(MeshConfigError):
        MeshConfig.parse(text)


def test_node_ids():
    text = node_id("sidecar", "127.42.0.1", "a-1", "shop")
    proxy = Proxy.from_node(text, {"LABELS": {"app": "a"}})
    assert (proxy.kind, proxy.name, proxy.namespace, proxy.pod_ip) == ("sidecar", "a-1", "shop", "127.42.0.1")
    assert proxy.labels == {"app": "a"}


@pytest.mark.parametrize("text", ["", "a~b~c", "ztunnel~1.1.1.1~a.b~c", "sidecar~1.1.1.1~nodot~c"])
def test_no_node_ids(text):
    with pytest.raises(ValueError, match="is not the id of an Istio proxy"):
        Proxy.from_node(text, {})
