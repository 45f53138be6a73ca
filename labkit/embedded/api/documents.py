"""The paths that name no resource: health, version, discovery, OpenAPI."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from labkit.embedded.api import discovery, responses
from labkit.embedded.api.negotiation import Form, answer_form
from labkit.embedded.api.target import not_allowed

_HEALTH = ("healthz", "livez", "readyz")


def answer(request: web.BaseRequest, path: str) -> web.Response:
    """The document at *path*; ``404 page not found`` for every other path."""
    if request.method not in ("GET", "HEAD"):
        raise not_allowed()
    parts = path.strip("/").split("/")
    if parts[0] in _HEALTH:
        return responses.text("ok")
    document = _document(request, parts)
    return document or responses.text("404 page not found\n", status=404)


def _document(request: web.BaseRequest, parts: list[str]) -> web.Response | None:
    if parts in (["api"], ["apis"]):
        return _root(request, parts[0])
    value: Any = None
    if parts == ["version"]:
        value = discovery.version_info()
    elif parts[0] == "apis" and len(parts) == 2:
        value = discovery.group(parts[1])
    elif parts[0] in ("api", "apis"):
        group, version = ("", parts[1]) if parts[0] == "api" else ("/".join(parts[1:-1]), parts[-1])
        value = discovery.resource_list(group, version)
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
