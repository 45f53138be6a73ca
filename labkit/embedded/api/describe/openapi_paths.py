"""The ``paths`` of the OpenAPI documents: which URL takes which verb for which kind.

kubectl reads three things out of them: which kind a resource has (``explain``), whether PATCH takes
``fieldValidation`` and ``dryRun``, and whether a kind can be patched strategically.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labkit.embedded.api.merge.patch import accepted_types
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.api.types.schemas import Schema

_WRITE_QUERY = ("dryRun", "fieldManager", "fieldValidation")
_LIST_QUERY = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
)
_FORMS = ("application/json", "application/yaml")


@dataclass(frozen=True)
class Operation:
    """One verb of one URL, before it is written down in either version of OpenAPI."""

    method: str
    action: str
    """``x-kubernetes-action``."""
    query: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()
    returns_list: bool = False


def paths(type_: ResourceType, version: str) -> Iterator[tuple[str, list[Operation]]]:
    """The URLs of *type_* in *version*, each with its operations."""
    root = "/apis/" if type_.group else "/api/"
    base = root + type_.api_version(version) + ("/namespaces/{namespace}" if type_.namespaced else "")
    yield f"{base}/{type_.plural}", _of_collection(type_)
    if "get" in type_.verbs:
        yield f"{base}/{type_.plural}/{{name}}", _of_object(type_)


def _of_collection(type_: ResourceType) -> list[Operation]:
    found = [
        Operation("get", "list", _LIST_QUERY, returns_list=True),
        Operation("post", "post", _WRITE_QUERY, _FORMS),
        Operation("delete", "deletecollection", (*_LIST_QUERY, "dryRun")),
    ]
    verbs = {"get": "list", "post": "create", "delete": "deletecollection"}
    return [each for each in found if verbs[each.method] in type_.verbs]


def _of_object(type_: ResourceType) -> list[Operation]:
    found = [
        Operation("get", "get"),
        Operation("put", "put", _WRITE_QUERY, _FORMS),
        Operation("patch", "patch", (*_WRITE_QUERY, "force"), tuple(accepted_types(type_))),
        Operation("delete", "delete", ("dryRun", "gracePeriodSeconds", "propagationPolicy")),
    ]
    verbs = {"get": "get", "put": "update", "patch": "patch", "delete": "delete"}
    return [each for each in found if verbs[each.method] in type_.verbs]


def operation_id(type_: ResourceType, version: str, operation: Operation) -> str:
    """A unique name, in the manner of the real documents: ``patchAppsV1Deployment``."""
    area = "".join(part.capitalize() for part in type_.group.split(".")[0].split("-")) or "Core"
    return f"{operation.action}{area}{version.capitalize()}{type_.kind}"


def extensions(type_: ResourceType, version: str, operation: Operation) -> Schema:
    """What both versions of OpenAPI say of an operation in Kubernetes' own words."""
    kind = {"group": type_.group, "version": version, "kind": type_.kind}
    return {"x-kubernetes-action": operation.action, "x-kubernetes-group-version-kind": kind}


def path_parameters(path: str) -> list[str]:
    """``namespace`` and ``name``, where the URL has them."""
    return [name for name in ("name", "namespace") if f"{{{name}}}" in path]
