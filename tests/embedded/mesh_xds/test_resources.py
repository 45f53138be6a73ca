"""From JSON to what is sent: complete, consistent, and each thing once."""

import pytest

from labkit.embedded.mesh.xds.resources import Compiler, SnapshotError
from labkit.embedded.mesh.xds.types import Type

UNKNOWN = {"@type": "type.googleapis.com/a.b.C"}
CDS, EDS, LDS, RDS = Type
FILTERS = "type.googleapis.com/envoy.extensions.filters"
EDS_CLUSTER = {"name": "c", "type": "EDS", "edsClusterConfig": {"edsConfig": {"ads": {}}, "serviceName": "s"}}


def compile(clusters=None, endpoints=None, listeners=None, routes=None, compiler=None):
    resources = {CDS: clusters or {}, EDS: endpoints or {}, LDS: listeners or {}, RDS: routes or {}}
    return (compiler or Compiler()).compile(resources)


def listener(name="l", **manager):
    typed = {"@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager", **manager}
    return {name: {"name": name, "filterChains": [{"filters": [{"name": "hcm", "typedConfig": typed}]}]}}


def route_to(cluster, name="r"):
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster}}
    return {"name": name, "virtualHosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}


def test_a_cluster_without_endpoints_gets_none():
    snapshot = compile(clusters={"c": EDS_CLUSTER})
    assert snapshot.message(EDS, "s").cluster_name == "s"
    assert not snapshot.message(EDS, "s").endpoints


def test_a_listener_with_missing_routes_is_inconsistent():
    with pytest.raises(SnapshotError, match="LDS l: asks for the routes '80', which are missing"):
        compile(listeners=listener(rds={"routeConfigName": "80", "configSource": {"ads": {}}}))


def test_a_listener_with_routes_of_its_own_to_a_missing_cluster_is_inconsistent():
    with pytest.raises(SnapshotError, match="LDS l: routes to the cluster 'gone', which is missing"):
        compile(listeners=listener(routeConfig=route_to("gone")))


def test_a_route_to_a_missing_cluster_is_istios_503_and_no_fault():
    assert compile(routes={"r": route_to("gone")}).resources[RDS].keys() == {"r"}


@pytest.mark.parametrize(
    ("clusters", "words"),
    [
        pytest.param({"c": {"name": "c", "colour": "red"}}, 'no field named "colour"', id="unknown field"),
        pytest.param({"c": {"name": "c", "type": "CLOUD"}}, "CLOUD", id="unknown value"),
        pytest.param({"c": {"name": "c", "connectTimeout": "soon"}}, "soon", id="no duration"),
        pytest.param({"c": {"name": "d"}}, "calls itself 'd'", id="another name"),
        pytest.param(
            {"c": {"name": "c", "metadata": {"typedFilterMetadata": {"x": UNKNOWN}}}},
            "No module named 'a'",
            id="unknown type",
        ),
    ],
)  # fmt: skip
def test_what_is_no_resource_is_refused_by_name(clusters, words):
    with pytest.raises(SnapshotError, match="CDS c: ") as refused:
        compile(clusters=clusters)
    assert words in str(refused.value)


def test_types_inside_any_are_loaded_when_met():
    body = {
        "name": "c",
        "transportSocket": {
            "name": "tls",
            "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": "example.org",
            },
        },
    }
    assert b"example.org" in compile(clusters={"c": body}).resources[CDS]["c"].value


def test_what_did_not_change_is_not_compiled_again():
    compiler = Compiler()
    first = compile(clusters={"c": EDS_CLUSTER}, routes={"r": route_to("c")}, compiler=compiler)
    compiler.end_round()
    second = compile(clusters={"c": dict(EDS_CLUSTER)}, routes={"r": route_to("c")}, compiler=compiler)
    assert first.resources[CDS]["c"] is second.resources[CDS]["c"]
    assert first.resources[RDS]["r"] is second.resources[RDS]["r"]


def test_what_nobody_uses_any_more_is_forgotten():
    compiler = Compiler()
    first = compile(clusters={"c": EDS_CLUSTER}, compiler=compiler)
    compiler.end_round()
    compiler.end_round()
    second = compile(clusters={"c": EDS_CLUSTER}, compiler=compiler)
    assert first.resources[CDS]["c"] is not second.resources[CDS]["c"]
    assert first == second
