"""ServiceG: calls a host of the outside world, for trying TLS on the way out of a mesh."""

from __future__ import annotations

from labkit.services import master_system


def main() -> None:
    """Serve on port 8083."""
    master_system.caller("ServiceG", 8083, "http://www.oracle.com/index.html", "Hello from ServiceG!")
