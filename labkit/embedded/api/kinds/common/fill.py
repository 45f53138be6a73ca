"""Filling in what a manifest leaves out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labkit.embedded.objects import Obj


def fill(target: Obj, **values: Any) -> None:
    """Set what is missing or empty."""
    for key, value in values.items():
        if target.get(key) in (None, ""):
            target[key] = value


def items(target: Obj, *names: str) -> Iterable[Obj]:
    """The entries of the lists *names* of *target*."""
    return [each for name in names for each in target.get(name) or ()]
