"""Objects inside of objects say what they are: ``schema/objectmeta`` of k8s.io/apiextensions-apiserver."""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.types.schemas import Schema
from labkit.embedded.objects import Obj

_EMBEDDED = "x-kubernetes-embedded-resource"


def check(causes: Causes, path: str, value: Any, schema: Schema) -> None:
    """Add what is wrong with the headers of the objects in *value*."""
    if isinstance(value, list):
        items = schema.get("items") or {}
        for index, each in enumerate(value):
            check(causes, f"{path}[{index}]", each, items)
    elif isinstance(value, dict):
        if schema.get(_EMBEDDED):
            _check_header(causes, path, value)
        known, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for key, each in value.items():
            if key in known:
                check(causes, f"{path}.{key}" if path else key, each, known[key])
            elif isinstance(extra, dict):
                check(causes, f"{path}[{key}]", each, extra)


def _check_header(causes: Causes, path: str, obj: Obj) -> None:
    for key in ("apiVersion", "kind"):
        if not obj.get(key):
            causes.required(f"{path}.{key}")
    name = (obj.get("metadata") or {}).get("name") or ""
    if name:
        causes.invalid_each(f"{path}.metadata.name", name, names.dns_subdomain(name))
