"""Envoy's reasons, without the resources it prints beside them."""

from __future__ import annotations

LONGEST = 2000
"""Characters of a reason; what is longer is cut in its middle."""


def shortened(message: str) -> str:
    """The reason in Envoy's *message*."""
    return message
