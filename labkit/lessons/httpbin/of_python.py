"""kennethreitz/httpbin behind gunicorn: ``gunicorn -b 0.0.0.0:80 [--access-logfile -] httpbin:app``."""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import time
import uuid
import zlib
from typing import Any

from aiohttp import web

from labkit.lessons.http import Listener, client_address, say, serve
from labkit.lessons.httpbin import common

_ANY = "*"
TEAPOT = """
    -=[ teapot ]=-

        .------.
     .-'   ~    '-.__
     |            |  )
      \\          /--'
       '--------'
"""
_SPECIAL: dict[int, tuple[dict[str, str], str]] = {
    **{code: ({"Location": "/redirect/1"}, "") for code in (301, 302, 303, 305, 307)},
    401: ({"WWW-Authenticate": 'Basic realm="Fake Realm"'}, ""),
    407: ({"Proxy-Authenticate": 'Basic realm="Fake Realm"'}, ""),
    418: ({"X-More-Info": "http://tools.ietf.org/html/rfc2324"}, TEAPOT),
}


def _told(value: Any, status: int = 200) -> web.Response:
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    return web.Response(text=text, status=status, content_type="application/json")


def _headers(request: web.Request) -> dict[str, str]:
    """Names as HTTP writes them, several values of one name as one."""
    found: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        found.setdefault("-".join(part.capitalize() for part in name.split("-")), []).append(value)
    return {name: ",".join(values) for name, values in found.items()}


def _args(request: web.Request) -> dict[str, Any]:
    found = {name: request.query.getall(name) for name in request.query}
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _origin(request: web.Request) -> str:
    return request.headers.get("X-Forwarded-For") or client_address(request)


def _request(request: web.Request) -> dict[str, Any]:
    return {
        "args": _args(request),
        "headers": _headers(request),
        "origin": _origin(request),
        "url": common.url_of(request),
    }


async def _get(request: web.Request) -> web.Response:
    return _told(_request(request))


async def _body(request: web.Request) -> dict[str, Any]:
    form = {name: str(value) for name, value in (await request.post()).items()}
    body = await request.read()
    data = "" if form else body.decode(errors="replace")
    return {**_request(request), "data": data, "files": {}, "form": form, "json": common.as_json(body)}


async def _with_body(request: web.Request) -> web.Response:
    return _told(await _body(request))


async def _anything(request: web.Request) -> web.Response:
    return _told({**await _body(request), "method": request.method})


async def _delay(request: web.Request) -> web.Response:
    try:
        seconds = float(request.match_info["seconds"])
    except ValueError:
        raise web.HTTPNotFound from None
    await common.delayed(seconds)
    return _told(await _body(request))


async def _headers_page(request: web.Request) -> web.Response:
    return _told({"headers": _headers(request)})


async def _ip(request: web.Request) -> web.Response:
    return _told({"origin": _origin(request)})


async def _user_agent(request: web.Request) -> web.Response:
    return _told({"user-agent": request.headers.get("User-Agent")})


async def _status(request: web.Request) -> web.Response:
    try:
        code = common.status_of(request.match_info["codes"])
    except ValueError:
        return web.Response(status=400, text="Invalid status code")
    headers, body = _SPECIAL.get(code, ({}, ""))
    return web.Response(status=code, text=body, headers=headers, content_type=None if body else "text/html")


async def _uuid(_: web.Request) -> web.Response:
    return _told({"uuid": str(uuid.uuid4())})


async def _base64(request: web.Request) -> web.Response:
    try:
        text = base64.urlsafe_b64decode(request.match_info["value"]).decode()
    except ValueError:
        text = "Incorrect Base64 data try: SFRUUEJJTiBpcyBhd2Vzb21l"
    return web.Response(text=text, content_type="text/html")


async def _bytes(request: web.Request) -> web.Response:
    return web.Response(body=common.bytes_of(int(request.match_info["count"])))


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for number in range(min(int(request.match_info["count"]), 100)):
        await response.write(json.dumps({**_request(request), "id": number}).encode() + b"\n")
    return response


async def _redirect(request: web.Request) -> web.Response:
    left = int(request.match_info["count"]) - 1
    absolute = request.path.startswith("/absolute")
    path = "/get" if left < 1 else f"/{'absolute' if absolute else 'relative'}-redirect/{left}"
    before = f"{common.scheme_of(request)}://{request.host}" if absolute else ""
    return web.Response(status=302, headers={"Location": before + path})


async def _redirect_to(request: web.Request) -> web.Response:
    target = request.query.get("url")
    if not target:
        raise web.HTTPBadRequest
    return web.Response(status=int(request.query.get("status_code", "302")), headers={"Location": target})


async def _cookies(request: web.Request) -> web.Response:
    return _told({"cookies": dict(request.cookies)})


async def _set_cookies(request: web.Request) -> web.Response:
    response = web.Response(status=302, headers={"Location": "/cookies"})
    for name, value in request.query.items():
        response.set_cookie(name, value)
    return response


async def _basic_auth(request: web.Request) -> web.Response:
    user, password = request.match_info["user"], request.match_info["password"]
    if common.credentials(request) != (user, password):
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="Fake Realm"'})
    return _told({"authenticated": True, "user": user})


async def _bearer(request: web.Request) -> web.Response:
    token = common.token(request)
    if not token:
        return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    return _told({"authenticated": True, "token": token})


async def _response_headers(request: web.Request) -> web.Response:
    response = _told({"Content-Type": "application/json", **_args(request)})
    for name, value in request.query.items():
        response.headers[name] = value
    return response


async def _packed(request: web.Request) -> web.Response:
    kind = request.path.lstrip("/")
    said = {"gzip": "gzipped", "deflate": "deflated"}[kind]
    told = {**_request(request), said: True, "method": request.method}
    del told["args"], told["url"]
    body = json.dumps(told, indent=2, sort_keys=True).encode() + b"\n"
    packed = gzip.compress(body) if kind == "gzip" else zlib.compress(body)
    return web.Response(body=packed, headers={"Content-Type": "application/json", "Content-Encoding": kind})


async def _html(_: web.Request) -> web.Response:
    return web.Response(text=common.page("A page"), content_type="text/html")


async def _index(_: web.Request) -> web.Response:
    return web.Response(text=common.page("httpbin.org"), content_type="text/html")


async def _robots(_: web.Request) -> web.Response:
    return web.Response(text=common.ROBOTS)


async def _deny(_: web.Request) -> web.Response:
    return web.Response(text="YOU SHOULDN'T BE HERE\n")


def application(logs: bool) -> web.Application:
    """Its pages; *logs* each request as gunicorn does where it is told to."""

    @web.middleware
    async def logged(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            response = _not_found(error)
        response.headers["Server"] = "gunicorn/19.9.0"
        response.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "*")
        response.headers["Access-Control-Allow-Credentials"] = "true"
        if logs:
            _log(request, response)
        return response

    app = web.Application(middlewares=[logged])
    app.add_routes(_ROUTES)
    return app


def _not_found(error: web.HTTPException) -> web.Response:
    title = f"{error.status} {error.reason}"
    return web.Response(status=error.status, text=common.page(title), content_type="text/html")


def _log(request: web.Request, response: web.StreamResponse) -> None:
    now = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    size = response.content_length or 0
    refer, agent = request.headers.get("Referer", "-"), request.headers.get("User-Agent", "-")
    line = f"{request.method} {request.path_qs} HTTP/{request.version.major}.{request.version.minor}"
    say(f'{client_address(request)} - - [{now}] "{line}" {response.status} {size} "{refer}" "{agent}"')


_ROUTES = [
    *(
        web.get("/", _index),
        web.get("/get", _get),
        web.post("/post", _with_body),
        web.put("/put", _with_body),
    ),
    *(web.patch("/patch", _with_body), web.delete("/delete", _with_body)),
    *common.routes([_ANY], ["/anything", "/anything/{path:.*}"], _anything),
    *(web.get("/headers", _headers_page), web.get("/ip", _ip), web.get("/user-agent", _user_agent)),
    *common.routes([_ANY], ["/status/{codes}"], _status),
    *common.routes([_ANY], ["/delay/{seconds}"], _delay),
    *(web.get("/uuid", _uuid), web.get("/base64/{value}", _base64), web.get(r"/bytes/{count:\d+}", _bytes)),
    *(web.get(r"/stream/{count:\d+}", _stream), web.get("/html", _html), web.get("/robots.txt", _robots)),
    *(web.get(f"/{kind}redirect/{{count:\\d+}}", _redirect) for kind in ("", "relative-", "absolute-")),
    *common.routes([_ANY], ["/redirect-to"], _redirect_to),
    *(web.get("/cookies", _cookies), web.get("/cookies/set", _set_cookies), web.get("/deny", _deny)),
    *(web.get("/basic-auth/{user}/{password}", _basic_auth), web.get("/bearer", _bearer)),
    *(web.get("/response-headers", _response_headers), web.post("/response-headers", _response_headers)),
    *(web.get("/gzip", _packed), web.get("/deflate", _packed)),
]


def main(words: list[str]) -> int:
    """Serve where ``-b`` says, as gunicorn; also with ``run gunicorn`` before it, as pipenv is called."""
    if words[:2] == ["run", "gunicorn"]:
        words = words[2:]
    parser = argparse.ArgumentParser("gunicorn", allow_abbrev=False)
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000")
    parser.add_argument("-k", "--worker-class", default="sync")
    parser.add_argument("--access-logfile", default="")
    parser.add_argument("app", nargs="?", default="httpbin:app")
    options, _ = parser.parse_known_args(words)
    host, _, port = options.bind.rpartition(":")
    return serve(
        application(bool(options.access_logfile)),
        Listener(int(port), host.strip("[]") or "0.0.0.0"),
        ready=lambda: _started(options.bind, options.worker_class),
    )


def _started(bind: str, worker: str) -> None:
    now = time.strftime("[%Y-%m-%d %H:%M:%S +0000]", time.gmtime())
    for words in ("Starting gunicorn 19.9.0", f"Listening at: http://{bind} (1)", f"Using worker: {worker}"):
        say(f"{now} [{os.getpid()}] [INFO] {words}")
