"""A rule in hand: names, parts of 100, and sharing them anew."""

import pytest

from labkit.errors import UsageError
from labkit.kube.mesh.destinations import Destination
from labkit.release.finding import rule_of
from labkit.release.held import held, unique

HOSTS = ("c", "b", "other.far")


def rule(*weights):
    route = [
        {"destination": {"host": host}, "weight": weight}
        for host, weight in zip(HOSTS, weights, strict=False)
    ]
    return rule_of({"metadata": {"name": "r", "namespace": "shop"}, "spec": {"http": [{"route": route}]}})


def named(found):
    names = {one: one.host.partition(".")[0].upper() for one in found.destinations}
    return held(found, names, first=("B", "C"))


def test_the_known_come_first_and_writing_keeps_the_rules_order():
    found = named(rule(1, 2, 1))

    assert found.weights == {"B": 50, "C": 25, "OTHER": 25}
    assert found.destinations["OTHER"] == Destination("other.far")
    assert found.sharing("B", 0).weights == (50, 0, 50)
    assert found.sharing("OTHER", 40).weights == (20, 40, 40)
    with pytest.raises(UsageError, match="from 0 to 100"):
        found.sharing("B", 101)


def test_a_rule_that_sends_nothing_anywhere():
    assert named(rule(0, 0)).weights == {"B": 0, "C": 0}


def test_each_has_a_name_of_its_own():
    one, two, three = Destination("b.x", port=80), Destination("b.y", port=80), Destination("b.x", port=90)

    assert unique([("B", one), ("C", two)]) == ["B", "C"]
    assert unique([("B", one), ("B", two)]) == ["B (b.x)", "B (b.y)"]
    assert unique([("B", one), ("B", three), ("C", two)]) == ["B (b.x:80)", "B (b.x:90)", "C"]
    assert unique([("B", one), ("B", one)]) == ["B (b.x:80) no. 1", "B (b.x:80) no. 2"]
