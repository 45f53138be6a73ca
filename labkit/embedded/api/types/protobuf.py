"""Kubernetes' protobuf bodies, read as the JSON they stand for.

kubectl from 1.32 on writes (``create namespace``, ``auth can-i``, a typed client's delete) in
protobuf and does not fall back to JSON. Answers stay JSON, which every client accepts.

A body is the magic ``k8s\\0`` and a ``runtime.Unknown``: apiVersion, kind and the object's bytes.
Which field has which number is data (made by ``generated.messages``). Protobuf
writes every plain field, also an unset one, so zero values are dropped unless Go has a pointer there.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from labkit.embedded.api.generated import MESSAGES
from labkit.embedded.objects import Obj, micro_timestamp, timestamp
from labkit.embedded.status import ApiError, bad_request

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def to_object(body: bytes) -> Obj:
    """The object in a protobuf body; ApiError 400 where it is none, 415 for a kind that is not known."""
    if not body.startswith(_MAGIC):
        raise bad_request("the body is not Kubernetes protobuf: it does not begin with k8s\\0")
    try:
        envelope = dict(_fields(body[len(_MAGIC) :]))
        type_meta = dict(_fields(envelope.get(1, b"")))
        api_version, kind = (type_meta.get(number, b"").decode() for number in (1, 2))
        message = _messages()["kinds"].get(kind if kind in _ANY_GROUP else f"{api_version}/{kind}")
        if message is None:
            raise _unknown(api_version, kind)
        return {"apiVersion": api_version, "kind": kind, **_message(message, envelope.get(2, b""))}
    except _MALFORMED as error:
        raise bad_request(f"the protobuf body can't be decoded: {error}") from error


_ANY_GROUP = ("DeleteOptions",)
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, OverflowError, struct.error)
"""What reading a field as something it is not ends in."""


def _unknown(api_version: str, kind: str) -> ApiError:
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"application/json, application/yaml (no protobuf for {kind} in {api_version})"
    )
    return ApiError(415, "UnsupportedMediaType", message)


@cache
def _messages() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(gzip.decompress(MESSAGES.read_bytes()))
    return content


# --- the wire


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) in order: an int for a varint, bytes for the rest."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value: Any
            value, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            value, at = data[at : at + size], at + size
        elif wire == _BYTES:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"wire type {wire}")
        if at > len(data):
            raise ValueError("unexpected EOF")
        yield number, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


# --- messages


def _message(name: str, data: bytes) -> Obj:
    known = _messages()["messages"][name]
    made: Obj = {}
    for number, value in _fields(data):
        if field := known.get(str(number)):
            _put(made, field, value)
    return made


def _put(made: Obj, field: list[str], raw: Any) -> None:
    """*field* is (JSON name or nothing where it is inlined, type, flags)."""
    name, type_name, flags = field
    if "m" in flags:
        key, value = _entry(type_name, raw)
        made.setdefault(name, {})[key] = value
        return
    value = _value(type_name, raw)
    if not name:
        made.update(value)
    elif "r" in flags:
        made.setdefault(name, []).append(value)
    elif "p" in flags or value not in ("", 0, False, None):
        made[name] = value


def _entry(type_name: str, raw: bytes) -> tuple[str, Any]:
    """One entry of a map: a message of key (1) and value (2)."""
    parts = dict(_fields(raw))
    empty: Any = 0 if type_name in ("bool", "int") else b""
    return parts.get(1, b"").decode(), _value(type_name, parts.get(2, empty))


def _value(type_name: str, raw: Any) -> Any:
    read = _SCALARS.get(type_name)
    return read(raw) if read else _message(type_name, raw)


def _signed(raw: int) -> int:
    return raw - (1 << 64) if raw >> 63 else raw


_EPOCH, _ZERO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(1, 1, 1, tzinfo=dt.UTC)
"""The second is Go's time that is none."""


def _moment(raw: bytes) -> dt.datetime:
    parts = dict(_fields(raw))
    if not parts:
        return _ZERO
    return _EPOCH + dt.timedelta(seconds=_signed(parts.get(1, 0)), microseconds=parts.get(2, 0) // 1000)


def _time(raw: bytes) -> str | None:
    moment = _moment(raw)
    return timestamp(moment) if moment >= _EPOCH else None


def _micro_time(raw: bytes) -> str | None:
    """Unlike a ``Time``, it may lie before 1970."""
    moment = _moment(raw)
    return micro_timestamp(moment) if moment != _ZERO else None


def _int_or_string(raw: bytes) -> int | str:
    parts = dict(_fields(raw))
    return parts.get(3, b"").decode() if parts.get(1) else _signed(parts.get(2, 0))


def _raw_json(raw: bytes) -> Any:
    return json.loads(dict(_fields(raw)).get(1) or b"null")


def _number(raw: bytes) -> float | int:
    value: float = struct.unpack("<d", raw)[0]
    return int(value) if value.is_integer() else value  # as Go writes it in JSON


_SCHEMA = "apiextensions/v1.JSONSchemaProps"


def _schema_or_list(raw: bytes) -> Any:
    found = list(_fields(raw))
    several = [_message(_SCHEMA, value) for number, value in found if number == 2]
    return next((_message(_SCHEMA, value) for number, value in found if number == 1), several)


def _schema_or_strings(raw: bytes) -> Any:
    found = list(_fields(raw))
    several = [value.decode() for number, value in found if number == 2]
    return next((_message(_SCHEMA, value) for number, value in found if number == 1), several)


def _schema_or_bool(raw: bytes) -> Any:
    parts = dict(_fields(raw))
    return _message(_SCHEMA, parts[2]) if 2 in parts else bool(parts.get(1))


def _strings(raw: bytes) -> list[str]:
    return [value.decode() for _, value in _fields(raw)]


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": bytes.decode,
    "bool": bool,
    "int": _signed,
    "bytes": lambda raw: base64.b64encode(raw).decode(),
    "float": _number,
    "Time": _time,
    "MicroTime": _micro_time,
    "Quantity": lambda raw: dict(_fields(raw)).get(1, b"").decode(),
    "IntOrString": _int_or_string,
    "RawExtension": _raw_json,
    "FieldsV1": _raw_json,
    "JSON": _raw_json,
    "JSONSchemaPropsOrArray": _schema_or_list,
    "JSONSchemaPropsOrBool": _schema_or_bool,
    "JSONSchemaPropsOrStringArray": _schema_or_strings,
    "Strings": _strings,
}
