"""An API server as a test meets it: requests, answers with their refusals, watches."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from labkit.kube.api.api import Api

JSON = "application/json"
PATIENCE = 30.0  # seconds


@dataclass(frozen=True)
class Answer:
    """What came back for one request, refused or not."""

    code: int
    body: bytes
    headers: urllib3.HTTPHeaderDict

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def warnings(self) -> list[str]:
        return self.headers.getlist("Warning", [])

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Status code, reason and message."""
        return self.code, self.json.get("reason", ""), self.json["message"]

    @property
    def causes(self) -> list[tuple[str, str, str]]:
        found = self.json["details"]["causes"]
        return [(each["field"], each["reason"], each["message"]) for each in found]

    @property
    def names(self) -> list[str]:
        """Of a list's objects."""
        return [each["metadata"]["name"] for each in self.json["items"]]


class Server:
    """An API server and the credentials for it."""

    def __init__(self, api: Api, kubeconfig: Path | None, *, bare: bool = False) -> None:
        self.api, self.kubeconfig, self.bare = api, kubeconfig, bare
        self.made: list[str] = []
        """What stands outside every namespace and goes at the end of the session."""
        headers, tls = api.credentials()
        self._pool = urllib3.PoolManager(headers=headers, ssl_context=tls, retries=False, timeout=PATIENCE)
        self._headers = urllib3.HTTPHeaderDict(headers)

    def sending(self, *headers: tuple[str, str], token: str | None = None) -> "Server":
        """The same server, met with other *headers* as well, and with another *token* (empty: with none)."""
        other = copy.copy(self)
        other._headers = self._headers.copy()
        for name, value in headers:
            other._headers.add(name, value)
        if token is not None:
            other._headers.discard("Authorization")
        if token:
            other._headers["Authorization"] = f"Bearer {token}"
        return other

    def as_user(self, name: str, *groups: str) -> "Server":
        """The same server, met in the name of somebody else."""
        return self.sending(("Impersonate-User", name), *(("Impersonate-Group", each) for each in groups))

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
        **query: str,
    ) -> Answer:
        """One request; *body* is made JSON unless it is text."""
        reply = self._send(method, path, body, content_type, accept, query)
        return Answer(reply.status, reply.data, reply.headers)

    def watch(self, path: str, **query: str) -> "Watch":
        """Follow the collection at *path*."""
        return Watch(self._send("GET", path, None, JSON, JSON, {"watch": "1", **query}, stream=True))

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        content_type: str,
        accept: str,
        query: dict[str, str],
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        headers = self._headers.copy()
        headers.update({"Accept": accept, "User-Agent": "suite/1"})
        if body is not None:
            headers["Content-Type"] = content_type
        fields = f"?{urlencode(query)}" if query else ""
        data = body if isinstance(body, str | None) else json.dumps(body)
        url = self.api.host + path + fields
        return self._pool.request(method, url, body=data, headers=headers, preload_content=not stream)

    def close(self) -> None:
        self._pool.clear()
        self.api.close()


class Watch:
    """A stream of events; a context, so that the connection is given up."""

    def __init__(self, reply: urllib3.BaseHTTPResponse) -> None:
        self.code = reply.status
        self._reply, self._rest = reply, b""
        self._chunks = reply.stream(None, decode_content=True)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self._reply.close()

    def next(self) -> dict[str, Any]:
        """The next event; StopIteration where the server has ended the stream."""
        while b"\n" not in self._rest:
            self._rest += next(self._chunks)
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def until(self, kind: str) -> dict[str, Any]:
        """The next event of type *kind*, past the others."""
        while (event := self.next())["type"] != kind:
            pass
        return event

    def rest(self) -> list[dict[str, Any]]:
        """All events until the server ends the stream."""
        events = []
        try:
            while True:
                events.append(self.next())
        except StopIteration:
            return events
