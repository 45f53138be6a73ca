"""``pilot-agent request GET config_dump`` and ``pilot-discovery request GET /debug/syncz``.

Istio's images have these two programs; a container here finds them on its PATH. They ask the Unix
socket that Envoy's admin interface, or istiod's debug pages, listen on. Run as ``python -I -S
request.py NAME SOCKET request METHOD PATH [BODY]``: it imports nothing that has to be installed.
"""

from __future__ import annotations

import http.client
import socket
import sys

TIMEOUT = 60.0
STATISTICS = "/stats"
"""Envoy brings together what its threads have measured when it is asked, and shows it the next time."""
USAGE = "usage: {} request METHOD PATH [BODY], as in `{} request GET {}`"
EXAMPLES = {"pilot-agent": "config_dump", "pilot-discovery": "/debug/syncz"}


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def main(name: str, path: str, words: list[str]) -> int:
    """The exit status: 0, 1 for a refusal, 2 for words that make no command."""
    match [word for word in words if not word.startswith("--")]:
        case ["request", method, page, *body] if len(body) < 2:
            return request(path, method.upper(), "/" + page.lstrip("/"), *body)
    print(USAGE.format(name, name, EXAMPLES.get(name, "/")), file=sys.stderr)
    return 2


def request(path: str, method: str, page: str, body: str = "") -> int:
    """Print the answer."""
    connection = UnixConnection(path)
    try:
        for _ in range(2 if page.startswith(STATISTICS) else 1):
            connection.request(method, page, body or None)
            answer = connection.getresponse()
            content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        print(f"Error: failed to {method} {page}: {error}", file=sys.stderr)
        return 1
    if answer.status >= 400:
        text = content.decode(errors="replace").rstrip()
        print(f"Error: received unsuccessful status code {answer.status}: {text}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(content if content.endswith(b"\n") else content + b"\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
    except BrokenPipeError:  # as in `… | head`
        sys.exit(1)
