"""What each kind of EnvoyFilter's patch does, and to which of a proxy's resources."""

import pytest
import yaml

MESH = """
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, ports: [{containerPort: 8080}, {containerPort: 9999}]}]}
---
kind: Pod
metadata: {name: way-in, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, ports: [{containerPort: 8080}]}]}
---
kind: Service
metadata: {name: way-in, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: Gateway
metadata: {name: way-in, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{hosts: ['*'], port: {number: 80, name: http, protocol: HTTP}}]
---
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 81}]}
---
kind: Service
metadata: {name: other}
spec: {ports: [{name: http, port: 80}]}
---
kind: DestinationRule
metadata: {name: web}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}
---
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - {name: away, match: [{uri: {prefix: /away}}], redirect: {uri: /}}
  - {name: here, route: [{destination: {host: web}}]}
---
kind: VirtualService
metadata: {name: way-in}
spec:
  hosts: ['*']
  gateways: [istio-system/way-in]
  http: [{name: in, route: [{destination: {host: web}}]}]
"""
HTTP = "envoy.filters.network.http_connection_manager"
TCP, ROUTER, CORS = "envoy.filters.network.tcp_proxy", "envoy.filters.http.router", "envoy.filters.http.cors"
WEB = "outbound|80||web.default.svc.cluster.local"
NEW = {"name": "new"}


def filters_of(*patches, **spec):
    """The object, as text behind the mesh's."""
    obj = {"kind": "EnvoyFilter", "metadata": {"name": "it", "namespace": "istio-system"}}
    return f"{MESH}\n---\n{yaml.safe_dump({**obj, 'spec': {'configPatches': list(patches), **spec}})}"


def patch(applies_to, operation, value=None, match=None, context="ANY"):
    change = {"operation": operation, **({"value": value} if value is not None else {})}
    return {"applyTo": applies_to, "match": {"context": context, **(match or {})}, "patch": change}


def at_filter(name=HTTP, within="", **listener):
    inner = {"subFilter": {"name": within}} if within else {}
    return {"listener": {**listener, "filterChain": {"filter": {"name": name, **inner}}}}


def at_route(vhost=None, **more):
    return {"routeConfiguration": {**({"vhost": vhost} if vhost else {}), **more}}


def inbound(snapshot, port=8080):
    return next(
        each for name, each in snapshot.listeners.items() if name.endswith(f"_{port}") and "127." in name
    )


def http_filters(listener):
    configs = [each["typed_config"] for chain in listener["filter_chains"] for each in chain["filters"]]
    return [[one["name"] for one in each["http_filters"]] for each in configs if "http_filters" in each]


def plain_filters(listener):
    return [[one["name"] for one in each["filters"]] for each in listener["filter_chains"]]


@pytest.mark.parametrize(
    ("operation", "within", "place"),
    [
        ("INSERT_FIRST", "", 0),
        ("INSERT_BEFORE", "", 0),
        ("INSERT_AFTER", "", -1),
        ("ADD", "", -1),
        ("INSERT_BEFORE", ROUTER, -2),
        ("INSERT_AFTER", CORS, -2),
        ("REPLACE", ROUTER, -1),
    ],
)
def test_a_filter_goes_where_it_is_told_to(mesh, operation, within, place):
    made = mesh(filters_of(patch("HTTP_FILTER", operation, NEW, at_filter(within=within))))
    for names in http_filters(inbound(made.snapshot("web"))):
        assert names[place] == "new"
        assert names.count("new") == 1
        assert (ROUTER in names) == (operation != "REPLACE")


def test_filters_are_removed_by_name_only(mesh):
    by_name = patch("HTTP_FILTER", "REMOVE", match=at_filter(within=CORS))
    by_none = patch("HTTP_FILTER", "REMOVE", match=at_filter())
    names = http_filters(inbound(mesh(filters_of(by_none, by_name)).snapshot("web")))
    assert all(CORS not in each and ROUTER in each for each in names)


def test_network_filters_stand_before_what_ends_the_chain(mesh):
    rate = {"name": "rate"}
    made = mesh(filters_of(patch("NETWORK_FILTER", "INSERT_BEFORE", rate, at_filter(TCP))))
    assert all(each[-2:] == ["rate", TCP] for each in plain_filters(inbound(made.snapshot("web"), 81)))
    assert all("rate" not in each for each in plain_filters(inbound(made.snapshot("web"))))


def test_merging_into_a_filter_keeps_what_it_has(mesh):
    timeout = {
        "name": HTTP,
        "typedConfig": {"@type": f"type.googleapis.com/{_MANAGER}", "requestTimeout": "7s"},
    }
    made = mesh(filters_of(patch("NETWORK_FILTER", "MERGE", timeout, at_filter(), "SIDECAR_INBOUND")))
    snapshot = made.snapshot("web")
    for chain in inbound(snapshot)["filter_chains"]:
        config = chain["filters"][-1]["typed_config"]
        assert config["request_timeout"] == "7s"
        assert [each["name"] for each in config["http_filters"]][-1] == ROUTER
    assert "request_timeout" not in str(snapshot.listeners["0.0.0.0_80"])


_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_CORS = "envoy.extensions.filters.http.cors.v3.Cors"


def test_of_another_type_nothing_is_merged(mesh):
    value = {"name": "renamed", "typed_config": {"@type": f"type.googleapis.com/{_CORS}"}}
    made = mesh(filters_of(patch("HTTP_FILTER", "MERGE", value, at_filter(within=ROUTER))))
    names = http_filters(inbound(made.snapshot("web")))
    assert all(each[-1] == "renamed" for each in names)


def test_a_listeners_port_is_its_chains(mesh):
    for number, found in ((8080, True), (80, False), (15006, False)):
        made = mesh(
            filters_of(
                patch("HTTP_FILTER", "INSERT_FIRST", NEW, at_filter(portNumber=number), "SIDECAR_INBOUND")
            )
        )
        assert (http_filters(inbound(made.snapshot("web")))[0][0] == "new") == found


def test_all_that_comes_in_is_one_listener_by_name(mesh):
    gone = patch("LISTENER", "REMOVE", match={"listener": {"name": "virtualInbound"}})
    left = mesh(filters_of(gone)).snapshot("web").listeners
    assert sorted(left) == sorted(
        name for name in mesh(MESH).snapshot("web").listeners if "127.42." not in name
    )


def test_chains_are_told_apart_by_what_they_match(mesh):
    gone = patch("FILTER_CHAIN", "REMOVE", match={"listener": {"filterChain": {"transportProtocol": "tls"}}})
    matches = [
        each["filter_chain_match"]
        for each in inbound(mesh(filters_of(gone)).snapshot("web"))["filter_chains"]
    ]
    assert matches == [{"transport_protocol": "raw_buffer"}]


def test_a_listener_of_ones_own_stands_on_the_pods_address(mesh):
    tcp = {
        "name": TCP,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "cluster": WEB,
            "stat_prefix": "own",
        },
    }
    own = {
        "name": "own",
        "address": {"socketAddress": {"address": "0.0.0.0", "portValue": 7000}},
        "filterChains": [{"filters": [tcp]}],
    }
    made = mesh(filters_of(patch("LISTENER", "ADD", own)))
    address = made.snapshot("web").listeners["own"]["address"]["socket_address"]
    assert address == {"address": made.proxy("web").pod_ip, "port_value": 7000}


def routes_of(snapshot, name="80", host="web.default.svc.cluster.local:80"):
    hosts = {each["name"]: each for each in snapshot.routes[name]["virtual_hosts"]}
    return hosts[host]["routes"] if host in hosts else None


def test_routes_are_found_by_their_hosts_and_actions(mesh):
    vhost = {"name": "web.default.svc.cluster.local:80", "route": {"action": "ROUTE"}}
    longer = patch("HTTP_ROUTE", "MERGE", {"route": {"timeout": "9s"}}, at_route(vhost, portNumber=80))
    snapshot = mesh(filters_of(longer)).snapshot("web")
    away, here = routes_of(snapshot)
    assert "timeout" not in str(away)
    assert here["route"]["timeout"] == "9s"
    assert here["route"]["cluster"] == WEB
    assert routes_of(snapshot, host="other.default.svc.cluster.local:80")[0]["route"]["timeout"] == "0s"


def test_a_route_that_comes_first_is_a_new_one(mesh):
    new = {"name": "teapot", "match": {"path": "/tea"}, "directResponse": {"status": 418}}
    by_name = at_route({"domainName": "web", "route": {"name": "here"}})
    made = mesh(filters_of(patch("HTTP_ROUTE", "INSERT_FIRST", new, by_name))).snapshot("web")
    assert [each["name"] for each in routes_of(made)] == ["teapot", "away", "here"]
    assert len(routes_of(made, host="other.default.svc.cluster.local:80")) == 1
    before = mesh(filters_of(patch("HTTP_ROUTE", "INSERT_BEFORE", new, by_name))).snapshot("web")
    assert [each["name"] for each in routes_of(before)] == ["away", "teapot", "here"]


def test_an_action_of_another_kind_takes_the_place_of_the_first(mesh):
    by_name = at_route({"route": {"name": "here"}})
    answer = {"directResponse": {"status": 418}}
    made = mesh(filters_of(patch("HTTP_ROUTE", "MERGE", answer, by_name))).snapshot("web")
    _, here = routes_of(made)
    assert "route" not in here
    assert here["direct_response"] == {"status": 418}


def test_virtual_hosts_come_and_go(mesh):
    own = {"name": "own", "domains": ["own.example"], "routes": [{"match": {"prefix": "/"}, "redirect": {}}]}
    gone = patch("VIRTUAL_HOST", "REMOVE", match=at_route({"name": "other.default.svc.cluster.local:80"}))
    added = patch("VIRTUAL_HOST", "ADD", own, at_route(name="80"))
    snapshot = mesh(filters_of(gone, added)).snapshot("web")
    assert routes_of(snapshot, host="other.default.svc.cluster.local:80") is None
    assert routes_of(snapshot, host="own")
    assert routes_of(snapshot)


def test_what_is_written_into_a_listener_is_a_route_configuration_too(mesh):
    merged = patch(
        "VIRTUAL_HOST", "MERGE", {"requireTls": "ALL"}, at_route(portNumber=8080), "SIDECAR_INBOUND"
    )
    snapshot = mesh(filters_of(merged)).snapshot("web")
    assert "require_tls" in str(inbound(snapshot))
    assert "require_tls" not in str(snapshot.routes)


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ({"portNumber": 80}, True),
        ({"portNumber": 8080}, False),
        ({"name": "http.8080"}, True),
        ({"gateway": "istio-system/way-in"}, False),
    ],
)
def test_a_gateways_routes_go_by_its_servers_ports(mesh, match, found):
    merged = patch(
        "ROUTE_CONFIGURATION", "MERGE", {"requestHeadersToRemove": ["x"]}, at_route(**match), "GATEWAY"
    )
    snapshot = mesh(filters_of(merged)).snapshot("way-in.istio-system")
    assert ("request_headers_to_remove" in snapshot.routes["http.8080"]) == found


@pytest.mark.parametrize(
    ("match", "names"),
    [
        ({"service": "web.default.svc.cluster.local", "portNumber": 80}, [WEB, WEB.replace("||", "|v1|")]),
        (
            {"service": "web.default.svc.cluster.local", "subset": "v1", "portNumber": 80},
            [WEB.replace("||", "|v1|")],
        ),
        ({"name": WEB}, [WEB]),
        ({"service": "web.default.svc.cluster.local", "portNumber": 8080}, ["inbound|8080||"]),
    ],
)
def test_clusters_are_found_by_service_port_and_subset(mesh, match, names):
    value = {"connectTimeout": "3s", "circuitBreakers": {"thresholds": [{"maxRequests": 1}]}}
    clusters = mesh(filters_of(patch("CLUSTER", "MERGE", value, {"cluster": match}))).snapshot("web").clusters
    changed = [name for name, each in clusters.items() if each.get("connect_timeout") == "3s"]
    assert sorted(changed) == sorted(names)
    for name in names:
        assert clusters[name]["circuit_breakers"]["thresholds"][-1] == {"max_requests": 1}, "lists grow"


def test_a_cluster_of_ones_own_finds_services_as_the_clusters_dns_does(mesh):
    endpoint = {
        "endpoint": {
            "address": {"socket_address": {"address": "web.default.svc.cluster.local", "port_value": 80}}
        }
    }
    own = {
        "name": "own",
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "own", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    made = mesh(
        filters_of(patch("CLUSTER", "ADD", own), patch("CLUSTER", "REMOVE", match={"cluster": {"name": WEB}}))
    )
    clusters = made.snapshot("web").clusters
    assert WEB not in clusters
    address = clusters["own"]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    assert address["socket_address"] == {"address": made.proxy("web").pod_ip, "port_value": 8080}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"proxyVersion": r"^1\.30.*"}, True),
        ({"proxyVersion": r"^1\.29.*"}, False),
        ({"metadata": {"CLUSTER_ID": "elsewhere"}}, False),
    ],
)
def test_proxies_are_told_apart_by_what_they_call_themselves(mesh, wanted, found):
    entry = patch("HTTP_FILTER", "INSERT_FIRST", NEW, {**at_filter(), "proxy": wanted})
    assert (http_filters(inbound(mesh(filters_of(entry)).snapshot("web")))[0][0] == "new") == found


def test_target_refs_are_for_gateways_of_the_kubernetes_kind(mesh):
    refs = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "it"}]
    entry = patch("HTTP_FILTER", "INSERT_FIRST", NEW, at_filter())
    made = mesh(filters_of(entry, targetRefs=refs))
    assert http_filters(inbound(made.snapshot("web")))[0][0] != "new"
