"""Convergence by asking real proxies, as on a mesh whose istiod can't tell."""

import pytest

from labkit.errors import WaitTimeout
from labkit.kube.api.resources import PODS, VIRTUAL_SERVICES
from labkit.kube.api.wait import wait_for_rollouts, wait_until_gone
from labkit.kube.applying.apply import apply
from labkit.kube.convergence.acknowledgement import NOT_ASKED
from labkit.kube.convergence.ask_proxies import AskProxies
from labkit.kube.convergence.convergence import wait_for_proxies
from labkit.kube.proxies.admin_connections import AdminConnections
from labkit.kube.proxies.proxies import find_proxies
from labkit.kube.proxies.running import GATEWAYS

from .. import the_book as cast
from ..shares import give

pytestmark = pytest.mark.slow

ISTIOD = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"


@pytest.fixture
def strategy(lab):
    lab.goto(3, finished=True)
    return AskProxies(lab.api, (*cast.NAMESPACES, cast.SYSTEM))


def test_the_proxies_have_the_weights_when_it_says_so(lab, strategy):
    found = give(lab.api, "ServiceC", 30, strategy=strategy).acknowledged

    assert {state.state for state in found.proxies} == {"SYNCED"}
    table = lab.routes("service-a")
    assert table[table["rule"] == "producer-internal-host-vs"]["weight"].tolist() == [70, 30]


def test_each_proxy_is_asked_over_one_connection(lab, strategy):
    kept = lab.api.keep("proxies' admin", lambda: AdminConnections(lab.api))
    strategy.wait("", 10)
    before = dict(kept._open)
    for c in (10, 20, 30):
        give(lab.api, "ServiceC", c, strategy=strategy)

    assert len(before) == len(find_proxies(lab.api, (*cast.NAMESPACES, cast.SYSTEM)))
    assert kept._open == before


def test_a_proxy_that_dies_meanwhile_is_followed_by_the_next(lab, strategy):
    strategy.wait("", 10)
    pods = lab.api.items(PODS.path(cast.HOME), labelSelector="app=service-b-app")
    (name,) = [pod["metadata"]["name"] for pod in pods]
    lab.api.request("DELETE", PODS.path(cast.HOME, name))
    found = strategy.wait("", 20)
    wait_until_gone(lab.api, PODS, cast.HOME, name)
    wait_for_rollouts(lab.api, [(cast.HOME, "service-b-deployment")])
    later = strategy.wait("", 20)

    assert {state.state for state in found} <= {"SYNCED", NOT_ASKED}
    assert {state.state for state in later} == {"SYNCED"}
    assert f"{name}.{cast.HOME}" not in {state.proxy for state in later}


def test_a_gateway_without_rules_is_done_while_its_listener_drains(lab, strategy):
    lab.api.request("DELETE", f"{GATEWAYS.path(cast.HOME)}/service-a-gw")
    lab.api.request("DELETE", f"{VIRTUAL_SERVICES.path(cast.HOME)}/inbound-to-service-a-vs")

    assert {state.state for state in strategy.wait("", 10)} == {"SYNCED"}


@pytest.fixture
def no_istiod(lab, strategy):
    api = lab.api
    pods = api.items(PODS.path("istio-system"), labelSelector="app=istiod")
    scale(api, 0)
    for pod in pods:
        wait_until_gone(api, PODS, "istio-system", pod["metadata"]["name"])
    yield
    scale(api, 1)
    wait_for_proxies(api)


def test_proxies_that_hear_nothing_are_named(lab, strategy, no_istiod):
    apply(lab.api, lab.manifest("producer-internal-host-90-c-vs.yml"), cast.HOME)

    with pytest.raises(WaitTimeout, match=r"STALE .a route of VirtualService producer-internal-host-vs"):
        strategy.wait("", 1.0)
    scale(lab.api, 1)

    assert {state.state for state in strategy.wait("", 20)} == {"SYNCED"}


def scale(api, replicas):
    body = {"spec": {"replicas": replicas}}
    api.request("PATCH", ISTIOD, body=body, content_type="application/merge-patch+json")
    wait_for_rollouts(api, [("istio-system", "istiod")])
