"""A controller that takes one step at a time: what a step changes brings the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from labkit.embedded.controllers.runtime import Key
from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, is_terminating


class Step(Protocol):
    """One look at an object and at what it owns."""

    again: float | None
    """Seconds until somebody should look again, though nothing has changed."""

    def take(self) -> None:
        """Make, change or delete something."""

    def write_status(self) -> None:
        """What is true after it, or after as much of it as went well."""


def step(client: Client, resource: str, key: Key, look: Callable[[Obj], Step]) -> float | None:
    """One step for the object, where it is there and stays, then its status; seconds until the next look."""
    found = client.find(resource, key[1], key[0])
    if found is None:
        return None
    one = look(found)
    try:
        if not is_terminating(found):
            one.take()
    finally:
        one.write_status()
    return one.again
