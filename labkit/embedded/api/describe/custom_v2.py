"""A custom kind's schema as OpenAPI 2 can say it, so that old clients refuse nothing that is allowed.

Source: ``ToStructuralOpenAPIV2`` and ``buildKubeNative`` of k8s.io/apiextensions-apiserver.
"""

from __future__ import annotations

from labkit.embedded.api.types.schemas import Schema

PRESERVE = "x-kubernetes-preserve-unknown-fields"
_CONTENT = ("items", "properties")


def is_open(schema: Schema) -> bool:
    """Whether any field is allowed, of which version 2 says best nothing at all."""
    return not schema or bool(schema.get(PRESERVE))


def plain(schema: Schema) -> Schema:
    """*schema* without what kubectl would take for a rule: the content of what is null or open at times."""
    found = {key: each for key, each in schema.items() if key not in ("allOf", "anyOf", "oneOf", "not")}
    if found.pop("nullable", False):
        found = _without(found, "type", *_CONTENT)
    if found.get(PRESERVE):
        found = _without(found, *_CONTENT, *(["type"] if found.get("type") == "object" else []))
    if "items" not in found and found.get("type") == "array":
        del found["type"]
    return _deeper(_with_nothing_nullable_required(found))


def _without(schema: Schema, *keys: str) -> Schema:
    return {key: each for key, each in schema.items() if key not in keys}


def _with_nothing_nullable_required(schema: Schema) -> Schema:
    fields, others = schema.get("properties") or {}, schema.get("additionalProperties")
    required = [each for each in schema.get("required") or () if not _is_nullable(fields.get(each))]
    if not required or _is_nullable(others):
        return _without(schema, "required")
    return {**schema, "required": required}


def _is_nullable(schema: object) -> bool:
    return isinstance(schema, dict) and bool(schema.get("nullable"))


def _deeper(schema: Schema) -> Schema:
    changed: Schema = {}
    if "properties" in schema:
        changed["properties"] = {name: plain(each) for name, each in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            changed[key] = plain(schema[key])
    return {**schema, **changed}
