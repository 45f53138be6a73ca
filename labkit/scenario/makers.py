"""Who made an object: people, or something that watches the cluster and would make it again."""

from __future__ import annotations

import re

from labkit.kube.api.api import Obj
from labkit.kube.api.resources import Resource

_PEOPLE = re.compile(r"kubectl.*|labkit.*")
"""Field managers of what somebody types."""
_MARKS = re.compile(
    r"istio\.io/config|helm\.sh/.*|meta\.helm\.sh/.*|.*/managed-by|.*\.toolkit\.fluxcd\.io/.*"
    r"|argocd\.argoproj\.io/.*|kubernetes\.io/description"
)
"""Keys of labels and annotations by which controllers and package managers know their own."""
_CONTROL_PLANE = re.compile(r"kube-(?!ctl).*|k3s|k0s|microk8s|istio.*|pilot-.*|cloud-controller-manager")
"""Field managers of what belongs to the cluster itself, on whichever Kubernetes."""
_EVERYWHERE = re.compile(r"istio\.io/config|kubernetes\.io/(description|service-account\.name)")
"""Keys of labels and annotations of what controllers put into every namespace."""
_OPEN_GROUPS = re.compile(r".*\.istio\.io")
"""API groups where whatever is in the way must go, by whichever client it came."""


def made_by_controller(resource: Resource, obj: Obj) -> bool:
    """Whether *obj* belongs to a controller or a package manager: by its owner, its marks, its managers.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management: a manager is who
    wrote the fields; an object nobody is noted for is taken for somebody's.
    """
    metadata = obj["metadata"]
    keys = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    marked = any(_MARKS.fullmatch(key) and not _PEOPLE.fullmatch(str(keys[key])) for key in keys)
    is_open = _OPEN_GROUPS.fullmatch(resource.group)
    return bool(metadata.get("ownerReferences")) or marked or (not is_open and _only_others_wrote(obj))


def _only_others_wrote(obj: Obj) -> bool:
    """Whether those who wrote its contents are no people; who put a label on it did not make it."""
    entries = [each for each in obj["metadata"].get("managedFields") or [] if not each.get("subresource")]
    contents = [each for each in entries if set(each.get("fieldsV1") or {}) - {"f:metadata"}] or entries
    return bool(contents) and not any(_PEOPLE.fullmatch(str(each.get("manager", ""))) for each in contents)


def made_by_the_cluster(resource: Resource, obj: Obj) -> bool:
    """Whether it is nobody's: a controller makes it again in every namespace, or for another object.

    Asked before a whole namespace goes. Whatever else wrote an object, a program of somebody's may have.
    """
    metadata = obj["metadata"]
    keys = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    managers = [str(each.get("manager", "")) for each in metadata.get("managedFields") or []]
    by_control_plane = bool(managers) and all(map(_CONTROL_PLANE.fullmatch, managers))
    is_default_account = resource.kind == "ServiceAccount" and metadata["name"] == "default"
    marked = any(
        re.fullmatch(r"istio\.io/config|kubernetes\.io/(description|service-account\.name)", k) for k in keys
    )
    return bool(metadata.get("ownerReferences")) or by_control_plane or is_default_account or marked
