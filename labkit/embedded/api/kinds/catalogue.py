"""The kinds every cluster has from the start."""

from __future__ import annotations

from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import BUILT_IN


def registry() -> Registry:
    """The registry of a new cluster."""
    return Registry(BUILT_IN)
