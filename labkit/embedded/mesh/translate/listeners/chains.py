"""Filter chains of TCP and TLS, told apart by name (SNI) and destination as Envoy tells them apart.

Envoy refuses a listener of which two chains, or one chain twice, claim the same name and block of addresses:
the first to claim them has them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

Match = dict[str, Any]
_Claims = set[tuple[str, str]]


@dataclass(frozen=True)
class Chain:
    """One filter chain: when it is taken."""

    match: Match = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class TcpChain(Chain):
    """One that ends in a TCP proxy, and that proxy's target."""

    target: str | dict[str, Any]


C = TypeVar("C", bound=Chain)


def distinct(chains: Iterable[C]) -> Iterator[C]:
    """*chains* without what an earlier one has claimed."""
    claimed: _Claims = set()
    for chain in chains:
        yield from (replace(chain, match=match) for match in _unclaimed(chain.match, claimed))


def _unclaimed(match: Match, claimed: _Claims) -> Iterator[Match]:
    """What is left of *match*: itself, or a match for each block of addresses that has names left."""
    names = {name.lower(): name for name in match.get("server_names") or [""] if not _is_partial(name)}
    blocks = {_block(each): each for each in match.get("prefix_ranges") or [{}]}
    left = {block: [name for name in names if (name, block) not in claimed] for block in blocks}
    claimed |= {(name, block) for name in names for block in blocks}
    by_names: dict[tuple[str, ...], list[str]] = {}
    for block, free in left.items():
        by_names.setdefault(tuple(free), []).append(block)
    for some, shared in by_names.items():
        if some:
            yield _narrowed(match, [names[each] for each in some], [blocks[each] for each in shared])


def _is_partial(name: str) -> bool:
    """``*a.example``, which Istio warns about and Envoy does not take for a server's name."""
    return name.startswith("*") and name != "*" and not name.startswith("*.")


def _narrowed(match: Match, names: list[str], blocks: list[Match]) -> Match:
    narrow = {"server_names": names, "prefix_ranges": blocks}
    return {key: narrow.get(key, value) for key, value in match.items()}


def _block(given: Mapping[str, Any]) -> str:
    """The same text for the same addresses: ``192.0.2.7/24`` is ``192.0.2.0/24``."""
    if not given:
        return ""
    return str(ipaddress.ip_network(f"{given['address_prefix']}/{given['prefix_len']}", strict=False))
