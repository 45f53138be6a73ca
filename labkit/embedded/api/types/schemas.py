"""The schema of every kind served, from one data file (made by ``generated.schemas``).

Decoding, server-side apply, strategic merge and OpenAPI all need the same facts: which fields a
type has, of what type, and how its lists and maps merge. They are loaded once, without their
descriptions and with references resolved (a definition used twice is one shared dictionary), which
keeps the daemon small; OpenAPI reads the file again, with descriptions, when a client asks.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from functools import cache
from typing import Any, TypeAlias

from labkit.embedded.api.generated import SCHEMAS
from labkit.embedded.api.types.resources import ResourceType

Schema: TypeAlias = dict[str, Any]
"""An OpenAPI schema; at run time without ``$ref`` and descriptions. Read-only."""

_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_ALTERNATIVES = {"JSONSchemaPropsOrArray": "array", "JSONSchemaPropsOrBool": "bool"}
"""What may stand in the place of a schema; it can't be said in OpenAPI."""
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
        return _with_object_meta(own_schema(type_, version))
    return definition(_linked()["kinds"][f"{type_.api_version(version)}/{type_.kind}"])


SHIPPED = "x-labkit-shipped"
"""Stands, in what is stored, for a schema that comes with labkit: it is large, and known by name."""
PACKED = "x-labkit-packed"
"""Stands, in what is stored, for any other schema, compressed: most are never looked at."""


def packed(schema: Schema, name: str) -> Schema:
    """*schema*, as a client has sent it, as it is stored of the kind called *name* (``GROUP/KIND``)."""
    schema = {key: each for key, each in schema.items() if key not in (SHIPPED, PACKED)}
    if is_shipped(name) and schema == shipped(name):
        return {SHIPPED: name}
    text = json.dumps(schema, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return {PACKED: base64.b64encode(zlib.compress(text.encode())).decode()}


def unpacked(schema: Schema) -> Schema:
    """A schema from what is stored of it; read-only."""
    if SHIPPED in schema:
        return shipped(schema[SHIPPED])
    if PACKED not in schema:
        return schema
    found: Schema = json.loads(zlib.decompress(base64.b64decode(schema[PACKED])))
    return found


def is_shipped(name: str) -> bool:
    """Whether there is one called *name*."""
    return name in _linked()["custom"]


def shipped(name: str) -> Schema:
    """The schema called *name* that comes with labkit (Istio's: ``GROUP/KIND``)."""
    found: Schema = _linked()["custom"][name]
    return found


def own_schema(type_: ResourceType, version: str, *, with_words: bool = False) -> Schema:
    """A custom kind's schema to work with; *with_words* as the definition has it, with descriptions."""
    if with_words:
        given = _given(type_, version)
        whole: Schema = documented()["custom"][given[SHIPPED]] if SHIPPED in given else unpacked(given)
        return whole
    key = f"own {version}"
    if key not in type_.derived:
        given = _given(type_, version)
        type_.derived[key] = _working(given[SHIPPED]) if SHIPPED in given else working_copy(unpacked(given))
    found: Schema = type_.derived[key]
    return found


def _given(type_: ResourceType, version: str) -> Schema:
    own = next(each for each in type_.definition["versions"] if each["name"] == version)
    schema: Schema = (own.get("schema") or {}).get("openAPIV3Schema") or {}
    return schema


@cache
def _working(name: str) -> Schema:
    made: Schema = working_copy(shipped(name))
    return made


def working_copy(node: Any) -> Any:
    """*node* without descriptions, and private: whoever works with it may note in it what was found out."""
    if isinstance(node, list):
        return [working_copy(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: working_copy(each)
        for key, each in node.items()
        if not (key == "description" and isinstance(each, str))
    }


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
    return {**schema, "properties": {**schema.get("properties", {}), **every}}


@cache
def _linked() -> Schema:
    content = json.loads(gzip.decompress(SCHEMAS.read_bytes()), object_hook=_without_description)
    definitions = content["definitions"]
    for name, schema in definitions.items():
        if "properties" in schema:
            schema["x-go-type"] = ".".join(name.split(".")[-2:])
    for ending, alternative in _ALTERNATIVES.items():
        definitions[_EXTENSIONS + ending] = {
            **definitions[_EXTENSIONS + "JSONSchemaProps"],
            "x-or": alternative,
        }
    for stored in (SHIPPED, PACKED):
        definitions[_EXTENSIONS + "JSONSchemaProps"]["properties"][stored] = {"type": "string"}
    seen: set[int] = set()
    for schema in (*definitions.values(), *content["custom"].values()):
        _link(schema, definitions, seen)
    return content  # type: ignore[no-any-return]


def _without_description(node: Schema) -> Schema:
    if isinstance(node.get("description"), str):
        del node["description"]
    return node


def _link(node: Schema, definitions: dict[str, Schema], seen: set[int]) -> None:
    """Put the definition in the place of each reference; what stands beside a reference wins."""
    if id(node) in seen:  # a schema of schemas refers to itself
        return
    seen.add(id(node))
    for key, value in list(node.items()):
        if key == "properties":
            for name in value:
                _link_entry(value, name, definitions, seen)
        elif isinstance(value, dict) and key != "default":
            _link_entry(node, key, definitions, seen)


def _link_entry(holder: Schema, key: str, definitions: dict[str, Schema], seen: set[int]) -> None:
    value = holder[key]
    if "$ref" in value:
        beside = {name: each for name, each in value.items() if name != "$ref"}
        target = definitions[value["$ref"]]
        holder[key] = {**target, **beside} if beside else target
    else:
        _link(value, definitions, seen)
