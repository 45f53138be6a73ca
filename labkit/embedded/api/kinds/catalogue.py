"""The kinds every cluster has from the start; a new one is a file here and a name in the list."""

from __future__ import annotations

from labkit.embedded.api.kinds.configmaps import CONFIG_MAP
from labkit.embedded.api.kinds.crds import DEFINITION
from labkit.embedded.api.kinds.custom import custom_kind
from labkit.embedded.api.kinds.deployments import DEPLOYMENT
from labkit.embedded.api.kinds.endpoints import ENDPOINT_SLICE, ENDPOINTS
from labkit.embedded.api.kinds.events import EVENT, NEW_EVENT
from labkit.embedded.api.kinds.ingress_classes import INGRESS_CLASS
from labkit.embedded.api.kinds.ingresses import INGRESS
from labkit.embedded.api.kinds.istio import ISTIO
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.leases import LEASE
from labkit.embedded.api.kinds.namespaces import NAMESPACE
from labkit.embedded.api.kinds.nodes import NODE
from labkit.embedded.api.kinds.pods import POD
from labkit.embedded.api.kinds.rbac import RBAC
from labkit.embedded.api.kinds.replica_sets import REPLICA_SET
from labkit.embedded.api.kinds.reviews import REVIEWS
from labkit.embedded.api.kinds.secrets import SECRET
from labkit.embedded.api.kinds.service_accounts import SERVICE_ACCOUNT
from labkit.embedded.api.kinds.services import SERVICE
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import ResourceType

BUILT_IN: tuple[Kind, ...] = (
    CONFIG_MAP,
    ENDPOINTS,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE,
    DEPLOYMENT,
    REPLICA_SET,
    *REVIEWS,
    LEASE,
    ENDPOINT_SLICE,
    NEW_EVENT,
    INGRESS_CLASS,
    INGRESS,
    *RBAC,
    DEFINITION,
    *ISTIO,
)
"""In the order in which clients are told of their groups."""
_BY_NAME = {each.type.name: each for each in BUILT_IN}


def registry() -> Registry:
    """The registry of a new cluster."""
    return Registry(each.type for each in BUILT_IN)


def of(type_: ResourceType) -> Kind:
    """What is particular to the objects of *type_*, in the form they are stored in."""
    return _BY_NAME.get(type_.stored_as) or custom_kind(type_)
