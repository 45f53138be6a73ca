"""Istio's rules for a ``localityLbSetting``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from labkit.embedded.mesh.localities import REGION, SUBZONE, ZONE
from labkit.embedded.mesh.validation.common import Given


def needs_ejection(setting: Given) -> bool:
    """Whether it means something only where endpoints are ejected."""
    return bool(setting.get("failover") or setting.get("failoverPriority"))


def errors(setting: Given) -> Iterator[str]:
    """What istiod refuses; the first of the clashes alone, as it does."""
    distribute, failover = setting.get("distribute") or [], setting.get("failover") or []
    if distribute and failover:
        yield "can not simultaneously specify 'distribute' and 'failover'"
        return
    for label in setting.get("failoverPriority") or [] if failover else ():
        if label in (REGION, ZONE, SUBZONE):
            yield f"can not simultaneously set 'failover' and topology label '{label}' in 'failover_priority'"
            return
    for each in distribute:
        problem = next(_weights((each.get("to") or {}).values()), "")
        if problem:
            yield problem
            return
        yield from _overlaps(list(each.get("to") or {}))
    yield from _overlaps([str(each.get("from") or "") for each in distribute])
    for each in failover:
        yield from _regions(str(each.get("from") or ""), str(each.get("to") or ""))


def _weights(weights: Iterable[Any]) -> Iterator[str]:
    total = 0
    for weight in weights:
        if not 1 <= int(weight) <= 100:
            yield "locality weight must be in range [1, 100]"
        total += int(weight)
    if total != 100:
        yield f"total locality weight {total} != 100"


def _overlaps(localities: Sequence[str]) -> Iterator[str]:
    seen: list[list[str]] = []
    for each in localities:
        if each.count("*") > 1 or ("*" in each and not each.endswith("*")):
            yield f"locality {each} wildcard '*' number can not exceed 1 and must be in the end"
            return
        parts = each.split("/", 2)
        if not all(parts):
            yield f"locality {each} must not contain empty region/zone/subzone info"
            return
        own = [part for part in parts if part != "*"]
        # As istiod has it: a wildcard may come after what it covers.
        covers_others = own == parts and any(other[: len(own)] == own for other in seen)
        if covers_others or any(own[: len(other)] == other for other in seen):
            yield f"locality {each} overlap with previous specified ones"
            return
        seen.append(own)


def _regions(origin: str, target: str) -> Iterator[str]:
    if origin == target:
        yield "locality lb failover settings must specify different regions"
    if "/" in origin or "/" in target:
        yield "locality lb failover only specify region"
    if "*" in origin or "*" in target:
        yield "locality lb failover region should not contain '*' wildcard"
