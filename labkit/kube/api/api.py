"""A Kubernetes API, spoken to in plain JSON.

The official client reads the kubeconfig (certificates, tokens, exec plug-ins) and keeps the pool of
connections; the objects stay the dictionaries that YAML and JSON make of them. So what a notebook
shows is what the server said, no generated model can drop a field of a newer version, and a request
costs a millisecond rather than ten. Istio's kinds need no special case.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import urlencode

import urllib3

from labkit.errors import ClusterError
from labkit.kube.api.refusals import refused, translated

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Obj: TypeAlias = dict[str, Any]
"""One Kubernetes object, in its JSON form."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

_TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)
_REPEATABLE = ("GET", "PATCH", "PUT", "DELETE")
"""What does no more when it is done twice."""
_PATIENCE = urllib3.Retry(
    connect=2,
    read=1,
    status=3,
    other=0,
    backoff_factor=0.2,
    status_forcelist=(429, 502, 503, 504),
    allowed_methods=_REPEATABLE,
    raise_on_status=False,
)
"""A busy API server (429 with Retry-After) or a load balancer that finds none is asked again, ever slower."""
_NO_WEBHOOK = b"failed calling webhook"
"""In the message of a 500: who had to be asked first (istiod, of its rules) was too slow, or is restarted."""
_PAUSES = (0.5, 1.0, 2.0)
"""Seconds before each further attempt then."""

_IN_A_HURRY = _PATIENCE.new(connect=0, read=0)


class Closable(Protocol):
    """Something that holds a connection."""

    def close(self) -> None: ...


_Kept = TypeVar("_Kept", bound=Closable)


@dataclass(frozen=True)
class Reply:
    """An answer of the API server: status below 400, body, and the warnings it came with."""

    code: int
    body: bytes
    warnings: list[str] = field(default_factory=list)

    @property
    def object(self) -> Obj:
        """The body as an object."""
        return cast(Obj, json.loads(self.body))


@dataclass(frozen=True)
class Refusal:
    """What the API server did not take: the object, its reason, and when."""

    thing: str
    reason: str
    time: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    """As ``managedFields`` say it."""


class Api:
    """A connection to one cluster. Safe to use from several threads."""

    def __init__(
        self,
        client: ApiClient,
        *,
        namespace: str = "default",
        context: str = "",
        kubeconfig: Path | None = None,
        shared: bool = False,
        renew: Callable[[], ApiClient] | None = None,
        guard: Callable[[Api, str, str], None] | None = None,
    ) -> None:
        self._client = client
        self._guard = guard
        self.agreed = guard is None
        """Whether this cluster may be changed; until then the guard is asked before each change."""
        self._renew = renew
        self._pool: urllib3.PoolManager = client.rest_client.pool_manager
        self.host: str = client.configuration.host.rstrip("/")
        self.shared = shared
        """Whether it is somebody's cluster: then the lab keeps to its own namespaces."""
        self.adapt: Callable[[Api, Obj], Obj] = lambda _, obj: obj
        """What becomes of an object on its way to this cluster."""
        self.last_refusal: Refusal | None = None
        """What was applied last over this connection, if it was refused."""
        self.namespace = namespace
        self.context = context
        self.kubeconfig = kubeconfig
        self._discovered: dict[str, list[Obj]] = {}
        self._kept: dict[str, Closable] = {}
        self._lock = threading.Lock()
        self._hurry = threading.local()
        self._keeping = threading.RLock()
        """Two threads that ask at once are not to make two; what is made may ask for more."""

    def __repr__(self) -> str:
        return f"<Kubernetes API {self.host}{f', context {self.context}' if self.context else ''}>"

    def close(self) -> None:
        """Close the pooled connections and what was kept; the next request would open new ones."""
        self._pool.clear()
        while self._kept:
            self._kept.popitem()[1].close()

    def keep(self, key: str, make: Callable[[], _Kept]) -> _Kept:
        """What was kept under *key*, else what *make* makes; closed with this connection."""
        with self._keeping:
            if key not in self._kept:
                self._kept[key] = make()
            return cast(_Kept, self._kept[key])

    @property
    def forward_proxy(self) -> str | None:
        """The HTTP proxy that leads to this cluster, for connections of another kind; None where none does.

        Raises ClusterError for one of another kind (SOCKS), which only plain requests can go by.
        """
        proxy: str | None = self._client.configuration.proxy or None
        if proxy and not proxy.startswith(("http://", "https://")):
            raise ClusterError(
                f"{self.host} is behind the proxy {proxy}: "
                "commands in pods and forwarded ports need an HTTP proxy."
            )
        return proxy

    def credentials(self) -> tuple[dict[str, str], ssl.SSLContext | None]:
        """Headers and TLS settings for a connection of another kind to the same server."""
        return self._authorization(), self._pool.connection_pool_kw.get("ssl_context")

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: urllib3.Timeout = _TIMEOUT,
    ) -> Reply:
        """One request; raises ApiRefused for what the API refuses, ConnectionLost where it is gone."""
        if _changes_something(method, path, query):
            self.guard_changes(method, path)
        if isinstance(body, dict):
            body = self.adapt(self, body)
        send = partial(self._send, method, path, query, body, content_type, accept, timeout, stream=False)
        with translated(self.host):
            response = send()
            if response.status == 401 and self._log_in_again():
                response = send()
            for pause in _PAUSES if method in _REPEATABLE else ():
                if response.status != 500 or _NO_WEBHOOK not in response.data:
                    break
                time.sleep(pause)
                response = send()
        if response.status >= 400:
            raise refused(response.status, response.data, thing=path)
        return Reply(response.status, response.data, _warnings(response))

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What this thread asks meanwhile is given up after *seconds* without a word, and not asked again."""
        before, self._hurry.seconds = getattr(self._hurry, "seconds", None), seconds
        try:
            yield
        finally:
            self._hurry.seconds = before

    def guard_changes(self, method: str, path: str) -> None:
        """Raise NotAgreed where this cluster must not be changed yet; also before others change it for us."""
        if self._guard and not self.agreed:
            self._guard(self, method, path)

    def get(self, path: str, **query: Any) -> Obj:
        """GET *path*, as an object."""
        return self.request("GET", path, query=query).object

    def find(self, path: str, **query: Any) -> Obj | None:
        """As :meth:`get`, with ``None`` for what is not there."""
        from labkit.errors import ApiRefused

        try:
            return self.get(path, **query)
        except ApiRefused as error:
            if error.code != 404:
                raise
            return None

    def items(self, path: str, **query: Any) -> list[Obj]:
        """All objects of a list; what the server cuts into pages is put together."""
        page = self.get(path, **query)
        found: list[Obj] = list(page.get("items") or [])
        while token := page.get("metadata", {}).get("continue"):
            page = self.get(path, **query, **{"continue": token})
            found += page.get("items") or []
        return found

    def stream(
        self, path: str, *, query: Mapping[str, Any] | None = None, idle_seconds: float | None = None
    ) -> urllib3.BaseHTTPResponse:
        """GET *path* without reading the body: watches and followed logs. The caller closes it."""
        timeout = urllib3.Timeout(connect=5.0, read=idle_seconds)
        with translated(self.host):
            response = self._send("GET", path, query, None, JSON, "*/*", timeout, stream=True)
            if response.status >= 400:
                body = response.data
                raise refused(response.status, body, thing=path)
        return response

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        content_type: str,
        accept: str,
        timeout: urllib3.Timeout,
        *,
        stream: bool,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": accept, "User-Agent": "labkit", **self._authorization()}
        if body is not None:
            headers["Content-Type"] = content_type
        retries: urllib3.Retry | bool = _PATIENCE
        if seconds := getattr(self._hurry, "seconds", None):
            timeout, retries = urllib3.Timeout(connect=seconds, read=seconds), _IN_A_HURRY
        return self._pool.request(
            method,
            self.host + path + _query_string(query),
            headers=headers,
            body=None if body is None else json.dumps(body).encode(),
            timeout=timeout,
            retries=False if "/proxy/" in path else retries,  # what a pod answers is not the API's word
            preload_content=not stream,
        )

    def _authorization(self) -> dict[str, str]:
        try:
            with self._lock:  # an exec plug-in or a token refresh runs here
                settings = self._client.configuration.auth_settings()
        except Exception as error:  # whatever a plug-in does
            raise ClusterError(f"The kubeconfig's way to log in at {self.host} failed: {error}") from error
        return {s["key"]: s["value"] for s in settings.values() if s["in"] == "header" and s["value"]}

    def _log_in_again(self) -> bool:
        """Read the kubeconfig anew, for its token may have been renewed since; whether that was possible."""
        if self._renew is None:
            return False
        with self._lock:
            self._client = self._renew()
            self._pool = self._client.rest_client.pool_manager
        return True

    def resources_of(self, group_version: str) -> list[Obj]:
        """The resources discovery lists for ``v1`` or ``apps/v1``; asked once, then remembered."""
        if group_version not in self._discovered:
            prefix = "/apis" if "/" in group_version else "/api"
            found = self.find(f"{prefix}/{group_version}")
            if not found:
                return []
            self._discovered[group_version] = found["resources"]
        return self._discovered[group_version]


def _changes_something(method: str, path: str, query: Mapping[str, Any] | None) -> bool:
    """Not so a dry run, nor a question about one's own permissions, which is a POST."""
    harmless = (query or {}).get("dryRun") == "All" or path.startswith("/apis/authorization.k8s.io/")
    return method not in ("GET", "HEAD") and not harmless


def _query_string(query: Mapping[str, Any] | None) -> str:
    pairs = {key: _text(value) for key, value in (query or {}).items() if value is not None}
    return f"?{urlencode(pairs)}" if pairs else ""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _warnings(response: urllib3.BaseHTTPResponse) -> list[str]:
    """The texts of ``Warning: 299 - "…"`` headers (RFC 7234, as the API server writes them)."""
    lines = response.headers.getlist("warning") if "warning" in response.headers else []
    return [line.split('"', 1)[1].rsplit('"', 1)[0].replace('\\"', '"') for line in lines if '"' in line]
