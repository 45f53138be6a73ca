"""What pods and nodes use now: ``metrics.k8s.io``, which is measured when it is asked for, and never stored.

Elsewhere metrics-server answers behind the API server, by an APIService.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from labkit.embedded.api.kinds.custom import type_of
from labkit.embedded.api.types.resources import MEASURED, ResourceType
from labkit.embedded.objects import Obj

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
_TEXT = {"type": "string"}
_USAGE = {"type": "object", "additionalProperties": {"type": "string", "format": "quantity"}}
_WINDOW = {"timestamp": {"type": "string", "format": "date-time"}, "window": _TEXT}


def _definition(kind: str, plural: str, scope: str, paths: tuple[str, str], **own: Any) -> Obj:
    schema = {"type": "object", "properties": {**_WINDOW, **own}}
    columns = [
        {"name": name, "type": "string", "jsonPath": path}
        for name, path in zip(("CPU", "Memory", "Window"), (*paths, ".window"), strict=True)
    ]
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": columns,
    }
    names = {"kind": kind, "plural": plural, "singular": "", "listKind": f"{kind}List"}
    spec = {"group": GROUP, "names": names, "scope": scope, "versions": [version]}
    return {"metadata": {"name": f"{plural}.{GROUP}"}, "spec": spec}


_CONTAINERS = {
    "type": "array",
    "items": {"type": "object", "properties": {"name": _TEXT, "usage": _USAGE}},
}
_DEFINITIONS = (
    _definition("NodeMetrics", "nodes", "Cluster", (".usage.cpu", ".usage.memory"), usage=_USAGE),
    _definition(
        "PodMetrics",
        "pods",
        "Namespaced",
        (".containers[*].usage.cpu", ".containers[*].usage.memory"),
        containers=_CONTAINERS,
    ),
)


def types() -> list[ResourceType]:
    """The two, as they are served."""
    found = (type_of(each) for each in _DEFINITIONS)
    return [dataclasses.replace(each, verbs=MEASURED, singular="") for each in found if each]
