"""External Cluster Service: what ServiceC asks for, in "another virtual cluster"."""

from __future__ import annotations

from labkit.services import server


def main() -> None:
    """Serve on port 8082."""
    app = server.application(server.fixed("Hello from External Cluster Service!"))
    server.serve("External Cluster Service", 8082, app)
