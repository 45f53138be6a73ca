"""The order in which a request travelled, from lines that point to each other."""

import random

import pandas as pd
import pytest

from labkit.traffic.travel import in_order_of_travel

# pod, cluster, where it went, where it arrived: the way of the scenario's last step
WAY = [
    ("ingress", "outbound|80||a", "10.0.0.2:8081", "10.9.9.9:80"),  # the balancer's address
    ("a", "inbound|8081||", "10.0.0.2:8081", "10.0.0.2:8081"),
    ("a", "outbound|80||c", "10.0.0.3:8082", "10.43.0.9:80"),
    ("c", "inbound|8082||", "10.0.0.3:8082", "10.0.0.3:8082"),
    ("c", "outbound|80||egress", "10.0.0.4:8080", "10.43.0.8:80"),
    ("egress", "outbound|80||ingress", "10.0.0.1:8080", "10.0.0.4:8080"),
    ("ingress", "outbound|80||ext", "10.0.0.5:8082", "10.0.0.1:8080"),
    ("ext", "inbound|8082||", "10.0.0.5:8082", "10.0.0.5:8082"),
]
NAMES = ["pod", "upstream_cluster", "upstream_host", "downstream_local_address"]


def lines(way):
    frame = pd.DataFrame(way, columns=NAMES)
    return frame.astype(dict.fromkeys(NAMES[1:3], "category"))


@pytest.mark.parametrize("seed", range(20))
def test_any_order_becomes_the_way(seed):
    shuffled = random.Random(seed).sample(WAY, len(WAY))

    assert in_order_of_travel(lines(shuffled)).to_numpy().tolist() == [list(line) for line in WAY]


def test_a_balancer_that_hides_its_address():
    """Then both lines of the ingress name the same address, and the earlier one is the first."""
    way = [(*WAY[0][:3], "10.0.0.1:8080"), *WAY[1:]]

    assert in_order_of_travel(lines(way)).to_numpy().tolist() == [list(line) for line in way]


def test_a_call_that_went_nowhere():
    way = [*WAY[:2], ("a", None, None, "10.43.0.9:80")]

    found = in_order_of_travel(lines(way[::-1]))

    assert found["pod"].tolist() == ["ingress", "a", "a"]
    assert found["upstream_cluster"].isna().tolist() == [False, False, True]


def test_a_line_missing_in_the_middle_loses_no_other():
    found = in_order_of_travel(lines([*WAY[:2], *WAY[4:6]]))

    assert found["pod"].tolist() == ["ingress", "a", "c", "egress"]


def test_several_calls_of_one_pod():
    second = ("a", "outbound|80||b", "10.0.0.6:8082", "10.43.0.7:80")
    way = [*WAY[:4], second, ("b", "inbound|8082||", "10.0.0.6:8082", "10.0.0.6:8082")]

    assert in_order_of_travel(lines(way))["pod"].tolist() == ["ingress", "a", "a", "c", "a", "b"]


def test_no_lines():
    assert in_order_of_travel(lines([])).empty
