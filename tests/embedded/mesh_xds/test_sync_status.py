"""Who has what: the page that apply waits on."""

import asyncio
import json

import pytest

from labkit.embedded.mesh.fleet import _confirmed
from labkit.embedded.mesh.proxy import Proxy


def states(page):
    return {each["pod"]: each["state"] for each in page["proxies"]}


async def test_a_running_proxy_that_has_not_called_is_listed_and_waited_for(handmade):
    pod = handmade.pod("late")
    page = await handmade.debug(f"/debug/syncz?revision={handmade.client.revision}&timeout=0.1")
    assert states(page) == {"late": "NOT CONNECTED"}
    assert not page["converged"]
    waiting = asyncio.create_task(handmade.synced())
    handmade.launch(pod)
    assert states(await waiting) == {"late": "SYNCED"}


async def test_a_proxy_that_does_not_run_is_not_waited_for(handmade):
    handmade.pod("waiting", running=False)
    page = await handmade.synced(seconds=1)
    assert page["proxies"] == []


async def test_a_pod_that_is_gone_is_not_waited_for(handmade):
    envoy = handmade.envoy("a")
    await handmade.synced()
    handmade.client.delete("pods", "a", "default", grace_seconds=0)
    envoy.process.send_signal(19)  # stopped: it will not answer
    await handmade.synced(handmade.change(), seconds=2)


async def test_a_proxy_that_does_not_answer_holds_the_answer_back_until_the_time_is_over(
    handmade, backend, resources
):
    one, two = await backend("one"), await backend("two")
    handmade.snapshots["a"] = lambda proxy: resources.gateway(proxy, {"one": one}, {"one": 1})
    envoy = handmade.envoy("a")
    await handmade.synced()
    envoy.process.send_signal(19)
    handmade.snapshots["a"] = lambda proxy: resources.gateway(proxy, {"one": one, "two": two}, {"two": 1})
    revision = handmade.change()
    page = await handmade.debug(f"/debug/syncz?revision={revision}&timeout=0.2")
    assert (states(page), page["converged"]) == ({"a": "STALE"}, False)
    assert page["proxies"][0]["revision"] < revision
    envoy.process.send_signal(18)
    page = await handmade.synced(revision)
    assert states(page) == {"a": "SYNCED"}
    assert page["proxies"][0]["revision"] >= revision


async def test_a_revision_that_concerns_nobody_is_answered_at_once(handmade):
    handmade.envoy("a")
    await handmade.synced()
    pushes = len(handmade.lines)
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": "default"}}
    revision = int(handmade.client.create("configmaps", found)["metadata"]["resourceVersion"])
    page = await handmade.synced(revision, seconds=1)
    assert page["proxies"][0]["revision"] >= revision
    assert len(handmade.lines) == pushes


async def test_istiods_own_list_and_a_path_with_an_empty_part(handmade):
    handmade.envoy("a")
    await handmade.synced()
    (entry,) = await handmade.debug("/debug//syncz?namespace=default")
    assert (entry["proxy"], entry["proxy_type"]) == ("a.default", "sidecar")
    assert entry["cluster_sent"] == entry["cluster_acked"] != ""
    assert {"sent", "acked", "sentTime"} == set(next(iter(entry["resources"].values())))
    assert await handmade.debug("/debug/syncz?namespace=other") == []


async def test_wrong_questions_are_told_what_is_wrong(handmade):
    with pytest.raises(Exception, match="400"):
        await handmade.debug("/debug/syncz?revision=x")
    with pytest.raises(Exception, match="404"):
        await handmade.debug("/debug/config_dump?proxyID=nobody.default")


async def test_config_dump_and_registry_show_what_is_published(handmade, backend, resources):
    one = await backend("one")
    handmade.snapshots["a"] = lambda proxy: resources.gateway(proxy, {"one": one}, {"one": 1})
    handmade.envoy("a")
    await handmade.synced()
    dump = json.dumps(await handmade.debug("/debug/config_dump?proxyID=a.default"))
    assert all(kind in dump for kind in ("ClustersConfigDump", "RoutesConfigDump", '"http.8080"', '"one"'))
    assert await handmade.debug("/debug/registryz") == []
    assert await handmade.debug("/debug/endpointz") == []


async def test_wrong_mesh_settings_are_told_and_the_last_good_ones_hold(handmade, backend, resources):
    one = await backend("one")
    handmade.envoy("a")
    handmade.change()
    await handmade.synced()
    for text in ("outboundTrafficPolicy: {mode: SOMETIMES}", "a: b: c", "[1]"):
        handmade.client.patch("configmaps", "istio", "istio-system", {"data": {"mesh": text}})
        page = await handmade.synced()
        assert "ConfigMap istio-system/istio) not taken over: " in page["error"]
    handmade.snapshots["a"] = lambda proxy: resources.gateway(proxy, {"one": one}, {"one": 1})
    handmade.pod("other", running=False)
    page = await handmade.synced()
    assert page["proxies"][0]["types"]["CDS"]["resources"] == ["one"], "other changes still come through"
    handmade.change()
    assert (await handmade.synced())["error"] == ""


async def test_a_second_istiod_waits_and_takes_over(handmade):
    handmade.envoy("a")
    await handmade.synced()
    lines, ready = [], asyncio.Event()
    pod = {"metadata": {"name": "istiod-2", "namespace": "istio-system"}}
    second = asyncio.create_task(handmade.plane.run(pod, lines.append, lambda _: ready.set()))
    await asyncio.wait_for(ready.wait(), 1)
    first, handmade.task = handmade.task, second
    first.cancel()
    await handmade.logged("new connection", lines=lines)
    await handmade.synced(handmade.change())


def pod(ip="127.9.0.1", args=("proxy", "sidecar"), labels=None):
    containers = [{"name": "istio-proxy", "args": list(args)}]
    return {
        "metadata": {"name": "a", "namespace": "n", "labels": labels},
        "spec": {"containers": containers},
        "status": {"podIP": ip},
    }


CLAIM = Proxy.from_node("sidecar~127.9.0.1~a.n~n.svc.cluster.local", {"LABELS": {"app": "forged"}})


def test_labels_are_those_of_the_pod():
    assert _confirmed(CLAIM, pod(labels={"app": "real"})).labels == {"app": "real"}


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="no such pod"),
        pytest.param(pod(ip="127.9.0.2"), id="another address"),
        pytest.param(pod(ip=""), id="no address yet"),
        pytest.param(pod(args=("proxy", "router")), id="another type"),
        pytest.param({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app"}]}}, id="no proxy"),
    ],
)
def test_a_claim_that_no_pod_bears_out_is_not_believed(found):
    with pytest.raises(ValueError, match="pod"):
        _confirmed(CLAIM, found)


async def test_a_proxy_whose_pod_appears_later_is_served_then(handmade):
    pod = handmade.pod("a")
    handmade.client.patch("pods", "a", "default", {"status": {"podIP": ""}}, subresource="status")
    handmade.launch(pod)
    await handmade.logged("new connection")
    assert states(await handmade.debug("/debug/syncz?revision=0"))["a"] != "SYNCED"
    handmade.client.patch(
        "pods", "a", "default", {"status": {"podIP": pod["status"]["podIP"]}}, subresource="status"
    )
    assert states(await handmade.synced()) == {"a": "SYNCED"}
