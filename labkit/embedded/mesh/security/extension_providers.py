"""Services outside of the proxies that decide about requests: ``extensionProviders`` of the mesh's settings.

https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ExtensionProvider
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HTTP, GRPC = "envoyExtAuthzHttp", "envoyExtAuthzGrpc"
KINDS = (HTTP, GRPC)
"""The kinds of provider that decide about requests."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HEADERS = (
    "includeRequestHeadersInCheck",
    "includeHeadersInCheck",
    "headersToDownstreamOnDeny",
    "headersToDownstreamOnAllow",
    "headersToUpstreamOnAllow",
)


@dataclass(frozen=True)
class Authorizer:
    """One provider that decides about requests."""

    name: str
    kind: str
    settings: Mapping[str, Any]

    @property
    def service(self) -> str:
        """``host``, or ``namespace/host``."""
        return str(self.settings.get("service") or "")

    @property
    def port(self) -> int:
        return int(self.settings.get("port") or 0)

    def problems(self) -> Iterator[str]:
        """What is wrong with it: then whatever it should decide about is refused."""
        if not _NAME.fullmatch(self.name):
            yield f"invalid provider name {self.name!r}"
        if not self.service:
            yield "service must not be empty"
        if not 1 <= self.port <= 65535:
            yield f"port must be in the range [1, 65535], found: {self.port}"
        status = str(self.settings.get("statusOnError") or "200")
        if not (status.isdecimal() and 100 <= int(status) <= 599):
            yield f"unsupported statusOnError {status}"
        prefix = str(self.settings.get("pathPrefix") or "/")
        if not prefix.startswith("/"):
            yield f"pathPrefix must begin with `/`, found: {prefix!r}"
        for field in _HEADERS:
            if "*" in (self.settings.get(field) or []):
                yield f'a single wildcard ("*") is not supported: {field}'


def authorizers(providers: Sequence[Mapping[str, Any]]) -> dict[str, Authorizer]:
    """Those of *providers* that decide about requests, by name; of one name the first."""
    found: dict[str, Authorizer] = {}
    for each in providers:
        for kind in KINDS:
            if isinstance(each.get(kind), Mapping):
                name = str(each.get("name") or "")
                found.setdefault(name, Authorizer(name, kind, each[kind]))
    return found
