"""Mesh-wide settings: what istiod reads from the ConfigMap ``istio``, key ``mesh``.

Defaults are those of Istio 1.30 for everything the map leaves out. Fields that have no effect here
are kept in :attr:`MeshConfig.not_enforced`, so that whoever applies the map can be told.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from labkit.embedded.mesh.durations import seconds
from labkit.embedded.objects import Obj
from labkit.embedded.proxy_config import leads_out
from labkit.embedded.settings import ALL, PROXY_SETTINGS, Read, fields, unread

ROOT_NAMESPACE = "istio-system"
CONFIG_MAP = "istio"
TRUST_DOMAIN = "cluster.local"
ALLOW_ANY = "ALLOW_ANY"
REGISTRY_ONLY = "REGISTRY_ONLY"

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class MeshConfigError(ValueError):
    """The text under ``mesh`` can't be used; istiod keeps what it had."""


@dataclass(frozen=True)
class TlsSettings:
    """``TLSConfig``: of ``meshMTLS``, or of ``tlsDefaults``."""

    is_given: bool = False
    """Whether a version is asked for."""
    lowest: str = "TLSv1_2"
    """The lowest version of TLS, as Envoy spells it."""
    cipher_suites: tuple[str, ...] = ()
    ecdh_curves: tuple[str, ...] = ()


@dataclass(frozen=True)
class MeshConfig:
    """``MeshConfig``, as far as the translation reads it."""

    access_log_file: str = ""
    """Empty: no access log."""
    access_log_encoding: str = "TEXT"
    access_log_format: str = ""
    """Empty: Istio's default format."""
    outbound_traffic_policy: str = ALLOW_ANY
    root_namespace: str = ROOT_NAMESPACE
    trust_domain: str = TRUST_DOMAIN
    trust_domain_aliases: tuple[str, ...] = ()
    """Other names of the trust domain, such as the one it had before."""
    mesh_mtls: TlsSettings = TlsSettings()
    """Of mutual TLS between proxies …"""
    tls_defaults: TlsSettings = TlsSettings()
    """… and of all other TLS."""
    enable_auto_mtls: bool = True
    """Whether callers use mutual TLS where the other end takes it, without being told to."""
    connect_timeout: str = "10s"
    protocol_detection_timeout: str = "0s"
    path_normalization: str = "DEFAULT"
    ingress_controller_mode: str = "STRICT"
    """Which Ingresses without a class are the mesh's: none (``STRICT``), all (``DEFAULT``)."""
    ingress_class: str = "istio"
    ingress_service: str = "istio-ingressgateway"
    ingress_selector: str = ""
    """Label ``istio`` of the gateway that serves Ingresses; empty: as *ingress_service* says."""
    default_http_retry_policy: Mapping[str, Any] | None = None
    """``HTTPRetry`` in its JSON form; None: Istio's own default."""
    default_service_export_to: tuple[str, ...] = ("*",)
    default_virtual_service_export_to: tuple[str, ...] = ("*",)
    default_destination_rule_export_to: tuple[str, ...] = ("*",)
    extension_providers: tuple[Mapping[str, Any], ...] = ()
    """Services that proxies ask or tell, in their JSON form."""
    default_config: Mapping[str, Any] = field(default_factory=dict)
    """``ProxyConfig`` in its JSON form: what holds for every proxy whose pod does not say otherwise."""
    locality_lb_setting: Mapping[str, Any] = field(default_factory=lambda: {"enabled": True})
    """``LocalityLoadBalancerSetting`` in its JSON form; a DestinationRule may say otherwise."""
    default_providers: Mapping[str, Any] = field(default_factory=dict)
    """``metrics``, ``tracing`` and ``accessLogging`` → names of providers, where no Telemetry names any."""
    not_enforced: tuple[str, ...] = field(default=(), compare=False)
    """Fields of the map that change nothing here."""

    @property
    def trust_domains(self) -> tuple[str, ...]:
        """The mesh's own first, then its aliases."""
        return tuple(dict.fromkeys((self.trust_domain, *self.trust_domain_aliases)))

    @classmethod
    def parse(cls, text: str) -> MeshConfig:
        """The settings in *text*, YAML; :class:`MeshConfigError` where it is none."""
        try:
            values = yaml.load(text or "{}", Loader=_LOADER)
        except yaml.YAMLError as error:
            raise MeshConfigError(f"the mesh config is not YAML: {error}") from error
        if not isinstance(values, dict):
            raise MeshConfigError("the mesh config is not a mapping")
        return cls(**_known(values), not_enforced=_unknown(values))

    @classmethod
    def from_config_map(cls, config_map: Obj | None) -> MeshConfig:
        """The settings in the ConfigMap ``istio``; all defaults where there is none."""
        return cls.parse(((config_map or {}).get("data") or {}).get("mesh", ""))


_INSTALLED = MeshConfig(
    default_config={"discoveryAddress": "istiod.istio-system.svc:15012"},
    default_providers={"metrics": ["prometheus"]},
)
_AT_FIRST = tuple(
    replace(_INSTALLED, access_log_file=log, outbound_traffic_policy=policy)
    for log in ("", "/dev/stdout")
    for policy in (ALLOW_ANY, REGISTRY_ONLY)
)


def is_as_installed(config_map: Obj) -> bool:
    """Whether these are settings that Istio is installed with: there is nothing to say against them."""
    try:
        mesh = MeshConfig.from_config_map(config_map)
    except MeshConfigError:
        return False
    return mesh in _AT_FIRST and not mesh.not_enforced


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


_FIELDS = {
    _camel(each.name): each.name for each in dataclasses.fields(MeshConfig) if each.name != "not_enforced"
}
_RENAMED = {"outboundTrafficPolicy", "pathNormalization", "tlsDefaults"}


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, name in _FIELDS.items():
        if values.get(key) is not None and key not in _RENAMED:
            known[name] = _plain(values[key])
    mode = _section(values, "outboundTrafficPolicy").get("mode")
    normalization = _section(values, "pathNormalization").get("normalization")
    known |= {"outbound_traffic_policy": mode} if mode is not None else {}
    known |= {"path_normalization": normalization} if normalization is not None else {}
    known |= {"mesh_mtls": _tls_settings(values, "meshMTLS")}
    known |= {"tls_defaults": _tls_settings(values, "tlsDefaults")}
    _refuse_wrong_types(known)
    _refuse_unknown_enums(known)
    _refuse_odd_providers(known.get("extension_providers", ()))
    return known


def _section(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = values.get(key) or {}
    if not isinstance(section, Mapping):
        raise MeshConfigError(f"{key} is {section!r}; it is a mapping")
    return section


_VERSIONS = {"TLS_AUTO": "TLSv1_2", "TLSV1_2": "TLSv1_2", "TLSV1_3": "TLSv1_3"}


def _tls_settings(values: Mapping[str, Any], key: str) -> TlsSettings:
    section = _section(values, key)
    asked = str(section.get("minProtocolVersion") or "TLS_AUTO")
    if asked not in _VERSIONS:
        raise MeshConfigError(f"{key}.minProtocolVersion is {asked!r}; it can be {', '.join(_VERSIONS)}")
    suites, curves = _texts(section, key, "cipherSuites"), _texts(section, key, "ecdhCurves")
    return TlsSettings(asked != "TLS_AUTO", _VERSIONS[asked], suites, curves)


def _texts(section: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    found = section.get(name) or []
    if not isinstance(found, list):
        raise MeshConfigError(f"{key}.{name} is {found!r}; it is a list")
    return tuple(map(str, found))


def _refuse_wrong_types(known: Mapping[str, Any]) -> None:
    for name, value in known.items():
        wanted = _WANTED[name]
        if not isinstance(value, wanted):
            raise MeshConfigError(f"{_camel(name)} is {value!r}; it is a {_TYPE_NAMES[wanted]}")
        if name.endswith("_timeout"):
            _refuse_no_duration(name, str(value))


def _refuse_odd_providers(providers: tuple[Any, ...]) -> None:
    for each in providers:
        rest = [each[key] for key in each if key != "name"] if isinstance(each, Mapping) else [each]
        for one in rest:
            if not isinstance(one, Mapping | None):
                raise MeshConfigError(f"extensionProviders: {one!r} is no mapping")


def _refuse_no_duration(name: str, value: str) -> None:
    try:
        seconds(value)
    except ValueError as error:
        raise MeshConfigError(f"{_camel(name)}: {error}") from error


def _wanted(annotation: str) -> type:
    kinds: dict[str, type] = {"tuple": tuple, "Mapping": Mapping, "bool": bool, "TlsSettings": TlsSettings}
    return next((kind for name, kind in kinds.items() if annotation.startswith(name)), str)


_WANTED = {each.name: _wanted(str(each.type)) for each in dataclasses.fields(MeshConfig)}
_TYPE_NAMES: Mapping[type, str] = {str: "text", tuple: "list", Mapping: "mapping", bool: "true or false"}


def _plain(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return tuple(each if isinstance(each, Mapping) else str(each) for each in value)


_ENUMS = {
    "ingress_controller_mode": ("OFF", "DEFAULT", "STRICT"),
    "outbound_traffic_policy": (ALLOW_ANY, REGISTRY_ONLY),
    "access_log_encoding": ("TEXT", "JSON"),
    "path_normalization": ("DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"),
}


def _refuse_unknown_enums(known: Mapping[str, Any]) -> None:
    for name, allowed in _ENUMS.items():
        if name in known and known[name] not in allowed:
            raise MeshConfigError(f"{_camel(name)} is {known[name]!r}; it can be {', '.join(allowed)}")


def _unknown(values: Mapping[str, Any]) -> tuple[str, ...]:
    settings = values.get("defaultConfig") or {}
    variables = settings.get("proxyMetadata") or {} if isinstance(settings, Mapping) else {}
    refused = [f"defaultConfig.proxyMetadata.{name}" for name in variables if leads_out(str(name))]
    return tuple(sorted([*unread(values, READ), *refused]))


_SERVICE = ("service", "port")
_TOLD_TO = fields(*_SERVICE, "maxTagLength")
_HEADERS: Read = fields("name", "value", "envName")
_POSTED: Read = {**fields("path", "timeout"), "headers": _HEADERS}
_SAMPLER: Read = {
    **fields("tenant", "clusterId", "rootSpansPerMinute"),
    "httpService": {**fields(*_SERVICE), "http": _POSTED},
}
_BODY = fields("maxRequestBytes", "allowPartialMessage", "packAsBytes")
_ASKED = {
    **fields(*_SERVICE, "timeout", "failOpen", "statusOnError", "clearRouteCache"),
    "includeRequestBodyInCheck": _BODY,
}
_ALS = fields(*_SERVICE, "logName", "filterStateObjectsToLog")
PROVIDERS: Mapping[str, Read] = {
    "envoyExtAuthzHttp": {
        **_ASKED,
        **fields("pathPrefix", "includeRequestHeadersInCheck", "includeHeadersInCheck"),
        **fields("includeAdditionalHeadersInCheck", "headersToUpstreamOnAllow"),
        **fields("headersToDownstreamOnDeny", "headersToDownstreamOnAllow"),
    },
    "envoyExtAuthzGrpc": _ASKED,
    "prometheus": {},
    "zipkin": {
        **_TOLD_TO,
        **fields("enable64bitTraceId", "path", "timeout", "traceContextOption"),
        "headers": _HEADERS,
    },
    "opentelemetry": {
        **_TOLD_TO,
        "http": _POSTED,
        "grpc": {**fields("timeout"), "initialMetadata": _HEADERS},
        "resourceDetectors": fields("environment", "dynatrace"),
        "serviceAttributeEnrichment": ALL,
        "dynatraceSampler": _SAMPLER,
    },
    "datadog": _TOLD_TO,
    "skywalking": fields(*_SERVICE),
    "envoyFileAccessLog": {**fields("path", "omitEmptyValues"), "logFormat": fields("text", "labels")},
    "envoyHttpAls": {
        **_ALS,
        **fields("additionalRequestHeadersToLog", "additionalResponseHeadersToLog"),
        **fields("additionalResponseTrailersToLog"),
    },
    "envoyTcpAls": _ALS,
    "envoyOtelAls": {**fields(*_SERVICE, "logName"), "logFormat": fields("text", "labels")},
}
"""What is read of each kind of ``ExtensionProvider``; nobody here asks or tells those of other kinds."""

READ: Mapping[str, Read] = {
    **dict.fromkeys(_FIELDS.keys() - {"meshMtls"}, ALL),
    "outboundTrafficPolicy": fields("mode"),
    "pathNormalization": fields("normalization"),
    "meshMTLS": fields("minProtocolVersion", "cipherSuites"),
    "tlsDefaults": fields("minProtocolVersion", "cipherSuites", "ecdhCurves"),
    "defaultHttpRetryPolicy": fields(
        *("attempts", "perTryTimeout", "retryOn", "backoff"),
        *("retryRemoteLocalities", "retryIgnorePreviousHosts"),
    ),
    "localityLbSetting": fields("enabled", "distribute", "failover", "failoverPriority"),
    "defaultProviders": fields("metrics", "tracing", "accessLogging"),
    "extensionProviders": {"name": ALL, **PROVIDERS},
    # The proxy asks this cluster's istiod, wherever that is said to be.
    "defaultConfig": {**PROXY_SETTINGS, "discoveryAddress": ALL},
    # Settings that the installed map carries, and whose default is what is done.
    "enablePrometheusMerge": ALL,
}
