"""Resource types, as data. A type may have several versions of one schema with one storage (the Istio
kinds), or share its storage with a type of another group (events); see :mod:`.convert`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE_ONLY = ("create",)
READ_ONLY = ("get", "list", "watch")


@dataclass(frozen=True)
class Subresource:
    """``pods/NAME/log`` and its kin; *kind* may belong to another group than its parent."""

    name: str
    kind: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    group: str = ""
    version: str = ""


@dataclass(frozen=True)
class ResourceType:
    """One resource type of one API group."""

    group: str
    """API group; empty for the core group."""
    versions: tuple[str, ...]
    """Served versions, preferred first."""
    kind: str
    plural: str
    singular: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    subresources: tuple[Subresource, ...] = ()
    storage_version: str = ""
    """The version objects are stored in; the preferred one unless given."""
    stored_as: str = ""
    """The :attr:`name` of the type that owns the storage, where it is another one."""
    custom: bool = False
    """Whether a real cluster serves it from a CustomResourceDefinition."""
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What has been worked out from this type, such as its schemas; it goes with the type."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "storage_version", self.storage_version or self.versions[0])
        object.__setattr__(self, "stored_as", self.stored_as or self.name)

    @property
    def name(self) -> str:
        """As kubectl names it: ``pods``, ``deployments.apps``."""
        return qualified(self.plural, self.group)

    @property
    def list_kind(self) -> str:
        """``PodList``."""
        return f"{self.kind}List"

    @property
    def persisted(self) -> bool:
        """False for the reviews, which are answered and forgotten."""
        return self.verbs != CREATE_ONLY

    def api_version(self, version: str = "") -> str:
        """``apps/v1``; of the storage version unless *version* is given."""
        version = version or self.storage_version
        return f"{self.group}/{version}" if self.group else version

    def subresource(self, name: str) -> Subresource | None:
        """The one called *name*, if it has that."""
        return next((sub for sub in self.subresources if sub.name == name), None)


def qualified(plural: str, group: str) -> str:
    """``deployments.apps``, or the bare plural for the core group."""
    return f"{plural}.{group}" if group else plural


def split_api_version(api_version: str) -> tuple[str, str]:
    """``apps/v1`` → ``("apps", "v1")``; ``v1`` → ``("", "v1")``."""
    group, slash, version = api_version.partition("/")
    return (group, version) if slash else ("", group)


_PROXY_VERBS = ("create", "delete", "get", "patch", "update")
_SCALE = Subresource("scale", "Scale", group="autoscaling", version="v1")


def _status(kind: str) -> Subresource:
    return Subresource("status", kind)


_CONNECT_VERBS = ("create", "get")
_POD_SUBRESOURCES = (
    Subresource("attach", "PodAttachOptions", _CONNECT_VERBS),
    Subresource("exec", "PodExecOptions", _CONNECT_VERBS),
    Subresource("log", "Pod", ("get",)),
    Subresource("portforward", "PodPortForwardOptions", _CONNECT_VERBS),
    Subresource("proxy", "PodProxyOptions", _PROXY_VERBS),
    _status("Pod"),
)

_CORE = (
    ResourceType("", ("v1",), "ConfigMap", "configmaps", "configmap", short_names=("cm",)),
    ResourceType("", ("v1",), "Endpoints", "endpoints", "endpoints", short_names=("ep",)),
    ResourceType("", ("v1",), "Event", "events", "event", short_names=("ev",)),
    ResourceType(
        "",
        ("v1",),
        "Namespace",
        "namespaces",
        "namespace",
        namespaced=False,
        short_names=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
    ),
    ResourceType(
        "",
        ("v1",),
        "Node",
        "nodes",
        "node",
        namespaced=False,
        short_names=("no",),
        subresources=(_status("Node"),),
    ),
    ResourceType(
        "",
        ("v1",),
        "Pod",
        "pods",
        "pod",
        short_names=("po",),
        categories=("all",),
        subresources=_POD_SUBRESOURCES,
    ),
    ResourceType("", ("v1",), "Secret", "secrets", "secret"),
    ResourceType(
        "",
        ("v1",),
        "ServiceAccount",
        "serviceaccounts",
        "serviceaccount",
        short_names=("sa",),
        subresources=(Subresource("token", "TokenRequest", CREATE_ONLY, "authentication.k8s.io", "v1"),),
    ),
    ResourceType(
        "",
        ("v1",),
        "Service",
        "services",
        "service",
        short_names=("svc",),
        categories=("all",),
        subresources=(Subresource("proxy", "ServiceProxyOptions", _PROXY_VERBS), _status("Service")),
    ),
)

_APPS = (
    ResourceType(
        "apps",
        ("v1",),
        "Deployment",
        "deployments",
        "deployment",
        short_names=("deploy",),
        categories=("all",),
        subresources=(_SCALE, _status("Deployment")),
    ),
    ResourceType(
        "apps",
        ("v1",),
        "ReplicaSet",
        "replicasets",
        "replicaset",
        short_names=("rs",),
        categories=("all",),
        subresources=(_SCALE, _status("ReplicaSet")),
    ),
)


def _review(group: str, kind: str, namespaced: bool = False) -> ResourceType:
    singular = kind.lower()
    return ResourceType(group, ("v1",), kind, singular + "s", singular, namespaced, verbs=CREATE_ONLY)


_REVIEWS = (
    _review("authentication.k8s.io", "SelfSubjectReview"),
    _review("authentication.k8s.io", "TokenReview"),
    _review("authorization.k8s.io", "LocalSubjectAccessReview", namespaced=True),
    _review("authorization.k8s.io", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io", "SubjectAccessReview"),
)


def _rbac(kind: str, namespaced: bool) -> ResourceType:
    singular = kind.lower()
    return ResourceType("rbac.authorization.k8s.io", ("v1",), kind, singular + "s", singular, namespaced)


_MORE = (
    ResourceType("coordination.k8s.io", ("v1",), "Lease", "leases", "lease"),
    ResourceType("discovery.k8s.io", ("v1",), "EndpointSlice", "endpointslices", "endpointslice"),
    ResourceType(
        "events.k8s.io", ("v1",), "Event", "events", "event", short_names=("ev",), stored_as="events"
    ),
    _rbac("ClusterRoleBinding", namespaced=False),
    _rbac("ClusterRole", namespaced=False),
    _rbac("RoleBinding", namespaced=True),
    _rbac("Role", namespaced=True),
    ResourceType(
        "apiextensions.k8s.io",
        ("v1",),
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "customresourcedefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        verbs=READ_ONLY,
    ),
)


def _istio(
    area: str, versions: tuple[str, ...], kind: str, plural: str, short_names: tuple[str, ...] = ()
) -> ResourceType:
    return ResourceType(
        f"{area}.istio.io",
        versions,
        kind,
        plural,
        kind.lower(),
        short_names=short_names,
        categories=("istio-io", f"{area}-istio-io"),
        subresources=(_status(kind),),
        custom=True,
    )


_THREE = ("v1", "v1beta1", "v1alpha3")
_ISTIO = (
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


BUILT_IN = (*_CORE, *_APPS, *_REVIEWS, *_MORE, *_ISTIO)
"""Every type this API serves from the start."""
