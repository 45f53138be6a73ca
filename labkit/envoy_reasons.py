"""Why Envoy refuses something, in its own words but without the whole resource that it prints before them."""

from __future__ import annotations

import re

LONGEST_RESOURCE = 160
"""Characters that are left of a resource."""
_WITH_RESOURCE = re.compile(r"goo\.gle/debug\w+\s+(?P<resource>.*?)\n: (?P<reason>[^\n]*)", re.DOTALL)


def reason_first(message: str) -> str:
    """Envoy's *message*, each reason in it whole, then the beginning of the resource it is about."""
    return _WITH_RESOURCE.sub(_turned, message).strip()


def _turned(found: re.Match[str]) -> str:
    resource = " ".join(found["resource"].split())
    if len(resource) > LONGEST_RESOURCE:
        resource = f"{resource[:LONGEST_RESOURCE].rstrip()} …"
    return f"{found['reason']} in: {resource}"
