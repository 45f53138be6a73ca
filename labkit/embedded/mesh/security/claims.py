"""``@request.auth.claims…``: what a VirtualService at a gateway asks of a request's token, no header."""

from __future__ import annotations

PREFIX = "@request.auth.claims"


def routing_claim(name: str) -> list[str] | None:
    """The claim that the header *name* stands for, nested ones outermost first; None for a plain header.

    ``….a.b`` and ``…[a][b]`` mean the same.
    """
    if not name.lower().startswith(PREFIX):
        return None
    rest = name[len(PREFIX) :]
    if rest.startswith(".") and len(rest) > 1:
        return rest[1:].split(".")
    if rest.startswith("[") and rest.endswith("]") and len(rest) > 2:
        return rest[1:-1].split("][")
    return None
