"""The weights as the VirtualService has them, whoever wrote it."""

from types import SimpleNamespace

import pytest

from labkit.scenario.weights import HOSTS, weights_now


def _route(name, **fields):
    return {"destination": {"host": HOSTS[name]}, **fields}


def _of(http):
    rule = None if http is None else {"spec": {"http": http}}
    return weights_now(SimpleNamespace(find=lambda _: rule))


@pytest.mark.parametrize(
    ("http", "weights"),
    [
        ([{"route": [_route("ServiceB", weight=30), _route("ServiceC", weight=70)]}], (30, 70)),
        ([{"route": [_route("ServiceB", weight=3), _route("ServiceC", weight=1)]}], (75, 25)),
        ([{"route": [_route("ServiceC")]}], (0, 100)),
    ],
)
def test_they_are_parts_of_100(http, weights):
    assert _of(http) == dict(zip(("ServiceB", "ServiceC"), weights, strict=True))


@pytest.mark.parametrize("http", [None, [], [{"redirect": {"uri": "/elsewhere"}}]])
def test_what_splits_nothing_has_none(http):
    assert _of(http) is None
