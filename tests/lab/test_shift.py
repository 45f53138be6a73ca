"""A gradual shift on a real cluster: a healthy ServiceC takes over, a broken one is sent back."""

import threading

import pytest
import yaml

from labkit.errors import UsageError
from labkit.kube.api.api import MERGE_PATCH
from labkit.kube.api.resources import DEPLOYMENTS, GATEWAYS, VIRTUAL_SERVICES
from labkit.release.change import make_change
from labkit.release.note import Before, patch_to_note
from labkit.views.shift import as_html

from .. import the_book as cast
from ..shares import give, parts_now
from ..the_book import needed_rule

pytestmark = pytest.mark.slow


def test_a_healthy_c_takes_over(lab, capsys):
    lab.goto(5, finished=True)
    give(lab.api, "ServiceC", 0)

    course = lab.shift(to="C", steps=[10, 50, 100], requests=40)

    assert course.succeeded, course.shift.verdict
    assert parts_now(lab.api) == {"ServiceB": 0, "ServiceC": 100}
    assert set(course.shift.answers["status"]) == {200}, "no request was lost while weights changed"
    c = course.table[course.table["destination"] == "ServiceC"]
    assert list(c["weight of ServiceC %"]) == [10, 50, 100]
    assert c["errors"].sum() == 0
    assert c["requests"].iloc[-1] >= 40
    assert (c["95 % within ms"] > 0).any()
    assert course.plot().png()
    assert "acknowledged by" in capsys.readouterr().out


def test_a_broken_c_is_sent_back_and_why(lab, capsys):
    lab.goto(3, finished=True)  # the external cluster is missing: ServiceC gets 404
    give(lab.api, "ServiceC", 0)

    course = lab.shift(to="C", steps=[25, 50, 100], requests=60)

    assert not course.succeeded
    assert "ServiceC failed" in course.reason
    assert "404" in course.reason
    assert "istio-ingressgateway.istio-system.svc.cluster.local/service-ext" in course.reason
    assert parts_now(lab.api) == {"ServiceB": 100, "ServiceC": 0}
    assert course.table["weight of ServiceC %"].max() == 25, "no further step was tried"
    assert course.shift.rolled_back_at
    b = course.table[course.table["destination"] == "ServiceB"]
    assert b["errors"].sum() == 0, "ServiceB is not blamed"
    assert "back to ServiceB 100, ServiceC 0" in capsys.readouterr().out
    assert "Rolled back" in repr(course)
    weight = next(trace for trace in course.plot().figure.data if trace.name == "weight")
    assert list(weight.x) == sorted(weight.x), "time goes one way"
    assert weight.y[-1] == 0
    assert not [t for t in threading.enumerate() if t.name == "labkit-stream"]


def inbound(lab, workload, answers):
    """The lines of those requests in the log of a workload's own proxy."""
    log = lab.access_log(workload, of=answers)
    return log[log["upstream_cluster"].astype("str").str.startswith("inbound|")]


def test_copies_come_first(lab):
    lab.goto(5, finished=True)
    name = applied(lab, [{"route": [{"destination": B}], "timeout": "9s"}])

    course = lab.shift(to="C", steps=[100], requests=40, shadow=True)

    assert course.succeeded, course.shift.verdict
    first = course.table[course.table["mirrored %"] == 100].set_index("destination")
    copies = first.loc["ServiceC (copies)"]
    assert copies["requests"] == first.loc["ServiceB", "requests"] >= 140, "every request was copied"
    assert (first.loc["ServiceC", "requests"], copies["errors"]) == (0, 0)
    assert copies["half within ms"] > 0
    answers, changed = course.shift.answers, course.shift.steps[1].at
    early = answers[answers["time"].astype("int64") / 1e6 < changed - 0.2]
    assert set(early["service"]) == {"ServiceB"}, "nobody got an answer of C's"
    (http,) = as_it_is(lab, name)["spec"]["http"]
    assert "mirror" not in http
    assert "mirrorPercentage" not in http
    assert "100 % mirrored" in as_html(course.shift)
    copied = next(trace for trace in course.plot().figure.data if trace.name == "copied")
    assert list(copied.y) == [100, 100]
    assert len(inbound(lab, "ServiceC", lab.send("/service-a", requests=20))) == 20, "no copies any more"


@pytest.mark.parametrize("share", [True, 50])
def test_a_broken_c_is_known_by_its_copies(lab, share, capsys):
    lab.goto(3, finished=True)  # the external cluster is missing: ServiceC gets 404
    name = applied(lab, [{"mirrors": [{"destination": B}], "route": [{"destination": B}]}])
    before = as_it_is(lab, name)

    course = lab.shift(to="C", requests=40, shadow=share)

    assert not course.succeeded
    assert "before anybody was exposed, ServiceC (copies) failed" in course.shift.verdict
    assert "404" in course.reason
    assert set(course.shift.answers["service"]) == {"ServiceB"}
    assert as_it_is(lab, name) == before
    assert "and nobody its answers" in capsys.readouterr().out


def test_a_dead_c_is_known_by_the_copies_that_never_come(lab):
    lab.goto(5, finished=True)
    give(lab.api, "ServiceC", 0)
    deployment = DEPLOYMENTS.path(cast.HOME, cast.SERVICE_C.deployment)
    lab.api.request("PATCH", deployment, body={"spec": {"replicas": 0}}, content_type=MERGE_PATCH)
    lab.wait()

    course = lab.shift(to="C", requests=40, shadow=True)

    assert not course.succeeded
    assert "no proxy there has a line of it" in course.reason
    assert set(course.shift.answers["service"]) == {"ServiceB"}


def test_a_slow_c_is_known_by_its_copies(lab):
    lab.goto(5, finished=True)
    give(lab.api, "ServiceC", 0)

    course = lab.shift(to="C", requests=40, shadow=True, p95_ms=0.5)

    assert not course.succeeded
    assert "took longer than 0.5 ms" in course.reason


def test_what_makes_no_sense_is_refused(lab):
    lab.goto(3, finished=True)
    for wrong in ({"to": "A"}, {"steps": [10, 200]}, {"steps": []}, {"requests": 0}):
        with pytest.raises(UsageError, match=r"A has no share|The steps|at least 1 request"):
            lab.shift(**wrong)
    with pytest.raises(UsageError, match="D has no share of this traffic; choose ServiceB or ServiceC"):
        lab.shift(to="D")


def applied(lab, http, **more):
    """A rule for ServiceB's host in place of the book's own; what the server made of it."""
    fields = {"name": "producer-internal-host-vs", "hosts": ["producer-internal-host"]} | more
    name = fields.pop("name")
    if name != "producer-internal-host-vs":
        lab.api.request("DELETE", VIRTUAL_SERVICES.path(cast.HOME, "producer-internal-host-vs"))
    rule = {
        "apiVersion": VIRTUAL_SERVICES.group_version,
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": cast.HOME},
        "spec": {"gateways": ["mesh"], "http": http, **fields},
    }
    lab.apply(yaml.safe_dump(rule))
    return name


def as_it_is(lab, name):
    """Everything of the object but what any write changes."""
    found = lab.api.get(VIRTUAL_SERVICES.path(cast.HOME, name))
    for changing in ("resourceVersion", "generation", "managedFields"):
        found["metadata"].pop(changing, None)
    return found


B = {"host": "producer-internal-host", "port": {"number": 80}}
C = {"host": "service-c-srv", "port": {"number": 80}}
FULL = "{}.dev-service-mesh.svc.cluster.local"
RULES = {
    "a header route stands first": (
        [
            {"match": [{"headers": {"x-release": {"exact": "tester"}}}], "route": [{"destination": C}]},
            {"route": [{"destination": B, "weight": 100}, {"destination": C, "weight": 0}]},
        ],
        {},
    ),
    "much besides": (
        [
            {
                "timeout": "9s",
                "retries": {"attempts": 2},
                "mirror": {"host": "producer-internal-host"},
                "headers": {"response": {"set": {"x-rule": "kept"}}},
                "route": [{"destination": B, "weight": 9}, {"destination": C, "weight": 1}],
            }
        ],
        {},
    ),
    "another name, full hosts": (
        [
            {
                "route": [
                    {"destination": {"host": FULL.format("producer-internal-host")}, "weight": 95},
                    {"destination": {"host": FULL.format("service-c-srv")}, "weight": 5},
                ]
            }
        ],
        {"name": "my-canary", "hosts": [FULL.format("producer-internal-host")]},
    ),
    "one destination": ([{"route": [{"destination": B}]}], {}),
}


@pytest.fixture(params=RULES)
def named(request, lab):
    lab.goto(3, finished=True)  # ServiceC fails: the external cluster is missing
    http, more = RULES[request.param]
    yield applied(lab, http, **more)
    if more:
        lab.api.request("DELETE", VIRTUAL_SERVICES.path(cast.HOME, more["name"]))


def test_any_rule_comes_back_as_it_was(lab, named):
    before = as_it_is(lab, named)

    course = lab.shift(to="C", steps=[50], requests=40)

    assert not course.succeeded
    assert "ServiceC failed" in course.reason
    assert as_it_is(lab, named) == before


def test_a_shift_that_was_cut_off_is_known(lab, capsys):
    lab.goto(3, finished=True)
    name = applied(lab, [{"route": [{"destination": B}]}])
    before = as_it_is(lab, name)
    rule = needed_rule(lab.api, lab.namespace)
    wanted, kept = rule.joined_by(C).with_weights([40, 60]), Before(rule.written)
    make_change(lab.api, rule, lambda now: [*patch_to_note(now, kept), *now.patch_to(wanted)])

    course = lab.shift(to="C", steps=[80], requests=40)

    assert not course.succeeded
    assert "was cut off" in capsys.readouterr().out
    assert as_it_is(lab, name) == before


def test_three_destinations(lab):
    lab.goto(5, finished=True)
    external = {"host": "service-ext-srv.external-cluster.svc.cluster.local", "port": {"number": 80}}
    targets = [(B, 50), (C, 25), (external, 25)]
    applied(lab, [{"route": [{"destination": d, "weight": w} for d, w in targets]}])
    assert lab.weights() == {"ServiceB": 50, "ServiceC": 25, "External Cluster Service": 25}

    course = lab.shift(to="C", steps=[50], requests=60)

    assert course.succeeded, course.shift.verdict
    assert lab.weights() == {"ServiceB": 33, "ServiceC": 50, "External Cluster Service": 17}
    by_name = course.table.set_index("destination")["requests"]
    assert (by_name > 0).all()
    assert by_name.sum() >= 60, "every one is counted"


def test_nothing_answered_is_no_success(lab):
    """A mesh that is dead: no request comes to anybody."""
    lab.goto(5, finished=True)
    give(lab.api, "ServiceC", 0)
    before = parts_now(lab.api)
    lab.api.request("DELETE", f"{GATEWAYS.path(cast.HOME)}/service-a-gw")

    course = lab.shift(to="C", steps=[10, 100], requests=40)

    assert not course.succeeded
    assert "never came to a destination" in course.reason
    assert parts_now(lab.api) == before


TRACED = {"tracestate": "lab=tester"}
"""A header that ServiceA hands on to whom it calls."""


def test_a_header_route_is_shifted_by_requests_with_the_header(lab):
    lab.goto(5, finished=True)
    testers = {"match": [{"headers": {"tracestate": {"exact": "lab=tester"}}}], "route": [{"destination": B}]}
    name = applied(lab, [testers, {"route": [{"destination": B}]}])
    default = as_it_is(lab, name)["spec"]["http"][1]
    assert set(lab.send("/service-a", requests=20, headers=TRACED)["service"]) == {"ServiceB"}

    course = lab.shift(to="C", steps=[100], requests=40, headers=TRACED)

    assert course.succeeded, course.shift.verdict
    testers, other = as_it_is(lab, name)["spec"]["http"]
    assert [one["weight"] for one in testers["route"]] == [0, 100]
    assert other == default, "the route of all others stays as it is"
    assert set(lab.send("/service-a", requests=20, headers=TRACED)["service"]) == {"ServiceC"}
    assert set(lab.send("/service-a", requests=20)["service"]) == {"ServiceB"}
    with pytest.raises(UsageError, match="own mark in their User-Agent"):
        lab.shift(headers={"user-agent": "Firefox"})
