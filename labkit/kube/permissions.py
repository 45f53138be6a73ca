"""What the lab needs to be allowed, asked of the API (SelfSubjectAccessReview) and written as a Role.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import yaml

from labkit.kube.api import Api, Obj
from labkit.kube.resources import Resource

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_CHANGE = ("get", "list", "watch", "create", "patch", "delete")
_LOOK = ("get", "list", "watch")


@dataclass(frozen=True)
class Permission:
    """Some verbs on one resource."""

    verbs: tuple[str, ...]
    group: str
    resource: str
    """With its subresource: ``pods/log``."""

    def __str__(self) -> str:
        return f"{', '.join(self.verbs)} {self.resource}{f'.{self.group}' if self.group else ''}"


IN_THE_LAB = (
    Permission(_CHANGE, "apps", "deployments"),
    Permission(_LOOK, "apps", "replicasets"),
    Permission(_CHANGE, "", "services"),
    Permission((*_LOOK, "create", "delete"), "", "pods"),  # create: in dry runs, whether there is injection
    Permission(("get",), "", "pods/log"),
    Permission(("create", "get"), "", "pods/exec"),
    Permission(("create", "get"), "", "pods/portforward"),
    Permission(_LOOK, "", "events"),
    Permission(_CHANGE, "telemetry.istio.io", "telemetries"),
    *(
        Permission(_CHANGE, "networking.istio.io", kind)
        for kind in ("gateways", "virtualservices", "destinationrules", "serviceentries", "sidecars")
    ),
)
"""In every namespace of the lab's own."""

FOR_FAULTS = (Permission(_CHANGE, "networking.istio.io", "envoyfilters"),)
"""Beside those: to break a service of the learner's own. No step needs it."""

FOR_THE_RECORD = (
    Permission(("get", "list", "watch", "create", "patch"), "", "configmaps"),
    Permission(("create",), "", "serviceaccounts/token"),
)
"""In the namespace of the learner's record: to keep it, and to have the cluster sign a report of it."""

KEYS = ("/openid/v1/jwks",)
"""URLs where the cluster says by which keys its signatures are verified."""

IN_ISTIO_SYSTEM = (
    Permission(_LOOK, "apps", "deployments"),
    Permission(_LOOK, "", "services"),
    Permission(_LOOK, "", "pods"),
    Permission(("get",), "", "pods/log"),
    Permission(("create", "get"), "", "pods/exec"),
    Permission(("create", "get"), "", "pods/portforward"),
    Permission(("get",), "", "configmaps"),
)
"""In istio-system: to find and reach the gateways, and to read their logs and what they were told."""

ON_THE_CLUSTER = (Permission(_LOOK, "", "namespaces"), Permission(_LOOK, "", "nodes"))

Denied = tuple[str, str]
"""(permission, namespace or nothing)."""


def denied(api: Api, wanted: Iterable[tuple[Permission, str]]) -> list[Denied]:
    """Those of *wanted* (permission, namespace) that the API says no to, verb by verb."""
    single = [(Permission((verb,), p.group, p.resource), ns) for p, ns in wanted for verb in p.verbs]
    with ThreadPoolExecutor(max_workers=8) as threads:
        allowed = list(threads.map(lambda one: _is_allowed(api, *one), single))
    return [(str(p), ns) for (p, ns), fine in zip(single, allowed, strict=True) if not fine]


def may_delete(api: Api, resource: Resource, name: str) -> bool:
    """Whether one may delete the cluster-scoped object called *name*."""
    return _is_allowed(api, Permission(("delete",), resource.group, resource.plural), "", name)


def may_create(api: Api, resource: Resource, namespace: str = "") -> bool:
    """Whether one may make such objects (in *namespace*)."""
    return _is_allowed(api, Permission(("create",), resource.group, resource.plural), namespace)


def _is_allowed(api: Api, permission: Permission, namespace: str, name: str = "") -> bool:
    resource, _, subresource = permission.resource.partition("/")
    attributes = {
        "verb": permission.verbs[0],
        "group": permission.group,
        "resource": resource,
        **({"subresource": subresource} if subresource else {}),
        **({"namespace": namespace} if namespace else {}),
        **({"name": name} if name else {}),
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return bool(api.request("POST", _REVIEWS, body=review).object["status"]["allowed"])


def roles(subject: str, namespaces: Sequence[str], record: str, system: str = "istio-system") -> str:
    """The least a learner needs in *namespaces*, and in that of the *record*, as YAML; *subject* is the
    user's name.

    Making namespaces is not among these rights, nor changing or deleting them.
    """
    objects = [
        *(_role(ns, (*IN_THE_LAB, *FOR_FAULTS)) for ns in namespaces),
        _role(record, FOR_THE_RECORD),
        *(_binding(ns, subject) for ns in (*namespaces, record)),
        _role(system, IN_ISTIO_SYSTEM),
        _binding(system, subject),
        _cluster_role(),
        _cluster_binding(subject),
    ]
    return yaml.safe_dump_all(objects, sort_keys=False)


def _rules(permissions: Sequence[Permission]) -> list[Obj]:
    return [{"apiGroups": [p.group], "resources": [p.resource], "verbs": list(p.verbs)} for p in permissions]


def _role(namespace: str, permissions: Sequence[Permission]) -> Obj:
    metadata = {"name": "labkit-learner", "namespace": namespace}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}
    return {**rbac, "metadata": metadata, "rules": _rules(permissions)}


def _cluster_role() -> Obj:
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    rules = [*_rules(ON_THE_CLUSTER), {"nonResourceURLs": list(KEYS), "verbs": ["get"]}]
    return {**rbac, "metadata": {"name": "labkit-learner"}, "rules": rules}


def _binding(namespace: str, subject: str) -> Obj:
    metadata = {"name": f"labkit-{subject}", "namespace": namespace}
    return {**_bound(subject, "Role"), "kind": "RoleBinding", "metadata": metadata}


def _cluster_binding(subject: str) -> Obj:
    metadata = {"name": f"labkit-{subject}"}
    return {**_bound(subject, "ClusterRole"), "kind": "ClusterRoleBinding", "metadata": metadata}


def _bound(subject: str, kind: str) -> Obj:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "",
        "metadata": {},
        "subjects": [{"kind": "User", "name": subject, "apiGroup": group}],
        "roleRef": {"kind": kind, "name": "labkit-learner", "apiGroup": group},
    }
