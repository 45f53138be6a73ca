"""The CustomResourceDefinitions a mesh brings, for ``kubectl get crd`` and those who look further.

They can be read, not changed: the kinds are built in here. Their schemas are large and hardly ever
asked for, so the stored objects are without and get them on the way out.
"""

from __future__ import annotations

from collections.abc import Iterable

from labkit.embedded.api.kinds.common.columns import Column
from labkit.embedded.api.kinds.custom import EVERY_METADATA
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import READ_ONLY, ResourceType
from labkit.embedded.api.types.schemas import custom_schema
from labkit.embedded.objects import Obj

_BUILT_IN = (
    "kinds are built into this lab, and none can be added. The Kubernetes Gateway API is not among them: "
    "take the lesson's variant with Istio's own Gateway and VirtualService (Istio APIs), or an Ingress"
)
DEFINITION = Kind(
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
        why_not=_BUILT_IN,
    ),
    keeps_status=True,
    metadata_of_status=EVERY_METADATA,
)
RESOURCE = DEFINITION.type.name
_SINCE = "2026-01-01T00:00:00Z"  # of the conditions, which never change


def definitions(kinds: Iterable[Kind]) -> list[Obj]:
    """One object a custom kind among *kinds*, as stored: without schemas."""
    return [_definition(each) for each in kinds if each.type.custom]


def _definition(kind: Kind) -> Obj:
    type_ = kind.type
    names = {
        "plural": type_.plural,
        "singular": type_.singular,
        "shortNames": list(type_.short_names),
        "kind": type_.kind,
        "listKind": type_.list_kind,
        "categories": list(type_.categories),
    }
    names = {key: value for key, value in names.items() if value}
    spec = {
        "group": type_.group,
        "names": names,
        "scope": "Namespaced" if type_.namespaced else "Cluster",
        "versions": [_version(kind, each) for each in type_.versions],
        "conversion": {"strategy": "None"},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": type_.name, "labels": {"app": "istio-pilot", "release": "istio"}},
        "spec": spec,
        "status": _status(type_, names),
    }


def _version(kind: Kind, version: str) -> Obj:
    return {
        "name": version,
        "served": True,
        "storage": version == kind.type.storage_version,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(each) for each in kind.columns[1:]],
    }


def _column(column: Column) -> Obj:
    return {"name": column.name, "type": column.type, "jsonPath": column.path}


def _status(type_: ResourceType, names: Obj) -> Obj:
    conditions = [
        {"type": "NamesAccepted", "reason": "NoConflicts", "message": "no conflicts found"},
        {
            "type": "Established",
            "reason": "InitialNamesAccepted",
            "message": "the initial names have been accepted",
        },
    ]
    return {
        "acceptedNames": names,
        "conditions": [{**each, "status": "True", "lastTransitionTime": _SINCE} for each in conditions],
        "storedVersions": [type_.storage_version],
    }


def with_schemas(definition: Obj) -> Obj:
    """*definition* with the schema of each version (undescribed); not changed itself."""
    own = custom_schema(definition["spec"]["group"], definition["spec"]["names"]["kind"])
    schema = {"openAPIV3Schema": {"type": "object", **own}}
    versions = [{**each, "schema": schema} for each in definition["spec"]["versions"]]
    return {**definition, "spec": {**definition["spec"], "versions": versions}}
