"""The fifteen things that are easy to get wrong about Istio, each with the tests that hold us to it.

Numbers in names are those of the list. What needs the xDS server (14) is tested with it.
"""

import pytest

CLIENT = """
kind: Pod
metadata: {name: client, labels: {app: client}}
---
kind: Pod
metadata: {name: client, namespace: elsewhere, labels: {app: client}}
"""
REVIEWS = """
---
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080, targetPort: 8080}]}
---
kind: Pod
metadata: {name: reviews-1, labels: {app: reviews, version: v1}}
"""
GATEWAY = """
---
kind: Pod
metadata: {name: ingress, namespace: istio-system, labels: {istio: ingressgateway}}
---
kind: Service
metadata: {name: ingress, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: http2, port: 80, targetPort: 8080}]}
---
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""
FQDN = "reviews.default.svc.cluster.local"


def service(name, *ports, namespace="default", annotations="{}"):
    listed = ", ".join(f"{{name: {port}, port: {number}}}" for port, number in ports)
    return f"""
---
kind: Service
metadata: {{name: {name}, namespace: {namespace}, annotations: {annotations}}}
spec: {{selector: {{app: {name}}}, ports: [{listed}]}}
"""


def virtual_service(name, http, *, hosts="[reviews]", gateways="[mesh]", namespace="default", more=""):
    return f"""
---
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{hosts: {hosts}, gateways: {gateways}, http: {http}{more}}}
"""


def to(host="reviews", **more):
    fields = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{{destination: {{host: {host}{fields}}}}}"


def rule(fields, destination):
    """An ``http`` list of one rule with one destination."""
    return f"[{{{fields}{', ' if fields else ''}route: [{destination}]}}]"


def clusters_of(route):
    action = route["route"]
    if "cluster" in action:
        return [action["cluster"]]
    return [each["name"] for each in action["weighted_clusters"]["clusters"]]


def test_1_http_services_share_a_listener_and_others_have_their_own(mesh):
    text = CLIENT + service("a", ("http", 80)) + service("b", ("http-b", 80))
    text += service("db", ("tcp", 5432)) + service("api", ("api", 8000))
    snapshot = mesh(text).snapshot("client")
    assert set(snapshot.listeners) == {
        "virtualOutbound",
        "0.0.0.0_80",
        "127.10.0.12_5432",
        "127.10.0.13_8000",
    }
    assert set(snapshot.routes) == {"80", "api.default.svc.cluster.local:8000"}


def test_1_only_the_text_before_the_dash_names_a_protocol(mesh):
    text = CLIENT + service("a", ("httpfoo", 81)) + service("b", ("http-foo", 82))
    assert {"127.10.0.10_81", "0.0.0.0_82"} <= set(mesh(text).snapshot("client").listeners)


def test_1_nothing_declared_on_a_server_first_port_is_tcp(mesh):
    listeners = mesh(CLIENT + service("db", ("db", 3306))).snapshot("client").listeners
    (chain,) = listeners["127.10.0.10_3306"]["filter_chains"]
    assert chain["filters"][0]["name"] == "envoy.filters.network.tcp_proxy"


def test_2_the_http_chain_is_not_alone(mesh):
    listener = mesh(CLIENT + REVIEWS).snapshot("client").listeners["0.0.0.0_9080"]
    (chain,) = listener["filter_chains"]
    assert chain["filter_chain_match"]["application_protocols"] == ["http/1.1", "h2c"]
    assert listener["default_filter_chain"]["name"] == "PassthroughFilterChain"


@pytest.mark.parametrize(
    ("mode", "cluster"), [("ALLOW_ANY", "PassthroughCluster"), ("REGISTRY_ONLY", "BlackHoleCluster")]
)
def test_2_what_no_listener_takes_follows_the_outbound_policy(mesh, mode, cluster):
    settings = f"\n---\nkind: Mesh\nspec: {{outboundTrafficPolicy: {{mode: {mode}}}}}\n"
    snapshot = mesh(CLIENT + REVIEWS + settings).snapshot("client")
    guard, *_, rest = snapshot.listeners["virtualOutbound"]["filter_chains"]
    assert guard["filters"][0]["typed_config"]["cluster"] == "BlackHoleCluster"
    assert rest["filters"][0]["typed_config"]["cluster"] == cluster


@pytest.mark.parametrize("old", [[], ["10.43.0.0"]], ids=["new", "old"])
def test_2_cluster_ips_are_those_that_services_have(mesh, old):
    service = (
        "\n---\nkind: Service\nmetadata: {name: old}\nspec: {clusterIP: 10.43.7.7, ports: [{port: 9080}]}"
    )
    settings = "\n---\nkind: Mesh\nspec: {outboundTrafficPolicy: {mode: ALLOW_ANY}}\n"
    built = mesh(CLIENT + REVIEWS + (service if old else "") + settings)
    listeners = built.snapshot("client").listeners
    named = {each["name"]: each for each in listeners["virtualOutbound"]["filter_chains"]}
    ranges = named["virtualOutbound-catchall-cluster-ip"]["filter_chain_match"]["prefix_ranges"]
    assert [each["address_prefix"] for each in ranges] == ["127.10.0.0", *old]
    guard, _ = listeners["0.0.0.0_9080"]["default_filter_chain"]["filters"]
    refused = guard["typed_config"]["rules"]["policies"]["cluster-ip"]["permissions"]
    assert [each["destination_ip"]["address_prefix"] for each in refused] == ["127.10.0.0", *old]
    states = [each["match"].get("filter_state", []) for each in built.routes("client", "9080", "allow_any")]
    asked = [each["string_match"].get("prefix") for state in states for each in state]
    assert [each for each in asked if each] == ["127.10.", *[each.removesuffix("0.0") for each in old]]


def test_2_registry_only_answers_502_for_an_unknown_host_on_a_known_port(mesh):
    settings = "\n---\nkind: Mesh\nspec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n"
    (route,) = mesh(CLIENT + REVIEWS + settings).routes("client", "9080", "block_all")
    assert (route["name"], route["direct_response"]) == ("block_all", {"status": 502})


def test_3_the_bare_name_only_works_beside_the_service(mesh):
    built = mesh(CLIENT + REVIEWS)
    beside = built.host("client.default", "9080", f"{FQDN}:9080")["domains"]
    away = built.host("client.elsewhere", "9080", f"{FQDN}:9080")["domains"]
    assert set(beside) - set(away) == {"reviews"}
    assert "127.10.0.10" in away
    assert not [domain for domain in beside if ":" in domain]


def test_4_inbound_names_carry_the_target_port_but_the_host_the_services_own(mesh):
    snapshot = mesh(REVIEWS).snapshot("reviews-1")
    listener = next(each for name, each in snapshot.listeners.items() if name.endswith("_8080"))
    routes = listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]
    assert "inbound|8080||" in snapshot.clusters
    assert routes["name"] == "inbound|8080||"
    assert routes["virtual_hosts"][0]["name"] == "inbound|http|9080"
    (route,) = routes["virtual_hosts"][0]["routes"]
    assert route["decorator"]["operation"] == f"{FQDN}:9080/*"


def test_4_outbound_clusters_carry_the_services_port(mesh):
    assert f"outbound|9080||{FQDN}" in mesh(CLIENT + REVIEWS).snapshot("client").clusters


def test_5_the_app_sees_127_0_0_6(mesh):
    cluster = mesh(REVIEWS).snapshot("reviews-1").clusters["inbound|8080||"]
    assert cluster["upstream_bind_config"]["source_address"]["address"] == "127.0.0.6"


def test_6_a_gateway_listens_on_the_pods_port_and_matches_on_its_own(mesh):
    http = rule("match: [{port: 80, uri: {exact: /a}}, {port: 8080, uri: {exact: /b}}]", to())
    text = CLIENT + REVIEWS + GATEWAY + virtual_service("v", http, hosts='["*"]', gateways="[gw]")
    built = mesh(text)
    assert list(built.snapshot("ingress").listeners) == ["0.0.0.0_8080"]
    (route,) = built.routes("ingress", "http.8080", "*:80")
    assert route["match"] == {"path": "/a", "case_sensitive": True}


def test_6_servers_on_80_and_on_8080_meet(mesh):
    other = GATEWAY.replace("name: gw", "name: gw2").replace("number: 80", "number: 8080")
    text = GATEWAY + "\n---\n" + other.split("---")[-1]
    assert list(mesh(text).snapshot("ingress").routes) == ["http.8080"]


def test_7_on_a_gateway_virtual_services_are_merged_catch_alls_last(mesh):
    text = REVIEWS + GATEWAY
    text += virtual_service(
        "old", rule("name: all", to()), hosts='["*"]', gateways="[gw]", namespace="default"
    )
    http = rule("name: path, match: [{uri: {exact: /p}}]", to())
    text += virtual_service("new", http, hosts='["*"]', gateways="[default/gw]", namespace="other")
    names = [route["name"] for route in mesh(text).routes("ingress", "http.8080", "*:80")]
    assert names == ["path", "all"]


def test_7_in_the_mesh_the_oldest_takes_the_host(mesh):
    http = rule("name: old, match: [{uri: {exact: /old}}]", to())
    text = CLIENT + REVIEWS + virtual_service("old", http)
    text += virtual_service("new", rule("name: new", to()))
    names = [route["name"] for route in mesh(text).routes("client", "9080", f"{FQDN}:9080")]
    assert names == ["old"]


def test_8_no_request_falls_through_to_a_wider_host(mesh):
    narrow = rule("name: narrow, match: [{uri: {exact: /n}}]", to())
    text = REVIEWS + GATEWAY
    text += virtual_service("wide", rule("name: wide", to()), hosts='["*"]', gateways="[gw]")
    text += virtual_service("narrow", narrow, hosts="[a.com]", gateways="[gw]")
    (route,) = mesh(text).routes("ingress", "http.8080", "a.com:80")
    assert route["name"] == "narrow"


@pytest.mark.parametrize(
    ("destinations", "expected"),
    [
        (f"[{to()}]", ["reviews"]),
        ("[{destination: {host: reviews}, weight: 0}]", ["reviews"]),
        (
            "[{destination: {host: reviews}, weight: 1}, {destination: {host: b}, weight: 1}]",
            ["reviews", "b"],
        ),
        ("[{destination: {host: reviews}, weight: 5}, {destination: {host: b}}]", ["reviews"]),
        ("[{destination: {host: reviews}, weight: 0}, {destination: {host: b}, weight: 9}]", ["b"]),
    ],
)
def test_9_weights(mesh, destinations, expected):
    text = CLIENT + REVIEWS + virtual_service("v", f"[{{route: {destinations}}}]")
    (route,) = mesh(text).routes("client", "9080", f"{FQDN}:9080")
    assert [name.split("|")[3].split(".")[0] for name in clusters_of(route)] == expected


def test_9_weights_are_kept_as_they_are(mesh):
    http = "[{route: [{destination: {host: a}, weight: 30}, {destination: {host: b}, weight: 30}]}]"
    (route,) = mesh(CLIENT + REVIEWS + virtual_service("v", http)).routes("client", "9080", f"{FQDN}:9080")
    clusters = route["route"]["weighted_clusters"]
    assert [each["weight"] for each in clusters["clusters"]] == [30, 30]
    assert "total_weight" not in clusters


def test_10_a_gateways_virtual_service_does_nothing_in_the_mesh(mesh):
    text = CLIENT + REVIEWS + GATEWAY
    text += virtual_service("v", rule("name: v", to()), gateways="[gw]")
    (route,) = mesh(text).routes("client.default", "9080", f"{FQDN}:9080")
    assert route["name"] == "default"


def test_10_match_gateways_makes_the_source_fields_ineffective(mesh):
    match = "[{gateways: [mesh], sourceLabels: {app: stranger}, sourceNamespace: nowhere}]"
    text = CLIENT + REVIEWS + virtual_service("v", rule(f"name: v, match: {match}", to()))
    (route,) = mesh(text).routes("client.default", "9080", f"{FQDN}:9080")
    assert route["name"] == "v"


def test_10_a_gateways_selector_looks_at_pods_of_every_namespace(mesh):
    assert mesh(GATEWAY).snapshot("ingress").listeners.keys() == {"0.0.0.0_8080"}


def test_10_no_listener_where_no_gateway_selects_the_pod(mesh):
    text = GATEWAY.replace("selector: {istio: ingressgateway}\n  servers", "selector: {a: b}\n  servers")
    assert mesh(text).snapshot("ingress").listeners == {}


def test_11_an_undefined_subset_is_a_cluster_that_does_not_exist(mesh):
    text = CLIENT + REVIEWS + virtual_service("v", rule("", to(subset="v9")))
    built = mesh(text)
    (route,) = built.routes("client", "9080", f"{FQDN}:9080")
    assert clusters_of(route) == [f"outbound|9080|v9|{FQDN}"]
    assert clusters_of(route)[0] not in built.snapshot("client").clusters


def test_11_a_subset_without_pods_is_a_cluster_without_endpoints(mesh):
    spec = "{host: reviews, subsets: [{name: v9, labels: {version: v9}}]}"
    snapshot = mesh(CLIENT + REVIEWS + destination_rule(spec)).snapshot("client")
    name = f"outbound|9080|v9|{FQDN}"
    assert snapshot.clusters[name]["type"] == "EDS"
    assert snapshot.endpoints[name] == {"cluster_name": name, "endpoints": []}


def test_11_a_port_left_out_is_the_listeners_where_the_service_has_several(mesh):
    text = CLIENT + REVIEWS + service("many", ("http", 5000), ("http-b", 5001))
    text += virtual_service("v", rule("", to("many")))
    (route,) = mesh(text).routes("client.default", "9080", f"{FQDN}:9080")
    assert clusters_of(route) == ["outbound|9080||many.default.svc.cluster.local"]


def test_11_a_sidecar_knows_only_the_listeners_port_but_a_gateway_all_of_them(mesh):
    text = CLIENT + REVIEWS + GATEWAY + service("other", ("http", 5000))
    text += virtual_service("v", rule("", to("other")))
    text += virtual_service("w", rule("", to("other")), hosts='["*"]', gateways="[gw]")
    built = mesh(text)
    (in_mesh,) = built.routes("client.default", "9080", f"{FQDN}:9080")
    (at_gateway,) = built.routes("ingress", "http.8080", "*:80")
    assert clusters_of(in_mesh) == ["outbound|9080||other.default.svc.cluster.local"]
    assert clusters_of(at_gateway) == ["outbound|5000||other.default.svc.cluster.local"]


def test_12_defaults_are_istios(mesh):
    built = mesh(CLIENT + REVIEWS)
    (route,) = built.routes("client", "9080", f"{FQDN}:9080")
    assert (route["route"]["timeout"], route["route"]["max_grpc_timeout"]) == ("0s", "0s")
    retries = route["route"]["retry_policy"]
    assert retries["num_retries"] == 2
    assert "retriable_status_codes" not in retries, "a 503 of the app is not retried"
    cluster = built.snapshot("client").clusters[f"outbound|9080||{FQDN}"]
    assert (cluster["lb_policy"], cluster["connect_timeout"]) == ("LEAST_REQUEST", "10s")
    (limits,) = cluster["circuit_breakers"]["thresholds"]
    assert limits["max_connections"] == 4294967295
    assert "common_lb_config" not in cluster, "1.30: Envoy's panic threshold, unless outliers are detected"


def test_12_with_outlier_detection_there_is_no_panic(mesh):
    spec = "{host: reviews, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}}}"
    cluster = (
        mesh(CLIENT + REVIEWS + destination_rule(spec)).snapshot("client").clusters[f"outbound|9080||{FQDN}"]
    )
    assert cluster["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}


def destination_rule(spec):
    return f"\n---\nkind: DestinationRule\nmetadata: {{name: d}}\nspec: {spec}\n"


def balancing(name, policy, namespace="default", host=FQDN, more=""):
    return f"""
---
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{host: {host}, trafficPolicy: {{loadBalancer: {{simple: {policy}}}}}{more}}}
"""


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (balancing("root", "RANDOM", "istio-system"), "RANDOM"),
        (balancing("root", "RANDOM", "istio-system") + balancing("own", "ROUND_ROBIN"), "ROUND_ROBIN"),
        (balancing("own", "ROUND_ROBIN") + balancing("client", "RANDOM", "elsewhere"), "RANDOM"),
        (balancing("own", "RANDOM", more=", exportTo: ['.']"), "LEAST_REQUEST"),
        (
            balancing("w", "RANDOM", host='"*.local"') + balancing("n", "ROUND_ROBIN", host="reviews"),
            "ROUND_ROBIN",
        ),
    ],
    ids=["root", "services-namespace", "clients-namespace", "not-exported", "exact-beats-wildcard"],
)
def test_13_the_first_level_with_a_rule_decides_alone(mesh, rules, expected):
    snapshot = mesh(CLIENT + REVIEWS + rules).snapshot("client.elsewhere")
    assert snapshot.clusters[f"outbound|9080||{FQDN}"]["lb_policy"] == expected


def test_13_levels_are_not_merged(mesh):
    subsets = ", subsets: [{name: v1, labels: {version: v1}}]"
    rules = balancing("own", "RANDOM", more=subsets) + balancing("client", "ROUND_ROBIN", "elsewhere")
    assert (
        f"outbound|9080|v1|{FQDN}" not in mesh(CLIENT + REVIEWS + rules).snapshot("client.elsewhere").clusters
    )


def test_13_rules_of_one_namespace_for_one_host_are(mesh):
    one = ", subsets: [{name: v1, labels: {version: v1}}]"
    two = ", subsets: [{name: v1, labels: {a: b}}, {name: v2, labels: {version: v2}}]"
    rules = balancing("a", "RANDOM", more=one) + balancing("b", "ROUND_ROBIN", more=two)
    snapshot = mesh(CLIENT + REVIEWS + rules).snapshot("client.default")
    assert snapshot.clusters[f"outbound|9080|v2|{FQDN}"]["lb_policy"] == "RANDOM"
    assert len(snapshot.endpoints[f"outbound|9080|v1|{FQDN}"]["endpoints"]) == 1


def test_13_port_level_settings_replace_and_do_not_inherit(mesh):
    rule = """
---
kind: DestinationRule
metadata: {name: d}
spec:
  host: reviews
  trafficPolicy:
    connectionPool: {tcp: {maxConnections: 1}}
    portLevelSettings: [{port: {number: 9080}, loadBalancer: {simple: RANDOM}}]
"""
    cluster = mesh(CLIENT + REVIEWS + rule).snapshot("client.default").clusters[f"outbound|9080||{FQDN}"]
    assert cluster["lb_policy"] == "RANDOM"
    assert cluster["circuit_breakers"]["thresholds"][0]["max_connections"] == 4294967295


def test_14_every_cluster_filled_by_eds_has_endpoints_even_if_none(mesh):
    snapshot = mesh(CLIENT + service("nobody", ("http", 80))).snapshot("client.default")
    eds = {name for name, cluster in snapshot.clusters.items() if cluster["type"] == "EDS"}
    assert eds == set(snapshot.endpoints)


def test_15_an_absent_fault_percentage_is_zero(mesh):
    http = rule("fault: {abort: {httpStatus: 503}}", to())
    (route,) = mesh(CLIENT + REVIEWS + virtual_service("v", http)).routes("client", "9080", f"{FQDN}:9080")
    assert "percentage" not in route["typed_per_filter_config"]["envoy.filters.http.fault"]["abort"]


def test_15_a_uri_prefix_is_a_prefix_of_the_text(mesh):
    http = rule("match: [{uri: {prefix: /foo}}], rewrite: {uri: /}", to())
    (route,) = mesh(CLIENT + REVIEWS + virtual_service("v", http)).routes("client", "9080", f"{FQDN}:9080")
    assert route["match"] == {"prefix": "/foo", "case_sensitive": True}
    assert route["route"]["prefix_rewrite"] == "/"


def test_15_short_names_resolve_beside_the_virtual_service(mesh):
    text = CLIENT + REVIEWS + virtual_service("v", rule("name: v", to()), namespace="elsewhere")
    (route,) = mesh(text).routes("client.default", "9080", f"{FQDN}:9080")
    assert route["name"] == "default", "it is about reviews.elsewhere"


def test_15_unnamed_routes_have_no_name_and_default_ones_have(mesh):
    text = CLIENT + REVIEWS + virtual_service("v", rule("", to()))
    assert "name" not in mesh(text).routes("client.default", "9080", f"{FQDN}:9080")[0]
    assert mesh(CLIENT + REVIEWS).routes("client.default", "9080", f"{FQDN}:9080")[0]["name"] == "default"


def test_not_ready_pods_take_no_traffic(mesh):
    text = CLIENT + REVIEWS + "\nready: false\n"
    snapshot = mesh(text).snapshot("client.default")
    assert snapshot.endpoints[f"outbound|9080||{FQDN}"]["endpoints"] == []


def test_kubernetes_beats_a_service_entry_of_the_same_host_only_where_it_is_seen(mesh):
    text = CLIENT + service("reviews", ("http", 9080), annotations='{networking.istio.io/exportTo: "."}')
    text += f"""
---
kind: ServiceEntry
metadata: {{name: se, namespace: elsewhere}}
spec: {{hosts: [{FQDN}], ports: [{{number: 9080, name: http, protocol: HTTP}}], resolution: DNS}}
---
kind: Pod
metadata: {{name: reviews-1, labels: {{app: reviews}}}}
"""
    built = mesh(text)
    name = f"outbound|9080||{FQDN}"
    assert built.snapshot("client.default").clusters[name]["type"] == "EDS"
    assert built.snapshot("client.elsewhere").clusters[name]["type"] == "STRICT_DNS"


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("", "127.42.0.12"),
        ("0.0.0.0", "127.42.0.12"),
        ("127.0.0.1", "127.43.0.12"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_a_gateway_binds_nothing_of_the_hosts(mesh, bind, address):
    """Two servers on one port; Services lead to the pod's own address alone."""
    one = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}"
    other = f"{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*'], bind: '{bind}'}}"
    spec = f"{{selector: {{istio: ingressgateway}}, servers: [{one}, {other}]}}"
    text = CLIENT + GATEWAY.replace("spec: {selector", "spec: {type: LoadBalancer, selector")
    listeners = mesh(text + f"---\nkind: Gateway\nmetadata: {{name: two}}\nspec: {spec}\n").snapshot(
        "ingress"
    )
    found = {each["address"]["socket_address"]["address"]: each for each in listeners.listeners.values()}
    assert set(found) == {"127.42.0.12", address}
    assert all("additional_addresses" not in each for at, each in found.items() if at != "127.42.0.12")
