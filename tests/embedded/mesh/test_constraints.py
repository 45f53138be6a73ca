"""Envoy's own rules about its fields, as this package's own reader of them has them."""

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.route_components_pb2 import VirtualHost

from labkit.embedded.mesh.xds.constraints import violation
from labkit.embedded.mesh.xds.resources import parsed

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def host(**route):
    given = {"match": {"prefix": "/"}, "direct_response": {"status": 200}, **route}
    return {"name": "h", "domains": ["*"], "routes": [{k: v for k, v in given.items() if v is not None}]}


def header(key="a", value="b"):
    return {"response_headers_to_add": [{"header": {"key": key, "value": value}}]}


HOSTS = {
    "": host(),
    "domains: value must contain at least 1 item(s)": {"name": "h"},
    "name: value length must be at least 1 characters": {"domains": ["*"]},
    "routes[0].action: is required": host(direct_response=None),
    "routes[0].match: value is required": host(match=None),
    "routes[0].match.path_specifier: is required": host(match={"case_sensitive": False}),
    "routes[0].direct_response.status: value must be greater than or equal to 200": host(
        direct_response={"status": 100}
    ),
    "routes[0].match.query_parameters[0].name: value length must be at least 1 characters": host(
        match={"prefix": "/", "query_parameters": [{"name": ""}]}
    ),
    "routes[0].response_headers_to_add[0].header.key: value length must be at least 1 characters": host(
        **header("")
    ),
    "routes[0].response_headers_to_add[0].header.value: value 'a\\nb' is no valid HTTP header value": host(
        **header(value="a\nb")
    ),
    "routes[0].response_headers_to_add: value must contain no more than 1000 item(s)": host(
        response_headers_to_add=header()["response_headers_to_add"] * 1001
    ),
    "routes[0].route.weighted_clusters.clusters: value must contain at least 1 item(s)": host(
        direct_response=None, route={"weighted_clusters": {}}
    ),
    "routes[0].route.timeout: a duration has to be shorter than 9223372036s": host(
        direct_response=None, route={"cluster": "c", "timeout": "9223372036s"}
    ),
}


@pytest.mark.parametrize("problem", HOSTS)
def test_a_virtual_host(problem):
    assert violation(parsed(HOSTS[problem], VirtualHost())) == problem


CLUSTERS = {
    "connect_timeout: value must be greater than 0s": {"connect_timeout": "0s"},
    "ring_hash_lb_config.minimum_ring_size: value must be less than or equal to 8388608": {
        "ring_hash_lb_config": {"minimum_ring_size": 8388609}
    },
    "outlier_detection.max_ejection_percent: value must be less than or equal to 100": {
        "outlier_detection": {"max_ejection_percent": 101}
    },
    f"typed_extension_protocol_options[{HTTP_OPTIONS}].upstream_protocol_options: is required": {
        "typed_extension_protocol_options": {HTTP_OPTIONS: {"@type": f"type.googleapis.com/{HTTP_OPTIONS}"}}
    },
}


@pytest.mark.parametrize("problem", CLUSTERS)
def test_a_cluster(problem):
    assert violation(parsed({"name": "c", **CLUSTERS[problem]}, Cluster())) == problem
