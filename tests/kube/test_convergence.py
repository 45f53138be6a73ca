"""Who uses what was applied, asked of istiod through the API server."""

import pytest

from labkit.errors import WaitTimeout
from labkit.kube.api.resources import NAMESPACES
from labkit.kube.convergence.acknowledgement import ProxyState
from labkit.kube.convergence.ask_istiod import AskIstiod
from labkit.kube.convergence.convergence import wait_for_proxies

PATH = "/api/v1/namespaces/istio-system/pods"


def istiod(name="istiod-1", ready=True):
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"metadata": {"name": name, "namespace": "istio-system"}, "status": {"conditions": [condition]}}


def proxy(state, error=""):
    return {"proxy": f"{state.lower()}.ns", "state": state, "error": error}


@pytest.fixture
def mesh(server):
    """Sets what istiod's page says."""

    def say(*proxies, converged=True, pod="istiod-1", objects=()):
        server.answer("GET", PATH, {"items": [istiod(pod)], "metadata": {}})
        page = {"converged": converged, "proxies": list(proxies), "objects": list(objects)}
        server.answer("GET", f"{PATH}/{pod}:15014/proxy/debug/syncz", page)

    server.answer("GET", NAMESPACES.path(), {"metadata": {"resourceVersion": "42"}, "items": []})
    return say


def test_all_have_it(mesh, api, server):
    mesh(proxy("SYNCED"))

    found = wait_for_proxies(api)

    assert found.proxies == (ProxyState("synced.ns", "SYNCED"),)
    assert str(found).startswith("acknowledged by 1 proxy in ")
    query = next(q for _, path, q, *_ in server.requests if path.endswith("syncz"))
    assert query["revision"] == "42"
    assert float(query["timeout"]) > 20


def test_a_refusal_is_told(mesh, api):
    mesh(proxy("SYNCED"), proxy("NACK", "LDS: bad weight"))

    found = wait_for_proxies(api, "7")

    assert [one.proxy for one in found.refusals] == ["nack.ns"]
    assert "refused by nack.ns: LDS: bad weight" in str(found)


def test_no_proxy_at_all_is_told_with_the_reason(mesh, api):
    mesh()

    assert str(wait_for_proxies(api, "7")).startswith("no proxy uses it: none is connected, for no pod has")


def test_a_push_that_everybody_refuses_is_no_acknowledgement(mesh, api):
    mesh(proxy("NACK", "LDS: bad weight"), proxy("ERROR", "CDS x: bad"))

    words = str(wait_for_proxies(api, "7")).splitlines()

    assert words[0] == "no proxy has acknowledged it"
    assert words[1:] == ["refused by nack.ns: LDS: bad weight", "refused by error.ns: CDS x: bad"]


def test_an_object_that_is_not_in_force_is_told(mesh, api):
    fault = {"kind": "VirtualService", "namespace": "ns", "name": "a", "effect": "it has no effect"}
    mesh(proxy("SYNCED"), objects=[{**fault, "error": "RDS: bad"}])

    words = str(wait_for_proxies(api, "7")).splitlines()

    assert words[1:] == ["not in force: VirtualService ns/a: it has no effect: RDS: bad"]


def test_laggards_are_named(mesh, api):
    mesh(proxy("SYNCED"), proxy("STALE"), proxy("NOT CONNECTED", "has not called"), converged=False)

    with pytest.raises(WaitTimeout, match=r"stale\.ns is STALE; not connected\.ns is NOT CONNECTED \(has"):
        wait_for_proxies(api, "7", timeout=0)


def test_no_istiod_is_a_sentence(server, api):
    server.answer("GET", PATH, {"items": [istiod(ready=False)], "metadata": {}})

    with pytest.raises(WaitTimeout, match="istiod is not running"):
        wait_for_proxies(api, "7")


def test_an_istiod_of_another_name_is_found(mesh, api, server):
    strategy = AskIstiod(api)
    mesh(proxy("SYNCED"))
    wait_for_proxies(api, "7", strategy=strategy)
    server.refuse("GET", f"{PATH}/istiod-1:15014/proxy/debug/syncz", 404, "NotFound", "gone")
    mesh(proxy("SYNCED"), pod="istiod-2")

    assert wait_for_proxies(api, "8", strategy=strategy).proxies


def test_the_pod_is_looked_up_once(mesh, api, server):
    strategy = AskIstiod(api)
    mesh(proxy("SYNCED"))

    for revision in ("7", "8", "9"):
        wait_for_proxies(api, revision, strategy=strategy)

    assert sum(path == PATH for _, path, *_ in server.requests) == 1
