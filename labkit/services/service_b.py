"""ServiceB: the producer that always answers the same."""

from __future__ import annotations

from labkit.services import server


def main() -> None:
    """Serve on port 8082."""
    server.serve("ServiceB", 8082, server.application(server.fixed("Hello from ServiceB!")))
