"""Destinations that keep sessions, by what DestinationRules say."""

import pytest

from labkit.errors import NotRunning
from labkit.kube.mesh.destinations import Destination
from labkit.release import sessions as module
from labkit.release.sessions import sessions

HASH = {"httpHeaderName": "x-user"}
V1 = Destination("b.shop", "v1", 80)


def policy(hashing, **more):
    return {"trafficPolicy": {"loadBalancer": hashing and {"consistentHash": hashing}, **more}}


def port_policy(hashing, number):
    balancer = {"consistentHash": hashing}
    return {"trafficPolicy": {"portLevelSettings": [{"port": {"number": number}, "loadBalancer": balancer}]}}


def said(monkeypatch, spec, *, pods=3, destination=V1):
    monkeypatch.setattr(
        module, "destination_rules", lambda *_: [{"spec": {"host": "b", **spec}}] * bool(spec)
    )
    monkeypatch.setattr(module, "pods_behind", lambda *_: [{}] * pods)
    return sessions(None, {"B v1": destination}, "shop")


@pytest.mark.parametrize(
    ("hashing", "words"),
    [
        (HASH, "the header x-user"),
        ({"httpCookie": {"name": "who", "ttl": "0s"}}, "the cookie who"),
        ({"useSourceIp": True}, "the caller's address"),
        ({"httpQueryParameterName": "user"}, "the query parameter user"),
    ],
)
def test_by_what_a_session_is_known(monkeypatch, hashing, words):
    assert f"B v1 keeps a session (by {words}) with one of its 3 pods:" in said(monkeypatch, policy(hashing))


@pytest.mark.parametrize(
    ("spec", "keeps"),
    [
        ({}, False),
        ({"subsets": [{"name": "v1", **policy(HASH)}]}, True),
        ({"subsets": [{"name": "v2", **policy(HASH)}]}, False),
        ({"subsets": [{"name": "v1"}], **policy(HASH)}, True),
        (
            {
                "subsets": [{"name": "v1", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}],
                **policy(HASH),
            },
            False,
        ),
        (port_policy(HASH, 80), True),
        (port_policy(HASH, 81), False),
    ],
)
def test_whose_policy_counts(monkeypatch, spec, keeps):
    assert bool(said(monkeypatch, spec)) is keeps


def test_one_pod_is_no_choice(monkeypatch):
    assert said(monkeypatch, policy(HASH), pods=1) == ""


def test_a_cluster_that_does_not_say_is_no_matter_of_this(monkeypatch):
    def gone(*_):
        raise NotRunning("no such cluster")

    monkeypatch.setattr(module, "destination_rules", gone)
    assert sessions(None, {"B": V1}, "shop") == ""
