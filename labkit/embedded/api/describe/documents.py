"""The paths that name no resource: health, version, discovery, OpenAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from labkit.embedded.api.describe import discovery, health
from labkit.embedded.api.describe.metrics import CONTENT_TYPE, Requests
from labkit.embedded.api.describe.openapi import PROTOBUF_V2, OpenApi, wants_protobuf
from labkit.embedded.api.request import responses
from labkit.embedded.api.request.negotiation import JSON, Form, answer_form
from labkit.embedded.api.request.target import not_allowed
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.status import no_such_resource
from labkit.embedded.store import Store

_ONE_YEAR = "public, max-age=31536000, immutable"


class Documents:
    """What the API says of a registry and of itself."""

    def __init__(self, registry: Registry, store: Store, requests: Requests) -> None:
        self._registry, self._openapi = registry, OpenApi(registry)
        self._store, self._requests = store, requests

    async def answer(self, request: web.BaseRequest, path: str) -> web.Response:
        """The document at *path*; 404 for every other path: a Status below a group of built-in kinds."""
        parts = path.removeprefix("/").removesuffix("/").split("/")
        document = await self._document(request, parts) if all(parts) else None
        if document is None and self._is_built_in(parts):
            raise no_such_resource()
        if document is None:
            return responses.text("404 page not found\n", status=404)
        if request.method not in ("GET", "HEAD"):
            raise not_allowed()
        return document

    def _is_built_in(self, parts: list[str]) -> bool:
        """Whether it is below ``/api`` or ``/apis/apps``; a custom group is only there with its kinds."""
        group = parts[1] if parts[0] == "apis" and len(parts) > 2 else ""
        below = bool(group) or (parts[0] == "api" and len(parts) > 1)
        return below and any(kind.group == group and not kind.custom for kind in self._registry.values())

    async def _document(self, request: web.BaseRequest, parts: list[str]) -> web.Response | None:
        if parts[0] in health.PATHS:
            query = request.rel_url.query
            asked = [*parts, ""] if request.path.endswith("/") else parts
            found = health.report(asked, query.getall("exclude", ()), verbose="verbose" in query)
            return None if found is None else responses.text(found)
        if parts == ["metrics"]:
            return web.Response(text=self._requests.text(self._store), headers={"Content-Type": CONTENT_TYPE})
        if parts[0] == "openapi":
            return await self._openapi_document(request, parts[1:])
        return self._discovery(request, parts)

    def _discovery(self, request: web.BaseRequest, parts: list[str]) -> web.Response | None:
        if parts in (["api"], ["apis"]):
            return self._root(request, parts[0])
        value: Any = None
        if parts == ["version"]:
            value = discovery.version_info()
        elif parts[0] == "apis" and len(parts) == 2:
            value = discovery.group(self._registry, parts[1])
        elif parts[0] == "api" and len(parts) == 2:
            value = discovery.resource_list(self._registry, "", parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            value = discovery.resource_list(self._registry, parts[1], parts[2])
        return value and responses.answer(request, value, form=_plain(request))

    def _root(self, request: web.BaseRequest, name: str) -> web.Response:
        """``/api`` and ``/apis``: aggregated where the client knows that form."""
        version = discovery.is_aggregated(request.headers.get("Accept", ""))
        if version:
            form = Form(discovery.aggregated_content_type(version))
            value = discovery.aggregated(self._registry, f"/{name}", version)
            return responses.answer(request, value, form=form)
        groups, core = discovery.group_list, discovery.core_versions
        value = core(request.host) if name == "api" else groups(self._registry)
        return responses.answer(request, value, form=_plain(request))

    async def _openapi_document(self, request: web.BaseRequest, parts: list[str]) -> web.Response | None:
        """The documents are built (in a thread: they take a while) when first wanted."""
        if parts == ["v3"]:
            return responses.answer(request, self._openapi.v3_index(), form=Form())
        if parts == ["v2"]:
            return await self._version_2(request)
        if parts[:1] != ["v3"]:
            return None
        key = "/".join(parts[1:])
        headers = {"ETag": self._openapi.v3_etag(key), "Content-Type": JSON}
        if "hash" in request.rel_url.query:
            headers["Cache-Control"] = _ONE_YEAR
        return await _built(request, lambda: self._openapi.v3(key), headers)

    async def _version_2(self, request: web.BaseRequest) -> web.Response | None:
        headers = {"ETag": self._openapi.v2_etag(), "Content-Type": JSON, "Vary": "Accept"}
        if wants_protobuf(request.headers.get("Accept", "")):
            headers["Content-Type"] = PROTOBUF_V2
            return await _built(request, self._openapi.v2_protobuf, headers)
        return await _built(request, self._openapi.v2_json, headers)


def _plain(request: web.BaseRequest) -> Form:
    return Form(answer_form(request.headers.get("Accept", "")).media_type)


async def _built(
    request: web.BaseRequest, build: Callable[[], bytes | None], headers: dict[str, str]
) -> web.Response | None:
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    body = await asyncio.to_thread(build)
    return None if body is None else web.Response(body=body, headers=headers)
