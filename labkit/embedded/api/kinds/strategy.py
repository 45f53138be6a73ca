"""What is particular to a kind when it is created or changed.

The counterpart of ``pkg/registry/*/strategy.go``: the initial status, who may write the status,
and the values only the server knows.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from labkit.embedded.api.kinds.allocation import prepare_service
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store

_EVERY_METADATA = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")
_OLD_METADATA = {
    "pods": ("ownerReferences",),
    "deployments.apps": ("labels",),
    "customresourcedefinitions.apiextensions.k8s.io": _EVERY_METADATA,
}
_STATUS_AT_CREATION = {"nodes", "customresourcedefinitions.apiextensions.k8s.io"}


def prepare_create(store: Store, kind: ResourceType, obj: Obj) -> None:
    """Bring a new *obj* into its first state."""
    if kind.subresource("status") and kind.name not in _STATUS_AT_CREATION:
        obj.pop("status", None)
    if prepare := _ON_CREATE.get(kind.name):
        prepare(store, obj)


def prepare_update(store: Store, kind: ResourceType, obj: Obj, old: Obj) -> None:
    """Undo in a changed *obj* what a plain update may not change."""
    if kind.subresource("status"):
        _restore(obj, old, "status")
    if kind.name == "namespaces":
        obj.setdefault("spec", {})["finalizers"] = old.get("spec", {}).get("finalizers", [])
        _label_namespace(obj)
    elif kind.name == "services":
        prepare_service(store, obj, old)
    elif kind.name == "secrets":
        _encode_string_data(obj)


def metadata_of_status(kind: ResourceType) -> tuple[str, ...]:
    """The fields of ``metadata`` that a write to ``/status`` may not change."""
    return _EVERY_METADATA if kind.custom else _OLD_METADATA.get(kind.name, ())


def with_status_of(kind: ResourceType, obj: Obj, old: Obj) -> Obj:
    """*old* with the status of *obj*, and with as much of its metadata as *kind* takes on that way."""
    changed = {**old, "metadata": dict(obj["metadata"])}
    _restore(changed, obj, "status")
    for key in metadata_of_status(kind):
        _restore(changed["metadata"], old["metadata"], key)
    return changed


def _restore(obj: Obj, source: Obj, key: str) -> None:
    obj.pop(key, None)
    if key in source:
        obj[key] = source[key]


def _new_pod(_: Store, pod: Obj) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod.get("spec", {}))}


def _new_namespace(_: Store, namespace: Obj) -> None:
    namespace.setdefault("spec", {})["finalizers"] = ["kubernetes"]
    namespace["status"] = {"phase": "Active"}
    _label_namespace(namespace)


def _label_namespace(namespace: Obj) -> None:
    meta = namespace["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}


def _new_service(store: Store, service: Obj) -> None:
    prepare_service(store, service, None)
    service["status"] = {"loadBalancer": {}}


def _new_workload(_: Store, workload: Obj) -> None:
    workload["status"] = {}


def _new_replica_set(_: Store, replica_set: Obj) -> None:
    replica_set["status"] = {"replicas": 0}


def _new_secret(_: Store, secret: Obj) -> None:
    _encode_string_data(secret)


def _encode_string_data(secret: Obj) -> None:
    """``stringData`` is write-only: it ends up, encoded, in ``data``."""
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


_ON_CREATE: dict[str, Callable[[Store, Obj], None]] = {
    "pods": _new_pod,
    "namespaces": _new_namespace,
    "services": _new_service,
    "deployments.apps": _new_workload,
    "replicasets.apps": _new_replica_set,
    "secrets": _new_secret,
}


def qos_class(spec: Obj) -> str:
    """Guaranteed, Burstable or BestEffort, from the containers' cpu and memory."""
    resources = [each.get("resources") or {} for each in spec.get("containers") or ()]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    return "Guaranteed" if all(map(_is_guaranteed, resources)) else "Burstable"


def _is_guaranteed(resources: Obj) -> bool:
    limits = resources.get("limits") or {}
    requests = {**limits, **(resources.get("requests") or {})}
    return all(limits.get(key) and limits[key] == requests.get(key) for key in ("cpu", "memory"))
