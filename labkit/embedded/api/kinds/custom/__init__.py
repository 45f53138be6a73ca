"""The kinds that CustomResourceDefinitions bring: the type that is served, and what is particular to it.

Both are made of the definition's spec alone, and made anew with it.
"""

from __future__ import annotations

from functools import partial

from labkit.embedded.api.kinds.common.columns import NAME
from labkit.embedded.api.kinds.custom import columns, defaulting, validation
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, Subresource
from labkit.embedded.api.types.schemas import own_schema
from labkit.embedded.api.types.versions import version_priority
from labkit.embedded.objects import Obj

EVERY_METADATA = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")


def type_of(definition: Obj) -> ResourceType | None:
    """What *definition*, a CustomResourceDefinition, wants served; None where it serves no version."""
    spec, meta = definition["spec"], definition["metadata"]
    names = spec["names"]
    served = sorted((each["name"] for each in spec["versions"] if each.get("served")), key=version_priority)
    if not served:
        return None
    return ResourceType(
        spec["group"],
        tuple(served),
        names["kind"],
        names["plural"],
        names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=_subresources(names["kind"], spec["versions"]),
        storage_version=next(each["name"] for each in spec["versions"] if each.get("storage")),
        custom=True,
        verbs=_VERBS,
        list_kind=names.get("listKind") or "",
        revision=f"{meta.get('uid', '')}/{meta.get('generation', 1)}",
        definition=spec,
    )


_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""In the order in which a real server tells of them."""


def _subresources(kind: str, versions: list[Obj]) -> tuple[Subresource, ...]:
    having = {
        part: tuple(each["name"] for each in versions if part in (each.get("subresources") or {}))
        for part in ("status", "scale")
    }
    found = []
    if having["status"]:
        found.append(Subresource("status", kind, parents=having["status"]))
    if having["scale"]:
        scale = Subresource("scale", "Scale", group="autoscaling", version="v1", parents=having["scale"])
        found.append(scale)
    return tuple(found)


def kind_of(type_: ResourceType, version: str = "") -> Kind:
    """The kind in one of its versions (of storage unless *version* is given)."""
    version = version or type_.storage_version
    key = f"kind {version}"
    if key not in type_.derived:
        type_.derived[key] = _kind_of(type_, version)
    found: Kind = type_.derived[key]
    return found


def _kind_of(type_: ResourceType, version: str) -> Kind:
    own = next(each for each in type_.definition["versions"] if each["name"] == version)
    return Kind(
        type_,
        columns=(NAME, *columns.of(own.get("additionalPrinterColumns"))),
        default=lambda obj: defaulting.fill(obj, own_schema(type_, version)),
        validate=partial(validation.validate, type_, version),
        validate_status=partial(validation.validate_status, type_, version),
        warnings=partial(_warnings, type_.group),
        free_finalizers=True,
        metadata_of_status=EVERY_METADATA,
        fields=tuple(each["jsonPath"].lstrip(".") for each in own.get("selectableFields") or ()),
    )


GATEWAY_API = "gateway.networking.k8s.io"
NOT_PLAYED = (
    "the objects of the Kubernetes Gateway API are kept, and no proxy follows them here: take the lesson's "
    "variant with Istio's own Gateway and VirtualService (Istio APIs), or an Ingress"
)


def without_effect(group: str) -> list[str]:
    """What the author of a definition, or of an object, of *group* is told: this mesh does not act on it."""
    return [NOT_PLAYED] if group == GATEWAY_API else []


def _warnings(group: str, obj: Obj, old: Obj | None) -> list[str]:
    """A group without effect; finalizers that are new and may meet somebody else's."""
    return [*without_effect(group), *_doubtful_finalizers(obj, old)]


def _doubtful_finalizers(obj: Obj, old: Obj | None) -> list[str]:
    known = (old or {}).get("metadata", {}).get("finalizers") or []
    added = sorted(set(obj["metadata"].get("finalizers") or ()) - set(known))
    return [
        f'metadata.finalizers: "{each}": prefer a domain-qualified finalizer name '
        f"{_WITH_PATH if '.' in each else ''}to avoid accidental conflicts with other finalizer writers"
        for each in added
        if "/" not in each and each not in _STANDARD
    ]


_STANDARD = ("orphan", "foregroundDeletion", "kubernetes")
_WITH_PATH = "including a path (/) "


def deprecation(type_: ResourceType, version: str) -> str:
    """What whoever asks for *version* should hear; empty where it is not deprecated."""
    versions: list[Obj] = type_.definition.get("versions") or []
    own: Obj = next((each for each in versions if each["name"] == version), {})
    if not own.get("deprecated"):
        return ""
    better = [
        each
        for each in type_.versions
        if version_priority(each) < version_priority(version) and not _is_old(type_, each)
    ]
    instead = f"; use {type_.group}/{better[0]} {type_.kind}" if better else ""
    given: str = own.get("deprecationWarning") or ""
    return given or f"{type_.group}/{version} {type_.kind} is deprecated{instead}"


def _is_old(type_: ResourceType, version: str) -> bool:
    return any(each["name"] == version and each.get("deprecated") for each in type_.definition["versions"])
