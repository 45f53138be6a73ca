"""VolumeAttachments: that a volume shall be attached to a node; nobody here attaches any."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.csi_nodes import driver_name
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType, status_of
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store

_MOST_METADATA, _LONGEST_ERROR = 256 * 1024, 1024
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def _prepare_create(_store: Store, obj: Obj) -> None:
    obj["status"] = {"attached": False}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    spec = obj.get("spec") or {}
    if old is not None:
        causes.immutable("spec", spec, old.get("spec") or {})
        return
    if not spec.get("attacher"):
        causes.required("spec.attacher")
    _source(causes, spec.get("source") or {})
    causes.invalid_each(
        "spec.nodeName", spec.get("nodeName", ""), names.dns_subdomain(spec.get("nodeName", ""))
    )
    driver_name(causes, "spec.attacher", spec.get("attacher", ""))
    volume = (spec.get("source") or {}).get("persistentVolumeName")
    if volume is not None:
        causes.invalid_each("spec.source.persistentVolumeName", volume, names.dns_subdomain(volume))


def _source(causes: Causes, source: Obj) -> None:
    named, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if named is None and inline is None:
        causes.required("spec.source", _ONE_SOURCE)
    elif named is not None and inline is not None:
        causes.forbidden("spec.source", _ONE_SOURCE)
    elif named == "":
        causes.required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")


def _validate_status(causes: Causes, obj: Obj, _old: Obj | None, _subresource: str) -> None:
    status = obj.get("status") or {}
    if (
        sum(len(key) + len(value) for key, value in (status.get("attachmentMetadata") or {}).items())
        > _MOST_METADATA
    ):
        causes.too_long("status.attachmentMetadata", _MOST_METADATA)
    for name in ("attachError", "detachError"):
        error = status.get(name) or {}
        if len(error.get("message", "")) > _LONGEST_ERROR:
            causes.too_long(f"status.{name}.message", _MOST_METADATA)


VOLUME_ATTACHMENT = Kind(
    ResourceType(
        "storage.k8s.io",
        ("v1",),
        "VolumeAttachment",
        "volumeattachments",
        "volumeattachment",
        namespaced=False,
        subresources=(status_of("VolumeAttachment"),),
    ),
    columns=(
        NAME,
        Column("Attacher", lambda row: row.spec.get("attacher", ""), format="name"),
        Column("PV", lambda row: (row.spec.get("source") or {}).get("persistentVolumeName") or ""),
        Column("Node", lambda row: row.spec.get("nodeName", "")),
        Column("Attached", lambda row: bool(row.status.get("attached")), "boolean"),
        AGE,
    ),
    zero={"spec": {"attacher": "", "source": {}, "nodeName": ""}, "status": {"attached": False}},
    prepare_create=_prepare_create,
    validate=_validate,
    validate_status=_validate_status,
    has_generation=False,
    shown_when_deleted=True,
)
