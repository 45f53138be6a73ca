"""The database of ratings in MySQL's words, port 3306: whoever logs in may ask for the ratings."""

from __future__ import annotations

import asyncio
import contextlib
import os

from labkit.lessons.bookinfo import mysql_wire as wire
from labkit.lessons.http import say, until_stopped

PORT = 3306
ROWS = ("5", "4")


async def _handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
        await wire.send(writer, 0, wire.greeting(os.urandom(20).replace(b"\0", b"\1")))
        sequence, _ = await wire.receive(reader)
        await wire.send(writer, sequence + 1, wire.ok())
        while True:
            _, asked = await wire.receive(reader)
            if asked[:1] == bytes([wire.QUIT]):
                break
            await _answer(writer, asked)
    writer.close()


async def _answer(writer: asyncio.StreamWriter, asked: bytes) -> None:
    statement = asked[1:].decode(errors="replace").strip().rstrip(";").lower()
    if asked[:1] != bytes([wire.QUERY]) or statement.startswith("set "):
        packets = [wire.ok()]
    elif statement == "select rating from ratings":
        rows = (wire.text(row) for row in ROWS)
        packets = [bytes([1]), wire.column("Rating"), wire.end(), *rows, wire.end()]
    else:
        packets = [wire.error(1064, "This database knows one question: SELECT Rating FROM ratings")]
    for sequence, packet in enumerate(packets, 1):
        await wire.send(writer, sequence, packet)


async def _serve() -> None:
    await asyncio.start_server(_handle, "0.0.0.0", PORT)
    say(f"ready for connections. port: {PORT}")
    await until_stopped()


def main(_: list[str]) -> int:
    """Serve on port 3306."""
    asyncio.run(_serve())
    return 0
