"""Whether a connection goes through the pod's sidecar, where annotations say that not all do.

It lives in other programs' processes, so it imports nothing of labkit.
"""

from __future__ import annotations

import ipaddress
from typing import Any


def is_captured(rules: dict[str, Any], host: str, port: int) -> bool:
    """As istio-iptables' chain ISTIO_OUTPUT decides: excluded ports, included ports, then the ranges."""
    if port in rules["exclude_ports"]:
        return False
    if port in rules["include_ports"]:
        return True
    return not _is_in(rules["exclude_ranges"], host) and _is_in(rules["include_ranges"], host)


def _is_in(ranges: list[str], host: str) -> bool:
    address = ipaddress.ip_address(host)
    return any(address in ipaddress.ip_network(each, strict=False) for each in ranges)
