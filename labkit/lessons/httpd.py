"""``httpd``: Apache's image where nobody gives it another configuration: files, on port 80."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from aiohttp import web

from labkit.lessons.http import Listener, client_address, say, serve

PORT = 80
DOCUMENTS = Path("/usr/local/apache2/htdocs")
_NOT_FOUND = (
    '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>404 Not Found</title>\n'
    "</head><body>\n<h1>Not Found</h1>\n<p>The requested URL was not found on this server.</p>\n"
    "</body></html>\n"
)


def application() -> web.Application:
    """What it answers, and the line it writes of each request."""
    app = web.Application()
    app.on_response_prepare.append(_log)
    app.router.add_get("/{path:.*}", _answer)
    return app


async def _answer(request: web.Request) -> web.StreamResponse:
    asked = DOCUMENTS / request.path.lstrip("/")
    file = asked / "index.html" if request.path.endswith("/") else asked
    if file.resolve().is_relative_to(DOCUMENTS) and file.is_file():
        return web.FileResponse(file)
    return web.Response(text=_NOT_FOUND, status=404, content_type="text/html")


async def _log(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "Apache/2.4.66 (Unix)"
    when = time.strftime("%d/%b/%Y:%H:%M:%S %z")
    line = f"{request.method} {request.path_qs} HTTP/{request.version.major}.{request.version.minor}"
    say(f'{client_address(request)} - - [{when}] "{line}" {response.status} {response.content_length or "-"}')


def main(words: list[str]) -> int:
    """Serve until stopped; 1 for words of which it knows nothing."""
    unknown = [word for word in words if word not in ("-D", "FOREGROUND", "-DFOREGROUND")]
    if unknown:
        print(f"httpd: Syntax error on the command line: {unknown[0]}", file=sys.stderr)
        return 1
    return serve(application(), Listener(PORT))
