"""A rule that shares traffic: found by its host, read in one way, and nothing changed but its weights."""

import copy

import jsonpatch
import pytest
import yaml

from labkit.errors import UsageError
from labkit.kube.mesh.destinations import Destination
from labkit.release.finding import rule_of
from labkit.release.rule import as_hundredths, share_out

HOME = "shop"
B, C = {"host": "b", "port": {"number": 80}}, {"host": "c", "port": {"number": 80}}


def virtual_service(http, *, name="b-vs", hosts=("b",), made="2026-01-01T00:00:00Z", namespace=HOME, **spec):
    meta = {"name": name, "namespace": namespace, "creationTimestamp": made, "resourceVersion": "7"}
    return {"metadata": meta, "spec": {"hosts": list(hosts), "http": http, **spec}}


def split(*weights):
    return [{"route": [{"destination": d, "weight": w} for d, w in zip((B, C), weights, strict=True)]}]


TESTERS = {"match": [{"headers": {"x-release": {"exact": "tester"}}}], "route": [{"destination": C}]}


@pytest.mark.parametrize(
    ("targets", "weights", "hundredths"),
    [
        ([{"destination": C}], (100,), [100]),
        ([{"destination": B, "weight": 3}, {"destination": C, "weight": 1}], (3, 1), [75, 25]),
        ([{"destination": B, "weight": 100}, {"destination": C}], (100, 0), [100, 0]),
        ([{"destination": B, "weight": 1}] * 3, (1, 1, 1), [34, 33, 33]),
        ([{"destination": B}, {"destination": C}], (0, 0), [0, 0]),
    ],
)
def test_weights_as_istio_reads_them(targets, weights, hundredths):
    rule = rule_of(virtual_service([{"route": targets}]))

    assert rule.weights == weights
    assert as_hundredths(rule) == hundredths


@pytest.mark.parametrize(
    ("weights", "target", "percent", "shared"),
    [
        ((100, 0), 1, 10, [90, 10]),
        ((0, 100), 0, 30, [30, 70]),
        ((25, 25, 50), 2, 10, [45, 45, 10]),
        ((10, 20, 70), 2, 50, [17, 33, 50]),
        ((0, 0, 100), 2, 40, [30, 30, 40]),
        ((1, 3), 1, 100, [0, 100]),
    ],
)
def test_the_others_share_the_rest_as_before(weights, target, percent, shared):
    targets = [{"destination": {"host": f"s{i}"}, "weight": w} for i, w in enumerate(weights)]

    assert share_out(rule_of(virtual_service([{"route": targets}])), target, percent) == shared


@pytest.mark.parametrize("wrong", [-1, 101, 33.3, "10", True])
def test_what_is_no_weight_is_refused(wrong):
    with pytest.raises(UsageError, match="whole number from 0 to 100"):
        share_out(rule_of(virtual_service(split(1, 1))), 0, wrong)


RICH = yaml.safe_load("""
- timeout: 3s
  retries: {attempts: 2}
  mirror: {host: c}
  headers: {response: {set: {x-rule: kept}}}
  route:
  - {destination: {host: b, subset: v1}, headers: {request: {add: {a: b}}}}
  - {destination: {host: b, subset: v2}, weight: 10}
""")


def test_only_weights_change_and_come_back_exactly():
    before = virtual_service([TESTERS, *copy.deepcopy(RICH)], exportTo=["."])
    rule = rule_of(before)

    after = jsonpatch.apply_patch(before, rule.patch_to(rule.with_weights([30, 70])))

    expected = copy.deepcopy(before)
    expected["spec"]["http"][1]["route"][0]["weight"] = 30
    expected["spec"]["http"][1]["route"][1]["weight"] = 70
    assert after == expected
    assert jsonpatch.apply_patch(after, rule_of(after).patch_to(rule)) == before


def test_a_destination_that_joins_leaves_nothing_behind():
    before = virtual_service([{"route": [{"destination": B}], "timeout": "1s"}])
    rule = rule_of(before)
    wanted = rule.joined_by(C).with_weights([90, 10])

    after = jsonpatch.apply_patch(before, rule.patch_to(wanted))

    assert rule_of(after).weights == (90, 10)
    assert jsonpatch.apply_patch(after, rule_of(after).patch_to(rule)) == before


MIRRORED = {"mirror": C, "mirrorPercentage": {"value": 5.5}}


@pytest.mark.parametrize(
    ("fields", "mirrors"),
    [
        ({}, {}),
        ({"mirror": C}, {Destination("c.shop", port=80): 1.0}),
        (MIRRORED, {Destination("c.shop", port=80): 0.055}),
        ({"mirror": C, "mirrorPercentage": {}}, {Destination("c.shop", port=80): 0.0}),
        ({"mirror": C, "mirrorPercent": 20}, {Destination("c.shop", port=80): 0.2}),
        ({"mirror": C, "mirror_percent": 0}, {Destination("c.shop", port=80): 0.0}),
        (
            {"mirrors": [{"destination": {"host": "x.far"}, "percentage": {"value": 1}}, {"destination": C}]},
            {Destination("x.far"): 0.01, Destination("c.shop", port=80): 1.0},
        ),
    ],
)
def test_mirrors_as_istio_reads_them_and_nothing_else_changes(fields, mirrors):
    before = virtual_service([{"route": [{"destination": B}], "timeout": "1s", **fields}])
    rule = rule_of(before)

    after = jsonpatch.apply_patch(before, rule.patch_mirroring_to(MIRRORED))

    assert rule.mirrors == mirrors
    assert after["spec"]["http"][0] == {"route": [{"destination": B}], "timeout": "1s", **MIRRORED}
    assert after == rule.with_mirroring(MIRRORED).object
    assert jsonpatch.apply_patch(after, rule_of(after).patch_mirroring_to(fields)) == before


@pytest.mark.parametrize(
    ("cluster", "destination"),
    [
        ("outbound|80||c.shop.svc.cluster.local", Destination("c.shop", "", 80)),
        ("outbound|80|v2|b.shop.svc.cluster.local", Destination("b.shop", "v2", 80)),
        ("outbound|443||api.example.com", Destination("api.example.com", "", 443)),
        ("inbound|8082||", None),
        ("BlackHoleCluster", None),
    ],
)
def test_a_cluster_stands_for_a_destination(cluster, destination):
    assert Destination.of_cluster(cluster) == destination
