"""One rule of a Role: what it allows, and what of another rule it covers.

Source: pkg/apis/rbac/v1/evaluation_helpers.go and component-helpers/auth/rbac/validation of Kubernetes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

from labkit.embedded.api.access.attributes import Attributes
from labkit.embedded.objects import Obj

EVERYTHING: tuple[Obj, ...] = (
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
)


def allows(rule: Obj, asked: Attributes) -> bool:
    """Whether *rule* says yes to *asked*."""
    if not _has(rule, "verbs", asked.verb):
        return False
    if not asked.is_resource:
        return any(_path_covers(each, asked.path) for each in _list(rule, "nonResourceURLs"))
    names = _list(rule, "resourceNames")
    return (
        _has(rule, "apiGroups", asked.group)
        and _resource_covers(_list(rule, "resources"), asked.combined, asked.subresource)
        and (not names or asked.name in names)
    )


def missing(own: Iterable[Obj], wanted: Iterable[Obj]) -> list[Obj]:
    """What of *wanted* no single rule of *own* covers, in rules with one value each."""
    held = list(own)
    return [part for rule in wanted for part in _parts(rule) if not any(_covers(each, part) for each in held)]


def described(rules: Iterable[Obj]) -> list[str]:
    """*rules* with one value each, in the words of a refused escalation: verbs on one resource together."""
    verbs: dict[tuple[str, int], list[str]] = {}
    for number, rule in enumerate(rules):
        about = ", ".join(f"{label}:{quoted(rule[key])}" for key, label in _LABELS if rule.get(key))
        verbs.setdefault((about, number if "nonResourceURLs" in rule else -1), []).extend(rule["verbs"])
    return sorted({f"{{{about}, Verbs:{quoted(said)}}}" for (about, _), said in verbs.items()})


_LABELS = (
    ("apiGroups", "APIGroups"),
    ("resources", "Resources"),
    ("nonResourceURLs", "NonResourceURLs"),
    ("resourceNames", "ResourceNames"),
)


def quoted(values: Iterable[str]) -> str:
    """As Go prints a list with ``%q``."""
    return f"[{' '.join(json.dumps(each, ensure_ascii=False) for each in values)}]"


def _list(rule: Obj, key: str) -> Sequence[str]:
    return rule.get(key) or ()


def _has(rule: Obj, key: str, value: str) -> bool:
    values = _list(rule, key)
    return value in values or "*" in values


def _resource_covers(resources: Sequence[str], combined: str, subresource: str) -> bool:
    every = f"*/{subresource}" if subresource else combined
    return "*" in resources or combined in resources or every in resources


def _path_covers(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


def _parts(rule: Obj) -> list[Obj]:
    names = _list(rule, "resourceNames")
    each = itertools.product(_list(rule, "apiGroups"), _list(rule, "resources"), _list(rule, "verbs"))
    of_resources: list[Obj] = [
        {"apiGroups": [group], "resources": [resource], "verbs": [verb], **named}
        for group, resource, verb in each
        for named in ([{"resourceNames": [name]} for name in names] if names else [{}])
    ]
    pairs = itertools.product(_list(rule, "nonResourceURLs"), _list(rule, "verbs"))
    return of_resources + [{"nonResourceURLs": [path], "verbs": [verb]} for path, verb in pairs]


def _covers(rule: Obj, part: Obj) -> bool:
    if not _has(rule, "verbs", part["verbs"][0]):
        return False
    if paths := part.get("nonResourceURLs"):
        return any(_path_covers(each, paths[0]) for each in _list(rule, "nonResourceURLs"))
    resource, names = part["resources"][0], _list(rule, "resourceNames")
    return (
        _has(rule, "apiGroups", part["apiGroups"][0])
        and _resource_covers(_list(rule, "resources"), resource, resource.partition("/")[2])
        and (not names or ("resourceNames" in part and part["resourceNames"][0] in names))
    )
