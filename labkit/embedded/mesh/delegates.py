"""Delegates: routes of a root VirtualService that another VirtualService, without hosts, fills in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Rule = Mapping[str, Any]
Match = Mapping[str, Any]

_INHERITED = (
    "rewrite",
    "directResponse",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrorPercent",
    "mirrorPercentage",
    "mirrors",
    "corsPolicy",
    "headers",
)
_STRINGS = ("uri", "scheme", "method", "authority")
_MAPS = ("headers", "withoutHeaders", "queryParams")


def merged_rules(root: Rule, delegate: Iterable[Rule]) -> list[dict[str, Any]]:
    """The delegate's rules as they stand in the root: those whose matches contradict the root's are gone."""
    found = (_merged_rule(root, rule) for rule in delegate)
    return [rule for rule in found if rule is not None]


def _merged_rule(root: Rule, rule: Rule) -> dict[str, Any] | None:
    matches = _merged_matches(root.get("match") or [], rule.get("match") or [])
    if matches is None:
        return None
    inherited = {key: root[key] for key in _INHERITED if key in root and key not in rule}
    name = _joined(root.get("name"), rule.get("name"))
    return {**rule, **inherited, "match": matches} | ({"name": name} if name else {})


def _joined(root: str | None, own: str | None) -> str:
    return "-".join(part for part in (root, own) if part)


def _merged_matches(root: Sequence[Match], own: Sequence[Match]) -> list[Match] | None:
    """Every match of the delegate within every root match it fits in; None where one fits in none."""
    if not root or not own:
        return list(root or own)
    merged: list[Match] = []
    for match in own:
        fitting = [_merged_match(each, match) for each in root if not _contradicts(each, match)]
        if not fitting:
            return None
        merged += fitting
    return merged


def _merged_match(root: Match, own: Match) -> Match:
    merged: dict[str, Any] = {**root, **own}
    for key in (*_MAPS, "sourceLabels"):
        both = {**(root.get(key) or {}), **(own.get(key) or {})}
        if both:
            merged[key] = both
    name = _joined(root.get("name"), own.get("name"))
    return merged | ({"name": name} if name else {})


def _contradicts(root: Match, own: Match) -> bool:
    return (
        any(_strings_contradict(root.get(key), own.get(key)) for key in _STRINGS)
        or any(_maps_contradict(root.get(key) or {}, own.get(key) or {}) for key in _MAPS)
        or bool(root.get("ignoreUriCase")) != bool(own.get("ignoreUriCase"))
        or _values_differ(root.get("port"), own.get("port"))
        or _values_differ(root.get("sourceNamespace"), own.get("sourceNamespace"))
        or _labels_differ(root.get("sourceLabels") or {}, own.get("sourceLabels") or {})
        or _outside(root.get("gateways") or [], own.get("gateways") or [])
    )


def _values_differ(root: Any, own: Any) -> bool:
    return bool(root) and bool(own) and root != own


def _labels_differ(root: Mapping[str, str], own: Mapping[str, str]) -> bool:
    return any(root.get(key, value) != value for key, value in own.items())


def _outside(root: Sequence[str], own: Sequence[str]) -> bool:
    return bool(root) and any(gateway not in root for gateway in own)


def _maps_contradict(root: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    return any(_strings_contradict(root.get(key), value) for key, value in own.items())


def _strings_contradict(root: Mapping[str, str] | None, own: Mapping[str, str] | None) -> bool:
    """Whether no text, as far as istiod can tell, fits both StringMatches."""
    if not root or not own:
        return False
    if root.get("regex") or own.get("regex"):
        return True
    exact, prefix = own.get("exact", ""), own.get("prefix", "")
    if root.get("exact"):
        return bool(prefix) or exact != root["exact"]
    return not (exact or prefix).startswith(root.get("prefix", ""))
