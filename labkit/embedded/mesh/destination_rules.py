"""Which DestinationRule holds for a host, and which traffic policy for a port of it.

Three levels are asked in turn, the first that knows the host decides alone: the client's namespace,
the service's namespace, the root namespace. Within a level an exact host beats wildcards, and the
longest wildcard beats the others. Rules of one namespace for one host with one ``exportTo`` are merged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from labkit.embedded.mesh.configs import Config
from labkit.embedded.mesh.hosts import is_wildcard, most_specific, resolve
from labkit.embedded.objects import has_labels

Policy = Mapping[str, Any]
_ANYBODY: Mapping[str, str] = {}
POLICY_PARTS = ("loadBalancer", "connectionPool", "outlierDetection", "tls")


@dataclass(frozen=True)
class Subset:
    name: str
    labels: Mapping[str, str]
    policy: Policy


@dataclass(frozen=True)
class DestinationRule:
    """One rule, or several of the same host merged."""

    host: str
    config: Config
    policy: Policy
    subsets: tuple[Subset, ...]

    @property
    def workloads(self) -> Mapping[str, str]:
        """The labels of the workloads it is for; empty where it is for all."""
        return (self.config.spec.get("workloadSelector") or {}).get("matchLabels") or {}

    @property
    def selects_workloads(self) -> bool:
        return self.config.spec.get("workloadSelector") is not None

    def policy_for(self, port: int, subset: Subset | None = None) -> Policy:
        """The four parts that hold for *port* (of *subset*); a missing part means Istio's default.

        The subset's parts lie over the rule's. On either level a ``portLevelSettings`` entry replaces
        all four parts for its port: what it leaves out is the default again, not what stands above it.
        """
        entry = _port_level(self.policy, port)
        whole = _parts(self.policy if entry is None else entry)
        if subset is None:
            return whole
        entry = _port_level(subset.policy, port)
        return whole | _parts(subset.policy) if entry is None else _parts(entry)


def _parts(policy: Policy) -> dict[str, Any]:
    return {part: policy[part] for part in POLICY_PARTS if policy.get(part) is not None}


def _port_level(policy: Policy, port: int) -> Policy | None:
    entries = policy.get("portLevelSettings") or []
    return next((each for each in entries if (each.get("port") or {}).get("number") == port), None)


class DestinationRules:
    """All rules of the mesh, ready for :meth:`lookup`."""

    def __init__(self, configs: Sequence[Config], root_namespace: str) -> None:
        self._root = root_namespace
        self._specs = [each.spec for each in configs]
        self._by_namespace: dict[str, dict[str, list[DestinationRule]]] = {}
        self._found: dict[tuple[str, str, str, tuple[str, ...]], DestinationRule | None] = {}
        for namespace, rules in _grouped(configs).items():
            self._by_namespace[namespace] = {host: _merged(each) for host, each in rules.items()}

    def selecting(self, namespace: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        """The names of the rules that are for the workloads of *namespace* with *labels* only."""
        return tuple(
            each.config.name
            for each in self._selective.get(namespace, ())
            if has_labels(labels, each.workloads)
        )

    def lookup(
        self, host: str, client: str, owner: str, labels: Mapping[str, str] = _ANYBODY
    ) -> DestinationRule | None:
        """The rule for *host*, a service of namespace *owner*, in proxies of namespace *client*, whose pods
        have *labels*."""
        chosen = self.selecting(client, labels)
        key = (host, client, owner, chosen)
        if key not in self._found:
            self._found[key] = self._look_up(host, client, owner, chosen)
        return self._found[key]

    @cached_property
    def asks_for_labels(self) -> bool:
        """Whether any of them orders endpoints by the labels that they share with the caller."""
        return any("failoverPriority" in str(_locality_settings(each)) for each in self._specs)

    @cached_property
    def _selective(self) -> Mapping[str, Sequence[DestinationRule]]:
        """By namespace, the rules for some workloads only."""
        return {
            namespace: [each for those in rules.values() for each in those if each.selects_workloads]
            for namespace, rules in self._by_namespace.items()
        }

    def _look_up(self, host: str, client: str, owner: str, chosen: tuple[str, ...]) -> DestinationRule | None:
        levels = [] if client == self._root else [client]
        for namespace in dict.fromkeys([*levels, owner, self._root]):
            found = self._in(namespace, host)
            if namespace == client and found:
                return _own(found, chosen)
            for rule in found:
                if not rule.selects_workloads and rule.config.is_visible_from(client):
                    return rule
        return None

    def _in(self, namespace: str, host: str) -> list[DestinationRule]:
        rules = self._by_namespace.get(namespace, {})
        hosts = [host] if host in rules else [each for each in rules if is_wildcard(each)]
        return rules.get(most_specific(host, hosts) or "", [])


def _locality_settings(spec: Policy) -> list[Any]:
    """All there are in a rule's *spec*."""
    policies = [one.get("trafficPolicy") or {} for one in (spec, *(spec.get("subsets") or []))]
    policies += [one for each in policies for one in each.get("portLevelSettings") or []]
    return [(each.get("loadBalancer") or {}).get("localityLbSetting") for each in policies]


def _own(rules: Sequence[DestinationRule], chosen: tuple[str, ...]) -> DestinationRule | None:
    """Of the namespace's own: one for these workloads, else one for all."""
    picked = (each for each in rules if each.selects_workloads and each.config.name in chosen)
    return next(picked, None) or next((each for each in rules if not each.selects_workloads), None)


def _grouped(configs: Iterable[Config]) -> Mapping[str, Mapping[str, list[DestinationRule]]]:
    grouped: dict[str, dict[str, list[DestinationRule]]] = defaultdict(lambda: defaultdict(list))
    for config in configs:
        rule = _rule(config)
        grouped[config.namespace][rule.host].append(rule)
    return grouped


def _rule(config: Config) -> DestinationRule:
    spec = config.spec
    host = resolve(str(spec.get("host") or ""), config.namespace)
    subsets = tuple(
        Subset(str(each.get("name")), each.get("labels") or {}, each.get("trafficPolicy") or {})
        for each in spec.get("subsets") or []
    )
    return DestinationRule(host, config, spec.get("trafficPolicy") or {}, subsets)


def _merged(rules: Sequence[DestinationRule]) -> list[DestinationRule]:
    """*rules* of one host, oldest first, those with one ``exportTo`` for the same workloads made one."""
    merged: dict[object, DestinationRule] = {}
    for rule in rules:
        key = rule.config.export_to, tuple(sorted(rule.workloads.items())), rule.selects_workloads
        first = merged.get(key)
        merged[key] = rule if first is None else _merge(first, rule)
    return list(merged.values())


def _merge(first: DestinationRule, second: DestinationRule) -> DestinationRule:
    known = {subset.name for subset in first.subsets}
    subsets = first.subsets + tuple(each for each in second.subsets if each.name not in known)
    return replace(first, policy=first.policy or second.policy, subsets=subsets)
