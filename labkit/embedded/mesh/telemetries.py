"""What Telemetries and the mesh's settings say about access logs, metrics and traces of one pod's proxy.

https://istio.io/latest/docs/reference/config/telemetry/

The root namespace's comes first, then the namespace's own, then those whose selector finds the pod; what a
later one says counts. Providers are the mesh's ``extensionProviders``, and three that every mesh has. All of
it is said for the proxy of a caller (CLIENT, and any gateway) and of the one that is called (SERVER) apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from labkit.embedded.mesh.configs import Config
from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.security.attachment import attached

Mode = Literal["CLIENT", "SERVER"]
Entry = Mapping[str, Any]

ENVOY = "envoy"
FILE_LOG = "envoyFileAccessLog"
BUILT_IN: Sequence[Entry] = (
    {"name": "prometheus", "prometheus": {}},
    {"name": "stackdriver", "stackdriver": {}},
    {"name": ENVOY, FILE_LOG: {"path": "/dev/stdout"}},
)
_BOTH, _ALL = "CLIENT_AND_SERVER", "ALL_METRICS"


@dataclass(frozen=True)
class Provider:
    """Where something is told."""

    name: str
    kind: str
    """The field of ``ExtensionProvider``: ``prometheus``, ``zipkin``, …; empty where it has none."""
    settings: Entry = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Log:
    """One access log, or the word that there is none."""

    provider: Provider
    disabled: bool = False
    expression: str = ""
    """CEL: only what it is true of is logged."""


@dataclass(frozen=True)
class Override:
    """What one metric is to be like."""

    disabled: bool = False
    tags: Mapping[str, str | None] = field(default_factory=dict)
    """Label → the CEL expression it gets, None: it is taken away."""

    def __hash__(self) -> int:
        return hash((self.disabled, frozenset(self.tags.items())))


@dataclass(frozen=True)
class Metrics:
    """Metrics are counted."""

    overrides: Mapping[str, Override] = field(default_factory=dict)
    """By the metric's name in a Telemetry."""

    def __hash__(self) -> int:
        return hash(frozenset(self.overrides.items()))


@dataclass(frozen=True)
class Tracing:
    """Spans are sent to *provider*."""

    provider: Provider
    sampling: float | None = None
    """Percent; None: as the mesh has it."""
    custom_tags: Entry = field(default_factory=dict)
    use_request_id: bool = True
    istio_tags: bool = True
    no_propagation: bool = False


class Telemetries:
    """All Telemetries of the mesh."""

    def __init__(self, configs: Sequence[Config], mesh: MeshConfig) -> None:
        """*configs*: oldest first."""
        self._configs, self._mesh = configs, mesh

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """By name in lower case; of the mesh's own, the first of a name counts."""
        given = {str(each.get("name") or "").lower() for each in self._mesh.extension_providers}
        kept = [each for each in BUILT_IN if each["name"] not in given]
        found: dict[str, Provider] = {}
        for each in (*self._mesh.extension_providers, *kept):
            name = str(each.get("name") or "")
            kind = next((key for key in each if key != "name"), "")
            settings = each.get(kind) or {}
            found.setdefault(name.lower(), Provider(name, kind, settings))
        return found

    def logs(self, namespace: str, labels: Mapping[str, str], mode: Mode) -> list[Log]:
        """The access logs, by provider's name; none: as ``accessLogFile`` has it."""
        levels = [found for each in self._applicable(namespace, labels) if (found := each("accessLogging"))]
        chosen = _chosen_logs(levels, self._defaults("accessLogging"), mode)
        logs = [
            Log(provider, disabled, expression)
            for name, (disabled, expression) in chosen.items()
            if (provider := self.providers.get(name.lower()))
        ]
        return sorted(logs, key=lambda each: each.provider.name)

    def metrics(self, namespace: str, labels: Mapping[str, str], mode: Mode) -> Metrics | None:
        """What is counted; None for nothing."""
        entries = [entry for each in self._applicable(namespace, labels) for entry in each("metrics")]
        for name, found in _merged_metrics(entries, self._defaults("metrics"), mode).items():
            provider = self.providers.get(name.lower())
            if provider and provider.kind == "prometheus" and found is not None:
                return found
        return None

    def tracing(self, namespace: str, labels: Mapping[str, str], mode: Mode) -> Tracing | None:
        """Where spans are sent; None for nowhere."""
        entries = [entry for each in self._applicable(namespace, labels) for entry in each("tracing")]
        meant = [each for each in entries if _is_for(each, mode)]
        named = [each for entry in meant if (each := _providers(entry))]
        name = named[-1][0] if named else next(iter(self._defaults("tracing")), "")
        provider = self.providers.get(name.lower())
        said: dict[str, Any] = {}
        for entry in meant:
            said.update({key: value for key, value in entry.items() if value is not None})
        if provider is None or said.get("disableSpanReporting"):
            return None
        percentage = said.get("randomSamplingPercentage")
        return Tracing(
            provider,
            None if percentage is None else float(percentage),
            said.get("customTags") or {},
            bool(said.get("useRequestIdForTraceSampling", True)),
            bool(said.get("enableIstioTags", True)),
            bool(said.get("disableContextPropagation")),
        )

    def _defaults(self, what: str) -> list[str]:
        return [str(each) for each in self._mesh.default_providers.get(what) or []]

    def _applicable(self, namespace: str, labels: Mapping[str, str]) -> Iterator[_Spec]:
        for wide in dict.fromkeys((self._mesh.root_namespace, namespace)):
            yield from _first(
                each for each in self._configs if each.namespace == wide and not _is_narrow(each)
            )
        narrow = [each for each in self._configs if _is_narrow(each)]
        yield from map(_Spec, attached(narrow, (namespace,), namespace, labels))


class _Spec:
    """The lists of one Telemetry, by field."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def __call__(self, what: str) -> list[Entry]:
        return self._config.spec.get(what) or []


def _first(configs: Iterator[Config]) -> list[_Spec]:
    return [_Spec(each)] if (each := next(configs, None)) else []


def _selector(config: Config) -> dict[str, str]:
    return (config.spec.get("selector") or {}).get("matchLabels") or {}


def _is_narrow(config: Config) -> bool:
    return bool(_selector(config) or config.spec.get("targetRef") or config.spec.get("targetRefs"))


def _providers(entry: Entry) -> list[str]:
    return [str(each.get("name")) for each in entry.get("providers") or []]


def _chosen_logs(
    levels: Sequence[Sequence[Entry]], defaults: list[str], mode: Mode
) -> dict[str, tuple[bool, str]]:
    """Provider → whether it is off, and its filter: the last level that names providers says which count,
    the last word about such a provider whether it logs."""
    if not levels:
        return dict.fromkeys(defaults, (False, ""))
    in_scope, filters = defaults, dict[str, str]()
    for level in levels:
        meant = [each for each in level if _is_for(each, mode)]
        names = [name for each in meant for name in _providers(each)]
        in_scope = names or in_scope
        for each in meant:
            expression = str((each.get("filter") or {}).get("expression") or "")
            filters.update(dict.fromkeys(_providers(each), expression))
    found: dict[str, tuple[bool, str]] = {}
    parent = defaults
    for entry in (each for level in levels for each in level):
        parent = _providers(entry) or parent
        for name in parent:
            if name in in_scope and _is_for(entry, mode):
                off = bool(entry.get("disabled"))
                found[name] = (off, "" if off else filters.get(name, ""))
    return found


def _is_for(entry: Entry, mode: Mode) -> bool:
    return ((entry.get("match") or {}).get("mode") or _BOTH) in (_BOTH, mode)


def _merged_metrics(entries: list[Entry], defaults: list[str], mode: Mode) -> dict[str, Metrics | None]:
    """Provider → its overrides, None where all of its metrics are off."""
    if not entries:
        return {name: Metrics() for name in defaults}
    in_scope = defaults
    for entry in entries:
        in_scope = _providers(entry) or in_scope
    found: dict[str, dict[str, Override]] = {}
    off: set[str] = set()
    parent = defaults
    for entry in entries:
        parent = _providers(entry) or parent
        for name in (each for each in parent if each in in_scope):
            overrides = found.setdefault(name, {})
            for each in entry.get("overrides") or []:
                _override(overrides, each, mode, name, off)
    return {name: None if name in off else Metrics(overrides) for name, overrides in found.items()}


def _override(overrides: dict[str, Override], said: Entry, mode: Mode, provider: str, off: set[str]) -> None:
    match = said.get("match") or {}
    if (match.get("mode") or _BOTH) not in (_BOTH, mode):
        return
    every = not match.get("customMetric") and (match.get("metric") or _ALL) == _ALL
    if every and said.get("disabled"):
        off.add(provider)
        return
    off.discard(provider)
    metric = str(match.get("customMetric") or match.get("metric") or _ALL)
    for name in ISTIO_METRICS if every else (metric,):
        known = overrides.get(name, Override())
        disabled = known.disabled if said.get("disabled") is None else bool(said["disabled"])
        overrides[name] = Override(disabled, {**known.tags, **_tags(said)})


ISTIO_METRICS = (
    *("REQUEST_COUNT", "REQUEST_DURATION", "REQUEST_SIZE", "RESPONSE_SIZE"),
    *("TCP_OPENED_CONNECTIONS", "TCP_CLOSED_CONNECTIONS", "TCP_SENT_BYTES", "TCP_RECEIVED_BYTES"),
    *("GRPC_REQUEST_MESSAGES", "GRPC_RESPONSE_MESSAGES"),
)


def _tags(said: Entry) -> dict[str, str | None]:
    return {
        str(name): None if each.get("operation") == "REMOVE" else str(each.get("value") or "")
        for name, each in (said.get("tagOverrides") or {}).items()
    }
