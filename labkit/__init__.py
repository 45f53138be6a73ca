"""labkit: the library behind the lab book of canary releases in a service mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.lab import Lab

__all__ = ["Lab"]


def __getattr__(name: str) -> Any:
    # Late, so that the command line and the daemon start without pandas.
    if name == "Lab":
        from labkit.lab import Lab

        return Lab
    raise AttributeError(f"module 'labkit' has no attribute {name!r}")
