"""Decisions made elsewhere: Envoy's ``ext_authz`` filters, which ask a provider over HTTP or gRPC.

They ask about those requests only that the RBAC filter before them has noted as a policy's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.embedded.mesh.durations import proto
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.security.extension_providers import GRPC, Authorizer, authorizers
from labkit.embedded.mesh.services import Service
from labkit.embedded.mesh.translate.naming import outbound_cluster, typed, without_empty

Fields = dict[str, Any]
NOTED, POLICY = "istio_ext_authz_", "istio-ext-authz"
"""Before what the RBAC filter notes, and before the names of the policies that it notes."""
HTTP_FILTER, TCP_FILTER = "envoy.filters.http.ext_authz", "envoy.filters.network.ext_authz"
_HTTP_CONFIG = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
_TCP_CONFIG = "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz"
_FOREVER = "600s"


class NobodyToAskError(Exception):
    """The provider is not there, or not as it must be."""


@dataclass(frozen=True)
class Asked:
    """A provider as a proxy reaches it."""

    authorizer: Authorizer
    host: str
    cluster: str

    @property
    def takes_bytes(self) -> bool:
        """Whether it can be asked about connections, too."""
        return self.authorizer.kind == GRPC

    def http_filter(self, rbac: str) -> Fields:
        """The HTTP filter, behind the RBAC filter of the name *rbac*."""
        settings = self.authorizer.settings
        ask = {"grpc_service": self._grpc()} if self.takes_bytes else {"http_service": self._http()}
        status = settings.get("statusOnError")
        fields = {
            **ask,
            "transport_api_version": "V3",
            "failure_mode_allow": bool(settings.get("failOpen")),
            "filter_enabled_metadata": self._noted_by(rbac),
            **({"status_on_error": {"code": int(status)}} if status else {}),
            **({"clear_route_cache": True} if settings.get("clearRouteCache") else {}),
            **_body(settings.get("includeRequestBodyInCheck")),
            **({} if self.takes_bytes else _allowed_headers(settings)),
        }
        return {"name": HTTP_FILTER, "typed_config": typed(_HTTP_CONFIG, **fields)}

    def tcp_filter(self, rbac: str) -> Fields:
        """The network filter."""
        fields = {
            "stat_prefix": "tcp.",
            "failure_mode_allow": bool(self.authorizer.settings.get("failOpen")),
            "transport_api_version": "V3",
            "grpc_service": self._grpc(),
            "filter_enabled_metadata": self._noted_by(rbac),
        }
        return {"name": TCP_FILTER, "typed_config": typed(_TCP_CONFIG, **fields)}

    @property
    def _timeout(self) -> str:
        return proto(str(self.authorizer.settings.get("timeout") or _FOREVER))

    def _grpc(self) -> Fields:
        target = {"cluster_name": self.cluster, "authority": self.host}
        return {"envoy_grpc": target, "timeout": self._timeout}

    def _http(self) -> Fields:
        settings = self.authorizer.settings
        uri = {"uri": f"http://{self.host}", "cluster": self.cluster, "timeout": self._timeout}
        more = settings.get("includeAdditionalHeadersInCheck") or {}
        added = [{"key": name, "value": str(more[name])} for name in sorted(more)]
        response = {
            "allowed_upstream_headers": _names(settings.get("headersToUpstreamOnAllow")),
            "allowed_client_headers": _names(settings.get("headersToDownstreamOnDeny")),
            "allowed_client_headers_on_success": _names(settings.get("headersToDownstreamOnAllow")),
        }
        fields = {
            "server_uri": uri,
            "path_prefix": settings.get("pathPrefix"),
            "authorization_request": {"headers_to_add": added} if added else None,
            "authorization_response": without_empty(response),
        }
        return without_empty(fields)

    def _noted_by(self, rbac: str) -> Fields:
        prefix = {"string_match": {"prefix": f"{POLICY}-{self.authorizer.name}"}}
        key = f"{NOTED}shadow_effective_policy_id"
        return {"filter": rbac, "path": [{"key": key}], "value": prefix}


def asked(state: MeshState, namespace: str, provider: str) -> Asked:
    """*provider* as a proxy of *namespace* reaches it; :class:`NobodyToAskError` where it can't."""
    known = authorizers(state.mesh.extension_providers)
    authorizer = known.get(provider)
    if authorizer is None:
        raise NobodyToAskError(f"available providers are {sorted(known)} but found {provider!r}")
    for problem in authorizer.problems():
        raise NobodyToAskError(f"found errors in provider {provider}: {problem}")
    service = _service(state, authorizer.service)
    # A port or service that this proxy is not told of would have it refuse the whole listener.
    seen = state.services_visible_from(namespace).get(service.host)
    if seen is None or seen.port(authorizer.port) is None:
        raise NobodyToAskError(f"{service.host} has no port {authorizer.port} that {namespace} sees")
    return Asked(authorizer, service.host, outbound_cluster(authorizer.port, service.host))


def _service(state: MeshState, named: str) -> Service:
    namespace, _, host = named.rpartition("/")
    found = [each for each in state.services if each.host == host and namespace in ("", each.namespace)]
    if len({each.namespace for each in found}) > 1:
        raise NobodyToAskError(f"found {host} in multiple namespaces, specify the namespace explicitly")
    if not found:
        raise NobodyToAskError(f"could not find service {named} in Istio service registry")
    return found[0]


def _names(headers: Sequence[str] | None) -> Fields | None:
    return {"patterns": [_name(each) for each in headers]} if headers else None


def _name(header: str) -> Fields:
    if header.startswith("*"):
        return {"suffix": header[1:], "ignore_case": True}
    if header.endswith("*"):
        return {"prefix": header[:-1], "ignore_case": True}
    return {"exact": header, "ignore_case": True}


def _allowed_headers(settings: Mapping[str, Any]) -> Fields:
    names = settings.get("includeRequestHeadersInCheck") or settings.get("includeHeadersInCheck")
    found = _names(names)
    return {"allowed_headers": found} if found else {}


def _body(settings: Mapping[str, Any] | None) -> Fields:
    if settings is None:
        return {}
    fields = {
        "max_request_bytes": int(settings.get("maxRequestBytes") or 0),
        "allow_partial_message": bool(settings.get("allowPartialMessage")),
        "pack_as_bytes": bool(settings.get("packAsBytes")),
    }
    return {"with_request_body": fields}
