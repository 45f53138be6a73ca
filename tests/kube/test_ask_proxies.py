"""What proxies have, compared with what VirtualServices say."""

import concurrent.futures
import time

import pytest

from labkit.errors import WaitTimeout
from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.kube.convergence import ask_proxies, evidence
from labkit.kube.convergence.acknowledgement import NOT_ASKED
from labkit.kube.convergence.ask_istiod import AskIstiod
from labkit.kube.convergence.ask_proxies import AskProxies
from labkit.kube.convergence.convergence import strategy_for, wait_for_proxies
from labkit.kube.mesh.ways import wanted_ways, ways
from labkit.kube.proxies.proxy_view import Allowance

PODS = "/api/v1/namespaces/dev/pods"
POD = f"{PODS}/a-1"
ISTIODS = "/api/v1/namespaces/istio-system/pods"
FORM = "/apis/networking.istio.io/v1/namespaces/dev/virtual-service/"
RULE = ("vs", "dev")
OLD, NEW = (("b", 50), ("c", 50)), (("b", 90), ("c", 10))


def virtual_service(*weights, name="vs"):
    route = [{"destination": {"host": host}, "weight": weight} for host, weight in weights]
    return {"metadata": {"name": name, "namespace": "dev"}, "spec": {"http": [{"route": route}]}}


def routes(*weights, name="vs"):
    clusters = [{"name": f"outbound|80||{h}.dev.svc.cluster.local", "weight": w} for h, w in weights]
    route = {
        "route": {"weighted_clusters": {"clusters": clusters}},
        "metadata": {"filter_metadata": {"istio": {"config": FORM + name}}},
    }
    return {"name": "80", "virtual_hosts": [{"routes": [route]}]}


class Envoy:
    """A proxy's admin interface: what it has, and what was asked of it."""

    def __init__(self, config, *, error="", used="active_state"):
        self.config, self.error, self.used = config, error, used
        self.added = 1
        self.asked = []

    def config_dump(self, query, _):
        self.asked.append(query)
        found = self._entries(query["resource"], "mask" in query)
        return 200, {"configs": found} if found else {}

    def stats(self, *_):
        counts = {"listener_added": self.added, "lds.update_rejected": int(bool(self.error))}
        named = [{"name": f"listener_manager.{name}", "value": value} for name, value in counts.items()]
        return 200, {"stats": [*named, {"histograms": {}}]}

    def _entries(self, resource, masked):
        moment = {"last_updated": str(self.config)}
        if resource == "dynamic_route_configs":
            return [{"route_config": {"name": "80"} if masked else self.config, **moment}]
        if resource == "dynamic_listeners":
            wants = {"listener": {"filter_chains": [{"rds": {"route_config_name": "80"}}]}}
            failed = {"error_state": {"details": self.error}} if self.error else {}
            return [{"name": "0.0.0.0_80", self.used: wants} | failed]
        return []

    @property
    def read(self):
        """How often its routes themselves were read."""
        return sum(q["resource"] == "dynamic_route_configs" and "mask" not in q for q in self.asked)


def pod(name):
    proxy = {"name": "istio-proxy", "args": ["proxy", "sidecar"]}
    metadata = {"name": name, "namespace": "dev", "labels": {"app": name}}
    return {"metadata": metadata, "spec": {"containers": [proxy]}, "status": {"podIP": "10.0.0.1"}}


@pytest.fixture
def mesh(server):
    """Pods whose proxies are asked through the pod proxy; sets what they have and what the rules are."""

    def say(envoys, *rules):
        given = envoys if isinstance(envoys, list) else [envoys]
        pods = [pod(f"a-{number}") for number, _ in enumerate(given, start=1)]
        server.answer("GET", PODS, {"items": pods, "metadata": {}})
        for each, envoy in zip(pods, given, strict=True):
            path = f"{PODS}/{each['metadata']['name']}"
            for way in ("exec", "portforward"):
                server.refuse("GET", f"{path}/{way}", 403, "Forbidden", "no")
            server.answer("GET", f"{path}:15000/proxy/config_dump", envoy.config_dump)
            server.answer("GET", f"{path}:15000/proxy/stats", envoy.stats)
        server.answer("GET", VIRTUAL_SERVICES.path("dev"), {"items": list(rules), "metadata": {}})

    return say


@pytest.fixture
def never_quiet(monkeypatch):
    """Silence shows nothing."""
    monkeypatch.setattr(evidence, "QUIET", 60)
    monkeypatch.setattr(evidence, "SETTLED", 60)


def states(found):
    return [each.state for each in found]


def test_it_has_what_the_rule_says(mesh, api):
    mesh(Envoy(routes(*NEW)), virtual_service(*NEW))

    assert states(AskProxies(api, ["dev"]).wait("", 5)) == ["SYNCED"]


def test_other_weights(mesh, api):
    mesh(Envoy(routes(*OLD)), virtual_service(*NEW))

    with pytest.raises(
        WaitTimeout, match=r"a-1\.dev is STALE \(a route of VirtualService vs leads elsewhere"
    ):
        AskProxies(api, ["dev"]).wait("", 0.3)


def test_a_rule_that_is_gone(mesh, api):
    mesh(Envoy(routes(*OLD)))

    with pytest.raises(WaitTimeout, match="VirtualService vs, which is gone"):
        AskProxies(api, ["dev"]).wait("", 0.3)


def test_routes_of_a_listener_that_drains_are_not_in_use(mesh, api):
    mesh(Envoy(routes(*OLD), used="draining_state"))

    assert states(AskProxies(api, ["dev"]).wait("", 5)) == ["SYNCED"]


def test_a_change_that_is_seen_to_arrive_is_not_waited_for(mesh, api, never_quiet):
    envoys = [Envoy(routes(*OLD)), Envoy(routes(*OLD))]
    mesh(envoys, virtual_service(*NEW))
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(AskProxies(api, ["dev"]).wait, "", 10, [RULE])
        _until(lambda: all(envoy.read for envoy in envoys))
        envoys[0].config = routes(*NEW)
        _until(lambda: envoys[0].read == 2)
        assert not waiting.done(), "the other has it not yet"
        envoys[1].config = routes(*NEW)

        assert states(waiting.result()) == ["SYNCED", "SYNCED"]


def test_what_was_seen_at_an_earlier_wait_has_arrived_since(mesh, api, monkeypatch):
    monkeypatch.setattr(evidence, "QUIET", 0.1)
    envoy, strategy = Envoy(routes(*OLD)), AskProxies(api, ["dev"])
    mesh(envoy, virtual_service(*OLD))
    strategy.wait("", 5)
    envoy.config = routes(*NEW)
    mesh(envoy, virtual_service(*NEW))
    monkeypatch.setattr(evidence, "QUIET", 60)

    assert states(strategy.wait("", 5, [RULE])) == ["SYNCED"]


def test_what_was_so_all_along_is_no_sign(mesh, api, never_quiet):
    """Another change of the rule, which its weights do not show, may still be to come."""
    mesh(Envoy(routes(*NEW)), virtual_service(*NEW))

    with pytest.raises(WaitTimeout, match="istiod is still at work"):
        AskProxies(api, ["dev"]).wait("", 0.3, [RULE])


def test_routes_are_read_when_they_have_changed(mesh, api, monkeypatch):
    monkeypatch.setattr(evidence, "QUIET", 0.2)
    envoy, strategy = Envoy(routes(*NEW)), AskProxies(api, ["dev"])
    mesh(envoy, virtual_service(*NEW))
    strategy.wait("", 5)
    assert (envoy.read, len(envoy.asked) > 3) == (1, True)
    envoy.config = routes(*OLD)
    mesh(envoy, virtual_service(*OLD))
    strategy.wait("", 5)

    assert envoy.read == 2


def test_what_is_too_much_for_one_look_is_read_in_several(mesh, api, monkeypatch):
    monkeypatch.setattr(evidence, "QUIET", 0.1)
    envoys = [Envoy(routes(*NEW)) for _ in range(4)]
    mesh(envoys, virtual_service(*NEW))

    assert states(AskProxies(api, ["dev"]).wait("", 5)) == ["SYNCED"] * 4
    assert [envoy.read for envoy in envoys] == [1] * 4


def test_an_allowance():
    known = Allowance(100)
    assert [known.take(size) for size in (70, 40, 30, 1)] == [True, False, True, False]
    assert [Allowance(100).take(size) for size in (None, 500)] == [True, True], "the first always"
    some = Allowance(100)
    assert [some.take(1), some.take(None), some.take(99)] == [True, False, True]


def test_a_refusal(mesh, api):
    mesh(Envoy(routes(*NEW), error="bad filter"), virtual_service(*NEW))

    (state,) = AskProxies(api, ["dev"]).wait("", 5)

    assert (state.state, state.error) == ("NACK", "bad filter")


def test_it_waits_while_something_changes(mesh, api, monkeypatch):
    monkeypatch.setattr(evidence, "QUIET", 0.3)
    monkeypatch.setattr(evidence, "SETTLED", 0.3)

    class Changing(Envoy):
        def stats(self, *_):
            self.added = min(self.added + 1, 10)
            return super().stats()

    envoy = Changing(routes(*NEW))
    mesh(envoy, virtual_service(*NEW))

    AskProxies(api, ["dev"]).wait("", 10)

    assert envoy.added == 10


def test_who_may_not_be_asked_is_told(mesh, api, server, monkeypatch):
    monkeypatch.setattr(ask_proxies, "_UNASKED", 0.1)
    monkeypatch.setattr(evidence, "QUIET", 0.1)
    mesh(Envoy(routes()))
    server.refuse("GET", f"{POD}:15000/proxy/stats", 403, "Forbidden", "no")

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
    mesh(Envoy(routes(*NEW)), virtual_service(*NEW))

    found = wait_for_proxies(api, strategy=strategy_for(api, ["dev"]))

    assert [state.state for state in found.proxies] == ["SYNCED"]


def test_an_istiod_that_asks_for_a_token(mesh, istiod, api, server, monkeypatch):
    server.refuse("GET", istiod, 401, "Unauthorized", "no")
    monkeypatch.setattr(api, "shared", True)
    mesh(Envoy(routes(*NEW)), virtual_service(*NEW))

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
    assert [way for _, way in ways(routes(("b", 10), ("c", 90)))] == [tuple(same)]


def test_weights_that_are_none():
    alone = [(("b.dev", "", 100),)]

    assert wanted_ways(virtual_service(("b", 0))) == alone
    assert wanted_ways(virtual_service(("b", 70), ("c", 0))) == alone
    assert [way for _, way in ways(routes(("b", 70)))] == alone


def _until(happened):
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)
