"""PodTemplates: a pod to be made by whoever reads them."""

from __future__ import annotations

from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import NAME, Column, Row, format_labels
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.kinds.pods import TEMPLATE
from labkit.embedded.api.kinds.pods.defaults import default_template
from labkit.embedded.api.kinds.pods.validation import template
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj


def _default(obj: Obj) -> None:
    obj.setdefault("template", {}).setdefault("metadata", {})
    default_template(obj)


def _validate(causes: Causes, obj: Obj, _old: Obj | None) -> None:
    template(causes, "template", obj["template"])


def _of(row: Row, key: str) -> str:
    containers = (row.obj["template"].get("spec") or {}).get("containers") or []
    return ",".join(each.get(key, "") for each in containers)


def _labels(row: Row) -> str:
    return format_labels(row.obj["template"].get("metadata", {}).get("labels"))


POD_TEMPLATE = Kind(
    ResourceType("", ("v1",), "PodTemplate", "podtemplates", "podtemplate"),
    columns=(
        NAME,
        Column("Containers", lambda row: _of(row, "name")),
        Column("Images", lambda row: _of(row, "image")),
        Column("Pod Labels", _labels),
    ),
    default=_default,
    zero={"template": TEMPLATE},
    validate=_validate,
    shown_when_deleted=True,
)
