"""One request as fortio sends it, and ``fortio curl``, which prints its answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

from labkit.lessons.fortio.options import Options

AGENT = "fortio.org/fortio-1.69.5"
NO_ANSWER = -1
"""The code of a call that got none."""


@dataclass(frozen=True)
class Result:
    """What came back."""

    code: int
    head: bytes = b""
    body: bytes = b""
    why: str = ""

    @property
    def size(self) -> int:
        """Bytes of all that was received."""
        return len(self.head) + len(self.body)


class Connection:
    """Sends one request after the other; opens anew where the other side has closed."""

    def __init__(self, options: Options) -> None:
        parts = urlsplit(options.url)
        self._options, self._host = options, parts.hostname or ""
        self._tls = _tls(options) if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._request = _request(options, parts.netloc, parts._replace(scheme="", netloc="").geturl() or "/")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.sockets = 0
        """How many it took so far."""

    async def call(self) -> Result:
        """One request; a Result with :data:`NO_ANSWER` where none came."""
        try:
            async with asyncio.timeout(self._options.timeout):
                return await self._call()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            await self.close()
            return Result(NO_ANSWER, why=_why(error))

    async def close(self) -> None:
        """Give the connection back."""
        if self._streams:
            self._streams[1].close()
            with contextlib.suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None

    async def _call(self) -> Result:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                self._host, self._port, ssl=self._tls, server_hostname=self._host if self._tls else None
            )
            self.sockets += 1
        reader, writer = self._streams
        writer.write(self._request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        fields = _fields(head)
        body = await _body(reader, fields)
        code = int(head.split(b" ", 2)[1])
        # As fortio: a connection on which anything went wrong is not used again.
        if fields.get("connection") == "close" or code != 200 or not self._options.keepalive:
            await self.close()
        return Result(code, head, body)


def _why(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host"
    return str(error) or {"TimeoutError": "i/o timeout"}.get(type(error).__name__, "EOF")


def _request(options: Options, host: str, path: str) -> bytes:
    method = options.method or ("POST" if options.payload else "GET")
    said = {"host": host, "user-agent": AGENT}
    for each in options.headers:
        name, _, value = each.partition(":")
        said[name.strip().lower()] = value.strip()
    if options.payload:
        said["content-length"] = str(len(options.payload.encode()))
        said.setdefault("content-type", "application/octet-stream")
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.title()}: {value}" for name, value in said.items())]
    return "\r\n".join([*lines, "", options.payload]).encode()


def _fields(head: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    return {name.lower(): value.strip() for name, _, value in lines}


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if fields.get("transfer-encoding", "").lower() == "chunked":
        parts = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(parts)
    return await reader.readexactly(int(fields.get("content-length", "0")))


def _tls(options: Options) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.cacert or None)
    if options.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def curl(options: Options) -> int:
    """``fortio curl``: print the answer; 1 where there is none of success."""
    connection = Connection(options)
    result = await connection.call()
    await connection.close()
    if result.code == NO_ANSWER:
        print(f'Unable to connect to "{options.url}" : {result.why}', file=sys.stderr)
        return 1
    sys.stdout.buffer.write(result.head + result.body)
    sys.stdout.flush()
    return 0 if 200 <= result.code < 300 else 1
