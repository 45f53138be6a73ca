"""VirtualServices made ready for translation: full names everywhere, delegates filled in, in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from labkit.embedded.mesh.configs import Config
from labkit.embedded.mesh.delegates import merged_rules
from labkit.embedded.mesh.hosts import is_wildcard, resolve

MESH = "mesh"
"""The reserved gateway name that stands for all sidecars."""

Rule = Mapping[str, Any]


@dataclass(frozen=True)
class VirtualService:
    """One VirtualService that has hosts; short names and delegates are resolved."""

    config: Config
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    """``namespace/name`` or :data:`MESH`."""
    http: tuple[Rule, ...] = field(compare=False)
    tls: tuple[Rule, ...] = field(compare=False)
    tcp: tuple[Rule, ...] = field(compare=False)

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def namespace(self) -> str:
        return self.config.namespace


class VirtualServices:
    """All VirtualServices of the mesh, as each kind of proxy asks for them."""

    def __init__(self, configs: Sequence[Config]) -> None:
        """*configs*: oldest first."""
        delegates = {config.full_name: config for config in configs if not config.spec.get("hosts")}
        self._all = [_resolved(config, delegates) for config in configs if config.spec.get("hosts")]
        self._bound: dict[tuple[str, str], tuple[VirtualService, ...]] = {}

    @cached_property
    def _by_gateway(self) -> Mapping[str, list[VirtualService]]:
        grouped: dict[str, list[VirtualService]] = defaultdict(list)
        for each in self._all:
            for gateway in dict.fromkeys(each.gateways):
                grouped[gateway].append(each)
        return grouped

    def bound_to(self, gateway: str, namespace: str) -> tuple[VirtualService, ...]:
        """Those that a proxy of *namespace* sees on *gateway* (``ns/name`` or :data:`MESH`).

        Private ones first, then those exported to the namespace by name, then public ones.
        """
        key = (gateway, namespace)
        if key not in self._bound:
            self._bound[key] = tuple(_visible(self._by_gateway.get(gateway, []), namespace))
        return self._bound[key]

    @cached_property
    def ask_for_labels(self) -> bool:
        """Whether any rule depends on the labels of the caller's pod (``sourceLabels``)."""
        rules = (rule for each in self._all for rule in (*each.http, *each.tls, *each.tcp))
        return any(match.get("sourceLabels") for rule in rules for match in rule.get("match") or [])


class MeshIndex:
    """VirtualServices bound to the mesh, in order of precedence, found by host."""

    def __init__(self, ordered: Sequence[VirtualService]) -> None:
        self.ordered = ordered
        self.rank = {each.config.full_name: position for position, each in enumerate(ordered)}
        self._by_host: dict[str, list[VirtualService]] = defaultdict(list)
        for each in ordered:
            for host in each.hosts:
                self._by_host[host].append(each)
        self.wildcards = [host for host in self._by_host if is_wildcard(host)]

    def naming(self, host: str) -> list[VirtualService]:
        """Those that have exactly *host* among their hosts."""
        return self._by_host.get(host, [])


def _visible(candidates: Iterable[VirtualService], namespace: str) -> Iterator[VirtualService]:
    seen = [each for each in candidates if each.config.is_visible_from(namespace)]
    yield from (each for each in seen if each.config.is_private)
    yield from (each for each in seen if not each.config.is_private and "*" not in each.config.export_to)
    yield from (each for each in seen if "*" in each.config.export_to)


def gateway_name(text: str, namespace: str) -> str:
    """``gw``, ``./gw`` or ``ns/gw``, written in an object of *namespace*, as ``ns/gw``; mesh stays."""
    if text == MESH:
        return MESH
    owner, slash, name = text.rpartition("/")
    if not slash:
        name, _, rest = text.partition(".")  # gw.ns.svc.cluster.local is legacy, with a warning
        owner = rest.split(".", 1)[0]
    return f"{namespace if owner in ('', '.') else owner}/{name}"


def _resolved(config: Config, delegates: Mapping[str, Config]) -> VirtualService:
    spec, namespace = config.spec, config.namespace
    hosts = dict.fromkeys(resolve(str(host), namespace) for host in spec["hosts"])
    gateways = tuple(gateway_name(each, namespace) for each in spec.get("gateways") or [MESH])
    http = tuple(_http(config, delegates))
    tls = tuple(_full_names(rule, namespace) for rule in spec.get("tls") or [])
    tcp = tuple(_full_names(rule, namespace) for rule in spec.get("tcp") or [])
    return VirtualService(config, tuple(hosts), gateways, http, tls, tcp)


def _http(config: Config, delegates: Mapping[str, Config]) -> Iterator[Rule]:
    for rule in config.spec.get("http") or []:
        full = _full_names(rule, config.namespace)
        if rule.get("delegate"):
            yield from _delegated(full, config, delegates)
        else:
            yield full


def _delegated(rule: Rule, root: Config, delegates: Mapping[str, Config]) -> Iterator[Rule]:
    """The delegate's rules in the root's place; nothing where the delegate is missing or hidden."""
    reference = rule["delegate"]
    namespace = reference.get("namespace") or root.namespace
    delegate = delegates.get(f"{namespace}/{reference.get('name')}")
    if delegate is None or not delegate.is_visible_from(root.namespace):
        return
    root_rule = {key: value for key, value in rule.items() if key != "delegate"}
    own = [_full_names(each, delegate.namespace) for each in delegate.spec.get("http") or []]
    yield from merged_rules(root_rule, (each for each in own if "delegate" not in each))


def json_names(rule: Rule) -> dict[str, Any]:
    """*rule* with its one field that the schema also knows under protobuf's own name under JSON's."""
    known = dict(rule)
    if "mirror_percent" in known:
        known["mirrorPercent"] = known.pop("mirror_percent")
    return known


def _full_names(rule: Rule, namespace: str) -> dict[str, Any]:
    """*rule* with the hosts and gateways that its namespace completes."""
    full = json_names(rule)
    for key in ("route", "mirrors"):
        if full.get(key):
            full[key] = [_full_destination(each, namespace) for each in full[key]]
    if full.get("mirror"):
        full["mirror"] = _full_host(full["mirror"], namespace)
    if full.get("match"):
        full["match"] = [_full_gateways(each, namespace) for each in full["match"]]
    return full


def _full_destination(route: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    return {**route, "destination": _full_host(route.get("destination") or {}, namespace)}


def _full_host(destination: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    return {**destination, "host": resolve(str(destination.get("host") or ""), namespace)}


def _full_gateways(match: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    gateways = match.get("gateways") or []
    full = [gateway_name(each, namespace) for each in gateways]
    return {**match, "gateways": full} if full else dict(match)
