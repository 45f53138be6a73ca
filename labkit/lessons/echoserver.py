"""Kubernetes' echoserver: answers with what it was asked, port 8080."""

from __future__ import annotations

import os

from aiohttp import web

from labkit.lessons.http import Listener, client_address, serve

PORT = 8080


async def _echo(request: web.Request) -> web.Response:
    body = await request.text()
    headers = "".join(f"\t{name.lower()}={value}\n" for name, value in sorted(request.headers.items()))
    version = f"{request.version.major}.{request.version.minor}"
    text = (
        f"\n\nHostname: {os.environ.get('HOSTNAME', '')}\n\n"
        f"Pod Information:\n{_pod()}\n"
        "Server values:\n\tserver_version=labkit\n\n"
        "Request Information:\n"
        f"\tclient_address={client_address(request)}\n"
        f"\tmethod={request.method}\n"
        f"\treal path={request.path_qs}\n"
        f"\tquery={request.query_string}\n"
        f"\trequest_version={version}\n"
        "\trequest_scheme=http\n"
        f"\trequest_uri=http://{request.host.partition(':')[0]}:{PORT}{request.path_qs}\n\n"
        f"Request Headers:\n{headers}\n"
        f"Request Body:\n{body or '	-no body in request-'}\n\n"
    )
    return web.Response(text=text)


def _pod() -> str:
    """What the downward API has told it."""
    told = {
        "node name": "NODE_NAME",
        "pod name": "POD_NAME",
        "pod namespace": "POD_NAMESPACE",
        "pod IP": "POD_IP",
    }
    known = [f"\t{words}:\t{os.environ[name]}\n" for words, name in told.items() if os.environ.get(name)]
    return "".join(known) or "\t-no pod information available-\n"


def main(_: list[str]) -> int:
    """Serve on port 8080."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _echo)
    return serve(app, Listener(PORT))
