"""A small HTTP server of our own, so that the client is tested over real sockets."""

import http.server
import threading
from collections.abc import Iterator

import pytest

BODIES = {
    "/b": b"Hello from ServiceA! Calling master system API... Received response: Hello from ServiceB!",
    "/c": b"Hello from ServiceA! Calling master system API... Received response: Hello from ServiceC!",
    "/alone": b"Hello from ServiceA! Calling master system API... I/O error",
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.seen.append((self.client_address[1], self.headers["User-Agent"]))
        self.server.on_request()
        if self.path == "/slow":
            self.server.finished.wait(5)
            self.close_connection = True
            return
        if self.path == "/drop":
            self.close_connection = True
            return
        body = BODIES.get(self.path, b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a client that gives up is what some tests are about


@pytest.fixture
def server() -> Iterator[Server]:
    """A server whose ``seen`` lists (client port, User-Agent), and ``url`` its root; ``on_request`` is called
    before each answer."""
    found = Server(("127.0.0.1", 0), Handler)
    found.seen, found.finished, found.on_request = [], threading.Event(), lambda: None
    found.url = f"http://127.0.0.1:{found.server_port}"
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.finished.set()
    found.shutdown()
    thread.join()
    found.server_close()
