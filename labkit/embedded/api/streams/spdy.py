"""SPDY/3.1 as far as Kubernetes uses it: streams that a client opens, with data both ways.

kubectl before 1.30 speaks it for ``exec``, and every kubectl for ``port-forward``, since 1.31 inside
a WebSocket. There is no flow control in it: who does not read holds up the whole connection. Header
blocks are compressed with one dictionary that both sides know, and one context per direction.

Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY, _HEADERS = 1, 2, 3, 6, 7, 8
_BLOCK_AT = {_SYN_STREAM: 10, _SYN_REPLY: 4, _HEADERS: 4}
"""Where the compressed headers begin, in the frames that have some."""
_CONTROL, _VERSION, _FIN = 0x8000, 3, 1
_CHUNK = 64 * 1024

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language "
    "accept-ranges age allow authorization cache-control connection content-base content-encoding "
    "content-language content-length content-location content-md5 content-range content-type date etag "
    "expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since "
    "last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer "
    "retry-after server te trailer transfer-encoding upgrade user-agent vary via warning "
    "www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin"
)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,"
    "deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words = (word.replace("_", " ").encode() for word in _WORDS.split())
    return b"".join(struct.pack("!I", len(word)) + word for word in words) + _TAIL.encode()


DICTIONARY = _dictionary()


@dataclass(frozen=True)
class Opened:
    """The client has opened a stream."""

    stream: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Arrived:
    """Data of a stream; ``end`` with its last."""

    stream: int
    data: bytes
    end: bool


class SpdyConnection:
    """The server's side of one connection."""

    def __init__(
        self, read: Callable[[], Awaitable[bytes]], write: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """*read* gives what came, ``b""`` at the end; *write* waits until more can be taken."""
        self._read, self._write = read, write
        self._buffer = bytearray()
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    async def receive(self) -> Opened | Arrived | None:
        """What the client does next; ``None`` once it has gone. Every stream it opens is accepted."""
        while (frame := await self._frame()) is not None:
            head, flags, body = frame
            if not head >> 31:
                return Arrived(head, body, bool(flags & _FIN))
            kind = head & 0xFFFF
            headers = self._headers(body[_BLOCK_AT[kind] :]) if kind in _BLOCK_AT else {}
            if kind == _GOAWAY:
                return None
            if kind == _PING:
                await self._control(_PING, body)
            elif kind == _RST_STREAM:
                return Arrived(_number(body), b"", end=True)
            elif kind == _SYN_STREAM:
                await self._accept(_number(body))
                return Opened(_number(body), headers)
        return None

    async def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send *data*; with *end* nothing follows."""
        pieces = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)] or [b""]
        for number, piece in enumerate(pieces, 1):
            last = end and number == len(pieces)
            await self._write(struct.pack("!II", stream, (last * _FIN) << 24 | len(piece)) + piece)

    async def goodbye(self) -> None:
        """Say that nothing follows on any stream."""
        await self._control(_GOAWAY, struct.pack("!II", 0, 0))

    async def _accept(self, stream: int) -> None:
        block = self._deflate.compress(struct.pack("!I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        await self._control(_SYN_REPLY, struct.pack("!I", stream) + block)

    async def _control(self, kind: int, body: bytes) -> None:
        await self._write(struct.pack("!HHI", _CONTROL | _VERSION, kind, len(body)) + body)

    async def _frame(self) -> tuple[int, int, bytes] | None:
        """First word, flags and body of the next frame."""
        head = await self._exactly(8)
        if head is None:
            return None
        first, second = struct.unpack("!II", head)
        body = await self._exactly(second & 0xFFFFFF)
        return None if body is None else (first, second >> 24, body)

    async def _exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            chunk = await self._read()
            if not chunk:
                return None
            self._buffer += chunk
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _headers(self, block: bytes) -> dict[str, str]:
        texts = _texts(self._inflate.decompress(block))
        return dict(zip(texts, texts, strict=False))


def _number(body: bytes) -> int:
    (number,) = struct.unpack_from("!I", body)
    return int(number & 0x7FFFFFFF)


def _texts(block: bytes) -> Iterator[str]:
    """Names and values in turn."""
    at = 4
    while at + 4 <= len(block):
        (length,) = struct.unpack_from("!I", block, at)
        yield block[at + 4 : at + 4 + length].decode(errors="replace")
        at += 4 + length
