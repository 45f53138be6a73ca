"""From JSON to what is sent: complete, consistent, and each thing once."""

import pytest

from labkit.embedded.mesh.xds.resources import Compiler
from labkit.embedded.mesh.xds.types import Type

ADDRESS = {"socketAddress": {"address": "127.0.0.1", "portValue": 80}}
UNKNOWN = {"@type": "type.googleapis.com/a.b.C"}
CDS, EDS, LDS, RDS, SDS = Type
FILTERS = "type.googleapis.com/envoy.extensions.filters"
EDS_CLUSTER = {"name": "c", "type": "EDS", "edsClusterConfig": {"edsConfig": {"ads": {}}, "serviceName": "s"}}


def compile(clusters=None, endpoints=None, listeners=None, routes=None, compiler=None):
    resources = {CDS: clusters or {}, EDS: endpoints or {}, LDS: listeners or {}, RDS: routes or {}}
    return (compiler or Compiler()).compile(resources)


def listener(name="l", **manager):
    kind = f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"
    typed = {"@type": kind, "statPrefix": name, **manager}
    return {
        name: {
            "name": name,
            "address": ADDRESS,
            "filterChains": [{"filters": [{"name": "hcm", "typedConfig": typed}]}],
        }
    }


def route_to(cluster, name="r"):
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster}}
    return {"name": name, "virtualHosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}


def test_a_cluster_without_endpoints_gets_none():
    snapshot = compile(clusters={"c": EDS_CLUSTER})
    assert snapshot.message(EDS, "s").cluster_name == "s"
    assert not snapshot.message(EDS, "s").endpoints


def by_rds(name):
    return {"rds": {"routeConfigName": name, "configSource": {"ads": {}}}}


def test_a_listener_with_missing_routes_is_left_out():
    both = listener("l", **by_rds("80")) | listener("m", **by_rds("81"))
    snapshot = compile(listeners=both, routes={"81": route_to("c", "81")})
    assert snapshot.faults == {(LDS, "l"): "LDS l: asks for the routes '80', which are missing"}
    assert snapshot.resources[LDS].keys() == {"m"}


def test_a_listener_with_routes_of_its_own_to_a_missing_cluster_is_left_out():
    snapshot = compile(listeners=listener(routeConfig=route_to("gone")))
    assert snapshot.faults == {(LDS, "l"): "LDS l: routes to the cluster 'gone', which is missing"}
    assert not snapshot.resources[LDS]


def test_what_is_left_out_stays_as_it_was_with_all_that_it_needs():
    former = compile(listeners=listener("l", **by_rds("80")), routes={"80": route_to("c", "80")})
    nameless = listener("l", **by_rds("80"), statPrefix="")
    broken = compile(listeners=nameless | listener("m", **by_rds("81")), routes={"81": route_to("c", "81")})
    place = "filter_chains[0].filters[0].typed_config.stat_prefix"
    assert broken.faults == {(LDS, "l"): f"LDS l: {place}: value length must be at least 1 characters"}
    kept = broken.holding_on_to(former)
    assert kept.resources[LDS].keys() == {"l", "m"}
    assert kept.resources[RDS].keys() == {"80", "81"}
    assert kept.resources[LDS]["l"] == former.resources[LDS]["l"]


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
    snapshot = compile(clusters=clusters | {"good": {"name": "good"}})
    assert snapshot.resources[CDS].keys() == {"good"}
    assert snapshot.faults[CDS, "c"].startswith("CDS c: ")
    assert words in snapshot.faults[CDS, "c"]


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
