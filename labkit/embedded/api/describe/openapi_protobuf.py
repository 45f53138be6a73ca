"""OpenAPI v2 as protobuf, the message ``openapi.v2.Document`` of github.com/google/gnostic-models.

kubectl asks for ``/openapi/v2`` in this form only. No package on PyPI carries the generated
classes, and only a handful of its messages are needed, so they are written to the wire directly:
field numbers are those of ``OpenAPIv2.proto``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from labkit.embedded.api.types.schemas import Schema

_VARINT, _FIXED64, _BYTES = 0, 1, 2


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field: a string or a message."""
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def _text(number: int, value: Any) -> bytes:
    return _field(number, str(value).encode()) if value else b""


def _texts(number: int, values: Iterable[Any]) -> bytes:
    return b"".join(_field(number, str(value).encode()) for value in values)


def _true(number: int, value: Any) -> bytes:
    return _varint(number << 3 | _VARINT) + b"\x01" if value else b""


def _any(value: Any) -> bytes:
    """``Any``: a value as YAML, of which JSON is a part."""
    return _text(2, json.dumps(value, ensure_ascii=False))


def _named(number: int, entries: dict[str, Any], encode: Callable[[Any], bytes]) -> bytes:
    """A map, as a list of ``Named…`` messages."""
    return b"".join(
        _field(number, _text(1, name) + _field(2, encode(each))) for name, each in entries.items()
    )


def _extensions(number: int, node: Schema) -> bytes:
    return _named(number, {key: value for key, value in node.items() if key.startswith("x-")}, _any)


def document(content: Schema) -> bytes:
    """The whole document, given in its JSON form."""
    info = _text(1, content["info"]["title"]) + _text(2, content["info"]["version"])
    return b"".join(
        [
            _text(1, content["swagger"]),
            _field(2, info),
            _field(8, _named(2, content["paths"], _path_item)),
            _field(9, _named(1, content["definitions"], _schema)),
        ]
    )


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def _path_item(item: Schema) -> bytes:
    operations = [_field(number, _operation(item[name])) for name, number in _METHODS.items() if name in item]
    return b"".join(operations) + b"".join(_field(9, _parameter(each)) for each in item["parameters"])


def _operation(operation: Schema) -> bytes:
    responses = _named(1, operation["responses"], lambda each: _field(1, _text(1, each["description"])))
    return b"".join(
        [
            _text(5, operation["operationId"]),
            _texts(6, operation["produces"]),
            _texts(7, operation["consumes"]),
            *(_field(8, _parameter(each)) for each in operation["parameters"]),
            _field(9, responses),
            _extensions(13, operation),
        ]
    )


def _parameter(parameter: Schema) -> bytes:
    """``ParametersItem`` → ``Parameter`` → ``NonBodyParameter`` → a query or path parameter."""
    in_query = parameter["in"] == "query"
    own = _true(1, parameter.get("required")) + _text(2, parameter["in"]) + _text(4, parameter["name"])
    own += _text(6 if in_query else 5, parameter["type"])
    return _field(1, _field(2, _field(3 if in_query else 4, own)))


def _schema(schema: Schema) -> bytes:
    parts = [
        _text(1, schema.get("$ref")),
        _text(2, schema.get("format")),
        _text(4, schema.get("description")),
        _field(5, _any(schema["default"])) if "default" in schema else b"",
        _texts(19, schema.get("required", ())),
        *(_field(20, _any(each)) for each in schema.get("enum", ())),
        _additional(schema["additionalProperties"]) if "additionalProperties" in schema else b"",
        _field(22, _text(1, schema["type"])) if "type" in schema else b"",
        _field(23, _field(1, _schema(schema["items"]))) if "items" in schema else b"",
        _field(25, _named(1, schema["properties"], _schema)) if "properties" in schema else b"",
        _extensions(31, schema),
    ]
    return b"".join(parts)


def _additional(value: Any) -> bytes:
    inner = _field(1, _schema(value)) if isinstance(value, dict) else _varint(2 << 3) + bytes([bool(value)])
    return _field(21, inner)
