"""Routing tables, read from real proxies."""

import pytest

from labkit.errors import UsageError, WaitFailed
from labkit.kube.proxies.proxies import find_proxies
from labkit.kube.proxies.proxy_admin import AdminRefused, ask, run

pytestmark = pytest.mark.slow

B, C = "producer-internal-host.dev-service-mesh:80", "service-c-srv.dev-service-mesh:80"
SHARES = ["host", "destination", "weight"]


def rows(frame, *columns):
    return list(frame[list(columns)].itertuples(index=False, name=None))


def test_a_gateway_with_two_rules(lab):
    lab.goto(4, finished=True)
    table = lab.routes("ingress")

    assert rows(table, "match", "destination", "rewrite", "rule") == [
        ("path = /service-a", "service-a-srv.dev-service-mesh:80", "path → /", "inbound-to-service-a-vs"),
        (
            "path = /service-ext",
            "service-ext-srv.external-cluster:80",
            "path → /",
            "inbound-to-service-ext-vs",
        ),
        ("anything else", "answers 404", "", ""),
    ]
    assert set(table["direction"]) == {"through"}


def test_the_weights_a_sidecar_has(lab):
    lab.goto(3, finished=True)
    table = lab.routes("service-a")

    split = table[table["rule"] == "producer-internal-host-vs"]
    assert rows(split, *SHARES) == [
        ("producer-internal-host.dev-service-mesh", B, 50),
        ("producer-internal-host.dev-service-mesh", C, 50),
    ]
    assert split.index.tolist() == [0, 1], "what the learner wrote comes first"
    inbound = table[table["direction"] == "in"]
    assert rows(inbound, "port", "destination") == [("8081", "its own container, port 8081")]


@pytest.mark.parametrize(
    ("mode", "http", "others"),
    [
        ("REGISTRY_ONLY", "answers 502", "nowhere: the connection is closed"),
        ("ALLOW_ANY", "wherever the caller wants", "wherever the caller wants"),
    ],
)
def test_what_becomes_of_unknown_hosts(lab, mode, http, others):
    lab.goto(2, finished=True)
    lab.outbound_policy(mode)
    try:
        table = lab.routes("service-a")
    finally:
        lab.outbound_policy("REGISTRY_ONLY")

    unknown = table[table["host"] == "any other"]
    assert dict(rows(unknown, "port", "destination")) == {"80": http, "other": others}
    assert set(unknown["rule"]) == {mode}


def test_everything(lab):
    lab.goto(2, finished=True)
    short, whole = lab.routes("service-a"), lab.routes("service-a", all=True)

    assert len(whole) > len(short)
    assert {"domains", "cluster"} <= set(whole.columns)
    assert "producer-internal-host" in whole["domains"].iloc[0].split()
    assert {"BlackHoleCluster", "inbound|8081||"} <= set(whole["cluster"])


def test_it_prints_as_a_table(lab):
    lab.goto(2, finished=True)
    printed = repr(lab.routes("service-a"))

    assert "nan" not in printed
    assert "<NA>" not in printed


def test_nobody_there_is_a_sentence(lab):
    lab.goto(2)

    with pytest.raises(WaitFailed, match=r"No pod labelled app=service-c-app .* dev-service-mesh now"):
        lab.routes("service-c")
    with pytest.raises(UsageError, match="no workload 'nobody'"):
        lab.routes("nobody")


def test_a_page_there_is_not(lab):
    proxy = find_proxies(lab.api, ["istio-system"])[0]

    with pytest.raises(AdminRefused, match=rf"pod {proxy.pod} .* answered 'nothing' with 404: invalid path"):
        ask(lab.api, proxy, "nothing")
    assert b"static_listeners" in run(lab.api, proxy, ["pilot-agent", "request", "GET", "config_dump"])
