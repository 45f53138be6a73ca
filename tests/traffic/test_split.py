"""Shares, intervals and tests against values worked out elsewhere."""

import math

import pandas as pd
import pytest

from labkit.errors import UsageError
from labkit.traffic.split import host_of, interval, split, split_counts

HALVES = {"B": 50, "C": 50}


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        # Clopper & Pearson's own closed forms at the ends: (a/2)^(1/n), and one minus it
        (0, 10, 0.0, 1 - 0.025 ** (1 / 10)),
        (10, 10, 0.025 ** (1 / 10), 1.0),
        # as textbooks print them
        (2, 10, 0.02521, 0.55610),
        (15, 50, 0.17862, 0.44608),
    ],
)
def test_intervals_are_clopper_and_pearsons(count, total, low, high):
    assert interval(count, total) == (pytest.approx(low, abs=2e-5), pytest.approx(high, abs=2e-5))


def test_an_interval_of_nothing_is_everything():
    assert interval(0, 0) == (0.0, 1.0)


def test_the_binomial_test_is_exact():
    # 8 of 10 at one half: 2 · (45 + 10 + 1) / 1024
    assert split_counts({"B": 8, "C": 2}, HALVES).p_value == pytest.approx(2 * 56 / 1024)


def test_the_multinomial_test_is_exact():
    # 3 of 3 to one of three equals: 3 outcomes as unlikely, each 1/27
    thirds = {"x": 1, "y": 1, "z": 1}
    assert split_counts({"x": 3}, thirds).p_value == pytest.approx(3 / 27)


def test_many_destinations_stay_conservative():
    counts = {"x": 3400, "y": 3300, "z": 3300, "w": 0}
    thirds = {"x": 1, "y": 1, "z": 1}

    assert 0.2 < split_counts(counts, thirds).p_value <= 1.0


def test_what_weighs_nothing_must_get_nothing():
    assert split_counts({"B": 1000}, {"B": 100, "C": 0}).fits
    assert split_counts({"B": 999, "C": 1}, {"B": 100, "C": 0}).p_value == 0.0


def test_weights_have_any_unit():
    counts = {"B": 12, "C": 88}

    assert split_counts(counts, {"B": 10, "C": 90}).p_value == split_counts(counts, {"B": 1, "C": 9}).p_value


def test_a_wrong_weight_is_noticed():
    assert not split_counts({"B": 480, "C": 520}, {"B": 90, "C": 10}).fits
    assert split_counts({"B": 480, "C": 520}, HALVES).fits


def test_without_weights_there_is_no_verdict():
    found = split_counts({"B": 3, "C": 4})

    assert found.fits is None
    assert "weight" not in str(found)


@pytest.mark.parametrize("weights", [{"B": 0, "C": 0}, {"B": -1, "C": 2}])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(UsageError, match="Weights are 0 or more"):
        split_counts({"B": 1}, weights)


def test_answers_are_split_by_service():
    frame = pd.DataFrame({"service": pd.Categorical(["B", "C", "B", None])})

    found = split(frame, HALVES)

    assert found.counts == {"B": 2, "C": 1}
    assert found.left_out == 1
    assert "1 request was answered by no destination" in str(found)


def test_logs_are_split_by_destination():
    clusters = ["outbound|80||service-c-srv.dev-service-mesh.svc.cluster.local"] * 2
    frame = pd.DataFrame({"upstream_cluster": pd.Categorical([*clusters, "inbound|8081||", None])})

    found = split(frame, names={"service-c-srv": "ServiceC"})

    assert found.counts == {"ServiceC": 2}
    assert found.left_out == 1, "the call that found no cluster; the inbound line is none"


def test_other_frames_are_refused():
    with pytest.raises(UsageError, match="neither"):
        split(pd.DataFrame({"a": [1]}))


@pytest.mark.parametrize(
    ("cluster", "host"),
    [
        ("outbound|80||producer-internal-host.dev-service-mesh.svc.cluster.local", "producer-internal-host"),
        ("outbound|443|v1|api.example.com", "api.example.com"),
        ("PassthroughCluster", "PassthroughCluster"),
        ("inbound|8081||", None),
    ],
)
def test_hosts_of_clusters(cluster, host):
    assert host_of(cluster) == host


def test_shares_add_up():
    found = split_counts({"B": 333, "C": 667}, HALVES)

    assert math.isclose(sum(share.share for share in found.shares), 1.0)
    assert all(share.low < share.share < share.high for share in found.shares)


def test_it_shows_itself():
    found = split_counts({"B": 480, "C": 520}, HALVES)

    assert "✓ 1000 requests fit the weights" in str(found)
    assert found._repr_mimebundle_()["text/html"].startswith("<table")
