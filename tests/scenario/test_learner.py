"""Who works here, and the scenario's manifests as they are for one learner of a class."""

import re

import pytest
import yaml

from labkit.errors import UsageError
from labkit.kube.api.manifests import Source, parse, read
from labkit.scenario import personal
from labkit.scenario.learner import Learner

from ..the_book import BOOK

ANNA = Learner("anna")


def objects(learner=ANNA):
    for path in sorted(BOOK.manifests.rglob("*.yml")):
        for manifest in parse(Source(path.read_text(), path)):
            yield from personal.personal_objects(manifest.object, learner)


def test_the_environment_says_who_works_here_where_nothing_else_does(monkeypatch):
    monkeypatch.setenv("LABKIT_USER", "anna")
    monkeypatch.setenv("LABKIT_IMAGES", "registry.example/")

    assert Learner.here() == Learner("anna", "registry.example/")
    assert Learner.here("boris", "") == Learner("boris")
    assert Learner.here("") == Learner("", "registry.example/")
    monkeypatch.delenv("LABKIT_USER")
    monkeypatch.delenv("LABKIT_IMAGES")
    assert Learner.here() == Learner()


@pytest.mark.parametrize("name", ["Anna Smith", "-a", "a-", "ä", "a.b", "a" * 21, "a\n"])
def test_a_name_that_can_not_be_part_of_a_namespaces_is_refused(name):
    with pytest.raises(UsageError, match="small letters"):
        Learner(name)


def test_each_has_namespaces_of_their_own():
    assert Learner().namespaces[:2] == ("dev-service-mesh", "external-cluster")
    assert ANNA.namespaces[:2] == ("dev-service-mesh-anna", "external-cluster-anna")
    assert ANNA.own("istio-system") == "istio-system"
    assert ANNA.own(ANNA.home) == ANNA.home
    assert ANNA.workload("B").namespace == ANNA.home
    assert ANNA.workload("ingress").namespace == "istio-system"


def test_requests_are_told_apart_also_where_one_name_ends_as_another():
    mine = re.compile(ANNA.authorities)
    others = Learner("b-anna"), Learner("annab"), Learner()

    for own in ("anna.lab.test", "anna.lab.test:80", f"outside.{ANNA.own('outside')}.svc.cluster.local:80"):
        assert mine.search(own), own
    for other in others:
        assert not mine.search(other.host or "*")
        assert not mine.search(f"outside.{other.own('outside')}.svc.cluster.local")


def test_nothing_is_changed_outside_a_class():
    source = read(BOOK.manifests / "01-inbound-to-service-a" / "serviceA-gw.yml")

    assert personal.personal(source, Learner()) is source


def test_no_object_is_left_in_a_namespace_that_others_have():
    text = yaml.safe_dump_all(list(objects()))

    for name in ("dev-service-mesh", "external-cluster", "outside.outside"):
        assert text.count(name) == text.count(f"{name}-anna")


def test_what_is_anns_is_not_boriss():
    boris = yaml.safe_dump_all(list(objects(Learner("boris"))))

    assert "anna" not in boris
    assert boris.replace("boris", "anna") == yaml.safe_dump_all(list(objects()))


def test_every_rule_at_a_gateway_bears_the_learners_host_name():
    rules = [obj for obj in objects() if obj["kind"] in ("Gateway", "VirtualService")]
    at_gateways = [
        obj
        for obj in rules
        if obj["kind"] == "Gateway" or any(name != "mesh" for name in obj["spec"]["gateways"])
    ]
    hosts = {
        host
        for obj in at_gateways
        for place in (obj["spec"].get("servers") or [obj["spec"]])
        for host in place["hosts"]
    }

    assert hosts == {"anna.lab.test", "*.anna.lab.test", "outside.outside-anna.svc.cluster.local"}


def test_rules_for_the_shared_address_are_not_exported():
    rules = [
        obj
        for obj in objects()
        if obj["kind"] == "VirtualService" and personal.INGRESS_HOST in obj["spec"]["hosts"]
    ]

    assert rules
    assert all(rule["spec"]["exportTo"] == ["."] for rule in rules)


def test_it_is_the_same_twice():
    once = list(objects())
    twice = [again for obj in once for again in personal.personal_objects(obj, ANNA)]

    assert twice[: len(once)] != []
    assert {obj["metadata"].get("namespace") for obj in twice} == {
        obj["metadata"].get("namespace") for obj in once
    }
