"""What an object of a kind holds before anybody has set anything.

A Go struct can't be without its inner structs, so for the built-in kinds nobody ever owns, say,
``spec`` itself. That is why a Deployment's ``fieldsV1`` says ``f:spec: {f:replicas: {}}`` and a
VirtualService's, which has no Go struct in the API server, ``f:spec: {.: {}, f:hosts: {}}``.
"""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj

_POD_SPEC: Obj = {"containers": None}
_TEMPLATE: Obj = {"metadata": {}, "spec": _POD_SPEC}
_ZERO: dict[str, Obj] = {
    "deployments.apps": {"spec": {"template": _TEMPLATE, "strategy": {}}, "status": {}},
    "replicasets.apps": {"spec": {"template": _TEMPLATE}, "status": {}},
    "pods": {"spec": _POD_SPEC, "status": {}},
    "services": {"spec": {}, "status": {"loadBalancer": {}}},
    "namespaces": {"spec": {}, "status": {}},
    "nodes": {"spec": {}, "status": {"daemonEndpoints": {"kubeletEndpoint": {}}, "nodeInfo": {}}},
    "events": {"involvedObject": {}, "source": {}},
    "leases.coordination.k8s.io": {"spec": {}},
    "endpointslices.discovery.k8s.io": {"endpoints": None, "ports": None},
    "roles.rbac.authorization.k8s.io": {"rules": None},
    "clusterroles.rbac.authorization.k8s.io": {"rules": None},
    "rolebindings.rbac.authorization.k8s.io": {"roleRef": {}},
    "clusterrolebindings.rbac.authorization.k8s.io": {"roleRef": {}},
}


def zero_object(type_: ResourceType) -> Obj:
    """The empty object of *type_*; a private copy."""
    header: Obj = {"apiVersion": type_.api_version(), "kind": type_.kind, "metadata": {}}
    own: Obj = _copy(_ZERO.get(type_.stored_as, {}))
    return header | own


def _copy(value: Any) -> Any:
    return {key: _copy(each) for key, each in value.items()} if isinstance(value, dict) else value
