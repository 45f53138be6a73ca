"""Mutual TLS between proxies, as istiod configures it: who offers it, who asks for it, who may be met.

A caller does not need to know what the other end takes: each endpoint says so (``tlsMode: istio`` in its
metadata), and the cluster's ``transport_socket_matches`` choose by it. Only the certificates come another
way than in a real pod, where an agent beside Envoy fetches them: here over the same stream as all the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labkit.embedded.mesh.identity.spiffe import SCHEME
from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.translate.naming import typed
from labkit.embedded.mesh.translate.tls import contexts

TLS_MODE_LABEL = "security.istio.io/tlsMode"
HTTP_ALPN = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
"""What a caller offers that speaks HTTP for certain."""
OUR_HTTP_ALPN = ("istio-HTTP/1.0", "istio-HTTP/1.1", "istio-HTTP/2")
"""The same, as Envoy's own filters spell protocols (see :func:`alpn_by_protocol`)."""
TCP_ALPN = ("istio-peer-exchange", "istio")
ISTIO_ALPN = ("istio", "istio-peer-exchange", *HTTP_ALPN)

RAW = {
    "name": "envoy.transport_sockets.raw_buffer",
    "typed_config": typed("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"),
}
_CIPHERS = (
    *("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    *("ECDHE-RSA-AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-GCM-SHA256"),
)
_ENDPOINT_MATCH = "envoy.transport_socket_match"
_ALPN_FILTER = "istio.alpn"
_SET_FILTER_STATE = "envoy.extensions.filters.http.set_filter_state.v3.Config"


def takes_tls(labels: Mapping[str, str]) -> bool:
    """Whether a pod with *labels* has a proxy that speaks mutual TLS."""
    return labels.get(TLS_MODE_LABEL) == "istio"


def sni(cluster: str) -> str:
    """``outbound|80|v1|b.shop…`` → ``outbound_.80_.v1_.b.shop…``."""
    return cluster.replace("|", "_.")


def endpoint_metadata() -> dict[str, Any]:
    """What marks an endpoint that takes mutual TLS (``filter_metadata``)."""
    return {_ENDPOINT_MATCH: {"tlsMode": "istio"}}


def matches(cluster: str, identities: Iterable[str], *, http2: bool) -> list[dict[str, Any]]:
    """``transport_socket_matches``: mutual TLS for the endpoints that take it, plain text for the others."""
    secured = {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}}
    plain = {"name": "tlsMode-disabled", "match": {}, "transport_socket": RAW}
    return [{**secured, "transport_socket": client(cluster, identities, http2=http2)}, plain]


def client(cluster: str, identities: Iterable[str], *, http2: bool, server_name: str = "") -> dict[str, Any]:
    """The transport socket of a caller that shows its certificate.

    identities: who may answer (SPIFFE); anybody of the mesh's, where there is none.
    """
    context = {
        "tls_params": contexts.VERSIONS,
        "alpn_protocols": [*TCP_ALPN, *(["h2"] if http2 else [])],
        **contexts.own_certificate(),
        **contexts.of_the_mesh(contexts.exactly(sorted(set(identities)))),
    }
    return contexts.upstream(context, server_name or sni(cluster))


def server(mesh: MeshConfig, *, http: bool) -> dict[str, Any]:
    """The transport socket of a workload that insists on its peer's certificate."""
    peers = [{"prefix": f"{SCHEME}{each}/"} for each in mesh.trust_domains]
    context = {
        "tls_params": {
            **contexts.VERSIONS,
            "tls_minimum_protocol_version": mesh.mesh_mtls.lowest,
            "cipher_suites": list(mesh.mesh_mtls.cipher_suites or _CIPHERS),
        },
        "alpn_protocols": [*([] if http else ["istio-peer-exchange"]), "h2", "http/1.1"],
        **contexts.own_certificate(),
        **contexts.of_the_mesh({"match_subject_alt_names": peers}),
    }
    return contexts.downstream(context, insists=True)


def alpn_by_protocol() -> dict[str, Any]:
    """An HTTP filter that offers the request's protocol in TLS, for ports whose protocol is detected.

    Behind TLS nobody can look at the first bytes, so the caller says it. Istio has a filter of its own for
    that (``istio.alpn``); Envoy's can say the same, in its own spelling.
    """
    state = {
        "object_key": "envoy.network.application_protocols",
        "format_string": {"text_format_source": {"inline_string": "istio-%PROTOCOL%,istio"}},
        "shared_with_upstream": "ONCE",
    }
    return {"name": _ALPN_FILTER, "typed_config": typed(_SET_FILTER_STATE, on_request_headers=[state])}
