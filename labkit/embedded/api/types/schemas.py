"""The schema of every kind served, from one data file (made by ``generated.schemas``).

Decoding, server-side apply, strategic merge and OpenAPI all need the same facts: which fields a
type has, of what type, and how its lists and maps merge. They are loaded once, without their
descriptions and with references resolved (a definition used twice is one shared dictionary), which
keeps the daemon small; OpenAPI reads the file again, with descriptions, when a client asks.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any, TypeAlias

from labkit.embedded.api.generated import SCHEMAS
from labkit.embedded.api.types.resources import ResourceType

Schema: TypeAlias = dict[str, Any]
"""An OpenAPI schema; at run time without ``$ref`` and descriptions. Read-only."""

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def documented() -> Schema:
    """The data file as it is: descriptions, references, ``kinds`` and ``provenance``."""
    content: Schema = json.loads(gzip.decompress(SCHEMAS.read_bytes()))
    return content


def schema_of(type_: ResourceType, version: str = "") -> Schema:
    """The schema of a whole object of *type_* (of its storage version unless *version* is given)."""
    version = version or type_.storage_version
    if version not in type_.derived:
        type_.derived[version] = _schema_of(type_, version)
    found: Schema = type_.derived[version]
    return found


def _schema_of(type_: ResourceType, version: str) -> Schema:
    if type_.custom:
        return _with_object_meta(custom_schema(type_.group, type_.kind))
    return definition(_linked()["kinds"][f"{type_.api_version(version)}/{type_.kind}"])


def custom_schema(group: str, kind: str) -> Schema:
    """The schema in a custom kind's CustomResourceDefinition: spec and status."""
    found: Schema = _linked()["custom"][f"{group}/{kind}"]
    return found


def definition(name: str) -> Schema:
    """A built-in definition by its OpenAPI name, such as ``io.k8s.api.autoscaling.v1.Scale``."""
    found: Schema = _linked()["definitions"][name]
    return found


def _with_object_meta(schema: Schema) -> Schema:
    """A custom kind as the server reads it: its own fields and those every object has."""
    every = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": definition(OBJECT_META),
    }
    return {**schema, "properties": every | schema["properties"]}


@cache
def _linked() -> Schema:
    content = json.loads(gzip.decompress(SCHEMAS.read_bytes()), object_hook=_without_description)
    definitions = content["definitions"]
    for name, schema in definitions.items():
        if "properties" in schema:
            schema["x-go-type"] = ".".join(name.split(".")[-2:])
    for schema in (*definitions.values(), *content["custom"].values()):
        _link(schema, definitions)
    return content  # type: ignore[no-any-return]


def _without_description(node: Schema) -> Schema:
    if isinstance(node.get("description"), str):
        del node["description"]
    return node


def _link(node: Schema, definitions: dict[str, Schema]) -> None:
    """Put the definition in the place of each reference; what stands beside a reference wins."""
    for key, value in list(node.items()):
        if key == "properties":
            for name in value:
                _link_entry(value, name, definitions)
        elif isinstance(value, dict) and key != "default":
            _link_entry(node, key, definitions)


def _link_entry(holder: Schema, key: str, definitions: dict[str, Schema]) -> None:
    value = holder[key]
    if "$ref" in value:
        beside = {name: each for name, each in value.items() if name != "$ref"}
        target = definitions[value["$ref"]]
        holder[key] = {**target, **beside} if beside else target
    else:
        _link(value, definitions)
