"""Port 15017: istiod's webhooks, ``/inject`` and ``/validate``.

The API server of this cluster has both built in and does not call them. ``istioctl kube-inject`` does, and so
may anybody who wants to know what istiod would say: an AdmissionReview in, one out.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from labkit.embedded.interfaces import AdmissionPlugin, AdmissionRequest
from labkit.embedded.mesh.identity.authority import Credential
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError

REVIEW = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
Fill = Callable[[str, Obj], None]
"""(namespace, pod): puts the proxy into a pod that a webhook has been called for; ApiError where it can't."""


class WebhookServer:
    """Serves the webhooks over TLS on *socket*, from ``async with`` to its end."""

    def __init__(self, socket: Path, own: Credential, fill: Fill, validate: AdmissionPlugin) -> None:
        self._socket, self._own, self._fill, self._validate = socket, own, fill, validate
        application = web.Application(client_max_size=8 * 2**20)
        application.router.add_post("/inject{rest:(/.*)?}", self._inject)
        application.router.add_post("/validate", self._check)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)

    async def __aenter__(self) -> WebhookServer:
        self._socket.unlink(missing_ok=True)
        await self._runner.setup()
        context = await asyncio.to_thread(self._context)
        await web.UnixSite(self._runner, str(self._socket), ssl_context=context).start()
        self._socket.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        self._socket.unlink(missing_ok=True)

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = self._socket.with_suffix(".pem")  # it is read from files only
        pair.touch(0o600)
        try:
            pair.write_text(self._own.key + self._own.chain)
            context.load_cert_chain(pair)
        finally:
            pair.unlink()
        return context

    async def _inject(self, request: web.Request) -> web.Response:
        asked = await _asked(request)
        pod, namespace = asked["object"], asked.get("namespace") or "default"
        pod.setdefault("metadata", {})
        filled = copy.deepcopy(pod)
        try:
            self._fill(namespace, filled)
        except (ApiError, LookupError, TypeError) as error:
            return _answer(asked, {"allowed": False, "status": {"message": str(error)}})
        patch = base64.b64encode(json.dumps(list(_patch(pod, filled))).encode()).decode()
        return _answer(asked, {"allowed": True, "patchType": "JSONPatch", "patch": patch})

    async def _check(self, request: web.Request) -> web.Response:
        asked = await _asked(request)
        try:
            warnings = self._validate(_request(asked))
        except ApiError as error:
            return _answer(asked, {"allowed": False, "status": {"message": error.message}})
        return _answer(asked, {"allowed": True, **({"warnings": warnings} if warnings else {})})


async def _asked(request: web.Request) -> dict[str, Any]:
    """The AdmissionRequest; 400 where there is none."""
    try:
        review = await request.json()
        asked: dict[str, Any] = review["request"]
        if isinstance(asked["object"], dict):
            return asked
    except (ValueError, LookupError, TypeError):
        pass
    raise web.HTTPBadRequest(text="an AdmissionReview with request.object is needed\n")


def _answer(asked: dict[str, Any], response: dict[str, Any]) -> web.Response:
    return web.json_response({**REVIEW, "response": {"uid": asked.get("uid", ""), **response}})


def _request(asked: dict[str, Any]) -> AdmissionRequest:
    resource = asked.get("resource") or {}
    name = ".".join(part for part in (resource.get("resource", ""), resource.get("group", "")) if part)
    old = asked.get("oldObject")
    operation: Literal["CREATE", "UPDATE"] = "UPDATE" if old else "CREATE"
    dry_run = bool(asked.get("dryRun"))
    return AdmissionRequest(operation, name, asked.get("namespace", ""), asked["object"], old, dry_run)


def _patch(before: Obj, after: Obj) -> Iterator[dict[str, Any]]:
    """A JSON patch from *before* to *after*, which has all that *before* has."""
    for part in ("metadata", "spec"):
        if part not in before:
            yield {"op": "add", "path": f"/{part}", "value": after.get(part, {})}
            continue
        for key, value in after[part].items():
            if before[part].get(key) != value:
                operation = "replace" if key in before[part] else "add"
                yield {"op": operation, "path": f"/{part}/{key}", "value": value}
