"""The paths that name no resource: health, version, discovery, OpenAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from labkit.embedded.api.describe import discovery, openapi
from labkit.embedded.api.request import responses
from labkit.embedded.api.request.negotiation import JSON, Form, answer_form
from labkit.embedded.api.request.target import not_allowed
from labkit.embedded.api.types.resources import REGISTRY
from labkit.embedded.status import no_such_resource

_HEALTH = ("healthz", "livez", "readyz")
_ONE_YEAR = "public, max-age=31536000, immutable"


async def answer(request: web.BaseRequest, path: str) -> web.Response:
    """The document at *path*; 404 for every other path: a Status below a group of built-in kinds."""
    parts = path.strip("/").split("/")
    document = await _document(request, parts)
    if document is None and _is_built_in(parts):
        raise no_such_resource()
    if document is None:
        return responses.text("404 page not found\n", status=404)
    if request.method not in ("GET", "HEAD"):
        raise not_allowed()
    return document


def _is_built_in(parts: list[str]) -> bool:
    """Whether it is below ``/api`` or ``/apis/apps``; a custom group is only there with its kinds."""
    group = parts[1] if parts[0] == "apis" and len(parts) > 2 else ""
    below = bool(group) or (parts[0] == "api" and len(parts) > 1)
    return below and any(kind.group == group and not kind.custom for kind in REGISTRY.values())


async def _document(request: web.BaseRequest, parts: list[str]) -> web.Response | None:
    if parts[0] in _HEALTH:
        return responses.text("ok")
    return await _openapi(request, parts[1:]) if parts[0] == "openapi" else _discovery(request, parts)


# --- discovery


def _discovery(request: web.BaseRequest, parts: list[str]) -> web.Response | None:
    if parts in (["api"], ["apis"]):
        return _root(request, parts[0])
    value: Any = None
    if parts == ["version"]:
        value = discovery.version_info()
    elif parts[0] == "apis" and len(parts) == 2:
        value = discovery.group(parts[1])
    elif parts[0] == "api" and len(parts) == 2:
        value = discovery.resource_list("", parts[1])
    elif parts[0] == "apis" and len(parts) == 3:
        value = discovery.resource_list(parts[1], parts[2])
    return value and responses.answer(request, value, form=_plain(request))


def _root(request: web.BaseRequest, name: str) -> web.Response:
    """``/api`` and ``/apis``: aggregated where the client knows that form."""
    version = discovery.is_aggregated(request.headers.get("Accept", ""))
    if version:
        form = Form(discovery.aggregated_content_type(version))
        return responses.answer(request, discovery.aggregated(f"/{name}", version), form=form)
    value = discovery.core_versions(request.host) if name == "api" else discovery.group_list()
    return responses.answer(request, value, form=_plain(request))


def _plain(request: web.BaseRequest) -> Form:
    return Form(answer_form(request.headers.get("Accept", "")).media_type)


# --- OpenAPI


async def _openapi(request: web.BaseRequest, parts: list[str]) -> web.Response | None:
    """The documents are built (in a thread: they take a while) when first wanted."""
    if parts == ["v3"]:
        return responses.answer(request, openapi.v3_index(), form=Form())
    if parts == ["v2"]:
        return await _version_2(request)
    if parts[:1] != ["v3"]:
        return None
    key = "/".join(parts[1:])
    headers = {"ETag": openapi.v3_etag(key), "Content-Type": JSON}
    if "hash" in request.rel_url.query:
        headers["Cache-Control"] = _ONE_YEAR
    return await _built(request, lambda: openapi.v3(key), headers)


async def _version_2(request: web.BaseRequest) -> web.Response | None:
    headers = {"ETag": openapi.v2_etag(), "Content-Type": JSON, "Vary": "Accept"}
    if openapi.wants_protobuf(request.headers.get("Accept", "")):
        headers["Content-Type"] = openapi.PROTOBUF_V2
        return await _built(request, openapi.v2_protobuf, headers)
    return await _built(request, openapi.v2_json, headers)


async def _built(
    request: web.BaseRequest, build: Callable[[], bytes | None], headers: dict[str, str]
) -> web.Response | None:
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    body = await asyncio.to_thread(build)
    return None if body is None else web.Response(body=body, headers=headers)
