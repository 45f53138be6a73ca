"""Which connections go through the sidecar, where annotations say that not all do."""

from __future__ import annotations

import importlib.util

import pytest

from labkit.embedded.node.containers import capture
from labkit.embedded.node.inside.node import SHIM

OUTSIDE, INSIDE = "192.0.2.1", "10.43.0.5"


def is_captured(annotations: dict[str, str], host: str, port: int) -> bool:
    named = {f"traffic.sidecar.istio.io/{name}": value for name, value in annotations.items()}
    rules = capture.outbound_rules({"metadata": {"annotations": named}})
    if not rules:
        return True  # as the shim takes it
    spec = importlib.util.spec_from_file_location("labkit_capture", SHIM / "labkit_capture.py")
    assert spec
    assert spec.loader
    shim = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shim)
    return bool(shim.is_captured(rules, host, port))


@pytest.mark.parametrize(
    ("annotations", "captured"),
    [
        ({}, [True, True, True, True]),
        ({"includeOutboundIPRanges": "*"}, [True, True, True, True]),
        ({"includeOutboundIPRanges": ""}, [False, False, False, False]),
        ({"includeOutboundIPRanges": "10.43.0.0/16"}, [True, True, False, False]),
        ({"excludeOutboundIPRanges": "192.0.2.0/24,198.51.100.0/24"}, [True, True, False, False]),
        ({"excludeOutboundPorts": "443, 8443"}, [True, False, True, False]),
        ({"includeOutboundIPRanges": "", "includeOutboundPorts": "80"}, [True, False, True, False]),
        ({"includeOutboundPorts": "80", "excludeOutboundPorts": "80"}, [False, True, False, True]),
    ],
)
def test_as_iptables_would_decide(annotations: dict[str, str], captured: list[bool]) -> None:
    targets = [(INSIDE, 80), (INSIDE, 443), (OUTSIDE, 80), (OUTSIDE, 443)]
    assert [is_captured(annotations, *each) for each in targets] == captured
