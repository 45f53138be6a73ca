"""A webhook that runs in the test: what it says is the test's, and what it was asked is kept."""

import base64
import json
import ssl
import tempfile
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..certificates import authority, pair, pem

ROOT = "webhooks"
BUNDLE = base64.b64encode(pem(authority(ROOT)[0])).decode()
Say = Callable[[dict[str, Any]], Any]
"""From the AdmissionRequest to the AdmissionResponse, or to (status, text)."""


def patch(*operations):
    """The response that has these done."""
    text = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": text}


class Webhooks:
    """Paths and what is said there."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.say: dict[str, Say] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"

    def requests(self, path: str) -> list[dict[str, Any]]:
        """What was asked there, in order."""
        return [request for where, request in self.asked if where == path]


@contextmanager
def serving():
    """Webhooks on a port of this machine, by the name ``localhost``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hooks = server.hooks = Webhooks(server.server_address[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    names = ("localhost", "hook.default.svc")
    with tempfile.TemporaryDirectory(prefix="lk-hook-") as folder:
        both = Path(folder) / "pair.pem"
        both.write_bytes(b"".join(pair("localhost", ROOT, *names)))
        context.load_cert_chain(both)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hooks
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        hooks, path = self.server.hooks, self.path.partition("?")[0]
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hooks.asked.append((path, {**review["request"], "query": self.path.partition("?")[2]}))
        said = hooks.say[path](review["request"])
        if isinstance(said, tuple):
            status, text = said
        else:
            response = {"uid": review["request"]["uid"], **said}
            header = {key: review[key] for key in ("apiVersion", "kind")}
            status, text = 200, json.dumps({**header, "response": response})
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        """Nobody reads it."""
