"""Whom Flagger asks by webhook: gates that let it pass once, or for good, and tests of the new version."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Gates(ThreadingHTTPServer):
    """Each is a path of its own, and shut at first."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Gate)
        self._lock = threading.Lock()
        self.shut()

    def shut(self):
        """All of them, as at first."""
        with self._lock:
            self._passes, self._tests, self.asked = Counter(), {}, Counter()

    def hook(self, kind, name):
        """As a Canary names it."""
        return {"type": kind, "name": name, "url": f"http://127.0.0.1:{self.server_port}/{name}"}

    def let(self, name, times=1):
        """Let it pass so often."""
        with self._lock:
            self._passes[name] += times

    def test(self, name, judge):
        """Whether it may pass, *judge* says each time."""
        self._tests[name] = judge

    def may_pass(self, name):
        with self._lock:
            self.asked[name] += 1
            judge, passes = self._tests.get(name), self._passes[name] > 0
            self._passes[name] -= passes
        return judge() if judge else passes


class _Gate(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        text = json.dumps({}).encode()
        self.send_response(200 if self.server.may_pass(self.path.strip("/")) else 403)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass
