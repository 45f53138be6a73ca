"""IP addresses in objects."""

from __future__ import annotations

import ipaddress

from labkit.embedded.api.kinds.common.causes import Causes


def check_address(causes: Causes, field: str, address: str) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        causes.invalid(field, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
