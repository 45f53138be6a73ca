"""Values for CEL out of JSON: a schema says what a number or a string stands for, and what has which name."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from typing import Any

from labkit.embedded.api.types.schemas import Schema
from labkit.embedded.objects import Obj

_RESERVED = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"}
    | {"import", "let", "loop", "package", "namespace", "return", "var", "void", "while"}
)
_ESCAPED = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_HEADER: Obj = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}},
    },
}
_SECONDS = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ns|us|µs|μs|ms|s|m|h|d|w)")
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
}


def with_header(schema: Schema) -> Schema:
    """*schema* with what rules see of every object's header."""
    return {**schema, "properties": {**(schema.get("properties") or {}), **_HEADER}}


def type_of(schema: Schema) -> str:
    """The type of ``self``; ``dyn`` where it has parts."""
    if schema.get("x-kubernetes-int-or-string"):
        return "dyn"
    kind = schema.get("type") or "dyn"
    if kind == "string" and schema.get("format") in _FORMATS:
        return {"byte": "bytes", "duration": "duration"}.get(schema["format"], "timestamp")
    names = {"string": "string", "integer": "int", "number": "double", "boolean": "bool"}
    return names.get(kind, "dyn")


def value(given: Any, schema: Schema) -> Any:
    """*given* as CEL sees it."""
    if isinstance(given, dict):
        return _map(given, schema)
    if isinstance(given, list):
        items = schema.get("items") or {}
        return [value(each, items) for each in given]
    if isinstance(given, bool) or given is None:
        return given
    if schema.get("type") == "number":
        return float(given)
    if isinstance(given, str) and schema.get("type") == "string" and schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]](given)
    if isinstance(given, float) and given.is_integer() and schema.get("type") == "integer":
        return int(given)
    return given


def _map(given: Obj, schema: Schema) -> Obj:
    if schema.get("x-kubernetes-embedded-resource"):
        schema = with_header(schema)
    known, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    if not known and isinstance(extra, dict):
        return {key: value(each, extra) for key, each in given.items()}
    if not known:
        return {key: value(each, {}) for key, each in given.items()}
    return {escaped(key): value(each, known[key]) for key, each in given.items() if key in known}


def escaped(name: str) -> str:
    """A field's name as rules write it: ``x-a`` is ``x__dash__a``."""
    if name in _RESERVED:
        return f"__{name}__"
    for text, written in _ESCAPED:
        name = name.replace(text, written)
    return name


def _timestamp(text: str) -> Any:
    from google.protobuf.timestamp_pb2 import Timestamp

    made = Timestamp()
    made.FromDatetime(dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC))
    return made


def _date(text: str) -> Any:
    return _timestamp(f"{text}T00:00:00Z")


def _duration(text: str) -> Any:
    from google.protobuf.duration_pb2 import Duration

    made = Duration()
    total = sum(float(number) * _UNITS[unit] for number, unit in _SECONDS.findall(text))
    made.FromNanoseconds(-round(total) if text.startswith("-") else round(total))
    return made


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return text.encode()


_FORMATS = {
    "byte": _bytes,
    "date": _date,
    "date-time": _timestamp,
    "datetime": _timestamp,
    "duration": _duration,
}
