"""Istio's kinds, with the columns of the CustomResourceDefinitions of Istio 1.30."""

from __future__ import annotations

from labkit.embedded.api.kinds.custom import custom_kind
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, status_of

_THREE = ("v1", "v1beta1", "v1alpha3")
_TWO = ("v1", "v1beta1")
_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    # (column, path) before or after Age as in the CustomResourceDefinitions of Istio 1.30
    "VirtualService": (("Gateways", ".spec.gateways"), ("Hosts", ".spec.hosts"), ("Age", "")),
    "DestinationRule": (("Host", ".spec.host"), ("Age", "")),
    "ServiceEntry": (
        ("Hosts", ".spec.hosts"),
        ("Location", ".spec.location"),
        ("Resolution", ".spec.resolution"),
        ("Age", ""),
    ),
    "WorkloadEntry": (("Age", ""), ("Address", ".spec.address")),
    "AuthorizationPolicy": (("Action", ".spec.action"), ("Age", "")),
    "PeerAuthentication": (("Mode", ".spec.mtls.mode"), ("Age", "")),
}


def _istio(
    area: str, versions: tuple[str, ...], kind: str, plural: str, short_names: tuple[str, ...] = ()
) -> Kind:
    type_ = ResourceType(
        f"{area}.istio.io",
        versions,
        kind,
        plural,
        kind.lower(),
        short_names=short_names,
        categories=("istio-io", f"{area}-istio-io"),
        subresources=(status_of(kind),),
        custom=True,
    )
    return custom_kind(type_, _COLUMNS.get(kind, (("Age", ""),)))


ISTIO = (
    _istio("networking", _THREE, "DestinationRule", "destinationrules", ("dr",)),
    _istio("networking", ("v1alpha3",), "EnvoyFilter", "envoyfilters"),
    _istio("networking", _THREE, "Gateway", "gateways", ("gw",)),
    _istio("networking", ("v1beta1",), "ProxyConfig", "proxyconfigs"),
    _istio("networking", _THREE, "ServiceEntry", "serviceentries", ("se",)),
    _istio("networking", _THREE, "Sidecar", "sidecars"),
    _istio("networking", _THREE, "VirtualService", "virtualservices", ("vs",)),
    _istio("networking", _THREE, "WorkloadEntry", "workloadentries", ("we",)),
    _istio("networking", _THREE, "WorkloadGroup", "workloadgroups", ("wg",)),
    _istio("security", ("v1", "v1beta1"), "AuthorizationPolicy", "authorizationpolicies", ("ap",)),
    _istio("security", ("v1", "v1beta1"), "PeerAuthentication", "peerauthentications", ("pa",)),
    _istio("security", ("v1", "v1beta1"), "RequestAuthentication", "requestauthentications", ("ra",)),
    _istio("telemetry", ("v1", "v1alpha1"), "Telemetry", "telemetries", ("telemetry",)),
)
