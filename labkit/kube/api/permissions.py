"""What the lab needs to be allowed, asked of the API (SelfSubjectAccessReview) and written as a Role.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import yaml

from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import Resource

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_CHANGE = ("get", "list", "watch", "create", "patch", "delete")
_LOOK = ("get", "list", "watch")
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Permission:
    """Some verbs on one resource."""

    verbs: tuple[str, ...]
    group: str
    resource: str
    """With its subresource: ``pods/log``; or the path of a URL that is no resource."""

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

FOR_REPORTS = (Permission(("get",), "", "/openid/v1/jwks"),)
"""On the cluster: by which keys its signatures are verified."""

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
    if permission.resource.startswith("/"):
        attributes = {"path": permission.resource, "verb": permission.verbs[0]}
        return _review(api, {"nonResourceAttributes": attributes})
    resource, _, subresource = permission.resource.partition("/")
    return _review(
        api,
        {
            "resourceAttributes": {
                "verb": permission.verbs[0],
                "group": permission.group,
                "resource": resource,
                **({"subresource": subresource} if subresource else {}),
                **({"namespace": namespace} if namespace else {}),
                **({"name": name} if name else {}),
            }
        },
    )


def _review(api: Api, asked: Obj) -> bool:
    """What the API server says to one question (``spec`` of the review)."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": asked}
    return bool(api.request("POST", _REVIEWS, body=review).object["status"]["allowed"])


def roles(subject: str, namespaces: Sequence[str], record: str, system: str = "istio-system") -> str:
    """The least a learner needs in *namespaces*, and in that of the *record*, as YAML; *subject* is the
    user's name.

    Making namespaces is not among these rights, nor changing or deleting them. Nothing of it is another
    learner's as well: who deletes what is written here takes away this one's rights, and nobody else's.
    """
    rights = {**dict.fromkeys(namespaces, (*IN_THE_LAB, *FOR_FAULTS)), system: IN_ISTIO_SYSTEM}
    rights |= {record: FOR_THE_RECORD}
    objects = [obj for name, rules in rights.items() for obj in _given(subject, rules, name)]
    return yaml.safe_dump_all([*objects, *_given(subject, (*ON_THE_CLUSTER, *FOR_REPORTS))], sort_keys=False)


def role_of(subject: str) -> str:
    """What is called so gives *subject* rights: Roles and a ClusterRole, and the bindings to them.

    The API allows any name of one path segment (``system:serviceaccount:…``), so only what can't be in one
    is replaced, and then a digest tells apart whose names would be equal.
    """
    name = re.sub(r"[/%]", "-", subject)
    digest = hashlib.sha256(subject.encode()).hexdigest()[:8]
    return f"labkit-learner-{name}" if name == subject else f"labkit-learner-{name}-{digest}"


def _given(subject: str, permissions: Sequence[Permission], namespace: str = "") -> list[Obj]:
    """A Role of *subject*'s own and its binding in *namespace*; without one, they are the cluster's."""
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": role_of(subject)} | ({"namespace": namespace} if namespace else {})
    reference = {"kind": kind, "name": role_of(subject), "apiGroup": _RBAC}
    subjects = [{"kind": "User", "name": subject, "apiGroup": _RBAC}]
    binding = {"subjects": subjects, "roleRef": reference}
    return [
        _rbac(kind, metadata, {"rules": _rules(permissions)}),
        _rbac(f"{kind}Binding", metadata, binding),
    ]


def _rbac(kind: str, metadata: Obj, content: Obj) -> Obj:
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": dict(metadata), **content}


def _rules(permissions: Sequence[Permission]) -> list[Obj]:
    return [_rule(p) for p in permissions]


def _rule(permission: Permission) -> Obj:
    verbs = list(permission.verbs)
    if permission.resource.startswith("/"):
        return {"nonResourceURLs": [permission.resource], "verbs": verbs}
    return {"apiGroups": [permission.group], "resources": [permission.resource], "verbs": verbs}
