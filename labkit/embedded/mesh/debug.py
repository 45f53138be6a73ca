"""istiod's debug pages, over HTTP on a Unix socket: port 15014 of the pod, through the API server.

``/debug/syncz`` · ``/debug/syncz?revision=R[&timeout=S]`` · ``/debug/config_dump?proxyID=POD.NAMESPACE`` ·
``/debug/registryz`` · ``/debug/endpointz`` · ``/debug/list`` · ``/ready`` · ``/version``

``/debug/syncz`` is istiod's own list; who names a revision, which a real istiod ignores, is told when that
has reached everybody (:mod:`.sync_status`). Paths are cleaned as Go's server does it: istioctl asks for
``//version``.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web
from google.protobuf.json_format import MessageToDict

from labkit.embedded.mesh.connection import Connection
from labkit.embedded.mesh.fleet import Fleet
from labkit.embedded.mesh.services import Service
from labkit.embedded.mesh.sync_status import SyncStatus
from labkit.embedded.mesh.xds.resources import Snapshot
from labkit.embedded.mesh.xds.types import Type
from labkit.embedded.version import ISTIO_VERSION

LONGEST_WAIT = 300.0
_DUMPS = {
    Type.CLUSTER: ("ClustersConfigDump", "dynamic_active_clusters", "cluster"),
    Type.ENDPOINT: ("EndpointsConfigDump", "dynamic_endpoint_configs", "endpoint_config"),
    Type.LISTENER: ("ListenersConfigDump", "dynamic_listeners", "listener"),
    Type.ROUTE: ("RoutesConfigDump", "dynamic_route_configs", "route_config"),
}


@web.middleware
async def _cleaned_path(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """As ``http.ServeMux``: a path with empty or dotted parts is sent on to the clean one."""
    path = request.rel_url.raw_path
    clean = "/" + posixpath.normpath(path).lstrip("/")
    if path != clean and path.rstrip("/") != clean:
        raise web.HTTPMovedPermanently(str(request.rel_url.with_path(clean, encoded=True, keep_query=True)))
    return await handler(request)


class DebugServer:
    """Serves the pages on *socket*, from ``async with`` to its end."""

    def __init__(self, socket: Path, fleet: Fleet, status: SyncStatus) -> None:
        self._socket = socket
        self._fleet = fleet
        self._status = status
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0)

    async def __aenter__(self) -> DebugServer:
        self._socket.unlink(missing_ok=True)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self._socket)).start()
        self._socket.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        self._socket.unlink(missing_ok=True)

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[_cleaned_path])
        application.router.add_get("/debug/syncz", self._syncz)
        application.router.add_get("/debug/config_dump", self._config_dump)
        application.router.add_get("/debug/registryz", self._registryz)
        application.router.add_get("/debug/endpointz", self._endpointz)
        application.router.add_get("/debug/list", self._list)
        application.router.add_get("/debug/{page:.*}", self._unknown)
        application.router.add_get("/ready", self._ready)
        application.router.add_get("/version", self._version)
        return application

    async def _syncz(self, request: web.Request) -> web.Response:
        if "revision" not in request.query:
            return _json(self._status.listed(request.query.get("namespace", "")))
        try:
            revision = int(request.query["revision"])
            seconds = float(request.query.get("timeout", 0))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"revision and timeout are numbers: {error}\n") from None
        if seconds <= 0:
            return _json(self._status.report(revision))
        await self._status.wait(revision, min(seconds, LONGEST_WAIT))
        return _json(self._status.report(revision), indent=None)  # who waits is a program, and in a hurry

    async def _config_dump(self, request: web.Request) -> web.Response:
        wanted = request.query.get("proxyID", "")
        found = [each for each in self._fleet.connections if f"~{wanted}~" in each.node_id]
        if not wanted or not found:
            raise web.HTTPNotFound(text=f"no proxy {wanted!r} is connected; proxyID is POD.NAMESPACE\n")
        return _json({"configs": config_dump(found[-1])})

    async def _registryz(self, _: web.Request) -> web.Response:
        return _json([_service(each) for each in self._services()])

    async def _endpointz(self, _: web.Request) -> web.Response:
        return _json(
            [
                {
                    "svc": f"{service.host}:{port.name}",
                    "ep": [asdict(each) for each in service.endpoints_of(port)],
                }
                for service in self._services()
                for port in service.ports
            ]
        )

    async def _list(self, _: web.Request) -> web.Response:
        return _json(["config_dump", "endpointz", "registryz", "syncz"])

    async def _unknown(self, _: web.Request) -> web.Response:
        return web.Response(text="404 page not found\n", status=404)  # istioctl knows these words

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(status=503 if self._fleet.state is None else 200)

    async def _version(self, _: web.Request) -> web.Response:
        return web.Response(text=f"{ISTIO_VERSION}-labkit-Clean\n")

    def _services(self) -> tuple[Service, ...]:
        return self._fleet.state.services if self._fleet.state is not None else ()


def _service(service: Service) -> dict[str, Any]:
    described = asdict(service)
    del described["endpoints"]
    return {"hostname": service.host, **described}


def config_dump(connection: Connection) -> list[dict[str, Any]]:
    """What a proxy shall use, a part for each type that Envoy's own ``/config_dump`` has."""
    return [_dump(connection, kind) for kind in _DUMPS]


def _dump(connection: Connection, kind: Type) -> dict[str, Any]:
    """What the proxy shall use, in the shape of Envoy's own ``/config_dump``."""
    message, field, key = _DUMPS[kind]
    target = connection.conversation.target
    subscription = connection.conversation.subscriptions.get(kind)
    version = {"version_info": subscription.version if subscription else ""}
    entries = []
    for name, body in _bodies(target, kind).items():
        entry = {**version, key: body}
        entries.append({"name": name, "active_state": entry} if kind is Type.LISTENER else entry)
    return {"@type": f"type.googleapis.com/envoy.admin.v3.{message}", field: entries}


def _bodies(target: Snapshot | None, kind: Type) -> dict[str, Any]:
    if target is None:
        return {}
    messages = {name: target.message(kind, name) for name in target.resources[kind]}
    return {
        name: {"@type": kind.url, **MessageToDict(each, preserving_proto_field_name=True)}
        for name, each in messages.items()
    }


def _json(body: Any, indent: int | None = 2) -> web.Response:
    text = json.dumps(body, indent=indent, default=sorted) + "\n"
    return web.Response(text=text, content_type="application/json")
