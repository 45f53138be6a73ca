"""Objects as a manifest would have them: without what the server and controllers put into them.

What `kubectl get -o yaml` shows can't be applied to a cluster where the object is gone: it has a UID, an
address that somebody else may have by now, and a pod has its sidecar already.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from labkit.errors import ApiRefused
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import Resource

_SERVERS = (
    *("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields"),
    *("deletionGracePeriodSeconds", "selfLink", "ownerReferences", "finalizers"),
)
"""What the server keeps in an object's metadata."""
_REVISION, _INJECTED = "deployment.kubernetes.io/revision", "sidecar.istio.io/status"
_EPHEMERAL = ("Event", "Endpoints", "EndpointSlice", "Lease", "PodMetrics", "ControllerRevision")
"""Kinds that only tell of others."""


def exported(resource: Resource, obj: Obj) -> Obj:
    """*obj* so that it can be applied anew."""
    found = copy.deepcopy(obj)
    managers = json.dumps(found["metadata"].get("managedFields") or [])
    found.pop("status", None)
    metadata = {key: value for key, value in found.pop("metadata").items() if key not in _SERVERS}
    annotations = metadata.get("annotations") or {}
    annotations.pop(_REVISION, None)
    spec = found.get("spec") or {}
    if resource.kind == "Service":
        _without_addresses(spec, keep_ports='"f:nodePort"' in managers)
    if resource.kind == "Pod":
        _without_sidecar(spec, annotations)
    if resource.kind == "Namespace":
        found.pop("spec", None)
    if "annotations" in metadata and not annotations:
        del metadata["annotations"]
    return {"apiVersion": resource.group_version, "kind": resource.kind, "metadata": metadata, **found}


def _without_addresses(spec: dict[str, Any], *, keep_ports: bool) -> None:
    if spec.get("clusterIP") != "None":
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "healthCheckNodePort"):
            spec.pop(key, None)
    for port in [] if keep_ports else spec.get("ports") or []:
        port.pop("nodePort", None)


def _without_sidecar(spec: dict[str, Any], annotations: dict[str, str]) -> None:
    """Without what was injected (its annotation lists it), the node, and the token that every pod gets."""
    try:
        injected = json.loads(annotations.pop(_INJECTED, "{}"))
    except ValueError:
        injected = {}
    for key in ("initContainers", "containers", "volumes", "imagePullSecrets"):
        names = injected.get(key) or []
        if key in spec:
            spec[key] = [each for each in spec[key] or [] if not _is_added(each.get("name", ""), names)]
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        mounts = container.get("volumeMounts") or []
        container["volumeMounts"] = [each for each in mounts if not _is_added(each.get("name", ""), [])]
    spec.pop("nodeName", None)


def _is_added(name: str, injected: list[str]) -> bool:
    return name in injected or name.startswith("kube-api-access-")


def all_in(api: Api, namespace: str) -> Iterator[tuple[Resource, Obj]]:
    """Every object in *namespace*, of whatever kind; but those that only tell of others."""
    for resource in _kinds(api):
        try:
            objects = api.items(resource.path(namespace))
        except ApiRefused:  # one may not look there
            continue
        yield from ((resource, obj) for obj in objects)


def _kinds(api: Api) -> Iterator[Resource]:
    """The kinds that can be listed in a namespace and made anew, each in the version the server prefers."""
    groups = api.get("/apis").get("groups") or []
    for version in ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]:
        for entry in api.resources_of(version):
            wanted = entry["namespaced"] and {"list", "create"} <= set(entry["verbs"])
            if wanted and "/" not in entry["name"] and entry["kind"] not in _EPHEMERAL:
                group, _, number = version.rpartition("/")
                yield Resource(group, number, entry["kind"], entry["name"], True)
