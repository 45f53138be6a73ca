"""``pods/NAME:PORT/proxy`` and ``services/NAME:PORT/proxy``: HTTP to what runs in the cluster.

Any method, path and query, streamed both ways, over ``http:`` or ``https:`` (whatever the certificate
says). Where a port really listens (TCP or a Unix socket) only the node knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from labkit.embedded.api.access.impersonation import PREFIX
from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.streams.backends import Backend, Backends
from labkit.embedded.api.streams.pages import Pages
from labkit.embedded.integers import unsigned
from labkit.embedded.interfaces import PodRuntime, TcpAddress, UnixAddress
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError, bad_request

if TYPE_CHECKING:
    from aiohttp import BaseConnector, ClientSession

_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_NOT_PASSED = _HOP_BY_HOP | {"authorization", "host", "content-length"}
_CHUNK = 64 * 1024


class Proxy:
    """Passes requests on to pods."""

    def __init__(self, verbs: Verbs, runtime: PodRuntime) -> None:
        self._verbs = verbs
        self._runtime = runtime
        self._backends = Backends(verbs)

    async def answer(self, call: Call) -> web.StreamResponse:
        """The backend's answer, streamed; ApiError 404/503 where there is no backend."""
        scheme, name, port = _split_name(call.target.name)
        find = self._pod if call.target.kind.name == "pods" else self._service
        backend = find(call, name, port)
        if not call.target.rest and call.request.method in ("GET", "HEAD"):
            return _to_its_root(call)
        address = self._runtime.dial(backend.namespace, backend.pod, backend.port)
        async with _session(address) as session:
            return await _pass_on(
                call, session, _url(call, scheme, address), _host(address, backend), backend
            )

    def _pod(self, call: Call, name: str, port: str) -> Backend:
        pod = self._verbs.get("pods", name, call.target.namespace)
        number = unsigned(port) if port else _first_port(pod)
        if number is None:
            raise bad_request(f"invalid port {port!r} in pod request: a number is needed")
        return Backend(call.target.namespace, name, number)

    def _service(self, call: Call, name: str, port: str) -> Backend:
        return self._backends.of_service(call.target.namespace, name, port)


def _split_name(text: str) -> tuple[str, str, str]:
    """``web``, ``web:8080``, ``https:web:8080`` → scheme, name and port."""
    parts = text.split(":")
    scheme = "http"
    if len(parts) == 3:
        scheme = parts[0] or scheme
        if scheme not in ("http", "https"):
            raise bad_request(f"scheme {scheme!r} is not supported by this proxy: use http or https")
        parts = parts[1:]
    if len(parts) > 2 or not parts[0]:
        raise bad_request(f"invalid proxy target {text!r}: write name, name:port or http:name:port")
    return scheme, parts[0], parts[1] if len(parts) == 2 else ""


def _to_its_root(call: Call) -> web.Response:
    """A page's links are relative to its root only where its path ends with a slash (issue 4958 upstream)."""
    url = call.request.rel_url
    query = f"?{url.raw_query_string}" if url.raw_query_string else ""
    return web.Response(status=301, headers={"Location": f"{url.raw_path}/{query}"})


def _first_port(pod: Obj) -> int:
    containers = pod.get("spec", {}).get("containers") or ()
    return next((port["containerPort"] for each in containers for port in each.get("ports") or ()), 80)


def _session(address: TcpAddress | UnixAddress) -> ClientSession:
    from aiohttp import ClientSession, ClientTimeout, TCPConnector, UnixConnector

    if isinstance(address, UnixAddress):
        connector: BaseConnector = UnixConnector(str(address.path))
    else:
        connector = TCPConnector(ssl=False)  # whatever a pod's certificate says
    timeout = ClientTimeout(total=None, connect=10)
    return ClientSession(connector=connector, timeout=timeout, auto_decompress=False)


def _url(call: Call, scheme: str, address: TcpAddress | UnixAddress) -> Any:
    from yarl import URL

    host = f"{address.host}:{address.port}" if isinstance(address, TcpAddress) else "localhost"
    query = call.request.rel_url.raw_query_string
    path = call.target.rest or "/"
    return URL(f"{scheme}://{host}{path}{'?' + query if query else ''}", encoded=True)


def _host(address: TcpAddress | UnixAddress, backend: Backend) -> str:
    """The ``Host`` that the backend reads: its own port, wherever that is opened."""
    return f"{address.host}:{backend.port}" if isinstance(address, TcpAddress) else "localhost"


async def _pass_on(
    call: Call, session: ClientSession, url: Any, host: str, backend: Backend
) -> web.StreamResponse:
    from aiohttp import ClientError

    request = call.request
    impersonating = {name.lower() for name in request.headers if name.lower().startswith(PREFIX)}
    headers = _kept(request.headers, _NOT_PASSED | impersonating)
    headers["Host"] = host
    body = request.content if request.body_exists else None
    try:
        answer = await session.request(request.method, url, headers=headers, data=body, allow_redirects=False)
    except (ClientError, OSError) as error:
        where = f"{backend.pod}:{backend.port}"
        raise ApiError(
            503, "ServiceUnavailable", f"error trying to reach service: {where}: {error}"
        ) from error
    async with answer:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for key, value in _kept(answer.headers, _HOP_BY_HOP).items():
            response.headers.add(key, value)
        pages = _pages(call, url)
        if place := answer.headers.get("Location"):
            response.headers["Location"] = pages.link(place)
        elif request.method != "HEAD" and _is_page(answer.headers):
            return await _show(request, response, pages.page(await answer.read()))
        await response.prepare(request)
        async for chunk in answer.content.iter_chunked(_CHUNK):
            await response.write(chunk)
    return response


def _pages(call: Call, url: Any) -> Pages:
    """What is shown below this request's path, but for the part that is the program's own."""
    prefix = call.request.rel_url.raw_path.removesuffix(call.target.rest)
    return Pages(prefix, {f"{url.host}:{url.port}", url.host, call.request.host})


def _is_page(headers: Mapping[str, str]) -> bool:
    """Whether it is HTML that can be read: compressed it is passed on as it is."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip()
    return kind == "text/html" and not headers.get("Content-Encoding")


async def _show(request: web.BaseRequest, response: web.StreamResponse, page: bytes) -> web.StreamResponse:
    response.headers["Content-Length"] = str(len(page))
    await response.prepare(request)
    await response.write(page)
    return response


def _kept(headers: Mapping[str, str], dropped: set[str]) -> Any:
    from multidict import CIMultiDict

    return CIMultiDict((key, value) for key, value in headers.items() if key.lower() not in dropped)
