"""Mesh-wide settings: what istiod reads from the ConfigMap ``istio``, key ``mesh``.

Defaults are those of Istio 1.30 for everything the map leaves out. Fields that have no effect here
are kept in :attr:`MeshConfig.not_enforced`, so that whoever applies the map can be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import yaml

from labkit.embedded.mesh.durations import seconds
from labkit.embedded.mesh.security.extension_providers import KINDS
from labkit.embedded.objects import Obj

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


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


_FIELDS = {_camel(each.name): each.name for each in fields(MeshConfig) if each.name != "not_enforced"}
_RENAMED = {"outboundTrafficPolicy", "pathNormalization", "tlsDefaults"}
# Settings that the installed map carries and that hold here, or whose default is what we do.
_HARMLESS = {"enablePrometheusMerge", "rootNamespace", "trustDomain", "meshMTLS"}


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
        wanted = _WANTED.get(name, str)
        if not isinstance(value, wanted):
            raise MeshConfigError(f"{_camel(name)} is {value!r}; it is a {_TYPE_NAMES[wanted]}")
        if name.endswith("_timeout"):
            _refuse_no_duration(name, str(value))


def _refuse_no_duration(name: str, value: str) -> None:
    try:
        seconds(value)
    except ValueError as error:
        raise MeshConfigError(f"{_camel(name)}: {error}") from error


_WANTED: Mapping[str, type] = {
    "default_http_retry_policy": Mapping,
    "default_config": Mapping,
    "default_providers": Mapping,
    "enable_auto_mtls": bool,
    "mesh_mtls": TlsSettings,
    "tls_defaults": TlsSettings,
    **{each.name: tuple for each in fields(MeshConfig) if str(each.type).startswith("tuple")},
}
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
    return tuple(sorted({*(set(values) - set(_FIELDS) - _HARMLESS), *_unknown_providers(values)}))


TOLD = (
    "prometheus",
    "zipkin",
    "opentelemetry",
    "envoyFileAccessLog",
    "envoyHttpAls",
    "envoyTcpAls",
    "envoyOtelAls",
)
"""The kinds of provider that proxies tell what they see."""


def _unknown_providers(values: Mapping[str, Any]) -> Iterator[str]:
    """Providers of kinds that nobody here asks or tells."""
    for each in values.get("extensionProviders") or []:
        kinds = sorted(each.keys() - {"name"}) if isinstance(each, Mapping) else []
        unknown = (kind for kind in kinds if kind not in (*KINDS, *TOLD))
        yield from (f"extensionProviders[{each.get('name')}].{kind}" for kind in unknown)
