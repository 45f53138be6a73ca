"""An API server in miniature: answers what a test puts into it, over real HTTP."""

import http.server
import json
import threading
import types
import urllib.parse
from collections.abc import Iterator

import pytest
import urllib3

from labkit.kube.api.api import Api

RESOURCES = {
    "v1": [("Pod", "pods", True), ("Service", "services", True), ("Namespace", "namespaces", False)],
    "apps/v1": [("Deployment", "deployments", True)],
}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.requests = []
        self.guard = ""
        """The one Authorization header that is accepted; every one where nothing is said."""
        self.ended = threading.Event()
        for version, kinds in RESOURCES.items():
            entries = [{"kind": k, "name": n, "namespaced": ns} for k, n, ns in kinds]
            prefix = "/apis" if "/" in version else "/api"
            self.answer("GET", f"{prefix}/{version}", {"resources": entries})

    def answer(self, method, path, body, code=200, headers=None):
        """Answer *method* *path* with *body*: an object, or a function of (query, body) → (code, object)."""
        self.answers[method, path] = (body, code, headers or {})

    def refuse(self, method, path, code, reason, message):
        """Answer with a Status."""
        self.answer(method, path, {"kind": "Status", "reason": reason, "message": message}, code)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.requests.append((self.command, url.path, query, body, dict(self.headers)))
        if self.server.guard not in ("", self.headers.get("Authorization")):
            self._reply(401, b'{"kind": "Status", "message": "Unauthorized"}', {})
            return
        if query.get("watch") == "true":
            self._watch(url.path)
            return
        found = self.server.answers.get((self.command, url.path))
        if found is None:
            status = {"kind": "Status", "reason": "NotFound", "message": f"nothing at {url.path}"}
            found = (status, 404, {})
        content, code, headers = found
        if callable(content):
            code, content = content(query, body)
        self._reply(code, content if isinstance(content, bytes) else json.dumps(content).encode(), headers)

    def _reply(self, code, data, headers) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, path) -> None:
        """Chunks from the queue put in as ``WATCH path``, until the server ends."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        queue = self.server.answers["WATCH", path][0]
        while (event := queue.get()) is not None:
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    """A connection to it, as the official client would make it."""
    found = connection(f"http://127.0.0.1:{server.server_port}")
    yield found
    found.close()


def connection(host: str) -> Api:
    token = {"BearerToken": {"in": "header", "key": "authorization", "value": "Bearer secret"}}
    client = types.SimpleNamespace(
        configuration=types.SimpleNamespace(host=host, auth_settings=lambda: token, proxy=None),
        rest_client=types.SimpleNamespace(pool_manager=urllib3.PoolManager(maxsize=8, retries=False)),
    )
    return Api(client)
