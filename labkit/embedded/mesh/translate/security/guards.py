"""The filters that stand before all others where something comes in: at sidecars and at gateways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.translate.security.authorization import Authorization
from labkit.embedded.mesh.translate.security.tokens import token_filter

Filters = list[dict[str, Any]]


def http_guards(state: MeshState, proxy: Proxy) -> Filters:
    """HTTP filters: what others decide, what tokens say, what the proxy decides itself."""
    authorization = Authorization(state, proxy)

    def make() -> Filters:
        return [*authorization.custom(), *token_filter(state, proxy), *authorization.local()]

    return _made_once(state, proxy, "http guards", make)


def tcp_guards(state: MeshState, proxy: Proxy) -> Filters:
    """Network filters, to stand before a TCP proxy."""
    authorization = Authorization(state, proxy, bytes_only=True)

    def make() -> Filters:
        return [*authorization.custom(), *authorization.local()]

    return _made_once(state, proxy, "tcp guards", make)


def _made_once(state: MeshState, proxy: Proxy, what: str, make: Callable[[], Filters]) -> Filters:
    """All ports of a proxy, and all pods of one kind, have the same."""
    key = (what, proxy.kind, proxy.namespace, frozenset(state.labels_of(proxy).items()))
    if key not in state.memo:
        state.memo[key] = make()
    found: Filters = state.memo[key]
    return found
