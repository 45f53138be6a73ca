"""The body of a request that has been let in: read whole, bounded, and in the form the handlers know."""

from __future__ import annotations

from aiohttp import web

from labkit.embedded.api.request import bodies, responses
from labkit.embedded.api.request.negotiation import JSON
from labkit.embedded.api.types import protobuf
from labkit.embedded.status import ApiError


async def body_of(request: web.BaseRequest) -> tuple[bytes, str]:
    """The bytes of *request*'s body and their content type; protobuf comes as the JSON it stands for.

    ApiError 413 for one that is too long, 400 for protobuf that is none.
    """
    content_type = request.headers.get("Content-Type", JSON)
    if (request.content_length or 0) > bodies.LARGEST:
        raise _too_long()
    try:
        body = await request.read() if request.body_exists else b""
    except web.HTTPRequestEntityTooLarge:
        raise _too_long() from None
    if body and content_type.startswith(protobuf.CONTENT_TYPE):
        return responses.encode(protobuf.to_object(body)), JSON
    return body, content_type


def _too_long() -> ApiError:
    return bodies.too_large(f"limit is {bodies.LARGEST}")
