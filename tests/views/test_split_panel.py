"""The split panel's widgets, driven as a browser would, against a real mesh."""

import threading
import time
from collections.abc import Iterator

import pandas as pd
import pytest
import yaml

from labkit import Lab
from labkit.kube.api.api import MERGE_PATCH
from labkit.kube.api.resources import (
    DEPLOYMENTS,
    DESTINATION_RULES,
    ENVOY_FILTERS,
    SERVICES,
    VIRTUAL_SERVICES,
)
from labkit.release.fault import Fault, find_faults

from .. import the_book as cast
from ..shares import give, parts_now

pytestmark = pytest.mark.slow
RULE = "producer-internal-host-vs"
B = {"host": "producer-internal-host", "port": {"number": 80}}
C = {"host": "service-c-srv", "port": {"number": 80}}
NOBODY = {"host": "service-a-srv", "port": {"number": 81}}
"""A port that ServiceA does not have: requests to it fail."""


@pytest.fixture(scope="module")
def lab(cluster) -> Iterator[Lab]:
    with Lab(kubeconfig=cluster.kubeconfig) as found:
        found.goto(3, finished=True)
        yield found
        found.reset()


@pytest.fixture
def panel(lab):
    lab.goto(3, finished=True)
    made = lab.split_panel(rate=100, total=3000)
    yield made
    made.close()
    assert not [one.name for one in threading.enumerate() if one.name.startswith("labkit-")]


def _wait(condition):
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def _values(panel):
    return {name: (dial.slider.value, dial.number.value) for name, dial in panel.controls.dials.items()}


def _rule(lab, http):
    """The rule with these routes in place of the one there is."""
    _delete(lab)
    _apply(lab, http)


def _apply(lab, http, name=RULE):
    rule = {
        "apiVersion": VIRTUAL_SERVICES.group_version,
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": cast.HOME},
        "spec": {"hosts": [B["host"]], "http": http},
    }
    lab.apply(yaml.safe_dump(rule))


def _delete(lab, name=RULE):
    lab.api.request("DELETE", VIRTUAL_SERVICES.path(cast.HOME, name))


def _split(*weighted):
    return [{"route": [{"destination": one, "weight": weight} for one, weight in weighted]}]


def test_sliders_and_numbers_make_100_and_change_the_rule(panel, lab):
    panel.controls.dials["ServiceB"].slider.value = 30
    assert _values(panel) == {"ServiceB": (30, 30), "ServiceC": (70, 70)}
    assert parts_now(lab.api) == {"ServiceB": 30, "ServiceC": 70}

    panel.controls.dials["ServiceC"].number.value = 5
    assert _values(panel) == {"ServiceB": (95, 95), "ServiceC": (5, 5)}
    assert parts_now(lab.api) == {"ServiceB": 95, "ServiceC": 5}
    assert "applied → acknowledged by" in panel.controls.change.value
    assert "kubectl apply --server-side" in panel.controls.manifest.value
    assert "weight: 95" in panel.controls.manifest.value


@pytest.mark.parametrize("wrong", [110, -1, 33.3, {"ServiceX": 3}, {"ServiceB": 3, "ServiceC": 3}])
def test_a_weight_there_is_not_is_refused_and_moves_nothing(panel, lab, wrong):
    panel.set(40)
    panel.set(wrong)

    assert "✗" in panel.controls.change.value
    assert _values(panel) == {"ServiceB": (60, 60), "ServiceC": (40, 40)}
    assert parts_now(lab.api) == {"ServiceB": 60, "ServiceC": 40}


def test_weights_by_name(panel, lab):
    panel.set({"ServiceC": 40})
    assert parts_now(lab.api) == {"ServiceB": 60, "ServiceC": 40}
    panel.set({"ServiceC": 1, "ServiceB": 99})
    assert parts_now(lab.api) == {"ServiceB": 99, "ServiceC": 1}


def test_weights_in_other_units_are_shown_as_parts_of_100(lab):
    _rule(lab, _split((B, 3), (C, 1)))
    panel = lab.split_panel()

    assert parts_now(lab.api) == {"ServiceB": 75, "ServiceC": 25}
    assert _values(panel) == {"ServiceB": (75, 75), "ServiceC": (25, 25)}
    panel.close()


def test_a_preset_always_sets(panel, lab):
    panel.set(0)
    for button, c in zip(panel.controls.presets, (0, 10, 50, 90, 100), strict=True):
        button.click()
        assert parts_now(lab.api) == {"ServiceB": 100 - c, "ServiceC": c}
        assert _values(panel)["ServiceC"] == (c, c)

    give(lab.api, "ServiceC", 10)  # the panel has not looked yet, and shows 100
    panel.controls.presets[-1].click()
    assert parts_now(lab.api) == {"ServiceB": 0, "ServiceC": 100}


def test_one_destination_is_joined_by_the_other_of_the_course(panel, lab):
    _rule(lab, [{"route": [{"destination": C}], "timeout": "9s"}])
    panel.look()
    assert _values(panel) == {"ServiceB": (0, 0), "ServiceC": (100, 100)}

    panel.set(40)
    assert parts_now(lab.api) == {"ServiceC": 40, "ServiceB": 60}
    (http,) = lab.api.get(VIRTUAL_SERVICES.path(cast.HOME, RULE))["spec"]["http"]
    assert http["timeout"] == "9s", "nothing but weights is changed"


def test_three_destinations_share_and_what_fails_is_no_share(lab, panel):
    _rule(lab, _split((B, 50), (C, 30), (NOBODY, 20)))
    panel.look()
    names = ["ServiceB", "ServiceC", "ServiceA"]
    assert [button.tooltip for button in panel.controls.presets] == [
        f"Every request to {name}" for name in names
    ]

    panel.controls.dials["ServiceA"].slider.value = 60
    assert panel.weights == {"ServiceB": 25, "ServiceC": 15, "ServiceA": 60}
    panel.start()
    _wait(lambda: panel.split().left_out >= 30)
    piece = panel._piece(True)
    b, c, a, failed, unknown = piece["bars"]
    assert failed[1] > 40, "more than half fail"
    assert a[0] == unknown[0] == 0
    assert 99.7 < b[1] + c[1] + failed[1] < 100.3, "of all requests"
    _wait(lambda: "503" in panel.controls.errors.value)
    assert panel.figure._is_stale, "nobody looks, so nothing was sent"


def test_subsets_are_told_apart_by_the_logs(lab, panel):
    lab.apply(
        yaml.safe_dump(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "DestinationRule",
                "metadata": {"name": "parts", "namespace": cast.HOME},
                "spec": {
                    "host": B["host"],
                    "subsets": [
                        {"name": name, "labels": {"app": "service-b-app"}} for name in ("old", "new")
                    ],
                },
            }
        )
    )
    _rule(lab, _split(({**B, "subset": "old"}, 100), ({**B, "subset": "new"}, 0)))
    panel.look()
    panel.controls.presets[-1].click()
    panel.start()
    _wait(lambda: panel.split().counts["ServiceB new"] >= 30)

    assert panel.split().counts == {"ServiceB old": 0, "ServiceB new": panel.split().counts["ServiceB new"]}
    assert panel.tally.counts(time.time())["failed"] == 0
    lab.api.request("DELETE", f"/apis/networking.istio.io/v1/namespaces/{cast.HOME}/destinationrules/parts")


def test_a_rule_that_goes_is_told_and_one_that_comes_is_followed(panel, lab):
    panel.set(40)
    panel.start()
    _delete(lab)
    _wait(lambda: "No rule shares out the requests" in panel.controls.change.value)
    assert all(dial.slider.disabled for dial in panel.controls.dials.values())
    panel.controls.presets[0].click()
    assert "lab.goto(3)" in panel.controls.change.value

    _wait(lambda: panel.tally.counts(time.time())["ServiceB"] >= 20)
    _apply(lab, _split((B, 80), (C, 20)), name="another")
    _wait(lambda: _values(panel) == {"ServiceB": (80, 80), "ServiceC": (20, 20)})
    _wait(lambda: "the rule is there again" in panel.controls.change.value)
    assert not panel.controls.dials["ServiceB"].slider.disabled
    panel.set(1)
    assert parts_now(lab.api) == {"ServiceB": 99, "ServiceC": 1}
    _delete(lab, "another")


def test_the_newest_error_is_told_whoever_noticed_it(panel):
    """Where ServiceA's own proxy finds nobody, ServiceA answers 200 and tells of a 503."""
    told = "Hello from ServiceA! Calling master system API... 503 Service Unavailable: [no body]"
    row = {"time": pd.Timestamp.now("UTC"), "status": 200, "service": None, "body": told, "total_ms": 3.0}
    panel._take(pd.DataFrame([row | {"error": None}]))

    assert panel._piece(True)["errors"] == "1 of 1"
    assert "503 Service Unavailable" in panel.controls.errors.value


def test_the_split_follows(panel, capsys):
    panel.set(0)
    panel.controls.switch.click()
    _wait(lambda: panel.split().counts["ServiceB"] >= 30)
    assert panel.split().counts["ServiceC"] == 0

    panel.controls.dials["ServiceC"].slider.value = 100
    _wait(lambda: panel.split().counts["ServiceC"] >= 30)
    assert panel.split().fits, panel.split().verdict
    assert panel.split().counts["ServiceB"] == 0, "no request after the acknowledgement goes to B"
    with capsys.disabled():
        print(f"\nslider → first answer by the new weights: {panel.first_answer_ms:.0f} ms")

    panel.controls.switch.click()
    assert not panel.stream.running
    assert panel.controls.switch.face == "Start"


def test_weights_set_elsewhere_are_followed_also_while_it_rests(panel, lab):
    panel.set(0)
    panel._came()
    give(lab.api, "ServiceC", 25)

    _wait(lambda: _values(panel) == {"ServiceB": (75, 75), "ServiceC": (25, 25)})
    _wait(lambda: "set elsewhere" in panel.controls.change.value)
    _wait(lambda: "weight: 75" in panel.controls.manifest.value)
    assert parts_now(lab.api) == {"ServiceB": 75, "ServiceC": 25}


def test_two_panels_and_nothing_is_left(lab):
    lab.goto(3, finished=True)
    panels = [lab.split_panel(rate=50), lab.split_panel(rate=50)]
    for one in panels:
        one.start()
    for one in panels:
        _wait(lambda one=one: one.stream.sent > 10)
    panels[0].close()
    assert panels[1].box.comm is not None, "the other panel stays"
    assert panels[1].stream.alive
    panels[1].close()
    assert not [one.name for one in threading.enumerate() if one.name.startswith("labkit-")]


def test_without_widgets_it_is_a_still_picture_and_a_command(panel, capsys):
    panel.set(50)
    bundle = panel._repr_mimebundle_()[0]

    assert bundle["image/png"]
    assert capsys.readouterr().out.startswith(f"$ {panel.command}")
    assert "100 requests" in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" not in bundle


def test_a_still_picture_has_the_failures_too(panel, lab):
    _rule(lab, _split((B, 50), (NOBODY, 50)))
    panel.look()

    assert "failed" in panel.still()["text/plain"]


def test_a_cluster_that_is_gone_is_told(panel):
    panel.set(50)
    find = panel.release.find
    object.__setattr__(panel.release, "find", _gone)
    panel.controls.dials["ServiceC"].slider.value = 80

    assert "no such cluster" in panel.controls.change.value
    assert _values(panel) == {"ServiceB": (50, 50), "ServiceC": (50, 50)}, "the sliders say what holds"
    panel.look()
    assert "The panel goes on when it does" in panel.controls.change.value
    assert panel.controls.dials["ServiceC"].slider.disabled

    object.__setattr__(panel.release, "find", find)
    panel.look()
    assert not panel.controls.dials["ServiceC"].slider.disabled
    assert "the rule is there again" in panel.controls.change.value


def _gone():
    from labkit.errors import NotRunning

    raise NotRunning("no such cluster")


def test_breaking_one_destination_is_seen_in_the_traffic_and_ends_with_the_panel(lab):
    lab.goto(5, finished=True)
    panel = lab.split_panel(rate=100)
    panel.set(50)
    panel.start()
    breaking = panel.breaking
    assert breaking.whom.value == "ServiceC", "the newcomer"

    breaking.errors.click()
    assert "ServiceC fails 30 of 100 requests" in breaking.words.value
    _wait(lambda: panel.tally.errors(time.time())[0] >= 10)
    assert "fault filter abort" in panel.controls.errors.value
    breaking.late.click()
    assert "fails 30 of 100 requests and answers 1 s late" in breaking.words.value
    assert find_faults(lab.api, panel.rule.held.destinations) == {"ServiceC": Fault(30, 1.0)}
    breaking.well.click()
    assert "ServiceC" not in breaking.words.value
    assert find_faults(lab.api, panel.rule.held.destinations) == {}

    breaking.whom.value = "ServiceB"
    breaking.errors.click()
    destinations = panel.rule.held.destinations
    panel.close()
    assert find_faults(lab.api, destinations) == {}


def test_a_fault_set_elsewhere_is_told_and_stays_when_the_panel_goes(panel, lab):
    panel._came()
    with lab.fault("C", errors=7):
        _wait(lambda: "ServiceC fails 7 of 100 requests" in panel.breaking.words.value)
        panel.close()
        assert lab.api.items(ENVOY_FILTERS.path(cast.HOME)), "it is not the panel's"


def test_who_can_not_be_broken_is_told(panel, lab):
    lab.api.request("DELETE", SERVICES.path(cast.HOME, "service-c-srv"))
    panel.breaking.errors.click()
    assert "no Service with pods of its own" in panel.breaking.words.value


def test_sessions_that_stay_with_one_pod_of_several_are_told(panel, lab):
    balancing = {"loadBalancer": {"consistentHash": {"httpHeaderName": "tracestate"}}}
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "sticky", "namespace": cast.HOME},
        "spec": {"host": "service-c-srv", "trafficPolicy": balancing},
    }
    lab.apply(yaml.safe_dump(rule))
    assert not lab.split(lab.send("/service-a", requests=4)).note, "there is one pod"

    _scale(lab, 2)
    told = "ServiceC keeps a session (by the header tracestate) with one of its 2 pods"
    _wait(lambda: told in str(lab.split(lab.send("/service-a", requests=4))))
    panel._came()
    _wait(lambda: told in panel.controls.note.value)
    lab.api.request("DELETE", DESTINATION_RULES.path(cast.HOME, "sticky"))
    _wait(lambda: panel.controls.note.value == "")
    _scale(lab, 1)


def _scale(lab, replicas):
    path = DEPLOYMENTS.path(cast.HOME, "service-c-deployment")
    lab.api.request("PATCH", path, body={"spec": {"replicas": replicas}}, content_type=MERGE_PATCH)


TRACED = {"tracestate": "lab=tester"}
"""A header that ServiceA hands on to whom it calls."""


def test_with_headers_the_route_for_them_is_meant(lab):
    lab.goto(3, finished=True)
    testers = {"match": [{"headers": {"tracestate": {"exact": "lab=tester"}}}], **_split((B, 90), (C, 10))[0]}
    _rule(lab, [testers, {"route": [{"destination": B}]}])
    panel = lab.split_panel(rate=100, headers=TRACED)
    assert panel.weights == {"ServiceB": 90, "ServiceC": 10}

    panel.set(100)
    panel.start()
    _wait(lambda: panel.split().counts["ServiceC"] >= 20)
    panel.close()
    assert panel.split().counts["ServiceB"] == 0
    testers, other = lab.api.get(VIRTUAL_SERVICES.path(cast.HOME, RULE))["spec"]["http"]
    assert [one["weight"] for one in testers["route"]] == [0, 100]
    assert other["route"] == [{"destination": B}], "the route of all others stays"
