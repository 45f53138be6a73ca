"""One proxy is read for those that have as many routes: a fake of two admin interfaces and of istiod's."""

import concurrent.futures
import json
import time
from urllib.parse import parse_qsl, urlsplit

import pytest

from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.kube.convergence import evidence, leading
from labkit.kube.convergence.ask_proxies import AskProxies
from labkit.kube.convergence.pushes import push_of

from .test_ask_proxies import ISTIODS, NEW, OLD, PODS, RULE, Envoy, pod, routes, states, virtual_service

UUID = "1f3a9c52-0d7e-4b61-9a55-2b8f3f6d7c10"


class Big(Envoy):
    """An Envoy with many routes, which counts what it hears."""

    def __init__(self, *weights):
        super().__init__(many(*weights))
        self.heard = 1

    def stats(self, *_):
        code, said = super().stats()
        said["stats"].append({"name": "cluster.xds-grpc.upstream_cx_rx_bytes_total", "value": self.heard})
        return code, said

    def take(self, *weights):
        self.config, self.heard = many(*weights), self.heard + 1


def many(*weights):
    return routes(*weights) | {"padding": "." * leading._MUCH}


class Mesh:
    """Stands for the connections to the pods' own ports."""

    def __init__(self):
        self.envoys = {"a-1": Big(*OLD), "a-2": Big(*OLD)}
        self.pushes = {"a-1": ("2026-11-30T13:00:00Z/7", "2026-11-30T13:00:00Z/7")}
        self.pushes["a-2"] = self.pushes["a-1"]
        self.asked_istiod = 0

    def get(self, place, page):
        query = dict(parse_qsl(urlsplit(page).query))
        if place.pod == "istiod-1":
            self.asked_istiod += 1
            return self._syncz()
        if "resource" not in query:
            code, said = self.envoys[place.pod].stats()
        else:
            code, said = self.envoys[place.pod].config_dump(query, None)
        return code, json.dumps(said).encode()

    def close(self):
        pass

    def _syncz(self):
        entries = [
            {"proxy": f"{name}.dev", "route_sent": sent + UUID, "route_acked": acked + UUID}
            for name, (sent, acked) in self.pushes.items()
        ]
        return 200, json.dumps(entries).encode()

    def push(self, number, *acked):
        """Push *number* is sent to both, and those named have acknowledged it."""
        new = f"2026-11-30T13:00:09Z/{number}"
        self.pushes = {name: (new, new if name in acked else old) for name, (_, old) in self.pushes.items()}


@pytest.fixture
def mesh(server, api):
    made = Mesh()
    api.keep("proxies' admin", lambda: made)
    server.answer("GET", PODS, {"items": [pod("a-1"), pod("a-2")], "metadata": {}})
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    metadata = {"name": "istiod-1", "namespace": "istio-system"}
    server.answer("GET", ISTIODS, {"items": [{"metadata": metadata, "status": ready}], "metadata": {}})
    return made


@pytest.fixture
def strategy(api, server, mesh, monkeypatch):
    """It has read both, and silence shows nothing from now on."""
    monkeypatch.setattr(evidence, "QUIET", 0.1)
    rule(server, *OLD)
    made = AskProxies(api, ["dev"])
    made.wait("", 5)
    assert [envoy.read for envoy in mesh.envoys.values()] == [1, 1]
    monkeypatch.setattr(evidence, "QUIET", 60)
    monkeypatch.setattr(evidence, "SETTLED", 60)
    rule(server, *NEW)
    return made


def rule(server, *weights):
    said = {"items": [virtual_service(*weights)], "metadata": {}}
    server.answer("GET", VIRTUAL_SERVICES.path("dev"), said)


def test_the_first_is_read_and_istiod_is_asked_about_the_other(mesh, strategy):
    first, second = mesh.envoys.values()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(strategy.wait, "", 10, [RULE])
        second.take(*NEW)
        mesh.push(8, "a-2")
        time.sleep(0.05)
        assert not waiting.done(), "nobody knows yet that it is in push 8"
        first.take(*NEW)

        assert states(waiting.result()) == ["SYNCED"] * 2
    assert (first.read, second.read) == (2, 1)


def test_the_other_has_not_acknowledged_it_yet(mesh, strategy):
    mesh.envoys["a-1"].take(*NEW)
    mesh.push(8, "a-1")
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(strategy.wait, "", 10, [RULE])
        _until(lambda: mesh.asked_istiod >= 2)
        assert not waiting.done()
        mesh.push(9, "a-1", "a-2")

        assert states(waiting.result()) == ["SYNCED"] * 2
    assert mesh.envoys["a-2"].read == 1


def test_whom_another_istiod_serves_is_read(mesh, strategy, monkeypatch):
    monkeypatch.setattr(leading, "_PATIENCE", 0.1)
    del mesh.pushes["a-2"]
    for envoy in mesh.envoys.values():
        envoy.take(*NEW)

    assert states(strategy.wait("", 10, [RULE])) == ["SYNCED"] * 2
    assert mesh.envoys["a-2"].read == 2


@pytest.mark.parametrize("said", [(401, b"no"), (200, b"{}"), (200, b"<html>")])
def test_an_istiod_that_can_not_tell_is_asked_once(mesh, strategy, server, monkeypatch, said):
    monkeypatch.setattr(mesh, "_syncz", lambda: said)
    for weights in (NEW, OLD):
        rule(server, *weights)
        for envoy in mesh.envoys.values():
            envoy.take(*weights)
        assert states(strategy.wait("", 10, [RULE])) == ["SYNCED"] * 2

    assert mesh.asked_istiod == 1


def test_who_has_heard_nothing_is_not_asked_again(mesh, strategy, server, monkeypatch):
    monkeypatch.setattr(evidence, "QUIET", 0.1)
    rule(server, *OLD)
    dumps = [len(envoy.asked) for envoy in mesh.envoys.values()]
    strategy.wait("", 5)
    assert [len(envoy.asked) for envoy in mesh.envoys.values()] == dumps
    mesh.envoys["a-1"].heard += 1
    strategy.wait("", 5)

    now = [len(envoy.asked) for envoy in mesh.envoys.values()]
    assert (now[0] > dumps[0], now[1]) == (True, dumps[1])


def test_pushes_by_their_nonces():
    assert push_of(f"2026-11-30T13:00:00Z/17{UUID}") == ("2026-11-30T13:00:00Z", 17)
    assert push_of("") is None
    assert push_of(UUID) is None
    assert push_of(f"17{UUID}") is None


def _until(happened):
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)
