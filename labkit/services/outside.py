"""Outside: a server that no mesh knows, for trying the ways out of one."""

from __future__ import annotations

from labkit.services import server


def main() -> None:
    """Serve on port 8082."""
    server.serve("Outside", 8082, server.application(server.fixed("Hello from outside the mesh!")))
