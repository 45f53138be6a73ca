"""The kinds every API server has; a new one is a file here and a name in the list."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.api.kinds import metrics
from labkit.embedded.api.kinds.admission_policies import ADMISSION_POLICIES
from labkit.embedded.api.kinds.admission_webhooks import WEBHOOKS
from labkit.embedded.api.kinds.api_services import API_SERVICE
from labkit.embedded.api.kinds.autoscalers import AUTOSCALER
from labkit.embedded.api.kinds.certificate_requests import CERTIFICATE_REQUEST
from labkit.embedded.api.kinds.configmaps import CONFIG_MAP
from labkit.embedded.api.kinds.controller_revisions import CONTROLLER_REVISION
from labkit.embedded.api.kinds.crds import DEFINITION
from labkit.embedded.api.kinds.cron_jobs import CRON_JOB
from labkit.embedded.api.kinds.csi_drivers import CSI_DRIVER
from labkit.embedded.api.kinds.csi_nodes import CSI_NODE
from labkit.embedded.api.kinds.csi_storage_capacities import CSI_STORAGE_CAPACITY
from labkit.embedded.api.kinds.custom import kind_of, type_of
from labkit.embedded.api.kinds.daemon_sets import DAEMON_SET
from labkit.embedded.api.kinds.deployments import DEPLOYMENT
from labkit.embedded.api.kinds.disruption_budgets import DISRUPTION_BUDGET
from labkit.embedded.api.kinds.endpoints import ENDPOINT_SLICE, ENDPOINTS
from labkit.embedded.api.kinds.events import EVENT, NEW_EVENT
from labkit.embedded.api.kinds.flow_schemas import FLOW_SCHEMA
from labkit.embedded.api.kinds.ingress_classes import INGRESS_CLASS
from labkit.embedded.api.kinds.ingresses import INGRESS
from labkit.embedded.api.kinds.ip_addresses import IP_ADDRESS
from labkit.embedded.api.kinds.istio import DEFINITIONS
from labkit.embedded.api.kinds.jobs import JOB
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.leases import LEASE
from labkit.embedded.api.kinds.limit_ranges import LIMIT_RANGE
from labkit.embedded.api.kinds.namespaces import NAMESPACE
from labkit.embedded.api.kinds.network_policies import NETWORK_POLICY
from labkit.embedded.api.kinds.nodes import NODE
from labkit.embedded.api.kinds.persistent_volume_claims import PERSISTENT_VOLUME_CLAIM
from labkit.embedded.api.kinds.persistent_volumes import PERSISTENT_VOLUME
from labkit.embedded.api.kinds.pod_templates import POD_TEMPLATE
from labkit.embedded.api.kinds.pods import POD
from labkit.embedded.api.kinds.priority_classes import PRIORITY_CLASS
from labkit.embedded.api.kinds.priority_levels import PRIORITY_LEVEL
from labkit.embedded.api.kinds.rbac import RBAC
from labkit.embedded.api.kinds.replica_sets import REPLICA_SET
from labkit.embedded.api.kinds.replication_controllers import REPLICATION_CONTROLLER
from labkit.embedded.api.kinds.resource_quotas import RESOURCE_QUOTA
from labkit.embedded.api.kinds.reviews import REVIEWS
from labkit.embedded.api.kinds.runtime_classes import RUNTIME_CLASS
from labkit.embedded.api.kinds.secrets import SECRET
from labkit.embedded.api.kinds.service_accounts import SERVICE_ACCOUNT
from labkit.embedded.api.kinds.service_cidrs import SERVICE_CIDR
from labkit.embedded.api.kinds.services import SERVICE
from labkit.embedded.api.kinds.stateful_sets import STATEFUL_SET
from labkit.embedded.api.kinds.storage_classes import STORAGE_CLASS
from labkit.embedded.api.kinds.volume_attachments import VOLUME_ATTACHMENT
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

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
    RESOURCE_QUOTA,
    LIMIT_RANGE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD_TEMPLATE,
    REPLICATION_CONTROLLER,
    API_SERVICE,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    DAEMON_SET,
    CONTROLLER_REVISION,
    *REVIEWS,
    AUTOSCALER,
    JOB,
    CRON_JOB,
    CERTIFICATE_REQUEST,
    LEASE,
    ENDPOINT_SLICE,
    NEW_EVENT,
    INGRESS_CLASS,
    INGRESS,
    NETWORK_POLICY,
    SERVICE_CIDR,
    IP_ADDRESS,
    DISRUPTION_BUDGET,
    *RBAC,
    STORAGE_CLASS,
    VOLUME_ATTACHMENT,
    CSI_DRIVER,
    CSI_NODE,
    CSI_STORAGE_CAPACITY,
    *WEBHOOKS,
    *ADMISSION_POLICIES,
    DEFINITION,
    PRIORITY_CLASS,
    RUNTIME_CLASS,
    FLOW_SCHEMA,
    PRIORITY_LEVEL,
)
"""In the order in which clients are told of their groups."""
_BY_NAME = {each.type.name: each for each in BUILT_IN}


def registry(definitions: Iterable[Obj] = DEFINITIONS) -> Registry:
    """A registry of these and of what *definitions* (of a cluster with Istio) bring."""
    custom = (type_of(each) for each in definitions)
    own = (each.type for each in BUILT_IN)
    return Registry([*own, *metrics.types(), *(each for each in custom if each)])


def of(type_: ResourceType, version: str = "") -> Kind:
    """What is particular to the objects of *type_*: in *version*, or in the form they are stored in."""
    return kind_of(type_, version) if type_.custom else _BY_NAME[type_.stored_as]
