"""HTTP answers: JSON or YAML, compressed when large, with the API's warnings."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from labkit.embedded.api.request.negotiation import YAML, Form
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError

_COMPRESSED_FROM = 128 * 1024  # bytes, as the real server; below, the client is faster without
_MOST_WARNED, _CUT_WARNING = 4096, 256  # characters of all warnings, and of each where there are more
_AT_ONCE = 200
"""Items of a list that are made and encoded before it is the others' turn: some milliseconds."""
_GZIP = 16 + zlib.MAX_WBITS
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


@dataclass(frozen=True)
class Listed:
    """A list, its items yet to be made: they may be many."""

    head: Obj
    """The list without them; under its last key there is an empty list."""
    items: Iterator[Obj]
    count: int

    def whole(self) -> Obj:
        """All of it."""
        return {**self.head, list(self.head)[-1]: list(self.items)}


def encode(value: Any) -> bytes:
    """Compact JSON; what is no text (half a surrogate pair, quoted from a request) becomes ``?``."""
    return _ENCODER.encode(value).encode(errors="replace")


def answer(
    request: web.BaseRequest,
    value: Any,
    *,
    form: Form,
    status: int = 200,
    warnings: Iterable[str] = (),
) -> web.Response:
    """*value* in the form the client accepts."""
    body = _yaml(value) if form.media_type == YAML else encode(value) + b"\n"
    headers = _headers(form.media_type, warnings)
    if _compresses(request, len(body)):
        body = gzip.compress(body, compresslevel=1)
        _mark_compressed(headers)
    return web.Response(status=status, body=body, headers=headers)


def answer_list(
    request: web.BaseRequest, listed: Listed, *, form: Form
) -> web.Response | Awaitable[web.Response]:
    """*listed* in the form the client accepts; a long one piece by piece, for others want answers, too."""
    if listed.count <= _AT_ONCE or form.media_type == YAML:
        return answer(request, listed.whole(), form=form)
    return _answer_in_pieces(request, listed, form)


async def _answer_in_pieces(request: web.BaseRequest, listed: Listed, form: Form) -> web.Response:
    headers, pieces = _headers(form.media_type, ()), [encode(listed.head)[:-2]]
    while some := list(islice(listed.items, _AT_ONCE)):
        pieces += [b"," if len(pieces) > 1 else b"", encode(some)[1:-1]]
        await asyncio.sleep(0)
    pieces.append(b"]}\n")
    if _compresses(request, sum(map(len, pieces))):
        pieces = await _compressed(pieces)
        _mark_compressed(headers)
    return web.Response(body=b"".join(pieces), headers=headers)


async def _compressed(pieces: list[bytes]) -> list[bytes]:
    packer, packed = zlib.compressobj(1, wbits=_GZIP), []
    for each in pieces:
        packed.append(packer.compress(each))
        await asyncio.sleep(0)
    return [*packed, packer.flush()]


def _compresses(request: web.BaseRequest, size: int) -> bool:
    return size > _COMPRESSED_FROM and "gzip" in request.headers.get("Accept-Encoding", "")


def _mark_compressed(headers: CIMultiDict[str]) -> None:
    headers["Content-Encoding"] = "gzip"
    headers["Vary"] = "Accept-Encoding"


def refusal(error: ApiError, form: Form | None = None, warnings: Iterable[str] = ()) -> web.Response:
    """The ``Status`` of *error*."""
    form = form or Form()
    body = _yaml(error.status()) if form.media_type == YAML else encode(error.status()) + b"\n"
    headers = _headers(form.media_type, warnings)
    if retry := error.details.get("retryAfterSeconds"):
        headers["Retry-After"] = str(retry)
    return web.Response(status=error.code, body=body, headers=headers)


def text(content: str, status: int = 200) -> web.Response:
    """Plain text, as health checks and unknown paths are answered."""
    return web.Response(status=status, text=content, headers={"Cache-Control": "no-cache, private"})


def _headers(media_type: str, warnings: Iterable[str]) -> CIMultiDict[str]:
    headers = CIMultiDict({"Content-Type": media_type, "Cache-Control": "no-cache, private"})
    for warning in bounded(list(dict.fromkeys(warnings))):
        headers.add("Warning", warning_header(warning))
    return headers


def warning_header(text: str) -> str:
    """The value of a ``Warning`` header."""
    return f'299 - "{_quotable(text)}"'


def bounded(warnings: list[str]) -> list[str]:
    """Too many or too long ones are cut and then left out, by the real server's measures."""
    if sum(map(len, warnings)) <= _MOST_WARNED:
        return warnings
    cut = [each[:_CUT_WARNING] for each in warnings[: _MOST_WARNED + 1]]
    lengths = accumulate(map(len, cut))
    return [each for each, length in zip(cut, lengths, strict=True) if length <= _MOST_WARNED]


def _quotable(warning: str) -> str:
    """One line, quotes and backslashes escaped, as RFC 7234 wants the text of a Warning."""
    line = "".join(each if each.isprintable() else " " for each in warning)
    return " ".join(line.split()).replace("\\", "\\\\").replace('"', '\\"')


def _yaml(value: Any) -> bytes:
    import yaml

    return yaml.safe_dump(value, sort_keys=True, allow_unicode=True).encode(errors="replace")
