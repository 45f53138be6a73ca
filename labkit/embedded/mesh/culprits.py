"""Which of many objects makes what they are for fail: found by trying with fewer of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence, Set
from typing import TypeVar

T = TypeVar("T")


async def culprits(suspects: Sequence[T], holds_without: Callable[[Set[T]], Awaitable[bool]]) -> set[T]:
    """The smallest part of *suspects*, as far as that can be told, without which all is well.

    Empty where even doing without all of them does not help. *suspects* stand in the order in which they
    are believed: of two that only fail together, the later one is found. That takes about log2(n) tries
    for each one that is found; *holds_without* tells whether all is well without some of them.
    """
    if not suspects or not await holds_without(frozenset(suspects)):
        return set()
    found: set[T] = set()
    good, rest = 0, list(suspects)
    while not await holds_without(found):
        good = await _first_failing(rest, good, found, holds_without)
        found.add(rest[good])
        good += 1
    return found


async def _first_failing(
    suspects: Sequence[T], good: int, found: Set[T], holds_without: Callable[[Set[T]], Awaitable[bool]]
) -> int:
    """The position of the first one that fails with all before it; those before *good* are known to hold."""
    low, high = good, len(suspects)  # with [:low] it holds, with [:high] it fails
    while high - low > 1:
        middle = (low + high) // 2
        if await holds_without(found | set(suspects[middle:])):
            low = middle
        else:
            high = middle
    return low
