"""The CustomResourceDefinitions of Istio 1.30, which are installed with it and are then like any other.

Their schemas are large and the same in every version, so they stand for themselves by name.
"""

from __future__ import annotations

from labkit.embedded.api.types.schemas import SHIPPED
from labkit.embedded.objects import Obj

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
) -> Obj:
    group = f"{area}.istio.io"
    names = {
        "plural": plural,
        "singular": kind.lower(),
        "kind": kind,
        "listKind": f"{kind}List",
        "categories": ["istio-io", f"{area}-istio-io"],
    }
    spec = {
        "group": group,
        "names": names | ({"shortNames": list(short_names)} if short_names else {}),
        "scope": "Namespaced",
        "versions": [_version(f"{group}/{kind}", each, versions[0], kind) for each in versions],
        "conversion": {"strategy": "None"},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "labels": {"app": "istio-pilot", "release": "istio"}},
        "spec": spec,
    }


def _version(schema: str, version: str, stored: str, kind: str) -> Obj:
    return {
        "name": version,
        "served": True,
        "storage": version == stored,
        "schema": {"openAPIV3Schema": {SHIPPED: schema}},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(*each) for each in _COLUMNS.get(kind, (("Age", ""),))],
    }


def _column(name: str, path: str) -> Obj:
    if not path:
        return {"name": name, "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    return {"name": name, "type": "string", "jsonPath": path}


DEFINITIONS = (
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
