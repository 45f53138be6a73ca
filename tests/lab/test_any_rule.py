"""Any rule that shares traffic: read, set by the panel, shifted there and back under load, with real Envoy.

Counts by exact tests; and nothing of the object but its weights is ever another than before.
"""

import copy
from contextlib import closing

import pytest
import yaml

from labkit.errors import ApiRefused
from labkit.kube.api.api import APPLY_PATCH
from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.release.finding import rule_of

from .. import the_book as cast
from ..the_book import the_rule
from .rules import EXTRAS, HOST, OTHER, REFUSED, RULES, SEVERAL, objects, rule

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

NAME = "my-canary"
"""Of the object with the weights that count."""


@pytest.fixture(scope="module")
def mesh(lab):
    """Everything runs; ServiceB in two versions; no rule for its host."""
    lab.goto(5, finished=True)
    lab.apply(EXTRAS)
    lab.api.request("DELETE", VIRTUAL_SERVICES.path(cast.HOME, f"{HOST}-vs"))
    return lab


@pytest.fixture(params=[*RULES, *SEVERAL])
def which(request):
    return request.param


@pytest.fixture
def path(which):
    """Where the object with the weights is."""
    (found,) = [path_of(one) for one in objects(which) if one["metadata"]["name"] == NAME]
    return found


def path_of(obj):
    return VIRTUAL_SERVICES.path(obj["metadata"]["namespace"], obj["metadata"]["name"])


@pytest.fixture
def applied(mesh, which, path):
    """The object with the weights as the server made it: by another manager, whose fields it keeps."""
    for obj in objects(which):
        put(mesh, obj)
    mesh.wait()
    yield as_it_is(mesh, path)
    for obj in objects(which):
        mesh.api.request("DELETE", path_of(obj))


def put(lab, obj):
    query = {"fieldManager": "helm", "force": True}
    lab.api.request("PATCH", path_of(obj), query=query, body=obj, content_type=APPLY_PATCH)


def as_it_is(lab, path):
    found = lab.api.get(path)
    for changing in ("resourceVersion", "generation", "managedFields"):
        found["metadata"].pop(changing, None)
    return found


def without_weights(obj):
    found = copy.deepcopy(obj)
    for http in found["spec"]["http"]:
        for target in http["route"]:
            target.pop("weight", None)
    return found


def managed_by_others(lab, path):
    managers = lab.api.get(path)["metadata"]["managedFields"]
    return [one for one in managers if one["manager"] == "helm"]


WIDE = {"error_rate": 0.3, "p95_ms": 5000}
"""Limits that few requests are enough to judge by."""


def fits(split):
    """Whether the weights can have given it; of a million honest ones, one does not seem so."""
    return split.p_value > 1e-6 or pytest.fail(split.verdict)


def counts(split):
    return {name: count for name, count in split.counts.items() if count}


def test_any_rule_is_read_set_and_shifted(mesh, applied, path):
    lab, weights = mesh, mesh.weights()
    names = list(weights)
    assert len(names) == len(set(names)) == len(the_rule(lab.api, lab.namespace).destinations)

    # Read: by answers, by the caller's log and by the panel alike.
    answers = lab.send("/service-a", requests=40, concurrency=4)
    by_answers, by_log = lab.split(answers), lab.split(lab.access_log("service-a", of=answers))
    assert fits(by_answers)
    assert counts(by_answers) == counts(by_log)
    assert by_answers.total == 40
    with closing(lab.split_panel()) as panel:
        told = [one.name for one in panel._tell(answers)]
        assert {name: told.count(name) for name in set(told)} == counts(by_answers)

        # Set by the panel, as a slider does.
        joined = [name for name in panel.weights if name not in names]
        panel.set({panel.rule.held.names[-1]: 30})
        now = as_it_is(lab, path)
        assert joined or without_weights(now) == without_weights(applied)
        assert lab.weights() == panel.weights
        assert panel.weights[panel.rule.held.names[-1]] == 30
    shown = lab.split(lab.send("/service-a", requests=40, concurrency=4))
    assert fits(shown)

    # Forward, under load: every request is counted, none is lost.
    to = list(lab.weights())[-1]
    course = lab.shift(to=to, steps=[60], requests=30, **WIDE)
    assert course.succeeded, course.shift.verdict
    assert set(course.shift.answers["status"]) == {200}
    assert lab.weights()[to] == 60
    last = course.table.set_index("destination")["requests"]
    assert last[to] > 0
    assert last.sum() <= len(course.shift.answers)
    assert joined or without_weights(as_it_is(lab, path)) == without_weights(applied)

    # And back: each answer is too slow for such a limit.
    before = as_it_is(lab, path)
    course = lab.shift(to=to, steps=[90], requests=30, p95_ms=0.1)
    assert not course.succeeded
    assert "took longer than 0.1 ms" in course.reason
    assert as_it_is(lab, path) == before
    assert fits(lab.split(lab.send("/service-a", requests=40, concurrency=4)))
    assert {field for one in managed_by_others(lab, path) for field in one["fieldsV1"]} >= {"f:metadata"}


@pytest.mark.parametrize("weights", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("which", ["several routes with names"], indirect=True)
def test_weights_that_istio_refuses_change_nothing(mesh, applied, path, weights):
    before, wrong = mesh.api.get(path), rule("several routes with names")
    *_, default = wrong["spec"]["http"]
    default["route"] = [
        {"destination": {"host": host}} | ({} if weight is None else {"weight": weight})
        for host, weight in zip((HOST, OTHER), weights, strict=True)
    ]
    with pytest.raises(ApiRefused, match="weight"):
        put(mesh, wrong)

    assert mesh.api.get(path) == before
    assert mesh.weights() == {"ServiceB": 60, "ServiceC": 40}


def test_the_default_route_is_meant():
    assert [rule_of(rule(which)).route for which in ("header route first", "several routes with names")] == [
        1,
        2,
    ]


SUBSETS = next(one for one in yaml.safe_load_all(EXTRAS) if one["kind"] == "DestinationRule")
STICKY = {
    "header": {"httpHeaderName": "tracestate"},
    "cookie": {"httpCookie": {"name": "who", "ttl": "0s"}},
    "source": {"useSourceIp": True},
}


@pytest.mark.parametrize("kind", STICKY)
@pytest.mark.parametrize("which", ["the other one first, parts that make 4"], indirect=True)
def test_sessions_stick_to_a_pod_and_not_to_a_version(mesh, applied, kind):
    """Istio chooses the version by the weights for each request; within it, the pod by the hash."""
    lab, anna = mesh, {"tracestate": "lab=anna"}
    sticky = copy.deepcopy(SUBSETS)
    sticky["spec"]["trafficPolicy"] = {"loadBalancer": {"consistentHash": STICKY[kind]}}
    lab.apply(yaml.safe_dump(sticky))

    answers = lab.send("/service-a", requests=60, concurrency=4, headers=anna)

    assert fits(lab.split(answers))
    log = lab.access_log("service-a", of=answers)
    to_b = log[log["upstream_cluster"].astype("str").str.contains(HOST)]
    if kind != "cookie":  # ServiceA keeps none, so Envoy gives it one for each connection
        assert to_b["upstream_host"].nunique() == 1
    course = lab.shift(to="C", steps=[60], requests=30, headers=anna, **WIDE)
    assert course.succeeded, course.shift.verdict
    assert fits(lab.split(lab.send("/service-a", requests=60, headers=anna)))
    lab.apply(yaml.safe_dump(SUBSETS))
