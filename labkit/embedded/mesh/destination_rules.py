"""Which DestinationRule holds for a host, and which traffic policy for a port of it.

Three levels are asked in turn, the first that knows the host decides alone: the client's namespace,
the service's namespace, the root namespace. Within a level an exact host beats wildcards, and the
longest wildcard beats the others. Rules of one namespace for one host with one ``exportTo`` are merged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.embedded.mesh.configs import Config
from labkit.embedded.mesh.hosts import is_wildcard, most_specific, resolve

Policy = Mapping[str, Any]
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
        self._by_namespace: dict[str, dict[str, list[DestinationRule]]] = {}
        self._found: dict[tuple[str, str, str], DestinationRule | None] = {}
        for namespace, rules in _grouped(configs).items():
            self._by_namespace[namespace] = {host: _merged(each) for host, each in rules.items()}

    def lookup(self, host: str, client: str, owner: str) -> DestinationRule | None:
        """The rule for *host*, a service of namespace *owner*, in proxies of namespace *client*."""
        key = (host, client, owner)
        if key not in self._found:
            self._found[key] = self._look_up(host, client, owner)
        return self._found[key]

    def _look_up(self, host: str, client: str, owner: str) -> DestinationRule | None:
        levels = [] if client == self._root else [client]
        for namespace in dict.fromkeys([*levels, owner, self._root]):
            rule = self._in(namespace, host, client)
            if rule is not None:
                return rule
        return None

    def _in(self, namespace: str, host: str, client: str) -> DestinationRule | None:
        rules = self._by_namespace.get(namespace)
        if not rules:
            return None
        visible = namespace == client
        hosts = [host] if host in rules else [each for each in rules if is_wildcard(each)]
        best = most_specific(host, hosts)
        found = rules.get(best or "", [])
        return next((each for each in found if visible or each.config.is_visible_from(client)), None)


def _grouped(configs: Iterable[Config]) -> Mapping[str, Mapping[str, list[DestinationRule]]]:
    grouped: dict[str, dict[str, list[DestinationRule]]] = defaultdict(lambda: defaultdict(list))
    for config in configs:
        # A workloadSelector is not enforced yet (the API says so); such a rule must not hit everybody.
        if not config.spec.get("workloadSelector"):
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
    """*rules* of one host, oldest first, those with one ``exportTo`` made one."""
    merged: dict[frozenset[str], DestinationRule] = {}
    for rule in rules:
        first = merged.get(rule.config.export_to)
        merged[rule.config.export_to] = rule if first is None else _merge(first, rule)
    return list(merged.values())


def _merge(first: DestinationRule, second: DestinationRule) -> DestinationRule:
    known = {subset.name for subset in first.subsets}
    subsets = first.subsets + tuple(each for each in second.subsets if each.name not in known)
    return replace(first, policy=first.policy or second.policy, subsets=subsets)
