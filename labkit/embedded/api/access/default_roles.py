"""The roles that every cluster has from the start: those for people, and those every user has.

Those of controllers and nodes are left out: here they are parts of the server and ask nobody.
Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
"""

from __future__ import annotations

from labkit.embedded.api.access import users
from labkit.embedded.api.access.rbac import GROUP
from labkit.embedded.api.access.rules import EVERYTHING
from labkit.embedded.objects import Obj

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_READ = "get list watch"
_WRITE = "create delete deletecollection patch update"
_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
_HEALTH = "/healthz /livez /readyz"
_VERSION = "/version /version/"


def _rule(verbs: str, group: str, resources: str) -> Obj:
    return {"apiGroups": [group], "resources": sorted(resources.split()), "verbs": sorted(verbs.split())}


def _paths(paths: str) -> Obj:
    return {"nonResourceURLs": sorted(paths.split()), "verbs": ["get"]}


_VIEW = (
    _rule(
        _READ,
        "",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
        "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
    ),
    _rule(
        _READ,
        "",
        "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status "
        "resourcequotas resourcequotas/status",
    ),
    _rule(_READ, "", "namespaces"),  # within a namespace: this one
    _rule(_READ, "discovery.k8s.io", "endpointslices"),
    _rule(
        _READ,
        "apps",
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status "
        "replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale "
        "statefulsets/status",
    ),
    _rule(_READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    _rule(_READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    _rule(
        _READ,
        "extensions",
        "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses "
        "ingresses/status networkpolicies replicasets replicasets/scale replicasets/status "
        "replicationcontrollers/scale",
    ),
    _rule(_READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    _rule(_READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
    _rule(_READ, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
)
_EDIT = (
    _rule(_READ, "", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    _rule("impersonate", "", "serviceaccounts"),
    _rule(_WRITE, "", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    _rule("create", "", "pods/eviction"),
    _rule(
        _WRITE,
        "",
        "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale "
        "secrets serviceaccounts services services/proxy",
    ),
    _rule("create", "", "serviceaccounts/token"),
    _rule(
        _WRITE,
        "apps",
        "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale "
        "statefulsets statefulsets/scale",
    ),
    _rule(_WRITE, "autoscaling", "horizontalpodautoscalers"),
    _rule(_WRITE, "batch", "cronjobs jobs"),
    _rule(
        _WRITE,
        "extensions",
        "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets "
        "replicasets/scale replicationcontrollers/scale",
    ),
    _rule(_WRITE, "policy", "poddisruptionbudgets"),
    _rule(_WRITE, "networking.k8s.io", "ingresses networkpolicies"),
    _rule(f"{_READ} {_WRITE}", "coordination.k8s.io", "leases"),
    _rule(_WRITE, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
)
_ADMIN = (
    _rule("create", _AUTHORIZATION, "localsubjectaccessreviews"),
    _rule(f"{_READ} {_WRITE}", GROUP, "rolebindings roles"),
)
_BASIC_USER = (
    _rule("create", _AUTHORIZATION, "selfsubjectaccessreviews selfsubjectrulesreviews"),
    _rule("create", _AUTHENTICATION, "selfsubjectreviews"),
)
_AUTH_DELEGATOR = (
    _rule("create", _AUTHENTICATION, "tokenreviews"),
    _rule("create", _AUTHORIZATION, "subjectaccessreviews"),
)
_ISSUER = (
    "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/"
)
_MONITORING = (
    _paths(f"{_HEALTH} /healthz/* /livez/* /readyz/* /metrics /metrics/slis"),
    _rule("get", "", "nodes/metrics"),
)


def _labels(*aggregates_to: str) -> dict[str, str]:
    added = {f"{GROUP}/aggregate-to-{each}": "true" for each in aggregates_to}
    return {"kubernetes.io/bootstrapping": "rbac-defaults", **added}


def _object(name: str, *aggregates_to: str, **content: object) -> Obj:
    meta = {"name": name, "labels": _labels(*aggregates_to), "annotations": {AUTOUPDATE: "true"}}
    return {"metadata": meta, **content}


def _role(name: str, *rules: Obj, to: str = "") -> Obj:
    return _object(name, *to.split(), rules=list(rules))


def _aggregated(name: str, *rules: Obj, to: str = "") -> Obj:
    """A role whose rules are gathered; *rules* are those of the roles that are here."""
    selectors = [{"matchLabels": {f"{GROUP}/aggregate-to-{name}": "true"}}]
    return _object(name, *to.split(), aggregationRule={"clusterRoleSelectors": selectors}, rules=list(rules))


ROLES: tuple[Obj, ...] = (
    _role("cluster-admin", *EVERYTHING),
    _role("system:discovery", _paths(f"/api /api/* /apis /apis/* /openapi /openapi/* {_HEALTH} {_VERSION}")),
    _role("system:monitoring", *_MONITORING),
    _role("system:basic-user", *_BASIC_USER),
    _role("system:public-info-viewer", _paths(f"{_HEALTH} {_VERSION}")),
    _role("system:auth-delegator", *_AUTH_DELEGATOR),
    _role("system:service-account-issuer-discovery", _paths(_ISSUER)),
    _role("system:aggregate-to-admin", *_ADMIN, to="admin"),
    _role("system:aggregate-to-edit", *_EDIT, to="edit"),
    _role("system:aggregate-to-view", *_VIEW, to="view"),
    _aggregated("admin", *_EDIT, *_VIEW, *_ADMIN),
    _aggregated("edit", *_EDIT, *_VIEW, to="admin"),
    _aggregated("view", *_VIEW, to="edit"),
)


def _binding(name: str, *groups: str) -> Obj:
    subjects = [{"apiGroup": GROUP, "kind": "Group", "name": each} for each in groups]
    return _object(name, roleRef={"apiGroup": GROUP, "kind": "ClusterRole", "name": name}, subjects=subjects)


BINDINGS: tuple[Obj, ...] = (
    _binding("cluster-admin", users.MASTERS),
    _binding("system:monitoring", "system:monitoring"),
    _binding("system:discovery", users.AUTHENTICATED),
    _binding("system:basic-user", users.AUTHENTICATED),
    _binding("system:public-info-viewer", users.AUTHENTICATED, users.UNAUTHENTICATED),
    _binding("system:service-account-issuer-discovery", users.SERVICE_ACCOUNTS),
)
