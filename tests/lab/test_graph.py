"""lab.graph() on a real mesh: what proxies have written becomes arrows, and nothing else does."""

import time

import pytest

from labkit.kube.api.api import MERGE_PATCH
from labkit.kube.api.resources import DEPLOYMENTS
from labkit.views.drawing import Words

from .. import the_book as cast

IN, AGAIN = "ingress gateway", "ingress gateway (from inside)"


def calls(graph):
    """(source, destination) → requests."""
    table = graph.table
    return {(row.source, row.destination): row.requests for row in table.itertuples()}


def test_the_picture_grows_with_the_scenario(lab):
    lab.goto(2)
    assert calls(lab.graph(of=lab.send("/service-a", requests=10))) == {
        ("client", IN): 10,
        (IN, "ServiceA"): 10,
    }

    lab.goto(2, finished=True)
    found = calls(lab.graph(of=lab.send("/service-a", requests=10)))
    assert found == {("client", IN): 10, (IN, "ServiceA"): 10, ("ServiceA", "ServiceB"): 10}


def test_a_split_with_a_dead_end(lab):
    lab.goto(3, finished=True)
    answers = lab.send("/service-a", requests=60, concurrency=4)

    graph = lab.graph(of=answers)

    through_c = int((answers["service"] == "ServiceC").sum())
    found = calls(graph)
    assert found["ServiceA", "ServiceB"] + found["ServiceA", "ServiceC"] == 60
    assert found["ServiceC", AGAIN] == found[AGAIN, "✗ 404 no route"] == through_c
    failed = graph.table[graph.table["errors"] > 0]
    assert set(failed["source"]) == {"ServiceC", AGAIN}
    assert (failed["errors"] == through_c).all()


def test_the_long_way_passes_the_ingress_gateway_twice(lab):
    lab.goto(6, finished=True)
    graph = lab.graph(of=lab.curl("/service-a"))

    assert calls(graph) == {
        ("client", IN): 1,
        (IN, "ServiceA"): 1,
        ("ServiceA", "ServiceC"): 1,
        ("ServiceC", "egress gateway"): 1,
        ("egress gateway", AGAIN): 1,
        (AGAIN, "External Cluster Service"): 1,
    }
    by_mutual_tls = graph.table[graph.table["mutual_tls"] == 1]
    assert set(zip(by_mutual_tls["source"], by_mutual_tls["destination"], strict=True)) == {
        (IN, "ServiceA"),
        ("ServiceA", "ServiceC"),
        (AGAIN, "External Cluster Service"),
    }, "a gateway's port 80 is called in plain text"


def test_an_unknown_host_and_a_pod_without_proxy(lab):
    lab.goto(5)
    lab.apply("outside.yml")
    lab.apply("outbound.yml")
    refused = lab.graph(of=lab.curl("/outbound"))
    lab.outbound_policy("ALLOW_ANY")
    passed = lab.graph(of=lab.curl("/outbound"))
    lab.outbound_policy("REGISTRY_ONLY")

    assert calls(refused)["Outbound", "✗ 502 unknown host"] == 1
    assert calls(passed)["Outbound", "outside-deployment"] == 1


def test_the_last_seconds_and_no_more(lab):
    lab.goto(1, finished=True)
    started = time.monotonic()
    lab.send("/service-a", requests=20)
    found = calls(lab.graph(last=time.monotonic() - started + 5))
    assert found["client", IN] >= 20

    deadline = time.monotonic() + 20
    while calls(lab.graph(last=1)):  # the lines grow older than a second
        assert time.monotonic() < deadline
    assert "No request was seen" in str(lab.graph(last=1))


def test_replicas_are_one_card(lab):
    lab.goto(2, finished=True)
    path = DEPLOYMENTS.path(cast.HOME, cast.SERVICE_B.deployment)
    lab.api.request("PATCH", path, body={"spec": {"replicas": 2}}, content_type=MERGE_PATCH)
    lab.wait()

    words = {shape.text for shape in lab.graph().drawing.shapes if isinstance(shape, Words)}

    assert "ServiceB ×2" in words


@pytest.fixture(autouse=True)
def _nothing_stays(lab):
    """Each test leaves what the others may start from."""
    yield
    lab.goto(1)
