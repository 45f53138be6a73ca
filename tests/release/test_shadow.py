"""How a rule copies its requests, and what is refused."""

import pytest

from labkit.errors import UsageError
from labkit.kube.mesh.destinations import Destination
from labkit.release.finding import rule_of
from labkit.release.shadow import check_that_copies_are_seen, planned, share_asked

from .world import TO, B, C, virtual_service

EXT = {"host": "ext.far"}


def plan(share=1.0, weight=0, **fields):
    http = {
        "route": [{"destination": B, "weight": 100 - weight}, {"destination": C, "weight": weight}],
        **fields,
    }
    return planned(rule_of(virtual_service([http])), TO, C, share, title="ServiceC")


@pytest.mark.parametrize(("shadow", "share"), [(False, None), (True, 1.0), (100, 1.0), (0.5, 0.005)])
def test_the_share_that_is_asked_for(shadow, share):
    assert share_asked(shadow) == share


@pytest.mark.parametrize("shadow", [0, -1, 101, "all", None, float("nan")])
def test_what_is_no_share_is_refused(shadow):
    with pytest.raises(UsageError, match="shadow"):
        share_asked(shadow)


def test_a_rule_without_copies_gets_a_mirror():
    assert plan(0.25).fields == {"mirror": C, "mirrorPercentage": {"value": 25.0}}
    assert plan(0.25, mirrorPercent=7).fields == {"mirror": C, "mirrorPercentage": {"value": 25.0}}


def test_one_with_several_gets_one_more():
    other = {"destination": EXT, "percentage": {"value": 3}}

    assert plan(mirrors=[other]).fields == {
        "mirrors": [other, {"destination": C, "percentage": {"value": 100.0}}]
    }


@pytest.mark.parametrize(
    "own",
    [
        {"mirror": C, "mirrorPercentage": {"value": 30}},
        {"mirror": {"host": "c"}, "mirrorPercent": 30},
        {"mirrors": [{"destination": EXT}, {"destination": C, "percentage": {"value": 30}}]},
    ],
)
def test_a_mirror_of_its_own_does_as_it_is(own):
    found = plan(**own)

    assert (found.fields, found.percent) == (None, 30)


def test_there_is_room_for_one_mirror():
    with pytest.raises(UsageError, match=r"b-vs mirrors its requests to ext\.far already.*`mirrors`"):
        plan(mirror=EXT)


def test_who_is_exposed_needs_no_shadow_phase():
    with pytest.raises(UsageError, match="ServiceC gets 10 of 100 requests already"):
        plan(weight=10)


class Served:
    """As much of the API as finding pods needs."""

    def __init__(self, service, *pods):
        self._service, self._pods = service, list(pods)

    def find(self, path):
        assert path.endswith("/namespaces/shop/services/c")
        return self._service

    def items(self, path, **query):
        if path.endswith("/destinationrules"):
            return []
        assert path.endswith("/pods")
        wanted = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
        return [pod for pod in self._pods if wanted.items() <= pod["metadata"]["labels"].items()]


def pod(name, *containers):
    meta = {"name": name, "namespace": "shop", "labels": {"app": "c"}, "creationTimestamp": "x"}
    spec = {"containers": [{"name": one} for one in containers]}
    return {"metadata": meta, "spec": spec, "status": {"podIP": "10.0.0.1"}}


SERVICE = {"metadata": {"name": "c", "namespace": "shop"}, "spec": {"selector": {"app": "c"}}}


def check(api, to=TO):
    check_that_copies_are_seen(api, to, "shop", ["shop"], title="ServiceC")


def test_copies_are_seen_where_a_sidecar_is():
    check(Served(SERVICE, pod("c-1", "c", "istio-proxy")))
    check(Served(SERVICE))  # nobody is there: that is for the copies to show


@pytest.mark.parametrize(
    ("api", "to", "words"),
    [
        (Served(SERVICE, pod("c-1", "c")), TO, "No pod of ServiceC has a sidecar"),
        (Served(None), TO, "no Service with pods of its own"),
        (Served(SERVICE | {"spec": {}}), TO, "no Service with pods of its own"),
        (Served(None), Destination("api.example.com"), "no Service with pods of its own"),
    ],
)
def test_copies_that_nobody_would_see_are_refused(api, to, words):
    with pytest.raises(UsageError, match=words):
        check(api, to)
