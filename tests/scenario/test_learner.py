"""The scenario's manifests as they are for one learner of a class."""

import importlib

import pytest
import yaml

from labkit.kube.manifests import Source, parse
from labkit.scenario import learner, personal, steps


@pytest.fixture
def annas(monkeypatch):
    """The module as it is in the process of a learner called anna."""
    monkeypatch.setenv("LABKIT_USER", "anna")
    _reload()
    yield personal
    monkeypatch.undo()
    _reload()


def _reload():
    importlib.reload(learner)
    importlib.reload(personal)


def objects(annas):
    for path in sorted(steps.folder().rglob("*.yml")):
        for manifest in parse(Source(path.read_text(), path)):
            yield from annas.personal_objects(manifest.object)


def test_nothing_is_changed_outside_a_class():
    source = steps.read(steps.folder() / "01-inbound-to-service-a" / "serviceA-gw.yml")

    assert personal.personal(source) is source


def test_no_object_is_left_in_a_namespace_that_others_have(annas):
    text = yaml.safe_dump_all(list(objects(annas)))

    for name in ("dev-service-mesh", "external-cluster", "outside.outside"):
        assert text.count(name) == text.count(f"{name}-anna")


def test_every_rule_at_a_gateway_bears_the_learners_host_name(annas):
    rules = [obj for obj in objects(annas) if obj["kind"] in ("Gateway", "VirtualService")]
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


def test_rules_for_the_shared_address_are_not_exported(annas):
    rules = [
        obj
        for obj in objects(annas)
        if obj["kind"] == "VirtualService" and annas.INGRESS_HOST in obj["spec"]["hosts"]
    ]

    assert rules
    assert all(rule["spec"]["exportTo"] == ["."] for rule in rules)


def test_it_is_the_same_twice(annas):
    once = list(objects(annas))

    assert [again for obj in once for again in annas.personal_objects(obj)][: len(once)] != []
    assert {o["metadata"].get("namespace") for obj in once for o in annas.personal_objects(obj)} == {
        obj["metadata"].get("namespace") for obj in once
    }
