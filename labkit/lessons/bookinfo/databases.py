"""The ratings of version 2, asked of the database that its variables name."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import urlsplit

from labkit.lessons.bookinfo import mongo_wire, mysql_wire

SECONDS = 5.0


async def ratings() -> tuple[int, int]:
    """The first two ratings; OSError, TimeoutError or ValueError where the database gives none."""
    async with asyncio.timeout(SECONDS):
        found = await (_of_mysql() if os.environ.get("DB_TYPE") == "mysql" else _of_mongo())
    first, second, *_ = [*found, 0, 0]
    return first, second


async def _of_mongo() -> list[int]:
    url = urlsplit(os.environ.get("MONGO_DB_URL", "mongodb://mongodb:27017/test"))
    reader, writer = await asyncio.open_connection(url.hostname, url.port or 27017)
    try:
        documents = await mongo_wire.find(reader, writer, url.path.strip("/") or "test", "ratings")
        return [int(each["rating"]) for each in documents]
    finally:
        writer.close()


async def _of_mysql() -> list[int]:
    host, port = os.environ.get("MYSQL_DB_HOST", "mysqldb"), int(os.environ.get("MYSQL_DB_PORT", "3306"))
    user = os.environ.get("MYSQL_DB_USER", "root")
    reader, writer = await asyncio.open_connection(host, port)
    try:
        return [
            int(row) for row in await mysql_wire.query(reader, writer, user, "SELECT Rating FROM ratings")
        ]
    finally:
        writer.close()
