"""The database of ratings in MongoDB's words, port 27017: it says hello, and finds two ratings."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from labkit.lessons.bookinfo import mongo_wire
from labkit.lessons.http import say, until_stopped

PORT = 27017
RATINGS = [{"rating": 5}, {"rating": 4}]
_HELLO = {
    "isWritablePrimary": True,
    "ismaster": True,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": mongo_wire.LONGEST,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 17,
    "ok": 1.0,
}


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What the server says to a command."""
    match next(iter(asked), ""):
        case "hello" | "isMaster" | "ismaster":
            return _HELLO
        case "find":
            namespace = f"{asked.get('$db')}.{asked['find']}"
            found = RATINGS if asked["find"] == "ratings" else []
            return {"cursor": {"firstBatch": found, "id": 0, "ns": namespace}, "ok": 1.0}
        case "ping" | "endSessions":
            return {"ok": 1.0}
        case other:
            return {
                "ok": 0.0,
                "errmsg": f"no such command: '{other}'",
                "code": 59,
                "codeName": "CommandNotFound",
            }


async def _handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
        while True:
            number, asked = await mongo_wire.receive(reader)
            await mongo_wire.send(writer, answer(asked), number)
    writer.close()


async def _serve() -> None:
    await asyncio.start_server(_handle, "0.0.0.0", PORT)
    say(f"Waiting for connections on port {PORT}")
    await until_stopped()


def main(_: list[str]) -> int:
    """Serve on port 27017, whatever options mongod was given."""
    asyncio.run(_serve())
    return 0
