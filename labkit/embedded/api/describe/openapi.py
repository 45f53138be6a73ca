"""The OpenAPI documents: version 3 by group, version 2 whole, JSON or protobuf.

``kubectl explain`` prints them, ``kubectl apply`` computes its patches from them, and clients
before 1.27 validate manifests with them. They are large and seldom asked for, so each is built
when first wanted and kept only as the bytes that go out.
"""

from __future__ import annotations

import hashlib
import json
from collections import ChainMap
from collections.abc import Iterator
from typing import Any

from labkit.embedded.api.describe import custom_v2, openapi_paths, openapi_protobuf
from labkit.embedded.api.describe.openapi_paths import Operation
from labkit.embedded.api.generated import SCHEMAS
from labkit.embedded.api.generated.references import closure
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.api.types.schemas import OBJECT_META, SHIPPED, Schema, documented, own_schema
from labkit.embedded.objects import Obj
from labkit.embedded.version import KUBERNETES_VERSION

PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""The Content-Type of the protobuf form. Clients ask for ``…v2@v1.0+protobuf``, which is no valid type."""
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ALWAYS = (_META + "Status", _META + "DeleteOptions", _META + "Patch", _META + "ListMeta", OBJECT_META)
_INFO = {"title": "Kubernetes", "version": KUBERNETES_VERSION}


class OpenApi:
    """The documents of what a registry holds."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def _digest(self) -> str:
        """Changes whenever any document may have changed."""
        return self._registry.derived("openapi digest", lambda: _digest(self._registry))

    def _hash_of(self, key: str) -> str:
        return hashlib.sha256((self._digest() + key).encode()).hexdigest().upper()

    def v3_index(self) -> Obj:
        """``/openapi/v3``: where each group version's document is; the hash lets clients cache for ever."""
        found = {
            key: {"serverRelativeURL": f"/openapi/v3/{key}?hash={self._hash_of(key)}"}
            for group, versions in self._registry.groups().items()
            for key in (_key(group, version) for version in versions)
        }
        return {"paths": found}

    def v2_etag(self) -> str:
        """The ETag of both forms of ``/openapi/v2``."""
        return f'"{self._digest()}"'

    def v3_etag(self, key: str) -> str:
        """The ETag of ``/openapi/v3/{key}``, the hash in its URL."""
        return f'"{self._hash_of(key)}"'

    def v3(self, key: str) -> bytes | None:
        """``/openapi/v3/{key}``, such as ``apis/apps/v1``; ``None`` where there is no such group version."""
        group, version = _split(key)
        types = self._registry.of(group, version)
        if not types or _key(group, version) != key:
            return None
        return self._registry.derived(("openapi v3", key), lambda: _v3_document(types, version))

    def v2_json(self) -> bytes:
        """``/openapi/v2`` as JSON."""
        return self._registry.derived("openapi v2", lambda: _dump(_v2_document(self._registry)))

    def v2_protobuf(self) -> bytes:
        """``/openapi/v2`` as gnostic's protobuf, the only form older kubectl asks for."""
        return self._registry.derived(
            "openapi v2 protobuf", lambda: openapi_protobuf.document(_v2_document(self._registry))
        )


def _digest(registry: Registry) -> str:
    content = SCHEMAS.read_bytes() + repr(list(registry.values())).encode()
    return hashlib.sha256(content).hexdigest().upper()


def _key(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _split(key: str) -> tuple[str, str]:
    parts = key.split("/")
    return (parts[1], parts[2]) if len(parts) == 3 else ("", parts[-1])


def wants_protobuf(accept: str) -> bool:
    """Whether an Accept header asks for the protobuf form of version 2."""
    return "application/com.github.proto-openapi.spec.v2" in accept


def _dump(document: Schema) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _v3_document(types: list[ResourceType], version: str) -> bytes:
    schemas = _schemas(types, version)
    document = {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": dict(_v3_paths(types, version)),
        "components": {"schemas": {name: _v3_schema(name, each) for name, each in schemas.items()}},
    }
    return _dump(document)


def _v2_document(registry: Registry) -> Schema:
    definitions = documented()["definitions"] | dict(_shared_custom(registry))
    document_paths: Schema = {}
    for group, versions in registry.groups().items():
        for version in versions:
            types = registry.of(group, version)
            document_paths |= dict(_v2_paths(types, version))
            for each in types:
                definitions |= dict(_custom_v2(each, version)) if each.custom else {}
    return {
        "swagger": "2.0",
        "info": _INFO,
        "paths": document_paths,
        "definitions": {name: _v2_schema(each) for name, each in sorted(definitions.items())},
    }


def definition_name(type_: ResourceType, version: str, kinds: dict[str, str]) -> str:
    """The name under which a kind's schema stands in the documents."""
    if type_.custom:
        reversed_group = ".".join(reversed(type_.group.split(".")))
        return f"{reversed_group}.{version}.{type_.kind}"
    return kinds[f"{type_.api_version(version)}/{type_.kind}"]


def _schemas(types: list[ResourceType], version: str) -> dict[str, Schema]:
    """The schemas of one group version and all they refer to."""
    content = documented()
    own = dict(pair for each in types if each.custom for pair in _custom(each, version))
    built_in = [definition_name(each, version, content["kinds"]) for each in types if not each.custom]
    lists = [name + "List" for name in built_in if name + "List" in content["definitions"]]
    extra = [_META + "APIResourceList"] if _META + "APIResourceList" in content["definitions"] else []
    scale = ["io.k8s.api.autoscaling.v1.Scale"] if any(each.subresource("scale") for each in types) else []
    names = (*own, *built_in, *lists, *_ALWAYS, *extra, *scale)
    return closure(ChainMap(own, content["definitions"]), names)


def _custom(type_: ResourceType, version: str) -> Iterator[tuple[str, Schema]]:
    """A custom kind and its list, under the names of *version*."""
    schema: Schema = {"type": "object", **own_schema(type_, version, with_words=True)}
    yield _named(type_, version, {**schema, "properties": _with_header(schema.get("properties") or {})})
    yield _list_of(type_, version)


def _custom_v2(type_: ResourceType, version: str) -> Iterator[tuple[str, Schema]]:
    """The same in the words of version 2, which point to fields that all versions have in common."""
    schema: Schema = own_schema(type_, version, with_words=True)
    if custom_v2.is_open(schema):
        yield _named(type_, version, {"type": "object"})
    elif _shares(type_):
        fields = {each: {"$ref": f"{_shared_name(type_)}.{each}"} for each in schema["properties"]}
        yield _named(type_, version, {**schema, "properties": _with_header(fields)})
    else:
        schema = custom_v2.plain({"type": "object", **schema})
        yield _named(type_, version, {**schema, "properties": _with_header(schema.get("properties") or {})})
    yield _list_of(type_, version)


def _named(type_: ResourceType, version: str, schema: Schema) -> tuple[str, Schema]:
    kind = {"group": type_.group, "version": version, "kind": type_.kind}
    return definition_name(type_, version, {}), {**schema, "x-kubernetes-group-version-kind": [kind]}


def _list_of(type_: ResourceType, version: str) -> tuple[str, Schema]:
    name = definition_name(type_, version, {})
    items = {"type": "array", "items": {"$ref": name}}
    kind = {"group": type_.group, "version": version, "kind": type_.list_kind}
    return f"{name}List", {
        "description": f"{type_.list_kind} is a list of {type_.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {**_header_fields("List"), "items": items},
        "x-kubernetes-group-version-kind": [kind],
    }


def _with_header(fields: Schema) -> Schema:
    return {**_header_fields(), **{key: each for key, each in fields.items() if key not in _HEADER}}


def _shared_name(type_: ResourceType) -> str:
    return definition_name(type_, "", {}).replace("..", ".")


_HEADER = ("apiVersion", "kind", "metadata")


def _shares(type_: ResourceType) -> bool:
    """Whether several versions have one schema that comes with labkit (Istio's, which are large)."""
    schemas = [(each.get("schema") or {}).get("openAPIV3Schema") for each in type_.definition["versions"]]
    return len(schemas) > 1 and SHIPPED in (schemas[0] or {}) and all(each == schemas[0] for each in schemas)


def _shared_custom(registry: Registry) -> Iterator[tuple[str, Schema]]:
    for type_ in registry.values():
        if type_.custom and _shares(type_):
            schema = own_schema(type_, type_.storage_version, with_words=True)
            for field, each in schema["properties"].items():
                yield f"{_shared_name(type_)}.{field}", custom_v2.plain(each)


def _header_fields(list_: str = "") -> Schema:
    """What every object has, or with ``List`` every list, in the words that built-in kinds have for it."""
    own: Schema = documented()["definitions"][f"io.k8s.api.apps.v1.ControllerRevision{list_}"]["properties"]
    return {key: own[key] for key in _HEADER}


def _v3_schema(name: str, schema: Schema) -> Schema:
    description = {"description": schema["description"]} if "description" in schema else {}
    if name.endswith(".Quantity"):
        return {"oneOf": [{"type": "string"}, {"type": "number"}], **description}
    if name.endswith(".IntOrString"):
        return {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}], **description}
    converted: Schema = _v3(schema)
    return converted


def _v3(node: Any) -> Any:
    """OpenAPI 3 lets nothing stand beside ``$ref``, so a reference becomes an ``allOf`` of one."""
    if isinstance(node, list):
        return [_v3(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return {**beside, "allOf": [{"$ref": f"#/components/schemas/{node['$ref']}"}], "default": {}}
    return {key: _v3(value) for key, value in node.items()}


_NOT_IN_V2 = {"oneOf", "anyOf", "not", "nullable", "x-kubernetes-validations"}


def _v2_schema(node: Any) -> Any:
    """*node* as OpenAPI 2 can say it."""
    if isinstance(node, list):
        return [_v2_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        return {**node, "$ref": f"#/definitions/{node['$ref']}"}
    kept: Schema = {}
    for key, value in node.items():
        if key == "properties":
            kept[key] = {name: _v2_schema(each) for name, each in value.items()}
        elif key not in _NOT_IN_V2:
            kept[key] = _v2_schema(value)
    return kept


def _v3_paths(types: list[ResourceType], version: str) -> Iterator[tuple[str, Schema]]:
    kinds = documented()["kinds"]
    for type_ in types:
        name = definition_name(type_, version, kinds)
        for path, operations in openapi_paths.paths(type_, version):
            item: Schema = {each.method: _v3_operation(type_, version, each, name) for each in operations}
            item["parameters"] = [
                {"name": each, "in": "path", "required": True, "schema": {"type": "string"}}
                for each in openapi_paths.path_parameters(path)
            ]
            yield path, item


def _v3_operation(type_: ResourceType, version: str, operation: Operation, name: str) -> Schema:
    answer = {"$ref": f"#/components/schemas/{name}" + ("List" if operation.returns_list else "")}
    written: Schema = {
        "operationId": openapi_paths.operation_id(type_, version, operation),
        "parameters": [
            {"name": each, "in": "query", "schema": {"type": "string"}} for each in operation.query
        ],
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": answer}}}},
        **openapi_paths.extensions(type_, version, operation),
    }
    if operation.consumes:
        body = _META + "Patch" if operation.method == "patch" else name
        content = {"schema": {"$ref": f"#/components/schemas/{body}"}}
        written["requestBody"] = {"required": True, "content": dict.fromkeys(operation.consumes, content)}
    return written


def _v2_paths(types: list[ResourceType], version: str) -> Iterator[tuple[str, Schema]]:
    for type_ in types:
        for path, operations in openapi_paths.paths(type_, version):
            item: Schema = {each.method: _v2_operation(type_, version, each) for each in operations}
            item["parameters"] = [
                {"name": each, "in": "path", "required": True, "type": "string"}
                for each in openapi_paths.path_parameters(path)
            ]
            yield path, item


def _v2_operation(type_: ResourceType, version: str, operation: Operation) -> Schema:
    return {
        "operationId": openapi_paths.operation_id(type_, version, operation),
        "consumes": list(operation.consumes or ("*/*",)),
        "produces": ["application/json"],
        "parameters": [{"name": each, "in": "query", "type": "string"} for each in operation.query],
        "responses": {"200": {"description": "OK"}},
        **openapi_paths.extensions(type_, version, operation),
    }
