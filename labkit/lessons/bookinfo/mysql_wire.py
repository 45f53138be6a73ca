"""As much of MySQL's protocol as a column of numbers takes: greeting, login, one text query.

https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
"""

from __future__ import annotations

import asyncio
import struct

CAPABILITIES = 0x00000001 | 0x00000008 | 0x00000200 | 0x00008000 | 0x00080000
"""Long passwords, a database at login, protocol 4.1, secure connection, plugin authentication."""
QUERY, QUIT, PING = 3, 1, 14
OK, EOF, ERROR = 0x00, 0xFE, 0xFF
_UTF8, _LONG, _AUTOCOMMIT = 33, 3, 2


async def send(writer: asyncio.StreamWriter, sequence: int, payload: bytes) -> None:
    """One packet."""
    writer.write(len(payload).to_bytes(3, "little") + bytes([sequence % 256]) + payload)
    await writer.drain()


async def receive(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next packet's sequence number and content."""
    head = await reader.readexactly(4)
    return head[3], await reader.readexactly(int.from_bytes(head[:3], "little"))


def greeting(salt: bytes) -> bytes:
    """What the server says first."""
    low, high = CAPABILITIES & 0xFFFF, CAPABILITIES >> 16
    return (
        bytes([10])
        + b"8.0.0-labkit\0"
        + struct.pack("<I", 1)
        + salt[:8]
        + b"\0"
        + struct.pack("<HBHHB", low, _UTF8, _AUTOCOMMIT, high, 21)
        + bytes(10)
        + salt[8:20]
        + b"\0mysql_native_password\0"
    )


def login(user: str, database: str) -> bytes:
    """A client's answer to the greeting, without a password."""
    fixed = struct.pack("<IIB23x", CAPABILITIES, 1 << 24, _UTF8)
    return fixed + user.encode() + b"\0\0" + database.encode() + b"\0mysql_native_password\0"


def ok() -> bytes:
    """All is well."""
    return bytes([OK, 0, 0]) + struct.pack("<HH", _AUTOCOMMIT, 0)


def end() -> bytes:
    """No more columns, or rows."""
    return bytes([EOF]) + struct.pack("<HH", 0, _AUTOCOMMIT)


def error(code: int, message: str) -> bytes:
    """A refusal."""
    return bytes([ERROR]) + struct.pack("<H", code) + b"#HY000" + message.encode()


def text(value: str) -> bytes:
    """*value*, shorter than 251 bytes, with its length."""
    data = value.encode()
    return bytes([len(data)]) + data


def column(name: str) -> bytes:
    """The definition of a column of whole numbers."""
    names = b"".join(text(each) for each in ("def", "test", "ratings", "ratings", name, name))
    return names + bytes([0x0C]) + struct.pack("<HIBHBxx", 63, 11, _LONG, 0, 0)


async def query(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: str, statement: str
) -> list[str]:
    """The only column of what *statement* gives; ValueError where the server refuses."""
    await receive(reader)
    await send(writer, 1, login(user, "test"))
    _checked((await receive(reader))[1])
    await send(writer, 0, bytes([QUERY]) + statement.encode())
    columns = _checked((await receive(reader))[1])[0]
    for _ in range(columns + 1):
        await receive(reader)
    rows: list[str] = []
    while (row := (await receive(reader))[1])[0] != EOF:
        rows.append(row[1 : 1 + row[0]].decode())
    return rows


def _checked(packet: bytes) -> bytes:
    if packet[:1] == bytes([ERROR]):
        raise ValueError(packet[9:].decode(errors="replace"))
    return packet
