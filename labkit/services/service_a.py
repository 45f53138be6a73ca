"""ServiceA: greets, and adds what its master system, ``producer-internal-host``, says."""

from __future__ import annotations

from labkit.services import master_system


def main() -> None:
    """Serve on port 8081."""
    master_system.caller("ServiceA", 8081, "http://producer-internal-host", "Hello from ServiceA!")
