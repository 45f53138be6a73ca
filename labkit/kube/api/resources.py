"""Which URL an object lives at: discovery, as kubectl uses it."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.errors import ManifestError
from labkit.kube.api.api import Api, Obj
from labkit.language import gettext

GATEWAY_API = "gateway.networking.k8s.io"
"""The group of kinds that many a lesson has a variant for."""


@dataclass(frozen=True)
class Resource:
    """A kind of object the server knows."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def group_version(self) -> str:
        """``apps/v1``, or ``v1`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of one object, of a namespace's collection, or of all namespaces' (both empty)."""
        prefix = "/apis" if self.group else "/api"
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{prefix}/{self.group_version}{middle}/{self.plural}{f'/{name}' if name else ''}"

    def title(self, name: str) -> str:
        """As kubectl prints it: ``deployment.apps/catalogue``."""
        return f"{self.kind.lower()}{f'.{self.group}' if self.group else ''}/{name}"


def resource_of(api: Api, obj: Obj) -> Resource:
    """The resource *obj* belongs to; raises ManifestError where the server has no such kind."""
    return find_resource(api, str(obj["apiVersion"]), str(obj["kind"]))


def find_resource(api: Api, api_version: str, kind: str) -> Resource:
    """The resource of *kind* in *api_version* (``apps/v1``)."""
    for entry in api.resources_of(api_version):
        if entry["kind"] == kind and "/" not in entry["name"]:
            group, _, version = api_version.rpartition("/")
            return Resource(group, version, kind, entry["name"], bool(entry["namespaced"]))
    if api_version.startswith(f"{GATEWAY_API}/"):
        raise ManifestError(
            gettext(
                "The cluster has no Kubernetes Gateway API, and so no `{kind}`. The embedded lab plays "
                "Istio's own `Gateway` and `VirtualService` (a lesson's variant for Istio APIs), and "
                "Ingresses.",
                kind=kind,
            )
        )
    raise ManifestError(
        gettext(
            'The cluster knows no kind "{kind}" in version "{api_version}". Check both for a '
            "typing error; `kubectl api-resources` lists what it knows.",
            kind=kind,
            api_version=api_version,
        )
    )


NAMESPACES = Resource("", "v1", "Namespace", "namespaces", False)
PODS = Resource("", "v1", "Pod", "pods", True)
SERVICES = Resource("", "v1", "Service", "services", True)
CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", True)
NODES = Resource("", "v1", "Node", "nodes", False)
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", True)
EVENTS = Resource("", "v1", "Event", "events", True)
GATEWAYS = Resource("networking.istio.io", "v1beta1", "Gateway", "gateways", True)
DESTINATION_RULES = Resource("networking.istio.io", "v1beta1", "DestinationRule", "destinationrules", True)
SERVICE_ENTRIES = Resource("networking.istio.io", "v1beta1", "ServiceEntry", "serviceentries", True)
SIDECARS = Resource("networking.istio.io", "v1beta1", "Sidecar", "sidecars", True)
ENVOY_FILTERS = Resource("networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters", True)
TELEMETRIES = Resource("telemetry.istio.io", "v1alpha1", "Telemetry", "telemetries", True)
VIRTUAL_SERVICES = Resource("networking.istio.io", "v1beta1", "VirtualService", "virtualservices", True)
