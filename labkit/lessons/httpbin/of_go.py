"""mccutchen/go-httpbin: port 8080, or what ``PORT`` or ``-port`` says.

Its log lines are structured, ``level=INFO msg="200 GET /get …" status=200 …``.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import os
import time
import uuid
import zlib
from http import HTTPStatus
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from labkit.lessons.http import Listener, client_address, say, serve
from labkit.lessons.httpbin import common
from labkit.lessons.httpbin.gojson import dumps, duration

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
_CLIENT = ("Fly-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP", "True-Client-IP")
_ANY = "*"
_SPECIAL: dict[int, tuple[dict[str, str], str]] = {
    **{code: ({"Location": "/redirect/1"}, "") for code in (301, 302, 303, 305, 307)},
    401: ({"WWW-Authenticate": 'Basic realm="Fake Realm"'}, ""),
    407: ({"Proxy-Authenticate": 'Basic realm="Fake Realm"'}, ""),
    418: ({"X-More-Info": "http://tools.ietf.org/html/rfc2324"}, "I'm a teapot!"),
}


def _told(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=dumps(value).encode(), status=status, headers={"Content-Type": JSON, **(headers or {})}
    )


def _error(status: int, detail: str = "") -> web.Response:
    body = {"status_code": status, "error": HTTPStatus(status).phrase}
    return _told(body | ({"detail": detail} if detail else {}), status)


def _lists(values: MultiMapping[str], title: bool = False) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in values.items():
        found.setdefault(
            "-".join(part.capitalize() for part in name.split("-")) if title else name, []
        ).append(value)
    return dict(sorted(found.items()))


def _headers(request: web.Request) -> dict[str, list[str]]:
    return _lists(request.headers, title=True)


def _origin(request: web.Request) -> str:
    told = next((request.headers[name] for name in _CLIENT if request.headers.get(name)), "")
    forwarded = request.headers.get("X-Forwarded-For", "").partition(",")[0].strip()
    return told or forwarded or client_address(request)


def _request(request: web.Request) -> dict[str, Any]:
    return {
        "args": _lists(request.query),
        "headers": _headers(request),
        "method": request.method,
        "origin": _origin(request),
        "url": common.url_of(request),
    }


async def _get(request: web.Request) -> web.Response:
    return _told(_request(request))


async def _with_body(request: web.Request) -> web.Response:
    body = await request.read()
    form = _lists(await request.post()) if "form" in request.content_type else {}  # type: ignore[arg-type]
    is_json = request.content_type == "application/json"
    told = {"data": body.decode(errors="replace"), "files": {}, "form": form}
    return _told({**_request(request), **told, "json": common.as_json(body) if is_json else None})


async def _headers_page(request: web.Request) -> web.Response:
    return _told({"headers": _headers(request)})


async def _ip(request: web.Request) -> web.Response:
    return _told({"origin": _origin(request)})


async def _user_agent(request: web.Request) -> web.Response:
    return _told({"user-agent": request.headers.get("User-Agent", "")})


async def _status(request: web.Request) -> web.Response:
    try:
        code = common.status_of(request.match_info["code"])
    except ValueError:
        return _error(400, f"invalid status code: {request.match_info['code']!r}")
    headers, body = _SPECIAL.get(code, ({}, ""))
    return web.Response(status=code, text=body, headers=headers)


async def _delay(request: web.Request) -> web.Response:
    try:
        seconds = duration(request.match_info["seconds"])
    except ValueError:
        return _error(400, "invalid duration")
    await common.delayed(seconds)
    return await _with_body(request)


async def _uuid(_: web.Request) -> web.Response:
    return _told({"uuid": str(uuid.uuid4())})


async def _hostname(_: web.Request) -> web.Response:
    return _told({"hostname": os.environ.get("HOSTNAME", "")})


async def _env(_: web.Request) -> web.Response:
    return _told(
        {"env": {name: value for name, value in os.environ.items() if name.startswith("HTTPBIN_ENV_")}}
    )


async def _base64(request: web.Request) -> web.Response:
    try:
        return web.Response(
            body=base64.urlsafe_b64decode(request.match_info["data"]), headers={"Content-Type": TEXT}
        )
    except ValueError as error:
        return _error(400, str(error))


async def _bytes(request: web.Request) -> web.Response:
    if not request.match_info["count"].isdecimal():
        return _error(400, "invalid byte count")
    return web.Response(body=common.bytes_of(int(request.match_info["count"])))


async def _redirect(request: web.Request) -> web.Response:
    count = request.match_info["count"]
    if not count.isdecimal() or int(count) < 1:
        return _error(400, "invalid redirect count")
    absolute = request.path.startswith("/absolute")
    path = (
        "/get" if int(count) == 1 else f"/{'absolute' if absolute else 'relative'}-redirect/{int(count) - 1}"
    )
    before = f"{common.scheme_of(request)}://{request.host}" if absolute else ""
    return web.Response(status=302, headers={"Location": before + path})


async def _redirect_to(request: web.Request) -> web.Response:
    target = request.query.get("url")
    if not target:
        return _error(400, "missing required query parameter: url")
    return web.Response(status=int(request.query.get("status_code", "302")), headers={"Location": target})


async def _cookies(request: web.Request) -> web.Response:
    return _told({"cookies": dict(request.cookies)})


async def _set_cookies(request: web.Request) -> web.Response:
    response = web.Response(status=302, headers={"Location": "/cookies"})
    for name, value in request.query.items():
        response.set_cookie(name, value, httponly=True)
    return response


async def _basic_auth(request: web.Request) -> web.Response:
    user = request.match_info["user"]
    good = common.credentials(request) == (user, request.match_info["password"])
    told = {"authenticated": good, "user": user, "authorized": good}
    return _told(told) if good else _told(told, 401, {"WWW-Authenticate": 'Basic realm="Fake Realm"'})


async def _bearer(request: web.Request) -> web.Response:
    token = common.token(request)
    if not token:
        return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    return _told({"authenticated": True, "token": token})


async def _response_headers(request: web.Request) -> web.Response:
    response = _told(_lists(request.query) | {"Content-Type": [request.query.get("Content-Type", JSON)]})
    for name, value in request.query.items():
        response.headers[name] = value
    return response


async def _packed(request: web.Request) -> web.Response:
    told = {key: value for key, value in _request(request).items() if key != "url"}
    if request.path == "/gzip":
        body, kind = gzip.compress(dumps(told | {"url": "", "gzipped": True}).encode()), "gzip"
    else:
        body, kind = zlib.compress(dumps(told | {"url": "", "deflated": True}).encode()), "deflate"
    return web.Response(body=body, headers={"Content-Type": JSON, "Content-Encoding": kind})


async def _robots(_: web.Request) -> web.Response:
    return web.Response(text=common.ROBOTS)


async def _deny(_: web.Request) -> web.Response:
    return web.Response(text="YOU SHOULDN'T BE HERE\n")


async def _html(_: web.Request) -> web.Response:
    return web.Response(text=common.page("A page"), content_type="text/html")


async def _index(_: web.Request) -> web.Response:
    return web.Response(text=common.page("go-httpbin"), content_type="text/html")


@web.middleware
async def _logged(request: web.Request, handler: Any) -> web.StreamResponse:
    begin = time.monotonic()
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPException as error:
        response = _error(error.status)
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "*")
    _log(request, response.status, (time.monotonic() - begin) * 1000)
    return response


def _log(request: web.Request, status: int, milliseconds: float) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    say(
        f'time={now} level=INFO msg="{status} {request.method} {request.path_qs} {milliseconds:.1f}ms" '
        f"status={status} method={request.method} uri={request.path_qs} duration_ms={milliseconds:.3f} "
        f'user_agent="{request.headers.get("User-Agent", "")}" client_ip={_origin(request)}'
    )


def application() -> web.Application:
    """Its pages."""
    app = web.Application(middlewares=[_logged])
    app.add_routes(
        [
            *common.routes(["GET"], ["/get"], _get),
            *(web.head("/head", _get), web.get("/", _index), web.post("/post", _with_body)),
            *(
                web.put("/put", _with_body),
                web.patch("/patch", _with_body),
                web.delete("/delete", _with_body),
            ),
            *common.routes([_ANY], ["/anything", "/anything/{path:.*}"], _with_body),
            *common.routes([_ANY], ["/headers"], _headers_page),
            *common.routes([_ANY], ["/ip"], _ip),
            *common.routes([_ANY], ["/user-agent"], _user_agent),
            *common.routes([_ANY], ["/status/{code}"], _status),
            *common.routes([_ANY], ["/delay/{seconds}"], _delay),
            *common.routes([_ANY], ["/uuid"], _uuid),
            *common.routes([_ANY], ["/hostname"], _hostname),
            *common.routes([_ANY], ["/env"], _env),
            *common.routes([_ANY], ["/base64/{data}", "/base64/decode/{data}"], _base64),
            *common.routes([_ANY], ["/bytes/{count}", "/stream-bytes/{count}"], _bytes),
            *common.routes(
                [_ANY], [f"/{kind}redirect/{{count}}" for kind in ("", "relative-", "absolute-")], _redirect
            ),
            *common.routes([_ANY], ["/redirect-to"], _redirect_to),
            *common.routes([_ANY], ["/cookies"], _cookies),
            *common.routes([_ANY], ["/cookies/set"], _set_cookies),
            *common.routes([_ANY], ["/basic-auth/{user}/{password}"], _basic_auth),
            *common.routes([_ANY], ["/bearer"], _bearer),
            *common.routes([_ANY], ["/response-headers"], _response_headers),
            *common.routes([_ANY], ["/gzip", "/deflate"], _packed),
            *common.routes([_ANY], ["/robots.txt"], _robots),
            *common.routes([_ANY], ["/deny"], _deny),
            *common.routes([_ANY], ["/html"], _html),
        ]
    )
    return app


def main(words: list[str]) -> int:
    """Serve on the port of ``-port``, of ``PORT``, or on 8080."""
    parser = argparse.ArgumentParser("go-httpbin", allow_abbrev=False)
    parser.add_argument("-host", "--host", default=os.environ.get("HOST", "0.0.0.0"))
    parser.add_argument("-port", "--port", type=int, default=int(os.environ.get("PORT") or 8080))
    options = parser.parse_args(words)
    listening = f"{options.host}:{options.port}"
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    return serve(
        application(),
        Listener(options.port, options.host),
        ready=lambda: say(f'time={now} level=INFO msg="go-httpbin listening on http://{listening}"'),
    )
