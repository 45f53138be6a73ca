"""Who uses what was applied, asked of istiod through the API server."""

import pytest

from labkit.errors import WaitTimeout
from labkit.kube.convergence import AskIstiod, ProxyState, wait_for_proxies
from labkit.kube.resources import NAMESPACES

PATH = "/api/v1/namespaces/istio-system/pods"


def istiod(name="istiod-1", ready=True):
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"metadata": {"name": name, "namespace": "istio-system"}, "status": {"conditions": [condition]}}


def proxy(state, error=""):
    return {"proxy": f"{state.lower()}.ns", "state": state, "error": error}


@pytest.fixture
def mesh(server):
    """Sets what istiod's page says."""

    def say(*proxies, converged=True, pod="istiod-1"):
        server.answer("GET", PATH, {"items": [istiod(pod)], "metadata": {}})
        page = {"converged": converged, "proxies": list(proxies)}
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
