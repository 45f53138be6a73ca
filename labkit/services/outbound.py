"""Outbound: calls the URL that ``OUTBOUND_URL`` names, for trying the ways out of a mesh."""

from __future__ import annotations

import os
import sys

from labkit.services import master_system


def main() -> None:
    """Serve on port 8082."""
    url = os.environ.get("OUTBOUND_URL", "")
    if not url:
        sys.exit("Outbound has no URL to call: set environment variable OUTBOUND_URL.")
    master_system.caller("Outbound", 8082, url, "Hello from Outbound!")
