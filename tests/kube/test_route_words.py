"""Envoy's routes in words."""

import pytest

from labkit.kube.mesh.route_words import destination, destinations, matched, reached, rewrite, rule


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ({"prefix": "/"}, "any path"),
        ({"path": "/service-a"}, "path = /service-a"),
        ({"prefix": "/x"}, "path starts with /x"),
        ({"path_separated_prefix": "/x"}, "path = /x or below"),
        ({"safe_regex": {"regex": "/a.*"}}, "path fits /a.*"),
        (
            {"prefix": "/", "headers": [{"name": "x-user", "string_match": {"exact": "anna"}}]},
            "header x-user = anna",
        ),
        (
            {"path": "/x", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
            "path = /x and method = GET",
        ),
        (
            {"prefix": "/", "headers": [{"name": "x", "present_match": True, "invert_match": True}]},
            "not header x",
        ),
        (
            {"prefix": "/", "query_parameters": [{"name": "a", "string_match": {"prefix": "b"}}]},
            "parameter a starts with b",
        ),
    ],
)
def test_a_match(match, words):
    assert matched(match) == words


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ("outbound|80||service-c-srv.dev.svc.cluster.local", "service-c-srv.dev:80"),
        ("outbound|80|v2|service-c-srv.dev.svc.cluster.local", "service-c-srv.dev:80, subset v2"),
        ("outbound|443||example.com", "example.com:443"),
        ("inbound|8081||", "its own container, port 8081"),
        ("BlackHoleCluster", "nowhere: the connection is closed"),
        ("PassthroughCluster", "wherever the caller wants"),
        ("prometheus_stats", "prometheus_stats"),
    ],
)
def test_a_destination(cluster, words):
    assert destination(cluster) == words


def test_weights_and_a_copy():
    b, c = ("outbound|80||b.dev.svc.cluster.local", "outbound|80||c.dev.svc.cluster.local")
    action = {
        "weighted_clusters": {"clusters": [{"name": b, "weight": 90}, {"name": c, "weight": 10}]},
        "request_mirror_policies": [{"cluster": c}],
    }

    found = list(destinations({"route": action}))

    assert found == [("b.dev:80", b, 90), ("c.dev:80", c, 10), ("c.dev:80, a copy", c, None)]


def test_what_the_proxy_answers_itself():
    assert list(destinations({"direct_response": {"status": 502}})) == [("answers 502", "", 100)]
    moved = {"redirect": {"host_redirect": "h", "path_redirect": "/z", "response_code": "FOUND"}}
    assert next(destinations(moved))[0] == "sends elsewhere (302): h/z"


def test_rewrites():
    action = {"prefix_rewrite": "/", "host_rewrite_literal": "anna.lab.test"}

    assert rewrite({"route": action}) == "path → /, host → anna.lab.test"


@pytest.mark.parametrize("version", ["v1", "v1alpha3"])
def test_the_rule_it_comes_from(version):
    path = f"/apis/networking.istio.io/{version}/namespaces/dev/virtual-service/my-vs"

    assert rule({"metadata": {"filter_metadata": {"istio": {"config": path}}}}) == ("my-vs", "dev")
    assert rule({}) == ("", "")


def test_a_chain_that_is_no_http():
    ranges = [{"address_prefix": "10.0.0.0", "prefix_len": 8}]

    assert reached({}) == "any bytes"
    assert reached({"filter_chain_match": {"destination_port": 15001}}) == "any bytes to port 15001"
    assert reached({"filter_chain_match": {"prefix_ranges": ranges}}) == "any bytes to 10.0.0.0/8"
