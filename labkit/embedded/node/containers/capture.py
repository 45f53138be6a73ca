"""Which of a pod's connections go through its sidecar: what the container ``istio-init`` sets up elsewhere.

The annotations ``traffic.sidecar.istio.io/…``, in the order in which istio-iptables writes its rules.
"""

from __future__ import annotations

from typing import Any

from labkit.embedded.objects import Obj, annotations_of

PREFIX = "traffic.sidecar.istio.io/"


def outbound_rules(pod: Obj) -> dict[str, Any]:
    """The rules for the shim (``shim/labkit_capture.py``); empty where everything is captured."""
    given = annotations_of(pod)
    ports = {name: given.get(f"{PREFIX}{name}OutboundPorts", "") for name in ("exclude", "include")}
    ranges = {name: given.get(f"{PREFIX}{name}OutboundIPRanges") for name in ("exclude", "include")}
    if not any(ports.values()) and not ranges["exclude"] and ranges["include"] in (None, "*"):
        return {}
    return {
        "exclude_ports": [int(each) for each in _listed(ports["exclude"])],
        "include_ports": [int(each) for each in _listed(ports["include"])],
        "exclude_ranges": _listed(ranges["exclude"]),
        "include_ranges": _listed("0.0.0.0/0" if ranges["include"] in (None, "*") else ranges["include"]),
    }


def _listed(text: str | None) -> list[str]:
    return [each.strip() for each in (text or "").split(",") if each.strip()]
