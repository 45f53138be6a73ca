"""The resources of the Kubernetes API that the mesh is made of, by name."""

from __future__ import annotations

from typing import TypeAlias

from labkit.embedded.mesh.mesh_config import CONFIG_MAP, ROOT_NAMESPACE
from labkit.embedded.objects import Obj, name_of, namespace_of

SERVICES = "services"
ENDPOINT_SLICES = "endpointslices.discovery.k8s.io"
PODS = "pods"
NODES = "nodes"
CONFIG_MAPS = "configmaps"
SECRETS = "secrets"
GATEWAYS = "gateways.networking.istio.io"
VIRTUAL_SERVICES = "virtualservices.networking.istio.io"
DESTINATION_RULES = "destinationrules.networking.istio.io"
SERVICE_ENTRIES = "serviceentries.networking.istio.io"
SIDECARS = "sidecars.networking.istio.io"
ENVOY_FILTERS = "envoyfilters.networking.istio.io"
WORKLOAD_ENTRIES = "workloadentries.networking.istio.io"
WORKLOAD_GROUPS = "workloadgroups.networking.istio.io"
PROXY_CONFIGS = "proxyconfigs.networking.istio.io"
TELEMETRIES = "telemetries.telemetry.istio.io"
INGRESSES = "ingresses.networking.k8s.io"
INGRESS_CLASSES = "ingressclasses.networking.k8s.io"
PEER_AUTHENTICATIONS = "peerauthentications.security.istio.io"
REQUEST_AUTHENTICATIONS = "requestauthentications.security.istio.io"
AUTHORIZATION_POLICIES = "authorizationpolicies.security.istio.io"

WATCHED = (
    SERVICES,
    ENDPOINT_SLICES,
    PODS,
    NODES,
    CONFIG_MAPS,
    SECRETS,
    GATEWAYS,
    VIRTUAL_SERVICES,
    DESTINATION_RULES,
    SERVICE_ENTRIES,
    SIDECARS,
    ENVOY_FILTERS,
    WORKLOAD_ENTRIES,
    WORKLOAD_GROUPS,
    PROXY_CONFIGS,
    TELEMETRIES,
    INGRESSES,
    INGRESS_CLASSES,
    PEER_AUTHENTICATIONS,
    REQUEST_AUTHENTICATIONS,
    AUTHORIZATION_POLICIES,
)
"""Resources that a :class:`MeshState` is built from (of ConfigMaps: ``istio`` in ``istio-system``,
and those that hold certificates)."""

Key: TypeAlias = tuple[str, str, str]
"""An object: resource, namespace, name."""
SETTINGS: Key = (CONFIG_MAPS, ROOT_NAMESPACE, CONFIG_MAP)
"""The mesh-wide settings."""


def key_of(resource: str, obj: Obj) -> Key:
    return resource, namespace_of(obj), name_of(obj)
