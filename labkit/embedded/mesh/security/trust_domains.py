"""Names that the mesh's trust domain has, and had: a policy's principal stands for all of them.

Istio's rules (``pilot/pkg/security/trustdomain``): ``cluster.local`` always means the mesh's own domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CLUSTER_LOCAL = "cluster.local"
_PARTS = 5
"""``<domain>/ns/<namespace>/sa/<account>``."""


def with_aliases(principals: Iterable[str], domains: Sequence[str]) -> list[str]:
    """*principals*, each with the names it has in *domains* (the mesh's own, then its aliases)."""
    return [each for principal in principals for each in _named(principal, domains)]


def expanded(values: Iterable[str], domains: Sequence[str]) -> list[str]:
    """Trust domains: one of *domains* stands for all of them."""
    return list(
        dict.fromkeys(each for value in values for each in (domains if value in domains else [value]))
    )


def _named(principal: str, domains: Sequence[str]) -> list[str]:
    parts = principal.split("/")
    if len(parts) != _PARTS or parts[0] == "*":
        return [principal]
    if parts[0] != CLUSTER_LOCAL and not any(_match(parts[0], each) for each in domains):
        return [principal]
    renamed = ["/".join([each, *parts[1:]]) for each in domains]
    found = [principal if _ends(each, parts[0]) else new for each, new in zip(domains, renamed, strict=True)]
    return list(dict.fromkeys(found))


def _match(one: str, other: str) -> bool:
    """Whether they are the same, or one is a pattern for the other."""
    same = one == other or other == "*"
    return same or any(_begins(*pair) or _ends(*pair) for pair in ((one, other), (other, one)))


def _begins(text: str, pattern: str) -> bool:
    return pattern.endswith("*") and text.startswith(pattern[:-1])


def _ends(text: str, pattern: str) -> bool:
    return pattern.startswith("*") and text.endswith(pattern[1:])
