"""``--set`` as istioctl reads it."""

import pytest

from labkit.errors import UsageError
from labkit.istio import LESSON_FLAGS, flags

EGRESS = [
    "components.egressGateways[0].name=istio-egressgateway",
    "components.egressGateways[0].enabled=true",
]


def test_paths_become_a_tree():
    assert flags.parse(EGRESS) == {
        "components": {"egressGateways": [{"name": "istio-egressgateway", "enabled": True}]}
    }


def test_values_have_types():
    tree = flags.parse(["a.b=3", "a.c=true", "a.d=50m", "a.e=", "a.f=x=y"])
    assert tree == {"a": {"b": 3, "c": True, "d": "50m", "e": "", "f": "x=y"}}


def test_an_escaped_dot_is_part_of_the_name():
    assert flags.parse([r"a.b\.c=1"]) == {"a": {"b.c": 1}}


def test_the_last_of_two_flags_wins():
    assert flags.parse(["a.b=1", "a.b=2"]) == {"a": {"b": 2}}


@pytest.mark.parametrize("flag", ["a.b", "=1", "a[0=1", "a..b=1", "a[2]=1"])
def test_what_is_no_path_is_refused(flag):
    with pytest.raises(UsageError):
        flags.parse([flag])


def test_the_lessons_flags_are_all_honoured():
    assert flags.judge(flags.parse(LESSON_FLAGS + EGRESS)) == []


def test_a_flag_without_effect_is_a_warning_that_names_it():
    [warning] = flags.judge(flags.parse(["meshConfig.enableTracing=true"]))
    assert "meshConfig.enableTracing" in warning


def test_a_misspelt_flag_is_an_error_that_names_the_nearest():
    with pytest.raises(UsageError, match=r"Did you mean meshConfig\.accessLogFile\?"):
        flags.judge(flags.parse(["meshConfig.accesLogFile=/dev/stdout"]))


def test_a_mode_that_is_none_is_refused():
    with pytest.raises(UsageError, match="REGISTRY_ONLY or ALLOW_ANY"):
        flags.judge(flags.parse(["meshConfig.outboundTrafficPolicy.mode=CLOSED"]))


def test_gateways_merge_by_name():
    below = {"g": [{"name": "a", "enabled": True}, {"name": "b", "enabled": True}]}
    above = {"g": [{"name": "b", "enabled": False}]}
    assert flags.merged(below, above)["g"] == [
        {"name": "a", "enabled": True},
        {"name": "b", "enabled": False},
    ]
