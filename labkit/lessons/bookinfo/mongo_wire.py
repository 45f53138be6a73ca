"""As much of MongoDB's wire protocol as a list of ratings takes: OP_MSG, with documents in BSON.

https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/, https://bsonspec.org/spec.html
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from typing import Any

OP_MSG = 2013
LONGEST = 48_000_000
_HEAD = struct.Struct("<4i")
_numbers = itertools.count(1)


async def send(writer: asyncio.StreamWriter, document: dict[str, Any], to: int = 0) -> None:
    """Send *document* as one message, the answer to number *to*."""
    body = bytes(4) + b"\0" + encoded(document)
    writer.write(_HEAD.pack(_HEAD.size + len(body), next(_numbers), to, OP_MSG) + body)
    await writer.drain()


async def receive(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    """The next message's number and document; ValueError for one that is no OP_MSG."""
    size, number, _, kind = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if kind != OP_MSG or not _HEAD.size + 5 < size <= LONGEST:
        raise ValueError(f"no message this server understands: {kind}")
    body = await reader.readexactly(size - _HEAD.size)
    return number, decoded(body[5:])


async def find(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, database: str, collection: str
) -> list[dict[str, Any]]:
    """All documents of *collection*."""
    await send(writer, {"hello": 1, "$db": "admin"})
    await receive(reader)
    await send(writer, {"find": collection, "filter": {}, "$db": database})
    _, answer = await receive(reader)
    documents: list[dict[str, Any]] = list(answer["cursor"]["firstBatch"].values())
    return documents


def encoded(document: dict[str, Any]) -> bytes:
    """*document* in BSON: texts, whole and other numbers, truth values, documents and lists."""
    body = b"".join(_element(name, value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _element(name: str, value: Any) -> bytes:
    key = name.encode() + b"\0"
    if isinstance(value, bool):
        return b"\x08" + key + bytes([value])
    if isinstance(value, int):
        return b"\x10" + key + struct.pack("<i", value)
    if isinstance(value, float):
        return b"\x01" + key + struct.pack("<d", value)
    if isinstance(value, list):
        return b"\x04" + key + encoded({str(place): each for place, each in enumerate(value)})
    if isinstance(value, dict):
        return b"\x03" + key + encoded(value)
    text = str(value).encode() + b"\0"
    return b"\x02" + key + struct.pack("<i", len(text)) + text


_SIZES = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8}


def decoded(data: bytes) -> dict[str, Any]:
    """What :func:`encoded` made; of kinds that no rating has, the bytes."""
    found: dict[str, Any] = {}
    at, end = 4, struct.unpack_from("<i", data)[0] - 1
    while at < end:
        kind, after = data[at], data.index(0, at)
        name, at = data[at + 1 : after].decode(), after + 1
        size = _SIZES.get(kind)
        if size is None:
            size = struct.unpack_from("<i", data, at)[0] + {0x02: 4, 0x05: 5}.get(kind, 0)
        found[name] = _value(kind, data[at : at + size])
        at += size
    return found


def _value(kind: int, part: bytes) -> Any:
    match kind:
        case 0x01:
            return struct.unpack("<d", part)[0]
        case 0x02:
            return part[4:-1].decode()
        case 0x03 | 0x04:
            return decoded(part)
        case 0x08:
            return bool(part[0])
        case 0x10 | 0x12:
            return int.from_bytes(part, "little", signed=True)
        case 0x0A:
            return None
    return part
