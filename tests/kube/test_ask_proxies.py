"""What proxies have, compared with what VirtualServices say."""

import pytest

from labkit.errors import WaitTimeout
from labkit.kube import ask_proxies
from labkit.kube.acknowledgement import NOT_ASKED
from labkit.kube.ask_istiod import AskIstiod
from labkit.kube.ask_proxies import AskProxies, wanted_ways, ways
from labkit.kube.convergence import strategy_for, wait_for_proxies
from labkit.kube.resources import VIRTUAL_SERVICES

POD = "/api/v1/namespaces/dev/pods/a-1"
ISTIODS = "/api/v1/namespaces/istio-system/pods"
FORM = "/apis/networking.istio.io/v1/namespaces/dev/virtual-service/"


def virtual_service(*weights, name="vs"):
    route = [{"destination": {"host": host}, "weight": weight} for host, weight in weights]
    return {"metadata": {"name": name, "namespace": "dev"}, "spec": {"http": [{"route": route}]}}


def dump(*weights, name="vs", error="", used="active_state"):
    clusters = [{"name": f"outbound|80||{h}.dev.svc.cluster.local", "weight": w} for h, w in weights]
    route = {
        "route": {"weighted_clusters": {"clusters": clusters}},
        "metadata": {"filter_metadata": {"istio": {"config": FORM + name}}},
    }
    config = {"name": "80", "virtual_hosts": [{"routes": [route]}]}
    listener = {
        "name": "0.0.0.0_80",
        used: {"listener": {"filter_chains": [{"rds": {"route_config_name": "80"}}]}},
    }
    failed = {"error_state": {"details": error}} if error else {}
    routes = {"dynamic_route_configs": [{"route_config": config}]}
    return {"configs": [routes, {"dynamic_listeners": [listener | failed]}]}


@pytest.fixture
def mesh(server):
    """One pod whose proxy is asked through the pod proxy; sets what it has and what the rules are."""
    proxy = {"name": "istio-proxy", "args": ["proxy", "sidecar"]}
    metadata = {"name": "a-1", "namespace": "dev", "labels": {"app": "a"}}
    pod = {"metadata": metadata, "spec": {"containers": [proxy]}, "status": {"podIP": "10.0.0.1"}}
    server.answer("GET", "/api/v1/namespaces/dev/pods", {"items": [pod], "metadata": {}})
    server.refuse("GET", f"{POD}/exec", 403, "Forbidden", "no")

    def say(has, *rules):
        server.answer("GET", f"{POD}:15000/proxy/config_dump", has)
        server.answer("GET", VIRTUAL_SERVICES.path("dev"), {"items": list(rules), "metadata": {}})

    return say


def test_it_has_what_the_rule_says(mesh, api):
    mesh(dump(("b", 90), ("c", 10)), virtual_service(("b", 90), ("c", 10)))

    assert [state.state for state in AskProxies(api, ["dev"]).wait("", 5)] == ["SYNCED"]


def test_other_weights(mesh, api):
    mesh(dump(("b", 50), ("c", 50)), virtual_service(("b", 90), ("c", 10)))

    with pytest.raises(
        WaitTimeout, match=r"a-1\.dev is STALE \(a route of VirtualService vs leads elsewhere"
    ):
        AskProxies(api, ["dev"]).wait("", 0.3)


def test_a_rule_that_is_gone(mesh, api):
    mesh(dump(("b", 50), ("c", 50)))

    with pytest.raises(WaitTimeout, match="VirtualService vs, which is gone"):
        AskProxies(api, ["dev"]).wait("", 0.3)


def test_routes_of_a_listener_that_drains_are_not_in_use(mesh, api):
    mesh(dump(("b", 50), ("c", 50), used="draining_state"))

    assert [state.state for state in AskProxies(api, ["dev"]).wait("", 5)] == ["SYNCED"]


def test_a_refusal(mesh, api):
    mesh(dump(("b", 90), ("c", 10), error="bad filter"), virtual_service(("b", 90), ("c", 10)))

    (state,) = AskProxies(api, ["dev"]).wait("", 5)

    assert (state.state, state.error) == ("NACK", "bad filter")


def test_it_waits_while_something_changes(mesh, api, server, monkeypatch):
    monkeypatch.setattr(ask_proxies, "QUIET", 0.3)
    mesh({}, virtual_service())
    looks = []

    def changing(*_):
        looks.append(f"0.0.0.0_{min(len(looks), 4)}")
        return 200, {"configs": [{"dynamic_listeners": [{"active_state": {"listener": looks[-1]}}]}]}

    server.answer("GET", f"{POD}:15000/proxy/config_dump", changing)

    AskProxies(api, ["dev"]).wait("", 10)

    assert len(looks) > 5


def test_who_may_not_be_asked_is_told(mesh, api, server, monkeypatch):
    monkeypatch.setattr(ask_proxies, "_UNASKED", 0.1)
    monkeypatch.setattr(ask_proxies, "QUIET", 0.1)
    mesh({})
    server.refuse("GET", f"{POD}:15000/proxy/config_dump", 403, "Forbidden", "no")

    found = wait_for_proxies(api, strategy=AskProxies(api, ["dev"]))

    assert [state.state for state in found.proxies] == [NOT_ASKED]
    assert "no proxy has acknowledged it" in str(found)
    assert "not known of 1 proxy: The proxy of pod a-1 in dev can't be asked" in str(found)
    assert not found.refusals


@pytest.fixture
def istiod(server):
    conditions = {"conditions": [{"type": "Ready", "status": "True"}]}
    pod = {"metadata": {"name": "i-1", "namespace": "istio-system"}, "status": conditions}
    server.answer("GET", ISTIODS, {"items": [pod], "metadata": {}})
    server.answer("GET", "/api/v1/namespaces", {"metadata": {"resourceVersion": "1"}})
    return f"{ISTIODS}/i-1:15014/proxy/debug/syncz"


def test_a_real_istiod_leads_to_the_proxies(mesh, istiod, api, server):
    server.answer("GET", istiod, [{"proxy": "a-1.dev", "route_sent": "x", "route_acked": "x"}])
    mesh(dump(("b", 90), ("c", 10)), virtual_service(("b", 90), ("c", 10)))

    found = wait_for_proxies(api, strategy=strategy_for(api, ["dev"]))

    assert [state.state for state in found.proxies] == ["SYNCED"]


def test_an_istiod_that_asks_for_a_token(mesh, istiod, api, server, monkeypatch):
    server.refuse("GET", istiod, 401, "Unauthorized", "no")
    monkeypatch.setattr(api, "shared", True)
    mesh(dump(("b", 90), ("c", 10)), virtual_service(("b", 90), ("c", 10)))

    assert strategy_for(api, ["dev"]).wait("", 5)[0].state == "SYNCED"
    asked = sum(path == istiod for _, path, *_ in server.requests)
    strategy_for(api).wait("", 5)
    assert sum(path == istiod for _, path, *_ in server.requests) == asked, "it is remembered"


def test_the_books_own_istiod_is_not_given_up(istiod, api, server):
    server.refuse("GET", istiod, 503, "ServiceUnavailable", "it is being restarted")

    with pytest.raises(Exception, match="restarted"):
        strategy_for(api, ["dev"]).wait("", 1)
    server.answer("GET", istiod, {"converged": True, "proxies": []})
    assert strategy_for(api).wait("", 1) == AskIstiod(api).wait("", 1) == ()


def test_names_of_hosts():
    same = [("b.dev", "", 10), ("c.dev", "", 90)]
    for hosts in (("b", "c"), ("b.dev.svc.cluster.local", "c.dev.svc.other.domain")):
        assert wanted_ways(virtual_service(*zip(hosts, (10, 90), strict=True))) == [tuple(same)]
    assert [way for _, way in ways(dump(("b", 10), ("c", 90)))] == [tuple(same)]


def test_weights_that_are_none():
    alone = [(("b.dev", "", 100),)]

    assert wanted_ways(virtual_service(("b", 0))) == alone
    assert wanted_ways(virtual_service(("b", 70), ("c", 0))) == alone
    assert [way for _, way in ways(dump(("b", 70)))] == alone
